//! Running a slug as a dyno does: unpacked, in a clean environment, booted by bash, ended by SIGTERM.

#![expect(clippy::disallowed_methods, reason = "the room that starts the app's own processes")]

mod boot;
mod family;
mod supervise;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, IsTerminal};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::{self, FileContext};
use crate::output::{Event, Output};
use crate::slug::unpack::{ParseProcfile, read_process_types, unpack_slug};
use boot::Surroundings;
use family::Family;
use supervise::{StopRules, supervise};

/// How long a dyno's processes have between SIGTERM and SIGKILL on Heroku.
pub const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What to run, and how.
#[derive(Debug, Clone)]
pub struct DynoSpec {
    /// The slug's file.
    pub slug: PathBuf,
    /// What of it to run.
    pub command: DynoCommand,
    /// The port for `PORT`; a web process gets one anyway.
    pub port: Option<u16>,
    /// The config vars, from all places.
    pub config_vars: BTreeMap<String, String>,
    /// How long the processes have between SIGTERM and SIGKILL; [`STOP_TIMEOUT`] as on Heroku.
    pub stop_timeout: Duration,
}

/// What a dyno runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DynoCommand {
    /// A process type of the slug.
    ProcessType(String),
    /// A command, once: a single argument is a line for bash, several are a program and its arguments.
    Command(Vec<OsString>),
}

/// A dyno that couldn't be run.
#[derive(Debug, thiserror::Error)]
pub enum DynoError {
    /// The process type isn't one of the slug's.
    #[error("The slug declares {}, and no \"{name}\".", list(declared))]
    NoSuchType {
        /// What was asked for.
        name: String,
        /// What there is.
        declared: Vec<String>,
    },
    /// The process type has nothing to run.
    #[error("The process type \"{name}\" has an empty command.")]
    EmptyCommand {
        /// The process type.
        name: String,
    },
    /// No command was given.
    #[error("There is no command to run.")]
    NoCommand,
    /// The command can't be handed to a program.
    #[error("The command has a NUL byte, which no program's argument can hold.")]
    NulInCommand,
    /// There is no bash.
    #[error("There is no bash in {}, nor elsewhere on PATH.", boot::BASE_PATH)]
    NoBash,
    /// Bash couldn't be started.
    #[error("{} couldn't be started in {}.", .bash.display(), .dir.display())]
    Start {
        /// Which bash.
        bash: PathBuf,
        /// Where.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The process was started, and then lost from sight.
    #[error("The process was started, but waiting for its end failed.")]
    Wait {
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl UserError for DynoError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchType { .. } | Self::EmptyCommand { .. } | Self::NoCommand => ErrorCode::RunNoSuchType,
            Self::NulInCommand | Self::NoBash | Self::Start { .. } => ErrorCode::RunFailed,
            Self::Wait { .. } => ErrorCode::ProgramFailed,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NoSuchType { name, .. } | Self::EmptyCommand { name } => Some(name.clone()),
            _ => None,
        }
    }
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no process types".to_owned(),
        [name] => format!("the process type {name}"),
        names => format!("the process types {}", names.join(", ")),
    }
}

/// Runs a dyno to its end and returns the exit code of its process: 128 and the number of the signal if one
/// ended it. The app is unpacked to a temporary directory, which is deleted at the end, however that comes.
///
/// Signals are taken from `env.interrupt`, and reset there, so that a second one can be told from the first.
pub fn run_dyno(
    spec: &DynoSpec,
    env: &Env,
    output: &Output,
    parse_procfile: &ParseProcfile<'_>,
) -> Result<u8> {
    let bash = boot::find_bash(env.path_dirs()).ok_or(DynoError::NoBash)?;
    let scratch = files::temp_dir(None)?;
    // As /proc will show it.
    let dir = fs::canonicalize(scratch.path()).doing("reading", scratch.path())?;
    let app_dir = dir.join("app");
    unpack_slug(&spec.slug, &app_dir, env, output)?;
    let command = match &spec.command {
        DynoCommand::ProcessType(name) => {
            let process_types = read_process_types(&spec.slug, &app_dir, env, output, parse_procfile)?;
            resolve_process_type(name, process_types)?
        }
        DynoCommand::Command(args) if args.is_empty() => return Err(DynoError::NoCommand.into()),
        DynoCommand::Command(args) => boot::command_line(args).map_err(|_| DynoError::NulInCommand)?,
    };
    env.interrupt.check()?;
    let code = boot_dyno(spec, &Place { bash: &bash, dir: &dir, app_dir: &app_dir }, &command, env, output);
    remove_scratch(&dir, output);
    Ok(code?)
}

struct Place<'a> {
    bash: &'a Path,
    /// The temporary directory.
    dir: &'a Path,
    /// The app's directory in it.
    app_dir: &'a Path,
}

fn resolve_process_type(
    name: &str,
    mut process_types: BTreeMap<String, String>,
) -> std::result::Result<OsString, DynoError> {
    match process_types.remove(name) {
        Some(command) if command.trim().is_empty() => Err(DynoError::EmptyCommand { name: name.to_owned() }),
        Some(command) => Ok(command.into()),
        None => {
            let declared = process_types.into_keys().collect();
            Err(DynoError::NoSuchType { name: name.to_owned(), declared })
        }
    }
}

fn boot_dyno(
    spec: &DynoSpec,
    place: &Place<'_>,
    line: &OsStr,
    env: &Env,
    output: &Output,
) -> std::result::Result<u8, DynoError> {
    let Place { bash, dir, app_dir } = *place;
    let at_terminal = io::stdin().is_terminal();
    let is_once = matches!(spec.command, DynoCommand::Command(_));
    // A group of its own would be in the background of the terminal, and stopped (SIGTTIN) as soon as it reads
    // from there: what runs once at a terminal, a Python prompt for example, stays in our group.
    let is_foreground = is_once && at_terminal;
    let port = boot::resolve_port(spec.port, &spec.command, &spec.config_vars);
    let environment = boot::environment(&Surroundings {
        app_dir,
        dyno: &boot::dyno_name(&spec.command, std::process::id()),
        asked_port: spec.port,
        port,
        term: env.var("TERM").filter(|_| at_terminal || env.stdout_is_terminal),
        config_vars: &spec.config_vars,
    });
    let script = boot::boot_script(app_dir, bash, line).map_err(|_| DynoError::NulInCommand)?;
    announce(line, app_dir, port, output);

    let mut command = Command::new(bash);
    command.arg("-c").arg(script).current_dir(app_dir).env_clear().envs(environment);
    if !is_foreground {
        command.process_group(0);
    }
    if at_terminal && !is_foreground {
        // For the same reason: a server has nothing to read from there, and some (Django's reloader) try.
        command.stdin(Stdio::null());
    }
    // What loses its parent comes to us, and not to the machine's init: it is the dyno's, and ends with it.
    // Without that, which a sandbox may forbid, it is still found if it stays in the group.
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let start = |source| DynoError::Start { bash: bash.to_owned(), dir: app_dir.to_owned(), source };
    let mut child = command.spawn().map_err(start)?;
    output.event(Event::ProcessStarted { program: "bash".to_owned() });
    let mut family = Family::of(child.id(), !is_foreground, dir);
    let rules = StopRules { timeout: spec.stop_timeout, is_foreground };
    let code = supervise(&mut child, &mut family, &rules, env, output).map_err(|source| {
        family.kill();
        DynoError::Wait { source }
    })?;
    if !is_once {
        output.step(format!("Process exited with status {code}"));
    }
    Ok(code)
}

fn announce(line: &OsStr, app_dir: &Path, port: Option<u16>, output: &Output) {
    output.step(format!("Starting process with command `{}`", line.to_string_lossy()));
    output.detail(format!("The app is in {}, on Heroku in /app", app_dir.display()));
    if let Some(port) = port {
        output.detail(format!("Its address is http://localhost:{port} (PORT={port})"));
        if boot::is_port_taken(port) {
            output.warning("run::port-taken", format!("Port {port} is taken by another program."));
        }
    }
}

/// Deletes the app, also what it has made unwritable. What can't be deleted is named.
fn remove_scratch(dir: &Path, output: &Output) {
    if files::remove_dir_all(dir).is_ok() {
        return;
    }
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let _ = files::set_mode(&dir, 0o700);
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        let below = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        dirs.extend(below.map(|entry| entry.path()));
    }
    if let Err(error) = files::remove_dir_all(dir) {
        output.notice(format!("{} couldn't be deleted: {}.", dir.display(), error.source));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::thread::{self, JoinHandle};
    use std::time::Instant;

    use super::*;
    use crate::output::Format;
    use crate::output::tests::Captured;
    use crate::slug::read::archives::TarFile;

    /// A slug, and a directory `$OUT` in which its processes tell what they see.
    struct TestDyno {
        dir: tempfile::TempDir,
        spec: DynoSpec,
        env: Env,
        log: Captured,
    }

    impl TestDyno {
        fn new(tar: TarFile, command: DynoCommand) -> Self {
            let dir = tempfile::tempdir().unwrap();
            let slug = tar.slug(dir.path());
            let out = dir.path().to_str().unwrap().to_owned();
            let spec = DynoSpec {
                slug,
                command,
                port: None,
                config_vars: BTreeMap::from([("OUT".to_owned(), out)]),
                stop_timeout: STOP_TIMEOUT,
            };
            Self { dir, spec, env: Env::for_tests(&[]), log: Captured::default() }
        }

        /// A web process that is this script.
        fn web(script: &str) -> Self {
            let tar = TarFile::new()
                .dir("./app/")
                .file("./app/Procfile", "web: bash run.sh\n")
                .file("./app/run.sh", script);
            Self::new(tar, DynoCommand::ProcessType("web".into()))
        }

        fn start(&self) -> JoinHandle<Result<u8>> {
            let (spec, env, log) = (self.spec.clone(), self.env.clone(), self.log.clone());
            thread::spawn(move || {
                let output = Output::to_sink(log, Format::Text);
                run_dyno(&spec, &env, &output, &|contents| {
                    let lines = std::str::from_utf8(contents).unwrap().lines();
                    let pairs = lines.filter_map(|line| line.split_once(": "));
                    Ok(pairs.map(|(name, command)| (name.to_owned(), command.to_owned())).collect())
                })
            })
        }

        fn run(&self) -> Result<u8> {
            self.start().join().unwrap()
        }

        /// Starts it, waits until it has written the file `ready`, and sends the signal.
        fn run_and_signal(&self, signal: usize) -> u8 {
            let running = self.start();
            self.wait_for("ready");
            self.env.interrupt.set(signal);
            running.join().unwrap().unwrap()
        }

        fn wait_for(&self, name: &str) {
            let since = Instant::now();
            while !self.dir.path().join(name).exists() {
                assert!(since.elapsed() < Duration::from_secs(30), "no {name}; log: {}", self.log.text());
                thread::sleep(Duration::from_millis(10));
            }
        }

        fn out(&self, name: &str) -> String {
            fs::read_to_string(self.dir.path().join(name)).unwrap()
        }
    }

    /// A process that has ended may be buried by somebody else.
    fn is_gone(pid: &str) -> bool {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.is_empty() || stat.contains(") Z ")
    }

    #[test]
    fn a_web_process_answers_at_the_address_that_was_said_and_ends_on_sigterm() {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(python) =
            std::env::split_paths(&path).map(|dir| dir.join("python3")).find(|path| path.is_file())
        else {
            println!("skipped: there is no python3 on PATH");
            return;
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let procfile = format!("web: {} -m http.server $PORT --directory public\n", python.display());
        let tar = TarFile::new()
            .dir("./app/")
            .file("./app/Procfile", &procfile)
            .file("./app/public/hello", "Hello from the slug");
        let mut dyno = TestDyno::new(tar, DynoCommand::ProcessType("web".into()));
        dyno.spec.port = Some(port);
        let running = dyno.start();
        let since = Instant::now();
        let mut stream = loop {
            match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                Ok(stream) => break stream,
                Err(_) => assert!(since.elapsed() < Duration::from_secs(30), "{}", dyno.log.text()),
            }
            thread::sleep(Duration::from_millis(20));
        };
        stream.write_all(b"GET /hello HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 ") && answer.ends_with("Hello from the slug"), "{answer}");
        dyno.env.interrupt.set(15);
        assert_eq!(running.join().unwrap().unwrap(), 128 + 15);
        let log = dyno.log.text();
        let start = format!(
            "-----> Starting process with command `{}`\n",
            procfile.trim_start_matches("web: ").trim()
        );
        assert!(log.starts_with(&start), "{log}");
        assert!(log.contains(&format!("http://localhost:{port} ")), "{log}");
        assert!(
            log.ends_with(
                "-----> Stopping all processes with SIGTERM\n-----> Process exited with status 143\n"
            ),
            "{log}"
        );
    }

    #[test]
    fn scripts_are_sourced_in_order_and_the_environment_is_the_dynos() {
        let tar = TarFile::new()
            .dir("./app/")
            .file("./app/Procfile", "web: env > \"$OUT/env\"; ls > \"$OUT/ls\"; exit 7\n")
            .file("./app/.profile.d/20 b.sh", "export ORDER=\"$ORDER b\"\nreturn 1\n")
            .file(
                "./app/.profile.d/10_a.sh",
                "export ORDER=\"$GREETING a\" PATH=\"$HOME/bin:$PATH\"\nset -- x y\n",
            )
            .file("./app/.profile.d/15.txt", "export ORDER=wrong\n")
            .file("./app/.profile.d/30.sh", "if then syntax error\n")
            .file("./app/.profile", "export ORDER=\"$ORDER profile\"\n");
        let mut dyno = TestDyno::new(tar, DynoCommand::ProcessType("web".into()));
        dyno.spec.config_vars.extend(
            [("GREETING", "it's $HOME \"x\""), ("PORT", "8123")]
                .map(|(name, value)| (name.into(), value.into())),
        );
        dyno.env.vars.insert("SECRET_OF_OURS".into(), "x".into());
        assert_eq!(dyno.run().unwrap(), 7);
        let vars = dyno.out("env");
        let mut vars: Vec<&str> = vars.lines().filter(|line| !line.starts_with("_=")).collect();
        vars.sort_unstable();
        let home = vars.iter().find_map(|line| line.strip_prefix("HOME=")).unwrap();
        let expected = [
            "DYNO=web.1".to_owned(),
            "GREETING=it's $HOME \"x\"".to_owned(),
            format!("HOME={home}"),
            "ORDER=it's $HOME \"x\" a b profile".to_owned(),
            format!("OUT={}", dyno.dir.path().display()),
            format!("PATH={home}/bin:/usr/local/bin:/usr/bin:/bin"),
            "PORT=8123".to_owned(),
            format!("PWD={home}"),
        ];
        // bash adds its depth, which depends on its version.
        vars.retain(|line| !line.starts_with("SHLVL="));
        assert_eq!(vars, expected);
        assert_eq!(dyno.out("ls"), "Procfile\n", "it starts in the app's directory");
        assert!(home.ends_with("/app") && !Path::new(home).parent().unwrap().exists(), "{home} is deleted");
        assert!(dyno.log.text().contains("Process exited with status 7\n"), "{}", dyno.log.text());
    }

    #[test]
    fn a_command_runs_once_with_its_arguments_as_they_are() {
        for (args, expected, code) in [
            (
                &["bash", "-c", "printf '%s|' \"$@\" > \"$OUT/args\"; exit 3", "x", "a b", "$HOME", "*"][..],
                "a b|$HOME|*|",
                3,
            ),
            (&["printf %s $DYNO > \"$OUT/args\" && kill -9 $$"], "run.", 128 + 9),
            (&["echo ${PORT-none} > $OUT/args; no-such-program"], "none\n", 127),
        ] {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            let dyno = TestDyno::new(TarFile::new().file("f", ""), DynoCommand::Command(args.clone()));
            assert_eq!(dyno.run().unwrap(), code, "{args:?}");
            assert!(dyno.out("args").starts_with(expected), "{args:?}: {}", dyno.out("args"));
        }
    }

    #[test]
    fn a_process_that_handles_sigterm_ends_in_its_own_way() {
        for signal in [2, 15] {
            let dyno = TestDyno::web(
                "trap 'echo \"$HOME\" > \"$OUT/home\"; exit 0' TERM\ntouch \"$OUT/ready\"\nwhile :; do sleep 0.02; done\n",
            );
            assert_eq!(dyno.run_and_signal(signal), 0);
            assert!(!Path::new(dyno.out("home").trim()).exists(), "the app is deleted");
            assert_eq!(dyno.env.interrupt.signal(), None);
        }
    }

    #[test]
    fn what_is_started_to_end_well_is_left_alone() {
        let dyno = TestDyno::web(
            "trap 'sleep 0.3 && touch \"$OUT/saved\"; exit 0' TERM\ntouch \"$OUT/ready\"\nwhile :; do read -t 0.02 <> <(:); done\n",
        );
        assert_eq!(dyno.run_and_signal(15), 0);
        assert!(dyno.dir.path().join("saved").exists());
    }

    #[test]
    fn a_process_that_ignores_sigterm_is_killed_when_its_time_is_over() {
        let mut dyno = TestDyno::web("trap '' TERM\ntouch \"$OUT/ready\"\nwhile :; do sleep 0.02; done\n");
        dyno.spec.stop_timeout = Duration::from_millis(300);
        assert_eq!(dyno.run_and_signal(15), 128 + 9);
        assert!(dyno.log.text().contains("didn't exit within 0.3 seconds of SIGTERM"), "{}", dyno.log.text());
    }

    #[test]
    fn a_second_signal_kills_at_once() {
        let dyno = TestDyno::web(
            "trap 'touch \"$OUT/told\"' TERM\ntouch \"$OUT/ready\"\nwhile :; do sleep 0.02; done\n",
        );
        let since = Instant::now();
        let running = dyno.start();
        for ready in ["ready", "told"] {
            dyno.wait_for(ready);
            thread::sleep(Duration::from_millis(300));
            dyno.env.interrupt.set(2);
        }
        assert_eq!(running.join().unwrap().unwrap(), 128 + 9);
        assert!(since.elapsed() < STOP_TIMEOUT, "it didn't wait");
    }

    /// Descendants of each kind: a child, an orphan, one in a session of its own, and one that has shed its
    /// environment, too.
    const DESCENDANTS: &str = r#"
        sleep 300 & echo $! >> "$OUT/pids"
        ( sleep 300 & echo $! >> "$OUT/pids" )
        ( setsid sleep 300 & echo $! >> "$OUT/pids" )
        ( cd public && exec setsid env -i sleep 300 & echo $! >> "$OUT/pids" )
        ( trap '' TERM; exec setsid sleep 300 & echo $! >> "$OUT/pids" )
        while [ $(wc -l < "$OUT/pids") -lt 5 ]; do sleep 0.02; done
        sleep 0.3
        touch "$OUT/ready"
    "#;

    fn dyno_with_descendants(end: &str) -> TestDyno {
        let tar = TarFile::new()
            .dir("./app/")
            .dir("./app/public/")
            .file("./app/Procfile", "web: bash run.sh\n")
            .file("./app/run.sh", &format!("{DESCENDANTS}\n{end}\n"));
        let mut dyno = TestDyno::new(tar, DynoCommand::ProcessType("web".into()));
        dyno.spec.stop_timeout = Duration::from_millis(500);
        dyno
    }

    fn assert_descendants_gone(dyno: &TestDyno) {
        let pids = dyno.out("pids");
        let alive: Vec<&str> = pids.lines().filter(|pid| !is_gone(pid)).collect();
        assert_eq!((pids.lines().count(), alive), (5, vec![]));
    }

    #[test]
    fn nobody_survives_the_stop_of_a_dyno() {
        let dyno = dyno_with_descendants("exec sleep 300");
        assert_eq!(dyno.run_and_signal(15), 128 + 15);
        assert_descendants_gone(&dyno);
    }

    #[test]
    fn nobody_survives_the_main_process() {
        let dyno = dyno_with_descendants("exit 3");
        assert_eq!(dyno.run().unwrap(), 3);
        assert_descendants_gone(&dyno);
    }

    #[test]
    fn what_cannot_be_run_is_explained() {
        let procfile = |text| TarFile::new().file("Procfile", text);
        let process_type = || DynoCommand::ProcessType("web".into());
        for (tar, command, code, expected) in [
            (
                procfile("worker: x\ncron: y\n"),
                process_type(),
                ErrorCode::RunNoSuchType,
                "The slug declares the process types cron, worker, and no \"web\".",
            ),
            (
                TarFile::new(),
                process_type(),
                ErrorCode::RunNoSuchType,
                "The slug declares no process types, and no \"web\".",
            ),
            (
                procfile("web:  \n"),
                process_type(),
                ErrorCode::RunNoSuchType,
                "The process type \"web\" has an empty command.",
            ),
            (
                procfile("web: a\0b\n"),
                process_type(),
                ErrorCode::RunFailed,
                "The command has a NUL byte, which no program's argument can hold.",
            ),
            (
                TarFile::new(),
                DynoCommand::Command(vec![]),
                ErrorCode::RunNoSuchType,
                "There is no command to run.",
            ),
        ] {
            let failure = TestDyno::new(tar, command).run().unwrap_err();
            assert_eq!((failure.code(), failure.to_string().as_str()), (code, expected));
        }
        assert_eq!(DynoError::NoBash.code(), ErrorCode::RunFailed);
    }

    #[test]
    fn an_interrupt_before_the_start_starts_nothing() {
        let dyno = TestDyno::web("touch \"$OUT/started\"\n");
        dyno.env.interrupt.set(2);
        assert_eq!(dyno.run().unwrap_err().code(), ErrorCode::Interrupted);
        assert!(!dyno.dir.path().join("started").exists());
    }

    #[test]
    fn a_directory_that_the_app_has_locked_is_deleted_too() {
        let dyno = TestDyno::web(
            "mkdir -p locked/deep; chmod 0 locked/deep locked; echo \"$HOME\" > \"$OUT/home\"\n",
        );
        assert_eq!(dyno.run().unwrap(), 0);
        assert!(!Path::new(dyno.out("home").trim()).exists());
    }
}
