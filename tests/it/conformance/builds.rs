//! What a build keeps for the next one, and the environment that it leaves.

use std::fs;
use std::path::Path;

use super::Check::{Elsewhere, Runs};
use super::Section::{Cache, Environment};
use super::world::{Build, World};
use super::{Row, row};

pub(super) const ROWS: &[Row] = &[
    row(Cache, "A cache directory that doesn't exist is made.", Runs(|_| {
        let mut build = Build::new(&[("requirements.txt", "")]);
        build.cache = build.app.out.join("not/there/yet");
        build.hide_pythons();
        build.compile().failure("install-python");
        assert!(build.cache.is_dir());
    })),
    row(Cache, "A second build of the same app takes Python from the cache.", Runs(|world| {
        let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
        build.compile().success();
        build.clean();
        let again = build.compile().success();
        assert!(!again.stdout.contains("Copying Python") && !again.stdout.contains("Installing"), "{}", again.stdout);
    })),
    row(Cache, "The path of the build directory may change with each build.", Runs(|world| {
        let Some(mut build) = world.ready(&[("requirements.txt", "")]) else { return };
        build.compile().success();
        build.clean();
        let moved = build.app.out.join("build_0123456789");
        fs::rename(&build.app.dir, &moved).unwrap();
        build.app.dir = moved;
        let again = build.compile().success();
        assert!(!again.stdout.contains("Installing"), "{}", again.stdout);
    })),
    row(
        Cache,
        "A build that fails after the cache was restored has used it up: the next one begins cold.",
        Runs(a_failed_build_leaves_the_cache),
    )
    .differs("a failed build neither uses up nor spoils the cache."),
    row(
        Cache,
        "Any reason to discard throws everything away: Python, tool and packages.",
        Runs(a_new_requirement_keeps_python),
    )
    .differs("Python, pip and packages are kept apart, and only what a change concerns is rebuilt."),
    row(
        Cache,
        "Files that requirements.txt includes by `-r` or `-c` don't count: what is taken out of them stays installed.",
        Runs(nested_files_count),
    )
    .differs("they count."),
    row(
        Cache,
        "The cached Python is hard-linked into the build: what a later buildpack edits in place changes the cache.",
        Runs(edits_in_place_do_not_stay_in_the_cache),
    )
    .differs("what was edited in place is found by its checksum at the next build and rebuilt; with a `bin/post_compile`, files are copied."),
    row(
        Environment,
        "`.profile.d/python.sh` sets PATH, PYTHONUNBUFFERED, PYTHONHOME, LIBRARY_PATH, LD_LIBRARY_PATH, LANG, PYTHONPATH and pip's switch, from $HOME at run time.",
        Runs(the_profile_sets),
    ),
    row(
        Environment,
        "LANG and PYTHONPATH are defaults: a config var stays, an empty one doesn't count.",
        Runs(defaults_stay_defaults),
    ),
    row(
        Environment,
        "An old LIBRARY_PATH or LD_LIBRARY_PATH follows after a colon; without one there is no colon.",
        Runs(library_paths_are_prepended),
    ),
    row(Environment, "A `.profile.d/python.sh` of the app is kept and extended.", Runs(|world| {
        let files = [("requirements.txt", ""), (".profile.d/python.sh", "export MINE=1")];
        let Some(build) = world.ready(&files) else { return };
        build.compile().success();
        let run = build.on_a_dyno(&[], "echo $MINE $PYTHONUNBUFFERED").success();
        assert_eq!(run.stdout, "1 true\n");
    })),
    row(Environment, "Profile scripts don't fail in a shell that stops at errors and unset variables.", Runs(|world| {
        let Some(build) = world.built() else { return };
        let mut command = std::process::Command::new("bash");
        command.args(["-euc", "for file in .profile.d/*.sh; do . \"$file\"; done; echo done"]);
        let command = command.env_clear().env("HOME", &build.app.dir).env("PATH", "/usr/bin:/bin");
        let run = crate::support::run(command.current_dir(&build.app.dir));
        assert_eq!(run.success().stdout, "done\n");
    })),
    row(
        Environment,
        "`python.gunicorn.sh` sets FORWARDED_ALLOW_IPS, and GUNICORN_CMD_ARGS unless there is a value.",
        Runs(gunicorn),
    )
    .differs("FORWARDED_ALLOW_IPS has its value unless there is one, too."),
    row(
        Environment,
        "`WEB_CONCURRENCY.sh` leaves a WEB_CONCURRENCY alone that is set, and says so in web dynos only.",
        Runs(web_concurrency_is_left_alone),
    ),
    row(
        Environment,
        "`export` in the buildpack's directory gives later buildpacks the same, for /app.",
        Runs(the_export),
    )
    .differs("with the real path of the build directory, since there is no link below /app during the build."),
    row(
        Environment,
        "`export` grows when the buildpack's directory is used for two builds.",
        Runs(the_export_is_replaced),
    )
    .differs("it is rewritten, and left out where the buildpack's directory can't be written."),
    row(
        Environment,
        "During the build, `/app/.heroku/python` is a link to the build's Python.",
        Runs(nothing_outside_the_build_directory),
    )
    .differs("nothing is written outside of the build and cache directories, and nothing needs that path."),
    row(
        Environment,
        "At run time it is a link, too, where HOME isn't /app.",
        Runs(|world| {
            let Some(build) = world.built() else { return };
            let text = fs::read_to_string(build.app.dir.join(".profile.d/python.sh")).unwrap();
            assert!(text.contains("/app/.heroku/python"), "{text}");
        }),
    ),
    row(
        Environment,
        "Paths of editable installs are rewritten at each start of a dyno.",
        Elsewhere("flask::local_and_editable_requirements_work_where_the_slug_runs"),
    )
    .differs("they are relative from the build on, so that the app runs anywhere and nothing is left to do at boot."),
    row(
        Environment,
        "Installers get the config var PIP_EXTRA_INDEX_URL and no other.",
        Runs(config_vars_for_installers),
    )
    .differs("they get those that are meant for them: pip's and uv's settings, credentials of indexes, and what requirements name by `${NAME}`."),
    row(
        Environment,
        "A config var whose name no shell would take breaks the build.",
        Runs(|world| {
            let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
            build.config_var("A-B", "1");
            build.config_var("has space", "1");
            build.compile().success();
        }),
    )
    .differs("it is skipped."),
    row(Environment, "ENV_DIR may be left out or be missing.", Runs(|world| {
        let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
        fs::remove_dir(&build.env_dir).unwrap();
        build.compile().success();
        build.clean();
        build.door("compile", &[&build.app.dir, &build.cache]).success();
    })),
    row(Environment, "Relative paths on the command line count from the working directory, which is any.", Runs(|_| {
        let build = Build::new(&[("requirements.txt", "")]);
        let found = build.door("detect", &[Path::new(".").join(build.app.dir.strip_prefix("/").unwrap()).as_path()]);
        assert_eq!(found.stdout, "Python\n");
    })),
    row(
        Environment,
        "Nothing in the app lists what was installed.",
        Elsewhere("inspect::the_classic_buildpack_writes_the_same_list"),
    )
    .differs("the list of components (SBOM) is in `.heroku/sbom.cdx.json`, as in the slugs of `slugc build`."),
];

fn a_failed_build_leaves_the_cache(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
    build.compile().success();
    build.clean();
    build.write("requirements.txt", "-r missing.txt\n");
    build.compile().failure("requirements::file-not-found");
    build.clean();
    build.write("requirements.txt", "");
    let again = build.compile().success();
    assert!(
        !again.stdout.contains("Copying Python") && !again.stdout.contains("Installing"),
        "{}",
        again.stdout
    );
}

fn a_new_requirement_keeps_python(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
    build.compile().success();
    build.clean();
    build.write("requirements.txt", "flask==3.1.0\n");
    let again = build.compile().success();
    assert!(again.stdout.contains("Installing dependencies"), "{}", again.stdout);
    for kept in ["Copying Python", "Installing pip", "Installing Python"] {
        assert!(!again.stdout.contains(kept), "{}", again.stdout);
    }
}

fn nested_files_count(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "-r more.txt\n"), ("more.txt", "flask\n")]) else {
        return;
    };
    build.compile().success();
    build.clean();
    build.write("more.txt", "");
    let again = build.compile().success();
    assert!(again.stdout.contains("Installing dependencies"), "{}", again.stdout);
}

fn edits_in_place_do_not_stay_in_the_cache(world: &World) {
    use std::os::unix::fs::MetadataExt;
    const EDIT: &str =
        "for file in \"$1\"/.heroku/python/lib/python3.*/this.py; do echo spoilt >> $file; done";
    let Some(mut build) = world.ready(&[("requirements.txt", "")]) else { return };
    // The files of the one it has are those of other tests.
    let own = build.app.out.join("own cache");
    fs::create_dir(&own).unwrap();
    crate::support::copy_as_it_is(&build.cache, &own);
    build.cache = own;
    let this = |build: &Build| {
        let lib = fs::read_dir(build.app.dir.join(".heroku/python/lib")).unwrap().map(Result::unwrap);
        lib.map(|dir| dir.path().join("this.py")).find(|path| path.is_file()).unwrap()
    };
    let compile = |build: &Build| {
        build.clean();
        build.compile().success().stdout
    };
    compile(&build);
    assert!(fs::metadata(this(&build)).unwrap().nlink() > 1, "it was copied");
    // As a later buildpack would, in the file that the cache has, too.
    let edit = |build: &Build| {
        let mut command = std::process::Command::new("sh");
        crate::support::run(command.args(["-c", EDIT, "sh"]).arg(&build.app.dir)).success();
    };
    edit(&build);
    let again = compile(&build);
    assert!(again.contains("- The cached Python is damaged"), "{again}");
    assert!(!fs::read_to_string(this(&build)).unwrap().contains("spoilt"));
    let again = compile(&build);
    assert!(again.contains("Restoring cache"), "{again}");

    // What the app itself edits, each time, is never the cache's.
    build.write("bin/post_compile", format!("set -- .\n{EDIT}\n"));
    for _ in 0..2 {
        let log = compile(&build);
        assert!(log.contains("Restoring cache"), "{log}");
        assert!(fs::read_to_string(this(&build)).unwrap().ends_with("spoilt\n"));
    }
}

fn the_profile_sets(world: &World) {
    let Some(build) = world.built() else { return };
    // Another place than that of the build.
    let run = build.on_a_dyno(
        &[("HOME", "/elsewhere"), ("PATH", "/usr/bin:/bin")],
        "echo \"${PATH%%:*} $PYTHONUNBUFFERED $PYTHONHOME $LIBRARY_PATH $LD_LIBRARY_PATH $LANG $PYTHONPATH $PIP_DISABLE_PIP_VERSION_CHECK\"",
    );
    let python = "/elsewhere/.heroku/python";
    assert_eq!(
        run.success().stdout,
        format!("{python}/bin true {python} {python}/lib {python}/lib en_US.UTF-8 /elsewhere 1\n")
    );
}

fn defaults_stay_defaults(world: &World) {
    let Some(build) = world.built() else { return };
    for (value, lang, path) in [("", "en_US.UTF-8", build.app.dir.to_str().unwrap()), ("C", "C", "C")] {
        let run = build.on_a_dyno(&[("LANG", value), ("PYTHONPATH", value)], "echo $LANG $PYTHONPATH");
        assert_eq!(run.success().stdout, format!("{lang} {path}\n"));
    }
}

fn library_paths_are_prepended(world: &World) {
    let Some(build) = world.built() else { return };
    let lib = build.app.dir.join(".heroku/python/lib");
    for (old, after) in [("", ""), ("/opt/lib", ":/opt/lib")] {
        let script = "echo $LIBRARY_PATH $LD_LIBRARY_PATH";
        let run = build.on_a_dyno(&[("LIBRARY_PATH", old), ("LD_LIBRARY_PATH", old)], script);
        let expected = format!("{}{after}", lib.display());
        assert_eq!(run.success().stdout, format!("{expected} {expected}\n"));
    }
}

fn gunicorn(world: &World) {
    let Some(build) = world.built() else { return };
    let script = "echo \"$FORWARDED_ALLOW_IPS\" $GUNICORN_CMD_ARGS";
    assert_eq!(build.on_a_dyno(&[], script).success().stdout, "* --access-logfile -\n");
    let set = build.on_a_dyno(&[("GUNICORN_CMD_ARGS", "--workers 2")], script).success();
    assert_eq!(set.stdout, "* --workers 2\n");
    // B21
    let set = build.on_a_dyno(&[("FORWARDED_ALLOW_IPS", "10.0.0.1")], script).success();
    assert_eq!(set.stdout, "10.0.0.1 --access-logfile -\n");
}

fn web_concurrency_is_left_alone(world: &World) {
    let Some(build) = world.built() else { return };
    assert!(build.app.dir.join(".profile.d/WEB_CONCURRENCY.sh").is_file());
    let script = "echo \"<$WEB_CONCURRENCY>\"";
    let web = build.on_a_dyno(&[("WEB_CONCURRENCY", "7"), ("DYNO", "web.1")], script).success();
    assert_eq!(web.stdout, "<7>\n");
    let worker = build.on_a_dyno(&[("WEB_CONCURRENCY", "7"), ("DYNO", "worker.1")], script).success();
    assert_eq!((worker.stdout.as_str(), worker.stderr.as_str()), ("<7>\n", ""));
}

fn the_export(world: &World) {
    let Some(build) = world.built() else { return };
    let script =
        ". \"$0\"; echo \"${PATH%%:*} $PYTHONHOME $PYTHONPATH $PYTHONUNBUFFERED $LD_LIBRARY_PATH $LANG\"";
    let mut command = std::process::Command::new("bash");
    command.args(["-c", script]).arg(build.buildpack.join("export")).env_clear().env("PATH", "/usr/bin:/bin");
    let home = build.app.dir.display();
    let python = format!("{home}/.heroku/python");
    let expected = format!("{python}/bin {python} {home} true {python}/lib en_US.UTF-8\n");
    assert_eq!(crate::support::run(&mut command).success().stdout, expected);
}

fn the_export_is_replaced(world: &World) {
    let Some(mut build) = world.ready(&[("requirements.txt", "")]) else { return };
    let export = |build: &Build| fs::read(build.buildpack.join("export"));
    build.compile().success();
    let first = export(&build).unwrap();
    build.clean();
    build.compile().success();
    assert!(export(&build).unwrap() == first);
    build.clean();
    build.buildpack = build.app.out.join("no-such-buildpack");
    build.app.set("SLUGC_BUILDPACK_DIR", build.buildpack.clone());
    build.compile().success();
}

fn nothing_outside_the_build_directory(world: &World) {
    let Some(build) = world.ready(&[("requirements.txt", "")]) else { return };
    build.compile().success();
    // Another test's app may have been booted meanwhile, which makes a link of its own.
    let link = fs::read_link("/app/.heroku/python").ok();
    assert_ne!(link, Some(build.app.dir.join(".heroku/python")));
}

fn config_vars_for_installers(world: &World) {
    let Some(mut build) = world.ready(&[("requirements.txt", "flask\n")]) else { return };
    let log = build.app.out.join("uv.log");
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.12.5'; else {{ echo \"$@\"; env; }} >>'{}'; fi\n",
        log.display()
    );
    let uv = build.app.out.join("uv");
    fs::write(&uv, script).unwrap();
    fs::set_permissions(&uv, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    build.app.set("SLUGC_UV", uv);
    build.config_var("PIP_EXTRA_INDEX_URL", "https://packages.invalid/simple");
    build.config_var("SECRET_KEY", "not-for-installers");
    build.compile().success();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("packages.invalid"), "{log}");
    assert!(!log.contains("not-for-installers"), "{log}");
}
