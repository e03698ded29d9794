//! What the program is made of: the crates' licences, where they come from, and what they compile. deny.toml holds the
//! lists, for cargo-deny and for these tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;

/// Crates that compile C, and why they may: there is no TLS and no grammar of Python without.
const COMPILE_C: &[&str] = &["ring", "tree-sitter", "tree-sitter-bash", "tree-sitter-python"];

/// Crates with a name for the linker. The first only says that there may be one of it in a program.
const LINKS: &[&str] = &["rayon-core", "ring", "tree-sitter", "tree-sitter-language"];

/// Every crate that is built for Linux, tests included.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", &target])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: BTreeSet<String> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned())
        .collect();
    let packages = metadata["packages"].as_array_mut().unwrap();
    packages.retain(|package| used.contains(package["id"].as_str().unwrap()));
    assert!(packages.len() > 100, "only {} crates: are they still found?", packages.len());
    packages.clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().unwrap()
}

fn deny() -> toml::Table {
    fs::read_to_string("deny.toml").unwrap().parse().unwrap()
}

fn texts(list: &toml::Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

/// Whether an SPDX expression can be kept with these licences.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let result = any_of(&words, &mut at, allowed);
    result && at == words.len()
}

fn any_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut result = all_of(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        result |= all_of(words, at, allowed);
    }
    result
}

fn all_of(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut result = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        result &= one(words, at, allowed);
    }
    result
}

fn one(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let result = any_of(words, at, allowed);
        *at += 1;
        return result;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
        return allowed.contains(&format!("{word} WITH {}", words.get(*at - 1).unwrap_or(&"")));
    }
    allowed.contains(*word)
}

#[test]
fn an_expression_of_licences_is_read_as_it_is_meant() {
    let allowed: BTreeSet<String> =
        ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("MIT OR GPL-3.0", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("GPL-3.0 OR MIT AND ISC", true),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
        ("Apache-2.0", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_crate_has_a_licence_that_asks_for_nothing_but_to_be_named() {
    let allowed = texts(&deny()["licenses"]["allow"]);
    let wrong: Vec<String> = packages()
        .iter()
        .filter(|package| !is_allowed(package["license"].as_str().unwrap_or_default(), &allowed))
        .map(|package| format!("{}: {}", name(package), package["license"]))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_crate_comes_from_the_package_index_with_a_checksum() {
    let lock: toml::Table = fs::read_to_string("Cargo.lock").unwrap().parse().unwrap();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if name == "slugc" {
            continue;
        }
        let source = package.get("source").and_then(toml::Value::as_str).unwrap_or("a path");
        assert!(source.starts_with("registry+") && source.ends_with("/crates.io-index"), "{name}: {source}");
        assert_eq!(package["checksum"].as_str().map(str::len), Some(64), "{name}");
    }
    for (name, wanted) in ["dependencies", "dev-dependencies"].iter().flat_map(|table| manifest(table)) {
        // The tests' view of the crate itself (feature `testing`).
        if name == "slugc" && wanted["path"].as_str() == Some(".") {
            continue;
        }
        let version = wanted.get("version").unwrap_or(&wanted).as_str().unwrap_or_default().to_owned();
        assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{name} = `{version}`");
        assert!(wanted.get("git").is_none() && wanted.get("path").is_none(), "{name}");
    }
}

fn manifest(table: &str) -> toml::Table {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    manifest[table].as_table().unwrap().clone()
}

#[test]
fn no_crate_is_there_in_two_versions_but_those_that_are_named() {
    let mut versions = BTreeMap::<String, BTreeSet<String>>::new();
    for package in packages().iter().filter(|package| !is_only_for_tests(package)) {
        versions.entry(name(package).into()).or_default().insert(package["version"].as_str().unwrap().into());
    }
    let deny = deny();
    let skipped: BTreeSet<&str> = deny["bans"]["skip"]
        .as_array()
        .unwrap()
        .iter()
        .map(|skip| skip["crate"].as_str().unwrap().split('@').next().unwrap())
        .collect();
    let twice: BTreeSet<&str> =
        versions.iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name.as_str()).collect();
    assert_eq!(twice, skipped, "deny.toml names those that are there twice, and no others");
    for ban in deny["bans"]["deny"].as_array().unwrap() {
        assert!(!versions.contains_key(ban["crate"].as_str().unwrap()), "{ban}");
    }
}

/// Crates that come with proptest and the like only.
fn is_only_for_tests(package: &Value) -> bool {
    static PROGRAM: std::sync::OnceLock<BTreeSet<String>> = std::sync::OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["tree", "--locked", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
    });
    !program.contains(&format!("{} v{}", name(package), package["version"].as_str().unwrap()))
}

#[test]
fn only_the_named_crates_compile_c_or_tell_the_linker_something() {
    let packages = packages();
    let named = |is_meant: &dyn Fn(&Value) -> bool| -> BTreeSet<String> {
        let found = packages.iter().filter(|package| !is_only_for_tests(package) && is_meant(package));
        found.map(|package| name(package).to_owned()).collect()
    };
    let builds_by = |package: &Value| {
        let dependencies = package["dependencies"].as_array().unwrap();
        dependencies.iter().any(|wanted| {
            let tools = ["cc", "cmake", "bindgen", "pkg-config", "vcpkg", "nasm-rs"];
            wanted["kind"] == "build"
                && wanted["optional"] == false
                && tools.contains(&wanted["name"].as_str().unwrap())
        })
    };
    let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(named(&builds_by), set(COMPILE_C));
    assert_eq!(named(&|package| !package["links"].is_null()), set(LINKS));
}

#[test]
fn the_program_has_no_unsafe_code_of_its_own() {
    let manifest: toml::Table = fs::read_to_string("Cargo.toml").unwrap().parse().unwrap();
    assert_eq!(manifest["lints"]["rust"]["unsafe_code"].as_str(), Some("forbid"));
    for dir in ["src", "tests", "benches"] {
        for file in walkdir::WalkDir::new(dir).into_iter().map(Result::unwrap) {
            if file.path().extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let text = fs::read_to_string(file.path()).unwrap();
            let word = ["unsafe", "_code)"].concat();
            assert!(!text.contains(&word), "{}", file.path().display());
        }
    }
}

#[test]
fn the_fuzz_targets_lock_what_the_program_needs() {
    let lock: toml::Table = fs::read_to_string("fuzz/Cargo.lock").unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let slugc = packages.iter().find(|package| package["name"].as_str() == Some("slugc")).unwrap();
    // A name may be followed by a version.
    let locked: BTreeSet<&str> = slugc["dependencies"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|wanted| wanted.as_str()?.split(' ').next())
        .collect();
    let wanted = manifest("dependencies");
    let missing: Vec<_> = wanted.keys().filter(|name| !locked.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "{missing:?}: run `cargo metadata` in fuzz/");
}
