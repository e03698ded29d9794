//! Package indexes as lines of a requirements file.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::LockedIndex;

/// What pipenv and pdm call the public index in the files that they make.
const PUBLIC_NAME: &str = "pypi";

/// Renders the lines for the indexes. Those that are for certain packages only count if one is `used`.
///
/// Where one of them is the installer's default already, none replaces that: so a mirror that a machine or a
/// config var sets as the default stays in force for the lock files that don't ask for anything special.
pub(super) fn render_indexes(indexes: &[LockedIndex], used: &BTreeSet<&str>) -> String {
    let wanted = |index: &&LockedIndex| !index.explicit || used.contains(index.name.as_str());
    let mut others: Vec<_> = indexes.iter().filter(wanted).filter(|index| !is_default(index)).collect();
    others.sort_by_key(|index| index.explicit);
    let replaced = indexes.iter().any(|index| !index.explicit) && !indexes.iter().any(is_default);
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for index in &others {
        if !seen.insert(&index.url) {
            continue;
        }
        let first = replaced && seen.len() == 1;
        let option = if first { "--index-url" } else { "--extra-index-url" };
        let _ = writeln!(text, "{option} {}", index.url);
    }
    let hosts: BTreeSet<_> =
        others.iter().filter(|index| !index.verify_ssl).filter_map(|index| host(&index.url)).collect();
    for host in hosts {
        let _ = writeln!(text, "--trusted-host {host}");
    }
    text
}

/// Tells whether an index is the one that pip and uv use unless they are told otherwise.
///
/// The tools write the public index out, with its URL, under the name `pypi`. So an index of that name counts
/// if nothing about the URL was changed that could be told: its host is that name and a top level domain,
/// there are no credentials, no port and no variables. A mirror's host isn't.
pub(super) fn is_default(index: &LockedIndex) -> bool {
    if index.url.is_empty() {
        return true;
    }
    let Some((host, path)) = index.url.strip_prefix("https://").and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    let domain = host.strip_prefix(PUBLIC_NAME).and_then(|rest| rest.strip_prefix('.'));
    index.name.eq_ignore_ascii_case(PUBLIC_NAME)
        && domain.is_some_and(|domain| !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_lowercase()))
        && path.trim_end_matches('/') == "simple"
}

/// Finds the host and the port in a URL, unless a variable hides them.
fn host(url: &str) -> Option<&str> {
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    (!host.is_empty() && !host.contains('$')).then_some(host)
}

/// Tells `http` and `https` URLs.
pub(in crate::python) fn is_http_url(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_unchanged_public_index_is_left_to_the_installer() {
        for (name, url, expected) in [
            ("pypi", "https://pypi.example/simple", true),
            ("PyPI", "https://pypi.example/simple/", true),
            ("anything", "", true),
            ("mirror", "https://pypi.example/simple", false),
            ("pypi", "https://pypi.example.com/simple", false),
            ("pypi", "https://mirror.example/simple", false),
            ("pypi", "http://pypi.example/simple", false),
            ("pypi", "https://me:secret@pypi.example/simple", false),
            ("pypi", "https://${TOKEN}@pypi.example/simple", false),
            ("pypi", "https://pypi.example:8443/simple", false),
            ("pypi", "https://pypi.example/team/simple", false),
            ("pypi", "https://pypi./simple", false),
            ("pypi", "${INDEX}", false),
        ] {
            let index = LockedIndex { name: name.into(), url: url.into(), verify_ssl: true, explicit: false };
            assert_eq!(is_default(&index), expected, "{name} {url}");
        }
    }

    #[test]
    fn the_first_index_replaces_the_default_unless_the_default_is_among_them() {
        let index = |name: &str, url: &str, explicit, verify_ssl| LockedIndex {
            name: name.into(),
            url: url.into(),
            verify_ssl,
            explicit,
        };
        let public = index("pypi", "https://pypi.example/simple", false, true);
        let private = index("a", "https://${U}:${P}@a.example:8443/simple", false, false);
        let other = index("b", "https://b.example/simple", false, true);
        let explicit = index("c", "https://c.example/simple", true, true);
        for (indexes, used, expected) in [
            (vec![], vec![], ""),
            (vec![&public], vec!["pypi"], ""),
            (vec![&public, &other], vec![], "--extra-index-url https://b.example/simple\n"),
            (vec![&other, &public], vec![], "--extra-index-url https://b.example/simple\n"),
            (
                vec![&private, &other, &other],
                vec![],
                "--index-url https://${U}:${P}@a.example:8443/simple\n\
                 --extra-index-url https://b.example/simple\n--trusted-host a.example:8443\n",
            ),
            (vec![&explicit], vec![], ""),
            (vec![&explicit], vec!["c"], "--extra-index-url https://c.example/simple\n"),
            (
                vec![&other, &explicit],
                vec!["c"],
                "--index-url https://b.example/simple\n--extra-index-url https://c.example/simple\n",
            ),
            (
                vec![&explicit, &other],
                vec!["c"],
                "--index-url https://b.example/simple\n--extra-index-url https://c.example/simple\n",
            ),
        ] {
            let indexes: Vec<_> = indexes.into_iter().cloned().collect();
            assert_eq!(render_indexes(&indexes, &used.into_iter().collect()), expected, "{indexes:?}");
        }
    }
}
