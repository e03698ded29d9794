//! Private package indexes: credentials from config vars reach the installer and nothing else.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sha2::{Digest, Sha256};
use tiny_http::{Header, Response, Server};

use crate::classic::{door, warm_cache};
use crate::support::{Run, TestApp, flowing, run};
use crate::zip::{ZipFile, zip};

/// A package that no public index has.
pub(crate) const PACKAGE: &str = "slugc-private-test-package";
const MODULE: &str = "slugc_private_test_package";

/// An index on this machine that wants a user name and a password.
struct Index {
    port: u16,
    token: String,
}

impl Index {
    fn start() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Nothing else in the world has this text, so that it can be searched for.
        let token =
            format!("hush{}x{number}", hex::encode(&Sha256::digest(format!("{}", std::process::id()))[..8]));
        let server = Server::http("127.0.0.1:0").unwrap();
        let port = server.server_addr().to_ip().unwrap().port();
        let expected = format!("Basic {}", base64(format!("bot:{token}").as_bytes()));
        std::thread::spawn(move || {
            for request in server.incoming_requests() {
                let header = |name: &'static str| {
                    request
                        .headers()
                        .iter()
                        .find(|header| header.field.equiv(name))
                        .map(|header| header.value.to_string())
                };
                let (status, body) = match header("Authorization") {
                    Some(value) if value == expected => answer(request.url()),
                    _ => (401, b"not for you".to_vec()),
                };
                let kind =
                    if request.url().ends_with(".whl") { "application/octet-stream" } else { "text/html" };
                let mut response = Response::from_data(body).with_status_code(status);
                response.add_header(Header::from_bytes("Content-Type", kind).unwrap());
                response.add_header(Header::from_bytes("WWW-Authenticate", "Basic realm=\"x\"").unwrap());
                let _ = request.respond(response);
            }
        });
        Self { port, token }
    }

    fn url(&self, credentials: &str) -> String {
        format!("http://{credentials}127.0.0.1:{}/simple", self.port)
    }
}

pub(crate) fn answer(url: &str) -> (u16, Vec<u8>) {
    let name = format!("{MODULE}-1.0-py3-none-any.whl");
    if url == format!("/files/{name}") {
        return (200, wheel());
    }
    if url.trim_end_matches('/') == format!("/simple/{PACKAGE}") {
        return (200, format!("<a href=\"/files/{name}#sha256={}\">{name}</a>\n", wheel_hash()).into_bytes());
    }
    (404, b"nothing here".to_vec())
}

pub(crate) fn wheel_hash() -> String {
    hex::encode(Sha256::digest(wheel()))
}

/// A wheel.
pub(crate) fn wheel() -> Vec<u8> {
    let info = format!("{MODULE}-1.0.dist-info");
    let files = [
        (format!("{MODULE}.py"), "WHO = 'private'\n".to_owned()),
        (format!("{info}/METADATA"), format!("Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
        (
            format!("{info}/RECORD"),
            format!("{MODULE}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n"),
        ),
    ];
    zip(&files.map(|(name, contents)| ZipFile::new(name, contents)))
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().chain(&[0, 0]).take(3).fold(0u32, |group, byte| group << 8 | u32::from(*byte));
        for index in 0..4 {
            let letter = char::from(ALPHABET[(group >> (18 - 6 * index)) as usize & 63]);
            text.push(if index > chunk.len() { '=' } else { letter });
        }
    }
    text
}

/// An app in the store that the tests share, with the real uv and pip in it.
pub(crate) fn app(files: &[(&str, &str)]) -> TestApp {
    static WARM: OnceLock<()> = OnceLock::new();
    WARM.get_or_init(|| drop(real(&[("requirements.txt", "")]).build(&[]).success()));
    real(files)
}

pub(crate) fn real(files: &[(&str, &str)]) -> TestApp {
    let mut app = TestApp::new(files);
    // Not the store of the other tests: the uv that stands in there makes other layers under the same keys.
    app.store = Path::new(env!("CARGO_TARGET_TMPDIR")).join("store-of-real-tools");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app.env.remove(std::ffi::OsStr::new("SLUGC_UV"));
    for (name, value) in std::env::vars_os() {
        let text = name.to_string_lossy().to_uppercase();
        if text.starts_with("PIP_") || text.ends_with("_PROXY") || text.starts_with("SSL_CERT") {
            app.env.insert(name, value);
        }
    }
    app
}

fn config_vars(app: &TestApp, vars: &[(&str, &str)]) -> std::path::PathBuf {
    let dir = app.out.parent().unwrap().join("env");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).unwrap();
    for (name, value) in vars {
        fs::write(dir.join(name), value).unwrap();
    }
    dir
}

/// Builds, and looks at every process meanwhile: an argument is seen by everybody on a machine.
#[track_caller]
fn build(app: &TestApp, arguments: &[&str], secret: &str) -> Run {
    let dir = app.dir.to_str().unwrap();
    let mut command = app.command(&[&["build", dir, "--python-source", "host"], arguments].concat());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut looks = 0;
    while child.try_wait().unwrap().is_none() {
        for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
            let arguments = String::from_utf8_lossy(&arguments).into_owned();
            assert!(!arguments.contains(secret), "a process has the secret in its arguments");
        }
        looks += 1;
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert!(looks > 0);
    // What it has said is looked at in a second run, which may find everything done.
    run(&mut app.command(&[&["build", dir, "--python-source", "host", "--refresh"], arguments].concat()))
}

/// The private package is in the slug and works; the secret is nowhere.
#[track_caller]
fn works(app: &TestApp, vars: &[(&str, &str)], index: &Index) {
    let env_dir = config_vars(app, vars);
    let arguments = ["--env-dir", env_dir.to_str().unwrap()];
    let built = build(app, &arguments, &index.token).success();
    assert!(!format!("{}{}", built.stdout, built.stderr).contains(&index.token), "{}", built.stderr);
    let code = format!("import {MODULE}; print({MODULE}.WHO)");
    let ran = app.run(&["run", app.slug().to_str().unwrap(), "--", "python", "-c", &code]).success();
    assert_eq!(ran.stdout.trim(), "private");
    fs::remove_dir_all(env_dir).unwrap();
    assert_nowhere(&index.token, &[&app.store, &app.out]);
    let tar = std::process::Command::new("gzip").arg("-dc").arg(app.slug()).output().unwrap().stdout;
    assert!(tar.len() > 1_000_000 && !contains(&tar, index.token.as_bytes()), "the slug has the secret");
}

fn contains(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[track_caller]
fn assert_nowhere(secret: &str, places: &[&Path]) {
    let mut grep = std::process::Command::new("grep");
    let found = run(grep.args(["-rlaF", "--", secret]).args(places));
    assert_eq!(found.stdout, "", "files hold the secret");
}

/// With other credentials it is an error that names the index and the variable, and shows no credentials.
#[track_caller]
fn is_refused(app: &TestApp, vars: &[(&str, &str)], index: &Index, named: &str) {
    let env_dir = config_vars(app, vars);
    let arguments = ["--env-dir", env_dir.to_str().unwrap(), "--refresh", "--python-source", "host"];
    let failed = app.build(&arguments).failure("package-index::credentials");
    let said = flowing(&failed.stderr);
    assert!(said.contains(&format!("127.0.0.1:{}", index.port)) && said.contains(named), "{}", failed.stderr);
    assert!(!said.contains("wrong-"), "{}", failed.stderr);
}

#[test]
#[ignore = "needs PyPI"]
fn requirements_name_variables() {
    let index = Index::start();
    let text = format!("--extra-index-url {}\n{PACKAGE}==1.0\n", index.url("bot:${INDEX_TOKEN}@"));
    let app = app(&[("requirements.txt", &text)]);
    is_refused(&app, &[("INDEX_TOKEN", "wrong-one")], &index, "INDEX_TOKEN");
    is_refused(&app, &[], &index, "INDEX_TOKEN (which isn't set)");
    works(&app, &[("INDEX_TOKEN", &index.token)], &index);
}

#[test]
#[ignore = "needs PyPI"]
fn pips_variables_and_netrc() {
    let index = Index::start();
    let requirements = format!("{PACKAGE}==1.0\n");
    let with_variable = app(&[("requirements.txt", &requirements)]);
    let url = index.url(&format!("bot:{}@", index.token));
    is_refused(
        &with_variable,
        &[("PIP_EXTRA_INDEX_URL", &index.url("bot:wrong-one@"))],
        &index,
        "PIP_EXTRA_INDEX_URL",
    );
    works(&with_variable, &[("PIP_INDEX_URL", &url)], &index);
    works(&with_variable, &[("PIP_EXTRA_INDEX_URL", &url)], &index);
    let file = with_variable.out.parent().unwrap().join("vars");
    fs::write(&file, format!("PIP_EXTRA_INDEX_URL={url}\n")).unwrap();
    let arguments = ["--env-file", file.to_str().unwrap(), "--refresh", "--python-source", "host"];
    with_variable.build(&arguments).success();
    let text = format!("--extra-index-url {}\n{requirements}", index.url(""));
    let with_netrc = app(&[("requirements.txt", &text)]);
    is_refused(&with_netrc, &[], &index, "holds none");
    let netrc = Path::new(&with_netrc.env[std::ffi::OsStr::new("HOME")]).join(".netrc");
    fs::write(netrc, format!("machine 127.0.0.1 login bot password {}\n", index.token)).unwrap();
    works(&with_netrc, &[], &index);
}

#[test]
#[ignore = "needs PyPI"]
fn pipenv_sources_name_variables() {
    let index = Index::start();
    let lock = format!(
        r#"{{"_meta": {{"sources": [{{"name": "pypi", "url": "https://pypi.example/simple", "verify_ssl": true}},
        {{"name": "corp", "url": "{}", "verify_ssl": false}}]}},
        "default": {{"{PACKAGE}": {{"hashes": ["sha256:{}"], "index": "corp", "version": "==1.0"}}}}, "develop": {{}}}}"#,
        index.url("bot:$INDEX_TOKEN@"),
        wheel_hash()
    );
    let app = app(&[("Pipfile.lock", &lock)]);
    is_refused(&app, &[("INDEX_TOKEN", "wrong-one")], &index, "INDEX_TOKEN");
    works(&app, &[("INDEX_TOKEN", &index.token)], &index);
}

#[test]
#[ignore = "needs PyPI"]
fn poetry_has_variables_for_credentials() {
    const USER: &str = "POETRY_HTTP_BASIC_MY_CORP_USERNAME";
    const PASSWORD: &str = "POETRY_HTTP_BASIC_MY_CORP_PASSWORD";
    for priority in ["explicit", "supplemental"] {
        let index = Index::start();
        let url = index.url("");
        let source = format!("name = \"my-corp\"\nurl = \"{url}\"\npriority = \"{priority}\"\n");
        let pyproject = format!(
            "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\n\
             {PACKAGE} = {{ version = \"1.0\", source = \"my-corp\" }}\n[[tool.poetry.source]]\n{source}"
        );
        // As Poetry hashes it.
        let relevant = format!(
            "{{\"dependencies\": {{\"{PACKAGE}\": {{\"source\": \"my-corp\", \"version\": \"1.0\"}}}}, \"dev-dependencies\": null, \
             \"extras\": null, \"source\": [{{\"name\": \"my-corp\", \"priority\": \"{priority}\", \"url\": \"{url}\"}}]}}"
        );
        let lock = format!(
            "[[package]]\nname = \"{PACKAGE}\"\nversion = \"1.0\"\ngroups = [\"main\"]\n\
             files = [{{file = \"{MODULE}-1.0-py3-none-any.whl\", hash = \"sha256:{}\"}}]\n\
             [package.source]\ntype = \"legacy\"\nurl = \"{url}\"\nreference = \"my-corp\"\n\
             [metadata]\nlock-version = \"2.1\"\npython-versions = \"*\"\ncontent-hash = \"{}\"\n",
            wheel_hash(),
            hex::encode(Sha256::digest(relevant))
        );
        let app = app(&[("pyproject.toml", &pyproject), ("poetry.lock", &lock)]);
        is_refused(&app, &[(USER, "bot"), (PASSWORD, "wrong-one")], &index, PASSWORD);
        is_refused(&app, &[], &index, "aren't set");
        works(&app, &[(USER, "bot"), (PASSWORD, &index.token)], &index);
    }
}

#[test]
#[ignore = "needs PyPI"]
fn pdm_sources_name_variables() {
    let index = Index::start();
    let pyproject = format!(
        "[project]\nname = \"shop\"\nversion = \"1\"\ndependencies = [\"{PACKAGE}==1.0\"]\n[tool.pdm]\ndistribution = false\n\
         [[tool.pdm.source]]\nname = \"corp\"\nurl = \"{}\"\n",
        index.url("bot:${INDEX_TOKEN}@")
    );
    // `lock_inputs` is what newer versions of PDM compare, so that the hash isn't asked for.
    let lock = format!(
        "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.1\"\nlock_inputs = []\n[[package]]\nname = \"{PACKAGE}\"\n\
         version = \"1.0\"\ngroups = [\"default\"]\n\
         files = [{{file = \"{MODULE}-1.0-py3-none-any.whl\", hash = \"sha256:{}\"}}]\n",
        wheel_hash()
    );
    let app = app(&[("pyproject.toml", &pyproject), ("pdm.lock", &lock)]);
    is_refused(&app, &[("INDEX_TOKEN", "wrong-one")], &index, "INDEX_TOKEN");
    works(&app, &[("INDEX_TOKEN", &index.token)], &index);
}

// D36: as PDM 2.29.3 uses them. A variable's name may stand there, too.
#[test]
#[ignore = "needs PyPI"]
fn pdm_sources_have_credentials_of_their_own() {
    let index = Index::start();
    let lock = format!(
        "[metadata]\ngroups = [\"default\"]\nlock_version = \"4.5.1\"\nlock_inputs = []\n[[package]]\nname = \"{PACKAGE}\"\n\
         version = \"1.0\"\ngroups = [\"default\"]\n\
         files = [{{file = \"{MODULE}-1.0-py3-none-any.whl\", hash = \"sha256:{}\"}}]\n",
        wheel_hash()
    );
    let project = |credentials_in_url: &str, password: &str| {
        format!(
            "[project]\nname = \"shop\"\nversion = \"1\"\ndependencies = [\"{PACKAGE}==1.0\"]\n[tool.pdm]\ndistribution = false\n\
             [[tool.pdm.source]]\nname = \"corp\"\nurl = \"{}\"\nusername = \"bot\"\npassword = \"{password}\"\n",
            index.url(credentials_in_url)
        )
    };
    let named = app(&[("pyproject.toml", &project("", "${INDEX_TOKEN}")), ("pdm.lock", &lock)]);
    is_refused(&named, &[("INDEX_TOKEN", "wrong-one")], &index, "INDEX_TOKEN");
    works(&named, &[("INDEX_TOKEN", &index.token)], &index);
    for in_url in ["", "other:wrong-word@"] {
        let written = app(&[("pyproject.toml", &project(in_url, &index.token)), ("pdm.lock", &lock)]);
        let planned = written.run(&["plan", written.dir.to_str().unwrap(), "--format", "json"]).success();
        let built = written.build(&["--refresh"]).success();
        for said in [planned.stdout, planned.stderr, built.stdout, built.stderr] {
            assert!(!said.contains(&index.token) && !said.contains("wrong-word"), "{in_url}: {said}");
        }
    }
    let wrong = app(&[("pyproject.toml", &project("", "wrong-word")), ("pdm.lock", &lock)]);
    is_refused(&wrong, &[], &index, "the URL in pdm.lock");
}

#[test]
#[ignore = "needs PyPI"]
fn uv_has_variables_for_credentials() {
    const USER: &str = "UV_INDEX_CORP_USERNAME";
    const PASSWORD: &str = "UV_INDEX_CORP_PASSWORD";
    let index = Index::start();
    let url = index.url("");
    let pyproject = format!(
        "[project]\nname = \"shop\"\nversion = \"1\"\nrequires-python = \">=3.9\"\ndependencies = [\"{PACKAGE}==1.0\"]\n\
         [tool.uv.sources]\n{PACKAGE} = {{ index = \"corp\" }}\n[[tool.uv.index]]\nname = \"corp\"\nurl = \"{url}\"\nexplicit = true\n"
    );
    let lock = format!(
        "version = 1\nrevision = 3\nrequires-python = \">=3.9\"\n[[package]]\nname = \"shop\"\nversion = \"1\"\n\
         source = {{ virtual = \".\" }}\ndependencies = [{{ name = \"{PACKAGE}\" }}]\n[package.metadata]\n\
         requires-dist = [{{ name = \"{PACKAGE}\", specifier = \"==1.0\", index = \"{url}\" }}]\n\
         [[package]]\nname = \"{PACKAGE}\"\nversion = \"1.0\"\nsource = {{ registry = \"{url}\" }}\n\
         wheels = [{{ url = \"http://127.0.0.1:{}/files/{MODULE}-1.0-py3-none-any.whl\", hash = \"sha256:{}\" }}]\n",
        index.port,
        wheel_hash()
    );
    let locked = app(&[("pyproject.toml", &pyproject), ("uv.lock", &lock)]);
    is_refused(&locked, &[(USER, "bot"), (PASSWORD, "wrong-one")], &index, PASSWORD);
    is_refused(&locked, &[], &index, "aren't set");
    works(&locked, &[(USER, "bot"), (PASSWORD, &index.token)], &index);
    let alone = app(&[("pyproject.toml", &pyproject)]);
    works(&alone, &[(USER, "bot"), (PASSWORD, &index.token)], &index);
}

#[test]
#[ignore = "needs PyPI"]
fn the_classic_buildpack_takes_credentials_from_env_dir() {
    let index = Index::start();
    let text = format!("--extra-index-url {}\n{PACKAGE}==1.0\n", index.url("bot:${INDEX_TOKEN}@"));
    let mut app = real(&[("requirements.txt", &text)]);
    app.set("STACK", "heroku-24");
    let cache = app.out.join("cache");
    warm_cache(&cache);
    let compile = |token: &str| {
        let env_dir = config_vars(&app, &[("INDEX_TOKEN", token)]);
        let ran = door(&app, "compile", &[&app.dir, &cache, &env_dir]);
        fs::remove_dir_all(env_dir).unwrap();
        ran
    };
    compile("wrong-one").failure("package-index::credentials");
    // A failed build leaves nothing in the way of the next.
    let _ = fs::remove_dir_all(app.dir.join(".heroku"));
    let log = compile(&index.token).success();
    assert!(!format!("{}{}", log.stdout, log.stderr).contains(&index.token));
    let python = app.dir.join(".heroku/python/bin/python3");
    run(std::process::Command::new(python).args(["-c", &format!("import {MODULE}")])).success();
    assert_nowhere(&index.token, &[&app.dir, &cache]);
}
