//! What the root directory of a cell holds, decided from what the machine has.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Contents, Step};

/// The directories of the machine that every cell shows.
const SYSTEM: &[&str] =
    &["bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "opt", "nix", "gnu"];
const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];
/// Where the machine's settings are in `/proc`.
const PROC_SETTINGS: &[&str] =
    &["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi"];

/// What reaching the network needs, and some distributions keep outside of `/etc`.
const LINKED: &[&str] = &[
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
];

/// Returns what a path is, if that is in no directory that every cell has.
fn elsewhere(path: &Path) -> Option<PathBuf> {
    let path = fs::canonicalize(path).ok()?;
    let is_shown = SYSTEM.iter().any(|name| path.starts_with(Path::new("/").join(name)));
    (!is_shown).then_some(path)
}

/// What the machine has at its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct HostFacts {
    /// Directories at the root: `None`, or where a symbolic link leads.
    system: Vec<(String, Option<PathBuf>)>,
    devices: Vec<String>,
    /// What is in `/sys`, apart from `fs`.
    sys: Vec<String>,
    pub(super) passwd: String,
    group: String,
    /// What files and directories below `/etc` are, where links lead to elsewhere.
    elsewhere: Vec<PathBuf>,
}

impl HostFacts {
    pub(super) fn read() -> Self {
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
            elsewhere: LINKED.iter().filter_map(|path| elsewhere(Path::new(path))).collect(),
        }
    }
}

/// The directories of the cell's own: their names, and where the program sees them.
pub(super) fn own_dirs(contents: &Contents<'_>) -> Vec<(String, PathBuf)> {
    let mut dirs = vec![("tmp".to_owned(), PathBuf::from("/tmp")), ("var-tmp".to_owned(), "/var/tmp".into())];
    for (number, at) in contents.empty.iter().enumerate() {
        dirs.push((format!("empty-{number}"), at.clone()));
    }
    dirs
}

/// Decides what the root directory holds. `id` is the program's user.
pub(super) fn layout(facts: &HostFacts, contents: &Contents<'_>, id: u32) -> Vec<Step> {
    let HostFacts { system, devices, sys, passwd, group, elsewhere } = facts;
    let Contents { dir, app_dir, app_at, account, shown, hidden, memory, .. } = contents;
    let mut steps = Vec::new();
    for (name, link) in system {
        let at = Path::new("/").join(name);
        steps.push(match link {
            Some(target) => Step::Link { target: target.clone(), at },
            None => Step::ReadOnly { from: at.clone(), at },
        });
    }
    let (user, home) = account;
    let account = format!("{user}:x:{id}:{id}:{user}:{}:/bin/bash\n", home.display());
    for (name, theirs, ours) in [("passwd", passwd, account), ("group", group, format!("{user}:x:{id}:\n"))] {
        // Where the machine has no such file there is no place to show one either.
        if !theirs.is_empty() {
            let at = Path::new("/etc").join(name);
            steps.push(Step::File { at, contents: ours + theirs });
        }
    }
    let read_only = |path: &Path| Step::ReadOnly { from: path.to_owned(), at: path.to_owned() };
    steps.extend(elsewhere.iter().map(|path| read_only(path)));
    steps
        .extend(own_dirs(contents).into_iter().map(|(name, at)| Step::Writable { from: dir.join(name), at }));
    steps.extend(shown.iter().map(|path| read_only(path)));
    // The app may be in what is hidden: it is shown last.
    steps.extend(hidden.iter().map(|path| Step::Hide(path.clone())));
    steps.push(Step::Writable { from: app_dir.to_path_buf(), at: app_at.to_path_buf() });
    steps.extend(
        ["/run/lock", "/var/log", "/var/lib", "/var/cache", "/home"].map(|path| Step::Dir(path.into())),
    );
    steps.push(Step::Link { target: "../run".into(), at: "/var/run".into() });
    steps.push(mount("proc", "/proc", ""));
    // Where root runs slugc, the kernel's settings could be changed.
    steps.extend(PROC_SETTINGS.iter().map(|path| Step::Seal(path.into())));
    steps.extend(dev(devices, *memory, id));
    // The size's quota stands where Heroku's control groups have it.
    steps.extend(sys.iter().map(|name| read_only(&Path::new("/sys").join(name))));
    if let Some(memory) = memory {
        let at = "/sys/fs/cgroup/memory/memory.limit_in_bytes".into();
        steps.push(Step::File { at, contents: format!("{memory}\n") });
    }
    steps
}

fn dev(devices: &[String], memory: Option<u64>, id: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    for name in devices {
        let path = Path::new("/dev").join(name);
        steps.push(Step::Writable { from: path.clone(), at: path });
    }
    // What is in there is memory.
    let size = memory.map(|bytes| format!(",size={bytes}")).unwrap_or_default();
    steps.push(mount("tmpfs", "/dev/shm", &format!("mode=1777{size}")));
    let options = format!("newinstance,ptmxmode=0666,mode=620,uid={id},gid={id}");
    steps.push(mount("devpts", "/dev/pts", &options));
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
    use std::ffi::OsString;
    use std::time::Duration;

    use super::super::{Cell, Terminal};
    use super::*;

    fn facts() -> HostFacts {
        HostFacts {
            system: vec![("bin".into(), Some("usr/bin".into())), ("usr".into(), None), ("etc".into(), None)],
            devices: vec!["null".into()],
            sys: vec!["devices".into()],
            passwd: "root:x:0:0:root:/root:/bin/sh\n".into(),
            group: "root:x:0:\n".into(),
            elsewhere: vec!["/run/resolvconf/resolv.conf".into()],
        }
    }

    fn contents<'a>(
        shown: &'a [PathBuf],
        hidden: &'a [PathBuf],
        empty: &'a [PathBuf],
        memory: Option<u64>,
    ) -> Contents<'a> {
        Contents {
            dir: Path::new("/scratch"),
            app_dir: Path::new("/scratch/app"),
            app_at: Path::new("/app"),
            account: ("dyno", Path::new("/app")),
            shown,
            hidden,
            empty,
            memory,
            processes: None,
            terminal: Terminal::None,
            leftovers: Duration::ZERO,
            stopping: Duration::ZERO,
        }
    }

    #[test]
    fn a_dyno_sees_the_system_read_only_and_its_own_directories_writable() {
        let steps = layout(&facts(), &contents(&[], &[], &[], Some(512 << 20)), 40_404);
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
                ("/scratch/tmp", "/tmp"),
                ("/scratch/var-tmp", "/var/tmp"),
                ("/scratch/app", "/app"),
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
        let steps = layout(&facts(), &contents(&[], &[], &[], None), 40_404);
        assert!(!steps.iter().any(|step| matches!(step, Step::File { at, .. } if at.starts_with("/sys"))));
    }

    // S08: every file system in memory that a dyno may write to has a size.
    #[test]
    fn what_is_in_memory_is_bounded() {
        for (memory, expected) in [
            (Some(512 << 20), "mode=1777,size=536870912"),
            (Some(1 << 30), "mode=1777,size=1073741824"),
            (None, "mode=1777"),
        ] {
            let steps = layout(&facts(), &contents(&[], &[], &[], memory), 40_404);
            let options: Vec<&str> = steps
                .iter()
                .filter_map(|step| match step {
                    Step::Mount { kind, options, .. } if kind == "tmpfs" => Some(options.as_str()),
                    _ => None,
                })
                .collect();
            assert_eq!(options, [expected], "{memory:?}");
        }
    }

    // S06: what is hidden is hidden before the app is shown in it, and a home directory is an empty one.
    #[test]
    fn the_app_is_shown_in_what_is_hidden() {
        let (shown, hidden, empty) =
            ([PathBuf::from("/home/me/tools")], [PathBuf::from("/opt/store")], [PathBuf::from("/home/me")]);
        let mut contents = contents(&shown, &hidden, &empty, None);
        (contents.app_dir, contents.app_at) = (Path::new("/opt/store/tmp/x"), Path::new("/opt/store/tmp/x"));
        let steps = layout(&facts(), &contents, 40_404);
        let place = |wanted: &Step| {
            steps.iter().position(|step| step == wanted).unwrap_or_else(|| panic!("{wanted:?} in {steps:?}"))
        };
        let in_order = [
            Step::ReadOnly { from: "/usr".into(), at: "/usr".into() },
            Step::Writable { from: "/scratch/empty-0".into(), at: "/home/me".into() },
            Step::ReadOnly { from: "/home/me/tools".into(), at: "/home/me/tools".into() },
            Step::Hide("/opt/store".into()),
            Step::Writable { from: "/opt/store/tmp/x".into(), at: "/opt/store/tmp/x".into() },
        ];
        assert!(in_order.windows(2).all(|pair| place(&pair[0]) < place(&pair[1])), "{steps:?}");
    }

    #[test]
    fn a_cell_survives_its_way_through_a_file() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![b'a', 0xFF]);
        let cell = Cell {
            root: "/r".into(),
            steps: layout(&facts(), &contents(&[], &[], &[], None), 40_404),
            lock: "/l".into(),
            program: "/bin/bash".into(),
            args: vec!["-c".into(), odd.clone()],
            current_dir: "/app".into(),
            env: vec![(odd.clone(), odd)],
            id: Some(1),
            processes: Some(256),
            terminal: Terminal::Own,
            leftovers: Duration::from_secs(5),
            stopping: Duration::from_secs(30),
        };
        let text = serde_json::to_vec(&cell).unwrap();
        assert_eq!(serde_json::from_slice::<Cell>(&text).unwrap(), cell);
    }
}
