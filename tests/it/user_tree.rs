//! Every command of the command line, on apps with odd files: nothing is different afterwards but what it was told to write.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use proptest::sample::subsequence;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use proptest::{prop_assert, prop_assert_ne};
use sha2::{Digest, Sha256};
use slugc::testing::cli::command_line;

use crate::support::{TestApp, has_program, run};

/// All that can be told of a file but when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
struct State {
    inode: u64,
    mode: u32,
    owner: (u32, u32),
    links: u64,
    modified: (i64, i64),
    /// Content, or where a link leads.
    content: Vec<u8>,
    attributes: Vec<u8>,
}

fn state(path: &Path) -> State {
    let metadata = path.symlink_metadata().unwrap();
    let content = if metadata.is_file() {
        Sha256::digest(fs::read(path).unwrap()).to_vec()
    } else if metadata.is_symlink() {
        fs::read_link(path).unwrap().into_os_string().into_vec()
    } else {
        Vec::new()
    };
    let mut attributes = vec![0; 4096];
    // Not every file system has them.
    let length = rustix::fs::llistxattr(path, &mut attributes[..]).unwrap_or(0);
    attributes.truncate(length);
    State {
        inode: metadata.ino(),
        mode: metadata.mode(),
        owner: (metadata.uid(), metadata.gid()),
        links: metadata.nlink(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        content,
        attributes,
    }
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, State> {
    let entries = walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap);
    entries.map(|entry| (entry.path().to_owned(), state(entry.path()))).collect()
}

/// Returns what is different, without what was to be written.
fn changes(
    before: &BTreeMap<PathBuf, State>,
    after: &BTreeMap<PathBuf, State>,
    outputs: &[PathBuf],
) -> Vec<String> {
    let is_output = |path: &PathBuf| outputs.iter().any(|output| path.starts_with(output));
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let mut changes = Vec::new();
    for path in paths.into_iter().filter(|path| !is_output(path)) {
        // A directory that something is written to has another time, and another count if that is a directory.
        let is_written_to = outputs.iter().any(|output| output.parent() == Some(path));
        let seen = |state: &State| {
            let mut state = state.clone();
            if is_written_to {
                (state.modified, state.links) = ((0, 0), 0);
            }
            state
        };
        let (was, is) = (before.get(path).map(seen), after.get(path).map(seen));
        if was != is {
            changes.push(format!("{}: {was:?} -> {is:?}", path.display()));
        }
    }
    changes
}

/// Where a command is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    App,
    Beside,
}

/// A way to call each command: from where, with which arguments (`APP`, `SLUG` and `IN` stand for the app's
/// directory, a slug beside it, and one in it), and what it writes, relative to the app.
const CALLS: &[(From, &[&str], &[&str])] = &[
    (From::App, &["build"], &["slug.tgz", "slug.tgz.json"]),
    (From::App, &["build", "-o", "dist/new.tgz"], &["dist/new.tgz", "dist/new.tgz.json"]),
    (From::Beside, &["build", "APP"], &["../out/slug.tgz", "../out/slug.tgz.json"]),
    (
        From::Beside,
        &["build", "APP", "--refresh", "--layout", "flat", "--format", "json", "--include-ignored"],
        &["../out/slug.tgz", "../out/slug.tgz.json"],
    ),
    (From::Beside, &["build", "APP", "--commit", "HEAD"], &["../out/slug.tgz", "../out/slug.tgz.json"]),
    (From::Beside, &["build", "APP", "--max-size", "1"], &["../out/slug.tgz", "../out/slug.tgz.json"]),
    (From::App, &["plan"], &[]),
    (From::Beside, &["plan", "APP", "--format", "json", "--commit", "HEAD"], &[]),
    (From::App, &["check"], &[]),
    (From::App, &["check", "--static", "--format", "sarif"], &[]),
    (From::Beside, &["check", "APP", "--boot", "--boot-timeout", "20"], &[]),
    (From::App, &["check", "SLUG"], &[]),
    (From::App, &["run", "SLUG", "worker"], &[]),
    (From::App, &["run", "IN", "--no-isolate", "--", "sh", "-c", "echo x > new; chmod 777 .; rm -rf *"], &[]),
    (From::App, &["inspect", "IN"], &[]),
    (From::App, &["inspect", "SLUG", "--html", "report.html"], &["report.html"]),
    (From::App, &["diff", "SLUG", "IN", "--html", "dist/diff.html"], &["dist/diff.html"]),
    (From::App, &["sbom", "IN"], &[]),
    (From::App, &["sbom", "SLUG", "--recompute", "-o", "sbom.json"], &["sbom.json"]),
    (From::App, &["explain", "source::empty"], &[]),
    (From::App, &["completions", "bash"], &[]),
    (From::App, &["man", "--dir", "man"], &["man"]),
    (From::App, &["cache", "dir"], &[]),
    (From::App, &["cache", "info", "--json"], &[]),
    (From::App, &["cache", "verify", "--cache-dir", "../out/own-store"], &["../out/own-store"]),
    (From::App, &["cache", "prune", "--cache-dir", "../out/own-store"], &["../out/own-store"]),
    (From::App, &["inventory", "--from", "app.json"], &[]),
    (From::App, &["package", "classic"], &["buildpack.tgz"]),
    (From::App, &["version", "--json"], &[]),
    (From::App, &["dyno-init", "app.json"], &[]),
    (From::App, &["session", "true"], &[]),
    // Nothing that slugc didn't make is replaced.
    (From::App, &["build", "-o", "app.json"], &[]),
    (From::App, &["build", "-o", "notes.tgz"], &[]),
    (From::App, &["build", "-o", "link.tgz"], &[]),
    (From::App, &["build", "-o", "dist"], &[]),
    (From::App, &["inspect", "SLUG", "--html", "app.json"], &[]),
    (From::App, &["diff", "SLUG", "IN", "--html", "link.tgz"], &[]),
    (From::App, &["sbom", "SLUG", "-o", "notes.tgz"], &[]),
    (From::App, &["sbom", "SLUG", "-o", "read-only.txt"], &[]),
    (From::App, &["package", "classic", "-o", "app.json"], &[]),
];

/// The names of all commands that do something.
fn commands(command: &clap::Command, before: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for command in command.get_subcommands() {
        let name = format!("{before} {}", command.get_name()).trim().to_owned();
        if command.has_subcommands() {
            names.extend(commands(command, &name));
        } else {
            names.insert(name);
        }
    }
    names
}

#[test]
fn every_command_is_called() {
    let expected = commands(&command_line(), "");
    let called: BTreeSet<String> = CALLS
        .iter()
        .map(|(_, arguments, _)| match arguments {
            ["cache", action, ..] => format!("cache {action}"),
            [command, ..] => (*command).to_owned(),
            [] => String::new(),
        })
        .collect();
    assert_eq!(called, expected, "a new command needs a line in CALLS");
}

/// Kinds of files that an app may have.
#[derive(Debug, Clone, Copy)]
enum Odd {
    Name(&'static [u8]),
    Link(&'static str, &'static str),
    Mode(&'static str, u32),
    HardLink(&'static str),
    Attribute(&'static str),
    Hook(&'static str, &'static str),
    Git,
}

const ODD: &[Odd] = &[
    Odd::Name(b"a\nline"),
    Odd::Name(b"-rf"),
    Odd::Name(b" blanks "),
    Odd::Name(b"quotes'\"`$(id)"),
    Odd::Name("日本/é.txt".as_bytes()),
    Odd::Name(b"latin-\xe9.txt"),
    Odd::Name(b".hidden"),
    Odd::Name(b"*.py"),
    Odd::Name(b"module.py"),
    Odd::Link("link-to-file", "app.json"),
    Odd::Link("link-to-dir", "dist"),
    Odd::Link("dangling", "no/such/file"),
    Odd::Link("loop", "loop"),
    Odd::Mode("private.txt", 0o600),
    Odd::Mode("closed.txt", 0o000),
    Odd::Mode("all.sh", 0o777),
    Odd::Mode("set-id", 0o4755),
    Odd::HardLink("same.txt"),
    Odd::Attribute("labelled.txt"),
    Odd::Hook("bin/post_compile", "echo x > made.txt; echo more >> app.json; rm -f notes.tgz; chmod 700 ."),
    Odd::Hook("bin/pre_compile", "touch app.json; ln -sf app.json made; mkdir -p dist/x"),
    Odd::Git,
];

fn put(app: &TestApp, odd: Odd) {
    let file = |name: &OsStr| {
        let path = app.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "content\n").unwrap();
        path
    };
    match odd {
        Odd::Name(name) => drop(file(OsStr::from_bytes(name))),
        Odd::Link(name, target) => symlink(target, app.dir.join(name)).unwrap(),
        Odd::Mode(name, mode) => {
            fs::set_permissions(file(OsStr::new(name)), fs::Permissions::from_mode(mode)).unwrap();
        }
        Odd::HardLink(name) => {
            let path = file(OsStr::new(name));
            fs::hard_link(path, app.dir.join(format!("{name}.2"))).unwrap();
        }
        Odd::Attribute(name) => {
            let flags = rustix::fs::XattrFlags::empty();
            // Not every file system has them.
            let _ = rustix::fs::setxattr(file(OsStr::new(name)), "user.label", b"mine", flags);
        }
        Odd::Hook(name, script) => {
            let path = file(OsStr::new(name));
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        Odd::Git if has_program("git") => {
            let script = "git init -q . && git add app.json Procfile requirements.txt && \
                          git -c user.name=a -c user.email=a@b commit -qm one && touch app.json";
            run(Command::new("sh").args(["-c", script]).current_dir(&app.dir).env_clear().envs(&app.env))
                .success();
        }
        Odd::Git => {}
    }
}

/// An app with these, all of it some days old.
fn make(odd: &[Odd]) -> TestApp {
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        (
            "Procfile",
            "web: exec python3 -m http.server $PORT\nworker: echo x > new; chmod 700 .; rm -f app.json\n",
        ),
        ("app.json", "{\"name\": \"app\"}\n"),
        ("notes.tgz", "not an archive"),
        ("read-only.txt", "mine\n"),
        ("dist/kept.txt", "kept\n"),
    ]);
    symlink("app.json", app.dir.join("link.tgz")).unwrap();
    fs::set_permissions(app.dir.join("read-only.txt"), fs::Permissions::from_mode(0o444)).unwrap();
    for odd in odd {
        put(&app, *odd);
    }
    let script = "find . -exec touch -h -d '2020-02-02 02:02:02.123456789' {} +";
    run(Command::new("sh").args(["-c", script]).current_dir(&app.dir)).success();
    app
}

// Properties of files that the documentation promises: docs/architecture.md, "What must stay true", 6.
#[test]
fn whatever_is_called_no_file_of_the_users_is_changed() {
    let strategy = subsequence(ODD.to_vec(), 8..ODD.len());
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    // Which app it is.
    let number = std::cell::Cell::new(0);
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&strategy, |odd| {
        let app = make(&odd);
        let root = app.dir.parent().unwrap().to_owned();
        app.build(&["-o", "beside.tgz"]);
        let inside = app.dir.join("inside.tgz");
        app.build(&["-o", inside.to_str().unwrap()]);
        run(Command::new("find").arg(&app.dir).args([
            "-maxdepth",
            "0",
            "-exec",
            "touch",
            "-d",
            "2020-01-01",
            "{}",
            "+",
        ]))
        .success();
        fs::create_dir_all(app.out.join("own-store")).unwrap();
        // Three apps share the calls.
        let calls = CALLS.iter().skip(number.replace(number.get() + 1) % 3).step_by(3);
        for (from, arguments, outputs) in calls {
            let beside = app.out.join("beside.tgz");
            let arguments: Vec<OsString> = arguments
                .iter()
                .map(|argument| match *argument {
                    "APP" => app.dir.clone().into_os_string(),
                    "SLUG" => beside.clone().into_os_string(),
                    "IN" => inside.clone().into_os_string(),
                    other => other.into(),
                })
                .collect();
            let before = tree(&root);
            let mut command = app.command(&[]);
            command.args(&arguments).current_dir(if *from == From::App { &app.dir } else { &app.out });
            let run = run(&mut command);
            let outputs: Vec<PathBuf> = outputs
                .iter()
                .map(|output| match output.strip_prefix("../") {
                    Some(output) => root.join(output),
                    None => app.dir.join(output),
                })
                .collect();
            let changes = changes(&before, &tree(&root), &outputs);
            let said = format!("{arguments:?}\n{}{}", run.stdout, run.stderr);
            prop_assert!(changes.is_empty(), "{changes:#?}\n{said}");
            prop_assert!(run.code.is_some_and(|code| code != 101), "{said}");
            // What isn't slugc's own is replaced by none, and that is an error.
            if outputs.is_empty()
                && ["-o", "--html"].iter().any(|option| arguments.contains(&(*option).into()))
            {
                prop_assert_ne!(run.code, Some(0), "{}", said);
            }
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
