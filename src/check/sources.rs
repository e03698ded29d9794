//! Where else a server could be told where to listen: variables, scripts that run before it, its own configuration
//! files. What the command leaves open is a finding only where none of them could say it.

use std::sync::LazyLock;

use regex::Regex;

use super::catalogue::FindingCode;
use super::command::{Invoked, join, parse_command};
use super::facts::Facts;
use super::finding::{Finding, line_of, point_at};
use super::server_files::binds_in;
use super::servers::{Server, is_fixed, split_bind};

/// Programs that run before a server and tell it nothing.
const SILENT: &[&str] =
    &["cd", "set", "shopt", "trap", "echo", "printf", "true", ":", "sleep", "date", "ulimit", "umask", ""];

/// Returns whether something that isn't in the command could tell the server where to listen.
pub(super) fn may_be_told(facts: &Facts, server: &Server, invoked: &Invoked, before: &[Invoked]) -> bool {
    let prefix = server.prefix;
    let is_named = |text: &str| !prefix.is_empty() && text.contains(prefix);
    before.iter().any(|earlier| !tells_nothing(earlier))
        || has_open_word(invoked)
        || profiles(facts).any(|(path, text)| {
            // The buildpack's own says where gunicorn's log goes.
            (is_named(text) && path != ".profile.d/python.gunicorn.sh")
                || brings_more(path, text)
                || writes_settings(server, text)
                || scripts_of(facts, &parse_command(text))
                    .any(|(_, text)| writes_settings(server, text) || is_named(text))
        })
        || facts.config_vars.keys().any(|name| is_named(name))
        || facts.texts.get("app.json").is_some_and(|text| is_named(text))
        || server.configuration.iter().any(|name| {
            let own = [join(&invoked.dir, name), (*name).to_owned()];
            own.iter().any(|path| facts.texts.get(path).is_some_and(|text| is_named(text)))
        })
}

/// Returns whether a script names the server's own configuration file, which it may write.
fn writes_settings(server: &Server, text: &str) -> bool {
    let names = server.configuration.iter().map(|path| path.rsplit('/').next().unwrap_or(path));
    let is_general = |name: &&str| ["config.toml", "setup.cfg", "pyproject.toml"].contains(name);
    let is_named = names.filter(|name| !is_general(name)).any(|name| text.contains(name));
    is_named || (server.program == "streamlit" && text.contains(".streamlit"))
}

/// Returns the app's scripts that commands run, each with its text.
fn scripts_of<'a, 'b>(
    facts: &'a Facts,
    commands: impl IntoIterator<Item = &'b Invoked>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let paths = commands.into_iter().filter_map(Invoked::shell_script);
    let found = paths.filter_map(|path| facts.texts.get_key_value(&path));
    found.map(|(path, text)| (path.as_str(), text.as_str()))
}

/// `. ./env.sh`, `source config`, `eval "$(…)"`
static BRINGS_MORE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?m)(?:^|[;&|(]|\b(?:then|do|else)\b)\s*(?:\.|source|eval)\s").ok());

/// Returns whether a boot script of the app's own sets variables that can't be seen in it.
fn brings_more(path: &str, text: &str) -> bool {
    const BUILDPACKS: &[&str] = &["WEB_CONCURRENCY.sh", "python.sh", "python.gunicorn.sh"];
    let is_buildpacks = path.strip_prefix(".profile.d/").is_some_and(|name| BUILDPACKS.contains(&name));
    !is_buildpacks && BRINGS_MORE.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

fn tells_nothing(earlier: &Invoked) -> bool {
    // `export $(cat .env)` exports anything. What it names itself is known.
    let exports = earlier.program == "export" && earlier.args.iter().all(|word| word.contains('='));
    exports || (SILENT.contains(&earlier.program.as_str()) && earlier.wrappers.is_empty())
}

/// Returns whether an earlier command can't start anything that listens in the server's place.
pub(super) fn is_one_off(earlier: &Invoked) -> bool {
    const ONE_OFF: &[&str] = &["alembic", "aerich", "mkdir", "cp", "mv", "rm", "touch", "chmod", "export"];
    let manages = earlier.args.first().is_some_and(|script| script.ends_with("manage.py"))
        && earlier.args.get(1).is_some_and(|word| word != "runserver");
    let upgrades = earlier.program == "flask" && earlier.args.iter().any(|word| word == "db");
    manages || upgrades || ONE_OFF.contains(&earlier.program.as_str()) || tells_nothing(earlier)
}

/// Returns whether a word of the command is a variable that may hold options.
pub(super) fn has_open_word(invoked: &Invoked) -> bool {
    invoked.words.iter().enumerate().any(|(index, word)| {
        let before = index.checked_sub(1).and_then(|index| invoked.args.get(index));
        let is_value = before.is_some_and(|option| option.starts_with('-') && !option.contains('='));
        word.splits && !is_value && !word.text.starts_with('-') && !word.text.contains("PORT")
    })
}

/// Returns the boot scripts of the app.
fn profiles(facts: &Facts) -> impl Iterator<Item = (&str, &str)> {
    facts
        .texts
        .iter()
        .filter(|(path, _)| *path == ".profile" || path.starts_with(".profile.d/"))
        .map(|(path, text)| (path.as_str(), text.as_str()))
}

/// Returns the scripts of the app that have run when a command is run.
fn scripts<'a>(facts: &'a Facts, before: &[Invoked]) -> Vec<(&'a str, &'a str)> {
    let is_certain = |invoked: &&Invoked| !invoked.is_conditional;
    let called: Vec<(&str, &str)> = scripts_of(facts, before.iter().filter(is_certain)).collect();
    // Scripts that these call.
    let inner: Vec<Invoked> = called.iter().flat_map(|(_, text)| parse_command(text)).collect();
    let inner: Vec<(&str, &str)> = scripts_of(facts, inner.iter().filter(is_certain))
        .filter(|script| !called.contains(script))
        .collect();
    profiles(facts).chain(called).chain(inner).collect()
}

/// `port = 8503` in what a script writes into Streamlit's settings. A script may write line ends as `\n`.
static STREAMLIT_PORT: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r#"(?:\\n|\b)port\s*=\s*["']?([^\s"'\\]+)"#).ok());

/// `UVICORN_PORT=8000`
static PORT_VARIABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"\b([A-Z_]+_PORT|GUNICORN_CMD_ARGS)=(?:"([^"]*)"|'([^']*)'|([^\s;&|]*))"#).ok()
});

/// Finds a fixed port in the scripts that run before the server. Silent where there is more than one.
pub(super) fn fixed_in_scripts(facts: &Facts, server: &Server, before: &[Invoked]) -> Option<Finding> {
    let mut ports = Vec::new();
    for (file, text) in scripts(facts, before) {
        let [_, variable] = server.variables;
        for found in PORT_VARIABLE.iter().flat_map(|pattern| pattern.captures_iter(text)) {
            let value =
                (2..=4).find_map(|index| found.get(index)).map(|value| (value.start(), value.as_str()));
            if found[1] == *variable && !variable.is_empty() {
                ports.extend(value.map(|value| (file, text, value)));
            }
            if server.program == "gunicorn" && found[1] == *"GUNICORN_CMD_ARGS" {
                ports.extend(value.and_then(bound_port).map(|value| (file, text, value)));
            }
        }
        if server.program == "streamlit" && text.contains("streamlit") {
            let written = STREAMLIT_PORT.iter().flat_map(|pattern| pattern.captures_iter(text));
            let values = written.filter_map(|found| found.get(1));
            ports.extend(values.map(|value| (file, text, (value.start(), value.as_str()))));
        }
    }
    let [(file, text, (at, port))] = ports.as_slice() else { return None };
    if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = text[..*at].matches('\n').count() + 1;
    let message = format!(
        "{file} has {} listen on port {port}, but Heroku sends requests to the port in PORT.",
        server.program
    );
    let fix = format!("Leave the port away there, and write `{}` in the Procfile.", server.advice());
    let place = line_of(text, number).map(|line| point_at(file, number, &line, port, "a fixed port"));
    Some(Finding::new(FindingCode::CommandFixedPort, message).with_fix(fix).at(place))
}

/// Finds the port of the only address in gunicorn's arguments, with its place in the text.
fn bound_port((start, arguments): (usize, &str)) -> Option<(usize, &str)> {
    let addresses = binds_in(arguments)?;
    let [address] = addresses.as_slice() else { return None };
    let (_, port) = split_bind(address);
    let port = port.filter(|port| is_fixed(port))?;
    let at = arguments.find(address.as_str())? + address.len() - port.len();
    Some((start + at, &arguments[at..at + port.len()]))
}

/// What Streamlit's own settings say of the port and the address, each with its line.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StreamlitSettings {
    /// The file.
    pub(super) file: String,
    /// The port.
    pub(super) port: Option<(String, usize)>,
    /// The address.
    pub(super) address: Option<(String, usize)>,
}

/// Reads Streamlit's own settings; nothing is known of a file that isn't valid.
pub(super) fn streamlit_settings(facts: &Facts, dir: &str) -> Option<StreamlitSettings> {
    const FILE: &str = ".streamlit/config.toml";
    let file = [join(dir, FILE), FILE.to_owned()].into_iter().find(|file| facts.has_file(file))?;
    let mut settings = StreamlitSettings { file, ..StreamlitSettings::default() };
    let Some(text) = facts.texts.get(&settings.file) else { return Some(settings) };
    let table = text.parse::<toml::Table>().ok();
    let server = table.as_ref().and_then(|table| table.get("server")).and_then(toml::Value::as_table);
    let Some(server) = server else { return Some(settings) };
    let line = |name: &str| {
        let is_line = |line: &str| {
            line.trim_start().strip_prefix(name).is_some_and(|rest| rest.trim().starts_with('='))
        };
        text.lines().position(is_line).map(|index| index + 1)
    };
    settings.port =
        server.get("port").and_then(toml::Value::as_integer).map(|port| port.to_string()).zip(line("port"));
    settings.address =
        server.get("address").and_then(toml::Value::as_str).map(str::to_owned).zip(line("address"));
    Some(settings)
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::found;

    // C05
    #[test]
    fn ports_in_scripts_that_scripts_call_are_found() {
        let streamlit = ("requirements.txt", "gunicorn==23.0.0\nstreamlit==1.41.1\n");
        for (command, scripts, expected) in [
            (
                "bash run.sh",
                &[
                    ("run.sh", "#!/bin/bash\nbash inner.sh\n"),
                    ("inner.sh", "exec gunicorn -b :8000 wsgi:app\n"),
                ][..],
                Some("inner.sh:1"),
            ),
            (
                "bash run.sh",
                &[("run.sh", "port=8000\nexec gunicorn -b 0.0.0.0:$port wsgi:app\n")],
                Some("run.sh:2"),
            ),
            (
                "bash run.sh",
                &[("run.sh", "port=${1:-$PORT}\nexec gunicorn -b 0.0.0.0:$port wsgi:app\n")],
                None,
            ),
            (
                "bash run.sh",
                &[("run.sh", "if [ $X ]; then port=8000; fi\nexec gunicorn -b 0.0.0.0:$port wsgi:app\n")],
                None,
            ),
            ("bash run.sh", &[("run.sh", "bash run.sh\n")], None),
            (
                "sh setup.sh && streamlit run app.py",
                &[
                    ("setup.sh", "sh inner.sh\n"),
                    ("inner.sh", "printf '[server]\\nport = 8503\\n' > ~/.streamlit/config.toml\n"),
                ],
                Some("inner.sh:1"),
            ),
            (
                "sh setup.sh && streamlit run app.py",
                &[("setup.sh", "cat > ~/.streamlit/config.toml <<EOF\n[server]\nport = 8503\nEOF\n")],
                Some("setup.sh:3"),
            ),
            // C03
            (
                "streamlit run app.py",
                &[(
                    ".profile",
                    "mkdir -p ~/.streamlit\necho \"[server]\nport=$PORT\" > ~/.streamlit/config.toml\n",
                )],
                None,
            ),
            ("streamlit run app.py", &[(".profile.d/st.sh", "cp st.toml ~/.streamlit/config.toml\n")], None),
            (
                "streamlit run app.py",
                &[(".profile", "bash setup.sh\n"), ("setup.sh", "cp st.toml ~/.streamlit/config.toml\n")],
                None,
            ),
            (
                "sh setup.sh && streamlit run app.py",
                &[("setup.sh", "cat > ~/.streamlit/config.toml <<EOF\n[server]\nport = $PORT\nEOF\n")],
                None,
            ),
            (
                "sh setup.sh && streamlit run app.py",
                &[
                    ("setup.sh", "sh inner.sh\n"),
                    ("inner.sh", "echo port = $PORT > ~/.streamlit/config.toml\n"),
                ],
                None,
            ),
        ] {
            let more = [&[streamlit, ("app.py", "import streamlit\n")], scripts].concat();
            let found = found(&format!("web: {command}\n"), &more);
            let places: Vec<String> = found
                .iter()
                .map(|finding| {
                    finding
                        .place
                        .as_ref()
                        .map_or(String::new(), |place| format!("{}:{}", place.file, place.line))
                })
                .collect();
            assert_eq!(places, expected.into_iter().collect::<Vec<_>>(), "{command} {scripts:?} {found:#?}");
        }
    }
}
