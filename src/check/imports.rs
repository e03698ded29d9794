//! Whether what the app's processes import is installed, and whether the app itself asks for it.

use std::collections::{BTreeMap, BTreeSet};

use super::absent::left_out_module;
use super::catalogue::FindingCode;
use super::code::{Code, Found, Reached, absolute};
use super::facts::{Facts, Installed};
use super::finding::Finding;
use super::module::{Assignment, Place, string_literal};
use super::standard::{is_standard, removed_in};
use crate::python::requirements::{RequirementKind, normalised_name};

/// Packages whose modules go by another name, for advice. What is installed needs no such table.
const PACKAGES: &[(&str, &str)] = &[
    ("Crypto", "pycryptodome"),
    ("MySQLdb", "mysqlclient"),
    ("OpenSSL", "pyOpenSSL"),
    ("PIL", "Pillow"),
    ("attr", "attrs"),
    ("bs4", "beautifulsoup4"),
    ("corsheaders", "django-cors-headers"),
    ("cv2", "opencv-python-headless"),
    ("dateutil", "python-dateutil"),
    ("debug_toolbar", "django-debug-toolbar"),
    ("decouple", "python-decouple"),
    ("dj_database_url", "dj-database-url"),
    ("django", "Django"),
    ("django_filters", "django-filter"),
    ("django_heroku", "django-heroku"),
    ("dns", "dnspython"),
    ("docx", "python-docx"),
    ("dotenv", "python-dotenv"),
    ("environ", "django-environ"),
    ("fitz", "PyMuPDF"),
    ("flask", "Flask"),
    ("github", "PyGithub"),
    ("google", "google-api-python-client"),
    ("googleapiclient", "google-api-python-client"),
    ("jose", "python-jose"),
    ("jwt", "PyJWT"),
    ("magic", "python-magic"),
    ("markdown", "Markdown"),
    ("multipart", "python-multipart"),
    ("pkg_resources", "setuptools"),
    ("psycopg", "psycopg[binary]"),
    ("psycopg2", "psycopg2-binary"),
    ("rest_framework", "djangorestframework"),
    ("sendgrid", "sendgrid"),
    ("serial", "pyserial"),
    ("skimage", "scikit-image"),
    ("sklearn", "scikit-learn"),
    ("slugify", "python-slugify"),
    ("socketio", "python-socketio"),
    ("storages", "django-storages"),
    ("telegram", "python-telegram-bot"),
    ("whitenoise", "whitenoise"),
    ("yaml", "PyYAML"),
    ("zmq", "pyzmq"),
];

/// A module that a file asks for, and where.
struct Wanted<'a> {
    top: String,
    module: String,
    file: &'a str,
    roots: &'a [String],
    place: Place,
    how: &'static str,
}

/// Checks every import that surely happens when a process starts.
pub(super) fn check_imports(facts: &Facts, code: &Code<'_>) -> Vec<Finding> {
    let Some(installed) = &facts.installed else { return Vec::new() };
    let reached = code.reached();
    let mut wanted = Vec::new();
    for reached in reached {
        wanted.extend(wanted_by(code, reached));
    }
    let mut findings = Vec::new();
    let mut told = BTreeSet::new();
    let owners = owners(installed);
    let direct = direct_requirements(facts);
    for Wanted { top, module, file, roots, place, how } in wanted {
        let text = facts.texts.get(file).map(String::as_str).unwrap_or_default();
        if !installed.modules.contains(&top) {
            if left_out_module(facts, &top, roots).is_some() {
                continue;
            }
            if !installed.leads_elsewhere && !is_built_in(&top, installed) && told.insert(top.clone()) {
                let message = not_installed(&top, &module, file, how, installed);
                findings.push(Finding::new(FindingCode::ImportNotInstalled, message).at(place.snippet(
                    file,
                    text,
                    "isn't installed",
                )));
            }
            continue;
        }
        let (Some(owner), Some(direct)) = (owners.get(top.as_str()), &direct) else { continue };
        if is_standard(&top) || owner.iter().any(|name| direct.contains(name)) || !told.insert(top.clone()) {
            continue;
        }
        let Some(name) = owner.first() else { continue };
        let message = format!(
            "{file} {how} `{module}`, which the package {name} brings. requirements.txt doesn't name it{}.",
            because(name, installed)
        );
        findings.push(Finding::new(FindingCode::ImportNotRequired, message).at(place.snippet(
            file,
            text,
            "isn't in requirements.txt",
        )));
    }
    findings
}

fn wanted_by<'a>(code: &Code<'_>, reached: &'a Reached) -> Vec<Wanted<'a>> {
    let Some(module) = code.module(&reached.file).filter(|module| !module.has_error) else {
        return Vec::new();
    };
    let mut wanted: Vec<Wanted<'a>> = Vec::new();
    let mut want = |name: &str, place: Place, how: &'static str| {
        let top = name.split('.').next().unwrap_or_default();
        if !top.is_empty() && code.find(top, &reached.roots) == Found::Nothing {
            wanted.push(Wanted {
                top: top.to_owned(),
                module: name.to_owned(),
                file: &reached.file,
                roots: &reached.roots,
                place,
                how,
            });
        }
    };
    for import in module.imports.iter().filter(|import| import.certain && !import.module.starts_with('.')) {
        if absolute(&import.module, &reached.package, &reached.roots).is_some() {
            want(&import.module, import.place, "imports");
        }
    }
    for assignment in
        module.assignments.iter().filter(|found| found.certain && found.target == "INSTALLED_APPS")
    {
        for (name, place) in strings_in(assignment) {
            want(&name, place, "lists");
        }
    }
    wanted
}

/// Returns the plain strings of a list, with their places. A list that is put together isn't looked into.
fn strings_in(assignment: &Assignment) -> Vec<(String, Place)> {
    let value = &assignment.value;
    if !value.starts_with(['[', '('])
        || value.contains(" if ")
        || value.contains(" for ")
        || value.contains('*')
    {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (index, line) in value.lines().enumerate() {
        let code = line.split('#').next().unwrap_or_default();
        let shift = if index == 0 { assignment.place.start } else { 0 };
        for piece in code.split(',') {
            let word = piece.trim().trim_matches(['[', ']', '(', ')']).trim();
            let Some(name) = string_literal(word).filter(|name| super::servers::is_dotted(name)) else {
                continue;
            };
            let start = code.find(word).unwrap_or_default() + shift;
            let place = Place { line: assignment.place.line + index, start, end: start + word.len() };
            found.push((name, place));
        }
    }
    found
}

/// Modules that are there without a file, and `distutils`, which setuptools brings in a way of its own.
fn is_built_in(top: &str, installed: &Installed) -> bool {
    const COMPILED_IN: &[&str] = &[
        "atexit",
        "builtins",
        "errno",
        "faulthandler",
        "gc",
        "itertools",
        "marshal",
        "posix",
        "pwd",
        "sys",
        "time",
    ];
    if top == "distutils" && installed.modules.contains("setuptools") {
        return true;
    }
    if COMPILED_IN.contains(&top) {
        return true;
    }
    // A module of the standard library may be compiled in; one that is gone isn't.
    is_standard(top) && !is_gone(top, installed)
}

fn is_gone(top: &str, installed: &Installed) -> bool {
    let minor =
        installed.python.as_deref().and_then(|version| version.split_once('.')?.1.parse::<u32>().ok());
    removed_in(top).zip(minor).is_some_and(|(removed, minor)| minor >= removed)
}

fn not_installed(top: &str, module: &str, file: &str, how: &str, installed: &Installed) -> String {
    if is_gone(top, installed) {
        let since = removed_in(top).unwrap_or_default();
        return format!(
            "{file} {how} `{module}`, which was removed from Python's standard library in 3.{since}. The slug has \
             Python {}.",
            installed.python.as_deref().unwrap_or_default()
        );
    }
    let package = PACKAGES.iter().find(|(name, _)| *name == top).map_or(top, |(_, package)| package);
    let hint = if package == top { String::new() } else { format!(" The package is {package}.") };
    format!("{file} {how} `{module}`, which is neither installed nor a part of the app.{hint}")
}

/// Says which package requires another.
fn because(name: &str, installed: &Installed) -> String {
    let needs = installed.distributions.iter().find(|distribution| {
        distribution.requires.iter().any(|text| {
            let end = text.find(|letter: char| !(letter.is_alphanumeric() || "-_.".contains(letter)));
            normalised_name(&text[..end.unwrap_or(text.len())]) == name && !text.contains("extra ==")
        })
    });
    needs.map(|found| format!("; it is here because {} needs it", found.name)).unwrap_or_default()
}

/// Returns which distributions bring a module, by normalised name.
fn owners(installed: &Installed) -> BTreeMap<&str, Vec<String>> {
    let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for distribution in &installed.distributions {
        for module in &distribution.modules {
            owners.entry(module).or_default().push(normalised_name(&distribution.name));
        }
    }
    owners
}

/// Returns the names in requirements.txt, if all of them are known.
fn direct_requirements(facts: &Facts) -> Option<BTreeSet<String>> {
    let requirements = facts.requirements.as_ref()?;
    let has_unknown = requirements.entries.iter().any(|entry| {
        matches!(
            entry.kind,
            RequirementKind::Url { .. }
                | RequirementKind::RemoteFile { .. }
                | RequirementKind::LocalPath { .. }
                | RequirementKind::Vcs { .. }
        )
    });
    (!has_unknown).then(|| requirements.names())
}
