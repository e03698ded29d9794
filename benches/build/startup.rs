//! How long the packaged buildpack's `bin/detect` takes: platforms ask each buildpack that they have.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::world::{empty, unpack_buildpack};

/// Enough to meet a quiet moment.
const RUNS: usize = 300;

/// The fastest of both.
pub(crate) struct Startup {
    /// `bin/detect` of the Flask fixture.
    pub(crate) detect: Duration,
    /// `/bin/true`.
    pub(crate) nothing: Duration,
    /// How often each was run.
    pub(crate) runs: usize,
}

/// Runs both in turn.
pub(crate) fn measure() -> Startup {
    let work = tempfile::tempdir().unwrap();
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/flask-getting-started");
    empty(&work.path().join("empty"));
    let script = unpack_buildpack(work.path()).join("bin/detect");
    let run = |program: &Path, argument: Option<&Path>| {
        let start = Instant::now();
        let status = Command::new(program).args(argument).stdout(Stdio::null()).status().unwrap();
        let taken = start.elapsed();
        assert!(status.success(), "{}", program.display());
        taken
    };
    let (mut detect, mut nothing) = (Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        detect = detect.min(run(&script, Some(&app)));
        nothing = nothing.min(run(Path::new("/bin/true"), None));
    }
    Startup { detect, nothing, runs: RUNS }
}
