//! Files that a slug hardly needs: large ones, virtual environments, node_modules.

use std::collections::BTreeSet;

use super::catalogue::FindingCode;
use super::facts::Facts;
use super::finding::Finding;
use crate::app::ignored::find_ignored;
use crate::error::MessageCode;

/// A file from this size on is worth a thought.
const LARGE: u64 = 10_000_000;

/// A file of which hardly any running app has a use.
const RARELY_NEEDED: u64 = 1_000_000;
const RARELY_NEEDED_KINDS: &[&str] = &[
    "psd", "ai", "sketch", "xcf", "mp4", "mov", "avi", "mkv", "zip", "tar", "tgz", "gz", "bz2", "xz", "7z",
    "rar", "iso", "dmg", "sql", "dump", "bak", "log", "sqlite3", "db", "ipynb", "pdf", "pptx", "core",
];

/// How many files a message lists.
const SHOWN: usize = 5;

/// Checks the app's files.
pub(super) fn check_files(facts: &Facts) -> Vec<Finding> {
    let dirs = unwanted_dirs(facts);
    let mut findings: Vec<Finding> = dirs.iter().filter_map(|dir| unwanted(facts, dir)).collect();
    findings.extend(large(facts, &dirs));
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
        Finding::new(code, format!("{dir} has {files} of {} in all.", megabytes(bytes)))
            .in_file(dir.to_owned())
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
        .filter(|(path, _)| !dirs.iter().any(|dir| is_below(path, dir)))
        .map(|(path, file)| (file.size, path.as_str()))
        .collect();
    large.sort_unstable_by(|a, b| b.cmp(a));
    let (_, first) = *large.first()?;
    let total: u64 = large.iter().map(|(size, _)| size).sum();
    let mut list: Vec<String> =
        large.iter().take(SHOWN).map(|(size, path)| format!("{path} ({})", megabytes(*size))).collect();
    if large.len() > SHOWN {
        list.push(format!("{} more", large.len() - SHOWN));
    }
    let message = format!("{} in all: {}.", megabytes(total), list.join(", "));
    Some(Finding::new(FindingCode::FilesLarge, message).in_file(first.to_owned()))
}

fn megabytes(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
