//! What slugc says it is made of.

use std::collections::BTreeSet;
use std::fs;

use crate::support::TestApp;

/// The version that a file of the inventory pins.
fn pinned(name: &str) -> String {
    let text = fs::read_to_string(format!("inventory/{name}.txt")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name}=="))).unwrap();
    line.split([' ', '\\']).next().unwrap().to_owned()
}

#[test]
fn the_versions_are_those_of_the_inventory() {
    let app = TestApp::new(&[]);
    let json = app.run(&["version", "--json"]).success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["version"], env!("CARGO_PKG_VERSION"));
    let text = app.run(&["version"]).success().stdout;
    let tools = json["tools"].as_object().unwrap();
    let files: BTreeSet<String> = fs::read_dir("inventory")
        .unwrap()
        .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".txt")?.to_owned()))
        .collect();
    assert_eq!(tools.keys().cloned().collect::<BTreeSet<_>>(), files);
    for name in files {
        assert_eq!(tools[&name], pinned(&name), "{name}");
        assert!(text.contains(&format!("{name:<12}{}\n", pinned(&name))), "{text}");
    }

    let inventory: toml::Table = fs::read_to_string("inventory/runtimes.toml").unwrap().parse().unwrap();
    let rows: Vec<_> = ["install_only_stripped", "install_only"]
        .iter()
        .flat_map(|key| inventory[*key].as_table().unwrap())
        .collect();
    let newest = rows.iter().map(|(_, row)| row[0].as_str().unwrap()).max().unwrap();
    assert_eq!(json["catalogue"], newest);
    let versions: BTreeSet<Vec<u64>> = rows
        .iter()
        .map(|(version, _)| version.split('.').map_while(|part| part.parse().ok()).collect::<Vec<u64>>())
        .collect();
    let pythons = json["pythons"].as_array().unwrap();
    assert!(pythons.len() >= 5, "{pythons:?}");
    for python in pythons {
        let numbers: Vec<u64> =
            python.as_str().unwrap().split('.').map(|part| part.parse().unwrap()).collect();
        let of_minor = versions.iter().filter(|version| version.len() == 3 && version[..2] == numbers[..2]);
        assert_eq!(of_minor.max(), Some(&numbers));
    }
}

#[test]
fn version_and_verbose_say_the_same_in_any_order() {
    let app = TestApp::new(&[]);
    let expected = app.run(&["version"]).success().stdout;
    assert_eq!(expected.lines().next(), app.run(&["--version"]).success().stdout.lines().next());
    for args in [["--version", "--verbose"], ["--verbose", "--version"], ["-V", "--verbose"]] {
        assert_eq!(app.run(&args).success().stdout, expected, "{args:?}");
    }
    // Elsewhere it shows more of the log.
    app.run(&["--verbose", "cache", "dir"]).success();
    assert_eq!(app.run(&["--verbose", "--quiet", "cache", "dir"]).code, Some(2));
}
