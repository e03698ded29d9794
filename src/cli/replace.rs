//! Files that a command writes where the user says: what slugc didn't make stays.

use std::io::{self, Read};
use std::path::Path;

use crate::error::Result;
use crate::host::files::{FileContext, check_writable, read_small_file};
use crate::slug::replace::NotOurs;

/// What a command writes, and the words that only slugc's own have.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
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
    fn kind(self) -> &'static str {
        match self {
            Self::Page => "a report",
            Self::Components => "a list of components",
            Self::ManualPage => "a manual page",
            Self::Buildpack => "a buildpack",
        }
    }

    fn is_ours(self, contents: &[u8]) -> bool {
        match self {
            Self::Page => contains(contents, b"or use the text of slugc."),
            Self::Components => names_slugc(contents),
            Self::ManualPage => contains(contents, b".TH slugc"),
            // The first entries of the archive: others have a directory of that name, too.
            Self::Buildpack => {
                let mut start = Vec::new();
                let mut unpacked = flate2::read::GzDecoder::new(contents).take(64 << 10);
                unpacked.read_to_end(&mut start).is_ok()
                    && start.starts_with(b"./bin/\0")
                    && contains(&start, b"\0./bin/slugc\0")
            }
        }
    }
}

/// Returns whether a list of components says that slugc made it: other programs write the same format.
fn names_slugc(contents: &[u8]) -> bool {
    let Ok(list) = serde_json::from_slice::<serde_json::Value>(contents) else { return false };
    let tools = list["metadata"]["tools"]["components"].as_array();
    list["bomFormat"] == "CycloneDX"
        && tools.is_some_and(|tools| tools.iter().any(|tool| tool["name"] == env!("CARGO_PKG_NAME")))
}

fn contains(text: &[u8], words: &[u8]) -> bool {
    text.windows(words.len()).any(|window| window == words)
}

/// Fails if the file can't be written, or if it would replace one that slugc didn't make.
pub(super) fn check_replaceable(file: &Path, written: Written) -> Result<()> {
    check_writable(file)?;
    let contents = match read_small_file(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        contents => contents.doing("reading", file)?,
    };
    if contents.is_empty() || written.is_ours(&contents) {
        return Ok(());
    }
    Err(NotOurs { path: file.to_owned(), kind: written.kind() }.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(names: &[&str]) -> Vec<u8> {
        let mut tar = Vec::new();
        for name in names {
            let mut header = name.as_bytes().to_vec();
            header.resize(512, 0);
            tar.extend(header);
        }
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(&tar).unwrap();
        writer.finish().unwrap()
    }

    // B01
    #[test]
    fn what_others_write_in_the_same_format_is_not_ours() {
        let list = |tool: &str| {
            format!(
                r#"{{"bomFormat": "CycloneDX", "serialNumber": "urn:uuid:1",
                "metadata": {{"tools": {{"components": [{{"name": "{tool}"}}]}}}}}}"#
            )
        };
        for (written, contents, is_ours) in [
            (Written::Components, list("slugc").into_bytes(), true),
            (Written::Components, list("another-tool").into_bytes(), false),
            (Written::Components, b"\"CycloneDX\" urn:uuid: slugc".to_vec(), false),
            (Written::Components, b"{}".to_vec(), false),
            (Written::Buildpack, archive(&["./bin/", "./bin/compile", "./bin/slugc"]), true),
            (Written::Buildpack, archive(&["./bin/", "./bin/compile"]), false),
            (Written::Buildpack, archive(&["./src/", "./bin/slugc"]), false),
            (Written::Buildpack, b"./bin/ text".to_vec(), false),
            (Written::ManualPage, b"my notes about slugc".to_vec(), false),
            (Written::Page, b"<html>slugc</html>".to_vec(), false),
        ] {
            assert_eq!(
                written.is_ours(&contents),
                is_ours,
                "{written:?}: {}",
                String::from_utf8_lossy(&contents)
            );
        }
    }
}
