//! The source of a build: a directory as it is, or a commit in a directory of its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

pub(crate) use super::git::ignored_paths;
use super::git::{self, Git, GitError, commit_time, find_work_tree, gitlinks, to_path};
use super::gitlinks::note_gitlinks;
use super::submodules::{Gitmodules, find_repository};
use super::tracking::note_ignored_deciders;
use crate::app::names::{printable, shortened};
use crate::app::source::{AppSource, read_source};
use crate::env::Env;
use crate::error;
use crate::error::{ErrorCode, NoticeCode, UserError};
use crate::host::files;
use crate::host::process::{Invocation, RunError};
use crate::host::scratch::ScratchDir;
use crate::output::Output;
use crate::plan::detect::is_app;

/// How many submodules a message names.
const SHOWN: usize = 5;

/// More levels of submodules than anybody has; a repository may name itself.
const MAX_DEPTH: usize = 16;

/// Reads the app in a directory, without what git ignores unless that is asked for.
pub(crate) fn read_directory(
    dir: &Path,
    include_ignored: bool,
    env: &Env,
    output: &Output,
) -> error::Result<AppSource> {
    check_is_app(dir, env)?;
    let ignored = if include_ignored { Default::default() } else { ignored_paths(dir, env, output)? };
    let mut app = read_source(dir, &ignored, &env.interrupt)?;
    note_ignored_deciders(&mut app, &ignored, env, output);
    note_gitlinks(&mut app, env, output);
    app.ignored = ignored;
    Ok(app)
}

/// The top of the file system, or a home directory that has no app at its top.
#[derive(Debug, thiserror::Error)]
#[error("{} is {what}, and not an app.", .dir.display())]
struct NotAnApp {
    dir: PathBuf,
    what: &'static str,
}

impl UserError for NotAnApp {
    fn code(&self) -> ErrorCode {
        ErrorCode::SourceNotAnApp
    }
}

/// Before anything in it is read: it has everything of this machine, or of its user.
fn check_is_app(dir: &Path, env: &Env) -> error::Result<()> {
    let Ok(real) = dir.canonicalize() else { return Ok(()) };
    let not_an_app = |what| Err(NotAnApp { dir: real.clone(), what }.into());
    if real.parent().is_none() {
        return not_an_app("the top of this machine's file system");
    }
    let home = env.home().and_then(|home| home.canonicalize().ok());
    if home.is_some_and(|home| home == real) {
        let names = std::fs::read_dir(&real).into_iter().flatten().flatten();
        let names = names.map(|entry| entry.file_name().into_encoded_bytes()).collect();
        // In a container, an app may well be there.
        if !is_app(&names, &BTreeSet::new()) {
            return not_an_app("your home directory");
        }
    }
    Ok(())
}

/// The files of a commit, in a directory that is deleted when this is dropped.
#[derive(Debug)]
pub(crate) struct Checkout {
    dir: ScratchDir,
    /// The full name of the commit.
    pub commit: String,
    /// When it was made, in seconds since 1970.
    pub time: u64,
}

impl Checkout {
    /// Returns the directory: the app's, if that is a part of the repository only.
    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Writes the files of a commit into a new directory below `into`: with those of its submodules, with those that
/// `export-ignore` would leave out of an archive, and as the commit has them, whatever filters and line ends this
/// machine's git is set to. If `dir` is a directory within the repository, only that part is written.
pub(crate) fn export_commit(
    dir: &Path,
    revision: &str,
    into: &Path,
    env: &Env,
    output: &Output,
) -> Result<Checkout, GitError> {
    let unknown = || GitError::UnknownRevision { revision: revision.to_owned() };
    if revision.is_empty() || revision.starts_with('-') || revision.chars().any(char::is_control) {
        return Err(unknown());
    }
    let git = Git::find(env, output)?;
    let (repository, prefix) = Repository::open(&git, dir)?;
    let commit = repository
        .ask(&git, &["rev-parse", "--verify", "--quiet"], &format!("{revision}^{{commit}}"))?
        .filter(|name| name.len() >= 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .ok_or_else(unknown)?;
    let (commit, time) = commit_time(&git, repository.call(&git), &commit)?;
    files::create_dir_all(into)?;
    let checkout = Checkout { dir: files::temp_dir(Some(into))?, commit, time };
    let scratch = files::temp_dir(Some(into))?;
    let export = Export { git: &git, scratch: scratch.path() };
    export.write(&repository, &checkout.commit, &prefix, checkout.path(), 0)?;
    settle_modes(checkout.path())?;
    Ok(checkout)
}

/// A repository: where its objects are, and where it is checked out.
pub(super) struct Repository {
    pub(super) git_dir: PathBuf,
    pub(super) work_tree: Option<PathBuf>,
}

impl Repository {
    /// Opens the repository that a directory is in; also returns where in it the directory is, with a slash at
    /// the end or empty.
    fn open(git: &Git<'_>, dir: &Path) -> Result<(Self, Vec<u8>), GitError> {
        let not_a_repository = || GitError::NotAGitRepository { path: dir.to_owned() };
        let (real, work_tree) = find_work_tree(dir).map_err(|_| not_a_repository())?;
        if !real.is_dir() {
            return Err(not_a_repository());
        }
        let call = git.call_in(&real).args(["rev-parse", "--absolute-git-dir", "--show-prefix"]);
        let answer = match git.run(&call, "looking for the repository") {
            Err(error) if git::is_no_repository(&error) => return Err(not_a_repository()),
            answer => answer?.stdout,
        };
        let mut lines = answer.split(|byte| *byte == b'\n');
        let git_dir = to_path(lines.next().unwrap_or_default());
        let prefix = lines.next().unwrap_or_default().to_vec();
        Ok((Self { git_dir, work_tree }, prefix))
    }

    pub(super) fn call(&self, git: &Git<'_>) -> Invocation {
        // Without a work tree of its own, git would look for the one in the repository's settings. That of a
        // submodule need not be there.
        git.with_quarantine(git.call(), &self.git_dir)
            .env("GIT_DIR", &self.git_dir)
            .env("GIT_WORK_TREE", &self.git_dir)
            .current_dir(&self.git_dir)
    }

    /// Asks a question whose answer is one line, or that git can't answer.
    pub(super) fn ask(
        &self,
        git: &Git<'_>,
        question: &[&str],
        about: &str,
    ) -> Result<Option<String>, GitError> {
        match git.run(&self.call(git).args(question).arg(about), "looking something up") {
            Err(GitError::Failed { source: RunError::Failed { .. }, .. }) => Ok(None),
            answer => Ok(Some(answer?.text()).filter(|text| !text.is_empty())),
        }
    }

    pub(super) fn has(&self, git: &Git<'_>, object: &str) -> Result<bool, GitError> {
        let found = self.ask(git, &["cat-file", "-t"], object)?;
        Ok(found.is_some())
    }
}

struct Export<'a> {
    git: &'a Git<'a>,
    scratch: &'a Path,
}

impl Export<'_> {
    /// Writes the part of a commit below `prefix` into an empty directory, and its submodules into that.
    fn write(
        &self,
        repository: &Repository,
        commit: &str,
        prefix: &[u8],
        target: &Path,
        depth: usize,
    ) -> Result<(), GitError> {
        let git = self.git;
        let directory = prefix.strip_suffix(b"/").unwrap_or(prefix);
        let mut tree = format!("{commit}:").into_bytes();
        tree.extend_from_slice(directory);
        let index = files::temp_dir(Some(self.scratch))?;
        let call = || {
            self.neutral(repository)
                .env("GIT_INDEX_FILE", index.path().join("index"))
                .env("GIT_WORK_TREE", target)
                .current_dir(target)
        };
        let read_tree = call().arg("read-tree").arg(to_path(&tree));
        if let Err(error) = git.run(&read_tree, format!("reading the commit {commit}")) {
            let has_commit = repository.has(git, &format!("{commit}^{{tree}}"))?;
            return Err(if has_commit && !directory.is_empty() {
                GitError::DirectoryNotInCommit { commit: commit.to_owned(), directory: directory.to_vec() }
            } else {
                error
            });
        }
        // Heroku has none: a file of Git LFS stays a pointer, and a finding says so.
        let checkout = git.filters(self.neutral(repository))?.turn_off(call());
        let doing = format!("writing the files of the commit {commit}");
        git.run(&checkout.args(["checkout-index", "--all"]), doing.as_str())?;
        let listed = git.run(&call().args(["ls-files", "-z", "--stage"]), doing)?;
        let gitmodules = Gitmodules { git, repository, commit };
        let known = match gitlinks(&listed.stdout).next() {
            None => return Ok(()),
            Some(_) => gitmodules.read()?,
        };
        let Some(known) = known else {
            let paths: Vec<String> =
                gitlinks(&listed.stdout).map(|(_, path)| printable(&[prefix, path].concat())).collect();
            git.output.warning(
                NoticeCode::SourceSubmoduleWithoutGitmodules,
                format!(
                    "The commit has submodules, but no .gitmodules that says where they come from.\n\
                     Without a file stays: {}.",
                    shortened(&paths, SHOWN)
                ),
            );
            return Ok(());
        };
        for (commit, path) in gitlinks(&listed.stdout) {
            let full_path = [prefix, path].concat();
            if depth >= MAX_DEPTH {
                return Err(GitError::Submodule { path: full_path, reason: "is nested too deeply" });
            }
            let submodule = find_repository(&gitmodules, &known, &full_path, &commit, self.scratch)?;
            self.write(&submodule, &commit, b"", &target.join(to_path(path)), depth + 1)?;
        }
        Ok(())
    }

    /// Describes a call that does the same on every machine: without the settings of the user and the system, and
    /// without those of the repository that would change files, or start programs.
    fn neutral(&self, repository: &Repository) -> Invocation {
        let mut call =
            repository.call(self.git).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        for setting in [
            "core.attributesFile=/dev/null",
            "core.autocrlf=false",
            "core.eol=lf",
            "core.hooksPath=/dev/null",
            "core.sparseCheckout=false",
            "core.splitIndex=false",
            "core.symlinks=true",
        ] {
            call = call.args(["-c", setting]);
        }
        call
    }
}

/// Gives every file the permissions that git records, whatever the user's umask: 0644 or 0755.
fn settle_modes(dir: &Path) -> Result<(), GitError> {
    use std::os::unix::fs::PermissionsExt;
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.map_err(|error| files::FileError {
            operation: "reading",
            path: dir.to_owned(),
            source: error.into(),
        })?;
        if !entry.file_type().is_file() {
            continue;
        }
        let Ok(metadata) = entry.metadata() else { continue };
        let mode = metadata.permissions().mode() & 0o7777;
        let settled = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
        if mode != settled {
            files::set_mode(entry.path(), settled)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::build::git::tests::Repositories;
    use crate::output::Format;
    use crate::output::tests::Captured as Log;

    impl Repositories {
        fn export(&self, dir: &str, revision: &str) -> Result<Checkout, GitError> {
            export_commit(&self.path(dir), revision, &self.path("exports"), &self.env, &Output::silent())
        }
    }

    /// Lists files and links with what is in them.
    fn contents(checkout: &Checkout) -> Vec<String> {
        let entries = walkdir::WalkDir::new(checkout.path()).sort_by_file_name();
        let describe = |entry: walkdir::DirEntry| {
            let name = entry.path().strip_prefix(checkout.path()).unwrap().display().to_string();
            if entry.file_type().is_dir() {
                return None;
            }
            let text = match fs::read_link(entry.path()) {
                Ok(target) => format!("-> {}", target.display()),
                Err(_) => fs::read_to_string(entry.path()).unwrap(),
            };
            Some(format!("{name}: {text}"))
        };
        entries.into_iter().map(Result::unwrap).filter_map(describe).collect()
    }

    #[test]
    fn a_commit_is_written_as_it_was_made() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init(
            "r",
            &[
                (
                    ".gitattributes",
                    "skipped export-ignore\nsubst export-subst\n*.txt text=auto\n*.bin filter=odd\n",
                ),
                (".gitignore", "*.pyc\n"),
                ("skipped", "1"),
                ("subst", "$Format:%H$"),
                ("a.txt", "a\n"),
                ("a.bin", "raw"),
                ("run", "#!"),
            ],
        );
        symlink("a.txt", repositories.path("r/link")).unwrap();
        fs::set_permissions(repositories.path("r/run"), fs::Permissions::from_mode(0o700)).unwrap();
        repositories.write("r/kept.pyc", "kept");
        repositories.git("r", &["add", "--force", "kept.pyc"]);
        let first = repositories.commit("r");
        repositories.git("r", &["tag", "--annotate", "v1", "--message", "v1"]);
        repositories.write("r/a.txt", "later");
        repositories.commit("r");
        repositories.write("r/a.txt", "not committed");
        repositories.write("r/untracked", "");
        // None of this is part of the commit.
        for (key, value) in [
            ("core.autocrlf", "true"),
            ("filter.odd.smudge", "false"),
            ("filter.odd.required", "true"),
            ("core.sparseCheckout", "true"),
            ("core.hooksPath", "/nonexistent"),
        ] {
            repositories.git("r", &["config", key, value]);
        }
        repositories.git("r", &["config", "--global", "filter.odd.process", "false"]);
        let index_before = fs::read(repositories.path("r/.git/index")).unwrap();
        let expected = [
            ".gitattributes: skipped export-ignore\nsubst export-subst\n*.txt text=auto\n*.bin filter=odd\n",
            ".gitignore: *.pyc\n",
            "a.bin: raw",
            "a.txt: a\n",
            "kept.pyc: kept",
            "link: -> a.txt",
            "run: #!",
            "skipped: 1",
            "subst: $Format:%H$",
        ];
        for revision in [first.as_str(), &first[..10], "v1", "HEAD~1"] {
            let checkout = repositories.export("r", revision).unwrap();
            assert_eq!(contents(&checkout), expected, "{revision}");
            assert_eq!(
                (checkout.commit.as_str(), checkout.time),
                (first.as_str(), 1_700_000_000),
                "{revision}"
            );
            let mode =
                |name: &str| fs::metadata(checkout.path().join(name)).unwrap().permissions().mode() & 0o7777;
            assert_eq!((mode("a.txt"), mode("run")), (0o644, 0o755));
        }
        assert_eq!(fs::read(repositories.path("r/.git/index")).unwrap(), index_before);
        assert_eq!(fs::read_dir(repositories.path("exports")).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn permissions_do_not_depend_on_the_umask() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc/hosts", dir.path().join("link")).unwrap();
        for (name, mode, expected) in [("a", 0o600, 0o644), ("b", 0o711, 0o755), ("c", 0o664, 0o644)] {
            let path = dir.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            settle_modes(dir.path()).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, expected, "{name}");
        }
    }

    #[test]
    fn a_directory_of_the_repository_is_written_alone() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("a", ""), ("services/api/b", "b")]);
        let checkout = repositories.export("r/services/api", "HEAD").unwrap();
        assert_eq!(contents(&checkout), ["b: b"]);
        repositories.write("r/new/file", "");
        let error = repositories.export("r/new", "HEAD").unwrap_err();
        assert_eq!(error.code(), ErrorCode::UnknownRevision);
        assert!(error.to_string().ends_with("there is no directory new."), "{error}");
    }

    #[test]
    fn a_bare_repository_and_a_linked_work_tree_are_repositories() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("a", "a")]);
        repositories.git("", &["clone", "--quiet", "--bare", "r", "bare.git"]);
        repositories.git("r", &["worktree", "add", "--quiet", "../linked"]);
        for dir in ["bare.git", "linked"] {
            assert_eq!(contents(&repositories.export(dir, "HEAD").unwrap()), ["a: a"], "{dir}");
        }
    }

    fn with_submodules(repositories: &Repositories) {
        repositories.init("innermost", &[("c", "c")]);
        repositories.init("inner", &[("b", "b")]);
        repositories.git("inner", &["submodule", "--quiet", "add", "../innermost", "deep"]);
        repositories.commit("inner");
        repositories.init("r", &[("app/a", "a")]);
        repositories
            .git("r", &["submodule", "--quiet", "add", "--name", "odd name", "../inner", "app/libs/inner"]);
        repositories.git("r", &["submodule", "--quiet", "update", "--init", "--recursive"]);
        repositories.commit("r");
    }

    const WITH_SUBMODULES: [&str; 4] = [
        "app/a: a",
        "app/libs/inner/.gitmodules: [submodule \"deep\"]\n\tpath = deep\n\turl = ../innermost\n",
        "app/libs/inner/b: b",
        "app/libs/inner/deep/c: c",
    ];

    #[test]
    fn submodules_come_from_what_git_has_fetched() {
        let Some(repositories) = Repositories::new() else { return };
        with_submodules(&repositories);
        // Nothing but the fetched repositories is left, not even a directory to check them out in.
        for gone in ["inner", "innermost", "r/app"] {
            fs::remove_dir_all(repositories.path(gone)).unwrap();
        }
        let checkout = repositories.export("r", "HEAD").unwrap();
        assert_eq!(contents(&checkout)[1..], WITH_SUBMODULES);
        fs::create_dir(repositories.path("r/app")).unwrap();
        let checkout = repositories.export("r/app", "HEAD").unwrap();
        let expected: Vec<&str> =
            WITH_SUBMODULES.iter().map(|line| line.strip_prefix("app/").unwrap()).collect();
        assert_eq!(contents(&checkout), expected);
    }

    #[test]
    fn submodules_that_were_never_fetched_are_cloned() {
        let Some(repositories) = Repositories::new() else { return };
        with_submodules(&repositories);
        repositories.git("", &["clone", "--quiet", "r", "fresh"]);
        repositories.git("", &["clone", "--quiet", "--bare", "r", "bare.git"]);
        for dir in ["fresh", "bare.git"] {
            assert_eq!(contents(&repositories.export(dir, "HEAD").unwrap())[1..], WITH_SUBMODULES, "{dir}");
        }
        // git itself doesn't clone from this machine's files at the word of a repository.
        repositories.git("", &["config", "--global", "--unset", "protocol.file.allow"]);
        let error = repositories.export("fresh", "HEAD").unwrap_err();
        assert_eq!(error.code(), ErrorCode::GitFailed);
        assert_eq!(error.to_string(), "git failed while cloning the submodule app/libs/inner.");
        assert_eq!(fs::read_dir(repositories.path("exports")).unwrap().count(), 0);
    }

    #[test]
    fn a_commit_of_a_submodule_that_no_branch_leads_to_is_fetched() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("lib", &[("lib.py", "old")]);
        repositories.write("lib/lib.py", "new");
        let commit = repositories.commit("lib");
        repositories.git("lib", &["reset", "--quiet", "--hard", "HEAD~1"]);
        repositories.git("lib", &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let url = format!("file://{}", repositories.path("lib").display());
        let gitmodules = format!("[submodule \"lib\"]\npath = lib\nurl = {url}\n");
        repositories.init("r", &[("a", "a"), (".gitmodules", &gitmodules)]);
        repositories.git("r", &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},lib")]);
        repositories.git("r", &["commit", "--quiet", "--message", "x"]);
        let exported = contents(&repositories.export("r", "HEAD").unwrap());
        assert!(exported.contains(&"lib/lib.py: new".to_owned()), "{exported:?}");
    }

    #[test]
    fn a_submodule_that_nothing_is_known_of_stays_empty_or_is_an_error() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("a", "a")]);
        let commit = repositories.git("r", &["rev-parse", "HEAD"]);
        let entry = format!("160000,{commit},embedded");
        repositories.git("r", &["update-index", "--add", "--cacheinfo", &entry]);
        repositories.git("r", &["commit", "--quiet", "--message", "x"]);
        let log = Log::default();
        let output = Output::to_sink(log.clone(), Format::Json);
        let into = repositories.path("exports");
        let checkout =
            export_commit(&repositories.path("r"), "HEAD", &into, &repositories.env, &output).unwrap();
        assert_eq!(contents(&checkout), ["a: a"]);
        assert!(log.text().contains("source::submodule-without-gitmodules"), "{}", log.text());
        assert!(log.text().contains("stays: embedded."), "{}", log.text());
        for (text, reason) in [
            ("", "isn't in .gitmodules"),
            ("[submodule \"x\"]\npath = embedded\n", "has no URL"),
            ("[submodule \"x\"]\npath = embedded\nurl = --upload-pack=x\n", "has no URL"),
            ("[submodule \"../../x\"]\npath = embedded\n", "has no URL"),
        ] {
            repositories.write("r/.gitmodules", text);
            repositories.git("r", &["add", ".gitmodules"]);
            repositories.git("r", &["commit", "--quiet", "--message", "x"]);
            let error = repositories.export("r", "HEAD").unwrap_err();
            assert_eq!(error.code(), ErrorCode::GitFailed);
            assert!(error.to_string().contains(reason), "{text:?} {error}");
        }
    }

    #[test]
    fn a_revision_that_names_no_commit_is_refused() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("a", "a")]);
        for revision in
            ["", "nope", "--help", "-n1", "HEAD:a", "HEAD..HEAD", "^HEAD", "HEAD HEAD", "HEAD\n", "@{9}"]
        {
            let error = repositories.export("r", revision).unwrap_err();
            assert_eq!(error.code(), ErrorCode::UnknownRevision, "{revision:?}");
        }
        assert!(!repositories.path("exports").exists());
    }

    #[test]
    fn a_directory_outside_of_a_repository_is_an_error() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.write("plain/a", "");
        for dir in ["plain", "plain/a", "missing"] {
            let error = repositories.export(dir, "HEAD").unwrap_err();
            assert_eq!(error.code(), ErrorCode::NotAGitRepository, "{dir}");
        }
        let env = Env::for_tests(&[("PATH", "/nonexistent")]);
        let error = export_commit(
            &repositories.path("plain"),
            "HEAD",
            &repositories.path("x"),
            &env,
            &Output::silent(),
        );
        assert_eq!(error.unwrap_err().code(), ErrorCode::GitNotFound);
    }

    #[test]
    fn an_interrupt_is_not_taken_for_an_answer() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("a", "a")]);
        repositories.env.interrupt.set(15);
        let error = repositories.export("r", "nope").unwrap_err();
        assert_eq!((error.code(), error.exit_code()), (ErrorCode::Interrupted, 143));
    }

    #[test]
    fn a_directory_is_read_with_or_without_what_git_ignores() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[(".gitignore", ".env\nvenv/\n"), ("requirements.txt", "")]);
        repositories.write("r/.env", "SECRET=1");
        repositories.write("r/venv/bin/python", "");
        for (include_ignored, expected) in [
            (false, &[".gitignore", "requirements.txt"][..]),
            (true, &[".env", ".gitignore", "requirements.txt", "venv"]),
        ] {
            let output = Output::silent();
            let source =
                read_directory(&repositories.path("r"), include_ignored, &repositories.env, &output).unwrap();
            let names: Vec<_> = source.names.iter().map(|name| String::from_utf8_lossy(name)).collect();
            assert_eq!(names, expected);
        }
    }
}
