//! What comes after `101 Switching Protocols`: bytes both ways, until one side has had enough.

use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::connect::Line;
use super::record::Record;
use super::traffic::Traffic;

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
    /// Passes bytes on until both sides have ended, one has failed, or nobody has said anything for too long.
    pub(super) async fn run(self) {
        let Self { client, dyno, mut record, line: _line, traffic, idle } = self;
        // A client that has gone meanwhile; the record says so.
        let (Ok(client), Ok(dyno)) = (client.await, dyno.await) else { return };
        let (mut client, mut dyno) = (TokioIo::new(client), TokioIo::new(dyno));
        let before = traffic.bytes_from_dyno();
        let copied = tokio::select! {
            _ = copy_bidirectional(&mut client, &mut dyno) => None,
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
