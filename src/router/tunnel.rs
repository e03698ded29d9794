//! What comes after `101 Switching Protocols`: bytes both ways, until one side has had enough.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::time::timeout;

use super::connect::Line;
use super::record::Record;
use super::traffic::Traffic;

/// How long one side may go on when the other has ended: what it has to say is already on its way.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection that both sides have agreed to use for something else than HTTP.
pub(super) struct Tunnel {
    pub(super) client: OnUpgrade,
    pub(super) dyno: OnUpgrade,
    pub(super) record: Record,
    pub(super) line: Line,
    pub(super) traffic: Arc<Traffic>,
    pub(super) idle: Duration,
}

impl Tunnel {
    /// Passes bytes on until one side has ended, or nobody has said anything for too long.
    pub(super) async fn run(self) {
        let Self { client, dyno, mut record, line: _line, traffic, idle } = self;
        // A client that has gone meanwhile; the record says so.
        let (Ok(client), Ok(dyno)) = (client.await, dyno.await) else { return };
        let before = traffic.bytes_from_dyno();
        let copied = tokio::select! {
            () = pass_on(TokioIo::new(client), TokioIo::new(dyno)) => None,
            fault = traffic.silence(idle) => Some(fault),
        };
        record.count(traffic.bytes_from_dyno() - before);
        match copied {
            // Who hangs up, and how, is nobody's fault: WebSockets mostly end so.
            None => record.close(),
            Some(fault) => record.fail(fault),
        }
    }
}

async fn pass_on(client: impl AsyncRead + AsyncWrite, dyno: impl AsyncRead + AsyncWrite) {
    let (from_client, to_client) = split(client);
    let (from_dyno, to_dyno) = split(dyno);
    let mut upwards = pin!(pass_one_way(from_client, to_dyno));
    let mut downwards = pin!(pass_one_way(from_dyno, to_client));
    // Not for as long as the other side likes: a client that says nothing would keep a dyno's end open for ever.
    let _ = tokio::select! {
        () = upwards.as_mut() => timeout(FAREWELL, downwards).await,
        () = downwards.as_mut() => timeout(FAREWELL, upwards).await,
    };
}

async fn pass_one_way(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin) {
    // An end is an end, whether it was announced or not.
    let _ = copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}
