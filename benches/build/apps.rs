//! The apps that are built: a small one, one with many dependencies, one with many files, or the user's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::measure::must;

/// An app, in a directory where it may be changed.
pub(crate) struct App {
    /// What it is, for the table.
    pub(crate) title: String,
    /// Where it is.
    pub(crate) dir: PathBuf,
    /// How often everything is done unless the user says otherwise.
    pub(crate) runs: usize,
    /// A requirement that is upgraded: what is written, and what is written instead.
    pub(crate) upgrade: Option<(&'static str, &'static str)>,
    /// Whether an empty store is to be so many times as fast as by hand.
    pub(crate) is_medium: bool,
    /// Whether the peak of the memory counts.
    pub(crate) is_large: bool,
    requirements: String,
}

/// The file in which a line changes.
const CHANGED: &str = "changed.py";

/// What a shop with an API, workers and some reports has.
const MEDIUM: &str = include_str!("medium.txt");

/// A hundred directories of a thousand files of 20 KB on average: 2 GB.
const LARGE: (usize, usize, u64) = (100, 1000, 20_000);

impl App {
    /// Makes the app of this name below a directory.
    pub(crate) fn make(name: &str, work: &Path) -> Self {
        let dir = work.join("app");
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/flask-getting-started");
        let copy = |from: &Path| must(Command::new("cp").arg("-a").arg(from).arg(&dir));
        let mut app = Self {
            title: String::new(),
            dir: dir.clone(),
            runs: 3,
            upgrade: None,
            is_medium: name == "m",
            is_large: name == "l",
            requirements: String::new(),
        };
        match name {
            "s" => {
                copy(&fixture);
                app.title = "S: Flask and gunicorn".to_owned();
                // It is what every change of slugc is measured with.
                app.runs = 2;
                app.upgrade = Some(("click==8.1.7", "click==8.1.8"));
            }
            "m" => {
                fs::create_dir(&dir).unwrap();
                fs::write(dir.join("requirements.txt"), MEDIUM).unwrap();
                fs::write(dir.join("Procfile"), "web: gunicorn wsgi\n").unwrap();
                fs::write(dir.join("wsgi.py"), "from django.core.wsgi import get_wsgi_application\n")
                    .unwrap();
                app.title =
                    format!("M: Django, Celery, pandas and others, {} requirements", MEDIUM.lines().count());
                app.upgrade = Some(("django==5.1.5", "django==5.1.6"));
            }
            "l" => {
                copy(&fixture);
                fill(&dir.join("data"));
                let (dirs, files, average) = LARGE;
                let bytes = dirs as u64 * files as u64 * average;
                app.title =
                    format!("L: the files of S, and {} more of {} GB", dirs * files, bytes / 1_000_000_000);
                app.upgrade = Some(("click==8.1.7", "click==8.1.8"));
                app.runs = 2;
            }
            named => {
                let named = fs::canonicalize(named).expect("it isn't a directory");
                assert!(named.join("requirements.txt").is_file(), "it has no requirements.txt");
                copy(&named);
                app.title = named.file_name().unwrap_or_default().display().to_string();
            }
        }
        app.requirements = fs::read_to_string(dir.join("requirements.txt")).unwrap();
        app.change_a_line(0);
        app
    }

    /// Changes one line of the app.
    pub(crate) fn change_a_line(&self, number: usize) {
        fs::write(self.dir.join(CHANGED), format!("# A line of the app.\nNUMBER = {number}\n")).unwrap();
    }

    /// Requires one more distribution.
    pub(crate) fn add(&self, requirement: &str) {
        self.require(&format!("{}\n{requirement}\n", self.requirements.trim_end()));
    }

    /// Requires another version of one distribution.
    pub(crate) fn upgrade(&self, from: &str, to: &str) {
        assert!(self.requirements.contains(from), "{from}");
        self.require(&self.requirements.replace(from, to));
    }

    /// Requires what it did at first.
    pub(crate) fn reset_requirements(&self) {
        self.require(&self.requirements);
    }

    fn require(&self, requirements: &str) {
        fs::write(self.dir.join("requirements.txt"), requirements).unwrap();
    }

    /// Returns the file that names a version of Python, and what it says now.
    pub(crate) fn version_file(&self) -> (PathBuf, Option<Vec<u8>>) {
        let file = self.dir.join(".python-version");
        let text = fs::read(&file).ok();
        (file, text)
    }
}

/// Writes many files, the same every time: every second one doesn't compress, the others do well.
fn fill(data: &Path) {
    let (dirs, files, average) = LARGE;
    let mut random = Random(20_260_101);
    let mut content = Vec::new();
    for dir in 0..dirs {
        let dir = data.join(format!("{dir:03}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..files {
            let length = (random.next() % (2 * average)) as usize;
            content.clear();
            while content.len() < length {
                let number = random.next();
                if file % 2 == 0 {
                    content.extend_from_slice(&number.to_le_bytes());
                } else {
                    content.extend_from_slice(WORDS[number as usize % WORDS.len()].as_bytes());
                }
            }
            content.truncate(length);
            fs::write(dir.join(format!("{file:04}.dat")), &content).unwrap();
        }
    }
}

const WORDS: &[&str] = &[
    "slug ",
    "dyno ",
    "router ",
    "a process type ",
    "and ",
    "the ",
    "buildpack ",
    "layer ",
    "of ",
    "is ",
    "in a ",
    "segment ",
    "wheel ",
    "requirement ",
    "\n",
    "def render(self):\n    ",
    "return ",
    "0",
    "1",
    ", ",
    "(",
    ")",
];

/// Xorshift: any generator will do that is the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}
