//! What gets through, and how it looks on the other side.

use std::sync::mpsc;

use super::*;

#[test]
fn dynos_take_turns() {
    let router = TestRouter::new(patient());
    for number in 1..=3 {
        router.set(number, dyno(saying(OK)), State::Up);
    }
    router.set(4, nobody(), State::Starting);
    router.set(5, nobody(), State::Stopping);
    router.set(6, nobody(), State::Crashed);
    for _ in 0..6 {
        assert!(router.ask(GET).starts_with("HTTP/1.1 200 OK\r\n"));
    }
    let dynos: Vec<String> = router
        .lines(6)
        .iter()
        .map(|line| line.split("dyno=").nth(1).unwrap().split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(dynos, ["web.1", "web.2", "web.3", "web.1", "web.2", "web.3"]);
}

#[test]
fn a_request_has_a_line_in_herokus_format() {
    let router = TestRouter::before(patient(), saying(OK));
    router.ask(GET);
    assert_eq!(
        router.line(),
        "at=info method=GET path=\"/page\" host=app.test request_id=… fwd=\"127.0.0.1\" dyno=web.1 connect=… \
         service=… status=200 bytes=2 protocol=http"
    );
}

#[test]
fn heads_get_through_without_what_is_one_connections() {
    let (sender, seen) = mpsc::channel();
    let router = TestRouter::before(patient(), move |mut talk| {
        sender.send(talk.head()).unwrap();
        talk.send(
            "HTTP/1.1 201 Made Up\r\nX-CaSe: kept\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nVia: 1.1 nginx\r\n\
             Connection: close, X-Inner\r\nX-Inner: secret\r\nKeep-Alive: timeout=1\r\nServer: gunicorn\r\n\
             Content-Length: 0\r\n\r\n",
        );
    });
    let mut client = router.connect();
    client.send(
        "GET http://app.test/a%20b?c=d&e HTTP/1.1\r\nHost: other.test\r\nX-CaSe: kept\r\nAccept: */*\r\n\
         Connection: keep-alive, X-Inner\r\nX-Inner: secret\r\nKeep-Alive: 5\r\nTE: trailers\r\n\
         X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Request-Start: 1\r\n\
         X-Request-Id: 01234567-89ab-cdef-0123\r\n\r\n",
    );
    let port = router.router.address().port();
    let request = seen.recv_timeout(PATIENCE).unwrap();
    let mut expected = vec![
        "GET /a%20b?c=d&e HTTP/1.1".to_owned(),
        "Accept: */*".to_owned(),
        "Connection: close".to_owned(),
        "Host: app.test".to_owned(),
        "X-CaSe: kept".to_owned(),
        "X-Forwarded-For: 10.0.0.1, 127.0.0.1".to_owned(),
        format!("X-Forwarded-Port: {port}"),
        "X-Forwarded-Proto: http".to_owned(),
        "X-Request-Id: 01234567-89ab-cdef-0123".to_owned(),
        "via: 1.1 heroku-router".to_owned(),
    ];
    assert_eq!(sorted_head(&request), expected, "{request}");
    let start = request.split("X-Request-Start: ").nth(1).unwrap().lines().next().unwrap();
    assert!(start.parse::<u64>().unwrap() > 1_600_000_000_000, "{start} is in milliseconds");

    let response = client.head();
    expected = [
        "HTTP/1.1 201 Made Up",
        "Content-Length: 0",
        "Server: gunicorn",
        "Set-Cookie: a=1",
        "Set-Cookie: b=2",
        "Via: 1.1 nginx",
        "X-CaSe: kept",
        "via: 1.1 heroku-router",
    ]
    .map(str::to_owned)
    .to_vec();
    assert_eq!(sorted_head(&response), expected, "{response}");
    assert!(
        router
            .line()
            .contains(" host=app.test request_id=01234567-89ab-cdef-0123 fwd=\"10.0.0.1, 127.0.0.1\" ")
    );
}

#[test]
fn a_connection_is_kept_alive_and_each_response_ends_where_it_should() {
    let router = TestRouter::before(patient(), |mut talk| {
        let head = talk.head();
        talk.send(match head.split(' ').nth(1).unwrap() {
            "/length" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "/chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            // As Python's own http.server says it.
            "/old" => "HTTP/1.0 200 OK\r\n\r\nhello",
            "/until-close" => "HTTP/1.1 200 OK\r\n\r\nhello",
            "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n",
            "/head-chunked" => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "/none" => "HTTP/1.1 204 No Content\r\n\r\n",
            "/unchanged" => "HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 12345\r\n\r\n",
            "/hints" => "HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n!",
            other => panic!("{other}"),
        });
    });
    let mut client = router.connect();
    for (request, status, length, body) in [
        ("GET /length", "200 OK", Some("5"), "hello"),
        ("GET /chunked", "200 OK", None, "abcde"),
        ("GET /old", "200 OK", None, "hello"),
        ("GET /until-close", "200 OK", None, "hello"),
        ("HEAD /head", "200 OK", Some("12345"), ""),
        ("HEAD /head-chunked", "200 OK", None, ""),
        ("GET /none", "204 No Content", None, ""),
        // The library leaves the length of what isn't sent out, as it may.
        ("GET /unchanged", "304 Not Modified", None, ""),
        ("GET /hints", "200 OK", Some("1"), "!"),
        ("GET /length", "200 OK", Some("5"), "hello"),
    ] {
        client.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let head = client.head();
        let lower = head.to_lowercase();
        let value = |name: &str| lower.lines().find_map(|line| Some(line.strip_prefix(name)?.trim()));
        assert!(head.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {head}");
        assert_eq!((value("content-length:"), value("connection:")), (length, None), "{request}: {head}");
        let mut got = String::new();
        if value("transfer-encoding:") == Some("chunked") && !request.starts_with("HEAD") {
            while let chunk @ 1.. = {
                let text = client.chunk();
                got.push_str(&text);
                text.len()
            } {
                assert!(chunk <= body.len());
            }
        } else {
            got = client.exact(body.len());
        }
        assert_eq!(got, body, "{request}");
    }
    assert_eq!(router.lines(10).iter().filter(|line| line.starts_with("at=info ")).count(), 10);
}

#[test]
fn an_old_client_gets_what_it_understands() {
    let (sender, seen) = mpsc::channel();
    let router = TestRouter::before(patient(), move |mut talk| {
        sender.send(talk.head()).unwrap();
        talk.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    });
    let response = router.ask("GET / HTTP/1.0\r\n\r\n");
    assert!(response.starts_with("HTTP/1.0 200 OK\r\n"), "{response}");
    assert!(response.ends_with("\r\n\r\nabcde"), "{response}");
    assert!(!response.to_lowercase().contains("transfer-encoding"), "{response}");
    let request = seen.recv_timeout(PATIENCE).unwrap();
    assert!(request.starts_with("GET / HTTP/1.1\r\n"), "{request}");
    assert!(
        request.to_lowercase().contains(&format!("\r\nhost: {}\r\n", router.router.address())),
        "{request}"
    );
}

#[test]
fn bodies_get_through_with_one_length() {
    for (request, framing, body) in [
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "Content-Length: 5", "hello"),
        (
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        ),
        // It isn't usual, but it is allowed.
        (
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked",
            "3\r\nabc\r\n0\r\n\r\n",
        ),
        ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "Content-Length: 0", ""),
        ("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "", ""),
    ] {
        let router = TestRouter::before(patient(), move |mut talk| {
            let head = talk.head();
            let got = talk.exact(body.len());
            let response = format!("{head}{got}");
            talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{response}", response.len()));
        });
        let mut client = router.connect();
        client.send(request);
        let length = client.head().to_lowercase().split("content-length: ").nth(1).unwrap().to_owned();
        let echo = client.exact(length.lines().next().unwrap().parse().unwrap());
        let (head, got) = echo.split_once("\r\n\r\n").unwrap();
        let lengths: Vec<String> = head
            .lines()
            .filter(|line| {
                let line = line.to_lowercase();
                line.starts_with("content-length:") || line.starts_with("transfer-encoding:")
            })
            .map(str::to_lowercase)
            .collect();
        assert_eq!((lengths.join(" "), got), (framing.to_lowercase(), body), "{request}");
    }
}

#[test]
fn a_client_that_waits_for_100_is_told_to_go_on_once_a_dyno_has_the_request() {
    let router = TestRouter::before(patient(), |mut talk| {
        let head = talk.head();
        assert!(!head.to_lowercase().contains("expect"), "{head}");
        assert_eq!(talk.exact(5), "hello");
        talk.send(OK);
    });
    let expecting = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut client = router.connect();
    client.send(expecting);
    assert_eq!(client.head(), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("hello");
    assert!(client.head().starts_with("HTTP/1.1 200 OK\r\n"));
    // Nobody wants the body: it isn't asked for.
    router.set(1, nobody(), State::Crashed);
    let mut client = router.connect();
    client.send(expecting);
    assert!(client.head().starts_with("HTTP/1.1 503 "));
}

#[test]
fn the_router_listens_on_both_families_where_it_is_told() {
    for (listen, connect, fwd) in [
        ("[::1]:0", "::1", "::1"),
        ("[::]:0", "127.0.0.1", "127.0.0.1"),
        ("0.0.0.0:0", "127.0.0.1", "127.0.0.1"),
    ] {
        let (sender, seen) = mpsc::channel();
        let backends = Backends::new();
        let started = Router::start(listen.parse().unwrap(), backends.clone(), patient(), move |line| {
            sender.send(line.to_owned()).unwrap();
        });
        let router = match started {
            Ok(router) => router,
            Err(error) if listen.starts_with('[') => {
                crate::support::skip(&format!("this machine has no IPv6: {error}"));
                continue;
            }
            Err(error) => panic!("{error}"),
        };
        let port = router.address().port();
        let address = SocketAddr::new(connect.parse().unwrap(), port);
        let mut client = Talk::new(TcpStream::connect(address).unwrap());
        client.send(GET);
        assert!(client.rest().starts_with("HTTP/1.1 503 "));
        let line = seen.recv_timeout(PATIENCE).unwrap();
        assert!(line.contains(&format!(" fwd=\"{fwd}\" ")), "{line}");
    }
}
