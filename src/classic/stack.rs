//! The stack that is built for: what `STACK` says, or the running system.

use std::fs;

use crate::env::Env;
use crate::error::{ErrorCode, NoticeCode, UserError};
use crate::output::Output;

/// Stacks that can be built for.
const SUPPORTED: &[&str] = &["heroku-22", "heroku-24", "heroku-26"];
/// Stacks that could be built for once; so could all whose names begin with `cedar`.
const END_OF_LIFE: &[&str] = &["heroku-16", "heroku-18", "heroku-20"];

/// A stack that can't be built for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum StackError {
    /// It was supported once.
    #[error("The app is on the stack `{0}`.")]
    EndOfLife(String),
    /// It was never heard of.
    #[error("The app is on the stack `{0}`.")]
    Unknown(String),
}

impl UserError for StackError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::EndOfLife(_) => ErrorCode::StackEol,
            Self::Unknown(_) => ErrorCode::StackUnknown,
        }
    }

    fn detail(&self) -> Option<String> {
        let (Self::EndOfLife(stack) | Self::Unknown(stack)) = self;
        Some(stack.clone())
    }
}

/// Decides the stack. Without `STACK` it is that of the running system, and the user is told.
pub(super) fn read_stack(env: &Env, output: &Output) -> Result<String, StackError> {
    if let Some(stack) = env.var("STACK") {
        return check_stack(&stack.to_string_lossy());
    }
    let os_release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let stack = stack_of_system(&os_release);
    output.notice(
        NoticeCode::StackNotSet,
        format!("STACK isn't set. The app is built for the running system: {stack}."),
    );
    Ok(stack)
}

fn check_stack(stack: &str) -> Result<String, StackError> {
    if SUPPORTED.contains(&stack) {
        Ok(stack.to_owned())
    } else if stack.starts_with("cedar") || END_OF_LIFE.contains(&stack) {
        Err(StackError::EndOfLife(stack.to_owned()))
    } else {
        Err(StackError::Unknown(stack.to_owned()))
    }
}

/// Names a system: the stack that is made of this Ubuntu, or the system's own name and version.
fn stack_of_system(os_release: &str) -> String {
    let value = |name: &str| {
        os_release
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
            .map(|value| value.trim().trim_matches(['"', '\'']))
            .filter(|value| !value.is_empty())
    };
    match (value("ID"), value("VERSION_ID")) {
        (Some("ubuntu"), Some("22.04")) => "heroku-22".to_owned(),
        (Some("ubuntu"), Some("24.04")) => "heroku-24".to_owned(),
        (Some("ubuntu"), Some("26.04")) => "heroku-26".to_owned(),
        (Some(id), Some(version)) => format!("{id}-{version}"),
        (Some(id), None) => id.to_owned(),
        (None, _) => "linux".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_is_supported_or_old_or_unknown() {
        for (stack, expected) in [
            ("heroku-22", None),
            ("heroku-24", None),
            ("heroku-26", None),
            ("cedar", Some(ErrorCode::StackEol)),
            ("cedar-14", Some(ErrorCode::StackEol)),
            ("heroku-20", Some(ErrorCode::StackEol)),
            ("heroku-28", Some(ErrorCode::StackUnknown)),
            ("HEROKU-24", Some(ErrorCode::StackUnknown)),
            ("x", Some(ErrorCode::StackUnknown)),
        ] {
            assert_eq!(check_stack(stack).err().map(|error| error.code()), expected, "{stack}");
        }
    }

    #[test]
    fn a_system_has_a_name_whatever_its_file_says() {
        for (os_release, expected) in [
            ("NAME=\"Ubuntu\"\nID=ubuntu\nVERSION_ID=\"24.04\"\n", "heroku-24"),
            ("ID=ubuntu\nVERSION_ID=\"25.10\"\n", "ubuntu-25.10"),
            ("PRETTY_NAME=x\nID=debian\nVERSION_ID=\"12\"\n", "debian-12"),
            ("ID='arch'\n", "arch"),
            ("", "linux"),
        ] {
            assert_eq!(stack_of_system(os_release), expected, "{os_release:?}");
        }
    }
}
