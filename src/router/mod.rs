//! A small HTTP router before the web dynos of one machine, as Heroku's is before its own: it spreads requests,
//! passes WebSockets on, and names what goes wrong by Heroku's codes.
//!
//! One thread with an event loop of its own serves all connections: slow clients, long polls and WebSockets cost a
//! few kilobytes each, not a thread. The rest of the program stays blocking, and pays nothing until a router starts.
//! Each request gets a connection of its own to a dyno, so that what goes wrong on it is that request's alone.

mod backends;
mod body;
mod connect;
mod examined_stream;
mod fault;
mod framing;
mod head;
mod headers;
mod page;
mod proxy;
mod record;
mod server;
mod traffic;
mod tunnel;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

pub use backends::{Backend, Backends, State};

use crate::error::{ErrorCode, UserError};
use proxy::Shared;

/// How long the router waits and for what, and what it tells the dynos. The defaults are Heroku's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterLimits {
    /// From the end of a request to the first byte of its response: H12.
    pub first_byte: Duration,
    /// Without a byte in either direction, while a request or a response is under way: H15, or H28 if it is the
    /// client that owes the next one.
    pub idle: Duration,
    /// For a dyno that starts, if none is up: H20.
    pub boot: Duration,
    /// For a connection to a dyno: H19.
    pub connect: Duration,
    /// For the head of a request, on a new connection or on one that is kept alive. Then it is closed.
    pub head: Duration,
    /// The bytes of a request's head; more is answered with 431.
    pub head_size: usize,
    /// The bytes of one line of the head, without its end; a longer one is answered with 400, a longer request line with
    /// 414. See <https://devcenter.heroku.com/articles/http-routing>.
    pub line_size: usize,
    /// Whether the dynos are told that clients have come by https, on port 443: an app that insists on it can be opened
    /// then, and so it is behind a proxy that ends TLS.
    pub claims_https: bool,
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self {
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(55),
            boot: Duration::from_secs(75),
            connect: Duration::from_secs(5),
            head: Duration::from_secs(30),
            head_size: 64 * 1024,
            line_size: 8192,
            claims_https: false,
        }
    }
}

/// Why a router couldn't be started.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The address can't be had.
    #[error("The router can't listen on {address}.")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// There is no thread or no event loop for it.
    #[error("The router's thread can't be started.")]
    Start(#[source] io::Error),
}

impl UserError for RouterError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                ErrorCode::RouterPortTaken
            }
            Self::Listen { .. } => ErrorCode::RouterCannotListen,
            Self::Start(_) => ErrorCode::RouterFailed,
        }
    }
}

/// A router that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct Router {
    address: SocketAddr,
    /// How long requests may take from now on, once it is to stop.
    stop: watch::Sender<Option<Duration>>,
    thread: Option<JoinHandle<()>>,
}

impl Router {
    /// Listens, and serves from a thread of its own. Port 0 stands for any free one.
    ///
    /// `log` gets a line per request, in Heroku's format and without a line's end. It is called on the router's
    /// thread: while it works, nothing else is served.
    pub fn start(
        listen: SocketAddr,
        backends: Backends,
        limits: RouterLimits,
        log: impl Fn(&str) + Send + Sync + 'static,
    ) -> Result<Self, RouterError> {
        let bound = TcpListener::bind(listen).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        let (address, listener) = bound.map_err(|source| RouterError::Listen { address: listen, source })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(RouterError::Start)?;
        let (stop, stopped) = watch::channel(None);
        let shared = Arc::new(Shared::new(backends, limits, Arc::new(log)));
        let thread = std::thread::Builder::new()
            .name("router".to_owned())
            .spawn(move || serve(runtime, listener, &shared, stopped))
            .map_err(RouterError::Start)?;
        Ok(Self { address, stop, thread: Some(thread) })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts nothing more, lets what is under way end for as long as `grace`, cuts the rest, and returns when all
    /// is closed.
    pub fn stop(mut self, grace: Duration) {
        self.end(grace);
    }

    fn end(&mut self, grace: Duration) {
        self.stop.send_replace(Some(grace));
        if let Some(thread) = self.thread.take() {
            // It panics only by a bug, and has said so.
            let _ = thread.join();
        }
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

fn serve(
    runtime: Runtime,
    listener: TcpListener,
    shared: &Arc<Shared>,
    stopped: watch::Receiver<Option<Duration>>,
) {
    runtime.block_on(server::serve(listener, shared, stopped));
    // What is still there is cut, and says so in the log.
    shared.cut();
    drop(runtime);
}
