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
    /// The most processes and threads that it may have at once.
    pub processes: u64,
}

const fn size(
    name: &'static str,
    quota_mb: u64,
    kill_percent: u64,
    cores: usize,
    processes: u64,
) -> DynoSize {
    DynoSize { name, quota_mb, kill_percent, cores, processes }
}

impl DynoSize {
    /// Every size, the smallest first.
    pub(crate) const ALL: &[Self] = &[
        size("eco", 512, 200, 8, 256),
        size("basic", 512, 200, 8, 256),
        size("standard-1x", 512, 200, 8, 256),
        size("standard-2x", 1024, 200, 8, 512),
        size("performance-m", 2560, 200, 2, 16_384),
        size("performance-l", 14336, 200, 8, 32_768),
        size("performance-l-ram", 30720, 120, 4, 32_768),
        size("performance-xl", 63488, 120, 8, 32_768),
        size("performance-2xl", 129_024, 120, 16, 32_768),
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
        let Self { name, quota_mb, kill_percent: _, cores, processes: _ } = self;
        write!(formatter, "{name} ({quota_mb} MB, up to {cores} cores)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_found_by_name_and_know_their_limits() {
        for (name, quota, kill_at, processes) in [
            ("eco", 512 << 20, 1024, 256),
            ("Standard-1X", 512 << 20, 1024, 256),
            ("standard-2x", 1 << 30, 2048, 512),
            ("performance-m", 2560 << 20, 5120, 16_384),
            ("performance-l-ram", 30720 << 20, 36864, 32_768),
        ] {
            let size = DynoSize::named(name).unwrap();
            let limits = (size.quota(), size.kill_at() >> 20, size.processes);
            assert_eq!(limits, (quota, kill_at, processes), "{name}");
        }
        assert_eq!(DynoSize::named("huge"), None);
        assert_eq!(DynoSize::USUAL.name, "standard-1x");
    }
}
