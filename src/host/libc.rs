//! The C library of this machine: packages are chosen and built for it.

use std::path::Path;
use std::sync::LazyLock;

/// Where each C library has its program that loads others: the place is a part of every program.
const LOADERS: &[(&str, &str)] = &[
    ("/lib64/ld-linux-x86-64.so.2", "glibc"),
    ("/lib/ld-linux-aarch64.so.1", "glibc"),
    ("/lib/ld-musl-x86_64.so.1", "musl"),
    ("/lib/ld-musl-aarch64.so.1", "musl"),
];

/// Returns the C library's name and version, such as `glibc-2.36`, as far as they are known.
pub(crate) fn c_library() -> &'static str {
    static FOUND: LazyLock<String> = LazyLock::new(find);
    &FOUND
}

fn find() -> String {
    let found = LOADERS.iter().find(|(path, _)| Path::new(path).exists());
    let Some((path, name)) = found else { return "unknown".to_owned() };
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let version = version_in_name(&file)
        .or_else(|| std::fs::read(&path).ok().and_then(|contents| version_in_text(&contents)));
    version.map_or_else(|| (*name).to_owned(), |version| format!("{name}-{version}"))
}

/// Before 2.34 the version is in the file's name: `ld-2.31.so`.
fn version_in_name(file: &str) -> Option<String> {
    let version = file.strip_prefix("ld-")?.strip_suffix(".so")?;
    version.starts_with(|letter: char| letter.is_ascii_digit()).then(|| version.to_owned())
}

/// Since then the program says it: `ld.so (Debian GLIBC 2.36-9) stable release version 2.36.`
fn version_in_text(contents: &[u8]) -> Option<String> {
    const BEFORE: &[u8] = b" release version ";
    let start = contents.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    let version: String = contents[start..]
        .iter()
        .map(|byte| char::from(*byte))
        .take_while(|letter| letter.is_ascii_digit() || *letter == '.')
        .collect();
    Some(version.trim_end_matches('.').to_owned()).filter(|version| !version.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    // D28
    #[test]
    fn the_version_is_in_the_name_or_in_the_text() {
        for (file, text, expected) in [
            ("ld-2.31.so", &b""[..], Some("2.31")),
            (
                "ld-linux-x86-64.so.2",
                b"\0ld.so (Debian GLIBC 2.36-9) stable release version 2.36.\nx",
                Some("2.36"),
            ),
            (
                "ld-linux-aarch64.so.1",
                b"ld.so (GNU libc) development release version 2.41.9000.\n",
                Some("2.41.9000"),
            ),
            ("ld-musl-x86_64.so.1", b"musl libc", None),
            ("ld-linux-x86-64.so.2", b" release version x", None),
        ] {
            let found = version_in_name(file).or_else(|| version_in_text(text));
            assert_eq!(found.as_deref(), expected, "{file}");
        }
        if Path::new(LOADERS[0].0).exists() {
            assert!(c_library().starts_with("glibc-2."), "{}", c_library());
        }
    }
}
