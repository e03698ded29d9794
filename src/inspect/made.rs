//! Which files slugc itself has written for a user: told by what is in them, whatever their names are.

use std::io::Read;

/// How much of a file is enough to tell.
pub(crate) const HEAD: u64 = 16 << 10;

/// What a command writes where the user says, but for slugs and their manifests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// `--html`
    Page,
    /// `slugc sbom -o`
    Components,
    /// `slugc man --dir`
    ManualPage,
    /// `slugc package -o`
    Buildpack,
}

impl Written {
    const ALL: [Self; 4] = [Self::Page, Self::Components, Self::ManualPage, Self::Buildpack];

    /// Returns what it is, in words.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Page => "a report",
            Self::Components => "a list of components",
            Self::ManualPage => "a manual page",
            Self::Buildpack => "a buildpack",
        }
    }

    /// Returns whether a file that begins so is one that slugc wrote. What other programs write in the same format isn't.
    pub(crate) fn is_ours(self, head: &[u8]) -> bool {
        // Most files are none by their first bytes, which saves looking through the rest.
        let start = head.trim_ascii_start();
        match self {
            Self::Page if !start.starts_with(b"<") => false,
            Self::Components if !start.starts_with(b"{") => false,
            Self::Buildpack if !head.starts_with(&[0x1f, 0x8b]) => false,
            // Reports of slugc 0.1 name no generator: their one rule for scripts does.
            Self::Page => {
                contains(head, b"<meta name=\"generator\" content=\"slugc\">")
                    || contains(head, b"or use the text of slugc.")
            }
            Self::Components => is_made_by_slugc_alone(head),
            Self::ManualPage => head.starts_with(b".ie ") && contains(head, b"\n.TH slugc"),
            // The first entries of the archive.
            Self::Buildpack => {
                let start = unpack(head);
                start.starts_with(b"./bin/\0") && contains(&start, b"\0./bin/slugc\0")
            }
        }
    }

    /// Tells which of them a file that begins so is.
    pub(crate) fn of(head: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|written| written.is_ours(head))
    }
}

/// Returns whether a file that begins so is a slug with a Python, of slugc's or another tool's: an archive of which the first
/// entries are those directories.
pub(crate) fn begins_as_slug(head: &[u8]) -> bool {
    if !head.starts_with(&[0x1f, 0x8b]) {
        return false;
    }
    let start = unpack(head);
    let begins = |dirs: [&[u8]; 2]| start.starts_with(dirs[0]) && contains(&start, dirs[1]);
    begins([b"./app/\0", b"\0./app/.heroku/python/\0"]) || begins([b"./.heroku/\0", b"\0./.heroku/python/\0"])
}

/// Unpacks the beginning of an archive.
fn unpack(head: &[u8]) -> Vec<u8> {
    let mut start = Vec::new();
    // What is cut off ends in an error, and what was read until then is enough.
    let _ = flate2::read::GzDecoder::new(head).take(64 << 10).read_to_end(&mut start);
    start
}

/// Returns whether a list of components names slugc as the one tool that made it: others write the same format, or put
/// several lists together.
fn is_made_by_slugc_alone(head: &[u8]) -> bool {
    const TOOLS: &[u8] = b"\"tools\":{\"components\":[";
    let dense: Vec<u8> = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let Some(start) = find(&dense, TOOLS) else { return false };
    let tools = dense[start + TOOLS.len()..].split(|byte| *byte == b']').next().unwrap_or_default();
    contains(&dense[..start], b"\"bomFormat\":\"CycloneDX\"")
        && contains(tools, b"\"name\":\"slugc\"")
        && !contains(tools, b"},{")
}

fn find(text: &[u8], words: &[u8]) -> Option<usize> {
    text.windows(words.len()).position(|window| window == words)
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    find(text, words).is_some()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(name: &[u8], second: &[u8]) -> Vec<u8> {
        let mut tar = vec![0; 1024];
        tar[..name.len()].copy_from_slice(name);
        tar[512..512 + second.len()].copy_from_slice(second);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&tar).unwrap();
        encoder.finish().unwrap()
    }

    fn list(tools: &[&str]) -> Vec<u8> {
        let tools: Vec<_> = tools.iter().map(|tool| serde_json::json!({"name": tool})).collect();
        let list =
            serde_json::json!({"bomFormat": "CycloneDX", "metadata": {"tools": {"components": tools}}});
        list.to_string().into_bytes()
    }

    // B01, B02
    #[test]
    fn what_other_programs_write_in_the_same_format_is_not_ours() {
        let components = crate::inspect::sbom::render(&[], Some("3.14.0"), "x86_64");
        let compact: serde_json::Value = serde_json::from_str(&components).unwrap();
        let others = components.replace("\"slugc\"", "\"syft\"");
        assert_ne!(components, others);
        for (contents, expected) in [
            (components.clone().into_bytes(), Some(Written::Components)),
            (compact.to_string().into_bytes(), Some(Written::Components)),
            (others.into_bytes(), None),
            (br#"{"bomFormat": "CycloneDX", "serialNumber": "urn:uuid:1"}"#.to_vec(), None),
            (br#"{"name": "slugc"}"#.to_vec(), None),
            (list(&["slugc"]), Some(Written::Components)),
            (list(&["another-tool"]), None),
            (list(&["slugc", "another-tool"]), None),
            (b"\"CycloneDX\" urn:uuid: slugc".to_vec(), None),
            (b"{}".to_vec(), None),
            (b"my notes about slugc".to_vec(), None),
            (b"<html>slugc</html>".to_vec(), None),
            (b"./bin/ text".to_vec(), None),
            (gzip(b"./bin/", b"./bin/slugc"), Some(Written::Buildpack)),
            (gzip(b"./src/", b"./bin/slugc"), None),
            (b"<html><head><meta name=\"generator\" content=\"slugc\"></head>".to_vec(), Some(Written::Page)),
            (b"<html><head><meta name=\"generator\" content=\"Hugo\"></head>".to_vec(), None),
            (b"<h1>How we use slugc</h1>".to_vec(), None),
            (b".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH slugc 1 ".to_vec(), Some(Written::ManualPage)),
            (b".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n.TH other 1 ".to_vec(), None),
            (gzip(b"./bin/", b"x"), None),
            (gzip(b"./bin/", b"./lib/slugc"), None),
            (b"\x1f\x8bno archive".to_vec(), None),
            (Vec::new(), None),
        ] {
            assert_eq!(Written::of(&contents), expected, "{}", String::from_utf8_lossy(&contents));
        }
    }
}
