use super::*;

fn lock(package: &str) -> String {
    format!(
        "lock-version = '1.0'\ncreated-by = 'x'\n[[packages]]\nname = 'My_Lib'\nversion = '1.0'\n{package}"
    )
}

const HASHES: &str = "hashes = { sha256 = '00' }";

// D31
#[test]
fn what_is_in_the_app_is_found_whatever_its_form() {
    let wheel = "my_lib-1.0-py3-none-any.whl";
    for (package, expected) in [
        ("directory = { path = 'libs/mylib' }".to_owned(), &["libs/mylib"][..]),
        ("[packages.directory]\npath = './libs/mylib'\neditable = true\n".to_owned(), &["libs/mylib"]),
        ("directory = { path = '.', subdirectory = 'src' }".to_owned(), &["."]),
        ("directory = { path = 'my libs/a' }".to_owned(), &["my libs/a"]),
        (format!("archive = {{ path = 'vendor/a.tar.gz', {HASHES} }}"), &["vendor/a.tar.gz"]),
        (format!("sdist = {{ path = 'a.tar.gz', {HASHES} }}"), &["a.tar.gz"]),
        (format!("wheels = [{{ path = 'w/{wheel}', {HASHES} }}]"), &["w/my_lib-1.0-py3-none-any.whl"]),
        (
            format!(
                "sdist = {{ path = 'a.zip', {HASHES} }}\nwheels = [{{ path = 'b/{wheel}', {HASHES} }}, \
                 {{ path = 'c/{wheel}', {HASHES} }}]"
            ),
            &["a.zip", "b/my_lib-1.0-py3-none-any.whl", "c/my_lib-1.0-py3-none-any.whl"],
        ),
        (format!("wheels = [{{ url = 'https://h/{wheel}', path = '../{wheel}', {HASHES} }}]"), &[]),
        ("vcs = { type = 'git', url = 'https://h/r.git', commit-id = 'a' }".to_owned(), &[]),
        ("index = 'https://h/simple'".to_owned(), &[]),
    ] {
        let lock =
            read_pylock(lock(&package).as_bytes()).unwrap_or_else(|error| panic!("{package}: {error}"));
        let found: Vec<_> = lock.packages[0].places.iter().map(String::as_str).collect();
        assert_eq!(found, expected, "{package}");
        assert_eq!(lock.packages[0].name, "my-lib");
    }
}

// D31, D39
#[test]
fn what_leads_out_of_the_app_and_what_no_installer_may_take_is_refused() {
    for (package, expected) in [
        ("directory = { path = '../mylib' }", "leads out of the app"),
        ("directory = { path = 'libs/../../mylib' }", "leads out of the app"),
        ("directory = { path = '/srv/mylib' }", "isn't a path in the app"),
        ("directory = { path = 'file:///srv/mylib' }", "isn't a path in the app"),
        ("directory = { path = 'a', subdirectory = '../b' }", "leads out of the app"),
        ("archive = { path = '/srv/a.tar.gz', hashes = { sha256 = '0' } }", "isn't a path in the app"),
        ("archive = { url = 'file:///srv/a.tar.gz', hashes = { sha256 = '0' } }", "http or https"),
        ("sdist = { path = '../a.tar.gz', hashes = { sha256 = '0' } }", "leads out of the app"),
        (
            "wheels = [{ url = 'https://h/my_lib-1.0-py3-none-any.whl', hashes = { sha256 = '0' } }, \
             { path = '../my_lib-1.0-py3-none-any.whl', hashes = { sha256 = '0' } }]",
            "leads out of the app",
        ),
        ("wheels = [{ url = 'file:/srv/my_lib-1.0-py3-none-any.whl' }]", "http or https"),
        ("vcs = { type = 'git', path = '/srv/r.git', commit-id = 'a' }", "repository on this machine's disk"),
        ("vcs = { type = 'git', path = 'r.git', commit-id = 'a' }", "repository on this machine's disk"),
        ("vcs = { type = 'git', url = 'ext::sh -c x', commit-id = 'a' }", "URL of a git repository"),
        ("archive = { url = 'https://h/a.zip', hashes = {} }", "`hashes` of `archive` is empty"),
        ("wheels = [{ url = 'https://h/my_lib-1.0-py3-none-any.whl', hashes = {} }]", "`hashes` of `wheels`"),
        ("sdist = { url = 'https://h/a.tar.gz', hashes = {} }", "`hashes` of `sdist`"),
        ("wheels = [{ url = 'https://h/other-1.0-py3-none-any.whl' }]", "of another package"),
        ("wheels = [{ url = 'https://h/my_lib-1.1-py3-none-any.whl' }]", "of another package"),
        ("wheels = [{ name = 'my_lib-1.1-py3-none-any.whl', url = 'https://h/x' }]", "of another package"),
        ("wheels = [{ path = 'my_lib-1.0+cpu-py3-none-any.whl' }]", "of another package"),
    ] {
        let error = read_pylock(lock(package).as_bytes()).expect_err(package).to_string();
        assert!(error.starts_with("pylock.toml, My_Lib: ") && error.contains(expected), "{package}: {error}");
    }
    for (text, expected) in [
        ("lock-version = '2.0'\n", "isn't known: \"2.0\""),
        ("\u{feff}lock-version = '1.0'\n", "byte order mark"),
        ("packages = 3\n", "isn't a list of tables"),
        ("packages = [3]\n", "isn't a list of tables"),
        ("[[packages]]\nversion = '1'\n", "without a name"),
    ] {
        let error = read_pylock(text.as_bytes()).expect_err(text).to_string();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn another_spelling_of_the_same_file_fits() {
    for file in
        ["My_Lib-1.0.0-py3-none-any.whl", "my.lib-1.0-py3-none-any.whl", "my_lib-1-1-py3-none-any.whl"]
    {
        let text = lock(&format!("wheels = [{{ url = 'https://h/{file}' }}]"));
        assert!(read_pylock(text.as_bytes()).is_ok(), "{file}");
    }
    let local = lock("wheels = [{ url = 'https://h/my_lib-1.0%2Bcpu-py3-none-any.whl' }]")
        .replace("1.0'", "1.0+cpu'");
    assert!(read_pylock(local.as_bytes()).is_ok());
}

// D31, D32
#[test]
fn the_lock_is_rendered_with_paths_that_count_from_the_app() {
    let text = "lock-version = '1.0'\ndependency-groups = ['dev']\ndefault-groups = ['web']\n[[packages]]\nname = 'a'\n\
                directory = { path = './libs/a', editable = true }\n[[packages]]\nname = 'b'\n\
                wheels = [{ path = 'b-1-py3-none-any.whl' }, { url = 'https://h/b-1-py3-none-any.whl', path = 'x' }]\n";
    let lock = read_pylock(text.as_bytes()).unwrap();
    let rendered: Table = lock.render(Some(Path::new("/w/app"))).parse().unwrap();
    let expected = "lock-version = '1.0'\ndependency-groups = ['dev', 'web']\ndefault-groups = ['web']\n[[packages]]\n\
                    name = 'a'\ndirectory = { path = '/w/app/libs/a', editable = true }\n[[packages]]\nname = 'b'\n\
                    wheels = [{ path = '/w/app/b-1-py3-none-any.whl' }, { url = 'https://h/b-1-py3-none-any.whl', path = 'x' }]\n";
    assert_eq!(rendered, expected.parse().unwrap());
    assert!(
        lock.with_packages(|package| package.name == "b").render(None).contains("\"b-1-py3-none-any.whl\"")
    );
}
