//! What `slugc build` and `slugc plan` do, without a network.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::support::{TestApp, has_program, run, skip};

const FILES: &[(&str, &str)] = &[
    ("requirements.txt", ""),
    ("Procfile", "web: python -m http.server $PORT\n"),
    ("app.py", "print('hello')\n"),
    ("lib/part.py", "x = 1\n"),
];

fn sha256_of(app: &TestApp, args: &[&str]) -> String {
    let run = app.build(&[&["--format", "json"], args].concat()).success();
    run.event("finished")["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn the_same_source_gives_the_same_bytes_wherever_and_however_it_is_built() {
    let first = TestApp::new(FILES);
    let expected = sha256_of(&first, &["-j", "1"]);
    let mut second = TestApp::new(FILES);
    second.store = second.out.parent().unwrap().join("another store");
    second.set("SLUGC_CACHE_DIR", second.store.clone());
    assert_eq!(sha256_of(&second, &["-j", "5"]), expected, "another directory, another store, five threads");
    for entry in
        walkdir::WalkDir::new(&second.dir).into_iter().flatten().filter(|entry| entry.file_type().is_file())
    {
        let file = fs::File::options().append(true).open(entry.path()).unwrap();
        file.set_modified(std::time::SystemTime::now() + Duration::from_secs(1000)).unwrap();
    }
    assert_eq!(sha256_of(&second, &[]), expected, "all files touched");
}

#[test]
fn other_programs_can_read_the_slug() {
    let app = TestApp::new(FILES);
    app.build(&[]).success();
    assert!(Command::new("gzip").arg("-t").arg(app.slug()).status().unwrap().success());
    let list = run(Command::new("tar").args(["--numeric-owner", "-tvzf"]).arg(app.slug())).success();
    assert!(list.stderr.is_empty(), "{}", list.stderr);
    let first = list.stdout.lines().next().unwrap();
    assert!(first.starts_with("drwxr-xr-x 0/0") && first.ends_with(" ./app/"), "{first}");
    let names: Vec<_> = list.stdout.lines().filter_map(|line| line.split("./app").nth(1)).collect();
    for name in ["/app.py", "/lib/", "/.profile.d/python.sh", "/.heroku/python/bin/python3 -> python3."] {
        assert!(names.iter().any(|line| line.starts_with(name)), "no {name}");
    }
    if !has_program("python3") {
        return skip("no python3 on PATH: its tarfile module didn't read the slug");
    }
    let script = r#"
import sys, tarfile
with tarfile.open(sys.argv[1]) as tar:
    members = tar.getmembers()
    assert members[0].name in ("./app", "app"), members[0]
    assert {member.mtime for member in members} == {315532801}
    files = [member for member in members if member.isfile()]
    assert len(files) > 500
    assert all(len(tar.extractfile(member).read()) == member.size for member in files)
print(len(members))
"#;
    let read = run(Command::new("python3").arg("-c").arg(script).arg(app.slug())).success();
    assert_eq!(read.stdout.trim().parse::<usize>().unwrap(), list.stdout.lines().count());
}

#[test]
fn a_build_without_changes_does_no_work() {
    let app = TestApp::new(FILES);
    let first = sha256_of(&app, &[]);
    let run = app.build(&["--format", "json"]).success();
    let finished = run.event("finished");
    assert_eq!(finished["sha256"], first.as_str());
    let counters = &finished["counters"];
    for (counter, expected) in [
        ("processes", 0),
        ("downloads", 0),
        ("segments_compressed", 0),
        ("layers_built", 0),
        ("layers_reused", 3),
    ] {
        assert_eq!(counters[counter], expected, "{counter}: {counters}");
    }
    assert!(counters["segments_reused"].as_u64().unwrap() > 0, "{counters}");
}

#[test]
fn a_changed_line_compresses_one_segment() {
    let app = TestApp::new(FILES);
    let first = sha256_of(&app, &[]);
    // Something that no earlier run of this test has put into the shared store.
    let line = format!("print({:?})\n", std::time::SystemTime::now());
    fs::write(app.dir.join("app.py"), line).unwrap();
    let finished = app.build(&["--format", "json"]).success().event("finished");
    assert_ne!(finished["sha256"], first.as_str());
    let counters = &finished["counters"];
    assert_eq!(
        (counters["segments_compressed"].as_u64(), counters["processes"].as_u64()),
        (Some(1), Some(0)),
        "{counters}"
    );
}

#[test]
fn the_users_directory_is_not_changed() {
    let app = TestApp::new(FILES);
    let listing = || {
        let mut names: Vec<_> = walkdir::WalkDir::new(&app.dir)
            .into_iter()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.path().to_owned(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        names.sort();
        names
    };
    let before = listing();
    app.build(&[]).success();
    assert_eq!(listing(), before);
}

#[test]
fn a_slug_inside_the_app_is_not_a_part_of_the_next() {
    let app = TestApp::new(FILES);
    let slug = app.dir.join("slug.tgz");
    let output = slug.to_str().unwrap();
    let first = sha256_of(&app, &["-o", output]);
    assert_eq!(sha256_of(&app, &["-o", output]), first);
}

#[test]
fn ignored_files_stay_out() {
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        (".gitignore", "*.log\n.env\n"),
        (".slugignore", "docs\n*.psd\nnothing-matches\n"),
        (".slugignore.post", "/.heroku/python/include\n"),
        ("docs/page.md", ""),
        ("picture.psd", ""),
        ("debug.log", ""),
        (".env", "SECRET=x"),
        ("kept.py", ""),
    ]);
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command
            .args(["-c", "user.name=t", "-c", "user.email=t@example.test"])
            .args(args)
            .current_dir(&app.dir);
        run(command.env_clear().envs(&app.env)).success()
    };
    git(&["init", "-q", "."]);
    let build = app.build(&[]).success();
    assert!(
        build.stderr.contains("-----> Deleting 2 files matching .slugignore patterns.\n"),
        "{}",
        build.stderr
    );
    assert!(build.stderr.contains("nothing-matches"), "{}", build.stderr);
    let names = || run(Command::new("tar").arg("tzf").arg(app.slug())).success().stdout;
    for (name, expected) in [
        ("./app/kept.py\n", true),
        ("./app/.heroku/python/lib/", true),
        ("./app/docs", false),
        ("./app/picture.psd", false),
        ("./app/debug.log", false),
        ("./app/.env", false),
        ("./app/.git/", false),
        ("./app/.heroku/python/include", false),
    ] {
        assert_eq!(names().contains(name), expected, "{name}");
    }
    app.build(&["--include-ignored"]).success();
    assert!(names().contains("./app/debug.log"));
    // A commit is built as it was committed, whatever is in the directory now.
    git(&["add", "-A"]);
    git(&["commit", "-q", "-m", "first"]);
    fs::write(app.dir.join("new.py"), "").unwrap();
    app.build(&["--commit", "HEAD"]).success();
    assert!(names().contains("./app/kept.py") && !names().contains("new.py"), "{}", names());
    app.build(&["--commit", "no-such-branch"]).failure("source::unknown-revision");
}

#[test]
fn the_plan_is_told_without_doing_it() {
    let app = TestApp::new(FILES);
    let text = app.run(&["plan", app.dir.to_str().unwrap()]).success().stdout;
    for part in
        ["No Python version was specified", "pip (requirements.txt)", "dependencies", "python -m http.server"]
    {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    let json = app.run(&["plan", app.dir.to_str().unwrap(), "--format", "json"]).success().stdout;
    let plan: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(plan["schema"], 1);
    assert_eq!(plan["package_manager"], "pip");
    assert_eq!(plan["python"]["origin"], "default");
    assert_eq!(plan["layers"][2]["name"], "dependencies");
    assert!(app.left_in_out().is_empty());
}

#[test]
fn a_missing_procfile_line_is_suggested_but_not_added() {
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        ("wsgi.py", "from flask import Flask\napp = Flask(__name__)\n"),
    ]);
    // This uv installs a gunicorn that is a name only.
    let uv = app.env[std::ffi::OsStr::new("SLUGC_UV")].clone();
    let script = "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.99.0'; exit; fi\n\
                  while [ $# -gt 0 ]; do [ \"$1\" = --prefix ] && prefix=$2; shift; done\n\
                  mkdir -p \"$prefix/lib/python3.0/site-packages/gunicorn-21.2.0.dist-info\"\n";
    fs::write(uv, script).unwrap();
    let build = app.build(&[]).success();
    assert!(build.stderr.contains("web: gunicorn wsgi:app"), "{}", build.stderr);
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(app.out.join("slug.tgz.json")).unwrap()).unwrap();
    assert_eq!(manifest["process_types"], serde_json::json!({}));
}

#[test]
fn an_interpreter_of_this_machine_stands_in_when_the_catalogue_cannot_be_reached() {
    let mut app = TestApp::new(FILES);
    // Nothing listens there.
    app.set("SLUGC_PYTHON_MIRROR", "http://127.0.0.1:9");
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app.set("SLUGC_PYTHON_SOURCE", "auto");
    let build = app.build(&["--format", "json"]).success();
    let events = build.events();
    let told = events.iter().find(|event| event["id"] == "python-runtime::host-fallback").unwrap();
    assert!(told["text"].as_str().unwrap().contains("couldn't be downloaded"), "{told}");
    assert!(events.iter().any(|event| event["event"] == "download_started"), "it didn't even try");
    // The next build doesn't try again.
    let again = app.build(&["--format", "json"]).success().event("finished");
    assert_eq!(
        (again["counters"]["downloads"].as_u64(), again["counters"]["processes"].as_u64()),
        (Some(0), Some(0))
    );
    assert_eq!(again["sha256"], build.event("finished")["sha256"]);
    // It does from another place.
    app.set("SLUGC_PYTHON_MIRROR", "http://127.0.0.1:9/other");
    let elsewhere = app.build(&["--format", "json"]).success();
    assert!(elsewhere.events().iter().any(|event| event["event"] == "download_started"));
    app.build(&["--python-source", "catalogue"]).failure("install-python");
}

#[test]
fn python_comes_from_a_directory_of_prepared_archives() {
    let mut app = TestApp::new(FILES);
    // A runtime that another build has made is an archive like any other.
    app.build(&[]).success();
    let python = app.run(&["plan", app.dir.to_str().unwrap(), "--format", "json"]).success().stdout;
    let plan: serde_json::Value = serde_json::from_str(&python).unwrap();
    let version = plan["runtime"]["version"].as_str().unwrap().to_owned();
    let (unpacked, prepared) = (app.out.join("unpacked"), app.out.join("prepared archives"));
    fs::create_dir(&unpacked).unwrap();
    fs::create_dir(&prepared).unwrap();
    run(Command::new("tar").arg("xzf").arg(app.slug()).arg("-C").arg(&unpacked)).success();
    let name = format!("python-{version}-{}.tar.gz", std::env::consts::ARCH);
    let mut tar = Command::new("tar");
    run(tar.arg("czf").arg(prepared.join(&name)).arg("-C").arg(unpacked.join("app/.heroku")).arg("python"))
        .success();
    app.set("SLUGC_CACHE_DIR", app.out.parent().unwrap().join("store"));
    let source = prepared.to_str().unwrap().to_owned();
    app.build(&["--python-source", &source]).failure("python-runtime::invalid-source");
    let sums = run(Command::new("sha256sum").arg(&name).current_dir(&prepared)).success().stdout;
    fs::write(prepared.join("SHA256SUMS"), &sums).unwrap();
    app.build(&["--python-source", &source]).success();
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "--version"]).success();
    assert_eq!(ran.stdout.trim(), format!("Python {version}"));
    let url = format!("file://{}", source.replace(' ', "%20"));
    app.build(&["--python-source", &url]).success();
    fs::write(prepared.join("SHA256SUMS"), sums.replacen(&sums[..8], "00000000", 1)).unwrap();
    app.build(&["--python-source", &source]).failure("download::checksum-mismatch");
}

#[test]
fn an_interrupted_build_leaves_nothing_behind() {
    let mut app = TestApp::new(FILES);
    let started = app.out.join("started");
    let uv = app.env[std::ffi::OsStr::new("SLUGC_UV")].clone();
    let script = format!(
        "#!/bin/sh\nif [ \"$1\" = --version ]; then echo 'uv 0.98.0'; exit; fi\ntouch '{}'\nsleep 60\n",
        started.display()
    );
    fs::write(uv, script).unwrap();
    let store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", store.clone());
    let mut child = app
        .command(&["build", app.dir.to_str().unwrap()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..600 {
        if started.exists() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(started.exists(), "the build never came to uv");
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut text = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut text).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{text}");
    assert!(text.contains("error[interrupted]: Stopped. What was finished is kept.\n"), "{text}");
    assert_eq!(app.left_in_out(), ["started"]);
    assert_eq!(fs::read_dir(store.join("v1/tmp")).unwrap().count(), 0, "the store has leftovers");
}

#[test]
fn the_log_is_plain_off_a_terminal_and_quiet_when_asked() {
    let app = TestApp::new(FILES);
    let build = app.build(&[]).success();
    assert!(!build.stderr.contains('\u{1b}'), "{:?}", build.stderr);
    assert_eq!(build.stdout, format!("{}\n", app.slug().display()));
    assert_eq!(
        app.build(&["--quiet"]).success().stderr.lines().filter(|line| line.contains("----->")).count(),
        0
    );
    let colored = app.build(&["--color", "always", "--max-size", "1K"]);
    assert!(colored.stderr.contains("\u{1b}[1m\u{1b}[31m"), "{:?}", colored.stderr);
}

#[test]
fn a_process_type_runs_from_the_slug() {
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        (
            "Procfile",
            "hello: python -c 'import os, sys; print(sys.prefix, os.environ[\"DYNO\"]); sys.exit(7)'\n",
        ),
    ]);
    app.build(&[]).success();
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "hello"]);
    assert_eq!(ran.code, Some(7), "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("/.heroku/python hello.1"), "{}", ran.stdout);
    app.run(&["run", app.slug().to_str().unwrap(), "web"]).failure("run::no-such-process-type");
    let pip = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", "print(6 * 7)"]).success();
    assert!(pip.stdout.contains("42"), "{}", pip.stdout);
    let mut damaged = fs::File::options().append(true).open(app.slug()).unwrap();
    damaged.set_len(1000).unwrap();
    damaged.flush().unwrap();
    app.run(&["run", app.slug().to_str().unwrap(), "hello"]).failure("slug::invalid");
    app.run(&["run", "no-such.tgz"]).failure("slug::not-a-slug");
    assert!(Path::new(&app.slug()).exists());
}
