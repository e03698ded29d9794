//! Files that a slug hardly needs: large ones, virtual environments, node_modules.

use std::collections::BTreeSet;
use std::path::Path;

use super::catalogue::FindingCode;
use super::facts::Facts;
use super::finding::Finding;
use crate::app::ignored::find_ignored;
use crate::app::names::shortened;
use crate::error::MessageCode;
use crate::output::shell_quote;

/// A file from this size on is worth a thought.
const LARGE: u64 = 10_000_000;

/// A file of which hardly any running app has a use.
const RARELY_NEEDED: u64 = 1_000_000;
const RARELY_NEEDED_KINDS: &[&str] = &[
    "psd", "ai", "sketch", "xcf", "mp4", "mov", "avi", "mkv", "zip", "tar", "tgz", "gz", "bz2", "xz", "7z",
    "rar", "iso", "dmg", "sql", "dump", "bak", "log", "sqlite3", "db", "ipynb", "pdf", "pptx", "core",
];

/// Less than this in all doesn't matter for a slug.
const MATTERS: u64 = 3_000_000;

/// How many files a message lists.
const SHOWN: usize = 5;

/// Checks the app's files.
pub(super) fn check_files(facts: &Facts) -> Vec<Finding> {
    let dirs = unwanted_dirs(facts);
    let mut findings: Vec<Finding> = dirs.iter().filter_map(|dir| unwanted(facts, dir)).collect();
    findings.extend(large(facts, &dirs));
    findings.extend(slugs(facts));
    findings.extend(below_the_top(facts, &dirs));
    findings
}

/// Returns the virtual environments and node_modules, outermost only.
fn unwanted_dirs(facts: &Facts) -> BTreeSet<String> {
    let mut dirs: BTreeSet<String> = BTreeSet::new();
    for (path, file) in &facts.files {
        let parent = path.strip_suffix("/pyvenv.cfg").filter(|_| !file.is_dir);
        let node = (file.is_dir && path.rsplit('/').next() == Some("node_modules")).then_some(path.as_str());
        let Some(dir) = parent.or(node) else { continue };
        if !dirs.iter().any(|outer| is_below(dir, outer)) {
            dirs.insert(dir.to_owned());
        }
    }
    dirs
}

/// Says what the app asks of other buildpacks.
pub(super) fn check_ignored(facts: &Facts) -> Vec<Finding> {
    let found = find_ignored(|name| facts.texts.get(name).cloned());
    let found = found.into_iter().filter_map(|found| match found.code {
        MessageCode::Finding(code) => Some(Finding::new(code, found.text)),
        MessageCode::Notice(_) => None,
    });
    found.collect()
}

fn is_below(path: &str, dir: &str) -> bool {
    path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}

fn unwanted(facts: &Facts, dir: &str) -> Option<Finding> {
    let start = format!("{dir}/");
    let below = facts.files.range(start.clone()..).take_while(|(path, _)| path.starts_with(&start));
    let (mut count, mut bytes) = (0_u64, 0_u64);
    for (_, file) in below.filter(|(_, file)| !file.is_dir) {
        count += 1;
        bytes += file.size;
    }
    let code = match facts.has_file(&format!("{dir}/pyvenv.cfg")) {
        true => FindingCode::FilesVirtualEnvironment,
        false => FindingCode::FilesNodeModules,
    };
    (count > 0).then(|| {
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let finding = Finding::new(code, format!("{dir} has {files} of {} in all.", megabytes(bytes)));
        let take_out = format!("  git rm -r --cached {}", shell_quote(Path::new(dir)));
        finding.in_file(dir.to_owned()).with_fix(match code {
            FindingCode::FilesVirtualEnvironment => format!(
                "Add {dir}/ to .gitignore, and take it out of git:\n{take_out}\n\
                 The packages are installed by the build."
            ),
            _ => format!(
                "Add {dir}/ to .gitignore, and take it out of git:\n{take_out}\n\
                 If another build needs it and the app doesn't: to .slugignore."
            ),
        })
    })
}

fn large(facts: &Facts, dirs: &BTreeSet<String>) -> Option<Finding> {
    let kind = |path: &str| path.rsplit('/').next()?.rsplit_once('.').map(|(_, kind)| kind.to_lowercase());
    let mut large: Vec<(u64, &str)> = facts
        .files
        .iter()
        .filter(|(path, file)| {
            let rarely = kind(path).is_some_and(|kind| RARELY_NEEDED_KINDS.contains(&kind.as_str()));
            !file.is_dir && file.size >= if rarely { RARELY_NEEDED } else { LARGE }
        })
        .filter(|(path, _)| !dirs.iter().any(|dir| is_below(path, dir)) && !is_used(facts, path))
        .filter(|(path, _)| !facts.slugs.contains(path))
        .map(|(path, file)| (file.size, path.as_str()))
        .collect();
    large.sort_unstable_by(|a, b| b.cmp(a));
    let (_, first) = *large.first()?;
    let total: u64 = large.iter().map(|(size, _)| size).sum();
    if total < MATTERS {
        return None;
    }
    let mut list: Vec<String> =
        large.iter().take(SHOWN).map(|(size, path)| format!("{path} ({})", megabytes(*size))).collect();
    if large.len() > SHOWN {
        list.push(format!("{} more", large.len() - SHOWN));
    }
    let message = format!("{} in all: {}.", megabytes(total), list.join(", "));
    Some(Finding::new(FindingCode::FilesLarge, message).in_file(first.to_owned()))
}

/// Whether a file is served to browsers, or the code names it.
fn is_used(facts: &Facts, path: &str) -> bool {
    const SERVED: &[&str] = &["static", "staticfiles", "assets", "public", "media", "www", "dist"];
    let (dirs, name) = path.rsplit_once('/').unwrap_or(("", path));
    if dirs.split('/').any(|dir| SERVED.contains(&dir)) {
        return true;
    }
    // A name with an expression in it (`f"{name}.db"`) is found by its end only: too many are taken for used.
    facts.texts.iter().any(|(file, text)| {
        let is_code = ["py", "sh", "toml", "cfg", "ini", "yml", "yaml", "json", "html", "conf"]
            .iter()
            .any(|end| file.rsplit_once('.').is_some_and(|(_, kind)| kind == *end));
        let names_dir = || {
            !dirs.is_empty()
                && [format!("{dirs}/"), format!("\"{dirs}\""), format!("'{dirs}'")]
                    .iter()
                    .any(|words| text.contains(words.as_str()))
        };
        (is_code || file == "Procfile") && (text.contains(name) || names_dir())
    })
}

/// Slugs, which are hardly meant to be a part of the next one.
fn slugs(facts: &Facts) -> Option<Finding> {
    let first = facts.slugs.first()?;
    let (verb, one) = if facts.slugs.len() == 1 { ("is a slug", "becomes") } else { ("are slugs", "become") };
    let message = format!("{} {verb}, and {one} a part of the next one.", shortened(&facts.slugs, SHOWN));
    let lines: Vec<String> = facts.slugs.iter().map(|path| format!("/{path}")).collect();
    let fix = format!("Delete what isn't needed, or add to .slugignore:\n{}", lines.join("\n"));
    Some(Finding::new(FindingCode::FilesSlug, message).in_file(first.as_str()).with_fix(fix))
}

/// Files that count in the top level directory only, and are below it.
fn below_the_top(facts: &Facts, dirs: &BTreeSet<String>) -> Option<Finding> {
    const TOP_ONLY: &[&str] = &[
        ".slugignore",
        ".slugignore.post",
        "Procfile",
        "app.json",
        ".python-version",
        "runtime.txt",
        "nltk.txt",
        ".profile",
        ".buildpacks",
        "Aptfile",
        "bin/pre_compile",
        "bin/post_compile",
    ];
    const OTHERS: &[&str] =
        &["tests", "test", "examples", "example", "node_modules", "docs", "fixtures", "vendor"];
    let found: Vec<&str> = facts
        .files
        .iter()
        .filter(|(path, file)| {
            let is_one = |name: &&&str| path.strip_suffix(**name).is_some_and(|start| start.ends_with('/'));
            let Some(name) = TOP_ONLY.iter().find(is_one).copied() else { return false };
            let parent = path.strip_suffix(name).unwrap_or_default().trim_end_matches('/');
            let is_elsewhere = parent.split('/').any(|dir| OTHERS.contains(&dir) || dir.starts_with('.'));
            // Where the top has one, the other is another app's.
            let counts = name.starts_with(".slugignore") || !facts.has_file(name);
            !file.is_dir && counts && !is_elsewhere && !dirs.iter().any(|dir| is_below(path, dir))
        })
        .map(|(path, _)| path.as_str())
        .collect();
    let first = *found.first()?;
    let shown = shortened(&found, SHOWN);
    let message = format!("Only in the app's top level directory would these have an effect: {shown}.");
    Some(Finding::new(FindingCode::FilesBelowTop, message).in_file(first))
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::tests::app;

    fn found(files: &[(&str, &str)], large: &[(&str, u64)]) -> Vec<Finding> {
        let mut facts = app(files);
        for (path, size) in large {
            let (text, dir) = (String::new(), path.rsplit_once('/').map_or("", |(dir, _)| dir));
            facts.files.insert(
                (*path).to_owned(),
                super::super::facts::FileFacts { size: *size, ..Default::default() },
            );
            facts.texts.entry(dir.to_owned()).or_insert(text);
        }
        check_files(&facts)
    }

    // C12
    #[test]
    fn large_files_that_the_app_uses_are_left_alone() {
        for (path, size, text, expected) in [
            ("trailer.mp4", 3_500_000, "", true),
            ("backup/dump.sql", 9_000_000, "", true),
            ("data.bin", 12_000_000, "", true),
            ("terms.pdf", 1_300_000, "", false),
            ("data.bin", 9_000_000, "", false),
            ("static/terms.pdf", 30_000_000, "", false),
            ("shop/static/shop/intro.mp4", 30_000_000, "", false),
            ("staticfiles/intro.mp4", 30_000_000, "", false),
            ("public/a.zip", 30_000_000, "", false),
            ("model.pt", 90_000_000, "torch.load('model.pt')\n", false),
            ("data/cities.db", 30_000_000, "PATH = BASE / 'data' / 'cities.db'\n", false),
            ("models/m.onnx", 30_000_000, "for path in glob.glob('models/*'): load(path)\n", false),
            ("models/m.onnx", 30_000_000, "for path in Path(\"models\").iterdir(): load(path)\n", false),
            ("models/m.onnx", 30_000_000, "from app import models\n", true),
        ] {
            let found = found(&[("app.py", text)], &[(path, size)]);
            assert_eq!(!found.is_empty(), expected, "{path} {size} {text} {found:?}");
        }
    }

    // C28
    #[test]
    fn advice_names_the_directory_that_was_found() {
        for (files, words) in [
            (&[(".venv/pyvenv.cfg", "x")][..], "git rm -r --cached .venv\n"),
            (&[("env/pyvenv.cfg", "x")], "git rm -r --cached env\n"),
            (&[("backend/venv/pyvenv.cfg", "x")], "git rm -r --cached backend/venv\n"),
            (&[("web/node_modules/x/index.js", "x")], "git rm -r --cached web/node_modules\n"),
        ] {
            let found = found(files, &[]);
            let [found] = found.as_slice() else { panic!("{files:?}: {found:?}") };
            assert!(found.fix().contains(words), "{files:?}: {}", found.fix());
        }
    }

    // C31
    #[test]
    fn files_that_count_at_the_top_only_are_noted_below_it() {
        for (files, expected) in [
            (&["sub/.slugignore"][..], Some("sub/.slugignore")),
            (&[".slugignore", "sub/.slugignore"], Some("sub/.slugignore")),
            (&["backend/Procfile"], Some("backend/Procfile")),
            (&["a/app.json", "a/.python-version"], Some("a/.python-version, a/app.json")),
            (&["backend/runtime.txt"], Some("backend/runtime.txt")),
            (&["a/.profile", "a/nltk.txt"], Some("a/.profile, a/nltk.txt")),
            (&["web/bin/post_compile"], Some("web/bin/post_compile")),
            (&["a/b/Aptfile", "a/.buildpacks"], Some("a/.buildpacks, a/b/Aptfile")),
            (&["bin/post_compile", "web/bin/post_compile", "web/post_compile"], None),
            (&["a/not.python-version", "a/xProcfile", "Aptfile"], None),
            (&["Procfile", "backend/Procfile"], None),
            (&["Procfile", ".slugignore", ".python-version"], None),
            (&["tests/app/Procfile", "examples/x/app.json", "node_modules/x/app.json"], None),
        ] {
            let files: Vec<(&str, &str)> = files.iter().map(|file| (*file, "")).collect();
            let found = found(&files, &[]);
            let note = found.iter().find(|finding| finding.code == FindingCode::FilesBelowTop);
            assert_eq!(note.is_some(), expected.is_some(), "{files:?} {found:?}");
            if let (Some(note), Some(words)) = (note, expected) {
                assert!(note.message.contains(words), "{files:?} {note:?}");
            }
        }
    }
}
