//! What stands in lock files and beside them, and can't be: it is told before anything is installed.

use std::fs;

use crate::locks::{digest, wheel, wheel_name};
use crate::real_tools::locked_app;
use crate::support::{Run, TestApp};

fn app(files: &[(&str, &str)]) -> TestApp {
    let app = TestApp::new(files);
    fs::write(app.dir.join("Procfile"), "worker: python app.py\n").unwrap();
    fs::write(app.dir.join("app.py"), "print(1)\n").unwrap();
    app
}

fn flowing(run: &Run) -> String {
    crate::support::flowing(&format!("{}{}", run.stdout, run.stderr))
}

// D12, D40
#[test]
fn plan_and_check_name_both_files_that_contradict_each_other() {
    let project =
        |range: &str| format!("[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \"{range}\"\n");
    let uv_lock = "version = 1\nrequires-python = \">=3.14\"\n[[package]]\nname = \"x\"\nversion = \"1\"\nsource = { virtual = \".\" }\n";
    let pipfile_lock = r#"{"_meta": {"requires": {"python_version": "3.12"}, "sources": []}, "default": {}}"#;
    for (files, first, second) in [
        (
            vec![
                (".python-version", "3.13\n"),
                ("pyproject.toml", &*project(">=3.14")),
                ("uv.lock", uv_lock),
            ],
            ".python-version says 3.13",
            "pyproject.toml says `>=3.14`",
        ),
        (
            vec![
                (".python-version", "3.13\n"),
                ("pyproject.toml", &*project("<3.13")),
                ("requirements.txt", ""),
            ],
            ".python-version says 3.13",
            "pyproject.toml says `<3.13`",
        ),
        (
            vec![("runtime.txt", "python-3.12.4\n"), (".python-version", "3.13\n"), ("requirements.txt", "")],
            "runtime.txt says 3.12.4",
            ".python-version says 3.13",
        ),
        (
            vec![(".python-version", "3.13\n"), ("Pipfile.lock", pipfile_lock)],
            ".python-version says 3.13",
            "Pipfile.lock says `3.12`",
        ),
    ] {
        let mut app = app(&files);
        // Whatever this machine has.
        app.set("SLUGC_PYTHON_SOURCE", "catalogue");
        for door in ["plan", "check"] {
            let said = flowing(&app.run(&[door, app.dir.to_str().unwrap()]).success());
            assert!(said.contains(first) && said.contains(second), "{door} {files:?}: {said}");
        }
    }
}

// D11
#[test]
fn a_uv_that_the_app_does_not_ask_for_is_told_before_it_runs() {
    let project = "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n[tool.uv]\nrequired-version = \">=0.99\"\n";
    let lock = "version = 1\nrequires-python = \">=3.10\"\n[[package]]\nname = \"x\"\nversion = \"1\"\nsource = { virtual = \".\" }\n";
    for files in [&[("pyproject.toml", project), ("uv.lock", lock)][..], &[("pyproject.toml", project)]] {
        let app = app(files);
        for door in ["plan", "build", "check"] {
            let failed = app.run(&[door, app.dir.to_str().unwrap()]).failure("install-dependencies::uv");
            let said = flowing(&failed);
            assert!(said.contains("asks for uv >=0.99") && said.contains("SLUGC_UV"), "{door}: {said}");
            assert!(!said.contains("uv lock") && !said.contains("self update"), "{door}: {said}");
        }
    }
}

// D38: as Poetry 2.4.1 ("not found in known hashes") and PDM 2.29.3 ("Hash mismatch") do.
#[test]
fn a_wheel_in_the_app_that_was_changed_is_refused() {
    let name = wheel_name("alpha-lib", "1.0");
    let (locked, changed) = (wheel("alpha-lib", "1.0", "vendor"), wheel("alpha-lib", "1.0", "elsewhere"));
    let files = format!("files = [{{file = \"{name}\", hash = \"sha256:{}\"}}]\n", digest(&locked));
    let poetry = format!(
        "[[package]]\nname = \"alpha-lib\"\nversion = \"1.0\"\noptional = false\npython-versions = \"*\"\ngroups = [\"main\"]\n{files}\
         [package.source]\ntype = \"file\"\nurl = \"vendor/{name}\"\n[metadata]\nlock-version = \"2.1\"\npython-versions = \"^3.11\"\n\
         content-hash = \"81b2fa642d7f2d1219cf80112ace12d689d053d81be7f7addb98144d56fc0fb2\"\n"
    );
    let pdm = format!(
        "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.1\"\nlock_inputs = []\n[[package]]\nname = \"alpha-lib\"\n\
         version = \"1.0\"\npath = \"./vendor/{name}\"\ngroups = [\"default\"]\n{files}"
    );
    let poetrys = "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = \"^3.11\"\n";
    let pdms = "[project]\nname = \"x\"\nrequires-python = \">=3.11\"\n[tool.pdm]\ndistribution = false\n";
    for (file, lock, project, id, command) in [
        ("poetry.lock", &poetry, poetrys, "install-dependencies::poetry", "poetry lock"),
        ("pdm.lock", &pdm, pdms, "install-dependencies::pdm", "pdm lock"),
    ] {
        let app = app(&[(file, lock), ("pyproject.toml", project), (".python-version", "3.12\n")]);
        fs::create_dir(app.dir.join("vendor")).unwrap();
        let archive = app.dir.join("vendor").join(&name);
        fs::write(&archive, &locked).unwrap();
        app.run(&["plan", app.dir.to_str().unwrap()]).success();
        fs::write(&archive, &changed).unwrap();
        for door in ["plan", "build"] {
            let said = flowing(&app.run(&[door, app.dir.to_str().unwrap()]).failure(id));
            assert!(said.contains(&format!("vendor/{name} doesn't have the hash that {file} has")), "{said}");
            assert!(said.contains(command), "{said}");
        }
    }
}

// D40
#[test]
fn the_file_of_another_package_manager_is_mentioned() {
    for (files, expected) in [
        (&[("requirements.txt", ""), ("pdm.lock", "")][..], "pdm.lock is there, too, and isn't read"),
        (&[("requirements.txt", ""), ("pylock.toml", "")], "pylock.toml is there, too, and isn't read"),
        (
            &[("requirements.txt", ""), ("pdm.lock", ""), ("pylock.toml", "")],
            "pdm.lock and pylock.toml are there, too, and aren't read",
        ),
        (&[("requirements.txt", "")], ""),
    ] {
        let app = app(files);
        let said = flowing(&app.run(&["plan", app.dir.to_str().unwrap()]).success());
        assert!(said.contains(expected), "{files:?}: {said}");
        assert_eq!(said.contains("there, too"), !expected.is_empty(), "{files:?}: {said}");
    }
}

// C36
#[test]
fn a_server_that_no_lock_has_is_missed_before_anything_is_built() {
    let table = "[[package]]\nname = \"flask\"\nversion = \"3.1.0\"\n";
    let uv = format!(
        "version = 1\nrequires-python = \">=3.10\"\n{table}source = {{ registry = \"https://index.invalid/simple\" }}\n\
         [[package]]\nname = \"x\"\nversion = \"1\"\nsource = {{ virtual = \".\" }}\ndependencies = [{{ name = \"flask\" }}]\n"
    );
    let poetry = format!(
        "{table}optional = false\npython-versions = \"*\"\ngroups = [\"main\"]\nfiles = []\n\
         [[package]]\nname = \"SERVER\"\nversion = \"23.0.0\"\noptional = false\npython-versions = \"*\"\ngroups = [\"dev\"]\nfiles = []\n\
         [metadata]\nlock-version = \"2.1\"\npython-versions = \"^3.11\"\n\
         content-hash = \"81b2fa642d7f2d1219cf80112ace12d689d053d81be7f7addb98144d56fc0fb2\"\n"
    );
    let pdm = format!(
        "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.1\"\nlock_inputs = []\n{table}groups = [\"default\"]\nfiles = []\n"
    );
    let pipenv = r#"{"_meta": {"sources": []}, "default": {"flask": {"version": "==3.1.0"}}, "develop": {"SERVER": {}}}"#;
    let standard = "[project]\nname = \"x\"\nversion = \"1\"\nrequires-python = \">=3.10\"\n[tool.pdm]\ndistribution = false\n";
    let poetrys = "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = \"^3.11\"\n";
    for (file, lock, pyproject) in [
        ("uv.lock", uv.as_str(), standard),
        ("poetry.lock", &poetry, poetrys),
        ("pdm.lock", &pdm, standard),
        ("Pipfile.lock", pipenv, ""),
    ] {
        for (server, command) in [
            ("gunicorn", "gunicorn app:app"),
            ("uvicorn", "uvicorn app:app --host 0.0.0.0 --port $PORT"),
            ("waitress", "waitress-serve --port=$PORT app:app"),
        ] {
            let lock = lock.replace("SERVER", server);
            let app =
                TestApp::new(&[(file, &lock), ("pyproject.toml", pyproject), ("app.py", "app = None\n")]);
            fs::write(app.dir.join("Procfile"), format!("web: {command}\n")).unwrap();
            let checked = app.run(&["check", app.dir.to_str().unwrap()]);
            let said = flowing(&checked);
            assert_eq!(checked.code, Some(1), "{file} {server}: {said}");
            assert!(said.contains("command::not-installed"), "{file} {server}: {said}");
            assert!(said.contains(&format!("{file} doesn't name it")), "{file} {server}: {said}");
        }
    }
}

// D40: PDM 2.29.3 locks such a project, and its hash is of what it makes of the table.
#[test]
#[ignore = "needs PyPI"]
fn a_project_that_is_described_for_poetry_and_locked_by_pdm_is_installed_by_pdm() {
    let text = "[tool.poetry]\nname = \"a-bot\"\nversion = \"0.1\"\n[tool.poetry.dependencies]\npython = \"^3.10\"\nsix = \"1.16.0\"\n";
    let files =
        [("pyproject.toml", text), ("a_bot.py", "print(1)\n"), ("Procfile", "worker: python a_bot.py\n")];
    let Some(mut app) = locked_app(&files, "pdm lock --quiet") else { return };
    app.set("SLUGC_PYTHON_SOURCE", "host");
    let built = app.build(&[]).success();
    assert!(flowing(&built).contains("[tool.poetry] describes the project"), "{}", built.stdout);
    let code = "import six; print(six.__version__)";
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", code]).success();
    assert_eq!(ran.stdout, "1.16.0\n");
}
