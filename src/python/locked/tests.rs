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
