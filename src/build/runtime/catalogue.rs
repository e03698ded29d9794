//! A runtime from the catalogue: an archive of python-build-standalone, fetched once and kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::archive_error::RuntimeArchiveError;
use super::standalone::{self, Maker};
use crate::env::Env;
use crate::host::archive::{self, UnpackOptions};
use crate::host::download::{Download, download, has_sha256};
use crate::host::files;
use crate::output::Output;
use crate::store::Store;

/// An archive with Python in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArchiveRef<'a> {
    /// Where it is, tried in this order.
    pub urls: &'a [String],
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'a str,
    /// Its file name.
    pub file_name: &'a str,
}

/// Makes a runtime from an archive of the catalogue in `prefix`, a directory that isn't there or is empty.
/// On failure, what was made of it stays: it is a directory to be thrown away.
pub(crate) fn fetch_catalogue_runtime(
    archive: &ArchiveRef<'_>,
    prefix: &Path,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<(), RuntimeArchiveError> {
    let file = fetch_archive(archive, store, env, output)?;
    archive::unpack(&file, prefix, &UnpackOptions { strip_components: 1 }, env, output)?;
    standalone::adopt(prefix, archive.file_name, Maker::Standalone)?;
    Ok(())
}

/// Returns the archive in the store: the one that is kept, if it is still what it was, else it is fetched.
pub(crate) fn fetch_archive(
    archive: &ArchiveRef<'_>,
    store: &Store,
    env: &Env,
    output: &Output,
) -> Result<PathBuf, RuntimeArchiveError> {
    let ArchiveRef { urls, sha256, file_name } = *archive;
    let sha256 = sha256.to_ascii_lowercase();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "._-+".contains(letter);
    let plain_name = file_name.replace("%2B", "+").replace(|letter| !is_plain(letter), "-");
    let kept = store.downloads().join(format!("{sha256}-{plain_name}"));
    let _lock = store.lock(&format!("download-{sha256}"), env, || {
        output.detail(format!("Waiting for another build that fetches {file_name}."));
    })?;
    if has_sha256(&kept, &sha256, env)? {
        store.hold(&kept);
        return Ok(kept);
    }
    // A damaged one is of no use, and would stay if the download fails.
    files::remove_file(&kept)?;
    let connect_timeout = Duration::from_secs(3);
    let request = Download { urls, sha256: &sha256, label: file_name, connect_timeout, attempts: 4 };
    download(&request, &kept, env, output)?;
    store.hold(&kept);
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::error::{ErrorCode, UserError};
    use crate::host::archive::tests::{file, gzip, raw};
    use crate::host::url;

    fn python() -> Vec<u8> {
        gzip(&[
            raw(b'0', "python/bin/python3.13", "", 0o755, b"x"),
            file("python/bin/pip", "x"),
            file("python/bin/python3.13-config", "x"),
            file("python/lib/python3.13/os.py", "x"),
        ])
    }

    #[test]
    fn an_archive_is_fetched_once_and_a_damaged_one_anew() {
        let dir = tempfile::tempdir().unwrap();
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let store = Store::open(&dir.path().join("store")).unwrap();
        let bytes = python();
        let sha256 = hex::encode(Sha256::digest(&bytes)).to_uppercase();
        fs::write(dir.path().join("archive"), &bytes).unwrap();
        let urls = [url::from_path(&dir.path().join("archive"))];
        let archive = ArchiveRef { urls: &urls, sha256: &sha256, file_name: "cpython-3.13.5%2B1/x.tar.gz" };
        let kept = store.downloads().join(format!("{}-cpython-3.13.5+1-x.tar.gz", sha256.to_lowercase()));
        for (round, downloads) in [1, 1, 2].into_iter().enumerate() {
            if round == 2 {
                fs::write(&kept, "damaged").unwrap();
            }
            let prefix = dir.path().join(format!("prefix-{round}"));
            fetch_catalogue_runtime(&archive, &prefix, &store, &env, &output).unwrap();
            let mut names: Vec<_> =
                fs::read_dir(prefix.join("bin")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            assert_eq!(names, ["python", "python3", "python3.13", "python3.13-config"]);
            assert_eq!(output.counters().downloads, downloads, "round {round}");
        }
        assert_eq!(fs::read(&kept).unwrap(), bytes);
    }

    #[test]
    fn a_download_that_fails_is_about_python_and_keeps_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let store = Store::open(&dir.path().join("store")).unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let nobody = format!("http://{}/a", listener.local_addr().unwrap());
        drop(listener);
        let missing = url::from_path(&dir.path().join("none"));
        for (url, unreachable) in [(nobody, true), (missing, false)] {
            let archive = ArchiveRef { urls: &[url], sha256: &"0".repeat(64), file_name: "a" };
            let error =
                fetch_catalogue_runtime(&archive, &dir.path().join("p"), &store, &env, &output).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PythonDownload);
            assert_eq!(error.is_unreachable(), unreachable, "{error}");
        }
        assert_eq!(fs::read_dir(store.downloads()).unwrap().count(), 0);
    }
}
