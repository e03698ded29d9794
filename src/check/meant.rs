//! What may have been meant by the name of a module, or of something in it, that isn't there.

use super::code::{Code, Found};
use super::command::join;
use super::facts::Facts;
use super::servers::is_dotted;
use crate::error::similar::closest_own;

/// Returns the module that may have been meant: each part of its name is there, or one that is near.
pub(super) fn meant_module(code: &Code<'_>, module: &str, roots: &[String]) -> Option<String> {
    roots.iter().find_map(|root| {
        let mut dir = root.clone();
        let mut meant = Vec::new();
        for part in module.split('.') {
            let names = code.names_in(&dir);
            let same_but_case = || names.iter().find(|name| name.eq_ignore_ascii_case(part)).cloned();
            let near = || closest_own(part, names.iter().map(String::as_str)).map(str::to_owned);
            let name =
                names.iter().find(|name| *name == part).cloned().or_else(same_but_case).or_else(near)?;
            dir = join(&dir, &name);
            meant.push(name);
        }
        let meant = meant.join(".");
        let is_there = matches!(code.find(&meant, roots), Found::File(_) | Found::Opaque);
        (is_there && meant != module).then_some(meant)
    })
}

/// Returns the name of the app that a module of the app's has, as far as its text shows one: the usual one if
/// it is there.
pub(super) fn app_of(facts: &Facts, module: &str, roots: &[String], usual: &str) -> Option<String> {
    let code = Code::new(facts);
    let Found::File(file) = code.find(module, roots) else { return None };
    if code.binds(&file, usual, roots) == Some(true) {
        return Some(usual.to_owned());
    }
    meant_name(&code, &file, usual).map(|meant| meant.name)
}

/// A name that may have been meant.
pub(super) struct MeantName {
    /// The name.
    pub(super) name: String,
    /// Whether an app is made under that name.
    pub(super) is_app: bool,
}

/// Returns the name in a file that may have been meant by another: an app, the nearest one, or one that apps usually have.
pub(super) fn meant_name(code: &Code<'_>, file: &str, wrong: &str) -> Option<MeantName> {
    const USUAL: &[&str] = &[
        "app",
        "application",
        "api",
        "server",
        "asgi_app",
        "wsgi_app",
        "celery",
        "broker",
        "huey",
        "WorkerSettings",
    ];
    let apps = apps_in(code, file);
    let module = code.module(file)?;
    let near_app = closest_own(wrong, apps.iter().map(String::as_str)).map(str::to_owned);
    if let Some(name) = near_app.or_else(|| apps.first().cloned()) {
        return Some(MeantName { name, is_app: true });
    }
    let names = || module.names.iter().map(String::as_str).filter(|name| !name.starts_with('_'));
    let same_but_case = names().find(|name| name.eq_ignore_ascii_case(wrong));
    let near = same_but_case.or_else(|| closest_own(wrong, names()));
    let usual = || USUAL.iter().copied().find(|usual| module.names.contains(*usual));
    let name = near.or_else(usual)?.to_owned();
    Some(MeantName { name, is_app: false })
}

/// Returns the names in a file that look like apps.
fn apps_in(code: &Code<'_>, file: &str) -> Vec<String> {
    const MAKERS: &[&str] = &[
        "Flask",
        "FastAPI",
        "Starlette",
        "Quart",
        "Litestar",
        "Sanic",
        "Bottle",
        "Dash",
        "Falcon",
        "create_app",
        "make_app",
        "get_wsgi_application",
        "get_asgi_application",
        "Celery",
        "ProtocolTypeRouter",
    ];
    let Some(module) = code.module(file) else { return Vec::new() };
    let is_app = |value: &str| {
        let callee = value.split('(').next().unwrap_or_default();
        value.contains('(') && MAKERS.contains(&callee.rsplit('.').next().unwrap_or_default())
    };
    module
        .assignments
        .iter()
        .filter(|assignment| {
            is_dotted(&assignment.target) && !assignment.target.contains('.') && is_app(&assignment.value)
        })
        .map(|assignment| assignment.target.clone())
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::check::line_tests::found;

    // C21
    #[test]
    fn what_may_have_been_meant_is_offered() {
        let project = &[
            ("myproject/__init__.py", ""),
            ("myproject/wsgi.py", "application = object()\n"),
            ("src/site_app.py", "server = 1\n"),
        ][..];
        for (command, meant) in [
            ("gunicorn wsgi:ap", "`wsgi:app`"),
            ("gunicorn wsgi:App", "`wsgi:app`"),
            ("gunicorn wsgi:application", "`wsgi:app`"),
            ("gunicorn my_project.wsgi", "`myproject.wsgi`"),
            ("gunicorn MyProject.wsgi", "`myproject.wsgi`"),
            ("gunicorn myproject.wsgl:application", "`myproject.wsgi:application`"),
            ("gunicorn my_project.wsgl", "`myproject.wsgi`"),
            ("gunicorn wgsi:app", "`wsgi:app`"),
            ("gunicorn --chdir src siteapp:server", "`site_app:server`"),
            ("gunicorn --chdir src site_app:sever", "`site_app:server`"),
            ("bash setup", "`setup.sh`"),
            ("bash stup.sh", "`setup.sh`"),
            ("python wsgi", "`wsgi.py`"),
        ] {
            let more = [project, &[("setup.sh", "exec gunicorn wsgi:app\n")]].concat();
            let all = found(&format!("web: {command}\n"), &more);
            let [one] = all.as_slice() else { panic!("{command}: {all:#?}") };
            assert!(format!("{} {}", one.message, one.fix()).contains(meant), "{command}: {one:#?}");
        }
    }
}
