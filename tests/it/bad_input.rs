//! Bad input gets an answer: a stable id, what was found, what to do; nothing half-written.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use crate::support::{TestApp, can_unshare, has_program, run, skip};

const REQUIREMENTS: (&str, &str) = ("requirements.txt", "");

fn names_in(slug: &Path) -> Vec<Vec<u8>> {
    let output = Command::new("tar")
        .arg("tzf")
        .arg(slug)
        .args(["--quoting-style=literal", "--null"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

#[test]
fn a_source_that_is_not_a_directory() {
    let app = TestApp::new(&[("file", "")]);
    let file = app.dir.join("file");
    for source in [file.to_str().unwrap(), "no-such-directory"] {
        app.run(&["build", source]).failure("source::not-a-directory");
    }
    assert!(app.left_in_out().is_empty());
}

#[test]
fn an_empty_directory() {
    TestApp::new(&[]).build(&[]).failure("source::empty");
}

#[test]
fn a_directory_without_python_files() {
    let run = TestApp::new(&[("package.json", "{}")]).build(&[]).failure("detect::no-python-files");
    assert!(run.stderr.contains("package.json"), "{}", run.stderr);
}

#[test]
fn other_package_managers_have_their_own_answers() {
    for (files, id) in [
        (&["setup.py"][..], "package-manager::setup-py-only"),
        (&["Pipfile", "requirements.txt"], "package-manager::pipenv-missing-lockfile"),
        (&["app.py"], "package-manager::none-found"),
        (&["requirements.txt", "uv.lock"], "package-manager::multiple-found"),
        (&["pdm.lock", "pylock.toml"], "package-manager::multiple-found"),
        (&["pyproject.toml"], "package-manager::none-found"),
    ] {
        let files: Vec<_> = files.iter().map(|name| (*name, "")).collect();
        TestApp::new(&files).build(&[]).failure(id);
    }
}

#[test]
fn a_broken_requirements_line_is_pointed_at() {
    let app = TestApp::new(&[
        ("requirements.txt", "-r more.txt\n"),
        ("more.txt", "# fine\nflask==2.3.3\nfoo bar==1\n"),
    ]);
    let run = app.build(&[]).failure("requirements::invalid-line");
    assert!(run.stderr.contains("more.txt:3:"), "{}", run.stderr);
    assert!(run.stderr.contains("foo bar==1"), "{}", run.stderr);
    let event = app.build(&["--format", "json"]).event("error");
    assert_eq!((event["file"].as_str(), event["line"].as_u64()), (Some("more.txt"), Some(3)), "{event}");
}

#[test]
fn a_requirements_file_that_is_not_there() {
    let app = TestApp::new(&[("requirements.txt", "-r missing.txt\n")]);
    let run = app.build(&[]).failure("requirements::file-not-found");
    assert!(run.stderr.contains("missing.txt"), "{}", run.stderr);
}

#[test]
fn python_versions_that_cannot_be_had() {
    for (version, id) in [
        ("3.8", "python-version::eol"),
        ("3.99", "python-version::unknown-major"),
        ("three", "python-version-file::invalid-version"),
        ("", "python-version-file::no-version"),
        ("3.12\n3.13", "python-version-file::multiple-versions"),
        ("\u{feff}3.13", "python-version-file::invalid-encoding"),
    ] {
        TestApp::new(&[REQUIREMENTS, (".python-version", version)]).build(&[]).failure(id);
    }
}

#[test]
fn an_interpreter_that_is_not_on_this_machine() {
    let mut app = TestApp::new(&[REQUIREMENTS, (".python-version", "3.13.99")]);
    app.build(&["--python-source", "host"]).failure("python-runtime::no-interpreter");
    // A machine without any: PATH leads nowhere, and there is no pyenv.
    app.set("PATH", "/nowhere");
    app.set("PYENV_ROOT", "/nowhere");
    app.build(&["--python-source", "catalogue"]).failure("python-version::unknown-patch");
}

#[test]
fn a_python_source_that_means_nothing() {
    let app = TestApp::new(&[REQUIREMENTS]);
    let run = app.build(&["--python-source", "hots"]);
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    assert!(run.stderr.contains("hots"), "{}", run.stderr);
    let empty = app.out.join("empty");
    fs::create_dir(&empty).unwrap();
    app.build(&["--python-source", empty.to_str().unwrap()]).failure("python-runtime::invalid-source");
}

#[test]
fn a_mirror_that_sends_the_wrong_bytes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        // Each download is tried a bounded number of times.
        for stream in listener.incoming().take(20) {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nwrong");
        }
    });
    let mut app = TestApp::new(&[REQUIREMENTS, (".python-version", "3.13.5")]);
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    app.set("SLUGC_PYTHON_MIRROR", format!("http://{address}"));
    app.build(&["--python-source", "catalogue"]).failure("download::checksum-mismatch");
    // Wrong bytes are no reason to take another Python instead.
    app.build(&["--python-source", "auto"]).failure("download::checksum-mismatch");
    assert!(app.left_in_out().is_empty());
}

#[test]
fn a_file_that_cannot_be_read() {
    let app = TestApp::new(&[REQUIREMENTS, ("secret.txt", "x")]);
    fs::set_permissions(app.dir.join("secret.txt"), fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(app.dir.join("secret.txt")).is_err() {
        app.build(&[]).failure("source::unreadable");
        return;
    }
    // The superuser may read everything: the program has to run as somebody else.
    if !has_program("setpriv") {
        return skip("this is the superuser, and there is no setpriv to run as somebody else");
    }
    for dir in [app.dir.parent().unwrap(), &app.dir, &app.out] {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let program = app.out.join("slugc");
    fs::copy(env!("CARGO_BIN_EXE_slugc"), &program).unwrap();
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&program)
        .arg("build")
        .arg(&app.dir);
    command.env_clear().envs(&app.env).env("SLUGC_CACHE_DIR", app.out.join("store")).current_dir(&app.out);
    let run = run(&mut command).failure("source::unreadable");
    assert!(run.stderr.contains("secret.txt"), "{}", run.stderr);
}

#[test]
fn links_that_loop_or_lead_outside_are_kept_as_links() {
    let app = TestApp::new(&[REQUIREMENTS, (".slugignore", "../outside\n/../../etc/passwd\n")]);
    let outside = app.dir.parent().unwrap().join("outside");
    fs::write(&outside, "not yours").unwrap();
    symlink("loop", app.dir.join("loop")).unwrap();
    symlink(".", app.dir.join("self")).unwrap();
    symlink("../outside", app.dir.join("out")).unwrap();
    symlink("/etc/passwd", app.dir.join("absolute")).unwrap();
    app.build(&[]).success();
    assert_eq!(fs::read_to_string(outside).unwrap(), "not yours");
    let list = run(Command::new("tar")
        .arg("tvzf")
        .arg(app.slug())
        .arg("./app/loop")
        .arg("./app/self")
        .arg("./app/out"));
    for target in ["./app/loop -> loop", "./app/self -> .", "./app/out -> ../outside"] {
        assert!(list.stdout.contains(target), "{}", list.stdout);
    }
}

#[test]
fn sockets_fifos_and_devices_are_left_out_with_a_warning() {
    let app = TestApp::new(&[REQUIREMENTS]);
    let fifo = app.dir.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(app.dir.join("socket")).unwrap();
    let mut names = vec!["fifo", "socket"];
    // A copy of /dev/null, where this user may make one.
    let device = Command::new("mknod").arg(app.dir.join("device")).args(["c", "1", "3"]).output();
    if device.is_ok_and(|output| output.status.success()) {
        names.push("device");
    } else {
        skip("this user may not make a device: only the fifo and the socket were tried");
    }
    let run = app.build(&["--format", "json"]).success();
    let warnings: Vec<_> = run.events().into_iter().filter(|event| event["event"] == "warning").collect();
    for name in names {
        assert!(
            warnings.iter().any(|warning| warning["text"].as_str().unwrap().contains(name)),
            "{warnings:?}"
        );
        assert!(!names_in(&app.slug()).contains(&format!("./app/{name}").into_bytes()));
    }
}

#[test]
fn odd_file_names_come_through() {
    let app = TestApp::new(&[REQUIREMENTS]);
    fs::write(app.dir.join(OsStr::from_bytes(b"bad-\xff-utf8")), "1").unwrap();
    fs::write(app.dir.join("new\nline"), "2").unwrap();
    app.build(&[]).success();
    let into = app.out.join("unpacked");
    fs::create_dir(&into).unwrap();
    assert!(Command::new("tar").arg("xzf").arg(app.slug()).arg("-C").arg(&into).status().unwrap().success());
    assert_eq!(fs::read(into.join("app").join(OsStr::from_bytes(b"bad-\xff-utf8"))).unwrap(), b"1");
    assert_eq!(fs::read(into.join("app/new\nline")).unwrap(), b"2");
}

#[test]
fn a_path_of_four_thousand_characters_fits_and_a_longer_one_has_an_answer() {
    let app = TestApp::new(&[REQUIREMENTS]);
    let deepen = |levels: usize| {
        // By steps, as the whole path is too long to be made at once.
        let script = format!(
            "i=0; while [ $i -lt {levels} ]; do mkdir -p {name} && cd -P {name} || exit 1; i=$((i+1)); done; echo x > deep.py",
            name = "d".repeat(99)
        );
        assert!(Command::new("bash").arg("-c").arg(script).current_dir(&app.dir).status().unwrap().success());
    };
    deepen(39);
    app.build(&[]).success();
    let list = run(Command::new("tar").arg("tzf").arg(app.slug()));
    let longest = list.stdout.lines().map(str::len).max().unwrap();
    assert!(longest > 3900, "{longest}");
    deepen(60);
    app.build(&[]).failure("source::path-too-long");
}

#[test]
fn a_procfile_with_a_byte_order_mark_and_windows_line_ends() {
    let app = TestApp::new(&[
        REQUIREMENTS,
        ("Procfile", "\u{feff}web: python -m http.server $PORT\r\nworker: sleep 1\r\n"),
    ]);
    app.build(&[]).success();
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(app.out.join("slug.tgz.json")).unwrap()).unwrap();
    assert_eq!(manifest["process_types"]["web"], "python -m http.server $PORT");
    assert_eq!(manifest["process_types"]["worker"], "sleep 1");
}

#[test]
fn a_disk_that_is_full_leaves_nothing_and_the_old_slug_stays() {
    if !can_unshare() {
        return skip("no user and mount namespaces here, so there is no small disk to fill");
    }
    let app = TestApp::new(&[REQUIREMENTS]);
    app.build(&[]).success();
    // The store is warm; the slug goes to a disk of one megabyte, where an old slug is.
    let script = format!(
        "mount -t tmpfs -o size=1m none {out} && cd {out} && echo old > slug.tgz && {slugc} build --force {dir}; \
         code=$?; ls -A; cat slug.tgz; exit $code",
        out = app.out.display(),
        slugc = env!("CARGO_BIN_EXE_slugc"),
        dir = app.dir.display()
    );
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script]).env_clear().envs(&app.env);
    let run = run(&mut command).failure("slug::write-failed");
    assert_eq!(run.stdout, "slug.tgz\nold\n", "{}", run.stderr);
}

#[test]
fn a_slug_over_the_limit_names_what_is_big() {
    let app = TestApp::new(&[REQUIREMENTS]);
    let run = app.build(&["--max-size", "1M"]).failure("slug::too-large");
    assert!(run.stderr.contains("Python runtime"), "{}", run.stderr);
    assert!(app.left_in_out().is_empty(), "{:?}", app.left_in_out());
}

#[test]
fn an_output_that_cannot_be_written() {
    let app = TestApp::new(&[REQUIREMENTS]);
    app.build(&["-o", "no/such/directory/slug.tgz"]).failure("slug::output-not-writable");
    app.build(&["-o", app.dir.to_str().unwrap()]).failure("slug::output-not-writable");
    app.build(&["-o", "/proc/slug.tgz"]).failure("slug::output-not-writable");
}

#[test]
fn a_store_that_cannot_be_used() {
    let mut app = TestApp::new(&[REQUIREMENTS]);
    app.set("SLUGC_CACHE_DIR", "/proc/store");
    app.build(&[]).failure("store::unusable");
    app.env.remove(OsStr::new("SLUGC_CACHE_DIR"));
    app.env.remove(OsStr::new("HOME"));
    app.build(&[]).failure("store::unusable");
}

#[test]
fn a_damaged_store_heals_itself() {
    let mut app = TestApp::new(&[REQUIREMENTS, ("app.py", "print('hello')\n")]);
    app.store = app.out.parent().unwrap().join("store");
    app.set("SLUGC_CACHE_DIR", app.store.clone());
    let first = app.build(&["--format", "json"]).success().event("finished")["sha256"].clone();
    // Every compressed segment, then every file of a layer, then every index.
    for (dir, extension) in [("segments", None), ("layers", Some("py")), ("layers", Some(""))] {
        let mut damaged = 0;
        for entry in walkdir::WalkDir::new(app.store.join("v1").join(dir)).into_iter().flatten() {
            let path = entry.path();
            let fits = extension.is_none_or(|extension| path.extension().unwrap_or_default() == extension);
            if entry.file_type().is_file() && fits && (extension != Some("") || entry.file_name() == "index")
            {
                let mut bytes = fs::read(path).unwrap();
                let Some(last) = bytes.last_mut() else { continue };
                *last ^= 0x20;
                fs::write(path, bytes).unwrap();
                damaged += 1;
            }
        }
        assert!(damaged > 0, "{dir} {extension:?}");
        if dir == "layers" {
            // What is compressed already isn't read again.
            fs::remove_dir_all(app.store.join("v1/segments")).unwrap();
            fs::create_dir(app.store.join("v1/segments")).unwrap();
        }
        let again = app.build(&["--format", "json"]).success().event("finished")["sha256"].clone();
        assert_eq!(again, first, "after damage to {dir} {extension:?}");
    }
}

#[test]
fn bad_arguments_get_help() {
    let app = TestApp::new(&[REQUIREMENTS]);
    for arguments in [&["biuld"][..], &["build", "--max-size", "much"], &["build", "-j", "0"], &["sbom"]] {
        let run = app.run(arguments);
        assert_eq!(run.code, Some(2), "{arguments:?}: {}", run.stderr);
        assert!(run.stderr.contains("--help"), "{arguments:?}: {}", run.stderr);
    }
    // Without a name, it is slug.tgz.
    let run = app.run(&["run"]).failure("slug::not-a-slug");
    assert!(run.code == Some(2) && run.stderr.contains("slug.tgz"), "{}", run.stderr);
    for arguments in
        [&["--help"][..], &["build", "--help"], &["plan", "--help"], &["run", "--help"], &["--version"]]
    {
        let run = app.run(arguments).success();
        assert!(!run.stdout.is_empty(), "{arguments:?}");
    }
}
