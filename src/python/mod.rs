//! Words of Python: versions, the files that name them, runtimes, requirements and lock files, pip's settings.
//! Parses and compares; whoever calls has read the files.

pub(crate) mod asked;
pub(crate) mod catalogue;
pub(crate) mod distribution;
pub(crate) mod lock_names;
pub(crate) mod locked;
pub(crate) mod pdm;
pub(crate) mod pip_config;
pub(crate) mod pipfile;
pub(crate) mod poetry;
pub(crate) mod pylock;
pub(crate) mod pyproject;
pub(crate) mod requirements;
pub(crate) mod requires_python;
pub(crate) mod supported;
pub(crate) mod uv_lock;
pub(crate) mod uv_paths;
pub(crate) mod version;
pub(crate) mod version_claims;
pub(crate) mod version_file;

pub(crate) mod url;

pub(crate) use version::RequestedVersion;
