//! What a dyno and a step of a build can't do. The table in `docs/reliability.md` is made of these rows; each is tried as
//! this user and, where that is root, as an ordinary user, too.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::{Run, TestApp, flowing, has_program, run, skip};

/// One thing that can't be done.
struct Row {
    /// What the table says.
    what: &'static str,
    /// Lines for bash that write DONE if it can be done after all.
    attempt: &'static str,
    /// Who can't do it: dynos, steps, dynos with `--no-isolate`.
    refused: [bool; 3],
}

const fn row(what: &'static str, refused: [bool; 3], attempt: &'static str) -> Row {
    Row { what, attempt, refused }
}

const BOTH: [bool; 3] = [true, true, false];

/// `$SECRET` is a file in the user's home directory, `$STORE` the store, and `CANARY` is in slugc's own environment.
const ROWS: &[Row] = &[
    // S08
    row(
        "Read what only root may read: `/etc/shadow`, private keys below `/etc`",
        BOTH,
        "cat /etc/shadow /etc/gshadow /etc/ssl/private/* /etc/ssh/*_key | grep -q . && echo DONE",
    ),
    row(
        "Change a file of the machine, or a setting of its kernel",
        BOTH,
        "for dir in / /usr /etc /usr/bin /proc/sys/kernel; do touch $dir/made && echo DONE; done\n\
         for file in /etc/passwd /bin/sh /proc/sys/kernel/core_pattern; do : >> $file && echo DONE; done",
    ),
    row(
        "Become root by a program that runs as root, or in a user namespace of its own",
        BOTH,
        "unshare --user --map-root-user cat /etc/shadow | grep -q . && echo DONE\n\
         grep -q 'NoNewPrivs:.1' /proc/self/status || echo DONE\n\
         grep -q 'CapEff:.0000000000000000' /proc/self/status || echo DONE",
    ),
    row("Read the user's home directory", BOTH, "cat \"$SECRET\" && echo DONE"),
    // S06
    row(
        "Read or change the store",
        BOTH,
        "ls \"$STORE\"/v1/layers \"$STORE\"/v1/segments \"$STORE\"/v1/uv \"$STORE\"/v1/documents && echo DONE\n\
         touch \"$STORE\"/v1/layers/made && echo DONE",
    ),
    // S12
    row(
        "Read the environment of slugc, or of another program of the user's",
        BOTH,
        "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep -q '^CANA''RY=' && echo DONE",
    ),
    // S10
    row(
        "Look into its first process, stop it or end it",
        BOTH,
        "ls /proc/1/fd/ | grep -q . && echo DONE\ncat /proc/1/mem /proc/1/environ | grep -q . && echo DONE\n\
         kill -STOP 1; kill -KILL 1; kill -0 $$ || echo DONE",
    ),
    // S09
    row(
        "Use a file that the caller of slugc has left open",
        [true, true, true],
        "for fd in 7 8 9; do [ -e /proc/self/fd/$fd ] && echo DONE; done",
    ),
    // S01
    row(
        "Open the terminal that slugc runs at, read from it or type into it",
        [true, true, true],
        "(: < /dev/tty) && echo DONE\nfor fd in 0 1 2; do [ -t $fd ] && echo DONE; done",
    ),
    // S12
    row(
        "Signal slugc by its own process group",
        [true, true, true],
        "[ \"$(ps -o sid= -p $$ | tr -d ' ')\" = \"$CALLER_SESSION\" ] && echo DONE",
    ),
    // S08
    row(
        "Have more processes and threads than its size has",
        [true, false, false],
        "python3 -c \"\nimport threading, time\ntry:\n    for _ in range(400): threading.Thread(target=time.sleep, args=(1,)).start()\n    print('DO' 'NE')\nexcept RuntimeError: pass\"",
    ),
    // S08
    row(
        "Put more into `/dev/shm` than its size has memory",
        [true, false, false],
        "dd if=/dev/zero of=/dev/shm/made bs=1M count=600 && echo DONE\nrm -f /dev/shm/made",
    ),
];

/// A script that makes every attempt of this column.
fn script(column: usize) -> String {
    script_of(|row| row.refused[column])
}

/// A script that makes these attempts, and says which have succeeded.
fn script_of(is_made: impl Fn(&Row) -> bool) -> String {
    let mut script = String::from("echo begun\n");
    for (number, row) in ROWS.iter().enumerate().filter(|(_, row)| is_made(row)) {
        writeln!(script, "( {}\n) 2>/dev/null | sed 's/^DONE$/succeeded: {number}/'", row.attempt).unwrap();
    }
    script + "echo en''ded\ntrue\n"
}

/// Returns what has been done in spite of everything.
fn done(ran: &Run) -> Vec<&'static str> {
    let text = format!("{}{}", ran.stdout, ran.stderr);
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("succeeded: ")?.parse::<usize>().ok())
        .map(|number| ROWS[number].what)
        .collect()
}

#[track_caller]
fn assert_refused(ran: &Run, who: &str) {
    let text = format!("{}{}", ran.stdout, ran.stderr);
    assert!(text.contains("begun\n") && text.contains("ended\n"), "{who}: {text}");
    assert_eq!(done(ran), [""; 0], "{who}: {text}");
}

/// A user of this machine, with an app, a home directory and a store.
struct User {
    app: TestApp,
    world: tempfile::TempDir,
    id: Option<u32>,
}

impl User {
    /// Makes this user, or an ordinary one, whom only root can become.
    fn new(id: Option<u32>) -> Option<Self> {
        if id.is_some() && (!rustix::process::geteuid().is_root() || !has_program("setpriv")) {
            skip("only root, with setpriv, can become an ordinary user; the other tests are run by one");
            return None;
        }
        let mut app = TestApp::new(&[]);
        let world = tempfile::tempdir().unwrap();
        let at = |name: &str| world.path().join(name);
        fs::set_permissions(world.path(), Permissions::from_mode(0o755)).unwrap();
        // Where the program and the tests are, others may not be let in.
        fs::copy(env!("CARGO_BIN_EXE_slugc"), at("slugc")).unwrap();
        fs::copy(&app.env[std::ffi::OsStr::new("SLUGC_UV")], at("uv")).unwrap();
        if id.is_some() {
            app.env.remove(std::ffi::OsStr::new("PYENV_ROOT"));
            app.set("PATH", "/usr/local/bin:/usr/bin:/bin");
        }
        app.set("SLUGC_UV", at("uv"));
        app.set("HOME", at("home"));
        app.set("SLUGC_CACHE_DIR", at("store"));
        app.set("CANARY", "x");
        let vars = format!(
            "SECRET={}\nSTORE={}\nCALLER_SESSION={}\n",
            at("home/secret").display(),
            at("store").display(),
            session()
        );
        for (name, contents) in [
            ("app/requirements.txt", ""),
            ("app/Procfile", "web: bash attempts.sh\n"),
            ("app/attempts.sh", &script(0)),
            ("app/plain.sh", &script(2)),
            ("app/bin/pre_compile", &script(1)),
            ("app/bin/post_compile", &script(1)),
            ("home/secret", "x\n"),
            ("vars", &vars),
        ] {
            fs::create_dir_all(at(name).parent().unwrap()).unwrap();
            fs::write(at(name), contents).unwrap();
        }
        for name in ["home", "home/secret", "store", "vars"] {
            fs::create_dir_all(at("store")).unwrap();
            chown(at(name), id, id).unwrap();
        }
        fs::set_permissions(at("home/secret"), Permissions::from_mode(0o600)).unwrap();
        Some(Self { app, world, id })
    }

    fn at(&self, name: &str) -> PathBuf {
        self.world.path().join(name)
    }

    /// Runs slugc as this user, with a file left open.
    fn run(&self, args: &[&str]) -> Run {
        let slugc = self.at("slugc");
        run(&mut self.command(&[&[slugc.to_str().unwrap()], args].concat()))
    }

    /// Describes a program that this user runs, with a file left open.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(if self.id.is_some() { "/usr/bin/setpriv" } else { "/usr/bin/env" });
        if let Some(id) = self.id {
            command.args([format!("--reuid={id}"), format!("--regid={id}"), "--clear-groups".into()]);
        }
        // A shell is what leaves files open.
        command.args(["sh", "-c", "exec 7</ 8<\"$HOME\" 9>&1; exec \"$@\"", "sh"]).args(words);
        command.env_clear().envs(&self.app.env).current_dir(self.at("home")).stdin(Stdio::null());
        command
    }

    /// Replaces these files of the app, or of the directories beside it.
    fn write(&self, files: &[(&str, &str)]) {
        for (name, contents) in files {
            fs::write(self.at(name), contents).unwrap();
        }
    }

    /// Builds, unless this user can't read the machine's Python.
    fn try_build(&self) -> Option<Run> {
        let built = self.build();
        if built.code != Some(0) && built.stderr.contains("python") && self.id.is_some() {
            skip("other users can't read this machine's Python");
            return None;
        }
        Some(built.success())
    }

    fn without_hooks(&self) {
        for name in ["app/bin/pre_compile", "app/bin/post_compile"] {
            fs::remove_file(self.at(name)).unwrap();
        }
    }

    fn slug(&self) -> String {
        self.at("home/slug.tgz").to_str().unwrap().to_owned()
    }

    fn build(&self) -> Run {
        let (app, vars) = (self.at("app"), self.at("vars"));
        let paths = [app.to_str().unwrap(), "--env-file", vars.to_str().unwrap()];
        self.run(&[&["build"], &paths[..]].concat())
    }
}

/// The session as ps(1) has it: 0 where its leader is outside of this namespace of processes, as in a container.
fn session() -> i32 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    // The name of the program may have anything in it; the state, the parent and the group follow it.
    stat.rsplit(')').next().unwrap().split_whitespace().nth(3).unwrap().parse().unwrap()
}

fn can_isolate() -> bool {
    crate::run::can_isolate()
}

fn users() -> impl Iterator<Item = User> {
    [None, Some(61_003)].into_iter().filter_map(User::new)
}

// S01, S06, S08, S09, S10, S12
#[test]
fn neither_a_dyno_nor_a_step_can_do_what_the_table_says() {
    if !can_isolate() {
        return;
    }
    for user in users() {
        let who = user.id.map_or("this user".to_owned(), |id| format!("user {id}"));
        let Some(built) = user.try_build() else { continue };
        assert!(!built.stderr.contains("aren't isolated"), "{}", built.stderr);
        assert_eq!(built.stderr.matches("       ended\n").count(), 2, "{}", built.stderr);
        assert_refused(&built, &format!("steps of {who}"));
        let (slug, vars) = (user.slug(), user.at("vars"));
        let common = ["run", slug.as_str(), "--env-file", vars.to_str().unwrap()];
        for what in [&["web"][..], &["--", "bash", "attempts.sh"], &["--formation", "web=2"]] {
            let ran = user.run(&[&common[..], what].concat());
            let ran = Run { stdout: without_labels(&ran.stdout), ..ran };
            assert_refused(&ran, &format!("{what:?} of {who}"));
        }
        let plain = user.run(&[&common[..], &["--no-isolate", "--", "bash", "plain.sh"]].concat());
        assert_refused(&plain, &format!("a plain dyno of {who}"));
        // What a step has made belongs to whoever builds.
        let owner = rustix::process::geteuid().as_raw();
        let owner = user.id.unwrap_or(owner);
        for entry in walkdir::WalkDir::new(user.at("store")).into_iter().map(Result::unwrap) {
            use std::os::unix::fs::MetadataExt;
            assert_eq!(entry.metadata().unwrap().uid(), owner, "{}", entry.path().display());
        }
    }
}

#[test]
fn what_only_reads_can_be_done_where_nothing_is_isolated() {
    let Some(user) = User::new(None) else { return };
    let reads = |row: &Row| row.what.starts_with("Read");
    fs::remove_file(user.at("app/bin/pre_compile")).unwrap();
    fs::write(user.at("app/bin/post_compile"), script_of(reads)).unwrap();
    let (app, vars) = (user.at("app"), user.at("vars"));
    let arguments = ["build", app.to_str().unwrap(), "--env-file", vars.to_str().unwrap(), "--no-isolate"];
    // The store is there by then.
    user.run(&arguments).success();
    let built = user.run(&[&arguments[..], &["--refresh"]].concat()).success();
    let done = done(&built);
    let is_root = rustix::process::geteuid().is_root();
    for row in ROWS.iter().filter(|row| reads(row) && (is_root || !row.what.contains("only root"))) {
        assert!(done.contains(&row.what), "{}: {}", row.what, built.stderr);
    }
}

/// Takes the dynos' names away from the lines of several.
fn without_labels(text: &str) -> String {
    text.lines().map(|line| format!("{}\n", line.split_once(" | ").map_or(line, |(_, rest)| rest))).collect()
}

// S06
#[test]
fn steps_that_can_not_be_isolated_run_and_say_so() {
    let Some(user) = User::new(None) else { return };
    let bin = user.at("bin");
    fs::create_dir(&bin).unwrap();
    for program in ["bash", "sh", "sed", "cat", "ls", "touch", "grep", "tr", "ps"] {
        let found = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(program));
        let found = found.iter().find(|path| path.exists()).unwrap();
        std::os::unix::fs::symlink(found, bin.join(program)).unwrap();
    }
    fs::remove_file(user.at("app/bin/pre_compile")).unwrap();
    fs::write(
        user.at("app/bin/post_compile"),
        "cat \"$SECRET\" > seen.txt; echo \"seen: $(cat seen.txt)\"\n",
    )
    .unwrap();
    let mut user = user;
    let path = user.app.env[std::ffi::OsStr::new("PATH")].clone();
    user.app.set("PATH", bin);
    let told = user.build();
    assert!(
        flowing(&told.stderr).contains("The app's own steps aren't isolated: there is no `unshare`"),
        "{}",
        told.stderr
    );
    assert!(told.stderr.contains("       seen: x\n"), "{}", told.stderr);
    user.app.set("PATH", path);
    let (app, vars) = (user.at("app"), user.at("vars"));
    let arguments = ["build", app.to_str().unwrap(), "--env-file", vars.to_str().unwrap(), "--refresh"];
    let meant = user.run(&[&arguments[..], &["--no-isolate"]].concat()).success();
    assert!(
        !meant.stderr.contains("isolated") && meant.stderr.contains("       seen: x\n"),
        "{}",
        meant.stderr
    );
}

// S08: where root has no other id to give, that is said.
#[test]
fn a_root_without_other_ids_is_told_what_a_dyno_can_read() {
    if !can_isolate() {
        return;
    }
    let Some(user) = User::new(None) else { return };
    user.without_hooks();
    user.build().success();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--"]).arg(user.at("slugc"));
    command.args(["run", user.at("home/slug.tgz").to_str().unwrap(), "--", "id -un; pwd"]);
    let ran = run(command.env_clear().envs(&user.app.env).current_dir(user.at("home")).stdin(Stdio::null()));
    assert!(ran.stdout.contains("dyno\n/app\n"), "{}{}", ran.stdout, ran.stderr);
    let words = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ").replace(" ! ", " ");
    assert!(
        words.contains("isn't fully isolated: it can read files that only root may read"),
        "{}",
        ran.stderr
    );
}

/// What the app's own steps need, as lines for bash that fail if it isn't there.
const NEEDS: &[&str] = &[
    // Programs that the user has installed, with what is beside them.
    "words=$(my-tool) && [ \"$words\" = 'beside it' ]",
    "echo x > made.txt && mkdir -p made && mv made.txt made/ && chmod 600 made/made.txt && grep -q x made/made.txt",
    "echo x > ~/x && grep -q x ~/x && cd && [ \"$PWD\" = \"$HOME\" ]",
    "for dir in /tmp /var/tmp /dev/shm \"${TMPDIR:-/tmp}\"; do file=$(mktemp -p $dir) && echo x > $file && grep -q x $file || exit; done",
    "python -c 'import multiprocessing, ssl, tempfile; multiprocessing.Lock(); tempfile.TemporaryFile()'",
    "python -c 'import multiprocessing; multiprocessing.Pool(2).map(abs, [1])'",
    "exec 3<>/dev/tcp/127.0.0.1/$SERVER && read -r answer <&3 && [ \"$answer\" = ok ]",
    "getent hosts localhost && [ -r /etc/ssl/certs ]",
    "[ $(head -c 4 /dev/urandom | wc -c) = 4 ] && echo x > /dev/null && echo x | cat /dev/stdin && (echo x > /dev/stderr)",
    "[ \"$(id -un)\" = build ] && ps -p $$ && (sleep 0.01 & wait)",
];

// S08: a dyno that has another id than whoever has opened its streams can open them by name.
#[test]
fn a_dyno_opens_its_streams_by_name() {
    if !can_isolate() {
        return;
    }
    let script = "echo o''ne > /dev/stdout; echo t''wo > /dev/stderr; echo th''ree >> /proc/self/fd/1";
    // Streams that root has opened for another user aren't that user's: so it is this user only.
    let Some(user) = User::new(None) else { return };
    user.without_hooks();
    user.write(&[("app/Procfile", &format!("worker: {script}\n"))]);
    user.build().success();
    let (slugc, slug) = (user.at("slugc"), user.slug());
    for what in [&["worker"][..], &["--", script], &["--formation", "worker=1"], &["--no-isolate", "worker"]]
    {
        let words = [&[slugc.to_str().unwrap(), "run", slug.as_str()], what].concat();
        let ran = run(&mut user.command(&words));
        let log = OpenOptions::new().create(true).append(true).open(user.at("home/log")).unwrap();
        let mut command = user.command(&words);
        command.stdout(log.try_clone().unwrap()).stderr(log).status().unwrap();
        let logged = fs::read_to_string(user.at("home/log")).unwrap();
        // What is opened anew without `>>` replaces what was in a file.
        assert!(logged.contains("three\n") && !logged.contains("denied"), "{what:?} {:?}: {logged}", user.id);
        let text = format!("{}{}", ran.stdout, ran.stderr);
        for word in ["one\n", "two\n", "three\n"] {
            assert!(text.contains(word), "{what:?} {:?} {word}: {text}", user.id);
        }
    }
}

/// A server that says ok.
fn serve() -> u16 {
    use std::io::Write;
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.write_all(b"ok\n");
        }
    });
    port
}

// S06: what steps need is there nevertheless.
#[test]
fn a_step_has_what_it_needs() {
    if !can_isolate() {
        return;
    }
    let mut script = String::new();
    for (number, need) in NEEDS.iter().enumerate() {
        writeln!(script, "( {need}\n) || echo \"missing: {number}\"").unwrap();
    }
    script += "echo en''ded\n";
    let port = serve();
    for mut user in users() {
        let path = user.app.env[std::ffi::OsStr::new("PATH")].to_str().unwrap().to_owned();
        user.app.set("PATH", format!("{}:{path}", user.at("home/.tools/bin").display()));
        for (name, contents) in [
            ("home/.tools/bin/my-tool", "#!/bin/sh\ncat \"$(dirname \"$0\")/../lib/words\"\n"),
            ("home/.tools/lib/words", "beside it\n"),
        ] {
            fs::create_dir_all(user.at(name).parent().unwrap()).unwrap();
            user.write(&[(name, contents)]);
            fs::set_permissions(user.at(name), Permissions::from_mode(0o755)).unwrap();
        }
        fs::set_permissions(user.at("home"), Permissions::from_mode(0o700)).unwrap();
        let vars = format!("SERVER={port}\n");
        user.write(&[
            ("vars", &vars),
            ("app/bin/pre_compile", "echo x > early.txt\n"),
            ("app/bin/post_compile", &script),
        ]);
        let Some(built) = user.try_build() else { continue };
        let missing: Vec<&str> = built
            .stderr
            .lines()
            .filter_map(|line| line.trim().strip_prefix("missing: ")?.parse::<usize>().ok())
            .map(|number| NEEDS[number])
            .collect();
        assert!(built.stderr.contains("       ended\n"), "{:?}: {}", user.id, built.stderr);
        assert_eq!(missing, [""; 0], "{:?}: {}", user.id, built.stderr);
        let kept =
            user.run(&["run", &user.slug(), "--", "cat early.txt made/made.txt; stat -c %a made/made.txt"]);
        assert!(kept.stdout.starts_with("x\nx\n"), "{:?}: {}{}", user.id, kept.stdout, kept.stderr);
    }
}

// S12: whoever ends its whole group, or all that it can see, ends itself and not slugc, which tidies up.
#[test]
fn a_program_that_ends_its_group_does_not_end_slugc() {
    let procfile = "worker: kill -9 0\nrelease: kill -9 0\n";
    let mut app = TestApp::new(&[("requirements.txt", ""), ("Procfile", procfile)]);
    app.build(&[]).success();
    let temp = app.out.join("temp");
    fs::create_dir(&temp).unwrap();
    app.set("TMPDIR", temp.clone());
    let slug = app.slug().to_str().unwrap().to_owned();
    let tidy = |what: &str| assert_eq!(fs::read_dir(&temp).unwrap().count(), 0, "{what}");
    let mut runs = vec![
        (vec!["worker"], Some(137)),
        (vec!["release"], Some(137)),
        (vec!["--", "kill -9 0"], Some(137)),
        (vec!["--no-isolate", "--", "kill -9 0"], Some(137)),
        (vec!["--no-isolate", "worker"], Some(137)),
        (vec!["--formation", "worker=1"], Some(137)),
    ];
    if can_isolate() {
        // All but itself, and there is no other.
        runs.push((vec!["--", "kill -9 -1"], Some(1)));
    }
    for (arguments, code) in runs {
        let ran = app.run(&[&["run", slug.as_str()], &arguments[..]].concat());
        assert_eq!(ran.code, code, "{arguments:?}: {}{}", ran.stdout, ran.stderr);
        tidy(&format!("{arguments:?}"));
    }
    if has_program("script") {
        for arguments in ["", "--no-isolate"] {
            let line = format!(
                "{} run {slug} {arguments} -- 'kill -9 0'; echo \"code: $?\"",
                env!("CARGO_BIN_EXE_slugc")
            );
            let text = at_terminal(&app, &line).stdout;
            assert!(text.contains("code: 137"), "{arguments}: {text}");
            tidy(&line);
        }
    }
    for (hook, id) in [("bin/pre_compile", "hooks::pre_compile"), ("bin/post_compile", "hooks::post_compile")]
    {
        let path = app.dir.join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for arguments in [&[][..], &["--no-isolate"]] {
            fs::write(&path, "kill -9 0\n").unwrap();
            app.build(arguments).failure(id);
            tidy(hook);
        }
        fs::remove_file(path).unwrap();
    }
}

// S10: signals to the first process don't keep slugc from ending.
#[test]
fn signals_to_the_first_process_hang_nothing() {
    if !can_isolate() {
        return;
    }
    for user in users() {
        user.without_hooks();
        if user.try_build().is_none() {
            continue;
        }
        for signal in ["TERM", "INT", "HUP", "QUIT", "STOP"] {
            let script =
                format!("kill -{signal} 1 2>/dev/null; (trap '' TERM; exec sleep 300) & sleep 0.2; exit 3");
            let slugc = user.at("slugc");
            let words = [
                "timeout",
                "120",
                slugc.to_str().unwrap(),
                "run",
                &user.slug(),
                "--stop-timeout",
                "1",
                "--",
                &script,
            ];
            let ran = run(&mut user.command(&words));
            assert_eq!(ran.code, Some(3), "{signal} {:?}: {}{}", user.id, ran.stdout, ran.stderr);
        }
    }
}

// S08: a caller whose own limit is lower keeps that.
#[test]
fn a_dyno_starts_under_a_lower_limit_of_processes() {
    if !can_isolate() {
        return;
    }
    for user in users() {
        user.without_hooks();
        if user.try_build().is_none() {
            continue;
        }
        let slugc = user.at("slugc");
        for (callers, size, expected) in
            [("200", "eco", "200"), ("2000", "performance-l", "2000"), ("2000", "standard-2x", "512")]
        {
            let line = format!("ulimit -u {callers}; exec \"$@\"");
            let words = [
                "bash",
                "-c",
                &line,
                "bash",
                slugc.to_str().unwrap(),
                "run",
                &user.slug(),
                "--size",
                size,
                "--",
                "ulimit -Hu",
            ];
            let ran = run(&mut user.command(&words)).success();
            let limit: u64 = ran.stdout.trim().parse().unwrap();
            let expected: u64 = expected.parse().unwrap();
            // slugc's own processes count in a user namespace.
            assert!((expected..expected + 20).contains(&limit), "{callers} {size} {:?}: {limit}", user.id);
            assert!(!ran.stderr.contains("isolated"), "{}", ran.stderr);
        }
    }
}

// S06: a step that is stopped takes nothing with it and leaves nothing.
#[test]
fn a_step_ends_with_the_build() {
    use rustix::process::{Pid, Signal, kill_process};
    if !can_isolate() {
        return;
    }
    for hook in ["bin/pre_compile", "bin/post_compile"] {
        for signal in [Signal::TERM, Signal::INT, Signal::QUIT, Signal::KILL] {
            let app = TestApp::new(&[
                ("requirements.txt", ""),
                (hook, "(trap '' TERM; sleep 300) & echo be''gun; sleep 300\n"),
            ]);
            let log = app.out.join("log");
            let vars = app.out.join("vars");
            fs::write(&vars, format!("MARK={}\n", app.out.display())).unwrap();
            let mut command =
                app.command(&["build", app.dir.to_str().unwrap(), "--env-file", vars.to_str().unwrap()]);
            let mut child = command.stderr(File::create(&log).unwrap()).spawn().unwrap();
            wait_for("the hook", || fs::read_to_string(&log).unwrap().contains("begun\n"));
            let in_hook = || marked(app.out.to_str().unwrap(), Some(child.id()));
            assert!(!in_hook().is_empty(), "{hook}");
            let since = std::time::Instant::now();
            kill_process(Pid::from_child(&child), signal).unwrap();
            wait_for("the end of the hook", || in_hook().is_empty());
            child.wait().unwrap();
            assert!(since.elapsed().as_secs() < 30, "{hook} {signal:?}");
        }
    }
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = std::time::Instant::now();
    while !is_so() {
        assert!(since.elapsed().as_secs() < 120, "{what}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// The processes that have this in their environment, but for one.
fn marked(mark: &str, but: Option<u32>) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| Some(*pid) != but)
        .filter(|pid| {
            let bytes = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).contains(mark)
        })
        .collect()
}

/// Renders the table for the page on reliability.
pub(crate) fn render_table() -> String {
    let mut table = String::from(
        "\n## What an app can't do\n\n\
         A dyno of `slugc run`, and a step of `slugc build` that is the app's own program (hooks, collectstatic, the NLTK\n\
         downloader), where the kernel lets slugc isolate them; and a dyno with `--no-isolate`, or where that isn't so.\n\
         Each row is tried by `isolation::neither_a_dyno_nor_a_step_can_do_what_the_table_says`, as root and as an ordinary\n\
         user. Build back ends and installers aren't isolated: they are bounded by their environment only. The classic\n\
         buildpack's steps aren't either, as a platform has a container and a cache for each app.\n\n\
         | It can't | Dyno | Step | Dyno, `--no-isolate` |\n|---|---|---|---|\n",
    );
    for Row { what, refused, .. } in ROWS {
        let [dyno, step, plain] = refused.map(|is_refused| if is_refused { "refused" } else { "can" });
        writeln!(table, "| {what} | {dyno} | {step} | {plain} |").unwrap();
    }
    table
}

/// A program at a terminal of its own, started by script(1).
fn at_terminal(app: &TestApp, line: &str) -> Run {
    let mut command = Command::new("script");
    command.args(["-qec", line, "/dev/null"]).env_clear().envs(&app.env).env("TERM", "dumb");
    run(command.current_dir(&app.out).stdin(Stdio::null()))
}

/// What an app finds of terminals, and whether it can type into one.
const PROBE: &str = r#"
import fcntl, os, termios
def attempt(name, where):
    try:
        fd = os.open(where, os.O_RDWR | os.O_NOCTTY) if isinstance(where, str) else where
        for letter in b'echo TYP' b'ED-' + name.encode() + b'\n':
            fcntl.ioctl(fd, termios.TIOCSTI, bytes([letter]))
    except OSError as error:
        print('refused', name)
for name, where in [('tty', '/dev/tty'), ('0', 0), ('1', 1), ('2', 2)]:
    attempt(name, where)
try: print('terminal', os.ttyname(0), os.get_terminal_size(0))
except OSError: print('no terminal')
"#;

// S01, Y09: whatever is typed into a terminal that the app can reach, no shell of the user's reads it.
#[test]
fn an_app_can_not_type_into_the_users_shell() {
    if !has_program("script") || !can_isolate() {
        return skip("there is no script(1), or no namespaces");
    }
    let procfile = "web: python probe.py\nworker: python probe.py\n";
    let app = TestApp::new(&[("requirements.txt", ""), ("Procfile", procfile), ("probe.py", PROBE)]);
    app.build(&[]).success();
    let (slugc, slug) = (env!("CARGO_BIN_EXE_slugc"), app.slug());
    for (arguments, has_terminal) in [
        ("web", false),
        ("worker", false),
        ("web --no-isolate", false),
        ("worker --no-isolate", false),
        ("--formation worker=2", false),
        ("-- python probe.py", true),
        ("--no-isolate -- python probe.py", true),
    ] {
        // Afterwards a shell reads whatever is in the terminal.
        let line = format!(
            "stty rows 33 cols 77; {slugc} run {} {arguments}; echo; bash -c 'read -t 1 line; echo \"read: $line\"'",
            slug.display()
        );
        let ran = at_terminal(&app, &line);
        let text = ran.stdout.replace('\r', "");
        let typed = text.split("read: ").nth(1).unwrap_or_else(|| panic!("{arguments}: {text}"));
        assert_eq!(typed.lines().next(), Some(""), "{arguments}: {text}");
        if has_terminal {
            assert!(text.contains("terminal /dev/pts/"), "{arguments}: {text}");
            assert!(text.contains("columns=77, lines=33"), "{arguments}: {text}");
        } else {
            for name in ["tty", "0", "1", "2"] {
                assert!(text.contains(&format!("refused {name}\n")), "{arguments} {name}: {text}");
            }
            assert!(text.contains("no terminal"), "{arguments}: {text}");
        }
    }
}

// S01: a hook and whatever else a build starts.
#[test]
fn a_step_at_a_terminal_has_none() {
    if !has_program("script") {
        return skip("there is no script(1)");
    }
    let hook = "(: < /dev/tty) 2>/dev/null && echo 'has the term''inal'; echo end''ed\n";
    for arguments in ["", "--no-isolate"] {
        let app =
            TestApp::new(&[("requirements.txt", ""), ("bin/post_compile", hook), ("bin/pre_compile", hook)]);
        fs::write(app.dir.join("unique.txt"), app.dir.to_str().unwrap()).unwrap();
        let line = format!("{} build {} {arguments}", env!("CARGO_BIN_EXE_slugc"), app.dir.display());
        let text = at_terminal(&app, &line).stdout;
        assert_eq!(text.matches("ended").count(), 2, "{arguments}: {text}");
        assert!(!text.contains("has the terminal"), "{arguments}: {text}");
    }
}

// Y01, S08: what is taken in the first half second is counted, whoever runs it and however, and so are files in memory.
#[test]
fn memory_is_counted_from_the_first_byte() {
    if !can_isolate() {
        return;
    }
    const TAKE: &str = "import sys, time\nheld = b'x' * (int(sys.argv[1]) << 20)\ntime.sleep(2)\n";
    let procfile = "worker: python take.py 560\nrelease: python take.py 560\nbig: python take.py 1100\n\
                    nested: bash -c 'python take.py 560; true'\n\
                    shm: head -c 300M /dev/zero > /dev/shm/x && python take.py 260\n";
    for user in users() {
        user.write(&[("app/Procfile", procfile), ("app/take.py", TAKE)]);
        user.without_hooks();
        if user.try_build().is_none() {
            continue;
        }
        for (what, code, line) in [
            (&["worker"][..], 0, "Error R14"),
            (&["release"], 0, "Error R14"),
            (&["nested"], 0, "Error R14"),
            (&["shm"], 0, "Error R14"),
            (&["--", "python take.py 560"], 0, "Error R14"),
            (&["--formation", "worker=1"], 0, "Error R14"),
            (&["big"], 115, "Error R15"),
            (&["--", "python take.py 1100"], 115, "Error R15"),
        ] {
            let ran = user.run(&[&["run", &user.slug(), "--size", "basic"], what].concat());
            let text = format!("{}{}", ran.stdout, ran.stderr);
            assert!(text.contains(line), "{what:?} {:?}: {text}", user.id);
            assert_eq!(ran.code, Some(code), "{what:?} {:?}: {text}", user.id);
        }
    }
}

// Y08
#[test]
fn sigquit_ends_a_dyno_as_sigterm_does() {
    let app =
        TestApp::new(&[("requirements.txt", ""), ("Procfile", "worker: echo re''ady; exec sleep 60\n")]);
    app.build(&[]).success();
    for extra in [&[][..], &["--no-isolate"], &["--formation", "worker=1"]] {
        let log = app.out.join("log");
        let what = if extra.contains(&"--formation") { &[][..] } else { &["worker"] };
        let slug = app.slug();
        let mut command = app.command(&[&["run", slug.to_str().unwrap()], what, extra].concat());
        let file = File::create(&log).unwrap();
        let mut child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let since = std::time::Instant::now();
        while !fs::read_to_string(&log).unwrap().contains("ready\n") {
            assert!(since.elapsed().as_secs() < 60, "{}", fs::read_to_string(&log).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::QUIT,
        )
        .unwrap();
        let code = child.wait().unwrap().code();
        let text = fs::read_to_string(&log).unwrap();
        assert!(text.contains("Stopping all processes with SIGTERM"), "{extra:?}: {text}");
        assert!(matches!(code, Some(0 | 143)), "{extra:?} {code:?}: {text}");
    }
}
