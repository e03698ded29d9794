//! Lock files: what they list is what is installed, from where they say.

use std::collections::BTreeMap;
use std::fs;

use sha2::{Digest, Sha256};
use tiny_http::{Header, Response, Server};

use crate::indexes::real;
use crate::support::{TestApp, flowing};
use crate::zip::{ZipFile, zip};

/// A build back end in the source itself, so that nothing is needed from an index.
pub(crate) const BACKEND: &str =
    "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n";
/// It installs the module that is named as the package, in place or not.
const BACKEND_PY: &str = r#"
import os, re, zipfile
def parts():
    text = open("pyproject.toml").read()
    return [re.search(key + r'\s*=\s*"([^"]*)"', text).group(1) for key in ("name", "version")]
def metadata():
    return "Metadata-Version: 2.1\nName: {}\nVersion: {}\n".format(*parts())
def build(directory, editable):
    name, version = parts()
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    files = {f"{info}/METADATA": metadata(),
             f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"}
    if editable:
        files[f"{module}.pth"] = os.getcwd() + "\n"
    else:
        files[f"{module}.py"] = open(f"{module}.py").read()
    files[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    wheel = f"{module}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return wheel
def build_wheel(directory, config_settings=None, metadata_directory=None):
    return build(directory, False)
def build_editable(directory, config_settings=None, metadata_directory=None):
    return build(directory, True)
def build_sdist(directory, config_settings=None):
    raise RuntimeError("there is no need")
"#;

/// A package in a directory: its files.
pub(crate) fn package(directory: &str, name: &str) -> Vec<(String, String)> {
    let module = name.replace('-', "_");
    vec![
        (
            format!("{directory}/pyproject.toml"),
            format!("[project]\nname = \"{name}\"\nversion = \"1.0\"\n{BACKEND}"),
        ),
        (format!("{directory}/backend.py"), BACKEND_PY.to_owned()),
        (format!("{directory}/{module}.py"), format!("WHO = '{name} 1.0 from {directory}'\n")),
    ]
}

/// A wheel with one module, which says where it is from.
pub(crate) fn wheel(name: &str, version: &str, origin: &str) -> Vec<u8> {
    let module = name.replace('-', "_");
    let info = format!("{module}-{version}.dist-info");
    let files = [
        (format!("{module}.py"), format!("WHO = '{name} {version} from {origin}'\n")),
        (format!("{info}/METADATA"), format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
        (
            format!("{info}/RECORD"),
            format!("{module}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"),
        ),
    ];
    zip(&files.map(|(name, contents)| ZipFile::new(name, contents)))
}

pub(crate) fn wheel_name(name: &str, version: &str) -> String {
    format!("{}-{version}-py3-none-any.whl", name.replace('-', "_"))
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Package indexes on this machine, by the first part of the path: `http://…/main/simple`.
struct Indexes {
    url: String,
}

impl Indexes {
    fn start(packages: &[(&str, &str, &str)]) -> Self {
        let wheels = packages.iter().map(|(index, name, version)| {
            (((*index).to_owned(), wheel_name(name, version)), wheel(name, version, index))
        });
        let served: BTreeMap<_, _> = wheels.collect();
        let server = Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}", server.server_addr().to_ip().unwrap());
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                let path = request.url().replace("%2B", "+");
                let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
                let (status, kind, body) = match parts[..] {
                    [index, "files", file] => match served.get(&(index.to_owned(), file.to_owned())) {
                        Some(wheel) => (200, "application/octet-stream", wheel.clone()),
                        None => (404, "text/plain", b"no such file".to_vec()),
                    },
                    [index, "simple", name] => {
                        let start = format!("{}-", name.replace('-', "_"));
                        let links: String = served
                            .iter()
                            .filter(|((of, file), _)| of == index && file.starts_with(&start))
                            .map(|((_, file), wheel)| {
                                let address = file.replace('+', "%2B");
                                format!(
                                    "<a href=\"/{index}/files/{address}#sha256={}\">{file}</a>\n",
                                    digest(wheel)
                                )
                            })
                            .collect();
                        let status = if links.is_empty() { 404 } else { 200 };
                        (
                            status,
                            "text/html",
                            format!("<!DOCTYPE html><html><body>{links}</body></html>").into_bytes(),
                        )
                    }
                    _ => (404, "text/plain", b"nothing here".to_vec()),
                };
                let header = Header::from_bytes("Content-Type", kind).unwrap();
                let _ =
                    request.respond(Response::from_data(body).with_status_code(status).with_header(header));
            }
        });
        Self { url }
    }

    fn simple(&self, index: &str) -> String {
        format!("{}/{index}/simple", self.url)
    }

    /// Writes an index's address into a file: `@main` becomes that of `main`.
    fn fill(&self, text: &str) -> String {
        ["main", "extra"]
            .iter()
            .fold(text.to_owned(), |text, index| text.replace(&format!("@{index}"), &self.simple(index)))
    }
}

pub(crate) fn app(files: &[(String, String)]) -> TestApp {
    let files: Vec<_> = files.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let app = real(&files);
    fs::write(app.dir.join("Procfile"), "web: python -m http.server $PORT\n").unwrap();
    app
}

/// Builds, and says what the modules in the slug say of themselves.
#[track_caller]
pub(crate) fn built(app: &TestApp, modules: &[&str]) -> String {
    app.build(&[]).success();
    let code = "import importlib, sys\nfor name in sys.argv[1:]: print(importlib.import_module(name).WHO)";
    let slug = app.slug();
    let run = [&["run", slug.to_str().unwrap(), "--", "python", "-c", code], modules].concat();
    app.run(&run).success().stdout
}

// D31
#[test]
#[ignore = "needs PyPI"]
fn pylock_toml_installs_what_is_in_the_app_in_every_form() {
    let local = wheel("in-app", "1.0", "the app");
    let name = wheel_name("in-app", "1.0");
    let hashes = format!("hashes = {{ sha256 = \"{}\" }}", digest(&local));
    let other = wheel("other-lib", "2.0", "vendor");
    let beside = format!(
        "[[packages]]\nname = \"other-lib\"\nversion = \"2.0\"\nwheels = [{{ path = \"vendor/{}\", hashes = {{ sha256 = \"{}\" }} }}]\n",
        wheel_name("other-lib", "2.0"),
        digest(&other)
    );
    for (entry, expected) in [
        ("directory = { path = \"libs/in-app\" }".to_owned(), "in-app 1.0 from libs/in-app"),
        (
            "directory = { path = \"./libs/in-app\", editable = false }".to_owned(),
            "in-app 1.0 from libs/in-app",
        ),
        (
            "[packages.directory]\npath = \"libs/in-app\"\neditable = true".to_owned(),
            "in-app 1.0 from libs/in-app",
        ),
        (
            format!("version = \"1.0\"\nwheels = [{{ path = \"vendor/{name}\", {hashes} }}]"),
            "in-app 1.0 from the app",
        ),
        (
            format!("version = \"1.0\"\narchive = {{ path = \"vendor/{name}\", {hashes} }}"),
            "in-app 1.0 from the app",
        ),
        ("directory = { path = \"my libs/in-app\" }".to_owned(), "in-app 1.0 from my libs/in-app"),
    ] {
        let lock = format!(
            "lock-version = \"1.0\"\ncreated-by = \"test\"\n[[packages]]\nname = \"in-app\"\n{entry}\n{beside}"
        );
        let mut files = package("libs/in-app", "in-app");
        files.extend(package("my libs/in-app", "in-app"));
        files.push(("pylock.toml".to_owned(), lock));
        let app = app(&files);
        fs::create_dir(app.dir.join("vendor")).unwrap();
        fs::write(app.dir.join("vendor").join(&name), &local).unwrap();
        fs::write(app.dir.join("vendor").join(wheel_name("other-lib", "2.0")), &other).unwrap();
        assert_eq!(
            built(&app, &["in_app", "other_lib"]),
            format!("{expected}\nother-lib 2.0 from vendor\n"),
            "{entry}"
        );
        let again = app.build(&["--format", "json"]).success().event("finished");
        assert_eq!(again["counters"]["processes"], 0, "{entry}: {again}");
        // The file itself isn't among what building the packages has left.
        assert_eq!(app.left_in_out(), ["slug.tgz", "slug.tgz.json"], "{entry}");
    }
}

// D31, D39
#[test]
fn pylock_toml_that_leads_out_of_the_app_is_refused_before_anything_is_installed() {
    for (entry, expected) in [
        ("directory = { path = \"../in-app\" }", "this path leads out of the app"),
        ("directory = { path = \"/srv/in-app\" }", "this isn't a path in the app"),
        ("directory = { path = \"file:///srv/in-app\" }", "this isn't a path in the app"),
        ("archive = { url = \"file:///srv/in-app.zip\", hashes = { sha256 = \"00\" } }", "http or https"),
        (
            "vcs = { type = \"git\", path = \"../r\", commit-id = \"00\" }",
            "a repository on this machine's disk",
        ),
        (
            "archive = { url = \"https://index.invalid/in-app.zip\", hashes = {} }",
            "`hashes` of `archive` is empty",
        ),
    ] {
        let lock = format!(
            "lock-version = \"1.0\"\ncreated-by = \"test\"\n[[packages]]\nname = \"in-app\"\n{entry}\n"
        );
        let app = TestApp::new(&[("pylock.toml", &lock)]);
        for door in ["build", "plan"] {
            let failed = app.run(&[door, app.dir.to_str().unwrap()]).failure("install-dependencies::uv");
            let text = flowing(&failed.stderr);
            assert!(
                text.contains("pylock.toml, in-app: ") && text.contains(expected),
                "{door} {entry}: {text}"
            );
        }
    }
}

// D30: split by platform between the app and an index.
#[test]
#[ignore = "needs PyPI"]
fn uv_lock_installs_what_is_in_the_app_only_on_this_platform() {
    let indexes = Indexes::start(&[("main", "req-lib", "2.0"), ("main", "other-lib", "1.0")]);
    for (here, elsewhere, expected) in [
        ("sys_platform == 'linux'", "sys_platform != 'linux'", "req-lib 1.0 from libs/req"),
        ("sys_platform != 'linux'", "sys_platform == 'linux'", "req-lib 2.0 from main"),
        ("os_name == 'posix'", "os_name != 'posix'", "req-lib 1.0 from libs/req"),
    ] {
        let mut files = package("libs/req", "req-lib");
        let root = format!(
            "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\n\
             dependencies = [\"req-lib\", \"other-lib\"]\n[[tool.uv.index]]\nname = \"main\"\nurl = \"{}\"\ndefault = true\n\
             [tool.uv.sources]\nreq-lib = [{{ path = \"libs/req\", marker = \"{here}\" }}, \
             {{ index = \"main\", marker = \"{elsewhere}\" }}]\n",
            indexes.simple("main")
        );
        files.push(("pyproject.toml".to_owned(), root));
        let app = app(&files);
        let Some(tools) = crate::real_tools::tools() else { return };
        crate::real_tools::lock(&app, tools, "uv lock --quiet");
        assert_eq!(
            built(&app, &["req_lib", "other_lib"]),
            format!("{expected}\nother-lib 1.0 from main\n"),
            "{here}"
        );
    }
}

// D32: a default group isn't listed among the groups that can be asked for.
#[test]
#[ignore = "needs PyPI"]
fn pylock_toml_installs_its_default_groups() {
    let wheel_of = |name: &str| wheel(name, "1.0", "vendor");
    for (top, expected) in [
        ("default-groups = [\"default\"]\n", "a-lib 1.0 from vendor\nb-lib 1.0 from vendor\n"),
        (
            "dependency-groups = [\"dev\"]\ndefault-groups = [\"default\"]\n",
            "a-lib 1.0 from vendor\nb-lib 1.0 from vendor\n",
        ),
        (
            "dependency-groups = [\"default\"]\ndefault-groups = [\"default\"]\n",
            "a-lib 1.0 from vendor\nb-lib 1.0 from vendor\n",
        ),
        ("dependency-groups = [\"default\"]\n", "b-lib 1.0 from vendor\n"),
    ] {
        let entry = |name: &str, marker: &str| {
            format!(
                "[[packages]]\nname = \"{name}\"\nversion = \"1.0\"\n{marker}wheels = [{{ path = \"{}\", hashes = {{ sha256 = \"{}\" }} }}]\n",
                wheel_name(name, "1.0"),
                digest(&wheel_of(name))
            )
        };
        let lock = format!(
            "lock-version = \"1.0\"\ncreated-by = \"test\"\n{top}{}{}",
            entry("a-lib", "marker = \"'default' in dependency_groups\"\n"),
            entry("b-lib", "")
        );
        let app = app(&[("pylock.toml".to_owned(), lock)]);
        for name in ["a-lib", "b-lib"] {
            fs::write(app.dir.join(wheel_name(name, "1.0")), wheel_of(name)).unwrap();
        }
        let modules = if expected.starts_with('a') { &["a_lib", "b_lib"][..] } else { &["b_lib"] };
        assert_eq!(built(&app, modules), expected, "{top}");
    }
}

// D30: whatever installs, a package that is missing afterwards, or another version of it, is an error.
#[test]
fn what_the_installer_leaves_out_is_an_error() {
    let pylock = "lock-version = \"1.0\"\ncreated-by = \"test\"\n[[packages]]\nname = \"lost-lib\"\nversion = \"1.0\"\n";
    let uv_project = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\ndependencies = [\"lost-lib\"]\n";
    let uv_lock = "version = 1\n[[package]]\nname = \"shop\"\nversion = \"0.1\"\nsource = { virtual = \".\" }\n\
                   dependencies = [{ name = \"lost-lib\" }]\n[[package]]\nname = \"lost-lib\"\nversion = \"1.0\"\n\
                   source = { registry = \"https://index.invalid/simple\" }\n";
    let pipenv_lock = "{\"_meta\": {\"sources\": []}, \"default\": {\"lost-lib\": {\"version\": \"==1.0\"}}}";
    for files in [
        &[("pylock.toml", pylock)][..],
        &[("uv.lock", uv_lock), ("pyproject.toml", uv_project)],
        &[("Pipfile.lock", pipenv_lock)],
    ] {
        // Here, uv is a script that installs nothing.
        let app = TestApp::new(files);
        let failed = app.build(&[]).failure("install-dependencies::not-as-locked");
        assert!(failed.stderr.contains("lost-lib 1.0: it isn't installed"), "{}", failed.stderr);
        assert!(!app.slug().exists(), "{files:?}");
    }
}

/// Locked packages of two indexes. `tensor-lib` 2.0 is of `main`, and `extra` has 2.0+cpu; `norm-lib` is of `extra`.
const TWO_INDEXES: &[(&str, &str, &str)] = &[
    ("main", "tensor-lib", "2.0"),
    ("extra", "tensor-lib", "2.0+cpu"),
    ("main", "norm-lib", "3.0"),
    ("main", "norm-lib", "2.0"),
    ("extra", "norm-lib", "2.0"),
];
const PIPFILE_SOURCES: &str = r#""sources": [{"name": "main", "url": "@main", "verify_ssl": true}, {"name": "extra", "url": "@extra", "verify_ssl": true}]"#;

// D29, D37: what the tools install was seen with Poetry 2.4.1 and PDM 2.29.3, which make the lock files here.
#[test]
#[ignore = "needs PyPI"]
fn packages_come_from_the_index_that_the_lock_names() {
    let indexes = Indexes::start(TWO_INDEXES);
    let hash_of = |index: &str, name: &str, version: &str| {
        format!("[\"sha256:{}\"]", digest(&wheel(name, version, index)))
    };
    let pipfile_lock = |hashes: [&str; 2]| {
        format!(
            r#"{{"_meta": {{{PIPFILE_SOURCES}}}, "default": {{"tensor-lib": {{"version": "==2.0", "index": "main"{}}},
                "norm-lib": {{"version": "==2.0", "index": "extra"{}}}}}}}"#,
            hashes[0], hashes[1]
        )
    };
    let hashes = [hash_of("main", "tensor-lib", "2.0"), hash_of("extra", "norm-lib", "2.0")]
        .map(|hashes| format!(", \"hashes\": {hashes}"));
    let poetry = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\n\
        dependencies = [\"tensor-lib==2.0\", \"norm-lib==2.0\"]\n[tool.poetry]\npackage-mode = false\n\
        [tool.poetry.dependencies]\nnorm-lib = { source = \"extra\" }\n\
        [[tool.poetry.source]]\nname = \"main\"\nurl = \"@main\"\n\
        [[tool.poetry.source]]\nname = \"extra\"\nurl = \"@extra\"\npriority = \"supplemental\"\n";
    let pdm = "[project]\nname = \"shop\"\nversion = \"0.1\"\nrequires-python = \">=3.10\"\n\
        dependencies = [\"tensor-lib==2.0\", \"norm-lib==2.0\"]\n[tool.pdm]\ndistribution = false\n\
        [[tool.pdm.source]]\nname = \"pypi\"\nurl = \"@main\"\nexclude_packages = [\"norm-lib\"]\n\
        [[tool.pdm.source]]\nname = \"extra\"\nurl = \"@extra\"\ninclude_packages = [\"norm-lib\"]\n\
        exclude_packages = [\"*\"]\n";
    let pipfile = "[[source]]\nname = \"main\"\nurl = \"@main\"\nverify_ssl = true\n\
        [[source]]\nname = \"extra\"\nurl = \"@extra\"\nverify_ssl = true\n[packages]\n\
        tensor-lib = \"==2.0\"\nnorm-lib = { version = \"*\", index = \"extra\" }\n";
    let both = "tensor-lib 2.0 from main\nnorm-lib 2.0 from extra\n";
    for (file, text, lock, expected) in [
        ("Pipfile.lock", pipfile_lock([&hashes[0], &hashes[1]]), "", both),
        ("Pipfile.lock", pipfile_lock(["", ""]), "", both),
        ("pyproject.toml", poetry.to_owned(), "poetry lock", both),
        ("pyproject.toml", poetry.replace("supplemental", "explicit"), "poetry lock", both),
        ("pyproject.toml", pdm.to_owned(), "pdm lock", both),
        // D37; `==2.0` of a Pipfile is 2.0+cpu, too, as it is for Pipenv when it locks.
        ("Pipfile", pipfile.to_owned(), "", "tensor-lib 2.0+cpu from extra\nnorm-lib 2.0 from extra\n"),
        ("Pipfile", pipfile.replace("\"==2.0\"", "{ version = \"==2.0\", index = \"main\" }"), "", both),
    ] {
        let app = app(&[(file.to_owned(), indexes.fill(&text))]);
        if !lock.is_empty() {
            let Some(tools) = crate::real_tools::tools() else { return };
            crate::real_tools::lock(&app, tools, lock);
        }
        assert_eq!(built(&app, &["tensor_lib", "norm_lib"]), expected, "{file} {lock}: {text}");
    }
}
