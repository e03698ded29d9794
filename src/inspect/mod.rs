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
mod owners;
mod page;
mod report;
pub mod sbom;
mod text;

pub use contents::{Content, Contents, EntryFacts};
pub use diff::{Difference, compare};
pub use inspection::{Inspection, inspect_slug};
pub use installed::{Installed, find_installed};
pub use owners::Owner;
pub use page::{render_diff_page, render_report_page};
pub use report::{Report, report};
pub use text::{render_diff, render_report};
