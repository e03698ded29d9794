//! Reports as Markdown, for comments and pages of a forge: tables as GitHub's flavour has them.

use std::fmt::Write as _;

use super::diff::{Difference, FileTotals, PathChange, change_of};
use super::removable::total;
use super::report::{PathFacts, Report, Sizes};
use super::text::{python, render_way, show, size_of_limit, unpacked, worth_a_line};
use super::text_diff::{arrow, changes_of, headline, kind_of, part_name, sign, signed};
use super::why::Why;
use crate::slug::heroku_size;

const SIZES: &str = "| in slug | unpacked | files | |\n|---:|---:|---:|---|\n";

/// Renders what is in a slug.
pub(crate) fn render_report_markdown(report: &Report, top: usize) -> String {
    let slug = &report.slug;
    let mut text = format!("# {}: {}\n\n", md(&slug.file), size_of_limit(slug));
    let _ = writeln!(text, "- {}", unpacked(slug));
    let _ = writeln!(text, "- Python {}", md(&python(report)));
    if !report.could_go.is_empty() {
        let _ = writeln!(text, "- {} could go", heroku_size(total(&report.could_go).compressed));
    }
    for (name, command) in &report.process_types {
        let _ = writeln!(text, "- {}: {}", md(name), code(command));
    }
    let rows = report.layers.iter().map(|layer| (layer.name.to_owned(), layer.sizes));
    sizes(&mut text, "Layers", rows, report.layers.len());
    let rows = report.distributions.iter().take(top);
    let rows = rows.map(|found| (format!("{} {}", md(&found.name), md(&found.version)), found.sizes));
    sizes(
        &mut text,
        &format!("Distributions ({})", report.distributions.len()),
        rows,
        report.distributions.len(),
    );
    for (title, list, total) in [
        ("Directories", &report.directories, report.totals.directories),
        ("Files", &report.files, report.totals.files),
    ] {
        let rows = list.iter().map(|PathFacts { path, sizes }| (code(path), *sizes));
        sizes(&mut text, &format!("{title} ({total})"), rows, total);
    }
    let duplicates = worth_a_line(report);
    if !duplicates.is_empty() {
        text.push_str("\n## Duplicate files\n\n| wasted | each | |\n|---:|---:|---|\n");
    }
    for duplicate in duplicates {
        let paths: Vec<String> = duplicate.paths.iter().take(3).map(|path| code(path)).collect();
        let more = match duplicate.paths.len().saturating_sub(3) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let (wasted, each) = (heroku_size(duplicate.wasted), heroku_size(duplicate.size));
        let _ = writeln!(text, "| {wasted} | {each} | {}{more} |", paths.join("<br>"));
    }
    if !report.could_go.is_empty() {
        let rows = report.could_go.iter().map(|removable| (md(removable.title), removable.sizes));
        sizes(&mut text, "Could go", rows, report.could_go.len());
        text.push_str("\nTo leave it out, add to `.slugignore.post`:\n\n");
        for line in report.could_go.iter().flat_map(|removable| &removable.lines) {
            let _ = writeln!(text, "    {line}");
        }
    }
    text
}

fn sizes(text: &mut String, title: &str, rows: impl Iterator<Item = (String, Sizes)>, total: usize) {
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return;
    }
    let _ = write!(text, "\n## {title}\n\n{SIZES}");
    for (name, Sizes { size, compressed, files }) in &rows {
        let _ =
            writeln!(text, "| {} | {} | {files} | {name} |", heroku_size(*compressed), heroku_size(*size));
    }
    if total > rows.len() {
        let _ = writeln!(text, "\nAnd {} more.", total - rows.len());
    }
}

/// Renders how two slugs differ.
pub(crate) fn render_diff_markdown(difference: &Difference, top: usize) -> String {
    let mut text = format!("# {}\n", md(headline(difference).trim_end()));
    if difference.is_same() {
        return text;
    }
    if !difference.parts.is_empty() {
        text.push_str("\n## What made the difference\n\n| in slug | unpacked | |\n|---:|---:|---|\n");
        for part in difference.parts.iter().take(top) {
            let (in_slug, unpacked) = changes_of(part);
            let _ =
                writeln!(text, "| {} | {} | {} |", signed(in_slug), signed(unpacked), md(&part_name(part)));
        }
        rest(&mut text, difference.parts.len(), top);
    }
    if let Some(python) = &difference.python {
        let _ = writeln!(text, "\nPython: {}", md(&arrow(python)));
    }
    if !difference.process_types.is_empty() {
        text.push_str("\n## Process types\n\n");
        for (name, change) in &difference.process_types {
            let _ = writeln!(text, "- `{}` {}: {}", sign(kind_of(change)), md(name), code(&arrow(change)));
        }
    }
    if !difference.distributions.is_empty() {
        text.push_str("\n## Distributions\n\n");
        for found in &difference.distributions {
            let _ = writeln!(
                text,
                "- `{}` {} {}",
                sign(found.change),
                md(&found.written),
                md(&arrow(&found.version))
            );
        }
    }
    let FileTotals { added, removed, changed, .. } = difference.totals;
    if added + removed + changed > 0 {
        let _ = write!(
            text,
            "\n## Files: {added} added, {removed} removed, {changed} changed\n\n| in slug | | |\n|---:|---|---|\n"
        );
        for PathChange { path, change, old, new, .. } in difference.files.iter().take(top) {
            let _ = writeln!(
                text,
                "| {} | `{}` | {} |",
                signed(change_of(*old, *new)),
                sign(*change),
                code(path)
            );
        }
        rest(&mut text, difference.files.len(), top);
    }
    text
}

fn rest(text: &mut String, total: usize, shown: usize) {
    if total > shown {
        let _ = writeln!(text, "\nAnd {} more.", total - shown);
    }
}

/// Renders why a distribution is there.
pub(crate) fn render_why_markdown(all: &[Why]) -> String {
    let mut text = String::new();
    for Why { name, version, ways, .. } in all {
        let _ = writeln!(text, "# {} {}\n", md(name), md(version));
        for way in ways {
            let _ = writeln!(text, "- {}", md(&render_way(way)));
        }
        if ways.is_empty() {
            text.push_str("No file of the app and no other distribution in the slug asks for it.\n");
        }
    }
    text
}

/// Shows a text so that it stands for itself.
fn md(text: &str) -> String {
    let mut shown = String::new();
    for letter in show(text).chars() {
        match letter {
            '<' => shown.push_str("&lt;"),
            '&' => shown.push_str("&amp;"),
            // A mention would notify its owner.
            '@' => shown.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '>' => shown.extend(['\\', letter]),
            _ => shown.push(letter),
        }
    }
    shown
}

/// Shows a path or a command. What code can't hold in a table is shown as text.
fn code(text: &str) -> String {
    let shown = show(text);
    if shown.contains(['`', '|']) || shown.trim() != shown || shown.is_empty() {
        md(text)
    } else {
        format!("`{shown}`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // U14, S07
    #[test]
    fn no_name_is_markup() {
        for (text, as_text, as_code) in [
            ("a.py", "a.py", "`a.py`"),
            ("a|b", "a\\|b", "a\\|b"),
            ("`x`", "\\`x\\`", "\\`x\\`"),
            ("<img src=x>", "&lt;img src=x\\>", "`<img src=x>`"),
            ("a\n# b", "a\\\\n\\# b", "`a\\n# b`"),
            ("[x](y)", "\\[x\\](y)", "`[x](y)`"),
            ("@everybody", "&#64;everybody", "`@everybody`"),
            (" x", " x", " x"),
        ] {
            assert_eq!((md(text).as_str(), code(text).as_str()), (as_text, as_code), "{text:?}");
        }
    }
}
