//! What is said about a dyno, and by it: a single dyno writes to our own streams itself; of several, each line
//! carries the name of its dyno.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anstyle::{AnsiColor, Color, Style};

use crate::error::NoticeCode;
use crate::host::cell::relay;
use crate::host::clock::Stopwatch;
use crate::output::Output;

/// Heroku cuts longer lines.
const LINE_LIMIT: usize = 10_000;
/// How long the last lines of a dyno that has ended may take.
const DRAIN: Duration = Duration::from_secs(1);

const COLORS: [AnsiColor; 6] = [
    AnsiColor::Cyan,
    AnsiColor::Yellow,
    AnsiColor::Green,
    AnsiColor::Magenta,
    AnsiColor::Blue,
    AnsiColor::BrightCyan,
];

/// Where the lines of several dynos go.
#[derive(Clone)]
pub(crate) struct SharedLog {
    sink: Arc<Mutex<Box<dyn Write + Send>>>,
    color: bool,
    quiet: bool,
}

impl SharedLog {
    /// Makes a log that writes to a sink. If it is quiet, only the dynos' own lines and warnings are written.
    pub(crate) fn new(sink: impl Write + Send + 'static, color: bool, quiet: bool) -> Self {
        Self { sink: Arc::new(Mutex::new(Box::new(sink))), color, quiet }
    }

    fn write(&self, label: &Label, mark: char, line: &[u8]) {
        let Label { name, width, color } = label;
        let style = if self.color { Style::new().fg_color(Some(Color::Ansi(*color))) } else { Style::new() };
        let mut text = format!("{style}{name:<width$} {mark}{style:#} ").into_bytes();
        text.extend_from_slice(line);
        text.push(b'\n');
        let mut sink = self.sink.lock().unwrap_or_else(PoisonError::into_inner);
        // A reader that has gone away doesn't end the dynos.
        let _ = sink.write_all(&text).and_then(|()| sink.flush());
    }
}

/// The beginning of each line of a dyno.
#[derive(Debug, Clone)]
struct Label {
    name: String,
    width: usize,
    color: AnsiColor,
}

/// What speaks of one dyno.
#[derive(Clone)]
pub(super) struct ProcessLog {
    output: Output,
    shared: Option<(SharedLog, Label)>,
}

impl ProcessLog {
    /// The voice of the only dyno.
    pub(super) fn single(output: &Output) -> Self {
        Self { output: output.clone(), shared: None }
    }

    /// The voice of one dyno among several; `number` chooses its colour, `width` aligns the lines.
    pub(super) fn among(log: &SharedLog, output: &Output, name: &str, number: usize, width: usize) -> Self {
        let label = Label { name: name.to_owned(), width, color: COLORS[number % COLORS.len()] };
        Self { output: output.clone(), shared: Some((log.clone(), label)) }
    }

    /// Says what happens to the dyno.
    pub(super) fn say(&self, text: &str) {
        match &self.shared {
            Some((log, _)) if log.quiet => {}
            Some((log, label)) => log.write(label, '>', text.as_bytes()),
            None => self.output.step(text),
        }
    }

    /// Says more about what was said last.
    pub(super) fn add(&self, text: &str) {
        match &self.shared {
            Some(_) => self.say(text),
            None => self.output.detail(text),
        }
    }

    /// Warns of what is wrong with the dyno: a line as in Heroku's log, and what to do about it.
    pub(super) fn warn(&self, code: NoticeCode, line: &str, advice: &str) {
        match &self.shared {
            Some((log, label)) => {
                let lines = [line].into_iter().chain(advice.lines().filter(|line| !line.is_empty()));
                lines.for_each(|line| log.write(label, '>', line.as_bytes()));
            }
            None if advice.is_empty() => self.output.warning(code, line),
            None => {
                // As one line, so that logs can be compared: a report would wrap it.
                self.output.step(line);
                self.output.warning(code, advice);
            }
        }
    }

    /// Returns whether the dyno's own lines come through here.
    pub(super) fn is_shared(&self) -> bool {
        self.shared.is_some()
    }

    /// Passes on what a dyno writes to both of its streams, until it closes them.
    pub(super) fn listen_to(&self, child: &mut Child) -> Listening {
        let Some((log, label)) = &self.shared else { return pass_through(child) };
        let last = Last::default();
        let pipes: [Option<Box<dyn Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(last.of(pipe)) as _),
            child.stderr.take().map(|pipe| Box::new(last.of(pipe)) as _),
        ];
        let pass_on = |pipe| {
            let (log, label) = (log.clone(), label.clone());
            std::thread::spawn(move || copy_lines(pipe, &mut |line| log.write(&label, '|', line)))
        };
        Listening { threads: pipes.into_iter().flatten().map(pass_on).collect(), last }
    }
}

/// Passes on what the only dyno writes, where it doesn't have our own streams.
fn pass_through(child: &mut Child) -> Listening {
    let last = Last::default();
    let out = child.stdout.take().map(|pipe| last.of(pipe));
    let err = child.stderr.take().map(|pipe| last.of(pipe));
    let out = out.map(|pipe| std::thread::spawn(move || relay(pipe, io::stdout())));
    let err = err.map(|pipe| std::thread::spawn(move || relay(pipe, io::stderr())));
    Listening { threads: out.into_iter().chain(err).collect(), last }
}

/// The last of what a dyno has written to both of its streams.
#[derive(Debug, Clone, Default)]
struct Last(Arc<Mutex<Vec<u8>>>);

impl Last {
    /// How much is kept, in bytes: a traceback has room in it.
    const MOST: usize = 64 << 10;

    /// Keeps what is read of a stream.
    fn of<R>(&self, stream: R) -> Kept<R> {
        Kept { stream, last: self.clone() }
    }

    fn add(&self, bytes: &[u8]) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        if kept.len() > 2 * Self::MOST {
            let start = kept.len() - Self::MOST;
            kept.drain(..start);
        }
    }

    fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&kept).into_owned()
    }
}

/// A stream whose last bytes are kept.
struct Kept<R> {
    stream: R,
    last: Last,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(bytes)?;
        self.last.add(&bytes[..read]);
        Ok(read)
    }
}

/// The threads that pass on what a dyno writes.
pub(super) struct Listening {
    threads: Vec<JoinHandle<()>>,
    last: Last,
}

impl Listening {
    /// Returns the last of what it has written.
    pub(super) fn last_output(&self) -> String {
        self.last.text()
    }

    /// Waits for the last lines, but not for a process that has escaped with the pipe.
    pub(super) fn drain(&self) {
        let since = Stopwatch::start();
        while self.threads.iter().any(|thread| !thread.is_finished()) && since.elapsed() < DRAIN {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Calls `each` with the lines of a stream, without their ends. A line that is too long comes in pieces.
fn copy_lines(stream: impl Read, each: &mut dyn FnMut(&[u8])) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        let room = (LINE_LIMIT + 1 - line.len()) as u64;
        match reader.by_ref().take(room).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => break,
            Ok(_) => {}
        }
        let whole = line.ends_with(b"\n");
        if whole || line.len() > LINE_LIMIT {
            let rest = if whole { Vec::new() } else { line.split_off(LINE_LIMIT) };
            each(trim_end(&line));
            line = rest;
        }
    }
    if !line.is_empty() {
        each(trim_end(&line));
    }
}

fn trim_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Captured;

    fn lines(bytes: &[u8]) -> Vec<usize> {
        let mut found = Vec::new();
        copy_lines(bytes, &mut |line| found.push(line.len()));
        found
    }

    #[test]
    fn long_lines_are_cut_and_the_last_needs_no_end() {
        let long = vec![b'x'; 25_000];
        for (bytes, expected) in [
            (&b"ab\ncd\r\n\nef"[..], vec![2, 2, 0, 2]),
            (b"", vec![]),
            (&long, vec![10_000, 10_000, 5_000]),
            (&[&long[..10_000], b"\n"].concat(), vec![10_000]),
            (&[&long[..10_001], b"\nab\n"].concat(), vec![10_000, 1, 2]),
        ] {
            assert_eq!(lines(bytes), expected, "{} bytes", bytes.len());
        }
    }

    #[test]
    fn the_lines_of_several_dynos_are_aligned() {
        let captured = Captured::default();
        let log = SharedLog::new(captured.clone(), false, false);
        let output = Output::silent();
        ProcessLog::among(&log, &output, "web.1", 0, 8).say("State changed from starting to up");
        let worker = ProcessLog::among(&log, &output, "worker.1", 1, 8);
        worker.warn(NoticeCode::RunMemoryQuotaExceeded, "Error R14", "Use less.\n\nOr more.");
        log.write(&worker.shared.unwrap().1, '|', b"work");
        let text = captured.text();
        assert!(
            text.starts_with("web.1    > State changed from starting to up\nworker.1 > Error R14\n"),
            "{text}"
        );
        assert!(text.contains("worker.1 > Use less.\nworker.1 > Or more.\nworker.1 | "), "{text}");
        assert!(text.ends_with("work\n"), "{text}");
    }

    #[test]
    fn colours_are_for_labels_and_quiet_is_for_us() {
        let captured = Captured::default();
        let log = SharedLog::new(captured.clone(), true, true);
        let process_log = ProcessLog::among(&log, &Output::silent(), "web.1", 0, 5);
        process_log.say("State changed");
        assert_eq!(captured.text(), "");
        log.write(&process_log.shared.unwrap().1, '|', b"hello");
        assert_eq!(captured.text(), "\u{1b}[36mweb.1 |\u{1b}[0m hello\n");
    }
}
