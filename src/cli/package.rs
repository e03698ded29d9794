//! `slugc package`

use super::args::{Package, PackageKind};
use super::replace::{Written, check_replaceable};
use crate::build::package::{Architecture, PackageError, Program, package_classic};
use crate::env::Env;
use crate::error::Result;
use crate::output::Output;

/// Writes the buildpack and says what it runs on.
pub(super) fn run(arguments: &Package, env: &Env, output: &Output) -> Result<u8> {
    let file = env.absolute(&arguments.output);
    check_replaceable(&file, Written::Buildpack)?;
    let program = match &arguments.program {
        None => Program::Running,
        Some(path) => {
            let here = Architecture::of_this_program();
            let architecture = arguments.arch.or(here).ok_or(PackageError::OtherArchitecture)?;
            Program::File(env.absolute(path), architecture)
        }
    };
    let package = match arguments.kind {
        PackageKind::Classic => {
            output.step("Packaging the classic buildpack");
            package_classic(&program, &file, env)?
        }
    };
    let needs = match package.needs_glibc {
        Some(version) => format!("with glibc {version} or newer"),
        None => "with any C library: the program is static".to_owned(),
    };
    output.detail(format!("For Linux on {}, {needs}", package.architecture.name()));
    output.detail(format!("{} bytes, SHA256:{}", package.size, package.sha256));
    super::print_result(&format!("{}\n", file.display()))?;
    Ok(0)
}
