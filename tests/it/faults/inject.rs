//! The small C programs by which faults are put below slugc: made once, where there is a compiler.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{has_program, run, skip};

/// Compiles a file beside this one; none if there is no compiler.
fn compile(source: &str, options: &[&str]) -> Option<PathBuf> {
    if !has_program("gcc") {
        skip("there is no gcc, so nothing can be put below the program");
        return None;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/faults").join(source);
    let name = format!("{}-{}", source.file_stem().unwrap().display(), std::process::id());
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut command = Command::new("gcc");
    command.args(["-O1", "-Wall", "-Werror"]).args(options).arg("-o").arg(&made).arg(source);
    run(&mut command).success();
    // So that old ones don't pile up: the newest is enough, and renaming replaces it whole.
    let last = made.with_extension("made");
    let last = last.with_file_name(last.file_name().unwrap().to_str().unwrap().split('-').next().unwrap());
    std::fs::rename(&made, &last).unwrap();
    Some(last)
}

/// Returns the program that lets a write fail; none where it can't work.
pub(super) fn injector() -> Option<&'static Path> {
    static INJECTOR: OnceLock<Option<PathBuf>> = OnceLock::new();
    let injector = INJECTOR.get_or_init(|| {
        let made = compile("inject.c", &[])?;
        let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{}", std::process::id()));
        let works = Command::new(&made).args(["/nowhere", "EIO", "0"]).arg(&report).arg("/bin/true").status();
        let _ = std::fs::remove_file(report);
        if !works.unwrap().success() {
            skip("the kernel doesn't let one program answer another's system calls (seccomp)");
            return None;
        }
        Some(made)
    });
    injector.as_deref()
}

/// Returns the library that shifts the clock of whoever loads it; none where there is no compiler.
pub(super) fn clock() -> Option<&'static Path> {
    static CLOCK: OnceLock<Option<PathBuf>> = OnceLock::new();
    CLOCK.get_or_init(|| compile("clock.c", &["-shared", "-fPIC"])).as_deref()
}

/// Puts the injector before a command: its write of this number below a directory fails.
pub(super) fn inject(
    injector: &Path,
    below: &Path,
    fault: &str,
    number: usize,
    command: &Command,
) -> Command {
    let mut injected = Command::new(injector);
    injected.arg(below).arg(fault).arg(number.to_string()).arg(report_of(below));
    injected.arg(command.get_program()).args(command.get_args());
    injected.env_clear().current_dir(command.get_current_dir().unwrap());
    let vars = command.get_envs().filter_map(|(name, value)| Some((OsString::from(name), value?)));
    injected.envs(vars.map(|(name, value)| (name, value.to_owned())));
    injected
}

/// What the injector says: the call that failed, if it was met.
pub(super) fn hit(below: &Path) -> Option<String> {
    let report = std::fs::read_to_string(report_of(below)).unwrap();
    report.lines().find_map(|line| line.strip_prefix("hit ")).map(str::to_owned)
}

/// How many calls there were.
pub(super) fn count(below: &Path) -> usize {
    let report = std::fs::read_to_string(report_of(below)).unwrap();
    report.lines().find_map(|line| line.strip_prefix("count ")).unwrap().parse().unwrap()
}

/// Beside the directory, as what is written there isn't to be counted.
fn report_of(below: &Path) -> PathBuf {
    below.with_extension("report")
}
