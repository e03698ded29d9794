//! The first process in a dyno's namespaces: it sets up the root directory, gives up what it may do more than
//! others, starts the dyno's process, and buries the dead until that has ended.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::{
    DumpableBehavior, Pid, Signal, WaitOptions, WaitStatus, kill_process, pivot_root, set_dumpable_behavior,
    setsid, wait,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::isolate::{APP, Cell, Step, Terminal};
use super::terminal::JoinedTerminal;
use crate::env::Env;
use crate::host::clock::Stopwatch;
use crate::host::files;

/// The command by which this program starts itself again.
pub(crate) const INSIDE_COMMAND: &str = "dyno-init";

/// The exit code if the root directory can't be set up: as of a shell that can't run a command.
const CANNOT: u8 = 126;

/// Sets up the dyno that a file describes, and is its first process. Its exit code is the dyno's.
pub(crate) fn run_inside(file: &Path, env: &Env) -> ExitCode {
    let done = read_cell(file).and_then(|cell| {
        watch_over(&cell.lock)?;
        set_up(&cell)?;
        // The dyno's processes may not look into this one, nor take its descriptors.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        // Nobody in the dyno has the user's terminal for a controlling one.
        setsid()?;
        live(&cell, env)
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("The dyno's root directory can't be set up: {error}");
            ExitCode::from(CANNOT)
        }
    }
}

fn read_cell(file: &Path) -> io::Result<Cell> {
    let text = fs::read(file).map_err(during("reading", file))?;
    files::remove_file(file).map_err(|error| error.source)?;
    serde_json::from_slice(&text).map_err(Into::into)
}

fn during(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.to_owned();
    move |error| io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

/// Ends the dyno when the program outside ends, however that happens: its lock is free then.
fn watch_over(lock: &Path) -> io::Result<()> {
    let Ok(file) = File::open(lock) else { return Ok(()) };
    std::thread::Builder::new().spawn(move || {
        if file.lock().is_ok() {
            // With the first process, the kernel ends all others.
            std::process::exit(137);
        }
    })?;
    Ok(())
}

fn set_up(cell: &Cell) -> io::Result<()> {
    let Cell { root, steps, .. } = cell;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    mount("tmpfs", root, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=755")
        .map_err(|error| during("mounting", root)(error.into()))?;
    let mut sealed = Vec::new();
    for step in steps {
        carry_out(step, root, &mut sealed).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", place_of(step).display()))
        })?;
    }
    seal(&sealed)?;
    let old = root.join(".old");
    create_dir(&old)?;
    pivot_root(root, &old)?;
    rustix::process::chdir("/")?;
    unmount("/.old", UnmountFlags::DETACH)?;
    files::remove_dir_all(Path::new("/.old")).map_err(|error| error.source)?;
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV, c"")?;
    // Whoever could undo this can't any more: neither we nor what we start.
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })?;
    set_no_new_privs(true)?;
    Ok(())
}

fn place_of(step: &Step) -> &Path {
    match step {
        Step::Dir(at)
        | Step::Seal(at)
        | Step::ReadOnly { at, .. }
        | Step::Writable { at, .. }
        | Step::Link { at, .. }
        | Step::File { at, .. }
        | Step::Mount { at, .. } => at,
    }
}

fn carry_out(step: &Step, root: &Path, sealed: &mut Vec<PathBuf>) -> io::Result<()> {
    let at = root.join(place_of(step).strip_prefix("/").unwrap_or(place_of(step)));
    match step {
        Step::Dir(_) => create_dir(&at),
        Step::ReadOnly { from, .. } => {
            bind(from, &at)?;
            sealed.push(at);
            Ok(())
        }
        Step::Seal(_) => {
            if at.exists() {
                bind(&at, &at)?;
                sealed.push(at);
            }
            Ok(())
        }
        Step::Writable { from, .. } => bind(from, &at),
        Step::Link { target, .. } => {
            create_parent(&at)?;
            files::create_symlink(target, &at).map_err(|error| error.source)
        }
        Step::File { contents, .. } => {
            // Aside first, then shown in its place: that may be in a directory of the machine.
            let aside = root.join(format!(".file-{}", sealed.len()));
            files::write_atomically(&aside, contents.as_bytes()).map_err(|error| error.source)?;
            bind(&aside, &at)?;
            files::remove_file(&aside).map_err(|error| error.source)?;
            sealed.push(at);
            Ok(())
        }
        Step::Mount { kind, options, .. } => {
            create_dir(&at)?;
            let options = std::ffi::CString::new(options.as_str())?;
            let flags = if kind == "proc" {
                MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC
            } else {
                MountFlags::NOSUID | MountFlags::NOEXEC
            };
            Ok(mount(kind.as_str(), &at, kind.as_str(), flags, options.as_c_str())?)
        }
    }
}

fn create_dir(path: &Path) -> io::Result<()> {
    files::create_dir_all(path).map_err(|error| error.source)
}

fn create_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), create_dir)
}

fn bind(from: &Path, at: &Path) -> io::Result<()> {
    if !at.exists() {
        if from.is_dir() {
            create_dir(at)?;
        } else {
            create_parent(at)?;
            files::create_file(at).map_err(|error| error.source)?;
        }
    }
    Ok(mount_bind_recursive(from, at)?)
}

/// Makes mounts read-only, with all that is mounted below them. What else is forbidden there must stay so:
/// the kernel refuses to allow it again.
fn seal(places: &[PathBuf]) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    for (path, options) in table.lines().filter_map(parse_mount) {
        if places.iter().any(|place| path.starts_with(place)) {
            let flags = options.split(',').map(flag_of).fold(MountFlags::RDONLY, |all, flag| all | flag);
            mount_remount(&path, MountFlags::BIND | flags, c"")
                .map_err(|error| during("sealing", &path)(error.into()))?;
        }
    }
    Ok(())
}

/// Parses a line of `/proc/self/mountinfo`: the place and the options of the mount.
fn parse_mount(line: &str) -> Option<(PathBuf, &str)> {
    let mut fields = line.split(' ').skip(4);
    let (place, options) = (fields.next()?, fields.next()?);
    let mut path = place.to_owned();
    for (code, letter) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        path = path.replace(code, letter);
    }
    Some((path.into(), options))
}

fn flag_of(option: &str) -> MountFlags {
    match option {
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        "nodiratime" => MountFlags::NODIRATIME,
        "relatime" => MountFlags::RELATIME,
        _ => MountFlags::empty(),
    }
}

/// Starts the dyno's process, and returns its exit code when nobody is left.
fn live(cell: &Cell, env: &Env) -> io::Result<u8> {
    let Cell { program, args, env: vars, leftovers, terminal, .. } = cell;
    let joined = match terminal {
        Terminal::Own => JoinedTerminal::open().map_err(during("opening a terminal for", program))?,
        Terminal::None => None,
    };
    let mut command = match &joined {
        Some(joined) => joined.command(program)?,
        None => Command::new(program),
    };
    if joined.is_none() {
        command.arg0(program);
    }
    command.args(args).current_dir(APP).env_clear().envs(vars.iter().cloned());
    let child = command.spawn().map_err(during("starting", program))?;
    // With what it holds of the terminal's other end.
    drop(command);
    let joined = joined.map(JoinedTerminal::join);
    let main = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let code = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == main => break exit_code(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    end_leftovers(*leftovers, env);
    drop(joined);
    Ok(code)
}

fn exit_code(status: WaitStatus) -> u8 {
    let signal = || status.terminating_signal().map(|signal| 128 + signal);
    status.exit_status().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Asks the others to end, now that the main process has. A dyno that is being stopped has more time: the program
/// outside, which has told us so by SIGTERM, ends it when that is over.
fn end_leftovers(limit: Duration, env: &Env) {
    if env.interrupt.signal().is_none() {
        let others = fs::read_dir("/proc").into_iter().flatten().flatten();
        let others = others.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        for pid in others.filter(|pid| *pid > 1).filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
    }
    let since = Stopwatch::start();
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            // Whoever loses a parent becomes our child: there is nobody any more.
            Err(_) => return,
            Ok(None) if env.interrupt.signal().is_none() && since.elapsed() > limit => return,
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_mounts_is_read() {
        let line = r"36 35 98:0 /mnt1 /a\040b ro,noatime,nosuid master:1 - ext3 /dev/root rw,errors=continue";
        assert_eq!(parse_mount(line), Some(("/a b".into(), "ro,noatime,nosuid")));
        assert_eq!(parse_mount(""), None);
        let flags = "rw,nosuid,relatime,odd"
            .split(',')
            .map(flag_of)
            .fold(MountFlags::empty(), |all, flag| all | flag);
        assert_eq!(flags, MountFlags::NOSUID | MountFlags::RELATIME);
    }
}
