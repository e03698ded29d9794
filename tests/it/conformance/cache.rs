//! Why a cache isn't used, what is in it, and the environment's rules that need more than a look.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::Check::{Elsewhere, Runs};
use super::Section::{Cache, Environment, Hooks, Nltk, Output};
use super::world::{Build, World, unwrapped};
use super::{Row, row};
use crate::support::{read_document, write_document};

pub(super) const ROWS: &[Row] = &[
    row(
        Cache,
        "All reasons to discard are told, in this order: the stack, the Python version, the tool's version, the contents of requirements.txt.",
        Runs(every_reason_is_told),
    ),
    row(
        Cache,
        "Another package manager is told before its tool's version and its files, and instead of them.",
        Runs(another_manager_is_told),
    ),
    row(
        Cache,
        "The contents of Pipfile.lock are a reason.",
        Runs(|world| {
            let Some(build) = world.ready(&[("Pipfile.lock", super::detection::PIPFILE_LOCK)]) else { return };
            build.compile().success();
            build.clean();
            build.write("Pipfile.lock", super::detection::PIPFILE_LOCK.replace("\"x\"", "\"y\""));
            let log = build.compile().success().stdout;
            assert!(log.contains("       - The contents of Pipfile.lock changed\n"), "{log}");
        }),
    ),
    row(
        Cache,
        "Those of poetry.lock and uv.lock aren't: their tools take away what left the lock.",
        Runs(|world| {
            let lock = super::detection::UV_LOCK;
            let files = [("uv.lock", lock), ("pyproject.toml", super::detection::PYPROJECT)];
            let Some(build) = world.ready(&files) else { return };
            build.compile().success();
            build.clean();
            build.write("uv.lock", format!("{lock}\n"));
            let log = build.compile().success().stdout;
            assert!(log.contains("       - The contents of uv.lock changed\n"), "{log}");
            assert!(!log.contains("Copying Python"), "{log}");
        }),
    )
    .differs("they are told as a reason, too; Python and the tool stay."),
    row(
        Cache,
        "A cache of another format is told as such, and thrown away.",
        Elsewhere("classic_cache::a_cache_with_anything_in_it_is_no_obstacle"),
    ),
    row(
        Cache,
        "Headers of SQLite from an old cache are a reason.",
        Runs(old_caches_are_cleared),
    )
    .differs("whatever an old cache holds goes with the first good build."),
    row(
        Cache,
        "A cache that is in order is told by one line; what a damaged one leads to isn't defined.",
        Elsewhere("classic_cache::a_damaged_layer_is_found_and_made_anew"),
    )
    .differs("each file is compared with its checksum; a damaged layer is told as a reason and rebuilt."),
    row(
        Cache,
        "A cache that comes out of an archive without its hard links is as good.",
        Elsewhere("classic_cache::a_cache_that_went_through_a_tar_file_without_its_hard_links_is_as_good"),
    ),
    row(
        Cache,
        "No path of the build directory is in the cache.",
        Elsewhere("classic_cache::the_build_directory_is_nowhere_in_the_cache"),
    ),
    row(
        Cache,
        "A package that is no longer required is gone after the next build.",
        Runs(what_left_is_gone),
    ),
    row(
        Cache,
        "A cache directory that can't be written fails the build.",
        Runs(|world| {
            if !crate::support::can_unshare() {
                return crate::support::skip("user namespaces aren't allowed");
            }
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            let script = "mount --bind \"$2\" \"$2\" && mount -o remount,bind,ro \"$2\" && exec \"$0\" classic compile \"$1\" \"$2\"";
            let mut command = Command::new("unshare");
            command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_slugc")]);
            command.arg(&build.app.dir).arg(&build.cache).env_clear().envs(&build.app.env);
            let run = crate::support::run(&mut command).failure("file-system::failed");
            assert!(run.stdout.contains("Read-only file system"), "{}", run.stdout);
            assert!(!build.app.dir.join(".heroku").exists());
        }),
    ),
    row(
        Hooks,
        "What `bin/post_compile` writes below `.heroku/python` is in the cache of the next build.",
        Elsewhere("classic_steps::what_a_hook_installs_and_edits_works_where_the_app_runs"),
    )
    .differs("the next build begins with what is locked, and the hook runs again: nothing stale stays."),
    row(
        Hooks,
        "Scripts that a hook installs name the build directory, and a source that it edits has its old bytecode.",
        Elsewhere("classic_steps::what_a_hook_installs_and_edits_works_where_the_app_runs"),
    )
    .differs("they are treated as installed packages are, so that they work where the app runs."),
    row(
        Hooks,
        "Nobody tells of a file that holds the path of the build directory.",
        Elsewhere("classic_steps::a_path_of_the_build_in_a_file_is_told"),
    )
    .differs("a warning does."),
    row(
        Hooks,
        "`bin/pre_compile` may put a Python version into the cache directory.",
        Runs(|_| {
            let hook = "mkdir -p \"$CACHE_DIR/.heroku\"; echo python-3.9.1 > \"$CACHE_DIR/.heroku/python-version\"\n";
            let build = Build::new(&[("requirements.txt", ""), ("bin/pre_compile", hook)]);
            let run = build.compile().failure("python-version::eol");
            assert!(unwrapped(&run.stdout).contains("The last build used Python 3.9"), "{}", run.stdout);
        }),
    ),
    row(
        Hooks,
        "A config var may be named BUILD_DIR or the like: the hook sees it, and the build isn't disturbed.",
        Runs(|_| {
            let build = Build::new(&[("app.py", ""), ("bin/pre_compile", "echo \"<$BUILD_DIR>\"\n")]);
            build.config_var("BUILD_DIR", "/elsewhere");
            let text = build.compile().failure("package-manager::none-found").stdout;
            assert!(text.contains("       </elsewhere>\n"), "{text}");
        }),
    ),
    row(
        Hooks,
        "The variables WHITELIST and BLACKLIST change which config vars it sees.",
        Runs(|_| {
            let mut build = Build::new(&[("app.py", ""), ("bin/pre_compile", "echo \"<$MINE>\"\n")]);
            build.app.set("BLACKLIST", "MINE");
            build.config_var("MINE", "1");
            let text = build.compile().failure("package-manager::none-found").stdout;
            assert!(text.contains("       <1>\n"), "{text}");
        }),
    )
    .differs("they don't."),
    row(
        Nltk,
        "With `nltk.txt`, its packages are downloaded into `.heroku/python/nltk_data`, and NLTK_DATA names that at run time.",
        Elsewhere("classic_steps::corpora_are_downloaded_once_and_nothing_stale_stays"),
    ),
    row(
        Nltk,
        "They are in the cache; each build asks NLTK's server for newer ones, and none ever leaves.",
        Elsewhere("classic_steps::corpora_are_downloaded_once_and_nothing_stale_stays"),
    )
    .differs("the same list for the same NLTK isn't asked for again, and another list begins with nothing."),
    row(
        Nltk,
        "Each line of `nltk.txt` is one name, blank lines and comments too.",
        Elsewhere("classic_steps::corpora_are_downloaded_once_and_nothing_stale_stays"),
    )
    .differs("blank lines and comments are skipped."),
    row(
        Environment,
        "At boot, the files in `.profile.d` are WEB_CONCURRENCY.sh, python.gunicorn.sh and python.sh, in this order.",
        Runs(|world| {
            let Some(build) = world.built() else { return };
            let run = build.on_a_dyno(&[], "ls .profile.d").success();
            assert_eq!(run.stdout, "WEB_CONCURRENCY.sh\npython.gunicorn.sh\npython.sh\n");
        }),
    ),
    row(
        Environment,
        "Pipenv apps get PIPENV_SYSTEM, PIPENV_VERBOSITY and VIRTUAL_ENV, and Python's programs come before Pipenv's on PATH.",
        Runs(|world| {
            let Some(build) = world.ready(&[("Pipfile.lock", super::detection::PIPFILE_LOCK)]) else { return };
            build.compile().success();
            let script = "echo \"$PIPENV_SYSTEM $PIPENV_VERBOSITY $VIRTUAL_ENV $PATH\"";
            let run = build.on_a_dyno(&[("HOME", "/h")], script).success();
            let python = "/h/.heroku/python";
            assert_eq!(run.stdout, format!("1 -1 {python} {python}/bin:{python}/pipenv/bin:/usr/bin:/bin\n"));
        }),
    ),
    row(
        Environment,
        "DYNO_RAM is the limit of memory in MB, and WEB_CONCURRENCY what fits into it or keeps the cores busy: 2 for 512 MB and 8 cores, 17 for 14336 MB and 8 cores.",
        Runs(|world| workers_fit(world, "memory/memory.limit_in_bytes")),
    ),
    row(
        Environment,
        "Limits of control groups of version 2 aren't seen.",
        Runs(|world| workers_fit(world, "memory.max")),
    )
    .differs("they are: `memory.max` and `cpu.max`."),
    row(
        Output,
        "uv's output is in colour.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            assert!(!build.compile().success().stdout.contains('\u{1b}'));
        }),
    )
    .differs("the log has colours on a terminal only."),
];

/// Changes what the last build has noted about itself.
fn edit_facts(build: &Build, edit: impl Fn(&mut serde_json::Value)) {
    let file = build.cache.join(".slugc/v1/documents/classic/app.json");
    let mut facts: serde_json::Value = read_document(&file);
    edit(&mut facts);
    // The cache may be linked to that of other tests.
    fs::remove_file(&file).unwrap();
    write_document(&file, &facts);
}

fn reasons(log: &str) -> Vec<&str> {
    let after = log.split("-----> Discarding cache since:\n").nth(1).unwrap_or_default();
    after.lines().map_while(|line| line.strip_prefix("       - ")).collect()
}

fn every_reason_is_told(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
    edit_facts(&build, |facts| {
        facts["stack"] = "heroku-22".into();
        facts["python_version"] = "3.12.0".into();
        facts["tool_version"] = "25.0".into();
        facts["files"]["requirements.txt"] = "x".into();
    });
    let log = build.compile().success().stdout;
    let python = build.report()["python_version"].as_str().unwrap().to_owned();
    assert_eq!(
        reasons(&log),
        [
            "The stack has changed from heroku-22 to heroku-24",
            &format!("The Python version has changed from 3.12.0 to {python}"),
            "The pip version has changed from 25.0 to 26.2.1",
            "The contents of requirements.txt changed",
        ],
        "{log}"
    );
    assert_eq!(build.report()["cache_status"], "discarded");
}

fn another_manager_is_told(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
    edit_facts(&build, |facts| {
        facts["package_manager"] = "uv".into();
        facts["tool_version"] = "0.1".into();
        facts["files"] = serde_json::json!({"uv.lock": "x"});
    });
    let log = build.compile().success().stdout;
    assert_eq!(reasons(&log), ["The package manager has changed from uv to pip"], "{log}");
}

fn old_caches_are_cleared(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
    fs::create_dir_all(build.cache.join("build-data")).unwrap();
    for name in
        [".heroku/python/include", ".heroku/src", ".heroku/vendor", ".heroku/python-uv", ".heroku/mine"]
    {
        fs::create_dir_all(build.cache.join(name)).unwrap();
    }
    for name in
        [".heroku/python/include/sqlite3.h", ".heroku/python-sqlite3-version", "build-data/python-prev"]
    {
        fs::write(build.cache.join(name), "").unwrap();
    }
    build.compile().success();
    let left = |dir: &str| {
        let mut names: Vec<_> = fs::read_dir(build.cache.join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(left(".heroku"), "mine");
    assert_eq!(left("build-data"), "python-prev.json python.json");
}

fn what_left_is_gone(world: &World) {
    let Some(build) = super::steps::with_package(world, "leaving", &[]) else { return };
    let import = "python -c 'import leaving' 2>&1 | tail -1";
    build.compile().success();
    assert_eq!(build.on_a_dyno(&[], import).stdout, "");
    build.clean();
    // The fake installer installs only what it is asked for.
    let uv = build.app.out.join("uv");
    fs::write(&uv, "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; fi\n").unwrap();
    build.write("requirements.txt", "other\n");
    build.compile().success();
    assert_eq!(build.on_a_dyno(&[], import).stdout, "ModuleNotFoundError: No module named 'leaving'\n");
}

fn workers_fit(world: &World, limit: &str) {
    let Some(build) = world.built() else { return };
    let script = fs::read_to_string(build.app.dir.join(".profile.d/WEB_CONCURRENCY.sh")).unwrap();
    let dir = build.app.out.join("machine");
    let groups = dir.join("cgroup");
    let _ = fs::remove_dir_all(&groups);
    fs::create_dir_all(groups.join(limit).parent().unwrap()).unwrap();
    let script = script.replace("/sys/fs/cgroup", groups.to_str().unwrap());
    let nproc = |cores: &str| {
        fs::write(dir.join("nproc"), format!("#!/bin/sh\necho {cores}\n")).unwrap();
        fs::set_permissions(dir.join("nproc"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    for (megabytes, cores, workers) in [
        (512_u64, "8", "2"),
        (1024, "8", "4"),
        (2560, "2", "5"),
        (14336, "8", "17"),
        (30720, "4", "9"),
        (63488, "8", "17"),
        (129_024, "16", "33"),
    ] {
        fs::write(groups.join(limit), format!("{}\n", megabytes * 1_048_576)).unwrap();
        nproc(cores);
        let path = format!("{}:/usr/bin:/bin", dir.display());
        let found = sourced(&script, &path);
        assert_eq!(found, format!("{megabytes} {workers} heroku/python\n"), "{megabytes} MB, {cores} cores");
    }
}

fn sourced(script: &str, path: &str) -> String {
    let mut command = Command::new("bash");
    command.arg("-euc").arg(format!("{script}\necho \"$DYNO_RAM $WEB_CONCURRENCY $WEB_CONCURRENCY_SET_BY\""));
    command.env_clear().env("PATH", path).current_dir(Path::new("/"));
    crate::support::run(&mut command).success().stdout
}
