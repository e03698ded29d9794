//! The arguments of the commands that make slugc itself: `slugc inventory` and `slugc package`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::build::package::Architecture;

/// `slugc inventory`
#[derive(Debug, Args)]
pub(in crate::cli) struct Inventory {
    /// uv's download-metadata.json; the catalogue is written to standard output
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) from: PathBuf,
}

/// `slugc package`
#[derive(Debug, Args)]
pub(in crate::cli) struct Package {
    /// For which kind of platform
    #[arg(value_enum, value_name = "KIND")]
    pub(in crate::cli) kind: PackageKind,

    /// Write the package to this file
    #[arg(long, short, value_name = "FILE", default_value = "buildpack.tgz")]
    pub(in crate::cli) output: PathBuf,

    /// The slugc to pack, a Linux program for this machine's architecture or that of --arch
    /// [default: the one that is running]
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) program: Option<PathBuf>,

    /// The architecture that the program of --program is for; it is checked [default: this machine's]
    #[arg(long, value_name = "ARCH", requires = "program")]
    pub(in crate::cli) arch: Option<Architecture>,
}

/// A kind of buildpack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum PackageKind {
    // The classic buildpack API: Heroku, Dokku, herokuish. A doc comment would make a second, long form of the help.
    Classic,
}
