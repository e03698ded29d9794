//! How errors look: the box of the classic buildpack's log, and `docs/errors.md`.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet as AnnotatedSnippet};

use super::{Door, ErrorCode, Failure, Snippet};

/// Renders the lines of an error's box, without its margin: title, what was found, the place, the causes,
/// what to do, and the id.
pub(crate) fn render_text(failure: &Failure, door: Door) -> String {
    let entry = failure.code().entry();
    // It is what the user asked for: there is nothing to explain.
    if failure.code() == ErrorCode::Interrupted {
        return format!("{} What was finished is kept. Error id: {}", entry.title, entry.id);
    }
    let kind = if entry.id.starts_with("internal-error::") { "Internal Error" } else { "Error" };
    let mut parts = vec![format!("{kind}: {}", entry.title), failure.to_string().trim_end().to_owned()];
    if let Some(snippet) = failure.error().snippet() {
        parts.push(render_snippet(&snippet));
    }
    let causes = failure.causes();
    if !causes.is_empty() {
        parts.push(
            causes
                .iter()
                .map(|cause| format!("Caused by: {}", cause.trim_end()))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    parts.push(failure.fix(door).trim_end().to_owned());
    parts.push(format!("Error id: {}", entry.id));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

/// Renders a place in a file with a caret under what is at fault.
pub(crate) fn render_snippet(snippet: &Snippet) -> String {
    let Snippet { file, line, text, span, label } = snippet;
    let source = AnnotatedSnippet::source(text.as_str())
        .line_start(*line)
        .path(file.as_str())
        .annotation(AnnotationKind::Primary.span(span.clone()).label(label.as_str()));
    let report = [Level::ERROR.no_name().primary_title("").element(source)];
    let rendered = Renderer::plain().render(&report);
    // The title is the box's; what is left starts with the ` --> file:line:column` arrow.
    rendered.lines().skip_while(|line| !line.contains("-->")).collect::<Vec<_>>().join("\n")
}

/// Renders the catalogue as the page `docs/errors.md`.
pub fn render_catalogue_markdown() -> String {
    let mut page = String::from(
        "# Errors\n\n\
         Every error of slugc has an id that never changes. This page is generated from the catalogue\n\
         (`src/error/catalogue.rs`) by `UPDATE_DOCS=1 cargo test _md`.\n\n\
         Exit codes: 1 the app is at fault, 2 the command line, 3 this machine, the network or slugc itself.\n",
    );
    for code in ErrorCode::ALL {
        let entry = code.entry();
        page.push_str(&format!(
            "\n## `{}`\n\n{}\n\n```text\n{}\n```\n\nExit code {}.\n",
            entry.id,
            entry.title,
            entry.fix.trim_end(),
            entry.exit_code
        ));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::UserError;

    #[derive(Debug, thiserror::Error)]
    #[error("requirements.txt, line 2.")]
    struct Example;

    impl UserError for Example {
        fn code(&self) -> ErrorCode {
            ErrorCode::VersionFileSeveral
        }

        fn snippet(&self) -> Option<Snippet> {
            Some(Snippet {
                file: "requirements.txt".into(),
                line: 2,
                text: "foo bar==1".into(),
                span: 4..7,
                label: "expected a version".into(),
            })
        }
    }

    #[test]
    fn a_box_has_title_finding_place_fix_and_id() {
        insta::assert_snapshot!(render_text(&Failure::from(Example), Door::CommandLine), @r"
        Error: There is more than one Python version in .python-version.

        requirements.txt, line 2.

         --> requirements.txt:2:5
          |
        2 | foo bar==1
          |     ^^^ expected a version

        Keep one line.

        Error id: python-version-file::multiple-versions
        ");
    }

    // T10: whatever was going on, and whichever signal it was.
    #[test]
    fn what_the_user_stops_is_told_in_one_line() {
        #[derive(Debug, thiserror::Error)]
        #[error("Installing the requirements failed.\nIt has many lines.")]
        struct Installing(#[source] crate::env::Interrupted);
        impl UserError for Installing {
            fn code(&self) -> ErrorCode {
                self.0.code()
            }
        }
        let stopped = |signal| crate::env::Interrupted { signal };
        for failure in [
            Failure::from(stopped(2)),
            Failure::from(stopped(15)),
            Failure::from(Installing(stopped(2))),
            Failure::from(Installing(stopped(1))),
        ] {
            let expected = "Stopped. What was finished is kept. Error id: interrupted";
            assert_eq!(render_text(&failure, Door::CommandLine), expected, "{failure:?}");
        }
    }
}
