//! pylock.toml as uv, pip and PDM make it, with packages that are in the app.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::real_tools::{lock, online, tools};
use crate::support::skip;

const HELPER: &str = "[project]\nname = \"helper\"\nversion = \"1.0\"\n[build-system]\nrequires = [\"setuptools\"]\n\
                      build-backend = \"setuptools.build_meta\"\n[tool.setuptools]\npy-modules = [\"helper\"]\n";

// D31: uv 0.12.5, pip 26.2.1 and PDM 2.29.3.
#[test]
#[ignore = "needs PyPI"]
fn pylock_toml_of_every_tool_installs_what_is_in_the_app() {
    static STORE: OnceLock<TempDir> = OnceLock::new();
    let Some(tools) = tools() else { return skip("no python3 on PATH to install the package managers with") };
    let project = |helper: &str, backend: &str, rest: &str| {
        format!(
            "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\ndependencies = [\"six==1.16.0\", \"{helper}\"]\n\
             [build-system]\nrequires = [\"{backend}\"]\nbuild-backend = \"{}\"\n{rest}",
            if backend == "setuptools" { "setuptools.build_meta" } else { "pdm.backend" }
        )
    };
    let in_place = project(
        "helper",
        "setuptools",
        "[tool.uv.sources]\nhelper = { path = \"libs/helper\", editable = true }\n",
    );
    let copied = in_place.replace(", editable = true", "");
    let pdms = project("helper @ file:///${PROJECT_ROOT}/libs/helper", "pdm-backend", "");
    let plain = project("idna", "setuptools", "");
    const UV: &str = "uv export --quiet --format pylock.toml -o pylock.toml";
    for (pyproject, commands, own) in [
        (&in_place, vec![UV.to_owned()], &["helper", "shop"][..]),
        (&copied, vec![format!("{UV} --no-editable")], &["helper", "shop"]),
        (&copied, vec![format!("{UV} --no-emit-project")], &["helper"]),
        (&plain, vec!["pip lock -q -e . -e ./libs/helper".to_owned()], &["helper", "shop"]),
        (&plain, vec!["pip lock -q . ./libs/helper".to_owned()], &["helper", "shop"]),
        (&plain, vec!["pip lock -q -r needs.txt".to_owned()], &["helper"]),
        (
            &pdms,
            vec!["pdm lock -q".to_owned(), "pdm export -f pylock -o pylock.toml".to_owned()],
            &["helper"],
        ),
        (
            &pdms,
            vec!["pdm lock -q".to_owned(), "pdm export -f pylock --self -o pylock.toml".to_owned()],
            &["helper", "shop"],
        ),
        (
            &pdms,
            vec!["pdm lock -q".to_owned(), "pdm export -f pylock --editable-self -o pylock.toml".to_owned()],
            &["helper", "shop"],
        ),
    ] {
        let mut app = online(&[
            ("pyproject.toml", pyproject),
            ("needs.txt", "six==1.16.0\n./libs/helper\n"),
            ("src/shop/__init__.py", "WHO = 'shop'\n"),
            ("libs/helper/pyproject.toml", HELPER),
            ("libs/helper/helper.py", "WHO = 'helper'\n"),
            ("Procfile", "worker: python -m shop\n"),
        ]);
        app.store = STORE.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned();
        app.set("SLUGC_CACHE_DIR", app.store.clone());
        app.set("SLUGC_PYTHON_SOURCE", "host");
        for command in &commands {
            lock(&app, tools, command);
        }
        for other in ["uv.lock", "pdm.lock"] {
            let _ = fs::remove_file(app.dir.join(other));
        }
        let leftovers = [PathBuf::from("libs/helper/build"), "build".into(), "src/shop.egg-info".into()];
        for path in leftovers {
            let _ = fs::remove_dir_all(app.dir.join(path));
        }
        app.build(&[]).success();
        let code = "import importlib, importlib.metadata as m, sys, six\n\
                    print(*[importlib.import_module(name).WHO for name in sys.argv[1:]])\n\
                    print(six.__version__, 'shop' in {d.name for d in m.distributions()})";
        let slug = app.slug();
        let run = [&["run", slug.to_str().unwrap(), "--", "python", "-c", code], own].concat();
        let is_installed = if own.contains(&"shop") { "True" } else { "False" };
        assert_eq!(
            app.run(&run).success().stdout,
            format!("{}\n1.16.0 {is_installed}\n", own.join(" ")),
            "{commands:?}"
        );
        let again = app.build(&["--format", "json"]).success().event("finished");
        assert_eq!(again["counters"]["processes"], 0, "{commands:?}: {again}");
    }
}
