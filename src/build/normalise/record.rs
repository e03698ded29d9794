//! RECORD: the list of a distribution's files with their checksums, kept true.
//! <https://packaging.python.org/en/latest/specifications/recording-installed-packages/>

use std::fs;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::{Changes, record_name};
use crate::host::files::{self, FileContext, FileError};
use crate::python::distribution::base64_url;

/// Brings every RECORD up to date with the files that were changed or deleted. Names become relative, which Poetry
/// doesn't do for what it installs in place.
pub(super) fn update_records(site_packages: &Path, changes: &Changes) -> Result<(), FileError> {
    let entries = fs::read_dir(site_packages).doing("reading", site_packages)?;
    for info in entries.flatten().map(|entry| entry.path()) {
        let path = info.join("RECORD");
        if info.extension().is_none_or(|extension| extension != "dist-info") || !path.is_file() {
            continue;
        }
        let old = fs::read_to_string(&path).doing("reading", &path)?;
        let new = updated(&old, site_packages, changes);
        if new != old {
            files::replace_contents(&path, new.as_bytes())?;
        }
    }
    Ok(())
}

fn updated(record: &str, site_packages: &Path, changes: &Changes) -> String {
    let prefix = site_packages.ancestors().nth(3).unwrap_or(site_packages);
    let mut text = String::with_capacity(record.len());
    for line in record.lines() {
        // Neither a checksum nor a size holds a comma; a name with one is quoted.
        let mut fields = line.rsplitn(3, ',');
        let (size, hash, name) = (fields.next(), fields.next(), fields.next().unwrap_or(line));
        if let (true, Some(hash), Some(size)) = (Path::new(name).starts_with(prefix), hash, size) {
            let line = format!("{},{hash},{size}", record_name(site_packages, Path::new(name)));
            text.push_str(&updated(&line, site_packages, changes));
            continue;
        }
        match changes.0.get(unquoted(name).as_str()) {
            Some(None) => continue,
            Some(Some(contents)) => {
                text.push_str(&format!(
                    "{name},sha256={},{}",
                    base64_url(&Sha256::digest(contents)),
                    contents.len()
                ));
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

fn unquoted(name: &str) -> String {
    match name.strip_prefix('"').and_then(|name| name.strip_suffix('"')) {
        Some(inner) => inner.replace("\"\"", "\""),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn only_changed_lines_change() {
        let changes = Changes(BTreeMap::from([
            ("a,b.py".to_owned(), Some(Vec::new())),
            ("gone.json".to_owned(), None),
        ]));
        let site_packages = Path::new("/t/lib/python3.13/site-packages");
        let updated = |record: &str| updated(record, site_packages, &changes);
        assert_eq!(
            updated("\"a,b.py\",sha256=x,9\ngone.json,sha256=y,1\nkept.py,sha256=z,2\nRECORD,,\n"),
            "\"a,b.py\",sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\nkept.py,sha256=z,2\nRECORD,,\n"
        );
        assert_eq!(
            updated(
                "/t/lib/python3.13/site-packages/x.pth,sha256=x,9\n/t/bin/x,sha256=y,1\n/t/lib/python3.13/site-packages/gone.json,,\n/etc/x,,\n"
            ),
            "x.pth,sha256=x,9\n../../../bin/x,sha256=y,1\n/etc/x,,\n"
        );
    }
}
