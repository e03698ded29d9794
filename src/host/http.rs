//! One HTTP request, made on a thread of its own: whoever waits for it can be interrupted, and can see
//! that nothing comes any more.

use std::io::{self, Read};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Proxy, ProxyProtocol, Timeout, http};

use super::clock::Stopwatch;
use super::download::{DownloadError, Reason};
use super::url;
use crate::env::Env;

/// How often a wait looks at the interrupt flag.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What to ask for.
#[derive(Debug, Clone)]
pub(super) struct Request<'a> {
    /// The address.
    pub(super) url: &'a str,
    /// How long name resolution, and then the connection, may take.
    pub(super) connect_timeout: Duration,
    /// The first byte that is wanted.
    pub(super) from: u64,
    /// What the file was known by when its first bytes came, if it is to be the same one.
    pub(super) validator: Option<&'a str>,
}

/// What comes back, in this order: a head, pieces of the body, the end; or a failure at any point.
#[derive(Debug)]
pub(super) enum Message {
    Head(Head),
    Body(Vec<u8>),
    End,
    Failed(Reason),
}

/// What of the response's head matters.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub(super) status: u16,
    /// The bytes that follow, if the server says so.
    pub(super) length: Option<u64>,
    /// The first byte of the part that follows, of a partial response.
    pub(super) range_start: Option<u64>,
    /// The strong ETag or the date, to ask for the rest of the same file later.
    pub(super) validator: Option<String>,
    /// How long the server wants to be left alone.
    pub(super) retry_after: Option<Duration>,
}

/// A request under way. It is given up when it is dropped.
pub(super) struct PendingResponse {
    agents: [Agent; 2],
    messages: Receiver<Message>,
    /// The variable that names the proxy, if there is one in between.
    proxy_variable: Option<&'static str>,
}

impl PendingResponse {
    /// Sends the request.
    pub(super) fn start(request: &Request<'_>, env: &Env) -> Result<Self, Reason> {
        let (proxy, proxy_variable) = proxy_for(request.url, env)?.unzip();
        let roots = match env.var("SSL_CERT_FILE") {
            Some(file) => read_roots(&file.to_string_lossy())?,
            None => RootCerts::PlatformVerifier,
        };
        // The second one is for machines without certificates of their own, as in a bare container.
        let agents = [roots, RootCerts::WebPki].map(|roots| agent(request, proxy.clone(), roots));
        // The library would send what stands in the address as it is, `%40` for `@`.
        let (address, authorization) = url::split_credentials(request.url);
        let mut http_request = http::Request::get(address);
        if let Some(authorization) = authorization {
            http_request = http_request.header("authorization", authorization);
        }
        if request.from > 0 {
            http_request = http_request.header("range", format!("bytes={}-", request.from));
            if let Some(validator) = request.validator {
                http_request = http_request.header("if-range", validator);
            }
        }
        let http_request = http_request.body(()).map_err(|_| invalid_url())?;
        let (sender, messages) = mpsc::sync_channel(16);
        let response = Self { agents: agents.clone(), messages, proxy_variable };
        // Detached on purpose: a name resolution can't be stopped, and isn't waited for.
        std::thread::Builder::new()
            .name("download".to_owned())
            .spawn(move || send_and_receive(&agents, &http_request, &sender))
            .map_err(|error| Reason::Broken(format!("no thread could be started: {error}")))?;
        Ok(response)
    }

    /// Waits for what comes next; at most `stall` long.
    pub(super) fn next(&self, stall: Duration, env: &Env) -> Result<Message, DownloadError> {
        let waiting = Stopwatch::start();
        loop {
            env.interrupt.check()?;
            match self.messages.recv_timeout(POLL_INTERVAL) {
                Ok(Message::Failed(reason)) => return Ok(Message::Failed(self.blame_proxy(reason))),
                Ok(message) => return Ok(message),
                Err(RecvTimeoutError::Disconnected) => return Ok(Message::Failed(cut())),
                Err(RecvTimeoutError::Timeout) if waiting.elapsed() >= stall => {
                    let seconds = stall.as_secs().max(1);
                    return Ok(Message::Failed(Reason::Broken(format!(
                        "nothing was received for {seconds} seconds"
                    ))));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
}

impl PendingResponse {
    /// Tells who it is that can't be reached.
    fn blame_proxy(&self, reason: Reason) -> Reason {
        match (reason, self.proxy_variable) {
            (Reason::Unreachable(text), Some(name)) => {
                Reason::Unreachable(format!("{text}, through the proxy that {name} names"))
            }
            (reason, _) => reason,
        }
    }
}

impl Drop for PendingResponse {
    fn drop(&mut self) {
        // Closes the sockets, so that the thread ends.
        for agent in &self.agents {
            agent.clone().shutdown();
        }
    }
}

/// Waits, with an eye on the interrupt flag.
pub(super) fn pause(duration: Duration, env: &Env) -> Result<(), DownloadError> {
    let waiting = Stopwatch::start();
    loop {
        env.interrupt.check()?;
        let left = duration.saturating_sub(waiting.elapsed());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(POLL_INTERVAL));
    }
}

fn agent(request: &Request<'_>, proxy: Option<Proxy>, roots: RootCerts) -> Agent {
    let is_secure = url::scheme(request.url).as_deref() == Some("https");
    Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots).build())
        .proxy(proxy)
        .http_status_as_error(false)
        // A redirect from https to http would let anybody on the way answer.
        .https_only(is_secure)
        .max_redirects(10)
        .user_agent(concat!("slugc/", env!("CARGO_PKG_VERSION")))
        // A compressed transfer of a compressed file would change its bytes and its ranges.
        .accept_encoding("identity")
        .timeout_resolve(Some(request.connect_timeout))
        .timeout_connect(Some(request.connect_timeout))
        .build()
        .into()
}

/// The thread's work. It ends early when nobody listens any more.
fn send_and_receive(agents: &[Agent; 2], http_request: &http::Request<()>, sender: &SyncSender<Message>) {
    let [system, bundled] = agents;
    let response = match system.run(http_request.clone()) {
        Err(error) if lacks_certificates(&error) => bundled.run(http_request.clone()),
        other => other,
    };
    // `send` fails when the exchange was given up.
    let _ = match response {
        Err(error) => sender.send(Message::Failed(reason_of(&error))),
        Ok(response) => pass_on(response, sender),
    };
}

fn pass_on(
    response: http::Response<Body>,
    sender: &SyncSender<Message>,
) -> Result<(), mpsc::SendError<Message>> {
    sender.send(Message::Head(read_head(&response)))?;
    let mut body = response.into_body().into_reader();
    loop {
        let mut piece = vec![0; 64 * 1024];
        match body.read(&mut piece) {
            Ok(0) => return sender.send(Message::End),
            Ok(length) => {
                piece.truncate(length);
                sender.send(Message::Body(piece))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return sender.send(Message::Failed(reason_of(&error.into()))),
        }
    }
}

fn read_head(response: &http::Response<Body>) -> Head {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let strong = header("etag").filter(|tag| !tag.starts_with("W/"));
    Head {
        status: response.status().as_u16(),
        length: header("content-length").and_then(|length| length.parse().ok()),
        range_start: header("content-range").and_then(parse_range_start),
        validator: strong.or_else(|| header("last-modified")).map(str::to_owned),
        retry_after: header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs),
    }
}

/// Reads the first byte's number from `bytes 200-999/1000`.
fn parse_range_start(text: &str) -> Option<u64> {
    text.strip_prefix("bytes")?.trim_start().split('-').next()?.trim().parse().ok()
}

fn lacks_certificates(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Rustls(error) if error.to_string().contains("No CA certificates"))
}

fn read_roots(file: &str) -> Result<RootCerts, Reason> {
    let unusable = |why: String| Reason::Unusable(format!("SSL_CERT_FILE names {file}: {why}"));
    let pem = std::fs::read(file).map_err(|error| unusable(error.to_string()))?;
    let certificates: Vec<Certificate<'static>> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    Ok(certificates.into())
}

/// Finds the proxy for an address in the environment, as curl does, and the variable that names it.
fn proxy_for(url: &str, env: &Env) -> Result<Option<(Proxy, &'static str)>, Reason> {
    let names = match url::scheme(url).as_deref() {
        Some("https") => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let Some((name, value)) = names.iter().find_map(|name| env.text(name).map(|value| (name, value.trim())))
    else {
        return Ok(None);
    };
    // The value isn't shown: it may hold a password.
    let invalid = || Reason::Unusable(format!("the value of {name} isn't the address of a proxy"));
    let parsed = Proxy::new(value).map_err(|_| invalid())?;
    if !matches!(parsed.protocol(), ProxyProtocol::Http | ProxyProtocol::Https) {
        return Err(Reason::Unusable(format!("{name} names a SOCKS proxy; only HTTP proxies can be used")));
    }
    let mut proxy = Proxy::builder(parsed.protocol()).host(parsed.host()).port(parsed.port());
    if let Some(username) = parsed.username() {
        proxy = proxy.username(username);
    }
    if let Some(password) = parsed.password() {
        proxy = proxy.password(password);
    }
    let exceptions = env.text("no_proxy").or_else(|| env.text("NO_PROXY")).unwrap_or_default();
    for exception in exceptions.split([',', ' ']).map(str::trim).filter(|exception| !exception.is_empty()) {
        if exception == "*" {
            return Ok(None);
        }
        // A name stands for itself and for what is below it, with or without a dot or a port.
        let host = exception.trim_start_matches('*').trim_start_matches('.');
        let host =
            host.rsplit_once(':').map_or(host, |(name, _)| if name.contains(':') { host } else { name });
        proxy = proxy.no_proxy(host).no_proxy(&format!(".{host}"));
    }
    proxy.build().map(|proxy| Some((proxy, *name))).map_err(|_| invalid())
}

fn cut() -> Reason {
    Reason::Broken("the connection was cut".to_owned())
}

fn invalid_url() -> Reason {
    Reason::Unusable("it isn't a valid address".to_owned())
}

/// Says in words of ours what went wrong: the library's own can hold the address with its secrets.
fn reason_of(error: &ureq::Error) -> Reason {
    use ureq::Error as E;
    match error {
        E::Io(error) => io_reason(error),
        E::HostNotFound => Reason::Unreachable("the host isn't known".to_owned()),
        E::ConnectionFailed => Reason::Unreachable("no connection could be made".to_owned()),
        E::Timeout(Timeout::Resolve) => {
            Reason::Unreachable("the host name wasn't resolved in time".to_owned())
        }
        E::Timeout(Timeout::Connect) => Reason::Unreachable("no connection was made in time".to_owned()),
        E::Timeout(_) => Reason::Broken("the server was too slow".to_owned()),
        E::TooManyRedirects => Reason::Unusable("it redirects too often, maybe in a circle".to_owned()),
        E::RequireHttpsOnly(_) => Reason::Unusable("it redirects to an address without https".to_owned()),
        E::BadUri(_) | E::Http(_) => invalid_url(),
        E::Rustls(error) => Reason::Unusable(format!("no safe connection: {error}")),
        E::Tls(text) => Reason::Unusable(format!("no safe connection: {text}")),
        E::ConnectProxyFailed(text) => Reason::Unusable(format!("the proxy didn't connect: {text}")),
        E::Protocol(_) | E::LargeResponseHeader(..) => {
            Reason::Broken("the answer isn't valid HTTP".to_owned())
        }
        _ => Reason::Broken("the transfer failed".to_owned()),
    }
}

fn io_reason(error: &io::Error) -> Reason {
    use io::ErrorKind as K;
    let text = error.to_string();
    match error.kind() {
        K::ConnectionRefused | K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => {
            Reason::Unreachable(text)
        }
        // A sandbox without network; a machine without an address of that family.
        K::PermissionDenied | K::AddrNotAvailable => Reason::Unreachable(text),
        // The standard library gives failed name resolution no kind of its own.
        _ if text.contains("failed to lookup address") => {
            Reason::Unreachable("the host name can't be resolved".to_owned())
        }
        // rustls reports bad certificates so.
        K::InvalidData => Reason::Unusable(format!("no safe connection: {text}")),
        K::UnexpectedEof | K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe => cut(),
        _ => Reason::Broken(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proxy_is_the_one_for_the_scheme_and_exceptions_count() {
        for (vars, url, expected) in [
            (&[][..], "https://host/", None),
            (&[("HTTPS_PROXY", "http://p:1")], "https://host/", Some("p:1")),
            (&[("HTTPS_PROXY", "http://p:1")], "http://host/", None),
            (&[("http_proxy", "p:1"), ("HTTP_PROXY", "q:2")], "http://host/", Some("p:1")),
            (&[("ALL_PROXY", "http://u:secret@p:1")], "https://host/", Some("p:1")),
            (&[("ALL_PROXY", "p:1"), ("NO_PROXY", "*")], "https://host/", None),
            (&[("ALL_PROXY", "p:1"), ("NO_PROXY", "a, host")], "https://host/", None),
            (&[("ALL_PROXY", "p:1"), ("NO_PROXY", "host")], "https://sub.host/", None),
            (&[("ALL_PROXY", "p:1"), ("no_proxy", ".host:443")], "https://host/", None),
            (&[("ALL_PROXY", "p:1"), ("no_proxy", "host")], "https://ghost/", Some("p:1")),
            (&[("ALL_PROXY", "p:1"), ("no_proxy", "*.host")], "https://sub.host/", None),
        ] {
            let env = Env::for_tests(vars);
            let uri: http::Uri = url.parse().unwrap();
            let proxy = proxy_for(url, &env).unwrap().filter(|(proxy, _)| !proxy.is_no_proxy(&uri));
            let found = proxy.map(|(proxy, _)| format!("{}:{}", proxy.host(), proxy.port()));
            assert_eq!(found.as_deref(), expected, "{vars:?} {url}");
        }
    }

    #[test]
    fn a_useless_proxy_is_named_but_not_shown() {
        for value in ["socks5://u:secret@p:1", "://u:secret@", "http://u:%FFsecret@p"] {
            let env = Env::for_tests(&[("ALL_PROXY", value)]);
            let text = proxy_for("https://host/", &env).unwrap_err().to_string();
            assert!(text.contains("ALL_PROXY") && !text.contains("secret"), "{value}: {text}");
        }
    }

    #[test]
    fn a_safe_address_stays_safe_when_it_redirects() {
        for (url, safe) in [("https://host/", true), ("HTTPS://host/", true), ("http://host/", false)] {
            let request = Request { url, connect_timeout: POLL_INTERVAL, from: 0, validator: None };
            let agent = agent(&request, None, RootCerts::WebPki);
            assert_eq!(agent.config().https_only(), safe, "{url}");
        }
    }

    #[test]
    fn the_start_of_a_range_is_read() {
        for (text, start) in
            [("bytes 200-999/1000", Some(200)), ("bytes 0-0/*", Some(0)), ("bytes */1000", None), ("", None)]
        {
            assert_eq!(parse_range_start(text), start, "{text:?}");
        }
    }

    #[test]
    fn a_certificate_file_that_cannot_be_used_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let empty = dir.path().join("empty.pem");
        std::fs::write(&empty, "").unwrap();
        for file in [empty, dir.path().join("none.pem")] {
            let text = read_roots(file.to_str().unwrap()).unwrap_err().to_string();
            assert!(text.contains("SSL_CERT_FILE"), "{text}");
        }
    }
}
