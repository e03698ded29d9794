//! A root directory of its own for programs of the app: the app at its place, the machine's programs beside it, read-only,
//! and nothing of the user's. What goes where is a value; `inside` carries it out.
//!
//! `unshare` of util-linux makes the namespaces, as the call itself can't be made in safe Rust, and starts this
//! program again in them. No setuid program is needed, nor root. Where root runs slugc, the program gets an id that has
//! nothing on the machine; where another user does, the kernel gives it one in a user namespace of its own.

mod inside;
mod layout;
mod terminal;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use layout::{HostFacts, layout};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

pub(crate) use self::inside::{INSIDE_COMMAND, run_inside};
pub(crate) use self::terminal::{Joined, JoinedTerminal, Restored, relay};
use super::files::{self, FileContext, FileError};
use super::invocation::Invocation;
use super::process;
use crate::env::Env;
use crate::error::Result;
use crate::output::Output;

/// The user and group of the program's processes, as they see them. No user of the machine has this id. For root it is
/// the first of those that are given away.
const FIRST_ID: u32 = 40_404;

/// How many ids root gives away, so that what several dynos have is counted for each.
const IDS: u32 = 20_000;

/// A full rehearsal takes some milliseconds.
const REHEARSAL_LIMIT: Duration = Duration::from_secs(10);

/// One step of setting up a root directory. Paths in it begin with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Step {
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
    /// Hides what is there, if anything is.
    Hide(PathBuf),
}

/// What is started in the new root directory, and how that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Cell {
    /// An empty directory, which becomes the root.
    root: PathBuf,
    steps: Vec<Step>,
    /// A file that the program outside has locked as long as it lives.
    lock: PathBuf,
    program: PathBuf,
    args: Vec<OsString>,
    current_dir: PathBuf,
    /// Pairs, as JSON has no other names than UTF-8.
    env: Vec<(OsString, OsString)>,
    /// The user and group that the program gets, if it isn't to keep those of the first process.
    id: Option<u32>,
    /// The most processes and threads that the program may have.
    processes: Option<u64>,
    /// What the program gets of the terminal.
    terminal: Terminal,
    /// How long what is left over may take after the main process has ended by itself.
    leftovers: Duration,
    /// How long it may take if all of them have been asked to end.
    stopping: Duration,
}

/// What a program gets of the terminal that slugc runs at. That itself is never its controlling terminal: what is typed
/// into it would be read by the user's shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Terminal {
    /// A session without one.
    None,
    /// One of its own, which is joined to the user's.
    Own,
}

/// How the app's programs are kept apart on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Isolation {
    unshare: PathBuf,
    /// This program.
    program: PathBuf,
    /// The path that programs are looked for in.
    path: OsString,
    identity: Identity,
    /// Why root can't give programs an id of their own, where that is so.
    shortcoming: Option<String>,
}

/// How programs get an id that has nothing on the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity {
    /// Root gives them one.
    Given,
    /// Another user has one in a user namespace, which is that user's outside.
    Mapped,
}

/// Why programs can't be kept apart here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotHere(pub(crate) String);

/// What a cell holds beside the machine's programs, and what its processes may use.
pub(crate) struct Contents<'a> {
    /// The directory that everything else is made in, and that is deleted with the cell.
    pub(crate) dir: &'a Path,
    /// The app's files, which the program may change.
    pub(crate) app_dir: &'a Path,
    /// Where the program sees them; it starts there.
    pub(crate) app_at: &'a Path,
    /// The name of the program's user, and its home directory.
    pub(crate) account: (&'a str, &'a Path),
    /// What is shown at its own place, and can't be changed.
    pub(crate) shown: &'a [PathBuf],
    /// What is hidden, should it be in what is shown.
    pub(crate) hidden: &'a [PathBuf],
    /// Where the program finds empty directories of its own.
    pub(crate) empty: &'a [PathBuf],
    /// How much memory it has, in bytes: told to it, and the most that `/dev/shm` holds.
    pub(crate) memory: Option<u64>,
    /// The most processes and threads that it may have.
    pub(crate) processes: Option<u64>,
    /// What it gets of the terminal.
    pub(crate) terminal: Terminal,
    /// How long what is left over may take after the main process has ended by itself.
    pub(crate) leftovers: Duration,
    /// How long it may take if all of them have been asked to end.
    pub(crate) stopping: Duration,
}

impl Isolation {
    /// Finds out by a rehearsal whether this machine lets us keep programs apart.
    pub(crate) fn find(program: &Path, env: &Env) -> Result<std::result::Result<Self, NotHere>> {
        let Some(unshare) =
            env.path_dirs().into_iter().map(|dir| dir.join("unshare")).find(|path| path.is_file())
        else {
            return Ok(Err(NotHere("there is no `unshare` (of util-linux) on PATH".to_owned())));
        };
        let path = env.var("PATH").unwrap_or_default().to_owned();
        let mut isolation = Self {
            unshare,
            program: program.to_owned(),
            path,
            identity: Identity::Mapped,
            shortcoming: None,
        };
        if rustix::process::geteuid().is_root() {
            isolation.identity = Identity::Given;
            match isolation.rehearse(env)? {
                Ok(()) => return Ok(Ok(isolation)),
                // In some containers root has no other ids, or may do no more than others.
                Err(NotHere(why)) => isolation.shortcoming = Some(why),
            }
            isolation.identity = Identity::Mapped;
        }
        Ok(isolation.rehearse(env)?.map(|()| isolation))
    }

    /// Returns why programs can read what only root may, if root runs slugc and that is so.
    pub(crate) fn shortcoming(&self) -> Option<&str> {
        self.shortcoming.as_deref()
    }

    /// Returns whether programs have another id than slugc: they can't open its files by name, then.
    pub(crate) fn gives_ids(&self) -> bool {
        self.identity == Identity::Given
    }

    /// Starts a program that does nothing.
    fn rehearse(&self, env: &Env) -> Result<std::result::Result<(), NotHere>> {
        let scratch = files::temp_dir(None)?;
        let dir = fs::canonicalize(scratch.path()).unwrap_or_else(|_| scratch.path().to_owned());
        let app_dir = dir.join("app");
        files::create_dir_all(&app_dir)?;
        let contents = Contents {
            dir: &dir,
            app_dir: &app_dir,
            app_at: Path::new("/app"),
            account: ("dyno", Path::new("/app")),
            shown: &[],
            hidden: &[],
            empty: &[],
            memory: None,
            processes: None,
            terminal: Terminal::None,
            leftovers: Duration::ZERO,
            stopping: Duration::ZERO,
        };
        let program = Invocation::new("/bin/sh").args(["-c", ":"]);
        let invocation = match self.invocation(&contents, program) {
            Ok(invocation) => invocation,
            Err(FileError { source, .. }) => return Ok(Err(NotHere(source.to_string()))),
        };
        match process::capture_within(REHEARSAL_LIMIT, &invocation, env, &Output::silent()) {
            Ok(_) => Ok(Ok(())),
            Err(process::RunError::Interrupted(interrupted)) => Err(interrupted.into()),
            Err(error) => {
                let text = error.text();
                let why = text.lines().rev().find(|line| !line.trim().is_empty());
                Ok(Err(NotHere(why.map_or_else(|| error.to_string(), |line| line.trim().to_owned()))))
            }
        }
    }

    /// Describes how a program is started in a root directory of its own. All that it needs is written to the directory
    /// of the cell; where root runs slugc, the app's files belong to the program's user from then on.
    pub(crate) fn invocation(
        &self,
        contents: &Contents<'_>,
        program: Invocation,
    ) -> std::result::Result<Invocation, FileError> {
        let Contents { dir, app_dir, app_at, processes, terminal, leftovers, stopping, .. } = contents;
        let root = dir.join("root");
        files::create_dir_all(&root)?;
        let facts = HostFacts::read();
        let (seen_as, given) = match self.identity {
            Identity::Mapped => (FIRST_ID, None),
            Identity::Given => {
                // A limit of processes counts those of an id. Without one it is always the same: what a step makes may
                // depend on it.
                let id = if processes.is_some() { free_id(&facts.passwd) } else { FIRST_ID };
                (id, Some(id))
            }
        };
        let own: Vec<PathBuf> = layout::own_dirs(contents).iter().map(|(name, _)| dir.join(name)).collect();
        for made in &own {
            files::create_dir_all(made)?;
        }
        if let Some(id) = given {
            give(app_dir, id).doing("giving to the app's user", app_dir)?;
            for made in &own {
                give(made, id).doing("giving to the app's user", made)?;
            }
        }
        let Invocation { program, args, current_dir: _, env, stdin, carrier: _ } = program;
        let cell = Cell {
            root,
            steps: layout(&facts, contents, seen_as),
            lock: dir.join("alive"),
            program,
            args,
            current_dir: app_at.to_path_buf(),
            env: env.into_iter().collect(),
            id: given,
            processes: *processes,
            terminal: *terminal,
            leftovers: *leftovers,
            stopping: *stopping,
        };
        let file = dir.join("cell.json");
        let text = serde_json::to_vec(&cell).map_err(io::Error::from).doing("writing", &file)?;
        // Config vars are in it: the directory is the user's alone, and the file is deleted when it has been read.
        files::write_atomically(&file, &text)?;
        let id = FIRST_ID.to_string();
        let mut outside = Invocation::new(&self.unshare);
        if self.identity == Identity::Mapped {
            outside = outside.args(["--user", "--map-user", &id, "--map-group", &id, "--keep-caps"]);
        }
        Ok(outside
            .args(["--mount", "--pid", "--fork", "--kill-child", "--"])
            .arg(&self.program)
            .arg(INSIDE_COMMAND)
            .arg(file)
            .env("PATH", &self.path)
            .stdin(stdin))
    }

    /// Takes files back that were given to a program's user.
    pub(crate) fn take_back(&self, tree: &Path) -> std::result::Result<(), FileError> {
        match self.identity {
            Identity::Mapped => Ok(()),
            Identity::Given => give(tree, 0).doing("taking back", tree),
        }
    }
}

/// Returns an id that no user of the machine has, another one for each cell.
fn free_id(passwd: &str) -> u32 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let taken: BTreeSet<u32> =
        passwd.lines().filter_map(|line| line.split(':').nth(2)?.parse().ok()).collect();
    let start = std::process::id().wrapping_mul(16).wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    (0..IDS)
        .map(|step| FIRST_ID + start.wrapping_add(step) % IDS)
        .find(|id| !taken.contains(id))
        .unwrap_or(FIRST_ID)
}

/// Makes a user the owner of a directory and all that is in it. Links aren't followed.
fn give(tree: &Path, id: u32) -> io::Result<()> {
    use rustix::fs::{AtFlags, CWD, Gid, Uid, chownat};
    for entry in WalkDir::new(tree).follow_links(false) {
        let entry = entry.map_err(io::Error::from)?;
        let (user, group) = (Uid::from_raw(id), Gid::from_raw(id));
        chownat(CWD, entry.path(), Some(user), Some(group), AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_user_is_not_given_away() {
        let passwd: String = (FIRST_ID..FIRST_ID + IDS)
            .filter(|id| *id != FIRST_ID + 7)
            .map(|id| format!("u{id}:x:{id}:{id}::/:/bin/sh\n"))
            .collect();
        assert_eq!(free_id(&passwd), FIRST_ID + 7);
        assert_ne!(free_id("root:x:0:0::/root:/bin/sh\n"), free_id(""));
    }
}
