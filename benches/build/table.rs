//! The results as Markdown, with what they are to be beside them.
//!
//! The benchmark writes the table itself: it knows the targets, what was skipped and why, and a script would have to
//! find all that in text again.

use std::fmt::Write;

use crate::apps::App;
use crate::baselines::Baselines;
use crate::measure::{Best, Taken};
use crate::scenarios::{First, Scenarios};
use crate::startup::Startup;

/// At most so much memory for the large app.
const MEMORY: u64 = 200_000_000;

/// At most so much of the first `bin/compile`, in percent.
const RECOMPILE: f64 = 3.0;

/// At most so much more than `/bin/true`, in milliseconds.
const STARTUP: f64 = 3.0;

/// One row: what was done, what it took, what it is compared with, and what each ratio is to be at least.
struct Row<'a> {
    name: &'a str,
    best: Best,
    pip: Option<f64>,
    uv: (Taken, Option<f64>),
}

/// Renders the table of one app.
pub(crate) fn of_app(app: &App, rounds: usize, scenarios: &Scenarios<'_>, by_hand: &Baselines<'_>) -> String {
    let first = scenarios.first.as_ref().expect("something was built");
    let First { python, other_python, .. } = first;
    let replaced = other_python.as_ref().map(|other| format!("another Python ({other} for {python})"));
    let (cold, warm) = (by_hand.cold_uv_and_pigz(), by_hand.warm_uv_and_pigz());
    let rebuild = (warm, Some(5.0));
    let packer = by_hand.packer;
    let pip = by_hand.pip_and_tar();

    let mut text = String::new();
    let mut line = |written: String| writeln!(text, "{written}").expect("text can always be written");
    line(format!("### {}\n", app.title));
    line(format!(
        "Python {python}, {} cores, best of {rounds}. The slug has {} files of {:.0} MB, {:.1} MB compressed: {:.3} of \
         what `tar czf` makes.\n",
        std::thread::available_parallelism().map_or(1, usize::from),
        first.files,
        first.uncompressed_size as f64 / 1e6,
        first.size as f64 / 1e6,
        first.size as f64 / by_hand.packed as f64,
    ));
    line(format!(
        "| what happens | seconds | CPU seconds | peak memory | against pip + tar | against uv + {packer} |"
    ));
    line("|---|---|---|---|---|---|".to_owned());
    let rows = [
        Row {
            name: "empty store",
            best: scenarios.cold,
            pip: app.is_medium.then_some(4.0),
            uv: (cold, Some(1.3)),
        },
        Row {
            name: "empty store, everything downloaded",
            best: scenarios.downloaded,
            pip: None,
            uv: (warm, None),
        },
        Row { name: "nothing changed", best: scenarios.unchanged, pip: Some(50.0), uv: rebuild },
        Row { name: "one line of the app changed", best: scenarios.line, pip: Some(40.0), uv: rebuild },
        Row { name: "one dependency added", best: scenarios.added, pip: Some(8.0), uv: rebuild },
        Row { name: "one dependency upgraded", best: scenarios.upgraded, pip: None, uv: rebuild },
        Row {
            name: replaced.as_deref().unwrap_or("another Python"),
            best: scenarios.python,
            pip: None,
            uv: (warm, None),
        },
    ];
    for row in &rows {
        line(row.render(pip, app.is_large));
    }
    let compile = scenarios.compile.0.expect("it was compiled");
    let again = scenarios.recompile.0.expect("it was compiled");
    line(format!("| `bin/compile`, empty cache | {} | | |", seconds(compile, app.is_large)));
    let percent = 100.0 * again.time.as_secs_f64() / compile.time.as_secs_f64();
    let verdict = at_most(&format!("{percent:.1} % of the first"), percent, RECOMPILE, " %");
    line(format!("| `bin/compile` again | {} | {verdict} | |", seconds(again, app.is_large)));
    for (name, best) in [
        ("pip install, warm cache", by_hand.pip),
        ("tar czf", by_hand.gzip),
        ("uv pip install, empty cache", by_hand.uv_cold),
        ("uv pip install, warm cache", by_hand.uv_warm),
        (&*format!("tar, {packer}"), by_hand.pigz),
    ] {
        let Taken { time, cpu, .. } = best.0.expect("it was done in each round");
        line(format!("| by hand: {name} | {:.2} | {:.2} | | | |", time.as_secs_f64(), cpu.as_secs_f64()));
    }
    if other_python.is_none() {
        line("\nThis machine has no other Python that the app could be built with.".to_owned());
    }
    if app.upgrade.is_none() {
        line("\nWhat could be upgraded in this app isn't known, so nothing was.".to_owned());
    }
    if packer != "pigz" {
        line("\npigz isn't installed, so gzip took its place.".to_owned());
    }
    text
}

impl Row<'_> {
    fn render(&self, pip: Taken, is_large: bool) -> String {
        let Some(taken) = self.best.0 else {
            return format!("| {} | skipped | | | | |", self.name);
        };
        let ratio =
            |by_hand: Taken, target| at_least(by_hand.time.as_secs_f64() / taken.time.as_secs_f64(), target);
        format!(
            "| {} | {} | {} | {} |",
            self.name,
            seconds(taken, is_large),
            ratio(pip, self.pip),
            ratio(self.uv.0, self.uv.1)
        )
    }
}

/// Renders the time, the processors' time and the memory of a run.
fn seconds(taken: Taken, is_large: bool) -> String {
    let megabytes = format!("{:.0} MB", taken.peak as f64 / 1e6);
    let memory = if is_large {
        at_most(&megabytes, taken.peak as f64 / 1e6, MEMORY as f64 / 1e6, " MB")
    } else {
        megabytes
    };
    format!("{:.3} | {:.2} | {memory}", taken.time.as_secs_f64(), taken.cpu.as_secs_f64())
}

fn at_least(ratio: f64, target: Option<f64>) -> String {
    match target {
        None => format!("{ratio:.1}"),
        Some(target) if ratio >= target => format!("{ratio:.1} (at least {target})"),
        Some(target) => format!("**{ratio:.1}, missed** (at least {target})"),
    }
}

fn at_most(shown: &str, value: f64, target: f64, unit: &str) -> String {
    if value <= target {
        format!("{shown} (at most {target}{unit})")
    } else {
        format!("**{shown}, missed** (at most {target}{unit})")
    }
}

/// Renders what a start takes.
pub(crate) fn of_startup(startup: &Startup) -> String {
    let milliseconds = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    let (detect, nothing) = (milliseconds(startup.detect), milliseconds(startup.nothing));
    let more = detect - nothing;
    format!(
        "### Start\n\nThe fastest of {} runs in turn.\n\n| `bin/detect` | `/bin/true` | difference |\n|---|---|---|\n\
         | {detect:.2} ms | {nothing:.2} ms | {} |\n",
        startup.runs,
        at_most(&format!("{more:.2} ms"), more, STARTUP, " ms")
    )
}
