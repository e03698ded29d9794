//! Wheels of somebody who means harm. uv and pip unpack them; what they leave is read, changed and listed by slugc.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::indexes::app;
use crate::support::run;
use crate::zip::{ZipFile, zip};

const INFO: &str = "evil_pkg-1.0.dist-info";

/// What is to come of a build.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Outcome {
    /// A slug.
    Slug,
    /// The installer says no.
    Refused,
    /// One or the other, as the installer's version has it.
    Either,
}
use Outcome::{Either, Refused, Slug};

/// A wheel without any fault, with these files instead of its own; a text that is empty takes one away.
fn wheel(changes: &[(&str, &[u8])]) -> Vec<ZipFile> {
    let mut files = BTreeMap::from([
        ("evil_pkg.py".to_owned(), b"W = 1\n".to_vec()),
        (format!("{INFO}/METADATA"), b"Metadata-Version: 2.1\nName: evil-pkg\nVersion: 1.0\n".to_vec()),
        (
            format!("{INFO}/WHEEL"),
            b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_vec(),
        ),
        (
            format!("{INFO}/RECORD"),
            format!("evil_pkg.py,,\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n").into_bytes(),
        ),
    ]);
    for (name, contents) in changes {
        let name = name.replace("INFO", INFO);
        match contents {
            [] => drop(files.remove(&name)),
            contents => drop(files.insert(name, contents.to_vec())),
        }
    }
    files.into_iter().map(|(name, contents)| ZipFile::new(name, contents)).collect()
}

fn with_modes(mut files: Vec<ZipFile>, modes: &[(&str, u32)]) -> Vec<ZipFile> {
    for file in &mut files {
        let mode = modes.iter().find(|(name, _)| name.as_bytes() == file.name);
        file.mode = mode.map_or(file.mode, |(_, mode)| *mode);
    }
    files
}

/// Every wheel, and what uv and pip make of it.
fn wheels() -> Vec<(&'static str, Vec<ZipFile>, Outcome, Outcome)> {
    let head = "Metadata-Version: 2.1\nName: evil-pkg\nVersion: 1.0\n";
    let metadata = |rest: &[u8]| wheel(&[("INFO/METADATA", &[head.as_bytes(), rest].concat())]);
    let points =
        |text: &str| wheel(&[("INFO/entry_points.txt", format!("[console_scripts]\n{text}\n").as_bytes())]);
    let long = vec![b'x'; 10 << 20];
    let own = |rest: &[u8]| [format!("evil_pkg.py,,\n{INFO}/RECORD,,\n").as_bytes(), rest].concat();
    let mut undecodable = wheel(&[]);
    undecodable.push(ZipFile::new(&b"caf\xe9.py"[..], "x = 1\n"));
    vec![
        ("a parent", wheel(&[("../stray.py", b"x")]), Either, Refused),
        ("many parents", wheel(&[("a/../../../../../../../stray.py", b"x")]), Either, Refused),
        ("an absolute name", wheel(&[("/stray-of-slugc-tests.py", b"x")]), Either, Either),
        (
            "a parent among data",
            wheel(&[("evil_pkg-1.0.data/data/../../../../../stray.py", b"x")]),
            Either,
            Refused,
        ),
        (
            "RECORD without sense",
            wheel(&[("INFO/RECORD", b"\"open,,\nx\n,,,,\ny,sha256=z,many\n")]),
            Either,
            Either,
        ),
        (
            "RECORD that leads out",
            wheel(&[("INFO/RECORD", &own(b"../../../../../../witness.py,sha256=x,1\n/etc/hostname,,\n"))]),
            Either,
            Either,
        ),
        (
            "RECORD with other hashes",
            wheel(&[("INFO/RECORD", b"evil_pkg.py,sha256=AAAA,999\n")]),
            Either,
            Either,
        ),
        ("RECORD that is no text", wheel(&[("INFO/RECORD", &own(b"\xff\xe9.py,,\n"))]), Either, Either),
        ("no RECORD", wheel(&[("INFO/RECORD", b"")]), Either, Either),
        (
            "another name",
            wheel(&[("INFO/METADATA", b"Metadata-Version: 2.1\nName: good\nVersion: 1.0\n")]),
            Refused,
            Refused,
        ),
        ("METADATA that is no text", metadata(b"Summary: \xff\xe9\x1b[2J\n"), Either, Either),
        ("METADATA of 10 MB", metadata(&[b"\n", &long[..]].concat()), Either, Either),
        ("a header of 10 MB", metadata(&[b"Summary: ", &long[..], b"\n"].concat()), Either, Either),
        ("a script with a command for a name", points("$(touch stray.py) = evil_pkg:W"), Either, Either),
        ("a script beside the others", points("../../stray.py = evil_pkg:W"), Refused, Refused),
        ("a script with code for a function", points("ok = evil_pkg:W;import os"), Either, Either),
        (
            "more permissions than one can have",
            with_modes(
                wheel(&[
                    ("tool.py", b"x = 1\n"),
                    ("evil_pkg-1.0.data/scripts/tool", b"#!python\nprint(1)\n"),
                ]),
                &[("tool.py", 0o106_777), ("evil_pkg-1.0.data/scripts/tool", 0o106_777)],
            ),
            Slug,
            Slug,
        ),
        (
            "a link, and a file behind it",
            with_modes(
                wheel(&[("link", b"../../../../../.."), ("link/stray.py", b"x")]),
                &[("link", 0o120_777)],
            ),
            Either,
            Either,
        ),
        (
            "a .pth file that runs code",
            wheel(&[("evil.pth", b"import os; os.path.isdir('OUT') and open('OUT/stray.py', 'w')\n")]),
            Slug,
            Slug,
        ),
        (
            "a module that Python starts with",
            wheel(&[("sitecustomize.py", b"raise SystemExit(9)\n")]),
            Either,
            Either,
        ),
        ("a bomb", wheel(&[("big.bin", &vec![0; 64 << 20])]), Slug, Slug),
        (
            "names that a terminal obeys",
            wheel(&[("a\nb,c\".py", b"x = 1\n"), ("\u{1b}[2J.py", b"x = 1\n")]),
            Either,
            Either,
        ),
        ("a name that is no text", undecodable, Either, Either),
    ]
}

fn build_all(installer: &str) {
    for (what, mut files, by_uv, by_pip) in wheels() {
        let expected = if installer == "uv" { by_uv } else { by_pip };
        let app = app(&[
            ("requirements.txt", "--no-index\n--find-links wheels\nevil-pkg==1.0\n"),
            (".slugignore", "wheels\n"),
            ("wheels/placeholder", ""),
        ]);
        let root = app.out.parent().unwrap().to_owned();
        fs::write(root.join("witness.py"), "untouched").unwrap();
        for file in &mut files {
            if file.contents.len() < 1000
                && let Ok(text) = str::from_utf8(&file.contents)
            {
                file.contents = text.replace("OUT", app.out.to_str().unwrap()).into_bytes();
            }
        }
        fs::write(app.dir.join("wheels/evil_pkg-1.0-py3-none-any.whl"), zip(&files)).unwrap();
        let before = names_below(&root);
        let built = app.build(&["--installer", installer, "--refresh"]);
        let said = format!("{}{}", built.stdout, built.stderr);
        assert!(!said.contains("panicked") && !matches!(built.code, None | Some(101)), "{what}: {said}");
        assert!(
            !said.contains("\u{1b}[2J") || built.code != Some(0),
            "{what}: a terminal would obey {said:?}"
        );
        if built.code == Some(0) {
            assert_ne!(expected, Refused, "{what}: {said}");
            look_into(&app.slug(), what);
            // Every reader of slugs gets along with it.
            for command in [&["inspect"][..], &["sbom"], &["check", "--static"]] {
                let slug = app.slug();
                let ran = app.run(&[command, &[slug.to_str().unwrap()]].concat());
                assert!(matches!(ran.code, Some(0 | 1)), "{what}: {command:?} {}{}", ran.stdout, ran.stderr);
                assert!(
                    !ran.stdout.contains("\u{1b}[2J") && !ran.stderr.contains("panicked"),
                    "{what}: {}",
                    ran.stderr
                );
            }
        } else {
            assert_ne!(expected, Slug, "{what}: {said}");
            built.failure("install-dependencies::pip");
        }
        assert_eq!(fs::read_to_string(root.join("witness.py")).unwrap(), "untouched", "{what}");
        assert!(!Path::new("/stray-of-slugc-tests.py").exists(), "{what}");
        for name in ["slug.tgz", "slug.tgz.json"] {
            let _ = fs::remove_file(app.out.join(name));
        }
        assert_eq!(names_below(&root), before, "{what}: something is left outside of the slug");
    }
}

/// All names below a directory but the store's, which isn't there anyway, and the programs' own caches.
fn names_below(dir: &Path) -> Vec<String> {
    let found = run(Command::new("find").arg(dir).args(["-not", "-path", "*/home/*"]));
    let mut names: Vec<_> = found.stdout.lines().map(str::to_owned).collect();
    names.sort();
    names
}

/// Nothing in a slug is outside of the app, and nothing in it has a bit that makes others of its users.
fn look_into(slug: &Path, what: &str) {
    let listed =
        run(Command::new("tar").args(["--list", "--verbose", "--gzip", "--file"]).arg(slug)).success();
    assert!(listed.stdout.contains("evil_pkg-1.0.dist-info/RECORD"), "{what}: {}", listed.stdout.len());
    for line in listed.stdout.lines() {
        let (mode, name) = (&line[..10], line.split(" -> ").next().unwrap_or_default());
        assert!(!mode.contains(['s', 'S', 't', 'T']), "{what}: {line}");
        assert!(mode.starts_with('l') || !mode[7..].contains('w'), "{what}: {line}");
        assert!(name.contains("./app/") && !name.contains("../"), "{what}: {line}");
    }
}

#[test]
#[ignore = "needs PyPI"]
fn uv_installs_hostile_wheels_or_says_no_and_nothing_leaves_the_tree() {
    build_all("uv");
}

#[test]
#[ignore = "needs PyPI"]
fn pip_installs_hostile_wheels_or_says_no_and_nothing_leaves_the_tree() {
    build_all("pip");
}
