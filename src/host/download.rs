//! Downloads: a file appears whole and with the right checksum, or not at all.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::fetch::{Fetch, Pace, Sink, Stop};
use super::files::{FileContext, FileError};
use super::http::pause;
use super::url;
use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, UserError};
use crate::output::{Event, Output};

/// A file to fetch.
#[derive(Debug, Clone)]
pub(crate) struct Download<'a> {
    /// Where it is: `http`, `https` or `file`, tried in this order.
    pub urls: &'a [String],
    /// Its SHA-256, in hexadecimal.
    pub sha256: &'a str,
    /// What it is, for people: `Python 3.13.5`.
    pub label: &'a str,
    /// How long name resolution, and then the connection, may take.
    pub connect_timeout: Duration,
    /// How often each address is tried while it fails in a way that may pass.
    pub attempts: usize,
}

/// Why one address didn't give the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Reason {
    /// The server answered something else than the file.
    #[error("the server answered {}", describe_status(*.0))]
    Status(u16),
    /// There is no way to the server: no network, no such name, nobody there.
    #[error("{0}")]
    Unreachable(String),
    /// The transfer broke, in a way that may pass.
    #[error("{0}")]
    Broken(String),
    /// The address or the way to it can't be used.
    #[error("{0}")]
    Unusable(String),
    /// The address names a file of this machine that isn't there.
    #[error("there is no such file")]
    NoSuchFile,
}

/// A download that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// No address gave the file.
    #[error("{}", describe_failures(label, failures))]
    Failed {
        /// What it is, for people.
        label: String,
        /// Each address, fit to be shown, and why.
        failures: Vec<(String, Reason)>,
    },
    /// What came isn't the file.
    #[error("{url} has the SHA-256 {actual} instead of {expected}.")]
    Checksum {
        /// What it should be.
        expected: String,
        /// What it is.
        actual: String,
        /// Where it came from, fit to be shown.
        url: String,
    },
    /// What came is longer than it can rightly be.
    #[error("{url} is longer than {limit} bytes.")]
    TooLarge {
        /// Where it came from, fit to be shown.
        url: String,
        /// How long it may be.
        limit: u64,
    },
    /// What should be text isn't.
    #[error("{url} isn't text in UTF-8.")]
    NotText {
        /// Where it came from, fit to be shown.
        url: String,
    },
    /// The file couldn't be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl DownloadError {
    /// Returns whether there was no way to any of the servers: not worth trying again in this run.
    #[cfg(test)]
    pub(crate) fn is_unreachable(&self) -> bool {
        self.all_failed_with(|reason| matches!(reason, Reason::Unreachable(_)))
    }

    /// Returns whether every place answered that it doesn't have the file.
    pub(crate) fn is_missing(&self) -> bool {
        self.all_failed_with(|reason| matches!(reason, Reason::NoSuchFile | Reason::Status(403 | 404 | 410)))
    }

    fn all_failed_with(&self, test: impl Fn(&Reason) -> bool) -> bool {
        match self {
            Self::Failed { failures, .. } => {
                !failures.is_empty() && failures.iter().all(|(_, reason)| test(reason))
            }
            _ => false,
        }
    }
}

impl UserError for DownloadError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Failed { .. } | Self::TooLarge { .. } | Self::NotText { .. } => ErrorCode::DownloadFailed,
            Self::Checksum { .. } => ErrorCode::DownloadChecksum,
            Self::File(error) => error.code(),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Interrupted(interrupted) => interrupted.exit_code(),
            _ => self.code().entry().exit_code,
        }
    }
}

fn describe_status(status: u16) -> String {
    let name = ureq::http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason());
    name.map_or_else(|| status.to_string(), |name| format!("{status} {name}"))
}

fn describe_failures(label: &str, failures: &[(String, Reason)]) -> String {
    if failures.is_empty() {
        return format!("There is no address for {label}.");
    }
    let lines: Vec<String> =
        failures.iter().map(|(url, reason)| format!("{label} from {url}: {reason}.")).collect();
    lines.join("\n")
}

/// Fetches a file into its final place, by the first address that has it, and returns its length.
pub(crate) fn download(
    request: &Download<'_>,
    into: &Path,
    env: &Env,
    output: &Output,
) -> Result<u64, DownloadError> {
    download_at(request, into, &Pace::default(), env, output)
}

/// Fetches a text of at most `limit` bytes.
pub(crate) fn fetch_text(url: &str, env: &Env, output: &Output, limit: u64) -> Result<String, DownloadError> {
    let shown = url::redact(url);
    let label = shown.rsplit('/').next().unwrap_or_default().to_owned();
    let mut text = Text { bytes: Vec::new(), limit, url: shown.clone() };
    let fetch = Fetch {
        label: &label,
        connect_timeout: Duration::from_secs(3),
        attempts: 3,
        pace: &Pace::default(),
        env,
        output,
    };
    // Reading a file of this machine is no download worth counting.
    if url::to_path(url).is_none() {
        output.event(Event::DownloadStarted { url: shown.clone() });
    }
    match fetch.fetch(url, &mut text) {
        Ok(()) => {}
        Err(Stop::Whole(error)) => return Err(error),
        Err(Stop::Address(reason)) => {
            return Err(DownloadError::Failed { label, failures: vec![(shown, reason)] });
        }
    }
    if url::to_path(url).is_none() {
        output.event(Event::DownloadFinished { url: shown.clone(), bytes: text.position() });
    }
    String::from_utf8(text.bytes).map_err(|_| DownloadError::NotText { url: shown })
}

/// Returns whether a file is there and has this SHA-256.
pub(crate) fn has_sha256(path: &Path, sha256: &str, env: &Env) -> Result<bool, DownloadError> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        other => other.doing("reading", path)?,
    };
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 256 * 1024];
    loop {
        env.interrupt.check()?;
        match file.read(&mut piece).doing("reading", path)? {
            0 => return Ok(hex::encode(hasher.finalize()).eq_ignore_ascii_case(sha256)),
            length => hasher.update(&piece[..length]),
        }
    }
}

fn download_at(
    request: &Download<'_>,
    into: &Path,
    pace: &Pace,
    env: &Env,
    output: &Output,
) -> Result<u64, DownloadError> {
    let Download { urls, sha256, label, connect_timeout, attempts } = *request;
    let fetch = Fetch { label, connect_timeout, attempts, pace, env, output };
    let mut part = Part::create(into, env)?;
    let mut failures = Vec::new();
    let mut mismatch = None;
    for url in urls {
        let shown = url::redact(url);
        part.clear()?;
        output.event(Event::DownloadStarted { url: shown.clone() });
        match fetch.fetch(url, &mut part) {
            Ok(()) => {}
            Err(Stop::Whole(error)) => return Err(error),
            Err(Stop::Address(reason)) => {
                failures.push((shown, reason));
                continue;
            }
        }
        let actual = part.sha256();
        if actual.eq_ignore_ascii_case(sha256) {
            let bytes = part.keep_as(into)?;
            output.event(Event::DownloadFinished { url: shown, bytes });
            return Ok(bytes);
        }
        let expected = sha256.to_ascii_lowercase();
        mismatch.get_or_insert(DownloadError::Checksum { expected, actual, url: shown });
    }
    Err(mismatch.unwrap_or_else(|| DownloadError::Failed { label: label.to_owned(), failures }))
}

/// The file on its way: beside its final place, locked against another build, deleted unless it is kept.
struct Part {
    path: PathBuf,
    file: File,
    hasher: Sha256,
    length: u64,
    kept: bool,
}

impl Part {
    fn create(into: &Path, env: &Env) -> Result<Self, DownloadError> {
        let mut name = into.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let path = into.with_file_name(name);
        if let Some(parent) = path.parent() {
            super::files::create_dir_all(parent)?;
        }
        loop {
            if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
                super::files::remove_file(&path)?;
            }
            let file = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .doing("writing", &path)?;
            // A file system without locks has no other build on it that could be told apart.
            let is_locked = !matches!(file.try_lock(), Err(TryLockError::WouldBlock));
            if is_locked && is_same_file(&file, &path) {
                return Ok(Self { path, file, hasher: Sha256::new(), length: 0, kept: false });
            }
            // Another build fetches the same file; or it has just finished, and its part is no longer here.
            pause(Duration::from_millis(50), env)?;
        }
    }

    fn sha256(&self) -> String {
        hex::encode(self.hasher.clone().finalize())
    }

    fn keep_as(&mut self, into: &Path) -> Result<u64, DownloadError> {
        fs::rename(&self.path, into).doing("renaming to", into)?;
        self.kept = true;
        Ok(self.length)
    }
}

fn is_same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

impl Sink for Part {
    fn position(&self) -> u64 {
        self.length
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        self.file.write_all(bytes).doing("writing", &self.path)?;
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
        Ok(())
    }

    fn clear(&mut self) -> Result<(), DownloadError> {
        self.file.set_len(0).and_then(|()| self.file.rewind()).doing("writing", &self.path)?;
        self.hasher = Sha256::new();
        self.length = 0;
        Ok(())
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing depends on it; the next download empties it first.
            let _ = fs::remove_file(&self.path);
        }
    }
}

struct Text {
    bytes: Vec<u8>,
    limit: u64,
    url: String,
}

impl Sink for Text {
    fn position(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), DownloadError> {
        if (self.bytes.len() + bytes.len()) as u64 > self.limit {
            return Err(DownloadError::TooLarge { url: self.url.clone(), limit: self.limit });
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn clear(&mut self) -> Result<(), DownloadError> {
        self.bytes.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    use super::*;
    use crate::host::clock::Stopwatch;
    use crate::output::Format;
    use crate::output::tests::Captured;

    /// What a server does with one connection, given the request's head in lower case.
    type Act = Box<dyn Fn(&str, &mut TcpStream) + Send>;

    /// Serves one connection an act, in order, and returns the address.
    fn serve(acts: Vec<Act>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for act in acts {
                let (mut stream, _) = listener.accept().unwrap();
                let mut head = Vec::new();
                let mut byte = [0];
                while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) == 1 {
                    head.push(byte[0]);
                }
                act(&String::from_utf8_lossy(&head).to_lowercase(), &mut stream);
            }
        });
        format!("http://{address}/file")
    }

    fn answer(head: &str, body: &[u8]) -> Act {
        let bytes = [head.replace('\n', "\r\n").as_bytes(), b"connection: close\r\n\r\n", body].concat();
        Box::new(move |_, stream| drop(stream.write_all(&bytes)))
    }

    fn whole(body: &[u8]) -> Act {
        answer(&format!("HTTP/1.1 200 OK\ncontent-length: {}\n", body.len()), body)
    }

    /// Promises everything, sends the first `sent` bytes and hangs up.
    fn cut_after(body: &[u8], sent: usize) -> Act {
        answer(&format!("HTTP/1.1 200 OK\netag: \"one\"\ncontent-length: {}\n", body.len()), &body[..sent])
    }

    fn status(line: &str) -> Act {
        answer(&format!("HTTP/1.1 {line}\ncontent-length: 0\n"), b"")
    }

    fn content() -> Vec<u8> {
        (0..3_000_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
    }

    fn sha256(bytes: &[u8]) -> String {
        hex::encode(Sha256::digest(bytes))
    }

    struct Outcome {
        result: Result<u64, DownloadError>,
        file: Option<Vec<u8>>,
        left: Vec<String>,
        log: String,
        seconds: f64,
    }

    fn fetch_as(urls: &[String], sha256: &str, attempts: usize, stall: Duration, env: &Env) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let into = dir.path().join("file");
        let log = Captured::default();
        let output = Output::to_sink(log.clone(), Format::Json);
        let pace =
            Pace { stall, first_wait: Duration::from_millis(1), longest_wait: Duration::from_millis(1500) };
        let connect_timeout = Duration::from_secs(3);
        let request = Download { urls, sha256, label: "the file", connect_timeout, attempts };
        let time = Stopwatch::start();
        let result = download_at(&request, &into, &pace, env, &output);
        let seconds = time.elapsed().as_secs_f64();
        let mut left: Vec<String> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        Outcome { result, file: fs::read(&into).ok(), left, log: log.text(), seconds }
    }

    fn fetch(urls: &[String], sha256: &str) -> Outcome {
        fetch_as(urls, sha256, 4, Duration::from_secs(10), &Env::for_tests(&[]))
    }

    fn nobody_listens() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/file", listener.local_addr().unwrap())
    }

    #[test]
    fn a_cut_download_goes_on_where_it_broke() {
        let body = content();
        let rest = body.clone();
        let resume: Act = Box::new(move |head, stream| {
            assert!(head.contains("if-range: \"one\"\r\n"), "{head}");
            let from: usize = head
                .split("range: bytes=")
                .nth(1)
                .and_then(|text| text.split('-').next())
                .map(|text| text.parse().unwrap())
                .unwrap();
            let total = rest.len();
            let head = format!(
                "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{total}\r\n\r\n",
                total - from,
                total - 1
            );
            stream.write_all(head.as_bytes()).unwrap();
            stream.write_all(&rest[from..]).unwrap();
        });
        let url = serve(vec![status("503 Service Unavailable"), cut_after(&body, 2_000_000), resume]);
        let outcome = fetch(&[url], &sha256(&body));
        assert_eq!(outcome.result.unwrap(), body.len() as u64);
        assert_eq!(outcome.file.as_deref(), Some(&body[..]));
        assert_eq!(outcome.left, ["file"]);
    }

    #[test]
    fn a_server_without_ranges_starts_again() {
        let body = content();
        for second in [
            whole(&body),
            // Another part than the one that was asked for: not to be trusted.
            answer("HTTP/1.1 206 Partial Content\ncontent-range: bytes 0-1/2\ncontent-length: 2\n", b"xx"),
            status("416 Range Not Satisfiable"),
        ] {
            let url = serve(vec![cut_after(&body, 1_000_000), second, whole(&body)]);
            let outcome = fetch(&[url], &sha256(&body));
            assert_eq!(outcome.result.unwrap(), body.len() as u64);
            assert_eq!(outcome.file.as_deref(), Some(&body[..]));
        }
    }

    #[test]
    fn a_wrong_checksum_leaves_nothing_and_the_next_address_is_tried() {
        let url = format!("{}?token=secret", serve(vec![whole(b"bad")]).replace("//", "//user:secret@"));
        let outcome = fetch(std::slice::from_ref(&url), &sha256(b"good"));
        let error = outcome.result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::DownloadChecksum);
        assert!(!error.to_string().contains("secret"), "{error}");
        assert_eq!(outcome.left, [""; 0]);

        let urls = [serve(vec![whole(b"bad")]), serve(vec![whole(b"good")])];
        assert_eq!(fetch(&urls, &sha256(b"good").to_uppercase()).result.unwrap(), 4);
    }

    #[test]
    fn a_mirror_without_the_file_is_passed_over_at_once() {
        for line in ["404 Not Found", "403 Forbidden", "304 Not Modified"] {
            let urls = [serve(vec![status(line)]), serve(vec![whole(b"good")])];
            assert_eq!(fetch(&urls, &sha256(b"good")).result.unwrap(), 4, "{line}");
        }
        let error = fetch(&[serve(vec![status("404 Not Found")])], &sha256(b"good")).result.unwrap_err();
        assert!(error.is_missing() && !error.is_unreachable());
        assert!(error.to_string().ends_with("/file: the server answered 404 Not Found."), "{error}");
    }

    #[test]
    fn a_busy_server_is_asked_again_when_it_says() {
        for (retry_after, at_least, at_most) in [("0", 0.0, 0.9), ("1", 1.0, 2.4), ("3600", 1.5, 3.0)] {
            let busy = answer(
                &format!("HTTP/1.1 429 Too Many Requests\nretry-after: {retry_after}\ncontent-length: 0\n"),
                b"",
            );
            let outcome = fetch(&[serve(vec![busy, whole(b"good")])], &sha256(b"good"));
            assert_eq!(outcome.result.unwrap(), 4);
            let range = at_least..at_most;
            assert!(range.contains(&outcome.seconds), "{retry_after}: {} s", outcome.seconds);
        }
    }

    #[test]
    fn attempts_are_limited() {
        let acts = || (0..3).map(|_| status("500 Internal Server Error")).chain([whole(b"good")]).collect();
        let env = Env::for_tests(&[]);
        let stall = Duration::from_secs(10);
        assert!(fetch_as(&[serve(acts())], &sha256(b"good"), 4, stall, &env).result.is_ok());
        assert!(fetch_as(&[serve(acts())], &sha256(b"good"), 3, stall, &env).result.is_err());
    }

    #[test]
    fn a_redirect_is_followed_and_a_circle_is_not() {
        let target = serve(vec![whole(b"good")]);
        let hop =
            serve(vec![answer(&format!("HTTP/1.1 302 Found\nlocation: {target}\ncontent-length: 0\n"), b"")]);
        assert_eq!(fetch(&[hop], &sha256(b"good")).result.unwrap(), 4);

        let circle = (0..20)
            .map(|_| answer("HTTP/1.1 302 Found\nlocation: /file?token=secret\ncontent-length: 0\n", b""))
            .collect();
        let error = fetch(&[serve(circle)], &sha256(b"good")).result.unwrap_err().to_string();
        assert!(error.contains("redirects too often") && !error.contains("secret"), "{error}");
    }

    #[test]
    fn a_redirect_that_leaves_http_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, b"good").unwrap();
        for target in [url::from_path(&file), "ftp://host/file".to_owned(), "http://".to_owned()] {
            let head = format!("HTTP/1.1 302 Found\nlocation: {target}\ncontent-length: 0\n");
            let acts = (0..4).map(|_| answer(&head, b"")).collect();
            let outcome = fetch(&[serve(acts)], &sha256(b"good"));
            assert_eq!(outcome.result.unwrap_err().code(), ErrorCode::DownloadFailed, "{target}");
            assert_eq!(outcome.left, [""; 0], "{target}");
        }
    }

    #[test]
    fn a_connection_that_is_reset_is_made_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", listener.local_addr().unwrap());
        let body = content();
        let second = answer(&format!("HTTP/1.1 200 OK\ncontent-length: {}\n", body.len()), &body);
        let sent = body[..1_000_000].to_vec();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 3 * sent.len());
            stream.write_all(&[head.as_bytes(), &sent].concat()).unwrap();
            // What is left unread when a connection is closed breaks it off.
            let _ = stream.read(&mut [0]);
            drop(stream);
            let (mut stream, _) = listener.accept().unwrap();
            second("", &mut stream);
            let _ = stream.read_to_end(&mut Vec::new());
        });
        let outcome = fetch(&[url], &sha256(&body));
        assert_eq!(outcome.result.unwrap(), body.len() as u64);
        assert!(outcome.log.contains("trying again"), "{}", outcome.log);
        assert_eq!(outcome.left, ["file"]);
    }

    #[test]
    fn a_length_that_is_a_lie_is_no_promise() {
        for (length, whole) in [("2", false), ("8", false), ("9000000000000000000", false), ("4", true)] {
            let lie = || answer(&format!("HTTP/1.1 200 OK\ncontent-length: {length}\n"), b"good");
            let outcome = fetch(&[serve((0..4).map(|_| lie()).collect())], &sha256(b"good"));
            assert_eq!(outcome.result.is_ok(), whole, "{length}: {:?}", outcome.result);
            assert_eq!(outcome.left.len(), usize::from(whole), "{length}");
        }
    }

    #[test]
    fn a_compressed_transfer_is_not_the_file() {
        // Nothing at all, compressed.
        let zipped = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";
        let act = answer("HTTP/1.1 200 OK\ncontent-encoding: gzip\ncontent-length: 20\n", zipped);
        let outcome = fetch(&[serve(vec![act])], &sha256(b""));
        assert_eq!(outcome.result.unwrap_err().code(), ErrorCode::DownloadChecksum);
        assert_eq!(outcome.left, [""; 0]);
    }

    #[test]
    fn without_a_network_everything_fails_at_once() {
        // A name that is too long fails in the resolver itself, without asking anybody.
        let no_host = format!("http://{}.invalid/", "a".repeat(70));
        let outcome = fetch(&[nobody_listens(), no_host, nobody_listens()], &sha256(b"good"));
        assert!(outcome.seconds < 1.0, "{} s", outcome.seconds);
        let error = outcome.result.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert!(!outcome.log.contains("trying again"), "{}", outcome.log);
        assert_eq!(outcome.left, [""; 0]);

        let urls = [serve(vec![status("404 Not Found")]), nobody_listens()];
        assert!(!fetch(&urls, &sha256(b"good")).result.unwrap_err().is_unreachable());
    }

    #[test]
    fn a_silent_server_is_given_up() {
        for sent in [&b""[..], b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345"] {
            let silent: Act = Box::new(move |_, stream| {
                stream.write_all(sent).unwrap();
                thread::sleep(Duration::from_secs(5));
            });
            let env = Env::for_tests(&[]);
            let url = serve(vec![silent]);
            let outcome = fetch_as(&[url], &sha256(b"good"), 1, Duration::from_millis(300), &env);
            let error = outcome.result.unwrap_err();
            assert!(error.to_string().contains("nothing was received"), "{error}");
            assert!(!error.is_unreachable());
            assert!((0.3..2.0).contains(&outcome.seconds), "{} s", outcome.seconds);
            assert_eq!(outcome.left, [""; 0]);
        }
    }

    #[test]
    fn an_interrupt_ends_a_download_that_waits() {
        let silent: Act = Box::new(|_, _| thread::sleep(Duration::from_secs(5)));
        let env = Env::for_tests(&[]);
        let interrupt = env.interrupt.clone();
        let url = serve(vec![silent]);
        thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            interrupt.set(2);
        });
        let outcome = fetch_as(&[url], &sha256(b"good"), 4, Duration::from_secs(30), &env);
        assert!(matches!(outcome.result, Err(DownloadError::Interrupted(_))));
        assert!(outcome.seconds < 1.0, "{} s", outcome.seconds);
        assert_eq!(outcome.left, [""; 0]);
    }

    #[test]
    fn a_file_of_this_machine_is_copied_and_checked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("with space+.tar.gz");
        fs::write(&path, b"good").unwrap();
        let url = url::from_path(&path);
        assert_eq!(fetch(std::slice::from_ref(&url), &sha256(b"good")).result.unwrap(), 4);
        let error = fetch(&[url], &sha256(b"other")).result.unwrap_err();
        assert_eq!(error.code(), ErrorCode::DownloadChecksum);
        let missing = url::from_path(&dir.path().join("none"));
        assert!(fetch(&[missing], &sha256(b"good")).result.unwrap_err().is_missing());
        let odd = ["ftp://host/a", "file://elsewhere/a", "no address", ""].map(str::to_owned);
        let error = fetch(&odd, &sha256(b"good")).result.unwrap_err();
        assert!(!error.is_unreachable() && !error.is_missing(), "{error}");
    }

    #[test]
    fn secrets_of_an_address_are_sent_but_never_shown() {
        // The user name and the password as HTTP's basic scheme writes them.
        let secretive = |url: String| format!("{}?token=secret", url.replace("//", "//user:secret@"));
        let checks: Act = Box::new(|head, stream| {
            assert!(head.starts_with("get /file?token=secret "), "{head}");
            assert!(head.contains("authorization: basic dxnlcjpzzwnyzxq=\r\n"), "{head}");
            stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n").unwrap();
        });
        let urls = [
            secretive(serve(vec![checks, status("404 Not Found")])),
            secretive(nobody_listens()),
            secretive("gopher://host/".to_owned()),
        ];
        let outcome = fetch(&urls, &sha256(b"good"));
        let error = outcome.result.unwrap_err();
        assert!(error.to_string().contains("404"), "{error}");
        assert!(outcome.log.contains("download_started") && outcome.log.contains("trying again"));
        for text in [error.to_string(), format!("{error:?}"), outcome.log] {
            assert!(!text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn a_proxy_that_is_not_there_is_named_without_its_password() {
        let proxy = nobody_listens().replace("//", "//user:secret@");
        let env = Env::for_tests(&[("HTTP_PROXY", &proxy)]);
        let urls = ["http://host.invalid/file".to_owned()];
        let outcome = fetch_as(&urls, &sha256(b"good"), 4, Duration::from_secs(10), &env);
        let error = outcome.result.unwrap_err();
        assert!(error.is_unreachable(), "{error}");
        assert!(error.to_string().contains("HTTP_PROXY") && !error.to_string().contains("secret"), "{error}");
    }

    #[test]
    fn a_text_is_fetched_up_to_its_limit() {
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let fetch = |body: &'static [u8]| fetch_text(&serve(vec![whole(body)]), &env, &output, 4);
        assert_eq!(fetch(b"text").unwrap(), "text");
        assert!(matches!(fetch(b"text!"), Err(DownloadError::TooLarge { limit: 4, .. })));
        assert!(matches!(fetch(b"\xff"), Err(DownloadError::NotText { .. })));
        assert!(fetch_text("file:///no/such/file", &env, &output, 4).unwrap_err().is_missing());
        assert_eq!(output.counters().downloads, 3);
    }

    #[test]
    fn a_part_of_an_earlier_run_or_of_another_build_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let (env, output) = (Env::for_tests(&[]), Output::silent());
        let part = dir.path().join("file.part");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), &part).unwrap();
        let held = File::create(dir.path().join("held.part")).unwrap();
        held.lock().unwrap();
        let release = thread::spawn(move || {
            thread::sleep(Duration::from_millis(200));
            drop(held);
        });
        let time = Stopwatch::start();
        for name in ["file", "held"] {
            let urls = [serve(vec![whole(b"good")])];
            let sha256 = sha256(b"good");
            let connect_timeout = Duration::from_secs(3);
            let request =
                Download { urls: &urls, sha256: &sha256, label: name, connect_timeout, attempts: 1 };
            assert_eq!(download(&request, &dir.path().join(name), &env, &output).unwrap(), 4);
            assert!(has_sha256(&dir.path().join(name), &sha256, &env).unwrap());
        }
        assert!(time.elapsed() >= Duration::from_millis(190), "it didn't wait for the other build");
        release.join().unwrap();
        assert!(!dir.path().join("elsewhere").exists() && !part.exists());
        assert!(!has_sha256(&part, &sha256(b"good"), &env).unwrap());
    }

    #[test]
    fn an_answer_in_chunks_comes_through_a_real_server() {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let url = format!("http://{}/file", server.server_addr().to_ip().unwrap());
        let body = content();
        let sent = body.clone();
        thread::spawn(move || {
            let request = server.recv().unwrap();
            let response = tiny_http::Response::new(200.into(), vec![], io::Cursor::new(sent), None, None);
            request.respond(response).unwrap();
        });
        assert_eq!(fetch(&[url], &sha256(&body)).result.unwrap(), body.len() as u64);
    }
}
