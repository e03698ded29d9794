//! What an app keeps in files, which are gone when its dyno restarts; and debug mode.

use super::catalogue::FindingCode;
use super::code::Code;
use super::facts::Facts;
use super::finding::Finding;
use super::module::{Assignment, Module};

/// Checks the settings of the files that the app's processes import.
pub(super) fn check_storage(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for reached in code.reached() {
        let Some(module) = code.module(&reached.file).filter(|module| !module.has_error) else { continue };
        let text = facts.texts.get(&reached.file).map(String::as_str).unwrap_or_default();
        let file = Settings { file: &reached.file, text, module: &module };
        findings.extend(file.django_database());
        findings.extend(file.sqlite_address());
        findings.extend(file.uploads());
        findings.extend(file.debug());
    }
    findings
}

struct Settings<'a> {
    file: &'a str,
    text: &'a str,
    module: &'a Module,
}

impl Settings<'_> {
    /// Returns the last assignment, if it is the only one: settings that are changed afterwards can be anything.
    fn only(&self, target: &str) -> Option<&Assignment> {
        let starts = |assignment: &&Assignment| {
            assignment.target == target || assignment.target.starts_with(&format!("{target}["))
        };
        let mut all = self.module.assignments.iter().filter(starts);
        let first = all.next().filter(|assignment| assignment.certain && assignment.target == target)?;
        all.next().is_none().then_some(first)
    }

    fn finding(
        &self,
        code: FindingCode,
        message: String,
        at: &Assignment,
        words: &str,
        label: &str,
    ) -> Finding {
        let lines = at.value.lines().enumerate();
        let (index, column) =
            lines.filter_map(|(index, line)| Some((index, line.find(words)?))).next().unwrap_or((0, 0));
        let start = if index == 0 { at.place.start + column } else { column };
        let place = super::module::Place { line: at.place.line + index, start, end: start + words.len() };
        Finding::new(code, message).at(place.snippet(self.file, self.text, label))
    }

    /// A database that Django keeps in a file, with nothing that could put another one in its place.
    fn django_database(&self) -> Option<Finding> {
        const ENGINE: &str = "django.db.backends.sqlite3";
        let databases = self.only("DATABASES")?;
        let value = &databases.value;
        let may_be_another = ["environ", "getenv", "env(", "env.", "config(", " if ", "**"];
        let is_sqlite = value.starts_with('{') && value.contains(ENGINE);
        let in_memory = value.contains(":memory:") || value.contains("/tmp/");
        let changed_later =
            self.module.calls.iter().any(|call| {
                call.callee.starts_with("django_heroku.") || call.callee.starts_with("DATABASES")
            });
        if !is_sqlite || in_memory || changed_later || may_be_another.iter().any(|word| value.contains(word))
        {
            return None;
        }
        let message = format!("{} keeps Django's database in an SQLite file.", self.file);
        Some(self.finding(FindingCode::StorageSqlite, message, databases, ENGINE, "a file of the dyno"))
    }

    /// `SQLALCHEMY_DATABASE_URI = "sqlite:///app.db"`, wherever that is set.
    fn sqlite_address(&self) -> Option<Finding> {
        let is_address = |assignment: &&Assignment| {
            let named = assignment.target.to_uppercase();
            assignment.certain
                && (named.contains("DATABASE_UR")
                    || named.contains("DB_UR")
                    || named.contains("SQLALCHEMY_DATABASE"))
                && assignment.string.as_deref().is_some_and(|value| {
                    value.starts_with("sqlite:///")
                        && !value.contains(":memory:")
                        && !value.contains("/tmp/")
                        && value.len() > "sqlite:///".len()
                })
        };
        let found: Vec<&Assignment> = self.module.assignments.iter().filter(is_address).collect();
        // One of several may be for tests.
        let [address] = found.as_slice() else { return None };
        let set_again =
            self.module.assignments.iter().filter(|other| other.target == address.target).count() > 1;
        if set_again {
            return None;
        }
        let message = format!("{} keeps the database in an SQLite file.", self.file);
        Some(self.finding(FindingCode::StorageSqlite, message, address, "sqlite:///", "a file of the dyno"))
    }

    fn uploads(&self) -> Option<Finding> {
        let django = self.only("MEDIA_ROOT").filter(|_| {
            !["DEFAULT_FILE_STORAGE", "STORAGES", "storages", "MEDIA_URL = \"http", "MEDIA_URL = 'http"]
                .iter()
                .any(|word| self.text.contains(word))
        });
        let flask = self.module.assignments.iter().find(|assignment| {
            let target = &assignment.target;
            assignment.certain
                && (target.contains("[\"UPLOAD_FOLDER\"]")
                    || target.contains("['UPLOAD_FOLDER']")
                    || target == "UPLOAD_FOLDER")
        });
        let assignment = django.or(flask)?;
        let value = &assignment.value;
        let elsewhere = ["environ", "getenv", "env(", "config(", "/tmp", "tempfile", "gettempdir"];
        if elsewhere.iter().any(|word| value.contains(word))
            || matches!(value.as_str(), "\"\"" | "''" | "None")
        {
            return None;
        }
        let message = format!("{} puts uploads below the app, as `{}` says.", self.file, assignment.target);
        let words = value.lines().next().unwrap_or_default().to_owned();
        Some(self.finding(FindingCode::StorageUploads, message, assignment, &words, "files of the dyno"))
    }

    /// `DEBUG = True` in Django's settings, and nothing else.
    fn debug(&self) -> Option<Finding> {
        let debug = self.only("DEBUG").filter(|debug| debug.value == "True")?;
        let is_django = ["INSTALLED_APPS", "ROOT_URLCONF", "SECRET_KEY"]
            .iter()
            .any(|name| self.module.names.contains(*name));
        let local = self.text.contains("local_settings") || !self.module.stars.is_empty();
        if !is_django || local {
            return None;
        }
        let message = format!("{} sets DEBUG to True, whatever the environment says.", self.file);
        Some(self.finding(FindingCode::AppDebug, message, debug, "True", "always on"))
    }
}
