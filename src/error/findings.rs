//! The table of every finding. Ids never change; `docs/findings.md` is generated from it.
//!
//! An error is what keeps the app from booting or from answering; a warning is what will hurt later; a note is
//! worth knowing. A fix says what to do first, in lines of at most 72 characters.

use std::fmt;

use indoc::indoc;
use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The app doesn't boot, or doesn't answer.
    Error,
    /// It will hurt one day.
    Warning,
    /// Worth knowing.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// What the catalogue knows of one finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FindingEntry {
    /// The stable name.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found, in a sentence.
    pub title: &'static str,
    /// What to do about it.
    pub fix: &'static str,
}

macro_rules! findings {
    ($($code:ident => { id: $id:literal, severity: $severity:ident, title: $title:literal, fix: $fix:expr $(,)? })*) => {
        /// Names an entry of the catalogue.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum FindingCode { $(#[doc = $title] $code),* }

        impl FindingCode {
            /// Every entry, in the catalogue's order.
            pub const ALL: &[Self] = &[$(Self::$code),*];

            /// Looks the entry up.
            pub fn entry(self) -> FindingEntry {
                match self { $(Self::$code => FindingEntry {
                    id: $id, severity: Severity::$severity, title: $title, fix: $fix,
                }),* }
            }
        }
    };
}

impl FindingCode {
    /// Returns whether this alone ends a process that it is about.
    pub fn ends_process(self) -> bool {
        use FindingCode as Code;
        [
            Code::ProcfileMissingTool,
            Code::CommandNotInstalled,
            Code::CommandFileNotFound,
            Code::CommandNotExecutable,
            Code::CommandBroken,
            Code::CommandInvalid,
            Code::CommandInBackground,
            Code::AppModuleNotFound,
            Code::AppAttributeNotFound,
            Code::AppFactoryArguments,
            Code::AppNotCallable,
            Code::AppNoWorkerApp,
            Code::AppSyntaxError,
            Code::AppCollectstatic,
            Code::ImportNotInstalled,
            Code::LibraryMissing,
        ]
        .contains(&self)
    }
}

findings! {
    // The Procfile.
    ProcfileMissing => {
        id: "procfile::missing",
        severity: Warning,
        title: "There is no Procfile.",
        fix: indoc! {"
            Create a file named Procfile in the app's top level directory, with
            a line `name: command` for each process type. The one named `web`
            gets the requests.
        "},
    }
    ProcfileMisnamed => {
        id: "procfile::misnamed",
        severity: Error,
        title: "The Procfile has another name.",
        fix: indoc! {"
            Rename the file to `Procfile`, with a capital P and without an
            extension, in the top level directory of the app.
        "},
    }
    ProcfileNoColon => {
        id: "procfile::no-colon",
        severity: Error,
        title: "A line of the Procfile has no colon, but declares a type.",
        fix: indoc! {"
            Write `name: command`, or start the line with `#` if it is a
            comment.
        "},
    }
    ProcfileMergeMarker => {
        id: "procfile::merge-marker",
        severity: Error,
        title: "The Procfile has marks of a merge conflict.",
        fix: indoc! {"
            Resolve the conflict: keep one of the two versions, and delete the
            lines with `<<<<<<<`, `=======` and `>>>>>>>`.
        "},
    }
    ProcfileNoSpace => {
        id: "procfile::no-space",
        severity: Warning,
        title: "A line of the Procfile has no space after the colon.",
        fix: indoc! {"
            Put a space after the colon. Heroku ignores the line as it is.
        "},
    }
    ProcfileIgnoredLine => {
        id: "procfile::ignored-line",
        severity: Warning,
        title: "Heroku ignores a line of the Procfile.",
        fix: indoc! {"
            Write `name: command`, with letters, digits, hyphens and
            underscores in the name.
        "},
    }
    ProcfileEmptyCommand => {
        id: "procfile::empty-command",
        severity: Warning,
        title: "A process type has no command.",
        fix: indoc! {"
            Write the command on the same line, after the colon and a space.
        "},
    }
    ProcfileDuplicate => {
        id: "procfile::duplicate",
        severity: Warning,
        title: "A process type is declared twice.",
        fix: indoc! {"
            Delete one of the lines. As it is, the last one counts.
        "},
    }
    ProcfileNameTooLong => {
        id: "procfile::name-too-long",
        severity: Warning,
        title: "The name of a process type is too long.",
        fix: indoc! {"
            Use a name of at most 128 characters (63 on Heroku's Fir).
        "},
    }
    ProcfileNameNotForFir => {
        id: "procfile::name-not-for-fir",
        severity: Warning,
        title: "The name of a process type doesn't fit Heroku's Fir.",
        fix: indoc! {"
            Use lower case letters, digits and hyphens, if the app is to run
            on the Fir generation. Cedar takes the name as it is.
        "},
    }
    ProcfileByteOrderMark => {
        id: "procfile::byte-order-mark",
        severity: Warning,
        title: "The Procfile starts with a byte order mark.",
        fix: indoc! {"
            Save the file as UTF-8 without a byte order mark (BOM).
        "},
    }
    ProcfileCrlf => {
        id: "procfile::crlf",
        severity: Note,
        title: "The lines of the Procfile end as on Windows.",
        fix: indoc! {"
            Nothing has to be done. `dos2unix Procfile` makes it tidy.
        "},
    }
    ProcfileMissingTool => {
        id: "procfile::missing-tool",
        severity: Error,
        title: "A command calls a package manager that the slug doesn't have.",
        fix: indoc! {"
            Leave `poetry run`, `pipenv run`, `uv run` or `pdm run` away: the
            packages are installed for the app's own Python.
        "},
    }
    ProcfileNoWeb => {
        id: "procfile::no-web",
        severity: Note,
        title: "The Procfile declares no web process.",
        fix: indoc! {"
            If this app has no web process, ignore this. Otherwise add a line
            for the process type `web`: no other gets requests.
        "},
    }
    // The commands.
    CommandNotInstalled => {
        id: "command::not-installed",
        severity: Error,
        title: "A program that the Procfile calls isn't installed.",
        fix: indoc! {"
            Add the package that has it to the app's requirements, with a
            version, and build again.
        "},
    }
    CommandScriptSyntax => {
        id: "command::script-syntax",
        severity: Error,
        title: "A shell script has a syntax error.",
        fix: indoc! {"
            Correct the script. `bash -n FILE` parses it without executing
            anything.
        "},
    }
    CommandFileNotFound => {
        id: "command::file-not-found",
        severity: Error,
        title: "A file that the Procfile runs doesn't exist.",
        fix: indoc! {"
            Correct the path: it counts from the app's top level directory.
            Files that git or .slugignore leave out aren't in the slug.
        "},
    }
    CommandNotExecutable => {
        id: "command::not-executable",
        severity: Error,
        title: "A script that the Procfile runs can't be executed.",
        fix: indoc! {"
            Run `git update-index --chmod=+x FILE` and commit, or put `bash`
            or `python` in front of it.
        "},
    }
    CommandBroken => {
        id: "command::broken",
        severity: Error,
        title: "A program that the Procfile calls can't start.",
        fix: indoc! {"
            See the last line. If a module is missing, add the package that
            has it to the app's requirements: `pkg_resources` is in
            `setuptools<81`. Else correct the program's options or settings.
        "},
    }
    CommandInvalid => {
        id: "command::invalid",
        severity: Error,
        title: "A command of the Procfile can't work as it is written.",
        fix: indoc! {"
            Write the command as it works in bash, with the options that the
            program has.
        "},
    }
    CommandInBackground => {
        id: "command::in-background",
        severity: Error,
        title: "A process goes into the background, which ends its dyno.",
        fix: indoc! {"
            Let the program stay in the foreground. Of several programs, each
            gets a process type of its own.
        "},
    }
    CommandFixedPort => {
        id: "command::fixed-port",
        severity: Error,
        title: "The web process listens on a port of its own.",
        fix: indoc! {"
            Take the port from the variable PORT, which is another one in each
            dyno: by the server's own option or setting for it, or in Python
            from `os.environ['PORT']`. Without it, the dyno is stopped after
            60 seconds (R10).
        "},
    }
    CommandNoPort => {
        id: "command::no-port",
        severity: Error,
        title: "The web process isn't told which port to listen on.",
        fix: indoc! {"
            Add `--port $PORT`, or what the server calls it. Without it, the
            dyno is stopped after 60 seconds (R10).
        "},
    }
    CommandLoopback => {
        id: "command::loopback",
        severity: Error,
        title: "The web process listens for this machine only.",
        fix: indoc! {"
            Listen on all addresses: `--host 0.0.0.0`. Requests come from
            outside of the dyno, so 127.0.0.1 works at home and not there.
        "},
    }
    CommandDevServer => {
        id: "command::dev-server",
        severity: Warning,
        title: "The web process is a server for development.",
        fix: indoc! {"
            Use a server for production: gunicorn for WSGI apps (`gunicorn
            wsgi:app`), uvicorn for ASGI apps (`uvicorn main:app --host
            0.0.0.0 --port $PORT`).
        "},
    }
    // The app.
    AppModuleNotFound => {
        id: "app::module-not-found",
        severity: Error,
        title: "The module that the command names doesn't exist.",
        fix: indoc! {"
            Name the file without `.py`, with dots for slashes, as it is found
            from the app's top level directory: `mysite.wsgi` is
            mysite/wsgi.py. Upper and lower case differ.
        "},
    }
    AppAttributeNotFound => {
        id: "app::attribute-not-found",
        severity: Error,
        title: "The module doesn't have the name that the command asks for.",
        fix: indoc! {"
            Name what the module defines: `gunicorn wsgi:app` needs a line
            `app = …` in wsgi.py. For a function that makes the app, write
            `'wsgi:create_app()'`.
        "},
    }
    AppFactoryArguments => {
        id: "app::factory-arguments",
        severity: Error,
        title: "The function that makes the app takes other arguments.",
        fix: indoc! {"
            Give it in the command what it takes, or give the parameters
            defaults: `--factory` and `--call` pass no arguments.
        "},
    }
    AppNotCallable => {
        id: "app::not-callable",
        severity: Error,
        title: "What the command names isn't an app.",
        fix: indoc! {"
            Name the app itself: an object such as `app = Flask(__name__)`. For
            a function that makes the app, let it return that object.
        "},
    }
    AppNoWorkerApp => {
        id: "app::no-worker-app",
        severity: Error,
        title: "The module that a worker is told to use makes no app for it.",
        fix: indoc! {"
            Name the module that does: for `celery -A mysite worker`, a line
            `app = Celery(…)` in mysite/__init__.py or mysite/celery.py, or
            `celery -A mysite.tasks:app worker`.
        "},
    }
    AppSyntaxError => {
        id: "app::syntax-error",
        severity: Error,
        title: "A file of the app isn't valid for its Python.",
        fix: indoc! {"
            Correct the line. If it is valid for a newer Python, choose that
            one in .python-version.
        "},
    }
    AppImportFailed => {
        id: "app::import-failed",
        severity: Error,
        title: "Importing the app fails.",
        fix: indoc! {"
            See the last lines of the traceback. If the app needs config vars,
            give them with `--env-file`, `--env-dir` or `--set`.
        "},
    }
    AppImportTooLong => {
        id: "app::import-too-long",
        severity: Warning,
        title: "Importing the app takes too long.",
        fix: indoc! {"
            A web process has 60 seconds to listen on its port. Move slow work
            (downloads, models, migrations) out of the import.
        "},
    }
    AppDebug => {
        id: "app::debug",
        severity: Warning,
        title: "Debug mode is on.",
        fix: indoc! {"
            Read it from a config var, off by default. Debug pages show
            settings and source code to whoever causes an error.
        "},
    }
    AppCollectstatic => {
        id: "app::collectstatic",
        severity: Error,
        title: "Django's settings make collectstatic fail, and the build with it.",
        fix: indoc! {"
            Correct the setting. If nobody needs the static files, set the
            config var DISABLE_COLLECTSTATIC to 1.
        "},
    }
    BootFailed => {
        id: "boot::crashed",
        severity: Error,
        title: "The web process ended (H10).",
        fix: indoc! {"
            See its last lines. Config vars are given with `--env-file`,
            `--env-dir` or `--set`.
        "},
    }
    BootProfileEnded => {
        id: "boot::profile-ended",
        severity: Error,
        title: "A boot script ended the shell before the command was run.",
        fix: indoc! {"
            .profile and the scripts in .profile.d are sourced: use `return`
            in place of `exit`, no `exec`, and no `set -e`.
        "},
    }
    BootTimeout => {
        id: "boot::timeout",
        severity: Error,
        title: "The web process didn't listen on PORT in time (R10).",
        fix: indoc! {"
            Let it listen on 0.0.0.0:$PORT, and do slow work afterwards.
            `--boot-timeout` gives it more time here.
        "},
    }
    BootNoAnswer => {
        id: "boot::no-answer",
        severity: Warning,
        title: "The web process doesn't answer a request (H12, H13).",
        fix: indoc! {"
            Heroku's router gives up after 30 seconds. See what the page
            waits for: a database, another service, or its own port.
        "},
    }
    BootServerError => {
        id: "boot::server-error",
        severity: Warning,
        title: "The web process answers a request with an error of its own.",
        fix: indoc! {"
            See the last line of its traceback. Nothing is wrong if the page
            needs what isn't there now: config vars are given with
            `--env-file`, `--env-dir` or `--set`.
        "},
    }
    BootLoopback => {
        id: "boot::loopback",
        severity: Error,
        title: "The web process listens on PORT, but for its own machine only.",
        fix: indoc! {"
            Let it listen on 0.0.0.0, not on 127.0.0.1: requests come from
            outside of the dyno.
        "},
    }
    // The source.
    SourceNeededFileLeftOut => {
        id: "source::needed-file-left-out",
        severity: Error,
        title: "A file that the app needs is left out of the slug.",
        fix: indoc! {"
            Commit the file (`git add -f FILE`), or take out the line that
            leaves it out. If it holds secrets, take their values from config
            vars instead, and import it in `try: … except ImportError:`.
        "},
    }
    SourceFileIgnored => {
        id: "source::file-ignored",
        severity: Note,
        title: "A file that decides about the build is ignored.",
        fix: indoc! {"
            If it is to count, commit it with `git add -f FILE`, or take out
            the line that leaves it out. If not, delete it.
        "},
    }
    SourceFileUnusable => {
        id: "source::file-unusable",
        severity: Warning,
        title: "A file that decides about the build can't be used.",
        fix: indoc! {"
            Make it a regular file, or a link to a file that is in the slug.
        "},
    }
    SourceSubmoduleNotCheckedOut => {
        id: "source::submodule-not-checked-out",
        severity: Warning,
        title: "The files of a git submodule are missing.",
        fix: indoc! {"
            Run `git submodule update --init --recursive`. Heroku fetches
            submodules, and so does `--commit`; a directory is taken as it is.
        "},
    }
    SettingsNoEffect => {
        id: "settings::no-effect",
        severity: Warning,
        title: "Something that is meant for slugc has no effect.",
        fix: indoc! {"
            Correct the name: `slugc explain` takes the same ids. Accepting a
            finding needs a reason, in text.
        "},
    }
    ConfigVarPort => {
        id: "config-vars::port",
        severity: Note,
        title: "There is a config var named PORT.",
        fix: indoc! {"
            Unset it: the dyno sets PORT itself, to another port each time. An
            app that gets the config var's port is stopped after 60 seconds
            (R10).
        "},
    }
    // Imports and requirements.
    PythonVersionsContradict => {
        id: "python-version::contradiction",
        severity: Warning,
        title: "Two files ask for different versions of Python.",
        fix: indoc! {"
            Let both name the version that the app is for, and lock the
            dependencies again if a lock file holds it.
        "},
    }
    ImportNotInstalled => {
        id: "imports::not-installed",
        severity: Error,
        title: "The app imports a module that isn't installed.",
        fix: indoc! {"
            Add the package that has it to the app's requirements, with a
            version, and build again. If it is optional, import it in
            `try: … except ImportError:`.
        "},
    }
    ImportNotRequired => {
        id: "imports::not-required",
        severity: Note,
        title: "The app imports a package that only another package requires.",
        fix: indoc! {"
            Add it to the app's own requirements: when the other package no
            longer needs it, it is gone.
        "},
    }
    RequirementsUnpinned => {
        id: "requirements::unpinned",
        severity: Warning,
        title: "Requirements have no exact version.",
        fix: indoc! {"
            Write the version that works: `pip freeze` lists them, and
            `pip-compile` or `uv lock` keeps them. Else the next build may
            install another one.
        "},
    }
    RequirementsConflict => {
        id: "requirements::conflict",
        severity: Error,
        title: "Two requirements contradict each other.",
        fix: indoc! {"
            Delete one of the two lines, or choose versions that fit both.
        "},
    }
    InstalledConflict => {
        id: "requirements::installed-conflict",
        severity: Warning,
        title: "An installed package isn't the version another one needs.",
        fix: indoc! {"
            Choose versions that go together: take the version of one of the
            two out of the requirements, and let the installer decide.
        "},
    }
    PkgResourcesMissing => {
        id: "requirements::pkg-resources",
        severity: Warning,
        title: "A package imports pkg_resources, which isn't installed.",
        fix: indoc! {"
            Add `setuptools<81` to the requirements, or take a newer version
            of the package. Python brings no setuptools from 3.13 on, and
            newer versions of setuptools have no pkg_resources.
        "},
    }
    // Other buildpacks.
    BuildpackIgnored => {
        id: "buildpack::ignored",
        severity: Warning,
        title: "The app lists buildpacks that slugc doesn't run.",
        fix: indoc! {"
            What they would make isn't in the slug. Make it in
            bin/pre_compile or bin/post_compile, or commit it; a platform that
            runs all of the buildpacks needs slugc's classic buildpack.
        "},
    }
    AptNotInList => {
        id: "apt::not-in-list",
        severity: Warning,
        title: "The app has an Aptfile, whose packages aren't installed.",
        fix: indoc! {"
            The slug has none of them: take packages with wheels that bring
            their libraries, or build on a platform with the apt buildpack.
            Delete the Aptfile if nothing needs it.
        "},
    }
    BuildpackAssetsNotBuilt => {
        id: "buildpack::assets-not-built",
        severity: Note,
        title: "The app's package.json has a build script that isn't run.",
        fix: indoc! {"
            Nothing, if what it makes is committed. Otherwise run it in
            bin/pre_compile, or before the build.
        "},
    }
    HerokuYmlIgnored => {
        id: "heroku-yml::ignored",
        severity: Note,
        title: "The app has a heroku.yml, which isn't read.",
        fix: indoc! {"
            slugc builds slugs, and not images from a Dockerfile. What starts
            the app is what the Procfile says.
        "},
    }
    // Files.
    SecretsEnvFile => {
        id: "secrets::env-file",
        severity: Warning,
        title: "A file with credentials is about to ship in the slug.",
        fix: indoc! {"
            Add it to .gitignore or .slugignore, set the values as config vars
            of the app, and change those that were committed.
        "},
    }
    SecretsPrivateKey => {
        id: "secrets::private-key",
        severity: Warning,
        title: "A private key is about to ship in the slug.",
        fix: indoc! {"
            Keep the key in a config var, delete the file from the repository,
            and make a new key: this one was published with the code.
        "},
    }
    SecretsCredentials => {
        id: "secrets::credentials",
        severity: Warning,
        title: "Credentials are about to ship in the slug.",
        fix: indoc! {"
            Keep them in config vars, and have new ones issued: these were
            published with the code.
        "},
    }
    StorageSqlite => {
        id: "storage::sqlite",
        severity: Warning,
        title: "The database is a file that doesn't survive a restart.",
        fix: indoc! {"
            Use a database server, and read its address from DATABASE_URL. A
            dyno's files are gone when it restarts, at least once a day, and
            each dyno has its own.
        "},
    }
    StorageUploads => {
        id: "storage::uploads",
        severity: Warning,
        title: "Uploads go to files that don't survive a restart.",
        fix: indoc! {"
            Keep uploads in an object store such as S3 (django-storages,
            boto3). A dyno's files are gone when it restarts, and each dyno
            has its own.
        "},
    }
    FilesLarge => {
        id: "files::large",
        severity: Warning,
        title: "Large files are in the slug that a running app hardly needs.",
        fix: indoc! {"
            Name them in .slugignore, or keep them in an object store. Every
            dyno fetches the whole slug before it boots.
        "},
    }
    FilesSlug => {
        id: "files::slug",
        severity: Warning,
        title: "A slug is among the app's files.",
        fix: indoc! {"
            Delete it, or add its path to .slugignore. A slug beside which its
            manifest lies is left out by itself.
        "},
    }
    FilesBelowTop => {
        id: "files::below-top",
        severity: Note,
        title: "Files have no effect where they are.",
        fix: indoc! {"
            Move them to the top level directory if they are to count. As on
            Heroku, they aren't read anywhere else.
        "},
    }
    FilesVirtualEnvironment => {
        id: "files::virtual-environment",
        severity: Warning,
        title: "A virtual environment is in the slug.",
        fix: indoc! {"
            Add its directory to .gitignore, and take it out of git:
            git rm -r --cached venv
            The packages are installed by the build.
        "},
    }
    FilesNodeModules => {
        id: "files::node-modules",
        severity: Warning,
        title: "A node_modules directory is in the slug.",
        fix: indoc! {"
            Add it to .gitignore, or to .slugignore if the app doesn't need it
            when it runs.
        "},
    }
    // Libraries.
    LibraryMissing => {
        id: "libraries::missing",
        severity: Warning,
        title: "A package needs a shared library that the stack doesn't have.",
        fix: indoc! {"
            Install the Debian package by a buildpack that runs before this
            one (heroku-community/apt), or use a build of the Python package
            without it (opencv-python-headless instead of opencv-python).
        "},
    }
    LibraryGlibc => {
        id: "libraries::glibc-too-new",
        severity: Error,
        title: "A library was built for a newer system than the stack.",
        fix: indoc! {"
            Use a newer stack, or a wheel for an older one: a package that is
            built from source on a newer machine needs that machine's glibc.
        "},
    }
}

/// Renders the catalogue as the page `docs/findings.md`.
pub fn render_findings_markdown() -> String {
    let mut page = String::from(
        "# Findings\n\n\
         What [`slugc check`](check.md) can find. Every finding has an id that never changes. This page is generated\n\
         from the catalogue (`src/error/findings.rs`) by `UPDATE_DOCS=1 cargo test _md`.\n",
    );
    for code in FindingCode::ALL {
        let FindingEntry { id, severity, title, fix } = code.entry();
        page.push_str(&format!("\n## `{id}`\n\n{title} ({severity})\n\n```text\n{}\n```\n", fix.trim_end()));
    }
    page
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_entry_is_a_sentence_with_a_way_out() {
        let mut seen = BTreeSet::new();
        for code in FindingCode::ALL {
            let FindingEntry { id, title, fix, .. } = code.entry();
            assert!(seen.insert(id), "{id} is there twice");
            assert!(
                title.ends_with('.') || title.ends_with(".)") || title.ends_with("10)."),
                "{id}: {title}"
            );
            assert!(fix.lines().all(|line| line.chars().count() <= 72), "{id}: {fix}");
            assert!(!fix.trim().is_empty(), "{id}");
        }
    }
}
