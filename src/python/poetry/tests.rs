use proptest::prelude::*;

use super::*;

/// Made by Poetry 2.4.1 (format 2.1) and 1.8.5 (format 2.0), with fewer hashes, other hosts, and the content
/// hash that Poetry computes then.
const TOOL: &str = include_str!("testdata/tool.pyproject.toml");
const TOOL_LOCK: &str = include_str!("testdata/tool.poetry.lock");
const TOOL_LOCK_2_0: &str = include_str!("testdata/tool20.poetry.lock");
const PROJECT: &str = include_str!("testdata/project.pyproject.toml");
const PROJECT_LOCK: &str = include_str!("testdata/project.poetry.lock");
const LEGACY: &str = include_str!("testdata/legacy.pyproject.toml");
const LEGACY_LOCK: &str = include_str!("testdata/legacy.poetry.lock");

fn read(lock: &str, pyproject: &str, groups: Groups) -> Result<LockedSet, PoetryError> {
    read_poetry_lock(lock.as_bytes(), pyproject.as_bytes(), groups)
}

/// The requirements without hashes, as one line.
fn requirements(lock: &str, pyproject: &str, groups: Groups) -> String {
    let text = read(lock, pyproject, groups).unwrap().render_requirements();
    let lines = text.lines().filter(|line| !line.starts_with("    --hash"));
    lines.map(|line| line.trim_end_matches(" \\")).collect::<Vec<_>>().join("\n")
}

/// Puts a lock together whose hash is right.
fn lock_for(pyproject: &str, packages: &str) -> String {
    let table = pyproject.parse().unwrap();
    let metadata = Table::new();
    assert!(!hash::is_fresh("", &metadata, &table));
    let hash = hash::content_hash(&table, true);
    format!("{packages}\n[metadata]\nlock-version = \"1.1\"\ncontent-hash = \"{hash}\"\n")
}

#[test]
fn production_has_the_main_group_alone() {
    assert_eq!(
        requirements(TOOL_LOCK, TOOL, Groups::Production),
        "--index-url https://index.example/simple/\n\
         certifi==2026.10.18\ncharset-normalizer==3.5.2\nclick==8.5.1\n\
         colorama==0.4.6 ; sys_platform == \"win32\"\n\
         gitlib @ git+https://git.example/gitlib.git@d5d618cfd0d362b751f23f29b3da3750cfcc0905#subdirectory=sub\n\
         idna==3.20\n-e ./mylib\npysocks==1.7.1\nrequests==2.34.2\nurllib3==2.8.0"
    );
    assert_eq!(
        requirements(PROJECT_LOCK, PROJECT, Groups::Production),
        "--index-url https://index.example/simple/\n\
         click==8.5.1\nidna==3.20 ; python_version < \"3.14\"\n-e .\n./mylib"
    );
    assert_eq!(
        requirements(LEGACY_LOCK, LEGACY, Groups::Production),
        "--index-url https://index.example/simple/\n\
         certifi==2026.10.18\ncharset-normalizer==3.5.2\nidna==3.20\n-e .\nrequests==2.34.2\nurllib3==2.8.0"
    );
}

#[test]
fn tests_have_all_groups_that_are_not_optional() {
    for (lock, pyproject, more) in [
        (TOOL_LOCK, TOOL, &["iniconfig", "packaging", "pluggy", "pygments", "pytest"][..]),
        (TOOL_LOCK_2_0, TOOL, &["iniconfig", "packaging", "pluggy", "pygments", "pytest"]),
        (PROJECT_LOCK, PROJECT, &["iniconfig", "packaging"]),
        (LEGACY_LOCK, LEGACY, &["iniconfig"]),
    ] {
        let names = |groups| {
            let packages = read(lock, pyproject, groups).unwrap().packages;
            packages.into_iter().map(|package| package.name).collect::<BTreeSet<_>>()
        };
        let found: Vec<_> = names(Groups::Test).difference(&names(Groups::Production)).cloned().collect();
        assert_eq!(found, more);
    }
}

#[test]
fn a_lock_without_groups_gives_the_same() {
    for groups in [Groups::Production, Groups::Test] {
        assert_eq!(
            requirements(TOOL_LOCK_2_0, TOOL, groups),
            requirements(TOOL_LOCK, TOOL, groups).replace('"', "'")
        );
    }
}

#[test]
fn hashes_are_kept() {
    let set = read(TOOL_LOCK, TOOL, Groups::Production).unwrap();
    let click = set.packages.iter().find(|package| package.name == "click").unwrap();
    assert_eq!(click.hashes.len(), 2);
    assert!(click.hashes.iter().all(|hash| hash.starts_with("sha256:")));
    assert_eq!(set.python.as_deref(), Some("^3.11"));
}

#[test]
fn a_lock_of_another_pyproject_is_refused() {
    for (lock, pyproject, from, to, fresh) in [
        (TOOL_LOCK, TOOL, "description = \"x\"", "description = \"y\"", true),
        (TOOL_LOCK, TOOL, "click = \"*\"", "click = \">=8\"", false),
        (TOOL_LOCK, TOOL, "pytest = \"*\"", "pytest = \">=8\"", false),
        (TOOL_LOCK, TOOL, "six = [\"six\"]", "sixx = [\"six\"]", false),
        (PROJECT_LOCK, PROJECT, "version = \"0.1.0\"", "version = \"0.2.0\"", true),
        (PROJECT_LOCK, PROJECT, "click>=8", "click>=7", false),
        (PROJECT_LOCK, PROJECT, "fast = [\"six\"]", "fast = []", false),
        (PROJECT_LOCK, PROJECT, "lint = [\"packaging\"]", "lint = []", false),
        (LEGACY_LOCK, LEGACY, "iniconfig = \"*\"", "", false),
    ] {
        assert!(pyproject.contains(from), "{from}");
        let found = read(lock, &pyproject.replace(from, to), Groups::Production);
        assert_eq!(found.is_ok(), fresh, "{from}");
        if let Err(error) = found {
            assert_eq!(error, PoetryError::Stale);
            assert_eq!(error.code().entry().id, "install-dependencies::poetry");
        }
    }
    let without = TOOL_LOCK.replace("content-hash", "other-hash");
    assert_eq!(read(&without, TOOL, Groups::Production), Err(PoetryError::Stale));
}

#[test]
fn poetry_before_2_3_did_not_hash_dependency_groups() {
    // Both hashes are from Poetry itself.
    let with = "31103843650ed8561c18874f4bf23b66a50d2c42f87e21a4b7ebcfa38e3ecdf3";
    let without = "f4067dcde6b0438313b06cdcb1c3c239c3e8f252c667f95aa579615f055e3b06";
    assert!(PROJECT_LOCK.contains(with));
    for (version, hash, fresh) in [
        ("2.4.1", with, true),
        ("2.2.9", with, true),
        ("2.2.9", without, true),
        ("1.8.5", without, true),
        ("2.3.0", without, false),
        ("2.4.1", without, false),
        ("unknown", without, false),
    ] {
        let lock = PROJECT_LOCK.replace("Poetry 2.4.1", &format!("Poetry {version}")).replace(with, hash);
        assert_eq!(read(&lock, PROJECT, Groups::Production).is_ok(), fresh, "{version}");
    }
}

#[test]
fn locks_of_the_oldest_format_are_read() {
    let pyproject = "[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\npython = '^3.8'\n\
        Foo = [{version = '^1', python = '<3.9'}, {version = '^2', python = '>=3.9'}]\n\
        o = {version = '*', optional = true}\n\
        w = {version = '*', platform = 'win32', markers = \"os_name == 'nt'\"}\n\
        [tool.poetry.dev-dependencies]\ndev = '*'\n[tool.poetry.extras]\no = ['o']\n";
    let package = |name: &str, version: &str, more: &str| {
        format!(
            "[[package]]\nname = '{name}'\nversion = '{version}'\ncategory = 'main'\noptional = false\npython-versions = '*'\n{more}\n"
        )
    };
    let hash = "a".repeat(64);
    let packages = [
        package("foo", "1.5", "[package.dependencies]\nbar = {version = '*', optional = true}\nbaz = '>=1'"),
        package("foo", "2.0", ""),
        package("o", "1", ""),
        package("w", "1", ""),
        package("bar", "1", ""),
        package("baz", "1", ""),
        package("dev", "1", ""),
    ];
    let lock = lock_for(pyproject, &packages.concat())
        + &format!(
            "[metadata.files]\nfoo = [{{file = 'f', hash = 'sha256:{hash}'}}, {{file = 'g', hash = 'md5:00'}}]\n"
        )
        + &format!("[metadata.hashes]\nbaz = ['{hash}']\n");
    assert_eq!(
        read(&lock, pyproject, Groups::Production).unwrap().render_requirements(),
        format!(
            "baz==1 ; python_version < '3.9' \\\n    --hash=sha256:{hash}\n\
             foo==1.5 ; python_version < '3.9' \\\n    --hash=sha256:{hash}\n\
             foo==2.0 ; python_version >= '3.9' \\\n    --hash=sha256:{hash}\n\
             w==1 ; (sys_platform == 'win32') and os_name == 'nt'\n"
        )
        .replace("(sys_platform == 'win32')", "sys_platform == 'win32'")
    );
    assert!(requirements(&lock, pyproject, Groups::Test).contains("dev==1\n"));
}

#[test]
fn markers_may_differ_by_group_and_name_extras() {
    let pyproject = "[tool.poetry]\npackage-mode = false\n[tool.poetry.group.docs]\noptional = true\n";
    for (groups, markers, production, test) in [
        ("'main'", "", "a==1", "a==1"),
        ("'dev'", "", "", "a==1"),
        ("'docs'", "", "", ""),
        ("'main'", "markers = \"extra == 'x'\"", "", ""),
        (
            "'main'",
            "markers = \"extra == 'x' or os_name == 'nt'\"",
            "a==1 ; os_name == 'nt'",
            "a==1 ; os_name == 'nt'",
        ),
        ("'main', 'dev'", "markers = {main = \"os_name == 'nt'\"}", "a==1 ; os_name == 'nt'", "a==1"),
        (
            "'main', 'dev'",
            "markers = {main = \"os_name == 'nt'\", dev = \"os_name == 'x'\"}",
            "a==1 ; os_name == 'nt'",
            "a==1 ; os_name == 'nt' or os_name == 'x'",
        ),
    ] {
        let package = format!("[[package]]\nname = 'a'\nversion = '1'\ngroups = [{groups}]\n{markers}\n");
        let lock = lock_for(pyproject, &package);
        let found = [Groups::Production, Groups::Test].map(|groups| requirements(&lock, pyproject, groups));
        assert_eq!(found, [production, test], "{groups} {markers}");
    }
}

#[test]
fn sources_of_every_kind_are_read() {
    let pyproject = "[tool.poetry]\npackage-mode = false\n[[tool.poetry.source]]\nname = 'extra'\n\
        url = 'https://extra.example/simple'\npriority = 'supplemental'\n[[tool.poetry.source]]\n\
        name = 'special'\nurl = 'https://special.example/simple'\npriority = 'explicit'\n";
    const LINES: &str = "--extra-index-url https://extra.example/simple\n";
    for (source, expected) in [
        ("", "p==1"),
        ("type = 'legacy'\nurl = 'https://extra.example/simple'\nreference = 'extra'", "p==1"),
        (
            "type = 'legacy'\nurl = 'https://special.example/simple'\nreference = 'special'",
            "--extra-index-url https://special.example/simple\np==1",
        ),
        (
            "type = 'legacy'\nurl = 'https://gone.example/simple'\nreference = 'gone'",
            "--extra-index-url https://gone.example/simple\np==1",
        ),
        ("type = 'directory'\nurl = 'lib'", "./lib"),
        ("type = 'file'\nurl = 'lib/p-1.zip'", "./lib/p-1.zip"),
        (
            "type = 'url'\nurl = 'https://h.example/p-1.zip'\nsubdirectory = 's'",
            "p @ https://h.example/p-1.zip#subdirectory=s",
        ),
        (
            "type = 'git'\nurl = 'git@h.example:o/p.git'\nreference = 'v1'\nresolved_reference = 'abc'\nsubdirectory = 's'",
            "p @ git+ssh://git@h.example/o/p.git@abc#subdirectory=s",
        ),
        (
            "type = 'directory'\nurl = '../lib'",
            "poetry.lock, p: this path leads out of the app, and only what is in the app can be built: ../lib.",
        ),
        (
            "type = 'directory'\nurl = '/lib'",
            "poetry.lock, p: this isn't a path in the app, and only what is in the app can be built: /lib.",
        ),
        ("type = 'hg'", "poetry.lock, p: sources of this type can't be used: hg."),
        ("type = 'git'", "poetry.lock, p: its source has no URL."),
    ] {
        let source = if source.is_empty() { String::new() } else { format!("[package.source]\n{source}\n") };
        let package = format!("[[package]]\nname = 'p'\nversion = '1'\ngroups = ['main']\n{source}");
        let lock = lock_for(pyproject, &package);
        match read(&lock, pyproject, Groups::Production) {
            Ok(set) => assert_eq!(set.render_requirements(), format!("{LINES}{expected}\n"), "{source}"),
            Err(error) => assert_eq!(error.to_string(), expected),
        }
    }
}

#[test]
fn primary_sources_take_the_place_of_the_default() {
    for (sources, expected) in [
        ("", &[("PyPI", "")][..]),
        ("[[tool.poetry.source]]\nname = 'pypi'\n", &[("pypi", "")]),
        ("[[tool.poetry.source]]\nname = 'a'\nurl = 'u'\n", &[("a", "u")]),
        ("[[tool.poetry.source]]\nname = 'a'\nurl = 'u'\nsecondary = true\n", &[("PyPI", ""), ("a", "u")]),
        (
            "[[tool.poetry.source]]\nname = 'a'\nurl = 'u'\n[[tool.poetry.source]]\nname = 'PyPI'\npriority = 'primary'",
            &[("a", "u"), ("PyPI", "")],
        ),
    ] {
        let found = pyproject::read_sources(&sources.parse().unwrap()).unwrap();
        let found: Vec<_> = found.iter().map(|index| (index.name.as_str(), index.url.as_str())).collect();
        assert_eq!(found, expected, "{sources}");
    }
    assert!(pyproject::read_sources(&"[[tool.poetry.source]]\nname = 'a'".parse().unwrap()).is_err());
}

#[test]
fn the_app_is_a_package_unless_it_says_otherwise() {
    for (pyproject, expected) in [
        ("[tool.poetry]\nname = 'My_App'\n", Ok("-e .")),
        ("[project]\nname = 'my-app'\n", Ok("-e .")),
        ("[tool.poetry]\nname = 'x'\npackage-mode = false\n", Ok("")),
        (
            "[tool.poetry]\n",
            Err(
                "Poetry installs the app itself as a package, unless it is told not to. A package needs a `name`, and \
                 pyproject.toml has none.",
            ),
        ),
    ] {
        let found = read(&lock_for(pyproject, ""), pyproject, Groups::Production);
        let found = found.map(|set| set.render_requirements().trim_end().to_owned());
        assert_eq!(
            found.map_err(|error| error.to_string()),
            expected.map(str::to_owned).map_err(str::to_owned)
        );
    }
}

// D15
#[test]
fn a_lock_of_a_poetry_before_1_0_is_told() {
    for metadata in [
        "[metadata.hashes]\nflask = ['aa']",
        "[metadata]\ncontent-hash = 'x'",
        "[metadata]\nlock-version = ''",
        "[metadata]\nlock-version = 1",
    ] {
        let error = read(metadata, TOOL, Groups::Production).unwrap_err().to_string();
        assert!(
            error.contains("a Poetry before 1.0. Run `poetry lock`") && !error.contains("\"\""),
            "{error}"
        );
    }
}

#[test]
fn files_that_are_not_poetry_s_are_refused() {
    for (lock, pyproject) in [
        ("[[", ""),
        ("", ""),
        ("[metadata]", ""),
        ("[metadata]\nlock-version = '3.0'", ""),
        (TOOL_LOCK, "[["),
        ("package = 1\n[metadata]\nlock-version = '2.1'\ncontent-hash = 'x'", TOOL),
    ] {
        assert!(read(lock, pyproject, Groups::Production).is_err(), "{lock:.20}");
    }
    assert!(read_poetry_lock(b"\xff", TOOL.as_bytes(), Groups::Test).is_err());
    let pyproject = "[tool.poetry]\npackage-mode = false\n";
    for packages in [
        "package = 1",
        "package = [1]",
        "[[package]]\ngroups = ['main']",
        "[[package]]\ngroups = ['main']\nname = 'a'",
    ] {
        assert!(read(&lock_for(pyproject, packages), pyproject, Groups::Production).is_err(), "{packages}");
    }
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(noise in "\\PC*", key in "version|markers|files|source|groups|extras|dependencies|name", value in "\\PC*", name in "\\PC{0,8}") {
        let _ = read(&noise, &noise, Groups::Test);
        let text = |text: &str| Value::from(text).to_string();
        let pyproject = format!("[tool.poetry]\npackage-mode = false\n[tool.poetry.dependencies]\na = {}\n{} = {}", text(&value), text(&name), text(&noise));
        for entry in [
            format!("[[package]]\nversion = '1'\ngroups = ['main']\nname = {}\nmarkers = {}", text(&name), text(&value)),
            format!("[[package]]\nversion = {}\ngroups = ['main']\nname = 'a'", text(&value)),
            format!("[[package]]\n{key} = {}", text(&value)),
            format!("[[package]]\nname = 'a'\nversion = '1'\n[package.dependencies]\na = {}\n{} = {}", text(&value), text(&name), text(&noise)),
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
