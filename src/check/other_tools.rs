//! Programs that the Python buildpack doesn't bring: project managers that run a command in environments of their own,
//! Node.js's programs, and FastAPI's command without the package that it is in.

use super::catalogue::{FindingCode, Severity};
use super::command::{Invoked, join, parse_command};
use super::facts::{Facts, Process};
use super::finding::{Finding, point_at};
use super::gather::LOCK_FILES;
use super::paste::line_to_paste;
use super::procfile::may_have;
use super::programs::installs;
use super::required::lacking;
use crate::python::lock_names::names_in_lock;
use crate::python::requirements::RequirementKind;

/// Checks the commands of all process types.
pub(super) fn check_other_tools(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    for process in facts.processes() {
        let commands = parse_command(process.command);
        let known = commands.iter().take_while(|invoked| !installs(invoked));
        for invoked in known.filter(|invoked| !invoked.is_conditional && !invoked.is_module) {
            let found = project_manager(facts, &process, invoked)
                .or_else(|| node(facts, &process, invoked))
                .or_else(|| fastapi(facts, &process, invoked));
            findings.extend(found);
        }
    }
    findings
}

fn point(process: &Process<'_>, finding: Finding, words: &str, label: &str) -> Finding {
    finding.at(Some(point_at("Procfile", process.line, process.text, words, label)))
}

/// `hatch run gunicorn …`
fn project_manager(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    const MANAGERS: &[&str] = &["hatch", "rye", "pixi"];
    let program = invoked.program.as_str();
    let is_run = invoked.args.first().is_some_and(|word| word == "run");
    if !MANAGERS.contains(&program) || !is_run {
        return None;
    }
    let is_there = match &facts.installed {
        Some(installed) => installed.programs.contains(program),
        None => may_be_required(facts, program),
    };
    if is_there || is_mentioned(facts, program) {
        return None;
    }
    let message = format!(
        "The process type `{}` calls `{program} run`, but {program} isn't installed in the slug.",
        process.name
    );
    let rest = process.command.replacen(&format!("{program} run "), "", 1);
    let is_script = invoked.args.get(1).is_none_or(|word| !is_known_program(word));
    let fix = if is_script || rest == process.command {
        format!(
            "Write the command itself, without `{program} run`: the packages are installed for the\napp's own Python. A script of {program}'s is named in pyproject.toml."
        )
    } else {
        format!(
            "Leave `{program} run` away: the packages are installed for the app's own Python. Write:\n{}",
            line_to_paste(process.name, &rest)
        )
    };
    let finding = Finding::new(FindingCode::ProcfileMissingTool, message).with_fix(fix);
    Some(point(process, finding, &format!("{program} run"), "isn't in the slug"))
}

fn is_known_program(word: &str) -> bool {
    super::known_programs::package_of_program(word).is_some() || super::command::is_python(word)
}

/// Whether an app that isn't built may require a tool.
fn may_be_required(facts: &Facts, tool: &str) -> bool {
    match &facts.requirements {
        Some(requirements) => !requirements.are_all_named() || requirements.names().contains(tool),
        None => {
            let locks: Vec<&String> = LOCK_FILES.iter().filter_map(|name| facts.texts.get(*name)).collect();
            match locks.as_slice() {
                [lock] => names_in_lock(lock).is_none_or(|names| names.contains(tool)),
                _ => may_have(facts, tool),
            }
        }
    }
}

/// Whether a script of the app, or what it says of other buildpacks, names a tool.
fn is_mentioned(facts: &Facts, tool: &str) -> bool {
    const NAMES: &[&str] = &["app.json", ".buildpacks", "Aptfile", "project.toml"];
    facts.texts.iter().any(|(path, text)| {
        let is_asked =
            path.starts_with(".profile") || path.starts_with("bin/") || NAMES.contains(&path.as_str());
        is_asked && text.contains(tool)
    })
}

/// `npm start`: the stack's image has no Node.js.
fn node(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    const PACKAGED: &[&str] = &["npm", "yarn", "pnpm"];
    const PROGRAMS: &[&str] = &["npm", "yarn", "pnpm", "npx", "node", "bun", "deno"];
    let program = invoked.program.as_str();
    let is_brought = ["node", "npm", "yarn", "bun", "deno"].iter().any(|name| is_mentioned(facts, name))
        || facts.installed.as_ref().is_some_and(|installed| installed.programs.contains(program));
    if !PROGRAMS.contains(&program) || is_brought {
        return None;
    }
    let has_package = ["package.json", "deno.json", "deno.jsonc"].iter().any(|name| {
        facts.has_file(name)
            || facts.has_file(&join(&invoked.dir, name))
            || facts.files.keys().any(|file| file.ends_with(&format!("/{name}")))
    });
    let start = format!(
        "The process type `{}` calls `{program}`, which neither the stack nor a Python build has",
        process.name
    );
    let finding = if has_package {
        let message = format!("{start}: it is there only if Node.js's buildpack runs, too.");
        Finding::new(FindingCode::CommandNotInstalled, message).with_severity(Severity::Note).with_fix(
            "Add Node.js's buildpack before Python's, unless that is done:\n\
             heroku buildpacks:add --index 1 heroku/nodejs",
        )
    } else if PACKAGED.contains(&program) && invoked.dir.is_empty() {
        let message = format!("{start}, and the app has no package.json for Node.js's buildpack.");
        Finding::new(FindingCode::CommandNotInstalled, message).with_fix(
            "Write the command that starts the Python app, or add Node.js's buildpack and a\npackage.json.",
        )
    } else {
        return None;
    };
    Some(point(process, finding, program, "isn't there"))
}

/// `fastapi run`, where only `fastapi` without an extra is required: the command asks for `fastapi-cli`.
fn fastapi(facts: &Facts, process: &Process<'_>, invoked: &Invoked) -> Option<Finding> {
    if invoked.program != "fastapi" || is_mentioned(facts, "fastapi") {
        return None;
    }
    let why = if let Some(installed) = &facts.installed {
        let lacks = !installed.leads_elsewhere && !installed.modules.contains("fastapi_cli");
        (installed.modules.contains("fastapi") && lacks).then_some("isn't installed")?
    } else if let Some(lock) = LOCK_FILES.iter().find_map(|name| facts.texts.get(*name)) {
        let names = names_in_lock(lock).filter(|_| !facts.has_file("requirements.txt"))?;
        (names.contains("fastapi") && !names.contains("fastapi-cli")).then_some("isn't in the lock")?
    } else {
        let is_bare = facts.requirements.as_ref()?.entries.iter().any(|entry| match &entry.kind {
            // Versions before 0.112 had it among what they require.
            RequirementKind::Named { name, text, .. } if name == "fastapi" => {
                !["0.111", "<", "~=0.1", "@"].iter().any(|part| text.contains(part))
            }
            _ => false,
        });
        let lacks = lacking(facts, "fastapi-cli").is_some_and(|lack| lack.is_certain());
        (is_bare && lacks).then_some("isn't required")?
    };
    let message = format!(
        "The process type `{}` calls `fastapi`, which needs the package fastapi-cli, and that {why}: `fastapi` alone doesn't bring it.",
        process.name
    );
    let finding = Finding::new(FindingCode::CommandNotInstalled, message)
        .with_fix("Require `fastapi[standard]` in place of `fastapi`: it brings the command and uvicorn.");
    Some(point(process, finding, "fastapi", why))
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::assert_one;

    const NOT_FOUND: &str = "command::file-not-found";
    const NOT_INSTALLED: &str = "command::not-installed";

    // C16
    #[test]
    fn worker_classes_settings_and_programs_that_are_not_there_are_told() {
        let celery = ("requirements.txt", "celery==5.4.0\ngunicorn==23.0.0\n");
        let mysite = &[
            celery,
            ("mysite/__init__.py", ""),
            ("mysite/celery.py", "from celery import Celery\napp = Celery()\n"),
        ][..];
        let fastapi = ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n");
        let bare = &[fastapi, ("requirements.txt", "fastapi==0.115.6\n")][..];
        let package = ("package.json", "{}");
        for (procfile, more, expected) in [
            ("web: gunicorn -k gevnt wsgi:app\n", &[][..], Some(("command::invalid", "-k gevent"))),
            (
                "web: gunicorn --worker-class=gthreads wsgi:app\n",
                &[],
                Some(("command::invalid", "-k gthread")),
            ),
            (
                "web: gunicorn -k gevnt wsgi:app\n",
                &[],
                Some(("command::invalid", "add gevent to the requirements")),
            ),
            (
                "web: gunicorn -k evntlet wsgi:app\n",
                &[],
                Some(("command::invalid", "add eventlet to the requirements")),
            ),
            (
                "web: gunicorn -k gevnt wsgi:app\n",
                &[("requirements.txt", "gunicorn==23.0.0\ngevent==24.11.1\n")],
                Some(("command::invalid", "Write: -k gevent")),
            ),
            ("web: gunicorn -k mine wsgi:app\n", &[], Some(("command::invalid", "`mine`"))),
            ("web: gunicorn -k mine wsgi:app\n", &[("requirements.txt", "gunicorn\n")], None),
            (
                "web: gunicorn -k uvicorn.workers.UvicornWorker wsgi:app\n",
                &[],
                Some((NOT_INSTALLED, "uvicorn")),
            ),
            (
                "web: gunicorn -k uvicorn_worker.UvicornWorker wsgi:app\n",
                &[("requirements.txt", "gunicorn==23.0.0\nflask==3.1.0\n")],
                Some((NOT_INSTALLED, "uvicorn-worker")),
            ),
            (
                "web: gunicorn -k uvicorn.workers.UvicornWorker wsgi:app\n",
                &[("requirements.txt", "gunicorn==23.0.0\nfastapi[standard]==0.115.6\n")],
                None,
            ),
            ("web: gunicorn -k egg:mine#worker wsgi:app\n", &[], None),
            ("web: gunicorn -k mine.workers.Worker wsgi:app\n", &[], None),
            ("web: gunicorn -k $CLASS wsgi:app\n", &[], None),
            ("web: gunicorn -k asgi wsgi:app\n", &[("requirements.txt", "gunicorn\n")], None),
            ("web: gunicorn -c python:missing_conf wsgi:app\n", &[], Some((NOT_FOUND, "`missing_conf`"))),
            (
                "web: gunicorn -c python:conf.missing wsgi:app\n",
                &[("conf/__init__.py", "")],
                Some((NOT_FOUND, "`conf.missing`")),
            ),
            ("web: gunicorn -c python:conf.g wsgi:app\n", &[("conf/g.py", "workers = 2\n")], None),
            ("web: gunicorn -c python:my_conf wsgi:app\n", &[("requirements.txt", "gunicorn\n-e .\n")], None),
            (
                "web: gunicorn wsgi:app\nworker: celery --app=mysite.nope:app worker\n",
                mysite,
                Some(("app::module-not-found", "mysite.nope")),
            ),
            (
                "web: gunicorn wsgi:app\nworker: celery -A mysite.celry worker\n",
                mysite,
                Some(("app::module-not-found", "`mysite.celery`")),
            ),
            ("web: gunicorn wsgi:app\nworker: celery -A mysite worker\n", mysite, None),
            ("web: gunicorn wsgi:app\nworker: celery -A mysite.celery.app worker\n", mysite, None),
            ("web: fastapi run main.py\n", bare, Some((NOT_INSTALLED, "fastapi[standard]"))),
            (
                "web: fastapi run main.py\n",
                &[fastapi, ("requirements.txt", "fastapi[standard]==0.115.6\n")],
                None,
            ),
            ("web: fastapi run main.py\n", &[fastapi, ("requirements.txt", "fastapi==0.111.0\n")], None),
            (
                "web: fastapi run main.py\n",
                &[fastapi, ("requirements.txt", "fastapi==0.115.6\nfastapi-cli==0.0.7\n")],
                None,
            ),
            (
                "web: fastapi run main.py\n",
                &[
                    fastapi,
                    ("requirements.txt", "fastapi==0.115.6\n-r more.txt\n"),
                    ("more.txt", "fastapi-cli\n"),
                ],
                None,
            ),
            (
                "web: hatch run gunicorn wsgi:app\n",
                &[],
                Some(("procfile::missing-tool", "\nweb: gunicorn wsgi:app")),
            ),
            (
                "web: rye run gunicorn -b :8000 wsgi:app\n",
                &[],
                Some(("procfile::missing-tool", "\nweb: gunicorn -b 0.0.0.0:$PORT wsgi:app")),
            ),
            (
                "web: fastapi run main.py\n",
                &[fastapi, ("requirements.txt", "fastapi==0.115.6\nacme-web==1.0\n")],
                None,
            ),
            ("web: hatch run web\n", &[], Some(("procfile::missing-tool", "hatch"))),
            ("web: hatch run web\n", &[("requirements.txt", "hatch==1.14.0\n")], None),
            ("web: hatch run web\n", &[("bin/post_compile", "pip install hatch\n")], None),
            ("web: npm start\n", &[], Some((NOT_INSTALLED, "no package.json"))),
            ("web: yarn start\n", &[], Some((NOT_INSTALLED, "no package.json"))),
            ("web: npm start\n", &[package], Some((NOT_INSTALLED, "only if Node.js's buildpack runs"))),
            (
                "web: npm start\n",
                &[package, ("app.json", "{\"buildpacks\": [{\"url\": \"heroku/nodejs\"}]}")],
                None,
            ),
            ("web: gunicorn wsgi:app & disown\n", &[], Some(("command::in-background", "`&`"))),
            ("web: gunicorn wsgi:app & echo started; exit 0\n", &[], Some(("command::in-background", "`&`"))),
            ("web: nohup gunicorn wsgi:app & disown -h\n", &[], Some(("command::in-background", "`&`"))),
            ("web: gunicorn wsgi:app & wait\n", &[], None),
            ("web: gunicorn wsgi:app & tail -f log\n", &[], None),
            ("web: python tick.py & gunicorn wsgi:app\n", &[("tick.py", "")], None),
        ] {
            assert_one(procfile, more, expected);
        }
    }
}
