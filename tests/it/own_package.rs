//! Apps that are installed as packages of their own, and can't be.

use std::fs;

use crate::locks::{BACKEND, app, package};
use crate::support::{TestApp, flowing};

/// As Poetry 2.4.1 writes it for `python = "^3.11"` alone.
pub(crate) const POETRY_LOCK: &str = "package = []\n\n[metadata]\nlock-version = \"2.1\"\npython-versions = \"^3.11\"\n\
     content-hash = \"81b2fa642d7f2d1219cf80112ace12d689d053d81be7f7addb98144d56fc0fb2\"\n";

// D08, C36
#[test]
fn every_door_says_what_keeps_poetry_from_installing_the_app() {
    for (settings, file, expected) in [
        ("", "bot.py", "no package of the name `a-bot`: neither a_bot.py nor a_bot/"),
        ("packages = [{ include = \"bot\" }]", "a_bot.py", "names bot, which isn't there"),
        ("readme = \"README.md\"", "a_bot.py", "names README.md as its readme"),
        ("", "a_bot/data.txt", "a_bot is to be the package, and has no .py file"),
    ] {
        let pyproject = format!(
            "[tool.poetry]\nname = \"a-bot\"\nversion = \"0.1\"\n{settings}\n[tool.poetry.dependencies]\npython = \"^3.11\"\n\
             [build-system]\nrequires = [\"poetry-core\"]\nbuild-backend = \"poetry.core.masonry.api\"\n"
        );
        let app = TestApp::new(&[
            ("pyproject.toml", &pyproject),
            ("poetry.lock", POETRY_LOCK),
            (".python-version", "3.12\n"),
            ("Procfile", "worker: python bot.py\n"),
            (file, "print(1)\n"),
        ]);
        for door in ["plan", "check", "build"] {
            let failed = app.run(&[door, app.dir.to_str().unwrap()]).failure("install-dependencies::poetry");
            assert_eq!(failed.code, Some(1), "{door} {settings}");
            let text = flowing(&failed.stderr);
            for wanted in [expected, "`package-mode = false`"] {
                assert!(text.contains(wanted), "{door} {settings}: {text}");
            }
            for wrong in ["poetry lock", "compiler", "Traceback", "wheel"] {
                assert!(!text.contains(wrong), "{door} {settings}: {text}");
            }
        }
        fs::write(
            app.dir.join("pyproject.toml"),
            pyproject.replace("name =", "package-mode = false\nname ="),
        )
        .unwrap();
        app.run(&["plan", app.dir.to_str().unwrap()]).success();
    }
}

// D08: what only the build finds out. The back end doesn't find the module.
#[test]
#[ignore = "needs PyPI"]
fn the_app_is_never_said_to_be_a_package_without_a_wheel() {
    const UV_LOCK: &str = "version = 1\nrequires-python = \">=3.10\"\n[[package]]\nname = \"a-bot\"\nversion = \"1.0\"\nsource = { editable = \".\" }\n";
    for (extra, id, expected) in [
        (Some(("uv.lock", UV_LOCK)), "install-dependencies::uv", "`package = false` below [tool.uv]"),
        (None, "install-dependencies::uv", "`package = false` below [tool.uv]"),
        (Some(("requirements.txt", "-e .\n")), "install-dependencies::pip", "Correct what the message above"),
        (Some(("requirements.txt", ".\n")), "install-dependencies::pip", "Correct what the message above"),
    ] {
        let mut files = package("x", "a-bot");
        let backend = files.remove(1).1.replace("editable):", "editable):\n    open('a_bot.py')");
        let pyproject = format!(
            "[project]\nname = \"a-bot\"\nversion = \"1.0\"\nrequires-python = \">=3.10\"\ndependencies = []\n{BACKEND}"
        );
        let mut files = vec![("pyproject.toml".to_owned(), pyproject), ("backend.py".to_owned(), backend)];
        files.extend(extra.map(|(name, text)| (name.to_owned(), text.to_owned())));
        let app = app(&files);
        let failed = app.build(&[]).failure(id);
        let told = failed.stderr.rsplit("\nerror[").next().unwrap_or_default().to_owned();
        let text = flowing(&told);
        for wanted in [expected, "a_bot.py", "The app itself is installed as a package (`a-bot`)"] {
            assert!(text.contains(wanted), "{extra:?}: {wanted} isn't in: {text}");
        }
        for wrong in [" lock`", "compiler", "wheel"] {
            assert!(!text.contains(wrong), "{extra:?}: {wrong}: {text}");
        }
    }
}
