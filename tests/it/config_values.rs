//! Config vars, by every door: what a process of the app sees of them is what was given, to the byte.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use sha2::{Digest, Sha256};

use crate::support::{Run, TestApp};

/// One slug for all.
fn app() -> &'static TestApp {
    static APP: OnceLock<TestApp> = OnceLock::new();
    APP.get_or_init(|| {
        let app = TestApp::new(&[("requirements.txt", ""), ("Procfile", "worker: true\n")]);
        app.build(&[]).success();
        app
    })
}

/// What values are made of.
const PIECES: &[&str] = &[
    "a",
    "Z",
    "0",
    "é",
    "日本",
    "😀",
    "\u{301}",
    "\u{a0}",
    "\u{2028}",
    "\u{feff}",
    "\u{1}",
    "\u{7f}",
    "\n",
    "\r",
    "\r\n",
    "\t",
    " ",
    "'",
    "\"",
    "\\",
    "\\n",
    "\\\"",
    "\\'",
    "$",
    "$HOME",
    "${HOME}",
    "$(id)",
    "$$",
    "`id`",
    "#",
    " # ",
    "=",
    "%",
    "!",
    "!!",
    "{}",
    "{a,b}",
    "[",
    "*",
    "?",
    "~",
    "&",
    "&&",
    "|",
    ";",
    "<",
    ">",
    "(",
    "export ",
    "{\"a\": \"b\"}",
    "postgres://u:p%40@h:5432/d?sslmode=require",
    "-----BEGIN KEY-----\nabc==\n-----END KEY-----\n",
];

fn value() -> impl Strategy<Value = String> {
    let pieces = |most| vec(select(PIECES), 0..most).prop_map(|pieces| pieces.concat());
    prop_oneof![
        8 => pieces(8),
        1 => pieces(8).prop_map(|text| format!(" {text} ")),
        1 => pieces(200).prop_map(|text| text.repeat(20).chars().take(30_000).collect()),
    ]
}

/// Runs a program in a dyno, and returns the digests of the config vars that it sees.
fn seen(arguments: &[&str]) -> (Run, BTreeMap<String, String>) {
    // Digests: values of any length and any bytes, in one line each.
    const PROGRAM: &str = "import hashlib, os\n\
        for name, value in os.environb.items():\n\
        \x20   if name.startswith(b'V_'): print(name.decode(), hashlib.sha256(value).hexdigest())\n";
    let app = app();
    let slug = app.slug();
    let arguments =
        [&["run", slug.to_str().unwrap()], arguments, &["--", "python3", "-c", PROGRAM][..]].concat();
    let run = app.run(&arguments);
    let pairs = run.stdout.lines().filter_map(|line| line.split_once(' '));
    let pairs = pairs.map(|(name, digest)| (name.to_owned(), digest.to_owned())).collect();
    (run, pairs)
}

fn digests(values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    values.iter().map(|(name, value)| (name.clone(), hex::encode(Sha256::digest(value)))).collect()
}

/// Names those whose values are others, for a message.
fn differences(given: &BTreeMap<String, String>, seen: &BTreeMap<String, String>) -> Vec<String> {
    let expected = digests(given);
    let mut names: Vec<&String> = expected.keys().chain(seen.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| expected.get(*name) != seen.get(*name));
    names.into_iter().map(|name| format!("{name}={:?}", given.get(name))).collect()
}

fn check<S: Strategy>(cases: u32, strategy: &S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(cases);
    let config = Config { cases, max_shrink_iters: 12, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    runner.run(strategy, test).unwrap_or_else(|failure| panic!("{failure}"));
}

/// Writes a value as the file's form has it in double quotes.
fn double_quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for letter in value.chars() {
        match letter {
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '"' | '\\' => text.extend(['\\', letter]),
            other => text.push(other),
        }
    }
    text + "\""
}

fn write_env_dir(dir: &Path, values: &BTreeMap<String, String>) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir(dir).unwrap();
    for (name, value) in values {
        fs::write(dir.join(name), value).unwrap();
    }
}

#[test]
fn a_process_sees_the_values_that_were_given() {
    let names = || "V_[A-Za-z0-9_]{1,3}";
    let vars = || proptest::collection::btree_map(names(), value(), 1..12);
    check(6, &(vars(), vars(), vars(), vars()), |(set, lines, json, dir)| {
        let out = &app().out;
        let (env_file, env_dir) = (out.join("vars.env"), out.join("vars"));
        write_env_dir(&env_dir, &dir);
        // A directory's values are those of the shell's `$(cat FILE)`.
        let mut given: BTreeMap<String, String> =
            dir.into_iter().map(|(name, value)| (name, value.trim_end_matches('\n').to_owned())).collect();
        let is_json = json.len() % 2 == 0;
        let in_file = if is_json {
            // Names are in capitals there.
            json.into_iter().map(|(name, value)| (name.to_uppercase(), value)).collect()
        } else {
            lines
        };
        let text = if is_json {
            serde_json::to_string(&in_file).unwrap()
        } else {
            in_file.iter().fold(String::new(), |mut text, (name, value)| {
                let _ = writeln!(text, "{name}={}", double_quoted(value));
                text
            })
        };
        fs::write(&env_file, text).unwrap();
        given.extend(in_file);
        given.extend(set.clone());
        let set: Vec<String> = set.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut arguments =
            vec!["--env-file", env_file.to_str().unwrap(), "--env-dir", env_dir.to_str().unwrap()];
        arguments.extend(set.iter().flat_map(|set| ["--set", set]));
        let (run, seen) = seen(&arguments);
        let different = differences(&given, &seen);
        prop_assert!(different.is_empty(), "{different:#?}\n{}", run.stderr);
        Ok(())
    });
}

/// A line of a file of config vars that says to bash what it says to slugc: docs/run.md.
fn line() -> impl Strategy<Value = String> {
    let bare = vec(select(&["a", "Z", "0", "é", "/", ":", "@", "%", "+", ",", ".", "-", "=", "_"][..]), 0..8);
    let quotable = |without: &'static str| {
        let pieces: Vec<&str> =
            PIECES.iter().copied().filter(|piece| !piece.contains(['\n', '\r'])).collect();
        let pieces = pieces.into_iter().filter(|piece| !piece.contains(|letter| without.contains(letter)));
        vec(select(pieces.collect::<Vec<_>>()), 0..6).prop_map(|pieces| pieces.concat())
    };
    let value = prop_oneof![
        bare.prop_map(|pieces| pieces.concat()),
        quotable("'").prop_map(|text| format!("'{text}'")),
        // In double quotes bash replaces `$` and backquotes, and knows other escapes.
        quotable("$`\\\"").prop_map(|text| format!("\"{text}\"")),
        Just("\"say \\\"a\\\\b\\\"\"".to_owned()),
    ];
    let before = select(&["", "", " ", "\t", "export ", " export\t "][..]);
    let after = select(&["", "", " ", "\t", " # why", "  #'\""][..]);
    prop_oneof![
        9 => (before, "V_[A-Za-z0-9_]{1,3}", value, after)
            .prop_map(|(before, name, value, after)| format!("{before}{name}={value}{after}")),
        1 => select(&["", "   ", "# V_A=b", "\t# it's \"not\" closed"][..]).prop_map(str::to_owned),
    ]
}

// The bash of Debian 12: 5.2.15.
#[test]
fn a_file_of_config_vars_says_to_a_dyno_what_it_says_to_bash() {
    check(6, &(vec(line(), 1..60), any::<bool>()), |(lines, has_end)| {
        let file = app().out.join("lines.env");
        let text = lines.join("\n") + if has_end { "\n" } else { "" };
        fs::write(&file, &text).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-c", "set -a; . \"$1\"; exec env -0", "bash", file.to_str().unwrap()]);
        let output = bash.env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
        prop_assert!(output.status.success(), "{}\n{text}", String::from_utf8_lossy(&output.stderr));
        let expected: BTreeMap<String, String> = String::from_utf8(output.stdout)
            .unwrap()
            .split('\0')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(name, _)| name.starts_with("V_"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let (run, seen) = seen(&["--env-file", file.to_str().unwrap()]);
        let different = differences(&expected, &seen);
        prop_assert!(different.is_empty(), "{different:#?}\n{text}\n{}", run.stderr);
        Ok(())
    });
}

// Where docs/run.md says that it isn't bash's.
#[test]
fn what_differs_from_bash_is_documented() {
    for (line, expected) in [
        ("V_A=$HOME `id` \\n", "$HOME `id` \\n"),
        ("V_A=a b", "a b"),
        ("V_A=a#b", "a"),
        ("V_A = b", "b"),
        ("V_A=\"a\\nb\"", "a\nb"),
        ("V_A=\"$HOME\"", "$HOME"),
        ("V_A=\"a\\tb\"", "a\\tb"),
        ("V_A=~", "~"),
    ] {
        let file = app().out.join("documented.env");
        fs::write(&file, format!("{line}\r\n")).unwrap();
        let (run, seen) = seen(&["--env-file", file.to_str().unwrap()]);
        let given = BTreeMap::from([("V_A".to_owned(), expected.to_owned())]);
        assert_eq!(seen, digests(&given), "{line}\n{}", run.stderr);
    }
    let docs = fs::read_to_string("docs/run.md").unwrap();
    assert!(docs.contains("## Files of config vars"), "{docs}");
}
