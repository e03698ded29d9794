//! Reports as text.

use std::fmt::Write as _;

use super::diff::{
    Change, Difference, DistributionChange, FileTotals, Kind, PartChange, PathChange, Verdict, change_of,
};
use super::report::{PathFacts, Report, Sizes};
use crate::slug::heroku_size;
use crate::slug::read::printable;

/// How many paths of a duplicate are shown.
const PATHS: usize = 3;

/// Renders what is in a slug.
pub fn render_report(report: &Report, top: usize) -> String {
    let mut text = String::new();
    let slug = &report.slug;
    let ratio = if slug.size > 0 { slug.content_size as f64 / slug.size as f64 } else { 0.0 };
    line(&mut text, "Slug", &show(&slug.file));
    let unpacked = heroku_size(slug.content_size);
    line(&mut text, "Size", &format!("{}, unpacked {unpacked} ({ratio:.1} to 1)", heroku_size(slug.size)));
    let entries = format!("{} files, {} directories, {} links", slug.files, slug.directories, slug.links);
    line(&mut text, "Entries", &entries);
    line(&mut text, "Checksum", &slug.checksum);
    line(&mut text, "Tar checksum", &slug.tar_checksum);
    let python = report.python.as_ref();
    let python = python.map_or("none found".to_owned(), |python| {
        format!("{} (by {})", show(&python.version), python.read_from)
    });
    line(&mut text, "Python", &python);
    if let Some(commit) = report.manifest.as_ref().and_then(|manifest| manifest.commit.as_ref()) {
        line(&mut text, "Commit", &show(commit));
    }
    text.push_str("\nProcess types\n");
    for (name, command) in &report.process_types {
        let _ = writeln!(text, "  {:<15}{}", show(name), show(command));
    }
    if report.process_types.is_empty() {
        text.push_str("  (none)\n");
    }
    heading(&mut text, "Layers");
    for layer in &report.layers {
        row(&mut text, layer.name, layer.sizes);
    }
    let distributions = report.distributions.iter();
    heading(&mut text, &format!("Distributions ({})", report.distributions.len()));
    for distribution in distributions.take(top) {
        row(
            &mut text,
            &format!("{} {}", show(&distribution.name), show(&distribution.version)),
            distribution.sizes,
        );
    }
    more(&mut text, report.distributions.len(), top);
    paths(&mut text, "Directories", &report.directories, report.totals.directories);
    paths(&mut text, "Files", &report.files, report.totals.files);
    duplicates(&mut text, report);
    text
}

fn duplicates(text: &mut String, report: &Report) {
    if report.duplicates.is_empty() {
        return;
    }
    let wasted = heroku_size(report.totals.wasted);
    let _ = writeln!(
        text,
        "\nDuplicate files ({}, which take {wasted} more than once)",
        report.totals.duplicates
    );
    for duplicate in &report.duplicates {
        let copies = duplicate.paths.len();
        let _ = writeln!(
            text,
            "  {:>8}  {copies} times {}",
            heroku_size(duplicate.wasted),
            heroku_size(duplicate.size)
        );
        for path in duplicate.paths.iter().take(PATHS) {
            let _ = writeln!(text, "            {}", show(path));
        }
        if copies > PATHS {
            let _ = writeln!(text, "            and {} more", copies - PATHS);
        }
    }
    more(text, report.totals.duplicates, report.duplicates.len());
}

fn paths(text: &mut String, title: &str, rows: &[PathFacts], total: usize) {
    if rows.is_empty() {
        return;
    }
    heading(text, &format!("{title} ({total})"));
    for PathFacts { path, sizes } in rows {
        row(text, &show(path), *sizes);
    }
    more(text, total, rows.len());
}

fn line(text: &mut String, label: &str, value: &str) {
    let _ = writeln!(text, "{label:<17}{value}");
}

/// Sizes stand first, so that a long name doesn't move them.
fn heading(text: &mut String, title: &str) {
    let _ = writeln!(text, "\n{title}\n  in slug  unpacked    files");
}

fn row(text: &mut String, name: &str, sizes: Sizes) {
    let Sizes { size, compressed, files } = sizes;
    let _ = writeln!(text, "{:>9} {:>9} {files:>8}  {name}", heroku_size(compressed), heroku_size(size));
}

fn more(text: &mut String, total: usize, shown: usize) {
    if total > shown {
        let _ = writeln!(text, "{:>29}  and {} more (--top N shows more)", "", total - shown);
    }
}

fn show(text: &str) -> String {
    printable(text.as_bytes())
}

/// Renders how two slugs differ: first what made the difference in size.
pub(crate) fn render_diff(difference: &Difference, top: usize) -> String {
    let mut text = headline(difference);
    if difference.is_same() {
        return text;
    }
    if !difference.parts.is_empty() {
        text.push_str("\nWhat made the difference\n   in slug  unpacked\n");
        for part in difference.parts.iter().take(top) {
            let (in_slug, unpacked) =
                (signed(change_of(part.old, part.new)), signed(difference_of(part.new.size, part.old.size)));
            let _ = writeln!(text, "{in_slug:>10} {unpacked:>9}  {}", part_name(part));
        }
        more(&mut text, difference.parts.len(), top);
    }
    if let Some(python) = &difference.python {
        let _ = writeln!(text, "\nPython           {}", arrow(python));
    }
    if !difference.process_types.is_empty() {
        text.push_str("\nProcess types\n");
        for (name, change) in &difference.process_types {
            let _ = writeln!(text, "  {} {:<15}{}", sign(kind_of(change)), show(name), arrow(change));
        }
    }
    if !difference.distributions.is_empty() {
        let _ = writeln!(text, "\nDistributions ({})", difference.distributions.len());
        for DistributionChange { name, change, version } in &difference.distributions {
            let _ = writeln!(text, "  {} {:<28} {}", sign(*change), show(name), arrow(version));
        }
    }
    files(&mut text, difference, top);
    text
}

fn headline(difference: &Difference) -> String {
    let Difference { old, new, verdict, .. } = difference;
    let (before, after) = (show(&old.file), show(&new.file));
    match verdict {
        Verdict::Identical => format!("{before} and {after} are the same, byte for byte.\n"),
        Verdict::SameTar => format!(
            "{before} and {after} hold the same tar file, byte for byte; only its compression differs: {} and {}.\n",
            heroku_size(old.size),
            heroku_size(new.size)
        ),
        Verdict::SameEntries => format!(
            "{before} and {after} hold the same files. Only what is noted about them in the tar file differs: times \
             ({} files), their order, their owners or the layout.\n",
            difference.totals.other_times
        ),
        Verdict::Different => {
            let change = difference_of(new.size, old.size);
            let amount = heroku_size(change.unsigned_abs());
            let sizes = format!(
                "{}, it was {} (unpacked {}, it was {})",
                heroku_size(new.size),
                heroku_size(old.size),
                heroku_size(new.content_size),
                heroku_size(old.content_size)
            );
            match change {
                0 => format!("{after} is as big as {before}: {sizes}\n"),
                1.. => format!("{after} is {amount} bigger than {before}: {sizes}\n"),
                _ => format!("{after} is {amount} smaller than {before}: {sizes}\n"),
            }
        }
    }
}

fn files(text: &mut String, difference: &Difference, top: usize) {
    let FileTotals { added, removed, changed, other_times } = difference.totals;
    if added + removed + changed > 0 {
        let _ = writeln!(text, "\nFiles: {added} added, {removed} removed, {changed} changed\n   in slug");
        for PathChange { path, change, what, old, new } in difference.files.iter().take(top) {
            let what =
                what.filter(|what| *what != "content").map_or(String::new(), |what| format!(" ({what})"));
            let _ = writeln!(
                text,
                "{:>10}  {} {}{what}",
                signed(change_of(*old, *new)),
                sign(*change),
                show(path)
            );
        }
        more(text, difference.files.len(), top);
    }
    if other_times > 0 && difference.verdict == Verdict::Different {
        let _ = writeln!(text, "{other_times} more files differ in their times only.");
    }
}

fn part_name(part: &PartChange) -> String {
    let name = show(&part.name);
    match (&part.version, part.change) {
        (Some(Change { new: Some(version), .. }), Kind::Added) => format!("{name} {}, added", show(version)),
        (Some(Change { old: Some(version), .. }), Kind::Removed) => {
            format!("{name} {}, removed", show(version))
        }
        (Some(version), _) => format!("{name} {}", arrow(version)),
        (None, Kind::Added) => format!("{name}, added"),
        (None, Kind::Removed) => format!("{name}, removed"),
        (None, _) => name,
    }
}

fn arrow(Change { old, new }: &Change) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{} -> {}", show(old), show(new)),
        (one, other) => show(one.as_ref().or(other.as_ref()).map_or("", String::as_str)),
    }
}

fn kind_of(change: &Change) -> Kind {
    match change {
        Change { old: None, .. } => Kind::Added,
        Change { new: None, .. } => Kind::Removed,
        Change { .. } => Kind::Changed,
    }
}

fn sign(kind: Kind) -> char {
    match kind {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Upgraded | Kind::Downgraded | Kind::Changed => '~',
    }
}

fn difference_of(new: u64, old: u64) -> i64 {
    i64::try_from(new).unwrap_or(i64::MAX) - i64::try_from(old).unwrap_or(i64::MAX)
}

fn signed(bytes: i64) -> String {
    let sign = match bytes {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", heroku_size(bytes.unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_have_a_sign() {
        for (bytes, expected) in [(0, "0B"), (80 << 20, "+80M"), (-1536, "-1.5K")] {
            assert_eq!(signed(bytes), expected);
        }
    }

    #[test]
    fn a_change_of_versions_is_an_arrow() {
        let change = |old: Option<&str>, new: Option<&str>| Change {
            old: old.map(Into::into),
            new: new.map(Into::into),
        };
        for (old, new, expected) in
            [(Some("1"), Some("2"), "1 -> 2"), (None, Some("2"), "2"), (Some("\x1b1"), None, "\\u{1b}1")]
        {
            assert_eq!(arrow(&change(old, new)), expected);
        }
    }
}
