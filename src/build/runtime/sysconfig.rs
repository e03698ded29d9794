//! What Python remembers of how it was built: the flags for C extensions, and where it thinks it is.
//! Changed before anything is compiled, as a stale unchecked `.pyc` would win.

use std::fs;
use std::path::{Path, PathBuf};

use super::build_vars::{BuildVars, Value};
use super::error::RuntimeError;
use super::paths::PathRules;
use crate::host::files::{self, FileContext};

/// Where Heroku puts the runtime, and what it says about itself from now on. Python finds its own files
/// relative to its program; this is only for what asks `sysconfig`.
pub(crate) const RUN_PREFIX: &str = "/app/.heroku/python";

/// Replaces the prefixes that an interpreter was installed in by the one it runs in, drops the compiler
/// flags that name its old libraries, and `-g`. No path of the machine that built it remains in
/// `_sysconfigdata`, the Makefile, `python3.X-config` or the pkg-config files, which find themselves.
pub(crate) fn relocate(prefix: &Path, old_prefixes: &[&str]) -> Result<(), RuntimeError> {
    let library = standard_library(prefix)?;
    let build_vars: Vec<PathBuf> = files_in(&library, |name| is_build_vars(name) && name.ends_with(".py"))?;
    let mut build_dirs = Vec::new();
    let mut prefixes: Vec<String> = old_prefixes.iter().map(|prefix| (*prefix).to_owned()).collect();
    let mut parsed = Vec::new();
    for path in build_vars {
        let text = read_text(&path)?;
        let vars =
            BuildVars::parse(&text).map_err(|problem| RuntimeError::Text { path: path.clone(), problem })?;
        for name in ["abs_builddir", "abs_srcdir"] {
            build_dirs.extend(vars.text(name).map(str::to_owned));
        }
        // Not where it is, if it was moved or is reached through a link.
        prefixes.extend(vars.text("prefix").map(str::to_owned));
        parsed.push((path, vars));
    }
    let build_dirs: Vec<&str> = build_dirs.iter().map(String::as_str).collect();
    let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
    let rules = PathRules::new(&prefixes, &build_dirs, RUN_PREFIX);

    for (path, mut vars) in parsed {
        for (name, value) in &mut vars.entries {
            if let Value::Text(text) = value {
                *text = clean_variable(&rules, name, text);
            }
        }
        replace(&path, &vars.render())?;
    }
    for path in files_in(&library, is_json)? {
        relocate_json(&path, &rules)?;
    }
    for config in files_in(&library, |name| name.starts_with("config-"))? {
        relocate_lines(&config.join("Makefile"), &rules)?;
    }
    for script in files_in(&prefix.join("bin"), |name| name.ends_with("-config"))? {
        relocate_lines(&script, &rules)?;
    }
    let own = PathRules::new(&prefixes, &build_dirs, "${prefix}");
    for path in files_in(&prefix.join("lib/pkgconfig"), |name| name.ends_with(".pc"))? {
        relocate_pkgconfig(&path, &own)?;
    }
    Ok(())
}

fn is_build_vars(name: &str) -> bool {
    name.starts_with("_sysconfigdata_")
}

/// From Python 3.14 on there are two JSON files more (PEP 739).
fn is_json(name: &str) -> bool {
    name.ends_with(".json") && (name.starts_with("_sysconfig_vars") || name == "build-details.json")
}

fn clean_variable(rules: &PathRules, name: &str, value: &str) -> String {
    match name {
        // The wheels of the distribution aren't there; ensurepip's own are.
        "WHEEL_PKG_DIR" => String::new(),
        _ => rules.clean_flags(value),
    }
}

/// Returns `lib/python3.X` of a runtime.
pub(super) fn standard_library(prefix: &Path) -> Result<PathBuf, RuntimeError> {
    let is_library =
        |name: &str| name.strip_prefix("python3.").is_some_and(|minor| minor.parse::<u32>().is_ok());
    let mut found = files_in(&prefix.join("lib"), is_library)?;
    match (found.pop(), found.is_empty()) {
        (Some(library), true) => Ok(library),
        _ => Err(RuntimeError::Text {
            path: prefix.join("lib"),
            problem: "There should be one directory named python3.X in it.".to_owned(),
        }),
    }
}

/// Lists what is in a directory and no link, sorted; nothing if there is no such directory.
fn files_in(dir: &Path, keep: impl Fn(&str) -> bool) -> Result<Vec<PathBuf>, RuntimeError> {
    let Ok(entries) = fs::read_dir(dir) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.doing("reading", dir).map_err(RuntimeError::File)?;
        let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if !is_link && entry.file_name().to_str().is_some_and(&keep) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn relocate_json(path: &Path, rules: &PathRules) -> Result<(), RuntimeError> {
    let text = read_text(path)?;
    let wrong = |error: serde_json::Error| RuntimeError::Text {
        path: path.to_owned(),
        problem: format!("It isn't JSON ({error})."),
    };
    let mut json: serde_json::Value = serde_json::from_str(&text).map_err(wrong)?;
    clean_json(&mut json, "", rules);
    let mut text = serde_json::to_string_pretty(&json).map_err(wrong)?;
    text.push('\n');
    replace(path, &text)
}

fn clean_json(json: &mut serde_json::Value, name: &str, rules: &PathRules) {
    match json {
        serde_json::Value::String(text) => *text = clean_variable(rules, name, text),
        serde_json::Value::Array(items) => items.iter_mut().for_each(|item| clean_json(item, "", rules)),
        serde_json::Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, value)| clean_json(value, name, rules));
        }
        _ => {}
    }
}

/// Rewrites a Makefile or shell script: flags where a variable is set, paths everywhere.
fn relocate_lines(path: &Path, rules: &PathRules) -> Result<(), RuntimeError> {
    if !path.is_file() {
        return Ok(());
    }
    let text = read_text(path)?;
    let lines = text
        .split('\n')
        .map(|line| if is_assignment(line) { rules.clean_flags(line) } else { rules.replace_paths(line) });
    replace(path, &lines.collect::<Vec<_>>().join("\n"))
}

fn is_assignment(line: &str) -> bool {
    let name = line.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    name.len() < line.len() && name.trim_start_matches([' ', ':', '+', '?']).starts_with('=')
}

/// A pkg-config file can name its own directory, so that it is right wherever it is.
fn relocate_pkgconfig(path: &Path, rules: &PathRules) -> Result<(), RuntimeError> {
    let text = read_text(path)?;
    let lines = text.split('\n').map(|line| match line.strip_prefix("prefix=") {
        Some(_) => "prefix=${pcfiledir}/../..".to_owned(),
        None => rules.clean_flags(line),
    });
    replace(path, &lines.collect::<Vec<_>>().join("\n"))
}

/// Reads a text file. All of these are UTF-8 where Python has written them.
fn read_text(path: &Path) -> Result<String, RuntimeError> {
    fs::read_to_string(path).doing("reading", path).map_err(RuntimeError::File)
}

fn replace(path: &Path, text: &str) -> Result<(), RuntimeError> {
    files::replace_contents(path, text.as_bytes()).map_err(RuntimeError::File)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small runtime that was built in `/tmp/build.1` and installed in `/home/me/py`.
    fn runtime() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            (
                "lib/python3.14/_sysconfigdata__linux_x86_64-linux-gnu.py",
                "build_time_vars = {'LDSHARED': 'gcc -shared -L/home/me/py/lib '\n             '-Wl,-rpath,/home/me/py/lib',\n 'CFLAGS': '-DNDEBUG -g -O3',\n 'WHEEL_PKG_DIR': '/usr/share/wheels',\n 'abs_builddir': '/tmp/build.1',\n 'abs_srcdir': '/tmp/build.1',\n 'prefix': '/home/me/py'}\n",
            ),
            (
                "lib/python3.14/_sysconfig_vars__linux_x86_64-linux-gnu.json",
                r#"{"prefix": "/home/me/py", "LIBS": "-ldl -L/home/me/py/lib", "ONE": 1}"#,
            ),
            (
                "lib/python3.14/build-details.json",
                r#"{"base_prefix": "/home/me/py", "c_api": {"headers": "/home/me/py/include/python3.14"}}"#,
            ),
            (
                "lib/python3.14/config-3.14-x86_64-linux-gnu/Makefile",
                "prefix=\t\t/home/me/py\nOPT= -g -O3\nabs_srcdir=\t/tmp/build.1\nall:\n\tinstall -g root /home/me/py/bin\n",
            ),
            (
                "bin/python3.14-config",
                "#!/bin/sh\nprefix=\"/home/me/py\"\nLIBS=\" -ldl -L/home/me/py/lib $SYSLIBS\"\necho -g\n",
            ),
            (
                "lib/pkgconfig/python-3.14.pc",
                "prefix=/home/me/py\nlibdir=/home/me/py/lib\nLibs.private: -ldl -L/home/me/py/lib -Wl,-rpath,/home/me/py/lib\n",
            ),
        ];
        for (name, text) in files {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        std::os::unix::fs::symlink("python3.14-config", dir.path().join("bin/python3-config")).unwrap();
        dir
    }

    #[test]
    fn nothing_of_the_old_machine_remains() {
        let dir = runtime();
        relocate(dir.path(), &["/home/me/py"]).unwrap();
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        let mut all = String::new();
        for entry in walkdir::WalkDir::new(dir.path()).sort_by_file_name() {
            let entry = entry.unwrap();
            if entry.file_type().is_file() {
                let name = entry.path().strip_prefix(dir.path()).unwrap().display().to_string();
                all.push_str(&format!("== {name}\n{}", read(&name)));
            }
        }
        assert!(!all.contains("/home/me") && !all.contains("/tmp"), "{all}");
        insta::assert_snapshot!(all, @r#"
        == bin/python3.14-config
        #!/bin/sh
        prefix="/app/.heroku/python"
        LIBS=" -ldl $SYSLIBS"
        echo -g
        == lib/pkgconfig/python-3.14.pc
        prefix=${pcfiledir}/../..
        libdir=${prefix}/lib
        Libs.private: -ldl
        == lib/python3.14/_sysconfig_vars__linux_x86_64-linux-gnu.json
        {
          "prefix": "/app/.heroku/python",
          "LIBS": "-ldl",
          "ONE": 1
        }
        == lib/python3.14/_sysconfigdata__linux_x86_64-linux-gnu.py
        build_time_vars = {'LDSHARED': 'gcc -shared',
         'CFLAGS': '-DNDEBUG -O3',
         'WHEEL_PKG_DIR': '',
         'abs_builddir': '.',
         'abs_srcdir': '.',
         'prefix': '/app/.heroku/python'}
        == lib/python3.14/build-details.json
        {
          "base_prefix": "/app/.heroku/python",
          "c_api": {
            "headers": "/app/.heroku/python/include/python3.14"
          }
        }
        == lib/python3.14/config-3.14-x86_64-linux-gnu/Makefile
        prefix=		/app/.heroku/python
        OPT= -O3
        abs_srcdir=	.
        all:
        	install -g root /app/.heroku/python/bin
        "#);
        assert!(dir.path().join("bin/python3-config").is_symlink());
    }

    #[test]
    fn doing_it_twice_changes_nothing_more() {
        let dir = runtime();
        let path = dir.path().join("lib/python3.14/_sysconfigdata__linux_x86_64-linux-gnu.py");
        relocate(dir.path(), &["/home/me/py"]).unwrap();
        let once = fs::read(&path).unwrap();
        relocate(dir.path(), &["/home/me/py"]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), once);
    }

    #[test]
    fn a_runtime_without_a_standard_library_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let error = relocate(dir.path(), &["/p"]).unwrap_err();
        assert!(matches!(error, RuntimeError::Text { .. }), "{error:?}");
    }
}
