//! Gathers what a build has installed, from the names of files and the content of a few: of a store's layers, or of
//! a slug in one pass.

use std::collections::BTreeMap;

use super::facts::{Installed, InstalledDistribution, ObjectFacts};
use super::module::parse_module;
use crate::host::elf;
use crate::python::distribution::{parse_metadata, parse_record, split_site_packages};

/// Where Python is in a slug.
pub(super) const PYTHON_DIR: &str = ".heroku/python/";

/// The module that setuptools had up to version 81.
pub(super) const PKG_RESOURCES: &str = "pkg_resources";

/// A shared library above this isn't read: none that is known to need anything is.
const MAX_OBJECT: u64 = 256 << 20;

/// A Python file above this isn't read.
const MAX_CODE: u64 = 256 << 10;

/// Takes in one file after the other.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    installed: Installed,
    by_info_dir: BTreeMap<String, InstalledDistribution>,
}

impl Gatherer {
    /// Returns whether the content of a file is wanted.
    pub(super) fn wants(path: &str, size: u64) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        let is_metadata = path.contains(".dist-info/") && (name == "METADATA" || name == "RECORD");
        let is_code = size <= MAX_CODE && split_site_packages(path).is_some_and(|(_, rest)| is_entered(rest));
        is_metadata || is_code || (is_library(name) && size <= MAX_OBJECT)
    }

    /// Takes in a file or directory below `.heroku/python/`; `content` if it was wanted and could be read.
    pub(super) fn see(&mut self, path: &str, content: Option<&[u8]>) {
        let Some(rest) = path.strip_prefix(PYTHON_DIR) else { return };
        if let Some(program) = rest.strip_prefix("bin/").filter(|name| !name.contains('/')) {
            self.installed.programs.insert(program.to_owned());
        }
        let name = path.rsplit('/').next().unwrap_or(path);
        if is_library(name) {
            self.installed.libraries.insert(name.to_owned());
        }
        self.see_module(rest);
        let Some(content) = content else { return };
        if is_library(name) {
            self.see_object(path, content);
        } else if name == "METADATA" {
            self.see_metadata(path, content);
        } else if name == "RECORD" {
            self.see_record(path, content);
        } else if let Some((_, rest)) = split_site_packages(path)
            && imports_pkg_resources(content)
        {
            self.installed.pkg_resources_users.insert(rest.to_owned());
        }
    }

    fn see_module(&mut self, rest: &str) {
        let Some((version, rest)) = rest.strip_prefix("lib/python").and_then(|rest| rest.split_once('/'))
        else {
            return;
        };
        if version.starts_with(|first: char| first.is_ascii_digit()) {
            self.installed.python = Some(version.to_owned());
        }
        let name =
            rest.strip_prefix("site-packages/").or_else(|| rest.strip_prefix("lib-dynload/")).unwrap_or(rest);
        if rest.starts_with("site-packages/") && extends_path(name) {
            self.installed.leads_elsewhere = true;
        }
        self.installed.modules.extend(module_name(name));
    }

    fn see_object(&mut self, path: &str, content: &[u8]) {
        // What isn't an ELF file of this kind is no concern of ours: linker scripts, other machines' programs.
        let Ok(needed) = elf::needed(content) else { return };
        if let Ok(Some(soname)) = elf::soname(content) {
            self.installed.libraries.insert(String::from_utf8_lossy(&soname).into_owned());
        }
        self.installed.objects.push(ObjectFacts {
            path: path.to_owned(),
            needed: needed.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect(),
            glibc: elf::needed_glibc(content).ok().flatten(),
        });
    }

    fn see_metadata(&mut self, path: &str, content: &[u8]) {
        let Some(found) = parse_metadata(content) else { return };
        let entry = self.entry(path);
        entry.name = found.name;
        entry.version = found.version;
        entry.requires = found.requires.into_iter().map(|dependency| dependency.text).collect();
    }

    fn see_record(&mut self, path: &str, content: &[u8]) {
        let modules = parse_record(content).into_iter().filter_map(|entry| {
            let top = entry.path.split('/').next().unwrap_or_default();
            (top != "..").then(|| module_name(top)).flatten()
        });
        let modules: Vec<String> = modules.collect();
        self.entry(path).modules.extend(modules);
    }

    fn entry(&mut self, path: &str) -> &mut InstalledDistribution {
        let dir = split_site_packages(path).and_then(|(_, rest)| rest.split('/').next()).unwrap_or_default();
        self.by_info_dir.entry(dir.to_owned()).or_default()
    }

    /// Returns what was found.
    pub(super) fn finish(self) -> Installed {
        let Self { mut installed, by_info_dir } = self;
        installed.distributions = by_info_dir.into_values().filter(|found| !found.name.is_empty()).collect();
        installed.objects.sort_by(|a, b| a.path.cmp(&b.path));
        installed
    }
}

/// Whether a file of site-packages is imported for certain once its distribution is used.
fn is_entered(rest: &str) -> bool {
    match rest.split_once('/') {
        None => rest.ends_with(".py"),
        Some((_, name)) => name == "__init__.py" || rest == "gunicorn/util.py",
    }
}

fn imports_pkg_resources(content: &[u8]) -> bool {
    let text = String::from_utf8_lossy(content);
    text.contains(PKG_RESOURCES)
        && parse_module(&text).is_some_and(|module| {
            module.imports.iter().any(|import| {
                import.certain && import.module.split('.').next().unwrap_or_default() == PKG_RESOURCES
            })
        })
}

fn is_library(name: &str) -> bool {
    name.ends_with(".so") || name.contains(".so.")
}

/// Returns the module that a file or directory of a search path is: the part before the first dot.
fn module_name(path: &str) -> Option<String> {
    let top = path.split('/').next().unwrap_or_default();
    let is_dir = path.contains('/');
    let (stem, kind) = top.split_once('.').map_or((top, None), |(stem, kind)| (stem, Some(kind)));
    let is_name = !stem.is_empty() && stem.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let is_module = match kind {
        None => true,
        Some(kind) => {
            !is_dir
                && ["py", "so", "pyc"].iter().any(|end| kind == *end || kind.ends_with(&format!(".{end}")))
        }
    };
    (is_name && is_module && stem != "__pycache__").then(|| stem.to_owned())
}

/// Whether a file of site-packages may extend the search path to modules that aren't in it.
fn extends_path(name: &str) -> bool {
    name.ends_with(".egg-link")
        || (name.ends_with(".pth") && name != "distutils-precedence.pth" && !name.ends_with("-nspkg.pth"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_known_by_their_files() {
        for (path, expected) in [
            ("flask/app.py", Some("flask")),
            ("flask", Some("flask")),
            ("six.py", Some("six")),
            ("_cffi_backend.cpython-313-x86_64-linux-gnu.so", Some("_cffi_backend")),
            ("_ssl.so", Some("_ssl")),
            ("flask-3.0.dist-info/METADATA", None),
            ("pillow.libs/libx.so", None),
            ("__pycache__/six.cpython-313.pyc", None),
            ("README.txt", None),
        ] {
            assert_eq!(module_name(path).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn distributions_have_their_modules_and_programs() {
        let mut gatherer = Gatherer::default();
        let site = ".heroku/python/lib/python3.13/site-packages";
        gatherer.see(".heroku/python/bin/flask", None);
        gatherer.see(".heroku/python/lib/python3.13/json/__init__.py", None);
        gatherer.see(&format!("{site}/yaml/__init__.py"), None);
        let metadata = b"Name: PyYAML\nVersion: 6.0\nRequires-Dist: six>=1\n";
        gatherer.see(&format!("{site}/pyyaml-6.0.dist-info/METADATA"), Some(metadata));
        let record =
            b"../../../bin/x,,\n_yaml/__init__.py,,\nyaml/__init__.py,,\npyyaml-6.0.dist-info/RECORD,,\n";
        gatherer.see(&format!("{site}/pyyaml-6.0.dist-info/RECORD"), Some(record));
        let installed = gatherer.finish();
        assert_eq!(installed.python.as_deref(), Some("3.13"));
        assert!(installed.programs.contains("flask") && installed.modules.contains("json"));
        let [yaml] = installed.distributions.as_slice() else { panic!("{installed:?}") };
        assert_eq!((yaml.name.as_str(), yaml.version.as_str()), ("PyYAML", "6.0"));
        assert_eq!(yaml.modules.iter().map(String::as_str).collect::<Vec<_>>(), ["_yaml", "yaml"]);
        assert_eq!(yaml.requires, ["six>=1"]);
    }

    // D41
    #[test]
    fn who_imports_pkg_resources_for_certain_is_known() {
        let site = ".heroku/python/lib/python3.13/site-packages";
        for (path, text, expected) in [
            ("gunicorn/util.py", "import os\nimport pkg_resources\n", true),
            ("apscheduler/__init__.py", "from pkg_resources import get_distribution, X\n", true),
            ("six.py", "import pkg_resources.extern as e\n", true),
            ("lib/__init__.py", "try:\n    import pkg_resources\nexcept ImportError:\n    pass\n", false),
            ("lib/__init__.py", "def f():\n    import pkg_resources\n", false),
            ("lib/__init__.py", "\"\"\"\nimport pkg_resources\n\"\"\"\n", false),
            ("lib/other.py", "import pkg_resources\n", false),
        ] {
            let path = format!("{site}/{path}");
            let mut gatherer = Gatherer::default();
            let wanted = Gatherer::wants(&path, text.len() as u64);
            gatherer.see(&path, wanted.then_some(text.as_bytes()));
            assert_eq!(!gatherer.finish().pkg_resources_users.is_empty(), expected, "{path}: {text}");
        }
    }
}
