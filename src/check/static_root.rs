//! The line that sets STATIC_ROOT: one that works in the settings that the app has.

use super::code::Code;
use super::django::{Set, Setting, Settings};

/// Names that settings give to the directory of the app, in the order in which they are looked for.
const BASES: &[&str] = &[
    "BASE_DIR",
    "PROJECT_ROOT",
    "ROOT_DIR",
    "PROJECT_DIR",
    "BASE_PATH",
    "PROJECT_PATH",
    "ROOT_PATH",
    "SITE_ROOT",
    "DJANGO_ROOT",
    "ROOT",
    "BASE",
    "HERE",
];

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text.
    Text,
    /// A path of pathlib's.
    Path,
}

/// Returns the lines that set STATIC_ROOT at the end of the settings; `root` is the directory with manage.py.
pub(super) fn lines_for_static_root(code: &Code<'_>, settings: &Settings<'_>, root: &str) -> String {
    let file = &settings.file;
    let base = BASES.iter().find_map(|name| match settings.setting(name) {
        Setting::Is(set) => Some((*name, kind_of(code, &set)?)),
        _ => None,
    });
    let base = base.filter(|_| !hides_names(code, settings));
    // In a text, as WhiteNoise before 6.0 takes no path.
    let join = |base: &str| {
        let import = if imports_os(code, file) { "" } else { "import os\n" };
        format!("{import}STATIC_ROOT = os.path.join({base}, \"staticfiles\")")
    };
    match base {
        Some((name, Kind::Path)) => format!("STATIC_ROOT = {name} / \"staticfiles\""),
        Some((name, Kind::Text)) => join(name),
        None => {
            let below = file.strip_prefix(root).unwrap_or(file).trim_start_matches('/');
            let up = below.matches('/').count() + 1;
            let dir = format!("{}os.path.abspath(__file__){}", "os.path.dirname(".repeat(up), ")".repeat(up));
            join(&dir)
        }
    }
}

/// Returns what a value is, if its text shows it for certain.
fn kind_of(code: &Code<'_>, set: &Set) -> Option<Kind> {
    const TEXTS: &[&str] = &["os.path.", "str(", "dirname(", "abspath(", "realpath(", "normpath(", "join("];
    let value = set.assignment.value.as_str();
    if set.assignment.string.is_some() || TEXTS.iter().any(|start| value.starts_with(start)) {
        // A part of a longer expression isn't what the variable holds.
        let is_whole = set.assignment.string.is_some() || is_one_call(value);
        return is_whole.then_some(Kind::Text);
    }
    let module = code.module(&set.file)?;
    let has_pathlib = module.imports.iter().any(|import| import.module == "pathlib" && import.certain);
    let is_path = has_pathlib && ["Path(", "pathlib.Path("].iter().any(|start| value.starts_with(start));
    match value {
        _ if !is_path => None,
        _ if value.ends_with(".as_posix()") => Some(Kind::Text),
        _ => {
            let end = value.rfind(").").map_or(value.len(), |at| at + 1);
            let last = &value[end..];
            let stays = |part: &str| {
                ["", "parent", "resolve()", "absolute()"].contains(&part)
                    || (part.starts_with("parents[") && part.ends_with(']'))
            };
            last.split('.').all(stays).then_some(Kind::Path)
        }
    }
}

/// Returns whether a text is one call and nothing more.
fn is_one_call(value: &str) -> bool {
    let mut depth = 0_usize;
    for (at, letter) in value.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return at + 1 == value.len();
        }
    }
    false
}

fn imports_os(code: &Code<'_>, file: &str) -> bool {
    let Some(module) = code.module(file) else { return false };
    let is_os = |name: &str| name == "os" || name == "os.path";
    module.names.contains("os")
        && module.imports.iter().any(|import| {
            import.certain
                && import.names.is_empty()
                && is_os(&import.module)
                && !module.stars.contains(&import.module)
        })
}

/// Returns whether a file of the settings keeps names from those that take them all over.
fn hides_names(code: &Code<'_>, settings: &Settings<'_>) -> bool {
    settings
        .family()
        .iter()
        .filter_map(|file| code.module(file))
        .any(|module| module.names.contains("__all__"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::facts::Facts;
    use crate::check::tests::app;

    // C13
    #[test]
    fn the_line_works_in_the_settings_that_there_are() {
        const OS: &str = "STATIC_ROOT = os.path.join(BASE_DIR, \"staticfiles\")";
        const UP: &str = "STATIC_ROOT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), \"staticfiles\")";
        let with_import = |line: &str| format!("import os\n{line}");
        let files = |settings: &str, more: &[(&str, &str)]| {
            let manage = "import os\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'mysite.settings')\n";
            let own = [("manage.py", manage), ("mysite/__init__.py", ""), ("mysite/settings.py", settings)];
            app(&[&own[..], more].concat())
        };
        let line = |facts: &Facts| {
            let code = Code::new(facts);
            let settings = Settings::of_manage_py(facts, &code, "manage.py").unwrap();
            lines_for_static_root(&code, &settings, "")
        };
        let base = "from pathlib import Path\nROOT_DIR = Path(__file__).resolve().parents[1]\n";
        let hidden = "__all__ = ['DEBUG']\nimport os\nBASE_DIR = os.path.dirname(__file__)\n";
        for (settings, expected) in [
            (
                "from pathlib import Path\nBASE_DIR = Path(__file__).resolve().parent.parent\n",
                "STATIC_ROOT = BASE_DIR / \"staticfiles\"".to_owned(),
            ),
            (
                "import os\nBASE_DIR = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n",
                OS.to_owned(),
            ),
            ("import os.path\nBASE_DIR = os.path.dirname(__file__)\n", OS.to_owned()),
            ("from os.path import dirname\nBASE_DIR = dirname(dirname(__file__))\n", with_import(OS)),
            ("import pathlib\nBASE_DIR = str(pathlib.Path(__file__).parent)\n", with_import(OS)),
            ("from pathlib import Path\nBASE_DIR = Path(__file__).parent.as_posix()\n", with_import(OS)),
            (
                "import os\nPROJECT_ROOT = os.path.dirname(__file__)\n",
                "STATIC_ROOT = os.path.join(PROJECT_ROOT, \"staticfiles\")".to_owned(),
            ),
            ("import os\nimport sys\n", UP.to_owned()),
            ("DEBUG = True\n", with_import(UP)),
            ("import os as system\n", with_import(UP)),
            // None of these is known to be a text or a path.
            ("import environ\nROOT_DIR = environ.Path(__file__) - 2\n", with_import(UP)),
            ("from unipath import Path\nBASE_DIR = Path(__file__).ancestor(3)\n", with_import(UP)),
            ("from path import Path\nBASE_DIR = Path(__file__).parent\n", with_import(UP)),
            ("import os\nBASE_DIR = os.path.abspath(__file__).split('/')\n", UP.to_owned()),
            ("if X:\n    BASE_DIR = 'x'\n", with_import(UP)),
            ("from .base import *\n", "STATIC_ROOT = ROOT_DIR / \"staticfiles\"".to_owned()),
            ("from .hidden import *\n", with_import(UP)),
        ] {
            let facts = files(settings, &[("mysite/base.py", base), ("mysite/hidden.py", hidden)]);
            assert_eq!(line(&facts), expected, "{settings}");
        }
    }
}
