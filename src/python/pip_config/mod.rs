//! pip's own configuration as values: what its files and variables set, and what that means for uv.

mod ini;
mod uv;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub(crate) use super::url::without_credentials;

/// The sections of a file that count for `pip install`, weakest first.
const SECTIONS: [&str; 2] = ["global", "install"];

/// Settings that can change what gets installed, and that uv has no equal for.
const UNMAPPABLE: &[&str] = &[
    "abi",
    "all-releases",
    "build-option",
    "check-build-dependencies",
    "editable",
    "global-option",
    "group",
    "ignore-requires-python",
    "implementation",
    "install-option",
    "no-dependencies",
    "no-deps",
    "no-require-hashes",
    "no-use-pep517",
    "only-dependencies",
    "only-deps",
    "only-final",
    "platform",
    "prefix",
    "python",
    "python-version",
    "requirement",
    "requirements-from-script",
    "root",
    "target",
    "uploaded-prior-to",
    "use-deprecated",
    "use-feature",
    "use-pep517",
    "user",
];

/// The configuration of `pip install`. Values are as pip would understand them; URLs may hold credentials.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PipConfig {
    /// The package index, if it isn't the usual one.
    pub index_url: Option<String>,
    /// More package indexes.
    pub extra_index_urls: Vec<String>,
    /// Pages and directories with archives.
    pub find_links: Vec<String>,
    /// Whether no index is to be asked.
    pub no_index: bool,
    /// A file with the certificates to trust.
    pub cert: Option<String>,
    /// A file with a certificate and key to present.
    pub client_cert: Option<String>,
    /// The proxy for all requests.
    pub proxy: Option<String>,
    /// Hosts for which certificates aren't checked, with or without a port.
    pub trusted_hosts: Vec<String>,
    /// Names whose wheels aren't used, or `:all:`.
    pub no_binary: Vec<String>,
    /// Names whose source archives aren't used, or `:all:`.
    pub only_binary: Vec<String>,
    /// Whether pre-releases count.
    pub pre: bool,
    /// Whether an older wheel is better than a newer source archive.
    pub prefer_binary: bool,
    /// Constraint files for what is installed.
    pub constraints: Vec<String>,
    /// Constraint files for what builds it.
    pub build_constraints: Vec<String>,
    /// Seconds until a silent connection is given up.
    pub timeout: Option<String>,
    /// How often a request is tried again.
    pub retries: Option<String>,
    /// Whether every requirement needs a hash.
    pub require_hashes: bool,
    /// Whether source archives are built without an environment of their own.
    pub no_build_isolation: bool,
    /// Who is asked for credentials.
    pub keyring_provider: Option<String>,
    /// `KEY=VALUE` settings for build backends.
    pub config_settings: Vec<String>,
    /// Everything else, by its name.
    pub other: BTreeMap<String, String>,
}

impl PipConfig {
    /// Reads the configuration from the contents of configuration files, weakest first, and from all
    /// environment variables. Never fails: a value on which pip would give up is left out.
    pub fn parse(config_files: &[String], vars: &BTreeMap<String, String>) -> Self {
        let mut config = Self::default();
        for settings in levels(config_files, vars) {
            for (name, value) in settings.into_iter().filter(|(_, value)| !value.is_empty()) {
                config.set(&name, value, vars);
            }
        }
        // requests, with which pip makes its requests, has these.
        let bundle = || ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"].iter().find_map(|name| vars.get(*name));
        config.cert = config.cert.or_else(|| bundle().filter(|path| !path.is_empty()).cloned());
        config
    }

    /// Describes everything that can change what is installed: `name=value` lines, sorted, without the
    /// credentials of URLs.
    pub fn fingerprint(&self) -> String {
        let mut lines = Vec::new();
        let mut add = |name: &str, value: &str| {
            let words: Vec<String> = value.split_whitespace().map(without_credentials).collect();
            lines.push(format!("{name}={}\n", words.join(" ")));
        };
        if let Some(url) = &self.index_url {
            add("index-url", url);
        }
        // The order of these is part of them.
        for (name, values) in [
            ("extra-index-url", &self.extra_index_urls),
            ("find-links", &self.find_links),
            ("no-binary", &self.no_binary),
            ("only-binary", &self.only_binary),
            ("constraint", &self.constraints),
            ("build-constraint", &self.build_constraints),
            ("config-settings", &self.config_settings),
        ] {
            if !values.is_empty() {
                add(name, &values.join(" "));
            }
        }
        for (name, flag) in [
            ("no-index", self.no_index),
            ("pre", self.pre),
            ("prefer-binary", self.prefer_binary),
            ("require-hashes", self.require_hashes),
            ("no-build-isolation", self.no_build_isolation),
        ] {
            if flag {
                add(name, "true");
            }
        }
        for (name, value) in self.other.iter().filter(|(name, _)| UNMAPPABLE.contains(&name.as_str())) {
            add(name, value);
        }
        lines.sort();
        lines.concat()
    }

    /// Lists the names of settings that uv can't express: with one of them, pip itself has to be used.
    /// What only matters to an environment that isn't new, such as `upgrade`, isn't among them.
    pub fn unmappable(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .other
            .iter()
            .filter(|(name, value)| UNMAPPABLE.contains(&name.as_str()) && parse_bool(value) != Some(false))
            .map(|(name, _)| name.clone())
            .collect();
        if self.prefer_binary {
            names.push("prefer-binary".into());
        }
        if self.require_hashes && !self.constraints.is_empty() {
            // uv wants constraints pinned then, too.
            names.push("constraint".into());
        }
        if self.keyring_provider.as_deref() == Some("import") {
            names.push("keyring-provider".into());
        }
        names.sort();
        names
    }

    fn set(&mut self, name: &str, value: String, vars: &BTreeMap<String, String>) {
        let words = || value.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let home_words = || value.split_whitespace().map(|word| in_home(word, vars)).collect::<Vec<_>>();
        let flag = |setting: &mut bool| *setting = parse_bool(&value).unwrap_or(*setting);
        match name {
            "index-url" | "pypi-url" => self.index_url = Some(value),
            "extra-index-url" => self.extra_index_urls = words(),
            "find-links" => self.find_links = home_words(),
            "no-index" => flag(&mut self.no_index),
            "cert" => self.cert = Some(in_home(&value, vars)),
            "client-cert" => self.client_cert = Some(in_home(&value, vars)),
            "proxy" => self.proxy = Some(value),
            "trusted-host" => self.trusted_hosts = words(),
            "no-binary" => exclude_format(&value, &mut self.no_binary, &mut self.only_binary),
            "only-binary" => exclude_format(&value, &mut self.only_binary, &mut self.no_binary),
            "pre" => flag(&mut self.pre),
            "prefer-binary" => flag(&mut self.prefer_binary),
            "constraint" => self.constraints = words(),
            "build-constraint" => self.build_constraints = words(),
            "timeout" | "default-timeout" => self.timeout = Some(value),
            "retries" => self.retries = Some(value),
            "require-hashes" => flag(&mut self.require_hashes),
            // pip stores the value as `build_isolation`: `PIP_NO_BUILD_ISOLATION=0` is what switches it off.
            "no-build-isolation" => {
                self.no_build_isolation = parse_bool(&value).map_or(self.no_build_isolation, |value| !value);
            }
            "keyring-provider" => self.keyring_provider = Some(value),
            // Each level adds one.
            "config-settings" => self.config_settings.push(value),
            _ => {
                self.other.insert(name.to_owned(), value);
            }
        }
    }
}

/// Never shows values: they may be secrets.
impl std::fmt::Debug for PipConfig {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("PipConfig").field(&self.fingerprint()).finish()
    }
}

/// Lists the files in which pip looks for its configuration, weakest first; some may not exist.
/// None, if `PIP_CONFIG_FILE` is `/dev/null`. A `PIP_CONFIG_FILE` is taken to exist: it replaces the user's files.
pub(crate) fn pip_config_file_paths(vars: &BTreeMap<String, String>) -> Vec<PathBuf> {
    let var = |name: &str| vars.get(name).filter(|value| !value.is_empty());
    let chosen = var("PIP_CONFIG_FILE");
    if chosen.is_some_and(|path| path == "/dev/null") {
        return Vec::new();
    }
    let system = var("XDG_CONFIG_DIRS").map_or("/etc/xdg", String::as_str);
    let mut paths: Vec<PathBuf> = system
        .split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| PathBuf::from(directory).join("pip/pip.conf"))
        .collect();
    paths.push("/etc/pip.conf".into());
    if let Some(chosen) = chosen {
        paths.push(chosen.into());
        return paths;
    }
    let home = var("HOME").map(PathBuf::from);
    paths.extend(home.as_ref().map(|home| home.join(".pip/pip.conf")));
    let user = var("XDG_CONFIG_HOME").map(PathBuf::from).or_else(|| home.map(|home| home.join(".config")));
    paths.extend(user.map(|directory| directory.join("pip/pip.conf")));
    paths
}

/// Sorts the settings by what overrides what: sections first, whatever the file, then the environment.
/// An empty value takes back what a weaker file says in that section.
fn levels(config_files: &[String], vars: &BTreeMap<String, String>) -> Vec<BTreeMap<String, String>> {
    let files: Vec<ini::Sections> = config_files.iter().map(|text| ini::parse(text)).collect();
    let of_section = |section: &str| {
        files
            .iter()
            .filter_map(|sections| sections.get(section))
            .flatten()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    };
    let environment = vars.iter().filter_map(|(name, value)| {
        let name = normalised_name(name.strip_prefix("PIP_")?);
        (!["version", "help"].contains(&name.as_str())).then(|| (name, value.clone()))
    });
    SECTIONS.into_iter().map(of_section).chain([environment.collect()]).collect()
}

/// Makes names from files and from the environment the same.
fn normalised_name(name: &str) -> String {
    let name = name.to_lowercase().replace('_', "-");
    name.strip_prefix("--").map(str::to_owned).unwrap_or(name)
}

fn parse_bool(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn in_home(path: &str, vars: &BTreeMap<String, String>) -> String {
    match (path.strip_prefix("~/"), vars.get("HOME")) {
        (Some(rest), Some(home)) => format!("{}/{rest}", home.trim_end_matches('/')),
        _ => path.to_owned(),
    }
}

/// Adds names to one list and takes them from the other. `:all:` and `:none:` start anew.
fn exclude_format(value: &str, target: &mut Vec<String>, other: &mut Vec<String>) {
    let mut names: Vec<&str> = value.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    while let Some(all) = names.iter().position(|name| *name == ":all:") {
        other.clear();
        *target = vec![":all:".into()];
        names.drain(..=all);
        if !names.contains(&":none:") {
            return;
        }
    }
    for name in names {
        if name == ":none:" {
            target.clear();
            continue;
        }
        let name = super::requirements::normalised_name(name);
        other.retain(|known| *known != name);
        if !target.contains(&name) {
            target.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(super) fn config(files: &[&str], vars: &[(&str, &str)]) -> PipConfig {
        let files: Vec<String> = files.iter().map(|text| (*text).to_owned()).collect();
        PipConfig::parse(&files, &variables(vars))
    }

    fn variables(vars: &[(&str, &str)]) -> BTreeMap<String, String> {
        vars.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn the_environment_overrides_the_section_which_overrides_the_global_one() {
        let (weak, strong) = ("[install]\nindex-url = 1\n", "[global]\nindex-url = 2\n");
        for (files, vars, expected) in [
            (vec![weak], vec![], Some("1")),
            (vec![weak, strong], vec![], Some("1")),
            (vec!["[global]\nindex-url = 0", strong], vec![], Some("2")),
            (vec![weak, strong], vec![("PIP_INDEX_URL", "3")], Some("3")),
            (vec![weak], vec![("PIP_INDEX_URL", "")], Some("1")),
            (vec![weak, "[install]\nindex-url ="], vec![], None),
            (vec![weak, "[install]\nindex-url =", strong], vec![], Some("2")),
            (vec!["[download]\nindex-url = 4\n[wheel]\nindex-url = 5"], vec![], None),
            (vec![], vec![("pip_index_url", "6"), ("INDEX_URL", "7")], None),
            (vec![], vec![("PIP_PYPI_URL", "8")], Some("8")),
        ] {
            assert_eq!(config(&files, &vars).index_url.as_deref(), expected, "{files:?} {vars:?}");
        }
    }

    #[test]
    fn every_kind_of_value_is_read_as_pip_does() {
        let file = "[global]\nfind-links =\n    ~/wheels\n    https://h/page\nextra_index_url = https://a https://b\n\
                    trusted-host = a b:80\nno-binary = NumPy,Foo_Bar\ncert = ~/ca.pem\nclient-cert = /c.pem\n\
                    constraint = c.txt d.txt\nbuild-constraint = e.txt\nproxy = http://p:3128\n";
        let found = config(
            &[file],
            &[
                ("HOME", "/home/me"),
                ("PIP_NO_INDEX", "on"),
                ("PIP_PRE", "Y"),
                ("PIP_PREFER_BINARY", "no"),
                ("PIP_REQUIRE_HASHES", "what"),
                ("PIP_NO_BUILD_ISOLATION", "0"),
                ("PIP_DEFAULT_TIMEOUT", "60"),
                ("PIP_RETRIES", "2"),
                ("PIP_KEYRING_PROVIDER", "subprocess"),
                ("PIP_CONFIG_SETTINGS", "a=b"),
                ("PIP_VERSION", "26"),
                ("PIP_NO_CACHE_DIR", "1"),
            ],
        );
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let expected = PipConfig {
            index_url: None,
            extra_index_urls: words(&["https://a", "https://b"]),
            find_links: words(&["/home/me/wheels", "https://h/page"]),
            no_index: true,
            cert: Some("/home/me/ca.pem".into()),
            client_cert: Some("/c.pem".into()),
            proxy: Some("http://p:3128".into()),
            trusted_hosts: words(&["a", "b:80"]),
            no_binary: words(&["numpy", "foo-bar"]),
            only_binary: vec![],
            pre: true,
            prefer_binary: false,
            constraints: words(&["c.txt", "d.txt"]),
            build_constraints: words(&["e.txt"]),
            timeout: Some("60".into()),
            retries: Some("2".into()),
            require_hashes: false,
            no_build_isolation: true,
            keyring_provider: Some("subprocess".into()),
            config_settings: words(&["a=b"]),
            other: variables(&[("no-cache-dir", "1")]),
        };
        assert!(found == expected, "{found:?} {:?}", found.other);
        assert!(!config(&[], &[("PIP_NO_BUILD_ISOLATION", "1")]).no_build_isolation);
    }

    #[test]
    fn certificates_can_come_from_requests_variables() {
        for (vars, expected) in [
            (vec![("REQUESTS_CA_BUNDLE", "/r"), ("CURL_CA_BUNDLE", "/c"), ("PIP_CERT", "/p")], Some("/p")),
            (vec![("REQUESTS_CA_BUNDLE", "/r"), ("CURL_CA_BUNDLE", "/c")], Some("/r")),
            (vec![("CURL_CA_BUNDLE", "/c")], Some("/c")),
            (vec![("CURL_CA_BUNDLE", "")], None),
        ] {
            assert_eq!(config(&[], &vars).cert.as_deref(), expected, "{vars:?}");
        }
    }

    #[test]
    fn formats_exclude_each_other_as_in_pip() {
        for (file, no_binary, only_binary, expected) in [
            ("", "a,b", "b,c", (vec!["a"], vec!["b", "c"])),
            ("", ":all:", "a", (vec![":all:"], vec!["a"])),
            ("[global]\nno-binary = x", "a", "", (vec!["x", "a"], vec![])),
            ("[global]\nno-binary = x", ":none:", "", (vec![], vec![])),
            ("[global]\nonly-binary = x", ":all:", "", (vec![":all:"], vec![])),
            ("", "a,:all:,b", "", (vec![":all:"], vec![])),
            ("", ":all:,:none:,b", "", (vec!["b"], vec![])),
        ] {
            let found = config(&[file], &[("PIP_NO_BINARY", no_binary), ("PIP_ONLY_BINARY", only_binary)]);
            let expected = (
                expected.0.iter().map(ToString::to_string).collect(),
                expected.1.iter().map(ToString::to_string).collect(),
            );
            assert_eq!((found.no_binary, found.only_binary), expected, "{file:?} {no_binary} {only_binary}");
        }
    }

    #[test]
    fn a_fingerprint_has_what_matters_and_no_secrets() {
        assert_eq!(config(&[], &[]).fingerprint(), "");
        let vars = [
            ("PIP_INDEX_URL", "https://me:secret@h/simple"),
            ("PIP_EXTRA_INDEX_URL", "https://token@a https://b"),
            ("PIP_PRE", "1"),
            ("PIP_NO_DEPS", "1"),
            ("PIP_TIMEOUT", "60"),
            ("PIP_CERT", "/x"),
            ("PIP_PROXY", "http://me:secret@p"),
            ("PIP_QUIET", "1"),
            ("PIP_REQUIREMENT", "https://me:secret@h/r.txt\nb.txt"),
            ("HOME", "/x"),
        ];
        assert_eq!(
            config(&[], &vars).fingerprint(),
            "extra-index-url=https://a https://b\nindex-url=https://h/simple\nno-deps=1\npre=true\n\
             requirement=https://h/r.txt b.txt\n"
        );
        let shown = format!("{:?}", config(&[], &vars));
        assert!(!shown.contains("secret") && !shown.contains("token"), "{shown}");
    }

    #[test]
    fn what_uv_cannot_express_is_named() {
        for (vars, expected) in [
            (vec![], vec![]),
            (vec![("PIP_QUIET", "1"), ("PIP_UPGRADE", "1"), ("PIP_TOOLS", "x")], vec![]),
            (vec![("PIP_PREFER_BINARY", "1"), ("PIP_NO_DEPS", "1")], vec!["no-deps", "prefer-binary"]),
            (vec![("PIP_NO_DEPS", "0")], vec![]),
            (vec![("PIP_KEYRING_PROVIDER", "import")], vec!["keyring-provider"]),
            (vec![("PIP_KEYRING_PROVIDER", "auto")], vec![]),
            (vec![("PIP_REQUIRE_HASHES", "1")], vec![]),
            (vec![("PIP_REQUIRE_HASHES", "1"), ("PIP_CONSTRAINT", "c.txt")], vec!["constraint"]),
        ] {
            assert_eq!(config(&[], &vars).unmappable(), expected, "{vars:?}");
        }
        assert!(UNMAPPABLE.is_sorted());
    }

    #[test]
    fn pips_files_are_looked_for_where_pip_looks() {
        for (vars, expected) in [
            (
                vec![("HOME", "/h")],
                vec!["/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/h/.pip/pip.conf", "/h/.config/pip/pip.conf"],
            ),
            (
                vec![("HOME", "/h"), ("XDG_CONFIG_HOME", "/c"), ("XDG_CONFIG_DIRS", "/a:/b")],
                vec![
                    "/a/pip/pip.conf",
                    "/b/pip/pip.conf",
                    "/etc/pip.conf",
                    "/h/.pip/pip.conf",
                    "/c/pip/pip.conf",
                ],
            ),
            (
                vec![("HOME", "/h"), ("PIP_CONFIG_FILE", "/my.conf")],
                vec!["/etc/xdg/pip/pip.conf", "/etc/pip.conf", "/my.conf"],
            ),
            (vec![("HOME", "/h"), ("PIP_CONFIG_FILE", "/dev/null")], vec![]),
            (vec![], vec!["/etc/xdg/pip/pip.conf", "/etc/pip.conf"]),
        ] {
            let expected: Vec<PathBuf> = expected.into_iter().map(PathBuf::from).collect();
            assert_eq!(pip_config_file_paths(&variables(&vars)), expected, "{vars:?}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_fine(text in r"((\[global\]|pre|no-binary|[=:,#; ~/]|:all:|:none:|\n|é){0,4}){0,8}") {
            let config = config(&[&text], &[]);
            let _ = (config.fingerprint(), config.unmappable());
        }
    }
}
