//! The table of Heroku's own error codes, as they stand in an app's log: H of the router, R of dynos, L of the log
//! itself. `slugc explain H10` shows one, and `docs/heroku-codes.md` is generated from it.
//!
//! Source: <https://devcenter.heroku.com/articles/error-codes>.

use indoc::indoc;

/// One of Heroku's codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HerokuCode {
    /// The code: `H10`.
    pub code: &'static str,
    /// What it means, in Heroku's words.
    pub title: &'static str,
    /// What usually makes it with a Python app, and what to do.
    pub fix: &'static str,
}

const fn row(code: &'static str, title: &'static str, fix: &'static str) -> HerokuCode {
    HerokuCode { code, title, fix }
}

/// The codes, in order.
pub const HEROKU_CODES: &[HerokuCode] = &[
    row(
        "H10",
        "App crashed",
        indoc! {"
        The web process ended, so no request can be answered. Usually a module
        or config var is missing, the Procfile names something that isn't
        there, or the server isn't among the requirements.
        Run `slugc check SLUG --boot`: it names the cause. `slugc run SLUG`
        shows the last words of the process.
    "},
    ),
    row(
        "H11",
        "Backlog too deep",
        indoc! {"
        Too many requests wait for the web processes. Make requests faster,
        use more workers (WEB_CONCURRENCY), or more dynos.
    "},
    ),
    row(
        "H12",
        "Request timeout",
        indoc! {"
        A request had no answer after 30 seconds. Move slow work to a worker,
        and set a timeout below 30 seconds for databases and other services.
        `slugc run SLUG --router` shows it on your machine.
    "},
    ),
    row(
        "H13",
        "Connection closed without response",
        indoc! {"
        The web process took the connection and closed it without an answer.
        Usually a worker was ended: by its own timeout (gunicorn --timeout),
        for want of memory, or by a crash in a compiled module.
        `slugc check SLUG --boot` asks for one page.
    "},
    ),
    row(
        "H14",
        "No web dynos running",
        indoc! {"
        Start one: `heroku ps:scale web=1`. The Procfile has to declare the
        process type `web`: see `slugc check SLUG`.
    "},
    ),
    row(
        "H15",
        "Idle connection",
        indoc! {"
        Nothing was sent for 55 seconds. Send something in long answers, such
        as a keep-alive comment in server-sent events.
    "},
    ),
    row(
        "H16",
        "Redirect to herokuapp.com",
        indoc! {"
        Heroku no longer sends this code.
    "},
    ),
    row(
        "H17",
        "Poorly formatted HTTP response",
        indoc! {"
        The web process sent something that isn't HTTP, usually two different
        lengths or a header with a line break in it. Look at code that writes
        headers itself.
    "},
    ),
    row(
        "H18",
        "Server Request Interrupted",
        indoc! {"
        The web process closed the connection before the answer was whole.
        Usually it answers without reading an upload, or a worker was ended.
    "},
    ),
    row(
        "H19",
        "Backend connection timeout",
        indoc! {"
        The web process doesn't accept connections. Usually each worker is
        busy: use more workers or threads, or make requests faster.
    "},
    ),
    row(
        "H20",
        "App boot timeout",
        indoc! {"
        No web process was up within 75 seconds. See R10 for the reason.
        `slugc check SLUG --boot` shows it on your machine.
    "},
    ),
    row(
        "H21",
        "Backend connection refused",
        indoc! {"
        Nothing listens on PORT. Usually the server has just ended, or it
        listens on 127.0.0.1: let it listen on 0.0.0.0:$PORT.
    "},
    ),
    row(
        "H22",
        "Connection limit reached",
        indoc! {"
        The router has too many connections to this app. Make requests
        faster, or use more dynos.
    "},
    ),
    row(
        "H23",
        "Endpoint misconfigured",
        indoc! {"
        The domain and its certificate don't belong together. Look at
        `heroku domains` and `heroku certs`.
    "},
    ),
    row(
        "H24",
        "Forced close",
        indoc! {"
        The router closed a connection that lasted too long, as it was
        replaced. Let clients of WebSockets connect again.
    "},
    ),
    row(
        "H25",
        "HTTP Restriction",
        indoc! {"
        The answer breaks a limit of the router: a header of more than 8 KB,
        a status line that is too long, or a body that is larger than it was
        said. Look for large cookies.
    "},
    ),
    row(
        "H26",
        "Request Error",
        indoc! {"
        The client's request was wrong. `Expect` other than 100-continue is
        one reason. The app can't change that.
    "},
    ),
    row(
        "H27",
        "Client Request Interrupted",
        indoc! {"
        The client went away before the answer came. If there are many, the
        app may be too slow.
    "},
    ),
    row(
        "H28",
        "Client Connection Idle",
        indoc! {"
        The client sent or read nothing for 55 seconds. The app can't change
        that.
    "},
    ),
    row(
        "H31",
        "Misdirected Request",
        indoc! {"
        The client used a connection for another domain than its own. The app
        can't change that.
    "},
    ),
    row(
        "H80",
        "Maintenance mode",
        indoc! {"
        Turn it off with `heroku maintenance:off`.
    "},
    ),
    row(
        "H81",
        "Blank app",
        indoc! {"
        Nothing was deployed yet. Push the app, or publish a slug.
    "},
    ),
    row(
        "H82",
        "Free dyno quota exhausted",
        indoc! {"
        The hours of Eco dynos are used up. Wait for the next month, or choose
        another type: `heroku ps:type web=basic`.
    "},
    ),
    row(
        "H83",
        "Planned Service Degradation",
        indoc! {"
        The app uses something that Heroku is about to remove. Look at the
        mails of Heroku to the owner of the app.
    "},
    ),
    row(
        "H99",
        "Platform error",
        indoc! {"
        Heroku's own fault, not the app's: see status.heroku.com.
    "},
    ),
    row(
        "R10",
        "Boot timeout",
        indoc! {"
        The web process didn't listen on PORT within 60 seconds. Usually it
        listens on a port of its own or on 127.0.0.1, or does slow work first.
        Run `slugc check SLUG --boot`: it says where it listens instead.
    "},
    ),
    row(
        "R11",
        "Bad bind",
        indoc! {"
        The web process listened on another port than PORT. Use
        `--port $PORT`, or what the server calls it. Heroku says R10 today.
    "},
    ),
    row(
        "R12",
        "Exit timeout",
        indoc! {"
        A process didn't end within 30 seconds of SIGTERM, and was killed.
        Handle SIGTERM, and write `exec` before the server in shell scripts.
        `slugc run SLUG` shows it when you press Ctrl-C.
    "},
    ),
    row(
        "R13",
        "Attach error",
        indoc! {"
        `heroku run` lost its connection to the dyno. Try again, and look
        whether a firewall closes port 5000.
    "},
    ),
    row(
        "R14",
        "Memory quota exceeded",
        indoc! {"
        The dyno uses more memory than it has, and is slow. Use fewer workers
        (WEB_CONCURRENCY), find what holds the memory, or choose a larger
        dyno. `slugc run SLUG --size standard-1x` measures it.
    "},
    ),
    row(
        "R15",
        "Memory quota vastly exceeded",
        indoc! {"
        The dyno was killed, as it used far more memory than it has. Use fewer
        workers (WEB_CONCURRENCY), find what holds the memory, or choose a
        larger dyno. `slugc run SLUG --size standard-1x` measures it.
    "},
    ),
    row(
        "R16",
        "Detached",
        indoc! {"
        A dyno that `heroku run` had started went on after its client had
        gone. Nothing has to be done.
    "},
    ),
    row(
        "R17",
        "Checksum error",
        indoc! {"
        The slug isn't the one that was published. Publish it again with the
        checksum that slugc wrote: see `slugc inspect SLUG`.
    "},
    ),
    row(
        "R99",
        "Platform error",
        indoc! {"
        Heroku's own fault, not the app's: see status.heroku.com.
    "},
    ),
    row(
        "L10",
        "Drain buffer overflow",
        indoc! {"
        A log drain takes lines more slowly than the app writes them. Write
        less, or use a faster drain.
    "},
    ),
    row(
        "L11",
        "Tail buffer overflow",
        indoc! {"
        `heroku logs --tail` reads more slowly than the app writes. Lines are
        missing there only.
    "},
    ),
    row(
        "L12",
        "Local buffer overflow",
        indoc! {"
        The app writes lines faster than its dyno passes them on: lines are
        lost. Write less: log at a higher level.
    "},
    ),
    row(
        "L13",
        "Local delivery error",
        indoc! {"
        Lines of the app's log were lost within Heroku. The app can't change
        that.
    "},
    ),
    row(
        "L14",
        "Certificate validation error",
        indoc! {"
        A log drain's certificate isn't valid. Renew it, or correct the
        address of the drain.
    "},
    ),
    row(
        "L15",
        "Tail buffer temporarily unavailable",
        indoc! {"
        Lines of the last minutes can't be shown now. Try again later.
    "},
    ),
];

/// Renders the table as the page `docs/heroku-codes.md`.
pub fn render_heroku_codes_markdown() -> String {
    let mut page = String::from(
        "# Heroku's error codes\n\n\
         The codes that stand in an app's log, what usually makes them, and what to do. `slugc explain H10` shows one.\n\
         This page is generated from the table (`src/error/heroku.rs`) by `UPDATE_DOCS=1 cargo test _md`.\n",
    );
    for HerokuCode { code, title, fix } in HEROKU_CODES {
        page.push_str(&format!("\n## {code}: {title}\n\n```text\n{}\n```\n", fix.trim_end()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    // U02
    #[test]
    fn every_code_is_there_once_and_has_a_way_out() {
        let mut seen = std::collections::BTreeSet::new();
        for HerokuCode { code, title, fix } in HEROKU_CODES {
            assert!(seen.insert(code), "{code} is there twice");
            assert!(code.starts_with(['H', 'R', 'L']) && code.len() == 3, "{code}");
            assert!(!title.is_empty() && fix.ends_with(".\n"), "{code}");
            assert!(fix.lines().all(|line| line.chars().count() <= 72), "{code}: {fix}");
        }
    }
}
