//! Whether Django's `collectstatic`, which the build runs, can work with the app's settings. From Django's
//! `check_settings` in `django.contrib.staticfiles.utils` and the finders' checks.

use super::catalogue::{FindingCode, Severity};
use super::code::Code;
use super::django::{Set, Setting, Settings};
use super::facts::Facts;
use super::finding::Finding;
use super::static_root::lines_for_static_root;

/// Checks the settings that manage.py takes.
pub(super) fn check_collectstatic(facts: &Facts, code: &Code<'_>) -> Option<Finding> {
    let is_disabled = facts
        .config_vars
        .get("DISABLE_COLLECTSTATIC")
        .is_some_and(|value| !["", "0", "false"].contains(&value.as_str()))
        || facts.texts.get("app.json").is_some_and(|text| text.contains("DISABLE_COLLECTSTATIC"));
    // What has been built has passed.
    if facts.is_built || is_disabled {
        return None;
    }
    let depth = |path: &&String| path.matches('/').count();
    let manage_py = facts
        .files
        .keys()
        .filter(|path| *path == "manage.py" || path.ends_with("/manage.py"))
        .min_by_key(depth)?;
    let settings = Settings::of_manage_py(facts, code, manage_py)?;
    if !settings.mentions(facts, &["django.contrib.staticfiles"]) {
        return None;
    }
    let root = manage_py.rsplit_once('/').map_or("", |(dir, _)| dir);
    let checked = Checked { facts, code, settings: &settings, root };
    checked
        .static_root()
        .or_else(|| checked.static_url())
        .or_else(|| checked.same())
        .or_else(|| checked.dirs())
}

struct Checked<'a> {
    facts: &'a Facts,
    code: &'a Code<'a>,
    settings: &'a Settings<'a>,
    /// The directory with manage.py.
    root: &'a str,
}

impl Checked<'_> {
    /// A storage backend that keeps files elsewhere needs no directory.
    fn has_other_storage(&self) -> bool {
        ["STATICFILES_STORAGE", "STORAGES"].iter().any(|name| match self.settings.setting(name) {
            Setting::Missing => false,
            Setting::Is(Set { assignment, .. }) => {
                let own = ["\"whitenoise.", "'whitenoise.", "\"django.", "'django."];
                let value = assignment.value;
                match value.split_once("staticfiles\"").or(value.split_once("staticfiles'")) {
                    Some((_, rest)) if name.starts_with("STORAGES") => {
                        !own.iter().any(|start| rest.contains(start))
                    }
                    None if name.starts_with("STORAGES") => true,
                    _ => !own.iter().any(|start| value.contains(start)),
                }
            }
            Setting::Sometimes(_) | Setting::Unknown => true,
        })
    }

    fn at(&self, set: Option<&Set>, message: String, severity: Severity) -> Finding {
        let finding = Finding::new(FindingCode::AppCollectstatic, message).with_severity(severity);
        let place = set.and_then(|Set { file, assignment }| {
            assignment.place.snippet(file, self.facts.texts.get(file)?, "collectstatic fails")
        });
        match place {
            Some(place) => finding.at(Some(place)),
            None => finding.in_file(self.settings.file.clone()),
        }
    }

    fn static_root(&self) -> Option<Finding> {
        if self.has_other_storage() {
            return None;
        }
        let file = &self.settings.file;
        let fix = || {
            let lines = lines_for_static_root(self.code, self.settings, self.root);
            format!("Add to the end of {file}:\n{lines}")
        };
        match self.settings.setting("STATIC_ROOT") {
            Setting::Missing => {
                let message = format!(
                    "{file} sets no STATIC_ROOT, so collectstatic doesn't know where to put files, and fails."
                );
                Some(self.at(None, message, Severity::Error).with_fix(fix()))
            }
            Setting::Is(set) if ["\"\"", "''", "None"].contains(&set.assignment.value.as_str()) => {
                let message = format!(
                    "{} sets STATIC_ROOT to {}, so collectstatic doesn't know where to put files, and fails.",
                    set.file, set.assignment.value
                );
                Some(self.at(Some(&set), message, Severity::Error).with_fix(fix()))
            }
            Setting::Sometimes(set) => {
                let message = format!(
                    "{} sets STATIC_ROOT under a condition only. Where it doesn't hold, collectstatic fails.",
                    set.file
                );
                Some(
                    self.at(Some(&set), message, Severity::Warning)
                        .with_fix("Set STATIC_ROOT outside of the condition."),
                )
            }
            Setting::Is(_) | Setting::Unknown => None,
        }
    }

    fn static_url(&self) -> Option<Finding> {
        let file = &self.settings.file;
        let fix = || format!("Add to the end of {file}:\nSTATIC_URL = \"/static/\"");
        match self.settings.setting("STATIC_URL") {
            Setting::Missing => {
                let message = format!(
                    "{file} sets no STATIC_URL, which django.contrib.staticfiles needs: collectstatic fails."
                );
                Some(self.at(None, message, Severity::Error).with_fix(fix()))
            }
            Setting::Is(set) if ["\"\"", "''", "None"].contains(&set.assignment.value.as_str()) => {
                let message = format!("{} sets an empty STATIC_URL: collectstatic fails.", set.file);
                Some(self.at(Some(&set), message, Severity::Error).with_fix(fix()))
            }
            _ => None,
        }
    }

    /// Settings for uploads and for static files that are the same.
    fn same(&self) -> Option<Finding> {
        [("MEDIA_ROOT", "STATIC_ROOT"), ("MEDIA_URL", "STATIC_URL")].into_iter().find_map(|(media, fixed)| {
            let (Setting::Is(media_set), Setting::Is(fixed_set)) =
                (self.settings.setting(media), self.settings.setting(fixed))
            else {
                return None;
            };
            let (value, other) = (&media_set.assignment.value, &fixed_set.assignment.value);
            if value.replace('"', "'") != other.replace('"', "'")
                || value.contains("environ")
                || value.contains("env(")
            {
                return None;
            }
            let message = format!(
                "{media} and {fixed} are the same in {}, which Django refuses: collectstatic fails.",
                media_set.file
            );
            Some(
                self.at(Some(&media_set), message, Severity::Error)
                    .with_fix(format!("Give {media} a value of its own.")),
            )
        })
    }

    /// A source of static files that is also where they go.
    fn dirs(&self) -> Option<Finding> {
        let (Setting::Is(dirs), Setting::Is(root)) =
            (self.settings.setting("STATICFILES_DIRS"), self.settings.setting("STATIC_ROOT"))
        else {
            return None;
        };
        let squeezed = |text: &str| text.split_whitespace().collect::<String>().replace('"', "'");
        let (value, root) = (squeezed(&dirs.assignment.value), squeezed(&root.assignment.value));
        let holds = |words: &str| {
            value.match_indices(words).any(|(at, _)| value[at + words.len()..].starts_with([',', ')', ']']))
        };
        (holds(&root) || holds("STATIC_ROOT")).then(|| {
            let message = format!("STATICFILES_DIRS in {} has the directory of STATIC_ROOT, which Django refuses: collectstatic fails.", dirs.file);
            self.at(Some(&dirs), message, Severity::Error).with_fix(
                "Let STATIC_ROOT be another directory, such as \"staticfiles\": it is where\nthe build puts files, and not where they come from.",
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::app;

    // C13
    #[test]
    fn settings_that_end_collectstatic_are_found() {
        const APPS: &str = "INSTALLED_APPS = ['django.contrib.staticfiles']\n";
        for (settings, words, severity) in [
            ("STATIC_URL = 'static/'\n", "sets no STATIC_ROOT", Some(Severity::Error)),
            ("STATIC_URL = 'static/'\nSTATIC_ROOT = ''\n", "STATIC_ROOT", Some(Severity::Error)),
            ("STATIC_URL = 'static/'\nif X:\n    STATIC_ROOT = 'x'\n", "condition", Some(Severity::Warning)),
            ("STATIC_ROOT = 'x'\n", "STATIC_URL", Some(Severity::Error)),
            (
                "STATIC_URL = 's/'\nSTATIC_ROOT = 'x'\nMEDIA_ROOT = \"x\"\n",
                "MEDIA_ROOT",
                Some(Severity::Error),
            ),
            ("STATIC_URL = 's/'\nSTATIC_ROOT = 'x'\nMEDIA_URL = 's/'\n", "MEDIA_URL", Some(Severity::Error)),
            (
                "STATIC_URL = 's/'\nSTATIC_ROOT = B / 'static'\nSTATICFILES_DIRS = [B / 'static']\n",
                "STATICFILES_DIRS",
                Some(Severity::Error),
            ),
            (
                "STATIC_URL = 's/'\nSTATIC_ROOT = B / 'x'\nSTATICFILES_DIRS = [STATIC_ROOT]\n",
                "STATICFILES_DIRS",
                Some(Severity::Error),
            ),
            (
                "STATIC_URL = 's/'\nSTATICFILES_STORAGE = 'whitenoise.storage.CompressedStaticFilesStorage'\n",
                "STATIC_ROOT",
                Some(Severity::Error),
            ),
            (
                "STATIC_URL = 's/'\nSTORAGES = {'staticfiles': {'BACKEND': 'whitenoise.storage.X'}}\n",
                "STATIC_ROOT",
                Some(Severity::Error),
            ),
            ("STATIC_URL = 's/'\nSTATICFILES_STORAGE = 'storages.backends.s3.S3Storage'\n", "", None),
            (
                "STATIC_URL = 's/'\nSTORAGES = {'staticfiles': {'BACKEND': 'storages.backends.s3.S3Storage'}}\n",
                "",
                None,
            ),
            (
                "STATIC_URL = 's/'\nSTATIC_ROOT = B / 'static'\nSTATICFILES_DIRS = [B / 'static' / 'css']\n",
                "",
                None,
            ),
            ("STATIC_URL = 's/'\nSTATIC_ROOT = 'staticfiles'\nMEDIA_ROOT = 'media'\n", "", None),
            ("STATIC_URL = 's/'\nimport x\nx.settings(locals())\n", "", None),
            ("STATIC_URL = 's/'\nfrom elsewhere import *\n", "", None),
        ] {
            let settings = format!("{APPS}{settings}");
            let files = [
                (
                    "manage.py",
                    "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n",
                ),
                ("mysite/__init__.py", ""),
                ("mysite/settings.py", settings.as_str()),
            ];
            let mut facts = app(&files);
            let check = |facts: &Facts| check_collectstatic(facts, &Code::new(facts));
            let found = check(&facts);
            assert_eq!(found.as_ref().map(|found| found.severity), severity, "{settings} {found:?}");
            assert!(
                found
                    .is_none_or(|found| found.message.contains(words)
                        && found.file_name() == Some("mysite/settings.py")),
                "{settings}"
            );
            facts.config_vars.insert("DISABLE_COLLECTSTATIC".to_owned(), "1".to_owned());
            assert_eq!(check(&facts), None, "{settings}");
        }
        let without = app(&[
            ("manage.py", "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'settings')\n"),
            ("settings.py", "INSTALLED_APPS = []\n"),
        ]);
        assert_eq!(check_collectstatic(&without, &Code::new(&without)), None);
    }
}
