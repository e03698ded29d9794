//! The catalogue of every error: a table. Ids never change; `docs/errors.md` is generated from it.
//!
//! An id is Heroku's `failure_reason` where the classic buildpack has that error. A title is a sentence.
//! A fix says what to do first, in lines of at most 72 characters.
//! Exit codes: 1 the app is at fault, 2 the command line, 3 this machine, the network or slugc itself.

use indoc::indoc;

/// What the catalogue knows of one error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The stable name, for scripts, searches and `docs/errors.md`.
    pub id: &'static str,
    /// What went wrong, in a sentence.
    pub title: &'static str,
    /// What to do about it.
    pub fix: &'static str,
    /// The exit code of the program.
    pub exit_code: u8,
}

macro_rules! catalogue {
    ($($code:ident => { id: $id:literal, title: $title:literal, fix: $fix:expr, exit_code: $exit_code:literal $(,)? })*) => {
        /// Names an entry of the catalogue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ErrorCode { $(#[doc = $title] $code),* }

        impl ErrorCode {
            /// Every entry, in the catalogue's order.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// Looks the entry up.
            pub fn entry(self) -> Entry {
                match self { $(Self::$code => Entry { id: $id, title: $title, fix: $fix, exit_code: $exit_code }),* }
            }
        }
    };
}

catalogue! {
    // The source.
    SourceNotADirectory => {
        id: "source::not-a-directory",
        title: "The app's directory can't be used.",
        fix: indoc! {"
            Give the directory that holds the app, for example:
            slugc build path/to/app
        "},
        exit_code: 2,
    }
    CommandLineNoSuchPath => {
        id: "command-line::no-such-path",
        title: "A path on the command line can't be used.",
        fix: indoc! {"
            Check its spelling. A relative path counts from the directory that
            slugc is run in.
        "},
        exit_code: 2,
    }
    OutputNotOurs => {
        id: "output::not-ours",
        title: "A file that slugc didn't make would be replaced.",
        fix: indoc! {"
            Name another file, or move that one away. `slugc build` replaces it
            with `--force`.
        "},
        exit_code: 2,
    }
    SourceNotAnApp => {
        id: "source::not-an-app",
        title: "The directory isn't an app.",
        fix: indoc! {"
            Give the directory that holds the app, for example:
            slugc build path/to/app
        "},
        exit_code: 2,
    }
    SourceEmpty => {
        id: "source::empty",
        title: "The source directory is empty.",
        fix: indoc! {"
            Check that the directory is the app's, and that .gitignore and
            .slugignore don't leave out everything: `--include-ignored` keeps
            what git ignores.
        "},
        exit_code: 1,
    }
    SourceUnreadable => {
        id: "source::unreadable",
        title: "A file of the app can't be read.",
        fix: indoc! {"
            Check who owns the file and its permissions, or leave it out of
            the slug by a line in .slugignore.
        "},
        exit_code: 1,
    }
    SourcePathTooLong => {
        id: "source::path-too-long",
        title: "A path in the app is too long.",
        fix: indoc! {"
            Linux programs can't open a path of more than 4,095 bytes, and a
            slug is unpacked in another directory; it has 511 levels at most.
            Use shorter names and fewer levels, or leave the directory out by
            a line in .slugignore.
        "},
        exit_code: 1,
    }
    SourceChanged => {
        id: "source::changed-while-reading",
        title: "A file of the app changed while the slug was made.",
        fix: indoc! {"
            Stop whatever writes to the app directory (a running server, an
            editor, a sync program) and build again.
        "},
        exit_code: 1,
    }
    GitNotFound => {
        id: "source::git-not-found",
        title: "git is needed for this, and isn't installed.",
        fix: indoc! {"
            Install git, or build the directory itself, without `--commit`.
        "},
        exit_code: 3,
    }
    NotAGitRepository => {
        id: "source::not-a-git-repository",
        title: "The source isn't a git repository.",
        fix: indoc! {"
            `--commit` builds what is committed to git. Leave it out to build
            the directory as it is.
        "},
        exit_code: 2,
    }
    UnknownRevision => {
        id: "source::unknown-revision",
        title: "The revision isn't known to git.",
        fix: indoc! {"
            Give a branch, a tag or a commit that `git log` shows. In a shallow
            clone, fetch it first.
        "},
        exit_code: 2,
    }
    GitFailed => {
        id: "source::git-failed",
        title: "git failed.",
        fix: indoc! {"
            See git's own message above. For a submodule, check that it can be
            cloned from here.
        "},
        exit_code: 3,
    }
    SlugignoreUnreadable => {
        id: "slugignore::unreadable",
        title: ".slugignore can't be read.",
        fix: indoc! {"
            .slugignore is a text file in the top level directory of the app,
            in UTF-8, with one pattern a line.
        "},
        exit_code: 1,
    }
    SlugignoreInvalidPattern => {
        id: "slugignore::invalid-pattern",
        title: "A pattern in .slugignore can't be used.",
        fix: indoc! {"
            Write one pattern a line: `*.psd`, `/docs`, `assets/**/*.psd`,
            `{a,b}.txt`, `[0-9].log`. A pattern that starts with `/` or holds
            one counts from the app's top level directory.
        "},
        exit_code: 1,
    }
    ProcfileUnreadable => {
        id: "procfile::unreadable",
        title: "The Procfile can't be read.",
        fix: indoc! {"
            The Procfile is a text file in the top level directory of the app,
            in UTF-8. It holds one process type a line, for example:
            web: gunicorn wsgi:app
        "},
        exit_code: 1,
    }

    // Detection and the choice of the package manager.
    NoPythonFiles => {
        id: "detect::no-python-files",
        title: "No Python project files were found.",
        fix: indoc! {"
            A Python app has a package manager file in its top level directory:
            requirements.txt, Pipfile.lock, poetry.lock or uv.lock.
            Check that the file:
            - is in the top level directory, not in a subdirectory,
            - has the right spelling, upper and lower case included,
            - isn't left out by .gitignore or .slugignore,
            - is committed to git.
            If the app has no dependencies, add an empty requirements.txt.
            For a new app, uv is a good choice.
            https://devcenter.heroku.com/articles/getting-started-with-python
            https://devcenter.heroku.com/articles/python-support
        "},
        exit_code: 1,
    }
    PipfileWithoutLock => {
        id: "package-manager::pipenv-missing-lockfile",
        title: "There is a Pipfile, but no Pipfile.lock.",
        fix: indoc! {"
            Without a lock file, every build can install other versions.
            Run `pipenv lock`, and commit Pipfile.lock. If it exists already,
            check that .gitignore and .slugignore don't leave it out.
            To use the other package manager, delete the Pipfile. If you are
            choosing anyway, uv is the better choice.
        "},
        exit_code: 1,
    }
    PoetryWithoutLock => {
        id: "package-manager::poetry-missing-lockfile",
        title: "There is a pyproject.toml of Poetry's, but no poetry.lock.",
        fix: indoc! {"
            Run `poetry lock`, and commit poetry.lock. If it exists already,
            check that .gitignore and .slugignore don't leave it out.
            Without a lock file, only a project that says what builds it can
            be installed: in a [build-system] table.
        "},
        exit_code: 1,
    }
    SetupPyOnly => {
        id: "package-manager::setup-py-only",
        title: "There is a setup.py, but no package manager file.",
        fix: indoc! {"
            A setup.py alone was once installed as an editable package. That is no
            longer so: add the file of a package manager.
            To install the app itself as before, add a requirements.txt with this
            line in it:
            --editable .
            For a new app, uv is a good choice.
        "},
        exit_code: 1,
    }
    NoPackageManager => {
        id: "package-manager::none-found",
        title: "No package manager file was found.",
        fix: indoc! {"
            Add one of requirements.txt, Pipfile.lock, poetry.lock, uv.lock,
            pdm.lock, pylock.toml, or a pyproject.toml with a [project] table.
            If the app has one, check that the file:
            - is in the top level directory, not in a subdirectory,
            - has the right spelling, upper and lower case included,
            - isn't left out by .gitignore or .slugignore,
            - is committed to git.
            If the app has no dependencies, add an empty requirements.txt.
            For a new app, uv is a good choice.
            https://devcenter.heroku.com/articles/getting-started-with-python
            https://devcenter.heroku.com/articles/python-support
        "},
        exit_code: 1,
    }
    SeveralPackageManagers => {
        id: "package-manager::multiple-found",
        title: "The files of more than one package manager were found.",
        fix: indoc! {"
            Decide which package manager the app uses, and delete the files of
            the others.
            If a buildpack for uv or Poetry, or a hook, writes requirements.txt
            from another lock file, take it away: the lock file is used directly.
        "},
        exit_code: 1,
    }
    NotLocked => {
        id: "package-manager::not-locked",
        title: "Not all dependencies are locked.",
        fix: indoc! {"
            `--require-locked` (or SLUGC_REQUIRE_LOCKED=1) asks for exact
            versions of everything. Commit a lock file (uv lock, pipenv lock,
            poetry lock, pdm lock), or pin each line of requirements.txt by
            `==`: `uv pip compile` and `pip freeze` do that.
        "},
        exit_code: 1,
    }
    PyprojectInvalid => {
        id: "pyproject::invalid",
        title: "pyproject.toml can't be read.",
        fix: indoc! {"
            Correct the line that the message names. The file is TOML, in
            UTF-8: values are quoted, tables begin with their name in [ ].
        "},
        exit_code: 1,
    }

    // The Python version.
    VersionFileMisspelled => {
        id: "python-version-file::misspelled",
        title: "The name of the Python version file is misspelled.",
        fix: indoc! {"
            Rename the file to `.python-version`: a dot first, a hyphen in the
            middle, nothing after it.
        "},
        exit_code: 1,
    }
    VersionFileInvalid => {
        id: "python-version-file::invalid-version",
        title: "Invalid Python version in .python-version.",
        fix: indoc! {"
            Write the major version only, for example:
            3.14
            No quotes, no `python-` in front, no wildcards, no comment after it.
            A patch version may be there, too; without one, the app gets
            security fixes by itself.
        "},
        exit_code: 1,
    }
    VersionFileEncoding => {
        id: "python-version-file::invalid-encoding",
        title: "The encoding of .python-version isn't supported.",
        fix: indoc! {"
            Save the file as UTF-8 without a byte order mark (BOM).
            PowerShell's `>` writes UTF-16: use `Set-Content -Encoding ascii`.
            If git changes the file, see `working-tree-encoding` in
            .gitattributes.
        "},
        exit_code: 1,
    }
    VersionFileEmpty => {
        id: "python-version-file::no-version",
        title: "There is no Python version in .python-version.",
        fix: indoc! {"
            Write the major version of Python into it, for example:
            3.14
            Lines that start with `#` are comments.
        "},
        exit_code: 1,
    }
    VersionFileSeveral => {
        id: "python-version-file::multiple-versions",
        title: "There is more than one Python version in .python-version.",
        fix: indoc! {"
            Keep one line.
        "},
        exit_code: 1,
    }
    RuntimeTxtInvalid => {
        id: "runtime-txt::invalid-version",
        title: "Invalid Python version in runtime.txt.",
        fix: indoc! {"
            runtime.txt is deprecated. Delete it, and create a file named
            .python-version in the top level directory instead: a dot first, no
            file name extension. Write the major version of Python into it, no
            quotes and no `python-` in front, for example:
            3.14
            Without a patch version, the app gets security fixes by itself.
        "},
        exit_code: 1,
    }
    PipfileLockInvalidJson => {
        id: "pipfile-lock::invalid-json",
        title: "Pipfile.lock can't be read.",
        fix: indoc! {"
            Run `pipenv lock`, and commit Pipfile.lock. If git marked a merge
            conflict in it, do the same.
        "},
        exit_code: 1,
    }
    PipfileLockInvalidVersion => {
        id: "pipfile-lock::invalid-version",
        title: "Invalid Python version in Pipfile.lock.",
        fix: indoc! {"
            Write a version into the Pipfile, without wildcards or operators, run
            `pipenv lock`, and commit both files:
            [requires]
            python_version = \"3.14\"
            With a patch version, which then stays: python_full_version = \"3.14.7\".
            https://pipenv.pypa.io/en/stable/specifiers.html
        "},
        exit_code: 1,
    }
    VersionFileNotFound => {
        id: "python-version-file::not-found",
        title: "uv needs to be told which version of Python to use.",
        fix: indoc! {"
            1. In the app's top level directory, run: uv python pin 3.14
            2. Check that there is now a file named .python-version.
            3. Commit it to git, and build again.
            `requires-python` in pyproject.toml is enough for slugc, too.
        "},
        exit_code: 1,
    }
    RuntimeTxtNotSupported => {
        id: "runtime-txt::not-supported",
        title: "runtime.txt isn't supported together with uv.",
        fix: indoc! {"
            Delete runtime.txt, name the version where uv looks for it, and
            commit the change:
            uv python pin 3.14
        "},
        exit_code: 1,
    }
    RequiresPythonInvalid => {
        id: "requires-python::invalid",
        title: "The range of Python versions in pyproject.toml can't be read.",
        fix: indoc! {"
            Write it as a version specifier, for example:
            requires-python = \">=3.12\"
        "},
        exit_code: 1,
    }
    RequiresPythonUnsupported => {
        id: "requires-python::not-supported",
        title: "No supported version of Python fits the project.",
        fix: indoc! {"
            Change `requires-python` in pyproject.toml, so that a supported
            version fits, and lock the dependencies again. If a newer version
            is meant that has been released, update slugc.
        "},
        exit_code: 1,
    }
    PythonEndOfLife => {
        id: "python-version::eol",
        title: "The requested Python version has reached its end of life.",
        fix: indoc! {"
            It gets no security fixes any more. Write a supported version into
            .python-version, a file in the app's top level directory (a dot first,
            no file name extension): at least 3.10, which is the nearest. Packages
            with old pins have wheels for it more often than for newer ones:
            3.10
            No quotes, no `python-` in front, and no patch version: without one,
            the app gets security fixes by itself. Better still is the newest,
            3.14, once the pins allow it.
        "},
        exit_code: 1,
    }
    PythonUnknownMajor => {
        id: "python-version::unknown-major",
        title: "The requested Python version isn't known.",
        fix: indoc! {"
            Check that it has been released and is supported. If it is, use the
            newest version of slugc and of its buildpack: don't pin an old one.
            Otherwise write a supported version into .python-version:
            3.14
        "},
        exit_code: 1,
    }
    PythonUnknownPatch => {
        id: "python-version::unknown-patch",
        title: "The requested patch version of Python isn't available.",
        fix: indoc! {"
            Check that it has been released; if it has, update slugc or the
            buildpack. Better, write the major version only into .python-version:
            the newest patch version is then used, security fixes included.
        "},
        exit_code: 1,
    }

    // requirements.txt.
    RequirementsInvalidLine => {
        id: "requirements::invalid-line",
        title: "A line of a requirements file can't be read.",
        fix: indoc! {"
            Write one requirement a line, for example:
            flask==2.3.3
            requests>=2.31,<3 ; python_version < \"3.14\"
        "},
        exit_code: 1,
    }
    RequirementsFileNotFound => {
        id: "requirements::file-not-found",
        title: "A requirements file names a file that isn't there.",
        fix: indoc! {"
            Check the spelling, and that .gitignore and .slugignore don't leave
            the file out. The name counts from the directory of the file that
            names it.
        "},
        exit_code: 1,
    }
    RequirementsUnreadable => {
        id: "requirements::unreadable",
        title: "A requirements file can't be read.",
        fix: indoc! {"
            Save the file as UTF-8 text, and check its permissions.
        "},
        exit_code: 1,
    }

    // The Python runtime.
    PythonSourceInvalid => {
        id: "python-runtime::invalid-source",
        title: "The Python source can't be used.",
        fix: indoc! {"
            Give `--python-source` one of auto, catalogue, host, a directory of
            prepared archives, or its URL (http, https or file). The directory
            needs a checksum file named SHA256SUMS.
        "},
        exit_code: 2,
    }
    PythonDownload => {
        id: "install-python",
        title: "Python couldn't be downloaded.",
        fix: indoc! {"
            Try again: the network or the server may be at fault for a moment.
            If it lasts, update slugc or the buildpack.
            Behind a proxy, set HTTPS_PROXY. With a mirror of your own, set
            SLUGC_PYTHON_MIRROR. To use an interpreter of this machine, give
            `--python-source host`.
        "},
        exit_code: 3,
    }
    PythonNotFound => {
        id: "python-runtime::no-interpreter",
        title: "No Python interpreter was found that fits.",
        fix: indoc! {"
            Install that version on this machine (pyenv and the system's own
            are found, and whatever is on PATH), or let it be downloaded by
            `--python-source catalogue`.
        "},
        exit_code: 3,
    }
    PythonCopy => {
        id: "python-runtime::copy-failed",
        title: "The interpreter of this machine couldn't be copied.",
        fix: indoc! {"
            Use another source of Python: `--python-source catalogue`.
        "},
        exit_code: 3,
    }
    PythonArchive => {
        id: "python-runtime::invalid-archive",
        title: "The Python archive can't be used.",
        fix: indoc! {"
            Use an archive with one directory in it that holds `bin/python3`:
            .tar.gz or .tar.zst.
        "},
        exit_code: 3,
    }
    PythonSelfTest => {
        id: "python-runtime::self-test",
        title: "The Python runtime doesn't work on its own.",
        fix: indoc! {"
            A library that it needs is missing on this machine, or the
            interpreter was built in an unusual way. Use another source of
            Python: `--python-source catalogue`.
        "},
        exit_code: 3,
    }

    InventoryInvalid => {
        id: "inventory::invalid",
        title: "The list of Python runtimes can't be used.",
        fix: indoc! {"
            Give uv's download-metadata.json: `slugc inventory --from FILE`.
        "},
        exit_code: 2,
    }

    // Downloads.
    DownloadFailed => {
        id: "download::failed",
        title: "A download failed.",
        fix: indoc! {"
            Try again: the network or the server may be at fault for a moment.
            Behind a proxy, set HTTPS_PROXY.
        "},
        exit_code: 3,
    }
    DownloadChecksum => {
        id: "download::checksum-mismatch",
        title: "A downloaded file isn't what it should be.",
        fix: indoc! {"
            Its checksum is wrong, so it wasn't used. Check the mirror, and the
            proxies on the way; if they are yours, refresh the file there.
        "},
        exit_code: 3,
    }
    UnsafeArchive => {
        id: "archive::unsafe",
        title: "An archive can't be unpacked safely.",
        fix: indoc! {"
            Entries that lead out of the directory, devices and damaged data
            are refused. Build the archive again.
        "},
        exit_code: 3,
    }

    // Dependencies.
    InstallerInvalid => {
        id: "installer::invalid",
        title: "SLUGC_INSTALLER names no installer.",
        fix: indoc! {"
            Set it to uv, to pip, or to native (the package manager's own
            tool: Pipenv, Poetry or PDM); or remove it.
        "},
        exit_code: 2,
    }
    InstallUv => {
        id: "install-package-manager::uv",
        title: "uv couldn't be installed.",
        fix: indoc! {"
            uv is fetched from the package index that pip is set up for. Try
            again: the network or the index may be at fault for a moment (see
            https://status.python.org). Check PIP_INDEX_URL; or give a uv of your
            own by SLUGC_UV; or use pip itself: `--installer pip`.
        "},
        exit_code: 3,
    }
    InstallPip => {
        id: "install-package-manager::pip",
        title: "pip couldn't be installed.",
        fix: indoc! {"
            Try again: the network or the package index may be at fault for a
            moment (see https://status.python.org). Check PIP_INDEX_URL and the
            proxy settings.
        "},
        exit_code: 3,
    }
    FetchPipenv => {
        id: "install-package-manager::pipenv",
        title: "Pipenv couldn't be installed.",
        fix: indoc! {"
            Pipenv is fetched from the package index that pip is set up for.
            Check the network and PIP_INDEX_URL. It is only needed for
            `--installer native`, and for what uv can't install.
        "},
        exit_code: 3,
    }
    FetchPoetry => {
        id: "install-package-manager::poetry",
        title: "Poetry couldn't be installed.",
        fix: indoc! {"
            Poetry is fetched from the package index that pip is set up for.
            Check the network and PIP_INDEX_URL. It is only needed for
            `--installer native`, and for what uv can't install.
        "},
        exit_code: 3,
    }
    FetchPdm => {
        id: "install-package-manager::pdm",
        title: "PDM couldn't be installed.",
        fix: indoc! {"
            PDM is fetched from the package index that pip is set up for. Check
            the network and PIP_INDEX_URL. It is only needed for
            `--installer native`, and for what uv can't install.
        "},
        exit_code: 3,
    }
    InstallDependencies => {
        id: "install-dependencies::pip",
        title: "The app's dependencies couldn't be installed.",
        fix: indoc! {"
            The installer's own message is in the log above. Change what it is
            about in requirements.txt, or in a file that this one names.
        "},
        exit_code: 1,
    }
    InstallPipenv => {
        id: "install-dependencies::pipenv",
        title: "The packages of Pipfile.lock couldn't be installed.",
        fix: indoc! {"
            If Pipfile.lock is out of date or damaged, run `pipenv lock` and
            commit it. Otherwise the message above says why.
        "},
        exit_code: 1,
    }
    InstallPoetry => {
        id: "install-dependencies::poetry",
        title: "The packages of poetry.lock couldn't be installed.",
        fix: indoc! {"
            If poetry.lock is out of date or damaged, run `poetry lock` and
            commit it. Otherwise the message above says why.
        "},
        exit_code: 1,
    }
    InstallPdm => {
        id: "install-dependencies::pdm",
        title: "The packages of pdm.lock couldn't be installed.",
        fix: indoc! {"
            If pdm.lock is out of date or damaged, run `pdm lock` and commit
            it. Otherwise the message above says why.
        "},
        exit_code: 1,
    }
    InstalledNotAsLocked => {
        id: "install-dependencies::not-as-locked",
        title: "What was installed isn't what the lock file says.",
        fix: indoc! {"
            Lock the dependencies again, and commit the lock file. If that
            doesn't help, a package index serves other files than when they
            were locked: compare the versions above with those on the index.
        "},
        exit_code: 1,
    }
    LockOtherEnvironment => {
        id: "lock::other-environment",
        title: "The lock file isn't made for this platform and Python.",
        fix: indoc! {"
            Lock the dependencies for Linux and the app's Python, too, and
            commit the lock file.
        "},
        exit_code: 1,
    }
    IndexCredentials => {
        id: "package-index::credentials",
        title: "A package index doesn't accept the credentials.",
        fix: indoc! {"
            Set the variable to a user name and password, or a token, that the
            index accepts: as a config var, or in the environment of the build.
            In a URL, characters such as @ and / are written as %40 and %2F.
        "},
        exit_code: 1,
    }
    InstallUvProject => {
        id: "install-dependencies::uv",
        title: "uv couldn't install the app's dependencies.",
        fix: indoc! {"
            uv's own message above says why. If uv.lock is out of date, run
            `uv lock` and commit it.
        "},
        exit_code: 1,
    }
    CompileBytecode => {
        id: "bytecode::failed",
        title: "Python's bytecode couldn't be compiled.",
        fix: indoc! {"
            The interpreter itself failed, not a file of the app. Check the
            free memory and disk space, and build again.
        "},
        exit_code: 3,
    }

    // The app's own steps in a build.
    PreCompileHook => {
        id: "hooks::pre_compile",
        title: "The app's bin/pre_compile hook failed.",
        fix: indoc! {"
            See its own output above. Correct the script, or give it another
            name if it isn't meant to run in builds.
        "},
        exit_code: 1,
    }
    PostCompileHook => {
        id: "hooks::post_compile",
        title: "The app's bin/post_compile hook failed.",
        fix: indoc! {"
            See its own output above. Correct the script, or give it another
            name if it isn't meant to run in builds.
        "},
        exit_code: 1,
    }
    CollectstaticSyntaxError => {
        id: "collectstatic-syntax-error",
        title: "Django's collectstatic failed: a file has a syntax error.",
        fix: indoc! {"
            The traceback above names the file and the line. If the app's
            Python is older or newer than yours, name yours in .python-version.
            If the app needs no collectstatic, turn it off by a config var:
            DISABLE_COLLECTSTATIC=1
            https://devcenter.heroku.com/articles/django-assets
        "},
        exit_code: 1,
    }
    CollectstaticConfiguration => {
        id: "collectstatic-improper-configuration",
        title: "Django's collectstatic failed: the settings are wrong.",
        fix: indoc! {"
            See the traceback above. Often STATIC_ROOT is missing, or a setting
            comes from a config var that isn't set during the build.
            If the app needs no collectstatic, turn it off by a config var:
            DISABLE_COLLECTSTATIC=1
            https://devcenter.heroku.com/articles/django-assets
        "},
        exit_code: 1,
    }
    CollectstaticReferences => {
        id: "collectstatic-fancy-references",
        title: "Django's collectstatic failed: a style sheet's reference is wrong.",
        fix: indoc! {"
            The traceback above names the style sheet and what it refers to.
            Correct the url(...) there, or add the file that is missing.
            If the app needs no collectstatic, turn it off by a config var:
            DISABLE_COLLECTSTATIC=1
            https://devcenter.heroku.com/articles/django-assets
        "},
        exit_code: 1,
    }
    CollectstaticMissingFile => {
        id: "collectstatic-missing-file",
        title: "Django's collectstatic failed: a file or directory is missing.",
        fix: indoc! {"
            The traceback above names it. Each directory in STATICFILES_DIRS
            must be in the app; git doesn't keep empty ones.
            If the app needs no collectstatic, turn it off by a config var:
            DISABLE_COLLECTSTATIC=1
            https://devcenter.heroku.com/articles/django-assets
        "},
        exit_code: 1,
    }
    CollectstaticOther => {
        id: "collectstatic-other",
        title: "Django's collectstatic failed.",
        fix: indoc! {"
            See the traceback above, and correct the app. To see the
            environment it ran in, set DEBUG_COLLECTSTATIC=1.
            If the app needs no collectstatic, turn it off by a config var:
            DISABLE_COLLECTSTATIC=1
            https://devcenter.heroku.com/articles/django-assets
        "},
        exit_code: 1,
    }
    NltkDownloader => {
        id: "nltk-downloader",
        title: "Downloading NLTK's corpora failed.",
        fix: indoc! {"
            See the downloader's own output above. Check the names in nltk.txt,
            and whether NLTK's server can be reached.
        "},
        exit_code: 1,
    }

    // The slug.
    SlugTooLarge => {
        id: "slug::too-large",
        title: "The slug is too large.",
        fix: indoc! {"
            Leave out what the running app doesn't need: by .slugignore before
            the build, by .slugignore.post after it. Look for machine learning
            packages with GPU libraries: most have a CPU version.
            `--max-size` sets another limit.
        "},
        exit_code: 1,
    }
    SlugOutput => {
        id: "slug::output-not-writable",
        title: "The slug can't be written there.",
        fix: indoc! {"
            Give another place: `slugc build -o path/to/slug.tgz`. The directory
            must exist, and you must be allowed to write in it.
        "},
        exit_code: 2,
    }
    SlugWrite => {
        id: "slug::write-failed",
        title: "Writing the slug failed.",
        fix: indoc! {"
            Check the free disk space. Nothing was left behind: a slug that was
            there before is still there.
        "},
        exit_code: 3,
    }
    SlugNotOne => {
        id: "slug::not-a-slug",
        title: "This isn't a slug.",
        fix: indoc! {"
            A slug is a gzip compressed tar file with the app in ./app, as
            `slugc build` writes it. Name one.
        "},
        exit_code: 2,
    }
    SlugInvalid => {
        id: "slug::invalid",
        title: "The slug can't be read.",
        fix: indoc! {"
            Build it again, or copy it again: it may be damaged or cut off, or
            belong to another user.
        "},
        exit_code: 1,
    }
    InspectNoSuchDistribution => {
        id: "inspect::no-such-distribution",
        title: "No distribution in the slug has that name.",
        fix: indoc! {"
            Check its spelling: it is the name that pip installs, not that of
            a module. All of them: slugc inspect SLUG --top 0
        "},
        exit_code: 2,
    }
    DiffMaxGrowth => {
        id: "diff::max-growth",
        title: "The slug grows more than it may.",
        fix: indoc! {"
            What made the difference is listed above. Leave it out, see what
            could go with `slugc inspect`, or allow more by --max-growth.
        "},
        exit_code: 1,
    }
    UnpackTarget => {
        id: "slug::directory-not-empty",
        title: "A slug can only be unpacked into an empty directory.",
        fix: indoc! {"
            Give a directory that is empty, or one that doesn't exist yet.
        "},
        exit_code: 2,
    }

    // The store.
    StoreUnusable => {
        id: "store::unusable",
        title: "The store can't be used.",
        fix: indoc! {"
            The store keeps what the next build needs. It is in
            ~/.cache/slugc unless SLUGC_CACHE_DIR names another directory.
            Check its permissions and the free disk space.
        "},
        exit_code: 3,
    }
    StoreNoLocks => {
        id: "store::no-locks",
        title: "The file system of the store has no locks that can be relied on.",
        fix: indoc! {"
            Builds that run at the same time would spoil each other's work.
            Keep the store on a disk of this machine: --cache-dir, or
            SLUGC_CACHE_DIR. For NFS, mount it without `nolock`.
        "},
        exit_code: 3,
    }
    StoreCorrupt => {
        id: "store::corrupt",
        title: "Something in the store is damaged.",
        fix: indoc! {"
            It was thrown away, and the next build rebuilds it: build again.
            If this comes back, check the disk.
        "},
        exit_code: 3,
    }

    // Explanations.
    ExplainUnknownId => {
        id: "explain::unknown-id",
        title: "Unknown id.",
        fix: indoc! {"
            `slugc explain` lists every id.
        "},
        exit_code: 2,
    }
    // Running.
    RunNoSuchType => {
        id: "run::no-such-process-type",
        title: "The slug has no such process type.",
        fix: indoc! {"
            Name one of the process types that the Procfile declares, or give a
            command: slugc run slug.tgz -- python --version
        "},
        exit_code: 2,
    }
    RunPortTaken => {
        id: "run::port-taken",
        title: "The port is taken by another program.",
        fix: indoc! {"
            Stop the program that listens on it (`ss -ltnp` shows which one),
            or give another port with `--port`. Without one, a free port is
            taken.
        "},
        exit_code: 3,
    }
    RunEnvFile => {
        id: "run::invalid-env-file",
        title: "The file of config vars can't be read.",
        fix: indoc! {"
            Write one NAME=value a line.
        "},
        exit_code: 2,
    }
    RunFailed => {
        id: "run::failed",
        title: "The process couldn't be started.",
        fix: indoc! {"
            A slug is run by bash: check that it is installed, and that the
            directory for temporary files allows programs to be run.
        "},
        exit_code: 3,
    }

    RunReleaseFailed => {
        id: "run::release-failed",
        title: "The release phase failed.",
        fix: indoc! {"
            See what the process wrote above. On Heroku the release would be
            given up, and the one before it would go on running.
        "},
        exit_code: 1,
    }

    // The router.
    RouterPortTaken => {
        id: "router::port-taken",
        title: "The router's port is taken.",
        fix: indoc! {"
            Stop the program that listens on it (`ss -ltnp` shows which one),
            or give another port with `--port`.
        "},
        exit_code: 3,
    }
    RouterCannotListen => {
        id: "router::cannot-listen",
        title: "The router can't listen on its address.",
        fix: indoc! {"
            Give a port from 1024 to 65535, which every user may have, and an
            address that this machine has.
        "},
        exit_code: 3,
    }
    RouterFailed => {
        id: "router::failed",
        title: "The router couldn't be started.",
        fix: indoc! {"
            Check the limits on processes and open files: ulimit -u -n
        "},
        exit_code: 3,
    }

    // The classic buildpack.
    StackEol => {
        id: "checks::stack::eol",
        title: "The stack has reached its end of life.",
        fix: indoc! {"
            It gets no updates any more, and this buildpack doesn't build for
            it. Move the app to a newer stack:
            heroku stack:set heroku-24
            https://devcenter.heroku.com/articles/stack
        "},
        exit_code: 1,
    }
    StackUnknown => {
        id: "checks::stack::unknown",
        title: "The stack isn't known.",
        fix: indoc! {"
            Known stacks are heroku-22, heroku-24 and heroku-26. If the stack is
            newer than this buildpack, use the newest version of the buildpack,
            and don't pin it to an old one:
            heroku buildpacks
            https://devcenter.heroku.com/articles/stack
        "},
        exit_code: 1,
    }
    DuplicateBuildpack => {
        id: "checks::duplicate-python-buildpack",
        title: "A Python buildpack has already run in this build.",
        fix: indoc! {"
            Only one of them can be used. See which buildpacks the app has, and
            remove the one too many:
            heroku buildpacks
            heroku buildpacks:remove <name or address>
            Heroku's buildpack has warned of this since December 2024.
            https://devcenter.heroku.com/articles/managing-buildpacks
        "},
        exit_code: 1,
    }
    ExistingVenvDir => {
        id: "checks::existing-venv-dir",
        title: "There is a virtual environment in the app.",
        fix: indoc! {"
            A virtual environment only works on the machine that it was made
            on, so it doesn't belong into git. Take it out:
            git rm --cached -r <directory>
            Then add the directory to .gitignore, and commit both changes.
            If another buildpack or a hook made it, change that.
        "},
        exit_code: 1,
    }
    BuildDataDeleted => {
        id: "build-data::data-file-deleted",
        title: "The data about this build was deleted while it ran.",
        fix: indoc! {"
            A hook or another program of the app has deleted files in the cache
            directory, or in /tmp. Delete only what the app itself has made.
        "},
        exit_code: 1,
    }
    AppJsonInvalid => {
        id: "test::invalid-app-json",
        title: "app.json can't be read.",
        fix: indoc! {"
            app.json is a JSON object. The command that runs the tests is in it
            as environments.test.scripts.test.
        "},
        exit_code: 1,
    }
    NothingToTest => {
        id: "test::no-python",
        title: "There is no Python in the directory to run tests with.",
        fix: indoc! {"
            Run bin/test-compile first, with the same directory.
        "},
        exit_code: 1,
    }
    NoTests => {
        id: "test::no-tests",
        title: "No tests were found.",
        fix: indoc! {"
            Name the files with tests test*.py, or the command that runs them
            as environments.test.scripts.test in app.json.
        "},
        exit_code: 5,
    }
    ExistingPythonDir => {
        id: "checks::existing-python-dir",
        title: "There is a .heroku/python directory in the app already.",
        fix: indoc! {"
            The buildpack installs Python there. Delete it from git, or keep
            those files elsewhere. If another buildpack or a hook made it, take
            that away.
        "},
        exit_code: 1,
    }

    // Packaging.
    PackageProgram => {
        id: "package::invalid-program",
        title: "There is no program to package.",
        fix: indoc! {"
            Leave out --program to package the slugc that is running, or give
            one that was built for Linux. For another architecture than this
            machine's, say so:
            slugc package classic --program FILE --arch aarch64
        "},
        exit_code: 2,
    }

    // Faults of slugc itself, and of what it takes for granted.
    InternalAbort => {
        id: "internal-error::abort",
        title: "slugc has come to a state that can't be.",
        fix: indoc! {"
            This is a bug of slugc, not of the app. Build again; if it comes
            back, please report it: with this message, the log above it, and the
            files that name the app's packages and its version of Python.
        "},
        exit_code: 3,
    }
    BundledPipNotFound => {
        id: "internal-error::bundled-pip-not-found",
        title: "The Python runtime has no bundled pip.",
        fix: indoc! {"
            Python's own module ensurepip brings a pip, which installs the rest.
            Use a Python that has it: Debian's and Ubuntu's lack it without the
            package python3-venv. Or give a uv by SLUGC_UV, or on PATH.
        "},
        exit_code: 3,
    }

    // The rest.
    FileSystem => {
        id: "file-system::failed",
        title: "A file operation failed.",
        fix: indoc! {"
            Check the permissions and the free disk space.
        "},
        exit_code: 3,
    }
    ProgramFailed => {
        id: "program::failed",
        title: "A program that slugc needs failed.",
        fix: indoc! {"
            See its own message above.
        "},
        exit_code: 3,
    }
    BuildTimeout => {
        id: "build::timeout",
        title: "The build took too long.",
        fix: indoc! {"
            A build has 15 minutes, as on the platform. If the step isn't stuck,
            give it more: --timeout 1h or SLUGC_TIMEOUT=1h; 0 is no limit. What
            was finished is kept, so the next build takes less.
        "},
        exit_code: 1,
    }
    TimeoutInvalid => {
        id: "build::invalid-timeout",
        title: "The time that a build may take can't be read.",
        fix: indoc! {"
            Set SLUGC_TIMEOUT to a whole number and a unit, such as 90s, 15m or
            1h. 0 is no limit; without the variable it is 15 minutes.
        "},
        exit_code: 1,
    }
    Interrupted => {
        id: "interrupted",
        title: "Stopped.",
        fix: indoc! {"
            Run the command again: what was finished is kept.
        "},
        exit_code: 130,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_id_is_unique_and_spelt_as_the_others() {
        let mut seen = BTreeSet::new();
        for code in ErrorCode::ALL {
            let Entry { id, .. } = code.entry();
            assert!(seen.insert(id), "{id}");
            assert!(id.chars().all(|letter| letter.is_ascii_lowercase() || "-:_".contains(letter)), "{id}");
        }
    }

    #[test]
    fn every_title_is_a_sentence_and_every_fix_fits() {
        for code in ErrorCode::ALL {
            let Entry { id, title, fix, exit_code } = code.entry();
            assert!(title.ends_with('.'), "{id}: {title}");
            assert!(!fix.trim().is_empty(), "{id}");
            assert!(fix.lines().all(|line| line.len() <= 72), "{id}: {fix}");
            assert_ne!(exit_code, 0, "{id}");
        }
    }
}
