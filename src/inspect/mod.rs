//! What is in a slug: distributions, directories, files and their sizes; the difference between two slugs; the
//! list of components (SBOM). Reads any slug, and the layers of a build.
//!
//! ```text
//! slug ─contents─► entries, metadata ─installed, owners─► Inspection ─► report, diff, page
//! layers of a build ───────► metadata ─installed────────────────────► sbom
//! ```

mod contents;
mod diff;
mod inspection;
mod installed;
pub(crate) mod made;
mod owners;
mod page;
mod report;
pub(crate) mod sbom;
mod text;

pub(crate) use diff::compare;
pub use inspection::inspect_slug;
pub use installed::find_installed;
pub(crate) use page::{render_diff_page, render_report_page};
pub use report::report;
pub(crate) use text::render_diff;
pub use text::render_report;
