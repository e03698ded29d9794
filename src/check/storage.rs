//! What an app keeps in files, which are gone when its dyno restarts; and debug mode.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use super::catalogue::FindingCode;
use super::code::{Code, package_of};
use super::django::{Set, Setting, Settings};
use super::facts::Facts;
use super::finding::Finding;
use super::module::{Assignment, Module};

/// Checks Django's settings that count, and what else the app's processes import.
pub(super) fn check_storage(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let settings = Settings::of_app(facts, code);
    for settings in &settings {
        findings.extend(django(facts, code, settings));
    }
    let of_django: BTreeSet<String> = settings.iter().flat_map(Settings::family).collect();
    // Beside the settings that count, those for other places: what they say isn't taken.
    let is_beside = |file: &str| {
        settings.iter().any(|settings| {
            let dir = package_of(&settings.file);
            dir.rsplit('/').next() == Some("settings") && package_of(file) == dir
        })
    };
    for reached in code.reached() {
        if of_django.contains(&reached.file) || is_beside(&reached.file) {
            continue;
        }
        let Some(module) = code.module(&reached.file).filter(|module| !module.has_error) else { continue };
        let text = facts.texts.get(&reached.file).map(String::as_str).unwrap_or_default();
        let file = File { file: &reached.file, text, module: &module };
        findings.extend(file.sqlite_address());
        findings.extend(file.flask_uploads(facts));
    }
    findings
}

/// Checks the settings that count.
fn django(facts: &Facts, code: &Code<'_>, settings: &Settings<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in ["DATABASES", "MEDIA_ROOT", "DEBUG"] {
        let Setting::Is(Set { file, assignment }) = settings.setting(name) else { continue };
        let (Some(module), Some(text)) = (code.module(&file), facts.texts.get(&file)) else { continue };
        let found = File { file: &file, text, module: &module };
        findings.extend(match name {
            "DATABASES" => found.django_database(&assignment),
            "MEDIA_ROOT" => found.django_uploads(facts, settings, &assignment),
            _ => found.debug(facts, settings, &assignment),
        });
    }
    for file in settings.family() {
        if let (Some(module), Some(text)) = (code.module(&file), facts.texts.get(&file)) {
            let found = File { file: &file, text, module: &module };
            findings.extend(found.sqlite_address().filter(|_| settings.file == file));
        }
    }
    findings
}

struct File<'a> {
    file: &'a str,
    text: &'a str,
    module: &'a Module,
}

impl File<'_> {
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
    fn django_database(&self, databases: &Assignment) -> Option<Finding> {
        const ENGINE: &str = "django.db.backends.sqlite3";
        let value = &databases.value;
        let may_be_another = ["environ", "getenv", "env(", "env.", "config(", " if ", "**"];
        let is_sqlite = value.starts_with('{') && value.contains(ENGINE);
        let in_memory = value.contains(":memory:") || value.contains("/tmp/");
        let changed_later = self.module.calls.iter().any(|call| call.callee.starts_with("django_heroku."));
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

    /// Uploads that Django keeps in files. Its templates for projects have the setting whether it is used or not.
    fn django_uploads(&self, facts: &Facts, settings: &Settings<'_>, root: &Assignment) -> Option<Finding> {
        const USES: &[&str] =
            &["FileField(", "ImageField(", "request.FILES", "default_storage.save", "FileSystemStorage("];
        const APPS: &[&str] =
            &["wagtail.images", "\"filer\"", "'filer'", "ckeditor_uploader", "photologue", "oscar"];
        let has_uploads = uses(facts, USES) || settings.mentions(facts, APPS);
        let has_storage = settings
            .mentions(facts, &["DEFAULT_FILE_STORAGE", "\"storages\"", "'storages'", "cloudinary"])
            || (settings.mentions(facts, &["STORAGES"]) && !settings.mentions(facts, &["FileSystemStorage"]))
            || uses(facts, &["storage="])
            || settings.mentions(facts, &["MEDIA_URL = \"http", "MEDIA_URL = 'http"]);
        if !has_uploads || has_storage { None } else { self.uploads(root) }
    }

    fn flask_uploads(&self, facts: &Facts) -> Option<Finding> {
        let set = self.module.assignments.iter().find(|assignment| {
            let target = &assignment.target;
            assignment.certain
                && (target.contains("[\"UPLOAD_FOLDER\"]")
                    || target.contains("['UPLOAD_FOLDER']")
                    || target == "UPLOAD_FOLDER")
        })?;
        let has_uploads = uses(facts, &["request.files", "FileField(", "UploadSet("]);
        let has_storage = uses(facts, &["boto3", "google.cloud", "cloudinary", "azure.storage"]);
        if !has_uploads || has_storage { None } else { self.uploads(set) }
    }

    fn uploads(&self, assignment: &Assignment) -> Option<Finding> {
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

    /// `DEBUG = True` in the settings that count, as the last word.
    fn debug(&self, facts: &Facts, settings: &Settings<'_>, debug: &Assignment) -> Option<Finding> {
        let is_django = settings.mentions(facts, &["INSTALLED_APPS", "ROOT_URLCONF", "SECRET_KEY"]);
        if debug.value != "True" || !is_django || settings.mentions(facts, &["local_settings"]) {
            return None;
        }
        let message = format!("{} sets DEBUG to True, whatever the environment says.", self.file);
        Some(self.finding(FindingCode::AppDebug, message, debug, "True", "always on"))
    }
}

/// Comments, and strings that begin a line and end with three quotes.
static PROSE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?s)(?:^|\n)[ \t]*[rRuU]?(?:"""(?:[^"]|"[^"]|""[^"])*"""|'''(?:[^']|'[^']|''[^'])*''')|#[^\n]*"#,
    )
    .ok()
});

/// Whether the app's code, its tests left aside, has any of some words.
fn uses(facts: &Facts, words: &[&str]) -> bool {
    let is_test = |path: &str| path.split('/').any(|part| part.starts_with("test") || part == "conftest.py");
    let mut code = facts.texts.iter().filter(|(path, _)| path.ends_with(".py") && !is_test(path));
    code.any(|(_, text)| {
        words.iter().any(|word| text.contains(word)) && {
            let code = PROSE.as_ref().map_or(text.into(), |prose| prose.replace_all(text, ""));
            words.iter().any(|word| code.contains(word))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::check;
    use crate::check::tests::app;

    const WSGI: &str = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'proj.settings.production')\napplication = object()\n";
    const BASE: &str = "INSTALLED_APPS = ['django.contrib.admin']\nDEBUG = True\nMEDIA_ROOT = 'media'\nDATABASES = {'default': {'ENGINE': 'django.db.backends.sqlite3', 'NAME': 'x'}}\n";

    fn found(files: &[(&str, &str)], config_vars: &[(&str, &str)]) -> Vec<String> {
        let common = [
            ("Procfile", "web: gunicorn proj.wsgi\n"),
            ("proj/__init__.py", ""),
            ("proj/wsgi.py", WSGI),
            ("proj/settings/__init__.py", ""),
            ("proj/settings/base.py", BASE),
        ];
        let mut facts = app(&[&common[..], files].concat());
        for (name, value) in config_vars {
            facts.config_vars.insert((*name).to_owned(), (*value).to_owned());
        }
        let mut found: Vec<String> = check(&facts)
            .iter()
            .filter_map(|finding| {
                let place = finding.place.as_ref()?;
                Some(format!("{} {}:{}", finding.code.entry().id, place.file, place.line))
            })
            .collect();
        found.sort();
        found
    }

    // C10
    #[test]
    fn the_settings_that_count_are_judged_by_their_last_word() {
        const STAR: &str = "from .base import *\n";
        let debug = |at: &str| format!("app::debug proj/settings/{at}");
        let sqlite = |at: &str| format!("storage::sqlite proj/settings/{at}");
        for (production, more, config_vars, expected) in [
            ("from .base import *\nDEBUG = False\nDATABASES = {}\n", &[][..], &[][..], vec![]),
            ("from .base import *\nDEBUG = False\n", &[], &[], vec![sqlite("base.py:4")]),
            (STAR, &[], &[], vec![debug("base.py:2"), sqlite("base.py:4")]),
            ("DEBUG = False\nfrom .base import *\n", &[], &[], vec![debug("base.py:2"), sqlite("base.py:4")]),
            ("from .base import *\nDATABASES['default'] = conf()\nDEBUG = False\n", &[], &[], vec![]),
            (
                "from .base import *\nimport os\nif os.environ.get('X'):\n    DEBUG = False\n    DATABASES = {}\n",
                &[],
                &[],
                vec![],
            ),
            (
                "from .base import *\nDEBUG = False\nDATABASES = {}\ntry:\n    from .local import *\nexcept ImportError:\n    pass\n",
                &[],
                &[],
                vec![],
            ),
            (
                "from .base import *\nimport django_heroku\ndjango_heroku.settings(locals())\n",
                &[],
                &[],
                vec![],
            ),
            // Other things than code name the settings.
            (
                STAR,
                &[("proj/settings/live.py", "from .base import *\nDEBUG = False\nDATABASES = {}\n")],
                &[("DJANGO_SETTINGS_MODULE", "proj.settings.live")],
                vec![],
            ),
            (
                STAR,
                &[
                    ("proj/settings/live.py", "from .base import *\nDEBUG = False\nDATABASES = {}\n"),
                    (
                        "app.json",
                        "{\"env\": {\"DJANGO_SETTINGS_MODULE\": {\"value\": \"proj.settings.live\"}}}",
                    ),
                ],
                &[],
                vec![],
            ),
            (
                STAR,
                &[
                    ("proj/settings/live.py", "from .base import *\nDEBUG = False\nDATABASES = {}\n"),
                    ("Procfile", "web: DJANGO_SETTINGS_MODULE=proj.settings.live gunicorn proj.wsgi\n"),
                ],
                &[],
                vec![],
            ),
            (
                STAR,
                &[
                    ("proj/settings/live.py", "from .base import *\nDEBUG = False\nDATABASES = {}\n"),
                    (".profile", "export DJANGO_SETTINGS_MODULE=proj.settings.live\n"),
                ],
                &[],
                vec![],
            ),
            (
                "from .base import *\nDEBUG = False\nDATABASES = {}\n",
                &[],
                &[("DJANGO_SETTINGS_MODULE", "proj.settings.base")],
                vec![debug("base.py:2"), sqlite("base.py:4")],
            ),
        ] {
            let files = [&[("proj/settings/production.py", production)], more].concat();
            assert_eq!(found(&files, config_vars), expected, "{production} {more:?} {config_vars:?}");
        }
    }

    // C11
    #[test]
    fn uploads_are_found_where_there_are_some() {
        let production =
            ("proj/settings/production.py", "from .base import *\nDEBUG = False\nDATABASES = {}\n");
        let field = ("shop/models.py", "image = models.ImageField(upload_to='x')\n");
        for (files, expected) in [
            (&[][..], 0),
            (&[field], 1),
            (&[("shop/views.py", "def v(request): save(request.FILES['x'])\n")], 1),
            (&[("shop/test_views.py", "request.FILES\n")], 0),
            // What is only told of.
            (&[("shop/models.py", "\"\"\"Uses FileField( and request.FILES.\"\"\"\n")], 0),
            (
                &[(
                    "shop/views.py",
                    "def v():\n    '''As request.FILES\n    has it.'''\n    # request.FILES\n",
                )],
                0,
            ),
            (&[("shop/views.py", "x = 1  # request.FILES\n\"\"\"Text.\"\"\"\nsave(request.FILES)\n")], 1),
            (&[field, ("proj/settings/base.py", "MEDIA_ROOT = 'media'\nDEFAULT_FILE_STORAGE = 'x'\n")], 0),
            (&[field, ("proj/settings/base.py", "MEDIA_ROOT = 'media'\nINSTALLED_APPS = ['storages']\n")], 0),
            (&[field, ("proj/settings/base.py", "MEDIA_ROOT = '/tmp/media'\n")], 0),
            (&[("proj/settings/base.py", "MEDIA_ROOT = 'media'\nINSTALLED_APPS = ['wagtail.images']\n")], 1),
        ] {
            let found = found(&[&[production], files].concat(), &[]);
            assert_eq!(found.len(), expected, "{files:?} {found:?}");
        }
        for (text, expected) in [
            ("app.config['UPLOAD_FOLDER'] = 'up'\n", 0),
            ("app.config['UPLOAD_FOLDER'] = 'up'\ndef f(): request.files['x'].save(y)\n", 1),
            ("app.config['UPLOAD_FOLDER'] = '/tmp/up'\ndef f(): request.files['x'].save(y)\n", 0),
            ("import boto3\napp.config['UPLOAD_FOLDER'] = 'up'\ndef f(): request.files['x'].save(y)\n", 0),
        ] {
            let text = format!("app = object()\n{text}");
            let facts = app(&[("Procfile", "web: gunicorn wsgi:app\n"), ("wsgi.py", &text)]);
            let found = check(&facts);
            let uploads = found.iter().filter(|finding| finding.code == FindingCode::StorageUploads).count();
            assert_eq!(uploads, expected, "{text}");
        }
    }
}
