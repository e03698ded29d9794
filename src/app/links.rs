//! Symbolic links of the app that lead out of it. They are kept as they are; on a dyno they may lead nowhere.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::names::{bullet_list, printable};
use super::tree::{Finding, SourceEntry, SourceKind};
use crate::error::NoticeCode;

/// Directories that are on every dyno.
const ON_EVERY_DYNO: &[&[u8]] =
    &[b"app", b"bin", b"dev", b"etc", b"lib", b"lib32", b"lib64", b"libx32", b"proc", b"sbin", b"usr"];

/// Says which links lead out of the app, and which hold the directory it is built in.
pub(super) fn link_findings(root: &Path, entries: &[SourceEntry]) -> Vec<Finding> {
    let real = root.canonicalize().unwrap_or_else(|_| root.to_owned());
    let roots = [root.as_os_str().as_bytes(), real.as_os_str().as_bytes()];
    let (mut outside, mut into_build_dir) = (Vec::new(), Vec::new());
    for SourceEntry { path, kind } in entries {
        let SourceKind::Symlink { target } = kind else { continue };
        let list = match leads(path, target, &roots) {
            Leads::Inside => continue,
            Leads::Outside => &mut outside,
            Leads::IntoBuildDir => &mut into_build_dir,
        };
        list.push(format!("{} -> {}", printable(path), printable(target)));
    }
    let mut findings = Vec::new();
    if !outside.is_empty() {
        findings.push(Finding {
            code: NoticeCode::SourceOutsideLink.into(),
            text: format!(
                "Symbolic links lead out of the app. On a dyno they lead nowhere:\n{}",
                bullet_list(&outside)
            ),
        });
    }
    if !into_build_dir.is_empty() {
        findings.push(Finding {
            code: NoticeCode::SourceBuildDirLink.into(),
            text: format!(
                "Symbolic links hold the path of the app on this machine. On a dyno \
                 they lead nowhere; relative links would work:\n{}",
                bullet_list(&into_build_dir)
            ),
        });
    }
    findings
}

#[derive(Debug, PartialEq, Eq)]
enum Leads {
    Inside,
    Outside,
    IntoBuildDir,
}

fn leads(path: &[u8], target: &[u8], roots: &[&[u8]]) -> Leads {
    if !target.starts_with(b"/") {
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        return if climbs_above(depth, target) { Leads::Outside } else { Leads::Inside };
    }
    let first = target.split(|byte| *byte == b'/').find(|name| !name.is_empty()).unwrap_or_default();
    let is_below = |root: &&[u8]| {
        **root != *b"/"
            && target.strip_prefix(*root).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    };
    // An app that is built in /app is where it will be.
    if roots.iter().any(is_below) && !roots.contains(&&b"/app"[..]) {
        Leads::IntoBuildDir
    } else if ON_EVERY_DYNO.contains(&first) {
        Leads::Inside
    } else {
        Leads::Outside
    }
}

/// Returns whether a relative path leaves the directory that is this many levels above its start.
fn climbs_above(mut depth: usize, target: &[u8]) -> bool {
    for name in target.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_inside_or_outside() {
        for (path, target, expected) in [
            ("link", "file", Leads::Inside),
            ("link", "..", Leads::Outside),
            ("link", "a/../..", Leads::Outside),
            ("a/link", "../file", Leads::Inside),
            ("a/link", "../../file", Leads::Outside),
            ("a/link", "/usr/bin/python3", Leads::Inside),
            ("link", "/app/file", Leads::Inside),
            ("link", "/home/me/file", Leads::Outside),
            ("link", "/application", Leads::Outside),
            ("link", "/", Leads::Outside),
            ("link", "//usr/lib", Leads::Inside),
            ("link", "/srv/build/file", Leads::IntoBuildDir),
            ("link", "/srv/build", Leads::IntoBuildDir),
            ("link", "/srv/build2/file", Leads::Outside),
        ] {
            assert_eq!(
                leads(path.as_bytes(), target.as_bytes(), &[b"/srv/build"]),
                expected,
                "{path} {target}"
            );
        }
        assert_eq!(leads(b"link", b"/app/file", &[b"/app"]), Leads::Inside);
    }
}
