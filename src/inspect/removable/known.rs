//! What is known of particular packages and programs, for the rules of what may go.

use crate::inspect::contents::{Content, EntryFacts};

/// Files that only name such a directory, whatever they do with the name: they neither import nor read what is in it.
pub(super) const ONLY_NAME_IT: &[&str] = &[
    // What `dir(numpy)` doesn't show.
    "/numpy/__init__.py",
    // `numpy.test()`, `pandas.test()`.
    "/numpy/_pytesttester.py",
    "/pandas/util/_tester.py",
    "/scipy/_lib/_testutils.py",
    // Where a warning is said to come from.
    "/pandas/util/_exceptions.py",
    // What isn't looked through for estimators.
    "/sklearn/utils/discovery.py",
    "/sklearn/utils/_testing.py",
    "/sklearn/metrics/_scorer.py",
    // Names of extras.
    "/sklearn/_min_dependencies.py",
];

/// Files that are run by the developers of a package, and never by an app.
pub(super) const FOR_DEVELOPERS: &[&str] = &[
    "/conftest.py",
    // Versions for reports of bugs.
    "/pandas/util/_print_versions.py",
    "/scipy/special/_precompute/",
    // Lists of the names of files for which there are lexers.
    "/pygments/lexers/",
    // What writes and compiles catalogues of messages; an app reads compiled ones.
    "/django/core/management/commands/makemessages.py",
    "/django/core/management/commands/compilemessages.py",
    "/babel/messages/",
    // What writes and builds extensions in C.
    "/numpy/f2py/",
    "/numpy/distutils/",
    "/numpy/random/_examples/",
    "/setuptools/",
    "/pkg_resources/",
    "/_distutils_hack/",
];

/// Distributions that read the stubs of others.
pub(super) const READ_STUBS: &[&str] =
    &["jedi", "mypy", "pyright", "basedpyright", "pytype", "pyre-check", "ty", "pyrefly", "typeshed-client"];

/// Distributions that compile C while an app runs, whatever compiler they bring or find.
pub(super) const COMPILE: &[&str] = &[
    "ziglang",
    "torch",
    "triton",
    "pytensor",
    "theano",
    "cppyy",
    "tinygrad",
    "pythran",
    "pykeops",
    "keopscore",
    "cupy",
    "pycuda",
    "pyopencl",
    "instant",
    "tcc",
    "clang",
    "gcc",
];

/// Tells whether an entry is a compiler of C.
pub(super) fn is_compiler(entry: &EntryFacts) -> bool {
    let path = String::from_utf8_lossy(&entry.path);
    let Some((directory, name)) = path.rsplit_once('/') else { return false };
    let stem =
        name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.' || letter == '-');
    let program = stem.rsplit_once("linux-gnu-").map_or(stem, |(_, program)| program);
    (directory == "bin" || directory.ends_with("/bin"))
        && entry.content != Content::Directory
        && ["gcc", "cc", "g++", "c++", "clang", "clang++", "tcc", "zig", "nvcc", "icx", "icc"]
            .contains(&program)
}
