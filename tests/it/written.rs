//! What is written and how it looks: the slug's files and their modes, what stays out of it, events, messages.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::slugs::names_of;
use crate::support::{Run, TestApp, flowing, has_program, link_as_it_is, run, skip};

const APP: &[(&str, &str)] =
    &[("requirements.txt", ""), ("Procfile", "web: python3 -m http.server $PORT\n"), ("app.py", "x = 1\n")];

/// Runs the program under a umask.
fn under_umask(app: &TestApp, umask: &str, args: &[&str]) -> Run {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_slugc")]);
    run(command.args(args).env_clear().envs(&app.env).current_dir(&app.out))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

// B14, B27
#[test]
fn a_slug_is_the_same_under_any_umask_and_its_file_is_as_the_user_has_files() {
    let hook = "mkdir -p made && echo 1 > made/open && (umask 077; echo 2 > made/private) && touch static.js\n\
                mkdir -p .heroku/python/lib/extra && echo 3 > .heroku/python/lib/extra/x\n";
    let files = [APP, &[("bin/post_compile", hook)]].concat();
    let mut app = TestApp::new(&files);
    // So that the shared store has a Python.
    app.build(&[]).success();
    let shared = app.store.clone();
    let mut first = None;
    for (umask, mode_of_slug) in [("022", 0o644), ("077", 0o600), ("027", 0o640), ("000", 0o666)] {
        let store = app.out.join(format!("store-{umask}"));
        fs::create_dir_all(store.join("v1/layers")).unwrap();
        let root =
            ["v1", ""].map(|name| shared.join(name)).into_iter().find(|root| root.join("layers").is_dir());
        let runtime = root.unwrap().join("layers/runtime");
        fs::create_dir(store.join("v1/layers/runtime")).unwrap();
        link_as_it_is(&runtime, &store.join("v1/layers/runtime"));
        app.set("SLUGC_CACHE_DIR", store);
        let built =
            under_umask(&app, umask, &["build", app.dir.to_str().unwrap(), "--format", "json"]).success();
        let digest = built.event("finished")["tar_sha256"].clone();
        assert_eq!(*first.get_or_insert(digest.clone()), digest, "umask {umask}");
        for name in ["slug.tgz", "slug.tgz.json"] {
            assert_eq!(mode(&app.out.join(name)), mode_of_slug, "umask {umask}: {name}");
        }
        let outputs: &[(&str, &[&str])] = &[
            ("report.html", &["inspect", "slug.tgz", "--html", "report.html"]),
            ("diff.html", &["diff", "slug.tgz", "slug.tgz", "--html", "diff.html"]),
            ("sbom.json", &["sbom", "slug.tgz", "-o", "sbom.json"]),
            ("buildpack.tgz", &["package", "classic", "-o", "buildpack.tgz"]),
        ];
        for (name, args) in outputs {
            under_umask(&app, umask, args).success();
            assert_eq!(mode(&app.out.join(name)), mode_of_slug, "umask {umask}: {name}");
        }
    }
    // What the app's own program made private stays so.
    let listed = run(Command::new("tar").arg("tvzf").arg(app.slug())).success().stdout;
    let private: Vec<&str> = listed.lines().filter(|line| line.starts_with("-rw-------")).collect();
    assert!(private.len() == 1 && private[0].ends_with("./app/made/private"), "{private:?}");
}

// B14
#[test]
fn a_build_dir_is_for_all_under_a_umask_that_shuts_others_out() {
    let mut app = TestApp::new(APP);
    app.set("STACK", "heroku-24");
    let cache = app.out.join("cache");
    crate::classic::warm_cache(&cache);
    let env_dir = app.out.join("env");
    let dirs = [&app.dir, &cache, &env_dir].map(|path| path.to_str().unwrap());
    under_umask(&app, "077", &[&["classic", "compile"], &dirs[..]].concat()).success();
    for entry in walkdir::WalkDir::new(app.dir.join(".heroku")) {
        let entry = entry.unwrap();
        if entry.file_type().is_symlink() {
            continue;
        }
        let mode = mode(entry.path());
        assert_eq!(mode & 0o044, 0o044, "{:o} {}", mode, entry.path().display());
    }
    assert_eq!(mode(&app.dir.join(".profile.d/python.sh")) & 0o044, 0o044);
}

// B02
#[test]
fn whatever_slugc_wrote_is_no_part_of_the_next_slug() {
    let app = TestApp::new(APP);
    fs::write(app.dir.join("index.html"), "<html></html>").unwrap();
    fs::write(app.dir.join("bom.json"), "{\"bomFormat\": \"CycloneDX\", \"serialNumber\": \"urn:uuid:1\"}")
        .unwrap();
    app.build(&[]).success();
    let inside = |name: &str| app.dir.join(name).to_str().unwrap().to_owned();
    for args in [
        &["inspect", "slug.tgz", "--html", &inside("report")][..],
        &["inspect", "slug.tgz", "--html", &inside("report.html")],
        &["diff", "slug.tgz", "slug.tgz", "--html", &inside("difference.htm")],
        &["sbom", "slug.tgz", "-o", &inside("components.json")],
        &["package", "classic", "-o", &inside("buildpack.tar.gz")],
        &["man", "--dir", &inside("man")],
        &["build", app.dir.to_str().unwrap(), "-o", &inside("old.slug")],
    ] {
        app.run(args).success();
    }
    let built = app.build(&[]).success();
    let listed = names_of(&app.slug());
    for name in [
        "report",
        "report.html",
        "difference.htm",
        "components.json",
        "buildpack.tar.gz",
        "man/slugc.1",
        "old.slug",
    ] {
        assert!(!listed.iter().any(|path| path == &format!("./app/{name}")), "{name} is in {listed:?}");
    }
    for name in ["index.html", "bom.json", "app.py"] {
        assert!(listed.iter().any(|path| path == &format!("./app/{name}")), "{name} isn't in {listed:?}");
    }
    assert!(built.stderr.contains("Left out, as slugc wrote it: buildpack.tar.gz, "), "{}", built.stderr);
}

/// B02: whose slug it is without a manifest isn't known, so it stays, and is told.
#[test]
fn a_slug_without_its_manifest_is_told_before_it_becomes_a_part_of_the_next() {
    let app = TestApp::new(APP);
    app.build(&[]).success();
    fs::copy(app.slug(), app.dir.join("old.tgz")).unwrap();
    for _ in 0..2 {
        let built = app.build(&[]).success();
        assert_eq!(built.stderr.matches("warning[files::slug]").count(), 1, "{}", built.stderr);
        assert!(built.stderr.contains("old.tgz is a slug"), "{}", built.stderr);
    }
    let checked = app.run(&["check", app.dir.to_str().unwrap()]);
    assert!(checked.stdout.contains("warning[files::slug]"), "{}", checked.stdout);
    // Following the advice is enough.
    fs::write(app.dir.join(".slugignore"), "/old.tgz\n").unwrap();
    let built = app.build(&[]).success();
    assert!(!built.stderr.contains("files::slug"), "{}", built.stderr);
    assert!(!names_of(&app.slug()).iter().any(|path| path == "./app/old.tgz"));
}

// B03, T09
#[test]
fn slugignore_post_reaches_everywhere_and_says_what_it_did() {
    let post = "tests/\n*.md\n!keep.md\nno/such/thing\n";
    let files = [
        (".slugignore.post", post),
        ("app/tests/test_a.py", "1"),
        ("tests/test_b.py", "22"),
        ("vendor/.hidden/tests/c", "333"),
        ("docs/a.md", "4444"),
        ("keep.md", "5"),
    ];
    let app = TestApp::new(&[APP, &files].concat());
    let built = app.build(&[]).success();
    let listed = names_of(&app.slug());
    for (name, expected) in [
        ("app/tests/test_a.py", false),
        ("tests", false),
        ("vendor/.hidden/tests/c", false),
        ("docs/a.md", false),
        ("keep.md", true),
        ("app.py", true),
    ] {
        let is_there = listed.iter().any(|path| path.trim_end_matches('/') == format!("./app/{name}"));
        assert_eq!(is_there, expected, "{name}: {listed:?}");
    }
    let said = flowing(&built.stderr);
    assert!(
        said.contains("Line 4 of .slugignore.post matches nothing in the slug: `no/such/thing`"),
        "{said}"
    );
    assert!(
        said.contains(" matching .slugignore.post patterns") && said.contains(" directories and "),
        "{said}"
    );
    let events = app.build(&["--format", "json"]).success().events();
    let warned = events.iter().filter(|event| event["id"] == "slugignore-post::no-match").count();
    assert_eq!(warned, 1);
}

// B04
#[test]
fn a_slug_over_the_limit_comes_with_a_line_that_shows_what_is_in_it() {
    let hook = "mkdir -p 'static files' && head -c 3000000 /dev/urandom > 'static files/big'\n";
    let app = TestApp::new(&[APP, &[("bin/post_compile", hook)]].concat());
    let failed = app.build(&["--max-size", "1M"]).failure("slug::too-large");
    assert!(!failed.stderr.contains("  stage\n"), "{}", failed.stderr);
    assert!(failed.stderr.contains("  static files\n"), "{}", failed.stderr);
    let line = failed.stderr.lines().find(|line| line.contains("slugc build ")).unwrap();
    let line =
        line.trim_start_matches(" !").trim().replace("slugc ", &format!("{} ", env!("CARGO_BIN_EXE_slugc")));
    let mut shell = Command::new("sh");
    run(shell.args(["-c", &line]).env_clear().envs(&app.env).current_dir(&app.out)).success();
    assert!(app.out.join("big.tgz").is_file() && app.out.join("report.html").is_file());
}

// T12
#[test]
fn the_first_event_has_the_schema_and_the_last_says_how_it_ended() {
    let app = TestApp::new(APP);
    let empty = TestApp::new(&[]);
    let hook = TestApp::new(&[APP, &[("bin/post_compile", "echo from the hook\nexit 3\n")]].concat());
    let ignored =
        TestApp::new(&[APP, &[(".slugignore", "nothing\n"), (".slugignore.post", "nothing\n")]].concat());
    let missing = ["--env-file", "none.env"];
    for (app, args, last) in [
        (&app, &[][..], "finished"),
        (&app, &["--refresh"], "finished"),
        (&ignored, &[], "finished"),
        (&empty, &[], "error"),
        (&hook, &[], "error"),
        (&app, &["--max-size", "1K"], "error"),
        (&app, &missing, "error"),
    ] {
        let run = app.build(&[&["--format", "json"], args].concat());
        let events = run.events();
        let names: Vec<&str> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
        assert_eq!((names[0], &events[0]["schema"]), ("started", &1.into()), "{args:?}");
        assert_eq!(names.last(), Some(&last), "{args:?}\n{}", run.stdout);
        assert_eq!(
            names.iter().filter(|name| ["finished", "error", "started"].contains(name)).count(),
            2,
            "{args:?}"
        );
        for event in events.iter().filter(|event| event["event"] == "notice" || event["event"] == "warning") {
            assert!(event["id"].as_str().unwrap().contains("::"), "{event}");
        }
    }
    let events = hook.build(&["--format", "json"]).events();
    let line = events.iter().find(|event| event["text"] == "from the hook").unwrap();
    assert!(line["program"].is_string(), "{line}");
    // C25
    let events = ignored.build(&["--format", "json"]).events();
    let noted = events.iter().find(|event| event["id"] == "slugignore::no-match").unwrap();
    assert_eq!(noted["event"], "notice", "{noted}");
}

// B07, B13
#[test]
fn a_path_that_does_not_exist_is_told_once_and_before_any_work() {
    let app = TestApp::new(APP);
    app.build(&[]).success();
    let dir = app.dir.to_str().unwrap();
    for (args, id) in [
        (&["build", dir, "--env-file", "none.env"][..], "command-line::no-such-path"),
        (&["build", dir, "--env-dir", "none"], "command-line::no-such-path"),
        (&["check", dir, "--env-file", "none.env"], "command-line::no-such-path"),
        (&["check", "slug.tgz", "--static", "--env-dir", "none"], "command-line::no-such-path"),
        (&["run", "slug.tgz", "--env-file", "none.env", "--", "true"], "command-line::no-such-path"),
        (&["build", "none"], "source::not-a-directory"),
        (&["plan", "none"], "source::not-a-directory"),
        (&["check", "none"], "source::not-a-directory"),
    ] {
        let failed = app.run(args);
        assert_eq!(failed.code, Some(2), "{args:?}\n{}", failed.stderr);
        let failed = failed.failure(id);
        assert_eq!(failed.stderr.matches("doesn't exist").count(), 1, "{}", failed.stderr);
        for word in ["No such file", "Caused by", "disk space", "isn't a directory"] {
            assert!(!failed.stderr.contains(word), "{args:?}\n{}", failed.stderr);
        }
    }
    for (args, expected) in [
        (&["build", dir, "--env-file", dir][..], "is a directory, and not a file"),
        (&["check", "slug.tgz", "--static", "--env-file", dir], "is a directory, and not a file"),
        (&["run", "slug.tgz", "--env-dir", "slug.tgz", "--", "true"], "is a file, and not a directory"),
        (&["build", dir, "--env-dir", "slug.tgz"], "is a file, and not a directory"),
    ] {
        let failed = app.run(args).failure("command-line::no-such-path");
        assert_eq!(failed.code, Some(2), "{args:?}\n{}", failed.stderr);
        assert!(flowing(&failed.stderr).contains(expected), "{args:?}\n{}", failed.stderr);
    }
    // What can only be a directory isn't where a slug goes, however late that would be found out.
    let failed = app.build(&["-o", "none/"]).failure("slug::output-not-writable");
    assert!(!failed.stderr.contains(".json"), "{}", failed.stderr);
}

// T06
#[test]
fn a_line_to_paste_is_quoted_for_a_shell() {
    let app = TestApp::new(APP);
    for name in ["plain.tgz", "out dir ü.tgz", "it's.tgz", "a;b.tgz"] {
        let built = app.build(&["-o", name]).success();
        let line = built.stderr.lines().find_map(|line| line.trim().strip_prefix("To run it: ")).unwrap();
        let script = format!("slugc() {{ printf %s \"$2\"; }}; {line}");
        let shown = run(Command::new("sh").args(["-c", &script])).success().stdout;
        assert_eq!(shown, name, "{line}");
    }
}

// B27
#[test]
fn who_pushes_is_not_told_a_path_of_the_server() {
    if !has_program("git") {
        skip("there is no git");
        return;
    }
    let app = TestApp::new(APP);
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        let name = ["-c", "user.name=a", "-c", "user.email=a@b.test"];
        run(command.args(name).args(args).env_clear().envs(&app.env).current_dir(&app.dir)).success()
    };
    git(&["init", "--quiet"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "x"]);
    let server = app.out.join("server.git");
    git(&["init", "--quiet", "--bare", server.to_str().unwrap()]);
    let slug = app.out.join("pushed.tgz");
    let slugc = env!("CARGO_BIN_EXE_slugc");
    // The last one is a hook of the user's own repository.
    for (dir, hook, reads) in [
        (&server, "hooks/pre-receive", "read old new ref; "),
        (&server, "hooks/post-receive", "read old new ref; "),
        (&server, "hooks/update", "new=$3; "),
        (&app.dir, ".git/hooks/pre-push", "read ref new rest; "),
    ] {
        let path = dir.join(hook);
        let script = format!("#!/bin/sh\n{reads}exec {slugc} build . --commit $new -o {}\n", slug.display());
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        git(&["commit", "--quiet", "--allow-empty", "-m", hook]);
        let said = git(&["push", server.to_str().unwrap(), "HEAD:refs/heads/main"]);
        let said = format!("{}{}", said.stdout, said.stderr);
        assert!(slug.exists() && said.contains("SHA256:"), "{hook}: {said}");
        assert_eq!(said.contains("To run it: "), dir == &app.dir, "{hook}: {said}");
        fs::remove_file(path).unwrap();
        fs::remove_file(&slug).unwrap();
        fs::remove_file(slug.with_extension("tgz.json")).unwrap();
    }
}
