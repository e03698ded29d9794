//! A client's connection as the HTTP library sees it: each head has been examined before a byte of it is passed on.
//!
//! A head is read only when the request before it is answered. So one that is refused can be answered in its turn: the
//! library gets another head in its place, and what to say to it is left in `Traffic`. Bodies aren't copied.

use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use super::RouterLimits;
use super::framing::Framing;
use super::head::{Examined, Head, Refused, examine};
use super::traffic::Traffic;

/// How much is read at once where it isn't known to be a body.
const PIECE: usize = 4096;

/// How long a client that was refused may go on sending: if the connection was closed with bytes that nobody has read,
/// it would lose the answer.
const FAREWELL: Duration = Duration::from_secs(1);

/// What the next byte belongs to.
#[derive(Debug)]
enum Place {
    Head,
    Body(Framing),
    /// A request that was refused: nothing more is passed on.
    Refused,
}

/// Something else than HTTP, or what nobody can read any more.
const OPEN: Place = Place::Body(Framing::Unknown);

/// A connection whose heads are examined.
#[derive(Debug)]
pub(super) struct ExaminedStream<S> {
    stream: S,
    traffic: Arc<Traffic>,
    limits: RouterLimits,
    place: Place,
    /// Examined, and to be passed on; from where on.
    passing: (Vec<u8>, usize),
    /// Read, and not passed on yet.
    ahead: Vec<u8>,
    /// How much of that was examined.
    examined: usize,
    /// Whether the library was told that a head has begun.
    is_announced: bool,
    is_at_end: bool,
    farewell: Option<Pin<Box<Sleep>>>,
}

impl<S: AsyncRead + Unpin> ExaminedStream<S> {
    /// Begins with the first head.
    pub(super) fn new(stream: S, traffic: &Arc<Traffic>, limits: RouterLimits) -> Self {
        Self {
            stream,
            traffic: Arc::clone(traffic),
            limits,
            place: Place::Head,
            passing: (Vec::new(), 0),
            ahead: Vec::new(),
            examined: 0,
            is_announced: false,
            is_at_end: false,
            farewell: None,
        }
    }

    /// Passes on what was examined. Returns whether there was any.
    fn pass_examined(&mut self, out: &mut ReadBuf<'_>) -> bool {
        let (bytes, from) = &mut self.passing;
        let rest = &bytes[*from..];
        let taken = rest.len().min(out.remaining());
        out.put_slice(&rest[..taken]);
        *from += taken;
        if *from == bytes.len() {
            self.passing = (Vec::new(), 0);
        }
        taken > 0
    }

    /// Passes on what comes next of a body. Returns without any at the end of the connection.
    fn pass_body(
        &mut self,
        mut framing: Framing,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            let before = out.filled().len();
            ready!(Pin::new(&mut self.stream).poll_read(context, out))?;
            let taken = framing.advance(&out.filled()[before..]);
            // The next request has come with the end of this one.
            self.ahead.extend_from_slice(&out.filled()[before + taken..]);
            out.set_filled(before + taken);
        } else {
            let available = self.ahead.len().min(out.remaining());
            let taken = framing.advance(&self.ahead[..available]);
            out.put_slice(&self.ahead[..taken]);
            self.ahead.drain(..taken);
        }
        self.place = if framing.is_over() { Place::Head } else { Place::Body(framing) };
        Poll::Ready(Ok(()))
    }

    /// Reads on. Returns whether there was anything.
    fn read_ahead(&mut self, context: &mut Context<'_>) -> Poll<io::Result<bool>> {
        let mut piece = [0; PIECE];
        let mut piece = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut piece))?;
        self.ahead.extend_from_slice(piece.filled());
        self.is_at_end = piece.filled().is_empty();
        Poll::Ready(Ok(!self.is_at_end))
    }

    /// Waits for the end of the request before this head. Returns what the library has to hear meanwhile.
    fn hold(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.ahead.len() < PIECE && !self.is_at_end {
            ready!(self.read_ahead(context))?;
        }
        // That the client is gone isn't known before what it has sent is read.
        if self.ahead.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    /// Examines what there is of a head, and reads on if it isn't whole.
    fn read_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let unseen = &self.ahead[self.examined..];
        // A head that comes byte by byte is looked at once a line.
        let is_worth_it = unseen.contains(&b'\n')
            || (self.examined == 0 && !unseen.is_empty())
            || self.ahead.len() > self.limits.head_size;
        if is_worth_it {
            self.examined = self.ahead.len();
            match examine(&self.ahead, &self.limits) {
                Examined::Whole(head) => {
                    self.pass_head(head);
                    return Poll::Ready(Ok(()));
                }
                Examined::Refused(refused) => {
                    self.refuse(refused);
                    return Poll::Ready(Ok(()));
                }
                Examined::Incomplete => {}
            }
        }
        if !self.ahead.is_empty() && !mem::replace(&mut self.is_announced, true) {
            // An empty line before a head means nothing; but a library that has got it knows that there is one to
            // wait for, should the router stop.
            self.passing = (b"\r\n".to_vec(), 0);
            return Poll::Ready(Ok(()));
        }
        if !ready!(self.read_ahead(context))? {
            // An incomplete head is passed on, and then the end.
            self.place = OPEN;
        }
        Poll::Ready(Ok(()))
    }

    fn pass_head(&mut self, head: Head) {
        let Head { length, changed, body } = head;
        let rest = self.ahead.split_off(length);
        let bytes = mem::replace(&mut self.ahead, rest);
        self.passing = (changed.unwrap_or(bytes), 0);
        self.place = if body.is_over() { Place::Head } else { Place::Body(body) };
        self.end_head();
    }

    fn refuse(&mut self, refused: Refused) {
        self.passing = (refused.stand_in(), 0);
        self.ahead = Vec::new();
        self.place = Place::Refused;
        self.traffic.refuse(refused);
        self.end_head();
    }

    fn end_head(&mut self) {
        (self.examined, self.is_announced) = (0, false);
        self.traffic.pass_head();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ExaminedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            if out.remaining() == 0 || self.pass_examined(out) {
                return Poll::Ready(Ok(()));
            }
            match self.place {
                Place::Body(framing) => return self.pass_body(framing, context, out),
                Place::Refused => return Poll::Pending,
                Place::Head if self.traffic.has_switched() => self.place = OPEN,
                Place::Head if !self.traffic.is_answered(context.waker()) => return self.hold(context),
                Place::Head => ready!(self.read_head(context))?,
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ExaminedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            self.farewell = Some(Box::pin(sleep(FAREWELL)));
        }
        while matches!(self.place, Place::Refused) && !self.is_at_end {
            self.ahead.clear();
            match self.read_ahead(context) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => break,
                Poll::Pending => {
                    return self
                        .farewell
                        .as_mut()
                        .map_or(Poll::Ready(Ok(())), |farewell| farewell.as_mut().poll(context).map(Ok));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}
