//! The time that a build has, and the sign of life that it gives while a step is silent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::env::Env;
use crate::error::{ErrorCode, Failure, Result, UserError};
use crate::host::clock::Stopwatch;
use crate::output::Output;

/// The number of SIGTERM: the end of the time is the same to whatever runs.
const TERM: usize = 15;

/// The time that a build has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    /// The most it may take; none for as long as it wants.
    pub limit: Option<Duration>,
    /// How long it may be silent before it says that it is still there.
    pub silence: Duration,
}

impl Default for Deadline {
    /// As on the platform.
    fn default() -> Self {
        Self::of_seconds(15 * 60)
    }
}

impl Deadline {
    /// Makes one of a number of seconds; 0 is no limit.
    pub(crate) fn of_seconds(seconds: u64) -> Self {
        let limit = (seconds > 0).then(|| Duration::from_secs(seconds));
        Self { limit, silence: Duration::from_secs(30) }
    }
}

/// A build that took too long.
#[derive(Debug, thiserror::Error)]
#[error("The build was ended after {}, during this step: {step}", render_time(*.limit))]
struct TookTooLong {
    limit: Duration,
    step: String,
}

impl UserError for TookTooLong {
    fn code(&self) -> ErrorCode {
        ErrorCode::BuildTimeout
    }

    fn detail(&self) -> Option<String> {
        Some(self.step.clone())
    }
}

/// Does the work of a build; ends it, with all the programs that run, once its time is over.
pub(crate) fn within<T>(
    deadline: Deadline,
    env: &Env,
    output: &Output,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let late = AtomicBool::new(false);
    let (running, ended) = mpsc::channel::<()>();
    let result = std::thread::scope(|scope| {
        let late = &late;
        scope.spawn(move || watch(deadline, env, output, late, &ended));
        let result = work();
        drop(running);
        result
    });
    match (result, deadline.limit) {
        (Err(_), Some(limit)) if late.load(Ordering::SeqCst) => {
            let step = output.current_step().unwrap_or_else(|| "the preparation".to_owned());
            Err(Failure::from(TookTooLong { limit, step }))
        }
        (result, _) => result,
    }
}

fn watch(deadline: Deadline, env: &Env, output: &Output, late: &AtomicBool, ended: &mpsc::Receiver<()>) {
    let start = Stopwatch::start();
    let (mut heard, mut silent) = (output.spoken(), Stopwatch::start());
    while ended.recv_timeout(Duration::from_millis(20)) == Err(mpsc::RecvTimeoutError::Timeout) {
        if env.interrupt.signal().is_some() {
            continue;
        }
        if deadline.limit.is_some_and(|limit| start.elapsed() >= limit) {
            late.store(true, Ordering::SeqCst);
            env.interrupt.set(TERM);
            continue;
        }
        if output.spoken() != heard {
            (heard, silent) = (output.spoken(), Stopwatch::start());
        } else if silent.elapsed() >= deadline.silence {
            // Whoever runs builds ends those that say nothing for long.
            output.sign_of_life(&render_time(start.elapsed()));
            (heard, silent) = (output.spoken(), Stopwatch::start());
        }
    }
}

fn render_time(time: Duration) -> String {
    let (minutes, seconds) = (time.as_secs() / 60, time.as_secs() % 60);
    let plural = |number: u64, unit: &str| format!("{number} {unit}{}", if number == 1 { "" } else { "s" });
    match (minutes, seconds) {
        (0, seconds) => plural(seconds, "second"),
        (minutes, 0) => plural(minutes, "minute"),
        (minutes, seconds) => format!("{} {}", plural(minutes, "minute"), plural(seconds, "second")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::error::NoticeCode;
    use crate::host::process::{Invocation, capture};
    use crate::output::Format;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn deadline(limit: u64, silence: u64) -> Deadline {
        Deadline { limit: Some(Duration::from_millis(limit)), silence: Duration::from_millis(silence) }
    }

    fn sleep(seconds: &str, env: &Env, output: &Output) -> Result<()> {
        output.step("Sleeping");
        capture(&Invocation::new("/bin/sleep").arg(seconds), env, output)?;
        Ok(())
    }

    #[test]
    fn a_build_that_takes_too_long_is_ended_and_its_step_named() {
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let late = within(deadline(100, 60_000), &env, &output, || sleep("600", &env, &output)).unwrap_err();
        assert_eq!(late.code(), ErrorCode::BuildTimeout);
        assert_eq!(late.to_string(), "The build was ended after 0 seconds, during this step: Sleeping");
        let env = Env::for_tests(&[]);
        within(deadline(600_000, 60_000), &env, &output, || sleep("0", &env, &output)).unwrap();
        within(Deadline::of_seconds(0), &env, &output, || sleep("0", &env, &output)).unwrap();
    }

    #[test]
    fn the_users_own_signal_is_not_taken_for_the_end_of_the_time() {
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        env.interrupt.set(2);
        let ended = within(deadline(600_000, 60_000), &env, &output, || sleep("600", &env, &output));
        assert_eq!(ended.unwrap_err().code(), ErrorCode::Interrupted);
    }

    #[test]
    fn a_silent_step_gives_a_sign_of_life() {
        let log = Log::default();
        let (env, output) = (Env::for_tests(&[]), Output::to_sink(log.clone(), Format::Text));
        within(deadline(600_000, 100), &env, &output, || sleep("0.5", &env, &output)).unwrap();
        let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        assert!(text.starts_with("-----> Sleeping\n       Still working (0 seconds)\n"), "{text}");
    }

    // T11
    #[test]
    fn what_is_said_is_followed_by_no_sign_of_life_before_the_error() {
        type Say = fn(&Output);
        let says: [(&str, Say); 4] = [
            ("a line of a program", |output| output.program_line("python", "Traceback")),
            ("a detail", |output| output.detail("a detail")),
            ("a step", |output| output.step("a step")),
            ("a warning", |output| output.warning(NoticeCode::SourceNotCommitted, "a warning")),
        ];
        for (what, say) in says {
            let log = Log::default();
            let (env, output) = (Env::for_tests(&[]), Output::to_sink(log.clone(), Format::Text));
            // It takes longer than the longest silence, and is never silent for so long.
            let failed = within(deadline(600_000, 1_000), &env, &output, || {
                for _ in 0..5 {
                    std::thread::sleep(Duration::from_millis(300));
                    say(&output);
                }
                Err::<(), _>(TookTooLong { limit: Duration::ZERO, step: String::new() }.into())
            });
            assert!(failed.is_err());
            let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
            assert!(!text.contains("Still working") && !text.is_empty(), "{what}: {text}");
        }
    }

    #[test]
    fn times_are_told_as_people_do() {
        for (seconds, expected) in
            [(1, "1 second"), (60, "1 minute"), (900, "15 minutes"), (90, "1 minute 30 seconds")]
        {
            assert_eq!(render_time(Duration::from_secs(seconds)), expected);
        }
    }
}
