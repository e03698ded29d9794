//! The names of the directories with a distribution's metadata, and where they are.

use super::normalised_name;

/// What kind of metadata it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InfoKind {
    /// `x-1.0.dist-info`, by today's installers.
    DistInfo,
    /// `x-1.0-py3.9.egg-info`, by those of old; also a file.
    EggInfo,
}

/// What the name of a directory of metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InfoDir {
    /// The normalised name of the distribution.
    pub name: String,
    /// Its version, if it is in the name.
    pub version: Option<String>,
    /// What kind it is.
    pub kind: InfoKind,
}

impl InfoDir {
    /// Reads the name of a directory in site-packages; most are no metadata.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, kind) = match name.strip_suffix(".dist-info") {
            Some(stem) => (stem, InfoKind::DistInfo),
            None => (name.strip_suffix(".egg-info")?, InfoKind::EggInfo),
        };
        let mut parts = stem.split('-');
        let name = normalised_name(parts.next().unwrap_or_default());
        let version = parts.next().filter(|version| !version.is_empty()).map(str::to_owned);
        (!name.is_empty()).then_some(Self { name, version, kind })
    }
}

/// Cuts a path after the last `site-packages/` or `dist-packages/` before its name: what comes before, with that
/// directory and without the slash, and what is in it.
pub fn split_site_packages(path: &str) -> Option<(&str, &str)> {
    const DIRECTORIES: [&str; 2] = ["site-packages/", "dist-packages/"];
    let found = DIRECTORIES.iter().flat_map(|directory| {
        let starts = path.match_indices(directory).map(|(start, _)| start);
        starts
            .filter(|start| *start == 0 || path.as_bytes()[start - 1] == b'/')
            .map(|start| start + directory.len())
    });
    let end = found.filter(|end| *end < path.len()).max()?;
    Some((&path[..end - 1], &path[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_says_which_distribution_it_is() {
        let info = |name: &str, version: Option<&str>, kind| InfoDir {
            name: name.into(),
            version: version.map(Into::into),
            kind,
        };
        for (name, expected) in [
            ("Flask-3.0.0.dist-info", Some(info("flask", Some("3.0.0"), InfoKind::DistInfo))),
            ("zope_interface-1.dist-info", Some(info("zope-interface", Some("1"), InfoKind::DistInfo))),
            ("x-1-py3.9.egg-info", Some(info("x", Some("1"), InfoKind::EggInfo))),
            ("x.egg-info", Some(info("x", None, InfoKind::EggInfo))),
            (".dist-info", None),
            ("flask", None),
        ] {
            assert_eq!(InfoDir::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn site_packages_is_found_wherever_it_is() {
        for (path, expected) in [
            ("lib/python3.14/site-packages/x/y.py", Some(("lib/python3.14/site-packages", "x/y.py"))),
            ("site-packages/x", Some(("site-packages", "x"))),
            ("usr/lib/python3/dist-packages/x", Some(("usr/lib/python3/dist-packages", "x"))),
            ("site-packages/x/site-packages/y", Some(("site-packages/x/site-packages", "y"))),
            ("my-site-packages/x", None),
            ("lib/site-packages/", None),
            ("lib/site-packages", None),
        ] {
            assert_eq!(split_site_packages(path), expected, "{path}");
        }
    }
}
