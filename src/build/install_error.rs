//! Why an installer failed, as far as its own words tell, and the line of the app that is at fault. The words themselves
//! are in the log already.

use std::fmt;

use super::cause::{Cause, find_cause};
use super::fault_places::{Place, entries_of, find_places};
use super::missing::{first_error_line, known_cause};
use super::own_package::OwnPackages;
use crate::error::similar::closest;
use crate::error::{Door, ErrorCode, Snippet, UserError};
use crate::host::process::RunError;
use crate::python::requirements::{RequirementKind, Requirements, normalised_name};

/// Says something of the wheels of `NAME==VERSION`, if there is something to say.
pub(super) type AskForWheels<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is known beside the installer's words.
#[derive(Clone, Copy, Default)]
pub(crate) struct Hints<'a> {
    /// What ran, if its file name doesn't tell.
    pub program: Option<&'a str>,
    /// The requirements files, to point at their lines.
    pub requirements: Option<&'a Requirements>,
    /// Whether pip could install instead.
    pub can_use_pip: bool,
    /// Lists the config vars and variables that installers don't get.
    pub withheld: Option<&'a dyn Fn() -> Vec<Withheld>>,
    /// Lists the names of packages that there are.
    pub known_names: Option<&'a dyn Fn() -> Vec<String>>,
    /// Says which packages are the app's own.
    pub own_packages: Option<&'a dyn Fn() -> OwnPackages>,
    /// Says for which other Pythons there are wheels of `NAME==VERSION`.
    pub other_pythons: Option<AskForWheels<'a>>,
}

/// A variable that installers don't get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Withheld {
    /// Its name.
    pub name: String,
    /// Whether it is one of the app's config vars.
    pub is_config_var: bool,
}

/// The installer failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct InstallError {
    code: ErrorCode,
    cause: Cause,
    message: String,
    snippet: Option<Snippet>,
    fix: Option<String>,
    #[source]
    source: Ended,
}

/// How the installer ended. What it said isn't told again.
#[derive(Debug)]
pub(crate) struct Ended {
    program: Option<String>,
    /// What was run, and said.
    pub(crate) error: RunError,
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.error.ending(self.program.as_deref()))
    }
}

impl std::error::Error for Ended {}

/// Says it in sentences.
fn describe(cause: &Cause, text: &str, hints: &Hints<'_>) -> String {
    match cause {
        Cause::NoSuchPackage(name) => {
            let known = hints.known_names.map(|list| list()).unwrap_or_default();
            let near = closest(&normalised_name(name), known.iter().map(String::as_str));
            let advice = match near {
                Some(near) => format!("Did you mean `{near}`?"),
                None => {
                    "Check its spelling in the requirements; if it is a private package, PIP_INDEX_URL or \
                         PIP_EXTRA_INDEX_URL names its index."
                        .to_owned()
                }
            };
            format!("The package index has no package named `{name}`. {advice}")
        }
        Cause::NoSuchVersion(requirement) => {
            format!("The package index has no version of `{requirement}` that fits this Python.")
        }
        Cause::NoSuchOption(option) => format!("pip has no option `{option}` any more. Delete it."),
        Cause::Syntax => "The installer can't read a line of the requirements.".to_owned(),
        Cause::NoNetwork => "The package index can't be reached. Check the network; behind a proxy, set \
             HTTPS_PROXY, and PIP_CERT if the proxy has a certificate of its own."
            .to_owned(),
        Cause::Certificate => {
            "The package index has a certificate that isn't trusted here. If it or a proxy has \
             one of its own, PIP_CERT names the file with the certificate that signed it."
                .to_owned()
        }
        Cause::Unauthorized(url) => format!(
            "The package index refuses to give {url}: it wants credentials, or other ones. uv takes \
             them from UV_INDEX_<NAME>_USERNAME and UV_INDEX_<NAME>_PASSWORD, where <NAME> is the \
             index's; Poetry's are POETRY_HTTP_BASIC_<NAME>_USERNAME and _PASSWORD; elsewhere they \
             stand in the index's URL, as ${{VARIABLES}}."
        ),
        Cause::Conflict => {
            "The requirements contradict each other: no set of versions fits them all.".to_owned()
        }
        Cause::BuildFailed(name) => describe_build(name, text, hints),
        Cause::Hash => {
            "A downloaded file doesn't have the hash that the requirements ask for, or a package has \
             no hash while others have one."
                .to_owned()
        }
        Cause::StaleLock => {
            "The lock file is out of date: it doesn't fit what pyproject.toml says now. Lock the \
             dependencies again, and commit the lock file."
                .to_owned()
        }
        Cause::Other => "Installing the requirements failed.".to_owned(),
    }
}

/// Tells of a package that couldn't be built: its own words first, then what they mean, then another way.
fn describe_build(name: &str, text: &str, hints: &Hints<'_>) -> String {
    let words = match first_error_line(text) {
        Some(line) => format!("Building `{name}` failed:\n{line}\n"),
        None => format!("Building `{name}` failed.\n"),
    };
    let cause = known_cause(text).unwrap_or_else(|| {
        "It has no wheel for this Python and platform. A newer version may have one; otherwise a compiler or a \
         library is missing here."
            .to_owned()
    });
    let pinned = match name.contains("==") {
        true => Some(name.to_owned()),
        false => hints.requirements.and_then(|requirements| pinned_version(requirements, name)),
    };
    let elsewhere = pinned.zip(hints.other_pythons).and_then(|(pinned, ask)| ask(&pinned));
    let parts = [Some(words + &cause), elsewhere];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}

/// Returns `NAME==VERSION` if the requirements name one version.
fn pinned_version(requirements: &Requirements, name: &str) -> Option<String> {
    entries_of(requirements, name).find_map(|entry| match &entry.kind {
        RequirementKind::Named { text, pinned: true, .. } => {
            let text = text.split(';').next().unwrap_or_default().trim();
            (text.contains("==") && !text.contains('@')).then(|| text.to_owned())
        }
        _ => None,
    })
}

impl InstallError {
    /// Finds out from its words why an installer failed.
    pub(super) fn new(code: ErrorCode, source: RunError, hints: &Hints<'_>) -> Self {
        let text = source.text();
        let cause = find_cause(&text);
        let places = hints.requirements.map(|requirements| find_places(requirements, &cause, &text));
        let places = places.unwrap_or_default();
        let mut message = describe(&cause, &text, hints);
        let mut fix = None;
        if let (Cause::BuildFailed(name), Some(list)) = (&cause, hints.own_packages) {
            let packages = list();
            if let Some(own) = packages.find(name, &text) {
                message = packages.describe(name, &text, own);
                fix = packages.fix(&text, own);
            }
        }
        if let (Cause::NoNetwork, [place, ..]) = (&cause, &places[..]) {
            message = describe_host(place, &text);
        }
        if let (Cause::Conflict, [_, _, ..]) = (&cause, &places[..]) {
            for Place { snippet, .. } in &places {
                message.push_str(&format!(
                    "\n{}, line {}: {}",
                    snippet.file,
                    snippet.line,
                    snippet.text.trim()
                ));
            }
        }
        if matches!(cause, Cause::BuildFailed(_) | Cause::Other) {
            let withheld = hints.withheld.map(|list| list()).unwrap_or_default();
            withheld.iter().filter(|one| has_word(&text, &one.name)).for_each(|one| {
                message.push('\n');
                message.push_str(&describe_withheld(one));
            });
        }
        if hints.can_use_pip && matches!(cause, Cause::Other | Cause::Syntax | Cause::Hash) {
            message.push_str(
                "\nuv failed here. pip may read it otherwise: `--installer pip`, or SLUGC_INSTALLER=pip, has pip \
                 itself install.",
            );
        }
        let snippet = places.into_iter().last().map(|place| place.snippet);
        let program = hints.program.map(str::to_owned);
        Self { code, cause, message, snippet, fix, source: Ended { program, error: source } }
    }

    /// Whether the app names a host that isn't there.
    fn is_apps_host(&self) -> bool {
        self.cause == Cause::NoNetwork && self.snippet.is_some() && is_unknown_host(&self.source.error.text())
    }
}

fn describe_withheld(Withheld { name, is_config_var }: &Withheld) -> String {
    if *is_config_var {
        format!(
            "{name} is a config var, and installers don't get these: they reach hooks and collectstatic. Set it in \
             the environment of the build."
        )
    } else {
        format!("{name} is set, and installers don't get it: docs/build.md lists what they get.")
    }
}

fn describe_host(Place { snippet, host }: &Place, text: &str) -> String {
    let host = host.as_deref().unwrap_or_default();
    let place = format!("{}, line {}, names it", snippet.file, snippet.line);
    if is_unknown_host(text) {
        format!("There is no host named {host}: {place}.")
    } else {
        format!("{host} can't be reached: {place}. Check the network; behind a proxy, set HTTPS_PROXY.")
    }
}

fn is_unknown_host(text: &str) -> bool {
    ["Name or service not known", "No address associated with hostname", "nodename nor servname"]
        .iter()
        .any(|sign| text.contains(sign))
}

/// Finds a name that stands alone.
fn has_word(text: &str, name: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    // A short one is a word of every language.
    name.len() > 5
        && name.contains('_')
        && text
            .match_indices(name)
            .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}

impl UserError for InstallError {
    fn code(&self) -> ErrorCode {
        match &self.source.error {
            RunError::Interrupted(interrupted) => interrupted.code(),
            _ => self.code,
        }
    }

    fn detail(&self) -> Option<String> {
        Some(self.cause.id().to_owned())
    }

    fn snippet(&self) -> Option<Snippet> {
        self.snippet.clone()
    }

    fn fix(&self, _door: Door) -> Option<String> {
        self.fix.clone()
    }

    fn exit_code(&self) -> u8 {
        match (&self.source.error, &self.cause) {
            (RunError::Interrupted(interrupted), _) => interrupted.exit_code(),
            // Not the app's fault.
            (_, Cause::NoNetwork) if !self.is_apps_host() => 3,
            (_, Cause::Certificate) => 3,
            _ => self.code().entry().exit_code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::Captured;

    fn requirements(files: &[(&str, &str)]) -> Requirements {
        let mut read = |path: &str| {
            let found = files.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
        };
        crate::python::requirements::read_requirements("requirements.txt", &mut read).unwrap()
    }

    fn error(words: &str, hints: &Hints<'_>) -> InstallError {
        use std::os::unix::process::ExitStatusExt;
        let captured = Captured { stdout: Vec::new(), stderr: words.as_bytes().to_vec() };
        let status = std::process::ExitStatus::from_raw(1 << 8);
        let source = RunError::Failed { program: "uv".into(), status, captured };
        InstallError::new(ErrorCode::InstallDependencies, source, hints)
    }

    // D06, D14, D20
    #[test]
    fn the_line_that_is_at_fault_is_shown_once() {
        let files = &[
            (
                "requirements.txt",
                "alpha-lib==1.0\nalpha-libb\nalpha-lib==2.0 # two\n-r more/base.txt\n\
                 https://files.example.invalid/thing.zip\nbeta-lib==9\n",
            ),
            (
                "more/base.txt",
                "gamma-lib==1.0 --global-option=\"x\"\n--all-releases alpha-lib\n\
                 git+https://me:hush@git.example.invalid/x.git#egg=x\n",
            ),
        ];
        let requirements = requirements(files);
        let known = || vec!["alpha-lib".to_owned()];
        let hints = Hints {
            requirements: Some(&requirements),
            can_use_pip: true,
            known_names: Some(&known),
            ..Hints::default()
        };
        for (words, place, expected, exit_code) in [
            (
                "Because alpha-libb was not found in the package registry and you require alpha-libb",
                Some(("requirements.txt", 2)),
                "Did you mean `alpha-lib`?",
                1,
            ),
            (
                "ERROR: No matching distribution found for beta-lib==9",
                Some(("requirements.txt", 6)),
                "no version of `beta-lib==9`",
                1,
            ),
            (
                "Because you require alpha-lib==1.0 and alpha-lib==2.0, we can conclude that your\n      \
                 requirements are unsatisfiable.",
                Some(("requirements.txt", 3)),
                "requirements.txt, line 1: alpha-lib==1.0\nrequirements.txt, line 3: alpha-lib==2.0",
                1,
            ),
            ("no such option: --global-option", Some(("more/base.txt", 1)), "`--global-option` any more", 1),
            (
                "error: Unexpected '-', expected '-c' at /tmp/x/more/base.txt:2:1",
                Some(("more/base.txt", 2)),
                "`--installer pip`",
                1,
            ),
            (
                "error: Failed to fetch: `https://files.example.invalid/thing.zip`\n  Caused by: dns error\n  \
                 Caused by: failed to lookup address information: Name or service not known",
                Some(("requirements.txt", 5)),
                "There is no host named files.example.invalid: requirements.txt, line 5",
                1,
            ),
            (
                "fatal: unable to access 'https://git.example.invalid/x.git/': Could not resolve host: git.example.invalid",
                Some(("more/base.txt", 3)),
                "git.example.invalid can't be reached: more/base.txt, line 3",
                3,
            ),
            (
                "error: Failed to fetch: `https://i.test/simple/six/`\n  Caused by: dns error",
                None,
                "The package index can't be reached",
                3,
            ),
            ("error: invalid peer certificate: UnknownIssuer", None, "PIP_CERT", 3),
            ("error: whatever", None, "SLUGC_INSTALLER=pip", 1),
        ] {
            let error = error(words, &hints);
            let found = error.snippet().map(|snippet| (snippet.file, snippet.line));
            let found = found.as_ref().map(|(file, line)| (file.as_str(), *line));
            assert_eq!(found, place, "{words}");
            assert!(error.to_string().contains(expected), "{words}: {error}");
            assert_eq!(error.exit_code(), exit_code, "{words}");
            let said = format!("{error} {:?} {}", error.snippet(), error.source);
            assert!(!said.contains("hush"), "{said}");
            assert_eq!(error.source.to_string(), "uv ended with exit code 1.");
        }
    }

    // D13, D25
    #[test]
    fn a_build_that_fails_is_told_in_its_own_words_with_another_way() {
        let requirements = requirements(&[("requirements.txt", "tto-lib==1.0\n")]);
        let withheld = || {
            vec![
                Withheld { name: "MY_BUILD_MODE".into(), is_config_var: true },
                Withheld { name: "OTHER_MODE".into(), is_config_var: false },
            ]
        };
        let ask = |pinned: &str| Some(format!("{pinned} has wheels for Python 3.11."));
        let hints = Hints {
            requirements: Some(&requirements),
            withheld: Some(&withheld),
            other_pythons: Some(&ask),
            ..Hints::default()
        };
        for (words, expected) in [
            (
                "  × Failed to build `tto-lib==1.0`\n      [stderr]\n      error: use_2to3 is invalid.\n",
                &[
                    "failed:\nerror: use_2to3 is invalid.\nIt was made for",
                    "tto-lib==1.0 has wheels for Python 3.11.",
                ][..],
            ),
            (
                "  ╰─> [1 lines of output]\n      KeyError: 'MY_BUILD_MODE'\n      [end of output]\n\
                 ERROR: Failed to build 'tto-lib' when getting requirements to build wheel",
                &["KeyError: 'MY_BUILD_MODE'", "MY_BUILD_MODE is a config var", "tto-lib==1.0 has wheels"],
            ),
            (
                "  × Failed to build `x @ file:///x`\n      [stderr]\n      OTHER_MODE isn't set\n",
                &["OTHER_MODE is set, and installers don't get it"],
            ),
            ("  × Failed to build `y==1`\n", &["Building `y==1` failed.", "no wheel for this Python"]),
        ] {
            let message = error(words, &hints).to_string();
            for expected in expected {
                assert!(message.contains(expected), "{words}: {message}");
            }
        }
    }
}
