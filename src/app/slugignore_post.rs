//! `.slugignore.post`: what is left out of the finished slug. It is slugc's own file and goes by the rules of `.gitignore`:
//! a name without a slash matches everywhere, in the packages too, `**` any directories, and `!` takes something back in.

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::slugignore::{SlugignoreError, decode};

/// The file's name.
pub(crate) const NAME: &str = ".slugignore.post";

/// The patterns of a `.slugignore.post`.
#[derive(Debug, Clone)]
pub(crate) struct SlugignorePost {
    all: Gitignore,
    patterns: Vec<Line>,
}

/// A pattern, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// The number of the line, from 1.
    pub(crate) number: usize,
    /// The pattern as it was written.
    pub(crate) text: String,
    matcher: Gitignore,
}

impl Line {
    /// Returns whether the pattern matches this path, whatever the lines after it say.
    pub(crate) fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        !self.matcher.matched(as_path(path), is_dir).is_none()
    }
}

impl SlugignorePost {
    /// Returns the patterns of an app without the file.
    pub(crate) fn empty() -> Self {
        Self { all: Gitignore::empty(), patterns: Vec::new() }
    }

    /// Parses the contents of the file.
    pub(crate) fn parse(contents: &[u8]) -> Result<Self, SlugignoreError> {
        let text = decode(NAME, contents)?;
        let mut patterns = Vec::new();
        let mut builder = GitignoreBuilder::new("");
        for (index, line) in text.lines().enumerate() {
            let pattern = line.trim_end();
            if pattern.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = index + 1;
            let invalid = |reason| SlugignoreError::InvalidPattern {
                file: NAME.to_owned(),
                line: number,
                text: line.to_owned(),
                span: 0..pattern.len(),
                reason,
            };
            let glob = without_alternatives(line).map_err(invalid)?;
            let matcher = of_line(&glob).map_err(invalid)?;
            // It was taken once already.
            let _ = builder.add_line(None, &glob);
            patterns.push(Line { number, text: pattern.to_owned(), matcher });
        }
        let all = builder.build().unwrap_or_else(|_| Gitignore::empty());
        Ok(Self { all, patterns })
    }

    /// Returns the patterns in their order.
    pub(crate) fn patterns(&self) -> &[Line] {
        &self.patterns
    }

    /// Returns whether this path is left out. What is below a directory that is left out goes with it, but that is for
    /// the caller to know.
    pub(crate) fn matches(&self, path: &[u8], is_dir: bool) -> bool {
        !self.patterns.is_empty() && self.all.matched(as_path(path), is_dir).is_ignore()
    }
}

fn of_line(glob: &str) -> Result<Gitignore, &'static str> {
    const OTHER: &str = "isn't one that .gitignore could have";
    let mut builder = GitignoreBuilder::new("");
    builder.add_line(None, glob).map_err(|_| OTHER)?;
    builder.build().map_err(|_| OTHER)
}

/// Has braces stand for themselves, as they do for git; the library would take `{a,b}` for alternatives. A class that
/// doesn't end matches nothing for git, which nobody can mean.
fn without_alternatives(line: &str) -> Result<String, &'static str> {
    let mut text = String::with_capacity(line.len());
    let (mut is_escaped, mut class_ends) = (false, 0);
    for (at, letter) in line.char_indices() {
        if std::mem::take(&mut is_escaped) || at < class_ends {
            text.push(letter);
            continue;
        }
        match letter {
            '\\' => is_escaped = true,
            '[' => {
                // A bracket that comes first is one of the class.
                let first = if line[at + 1..].starts_with(['!', '^']) { 3 } else { 2 };
                let end = line[at..].char_indices().skip(first).find(|(_, letter)| *letter == ']');
                class_ends = at + end.ok_or("has a `[` without its `]`")?.0;
            }
            '{' | '}' => text.push('\\'),
            _ => {}
        }
        text.push(letter);
    }
    Ok(text)
}

fn as_path(path: &[u8]) -> &std::path::Path {
    use std::os::unix::ffi::OsStrExt;
    std::path::Path::new(std::ffi::OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    const PACKAGES: &str = ".heroku/python/lib/python3.13/site-packages";

    /// Whether a path or a directory above it is left out.
    fn is_left_out(post: &SlugignorePost, path: &str) -> bool {
        let slashes = path.match_indices('/').map(|(index, _)| index);
        slashes.into_iter().any(|slash| post.matches(&path.as_bytes()[..slash], true))
            || post.matches(path.as_bytes(), false)
    }

    /// Asks git which of these files it ignores.
    fn ignored_by_git(patterns: &str, files: &[String]) -> Option<Vec<String>> {
        let dir = tempfile::tempdir().unwrap();
        Command::new("git").args(["init", "-q"]).current_dir(dir.path()).output().ok()?;
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        fs::write(dir.path().join(".gitignore"), patterns).unwrap();
        let listed = Command::new("git")
            .args(["-c", "core.excludesFile=/dev/null", "ls-files", "-z", "-o", "-i", "--exclude-standard"])
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
        let text = String::from_utf8(listed.stdout).unwrap();
        Some(text.split_terminator('\0').map(str::to_owned).collect())
    }

    // B03
    #[test]
    fn patterns_match_what_git_would_ignore() {
        let files: Vec<String> = [
            "tests/test_app.py",
            "app/tests/test_views.py",
            "app/views.py",
            "data.csv",
            "docs/a.md",
            "docs/deep/b.md",
            "keep.md",
            "static/.cache/x",
            "# odd",
            "with space",
            "bang!",
            "!start",
            "build",
            "odd{name}",
            "{x",
            "odd[",
        ]
        .iter()
        .map(|name| (*name).to_owned())
        .chain(
            ["numpy/tests/test_core.py", "numpy/core.py", "numpy/core.pyi", "pip/x.py", "boto3/data/s3.json"]
                .map(|name| format!("{PACKAGES}/{name}")),
        )
        .collect();
        for patterns in [
            "tests/",
            "tests",
            "/tests/",
            "/tests",
            "*.pyi",
            "*.md\n!keep.md",
            "docs/**",
            "docs/**/b.md",
            "**/tests/",
            "**/boto3/data",
            "site-packages/pip",
            "**/site-packages/pip/",
            ".heroku/python/lib/python3*/site-packages/pip/",
            "docs/*\n!docs/deep",
            "docs/\n!docs/deep/b.md",
            ".cache",
            "\\# odd",
            "# odd",
            "with space  ",
            "\\!start",
            "!start\nstart",
            "build/",
            "[dk]*.md",
            "[!d]*.md",
            "odd{name}",
            "{docs,tests}/",
            "[{]x",
            "[]x]dd*",
            "[!]x]dd*",
            "nothing\n/nowhere/\n",
            "\u{feff}data.csv",
            "data.csv\r\ndocs/\r\n",
        ] {
            let post = SlugignorePost::parse(patterns.as_bytes()).unwrap();
            let ours: Vec<&String> = files.iter().filter(|file| is_left_out(&post, file)).collect();
            let Some(gits) = ignored_by_git(patterns, &files) else { return };
            let gits: Vec<&String> = files.iter().filter(|file| gits.contains(file)).collect();
            assert_eq!(ours, gits, "{patterns:?}");
        }
    }

    // B03
    #[test]
    fn a_pattern_knows_whether_it_matches_whatever_the_others_say() {
        let post =
            SlugignorePost::parse(b"# what only tests need\ntests/\n\n!tests/keep\nnothing\n").unwrap();
        let lines: Vec<_> = post.patterns().iter().map(|line| (line.number, line.text.as_str())).collect();
        assert_eq!(lines, [(2, "tests/"), (4, "!tests/keep"), (5, "nothing")]);
        let matches =
            |index: usize, path: &str, is_dir| post.patterns()[index].matches(path.as_bytes(), is_dir);
        assert!(matches(0, "a/tests", true) && !matches(0, "a/tests", false));
        assert!(matches(1, "tests/keep", false));
        assert!(!matches(2, "a/tests", true));
    }

    #[test]
    fn what_no_gitignore_could_have_is_an_error() {
        for (contents, expected) in [
            (&b"ok\n[\n"[..], "The pattern in line 2 of .slugignore.post has a `[` without its `]`."),
            (b"odd[x", "The pattern in line 1 of .slugignore.post has a `[` without its `]`."),
            (b"[z-a]", "The pattern in line 1 of .slugignore.post isn't one that .gitignore could have."),
            (b"\xff", ".slugignore.post isn't UTF-8 text in line 1."),
        ] {
            assert_eq!(SlugignorePost::parse(contents).unwrap_err().to_string(), expected);
        }
    }
}
