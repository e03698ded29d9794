//! Command lines in messages: what is pasted into a shell has to mean the same there.

use std::path::Path;

/// Quotes a path for a shell, if it needs that. One that could be taken for an option gets `./` before it.
pub(crate) fn shell_quote(path: &Path) -> String {
    let text = path.to_string_lossy();
    let text = if text.starts_with('-') { format!("./{text}") } else { text.into_owned() };
    match shlex::try_quote(&text) {
        Ok(quoted) => quoted.into_owned(),
        // Only NUL can't be quoted, and no path has one.
        Err(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    // T06
    #[test]
    fn a_shell_reads_what_was_meant() {
        for path in ["slug.tgz", "out dir ü.tgz", "it's.tgz", "a\"b", "$HOME;x", "a\nb", "~/x", "*", "!x", ""]
        {
            let line = format!("printf %s {}", shell_quote(Path::new(path)));
            let shown = Command::new("sh").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(shown.stdout).unwrap(), path, "{line}");
        }
        assert_eq!(shell_quote(Path::new("slug.tgz")), "slug.tgz");
        assert_eq!(shell_quote(Path::new("-x.tgz")), "./-x.tgz");
    }
}
