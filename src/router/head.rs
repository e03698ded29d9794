//! The head of a request, as it came: whether it is whole, whether the HTTP library would take it, and what follows it.
//!
//! The library refuses by itself, without a word to the client or in the log, and it doesn't show that a request had two
//! lengths. So whatever it would refuse is found here, with its own parsers.

use std::fmt::Write as _;

use httparse::{EMPTY_HEADER, Error, Header, Request, Status};
use hyper::{StatusCode, Uri};

use super::RouterLimits;
use super::framing::Framing;

/// As many as the HTTP library takes.
const MOST_HEADERS: usize = 100;

/// What is known of the first bytes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Examined {
    Incomplete,
    Whole(Head),
    Refused(Refused),
}

/// A head that can be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// How many bytes it has.
    pub(super) length: usize,
    /// What is passed on, if it isn't these bytes.
    pub(super) changed: Option<Vec<u8>>,
    pub(super) body: Framing,
}

/// A request that is passed on to nobody, and what could be read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) status: StatusCode,
    /// What is wrong. Nothing in it has to be escaped.
    pub(super) what: &'static str,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) host: Vec<u8>,
    /// What the client wants to read.
    accept: Vec<u8>,
}

impl Refused {
    /// Returns a head that the HTTP library takes, and whose answer the client understands.
    pub(super) fn stand_in(&self) -> Vec<u8> {
        let method = if self.method == "HEAD" { "HEAD" } else { "GET" };
        let head = format!("{method} / HTTP/1.1\r\nHost: refused\r\nConnection: close\r\nAccept: ");
        [head.as_bytes(), &self.accept, b"\r\n\r\n"].concat()
    }
}

/// Examines what has come of a request up to now.
pub(super) fn examine(bytes: &[u8], limits: &RouterLimits) -> Examined {
    let escaped = escape_target(bytes);
    let readable = escaped.as_deref().unwrap_or(bytes);
    let mut headers = [EMPTY_HEADER; MOST_HEADERS];
    let mut request = Request::new(&mut headers);
    let parsed = request.parse(readable);
    let refuse = |(status, what)| Examined::Refused(refuse(status, what, &request));
    // Escapes are longer than what they stand for.
    let grown = readable.len() - bytes.len();
    let length = match parsed {
        Err(error) => return refuse(explain(error, &request, bytes)),
        Ok(Status::Complete(length)) => length - grown,
        Ok(Status::Partial) => bytes.len(),
    };
    if length > limits.head_size {
        return refuse(explain_size(&bytes[..length], limits.line_size));
    }
    if parsed == Ok(Status::Partial) {
        return Examined::Incomplete;
    }
    if let Some(why) = find_long_line(&bytes[..length], limits.line_size) {
        return refuse(why);
    }
    if request.path.is_none_or(|target| Uri::try_from(target).is_err()) {
        return refuse(bad("The address in the first line of the request isn't one."));
    }
    match read_framing(request.headers, request.version == Some(1)) {
        Err(what) => refuse(bad(what)),
        Ok(body) => {
            let changed = escaped.map(|mut head| {
                head.truncate(length + grown);
                head
            });
            Examined::Whole(Head { length, changed, body })
        }
    }
}

fn bad(what: &'static str) -> (StatusCode, &'static str) {
    (StatusCode::BAD_REQUEST, what)
}

fn refuse(status: StatusCode, what: &'static str, request: &Request<'_, '_>) -> Refused {
    let value = |name: &str| {
        let found = request.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        found.map_or(&b""[..], |header| header.value).to_vec()
    };
    Refused {
        status,
        what,
        method: request.method.unwrap_or_default().to_owned(),
        path: request.path.unwrap_or_default().to_owned(),
        host: value("host"),
        accept: value("accept"),
    }
}

/// Says what the parser didn't like.
fn explain(error: Error, request: &Request<'_, '_>, bytes: &[u8]) -> (StatusCode, &'static str) {
    match error {
        Error::TooManyHeaders => {
            (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The request has more than 100 headers.")
        }
        // The first bytes of TLS.
        Error::Token if bytes.starts_with(b"\x16\x03") => {
            bad("This port speaks HTTP, and was spoken to in HTTPS.")
        }
        Error::Token if request.method.is_some() => {
            bad("The address in the first line of the request has a character that no address can have.")
        }
        Error::Version if bytes.starts_with(b"PRI * HTTP/2") => bad("HTTP/2 isn't spoken here."),
        Error::Token | Error::Version => bad(
            "The first line of the request isn't METHOD /PATH HTTP/1.1: it has three parts with a blank between them.",
        ),
        Error::HeaderValue => bad("A header of the request has a character that no header can have."),
        _ => bad("A line of the request's head isn't NAME: VALUE."),
    }
}

fn explain_size(bytes: &[u8], line_limit: usize) -> (StatusCode, &'static str) {
    let all = (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers of the request are too large.");
    find_long_line(bytes, line_limit).filter(|(status, _)| *status == StatusCode::URI_TOO_LONG).unwrap_or(all)
}

fn find_long_line(head: &[u8], limit: usize) -> Option<(StatusCode, &'static str)> {
    let lines = head.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let mut lines = lines.skip_while(|line| line.is_empty());
    if lines.next().is_some_and(|line| line.len() > limit) {
        return Some((StatusCode::URI_TOO_LONG, "The first line of the request is too long."));
    }
    let is_too_long = lines.any(|line| line.len() > limit);
    is_too_long.then(|| bad("A line of the request's head is too long. A cookie is one line."))
}

/// Reads how long the body is, as the HTTP library does. Two ways to say it are one too many: who reads the other
/// one takes the rest of the body for a request.
fn read_framing(headers: &[Header<'_>], is_http_11: bool) -> Result<Framing, &'static str> {
    let values = |name: &'static str| {
        headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    };
    let (encoding, mut lengths) = (values("transfer-encoding").next_back(), values("content-length"));
    let Some(encoding) = encoding else {
        let Some(first) = lengths.next() else { return Ok(Framing::Length(0)) };
        let length = read_length(first).ok_or("The request's Content-Length isn't a number of bytes.")?;
        if lengths.any(|other| read_length(other) != Some(length)) {
            return Err("The request has more than one Content-Length.");
        }
        return Ok(Framing::Length(length));
    };
    if lengths.next().is_some() {
        return Err("The request has both a Content-Length and a Transfer-Encoding.");
    }
    if !is_http_11 {
        return Err("A request of HTTP/1.0 has no Transfer-Encoding.");
    }
    let last = encoding.rsplit(|byte| *byte == b',').next().unwrap_or_default();
    if !last.trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err("The request's Transfer-Encoding doesn't end with chunked.");
    }
    Ok(Framing::chunks())
}

/// The library keeps the two largest numbers for itself.
fn read_length(value: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(value).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse().ok().filter(|length| *length <= u64::MAX - 2)
}

/// Returns the bytes with an address that the HTTP library takes, if it takes it only with escapes. Servers take the
/// raw characters, and an escape means the same to them.
fn escape_target(bytes: &[u8]) -> Option<Vec<u8>> {
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte))?;
    let end = start + bytes[start..].iter().position(|byte| *byte == b'\n')?;
    let blanks = |byte: &u8| *byte == b' ';
    let from = start + bytes[start..end].iter().position(blanks)? + 1;
    let to = start + bytes[start..end].iter().rposition(blanks)?;
    let target = bytes.get(from..to).filter(|target| Uri::try_from(*target).is_err())?;
    // What is before the path is a host, and has no escapes.
    let path = if target.starts_with(b"/") {
        0
    } else {
        let host = target.windows(3).position(|bytes| bytes == b"://")? + 3;
        host + target[host..].iter().position(|byte| b"/?".contains(byte))?
    };
    let mut escaped = String::new();
    for byte in &target[path..] {
        let _ = match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                write!(escaped, "%{byte:02X}")
            }
            _ => escaped.write_char(char::from(*byte)),
        };
    }
    let address = [&target[..path], escaped.as_bytes()].concat();
    Uri::try_from(&address[..]).is_ok().then(|| [&bytes[..from], &address, &bytes[to..]].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> RouterLimits {
        RouterLimits { head_size: 1000, line_size: 100, ..RouterLimits::default() }
    }

    // Y05
    #[test]
    fn an_address_is_escaped_only_where_it_must_be() {
        for (target, expected) in [
            (&b"/"[..], None),
            (b"*", None),
            (b"/\"a\"/{b}?{c}|`^\\[]'", None),
            ("/\u{e9}?\u{e9}".as_bytes(), None),
            (b"/%7b?%22", None),
            (b"/?q={\"a\":1}", Some(&b"/?q=%7B%22a%22:1%7D"[..])),
            (b"/<a>", Some(b"/%3Ca%3E")),
            (b"/a?<b>", Some(b"/a?%3Cb%3E")),
            (b"/\xe9?\xff", Some(b"/%E9?%FF")),
            (b"/%22?\"", Some(b"/%22?%22")),
            (b"http://a.test/<b>?\"", Some(b"http://a.test/%3Cb%3E?%22")),
            (b"http://a.test?\"", Some(b"http://a.test?%22")),
            // No escapes make an address of these.
            (b"http://<a>.test/", None),
            (b"<a>", None),
            (b"/a b\"", None),
            (b"/\x01<", None),
        ] {
            let head = |target: &[u8]| [b"\r\nGET ", target, b" HTTP/1.1\r\nHost: \"a\"\r\n\r\n<"].concat();
            assert_eq!(escape_target(&head(target)), expected.map(head), "{}", target.escape_ascii());
        }
    }

    // S12
    #[test]
    fn a_body_has_one_length() {
        for (lines, expected) in [
            (&[][..], Some(Framing::Length(0))),
            (&["Content-Length: 5"], Some(Framing::Length(5))),
            (&["content-length:5 ", "Content-Length: 05"], Some(Framing::Length(5))),
            (&["Transfer-Encoding: chunked"], Some(Framing::chunks())),
            (&["Transfer-Encoding: gzip, Chunked"], Some(Framing::chunks())),
            (&["Content-Length: 5", "Transfer-Encoding: chunked"], None),
            (&["transfer-encoding: chunked", "content-length: 0"], None),
            (&["Transfer-Encoding: chunked", "X: y", "CONTENT-LENGTH: x"], None),
            (&["Content-Length: 5", "Content-Length: 6"], None),
            (&["Content-Length: 5, 5"], None),
            (&["Content-Length:"], None),
            (&["Content-Length: +5"], None),
            (&["Content-Length: 18446744073709551615"], None),
            (&["Content-Length: 18446744073709551616"], None),
            (&["Transfer-Encoding: identity"], None),
            (&["Transfer-Encoding: chunked, gzip"], None),
        ] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", lines.join("\r\n"));
            let head = head.replace("\r\n\r\n\r\n", "\r\n\r\n");
            let found = match examine(head.as_bytes(), &limits()) {
                Examined::Whole(head) => Some(head.body),
                Examined::Refused(refused) if refused.status == StatusCode::BAD_REQUEST => None,
                other => panic!("{lines:?}: {other:?}"),
            };
            assert_eq!(found, expected, "{lines:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let many = "X: y\r\n".repeat(101);
        let large = "Some: words\r\n".repeat(90);
        let long = "a".repeat(100);
        let endless = "a".repeat(2000);
        for (bytes, status, what) in [
            ("\u{16}\u{3}\u{1}".to_owned(), 400, "HTTPS"),
            ("PRI * HTTP/2.0\r\n\r\n".to_owned(), 400, "HTTP/2"),
            ("G\0".to_owned(), 400, "METHOD /PATH"),
            ("GET /a b HTTP/1.1\r\n".to_owned(), 400, "METHOD /PATH"),
            ("GET / HTTP/3.0\r\n".to_owned(), 400, "METHOD /PATH"),
            ("GET /\r\n".to_owned(), 400, "address"),
            ("GET /\u{1} HTTP/1.1\r\n".to_owned(), 400, "address"),
            ("GET a/b HTTP/1.1\r\n\r\n".to_owned(), 400, "address"),
            ("GET / HTTP/1.1\r\nA: b\r\n c\r\n".to_owned(), 400, "NAME: VALUE"),
            ("GET / HTTP/1.1\r\nA : b\r\n".to_owned(), 400, "NAME: VALUE"),
            ("GET / HTTP/1.1\r\nA: \0\r\n".to_owned(), 400, "character"),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400, "HTTP/1.0"),
            (format!("GET / HTTP/1.1\r\n{many}"), 431, "100 headers"),
            (format!("GET / HTTP/1.1\r\n{large}"), 431, "too large"),
            (format!("GET /{endless}"), 414, "first line"),
            (format!("GET /{long} HTTP/1.1\r\n\r\n"), 414, "first line"),
            (format!("GET / HTTP/1.1\r\nA: {long}\r\n\r\n"), 400, "cookie"),
        ] {
            let shown = &bytes[..bytes.len().min(60)];
            let Examined::Refused(refused) = examine(bytes.as_bytes(), &limits()) else {
                panic!("{shown:?} isn't refused");
            };
            assert_eq!(refused.status, status, "{shown:?}: {refused:?}");
            assert!(refused.what.contains(what), "{shown:?}: {refused:?}");
            assert!(!refused.what.contains(['"', '\\', '<', '&', '\n']), "{refused:?}");
        }
    }

    #[test]
    fn a_head_is_whole_with_its_last_byte() {
        for head in [
            "GET / HTTP/1.1\r\nA: b\r\n\r\n",
            "\r\n\nGET /?<\" HTTP/1.0\nA: b\n\n",
            "GET /a<b> HTTP/1.1\r\n\r\n",
        ] {
            for length in 0..head.len() {
                assert_eq!(examine(&head.as_bytes()[..length], &limits()), Examined::Incomplete, "{head}");
            }
            let Examined::Whole(whole) = examine(format!("{head}GET ").as_bytes(), &limits()) else {
                panic!("{head:?} isn't whole");
            };
            assert_eq!(whole.length, head.len(), "{head}");
            let changed = whole.changed.map(|changed| String::from_utf8(changed).unwrap());
            let expected =
                head.contains('<').then(|| head.replace("?<\"", "?%3C%22").replace("<b>", "%3Cb%3E"));
            assert_eq!(changed, expected);
        }
    }
}
