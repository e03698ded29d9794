//! Fetching from one address: a cut connection is taken up where it broke, a server in trouble is asked
//! again, a dead one is left alone.

use std::fs::File;
use std::io::{self, Read};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

use super::download::{DownloadError, Reason};
use super::http::{Head, Message, PendingResponse, Request, pause};
use super::url;
use crate::env::Env;
use crate::output::Output;

/// No archive that slugc fetches comes near this size: whatever does is endless, or the wrong file.
const LARGEST: u64 = 8 << 30;

/// An attempt that brought at least this much isn't held against a server.
const PROGRESS: u64 = 1 << 20;

/// How patient a download is.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// How long nothing may come.
    pub(super) stall: Duration,
    /// The first wait before another attempt; it doubles each time.
    pub(super) first_wait: Duration,
    /// The longest wait that a server may ask for.
    pub(super) longest_wait: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(30),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(30),
        }
    }
}

/// Where the bytes go.
pub(super) trait Sink {
    /// How many bytes it holds.
    fn position(&self) -> u64;
    fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError>;
    /// Starts over.
    fn clear(&mut self) -> Result<(), DownloadError>;
}

/// Why the fetching from an address ended without the file.
pub(super) enum Stop {
    /// The next address may do better.
    Address(Reason),
    /// No address will.
    Whole(DownloadError),
}

impl<E: Into<DownloadError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Whole(error.into())
    }
}

/// What an address is known by from earlier attempts.
#[derive(Default)]
struct KnownFile {
    /// Whether it ever answered.
    answered: bool,
    /// What the file was known by.
    validator: Option<String>,
    /// How long the server wants to be left alone.
    retry_after: Option<Duration>,
}

pub(super) struct Fetch<'a> {
    pub(super) label: &'a str,
    pub(super) connect_timeout: Duration,
    pub(super) attempts: usize,
    pub(super) pace: &'a Pace,
    pub(super) env: &'a Env,
    pub(super) output: &'a Output,
}

impl Fetch<'_> {
    /// Fetches from one address, in as many attempts as it takes and is allowed.
    pub(super) fn fetch(&self, url: &str, sink: &mut dyn Sink) -> Result<(), Stop> {
        match url::scheme(url).as_deref() {
            Some("file") => return self.read_file(url, sink),
            Some("http" | "https") => {}
            _ => {
                return Err(Stop::Address(Reason::Unusable(
                    "only http, https and file can be used".to_owned(),
                )));
            }
        }
        let mut known = KnownFile::default();
        let mut waits = self.waits();
        let mut furthest = 0;
        loop {
            let reason = match self.attempt(url, sink, &mut known) {
                Err(Stop::Address(reason)) => reason,
                other => return other,
            };
            let may_pass = match reason {
                Reason::Broken(_) => true,
                Reason::Status(status) => status >= 500 || [408, 429].contains(&status),
                // A server that answered before is being restarted, say.
                Reason::Unreachable(_) => known.answered,
                Reason::Unusable(_) | Reason::NoSuchFile => false,
            };
            if sink.position() >= furthest + PROGRESS {
                furthest = sink.position();
                waits = self.waits();
            }
            let Some(wait) = waits.next().filter(|_| may_pass) else { return Err(Stop::Address(reason)) };
            let wait = known.retry_after.take().map_or(wait, |asked| asked.min(self.pace.longest_wait));
            self.output.detail(format!("{}: {reason}; trying again.", self.label));
            pause(wait, self.env)?;
        }
    }

    /// The waits between attempts: doubling, each a little off, so that builds don't knock in step.
    fn waits(&self) -> impl Iterator<Item = Duration> + use<> {
        ExponentialBuilder::new()
            .with_jitter()
            .with_min_delay(self.pace.first_wait)
            .with_max_delay(self.pace.longest_wait)
            .with_max_times(self.attempts.saturating_sub(1))
            .build()
    }

    fn attempt(&self, url: &str, sink: &mut dyn Sink, known: &mut KnownFile) -> Result<(), Stop> {
        let Self { env, pace, .. } = self;
        let from = sink.position();
        let request = Request {
            url,
            connect_timeout: self.connect_timeout,
            from,
            validator: known.validator.as_deref(),
        };
        let response = PendingResponse::start(&request, env).map_err(Stop::Address)?;
        let head = match response.next(pace.stall, env)? {
            Message::Head(head) => head,
            Message::Failed(reason) => return Err(Stop::Address(reason)),
            Message::Body(_) | Message::End => unreachable_order()?,
        };
        known.answered = true;
        known.retry_after = head.retry_after;
        match head.status {
            200 => sink.clear()?,
            206 if from > 0 && head.range_start == Some(from) => {}
            206 | 416 if from > 0 => {
                sink.clear()?;
                known.validator = None;
                return Err(Stop::Address(Reason::Broken(
                    "the server couldn't go on where it ended".to_owned(),
                )));
            }
            status => return Err(Stop::Address(Reason::Status(status))),
        }
        if head.validator.is_some() {
            known.validator = head.validator.clone();
        }
        self.receive(&response, &head, url, sink)
    }

    fn receive(
        &self,
        response: &PendingResponse,
        head: &Head,
        url: &str,
        sink: &mut dyn Sink,
    ) -> Result<(), Stop> {
        let total = head.length.map(|length| length.saturating_add(sink.position()));
        let progress = self.output.progress(self.label, total);
        progress.add(sink.position());
        loop {
            match response.next(self.pace.stall, self.env)? {
                Message::Body(bytes) => {
                    progress.add(bytes.len() as u64);
                    sink.write(&bytes)?;
                    if sink.position() > LARGEST {
                        return Err(DownloadError::TooLarge { url: url::redact(url), limit: LARGEST }.into());
                    }
                }
                Message::End => return Ok(()),
                Message::Failed(reason) => return Err(Stop::Address(reason)),
                Message::Head(_) => unreachable_order()?,
            }
        }
    }

    fn read_file(&self, url: &str, sink: &mut dyn Sink) -> Result<(), Stop> {
        let unusable = |why: String| Stop::Address(Reason::Unusable(why));
        let path =
            url::to_path(url).ok_or_else(|| unusable("it names no file of this machine".to_owned()))?;
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Stop::Address(Reason::NoSuchFile));
            }
            Err(error) => return Err(unusable(error.to_string())),
        };
        let mut piece = vec![0; 256 * 1024];
        loop {
            self.env.interrupt.check()?;
            match file.read(&mut piece) {
                Ok(0) => return Ok(()),
                Ok(length) => sink.write(&piece[..length])?,
                Err(error) => return Err(unusable(error.to_string())),
            }
        }
    }
}

/// The thread sends one head first; anything else is a broken transfer, not a reason to panic.
fn unreachable_order<T>() -> Result<T, Stop> {
    Err(Stop::Address(Reason::Broken("the transfer failed".to_owned())))
}
