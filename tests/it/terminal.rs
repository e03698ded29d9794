//! What is on the screen at the end: the program at a pseudo-terminal, its bytes read by a terminal emulator.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::support::TestApp;

const APP: &[(&str, &str)] = &[
    ("requirements.txt", ""),
    ("Procfile", "web: python3 -m http.server $PORT\nhello: echo hello from the dyno\n"),
    ("app.py", "x = 1\n"),
];

/// How many lines of history the emulator keeps: more than any run writes.
const LINES: usize = 5_000;

/// A run at a terminal.
struct Shown {
    code: Option<i32>,
    /// Every line that is on the screen or was scrolled out of it.
    text: String,
    /// Whether a bar was drawn at any time.
    had_bar: bool,
    /// The end of the run's bytes.
    raw: Vec<u8>,
}

/// Words that only bars have.
const OF_BARS: &[&str] = &["░", "█", "⠁", "B/s", "⠋", "⠙", "⠹", "⠸", "⠼", "⠴"];

impl Shown {
    #[track_caller]
    fn has_no_bar(self, what: &str) -> Self {
        for word in OF_BARS {
            assert!(!self.text.contains(word), "{what} left `{word}` on the screen:\n{}", self.text);
        }
        for line in self.text.lines() {
            let line = line.trim();
            let is_label = |label: &str| {
                line.strip_prefix(label)
                    .is_some_and(|rest| rest.trim_start().trim_end_matches(['s', 'm']).parse::<u32>().is_ok())
            };
            let labels = [
                "Unpacking",
                "Reading",
                "Compiling bytecode",
                "Compressing",
                "Copying Python",
                "Verifying",
                "Fetching uv",
            ];
            assert!(!labels.into_iter().any(is_label), "{what} left `{line}` on the screen:\n{}", self.text);
        }
        // The cursor is shown again, if it was hidden at all.
        let hidden = self.raw.windows(6).rposition(|bytes| bytes == b"\x1b[?25l");
        let shown = self.raw.windows(6).rposition(|bytes| bytes == b"\x1b[?25h");
        assert!(hidden <= shown, "{what} left the cursor hidden");
        self
    }
}

/// Runs the program at a terminal of so many columns. Once `interrupt_at` is among what it wrote, it gets a signal.
fn at_terminal(app: &TestApp, columns: u16, args: &[&str], interrupt_at: Option<&str>) -> Shown {
    const ROWS: u16 = 30;
    let main = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&main).unwrap();
    unlockpt(&main).unwrap();
    tcsetwinsize(&main, Winsize { ws_row: ROWS, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
    let name = ptsname(&main, Vec::new()).unwrap().into_string().unwrap();
    let terminal: OwnedFd = File::options().read(true).write(true).open(name).unwrap().into();
    let mut command: Command = app.command(args);
    command.env("TERM", "xterm-256color").env_remove("CI");
    command.stdin(Stdio::null()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
    let mut child = command.spawn().unwrap();
    // Else this process would hold the terminal open, and its end would never come.
    drop(command);
    let (mut raw, mut piece, mut is_interrupted) = (Vec::new(), [0; 4096], false);
    let mut reader = File::from(main);
    let begun = Instant::now();
    // A terminal that nobody has open any more fails.
    while let Ok(length) = reader.read(&mut piece) {
        if length == 0 {
            break;
        }
        raw.extend_from_slice(&piece[..length]);
        if let Some(text) = interrupt_at
            && !is_interrupted
            && raw.windows(text.len()).any(|bytes| bytes == text.as_bytes())
        {
            is_interrupted = true;
            let _ = kill_process(Pid::from_child(&child), Signal::INT);
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "{args:?} goes on for ever");
    }
    let code = child.wait().unwrap().code();
    let mut emulator = vt100::Parser::new(ROWS.try_into().unwrap(), columns.try_into().unwrap(), LINES);
    let mut had_bar = false;
    for piece in raw.chunks(64) {
        emulator.process(piece);
        had_bar = had_bar || OF_BARS.iter().any(|word| emulator.screen().contents().contains(word));
    }
    let text = whole_text(&mut emulator, ROWS);
    Shown { code, text, had_bar, raw }
}

/// Returns the lines that were scrolled out and those on the screen.
fn whole_text(emulator: &mut vt100::Parser, rows: u16) -> String {
    emulator.screen_mut().set_scrollback(usize::MAX);
    let mut left = emulator.screen().scrollback();
    let mut lines: Vec<String> = Vec::new();
    let columns = emulator.screen().size().1.get();
    while left > 0 {
        emulator.screen_mut().set_scrollback(left);
        let taken = left.min(usize::from(rows));
        lines.extend(emulator.screen().rows(0, columns).take(taken));
        left -= taken;
    }
    emulator.screen_mut().set_scrollback(0);
    lines.extend(emulator.screen().rows(0, columns));
    lines.join("\n")
}

// T01
#[test]
fn progress_leaves_nothing_on_the_screen() {
    // Enough to unpack for a bar to be drawn, and a hook so that something is said meanwhile.
    let hook = "for i in 1 2 3; do echo line $i; sleep 0.2; done; head -c 20000000 /dev/urandom > big\n";
    let app = TestApp::new(&[APP, &[("bin/post_compile", hook)]].concat());
    let dir = app.dir.to_str().unwrap().to_owned();
    app.build(&[]).success();
    let mut had_bar = 0;
    for columns in [80, 40, 24, 200] {
        for args in [
            &["build", &dir, "--refresh"][..],
            &["inspect", "slug.tgz"],
            &["diff", "slug.tgz", "slug.tgz"],
            &["run", "slug.tgz", "hello"],
            &["sbom", "slug.tgz"],
            &["cache", "verify"],
        ] {
            // What only some of the widths could show is asked once.
            if columns == 200 && args[0] != "build" {
                continue;
            }
            let what = format!("{args:?} at {columns} columns");
            let shown = at_terminal(&app, columns, args, None).has_no_bar(&what);
            had_bar += u32::from(shown.had_bar);
            if args[0] == "run" {
                assert_eq!(shown.code, Some(0), "{what}\n{}", shown.text);
            }
        }
    }
    assert!(had_bar > 5, "bars were drawn in {had_bar} runs only: is anything tested?");
}

// T01
#[test]
fn an_end_in_the_middle_leaves_nothing_either() {
    let hook =
        "echo in the hook; sleep 1; head -c 30000000 /dev/urandom > big; [ ! -e fails ] || exit 3; sleep 2\n";
    let app = TestApp::new(&[APP, &[("bin/post_compile", hook)]].concat());
    let dir = app.dir.to_str().unwrap().to_owned();
    let build = ["build", dir.as_str(), "--refresh"];
    // Ctrl-C in a step, and while a bar is drawn.
    for (interrupt_at, columns) in [("in the hook", 80), ("in the hook", 30), ("Compressing", 80)] {
        let what = format!("{interrupt_at} at {columns} columns");
        let shown = at_terminal(&app, columns, &build, Some(interrupt_at)).has_no_bar(&what);
        assert!([Some(130), Some(0)].contains(&shown.code), "{what}: {:?}\n{}", shown.code, shown.text);
    }
    std::fs::write(app.dir.join("fails"), "").unwrap();
    let shown = at_terminal(&app, 80, &build, None).has_no_bar("a hook that fails");
    assert!(shown.text.contains("hooks::post_compile"), "{}", shown.text);
    std::fs::remove_file(app.dir.join("fails")).unwrap();
    let shown =
        at_terminal(&app, 80, &["build", &dir, "--max-size", "1M"], None).has_no_bar("a slug too large");
    assert!(shown.text.contains("slug::too-large"), "{}", shown.text);
    // A slug that ends in the middle.
    app.build(&[]).success();
    let slug = std::fs::read(app.slug()).unwrap();
    std::fs::write(app.out.join("cut.tgz"), &slug[..slug.len() / 2]).unwrap();
    for args in [&["inspect", "cut.tgz"][..], &["run", "cut.tgz", "hello"], &["diff", "slug.tgz", "cut.tgz"]]
    {
        let shown = at_terminal(&app, 60, args, None).has_no_bar(&format!("{args:?}"));
        assert_ne!(shown.code, Some(0), "{args:?}\n{}", shown.text);
    }
}

// T04
#[test]
fn prose_fits_into_the_terminal() {
    let app =
        TestApp::new(&[APP, &[(".slugignore.post", "a-pattern-that-matches-nothing-in-it\n")]].concat());
    let dir = app.dir.to_str().unwrap().to_owned();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ");
    for columns in [40, 60, 80, 100] {
        let shown = at_terminal(&app, columns, &["build", &dir], None);
        // What the terminal itself breaks goes on in the first column.
        let report: Vec<&str> = shown
            .text
            .lines()
            .skip_while(|line| !line.starts_with("warning[slugignore-post::no-match]:"))
            .enumerate()
            .take_while(|(index, line)| *index == 0 || line.starts_with("  "))
            .map(|(_, line)| line)
            .collect();
        assert!(report.len() > 1, "{}", shown.text);
        let prose = words(&report.join(" "));
        assert!(prose.contains("of .slugignore.post matches nothing in the slug:"), "{columns}: {prose}");
        let shown = at_terminal(&app, columns, &["check", &dir], None);
        // Lines of files may be wider.
        let lines: Vec<&str> = shown.text.lines().collect();
        let full = |line: &str| line.chars().count() == usize::from(columns);
        let broken: Vec<&[&str]> =
            lines.windows(2).filter(|pair| full(pair[0]) && !pair[0].contains(" | ")).collect();
        assert!(broken.is_empty(), "{columns}: {broken:?}\n{}", shown.text);
    }
}
