//! Connections to dynos: one per request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::backends::{Backend, Backends, Claim};
use super::body::Upload;
use super::fault::Fault;
use super::record::Record;
use super::traffic::{Side, Traffic, Watched};
use crate::host::clock::Stopwatch;

/// Connects to the first dyno that takes the connection. Nothing of a request has been sent before, so the next
/// one may be tried whatever the request is. Returns none if all have stopped meanwhile.
pub(super) async fn connect(
    candidates: &[Backend],
    backends: &Backends,
    limit: Duration,
    record: &mut Record,
) -> Result<Option<(TcpStream, Claim)>, Fault> {
    let mut fault = None;
    for candidate in candidates {
        let Some(claim) = backends.claim(candidate) else { continue };
        let connecting = Stopwatch::start();
        let connected = timeout(limit, TcpStream::connect(candidate.address)).await;
        record.tried(&candidate.name, connecting.elapsed());
        fault = match connected {
            Ok(Ok(stream)) => return Ok(Some((stream, claim))),
            Ok(Err(error)) if is_ours(&error) => return Err(Fault::Platform),
            Ok(Err(_)) => Some(Fault::Refused),
            Err(_) => Some(Fault::ConnectTimeout),
        };
    }
    fault.map_or(Ok(None), Err)
}

/// Whether a connection failed for lack of files or ports here: no dyno is to blame.
fn is_ours(error: &io::Error) -> bool {
    use rustix::io::Errno;
    [Errno::MFILE, Errno::NFILE, Errno::ADDRNOTAVAIL, Errno::NOBUFS]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

/// The task behind a connection, and the place at the dyno. Both end with this value.
pub(super) struct Line {
    task: AbortHandle,
    _claim: Claim,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes a connection ready for a request.
pub(super) async fn open(
    stream: TcpStream,
    claim: Claim,
    traffic: &Arc<Traffic>,
) -> Result<(SendRequest<Upload>, Line), Fault> {
    let io = TokioIo::new(Watched::new(stream, Side::Dyno, traffic));
    let (sender, connection) =
        Builder::new().preserve_header_case(true).handshake(io).await.map_err(|_| Fault::Platform)?;
    let task = tokio::spawn(async move {
        // What goes wrong is told to whoever waits for the response or reads its body.
        let _ = connection.with_upgrades().await;
    });
    Ok((sender, Line { task: task.abort_handle(), _claim: claim }))
}
