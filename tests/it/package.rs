//! The package of the classic buildpack, and the buildpack as the platforms' harnesses drive it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::buildpack::{package, unpack};
use crate::support::{Run, TestApp, can_unshare, flowing, run, skip};

const APP: &[(&str, &str)] = &[
    ("requirements.txt", ""),
    ("app.py", "import sys; print('hello from', sys.prefix)\n"),
    ("Procfile", "web: python app.py\n"),
];

/// The buildpack at a place of its own, and how a harness calls it.
struct Harness<'a> {
    app: &'a TestApp,
    buildpack: PathBuf,
    current_dir: PathBuf,
}

impl<'a> Harness<'a> {
    fn new(app: &'a TestApp) -> Self {
        let buildpack = unpack(&app.out.join("a copy of the buildpack"));
        let current_dir = app.out.join("empty");
        for dir in [&current_dir, &app.out.join("cache"), &app.out.join("env")] {
            fs::create_dir(dir).unwrap();
        }
        Self { app, buildpack, current_dir }
    }

    fn call(&self, script: &str, arguments: &[&Path]) -> Run {
        let mut command = Command::new(self.buildpack.join("bin").join(script));
        run(command.args(arguments).env_clear().envs(&self.app.env).current_dir(&self.current_dir))
    }

    fn detect(&self) -> Run {
        self.call("detect", &[&self.app.dir])
    }

    fn compile(&self) -> Run {
        self.call("compile", &[&self.app.dir, &self.app.out.join("cache"), &self.app.out.join("env")])
    }
}

/// Boots the Procfile's web process as a dyno does: with bash, the profile scripts and little else.
fn boot(home: &Path) -> Run {
    let script =
        "for file in .profile.d/*.sh; do . \"$file\"; done; eval \"exec $(sed -n 's/^web: //p' Procfile)\"";
    let mut command = Command::new("bash");
    command.args(["-c", script]).env_clear().env("HOME", home).env("PATH", "/usr/bin:/bin");
    run(command.current_dir(home))
}

#[test]
fn the_same_program_gives_the_same_package() {
    let app = TestApp::new(&[]);
    // Another directory, umask and name, and the program as a file.
    let script = "umask 077; exec \"$0\" package classic --program \"$0\" -o other.tar.gz";
    let mut command = Command::new("sh");
    command.args(["-c", script, env!("CARGO_BIN_EXE_slugc")]);
    run(command.env_clear().envs(&app.env).current_dir(&app.out)).success();
    assert_eq!(app.left_in_out(), ["other.tar.gz"]);
    assert!(fs::read(app.out.join("other.tar.gz")).unwrap() == fs::read(package()).unwrap());
}

#[test]
fn the_package_holds_scripts_one_program_and_nothing_else() {
    let mut command = Command::new("tar");
    command.arg("tvzf").arg(package()).env("TZ", "UTC").env("LC_ALL", "C");
    let list = run(&mut command).success().stdout;
    let program = format!("./bin/slugc-{}", std::env::consts::ARCH);
    let mut scripts: Vec<String> = fs::read_dir("bin")
        .unwrap()
        .map(|entry| format!("./bin/{}", entry.unwrap().file_name().into_string().unwrap()))
        .collect();
    scripts.push(program);
    scripts.sort();
    let line = |mode: &str, name: &str| format!("{mode} root/root 1980-01-01 00:00 {name}");
    let mut expected = vec![line("drwxr-xr-x", "./bin/")];
    expected.extend(scripts.iter().map(|name| line("-rwxr-xr-x", name)));
    expected.push(line("-rw-r--r--", "./buildpack.toml"));
    let found: Vec<String> = list
        .lines()
        .map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            // All but the size.
            [&words[..2], &words[3..]].concat().join(" ")
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn what_is_not_slugc_for_that_architecture_is_not_packaged() {
    let app = TestApp::new(&[]);
    let other = if std::env::consts::ARCH == "aarch64" { "x86_64" } else { "aarch64" };
    let own = env!("CARGO_BIN_EXE_slugc");
    for (arguments, found) in [
        (&["--program", "/bin/sh"][..], "is a program, but not slugc."),
        (&["--program", "/etc/passwd"], "is not a 64-bit Linux program."),
        (&["--program", "/"], "is not a file."),
        (&["--program", "/dev/zero"], "is not a file."),
        (&["--program", "no-such-file"], "can't be read."),
        (&["--program", own, "--arch", other], "is a program for"),
    ] {
        let run = app.run(&[&["package", "classic"], arguments].concat());
        let run = run.failure("package::invalid-program");
        let text = flowing(&run.stderr);
        assert!(text.contains(found), "{arguments:?}: {text}");
    }
    assert_eq!(app.run(&["package", "classic", "--arch", other]).code, Some(2));
    assert_eq!(app.run(&["package", "classic", "--program", own, "--arch", "mips"]).code, Some(2));
    app.run(&["package", "classic", "-o", "no-such-directory/x.tgz"]).failure("file-system::failed");
    assert!(app.left_in_out().is_empty());
}

#[test]
fn a_package_without_a_program_for_this_machine_says_so() {
    let app = TestApp::new(APP);
    let harness = Harness::new(&app);
    let program = format!("bin/slugc-{}", std::env::consts::ARCH);
    fs::remove_file(harness.buildpack.join(program)).unwrap();
    let found = harness.detect();
    assert_eq!((found.code, found.stdout.as_str()), (Some(3), ""));
    assert!(found.stderr.contains(std::env::consts::ARCH), "{}", found.stderr);
}

#[test]
fn a_read_only_package_works_from_any_directory() {
    let app = TestApp::new(APP);
    let harness = Harness::new(&app);
    let script = "set -e; mount --bind \"$1\" \"$1\"; mount -o remount,bind,ro \"$1\"; cd \"$1/bin\"; \
                  ! touch \"$1/file\" 2>/dev/null; ./detect \"$2\"; ./compile \"$2\" \"$3\" \"$4\"; ./release \"$2\"";
    let mut command = if can_unshare() {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"]);
        command
    } else {
        skip("no user and mount namespaces here, so the package isn't read-only for the superuser");
        for dir in ["bin", "."] {
            let mode = fs::Permissions::from_mode(0o555);
            fs::set_permissions(harness.buildpack.join(dir), mode).unwrap();
        }
        let mut command = Command::new("sh");
        command.args(["-c", "cd \"$1\"; bin/detect \"$2\" && bin/compile \"$2\" \"$3\" \"$4\"", "sh"]);
        command
    };
    command.arg(&harness.buildpack).arg(&app.dir).args(["cache", "env"].map(|dir| app.out.join(dir)));
    let compiled = run(command.env_clear().envs(&app.env)).success();
    assert_eq!(compiled.stderr, "");
    assert!(compiled.stdout.starts_with("Python\n"), "{}", compiled.stdout);
    assert!(boot(&app.dir).success().stdout.starts_with("hello from "));
}

/// As heroku-buildpack-testrunner does: no stack, a home directory that isn't /app, an empty working directory; an
/// error is told on standard output, and standard error stays empty whatever comes.
#[test]
fn the_testrunner_harness_is_content() {
    let app = TestApp::new(APP);
    let harness = Harness::new(&app);
    // `release` may come without `compile`.
    for (script, result) in [
        ("release", harness.call("release", &[&app.dir])),
        ("detect", harness.detect()),
        ("compile", harness.compile()),
        ("release", harness.call("release", &[&app.dir])),
    ] {
        let result = result.success();
        assert_eq!(result.stderr, "", "assertCapturedSuccess: {script}");
        assert_eq!(result.stdout == "Python\n", script == "detect", "{}", result.stdout);
    }

    let none = TestApp::new(&[("index.html", "")]);
    let missing = Harness::new(&none).detect();
    assert_eq!(
        (missing.code, missing.stdout.as_str(), missing.stderr.as_str()),
        (Some(1), "no\n", ""),
        "assertNoAppDetected"
    );

    let broken = TestApp::new(&[("requirements.txt", ""), (".python-version", "three\n")]);
    let failed = Harness::new(&broken).compile().failure("python-version-file::invalid-version");
    assert_eq!((failed.code, failed.stderr.as_str()), (Some(1), ""), "assertCapturedError");
}

/// As herokuish does: in the build directory, as if it were on a dyno, and then the app moves.
#[test]
fn the_herokuish_harness_is_content() {
    let mut app = TestApp::new(APP);
    for (name, value) in [
        ("HOME", "/app"),
        ("APP_DIR", "/app"),
        ("REQUEST_ID", "1"),
        ("STACK", "heroku-24"),
        ("CURL_TIMEOUT", "60"),
    ] {
        app.set(name, value);
    }
    let mut harness = Harness::new(&app);
    harness.current_dir = app.dir.clone();
    for _ in 0..2 {
        let found = harness.detect().success();
        assert_eq!((found.stdout.as_str(), found.stderr.as_str()), ("Python\n", ""));
    }
    harness.compile().success();
    let release = harness.call("release", &[&app.dir, &app.out.join("cache")]).success();
    // Nothing, or a map.
    assert!(release.stdout.lines().all(|line| line.is_empty() || line.contains(':') || line.contains("- ")));
    fs::write(app.dir.join(".release"), &release.stdout).unwrap();
    let moved = app.out.join("app");
    fs::rename(&app.dir, &moved).unwrap();
    fs::rename(app.out.join("cache"), app.out.join("old cache")).unwrap();
    fs::remove_dir_all(&harness.buildpack).unwrap();
    let booted = boot(&moved).success();
    assert_eq!(booted.stdout, format!("hello from {}/.heroku/python\n", moved.display()));
    assert_eq!(booted.stderr, "");
}

/// Each program that a script starts costs about a millisecond, and platforms call `bin/detect` for every buildpack.
#[test]
fn the_scripts_start_the_program_and_nothing_else() {
    if !Path::new("/proc/sys/kernel/arch").exists() {
        return skip("this kernel doesn't say its architecture in a file, so the scripts have to ask uname");
    }
    let app = TestApp::new(APP);
    let harness = Harness::new(&app);
    let bin = harness.buildpack.join("bin");
    let exec = format!("+ exec {}/slugc-{} ", bin.display(), std::env::consts::ARCH);
    for script in ["compile", "detect", "release", "report", "slugc", "test", "test-compile"] {
        let mut command = Command::new("/bin/sh");
        command.arg("-x").arg(bin.join(script)).arg("--help").env_clear();
        // There is no program to be found here.
        let traced = run(command.env("PATH", "/nonexistent").current_dir(&harness.current_dir)).stderr;
        let traced = traced.replace('\'', "");
        let execs = traced.lines().filter(|line| line.starts_with("+ exec ")).count();
        assert!(execs == 1 && traced.contains(&exec), "{script}: {traced}");
        assert!(!traced.contains("not found"), "{script}: {traced}");
    }
}

#[test]
fn a_script_works_by_any_name() {
    let app = TestApp::new(APP);
    let harness = Harness::new(&app);
    let elsewhere = app.out.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let detect = harness.buildpack.join("bin/detect");
    symlink(&detect, elsewhere.join("link")).unwrap();
    symlink("link", elsewhere.join("link to it")).unwrap();
    symlink(harness.buildpack.join("bin"), elsewhere.join("bin")).unwrap();
    let bin = detect.parent().unwrap();
    for (current_dir, words) in [
        (&*elsewhere, "./link"),
        (&*elsewhere, "elsewhere/link"),
        (&*elsewhere, "'./link to it'"),
        (&*elsewhere, "bin/detect"),
        (bin, "./detect"),
        (bin, "sh detect"),
        (bin, "../bin/detect"),
        (&*harness.buildpack, "sh bin/detect"),
        (&*harness.buildpack, "PATH=$PWD/bin:$PATH; detect"),
    ] {
        let mut command = Command::new("sh");
        let words = words.replace("elsewhere/", &format!("'{}'/", elsewhere.display()));
        command.arg("-c").arg(format!("{words} \"$0\"")).arg(&app.dir);
        let found = run(command.env_clear().envs(&app.env).current_dir(current_dir)).success();
        assert_eq!((found.stdout.as_str(), found.stderr.as_str()), ("Python\n", ""), "{words}");
    }
}

// U06
#[test]
fn on_another_system_the_launcher_says_what_to_do_and_compiles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let checkout = dir.path().join("checkout");
    fs::create_dir_all(checkout.join("bin")).unwrap();
    fs::copy("bin/slugc", checkout.join("bin/slugc")).unwrap();
    fs::write(checkout.join("Cargo.toml"), "").unwrap();
    let tools = dir.path().join("tools");
    fs::create_dir(&tools).unwrap();
    let script = |name: &str, text: &str| {
        let file = tools.join(name);
        fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    };
    script("cargo", "echo compiling; exit 1");
    for (system, expected) in
        [("Darwin", true), ("FreeBSD", true), ("MINGW64_NT-10.0-19045", true), ("Linux", false)]
    {
        script("uname", &format!("case $1 in -s) echo {system};; *) echo x86_64;; esac"));
        let path = format!("{}:/usr/bin:/bin", tools.display());
        let told = run(Command::new(checkout.join("bin/slugc")).arg("version").env("PATH", path));
        let says = told.stderr.contains("container") && told.stderr.contains("WSL");
        assert_eq!(
            (says, told.stderr.contains("compiling")),
            (expected, !expected),
            "{system}: {}",
            told.stderr
        );
        assert!(!expected || told.code == Some(3) && told.stderr.lines().count() == 1, "{}", told.stderr);
    }
}
