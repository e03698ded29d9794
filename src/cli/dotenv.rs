//! A `.env` that other local runners would read: it is named, as a missing variable is hard to find.

use super::args::ConfigVarArguments;
use crate::env::Env;
use crate::error::NoticeCode;
use crate::output::Output;

/// Says that there is a `.env` in the current directory if nobody has given config vars.
pub(super) fn tell_unread(arguments: &ConfigVarArguments, env: &Env, output: &Output) {
    let ConfigVarArguments { env_file, env_dir, set } = arguments;
    let is_given = env_file.is_some() || env_dir.is_some() || !set.is_empty();
    if !is_given && env.absolute(".env").is_file() {
        output.notice(
            NoticeCode::ConfigVarsUnread,
            "`.env` is here and isn't read. To take the config vars from it: `--env-file .env`",
        );
    }
}
