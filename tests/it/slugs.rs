//! Slugs that tests make by hand, as other tools than slugc write them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::run;

const SITE: &str = ".heroku/python/lib/python3.12/site-packages";

/// The files of an app with two distributions, a Python, something twice and something big.
pub(crate) fn shop() -> Vec<(String, Vec<u8>)> {
    let mut files = vec![
        ("Procfile".to_owned(), b"web: gunicorn shop\nworker: python work.py\n".to_vec()),
        ("work.py".to_owned(), b"print('work')\n".to_vec()),
        ("static/one/logo.svg".to_owned(), noise(40_000, 1)),
        ("static/two/logo.svg".to_owned(), noise(40_000, 1)),
        (".heroku/python/bin/python3.12".to_owned(), noise(90_000, 2)),
        (
            ".heroku/python/include/python3.12/patchlevel.h".to_owned(),
            b"#define PY_VERSION \"3.12.4\"\n".to_vec(),
        ),
    ];
    files.extend(distribution(
        "Alpha-Beta",
        "1.2",
        "Requires-Dist: gamma>=1; python_version > '3'\nLicense-Expression: MIT\n",
        200_000,
    ));
    files.extend(distribution(
        "gamma",
        "2.0",
        "Classifier: License :: OSI Approved :: BSD License\n",
        50_000,
    ));
    files
}

/// The files of a distribution.
pub(crate) fn distribution(name: &str, version: &str, headers: &str, size: usize) -> Vec<(String, Vec<u8>)> {
    let module = name.to_lowercase().replace('-', "_");
    let info = format!("{SITE}/{module}-{version}.dist-info");
    let metadata = format!(
        "Metadata-Version: 2.4\nName: {name}\nVersion: {version}\nSummary: All about {name}\n{headers}\n"
    );
    let record = format!(
        "{module}/__init__.py,,\n{module}/data.bin,,\n{module}-{version}.dist-info/METADATA,,\n{module}-{version}.dist-info/RECORD,,\n"
    );
    vec![
        (format!("{info}/METADATA"), metadata.into_bytes()),
        (format!("{info}/RECORD"), record.into_bytes()),
        (format!("{SITE}/{module}/__init__.py"), b"".to_vec()),
        (format!("{SITE}/{module}/__pycache__/__init__.cpython-312.pyc"), noise(3_000, size as u64 + 7)),
        (format!("{SITE}/{module}/data.bin"), noise(size, version.len() as u64 + size as u64)),
    ]
}

/// Bytes that don't compress, the same for the same seed.
pub(crate) fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(&mut next).flatten().take(length).collect()
}

/// Writes a slug by GNU tar. `top` is how its entries are named: `./app`, `app` or `.`.
pub(crate) fn write_slug(path: &Path, files: &[(String, Vec<u8>)], top: &str) -> PathBuf {
    let dir = tempfile::tempdir().unwrap();
    let app = dir.path().join("app");
    for (name, contents) in files {
        let file = app.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, contents).unwrap();
    }
    let root = if top == "." { app } else { dir.path().to_owned() };
    let arguments = ["--sort=name", "--mtime=@315532800", "--owner=0", "--group=0", "-czf"];
    run(Command::new("tar").args(arguments).arg(path).arg("-C").arg(root).arg(top)).success();
    path.to_owned()
}

/// Returns the paths in a slug, as tar lists them.
pub(crate) fn names_of(slug: &Path) -> Vec<String> {
    let listed = run(Command::new("tar").arg("tzf").arg(slug)).success().stdout;
    listed.lines().map(str::to_owned).collect()
}
