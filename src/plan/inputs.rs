//! What says which packages are installed: files of the app, and what was read from them.

use std::collections::BTreeMap;

use super::Notice;
use super::local::Local;
use super::lock::Lock;
use super::manager::PackageManager;
use crate::error::NoticeCode;
use crate::python::locked::LockedIndex;
use crate::python::requirements::{RequirementKind, Requirements};
use crate::python::url::without_credentials;
use crate::python::uv_paths::UvPaths;

/// Everything that decides which packages are installed, but for Python and the installer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// The files that decide, by their paths relative to the app.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The requirements files, when they are pip's.
    pub requirements: Option<Requirements>,
    /// A requirements file made of a lock file, when the installer can't read that itself.
    pub rendered: Option<Rendered>,
    /// The lock file, or a Pipfile without one, if it could be read.
    pub lock: Option<Lock>,
    /// What only the package manager's own tool can do, a sentence each.
    pub beyond_engine: Vec<String>,
    /// Whether packages are built from the app's own files.
    pub needs_source: bool,
    /// A digest of the app's own files, if packages are built from them.
    pub source_digest: Option<String>,
    /// What of all this is in the app itself, if it can be installed apart from the rest.
    pub local: Option<Local>,
    /// What of the app uv reads besides: other projects, and directories of archives.
    pub seen: UvPaths,
    /// The package indexes that have names.
    pub indexes: Vec<LockedIndex>,
    /// The dependency groups that are installed by name.
    pub groups: Vec<String>,
    /// What has no exact version, by name.
    pub unlocked: Vec<String>,
    /// The variables that the files name, with a digest of each value.
    pub variables: BTreeMap<String, String>,
    /// The settings of compilers and build back ends, with a digest of each value.
    pub settings: BTreeMap<String, String>,
    /// The directories and files besides these that installers read, with a digest of each content.
    pub places: BTreeMap<String, String>,
    /// What was noticed on the way.
    pub notices: Vec<Notice>,
}

/// A requirements file that stands for a lock file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rendered {
    /// Its text.
    pub text: String,
    /// Whether it lists every package there is to install.
    pub complete: bool,
    /// Whether each package has its hashes.
    pub hashed: bool,
}

impl Rendered {
    /// Returns whether a repository is to be checked out and installed in place.
    pub(crate) fn has_editable_repository(&self) -> bool {
        self.text.lines().any(|line| line.starts_with("-e ") && line.contains("git+"))
    }

    /// Takes what has hashes and what can't have any apart, if there is both: pip wants hashes of everything or of
    /// nothing. Options are in both.
    pub(crate) fn split_by_hashes(&self) -> Option<(String, String)> {
        let (mut hashed, mut others) = (String::new(), String::new());
        let mut lines = self.text.lines().peekable();
        let (mut has_hashed, mut has_others) = (false, false);
        while let Some(line) = lines.next() {
            let mut entry = format!("{line}\n");
            while entry.ends_with("\\\n") && lines.peek().is_some() {
                entry.extend(lines.next().into_iter().flat_map(|line| [line, "\n"]));
            }
            if line.starts_with("--") {
                hashed.push_str(&entry);
                others.push_str(&entry);
            } else if entry.contains(" --hash=") {
                hashed.push_str(&entry);
                has_hashed = true;
            } else {
                others.push_str(&entry);
                has_others = true;
            }
        }
        (has_hashed && has_others).then_some((hashed, others))
    }
}

impl Inputs {
    /// Tells the user that the build takes whatever versions are the newest.
    pub(crate) fn notice_of_lock(&self, manager: PackageManager) -> Option<Notice> {
        let how = match manager {
            PackageManager::Pipfile => "Run `pipenv lock`, and commit Pipfile.lock.",
            PackageManager::Pyproject => "Run `uv lock`, and commit uv.lock.",
            _ => return None,
        };
        Some(Notice {
            code: NoticeCode::PackageManagerNotLocked.into(),
            text: format!(
                "The dependencies in {} aren't locked: another build can install other versions, which may \
                 not work. {how}",
                manager.file()
            )
            .into(),
            warning: true,
        })
    }
}

/// Lists what a requirements file leaves open: requirements without an exact version, and branches or tags of
/// repositories, which can move.
pub(crate) fn unlocked_requirements(requirements: &Requirements) -> Vec<String> {
    let mut unlocked: Vec<String> = requirements.unpinned().into_iter().map(str::to_owned).collect();
    for entry in requirements.entries.iter().filter(|entry| !entry.constraint) {
        match &entry.kind {
            RequirementKind::Vcs { url, .. } if !names_a_commit(url) => {
                unlocked.push(without_credentials(url));
            }
            RequirementKind::RemoteFile { url } => unlocked.push(without_credentials(url)),
            _ => {}
        }
    }
    unlocked
}

fn names_a_commit(url: &str) -> bool {
    let before = url.split(['#', ' ']).next().unwrap_or_default();
    before.rsplit_once('@').is_some_and(|(_, revision)| {
        revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::python::requirements::read_requirements;

    #[test]
    fn what_has_hashes_is_taken_apart_from_what_cannot_have_any() {
        let split =
            |text: &str| Rendered { text: text.to_owned(), complete: true, hashed: false }.split_by_hashes();
        let (hashed, plain) =
            ("a==1 ; os_name == 'posix' \\\n    --hash=sha256:0 \\\n    --hash=sha256:1\n", "-e ./b\n");
        let option = "--index-url https://i.test/simple\n";
        assert_eq!(
            split(&format!("{option}{hashed}{plain}{hashed}")),
            Some((format!("{option}{hashed}{hashed}"), format!("{option}{plain}")))
        );
        for whole in [hashed, plain, option, ""] {
            assert_eq!(split(&format!("{option}{whole}")), None, "{whole}");
        }
    }

    // D26
    #[test]
    fn what_has_no_exact_version_is_listed() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let text = format!(
            "flask\nsix==1.16.0\nrequests>=2\n-e git+https://user:word@host.test/a.git@main#egg=a\n\
             -e git+https://host.test/b.git@{commit}#egg=b\n./vendor/c\n\
             -e git+https://host.test/d.git#egg=d\ne @ git+https://host.test/e.git\n\
             f @ git+ssh://git@host.test/f.git@v1.0\n-e git+file:///srv/g.git@0123abc#egg=g\n"
        );
        let requirements =
            read_requirements("requirements.txt", &mut |_| Ok(text.clone().into_bytes())).unwrap();
        let unlocked = unlocked_requirements(&requirements);
        assert_eq!(
            unlocked,
            [
                "flask",
                "requests",
                "e",
                "f",
                "git+https://host.test/a.git@main#egg=a",
                "git+https://host.test/d.git#egg=d",
                "git+file:///srv/g.git@0123abc#egg=g",
            ]
        );
    }
}
