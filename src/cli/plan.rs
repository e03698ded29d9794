//! `slugc plan`

use super::args::Plan;
use super::build;
use crate::build::context::Context;
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
    let plan = plan_slug(&request, Context { store: &store, env, output, record: &Record::default() })?;
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
    let mut table = Table { width: width - 1, text: String::new() };
    table.line("Python", &format!("{} ({})", plan.python.version, plan.python.describe()));
    table.line("Python from", &plan.runtime.describe());
    let manager = format!("{} ({})", plan.package_manager.name(), plan.package_manager.file());
    table.line("Package manager", &manager);
    for (index, tool) in plan.tools.iter().enumerate() {
        let fetched = if tool.to_be_fetched == Some(true) { ", to be fetched" } else { "" };
        table.line(if index == 0 { "Installer" } else { "" }, &format!("{}{fetched}", tool.tool));
    }
    for reason in &plan.installer_reasons {
        table.line("", reason);
    }
    table.title("Layers");
    for layer in &plan.layers {
        table.line(&format!("  {}", layer.id), &format!("{}  {}", &layer.key.digest()[..12], layer.contents));
    }
    table.title("Steps of the app's own");
    for step in &plan.steps {
        let (label, value) = describe_step(step);
        table.line(&format!("  {label}"), &value);
    }
    if plan.steps.is_empty() {
        table.title("  (none)");
    }
    table.title("Process types");
    for (name, command) in &plan.process_types {
        table.whole(&format!("  {name}"), command);
    }
    if plan.process_types.is_empty() {
        table.title("  (none)");
    }
    table.title("Environment");
    for (name, change) in &plan.environment.changes {
        let value = match change {
            Change::Set(value) => value.clone(),
            Change::Prepend(value) => format!("{value}:… (put first)"),
            Change::Default(value) => format!("{value} (unless set)"),
        };
        table.title(&format!("  {name}={value}"));
    }
    if plan.steps.iter().any(|step| step.kind() == StepKind::Nltk && step.runs() && !step.is_certain()) {
        table.title("  NLTK_DATA, if there are corpora");
    }
    let mut text = table.text;
    for notice in plan.notices.iter().chain(&plan.runtime.notice()) {
        let severity = if notice.warning { Severity::Warning } else { Severity::Note };
        let report = Report::of_notice(severity, notice.code.id(), &notice.text);
        text.push_str(&format!("\n{}", report.render(false, width - 1)));
    }
    text
}

/// Says what a step is, and what is run or why it isn't.
fn describe_step(step: &StepPlan) -> (&'static str, String) {
    let condition = match step.needs {
        Some(module) => format!(", if {module} can be imported"),
        None => String::new(),
    };
    let label = match step.kind() {
        StepKind::PreCompile => "pre_compile",
        StepKind::Nltk => "NLTK",
        StepKind::Collectstatic => "collectstatic",
        StepKind::PostCompile => "post_compile",
    };
    let value = match &step.decision {
        Ok(Step::PreCompile) => {
            format!("{PRE_COMPILE}, before anything else: what it changes isn't in this plan")
        }
        Ok(step) => format!("{}{condition}", step.command()),
        Err(skip) => format!("not run: {}{condition}", skip.reason()),
    };
    (label, value)
}

/// What the column of labels takes.
const LABELS: usize = 17;

/// Narrower than this, values that have no room beside their labels stand below them.
const NARROW: usize = 60;

/// Labels and values in two columns, as wide as the terminal.
struct Table {
    width: usize,
    text: String,
}

impl Table {
    fn title(&mut self, title: &str) {
        self.text.push_str(title);
        self.text.push('\n');
    }

    /// Adds a value of words, which goes on below itself.
    fn line(&mut self, label: &str, value: &str) {
        if self.has_room(value) {
            return self.title(&format!("{label:<LABELS$}{value}"));
        }
        let (first, indent) = self.start(label);
        let room = self.width.saturating_sub(indent).max(1);
        let mut lines: Vec<String> = Vec::new();
        for word in value.split(' ').filter(|word| !word.is_empty()) {
            match lines.last_mut() {
                Some(line) if line.chars().count() + 1 + word.chars().count() <= room => {
                    line.push(' ');
                    line.push_str(word);
                }
                _ => lines.push(word.to_owned()),
            }
        }
        let gap = format!("\n{}", " ".repeat(indent));
        self.title(&format!("{first}{}", lines.join(&gap)));
    }

    /// Adds a value that stays on one line: somebody may copy it.
    fn whole(&mut self, label: &str, value: &str) {
        match self.has_room(value) || self.width >= NARROW {
            true => self.title(&format!("{label:<LABELS$}{value}")),
            false => self.title(&format!("{label}\n    {value}")),
        }
    }

    fn has_room(&self, value: &str) -> bool {
        LABELS + value.chars().count() <= self.width
    }

    /// Returns what goes before a long value, and how far its lines are indented.
    fn start(&self, label: &str) -> (String, usize) {
        const INDENT: usize = 4;
        match self.width >= NARROW {
            true => (format!("{label:<LABELS$}"), LABELS),
            false if label.is_empty() => (" ".repeat(INDENT), INDENT),
            false => (format!("{label}\n{}", " ".repeat(INDENT)), INDENT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // T04
    #[test]
    fn the_table_fits_the_terminal() {
        let filled = |width: usize| {
            let mut table = Table { width, text: String::new() };
            table.line("Python", "3.13.0 (from .python-version)");
            table.line("", "a reason of some words that goes on");
            table.line("  dependencies", "0123456789ab  3 packages");
            table.whole("  web", "gunicorn --workers 3 wsgi:application");
            table.text
        };
        assert_eq!(
            filled(79),
            "Python           3.13.0 (from .python-version)\n                 a reason of some words that goes on\n\
             \x20 dependencies   0123456789ab  3 packages\n  web            gunicorn --workers 3 wsgi:application\n"
        );
        assert_eq!(
            filled(39),
            "Python\n    3.13.0 (from .python-version)\n    a reason of some words that goes on\n\
             \x20 dependencies\n    0123456789ab 3 packages\n  web\n    gunicorn --workers 3 wsgi:application\n"
        );
        assert_eq!(filled(60).lines().next(), Some("Python           3.13.0 (from .python-version)"));
        let mut table = Table { width: 60, text: String::new() };
        table.line("Python from", "this machine, as no archive of it is in the catalogue of runtimes");
        assert_eq!(
            table.text,
            "Python from      this machine, as no archive of it is in the\n                 catalogue of runtimes\n"
        );
    }
}
