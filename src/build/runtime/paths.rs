//! The paths of the machine that built an interpreter, in the flags and paths that its files mention.

use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

/// What is replaced, and by what.
#[derive(Debug, Clone)]
pub(crate) struct PathRules {
    /// The prefixes of the original.
    old: Vec<String>,
    /// The directories it was built in: they are gone.
    build_dirs: Vec<String>,
    /// Stands for the prefix from now on.
    new: String,
}

/// A word of a command line: quotes and a variable's name in front, quotes behind.
static WORD: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r#"^(['"]*(?:[A-Za-z_]\w*:?=)?['"]*)(.*?)(['"]*)$"#).expect("the pattern is right")
});

/// Debian's directory of libraries, which a runtime doesn't have.
static TRIPLET: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^/lib/\w+-linux-(?:gnu|musl)\w*").expect("the pattern is right"));

/// Prefixes that hold more than Python.
const SHARED_PREFIXES: &[&str] = &["/usr", "/usr/local"];
/// What in them is Python's.
static OF_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:/(?:bin|include|lib|share|share/man))?(?:$|[^\w/.+-])|^/(?:bin|include|lib)/(?:lib)?python|^/lib/pkgconfig|^/lib/\w+-linux-(?:gnu|musl)\w*(?:$|[^\w/.+-]|/(?:lib)?python|/pkgconfig)")
        .expect("the pattern is right")
});

impl PathRules {
    /// Makes rules that replace the old prefixes by the new one.
    pub(crate) fn new(old_prefixes: &[&str], build_dirs: &[&str], new: &str) -> Self {
        let absolute = |dirs: &[&str]| {
            let mut dirs: Vec<String> = dirs
                .iter()
                .map(|dir| dir.trim_end_matches('/').to_owned())
                .filter(|dir| dir.starts_with('/'))
                .collect();
            // A directory before the one that it is in.
            dirs.sort_by_key(|dir| std::cmp::Reverse(dir.len()));
            dirs.dedup();
            dirs
        };
        Self { old: absolute(old_prefixes), build_dirs: absolute(build_dirs), new: new.to_owned() }
    }

    /// Rewrites a line of compiler flags and paths: what names a directory of libraries or headers of the
    /// old machine goes, and `-g`, which would put the build's own temporary paths into every extension.
    pub(crate) fn clean_flags(&self, line: &str) -> String {
        let mut cleaned = String::new();
        let mut dropped = false;
        let mut rest = line;
        while !rest.is_empty() {
            let word_at = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            let (space, from_word) = rest.split_at(word_at);
            let word_end = from_word.find([' ', '\t']).unwrap_or(from_word.len());
            let (word, behind) = from_word.split_at(word_end);
            rest = behind;
            match self.clean_word(word) {
                Some(word) => {
                    // After a dropped first word, the next one is the first.
                    let space = if dropped && cleaned.is_empty() { "" } else { space };
                    cleaned.push_str(space);
                    cleaned.push_str(&word);
                }
                None => dropped = true,
            }
        }
        cleaned
    }

    fn clean_word(&self, word: &str) -> Option<String> {
        let (before, core, behind) = WORD.captures(word).map_or(("", word, ""), |captures| {
            let part = |index| captures.get(index).map_or("", |part: regex::Match<'_>| part.as_str());
            (part(1), part(2), part(3))
        });
        match self.is_dropped(core) {
            true if before.is_empty() && behind.is_empty() => None,
            true => Some(format!("{before}{behind}")),
            false => Some(format!("{before}{}{behind}", self.replace_paths(core))),
        }
    }

    fn is_dropped(&self, flag: &str) -> bool {
        let names_dir = |dir: &str| (dir.starts_with('/') && !is_system_dir(dir)) || self.is_old(dir);
        if let Some(dir) = flag.strip_prefix("-L").or_else(|| flag.strip_prefix("-I")) {
            return names_dir(dir);
        }
        if let Some(linker) = flag.strip_prefix("-Wl,") {
            let is_run_path = ["-rpath", "--rpath", "-R"].iter().any(|option| linker.starts_with(option));
            return is_run_path && linker.split([',', '=']).any(names_dir);
        }
        matches!(flag, "-g" | "-g1" | "-g2" | "-g3" | "-ggdb" | "-ggdb3")
            || ["-ffile-prefix-map=", "-fdebug-prefix-map=", "-fmacro-prefix-map="]
                .iter()
                .any(|option| flag.starts_with(option))
    }

    fn is_old(&self, path: &str) -> bool {
        self.old.iter().any(|old| Path::new(path).starts_with(old))
    }

    /// Replaces the old prefixes in a text, where they are a path or the beginning of one. Of a prefix that
    /// is shared with other programs, only what is Python's is replaced.
    pub(crate) fn replace_paths(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for old in &self.old {
            let is_shared = SHARED_PREFIXES.contains(&old.as_str());
            text = replace_path(&text, old, |rest| {
                if is_shared && !OF_PYTHON.is_match(rest) {
                    return None;
                }
                let skipped = TRIPLET.find(rest).map_or(0, |found| found.end());
                Some((format!("{}{}", self.new, if skipped > 0 { "/lib" } else { "" }), skipped))
            });
        }
        for dir in &self.build_dirs {
            text = replace_path(&text, dir, |_| Some((".".to_owned(), 0)));
        }
        text
    }
}

fn is_system_dir(dir: &str) -> bool {
    ["/usr", "/lib", "/lib64"].iter().any(|system| Path::new(dir).starts_with(system))
}

/// Replaces each mention of a directory; `by` gets what follows it, and returns what stands for it and
/// how many bytes of what follows are replaced too.
fn replace_path(text: &str, dir: &str, by: impl Fn(&str) -> Option<(String, usize)>) -> String {
    let is_path_character = |c: char| c.is_alphanumeric() || "_.-+".contains(c);
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(dir) {
        let (before, from) = rest.split_at(at);
        let behind = &from[dir.len()..];
        // A Makefile has `.$(prefix)` for a tree to be packed.
        let word = before.strip_suffix('.').unwrap_or(before);
        // `-L/usr` and `-I/usr` are the only paths that stick to a letter.
        let starts = ["-L", "-I"].iter().any(|flag| before.ends_with(flag))
            || !word.ends_with(|c| is_path_character(c) || c == '/' || c == '}');
        let ends = !behind.starts_with(is_path_character);
        let new = if starts && ends { by(behind) } else { None };
        replaced.push_str(before);
        match new {
            Some((new, skipped)) => {
                replaced.push_str(&new);
                rest = &behind[skipped..];
            }
            None => {
                replaced.push_str(dir);
                rest = behind;
            }
        }
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_old_machine_go() {
        let rules =
            PathRules::new(&["/home/me/.pyenv/versions/3.12.1"], &["/tmp/build.1/Python-3.12.1"], "/new");
        for (line, expected) in [
            ("", ""),
            ("gcc -shared", "gcc -shared"),
            (
                "gcc -shared -L/home/me/.pyenv/versions/3.12.1/lib -Wl,-rpath,/home/me/.pyenv/versions/3.12.1/lib",
                "gcc -shared",
            ),
            ("-L/home/me/.pyenv/versions/3.12.1/lib -ldl", "-ldl"),
            ("-DNDEBUG -g -O3 -Wall", "-DNDEBUG -O3 -Wall"),
            ("-g", ""),
            ("-g0 -gz -grecord", "-g0 -gz -grecord"),
            ("-I. -I./Include -I/home/me/.pyenv/versions/3.12.1/include", "-I. -I./Include"),
            (
                "-I/usr/include/tirpc -L/usr/lib/x86_64-linux-gnu",
                "-I/usr/include/tirpc -L/usr/lib/x86_64-linux-gnu",
            ),
            ("-I/opt/homebrew/include -L/home/me/ssl/lib", ""),
            ("-Wl,-rpath=/opt/ssl/lib -Wl,-z,relro", "-Wl,-z,relro"),
            ("-Wl,-rpath,$ORIGIN/../lib", "-Wl,-rpath,$ORIGIN/../lib"),
            ("-ffile-prefix-map=/build/python3.11=. -O2", "-O2"),
            (
                "'--prefix=/home/me/.pyenv/versions/3.12.1' 'LDFLAGS=-L/home/me/.pyenv/versions/3.12.1/lib -Wl,-rpath,/home/me/.pyenv/versions/3.12.1/lib' '--x'",
                "'--prefix=/new' 'LDFLAGS= ' '--x'",
            ),
            ("LIBS=\t\t-ldl -L/home/me/.pyenv/versions/3.12.1/lib", "LIBS=\t\t-ldl"),
            ("CFLAGS=$(echo \"-g   -O2\" | sed)", "CFLAGS=$(echo \"   -O2\" | sed)"),
            ("LD_LIBRARY_PATH=/tmp/build.1/Python-3.12.1", "LD_LIBRARY_PATH=."),
            ("/tmp/build.1/Python-3.12.1/lcov", "./lcov"),
            ("  two  spaces ", "  two  spaces "),
        ] {
            assert_eq!(rules.clean_flags(line), expected, "{line:?}");
        }
    }

    #[test]
    fn only_whole_paths_are_replaced() {
        let rules = PathRules::new(&["/opt/py"], &[], "/new");
        for (text, expected) in [
            ("/opt/py", "/new"),
            ("/opt/py/", "/new/"),
            ("/opt/py/lib:/opt/py", "/new/lib:/new"),
            ("/opt/python", "/opt/python"),
            ("/opt/py.old /opt/py-2", "/opt/py.old /opt/py-2"),
            ("/srv/opt/py", "/srv/opt/py"),
            ("${root}/opt/py", "${root}/opt/py"),
            ("--prefix=/opt/py", "--prefix=/new"),
            ("./opt/py ../opt/py", "./new ../opt/py"),
            ("/opt/py/lib/x86_64-linux-gnu/pkgconfig", "/new/lib/pkgconfig"),
        ] {
            assert_eq!(rules.replace_paths(text), expected, "{text:?}");
        }
    }

    #[test]
    fn of_the_systems_prefix_only_what_is_pythons_is_replaced() {
        let rules = PathRules::new(&["/usr"], &[], "/new");
        for (text, expected) in [
            ("/usr", "/new"),
            ("/usr/bin", "/new/bin"),
            ("/usr/lib/python3.11/lib-dynload", "/new/lib/python3.11/lib-dynload"),
            ("/usr/lib/x86_64-linux-gnu", "/new/lib"),
            ("/usr/lib/x86_64-linux-gnu/python3.11", "/new/lib/python3.11"),
            ("/usr/include /usr/include/python3.11", "/new/include /new/include/python3.11"),
            ("/usr/bin/python3.11", "/new/bin/python3.11"),
            ("/usr/share/man", "/new/share/man"),
            ("/usr/bin/install -c", "/usr/bin/install -c"),
            ("/usr/share/zoneinfo:/usr/lib/zoneinfo", "/usr/share/zoneinfo:/usr/lib/zoneinfo"),
            ("/usr/local/bin", "/usr/local/bin"),
            ("/usr/include/tcl8.6", "/usr/include/tcl8.6"),
            ("/usr/lib/x86_64-linux-gnu/libz.a", "/usr/lib/x86_64-linux-gnu/libz.a"),
        ] {
            assert_eq!(rules.replace_paths(text), expected, "{text:?}");
        }
    }
}
