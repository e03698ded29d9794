//! How much memory a dyno uses: what its control group says where one can be made, else what the kernel says of
//! each process. Files that the kernel keeps in memory don't count, as R15 on Heroku doesn't count them, and
//! here the same file may have been read by the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::size::DynoSize;
use crate::host::clock::Stopwatch;
use crate::host::files;
use crate::host::process::Invocation;

/// How often a dyno over its quota is told of in the log, as on Heroku.
const REPEAT_EVERY: Duration = Duration::from_secs(20);

/// How the names of dynos' control groups begin.
const GROUP_PREFIX: &str = "slugc-";

/// What a dyno's use of memory comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing to say.
    Fine,
    /// It is over its quota (R14): to be said now.
    Exceeded(String),
    /// It is so far over its quota that it is ended (R15).
    VastlyExceeded(String),
}

/// The memory of one dyno.
pub(super) struct Gauge {
    size: DynoSize,
    group: Option<MemoryGroup>,
    last_said: Option<Stopwatch>,
}

impl Gauge {
    /// Begins to measure a dyno. `group` is its control group, if there is one.
    pub(super) fn new(size: DynoSize, group: Option<MemoryGroup>) -> Self {
        Self { size, group, last_said: None }
    }

    /// Measures, and decides.
    pub(super) fn look(&mut self, pids: &[i32]) -> Verdict {
        if let Some(line) = self.killed_by_kernel() {
            return Verdict::VastlyExceeded(line);
        }
        let in_group = self.group.as_ref().and_then(MemoryGroup::used);
        let used = in_group.unwrap_or_else(|| memory_of_all(pids));
        self.judge(used)
    }

    /// Returns whether the kernel has ended a process for want of memory, and what that comes to.
    pub(super) fn killed_by_kernel(&self) -> Option<String> {
        self.group.as_ref().filter(|group| group.kills() > 0)?;
        Some(render(self.size.kill_at(), self.size))
    }

    fn judge(&mut self, used: u64) -> Verdict {
        if used >= self.size.kill_at() {
            return Verdict::VastlyExceeded(render(used, self.size));
        }
        if used <= self.size.quota() {
            return Verdict::Fine;
        }
        if self.last_said.is_some_and(|since| since.elapsed() < REPEAT_EVERY) {
            return Verdict::Fine;
        }
        self.last_said = Some(Stopwatch::start());
        Verdict::Exceeded(render(used, self.size))
    }
}

/// Renders Heroku's line: `Process running mem=1028M(200.9%)`.
fn render(used: u64, size: DynoSize) -> String {
    let per_mille = used.saturating_mul(1000) / size.quota();
    format!("Process running mem={}M({}.{}%)", used >> 20, per_mille / 10, per_mille % 10)
}

/// The memory of a process, with its share of what it has in common with others, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Memory {
    /// Its own, and what is swapped out.
    own: u64,
    /// Its share of what is mapped by several.
    shared: u64,
}

/// Returns the memory of these processes. Files in the dyno's own `/dev/shm` are memory whether or not anyone has mapped
/// them; those that are mapped aren't counted twice.
fn memory_of_all(pids: &[i32]) -> u64 {
    let each = pids.iter().map(|pid| memory_of(*pid));
    let all = each.fold(Memory::default(), |sum, one| Memory {
        own: sum.own + one.own,
        shared: sum.shared + one.shared,
    });
    all.own + all.shared.max(files_in_memory(pids))
}

/// Returns how much is in `/dev/shm` as these processes see it, unless that is the machine's.
fn files_in_memory(pids: &[i32]) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
    let machines = device(Path::new("/dev/shm"));
    let own = pids
        .iter()
        .map(|pid| PathBuf::from(format!("/proc/{pid}/root/dev/shm")))
        .find(|path| device(path).is_some_and(|found| Some(found) != machines));
    let used = own.and_then(|path| rustix::fs::statvfs(&path).ok());
    used.map_or(0, |found| (found.f_blocks - found.f_bfree) * found.f_frsize)
}

fn memory_of(pid: i32) -> Memory {
    let exact = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    let resident = || resident(pid).map(|own| Memory { own, shared: 0 });
    exact.and_then(|text| parse_rollup(&text)).or_else(resident).unwrap_or_default()
}

/// Anonymous and shared memory and what is swapped out, without the pages of files.
fn parse_rollup(text: &str) -> Option<Memory> {
    let kilobytes = |name: &str| -> Option<u64> {
        let line =
            text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')))?;
        line.split_ascii_whitespace().nth(1)?.parse().ok()
    };
    let swapped = kilobytes("SwapPss").unwrap_or_default();
    let (own, shared) = match (kilobytes("Pss_Anon"), kilobytes("Pss_Shmem")) {
        (Some(anonymous), shared) => (anonymous, shared.unwrap_or_default()),
        // Kernels before 5.9.
        (None, _) => (kilobytes("Pss")?, 0),
    };
    Some(Memory { own: (own + swapped) << 10, shared: shared << 10 })
}

fn resident(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// A control group for one dyno. Nobody can eat the machine's memory between two looks then.
pub(super) struct MemoryGroup {
    dir: PathBuf,
    version: Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl MemoryGroup {
    /// Makes a group below our own, if the machine lets us, with the limit of this size.
    pub(super) fn make(name: &str, size: DynoSize) -> Option<Self> {
        let (own, version) = own_group(&fs::read_to_string("/proc/self/cgroup").ok()?)?;
        remove_left(&own, Path::new("/proc"));
        // Never that of another: who is there first would take it away.
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = own.join(format!("{GROUP_PREFIX}{}-{number}-{name}", std::process::id()));
        files::create_dir_all(&dir).ok()?;
        let group = Self { dir, version };
        let limit = match version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        // What is too much even for swap is seen by the next look.
        group.write(limit, &size.kill_at().to_string())?;
        Some(group)
    }

    /// Lets a program enter the group before it is started: what it takes is counted from its first byte, and so is what it
    /// starts.
    pub(super) fn entering(&self, invocation: Invocation) -> Invocation {
        const ENTER: &str = r#"echo 0 2>/dev/null >"$0"; exec "$@""#;
        let Invocation { program, args, current_dir, env, stdin, carrier: _ } = invocation;
        let wrapped = Invocation::new("/bin/sh")
            .args(["-c".into(), ENTER.into(), self.dir.join("cgroup.procs").into_os_string()])
            .arg(program)
            .args(args);
        Invocation { current_dir, env, stdin, ..wrapped }
    }

    fn write(&self, file: &str, text: &str) -> Option<()> {
        use std::io::Write;
        // Opened, and not made: where there is no such file, this is no control group.
        let mut file = fs::OpenOptions::new().write(true).open(self.dir.join(file)).ok()?;
        file.write_all(text.as_bytes()).ok()
    }

    fn used(&self) -> Option<u64> {
        let text = fs::read_to_string(self.dir.join("memory.stat")).ok()?;
        match self.version {
            Version::V1 => {
                let anonymous = number_in(&text, "total_rss")?;
                let shared = number_in(&text, "total_shmem").unwrap_or_default();
                Some(anonymous + shared + number_in(&text, "total_swap").unwrap_or_default())
            }
            Version::V2 => {
                let swapped = fs::read_to_string(self.dir.join("memory.swap.current")).ok();
                let swapped: u64 = swapped.and_then(|text| text.trim().parse().ok()).unwrap_or_default();
                let shared = number_in(&text, "shmem").unwrap_or_default();
                Some(number_in(&text, "anon")? + shared + swapped)
            }
        }
    }

    /// Returns how many processes the kernel has killed.
    fn kills(&self) -> u64 {
        let file = match self.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        let text = fs::read_to_string(self.dir.join(file)).unwrap_or_default();
        number_in(&text, "oom_kill").unwrap_or_default()
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The kernel lets go of the last process a moment after it has ended.
        for _ in 0..50 {
            if rustix::fs::rmdir(&self.dir).is_ok() || !self.dir.exists() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Removes the groups that runs of slugc which have been killed have left there.
fn remove_left(own: &Path, proc: &Path) {
    let entries = fs::read_dir(own).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let owner = name.to_str().and_then(owner_of);
        if owner.is_some_and(|pid| !proc.join(pid.to_string()).exists()) {
            // One in which processes live stays.
            let _ = rustix::fs::rmdir(entry.path());
        }
    }
}

/// Returns the process that has made a group of this name.
fn owner_of(name: &str) -> Option<u32> {
    let mut parts = name.strip_prefix(GROUP_PREFIX)?.splitn(3, '-');
    let pid = parts.next()?.parse().ok()?;
    parts.next()?.parse::<u64>().ok()?;
    parts.next().map(|_| pid)
}

/// Finds our own group in `/proc/self/cgroup`, and below which directory such groups are.
fn own_group(text: &str) -> Option<(PathBuf, Version)> {
    let below = |root: &str, path: &str| Path::new(root).join(path.trim_start_matches('/'));
    let fields = || text.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
    let first = fields().find(|(controllers, _)| controllers.split(',').any(|name| name == "memory"));
    match first {
        Some((_, path)) => Some((below("/sys/fs/cgroup/memory", path), Version::V1)),
        None => {
            let (_, path) = fields().find(|(controllers, _)| controllers.is_empty())?;
            Some((below("/sys/fs/cgroup", path), Version::V2))
        }
    }
}

fn number_in(text: &str, name: &str) -> Option<u64> {
    text.lines().filter_map(|line| line.split_once(' ')).find(|(key, _)| *key == name)?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: DynoSize =
        DynoSize { name: "small", quota_mb: 100, kill_percent: 200, cores: 1, processes: 256 };

    #[test]
    fn memory_is_judged_as_on_heroku() {
        let mut gauge = Gauge::new(SMALL, None);
        for (megabytes, expected) in [
            (100, Verdict::Fine),
            (101, Verdict::Exceeded("Process running mem=101M(101.0%)".into())),
            (150, Verdict::Fine), // it was said just now
            (200, Verdict::VastlyExceeded("Process running mem=200M(200.0%)".into())),
            (1000, Verdict::VastlyExceeded("Process running mem=1000M(1000.0%)".into())),
        ] {
            assert_eq!(gauge.judge(megabytes << 20), expected, "{megabytes} MB");
        }
    }

    #[test]
    fn files_in_memory_do_not_count() {
        let rollup = "55d0-7ffc ---p 00000000 00:00 0 [rollup]\nRss: 9000 kB\nPss: 5000 kB\nPss_Anon: 300 kB\n\
                      Pss_File: 4000 kB\nPss_Shmem: 20 kB\nSwap: 5 kB\nSwapPss: 4 kB\n";
        assert_eq!(parse_rollup(rollup), Some(Memory { own: 304 << 10, shared: 20 << 10 }));
        assert_eq!(
            parse_rollup("Rss: 9 kB\nPss: 5 kB\nSwapPss: 1 kB\n"),
            Some(Memory { own: 6 << 10, shared: 0 })
        );
        assert_eq!(parse_rollup(""), None);
    }

    #[test]
    fn our_own_memory_is_measured() {
        let own = i32::try_from(std::process::id()).unwrap();
        // Other tests run in this process, and may give back more meanwhile.
        let grows = (0..50).any(|_| {
            let before = memory_of_all(&[own]);
            let eaten = vec![1_u8; 64 << 20];
            let after = memory_of_all(&[own]);
            assert!(before > 0 && eaten.iter().all(|byte| *byte == 1));
            (before + (32 << 20)..before + (256 << 20)).contains(&after)
        });
        assert!(grows);
        assert_eq!(memory_of_all(&[1_000_000_000]), 0);
    }

    #[test]
    fn the_own_group_is_found_in_both_versions() {
        for (text, expected) in [
            ("4:memory:/a/b\n0::/\n", Some(("/sys/fs/cgroup/memory/a/b", Version::V1))),
            ("0::/user.slice/x\n", Some(("/sys/fs/cgroup/user.slice/x", Version::V2))),
            ("3:cpu,memory:/\n", Some(("/sys/fs/cgroup/memory/", Version::V1))),
            ("", None),
        ] {
            let expected = expected.map(|(dir, version)| (PathBuf::from(dir), version));
            assert_eq!(own_group(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_group_limits_and_goes_away() {
        let Some(group) = MemoryGroup::make("test", SMALL) else {
            println!("SKIPPED: no control group can be made here");
            return;
        };
        let dir = group.dir.clone();
        assert!(dir.is_dir() && group.used().is_some() && group.kills() == 0);
        drop(group);
        assert!(!dir.exists());
    }

    // Y08
    #[test]
    fn groups_of_runs_that_are_gone_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (groups, proc) = (dir.path().join("groups"), dir.path().join("proc"));
        fs::create_dir_all(proc.join("17")).unwrap();
        for (name, stays) in [
            ("slugc-4711-0-worker.1", false),
            ("slugc-4711-12-my-worker.3", false),
            ("slugc-4712-0-web.1", false),
            ("slugc-17-0-web.1", true),
            ("slugc-4711", true),
            ("slugc-4711-x-web.1", true),
            ("system.slice", true),
        ] {
            fs::create_dir_all(groups.join(name)).unwrap();
            remove_left(&groups, &proc);
            assert_eq!(groups.join(name).exists(), stays, "{name}");
        }
    }
}
