//! How a dyno boots: its name, its environment, and the script that bash runs. All of it are values.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use shlex::QuoteError;

use super::DynoCommand;

/// What `PATH` is before a buildpack's scripts add to it.
pub(super) const BASE_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The port that is taken if it is free: an address that stays the same from one run to the next.
pub(super) const USUAL_PORT: u16 = 5000;

/// Returns a dyno's name: `web.1` for a process type, `run.4711` for what runs once. The number of the latter
/// has no meaning, and four digits as on Heroku.
pub(super) fn dyno_name(command: &DynoCommand, process_id: u32) -> String {
    let number = 1000 + process_id % 9000;
    match command {
        DynoCommand::ProcessType(name) if name == "release" => format!("release.{number}"),
        DynoCommand::ProcessType(name) => format!("{name}.1"),
        DynoCommand::Command(_) | DynoCommand::Formation(_) => format!("run.{number}"),
    }
}

/// Decides the port: the one that was asked for; for a web process else the config var's, else a free one.
pub(super) fn resolve_port(
    asked: Option<u16>,
    command: &DynoCommand,
    config_vars: &BTreeMap<String, String>,
) -> Option<u16> {
    let is_web = matches!(command, DynoCommand::ProcessType(name) if name == "web");
    match (asked, config_vars.get("PORT")) {
        (None, _) if !is_web => None,
        (None, Some(text)) => text.parse().ok(),
        (None, None) => Some(free_or(USUAL_PORT)),
        (asked, _) => asked,
    }
}

/// Returns this port if nobody has it, or else one that is free.
pub(super) fn free_or(port: u16) -> u16 {
    let bind = |port| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port));
    let address = bind(port).or_else(|_| bind(0)).and_then(|listener| listener.local_addr());
    // Where not even that is possible, whoever binds to it will say why.
    address.map_or(port, |address| address.port())
}

/// Returns whether somebody listens on a port already.
pub(super) fn is_port_taken(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))
        .is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

/// What a dyno's environment is made of.
pub(super) struct Surroundings<'a> {
    pub(super) app_dir: &'a Path,
    pub(super) dyno: &'a str,
    pub(super) asked_port: Option<u16>,
    pub(super) port: Option<u16>,
    /// The kind of terminal, if there is one.
    pub(super) term: Option<&'a OsStr>,
    pub(super) config_vars: &'a BTreeMap<String, String>,
}

/// Returns the whole environment: nothing of ours is in it. Config vars may replace what is there, as on
/// Heroku, but not a port that was asked for.
pub(super) fn environment(surroundings: &Surroundings<'_>) -> BTreeMap<OsString, OsString> {
    let Surroundings { app_dir, dyno, asked_port, port, term, config_vars } = surroundings;
    let mut env: BTreeMap<OsString, OsString> = BTreeMap::new();
    env.insert("PATH".into(), BASE_PATH.into());
    env.insert("HOME".into(), app_dir.into());
    env.insert("PWD".into(), app_dir.into());
    env.insert("DYNO".into(), dyno.into());
    if let Some(port) = port {
        env.insert("PORT".into(), port.to_string().into());
    }
    if let Some(term) = term {
        env.insert("TERM".into(), term.into());
    }
    env.extend(config_vars.iter().map(|(name, value)| (name.into(), value.into())));
    if let Some(port) = asked_port {
        env.insert("PORT".into(), port.to_string().into());
    }
    env
}

/// Returns a command as a line for bash. One argument is a line already, as for `heroku run "a && b"`;
/// of several, each stays as it is.
pub(super) fn command_line(args: &[OsString]) -> Result<OsString, QuoteError> {
    match args {
        [line] => Ok(line.clone()),
        args => shlex::bytes::try_join(args.iter().map(|arg| arg.as_bytes())).map(OsString::from_vec),
    }
}

/// What is said of a script of `.profile.d` that ends the shell, between its path and the shell's status.
const PROFILE_ENDED: &str = " ended the shell before the command was run (status ";

/// Returns the script, relative to the app, that has ended the shell of a dyno before its command was run, if the output
/// says so.
pub(crate) fn ended_by(output: &str) -> Option<&str> {
    let line = output.lines().find(|line| line.starts_with(" !     ") && line.contains(PROFILE_ENDED))?;
    let path = line.strip_prefix(" !     ")?.split(PROFILE_ENDED).next()?;
    Some(path.find("/.profile").map_or(path, |start| &path[start + 1..]))
}

/// Writes what bash runs: the scripts of `.profile.d` in order, `.profile`, and then the command in their
/// place. The command stands in the text: neither an argument nor a variable could be changed by a script on
/// the way, and nothing of ours is in the command's environment.
pub(super) fn boot_script(app_dir: &Path, bash: &Path, command: &OsStr) -> Result<OsString, QuoteError> {
    let app_dir = shlex::bytes::try_quote(app_dir.as_os_str().as_bytes())?;
    let bash = shlex::bytes::try_quote(bash.as_os_str().as_bytes())?;
    let command = shlex::bytes::try_quote(command.as_bytes())?;
    let pieces: [&[u8]; 13] = [
        b"trap 'slugc_status=$?; [ $slugc_status -gt 128 ] || echo \" !     $slugc_script",
        PROFILE_ENDED.as_bytes(),
        b"$slugc_status).\" >&2' EXIT\nfor slugc_script in ",
        &app_dir,
        b"/.profile.d/*.sh; do\n  if [ -f \"$slugc_script\" ]; then . \"$slugc_script\"; fi\ndone\nslugc_script=",
        &app_dir,
        b"/.profile\nif [ -f ",
        &app_dir,
        b"/.profile ]; then . ",
        &app_dir,
        b"/.profile; fi\ntrap - EXIT\nunset slugc_script\nexec ",
        &bash,
        b" -c ",
    ];
    let pieces = [&pieces.concat()[..], &command].concat();
    Ok(OsString::from_vec(pieces))
}

/// Finds bash: where a dyno has it, or else wherever the user has it.
pub(super) fn find_bash(dirs: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    let dyno_dirs = BASE_PATH.split(':').map(PathBuf::from);
    dyno_dirs.chain(dirs).map(|dir| dir.join("bash")).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process_type(name: &str) -> DynoCommand {
        DynoCommand::ProcessType(name.to_owned())
    }

    #[test]
    fn a_dyno_is_named_as_on_heroku() {
        for (command, expected) in [
            (process_type("web"), "web.1"),
            (process_type("worker"), "worker.1"),
            (process_type("release"), "release.1123"),
            (DynoCommand::Command(vec![]), "run.1123"),
        ] {
            assert_eq!(dyno_name(&command, 9123), expected);
        }
    }

    #[test]
    fn only_what_is_asked_for_or_web_gets_a_port() {
        let none = BTreeMap::new();
        let config_vars = BTreeMap::from([("PORT".to_owned(), "8123".to_owned())]);
        let odd = BTreeMap::from([("PORT".to_owned(), "unix:/x".to_owned())]);
        for (asked, command, vars, expected) in [
            (None, process_type("worker"), &config_vars, None),
            (Some(7000), process_type("worker"), &none, Some(7000)),
            (Some(7000), process_type("web"), &config_vars, Some(7000)),
            (None, process_type("web"), &config_vars, Some(8123)),
            (None, process_type("web"), &odd, None),
            (None, DynoCommand::Command(vec!["web".into()]), &none, None),
        ] {
            assert_eq!(resolve_port(asked, &command, vars), expected, "{asked:?} {command:?} {vars:?}");
        }
        assert!(resolve_port(None, &process_type("web"), &none).is_some_and(|port| port > 0));
    }

    #[test]
    fn a_taken_port_is_not_chosen() {
        // Whether or not somebody else has the usual port: now it is taken.
        let _ours = TcpListener::bind((Ipv4Addr::UNSPECIFIED, USUAL_PORT));
        assert!(is_port_taken(USUAL_PORT));
        assert_ne!(free_or(USUAL_PORT), USUAL_PORT);
    }

    #[test]
    fn config_vars_replace_all_but_a_port_that_was_asked_for() {
        let config_vars: BTreeMap<String, String> = [("HOME", "/x"), ("PORT", "1"), ("A", "b")]
            .map(|(name, value)| (name.into(), value.into()))
            .into();
        let mut surroundings = Surroundings {
            app_dir: Path::new("/app"),
            dyno: "web.1",
            asked_port: None,
            port: Some(1),
            term: None,
            config_vars: &config_vars,
        };
        let render = |surroundings: &Surroundings<'_>| {
            environment(surroundings)
                .into_iter()
                .map(|(name, value)| format!("{}={}", name.display(), value.display()))
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(
            render(&surroundings),
            "A=b DYNO=web.1 HOME=/x PATH=/usr/local/bin:/usr/bin:/bin PORT=1 PWD=/app"
        );
        (surroundings.asked_port, surroundings.port) = (Some(2), Some(2));
        surroundings.term = Some(OsStr::new("xterm"));
        assert_eq!(
            render(&surroundings),
            "A=b DYNO=web.1 HOME=/x PATH=/usr/local/bin:/usr/bin:/bin PORT=2 PWD=/app TERM=xterm"
        );
    }

    #[test]
    fn one_argument_is_a_line_and_several_are_words() {
        for (args, expected) in [
            (&["echo $HOME && ls"][..], "echo $HOME && ls"),
            (&["echo", "$HOME", "a b", "it's", ""], "echo '$HOME' 'a b' \"it's\" ''"),
            (&["python", "--version"], "python --version"),
        ] {
            let args: Vec<OsString> = args.iter().map(OsString::from).collect();
            assert_eq!(command_line(&args).unwrap(), expected);
        }
    }

    #[test]
    fn the_script_quotes_what_it_is_given() {
        let script =
            boot_script(Path::new("/tmp/a b/app"), Path::new("/bin/bash"), OsStr::new("echo 'x' \"$PORT\""))
                .unwrap();
        insta::assert_snapshot!(script.to_str().unwrap(), @r#"
        trap 'slugc_status=$?; [ $slugc_status -gt 128 ] || echo " !     $slugc_script ended the shell before the command was run (status $slugc_status)." >&2' EXIT
        for slugc_script in '/tmp/a b/app'/.profile.d/*.sh; do
          if [ -f "$slugc_script" ]; then . "$slugc_script"; fi
        done
        slugc_script='/tmp/a b/app'/.profile
        if [ -f '/tmp/a b/app'/.profile ]; then . '/tmp/a b/app'/.profile; fi
        trap - EXIT
        unset slugc_script
        exec /bin/bash -c "echo 'x' \""'$PORT"'
        "#);
        boot_script(Path::new("/app"), Path::new("/bin/bash"), OsStr::new("a\0b")).unwrap_err();
    }

    // C17, Y16
    #[test]
    fn a_script_that_ends_the_shell_is_named() {
        let Some(bash) = find_bash([]) else { return };
        for (profile_d, profile, expected) in [
            ("exit 1", "", Some(".profile.d/a.sh")),
            ("exit 0", "", Some(".profile.d/a.sh")),
            ("set -e\nfalse", "", Some(".profile.d/a.sh")),
            ("set -e", "false", Some(".profile")),
            ("", "[ -n \"$NO_SUCH\" ] || exit 3", Some(".profile")),
            ("return 1", "( exit 1 )", None),
            ("if then syntax error", "false", None),
            ("set -e", "true", None),
            ("trap 'echo x' EXIT", "", None),
            ("", "", None),
        ] {
            let dir = tempfile::tempdir().unwrap();
            std::fs::create_dir(dir.path().join(".profile.d")).unwrap();
            std::fs::write(dir.path().join(".profile.d/a.sh"), profile_d).unwrap();
            std::fs::write(dir.path().join(".profile"), profile).unwrap();
            let script = boot_script(dir.path(), &bash, OsStr::new("echo is run")).unwrap();
            let output = std::process::Command::new(&bash).arg("-c").arg(script).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(ended_by(&said), expected, "{profile_d:?} {profile:?}: {said}");
            let is_run = String::from_utf8_lossy(&output.stdout).contains("is run");
            assert_eq!(is_run, expected.is_none(), "{profile_d:?} {profile:?}: {said}");
        }
    }
}
