//! What is in a slug: distributions, directories, files and their sizes; the difference between two slugs; the
//! list of components (SBOM). Reads any slug, and the layers of a build.
