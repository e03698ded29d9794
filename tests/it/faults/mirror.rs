//! Servers that misbehave: where Python's archives are, and package indexes. What only takes time is tested in the
//! downloader itself, which can be told to be less patient.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::Row;
use super::rig::{Beginning, Rig, clean_plain, names, python_of_store};
use crate::buildpack::made_once;
use crate::indexes::{self, PACKAGE, wheel, wheel_hash};
use crate::support::{TestApp, run};

faults! {
    python_comes_in_the_end: "503, then 429 with `Retry-After`, then a connection that is reset in the midst of the file", "where Python's archive is (`--python-source`)",
        "The download is tried again and succeeds: the same slug.";
    python_does_not_come: "404, 500 without an end, wrong bytes, half a file, a redirect in a circle, a redirect to `file:`, a length that is a lie, a compressed transfer", "where Python's archive is (`--python-source`)",
        "An error with an id, within a minute. Nothing is kept or left; the next build gives the same slug.";
    the_list_does_not_come: "404, 500 without an end, no text, half a text, too much text", "where the checksums of Python's archives are",
        "An error with an id, within a minute. Nothing is kept or left.";
    the_catalogue_does_not_come: "404, 500 without an end, wrong bytes, a reset", "where the archives of the catalogue are (`SLUGC_PYTHON_MIRROR`)",
        "An error with an id, within a minute. Nothing is kept or left.";
    #[ignore = "needs PyPI"]
    uv_and_an_index: "503 twice; then 404, 500 without an end, wrong bytes, half a file, resets, a redirect in a circle, silence", "a package index that uv installs from",
        "After the first, the package is installed. The others: an error with an id, in bounded time, and no slug; the next build succeeds.";
    #[ignore = "needs PyPI"]
    pip_and_an_index: "The same", "a package index that pip installs from",
        "The same.";
}

/// What tests of the downloader itself show.
const fn download(fault: &'static str, outcome: &'static str, test: &'static str) -> Row {
    Row { fault, place: "a download", outcome, file: "src/host/download.rs", test }
}

/// What is tested in the downloader.
pub(super) const UNIT_ROWS: &[Row] = &[
    download(
        "Silence before the answer, or in the midst of the file",
        "It is given up after 30 seconds without a byte, and tried again.",
        "a_silent_server_is_given_up",
    ),
    download(
        "503, then a connection that is cut",
        "It goes on where it broke.",
        "a_cut_download_goes_on_where_it_broke",
    ),
    download(
        "A server that can't go on, or goes on with other bytes",
        "It starts again; no wrong bytes are kept.",
        "a_server_without_ranges_starts_again",
    ),
    download("A connection that is reset", "It is tried again.", "a_connection_that_is_reset_is_made_again"),
    download(
        "500 three times, four times",
        "Four attempts at each address, with growing waits.",
        "attempts_are_limited",
    ),
    download(
        "429 with `Retry-After`",
        "It waits as long as the server asks for, 30 seconds at most.",
        "a_busy_server_is_asked_again_when_it_says",
    ),
    download(
        "404, 403, 304",
        "The next address is tried at once.",
        "a_mirror_without_the_file_is_passed_over_at_once",
    ),
    download(
        "Wrong bytes",
        "Nothing is kept; the next address is tried; else an error with both checksums.",
        "a_wrong_checksum_leaves_nothing_and_the_next_address_is_tried",
    ),
    download(
        "A redirect in a circle",
        "An error that says so, after ten.",
        "a_redirect_is_followed_and_a_circle_is_not",
    ),
    download(
        "A redirect to `file:`, `ftp:` or nowhere",
        "It isn't followed.",
        "a_redirect_that_leaves_http_is_not_followed",
    ),
    download(
        "A length that is a lie: too long, too short, beyond any disk",
        "An error, or the checksum is right; nothing is made room for in advance.",
        "a_length_that_is_a_lie_is_no_promise",
    ),
    download(
        "A compressed transfer that wasn't asked for",
        "The checksum is wrong; nothing is kept.",
        "a_compressed_transfer_is_not_the_file",
    ),
    download("A text without an end", "It is read up to a limit.", "a_text_is_fetched_up_to_its_limit"),
    download(
        "No network, no such name, nobody there",
        "Every address fails at once.",
        "without_a_network_everything_fails_at_once",
    ),
    Row {
        fault: "A redirect from https to http",
        place: "a download",
        outcome: "It isn't followed.",
        file: "src/host/http.rs",
        test: "a_safe_address_stays_safe_when_it_redirects",
    },
];

/// What a server does with one request.
#[derive(Clone)]
enum Act {
    Whole,
    Status(&'static str),
    /// These bytes in the place of the right ones.
    Other(Vec<u8>),
    /// The first half, and then the end.
    Half,
    /// The first half, and then a reset.
    Reset,
    Redirect(String),
    /// Promises this length, sends all there is, and ends.
    Length(u64),
    Gzip,
    /// Sends the head, and then nothing.
    Silent,
}

/// A server of files: the answers to requests whose path contains `on` are these, one after the other; the last one
/// stays. Everything else is answered as it should be.
struct Server {
    port: u16,
    acts: Arc<Mutex<Vec<Act>>>,
    requests: Arc<Mutex<usize>>,
}

type Files = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

impl Server {
    fn start(on: &'static str, acts: &[Act], files: Files) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (acts, requests) = (Arc::new(Mutex::new(acts.to_vec())), Arc::new(Mutex::new(0)));
        let (its_acts, its_requests) = (Arc::clone(&acts), Arc::clone(&requests));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let Some(line) = read_to(&mut stream, b"\r\n") else { continue };
                let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
                let act = if path.contains(on) {
                    *its_requests.lock().unwrap() += 1;
                    let mut acts = its_acts.lock().unwrap();
                    if acts.len() > 1 { acts.remove(0) } else { acts[0].clone() }
                } else {
                    Act::Whole
                };
                // What is left unread when a connection is closed breaks it off.
                if !matches!(act, Act::Reset) && read_to(&mut stream, b"\r\n\r\n").is_none() {
                    continue;
                }
                let files = Arc::clone(&files);
                std::thread::spawn(move || drop(answer(&mut stream, &act, files(&path))));
            }
        });
        Self { port, acts, requests }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on everything is as it should be.
    fn mend(&self) {
        *self.acts.lock().unwrap() = vec![Act::Whole];
    }

    fn requests(&self) -> usize {
        *self.requests.lock().unwrap()
    }
}

/// Reads up to the end of this.
fn read_to(stream: &mut TcpStream, end: &[u8]) -> Option<String> {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(end) {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        read.push(byte[0]);
    }
    Some(String::from_utf8_lossy(&read).into_owned())
}

fn answer(stream: &mut TcpStream, act: &Act, file: Option<Vec<u8>>) -> std::io::Result<()> {
    let mut head = |line: &str, length: u64, more: &str| {
        let text = format!("HTTP/1.1 {line}\r\nconnection: close\r\ncontent-length: {length}\r\n{more}\r\n");
        stream.write_all(text.as_bytes())
    };
    match act {
        Act::Status(line) => return head(line, 0, "retry-after: 1\r\n"),
        Act::Redirect(to) => return head("302 Found", 0, &format!("location: {to}\r\n")),
        _ => {}
    }
    let Some(file) = file else { return head("404 Not Found", 0, "") };
    let length = file.len() as u64;
    match act {
        Act::Whole => head("200 OK", length, "content-type: text/html\r\n")?,
        Act::Other(bytes) => head("200 OK", bytes.len() as u64, "content-type: text/html\r\n")?,
        Act::Half | Act::Reset | Act::Silent => head("200 OK", length, "content-type: text/html\r\n")?,
        Act::Status(_) | Act::Redirect(_) => {}
        Act::Length(length) => head("200 OK", *length, "")?,
        Act::Gzip => head("200 OK", 20, "content-encoding: gzip\r\n")?,
    }
    match act {
        Act::Whole | Act::Length(_) => stream.write_all(&file),
        Act::Other(bytes) => stream.write_all(bytes),
        Act::Half => stream.write_all(&file[..file.len() / 2]),
        Act::Reset => {
            stream.write_all(&file[..file.len() / 2])?;
            std::thread::sleep(Duration::from_millis(100));
            Ok(())
        }
        // Nothing at all, compressed.
        Act::Gzip => stream.write_all(b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0"),
        Act::Silent => {
            std::thread::sleep(Duration::from_secs(60));
            Ok(())
        }
        Act::Status(_) | Act::Redirect(_) => Ok(()),
    }
}

/// An archive of this machine's Python and its checksum, as `--python-source` wants them.
fn archive() -> (PathBuf, String) {
    static MADE: std::sync::OnceLock<(PathBuf, String)> = std::sync::OnceLock::new();
    let make = || {
        let (parent, version) = python_of_store();
        let name = format!("python-{version}-{}.tar.gz", std::env::consts::ARCH);
        let dir = made_once("faults-python", |dir| {
            fs::create_dir(dir).unwrap();
            let mut tar = Command::new("tar");
            run(tar
                .arg("-I")
                .arg("gzip -1")
                .arg("-cf")
                .arg(dir.join(&name))
                .arg("-C")
                .arg(parent)
                .arg("python"))
            .success();
            let sums = run(Command::new("sha256sum").arg(&name).current_dir(dir)).success().stdout;
            fs::write(dir.join("SHA256SUMS"), sums).unwrap();
        });
        (dir, name)
    };
    MADE.get_or_init(make).clone()
}

fn archives() -> Files {
    let (dir, _) = archive();
    Arc::new(move |path| fs::read(dir.join(path.rsplit('/').next().unwrap())).ok())
}

/// A build that takes its Python from there.
fn from(rig: &Rig, server: &Server) -> Command {
    let mut command = rig.build();
    command.args(["--python-source", &server.url()]);
    command
}

/// Fails unless a build ends with an id, soon, and keeps nothing.
#[track_caller]
fn refused(rig: &Rig, mut command: Command, what: &str) {
    let start = Instant::now();
    let run = run(&mut command);
    assert!(start.elapsed() < Duration::from_secs(60), "{what}: {:?}", start.elapsed());
    assert!(!matches!(run.code, None | Some(0) | Some(101)), "{what}: {}{}", run.stdout, run.stderr);
    let error = run.event("error");
    let id = error["id"].as_str().unwrap();
    assert!(slugc::testing::error::ErrorCode::ALL.iter().any(|code| code.entry().id == id), "{what}: {id}");
    assert!(!error["fix"].as_str().unwrap().is_empty(), "{what}: {error}");
    assert_eq!(names(&rig.app.store.join("v1/downloads")), [""; 0], "{what}: something was kept");
    assert!(!rig.app.slug().exists(), "{what}: there is a slug");
    rig.assert_nothing_left(what);
    eprintln!("{what}: {id} after {:?}", start.elapsed());
}

fn python_comes_in_the_end() {
    let Some(rig) = Rig::plain(Beginning::Empty) else { return };
    let acts = [Act::Status("503 Busy"), Act::Status("429 Too Many Requests"), Act::Reset, Act::Whole];
    let server = Server::start(".tar.gz", &acts, archives());
    let built = run(&mut from(&rig, &server)).success();
    assert_eq!(server.requests(), 4);
    let sha256 = built.event("finished")["sha256"].clone();
    rig.assert_nothing_left("a server that is slow to recover");
    // Without any trouble it would have been the same.
    rig.begin(Beginning::Empty);
    server.mend();
    assert_eq!(run(&mut from(&rig, &server)).success().event("finished")["sha256"], sha256);
}

/// Lets each of these happen to requests for what has `on` in its path, all at once: most of it is waiting.
fn each_refused(
    on: &'static str,
    acts: Vec<(&'static str, Act)>,
    files: &Files,
    build: fn(&Rig, &Server) -> Command,
) {
    std::thread::scope(|scope| {
        for (what, act) in acts {
            let files = Arc::clone(files);
            scope.spawn(move || {
                let rig = Rig::plain(Beginning::Empty).unwrap();
                let server = Server::start(on, &[act], files);
                refused(&rig, build(&rig, &server), what);
                assert!(server.requests() > 0, "{what}: nobody asked");
            });
        }
    });
}

fn python_does_not_come() {
    let Some(rig) = Rig::plain(Beginning::Empty) else { return };
    let circle = Act::Redirect("/again.tar.gz".to_owned());
    let file = Act::Redirect(format!("file://{}", archive().0.join(archive().1).display()));
    each_refused(
        ".tar.gz",
        vec![
            ("404", Act::Status("404 Not Found")),
            ("500", Act::Status("500 Internal Server Error")),
            ("wrong bytes", Act::Other(b"no archive".to_vec())),
            ("half", Act::Half),
            ("circle", circle),
            ("file", file),
            ("length", Act::Length(1 << 50)),
            ("gzip", Act::Gzip),
        ],
        &archives(),
        from,
    );
    // A failed download is no obstacle for the next build.
    let server = Server::start(".tar.gz", &[Act::Other(b"no archive".to_vec())], archives());
    refused(&rig, from(&rig, &server), "wrong bytes");
    rig.builds(&clean_plain().sha256, "a download of wrong bytes");
}

fn the_list_does_not_come() {
    if Rig::plain(Beginning::Empty).is_none() {
        return;
    }
    each_refused(
        "SHA256SUMS",
        vec![
            ("404", Act::Status("404 Not Found")),
            ("500", Act::Status("500 Internal Server Error")),
            ("no text", Act::Other(vec![0xff; 100])),
            ("half a text", Act::Half),
            ("too much", Act::Other(vec![b'x'; 20 << 20])),
        ],
        &archives(),
        from,
    );
}

fn the_catalogue_does_not_come() {
    if Rig::plain(Beginning::Empty).is_none() {
        return;
    }
    each_refused(
        ".tar.gz",
        vec![
            ("404", Act::Status("404 Not Found")),
            ("500", Act::Status("500 Internal Server Error")),
            ("wrong bytes", Act::Other(b"no archive".to_vec())),
            ("reset", Act::Reset),
        ],
        &(Arc::new(|_: &str| Some(vec![b'x'; 1000])) as Files),
        |rig, server| {
            let mut command = rig.build();
            command.args(["--python-source", "catalogue"]).env("SLUGC_PYTHON_MIRROR", server.url());
            command
        },
    );
}

/// The wheel of a package, and the page that names it.
fn index() -> Files {
    Arc::new(|path| {
        if path.ends_with(".whl") {
            return Some(wheel());
        }
        let name = format!("{}-1.0-py3-none-any.whl", PACKAGE.replace('-', "_"));
        let page = format!("<!DOCTYPE html><a href=\"/files/{name}#sha256={}\">{name}</a>\n", wheel_hash());
        path.contains(PACKAGE).then(|| page.into_bytes())
    })
}

fn app_with_index(server: &Server, installer: &str) -> TestApp {
    let requirements =
        format!("--index-url {}/simple\n{PACKAGE}==1.0 --hash=sha256:{}\n", server.url(), wheel_hash());
    let mut app = indexes::app(&[("requirements.txt", &requirements)]);
    for (name, value) in [("SLUGC_INSTALLER", installer), ("PIP_TIMEOUT", "2"), ("PIP_RETRIES", "2")] {
        app.set(name, value);
    }
    // Not through a proxy, and not to the machine's own index.
    app.set("NO_PROXY", "127.0.0.1");
    app.set("no_proxy", "127.0.0.1");
    app.env.remove(std::ffi::OsStr::new("PIP_INDEX_URL"));
    app
}

fn has_wheel(store: &Path) -> bool {
    let name = PACKAGE.replace('-', "_");
    let mut entries = walkdir::WalkDir::new(store.join("v1/layers/dependencies")).into_iter().flatten();
    entries.any(|entry| entry.file_name().to_string_lossy().starts_with(&name))
}

fn with_installer(installer: &'static str) {
    let acts = |path: &'static str| {
        [
            ("404", Act::Status("404 Not Found")),
            ("500", Act::Status("500 Internal Server Error")),
            ("wrong bytes", Act::Other(vec![b'x'; 1000])),
            ("half", Act::Half),
            ("reset", Act::Reset),
            ("circle", Act::Redirect(format!("/again{path}"))),
            ("silence", Act::Silent),
        ]
    };
    // A page that is cut off in the midst is a page without links, or a broken transfer; neither is a package.
    for on in [".whl", PACKAGE] {
        std::thread::scope(|scope| {
            for (what, act) in acts(on) {
                scope.spawn(move || {
                    let server = Server::start(on, &[act], index());
                    let app = app_with_index(&server, installer);
                    let start = Instant::now();
                    let failed = app.build(&["--refresh", "--python-source", "host"]);
                    let after = format!("{installer}, {on}, {what}");
                    assert!(!matches!(failed.code, None | Some(0) | Some(101)), "{after}: {}", failed.stderr);
                    let said =
                        failed.stderr.lines().find_map(|line| line.strip_prefix("error[")?.split(']').next());
                    let id = said.unwrap_or_else(|| panic!("{after}: {}", failed.stderr));
                    eprintln!("{after}: {id} after {:?}", start.elapsed());
                    assert!(start.elapsed() < Duration::from_secs(120), "{after}: {:?}", start.elapsed());
                    assert!(server.requests() > 0, "{after}: nobody asked: {}", failed.stderr);
                    assert!(!app.slug().exists(), "{after}: there is a slug");
                    server.mend();
                    app.build(&["--refresh", "--python-source", "host"]).success();
                });
            }
        });
    }
    let busy = [Act::Status("503 Busy"), Act::Status("503 Busy"), Act::Whole];
    let server = Server::start(".whl", &busy, index());
    let app = app_with_index(&server, installer);
    app.build(&["--refresh", "--python-source", "host"]).success();
    assert!(server.requests() >= 3, "{}", server.requests());
    assert!(has_wheel(&app.store));
}

fn uv_and_an_index() {
    with_installer("uv");
}

fn pip_and_an_index() {
    with_installer("pip");
}
