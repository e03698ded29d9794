//! The first process in a cell's namespaces: it sets up the root directory, gives up what it may do more than
//! others, starts the program, and reaps orphans until that has ended.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::fs::{Gid, Uid, fchown, fstatfs};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};
use rustix::process::{
    DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getrlimit, kill_process,
    pivot_root, set_dumpable_behavior, setrlimit, setsid, wait,
};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities, set_no_new_privs};

use super::super::clock::Stopwatch;
use super::super::file_system::explain_start;
use super::super::files;
use super::terminal::JoinedTerminal;
use super::{Cell, Step, Terminal};
use crate::env::Env;

/// The command by which this program starts itself again.
pub(crate) const INSIDE_COMMAND: &str = "dyno-init";

/// The exit code if the root directory can't be set up: as of a shell that can't run a command.
const CANNOT: u8 = 126;

/// The exit code if the program isn't there, as of a shell.
const NOT_FOUND: u8 = 127;

/// Sets up the cell that a file describes, and is its first process. Its exit code is the program's.
pub(crate) fn run_inside(file: &Path, env: &Env) -> ExitCode {
    let done = read_cell(file).and_then(|cell| {
        // What is made here is for another user to go through.
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o022));
        watch_over(&cell.lock)?;
        set_up(&cell)?;
        // The app's processes may not look into this one, nor take its descriptors.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        // No process of the cell has the user's terminal for a controlling one.
        setsid()?;
        live(&cell, env)
    });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("The isolated root directory can't be set up: {error}");
            ExitCode::from(CANNOT)
        }
    }
}

fn read_cell(file: &Path) -> io::Result<Cell> {
    let text = fs::read(file).map_err(during("reading", file))?;
    let cell = serde_json::from_slice(&text)?;
    // Not before: what describes no cell isn't slugc's.
    files::remove_file(file).map_err(|error| error.source)?;
    Ok(cell)
}

fn during(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> io::Error {
    let path = path.to_owned();
    move |error| io::Error::new(error.kind(), format!("{what} {}: {error}", path.display()))
}

/// Ends the cell when the program outside ends, however that happens: its lock is free then.
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
    let mut places = Vec::new();
    for step in steps {
        carry_out(step, root, &mut places).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", place_of(step).display()))
        })?;
    }
    seal(&places)?;
    let old = root.join(".old");
    create_dir(&old)?;
    pivot_root(root, &old)?;
    rustix::process::chdir("/")?;
    unmount("/.old", UnmountFlags::DETACH)?;
    files::remove_dir_all(Path::new("/.old")).map_err(|error| error.source)?;
    mount_remount("/", MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV, c"")?;
    set_no_new_privs(true)?;
    if cell.id.is_none() {
        // Neither we nor what we start can undo this from now on.
        keep_capabilities(CapabilitySet::empty())?;
    }
    Ok(())
}

fn keep_capabilities(kept: CapabilitySet) -> io::Result<()> {
    let inheritable = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable })?;
    Ok(())
}

fn place_of(step: &Step) -> &Path {
    match step {
        Step::Dir(at)
        | Step::Seal(at)
        | Step::Hide(at)
        | Step::ReadOnly { at, .. }
        | Step::Writable { at, .. }
        | Step::Link { at, .. }
        | Step::File { at, .. }
        | Step::Mount { at, .. } => at,
    }
}

/// What may be done to a place and what is mounted below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    Read,
    Write,
}

fn carry_out(step: &Step, root: &Path, places: &mut Vec<(PathBuf, Access)>) -> io::Result<()> {
    let at = root.join(place_of(step).strip_prefix("/").unwrap_or(place_of(step)));
    match step {
        Step::Dir(_) => create_dir(&at),
        Step::ReadOnly { from, .. } => {
            bind(from, &at)?;
            places.push((at, Access::Read));
            Ok(())
        }
        Step::Seal(_) => {
            if at.exists() {
                bind(&at, &at)?;
                places.push((at, Access::Read));
            }
            Ok(())
        }
        Step::Writable { from, .. } => {
            bind(from, &at)?;
            places.push((at, Access::Write));
            Ok(())
        }
        Step::Hide(_) => {
            if at.exists() {
                // Room for the directories in which something is shown after all.
                let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
                mount("tmpfs", &at, "tmpfs", flags, c"mode=755,size=1m")?;
                places.push((at, Access::Write));
            }
            Ok(())
        }
        Step::Link { target, .. } => {
            create_parent(&at)?;
            files::create_symlink(target, &at).map_err(|error| error.source)
        }
        Step::File { contents, .. } => {
            // Aside first, then shown in its place: that may be in a directory of the machine.
            let aside = root.join(format!(".file-{}", places.len()));
            files::write_atomically(&aside, contents.as_bytes()).map_err(|error| error.source)?;
            bind(&aside, &at)?;
            files::remove_file(&aside).map_err(|error| error.source)?;
            places.push((at, Access::Read));
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

/// Makes mounts read-only, with all that is mounted below them but for what may be written to. What else is forbidden
/// there must stay so: the kernel refuses to allow it again.
fn seal(places: &[(PathBuf, Access)]) -> io::Result<()> {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    for (path, options) in table.lines().filter_map(parse_mount) {
        if access_at(places, &path) == Some(Access::Read) {
            let flags = options.split(',').map(flag_of).fold(MountFlags::RDONLY, |all, flag| all | flag);
            mount_remount(&path, MountFlags::BIND | flags, c"")
                .map_err(|error| during("sealing", &path)(error.into()))?;
        }
    }
    Ok(())
}

/// Returns what the nearest place above a path, or the last one there, says of it.
fn access_at(places: &[(PathBuf, Access)], path: &Path) -> Option<Access> {
    let above = places.iter().filter(|(place, _)| path.starts_with(place));
    above.max_by_key(|(place, _)| place.components().count()).map(|(_, access)| *access)
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

/// Starts the program, and returns its exit code when no process is left.
fn live(cell: &Cell, env: &Env) -> io::Result<u8> {
    let Cell { program, args, env: vars, current_dir, id, leftovers, stopping, terminal, .. } = cell;
    let joined = match terminal {
        Terminal::Own => JoinedTerminal::open().map_err(during("opening a terminal for", program))?,
        Terminal::None => None,
    };
    limit_processes(cell)?;
    let mut command = match &joined {
        Some(joined) => joined.command(program)?,
        None => Command::new(program),
    };
    if joined.is_none() {
        command.arg0(program);
    }
    if let Some(id) = id {
        give_pipes(*id);
        command.uid(*id).gid(*id);
    }
    command.args(args).current_dir(current_dir).env_clear().envs(vars.iter().cloned());
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            let error = explain_start(Path::new(program), error);
            eprintln!("{} couldn't be started: {error}", program.display());
            return Ok(if is_missing { NOT_FOUND } else { CANNOT });
        }
    };
    // With what it holds of the terminal's other end.
    drop(command);
    if id.is_some() {
        // Those that it leaves behind are another user's.
        keep_capabilities(CapabilitySet::KILL)?;
    }
    let joined = joined.map(JoinedTerminal::join);
    let main = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    if let Some(main) = main.filter(|_| env.interrupt.signal().is_some()) {
        // The program outside has asked all to end, and couldn't see this one yet.
        let _ = kill_process(main, Signal::TERM);
    }
    let code = loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((pid, status))) if Some(pid) == main => break exit_code(status),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    };
    end_leftovers(*leftovers, *stopping, env);
    drop(joined);
    Ok(code)
}

/// Lets a program with another id open its streams by their names, such as `/dev/stdout`, where they are pipes.
fn give_pipes(id: u32) {
    const PIPEFS_MAGIC: i64 = 0x5049_5045;
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for stream in [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()] {
        // Pipes with a name are files of the machine.
        if fstatfs(stream).is_ok_and(|found| found.f_type == PIPEFS_MAGIC) {
            let _ = fchown(stream, Some(Uid::from_raw(id)), Some(Gid::from_raw(id)));
        }
    }
}

/// Bounds the processes and threads of the cell. In a user namespace, kernels before 5.14 would count those that the user
/// has outside.
fn limit_processes(cell: &Cell) -> io::Result<()> {
    let Some(processes) = cell.processes else { return Ok(()) };
    let ours = match (cell.id, counts_by_namespace()) {
        (Some(_), _) => 0,
        (None, false) => return Ok(()),
        // Ourselves, the threads that we have and will have, and who waits for us outside.
        (None, true) => {
            let threads = fs::read_dir("/proc/self/task").map_or(1, Iterator::count) as u64;
            threads + 1 + if cell.terminal == Terminal::Own { 3 } else { 0 }
        }
    };
    let limit = Some(at_most(processes + ours, getrlimit(Resource::Nproc).maximum));
    setrlimit(Resource::Nproc, Rlimit { current: limit, maximum: limit })?;
    Ok(())
}

/// Returns the limit that is wanted, or the caller's if that is lower: only root may have more.
fn at_most(wanted: u64, callers: Option<u64>) -> u64 {
    callers.map_or(wanted, |callers| callers.min(wanted))
}

fn counts_by_namespace() -> bool {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.trim().parse::<u32>().ok());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default()) >= (5, 14)
}

fn exit_code(status: WaitStatus) -> u8 {
    let signal = || status.terminating_signal().map(|signal| 128 + signal);
    status.exit_status().or_else(signal).and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Asks the others to end, now that the main process has. When the program outside has told us by SIGTERM that it stops
/// all of them, it has asked them itself, and gives them more time. Any process of the cell can send that signal, too, so
/// that time is bounded as well.
fn end_leftovers(leftovers: Duration, stopping: Duration, env: &Env) {
    let is_stopped = || env.interrupt.signal().is_some();
    if !is_stopped() {
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
            // Every process that loses its parent becomes our child: none is left.
            Err(_) => return,
            Ok(None) if since.elapsed() > if is_stopped() { stopping } else { leftovers } => return,
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_place_decides_what_may_be_written() {
        let places = [
            ("/r/opt", Access::Read),
            ("/r/opt/store/tmp/x", Access::Write),
            ("/r/tmp", Access::Write),
            ("/r/tmp/tools", Access::Read),
        ]
        .map(|(place, access)| (PathBuf::from(place), access));
        for (path, expected) in [
            ("/r/opt", Some(Access::Read)),
            ("/r/opt/lib/x", Some(Access::Read)),
            ("/r/opt/store/tmp/x", Some(Access::Write)),
            ("/r/optional", None),
            ("/r/tmp/tools/bin", Some(Access::Read)),
            ("/r/tmp/other", Some(Access::Write)),
            ("/r", None),
        ] {
            assert_eq!(access_at(&places, Path::new(path)), expected, "{path}");
        }
    }

    // S08
    #[test]
    fn a_limit_is_never_above_the_callers() {
        for (wanted, callers, expected) in
            [(256, None, 256), (256, Some(96_365), 256), (32_768, Some(4096), 4096), (259, Some(259), 259)]
        {
            assert_eq!(at_most(wanted, callers), expected, "{wanted} {callers:?}");
        }
    }

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
