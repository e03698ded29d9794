//! The difference of two slugs as text.

use anstyle::{AnsiColor, Color, Style};

use super::diff::{
    Change, Difference, DistributionChange, FileTotals, Kind, PartChange, PathChange, Verdict, change_of,
};
use super::text::{Text, show};
use crate::slug::heroku_size;

/// Renders how two slugs differ: first what made the difference in size.
pub(crate) fn render_diff(difference: &Difference, top: usize, color: bool) -> String {
    let mut text = Text::new(color);
    let line = headline(difference);
    let headline = text.styled(Style::new().bold(), line.trim_end());
    text.push(&format!("{headline}\n"));
    if difference.is_same() {
        return text.finish();
    }
    if !difference.parts.is_empty() {
        text.title("What made the difference");
        text.push("   in slug  unpacked\n");
        for part in difference.parts.iter().take(top) {
            let (in_slug, unpacked) = changes_of(part);
            let in_slug = painted(&text, in_slug, 10);
            text.push(&format!("{in_slug} {:>9}  {}\n", signed(unpacked), part_name(part)));
        }
        text.more(difference.parts.len(), top);
    }
    if let Some(python) = &difference.python {
        text.push(&format!("\nPython           {}\n", arrow(python)));
    }
    if !difference.process_types.is_empty() {
        text.title("Process types");
        for (name, change) in &difference.process_types {
            text.push(&format!("  {} {:<15}{}\n", sign(kind_of(change)), show(name), arrow(change)));
        }
    }
    if !difference.distributions.is_empty() {
        text.title(&format!("Distributions ({})", difference.distributions.len()));
        for DistributionChange { written, change, version, .. } in &difference.distributions {
            text.push(&format!("  {} {:<28} {}\n", sign(*change), show(written), arrow(version)));
        }
    }
    files(&mut text, difference, top);
    text.finish()
}

/// Returns by how much more a part takes, in the slug and unpacked.
pub(super) fn changes_of(part: &PartChange) -> (i64, i64) {
    (change_of(part.old, part.new), difference_of(part.new.size, part.old.size))
}

/// Growth is red, shrinking green.
fn painted(text: &Text, bytes: i64, width: usize) -> String {
    let amount = format!("{:>width$}", signed(bytes));
    let color = match bytes {
        0 => return amount,
        1.. => AnsiColor::Red,
        _ => AnsiColor::Green,
    };
    text.styled(Style::new().fg_color(Some(Color::Ansi(color))), &amount)
}

/// Says in a sentence how two slugs differ.
pub(super) fn headline(difference: &Difference) -> String {
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

fn files(text: &mut Text, difference: &Difference, top: usize) {
    let FileTotals { added, removed, changed, other_times } = difference.totals;
    if added + removed + changed > 0 {
        text.title(&format!("Files: {added} added, {removed} removed, {changed} changed"));
        text.push("   in slug\n");
        for PathChange { path, change, what, old, new, .. } in difference.files.iter().take(top) {
            let what =
                what.filter(|what| *what != "content").map_or(String::new(), |what| format!(" ({what})"));
            let amount = painted(text, change_of(*old, *new), 10);
            text.push(&format!("{amount}  {} {}{what}\n", sign(*change), show(path)));
        }
        text.more(difference.files.len(), top);
    }
    if other_times > 0 && difference.verdict == Verdict::Different {
        text.push(&format!("{other_times} more files differ in their times only.\n"));
    }
}

pub(super) fn part_name(part: &PartChange) -> String {
    let name = show(&part.written);
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

pub(super) fn arrow(Change { old, new }: &Change) -> String {
    match (old, new) {
        (Some(old), Some(new)) => format!("{} -> {}", show(old), show(new)),
        (one, other) => show(one.as_ref().or(other.as_ref()).map_or("", String::as_str)),
    }
}

pub(super) fn kind_of(change: &Change) -> Kind {
    match change {
        Change { old: None, .. } => Kind::Added,
        Change { new: None, .. } => Kind::Removed,
        Change { .. } => Kind::Changed,
    }
}

pub(super) fn sign(kind: Kind) -> char {
    match kind {
        Kind::Added => '+',
        Kind::Removed => '-',
        Kind::Upgraded | Kind::Downgraded | Kind::Changed => '~',
    }
}

fn difference_of(new: u64, old: u64) -> i64 {
    i64::try_from(new).unwrap_or(i64::MAX) - i64::try_from(old).unwrap_or(i64::MAX)
}

pub(super) fn signed(bytes: i64) -> String {
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
