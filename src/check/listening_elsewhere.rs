//! Where a server listens that its command doesn't say: settings, variables, and sockets that nothing is in front of.

use super::catalogue::FindingCode;
use super::finding::Finding;
use super::listening::{Line, Place, Problem};
use super::server_files::{
    Setting, Source, gunicorn_settings, gunicorn_variable, hypercorn_settings, uwsgi_settings,
};
use super::servers::{Server, is_fixed};
use super::sources::has_open_word;

impl Place<'_> {
    /// gunicorn's variable and its settings may have addresses of their own.
    pub(super) fn gunicorn_settings(&self) -> Option<Finding> {
        let Line { facts, code, .. } = *self.line;
        match gunicorn_settings(facts, code, self.invoked) {
            Setting::Wrong(finding) => Some(*finding),
            Setting::None => self.set_port(),
            Setting::Open | Setting::Fine => None,
        }
    }

    /// A variable that the line sets, or a config var, which counts more than files of settings.
    pub(super) fn variable(&self, server: &Server) -> Option<Finding> {
        let Line { facts, .. } = *self.line;
        if server.program == "gunicorn" {
            const NAME: &str = "GUNICORN_CMD_ARGS";
            let own = self.invoked.variable(NAME).map(|value| (value, Source::Command));
            let config_var = || facts.config_vars.get(NAME).map(|value| (value.as_str(), Source::ConfigVar));
            let (value, source) = own.or_else(config_var)?;
            let finding = gunicorn_variable(value, source).filter(|_| self.is_alone())?;
            return Some(match source {
                Source::Command => finding.at(self.line.point(self.invoked, NAME, "a fixed port")),
                Source::ConfigVar => finding,
            });
        }
        let [_, name] = server.variables;
        let port = facts.config_vars.get(name).filter(|port| is_fixed(port) && self.is_alone())?;
        let message = format!(
            "The config var {name} has {} listen on port {port}, but Heroku sends requests to the port in PORT.",
            server.name()
        );
        let fix = format!("Remove the config var, and write `{}` in the Procfile.", server.advice());
        Some(Finding::new(FindingCode::CommandFixedPort, message).with_fix(fix))
    }

    /// Settings that the command names, of servers that it tells no address.
    pub(super) fn named_settings(&self, server: &Server) -> Option<Finding> {
        let Line { facts, code, .. } = *self.line;
        match server.program {
            "hypercorn" => hypercorn_settings(facts, code, self.invoked),
            "uwsgi" => uwsgi_settings(facts, self.invoked),
            _ => None,
        }
    }

    /// A server that listens on nothing but a socket of this machine, with nothing in front of it.
    pub(super) fn only_socket(&self, server: &Server) -> Option<Problem> {
        let Line { facts, .. } = *self.line;
        let mut sockets = self.invoked.option(&["--uds", "--unix-socket", "-u"]);
        if server.program != "daphne" {
            sockets.retain(|_| self.invoked.option(&["-u"]).is_empty());
        }
        let mut binds = self.invoked.option(server.bind);
        binds.extend(self.invoked.option(server.host));
        binds.extend(self.invoked.option(server.port));
        let words = if binds.is_empty() { sockets } else { binds };
        let path = |word: &str| word.strip_prefix("unix:").unwrap_or(word).to_owned();
        let is_socket = |word: &&str| path(word).starts_with(['/', '.']) && !path(word).contains(['$', '`']);
        if words.is_empty() || !words.iter().all(is_socket) || has_open_word(self.invoked) || !self.is_alone()
        {
            return None;
        }
        // What listens in front of it is started by another buildpack, or reads the socket's path from a file.
        let proxies = ["nginx", "caddy", "haproxy", "envoy", "traefik", "pgbouncer"];
        let is_proxy = |text: &str| proxies.iter().any(|proxy| text.to_ascii_lowercase().contains(proxy));
        let starts = |(name, text): (&String, &String)| {
            is_proxy(text)
                && (name.starts_with(".profile")
                    || name.starts_with("bin/")
                    || name == "app.json"
                    || name == ".buildpacks")
        };
        let has_proxy = self.line.process.command.to_ascii_lowercase().split_whitespace().any(is_proxy)
            || facts.files.keys().any(|name| is_proxy(name))
            || facts.texts.iter().any(starts);
        let word = words.first().filter(|_| !has_proxy)?;
        let message = format!(
            "{} listens on the socket {} only, and nothing in front of it takes requests from the port in PORT.",
            server.name(),
            path(word)
        );
        let words = (*word).to_owned();
        Some(Problem {
            code: FindingCode::CommandNoPort,
            message,
            words,
            label: "no `$PORT`",
            elsewhere: None,
        })
    }
}
