//! uv.lock in a copy of the app. uv writes where an index in the app was when it locked, as an absolute address, and takes
//! the lock for outdated if the index is anywhere else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use url::Url;

use crate::error::Result;
use crate::host::files;

/// Lets the lock in a copy name the indexes of that copy.
pub(super) fn name_indexes_of_copy(directory: &Path, archives: &BTreeSet<String>) -> Result<()> {
    let file = directory.join("uv.lock");
    if archives.is_empty() {
        return Ok(());
    }
    // Without one, or with one that can't be read, uv has the better message.
    let Ok(lock) = fs::read_to_string(&file) else { return Ok(()) };
    // As uv finds it.
    let directory = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    let moved = with_indexes_in(&lock, archives, &directory);
    if moved != lock {
        files::replace_contents(&file, moved.as_bytes())?;
    }
    Ok(())
}

/// Replaces the addresses of the app's own indexes, wherever the app was.
fn with_indexes_in(lock: &str, archives: &BTreeSet<String>, directory: &Path) -> String {
    static INDEX: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"index = "(file:///[^"]*)""#).expect("the pattern is constant"));
    let moved = |captures: &Captures<'_>| {
        let path = Url::parse(&captures[1]).ok().and_then(|url| url.to_file_path().ok());
        let own = path.and_then(|path| {
            let fitting = archives.iter().filter(|archive| path.ends_with(archive.as_str()));
            fitting.max_by_key(|archive| archive.len())
        });
        match own.and_then(|archive| Url::from_file_path(directory.join(archive)).ok()) {
            Some(url) => format!("index = \"{url}\""),
            None => captures[0].to_owned(),
        }
    };
    INDEX.replace_all(lock, moved).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    // D33
    #[test]
    fn an_index_in_the_app_is_where_the_copy_is() {
        let archives = ["vendor", "libs/vendor", "my wheels"].map(str::to_owned).into();
        for (named, expected) in [
            ("file:///home/x/shop/vendor", "file:///s/a%20b/vendor"),
            ("file:///home/x/shop/libs/vendor", "file:///s/a%20b/libs/vendor"),
            ("file:///home/x/shop/my%20wheels", "file:///s/a%20b/my%20wheels"),
            ("file:///srv/other", "file:///srv/other"),
            ("file:///home/x/shop/myvendor", "file:///home/x/shop/myvendor"),
            ("https://i.test/vendor", "https://i.test/vendor"),
        ] {
            let line = |url: &str| format!("requires-dist = [{{ name = \"a\", index = \"{url}\" }}]\n");
            let moved = with_indexes_in(&line(named), &archives, Path::new("/s/a b"));
            assert_eq!(moved, line(expected), "{named}");
        }
    }
}
