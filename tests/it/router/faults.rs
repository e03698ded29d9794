//! What goes wrong, by Heroku's codes.

use std::sync::mpsc;

use super::*;

/// What comes before and after the part that differs in the line of `GET`.
fn line(start: &str, dyno: &str, end: &str) -> String {
    format!(
        "{start} method=GET path=\"/page\" host=app.test request_id=… fwd=\"127.0.0.1\" {dyno} {end} protocol=http"
    )
}

#[track_caller]
fn assert_fault(router: &TestRouter, code: &str, start: &str, dyno: &str, end: &str) {
    let response = router.ask(GET);
    assert!(response.starts_with("HTTP/1.1 503 Service Unavailable\r\n"), "{response}");
    assert!(
        response.contains("\r\nContent-Type: text/html; charset=utf-8\r\n")
            || response.contains("\r\ncontent-type: text/html; charset=utf-8\r\n"),
        "{response}"
    );
    assert!(response.contains("<h1>Application error</h1>") && response.contains(code), "{response}");
    assert!(response.ends_with("</html>\n"), "{response}");
    assert_eq!(router.line(), line(start, dyno, end));
}

const NO_DYNO: (&str, &str) = ("dyno= connect= service=", "status=503 bytes=");

#[test]
fn without_dynos_it_is_h14() {
    let router = TestRouter::new(patient());
    assert_fault(&router, "H14", "at=error code=H14 desc=\"No web processes running\"", NO_DYNO.0, NO_DYNO.1);
}

#[test]
fn with_crashed_dynos_it_is_h10() {
    let router = TestRouter::new(patient());
    router.set(1, nobody(), State::Crashed);
    assert_fault(&router, "H10", "at=error code=H10 desc=\"App crashed\"", NO_DYNO.0, NO_DYNO.1);
}

#[test]
fn a_dyno_that_does_not_get_up_is_h20() {
    let router = TestRouter::new(RouterLimits { boot: SOON, ..patient() });
    router.set(1, nobody(), State::Starting);
    assert_fault(&router, "H20", "at=error code=H20 desc=\"App boot timeout\"", NO_DYNO.0, NO_DYNO.1);
}

#[test]
fn a_request_waits_for_a_dyno_that_starts() {
    let router = TestRouter::new(patient());
    let address = dyno(saying(OK));
    router.set(1, address, State::Starting);
    let mut client = router.connect();
    client.send(GET);
    thread::sleep(SOON);
    assert_eq!(router.log.lock().unwrap().len(), 0);
    router.set(1, address, State::Up);
    assert!(client.rest().ends_with("\r\n\r\nok"));
    assert!(router.line().starts_with("at=info "));
}

#[test]
fn a_request_that_waits_learns_of_a_crash_at_once() {
    let router = TestRouter::new(patient());
    router.set(1, nobody(), State::Starting);
    let mut client = router.connect();
    client.send(GET);
    thread::sleep(SOON);
    router.set(1, nobody(), State::Crashed);
    assert!(client.rest().contains("H10"));
}

#[test]
fn a_port_where_nobody_listens_is_h21() {
    let router = TestRouter::new(patient());
    router.set(1, nobody(), State::Up);
    assert_fault(
        &router,
        "H21",
        "at=error code=H21 desc=\"Backend connection refused\"",
        "dyno=web.1 connect=… service=",
        "status=503 bytes=",
    );
}

#[test]
fn a_dyno_that_refuses_is_passed_over_whatever_the_request_is() {
    let router = TestRouter::new(patient());
    router.set(1, nobody(), State::Up);
    router.set(
        2,
        dyno(|mut talk| {
            talk.head();
            talk.exact(5);
            talk.send(OK);
        }),
        State::Up,
    );
    let post = "POST /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello";
    for _ in 0..4 {
        assert!(router.ask(post).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    for line in router.lines(4) {
        assert!(line.starts_with("at=info ") && line.contains(" dyno=web.2 "), "{line}");
    }
}

#[test]
fn a_connection_closed_without_a_response_is_h13() {
    let router = TestRouter::before(patient(), |mut talk| {
        talk.head();
    });
    assert_fault(
        &router,
        "H13",
        "at=error code=H13 desc=\"Connection closed without response\"",
        "dyno=web.1 connect=… service=…",
        "status=503 bytes=0",
    );
}

#[test]
fn a_connection_that_is_reset_is_h13() {
    // Closed with something unread, it is reset and not ended.
    let router = TestRouter::before(patient(), drop);
    assert_fault(
        &router,
        "H13",
        "at=error code=H13 desc=\"Connection closed without response\"",
        "dyno=web.1 connect=… service=…",
        "status=503 bytes=0",
    );
}

#[test]
fn half_a_head_is_h18() {
    let router = TestRouter::before(patient(), saying("HTTP/1.1 200 OK\r\nContent-Le"));
    assert_fault(
        &router,
        "H18",
        "sock=backend at=error code=H18 desc=\"Server Request Interrupted\"",
        "dyno=web.1 connect=… service=…",
        "status=503 bytes=0",
    );
}

#[test]
fn half_a_body_is_h18_and_the_client_can_tell() {
    for (response, end) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", "\r\n\r\nhello"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "\r\n\r\n5\r\nhello\r\n"),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
            "\r\n\r\n5\r\nhello\r\n",
        ),
    ] {
        let router = TestRouter::before(patient(), saying(response));
        let got = router.ask(GET);
        assert!(got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with(end), "{response:?}: {got:?}");
        assert_eq!(
            router.line(),
            line(
                "sock=backend at=error code=H18 desc=\"Server Request Interrupted\"",
                "dyno=web.1 connect=… service=…",
                "status=200 bytes=5"
            )
        );
    }
}

#[test]
fn a_dyno_that_goes_while_the_request_is_sent_is_h18() {
    let (sender, gone) = mpsc::channel();
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        talk.exact(5);
        talk.hang_up();
        sender.send(()).unwrap();
    });
    let mut client = router.connect();
    client.send("POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    gone.recv_timeout(PATIENCE).unwrap();
    assert!(client.head().starts_with("HTTP/1.1 503 "));
    assert!(router.line().starts_with("sock=backend at=error code=H18 "), "{}", router.line());
}

#[test]
fn what_is_no_response_is_h17() {
    for response in [
        "SSH-2.0-OpenSSH_9.2\r\n",
        "HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        // Nobody has asked for it.
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ] {
        let router = TestRouter::before(patient(), saying(response));
        assert_fault(
            &router,
            "H17",
            "at=error code=H17 desc=\"Poorly formatted HTTP response\"",
            "dyno=web.1 connect=… service=…",
            "status=503 bytes=0",
        );
    }
}

#[test]
fn a_response_that_does_not_begin_is_h12_and_the_dyno_is_hung_up_on() {
    let (sender, ended) = mpsc::channel();
    let router = TestRouter::before(RouterLimits { first_byte: SOON, ..patient() }, move |mut talk| {
        talk.head();
        sender.send(talk.rest()).unwrap();
    });
    assert_fault(
        &router,
        "H12",
        "at=error code=H12 desc=\"Request timeout\"",
        "dyno=web.1 connect=… service=…",
        "status=503 bytes=0",
    );
    assert_eq!(ended.recv_timeout(PATIENCE).unwrap(), "");
}

#[test]
fn the_time_to_the_first_byte_begins_with_the_end_of_the_request() {
    let router = TestRouter::before(RouterLimits { first_byte: SOON * 2, ..patient() }, |mut talk| {
        talk.head();
        talk.exact(10);
        talk.send(OK);
    });
    let mut client = router.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\nhello");
    thread::sleep(SOON * 3);
    client.send("world");
    assert!(client.rest().starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_client_that_goes_before_the_response_is_h27_and_the_dyno_is_hung_up_on() {
    let (sender, events) = mpsc::channel();
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        sender.send(String::new()).unwrap();
        sender.send(talk.rest()).unwrap();
    });
    let mut client = router.connect();
    client.send(GET);
    events.recv_timeout(PATIENCE).unwrap();
    client.hang_up();
    assert_eq!(events.recv_timeout(PATIENCE).unwrap(), "");
    assert_eq!(
        router.line(),
        line(
            "sock=client at=warning code=H27 desc=\"Client Request Interrupted\"",
            "dyno=web.1 connect=… service=…",
            "status=499 bytes=0"
        )
    );
}

#[test]
fn a_client_that_goes_in_the_middle_is_h27() {
    // Of the response.
    let router = TestRouter::before(patient(), |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        talk.rest();
    });
    let mut client = router.connect();
    client.send(GET);
    client.head();
    client.exact(5);
    client.hang_up();
    assert!(router.line().contains(" status=499 bytes=5 "), "{}", router.line());
    // Of its own request.
    let router = TestRouter::before(patient(), |mut talk| {
        talk.rest();
    });
    let mut client = router.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    thread::sleep(SOON);
    client.hang_up();
    let line = router.line();
    assert!(line.starts_with("sock=client at=warning code=H27 ") && line.contains(" status=499 "), "{line}");
}

#[test]
fn a_client_that_goes_while_it_waits_for_a_dyno_is_h27() {
    let router = TestRouter::new(patient());
    router.set(1, nobody(), State::Starting);
    let mut client = router.connect();
    client.send(GET);
    thread::sleep(SOON);
    client.hang_up();
    assert_eq!(
        router.line(),
        line(
            "sock=client at=warning code=H27 desc=\"Client Request Interrupted\"",
            "dyno= connect= service=",
            "status=499 bytes="
        )
    );
}

#[test]
fn a_response_that_stops_is_h15() {
    let router = TestRouter::before(RouterLimits { idle: SOON, ..patient() }, |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        talk.rest();
    });
    assert!(router.ask(GET).ends_with("\r\n\r\nhello"));
    assert_eq!(
        router.line(),
        line(
            "at=error code=H15 desc=\"Idle connection\"",
            "dyno=web.1 connect=… service=…",
            "status=200 bytes=5"
        )
    );
}

#[test]
fn a_byte_now_and_then_is_enough() {
    let idle = SOON * 4;
    let router = TestRouter::before(RouterLimits { idle, ..patient() }, move |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
        for _ in 0..10 {
            thread::sleep(idle / 4);
            talk.send(".");
        }
    });
    assert!(router.ask(GET).ends_with("\r\n\r\n.........."));
    assert!(router.line().starts_with("at=info "));
}

#[test]
fn a_client_that_does_not_read_is_h15() {
    let router = TestRouter::before(RouterLimits { idle: SOON * 2, ..patient() }, |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 200 OK\r\n\r\n");
        let piece = vec![b'x'; 1 << 20];
        while (&mut talk.stream()).write_all(&piece).is_ok() {}
    });
    let mut client = router.connect();
    client.send(GET);
    assert!(router.line().starts_with("at=error code=H15 "), "{}", router.line());
}

#[test]
fn an_upload_that_stops_is_h28() {
    let router = TestRouter::before(RouterLimits { idle: SOON, ..patient() }, |mut talk| {
        talk.rest();
    });
    let mut client = router.connect();
    client.send("POST /page HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    assert_eq!(client.rest(), "");
    let line = router.line();
    assert!(line.starts_with("sock=client at=warning code=H28 desc=\"Client Connection Idle\" "), "{line}");
    assert!(line.contains(" status=499 bytes=0 "), "{line}");
}

#[test]
fn an_expectation_that_nobody_can_meet_is_h26() {
    let router = TestRouter::before(patient(), saying(OK));
    let response = router.ask("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nConnection: close\r\n\r\n");
    assert!(response.starts_with("HTTP/1.1 417 Expectation Failed\r\n"), "{response}");
    assert!(router.line().starts_with("at=error code=H26 desc=\"Request Error\" "));
}

#[test]
fn the_page_of_a_failure_is_for_whoever_asks() {
    let router = TestRouter::new(patient());
    let ask = |method: &str, accept: &str| {
        let id = "0123456789-0123456789";
        let response = router.ask(&format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nAccept: {accept}\r\nX-Request-Id: {id}\r\nConnection: close\r\n\r\n"
        ));
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        (head.to_lowercase(), body.to_owned())
    };
    let (head, body) = ask("GET", "application/json");
    assert!(head.contains("content-type: application/json"), "{head}");
    let json: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((&json["id"], &json["request_id"]), (&"H14".into(), &"0123456789-0123456789".into()));
    let (head, body) = ask("GET", "text/html");
    assert!(
        body.contains("0123456789-0123456789") && head.contains("cache-control: no-cache, no-store"),
        "{head}"
    );
    let (head, body) = ask("HEAD", "text/html");
    assert!(body.is_empty() && head.contains("content-length: "), "{head}{body}");
}
