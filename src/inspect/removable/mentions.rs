//! What the files of a slug name: directories of tests, pip, stubs … What nothing names, nothing needs. Read while the
//! slug is; a name in a comment or a docstring doesn't count.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use regex::Regex;

use super::python_source::PythonSource;

/// What is mentioned, by the path of the file that does.
pub(crate) type Mentions = BTreeMap<Vec<u8>, BTreeSet<Mention>>;

/// The directories in packages that may be there for their developers only.
pub(super) const DIRECTORIES: [&str; 3] = ["tests", "docs", "examples"];

/// A longer source can't be judged.
const LONGEST_SOURCE: usize = 16 << 20;

/// A longer text of the app can't be judged.
const LONGEST_TEXT: usize = 2 << 20;

/// So much of a library is looked at again with what follows.
const OVERLAP: usize = 256;

/// What a file names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mention {
    /// A directory such as `tests`, of whatever it belongs to itself.
    Own(&'static str),
    /// A module, by its dotted name that ends with such a directory.
    Module(String),
    /// Something else.
    Word(Word),
    /// A service of AWS that it talks to; none if that can't be told.
    Service(Option<String>),
    /// It can't be told what it names.
    Unread,
}

/// What may be needed because it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// pip, to be run or imported.
    Pip,
    /// ensurepip or venv.
    Ensurepip,
    /// `.pyi`
    Stubs,
    /// `.po`
    Translations,
    /// `.h`
    Headers,
    /// `.ipynb`
    Notebooks,
    /// `node_modules`
    NodeModules,
    /// git, or `.git`
    Git,
    /// boto3, botocore or what is made of them.
    Boto,
    /// It is an archive of objects for a linker.
    Archive,
}

/// Looks at a file while it is read.
pub(crate) struct Scanner {
    language: Language,
    held: Vec<u8>,
    found: BTreeSet<Mention>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    /// A program in `bin`, which may be Python.
    Program,
    /// Settings, scripts of the shell and pages of the app.
    Text,
    /// Lines such as `name = package.module:function`.
    EntryPoints,
    /// Machine code.
    Library,
    Archive,
    /// Code that can't be read.
    Opaque,
}

impl Scanner {
    /// Returns what looks at a file with this path, if that says anything.
    pub(crate) fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        Some(Self { language: language(path)?, held: Vec::new(), found: BTreeSet::new() })
    }

    /// Takes the next bytes of the file.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let longest = match self.language {
            Language::Library => {
                self.held.extend_from_slice(bytes);
                if MODULE_SIGNS.is_match(&self.held) {
                    modules(&String::from_utf8_lossy(&self.held), &mut self.found);
                }
                let rest = self.held.len().saturating_sub(OVERLAP);
                self.held.drain(..rest);
                return;
            }
            Language::Archive => 8,
            Language::Python => LONGEST_SOURCE,
            _ => LONGEST_TEXT,
        };
        // One more tells that it is longer.
        let room = (longest + 1).saturating_sub(self.held.len());
        self.held.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// Returns what the file names.
    pub(crate) fn finish(mut self) -> BTreeSet<Mention> {
        let found = &mut self.found;
        let text = || String::from_utf8_lossy(&self.held);
        match self.language {
            Language::Library => {}
            Language::Opaque => drop(found.insert(Mention::Unread)),
            Language::Archive if self.held.starts_with(b"!<arch>\n") => {
                found.insert(Mention::Word(Word::Archive));
            }
            Language::Archive => {}
            Language::Python if self.held.len() > LONGEST_SOURCE => drop(found.insert(Mention::Unread)),
            Language::Python => python(&text(), found),
            Language::EntryPoints => modules(&text(), found),
            // Pages and data, and nothing that imports; they may show or load what lies in the app.
            _ if self.held.len() > LONGEST_TEXT => {
                found.extend([Word::Notebooks, Word::NodeModules, Word::Git].map(Mention::Word));
            }
            Language::Program if is_python_program(&self.held) => python(&text(), found),
            Language::Program if !self.held.starts_with(b"#!") => {}
            Language::Program | Language::Text => text_words(&text(), found),
        }
        self.found
    }
}

/// Returns what a command of a process type names.
pub(super) fn of_command(command: &str) -> BTreeSet<Mention> {
    let mut found = BTreeSet::new();
    text_words(command, &mut found);
    modules(command, &mut found);
    found
}

fn language(path: &str) -> Option<Language> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let in_python = path.starts_with(".heroku/python/");
    // What Python brings itself does nothing unless something names it.
    let in_site = crate::python::distribution::split_site_packages(path).is_some();
    if path.starts_with(".heroku/python/lib/") && !in_site {
        return None;
    }
    let in_bin = directory == "bin" || directory.ends_with("/bin");
    Some(match name.rsplit_once('.') {
        Some((_, "py" | "pyw")) => Language::Python,
        Some((_, "so")) => Language::Library,
        Some((_, "a")) => Language::Archive,
        Some((_, "pyc")) if !directory.ends_with("__pycache__") => Language::Opaque,
        Some((_, "egg" | "pyz")) => Language::Opaque,
        _ if name == "entry_points.txt" => Language::EntryPoints,
        _ if in_bin => Language::Program,
        _ if in_python || path.contains("node_modules/") || path.starts_with(".git/") => return None,
        _ if ["package-lock.json", "npm-shrinkwrap.json"].contains(&name) => return None,
        Some((_, "sh" | "json" | "yml" | "yaml" | "toml" | "cfg" | "ini" | "html" | "js" | "mjs" | "ts")) => {
            Language::Text
        }
        None if ["Procfile", "Makefile"].contains(&name) => Language::Text,
        None => Language::Program,
        Some(_) => return None,
    })
}

fn is_python_program(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    head.starts_with(b"#!") && String::from_utf8_lossy(line).contains("python")
        // The long way round a path that is too long for `#!`.
        || head.starts_with(b"#!/bin/sh\n'''exec'")
}

macro_rules! pattern {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Regex> =
            LazyLock::new(|| Regex::new($text).expect("a pattern that a test has compiled"));
    };
}

/// Without any of these a source names nothing that counts.
static SIGNS: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::new([
        "tests",
        "docs",
        "examples",
        "pip",
        "venv",
        ".pyi",
        "attach_stub",
        ".po",
        "pofile",
        "read_po",
        ".h'",
        ".h\"",
        ".hpp",
        "ipynb",
        "node_modules",
        "git",
        "client(",
        "resource(",
        "boto",
    ])
    .expect("a few short words")
});

/// Without any of these a library or a list of entry points names no such module.
static MODULE_SIGNS: LazyLock<AhoCorasick> =
    LazyLock::new(|| AhoCorasick::new([".tests", ".docs", ".examples"]).expect("a few short words"));

pattern!(DOTTED, r"([A-Za-z_][\w.]*)?\.(tests|docs|examples)\b");
pattern!(IMPORTED, r"(?m)^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+)?import[ \t]*(\([^)]*\)|(?:[^\n(\\]|\\\n)*)");
pattern!(IN_STRING, r"(?m)(^|[/\\.}])(tests|docs|examples)($|[/\\.:])");
pattern!(
    RUNS_PROGRAMS,
    r"\b(subprocess|system|popen|Popen|check_call|check_output|call|run|spawn\w*|exec\w*|pexpect|runpy|import_module|__import__|which)\b"
);
pattern!(CLIENT, r"\b(def[ \t]+)?(?:client|resource|create_client)\(\s*([^,)\s]*)([^)]{0,400})");
pattern!(SERVICE_NAME, "service_name\\s*=\\s*(f?)\"([0-9]+)\"");

/// Finds modules by their dotted names, in whatever it is.
fn modules(text: &str, found: &mut BTreeSet<Mention>) {
    for dotted in DOTTED.captures_iter(text) {
        if dotted.get(1).is_some() {
            found.insert(Mention::Module(dotted[0].trim_start_matches('.').to_owned()));
        }
    }
}

fn python(text: &str, found: &mut BTreeSet<Mention>) {
    if !SIGNS.is_match(text) {
        return;
    }
    let source = PythonSource::parse(text);
    directories_in_code(&source.code, found);
    words_in_code(&source.code, found);
    let runs_programs = RUNS_PROGRAMS.is_match(&source.code);
    for string in source.strings.iter().filter(|string| SIGNS.is_match(&format!("{string}'"))) {
        in_string(string, runs_programs, found);
    }
    if text.contains("boto") {
        found.insert(Mention::Word(Word::Boto));
    }
    if text.contains("boto") || text.contains("client(") || text.contains("resource(") {
        services(&source, found);
    }
}

fn directories_in_code(code: &str, found: &mut BTreeSet<Mention>) {
    for dotted in DOTTED.captures_iter(code) {
        let name = name_of(&dotted[2]);
        // `from .tests import x` is about its own.
        found.insert(dotted.get(1).map_or(Mention::Own(name), |_| Mention::Module(dotted[0].to_owned())));
    }
    for import in IMPORTED.captures_iter(code) {
        let from = import.get(1).map_or("", |from| from.as_str());
        let first = from.split('.').next().unwrap_or_default();
        let listed = import[2].split(|letter: char| !(letter.is_alphanumeric() || "_.".contains(letter)));
        for word in listed.chain([first]).map(|word| word.split('.').next().unwrap_or_default()) {
            let Some(name) = DIRECTORIES.into_iter().find(|name| *name == word) else { continue };
            found.insert(match from {
                _ if word == first => Mention::Module(name.to_owned()),
                "" => Mention::Module(name.to_owned()),
                relative if relative.starts_with('.') => Mention::Own(name),
                module => Mention::Module(format!("{module}.{name}")),
            });
        }
    }
}

fn name_of(text: &str) -> &'static str {
    DIRECTORIES.into_iter().find(|name| *name == text).unwrap_or(DIRECTORIES[0])
}

fn words_in_code(code: &str, found: &mut BTreeSet<Mention>) {
    for import in IMPORTED.captures_iter(code) {
        let listed = import.get(1).map_or(&import[2], |from| from.as_str());
        for module in listed.split(',').map(|part| part.trim().split(['.', ' ']).next().unwrap_or_default()) {
            let word = match module {
                "pip" => Word::Pip,
                "ensurepip" | "venv" => Word::Ensurepip,
                "git" | "dulwich" | "pygit2" => Word::Git,
                _ => continue,
            };
            found.insert(Mention::Word(word));
        }
    }
    for (text, word) in
        [("attach_stub", Word::Stubs), ("pofile", Word::Translations), ("read_po", Word::Translations)]
    {
        let mut words = code.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        if code.contains(text) && words.any(|word| word == text) {
            found.insert(Mention::Word(word));
        }
    }
}

fn in_string(string: &str, runs_programs: bool, found: &mut BTreeSet<Mention>) {
    for dotted in DOTTED.captures_iter(string) {
        if dotted.get(1).is_some() {
            found.insert(Mention::Module(dotted[0].to_owned()));
        }
    }
    for part in IN_STRING.captures_iter(string) {
        // `a.tests` is a module's name, which counts as such.
        if &part[1] != "." || part.get(0).is_some_and(|whole| is_bare(string, whole.start())) {
            found.insert(Mention::Own(name_of(&part[2])));
        }
    }
    let is_word = |word: &str| string == word;
    let has = |part: &str| string.contains(part);
    let ends_with_kind = |kind: &str| {
        string.match_indices(kind).any(|(at, _)| {
            !string[at + kind.len()..].starts_with(|letter: char| letter.is_alphanumeric() || letter == '_')
        })
    };
    // In the middle of a text it is advice.
    let is_command =
        has("-m pip") && ["python", "-m pip", "{", "%s"].iter().any(|start| string.starts_with(start));
    let runs_pip = runs_programs
        && (is_word("pip")
            || is_word("pip3")
            || string.starts_with("pip ")
            || has("pip._internal")
            || is_command);
    for (is_there, word) in [
        (runs_pip, Word::Pip),
        (
            is_word("ensurepip")
                || has("-m ensurepip")
                || has("-m venv")
                || (runs_programs && is_word("venv")),
            Word::Ensurepip,
        ),
        (ends_with_kind(".pyi"), Word::Stubs),
        (ends_with_kind(".po") || ends_with_kind(".pot"), Word::Translations),
        (ends_with_kind(".h") || ends_with_kind(".hpp"), Word::Headers),
        (has("ipynb"), Word::Notebooks),
        (has("node_modules"), Word::NodeModules),
        (is_word("git") || string.starts_with("git ") || ends_with_kind(".git"), Word::Git),
    ] {
        if is_there {
            found.insert(Mention::Word(word));
        }
    }
}

/// Tells whether nothing that could be a module's name stands before a place.
fn is_bare(string: &str, at: usize) -> bool {
    !string[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_')
}

/// Finds the services that clients are made for.
fn services(source: &PythonSource, found: &mut BTreeSet<Mention>) {
    let literal = |digits: &str| source.strings.get(digits.parse::<usize>().ok()?).cloned();
    for call in CLIENT.captures_iter(&source.code) {
        let (first, rest) = (&call[2], &call[3]);
        if call.get(1).is_some() || first.is_empty() {
            continue;
        }
        let number = first.strip_prefix('"').and_then(|first| first.strip_suffix('"'));
        let named = || {
            let named = SERVICE_NAME.captures(call.get(0)?.as_str())?;
            named[1].is_empty().then(|| literal(&named[2])).flatten()
        };
        // A piece of a longer string isn't all of it.
        let alone = |_: &&str| rest.trim_start().is_empty() || rest.trim_start().starts_with(',');
        found.insert(Mention::Service(number.filter(alone).and_then(literal).or_else(named)));
    }
}

fn text_words(text: &str, found: &mut BTreeSet<Mention>) {
    let words = text.split(|letter: char| !(letter.is_alphanumeric() || "_.".contains(letter)));
    for word in words {
        let word = match word {
            "pip" | "pip3" => Word::Pip,
            "ensurepip" | "venv" => Word::Ensurepip,
            "git" | ".git" => Word::Git,
            "node_modules" => Word::NodeModules,
            word if word.ends_with("ipynb") => Word::Notebooks,
            _ => continue,
        };
        found.insert(Mention::Word(word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(path: &str, text: &str) -> Vec<Mention> {
        let mut scanner = Scanner::of(path.as_bytes()).unwrap();
        for chunk in text.as_bytes().chunks(7) {
            scanner.feed(chunk);
        }
        let found = scanner.finish().into_iter();
        found.filter(|mention| *mention != Mention::Word(Word::Boto)).collect()
    }

    // B25
    #[test]
    fn what_a_file_names_is_found_and_what_it_only_says_is_not() {
        use Mention::{Module, Own, Service, Unread};
        let module = |name: &str| vec![Module(name.to_owned())];
        let word = |word: Word| vec![Mention::Word(word)];
        for (path, text, expected) in [
            ("a.py", "from .tests import x\n", vec![Own("tests")]),
            ("a.py", "from . import a, tests\n", vec![Own("tests")]),
            ("a.py", "from . import (\n    a,\n    tests,\n)\n", vec![Own("tests")]),
            ("a.py", "from .. import \\\n  docs\n", vec![Own("docs")]),
            ("a.py", "from numpy._core import tests\n", module("numpy._core.tests")),
            ("a.py", "import numpy.tests.x as y\n", module("numpy.tests")),
            ("a.py", "import tests\n", module("tests")),
            ("a.py", "from tests.x import y\n", module("tests")),
            ("a.py", "import_module('pandas.tests.io')\n", module("pandas.tests")),
            ("a.py", "p = f'{name}.tests'\n", vec![Own("tests")]),
            ("a.py", "p = join(here, 'tests', 'data')\n", vec![Own("tests")]),
            ("a.py", "p = here + '/tests/data'\n", vec![Own("tests")]),
            ("a.py", "p = 'examples/a.json'\n", vec![Own("examples")]),
            ("a.py", "# from .tests import x\n", vec![]),
            ("a.py", "'''Run the tests/x or a.tests.'''\n", vec![]),
            ("a.py", "x = 'all tests pass.'\ntests = [1]\n", vec![]),
            ("a.py", "import pip\n", word(Word::Pip)),
            ("a.py", "from pip._internal import main\n", word(Word::Pip)),
            ("a.py", "import subprocess\nsubprocess.run([p, '-m', 'pip', 'install'])\n", word(Word::Pip)),
            ("a.py", "raise E('run `pip install x`')\n", vec![]),
            ("a.py", "import subprocess\nx = 'Try `python -m pip install x`'\n", vec![]),
            ("a.py", "import os\nos.system('python -m pip install x')\n", word(Word::Pip)),
            ("a.py", "names = ['setuptools', 'pip']\n", vec![]),
            ("a.py", "import venv\n", word(Word::Ensurepip)),
            ("a.py", "x, y = lazy.attach_stub(__name__, __file__)\n", word(Word::Stubs)),
            ("a.py", "if name.endswith('.po'):\n", word(Word::Translations)),
            ("a.py", "open('defs.h')\n", word(Word::Headers)),
            ("a.py", "x = 'www.host'\n", vec![]),
            ("a.py", "DIRS = [BASE / 'node_modules']\n", word(Word::NodeModules)),
            ("a.py", "run(['git', 'rev-parse'])\n", word(Word::Git)),
            ("a.py", "load('a.ipynb')\n", word(Word::Notebooks)),
            ("a.py", "boto3.client('s3')\n", vec![Service(Some("s3".into()))]),
            ("a.py", "boto3.resource(\n  service_name=\"sqs\", x=1)\n", vec![Service(Some("sqs".into()))]),
            ("a.py", "boto3.client(x, service_name='sqs')\n", vec![Service(Some("sqs".into()))]),
            ("a.py", "session.client(name)\n", vec![Service(None)]),
            ("a.py", "boto3.client(f'{x}s3')\n", vec![Service(None)]),
            ("a.py", "boto3.client('s' + x)\n", vec![Service(None)]),
            ("a.py", "boto3.client(**config)\n", vec![Service(None)]),
            ("a.py", "def client(self):\n  return app.test_client(x)\n", vec![]),
            ("Procfile", "web: sh -c 'pip install x'\n", word(Word::Pip)),
            ("settings.json", "{\"x\": \"node_modules/y\"}", word(Word::NodeModules)),
            ("bin/start", "#!/bin/sh\ngit rev-parse HEAD\n", word(Word::Git)),
            ("bin/start", "#!/usr/bin/env python3\nfrom a.tests import b\n", module("a.tests")),
            ("x/entry_points.txt", "[console_scripts]\nt = a.b.tests.run:main\n", module("a.b.tests")),
            ("a/x.so", "\u{0}\u{1}__pyx_a.core.tests.util\u{0}", module("__pyx_a.core.tests")),
            ("a/x.pyc", "", vec![Unread]),
            ("a/x.a", "!<arch>\nx", word(Word::Archive)),
            ("a/x.a", "text", vec![]),
        ] {
            assert_eq!(of(path, text), expected, "{path}: {text:?}");
        }
        assert!(Scanner::of(b"a/__pycache__/x.cpython-312.pyc").is_none());
        assert!(Scanner::of(b"logo.png").is_none());
    }

    #[test]
    fn a_name_is_found_wherever_the_reads_of_a_library_cut_it() {
        for before in 0..40 {
            let text = format!("{}\u{0}pack.tests.x\u{0}{}", "x".repeat(before), "y".repeat(600));
            // A piece of the name may be there, too: it names nothing else.
            assert!(of("a.so", &text).contains(&Mention::Module("pack.tests".to_owned())), "{before}");
        }
    }
}
