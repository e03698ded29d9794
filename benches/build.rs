//! Whole builds against pip and tar, in one run: `cargo bench --bench build [-- DIR]`.
//!
//! Builds the app (the Flask fixture unless a directory is named) cold, with nothing changed and with one line
//! changed, and does by hand what one would do without slugc: `pip install` with a warm cache, then `tar czf` of
//! the same tree. Prints ratios: the machine's speed and load cancel out as far as they can. Needs the package index.

#![allow(clippy::disallowed_methods, clippy::unwrap_used, reason = "a benchmark sets up the world it needs")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const SLUGC: &str = env!("CARGO_BIN_EXE_slugc");
/// The best of so many runs counts.
const RUNS: usize = 5;

fn main() {
    let given = std::env::args().skip(1).find(|argument| !argument.starts_with("--"));
    let fixture = given.map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/flask-getting-started"),
        PathBuf::from,
    );
    let work = tempfile::tempdir().unwrap();
    let app = work.path().join("app");
    must(Command::new("cp").arg("-a").arg(&fixture).arg(&app));
    let (store, slug) = (work.path().join("store"), work.path().join("slug.tgz"));
    let build = || {
        let mut command = Command::new(SLUGC);
        command.arg("build").arg(&app).arg("-o").arg(&slug).env("SLUGC_CACHE_DIR", &store);
        must(&mut command)
    };

    let cold = build();
    let unchanged = best(build);
    let mut round = 0;
    let one_line = best(|| {
        round += 1;
        fs::write(app.join("changed.py"), format!("# {round}\n")).unwrap();
        build()
    });

    let tree = work.path().join("tree");
    fs::create_dir(&tree).unwrap();
    must(Command::new("tar").arg("xzf").arg(&slug).arg("-C").arg(&tree));
    let python = tree.join("app/.heroku/python/bin/python3");
    let pip = || {
        let target = work.path().join("installed");
        let _ = fs::remove_dir_all(&target);
        let mut command = Command::new(&python);
        command.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--root-user-action=ignore",
            "--ignore-installed",
        ]);
        must(
            command
                .arg("--prefix")
                .arg(&target)
                .arg("-r")
                .arg(app.join("requirements.txt"))
                .current_dir(&app),
        )
    };
    // The first one fills pip's cache.
    pip();
    let pip = best(pip);
    let by_hand = work.path().join("by-hand.tgz");
    let tar = best(|| must(Command::new("tar").arg("czf").arg(&by_hand).arg("-C").arg(&tree).arg("./app")));
    let baseline = pip + tar;

    println!("app                              {}", fixture.display());
    println!("slug                             {} bytes", fs::metadata(&slug).unwrap().len());
    println!("size against tar czf             {:.3}", size(&slug) / size(&by_hand));
    println!("pip install (warm) + tar czf     {:.2} s + {:.2} s", pip.as_secs_f64(), tar.as_secs_f64());
    for (name, time) in [("cold build", cold), ("nothing changed", unchanged), ("one line changed", one_line)]
    {
        let ratio = baseline.as_secs_f64() / time.as_secs_f64();
        println!("{name:<33}{:.3} s   {ratio:.1} times faster", time.as_secs_f64());
    }
}

fn best(mut run: impl FnMut() -> Duration) -> Duration {
    (0..RUNS).map(|_| run()).min().unwrap()
}

fn size(path: &Path) -> f64 {
    fs::metadata(path).unwrap().len() as f64
}

fn must(command: &mut Command) -> Duration {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    start.elapsed()
}
