//! pip's configuration in uv's words: variables and arguments of `uv pip install`.

use std::collections::BTreeMap;

use super::PipConfig;
use crate::python::url::has_credentials;

impl PipConfig {
    /// Returns the environment variables for uv. Package indexes are always here, and whatever else has
    /// credentials: the arguments of a process can be seen by everyone on the machine.
    ///
    /// `exists` tells whether a local directory does. uv refuses to run when one of `find-links` doesn't, which pip
    /// only warns about, so those are left out.
    pub fn uv_environment(&self, exists: &dyn Fn(&str) -> bool) -> BTreeMap<String, String> {
        let mut environment = BTreeMap::new();
        let mut set = |name: &str, value: &str| {
            environment.insert(name.to_owned(), value.to_owned());
        };
        if !self.no_index {
            if let Some(url) = &self.index_url {
                set("UV_DEFAULT_INDEX", url);
            }
            if !self.extra_index_urls.is_empty() {
                set("UV_EXTRA_INDEX_URL", &self.extra_index_urls.join(" "));
            }
        }
        let links = self.usable_find_links(exists);
        if are_secret(&links) {
            let links: Vec<String> = links.iter().map(|link| link.replace(',', "%2C")).collect();
            set("UV_FIND_LINKS", &links.join(","));
        }
        for (name, files) in
            [("UV_CONSTRAINT", &self.constraints), ("UV_BUILD_CONSTRAINT", &self.build_constraints)]
        {
            if are_secret(files) {
                set(name, &files.join(" "));
            }
        }
        if let Some(path) = &self.cert {
            set("SSL_CERT_FILE", path);
        }
        if let Some(path) = &self.client_cert {
            set("SSL_CLIENT_CERT", path);
        }
        if let Some(proxy) = &self.proxy {
            let proxy = if proxy.contains("://") { proxy.clone() } else { format!("http://{proxy}") };
            for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"] {
                set(name, &proxy);
            }
        }
        if let Some(seconds) = self.timeout.as_deref().and_then(whole_seconds) {
            set("UV_HTTP_TIMEOUT", &seconds.to_string());
        }
        if let Some(retries) = self.retries.as_deref().and_then(|text| text.trim().parse::<u32>().ok()) {
            set("UV_HTTP_RETRIES", &retries.to_string());
        }
        environment
    }

    /// Returns the arguments for `uv pip install`, as far as they are no secret. For `exists`, see
    /// [`Self::uv_environment`].
    pub fn uv_arguments(&self, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
        // pip takes the best version of all indexes; uv would take the first index that has the name.
        let mut arguments = vec!["--index-strategy".to_owned(), "unsafe-best-match".to_owned()];
        let links = self.usable_find_links(exists);
        for (option, values) in [
            ("--find-links", &links),
            ("--constraint", &self.constraints),
            ("--build-constraint", &self.build_constraints),
        ] {
            if !are_secret(values) {
                arguments.extend(values.iter().map(|value| format!("{option}={value}")));
            }
        }
        for (option, values) in [
            ("--no-binary", &self.no_binary),
            ("--only-binary", &self.only_binary),
            ("--allow-insecure-host", &self.trusted_hosts),
            ("--config-setting", &self.config_settings),
        ] {
            arguments.extend(values.iter().map(|value| format!("{option}={value}")));
        }
        for (argument, flag) in [
            ("--no-index", self.no_index),
            ("--prerelease=allow", self.pre),
            ("--require-hashes", self.require_hashes),
            ("--no-build-isolation", self.no_build_isolation),
        ] {
            if flag {
                arguments.push(argument.to_owned());
            }
        }
        if let Some(provider @ ("disabled" | "subprocess")) = self.keyring_provider.as_deref() {
            arguments.push(format!("--keyring-provider={provider}"));
        }
        arguments
    }

    fn usable_find_links(&self, exists: &dyn Fn(&str) -> bool) -> Vec<String> {
        let is_usable = |link: &&String| local_directory(link).is_none_or(exists);
        self.find_links.iter().filter(is_usable).cloned().collect()
    }
}

/// Tells whether a list has to be passed by the environment. All of it is: arguments would replace it.
fn are_secret(values: &[String]) -> bool {
    values.iter().any(|value| has_credentials(value))
}

fn local_directory(link: &str) -> Option<&str> {
    match link.split_once("://") {
        Some((scheme, path)) if scheme.eq_ignore_ascii_case("file") => {
            Some(path.strip_prefix("localhost").unwrap_or(path))
        }
        Some(_) => None,
        None => Some(link),
    }
}

/// uv takes whole seconds only, pip fractions too.
fn whole_seconds(text: &str) -> Option<u64> {
    let seconds: f64 = text.trim().parse().ok()?;
    // A float that is too large becomes the largest number.
    (seconds.is_finite() && seconds > 0.0).then_some(seconds.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::super::tests::config;

    #[test]
    fn settings_are_put_in_uvs_words() {
        const ALWAYS: [&str; 2] = ["--index-strategy", "unsafe-best-match"];
        for (vars, environment, arguments) in [
            (vec![], vec![], vec![]),
            (
                vec![
                    ("PIP_INDEX_URL", "https://h/simple"),
                    ("PIP_EXTRA_INDEX_URL", "https://u:p@a https://b"),
                ],
                vec![
                    ("UV_DEFAULT_INDEX", "https://h/simple"),
                    ("UV_EXTRA_INDEX_URL", "https://u:p@a https://b"),
                ],
                vec![],
            ),
            (
                vec![
                    ("PIP_NO_INDEX", "1"),
                    ("PIP_INDEX_URL", "https://h"),
                    ("PIP_FIND_LINKS", "wheels gone file:///gone https://h/l"),
                ],
                vec![],
                vec!["--find-links=wheels", "--find-links=https://h/l", "--no-index"],
            ),
            (
                vec![("PIP_FIND_LINKS", "wheels https://u:p@h/a,b")],
                vec![("UV_FIND_LINKS", "wheels,https://u:p@h/a%2Cb")],
                vec![],
            ),
            (
                vec![
                    ("PIP_CONSTRAINT", "a.txt b.txt"),
                    ("PIP_BUILD_CONSTRAINT", "https://u:p@h/c.txt d.txt"),
                ],
                vec![("UV_BUILD_CONSTRAINT", "https://u:p@h/c.txt d.txt")],
                vec!["--constraint=a.txt", "--constraint=b.txt"],
            ),
            (
                vec![
                    ("PIP_NO_BINARY", ":all:"),
                    ("PIP_ONLY_BINARY", "a,b"),
                    ("PIP_PRE", "1"),
                    ("PIP_REQUIRE_HASHES", "1"),
                ],
                vec![],
                vec![
                    "--no-binary=:all:",
                    "--only-binary=a",
                    "--only-binary=b",
                    "--prerelease=allow",
                    "--require-hashes",
                ],
            ),
            (
                vec![
                    ("PIP_TRUSTED_HOST", "h:80"),
                    ("PIP_CONFIG_SETTINGS", "a=b"),
                    ("PIP_NO_BUILD_ISOLATION", "0"),
                    ("PIP_KEYRING_PROVIDER", "subprocess"),
                ],
                vec![],
                vec![
                    "--allow-insecure-host=h:80",
                    "--config-setting=a=b",
                    "--no-build-isolation",
                    "--keyring-provider=subprocess",
                ],
            ),
            (
                vec![
                    ("PIP_CERT", "/ca"),
                    ("PIP_CLIENT_CERT", "/me"),
                    ("PIP_TIMEOUT", "1.5"),
                    ("PIP_RETRIES", "3"),
                ],
                vec![
                    ("SSL_CERT_FILE", "/ca"),
                    ("SSL_CLIENT_CERT", "/me"),
                    ("UV_HTTP_RETRIES", "3"),
                    ("UV_HTTP_TIMEOUT", "2"),
                ],
                vec![],
            ),
            (
                vec![("PIP_TIMEOUT", "soon"), ("PIP_RETRIES", "-1"), ("PIP_KEYRING_PROVIDER", "auto")],
                vec![],
                vec![],
            ),
            (
                vec![("PIP_PROXY", "u:p@proxy:3128")],
                vec![
                    ("ALL_PROXY", "http://u:p@proxy:3128"),
                    ("HTTPS_PROXY", "http://u:p@proxy:3128"),
                    ("HTTP_PROXY", "http://u:p@proxy:3128"),
                    ("all_proxy", "http://u:p@proxy:3128"),
                    ("http_proxy", "http://u:p@proxy:3128"),
                    ("https_proxy", "http://u:p@proxy:3128"),
                ],
                vec![],
            ),
        ] {
            let config = config(&[], &vars);
            let exists = |path: &str| path == "wheels";
            let found = config.uv_environment(&exists);
            let found: Vec<_> = found.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            assert_eq!(found, environment, "{vars:?}");
            assert_eq!(config.uv_arguments(&exists), [&ALWAYS[..], &arguments].concat(), "{vars:?}");
        }
    }
}
