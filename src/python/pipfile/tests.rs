use proptest::prelude::*;

use super::super::locked::LockedSource;
use super::*;

/// Made by Pipenv 2026.7.1, with fewer hashes, other hosts, and the content hash that Pipenv computes then.
const PIPFILE: &[u8] = include_bytes!("testdata/full.Pipfile");
const LOCK: &[u8] = include_bytes!("testdata/full.Pipfile.lock");

fn names(set: &LockedSet) -> Vec<&str> {
    set.packages.iter().map(|package| package.name.as_str()).collect()
}

#[test]
fn a_lock_is_read() {
    let set = read_pipfile_lock(LOCK, Some(PIPFILE), Groups::Production).unwrap();
    assert_eq!(set.python.as_deref(), Some("3.11"));
    assert_eq!(set.indexes.len(), 1);
    assert_eq!(set.render_requirements(), include_str!("testdata/full.requirements.txt"));
}

#[test]
fn tests_get_the_packages_for_development_too() {
    let production = read_pipfile_lock(LOCK, None, Groups::Production).unwrap();
    let test = read_pipfile_lock(LOCK, None, Groups::Test).unwrap();
    let mut more = names(&test);
    more.retain(|name| !names(&production).contains(name));
    assert_eq!(more, ["iniconfig"]);
}

#[test]
fn a_package_in_both_sections_is_for_the_environments_of_either() {
    let lock = |default: &str, develop: &str| {
        let lock = format!(r#"{{"default": {{"Foo": {default}}}, "develop": {{"foo": {develop}}}}}"#);
        read_pipfile_lock(lock.as_bytes(), None, Groups::Test).unwrap().render_requirements()
    };
    for (default, develop, expected) in [
        (r#"{"version": "==1"}"#, r#"{"version": "==1", "markers": "os_name == 'x'"}"#, "foo==1\n"),
        (
            r#"{"version": "==1", "markers": "os_name == 'y'"}"#,
            r#"{"version": "==1", "markers": "os_name == 'x'", "extras": ["e"]}"#,
            "foo[e]==1 ; os_name == 'y' or os_name == 'x'\n",
        ),
    ] {
        assert_eq!(lock(default, develop), expected);
    }
}

#[test]
fn a_lock_of_another_pipfile_is_refused() {
    let text = str::from_utf8(PIPFILE).unwrap();
    for (from, to, fresh) in [
        ("[scripts]", "[scripts]\nmore = 'x'", true),
        ("allow_prereleases = false", "allow_prereleases = true", true),
        ("Requests =", "requests =", true),
        ("[packages]", "# comment\n[packages]", true),
        ("click = \"*\"", "click = \">=8\"", false),
        ("iniconfig = \"~=2.0\"", "iniconfig = \"*\"", false),
        ("MarkupSafe = \"*\"", "", false),
        ("python_version = \"3.11\"", "python_version = \"3.12\"", false),
        ("verify_ssl = true", "verify_ssl = false", false),
    ] {
        assert!(text.contains(from), "{from}");
        let changed = text.replace(from, to);
        let found = read_pipfile_lock(LOCK, Some(changed.as_bytes()), Groups::Production);
        match found {
            Ok(_) => assert!(fresh, "{from}"),
            Err(error) => {
                assert!(!fresh, "{from}: {error}");
                assert_eq!(error.code().entry().id, "install-dependencies::pipenv");
                assert!(error.to_string().contains("out of date"), "{error}");
            }
        }
    }
}

#[test]
fn hashes_are_those_of_pipenv() {
    const PACKAGES: &str = "[packages]\nFlask_Login = {version = \"*\", extras = [\"é🐍\"]}\n\
        [lint]\n\"Zope.Interface\" = \">=1\"\n[scripts]\na = \"b\"\n[pipenv]\nallow_prereleases = true\n";
    const SOURCE: &str =
        "[[source]]\nurl = \"https://index.example/simple\"\nverify_ssl = true\nname = \"index\"\n";
    let with_source = format!("{SOURCE}{PACKAGES}");
    for (pipfile, sources, hash) in [
        // Pipenv 2026.7.1, which normalises names.
        (with_source.as_str(), "[]", "8368384abc7c9faf76ea4cb933ea64417deeccd6094180f370e553bf6176f73f"),
        // Earlier ones, which don't.
        (with_source.as_str(), "[]", "14fa7ff3e9a994223c22cfc0aedfd4d27104191d9f534692e5ec1451a1403ca3"),
        // Without sources, those that Pipenv found on the machine go into the lock.
        (
            PACKAGES,
            r#"[{"name": "index", "url": "https://index.example/simple", "verify_ssl": true}]"#,
            "8368384abc7c9faf76ea4cb933ea64417deeccd6094180f370e553bf6176f73f",
        ),
    ] {
        let lock = format!(r#"{{"_meta": {{"hash": {{"sha256": "{hash}"}}, "sources": {sources}}}}}"#);
        let found = read_pipfile_lock(lock.as_bytes(), Some(pipfile.as_bytes()), Groups::Production);
        assert!(found.is_ok(), "{hash}: {found:?}");
    }
    let without = read_pipfile_lock(b"{}", Some(PACKAGES.as_bytes()), Groups::Production);
    assert!(matches!(without, Err(PipfileError::Stale { .. })));
}

#[test]
fn every_form_of_an_entry_is_read() {
    for (entry, expected) in [
        (r#""==1.0""#, "p==1.0\n"),
        (r#"{"version": "==1.0", "index": "private"}"#, "p==1.0\n"),
        (
            r#"{"version": "==1.0", "extras": ["b", "a"], "markers": "os_name == 'posix'"}"#,
            "p[a,b]==1.0 ; os_name == 'posix'\n",
        ),
        (
            r#"{"version": "==1.0", "sys_platform": "== 'linux'", "markers": "os_name == 'x' or os_name == 'y'"}"#,
            "p==1.0 ; (os_name == 'x' or os_name == 'y') and sys_platform == 'linux'\n",
        ),
        (r#"{"path": ".", "editable": true}"#, "-e .\n"),
        (r#"{"path": "./lib", "editable": true, "extras": ["x"]}"#, "-e ./lib[x]\n"),
        (r#"{"file": "wheels/p-1.0-py3-none-any.whl"}"#, "./wheels/p-1.0-py3-none-any.whl\n"),
        (
            r#"{"file": "https://h.example/p-1.0.zip", "subdirectory": "s"}"#,
            "p @ https://h.example/p-1.0.zip#subdirectory=s\n",
        ),
        (r#"{"git": "https://h.example/p.git", "ref": "abc"}"#, "p @ git+https://h.example/p.git@abc\n"),
        (
            r#"{"git": "git@h.example:o/p.git", "ref": "abc", "editable": true, "subdirectory": "s"}"#,
            "-e git+ssh://git@h.example/o/p.git@abc#egg=p&subdirectory=s\n",
        ),
        (
            r#"{"git": "https://${TOKEN}@h.example/p.git", "ref": "abc"}"#,
            "p @ git+https://${TOKEN}@h.example/p.git@abc\n",
        ),
    ] {
        let lock = format!(r#"{{"default": {{"p": {entry}}}}}"#);
        let set = read_pipfile_lock(lock.as_bytes(), None, Groups::Production);
        assert_eq!(set.unwrap().render_requirements(), expected, "{entry}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    for (entry, expected) in [
        ("1", "Pipfile.lock, p: this is neither a version nor a table."),
        (r#"{"version": 1}"#, "Pipfile.lock, p: `version` isn't a text."),
        (r#"{"hashes": "sha256:00"}"#, "Pipfile.lock, p: `hashes` isn't a list of texts."),
        (r#"{"hg": "https://h.example/p"}"#, "Pipfile.lock, p: it comes from hg."),
        (
            r#"{"path": "/etc"}"#,
            "Pipfile.lock, p: this isn't a path in the app, and only what is in the app can be built: /etc.",
        ),
        (
            r#"{"path": "../p"}"#,
            "Pipfile.lock, p: this path leads out of the app, and only what is in the app can be built: ../p.",
        ),
        (r#"{"version": "==1\n-e ."}"#, r"Pipfile.lock, p: this isn't a version: 1\n-e.."),
        (
            r#"{"file": "file:///etc/p.zip"}"#,
            "Pipfile.lock, p: only archives with an http or https URL can be used, or paths in the app: file:///etc/p.zip.",
        ),
    ] {
        let lock = format!(r#"{{"default": {{"p": {entry}}}}}"#);
        let error = read_pipfile_lock(lock.as_bytes(), None, Groups::Production).unwrap_err();
        assert_eq!(error.to_string(), expected, "{entry}");
        assert_eq!(error.detail().as_deref(), Some("p"));
    }
    for lock in [r#"{"default": []}"#, r#"{"_meta": {"sources": [{"name": "x"}]}}"#] {
        assert!(read_pipfile_lock(lock.as_bytes(), None, Groups::Production).is_err(), "{lock}");
    }
}

#[test]
fn the_lock_s_indexes_are_told_and_their_variables_kept() {
    let lock = br#"{"_meta": {"sources": [
        {"name": "pypi", "url": "https://pypi.example/simple", "verify_ssl": true},
        {"name": "private", "url": "https://${USER}:${TOKEN}@private.example/simple", "verify_ssl": false}
    ]}, "default": {"six": {"version": "==1.17.0", "index": "private"}}}"#;
    let set = read_pipfile_lock(lock, None, Groups::Production).unwrap();
    assert_eq!(set.packages[0].source, LockedSource::Registry { index: Some("private".into()) });
    assert_eq!(
        set.render_requirements(),
        "--extra-index-url https://${USER}:${TOKEN}@private.example/simple\n\
         --trusted-host private.example\nsix==1.17.0\n"
    );
}

#[test]
fn a_pipfile_alone_gives_what_it_asks_for() {
    let pipfile = br#"
        [packages]
        a = "*"
        b = ">=1, <2"
        c = {version = "~=1.0", extras = ["x"], markers = "python_version < '4'"}
        d = {git = "https://git.example/d.git"}
        e = {path = "./e", editable = true}
        f = "==1.*"
        g = "1.5"
        h = {version = "*", sys_platform = "== 'linux'"}
        i = "1.*"
        [dev-packages]
        j = "*"
        [requires]
        python_version = "3.13"
    "#;
    let set = read_pipfile(pipfile, Groups::Production).unwrap();
    assert_eq!(set.python.as_deref(), Some("3.13"));
    assert_eq!(set.warnings.len(), 1);
    assert_eq!(
        set.render_requirements(),
        "a\nb>=1,<2\nc[x]~=1.0 ; python_version < '4'\nd @ git+https://git.example/d.git\n-e ./e\nf==1.*\n\
         g==1.5\nh ; sys_platform == 'linux'\ni==1.*\n"
    );
    assert!(names(&read_pipfile(pipfile, Groups::Test).unwrap()).contains(&"j"));
    for (wrong, code) in [
        (&b"[packages"[..], ErrorCode::InstallPipenv),
        (b"\xff", ErrorCode::InstallPipenv),
        (b"packages = 1", ErrorCode::InstallPipenv),
        (b"[packages]\na = 1", ErrorCode::InstallPipenv),
    ] {
        assert_eq!(read_pipfile(wrong, Groups::Production).unwrap_err().code(), code);
    }
}

proptest! {
    #[test]
    fn no_input_makes_it_panic(noise in "\\PC*", name in "\\PC{0,8}", key in "version|path|file|git|markers|hashes|extras", value in "\\PC*") {
        for bytes in [
            noise.clone().into_bytes(),
            format!(r#"{{"default": {{{}: {{"{key}": {}}}}}}}"#, Value::from(name.as_str()), Value::from(value.as_str())).into_bytes(),
            format!("[packages]\n{} = {{{key} = {}}}", Value::from(name.as_str()), Value::from(value.as_str())).into_bytes(),
        ] {
            let _ = requested_python(&bytes);
            if let Ok(set) = read_pipfile_lock(&bytes, Some(noise.as_bytes()), Groups::Test).or_else(|_| read_pipfile_lock(&bytes, None, Groups::Test)).or_else(|_| read_pipfile(&bytes, Groups::Test)) {
                prop_assert!(set.render_requirements().lines().count() <= 1);
            }
        }
    }
}

// D37
#[test]
fn what_only_pipenv_resolves_is_left_to_it() {
    for (pipfile, expected) in [
        ("[pipenv]\nallow_prereleases = true\n[packages]\na = '*'\n", true),
        ("[packages]\na = '*'\n[pipenv]\nallow_prereleases = true\nsort_pipfile = true\n", true),
        ("[pipenv]\nallow_prereleases = false\n[packages]\na = '*'\n", false),
        ("[pipenv]\n[packages]\na = { version = '*', index = 'extra' }\n", false),
    ] {
        let read = read_pipfile(pipfile.as_bytes(), Groups::Production);
        assert_eq!(read.is_err_and(|error| error.needs_tool()), expected, "{pipfile}");
    }
}

// D40: Pipenv says "Unable to find nosuch in sources".
#[test]
fn an_index_that_no_source_has_is_told() {
    let sources = r#"{"sources": [{"name": "main", "url": "https://m.test/simple", "verify_ssl": true}]}"#;
    for (meta, index, expected) in [
        (sources, "main", None),
        (sources, "nosuch", Some("no source has that name. There are: `main`")),
        (sources, "MAIN", Some("its index is `MAIN`")),
        // Without any source, Pipenv has its own default.
        (r#"{"sources": []}"#, "main", None),
    ] {
        let lock = format!(
            r#"{{"_meta": {meta}, "default": {{"six": {{"version": "==1.16.0", "index": "{index}"}}}}}}"#
        );
        let found = read_pipfile_lock(lock.as_bytes(), None, Groups::Production);
        assert_eq!(found.is_err(), expected.is_some(), "{lock}");
        let told = found.map_or_else(|error| error.to_string(), |_| String::new());
        assert!(told.contains(expected.unwrap_or_default()), "{lock}: {told}");
    }
}
