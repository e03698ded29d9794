//! Which processes are a dyno's: the one that was started, and all that came of it, also those that have left
//! its group or have lost their parent.
//!
//! An orphan of ours comes back to us, as we are its subreaper, but it doesn't say whence. It is the dyno's if
//! it was seen before as a descendant, is in the dyno's group, or carries the dyno's directory in its
//! environment, as its working directory, or as its program. One that was made and orphaned between two looks,
//! and has shed all of that, is missed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, kill_process_group, waitpid};

/// One line of the table of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    parent: i32,
    group: i32,
    /// Clock ticks since the boot: with the pid, the identity of a process.
    started: u64,
    is_zombie: bool,
}

/// The processes of a dyno.
pub(super) struct Family {
    main: i32,
    /// The group of the dyno, unless it is our own.
    group: Option<i32>,
    /// The directory that nobody else uses.
    dir: PathBuf,
    known: BTreeMap<i32, u64>,
}

impl Family {
    /// Begins with the process that was just started, and not yet waited for.
    pub(super) fn of(main: u32, has_own_group: bool, dir: &Path) -> Self {
        let main = i32::try_from(main).unwrap_or_default();
        let started = read_process(main).map(|process| (main, process.started));
        Self {
            main,
            group: has_own_group.then_some(main),
            dir: dir.to_owned(),
            known: started.into_iter().collect(),
        }
    }

    /// Returns the process that was started.
    pub(super) fn main(&self) -> i32 {
        self.main
    }

    /// Looks who is there now. Those of our adopted ones that have ended are buried.
    pub(super) fn look(&mut self) -> Vec<Process> {
        let ours = i32::try_from(std::process::id()).unwrap_or_default();
        let table = read_processes();
        let is_marked = |process: &Process| process.parent == ours && carries(process.pid, &self.dir);
        let members = select(&table, &self.known, self.group, &is_marked);
        self.known = members.iter().map(|process| (process.pid, process.started)).collect();
        let (ended, living): (Vec<Process>, _) = members.into_iter().partition(|process| process.is_zombie);
        for process in ended.iter().filter(|process| process.parent == ours && process.pid != self.main) {
            if let Some(pid) = Pid::from_raw(process.pid) {
                // By its number only: a wait for anybody would take away other children's ends.
                let _ = waitpid(Some(pid), WaitOptions::NOHANG);
            }
        }
        living
    }

    /// Asks the group to end, without knowing who is in it.
    pub(super) fn terminate_group(&self) {
        if let Some(group) = self.group.and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::TERM);
        }
    }

    /// Ends all of them at once, and whoever they start meanwhile.
    pub(super) fn kill(&mut self) {
        if let Some(group) = self.group.and_then(Pid::from_raw) {
            // All at one moment: a fork bomb is faster than the table.
            let _ = kill_process_group(group, Signal::KILL);
        }
        for process in self.look() {
            send(process, Signal::KILL);
        }
    }
}

/// Sends a signal to a process that was seen just now. It may have gone, or belong to somebody else.
pub(super) fn send(process: Process, signal: Signal) {
    if let Some(pid) = Pid::from_raw(process.pid) {
        let _ = kill_process(pid, signal);
    }
}

fn select(
    table: &[Process],
    known: &BTreeMap<i32, u64>,
    group: Option<i32>,
    is_marked: &dyn Fn(&Process) -> bool,
) -> Vec<Process> {
    let is_root = |process: &Process| {
        known.get(&process.pid) == Some(&process.started)
            || group == Some(process.group)
            || is_marked(process)
    };
    let mut members: BTreeSet<i32> =
        table.iter().filter(|process| is_root(process)).map(|process| process.pid).collect();
    // Children may come before their parents in the table: again, until nobody is new.
    loop {
        let before = members.len();
        for process in table {
            if members.contains(&process.parent) {
                members.insert(process.pid);
            }
        }
        if members.len() == before {
            break;
        }
    }
    table.iter().filter(|process| members.contains(&process.pid)).copied().collect()
}

fn carries(pid: i32, dir: &Path) -> bool {
    let proc = PathBuf::from(format!("/proc/{pid}"));
    let is_in = |link: &str| fs::read_link(proc.join(link)).is_ok_and(|target| target.starts_with(dir));
    let needle = dir.as_os_str().as_bytes();
    let has_variable = || {
        fs::read(proc.join("environ"))
            .is_ok_and(|environ| environ.windows(needle.len()).any(|window| window == needle))
    };
    is_in("cwd") || is_in("exe") || has_variable()
}

fn read_processes() -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(read_process)
        .collect()
}

fn read_process(pid: i32) -> Option<Process> {
    parse_stat(&fs::read(format!("/proc/{pid}/stat")).ok()?)
}

/// Parses `/proc/<pid>/stat`. The program's name is in parentheses and may hold any of them itself.
fn parse_stat(stat: &[u8]) -> Option<Process> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let pid = std::str::from_utf8(&stat[..stat.iter().position(|byte| *byte == b' ')?]).ok()?;
    let fields: Vec<&str> = std::str::from_utf8(&stat[name_end + 1..]).ok()?.split_whitespace().collect();
    Some(Process {
        pid: pid.parse().ok()?,
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
        parent: fields.get(1)?.parse().ok()?,
        group: fields.get(2)?.parse().ok()?,
        started: fields.get(19)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_table_is_read_whatever_the_program_is_called() {
        let rest = "S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 12345 6 7";
        let expected = Process { pid: 42, parent: 7, group: 8, started: 12345, is_zombie: false };
        for name in ["sleep", "a b", ") Z 1 1", "((", ""] {
            assert_eq!(parse_stat(format!("42 ({name}) {rest}\n").as_bytes()), Some(expected), "{name:?}");
        }
        for text in ["", "42", "42 (sleep", "42 (sleep) S 7", "x (sleep) S 7 8"] {
            assert_eq!(parse_stat(text.as_bytes()), None, "{text:?}");
        }
        let own = i32::try_from(std::process::id()).unwrap();
        assert_eq!(read_process(own).unwrap().pid, own);
        assert!(read_processes().iter().any(|process| process.pid == own));
    }

    #[test]
    fn a_family_is_all_that_came_of_its_roots() {
        let process = |pid, parent, group| Process {
            pid,
            parent,
            group,
            started: u64::try_from(pid).unwrap() * 10,
            is_zombie: false,
        };
        let table = [
            process(20, 11, 20), // a grandchild in a group of its own, before its parent
            process(11, 10, 10),
            process(10, 1, 10),
            process(12, 1, 10),  // an orphan of the same group
            process(30, 1, 30),  // an orphan that was known
            process(31, 1, 31),  // another process with the number of one that was known
            process(40, 1, 40),  // an orphan with a mark
            process(41, 40, 41), // and its child
            process(50, 1, 50),  // a stranger
            process(51, 50, 51),
        ];
        let known = BTreeMap::from([(10, 100), (30, 300), (31, 9)]);
        let pids = |group| {
            let mut pids: Vec<i32> = select(&table, &known, group, &|process| process.pid == 40)
                .iter()
                .map(|process| process.pid)
                .collect();
            pids.sort_unstable();
            pids
        };
        assert_eq!(pids(Some(10)), [10, 11, 12, 20, 30, 40, 41]);
        assert_eq!(pids(None), [10, 11, 20, 30, 40, 41]);
    }
}
