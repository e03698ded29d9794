//! Which settings Django is told to take by what isn't code: config vars, the Procfile, boot scripts, app.json.

use super::command::parse_command;
use super::facts::Facts;
use super::module::{Call, Module};
use super::servers::is_dotted;

/// The variable.
pub(super) const NAME: &str = "DJANGO_SETTINGS_MODULE";

/// Returns the calls that name the settings for want of another name: `os.environ.setdefault("DJANGO_SETTINGS_MODULE", …)`.
pub(super) fn defaults(module: &Module) -> impl Iterator<Item = &Call> {
    module.calls.iter().filter(|call| {
        call.callee.ends_with("environ.setdefault")
            && call.args.first().is_some_and(|name| name.contains(NAME))
    })
}

/// Returns the module that `DJANGO_SETTINGS_MODULE` names in the web process, if something but code says so.
pub(super) fn named_outside(facts: &Facts) -> Option<String> {
    let by_command = || {
        let processes = facts.processes();
        let web = processes.iter().filter(|process| process.name == "web");
        let mut commands = web.flat_map(|process| parse_command(process.command));
        commands.find_map(|invoked| {
            let option =
                invoked.option(&["-e", "--env"]).into_iter().find_map(|word| word.strip_prefix(NAME));
            let option = option.and_then(|rest| rest.strip_prefix('='));
            let settings = invoked.option(&["--settings"]).last().copied();
            invoked.variable(NAME).or(option).or(settings).map(str::to_owned)
        })
    };
    let by_script = || {
        let scripts = facts.texts.iter().filter(|(path, _)| path.starts_with(".profile"));
        let lines = scripts.flat_map(|(_, text)| text.lines());
        lines
            .filter_map(|line| line.split_once(NAME)?.1.strip_prefix('='))
            .next_back()
            .map(|value| value.trim_matches(['"', '\'']).split([';', ' ']).next().unwrap_or(value).to_owned())
    };
    let by_app_json = || {
        let app: serde_json::Value = serde_json::from_str(facts.texts.get("app.json")?).ok()?;
        let value = app.get("env")?.get(NAME)?;
        value.as_str().or_else(|| value.get("value")?.as_str()).map(str::to_owned)
    };
    let named = by_command()
        .or_else(by_script)
        .or_else(|| facts.config_vars.get(NAME).cloned())
        .or_else(by_app_json)?;
    is_dotted(&named).then_some(named)
}
