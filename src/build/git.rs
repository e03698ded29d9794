//! Questions to git about a directory: what it ignores, which commit it is at. A directory outside of any
//! repository is never asked about: no program starts then.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::app::names::printable;
use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, NoticeCode, UserError};
use crate::host::files::FileError;
use crate::host::process::{self, Captured, Invocation, RunError};
use crate::output::Output;

/// Something about git that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// It isn't installed.
    #[error("There is no program named git in the directories of PATH.")]
    NotFound,
    /// The directory is in no repository.
    #[error("{} isn't in a git repository.", .path.display())]
    NotAGitRepository {
        /// The directory.
        path: PathBuf,
    },
    /// There is no such commit.
    #[error("The repository has no commit that is named {}.", printable(.revision.as_bytes()))]
    UnknownRevision {
        /// What was asked for.
        revision: String,
    },
    /// The commit doesn't have the app's directory.
    #[error("In the commit {commit} there is no directory {}.", printable(.directory))]
    DirectoryNotInCommit {
        /// The commit.
        commit: String,
        /// The directory, from the top of the repository.
        directory: Vec<u8>,
    },
    /// A submodule can't be had.
    #[error("The submodule {} {reason}.", printable(.path))]
    Submodule {
        /// Its directory.
        path: Vec<u8>,
        /// What is wrong, to go after its name.
        reason: &'static str,
    },
    /// A filter can't be turned off on git's command line, and isn't run.
    #[error(
        "The repository's settings name the filter {}. slugc runs no filters, and git can't turn off one \
         whose name has an equals sign.", printable(.driver)
    )]
    FilterWithEqualsSign {
        /// Its name.
        driver: Vec<u8>,
    },
    /// git failed.
    #[error("git failed while {doing}.")]
    Failed {
        /// What it was doing, to go after "while".
        doing: String,
        /// How it ended.
        #[source]
        source: RunError,
    },
    /// A file can't be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for GitError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::GitNotFound,
            Self::NotAGitRepository { .. } => ErrorCode::NotAGitRepository,
            Self::UnknownRevision { .. } | Self::DirectoryNotInCommit { .. } => ErrorCode::UnknownRevision,
            Self::Submodule { .. } | Self::FilterWithEqualsSign { .. } | Self::Failed { .. } => {
                ErrorCode::GitFailed
            }
            Self::File(error) => error.code(),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// The variables that git gets: where the user's settings are, and the way to the network.
const KEPT: &[&str] = &[
    "PATH",
    "HOME",
    "XDG_CONFIG_HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "TMPDIR",
    "SSH_AUTH_SOCK",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// What a question doesn't need of a repository's settings: all that names a program.
const NEUTRAL: &[&str] = &[
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.editor=false",
    "core.askPass=",
    "core.sshCommand=false",
    "core.gitProxy=false",
    "core.alternateRefsCommand=false",
    "credential.helper=",
    "diff.external=false",
    "protocol.allow=never",
    "submodule.recurse=false",
    "status.submoduleSummary=false",
    "safe.directory=*",
    "safe.bareRepository=all",
];

/// The git of this machine, asked without what the environment would have it do.
pub(super) struct Git<'a> {
    program: PathBuf,
    pub(super) env: &'a Env,
    pub(super) output: &'a Output,
}

impl<'a> Git<'a> {
    pub(super) fn find(env: &'a Env, output: &'a Output) -> Result<Self, GitError> {
        let is_program = |path: &PathBuf| {
            path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let program = env
            .path_dirs()
            .into_iter()
            .map(|dir| dir.join("git"))
            .find(is_program)
            .ok_or(GitError::NotFound)?;
        Ok(Self { program, env, output })
    }

    /// Describes a call that only asks. The repository is foreign: nothing that its settings name is started, and no
    /// object that is missing is fetched. As nothing can be started, that another user owns the repository (in a
    /// container, in CI) is no reason to refuse.
    pub(super) fn call(&self) -> Invocation {
        let mut call = self.call_with_users_settings();
        for setting in NEUTRAL {
            call = call.args(["-c", setting]);
        }
        call.env("GIT_NO_LAZY_FETCH", "1").env("GIT_ALLOW_PROTOCOL", "").env("GIT_PAGER", "cat")
    }

    /// Describes a call outside of any repository, which may use the network as the user's own settings say.
    pub(super) fn call_with_users_settings(&self) -> Invocation {
        let mut call = Invocation::new(&self.program);
        for (name, value) in self.env.vars.iter().filter(|(name, _)| KEPT.iter().any(|kept| name == kept)) {
            call = call.env(name, value);
        }
        call.env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_TERMINAL_PROMPT", "0")
            // Its messages are compared.
            .env("LC_ALL", "C")
    }

    /// Describes a call about a directory. In a hook of its repository, a commit that is being pushed is in quarantine.
    pub(super) fn call_in(&self, dir: &Path) -> Invocation {
        self.with_quarantine(self.call(), dir).arg("-C").arg(dir)
    }

    /// Lets git find the objects that are being pushed, if this program runs in a hook of the directory's repository.
    pub(super) fn with_quarantine(&self, mut call: Invocation, dir: &Path) -> Invocation {
        let Some(quarantine) = self.env.var("GIT_QUARANTINE_PATH").map(Path::new) else { return call };
        let Ok(quarantine) = quarantine.canonicalize() else { return call };
        let is_repositorys = |above: &Path| {
            [above.join("objects"), above.join(".git/objects")].iter().any(|dir| quarantine.starts_with(dir))
        };
        if dir.ancestors().any(is_repositorys) {
            for name in ["GIT_QUARANTINE_PATH", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES"] {
                if let Some(value) = self.env.var(name) {
                    call = call.env(name, value);
                }
            }
        }
        call
    }

    /// Reads which filters there are; `call` says for which repository.
    pub(super) fn filters(&self, call: Invocation) -> Result<Filters, GitError> {
        let call = call.args(["config", "-z", "--name-only", "--get-regexp", "^filter\\."]);
        let listed = self.ask(&call, "reading its settings")?.unwrap_or_default();
        let drivers: BTreeSet<Vec<u8>> = records(&listed.stdout)
            .filter_map(|key| {
                let end = key.iter().rposition(|byte| *byte == b'.')?;
                Some(key[..end].strip_prefix(b"filter.")?.to_owned())
            })
            .collect();
        // git takes what follows the first `=` for the value.
        match drivers.iter().find(|driver| driver.contains(&b'=')) {
            Some(driver) => Err(GitError::FilterWithEqualsSign { driver: driver.clone() }),
            None => Ok(Filters(drivers)),
        }
    }

    pub(super) fn run(&self, call: &Invocation, doing: impl Into<String>) -> Result<Captured, GitError> {
        process::capture(call, self.env, self.output).map_err(|error| match error {
            RunError::Interrupted(interrupted) => GitError::Interrupted(interrupted),
            source => GitError::Failed { doing: doing.into(), source },
        })
    }

    /// Runs git where exit code 1 is an answer, too: no.
    pub(super) fn ask(
        &self,
        call: &Invocation,
        doing: impl Into<String>,
    ) -> Result<Option<Captured>, GitError> {
        match self.run(call, doing) {
            Err(GitError::Failed { source: RunError::Failed { status, .. }, .. })
                if status.code() == Some(1) =>
            {
                Ok(None)
            }
            answer => answer.map(Some),
        }
    }
}

/// The filters that a repository's settings name: programs that git runs on the content of files.
pub(super) struct Filters(BTreeSet<Vec<u8>>);

impl Filters {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Turns them off for a call.
    pub(super) fn turn_off(&self, mut call: Invocation) -> Invocation {
        for driver in &self.0 {
            for setting in ["smudge=", "clean=", "process=", "required=false"] {
                let setting = [b"filter.", driver.as_slice(), b".", setting.as_bytes()].concat();
                call = call.arg("-c").arg(OsString::from_vec(setting));
            }
        }
        call
    }
}

/// Returns whether git itself doesn't take a directory for one of a repository.
pub(super) fn is_no_repository(error: &GitError) -> bool {
    matches!(error, GitError::Failed { source, .. } if source.text().contains("not a git repository"))
}

/// Finds the top of the work tree that a directory is in, without asking git. Both are returned without links.
pub(super) fn find_work_tree(dir: &Path) -> io::Result<(PathBuf, Option<PathBuf>)> {
    let real = dir.canonicalize()?;
    let top = real.ancestors().find(|above| above.join(".git").symlink_metadata().is_ok());
    let top = top.map(Path::to_owned);
    Ok((real, top))
}

/// Returns the files and whole directories that git ignores: relative to `dir`, directories with a slash at the
/// end. What is committed is never ignored. There are none outside of a repository.
pub(crate) fn ignored_paths(dir: &Path, env: &Env, output: &Output) -> Result<BTreeSet<Vec<u8>>, GitError> {
    // Whoever reads the directory next says what is wrong with it.
    let Ok((real, Some(top))) = find_work_tree(dir) else { return Ok(BTreeSet::new()) };
    let without_git = |why: &str| {
        output.notice(
            NoticeCode::SourceGitIgnoredUnknown,
            format!("{why} What .gitignore names is therefore not left out."),
        );
        Ok(BTreeSet::new())
    };
    let git = match Git::find(env, output) {
        Err(GitError::NotFound) => {
            return without_git("The app is in a git repository, but git isn't installed.");
        }
        git => git?,
    };
    match list_ignored(&git, &real, &top) {
        Ok(Some(paths)) => Ok(paths),
        Ok(None) => without_git("The app's directory is itself ignored by the git repository around it."),
        Err(error) if is_no_repository(&error) => {
            without_git("There is a .git, but git doesn't take the directory for a repository.")
        }
        Err(error) => Err(error),
    }
}

/// There is no list if the directory itself is ignored: then it isn't that repository's.
fn list_ignored(git: &Git<'_>, dir: &Path, top: &Path) -> Result<Option<BTreeSet<Vec<u8>>>, GitError> {
    let doing = "listing the files that it ignores";
    if is_ignored(git, dir, top)? {
        return Ok(None);
    }
    let call = git.call_in(dir).args([
        "ls-files",
        "-z",
        "--others",
        "--ignored",
        "--exclude-standard",
        "--directory",
    ]);
    let listed = git.run(&call, doing)?;
    let mut paths: BTreeSet<Vec<u8>> = records(&listed.stdout).map(<[u8]>::to_vec).collect();
    if paths.contains(&b"./"[..]) {
        return Ok(None);
    }
    // git doesn't look into submodules here. It isn't asked for them where there are none.
    if top.join(".gitmodules").exists() {
        let index = git.run(&git.call_in(dir).args(["ls-files", "-z", "--stage"]), doing)?;
        for (_, path) in gitlinks(&index.stdout) {
            let submodule = dir.join(OsStr::from_bytes(path));
            // One that isn't checked out is an empty directory.
            if submodule.join(".git").symlink_metadata().is_err() {
                continue;
            }
            let below = list_ignored(git, &submodule, &submodule)?.unwrap_or_default();
            paths.extend(below.into_iter().map(|name| [path, b"/", &name].concat()));
        }
    }
    Ok(Some(paths))
}

/// Returns whether the repository around a directory ignores it as a whole.
pub(super) fn is_ignored(git: &Git<'_>, dir: &Path, top: &Path) -> Result<bool, GitError> {
    if dir == top {
        return Ok(false);
    }
    let call = git.call_in(dir).args(["check-ignore", "--quiet", "."]);
    Ok(git.ask(&call, "looking up whether it ignores the app's directory")?.is_some())
}

/// Returns the full name of a commit and its time.
pub(super) fn commit_time(
    git: &Git<'_>,
    call: Invocation,
    revision: &str,
) -> Result<(String, u64), GitError> {
    let call = call.args(["rev-list", "--max-count=1", "--timestamp", revision, "--"]);
    let text = git.run(&call, format!("looking up when the commit {revision} was made"))?.text();
    let (time, commit) = text.split_once(' ').unwrap_or_default();
    // Before 1970, a commit's time is nothing that an archive could hold.
    Ok((commit.to_owned(), time.parse().unwrap_or(0)))
}

/// Splits what git's `-z` writes.
pub(super) fn records(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| *byte == 0).filter(|record| !record.is_empty())
}

/// Picks the submodules from what `git ls-files -z --stage` writes: their commits and paths.
pub(super) fn gitlinks(stage: &[u8]) -> impl Iterator<Item = (String, &[u8])> {
    records(stage).filter_map(|record| {
        let tab = record.iter().position(|byte| *byte == b'\t')?;
        let facts = std::str::from_utf8(&record[..tab]).ok()?;
        let commit = facts.strip_prefix("160000 ")?.split(' ').next()?;
        Some((commit.to_owned(), &record[tab + 1..]))
    })
}

/// Turns what git wrote into a path.
pub(super) fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes.to_vec()))
}

#[cfg(test)]
pub(super) mod tests {
    use std::fs;
    use std::process::Command;

    use tempfile::TempDir;

    use super::*;
    use crate::output::Format;
    use crate::output::tests::Captured as Log;

    /// Repositories to ask, in a home directory of their own.
    pub(in crate::build) struct Repositories {
        pub(in crate::build) home: TempDir,
        pub(in crate::build) env: Env,
    }

    impl Repositories {
        /// There are none if git isn't installed: the test says so, and has nothing to test.
        pub(in crate::build) fn new() -> Option<Self> {
            let home = tempfile::tempdir().unwrap();
            let path = std::env::var("PATH").unwrap_or_default();
            let env = Env::for_tests(&[
                ("PATH", &path),
                ("HOME", home.path().to_str().unwrap()),
                ("GIT_DIR", "/nonexistent"),
                ("GIT_INDEX_FILE", "/nonexistent"),
            ]);
            if Git::find(&env, &Output::silent()).is_err() {
                eprintln!("skipped: git isn't installed");
                return None;
            }
            let repositories = Self { home, env };
            let config =
                "[user]\nname = Test\nemail = test@example.com\n[protocol \"file\"]\nallow = always\n";
            repositories.write(".gitconfig", config);
            Some(repositories)
        }

        pub(in crate::build) fn path(&self, name: &str) -> PathBuf {
            self.home.path().join(name)
        }

        pub(in crate::build) fn write(&self, name: &str, contents: &str) {
            let path = self.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }

        /// Runs git in one of them and returns what it wrote.
        pub(in crate::build) fn git(&self, dir: &str, args: &[&str]) -> String {
            let output = Command::new("git")
                .args(args)
                .current_dir(self.path(dir))
                .env_clear()
                .env("PATH", self.env.var("PATH").unwrap())
                .env("HOME", self.home.path())
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_COMMITTER_DATE", "1700000000 +0200")
                .output()
                .unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        }

        /// Makes a repository with one commit of everything that isn't ignored.
        pub(in crate::build) fn init(&self, dir: &str, files: &[(&str, &str)]) {
            fs::create_dir_all(self.path(dir)).unwrap();
            self.git(dir, &["init", "--quiet"]);
            for (name, contents) in files {
                self.write(&format!("{dir}/{name}"), contents);
            }
            self.commit(dir);
        }

        pub(in crate::build) fn commit(&self, dir: &str) -> String {
            self.git(dir, &["add", "--all"]);
            self.git(dir, &["commit", "--quiet", "--allow-empty", "--message", "x"]);
            self.git(dir, &["rev-parse", "HEAD"])
        }

        fn ignored(&self, dir: &str) -> Vec<String> {
            let ignored = ignored_paths(&self.path(dir), &self.env, &Output::silent()).unwrap();
            ignored.iter().map(|path| printable(path)).collect()
        }
    }

    /// The commit that a directory is at.
    fn head_commit(dir: &Path, env: &Env, output: &Output) -> Option<String> {
        crate::build::tracking::read_tracking(dir, env, output).commit
    }

    #[test]
    fn what_is_ignored_is_listed_relative_to_the_directory() {
        let Some(repositories) = Repositories::new() else { return };
        repositories
            .init("r", &[(".gitignore", "*.pyc\nvenv/\nbuild/\n"), ("sub/.gitignore", "loc*\n!local2")]);
        for name in
            ["venv/bin/python", "venv/.gitignore", "a.pyc", "a.py", "new/b.pyc", "new/b.py", "build/other"]
        {
            repositories.write(&format!("r/{name}"), "");
        }
        for name in ["sub/local", "sub/local2", "sub/deep/loc\nal", "local", "kept.pyc", "build/kept"] {
            repositories.write(&format!("r/{name}"), "");
        }
        repositories.git("r", &["add", "--force", "kept.pyc", "build/kept"]);
        let expected = ["a.pyc", "build/other", "new/b.pyc", "sub/deep/loc\\nal", "sub/local", "venv/"];
        let without_parents = |paths: Vec<String>| -> Vec<String> {
            // git lists a directory with nothing but ignored files as well as what is in it.
            paths.into_iter().filter(|path| path != "sub/deep/" && path != "deep/").collect()
        };
        assert_eq!(without_parents(repositories.ignored("r")), expected);
        assert_eq!(without_parents(repositories.ignored("r/sub")), ["deep/loc\\nal", "local"]);
        assert_eq!(repositories.ignored("r/build"), ["other"]);
        std::os::unix::fs::symlink("r/sub", repositories.path("link")).unwrap();
        assert_eq!(without_parents(repositories.ignored("link")), ["deep/loc\\nal", "local"]);
    }

    #[test]
    fn the_users_own_ignore_file_counts() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("a", "")]);
        repositories.write(".config/git/ignore", ".DS_Store\n");
        repositories.write("r/.git/info/exclude", "notes\n");
        repositories.write("r/sub/.DS_Store", "");
        repositories.write("r/notes", "");
        let ignored = repositories.ignored("r");
        assert!(
            ignored.contains(&"sub/.DS_Store".to_owned()) && ignored.contains(&"notes".to_owned()),
            "{ignored:?}"
        );
    }

    #[test]
    fn a_directory_that_is_itself_ignored_is_not_the_repositorys() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[(".gitignore", "target/\n*.pyc")]);
        repositories.write("r/target/app/src/a.pyc", "");
        for dir in ["r/target", "r/target/app", "r/target/app/src"] {
            assert_eq!(repositories.ignored(dir), [""; 0], "{dir}");
            assert_eq!(
                head_commit(&repositories.path(dir), &repositories.env, &Output::silent()),
                None,
                "{dir}"
            );
        }
    }

    #[test]
    fn what_a_submodule_ignores_is_listed() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("inner", &[(".gitignore", "*.o\n")]);
        repositories.init("r", &[("a", "")]);
        repositories.git("r", &["submodule", "--quiet", "add", "../inner", "libs/inner"]);
        repositories.commit("r");
        repositories.write("r/libs/inner/x.o", "");
        assert_eq!(repositories.ignored("r"), ["libs/inner/x.o"]);
        assert_eq!(repositories.ignored("r/libs"), ["inner/x.o"]);
    }

    #[test]
    fn outside_of_a_repository_no_program_starts() {
        let dir = tempfile::tempdir().unwrap();
        let output = Output::silent();
        let env = Env::for_tests(&[]);
        for path in [dir.path(), &dir.path().join("missing")] {
            assert_eq!(ignored_paths(path, &env, &output).unwrap(), BTreeSet::new());
            assert_eq!(head_commit(path, &env, &output), None);
        }
        assert_eq!(output.counters().processes, 0);
    }

    #[test]
    fn without_git_or_a_usable_repository_the_user_is_told_that_nothing_is_left_out() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[(".gitignore", "x")]);
        repositories.write("r/x", "");
        repositories.write("stale/.git", "gitdir: /nonexistent\n");
        let no_git = Env::for_tests(&[("PATH", "/nonexistent")]);
        for (dir, env, expected) in [
            ("r", &no_git, "git isn't installed"),
            ("stale", &repositories.env, "doesn't take the directory"),
        ] {
            let log = Log::default();
            let output = Output::to_sink(log.clone(), Format::Text);
            assert_eq!(
                ignored_paths(&repositories.path(dir), env, &output).unwrap(),
                BTreeSet::new(),
                "{dir}"
            );
            let told = log.text().replace("\n  ", " ");
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn a_repository_that_git_cannot_read_is_an_error() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[(".gitignore", ".env")]);
        repositories.write("r/.git/index", "no index");
        let error = ignored_paths(&repositories.path("r"), &repositories.env, &Output::silent()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::GitFailed);
        assert_eq!(error.to_string(), "git failed while listing the files that it ignores.");
    }

    #[test]
    fn a_repository_of_another_user_is_read() {
        let Some(repositories) = Repositories::new() else { return };
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: only the root user can give a directory away");
            return;
        }
        repositories.init("r", &[(".gitignore", "x\n")]);
        repositories.write("r/x", "");
        for path in ["r", "r/.git"] {
            std::os::unix::fs::chown(repositories.path(path), Some(65534), Some(65534)).unwrap();
        }
        assert_eq!(repositories.ignored("r"), ["x"]);
    }

    #[test]
    fn the_head_commit_is_known_everywhere_in_the_repository() {
        let Some(repositories) = Repositories::new() else { return };
        repositories.init("r", &[("sub/a", "")]);
        let commit = repositories.git("r", &["rev-parse", "HEAD"]);
        for dir in ["r", "r/sub"] {
            let head = head_commit(&repositories.path(dir), &repositories.env, &Output::silent());
            assert_eq!(head, Some(commit.clone()), "{dir}");
        }
        fs::create_dir(repositories.path("new")).unwrap();
        repositories.git("new", &["init", "--quiet"]);
        assert_eq!(head_commit(&repositories.path("new"), &repositories.env, &Output::silent()), None);
    }

    // S02
    #[test]
    fn no_question_starts_what_the_repository_names() {
        for (what, config) in [
            (
                "a promisor remote",
                "[core]\nrepositoryformatversion = 1\n[extensions]\npartialClone = origin\n[remote \"origin\"]\n\
                 url = \"ext::sh MARK\"\npromisor = true\n[protocol \"ext\"]\nallow = always\n",
            ),
            ("a monitor", "[core]\nfsmonitor = sh MARK\n"),
            ("a hook", "[core]\nhooksPath = HOOKS\n"),
            ("an included file", "[include]\npath = included\n"),
            (
                "a pager and an alias",
                "[core]\npager = sh MARK\n[alias]\nls-files = !sh MARK\nrev-list = !sh MARK\n",
            ),
            (
                "ssh, a proxy and an editor",
                "[core]\nsshCommand = sh MARK\ngitProxy = sh MARK\neditor = sh MARK\n",
            ),
            ("alternates' refs", "[core]\nalternateRefsCommand = sh MARK\n"),
            ("a credential helper", "[credential]\nhelper = !sh MARK\n"),
            (
                "a summary of submodules",
                "[status]\nsubmoduleSummary = true\n[diff]\nignoreSubmodules = none\n",
            ),
            ("a text converter", "[diff \"x\"]\ntextconv = sh MARK\n[merge \"x\"]\ndriver = sh MARK\n"),
            ("a program for signatures", "[gpg]\nprogram = MARK\n[log]\nshowSignature = true\n"),
            ("a diff", "[diff]\nexternal = sh MARK\n"),
            (
                "a filter",
                "[filter \"x\"]\nsmudge = sh MARK\nclean = sh MARK\nprocess = sh MARK\nrequired = true\n",
            ),
            ("a filter with an equals sign", "[filter \"a=b\"]\nsmudge = sh MARK\nclean = sh MARK\n"),
            ("a filter with a dot", "[filter \"a.b\"]\nsmudge = sh MARK\nclean = sh MARK\n"),
        ] {
            let Some(repositories) = Repositories::new() else { return };
            let attributes = "* filter=x\na filter=a=b\ns filter=a.b\n";
            repositories
                .init("r", &[(".gitattributes", attributes), ("a", "a"), ("s", "s"), (".gitignore", "b")]);
            let mark = repositories.path("mark.sh");
            let was_run = repositories.path("was-run");
            repositories.write("mark.sh", &format!("touch {}\n", was_run.display()));
            let config = config.replace("MARK", mark.to_str().unwrap());
            let config = config.replace("HOOKS", repositories.path("r/hooks").to_str().unwrap());
            let included = format!("[core]\nfsmonitor = sh {}\n", mark.display());
            repositories.write("r/.git/included", &included);
            for hook in ["post-index-change", "post-checkout", "reference-transaction"] {
                for dir in ["r/hooks", "r/.git/hooks"] {
                    let hook = format!("{dir}/{hook}");
                    repositories.write(&hook, &format!("#!/bin/sh\nsh {}\n", mark.display()));
                    let mode = fs::Permissions::from_mode(0o755);
                    fs::set_permissions(repositories.path(&hook), mode).unwrap();
                }
            }
            let old = fs::read_to_string(repositories.path("r/.git/config")).unwrap();
            // What a partial clone lacks is the commit itself.
            let commit = repositories.git("r", &["rev-parse", "HEAD"]);
            fs::write(repositories.path("r/.git/config"), old + &config).unwrap();
            repositories.write("r/b", "b");
            repositories.write("r/a", "A");
            repositories.write("r/s", "S");
            // A submodule with settings of its own.
            repositories.init("r/sub", &[("s", ""), (".gitattributes", "* filter=x diff=x\n")]);
            let old = fs::read_to_string(repositories.path("r/sub/.git/config")).unwrap();
            fs::write(repositories.path("r/sub/.git/config"), old + &config).unwrap();
            repositories.write("r/sub/s", "S");
            repositories.write("r/.gitmodules", "[submodule \"sub\"]\npath = sub\nurl = ext::sh x\n");
            let dir = repositories.path("r");
            let _ =
                crate::build::tracking::read_tracking(&dir.join("sub"), &repositories.env, &Output::silent());
            let _ = ignored_paths(&dir, &repositories.env, &Output::silent());
            let _ = head_commit(&dir, &repositories.env, &Output::silent());
            let scratch = repositories.path("");
            let export = crate::build::source::export_commit;
            let _ = export(&dir, "HEAD", &scratch, &repositories.env, &Output::silent());
            fs::remove_file(dir.join(".git/objects").join(&commit[..2]).join(&commit[2..])).unwrap();
            let _ = ignored_paths(&dir, &repositories.env, &Output::silent());
            let _ = head_commit(&dir, &repositories.env, &Output::silent());
            let _ = export(&dir, "HEAD", &scratch, &repositories.env, &Output::silent());
            let _ = export(&dir, &commit, &scratch, &repositories.env, &Output::silent());
            assert!(!was_run.exists(), "{what} was started");
        }
    }

    // S02
    #[test]
    fn git_gets_a_small_environment() {
        let Some(mut repositories) = Repositories::new() else { return };
        repositories.env.vars.insert("AWS_SECRET_ACCESS_KEY".into(), "x".into());
        let output = Output::silent();
        let call = Git::find(&repositories.env, &output).unwrap().call();
        for (name, is_there) in [
            ("PATH", true),
            ("HOME", true),
            ("AWS_SECRET_ACCESS_KEY", false),
            ("GIT_DIR", false),
            ("GIT_INDEX_FILE", false),
        ] {
            assert_eq!(call.env.contains_key(OsStr::new(name)), is_there, "{name}");
        }
    }
}
