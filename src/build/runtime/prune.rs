//! What of an interpreter's own directories goes into a slug, wherever it comes from. The rules are Heroku's: no tests, no
//! static libraries, nothing that was installed into it, no bytecode; tkinter, idlelib and lib2to3 stay.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Directories that are left out wherever they are in the standard library.
const DIRECTORIES: &[&str] = &["__pycache__", "test", "tests", "idle_test", "site-packages", "dist-packages"];

/// Files of the standard library's top level that belong to the machine or its distribution.
const MACHINE_FILES: &[&str] = &["EXTERNALLY-MANAGED", "sitecustomize.py", "usercustomize.py"];

/// Returns whether a directory of the standard library is copied. The path is relative to `lib/python3.X`.
pub(crate) fn keeps_directory(relative: &Path) -> bool {
    let name = relative.file_name().unwrap_or_default();
    !DIRECTORIES.iter().any(|left_out| name == *left_out)
}

/// Returns whether a file of the standard library is copied. The path is relative to `lib/python3.X`; the
/// directories above it are kept.
pub(crate) fn keeps_file(relative: &Path) -> bool {
    let name = relative.file_name().unwrap_or_default().as_bytes();
    let parent = relative.parent().unwrap_or(Path::new(""));
    if [&b".pyc"[..], b".pyo", b".a"].iter().any(|end| name.ends_with(end)) {
        return false;
    }
    match parent.as_os_str().as_bytes() {
        b"" => !MACHINE_FILES.iter().any(|left_out| name == left_out.as_bytes()) && !name.ends_with(b".pth"),
        b"lib-dynload" => !is_test_extension(name),
        // The Makefile is for `sysconfig`; the rest would only link Python anew.
        parent if parent.starts_with(b"config-") => name == b"Makefile",
        _ => true,
    }
}

fn is_test_extension(name: &[u8]) -> bool {
    [&b"_test"[..], b"_ctypes_test", b"_xxtest", b"xx"].iter().any(|prefix| name.starts_with(prefix))
}

/// Returns whether this names a directory that `pip install` fills, and so belongs to no fingerprint.
pub(crate) fn is_part_of_interpreter(name: &OsStr) -> bool {
    !DIRECTORIES.iter().any(|left_out| name == *left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_what_was_installed_stay_behind() {
        for (path, kept) in [
            ("test", false),
            ("unittest", true),
            ("unittest/test", false),
            ("lib2to3/tests", false),
            ("idlelib", true),
            ("idlelib/idle_test", false),
            ("tkinter", true),
            ("site-packages", false),
            ("dist-packages", false),
            ("asyncio/__pycache__", false),
            ("ensurepip/_bundled", true),
            ("config-3.12-x86_64-linux-gnu", true),
        ] {
            assert_eq!(keeps_directory(Path::new(path)), kept, "{path}");
        }
    }

    #[test]
    fn of_the_files_only_what_runs_is_kept() {
        for (path, kept) in [
            ("os.py", true),
            ("os.pyc", false),
            ("LICENSE.txt", true),
            ("EXTERNALLY-MANAGED", false),
            ("sitecustomize.py", false),
            ("email/sitecustomize.py", true),
            ("distutils-precedence.pth", false),
            ("lib-dynload/_ssl.cpython-312-x86_64-linux-gnu.so", true),
            ("lib-dynload/_testcapi.cpython-312-x86_64-linux-gnu.so", false),
            ("lib-dynload/_ctypes_test.cpython-312-x86_64-linux-gnu.so", false),
            ("lib-dynload/_ctypes.cpython-312-x86_64-linux-gnu.so", true),
            ("lib-dynload/_xxtestfuzz.cpython-312-x86_64-linux-gnu.so", false),
            ("lib-dynload/_xxsubinterpreters.cpython-312-x86_64-linux-gnu.so", true),
            ("lib-dynload/xxlimited_35.cpython-312-x86_64-linux-gnu.so", false),
            ("xml/xxe.py", true),
            ("libpython3.12.a", false),
            ("config-3.12-x86_64-linux-gnu/Makefile", true),
            ("config-3.12-x86_64-linux-gnu/libpython3.12.a", false),
            ("config-3.12-x86_64-linux-gnu/python.o", false),
            ("ensurepip/_bundled/pip-23.2.1-py3-none-any.whl", true),
        ] {
            assert_eq!(keeps_file(Path::new(path)), kept, "{path}");
        }
    }
}
