//! Takes apart what requirements files ask for of the app itself, and of others.

use std::collections::{BTreeMap, BTreeSet};

use super::line::{logical_lines, physical_lines};
use super::{GlobalOption, RequirementEntry, RequirementKind, Requirements, decode, location, specifier};
use super::{normalised, normalised_name};

pattern!(EXTRAS, r"\[([A-Za-z0-9._,\s-]+)\]");

/// Requirements files in two parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SplitRequirements {
    /// Directories and archives in the app, with the extras that are asked for; `.` is the app itself.
    pub places: BTreeMap<String, BTreeSet<String>>,
    /// A requirements file with these alone, and with the options for all.
    pub local: String,
    /// The files without them.
    pub others: BTreeMap<String, Vec<u8>>,
}

impl Requirements {
    /// Takes what is in the app itself out of the files. Nothing, if there is none of it, or if something can't be
    /// told apart: then the installer has to read everything at once.
    pub fn split(&self) -> Option<SplitRequirements> {
        if !self.has_local_paths() || self.files.keys().any(|file| leads_out(file)) {
            return None;
        }
        if !self.entries.iter().all(can_be_told_apart) {
            return None;
        }
        let mut split = SplitRequirements::default();
        for (file, contents) in &self.files {
            let text = decode::decode(contents).ok()?;
            let others = self.split_file(file, &text, &mut split)?;
            split.others.insert(file.clone(), others.into_bytes());
        }
        Some(split)
    }

    fn split_file(&self, file: &str, text: &str, split: &mut SplitRequirements) -> Option<String> {
        let physical = physical_lines(text);
        let lines = logical_lines(&physical);
        let mut others: Vec<&str> = physical.clone();
        for (line, next) in lines.iter().zip(lines.iter().skip(1).map(Some).chain([None])) {
            let of_line = self.entries.iter().filter(|entry| entry.file == file && entry.line == line.number);
            let kinds: Vec<&RequirementKind> = of_line.map(|entry| &entry.kind).collect();
            if let [RequirementKind::LocalPath { path, .. }] = kinds[..] {
                split.places.entry(place_in_app(path)?).or_default().extend(extras(&line.text));
                split.local.push_str(&format!("{}\n", line.text));
                let end = next.map_or(physical.len(), |next| next.number - 1);
                others[line.number - 1..end].fill("");
            } else if !kinds.is_empty() && kinds.iter().all(|kind| matches!(kind, RequirementKind::Option(_)))
            {
                split.local.push_str(&format!("{}\n", line.text));
            }
        }
        Some(others.join("\n") + "\n")
    }
}

fn can_be_told_apart(entry: &RequirementEntry) -> bool {
    match &entry.kind {
        RequirementKind::LocalPath { path, .. } => !entry.constraint && !location::has_variable(path),
        RequirementKind::Named { text, .. } => {
            specifier::direct_reference(text).is_none_or(|location| !location::is_local(location))
        }
        // It may be a path.
        RequirementKind::Url { url } => !url.starts_with('$'),
        RequirementKind::Option(option) => match option {
            GlobalOption::RequireHashes => false,
            // A relative path counts from the file.
            GlobalOption::FindLinks(place) => place.contains("://") || place.starts_with('/'),
            _ => true,
        },
        RequirementKind::Vcs { .. } | RequirementKind::RemoteFile { .. } => true,
    }
}

fn place_in_app(path: &str) -> Option<String> {
    let place = normalised(path);
    if leads_out(&place) {
        return None;
    }
    Some(if place.is_empty() { ".".to_owned() } else { place })
}

fn leads_out(path: &str) -> bool {
    path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..")
}

fn extras(line: &str) -> Vec<String> {
    let requirement = line.split(" ;").next().unwrap_or_default();
    let found = EXTRAS.captures_iter(requirement).last();
    let names = found.map(|captures| captures[1].to_owned()).unwrap_or_default();
    names.split(',').map(str::trim).filter(|name| !name.is_empty()).map(normalised_name).collect()
}

#[cfg(test)]
mod tests {
    use super::super::read_requirements;
    use super::*;

    fn split(files: &[(&str, &str)]) -> Option<SplitRequirements> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        let mut read = |path: &str| {
            files
                .get(path)
                .map(|text| text.as_bytes().to_vec())
                .ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        read_requirements("requirements.txt", &mut read).unwrap().split()
    }

    #[test]
    fn what_is_in_the_app_is_taken_out() {
        let found = split(&[
            (
                "requirements.txt",
                "--pre\n-r more/base.txt\nsix==1.16.0 \\\n  --hash=sha256:00\n-e .[web,db] # here\nidna\n",
            ),
            (
                "more/base.txt",
                "./libs/a ; python_version > '3'\n./wheels/b-1-py3-none-any.whl\n-e \\\n  libs/c\nflask\n",
            ),
        ])
        .unwrap();
        let places: Vec<(&str, Vec<&str>)> = found
            .places
            .iter()
            .map(|(place, extras)| (place.as_str(), extras.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            places,
            [
                (".", vec!["db", "web"]),
                ("libs/a", vec![]),
                ("libs/c", vec![]),
                ("wheels/b-1-py3-none-any.whl", vec![])
            ]
        );
        assert_eq!(
            found.local,
            "./libs/a ; python_version > '3'\n./wheels/b-1-py3-none-any.whl\n-e   libs/c\n--pre\n-e .[web,db]\n"
        );
        let text = |file: &str| String::from_utf8(found.others[file].clone()).unwrap();
        assert_eq!(text("more/base.txt"), "\n\n\n\nflask\n");
        assert_eq!(
            text("requirements.txt"),
            "--pre\n-r more/base.txt\nsix==1.16.0 \\\n  --hash=sha256:00\n\nidna\n"
        );
    }

    #[test]
    fn what_cannot_be_told_apart_stays_together() {
        for (text, expected) in [
            ("-e .\n", true),
            ("six\n", false),
            ("-e git+https://host.test/a.git#egg=a\n", false),
            ("-e .\n-e git+https://host.test/a.git#egg=a\n", true),
            ("-e ../outside\n", false),
            ("/opt/outside\n", false),
            ("./a\nb @ file:///opt/b\n", false),
            ("./a\n${PACKAGE}\n", false),
            ("./a\n--find-links wheels\n", false),
            ("./a\n--find-links https://host.test/wheels\n", true),
            ("./a\n--require-hashes\n", false),
        ] {
            assert_eq!(split(&[("requirements.txt", text)]).is_some(), expected, "{text}");
        }
    }
}
