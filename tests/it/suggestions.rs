//! What is said of an app without a Procfile, and of what it asks of other buildpacks: the same by every command.

use std::fs;

use crate::steps::install;
use crate::support::{TestApp, run};

/// Takes the margins and line breaks of a box away.
fn flat(text: &str) -> String {
    text.lines().map(|line| line.trim_start_matches(" !").trim()).collect::<Vec<_>>().join(" ")
}

// C18, B24
#[test]
fn plan_check_build_and_run_suggest_the_same_line() {
    const FASTAPI: &str = "from fastapi import FastAPI\n\napi = FastAPI()\n";
    let manage = "import os\nfrom django.core.management import execute_from_command_line\n";
    for (files, line, add) in [
        (&[("main.py", FASTAPI)][..], "web: uvicorn main:api --host 0.0.0.0 --port $PORT", "`uvicorn`"),
        (
            &[("manage.py", manage), ("shop/wsgi.py", "application = get_wsgi_application()\n")],
            "web: gunicorn shop.wsgi",
            "`gunicorn`",
        ),
        (
            &[("hello.py", "from flask import Flask\nsite = Flask(__name__)\n")],
            "web: gunicorn hello:site",
            "`gunicorn`",
        ),
        (&[("bot.py", "import time\nwhile True:\n    time.sleep(1)\nmain()\n")], "worker: python bot.py", ""),
    ] {
        let mut app = TestApp::new(&[&[("requirements.txt", "")], files].concat());
        fs::write(app.dir.join("unique.txt"), app.dir.to_str().unwrap()).unwrap();
        install(&mut app, &[]);
        app.set("DISABLE_COLLECTSTATIC", "1");
        let dir = app.dir.to_str().unwrap().to_owned();
        let plan = flat(&app.run(&["plan", &dir]).success().stdout);
        let checked = app.run(&["check", &dir]);
        assert_eq!(checked.code, Some(0), "a warning");
        let build = app.build(&[]).success();
        assert!(!build.stderr.contains("To run it"), "{}", build.stderr);
        let ran = app.run(&["run", "slug.tgz"]).failure("run::no-such-process-type");
        for (command, text) in [
            ("plan", plan),
            ("check", flat(&checked.stdout)),
            ("build", flat(&build.stderr)),
            ("run", flat(&ran.stderr)),
        ] {
            assert!(text.contains(line) && text.contains(add), "{command}: {line} {add}: {text}");
            assert_eq!(text.matches(line).count(), 1, "{command}: {text}");
        }
        // What is advised helps.
        fs::write(app.dir.join("Procfile"), format!("{line}\n")).unwrap();
        let build = app.build(&[]).success();
        let name = line.split(':').next().unwrap();
        let expected = if name == "web" { "slug.tgz\n" } else { "slug.tgz worker\n" };
        assert!(build.stderr.contains(&format!("To run it: slugc run {expected}")), "{}", build.stderr);
    }
}

#[test]
fn what_is_asked_of_other_buildpacks_is_told_where_they_are_not_run() {
    for (name, text, id) in [
        (".buildpacks", "https://github.com/heroku/heroku-buildpack-nodejs\n", "buildpack::ignored"),
        (
            "app.json",
            r#"{"buildpacks": [{"url": "heroku/nodejs"}, {"url": "heroku/python"}]}"#,
            "buildpack::ignored",
        ),
        ("Aptfile", "libpq-dev\n", "apt::not-in-list"),
        ("package.json", r#"{"scripts": {"build": "vite build"}}"#, "buildpack::assets-not-built"),
        ("heroku.yml", "build:\n  docker:\n    web: Dockerfile\n", "heroku-yml::ignored"),
    ] {
        let app = TestApp::new(&[("requirements.txt", ""), ("Procfile", "web: true\n"), (name, text)]);
        let dir = app.dir.to_str().unwrap();
        let plan = app.run(&["plan", dir]).success().stdout;
        assert!(plan.contains(id), "{name}: {plan}");
        let checked = app.run(&["check", dir]).stdout;
        assert!(checked.contains(id), "{name}: {checked}");
        let build = app.build(&["--format", "json"]).success();
        let told = build.events().into_iter().filter(|event| event["id"] == id).count();
        assert_eq!(told, 1, "{name}: {}", build.stdout);
        // A platform runs the others itself.
        let mut command = app.command(&["classic", "compile"]);
        let compiled =
            run(command.arg(&app.dir).arg(app.out.join("cache")).env("STACK", "heroku-24")).success();
        assert!(!flat(&compiled.stdout).contains("aren't run"), "{name}: {}", compiled.stdout);
        assert!(!compiled.stdout.contains(name), "{name}: {}", compiled.stdout);
    }
}

// B09
#[test]
fn hooks_are_told_what_heroku_tells_them() {
    let hook = "for name in BUILD_DIR CACHE_DIR ENV_DIR; do [ -d \"${!name}\" ] || exit 3; done\n\
                echo \"stack=$STACK version=$SOURCE_VERSION\" >> told.txt\n\
                [ \"$(cat \"$ENV_DIR/GREETING\")\" = hello ]\n";
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        ("Procfile", "web: true\n"),
        ("bin/pre_compile", hook),
        ("bin/post_compile", hook),
    ]);
    let git = |args: &[&str]| {
        let mut command = std::process::Command::new("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@example.test"]).args(args);
        run(command.current_dir(&app.dir)).success().stdout.trim().to_owned()
    };
    let told = |app: &TestApp| {
        let mut tar = std::process::Command::new("tar");
        run(tar.arg("xzOf").arg(app.slug()).arg("./app/told.txt")).success().stdout
    };
    let line = |stack: &str, version: &str| format!("stack={stack} version={version}\n").repeat(2);
    app.build(&["--set", "GREETING=hello"]).success();
    assert_eq!(told(&app), line("heroku-24", ""), "without git");
    git(&["init", "-q"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    let first = git(&["rev-parse", "HEAD"]);
    app.build(&["--set", "GREETING=hello"]).success();
    assert_eq!(told(&app), line("heroku-24", &first), "HEAD");
    git(&["commit", "-qm", "two", "--allow-empty"]);
    let second = git(&["rev-parse", "HEAD"]);
    app.build(&["--set", "GREETING=hello"]).success();
    assert_eq!(told(&app), line("heroku-24", &second), "a commit that changes no file");
    app.build(&["--set", "GREETING=hello", "--commit", "HEAD~1"]).success();
    assert_eq!(told(&app), line("heroku-24", &first), "--commit");
    let mut command = app.command(&["build", app.dir.to_str().unwrap(), "--set", "GREETING=hello"]);
    run(command.env("STACK", "heroku-26")).success();
    assert_eq!(told(&app), line("heroku-26", &second), "STACK");
    app.build(&["--set", "GREETING=other"]).failure("hooks::pre_compile");
}
