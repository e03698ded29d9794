//! Where the packages of a pylock.toml come from: repositories, directories and archives.

use std::collections::BTreeSet;
use std::path::Path;

use pep440_rs::Version;
use toml::{Table, Value};

use crate::python::locked::{PackageFault, is_git_url, is_http_url, place_in_app};
use crate::python::requirements::normalised_name;
use crate::python::url::without_credentials;

/// The keys of a package at which there is one source.
const SINGLE: [&str; 4] = ["vcs", "directory", "archive", "sdist"];

/// Checks where a package comes from, and returns the places in the app.
pub(super) fn check(
    name: &str,
    version: Option<&str>,
    package: &Table,
) -> Result<BTreeSet<String>, PackageFault> {
    let mut places = BTreeSet::new();
    for (key, source) in sources(package) {
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        let fault = |what: &str, found: &str| {
            let shown: String =
                without_credentials(found).chars().take(200).flat_map(char::escape_debug).collect();
            PackageFault::new(name, format!("{what}: {shown}"))
        };
        if let Some(path) = text("subdirectory") {
            place_in_app(path).map_err(|reason| fault(reason, path))?;
        }
        match (key, text("url"), text("path")) {
            ("vcs", Some(url), _) if !is_git_url(url) => {
                return Err(fault("this isn't an https or ssh URL of a git repository", url));
            }
            ("vcs", None, Some(path)) => {
                return Err(fault("a repository on this machine's disk can't be used", path));
            }
            ("vcs", ..) => {}
            (_, Some(url), _) if !is_http_url(url) => {
                return Err(fault(
                    "only archives with an http or https URL can be used, or paths in the app",
                    url,
                ));
            }
            // It is what is downloaded.
            (_, Some(_), _) | (_, None, None) => {}
            (_, None, Some(path)) => {
                places.insert(place_in_app(path).map_err(|reason| fault(reason, path))?);
            }
        }
        if ["archive", "sdist", "wheels"].contains(&key) {
            if source.get("hashes").and_then(Value::as_table).is_some_and(Table::is_empty) {
                return Err(PackageFault::new(name, format!("`hashes` of `{key}` is empty")));
            }
            let file = text("name").or_else(|| file_name(text("url").or(text("path"))?));
            if let Some(file) = file.filter(|file| key == "wheels" && !is_wheel_of(file, name, version)) {
                return Err(fault("this wheel is of another package or version", file));
            }
        }
    }
    Ok(places)
}

/// Makes a package's paths absolute.
pub(super) fn make_absolute(package: &mut Table, app: &Path) {
    let join = |source: &mut Value| {
        let Some(source) = source.as_table_mut().filter(|source| !source.contains_key("url")) else { return };
        if let Some(Value::String(path)) = source.get_mut("path") {
            *path = app.join(place_in_app(path).unwrap_or_default()).display().to_string();
        }
    };
    SINGLE.iter().for_each(|key| package.get_mut(*key).into_iter().for_each(join));
    package.get_mut("wheels").and_then(Value::as_array_mut).into_iter().flatten().for_each(join);
}

fn sources(package: &Table) -> impl Iterator<Item = (&str, &Value)> {
    let single = SINGLE.into_iter().filter_map(|key| Some((key, package.get(key)?)));
    let wheels = package.get("wheels").and_then(Value::as_array).into_iter().flatten();
    single.chain(wheels.map(|wheel| ("wheels", wheel)))
}

fn file_name(location: &str) -> Option<&str> {
    location.split(['#', '?']).next()?.rsplit('/').next()
}

/// Tells whether a wheel's file name fits. A version that can't be read, or that nobody has written down, fits.
fn is_wheel_of(file: &str, name: &str, version: Option<&str>) -> bool {
    let Some((found_name, rest)) = file.split_once('-') else { return false };
    let found = rest.split('-').next().unwrap_or_default().replace("%2B", "+").replace("%2b", "+");
    let versions = (found.parse::<Version>(), version.map(str::parse::<Version>));
    let same_version = match versions {
        (Ok(found), Some(Ok(version))) => found == version,
        _ => true,
    };
    normalised_name(found_name) == normalised_name(name) && same_version
}
