//! What others have written: repositories, names of files, long lists, the output of the app's own programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Run, TestApp, flowing, has_program, python_minor, run, skip};

fn write(path: &Path, contents: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, contents).unwrap();
}

fn script(path: &Path, contents: &str) {
    write(path, contents);
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs git with no settings but its own.
fn git(dir: &Path, args: &[&str]) -> Run {
    let mut command = Command::new("git");
    let names =
        ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "init.defaultBranch=main"];
    command.args(names).args(args).current_dir(dir).env_clear().env("PATH", std::env::var("PATH").unwrap());
    command.env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1");
    run(&mut command)
}

fn app(files: &[(&str, &str)]) -> Option<TestApp> {
    if !has_program("git") {
        skip("there is no git");
        return None;
    }
    let version = format!("{}\n", python_minor()?);
    let usual = [
        ("requirements.txt", ""),
        (".python-version", version.as_str()),
        ("Procfile", "web: python -m http.server $PORT\n"),
    ];
    Some(TestApp::new(&[&usual, files].concat()))
}

// B20
#[test]
fn a_commit_that_is_being_pushed_is_built_in_every_hook() {
    let Some(app) = app(&[("app.py", "")]) else { return };
    git(&app.dir, &["init", "--quiet"]).success();
    git(&app.dir, &["add", "."]).success();
    git(&app.dir, &["commit", "--quiet", "-m", "x"]).success();
    git(&app.out, &["init", "--quiet", "--bare", "origin.git"]).success();
    let plan = |dir: &str| {
        let variables: String = app
            .env
            .iter()
            .map(|(name, value)| format!("export {}='{}'\n", name.display(), value.display()))
            .collect();
        let slugc = env!("CARGO_BIN_EXE_slugc");
        format!(
            "{variables}\"{slugc}\" plan {dir} --commit \"$new\" >\"$OUT\" 2>&1; echo \"exit $?\" >>\"$OUT\"\n"
        )
    };
    let out = app.out.join("hook-said");
    let each_ref = |dir: &str| {
        format!("#!/bin/sh\nOUT={}\nwhile read old new ref; do\n{}done\n", out.display(), plan(dir))
    };
    let bare = |what: &str| {
        let path = app.out.join(format!("{what}.git"));
        git(&app.out, &["clone", "--quiet", "--bare", "origin.git", path.to_str().unwrap()]).success();
        path
    };
    let plain = bare("plain");
    let with_update = bare("update");
    let shared = app.out.join("shared.git");
    git(&app.out, &["clone", "--quiet", "--bare", "--shared", "origin.git", "shared.git"]).success();
    let checked_out = app.out.join("checked-out");
    git(&app.out, &["clone", "--quiet", "origin.git", "checked-out"]);
    git(&checked_out, &["commit", "--quiet", "--allow-empty", "-m", "first"]).success();
    let linked = app.out.join("linked");
    git(&checked_out, &["worktree", "add", "--quiet", linked.to_str().unwrap(), "-b", "other"]).success();
    let update = format!("#!/bin/sh\nOUT={}\nnew=$3\n{}", out.display(), plan("."));
    let linked_dir = linked.display().to_string();
    for (repository, hook, text) in [
        (&plain, "hooks/pre-receive", each_ref(".")),
        (&with_update, "hooks/update", update),
        (&shared, "hooks/pre-receive", each_ref(".")),
        (&checked_out, ".git/hooks/pre-receive", each_ref("..")),
        (&checked_out, ".git/hooks/pre-receive", each_ref(&linked_dir)),
        (&plain, "hooks/post-receive", each_ref(".")),
    ] {
        script(&repository.join(hook), &text);
        let message = format!("for {}", repository.display());
        git(&app.dir, &["commit", "--quiet", "--allow-empty", "-m", &message]).success();
        let _ = fs::remove_file(&out);
        git(&app.dir, &["push", "--quiet", repository.to_str().unwrap(), "HEAD:refs/heads/pushed"]).success();
        let said = fs::read_to_string(&out).unwrap_or_default();
        assert!(said.ends_with("exit 0\n"), "{hook} in {}: {said}", repository.display());
        fs::remove_file(repository.join(hook)).unwrap();
    }
}

// S02
#[test]
fn no_command_runs_what_a_repository_names() {
    let Some(app) = app(&[("x.sh", "touch \"$MARK\"\n"), (".gitattributes", "* filter=x\n")]) else { return };
    git(&app.dir, &["init", "--quiet"]).success();
    git(&app.dir, &["add", "."]).success();
    git(&app.dir, &["commit", "--quiet", "-m", "x"]).success();
    let commit = git(&app.dir, &["rev-parse", "HEAD"]).success().stdout;
    let mark = app.out.join("mark");
    let run_it = format!("touch {}", mark.display());
    let settings = format!(
        "[core]\nrepositoryformatversion = 1\nfsmonitor = {run_it}\nsshCommand = {run_it}\npager = {run_it}\n\
         [extensions]\npartialClone = origin\n[remote \"origin\"]\nurl = \"ext::sh -c {}\"\npromisor = true\n\
         [protocol \"ext\"]\nallow = always\n[filter \"x\"]\nclean = {run_it}\nsmudge = {run_it}\nprocess = {run_it}\n",
        run_it.replace(' ', "% ")
    );
    let config = app.dir.join(".git/config");
    fs::write(&config, fs::read_to_string(&config).unwrap() + &settings).unwrap();
    write(&app.dir.join("Procfile"), "web: python -m http.server $PORT # changed\n");
    let dir = app.dir.to_str().unwrap();
    let all = |app: &TestApp| {
        for args in [&["plan", dir][..], &["plan", dir, "--commit", "HEAD"], &["check", dir], &["build", dir]]
        {
            app.run(args);
            assert!(!mark.exists(), "{args:?}");
        }
    };
    all(&app);
    let (first, rest) = commit.trim().split_at(2);
    fs::remove_file(app.dir.join(".git/objects").join(first).join(rest)).unwrap();
    all(&app);
}

/// Runs a command, and looks how much memory it takes. Returns how it ended and the most, in megabytes.
fn watched(command: &mut Command) -> (Run, u64) {
    let (stdout, stderr) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    command.stdout(Stdio::from(stdout.reopen().unwrap())).stderr(Stdio::from(stderr.reopen().unwrap()));
    let mut child = command.spawn().unwrap();
    let mut most = 0;
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = peak.and_then(|text| text.trim().split(' ').next()?.parse::<u64>().ok());
        most = most.max(kilobytes.unwrap_or(0) >> 10);
        std::thread::sleep(Duration::from_millis(20));
    };
    let read = |file: &tempfile::NamedTempFile| {
        let bytes = fs::read(file.path()).unwrap();
        String::from_utf8_lossy(&bytes[..bytes.len().min(1 << 20)]).into_owned()
            + &String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(1 << 20)..])
    };
    (Run { stdout: read(&stdout), stderr: read(&stderr), code: status.code() }, most)
}

// S03
#[test]
fn a_hook_that_floods_its_output_is_ended_in_time() {
    for (hook, flood) in [
        ("bin/post_compile", "yes"),
        ("bin/pre_compile", "yes >&2"),
        ("bin/post_compile", "tr '\\0' x </dev/zero"),
        ("bin/post_compile", "trap '' TERM; tr '\\0' x </dev/zero >&2 & exec yes 'a line'"),
    ] {
        let Some(app) = app(&[(hook, &format!("#!/bin/sh\n{flood}\n"))]) else { return };
        let start = Instant::now();
        let (run, memory) =
            watched(&mut app.command(&["build", app.dir.to_str().unwrap(), "--timeout", "6s", "--quiet"]));
        run.failure("build::timeout");
        assert!(start.elapsed() < Duration::from_secs(30), "{flood}: {:?}", start.elapsed());
        assert!(memory < 400, "{flood}: {memory} MB");
    }
}

// S05
#[test]
fn long_lists_are_read_in_one_pass_and_a_signal_ends_it() {
    let lines = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    for (name, text) in [
        ("Procfile", lines(40_000, &|number| format!("p{number}: x\n"))),
        ("Procfile", lines(40_000, &|number| format!("Web_{number}:x\n"))),
        ("requirements.txt", lines(40_000, &|number| format!("package-{number}==1\n"))),
        (".slugignore", lines(20_000, &|number| format!("no-such-{number}\n"))),
        (".gitmodules", lines(20_000, &|number| format!("[submodule \"{number}\"]\npath = p{number}\n"))),
    ] {
        let Some(app) = app(&[]) else { return };
        write(&app.dir.join(name), &text);
        let start = Instant::now();
        let checked = app.run(&["check", app.dir.to_str().unwrap(), "--format", "json"]);
        assert!(matches!(checked.code, Some(0 | 1)), "{name}: {:?}", checked.code);
        assert!(start.elapsed() < Duration::from_secs(60), "{name}: {:?}", start.elapsed());
    }
}

const FORGED: &str = "x\n::error file=app.py::INJECTED\n.env";

// S07
#[test]
fn a_name_forges_no_line_and_reaches_no_terminal() {
    let names =
        [FORGED, "esc\u{1b}[31m\u{7}.env", "c1\u{9b}2J.env", "exe\u{202e}fdp.env", "cr\r::error::x.env"];
    let files: Vec<(&str, &str)> =
        names.iter().map(|name| (*name, "SECRET_KEY=abcdefghijklmnopqrstuvwxyz012345\n")).collect();
    let Some(app) = app(&files) else { return };
    // Those of packages and of links, too.
    symlink("/etc/\u{1b}[2Jpasswd", app.dir.join("link\n::warning::x")).unwrap();
    write(&app.dir.join("dir\n::error::y/pyvenv.cfg"), "");
    git(&app.dir, &["init", "--quiet"]).success();
    let dir = app.dir.to_str().unwrap();
    let slug = app.slug();
    let slug = slug.to_str().unwrap();
    let is_bad =
        |letter: char| (letter.is_control() && letter != '\n' && letter != '\t') || letter == '\u{202e}';
    let is_forged = |line: &str| {
        let line = line.trim_start();
        (line.starts_with("::") || line.starts_with("##[")) && !line.contains("title=")
    };
    for args in [
        &["plan", dir][..],
        &["plan", dir, "--format", "json"],
        &["build", dir],
        &["build", dir, "--format", "json"],
        &["check", dir],
        &["check", dir, "--format", "json"],
        &["check", dir, "--format", "sarif"],
        &["check", dir, "--format", "github"],
        &["check", slug, "--static"],
        &["inspect", slug],
        &["inspect", slug, "--json"],
        &["diff", slug, slug],
        &["sbom", slug],
    ] {
        let run = app.run(args);
        assert!(matches!(run.code, Some(0 | 1)), "{args:?} {:?}\n{}", run.code, run.stderr);
        for text in [&run.stdout, &run.stderr] {
            assert!(!text.contains(is_bad), "{args:?}: {text:?}");
            assert!(!text.lines().any(is_forged), "{args:?}: {text}");
        }
        if args.contains(&"sarif")
            || (args.contains(&"json") && args[0] != "build")
            || args.contains(&"--json")
        {
            serde_json::from_str::<serde_json::Value>(&run.stdout).unwrap();
        }
    }
}

// S07: what the app's own programs write.
#[test]
fn a_hook_forges_no_line_either() {
    let hook = "#!/bin/sh\nprintf '::error::a\\n  ##[error]b\\nc\\r::error::d\\n\\033[31mred\\033[0m \\033]0;t\\007\\302\\2332J\\n'\n";
    // Not one whose result an earlier run of this test has left in the store.
    let hook = format!("{hook}# {}\n", std::process::id());
    let Some(app) = app(&[("bin/post_compile", hook.as_str())]) else { return };
    let run = app.build(&[]).success();
    assert!(!run.stderr.contains(|letter: char| letter.is_control() && letter != '\n'), "{:?}", run.stderr);
    assert!(
        !run.stderr
            .lines()
            .any(|line| line.trim_start().starts_with("::") || line.trim_start().starts_with("##["))
    );
    assert!(run.stderr.contains("\n       red \\u001b]0;t\\u0007\\u009b2J\n"), "{}", run.stderr);
}

fn tree_of(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = walkdir::WalkDir::new(dir).sort_by_file_name().into_iter().map(Result::unwrap);
    let read = |entry: walkdir::DirEntry| {
        let contents = if entry.file_type().is_file() { fs::read(entry.path()).unwrap() } else { Vec::new() };
        (entry.into_path(), contents)
    };
    entries.map(read).collect()
}

// S11
#[test]
fn what_a_hook_links_to_is_neither_compiled_nor_changed() {
    let Some(minor) = python_minor() else { return };
    let outside = tempfile::tempdir().unwrap();
    let lib = outside.path().join(format!("python{minor}"));
    for name in [
        "os.py",
        "site-packages/own.py",
        "site-packages/x-1.dist-info/METADATA",
        "site-packages/x-1.dist-info/direct_url.json",
    ] {
        write(&lib.join(name), "# somebody else's\n");
    }
    write(&lib.join("__pycache__/os.cpython-313.pyc"), "other");
    write(&lib.join("site-packages/__pycache__/own.pyc"), "other");
    let before = tree_of(outside.path());
    let target = outside.path().display();
    for hook in [
        format!("mv .heroku/python/lib .heroku/python/lib0; ln -s {target} .heroku/python/lib"),
        format!("mv .heroku/python .heroku/python0; mkdir .heroku/python; ln -s {target} .heroku/python/lib"),
        format!(
            "rm -rf .heroku/python/lib/python{minor}; ln -s {target}/python{minor} .heroku/python/lib/python{minor}"
        ),
        format!(
            "mkdir -p .heroku/python/lib/python{minor}/site-packages/new; cd .heroku/python/lib/python{minor}/site-packages/new; \
             echo 'x = 1' >os.py; ln -s {target}/python{minor}/__pycache__ __pycache__"
        ),
    ] {
        let Some(mut app) = app(&[("bin/post_compile", &format!("#!/bin/sh\nset -e\n{hook}\n"))]) else {
            return;
        };
        app.set("STACK", "heroku-24");
        app.build(&[]);
        assert_eq!(tree_of(outside.path()), before, "build: {hook}");
        let (cache, env) = (app.out.join("cache"), app.out.join("env"));
        fs::create_dir_all(&env).unwrap();
        let words =
            ["classic", "compile", app.dir.to_str().unwrap(), cache.to_str().unwrap(), env.to_str().unwrap()];
        app.run(&words);
        assert_eq!(tree_of(outside.path()), before, "bin/compile: {hook}");
    }
}

// S12
#[test]
fn a_slug_that_could_not_be_read_again_is_not_built() {
    let nested = |levels: usize| vec!["d"; levels].join("/");
    for (in_app, in_hook, is_built) in [(511, 0, true), (512, 0, false), (900, 0, false), (0, 512, false)] {
        let hook = format!("#!/bin/sh\nmkdir -p {}\n", nested(in_hook));
        let files = if in_hook > 0 { vec![("bin/post_compile", hook.as_str())] } else { vec![] };
        let Some(app) = app(&files) else { return };
        if in_app > 0 {
            write(&app.dir.join(nested(in_app - 1)).join("f"), "");
        }
        let run = app.build(&[]);
        if is_built {
            run.success();
            app.run(&["inspect", app.slug().to_str().unwrap()]).success();
        } else {
            let told = flowing(&run.failure("source::path-too-long").stderr);
            assert!(told.contains("more than 511 levels"), "{told}");
        }
    }
}

// B11, D16, C15, C24
#[test]
fn what_git_knows_of_the_files_is_told() {
    let Some(app) = app(&[
        (".gitignore", "runtime.txt\nlocal.py\n"),
        ("wsgi.py", "import local\n"),
        ("Procfile", "web: python wsgi.py $PORT\n"),
    ]) else {
        return;
    };
    write(&app.dir.join(".gitmodules"), "[submodule \"lib\"]\npath = lib\n");
    git(&app.dir, &["init", "--quiet"]).success();
    git(&app.dir, &["add", "."]).success();
    git(&app.dir, &["commit", "--quiet", "-m", "x"]).success();
    fs::create_dir(app.dir.join("lib")).unwrap();
    for (name, contents) in [("new.py", ""), ("local.py", ""), ("runtime.txt", "python-3.9.1")] {
        write(&app.dir.join(name), contents);
    }
    let build = app.build(&[]).success().stderr;
    let build = flowing(&build);
    for expected in [
        "note[source::not-committed]: 1 file isn't committed: new.py (new).",
        "]: runtime.txt is in the directory, but .gitignore (line 1: `runtime.txt`) leaves it out",
        "wsgi.py, line 1: wsgi.py imports `local`: local.py is in the directory, but .gitignore (line 2: `local.py`) leaves it out",
        "lib is a submodule that isn't checked out",
    ] {
        assert_eq!(build.matches(expected).count(), 1, "{expected} in {build}");
    }
    let committed = app.build(&["--commit", "HEAD"]);
    assert!(!committed.stderr.contains("committed:"), "{}", committed.stderr);
    let checked = app.run(&["check", app.dir.to_str().unwrap(), "--format", "json"]);
    assert_eq!(checked.code, Some(1), "{}", checked.stdout);
    for id in ["source::needed-file-left-out", "source::file-ignored", "source::submodule-not-checked-out"] {
        assert!(checked.stdout.contains(id), "{id} in {}", checked.stdout);
    }
    assert!(!checked.stdout.contains("imports::not-installed"), "{}", checked.stdout);
}

// S12
#[test]
fn a_file_that_cannot_be_used_is_not_called_missing() {
    type Make = fn(&Path);
    let link_out: Make = |path| symlink("/etc/hosts", path).unwrap();
    let makes: [(&str, Make, &str); 5] = [
        ("requirements.txt", link_out, "is a link that leads out of the app, where the slug can't have it."),
        ("poetry.lock", link_out, "is a link that leads out of the app, where the slug can't have it."),
        (
            "uv.lock",
            |path| symlink("nowhere", path).unwrap(),
            "is a link to a file that isn't there or is left out.",
        ),
        ("requirements.txt", |path| fs::create_dir(path).unwrap(), "is a directory."),
        (
            "Pipfile.lock",
            |path| {
                run(Command::new("mkfifo").arg(path)).success();
            },
            "is a pipe, socket or device, which a slug can't have.",
        ),
    ];
    for (name, make, expected) in makes {
        let app = TestApp::new(&[(".python-version", "3.13\n"), ("app.py", "")]);
        make(&app.dir.join(name));
        let dir = app.dir.to_str().unwrap();
        for command in ["plan", "build", "check"] {
            let told = app.run(&[command, dir]).failure("package-manager::none-found").stderr;
            let told = flowing(&told);
            assert!(told.contains(&format!("{name} {expected}")), "{command} {name}: {told}");
        }
    }
}

/// S12: what decides about a build, and has no effect, is told by every command.
#[test]
fn a_link_that_decides_and_leads_nowhere_is_told() {
    type Make = fn(&Path);
    let link_out: Make = |path| symlink("/etc/hosts", path).unwrap();
    let link_to_nothing: Make = |path| symlink("nowhere", path).unwrap();
    let out = "is a link that leads out of the app, where the slug can't have it. It has no effect.";
    let nothing = "is a link to a file that isn't there or is left out. It has no effect.";
    for (name, make, expected) in [
        (".python-version", link_out, Some(out)),
        (".python-version", link_to_nothing, Some(nothing)),
        (".python-version", |path| symlink("versions/py", path).unwrap(), None),
        ("runtime.txt", link_to_nothing, Some(nothing)),
        ("poetry.lock", link_out, Some(out)),
        ("app.json", link_to_nothing, Some(nothing)),
        ("nltk.txt", |path| fs::create_dir(path).unwrap(), Some("is a directory. It has no effect.")),
        ("other", link_to_nothing, None),
    ] {
        let minor = format!("{}\n", python_minor().unwrap_or("3.13"));
        let app = TestApp::new(&[("requirements.txt", ""), ("versions/py", &minor), ("app.py", "")]);
        make(&app.dir.join(name));
        let dir = app.dir.to_str().unwrap();
        for command in ["plan", "build", "check"] {
            let run = app.run(&[command, dir]);
            let told = flowing(&format!("{}{}", run.stdout, run.stderr));
            let count = usize::from(expected.is_some());
            let expected = format!("{name} {}", expected.unwrap_or("is a"));
            assert_eq!(told.matches(&expected).count(), count, "{command} {name}: {told}");
            assert_eq!(told.contains("source::file-unusable"), count > 0, "{command} {name}: {told}");
        }
    }
    // The Procfile and .slugignore end all of them.
    for (name, expected) in [("Procfile", "procfile"), (".slugignore", "slugignore")] {
        let app = TestApp::new(&[("requirements.txt", ""), ("app.py", "")]);
        link_out(&app.dir.join(name));
        for command in ["plan", "build", "check"] {
            let run = app.run(&[command, app.dir.to_str().unwrap()]);
            assert_ne!(run.code, Some(0), "{command} {name}");
            assert!(run.stderr.contains(&format!("error[{expected}")), "{command} {name}: {}", run.stderr);
        }
    }
}

// B26
#[test]
fn a_machine_or_a_home_directory_is_not_an_app() {
    let mut app = TestApp::new(&[("Documents/app/requirements.txt", ""), ("x", "")]);
    for (dir, home, what) in [
        (
            "/".to_owned(),
            "/nonexistent".to_owned(),
            "/ is the top of this machine's file system, and not an app.",
        ),
        (
            "/tmp/..".to_owned(),
            "/nonexistent".to_owned(),
            "/ is the top of this machine's file system, and not an app.",
        ),
        (
            app.dir.display().to_string(),
            app.dir.display().to_string(),
            "is your home directory, and not an app.",
        ),
    ] {
        app.set("HOME", home);
        for command in ["plan", "build", "check"] {
            let told = app.run(&[command, &dir]).failure("source::not-an-app");
            assert_eq!(told.code, Some(2));
            let text = flowing(&told.stderr);
            assert!(text.contains(what), "{command} {dir}: {text}");
        }
    }
    // An app may be at home, in a container.
    write(&app.dir.join("requirements.txt"), "");
    write(&app.dir.join(".python-version"), &format!("{}\n", python_minor().unwrap_or("3.13")));
    let told = app.run(&["plan", app.dir.to_str().unwrap()]).stderr;
    assert!(!told.contains("source::not-an-app"), "{told}");
}
