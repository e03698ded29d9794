//! Secrets in all the places where users keep them: whatever becomes of the build, they are neither in what it leaves
//! nor in what it says, nor in the arguments of any program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tiny_http::{Header, Response, Server};

use crate::classic::{door, warm_cache};
use crate::indexes::{PACKAGE, answer, app, base64};
use crate::support::{Run, TestApp, run};

/// A text that nothing else in the world has, with letters that addresses write otherwise.
fn canary() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let digest = Sha256::digest(format!("canary {} {number}", std::process::id()));
    format!("hush/{}@{number}", hex::encode(&digest[..8]))
}

fn encoded(secret: &str) -> String {
    secret.replace('/', "%2F").replace('@', "%40")
}

/// Every form in which a secret could get out.
fn forms(secret: &str) -> Vec<String> {
    let header = base64(format!("bot:{secret}").as_bytes());
    // Without what is around it, which may be written otherwise.
    let core = secret.trim_start_matches("hush/").split('@').next().unwrap();
    vec![secret.to_owned(), encoded(secret), core.to_owned(), header.trim_end_matches('=').to_owned()]
}

/// An index that wants a password, and is its own proxy that wants another one for `index.example`.
fn serve(password: &str, proxy_password: &str) -> u16 {
    let server = Server::http("127.0.0.1:0").unwrap();
    let port = server.server_addr().to_ip().unwrap().port();
    let [expected, by_proxy] = [password, proxy_password]
        .map(|secret| format!("Basic {}", base64(format!("bot:{secret}").as_bytes())));
    std::thread::spawn(move || {
        for request in server.incoming_requests() {
            let has = |name: &'static str, expected: &str| {
                request.headers().iter().any(|header| header.field.equiv(name) && header.value == expected)
            };
            let url = request.url().to_owned();
            let path = url.strip_prefix("http://index.example");
            let (status, body) = match path {
                Some(_) if !has("Proxy-Authorization", &by_proxy) => (407, b"who are you?".to_vec()),
                _ if !has("Authorization", &expected) => (401, b"not for you".to_vec()),
                path => answer(path.unwrap_or(&url)),
            };
            let kind = if url.ends_with(".whl") { "application/octet-stream" } else { "text/html" };
            let mut response = Response::from_data(body).with_status_code(status);
            response.add_header(Header::from_bytes("Content-Type", kind).unwrap());
            response.add_header(Header::from_bytes("WWW-Authenticate", "Basic realm=\"x\"").unwrap());
            let _ = request.respond(response);
        }
    });
    port
}

/// An app, and the secrets that were planted around it.
struct Planted {
    app: TestApp,
    env_dir: PathBuf,
    secrets: Vec<String>,
}

impl Planted {
    /// Plants secrets in config vars, in addresses of indexes and of the proxy, in pip's configuration, in `.netrc`
    /// and in the variables of other tools.
    fn new(files: &[(&str, &str)]) -> Self {
        let mut planted = Self { app: app(files), env_dir: PathBuf::new(), secrets: Vec::new() };
        let root = planted.app.out.parent().unwrap().to_owned();
        planted.env_dir = root.join("env");
        fs::create_dir(&planted.env_dir).unwrap();
        // Nothing of this machine's own ways to an index.
        planted.app.env.retain(|name, _| {
            let name = name.to_string_lossy().to_uppercase();
            !name.starts_with("PIP_") && !name.ends_with("_PROXY")
        });
        let (by_variable, proxy, by_file) = (planted.secret(), planted.secret(), planted.secret());
        let port = serve(&by_variable, &proxy);
        planted.config_var(
            "PIP_INDEX_URL",
            &format!("http://bot:{}@index.example/simple", encoded(&by_variable)),
        );
        for name in ["http_proxy", "HTTP_PROXY"] {
            planted.app.set(name, format!("http://bot:{}@127.0.0.1:{port}", encoded(&proxy)));
        }
        planted.app.set("no_proxy", "127.0.0.1");
        let port = serve(&by_file, "");
        let home = root.join("home");
        fs::create_dir_all(home.join(".config/pip")).unwrap();
        let url = format!("http://bot:{}@127.0.0.1:{port}/simple", encoded(&by_file));
        fs::write(home.join(".config/pip/pip.conf"), format!("[global]\nextra-index-url = {url}\n")).unwrap();
        let netrc = planted.secret();
        fs::write(home.join(".netrc"), format!("machine other.example login bot password {netrc}\n"))
            .unwrap();
        for name in ["SECRET_KEY", "UV_INDEX_OTHER_PASSWORD", "POETRY_HTTP_BASIC_OTHER_PASSWORD"] {
            let secret = planted.secret();
            planted.config_var(name, &secret);
        }
        let database = planted.secret();
        planted.config_var("DATABASE_URL", &format!("postgres://bot:{}@db.example/shop", encoded(&database)));
        planted
    }

    /// Makes a secret that will be searched for.
    fn secret(&mut self) -> String {
        self.secrets.push(canary());
        self.secrets.last().unwrap().clone()
    }

    fn config_var(&self, name: &str, value: &str) {
        fs::write(self.env_dir.join(name), value).unwrap();
    }

    /// Builds, and looks at the arguments of every process meanwhile.
    fn build(&self, arguments: &[&str]) -> Run {
        let [dir, env_dir] = [&self.app.dir, &self.env_dir].map(|path| path.to_str().unwrap());
        let own = ["build", dir, "--python-source", "host", "--env-dir", env_dir, "--refresh"];
        self.watch(&mut self.app.command(&[&own, arguments].concat()))
    }

    fn watch(&self, command: &mut Command) -> Run {
        let forms: Vec<String> = self.secrets.iter().flat_map(|secret| forms(secret)).collect();
        let [stdout, stderr] = ["stdout", "stderr"].map(|name| self.app.out.parent().unwrap().join(name));
        command
            .stdout(Stdio::from(File::create(&stdout).unwrap()))
            .stderr(Stdio::from(File::create(&stderr).unwrap()));
        let mut child = command.spawn().unwrap();
        let code = loop {
            for process in fs::read_dir("/proc").unwrap().flatten() {
                let arguments = fs::read(process.path().join("cmdline")).unwrap_or_default();
                let arguments = String::from_utf8_lossy(&arguments).into_owned();
                assert!(!forms.iter().any(|form| arguments.contains(form)), "a secret is in {arguments:?}");
            }
            match child.try_wait().unwrap() {
                Some(status) => break status.code(),
                None => std::thread::sleep(Duration::from_millis(20)),
            }
        };
        let [stdout, stderr] = [stdout, stderr].map(|path| {
            let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            fs::remove_file(path).unwrap();
            text
        });
        Run { stdout, stderr, code }
    }

    /// Fails if anything that is left, or that was said, holds a secret.
    #[track_caller]
    fn assert_silent(&self, ran: &Run, more: &[&Path]) {
        let said = format!("{}{}", ran.stdout, ran.stderr);
        for form in self.secrets.iter().flat_map(|secret| forms(secret)) {
            assert!(!said.contains(&form), "`{form}` was said:\n{said}");
        }
        let found = self.grep(&[&[self.app.store.as_path(), &self.app.out], more].concat());
        assert_eq!(found, "", "files hold a secret");
    }

    /// Returns the names of the files that hold a secret.
    fn grep(&self, places: &[&Path]) -> String {
        let patterns = self.app.out.parent().unwrap().join("patterns");
        let forms: Vec<String> = self.secrets.iter().flat_map(|secret| forms(secret)).collect();
        fs::write(&patterns, forms.join("\n")).unwrap();
        let mut grep = Command::new("grep");
        run(grep.arg("-rlaF").arg("-f").arg(patterns).args(places)).stdout
    }

    /// Fails if the slug, uncompressed, holds a secret.
    fn assert_slug_is_clean(&self) {
        let tar = Command::new("gzip").arg("-dc").arg(self.app.slug()).output().unwrap().stdout;
        assert!(tar.len() > 1_000_000);
        let path = self.app.out.parent().unwrap().join("uncompressed.tar");
        fs::write(&path, tar).unwrap();
        assert_eq!(self.grep(&[&path]), "", "the slug holds a secret");
        fs::remove_file(path).unwrap();
    }
}

/// A package whose build back end shows everything that it was given, and then fails.
const TALKATIVE: &[(&str, &str)] = &[
    ("requirements.txt", "./talkative\n"),
    (
        "talkative/pyproject.toml",
        "[build-system]\nrequires = []\nbuild-backend = \"backend\"\nbackend-path = [\".\"]\n[project]\nname = \"talkative\"\nversion = \"1\"\n",
    ),
    (
        "talkative/backend.py",
        "import os, sys\n\ndef show():\n    for name, value in os.environ.items():\n        print('SHOWN', name, value)\n\
         \x20       print('SHOWN', name, value, file=sys.stderr)\n\ndef get_requires_for_build_wheel(*a, **k):\n    show()\n    return []\n\n\
         def build_wheel(*a, **k):\n    show()\n    raise RuntimeError(str(dict(os.environ)))\n",
    ),
];

#[test]
#[ignore = "needs PyPI"]
fn a_build_that_succeeds_keeps_every_secret() {
    let requirements = format!("{PACKAGE}==1.0\n");
    let mut planted = Planted::new(&[("requirements.txt", &requirements)]);
    let named = planted.secret();
    let port = serve(&named, "");
    let text =
        format!("--extra-index-url http://bot:${{INDEX_TOKEN}}@127.0.0.1:{port}/simple\n{requirements}");
    fs::write(planted.app.dir.join("requirements.txt"), text).unwrap();
    planted.config_var("INDEX_TOKEN", &encoded(&named));
    for arguments in [&["--installer", "uv"][..], &["--installer", "pip", "--format", "json"]] {
        let built = planted.build(arguments).success();
        let [slug, page] = [planted.app.slug(), planted.app.out.join("report.html")];
        let slug = slug.to_str().unwrap();
        for command in [
            &["inspect", slug, "--json"][..],
            &["sbom", slug],
            &["inspect", slug, "--html", page.to_str().unwrap()],
        ] {
            planted.assert_silent(&planted.app.run(command).success(), &[]);
        }
        planted.assert_silent(&built, &[]);
        planted.assert_slug_is_clean();
    }
}

#[test]
#[ignore = "needs PyPI"]
fn a_build_that_is_refused_or_finds_nobody_keeps_every_secret() {
    let mut planted = Planted::new(&[("requirements.txt", "")]);
    let (right, wrong) = (planted.secret(), planted.secret());
    planted.config_var("INDEX_TOKEN", &encoded(&wrong));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for (port, arguments) in [
        (serve(&right, ""), &["--installer", "uv"][..]),
        (free, &["--installer", "uv", "--format", "json"]),
        (free, &["--installer", "pip"]),
    ] {
        let text =
            format!("--index-url http://bot:${{INDEX_TOKEN}}@127.0.0.1:{port}/simple\n{PACKAGE}==2.0\n");
        fs::write(planted.app.dir.join("requirements.txt"), text).unwrap();
        let failed = planted.build(arguments);
        // An error of the build, not of the command line.
        assert!(!matches!(failed.code, None | Some(0 | 2 | 101)), "{}{}", failed.stdout, failed.stderr);
        planted.assert_silent(&failed, &[]);
    }
}

#[test]
#[ignore = "needs PyPI"]
fn a_build_back_end_that_shows_its_environment_shows_no_secret() {
    let mut planted = Planted::new(TALKATIVE);
    let named = planted.secret();
    // A variable that a file names is one that the installer gets, whatever it is called.
    fs::write(planted.app.dir.join("requirements.txt"), "# ${KEY_OF_OURS}\n./talkative\n").unwrap();
    planted.config_var("KEY_OF_OURS", &named);
    for installer in ["uv", "pip"] {
        let failed = planted.build(&["--installer", installer]);
        assert!(
            failed.stderr.contains("SHOWN PATH") || failed.stdout.contains("SHOWN PATH"),
            "{}",
            failed.stderr
        );
        planted.assert_silent(&failed, &[]);
        failed.failure("install-dependencies::pip");
    }
}

#[test]
#[ignore = "needs PyPI"]
fn the_classic_buildpack_keeps_every_secret_of_a_build_that_fails() {
    let mut planted = Planted::new(TALKATIVE);
    planted.app.set("STACK", "heroku-24");
    let cache = planted.app.out.join("cache");
    warm_cache(&cache);
    let Planted { app, env_dir, .. } = &planted;
    let failed = door(app, "compile", &[&app.dir, &cache, env_dir]);
    assert!(
        failed.stdout.contains("SHOWN PATH") || failed.stderr.contains("SHOWN PATH"),
        "{}",
        failed.stdout
    );
    planted.assert_silent(&failed, &[&cache, &app.dir]);
    failed.failure("install-dependencies::pip");
}
