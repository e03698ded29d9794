//! Packages that import `pkg_resources` where no setuptools brings it.

use super::catalogue::{FindingCode, Severity};
use super::command::parse_command;
use super::facts::{Facts, Installed, InstalledDistribution};
use super::finding::Finding;
use super::installed::PKG_RESOURCES;
use crate::python::requirements::normalised_name;

/// Checks what is installed. Silent where the module may come from somewhere that isn't looked at.
pub(super) fn check_pkg_resources(facts: &Facts) -> Vec<Finding> {
    let Some(installed) = &facts.installed else { return Vec::new() };
    let is_there = installed.leads_elsewhere
        || installed.modules.contains(PKG_RESOURCES)
        || facts.has_dir(PKG_RESOURCES)
        || facts.has_file("pkg_resources.py");
    if is_there {
        return Vec::new();
    }
    let users = installed.distributions.iter().filter_map(|distribution| {
        let file = installed.pkg_resources_users.iter().find(|file| {
            let top = file.split('/').next().unwrap_or_default();
            distribution.modules.contains(top.strip_suffix(".py").unwrap_or(top))
        })?;
        Some(finding(facts, installed, distribution, file))
    });
    users.collect()
}

fn finding(facts: &Facts, installed: &Installed, user: &InstalledDistribution, file: &str) -> Finding {
    let setuptools =
        installed.distributions.iter().find(|found| normalised_name(&found.name) == "setuptools");
    let why = match setuptools {
        Some(setuptools) => format!("setuptools {} no longer has it", setuptools.version),
        None => "setuptools, which had it, isn't installed".to_owned(),
    };
    let message = format!(
        "{} {} imports `{PKG_RESOURCES}` ({file}), and {why}. Add `setuptools<81` to the requirements.",
        user.name, user.version
    );
    let finding = Finding::new(FindingCode::PkgResourcesMissing, message);
    // Of other packages it isn't certain that the app imports them.
    if is_started(facts, user) { finding.with_severity(Severity::Error) } else { finding }
}

/// Whether a process type starts the package's own program.
fn is_started(facts: &Facts, user: &InstalledDistribution) -> bool {
    let name = normalised_name(&user.name);
    facts
        .processes()
        .iter()
        .flat_map(|process| parse_command(process.command))
        .any(|invoked| normalised_name(&invoked.program) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::procfile::Procfile;

    fn distribution(name: &str, version: &str, module: &str) -> InstalledDistribution {
        let modules = [module.to_owned()].into();
        InstalledDistribution { name: name.into(), version: version.into(), modules, ..Default::default() }
    }

    // D41
    #[test]
    fn who_needs_an_older_setuptools_is_told_with_the_line_to_add() {
        let gunicorn = || distribution("gunicorn", "20.1.0", "gunicorn");
        let scheduler = || distribution("APScheduler", "3.9.1", "apscheduler");
        let setuptools = || distribution("setuptools", "84.0.0", "setuptools");
        let util = "gunicorn/util.py";
        for (distributions, users, modules, expected) in [
            (vec![gunicorn()], vec![util], vec![], Some((Severity::Error, "isn't installed"))),
            (
                vec![gunicorn(), setuptools()],
                vec![util],
                vec![],
                Some((Severity::Error, "setuptools 84.0.0")),
            ),
            (
                vec![scheduler()],
                vec!["apscheduler/__init__.py"],
                vec![],
                Some((Severity::Warning, "APScheduler 3.9.1")),
            ),
            (
                vec![distribution("six", "1", "six")],
                vec!["six.py"],
                vec![],
                Some((Severity::Warning, "six.py")),
            ),
            (vec![gunicorn(), setuptools()], vec![util], vec!["pkg_resources"], None),
            (vec![gunicorn()], vec![], vec![], None),
        ] {
            let installed = Installed {
                python: Some("3.13".to_owned()),
                distributions: distributions.clone(),
                pkg_resources_users: users.iter().map(|user| (*user).to_owned()).collect(),
                modules: modules.iter().map(|module| (*module).to_owned()).collect(),
                ..Installed::default()
            };
            let text = "web: gunicorn app:app\n";
            let facts = Facts {
                procfile: Some((Procfile::parse(text.as_bytes()).unwrap(), text.to_owned())),
                installed: Some(installed),
                ..Facts::default()
            };
            let found = check_pkg_resources(&facts);
            assert_eq!(found.len(), usize::from(expected.is_some()), "{distributions:?}: {found:?}");
            if let (Some(found), Some((severity, words))) = (found.first(), expected) {
                assert_eq!(found.severity, severity, "{found:?}");
                assert!(
                    found.message.contains(words) && found.message.contains("setuptools<81"),
                    "{found:?}"
                );
            }
        }
    }
}
