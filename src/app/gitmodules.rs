//! `.gitmodules`, as far as paths go.

/// Reads the paths in a `.gitmodules`.
pub(crate) fn submodule_paths(text: &str) -> impl Iterator<Item = String> + '_ {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once('=')?;
        let path = value.trim().trim_matches('"').trim_end_matches('/');
        (key.trim().eq_ignore_ascii_case("path") && !path.is_empty()).then(|| path.to_owned())
    })
}
