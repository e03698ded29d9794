//! Programs that nobody knows, and that are a slip away from one that everybody knows.

use super::catalogue::FindingCode;
use super::command::{Invoked, is_python};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::known_programs::PROGRAMS;
use super::required::{installs_by_itself, may_bring_programs};
use super::shell::End;
use super::usage::sets_path;
use crate::error::similar::closest;

/// Programs that there are, however near they are to another.
const REAL: &[&str] = &[
    "bpython", "celeryd", "cpython", "ipython", "ipython3", "jython", "ptpython", "pypy", "pypy3", "scrapyd",
    "serve", // A web server of Ruby's.
    "unicorn",
];

/// Says which program may have been meant, unless something may bring the one that is called.
pub(super) fn slip(
    facts: &Facts,
    process: &Process<'_>,
    invoked: &Invoked,
    program: &str,
) -> Option<Finding> {
    let names = PROGRAMS.iter().map(|(name, _)| *name).chain(["python", "python3"]);
    let meant = closest(program, names)
        .filter(|_| !REAL.contains(&program) && !is_python(program) && !program.contains([' ', '$']))?;
    let is_guarded = invoked.is_conditional || invoked.end == End::Or;
    let sets_path =
        sets_path(facts) || invoked.variable("PATH").is_some() || facts.config_vars.contains_key("PATH");
    if is_guarded || sets_path || is_declared(facts, program) || installs_by_itself(facts, program) {
        return None;
    }
    let unless = if facts.installed.is_some() { None } else { Some(may_bring_programs(facts, program)?) };
    let message = format!("The process type `{}` calls `{program}`. Is `{meant}` meant?", process.name);
    // Somebody may have published a package of the misspelt name.
    let fix = format!("Write `{meant}`. If `{program}` is a program of the app's own, give its path.");
    let place = point_at("Procfile", process.line, process.text, program, "isn't known");
    let finding = Finding::new(FindingCode::CommandNotInstalled, message).at(Some(place));
    let finding = match unless {
        Some(lack) => lack.weigh(finding, &format!("a program `{program}`")),
        None => finding,
    };
    Some(finding.with_fix(fix))
}

/// Whether the app's own package, or what it says of other buildpacks, names a program.
fn is_declared(facts: &Facts, program: &str) -> bool {
    const NAMES: &[&str] =
        &["pyproject.toml", "setup.py", "setup.cfg", "app.json", ".buildpacks", "Aptfile", "project.toml"];
    NAMES.iter().filter_map(|name| facts.texts.get(*name)).any(|text| text.contains(program))
}

#[cfg(test)]
mod tests {
    use crate::check::catalogue::Severity::{self, Error, Warning};
    use crate::check::line_tests::found;

    // C21
    #[test]
    fn a_program_is_a_slip_only_if_nothing_brings_it() {
        let scripts = "[project]\nname = \"x\"\n[project.scripts]\ngunicornx = \"x:main\"\n";
        let poetry = "[tool.poetry.scripts]\ngunicornx = \"x:main\"\n";
        let setup = "setup(entry_points={'console_scripts': ['gunicornx=x:main']})\n";
        let cfg = "[options.entry_points]\nconsole_scripts =\n    gunicornx = x:main\n";
        let on_path = ("bin/gunicorns", "#!/bin/sh\n");
        let one = |text: &'static str| ("requirements.txt", text);
        for (command, more, expected) in [
            // Packages of the same name, and programs that there really are.
            ("scrapyd", &[one("scrapy==2.12\nscrapyd==1.5.0\n")][..], None),
            ("ipython", &[one("ipython==8.31.0\n")], None),
            ("ipython", &[one("jupyter==1.1.1\n")], None),
            ("serve run wsgi:app", &[one("ray[serve]==2.40.0\n")], None),
            ("gunicornx wsgi:app", &[one("gunicorn==23.0.0\nGunicornX==1.0\n")], None),
            ("celeryd -A wsgi", &[one("celery==3.1.26\n")], None),
            // The app's own.
            ("gunicornx", &[("pyproject.toml", scripts)], None),
            ("gunicornx", &[("pyproject.toml", poetry)], None),
            ("gunicornx", &[("setup.py", setup)], None),
            ("gunicornx", &[("setup.cfg", cfg)], None),
            ("gunicornx", &[one("gunicorn==23.0.0\n-e .\n"), ("setup.py", "setup()\n")], None),
            ("gunicorns", &[on_path, (".profile.d/path.sh", "export PATH=$HOME/bin:$PATH\n")], None),
            ("gunicorns", &[on_path, (".profile", "PATH=\"$HOME/bin:$PATH\"\n")], None),
            ("PATH=$HOME/bin:$PATH gunicorns", &[on_path], None),
            ("export PATH=$HOME/bin:$PATH; gunicorns", &[on_path], None),
            ("gunicornx wsgi:app", &[("bin/post_compile", "pip install gunicornx\n")], None),
            // Something looks for it first, or does without.
            ("command -v gunicornx && gunicornx wsgi:app || gunicorn wsgi:app", &[], None),
            ("which gunicornx && gunicornx wsgi:app || gunicorn wsgi:app", &[], None),
            ("if type gunicornx; then gunicornx wsgi:app; else gunicorn wsgi:app; fi", &[], None),
            ("gunicornx wsgi:app || gunicorn wsgi:app", &[], None),
            // What isn't known may bring it.
            ("gunicron wsgi:app", &[one("gunicorn==23.0.0\nacme-web==1.0\n")], Some(Warning)),
            ("gunicron wsgi:app; sleep 1", &[], Some(Warning)),
            // A slip.
            ("gunicron wsgi:app", &[], Some(Error)),
            ("gunicron wsgi:app", &[one("gunicorn==23.0.0\ndjango==5.1\nwhitenoise==6.7\n")], Some(Error)),
            ("gunicron wsgi:app", &[("pyproject.toml", "[tool.black]\n")], Some(Error)),
            ("gunicron wsgi:app", &[("bin/serve", "gunicorn wsgi:app\n")], Some(Error)),
        ] {
            let all: Vec<(&str, Severity)> = found(&format!("web: {command}\n"), more)
                .iter()
                .filter(|finding| finding.message.contains("meant?"))
                .map(|finding| (finding.code.entry().id, finding.severity))
                .collect();
            let expected: Vec<_> =
                expected.into_iter().map(|severity| ("command::not-installed", severity)).collect();
            assert_eq!(all, expected, "{command} {more:?}");
        }
        let unless = found("web: gunicron wsgi:app\n", &[one("gunicorn==23.0.0\nacme-web==1.0\n")]);
        assert!(unless[0].message.contains("Unless acme-web brings"), "{unless:#?}");
    }
}
