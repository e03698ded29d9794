//! What isn't passed on, and what can't be passed off as something else.

use std::sync::atomic::{AtomicUsize, Ordering};

use slugc::testing::error::{ErrorCode, UserError};

use super::*;

/// A dyno that takes all that comes on a connection for the body, and counts connections.
fn listening() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let address = dyno(move |mut talk| {
        let head = talk.head();
        let lower = head.to_lowercase();
        let body = if lower.contains("\r\ntransfer-encoding: chunked\r\n") {
            let mut body = String::new();
            while let 1.. = {
                let chunk = talk.chunk();
                body.push_str(&chunk);
                chunk.len()
            } {}
            body
        } else {
            let length =
                lower.split("\r\ncontent-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
            talk.exact(length.parse().unwrap())
        };
        list.lock().unwrap().push(format!("{head}{body}"));
        talk.send(OK);
    });
    (address, seen)
}

/// The client is told what is wrong, and so is the log.
#[track_caller]
fn assert_refused(router: &TestRouter, response: &str, status: &str, what: &str) {
    assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{what:?}: {response}");
    let line = router.line();
    assert!(line.starts_with("at=error desc=\""), "{what:?}: {line}");
    assert!(line.contains(&format!(" dyno= connect= service= status={status} ")), "{what:?}: {line}");
    let said = line.split('"').nth(1).unwrap();
    assert!(said.ends_with('.') && response.contains(said), "{what:?}: {line}: {response}");
}

#[test]
fn nothing_is_smuggled() {
    // What a dyno must never see as a request of its own, unless it is one to the router as well.
    let inner = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let chunked = "0\r\n\r\n";
    for (head, body, expected) in [
        ("Transfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", Ok("abc")),
        // Two lengths (S12).
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", chunked, Err("400")),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", chunked, Err("400")),
        ("Content-Length: 41\r\nTransfer-Encoding: chunked", "3\r\nabc\r\n0\r\n\r\n", Err("400")),
        ("content-length: 0\r\nX: y\r\ntransfer-encoding: CHUNKED", chunked, Err("400")),
        ("Content-Length: 5\r\nContent-Length: 5", "hello", Ok("hello")),
        // No length that can be trusted.
        ("Content-Length: 5\r\nContent-Length: 41", "hello", Err("400")),
        ("Content-Length: 5, 41", "hello", Err("400")),
        ("Content-Length: +5", "hello", Err("400")),
        ("Content-Length: -1", "", Err("400")),
        ("Content-Length: 0x5", "hello", Err("400")),
        ("Content-Length: 99999999999999999999", "", Err("400")),
        ("Transfer-Encoding: chunked, identity", chunked, Err("400")),
        ("Transfer-Encoding: identity", "", Err("400")),
        ("Transfer-Encoding: xchunked", chunked, Err("400")),
        ("Transfer-Encoding : chunked", chunked, Err("400")),
        (" Transfer-Encoding: chunked", chunked, Err("400")),
        ("Transfer-Encoding:\r\n chunked", chunked, Err("400")),
        ("X: a\0b", "", Err("400")),
        ("X: a\rTransfer-Encoding: chunked", "", Err("400")),
        // One that isn't Heroku's to know.
        ("Host: b", "", Err("400")),
    ] {
        let (address, seen) = listening();
        let router = TestRouter::new(patient());
        router.set(1, address, State::Up);
        let mut client = router.connect();
        client.send(format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{head}\r\n\r\n{body}{inner}"
        ));
        let response = client.rest();
        let seen = seen.lock().unwrap().clone();
        match expected {
            Ok(expected) => {
                assert!(response.starts_with("HTTP/1.1 200 "), "{head:?}: {response}");
                assert_eq!(seen.len(), 1, "{head:?}: {seen:#?}");
                let (head, body) = seen[0].split_once("\r\n\r\n").unwrap();
                assert_eq!(body, expected, "{head}");
                let lower = head.to_lowercase();
                let lengths = lower.matches("\r\ncontent-length:").count()
                    + lower.matches("\r\ntransfer-encoding:").count();
                assert_eq!(lengths, 1, "{head}");
            }
            Err(status) => {
                assert_refused(&router, &response, status, head);
                assert_eq!(seen, Vec::<String>::new(), "{head:?}");
            }
        }
    }
}

// Y07
#[test]
fn bad_chunks_end_the_request() {
    for body in
        ["5\r\nhelloX0\r\n\r\n", "x\r\nhello\r\n", "ffffffffffffffffff\r\n", "-1\r\n", "5;\n\r\nhello\r\n"]
    {
        let router = TestRouter::before(patient(), |mut talk| {
            talk.rest();
        });
        let mut client = router.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"));
        let response = client.rest();
        assert!(
            response.is_empty() || response.starts_with("HTTP/1.1 400 Bad Request\r\n"),
            "{body:?}: {response}"
        );
        let line = router.line();
        assert!(line.contains(" code=H27 "), "{body:?}: {line}");
    }
}

#[test]
fn requests_that_make_no_sense_get_an_answer() {
    let router = TestRouter::before(patient(), saying(OK));
    for (request, status) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", "400"),
        ("CONNECT a.test:443 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "405"),
        ("\u{16}\u{3}\u{1}\0\0\0\0\0\0\r\n\r\n", "400"),
        ("GET /\r\n\r\n", "400"),
        ("GET / HTTP/3.0\r\n\r\n", "400"),
        ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", "400"),
    ] {
        let response = router.ask(request);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{request:?}: {response}");
    }
    // What couldn't be read has a line, too.
    let lines = router.lines(6);
    for line in &lines {
        assert!(line.contains(" dyno= connect= service= status=40"), "{line}");
    }
    let unread = lines.iter().filter(|line| line.starts_with("at=error desc=\""));
    assert_eq!(unread.count(), 6, "{lines:#?}");
}

// Y05
#[test]
fn whatever_is_refused_is_explained() {
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    let long = "a".repeat(70_000);
    for (request, status) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n folded: a".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nA : b".to_owned(), "400"),
        ("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: x".to_owned(), "400"),
        ("GET /\u{1} HTTP/1.1\r\nHost: a".to_owned(), "400"),
        ("GET /\u{7f} HTTP/1.1\r\nHost: a".to_owned(), "400"),
        ("GET http://<a>/ HTTP/1.1\r\nHost: a".to_owned(), "400"),
        ("PRI * HTTP/2.0".to_owned(), "400"),
        ("\u{16}\u{3}\u{1}".to_owned(), "400"),
        (format!("GET / HTTP/1.1\r\nHost: a\r\n{many}X: a"), "431"),
        (format!("GET /{long} HTTP/1.1\r\nHost: a"), "414"),
    ] {
        let router = TestRouter::before(patient(), saying(OK));
        let mut client = router.connect();
        // It may be refused before it is whole.
        let _ =
            (&mut client.stream()).write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes());
        let response = client.rest();
        assert_refused(&router, &response, status, &request[..request.len().min(100)]);
        assert_eq!(response.matches("HTTP/1.1 ").count(), 1, "{response}");
    }
    // A response to HEAD has no body.
    let router = TestRouter::before(patient(), saying(OK));
    let response =
        router.ask("HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 400 ") && response.ends_with("\r\n\r\n"), "{response}");
    assert!(router.line().contains(" method=HEAD path=\"/\" host=a "), "{}", router.line());
    // A program that asks for JSON gets it.
    let router = TestRouter::before(patient(), saying(OK));
    let response =
        router.ask("GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\nContent-Length: x\r\n\r\n");
    assert!(response.contains("\r\ncontent-type: application/json\r\n"), "{response}");
}

// Y06: Heroku's router takes no line of more than 8,192 bytes.
#[test]
fn a_line_has_at_most_as_many_bytes_as_on_heroku() {
    let request = |line: &str, header: &str| {
        format!("{line} HTTP/1.1\r\nHost: a\r\n{header}\r\nConnection: close\r\n\r\n")
    };
    for extra in [0, 1] {
        let header = |name: &str| format!("{name}: {}", "a".repeat(8192 - name.len() - 2 + extra));
        for (request, refused) in [
            (request("GET /", &header("Cookie")), "400"),
            (request("GET /", &header("X-A")), "400"),
            (request("POST /a?b", &header("Authorization")), "400"),
            (request(&format!("GET /{}", "a".repeat(8192 - "GET / HTTP/1.1".len() + extra)), "X: a"), "414"),
            (
                request(
                    &format!("DELETE /?{}", "a".repeat(8192 - "DELETE /? HTTP/1.1".len() + extra)),
                    "X: a",
                ),
                "414",
            ),
        ] {
            let router = TestRouter::before(patient(), saying(OK));
            let response = router.ask(&request);
            let expected = if extra == 0 { "200" } else { refused };
            let shown = &request[..60];
            assert!(response.starts_with(&format!("HTTP/1.1 {expected} ")), "{shown}: {response}");
            assert!(router.line().contains(&format!(" status={expected} ")), "{shown}");
            assert_eq!(response.contains("too long"), extra == 1, "{shown}: {response}");
        }
    }
}

// Y04
#[test]
fn a_redirect_to_https_is_a_hint() {
    for (location, host, is_told) in [
        ("https://app.test/x", "app.test", true),
        ("https://APP.test:443/", "app.test:5000", true),
        ("https://app.test?a", "app.test", true),
        ("https://[::1]/", "[::1]:5000", true),
        ("https://login.test/", "app.test", false),
        ("http://app.test/", "app.test", false),
        ("/next", "app.test", false),
        ("https://app.test.evil/", "app.test", false),
    ] {
        for claims_https in [false, true] {
            let router = TestRouter::before(RouterLimits { claims_https, ..patient() }, move |mut talk| {
                let head = talk.head().to_lowercase();
                let expected = if claims_https {
                    "x-forwarded-proto: https\r\nx-forwarded-port: 443\r\n"
                } else {
                    "x-forwarded-proto: http\r\n"
                };
                let status = if expected.split("\r\n").all(|line| head.contains(line)) { 301 } else { 500 };
                talk.send(format!("HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
            });
            for _ in 0..2 {
                let response =
                    router.ask(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
                assert!(response.starts_with("HTTP/1.1 301 "), "{response}");
            }
            let told = is_told && !claims_https;
            let lines = router.lines(2 + usize::from(told));
            let hints = lines.iter().filter(|line| line.contains("slugc run --https")).count();
            assert_eq!(hints, usize::from(told), "{location}: {lines:#?}");
        }
    }
}

#[test]
fn a_head_that_is_too_large_is_refused() {
    let router = TestRouter::before(RouterLimits { head_size: 16 * 1024, ..patient() }, saying(OK));
    let long = "a".repeat(20_000);
    let many: String = (0..200).map(|number| format!("X-{number}: a\r\n")).collect();
    for (what, request, status) in [
        ("a value", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n"), "431"),
        ("a path", format!("GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n"), "414"),
        ("many", format!("GET / HTTP/1.1\r\nHost: a\r\n{many}\r\n"), "431"),
    ] {
        let mut client = router.connect();
        // It may be refused before it is whole.
        let _ = (&mut client.stream()).write_all(request.as_bytes());
        let response = client.rest();
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {response}");
    }
    let fits = "a".repeat(8000);
    let response = router.ask(&format!("GET /{fits} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
}

#[test]
fn a_request_cannot_forge_a_log_line() {
    let router = TestRouter::before(patient(), saying(OK));
    let mut client = router.connect();
    client.send(
        b"GET /\"%0aat=info&x=\\ HTTP/1.1\r\nHost: a status=200 at=info\r\nX-Forwarded-For: 1\" code=H99 \xff\t\r\n\
          X-Request-Id: aaaaaaaaaaaaaaaaaaaaaaaa status=200\r\nConnection: close\r\n\r\n",
    );
    client.rest();
    assert_eq!(
        router.line(),
        "at=info method=GET path=\"/\\\"%0aat=info&x=\\\\\" host=\"a status=200 at=info\" request_id=… \
         fwd=\"1\\\" code=H99 \\xff, 127.0.0.1\" dyno=web.1 connect=… service=… status=200 bytes=2 protocol=http"
    );
}

#[test]
fn slow_clients_hold_up_nobody_and_not_for_ever() {
    let router = TestRouter::before(RouterLimits { head: SOON * 5, ..patient() }, saying(OK));
    let slow: Vec<Talk> = (0..100)
        .map(|_| {
            let mut client = router.connect();
            client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
            client
        })
        .collect();
    for _ in 0..20 {
        assert!(router.ask(GET).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let cut = AtomicUsize::new(0);
    for mut client in slow {
        let response = client.rest();
        assert!(response.is_empty() || response.starts_with("HTTP/1.1 408 "), "{response}");
        cut.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(cut.into_inner(), 100);
    // They never became requests.
    assert_eq!(router.lines(20).len(), 20);
}

#[test]
fn an_address_that_cannot_be_had_is_explained() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let start = |address: &str| {
        Router::start(address.parse().unwrap(), Backends::new(), patient(), |_| {}).map(drop).unwrap_err()
    };
    let address = taken.local_addr().unwrap().to_string();
    let error = start(&address);
    assert_eq!(error.code(), ErrorCode::RouterPortTaken);
    assert_eq!(error.to_string(), format!("The router can't listen on {address}."));
    // An address for documentation: no machine has it.
    assert_eq!(start("192.0.2.1:0").code(), ErrorCode::RouterCannotListen);
}
