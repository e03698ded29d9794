//! One app for each package manager with every kind of source in its lock: an index, with extras and markers, a
//! directory, one that is installed in place, a repository and an archive.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;
use tiny_http::{Response, Server};

use crate::indexes::wheel;
use crate::real_tools::{locked_app, poetry_source};
use crate::support::{TestApp, has_program, run, skip};

const WHEEL: &str = "slugc_private_test_package-1.0-py3-none-any.whl";

/// What isn't in any index.
struct Elsewhere {
    dir: TempDir,
    commit: String,
    url: String,
}

impl Elsewhere {
    fn make() -> Option<Self> {
        if !has_program("git") {
            skip("no git on PATH");
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            let author = ["-c", "user.name=x", "-c", "user.email=x@example.test"];
            run(command.args(author).args(arguments).current_dir(dir.path())).success().stdout
        };
        git(&["init", "-q", "work"]);
        write_package(&dir.path().join("work"), "wares");
        git(&["-C", "work", "add", "."]);
        git(&["-C", "work", "commit", "-qm", "x"]);
        let commit = git(&["-C", "work", "rev-parse", "HEAD"]).trim().to_owned();
        git(&["clone", "-q", "--bare", "work", "wares.git"]);
        // As any server of files can give it.
        git(&["-C", "wares.git", "update-server-info"]);
        fs::write(dir.path().join(WHEEL), wheel()).unwrap();
        let url = serve(dir.path());
        Some(Self { dir, commit, url })
    }

    fn repository(&self) -> String {
        format!("file://{}/wares.git", self.dir.path().display())
    }

    fn archive(&self) -> String {
        format!("{}/{WHEEL}", self.url)
    }
}

fn serve(dir: &Path) -> String {
    let server = Server::http("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.server_addr().to_ip().unwrap());
    let dir = dir.to_owned();
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let path = request.url().split('?').next().unwrap_or_default().trim_start_matches('/').to_owned();
            let _ = match fs::read(dir.join(path)) {
                Ok(bytes) => request.respond(Response::from_data(bytes)),
                Err(_) => {
                    request.respond(Response::from_data(b"nothing here".to_vec()).with_status_code(404))
                }
            };
        }
    });
    url
}

fn write_package(dir: &Path, name: &str) {
    fs::create_dir_all(dir).unwrap();
    fs::write(dir.join("pyproject.toml"), pyproject(name)).unwrap();
    fs::write(dir.join(format!("{name}.py")), format!("WHO = '{name}'\n")).unwrap();
}

fn pyproject(name: &str) -> String {
    format!(
        "[project]\nname = \"{name}\"\nversion = \"1\"\n[build-system]\nrequires = [\"setuptools\"]\n\
         build-backend = \"setuptools.build_meta\"\n[tool.setuptools]\npy-modules = [\"{name}\"]\n"
    )
}

/// A project with these dependencies besides those from the index.
fn project(dependencies: &str, rest: &str) -> String {
    format!(
        "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10,<4\"\ndependencies = [\"six==1.16.0\",\n\
         \"requests[socks]\", \"idna ; sys_platform == 'linux'\", \"colorama ; sys_platform == 'win32'\",\n{dependencies}]\n\
         [dependency-groups]\ndev = [\"iniconfig\"]\n{rest}"
    )
}

/// Locks the app, builds it, and imports what must be there; what must not be isn't.
#[track_caller]
fn lock_and_build(file: &str, contents: &str, command: &str, own: &[&str]) -> Option<TestApp> {
    static STORE: OnceLock<TempDir> = OnceLock::new();
    let files: Vec<(String, String)> = ["helper", "plain"]
        .iter()
        .flat_map(|name| {
            [
                (format!("libs/{name}/pyproject.toml"), pyproject(name)),
                (format!("libs/{name}/{name}.py"), format!("WHO = '{name}'\n")),
            ]
        })
        .chain([(file.to_owned(), contents.to_owned())])
        .collect();
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let mut app = locked_app(&files, command)?;
    app.store = STORE.get_or_init(|| tempfile::tempdir().unwrap()).path().to_owned();
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app.set("SLUGC_PYTHON_SOURCE", "host");
    app.build(&[]).success();
    let code = "import importlib, importlib.metadata as m, sys\n\
                print(*[importlib.import_module(name).WHO for name in sys.argv[1:]])\n\
                print(m.version('six'), m.version('pysocks') > '', m.version('idna') > '')\n\
                print({d.name.lower() for d in m.distributions()} & {'colorama', 'iniconfig', 'pip'} or 'no more')\n";
    let slug = app.slug();
    let modules = [own, &["wares", "slugc_private_test_package"]].concat();
    let ran = app.run(&[&["run", slug.to_str().unwrap(), "--", "python", "-c", code], &modules[..]].concat());
    let names = own.join(" ");
    assert_eq!(ran.success().stdout, format!("{names} wares private\n1.16.0 True True\nno more\n"));
    let again = app.build(&["--format", "json"]).success().event("finished");
    assert_eq!(again["counters"]["processes"], 0, "{again}");
    let unpacked: PathBuf = app.out.join("unpacked");
    fs::create_dir(&unpacked).unwrap();
    run(Command::new("tar").arg("xzf").arg(&slug).arg("-C").arg(&unpacked)).success();
    let traces = run(Command::new("grep").arg("-rlF").arg(&app.store).arg(&unpacked));
    assert_eq!(traces.stdout, "", "paths of the build are in the slug");
    Some(app)
}

/// One repository is installed in place, which uv can't do: pip does, and still checks every hash that there is.
#[test]
#[ignore = "needs PyPI"]
fn pipfile_lock_with_every_kind_of_source() {
    let Some(elsewhere) = Elsewhere::make() else { return };
    let (repository, archive, commit) = (elsewhere.repository(), elsewhere.archive(), &elsewhere.commit);
    let pipfile = format!(
        "[packages]\nsix = \"==1.16.0\"\nrequests = {{ extras = [\"socks\"], version = \"*\" }}\n\
         idna = {{ version = \"==3.10\", sys_platform = \"== 'linux'\" }}\n\
         colorama = {{ version = \"==0.4.6\", markers = \"sys_platform == 'win32'\" }}\n\
         helper = {{ path = \"./libs/helper\", editable = true }}\nplain = {{ path = \"./libs/plain\" }}\n\
         wares = {{ git = \"{repository}\", ref = \"{commit}\", editable = true }}\n\
         slugc-private-test-package = {{ file = \"{archive}\" }}\n[dev-packages]\niniconfig = \"*\"\n"
    );
    let Some(app) = lock_and_build("Pipfile", &pipfile, "pipenv lock", &["helper", "plain"]) else { return };
    let lock = app.dir.join("Pipfile.lock");
    let text = fs::read_to_string(&lock).unwrap();
    let (before, six) = text.split_once("\"six\"").unwrap();
    let spoilt = regex::Regex::new("sha256:[0-9a-f]{64}").unwrap();
    let spoilt = spoilt.replacen(six, 2, format!("sha256:{}", "0".repeat(64)));
    fs::write(&lock, format!("{before}\"six\"{spoilt}")).unwrap();
    let failed = app.build(&[]).failure("install-dependencies::pipenv");
    assert!(failed.stderr.contains("doesn't have the hash"), "{}", failed.stderr);
}

#[test]
#[ignore = "needs PyPI"]
fn poetry_lock_with_every_kind_of_source() {
    let Some(elsewhere) = Elsewhere::make() else { return };
    let (repository, archive, commit) = (elsewhere.repository(), elsewhere.archive(), &elsewhere.commit);
    let dependencies = format!(
        "\"helper\", \"plain\", \"wares @ git+{repository}@{commit}\", \"slugc-private-test-package @ {archive}\""
    );
    let rest = format!(
        "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\n\
         helper = {{ path = \"libs/helper\", develop = true }}\nplain = {{ path = \"libs/plain\" }}\n{}",
        poetry_source()
    );
    let text = project(&dependencies, &rest);
    lock_and_build("pyproject.toml", &text, "poetry lock --no-interaction", &["helper", "plain"]);
}

/// PDM installs in place only what is for development.
#[test]
#[ignore = "needs PyPI"]
fn pdm_lock_with_every_kind_of_source() {
    let Some(elsewhere) = Elsewhere::make() else { return };
    let (url, archive, commit) = (&elsewhere.url, elsewhere.archive(), &elsewhere.commit);
    let dependencies = format!(
        "\"plain @ file:///${{PROJECT_ROOT}}/libs/plain\", \"wares @ git+{url}/wares.git@{commit}\",\n\
         \"slugc-private-test-package @ {archive}\""
    );
    let text = project(&dependencies, "[tool.pdm]\ndistribution = false\n");
    lock_and_build("pyproject.toml", &text, "pdm lock --quiet", &["plain"]);
}

#[test]
#[ignore = "needs PyPI"]
fn uv_lock_with_every_kind_of_source() {
    let Some(elsewhere) = Elsewhere::make() else { return };
    let (repository, archive, commit) = (elsewhere.repository(), elsewhere.archive(), &elsewhere.commit);
    let dependencies =
        format!("\"helper\", \"plain\", \"wares\", \"slugc-private-test-package @ {archive}\"");
    let rest = format!(
        "[tool.uv.sources]\nhelper = {{ path = \"libs/helper\", editable = true }}\nplain = {{ path = \"libs/plain\" }}\n\
         wares = {{ git = \"{repository}\", rev = \"{commit}\" }}\n"
    );
    lock_and_build("pyproject.toml", &project(&dependencies, &rest), "uv lock --quiet", &["helper", "plain"]);
}
