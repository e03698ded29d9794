//! Requirements files as a whole.

use proptest::prelude::*;

use super::*;
use crate::error::{Door, Failure, UserError, render_text};

fn read_all(files: &[(&str, &str)]) -> Result<Requirements, RequirementsError> {
    let files: BTreeMap<String, Vec<u8>> =
        files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
    read_requirements("requirements.txt", &mut |path| {
        files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    })
}

fn read_one(text: &str) -> Result<Requirements, RequirementsError> {
    read_all(&[("requirements.txt", text)])
}

fn kind(line: &str) -> RequirementKind {
    let mut entries = read_one(line).unwrap_or_else(|error| panic!("{line:?}: {error}")).entries;
    assert_eq!(entries.len(), 1, "{line:?}");
    entries.remove(0).kind
}

fn named(name: &str, text: &str, pinned: bool, hashed: bool) -> RequirementKind {
    RequirementKind::Named { name: name.into(), text: text.into(), pinned, hashed }
}

fn rendered(error: RequirementsError) -> String {
    render_text(&Failure::from(error), Door::CommandLine)
}

#[test]
fn a_named_requirement_has_a_normalised_name() {
    for (line, name, text, pinned, hashed) in [
        ("flask", "flask", "flask", false, false),
        ("Zope._-Interface", "zope-interface", "Zope._-Interface", false, false),
        ("flask==2.3.3", "flask", "flask==2.3.3", true, false),
        ("flask == 2.3.*", "flask", "flask == 2.3.*", false, false),
        ("flask===2.3.3+odd~thing", "flask", "flask===2.3.3+odd~thing", true, false),
        ("flask>=2,<3", "flask", "flask>=2,<3", false, false),
        ("flask>=2,", "flask", "flask>=2,", false, false),
        ("flask (>=2)", "flask", "flask (>=2)", false, false),
        ("flask==20261231235959999999999", "flask", "flask==20261231235959999999999", true, false),
        ("celery[redis, msgpack]~=5.0", "celery", "celery[redis, msgpack]~=5.0", false, false),
        ("a[]", "a", "a[]", false, false),
        ("a ; python_version < '3.8'", "a", "a ; python_version < '3.8'", false, false),
        ("a==1;os.name=='nt' # note", "a", "a==1;os.name=='nt'", true, false),
        ("a==1 --hash=sha256:00 --hash=sha512:11", "a", "a==1", true, true),
        ("a==1 \\\n    --hash sha256:00", "a", "a==1", true, true),
        ("a --config-settings=x=y --global-option=build_ext", "a", "a", false, false),
        ("a --index-url=https://example.org", "a", "a", false, false),
        ("a @ https://example.org/a-1.zip", "a", "a @ https://example.org/a-1.zip", true, false),
        (
            "a@https://example.org/a-1.whl ; os_name=='nt'",
            "a",
            "a@https://example.org/a-1.whl ; os_name=='nt'",
            true,
            false,
        ),
        ("a @ git+https://example.org/a@main", "a", "a @ git+https://example.org/a@main", false, false),
        (
            "a[x] @ git+ssh://git@example.org/a@0123456789012345678901234567890123456789",
            "a",
            "a[x] @ git+ssh://git@example.org/a@0123456789012345678901234567890123456789",
            true,
            false,
        ),
        ("a @ file:///srv/a-1.whl", "a", "a @ file:///srv/a-1.whl", false, false),
        (
            "a @ git+https://${TOKEN}@example.org/a",
            "a",
            "a @ git+https://${TOKEN}@example.org/a",
            false,
            false,
        ),
        ("a==${A_VERSION}", "a", "a==${A_VERSION}", true, false),
    ] {
        assert_eq!(kind(line), named(name, text, pinned, hashed), "{line:?}");
    }
}

#[test]
fn paths_repositories_and_urls_are_told_apart() {
    let path = |path: &str, editable| RequirementKind::LocalPath { path: path.into(), editable };
    let vcs = |url: &str, editable| RequirementKind::Vcs { url: url.into(), editable };
    let url = |url: &str| RequirementKind::Url { url: url.into() };
    for (line, expected) in [
        (".", path(".", false)),
        (".[dev]", path(".", false)),
        ("./x", path("./x", false)),
        ("../x ; python_version > '3'", path("../x", false)),
        ("dir/", path("dir/", false)),
        ("./my dir", path("./my dir", false)),
        ("x.whl", path("x.whl", false)),
        ("x-1.tar.gz[a]", path("x-1.tar.gz", false)),
        ("wheels/x@1.whl", path("wheels/x@1.whl", false)),
        ("file:///srv/a%20b#egg=a", path("/srv/a b", false)),
        ("file:./x.whl", path("./x.whl", false)),
        ("-e .", path(".", true)),
        ("--editable=./x[dev]", path("./x", true)),
        ("-e 'my dir'", path("my dir", true)),
        ("-e file:///srv/x#egg=x", path("/srv/x", true)),
        ("-e x --config-settings a=b", path("x", true)),
        ("-e git+https://example.org/r.git@v1#egg=r", vcs("git+https://example.org/r.git@v1#egg=r", true)),
        ("-e git:example.org/r", vcs("git:example.org/r", true)),
        ("-e 'r @ hg+https://example.org/r'", vcs("hg+https://example.org/r#egg=r", true)),
        ("-e 'r @ git+https://h/r#subdirectory=x'", vcs("git+https://h/r#subdirectory=x&egg=r", true)),
        ("git+ssh://git@example.org/r.git", vcs("git+ssh://git@example.org/r.git", false)),
        ("git+https://h/r;x ; os_name=='nt'", vcs("git+https://h/r;x", false)),
        ("https://example.org/a-1.zip#sha256=00", url("https://example.org/a-1.zip#sha256=00")),
        ("${PACKAGE}", url("${PACKAGE}")),
        ("${BASE}/a.whl", url("${BASE}/a.whl")),
    ] {
        assert_eq!(kind(line), expected, "{line:?}");
    }
}

#[test]
fn options_are_entries_of_their_own() {
    use GlobalOption::*;
    for (line, expected) in [
        ("-i https://example.org", vec![IndexUrl("https://example.org".into())]),
        ("--extra-index-url https://${T}@h/", vec![ExtraIndexUrl("https://${T}@h/".into())]),
        ("--no-index -f wheels", vec![NoIndex, FindLinks("wheels".into())]),
        ("--no-binary=:all:", vec![NoBinary(":all:".into())]),
        ("--only-binary numpy,scipy", vec![OnlyBinary("numpy,scipy".into())]),
        ("--pre --prefer-binary --require-hashes", vec![Pre, PreferBinary, RequireHashes]),
        ("--no-require-hashes", vec![NoRequireHashes]),
        ("--all-releases a --only-final b", vec![AllReleases("a".into()), OnlyFinal("b".into())]),
        (
            "--trusted-host h:80 --use-feature fast-deps",
            vec![TrustedHost("h:80".into()), UseFeature("fast-deps".into())],
        ),
        ("--hash=sha256:00", vec![]),
    ] {
        let entries = read_one(line).unwrap().entries;
        let kinds: Vec<_> = entries.into_iter().map(|entry| entry.kind).collect();
        assert_eq!(kinds, expected.into_iter().map(RequirementKind::Option).collect::<Vec<_>>(), "{line:?}");
    }
}

#[test]
fn included_files_count_from_the_file_that_names_them() {
    let requirements = read_all(&[
        ("requirements.txt", "-r requirements/base.txt\na\n-c https://example.org/c.txt\n"),
        ("requirements/base.txt", "b\n-r./more.txt\n--constraint=../limits.txt\n"),
        ("requirements/more.txt", "c\n-r ../requirements.txt\n"),
        ("limits.txt", "\u{feff}c==1\n-r requirements/more.txt\n"),
    ])
    .unwrap();
    let entries: Vec<_> = requirements
        .entries
        .iter()
        .map(|entry| {
            (entry.file.as_str(), entry.line, entry.constraint, entry.named().map(|named| named.name))
        })
        .collect();
    assert_eq!(
        entries,
        [
            ("requirements/base.txt", 1, false, Some("b")),
            ("requirements/more.txt", 1, false, Some("c")),
            ("limits.txt", 1, true, Some("c")),
            ("requirements.txt", 2, false, Some("a")),
            ("requirements.txt", 3, false, None),
        ]
    );
    let files: Vec<_> = requirements.files.keys().map(String::as_str).collect();
    assert_eq!(files, ["limits.txt", "requirements.txt", "requirements/base.txt", "requirements/more.txt"]);
    assert!(requirements.files["limits.txt"].starts_with(b"\xef\xbb\xbf"));
}

#[test]
fn a_file_outside_the_app_is_read_if_it_can_be() {
    let requirements = read_all(&[
        ("requirements.txt", "-r ../shared/a.txt\n-r /etc/./b.txt"),
        ("../shared/a.txt", "-r ../c.txt"),
        ("../c.txt", "c"),
        ("/etc/b.txt", "b"),
    ]);
    assert_eq!(requirements.unwrap().names(), ["b", "c"].map(str::to_owned).into());
}

#[test]
fn a_file_that_only_the_installer_can_find_is_kept_unread() {
    for name in ["https://example.org/r.txt", "FILE:///srv/r.txt", "${STAGE}.txt"] {
        assert_eq!(kind(&format!("-r {name}")), RequirementKind::RemoteFile { url: name.into() });
    }
}

#[test]
fn the_same_file_can_hold_requirements_and_constraints() {
    let requirements =
        read_all(&[("requirements.txt", "-r a.txt\n-c a.txt\n-r a.txt"), ("a.txt", "a==1")]).unwrap();
    let constraints: Vec<bool> = requirements.entries.iter().map(|entry| entry.constraint).collect();
    assert_eq!(constraints, [false, true]);
}

#[test]
fn an_included_file_that_is_missing_is_named_with_its_place() {
    let error = read_all(&[("requirements.txt", "-r sub/a.txt"), ("sub/a.txt", "\n  -r b.txt")]).unwrap_err();
    assert_eq!(error.detail().as_deref(), Some("sub/b.txt"));
    insta::assert_snapshot!(rendered(error), @r"
    Error: A requirements file names a file that isn't there.

    There is no file sub/b.txt, which sub/a.txt, line 2 names.

     --> sub/a.txt:2:6
      |
    2 |   -r b.txt
      |      ^^^^^ not found

    Check the spelling, and that .gitignore and .slugignore don't leave
    the file out. The name counts from the directory of the file that
    names it.

    Error id: requirements::file-not-found
    ");
    let error = read_all(&[]).unwrap_err();
    assert_eq!(error.to_string(), "There is no file requirements.txt.");
    assert_eq!(error.snippet(), None);
}

#[test]
fn a_file_that_is_no_text_or_cannot_be_read_says_so() {
    let error = read_requirements("r.txt", &mut |_| Ok(b"a\n\xe9".to_vec())).unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (crate::error::ErrorCode::RequirementsUnreadable, "r.txt: line 2 isn't UTF-8 text.")
    );
    let error = read_requirements("r.txt", &mut |_| Err(io::ErrorKind::PermissionDenied.into())).unwrap_err();
    assert_eq!(error.to_string(), "r.txt: the file can't be read.");
    assert_eq!(Failure::from(error).causes(), ["permission denied"]);
}

#[test]
fn a_line_at_fault_is_shown_with_a_caret() {
    let error = read_one("flask\nfoo bar==1\n").unwrap_err();
    assert_eq!(error.detail().as_deref(), Some("requirements.txt:2"));
    insta::assert_snapshot!(rendered(error), @r#"
    Error: A line of a requirements file can't be read.

    requirements.txt, line 2: Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `b`.

     --> requirements.txt:2:5
      |
    2 | foo bar==1
      |     ^ Expected one of `@`, `(`, `<`, `=`, `>`, `~`, `!`, `;`, found `b`

    Write one requirement a line, for example:
    flask==2.3.3
    requests>=2.31,<3 ; python_version < "3.14"

    Error id: requirements::invalid-line
    "#);
}

#[test]
fn the_fault_is_pointed_at() {
    for (text, line, at, message) in [
        ("foo=1.0", 1, "=", "pip has no operator =, did you mean =="),
        (
            "foo==1=py39",
            1,
            "==1=py39",
            "after parsing `1`, found `=py39`, which is not part of a valid version",
        ),
        ("foo>=", 1, ">=", "Unexpected end of version specifier, expected version"),
        (
            "foo ; python_versions < '3'",
            1,
            "python_versions < '3'",
            "a marker starts with a variable such as python_version, or a quoted text",
        ),
        (
            "foo\nbar \\\n  --hash=sha256:00 \\\n  --oops\n",
            4,
            "--oops",
            "pip has no such option in a requirements file",
        ),
        ("foo-==1", 1, "foo-", "a package name starts and ends with a letter or a digit"),
        ("foo[a- ]", 1, "a-", "an extra starts and ends with a letter or a digit"),
        ("foo[a-", 1, "[", "a ] is missing"),
        ("foo @ https://h/a b.zip", 1, " ", "a URL can't have blanks in it"),
        (
            "git@example.org:me/r.git",
            1,
            "git@example.org:me/r.git",
            "write this as git+ssh://git@example.org/me/r.git",
        ),
        (
            "git://example.org/r",
            1,
            "git",
            "pip can't install from git://; a git repository is written as git+https://...",
        ),
        (
            "-e https://example.org/r",
            1,
            "https://example.org/r",
            "what is editable is a directory, or a repository such as git+https://...",
        ),
        (
            "a\n>>>>>>> main\n",
            2,
            ">>>>>>> main",
            "git marked a merge conflict here, which has to be resolved",
        ),
        ("-r a.txt 'b", 1, "'b", "a quotation mark is missing"),
        ("-x", 1, "-x", "pip has no such option in a requirements file"),
        ("éa", 1, "é", "Expected package name starting with an alphanumeric character, found `é`"),
    ] {
        let error = read_one(text).unwrap_err();
        let snippet = error.snippet().unwrap();
        assert_eq!(
            (snippet.line, &snippet.text[snippet.span], snippet.label.as_str()),
            (line, at, message),
            "{text:?}"
        );
    }
}

#[test]
fn an_editable_constraint_is_refused_as_pip_does() {
    let error = read_all(&[("requirements.txt", "-c c.txt"), ("c.txt", "-e .")]).unwrap_err();
    assert_eq!(error.to_string(), "c.txt, line 1: a constraint can't be editable.");
}

#[test]
fn credentials_are_not_in_an_error() {
    let error = read_one("-i https://me:secret@example.org --oops").unwrap_err();
    assert!(!rendered(error).contains("secret"));
}

#[test]
fn questions_about_the_whole_are_answered() {
    for (text, editable, local) in [
        ("a\ngit+https://h/r\nhttps://h/a.zip\na @ https://h/a.zip", false, false),
        ("-e .", true, true),
        ("-e git+https://h/r#egg=r", true, false),
        ("./wheels/a.whl", false, true),
        ("a @ file:///srv/a", false, true),
        ("a @ ./a", false, true),
    ] {
        let requirements = read_one(text).unwrap();
        assert_eq!(
            (requirements.has_editable(), requirements.has_local_paths()),
            (editable, local),
            "{text:?}"
        );
    }
    let requirements = read_all(&[
        (
            "requirements.txt",
            "-c c.txt\nB>1\na==1\nC\nd\nd<2\n./Wheel_Name-1.0-py3-none-any.whl\ngit+https://h/x#egg=Django",
        ),
        ("c.txt", "c==2\nunused<1"),
    ])
    .unwrap();
    assert_eq!(requirements.unpinned(), ["b", "d"]);
    let names: Vec<_> = requirements.names().into_iter().collect();
    assert_eq!(names, ["a", "b", "c", "d", "django", "wheel-name"]);
}

// D27: docs/build.md says so.
#[test]
fn some_lines_that_pip_refuses_are_read() {
    for files in [
        &[("requirements.txt", "-r a.txt"), ("a.txt", "-r requirements.txt\nsix==1.16.0")][..],
        &[("requirements.txt", "-c c.txt\nsix"), ("c.txt", "six[extra]==1.16.0")],
        &[("requirements.txt", "-c c.txt\n./six"), ("c.txt", "six==1.16.0")],
        &[("requirements.txt", "./six[one]\n./six[two]")],
        &[("requirements.txt", "six @ ./six")],
        &[("requirements.txt", "six\u{a0}==1.16.0")],
    ] {
        let read = read_all(files);
        assert!(read.as_ref().is_ok_and(|read| !read.entries.is_empty()), "{files:?}: {read:?}");
    }
}

#[test]
fn files_that_name_each_other_for_ever_come_to_an_end() {
    let mut number = 0;
    let error = read_requirements("0.txt", &mut |_| {
        number += 1;
        Ok(format!("-r {number}.txt").into_bytes())
    });
    assert_eq!(error.unwrap_err().to_string(), "200.txt, line 1: too many files that name each other.");
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*", bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = read_one(&text).map_err(rendered);
        let _ = read_requirements("r.txt", &mut |_| Ok(bytes.clone())).map_err(rendered);
    }

    #[test]
    fn no_line_of_the_right_parts_makes_it_panic(
        text in r#"((flask|-e|-r|--hash=|[ \[\]()@;,#\\'"/.=<>~!*-]|\t|\n|é|1\.0|git\+https:|//|file:|os_name|and|\$\{X\}){0,3}){0,10}"#
    ) {
        let _ = read_one(&text).map_err(rendered);
    }
}
