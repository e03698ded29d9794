//! No file of the user's is replaced or changed: by no command, wherever it writes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::support::TestApp;

const APP: &[(&str, &str)] = &[
    (".python-version", "3"),
    ("requirements.txt", ""),
    ("Procfile", "web: python3 -m http.server $PORT\n"),
    ("app.json", "{\"name\": \"app\"}\n"),
    ("package.json", "{}\n"),
    ("static/data.json", "[1, 2]\n"),
    ("slug.json", "{\"schema\": 1}\n"),
    ("notes.tgz", "not an archive"),
];

/// A version of Python that this machine has.
fn app() -> TestApp {
    let app = TestApp::new(APP);
    fs::remove_file(app.dir.join(".python-version")).unwrap();
    app
}

/// Every file below a directory with its content, mode and time.
fn tree(dir: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    walkdir::WalkDir::new(dir)
        .into_iter()
        .map(Result::unwrap)
        .map(|entry| {
            let metadata = entry.path().symlink_metadata().unwrap();
            // A directory that something new is written into has another time.
            let is_file = metadata.is_file();
            let content = if is_file { fs::read(entry.path()).unwrap() } else { Vec::new() };
            let time = if is_file { (metadata.mtime(), metadata.mtime_nsec()) } else { (0, 0) };
            (entry.into_path(), (metadata.permissions().mode(), time.0, time.1, content))
        })
        .collect()
}

/// Fails unless all that was there is as it was.
#[track_caller]
fn assert_unchanged(before: &BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>, dir: &Path, what: &str) {
    let after = tree(dir);
    for (path, was) in before {
        assert!(after.get(path) == Some(was), "{what} changed {}", path.display());
    }
}

// B01
#[test]
fn a_slug_is_written_beside_the_files_of_the_app_and_over_none() {
    let app = app();
    let before = tree(&app.dir);
    for name in ["app.tgz", "package.tgz", "slug.tgz", "static/data.tar.gz"] {
        let file = app.dir.join(name);
        app.build(&["-o", file.to_str().unwrap()]).success();
        assert_unchanged(&before, &app.dir, name);
        let manifest = fs::read_to_string(format!("{}.json", file.display())).unwrap();
        assert!(manifest.contains("\"tar_checksum\""), "{name}: {manifest}");
        // Each finds the manifest of its slug: http.server is in no other place than the Procfile, the size is in it.
        let inspected = app.run(&["inspect", "--json", file.to_str().unwrap()]).success().stdout;
        assert!(inspected.contains("http.server"), "{name}: {inspected}");
        // Another build takes the place of what slugc has made, without being told to.
        app.build(&["-o", file.to_str().unwrap()]).success();
    }
    assert_unchanged(&before, &app.dir, "all of them");
}

// B01
#[test]
fn what_slugc_did_not_make_is_replaced_only_by_force() {
    let app = app();
    let app_json = app.dir.join("app.json");
    for (name, content) in [
        ("notes.tgz", "not an archive"),
        ("photo.jpg", "\u{fffd}JFIF"),
        ("db.sqlite3", "SQLite format 3"),
        ("taken.tgz.json", "{\"name\": \"mine\"}"),
    ] {
        let file = app.out.join(name);
        fs::write(&file, content).unwrap();
        let slug = app.out.join(name.trim_end_matches(".json"));
        let failed = app.build(&["-o", slug.to_str().unwrap()]).failure("output::not-ours");
        assert_eq!(failed.code, Some(2), "{name}");
        assert!(failed.stderr.contains(name) && failed.stderr.contains("--force"), "{}", failed.stderr);
        assert_eq!(fs::read_to_string(&file).unwrap(), content, "{name}");
        app.build(&["-o", slug.to_str().unwrap(), "--force"]).success();
        assert_ne!(fs::read(&file).unwrap(), content.as_bytes(), "{name}");
    }
    // B01: an empty file can be a part of the app; `mktemp` makes one for whoever wants to write it.
    fs::create_dir(app.out.join("src")).unwrap();
    for name in ["src/__init__.py", "requirements.txt", "py.typed"] {
        let file = app.out.join(name);
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let path = file.to_str().unwrap();
        app.build(&["-o", path]).failure("output::not-ours");
        app.run(&["package", "classic", "-o", path]).failure("output::not-ours");
        assert_eq!(fs::read_to_string(&file).unwrap(), "", "{name}");
    }
    let made = app.out.join("tmp.x1");
    fs::write(&made, "").unwrap();
    fs::set_permissions(&made, fs::Permissions::from_mode(0o600)).unwrap();
    app.build(&["-o", made.to_str().unwrap()]).success();
    // A slug of ours that was copied is known by its manifest; one that was changed since isn't ours any more.
    app.build(&[]).success();
    let copy = app.out.join("copy.tgz");
    fs::copy(app.slug(), &copy).unwrap();
    fs::copy(app.out.join("slug.tgz.json"), app.out.join("copy.tgz.json")).unwrap();
    app.build(&["-o", copy.to_str().unwrap()]).success();
    fs::write(&copy, "something else").unwrap();
    app.build(&["-o", copy.to_str().unwrap()]).failure("output::not-ours");
    for args in [
        &["inspect", "SLUG", "--html", "FILE"][..],
        &["diff", "SLUG", "SLUG", "--html", "FILE"],
        &["sbom", "SLUG", "-o", "FILE"],
        &["package", "classic", "-o", "FILE"],
    ] {
        let args: Vec<&str> = args
            .iter()
            .map(|arg| match *arg {
                "SLUG" => "slug.tgz",
                "FILE" => app_json.to_str().unwrap(),
                other => other,
            })
            .collect();
        let failed = app.run(&args);
        assert_eq!(failed.code, Some(2), "{args:?}\n{}", failed.stderr);
        assert!(failed.stderr.contains("output::not-ours"), "{args:?}\n{}", failed.stderr);
        assert_eq!(fs::read_to_string(&app_json).unwrap(), "{\"name\": \"app\"}\n", "{args:?}");
    }
    let man = app.out.join("slugc.1");
    fs::write(&man, "my notes").unwrap();
    app.run(&["man", "--dir", app.out.to_str().unwrap()]).failure("output::not-ours");
    assert_eq!(fs::read_to_string(&man).unwrap(), "my notes");
    assert!(!app.out.join("slugc-build.1").exists());
}

// B02
#[test]
fn a_slug_of_ours_is_no_part_of_the_next_one_under_any_name() {
    let app = app();
    let names = ["one.tgz", "two.tar.gz", "deploy/three", "four.slug"];
    fs::create_dir(app.dir.join("deploy")).unwrap();
    for name in names {
        app.build(&["-o", app.dir.join(name).to_str().unwrap()]).success();
    }
    // As slugc 0.1 named the manifest.
    fs::rename(app.dir.join("one.tgz.json"), app.dir.join("one.json")).unwrap();
    app.build(&[]).success();
    let listed = crate::slugs::names_of(&app.slug());
    for name in names {
        assert!(!listed.iter().any(|path| path.contains(name)), "{name} is in {listed:?}");
    }
    for name in ["./app/one.json", "./app/app.json", "./app/slug.json", "./app/notes.tgz"] {
        let is_there = listed.iter().any(|path| path == name);
        assert_eq!(is_there, name != "./app/one.json", "{name}");
    }
}

#[test]
fn no_command_changes_the_app() {
    let app = app();
    app.build(&[]).success();
    let before = tree(&app.dir);
    let dir = app.dir.to_str().unwrap();
    for args in [
        &["build", dir][..],
        &["build", dir, "--refresh", "--layout", "flat"],
        &["build", dir, "--format", "json"],
        &["plan", dir],
        &["plan", dir, "--format", "json"],
        &["check", dir],
        &["check", dir, "--static"],
        &["check", "slug.tgz"],
        &["inspect", "slug.tgz", "--html", "report.html"],
        &["diff", "slug.tgz", "slug.tgz", "--html", "report.html"],
        &["sbom", "slug.tgz", "-o", "sbom.json"],
        &["sbom", "slug.tgz", "-o", "sbom.json"],
        &["run", "slug.tgz", "--", "true"],
        &["cache", "info"],
        &["explain", "source::empty"],
        &["completions", "bash"],
        &["man", "--dir", "man"],
        &["man", "--dir", "man"],
        &["package", "classic", "-o", "buildpack.tgz"],
        &["package", "classic", "-o", "buildpack.tgz"],
        &["version"],
        &["no-such-command"],
    ] {
        let run = app.run(args);
        assert!(!run.stderr.contains("output::not-ours"), "{args:?}: {}", run.stderr);
        assert_unchanged(&before, &app.dir, &format!("{args:?}"));
        assert_eq!(tree(&app.dir).len(), before.len(), "{args:?} left something there");
    }
}
