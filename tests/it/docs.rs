//! The generated pages of the documentation.

/// Compares a generated page with the file, or writes it when `UPDATE_DOCS` is set.
pub(crate) fn check(path: &str, generated: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, generated).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == generated, "{path} is out of date: run `UPDATE_DOCS=1 cargo test _md`");
}

#[test]
fn errors_md_is_up_to_date() {
    check("docs/errors.md", &slugc::error::render_catalogue_markdown());
}
