//! URLs and paths in requirements, told apart by their spelling alone.

/// What the names of files that pip can unpack end with.
const ARCHIVES: [&str; 12] = [
    ".zip",
    ".whl",
    ".tar.gz",
    ".tgz",
    ".tar",
    ".tar.bz2",
    ".tbz",
    ".tar.xz",
    ".txz",
    ".tlz",
    ".tar.lz",
    ".tar.lzma",
];

/// The version control systems that pip knows.
pub(super) const VERSION_CONTROLS: [&str; 4] = ["git", "hg", "svn", "bzr"];

pattern!(VARIABLE, r"\$\{[A-Z0-9_]+\}");
pattern!(SCHEME, r"^([A-Za-z][A-Za-z0-9+.-]*):");
pattern!(FULL_COMMIT, r"@[0-9a-f]{40}(?:#|$)");
pattern!(SVN_REVISION, r"@\d+(?:#|$)");
pattern!(EGG, r"[#&]egg=([A-Za-z0-9._-]+)");
pattern!(SOURCE_ARCHIVE, r"^(.+?)-\d");
pattern!(NAME, r"^[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$");

/// Splits off a scheme, in lower case.
pub(super) fn split_scheme(text: &str) -> (Option<String>, &str) {
    let found = SCHEME.captures(text);
    let rest = found.as_ref().map_or(text, |captures| &text[captures[0].len()..]);
    (found.map(|captures| captures[1].to_ascii_lowercase()), rest)
}

/// Tells the schemes of archives.
pub(super) fn is_plain_scheme(scheme: &str) -> bool {
    ["http", "https", "ftp", "file"].contains(&scheme)
}

/// Tells the schemes of repositories, such as `git+https`.
pub(super) fn is_version_control(scheme: &str) -> bool {
    scheme.split_once('+').is_some_and(|(control, _)| VERSION_CONTROLS.contains(&control))
}

/// Tells what pip would look for on the disk.
pub(super) fn looks_like_path(text: &str) -> bool {
    text.contains('/') || text.starts_with('.')
}

/// Tells a path to an archive from `name @ URL`.
pub(super) fn is_archive_path(main: &str) -> bool {
    let named = main.split_once('@').is_some_and(|(name, _)| !looks_like_path(name));
    let path = without_extras(main).to_ascii_lowercase();
    !named && ARCHIVES.iter().any(|extension| path.ends_with(extension))
}

/// Takes the extras off a path.
fn without_extras(path: &str) -> &str {
    if path.ends_with(']') { path.rsplit_once('[').map_or(path, |(path, _)| path.trim_end()) } else { path }
}

/// Takes the path out of a path with extras, a marker or a fragment, or out of a `file:` URL.
pub(super) fn local_path(text: &str) -> String {
    let text = text.split_once(" ;").map_or(text, |(path, _)| path.trim_end());
    let text = text.split_once("#egg=").map_or(text, |(path, _)| path);
    let (Some(scheme), rest) = split_scheme(text) else { return without_extras(text).to_owned() };
    if scheme != "file" {
        return without_extras(text).to_owned();
    }
    let rest = rest.split(['#', '?']).next().unwrap_or_default();
    let path = rest.strip_prefix("//").map_or(rest, |rest| rest.strip_prefix("localhost").unwrap_or(rest));
    percent_decoded(without_extras(path))
}

/// Returns the path of a `file:` URL.
pub(crate) fn file_url_path(url: &str) -> Option<String> {
    let (scheme, _) = split_scheme(url);
    scheme.filter(|scheme| scheme == "file").map(|_| local_path(url))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = after.get(..2).filter(|_| *first == b'%').and_then(|digits| hex::decode(digits).ok());
        bytes.push(code.as_ref().map_or(*first, |code| code[0]));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Tells whether a URL or path leads to this machine's disk.
pub(super) fn is_local(location: &str) -> bool {
    match split_scheme(location).0 {
        Some(scheme) => scheme == "file",
        None => !has_variable(location),
    }
}

/// Tells whether what is at a URL is always the same.
pub(super) fn is_fixed(location: &str) -> bool {
    match split_scheme(location).0 {
        Some(scheme) if scheme.starts_with("svn") => SVN_REVISION.is_match(location),
        Some(scheme) if is_version_control(&scheme) => FULL_COMMIT.is_match(location),
        Some(scheme) => scheme != "file",
        None => false,
    }
}

/// Tells whether a text has variables that pip and uv replace: `${NAME}`.
pub(super) fn has_variable(text: &str) -> bool {
    VARIABLE.is_match(text)
}

/// Tells whether pip would take the name of a requirements file for a URL.
pub(super) fn is_file_url(name: &str) -> bool {
    split_scheme(name).0.is_some_and(|scheme| ["http", "https", "file"].contains(&scheme.as_str()))
}

/// Finds the name of a distribution in the URL or path of a repository or an archive.
pub(crate) fn name_in_location(location: &str) -> Option<String> {
    if let Some(egg) = EGG.captures(location) {
        return Some(normalised_name(&egg[1]));
    }
    let file = location.split(['?', '#']).next()?.rsplit('/').next()?;
    let lowercase = file.to_ascii_lowercase();
    let name = if lowercase.ends_with(".whl") {
        file.split_once('-')?.0
    } else if ARCHIVES.iter().any(|extension| lowercase.ends_with(extension)) {
        SOURCE_ARCHIVE.captures(file)?.get(1)?.as_str()
    } else {
        return None;
    };
    NAME.is_match(name).then(|| normalised_name(name))
}

/// Normalises a name as PEP 503 does.
pub(crate) fn normalised_name(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            '-' | '_' | '.' if normalised.ends_with('-') => {}
            '-' | '_' | '.' => normalised.push('-'),
            letter => normalised.push(letter.to_ascii_lowercase()),
        }
    }
    normalised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_in_a_location_that_tells_it() {
        for (location, expected) in [
            ("git+https://h/r.git@v1#subdirectory=x&egg=Foo_Bar[x]", Some("foo-bar")),
            ("https://h/Foo.Bar-1.0-py3-none-any.whl#sha256=00", Some("foo-bar")),
            ("wheels/foo-1.0.tar.gz", Some("foo")),
            ("foo-bar-1.0b1.zip?x=y", Some("foo-bar")),
            ("https://h/archive/main.zip", None),
            ("https://h/.whl", None),
            ("https://h/-1.zip", None),
            ("./x", None),
            ("", None),
        ] {
            assert_eq!(name_in_location(location).as_deref(), expected, "{location}");
        }
    }

    #[test]
    fn names_are_normalised_as_in_pep_503() {
        for (name, expected) in [("Flask", "flask"), ("a-._b", "a-b"), ("zope.interface", "zope-interface")] {
            assert_eq!(normalised_name(name), expected);
        }
    }
}
