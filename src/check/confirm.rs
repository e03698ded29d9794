//! Confirms by importing: the app's own Python, in an unpacked slug, with the environment of a dyno.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::catalogue::{FindingCode, Severity};
use super::facts::Facts;
use super::finding::{Finding, line_of};
use super::target::{Target, targets};
use crate::env::Env;
use crate::error::{Result, Snippet};
use crate::host::files;
use crate::host::process::{Invocation, RunError, capture_within};
use crate::output::Output;
use crate::slug::unpack::unpack_slug;

/// As long as a web process has to listen.
const LIMIT: Duration = Duration::from_secs(60);

/// Sources the boot scripts as a dyno does, and runs Python in their place.
const BOOT: &str = r#"
for script in "$HOME"/.profile.d/*.sh; do
  if [ -f "$script" ]; then . "$script"; fi
done
if [ -f "$HOME/.profile" ]; then . "$HOME/.profile"; fi
exec python -c "$IMPORT_SCRIPT" "$@"
"#;

/// What one import came to.
#[derive(Debug, Deserialize)]
struct Answer {
    kind: String,
    text: String,
    file: Option<String>,
    line: Option<usize>,
}

/// Imports every app that a process type names. Returns nothing about those that work.
pub(crate) fn confirm_imports(
    slug: &Path,
    facts: &Facts,
    config_vars: &BTreeMap<String, String>,
    env: &Env,
    output: &Output,
) -> Result<Vec<Finding>> {
    let mut targets = targets(facts);
    // Several process types often work for the same app.
    targets.sort_by(|a, b| (&a.module, &a.name, &a.roots).cmp(&(&b.module, &b.name, &b.roots)));
    targets.dedup_by(|a, b| a.module == b.module && a.name == b.name && a.roots == b.roots);
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    let scratch = files::temp_dir(None)?;
    let app_dir = scratch.path().join("app");
    unpack_slug(slug, &app_dir, env, output)?;
    let mut findings = Vec::new();
    for target in &targets {
        let invocation = invocation(&app_dir, target, config_vars);
        let answer = match capture_within(LIMIT, &invocation, env, output) {
            Ok(captured) => serde_json::from_slice::<Answer>(&captured.stdout).ok(),
            Err(RunError::TookTooLong { .. }) => {
                let message =
                    format!("`{}` isn't imported after {} seconds.", target.module, LIMIT.as_secs());
                findings.push(Finding::new(FindingCode::AppImportTooLong, message));
                continue;
            }
            Err(RunError::Interrupted(interrupted)) => return Err(interrupted.into()),
            // The interpreter itself ended: a crash in a compiled module, or `os._exit`.
            Err(error) => {
                let message = format!("Importing `{}` ended Python. {error}", target.module);
                findings.push(Finding::new(FindingCode::AppImportFailed, message));
                continue;
            }
        };
        findings.extend(answer.and_then(|answer| finding(target, &answer, facts, config_vars.is_empty())));
    }
    Ok(findings)
}

fn invocation(app_dir: &Path, target: &Target, config_vars: &BTreeMap<String, String>) -> Invocation {
    let root = target.roots.first().map_or(PathBuf::from(app_dir), |root| app_dir.join(root));
    let mut invocation = Invocation::new("/bin/bash")
        .args(["-c", BOOT, "bash", target.module.as_str(), target.name.as_deref().unwrap_or_default()])
        .args(target.roots.iter().map(|root| app_dir.join(root)))
        .current_dir(if root.is_dir() { root } else { app_dir.to_owned() })
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", app_dir)
        .env("DYNO", "check.1")
        .env("PORT", "5000");
    for (name, value) in config_vars {
        invocation = invocation.env(name, value);
    }
    invocation.env("IMPORT_SCRIPT", include_str!("import.py"))
}

fn finding(target: &Target, answer: &Answer, facts: &Facts, without_config_vars: bool) -> Option<Finding> {
    let Answer { kind, text, file, line } = answer;
    let code = match kind.as_str() {
        "ok" => return None,
        "no-attribute" => FindingCode::AppAttributeNotFound,
        _ => FindingCode::AppImportFailed,
    };
    let Target { process, module, .. } = target;
    let message = match code {
        FindingCode::AppAttributeNotFound => format!("The process type `{process}`: {text}."),
        _ => format!("The process type `{process}` needs `{module}`. Importing it ends with:\n{text}"),
    };
    let place = file.as_ref().zip(*line).and_then(|(file, number)| {
        let line = line_of(facts.texts.get(file)?, number)?;
        let (start, end) = (line.len() - line.trim_start().len(), line.len());
        Some(Snippet { file: file.clone(), line: number, span: start..end, text: line, label: kind.clone() })
    });
    let finding = Finding::new(code, message).at(place);
    // What only config vars make possible isn't wrong.
    let is_certain =
        ["ModuleNotFoundError", "ImportError", "SyntaxError", "IndentationError", "no-attribute"];
    let may_be_config = without_config_vars && !is_certain.contains(&kind.as_str());
    Some(if may_be_config { finding.with_severity(Severity::Warning) } else { finding })
}
