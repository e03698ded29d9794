//! The arguments of `slugc run`.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;

use super::ConfigVarArguments;
use crate::dyno::{BOOT_TIMEOUT, DynoSize, RESTART_DELAY, STOP_TIMEOUT};
use crate::error::similar::closest_own;

/// What follows the options in the help.
const AFTER_HELP: &str = "\
Examples:
  slugc run
  slugc run slug.tgz worker --env-file .env
  slugc run slug.tgz --formation web=2,worker=1 --port 5000
  slugc run slug.tgz -- python manage.py shell

Exit codes: the process's own, 128+N if signal N ended it; 110 if a web process didn't bind to its port in time (R10), \
112 if processes had to be killed at the end (R12), 115 if they used far too much memory (R15). See docs/run.md.

Ctrl-C stops all processes with SIGTERM, a second one kills them. SIGUSR1 restarts the dynos one after the other, from \
what the slug is then.";

/// `slugc run`
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct Run {
    /// The slug
    #[arg(value_name = "SLUG", default_value = "slug.tgz")]
    pub(in crate::cli) slug: PathBuf,

    /// The process type to run
    #[arg(value_name = "TYPE", default_value = "web", conflicts_with_all = ["command_line", "formation"])]
    pub(in crate::cli) process_type: String,

    /// A command to run instead of a process type
    #[arg(last = true, value_name = "COMMAND", conflicts_with = "formation")]
    pub(in crate::cli) command_line: Vec<OsString>,

    /// Run several dynos, for example web=2,worker=1; all=1 is one of each process type
    #[arg(long, value_name = "TYPE=N", value_delimiter = ',', value_parser = parse_scale)]
    pub(in crate::cli) formation: Vec<(String, u16)>,

    /// The port for a web process, or the router's [default: 5000, or a free one]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) port: Option<u16>,

    /// Route requests to web dynos as Heroku's router does; --formation does that whenever --port is given
    #[arg(long, conflicts_with = "command_line")]
    pub(in crate::cli) router: bool,

    /// Have the router say that requests came by https, for apps that redirect to it; implies --router
    #[arg(long, conflicts_with = "command_line")]
    pub(in crate::cli) https: bool,

    /// Address that the router listens on [default: 127.0.0.1]; 0.0.0.0 lets other machines in; implies --router
    #[arg(long, value_name = "ADDRESS", conflicts_with = "command_line")]
    pub(in crate::cli) host: Option<IpAddr>,

    /// The config vars.
    #[command(flatten)]
    pub(in crate::cli) config_vars: ConfigVarArguments,

    /// Memory and cores of each dyno: eco, basic, standard-1x, standard-2x, performance-m,
    /// performance-l, performance-l-ram, performance-xl, performance-2xl; or unlimited
    #[arg(long, value_name = "SIZE", default_value = DynoSize::USUAL.name, value_parser = parse_size)]
    pub(in crate::cli) size: SizeChoice,

    /// Run in a plain directory, without isolation
    #[arg(long)]
    pub(in crate::cli) no_isolate: bool,

    /// Don't look for the reason of a crash: the caller does
    #[arg(long, hide = true)]
    pub(in crate::cli) no_diagnosis: bool,

    /// Run the process type `release` first, and nothing else if it fails
    #[arg(long, conflicts_with = "command_line")]
    pub(in crate::cli) release: bool,

    /// Restart a dyno that has ended: at once the first time, then after --restart-delay, then later
    #[arg(long, conflicts_with = "command_line")]
    pub(in crate::cli) restart: bool,

    /// Seconds until a dyno that has crashed twice is restarted
    #[arg(long, value_name = "SECONDS", default_value_t = RESTART_DELAY.as_secs(), requires = "restart")]
    pub(in crate::cli) restart_delay: u64,

    /// Seconds that a web process has to bind to its port
    #[arg(long, value_name = "SECONDS", default_value_t = BOOT_TIMEOUT.as_secs())]
    pub(in crate::cli) boot_timeout: u64,

    /// Seconds between SIGTERM and SIGKILL
    #[arg(long, value_name = "SECONDS", default_value_t = STOP_TIMEOUT.as_secs())]
    pub(in crate::cli) stop_timeout: u64,
}

/// A size, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct SizeChoice(pub(in crate::cli) Option<DynoSize>);

fn parse_size(text: &str) -> Result<SizeChoice, String> {
    if text == "unlimited" {
        return Ok(SizeChoice(None));
    }
    let names = || DynoSize::ALL.iter().map(|size| size.name).collect::<Vec<_>>().join(", ");
    // `standard2x`, `Standard 2X`, `standard-x2`
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_', ' ', '.'], "");
    let meant = || {
        let mut all = DynoSize::ALL.iter().map(|size| size.name).chain(["unlimited"]);
        let near = closest_own(&text.to_ascii_lowercase(), all.clone());
        let meant = all.find(|name| plain(name) == plain(text)).or(near);
        meant.map(|meant| format!("; is `{meant}` meant?")).unwrap_or_default()
    };
    DynoSize::named(text)
        .map(|size| SizeChoice(Some(size)))
        .ok_or_else(|| format!("the sizes are {} and unlimited{}", names(), meant()))
}

fn parse_scale(text: &str) -> Result<(String, u16), String> {
    const MOST: u16 = 100;
    let (name, count) = text.split_once('=').ok_or("write TYPE=N, for example web=2,worker=1")?;
    let count = count.parse().ok().filter(|count| *count <= MOST);
    match count {
        Some(count) if !name.is_empty() => Ok((name.to_owned(), count)),
        _ => Err(format!("write TYPE=N, where N is a number up to {MOST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // C32
    #[test]
    fn a_size_that_is_not_there_is_refused_with_the_one_that_was_meant() {
        for (text, meant) in [
            ("standard2x", Some("standard-2x")),
            ("Standard_2X", Some("standard-2x")),
            ("standard-2", Some("standard-2x")),
            ("performance-k", Some("performance-l")),
            ("performancem", Some("performance-m")),
            ("performance-l-rma", Some("performance-l-ram")),
            ("bsic", Some("basic")),
            ("unlimted", Some("unlimited")),
            ("huge", None),
            ("x", None),
        ] {
            let error = parse_size(text).unwrap_err();
            assert!(error.starts_with("the sizes are eco, basic"), "{error}");
            let expected = meant.map(|meant| format!("; is `{meant}` meant?"));
            assert_eq!(error.find(';').map(|at| error[at..].to_owned()), expected, "{text}");
        }
        assert_eq!(parse_size("Standard-2X").unwrap().0.map(|size| size.name), Some("standard-2x"));
    }

    #[test]
    fn dynos_are_counted_by_process_type() {
        for (text, expected) in [
            ("web=2", Some(("web", 2))),
            ("my-worker=0", Some(("my-worker", 0))),
            ("web", None),
            ("=1", None),
            ("web=x", None),
            ("web=-1", None),
            ("web=101", None),
        ] {
            let expected = expected.map(|(name, count)| (name.to_owned(), count));
            assert_eq!(parse_scale(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn sizes_have_herokus_names() {
        assert_eq!(parse_size("unlimited"), Ok(SizeChoice(None)));
        assert_eq!(parse_size("eco").unwrap().0.unwrap().quota_mb, 512);
        assert!(parse_size("xxl").unwrap_err().contains("performance-2xl and unlimited"));
    }
}
