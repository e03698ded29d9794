//! What runs share: the programs, an environment in which nothing leaks in, and directories.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::measure::must;

/// The program that is measured.
pub(crate) const SLUGC: &str = env!("CARGO_BIN_EXE_slugc");

/// Describes a run of a program in this machine's environment, but with another home: there are pip's cache and the
/// user's settings. Python is this machine's unless the user says otherwise, as downloads of it can't be compared.
pub(crate) fn clean(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        let is_setting = text.starts_with("SLUGC_") && text != "SLUGC_PYTHON_SOURCE";
        if is_setting || ["XDG_CACHE_HOME", "PIP_CACHE_DIR", "UV_CACHE_DIR", "STACK"].contains(&&*text) {
            command.env_remove(&name);
        }
    }
    // Interpreters are looked for where the developer has them.
    let developers = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    if let Some(pyenv) = developers.filter(|dir| dir.is_dir() && std::env::var_os("PYENV_ROOT").is_none()) {
        command.env("PYENV_ROOT", pyenv);
    }
    if std::env::var_os("SLUGC_PYTHON_SOURCE").is_none() {
        command.env("SLUGC_PYTHON_SOURCE", "host");
    }
    command.env("HOME", home);
    command
}

/// Describes a run of uv with this cache, by the settings that pip has.
pub(crate) fn uv(program: &Path, home: &Path, cache: &Path) -> Command {
    let mut command = clean(program, home);
    command.env("UV_CACHE_DIR", cache).env("UV_PYTHON_DOWNLOADS", "never").env("UV_SYSTEM_CERTS", "1");
    for (pips, uvs) in [
        ("PIP_INDEX_URL", "UV_DEFAULT_INDEX"),
        ("PIP_EXTRA_INDEX_URL", "UV_INDEX"),
        ("PIP_CERT", "SSL_CERT_FILE"),
    ] {
        if let Some(value) = std::env::var_os(pips) {
            command.env(uvs, value);
        }
    }
    command
}

/// Makes a directory that has nothing in it.
pub(crate) fn empty(dir: &Path) {
    set_aside(dir);
    fs::create_dir_all(dir).unwrap();
}

/// Takes something away, if it is there, and doesn't delete it yet: ext4 passes over every inode that was freed a minute
/// ago (five, if that isn't on the disk yet), one by one, so whatever comes next would be several times as slow.
pub(crate) fn set_aside(path: &Path) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    if path.exists() {
        fs::create_dir_all(aside()).unwrap();
        fs::rename(path, aside().join(COUNT.fetch_add(1, Ordering::Relaxed).to_string())).unwrap();
    }
}

/// Deletes what was taken away.
pub(crate) fn delete_what_is_aside() {
    let _ = fs::remove_dir_all(aside());
}

/// Beside the directories that are worked in, as nothing can be renamed to another file system.
fn aside() -> PathBuf {
    std::env::temp_dir().join(format!("slugc-bench-{}", std::process::id()))
}

/// Returns what is in a directory that holds one thing.
pub(crate) fn only_entry(dir: &Path) -> PathBuf {
    let entries: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 1, "{}", dir.display());
    entries[0].clone()
}

/// Reads the manifest of a slug.
pub(crate) fn read_manifest(slug: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(slug.with_extension("tgz.json")).unwrap()).unwrap()
}

/// Unpacks the classic buildpack as platforms have it, below a directory.
pub(crate) fn unpack_buildpack(work: &Path) -> PathBuf {
    let (archive, buildpack) = (work.join("buildpack.tgz"), work.join("buildpack"));
    empty(&buildpack);
    must(Command::new(SLUGC).args(["package", "classic", "-o"]).arg(&archive));
    must(Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(&buildpack));
    buildpack
}
