//! Heads that the router reads before the HTTP library does: whatever way they come, and whatever comes between them.

use super::*;

/// A dyno that answers each request with its first line and its body, as it got them.
fn echo(mut talk: Talk) {
    let head = talk.head();
    let lower = head.to_lowercase();
    let body = if lower.contains("\r\ntransfer-encoding: chunked\r\n") {
        let chunks = std::iter::from_fn(|| Some(talk.chunk()).filter(|chunk| !chunk.is_empty()));
        chunks.collect()
    } else {
        let length =
            lower.split("\r\ncontent-length: ").nth(1).map_or("0", |rest| rest.lines().next().unwrap());
        talk.exact(length.parse().unwrap())
    };
    let text = format!("[{} {body}]", head.lines().next().unwrap());
    talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()));
}

/// What the dyno has seen, in its order.
fn seen(responses: &str) -> Vec<&str> {
    responses.split('[').skip(1).map(|rest| rest.split(']').next().unwrap()).collect()
}

// Y05: gunicorn, uvicorn and waitress take these.
#[test]
fn raw_characters_in_an_address_are_passed_on() {
    for (target, expected) in [
        (&b"/?q={\"a\":1}"[..], "/?q=%7B%22a%22:1%7D"),
        (b"/?q=<b>", "/?q=%3Cb%3E"),
        (b"/<b>/\"c\"", "/%3Cb%3E/%22c%22"),
        (b"/\xe9?q=\xff", "/%E9?q=%FF"),
        (b"http://a.test/?q=\"", "/?q=%22"),
        // As ever.
        (b"/?q={a}", "/?q={a}"),
        (b"/?q=a|b^c`d\\", "/?q=a|b^c`d\\"),
        (b"/{\"a\"}", "/{\"a\"}"),
        ("/?q=\u{e9}".as_bytes(), "/?q=\u{e9}"),
        (b"/%7b?%22%", "/%7b?%22%"),
    ] {
        let router = TestRouter::before(patient(), echo);
        let mut client = router.connect();
        client.send([b"GET ", target, b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"].concat());
        let response = client.rest();
        let expected = format!("GET {expected} HTTP/1.1 ");
        assert_eq!(seen(&response), [&expected], "{}: {response}", target.escape_ascii());
        assert!(router.line().starts_with("at=info "), "{}", router.line());
    }
}

/// Requests of all kinds, one behind the other, and what the dyno has to see.
const MANY: (&str, &[&str]) = (
    "GET /1?\"<> HTTP/1.1\r\nHost: a\r\n\r\n\
     POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /no?\"<> HTTP/1.1\r\nHost: body\r\n\r\n\
     POST /3?\" HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
     16;a=b\r\nGET /no?\" HTTP/1.1\r\n\r\n\r\n0\r\nT: GET /no?\" HTTP/1.1\r\n\r\n\
     \r\nGET /4 HTTP/1.1\nHost: a\n\n\
     GET /5?\" HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n\
     GET /6?\" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    &[
        "GET /1?%22%3C%3E HTTP/1.1 ",
        "POST /2 HTTP/1.1 GET /no?\"<> HTTP/1.1\r\nHost: body\r\n\r\n",
        "POST /3?%22 HTTP/1.1 GET /no?\" HTTP/1.1\r\n\r\n",
        "GET /4 HTTP/1.1 ",
        "GET /5?%22 HTTP/1.1 ",
        "GET /6?%22 HTTP/1.1 ",
    ],
);

#[test]
fn requests_may_come_all_at_once_or_byte_by_byte() {
    let (requests, expected) = MANY;
    for piece in [requests.len(), 1, 2, 3, 17, 61, 100] {
        let router = TestRouter::before(patient(), echo);
        let mut client = router.connect();
        client.stream().set_nodelay(true).unwrap();
        for bytes in requests.as_bytes().chunks(piece) {
            client.send(bytes);
            if piece < 4 {
                thread::yield_now();
            }
        }
        let responses = client.rest();
        assert_eq!(seen(&responses), expected, "by {piece}: {responses}");
        assert_eq!(
            router.lines(expected.len()).iter().filter(|line| line.starts_with("at=info ")).count(),
            6
        );
    }
}

#[test]
fn a_refusal_waits_for_its_turn_and_is_the_last() {
    let bad =
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for before in
        ["GET /1 HTTP/1.1\r\nHost: a\r\n\r\n", "POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"]
    {
        let router = TestRouter::before(patient(), |talk| {
            thread::sleep(SOON);
            echo(talk);
        });
        let mut client = router.connect();
        client.send(format!("{before}{bad}GET /3 HTTP/1.1\r\nHost: a\r\n\r\n"));
        let responses = client.rest();
        assert_eq!(seen(&responses).len(), 1, "{responses}");
        assert!(responses.contains("HTTP/1.1 400 Bad Request\r\n"), "{responses}");
        assert!(responses.find(" 200 OK") < responses.find(" 400 Bad"), "{responses}");
        let lines = router.lines(2);
        assert!(lines[0].starts_with("at=info ") && lines[1].starts_with("at=error desc="), "{lines:#?}");
    }
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let router = TestRouter::before(patient(), echo);
    let mut client = router.connect();
    for number in 0..2 {
        client.send(format!(
            "POST /{number}?\" HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        ));
        assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
        client.send("abc");
        let head = client.head();
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        let expected = format!("[POST /{number}?%22 HTTP/1.1 abc]");
        assert_eq!(client.exact(expected.len()), expected);
    }
}

#[test]
fn what_comes_after_a_switch_is_nobodys_business() {
    let router = TestRouter::before(patient(), |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n");
        let text = talk.exact(50);
        talk.send(text);
    });
    // Some don't wait for the answer.
    for waits in [true, false] {
        let mut client = router.connect();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n");
        if waits {
            client.head();
        }
        let text = "GET /?\" HTTP/9.9\r\nContent-Length: x\r\n\r\n\r\nGET \0\u{1}<> ";
        assert_eq!(text.len(), 50);
        client.send(text);
        if !waits {
            client.head();
        }
        assert_eq!(client.exact(50), text);
    }
}

#[test]
fn a_head_that_has_begun_when_the_router_stops_is_answered() {
    let TestRouter { router, log, .. } = TestRouter::before(patient(), echo);
    let mut client = Talk::new(TcpStream::connect(router.address()).unwrap());
    client.send("GET /?\" HTTP");
    thread::sleep(SOON);
    let stopping = thread::spawn(move || router.stop(PATIENCE));
    thread::sleep(SOON);
    client.send("/1.1\r\nHost: a\r\n\r\n");
    let response = client.rest();
    assert_eq!(seen(&response), ["GET /?%22 HTTP/1.1 "], "{response}");
    stopping.join().unwrap();
    assert_eq!(log.lock().unwrap().len(), 1);
}
