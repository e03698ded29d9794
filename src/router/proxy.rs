//! One request: which dyno gets it, how it gets there, and what comes back.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::header::{HOST, HeaderMap, HeaderValue, LOCATION, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;
use hyper::{Request, Response, StatusCode, Version};
use tokio::time::sleep;

use super::RouterLimits;
use super::backends::Backends;
use super::body::{Relay, Upload};
use super::connect::{self, Line};
use super::fault::Fault;
use super::head::Refused;
use super::headers::{self, Additions, Refusal};
use super::page::{self, Language};
use super::record::{Asked, Log, Record};
use super::server::Farewell;
use super::traffic::{Phase, Traffic};
use super::tunnel::Tunnel;
use crate::host::clock::unix_milliseconds;

/// What all requests share.
pub(super) struct Shared {
    backends: Backends,
    pub(super) limits: RouterLimits,
    log: Log,
    turn: AtomicUsize,
    is_cut: AtomicBool,
    /// Whether a redirect to https was told.
    has_told_https: AtomicBool,
}

impl Shared {
    /// Begins.
    pub(super) fn new(backends: Backends, limits: RouterLimits, log: Log) -> Self {
        Self {
            backends,
            limits,
            log,
            turn: AtomicUsize::new(0),
            is_cut: AtomicBool::new(false),
            has_told_https: AtomicBool::new(false),
        }
    }

    /// Notes that what is dropped from now on was cut by the router itself.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Says once that an app insists on https, where nobody listens.
    fn tell_https(&self, host: &[u8], response: &Response<Incoming>) {
        let leads_there = response.status().is_redirection()
            && response.headers().get(LOCATION).is_some_and(|place| is_https_of(place.as_bytes(), host));
        if leads_there && !self.limits.claims_https && !self.has_told_https.swap(true, Ordering::Relaxed) {
            self.log(
                "The app redirects to https, where nobody listens here. With `slugc run --https` the router tells it \
                 that clients have come by https.",
            );
        }
    }

    /// Writes a log line.
    pub(super) fn log(&self, line: &str) {
        (self.log)(line);
    }
}

/// Returns whether an address is one of this host by https; whatever its port is.
fn is_https_of(address: &[u8], host: &[u8]) -> bool {
    let name = |host: &[u8]| {
        let end = host.iter().rposition(|byte| *byte == b':' || *byte == b']');
        let end = end.filter(|end| host[*end] == b':').unwrap_or(host.len());
        host[..end].to_ascii_lowercase()
    };
    let Some(rest) = address.strip_prefix(b"https://") else { return false };
    let theirs = rest.split(|byte| b"/?#".contains(byte)).next().unwrap_or_default();
    name(theirs) == name(host)
}

/// A page of the router's own, or what a dyno sends.
type Answer = Response<Either<Full<Bytes>, Relay>>;

/// Answers a request, whatever happens.
pub(super) async fn answer(
    mut request: Request<Incoming>,
    client: SocketAddr,
    here: SocketAddr,
    shared: Arc<Shared>,
    traffic: Arc<Traffic>,
    farewell: Farewell,
) -> Answer {
    traffic.begin();
    let switch = hyper::upgrade::on(&mut request);
    let (mut parts, body) = request.into_parts();
    let language = Language::of(&parts.headers);
    let refused = traffic.take_refused();
    let why = refused.as_ref().map(|refused| (refused.status, refused.what));
    let asked = refused.map_or_else(|| read_asked(&parts, client), |refused| read_refused(refused, client));
    let mut record = Record::open(asked.clone(), &shared, &traffic);
    match why.map_or_else(|| headers::check(&parts), |(status, what)| Err(Refusal::Malformed(status, what))) {
        Ok(()) => {}
        Err(Refusal::Malformed(status, what)) => {
            record.refuse(status.as_u16(), what);
            return page::render_refusal(status, what, language).map(Either::Left);
        }
        Err(Refusal::Expectation) => return fail(record, Fault::UnsupportedExpectation, language),
    }
    let upgrade = headers::read_upgrade(&parts);
    headers::prepare_request(
        &mut parts,
        &Additions {
            upgrade: upgrade.as_ref(),
            here,
            claims_https: shared.limits.claims_https,
            request_id: &asked.request_id,
            forwarded_for: &asked.fwd,
            now_milliseconds: unix_milliseconds(),
            has_body: !body.is_end_stream(),
        },
    );
    let request = Request::from_parts(parts, body);
    let (response, line) = match ask(request, &shared, &traffic, &mut record).await {
        Ok(answered) => answered,
        Err(fault) => return fail(record, fault, language),
    };
    shared.tell_https(&asked.host, &response);
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return relay(response, line, record, &traffic);
    }
    // Only what was asked for can be switched to.
    let agreed = response.headers().get(UPGRADE).cloned();
    let Some(upgrade) = upgrade.and(agreed) else {
        return fail(record, Fault::PoorlyFormatted, language);
    };
    switch_over(response, upgrade, Ends { client: switch, line, record, traffic, farewell }, &shared)
}

/// Finds a dyno, sends it the request, and waits for the head of its response.
async fn ask(
    request: Request<Incoming>,
    shared: &Shared,
    traffic: &Arc<Traffic>,
    record: &mut Record,
) -> Result<(Response<Incoming>, Line), Fault> {
    let limits = shared.limits;
    let turn = shared.turn.fetch_add(1, Ordering::Relaxed);
    let (stream, claim) = loop {
        let candidates = shared.backends.pick(turn, limits.boot).await?;
        if let Some(connected) =
            connect::connect(&candidates, &shared.backends, limits.connect, record).await?
        {
            break connected;
        }
    };
    let (mut sender, line) = connect::open(stream, claim, traffic).await?;
    record.serving();
    let (parts, body) = request.into_parts();
    let (upload, sent) = Upload::new(body, traffic);
    let response = sender.send_request(Request::from_parts(parts, upload));
    let is_sent = AtomicBool::new(false);
    let late = async {
        // The time counts from the end of the request; from now on, too, if the rest of it isn't wanted.
        is_sent.store(sent.await.is_ok(), Ordering::Relaxed);
        sleep(limits.first_byte).await;
    };
    let outcome = tokio::select! {
        // First of all, to know whether all is sent when something goes wrong.
        biased;
        () = late => return Err(Fault::RequestTimeout),
        response = response => response,
    };
    let response = outcome.map_err(|error| explain(&error, is_sent.load(Ordering::Relaxed), traffic))?;
    traffic.enter(Phase::Answering);
    Ok((response, line))
}

/// Says why there was no head of a response.
fn explain(error: &hyper::Error, is_sent: bool, traffic: &Traffic) -> Fault {
    if error.is_parse() {
        Fault::PoorlyFormatted
    } else if error.is_user() {
        // The body that was to be sent on has failed: it is the client's.
        Fault::ClientInterrupted
    } else if traffic.bytes_from_dyno() == 0 && is_sent {
        Fault::ClosedWithoutResponse
    } else {
        Fault::ServerInterrupted
    }
}

fn read_asked(parts: &Parts, client: SocketAddr) -> Asked {
    let host = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = host.or_else(|| parts.headers.get(HOST).map(HeaderValue::as_bytes));
    let path = parts.uri.path_and_query().map_or("", |path| path.as_str());
    Asked {
        method: parts.method.to_string(),
        path: path.to_owned(),
        host: host.unwrap_or_default().to_vec(),
        request_id: headers::request_id(&parts.headers),
        fwd: headers::forwarded_for(&parts.headers, client.ip()),
    }
}

/// As far as a request could be read that isn't passed on.
fn read_refused(refused: Refused, client: SocketAddr) -> Asked {
    let Refused { method, path, host, .. } = refused;
    let none = HeaderMap::new();
    let fwd = headers::forwarded_for(&none, client.ip());
    Asked { method, path, host, request_id: headers::request_id(&none), fwd }
}

fn fail(record: Record, fault: Fault, language: Language) -> Answer {
    let response = page::render_fault(fault, record.request_id(), language);
    record.fail(fault);
    response.map(Either::Left)
}

fn relay(response: Response<Incoming>, line: Line, mut record: Record, traffic: &Traffic) -> Answer {
    let (mut parts, body) = response.into_parts();
    record.answered(parts.status.as_u16());
    traffic.enter(Phase::Answering);
    headers::prepare_response(&mut parts.headers, None);
    // A dyno that speaks HTTP/1.0 says nothing about the client's connection.
    parts.version = Version::HTTP_11;
    Response::from_parts(parts, Either::Right(Relay::new(body, record, line)))
}

/// What a tunnel is made of, and who waits for its end.
struct Ends {
    client: OnUpgrade,
    line: Line,
    record: Record,
    traffic: Arc<Traffic>,
    farewell: Farewell,
}

fn switch_over(
    mut response: Response<Incoming>,
    upgrade: HeaderValue,
    ends: Ends,
    shared: &Shared,
) -> Answer {
    let Ends { client, line, mut record, traffic, farewell } = ends;
    record.answered(response.status().as_u16());
    traffic.switch();
    let dyno = hyper::upgrade::on(&mut response);
    let tunnel = Tunnel { client, dyno, record, line, traffic, idle: shared.limits.idle };
    tokio::spawn(async move {
        tunnel.run().await;
        drop(farewell);
    });
    headers::prepare_response(response.headers_mut(), Some(upgrade));
    response.map(|_| Either::Left(Full::default()))
}
