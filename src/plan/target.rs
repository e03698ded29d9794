//! The machine that packages are installed for.

use std::fmt;

/// What decides which wheels fit and what compilers make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The operating system.
    pub os: &'static str,
    /// The architecture, as in `uname -m`.
    pub arch: String,
    /// The C library and its version, such as `glibc-2.36`.
    pub libc: String,
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { os, arch, libc } = self;
        write!(formatter, "{os}-{arch}-{libc}")
    }
}
