//! Many requests at once, while dynos come and go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

const CLIENTS: usize = 200;
const REQUESTS: usize = 10;

/// A dyno that can be stopped as a web server is by SIGTERM: what it has not accepted by then is lost.
struct Rolling {
    address: SocketAddr,
    is_stopped: Arc<AtomicBool>,
    thread: thread::JoinHandle<()>,
}

impl Rolling {
    fn start(served: &Arc<AtomicUsize>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (flag, served) = (Arc::clone(&is_stopped), Arc::clone(served));
        let thread = thread::spawn(move || {
            let mut talks = Vec::new();
            while !flag.load(Ordering::SeqCst) {
                let Ok((stream, _)) = listener.accept() else {
                    thread::sleep(Duration::from_millis(1));
                    continue;
                };
                stream.set_nonblocking(false).unwrap();
                let served = Arc::clone(&served);
                talks.push(thread::spawn(move || {
                    let mut talk = Talk::new(stream);
                    let head = talk.head();
                    let number = head.split(' ').nth(1).unwrap().len();
                    thread::sleep(Duration::from_millis(u64::try_from(number % 7).unwrap()));
                    talk.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n");
                    thread::sleep(Duration::from_millis(3));
                    talk.send("0\r\n\r\n");
                    served.fetch_add(1, Ordering::SeqCst);
                }));
            }
            drop(listener);
            talks.into_iter().for_each(|talk| talk.join().unwrap());
        });
        Self { address, is_stopped, thread }
    }
}

#[test]
fn nothing_is_lost_while_dynos_are_replaced() {
    let router = Arc::new(TestRouter::new(patient()));
    let served = Arc::new(AtomicUsize::new(0));
    let mut dynos: Vec<(usize, Rolling)> = (1..=2).map(|number| (number, Rolling::start(&served))).collect();
    for (number, dyno) in &dynos {
        router.set(*number, dyno.address, State::Up);
    }
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let router = Arc::clone(&router);
            thread::spawn(move || {
                let mut talk = router.connect();
                for request in 0..REQUESTS {
                    let path = "x".repeat((client + request) % 50);
                    talk.send(format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"));
                    let head = talk.head();
                    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
                    assert_eq!((talk.chunk(), talk.chunk()), ("ok".to_owned(), String::new()));
                }
            })
        })
        .collect();
    let mut replaced = 0;
    while clients.iter().any(|client| !client.is_finished()) {
        let (number, old) = dynos.remove(0);
        let (name, next) = (format!("web.{number}"), number + 2);
        let new = Rolling::start(&served);
        router.set(next, new.address, State::Up);
        router.set(number, old.address, State::Stopping);
        while router.backends.in_flight(&name) > 0 {
            thread::sleep(Duration::from_millis(1));
        }
        old.is_stopped.store(true, Ordering::SeqCst);
        old.thread.join().unwrap();
        router.backends.remove(&name);
        dynos.push((next, new));
        replaced += 1;
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    assert!(replaced > 2, "{replaced} dynos were replaced meanwhile");
    assert_eq!(served.load(Ordering::SeqCst), CLIENTS * REQUESTS);
    let lines = router.lines(CLIENTS * REQUESTS);
    assert_eq!(lines.iter().find(|line| !line.starts_with("at=info ")), None);
}

#[test]
fn a_dyno_that_stops_ends_what_it_has_and_gets_nothing_new() {
    let (sender, told) = std::sync::mpsc::channel::<()>();
    let told = Mutex::new(told);
    let router = TestRouter::before(patient(), move |mut talk| {
        talk.head();
        told.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        talk.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst");
    });
    let old = nobody();
    let mut client = router.connect();
    client.send(GET);
    while router.backends.in_flight("web.1") == 0 {
        thread::sleep(Duration::from_millis(1));
    }
    router.set(2, dyno(saying(OK)), State::Up);
    // Whatever becomes of the entry, the request goes on.
    router.set(1, old, State::Stopping);
    router.backends.remove("web.1");
    for _ in 0..3 {
        assert!(router.ask(GET).ends_with("ok"));
    }
    sender.send(()).unwrap();
    assert!(client.rest().ends_with("first"));
}
