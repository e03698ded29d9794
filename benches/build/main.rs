//! Whole builds against what one would do by hand, in one run: `cargo bench --bench build [-- APP… [--runs N]]`.
//!
//! An app is `s` (the Flask fixture, the default), `m` or `l` (generated), or a directory with a requirements.txt;
//! `--all` means `s m l`. What counts are ratios: runs of slugc and by hand take turns, so the machine's speed and
//! load cancel out as far as they can. Prints one table, as Markdown. Needs the package index.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark sets up the world it needs")]

mod apps;
mod baselines;
mod measure;
mod scenarios;
mod startup;
mod table;
mod world;

use apps::App;
use baselines::Baselines;
use scenarios::Scenarios;

const USAGE: &str = "cargo bench --bench build [-- [s] [m] [l] [DIR…] [--all] [--runs N]]";

fn main() {
    let (names, runs) = parse(std::env::args().skip(1));
    let (mut tables, mut kept) = (Vec::new(), Vec::new());
    for name in names {
        let work = tempfile::tempdir().unwrap();
        let app = App::make(&name, work.path());
        let rounds = runs.unwrap_or(app.runs);
        let mut scenarios = Scenarios::new(&app, work.path());
        let mut baselines = None;
        for round in 1..=rounds {
            eprintln!("{name}: round {round} of {rounds}");
            scenarios.cold();
            let by_hand = baselines.get_or_insert_with(|| Baselines::new(&app, &scenarios, work.path()));
            by_hand.with_an_empty_cache();
            scenarios.with_downloads();
            by_hand.with_a_warm_cache();
            scenarios.rebuilds();
            scenarios.classic();
        }
        let baselines = baselines.expect("there is at least one round");
        tables.push(table::of_app(&app, rounds, &scenarios, &baselines));
        // Deleted at the end, as `world::set_aside` says.
        kept.push(work);
    }
    world::delete_what_is_aside();
    let startup = startup::measure();
    println!("\n{}\n{}", tables.join("\n"), table::of_startup(&startup));
}

/// Returns the apps, and how often everything is done if that was said.
fn parse(mut arguments: impl Iterator<Item = String>) -> (Vec<String>, Option<usize>) {
    let (mut names, mut runs) = (Vec::new(), None);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // cargo adds it.
            "--bench" => {}
            "--all" => names.extend(["s", "m", "l"].map(str::to_owned)),
            "--runs" => {
                let number = arguments.next().and_then(|number| number.parse().ok());
                runs = Some(number.filter(|number| *number > 0).expect(USAGE));
            }
            option if option.starts_with('-') => panic!("{USAGE}"),
            _ => names.push(argument),
        }
    }
    if names.is_empty() {
        names.push("s".to_owned());
    }
    (names, runs)
}
