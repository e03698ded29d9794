use proptest::prelude::*;

use super::*;

/// Made by pdm 2.22.4, once with groups and markers and once without, with fewer hashes, other hosts, and the
/// content hash that pdm computes then.
const APP: &str = include_str!("testdata/app.pyproject.toml");
const APP_LOCK: &str = include_str!("testdata/app.pdm.lock");
const PLAIN: &str = include_str!("testdata/plain.pyproject.toml");
const PLAIN_LOCK: &str = include_str!("testdata/plain.pdm.lock");

fn read(lock: &str, pyproject: &str, groups: Groups) -> Result<LockedSet, PdmError> {
    read_pdm_lock(lock.as_bytes(), pyproject.as_bytes(), groups)
}

/// The requirements without hashes, with one kind of quotes.
fn requirements(lock: &str, pyproject: &str, groups: Groups) -> String {
    let text = read(lock, pyproject, groups).unwrap().render_requirements().replace('"', "'");
    let lines = text.lines().filter(|line| !line.starts_with("    --hash"));
    lines.map(|line| line.trim_end_matches(" \\")).collect::<Vec<_>>().join("\n")
}

/// Puts a lock together whose hash is right.
fn lock_for(pyproject: &str, packages: &str) -> String {
    let hash = pyproject::content_hash(&pyproject.parse().unwrap());
    format!("{packages}\n[metadata]\nlock_version = \"4.5.0\"\ncontent_hash = \"sha256:{hash}\"\n")
}

#[test]
fn production_has_the_default_group_alone() {
    const COMMON: &str = "certifi==2026.10.18\ncharset-normalizer==3.5.2\ncolorama==0.4.6 ; sys_platform == 'win32'\n\
        idna==3.20\n";
    const REST: &str = "pysocks==1.7.1\nrequests[socks]==2.34.2\nurllib3==2.8.0";
    assert_eq!(requirements(APP_LOCK, APP, Groups::Production), format!("{COMMON}{REST}"));
    assert_eq!(requirements(PLAIN_LOCK, PLAIN, Groups::Production), format!("{COMMON}-e .\n{REST}"));
    assert_eq!(
        requirements(APP_LOCK, APP, Groups::Test),
        format!("{COMMON}iniconfig==2.3.1\n-e ./mylib\npackaging==26.3\n{REST}")
    );
    assert_eq!(
        requirements(PLAIN_LOCK, PLAIN, Groups::Test),
        format!("{COMMON}iniconfig==2.3.1\n-e .\npackaging==26.3\n{REST}")
    );
}

#[test]
fn hashes_are_kept_wherever_the_files_are() {
    for (lock, pyproject) in [(APP_LOCK, APP), (PLAIN_LOCK, PLAIN)] {
        let set = read(lock, pyproject, Groups::Production).unwrap();
        let requests = set.packages.iter().find(|package| package.name == "requests").unwrap();
        assert_eq!(requests.hashes.len(), 2);
        assert_eq!(set.python.as_deref(), Some(">=3.11"));
    }
}

#[test]
fn a_lock_of_another_pyproject_is_refused() {
    for (from, to, fresh) in [
        ("version = \"0.1.0\"", "version = \"0.2.0\"", true),
        ("distribution = false", "distribution = true", true),
        ("requests[socks]>=2.31", "requests>=2.31", false),
        ("requires-python = \">=3.11\"", "requires-python = \">=3.12\"", false),
        ("fast = [\"six\"]", "fast = []", false),
        ("lint = [\"packaging\"]", "lint = []", false),
        ("edit = [", "other = [", false),
        ("verify_ssl = true", "verify_ssl = false", false),
        ("allow-prereleases = false", "", false),
        ("[tool.pdm.resolution]", "[tool.pdm.resolution.overrides]", false),
    ] {
        assert!(APP.contains(from), "{from}");
        let found = read(APP_LOCK, &APP.replace(from, to), Groups::Production);
        assert_eq!(found.is_ok(), fresh, "{from}");
        if let Err(error) = found {
            assert_eq!((error.code().entry().id, error), ("install-dependencies::pdm", PdmError::Stale));
        }
    }
}

#[test]
fn what_cannot_be_checked_is_said() {
    let stale = lock_for("", "").replace("sha256:", "sha256:0");
    assert_eq!(read(&stale, "", Groups::Production), Err(PdmError::Stale));
    let set = read(&stale, "[tool.pdm.workspace]\nmembers = []\n", Groups::Production).unwrap();
    assert_eq!(set.warnings.len(), 1);
    let set = read(&format!("{stale}lock_inputs = {{}}\n"), "", Groups::Production).unwrap();
    assert_eq!(set.warnings.len(), 1);
}

#[test]
fn every_form_of_a_package_is_read() {
    for (entry, expected) in [
        ("version = '1'", "p==1"),
        ("version = '1'\nextras = ['b', 'a']\nmarker = \"os_name == 'x'\"", "p[a,b]==1 ; os_name == 'x'"),
        (
            "git = 'https://h.example/p.git'\nref = 'v1'\nrevision = 'abc'\nsubdirectory = 's'",
            "p @ git+https://h.example/p.git@abc#subdirectory=s",
        ),
        ("path = './p'\neditable = true", "-e ./p"),
        ("path = './p-1.zip'", "./p-1.zip"),
        ("url = 'file:///${PROJECT_ROOT}/p-1.zip'", "./p-1.zip"),
        ("url = 'https://h.example/p-1.zip'", "p @ https://h.example/p-1.zip"),
        (
            "path = '../p'",
            "pdm.lock, p: this path leads out of the app, and only what is in the app can be built: ../p.",
        ),
        (
            "url = 'file:///etc/p.zip'",
            "pdm.lock, p: only archives with an http or https URL can be used, or paths in the app: file:///etc/p.zip.",
        ),
        ("hg = 'https://h.example/p'", "pdm.lock, p: it comes from hg."),
        ("extras = []", "pdm.lock, p: it has no version."),
    ] {
        let lock = lock_for("", &format!("[[package]]\nname = 'p'\ngroups = ['default']\n{entry}\n"));
        let found = read(&lock, "", Groups::Production).map(|set| set.render_requirements());
        assert_eq!(found.unwrap_or_else(|error| error.to_string()).trim_end(), expected, "{entry}");
    }
}

#[test]
fn sources_are_told() {
    const SOURCE: &str = "[[tool.pdm.source]]\n";
    for (sources, expected) in [
        ("".to_owned(), ""),
        (format!("{SOURCE}name = 'pypi'\nurl = 'https://pypi.example/simple'\n"), ""),
        (
            format!(
                "{SOURCE}name = 'pypi'\nurl = 'https://${{U}}:${{P}}@mirror.example/simple'\nverify_ssl = false\n"
            ),
            "--index-url https://${U}:${P}@mirror.example/simple\n--trusted-host mirror.example\n",
        ),
        (
            format!("{SOURCE}name = 'a'\nurl = 'https://a.example/'\n"),
            "--extra-index-url https://a.example/\n",
        ),
        (
            format!(
                "{SOURCE}name = 'a'\nurl = 'https://a.example/'\n{SOURCE}name = 'pypi'\nurl = 'https://m.example/'\n"
            ),
            "--index-url https://m.example/\n--extra-index-url https://a.example/\n",
        ),
    ] {
        let set = read(&lock_for(&sources, ""), &sources, Groups::Production).unwrap();
        assert_eq!(set.render_requirements(), expected, "{sources}");
    }
    for wrong in ["name = 'a'", "name = 'a'\nurl = 'https://a.example/'\ntype = 'find_links'"] {
        let pyproject = format!("{SOURCE}{wrong}\n");
        assert!(read(&lock_for(&pyproject, ""), &pyproject, Groups::Production).is_err(), "{wrong}");
    }
}

#[test]
fn files_that_are_not_pdm_s_are_refused() {
    for (lock, pyproject) in [
        ("[[", ""),
        ("", ""),
        ("[metadata]\nlock_version = '3.0'", ""),
        ("[metadata]\nlock_version = '4.5.0'", ""),
        (APP_LOCK, "[["),
    ] {
        assert!(read(lock, pyproject, Groups::Production).is_err(), "{lock:.20}");
    }
    assert!(read_pdm_lock(b"\xff", b"", Groups::Test).is_err());
    for packages in ["package = 1", "package = [1]", "[[package]]\ngroups = ['default']"] {
        assert!(read(&lock_for("", packages), "", Groups::Production).is_err(), "{packages}");
    }
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(noise in "\\PC*", key in "version|marker|files|git|path|url|groups|extras|dependencies|name", value in "\\PC*", name in "\\PC{0,8}") {
        let _ = read(&noise, &noise, Groups::Test);
        let text = |text: &str| Value::from(text).to_string();
        let pyproject = format!("[project]\ndependencies = ['a', {}]\n", text(&value));
        for entry in [
            format!("[[package]]\nversion = '1'\ngroups = ['default']\nname = {}\nmarker = {}", text(&name), text(&value)),
            format!("[[package]]\ngroups = ['default']\nname = 'a'\n{key} = {}", text(&value)),
            format!("[[package]]\nname = 'a'\nversion = '1'\ndependencies = [{}]", text(&noise)),
        ] {
            if pyproject.parse::<Table>().is_err() || entry.parse::<Table>().is_err() {
                continue;
            }
            if let Ok(set) = read(&lock_for(&pyproject, &entry), &pyproject, Groups::Test) {
                prop_assert!(set.render_requirements().lines().count() <= 1);
            }
        }
    }
}

// D36: as PDM's `url_with_credentials` does.
#[test]
fn a_source_has_credentials_of_its_own() {
    for (source, expected) in [
        (
            "url = 'https://h.test/simple'\nusername = 'me'\npassword = 'p@ss/w'",
            "https://me:p%40ss%2Fw@h.test/simple",
        ),
        ("url = 'https://a:b@h.test/simple'\nusername = 'me'\npassword = 'x'", "https://me:x@h.test/simple"),
        ("url = 'https://h.test'\nusername = 'me'\npassword = '${TOKEN}'", "https://me:${TOKEN}@h.test"),
        ("url = 'https://h.test/a@b'\nusername = 'me'\npassword = 'x'", "https://me:x@h.test/a@b"),
        ("url = 'https://a:b@h.test/simple'\nusername = 'me'", "https://a:b@h.test/simple"),
        ("url = 'https://h.test/simple'\nusername = ''\npassword = 'x'", "https://h.test/simple"),
    ] {
        let pyproject = format!("[[tool.pdm.source]]\nname = 'corp'\n{source}\n");
        let found = pyproject::read_sources(&pyproject.parse().unwrap()).unwrap();
        assert_eq!(found[1].url, expected, "{source}");
    }
}

// D40: PDM 2.29.3 says "No compatible lock target found".
#[test]
fn a_lock_for_other_platforms_is_refused() {
    let project = "[project]\nname = 'x'\n[tool.pdm]\ndistribution = false\n";
    let target = |keys: &str| format!("[[metadata.targets]]\nrequires_python = '>=3.11'\n{keys}\n");
    for (targets, is_ours) in [
        (String::new(), true),
        (target(""), true),
        (target("platform = 'manylinux_2_17_x86_64'\nimplementation = 'cpython'"), true),
        (target("platform = 'linux'"), true),
        (target("platform = 'windows_amd64'"), false),
        (target("platform = 'macos_14_0_arm64'") + &target("platform = 'alpine'"), false),
        (target("platform = 'windows_amd64'") + &target("platform = 'linux_x86_64'"), true),
        (target("implementation = 'pypy'"), false),
    ] {
        let read = read(&(lock_for(project, "") + &targets), project, Groups::Production);
        assert_eq!(read.is_ok(), is_ours, "{targets}");
        let Err(error) = read else { continue };
        assert_eq!(error.code(), ErrorCode::LockOtherEnvironment);
        assert!(error.to_string().contains(">=3.11"), "{error}");
    }
}

// D40: PDM hashes what it makes of other tools' tables.
#[test]
fn what_pdm_translates_is_left_to_pdm() {
    let lock = "[metadata]\nlock_version = '4.5.1'\ncontent_hash = 'sha256:of-something-else'\n";
    for (pyproject, needs_tool) in [
        ("[tool.poetry]\nname = 'a'\nversion = '0.1'\n", true),
        ("[tool.flit.metadata]\nmodule = 'a'\n", true),
        ("[project]\nname = 'a'\n[tool.poetry]\n", false),
        ("[tool.flit.sdist]\n", false),
    ] {
        let error = read(lock, pyproject, Groups::Production).unwrap_err();
        assert_eq!((error.needs_tool(), error == PdmError::Stale), (needs_tool, !needs_tool), "{pyproject}");
    }
}
