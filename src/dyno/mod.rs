//! Running a slug as a dyno does: unpacked, isolated, in a clean environment, booted by bash, watched, ended by SIGTERM.

#![expect(clippy::disallowed_methods, reason = "the room that starts the app's own processes")]

mod boot;
mod crash;
mod family;
mod formation;
mod formation_router;
mod launch;
mod log;
mod memory;
mod ports;
mod scale;
mod scratch;
mod size;
mod slot;
mod supervise;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::env::Env;
use crate::error::similar::closest_own;
use crate::error::{ErrorCode, Result, UserError};
use crate::output::Output;

pub(crate) use boot::ended_by;
pub(crate) use log::SharedLog;
pub(crate) use size::DynoSize;

/// How long a dyno's processes have between SIGTERM and SIGKILL on Heroku.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a web process has to bind to its port on Heroku.
pub(crate) const BOOT_TIMEOUT: Duration = Duration::from_secs(60);

/// How long a dyno that has crashed twice waits on Heroku. It waits longer each time.
pub(crate) const RESTART_DELAY: Duration = Duration::from_secs(20 * 60);

/// The router's usual port where dynos have those from 5000 on.
const ROUTER_PORT: u16 = 8080;

/// What to run, and how.
#[derive(Clone)]
pub(crate) struct DynoSpec {
    /// The slug's file.
    pub slug: PathBuf,
    /// What of it to run.
    pub command: DynoCommand,
    /// The router's port if there is one; else the port for `PORT`, and a web process gets one anyway.
    pub port: Option<u16>,
    /// Whether requests reach web dynos by a router.
    pub has_router: bool,
    /// Where the router listens; 127.0.0.1 lets only this machine in.
    pub router_host: IpAddr,
    /// Whether the router says that clients have come by https.
    pub claims_https: bool,
    /// The config vars, from all places.
    pub config_vars: BTreeMap<String, String>,
    /// How much memory and how many cores each dyno has; without it, whatever the machine has.
    pub size: Option<DynoSize>,
    /// This program's file, which dynos are isolated by; without it they run in a plain directory.
    pub isolate_by: Option<PathBuf>,
    /// How long things may take.
    pub timing: Timing,
    /// Whether the process type `release` runs first.
    pub release_first: bool,
    /// Where the lines of several dynos go.
    pub log: SharedLog,
    /// Says why a process type has crashed, as far as that can be found out.
    pub diagnose: Option<Diagnose>,
}

/// Returns what is found about a process type that has crashed, from its name and the last that it wrote.
pub(crate) type Diagnose = Arc<dyn Fn(&str, &str) -> Option<String> + Send + Sync>;

impl DynoSpec {
    /// Returns the port that the router listens on, if there is one.
    fn router_port(&self) -> Option<u16> {
        let usual =
            if matches!(self.command, DynoCommand::Formation(_)) { ROUTER_PORT } else { boot::USUAL_PORT };
        self.has_router.then(|| self.port.unwrap_or_else(|| boot::free_or(usual)))
    }
}

/// How long things may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// For a web process to bind to its port; [`BOOT_TIMEOUT`] as on Heroku.
    pub boot_timeout: Duration,
    /// For processes between SIGTERM and SIGKILL; [`STOP_TIMEOUT`] as on Heroku.
    pub stop_timeout: Duration,
    /// Whether a crashed dyno is started again, and the first time that it waits then.
    pub restart: Option<Duration>,
}

/// What a dyno runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DynoCommand {
    /// A process type of the slug.
    ProcessType(String),
    /// A command, once: a single argument is a line for bash, several are a program and its arguments.
    Command(Vec<OsString>),
    /// Several dynos: process types, and how many of each. `all` stands for those that aren't named.
    Formation(Vec<(String, u16)>),
}

/// A dyno that couldn't be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DynoError {
    /// The process type isn't one of the slug's.
    #[error("The slug declares {}, and no \"{name}\".{}", list(declared), meant(name, declared))]
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
    /// The formation has no dynos.
    #[error("The formation has no dynos.")]
    EmptyFormation,
    /// The command can't be handed to a program.
    #[error("The command has a NUL byte, which no program's argument can hold.")]
    NulInCommand,
    /// Another program listens on the port that was asked for.
    #[error("Port {port} is taken by another program, so nothing was started.")]
    PortTaken {
        /// The port.
        port: u16,
        /// Whether the router was to listen there.
        for_router: bool,
    },
    /// There is no bash.
    #[error("There is no bash in {}, nor elsewhere on PATH.", boot::BASE_PATH)]
    NoBash,
    /// Bash couldn't be started.
    #[error("{} couldn't be started in {}.", .program.display(), .dir.display())]
    Start {
        /// Which program.
        program: PathBuf,
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
    /// The release phase failed.
    #[error("The process type \"release\" ended with status {code}. Nothing else was started.")]
    ReleaseFailed {
        /// Its exit code.
        code: u8,
    },
}

impl UserError for DynoError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoSuchType { .. } | Self::EmptyCommand { .. } | Self::NoCommand | Self::EmptyFormation => {
                ErrorCode::RunNoSuchType
            }
            Self::NulInCommand | Self::NoBash | Self::Start { .. } => ErrorCode::RunFailed,
            Self::PortTaken { for_router: false, .. } => ErrorCode::RunPortTaken,
            Self::PortTaken { for_router: true, .. } => ErrorCode::RouterPortTaken,
            Self::Wait { .. } => ErrorCode::ProgramFailed,
            Self::ReleaseFailed { .. } => ErrorCode::RunReleaseFailed,
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::NoSuchType { name, .. } | Self::EmptyCommand { name } => Some(name.clone()),
            _ => None,
        }
    }
}

fn meant(name: &str, declared: &[String]) -> String {
    let near = closest_own(name, declared.iter().map(String::as_str));
    near.map(|near| format!(" Is \"{near}\" meant?")).unwrap_or_default()
}

fn list(names: &[String]) -> String {
    match names {
        [] => "no process types".to_owned(),
        [name] => format!("the process type {name}"),
        names => format!("the process types {}", names.join(", ")),
    }
}

/// Runs a dyno, or several, to their end and returns the exit code of their process: 128 and the number of the
/// signal if one ended it. Each has the app in a temporary directory of its own, which is deleted at the end,
/// however that comes.
///
/// Signals are taken from `env.interrupt`, and reset there, so that a second one can be told from the first.
pub(crate) fn run_dyno(spec: &DynoSpec, env: &Env, output: &Output) -> Result<u8> {
    check_port(spec)?;
    let launcher = launch::Launcher::new(spec, env, output)?;
    let mut prepared = launcher.prepare()?;
    if spec.release_first {
        match formation::run_release(&launcher, prepared)? {
            formation::Released::Stopped(code) => return Ok(code),
            formation::Released::Done => prepared = launcher.prepare()?,
        }
    }
    formation::run(&launcher, prepared)
}

/// Fails if a port was asked for, by an argument or by the config var of a web process, and somebody has it already: the
/// app would find that out much later, after the release phase.
fn check_port(spec: &DynoSpec) -> Result<()> {
    let asked = match spec.port {
        None if spec.has_router => None,
        None if matches!(&spec.command, DynoCommand::ProcessType(name) if name == "web") => {
            spec.config_vars.get("PORT").and_then(|port| port.parse().ok())
        }
        port => port,
    };
    match asked {
        Some(port) if boot::is_port_taken(port) => {
            Err(DynoError::PortTaken { port, for_router: spec.has_router }.into())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::net::{Ipv4Addr, TcpListener, TcpStream};
    use std::path::Path;
    use std::process::Command;
    use std::thread::{self, JoinHandle};
    use std::time::Instant;

    use super::supervise::{BOOT_TIMEOUT_CODE, EXIT_TIMEOUT_CODE, MEMORY_CODE};
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
            let log = Captured::default();
            let out = dir.path().to_str().unwrap().to_owned();
            let spec = DynoSpec {
                slug,
                command,
                port: None,
                has_router: false,
                router_host: Ipv4Addr::LOCALHOST.into(),
                claims_https: false,
                config_vars: BTreeMap::from([("OUT".to_owned(), out)]),
                size: None,
                isolate_by: None,
                timing: Timing { boot_timeout: BOOT_TIMEOUT, stop_timeout: STOP_TIMEOUT, restart: None },
                release_first: false,
                log: SharedLog::new(log.clone(), false, false),
                diagnose: None,
            };
            Self { dir, spec, env: Env::for_tests(&[]), log }
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
                run_dyno(&spec, &env, &output)
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

        fn wait_for_log(&self, text: &str) {
            let since = Instant::now();
            while !self.log.text().contains(text) {
                assert!(since.elapsed() < Duration::from_secs(30), "no `{text}` in {}", self.log.text());
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
        // The port is looked at now and then only: it may have answered before that was seen.
        dyno.wait_for_log("State changed from starting to up");
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
                "-----> Stopping all processes with SIGTERM\n-----> Process exited with status 143\n\
                 -----> State changed from up to complete\n"
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
        dyno.spec.timing.stop_timeout = Duration::from_millis(300);
        assert_eq!(dyno.run_and_signal(15), EXIT_TIMEOUT_CODE);
        let log = dyno.log.text();
        assert!(
            log.contains("Error R12 (Exit timeout) -> At least one process failed to exit within"),
            "{log}"
        );
        assert!(log.contains("0.3 seconds of SIGTERM"), "{log}");
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
        dyno.spec.timing.stop_timeout = Duration::from_millis(500);
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
        // One of them ignores SIGTERM.
        assert_eq!(dyno.run_and_signal(15), EXIT_TIMEOUT_CODE);
        assert_descendants_gone(&dyno);
    }

    #[test]
    fn nobody_survives_the_main_process() {
        let dyno = dyno_with_descendants("exit 3");
        assert_eq!(dyno.run().unwrap(), 3);
        assert_descendants_gone(&dyno);
    }

    /// A Python of this machine, which is not a shim that looks elsewhere without our environment.
    fn python() -> Option<String> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&path).map(|dir| dir.join("python3")).find(|path| path.is_file())?;
        let output = Command::new(found).args(["-c", "import sys; print(sys.executable)"]).output().ok()?;
        Some(String::from_utf8(output.stdout).ok()?.trim().to_owned()).filter(|path| !path.is_empty())
    }

    /// A slug whose process types are these Python scripts.
    fn python_dyno(scripts: &[(&str, &str)], command: DynoCommand) -> Option<TestDyno> {
        let Some(python) = python() else {
            println!("SKIPPED: there is no python3 on PATH");
            return None;
        };
        let procfile: String =
            scripts.iter().map(|(name, _)| format!("{name}: exec {python} -u {name}.py\n")).collect();
        let tar = TarFile::new().dir("./app/").file("./app/Procfile", &procfile);
        let tar =
            scripts.iter().fold(tar, |tar, (name, script)| tar.file(&format!("./app/{name}.py"), script));
        Some(TestDyno::new(tar, command))
    }

    fn web() -> DynoCommand {
        DynoCommand::ProcessType("web".into())
    }

    const LISTEN: &str = "import os, socket, time\nserver = socket.socket()\n\
         server.bind((os.environ.get('HOST', '0.0.0.0'), int(os.environ['PORT']) + int(os.environ.get('OFF', '0'))))\n\
         server.listen()\nopen(os.environ['OUT'] + '/ready', 'w').close()\ntime.sleep(300)\n";

    #[test]
    fn a_web_process_that_listens_is_up() {
        let Some(dyno) = python_dyno(&[("web", LISTEN)], web()) else { return };
        let running = dyno.start();
        dyno.wait_for_log("State changed from starting to up");
        dyno.env.interrupt.set(15);
        assert_eq!(running.join().unwrap().unwrap(), 128 + 15);
        assert!(!dyno.log.text().contains("Error R"), "{}", dyno.log.text());
    }

    #[test]
    fn a_web_process_that_never_binds_is_killed_and_told_where_it_listens() {
        for (vars, expected) in [
            (&[("OFF", "1")][..], "It listens on 0.0.0.0:"),
            (&[("HOST", "127.0.0.1")], "which only this machine reaches"),
            (&[("HOST", "no-such-host.invalid")], ""),
        ] {
            let Some(mut dyno) = python_dyno(&[("web", LISTEN)], web()) else { return };
            dyno.spec.timing.boot_timeout = Duration::from_millis(1500);
            dyno.spec.config_vars.extend(vars.iter().map(|(name, value)| ((*name).into(), (*value).into())));
            let code = dyno.run().unwrap();
            let log = dyno.log.text();
            if expected.is_empty() {
                // It crashes before its time is over.
                assert_eq!(code, 1);
                assert!(log.contains("State changed from starting to crashed\n"), "{log}");
                continue;
            }
            assert_eq!(code, BOOT_TIMEOUT_CODE, "{log}");
            let lines = "-----> Stopping process with SIGKILL\n-----> Process exited with status 137\n\
                         -----> State changed from starting to crashed\n";
            assert!(log.ends_with(lines), "{log}");
            let line = "-----> Error R10 (Boot timeout) -> Web process failed to bind to $PORT within 1.5 \
                        seconds of launch\n";
            assert!(log.contains(line) && log.contains(expected), "{log}");
        }
    }

    #[test]
    fn memory_over_the_quota_is_told_and_far_over_it_is_the_end() {
        const EAT: &str = "import os, time\nfor _ in range(int(os.environ['STEPS'])):\n\
             \x20   globals().setdefault('held', []).append(bytearray(os.urandom(1)) * (70 << 20))\n    time.sleep(1.2)\n\
             open(os.environ['OUT'] + '/ready', 'w').close()\ntime.sleep(300)\n";
        for (steps, code) in [("1", 128 + 15), ("3", MEMORY_CODE)] {
            let Some(mut dyno) = python_dyno(&[("worker", EAT)], DynoCommand::ProcessType("worker".into()))
            else {
                return;
            };
            dyno.spec.size =
                Some(DynoSize { name: "tiny", quota_mb: 64, kill_percent: 200, cores: 1, processes: 256 });
            dyno.spec.config_vars.insert("STEPS".into(), steps.into());
            let running = dyno.start();
            dyno.wait_for_log("Error R14 (Memory quota exceeded)");
            if steps == "1" {
                dyno.env.interrupt.set(15);
            }
            assert_eq!(running.join().unwrap().unwrap(), code);
            let log = dyno.log.text();
            assert!(log.contains("-----> Process running mem="), "{log}");
            assert_eq!(
                log.contains("-----> Error R15 (Memory quota vastly exceeded)\n"),
                code == MEMORY_CODE,
                "{log}"
            );
        }
    }

    #[test]
    fn a_child_that_the_kernel_ends_for_want_of_memory_ends_the_dyno() {
        let Some(python) = python() else {
            println!("SKIPPED: there is no python3 on PATH");
            return;
        };
        // Whoever starts it again, as gunicorn does with its workers, would go on for ever.
        let eat =
            format!("{python} -c 'import os, time; held = os.urandom(1) * (400 << 20); time.sleep(100)'");
        let procfile = format!("worker: while :; do {eat}; sleep 0.1; done\n");
        let mut dyno = procfile_dyno(&procfile, DynoCommand::ProcessType("worker".into()));
        dyno.spec.size =
            Some(DynoSize { name: "tiny", quota_mb: 64, kill_percent: 200, cores: 1, processes: 256 });
        assert_eq!(dyno.run().unwrap(), MEMORY_CODE);
        let log = dyno.log.text();
        assert_eq!(log.matches("Error R15 (Memory quota vastly exceeded)").count(), 1, "{log}");
    }

    fn formation(types: &[(&str, u16)]) -> DynoCommand {
        DynoCommand::Formation(types.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect())
    }

    fn procfile_dyno(procfile: &str, command: DynoCommand) -> TestDyno {
        TestDyno::new(TarFile::new().dir("./app/").file("./app/Procfile", procfile), command)
    }

    #[test]
    fn a_formation_has_a_name_a_directory_and_lines_for_each() {
        let say = "echo \"$DYNO at $PORT\"; echo oops >&2; echo \"$HOME\" >> \"$OUT/homes\"; touch mine; ls; exec sleep 300";
        let dyno = procfile_dyno(
            &format!("worker: {say}\nclock: {say}\n"),
            formation(&[("worker", 2), ("clock", 1)]),
        );
        let running = dyno.start();
        dyno.wait_for_log("worker.2 | oops");
        dyno.wait_for_log("clock.1  | oops");
        dyno.wait_for_log("worker.1 | oops");
        thread::sleep(Duration::from_millis(200));
        dyno.env.interrupt.set(2);
        assert_eq!(running.join().unwrap().unwrap(), 0, "they ended as they were told");
        let log = dyno.log.text();
        for line in [
            "worker.1 > State changed from starting to up\n",
            "worker.1 | worker.1 at 50",
            "worker.2 | worker.2 at 50",
            "clock.1  | clock.1 at 51",
            "clock.1  > Stopping all processes with SIGTERM\n",
            "clock.1  > Process exited with status 143\n",
            "clock.1  > State changed from up to complete\n",
        ] {
            assert!(log.contains(line), "{line} in {log}");
        }
        let homes: std::collections::BTreeSet<String> =
            dyno.out("homes").lines().map(str::to_owned).collect();
        assert_eq!(homes.len(), 3, "{homes:?}");
        assert!(homes.iter().all(|home| !Path::new(home).exists()), "{homes:?}");
    }

    #[test]
    fn the_end_of_one_dyno_is_the_end_of_all() {
        let dyno =
            procfile_dyno("worker: exec sleep 300\nclock: sleep 0.3; exit 9\n", formation(&[("all", 1)]));
        assert_eq!(dyno.run().unwrap(), 9);
        let log = dyno.log.text();
        assert!(log.contains("clock.1  > State changed from up to crashed\n"), "{log}");
        assert!(log.contains("worker.1 > State changed from up to complete\n"), "{log}");
    }

    #[test]
    fn a_crashed_dyno_comes_back_at_once_and_then_later_and_later() {
        let mut dyno =
            procfile_dyno("worker: echo x >> \"$OUT/starts\"; exit 1\n", formation(&[("worker", 1)]));
        dyno.spec.timing.restart = Some(Duration::from_millis(200));
        let running = dyno.start();
        dyno.wait_for_log("worker.1 > Restarting in 0.4 seconds");
        dyno.env.interrupt.set(15);
        assert_eq!(running.join().unwrap().unwrap(), 0);
        let log = dyno.log.text();
        assert_eq!(dyno.out("starts").lines().count(), 3, "{log}");
        assert_eq!(log.matches("State changed from crashed to starting").count(), 2, "{log}");
        assert!(log.find("Restarting in 0.2 ") < log.find("Restarting in 0.4 "), "{log}");
    }

    // Y02
    #[test]
    fn a_crash_has_a_name_and_what_is_found_about_it() {
        for (command, process, code, expected) in [
            (
                "exit 1",
                "web",
                1,
                "Error H10 (App crashed) -> The web process ended with status 1 before it listened",
            ),
            (
                "exit 0",
                "web",
                0,
                "Error H10 (App crashed) -> The web process ended with status 0 before it listened",
            ),
            ("no-such-program", "web", 127, "status 127 (a program wasn't found) before"),
            ("/etc/passwd", "web", 126, "status 126 (a program can't be executed) before"),
            ("kill -9 $$", "web", 137, "status 137 (signal 9) before"),
            (
                "kill -11 $$",
                "worker",
                139,
                "App crashed -> The process `worker` ended with status 139 (signal 11)",
            ),
            ("exit 3", "worker", 3, "App crashed -> The process `worker` ended with status 3"),
            ("exit 0", "worker", 0, ""),
        ] {
            let mut dyno =
                procfile_dyno(&format!("{process}: {command}\n"), DynoCommand::ProcessType(process.into()));
            dyno.spec.diagnose = Some(Arc::new(|process, _| Some(format!("This is wrong with {process}."))));
            assert_eq!(dyno.run().unwrap(), code, "{command}");
            let log = dyno.log.text();
            if expected.is_empty() {
                assert!(!log.contains("crashed"), "{log}");
                continue;
            }
            assert!(log.contains(expected), "{command}: {log}");
            assert!(log.contains(&format!("This is wrong with {process}.")), "{command}: {log}");
            let more = if process == "web" { "slugc explain H10" } else { "slugc explain run::crashed" };
            assert!(log.contains(more), "{command}: {log}");
        }
        // What is asked to end has not crashed.
        let dyno = TestDyno::web("touch \"$OUT/ready\"\nexec sleep 300\n");
        dyno.run_and_signal(15);
        assert!(!dyno.log.text().contains("H10"), "{}", dyno.log.text());
        // Of several dynos, the one that has ended by itself; and the release phase.
        let mut dyno =
            procfile_dyno("worker: exec sleep 300\nclock: sleep 0.3; exit 9\n", formation(&[("all", 1)]));
        dyno.spec.diagnose = Some(Arc::new(|process, _| Some(format!("This is wrong with {process}."))));
        assert_eq!(dyno.run().unwrap(), 9);
        let log = dyno.log.text();
        assert!(log.contains("clock.1  > This is wrong with clock."), "{log}");
        assert!(!log.contains("wrong with worker"), "{log}");
        let mut dyno =
            procfile_dyno("release: exit 4\nworker: true\n", DynoCommand::ProcessType("worker".into()));
        dyno.spec.release_first = true;
        dyno.spec.diagnose = Some(Arc::new(|process, _| Some(format!("This is wrong with {process}."))));
        dyno.run().unwrap_err();
        assert!(dyno.log.text().contains("This is wrong with release."), "{}", dyno.log.text());
    }

    #[test]
    fn the_release_phase_comes_first_and_decides() {
        for (release, code) in [("exit 0", Some(7)), ("exit 3", None)] {
            let procfile = format!(
                "release: echo $DYNO > \"$OUT/release\"; {release}\nworker: test -e \"$OUT/release\" && exit 7\n"
            );
            let mut dyno = procfile_dyno(&procfile, DynoCommand::ProcessType("worker".into()));
            dyno.spec.release_first = true;
            match (dyno.run(), code) {
                (Ok(found), Some(code)) => assert_eq!(found, code),
                (Err(failure), None) => {
                    assert_eq!(failure.code(), ErrorCode::RunReleaseFailed);
                    assert!(!dyno.log.text().contains("test -e"), "{}", dyno.log.text());
                }
                (found, code) => panic!("{found:?} {code:?}"),
            }
            assert!(dyno.out("release").starts_with("release."));
        }
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
                ErrorCode::ProcfileUnreadable,
                "The Procfile holds a NUL character.",
            ),
            (
                TarFile::new(),
                DynoCommand::Command(vec!["a\0b".into()]),
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
