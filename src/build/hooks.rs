//! The app's own programs before and after the build: `bin/pre_compile` and `bin/post_compile`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::context::Context;
use super::steps::Workspace;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::files::{self, FileContext, FileError};
use crate::host::process::{Invocation, RunError, stream};
use crate::plan::steps::{POST_COMPILE, PRE_COMPILE};

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hook {
    /// Before anything is decided: it may write the very files that decide.
    PreCompile,
    /// At the end of the build.
    PostCompile,
}

impl Hook {
    /// Returns where the app has it.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::PreCompile => PRE_COMPILE,
            Self::PostCompile => POST_COMPILE,
        }
    }

    /// Returns the name of what the build tells of it.
    fn field(self) -> &'static str {
        match self {
            Self::PreCompile => "pre_compile_hook",
            Self::PostCompile => "post_compile_hook",
        }
    }
}

/// A hook failed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} was run in the app's directory, with the environment of the build.{}",
    .hook.path(),
    if *.has_carriage_return { CARRIAGE_RETURN } else { "" }
)]
pub(crate) struct HookError {
    hook: Hook,
    has_carriage_return: bool,
    source: RunError,
}

const CARRIAGE_RETURN: &str = " Its first line ends with a carriage return, as on Windows, which becomes a part \
                               of the program's name: save the file with Unix line ends.";

impl UserError for HookError {
    fn code(&self) -> ErrorCode {
        match (&self.source, self.hook) {
            (RunError::Interrupted(interrupted), _) => interrupted.code(),
            (_, Hook::PreCompile) => ErrorCode::PreCompileHook,
            (_, Hook::PostCompile) => ErrorCode::PostCompileHook,
        }
    }

    fn exit_code(&self) -> u8 {
        match &self.source {
            RunError::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

/// Runs a hook if the app has it, in the build directory. Variables that it exports are lost.
pub(super) fn run_hook(hook: Hook, workspace: &Workspace, context: Context<'_>) -> Result<()> {
    let build_dir = &workspace.dir;
    let path = build_dir.join(hook.path());
    context.record.set(hook.field(), path.is_file());
    if !path.is_file() {
        return Ok(());
    }
    context.output.step(format!("Running {} hook", hook.path()));
    make_executable(&path, build_dir)?;
    let first_line = read_first_line(&path)?;
    let invocation = Invocation {
        env: workspace.with_config_vars(),
        ..invocation(&path, &first_line, build_dir, &workspace.vars)
    };
    context.record.time(&format!("{}_duration", hook.field()), || {
        workspace.run(stream, invocation, context).map_err(|source| HookError {
            hook,
            has_carriage_return: first_line.starts_with(b"#!") && first_line.ends_with(b"\r"),
            source,
        })
    })?;
    Ok(())
}

/// A script without `#!` is one for bash: the kernel wouldn't run it, and the C library would give it to `sh`.
fn invocation(
    path: &Path,
    first_line: &[u8],
    build_dir: &Path,
    python_env: &BTreeMap<OsString, OsString>,
) -> Invocation {
    let is_program = [&b"#!"[..], b"\x7fELF"].iter().any(|magic| first_line.starts_with(magic));
    let invocation = match is_program {
        true => Invocation::new(path),
        false => Invocation::new(find_bash(python_env.get(OsStr::new("PATH")))).arg(path),
    };
    invocation.current_dir(build_dir)
}

fn find_bash(path: Option<&OsString>) -> PathBuf {
    path.into_iter()
        .flat_map(std::env::split_paths)
        .filter(|dir| dir.is_absolute())
        .map(|dir| dir.join("bash"))
        .find(|bash| bash.is_file())
        .unwrap_or_else(|| PathBuf::from("/bin/bash"))
}

/// A link may lead out of the build directory, and nothing is changed there.
fn make_executable(path: &Path, build_dir: &Path) -> std::result::Result<(), FileError> {
    let file = path.canonicalize().doing("reading", path)?;
    let mode = fs::metadata(&file).doing("reading", &file)?.permissions().mode() & 0o7777;
    let is_ours = build_dir.canonicalize().is_ok_and(|build_dir| file.starts_with(build_dir));
    if is_ours && mode & 0o111 != 0o111 { files::set_mode(&file, mode | 0o111) } else { Ok(()) }
}

/// Reads the first line, without its `\n`, as far as a kernel would.
fn read_first_line(path: &Path) -> std::result::Result<Vec<u8>, FileError> {
    let mut start = Vec::new();
    File::open(path).and_then(|file| file.take(256).read_to_end(&mut start)).doing("reading", path)?;
    let end = start.iter().position(|byte| *byte == b'\n').unwrap_or(start.len());
    start.truncate(end);
    Ok(start)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::build::config_vars::ConfigVars;
    use crate::build::record::Record;
    use crate::env::Env;
    use crate::output::tests::Captured;
    use crate::output::{Format, Output};
    use crate::store::Store;

    /// Runs `bin/post_compile` in this directory: what was logged, whether it went well, what was noted.
    fn post_compile(build_dir: &Path) -> (String, Result<()>, Record) {
        let cache = tempfile::tempdir().unwrap();
        let (log, record) = (Captured::default(), Record::default());
        let context = Context {
            store: &Store::open(cache.path()).unwrap(),
            env: &Env::for_tests(&[]),
            output: &Output::to_sink(log.clone(), Format::Text),
            record: &record,
        };
        let vars = BTreeMap::from([("PATH".into(), "/usr/bin:/bin".into()), ("A".into(), "build".into())]);
        let mut config_vars = ConfigVars::default();
        config_vars.extend([("A", "config"), ("PATH", "/nowhere")]);
        let workspace = Workspace { dir: build_dir.to_owned(), vars, config_vars, cell: None };
        let result = run_hook(Hook::PostCompile, &workspace, context);
        (log.text(), result, record)
    }

    fn app(hook: &str) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("bin")).unwrap();
        fs::write(dir.path().join("bin/post_compile"), hook).unwrap();
        dir
    }

    #[test]
    fn a_hook_runs_in_the_build_directory_with_both_streams_indented() {
        for line in ["", "#!/bin/sh\n", "#!/usr/bin/env bash\n"] {
            let dir = app(&format!("{line}echo \"out $A $#\"; echo err >&2; touch made; export LOST=1\n"));
            let (log, result, record) = post_compile(dir.path());
            result.unwrap();
            assert!(log.starts_with("-----> Running bin/post_compile hook\n"), "{log}");
            assert!(log.contains("       out config 0\n") && log.contains("       err\n"), "{log}");
            assert!(dir.path().join("made").exists());
            let values = record.to_map();
            assert_eq!(values["post_compile_hook"], true);
            assert!(values["post_compile_hook_duration"].is_f64());
        }
    }

    #[test]
    fn a_script_without_an_interpreter_is_one_for_bash() {
        let dir = app("words=(a b); [[ ${#words[@]} == 2 ]] && echo \"bash ${BASH_VERSION:+yes}\"\n");
        let (log, result, _) = post_compile(dir.path());
        result.unwrap();
        assert!(log.ends_with("       bash yes\n"), "{log}");
        let (_, result, _) = post_compile(app("").path());
        result.unwrap();
    }

    #[test]
    fn no_hook_is_noted_as_such() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("bin/post_compile")).unwrap();
        let (log, result, record) = post_compile(dir.path());
        result.unwrap();
        assert_eq!((log.as_str(), record.to_map().len()), ("", 1));
        assert_eq!(record.to_map()["post_compile_hook"], false);
    }

    #[test]
    fn a_failed_hook_is_not_timed() {
        let (_, result, record) = post_compile(app("exit 7\n").path());
        let failure = result.unwrap_err();
        assert_eq!((failure.code(), failure.exit_code()), (ErrorCode::PostCompileHook, 1));
        assert!(failure.causes()[0].contains("exit code 7"), "{:?}", failure.causes());
        assert_eq!(record.to_map().len(), 1);
    }

    #[test]
    fn only_files_of_the_build_directory_are_made_executable() {
        let outside = tempfile::tempdir().unwrap();
        let file = outside.path().join("script");
        fs::write(&file, "#!/bin/sh\n").unwrap();
        files::set_mode(&file, 0o644).unwrap();
        let dir = app("");
        let hook = dir.path().join("bin/post_compile");
        files::set_mode(&hook, 0o640).unwrap();
        post_compile(dir.path()).1.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&hook), 0o751);
        fs::remove_file(&hook).unwrap();
        symlink(&file, &hook).unwrap();
        post_compile(dir.path()).1.unwrap_err();
        assert_eq!(mode(&file), 0o644);
    }
}
