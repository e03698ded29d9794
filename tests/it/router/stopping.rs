//! How the router itself comes to its end.

use std::sync::mpsc;

use super::*;

/// A router whose dyno has a request, and goes on when it is told.
fn busy() -> (TestRouter, mpsc::Sender<()>, Talk) {
    let (go_on, told) = mpsc::channel();
    let told = Mutex::new(told);
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        if told.lock().unwrap().recv_timeout(PATIENCE).is_ok() {
            talk.send(OK);
        }
    });
    let mut client = router.connect();
    client.send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    while router.backends.in_flight("web.1") == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    (router, go_on, client)
}

#[test]
fn what_is_under_way_is_ended_and_then_all_is_closed() {
    let (TestRouter { router, log, .. }, go_on, mut client) = busy();
    let address = router.address();
    // One that has asked nothing yet, and one between two requests.
    let mut silent = Talk::new(TcpStream::connect(address).unwrap());
    let stopping = thread::spawn(move || router.stop(PATIENCE));
    assert_eq!(silent.rest(), "");
    let since = Instant::now();
    while TcpStream::connect(address).is_ok() {
        assert!(since.elapsed() < PATIENCE, "it still accepts connections");
    }
    assert!(!stopping.is_finished());
    go_on.send(()).unwrap();
    let response = client.rest();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("ok"), "{response}");
    stopping.join().unwrap();
    assert!(log.lock().unwrap()[0].starts_with("at=info "));
}

#[test]
fn an_idle_connection_does_not_hold_it_up() {
    let TestRouter { router, backends, .. } = TestRouter::before(patient(), saying(OK));
    let mut client = Talk::new(TcpStream::connect(router.address()).unwrap());
    client.send("GET /page HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head();
    client.exact(2);
    let since = Instant::now();
    router.stop(PATIENCE);
    assert!(since.elapsed() < PATIENCE, "it waited for a client that has no request");
    assert_eq!(client.rest(), "");
    drop(backends);
}

#[test]
fn what_is_not_ended_in_time_is_cut_and_has_its_line() {
    let (TestRouter { router, log, .. }, _go_on, mut client) = busy();
    router.stop(SOON);
    assert_eq!(client.rest(), "");
    let log = log.lock().unwrap();
    assert_eq!(log.len(), 1);
    assert!(log[0].starts_with("at=error code=H99 desc=\"Platform error\" method=GET "), "{}", log[0]);
}

#[test]
fn a_router_that_is_dropped_is_gone() {
    let (TestRouter { router, .. }, _go_on, mut client) = busy();
    let address = router.address();
    drop(router);
    assert_eq!(client.rest(), "");
    assert!(TcpStream::connect(address).is_err());
    // Its port is free at once.
    drop(Router::start(address, Backends::new(), patient(), |_| {}).unwrap());
}
