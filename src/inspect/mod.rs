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
mod markdown;
mod owners;
mod page;
mod removable;
mod report;
mod requires;
pub(crate) mod sbom;
mod text;
mod text_diff;
mod why;

pub(crate) use diff::compare;
pub use inspection::inspect_slug;
pub use installed::find_installed;
pub(crate) use markdown::{render_diff_markdown, render_report_markdown, render_why_markdown};
pub(crate) use page::{render_diff_page, render_report_page};
pub use report::report;
pub use text::render_report;
pub(crate) use text::render_why;
pub(crate) use text_diff::render_diff;
pub(crate) use why::why;
