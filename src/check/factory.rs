//! What is said of an app that can't be made or called as a command says, which `import.py` has found out.

use std::ops::Range;

use super::catalogue::FindingCode;
use super::facts::Process;
use super::finding::Finding;
use super::target::Target;
use crate::error::Snippet;

/// Says why a call of a function that makes an app can't work: `why`, and what the function `takes`. The place of the argument
/// at fault is relative to the name in the command.
pub(super) fn bad_call(
    target: &Target,
    why: &str,
    takes: Option<&str>,
    argument: Option<Range<usize>>,
    declared: Option<&Process<'_>>,
) -> Finding {
    let name = target.name.as_deref().unwrap_or_default();
    let call = if target.calls { format!("{name}()") } else { name.to_owned() };
    let mut message = format!("The process type `{}` calls `{call}`, which fails: {why}.", target.process);
    if let Some(takes) = takes {
        message.push_str(&format!(" The function is {takes}."));
    }
    let finding = Finding::new(FindingCode::AppFactoryArguments, message);
    finding.at(declared.map(|declared| place(target, argument, declared, "wrong arguments")))
}

/// Says that what a command names, or what it calls, is no app.
pub(super) fn not_callable(target: &Target, what: &str, declared: Option<&Process<'_>>) -> Finding {
    let Target { process, program, .. } = target;
    let message =
        format!("The process type `{process}`: {what}, and {program} needs an app, which can be called.");
    let finding = Finding::new(FindingCode::AppNotCallable, message);
    finding.at(declared.map(|declared| place(target, None, declared, "isn't an app")))
}

/// Points at a part of the name in the command, at all of it, or at the word that it is in.
fn place(target: &Target, part: Option<Range<usize>>, declared: &Process<'_>, label: &str) -> Snippet {
    let text = declared.text;
    let name = target.name.as_deref().unwrap_or_default();
    let found = |words: &str| Some(text.find(words)?..text.find(words)? + words.len());
    // The name alone may be a part of another word.
    let of_name = || {
        let start = found(&format!(":{name}")).filter(|_| !name.is_empty())?.start + 1;
        let whole = start..start + name.len();
        let part = part.map(|part| start + part.start..start + part.end);
        Some(part.filter(|part| text.get(part.clone()).is_some()).unwrap_or(whole))
    };
    let first = name.split('(').next().unwrap_or_default();
    let span = of_name()
        .or_else(|| found(&format!(":{first}(")).map(|span| span.start + 1..span.end))
        .or_else(|| found(&target.word).filter(|_| !target.word.is_empty()))
        .unwrap_or(0..text.len());
    let (file, label) = ("Procfile".to_owned(), label.to_owned());
    Snippet { file, line: declared.line, text: text.to_owned(), span, label }
}
