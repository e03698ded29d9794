//! Reports as pages: one file, which asks nobody for anything.
//!
//! The templates are static files beside this one, joined here; what they show is JSON in the page. The policy in
//! the page names the digests of its one style sheet and its one script: nothing else is run, and nothing is loaded.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::contents::Content;
use super::diff::Difference;
use super::inspection::Inspection;
use super::owners::Owner;
use super::report::{Report, report};
use crate::python::distribution::base64_url;
use crate::slug::size::LIMIT;

const FRAME: &str = include_str!("page/frame.html");
const STYLE: &str = include_str!("page/style.css");
const COMMON: &str = include_str!("page/common.js");

const REPORT_BODY: &str = include_str!("page/report.html");
const TREEMAP: &str = include_str!("page/treemap.js");
const REPORT_SCRIPTS: [&str; 3] = [COMMON, TREEMAP, include_str!("page/report.js")];

const DIFF_BODY: &str = include_str!("page/diff.html");
const DIFF_SCRIPTS: [&str; 3] = [COMMON, TREEMAP, include_str!("page/diff.js")];

/// What the page about a slug shows.
#[derive(Serialize)]
struct Slug {
    report: Report,
    /// Heroku's limit.
    limit: u64,
    /// Names of owners: the distributions by number, then `runtime`, `generated`, `app`.
    owners: Vec<String>,
    /// The directory that most files of an owner are in.
    tops: Vec<String>,
    /// Path, size, compressed size, number of the owner, kind.
    entries: Vec<(String, u64, u64, usize, &'static str)>,
}

/// Renders the page about a slug.
pub(crate) fn render_report_page(inspection: &Inspection) -> String {
    let report = report(inspection, usize::MAX);
    let distributions = inspection.installed.len();
    let mut owners: Vec<String> =
        inspection.installed.iter().map(|found| found.distribution.name.clone()).collect();
    owners.extend(["Python runtime", "Files of the buildpack", "The app"].map(str::to_owned));
    let mut tops: Vec<String> =
        inspection.installed.iter().map(|found| found.site_packages.clone()).collect();
    tops.extend([".heroku/python", "", ""].map(str::to_owned));
    let entries = inspection.contents.entries.iter().zip(&inspection.owners).map(|(entry, owner)| {
        let owner = match owner {
            Owner::Distribution(number) => *number,
            Owner::Runtime => distributions,
            Owner::Generated => distributions + 1,
            Owner::App => distributions + 2,
        };
        let kind = match entry.content {
            Content::File(_) => "file",
            Content::Directory => "directory",
            Content::Symlink(_) | Content::HardLink(_) => "link",
            Content::Other => "other",
        };
        (entry.name(), entry.size, entry.compressed, owner, kind)
    });
    let entries = entries.collect();
    let title = format!("{}: what is in the slug", report.slug.file);
    // The rows of the lists are in `entries` already.
    let report = Report { directories: Vec::new(), files: Vec::new(), ..report };
    render(
        &title,
        REPORT_BODY,
        &REPORT_SCRIPTS.concat(),
        &Slug { report, limit: LIMIT, owners, tops, entries },
    )
}

/// Renders the page about the difference of two slugs.
pub(crate) fn render_diff_page(difference: &Difference) -> String {
    let title = format!("{} and {}: what is different", difference.old.file, difference.new.file);
    render(&title, DIFF_BODY, &DIFF_SCRIPTS.concat(), difference)
}

fn render(title: &str, body: &str, script: &str, data: &impl Serialize) -> String {
    // Maps with keys that aren't text are the only values that can't be written.
    let data = serde_json::to_string(data).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(script)
    );
    // In one pass, so that nothing in one part is taken for the place of another.
    let mut page = String::with_capacity(FRAME.len() + STYLE.len() + script.len() + data.len() + body.len());
    let mut rest = FRAME;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((name, after)) = after.split_once("}}") else { break };
        page.push_str(before);
        match name {
            "title" => page.push_str(&escape(title)),
            "policy" => page.push_str(&policy),
            "style" => page.push_str(STYLE),
            "body" => page.push_str(body),
            "script" => page.push_str(script),
            // So that no name of a file can end the element.
            _ => page.push_str(&data.replace('<', "\\u003c")),
        }
        rest = after;
    }
    page.push_str(rest);
    page
}

/// Names an inline style sheet or script in a policy.
fn source(text: &str) -> String {
    format!("'sha256-{}='", base64_url(&Sha256::digest(text)))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_can_break_out_of_the_page() {
        let page =
            render("</title>", DIFF_BODY, COMMON, &["</script><script>alert(1)</script>", "{{script}}"]);
        assert!(
            !page.contains("alert(1)</script>") && page.contains("\\u003c/script>\\u003cscript>alert(1)")
        );
        assert!(page.contains("<title>&lt;/title&gt;</title>"));
        assert!(page.contains("\"{{script}}\""), "what is shown isn't a template");
        assert!(page.contains("default-src 'none'"));
    }

    #[test]
    fn the_pages_name_no_address() {
        for text in [FRAME, STYLE, REPORT_BODY, DIFF_BODY, &REPORT_SCRIPTS.concat(), &DIFF_SCRIPTS.concat()] {
            for sign in
                ["http:", "https:", "//cdn", "url(", "@import", "fetch(", "XMLHttpRequest", "innerHTML"]
            {
                assert!(!text.contains(sign), "{sign}");
            }
            assert!(!text.contains("</script") || text == FRAME, "it would end the script");
        }
    }
}
