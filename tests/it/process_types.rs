//! The Procfile: each line is the process type that it says, and in a dyno its command does what bash does with it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::support::{Run, TestApp, run};

/// What commands are made of. Each ends by itself, and says the same wherever it runs.
const COMMANDS: &[&str] = &[
    "echo \"a  b\" 'c  d' e\\ f",
    "printf '[%s]' $V \"$V\" '$V' ${V}x \"${V:-d}\" ${NONE:-d} ${#V}",
    "echo $((1 + 2 * 3)) $(( N + 1 )) $((N<5))",
    "echo abc | tr a-c x-z | cat",
    "echo a#b # a comment",
    "false && echo no || echo yes",
    "echo out; echo err >&2; exit 3",
    "A=1 B=\"x y\" bash -c 'echo $A-$B'",
    "for i in 1 2 3; do echo -n $i; done",
    "echo $(echo \"in $(echo deep)\") `echo old`",
    "echo \t tabs\tbetween \t words",
    "echo café 日本 😀 '\u{a0}'",
    "cat <<< \"here $V\"",
    "echo fixed* nothing* [f]ixed.txt ?ixed.txt",
    "cat fixed.txt 'with blank.txt'",
    "exec echo replaced",
    "(exit 7)",
    "! true",
    "[[ abc == a* ]] && echo matched",
    "echo {1..3} {a,b}c",
    "echo \\\\ \\\" \\' '\\' \"\\\\\"",
    "echo \"unclosed",
    "echo 'unclosed",
    "no-such-program --option",
    "echo a \\",
    "test $# -eq 0 && echo none",
    "set -e; false; echo not reached",
    "kill -TERM $$",
    "f() { echo \"in f $1\"; }; f x",
    "case $V in a*) echo begins;; *) echo other;; esac",
    "echo %d %s %% !! ~root ~/x",
    "{ echo grouped; }",
    "echo a & wait",
    "read -r x < fixed.txt; echo \"$x\"",
    "IFS=,; set -- a,b; x=a,b; echo $x",
    ": comment: with: colons",
    "web: nested",
    "#",
    "",
];

fn command() -> impl Strategy<Value = String> {
    let joined = select(&[" && ", "; ", " || ", " | ", "  &&\t", ";"][..]);
    prop_oneof![
        select(COMMANDS).prop_map(str::to_owned),
        (select(COMMANDS), joined, select(COMMANDS)).prop_map(|(one, by, two)| format!("{one}{by}{two}")),
    ]
}

/// A line, and what it declares. Heroku's expression for it takes the blanks at a line's end as a part of the command.
fn line() -> impl Strategy<Value = (String, Option<(String, String)>)> {
    let before = select(&["", "", " ", "\t"][..]);
    let between = select(&[" ", " ", "\t", "  ", " \t "][..]);
    let after = select(&["", "", " ", "\t", "  "][..]);
    let declared = (before, "[a-z][a-z0-9_-]{1,4}", between, command(), after).prop_map(
        |(before, name, between, command, after)| {
            let line = format!("{before}{name}:{between}{command}{after}");
            // What is before the command isn't a part of it, even if it is empty.
            let command = format!("{command}{after}").trim_start_matches([' ', '\t']).to_owned();
            (line, Some((name, command)))
        },
    );
    let ignored = select(&["", "# web: echo", "   ", "nospace:echo", "= odd", "\t#"][..]);
    prop_oneof![9 => declared, 1 => ignored.prop_map(|line| (line.to_owned(), None))]
}

/// What bash does with a command, without slugc.
fn by_bash(app: &TestApp, command: &str) -> Run {
    let mut bash = Command::new("bash");
    bash.args(["-c", command]).current_dir(&app.dir).env_clear();
    run(bash.envs([("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/app"), ("V", VALUE), ("N", "4")]))
}

const VALUE: &str = "a  * \"b\" $N";

// The bash of Debian 12: 5.2.15.
#[test]
fn a_process_type_does_what_bash_does_with_its_command() {
    /// Of each Procfile, so many are run.
    const RUN: usize = 6;
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        ("fixed.txt", "first\\line\nsecond\n"),
        ("with blank.txt", "blank\n"),
    ]);
    let slug = app.slug();
    let slug = slug.to_str().unwrap();
    let value = format!("V={VALUE}");
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(4);
    let config = Config { cases, max_shrink_iters: 4, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let files = (vec(line(), 40), select(&["\n", "\r\n"][..]), any::<bool>());
    let result = runner.run(&files, |(lines, end, has_last_end)| {
        let mut text = String::new();
        for (line, _) in &lines {
            let _ = write!(text, "{line}{end}");
        }
        if !has_last_end {
            text.truncate(text.len() - end.len());
        }
        fs::write(app.dir.join("Procfile"), &text).unwrap();
        let expected: BTreeMap<String, String> =
            lines.into_iter().filter_map(|(_, declared)| declared).collect();
        app.build(&[]).success();
        let manifest = fs::read_to_string(format!("{slug}.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let declared: BTreeMap<String, String> =
            serde_json::from_value(manifest["process_types"].clone()).unwrap();
        prop_assert_eq!(&declared, &expected, "{}", text);
        // Others each time: they are sorted by random names.
        let commands = expected.iter().filter(|(_, command)| !command.trim().is_empty()).take(RUN);
        for (name, command) in commands {
            let bash = by_bash(&app, command);
            let arguments = ["run", slug, name, "--no-diagnosis", "--set", &value, "--set", "N=4"];
            let dyno = app.run(&arguments);
            prop_assert_eq!(&dyno.stdout, &bash.stdout, "{}: {}\n{}", name, command, dyno.stderr);
            // A shell that a signal ended has no code; slugc says which signal it was.
            let code = bash.code.unwrap_or(128 + 15);
            prop_assert_eq!(dyno.code, Some(code), "{}: {}\n{}", name, command, dyno.stderr);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}
