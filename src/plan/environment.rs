//! The environment that the buildpack gives the app: one definition, rendered for each reader.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde::Serialize;

use super::manager::PackageManager;
use super::steps::{StepKind, StepPlan};

/// Where programs are looked for if nothing says it, as in a dyno.
const BASE_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A change of one variable. `$HOME` in a value is the app's directory, known only when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Replaces what there was.
    Set(String),
    /// Put before what there was, with a colon between them.
    Prepend(String),
    /// Set, unless there is a value. An empty value counts as none, as in a shell's `${NAME:-value}`.
    Default(String),
}

/// Changes of an environment, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct EnvDelta {
    /// Each variable and its change.
    pub changes: Vec<(String, Change)>,
}

impl EnvDelta {
    fn of<'a>(changes: impl IntoIterator<Item = (&'a str, Change)>) -> Self {
        Self { changes: changes.into_iter().map(|(name, change)| (name.to_owned(), change)).collect() }
    }

    /// Adds where NLTK's corpora are, for an app that has some.
    pub fn with_nltk_data(mut self) -> Self {
        let data = Change::Set("$HOME/.heroku/python/nltk_data".into());
        self.changes.insert(0, ("NLTK_DATA".into(), data));
        self
    }

    /// Renders lines for a POSIX shell, with this in the place of `$HOME`.
    pub fn render_shell(&self, home: &str) -> String {
        let mut script = String::new();
        for (name, change) in &self.changes {
            let line = match change {
                Change::Set(value) => format!("export {name}=\"{}\"", value.replace("$HOME", home)),
                Change::Prepend(value) => {
                    let value = value.replace("$HOME", home);
                    // An empty entry in a search path means the working directory: no colon without an old value.
                    format!("export {name}=\"{value}${{{name}:+:${name}}}\"")
                }
                Change::Default(value) => {
                    format!("export {name}=\"${{{name}:-{}}}\"", value.replace("$HOME", home))
                }
            };
            script.push_str(&line);
            script.push('\n');
        }
        script
    }

    /// Makes the changes to an environment, as the shell would with the rendered lines.
    pub fn apply(&self, home: &OsStr, vars: &mut BTreeMap<OsString, OsString>) {
        for (name, change) in &self.changes {
            let old = vars.get(OsStr::new(name)).filter(|old| !old.is_empty());
            let value = match (change, old) {
                (Change::Default(_), Some(_)) => continue,
                (Change::Set(value) | Change::Prepend(value) | Change::Default(value), None)
                | (Change::Set(value), Some(_)) => with_home(value, home),
                (Change::Prepend(value), Some(old)) => {
                    let mut value = with_home(value, home);
                    value.push(":");
                    value.push(old);
                    value
                }
            };
            vars.insert(name.into(), value);
        }
    }
}

fn with_home(value: &str, home: &OsStr) -> OsString {
    let mut parts = value.split("$HOME");
    let mut text = OsString::from(parts.next().unwrap_or_default());
    for part in parts {
        text.push(home);
        text.push(part);
    }
    text
}

/// Returns what every Python app gets at run time, as Heroku's buildpack sets it. The package manager's own
/// variables come first, so that Python's programs win over them.
pub fn runtime_environment(manager: PackageManager) -> EnvDelta {
    let for_manager: &[(&str, Change)] = match manager {
        PackageManager::Pip => &[("PIP_DISABLE_PIP_VERSION_CHECK", Change::Set("1".into()))],
        PackageManager::Pipenv => &[
            ("PATH", Change::Prepend("$HOME/.heroku/python/pipenv/bin".into())),
            ("PIPENV_SYSTEM", Change::Set("1".into())),
            ("PIPENV_VERBOSITY", Change::Set("-1".into())),
            // Pipenv would otherwise skip the packages that it needs itself.
            ("VIRTUAL_ENV", Change::Set("$HOME/.heroku/python".into())),
        ],
        _ => &[],
    };
    let for_all = [
        ("PATH", Change::Prepend("$HOME/.heroku/python/bin".into())),
        ("PYTHONUNBUFFERED", Change::Set("true".into())),
        // Programs that embed Python find its library by this; Python itself doesn't need it.
        ("PYTHONHOME", Change::Set("$HOME/.heroku/python".into())),
        ("LIBRARY_PATH", Change::Prepend("$HOME/.heroku/python/lib".into())),
        ("LD_LIBRARY_PATH", Change::Prepend("$HOME/.heroku/python/lib".into())),
        ("LANG", Change::Default("en_US.UTF-8".into())),
        ("PYTHONPATH", Change::Default("$HOME".into())),
    ];
    EnvDelta::of(for_manager.iter().cloned().chain(for_all))
}

/// Returns what an app gets at run time, from the steps of its build: where NLTK's corpora are, if there are some for certain.
pub(crate) fn of_app(manager: PackageManager, steps: &[StepPlan]) -> EnvDelta {
    let environment = runtime_environment(manager);
    let has_corpora = steps.iter().any(|step| step.kind() == StepKind::Nltk && step.is_certain());
    if has_corpora { environment.with_nltk_data() } else { environment }
}

/// Returns the environment of the programs that a build runs in the app's directory (hooks, collectstatic, NLTK):
/// the old one, with the app's Python in it by its real path.
pub(crate) fn compile_environment(
    build_dir: &Path,
    old: &BTreeMap<OsString, OsString>,
) -> BTreeMap<OsString, OsString> {
    let prepend = |path: &str| Change::Prepend(format!("$HOME/.heroku/python/{path}"));
    let delta = EnvDelta::of([
        ("PATH", Change::Default(BASE_PATH.into())),
        ("PATH", prepend("bin")),
        ("PYTHONUNBUFFERED", Change::Set("1".into())),
        ("LANG", Change::Set("en_US.UTF-8".into())),
        ("C_INCLUDE_PATH", prepend("include")),
        ("CPLUS_INCLUDE_PATH", prepend("include")),
        ("LIBRARY_PATH", prepend("lib")),
        ("LD_LIBRARY_PATH", prepend("lib")),
        // Heroku's buildpack names `pkg-config`, which isn't there.
        ("PKG_CONFIG_PATH", prepend("lib/pkgconfig")),
    ]);
    let mut vars = old.clone();
    // Another Python's library would be the wrong one.
    for name in ["PYTHONHOME", "PYTHONPATH"] {
        vars.remove(OsStr::new(name));
    }
    delta.apply(build_dir.as_os_str(), &mut vars);
    vars
}

/// Returns the scripts that a dyno sources besides `python.sh`, by their names in `.profile.d`.
pub(crate) fn profile_scripts() -> Vec<(&'static str, String)> {
    vec![
        ("WEB_CONCURRENCY.sh", include_str!("profile/WEB_CONCURRENCY.sh").to_owned()),
        ("python.gunicorn.sh", gunicorn_environment().render_shell("$HOME")),
    ]
}

/// Heroku's router is the only way to a dyno, and sets the headers itself: so gunicorn may trust them, whoever
/// sends them. Elsewhere the user knows better: unlike in Heroku's buildpack, a value that is set stays.
fn gunicorn_environment() -> EnvDelta {
    EnvDelta::of([
        ("FORWARDED_ALLOW_IPS", Change::Default("*".into())),
        ("GUNICORN_CMD_ARGS", Change::Default("--access-logfile -".into())),
    ])
}

/// Renders `.profile.d/python.sh`: the environment, and the place where hard-coded paths look for Python.
pub(crate) fn render_python_sh(environment: &EnvDelta) -> String {
    environment.render_shell("$HOME") + &render_app_link("/app")
}

/// A dyno's app is in `/app`. Where it is elsewhere and there is an `/app` that can be written, a link leads to its
/// Python; a boot never fails for want of it, a directory that is there stays, and no `/app` is made: it would stay
/// behind on a machine where a slug was only tried.
fn render_app_link(app: &str) -> String {
    format!(
        "if [ \"$HOME\" != {app} ] && [ -d {app} ] && {{ [ -L {app}/.heroku/python ] || [ ! -e {app}/.heroku/python ]; }}; then\n\
         \tmkdir -p {app}/.heroku 2>/dev/null && ln -nsf \"$HOME/.heroku/python\" {app}/.heroku/python 2>/dev/null || true\n\
         fi\n"
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::process::Command;

    use super::*;

    const MANAGERS: [PackageManager; 4] =
        [PackageManager::Pip, PackageManager::Pipenv, PackageManager::Poetry, PackageManager::Uv];

    #[test]
    fn each_change_has_its_line() {
        let delta = EnvDelta::of([
            ("A", Change::Set("$HOME/x".into())),
            ("P", Change::Prepend("$HOME/bin".into())),
            ("D", Change::Default("y".into())),
        ]);
        assert_eq!(
            delta.render_shell("/app"),
            "export A=\"/app/x\"\nexport P=\"/app/bin${P:+:$P}\"\nexport D=\"${D:-y}\"\n"
        );
    }

    /// Sources a script in bash, after `before`, and returns what programs that it starts would get, and what it
    /// said on standard error.
    #[track_caller]
    fn sourced(
        before: &str,
        script: &str,
        vars: &BTreeMap<OsString, OsString>,
    ) -> (BTreeMap<String, String>, String) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("script.sh");
        fs::write(&file, script).unwrap();
        let line = format!("{before} . '{}'; /usr/bin/env -0", file.display());
        let output = Command::new("bash").arg("-c").arg(line).env_clear().envs(vars).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        let text = String::from_utf8(output.stdout).unwrap();
        let vars = text.split_terminator('\0').filter_map(|line| line.split_once('='));
        // Bash's own.
        let vars = vars.filter(|(name, _)| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
        (vars.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(), stderr)
    }

    fn os(pairs: &[(&str, &str)]) -> BTreeMap<OsString, OsString> {
        pairs.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn text(vars: &BTreeMap<OsString, OsString>) -> BTreeMap<String, String> {
        vars.iter()
            .map(|(name, value)| (name.to_str().unwrap().into(), value.to_str().unwrap().into()))
            .collect()
    }

    #[test]
    fn every_reader_of_the_definition_comes_to_the_same_environment() {
        let base = [("PATH", "/usr/bin:/bin"), ("HOME", "/home/of the app")];
        let mut deltas: Vec<EnvDelta> = MANAGERS.map(runtime_environment).into();
        deltas.push(runtime_environment(PackageManager::Pip).with_nltk_data());
        deltas.push(gunicorn_environment());
        for delta in deltas {
            let names: Vec<&str> =
                delta.changes.iter().map(|(name, _)| name.as_str()).filter(|name| *name != "PATH").collect();
            for old_value in [None, Some(""), Some("/old:/er one")] {
                let old =
                    old_value.into_iter().flat_map(|value| names.iter().map(move |name| (*name, value)));
                let old = os(&base.into_iter().chain(old).collect::<Vec<_>>());
                for home in ["/home/of the app", "/app"] {
                    let mut expected = old.clone();
                    delta.apply(OsStr::new(home), &mut expected);
                    // At boot, HOME is known to the shell; `export` files name it.
                    let rendered = if home == "/app" { home } else { "$HOME" };
                    let (found, stderr) = sourced("set -eu;", &delta.render_shell(rendered), &old);
                    assert_eq!(found, text(&expected), "{delta:?} over {old:?}");
                    assert_eq!(stderr, "");
                }
            }
        }
    }

    #[test]
    fn the_order_in_path_and_the_variables_are_those_of_herokus_buildpack() {
        let with = |manager| {
            let mut vars = os(&[("PATH", "/usr/bin")]);
            runtime_environment(manager).with_nltk_data().apply(OsStr::new("/app"), &mut vars);
            text(&vars)
        };
        let common = [
            ("LANG", "en_US.UTF-8"),
            ("LD_LIBRARY_PATH", "/app/.heroku/python/lib"),
            ("LIBRARY_PATH", "/app/.heroku/python/lib"),
            ("NLTK_DATA", "/app/.heroku/python/nltk_data"),
            ("PATH", "/app/.heroku/python/bin:/usr/bin"),
            ("PYTHONHOME", "/app/.heroku/python"),
            ("PYTHONPATH", "/app"),
            ("PYTHONUNBUFFERED", "true"),
        ];
        let pipenv = [
            ("PATH", "/app/.heroku/python/bin:/app/.heroku/python/pipenv/bin:/usr/bin"),
            ("PIPENV_SYSTEM", "1"),
            ("PIPENV_VERBOSITY", "-1"),
            ("VIRTUAL_ENV", "/app/.heroku/python"),
        ];
        for (manager, more) in [
            (PackageManager::Pip, &[("PIP_DISABLE_PIP_VERSION_CHECK", "1")][..]),
            (PackageManager::Pipenv, &pipenv),
            (PackageManager::Poetry, &[]),
            (PackageManager::Uv, &[]),
        ] {
            let mut expected = os(&common);
            expected.extend(os(more));
            assert_eq!(with(manager), text(&expected), "{manager:?}");
        }
    }

    #[test]
    fn the_build_sees_its_python_first_and_no_other() {
        let old = os(&[
            ("PATH", "/usr/bin"),
            ("LIBRARY_PATH", "/old"),
            ("LANG", "C"),
            ("PYTHONHOME", "/x"),
            ("PYTHONPATH", "/x"),
            ("STACK", "heroku-24"),
        ]);
        let expected = os(&[
            ("PATH", "/b/.heroku/python/bin:/usr/bin"),
            ("PYTHONUNBUFFERED", "1"),
            ("LANG", "en_US.UTF-8"),
            ("C_INCLUDE_PATH", "/b/.heroku/python/include"),
            ("CPLUS_INCLUDE_PATH", "/b/.heroku/python/include"),
            ("LIBRARY_PATH", "/b/.heroku/python/lib:/old"),
            ("LD_LIBRARY_PATH", "/b/.heroku/python/lib"),
            ("PKG_CONFIG_PATH", "/b/.heroku/python/lib/pkgconfig"),
            ("STACK", "heroku-24"),
        ]);
        assert_eq!(compile_environment(Path::new("/b"), &old), expected);
        let bare = compile_environment(Path::new("/b"), &BTreeMap::new());
        assert_eq!(bare[OsStr::new("PATH")], format!("/b/.heroku/python/bin:{BASE_PATH}").as_str());
    }

    struct Machine {
        /// Files below the control groups' directory.
        files: &'static [(&'static str, &'static str)],
        cores: Option<&'static str>,
        vars: &'static [(&'static str, &'static str)],
    }

    /// Boots with the script on such a machine: the variables that it set, and what it said.
    #[track_caller]
    fn concurrency(machine: &Machine) -> (BTreeMap<String, String>, String) {
        let dir = tempfile::tempdir().unwrap();
        for (name, contents) in machine.files {
            let path = dir.path().join("cgroup").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, contents).unwrap();
        }
        let nproc = dir.path().join("nproc");
        let script = machine.cores.map_or("exit 1".to_owned(), |cores| format!("echo {cores}"));
        fs::write(&nproc, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&nproc, fs::Permissions::from_mode(0o755)).unwrap();
        let mut vars = os(machine.vars);
        vars.insert("PATH".into(), format!("{}:/usr/bin:/bin", dir.path().display()).into());
        let script = profile_scripts().swap_remove(0).1;
        let script = script.replace("/sys/fs/cgroup", dir.path().join("cgroup").to_str().unwrap());
        let plain = sourced("", &script, &vars);
        // Whatever an earlier script has set: it may not end the boot.
        assert_eq!(sourced("set -eu;", &script, &vars), plain);
        // Nothing but variables is left behind.
        let (left, _) = sourced("", &format!("{script}\nexport LEFT=\"$(declare -F)${{memory-}}\""), &vars);
        assert_eq!(left["LEFT"], "");
        let (mut set, stderr) = plain;
        set.remove("PATH");
        (set, stderr)
    }

    fn expect(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        text(&os(pairs))
    }

    #[test]
    fn workers_are_as_many_as_fit_into_memory_and_cores() {
        // Heroku's dynos.
        for (megabytes, cores, workers) in [
            (512u64, "8", "2"),
            (1024, "8", "4"),
            (2560, "2", "5"),
            (14336, "8", "17"),
            (30720, "4", "9"),
            (63488, "8", "17"),
            (129_024, "16", "33"),
            (255, "8", "1"),
            (256, "8", "1"),
            (767, "8", "2"),
            (1_048_576, "1", "3"),
        ] {
            let bytes: &'static str = (megabytes * 1_048_576).to_string().leak();
            let memory: &'static str = megabytes.to_string().leak();
            for files in [
                vec![("memory/memory.limit_in_bytes", bytes)],
                vec![("memory.max", bytes)],
                vec![("memory.max", bytes), ("cpu.max", "max 100000\n")],
                // Version 1 counts where both are.
                vec![("memory/memory.limit_in_bytes", bytes), ("memory.max", "1"), ("cpu.max", "1 1")],
            ] {
                let (set, said) =
                    concurrency(&Machine { files: files.clone().leak(), cores: Some(cores), vars: &[] });
                let expected = expect(&[
                    ("DYNO_RAM", memory),
                    ("WEB_CONCURRENCY", workers),
                    ("WEB_CONCURRENCY_SET_BY", "heroku/python"),
                ]);
                assert_eq!(set, expected, "{files:?}, {cores} cores");
                assert_eq!(said, "");
            }
        }
    }

    #[test]
    fn a_share_of_the_cores_counts_as_so_many_of_them() {
        for (limit, workers) in [
            ("200000 100000\n", "5"),
            ("150000 100000\n", "5"),
            ("50000 100000\n", "3"),
            ("900000 100000\n", "9"),
            ("max 100000\n", "9"),
            ("100000\n", "9"),
            ("0 0\n", "9"),
            ("", "9"),
        ] {
            let files = vec![("memory.max", "30000000000\n"), ("cpu.max", limit)].leak();
            let (set, _) = concurrency(&Machine { files, cores: Some("4"), vars: &[] });
            assert_eq!(set["WEB_CONCURRENCY"], workers, "{limit:?}");
        }
    }

    #[test]
    fn what_is_unknown_or_set_is_left_alone() {
        const HALF: &[(&str, &str)] = &[("memory/memory.limit_in_bytes", "536870912\n")];
        let web: &[(&str, &str)] = &[("DYNO", "web.1")];
        for (files, cores, vars, expected, said) in [
            (&[][..], Some("4"), &[][..], &[][..], ""),
            (
                &[],
                Some("4"),
                web,
                web,
                "Python buildpack: Couldn't determine available memory. Not setting WEB_CONCURRENCY.\n",
            ),
            (&[("memory.max", "max\n")], Some("4"), &[], &[], ""),
            (&[("memory.max", "")], Some("4"), &[], &[], ""),
            (&[("memory/memory.limit_in_bytes", "9223372036854771712\n")], Some("4"), &[], &[], ""),
            (&[("memory/memory.limit_in_bytes", "1099512676352\n")], Some("4"), &[], &[], ""),
            (HALF, None, &[], &[], ""),
            (
                HALF,
                None,
                web,
                web,
                "Python buildpack: Couldn't determine the number of CPU cores. Not setting WEB_CONCURRENCY.\n",
            ),
            (HALF, Some("many"), &[], &[], ""),
            (
                HALF,
                Some("4"),
                &[("WEB_CONCURRENCY", "7"), ("DYNO_RAM", "1")],
                &[("WEB_CONCURRENCY", "7"), ("DYNO_RAM", "512")],
                "",
            ),
            (
                HALF,
                Some("4"),
                &[("WEB_CONCURRENCY", ""), ("DYNO", "web.1")],
                &[("WEB_CONCURRENCY", ""), ("DYNO", "web.1"), ("DYNO_RAM", "512")],
                "Python buildpack: Detected 512 MB available memory and 4 CPU cores.\n\
                 Python buildpack: Skipping automatic configuration of WEB_CONCURRENCY since it's already set.\n",
            ),
            (
                HALF,
                Some("4"),
                &[("DYNO", "worker.1")],
                &[
                    ("DYNO", "worker.1"),
                    ("DYNO_RAM", "512"),
                    ("WEB_CONCURRENCY", "2"),
                    ("WEB_CONCURRENCY_SET_BY", "heroku/python"),
                ],
                "",
            ),
            (
                HALF,
                Some("4"),
                web,
                &[
                    ("DYNO", "web.1"),
                    ("DYNO_RAM", "512"),
                    ("WEB_CONCURRENCY", "2"),
                    ("WEB_CONCURRENCY_SET_BY", "heroku/python"),
                ],
                "Python buildpack: Detected 512 MB available memory and 4 CPU cores.\n\
                 Python buildpack: Defaulting WEB_CONCURRENCY to 2 based on the available memory.\n",
            ),
        ] {
            let found = concurrency(&Machine { files, cores, vars });
            assert_eq!(found, (expect(expected), said.to_owned()), "{files:?} {cores:?} {vars:?}");
        }
    }

    #[test]
    fn gunicorn_trusts_the_router_and_logs_unless_told_otherwise() {
        let script = profile_scripts().swap_remove(1).1;
        for (vars, expected) in [
            (&[("PATH", "/bin")][..], "*|--access-logfile -"),
            (
                &[("PATH", "/bin"), ("FORWARDED_ALLOW_IPS", "10.0.0.1"), ("GUNICORN_CMD_ARGS", "-w 2")],
                "10.0.0.1|-w 2",
            ),
            // B21
            (&[("PATH", "/bin"), ("FORWARDED_ALLOW_IPS", "")], "*|--access-logfile -"),
            (
                &[("PATH", "/bin"), ("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")],
                "127.0.0.1,::1|--access-logfile -",
            ),
            (&[("PATH", "/bin"), ("GUNICORN_CMD_ARGS", "-t 9")], "*|-t 9"),
        ] {
            let (set, _) = sourced("", &script, &os(vars));
            assert_eq!(format!("{}|{}", set["FORWARDED_ALLOW_IPS"], set["GUNICORN_CMD_ARGS"]), expected);
        }
    }

    #[test]
    fn a_link_stands_in_for_app_where_that_is_possible() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        let boot = |home: &str, app: &str| {
            let (_, said) =
                sourced("set -eu;", &render_app_link(app), &os(&[("HOME", home), ("PATH", "/usr/bin:/bin")]));
            assert_eq!(said, "", "{home} {app}");
            fs::read_link(format!("{app}/.heroku/python")).ok()
        };
        let python = |home: &str| Some(std::path::PathBuf::from(format!("{home}/.heroku/python")));
        assert_eq!(boot(&path("one home"), &path("app")), None, "no /app is made");
        fs::create_dir(path("app")).unwrap();
        assert_eq!(boot(&path("one home"), &path("app")), python(&path("one home")));
        assert_eq!(boot(&path("two"), &path("app")), python(&path("two")), "a link is replaced");
        assert_eq!(boot(&path("own"), &path("own")), None);
        assert!(!Path::new(&path("own")).exists(), "the app's own directory needs no link");
        fs::create_dir_all(path("real/.heroku/python")).unwrap();
        assert_eq!(boot(&path("one home"), &path("real")), None);
        assert_eq!(
            fs::read_dir(path("real/.heroku/python")).unwrap().count(),
            0,
            "a directory stays as it is"
        );
        fs::write(path("file"), "").unwrap();
        assert_eq!(boot(&path("one home"), &path("file")), None, "where it can't be made");
        symlink("nowhere", path("dangling")).unwrap();
        assert_eq!(boot(&path("one home"), &path("dangling")), None);
    }
}
