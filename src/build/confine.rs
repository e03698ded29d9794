//! Where the app's own steps run in `slugc build`: in a root directory of their own, from which neither the store nor the
//! user's files can be seen. What they may use is the app, the machine's programs and those on PATH, and the network.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::env::Env;
use crate::error::{NoticeCode, Result};
use crate::host::cell::{Contents, Isolation, NotHere, Terminal};
use crate::host::files;
use crate::host::process::{Captured, Invocation, RunError};
use crate::host::scratch::ScratchDir;
use crate::output::Output;

/// How long what a step leaves running may take to end.
const LEFTOVERS_TIMEOUT: Duration = Duration::from_secs(1);

/// What keeps the app's own steps apart from the rest of the machine.
pub(crate) struct StepCell {
    isolation: Isolation,
    /// The store: what is in it goes into other apps' slugs.
    store: PathBuf,
}

/// A step in its cell.
struct Confined {
    invocation: Invocation,
    _dir: ScratchDir,
    _alive: File,
}

impl StepCell {
    /// Finds out whether this machine lets us keep steps apart. Says so if it doesn't.
    pub(super) fn find(store: &Path, env: &Env, output: &Output) -> Result<Option<Self>> {
        let Some(program) = &env.program else { return Ok(None) };
        match Isolation::find(program, env)? {
            Ok(isolation) => {
                if let Some(why) = isolation.shortcoming() {
                    output.notice(
                        NoticeCode::BuildStepsNotIsolated,
                        format!(
                            "The app's own steps aren't fully isolated: they can read files that only root may read, \
                             because root can't give them another user id here ({why})."
                        ),
                    );
                }
                Ok(Some(Self { isolation, store: canonical(store) }))
            }
            Err(NotHere(why)) => {
                output.notice(
                    NoticeCode::BuildStepsNotIsolated,
                    format!(
                        "The app's own steps aren't isolated: {why}.\n\nHooks, collectstatic and the NLTK \
                         downloader can read and change whatever you can, the store included."
                    ),
                );
                Ok(None)
            }
        }
    }

    fn confine(&self, invocation: Invocation, build_dir: &Path) -> io::Result<Confined> {
        let dir = files::temp_dir(None).map_err(|error| error.source)?;
        let scratch = canonical(dir.path());
        let app = canonical(build_dir);
        let Surroundings { shown, empty } = Surroundings::of(&invocation.env, &app);
        let home = invocation.env.get(OsStr::new("HOME")).map_or(app.clone(), PathBuf::from);
        let alive = files::create_file(&scratch.join("alive")).map_err(|error| error.source)?;
        alive.lock()?;
        let contents = Contents {
            dir: &scratch,
            app_dir: &app,
            app_at: &app,
            account: ("build", &home),
            shown: &shown,
            hidden: std::slice::from_ref(&self.store),
            empty: &empty,
            memory: None,
            processes: None,
            terminal: Terminal::None,
            leftovers: LEFTOVERS_TIMEOUT,
            stopping: LEFTOVERS_TIMEOUT,
        };
        let carrier =
            self.isolation.invocation(&contents, invocation.clone()).map_err(|error| error.source)?;
        let invocation = Invocation { carrier: Some(Box::new(carrier)), ..invocation };
        Ok(Confined { invocation, _dir: dir, _alive: alive })
    }
}

/// How a program is run to its end: [`crate::host::process::stream`] passes on what it writes,
/// [`crate::host::process::capture`] returns it.
pub(super) type Run = fn(&Invocation, &Env, &Output) -> std::result::Result<Captured, RunError>;

/// Runs one of the app's own programs. Without a cell, it runs beside everything else.
pub(super) fn run_step(
    run: Run,
    invocation: Invocation,
    build_dir: &Path,
    cell: Option<&StepCell>,
    env: &Env,
    output: &Output,
) -> std::result::Result<Captured, RunError> {
    let Some(cell) = cell else { return run(&invocation, env, output) };
    let program = invocation.name();
    let failed = |source| RunError::Start { program: program.clone(), source };
    let confined = cell.confine(invocation, build_dir).map_err(failed)?;
    let result = run(&confined.invocation, env, output);
    let taken_back = cell.isolation.take_back(build_dir).map_err(|error| failed(error.source));
    result.and_then(|captured| taken_back.map(|()| captured))
}

/// What a step sees beside the app and the machine's programs.
#[derive(Debug, PartialEq, Eq, Default)]
struct Surroundings {
    /// Programs on PATH and certificates, which it can't change.
    shown: Vec<PathBuf>,
    /// Its home directory and the one for temporary files.
    empty: Vec<PathBuf>,
}

impl Surroundings {
    /// Decides by the step's environment.
    fn of(env: &BTreeMap<OsString, OsString>, app: &Path) -> Self {
        let dir = |name: &str| env.get(OsStr::new(name)).map(PathBuf::from).filter(|dir| is_a_place(dir));
        let home = dir("HOME");
        let mut empty: Vec<PathBuf> = [home.clone(), dir("TMPDIR")].into_iter().flatten().collect();
        // Those that the step gets are below a directory for temporary files, whichever that is.
        let own = |name: &str| {
            let path = env.get(OsStr::new(name)).map(PathBuf::from)?;
            let is_free = is_a_place(&path) || path.starts_with("/var/tmp");
            (is_free && path.is_dir()).then_some(path)
        };
        let path = env.get(OsStr::new("PATH")).map(OsString::as_os_str).unwrap_or_default();
        let programs = std::env::split_paths(path)
            .filter(|dir| dir.is_absolute() && !dir.starts_with(app))
            .map(|dir| installation_of(&dir, home.as_deref()));
        let certificates = env
            .iter()
            .filter(|(name, _)| name.to_str().is_some_and(names_certificates))
            .map(|(_, value)| PathBuf::from(value));
        let is_needed = |path: &PathBuf| is_shown(path, &empty);
        let mut shown: Vec<PathBuf> = programs.chain(certificates).filter(is_needed).collect();
        shown.extend(own("ENV_DIR"));
        empty.extend(own("CACHE_DIR"));
        shown.sort();
        shown.dedup();
        Self { shown, empty }
    }
}

/// Whether a directory of the step's own can be put there: not where the machine's own files are.
fn is_a_place(dir: &Path) -> bool {
    // Users of services have their home directories there, beside programs.
    let is_in_opt = dir.starts_with("/opt") && dir != Path::new("/opt");
    let is_free = is_in_opt || !is_in_every_cell(dir);
    dir.is_absolute() && dir.components().count() > 1 && is_free && dir != Path::new("/tmp")
}

fn is_in_every_cell(path: &Path) -> bool {
    const SYSTEM: &[&str] = &["/bin", "/sbin", "/lib", "/lib64", "/usr", "/etc", "/opt", "/nix", "/gnu"];
    const OWN: &[&str] = &["/dev", "/proc", "/sys", "/var/tmp"];
    SYSTEM.iter().chain(OWN).any(|dir| path.starts_with(dir))
}

/// Whether a path has to be shown: it is there, and can't be seen otherwise.
fn is_shown(path: &Path, empty: &[PathBuf]) -> bool {
    let is_covered = empty.iter().any(|dir| path.starts_with(dir));
    let is_missing = is_covered || !is_in_every_cell(path);
    path.is_absolute() && path.components().count() > 1 && is_missing && path.exists()
}

/// Returns the directory that a directory of programs is installed with: they find their libraries beside it. A home
/// directory is never it, nor is `~/.local`, which holds more than programs.
fn installation_of(dir: &Path, home: Option<&Path>) -> PathBuf {
    let Some(parent) = dir.parent().filter(|parent| parent.components().count() > 1) else {
        return dir.to_owned();
    };
    let holds_more = home.is_some_and(|home| home.starts_with(parent) || parent == home.join(".local"));
    let beside = match dir.file_name().and_then(OsStr::to_str) {
        Some("bin") => "lib",
        // pyenv's and its like.
        Some("shims") => "versions",
        _ => return dir.to_owned(),
    };
    if !holds_more && parent.join(beside).is_dir() { parent.to_owned() } else { dir.to_owned() }
}

fn names_certificates(name: &str) -> bool {
    const NAMES: &[&str] =
        &["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT", "NODE_EXTRA_CA_CERTS"];
    name.starts_with("SSL_CERT_") || NAMES.contains(&name)
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    // S06
    #[test]
    fn a_step_sees_programs_and_no_home_directory() {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        for made in [
            "me/.nvm/v20/bin",
            "me/.nvm/v20/lib",
            "me/.local/bin",
            "me/.local/lib",
            "me/.pyenv/shims",
            "me/.pyenv/versions",
            "me/bin",
            "me/lib",
            "app/bin",
            "tools",
        ] {
            fs::create_dir_all(at(made)).unwrap();
        }
        for (path, expected) in [
            ("me/.nvm/v20/bin", Some("me/.nvm/v20")),
            ("me/.pyenv/shims", Some("me/.pyenv")),
            ("me/.local/bin", Some("me/.local/bin")),
            ("me/bin", Some("me/bin")),
            ("tools", Some("tools")),
            ("app/bin", None),
            ("missing", None),
        ] {
            let path = std::env::join_paths([at(path), "/usr/bin".into(), "relative".into()]).unwrap();
            let env = BTreeMap::from([
                ("PATH".into(), path),
                ("HOME".into(), at("me").into_os_string()),
                ("TMPDIR".into(), "/tmp".into()),
            ]);
            let surroundings = Surroundings::of(&env, &at("app"));
            let shown = expected.map(at).into_iter().collect();
            assert_eq!(surroundings, Surroundings { shown, empty: vec![at("me")] }, "{env:?}");
        }
    }

    // S06
    #[test]
    fn what_is_needed_of_an_emptied_directory_is_shown() {
        let empty = [PathBuf::from("/usr/share")];
        for (path, expected) in [
            ("/usr/share/zoneinfo", true),
            ("/usr/bin", false),
            ("/usr/share/is-not-there", false),
            ("/", false),
        ] {
            let path = Path::new(path);
            assert_eq!(is_shown(path, &empty), expected && path.exists(), "{}", path.display());
        }
    }

    #[test]
    fn nothing_is_put_over_the_machines_own_files() {
        for (dir, expected) in [
            ("/root", true),
            ("/home/me", true),
            ("/", false),
            ("/usr/local", false),
            ("/etc", false),
            ("/opt", false),
            ("/opt/jenkins", true),
            ("/tmp", false),
            ("/tmp/mine", true),
            ("relative", false),
        ] {
            assert_eq!(is_a_place(Path::new(dir)), expected, "{dir}");
        }
    }
}
