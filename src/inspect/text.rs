//! What is in a slug as text: what matters stands first and, as a terminal shows the end, last.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Color, Style};

use super::removable::total;
use super::report::{Duplicate, PathFacts, Report, Sizes, SlugFacts};
use super::why::Why;
use crate::slug::heroku_size;
use crate::slug::read::printable;
use crate::slug::size::LIMIT;

/// How many paths of a duplicate are shown.
const PATHS: usize = 3;

const BOLD: Style = Style::new().bold();
const GREEN: Style = Style::new().fg_color(Some(Color::Ansi(AnsiColor::Green)));
const RED: Style = Style::new().bold().fg_color(Some(Color::Ansi(AnsiColor::Red)));

/// A text that may have colours.
pub(super) struct Text {
    text: String,
    color: bool,
}

impl Text {
    pub(super) fn new(color: bool) -> Self {
        Self { text: String::new(), color }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    pub(super) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Returns a text in this style, if there are styles.
    pub(super) fn styled(&self, style: Style, text: &str) -> String {
        if self.color { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Adds the title of a part.
    pub(super) fn title(&mut self, title: &str) {
        let title = self.styled(BOLD, title);
        let _ = writeln!(self.text, "\n{title}");
    }

    fn line(&mut self, label: &str, value: &str) {
        let _ = writeln!(self.text, "{label:<17}{value}");
    }

    /// Sizes stand first, so that a long name doesn't move them.
    fn heading(&mut self, title: &str) {
        self.title(title);
        self.push("  in slug  unpacked    files\n");
    }

    fn row(&mut self, name: &str, sizes: Sizes) {
        let Sizes { size, compressed, files } = sizes;
        let _ =
            writeln!(self.text, "{:>9} {:>9} {files:>8}  {name}", heroku_size(compressed), heroku_size(size));
    }

    pub(super) fn more(&mut self, total: usize, shown: usize) {
        if total > shown {
            let _ = writeln!(self.text, "{:>29}  and {} more (--top N shows more)", "", total - shown);
        }
    }
}

/// Renders what is in a slug.
pub fn render_report(report: &Report, top: usize, color: bool) -> String {
    let mut text = Text::new(color);
    facts(&mut text, report);
    text.heading("Layers");
    for layer in &report.layers {
        text.row(layer.name, layer.sizes);
    }
    text.heading(&format!("Distributions ({})", report.distributions.len()));
    for distribution in report.distributions.iter().take(top) {
        let name = format!("{} {}", show(&distribution.name), show(&distribution.version));
        text.row(&name, distribution.sizes);
    }
    text.more(report.distributions.len(), top);
    paths(&mut text, "Directories", &report.directories, report.totals.directories);
    paths(&mut text, "Files", &report.files, report.totals.files);
    duplicates(&mut text, report);
    could_go(&mut text, report);
    let style = if report.slug.size > LIMIT { RED } else { BOLD };
    let size = text.styled(style, &size_of_limit(&report.slug));
    let _ = write!(text.text, "\n{}: {size}", show(&report.slug.file));
    if !report.could_go.is_empty() {
        let saved = heroku_size(total(&report.could_go).compressed);
        let saved = text.styled(GREEN, &format!("{saved} could go"));
        let _ = write!(text.text, "; {saved}");
    }
    text.push("\n");
    text.finish()
}

fn facts(text: &mut Text, report: &Report) {
    let slug = &report.slug;
    text.line("Slug", &show(&slug.file));
    let style = if slug.size > LIMIT { RED } else { BOLD };
    let size = text.styled(style, &size_of_limit(slug));
    text.line("Size", &format!("{size}, {}", unpacked(slug)));
    if !report.could_go.is_empty() {
        let saved = heroku_size(total(&report.could_go).compressed);
        let saved = text.styled(GREEN, &saved);
        text.line("Could go", &format!("{saved} (listed at the end)"));
    }
    text.line("Python", &python(report));
    if let Some(commit) = report.manifest.as_ref().and_then(|manifest| manifest.commit.as_ref()) {
        text.line("Commit", &show(commit));
    }
    let entries = format!("{} files, {} directories, {} links", slug.files, slug.directories, slug.links);
    text.line("Entries", &entries);
    text.line("Checksum", &slug.checksum);
    text.line("Tar checksum", &slug.tar_checksum);
    text.title("Process types");
    for (name, command) in &report.process_types {
        let _ = writeln!(text.text, "  {:<15}{}", show(name), show(command));
    }
    if report.process_types.is_empty() {
        text.push("  (none)\n");
    }
}

pub(super) fn python(report: &Report) -> String {
    report.python.as_ref().map_or("none found".to_owned(), |python| {
        format!("{} (by {})", show(&python.version), python.read_from)
    })
}

/// Says how much of Heroku's limit a slug takes.
pub(super) fn size_of_limit(slug: &SlugFacts) -> String {
    format!("{} of {}", heroku_size(slug.size), heroku_size(LIMIT))
}

pub(super) fn unpacked(slug: &SlugFacts) -> String {
    let ratio = if slug.size > 0 { slug.content_size as f64 / slug.size as f64 } else { 0.0 };
    format!("unpacked {} ({ratio:.1} to 1)", heroku_size(slug.content_size))
}

/// Returns the duplicates that are worth a line: not texts that each package has to have, such as licences.
pub(super) fn worth_a_line(report: &Report) -> Vec<&Duplicate> {
    let duplicates = report.duplicates.iter();
    duplicates.filter(|duplicate| !duplicate.paths.iter().all(|path| every_package_has(path))).collect()
}

fn every_package_has(path: &str) -> bool {
    const WORDS: [&str; 5] = ["license", "licence", "copying", "notice", "authors"];
    const NAMES: [&str; 6] = ["__init__.py", "py.typed", "WHEEL", "INSTALLER", "REQUESTED", "top_level.txt"];
    let name = path.rsplit('/').next().unwrap_or(path);
    let lower = name.to_ascii_lowercase();
    NAMES.contains(&name) || path.contains("/licenses/") || WORDS.iter().any(|word| lower.starts_with(word))
}

fn duplicates(text: &mut Text, report: &Report) {
    let shown = worth_a_line(report);
    if shown.is_empty() {
        return;
    }
    let wasted = heroku_size(report.totals.wasted);
    let sets = match report.totals.duplicates {
        1 => "1 set".to_owned(),
        count => format!("{count} sets"),
    };
    text.title(&format!("Duplicate files ({sets}, wasting {wasted})"));
    for duplicate in shown {
        let copies = duplicate.paths.len();
        let (wasted, size) = (heroku_size(duplicate.wasted), heroku_size(duplicate.size));
        let _ = writeln!(text.text, "{wasted:>9}  {copies} times {size}");
        for path in duplicate.paths.iter().take(PATHS) {
            let _ = writeln!(text.text, "            {}", show(path));
        }
        if copies > PATHS {
            let _ = writeln!(text.text, "            and {} more", copies - PATHS);
        }
    }
}

fn could_go(text: &mut Text, report: &Report) {
    if report.could_go.is_empty() {
        return;
    }
    text.heading("Could go: nothing in the slug needs it");
    for removable in &report.could_go {
        text.row(removable.title, removable.sizes);
    }
    text.title("To leave it out, add to .slugignore.post");
    for line in report.could_go.iter().flat_map(|removable| &removable.lines) {
        text.push(&format!("{line}\n"));
    }
}

fn paths(text: &mut Text, title: &str, rows: &[PathFacts], total: usize) {
    if rows.is_empty() {
        return;
    }
    text.heading(&format!("{title} ({total})"));
    for PathFacts { path, sizes } in rows {
        text.row(&show(path), *sizes);
    }
    text.more(total, rows.len());
}

/// Shows a name as harmless text.
pub(super) fn show(text: &str) -> String {
    printable(text.as_bytes())
}

/// Renders why a distribution is there.
pub(crate) fn render_why(all: &[Why], color: bool) -> String {
    let mut text = Text::new(color);
    for Why { name, version, ways, .. } in all {
        let name = text.styled(BOLD, &format!("{} {}", show(name), show(version)));
        let _ = writeln!(text.text, "{name}");
        for way in ways {
            let _ = writeln!(text.text, "  {}", render_way(way));
        }
        if ways.is_empty() {
            text.push("  No file of the app and no other distribution in the slug asks for it.\n");
        }
    }
    text.finish()
}

/// Renders a way: `botocore ← boto3 ← requirements.txt`.
pub(super) fn render_way(way: &[String]) -> String {
    way.iter().map(|step| show(step)).collect::<Vec<_>>().join(" ← ")
}

#[cfg(test)]
mod tests {
    use super::*;

    // U14
    #[test]
    fn what_every_package_has_is_worth_no_line() {
        for (path, expected) in [
            ("lib/a-1.dist-info/LICENSE", true),
            ("lib/a-1.dist-info/licenses/LICENSE.txt", true),
            ("lib/a-1.dist-info/licenses/vendor/BSD", true),
            ("lib/a/COPYING.LESSER", true),
            ("lib/a/NOTICE", true),
            ("lib/a/Licence.md", true),
            ("lib/a/__init__.py", true),
            ("lib/a-1.dist-info/WHEEL", true),
            ("static/logo.svg", false),
            ("lib/a/data.bin", false),
        ] {
            assert_eq!(every_package_has(path), expected, "{path}");
        }
    }
}
