//! Projects, and packages in the app itself: they are installed apart from what comes from elsewhere, so that a
//! change of the app doesn't install everything again.

use std::fs;
use std::process::Command;

use crate::indexes::real;
use crate::support::{Run, TestApp, has_program, run, skip};

const BUILD: &str =
    "[build-system]\nrequires = [\"setuptools\"]\nbuild-backend = \"setuptools.build_meta\"\n";

#[track_caller]
fn build(app: &TestApp, arguments: &[&str]) -> Run {
    app.build(&[&["--python-source", "host", "--format", "json"], arguments].concat()).success()
}

/// The names of the layers that were made.
fn made(run: &Run) -> Vec<String> {
    let built = run.events().into_iter().filter(|event| event["event"] == "layer_built");
    built.map(|event| event["layer"].as_str().unwrap().to_owned()).collect()
}

fn sha256(run: &Run) -> String {
    run.event("finished")["sha256"].as_str().unwrap().to_owned()
}

#[track_caller]
fn python(app: &TestApp, code: &str) -> String {
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", code]).success();
    ran.stdout.trim().to_owned()
}

/// A change makes these layers anew and nothing else, and the slug is the same as one that is made from scratch.
#[track_caller]
fn change(app: &TestApp, file: &str, contents: &str, expected: &[&str]) {
    fs::write(app.dir.join(file), contents).unwrap();
    let changed = build(app, &[]);
    assert_eq!(made(&changed), expected, "{file}");
    let again = build(app, &[]).event("finished");
    assert_eq!(again["counters"]["processes"], 0, "{again}");
    assert_eq!(sha256(&changed), sha256(&build(app, &["--refresh"])), "not as from scratch after {file}");
}

fn warm() {
    build(&real(&[("requirements.txt", "")]), &[]);
}

#[test]
#[ignore = "needs PyPI"]
fn a_changed_line_installs_the_apps_own_packages_alone() {
    warm();
    let project = format!(
        "[project]\nname = \"shop\"\nversion = \"1\"\ndependencies = [\"six==1.16.0\"]\nscripts = {{ shop = \"shop:main\" }}\n{BUILD}"
    );
    let setup = "from setuptools import setup\nsetup(name='flat', version='2', py_modules=['flat'])\n";
    let app = real(&[
        ("requirements.txt", "idna==3.10\n-e .\n-e ./libs/flat\n"),
        ("pyproject.toml", &project),
        ("src/shop/__init__.py", "def main(): print('first')\n"),
        ("libs/flat/setup.py", setup),
        ("libs/flat/flat.py", "WHO = 'flat'\n"),
    ]);
    build(&app, &[]);
    let code = "import six, idna, flat, shop, importlib.metadata as m; print(six.__version__, flat.WHO, m.version('shop'))";
    assert_eq!(python(&app, code), "1.16.0 flat 1");
    change(&app, "src/shop/__init__.py", "def main(): print('second')\n", &["project"]);
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert_eq!(ran.stdout.trim(), "second");
    // What it needs has changed: nobody but the package says so.
    change(&app, "pyproject.toml", &project.replace("1.16.0", "1.15.0"), &["project", "dependencies"]);
    assert_eq!(python(&app, "import six; print(six.__version__)"), "1.15.0");
}

#[test]
#[ignore = "needs PyPI"]
fn a_package_in_a_directory_is_only_made_of_that() {
    warm();
    let project = format!(
        "[project]\nname = \"tool\"\ndynamic = [\"version\", \"dependencies\", \"optional-dependencies\"]\n{BUILD}\
         [tool.setuptools]\npy-modules = [\"tool\"]\n[tool.setuptools.dynamic]\nversion = {{ attr = \"tool.VERSION\" }}\n\
         dependencies = {{ file = [\"needs.txt\"] }}\noptional-dependencies.web = {{ file = [\"web.txt\"] }}\n"
    );
    let app = real(&[
        ("requirements.txt", "./libs/tool[web]\nrequests==2.32.3\n./libs/idna\n"),
        ("app.py", "print(1)\n"),
        ("libs/tool/pyproject.toml", &project),
        ("libs/tool/tool.py", "VERSION = '3'\n"),
        ("libs/tool/needs.txt", "six==1.16.0\nidna\n"),
        ("libs/tool/web.txt", "iniconfig==2.0.0\n"),
        // `requests` needs a package of this name: the one from an index is another.
        ("libs/idna/pyproject.toml", &format!("[project]\nname = \"idna\"\nversion = \"3.99\"\n{BUILD}")),
        ("libs/idna/idna.py", "OURS = True\n"),
    ]);
    build(&app, &[]);
    let code = "import six, iniconfig, idna, importlib.metadata as m; print(m.version('tool'), idna.OURS, m.version('idna'))";
    assert_eq!(python(&app, code), "3 True 3.99");
    change(&app, "app.py", "print(2)\n", &[]);
    change(&app, "libs/tool/tool.py", "VERSION = '4'\n", &["project"]);
    assert_eq!(python(&app, code), "4 True 3.99");
}

#[test]
#[ignore = "needs PyPI"]
fn a_project_without_a_lock_is_installed_if_it_says_how_it_is_built() {
    warm();
    let project = "[project]\nname = \"shop\"\ndynamic = [\"version\"]\ndependencies = [\"six==1.16.0\"]\n\
                   scripts = { shop = \"shop:main\" }\n[tool.hatch.version]\npath = \"shop/__init__.py\"\n";
    let hatch = "[build-system]\nrequires = [\"hatchling\"]\nbuild-backend = \"hatchling.build\"\n";
    let app = real(&[
        ("pyproject.toml", &format!("{project}{hatch}")),
        ("shop/__init__.py", "__version__ = '5'\ndef main(): print('open')\n"),
    ]);
    build(&app, &[]);
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "shop"]).success();
    assert_eq!(ran.stdout.trim(), "open");
    let version = "import six, importlib.metadata as m; print(m.version('shop'))";
    assert_eq!(python(&app, version), "5");
    change(&app, "shop/__init__.py", "__version__ = '5'\ndef main(): print('shut')\n", &["project"]);
    // Without it, the project is only where its files are.
    for text in [
        project.replace("dynamic = [\"version\"]", "version = \"5\""),
        format!("{project}{hatch}[tool.uv]\npackage = false\n")
            .replace("dynamic = [\"version\"]", "version = \"5\""),
    ] {
        fs::write(app.dir.join("pyproject.toml"), &text).unwrap();
        build(&app, &[]);
        let code =
            "import six, shop, importlib.metadata as m; print('shop' in {d.name for d in m.distributions()})";
        assert_eq!(python(&app, code), "False", "{text}");
    }
}

#[test]
#[ignore = "needs PyPI"]
fn an_editable_repository_is_not_made_of_the_app() {
    if !has_program("git") {
        return skip("no git on PATH");
    }
    warm();
    let project = format!("[project]\nname = \"remote\"\nversion = \"1\"\n{BUILD}");
    let repository = real(&[("pyproject.toml", &project), ("remote.py", "WHO = 'remote'\n")]);
    for arguments in [
        &["init", "-q"][..],
        &["add", "."],
        &["-c", "user.name=x", "-c", "user.email=x@example.test", "commit", "-qm", "x"],
    ] {
        run(Command::new("git").args(arguments).current_dir(&repository.dir)).success();
    }
    let text = format!("-e git+file://{}#egg=remote\n", repository.dir.display());
    let app = real(&[("requirements.txt", &text), ("app.py", "print(1)\n")]);
    build(&app, &[]);
    assert_eq!(python(&app, "import remote; print(remote.WHO)"), "remote");
    fs::write(app.dir.join("app.py"), "print(2)\n").unwrap();
    assert_eq!(made(&build(&app, &[])), Vec::<String>::new());
}
