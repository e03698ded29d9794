//! How the command line tells of an error, a warning or a finding: the form that rustc has.
//!
//! ```text
//! error[requirements::invalid-line]: A line of the requirements can't be read.
//!   What was found in this app.
//!  --> requirements.txt:2:5
//!   |
//! 2 | foo bar==1
//!   |     ^^^ expected a version
//!   = What to do.
//! ```

use anstyle::{AnsiColor, Color, Style};

use super::wrap::{flow, wrap};
use crate::error::escape::{escape, escape_lines};
use crate::error::{NoticeText, Severity, Snippet, render_snippet};

/// What is told. Only `id` and `title` are never empty.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'a> {
    pub(crate) severity: Severity,
    pub(crate) id: &'a str,
    /// What is the matter, in a sentence.
    pub(crate) title: &'a str,
    /// What was found in this app: one or more lines.
    pub(crate) message: &'a str,
    /// The line at fault.
    pub(crate) place: Option<&'a Snippet>,
    /// The file at fault, where it isn't a line of it.
    pub(crate) file: Option<&'a str>,
    /// What caused it, outermost first.
    pub(crate) causes: &'a [String],
    /// What to do.
    pub(crate) fix: &'a str,
}

impl<'a> Report<'a> {
    /// Makes a report without anything but its first line.
    pub(crate) fn new(severity: Severity, id: &'a str, title: &'a str) -> Self {
        Self { severity, id, title, message: "", place: None, file: None, causes: &[], fix: "" }
    }

    /// Makes a report of a warning or note, with what there is to say to those who ask.
    pub(crate) fn of_notice(severity: Severity, id: &'a str, text: &'a NoticeText) -> Self {
        let (title, message) = text.told().split_once('\n').unwrap_or((text.told(), ""));
        Self { message, fix: text.more().unwrap_or_default(), ..Self::new(severity, id, title) }
    }

    /// Renders it for a terminal that is so wide.
    pub(crate) fn render(&self, color: bool, width: usize) -> String {
        let style = if color { style_of(self.severity) } else { Style::new() };
        let head = format!("{}[{}]", self.severity, self.id);
        let mut text = indent(&format!("{head}: {}", escape_lines(self.title)), "", "  ", width);
        text.replace_range(..head.len(), &format!("{style}{head}{style:#}"));
        text.push_str(&indent(&escape_lines(self.message), "  ", "  ", width));
        if let Some(place) = self.place {
            text.push_str(&format!("{}\n", escape_lines(&render_snippet(place))));
        } else if let Some(file) = self.file {
            text.push_str(&format!(" --> {}\n", escape(file).replace('\n', "\\n")));
        }
        for cause in self.causes {
            text.push_str(&indent(&escape_lines(&format!("Caused by: {cause}")), "  ", "    ", width));
        }
        text.push_str(&indent(&escape_lines(&flow(self.fix)), "  = ", "    ", width));
        text
    }
}

fn style_of(severity: Severity) -> Style {
    let color = match severity {
        Severity::Error => AnsiColor::Red,
        Severity::Warning => AnsiColor::Yellow,
        Severity::Note => AnsiColor::Blue,
    };
    Style::new().bold().fg_color(Some(Color::Ansi(color)))
}

/// Wraps prose, and puts one margin before the first line and another before the others.
fn indent(text: &str, first: &str, others: &str, width: usize) -> String {
    let widest = first.len().max(others.len());
    let lines = text.trim_end().lines().flat_map(|line| wrap(line, width.saturating_sub(widest)));
    let margin = |index| if index == 0 { first } else { others };
    lines
        .enumerate()
        .map(|(index, line)| format!("{}\n", format!("{}{line}", margin(index)).trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // T02, T05
    #[test]
    fn a_report_flows_into_its_width() {
        let place = Snippet {
            file: "requirements.txt".into(),
            line: 2,
            text: "foo bar==1".into(),
            span: 4..7,
            label: "expected a version".into(),
        };
        let causes = ["uv ended with exit code 2.\nIts last words are long enough to be wrapped.".to_owned()];
        let report = Report {
            message: "Two sentences about this very app. They are told.\n\n- a list\n- of two",
            place: Some(&place),
            causes: &causes,
            fix: "Write one requirement a line, and quote what a shell would take\nfor its own. For example:\nflask==2.3.3\nThat is all.",
            ..Report::new(Severity::Error, "requirements::invalid-line", "A line can't be read.")
        };
        insta::assert_snapshot!(report.render(false, 44), @r"
        error[requirements::invalid-line]: A line
          can't be read.
          Two sentences about this very app. They
          are told.

          - a list
          - of two
         --> requirements.txt:2:5
          |
        2 | foo bar==1
          |     ^^^ expected a version
          Caused by: uv ended with exit code 2.
            Its last words are long enough to be
            wrapped.
          = Write one requirement a line, and quote
            what a shell would take for its own. For
            example:
            flask==2.3.3
            That is all.
        ");
        let colored = report.render(true, 44);
        assert!(
            colored.starts_with("\u{1b}[1m\u{1b}[31merror[requirements::invalid-line]\u{1b}[0m: A"),
            "{colored:?}"
        );
        assert_eq!(Report::new(Severity::Note, "a::b", "Short.").render(false, 80), "note[a::b]: Short.\n");
    }

    // S07
    #[test]
    fn foreign_words_begin_no_line() {
        let foreign = "x\n::error::INJECTED\n\u{1b}]0;t\u{7}";
        let causes = [foreign.to_owned()];
        let report = Report {
            message: foreign,
            file: Some(foreign),
            causes: &causes,
            fix: foreign,
            ..Report::new(Severity::Warning, "a::b", foreign)
        };
        let text = report.render(false, 80);
        assert!(!text.contains(|letter: char| letter.is_control() && letter != '\n'), "{text:?}");
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")), "{text}");
    }
}
