//! A terminal for what runs once at a terminal: a pseudo-terminal of the program's own, joined to the user's. The app can't
//! type into the user's shell then, knows its terminal by name, and has its sizes and job control.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, Termios, isatty, tcgetattr,
    tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// How often the sizes of the terminals are compared.
const LOOK: Duration = Duration::from_millis(200);

/// How long what the dyno has written last may take to be shown.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Where util-linux and busybox have `setsid`.
const SETSID: [&str; 3] = ["/usr/bin/setsid", "/bin/setsid", "/usr/local/bin/setsid"];

/// The user's terminal as it was; it is so again when this is dropped.
pub(crate) struct Restored(Option<Termios>);

impl Restored {
    /// Remembers how standard input is, if it is a terminal.
    pub(crate) fn remember() -> Self {
        Self(tcgetattr(io::stdin()).ok())
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let is_other = |settings: &&Termios| {
            tcgetattr(io::stdin()).is_ok_and(|now| modes_of(&now) != modes_of(settings))
        };
        // What runs in the background would be stopped for setting what is set already.
        if let Some(settings) = self.0.as_ref().filter(is_other) {
            // It may be gone.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, settings);
        }
    }
}

fn modes_of(settings: &Termios) -> (InputModes, OutputModes, ControlModes, LocalModes) {
    (settings.input_modes, settings.output_modes, settings.control_modes, settings.local_modes)
}

/// The two ends of the dyno's terminal.
pub(crate) struct JoinedTerminal {
    ours: File,
    name: PathBuf,
}

/// The threads between the terminals.
pub(crate) struct Joined {
    shown: Receiver<()>,
    _restored: Restored,
}

impl JoinedTerminal {
    /// Opens a terminal, if standard input is one. `/dev/ptmx` must be the dyno's.
    pub(crate) fn open() -> io::Result<Option<Self>> {
        if !isatty(io::stdin()) {
            return Ok(None);
        }
        let ours: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let name = PathBuf::from(std::ffi::OsStr::from_bytes(name.as_bytes()));
        if let Ok(size) = tcgetwinsize(io::stdin()) {
            let _ = tcsetwinsize(&ours, size);
        }
        // Line ends, echo and the keys for signals are as the user has set them.
        if let Ok(settings) = tcgetattr(io::stdin()) {
            let _ = tcsetattr(&ours, OptionalActions::Now, &settings);
        }
        Ok(Some(Self { ours: ours.into(), name }))
    }

    /// Describes the start of a program in a session whose terminal this is.
    pub(super) fn command(&self, program: &Path) -> io::Result<Command> {
        // The call itself can't be made in safe Rust. The program's own PATH may lead anywhere.
        let setsid = SETSID.iter().find(|path| Path::new(path).is_file()).unwrap_or(&"setsid");
        let mut command = Command::new(setsid);
        command.arg("--ctty").arg(program);
        self.connect(&mut command)?;
        Ok(command)
    }

    /// Makes this the program's standard input, and whatever else of its streams would be the user's terminal.
    pub(crate) fn connect(&self, command: &mut Command) -> io::Result<()> {
        let no_control = OFlags::NOCTTY.bits().cast_signed();
        let theirs = OpenOptions::new().read(true).write(true).custom_flags(no_control).open(&self.name)?;
        command.stdin(Stdio::from(theirs.try_clone()?));
        if isatty(io::stdout()) {
            command.stdout(Stdio::from(theirs.try_clone()?));
        }
        if isatty(io::stderr()) {
            command.stderr(Stdio::from(theirs));
        }
        Ok(())
    }

    /// Passes on what is typed and what is shown, from now on.
    pub(crate) fn join(self) -> Joined {
        let restored = Restored::remember();
        if let Some(mut raw) = restored.0.clone() {
            // Every key is the dyno's: its own terminal makes signals of them.
            raw.make_raw();
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &raw);
        }
        let ours = Arc::new(self.ours);
        let typed = Arc::clone(&ours);
        thread::spawn(move || relay(io::stdin(), &*typed));
        let sized = Arc::clone(&ours);
        thread::spawn(move || {
            loop {
                thread::sleep(LOOK);
                if let (Ok(theirs), Ok(own)) = (tcgetwinsize(io::stdin()), tcgetwinsize(&*sized))
                    && (theirs.ws_row, theirs.ws_col) != (own.ws_row, own.ws_col)
                {
                    let _ = tcsetwinsize(&*sized, theirs);
                }
            }
        });
        let (sender, shown) = mpsc::channel();
        thread::spawn(move || {
            if isatty(io::stdout()) {
                relay(&*ours, io::stdout());
            } else {
                relay(&*ours, io::stderr());
            }
            drop(sender);
        });
        Joined { shown, _restored: restored }
    }
}

impl Drop for Joined {
    fn drop(&mut self) {
        // Until the last of the dyno's processes has closed its end.
        let _ = self.shown.recv_timeout(LAST_WORDS);
    }
}

/// Passes on what is read, as soon as it is there, until either end is closed.
pub(crate) fn relay(mut from: impl Read, mut to: impl Write) {
    let mut bytes = [0; 4096];
    loop {
        match from.read(&mut bytes) {
            Ok(0) => return,
            Ok(read) => {
                if to.write_all(&bytes[..read]).and_then(|()| to.flush()).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The other end is closed.
            Err(_) => return,
        }
    }
}
