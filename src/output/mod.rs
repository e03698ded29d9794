//! What the program says while it works: steps, details, reports or boxes, progress bars; or one JSON event a line.

mod event;
mod progress;
mod report;
mod shell;
mod text;
mod wrap;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use event::Counters;
pub(crate) use event::Event;
pub(crate) use progress::Progress;
pub(crate) use report::Report;
pub(crate) use shell::shell_quote;

use crate::env::Env;
use crate::error::escape::escape;
use crate::error::{Door, ErrorCode, Failure, MessageCode, NoticeText};

/// How the build log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// Heroku's style: `-----> step`, details indented by seven spaces; reports on the command line, boxes with ` !     `
    /// in the classic buildpack.
    #[default]
    Text,
    /// One JSON object a line, on standard output.
    Json,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or `TERM` is `dumb`; or when `FORCE_COLOR` or
    /// `CLICOLOR_FORCE` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Returns whether colours are used on a stream.
    pub fn is_on(self, is_terminal: bool, env: &Env) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if env.var("NO_COLOR").is_some() => false,
            Self::Auto if env.is_on("FORCE_COLOR") || env.is_on("CLICOLOR_FORCE") => true,
            Self::Auto => is_terminal && !is_dumb(env),
        }
    }
}

fn is_dumb(env: &Env) -> bool {
    env.text("TERM") == Some("dumb")
}

/// Where the build log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output, as the classic buildpack does.
    Stdout,
    /// Standard error, so that standard output is free for the result.
    Stderr,
}

/// How an [`Output`] is made.
#[derive(Debug, Clone, Copy)]
pub struct OutputOptions {
    /// Text or JSON.
    pub format: Format,
    /// When colours are used.
    pub color: ColorChoice,
    /// Whether only warnings and errors are written.
    pub quiet: bool,
    /// Whether the command lines of programs are shown, and warnings in full.
    pub verbose: bool,
    /// Where text goes. JSON always goes to standard output.
    pub stream: Stream,
    /// Where the user stands.
    pub door: Door,
}

/// The one voice of the program. Clones speak through the same mouth, line by line.
#[derive(Clone)]
pub struct Output(Arc<Mutex<Inner>>);

struct Inner {
    sink: Box<dyn Write + Send>,
    format: Format,
    color: bool,
    quiet: bool,
    door: Door,
    /// Whether the command lines of programs are shown, and warnings in full.
    verbose: bool,
    /// Whether a warning had more to say than was shown.
    has_more_to_say: bool,
    /// Whether anything was written.
    has_written: bool,
    bars: Option<indicatif::MultiProgress>,
    /// How many columns a line may have.
    width: usize,
    counters: Counters,
    /// The step that began last.
    step: Option<String>,
    /// How many events there were.
    spoken: u64,
    /// The last details that weren't shown because of `quiet`: an error makes them worth showing.
    unheard: VecDeque<String>,
}

/// How many details are kept for an error.
const UNHEARD: usize = 100;

impl Output {
    /// Makes the output of a command.
    pub fn new(options: OutputOptions, env: &Env) -> Self {
        let OutputOptions { format, color, quiet, verbose, stream, door } = options;
        let to_stdout = format == Format::Json || stream == Stream::Stdout;
        let is_terminal = if to_stdout { env.stdout_is_terminal } else { env.stderr_is_terminal };
        let dumb = is_dumb(env);
        let color = color.is_on(is_terminal, env);
        let bars =
            format == Format::Text && !quiet && env.stderr_is_terminal && !dumb && env.var("CI").is_none();
        Self(Arc::new(Mutex::new(Inner {
            sink: if to_stdout { Box::new(io::stdout()) } else { Box::new(io::stderr()) },
            format,
            color: color && format == Format::Text,
            quiet,
            door,
            verbose,
            has_more_to_say: false,
            has_written: false,
            bars: bars.then(indicatif::MultiProgress::new),
            width: Env::width(if to_stdout { env.stdout_columns } else { env.stderr_columns }),
            counters: Counters::default(),
            step: None,
            spoken: 0,
            unheard: VecDeque::new(),
        })))
    }

    /// Makes an output that writes to any sink, without colours or bars.
    pub fn to_sink(sink: impl Write + Send + 'static, format: Format) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            sink: Box::new(sink),
            format,
            color: false,
            quiet: false,
            door: Door::default(),
            verbose: false,
            has_more_to_say: false,
            has_written: false,
            bars: None,
            width: Env::WIDTH,
            counters: Counters::default(),
            step: None,
            spoken: 0,
            unheard: VecDeque::new(),
        })))
    }

    /// Makes an output that says nothing, for tests and for callers that only want the result.
    pub fn silent() -> Self {
        Self::to_sink(io::sink(), Format::Text)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a step of the work begins: `-----> text`.
    pub fn step(&self, text: impl AsRef<str>) {
        self.event(Event::Step { text: text.as_ref().to_owned() });
    }

    /// Says something within a step: indented by seven spaces.
    pub fn detail(&self, text: impl AsRef<str>) {
        self.event(Event::Detail { text: text.as_ref().to_owned(), program: None, is_prose: true });
    }

    /// Passes on a line that a program wrote, which looks as a detail does.
    pub fn program_line(&self, program: &str, text: impl Into<String>) {
        self.event(Event::Detail { text: text.into(), program: Some(program.to_owned()), is_prose: false });
    }

    /// Says something that is to be pasted, or compared: it looks as a detail does, and is never wrapped.
    pub(crate) fn verbatim(&self, text: impl Into<String>) {
        self.event(Event::Detail { text: text.into(), program: None, is_prose: false });
    }

    /// Tells the user something worth knowing.
    pub(crate) fn notice(&self, code: impl Into<MessageCode>, text: impl Into<NoticeText>) {
        self.event(Event::Notice { id: code.into().id(), text: text.into() });
    }

    /// Tells the user what will go wrong one day.
    pub fn warning(&self, code: impl Into<MessageCode>, text: impl Into<NoticeText>) {
        self.event(Event::Warning { id: code.into().id(), text: text.into() });
    }

    /// Tells the user why the work failed and what to do.
    pub fn error(&self, failure: &Failure) {
        // What the user has stopped needs no explanation.
        if failure.code() == ErrorCode::Interrupted {
            self.inner().unheard.clear();
        }
        let (door, rendered) = {
            let inner = self.inner();
            (inner.door, inner.render_failure(failure))
        };
        self.event(Event::error(failure, door, rendered));
    }

    /// Reports something that happened: shown in the log where a reader wants it, always in the JSON events.
    pub fn event(&self, event: Event) {
        let inner = &mut *self.inner();
        inner.counters.count(&event);
        inner.spoken += 1;
        if let Event::Step { text } = &event {
            inner.step = Some(text.clone());
        }
        match inner.format {
            Format::Json => {
                let line = serde_json::to_string(&event).unwrap_or_default();
                inner.write(format!("{}\n", escape(&line)).as_bytes());
            }
            Format::Text => {
                if inner.quiet {
                    inner.keep_unheard(&event);
                }
                if let Some(text) = inner.text_of(&event) {
                    inner.write(text.as_bytes());
                }
            }
        }
    }

    /// Has the command line of each program that is run shown from now on.
    pub fn trace_programs(&self) {
        self.inner().verbose = true;
    }

    /// Returns whether a warning had more to say than was shown.
    pub(crate) fn has_more_to_say(&self) -> bool {
        self.inner().has_more_to_say
    }

    /// Shows a command line, if they are to be shown. It must be free of secrets.
    pub fn trace(&self, command_line: impl FnOnce() -> String) {
        if self.inner().verbose {
            self.verbatim(format!("+ {}", command_line()));
        }
    }

    /// Returns where the user stands.
    pub fn door(&self) -> Door {
        self.inner().door
    }

    /// Returns whether only warnings and errors are written.
    pub fn is_quiet(&self) -> bool {
        self.inner().quiet
    }

    /// Returns how often what has happened so far.
    pub fn counters(&self) -> Counters {
        self.inner().counters.clone()
    }

    /// Returns the step that began last.
    pub fn current_step(&self) -> Option<String> {
        self.inner().step.clone()
    }

    /// Returns a number that changes whenever something is said.
    pub fn spoken(&self) -> u64 {
        self.inner().spoken
    }

    /// Says that the work goes on, which has taken so long until now. A progress bar says it better.
    pub fn sign_of_life(&self, time: &str) {
        let has_bars = self.inner().bars.is_some();
        if !has_bars {
            self.detail(format!("Still working ({time})"));
        }
    }

    /// Starts a progress bar for work of this many units (bytes unless the label says otherwise). It shows
    /// on a terminal only, and is gone when it is dropped.
    pub fn progress(&self, label: &str, total: Option<u64>) -> Progress {
        Progress::start(self.inner().bars.as_ref(), label, total)
    }
}

impl Inner {
    fn keep_unheard(&mut self, event: &Event) {
        match event {
            Event::Step { .. } => self.unheard.clear(),
            Event::Detail { text, .. } => {
                if self.unheard.len() == UNHEARD {
                    self.unheard.pop_front();
                }
                self.unheard.push_back(text.clone());
            }
            _ => {}
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.has_written |= !bytes.is_empty();
        let sink = &mut self.sink;
        // A reader that has gone away (`slugc … | head`, a closed terminal) doesn't stop a build.
        let mut write = || {
            let _ = sink.write_all(bytes).and_then(|()| sink.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::error::NoticeCode;

    /// A sink whose content a test can read.
    #[derive(Clone, Default)]
    pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_log_is_in_herokus_style() {
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Text);
        output.inner().door = Door::Buildpack;
        output.step("Installing Python 3.14.7");
        output.detail("Downloading");
        output.warning(
            NoticeCode::RunExitTimeout,
            NoticeText::from("Look out.").with_more("Second paragraph."),
        );
        assert_eq!(
            log.text(),
            "-----> Installing Python 3.14.7\n       Downloading\n\n !     Warning: Look out.\n !\n !     Second paragraph.\n\n"
        );
    }

    // T02, T14
    #[test]
    fn the_command_line_has_one_voice() {
        let told = |verbose| {
            let log = Captured::default();
            let output = Output::to_sink(log.clone(), Format::Text);
            output.inner().verbose = verbose;
            let text = NoticeText::from("Look out:\n- here\n- there").with_more("Look better.");
            output.warning(NoticeCode::RunExitTimeout, text);
            output.notice(NoticeCode::RunScratchLeft, "It is left.");
            assert_eq!(output.has_more_to_say(), !verbose);
            log.text()
        };
        let short = "warning[run::exit-timeout]: Look out:\n  - here\n  - there\nnote[run::scratch-left]: It is left.\n";
        assert_eq!(told(false), short);
        assert_eq!(told(true), short.replace("there\n", "there\n  = Look better.\n"));
        // What is written for programs is whole.
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Json);
        output.warning(NoticeCode::RunExitTimeout, NoticeText::from("Look out.").with_more("Look better."));
        let event: serde_json::Value = serde_json::from_str(&log.text()).unwrap();
        assert_eq!(event["text"], "Look out.\n\nLook better.");
    }

    #[test]
    fn a_quiet_log_shows_the_details_of_the_step_that_failed() {
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Text);
        output.inner().quiet = true;
        output.step("First");
        output.detail("fine");
        output.step("Second");
        output.detail("what the installer says");
        assert_eq!(log.text(), "");
        #[derive(Debug, thiserror::Error)]
        #[error("It ended.")]
        struct Failed;
        impl crate::error::UserError for Failed {
            fn code(&self) -> ErrorCode {
                ErrorCode::GitFailed
            }
        }
        output.error(&Failed.into());
        assert!(
            log.text().starts_with("       what the installer says\n\nerror[source::git-failed]: "),
            "{}",
            log.text()
        );
        output.step("Third");
        output.detail("what it says then");
        output.error(&Failure::from(crate::env::Interrupted { signal: 2 }));
        assert!(!log.text().contains("what it says then"), "{}", log.text());
    }

    // S07
    #[test]
    fn nothing_that_is_written_does_anything_to_a_terminal_or_a_ci() {
        const FOREIGN: &str = "x\n::error file=app.py::INJECTED\n\u{1b}]0;title\u{7}\u{9b}2J\u{202e}\r##[x]";
        let events = || {
            [
                Event::Step { text: FOREIGN.into() },
                Event::Detail { text: FOREIGN.into(), program: None, is_prose: true },
                Event::Notice { id: "x", text: FOREIGN.into() },
                Event::Warning { id: "x", text: FOREIGN.into() },
            ]
        };
        let is_bad = |letter: char| letter.is_control() && letter != '\n' || letter == '\u{202e}';
        for event in events() {
            let log = Captured::default();
            Output::to_sink(log.clone(), Format::Text).event(event.clone());
            let text = log.text();
            let is_command =
                |line: &str| line.trim_start().starts_with("::") || line.trim_start().starts_with("##[");
            assert!(!text.contains(is_bad), "{text:?}");
            assert!(!text.lines().any(is_command), "{text}");
            let margins = ["-----> ", "       ", "note[x]: ", "warning[x]: ", "  "];
            assert!(
                text.lines()
                    .all(|line| line.is_empty() || margins.iter().any(|margin| line.starts_with(margin))),
                "{text}"
            );
            let log = Captured::default();
            Output::to_sink(log.clone(), Format::Json).event(event);
            assert!(!log.text().contains(is_bad) && log.text().lines().count() == 1, "{}", log.text());
            let parsed: serde_json::Value = serde_json::from_str(&log.text()).unwrap();
            assert_eq!(parsed["text"], FOREIGN);
        }
    }

    // T04
    #[test]
    fn a_box_is_as_wide_as_the_terminal() {
        let words = "word ".repeat(60);
        let text = format!(
            "{}\n  an indented line stays as it is, however long it may be, as it may be pasted",
            words.trim()
        );
        for (columns, widest) in
            [(None, 79), (Some(40), 39), (Some(20), 19), (Some(5), 19), (Some(90), 89), (Some(300), 99)]
        {
            let log = Captured::default();
            let output = Output::to_sink(log.clone(), Format::Text);
            let mut env = Env::for_tests(&[]);
            env.stderr_columns = columns;
            output.inner().width = Env::width(columns);
            output.warning(NoticeCode::RunExitTimeout, &text);
            let shown = log.text();
            let prose = shown.lines().filter(|line| line.contains("word")).map(str::len).max().unwrap();
            assert!(prose <= widest && prose + 5 > widest, "{columns:?}: {shown}");
            assert!(shown.contains("however long it may be, as it may be pasted"), "{columns:?}: {shown}");
        }
    }

    // T07
    #[test]
    fn colours_can_be_forced_and_forbidden() {
        for (vars, is_terminal, expected) in [
            (&[][..], true, true),
            (&[], false, false),
            (&[("FORCE_COLOR", "1")], false, true),
            (&[("FORCE_COLOR", "3")], false, true),
            (&[("FORCE_COLOR", "0")], false, false),
            (&[("FORCE_COLOR", "")], false, false),
            (&[("CLICOLOR_FORCE", "1")], false, true),
            (&[("FORCE_COLOR", "1"), ("TERM", "dumb")], true, true),
            (&[("FORCE_COLOR", "1"), ("NO_COLOR", "1")], true, false),
            (&[("TERM", "dumb")], true, false),
        ] {
            let env = Env::for_tests(vars);
            assert_eq!(ColorChoice::Auto.is_on(is_terminal, &env), expected, "{vars:?} {is_terminal}");
        }
    }

    #[test]
    fn json_is_one_event_a_line() {
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Json);
        output.step("a\nb");
        output.event(Event::ProcessStarted { program: "uv".into() });
        assert_eq!(
            log.text(),
            "{\"event\":\"step\",\"text\":\"a\\nb\"}\n{\"event\":\"process_started\",\"program\":\"uv\"}\n"
        );
        assert_eq!(output.counters().processes, 1);
    }
}
