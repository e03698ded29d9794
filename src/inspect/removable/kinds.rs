//! The kinds of what may go, and their names.

use super::mentions::DIRECTORIES;

/// The kinds, in the order in which an entry belongs to the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Pip,
    PipWheel,
    Directory(&'static str),
    Stubs,
    Translations,
    Headers,
    StaticLibraries,
    ManualPages,
    Notebooks,
    NodeModules,
    Git,
}

impl Kind {
    pub(super) const ALL: [Self; 13] = [
        Self::Pip,
        Self::PipWheel,
        Self::Directory(DIRECTORIES[0]),
        Self::Directory(DIRECTORIES[1]),
        Self::Directory(DIRECTORIES[2]),
        Self::Stubs,
        Self::Translations,
        Self::Headers,
        Self::StaticLibraries,
        Self::ManualPages,
        Self::Notebooks,
        Self::NodeModules,
        Self::Git,
    ];

    /// Returns its name for scripts.
    pub(super) fn id(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::PipWheel => "ensurepip",
            Self::Directory(name) => name,
            Self::Stubs => "stubs",
            Self::Translations => "translation-sources",
            Self::Headers => "headers",
            Self::StaticLibraries => "static-libraries",
            Self::ManualPages => "manual-pages",
            Self::Notebooks => "notebooks",
            Self::NodeModules => "node-modules",
            Self::Git => "git",
        }
    }

    /// Returns what it is, for people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Pip => "pip",
            Self::PipWheel => "pip's wheel in ensurepip",
            Self::Directory("docs") => "docs of packages",
            Self::Directory("examples") => "examples of packages",
            Self::Directory(_) => "tests of packages",
            Self::Stubs => "type stubs (.pyi)",
            Self::Translations => "sources of translations (.po)",
            Self::Headers => "C headers",
            Self::StaticLibraries => "static libraries (.a)",
            Self::ManualPages => "manual pages and documents in share",
            Self::Notebooks => "notebooks (.ipynb)",
            Self::NodeModules => "node_modules",
            Self::Git => "the repository (.git)",
        }
    }
}
