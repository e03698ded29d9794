//! The log as text: what each event looks like at its door.

use std::borrow::Cow;

use anstyle::{AnsiColor, Color, Style};

use super::wrap::wrap;
use super::{Event, Inner, Report};
use crate::error::escape::escape_lines;
use crate::error::{Door, ErrorCode, Failure, NoticeText, Severity, render_text};

/// What ` !     ` takes of a line, and one column that stays free.
const BOX_MARGIN: usize = 8;

impl Inner {
    /// Returns the text of an event, if the log shows it.
    pub(super) fn text_of(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::Warning { id, text } => Some(self.render_notice(Severity::Warning, id, text)),
            Event::Error { rendered, .. } => {
                let details: String = self.unheard.iter().map(|text| render_detail(text)).collect();
                Some(details + rendered)
            }
            _ if self.quiet => None,
            Event::Step { text } => {
                Some(format!("-----> {}\n", escape_lines(text).replace('\n', "\n       ")))
            }
            Event::Detail { text, is_prose: true, .. } if self.door == Door::CommandLine => {
                let lines = text.lines().flat_map(|line| wrap(line, self.width - BOX_MARGIN));
                Some(render_detail(&lines.collect::<Vec<_>>().join("\n")))
            }
            Event::Detail { text, .. } => Some(render_detail(text)),
            Event::Notice { id, text } => Some(self.render_notice(Severity::Note, id, text)),
            _ => None,
        }
    }

    /// A box of the classic buildpack; on the command line, a report without what the user didn't ask for.
    fn render_notice(&mut self, severity: Severity, id: &str, text: &NoticeText) -> String {
        if self.door == Door::Buildpack {
            let (kind, color) = match severity {
                Severity::Note => ("Note", AnsiColor::Blue),
                _ => ("Warning", AnsiColor::Yellow),
            };
            return self.render_box(&format!("{kind}: {text}"), color);
        }
        self.has_more_to_say |= text.more().is_some() && !self.verbose;
        let mut report = Report::of_notice(severity, id, text);
        if !self.verbose {
            report.fix = "";
        }
        report.render(self.color, self.width - 1)
    }

    /// An error, as the door tells of it.
    pub(super) fn render_failure(&self, failure: &Failure) -> String {
        if self.door == Door::Buildpack {
            return self.render_box(&render_text(failure, self.door), AnsiColor::Red);
        }
        let entry = failure.code().entry();
        let space = if self.has_written || !self.unheard.is_empty() { "\n" } else { "" };
        let rendered = |report: Report<'_>| format!("{space}{}", report.render(self.color, self.width - 1));
        // It is what the user asked for: there is nothing to explain.
        if failure.code() == ErrorCode::Interrupted {
            let title = format!("{} What was finished is kept.", entry.title);
            return rendered(Report::new(Severity::Error, entry.id, &title));
        }
        rendered(Report {
            message: &failure.to_string(),
            place: failure.error().snippet().as_ref(),
            causes: &failure.causes(),
            fix: &failure.fix(self.door),
            ..Report::new(Severity::Error, entry.id, entry.title)
        })
    }

    /// An empty line, each line as ` !     text` in colour, an empty line: Heroku's form.
    fn render_box(&self, text: &str, color: AnsiColor) -> String {
        let style = Style::new().bold().fg_color(Some(Color::Ansi(color)));
        let mut rendered = String::from("\n");
        let text = escape_lines(text.trim_end());
        for line in text.lines().flat_map(|line| wrap(line, self.width - BOX_MARGIN)) {
            if self.color {
                rendered.push_str(&format!("{style} !     {line}{style:#}\n"));
            } else {
                rendered.push_str(format!(" !     {line}").trim_end());
                rendered.push('\n');
            }
        }
        rendered.push('\n');
        rendered
    }
}

/// Indents each line by seven spaces. Programs write colours for terminals, and carriage returns to write over a line:
/// neither is of any use in a log.
fn render_detail(text: &str) -> String {
    let plain = without_colors(text);
    let lines = plain.split(['\n', '\r']).collect::<Vec<_>>();
    let shown = lines.iter().enumerate().filter(|(index, line)| *index == 0 || !line.is_empty());
    shown.map(|(_, line)| format!("       {}\n", escape_lines(line))).collect()
}

/// Takes away the sequences that only choose colours and weights: `ESC [ 1 ; 31 m`.
fn without_colors(text: &str) -> Cow<'_, str> {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default();
    if first.len() == text.len() {
        return Cow::Borrowed(text);
    }
    let mut plain = first.to_owned();
    for part in parts {
        let end = part.find(|letter: char| !(letter.is_ascii_digit() || letter == ';'));
        match end.filter(|end| part[*end..].starts_with('m')) {
            Some(end) => plain.push_str(&part[end + 1..]),
            None => plain.extend(["\u{1b}[", part]),
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_of_programs_are_taken_away() {
        for (text, expected) in [
            ("plain", "       plain\n"),
            ("\u{1b}[1;31mred\u{1b}[0m and \u{1b}[mplain", "       red and plain\n"),
            ("\u{1b}[2Jcleared", "       \\u001b[2Jcleared\n"),
            ("10%\r100%\r", "       10%\n       100%\n"),
            ("", "       \n"),
        ] {
            assert_eq!(render_detail(text), expected, "{text:?}");
        }
    }
}
