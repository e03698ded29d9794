//! The submodules that git has for a directory: their paths, whether anything of them is there or not.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::git::{Git, GitError, find_work_tree, gitlinks};
use crate::app::gitmodules::submodule_paths;
use crate::app::names::printable;
use crate::app::source::{AppSource, Gitlink};
use crate::env::Env;
use crate::output::Output;

/// How a submodule is marked in git's index: the mode 160000.
const MODE: &[u8] = &[0, 0, 0xe0, 0];

/// Asks git for the submodules below the app. Nothing is known outside of a repository, without git, and where git fails.
pub(super) fn note_gitlinks(app: &mut AppSource, env: &Env, output: &Output) {
    let found = find_gitlinks(&app.root, env, output).ok().flatten().unwrap_or_default();
    app.gitlinks =
        found.into_iter().filter(|link| app.slugignore.leaves_out(link.path.as_bytes()).is_none()).collect();
}

fn find_gitlinks(dir: &Path, env: &Env, output: &Output) -> Result<Option<Vec<Gitlink>>, GitError> {
    let Ok((dir, Some(top))) = find_work_tree(dir) else { return Ok(None) };
    // git isn't asked where there are none.
    let index = fs::read(git_dir(&top).join("index")).unwrap_or_default();
    if !index.windows(MODE.len()).any(|bytes| bytes == MODE) {
        return Ok(None);
    }
    let git = Git::find(env, output)?;
    let listed = git.run(&git.call_in(&dir).args(["ls-files", "-z", "--stage"]), "listing its submodules")?;
    let text = fs::read_to_string(top.join(".gitmodules")).unwrap_or_default();
    let named: Vec<PathBuf> = submodule_paths(&text).map(|path| top.join(path)).collect();
    let found = gitlinks(&listed.stdout).map(|(_, path)| {
        let is_named = named.contains(&dir.join(OsStr::from_bytes(path)));
        Gitlink { path: printable(path), is_named }
    });
    Ok(Some(found.collect()))
}

/// Returns where the index is: of a linked work tree, a file names the directory.
fn git_dir(top: &Path) -> PathBuf {
    let git = top.join(".git");
    match fs::read_to_string(&git) {
        Ok(text) => top.join(text.trim_start_matches("gitdir:").trim()),
        Err(_) => git,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::git::tests::Repositories;
    use crate::build::source::read_directory;

    // C24
    #[test]
    fn submodules_are_known_by_the_index() {
        for (below, gitmodules, ignore, expected) in [
            ("", "", "", &[("lib", false)][..]),
            ("", "[submodule \"x\"]\n\tpath = lib\n", "", &[("lib", true)]),
            ("app", "[submodule \"x\"]\n\tpath = app/lib\n", "", &[("lib", true)]),
            ("app", "[submodule \"x\"]\n\tpath = lib\n", "", &[("lib", false)]),
            ("", "", "lib\n", &[]),
        ] {
            let Some(repositories) = Repositories::new() else { return };
            let at = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
            repositories
                .init("r", &[(&at("a.py"), ""), (&at(".slugignore"), ignore), (".gitmodules", gitmodules)]);
            let commit = repositories.git("r", &["rev-parse", "HEAD"]);
            let dir = repositories.path("r").join(below);
            let read = || read_directory(&dir, false, &repositories.env, &Output::silent()).unwrap().gitlinks;
            assert_eq!(read(), [], "there are none yet");
            let entry = format!("160000,{commit},{}", at("lib"));
            repositories.git("r", &["update-index", "--add", "--cacheinfo", &entry]);
            let found = read();
            let found: Vec<_> = found.iter().map(|link| (link.path.as_str(), link.is_named)).collect();
            assert_eq!(found, expected, "{below} {gitmodules}");
        }
    }
}
