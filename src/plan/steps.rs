//! The app's own programs that a build runs: which, in what order, and which it passes over.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::Facts;
use super::importable::{Answer, is_importable};
use crate::app::source::AppSource;

/// The hook that runs before anything is decided: it may write the very files that decide.
pub(crate) const PRE_COMPILE: &str = "bin/pre_compile";
/// The hook that runs at the end of a build.
pub(crate) const POST_COMPILE: &str = "bin/post_compile";
/// Both hooks.
pub(crate) const HOOKS: [&str; 2] = [PRE_COMPILE, POST_COMPILE];
/// Where the app names NLTK's corpora.
pub(crate) const NLTK_FILE: &str = "nltk.txt";
/// The file by which apps of old turn collectstatic off.
pub(crate) const DISABLING_FILE: &str = ".heroku/collectstatic_disabled";
/// The variable that turns it off.
pub(crate) const DISABLING_VARIABLE: &str = "DISABLE_COLLECTSTATIC";

/// How deep in the app a `manage.py` may be.
const MAX_DEPTH: usize = 3;

/// Which of the app's own programs it is. They run in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum StepKind {
    /// `bin/pre_compile`.
    PreCompile,
    /// NLTK's downloader.
    Nltk,
    /// Django's collectstatic.
    Collectstatic,
    /// `bin/post_compile`.
    PostCompile,
}

impl StepKind {
    /// Returns what it is called in messages and in keys of layers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PreCompile => PRE_COMPILE,
            Self::Nltk => "the NLTK downloader",
            Self::Collectstatic => "collectstatic",
            Self::PostCompile => POST_COMPILE,
        }
    }
}

/// Something of the app's own that a build runs, with what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `bin/pre_compile`.
    PreCompile,
    /// NLTK's downloader, with the names of the corpora.
    Nltk(Vec<String>),
    /// Django's collectstatic, by this `manage.py`: its path in the app.
    Collectstatic(PathBuf),
    /// `bin/post_compile`.
    PostCompile,
}

impl Step {
    /// Returns which it is.
    pub(crate) fn kind(&self) -> StepKind {
        match self {
            Self::PreCompile => StepKind::PreCompile,
            Self::Nltk(_) => StepKind::Nltk,
            Self::Collectstatic(_) => StepKind::Collectstatic,
            Self::PostCompile => StepKind::PostCompile,
        }
    }

    /// Returns the command that is run, as a user would write it.
    pub(crate) fn command(&self) -> String {
        match self {
            Self::PreCompile | Self::PostCompile => self.kind().name().to_owned(),
            Self::Nltk(corpora) => format!("python -m nltk.downloader {}", corpora.join(" ")),
            Self::Collectstatic(manage) => format!("python {} collectstatic --noinput", manage.display()),
        }
    }
}

/// Why a step isn't run though the app could be meant to have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Skip {
    /// NLTK is installed, and there is no `nltk.txt`.
    NoNltkFile,
    /// `nltk.txt` names nothing.
    EmptyNltkFile,
    /// The old file turns collectstatic off.
    DisabledByFile,
    /// The variable turns collectstatic off.
    DisabledByVariable,
    /// Django is installed, and there is no `manage.py`.
    NoManagePy,
}

impl Skip {
    /// Returns which step isn't run.
    pub(crate) fn kind(self) -> StepKind {
        match self {
            Self::NoNltkFile | Self::EmptyNltkFile => StepKind::Nltk,
            Self::DisabledByFile | Self::DisabledByVariable | Self::NoManagePy => StepKind::Collectstatic,
        }
    }

    /// Returns the reason.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoNltkFile => "there is no nltk.txt",
            Self::EmptyNltkFile => "nltk.txt names no corpora",
            Self::DisabledByFile => "the file .heroku/collectstatic_disabled exists",
            Self::DisabledByVariable => "DISABLE_COLLECTSTATIC is set",
            Self::NoManagePy => "there is no manage.py",
        }
    }
}

/// A step that is run or passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StepPlan {
    /// What is run, or why it isn't.
    pub decision: Result<Step, Skip>,
    /// A module without which the app has no use for the step, if it isn't known yet whether it can be imported: nothing
    /// is installed, or only Python can tell.
    pub needs: Option<&'static str>,
}

impl StepPlan {
    fn certain(decision: Result<Step, Skip>) -> Self {
        Self { decision, needs: None }
    }

    /// Returns which step it is.
    pub(crate) fn kind(&self) -> StepKind {
        self.decision.as_ref().map_or_else(|skip| skip.kind(), Step::kind)
    }

    /// Whether the step is run, for all that is known.
    pub(crate) fn runs(&self) -> bool {
        self.decision.is_ok()
    }

    /// Whether the step is run in any case.
    pub(crate) fn is_certain(&self) -> bool {
        self.runs() && self.needs.is_none()
    }
}

impl Serialize for StepPlan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("StepPlan", 3)?;
        fields.serialize_field("step", self.kind().name())?;
        match &self.decision {
            Ok(step) => fields.serialize_field("command", &step.command())?,
            Err(skip) => fields.serialize_field("skipped", skip.reason())?,
        }
        match self.needs {
            Some(module) => fields.serialize_field("if_importable", module)?,
            None => fields.skip_field("if_importable")?,
        }
        fields.end()
    }
}

/// Plans the steps, in the order in which they run.
pub(super) fn plan_steps(facts: &Facts<'_>) -> Vec<StepPlan> {
    let app = facts.app;
    let hook = |step: Step| app.has_file(step.kind().name()).then(|| StepPlan::certain(Ok(step)));
    [hook(Step::PreCompile), nltk(facts), collectstatic(facts), hook(Step::PostCompile)]
        .into_iter()
        .flatten()
        .collect()
}

fn nltk(facts: &Facts<'_>) -> Option<StepPlan> {
    let decision = match facts.corpora {
        None => Err(Skip::NoNltkFile),
        Some([]) => Err(Skip::EmptyNltkFile),
        Some(corpora) => Ok(Step::Nltk(corpora.to_vec())),
    };
    of_module("nltk", decision, facts)
}

fn collectstatic(facts: &Facts<'_>) -> Option<StepPlan> {
    if facts.app.has_file(DISABLING_FILE) {
        return Some(StepPlan::certain(Err(Skip::DisabledByFile)));
    }
    if facts.collectstatic_is_off {
        return Some(StepPlan::certain(Err(Skip::DisabledByVariable)));
    }
    let manage = find_manage_py(facts.app);
    of_module("django", manage.map(Step::Collectstatic).ok_or(Skip::NoManagePy), facts)
}

/// Plans a step that only apps with a certain module have. Before anything is installed, nothing is said of what such an
/// app would lack.
fn of_module(module: &'static str, decision: Result<Step, Skip>, facts: &Facts<'_>) -> Option<StepPlan> {
    let answer = facts.site_packages.map(|names| is_importable(module, names, &facts.app.names));
    match (answer, decision) {
        (Some(Answer::Yes), decision) => Some(StepPlan::certain(decision)),
        (Some(Answer::No), _) | (None, Err(_)) => None,
        (Some(Answer::AskPython) | None, decision) => Some(StepPlan { decision, needs: Some(module) }),
    }
}

/// Finds the `manage.py` that is the least deep in the app, and of several the first by name. A link to a file is
/// one; linked directories aren't searched.
fn find_manage_py(app: &AppSource) -> Option<PathBuf> {
    let paths: BTreeSet<(usize, &[u8])> = app
        .tree
        .entries
        .iter()
        .map(|entry| entry.path.as_slice())
        .filter(|path| path.ends_with(b"manage.py"))
        .filter_map(|path| {
            let mut components = path.split(|byte| *byte == b'/');
            let is_hidden = components.clone().any(|name| name == b".git" || name == b".heroku");
            let is_it = components.next_back() == Some(b"manage.py") && !is_hidden;
            is_it.then(|| (components.count() + 1, path))
        })
        .filter(|(depth, path)| *depth <= MAX_DEPTH && app.has_file(path))
        .collect();
    paths.first().map(|(_, path)| PathBuf::from(OsStr::from_bytes(path)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::app::source::read_source;
    use crate::env::Interrupt;

    #[test]
    fn the_least_deep_manage_py_counts() {
        for (files, expected) in [
            (&["manage.py"][..], Some("manage.py")),
            (&["b/manage.py", "a/x/manage.py"], Some("b/manage.py")),
            (&["b/manage.py", "a/manage.py"], Some("a/manage.py")),
            (&["a/b/manage.py"], Some("a/b/manage.py")),
            (&["a/b/c/manage.py"], None),
            (&[".heroku/manage.py", "x/.heroku/manage.py"], None),
            (&["manage.py/inner", "site/manage.py"], Some("site/manage.py")),
            (&["mymanage.py"], None),
            (&[], None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for file in files {
                let path = dir.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, "").unwrap();
            }
            fs::write(dir.path().join("requirements.txt"), "").unwrap();
            let app = read_source(dir.path(), &BTreeSet::new(), &Interrupt::default()).unwrap();
            assert_eq!(find_manage_py(&app), expected.map(PathBuf::from), "{files:?}");
        }
    }

    #[test]
    fn a_linked_manage_py_is_one() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("tools")).unwrap();
        fs::write(dir.path().join("tools/cli.py"), "").unwrap();
        symlink("tools/cli.py", dir.path().join("manage.py")).unwrap();
        let app = read_source(dir.path(), &BTreeSet::new(), &Interrupt::default()).unwrap();
        assert_eq!(find_manage_py(&app), Some("manage.py".into()));
    }
}
