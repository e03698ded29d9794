//! Bodies and WebSockets as they come.

use std::sync::mpsc;

use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

use super::*;

const MANY: usize = 100 << 20;

#[test]
fn a_piece_of_a_response_arrives_before_the_next_is_made() {
    let (go_on, told) = mpsc::channel();
    let told = Mutex::new(told);
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for number in 0..3 {
            talk.send(format!("9\r\ndata: {number}\n\n\r\n"));
            told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        talk.send("0\r\n\r\n");
    });
    let mut client = router.connect();
    client.send(GET);
    client.head();
    for number in 0..3 {
        assert_eq!(client.chunk(), format!("data: {number}\n\n"));
        go_on.send(()).unwrap();
    }
    assert_eq!(client.chunk(), "");
    assert!(router.line().contains(" bytes=27 "));
}

#[test]
fn a_piece_of_a_request_arrives_before_the_next_is_made() {
    let (sender, seen) = mpsc::channel();
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        for _ in 0..3 {
            sender.send(talk.chunk()).unwrap();
        }
        assert_eq!(talk.chunk(), "");
        talk.send(OK);
    });
    let mut client = router.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n");
    for number in 0..3 {
        client.send(format!("1\r\n{number}\r\n"));
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), number.to_string());
    }
    client.send("0\r\n\r\n");
    assert!(client.rest().starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn a_response_may_come_before_the_request_is_whole() {
    let router = TestRouter::before(patient(), |mut talk| {
        talk.head();
        talk.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!");
        talk.rest();
    });
    let mut client = router.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nhello");
    assert!(client.head().starts_with("HTTP/1.1 413 "));
    assert_eq!(client.exact(3), "no!");
    assert!(router.line().contains(" status=413 bytes=3 "));
}

/// Writes until nobody takes any more, and returns how much that was.
fn fill(stream: &TcpStream) -> usize {
    stream.set_write_timeout(Some(SOON * 2)).unwrap();
    let piece = vec![b'x'; 64 << 10];
    let mut written = 0;
    while written < MANY {
        match (&mut &*stream).write(&piece[..piece.len().min(MANY - written)]) {
            Ok(length) => written += length,
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock, "{error}");
                break;
            }
        }
    }
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    written
}

fn write_rest(stream: &TcpStream, written: usize) {
    let piece = vec![b'x'; 64 << 10];
    let mut left = MANY - written;
    while left > 0 {
        let length = (&mut &*stream).write(&piece[..piece.len().min(left)]).unwrap();
        left -= length;
    }
}

fn read_all(talk: &mut Talk) -> usize {
    let mut buffer = vec![0; 64 << 10];
    let mut total = 0;
    while total < MANY {
        let length = talk.0.read(&mut buffer).unwrap();
        assert!(length > 0 && buffer[..length].iter().all(|byte| *byte == b'x'), "after {total} bytes");
        total += length;
    }
    total
}

/// What may be on its way: buffers of the kernel, and little of ours.
const FEW: usize = 32 << 20;

#[test]
fn a_large_response_is_not_gathered() {
    let (sender, filled) = mpsc::channel();
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        talk.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MANY}\r\n\r\n"));
        let written = fill(talk.stream());
        sender.send(written).unwrap();
        write_rest(talk.stream(), written);
    });
    let mut client = router.connect();
    client.send(GET);
    let written = filled.recv_timeout(PATIENCE).unwrap();
    assert!(written < FEW, "{written} bytes were taken although nobody reads");
    client.head();
    assert_eq!(read_all(&mut client), MANY);
    assert!(router.line().contains(&format!(" status=200 bytes={MANY} ")));
}

#[test]
fn a_large_request_is_not_gathered() {
    let (go_on, told) = mpsc::channel();
    let told = Mutex::new(told);
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        assert_eq!(read_all(&mut talk), MANY);
        talk.send(OK);
    });
    let mut client = router.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {MANY}\r\n\r\n"));
    let written = fill(client.stream());
    assert!(written < FEW, "{written} bytes were taken although nobody reads");
    go_on.send(()).unwrap();
    write_rest(client.stream(), written);
    assert!(client.rest().starts_with("HTTP/1.1 200 OK\r\n"));
}

/// A dyno that speaks WebSocket, and echoes.
fn echo(talk: Talk) {
    let mut socket = tungstenite::accept(talk.0.into_inner()).unwrap();
    loop {
        match socket.read() {
            Ok(message @ (Message::Text(_) | Message::Binary(_))) => socket.send(message).unwrap(),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

fn websocket(router: &TestRouter) -> WebSocket<TcpStream> {
    let stream = TcpStream::connect(router.router.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (socket, response) = tungstenite::client("ws://app.test/chat", stream).unwrap();
    assert_eq!(response.status(), 101);
    socket
}

#[test]
fn a_websocket_talks_through_the_router() {
    let router = TestRouter::before(patient(), echo);
    let mut socket = websocket(&router);
    let large = "ä".repeat(1 << 20);
    for message in [Message::text("hello"), Message::binary(vec![0, 255]), Message::text(large)] {
        socket.send(message.clone()).unwrap();
        assert_eq!(socket.read().unwrap(), message);
    }
    socket.send(Message::Ping(vec![7].into())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Pong(vec![7].into()));
    // Others get through meanwhile, and the line comes at the end.
    assert_eq!(router.log.lock().unwrap().len(), 0);
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    socket.close(Some(frame.clone())).unwrap();
    assert_eq!(socket.read().unwrap(), Message::Close(Some(frame)));
    drop(socket);
    let line = router.line();
    assert!(line.starts_with("at=info method=GET path=\"/chat\" host=app.test "), "{line}");
    let bytes: usize =
        line.split("status=101 bytes=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(bytes > 2 << 20, "{line}");
}

#[test]
fn a_websocket_that_the_dyno_ends_is_ended() {
    let router = TestRouter::before(patient(), |talk| {
        let mut socket = tungstenite::accept(talk.0.into_inner()).unwrap();
        socket.send(Message::text("only this")).unwrap();
        socket.read().unwrap();
        // Gone without a farewell.
    });
    let mut socket = websocket(&router);
    assert_eq!(socket.read().unwrap(), Message::text("only this"));
    socket.send(Message::text("and?")).unwrap();
    assert!(socket.read().is_err());
    assert!(router.line().contains(" status=101 "));
}

#[test]
fn a_websocket_on_which_nobody_talks_is_h15() {
    let router = TestRouter::before(RouterLimits { idle: SOON * 2, ..patient() }, echo);
    let mut socket = websocket(&router);
    for _ in 0..4 {
        thread::sleep(SOON);
        socket.send(Message::text("still here")).unwrap();
        socket.read().unwrap();
    }
    assert!(socket.read().is_err());
    assert!(router.line().starts_with("at=error code=H15 desc=\"Idle connection\" "), "{}", router.line());
}

#[test]
fn a_websocket_that_the_app_refuses_is_a_plain_response() {
    let router = TestRouter::before(patient(), |mut talk| {
        let head = talk.head();
        assert!(head.to_lowercase().contains("\r\nconnection: upgrade\r\n"), "{head}");
        talk.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    });
    let mut client = router.connect();
    let upgrade = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    for _ in 0..2 {
        client.send(upgrade);
        assert!(client.head().starts_with("HTTP/1.1 403 Forbidden\r\n"));
        assert_eq!(client.exact(2), "no");
    }
}
