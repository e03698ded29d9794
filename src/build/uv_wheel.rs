//! uv, fetched straight from the package index. pip would take seconds for it, most of them to load itself; it is asked
//! where this can't be done.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use url::Url;

use super::index_access::with_certificates;
use super::python::Python;
use crate::env::Env;
use crate::host::download::{Download, DownloadError, download, fetch_text};
use crate::host::{files, zip};
use crate::output::Output;
use crate::plan::manager::UV_VERSION;
use crate::python::pip_config::PipConfig;

/// The longest list of a project's files, in bytes: those of projects with thousands of files have a few million.
const LONGEST_PAGE: u64 = 64 << 20;
/// The longest uv, in bytes.
const LONGEST_UV: u64 = 512 << 20;
/// Where pip has the address of the index that it asks unless it is told otherwise.
const PIPS_INDEX: &str = "pip/_internal/models/index.py";

/// Puts the uv of the inventory to `into`. Returns whether that worked: if not, pip knows more ways, and says what
/// is wrong.
pub(super) fn fetch_uv_wheel(
    python: &Python,
    pinned: &str,
    pip: &PipConfig,
    work: &Path,
    into: &Path,
    env: &Env,
    output: &Output,
) -> Result<bool, DownloadError> {
    let Some(index) = index_url(python, pip) else { return Ok(false) };
    let env = with_certificates(env, pip);
    let give_up = |error| match error {
        DownloadError::Interrupted(_) => Err(error),
        _ => Ok(false),
    };
    let Ok(address) = index.join("uv/") else { return Ok(false) };
    let page = match fetch_text(address.as_str(), &env, output, LONGEST_PAGE) {
        Ok(page) => page,
        Err(error) => return give_up(error),
    };
    let Some((url, sha256)) = find_wheel(&page, &address, &hashes(pinned), std::env::consts::ARCH) else {
        return Ok(false);
    };
    let wheel = work.join("uv.whl");
    let label = format!("uv {UV_VERSION}");
    let connect_timeout = Duration::from_secs(3);
    let request = Download { urls: &[url], sha256: &sha256, label: &label, connect_timeout, attempts: 2 };
    if let Err(error) = download(&request, &wheel, &env, output) {
        return give_up(error);
    }
    let extracted = zip::extract_program(&wheel, ".data/scripts/uv", into, LONGEST_UV);
    if extracted.is_err() {
        files::remove_file(into)?;
    }
    Ok(extracted.is_ok())
}

/// Returns the index that pip would ask; none if only pip knows how.
fn index_url(python: &Python, pip: &PipConfig) -> Option<Url> {
    let is_plain = !pip.no_index
        && pip.client_cert.is_none()
        && pip.proxy.is_none()
        && pip.keyring_provider.is_none()
        && pip.trusted_hosts.is_empty();
    if !is_plain {
        return None;
    }
    let mut index = match &pip.index_url {
        Some(url) => Url::parse(url).ok()?,
        None => {
            let wheel = PathBuf::from(python.bundled_pip()?).parent()?.to_owned();
            let source = zip::read_member(&wheel, PIPS_INDEX, 1 << 20).ok()?;
            default_index(&String::from_utf8(source).ok()?)?
        }
    };
    let is_directory = index.path().ends_with('/');
    if !is_directory {
        index.path_segments_mut().ok()?.push("");
    }
    matches!(index.scheme(), "http" | "https").then_some(index)
}

/// Finds the address in pip's own source.
fn default_index(source: &str) -> Option<Url> {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?m)^PyPI = PackageIndex\(\s*"(https://[^"]+)""#).expect("the pattern is constant")
    });
    Url::parse(&PATTERN.captures(source)?[1]).ok()?.join("simple/").ok()
}

fn hashes(pinned: &str) -> BTreeSet<&str> {
    pinned.split("--hash=sha256:").skip(1).filter_map(|rest| rest.split_whitespace().next()).collect()
}

/// Finds the wheel for this machine on an index's page, and its SHA-256, which must be one of those that are known.
/// The form of the page: the specification of the simple repository API, HTML.
fn find_wheel(page: &str, address: &Url, hashes: &BTreeSet<&str>, arch: &str) -> Option<(String, String)> {
    static LINK: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)<a\s[^>]*?href\s*=\s*["']([^"'>]+)["']"#).expect("the pattern is constant")
    });
    LINK.captures_iter(page).find_map(|captures| {
        let target = captures[1].replace("&amp;", "&");
        let (_, sha256) = target.split_once("#sha256=")?;
        let known = hashes.get(sha256)?;
        let mut url = address.join(&target).ok()?;
        url.set_fragment(None);
        let name = url.path().rsplit('/').next().unwrap_or_default();
        (name.contains(arch) && matches!(url.scheme(), "http" | "https"))
            .then(|| (url.to_string(), (*known).to_owned()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wheel_is_the_one_with_a_known_hash_for_the_machine() {
        let pinned = "uv==1 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n";
        let hashes = hashes(pinned);
        let address = Url::parse("https://index.test/simple/uv/").unwrap();
        let page = r#"<a href="uv-1-win32.whl#sha256=cc">x</a>
            <a class="a" href="../../files/uv-1-manylinux_x86_64.whl?x=1&amp;y=2#sha256=aa" data-requires-python="&gt;=3">y</a>
            <a href='https://files.test/uv-1-manylinux_aarch64.whl#sha256=bb'>z</a>"#;
        let find = |page: &str, arch: &str| find_wheel(page, &address, &hashes, arch);
        let x86 = "https://index.test/files/uv-1-manylinux_x86_64.whl?x=1&y=2";
        assert_eq!(find(page, "x86_64"), Some((x86.into(), "aa".into())));
        let arm = "https://files.test/uv-1-manylinux_aarch64.whl";
        assert_eq!(find(page, "aarch64"), Some((arm.into(), "bb".into())));
        assert_eq!(find(page, "riscv64"), None);
        assert_eq!(find(&page.replace("sha256=aa", "sha256=ab"), "x86_64"), None);
        assert_eq!(find(&page.replace("https://files.test", "file:///files"), "aarch64"), None);
        assert_eq!(find("", "x86_64"), None);
    }

    #[test]
    fn pips_own_index_is_read_from_pip() {
        let source = "class PackageIndex:\n    pass\n\n\nPyPI = PackageIndex(\"https://index.test/\", file_storage_domain=\"f\")\n\
                      TestPyPI = PackageIndex(\n    \"https://test.index.test/\",\n)\n";
        assert_eq!(default_index(source).unwrap().as_str(), "https://index.test/simple/");
        assert_eq!(default_index(&source.replace("PyPI =", "Other =")), None);
    }

    #[test]
    fn what_only_pip_can_do_is_left_to_it() {
        let version = "3.13.0".parse().unwrap();
        let python = Python::in_tree(Path::new("/nonexistent"), version);
        let index = |text: &str| PipConfig { index_url: Some(text.to_owned()), ..PipConfig::default() };
        for (pip, expected) in [
            (index("https://i.test/simple"), Some("https://i.test/simple/")),
            (index("https://u:p@i.test/simple/"), Some("https://u:p@i.test/simple/")),
            (index("file:///srv/simple"), None),
            (PipConfig { no_index: true, ..index("https://i.test/") }, None),
            (PipConfig { proxy: Some("http://p".into()), ..index("https://i.test/") }, None),
            (PipConfig::default(), None),
        ] {
            assert_eq!(index_url(&python, &pip).as_ref().map(Url::as_str), expected);
        }
    }
}
