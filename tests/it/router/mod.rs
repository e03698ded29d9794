//! The router between real sockets: clients and dynos are threads that say byte by byte what the case is about.

mod faults;
mod heads;
mod many;
mod passing;
mod refusals;
mod stopping;
mod streams;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use regex::Regex;
use slugc::testing::router::{Backend, Backends, Router, RouterLimits, State};

/// Long enough for a machine that is busy, short enough to see that a test hangs.
const PATIENCE: Duration = Duration::from_secs(30);

/// A limit that is meant to be met.
const SOON: Duration = Duration::from_millis(200);

/// Limits that nothing meets on a machine that is busy.
fn patient() -> RouterLimits {
    RouterLimits {
        first_byte: PATIENCE,
        idle: PATIENCE,
        boot: PATIENCE,
        connect: PATIENCE,
        head: PATIENCE,
        ..RouterLimits::default()
    }
}

/// A router, its dynos, and what it has logged.
struct TestRouter {
    router: Router,
    backends: Backends,
    log: Arc<Mutex<Vec<String>>>,
}

impl TestRouter {
    fn new(limits: RouterLimits) -> Self {
        let backends = Backends::new();
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&log);
        let listen = "127.0.0.1:0".parse().unwrap();
        let router = Router::start(listen, backends.clone(), limits, move |line| {
            sink.lock().unwrap().push(line.to_owned());
        })
        .unwrap();
        Self { router, backends, log }
    }

    /// A router with one dyno that is up, `web.1`.
    fn before(limits: RouterLimits, talk: impl Fn(Talk) + Send + Sync + 'static) -> Self {
        let router = Self::new(limits);
        router.set(1, dyno(talk), State::Up);
        router
    }

    fn set(&self, number: usize, address: SocketAddr, state: State) {
        self.backends.set(Backend { name: format!("web.{number}"), address }, state);
    }

    fn connect(&self) -> Talk {
        Talk::new(TcpStream::connect(self.router.address()).unwrap())
    }

    /// Sends a request, and reads the response until the connection ends.
    fn ask(&self, request: &str) -> String {
        let mut client = self.connect();
        client.send(request);
        client.rest()
    }

    /// Waits for log lines, and returns them without what is different each time.
    fn lines(&self, count: usize) -> Vec<String> {
        let since = Instant::now();
        loop {
            let lines = self.log.lock().unwrap().clone();
            if lines.len() >= count {
                assert_eq!(lines.len(), count, "{lines:#?}");
                return lines.iter().map(|line| stable(line)).collect();
            }
            assert!(since.elapsed() < PATIENCE, "{count} lines were expected: {lines:#?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[track_caller]
    fn line(&self) -> String {
        self.lines(1).remove(0)
    }
}

/// Replaces times, ids and ports.
fn stable(line: &str) -> String {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        let different =
            r"(?<id>request_id=)[0-9a-f-]{36}|(?<ms>(connect|service)=)\d+ms|(?<host>host=127\.0\.0\.1:)\d+";
        Regex::new(different).unwrap()
    });
    PATTERN.replace_all(line, "$id$ms$host…").into_owned()
}

/// Starts a dyno: each connection is a thread of its own.
fn dyno(talk: impl Fn(Talk) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let talk = Arc::new(talk);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, talk) = (stream.unwrap(), Arc::clone(&talk));
            thread::spawn(move || talk(Talk::new(stream)));
        }
    });
    address
}

/// A dyno that reads the head of a request and sends this.
fn saying(response: &'static str) -> impl Fn(Talk) + Send + Sync + 'static {
    move |mut talk| {
        talk.head();
        talk.send(response);
    }
}

/// An address where nobody listens.
fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// One end of a connection.
struct Talk(BufReader<TcpStream>);

impl Talk {
    fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    #[track_caller]
    fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.get_ref().write_all(bytes.as_ref()).unwrap();
    }

    /// Reads up to an empty line, which is part of it.
    #[track_caller]
    fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let read = self.0.read_until(b'\n', &mut head).unwrap();
            assert_ne!(read, 0, "the connection ended after {:?}", String::from_utf8_lossy(&head));
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    #[track_caller]
    fn exact(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        self.0.read_exact(&mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Reads to the end, or to where it was cut.
    #[track_caller]
    fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        if let Err(error) = self.0.read_to_end(&mut bytes) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        String::from_utf8(bytes).unwrap()
    }

    /// Reads one chunk of a body.
    #[track_caller]
    fn chunk(&mut self) -> String {
        let mut size = String::new();
        self.0.read_line(&mut size).unwrap();
        let text = self.exact(usize::from_str_radix(size.trim(), 16).unwrap());
        assert_eq!(self.exact(2), "\r\n");
        text
    }

    fn stream(&self) -> &TcpStream {
        self.0.get_ref()
    }

    fn hang_up(self) {
        // Gone although the thread that reads still has it.
        self.stream().shutdown(Shutdown::Both).unwrap();
    }
}

/// The head's lines in lower case and sorted, without those that are different each time.
fn sorted_head(head: &str) -> Vec<String> {
    let mut lines: Vec<String> = head
        .trim_end()
        .lines()
        .map(str::to_owned)
        .filter(|line| {
            !["date:", "x-request-start:"].iter().any(|name| line.to_lowercase().starts_with(name))
        })
        .collect();
    lines[1..].sort();
    lines
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET /page HTTP/1.1\r\nHost: app.test\r\nConnection: close\r\n\r\n";
