//! Puts what was built where the platform expects it.

use std::path::Path;

use crate::env::Env;
use crate::host::files;
use crate::plan::EnvDelta;

/// Where apps are at run time.
pub(super) const APP: &str = "/app";

/// Lets Python be found at its place at run time already, for later buildpacks that have written it down.
/// Returns whether it can be found there. Only where the platform works in [`APP`]: its home says so.
pub(super) fn link_app(build_dir: &Path, app: &Path, env: &Env) -> bool {
    let is_same = match (build_dir.canonicalize(), app.canonicalize()) {
        (Ok(build_dir), Ok(app)) => build_dir == app,
        _ => build_dir == app,
    };
    if is_same {
        return true;
    }
    if env.home().as_deref() != Some(app) || !app.is_dir() {
        return false;
    }
    let link = app.join(".heroku/python");
    if link.is_dir() && !link.is_symlink() {
        return false;
    }
    files::create_dir_all(&app.join(".heroku")).is_ok()
        && files::remove_file(&link).is_ok()
        && files::create_symlink(&build_dir.join(".heroku/python"), &link).is_ok()
}

/// Writes `export` for later buildpacks into the buildpack's own directory, where that can be written.
pub(super) fn write_export(environment: &EnvDelta, home: &Path, env: &Env) {
    let Some(buildpack_dir) = env.var("SLUGC_BUILDPACK_DIR") else { return };
    let script = environment.render_shell(&quote(&home.to_string_lossy()));
    // Where the buildpack is read-only, there is no way to tell later buildpacks; the build itself is whole.
    let _ = files::write_atomically(&env.absolute(buildpack_dir).join("export"), script.as_bytes());
}

/// Escapes what has a meaning between a shell's double quotes.
fn quote(text: &str) -> String {
    text.chars().fold(String::new(), |mut quoted, letter| {
        if ['\\', '"', '$', '`'].contains(&letter) {
            quoted.push('\\');
        }
        quoted.push(letter);
        quoted
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn python_is_linked_only_where_the_home_is_the_app() {
        let dir = tempfile::tempdir().unwrap();
        let (app, build_dir) = (dir.path().join("app"), dir.path().join("build"));
        fs::create_dir_all(build_dir.join(".heroku/python")).unwrap();
        let env = |home: &Path| Env::for_tests(&[("HOME", home.to_str().unwrap())]);
        assert!(!link_app(&build_dir, &app, &env(&app)), "there is no such directory");
        fs::create_dir(&app).unwrap();
        assert!(!link_app(&build_dir, &app, &env(dir.path())), "the home is elsewhere");
        assert!(!app.join(".heroku").exists());
        for _ in 0..2 {
            assert!(link_app(&build_dir, &app, &env(&app)));
            assert_eq!(fs::read_link(app.join(".heroku/python")).unwrap(), build_dir.join(".heroku/python"));
        }
        assert!(link_app(&app, &app, &env(dir.path())), "built in place");
        fs::remove_file(app.join(".heroku/python")).unwrap();
        fs::create_dir(app.join(".heroku/python")).unwrap();
        assert!(!link_app(&build_dir, &app, &env(&app)), "somebody else's Python is there");
    }

    #[test]
    fn a_home_with_odd_letters_is_taken_literally() {
        assert_eq!(quote("/a b/$x`y\"\\z"), "/a b/\\$x\\`y\\\"\\\\z");
    }
}
