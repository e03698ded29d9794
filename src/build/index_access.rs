//! Package indexes that want credentials: whether they accept those that there are is asked before anything is
//! installed. An installer goes on to the next index when one refuses it, and takes a package of the same name from
//! there, whoever made that.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::survey::Survey;
use crate::env::Env;
use crate::error::{ErrorCode, Result, UserError};
use crate::host::{probe, url};
use crate::output::Output;
use crate::plan::{Inputs, PackageManager};
use crate::python::locked::LockedIndex;
use crate::python::pip_config::PipConfig;
use crate::python::requirements::{GlobalOption, RequirementKind, Requirements};
use crate::python::url::{has_credentials, without_credentials};

/// What Poetry's variables for the credentials of an index begin with.
const POETRY_PREFIX: &str = "POETRY_HTTP_BASIC_";
/// What uv's begin with.
const UV_PREFIX: &str = "UV_INDEX_";

/// How a rendered requirements file says that a host's certificate isn't checked.
pub(super) const TRUSTED_HOST: &str = "--trusted-host ";

/// An index, and what its credentials are made of.
#[derive(Clone, PartialEq, Eq)]
struct Index {
    /// With credentials.
    url: String,
    /// Where these are from, or could be: a sentence.
    origin: String,
}

/// Which indexes are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Those that there are credentials for.
    WithCredentials,
    /// All, because something went wrong.
    All,
}

/// An index doesn't accept the credentials.
#[derive(Debug, thiserror::Error)]
#[error("{index} answered 401 (Unauthorized). {origin}")]
pub(crate) struct IndexRefused {
    index: String,
    origin: String,
}

impl UserError for IndexRefused {
    fn code(&self) -> ErrorCode {
        ErrorCode::IndexCredentials
    }

    fn detail(&self) -> Option<String> {
        Some(self.index.clone())
    }
}

impl Survey {
    /// Asks indexes whether they accept the credentials that there are.
    pub(super) fn check_indexes(&self, asked: Asked, env: &Env, output: &Output) -> Result<()> {
        let name = self.some_package().unwrap_or_default();
        let env = with_certificates(env, &self.pip);
        for Index { url, origin } in self.indexes() {
            // The installer may know others, from a .netrc for example: it is right until it fails.
            if asked == Asked::WithCredentials && !has_credentials(&url) {
                continue;
            }
            let _bar = output.progress("Asking the package index", None);
            // A variable that isn't set stays as it is, and an address can't have braces.
            let page = (url::join(&url, &name) + "/").replace('{', "%7B").replace('}', "%7D");
            if probe::status(&page, &env)? == Some(401) {
                let index = url::redact(&url);
                return Err(IndexRefused { index, origin }.into());
            }
        }
        Ok(())
    }

    /// The name of a package that is installed: some indexes have no other page than those of packages.
    fn some_package(&self) -> Option<String> {
        let entries = self.inputs.requirements.iter().flat_map(|requirements| &requirements.entries);
        let mut named = entries.filter_map(|entry| match &entry.kind {
            RequirementKind::Named { name, .. } => Some(name.clone()),
            _ => None,
        });
        let rendered = || {
            let text = &self.inputs.rendered.as_ref()?.text;
            let line =
                text.lines().find(|line| line.starts_with(|first: char| first.is_ascii_alphanumeric()))?;
            line.split(['=', ' ', '[', '<', '>', '~', '!', ';']).next().map(str::to_owned)
        };
        named.next().or_else(rendered)
    }

    /// What the names of the variables for an index's credentials begin with, if its tool has such.
    fn variables_for(&self, url: &str) -> Option<String> {
        let prefix = match self.package_manager {
            PackageManager::Poetry => POETRY_PREFIX,
            PackageManager::Uv | PackageManager::Pyproject => UV_PREFIX,
            _ => return None,
        };
        let index = self.inputs.indexes.iter().find(|index| index.url == url)?;
        Some(format!("{prefix}{}", shouted(&index.name)))
    }

    /// Returns pip's configuration with the hosts that requirements files trust, too: uv only takes them from there.
    pub(super) fn pip_for_uv(&self) -> PipConfig {
        let mut pip = self.pip.clone();
        let entries = self.inputs.requirements.iter().flat_map(|requirements| &requirements.entries);
        // As in pip: one hash anywhere means that everything has one.
        pip.require_hashes |= self.inputs.requirements.as_ref().is_some_and(Requirements::has_hashes);
        pip.trusted_hosts.extend(entries.filter_map(|entry| match &entry.kind {
            RequirementKind::Option(GlobalOption::TrustedHost(host)) => Some(host.clone()),
            _ => None,
        }));
        let rendered = self.inputs.rendered.iter().flat_map(|rendered| rendered.text.lines());
        pip.trusted_hosts
            .extend(rendered.filter_map(|line| line.strip_prefix(TRUSTED_HOST)).map(str::to_owned));
        pip
    }

    fn indexes(&self) -> Vec<Index> {
        let env = &self.installer_env;
        let mut indexes = Vec::new();
        let mut add = |text: &str, file: &str| {
            let url = expanded(text, env);
            if url.starts_with("http") && !indexes.iter().any(|index: &Index| index.url == url) {
                let origin = match (has_credentials(&url), self.variables_for(&url)) {
                    (true, _) => format!(
                        "Its user name and password come from {}.{}",
                        origin(text, file, env),
                        describe_left(text)
                    ),
                    (false, Some(prefix)) => {
                        format!("It has no credentials: {prefix}_USERNAME and {prefix}_PASSWORD aren't set.")
                    }
                    (false, None) => format!("It has no credentials: the URL in {file} holds none."),
                };
                indexes.push(Index { url, origin });
            }
        };
        if self.package_manager == PackageManager::Uv || self.package_manager == PackageManager::Pyproject {
            for index in &self.inputs.indexes {
                add(&with_uv_credentials(index, env), "pyproject.toml");
            }
        }
        if self.package_manager != PackageManager::Uv {
            if let Some(url) = &self.pip.index_url {
                add(url, pip_origin("PIP_INDEX_URL", env));
            }
            for url in &self.pip.extra_index_urls {
                add(url, pip_origin("PIP_EXTRA_INDEX_URL", env));
            }
        }
        let options = self.inputs.requirements.iter().flat_map(|requirements| &requirements.entries);
        for entry in options {
            if let RequirementKind::Option(GlobalOption::IndexUrl(url) | GlobalOption::ExtraIndexUrl(url)) =
                &entry.kind
            {
                add(url, &entry.file);
            }
        }
        if let Some(rendered) = &self.inputs.rendered {
            let text = with_poetry_credentials(&rendered.text, &self.inputs, env);
            let lines = text.lines().filter_map(|line| line.split_once("index-url "));
            lines.for_each(|(_, url)| add(url, self.package_manager.file()));
        }
        indexes
    }
}

/// Adds the certificates that pip trusts to an environment in which indexes are asked.
pub(super) fn with_certificates(env: &Env, pip: &PipConfig) -> Env {
    let mut env = env.clone();
    if let Some(cert) = &pip.cert {
        env.vars.entry("SSL_CERT_FILE".into()).or_insert_with(|| cert.into());
    }
    env
}

fn pip_origin(variable: &'static str, env: &Env) -> &'static str {
    if env.var(variable).is_some() { variable } else { "pip's configuration file" }
}

/// Says in words where a URL's credentials are from: the variables in it, or the place where it stands.
fn origin(text: &str, file: &str, env: &Env) -> String {
    let variables: Vec<String> = VARIABLE
        .captures_iter(text)
        .map(|captures| {
            let name = &captures[1];
            let unset = if env.var(name).is_some() { "" } else { " (which isn't set)" };
            format!("{name}{unset}")
        })
        .collect();
    match variables.as_slice() {
        [] if file.starts_with("PIP_") => format!("the variable {file}"),
        [] if file.starts_with("pip") => file.to_owned(),
        [] => format!("the URL in {file}"),
        [one] => format!("the variable {one}, which {file} names"),
        several => format!("the variables {}", several.join(" and ")),
    }
}

/// Tells of variables that stay as they are, because of how they are spelt.
fn describe_left(text: &str) -> String {
    static LEFT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"\$\{[A-Za-z0-9_]*[a-z][A-Za-z0-9_]*\}").expect("the pattern is constant")
    });
    let left: Vec<String> = LEFT.find_iter(text).map(|found| format!("`{}`", found.as_str())).collect();
    if left.is_empty() {
        return String::new();
    }
    format!(
        " {} as written: installers put in variables only if their names are in capital letters.",
        if left.len() == 1 { format!("{} stays", left[0]) } else { format!("{} stay", left.join(" and ")) }
    )
}

static VARIABLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\$\{([A-Z0-9_]+)\}").expect("the pattern is constant"));

/// Returns an index's URL without credentials, with the variables that are set.
pub(super) fn plain_address(index: &LockedIndex, env: &Env) -> String {
    without_credentials(&expanded(&index.url, env))
}

/// Puts in the variables that are set, as pip and uv do.
pub(super) fn expanded(text: &str, env: &Env) -> String {
    let value = |captures: &Captures<'_>| {
        let value = env.text(&captures[1]);
        value.map_or_else(|| captures[0].to_owned(), str::to_owned)
    };
    VARIABLE.replace_all(text, value).into_owned()
}

/// The credentials that uv takes from the environment for an index with a name.
fn with_uv_credentials(index: &LockedIndex, env: &Env) -> String {
    let prefix = format!("{UV_PREFIX}{}", shouted(&index.name));
    with_variables(&index.url, &prefix, env).unwrap_or_else(|| index.url.clone())
}

fn shouted(name: &str) -> String {
    let letters = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' });
    letters.collect::<String>().to_ascii_uppercase()
}

/// Puts variables for credentials into a URL without any, if they are set.
fn with_variables(url: &str, prefix: &str, env: &Env) -> Option<String> {
    let [user, password] = ["USERNAME", "PASSWORD"].map(|kind| format!("{prefix}_{kind}"));
    let (scheme, rest) = url.split_once("://")?;
    let is_set = [&user, &password].iter().any(|name| env.var(name).is_some());
    if !is_set || has_credentials(url) {
        return None;
    }
    let reference = |name: &str| env.var(name).map(|_| format!("${{{name}}}")).unwrap_or_default();
    Some(format!("{scheme}://{}:{}@{rest}", reference(&user), reference(&password)))
}

/// Writes the variables that Poetry has for the credentials of an index into the index's line: the installer puts
/// their values in, so that no file has them.
pub(super) fn with_poetry_credentials(text: &str, inputs: &Inputs, env: &Env) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for index in &inputs.indexes {
        let prefix = format!("{POETRY_PREFIX}{}", shouted(&index.name));
        let Some(url) = with_variables(&index.url, &prefix, env) else { continue };
        for line in &mut lines {
            if let Some((option, old)) = line.clone().split_once("index-url ")
                && old == index.url
            {
                *line = format!("{option}index-url {url}");
            }
        }
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// Percent-encodes the values of these variables: they are put into URLs as they are.
pub(super) fn with_encoded_credentials(env: &Env) -> Env {
    let mut env = env.clone();
    for (name, value) in &mut env.vars {
        if name.to_string_lossy().starts_with(POETRY_PREFIX) {
            *value = url::encode_component(value.as_encoded_bytes()).into();
        }
    }
    env
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_told_by_their_variables() {
        let env = Env::for_tests(&[("TOKEN", "hush"), ("PIP_INDEX_URL", "x")]);
        for (text, file, expected) in [
            ("https://u:${TOKEN}@h/", "requirements.txt", "the variable TOKEN, which requirements.txt names"),
            ("https://${USER}:${TOKEN}@h/", "r.txt", "the variables USER (which isn't set) and TOKEN"),
            ("https://u:p@h/", "PIP_INDEX_URL", "the variable PIP_INDEX_URL"),
            ("https://u:p@h/", "requirements.txt", "the URL in requirements.txt"),
        ] {
            assert_eq!(origin(text, file, &env), expected, "{text}");
        }
        // D40
        for (text, expected) in [
            ("https://u:${idx_pass}@h/", " `${idx_pass}` stays as written"),
            ("https://${idx_user}:${Token}@h/", " `${idx_user}` and `${Token}` stay as written"),
            ("https://${USER}:${TOKEN}@h/", ""),
            ("https://h/", ""),
        ] {
            let found = describe_left(text);
            assert!(
                found.starts_with(expected) && found.is_empty() == expected.is_empty(),
                "{text}: {found}"
            );
        }
        assert_eq!(expanded("https://${USER}:${TOKEN}@h/", &env), "https://${USER}:hush@h/");
    }

    #[test]
    fn poetrys_variables_get_into_the_line_of_their_index() {
        let index = |name: &str, url: &str| LockedIndex {
            name: name.into(),
            url: url.into(),
            verify_ssl: true,
            explicit: true,
        };
        let inputs = Inputs {
            indexes: vec![index("my-corp", "https://h/simple"), index("other", "https://o/simple")],
            ..Inputs::default()
        };
        let env = Env::for_tests(&[
            ("POETRY_HTTP_BASIC_MY_CORP_USERNAME", "me"),
            ("POETRY_HTTP_BASIC_MY_CORP_PASSWORD", "p@ss/word"),
        ]);
        let text = "--extra-index-url https://h/simple\n--extra-index-url https://o/simple\nsix==1\n";
        assert_eq!(
            with_poetry_credentials(text, &inputs, &env),
            "--extra-index-url https://${POETRY_HTTP_BASIC_MY_CORP_USERNAME}:\
             ${POETRY_HTTP_BASIC_MY_CORP_PASSWORD}@h/simple\n--extra-index-url https://o/simple\nsix==1\n"
        );
        let encoded = with_encoded_credentials(&env);
        assert_eq!(encoded.text("POETRY_HTTP_BASIC_MY_CORP_PASSWORD"), Some("p%40ss%2Fword"));
    }
}
