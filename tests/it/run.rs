//! `slugc run`: dynos in namespaces of their own, several at once, behind the router, at a terminal.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{TestApp, flowing, has_program, run, skip};

/// A server that takes its time, says which dyno it is, and ends what it does on SIGTERM.
const SERVER: &str = r#"
import http.server, os, signal, threading, time

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.05)
        body = f"{os.environ['DYNO']} {os.environ['PORT']}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass

class Server(http.server.ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 512

server = Server(("0.0.0.0", int(os.environ["PORT"])), Handler)
signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
server.serve_forever()
server.server_close()
"#;

const PROCFILE: &str = "web: exec python server.py\n\
    worker: while :; do echo working; sleep 0.2; done\n\
    stubborn: trap '' TERM; echo re''ady; while :; do sleep 0.1; done\n\
    broken: python -c 'import no_such_module'\n";

/// One slug for all: an app with a Python of its own.
fn app() -> &'static TestApp {
    static APP: OnceLock<TestApp> = OnceLock::new();
    APP.get_or_init(|| {
        let app = TestApp::new(&[("requirements.txt", ""), ("Procfile", PROCFILE), ("server.py", SERVER)]);
        app.build(&[]).success();
        app
    })
}

fn slug() -> String {
    app().slug().to_str().unwrap().to_owned()
}

/// Whether this machine lets us make the namespaces of a dyno.
pub(crate) fn can_isolate() -> bool {
    let arguments =
        ["--user", "--map-user", "1", "--map-group", "1", "--keep-caps", "--mount", "--pid", "--fork"];
    let can = Command::new("unshare")
        .args(arguments)
        .arg("true")
        .output()
        .is_ok_and(|output| output.status.success());
    if !can {
        skip("this machine doesn't let us make user namespaces");
    }
    can
}

/// `slugc run` in the background, and what it has written so far.
struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        let pipes: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for pipe in pipes {
            let log = Arc::clone(&log);
            thread::spawn(move || {
                let mut reader = BufReader::new(pipe);
                let mut line = Vec::new();
                while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                    log.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
                    line.clear();
                }
            });
        }
        Self { child, log }
    }

    fn text(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    #[track_caller]
    fn wait_for(&self, text: &str, times: usize) {
        let since = Instant::now();
        while self.text().matches(text).count() < times {
            assert!(since.elapsed() < Duration::from_secs(90), "no `{text}` in {}", self.text());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        thread::sleep(Duration::from_millis(100));
        (code, self.text())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that has failed leaves nobody behind.
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            let _ = self.child.kill();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Returns the processes whose command line has this word.
fn processes_with(word: &str) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes
        .filter(|path| {
            let line = fs::read(path.join("cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes())
        })
        .collect()
}

#[track_caller]
fn assert_gone(word: &str) {
    let since = Instant::now();
    while !processes_with(word).is_empty() {
        assert!(since.elapsed() < Duration::from_secs(30), "{:?}", processes_with(word));
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a dyno in namespaces of its own must find.
const LOOK: &str = r#"
    set -u
    echo "home=$HOME pwd=$PWD vars=$(env | cut -d= -f1 | sort | tr '\n' ' ')"
    echo "user=$(id -un) python=$(command -v python)"
    touch /app/mine /tmp/mine /dev/shm/mine && echo "own directories are writable"
    for dir in / /usr /etc /usr/bin /proc/sys/kernel; do touch "$dir/mine" 2>/dev/null && echo "WRITABLE $dir"; done
    ls "$SECRET_DIR" 2>/dev/null && echo "SEES $SECRET_DIR"
    echo "processes=$(ls /proc | grep -c '^[0-9]*$')"
    echo "quota=$(cat /sys/fs/cgroup/memory/memory.limit_in_bytes)"
    python -c 'import multiprocessing as m; print("lock", m.Lock().acquire(timeout=1))'
    true
"#;

#[track_caller]
fn assert_isolated(log: &str) {
    for expected in [
        "home=/app pwd=/app vars=",
        "user=dyno python=/app/.heroku/python/bin/python\n",
        "own directories are writable\n",
        "quota=536870912\n",
        "lock True\n",
    ] {
        assert!(log.contains(expected), "{expected} in {log}");
    }
    assert!(!log.contains("WRITABLE") && !log.contains("SEES"), "{log}");
    let processes = log.split("processes=").nth(1).unwrap().lines().next().unwrap();
    assert!(processes.parse::<usize>().unwrap() < 8, "{log}");
}

#[test]
fn a_dyno_has_the_app_at_its_place_and_can_change_nothing_else() {
    if !can_isolate() {
        return;
    }
    let secret = format!("SECRET_DIR={}", app().out.display());
    let ran = app().run(&["run", &slug(), "--size", "basic", "--set", &secret, "--", LOOK]).success();
    assert_isolated(&ran.stdout);
    assert!(!ran.stderr.contains("isn't isolated"), "{}", ran.stderr);
    assert!(!app().dir.join("mine").exists());
}

#[test]
fn an_ordinary_user_gets_the_same_dyno() {
    if !can_isolate() {
        return;
    }
    if !rustix::process::getuid().is_root() || !has_program("setpriv") {
        return skip("only root, with setpriv, can become an ordinary user; the other tests are run by one");
    }
    // All that it needs, where everybody can read it.
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (program, copy) = (place.path().join("slugc"), place.path().join("slug.tgz"));
    fs::copy(env!("CARGO_BIN_EXE_slugc"), &program).unwrap();
    fs::copy(app().slug(), &copy).unwrap();
    let secret = format!("SECRET_DIR={}", app().out.display());
    let as_nobody = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
            .arg(&program)
            .args(arguments);
        run(command.env_clear().env("PATH", "/usr/bin:/bin").current_dir("/").stdin(Stdio::null()))
    };
    let copy = copy.to_str().unwrap();
    let ran = as_nobody(&["run", copy, "--set", &secret, "--", LOOK]).success();
    assert_isolated(&ran.stdout);
    let ran = as_nobody(&["run", copy, "broken"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("State changed from up to crashed"), "{}", ran.stderr);
    assert!(!as_nobody(&["run", copy, "--", "cat /etc/shadow"]).stdout.contains("root:"));
}

#[test]
fn without_namespaces_it_runs_in_a_plain_directory_and_says_so() {
    let bin = tempfile::tempdir().unwrap();
    let code = "echo \"home=$HOME\"; touch $HOME/mine && echo wrote";
    let mut command = app().command(&["run", &slug(), "--", code]);
    let ran = run(command.env("PATH", bin.path())).success();
    assert!(ran.stderr.contains("The dyno isn't isolated: there is no `unshare`"), "{}", ran.stderr);
    assert!(ran.stdout.contains("/app\nwrote\n") && !ran.stdout.contains("home=/app\n"), "{}", ran.stdout);
    let ran = app().run(&["run", &slug(), "--no-isolate", "--", code]).success();
    assert!(!ran.stderr.contains("isn't isolated"), "{}", ran.stderr);
    assert!(ran.stdout.contains("wrote") && !ran.stdout.contains("home=/app\n"), "{}", ran.stdout);
}

#[test]
fn who_ignores_sigterm_is_killed_and_nobody_is_left() {
    for isolation in [&["--stop-timeout", "1"][..], &["--stop-timeout", "1", "--no-isolate"]] {
        let running =
            Running::start(&mut app().command(&[&["run", &slug(), "stubborn"], isolation].concat()));
        running.wait_for("ready\n", 1);
        running.signal(Signal::TERM);
        let (code, log) = running.end();
        assert_eq!(code, Some(112), "{log}");
        let lines = "-----> Stopping all processes with SIGTERM\n\
                     -----> Error R12 (Exit timeout) -> At least one process failed to exit within 1 seconds of SIGTERM\n";
        assert!(log.contains(lines), "{log}");
        assert!(log.contains("-----> Process exited with status 137\n"), "{log}");
    }
}

#[test]
fn a_dyno_ends_with_slugc_however_that_ends() {
    if !can_isolate() {
        return;
    }
    let word = format!("{}.5", 100_000 + std::process::id());
    let line = format!("setsid sleep {word} & echo re''ady; exec sleep {word}");
    let running = Running::start(&mut app().command(&["run", &slug(), "--", &line]));
    running.wait_for("ready", 1);
    // They are on their way when the line is written.
    for _ in 0..100 {
        if !processes_with(&word).is_empty() {
            break;
        }
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!processes_with(&word).is_empty());
    running.signal(Signal::KILL);
    assert_gone(&word);
}

#[test]
fn a_worker_only_app_and_one_that_crashes_at_import() {
    let ran = app().run(&["run", &slug(), "broken"]);
    assert_eq!(ran.code, Some(1), "{}", ran.stderr);
    assert!(ran.stderr.contains("No module named 'no_such_module'"), "{}", ran.stderr);
    assert!(
        ran.stderr.contains(
            "Process exited with status 1\n-----> State changed from up to crashed\n\
             -----> App crashed -> The process `broken` ended with status 1\n"
        ),
        "{}",
        ran.stderr
    );
    let running = Running::start(&mut app().command(&["run", &slug(), "--formation", "worker=2"]));
    running.wait_for("worker.2 | working", 1);
    running.wait_for("worker.1 | working", 1);
    running.signal(Signal::INT);
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("worker.1 > Process exited with status "), "{log}");
}

#[test]
fn a_formation_is_a_name_and_a_number() {
    for formation in ["web", "web=x", "=2"] {
        let ran = app().run(&["run", &slug(), "--formation", formation]);
        assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    }
    app().run(&["run", &slug(), "--formation", "cron=1"]).failure("run::no-such-process-type");
    app().run(&["run", &slug(), "--formation", "web=0"]).failure("run::no-such-process-type");
    let help = app().run(&["run", "--help"]).success().stdout;
    assert!(help.contains("110 if a web process didn't bind") && help.contains("SIGUSR1"), "{help}");
}

fn ask(port: u16) -> std::io::Result<String> {
    ask_for(port, "/")
}

#[test]
fn a_rolling_restart_behind_the_router_loses_no_request() {
    let port = free_port();
    let arguments = ["run", &slug(), "--formation", "web=2,worker=1", "--port", &port.to_string()];
    let running = Running::start(&mut app().command(&arguments));
    running.wait_for("> State changed from starting to up", 3);
    let is_over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let (is_over, answered) = (Arc::clone(&is_over), Arc::clone(&answered));
            thread::spawn(move || {
                let mut bad = Vec::new();
                while !is_over.load(Ordering::SeqCst) {
                    match ask(port) {
                        Ok(answer)
                            if answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\n\r\nweb.") =>
                        {
                            answered.fetch_add(1, Ordering::SeqCst);
                        }
                        other => bad.push(format!("{other:?}")),
                    }
                    thread::sleep(Duration::from_millis(250));
                }
                bad
            })
        })
        .collect();
    while answered.load(Ordering::SeqCst) < 200 {
        thread::sleep(Duration::from_millis(20));
    }
    running.signal(Signal::USR1);
    // The two web dynos and the worker: each goes once, and comes once more.
    running.wait_for("> State changed from up to complete", 3);
    running.wait_for("> State changed from starting to up", 6);
    let before = answered.load(Ordering::SeqCst);
    while answered.load(Ordering::SeqCst) < before + 200 {
        thread::sleep(Duration::from_millis(20));
    }
    is_over.store(true, Ordering::SeqCst);
    let bad: Vec<String> = clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
    assert_eq!(bad, Vec::<String>::new(), "{}", running.text());
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("router   > at=info method=GET path=\"/\""), "{log}");
    for dyno in ["dyno=web.1 ", "dyno=web.2 ", "dyno=web.1-2 ", "dyno=web.2-2 "] {
        assert!(log.contains(dyno), "{dyno} in {log}");
    }
}

#[test]
fn a_command_at_a_terminal_has_it() {
    if !has_program("script") {
        return skip("there is no script(1)");
    }
    let store = Path::new(env!("CARGO_BIN_EXE_slugc"));
    let line = format!(
        "stty rows 33 cols 77; exec {} run {} -- bash -c 'stty size; exec python -q'",
        store.display(),
        slug()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env_clear().envs(&app().env).env("TERM", "dumb");
    let running = Running::start(command.stdin(Stdio::piped()));
    let mut running = running;
    let mut stdin = running.child.stdin.take().unwrap();
    running.wait_for("33 77", 1);
    let mut say = |text: &[u8]| {
        stdin.write_all(text).unwrap();
        stdin.flush().unwrap();
    };
    say(b"import time; print('sle' + 'eping'); time.sleep(60)\n");
    running.wait_for("sleeping", 1);
    thread::sleep(Duration::from_millis(300));
    say(b"\x03");
    running.wait_for("KeyboardInterrupt", 1);
    say(b"import sys; print('size', 6 * 7, sys.stdin.isatty()); sys.exit(5)\n");
    let (code, log) = running.end();
    assert!(log.contains("size 42 True"), "{log}");
    assert_eq!(code, Some(5), "{log}");
}

/// A real gunicorn, with workers by the size of the dyno.
#[test]
#[ignore = "needs PyPI"]
fn gunicorn_is_watched_as_on_heroku() {
    let app = TestApp::online("flask-getting-started");
    let wsgi = "import os, signal, time\n\
        held = []\n\
        def app(environ, start):\n\
        \x20   if environ['PATH_INFO'] == '/eat':\n\
        \x20       held.append(os.urandom(1) * (1200 << 20))\n\
        \x20   if environ['PATH_INFO'] == '/sleep':\n\
        \x20       print('asleep', flush=True)\n\
        \x20       time.sleep(90)\n\
        \x20   start('200 OK', [('Content-Length', '1')])\n\
        \x20   return [os.environ['WEB_CONCURRENCY'].encode()]\n";
    fs::write(app.dir.join("probe.py"), wsgi).unwrap();
    let procfile = "web: gunicorn --graceful-timeout 100 --bind ${BIND-0.0.0.0:$PORT} ${MODULE-probe:app}\n";
    fs::write(app.dir.join("Procfile"), procfile).unwrap();
    app.build(&[]).success();
    let slug = app.slug().to_str().unwrap().to_owned();
    let (port, other) = (free_port(), free_port());
    let (port_text, elsewhere) = (port.to_string(), format!("0.0.0.0:{other}"));
    let web = ["run", &slug, "web", "--port", &port_text, "--size", "basic", "--stop-timeout", "2"];

    let running = Running::start(&mut app.command(&web));
    running.wait_for("State changed from starting to up", 1);
    if can_isolate() {
        assert!(ask(port).unwrap().ends_with("\r\n\r\n2"), "512 MB are enough for two workers");
    }
    // Nobody gets an answer from a worker that is killed.
    let _ = ask_for(port, "/eat");
    let (code, log) = running.end();
    assert_eq!(code, Some(115), "{log}");
    assert!(log.contains("-----> Error R15 (Memory quota vastly exceeded)\n"), "{log}");

    let running = Running::start(&mut app.command(&web));
    running.wait_for("State changed from starting to up", 1);
    let client = thread::spawn(move || ask_for(port, "/sleep"));
    running.wait_for("asleep", 1);
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(112), "{log}");
    assert!(
        log.contains("Error R12 (Exit timeout) -> At least one process failed to exit within 2 seconds"),
        "{log}"
    );
    assert!(!client.join().unwrap().is_ok_and(|answer| answer.contains("200 OK")));

    // Of several workers that fail at once, the second interrupts gunicorn's own way out, which ends with 1 then.
    let alone = ["--set", "MODULE=no_such_module", "--set", "WEB_CONCURRENCY=1"];
    let crash = app.run(&[&web[..], &alone].concat());
    assert_eq!(crash.code, Some(3), "gunicorn's own exit code: {}", crash.stderr);

    for (bind, expected) in [
        ("127.0.0.1:$PORT", format!("The web process listens on 127.0.0.1:{port}, which only this machine")),
        (elsewhere.as_str(), format!("It listens on {elsewhere} instead.")),
    ] {
        let bind = format!("BIND={}", bind.replace("$PORT", &port_text));
        let ran = app.run(&[&web[..], &["--boot-timeout", "6", "--set", &bind]].concat());
        assert_eq!(ran.code, Some(110), "{}", ran.stderr);
        assert!(
            ran.stderr.contains("Error R10 (Boot timeout) -> Web process failed to bind"),
            "{}",
            ran.stderr
        );
        let words = flowing(&ran.stderr);
        assert!(words.contains(&expected), "{words}");
    }
}

/// A real server of WebSockets on two dynos, and clients that talk to both through the router.
#[test]
#[ignore = "needs PyPI"]
fn websockets_get_through_the_router() {
    let app = TestApp::online("flask-getting-started");
    let asgi = "import os\n\
        async def app(scope, receive, send):\n\
        \x20   assert scope['type'] == 'websocket'\n\
        \x20   await receive()\n\
        \x20   await send({'type': 'websocket.accept'})\n\
        \x20   while (message := await receive())['type'] == 'websocket.receive':\n\
        \x20       await send({'type': 'websocket.send', 'text': os.environ['DYNO'] + ' ' + message['text']})\n";
    fs::write(app.dir.join("chat.py"), asgi).unwrap();
    fs::write(app.dir.join("requirements.txt"), "uvicorn==0.35.0\nwebsockets==15.0.1\n").unwrap();
    fs::write(app.dir.join("Procfile"), "web: uvicorn chat:app --host 0.0.0.0 --port $PORT\n").unwrap();
    app.build(&[]).success();
    let (port, slug) = (free_port(), app.slug());
    let arguments = ["run", slug.to_str().unwrap(), "--formation", "web=2", "--port", &port.to_string()];
    let running = Running::start(&mut app.command(&arguments));
    running.wait_for("> State changed from starting to up", 2);
    let mut clients: Vec<_> = (0..4)
        .map(|_| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            tungstenite::client(format!("ws://127.0.0.1:{port}/chat"), stream).unwrap().0
        })
        .collect();
    let mut answers = std::collections::BTreeSet::new();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(tungstenite::Message::text(format!("hello {number}"))).unwrap();
        let answer = client.read().unwrap().into_text().unwrap();
        let (dyno, echo) = answer.split_once(' ').unwrap();
        assert_eq!(echo, format!("hello {number}"));
        answers.insert(dyno.to_owned());
    }
    assert_eq!(answers.into_iter().collect::<Vec<_>>(), ["web.1", "web.2"]);
    running.signal(Signal::TERM);
    let (code, log) = running.end();
    assert_eq!(code, Some(0), "{log}");
    assert_eq!(log.matches("path=\"/chat\"").count(), 4, "a line for each connection: {log}");
}

/// Asks for a page and returns the whole answer.
fn ask_for(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    stream.write_all(
        format!("GET {path} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

// Y02: however a process ends before it works, the end has Heroku's name, the finding of `slugc check`, and the way on.
#[test]
fn a_crash_at_boot_ends_with_its_name_its_cause_and_the_way_on() {
    for (process, command, code, expected) in [
        (
            "web",
            "python serve.py",
            1,
            &["Error H10 (App crashed)", "status 1", "It raised RuntimeError: no luck", "serve.py:1"][..],
        ),
        (
            "web",
            "python keys.py",
            1,
            &["Error H10", "It raised KeyError: 'NOPE2'", "keys.py:3", "--set NOPE2=VALUE"],
        ),
        (
            "worker",
            "python -u keys.py",
            1,
            &["App crashed", "KeyError: 'NOPE2'", "keys.py:3", "--set NOPE2=VALUE"],
        ),
        ("web", "sh -c 'exit 4'", 4, &["Error H10", "slugc check SLUG --boot"]),
        ("web", "python -c 'import os; os.kill(os.getpid(), 11)'", 139, &["Error H10", "signal 11"]),
        ("web", "gunicorn wsgi:app", 127, &["Error H10", "command::not-installed", "gunicorn"]),
        ("web", "python broken.py", 1, &["Error H10", "app::syntax-error", "broken.py:1"]),
        ("web", "./serve.py", 126, &["Error H10", "command::not-executable"]),
        (
            "worker",
            "celery -A work worker || exit 5",
            5,
            &["App crashed", "command::not-installed", "celery"],
        ),
        ("worker", "python nowhere.py", 2, &["App crashed", "command::file-not-found"]),
        ("release", "python broken.py", 1, &["App crashed", "app::syntax-error"]),
    ] {
        let app = TestApp::new(&[
            ("requirements.txt", ""),
            ("Procfile", &format!("{process}: {command}\nother: python lacking.py\n")),
            ("serve.py", "raise RuntimeError('no luck')\n"),
            ("keys.py", "import os\n\nKEY = os.environ['NOPE2']\n"),
            // What another process type would run explains nothing.
            ("lacking.py", "import nothere_a\n"),
            ("wsgi.py", "app = None\n"),
            ("broken.py", "def f(:\n"),
        ]);
        app.build(&[]).success();
        let run = app.run(&["run", "slug.tgz", process]);
        let text = format!("{}{}", run.stdout, run.stderr);
        assert_eq!(run.code, Some(code), "{command}: {text}");
        let more = if process == "web" { "slugc explain H10" } else { "slugc explain run::crashed" };
        assert!(!text.contains("nothere_a"), "{command}: {text}");
        for words in expected.iter().chain(&[more]) {
            assert!(text.contains(words), "{command}: no `{words}` in {text}");
        }
    }
}

/// A slug that needs no build.
fn slug_of(app: &TestApp, procfile: &str) -> String {
    let files = [("Procfile".to_owned(), procfile.as_bytes().to_vec())];
    crate::slugs::write_slug(&app.out.join("slug.tgz"), &files, "./app").to_str().unwrap().to_owned()
}

// Y10
#[test]
fn a_port_that_is_taken_is_told_before_anything_is_started() {
    let app = TestApp::new(&[]);
    let slug = slug_of(&app, "web: echo sta''rted\nworker: echo sta''rted\nrelease: echo sta''rted\n");
    let taken = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let vars = format!("PORT={port}");
    for (arguments, id) in [
        (&["--port", &port][..], "run::port-taken"),
        (&["worker", "--port", &port], "run::port-taken"),
        (&["--set", &vars], "run::port-taken"),
        (&["--release", "--port", &port], "run::port-taken"),
        (&["--port", &port, "--", "echo sta''rted"], "run::port-taken"),
        (&["--router", "--port", &port], "router::port-taken"),
        (&["--release", "--formation", "web=1", "--port", &port], "router::port-taken"),
    ] {
        for isolation in [&["--no-isolate"][..], &[]] {
            let ran = app.run(&[&["run", &slug], isolation, arguments].concat()).failure(id);
            assert!(!ran.stdout.contains("started"), "{arguments:?}: {}", ran.stdout);
            assert!(ran.stderr.contains(&port), "{arguments:?}: {}", ran.stderr);
            assert_eq!(ran.code, Some(3), "{arguments:?}: {}", ran.stderr);
        }
    }
    // Nobody has asked for it.
    for arguments in [&["worker", "--set", &vars][..], &["worker"], &["web"]] {
        let ran = app.run(&[&["run", &slug, "--no-isolate"], arguments].concat());
        assert!(ran.stdout.contains("started"), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    }
}

// Y11, Y14
#[test]
fn a_wrong_word_is_answered_by_the_right_one() {
    let app = TestApp::new(&[]);
    let slug = slug_of(&app, "web: true\nworker: true\nclock: true\n");
    for (words, expected) in [
        (&["worke"][..], "Is \"worker\" meant?"),
        (&["wbe"], "Is \"web\" meant?"),
        (&["clcok"], "Is \"clock\" meant?"),
        (&["--formation", "worke=2"], "Is \"worker\" meant?"),
        (&["--formation", "web=1,clok=1"], "Is \"clock\" meant?"),
        (&["python", "--version"], "-- python --version For more"),
        (&["python", "manage.py", "migrate"], "-- python manage.py migrate For more"),
        (&["bash", "-c", "echo a b"], "-- bash -c 'echo a b' For more"),
    ] {
        let ran = app.run(&[&["run", &slug], words].concat());
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""), "{words:?}: {}", ran.stderr);
        let told = flowing(&ran.stderr);
        assert!(told.contains(expected), "{words:?}: {}", ran.stderr);
    }
    for words in [&["python"][..], &["--formation", "queue=1"]] {
        let ran = app.run(&[&["run", &slug], words].concat()).failure("run::no-such-process-type");
        assert!(!ran.stderr.contains("meant?"), "{words:?}: {}", ran.stderr);
    }
    // What is given so is what works.
    let ran = app.run(&["run", &slug, "--no-isolate", "--", "bash", "-c", "echo a b"]).success();
    assert_eq!(ran.stdout, "a b\n");
}

/// Y14: the advice is for this slug, or for what was named in its place, and these words.
#[test]
fn what_cannot_be_run_is_answered_by_the_line_that_works_here() {
    let app = TestApp::new(&[("requirements.txt", ""), ("Procfile", "web: true\nworker: true\n")]);
    let slug = slug_of(&app, "web: true\n");
    let dir = app.dir.to_str().unwrap().to_owned();
    let absent = format!("{dir}/none.tgz");
    for (arguments, id, expected) in [
        (&["run", &slug, "bash"][..], "run::no-such-process-type", format!("slugc run {slug} -- bash")),
        (&["run", &dir, "bash"], "slug::not-a-slug", format!("slugc build {dir} slugc run slug.tgz -- bash")),
        (
            &["run", &dir, "worker"],
            "slug::not-a-slug",
            format!("slugc build {dir} slugc run slug.tgz worker"),
        ),
        (&["run", &dir], "slug::not-a-slug", format!("slugc build {dir} slugc run slug.tgz")),
        (
            &["run", &dir, "--", "sh", "-c", "echo a b"],
            "slug::not-a-slug",
            format!("slugc build {dir} slugc run slug.tgz -- sh -c 'echo a b'"),
        ),
        (
            &["run", &absent, "bash"],
            "slug::not-a-slug",
            format!("slugc build . -o {absent} slugc run {absent} -- bash"),
        ),
        (&["run", &absent, "bash"], "slug::not-a-slug", "No such file or directory".to_owned()),
        (
            &["run", "no-slug.tgz", "web"],
            "slug::not-a-slug",
            "slugc build . -o no-slug.tgz slugc run no-slug.tgz".to_owned(),
        ),
    ] {
        let ran = app.run(arguments).failure(id);
        assert_eq!(ran.code, Some(2), "{arguments:?}");
        let told = flowing(&ran.stderr);
        assert!(told.contains(&expected), "{arguments:?}: {}", ran.stderr);
    }
    // The slug was forgotten.
    fs::copy(&slug, app.out.join("slug.tgz")).unwrap();
    for (word, expected) in [("web", "slugc run slug.tgz web"), ("bash", "slugc run slug.tgz bash")] {
        let told = run(app.command(&["run", word]).current_dir(&app.out)).failure("slug::not-a-slug");
        assert!(flowing(&told.stderr).contains(expected), "{word}: {}", told.stderr);
    }
}

// Y04, S12: the router lets only this machine in unless it is told otherwise, and says https if it is told to.
#[test]
fn the_router_listens_where_it_is_told_and_says_https_if_it_is_told() {
    const ECHO: &str = "import http.server, os\n\nclass Handler(http.server.BaseHTTPRequestHandler):\n    \
        def do_GET(self):\n        body = f\"{self.headers['X-Forwarded-Proto']} {self.headers['X-Forwarded-Port']}\".encode()\n        \
        self.send_response(200)\n        self.send_header('Content-Length', str(len(body)))\n        \
        self.end_headers()\n        self.wfile.write(body)\n\n\
        http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()\n";
    let app = TestApp::new(&[
        ("requirements.txt", ""),
        ("Procfile", "web: exec python echo.py\n"),
        ("echo.py", ECHO),
    ]);
    app.build(&[]).success();
    let places = ["127.0.0.1", "127.0.0.2", "[::1]"];
    for (arguments, open, https) in [
        (&["--router"][..], &["127.0.0.1"][..], false),
        (&["--https"], &["127.0.0.1"], true),
        (&["--formation", "web=1"], &["127.0.0.1"], false),
        (&["--https", "--host", "0.0.0.0"], &["127.0.0.1", "127.0.0.2"], true),
        (&["--host", "::1"], &["[::1]"], false),
    ] {
        let port = free_port();
        let (slug, number) = (app.slug(), port.to_string());
        let common = ["run", slug.to_str().unwrap(), "--port", &number];
        let running = Running::start(&mut app.command(&[&common[..], arguments].concat()));
        running.wait_for("State changed from starting to up", 1);
        let connects = |place: &&str| TcpStream::connect(format!("{place}:{port}")).is_ok();
        let found: Vec<&str> = places.into_iter().filter(connects).collect();
        assert_eq!(found, open, "{arguments:?}: {}", running.text());
        let mut stream = TcpStream::connect(format!("{}:{port}", open[0])).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let expected = if https { "https 443".to_owned() } else { format!("http {port}") };
        assert!(answer.ends_with(&expected), "{arguments:?}: {answer}");
        running.signal(Signal::TERM);
        running.end();
    }
    assert_eq!(app.run(&["run", "slug.tgz", "--host", "nowhere"]).code, Some(2));
}

// Y12
#[test]
fn a_dotenv_that_is_not_read_is_named() {
    let app = TestApp::new(&[(".env", "A=1\n")]);
    let slug = slug_of(&app, "worker: test -z \"$A\"\n");
    let hint = "`.env` is here and isn't read.";
    for (command, directory, extra, is_told) in [
        (&["run", &slug, "worker", "--no-isolate"][..], &app.dir, &[][..], true),
        (&["run", &slug, "--no-isolate", "--", "true"], &app.dir, &[], true),
        (&["check", &slug, "--static"], &app.dir, &[], true),
        (&["run", &slug, "worker", "--no-isolate"], &app.out, &[], false),
        (&["run", &slug, "--no-isolate", "--", "true"], &app.dir, &["--env-file", ".env"], false),
        (&["check", &slug, "--static"], &app.dir, &["--set", "B=2"], false),
    ] {
        let (command, rest) = command.split_at(2);
        let ran = run(app.command(&[command, extra, rest].concat()).current_dir(directory));
        let told = ran.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(told.matches(hint).count(), usize::from(is_told), "{command:?} {extra:?}: {}", ran.stderr);
        if command[0] == "run" {
            assert_eq!(ran.code, Some(0), "{command:?}: {}{}", ran.stdout, ran.stderr);
        }
    }
}
