//! Runtimes from archives that somebody has prepared: a directory of this machine or of a web server, with
//! a file of checksums in it. Heroku's own archives, python-build-standalone's and home-made ones will do.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::LazyLock;

use pep440_rs::Version;
use regex::Regex;

use super::archive_error::RuntimeArchiveError;
use super::catalogue::{ArchiveRef, fetch_archive};
use super::standalone::{self, Maker};
use crate::env::Env;
use crate::host::archive;
use crate::host::download::{DownloadError, fetch_text};
use crate::host::url;
use crate::output::Output;
use crate::store::Store;

/// The file of checksums, as `sha256sum` writes it.
const CHECKSUMS: &str = "SHA256SUMS";

/// The longest file of checksums: some ten thousand archives.
const LONGEST_CHECKSUMS: u64 = 4 << 20;

/// A place with prepared archives.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PreparedSource {
    /// The address of the directory. It may hold credentials.
    base: String,
    /// The checksum of every archive, by its name.
    archives: BTreeMap<String, String>,
    /// The version of Ubuntu that archives should be made for, if that is known: `24.04`.
    ubuntu: Option<String>,
}

/// One archive of the place.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct PreparedArchive {
    /// Its name, relative to the place.
    pub name: String,
    /// Its address. It may hold credentials.
    pub url: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

impl fmt::Debug for PreparedSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { base, archives, ubuntu } = self;
        let mut shown = formatter.debug_struct("PreparedSource");
        shown.field("base", &url::redact(base)).field("archives", archives).field("ubuntu", ubuntu).finish()
    }
}

impl fmt::Debug for PreparedArchive {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, url, sha256 } = self;
        let mut shown = formatter.debug_struct("PreparedArchive");
        shown.field("name", name).field("url", &url::redact(url)).field("sha256", sha256).finish()
    }
}

impl PreparedSource {
    /// Reads the checksums of a place: a path, or a `file://`, `http://` or `https://` address.
    pub(crate) fn open(location: &str, env: &Env, output: &Output) -> Result<Self, RuntimeArchiveError> {
        let location = location.trim();
        let shown = if url::scheme(location).is_some() { url::redact(location) } else { location.to_owned() };
        let invalid = |problem: String| RuntimeArchiveError::Source { location: shown.clone(), problem };
        let base = match url::scheme(location).as_deref() {
            Some("http" | "https" | "file") => location.to_owned(),
            Some(scheme) => return Err(invalid(format!("is a {scheme} address, which can't be used"))),
            None if location.is_empty() => {
                let location = "The place of the archives".to_owned();
                return Err(RuntimeArchiveError::Source { location, problem: "is empty".to_owned() });
            }
            None => url::from_path(&env.absolute(location)),
        };
        if let Some(path) = url::to_path(&base)
            && !path.is_dir()
        {
            let problem = if path.exists() { "is not a directory" } else { "doesn't exist" };
            return Err(invalid(problem.to_owned()));
        }
        let text = match fetch_text(&url::join(&base, CHECKSUMS), env, output, LONGEST_CHECKSUMS) {
            Err(error) if error.is_missing() => {
                return Err(invalid(format!("has no file {CHECKSUMS}")));
            }
            Err(error @ (DownloadError::TooLarge { .. } | DownloadError::NotText { .. })) => {
                return Err(invalid(format!("has a file {CHECKSUMS} that can't be read: {error}")));
            }
            other => other?,
        };
        let archives = parse_checksums(&text).map_err(invalid)?;
        Ok(Self { base, archives, ubuntu: ubuntu_of(env) })
    }

    /// Returns the archive of a version for a processor architecture: `x86_64` or `aarch64`.
    pub(crate) fn find(&self, version: &str, arch: &str) -> Option<PreparedArchive> {
        let version = Version::from_str(version).ok()?;
        self.best(|found| *found == version, arch).map(|(_, archive)| archive)
    }

    /// Returns the archive of the newest final release of a minor version, such as `3.13`.
    pub(crate) fn newest(&self, minor: &str, arch: &str) -> Option<(String, PreparedArchive)> {
        let minor = Version::from_str(minor).ok()?;
        let fits = |found: &Version| !found.any_prerelease() && found.release().starts_with(minor.release());
        self.best(fits, arch).map(|(version, archive)| (version.to_string(), archive))
    }

    fn best(&self, fits: impl Fn(&Version) -> bool, arch: &str) -> Option<(Version, PreparedArchive)> {
        let candidates = self.archives.iter().filter_map(|(name, sha256)| {
            let parsed = Name::parse(name)?;
            let version = parsed.for_arch(arch).filter(&fits)?;
            Some((version, parsed.rank(self.ubuntu.as_deref()), name, sha256))
        });
        let (version, _, name, sha256) = candidates.max()?;
        let url = url::join(&self.base, name);
        Some((version, PreparedArchive { name: name.clone(), url, sha256: sha256.clone() }))
    }

    /// Makes a runtime from one of the archives in `prefix`, a directory that isn't there or is empty. On
    /// failure, what was made of it stays: it is a directory to be thrown away.
    pub(crate) fn fetch(
        &self,
        archive: &PreparedArchive,
        prefix: &Path,
        store: &Store,
        env: &Env,
        output: &Output,
    ) -> Result<(), RuntimeArchiveError> {
        let PreparedArchive { name, url, sha256 } = archive;
        let file_name = name.rsplit('/').next().unwrap_or(name);
        let urls = [url.clone()];
        let file = fetch_archive(&ArchiveRef { urls: &urls, sha256, file_name }, store, env, output)?;
        let root = archive::find_entry(&file, env, output, python_root)?.ok_or_else(|| {
            RuntimeArchiveError::Layout {
                archive: file_name.to_owned(),
                problem: "has no bin/python3, neither at its top nor in its one directory",
            }
        })?;
        archive::unpack_subdirectory(&file, &root, prefix, env, output)?;
        let minor = standalone::adopt(prefix, file_name, Maker::Unknown)?;
        let promised = Name::parse(name).map(|name| name.version);
        let delivered = Version::from_str(&minor).ok();
        match promised.zip(delivered) {
            Some((promised, delivered)) if !promised.release().starts_with(delivered.release()) => {
                let problem = "holds another version of Python than its name says";
                Err(RuntimeArchiveError::Layout { archive: file_name.to_owned(), problem })
            }
            _ => Ok(()),
        }
    }
}

/// Returns the directory that a Python is installed in, if this is its program: the top of the archive, a
/// directory in it, or `install` in that, as in python-build-standalone's full archives.
fn python_root(path: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    let [root @ .., bin, name] = path else { return None };
    let is_python = name == b"python3"
        || name.strip_prefix(b"python3.").is_some_and(|minor| minor.iter().all(u8::is_ascii_digit));
    let is_root = match root {
        [] | [_] => true,
        [_, install] => install == b"install",
        _ => false,
    };
    (bin == b"bin" && is_python && is_root).then(|| root.to_vec())
}

/// Parses `<hex>  <name>` and `<hex> *<name>`; names of other files than archives are kept too.
fn parse_checksums(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut archives = BTreeMap::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = || format!("has a file {CHECKSUMS} whose line {} isn't a SHA-256 and a name", index + 1);
        let (sha256, name) = line.split_once(' ').ok_or_else(wrong)?;
        let name = name.trim_start().trim_start_matches('*').trim_start_matches("./");
        let is_sha256 = sha256.len() == 64 && sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        let leads_out = name.starts_with('/') || name.split('/').any(|part| part == "..");
        if !is_sha256 || name.is_empty() || leads_out {
            return Err(wrong());
        }
        let sha256 = sha256.to_ascii_lowercase();
        if archives.insert(name.to_owned(), sha256.clone()).is_some_and(|other| other != sha256) {
            return Err(format!("has a file {CHECKSUMS} with two different checksums of {name}"));
        }
    }
    Ok(archives)
}

/// What an archive's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    version: Version,
    arch: Option<&'static str>,
    ubuntu: Option<String>,
    flavour: u8,
}

/// What each architecture is called; the first is our name.
const ARCHITECTURES: &[&[&str]] = &[
    &["x86_64", "amd64", "x64"],
    &["aarch64", "arm64"],
    &["i686", "i386"],
    &["ppc64le"],
    &["s390x"],
    &["riscv64"],
    &["armv7"],
];

/// Words in names of archives that don't run on an ordinary Linux, or that aren't the ordinary Python.
const UNFIT: &[&str] =
    &["apple", "darwin", "macos", "windows", "win32", "msvc", "musl", "emscripten", "freethreaded", "debug"];

impl Name {
    fn parse(name: &str) -> Option<Self> {
        static PYTHON: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?:^|[^a-z0-9])c?python-?v?(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)(?:[^\w.].*|_.*|\.t.*)$")
                .expect("the pattern is right")
        });
        static UBUNTU: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"(?:ubuntu|heroku)-?(\d\d)(?:\.04)?\b").expect("the pattern is right")
        });
        let name = name.rsplit('/').next()?.to_lowercase().replace("%2b", "+");
        let is_archive = [".tar.gz", ".tgz", ".tar.zst", ".tzst"].iter().any(|end| name.ends_with(end));
        if !is_archive || UNFIT.iter().any(|word| name.contains(word)) || name.contains("x86_64_v") {
            return None;
        }
        let version = Version::from_str(&PYTHON.captures(&name)?[1]).ok()?;
        let is_called = |names: &&&[&str]| names.iter().any(|called| name.contains(called));
        let arch = ARCHITECTURES.iter().find(is_called).and_then(|names| names.first()).copied();
        let ubuntu = UBUNTU.captures(&name).map(|captures| format!("{}.04", &captures[1]));
        let flavour = match () {
            () if name.contains("install_only_stripped") => 2,
            () if name.contains("install_only") => 1,
            () => 0,
        };
        Some(Self { version, arch, ubuntu, flavour })
    }

    /// Returns the version if this can run on that architecture.
    fn for_arch(&self, arch: &str) -> Option<Version> {
        let wanted = ARCHITECTURES.iter().find(|names| names.contains(&arch)).and_then(|names| names.first());
        let wanted = wanted.copied().unwrap_or(arch);
        self.arch.is_none_or(|arch| arch == wanted).then(|| self.version.clone())
    }

    /// Orders archives of one version: made for this Ubuntu, then for any, then for an older one, as newer
    /// systems run what was made for older ones; then the architecture is named; then the smaller ones.
    fn rank(&self, ubuntu: Option<&str>) -> impl Ord + use<> {
        let number = |version: &str| version.replace('.', "").parse::<i64>().unwrap_or(0);
        let made_for = self.ubuntu.as_deref().map(number);
        let ours = ubuntu.map(number);
        let (fitness, nearness) = match (made_for, ours) {
            (None, _) => (2, 0),
            (Some(made_for), Some(ours)) if made_for == ours => (3, 0),
            (Some(made_for), Some(ours)) if made_for < ours => (1, made_for),
            // Of what may be too new, the oldest runs on most systems.
            (Some(made_for), _) => (0, -made_for),
        };
        (fitness, self.arch.is_some(), self.flavour, nearness)
    }
}

/// Returns the version of Ubuntu that the slug is for: the stack's, else this machine's.
fn ubuntu_of(env: &Env) -> Option<String> {
    let of_stack = env.text("STACK").and_then(|stack| stack.strip_prefix("heroku-"));
    let of_stack = of_stack.filter(|number| number.len() == 2).map(|number| format!("{number}.04"));
    of_stack.or_else(|| ubuntu_of_release(&std::fs::read_to_string("/etc/os-release").ok()?))
}

fn ubuntu_of_release(text: &str) -> Option<String> {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    (value("ID")? == "ubuntu").then(|| value("VERSION_ID"))?
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use sha2::{Digest, Sha256};

    use super::*;
    use crate::error::{ErrorCode, UserError};
    use crate::host::archive::tests::{file, gzip, raw, zstd};
    use crate::output::Format;
    use crate::output::tests::Captured;

    const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

    fn source(names: &[&str], ubuntu: Option<&str>) -> PreparedSource {
        PreparedSource {
            base: "https://host/dir".to_owned(),
            archives: names.iter().map(|name| ((*name).to_owned(), ZERO.to_owned())).collect(),
            ubuntu: ubuntu.map(str::to_owned),
        }
    }

    #[test]
    fn names_are_matched_by_version_and_architecture() {
        for (name, version, arch, found) in [
            ("python-3.13.5.tar.gz", "3.13.5", "x86_64", true),
            ("Python-3.13.5.tgz", "3.13.5", "aarch64", true),
            ("python-3.13.5-ubuntu-24.04-amd64.tar.zst", "3.13.5", "x86_64", true),
            ("python-3.13.5-ubuntu-24.04-amd64.tar.zst", "3.13.5", "amd64", true),
            ("python-3.13.5-ubuntu-24.04-arm64.tar.zst", "3.13.5", "x86_64", false),
            ("python-3.13.5-ubuntu-24.04-arm64.tar.zst", "3.13.5", "aarch64", true),
            (
                "sub/cpython-3.13.5+20250612-x86_64-unknown-linux-gnu-install_only.tar.gz",
                "3.13.5",
                "x86_64",
                true,
            ),
            ("cpython-3.13.5%2B20250612-aarch64-unknown-linux-gnu.tar.gz", "3.13.5", "aarch64", true),
            ("cpython-3.13.5+20250612-x86_64-unknown-linux-musl.tar.gz", "3.13.5", "x86_64", false),
            ("cpython-3.13.5+20250612-aarch64-apple-darwin.tar.gz", "3.13.5", "aarch64", false),
            ("cpython-3.13.5+20250612-x86_64_v3-unknown-linux-gnu.tar.gz", "3.13.5", "x86_64", false),
            (
                "cpython-3.13.5+20250612-x86_64-unknown-linux-gnu-freethreaded.tar.gz",
                "3.13.5",
                "x86_64",
                false,
            ),
            ("cpython-3.13.5+20250612-i686-unknown-linux-gnu.tar.gz", "3.13.5", "x86_64", false),
            ("our-python-3.13.5_2.tar.gz", "3.13.5", "x86_64", true),
            ("python-3.13.50.tar.gz", "3.13.5", "x86_64", false),
            ("python-3.13.5.1.tar.gz", "3.13.5", "x86_64", false),
            ("python-3.13.5rc1.tar.gz", "3.13.5", "x86_64", false),
            ("python-3.13.5rc1.tar.gz", "3.13.5rc1", "x86_64", true),
            ("ipython-3.13.5.tar.gz", "3.13.5", "x86_64", false),
            ("python-3.13.5.tar.gz.asc", "3.13.5", "x86_64", false),
            ("python-3.13.5.tar.xz", "3.13.5", "x86_64", false),
            ("python-3.13.5.tar.gz", "3.13", "x86_64", false),
            ("python-3.13.5.tar.gz", "not a version", "x86_64", false),
        ] {
            assert_eq!(source(&[name], None).find(version, arch).is_some(), found, "{name} {version} {arch}");
        }
    }

    #[test]
    fn of_several_archives_the_fitting_one_is_taken() {
        let ubuntu = |version: &str| format!("python-3.13.5-ubuntu-{version}-amd64.tar.zst");
        let all = [ubuntu("22.04"), ubuntu("24.04"), ubuntu("26.04")];
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let any = "python-3.13.5-x86_64.tar.gz";
        let bare = "python-3.13.5.tar.gz";
        let (only, stripped) = (
            "cpython-3.13.5+1-x86_64-unknown-linux-gnu-install_only.tar.gz",
            "cpython-3.13.5+1-x86_64-unknown-linux-gnu-install_only_stripped.tar.gz",
        );
        for (names, ours, expected) in [
            (all.clone(), Some("24.04"), all[1]),
            (all.clone(), None, all[0]),
            (all.clone(), Some("20.04"), all[0]),
            (all[..2].to_vec(), Some("26.04"), all[1]),
            (vec![all[0], any], Some("22.04"), all[0]),
            (vec![all[0], any], Some("24.04"), any),
            (vec![any, bare], None, any),
            (vec![only, stripped], None, stripped),
        ] {
            let found = source(&names, ours).find("3.13.5", "x86_64").unwrap();
            assert_eq!(found.name, expected, "{names:?} for {ours:?}");
        }
    }

    #[test]
    fn the_newest_is_so_by_number_and_final() {
        let names = [
            "python-3.13.9.tar.gz",
            "python-3.13.10-arm64.tar.gz",
            "python-3.14.0rc1.tar.gz",
            "python-3.1.0.tgz",
        ];
        let source = source(&names, None);
        let newest = |minor, arch| source.newest(minor, arch).map(|(version, _)| version);
        assert_eq!(newest("3.13", "x86_64").as_deref(), Some("3.13.9"));
        assert_eq!(newest("3.13", "aarch64").as_deref(), Some("3.13.10"));
        assert_eq!(newest("3.14", "x86_64"), None);
        assert_eq!(newest("3.1", "x86_64").as_deref(), Some("3.1.0"));
        let (_, archive) = source.newest("3.13", "x86_64").unwrap();
        assert_eq!(archive.url, "https://host/dir/python-3.13.9.tar.gz");
    }

    #[test]
    fn checksums_are_read_as_sha256sum_writes_them() {
        let upper = ZERO.replace('0', "A");
        let text = format!("\u{feff}# comment\r\n{ZERO}  a b.tar.gz\r\n\n{upper} *./b.tgz\n{ZERO}  sub/c\n");
        let archives = parse_checksums(&text).unwrap();
        assert_eq!(archives.keys().collect::<Vec<_>>(), ["a b.tar.gz", "b.tgz", "sub/c"]);
        assert_eq!(archives["b.tgz"], upper.to_lowercase());
        for text in [
            "<html>".to_owned(),
            "0000  a".to_owned(),
            ZERO.to_owned(),
            format!("{ZERO}  "),
            format!("{ZERO}  ../a"),
            format!("{ZERO}  /a"),
            format!("{}  a", ZERO.replace('0', "g")),
            format!("{ZERO}  a\n{upper}  a"),
        ] {
            assert!(parse_checksums(&text).is_err(), "{text}");
        }
    }

    #[test]
    fn ubuntu_is_the_stacks_or_this_machines() {
        for (text, found) in [
            ("NAME=x\nID=ubuntu\nVERSION_ID=\"24.04\"\n", Some("24.04")),
            ("ID=debian\nVERSION_ID=\"12\"\n", None),
            ("ID_LIKE=ubuntu\n", None),
        ] {
            assert_eq!(ubuntu_of_release(text).as_deref(), found, "{text}");
        }
        assert_eq!(ubuntu_of(&Env::for_tests(&[("STACK", "heroku-26")])).as_deref(), Some("26.04"));
    }

    /// The entries of an archive with a make-believe Python below `top`.
    fn python(top: &str) -> Vec<Vec<u8>> {
        vec![
            file(&format!("{top}elsewhere/file"), "x"),
            raw(b'0', &format!("{top}bin/python3.13"), "", 0o755, b"#!/bin/sh\necho 3.13.5\n"),
            raw(b'2', &format!("{top}bin/python3"), "python3.13", 0o777, b""),
            file(&format!("{top}bin/python3.13-config"), "x"),
            file(&format!("{top}bin/pip3"), "x"),
            file(&format!("{top}lib/python3.13/os.py"), "x"),
            file(&format!("{top}lib/python3.13/site-packages/pip/__init__.py"), "x"),
            file(&format!("{top}lib/python3.13/idlelib/__init__.py"), "x"),
        ]
    }

    fn write_source(dir: &Path, archives: &[(&str, Vec<u8>)]) {
        let mut checksums = String::new();
        for (name, bytes) in archives {
            fs::write(dir.join(name), bytes).unwrap();
            checksums.push_str(&format!("{}  {name}\n", hex::encode(Sha256::digest(bytes))));
        }
        fs::write(dir.join(CHECKSUMS), checksums).unwrap();
    }

    #[test]
    fn archives_of_every_shape_become_a_runtime() {
        let env = Env::for_tests(&[]);
        for (name, bytes) in [
            ("python-3.13.5-ubuntu-24.04-amd64.tar.zst", zstd(&python(""))),
            ("python-3.13.5-ubuntu-24.04-amd64.tar.zst", gzip(&python("./"))),
            ("python-3.13.5.tar.gz", gzip(&python("python/"))),
            (
                "cpython-3.13.5+1-x86_64-unknown-linux-gnu-pgo+lto-full.tar.zst",
                zstd(&python("python/install/")),
            ),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().join("a place");
            fs::create_dir(&place).unwrap();
            write_source(&place, &[(name, bytes)]);
            let store = Store::open(&dir.path().join("store")).unwrap();
            let log = Captured::default();
            let output = Output::to_sink(log.clone(), Format::Json);
            for (round, location) in
                [place.to_str().unwrap().to_owned(), url::from_path(&place)].iter().enumerate()
            {
                let source = PreparedSource::open(location, &env, &output).unwrap();
                let archive = source.find("3.13.5", "x86_64").unwrap();
                let prefix = dir.path().join(format!("prefix-{round}"));
                source.fetch(&archive, &prefix, &store, &env, &output).unwrap();
                let names = |dir: &Path| {
                    let names = fs::read_dir(dir)
                        .unwrap()
                        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
                    names.collect::<std::collections::BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
                };
                assert_eq!(names(&prefix), "bin elsewhere lib", "{name}");
                assert_eq!(names(&prefix.join("bin")), "python python3 python3.13 python3.13-config");
                assert_eq!(names(&prefix.join("lib/python3.13")), "idlelib os.py site-packages");
                assert_eq!(names(&prefix.join("lib/python3.13/site-packages")), "");
            }
            // The second round found the archive in the store.
            assert_eq!(output.counters().downloads, 1, "{}", log.text());
        }
    }

    #[test]
    fn a_place_that_cannot_be_used_is_explained() {
        let dir = tempfile::tempdir().unwrap();
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let path = dir.path().to_str().unwrap().to_owned();
        fs::write(dir.path().join("file"), "x").unwrap();
        fs::create_dir(dir.path().join("bad")).unwrap();
        fs::write(dir.path().join("bad").join(CHECKSUMS), "nonsense").unwrap();
        for (location, problem) in [
            (path.clone(), "has no file SHA256SUMS."),
            (format!("{path}/none"), "doesn't exist."),
            (format!("{path}/file"), "is not a directory."),
            (format!("{path}/bad"), "has a file SHA256SUMS whose line 1 isn't a SHA-256 and a name."),
            ("s3://user:secret@bucket/a".to_owned(), "s3://bucket/a is a s3 address, which can't be used."),
            (String::new(), "is empty."),
        ] {
            let error = PreparedSource::open(&location, &env, &output).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PythonSourceInvalid, "{location}");
            assert!(error.to_string().ends_with(problem), "{error}");
        }
    }

    #[test]
    fn a_web_server_serves_and_its_secrets_stay_unseen() {
        let dir = tempfile::tempdir().unwrap();
        write_source(dir.path(), &[("python-3.13.5.tar.gz", gzip(&python("python/")))]);
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let address = server.server_addr().to_ip().unwrap();
        let served = dir.path().to_owned();
        thread::spawn(move || {
            for request in server.incoming_requests() {
                let path =
                    request.url().strip_prefix("/dir/").and_then(|path| path.strip_suffix("?sig=secret"));
                match path.and_then(|path| fs::read(served.join(path)).ok()) {
                    Some(bytes) => request.respond(tiny_http::Response::from_data(bytes)).unwrap(),
                    None => request.respond(tiny_http::Response::empty(404)).unwrap(),
                }
            }
        });
        let env = Env::for_tests(&[]);
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Json);
        let location = format!("http://user:secret@{address}/dir?sig=secret");
        let source = PreparedSource::open(&location, &env, &output).unwrap();
        let archive = source.find("3.13.5", "aarch64").unwrap();
        let store = Store::open(&dir.path().join("store")).unwrap();
        source.fetch(&archive, &dir.path().join("prefix"), &store, &env, &output).unwrap();
        assert!(dir.path().join("prefix/bin/python").exists());
        for text in [log.text(), format!("{source:?} {archive:?}")] {
            assert!(!text.contains("secret"), "{text}");
        }
        let error = PreparedSource::open(&location.replace("/dir", "/none"), &env, &output).unwrap_err();
        assert_eq!(error.code(), ErrorCode::PythonSourceInvalid);
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn an_archive_that_was_changed_or_holds_no_python_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let store = Store::open(&dir.path().join("store")).unwrap();
        write_source(
            dir.path(),
            &[
                ("python-3.13.5.tar.gz", gzip(&python("python/"))),
                ("python-3.13.6.tar.gz", gzip(&[file("a/b", "x")])),
                ("python-3.12.7.tar.gz", gzip(&python("python/"))),
            ],
        );
        fs::write(dir.path().join("python-3.13.5.tar.gz"), gzip(&python("other/"))).unwrap();
        let source = PreparedSource::open(dir.path().to_str().unwrap(), &env, &output).unwrap();
        for (version, code) in [
            ("3.13.5", ErrorCode::DownloadChecksum),
            ("3.13.6", ErrorCode::PythonArchive),
            ("3.12.7", ErrorCode::PythonArchive),
        ] {
            let archive = source.find(version, "x86_64").unwrap();
            let prefix = dir.path().join(version);
            let error = source.fetch(&archive, &prefix, &store, &env, &output).unwrap_err();
            assert_eq!(error.code(), code, "{error}");
        }
        assert_eq!(fs::read_dir(store.downloads()).unwrap().count(), 2);
    }
}
