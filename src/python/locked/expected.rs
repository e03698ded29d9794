//! What must be installed once a lock was followed.

use super::{LockedPackage, LockedSet, LockedSource};

/// A package that a lock lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedPackage {
    /// The name as PEP 503 normalises it.
    pub name: String,
    /// The exact version, unless it is only known once the package is built.
    pub version: Option<String>,
    /// The environments that it is for.
    pub marker: Option<String>,
    /// Whether it is built from files of the app.
    pub in_app: bool,
}

impl LockedSet {
    /// Lists what must be installed afterwards, where its marker holds. The app itself isn't listed: its build back end
    /// may give it another name. So may those of all packages that come from elsewhere than an index, unless
    /// `names_are_sure`. Their versions are as they were when they were locked, and nothing binds them to those.
    pub(crate) fn expected(&self, names_are_sure: bool) -> Vec<ExpectedPackage> {
        let from_index = |package: &LockedPackage| matches!(package.source, LockedSource::Registry { .. });
        let is_root = |package: &LockedPackage| matches!(&package.source, LockedSource::Path { path, .. } if path == ".");
        let packages = self.packages.iter();
        packages
            .filter(|package| from_index(package) || names_are_sure && !is_root(package))
            .map(|package| ExpectedPackage {
                name: package.name.clone(),
                version: package.exact_version().filter(|_| from_index(package)).map(str::to_owned),
                marker: package.marker.clone(),
                in_app: matches!(package.source, LockedSource::Path { .. }),
            })
            .collect()
    }
}
