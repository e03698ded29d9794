//! What to do when `slugc run` can't run what it was told to: the line for this slug and these words.

use std::ffi::OsStr;
use std::path::Path;

use super::args::Run;
use crate::app::procfile::Procfile;
use crate::env::Env;
use crate::error::{Door, ErrorCode, Failure, UserError};
use crate::output::shell_quote;

/// A failure with advice for this command line.
#[derive(Debug, thiserror::Error)]
#[error("{failure}")]
struct Advised {
    failure: Failure,
    #[source]
    source: Option<NoSuchFile>,
    fix: String,
}

/// What the system says of a file that isn't there.
#[derive(Debug, thiserror::Error)]
#[error("No such file or directory.")]
struct NoSuchFile;

impl UserError for Advised {
    fn code(&self) -> ErrorCode {
        self.failure.code()
    }

    fn detail(&self) -> Option<String> {
        self.failure.error().detail()
    }

    fn fix(&self, _door: Door) -> Option<String> {
        Some(self.fix.clone())
    }

    fn exit_code(&self) -> u8 {
        self.failure.exit_code()
    }
}

/// Adds to a failure what helps with it here, if anything is known that does.
pub(super) fn advise(failure: Failure, run: &Run, env: &Env) -> Failure {
    let slug = env.absolute(&run.slug);
    let fix = match failure.code() {
        ErrorCode::SlugNotOne if slug.is_dir() => {
            let (dir, words) = (shell_quote(&run.slug), words_for(run, &slug));
            format!(
                "Build the app in it, and run the slug:\n  slugc build {dir}\n  slugc run slug.tgz{words}"
            )
        }
        ErrorCode::SlugNotOne if !slug.exists() => no_such_file(run, env),
        ErrorCode::RunNoSuchType if run.formation.is_empty() => {
            let (slug, word) = (shell_quote(&run.slug), quoted(OsStr::new(&run.process_type)));
            format!(
                "Name one of the process types that the Procfile declares. As a\ncommand, with two dashes before it:\n  \
                 slugc run {slug} -- {word}"
            )
        }
        _ => return failure,
    };
    let source = (failure.code() == ErrorCode::SlugNotOne && !slug.exists()).then_some(NoSuchFile);
    Advised { failure, source, fix }.into()
}

/// A slug that isn't there: a word may be missing, or the build.
fn no_such_file(run: &Run, env: &Env) -> String {
    let named = shell_quote(&run.slug);
    let is_word = run.slug.extension().is_none() && run.slug.components().count() == 1;
    let default = Path::new("slug.tgz");
    if is_word && env.absolute(default).is_file() {
        let mut words = format!(" {named}");
        words.push_str(&words_for(run, Path::new("")));
        return format!("The slug comes first:\n  slugc run slug.tgz{words}");
    }
    let words = words_for(run, &env.absolute(Path::new(".")));
    format!("Build it first, in the app's directory:\n  slugc build . -o {named}\n  slugc run {named}{words}")
}

/// Returns the words behind the slug: a process type that the directory declares, or a command.
fn words_for(run: &Run, dir: &Path) -> String {
    if !run.command_line.is_empty() {
        let words = run.command_line.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        return format!(" -- {words}");
    }
    let name = run.process_type.as_str();
    let declared = std::fs::read(dir.join("Procfile")).ok().and_then(|text| Procfile::parse(&text).ok());
    match name {
        "web" => String::new(),
        name if declared
            .is_some_and(|procfile| procfile.processes.iter().any(|(known, _)| known == name)) =>
        {
            format!(" {}", quoted(OsStr::new(name)))
        }
        name => format!(" -- {}", quoted(OsStr::new(name))),
    }
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    shlex::try_quote(&word).map_or_else(|_| word.to_string(), std::borrow::Cow::into_owned)
}
