//! The order of a build's steps, and what is told when something is wrong.

use super::Check::{Elsewhere, Runs};
use super::Section::{Messages, Order};
use super::world::{Build, World, unwrapped};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(
        Order,
        "Of several things that are wrong, the first in the order of the checks is told: stack, another buildpack, `bin/pre_compile`, `.heroku/python`, package manager, virtual environment, Python version.",
        Runs(|_| checks_come_in_their_order()),
    ),
    row(
        Order,
        "A build goes on with: the Python version, what is to be known of it, the cache, the tool, the dependencies, NLTK, collectstatic, `bin/post_compile`, saving the cache, the advice to use uv.",
        Runs(steps_come_in_their_order),
    ),
    row(
        Order,
        "PYTHONHOME and PYTHONPATH of an earlier buildpack don't reach the build.",
        Runs(|_| {
            let mut build = Build::new(&[("app.py", ""), ("bin/pre_compile", "echo \"<$PYTHONHOME$PYTHONPATH>\"\n")]);
            build.app.set("PYTHONHOME", "/app/.heroku/python");
            build.app.set("PYTHONPATH", "/app");
            let text = build.compile().failure("package-manager::none-found").stdout;
            assert!(text.contains("       <>\n"), "{text}");
        }),
    ),
    row(
        Order,
        "`BUILDPACK_XTRACE=1`, in the real environment only, traces the commands of the shell.",
        Elsewhere("classic_doors::a_traced_build_shows_its_command_lines_without_secrets"),
    )
    .differs("it shows the programs that are run with their arguments, without credentials."),
    row(
        Messages,
        "What is wrong with the stack, the directory, the choice of the package manager and the Python version has names and details of its own (S1 to S5, M1 to M4, V1 to V18, P1, P2).",
        Elsewhere("messages::what_is_wrong_with_the_app_is_told_before_a_python_is_needed"),
    ),
    row(
        Messages,
        "So has a directory that isn't a Python app (D1).",
        Elsewhere("messages::an_app_that_is_none_of_pythons_is_told_what_would_make_it_one"),
    ),
    row(
        Messages,
        "A failed installation is named after its package manager, below what the tool said (I1 to I4).",
        Elsewhere("messages::an_installer_that_fails_is_told_by_its_manager_and_by_known_causes"),
    )
    .differs("`failure_detail` says more: `no-such-package`, `conflict`, `no-network` and the like."),
    row(
        Messages,
        "Three known causes have an error of their own before it (W1 to W3).",
        Elsewhere("classic_doors::an_installer_that_fails_in_known_words_gets_a_hint"),
    )
    .differs("they are warnings before the one error."),
    row(
        Messages,
        "Hooks, collectstatic and NLTK have theirs (H1, C1, C2 with five reasons, K1), and a good build ends with the advice to use uv (N1).",
        Elsewhere("messages::what_the_apps_own_steps_and_a_good_build_come_to_is_told"),
    ),
    row(
        Messages,
        "A pip that can't be installed is told as such (T1).",
        Elsewhere("messages::a_pip_that_cannot_be_installed_is_told"),
    ),
    row(
        Messages,
        "So is uv (T4).",
        Elsewhere("messages::a_tool_that_cannot_be_fetched_is_told"),
    )
    .differs("it comes from the package index, whose state is what the message points to."),
    row(
        Messages,
        "So are Pipenv and Poetry (T2, T3).",
        Runs(|world| {
            let Some(build) = world.ready(&[("Pipfile.lock", super::detection::PIPFILE_LOCK)]) else { return };
            let log = build.compile().success().stdout;
            assert!(!log.contains("Installing Pipenv"), "{log}");
            build.clean();
            build.config_var("SLUGC_INSTALLER", "native");
            let uv = std::path::PathBuf::from(&build.app.env[std::ffi::OsStr::new("SLUGC_UV")]);
            let script = std::fs::read_to_string(&uv).unwrap();
            std::fs::write(&uv, format!("{script}[ \"$1\" = --version ] || exit 1\n")).unwrap();
            build.compile().failure("install-package-manager::pipenv");
        }),
    )
    .differs("only where they install: uv does in their place, for most lock files."),
    row(
        Messages,
        "A hook that deletes the data about the build has an error of its own (B1), and the report is emptied but for that.",
        Runs(|_| {
            let hook = "rm \"$CACHE_DIR/build-data/python.json\"\n";
            let build = Build::new(&[("requirements.txt", ""), ("bin/pre_compile", hook)]);
            build.compile().failure("build-data::data-file-deleted");
            let report = build.report();
            assert_eq!(report["failure_reason"], "build-data::data-file-deleted");
            assert_eq!(report["pre_compile_hook"], true);
        }),
    )
    .differs("the report keeps what is known."),
    row(
        Messages,
        "A Python without its bundled pip is an internal error that lists the folder (X1).",
        Elsewhere("messages::a_python_without_a_bundled_pip_is_told"),
    ),
    row(
        Messages,
        "An impossible state is an internal error with its place (X2).",
        Elsewhere("internal_error::a_bug_is_told_in_the_log_and_in_the_report"),
    ),
    row(
        Messages,
        "Any other command that fails is an internal error, too, with a stack trace (X3).",
        Runs(|_| {
            let mut build = Build::new(&[("requirements.txt", "")]);
            build.cache = build.app.dir.join("requirements.txt/cache");
            build.compile().failure("file-system::failed");
        }),
    )
    .differs("what failed has a name of its own (`file-system::failed`, `program::failed`), and says what to do."),
];

fn checks_come_in_their_order() {
    // From the last to the first: each app has what is wrong with the one before, and one thing more.
    let mut build = Build::new(&[("app.py", ""), (".python-version", "3.9")]);
    build.write("requirements.txt", "");
    build.compile().failure("python-version::eol");
    build.write("venv/pyvenv.cfg", "");
    build.compile().failure("checks::existing-venv-dir");
    build.write(".venv/pyvenv.cfg", "");
    let run = build.compile().failure("checks::existing-venv-dir");
    assert!(run.stdout.contains("The directory .venv is"), "{}", run.stdout);
    build.write("uv.lock", "");
    build.compile().failure("package-manager::multiple-found");
    build.write(".heroku/python/bin/python", "");
    build.compile().failure("checks::existing-python-dir");
    build.write("bin/pre_compile", "exit 1\n");
    build.compile().failure("hooks::pre_compile");
    build.app.set("PYTHONHOME", "/app/.heroku/python");
    build.compile().failure("checks::duplicate-python-buildpack");
    build.app.set("STACK", "heroku-20");
    build.compile().failure("checks::stack::eol");
}

fn steps_come_in_their_order(world: &World) {
    let Some((build, log)) = world.full() else { return };
    let log = unwrapped(log);
    let places: Vec<usize> = [
        "-----> Running bin/pre_compile hook",
        "-----> No Python version was specified. Using the same major version as the last build: Python 3.",
        "Warning: The app doesn't say which version of Python it needs",
        "-----> Discarding cache since:",
        "- The contents of requirements.txt changed",
        "-----> Installing pip 26.2.1",
        "-----> Installing dependencies using 'pip install -r requirements.txt'",
        "-----> Downloading NLTK corpora...",
        "-----> Downloading NLTK packages: brown",
        "-----> $ python manage.py collectstatic --noinput",
        "-----> Running bin/post_compile hook",
        "-----> Saving cache",
        "Note: pip works well.",
    ]
    .iter()
    .map(|step| log.find(step).unwrap_or_else(|| panic!("no {step:?} in {log}")))
    .collect();
    assert!(places.is_sorted(), "{log}");
    assert!(build.app.dir.join(".profile.d/python.sh").is_file());
}
