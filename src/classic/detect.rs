//! `bin/detect BUILD_DIR`

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use crate::env::Env;
use crate::error::Failure;
use crate::output::Output;
use crate::plan::detect;

/// Prints `Python` and succeeds, or prints `no` and fails; with a stack set, the reason goes to `errors`.
pub(super) fn run(build_dir: &Path, env: &Env, errors: &Output) -> ExitCode {
    let (mut names, mut dirs) = (BTreeSet::new(), BTreeSet::new());
    for entry in fs::read_dir(build_dir).into_iter().flatten().flatten() {
        let name = entry.file_name().as_bytes().to_vec();
        let Ok(mut file_type) = entry.file_type() else { continue };
        // Links are followed, as they will be by whatever reads the file. Only they cost a question each.
        if file_type.is_symlink() {
            let Ok(metadata) = fs::metadata(entry.path()) else { continue };
            file_type = metadata.file_type();
        }
        if file_type.is_dir() {
            dirs.insert(name.clone());
        }
        names.insert(name);
    }
    let (answer, code) = match detect::detect(&names, &dirs, |path| build_dir.join(path).is_file(), build_dir)
    {
        Ok(()) => ("Python", ExitCode::SUCCESS),
        Err(error) => {
            // A platform that tries several buildpacks sets no stack, and wants no long story.
            if env.var("STACK").is_some() {
                errors.error(&Failure::from(error));
            }
            ("no", ExitCode::FAILURE)
        }
    };
    // A platform that doesn't read the answer has the exit code.
    let _ = writeln!(std::io::stdout(), "{answer}");
    code
}
