//! The sizes of dynos: how much memory they may use, and how many cores they have.

use std::fmt;

/// The size of a dyno.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DynoSize {
    /// Its name, as Heroku has it in small letters.
    pub name: &'static str,
    /// The memory quota in MB (of 2^20 bytes). Above it there are R14 lines in the log.
    pub quota_mb: u64,
    /// At how many percent of the quota a dyno is killed (R15).
    pub kill_percent: u64,
    /// The cores that its processes may use.
    pub cores: usize,
}

const fn size(name: &'static str, quota_mb: u64, kill_percent: u64, cores: usize) -> DynoSize {
    DynoSize { name, quota_mb, kill_percent, cores }
}

impl DynoSize {
    /// Every size, the smallest first.
    pub(crate) const ALL: &[Self] = &[
        size("eco", 512, 200, 8),
        size("basic", 512, 200, 8),
        size("standard-1x", 512, 200, 8),
        size("standard-2x", 1024, 200, 8),
        size("performance-m", 2560, 200, 2),
        size("performance-l", 14336, 200, 8),
        size("performance-l-ram", 30720, 120, 4),
        size("performance-xl", 63488, 120, 8),
        size("performance-2xl", 129_024, 120, 16),
    ];

    /// The size of a dyno if nobody says another.
    pub(crate) const USUAL: Self = Self::ALL[2];

    /// Finds a size by its name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|size| size.name.eq_ignore_ascii_case(name)).copied()
    }

    /// Returns the quota in bytes.
    pub(crate) fn quota(self) -> u64 {
        self.quota_mb << 20
    }

    /// Returns from how many bytes on a dyno is killed.
    pub(crate) fn kill_at(self) -> u64 {
        self.quota() * self.kill_percent / 100
    }
}

impl fmt::Display for DynoSize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, quota_mb, kill_percent: _, cores } = self;
        write!(formatter, "{name} ({quota_mb} MB, up to {cores} cores)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_by_name_and_know_their_limits() {
        for (name, quota, kill_at) in [
            ("eco", 512 << 20, 1024),
            ("Standard-1X", 512 << 20, 1024),
            ("standard-2x", 1 << 30, 2048),
            ("performance-m", 2560 << 20, 5120),
            ("performance-l-ram", 30720 << 20, 36864),
        ] {
            let size = DynoSize::named(name).unwrap();
            assert_eq!((size.quota(), size.kill_at() >> 20), (quota, kill_at), "{name}");
        }
        assert_eq!(DynoSize::named("huge"), None);
        assert_eq!(DynoSize::USUAL.name, "standard-1x");
    }
}
