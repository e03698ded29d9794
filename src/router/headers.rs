//! Headers on their way through: those of one connection end here, and Heroku's are added.

use std::net::{IpAddr, SocketAddr};

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE, VIA,
};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode, Uri, Version};

/// What Heroku's router calls itself.
const PSEUDONYM: HeaderValue = HeaderValue::from_static("1.1 heroku-router");

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Why a request is passed on to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// With this status, and what is wrong.
    Malformed(StatusCode, &'static str),
    /// It expects what nobody here can do.
    Expectation,
}

/// Checks what the HTTP library leaves to its user, and the gate too.
pub(super) fn check(parts: &Parts) -> Result<(), Refusal> {
    let bad = |what| Err(Refusal::Malformed(StatusCode::BAD_REQUEST, what));
    if parts.method == Method::CONNECT {
        let status = StatusCode::METHOD_NOT_ALLOWED;
        return Err(Refusal::Malformed(status, "A router of an app is no proxy to other places."));
    }
    match parts.headers.get_all(HOST).iter().count() {
        0 if parts.version == Version::HTTP_11 => return bad("The request has no Host header."),
        0 | 1 => {}
        _ => return bad("The request has more than one Host header."),
    }
    if parts.uri.path_and_query().is_none() {
        return bad("The request has no path.");
    }
    let expects = parts.headers.get_all(EXPECT);
    if expects.iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Err(Refusal::Expectation);
    }
    Ok(())
}

/// Returns the request's own id if it is one that Heroku takes, else a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let is_valid = |id: &&str| {
        (20..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(is_valid);
    given.map_or_else(|| render_uuid(fastrand::u128(..)), str::to_owned)
}

/// Writes a random number as a UUID of version 4.
fn render_uuid(random: u128) -> String {
    let bits = (random & !(0xf000 << 64) & !(0xc000 << 48)) | (0x4000 << 64) | (0x8000 << 48);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Returns `X-Forwarded-For` with the client's address at its end.
pub(super) fn forwarded_for(headers: &HeaderMap, client: IpAddr) -> Vec<u8> {
    let client = client.to_canonical().to_string();
    let mut all: Vec<&[u8]> = headers.get_all(FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect();
    all.push(client.as_bytes());
    all.join(&b", "[..])
}

/// Returns what a client wants to speak instead of HTTP. HTTP/2 isn't passed on: a dyno that speaks it would take
/// requests that nobody here has seen.
pub(super) fn read_upgrade(parts: &Parts) -> Option<HeaderValue> {
    let is_asked = tokens(&parts.headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let wanted = parts.headers.get(UPGRADE)?;
    let is_h2 = tokens(&parts.headers, &UPGRADE).any(|token| token.to_ascii_lowercase().starts_with("h2"));
    (is_asked && !is_h2 && parts.version == Version::HTTP_11).then(|| wanted.clone())
}

/// What the router adds to a request.
pub(super) struct Additions<'a> {
    /// What the client wants to speak instead of HTTP.
    pub(super) upgrade: Option<&'a HeaderValue>,
    /// Where the client's connection ended.
    pub(super) here: SocketAddr,
    /// Whether the client is said to have come by https.
    pub(super) claims_https: bool,
    pub(super) request_id: &'a str,
    pub(super) forwarded_for: &'a [u8],
    /// Since 1970.
    pub(super) now_milliseconds: u128,
    pub(super) has_body: bool,
}

/// Makes a client's head into the one that a dyno gets.
pub(super) fn prepare_request(parts: &mut Parts, additions: &Additions<'_>) {
    let Additions { upgrade, here, claims_https, request_id, forwarded_for, now_milliseconds, has_body } =
        *additions;
    parts.version = Version::HTTP_11;
    let headers = &mut parts.headers;
    strip(headers);
    // The client had its answer to this from here.
    headers.remove(EXPECT);
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let connection = HeaderValue::from_static(if upgrade.is_some() { "Upgrade" } else { "close" });
    headers.insert(CONNECTION, connection);
    if let Some(upgrade) = upgrade {
        headers.insert(UPGRADE, upgrade.clone());
    }
    // An absolute address wins over the Host header; an old client may have neither.
    let host = parts.uri.authority().map(|authority| authority.as_str().to_owned());
    if let Some(host) = host.or_else(|| (!headers.contains_key(HOST)).then(|| here.to_string())) {
        insert(headers, HOST, host.as_bytes());
    }
    if let Some(path) = parts.uri.path_and_query().cloned() {
        parts.uri = Uri::from(path);
    }
    insert(headers, FORWARDED_FOR, forwarded_for);
    for (name, value) in [
        ("x-forwarded-proto", if claims_https { "https" } else { "http" }),
        ("x-forwarded-port", &if claims_https { 443 } else { here.port() }.to_string()),
        ("x-request-start", &now_milliseconds.to_string()),
        ("x-request-id", request_id),
    ] {
        insert(headers, HeaderName::from_static(name), value.as_bytes());
    }
    headers.append(VIA, PSEUDONYM);
}

/// Makes a dyno's headers into those that a client gets.
pub(super) fn prepare_response(headers: &mut HeaderMap, upgrade: Option<HeaderValue>) {
    strip(headers);
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    headers.append(VIA, PSEUDONYM);
}

fn insert(headers: &mut HeaderMap, name: HeaderName, value: &[u8]) {
    // What comes in was a header's value before, or is printable ASCII.
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(name, value);
    }
}

/// Takes out what is meant for one connection only. How long a body is stays: the library sees to it that there is
/// one way to tell.
fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|token| token.parse().ok())
        .filter(|name| ![HOST, CONTENT_LENGTH].contains(name))
        .collect();
    let always = [CONNECTION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];
    let old = ["keep-alive", "proxy-connection"].map(HeaderName::from_static);
    for name in named.into_iter().chain(always).chain(old) {
        headers.remove(name);
    }
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn parts(method: &str, uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn lines(headers: &HeaderMap) -> Vec<String> {
        let mut lines: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    #[test]
    fn what_cannot_be_passed_on_is_refused() {
        let bad = StatusCode::BAD_REQUEST;
        for (method, uri, headers, expected) in [
            ("GET", "/", &[("host", "a")][..], Ok(())),
            ("OPTIONS", "*", &[("host", "a")], Ok(())),
            ("GET", "http://b/c", &[("host", "a")], Ok(())),
            ("GET", "/", &[("host", "a"), ("expect", "100-Continue")], Ok(())),
            ("GET", "/", &[("host", "a"), ("expect", "tea")], Err(Some(StatusCode::EXPECTATION_FAILED))),
            ("GET", "/", &[], Err(Some(bad))),
            ("GET", "/", &[("host", "a"), ("host", "a")], Err(Some(bad))),
            ("CONNECT", "a:1", &[("host", "a")], Err(Some(StatusCode::METHOD_NOT_ALLOWED))),
        ] {
            let checked = check(&parts(method, uri, headers)).map_err(|refusal| match refusal {
                Refusal::Malformed(status, _) => Some(status),
                Refusal::Expectation => Some(StatusCode::EXPECTATION_FAILED),
            });
            assert_eq!(checked, expected, "{method} {uri} {headers:?}");
        }
        let mut old = parts("GET", "/", &[]);
        old.version = Version::HTTP_10;
        assert_eq!(check(&old), Ok(()));
    }

    #[test]
    fn an_id_is_kept_if_it_can_be_one() {
        let long = "a".repeat(200);
        let too_long = "a".repeat(201);
        for (given, is_kept) in [
            ("8601b555-6a83-4c12-8269-97c8e32cdb22", true),
            ("aaaaaaaaaaaaaaaaaaaa", true),
            (long.as_str(), true),
            ("aaaaaaaaaaaaaaaaaaa", false),
            (too_long.as_str(), false),
            ("aaaaaaaaaaaaaaaaaaaa status=200", false),
            ("aaaaaaaaaaaaaaaaaaaa\"", false),
            ("", false),
        ] {
            let headers = parts("GET", "/", &[("x-request-id", given)]).headers;
            let id = request_id(&headers);
            assert_eq!(id == given, is_kept, "{given}");
            assert!((20..=200).contains(&id.len()), "{id}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
        assert_eq!(render_uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(render_uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }

    #[test]
    fn the_clients_address_is_last() {
        let v4: IpAddr = "10.1.2.3".parse().unwrap();
        for (given, client, expected) in [
            (&[][..], v4, "10.1.2.3"),
            (&[("x-forwarded-for", "1.1.1.1")], v4, "1.1.1.1, 10.1.2.3"),
            (
                &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")],
                v4,
                "1.1.1.1, 2.2.2.2, 10.1.2.3",
            ),
            (&[], "::ffff:10.1.2.3".parse().unwrap(), "10.1.2.3"),
            (&[], "::1".parse().unwrap(), "::1"),
        ] {
            let headers = parts("GET", "/", given).headers;
            assert_eq!(forwarded_for(&headers, client), expected.as_bytes(), "{given:?}");
        }
    }

    fn prepared(uri: &str, headers: &[(&str, &str)], has_body: bool) -> (String, Vec<String>) {
        let mut parts = parts("POST", uri, headers);
        let upgrade = read_upgrade(&parts);
        prepare_request(
            &mut parts,
            &Additions {
                upgrade: upgrade.as_ref(),
                here: "127.0.0.1:5000".parse().unwrap(),
                claims_https: false,
                request_id: "the-id",
                forwarded_for: b"1.1.1.1",
                now_milliseconds: 42,
                has_body,
            },
        );
        let added = [
            "via: 1.1 heroku-router",
            "x-forwarded-for: 1.1.1.1",
            "x-forwarded-port: 5000",
            "x-forwarded-proto: http",
            "x-request-id: the-id",
            "x-request-start: 42",
        ];
        let mut lines = lines(&parts.headers);
        for line in added {
            assert!(lines.contains(&line.to_owned()), "{lines:?}");
        }
        lines.retain(|line| !added.contains(&line.as_str()));
        (parts.uri.to_string(), lines)
    }

    #[test]
    fn a_dyno_gets_what_is_meant_for_it() {
        let host = ("host", "a");
        for (uri, headers, has_body, expected_uri, expected) in [
            (
                "/x?y",
                &[host, ("accept", "*/*")][..],
                false,
                "/x?y",
                &["accept: */*", "connection: close", "host: a"][..],
            ),
            ("http://b:1/x", &[host], false, "/x", &["connection: close", "host: b:1"]),
            ("/", &[], false, "/", &["connection: close", "host: 127.0.0.1:5000"]),
            // Length.
            (
                "/",
                &[host, ("content-length", "3")],
                true,
                "/",
                &["connection: close", "content-length: 3", "host: a"],
            ),
            (
                "/",
                &[host, ("transfer-encoding", "chunked"), ("te", "trailers"), ("trailer", "x")],
                true,
                "/",
                &["connection: close", "host: a", "transfer-encoding: chunked"],
            ),
            // One connection's.
            (
                "/",
                &[
                    host,
                    ("connection", "keep-alive, X-Secret, host, content-length"),
                    ("keep-alive", "timeout=5"),
                    ("proxy-connection", "keep-alive"),
                    ("x-secret", "s"),
                    ("content-length", "0"),
                ],
                false,
                "/",
                &["connection: close", "content-length: 0", "host: a"],
            ),
            // What the client says about itself, where only the router knows.
            (
                "/",
                &[
                    host,
                    ("connection", "x-forwarded-for, x-request-id"),
                    ("x-forwarded-proto", "https"),
                    ("x-forwarded-port", "443"),
                    ("x-request-start", "1"),
                    ("expect", "100-continue"),
                ],
                false,
                "/",
                &["connection: close", "host: a"],
            ),
            // Upgrades.
            (
                "/",
                &[host, ("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")],
                false,
                "/",
                &["connection: Upgrade", "host: a", "upgrade: websocket"],
            ),
            ("/", &[host, ("upgrade", "websocket")], false, "/", &["connection: close", "host: a"]),
            (
                "/",
                &[
                    host,
                    ("connection", "Upgrade, HTTP2-Settings"),
                    ("upgrade", "h2c"),
                    ("http2-settings", "x"),
                ],
                false,
                "/",
                &["connection: close", "host: a"],
            ),
        ] {
            let (uri, lines) = prepared(uri, headers, has_body);
            assert_eq!(
                (uri.as_str(), lines.iter().map(String::as_str).collect::<Vec<_>>().as_slice()),
                (expected_uri, expected),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn the_stations_before_stay_in_via() {
        let mut headers = parts("GET", "/", &[("via", "1.1 nginx")]).headers;
        prepare_response(&mut headers, None);
        assert_eq!(lines(&headers), ["via: 1.1 heroku-router", "via: 1.1 nginx"]);
    }
}
