//! Running a program: how long it took, what it cost the processors, and how much memory it had at most.

use std::fs;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What a run took, or the best of several.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taken {
    /// From start to end.
    pub(crate) time: Duration,
    /// Of all processors, with what the program started; to a hundredth of a second.
    pub(crate) cpu: Duration,
    /// The peak of the program's own resident memory in bytes, without that of the programs it started.
    pub(crate) peak: u64,
}

impl Taken {
    /// Takes the better of each; of the memory the worse.
    pub(crate) fn best(self, other: Self) -> Self {
        Self {
            time: self.time.min(other.time),
            cpu: self.cpu.min(other.cpu),
            peak: self.peak.max(other.peak),
        }
    }

    /// Returns what one after the other takes.
    pub(crate) fn then(self, other: Self) -> Self {
        Self { time: self.time + other.time, cpu: self.cpu + other.cpu, peak: self.peak.max(other.peak) }
    }
}

/// The best of the runs so far.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Best(pub(crate) Option<Taken>);

impl Best {
    /// Adds a run.
    pub(crate) fn add(&mut self, taken: Taken) {
        self.0 = Some(self.0.map_or(taken, |best| best.best(taken)));
    }
}

/// Runs a program that has to succeed.
pub(crate) fn must(command: &mut Command) -> Taken {
    let cpu = cpu_of_children();
    let start = Instant::now();
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (id, over) = (child.id(), AtomicBool::new(false));
    let (output, time, peak) = std::thread::scope(|scope| {
        let peak = scope.spawn(|| watch(id, &over));
        let output = child.wait_with_output().unwrap();
        let time = start.elapsed();
        over.store(true, Ordering::Relaxed);
        (output, time, peak.join().unwrap())
    });
    let text = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&text));
    Taken { time, cpu: cpu_of_children().saturating_sub(cpu), peak }
}

/// Reads the kernel's high-water mark again and again: it is gone when the program has ended. What was reached in the
/// last milliseconds isn't seen.
fn watch(id: u32, over: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !over.load(Ordering::Relaxed) {
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
        let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes: Option<u64> = mark.and_then(|mark| mark.trim().trim_end_matches(" kB").parse().ok());
        peak = peak.max(kilobytes.unwrap_or_default() * 1024);
        std::thread::sleep(Duration::from_millis(3));
    }
    peak
}

/// Returns what the programs that this process has started and that have ended took of the processors.
fn cpu_of_children() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the name, which may hold blanks, user and system time of children are the 14th and 15th field.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    let ticks: u64 = fields.skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    // The kernel counts in hundredths there, on every machine.
    Duration::from_millis(ticks * 10)
}
