//! Config vars: the app's settings and secrets. They reach only the programs that are meant to have them, and
//! are never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::host::files::{FileContext, FileError};

/// Names that would take the build's own settings away from a program, as in Heroku's buildpack.
const WITHHELD: &[&str] =
    &["PATH", "CPATH", "CPPATH", "LD_PRELOAD", "LIBRARY_PATH", "LD_LIBRARY_PATH", "PYTHONHOME"];

/// Beginnings of the names that installers read: where packages come from, and with which credentials.
const FOR_INSTALLERS: &[&str] =
    &["PIP_", "UV_INDEX", "POETRY_HTTP_BASIC_", "POETRY_REPOSITORIES_", "PIPENV_"];

/// The config vars of an app, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct ConfigVars(BTreeMap<String, OsString>);

impl fmt::Debug for ConfigVars {
    /// Shows the names only: the values are secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ConfigVars")?;
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl ConfigVars {
    /// Reads a directory with one file a config var. A directory that isn't there holds none. Names that no shell
    /// could set are skipped, and so is what isn't a file. Newlines at a value's end are cut, others kept.
    pub(crate) fn read(env_dir: Option<&Path>) -> Result<Self, FileError> {
        let Some(dir) = env_dir else { return Ok(Self::default()) };
        let entries = match fs::read_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            entries => entries.doing("reading", dir)?,
        };
        let mut vars = BTreeMap::new();
        for entry in entries {
            let entry = entry.doing("reading", dir)?;
            let path = entry.path();
            // Reading a pipe would wait for ever; a link to a file is one.
            if let Some(name) = entry.file_name().to_str().filter(|name| is_variable_name(name))
                && path.is_file()
            {
                vars.insert(name.to_owned(), clean_value(fs::read(&path).doing("reading", &path)?));
            }
        }
        Ok(Self(vars))
    }

    /// Takes config vars from somewhere else; later ones win over these.
    pub(crate) fn extend<N: Into<String>, V: Into<OsString>>(
        &mut self,
        vars: impl IntoIterator<Item = (N, V)>,
    ) {
        let vars = vars.into_iter().map(|(name, value)| (name.into(), value.into()));
        self.0.extend(vars.filter(|(name, _)| is_variable_name(name)));
    }

    /// Returns the value of a config var, as it is.
    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str)
    }

    /// Returns the names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Returns what hooks, collectstatic and the NLTK downloader get: everything but what would take the build's
    /// own search paths away from them.
    pub(crate) fn for_child(&self) -> BTreeMap<OsString, OsString> {
        self.0
            .iter()
            .filter(|(name, _)| !WITHHELD.contains(&name.as_str()))
            .map(|(name, value)| (name.into(), value.clone()))
            .collect()
    }

    /// Returns what installers get: where packages come from and with which credentials, together with what the
    /// requirement and lock files with these contents name as `${NAME}`.
    pub(crate) fn for_installer_of(&self, files: &[&[u8]]) -> BTreeMap<String, String> {
        let named: BTreeSet<&str> = files.iter().flat_map(|contents| named_variables(contents)).collect();
        let is_passed =
            |name: &str| named.contains(name) || FOR_INSTALLERS.iter().any(|prefix| name.starts_with(prefix));
        self.0
            .iter()
            .filter(|(name, _)| is_passed(name) && !WITHHELD.contains(&name.as_str()))
            .filter_map(|(name, value)| Some((name.clone(), value.to_str()?.to_owned())))
            .collect()
    }

    /// Returns a digest of all names and values, for keys.
    pub(crate) fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        for (name, value) in &self.0 {
            let value = value.as_encoded_bytes();
            hasher.update(format!("{}:{name}={}:", name.len(), value.len()));
            hasher.update(value);
        }
        hex::encode(&hasher.finalize()[..16])
    }
}

/// As the shell's `$(cat file)`: an environment can't hold NUL bytes.
fn clean_value(mut bytes: Vec<u8>) -> OsString {
    bytes.retain(|byte| *byte != 0);
    let end = bytes.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
    bytes.truncate(end);
    OsString::from_vec(bytes)
}

/// Returns whether a shell can set a variable of this name.
pub(crate) fn is_variable_name(name: &str) -> bool {
    let mut letters = name.bytes();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_')
}

/// Returns the names that a text mentions as `${NAME}`.
fn named_variables(contents: &[u8]) -> Vec<&str> {
    let after_dollar = contents.windows(2).enumerate().filter(|(_, pair)| pair == b"${");
    after_dollar
        .filter_map(|(start, _)| {
            let rest = &contents[start + 2..];
            let end = rest.iter().position(|byte| *byte == b'}')?;
            std::str::from_utf8(&rest[..end]).ok().filter(|name| is_variable_name(name))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn vars(pairs: &[(&str, &str)]) -> ConfigVars {
        let mut vars = ConfigVars::default();
        vars.extend(pairs.iter().copied());
        vars
    }

    #[test]
    fn a_directory_is_read_as_a_shell_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in [
            ("PLAIN", "value"),
            ("NEWLINES", "value\n\n"),
            ("INNER", "one\ntwo\n"),
            ("EMPTY", ""),
            ("ONLY_NEWLINES", "\n\n"),
            ("BLANKS", " a \n"),
            ("NUL", "a\0b"),
            ("A-B", "x"),
            ("1A", "x"),
            (".env", "x"),
            ("é", "x"),
        ] {
            fs::write(dir.path().join(name), contents).unwrap();
        }
        fs::create_dir(dir.path().join("DIRECTORY")).unwrap();
        symlink("PLAIN", dir.path().join("LINK")).unwrap();
        symlink("nowhere", dir.path().join("BROKEN")).unwrap();
        let expected = vars(&[
            ("PLAIN", "value"),
            ("NEWLINES", "value"),
            ("INNER", "one\ntwo"),
            ("EMPTY", ""),
            ("ONLY_NEWLINES", ""),
            ("BLANKS", " a "),
            ("NUL", "ab"),
            ("LINK", "value"),
        ]);
        assert_eq!(ConfigVars::read(Some(dir.path())).unwrap().0, expected.0);
    }

    #[test]
    fn no_directory_holds_none_and_a_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(ConfigVars::read(None).unwrap(), ConfigVars::default());
        assert_eq!(ConfigVars::read(Some(&dir.path().join("missing"))).unwrap(), ConfigVars::default());
        fs::write(dir.path().join("file"), "").unwrap();
        ConfigVars::read(Some(&dir.path().join("file"))).unwrap_err();
    }

    #[test]
    fn a_child_keeps_the_search_paths_of_the_build() {
        for (name, passed) in [
            ("PATH", false),
            ("CPATH", false),
            ("CPPATH", false),
            ("LD_PRELOAD", false),
            ("LIBRARY_PATH", false),
            ("LD_LIBRARY_PATH", false),
            ("PYTHONHOME", false),
            ("PYTHONPATH", true),
            ("PKG_CONFIG_PATH", true),
            ("MY_PATH", true),
            ("BUILD_DIR", true),
            ("SECRET_KEY", true),
        ] {
            assert_eq!(vars(&[(name, "x")]).for_child().contains_key(OsStr::new(name)), passed, "{name}");
        }
    }

    #[test]
    fn installers_get_what_is_for_them_and_what_the_files_name() {
        let files: [&[u8]; 2] =
            [b"pkg @ https://${TOKEN}@example.test/x\n# $BARE ${}\n", b"${OTHER:-x} ${LAST} \xff ${OPEN"];
        for (name, alone, with_files) in [
            ("PIP_EXTRA_INDEX_URL", true, true),
            ("UV_INDEX_PRIVATE_PASSWORD", true, true),
            ("POETRY_HTTP_BASIC_X_USERNAME", true, true),
            ("POETRY_REPOSITORIES_X_URL", true, true),
            ("PIPENV_PYPI_MIRROR", true, true),
            ("UV_PYTHON", false, false),
            ("SECRET_KEY", false, false),
            ("TOKEN", false, true),
            ("LAST", false, true),
            ("BARE", false, false),
            ("OTHER", false, false),
            ("OPEN", false, false),
            ("PATH", false, false),
        ] {
            let vars = vars(&[(name, "x")]);
            assert_eq!(vars.for_installer_of(&[]).contains_key(name), alone, "{name}");
            assert_eq!(vars.for_installer_of(&files).contains_key(name), with_files, "{name}, with files");
        }
        let path = vars(&[("PATH", "x")]);
        assert!(path.for_installer_of(&[b"${PATH}"]).is_empty(), "a file can't ask for PATH");
    }

    #[test]
    fn values_are_not_shown() {
        let shown = format!("{:?}", vars(&[("TOKEN", "hush"), ("A", "hush")]));
        assert_eq!(shown, r#"ConfigVars{"A", "TOKEN"}"#);
    }

    #[test]
    fn a_digest_tells_names_and_values_apart() {
        let all = [
            vars(&[]),
            vars(&[("A", "")]),
            vars(&[("A", "b")]),
            vars(&[("A", "b"), ("C", "")]),
            vars(&[("AB", "")]),
        ];
        let digests: BTreeSet<String> = all.iter().map(ConfigVars::digest).collect();
        assert_eq!(digests.len(), all.len());
    }
}
