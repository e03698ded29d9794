//! Programs that are run to their end: the one place that starts them. (`dyno` starts the app itself.)

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::clock::Stopwatch;
use super::file_system::{explain_start, has_proc};
use super::hidden::Hidden;
pub(crate) use super::invocation::Invocation;
use super::session::{has_terminal, in_session};
use crate::env::{Env, Interrupt, Interrupted};
use crate::error::{ErrorCode, MachineFault, UserError};
use crate::output::{Event, Output};

/// What a program that succeeded has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Standard output.
    pub stdout: Vec<u8>,
    /// Standard error.
    pub stderr: Vec<u8>,
}

impl Captured {
    /// Returns standard output as text without white space around it; invalid UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).trim().to_owned()
    }
}

/// A program that didn't succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It couldn't be started.
    #[error("{program} couldn't be started.")]
    Start {
        /// The program's file name.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ended with another exit code than 0, or by a signal.
    #[error("{}", describe(program, *status, captured))]
    Failed {
        /// The program's file name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it had written until then; empty for what was streamed.
        captured: Captured,
    },
    /// Reading or writing its pipes failed.
    #[error("Talking to {program} failed.")]
    Pipe {
        /// The program's file name.
        program: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It didn't end within its time, and was ended.
    #[error("{program} didn't end within {} seconds and was stopped.", .limit.as_secs())]
    TookTooLong {
        /// The program's file name.
        program: String,
        /// Its time.
        limit: Duration,
    },
    /// The user asked slugc to stop, and the program was ended.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for RunError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Interrupted(interrupted) => interrupted.code(),
            _ => ErrorCode::ProgramFailed,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

impl RunError {
    /// Says how the program ended, which may be better known by another name, without its words.
    pub(crate) fn ending(&self, name: Option<&str>) -> String {
        match self {
            Self::Failed { program, status, .. } => describe_ending(name.unwrap_or(program), *status),
            _ => self.to_string(),
        }
    }

    /// Returns the text the program had written to both streams.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Failed { captured, .. } => [&captured.stdout, &captured.stderr]
                .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
                .concat(),
            _ => String::new(),
        }
    }
}

fn describe_ending(program: &str, status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("{program} ended with exit code {code}."),
        (None, Some(signal)) => format!("{program} was ended by signal {signal}."),
        (None, None) => format!("{program} failed."),
    }
}

fn describe(program: &str, status: ExitStatus, captured: &Captured) -> String {
    let ending = describe_ending(program, status);
    let last = String::from_utf8_lossy(&captured.stderr);
    match last.lines().rev().find(|line| !line.trim().is_empty()) {
        Some(line) => format!("{ending} Its last words: {}", line.trim()),
        None => ending,
    }
}

/// Runs a program to its end and returns what it wrote.
pub(crate) fn capture(invocation: &Invocation, env: &Env, output: &Output) -> Result<Captured, RunError> {
    run(invocation, env, output, MOST_CAPTURED, &mut |_, _| {})
}

/// Runs a program to its end as [`capture`] does, but ends it once it has taken longer than `limit`.
pub(crate) fn capture_within(
    limit: Duration,
    invocation: &Invocation,
    env: &Env,
    output: &Output,
) -> Result<Captured, RunError> {
    const TERM: usize = 15;
    let deadline = Interrupt::default();
    let limited = Env { interrupt: deadline.clone(), ..env.clone() };
    let (running, ended) = mpsc::channel::<()>();
    let result = thread::scope(|scope| {
        let (ours, theirs, ended) = (&env.interrupt, &deadline, ended);
        scope.spawn(move || {
            let watch = Stopwatch::start();
            while ended.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
                if let Some(signal) = ours.signal() {
                    theirs.set(signal);
                } else if watch.elapsed() > limit {
                    theirs.set(TERM);
                }
            }
        });
        let result = capture(invocation, &limited, output);
        drop(running);
        result
    });
    env.interrupt.check()?;
    match result {
        Err(RunError::Interrupted(_)) => Err(RunError::TookTooLong { program: invocation.name(), limit }),
        result => result,
    }
}

/// Runs a program to its end and passes each line it writes, to either stream, on to the build log, without the
/// credentials that it was given. A line is cut as Heroku cuts it. The end of what it wrote is also returned.
pub(crate) fn stream(invocation: &Invocation, env: &Env, output: &Output) -> Result<Captured, RunError> {
    let hidden = Hidden::of(invocation, env);
    let program = invocation.name();
    // Whether the line that each stream is at was shown already, as far as it is shown.
    let mut is_within_line = [false; 2];
    run(invocation, env, output, KEPT_OF_STREAM, &mut |pipe, piece| {
        let is_end = piece.ends_with(b"\n");
        if !std::mem::replace(&mut is_within_line[pipe as usize], !is_end) {
            output.program_line(&program, cut_line(&hidden.hide(piece)));
        }
    })
}

/// Runs a program to its end, and keeps the last of what it writes to either stream, without secrets: whoever ends it
/// by an interrupt has that, too.
pub(crate) fn watch(invocation: &Invocation, env: &Env, written: &mut Vec<u8>) -> Result<(), RunError> {
    let hidden = Hidden::of(invocation, env);
    run(invocation, env, &Output::silent(), 0, &mut |_, piece| {
        written.extend_from_slice(&hidden.hide(piece));
        keep_end(written, KEPT_OF_STREAM);
    })
    .map(drop)
}

/// The most of a line that is shown, in bytes: as Heroku's log.
const LONGEST_LINE: usize = 10_000;

/// The most of a program's output that is read at once; a longer line comes in pieces.
const PIECE: u64 = 64 << 10;

/// The most that is kept of each stream of a program that is asked something.
const MOST_CAPTURED: usize = 256 << 20;

/// The most that is kept of each stream of a program whose lines are shown: enough for whoever explains its failure.
const KEPT_OF_STREAM: usize = 4 << 20;

/// Cuts a line, without its end, to what is shown of it.
fn cut_line(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.trim_end_matches(['\n', '\r']);
    if text.len() <= LONGEST_LINE {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST_LINE)])
}

/// Drops the beginning of what is kept, once that is twice as long as it may be.
fn keep_end(kept: &mut Vec<u8>, most: usize) {
    if kept.len() > most.saturating_mul(2) {
        kept.drain(..kept.len() - most);
    }
}

/// Becomes the program: its streams, signals and exit code are then this process's own. Returns only if
/// it can't be started.
pub(crate) fn replace_process(invocation: &Invocation) -> RunError {
    let Invocation { program, args, current_dir, env, stdin: _, carrier: _ } = invocation;
    let source = Command::new(program).args(args).current_dir(current_dir).env_clear().envs(env).exec();
    cannot_start(invocation, source)
}

#[derive(Debug, Clone, Copy)]
enum Pipe {
    Stdout,
    Stderr,
}

fn run(
    invocation: &Invocation,
    env: &Env,
    output: &Output,
    kept_bytes: usize,
    on_piece: &mut dyn FnMut(Pipe, &[u8]),
) -> Result<Captured, RunError> {
    env.interrupt.check()?;
    let program = invocation.name();
    output.trace(|| invocation.command_line());
    let mut child = spawn(invocation, env).map_err(|source| cannot_start(invocation, source))?;
    output.event(Event::ProcessStarted { program: program.clone() });
    let mut captured = Captured::default();
    // However fast it writes, no more than this waits to be passed on.
    let (sender, lines) = mpsc::sync_channel(256);
    // None of these threads is waited for: a daemon that the program has left behind can hold its pipes open.
    if let Some(mut pipe) = child.stdin.take() {
        let input = invocation.stdin.clone();
        // A program that doesn't read its input to the end is within its rights.
        thread::spawn(move || drop(pipe.write_all(&input)));
    }
    if let Some(pipe) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || read_pieces(pipe, Pipe::Stdout, &sender));
    }
    if let Some(pipe) = child.stderr.take() {
        let sender = sender.clone();
        thread::spawn(move || read_pieces(pipe, Pipe::Stderr, &sender));
    }
    drop(sender);
    let status = supervise(&mut child, &lines, env, &mut |pipe, piece| {
        let kept = match pipe {
            Pipe::Stdout => &mut captured.stdout,
            Pipe::Stderr => &mut captured.stderr,
        };
        kept.extend_from_slice(piece);
        keep_end(kept, kept_bytes);
        on_piece(pipe, piece);
    });
    drop(lines);
    let status = status.map_err(|source| RunError::Pipe { program: program.clone(), source })?;
    env.interrupt.check()?;
    if status.success() {
        return Ok(captured);
    }
    // It is for messages.
    let hidden = Hidden::of(invocation, env);
    let [stdout, stderr] = [captured.stdout, captured.stderr].map(|text| hidden.hide(&text).into_owned());
    // The linker found no library: it asks the kernel where the program is.
    if status.code() == Some(LINKER_FAILED) && !has_proc() {
        return Err(RunError::Start { program, source: io::Error::other(MachineFault::NoProc) });
    }
    Err(RunError::Failed { program, status, captured: Captured { stdout, stderr } })
}

/// The exit code of a program whose libraries can't be loaded.
const LINKER_FAILED: i32 = 127;

fn cannot_start(invocation: &Invocation, source: io::Error) -> RunError {
    RunError::Start { program: invocation.name(), source: explain_start(&invocation.program, source) }
}

fn spawn(invocation: &Invocation, env: &Env) -> io::Result<Child> {
    let started = invocation.carrier.as_deref().unwrap_or(invocation);
    // Whoever has our terminal could type into the user's shell.
    let begins_session = env.program.is_some() && started.program.is_file() && has_terminal();
    let started = if begins_session { &in_session(started.clone(), env) } else { started };
    let Invocation { program, args, current_dir, env, stdin, carrier: _ } = started;
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(current_dir)
        .env_clear()
        .envs(env)
        .stdin(if stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !begins_session {
        // A group of its own: Ctrl-C reaches us first, and whatever the program starts ends with it.
        command.process_group(0);
    }
    command.spawn()
}

fn read_pieces(pipe: impl Read, name: Pipe, sender: &mpsc::SyncSender<(Pipe, Vec<u8>)>) {
    let mut reader = BufReader::new(pipe);
    let mut piece = Vec::new();
    while reader.by_ref().take(PIECE).read_until(b'\n', &mut piece).is_ok_and(|read| read > 0) {
        if sender.send((name, std::mem::take(&mut piece))).is_err() {
            return;
        }
    }
}

/// How long a program that is asked to end has for it. slugc itself is to be gone within two seconds.
const GRACE: Duration = Duration::from_secs(1);

/// Waits for the end of the program and of its output; ends the whole group when the user asks for it,
/// by SIGTERM and, after a second, by SIGKILL.
fn supervise(
    child: &mut Child,
    lines: &mpsc::Receiver<(Pipe, Vec<u8>)>,
    env: &Env,
    on_line: &mut dyn FnMut(Pipe, &[u8]),
) -> io::Result<ExitStatus> {
    const TURN: Duration = Duration::from_millis(20);
    let mut stop = Stop::default();
    let mut ended: Option<(ExitStatus, Stopwatch)> = None;
    let mut last_look = Stopwatch::start();
    loop {
        match lines.recv_timeout(TURN) {
            Ok((pipe, line)) => {
                // What a program that is to end still writes isn't shown.
                if env.interrupt.signal().is_none() {
                    on_line(pipe, &line);
                }
                // However fast it writes, it is looked after.
                if last_look.elapsed() < TURN {
                    continue;
                }
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
        last_look = Stopwatch::start();
        if ended.is_none() {
            ended = child.try_wait()?.map(|status| (status, Stopwatch::start()));
        }
        // A daemon that the program left behind can hold the pipes open for ever: its output isn't waited for.
        let since_end = ended.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default();
        if since_end > Duration::from_secs(2) {
            signal_group(child, Signal::KILL);
        }
        // It may be in another group.
        if since_end > Duration::from_secs(3) {
            break;
        }
        stop.look(child, env);
    }
    // It may have closed its pipes long before it ends.
    let status = loop {
        if let Some(status) = ended.map(|(status, _)| status).or(child.try_wait()?) {
            break status;
        }
        stop.look(child, env);
        thread::sleep(Duration::from_millis(1));
    };
    if env.interrupt.signal().is_some() {
        // What it started may not listen to SIGTERM, and need not have held its pipes.
        signal_group(child, Signal::KILL);
    }
    Ok(status)
}

/// How far the ending of a program has come.
#[derive(Default)]
struct Stop(Option<Stopwatch>);

impl Stop {
    fn look(&mut self, child: &Child, env: &Env) {
        match &self.0 {
            _ if env.interrupt.signal().is_none() => {}
            None => {
                signal_group(child, Signal::TERM);
                self.0 = Some(Stopwatch::start());
            }
            Some(since) if since.elapsed() > GRACE => signal_group(child, Signal::KILL),
            Some(_) => {}
        }
    }
}

fn signal_group(child: &Child, signal: Signal) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // The group may be gone already.
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Invocation {
        Invocation::new("/bin/sh").arg("-c").arg(script)
    }

    #[test]
    fn a_program_gets_its_input_and_only_its_own_environment() {
        let env = Env::for_tests(&[("SECRET", "x")]);
        let invocation = shell("cat; echo [$SECRET$A]").env("A", "b").stdin("hello ");
        assert_eq!(capture(&invocation, &env, &Output::silent()).unwrap().text(), "hello [b]");
    }

    #[test]
    fn a_failure_tells_exit_code_and_last_words() {
        let env = Env::for_tests(&[]);
        let error = capture(&shell("echo no such thing >&2; exit 3"), &env, &Output::silent()).unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit code 3. Its last words: no such thing");
    }

    #[test]
    fn a_program_that_takes_too_long_is_ended() {
        let env = Env::for_tests(&[]);
        let limit = Duration::from_millis(200);
        let error = capture_within(limit, &shell("sleep 60"), &env, &Output::silent()).unwrap_err();
        assert!(matches!(error, RunError::TookTooLong { .. }), "{error:?}");
        let limit = Duration::from_secs(60);
        let quick = capture_within(limit, &shell("echo done"), &env, &Output::silent()).unwrap();
        assert_eq!(quick.text(), "done");
    }

    #[test]
    fn an_interrupt_ends_the_program_and_its_children() {
        let env = Env::for_tests(&[]);
        let interrupt = env.interrupt.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            interrupt.set(2);
        });
        let error = capture(&shell("sleep 60 & sleep 60"), &env, &Output::silent()).unwrap_err();
        assert!(matches!(error, RunError::Interrupted(_)), "{error:?}");
    }

    // S03
    #[test]
    fn a_program_that_floods_its_output_is_ended_in_time_and_its_lines_are_cut() {
        for flood in [
            "yes",
            "yes >&2",
            "tr '\\0' x </dev/zero",
            "tr '\\0' x </dev/zero >&2 & exec yes",
            "trap '' TERM; yes",
        ] {
            let env = Env::for_tests(&[]);
            let interrupt = env.interrupt.clone();
            let log = crate::output::tests::Captured::default();
            let output = Output::to_sink(log.clone(), crate::output::Format::Text);
            thread::spawn(move || {
                thread::sleep(Duration::from_millis(200));
                interrupt.set(15);
            });
            let watch = Stopwatch::start();
            let error = stream(&shell(flood), &env, &output).unwrap_err();
            assert!(matches!(error, RunError::Interrupted(_)), "{flood}: {error:?}");
            assert!(watch.elapsed() < Duration::from_secs(10), "{flood}: {:?}", watch.elapsed());
            let longest = log.text().lines().map(str::len).max().unwrap_or_default();
            assert!(longest <= LONGEST_LINE + 20, "{flood}: {longest}");
        }
    }

    // S03
    #[test]
    fn what_is_kept_of_a_flood_is_its_end() {
        let mut kept = Vec::new();
        for number in 0..100_000 {
            kept.extend_from_slice(format!("{number}\n").as_bytes());
            keep_end(&mut kept, 1_000);
            assert!(kept.len() <= 2_010);
        }
        assert!(kept.ends_with(b"99998\n99999\n"));
        let long = "x".repeat(30_000);
        for (line, expected) in
            [("short\r\n", "short"), (long.as_str(), &*format!("{}…", &long[..LONGEST_LINE])), ("", "")]
        {
            assert_eq!(cut_line(line.as_bytes()), expected);
        }
    }

    #[test]
    fn what_a_daemon_that_is_left_behind_writes_is_not_waited_for() {
        let env = Env::for_tests(&[]);
        let script = "setsid sleep 60 & echo started";
        let watch = Stopwatch::start();
        assert_eq!(capture(&shell(script), &env, &Output::silent()).unwrap().text(), "started");
        assert!(watch.elapsed() < Duration::from_secs(20));
    }
}
