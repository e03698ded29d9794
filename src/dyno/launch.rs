//! Starting a dyno: the slug is unpacked into a directory of its own, and bash boots it there.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::FileType;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::boot::{self, Surroundings};
use super::family::Family;
use super::log::ProcessLog;
use super::memory::{Gauge, MemoryGroup};
use super::scratch::Scratch;
use super::size::DynoSize;
use super::supervise::{Dyno, LEFTOVERS_TIMEOUT, Parts, Rules};
use super::{DynoCommand, DynoError, DynoSpec};
use crate::app::procfile::Procfile;
use crate::env::Env;
use crate::error::{NoticeCode, Result};
use crate::host::cell::{self, Contents, Isolation, JoinedTerminal, NotHere};
use crate::host::files;
use crate::host::process::Invocation;
use crate::host::session::in_session;
use crate::output::{Event, Output};
use crate::slug::unpack::{Declared, read_process_types, unpack_slug};

/// Where the app is, as on Heroku.
const APP: &str = "/app";

/// What all dynos of a run have in common.
pub(super) struct Launcher<'a> {
    pub(super) spec: &'a DynoSpec,
    pub(super) env: &'a Env,
    pub(super) output: &'a Output,
    bash: PathBuf,
    isolation: Option<Isolation>,
}

/// One dyno to start.
pub(super) struct Order {
    /// `web.1`
    pub(super) name: String,
    /// The process type that it is of.
    pub(super) process_type: Option<String>,
    /// What bash runs.
    pub(super) line: OsString,
    /// A port that nothing may change.
    pub(super) asked_port: Option<u16>,
    /// Its port, if it has one.
    pub(super) port: Option<u16>,
    /// Whether it has to bind to its port.
    pub(super) is_web: bool,
    /// Whether it is a command that runs once.
    pub(super) is_once: bool,
}

/// An app that is unpacked and not yet started.
pub(super) struct Prepared(Scratch);

impl<'a> Launcher<'a> {
    /// Finds out how dynos are started on this machine.
    pub(super) fn new(spec: &'a DynoSpec, env: &'a Env, output: &'a Output) -> Result<Self> {
        let bash = boot::find_bash(env.path_dirs()).ok_or(DynoError::NoBash)?;
        let isolation = match spec.isolate_by.as_deref().map(|program| Isolation::find(program, env)) {
            None => None,
            Some(found) => match found? {
                Ok(isolation) => {
                    if let Some(why) = isolation.shortcoming() {
                        output.notice(
                            NoticeCode::RunNotIsolated,
                            format!(
                                "The dyno isn't fully isolated: it can read files that only root may read, because \
                                 root can't give it another user id here ({why})."
                            ),
                        );
                    }
                    Some(isolation)
                }
                Err(NotHere(why)) => {
                    output.notice(NoticeCode::RunNotIsolated, format!(
                        "The dyno isn't isolated: {why}.\n\nIt runs in a plain directory: the app isn't in /app, \
                         it can read and change whatever you can, and WEB_CONCURRENCY doesn't see the memory of \
                         --size. --no-isolate says that this is meant."
                    ));
                    None
                }
            },
        };
        Ok(Self { spec, env, output, bash, isolation })
    }

    /// Unpacks the slug.
    pub(super) fn prepare(&self) -> Result<Prepared> {
        let scratch = Scratch::make(self.output)?;
        unpack_slug(&self.spec.slug, &scratch.app_dir(), self.env, self.output)?;
        Ok(Prepared(scratch))
    }

    /// Reads the process types of a slug that was unpacked.
    pub(super) fn process_types(&self, prepared: &Prepared) -> Result<BTreeMap<String, String>> {
        let app_dir = prepared.0.app_dir();
        Ok(match read_process_types(&self.spec.slug, &app_dir, self.env, self.output)? {
            Declared::ByManifest(process_types) => process_types,
            Declared::ByProcfile(contents) => Procfile::parse(&contents)?.process_types(),
            Declared::Nowhere => BTreeMap::new(),
        })
    }

    /// Starts a dyno.
    pub(super) fn launch(&self, prepared: Prepared, order: &Order, process_log: ProcessLog) -> Result<Dyno> {
        let Self { spec, env, output, bash, isolation, .. } = self;
        let scratch = prepared.0;
        env.interrupt.check()?;
        let stdin = Terminal::of(order, &process_log);
        let app_dir = scratch.app_dir();
        let seen = if isolation.is_some() { Path::new(APP) } else { &app_dir };
        let environment = boot::environment(&Surroundings {
            app_dir: seen,
            dyno: &order.name,
            asked_port: order.asked_port,
            port: order.port,
            term: env.var("TERM").filter(|_| stdin.is_terminal || env.stdout_is_terminal),
            config_vars: &spec.config_vars,
        });
        let script = boot::boot_script(seen, bash, &order.line).map_err(|_| DynoError::NulInCommand)?;
        announce(order, seen, isolation.is_some(), &process_log);
        let args = vec!["-c".into(), script];
        let (invocation, alive) = match isolation {
            Some(isolation) => {
                let contents = Contents {
                    dir: scratch.dir(),
                    app_dir: &app_dir,
                    app_at: Path::new(APP),
                    account: ("dyno", Path::new(APP)),
                    shown: &[],
                    hidden: &[],
                    empty: &[],
                    memory: spec.size.map(DynoSize::quota),
                    processes: spec.size.map(|size| size.processes),
                    terminal: if stdin.is_foreground { cell::Terminal::Own } else { cell::Terminal::None },
                    leftovers: LEFTOVERS_TIMEOUT,
                    // Those outside end it when their time is over, and say so.
                    stopping: spec.timing.stop_timeout + LEFTOVERS_TIMEOUT,
                };
                let program = Invocation { env: environment, ..Invocation::new(bash).args(args) };
                let invocation = isolation.invocation(&contents, program)?;
                (invocation, lock(&scratch.dir().join("alive")))
            }
            None => {
                let plain = Invocation::new(bash).args(args).current_dir(&app_dir);
                (in_session(Invocation { env: environment, ..plain }, env), None)
            }
        };
        let group = spec.size.and_then(|size| MemoryGroup::make(&order.name, size));
        let invocation = match &group {
            Some(group) => group.entering(invocation),
            None => invocation,
        };
        // What isn't isolated gets its terminal from here.
        let own_terminal = match stdin.is_foreground && isolation.is_none() && env.program.is_some() {
            true => JoinedTerminal::open().ok().flatten(),
            false => None,
        };
        let mut child = self.spawn(&invocation, &stdin, own_terminal.as_ref(), &process_log)?;
        output.event(Event::ProcessStarted { program: "bash".to_owned() });
        let is_wrapped = isolation.is_some();
        let has_own_group = !stdin.is_foreground || (!is_wrapped && env.program.is_some());
        Ok(Dyno::new(Parts {
            family: Family::of(child.id(), has_own_group, scratch.dir()),
            rules: self.rules(order, is_wrapped),
            listening: process_log.listen_to(&mut child),
            gauge: spec.size.map(|size| Gauge::new(size, group)),
            process_log,
            child,
            scratch,
            alive,
            terminal: own_terminal.map(JoinedTerminal::join),
        }))
    }

    fn rules(&self, order: &Order, is_wrapped: bool) -> Rules {
        let timing = &self.spec.timing;
        let boot = order.port.filter(|_| order.is_web).map(|port| (timing.boot_timeout, port));
        Rules { stop_timeout: timing.stop_timeout, boot, is_once: order.is_once, is_wrapped }
    }

    fn spawn(
        &self,
        invocation: &Invocation,
        stdin: &Terminal,
        own_terminal: Option<&JoinedTerminal>,
        process_log: &ProcessLog,
    ) -> std::result::Result<Child, DynoError> {
        let Invocation { program, args, current_dir, env, stdin: _, carrier: _ } = invocation;
        let start = |source| DynoError::Start { program: program.clone(), dir: current_dir.clone(), source };
        let mut command = Command::new(program);
        command.args(args).current_dir(current_dir).env_clear().envs(env);
        // Who leads a group can't begin a session.
        let begins_session = self.isolation.is_none() && self.env.program.is_some();
        if !stdin.is_foreground && !begins_session {
            command.process_group(0);
        }
        if process_log.is_shared() || (stdin.is_terminal && !stdin.is_foreground) {
            command.stdin(Stdio::null());
        }
        let is_piped = |is_terminal: bool, stream: BorrowedFd<'_>| {
            // The user's terminal is never the dyno's: it could read what is typed there.
            let is_users_terminal = is_terminal && !stdin.is_foreground;
            // Under another id, it couldn't open a file of the user's by the name `/dev/stdout`.
            let is_users_file = self.isolation.as_ref().is_some_and(Isolation::gives_ids) && is_file(stream);
            process_log.is_shared() || is_users_terminal || is_users_file
        };
        if is_piped(io::stdout().is_terminal(), io::stdout().as_fd()) {
            command.stdout(Stdio::piped());
        }
        // What a process type raises says why it has crashed.
        let is_read = self.spec.diagnose.is_some()
            && !stdin.is_foreground
            && matches!(self.spec.command, DynoCommand::ProcessType(_));
        if is_read || is_piped(io::stderr().is_terminal(), io::stderr().as_fd()) {
            command.stderr(Stdio::piped());
        }
        if let Some(terminal) = own_terminal {
            terminal.connect(&mut command).map_err(start)?;
        }
        // What loses its parent comes to us, and not to the machine's init: it is the dyno's, and ends with it.
        // Without that, which a sandbox may forbid, it is still found if it stays in the group.
        let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
        with_cores(self.spec.size.map(|size| size.cores), || command.spawn()).map_err(start)
    }
}

/// What a dyno reads from.
struct Terminal {
    is_terminal: bool,
    /// Whether the dyno stays in our process group. A group of its own would be in the background of the terminal,
    /// and stopped (SIGTTIN) as soon as it reads from there: what runs once at a terminal, a Python prompt for
    /// example, stays in ours. A server has nothing to read from there, and some (Django's reloader) try.
    is_foreground: bool,
}

impl Terminal {
    fn of(order: &Order, process_log: &ProcessLog) -> Self {
        let is_terminal = io::stdin().is_terminal() && !process_log.is_shared();
        Self { is_terminal, is_foreground: order.is_once && is_terminal }
    }
}

/// Calls a function with fewer cores for this thread, and what it starts.
fn with_cores<T>(cores: Option<usize>, call: impl FnOnce() -> T) -> T {
    let usual = sched_getaffinity(None).ok();
    let fewer = cores.zip(usual.as_ref()).map(|(cores, usual)| first_cores(usual, cores));
    if let Some(fewer) = &fewer {
        // A machine that forbids it gives the dyno all cores.
        let _ = sched_setaffinity(None, fewer);
    }
    let result = call();
    if let Some(usual) = usual.filter(|_| fewer.is_some()) {
        let _ = sched_setaffinity(None, &usual);
    }
    result
}

fn first_cores(usual: &CpuSet, count: usize) -> CpuSet {
    let mut fewer = CpuSet::new();
    (0..CpuSet::MAX_CPU).filter(|core| usual.is_set(*core)).take(count).for_each(|core| fewer.set(core));
    fewer
}

/// Makes a file and locks it as long as it is open.
fn is_file(stream: BorrowedFd<'_>) -> bool {
    let found = rustix::fs::fstat(stream);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::RegularFile)
}

fn lock(path: &Path) -> Option<File> {
    let file = files::create_file(path).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn announce(order: &Order, app_dir: &Path, is_isolated: bool, process_log: &ProcessLog) {
    process_log.say(&format!("Starting process with command `{}`", order.line.to_string_lossy()));
    if !is_isolated {
        process_log.add(&format!("The app is in {}, on Heroku in /app", app_dir.display()));
    }
    let is_told = order.is_web || (order.asked_port.is_some() && !process_log.is_shared());
    if let Some(port) = order.port.filter(|_| is_told) {
        process_log.add(&format!("Its address is http://localhost:{port} (PORT={port})"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dyno_gets_its_cores_and_we_keep_ours() {
        let before = sched_getaffinity(None).unwrap();
        for (cores, expected) in [(Some(1), 1), (Some(4096), before.count()), (None, before.count())] {
            let inside = with_cores(cores, || sched_getaffinity(None).unwrap().count());
            assert_eq!(inside, expected, "{cores:?}");
            assert_eq!(sched_getaffinity(None).unwrap().count(), before.count());
        }
    }
}
