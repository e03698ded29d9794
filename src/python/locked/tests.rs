use super::*;

fn package(name: &str, source: LockedSource) -> LockedPackage {
    LockedPackage { name: name.into(), version: None, extras: vec![], marker: None, hashes: vec![], source }
}

fn from_index() -> LockedSource {
    LockedSource::Registry { index: None }
}

#[test]
fn a_set_is_rendered_as_a_requirements_file() {
    let git = |subdirectory: Option<&str>, editable| LockedSource::Git {
        url: "https://git.example/r.git".into(),
        rev: Some("0a1b".into()),
        subdirectory: subdirectory.map(Into::into),
        editable,
    };
    let hash = |digit: &str| format!("sha256:{}", digit.repeat(64));
    let packages = [
        LockedPackage {
            version: Some("2.0".into()),
            extras: vec!["socks".into(), "brotli".into()],
            marker: Some("python_version >= '3.9'".into()),
            hashes: vec![hash("b"), hash("a"), hash("b")],
            ..package("Requests", from_index())
        },
        LockedPackage { version: Some(">=1,<2".into()), ..package("click", from_index()) },
        package("any", from_index()),
        package("app", LockedSource::Path { path: ".".into(), editable: true }),
        LockedPackage {
            extras: vec!["x".into()],
            ..package("lib", LockedSource::Path { path: "./lib/".into(), editable: false })
        },
        package("in-place", git(Some("sub"), true)),
        LockedPackage {
            marker: Some("sys_platform == 'linux'".into()),
            extras: vec!["x".into()],
            ..package("repo", git(Some("sub"), false))
        },
        package("repo2", git(None, false)),
        LockedPackage {
            hashes: vec![hash("c")],
            ..package("archive", LockedSource::Url { url: "https://h.example/a.zip#subdirectory=s".into() })
        },
    ];
    let set = LockedSet::new(packages.clone(), vec![], None).unwrap();
    let expected = format!(
        "any\n\
         -e .\n\
         archive @ https://h.example/a.zip#subdirectory=s \\\n    --hash={c}\n\
         click>=1,<2\n\
         -e git+https://git.example/r.git@0a1b#egg=in-place&subdirectory=sub\n\
         ./lib[x]\n\
         repo[x] @ git+https://git.example/r.git@0a1b#subdirectory=sub ; sys_platform == 'linux'\n\
         repo2 @ git+https://git.example/r.git@0a1b\n\
         requests[brotli,socks]==2.0 ; python_version >= '3.9' \\\n    --hash={a} \\\n    --hash={b}\n",
        a = hash("a"),
        b = hash("b"),
        c = hash("c"),
    );
    assert_eq!(set.render_requirements(), expected);
    assert!(!set.is_hashed());
    let reversed = LockedSet::new(packages.into_iter().rev(), vec![], None).unwrap();
    assert_eq!(reversed, set);
}

#[test]
fn what_is_rendered_is_a_requirements_file_for_its_reader_too() {
    let marker = Some("python_version >= '3.9' and sys_platform == 'linux'".into());
    let hashes = vec![format!("sha256:{}", "0".repeat(64))];
    let packages =
        [LockedPackage { version: Some("1".into()), marker, hashes, ..package("a", from_index()) }];
    let text = LockedSet::new(packages, vec![], None).unwrap().render_requirements();
    let read = crate::python::requirements::read_requirements("r.txt", &mut |_| Ok(text.clone().into()));
    let entries = read.unwrap().entries;
    assert_eq!(entries.len(), 1);
    assert!(
        matches!(
            &entries[0].kind,
            crate::python::requirements::RequirementKind::Named { pinned: true, hashed: true, name, .. }
                if name == "a"
        ),
        "{entries:?}"
    );
}

/// A word of the right letters, or with one that isn't.
fn word() -> impl proptest::strategy::Strategy<Value = String> {
    proptest::prop_oneof![
        8 => "[a-z0-9]{1,4}([-_.][a-z0-9]{1,3})?",
        1 => "[ -~]{0,6}",
        1 => "[a-z./:@;#$\\\\'\"=\\n\\t -]{0,8}",
    ]
}

fn source() -> impl proptest::strategy::Strategy<Value = LockedSource> {
    use proptest::prelude::*;
    prop_oneof![
        4 => Just(LockedSource::Registry { index: None }),
        2 => (word(), any::<bool>()).prop_map(|(path, editable)| LockedSource::Path { path, editable }),
        2 => (word(), proptest::option::of(word()), proptest::option::of(word()), any::<bool>()).prop_map(
            |(url, rev, subdirectory, editable)| {
                LockedSource::Git { url: format!("https://h/{url}"), rev, subdirectory, editable }
            }
        ),
        2 => word().prop_map(|url| LockedSource::Url { url: format!("https://h/{url}") }),
    ]
}

fn packages() -> impl proptest::strategy::Strategy<Value = Vec<LockedPackage>> {
    use proptest::prelude::*;
    let version = proptest::option::of(prop_oneof![
        6 => "[0-9](\\.[0-9])?([a-z+!-][a-z0-9-]{1,4})?",
        2 => "(==|>=|<|~=|===)[0-9](\\.[0-9*])?(,!=[0-9])?",
        1 => word(),
    ]);
    let marker = proptest::option::of(prop_oneof![
        4 => word().prop_map(|value| format!("os_name == '{value}'")),
        1 => word(),
    ]);
    let hashes = proptest::collection::vec(prop_oneof![6 => "sha256:[0-9a-f]{64}", 1 => word()], 0..3);
    let extras = proptest::collection::vec(word(), 0..2);
    let package = (word(), version, extras, marker, hashes, source()).prop_map(
        |(name, version, extras, marker, hashes, source)| LockedPackage {
            name,
            version,
            extras,
            marker,
            hashes,
            source,
        },
    );
    proptest::collection::vec(package, 1..4)
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(2000))]
    #[test]
    fn every_line_that_is_rendered_is_read_as_the_package_it_was_made_of(packages in packages()) {
        use crate::python::requirements::{RequirementKind, read_requirements};
        let read = |set: &LockedSet| {
            let text = set.render_requirements();
            read_requirements("r.txt", &mut |_| Ok(text.clone().into()))
        };
        // Refused, by this or by the reader, is as good as inert; it isn't to take the others with it.
        let usable = packages.into_iter().filter(|package| {
            LockedSet::new([package.clone()], vec![], None).is_ok_and(|set| read(&set).is_ok())
        });
        let set = LockedSet::new(usable, vec![], None).unwrap();
        let (text, read) = (set.render_requirements(), read(&set).unwrap());
        assert_eq!(read.entries.len(), set.packages.len(), "{text}");
        for (entry, package) in read.entries.iter().zip(&set.packages) {
            match (&entry.kind, &package.source) {
                (RequirementKind::Named { name, .. }, _) => assert_eq!(name, &package.name, "{text}"),
                (RequirementKind::LocalPath { path, editable }, LockedSource::Path { path: meant, editable: place }) => {
                    assert_eq!((path.trim_start_matches("./"), editable), (meant.trim_start_matches("./"), place), "{text}");
                }
                (RequirementKind::Vcs { url, editable }, LockedSource::Git { url: meant, editable: place, .. }) => {
                    assert!(url.contains(meant.as_str()) && editable == place, "{text}");
                }
                (kind, source) => panic!("{kind:?} was made of {source:?} in\n{text}"),
            }
        }
    }
}

#[test]
fn markers_are_joined() {
    let some = |text: &str| Some(text.to_owned());
    for (first, second, both, either) in [
        (None, None, None, None),
        (some("a"), None, some("a"), None),
        (some("a"), some("a"), some("a"), some("a")),
        (some("a"), some("b"), some("a and b"), some("a or b")),
        (some("a or b"), some("c"), some("(a or b) and c"), some("(a or b) or c")),
    ] {
        assert_eq!(and_markers(first.clone(), second.clone()), both, "{first:?} {second:?}");
        assert_eq!(or_markers(first.clone(), second.clone()), either, "{first:?} {second:?}");
    }
}
