//! Console scripts that find their interpreter beside themselves.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The line that every relocatable script starts with: for a shell, it runs the interpreter that is in the
/// script's own directory; for Python, it is a string. uv writes the same form into relocatable venvs.
const HEADER: &[u8] =
    b"#!/bin/sh\n'''exec' \"$(dirname -- \"$(realpath -- \"$0\")\")\"/'python3' \"$0\" \"$@\"\n' '''\n";

/// Rewrites a script whose interpreter is in the runtime's `bin`; returns nothing for any other file.
pub(super) fn relocate(contents: &[u8], runtime: &Path) -> Option<Vec<u8>> {
    let body = body_of_python_script(contents, runtime.join("bin").as_os_str().as_bytes())?;
    Some([HEADER, body].concat())
}

/// Returns what follows the interpreter's line or lines, in both forms that pip and uv write.
fn body_of_python_script<'a>(contents: &'a [u8], bin: &[u8]) -> Option<&'a [u8]> {
    let (first, rest) = split_line(contents)?;
    let interpreter = first.strip_prefix(b"#!")?;
    if names_python_in(interpreter, bin) {
        return Some(rest);
    }
    // Paths of over 127 bytes, or with a space: `#!/bin/sh`, `'''exec' "/path/python3" "$0" "$@"`, `' '''`.
    if interpreter != b"/bin/sh" {
        return None;
    }
    let (second, rest) = split_line(rest)?;
    let (third, rest) = split_line(rest)?;
    let command = second.strip_prefix(b"'''exec' ")?;
    let command = command.strip_prefix(b"\"").or_else(|| command.strip_prefix(b"'")).unwrap_or(command);
    (third == b"' '''" && names_python_in(command, bin)).then_some(rest)
}

fn names_python_in(command: &[u8], bin: &[u8]) -> bool {
    command.trim_ascii_start().strip_prefix(bin).is_some_and(|rest| rest.starts_with(b"/python"))
}

fn split_line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|byte| *byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_pip_and_uv_are_relocated_and_nothing_else() {
        let header = String::from_utf8(HEADER.to_vec()).unwrap();
        let body = "import sys\n";
        for (contents, relocated) in [
            (format!("#!/t/python/bin/python3.12\n{body}"), true),
            (format!("#!/t/python/bin/python\n{body}"), true),
            (format!("#!/bin/sh\n'''exec' \"/t/python/bin/python3\" \"$0\" \"$@\"\n' '''\n{body}"), true),
            (format!("#!/usr/bin/env python3\n{body}"), false),
            (format!("#!/t/python2/bin/python\n{body}"), false),
            ("#!/bin/sh\necho hello\n".to_owned(), false),
            ("\u{7f}ELF".to_owned(), false),
            (String::new(), false),
        ] {
            let expected = relocated.then(|| format!("{header}{body}").into_bytes());
            assert_eq!(relocate(contents.as_bytes(), Path::new("/t/python")), expected, "{contents:?}");
        }
    }
}
