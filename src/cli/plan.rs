//! `slugc plan`

use super::args::Plan;
use super::build;
use crate::build::execute::Workshop;
use crate::build::record::Record;
use crate::build::slug::plan_slug;
use crate::env::Env;
use crate::error::{Result, Severity};
use crate::output::{Format, Output, Report};
use crate::plan::environment::Change;
use crate::plan::steps::{PRE_COMPILE, StepKind};
use crate::plan::{Step, StepPlan};
use crate::slug::assemble::Layout;

/// Prints what would be built and why.
pub(super) fn run(arguments: &Plan, env: &Env, output: &Output) -> Result<u8> {
    let store = super::open_store(arguments.app.cache_dir.as_deref(), env)?;
    let request = build::request(&arguments.app, Layout::App, env);
    let plan = plan_slug(&request, Workshop { store: &store, env, output, record: &Record::default() })?;
    let text = match arguments.format {
        Format::Json => {
            let mut value = serde_json::json!({ "schema": 1 });
            if let (Some(object), Ok(serde_json::Value::Object(plan))) =
                (value.as_object_mut(), serde_json::to_value(&plan))
            {
                object.extend(plan);
            }
            format!("{value:#}\n")
        }
        Format::Text => render(&plan, Env::width(env.stdout_columns)),
    };
    super::print_result(&text)?;
    Ok(0)
}

fn render(plan: &crate::plan::Plan, width: usize) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| text.push_str(&format!("{label:<17}{value}\n"));
    line("Python", &format!("{} ({})", plan.python.version, plan.python.describe()));
    line("Python from", &plan.runtime.describe());
    line("Package manager", &format!("{} ({})", plan.package_manager.name(), plan.package_manager.file()));
    for (index, tool) in plan.tools.iter().enumerate() {
        let fetched = if tool.to_be_fetched == Some(true) { ", to be fetched" } else { "" };
        line(if index == 0 { "Installer" } else { "" }, &format!("{}{fetched}", tool.tool));
    }
    for reason in &plan.installer_reasons {
        line("", reason);
    }
    text.push_str("Layers\n");
    for layer in &plan.layers {
        text.push_str(&format!("  {:<15}{}  {}\n", layer.id, &layer.key.digest()[..12], layer.contents));
    }
    text.push_str("Steps of the app's own\n");
    for step in &plan.steps {
        text.push_str(&format!("  {}\n", describe_step(step)));
    }
    if plan.steps.is_empty() {
        text.push_str("  (none)\n");
    }
    text.push_str("Process types\n");
    for (name, command) in &plan.process_types {
        text.push_str(&format!("  {name:<15}{command}\n"));
    }
    if plan.process_types.is_empty() {
        text.push_str("  (none)\n");
    }
    text.push_str("Environment\n");
    for (name, change) in &plan.environment.changes {
        let value = match change {
            Change::Set(value) => value.clone(),
            Change::Prepend(value) => format!("{value}:… (put first)"),
            Change::Default(value) => format!("{value} (unless set)"),
        };
        text.push_str(&format!("  {name}={value}\n"));
    }
    if plan.steps.iter().any(|step| step.kind() == StepKind::Nltk && step.runs() && !step.is_certain()) {
        text.push_str("  NLTK_DATA, if there are corpora\n");
    }
    for notice in plan.notices.iter().chain(&plan.runtime.notice()) {
        let severity = if notice.warning { Severity::Warning } else { Severity::Note };
        let report = Report::of_notice(severity, notice.code.id(), &notice.text);
        text.push_str(&format!("\n{}", report.render(false, width - 1)));
    }
    text
}

fn describe_step(step: &StepPlan) -> String {
    let condition = match step.needs {
        Some(module) => format!(", if {module} can be imported"),
        None => String::new(),
    };
    match &step.decision {
        Ok(Step::PreCompile) => {
            format!("{PRE_COMPILE}, before anything else: what it changes isn't in this plan")
        }
        Ok(step) => format!("{}{condition}", step.command()),
        Err(skip) => format!("not {}: {}{condition}", skip.kind().name(), skip.reason()),
    }
}
