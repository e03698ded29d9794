//! What may have been meant by a wrong name: the closest of those that there are.

/// Returns the one name that is one or two letters off, if the word is long enough for that to mean something.
pub(crate) fn closest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.chars().count() {
        0..=4 => return None,
        5..=7 => 1,
        _ => 2,
    };
    nearest(word, names, allowed)
}

/// As [`closest`] for the few names that an app has: there, short words mean something, too.
pub(crate) fn closest_own<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = match word.chars().count() {
        0..=2 => return None,
        3..=7 => 1,
        _ => 2,
    };
    nearest(word, names, allowed)
}

/// Returns the name that is the fewest letters off, but not the word itself; of several the first by the alphabet.
fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>, allowed: usize) -> Option<&'a str> {
    let near = names.into_iter().map(|name| (distance(word, name), name));
    near.filter(|(distance, _)| (1..=allowed).contains(distance)).min().map(|(_, name)| name)
}

/// Returns the file of the app that may have been meant by another path: a slip in its name, upper and lower case, or
/// another directory.
pub(crate) fn closest_file<'a>(path: &str, files: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let files: Vec<&str> = files.into_iter().collect();
    let name = |path: &'a str| path.rsplit('/').next().unwrap_or(path);
    let is_same = |file: &&&str| file.eq_ignore_ascii_case(path);
    let wanted = path.rsplit('/').next().unwrap_or(path);
    let elsewhere: Vec<&str> = files.iter().copied().filter(|file| name(file) == wanted).collect();
    // `bash setup`, where there is a setup.sh.
    let with_kind =
        |file: &&&str| file.rsplit_once('.').is_some_and(|(stem, kind)| stem == path && !kind.contains('/'));
    match elsewhere.as_slice() {
        [one] => Some(*one),
        _ if files.iter().filter(with_kind).count() == 1 => files.iter().find(with_kind).copied(),
        _ => files.iter().find(is_same).copied().or_else(|| closest_own(path, files.iter().copied())),
    }
}

/// Counts the letters that have to be added, removed or replaced, or swapped with the next one (the restricted
/// Damerau-Levenshtein distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (index, row) in rows.iter_mut().enumerate() {
        row[0] = index;
    }
    for (index, cell) in rows[0].iter_mut().enumerate() {
        *cell = index;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    // C21
    #[test]
    fn an_apps_own_names_are_recognised_by_less() {
        for (word, expected) in
            [("wsgl", Some("wsgi")), ("man", Some("main")), ("wsgi", None), ("app", None), ("xy", None)]
        {
            assert_eq!(closest_own(word, ["wsgi", "main"]), expected, "{word}");
        }
        let files = ["start.sh", "bin/run.sh", "src/web/app.py", "Worker.py", "conf/gunicorn.py"];
        for (path, expected) in [
            ("strat.sh", Some("start.sh")),
            ("worker.py", Some("Worker.py")),
            ("run.sh", Some("bin/run.sh")),
            ("web/app.py", Some("src/web/app.py")),
            ("conf/gunicron.py", Some("conf/gunicorn.py")),
            ("other.py", None),
            ("start", Some("start.sh")),
            ("bin/run", Some("bin/run.sh")),
            ("src/web/app", Some("src/web/app.py")),
            ("src/web", None),
        ] {
            assert_eq!(closest_file(path, files), expected, "{path}");
        }
    }

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        for (word, expected) in [
            ("gunicron", Some("gunicorn")),
            ("gunicor", Some("gunicorn")),
            ("uvicorn", None),
            ("unicorn", Some("gunicorn")),
            ("bash", None),
            ("gunicorn", None),
        ] {
            assert_eq!(closest(word, ["gunicorn", "celery"]), expected, "{word}");
        }
        assert_eq!(distance("abc", "acb"), 1);
        assert_eq!(distance("", "abc"), 3);
    }
}
