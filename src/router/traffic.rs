//! What moves on a client's connection and on the dyno's that belongs to it, and when the last byte did.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::fault::Fault;
use super::head::Refused;
use crate::host::clock::Stopwatch;

/// Who has to move next, while there is a limit on how long nobody does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// No request, or one that waits: other limits count.
    Waiting,
    /// The request's body is being sent, and the client owes the next piece.
    ClientSends,
    /// The request's body is being sent, and the dyno has yet to take what there is.
    DynoReads,
    /// The response is under way.
    Answering,
}

#[derive(Debug)]
struct Moves {
    last: Stopwatch,
    phase: Phase,
    /// Bytes from the dyno, with its heads, in the present request.
    from_dyno: u64,
    is_busy: bool,
    verdict: Option<Fault>,
    turn: Turn,
}

/// Whose turn it is on the client's connection: requests are taken one after the other.
#[derive(Debug, Default)]
struct Turn {
    /// Heads that were passed on and aren't answered.
    unanswered: usize,
    /// Whoever waits for the answers.
    waiting: Option<Waker>,
    /// What the present request really is.
    refused: Option<Refused>,
    has_switched: bool,
}

/// What moves on a client's connection.
#[derive(Debug)]
pub(super) struct Traffic(Mutex<Moves>);

impl Traffic {
    /// Begins with a connection on which nothing has been asked yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Moves {
            last: Stopwatch::start(),
            phase: Phase::Waiting,
            from_dyno: 0,
            is_busy: false,
            verdict: None,
            turn: Turn::default(),
        }))
    }

    /// Begins a request.
    pub(super) fn begin(&self) {
        let mut moves = self.moves();
        moves.from_dyno = 0;
        moves.is_busy = true;
        moves.phase = Phase::Waiting;
    }

    /// Returns whether a request has begun and not ended.
    pub(super) fn is_busy(&self) -> bool {
        self.moves().is_busy
    }

    /// Notes who has to move. A response that has begun is what counts until the end.
    pub(super) fn enter(&self, phase: Phase) {
        let mut moves = self.moves();
        if moves.phase != Phase::Answering && moves.phase != phase {
            moves.phase = phase;
            moves.last = Stopwatch::start();
        }
    }

    /// Ends a request.
    pub(super) fn end(&self) {
        let mut moves = self.moves();
        (moves.phase, moves.is_busy) = (Phase::Waiting, false);
        moves.turn.unanswered = moves.turn.unanswered.saturating_sub(1);
        if let Some(waiting) = moves.turn.waiting.take() {
            waiting.wake();
        }
    }

    /// Notes that the head of a request was passed on.
    pub(super) fn pass_head(&self) {
        self.moves().turn.unanswered += 1;
    }

    /// Returns whether all requests are answered. If not, whoever asks is woken when one is.
    pub(super) fn is_answered(&self, waker: &Waker) -> bool {
        let mut moves = self.moves();
        let is_answered = moves.turn.unanswered == 0;
        moves.turn.waiting = (!is_answered).then(|| waker.clone());
        is_answered
    }

    /// Notes that the request which is passed on next stands for one that is refused.
    pub(super) fn refuse(&self, refused: Refused) {
        self.moves().turn.refused = Some(refused);
    }

    /// Takes what was refused.
    pub(super) fn take_refused(&self) -> Option<Refused> {
        self.moves().turn.refused.take()
    }

    /// Notes that the connection is used for something else than HTTP from now on.
    pub(super) fn switch(&self) {
        self.moves().turn.has_switched = true;
    }

    /// Returns whether it is.
    pub(super) fn has_switched(&self) -> bool {
        self.moves().turn.has_switched
    }

    /// Returns how much has come from the dyno in this request.
    pub(super) fn bytes_from_dyno(&self) -> u64 {
        self.moves().from_dyno
    }

    /// Says why the connection is about to be dropped.
    pub(super) fn condemn(&self, fault: Fault) {
        self.moves().verdict.get_or_insert(fault);
    }

    /// Returns why it was dropped: it was the client if nobody has said anything else.
    pub(super) fn blame(&self) -> Fault {
        self.moves().verdict.unwrap_or(Fault::ClientInterrupted)
    }

    /// Waits until nobody has moved for as long as `limit`, and returns whose fault that is.
    pub(super) async fn silence(&self, limit: Duration) -> Fault {
        loop {
            let (left, phase) = {
                let moves = self.moves();
                (limit.saturating_sub(moves.last.elapsed()), moves.phase)
            };
            match phase {
                Phase::Waiting => tokio::time::sleep(limit).await,
                _ if !left.is_zero() => tokio::time::sleep(left).await,
                Phase::ClientSends => return Fault::ClientIdle,
                Phase::DynoReads | Phase::Answering => return Fault::IdleConnection,
            }
        }
    }

    fn moved(&self, bytes_from_dyno: usize) {
        let mut moves = self.moves();
        moves.last = Stopwatch::start();
        moves.from_dyno += u64::try_from(bytes_from_dyno).unwrap_or(u64::MAX);
    }

    fn moves(&self) -> MutexGuard<'_, Moves> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose connection it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Dyno,
}

/// A connection whose moves are noted.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    side: Side,
    traffic: Arc<Traffic>,
}

impl Watched {
    /// Watches a connection. Small pieces are sent at once.
    pub(super) fn new(stream: TcpStream, side: Side, traffic: &Arc<Traffic>) -> Self {
        // Only slower without.
        let _ = stream.set_nodelay(true);
        Self { stream, side, traffic: Arc::clone(traffic) }
    }

    fn note(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(1..)) = written {
            self.traffic.moved(0);
        }
        written
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.traffic.moved(if self.side == Side::Dyno { read } else { 0 });
        }
        result
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
