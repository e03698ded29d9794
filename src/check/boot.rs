//! Whether a web process boots, as seen from outside: it listens in time, stays alive, and answers a request. Someone else
//! has started it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use super::catalogue::{FindingCode, Severity};
use super::facts::Facts;
use super::finding::{Finding, line_of};
use crate::env::Env;
use crate::error::{Result, Snippet};
use crate::host::clock::Stopwatch;
use crate::host::sockets::{self, is_loopback};

/// How the web process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boot {
    /// It listens, after so long.
    Listens(Duration),
    /// It listens, but for this machine only.
    ListensOnLoopback,
    /// It didn't listen in time.
    TimedOut,
    /// It has ended before it listened.
    Ended,
    /// It listened, and ended so long after that.
    EndedAfterListening(Duration),
    /// It listens and lives, but closes the connection instead of answering `GET /`.
    Hangs,
    /// It listens and lives, but gives no answer to `GET /` within so long.
    Silent(Duration),
    /// It answers `GET /` with an error of its own.
    Fails(u16),
}

/// Who may reach a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Listener {
    Nobody,
    Loopback,
    Everybody,
}

/// Waits until somebody listens on a port. `ended` is closed when the process has ended.
pub(crate) fn wait_for_port(port: u16, limit: Duration, ended: &Receiver<()>, env: &Env) -> Result<Boot> {
    const STEP: Duration = Duration::from_millis(50);
    // A server may listen for its own machine first, and for everybody next.
    const SETTLE: Duration = Duration::from_secs(2);
    let watch = Stopwatch::start();
    let mut loopback_since = None;
    loop {
        env.interrupt.check()?;
        match listener(port) {
            Listener::Everybody => return Ok(Boot::Listens(watch.elapsed())),
            Listener::Loopback => {
                let since = *loopback_since.get_or_insert_with(|| watch.elapsed());
                if watch.elapsed() > since + SETTLE {
                    return Ok(Boot::ListensOnLoopback);
                }
            }
            Listener::Nobody => loopback_since = None,
        }
        if watch.elapsed() > limit {
            return Ok(Boot::TimedOut);
        }
        if ended.recv_timeout(STEP) == Err(RecvTimeoutError::Disconnected) {
            return Ok(Boot::Ended);
        }
    }
}

/// How long a process that listens is watched. Servers that listen before their workers load the app give up within a
/// second or two if those fail.
const WATCHED: Duration = Duration::from_secs(4);

/// How long a process that closed the connection may take to end.
const ENDING: Duration = Duration::from_secs(6);

/// How long an answer may take: Heroku's router gives up then, too (H12).
const PATIENCE: Duration = Duration::from_secs(30);

/// Watches a process that listens for some seconds, and asks it `GET /` once. `ended` is closed when it has ended.
pub(crate) fn watch(
    listens: Boot,
    port: u16,
    within: Duration,
    ended: &Receiver<()>,
    env: &Env,
) -> Result<Boot> {
    let watch = Stopwatch::start();
    let watched = WATCHED.min(within);
    let mut answer = None;
    let mut asked = None;
    loop {
        env.interrupt.check()?;
        if ended.recv_timeout(Duration::from_millis(50)) == Err(RecvTimeoutError::Disconnected) {
            return Ok(Boot::EndedAfterListening(watch.elapsed()));
        }
        // Workers that fail to load the app do so first.
        if asked.is_none() && watch.elapsed() > watched / 2 {
            let (sender, receiver) = mpsc::channel();
            std::thread::spawn(move || sender.send(ask(port)));
            asked = Some(receiver);
        }
        if let Some(found) = asked.as_ref().and_then(|receiver| receiver.try_recv().ok()) {
            answer = Some(found);
        }
        // A process that is ending closes its connections first, and is buried a while later.
        let grace = if answer == Some(Answer::Closed) { ENDING } else { Duration::ZERO };
        if watch.elapsed() < watched + grace {
            continue;
        }
        return Ok(match answer {
            None if watch.elapsed() > PATIENCE => Boot::Silent(PATIENCE),
            None => continue,
            Some(Answer::Status(status)) if status >= 500 => Boot::Fails(status),
            Some(Answer::Status(_)) => listens,
            Some(Answer::Closed) => Boot::Hangs,
            Some(Answer::None) => Boot::Silent(PATIENCE),
        });
    }
}

/// What came back for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    /// An answer of this status.
    Status(u16),
    /// Nothing in time.
    None,
    /// The connection was refused, reset or closed, or what came isn't HTTP.
    Closed,
}

/// Asks for the page as the router would. The same machine is asked, so no proxy of the user's is in between.
fn ask(port: u16) -> Answer {
    let is_late =
        |error: &io::Error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut);
    let exchange = || -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let head = format!(
            "GET / HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: slugc\r\nAccept: */*\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-For: 127.0.0.1\r\n\
             Connection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut start = Vec::new();
        while start.len() < 64 && !start.contains(&b'\n') {
            let mut bytes = [0; 64];
            let read = stream.read(&mut bytes)?;
            if read == 0 {
                break;
            }
            start.extend_from_slice(&bytes[..read]);
        }
        Ok(start)
    };
    match exchange() {
        Ok(start) => status(&start).map_or(Answer::Closed, Answer::Status),
        Err(error) if is_late(&error) => Answer::None,
        Err(_) => Answer::Closed,
    }
}

/// Reads the status of an answer's first line: `HTTP/1.1 200 OK`.
fn status(start: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(start.split(|byte| *byte == b'\r').next()?).ok()?;
    line.strip_prefix("HTTP/1.")?.get(2..)?.split(' ').next()?.parse().ok()
}

/// Returns what of a process's output says why it failed: the last traceback, or its last lines. What `slugc run` itself
/// says isn't the process's.
pub(crate) fn last_words(output: &str, most: usize) -> String {
    let lines = without_own(output);
    let traceback = lines.iter().rposition(|line| line.ends_with("Traceback (most recent call last):"));
    if let Some(start) = traceback {
        // Its end is the first line that isn't indented: the exception.
        let length = lines[start + 1..].iter().position(|line| !line.starts_with([' ', '\t']));
        let end = length.map_or(lines.len(), |length| start + 2 + length);
        // An exception's own text can have several lines.
        return lines[end.saturating_sub(most).max(start)..end].join("\n");
    }
    if lines.is_empty() {
        // It said nothing: how it ended is all that there is.
        let ending = output.lines().rev().find_map(|line| line.strip_prefix("-----> Process exited with "));
        return ending
            .map(|ending| format!("It said nothing, and exited with {ending}."))
            .unwrap_or_default();
    }
    lines[lines.len().saturating_sub(most)..].join("\n")
}

/// Takes out what `slugc run` and the scripts of the buildpack say: steps, reports, and what belongs to them.
fn without_own(output: &str) -> Vec<&str> {
    let is_report = |line: &str| {
        let words = ["error[", "warning[", "note["];
        let id = words.iter().find_map(|word| line.strip_prefix(word)?.split_once("]: "));
        id.is_some_and(|(id, _)| id.contains("::") || id == "interrupted")
    };
    // How far what belongs to the line before is indented.
    let mut margin = None;
    let mut lines = Vec::new();
    for line in output.lines().map(str::trim_end) {
        if line.starts_with("-----> ") {
            margin = Some("       ");
        } else if is_report(line) {
            margin = Some("  ");
        } else if margin.is_some_and(|margin| line.starts_with(margin))
            || line.starts_with("Python buildpack: ")
        {
            continue;
        } else if !line.is_empty() {
            margin = None;
            lines.push(line);
        }
    }
    lines
}

/// Returns the last line of the app's own that the last traceback of an output names.
pub(crate) fn place_in_traceback(output: &str, facts: &Facts) -> Option<Snippet> {
    let start = output.rfind("Traceback (most recent call last):")?;
    let mut frames = output[start..].lines().filter_map(|line| {
        let (path, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
        let number: usize = rest.split(',').next()?.trim().parse().ok()?;
        // A dyno has the app in /app, or in a directory of that name.
        let (_, file) = path.split_once("/app/")?;
        let text = line_of(facts.texts.get(file)?, number)?;
        Some((file.to_owned(), number, text))
    });
    let (file, line, text) = frames.next_back()?;
    let span = text.len() - text.trim_start().len()..text.trim_end().len();
    Some(Snippet { file, line, text, span, label: "raised here".to_owned() })
}

/// Says what is wrong with a boot; `last_words` is what the process wrote last.
pub(crate) fn finding(boot: Boot, port: u16, limit: Duration, last_words: &str) -> Option<Finding> {
    let words = if last_words.is_empty() { String::new() } else { format!("\n{last_words}") };
    match boot {
        Boot::Listens(_) => None,
        Boot::ListensOnLoopback => {
            let message = format!("It listens on 127.0.0.1:{port}, where Heroku's router can't reach it.");
            Some(Finding::new(FindingCode::BootLoopback, message))
        }
        Boot::TimedOut => {
            let message = format!(
                "Nothing listens on the port in PORT ({port}) after {} seconds.{words}",
                limit.as_secs()
            );
            Some(Finding::new(FindingCode::BootTimeout, message))
        }
        Boot::Ended => {
            Some(Finding::new(FindingCode::BootFailed, format!("It ended before it listened.{words}")))
        }
        Boot::EndedAfterListening(after) => {
            let message =
                format!("It listened on PORT, and ended {:.1} seconds later.{words}", after.as_secs_f32());
            Some(Finding::new(FindingCode::BootFailed, message))
        }
        Boot::Hangs => {
            let message = format!("It listens on PORT, and closes the connection without an answer.{words}");
            Some(Finding::new(FindingCode::BootNoAnswer, message).with_severity(Severity::Error))
        }
        Boot::Silent(limit) => {
            let message = format!("`GET /` has no answer after {} seconds.{words}", limit.as_secs());
            Some(Finding::new(FindingCode::BootNoAnswer, message))
        }
        Boot::Fails(status) => {
            let last = words.lines().last().unwrap_or_default();
            let message = format!("`GET /` is answered with the status {status}.\n{last}");
            Some(Finding::new(FindingCode::BootServerError, message.trim_end().to_owned()))
        }
    }
}

fn listener(port: u16) -> Listener {
    let addresses = sockets::listeners().into_values().filter(|address| address.port() == port);
    let reach = |address: SocketAddr| {
        if is_loopback(address.ip()) { Listener::Loopback } else { Listener::Everybody }
    };
    addresses.map(reach).max().unwrap_or(Listener::Nobody)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn the_kernel_tells_who_listens_and_for_whom() {
        for (address, expected) in [
            ("127.0.0.1:0", Listener::Loopback),
            ("0.0.0.0:0", Listener::Everybody),
            ("[::1]:0", Listener::Loopback),
            ("[::]:0", Listener::Everybody),
        ] {
            let Ok(socket) = TcpListener::bind(address) else {
                eprintln!("SKIPPED: {address} can't be listened on here");
                continue;
            };
            assert_eq!(listener(socket.local_addr().unwrap().port()), expected, "{address}");
        }
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        drop(socket);
        assert_eq!(listener(port), Listener::Nobody);
    }

    // C01
    #[test]
    fn the_cause_is_told_and_not_what_servers_say_after_it() {
        let gunicorn = "-----> Starting process\n[ERROR] Exception in worker process\n\
            Traceback (most recent call last):\n  File \"/app/wsgi.py\", line 3, in <module>\n    raise RuntimeError(\"x\")\n\
            RuntimeError: x\n[INFO] Worker exiting (pid: 8)\n[ERROR] Shutting down: Master\n-----> State changed\nwarning[run::crashed]: It ended.\n  Look\n";
        for (output, expected) in [
            (gunicorn, "RuntimeError: x"),
            ("no luck\n\n-----> State changed from starting to crashed\n", "no luck"),
            // What slugc and the buildpack's scripts say is nobody's last word.
            (
                "-----> Starting process with command `python srv.py`\n       Its address is http://localhost:1\n\
                 Python buildpack: Detected 512 MB available memory and 2 CPU cores.\nbye\n\
                 warning[run::crashed]: `slugc explain H10` says more.\n\nerror[run::x]: It\n  ended.\n  = so\n",
                "bye",
            ),
            ("warning[run::crashed]: x\n  y\n", ""),
            ("warning[W1]: of the app's own\n", "warning[W1]: of the app's own"),
            (
                "-----> Process exited with status 7\n-----> State changed\n",
                "It said nothing, and exited with status 7.",
            ),
            (
                "Traceback (most recent call last):\n  File \"a\"\nKeyError: 'A'\n\nDuring handling\n\n\
              Traceback (most recent call last):\n  File \"b\"\nValueError: B\n",
                "ValueError: B",
            ),
            ("", ""),
        ] {
            assert_eq!(last_words(output, 12).lines().last().unwrap_or_default(), expected, "{output}");
        }
        assert!(last_words(gunicorn, 12).contains("/app/wsgi.py"));
    }

    // C01
    #[test]
    fn the_last_line_of_the_apps_own_is_the_place() {
        let mut facts = Facts::default();
        facts.texts.insert("src/wsgi.py".to_owned(), "import os\n    raise ValueError\n".to_owned());
        let frame = |path: &str, line: usize| format!("  File \"{path}\", line {line}, in <module>\n    x\n");
        let head = "Traceback (most recent call last):\n";
        for (frames, expected) in [
            (frame("/app/src/wsgi.py", 2), Some(2)),
            (
                format!("{}{}", frame("/app/src/wsgi.py", 1), frame("/app/.heroku/python/lib/x.py", 9)),
                Some(1),
            ),
            (frame("/tmp/.tmpX/app/src/wsgi.py", 2), Some(2)),
            (frame("/app/src/wsgi.py", 99), None),
            (frame("<string>", 1), None),
            (String::new(), None),
        ] {
            let place = place_in_traceback(&format!("{head}{frames}ValueError\n"), &facts);
            assert_eq!(place.map(|place| place.line), expected, "{frames}");
        }
        assert_eq!(place_in_traceback("no luck", &facts), None);
    }

    // C01
    #[test]
    fn a_status_is_read_from_the_first_line() {
        for (line, expected) in [
            ("HTTP/1.1 200 OK\r\n", Some(200)),
            ("HTTP/1.0 503 Service Unavailable\r\n", Some(503)),
            ("HTTP/1.1 404\r\n", Some(404)),
            ("", None),
            ("SSH-2.0-x\r\n", None),
            ("HTTP/1.1\r\n", None),
        ] {
            assert_eq!(status(line.as_bytes()), expected, "{line}");
        }
    }
}
