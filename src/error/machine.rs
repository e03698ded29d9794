//! What is wrong with the machine, where it looks as if something else were: a full disk, a file system that runs no
//! programs, a machine without /proc.

use std::error::Error;
use std::io;

use indoc::indoc;

/// A cause that has nothing to do with what failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MachineFault {
    /// There is no room.
    #[error("No space is left on the disk.")]
    Full,
    /// Programs can't be run from there.
    #[error("Its file system is mounted with `noexec`, so no program can be run from there.")]
    NoExec,
    /// The kernel can't be asked.
    #[error("/proc isn't mounted, and programs look there for their own place.")]
    NoProc,
}

impl MachineFault {
    /// Finds such a cause among those of an error.
    pub(crate) fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(fault) = error.downcast_ref::<Self>() {
                return Some(*fault);
            }
            if let Some(error) = error.downcast_ref::<io::Error>() {
                let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Self>());
                let is_full =
                    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
                if let Some(fault) = inner.copied().or(is_full.then_some(Self::Full)) {
                    return Some(fault);
                }
            }
            next = error.source();
        }
        // The words of a program, as the C library and slugc itself have them.
        let noexec = Self::NoExec.to_string();
        let known = [
            ("No space left on device", Self::Full),
            ("Disk quota exceeded", Self::Full),
            (noexec.as_str(), Self::NoExec),
        ];
        let mut next = Some(error);
        while let Some(error) = next {
            let words = error.to_string();
            if let Some((_, fault)) = known.iter().find(|(known, _)| words.contains(known)) {
                return Some(*fault);
            }
            next = error.source();
        }
        None
    }

    /// Says what to do.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Self::Full => indoc! {"
                Make room on that disk: `slugc cache prune --all` removes what builds
                keep. The store, which SLUGC_CACHE_DIR names, and TMPDIR can be on
                another one.
            "},
            Self::NoExec => indoc! {"
                Keep the store where programs can be run: set SLUGC_CACHE_DIR to
                another directory, or mount this file system without `noexec`.
            "},
            Self::NoProc => indoc! {"
                Mount it: `mount -t proc proc /proc`. In a chroot, do that below
                its own root.
            "},
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: Option<io::Error>,
    }

    // B18
    #[test]
    fn the_true_cause_is_found_wherever_it_is() {
        let of = |text, source| MachineFault::of(&Outer { text, source });
        let code = |errno: rustix::io::Errno| Some(io::Error::from_raw_os_error(errno.raw_os_error()));
        for (text, source, expected) in [
            ("writing failed", code(rustix::io::Errno::NOSPC), Some(MachineFault::Full)),
            ("writing failed", code(rustix::io::Errno::DQUOT), Some(MachineFault::Full)),
            ("writing failed", code(rustix::io::Errno::ACCESS), None),
            ("python3 ended: [Errno 28] No space left on device", None, Some(MachineFault::Full)),
            ("uv ended: Disk quota exceeded (os error 122)", None, Some(MachineFault::Full)),
            (
                "python3 couldn't be started",
                Some(io::Error::other(MachineFault::NoExec)),
                Some(MachineFault::NoExec),
            ),
            (
                "python3 couldn't be started",
                Some(io::Error::other(MachineFault::NoProc)),
                Some(MachineFault::NoProc),
            ),
            (
                "x couldn't be started: Its file system is mounted with `noexec`, so no program can be run from there.",
                None,
                Some(MachineFault::NoExec),
            ),
            ("python3 couldn't be started", None, None),
            ("there is enough space", Some(io::Error::other("space")), None),
        ] {
            assert_eq!(of(text, source), expected, "{text}");
        }
    }
}
