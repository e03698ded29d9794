//! Projects of uv's: everything in the app that their files point at is there when uv looks at it.

use std::fs;
use std::os::unix::fs::symlink;

use crate::locks::{BACKEND, app, built, package, wheel, wheel_name};
use crate::real_tools::{lock, tools};
use crate::support::TestApp;

/// Locks with a real uv (0.12.5), builds, and says what the modules say of themselves.
#[track_caller]
fn locked_and_built(app: &TestApp, modules: &[&str]) -> String {
    let Some(tools) = tools() else { return "skipped".to_owned() };
    lock(app, tools, "uv lock --quiet");
    built(app, modules)
}

fn pyproject(name: &str, dependencies: &str, rest: &str) -> String {
    format!(
        "[project]\nname = \"{name}\"\nversion = \"0.1.0\"\nrequires-python = \">=3.10\"\ndependencies = [{dependencies}]\n{rest}"
    )
}

// D07
#[test]
#[ignore = "needs PyPI"]
fn a_lock_of_a_workspace_is_valid_whatever_its_members_are() {
    let other = pyproject("other", "", "");
    let dynamic = format!(
        "[project]\nname = \"other\"\nversion = \"1.0\"\ndynamic = [\"dependencies\"]\n{BACKEND}[tool.uv]\npackage = false\n"
    );
    let backend = package("x", "other").remove(1).1;
    for (what, workspace, more) in [
        ("no build system", "members = [\"packages/*\"]", vec![("packages/other/pyproject.toml", &*other)]),
        (
            "a list, and nested",
            "members = [\"packages/core\", \"packages/more/other\"]",
            vec![("packages/more/other/pyproject.toml", &other)],
        ),
        (
            "an excluded one",
            "members = [\"packages/*\"]\nexclude = [\"packages/old\"]",
            vec![
                ("packages/old/pyproject.toml", "[project]\nname = \"old\"\n"),
                ("packages/other/pyproject.toml", &other),
            ],
        ),
        (
            "a group with what is in a directory",
            "members = [\"packages/*\"]\n[dependency-groups]\ndev = [\"other\"]\n[tool.uv.sources.other]\npath = \"tools/other\"",
            vec![("tools/other/pyproject.toml", &other)],
        ),
        (
            "one that has to be asked what it needs",
            "members = [\"packages/*\"]",
            vec![
                ("packages/other/pyproject.toml", &dynamic),
                ("packages/other/backend.py", &backend),
                ("packages/other/other.py", ""),
            ],
        ),
        (
            "a link",
            "members = [\"linked/*\", \"packages/core\"]",
            vec![("real/other/pyproject.toml", &other)],
        ),
    ] {
        let root = pyproject(
            "site",
            "\"core-lib\"",
            &format!(
                "[tool.uv.sources]\ncore-lib = {{ workspace = true }}\n[tool.uv.workspace]\n{workspace}\n"
            ),
        );
        let mut files = package("packages/core", "core-lib");
        files.push(("pyproject.toml".to_owned(), root));
        files.extend(more.into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())));
        let app = app(&files);
        symlink("real", app.dir.join("linked")).unwrap();
        assert_eq!(locked_and_built(&app, &["core_lib"]), "core-lib 1.0 from packages/core\n", "{what}");
    }
}

// D33
#[test]
#[ignore = "needs PyPI"]
fn indexes_and_archives_in_the_app_are_found_and_count() {
    const FLAT: &str = "[[tool.uv.index]]\nname = \"local\"\nurl = \"./my wheels\"\nformat = \"flat\"\n";
    const LINKS: &str = "[tool.uv]\nfind-links = [\"./my wheels\"]\n";
    for settings in [
        FLAT.to_owned(),
        format!("{FLAT}explicit = true\n[tool.uv.sources.vend-lib]\nindex = \"local\"\n"),
        format!("{FLAT}default = true\n"),
        LINKS.to_owned(),
        format!("{LINKS}no-index = true\n"),
    ] {
        for (is_locked, own) in [(false, false), (false, true), (true, false), (true, true)] {
            let case = format!("{settings}locked: {is_locked}, with a package of the app: {own}");
            let (dependencies, source) = match own {
                true => (
                    "\"vend-lib\", \"own-lib\"",
                    "[tool.uv.sources.own-lib]\npath = \"libs/own\"\neditable = true\n",
                ),
                false => ("\"vend-lib\"", ""),
            };
            let mut files = package("libs/own", "own-lib");
            let root = pyproject("site", dependencies, &format!("{settings}{source}"));
            files.push(("pyproject.toml".to_owned(), root));
            let app = app(&files);
            let vendor = app.dir.join("my wheels");
            fs::create_dir(&vendor).unwrap();
            let file = vendor.join(wheel_name("vend-lib", "1.0"));
            fs::write(&file, wheel("vend-lib", "1.0", "vendor")).unwrap();
            if is_locked {
                let Some(tools) = tools() else { return };
                lock(&app, tools, "uv lock --quiet");
            }
            assert_eq!(built(&app, &["vend_lib"]), "vend-lib 1.0 from vendor\n", "{case}");
            let again = app.build(&["--format", "json"]).success().event("finished");
            assert_eq!(again["counters"]["processes"], 0, "{case}: {again}");
            // As somebody else has it, and with another wheel.
            fs::write(&file, wheel("vend-lib", "1.0", "elsewhere")).unwrap();
            let moved = app.dir.with_file_name("moved");
            fs::rename(&app.dir, &moved).unwrap();
            let built = app.run(&["build", moved.to_str().unwrap(), "--format", "json"]).success();
            let code = "import vend_lib; print(vend_lib.WHO)";
            let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", code]).success();
            assert_eq!(ran.stdout, "vend-lib 1.0 from elsewhere\n", "{case}: {}", built.stdout);
        }
    }
}
