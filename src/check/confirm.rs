//! Confirms by loading: the app's own Python, in a dyno of the slug, compiles what the processes start, and loads each
//! app as its program does. The caller runs the dyno.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::catalogue::{FindingCode, Severity};
use super::code::Code;
use super::factory::{bad_call, not_callable};
use super::facts::Facts;
use super::finding::{Finding, line_of, point_at};
use super::servers::is_server;
use super::target::{Target, targets};
use crate::error::{Result, Snippet};

/// What is run in the dyno.
const SCRIPT: &str = include_str!("import.py");

/// As long as a web process has to listen.
const LIMIT: Duration = Duration::from_secs(60);

/// What the lines of answers begin with, whatever else is written there.
const MARK: &str = "slugc-answer:";

/// The most bytes of names of files in one command: the list is an argument of the program.
const LONGEST_LIST: usize = 48 << 10;

/// How a command in a dyno has ended.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// What it wrote to standard output.
    pub stdout: Vec<u8>,
    /// What it wrote to standard error, as lines.
    pub stderr: String,
    /// The boot script that has ended the shell before the command was run.
    pub ended_by: Option<String>,
    /// Whether it was stopped as it took too long.
    pub took_too_long: bool,
}

/// Runs a command in a dyno of the slug.
pub(crate) type RunInDyno<'a> = dyn Fn(&[String], Duration) -> Result<Ran> + 'a;

/// What is to be confirmed.
pub(crate) struct Request<'a> {
    /// What is known of the slug.
    pub facts: &'a Facts,
    /// The only process type, if not each of them.
    pub process: Option<&'a str>,
    /// Whether config vars are given; without them, an app may fail for want of one.
    pub has_config_vars: bool,
}

/// A finding about what a slug's processes load.
pub(crate) struct Confirmed {
    /// The finding.
    pub finding: Finding,
    /// The process type, unless it is about all.
    pub process: Option<String>,
    /// Whether it is about the app that a server loads: a server that answers disproves it.
    pub is_served: bool,
}

/// What the script is asked to do.
#[derive(Serialize)]
struct Asked<'a> {
    files: &'a [String],
    targets: Vec<AskedTarget<'a>>,
}

#[derive(Serialize)]
struct AskedTarget<'a> {
    #[serde(flatten)]
    target: &'a Target,
    limit: u64,
}

/// What one step came to.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    stage: String,
    target: Option<usize>,
    kind: String,
    text: String,
    file: Option<String>,
    line: Option<usize>,
    start: Option<i64>,
    end: Option<i64>,
    takes: Option<String>,
}

/// Compiles the files that process types start, and loads every app that they name. Returns nothing about what works.
pub(crate) fn confirm(request: &Request<'_>, run: &RunInDyno<'_>) -> Result<Vec<Confirmed>> {
    let facts = request.facts;
    // Without a Python of its own, nothing is known of how the app is started.
    if facts.installed.is_none() {
        return Ok(Vec::new());
    }
    let targets = different_targets(request);
    let files = started_files(facts);
    let mut files = chunks(&files);
    let last = files.pop().unwrap_or_default();
    let mut found = Vec::new();
    for chunk in files {
        found.extend(ask(request, chunk, &[], run)?);
    }
    if !targets.is_empty() || !last.is_empty() {
        found.extend(ask(request, last, &targets, run)?);
    }
    Ok(without_repetitions(found))
}

/// Compiles the files that process types start, and executes nothing of the app. `run` calls a Python of the app's
/// version with some arguments and an input, and returns what it wrote.
pub(crate) fn confirm_syntax(
    facts: &Facts,
    run: impl Fn(&[String], Vec<u8>) -> Result<Vec<u8>>,
) -> Result<Vec<Finding>> {
    // Text in another encoding has lost letters.
    let is_text = |file: &String| facts.texts.get(file).filter(|text| !text.contains('\u{fffd}'));
    let files: Vec<String> =
        started_files(facts).into_iter().filter(|file| is_text(file).is_some()).collect();
    let mut findings = Vec::new();
    for files in chunks(&files).into_iter().filter(|files| !files.is_empty()) {
        let sources: BTreeMap<&String, &String> =
            files.iter().filter_map(|file| Some((file, is_text(file)?))).collect();
        let asked = serde_json::to_string(&Asked { files, targets: Vec::new() }).unwrap_or_default();
        let arguments = ["-I", "-c", SCRIPT, MARK, &asked, "sources"].map(str::to_owned);
        let stdout = run(&arguments, serde_json::to_vec(&sources).unwrap_or_default())?;
        let answers = read_answers(&stdout);
        findings.extend(answers.iter().filter_map(|answer| syntax_error(answer, python_of(&answers), facts)));
    }
    Ok(findings)
}

fn read_answers(stdout: &[u8]) -> Vec<Answer> {
    String::from_utf8_lossy(stdout)
        .lines()
        .filter_map(|line| line.split_once(MARK))
        .filter_map(|(_, answer)| serde_json::from_str(answer).ok())
        .collect()
}

/// Returns the version of the Python that has answered.
fn python_of(answers: &[Answer]) -> &str {
    answers.iter().find(|answer| answer.stage == "begin").map_or("", |answer| &answer.text)
}

/// Returns what is to be loaded: several process types often work for the same app.
fn different_targets(request: &Request<'_>) -> Vec<Target> {
    let mut targets = targets(request.facts);
    targets.retain(|target| request.process.is_none_or(|process| process == target.process));
    let mut seen: Vec<Target> = Vec::new();
    targets.retain(|target| {
        let same = Target { process: String::new(), word: String::new(), ..target.clone() };
        let is_new = !seen.contains(&same);
        seen.push(same);
        is_new
    });
    targets
}

/// Cuts a list of files to what one command can hold.
fn chunks(files: &[String]) -> Vec<&[String]> {
    let mut chunks = Vec::new();
    let (mut start, mut length) = (0, 0);
    for (index, file) in files.iter().enumerate() {
        length += file.len() + 4;
        if length > LONGEST_LIST && index > start {
            chunks.push(&files[start..index]);
            (start, length) = (index, file.len() + 4);
        }
    }
    chunks.push(&files[start..]);
    chunks
}

/// Runs the script once.
fn ask(
    request: &Request<'_>,
    files: &[String],
    targets: &[Target],
    run: &RunInDyno<'_>,
) -> Result<Vec<Confirmed>> {
    let Request { facts, has_config_vars, .. } = *request;
    // Unpacking the slug and the boot scripts take time, too.
    let limit = LIMIT * (u32::try_from(targets.len()).unwrap_or(u32::MAX).saturating_add(2));
    let asked_targets = targets.iter().map(|target| AskedTarget { target, limit: LIMIT.as_secs() }).collect();
    let asked = serde_json::to_string(&Asked { files, targets: asked_targets }).unwrap_or_default();
    let command = ["python", "-c", SCRIPT, MARK, &asked].map(str::to_owned);
    let ran = run(&command, limit)?;
    let answers = read_answers(&ran.stdout);
    let whole = |finding| Confirmed { finding, process: None, is_served: false };
    if answers.is_empty() {
        return Ok(vec![whole(never_begun(&ran, limit, facts, has_config_vars))]);
    }
    let mut found: Vec<Confirmed> = Vec::new();
    for answer in &answers {
        match (answer.stage.as_str(), answer.target.and_then(|index| targets.get(index))) {
            ("file", _) => found.extend(syntax_error(answer, python_of(&answers), facts).map(whole)),
            (_, Some(target)) => {
                let (process, is_served) = (Some(target.process.clone()), is_server(&target.program));
                let finding = finding(target, answer, facts, has_config_vars);
                found.extend(finding.map(|finding| Confirmed { finding, process, is_served }));
            }
            _ => {}
        }
    }
    // No answer isn't a good one.
    let is_answered = |index| answers.iter().any(|answer| answer.target == Some(index));
    let unanswered = targets.iter().enumerate().filter(|(index, _)| !is_answered(*index));
    found.extend(unanswered.map(|(_, target)| whole(no_answer(target))));
    Ok(found)
}

/// Drops what follows from a syntax error: a file that doesn't compile isn't imported either.
fn without_repetitions(mut found: Vec<Confirmed>) -> Vec<Confirmed> {
    let of_code = |code| {
        let of_code = found.iter().filter(move |found: &&Confirmed| found.finding.code == code);
        of_code.filter_map(|found| found.finding.file_name().map(str::to_owned)).collect::<Vec<_>>()
    };
    let broken = of_code(FindingCode::AppSyntaxError);
    found.retain(|found| {
        let is_broken =
            found.finding.file_name().is_some_and(|file| broken.iter().any(|known| known == file));
        found.finding.code != FindingCode::AppImportFailed || !is_broken
    });
    found
}

/// Returns the names of the apps that are made by a call: only loading them says whether that works.
pub(crate) fn factories(facts: &Facts) -> Vec<String> {
    let mut words: Vec<String> =
        targets(facts).into_iter().filter(Target::is_factory).map(|target| target.word).collect();
    words.sort();
    words.dedup();
    words
}

/// Returns the files of the app that process types start or import for certain.
fn started_files(facts: &Facts) -> Vec<String> {
    let code = Code::new(facts);
    let mut files: Vec<String> = code.reached().iter().map(|reached| reached.file.clone()).collect();
    files.retain(|file| file.ends_with(".py") || facts.texts.contains_key(file));
    files
}

/// Says that it isn't known whether an app can be loaded.
fn no_answer(target: &Target) -> Finding {
    let Target { process, word, .. } = target;
    let message = format!(
        "The process type `{process}`: the Python that loads `{word}` was ended before it could say how that went."
    );
    Finding::new(FindingCode::AppImportFailed, message).with_severity(Severity::Warning)
}

/// Says why Python didn't even begin: a boot script, or Python itself.
fn never_begun(ran: &Ran, limit: Duration, facts: &Facts, has_config_vars: bool) -> Finding {
    let replaced_by = || {
        let mut scripts = facts.texts.keys().filter(|path| path.starts_with(".profile"));
        scripts.rfind(|path| ended_at(facts, path, &["exec"]).is_some()).cloned()
    };
    if let Some(script) = ran.ended_by.clone().or_else(replaced_by) {
        return profile_ended(&script, facts, has_config_vars);
    }
    if ran.took_too_long {
        let message = format!(
            "The processes' apps aren't all loaded after {} seconds, unpacking the slug and running the boot scripts \
             (.profile, .profile.d) included.",
            limit.as_secs()
        );
        return Finding::new(FindingCode::AppImportTooLong, message);
    }
    let last = ran.stderr.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    Finding::new(FindingCode::AppImportFailed, format!("The app's Python can't be started.\n{}", last.trim()))
}

/// Says which boot script has ended the shell.
pub(crate) fn profile_ended(script: &str, facts: &Facts, has_config_vars: bool) -> Finding {
    let message = format!("{script} ended the shell before the command was run, so no process starts.");
    let place = ended_at(facts, script, &["exit", "exec"]);
    let is_certain = place.as_ref().is_some_and(|place| !place.text.starts_with([' ', '\t']));
    let finding = Finding::new(FindingCode::BootProfileEnded, message).in_file(script).at(place);
    // Under a condition, a config var may be all that is missing.
    if is_certain || has_config_vars { finding } else { finding.with_severity(Severity::Warning) }
}

/// Returns the only line of a script that begins with one of these words.
fn ended_at(facts: &Facts, script: &str, words: &[&str]) -> Option<Snippet> {
    let text = facts.texts.get(script)?;
    let is_end = |line: &str| {
        let first = line.trim_start().split([' ', ';', '\t']).next().unwrap_or_default();
        words.contains(&first)
    };
    let mut lines = text.lines().enumerate().filter(|(_, line)| is_end(line));
    let (index, line) = lines.next()?;
    lines.next().is_none().then(|| point_at(script, index + 1, line, line.trim(), "ends the shell"))
}

fn syntax_error(answer: &Answer, python: &str, facts: &Facts) -> Option<Finding> {
    let Answer { stage, kind, text, file, line, start, end, .. } = answer;
    let file = file.as_ref().filter(|_| stage == "file")?;
    let message = format!("{file} can't be compiled by Python {python}: {text}.");
    let number = line.unwrap_or(1);
    let place = facts.texts.get(file).and_then(|all| line_of(all, number)).map(|line| {
        // Columns count letters from 1; what Python says may lie behind the line.
        let byte_of = |column: i64| {
            let column = usize::try_from(column.saturating_sub(1)).unwrap_or_default();
            line.char_indices().nth(column).map_or(line.len(), |(byte, _)| byte)
        };
        let from = byte_of(start.unwrap_or(1)).min(line.len().saturating_sub(1));
        let from = (0..=from).rev().find(|at| line.is_char_boundary(*at)).unwrap_or_default();
        let to = end.filter(|end| Some(*end) > *start).map_or(from, byte_of);
        let next = line[from..].chars().next().map_or(from, |letter| from + letter.len_utf8());
        let span = from..to.max(next);
        Snippet { file: file.clone(), line: number, span, text: line, label: kind.clone() }
    });
    Some(Finding::new(FindingCode::AppSyntaxError, message).in_file(file.clone()).at(place))
}

fn finding(target: &Target, answer: &Answer, facts: &Facts, has_config_vars: bool) -> Option<Finding> {
    let Answer { stage, kind, text, file, line, .. } = answer;
    let Target { process, module, program, word, .. } = target;
    let processes = facts.processes();
    let declared = processes.iter().find(|declared| declared.name == process);
    let at_command = |words: &str, label: &str| {
        declared.map(|declared| point_at("Procfile", declared.line, declared.text, words, label))
    };
    let of = format!("The process type `{process}`");
    let found = |code, message: String, words: &str, label: &str| {
        Some(Finding::new(code, message).at(at_command(words, label)))
    };
    // What only config vars make possible isn't wrong.
    let is_certain = match stage.as_str() {
        // Its own words about its options, or about the names in them.
        "program" => {
            ["ModuleNotFoundError", "ImportError", "SyntaxError", "SystemExit", "RuntimeError"].as_slice()
        }
        _ => &["ModuleNotFoundError", "ImportError", "SyntaxError", "IndentationError"],
    };
    let may_be_config = !has_config_vars && !is_certain.contains(&kind.as_str());
    match (kind.as_str(), stage.as_str()) {
        ("ok", _) => return None,
        ("too-long", _) => {
            let message = format!("{of}: `{word}` isn't loaded after {} seconds.", LIMIT.as_secs());
            return Some(Finding::new(FindingCode::AppImportTooLong, message));
        }
        ("no-module", _) => {
            let message = format!("{of}: {text}. `{word}` asks for `{module}`.");
            return found(FindingCode::AppModuleNotFound, message, word, "no such module");
        }
        ("no-attribute", _) => {
            let message = format!("{of}: {}.", text.trim_end_matches('.'));
            return found(FindingCode::AppAttributeNotFound, message, word, "no such name in the module");
        }
        ("bad-call", _) => {
            let column = |value: Option<i64>| usize::try_from(value?).ok();
            let argument = column(answer.start).zip(column(answer.end)).map(|(start, end)| start..end);
            return Some(bad_call(target, text, answer.takes.as_deref(), argument, declared));
        }
        ("not-callable", _) => return Some(not_callable(target, text, declared)),
        ("no-app", _) => {
            return found(FindingCode::AppNoWorkerApp, format!("{of}: {text}."), word, "no app");
        }
        // Where the app's own settings are at fault, their line is shown.
        (_, "program") if file.is_none() => {
            let message = format!("{of} calls `{program}`, which ends with:\n{text}");
            let finding = found(FindingCode::CommandBroken, message, program, "can't start")?;
            return Some(if may_be_config { finding.with_severity(Severity::Warning) } else { finding });
        }
        _ => {}
    }
    let what = match stage.as_str() {
        "program" => format!("{of} calls `{program}`. It ends with:\n{text}"),
        _ if kind == "ended" => format!("{of} needs `{word}`. Loading it ended Python with {text}"),
        _ if target.is_factory() => {
            format!("{of} needs `{word}`. Importing and calling it ends with:\n{text}")
        }
        _ => format!("{of} needs `{module}`. Importing it ends with:\n{text}"),
    };
    let place = file.as_ref().zip(*line).and_then(|(file, number)| {
        let line = line_of(facts.texts.get(file)?, number)?;
        let (start, end) = (line.len() - line.trim_start().len(), line.len());
        Some(Snippet { file: file.clone(), line: number, span: start..end, text: line, label: kind.clone() })
    });
    let finding = Finding::new(FindingCode::AppImportFailed, what).at(place);
    Some(if may_be_config { finding.with_severity(Severity::Warning) } else { finding })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::app::procfile::Procfile;
    use crate::check::facts::{FileFacts, Installed};

    fn facts(files: &[(&str, &str)]) -> Facts {
        let mut facts = Facts::default();
        for (path, text) in files {
            facts.files.insert((*path).to_owned(), FileFacts::default());
            facts.texts.insert((*path).to_owned(), (*text).to_owned());
        }
        let text = facts.texts["Procfile"].clone();
        facts.procfile = Some((Procfile::parse(text.as_bytes()).unwrap(), text));
        let programs = ["celery", "gunicorn"].map(str::to_owned).into();
        facts.installed =
            Some(Installed { python: Some("3.13".to_owned()), programs, ..Installed::default() });
        facts
    }

    fn confirmed(facts: &Facts, has_config_vars: bool, ran: &RefCell<Option<Ran>>) -> Vec<Finding> {
        let request = Request { facts, process: None, has_config_vars };
        let found = confirm(&request, &|_, _| Ok(ran.take().unwrap())).unwrap();
        found.into_iter().map(|found| found.finding).collect()
    }

    fn answers(lines: &[&str]) -> RefCell<Option<Ran>> {
        let stdout = lines.iter().map(|line| format!("{MARK}{line}\n")).collect::<String>();
        RefCell::new(Some(Ran { stdout: format!("the app's own words\n{stdout}").into(), ..Ran::default() }))
    }

    // C06, C20, C33, D41
    #[test]
    fn an_answer_becomes_the_finding_that_names_its_place() {
        let facts = facts(&[
            ("Procfile", "web: gunicorn 'wsgi:make()'\nworker: celery -A work worker\n"),
            ("wsgi.py", "import os\nos.environ['KEY']\n"),
        ]);
        for (answer, with_vars, code, severity, file) in [
            (r#"{"stage":"app","target":0,"kind":"ok","text":""}"#, true, None, Severity::Error, ""),
            (
                r#"{"stage":"app","target":0,"kind":"KeyError","text":"KeyError: 'KEY'","file":"wsgi.py","line":2}"#,
                true,
                Some(FindingCode::AppImportFailed),
                Severity::Error,
                "wsgi.py",
            ),
            (
                r#"{"stage":"app","target":0,"kind":"KeyError","text":"KeyError: 'KEY'","file":"wsgi.py","line":2}"#,
                false,
                Some(FindingCode::AppImportFailed),
                Severity::Warning,
                "wsgi.py",
            ),
            (
                r#"{"stage":"program","target":0,"kind":"ModuleNotFoundError","text":"No module named 'pkg_resources'"}"#,
                false,
                Some(FindingCode::CommandBroken),
                Severity::Error,
                "Procfile",
            ),
            (
                r#"{"stage":"app","target":1,"kind":"no-app","text":"the module `work` makes no Celery app"}"#,
                false,
                Some(FindingCode::AppNoWorkerApp),
                Severity::Error,
                "Procfile",
            ),
            (
                r#"{"stage":"app","target":1,"kind":"no-module","text":"No module named 'work'"}"#,
                false,
                Some(FindingCode::AppModuleNotFound),
                Severity::Error,
                "Procfile",
            ),
            (
                r#"{"stage":"app","target":0,"kind":"ended","text":"signal 11"}"#,
                true,
                Some(FindingCode::AppImportFailed),
                Severity::Error,
                "",
            ),
        ] {
            let other = usize::from(answer.contains(r#""target":0"#));
            let other = format!(r#"{{"stage":"app","target":{other},"kind":"ok","text":""}}"#);
            let found = confirmed(&facts, with_vars, &answers(&[answer, &other]));
            assert_eq!(found.first().map(|found| found.code), code, "{answer}");
            if let Some(found) = found.first() {
                assert_eq!(
                    (found.severity, found.file_name().unwrap_or_default()),
                    (severity, file),
                    "{answer}"
                );
            }
        }
    }

    // C06: what can't be known isn't taken for good.
    #[test]
    fn an_app_without_an_answer_is_told() {
        let facts = facts(&[("Procfile", "web: gunicorn wsgi:app\nworker: celery -A work worker\n")]);
        let begin = r#"{"stage":"begin","text":"3.13"}"#;
        let ok = |target: usize| format!(r#"{{"stage":"app","target":{target},"kind":"ok","text":""}}"#);
        for (given, expected) in [
            (vec![begin.to_owned()], vec!["`web`", "`worker`"]),
            (vec![begin.to_owned(), ok(0)], vec!["`worker`"]),
            (vec![begin.to_owned(), ok(1)], vec!["`web`"]),
            (vec![begin.to_owned(), ok(0), ok(1)], vec![]),
        ] {
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            let found = confirmed(&facts, true, &answers(&given));
            assert_eq!(found.len(), expected.len(), "{found:?}");
            for (found, process) in found.iter().zip(expected) {
                assert!(found.message.contains(process), "{found:?}");
                assert_eq!(found.severity, Severity::Warning);
            }
        }
    }

    // C35: each file is compiled, however many there are.
    #[test]
    fn a_long_list_of_files_is_cut() {
        let files = |count: usize| (0..count).map(|number| format!("{number:020}.py")).collect::<Vec<_>>();
        for (count, expected) in [(0, 1), (1, 1), (1800, 1), (2000, 2), (9000, 5)] {
            let files = files(count);
            let chunks = chunks(&files);
            assert_eq!(chunks.len(), expected, "{count}");
            assert_eq!(chunks.concat(), files, "{count}");
        }
        assert_eq!(chunks(&["x".repeat(LONGEST_LIST + 1), "y".to_owned()]).len(), 2);
    }

    // C35
    #[test]
    fn what_a_directory_starts_is_compiled_from_its_texts() {
        let broken = "def f(:\n";
        let facts = facts(&[
            ("Procfile", "web: gunicorn wsgi:app\nworker: python work.py\nclock: python latin.py\n"),
            ("wsgi.py", "import models\n"),
            ("models.py", broken),
            ("work.py", broken),
            ("latin.py", "\u{fffd}"),
            ("unused.py", broken),
        ]);
        let found = confirm_syntax(&facts, |arguments, input| {
            assert_eq!(arguments[0], "-I");
            let sources: BTreeMap<String, String> = serde_json::from_slice(&input).unwrap();
            assert_eq!(sources.into_keys().collect::<Vec<_>>(), ["models.py", "work.py", "wsgi.py"]);
            let error = |file| {
                format!(
                    r#"{MARK}{{"stage":"file","kind":"SyntaxError","text":"invalid syntax","file":"{file}","line":1}}"#
                )
            };
            let begin = format!(r#"{MARK}{{"stage":"begin","text":"3.9"}}"#);
            Ok([begin, error("models.py"), error("work.py")].join("\n").into_bytes())
        });
        let found = found.unwrap();
        let told: Vec<_> = found.iter().map(|found| (found.code, found.file_name())).collect();
        let code = FindingCode::AppSyntaxError;
        assert_eq!(told, [(code, Some("models.py")), (code, Some("work.py"))]);
        assert!(found[0].message.contains("Python 3.9"), "{}", found[0].message);
    }

    // C35
    #[test]
    fn a_syntax_error_has_a_caret_and_is_told_once() {
        let facts = facts(&[("Procfile", "web: gunicorn wsgi:app\n"), ("wsgi.py", "é = 1; def f(:\n")]);
        let imported = r#"{"stage":"app","target":0,"kind":"SyntaxError","text":"SyntaxError","file":"wsgi.py","line":1}"#;
        for (start, end, expected) in [
            ("8", "11", "def"),
            ("8", "null", "d"),
            ("8", "0", "d"),
            ("99", "null", ":"),
            ("null", "null", "é"),
            ("1", "2", "é"),
        ] {
            let answer = format!(
                r#"{{"stage":"file","kind":"SyntaxError","text":"invalid syntax","file":"wsgi.py","line":1,"start":{start},"end":{end}}}"#
            );
            let found = confirmed(&facts, false, &answers(&[&answer, imported]));
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!((found[0].code, found[0].severity), (FindingCode::AppSyntaxError, Severity::Error));
            let place = found[0].place.clone().unwrap();
            assert_eq!(&place.text[place.span], expected, "{start} {end}");
        }
    }

    // C17
    #[test]
    fn a_boot_script_that_ends_the_shell_is_the_only_finding() {
        for (script, text, by_shell, has_vars, severity) in [
            (".profile.d/agent.sh", "exit 1\n", true, false, Severity::Error),
            (".profile", "if [ -z \"$A\" ]; then\n  exit 1\nfi\n", true, false, Severity::Warning),
            (".profile", "if [ -z \"$A\" ]; then\n  exit 1\nfi\n", true, true, Severity::Error),
            (".profile.d/agent.sh", "exec sleep 1\n", false, false, Severity::Error),
        ] {
            let facts = facts(&[("Procfile", "web: gunicorn wsgi:app\n"), (script, text)]);
            let ended_by = by_shell.then(|| script.to_owned());
            let ran = RefCell::new(Some(Ran { ended_by, ..Ran::default() }));
            let found = confirmed(&facts, has_vars, &ran);
            assert_eq!(found.len(), 1, "{found:?}");
            assert_eq!(
                (found[0].code, found[0].severity),
                (FindingCode::BootProfileEnded, severity),
                "{text}"
            );
            assert_eq!(found[0].file_name(), Some(script));
        }
    }
}
