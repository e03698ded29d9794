//! The clients' side: accepting connections, serving each, and coming to an end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::examined_stream::ExaminedStream;
use super::proxy::{Shared, answer};
use super::record::render_unreadable;
use super::traffic::{Side, Traffic, Watched};

/// How long to wait when no connection can be accepted, as for want of file descriptors.
const BREATH: Duration = Duration::from_millis(50);

/// Whether the router is about to stop. Every task holds one, so that it is known when the last has ended.
pub(super) type Farewell = watch::Receiver<bool>;

/// Serves until it is told to stop, and then for as long as it was told.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    shared: &Arc<Shared>,
    mut stop: watch::Receiver<Option<Duration>>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    let (goodbye, farewell) = watch::channel(false);
    let grace = loop {
        tokio::select! {
            // A sender that is gone has nobody left who could say more.
            told = stop.wait_for(Option::is_some) => break told.map_or(None, |grace| *grace),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => welcome(stream, shared, &farewell),
                // A client that has gone again, or a limit of ours.
                Err(_) => sleep(BREATH).await,
            },
        }
    };
    // They were there before the end.
    while let Ok(Ok((stream, _))) = timeout(Duration::ZERO, listener.accept()).await {
        welcome(stream, shared, &farewell);
    }
    drop((listener, farewell));
    goodbye.send_replace(true);
    // Nobody is left, or time is over.
    let _ = timeout(grace.unwrap_or_default(), goodbye.closed()).await;
}

fn welcome(stream: TcpStream, shared: &Arc<Shared>, farewell: &Farewell) {
    tokio::spawn(converse(stream, Arc::clone(shared), farewell.clone()));
}

/// Serves one client's connection.
async fn converse(stream: TcpStream, shared: Arc<Shared>, farewell: Farewell) {
    let (Ok(client), Ok(here)) = (stream.peer_addr(), stream.local_addr()) else { return };
    let traffic = Arc::new(Traffic::new());
    let limits = shared.limits;
    let io =
        TokioIo::new(ExaminedStream::new(Watched::new(stream, Side::Client, &traffic), &traffic, limits));
    let service = service_fn(|request| {
        let answered =
            answer(request, client, here, Arc::clone(&shared), Arc::clone(&traffic), farewell.clone());
        async { Ok::<_, Infallible>(answered.await) }
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        // Of the head's lines, the first one can be longer than it came: by its escapes.
        .max_buf_size(limits.head_size + 3 * limits.line_size)
        .preserve_header_case(true)
        .serve_connection(io, service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let mut told = farewell.clone();
    let mut is_leaving = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                // What the HTTP library has refused by itself has no record. The gate sees to it that it is nothing.
                if let Err(error) = ended && error.is_parse() && !traffic.is_busy() {
                    shared.log(&render_unreadable(&error, client));
                }
                return;
            }
            fault = traffic.silence(limits.idle) => return traffic.condemn(fault),
            _ = told.wait_for(|is_over| *is_over), if !is_leaving => {
                is_leaving = true;
                connection.as_mut().graceful_shutdown();
            }
        }
    }
}
