//! What an app asks of other buildpacks, which slugc doesn't run: told, so that nothing is missing from a slug in silence.

use serde_json::Value;

use super::names::shortened;
use super::tree::Finding;
use crate::error::FindingCode;

const BUILDPACKS: &str = ".buildpacks";
const APP_JSON: &str = "app.json";
const APTFILE: &str = "Aptfile";
const PACKAGE_JSON: &str = "package.json";
const HEROKU_YML: &str = "heroku.yml";

/// How many names a message lists.
const SHOWN: usize = 6;

/// What is told of other buildpacks. Where a platform runs the build, other buildpacks are its concern.
pub(crate) const CODES: &[FindingCode] = &[
    FindingCode::BuildpackIgnored,
    FindingCode::AptNotInList,
    FindingCode::BuildpackAssetsNotBuilt,
    FindingCode::HerokuYmlIgnored,
];

/// Finds what is ignored; `read` gives the text of a file of the app.
pub(crate) fn find_ignored(read: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let app_json = read(APP_JSON).and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let lists = [
        (BUILDPACKS, read(BUILDPACKS).map(|text| of_buildpacks_file(&text))),
        (APP_JSON, app_json.as_ref().map(of_app_json)),
    ];
    let mut findings = Vec::new();
    let mut others: Vec<String> = Vec::new();
    for (file, references) in lists {
        let references = references.unwrap_or_default().into_iter();
        let foreign: Vec<String> = references.filter(|reference| !is_own(reference)).collect();
        if !foreign.is_empty() {
            findings.push(ignored_list(file, &foreign));
        }
        others.extend(foreign);
    }
    let has = |name: &str| others.iter().any(|reference| is_named(reference, name));
    let packages = read(APTFILE).map(|text| of_aptfile(&text)).unwrap_or_default();
    if !packages.is_empty() && !has("apt") {
        findings.push(Finding {
            code: FindingCode::AptNotInList.into(),
            text: format!("{APTFILE} names what isn't installed: {}.", shortened(&packages, SHOWN)),
        });
    }
    let script = read(PACKAGE_JSON).and_then(|text| build_script(&text));
    if let Some(script) = script.filter(|_| !has("nodejs")) {
        findings.push(Finding {
            code: FindingCode::BuildpackAssetsNotBuilt.into(),
            text: format!("{PACKAGE_JSON} has the script `{script}`, which isn't run."),
        });
    }
    if read(HEROKU_YML).is_some() {
        findings.push(Finding {
            code: FindingCode::HerokuYmlIgnored.into(),
            text: format!("{HEROKU_YML} isn't read: it describes a build with Docker."),
        });
    }
    findings
}

fn ignored_list(file: &str, foreign: &[String]) -> Finding {
    Finding {
        code: FindingCode::BuildpackIgnored.into(),
        text: format!(
            "{file} lists buildpacks that aren't run: {}. What they would make isn't in the slug.",
            shortened(foreign, SHOWN)
        ),
    }
}

/// Lines may be comments, or have several words.
fn of_buildpacks_file(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

fn of_app_json(json: &Value) -> Vec<String> {
    let list = json.get("buildpacks").and_then(Value::as_array);
    let url = |entry: &Value| entry.get("url").unwrap_or(entry).as_str().map(str::to_owned);
    list.into_iter().flatten().filter_map(url).collect()
}

/// Package names, and addresses of packages; `:repo:` lines only say where packages come from.
fn of_aptfile(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    let lines = lines.filter(|line| !line.starts_with(":repo:"));
    lines.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

fn build_script(text: &str) -> Option<&'static str> {
    let json: Value = serde_json::from_str(text).ok()?;
    ["heroku-postbuild", "build"].into_iter().find(|name| {
        let script = json.pointer(&format!("/scripts/{name}")).and_then(Value::as_str);
        script.is_some_and(|script| !script.trim().is_empty())
    })
}

/// Whether a reference is Heroku's Python buildpack, whose part slugc takes, or the one that reads `.buildpacks`.
fn is_own(reference: &str) -> bool {
    is_named(reference, "python") || is_named(reference, "multi")
}

/// `heroku/NAME`, `heroku-community/NAME`, `urn:buildpack:heroku/NAME`, or an address of `heroku-buildpack-NAME`.
fn is_named(reference: &str, name: &str) -> bool {
    let reference =
        reference.split('#').next().unwrap_or_default().trim_end_matches('/').to_ascii_lowercase();
    let reference = reference.strip_prefix("urn:buildpack:").unwrap_or(&reference);
    let reference = reference.split('@').next().filter(|_| !reference.contains("://")).unwrap_or(reference);
    let reference =
        [".git", ".tgz", ".tar.gz"].iter().find_map(|end| reference.strip_suffix(end)).unwrap_or(reference);
    let mut parts = reference.rsplit('/');
    let (last, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if last == format!("heroku-buildpack-{name}") {
        return true;
    }
    last == name && (["heroku", "heroku-community"].contains(&owner) || (owner.is_empty() && name == "multi"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The ids of what is found in files of these texts.
    fn ids(files: &[(&str, &str)]) -> Vec<&'static str> {
        let read =
            |name: &str| files.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned());
        find_ignored(read).iter().map(|finding| finding.code.id()).collect()
    }

    #[test]
    fn what_other_buildpacks_would_do_is_told_once() {
        let python = r#"{"buildpacks": [{"url": "heroku/python"}]}"#;
        let both = r#"{"buildpacks": [{"url": "heroku/nodejs"}, {"url": "heroku/python"}]}"#;
        let apt = r#"{"buildpacks": [{"url": "heroku-community/apt"}, {"url": "heroku/python"}]}"#;
        let build = r#"{"scripts": {"build": "vite build"}}"#;
        for (files, expected) in [
            (&[][..], &[][..]),
            (&[("app.json", python)], &[]),
            (&[("app.json", both)], &["buildpack::ignored"]),
            (&[("app.json", r#"{"buildpacks": ["heroku/nodejs"]}"#)], &["buildpack::ignored"]),
            (&[("app.json", "{ broken")], &[]),
            (&[("app.json", r#"{"name": "x"}"#)], &[]),
            (
                &[(".buildpacks", "# mine\n\nhttps://github.com/heroku/heroku-buildpack-python.git#v1\r\n")],
                &[],
            ),
            (
                &[(".buildpacks", "https://github.com/heroku/heroku-buildpack-nodejs heroku/python\n")],
                &["buildpack::ignored"],
            ),
            (
                &[(".buildpacks", "heroku/nodejs\n"), ("app.json", both)],
                &["buildpack::ignored", "buildpack::ignored"],
            ),
            (&[("Aptfile", "# none\n\n:repo:deb http://x y main\n")], &[]),
            (&[("Aptfile", "libpq-dev ffmpeg # video\n")], &["apt::not-in-list"]),
            (&[("Aptfile", "libpq-dev\n"), ("app.json", python)], &["apt::not-in-list"]),
            (&[("Aptfile", "libpq-dev\n"), ("app.json", apt)], &["buildpack::ignored"]),
            (&[("package.json", build)], &["buildpack::assets-not-built"]),
            (
                &[("package.json", r#"{"scripts": {"heroku-postbuild": "make"}}"#)],
                &["buildpack::assets-not-built"],
            ),
            (&[("package.json", r#"{"scripts": {"test": "jest", "build": ""}}"#)], &[]),
            (&[("package.json", build), ("app.json", both)], &["buildpack::ignored"]),
            (&[("heroku.yml", "build:\n")], &["heroku-yml::ignored"]),
        ] {
            assert_eq!(ids(files), expected, "{files:?}");
        }
    }

    #[test]
    fn a_buildpack_is_known_however_it_is_spelled() {
        for (reference, name, expected) in [
            ("heroku/python", "python", true),
            ("urn:buildpack:heroku/python", "python", true),
            ("heroku/python@1.2", "python", true),
            ("https://github.com/heroku/heroku-buildpack-python", "python", true),
            ("https://github.com/me/heroku-buildpack-python.git#main", "python", true),
            ("https://buildpack-registry.test/buildpacks/heroku/python.tgz", "python", true),
            ("https://github.com/heroku/heroku-buildpack-multi.git", "multi", true),
            ("heroku-community/apt", "apt", true),
            ("https://github.com/heroku/heroku-buildpack-apt/", "apt", true),
            ("me/python", "python", false),
            ("https://github.com/me/python-poetry-buildpack", "python", false),
            ("heroku/nodejs", "python", false),
        ] {
            assert_eq!(is_named(reference, name), expected, "{reference}");
        }
    }
}
