//! A root directory of its own for a dyno: the app at `/app`, the machine's programs beside it, read-only, and
//! nothing of the user's. What goes where is a value; `inside` carries it out.
//!
//! `unshare` of util-linux makes the namespaces, as the call itself can't be made in safe Rust, and starts this
//! program again in them. No setuid program is needed, nor root.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::inside::INSIDE_COMMAND;
use super::size::DynoSize;
use crate::env::Env;
use crate::error::Result;
use crate::host::files::{self, FileContext, FileError};
use crate::host::process::{self, Invocation};
use crate::output::Output;

/// Where the app is, as on Heroku.
pub(super) const APP: &str = "/app";

/// The user and group of a dyno's processes, in their own eyes. Nobody is called so on the machine.
const DYNO_ID: u32 = 40_404;

/// The directories of the machine that a dyno sees.
const SYSTEM: &[&str] =
    &["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "nix", "gnu"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Where the machine's settings are in `/proc`.
const PROC_SETTINGS: &[&str] =
    &["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi"];
/// A full rehearsal takes some milliseconds.
const REHEARSAL_LIMIT: Duration = Duration::from_secs(10);

/// One step of setting up a root directory. Paths in it begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
    /// Makes a directory.
    Dir(PathBuf),
    /// Shows a file or directory of the machine, which can't be changed.
    ReadOnly { from: PathBuf, at: PathBuf },
    /// Makes what is there read-only.
    Seal(PathBuf),
    /// Shows a file or directory of the machine.
    Writable { from: PathBuf, at: PathBuf },
    /// Makes a symbolic link.
    Link { target: PathBuf, at: PathBuf },
    /// Writes a file.
    File { at: PathBuf, contents: String },
    /// Mounts a file system of this type with these options.
    Mount { kind: String, at: PathBuf, options: String },
}

/// What is started in the new root directory, and how that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cell {
    /// An empty directory, which becomes the root.
    pub(super) root: PathBuf,
    pub(super) steps: Vec<Step>,
    /// A file that the program outside has locked as long as it lives.
    pub(super) lock: PathBuf,
    pub(super) program: PathBuf,
    pub(super) args: Vec<OsString>,
    /// Pairs, as JSON has no other names than UTF-8.
    pub(super) env: Vec<(OsString, OsString)>,
    /// What the program gets of the terminal.
    pub(super) terminal: Terminal,
    /// How long what is left over may take after the main process has ended by itself.
    pub(super) leftovers: Duration,
}

/// What a dyno gets of the terminal that slugc runs at. That itself is never its controlling terminal: what is typed into
/// it would be read by the user's shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Terminal {
    /// A session without one.
    None,
    /// One of its own, which is joined to the user's.
    Own,
}

/// How dynos are isolated on this machine.
#[derive(Debug, Clone)]
pub(super) struct Isolation {
    unshare: PathBuf,
    /// This program.
    program: PathBuf,
    /// The path that programs are looked for in.
    path: OsString,
}

/// Why dynos can't be isolated here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotHere(pub(super) String);

/// The directories of one dyno, below the one that is deleted with it.
pub(super) struct Places<'a> {
    pub(super) dir: &'a Path,
    pub(super) app_dir: &'a Path,
    pub(super) size: Option<DynoSize>,
    pub(super) terminal: Terminal,
}

impl Isolation {
    /// Finds out by a rehearsal whether this machine lets us isolate dynos.
    pub(super) fn find(program: &Path, env: &Env) -> Result<std::result::Result<Self, NotHere>> {
        let Some(unshare) =
            env.path_dirs().into_iter().map(|dir| dir.join("unshare")).find(|path| path.is_file())
        else {
            return Ok(Err(NotHere("there is no `unshare` (of util-linux) on PATH".to_owned())));
        };
        let path = env.var("PATH").unwrap_or_default().to_owned();
        let isolation = Self { unshare, program: program.to_owned(), path };
        let scratch = files::temp_dir(None)?;
        let dir = fs::canonicalize(scratch.path()).unwrap_or_else(|_| scratch.path().to_owned());
        let app_dir = dir.join("app");
        files::create_dir_all(&app_dir)?;
        let places = Places { dir: &dir, app_dir: &app_dir, size: None, terminal: Terminal::None };
        let invocation = isolation.invocation(
            &places,
            Path::new("/bin/sh"),
            vec!["-c".into(), ":".into()],
            BTreeMap::new(),
        )?;
        match process::capture_within(REHEARSAL_LIMIT, &invocation, env, &Output::silent()) {
            Ok(_) => Ok(Ok(isolation)),
            Err(process::RunError::Interrupted(interrupted)) => Err(interrupted.into()),
            Err(error) => {
                let text = error.text();
                let why = text.lines().rev().find(|line| !line.trim().is_empty());
                Ok(Err(NotHere(why.map_or_else(|| error.to_string(), |line| line.trim().to_owned()))))
            }
        }
    }

    /// Describes how a program is started in a root directory of its own. All that it needs is written to `dir`.
    pub(super) fn invocation(
        &self,
        places: &Places<'_>,
        program: &Path,
        args: Vec<OsString>,
        env: BTreeMap<OsString, OsString>,
    ) -> std::result::Result<Invocation, FileError> {
        let Places { dir, app_dir, size, terminal } = places;
        let root = dir.join("root");
        for made in [&root, &dir.join("tmp"), &dir.join("var-tmp")] {
            files::create_dir_all(made)?;
        }
        let cell = Cell {
            root,
            steps: layout(&HostFacts::read(), dir, app_dir, *size),
            lock: dir.join("alive"),
            program: program.to_owned(),
            args,
            env: env.into_iter().collect(),
            terminal: *terminal,
            leftovers: super::supervise::LEFTOVERS_TIMEOUT,
        };
        let file = dir.join("cell.json");
        let text = serde_json::to_vec(&cell).map_err(io::Error::from).doing("writing", &file)?;
        // Config vars are in it: the directory is the user's alone, and the file is deleted when it has been read.
        files::write_atomically(&file, &text)?;
        let id = DYNO_ID.to_string();
        Ok(Invocation::new(&self.unshare)
            .args(["--user", "--map-user", &id, "--map-group", &id, "--keep-caps"])
            .args(["--mount", "--pid", "--fork", "--kill-child", "--"])
            .arg(&self.program)
            .arg(INSIDE_COMMAND)
            .arg(file)
            .env("PATH", &self.path))
    }
}

/// What the machine has at its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct HostFacts {
    /// Directories at the root: `None`, or where a symbolic link leads.
    system: Vec<(String, Option<PathBuf>)>,
    devices: Vec<String>,
    /// What is in `/sys`, apart from `fs`.
    sys: Vec<String>,
    passwd: String,
    group: String,
    /// The file that `/etc/resolv.conf` is, if it is elsewhere.
    resolv_conf: Option<PathBuf>,
}

impl HostFacts {
    fn read() -> Self {
        let at_root = |name: &&str| {
            let path = Path::new("/").join(name);
            let kind = fs::symlink_metadata(&path).ok()?.file_type();
            let link = if kind.is_symlink() { Some(fs::read_link(&path).ok()?) } else { None };
            (kind.is_dir() || link.is_some()).then(|| ((*name).to_owned(), link))
        };
        let in_sys = fs::read_dir("/sys").into_iter().flatten().flatten();
        let mut sys: Vec<String> = in_sys.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        sys.retain(|name| name != "fs");
        sys.sort();
        let resolv_conf = fs::canonicalize("/etc/resolv.conf").ok();
        Self {
            system: SYSTEM.iter().filter_map(at_root).collect(),
            devices: DEVICES
                .iter()
                .filter(|name| Path::new("/dev").join(name).exists())
                .map(|name| (*name).to_owned())
                .collect(),
            sys,
            passwd: fs::read_to_string("/etc/passwd").unwrap_or_default(),
            group: fs::read_to_string("/etc/group").unwrap_or_default(),
            resolv_conf: resolv_conf.filter(|path| !path.starts_with("/etc") && !path.starts_with("/usr")),
        }
    }
}

/// Decides what the root directory of a dyno holds.
fn layout(facts: &HostFacts, dir: &Path, app_dir: &Path, size: Option<DynoSize>) -> Vec<Step> {
    let HostFacts { system, devices, sys, passwd, group, resolv_conf } = facts;
    let mut steps = Vec::new();
    for (name, link) in system {
        let at = Path::new("/").join(name);
        steps.push(match link {
            Some(target) => Step::Link { target: target.clone(), at },
            None => Step::ReadOnly { from: at.clone(), at },
        });
    }
    let account = format!("dyno:x:{DYNO_ID}:{DYNO_ID}:dyno:{APP}:/bin/bash\n");
    for (name, theirs, ours) in
        [("passwd", passwd, account), ("group", group, format!("dyno:x:{DYNO_ID}:\n"))]
    {
        // Where the machine has no such file there is no place to show one either.
        if !theirs.is_empty() {
            let at = Path::new("/etc").join(name);
            steps.push(Step::File { at, contents: ours + theirs });
        }
    }
    let read_only = |path: &Path| Step::ReadOnly { from: path.to_owned(), at: path.to_owned() };
    steps.extend(resolv_conf.as_deref().map(read_only));
    steps.push(Step::Writable { from: app_dir.to_owned(), at: APP.into() });
    for (from, at) in [("tmp", "/tmp"), ("var-tmp", "/var/tmp")] {
        steps.push(Step::Writable { from: dir.join(from), at: at.into() });
    }
    steps.extend(
        ["/run/lock", "/var/log", "/var/lib", "/var/cache", "/home"].map(|path| Step::Dir(path.into())),
    );
    steps.push(Step::Link { target: "../run".into(), at: "/var/run".into() });
    steps.push(mount("proc", "/proc", ""));
    // For a dyno that root runs, the kernel's settings would be its own.
    steps.extend(PROC_SETTINGS.iter().map(|path| Step::Seal(path.into())));
    steps.extend(dev(devices));
    // The size's quota stands where Heroku's control groups have it.
    steps.extend(sys.iter().map(|name| read_only(&Path::new("/sys").join(name))));
    if let Some(size) = size {
        let at = "/sys/fs/cgroup/memory/memory.limit_in_bytes".into();
        steps.push(Step::File { at, contents: format!("{}\n", size.quota()) });
    }
    steps
}

fn dev(devices: &[String]) -> Vec<Step> {
    let mut steps = Vec::new();
    for name in devices {
        let path = Path::new("/dev").join(name);
        steps.push(Step::Writable { from: path.clone(), at: path });
    }
    steps.push(mount("tmpfs", "/dev/shm", "mode=1777"));
    steps.push(mount("devpts", "/dev/pts", "newinstance,ptmxmode=0666,mode=620"));
    for (target, at) in [
        ("pts/ptmx", "/dev/ptmx"),
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        steps.push(Step::Link { target: target.into(), at: at.into() });
    }
    steps
}

fn mount(kind: &str, at: &str, options: &str) -> Step {
    Step::Mount { kind: kind.to_owned(), at: at.into(), options: options.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> HostFacts {
        HostFacts {
            system: vec![("bin".into(), Some("usr/bin".into())), ("usr".into(), None), ("etc".into(), None)],
            devices: vec!["null".into()],
            sys: vec!["devices".into()],
            passwd: "root:x:0:0:root:/root:/bin/sh\n".into(),
            group: "root:x:0:\n".into(),
            resolv_conf: Some("/run/resolvconf/resolv.conf".into()),
        }
    }

    #[test]
    fn a_dyno_sees_the_system_read_only_and_its_own_directories_writable() {
        let steps =
            layout(&facts(), Path::new("/scratch"), Path::new("/scratch/app"), DynoSize::named("basic"));
        let writable: Vec<(&str, &str)> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Writable { from, at } => Some((from.to_str().unwrap(), at.to_str().unwrap())),
                _ => None,
            })
            .collect();
        assert_eq!(
            writable,
            [
                ("/scratch/app", "/app"),
                ("/scratch/tmp", "/tmp"),
                ("/scratch/var-tmp", "/var/tmp"),
                ("/dev/null", "/dev/null"),
            ]
        );
        for expected in [
            Step::Link { target: "usr/bin".into(), at: "/bin".into() },
            Step::ReadOnly { from: "/usr".into(), at: "/usr".into() },
            Step::ReadOnly {
                from: "/run/resolvconf/resolv.conf".into(),
                at: "/run/resolvconf/resolv.conf".into(),
            },
            Step::ReadOnly { from: "/sys/devices".into(), at: "/sys/devices".into() },
            Step::File {
                at: "/sys/fs/cgroup/memory/memory.limit_in_bytes".into(),
                contents: format!("{}\n", 512 << 20),
            },
            Step::File {
                at: "/etc/passwd".into(),
                contents: "dyno:x:40404:40404:dyno:/app:/bin/bash\nroot:x:0:0:root:/root:/bin/sh\n".into(),
            },
        ] {
            assert!(steps.contains(&expected), "{expected:?} in {steps:?}");
        }
    }

    #[test]
    fn without_a_size_no_quota_is_shown() {
        let steps = layout(&facts(), Path::new("/scratch"), Path::new("/scratch/app"), None);
        assert!(!steps.iter().any(|step| matches!(step, Step::File { at, .. } if at.starts_with("/sys"))));
    }

    #[test]
    fn a_cell_survives_its_way_through_a_file() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![b'a', 0xFF]);
        let cell = Cell {
            root: "/r".into(),
            steps: layout(&facts(), Path::new("/s"), Path::new("/s/app"), None),
            lock: "/l".into(),
            program: "/bin/bash".into(),
            args: vec!["-c".into(), odd.clone()],
            env: vec![(odd.clone(), odd)],
            terminal: Terminal::Own,
            leftovers: Duration::from_secs(5),
        };
        let text = serde_json::to_vec(&cell).unwrap();
        assert_eq!(serde_json::from_slice::<Cell>(&text).unwrap(), cell);
    }
}
