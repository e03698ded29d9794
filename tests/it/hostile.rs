//! Apps, lock files and slugs of somebody who means harm.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::XattrFlags;
use sha2::{Digest, Sha256};

use crate::support::{TestApp, run, skip};

/// What nothing else in the world has.
const MARK: &str = "mark-of-hostile-tests";

/// Sets an extended attribute; false where the file system has none.
fn mark(path: &Path) -> bool {
    rustix::fs::setxattr(path, "user.mark", MARK.as_bytes(), XattrFlags::empty()).is_ok()
}

#[test]
fn bits_that_make_one_somebody_else_and_attributes_do_not_reach_the_slug() {
    let app = TestApp::new(&[("requirements.txt", ""), ("bin/tool", "#!/bin/sh\n"), ("dir/data", "x")]);
    for (name, mode) in [("bin/tool", 0o6777), ("dir/data", 0o6666), ("dir", 0o7777)] {
        fs::set_permissions(app.dir.join(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    if !["bin/tool", "dir/data", "dir"].iter().all(|name| mark(&app.dir.join(name))) {
        skip("this file system has no extended attributes");
    }
    app.build(&[]).success();
    let listed = run(Command::new("tar").args(["-tvzf"]).arg(app.slug())).success().stdout;
    for (name, mode) in
        [("app/bin/tool", "-rwxr-xr-x"), ("app/dir/data", "-rw-r--r--"), ("app/dir/", "drwxr-xr-x")]
    {
        let line =
            listed.lines().find(|line| line.ends_with(name)).unwrap_or_else(|| panic!("{name} in {listed}"));
        assert!(line.starts_with(mode), "{line}");
    }
    assert!(listed.lines().all(|line| !line[..10].contains(['s', 'S', 't', 'T'])), "{listed}");
    let tar = Command::new("gzip").arg("-dc").arg(app.slug()).output().unwrap().stdout;
    let has = |text: &str| tar.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(has("app/dir/data") && !has(MARK) && !has("SCHILY.xattr"));
}

/// No trick at all: what is refused is refused for its trick.
const PLAIN: &str = "x";

/// The tricks, as they stand for a package's name, version, marker or address.
const NAMES: &[&str] = &[
    PLAIN,
    "x\n--index-url=http://evil.example",
    "x --global-option=y",
    "x;touch stray",
    "-r/etc/passwd",
    "../x",
    "$(x)",
];
const VERSIONS: &[&str] =
    &["1\n-e .", "1 --global-option=x", "1;touch stray", "1 @ file:///etc", "$(touch stray)", "1\\"];
const MARKERS: &[&str] = &[
    "os_name == 'x'\n--index-url http://evil.example",
    "os_name == 'x' --hash=sha256:0",
    "os_name == 'x # y",
    "`touch stray`",
];
const PATHS: &[&str] = &["../../etc", "/etc", "file:///etc", "a/../../b", "~/x", "a\n-e /etc"];
const URLS: &[&str] = &[
    "file:///etc/passwd",
    "http://h/x -r /etc/passwd",
    "https://h/$(touch stray)",
    "ext::sh -c touch%20stray",
    "http://h/\n-e .",
];

/// What Poetry hashes of a pyproject.toml that asks for nothing.
const RELEVANT: &str = r#"{"dependencies": {}, "dev-dependencies": null, "extras": null, "source": null}"#;

/// Returns a text as JSON and TOML write it.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap()
}

/// Locks with one trick each, by the file's name: with a name, a version, a marker, a path, an archive, a repository.
fn locks(kind: &str) -> Vec<(String, Vec<(&'static str, String)>)> {
    let version = |text: &str| quoted(&format!("=={text}"));
    let rows = |texts: &[&str], make: &dyn Fn(&str) -> String| -> Vec<(String, String)> {
        texts.iter().map(|text| ((*text).to_owned(), make(text))).collect()
    };
    let pipfile = |entries: &str| {
        format!(r#"{{"_meta": {{"sources": []}}, "default": {{{entries}}}, "develop": {{}}}}"#)
    };
    let poetry = |entry: &str| {
        format!(
            "[[package]]\n{entry}\n[metadata]\nlock-version = \"2.1\"\npython-versions = \"*\"\ncontent-hash = \"{}\"\n",
            hex::encode(Sha256::digest(RELEVANT))
        )
    };
    let pdm = |entry: &str| {
        format!(
            "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.1\"\nlock_inputs = []\n[[package]]\n\
             groups = [\"default\"]\n{entry}\n"
        )
    };
    let plain = "name = \"x\"\nversion = \"1\"";
    let found = match kind {
        "Pipfile.lock" => [
            rows(NAMES, &|name| pipfile(&format!("{}: {{\"version\": \"==1\"}}", quoted(name)))),
            rows(VERSIONS, &|text| pipfile(&format!("\"x\": {{\"version\": {}}}", version(text)))),
            rows(MARKERS, &|text| pipfile(&format!("\"x\": {{\"version\": \"==1\", \"markers\": {}}}", quoted(text)))),
            rows(PATHS, &|text| pipfile(&format!("\"x\": {{\"path\": {}, \"editable\": true}}", quoted(text)))),
            rows(URLS, &|text| pipfile(&format!("\"x\": {{\"file\": {}}}", quoted(text)))),
            rows(URLS, &|text| pipfile(&format!("\"x\": {{\"git\": {}, \"ref\": \"--upload-pack=x\"}}", quoted(text)))),
        ]
        .concat(),
        "poetry.lock" => [
            rows(NAMES, &|name| poetry(&format!("name = {}\nversion = \"1\"\ngroups = [\"main\"]", quoted(name)))),
            rows(VERSIONS, &|text| poetry(&format!("name = \"x\"\nversion = {}\ngroups = [\"main\"]", quoted(text)))),
            rows(MARKERS, &|text| poetry(&format!("{plain}\ngroups = [\"main\"]\nmarkers = {}", quoted(text)))),
            rows(PATHS, &|text| {
                poetry(&format!("{plain}\ngroups = [\"main\"]\n[package.source]\ntype = \"directory\"\nurl = {}", quoted(text)))
            }),
            rows(URLS, &|text| {
                poetry(&format!("{plain}\ngroups = [\"main\"]\n[package.source]\ntype = \"url\"\nurl = {}", quoted(text)))
            }),
            rows(URLS, &|text| {
                poetry(&format!(
                    "{plain}\ngroups = [\"main\"]\n[package.source]\ntype = \"git\"\nurl = {}\nresolved_reference = \"--upload-pack=x\"",
                    quoted(text)
                ))
            }),
        ]
        .concat(),
        _ => [
            rows(NAMES, &|name| pdm(&format!("name = {}\nversion = \"1\"", quoted(name)))),
            rows(VERSIONS, &|text| pdm(&format!("name = \"x\"\nversion = {}", quoted(text)))),
            rows(MARKERS, &|text| pdm(&format!("{plain}\nmarker = {}", quoted(text)))),
            rows(PATHS, &|text| pdm(&format!("{plain}\npath = {}", quoted(text)))),
            rows(URLS, &|text| pdm(&format!("{plain}\nurl = {}", quoted(text)))),
            rows(URLS, &|text| pdm(&format!("{plain}\ngit = {}\nrevision = \"--upload-pack=x\"", quoted(text)))),
        ]
        .concat(),
    };
    let beside = match kind {
        "Pipfile.lock" => Vec::new(),
        "poetry.lock" => vec![("pyproject.toml", "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\n".to_owned())],
        _ => vec![(
            "pyproject.toml",
            "[project]\nname = \"shop\"\nversion = \"1\"\ndependencies = [\"x\"]\n[tool.pdm]\ndistribution = false\n".to_owned(),
        )],
    };
    found
        .into_iter()
        .map(|(trick, lock)| {
            let name = match kind {
                "Pipfile.lock" => "Pipfile.lock",
                "poetry.lock" => "poetry.lock",
                _ => "pdm.lock",
            };
            (trick, [vec![(name, lock)], beside.clone()].concat())
        })
        .collect()
}

fn no_trick_is_installed(kind: &str, id: &str) {
    for (trick, files) in locks(kind) {
        let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
        let app = TestApp::new(&files);
        // What is asked of the installer is kept. It installs `x`.
        let asked = app.out.parent().unwrap().join("asked");
        let script = format!(
            "#!/bin/sh\n[ \"$1\" = --version ] && echo 'uv 0.12.5' && exit\n{{ printf '%s\\n' \"$@\"; cat; }} >> '{0}'\n\
             for file in \"$@\"; do case \"$file\" in *.txt) cat \"$file\" >> '{0}' ;; esac; done\n\
             last=; for word in \"$@\"; do\n\
             case $last in --prefix) prefix=$word ;; --python) python=${{word##*/}} ;; esac\n\
             last=$word; done\n\
             [ -z \"$prefix\" ] || mkdir -p \"$prefix/lib/$python/site-packages/x-1.dist-info\"\n",
            asked.display()
        );
        fs::write(app.out.parent().unwrap().join("uv"), script).unwrap();
        let built = app.build(&["--refresh"]);
        let said = format!("{}{}", built.stdout, built.stderr);
        let asked = fs::read_to_string(asked).unwrap_or_default();
        if trick == PLAIN {
            assert!(built.code == Some(0) && asked.contains("\nx==1\n"), "{files:?}\n{asked}\n{said}");
            continue;
        }
        assert!(!matches!(built.code, None | Some(0 | 101)), "{trick:?} {files:?}\n{said}");
        assert!(said.contains(&format!("error[{id}]: ")), "{trick:?} {files:?}\n{said}");
        assert_eq!(asked, "", "{trick:?}");
        assert!(!app.dir.join("stray").exists() && !app.out.join("stray").exists());
    }
}

#[test]
fn a_lock_of_pipenv_cannot_smuggle_anything_into_the_requirements() {
    no_trick_is_installed("Pipfile.lock", "install-dependencies::pipenv");
}

#[test]
fn a_lock_of_poetry_cannot_smuggle_anything_into_the_requirements() {
    no_trick_is_installed("poetry.lock", "install-dependencies::poetry");
}

#[test]
fn a_lock_of_pdm_cannot_smuggle_anything_into_the_requirements() {
    no_trick_is_installed("pdm.lock", "install-dependencies::pdm");
}
