//! Bodies on their way through: piece by piece, never whole.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use tokio::sync::oneshot;

use super::connect::Line;
use super::fault::Fault;
use super::record::Record;
use super::traffic::{Phase, Traffic};

/// A request's body, from the client to the dyno.
pub(super) struct Upload {
    body: Incoming,
    traffic: Arc<Traffic>,
    /// Told when all of it has gone to the dyno, or won't go.
    sent: Option<oneshot::Sender<()>>,
}

impl Upload {
    /// Begins; the receiver hears of the end.
    pub(super) fn new(body: Incoming, traffic: &Arc<Traffic>) -> (Self, oneshot::Receiver<()>) {
        let (sent, end) = oneshot::channel();
        let mut upload = Self { body, traffic: Arc::clone(traffic), sent: Some(sent) };
        upload.look_for_end();
        (upload, end)
    }

    fn look_for_end(&mut self) {
        if self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(sent) = self.sent.take() {
            self.traffic.enter(Phase::Waiting);
            // Nobody listens any more if the response was faster.
            let _ = sent.send(());
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => self.traffic.enter(Phase::ClientSends),
            Poll::Ready(Some(Ok(_))) => {
                self.traffic.enter(Phase::DynoReads);
                self.look_for_end();
            }
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Err(_))) => self.traffic.condemn(Fault::ClientInterrupted),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// A response's body, from the dyno to the client.
pub(super) struct Relay {
    body: Incoming,
    /// Until the end.
    open: Option<(Record, Line)>,
}

impl Relay {
    /// Begins. The request ends with the body.
    pub(super) fn new(body: Incoming, record: Record, line: Line) -> Self {
        let mut relay = Self { body, open: Some((record, line)) };
        relay.look_for_end();
        relay
    }

    fn look_for_end(&mut self) {
        // A body that is known to have ended isn't asked again.
        if self.body.is_end_stream() {
            self.end(None);
        }
    }

    fn end(&mut self, fault: Option<Fault>) {
        match (self.open.take(), fault) {
            (Some((record, _)), None) => record.close(),
            (Some((record, _)), Some(fault)) => record.fail(fault),
            (None, _) => {}
        }
    }
}

impl Body for Relay {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(frame))) => {
                if let (Some(data), Some((record, _))) = (frame.data_ref(), &mut self.open) {
                    record.count(u64::try_from(data.len()).unwrap_or(u64::MAX));
                }
                self.look_for_end();
            }
            Poll::Ready(None) => self.end(None),
            // The client's connection is cut as well: what it has isn't all.
            Poll::Ready(Some(Err(_))) => self.end(Some(Fault::ServerInterrupted)),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
