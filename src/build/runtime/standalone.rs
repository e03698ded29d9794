//! The form that every unpacked runtime is brought into: one interpreter, nothing installed, no tests, no
//! bytecode; and what python-build-standalone's archives need besides, as they remember compilers and
//! directories of the machine they were made on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::archive_error::RuntimeArchiveError;
use super::prune;
use crate::host::files::{self, FileContext, FileError};

/// Where Heroku puts the runtime, and what it says about itself.
const RUN_PREFIX: &str = "/app/.heroku/python";

/// The beginnings of names in `lib` that hold the scripts of Tcl/Tk: there is no display in a dyno.
const TCL: &[&str] = &["tcl", "tk", "itcl", "thread", "Tix"];

/// Who made the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Maker {
    /// The project python-build-standalone.
    Standalone,
    /// Not known: it is looked at.
    Unknown,
}

/// Brings an unpacked runtime into our form and returns its minor version: `3.13`. The archive's name is
/// for messages.
pub(crate) fn adopt(prefix: &Path, archive: &str, maker: Maker) -> Result<String, RuntimeArchiveError> {
    let minor = settle_interpreter(prefix, archive)?;
    let library = prefix.join("lib").join(format!("python{minor}"));
    let is_standalone = maker == Maker::Standalone || remembers_standalone(&library)?;
    files::remove_file(&library.join("EXTERNALLY-MANAGED"))?;
    empty_directory(&library.join("site-packages"))?;
    let keep = |name: &str| match is_standalone {
        true => {
            ["", "-config"].iter().any(|end| name == format!("python{minor}{end}"))
                || name == "python3-config"
        }
        false => name.starts_with("python") && !name.ends_with("-gdb.py"),
    };
    clean_bin(&prefix.join("bin"), &minor, keep)?;
    prune_library(&library, Path::new(""))?;
    for name in names_in(&prefix.join("lib"))?.iter().filter(|name| name.ends_with(".a")) {
        remove(&prefix.join("lib").join(name))?;
    }
    if is_standalone {
        prune_extras(prefix, &library)?;
        correct_build_vars(&library)?;
        correct_pkgconfig(prefix)?;
        correct_config_program(&prefix.join("bin").join(format!("python{minor}-config")))?;
    }
    Ok(minor)
}

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the pattern is right")
}

/// Finds the interpreter and makes `bin/python3.X` the program itself and not a link to it.
fn settle_interpreter(prefix: &Path, archive: &str) -> Result<String, RuntimeArchiveError> {
    let none = |problem| RuntimeArchiveError::Layout { archive: archive.to_owned(), problem };
    let bin = prefix.join("bin");
    let mut minors: Vec<u32> = names_in(&prefix.join("lib"))?
        .iter()
        .filter_map(|name| name.strip_prefix("python3.")?.parse().ok())
        .collect();
    minors.sort_unstable_by(|one, other| other.cmp(one));
    for minor in minors {
        let minor = format!("3.{minor}");
        let program = bin.join(format!("python{minor}"));
        let Some(named) = [program.clone(), bin.join("python3")].into_iter().find(|path| path.is_file())
        else {
            continue;
        };
        let real = fs::canonicalize(&named).doing("reading", &named)?;
        let real_bin = fs::canonicalize(&bin).doing("reading", &bin)?;
        if real.parent() != Some(&real_bin) {
            return Err(none("has a bin/python3 that leads out of bin"));
        }
        if real != real_bin.join(format!("python{minor}")) {
            files::remove_file(&program)?;
            files::rename(&real, &program)?;
        }
        files::set_mode(&program, 0o755)?;
        return Ok(minor);
    }
    Err(none("has no bin/python3 with a lib/python3.X beside it"))
}

/// Deletes the programs that came with the interpreter, and makes the links to it.
fn clean_bin(bin: &Path, minor: &str, keep: impl Fn(&str) -> bool) -> Result<(), FileError> {
    let entries = fs::read_dir(bin).doing("reading", bin)?;
    for entry in entries {
        let entry = entry.doing("reading", bin)?;
        let name = entry.file_name();
        let is_link = ["python", "python3"].iter().any(|link| name == *link);
        if is_link || !name.to_str().is_some_and(&keep) {
            remove(&entry.path())?;
        }
    }
    files::create_symlink(Path::new(&format!("python{minor}")), &bin.join("python3"))?;
    files::create_symlink(Path::new("python3"), &bin.join("python"))
}

/// Deletes what is copied from no interpreter either. `below` is the directory in the standard library.
fn prune_library(library: &Path, below: &Path) -> Result<(), FileError> {
    let dir = library.join(below);
    for entry in fs::read_dir(&dir).doing("reading", &dir)? {
        let entry = entry.doing("reading", &dir)?;
        let (path, relative) = (entry.path(), below.join(entry.file_name()));
        if entry.file_type().doing("reading", &path)?.is_dir() {
            // It was emptied, and is for packages.
            if relative == Path::new("site-packages") {
                continue;
            }
            match prune::keeps_directory(&relative) {
                true => prune_library(library, &relative)?,
                false => files::remove_dir_all(&path)?,
            }
        } else if !prune::keeps_file(&relative) {
            files::remove_file(&path)?;
        }
    }
    Ok(())
}

/// Deletes what python-build-standalone ships and no dyno needs.
fn prune_extras(prefix: &Path, library: &Path) -> Result<(), FileError> {
    for name in names_in(&prefix.join("lib"))? {
        let rest = TCL.iter().find_map(|tcl| name.strip_prefix(tcl));
        // `tcl8.6`, `tk9.0`, `thread2.8.9`; not `tkinter`, should it ever be here.
        if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(|first: char| first.is_ascii_digit()))
        {
            remove(&prefix.join("lib").join(name))?;
        }
    }
    for path in [prefix.join("share/terminfo"), prefix.join("share/man"), library.join("idlelib")] {
        remove(&path)?;
    }
    Ok(())
}

/// The prefix that python-build-standalone installs into, where it is a whole path or its beginning.
static INSTALL: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(^|[\s'"=:,]|-[IL])/install(/|$|[\s'":,\\])"#));

/// A variable of the build in `_sysconfigdata_*.py` or its JSON twin, up to the end of its value.
static VARIABLE: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?m)^((?:build_time_vars = )?[ {]*['"](AR|BLDSHARED|CC|CXX|LDCXXSHARED|LDSHARED|LINKCC)['"]: )((?:'[^'\n]*'|"[^"\n]*")(?:\s+(?:'[^'\n]*'|"[^"\n]*"))*)"#,
    )
});

/// A compiler of the machine that the archive was made on: at the start of a word, with or without a
/// directory, for another system or with a version.
static COMPILER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(^|[\s'"])(?:/[^\s'"]*/)?(?:musl-)?(?:[a-z0-9_]+-(?:[a-z0-9_]+-)*)?(clang\+\+|g\+\+|clang|gcc)(?:-[0-9.]+)?($|[\s'"])"#,
    )
});

static ARCHIVER: LazyLock<Regex> =
    LazyLock::new(|| pattern(r#"(^|[\s'"])(?:/[^\s'"]*/)?(?:llvm-|[a-z0-9_-]+-)?ar($|[\s'"])"#));

static SYSTEM_ROOT: LazyLock<Regex> = LazyLock::new(|| pattern(r#"\s?-isysroot\s+[^\s'"]+"#));

fn correct_build_vars(library: &Path) -> Result<(), FileError> {
    for path in build_vars(library)? {
        let text = read_text(&path)?;
        let corrected = correct_build_text(&text);
        if corrected != text {
            files::replace_contents(&path, corrected.as_bytes())?;
        }
    }
    Ok(())
}

/// Corrects the text of a file of build variables: the compilers are the ones of the machine that builds
/// an extension, and the prefix is the one that the runtime has in a dyno.
fn correct_build_text(text: &str) -> String {
    let text = SYSTEM_ROOT.replace_all(text, "");
    let text = VARIABLE.replace_all(&text, |captures: &Captures<'_>| {
        let (start, name, value) = (&captures[1], &captures[2], &captures[3]);
        let value = if name == "AR" {
            ARCHIVER.replace_all(value, "${1}ar${2}")
        } else {
            COMPILER.replace_all(value, |captures: &Captures<'_>| {
                let compiler = if captures[2].ends_with("++") { "c++" } else { "cc" };
                format!("{}{compiler}{}", &captures[1], &captures[3])
            })
        };
        format!("{start}{value}")
    });
    // Twice: neighbours share the space between them, and a match takes it.
    let replace = |text: &str| INSTALL.replace_all(text, format!("${{1}}{RUN_PREFIX}${{2}}")).into_owned();
    let text = replace(&replace(&text));
    const START: &str = "build_time_vars = {";
    if text.contains(START) && !text.contains("PYTHON_BUILD_STANDALONE") {
        return text.replacen(START, &format!("{START}'PYTHON_BUILD_STANDALONE': 1,\n "), 1);
    }
    text
}

/// Makes the pkg-config files find themselves.
fn correct_pkgconfig(prefix: &Path) -> Result<(), FileError> {
    let dir = prefix.join("lib/pkgconfig");
    for name in names_in(&dir)?.iter().filter(|name| name.ends_with(".pc")) {
        let path = dir.join(name);
        // Half of them are links to the other half.
        if !fs::symlink_metadata(&path).doing("reading", &path)?.is_file() {
            continue;
        }
        let text = read_text(&path)?;
        let lines = text.split_inclusive('\n').map(|line| match line.trim_end() {
            "prefix=/install" => line.replacen("/install", "${pcfiledir}/../..", 1),
            _ => line.to_owned(),
        });
        let corrected: String = lines.collect();
        if corrected != text {
            files::replace_contents(&path, corrected.as_bytes())?;
        }
    }
    Ok(())
}

/// python-build-standalone lets every script in `bin` be run by Python, `python3.X-config` too, which some versions of Python
/// write in the shell's language.
fn correct_config_program(path: &Path) -> Result<(), FileError> {
    if !path.is_file() {
        return Ok(());
    }
    let text = read_text(path)?;
    let is_shell = text.contains("\nexit_with_usage ()");
    let is_wrong = |line: &str| line.starts_with("\"exec\" \"$(dirname");
    if is_shell && text.lines().any(is_wrong) {
        let corrected: String = text.split_inclusive('\n').filter(|line| !is_wrong(line)).collect();
        files::replace_contents(path, corrected.as_bytes())?;
    }
    Ok(())
}

/// Returns whether the build variables are python-build-standalone's.
fn remembers_standalone(library: &Path) -> Result<bool, FileError> {
    for path in build_vars(library)? {
        let text = read_text(&path)?;
        if text.contains("PYTHON_BUILD_STANDALONE") || INSTALL.is_match(&text) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns the files that hold what the interpreter was built with.
fn build_vars(library: &Path) -> Result<Vec<PathBuf>, FileError> {
    let is_one = |name: &&String| {
        name.starts_with("_sysconfigdata_") && name.ends_with(".py")
            || name.starts_with("_sysconfig_vars_") && name.ends_with(".json")
            || name.as_str() == "build-details.json"
    };
    let names = names_in(library)?;
    let paths = names.iter().filter(is_one).map(|name| library.join(name));
    Ok(paths.filter(|path| fs::symlink_metadata(path).is_ok_and(|found| found.is_file())).collect())
}

/// Returns the names in a directory, sorted; none if there is no directory, and without those that aren't
/// UTF-8, as none that is looked for is such a one.
fn names_in(dir: &Path) -> Result<Vec<String>, FileError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        other => other.doing("reading", dir)?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.doing("reading", dir)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

/// Reads a text; one that isn't UTF-8 holds nothing to be found or corrected.
fn read_text(path: &Path) -> Result<String, FileError> {
    let bytes = fs::read(path).doing("reading", path)?;
    Ok(String::from_utf8(bytes).unwrap_or_default())
}

fn empty_directory(dir: &Path) -> Result<(), FileError> {
    remove(dir)?;
    files::create_dir_all(dir)
}

/// Deletes whatever this is, if it is there.
fn remove(path: &Path) -> Result<(), FileError> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => files::remove_dir_all(path),
        _ => files::remove_file(path),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::error::{ErrorCode, UserError};

    /// Makes files (`name=content`), links (`name -> target`) and directories (`name/`).
    fn tree(entries: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for entry in entries {
            let (name, link, content) = match (entry.split_once(" -> "), entry.split_once('=')) {
                (Some((name, target)), _) => (name, Some(target), ""),
                (None, Some((name, content))) => (name, None, content),
                (None, None) => (*entry, None, "x"),
            };
            let path = dir.path().join(name);
            if name.ends_with('/') {
                fs::create_dir_all(path).unwrap();
                continue;
            }
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match link {
                Some(target) => symlink(target, path).unwrap(),
                None => fs::write(path, content).unwrap(),
            }
        }
        dir
    }

    /// Lists files and links, and directories that are empty.
    fn list(root: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in walkdir::WalkDir::new(root).sort_by_file_name() {
            let entry = entry.unwrap();
            let name = entry.path().strip_prefix(root).unwrap().display().to_string();
            if entry.file_type().is_symlink() {
                found.push(format!("{name} -> {}", fs::read_link(entry.path()).unwrap().display()));
            } else if entry.file_type().is_file() {
                found.push(name);
            } else if fs::read_dir(entry.path()).unwrap().count() == 0 {
                found.push(format!("{name}/"));
            }
        }
        found
    }

    // B16
    #[test]
    fn a_standalone_archive_is_brought_into_form() {
        let dir = tree(&[
            "bin/2to3",
            "bin/idle3",
            "bin/pip3",
            "bin/python -> python3.13",
            "bin/python3 -> python3.13",
            "bin/python3-config -> python3.13-config",
            "bin/python3.13",
            "bin/python3.13-config",
            "include/python3.13/Python.h",
            "lib/Tix8.4.3/Init.tcl",
            "lib/itcl4.2.4/itcl.tcl",
            "lib/libpython3.13.a",
            "lib/python3.13/lib-dynload/_ctypes.cpython-313-x86_64-linux-gnu.so",
            "lib/python3.13/lib-dynload/_testcapi.cpython-313-x86_64-linux-gnu.so",
            "lib/libpython3.13.so.1.0",
            "lib/pkgconfig/python-3.13.pc=prefix=/install\nlibdir=${prefix}/lib\n",
            "lib/pkgconfig/python3.pc -> python-3.13.pc",
            "lib/python3.13/EXTERNALLY-MANAGED",
            "lib/python3.13/__pycache__/os.cpython-313.pyc",
            "lib/python3.13/config-3.13-x86_64-linux-gnu/Makefile",
            "lib/python3.13/config-3.13-x86_64-linux-gnu/libpython3.13.a",
            "lib/python3.13/idlelib/idle.py",
            "lib/python3.13/lib2to3/tests/test_all.py",
            "lib/python3.13/os.py",
            "lib/python3.13/site-packages/pip/__init__.py",
            "lib/python3.13/site-packages/x.pth",
            "lib/python3.13/test/test_os.py",
            "lib/python3.13/tkinter/__init__.py",
            "lib/python3.13/unittest/case.py",
            "lib/tcl8.6/init.tcl",
            "lib/tcl8/8.4/x.tm",
            "lib/thread2.8.9/x",
            "lib/tk8.6/tk.tcl",
            "share/man/man1/python3.13.1",
            "share/terminfo/x/xterm",
        ]);
        assert_eq!(adopt(dir.path(), "a.tar.gz", Maker::Standalone).unwrap(), "3.13");
        assert_eq!(
            list(dir.path()),
            [
                "bin/python -> python3",
                "bin/python3 -> python3.13",
                "bin/python3-config -> python3.13-config",
                "bin/python3.13",
                "bin/python3.13-config",
                "include/python3.13/Python.h",
                "lib/libpython3.13.so.1.0",
                "lib/pkgconfig/python-3.13.pc",
                "lib/pkgconfig/python3.pc -> python-3.13.pc",
                "lib/python3.13/config-3.13-x86_64-linux-gnu/Makefile",
                "lib/python3.13/lib-dynload/_ctypes.cpython-313-x86_64-linux-gnu.so",
                "lib/python3.13/lib2to3/",
                "lib/python3.13/os.py",
                "lib/python3.13/site-packages/",
                "lib/python3.13/tkinter/__init__.py",
                "lib/python3.13/unittest/case.py",
                "share/",
            ]
        );
        let pkgconfig = fs::read_to_string(dir.path().join("lib/pkgconfig/python-3.13.pc")).unwrap();
        assert_eq!(pkgconfig, "prefix=${pcfiledir}/../..\nlibdir=${prefix}/lib\n");
        assert_eq!(
            fs::metadata(dir.path().join("bin/python3.13")).unwrap().permissions().mode() & 0o777,
            0o755
        );
        // A second time changes nothing.
        let before = list(dir.path());
        adopt(dir.path(), "a.tar.gz", Maker::Standalone).unwrap();
        assert_eq!(list(dir.path()), before);
    }

    #[test]
    fn an_archive_of_another_maker_keeps_its_idle() {
        let heroku = [
            "bin/python3 -> python3.12",
            "bin/python3-config -> python3.12-config",
            "bin/python3.12",
            "bin/python3.12-config",
            "lib/python3.12/idlelib/idle.py",
        ];
        let dir = tree(&heroku);
        fs::write(dir.path().join("bin/python3.12-gdb.py"), "x").unwrap();
        adopt(dir.path(), "a.tar.zst", Maker::Unknown).unwrap();
        let expected = [&["bin/python -> python3"], &heroku[..], &["lib/python3.12/site-packages/"]].concat();
        assert_eq!(list(dir.path()), expected);

        // What it remembers tells python-build-standalone's from others.
        fs::write(
            dir.path().join("lib/python3.12/_sysconfigdata__linux_x86_64-linux-gnu.py"),
            "build_time_vars = {'prefix': '/install'}\n",
        )
        .unwrap();
        adopt(dir.path(), "a.tar.zst", Maker::Unknown).unwrap();
        assert!(!dir.path().join("lib/python3.12/idlelib").exists());
        assert!(dir.path().join("bin/python3.12-config").exists());
    }

    #[test]
    fn the_program_has_the_full_name_whatever_it_had() {
        for entries in [
            &["bin/python3", "lib/python3.13/os.py"][..],
            &["bin/python3", "bin/python3.13 -> python3", "lib/python3.13/os.py"],
            &["bin/real", "bin/python3 -> real", "lib/python3.13/os.py"],
            &["bin/python3.13", "lib/python3.13/os.py", "lib/python3.9/left-over", "lib/python3/x"],
        ] {
            let dir = tree(entries);
            assert_eq!(adopt(dir.path(), "a", Maker::Standalone).unwrap(), "3.13", "{entries:?}");
            let bin: Vec<String> = list(&dir.path().join("bin"));
            assert_eq!(bin, ["python -> python3", "python3 -> python3.13", "python3.13"], "{entries:?}");
        }
        for entries in [
            &["lib/python3.13/os.py"][..],
            &["bin/python3"],
            &["bin/python3 -> ../other/python3", "other/python3", "lib/python3.13/os.py"],
            &["bin/python3 -> missing", "lib/python3.13/os.py"],
        ] {
            let error = adopt(tree(entries).path(), "a", Maker::Unknown).unwrap_err();
            assert_eq!(error.code(), ErrorCode::PythonArchive, "{entries:?}");
        }
    }

    #[test]
    fn the_build_variables_name_no_directory_or_compiler_of_another_machine() {
        let text = r#"# system configuration generated and used by the sysconfig module
build_time_vars = {'ABIFLAGS': '',
 'AR': '/tools/llvm/bin/llvm-ar',
 'ARFLAGS': 'rcs',
 'BINDIR': '/install/bin',
 'BLDSHARED': '/usr/bin/x86_64-linux-gnu-gcc -pthread -shared',
 'CC': 'clang -pthread',
 'CFLAGS': '-DNDEBUG -I/install/include -isysroot /Applications/SDK -O3 '
           '-I/install/include/x -L/install/lib',
 'CONFIG_ARGS': "'--prefix=/install' '--with-x=/installed/y' 'CC=clang'",
 'CXX': 'clang++ -pthread',
 'LDCXXSHARED': 'musl-clang++ -pthread -shared',
 'LDSHARED': '/tools/llvm/bin/clang-18 -pthread '
             '-shared -fuse-ld=lld',
 'LINKCC': 'aarch64-linux-gnu-gcc',
 'MAINCC': 'clang',
 'PATHS': '/install /install /install:/install/x /srv/install',
 'SIZEOF': 8,
 'prefix': '/install'}
"#;
        let expected = r#"# system configuration generated and used by the sysconfig module
build_time_vars = {'PYTHON_BUILD_STANDALONE': 1,
 'ABIFLAGS': '',
 'AR': 'ar',
 'ARFLAGS': 'rcs',
 'BINDIR': '/app/.heroku/python/bin',
 'BLDSHARED': 'cc -pthread -shared',
 'CC': 'cc -pthread',
 'CFLAGS': '-DNDEBUG -I/app/.heroku/python/include -O3 '
           '-I/app/.heroku/python/include/x -L/app/.heroku/python/lib',
 'CONFIG_ARGS': "'--prefix=/app/.heroku/python' '--with-x=/installed/y' 'CC=clang'",
 'CXX': 'c++ -pthread',
 'LDCXXSHARED': 'c++ -pthread -shared',
 'LDSHARED': 'cc -pthread '
             '-shared -fuse-ld=lld',
 'LINKCC': 'cc',
 'MAINCC': 'clang',
 'PATHS': '/app/.heroku/python /app/.heroku/python /app/.heroku/python:/app/.heroku/python/x /srv/install',
 'SIZEOF': 8,
 'prefix': '/app/.heroku/python'}
"#;
        assert_eq!(correct_build_text(text), expected);
        assert_eq!(correct_build_text(expected), expected);
        let json = "{\n  \"AR\": \"/tools/llvm/bin/llvm-ar\",\n  \"CC\": \"clang -pthread\",\n  \"LIBDIR\": \"/install/lib\"\n}\n";
        assert_eq!(
            correct_build_text(json),
            "{\n  \"AR\": \"ar\",\n  \"CC\": \"cc -pthread\",\n  \"LIBDIR\": \"/app/.heroku/python/lib\"\n}\n"
        );
    }

    // D42
    #[test]
    fn a_config_program_for_a_shell_is_run_by_a_shell() {
        const START: &str = "#!/bin/sh\n\"exec\" \"$(dirname $0)/python3.9\" \"$0\" \"$@\"\n";
        let shell = "exit_with_usage ()\n{\n    exit 1\n}\n";
        for (text, expected) in [
            (format!("{START}\n{shell}"), format!("#!/bin/sh\n\n{shell}")),
            (format!("{START}import sysconfig\n"), format!("{START}import sysconfig\n")),
            (format!("#!/bin/sh\n\n{shell}"), format!("#!/bin/sh\n\n{shell}")),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("python3.9-config");
            fs::write(&path, &text).unwrap();
            correct_config_program(&path).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), expected, "{text}");
        }
        correct_config_program(Path::new("/none")).unwrap();
    }
}
