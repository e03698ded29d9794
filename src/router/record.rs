//! The log line of a request, in Heroku's format. Every request has exactly one, however it ends.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::fault::Fault;
use super::proxy::Shared;
use super::traffic::Traffic;
use crate::host::clock::Stopwatch;

/// Where log lines go.
pub(super) type Log = Arc<dyn Fn(&str) + Send + Sync>;

/// More of one value isn't shown: a line has to fit into Heroku's 10,000 bytes.
const MOST_OF_A_VALUE: usize = 2000;

/// What is known of a request from its head. The bytes are the client's.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) host: Vec<u8>,
    pub(super) request_id: String,
    /// `X-Forwarded-For` as the dyno gets it.
    pub(super) fwd: Vec<u8>,
}

/// What became of it.
#[derive(Debug, Clone, Default)]
struct Course {
    dyno: String,
    connect: Option<Duration>,
    service: Option<Duration>,
    /// Of the response that the client got.
    status: Option<u16>,
    bytes: u64,
    /// What was wrong with it.
    refused: Option<&'static str>,
}

/// A request on its way. If it is dropped before it has ended well, it has ended badly.
pub(super) struct Record {
    asked: Asked,
    course: Course,
    served: Option<Stopwatch>,
    shared: Arc<Shared>,
    traffic: Arc<Traffic>,
    is_written: bool,
}

impl Record {
    /// Begins.
    pub(super) fn open(asked: Asked, shared: &Arc<Shared>, traffic: &Arc<Traffic>) -> Self {
        Self {
            asked,
            course: Course::default(),
            served: None,
            shared: Arc::clone(shared),
            traffic: Arc::clone(traffic),
            is_written: false,
        }
    }

    /// Notes which dyno was tried, and how long the connection took, or its failure.
    pub(super) fn tried(&mut self, dyno: &str, connect: Duration) {
        dyno.clone_into(&mut self.course.dyno);
        self.course.connect = Some(connect);
    }

    /// Notes that the dyno has it now.
    pub(super) fn serving(&mut self) {
        self.served = Some(Stopwatch::start());
    }

    /// Notes the status that the client gets to see.
    pub(super) fn answered(&mut self, status: u16) {
        self.course.status = Some(status);
    }

    /// Counts bytes from the dyno to the client.
    pub(super) fn count(&mut self, bytes: u64) {
        self.course.bytes += bytes;
    }

    /// Returns the request's id.
    pub(super) fn request_id(&self) -> &str {
        &self.asked.request_id
    }

    /// Ends well.
    pub(super) fn close(mut self) {
        self.write(None);
    }

    /// Ends without having been passed on: the client was told this.
    pub(super) fn refuse(mut self, status: u16, what: &'static str) {
        self.course.status = Some(status);
        self.course.refused = Some(what);
        self.write(None);
    }

    /// Ends badly.
    pub(super) fn fail(mut self, fault: Fault) {
        self.write(Some(fault));
    }

    fn write(&mut self, fault: Option<Fault>) {
        self.is_written = true;
        self.traffic.end();
        self.course.service = self.served.map(|served| served.elapsed());
        self.shared.log(&render(&self.asked, &self.course, fault));
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.is_written {
            let fault = if self.shared.is_cut() { Fault::Platform } else { self.traffic.blame() };
            self.write(Some(fault));
        }
    }
}

fn render(asked: &Asked, course: &Course, fault: Option<Fault>) -> String {
    let mut line = String::new();
    let mut status = course.status;
    match fault.map(Fault::facts) {
        None => match course.refused {
            None => line.push_str("at=info"),
            Some(what) => {
                let _ = write!(line, "at=error desc={}", quoted(what.as_bytes()));
            }
        },
        Some(facts) => {
            if let Some(sock) = facts.sock {
                let _ = write!(line, "sock={sock} ");
            }
            let at = if facts.status == 499 { "warning" } else { "error" };
            let _ = write!(line, "at={at} code={} desc=\"{}\"", facts.code, facts.desc);
            // What the client has seen can't be taken back; that it is gone counts more.
            status = status.filter(|_| facts.status != 499).or(Some(facts.status));
        }
    }
    let milliseconds =
        |time: Option<Duration>| time.map(|time| format!("{}ms", time.as_millis())).unwrap_or_default();
    let _ = write!(
        line,
        " method={} path={} host={} request_id={} fwd={} dyno={} connect={} service={} status={} bytes={} \
         protocol=http",
        bare(asked.method.as_bytes()),
        quoted(asked.path.as_bytes()),
        bare(&asked.host),
        bare(asked.request_id.as_bytes()),
        quoted(&asked.fwd),
        bare(course.dyno.as_bytes()),
        milliseconds(course.connect),
        milliseconds(course.service),
        status.unwrap_or_default(),
        // Heroku leaves it empty if no dyno had the request.
        if course.service.is_some() { course.bytes.to_string() } else { String::new() },
    );
    line
}

/// Renders the line of a request that couldn't be read, and which the HTTP library has refused by itself.
pub(super) fn render_unreadable(error: &hyper::Error, client: SocketAddr) -> String {
    let text = error.to_string();
    let status = match (error.is_parse_too_large(), text.contains("URI")) {
        (true, true) => 414,
        (true, false) => 431,
        (false, _) => 400,
    };
    format!(
        "at=error desc={} method= path= host= request_id= fwd={} dyno= connect= service= status={status} bytes= \
         protocol=http",
        quoted(text.as_bytes()),
        quoted(client.ip().to_string().as_bytes())
    )
}

/// Writes a value without quotes if nothing in it can end it.
fn bare(value: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:[]!#$%&'*+^`|~".contains(byte);
    if value.iter().all(is_plain) && value.len() <= MOST_OF_A_VALUE {
        return String::from_utf8_lossy(value).into_owned();
    }
    quoted(value)
}

/// Writes a value in quotes: printable ASCII as it is, all else as a backslash and its code.
fn quoted(value: &[u8]) -> String {
    let shown = &value[..value.len().min(MOST_OF_A_VALUE)];
    let mut text = String::from("\"");
    for byte in shown {
        match byte {
            b'"' | b'\\' => text.extend(['\\', char::from(*byte)]),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let _ = write!(text, "\\x{byte:02x}");
            }
        }
    }
    if shown.len() < value.len() {
        text.push_str("...");
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            method: "GET".to_owned(),
            path: "/a?b=c".to_owned(),
            host: b"localhost:5000".to_vec(),
            request_id: "8601b555-6a83-4c12-8269-97c8e32cdb22".to_owned(),
            fwd: b"127.0.0.1".to_vec(),
        }
    }

    #[test]
    fn lines_are_herokus() {
        let course = Course {
            dyno: "web.1".to_owned(),
            connect: Some(Duration::from_micros(900)),
            service: Some(Duration::from_micros(18_500)),
            status: Some(200),
            bytes: 13,
            refused: None,
        };
        let head = "method=GET path=\"/a?b=c\" host=localhost:5000 \
                    request_id=8601b555-6a83-4c12-8269-97c8e32cdb22 fwd=\"127.0.0.1\"";
        let tail = "dyno=web.1 connect=0ms service=18ms";
        let unseen = Course { status: None, bytes: 0, ..course.clone() };
        for (course, fault, expected) in [
            (&course, None, format!("at=info {head} {tail} status=200 bytes=13 protocol=http")),
            (
                &unseen,
                Some(Fault::RequestTimeout),
                format!(
                    "at=error code=H12 desc=\"Request timeout\" {head} {tail} status=503 bytes=0 protocol=http"
                ),
            ),
            (
                &course,
                Some(Fault::ServerInterrupted),
                format!(
                    "sock=backend at=error code=H18 desc=\"Server Request Interrupted\" {head} {tail} \
                     status=200 bytes=13 protocol=http"
                ),
            ),
            (
                &course,
                Some(Fault::ClientInterrupted),
                format!(
                    "sock=client at=warning code=H27 desc=\"Client Request Interrupted\" {head} {tail} \
                     status=499 bytes=13 protocol=http"
                ),
            ),
            (
                &Course::default(),
                Some(Fault::AppCrashed),
                format!(
                    "at=error code=H10 desc=\"App crashed\" {head} dyno= connect= service= status=503 bytes= \
                     protocol=http"
                ),
            ),
        ] {
            assert_eq!(render(&asked(), course, fault), expected);
        }
    }

    #[test]
    fn a_value_cannot_end_itself() {
        for (value, as_bare, as_quoted) in [
            ("", "", "\"\""),
            ("a.b:80", "a.b:80", "\"a.b:80\""),
            ("[::1]:5000", "[::1]:5000", "\"[::1]:5000\""),
            ("x status=200", "\"x status=200\"", "\"x status=200\""),
            ("x\" code=H99", "\"x\\\" code=H99\"", "\"x\\\" code=H99\""),
            ("\\\"", "\"\\\\\\\"\"", "\"\\\\\\\"\""),
            ("a\nat=info\x1b[31m", "\"a\\x0aat=info\\x1b[31m\"", "\"a\\x0aat=info\\x1b[31m\""),
            ("ä", "\"\\xc3\\xa4\"", "\"\\xc3\\xa4\""),
        ] {
            assert_eq!(
                (bare(value.as_bytes()), quoted(value.as_bytes())),
                (as_bare.into(), as_quoted.into())
            );
        }
        let long = "a".repeat(MOST_OF_A_VALUE + 1);
        assert_eq!(quoted(long.as_bytes()), format!("\"{}...\"", "a".repeat(MOST_OF_A_VALUE)));
        assert_eq!(bare(long.as_bytes()), quoted(long.as_bytes()));
    }
}
