//! Where a submodule's commit comes from: the repository that git has fetched already, else its URL.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::git::{Git, GitError, records, to_path};
use super::source::Repository;
use crate::app::names::printable;
use crate::host::files;

/// The `.gitmodules` of a commit.
pub(super) struct Gitmodules<'a> {
    pub(super) git: &'a Git<'a>,
    pub(super) repository: &'a Repository,
    pub(super) commit: &'a str,
}

/// What `.gitmodules` says of one submodule.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    name: String,
    path: Vec<u8>,
    url: String,
}

impl Gitmodules<'_> {
    /// Reads the entries; there are none without the file.
    pub(super) fn read(&self) -> Result<Option<Vec<Entry>>, GitError> {
        let blob = format!("{}:.gitmodules", self.commit);
        if !self.repository.has(self.git, &blob)? {
            return Ok(None);
        }
        let call = self.repository.call(self.git).args([
            "config",
            "-z",
            "--blob",
            &blob,
            "--get-regexp",
            "^submodule\\.",
        ]);
        let listed = self.git.ask(&call, "reading .gitmodules")?.unwrap_or_default();
        Ok(Some(parse_settings(&listed.stdout)))
    }
}

/// Parses what `git config -z` writes: key, line feed, value.
fn parse_settings(bytes: &[u8]) -> Vec<Entry> {
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    for record in records(bytes) {
        let Some(end) = record.iter().position(|byte| *byte == b'\n') else { continue };
        let (key, value) = (String::from_utf8_lossy(&record[..end]), &record[end + 1..]);
        let Some((name, setting)) = key.strip_prefix("submodule.").and_then(|key| key.rsplit_once('.'))
        else {
            continue;
        };
        let entry = entries.entry(name.to_owned()).or_default();
        entry.name = name.to_owned();
        match setting {
            "path" => entry.path = value.strip_suffix(b"/").unwrap_or(value).to_vec(),
            "url" => entry.url = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
    entries.into_values().collect()
}

/// Finds a repository that has the commit of the submodule at `path`; it is cloned into `scratch` if there is none
/// on this machine.
pub(super) fn find_repository(
    gitmodules: &Gitmodules<'_>,
    known: &[Entry],
    path: &[u8],
    commit: &str,
    scratch: &Path,
) -> Result<Repository, GitError> {
    let Gitmodules { git, repository, .. } = gitmodules;
    let failed = |reason| GitError::Submodule { path: path.to_owned(), reason };
    let entry = known
        .iter()
        .find(|entry| entry.path == path)
        .ok_or_else(|| failed("isn't in .gitmodules, which says where submodules come from"))?;
    let object = format!("{commit}^{{commit}}");
    let work_tree = repository.work_tree.as_ref().map(|top| top.join(to_path(path)));
    for git_dir in fetched_repositories(repository, &entry.name, work_tree.as_deref()) {
        let found = Repository { git_dir, work_tree: work_tree.clone() };
        if found.git_dir.join("HEAD").exists() && found.has(git, &object)? {
            return Ok(found);
        }
    }
    let url = find_url(git, repository, entry)?;
    if url.is_empty() || url.starts_with('-') {
        return Err(failed("has no URL that could be cloned"));
    }
    git.output.detail(format!("Cloning the submodule {}", printable(path)));
    let kept = files::temp_dir(Some(scratch))?;
    let target = kept.path().to_owned();
    // It goes away with what it is in.
    kept.keep();
    let over_network = || {
        git.call_with_users_settings()
            .args(["-c", "safe.directory=*", "-c", "core.hooksPath=/dev/null"])
            // As `git submodule` has it: a URL that somebody else wrote may not reach into this machine's files,
            // unless the user's own settings allow it.
            .env("GIT_PROTOCOL_FROM_USER", "0")
    };
    let clone = over_network().args(["clone", "--quiet", "--bare", "--template=", "--", &url]).arg(&target);
    git.run(&clone, format!("cloning the submodule {}", printable(path)))?;
    let cloned = Repository { git_dir: target, work_tree: None };
    if !cloned.has(git, &object)? {
        // The clone is ours: its settings name no program, and the user's say how the network is reached.
        let fetch =
            over_network().env("GIT_DIR", &cloned.git_dir).args(["fetch", "--quiet", "origin", commit]);
        git.run(&fetch, format!("fetching the commit of the submodule {}", printable(path)))?;
    }
    Ok(cloned)
}

/// Returns where git keeps the repository of a submodule that was fetched.
fn fetched_repositories(repository: &Repository, name: &str, work_tree: Option<&Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let is_plain = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    if is_plain && !name.is_empty() {
        found.push(repository.git_dir.join("modules").join(name));
        // The repository of a linked work tree is elsewhere.
        if let Ok(common) = fs::read_to_string(repository.git_dir.join("commondir")) {
            found.push(repository.git_dir.join(common.trim_end()).join("modules").join(name));
        }
    }
    // A submodule that was made in its place has its repository in it.
    found.extend(work_tree.map(|dir| dir.join(".git")).filter(|dir| dir.is_dir()));
    found
}

/// Returns the URL to clone from: the user's setting, else that of `.gitmodules`.
fn find_url(git: &Git<'_>, repository: &Repository, entry: &Entry) -> Result<String, GitError> {
    let setting = |key: &str| repository.ask(git, &["config", "--get"], key);
    if let Some(url) = setting(&format!("submodule.{}.url", entry.name))? {
        return Ok(url);
    }
    if !entry.url.starts_with("./") && !entry.url.starts_with("../") {
        return Ok(entry.url.clone());
    }
    let here = repository.work_tree.as_ref().unwrap_or(&repository.git_dir);
    let base = setting("remote.origin.url")?.unwrap_or_else(|| here.to_string_lossy().into_owned());
    Ok(resolve_url(&base, &entry.url))
}

/// Resolves a relative URL as `git submodule` does: against the URL of the repository that names it.
fn resolve_url(base: &str, relative: &str) -> String {
    let (mut base, mut rest) = (base.trim_end_matches('/'), relative);
    let mut separator = '/';
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            match base.rfind(['/', ':']) {
                Some(at) => {
                    separator = if base.as_bytes()[at] == b':' { ':' } else { '/' };
                    base = &base[..at];
                }
                None => base = "",
            }
        } else {
            return format!("{base}{separator}{}", rest.trim_end_matches('/'));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_url_counts_from_that_of_the_repository() {
        for (base, relative, expected) in [
            ("https://example.com/a/b.git", "../c.git", "https://example.com/a/c.git"),
            ("https://example.com/a/b.git/", "../../d/c", "https://example.com/d/c"),
            ("https://example.com/a/b.git", "./c", "https://example.com/a/b.git/c"),
            ("git@example.com:b.git", "../c.git", "git@example.com:c.git"),
            ("git@example.com:a/b.git", "../../c.git", "git@example.com:c.git"),
            ("/srv/b", "../c/", "/srv/c"),
        ] {
            assert_eq!(resolve_url(base, relative), expected, "{base} {relative}");
        }
    }

    #[test]
    fn settings_are_put_together_by_name() {
        let text =
            b"submodule.a.b.path\nlibs/a/\0submodule.a.b.url\n../a\0submodule.a.b.branch\nmain\0other.x\n1\0";
        let expected = Entry { name: "a.b".into(), path: b"libs/a".to_vec(), url: "../a".into() };
        assert_eq!(parse_settings(text), [expected]);
    }
}
