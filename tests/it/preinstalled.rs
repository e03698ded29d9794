//! What is there before the app's packages, and what packages are compiled against: with real packages.

use std::fs;

use crate::slugs::names_of;
use crate::support::{TestApp, machines_index, skip};

/// An app that is built with the real uv, with an interpreter of this machine of one of these minor versions.
fn app(minors: &[&str]) -> Option<(TestApp, String)> {
    let mut app = TestApp::new(&[("Procfile", "web: true\n")]);
    // A store of its own: in the one that tests share, a stand-in for uv has installed nothing.
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app.env.remove(std::ffi::OsStr::new("SLUGC_UV"));
    app.env.extend(machines_index());
    let found = minors.iter().find(|minor| {
        fs::write(app.dir.join(".python-version"), minor).unwrap();
        fs::write(app.dir.join("requirements.txt"), "").unwrap();
        app.run(&["build", app.dir.to_str().unwrap()]).code == Some(0)
    });
    match found {
        Some(minor) => Some((app, (*minor).to_owned())),
        None => {
            skip(&format!("none of Python {} is here", minors.join(", ")));
            None
        }
    }
}

// D41
#[test]
#[ignore = "needs PyPI"]
fn setuptools_counts_as_installed_and_is_replaced_only_where_the_app_asks_for_it() {
    let Some((app, _)) = app(&["3.12", "3.11", "3.10"]) else { return };
    for (requirements, expected) in [
        ("gunicorn==20.1.0\n", "70.3.0"),
        ("APScheduler==3.10.1\n", "70.3.0"),
        ("six\n", "70.3.0"),
        ("gunicorn==20.1.0\nsetuptools==69.0.0\n", "69.0.0"),
        ("gunicorn==20.1.0\nsetuptools>=80,<80.10.2\n", "80.10.1"),
    ] {
        fs::write(app.dir.join("requirements.txt"), requirements).unwrap();
        for installer in ["uv", "pip"] {
            app.build(&["--installer", installer]).success();
            let names = names_of(&app.slug());
            let found: Vec<&str> = names
                .iter()
                .filter_map(|name| {
                    name.split_once("site-packages/setuptools-")?.1.strip_suffix(".dist-info/RECORD")
                })
                .collect();
            assert_eq!(found, [expected], "{installer}: {requirements}");
            let has_resources =
                names.iter().any(|name| name.ends_with("site-packages/pkg_resources/__init__.py"));
            assert!(has_resources, "{installer}: {requirements}");
        }
    }
    // And in the classic buildpack, whose cache has the layers.
    fs::write(app.dir.join("requirements.txt"), "gunicorn==20.1.0\n").unwrap();
    let (cache, dir) = (app.out.join("cache"), app.dir.to_str().unwrap().to_owned());
    fs::create_dir(&cache).unwrap();
    app.run(&["classic", "compile", &dir, cache.to_str().unwrap()]).success();
    let library = fs::read_dir(app.dir.join(".heroku/python/lib")).unwrap();
    let library = library.map(|entry| entry.unwrap().path()).find(|path| path.join("site-packages").is_dir());
    let site_packages = library.unwrap().join("site-packages");
    assert!(site_packages.join("setuptools-70.3.0.dist-info").is_dir());
    assert!(site_packages.join("pkg_resources/__init__.py").is_file());
}

// D42
#[test]
#[ignore = "needs PyPI"]
fn a_package_that_links_with_pythons_own_library_is_compiled_and_runs() {
    let Some((app, _)) = app(&["3.12", "3.13", "3.11"]) else { return };
    fs::write(app.dir.join("requirements.txt"), "uwsgi==2.0.31\n").unwrap();
    for installer in ["uv", "pip"] {
        app.build(&["--installer", installer, "--refresh"]).success();
        let run = app.run(&["run", "slug.tgz", "--", "uwsgi", "--version"]).success();
        assert_eq!(run.stdout.trim(), "2.0.31", "{installer}");
    }
    // With a lock, uv itself is what runs the build.
    fs::remove_file(app.dir.join("requirements.txt")).unwrap();
    fs::write(
        app.dir.join("pyproject.toml"),
        "[project]\nname = 'site'\nversion = '1'\nrequires-python = '>=3.10'\ndependencies = ['uwsgi==2.0.31']\n",
    )
    .unwrap();
    app.build(&["--refresh"]).success();
    assert_eq!(app.run(&["run", "slug.tgz", "--", "uwsgi", "--version"]).success().stdout.trim(), "2.0.31");
}

// D01, D02, D03: what pip says of these files is the truth; it is in tests of the reader which lines are left to it.
#[test]
#[ignore = "needs PyPI"]
fn hashes_are_checked_as_pip_checks_them_in_both_doors() {
    const SIX: &str =
        "six==1.16.0 --hash=sha256:8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254";
    let Some((app, _)) = app(&["3.13", "3.12", "3.11"]) else { return };
    let upper = SIX.replace("8abb2f1d", "8ABB2F1D");
    let wrong = SIX.replace("8abb", "0000");
    for (requirements, constraints, is_right) in [
        (SIX.to_owned(), "", true),
        (upper, "", true),
        (wrong, "", false),
        // One hash anywhere means all.
        (format!("{SIX}\nblinker==1.9.0\n"), "", false),
        ("blinker==1.9.0\n-c c.txt\n".to_owned(), SIX, false),
        // What another package needs has none.
        (
            "python-dateutil==2.9.0.post0 \
             --hash=sha256:a8b2bc7bffae282281c8140a97d3aa9c14da0b136dfe83f850eea9a5f7470427\n"
                .to_owned(),
            "",
            false,
        ),
        // Another version than the one that has the hash.
        (format!("-c c.txt\n{}\n", SIX.replace("==1.16.0", "")), "six==1.15.0\n", false),
        ("--require-hashes\nsix==1.16.0\n".to_owned(), "", false),
    ] {
        fs::write(app.dir.join("requirements.txt"), &requirements).unwrap();
        fs::write(app.dir.join("c.txt"), constraints).unwrap();
        let run = app.build(&[]);
        assert_eq!(run.code == Some(0), is_right, "{requirements}\n{}", run.stderr);
        assert!(is_right || run.stderr.to_lowercase().contains("hash"), "{requirements}\n{}", run.stderr);
        let cache = tempfile::tempdir().unwrap();
        let compiled =
            app.run(&["classic", "compile", app.dir.to_str().unwrap(), cache.path().to_str().unwrap()]);
        assert_eq!(compiled.code == Some(0), is_right, "{requirements}\n{}", compiled.stdout);
        let _ = fs::remove_dir_all(app.dir.join(".heroku"));
        let _ = fs::remove_dir_all(app.dir.join(".profile.d"));
    }
}

/// Compiles a program that embeds Python, in the ways in which packages find it.
const SETUP: &str = r#"
import os, subprocess, sys, sysconfig
from setuptools import setup
from setuptools.command.build_py import build_py

HOW = "@HOW@"
var = sysconfig.get_config_var
COMMANDS = {
    "sysconfig": f"cc main.c -o embed/prog -I{var('INCLUDEPY')} -L{var('LIBDIR')} -L{var('LIBPL')} "
                 f"{var('LDFLAGS')} -lpython{var('LDVERSION')} {var('LIBS')}",
    "python3-config": "cc main.c -o embed/prog $(python3-config --includes) $(python3-config --embed --ldflags)",
    "pkg-config": "cc main.c -o embed/prog $(pkg-config --cflags --libs python3-embed)",
    "cmake": f"cmake -S . -B out -DPython_EXECUTABLE={sys.executable} && cmake --build out && cp out/prog embed/prog",
    "meson": "meson setup out && meson compile -C out && cp out/prog embed/prog",
}

class Build(build_py):
    def run(self):
        subprocess.check_call(COMMANDS[HOW], shell=True)
        super().run()

setup(name="embed", version="1", packages=["embed"], package_data={"embed": ["prog"]}, cmdclass={"build_py": Build})
"#;
const MAIN: &str = r#"
#include <Python.h>
int main(void) {
    Py_Initialize();
    return PyRun_SimpleString("import sys; print('embedded %d.%d' % sys.version_info[:2])");
}
"#;

// D42
#[test]
#[ignore = "needs PyPI"]
fn every_way_to_find_python_leads_packages_to_the_one_that_they_are_built_for() {
    let Some((app, minor)) = app(&["3.12", "3.13", "3.11"]) else { return };
    let dir = app.dir.join("embed");
    fs::create_dir_all(dir.join("embed")).unwrap();
    for (name, text) in [
        ("embed/__init__.py", ""),
        ("main.c", MAIN),
        (
            "CMakeLists.txt",
            "cmake_minimum_required(VERSION 3.18)\nproject(embed C)\n\
             find_package(Python REQUIRED COMPONENTS Interpreter Development.Embed)\n\
             add_executable(prog main.c)\ntarget_link_libraries(prog Python::Python)\n",
        ),
        (
            "meson.build",
            "project('embed', 'c')\npy = import('python').find_installation()\n\
             executable('prog', 'main.c', dependencies: py.dependency(embed: true))\n",
        ),
    ] {
        fs::write(dir.join(name), text).unwrap();
    }
    fs::write(app.dir.join("requirements.txt"), "./embed\n").unwrap();
    for (how, requires) in [
        ("sysconfig", ""),
        ("python3-config", ""),
        ("pkg-config", ""),
        ("cmake", ", 'cmake'"),
        ("meson", ", 'meson', 'ninja'"),
    ] {
        fs::write(dir.join("setup.py"), SETUP.replace("@HOW@", how)).unwrap();
        fs::write(
            dir.join("pyproject.toml"),
            format!(
                "[build-system]\nrequires = ['setuptools'{requires}]\nbuild-backend = 'setuptools.build_meta'\n"
            ),
        )
        .unwrap();
        for installer in ["uv", "pip"] {
            app.build(&["--installer", installer, "--refresh"]).success();
            let script = r#"exec "$(python -c 'import embed; print(embed.__path__[0])')/prog""#;
            let run = app.run(&["run", "slug.tgz", "--", "sh", "-c", script]).success();
            assert_eq!(run.stdout.trim(), format!("embedded {minor}"), "{how}, {installer}");
        }
    }
}
