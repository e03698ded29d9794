//! What installers read besides the requirements: directories of archives, indexes on the disk, and constraints that
//! pip's configuration names. Another content means other packages, so it is a part of the key.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::index_access::expanded;
use crate::app::source::AppSource;
use crate::env::Env;
use crate::error::{NoticeCode, Result};
use crate::host::clock;
use crate::plan::{Inputs, Notice, PackageManager};
use crate::python::pip_config::PipConfig;
use crate::python::requirements::{
    GlobalOption, RequirementKind, Requirements, file_url_path, read_requirements,
};
use crate::store::Store;

/// More files than this in a directory are known by their sizes and times alone.
const MOST_READ: usize = 512;
/// An index on the disk is a directory of directories.
const MOST_DEPTH: usize = 3;

/// Seconds that a file has to be old for its times to tell that it hasn't changed.
const OLD_ENOUGH: u64 = 2;

/// The files in these places that an earlier build has read. One that looks the same isn't read again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
struct KnownPlaces(BTreeMap<PathBuf, KnownFile>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct KnownFile {
    circumstances: String,
    digest: String,
}

/// Adds what pip's configuration and the requirements name on this machine's disk.
pub(super) fn add_places(
    inputs: &mut Inputs,
    manager: PackageManager,
    pip: &PipConfig,
    app: &AppSource,
    env: &Env,
    (store, lineage): (&Store, &str),
) -> Result<()> {
    if pip.constraints.is_empty()
        && pip.build_constraints.is_empty()
        && named_places(inputs, pip, app, env).is_empty()
    {
        return Ok(());
    }
    let known = store.document::<KnownPlaces>("places", lineage).unwrap_or_default();
    let mut seen = KnownPlaces::default();
    find_places(inputs, manager, pip, app, env, (&known, &mut seen));
    if known != seen {
        store.put_document("places", lineage, &seen)?;
    }
    Ok(())
}

fn find_places(
    inputs: &mut Inputs,
    manager: PackageManager,
    pip: &PipConfig,
    app: &AppSource,
    env: &Env,
    (known, seen): (&KnownPlaces, &mut KnownPlaces),
) {
    if manager == PackageManager::Pip {
        for path in pip.constraints.iter().filter(|path| !path.contains("://")) {
            let mut read = |path: &str| fs::read(app.root.join(path));
            // Whoever installs says what is wrong with it.
            let Ok(constraints) = read_requirements(path, &mut read) else { continue };
            for (file, contents) in &constraints.files {
                inputs.places.insert(shown(Path::new(file), app), hex::encode(Sha256::digest(contents)));
            }
            if let Some(requirements) = &mut inputs.requirements {
                add_constraints(requirements, constraints);
            }
        }
    }
    for path in pip.constraints.iter().chain(&pip.build_constraints).filter(|path| !path.contains("://")) {
        let path = app.root.join(path);
        if let Ok(contents) = fs::read(&path) {
            inputs.places.insert(shown(&path, app), hex::encode(Sha256::digest(contents)));
        }
    }
    for path in named_places(inputs, pip, app, env) {
        if let Some(digest) = digest_of_place(&path, app, known, seen) {
            inputs.places.insert(shown(&path, app), digest);
        }
    }
}

/// Lets constraints of pip's configuration count as those of a file: hashes in them, and what uv reads otherwise.
fn add_constraints(requirements: &mut Requirements, constraints: Requirements) {
    let Requirements { files: _, entries, beyond_uv } = constraints;
    let entries = entries.into_iter().map(|mut entry| {
        entry.constraint = true;
        entry
    });
    requirements.entries.extend(entries);
    requirements.beyond_uv.extend(beyond_uv);
}

/// Lists the places of archives, absolute.
fn named_places(inputs: &Inputs, pip: &PipConfig, app: &AppSource, env: &Env) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut add = |text: &str, directory: &str| {
        let text = expanded(text, env);
        let path = match file_url_path(&text) {
            Some(path) => path,
            None if text.contains("://") => return,
            None => text,
        };
        // pip takes a path that is there from the file, else from the current directory.
        let from_file = app.root.join(directory).join(&path);
        places.push(if from_file.exists() { from_file } else { app.root.join(&path) });
    };
    pip.find_links.iter().for_each(|link| add(link, ""));
    for url in pip.index_url.iter().chain(&pip.extra_index_urls).filter(|url| url.starts_with("file:")) {
        add(url, "");
    }
    for entry in inputs.requirements.iter().flat_map(|requirements| &requirements.entries) {
        let directory = entry.file.rfind('/').map_or("", |slash| &entry.file[..slash]);
        match &entry.kind {
            RequirementKind::Option(GlobalOption::FindLinks(link)) => add(link, directory),
            RequirementKind::Option(GlobalOption::IndexUrl(url) | GlobalOption::ExtraIndexUrl(url))
                if url.starts_with("file:") =>
            {
                add(url, directory);
            }
            _ => {}
        }
    }
    for line in inputs.rendered.iter().flat_map(|rendered| rendered.text.lines()) {
        if let Some((option, value)) = line.split_once(' ')
            && (option == "--find-links" || (option.ends_with("index-url") && value.starts_with("file:")))
        {
            add(value, "");
        }
    }
    for index in inputs.indexes.iter().filter(|index| index.url.starts_with("file:")) {
        add(&index.url, "");
    }
    places.extend(inputs.seen.archives.iter().map(|path| app.root.join(path)));
    places.sort();
    places.dedup();
    places
}

/// Tells of variables that name indexes for uv alone: what is installed would depend on which program installs.
pub(super) fn ignored_indexes(manager: PackageManager, env: &Env) -> Option<Notice> {
    const NAMES: &[&str] = &[
        "UV_DEFAULT_INDEX",
        "UV_EXTRA_INDEX_URL",
        "UV_FIND_LINKS",
        "UV_INDEX",
        "UV_INDEX_URL",
        "UV_NO_INDEX",
    ];
    if !matches!(manager, PackageManager::Pip | PackageManager::Pyproject) {
        return None;
    }
    let set: Vec<&str> = NAMES.iter().copied().filter(|name| env.var(name).is_some()).collect();
    (!set.is_empty()).then(|| Notice {
        code: NoticeCode::InstallerUvIndexIgnored.into(),
        text: format!(
            "{} has no effect here. Packages come from where pip's settings say: \
             PIP_INDEX_URL, PIP_EXTRA_INDEX_URL, PIP_FIND_LINKS and PIP_NO_INDEX.",
            set.join(", ")
        )
        .into(),
        warning: true,
    })
}

/// Names a place as a message does.
fn shown(path: &Path, app: &AppSource) -> String {
    let path = path.strip_prefix(&app.root).unwrap_or(path);
    path.components().collect::<PathBuf>().display().to_string()
}

/// Returns a digest of what is there; nothing if there is nothing.
fn digest_of_place(
    path: &Path,
    app: &AppSource,
    known: &KnownPlaces,
    seen: &mut KnownPlaces,
) -> Option<String> {
    let mut files = BTreeMap::new();
    if fs::metadata(path).ok()?.is_file() {
        files.insert(PathBuf::new(), path.to_owned());
    } else {
        list_files(path, Path::new(""), MOST_DEPTH, &mut files).ok()?;
    }
    // Elsewhere than in the app a directory may be large, and it isn't new in each build.
    let is_read = path.starts_with(&app.root) && files.len() <= MOST_READ;
    let mut hasher = Sha256::new();
    for (name, path) in files {
        let facts =
            if is_read { content(path, known, seen) } else { circumstances(&path).map(|(text, _)| text) };
        hasher.update(name.as_os_str().as_encoded_bytes());
        hasher.update(format!("\0{}\0", facts.unwrap_or_default()));
    }
    Some(hex::encode(&hasher.finalize()[..16]))
}

/// Returns the digest of a file, which is only read if it doesn't look as it did.
fn content(path: PathBuf, known: &KnownPlaces, seen: &mut KnownPlaces) -> io::Result<String> {
    let (circumstances, modified) = circumstances(&path)?;
    let unchanged = known.0.get(&path).filter(|file| file.circumstances == circumstances);
    let file = match unchanged {
        Some(file) => file.clone(),
        None => KnownFile { circumstances, digest: digest_of_file(&path)? },
    };
    let digest = file.digest.clone();
    if modified.saturating_add(OLD_ENOUGH) < clock::unix_seconds() {
        seen.0.insert(path, file);
    }
    Ok(digest)
}

fn digest_of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut buffer) = (File::open(path)?, Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            length => hasher.update(&buffer[..length]),
        }
    }
}

fn circumstances(path: &Path) -> io::Result<(String, u64)> {
    let metadata = fs::metadata(path)?;
    let (seconds, nanoseconds) = (metadata.mtime(), metadata.mtime_nsec());
    let text =
        format!("{} {seconds}.{nanoseconds} {} {}", metadata.len(), metadata.ino(), metadata.ctime_nsec());
    Ok((text, seconds.unsigned_abs()))
}

fn list_files(
    dir: &Path,
    below: &Path,
    depth: usize,
    files: &mut BTreeMap<PathBuf, PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() => drop(files.insert(name, path)),
            Ok(metadata) if metadata.is_dir() && depth > 1 => list_files(&path, &name, depth - 1, files)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Interrupt;

    // D35
    #[test]
    fn an_index_for_uv_alone_is_told_to_have_no_effect() {
        for (manager, vars, expected) in [
            (
                PackageManager::Pip,
                &[("UV_INDEX_URL", "https://a.test"), ("UV_INDEX", "x")][..],
                Some("UV_INDEX, UV_INDEX_URL has"),
            ),
            (
                PackageManager::Pyproject,
                &[("UV_DEFAULT_INDEX", "https://a.test")],
                Some("UV_DEFAULT_INDEX has"),
            ),
            (PackageManager::Pip, &[("UV_INDEX_A_PASSWORD", "x"), ("UV_INDEX_URL", "")], None),
            (PackageManager::Uv, &[("UV_INDEX_URL", "https://a.test")], None),
        ] {
            let notice = ignored_indexes(manager, &Env::for_tests(vars));
            assert_eq!(notice.is_some(), expected.is_some(), "{vars:?}");
            let text = notice.map(|notice| notice.text.to_string()).unwrap_or_default();
            assert!(text.starts_with(expected.unwrap_or_default()), "{vars:?}: {text}");
        }
    }

    // D34
    #[test]
    fn what_installers_look_into_is_in_the_key() {
        let vars = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let outside = tempfile::tempdir().unwrap();
        let elsewhere = outside.path().to_str().unwrap().to_owned();
        for (requirements, pip, changed) in [
            ("--find-links ./vendor\nvend\n", vec![], "vendor/vend-1.whl"),
            ("-f vendor\nvend\n", vec![], "vendor/vend-1.whl"),
            ("-r more/base.txt\n", vec![], "more/vendor/vend-1.whl"),
            ("vend\n", vec![("PIP_FIND_LINKS", "vendor")], "vendor/vend-1.whl"),
            ("vend\n", vec![("PIP_FIND_LINKS", elsewhere.as_str())], "vend-1.whl"),
            ("--index-url file://APP/index\nvend\n", vec![], "index/vend/vend-1.whl"),
            ("vend\n", vec![("PIP_CONSTRAINT", "limits.txt")], "limits.txt"),
            ("vend\n", vec![("PIP_BUILD_CONSTRAINT", "limits.txt")], "limits.txt"),
            ("-f links.html\nvend\n", vec![], "links.html"),
        ] {
            let app = tempfile::tempdir().unwrap();
            let root = app.path().to_str().unwrap();
            let is_outside = pip.iter().any(|(_, value)| *value == elsewhere);
            let changed = if is_outside { outside.path().join(changed) } else { app.path().join(changed) };
            fs::write(app.path().join("requirements.txt"), requirements.replace("APP", root)).unwrap();
            for dir in ["more/vendor", "vendor", "index/vend"] {
                fs::create_dir_all(app.path().join(dir)).unwrap();
            }
            fs::write(app.path().join("more/base.txt"), "-f vendor\nvend\n").unwrap();
            let places = || {
                let source =
                    crate::app::source::read_source(app.path(), &Default::default(), &Interrupt::default())
                        .unwrap();
                let read = read_requirements("requirements.txt", &mut |path: &str| source.read_file(path));
                let mut inputs = Inputs { requirements: Some(read.unwrap()), ..Inputs::default() };
                let config = PipConfig::parse(&[], &vars(&pip));
                let (known, mut seen) = (KnownPlaces::default(), KnownPlaces::default());
                let env = Env::for_tests(&[]);
                find_places(&mut inputs, PackageManager::Pip, &config, &source, &env, (&known, &mut seen));
                inputs.places
            };
            fs::write(&changed, "six==1.0\n").unwrap();
            let first = places();
            assert_eq!(places(), first, "{requirements} {pip:?}");
            assert!(!first.is_empty(), "{requirements} {pip:?}");
            fs::write(&changed, "six==2.0 # \n").unwrap();
            let second = places();
            assert_ne!(second, first, "{requirements} {pip:?}");
            fs::write(changed.with_file_name("vend-2.whl"), "").unwrap();
            let in_directory = !changed.ends_with("limits.txt") && !changed.ends_with("links.html");
            assert_eq!(places() != second, in_directory, "{requirements} {pip:?}");
        }
    }

    #[test]
    fn a_file_is_read_again_only_if_it_looks_otherwise() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vend-1.whl");
        let write = |contents: &str, seconds: u64| {
            fs::write(&path, contents).unwrap();
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        };
        let now = clock::unix_seconds();
        for (seconds, is_remembered) in [(now - 60, true), (now, false), (now + 60, false)] {
            write("one", seconds);
            let mut seen = KnownPlaces::default();
            let first = content(path.clone(), &KnownPlaces::default(), &mut seen).unwrap();
            assert_eq!(seen.0.contains_key(&path), is_remembered, "{seconds}");
            write("two", seconds + 1);
            let second = content(path.clone(), &seen, &mut KnownPlaces::default()).unwrap();
            assert_ne!(first, second, "{seconds}");
        }
        let (circumstances, _) = circumstances(&path).unwrap();
        let file = KnownFile { circumstances, digest: "as before".into() };
        let known = KnownPlaces(BTreeMap::from([(path.clone(), file)]));
        assert_eq!(content(path, &known, &mut KnownPlaces::default()).unwrap(), "as before");
    }
}
