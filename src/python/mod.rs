//! Words of Python: versions, the files that name them, runtimes, requirements and lock files, pip's settings.
//! Parses and compares; whoever calls has read the files.

pub mod catalogue;
pub mod distribution;
pub mod locked;
pub mod pdm;
pub mod pip_config;
pub mod pipfile;
pub mod poetry;
pub mod pyproject;
pub mod requirements;
pub mod requires_python;
pub mod supported;
pub mod version;
pub mod version_file;

pub(crate) mod url;

pub use version::{PythonVersion, RequestedVersion, VersionOrigin};
