//! Makes a runtime from an interpreter of this machine: what belongs to Python is copied, stripped and made
//! to run from any directory.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use walkdir::WalkDir;

use super::elf::{OldPaths, Relocated};
use super::error::RuntimeError;
use super::probe::HostInterpreter;
use super::{debian, elf, prune, sysconfig};
use crate::env::Env;
use crate::host::elf::{is_linked, needed};
use crate::host::files::{self, FileContext, FileError};
use crate::output::Output;

/// Changes when the same interpreter would give another copy: to be part of a runtime's key.
pub(crate) const COPY_RULES: u32 = 2;

/// The files of a copy: where each goes, relative to the prefix, and where it comes from.
type Files = BTreeMap<PathBuf, PathBuf>;

/// Copies an interpreter into a new directory, from where it can be moved anywhere. Packages that were
/// installed into it, its tests, bytecode and debugging information stay behind. The same interpreter
/// gives the same names, bytes, modes and links each time.
pub(crate) fn copy_runtime(
    interpreter: &HostInterpreter,
    prefix: &Path,
    env: &Env,
    output: &Output,
) -> Result<(), RuntimeError> {
    let failed = |source| RuntimeError::Copy {
        version: interpreter.version.to_string(),
        prefix: interpreter.prefix.clone(),
        source,
    };
    let mut files = list_files(interpreter).map_err(failed)?;
    let mut own: BTreeSet<OsString> = files
        .keys()
        .filter(|to| to.parent() == Some(Path::new("lib")))
        .filter_map(|to| file_name(to))
        .collect();
    let progress = output.progress("Copying Python", None);
    let mut needed = BTreeSet::new();
    files::create_dir_all(prefix).map_err(failed)?;
    while !files.is_empty() {
        make_dirs(&files, prefix).map_err(failed)?;
        let prepared = files
            .par_iter()
            .map(|(to, from)| {
                env.interrupt.check()?;
                let Relocated { bytes, companions, needed } =
                    prepare(from, to, prefix, &own).map_err(|error| error.or(failed))?;
                progress.add(bytes.len() as u64);
                write(&prefix.join(to), from, &bytes).map_err(failed)?;
                Ok((companions, needed))
            })
            .collect::<Result<Vec<_>, RuntimeError>>()?;
        let (companions, names): (Vec<_>, Vec<_>) = prepared.into_iter().unzip();
        needed.extend(names.into_iter().flatten());
        // What a library needs can need something in its turn.
        files = companions
            .into_iter()
            .flatten()
            .filter_map(|from| file_name(&from).map(|name| (Path::new("lib").join(name), from)))
            .filter(|(to, _)| file_name(to).is_some_and(|name| own.insert(name)))
            .collect();
    }
    drop(progress);
    output.detail(describe_needs(&needed, &own));
    finish(interpreter, prefix)
}

/// Says what a copy finds only on the stack: it runs where that is.
fn describe_needs(needed: &BTreeSet<OsString>, own: &BTreeSet<OsString>) -> String {
    // Those of the C library and of the compiler are wherever a C library is.
    const BASE: &[&str] =
        &["libc.", "libm.", "libdl.", "libpthread.", "librt.", "libutil.", "libgcc_s.", "ld-linux"];
    let names = needed.difference(own).map(|name| name.to_string_lossy());
    let names: Vec<_> = names.filter(|name| !BASE.iter().any(|base| name.starts_with(base))).collect();
    let others = if names.is_empty() { String::new() } else { format!(", and has {}", names.join(", ")) };
    format!("The copy runs on stacks whose C library is at least as new as this machine's{others}.")
}

fn file_name(path: &Path) -> Option<OsString> {
    path.file_name().map(OsString::from)
}

/// Lists what is copied.
fn list_files(interpreter: &HostInterpreter) -> Result<Files, FileError> {
    let HostInterpreter { executable, prefix, stdlib, libpython, include, pkgconfig, wheels, .. } =
        interpreter;
    let name = interpreter.name();
    let version = name.trim_start_matches("python");
    let library = Path::new("lib").join(&name);
    let mut files = Files::new();
    let mut add = |to: PathBuf, from: PathBuf| {
        if from.is_file() {
            files.insert(to, from);
        }
    };
    add(Path::new("bin").join(&name), executable.clone());
    let config = format!("{name}-config");
    add(Path::new("bin").join(&config), executable.with_file_name(&config));
    let manual = format!("share/man/man1/{name}.1");
    add(PathBuf::from(&manual), prefix.join(&manual));
    if let Some(libpython) = libpython {
        let name = libpython.file_name().unwrap_or_default();
        add(Path::new("lib").join(name), libpython.clone());
        // There is one for all versions that are installed in a prefix.
        let stable = libpython.with_file_name("libpython3.so");
        let is_own = fs::read(&stable).is_ok_and(|bytes| {
            needed(&bytes).is_ok_and(|needed| needed.iter().any(|needed| needed == name.as_encoded_bytes()))
        });
        if is_own {
            add(PathBuf::from("lib/libpython3.so"), stable);
        }
    }
    for file in pkgconfig
        .iter()
        .flat_map(|dir| ["", "-embed"].map(|kind| dir.join(format!("python-{version}{kind}.pc"))))
    {
        add(Path::new("lib/pkgconfig").join(file.file_name().unwrap_or_default()), file);
    }
    list_directory(stdlib, &library, &mut files, prune::keeps_directory, prune::keeps_file)?;
    if let Some(include) = include {
        let to = Path::new("include").join(&name);
        list_directory(include, &to, &mut files, |_| true, |_| true)?;
        // Debian's own one only includes that of the machine.
        let of_machine = prefix.join("include").join(&interpreter.multiarch).join(&name).join("pyconfig.h");
        if interpreter.is_debian && of_machine.is_file() {
            files.insert(to.join("pyconfig.h"), of_machine);
        }
    }
    let bundled = library.join("ensurepip/_bundled");
    if let Some(wheels) = wheels.as_ref().filter(|_| !files.keys().any(|to| to.starts_with(&bundled))) {
        list_directory(wheels, &bundled, &mut files, |_| false, is_installer_wheel)?;
    }
    Ok(files)
}

fn is_installer_wheel(name: &Path) -> bool {
    let name = name.to_string_lossy();
    name.ends_with(".whl") && ["pip-", "setuptools-"].iter().any(|package| name.starts_with(package))
}

/// Lists the files below a directory. A link to a file counts as that file, as Debian has them into `/etc`;
/// one to a directory, or to nothing, doesn't count.
fn list_directory(
    from: &Path,
    to: &Path,
    files: &mut Files,
    keeps_directory: impl Fn(&Path) -> bool,
    keeps_file: impl Fn(&Path) -> bool,
) -> Result<(), FileError> {
    let relative = |path: &Path| path.strip_prefix(from).unwrap_or(path).to_owned();
    let entries = WalkDir::new(from).min_depth(1).into_iter().filter_entry(|entry| {
        let path = relative(entry.path());
        if entry.file_type().is_dir() { keeps_directory(&path) } else { keeps_file(&path) }
    });
    for entry in entries {
        let entry = entry.map_err(std::io::Error::from).doing("reading", from)?;
        let is_file = entry.file_type().is_file() || entry.path_is_symlink() && entry.path().is_file();
        if is_file {
            files.insert(to.join(relative(entry.path())), entry.path().to_owned());
        }
    }
    Ok(())
}

fn make_dirs(files: &Files, prefix: &Path) -> Result<(), FileError> {
    let dirs: BTreeSet<&Path> = files.keys().filter_map(|to| to.parent()).collect();
    dirs.into_iter().try_for_each(|dir| files::create_dir_all(&prefix.join(dir)))
}

/// Why a file of the original can't go into the copy.
enum PrepareError {
    File(FileError),
    Other(RuntimeError),
}

impl PrepareError {
    fn or(self, failed: impl Fn(FileError) -> RuntimeError) -> RuntimeError {
        match self {
            Self::File(error) => failed(error),
            Self::Other(error) => error,
        }
    }
}

/// Reads a file of the original and makes it what it is in the copy.
fn prepare(
    from: &Path,
    to: &Path,
    prefix: &Path,
    own: &BTreeSet<OsString>,
) -> Result<Relocated, PrepareError> {
    let bytes = fs::read(from).doing("reading", from).map_err(PrepareError::File)?;
    if !is_linked(&bytes) {
        return Ok(Relocated { bytes, companions: BTreeSet::new(), needed: BTreeSet::new() });
    }
    elf::relocate(&bytes, from, to, own, OldPaths::Leave)
        .map_err(|source| PrepareError::Other(RuntimeError::Elf { path: prefix.join(to), source }))
}

/// Writes a new file, whose mode only depends on whether the original can be run.
fn write(to: &Path, from: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let is_executable = fs::metadata(from).doing("reading", from)?.permissions().mode() & 0o111 != 0;
    files::create_file(to)?.write_all(bytes).doing("writing", to)?;
    files::set_mode(to, if is_executable { 0o755 } else { 0o644 })
}

/// Adds what no file of the original is: links, a place for packages, its own idea of where it is.
fn finish(interpreter: &HostInterpreter, prefix: &Path) -> Result<(), RuntimeError> {
    let name = interpreter.name();
    let library = prefix.join("lib").join(&name);
    files::create_dir_all(&library.join("site-packages")).map_err(RuntimeError::File)?;
    for (link, target) in links(interpreter) {
        let link = prefix.join(link);
        if link.with_file_name(&target).exists() {
            files::create_symlink(Path::new(&target), &link).map_err(RuntimeError::File)?;
        }
    }
    if interpreter.is_debian {
        debian::make_ordinary(interpreter, &library)?;
    }
    let old = interpreter.prefix.to_string_lossy();
    sysconfig::relocate(prefix, &[&old])?;
    for entry in WalkDir::new(prefix).min_depth(1) {
        let entry =
            entry.map_err(std::io::Error::from).doing("reading", prefix).map_err(RuntimeError::File)?;
        if entry.file_type().is_dir() {
            // What the umask left of it.
            files::set_mode(entry.path(), 0o755).map_err(RuntimeError::File)?;
        }
    }
    Ok(())
}

/// Returns the links of a runtime, and the names beside them that they lead to.
fn links(interpreter: &HostInterpreter) -> Vec<(String, String)> {
    let name = interpreter.name();
    let version = name.trim_start_matches("python");
    let mut links = vec![
        ("bin/python3".to_owned(), name.clone()),
        ("bin/python".to_owned(), "python3".to_owned()),
        ("bin/python3-config".to_owned(), format!("{name}-config")),
        ("share/man/man1/python3.1".to_owned(), format!("{name}.1")),
        ("lib/pkgconfig/python3.pc".to_owned(), format!("python-{version}.pc")),
        ("lib/pkgconfig/python3-embed.pc".to_owned(), format!("python-{version}-embed.pc")),
    ];
    if let Some(library) = interpreter.libpython.as_deref().and_then(file_name) {
        let library = library.to_string_lossy().into_owned();
        // What the linker looks for.
        links.push((format!("lib/lib{name}.so"), library));
    }
    links
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::super::discover::discover;
    use super::super::self_test::{describe_test, judge_answer, self_test};
    use super::*;
    use crate::host::process::{Invocation, RunError, capture};
    use crate::store::Store;

    // B17
    #[test]
    fn what_a_copy_needs_of_the_stack_is_listed_without_the_c_library() {
        let names = |names: &[&str]| names.iter().map(OsString::from).collect::<BTreeSet<_>>();
        const START: &str = "The copy runs on stacks whose C library is at least as new as this machine's";
        for (needed, own, expected) in [
            (&["libc.so.6", "libm.so.6", "ld-linux-x86-64.so.2"][..], &[][..], "."),
            (
                &["libc.so.6", "libsqlite3.so.0", "libffi.so.8"],
                &[],
                ", and has libffi.so.8, libsqlite3.so.0.",
            ),
            (
                &["libpython3.13.so.1.0", "libexpat.so.1"],
                &["libpython3.13.so.1.0"],
                ", and has libexpat.so.1.",
            ),
            (&["libcrypt.so.1", "libdl.so.2"], &[], ", and has libcrypt.so.1."),
        ] {
            assert_eq!(
                describe_needs(&names(needed), &names(own)),
                format!("{START}{expected}"),
                "{needed:?}"
            );
        }
    }

    /// Whatever this machine has.
    static INTERPRETERS: LazyLock<Vec<HostInterpreter>> = LazyLock::new(|| {
        let store = tempfile::tempdir().unwrap();
        let store = Store::open(store.path()).unwrap();
        let found = discover(&Env::capture(), &store, &Output::silent()).unwrap();
        if found.is_empty() {
            eprintln!("skipped: this machine has no Python that can be copied");
        }
        found
    });

    fn run(invocation: &Invocation) -> Result<String, RunError> {
        capture(invocation, &Env::for_tests(&[]), &Output::silent()).map(|captured| captured.text())
    }

    fn copy(interpreter: &HostInterpreter, prefix: &Path) {
        copy_runtime(interpreter, prefix, &Env::for_tests(&[]), &Output::silent()).unwrap();
    }

    /// Copies, and moves the copy twice.
    fn moved_copy(interpreter: &HostInterpreter, root: &Path) -> PathBuf {
        let (first, second, last) = (root.join("first"), root.join("b/a/second"), root.join("last place"));
        copy(interpreter, &first);
        fs::create_dir_all(second.parent().unwrap()).unwrap();
        fs::rename(&first, &second).unwrap();
        fs::rename(&second, &last).unwrap();
        fs::canonicalize(last).unwrap()
    }

    /// Lets a program run where the original can't be found, in a mount namespace of its own.
    fn hidden(interpreter: &HostInterpreter, empty: &Path, invocation: Invocation) -> Invocation {
        const SCRIPT: &str = r#"
            empty=$1; shift
            while [ "$1" != -- ]; do
                if [ -d "$1" ]; then mount --bind "$empty" "$1"; else mount --bind /dev/null "$1"; fi || exit 99
                shift
            done
            shift
            exec "$@""#;
        let HostInterpreter { executable, prefix, stdlib, libpython, include, .. } = interpreter;
        let hide: Vec<PathBuf> = if prefix == Path::new("/usr") {
            let of_machine = prefix.join("include").join(&interpreter.multiarch).join(interpreter.name());
            let parts =
                [Some(executable), Some(stdlib), libpython.as_ref(), include.as_ref(), Some(&of_machine)];
            parts.into_iter().flatten().filter(|part| part.exists()).cloned().collect()
        } else {
            vec![prefix.clone()]
        };
        let Invocation { program, args, current_dir, env, stdin, carrier: _ } = invocation;
        let mut outer = Invocation::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT, "sh"])
            .arg(empty)
            .args(hide)
            .arg("--")
            .arg(program)
            .args(args)
            .current_dir(current_dir)
            .stdin(stdin);
        outer.env = env;
        // Only `unshare` itself is looked up on it.
        outer.env.entry("PATH".into()).or_insert("/usr/sbin:/usr/bin:/sbin:/bin".into());
        outer
    }

    fn can_hide() -> bool {
        let unshare = Invocation::new("unshare")
            .args(["--user", "--map-root-user", "--mount", "true"])
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let can = run(&unshare).is_ok();
        if !can {
            eprintln!("skipped in part: mount namespaces aren't permitted here");
        }
        can
    }

    #[test]
    fn a_copy_works_after_two_moves_with_the_original_hidden() {
        let can_hide = can_hide();
        for interpreter in &*INTERPRETERS {
            let root = tempfile::tempdir().unwrap();
            let prefix = moved_copy(interpreter, root.path());
            let (env, output) = (Env::for_tests(&[]), Output::silent());
            self_test(&prefix, &interpreter.modules, &env, &output).unwrap();
            if let Some(libpython) = &interpreter.libpython {
                // The variable names a library of the same name, and the copy's own is loaded.
                let other = describe_test(&prefix, &interpreter.modules)
                    .env("LD_LIBRARY_PATH", libpython.parent().unwrap());
                judge_answer(&prefix, &prefix, &run(&other).unwrap()).unwrap();
            }
            if !can_hide {
                continue;
            }
            let empty = tempfile::tempdir().unwrap();
            let hide = |invocation| hidden(interpreter, empty.path(), invocation);
            let original = Invocation::new(&interpreter.executable).args(["-c", "import ssl"]);
            assert!(run(&hide(original)).is_err(), "{}: it isn't hidden", interpreter.executable.display());
            let answer = run(&hide(describe_test(&prefix, &interpreter.modules))).unwrap();
            judge_answer(&prefix, &prefix, &answer).unwrap();

            let wheels = prefix.join("lib").join(interpreter.name()).join("ensurepip/_bundled");
            let pip = fs::read_dir(wheels).into_iter().flatten().flatten().map(|entry| entry.path());
            match pip.into_iter().find(|wheel| wheel.to_string_lossy().contains("/pip-")) {
                Some(wheel) => {
                    let pip = Invocation::new(prefix.join("bin/python"))
                        .args(["-I", "-B"])
                        .arg(wheel.join("pip"))
                        .arg("--version");
                    let version = run(&hide(pip)).unwrap();
                    assert!(version.starts_with("pip "), "{version}");
                }
                None => eprintln!("skipped: {} has no wheel of pip", interpreter.executable.display()),
            }
            eprintln!("{}: works", interpreter.executable.display());
        }
    }

    /// Everything about a tree that an archive would hold.
    fn contents(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
        let mut found = BTreeMap::new();
        for entry in WalkDir::new(root) {
            let entry = entry.unwrap();
            let bytes = match entry.file_type() {
                kind if kind.is_symlink() => {
                    fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes()
                }
                kind if kind.is_file() => fs::read(entry.path()).unwrap(),
                _ => Vec::new(),
            };
            let mode = fs::symlink_metadata(entry.path()).unwrap().permissions().mode();
            found.insert(entry.path().strip_prefix(root).unwrap().to_owned(), (mode, bytes));
        }
        found
    }

    #[test]
    fn two_copies_are_identical() {
        for interpreter in &*INTERPRETERS {
            let root = tempfile::tempdir().unwrap();
            let (one, two) = (root.path().join("one"), root.path().join("a/longer/path/two"));
            copy(interpreter, &one);
            copy(interpreter, &two);
            let (one, two) = (contents(&one), contents(&two));
            assert!(one.len() > 500, "{}", one.len());
            assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
            for (path, content) in &one {
                assert!(two[path] == *content, "{}", path.display());
            }
        }
    }

    #[test]
    fn a_copy_that_loads_the_originals_library_is_found_out() {
        for interpreter in &*INTERPRETERS {
            let bytes = fs::read(&interpreter.executable).unwrap();
            let run_path = crate::host::elf::run_path(&bytes).unwrap().unwrap_or_default();
            if !run_path.starts_with(b"/") {
                continue;
            }
            let root = tempfile::tempdir().unwrap();
            copy(interpreter, root.path());
            fs::copy(&interpreter.executable, root.path().join("bin").join(interpreter.name())).unwrap();
            let (env, output) = (Env::for_tests(&[]), Output::silent());
            let error = self_test(root.path(), &interpreter.modules, &env, &output).unwrap_err();
            assert!(matches!(error, RuntimeError::ForeignFile { .. }), "{error}");
        }
    }

    #[test]
    fn a_copy_holds_nothing_of_this_machine_and_no_packages() {
        let home = Env::capture().home().unwrap_or_else(|| "/home".into());
        let machine = format!("/tmp/|/build/|/home/|{}/", regex::escape(&home.to_string_lossy()));
        let machine = regex::bytes::Regex::new(&format!(r"[^\w.)](?:{machine})| -g ")).unwrap();
        for interpreter in &*INTERPRETERS {
            let root = tempfile::tempdir().unwrap();
            let prefix = root.path().join("python");
            copy(interpreter, &prefix);
            let packages = Path::new("lib").join(interpreter.name()).join("site-packages");
            let contents = contents(&prefix);
            for (path, (mode, bytes)) in &contents {
                let name = path.display().to_string();
                assert!(!name.contains("__pycache__") && !name.ends_with(".a"), "{name}");
                assert!(path.parent() != Some(&packages), "{name}");
                assert!([0o755, 0o644, 0o777].contains(&(mode & 0o777)), "{name}: {mode:o}");
                if is_linked(bytes) {
                    let run_path = crate::host::elf::run_path(bytes).unwrap().unwrap_or_default();
                    assert!(run_path.is_empty() || run_path.starts_with(b"$ORIGIN"), "{name}");
                } else if name.ends_with(".pc")
                    || ["_sysconfig", "-config", "Makefile"].iter().any(|part| name.contains(part))
                {
                    let found = machine.find(bytes).map(|found| String::from_utf8_lossy(found.as_bytes()));
                    assert_eq!(found, None, "{name}");
                }
            }
            let size: usize = contents.values().map(|(_, bytes)| bytes.len()).sum();
            assert!((10_000_000..60_000_000).contains(&size), "{size}");
            assert_eq!(contents[Path::new("bin/python")].1, b"python3");
            assert_eq!(contents[Path::new("bin/python3")].1, interpreter.name().as_bytes());
        }
    }

    #[test]
    fn c_code_builds_against_a_copy_and_runs() {
        if run(&Invocation::new("gcc").arg("--version").env("PATH", "/usr/bin:/bin")).is_err() {
            eprintln!("skipped: gcc isn't there");
            return;
        }
        let can_hide = can_hide();
        for interpreter in &*INTERPRETERS {
            let root = tempfile::tempdir().unwrap();
            let prefix = root.path().join("python");
            copy(interpreter, &prefix);
            let prefix = fs::canonicalize(prefix).unwrap();
            if !prefix.join("bin/python3-config").exists() || interpreter.include.is_none() {
                eprintln!("skipped: {} has no headers", interpreter.executable.display());
                continue;
            }
            let empty = tempfile::tempdir().unwrap();
            let hide = |invocation| {
                if can_hide { hidden(interpreter, empty.path(), invocation) } else { invocation }
            };
            let work = root.path().join("work");
            fs::create_dir(&work).unwrap();
            fs::write(work.join("answer.c"), EXTENSION).unwrap();
            fs::write(work.join("embed.c"), EMBEDDER).unwrap();
            let built = run(&hide(
                Invocation::new("sh")
                    .args(["-ec", BUILD, "sh"])
                    .arg(&prefix)
                    .current_dir(&work)
                    .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
            ));
            let built = built.unwrap_or_else(|error| panic!("{error}: {}", error.text()));
            assert_eq!(built, "42\nembedded 42", "{}", interpreter.executable.display());
            let bytes = fs::read(work.join("answer.so")).unwrap();
            assert_eq!(crate::host::elf::run_path(&bytes).unwrap(), None);
            let place = work.as_os_str().as_encoded_bytes();
            assert!(!bytes.windows(place.len()).any(|window| window == place), "the build's path is in it");
        }
    }

    const EXTENSION: &str = r#"
        #include <Python.h>
        static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "answer", NULL, -1, NULL};
        PyMODINIT_FUNC PyInit_answer(void) {
            PyObject *made = PyModule_Create(&module);
            PyModule_AddIntConstant(made, "answer", 42);
            return made;
        }"#;

    const EMBEDDER: &str = r#"
        #include <Python.h>
        int main(void) {
            Py_Initialize();
            int failed = PyRun_SimpleString("import answer, ssl; print('embedded', answer.answer)");
            return Py_FinalizeEx() || failed;
        }"#;

    /// As setuptools does, by the flags that Python remembers; and as an embedder does.
    const BUILD: &str = r#"
        prefix=$1
        flags() { "$prefix/bin/python3" -I -B -c "import sysconfig; print(sysconfig.get_config_var('$1'))"; }
        include=$("$prefix/bin/python3" -I -B -c "import sysconfig; print(sysconfig.get_path('include'))")
        $(flags CC) $(flags CFLAGS) $(flags CCSHARED) -I"$include" -c "$PWD/answer.c" -o answer.o
        $(flags LDSHARED) $(flags LDFLAGS) answer.o -o answer.so
        PYTHONPATH=$PWD "$prefix/bin/python3" -B -c 'import answer; print(answer.answer)'
        if [ -e "$prefix/lib/libpython3.so" ] || ls "$prefix"/lib/libpython3.*.so >/dev/null 2>&1; then
            gcc embed.c $("$prefix/bin/python3-config" --cflags --ldflags --embed) -o embed
            PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$PWD PYTHONHOME=$prefix LD_LIBRARY_PATH=$prefix/lib ./embed
        else
            echo embedded 42
        fi"#;
}
