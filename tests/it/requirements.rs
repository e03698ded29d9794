//! requirements.txt with real installers and small packages of its own: what pip makes of a file is the truth.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sha2::{Digest, Sha256};

use crate::indexes;
use crate::support::{Run, TestApp, has_program, python_minor, run, skip};
use crate::zip::{ZipFile, zip};

/// A wheel without any fault.
fn wheel(name: &str, version: &str, needs: &[&str], module: &str) -> Vec<u8> {
    let (file, info) = (name.replace('-', "_"), format!("{}-{version}.dist-info", name.replace('-', "_")));
    let needs: String = needs.iter().map(|need| format!("Requires-Dist: {need}\n")).collect();
    let files = [
        (format!("{file}.py"), module.to_owned()),
        (
            format!("{info}/METADATA"),
            format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}"),
        ),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
        (
            format!("{info}/RECORD"),
            format!("{file}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"),
        ),
    ];
    zip(&files.map(|(name, contents)| ZipFile::new(name, contents)))
}

fn digest(file: &Path) -> String {
    hex::encode(Sha256::digest(fs::read(file).unwrap()))
}

/// Puts a wheel into a directory, and returns its SHA-256.
fn put_wheel(dir: &Path, name: &str, version: &str, needs: &[&str], module: &str) -> String {
    fs::create_dir_all(dir).unwrap();
    let file = dir.join(format!("{}-{version}-py3-none-any.whl", name.replace('-', "_")));
    fs::write(&file, wheel(name, version, needs, module)).unwrap();
    digest(&file)
}

/// Puts a source distribution into a directory: its build back end is in it.
fn put_source(dir: &Path, name: &str, version: &str, failure: Option<&str>) {
    let file = name.replace('-', "_");
    let (top, project) = (
        format!("{file}-{version}"),
        format!("[project]\nname = \"{name}\"\nversion = \"{version}\"\n{BUILD_SYSTEM}"),
    );
    let back_end = match failure {
        Some(words) => format!("import sys\ndef build_wheel(*_):\n    sys.exit({words:?})\n"),
        None => BACK_END.replace("steered_lib", &file).replace("steered-lib", name).replace("1.0", version),
    };
    fs::create_dir_all(dir).unwrap();
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (path, contents) in [
        ("PKG-INFO", format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")),
        ("pyproject.toml", project),
        ("back_end.py", back_end),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(contents.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("{top}/{path}"), contents.as_bytes()).unwrap();
    }
    fs::write(dir.join(format!("{top}.tar.gz")), archive.into_inner().unwrap().finish().unwrap()).unwrap();
}

/// A package index on the disk: `<index>/<name>/index.html`, and the wheels beside it.
fn put_index(dir: &Path, name: &str, version: &str, module: &str) -> String {
    let page = dir.join(name);
    let hash = put_wheel(&page, name, version, &[], module);
    let links: String = fs::read_dir(&page)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".whl"))
        .map(|name| {
            format!(
                "<a href=\"{}#sha256={}\">{name}</a>\n",
                name.replace('+', "%2B"),
                digest(&page.join(&name))
            )
        })
        .collect();
    fs::write(page.join("index.html"), format!("<!DOCTYPE html><html><body>\n{links}</body></html>\n"))
        .unwrap();
    hash
}

/// An app whose packages come from a directory only.
pub(crate) fn app(files: &[(&str, &str)]) -> (TestApp, PathBuf) {
    let mut app = indexes::app(files);
    let links = app.out.parent().unwrap().join("links");
    fs::create_dir_all(&links).unwrap();
    app.set("PIP_NO_INDEX", "1");
    app.set("PIP_FIND_LINKS", links.clone());
    (app, links)
}

/// Compiles an app in the classic buildpack, and returns what a module in it says.
fn compile(app: &TestApp, module: &str) -> (Run, String) {
    let (dir, cache) = (app.out.join("compiled"), app.out.join("cache"));
    let _ = fs::remove_dir_all(&dir);
    crate::support::copy_as_it_is(&app.dir, {
        fs::create_dir_all(&dir).unwrap();
        &dir
    });
    fs::create_dir_all(&cache).unwrap();
    let ran = app.run(&["classic", "compile", dir.to_str().unwrap(), cache.to_str().unwrap()]);
    let found = run(Command::new("find").arg(dir.join(".heroku/python/lib")).args(["-name", module]));
    let text = found.stdout.lines().next().map(|path| fs::read_to_string(path).unwrap());
    (ran, text.unwrap_or_default())
}

/// Returns what a module in the slug says.
fn module_in(slug: &Path, module: &str) -> String {
    let listed = run(Command::new("tar").args(["--list", "--gzip", "--file"]).arg(slug)).success();
    let name = listed.stdout.lines().find(|name| name.ends_with(&format!("site-packages/{module}")));
    let Some(name) = name else { return String::new() };
    run(Command::new("tar").args(["--extract", "--to-stdout", "--gzip", "--file"]).arg(slug).arg(name)).stdout
}

/// A build back end in the source itself, which writes down the variables that it gets.
const BACK_END: &str = r#"
import os, zipfile
INFO = "steered_lib-1.0.dist-info"
NAMES = ["SETUPTOOLS_SCM_PRETEND_VERSION", "CMAKE_ARGS", "CFLAGS", "PKG_CONFIG_PATH", "CC",
         "UV_INDEX_URL", "UV_INDEX", "MY_BACK_END_MODE", "DISTUTILS_X"]
def build_wheel(directory, config_settings=None, metadata_directory=None):
    text = "".join(f"{name}={os.environ[name]}\n" for name in NAMES if name in os.environ)
    files = {
        "steered_lib.py": f"'''\n{text}'''\n",
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: steered-lib\nVersion: 1.0\n",
        f"{INFO}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{INFO}/RECORD": "",
    }
    with zipfile.ZipFile(os.path.join(directory, "steered_lib-1.0-py3-none-any.whl"), "w") as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return "steered_lib-1.0-py3-none-any.whl"
build_editable = build_wheel
def get_requires_for_build_wheel(config_settings=None):
    return []
get_requires_for_build_editable = get_requires_for_build_wheel
"#;
const BUILD_SYSTEM: &str =
    "[build-system]\nrequires = []\nbuild-backend = \"back_end\"\nbackend-path = [\".\"]\n";

// D09, D35
#[test]
#[ignore = "needs PyPI"]
fn what_steers_a_build_is_in_the_key_and_the_rest_does_not_reach_it() {
    const STEERING: &[&str] =
        &["SETUPTOOLS_SCM_PRETEND_VERSION", "CMAKE_ARGS", "CFLAGS", "PKG_CONFIG_PATH", "CC", "DISTUTILS_X"];
    const WITHHELD: &[&str] = &["UV_INDEX_URL", "UV_INDEX", "MY_BACK_END_MODE"];
    let project = format!("[project]\nname = \"steered-lib\"\nversion = \"1.0\"\n{BUILD_SYSTEM}");
    let by_pip: &[(&str, &str)] =
        &[("requirements.txt", "./lib\n"), ("lib/pyproject.toml", &project), ("lib/back_end.py", BACK_END)];
    let as_project: &[(&str, &str)] = &[("pyproject.toml", &project), ("back_end.py", BACK_END)];
    for (what, files, arguments) in [
        ("uv", by_pip, &["--installer", "uv"][..]),
        ("pip", by_pip, &["--installer", "pip"]),
        ("a project", as_project, &[]),
        ("classic", by_pip, &[]),
    ] {
        let (mut app, _) = app(files);
        // The classic buildpack's store has neither uv nor pip yet.
        for name in ["PIP_NO_INDEX", "PIP_FIND_LINKS"] {
            app.env.remove(std::ffi::OsStr::new(name));
        }
        for value in ["/first", "/second", ""] {
            for name in STEERING.iter().chain(WITHHELD) {
                match value {
                    "" => drop(app.env.remove(std::ffi::OsStr::new(name))),
                    value => app.set(name, value),
                }
            }
            let text = if what == "classic" {
                let (ran, text) = compile(&app, "steered_lib.py");
                ran.success();
                text
            } else {
                app.build(arguments).success();
                module_in(&app.slug(), "steered_lib.py")
            };
            let expected: Vec<String> = match value {
                "" => Vec::new(),
                value => {
                    let mut lines: Vec<_> = STEERING.iter().map(|name| format!("{name}={value}")).collect();
                    lines.sort();
                    lines
                }
            };
            let mut lines: Vec<String> = text.lines().filter_map(of_user).collect();
            lines.sort();
            assert_eq!(lines, expected, "{what}: {value}");
        }
    }
}

/// Leaves slugc's own directory, which comes first, out of a line with a variable.
fn of_user(line: &str) -> Option<String> {
    let (name, value) = line.split_once('=')?;
    if name != "PKG_CONFIG_PATH" {
        return Some(line.to_owned());
    }
    let (own, theirs) = value.split_once(':').unwrap_or((value, ""));
    assert!(own.ends_with("/lib/pkgconfig"), "{line}");
    (!theirs.is_empty()).then(|| format!("{name}={theirs}"))
}

// D34
#[test]
#[ignore = "needs PyPI"]
fn another_wheel_in_a_directory_that_installers_look_into_is_installed() {
    for (requirements, links, dir) in [
        ("--no-index\n--find-links ./vendor\nvend-lib\n", None, "vendor"),
        ("--no-index\n-r more/base.txt\n", None, "more/vendor"),
        ("--no-index\nvend-lib\n", Some("vendor"), "vendor"),
        ("--no-index\n-f vendor\nvend-lib==1.0\n", None, "vendor"),
    ] {
        let (mut app, _) = app(&[
            ("requirements.txt", requirements),
            ("more/base.txt", "-f vendor\nvend-lib\n"),
            (".slugignore", "vendor\n"),
        ]);
        for name in ["PIP_NO_INDEX", "PIP_FIND_LINKS"] {
            app.env.remove(std::ffi::OsStr::new(name));
        }
        if let Some(links) = links {
            app.set("PIP_FIND_LINKS", links);
        }
        let dir = app.dir.join(dir);
        put_wheel(&dir, "vend-lib", "1.0", &[], "WHO = 'first'\n");
        app.build(&[]).success();
        assert_eq!(module_in(&app.slug(), "vend_lib.py"), "WHO = 'first'\n", "{requirements}");
        let version = if requirements.contains("==") { "1.0" } else { "1.1" };
        put_wheel(&dir, "vend-lib", version, &[], "WHO = 'other'\n");
        app.build(&[]).success();
        assert_eq!(module_in(&app.slug(), "vend_lib.py"), "WHO = 'other'\n", "{requirements}");
        if requirements.contains("-r more") {
            continue;
        }
        let (ran, text) = compile(&app, "vend_lib.py");
        ran.success();
        assert_eq!(text, "WHO = 'other'\n", "{requirements}");
        put_wheel(&dir, "vend-lib", version, &[], "WHO = 'third'\n");
        let (ran, text) = compile(&app, "vend_lib.py");
        ran.success();
        assert_eq!(text, "WHO = 'third'\n", "{requirements}");
    }
}

// D29
#[test]
#[ignore = "needs PyPI"]
fn a_local_version_elsewhere_does_not_get_round_the_hash() {
    let (mut app, links) = app(&[("requirements.txt", "")]);
    for name in ["PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"] {
        app.env.remove(std::ffi::OsStr::new(name));
    }
    let (main, extra) = (links.join("main"), links.join("extra"));
    let hash = put_index(&main, "tensor-lib", "2.0", "WHO = 'main'\n");
    put_index(&extra, "tensor-lib", "2.0+cpu", "WHO = 'extra'\n");
    let (main, extra) = (format!("file://{}", main.display()), format!("file://{}", extra.display()));
    let flat = format!("file://{}", links.join("extra/tensor-lib").display());
    let pin = format!("tensor-lib==2.0 --hash=sha256:{hash}\n");
    for (requirements, vars) in [
        (format!("--index-url {main}\n--extra-index-url {extra}\n{pin}"), vec![]),
        (format!("--index-url {main}\n-f {flat}\n{pin}"), vec![]),
        (pin.clone(), vec![("PIP_INDEX_URL", &main), ("PIP_EXTRA_INDEX_URL", &extra)]),
        (pin.clone(), vec![("PIP_INDEX_URL", &main), ("PIP_FIND_LINKS", &flat)]),
        (format!("--index-url {main}\n-r more.txt\n"), vec![("PIP_EXTRA_INDEX_URL", &extra)]),
    ] {
        fs::write(app.dir.join("requirements.txt"), &requirements).unwrap();
        fs::write(app.dir.join("more.txt"), &pin).unwrap();
        for name in ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS"] {
            app.env.remove(std::ffi::OsStr::new(name));
        }
        vars.iter().for_each(|(name, value)| app.set(name, value.as_str()));
        app.build(&[]).success();
        assert_eq!(module_in(&app.slug(), "tensor_lib.py"), "WHO = 'main'\n", "{requirements} {vars:?}");
    }
}

// D01
#[test]
#[ignore = "needs PyPI"]
fn hashes_count_wherever_pip_finds_them() {
    let (mut app, links) = app(&[("requirements.txt", "")]);
    let one = put_wheel(&links, "alpha-lib", "1.0", &[], "");
    let two = put_wheel(&links, "alpha-lib", "2.0", &[], "");
    put_wheel(&links, "beta-lib", "1.0", &["alpha-lib"], "");
    for (requirements, constraints, is_right) in [
        // In a file that only pip's configuration names.
        ("alpha-lib==1.0\n".to_owned(), format!("alpha-lib==1.0 --hash=sha256:{one}\n"), true),
        ("alpha-lib==1.0\n".to_owned(), format!("alpha-lib==1.0 --hash=sha256:{two}\n"), false),
        ("beta-lib==1.0\n".to_owned(), format!("alpha-lib==1.0 --hash=sha256:{one}\n"), false),
        ("alpha-lib\n".to_owned(), "--require-hashes\n".to_owned(), false),
        // With directories that only pip's configuration names.
        (format!("alpha-lib==2.0 --hash=sha256:{two}\n"), String::new(), true),
        (format!("alpha-lib --hash=sha256:{one}\n"), String::new(), false),
    ] {
        fs::write(app.dir.join("requirements.txt"), &requirements).unwrap();
        let file = app.out.parent().unwrap().join("constraints.txt");
        fs::write(&file, &constraints).unwrap();
        app.set("PIP_CONSTRAINT", file);
        let built = app.build(&[]);
        assert_eq!(built.code == Some(0), is_right, "{requirements} {constraints} {}", built.stderr);
        assert!(is_right || built.stderr.to_lowercase().contains("hash"), "{}", built.stderr);
    }
}

/// The pip that slugs have, to ask what it would install.
fn pip() -> Option<&'static Path> {
    static PIP: OnceLock<Option<tempfile::TempDir>> = OnceLock::new();
    let dir = PIP.get_or_init(|| {
        if !has_program("python3") {
            skip("no python3 on PATH to ask pip with");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        run(Command::new("python3").args(["-m", "venv"]).arg(dir.path())).success();
        let python = dir.path().join("bin/python");
        run(Command::new(python).args(["-m", "pip", "install", "--quiet", "pip==26.2.1"])).success();
        Some(dir)
    });
    dir.as_ref().map(tempfile::TempDir::path)
}

/// Returns what pip would install, or its words if it wouldn't.
fn by_pip(pip: &Path, app: &TestApp) -> Result<BTreeSet<String>, String> {
    let report = app.out.join("report.json");
    let _ = fs::remove_file(&report);
    let mut command = Command::new(pip.join("bin/python"));
    command
        .args([
            "-m",
            "pip",
            "install",
            "--dry-run",
            "--ignore-installed",
            "--quiet",
            "--no-input",
            "--report",
        ])
        .arg(&report)
        .args(["-r", "requirements.txt"])
        .env_clear()
        .envs(&app.env)
        .env("LC_ALL", "C.UTF-8")
        .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        .current_dir(&app.dir);
    let ran = run(&mut command);
    if ran.code != Some(0) {
        return Err(ran.stderr);
    }
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
    let installed = report["install"].as_array().unwrap().iter().map(|one| {
        let text = |key: &str| one["metadata"][key].as_str().unwrap().replace('-', "_");
        format!("{}-{}", text("name"), text("version"))
    });
    Ok(installed.collect())
}

/// Returns what a slug has installed, but for pip.
fn in_slug(slug: &Path) -> BTreeSet<String> {
    let names = crate::slugs::names_of(slug);
    let found = names.iter().filter_map(|name| {
        let (_, rest) = name.split_once("site-packages/")?;
        let (name, _) = rest.split_once(".dist-info/")?;
        (!name.starts_with("pip-") && !name.contains('/')).then(|| name.to_owned())
    });
    found.collect()
}

/// Lines of requirements files, of which files are made. H1 and H2 are the hashes of alpha-lib, UP is the first one in
/// upper case, LINKS the directory of packages.
const LINES: &[&str] = &[
    "alpha-lib",
    "alpha-lib==1.0",
    "Alpha_Lib >= 1, < 3",
    "alpha-lib===2.0",
    "alpha-lib (==1.0)",
    "alpha-lib ; python_version>'3'",
    "alpha-lib ; os_name=='nt'",
    "alpha-lib==${ALPHA_VERSION}",
    "alpha-lib==1.0 --hash=sha256:H1",
    "alpha-lib==1.0 --hash=sha256:UP",
    "alpha-lib==2.0 \\\n  --hash=sha256:H1 \\\n  --hash=sha256:H2",
    "alpha-lib==2.0 --hash=sha256:H1",
    "alpha-lib \\\n    ==1.0",
    "al\\\npha-lib==1.0",
    "alpha-lib==1.0 # a comment",
    "alpha-lib==1.0\x0cbeta-lib==1.0",
    "alpha-lib @ file://LINKS/alpha_lib-1.0-py3-none-any.whl",
    "file://LINKS/alpha_lib-1.0-py3-none-any.whl",
    "LINKS/alpha_lib-2.0-py3-none-any.whl",
    "file://LINKS/conf_lib-1.0.tar.gz#egg=conf-lib",
    "beta-lib",
    "beta-lib[none]==1.0",
    "delta-lib",
    "delta-lib>=1.0",
    "conf-lib==1.0 -C mode=\"on\"",
    "conf-lib==1.0 --config-settings mode=on",
    "./lib",
    "-e ./lib",
    "-e \"./my lib\"",
    "own-lib @ ./lib",
    "--pre",
    "--prefer-binary",
    "--no-index",
    "--find-links LINKS",
    "-fLINKS",
    "-f ./missing",
    "--only-binary delta-lib",
    "--only-binary=:all:",
    "--no-binary delta-lib,epsilon-lib",
    "--all-releases alpha-lib",
    "--only-final alpha-lib",
    "--pre --prefer-binary",
    "--require-hashes",
    "--trusted-host h.test",
    "-r base.txt",
    "-rbase.txt",
    "--requirement=base.txt",
    "-r \"base.txt\"",
    "-r my base.txt",
    "-r more/nested.txt",
    "-c limits.txt",
    "-c limits.txt # the limits",
    "# caf\u{e9}",
    "",
];

/// A requirements file: lines, how they end, and in which encoding they are written.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let lines = proptest::collection::vec(proptest::sample::select(LINES), 1..5);
    (lines, proptest::sample::select(&["\n", "\r\n", "\n", ""][..]), 0..6_usize).prop_map(
        |(lines, end, encoding)| {
            let last = if end.is_empty() { "" } else { end };
            let end = if end.is_empty() { "\n" } else { end };
            let text = lines.iter().map(|line| line.replace('\n', end)).collect::<Vec<_>>().join(end) + last;
            match encoding {
                0 => format!("# coding: latin-1{end}{text}").chars().map(|letter| letter as u8).collect(),
                1 => format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect(),
                2 => format!("\u{feff}{text}").into_bytes(),
                _ => text.into_bytes(),
            }
        },
    )
}

// D01 to D05: whatever pip makes of a file, uv makes of it or pip is asked.
#[test]
#[ignore = "needs PyPI"]
fn what_pip_accepts_is_installed_with_the_same_result() {
    const CASES: u32 = 24;
    let Some(pip) = pip() else { return };
    let project = format!("[project]\nname = \"own-lib\"\nversion = \"1.0\"\n{BUILD_SYSTEM}");
    let back_end = BACK_END.replace("steered", "own");
    let (mut app, links) = app(&[
        (".python-version", python_minor().unwrap_or("3.13")),
        ("lib/pyproject.toml", &project),
        ("lib/back_end.py", &back_end),
        ("my lib/pyproject.toml", &project),
        ("my lib/back_end.py", &back_end),
        ("base.txt", "beta-lib==1.0\n"),
        ("my", "beta-lib==1.0\n"),
        ("my base.txt", "delta-lib\n"),
        ("more/nested.txt", "-r ../base.txt\n-c limits.txt\n"),
        ("more/limits.txt", "alpha-lib<2\n"),
        ("limits.txt", "alpha-lib<3\nbeta-lib==1.0\n"),
    ]);
    let hashes = [
        put_wheel(&links, "alpha-lib", "1.0", &[], ""),
        put_wheel(&links, "alpha-lib", "2.0", &[], ""),
        put_wheel(&links, "alpha-lib", "3.0a1", &[], ""),
    ];
    put_wheel(&links, "beta-lib", "1.0", &[], "");
    put_wheel(&links, "delta-lib", "1.0", &["alpha-lib"], "");
    put_source(&links, "delta-lib", "1.1", None);
    put_source(&links, "conf-lib", "1.0", None);
    app.set("ALPHA_VERSION", "1.0");
    let replaced = |file: &[u8]| {
        // A single byte a letter, so that every encoding comes through.
        let mut text: String = file.iter().copied().map(char::from).collect();
        for (word, value) in [
            ("H1", hashes[0].clone()),
            ("H2", hashes[1].clone()),
            ("UP", hashes[0].to_uppercase()),
            ("LINKS", links.to_str().unwrap().to_owned()),
        ] {
            text = text.replace(word, &value);
            let wide = |text: &str| text.chars().flat_map(|letter| [letter, '\0']).collect::<String>();
            text = text.replace(&wide(word), &wide(&value));
        }
        text.chars().map(|letter| letter as u8).collect::<Vec<u8>>()
    };
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES);
    let config = Config { cases, max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let accepted = std::cell::Cell::new(0);
    let result = runner.run(&file(), |file| {
        let file = replaced(&file);
        fs::write(app.dir.join("requirements.txt"), &file).unwrap();
        let shown = String::from_utf8_lossy(&file).into_owned();
        let expected = by_pip(pip, &app);
        let built = app.build(&[]);
        let said = format!("{}{}", built.stdout, built.stderr);
        match expected {
            Ok(expected) => {
                accepted.set(accepted.get() + 1);
                prop_assert_eq!(built.code, Some(0), "pip would install {:?}: {}\n{}", expected, shown, said);
                prop_assert_eq!(in_slug(&app.slug()), expected, "{}\n{}", shown, said);
            }
            Err(words) if words.to_lowercase().contains("hash") => {
                prop_assert_ne!(built.code, Some(0), "{}\n{}\n{}", shown, words, said);
            }
            Err(_) => prop_assert!(!said.contains("panicked"), "{}", said),
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(accepted.get() > cases / 4, "only {} of the files were for pip", accepted.get());
}

// D06, D13, D20, D25
#[test]
#[ignore = "needs PyPI"]
fn a_failure_names_its_cause_and_its_line() {
    let (app, links) = app(&[("requirements.txt", "")]);
    put_wheel(&links, "alpha-lib", "1.0", &[], "");
    put_wheel(&links, "alpha-lib", "2.0", &[], "");
    put_source(&links, "tto-lib", "1.0", Some("error in tto-lib setup command: use_2to3 is invalid."));
    put_source(&links, "moody-lib", "1.0", Some("RuntimeError: MY_BUILD_MODE isn't set"));
    put_source(&links, "pg-lib", "1.0", Some("Error: pg_config executable not found."));
    // A Python that isn't the newest has a wheel.
    let older = format!("tto_lib-1.0-cp310-cp310-manylinux_2_17_{}.whl", std::env::consts::ARCH);
    fs::write(links.join(older), wheel("tto-lib", "1.0", &[], "")).unwrap();
    let vars = app.out.join("vars.env");
    fs::write(&vars, "MY_BUILD_MODE=fast\n").unwrap();
    for (requirements, expected) in [
        ("\nalpha-libb\n", &["Did you mean `alpha-lib`", "requirements.txt:2:1"][..]),
        (
            "alpha-lib==1.0\nalpha-lib==2.0\n",
            &["requirements.txt, line 1: alpha-lib==1.0", "requirements.txt, line 2", "requirements.txt:2:1"],
        ),
        ("alpha-lib==9\n", &["no version of `alpha-lib==9`", "requirements.txt:1:1"]),
        ("alpha-lib==1.0 --global-option=\"x\"\n", &["`--global-option` any more", "requirements.txt:1:1"]),
        (
            "tto-lib==1.0\n",
            &[
                "error in tto-lib setup command: use_2to3",
                "setuptools of years ago",
                "wheels for Python 3.10",
            ],
        ),
        ("pg-lib==1.0\n", &["pg_config executable not found", "libpq-dev", "requirements.txt:1:1"]),
        ("moody-lib==1.0\n", &["MY_BUILD_MODE is a config var"]),
    ] {
        fs::write(app.dir.join("requirements.txt"), requirements).unwrap();
        for installer in ["uv", "pip"] {
            let built = app.build(&["--installer", installer, "--env-file", vars.to_str().unwrap()]);
            let told = built.stderr.rsplit("\nerror[").next().unwrap_or_default();
            let flowing = crate::support::flowing(told);
            for expected in expected {
                let is_there = told.contains(expected) || flowing.contains(expected);
                assert!(is_there, "{installer}: {requirements}: {expected}\n{}", built.stderr);
            }
            assert!(!told.contains("Its last words"), "{}", built.stderr);
            built.failure("install-dependencies::pip");
        }
    }
}

// D40
#[test]
#[ignore = "needs PyPI"]
fn a_dry_run_in_pips_settings_is_none() {
    let (mut app, links) = app(&[("requirements.txt", "alpha-lib\n")]);
    put_wheel(&links, "alpha-lib", "1.0", &[], "");
    let file = app.out.join("pip.conf");
    fs::write(&file, "[install]\ndry-run = true\n").unwrap();
    for (name, value) in [
        ("PIP_DRY_RUN", "1".to_owned()),
        ("PIP_DRY_RUN", "true".to_owned()),
        ("PIP_CONFIG_FILE", file.to_str().unwrap().to_owned()),
        ("PIP_REPORT", app.out.join("report.json").to_str().unwrap().to_owned()),
    ] {
        app.set(name, value.clone());
        for installer in ["uv", "pip"] {
            app.build(&["--installer", installer, "--refresh"]).success();
            assert!(in_slug(&app.slug()).contains("alpha_lib-1.0"), "{installer}: {name}={value}");
        }
        app.env.remove(std::ffi::OsStr::new(name));
    }
}
