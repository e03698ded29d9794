//! What the tests of lines of the Procfile have in common: an app of two files, and one finding or none.

use super::catalogue::FindingCode;
use super::check;
use super::finding::Finding;
use super::tests::app;

pub(super) const WSGI: (&str, &str) = ("wsgi.py", "def app(environ, start_response):\n    return []\n");
const REQUIREMENTS: (&str, &str) = ("requirements.txt", "gunicorn==23.0.0\n");

/// Checks an app: wsgi.py and gunicorn, unless other files are given under those names.
pub(super) fn found(procfile: &str, more: &[(&str, &str)]) -> Vec<Finding> {
    let usual =
        [WSGI, REQUIREMENTS].into_iter().filter(|(name, _)| !more.iter().any(|(other, _)| other == name));
    let files: Vec<(&str, &str)> =
        usual.chain(more.iter().copied()).chain([("Procfile", procfile)]).collect();
    let mut found = check(&app(&files));
    found.retain(|finding| {
        ![FindingCode::RequirementsUnpinned, FindingCode::BuildpackIgnored].contains(&finding.code)
    });
    found
}

/// Asserts that a line has one finding, and what it says: its id, and words of its message or its advice.
pub(super) fn assert_one(procfile: &str, more: &[(&str, &str)], expected: Option<(&str, &str)>) {
    let found = found(procfile, more);
    let shown: Vec<&str> = found.iter().map(|finding| finding.code.entry().id).collect();
    let ids: Vec<&str> = expected.iter().map(|(id, _)| *id).collect();
    assert_eq!(shown, ids, "{procfile} {more:?} {found:#?}");
    if let Some((_, words)) = expected {
        let text = format!("{}\n{}", found[0].message, found[0].fix());
        assert!(text.contains(words), "{procfile}: {text}");
    }
}
