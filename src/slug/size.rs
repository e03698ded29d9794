//! Sizes as Heroku writes them, and the warnings and parts that go with them.

use std::collections::BTreeMap;

use super::assemble::Part;
use super::merge::Merged;
use super::segment::Segment;
use super::tree::{EntryKind, Tree, TreeOrigin};
use crate::error::NoticeCode;

/// Heroku says that slugs above this may take longer to boot.
const SOFT_LIMIT: u64 = 300_000_000;

/// Heroku's limit, as `slugc build` takes it unless it is told another.
pub(crate) const LIMIT: u64 = 500 << 20;

/// Heroku's limit, if its `M` is a million bytes: nobody outside knows.
const NEAR_LIMIT: u64 = 500_000_000;

/// Renders a number of bytes as Heroku does: one digit after the point and no `.0`, as in `57.9M`.
pub(crate) fn heroku_size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "K", "M", "G"];
    let tenths = |power: usize| {
        let unit = 1_u128 << (10 * power);
        (u128::from(bytes) * 10 + unit / 2) / unit
    };
    // Chosen after rounding, so that nothing is shown as 1024M.
    let power = (0..3).find(|power| tenths(*power) < 10_240).unwrap_or(3);
    let (whole, tenth) = (tenths(power) / 10, tenths(power) % 10);
    let unit = UNITS[power];
    if tenth == 0 { format!("{whole}{unit}") } else { format!("{whole}.{tenth}{unit}") }
}

/// Returns the code and text of the warning that a slug of this size deserves.
pub(super) fn size_warning(bytes: u64) -> Option<(NoticeCode, String)> {
    let megabytes = bytes / 1_000_000;
    if bytes > NEAR_LIMIT {
        let text = format!(
            "Your slug size ({megabytes} MB) is close to the limit.\n\n\
             Heroku's limit is 500 MB. Whether its MB is 1,000,000 bytes or 1,048,576 isn't documented:\n\
             if it is the former, this slug is refused. Leave out what the running app doesn't need."
        );
        Some((NoticeCode::SlugNearLimit, text))
    } else if bytes > SOFT_LIMIT {
        let text = format!(
            "Your slug size ({megabytes} MB) exceeds the soft limit (300 MB), which may affect boot time."
        );
        Some((NoticeCode::SlugSoftLimit, text))
    } else {
        None
    }
}

/// Adds up what each part of the slug takes, as the segments come in.
#[derive(Default)]
pub(super) struct PartSizes(BTreeMap<String, Part>);

impl PartSizes {
    /// Shares the compressed bytes of a segment among what is in it, by its length in the tar file.
    pub(super) fn add(&mut self, segment: &Segment, compressed: u64, entries: &[Merged], trees: &[Tree]) {
        let mut before = 0_u64;
        for piece in &segment.pieces {
            let after = before + piece.length;
            let share =
                |length: u64| u128::from(compressed) * u128::from(length) / u128::from(segment.length);
            let entry = &entries[piece.entry];
            let Some(tree) = trees.get(entry.tree) else { continue };
            let part = self.part(part_name(entry.path, tree));
            // The difference of two roundings: so the shares add up to the whole.
            part.compressed += u64::try_from(share(after) - share(before)).unwrap_or(0);
            part.size += piece.content_length();
            part.files += u64::from(piece.starts_entry() && !matches!(entry.kind, EntryKind::Directory));
            before = after;
        }
    }

    fn part(&mut self, name: String) -> &mut Part {
        self.0.entry(name.clone()).or_insert_with(|| Part { name, compressed: 0, size: 0, files: 0 })
    }

    /// Returns the parts, the biggest first.
    pub(super) fn into_parts(self) -> Vec<Part> {
        let mut parts: Vec<Part> = self.0.into_values().filter(|part| part.files > 0).collect();
        parts.sort_by(|a, b| b.compressed.cmp(&a.compressed).then_with(|| a.name.cmp(&b.name)));
        parts
    }
}

/// Names what a user would leave out to be rid of this file: a distribution or a top-level name of the app.
fn part_name(path: &[u8], tree: &Tree) -> String {
    if tree.origin == TreeOrigin::App {
        return String::from_utf8_lossy(first_component(path)).into_owned();
    }
    if let Some(inside) = inside_site_packages(path) {
        return distribution_name(inside);
    }
    match tree.name.as_str() {
        "runtime" => PYTHON.to_owned(),
        "pip" | "dependencies" => tree.name.clone(),
        "project" => "the app's own packages".to_owned(),
        // What the app's own programs made is named as the app's files are.
        _ => match path.strip_prefix(b".heroku/python/").map(first_component) {
            Some(b"bin" | b"include" | b"lib" | b"share") => PYTHON.to_owned(),
            Some(inside) => String::from_utf8_lossy(inside).into_owned(),
            None => {
                let inside = path.strip_prefix(b".heroku/").unwrap_or(path);
                String::from_utf8_lossy(first_component(inside)).into_owned()
            }
        },
    }
}

/// What Python itself is called.
const PYTHON: &str = "Python runtime";

/// Returns what follows `site-packages/` in a path.
pub(super) fn inside_site_packages(path: &[u8]) -> Option<&[u8]> {
    const DIRECTORY: &[u8] = b"site-packages/";
    let start = path
        .windows(DIRECTORY.len())
        .enumerate()
        .find(|(index, window)| *window == DIRECTORY && (*index == 0 || path[index - 1] == b'/'))?
        .0;
    Some(&path[start + DIRECTORY.len()..])
}

pub(super) fn first_component(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'/').next().unwrap_or(path)
}

/// Returns the name that `x`, `x.py`, `x-1.0.dist-info`, `x.libs` and `__pycache__/x.pyc` have in common.
fn distribution_name(inside: &[u8]) -> String {
    let inside = inside.strip_prefix(b"__pycache__/").unwrap_or(inside);
    let top = String::from_utf8_lossy(first_component(inside)).into_owned();
    let versioned = [".dist-info", ".egg-info", ".data"].iter().find_map(|suffix| top.strip_suffix(suffix));
    let name = match versioned {
        Some(stem) => stem.split('-').next().unwrap_or(stem),
        None => top.split('.').find(|part| !part.is_empty()).unwrap_or(&top),
    };
    let name = name.to_ascii_lowercase().replace(['_', '.'], "-");
    let trimmed = name.trim_matches('-');
    if trimmed.is_empty() { name } else { trimmed.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::segment::Piece;
    use super::*;

    #[test]
    fn sizes_are_as_heroku_writes_them() {
        for (bytes, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1K"),
            (1536, "1.5K"),
            (60_712_550, "57.9M"),
            (500 << 20, "500M"),
            ((500 << 20) + 104_858, "500.1M"),
            (604_608_922, "576.6M"),
            (731 << 20, "731M"),
            ((1 << 30) - 1, "1G"),
            (1 << 30, "1G"),
            (3_435_973_837, "3.2G"),
            (1 << 50, "1048576G"),
            (u64::MAX, "17179869184G"),
        ] {
            assert_eq!(heroku_size(bytes), expected, "{bytes}");
        }
    }

    #[test]
    fn the_shares_of_a_segment_add_up_to_the_whole() {
        let file = EntryKind::File { size: 10, mode: 0o644, digest: [0; 32] };
        let entries: Vec<Merged> = [&b"a/1"[..], b"b/1", b"a/2"]
            .into_iter()
            .map(|path| Merged { path, kind: &file, tree: 0 })
            .collect();
        let pieces = (0..3).map(|entry| Piece { entry, start: 0, end: 10, length: 1024 }).collect();
        let tree = Tree { name: "app".into(), root: "/".into(), origin: TreeOrigin::App, entries: vec![] };
        let mut sizes = PartSizes::default();
        sizes.add(&Segment { pieces, length: 3 * 1024 }, 100, &entries, &[tree]);
        let part = |name: &str, compressed, size, files| Part { name: name.into(), compressed, size, files };
        assert_eq!(sizes.into_parts(), [part("a", 67, 20, 2), part("b", 33, 10, 1)]);
    }

    #[test]
    fn a_warning_comes_above_each_limit() {
        for (bytes, expected) in [
            (300_000_000, None),
            (300_000_001, Some(NoticeCode::SlugSoftLimit)),
            (500_000_000, Some(NoticeCode::SlugSoftLimit)),
            (500_000_001, Some(NoticeCode::SlugNearLimit)),
        ] {
            assert_eq!(size_warning(bytes).map(|(id, _)| id), expected, "{bytes}");
        }
    }

    #[test]
    fn a_part_is_a_distribution_or_a_top_level_name() {
        use TreeOrigin::{App, Layer};
        let lib = ".heroku/python/lib/python3.14";
        for (tree, origin, path, expected) in [
            ("runtime", Layer, format!("{lib}/os.py"), "Python runtime"),
            ("runtime", Layer, ".heroku".into(), "Python runtime"),
            ("pip", Layer, format!("{lib}/site-packages/pip/__init__.py"), "pip"),
            ("pip", Layer, ".heroku/python/bin/pip".into(), "pip"),
            ("dependencies", Layer, ".heroku/python/bin/gunicorn".into(), "dependencies"),
            ("dependencies", Layer, format!("{lib}/site-packages/numpy/core.py"), "numpy"),
            ("dependencies", Layer, format!("{lib}/site-packages/numpy.libs/x.so"), "numpy"),
            ("dependencies", Layer, format!("{lib}/site-packages/numpy-2.0.dist-info/RECORD"), "numpy"),
            (
                "dependencies",
                Layer,
                format!("{lib}/site-packages/ruamel_yaml-1.dist-info/RECORD"),
                "ruamel-yaml",
            ),
            ("dependencies", Layer, format!("{lib}/site-packages/six.py"), "six"),
            ("dependencies", Layer, format!("{lib}/site-packages/__pycache__/six.cpython-314.pyc"), "six"),
            ("dependencies", Layer, format!("{lib}/site-packages/_cffi.cpython-314-x86_64.so"), "cffi"),
            ("dependencies", Layer, format!("{lib}/site-packages/__pycache__"), "pycache"),
            ("dependencies", Layer, format!("{lib}/my-site-packages/x/y"), "dependencies"),
            // B04: the user's own names, whichever step has made it.
            ("project", Layer, ".heroku/python/bin/mine".into(), "the app's own packages"),
            ("stage", Layer, "staticfiles/admin/x.css".into(), "staticfiles"),
            ("stage", Layer, format!("{lib}/site-packages/numpy/core.py"), "numpy"),
            ("stage", Layer, ".heroku/python/bin/extra".into(), "Python runtime"),
            ("stage", Layer, "built.js".into(), "built.js"),
            ("pre_compile", Layer, "web/a.js".into(), "web"),
            ("corpora", Layer, ".heroku/python/nltk_data/corpora/x".into(), "nltk_data"),
            ("sbom", Layer, ".heroku/sbom.cdx.json".into(), "sbom.cdx.json"),
            ("app", App, "static/a/b.css".into(), "static"),
            ("app", App, "manage.py".into(), "manage.py"),
            ("app", App, ".venv/lib/python3.14/site-packages/numpy/core.py".into(), ".venv"),
        ] {
            let tree = Tree { name: tree.into(), root: "/".into(), origin, entries: vec![] };
            assert_eq!(part_name(path.as_bytes(), &tree), expected, "{path}");
        }
    }
}
