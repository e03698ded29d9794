//! What `.slugignore` takes away from a tree: which lines matched, how often, and what went with them.

use std::collections::{BTreeMap, BTreeSet};

use super::manager_files::{is_complete, is_of_manager};
use super::names::{bullet_list, printable};
use super::slugignore::Slugignore;
use super::tree::{Finding, SourceEntry};
use crate::error::NoticeCode;

/// Files that an app can't do without; all are in the top level directory.
const NEEDED: &[&[u8]] = &[
    b".python-version",
    b"Pipfile",
    b"Pipfile.lock",
    b"Procfile",
    b"poetry.lock",
    b"pylock.toml",
    b"pyproject.toml",
    b"requirements.txt",
    b"runtime.txt",
    b"uv.lock",
];

/// The patterns at work, path by path.
pub(super) struct Removal<'a> {
    slugignore: &'a Slugignore,
    follow_links: bool,
    count: u64,
    matched: Vec<bool>,
    needed: BTreeSet<(usize, String)>,
}

impl<'a> Removal<'a> {
    pub(super) fn new(slugignore: &'a Slugignore) -> Self {
        Self {
            slugignore,
            follow_links: slugignore.has_directory_patterns(),
            count: 0,
            matched: vec![false; slugignore.len()],
            needed: BTreeSet::new(),
        }
    }

    /// Returns how often a pattern matched what the patterns before it had left.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Returns the pattern that removes this path or a directory above it: the one of the earliest line,
    /// as Heroku applies them one after the other. `is_directory` is asked whether the path is a directory, or a
    /// link to one if it is given `true`.
    pub(super) fn remove(
        &mut self,
        path: &[u8],
        above: Option<usize>,
        is_directory: impl FnOnce(bool) -> bool,
    ) -> Option<usize> {
        if self.slugignore.is_empty() {
            return None;
        }
        let is_directory = is_directory(self.follow_links);
        let own = self.slugignore.matches(path, is_directory);
        if let Some(own) = own {
            if above.is_none_or(|above| own <= above) {
                self.count += 1;
            }
            for index in own..self.matched.len() {
                if !self.matched[index] && self.slugignore.pattern_matches(index, path, is_directory) {
                    self.matched[index] = true;
                }
            }
        }
        let removed_by = above.into_iter().chain(own).min();
        if let Some(index) = removed_by
            && is_needed(path)
        {
            self.needed.insert((index, printable(path)));
        }
        removed_by
    }

    fn show(&self, index: usize) -> String {
        let pattern = self.slugignore.pattern(index).unwrap_or_default();
        format!(
            "line {}: `{}`",
            self.slugignore.line(index).unwrap_or_default(),
            printable(pattern.as_bytes())
        )
    }

    /// Says in a line how many patterns match nothing. What a clean checkout never has isn't counted: it is named for the
    /// other checkouts.
    fn unmatched(&self) -> Option<Finding> {
        let is_odd = |index: &usize| {
            !self.matched[*index] && !self.slugignore.pattern(*index).is_some_and(is_never_committed)
        };
        let odd: Vec<usize> = (0..self.matched.len()).filter(is_odd).collect();
        let shown: Vec<String> = odd.iter().take(SHOWN_PATTERNS).map(|index| self.show(*index)).collect();
        let more = match odd.len().saturating_sub(SHOWN_PATTERNS) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let count = match odd.len() {
            0 => return None,
            1 => "1 pattern in .slugignore matches nothing".to_owned(),
            count => format!("{count} patterns in .slugignore match nothing"),
        };
        let text = format!("{count}: {}{more}.", shown.join("; "));
        Some(Finding { code: NoticeCode::SlugignoreNoMatch.into(), text })
    }

    /// Says what is odd about the patterns, now that all paths are known; `left` is what they left, and `read` reads a
    /// file of it.
    pub(super) fn findings(
        &self,
        left: &[SourceEntry],
        read: &dyn Fn(&str) -> Option<String>,
    ) -> Vec<Finding> {
        let mut findings = self.slugignore.findings().to_vec();
        findings.extend(self.unmatched());
        let mut needed: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
        // Of several package managers' files, those of one are enough, and more are an error.
        let has =
            |name: &str| left.binary_search_by(|entry| entry.path.as_slice().cmp(name.as_bytes())).is_ok();
        let is_chosen = !self.needed.is_empty() && is_complete(has, read);
        for (index, path) in self.needed.iter().filter(|(_, path)| !(is_chosen && is_of_manager(path))) {
            needed.entry(*index).or_default().push(path);
        }
        if !needed.is_empty() {
            let lines: Vec<String> = needed
                .into_iter()
                .map(|(index, paths)| format!("{} removes {}", self.show(index), paths.join(", ")))
                .collect();
            let text =
                format!("Patterns in .slugignore remove files that the app needs:\n{}", bullet_list(&lines));
            findings.push(Finding { code: NoticeCode::SlugignoreNeededFile.into(), text });
        }
        // Files whose name starts with a dot hardly ever match: what is left of an app then is not an app.
        let is_left = |entry: &SourceEntry| !entry.path.starts_with(b".");
        if self.count > 0 && !left.iter().any(is_left) {
            let text = "The patterns in .slugignore remove every file of the app \
                        but those whose name starts with a dot.";
            findings.push(Finding { code: NoticeCode::SlugignoreEverything.into(), text: text.to_owned() });
        }
        findings
    }
}

/// How many patterns that match nothing are named.
const SHOWN_PATTERNS: usize = 3;

/// What version control, Python, its tools, editors and systems leave in a directory, and nobody commits.
const NEVER_COMMITTED: &[&str] = &[
    "*$py.class",
    "*.egg",
    "*.egg-info",
    "*.log",
    "*.py[cod]",
    "*.py[co]",
    "*.pyc",
    "*.pyo",
    "*.so",
    "*.sqlite3",
    "*.swp",
    "*~",
    ".DS_Store",
    ".cache",
    ".coverage",
    ".coverage.*",
    ".eggs",
    ".env",
    ".git",
    ".hg",
    ".hypothesis",
    ".idea",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pytest_cache",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "ENV",
    "Thumbs.db",
    "__pycache__",
    "build",
    "coverage.xml",
    "db.sqlite3",
    "dist",
    "env",
    "htmlcov",
    "node_modules",
    "venv",
];

/// Whether a pattern stands for something that no clean checkout has.
fn is_never_committed(pattern: &str) -> bool {
    let name = pattern.trim_start_matches("**/").trim_start_matches("./").trim_matches('/');
    let name = name.strip_suffix("/**").or_else(|| name.strip_suffix("/*")).unwrap_or(name);
    NEVER_COMMITTED.contains(&name)
}

fn is_needed(path: &[u8]) -> bool {
    NEEDED.contains(&path)
        || path.strip_prefix(b"bin/").is_some_and(|name| name.ends_with(b"_compile") && !name.contains(&b'/'))
}
