//! The main job on real packages: the Flask fixture becomes a slug that answers HTTP somewhere else.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{TestApp, can_unshare, run, skip};

const FIXTURE: &str = "flask-getting-started";

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Waits for the page, for at most a minute.
#[track_caller]
pub(crate) fn wait_for_page(port: u16, child: &mut Child) -> String {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(60) {
        if let Some(text) = get(port, "/").filter(|text| !text.is_empty()) {
            return text;
        }
        assert!(child.try_wait().unwrap().is_none(), "the process ended");
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no answer within a minute");
}

pub(crate) fn stop(mut child: Child) -> Option<i32> {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[test]
#[ignore = "needs PyPI"]
fn the_slug_answers_http_through_slugc_run() {
    let app = TestApp::online(FIXTURE);
    app.build(&[]).success();
    let port = free_port();
    let slug = app.slug();
    let arguments = ["run", slug.to_str().unwrap(), "web", "--port", &port.to_string()];
    let mut child = app.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let page = wait_for_page(port, &mut child);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("<h1>Hello from a slug</h1>"), "{page}");
    assert_eq!(stop(child), Some(0), "gunicorn ends cleanly on SIGTERM");
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "something still listens");
}

/// Boots the unpacked slug by nothing but a shell, with the build directory and the store moved away and the
/// interpreters of this machine hidden.
#[test]
#[ignore = "needs PyPI"]
fn the_slug_answers_http_where_nothing_of_the_build_is_left() {
    if !can_unshare() {
        return skip("no user and mount namespaces here, so nothing can be hidden");
    }
    let app = TestApp::online(FIXTURE);
    app.build(&[]).success();
    let elsewhere = tempfile::tempdir().unwrap();
    assert!(
        Command::new("tar")
            .arg("xzf")
            .arg(app.slug())
            .arg("-C")
            .arg(elsewhere.path())
            .status()
            .unwrap()
            .success()
    );
    fs::rename(&app.dir, app.dir.with_extension("moved")).unwrap();
    fs::rename(&app.store, app.store.with_extension("moved")).unwrap();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(app.out.join("slug.tgz.json")).unwrap()).unwrap();
    let web = manifest["process_types"]["web"].as_str().unwrap();
    let port = free_port();
    let hidden: String =
        interpreters().iter().map(|path| format!("mount -t tmpfs none '{}' && ", path.display())).collect();
    let script = format!(
        "{hidden} cd '{home}' && exec env -i HOME='{home}' PORT={port} DYNO=web.1 PATH=/usr/local/bin:/usr/bin:/bin \
         bash -c 'for file in .profile.d/*.sh; do . \"$file\"; done; exec {web}'",
        home = elsewhere.path().join("app").display()
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "bash", "-c", &script]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let page = wait_for_page(port, &mut child);
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<h1>Hello from a slug</h1>"), "{page}");
    assert_no_foreign_mapping(child.id(), elsewhere.path());
    assert_eq!(stop(child), Some(0));
}

/// The directories with interpreters that the slug could have been copied from, but the system's own
/// (without which there would be no shell).
fn interpreters() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let pyenv = std::env::var_os("PYENV_ROOT").map_or(home.join(".pyenv"), PathBuf::from);
    let system =
        fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path()).filter(|path| {
            path.is_dir()
                && path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"))
        });
    [pyenv, PathBuf::from("/usr/local/lib/python3")]
        .into_iter()
        .chain(system)
        .filter(|path| path.is_dir())
        .collect()
}

fn assert_no_foreign_mapping(pid: u32, slug: &Path) {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let python = slug.join("app/.heroku/python");
    assert!(maps.contains(python.to_str().unwrap()), "the interpreter isn't the slug's:\n{maps}");
    for line in maps.lines().filter(|line| line.contains("python")) {
        assert!(line.contains(python.to_str().unwrap()), "{line}");
    }
}

#[test]
#[ignore = "needs PyPI"]
fn real_packages_give_the_same_bytes_twice() {
    let shas = ["1", "3"].map(|threads| {
        let app = TestApp::online(FIXTURE);
        let run = app.build(&["--format", "json", "-j", threads]).success();
        let first = run.event("finished");
        let again = app.build(&["--format", "json"]).success().event("finished");
        assert_eq!(again["sha256"], first["sha256"]);
        for counter in ["processes", "downloads", "segments_compressed", "layers_built"] {
            assert_eq!(again["counters"][counter], 0, "{counter}: {again}");
        }
        first["sha256"].as_str().unwrap().to_owned()
    });
    assert_eq!(shas[0], shas[1]);
}

#[test]
#[ignore = "needs PyPI"]
fn pip_itself_installs_what_uv_would() {
    let files = |installer: &str| {
        let app = TestApp::online(FIXTURE);
        app.build(&["--installer", installer]).success();
        let list = run(Command::new("tar").arg("tzf").arg(app.slug())).success().stdout;
        // uv takes every distribution for one that was asked for.
        let is_compared = |line: &&str| line.contains("/site-packages/") && !line.ends_with("/REQUESTED");
        list.lines().filter(is_compared).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(files("pip"), files("uv"));
}

#[test]
#[ignore = "needs PyPI"]
fn local_and_editable_requirements_work_where_the_slug_runs() {
    let app = TestApp::online("local-packages");
    app.build(&[]).success();
    let slug = app.slug();
    let script = "import greeting, tool, sys; print(greeting.text(), tool.__file__)";
    let ran = app.run(&["run", slug.to_str().unwrap(), "--", "python", "-c", script]).success();
    assert!(ran.stdout.contains("hello from an editable package"), "{}", ran.stdout);
    assert!(ran.stdout.contains("site-packages/tool"), "{}", ran.stdout);
    let ran = app.run(&["run", slug.to_str().unwrap(), "--", "greet"]).success();
    assert!(ran.stdout.contains("hello from an editable package"), "{}", ran.stdout);
    let list = run(Command::new("sh").arg("-c").arg(format!(
        "tar xzOf {} | grep -c {}",
        slug.display(),
        app.store.display()
    )));
    assert_eq!(list.stdout.trim(), "0", "a path of the build is in the slug");
    assert_eq!(list.code, Some(1));
    let sha = |app: &TestApp| app.build(&["--format", "json"]).success().event("finished")["sha256"].clone();
    assert_eq!(sha(&app), sha(&TestApp::online("local-packages")));
}

#[test]
#[ignore = "needs PyPI"]
fn a_package_that_does_not_exist() {
    let app = TestApp::online(FIXTURE);
    fs::write(app.dir.join("requirements.txt"), "slugc-no-such-package-anywhere==1.0\n").unwrap();
    for installer in ["uv", "pip"] {
        let run = app.build(&["--installer", installer]).failure("install-dependencies::pip");
        assert!(run.stderr.contains("`slugc-no-such-package-anywhere`"), "{}", run.stderr);
        let error = app.build(&["--installer", installer, "--format", "json"]).event("error");
        assert_eq!(error["detail"], "no-such-package", "{error}");
    }
    assert!(app.left_in_out().is_empty());
}

#[test]
#[ignore = "needs PyPI"]
fn no_network() {
    if !can_unshare() {
        return skip("no user and network namespaces here, so there is a network");
    }
    let mut app = TestApp::online(FIXTURE);
    let slugc = env!("CARGO_BIN_EXE_slugc");
    let without_network = |app: &TestApp| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--net", slugc, "build"]).arg(&app.dir);
        run(command.env_clear().envs(&app.env).current_dir(&app.out))
    };
    // Cold: not even uv can be fetched.
    without_network(&app).failure("install-package-manager::uv");
    // Warm: what is known is built, what is new is not.
    app.build(&[]).success();
    without_network(&app).success();
    fs::write(app.dir.join("requirements.txt"), "six==1.16.0\n").unwrap();
    app.set("UV_HTTP_RETRIES", "0");
    let run = without_network(&app).failure("install-dependencies::pip");
    assert!(run.stderr.contains("can't be reached"), "{}", run.stderr);
}
