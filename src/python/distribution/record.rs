//! RECORD: the files of a distribution.

/// A file of a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEntry {
    /// Its path as it is written: relative to site-packages, or absolute.
    pub path: String,
    /// Its hash, such as `sha256=…` in URL-safe base64, unless the installer left it out.
    pub hash: Option<String>,
    /// Its length in bytes, unless the installer left it out.
    pub size: Option<u64>,
}

/// Parses RECORD. A line that can't be read is left out.
pub fn parse_record(contents: &[u8]) -> Vec<RecordEntry> {
    String::from_utf8_lossy(contents).lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<RecordEntry> {
    let (path, rest) = match line.strip_prefix('"') {
        Some(quoted) => {
            let end = end_of_quoted(quoted)?;
            (quoted[..end].replace("\"\"", "\""), &quoted[end + 1..])
        }
        None => {
            // Some names have commas and no quotes; neither a hash nor a size has one.
            let start = line.rmatch_indices(',').nth(1).map_or(line.len(), |(start, _)| start);
            (line[..start].to_owned(), &line[start..])
        }
    };
    let mut fields = rest.trim_start_matches(',').split(',').map(str::trim);
    let (first, second) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
    let hash = Some(first).filter(|hash| hash.contains('=')).map(str::to_owned);
    (!path.is_empty()).then_some(RecordEntry { path, hash, size: second.parse().ok() })
}

/// Finds the quote that ends a text, in which a quote is written twice.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        at += text[at..].find('"')?;
        if !text[at + 1..].starts_with('"') {
            return Some(at);
        }
        at += 2;
    }
}

/// Returns where a file of RECORD is, from the same place as site-packages. Nothing outside of that place is a file of
/// the slug.
pub fn installed_path(site_packages: &str, path: &str) -> Option<String> {
    if path.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = site_packages.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Encodes bytes as URL-safe base64 without padding, as the specification wants it.
pub(crate) fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk
            .iter()
            .enumerate()
            .fold(0u32, |group, (index, byte)| group | u32::from(*byte) << (16 - 8 * index));
        for index in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(group >> (18 - 6 * index)) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn checksums_are_in_the_form_of_the_specification() {
        // The checksum of an empty file, as every REQUESTED has it.
        assert_eq!(base64_url(&Sha256::digest(b"")), "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU");
        for (bytes, text) in [(&b"f"[..], "Zg"), (b"fo", "Zm8"), (b"foo", "Zm9v"), (b"\xff\xfe", "__4")] {
            assert_eq!(base64_url(bytes), text);
        }
    }

    #[test]
    fn records_are_read_line_by_line() {
        let entry = |path: &str, hash: Option<&str>, size| RecordEntry {
            path: path.into(),
            hash: hash.map(Into::into),
            size,
        };
        let parsed = parse_record(
            b"x/__init__.py,sha256=AbC_-,12\r\n\"a,\"\"b\"\".py\",sha256=x,1\nc,d.py,sha256=y,2\nx-1.dist-info/RECORD,,\n\
              ../../../bin/x,sha256=z,3\n\nalone\n\"no end,sha256=x,1\n",
        );
        assert_eq!(
            parsed,
            [
                entry("x/__init__.py", Some("sha256=AbC_-"), Some(12)),
                entry("a,\"b\".py", Some("sha256=x"), Some(1)),
                entry("c,d.py", Some("sha256=y"), Some(2)),
                entry("x-1.dist-info/RECORD", None, None),
                entry("../../../bin/x", Some("sha256=z"), Some(3)),
                entry("alone", None, None),
            ]
        );
    }

    #[test]
    fn paths_of_records_stay_in_the_slug() {
        let site_packages = ".heroku/python/lib/python3.14/site-packages";
        for (path, expected) in [
            ("x/y.py", Some(".heroku/python/lib/python3.14/site-packages/x/y.py")),
            ("../../../bin/x", Some(".heroku/python/bin/x")),
            ("./x//y", Some(".heroku/python/lib/python3.14/site-packages/x/y")),
            ("../../../../../../x", None),
            ("/usr/bin/x", None),
        ] {
            assert_eq!(installed_path(site_packages, path).as_deref(), expected, "{path}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_record_leads_out_of_the_slug(text in "([a-z./\",\\\\\r\n\u{0}é=]|\\.\\./){0,60}") {
            for entry in parse_record(text.as_bytes()) {
                assert!(!entry.path.is_empty());
                if let Some(path) = installed_path(".heroku/python/lib/python3.14/site-packages", &entry.path) {
                    assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."), "{path}");
                }
            }
        }
    }
}
