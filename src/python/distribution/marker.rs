//! Environment markers, evaluated for the Python of a slug.
//! <https://packaging.python.org/en/latest/specifications/dependency-specifiers/#environment-markers>
//!
//! pep508_rs isn't used for this: it makes a decision diagram of every marker, whose size nothing bounds, and these
//! are strangers' markers.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use pep440_rs::{Version, VersionSpecifier};
use regex::Regex;

use super::normalised_name;

/// How deep brackets may be.
const MAXIMAL_DEPTH: usize = 50;

/// What the variables of markers stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkerValues {
    python_full_version: String,
    machine: String,
    dependency_groups: BTreeSet<String>,
}

impl MarkerValues {
    /// Returns the values for CPython on Linux, as it is in slugs.
    pub fn of_linux(python_version: &str, machine: &str) -> Self {
        Self {
            python_full_version: python_version.to_owned(),
            machine: machine.to_owned(),
            dependency_groups: BTreeSet::new(),
        }
    }

    /// Adds the dependency groups that are installed, for markers of a pylock.toml.
    pub(crate) fn with_dependency_groups<'a>(mut self, groups: impl IntoIterator<Item = &'a String>) -> Self {
        self.dependency_groups.extend(groups.into_iter().map(|group| normalised_name(group)));
        self
    }

    fn value(&self, variable: &str) -> Option<String> {
        Some(match variable.replace('.', "_").as_str() {
            "python_version" => self.python_full_version.split('.').take(2).collect::<Vec<_>>().join("."),
            "python_full_version" | "implementation_version" => self.python_full_version.clone(),
            "os_name" => "posix".to_owned(),
            "sys_platform" => "linux".to_owned(),
            "platform_system" => "Linux".to_owned(),
            "platform_machine" => self.machine.clone(),
            "platform_python_implementation" | "python_implementation" => "CPython".to_owned(),
            "implementation_name" => "cpython".to_owned(),
            // The kernel under a dyno isn't known before it runs.
            "platform_release" | "platform_version" => String::new(),
            _ => return None,
        })
    }
}

/// Evaluates a marker; returns nothing if it can't be read.
pub(crate) fn evaluate(text: &str, values: &MarkerValues, extras: &BTreeSet<String>) -> Option<bool> {
    let mut parser = Parser { tokens: tokens(text)?, position: 0, values, extras };
    let result = parser.any(0)?;
    (parser.position == parser.tokens.len()).then_some(result)
}

fn tokens(text: &str) -> Option<Vec<&str>> {
    static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"^\s*('[^']*'|"[^"]*"|[A-Za-z_][A-Za-z0-9_.]*|===|==|~=|!=|<=|>=|<|>|\(|\))"#)
            .expect("the pattern is constant, and tested")
    });
    let mut tokens = Vec::new();
    let mut rest = text.trim_end();
    while !rest.is_empty() {
        let token = TOKEN.captures(rest)?.get(1)?;
        tokens.push(token.as_str());
        rest = &rest[token.end()..];
    }
    Some(tokens)
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    position: usize,
    values: &'a MarkerValues,
    extras: &'a BTreeSet<String>,
}

enum Operand {
    Extra,
    Groups,
    Variable(String),
    Literal(String),
}

impl<'a> Parser<'a> {
    fn any(&mut self, depth: usize) -> Option<bool> {
        let mut result = self.all(depth)?;
        while self.eat("or") {
            result |= self.all(depth)?;
        }
        Some(result)
    }

    fn all(&mut self, depth: usize) -> Option<bool> {
        let mut result = self.one(depth)?;
        while self.eat("and") {
            result &= self.one(depth)?;
        }
        Some(result)
    }

    fn one(&mut self, depth: usize) -> Option<bool> {
        if self.eat("(") {
            let inner = if depth < MAXIMAL_DEPTH { self.any(depth + 1)? } else { return None };
            return self.eat(")").then_some(inner);
        }
        let left = self.operand()?;
        let operator = match self.next()? {
            "not" => self.eat("in").then_some("not in")?,
            operator => operator,
        };
        let right = self.operand()?;
        match (left, right) {
            (Operand::Extra, Operand::Literal(name)) | (Operand::Literal(name), Operand::Extra) => {
                let wanted = self.extras.contains(&normalised_name(&name));
                match operator {
                    "==" | "===" | "in" => Some(wanted),
                    "!=" | "not in" => Some(!wanted),
                    _ => None,
                }
            }
            (Operand::Literal(name), Operand::Groups) => {
                let wanted = self.values.dependency_groups.contains(&normalised_name(&name));
                match operator {
                    "in" => Some(wanted),
                    "not in" => Some(!wanted),
                    _ => None,
                }
            }
            (Operand::Variable(left), Operand::Literal(right))
            | (Operand::Literal(left), Operand::Variable(right))
            | (Operand::Literal(left), Operand::Literal(right))
            | (Operand::Variable(left), Operand::Variable(right)) => compare(&left, operator, &right),
            _ => None,
        }
    }

    fn operand(&mut self) -> Option<Operand> {
        let token = self.next()?;
        if let Some(quote) = token.chars().next().filter(|first| ['\'', '"'].contains(first)) {
            return Some(Operand::Literal(token.trim_matches(quote).to_owned()));
        }
        match token {
            "extra" | "extras" => Some(Operand::Extra),
            "dependency_groups" => Some(Operand::Groups),
            variable => self.values.value(variable).map(Operand::Variable),
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        self.position += 1;
        self.tokens.get(self.position - 1).copied()
    }

    fn eat(&mut self, expected: &str) -> bool {
        let found = self.tokens.get(self.position) == Some(&expected);
        self.position += usize::from(found);
        found
    }
}

/// Compares as versions if both sides are some, else as texts.
fn compare(left: &str, operator: &str, right: &str) -> Option<bool> {
    match operator {
        "in" => return Some(right.contains(left)),
        "not in" => return Some(!right.contains(left)),
        _ => {}
    }
    let specifier = format!("{operator}{right}").parse::<VersionSpecifier>();
    if let (Ok(version), Ok(specifier)) = (left.parse::<Version>(), specifier) {
        return Some(specifier.contains(&version));
    }
    match operator {
        "==" | "===" => Some(left == right),
        "!=" => Some(left != right),
        "<" => Some(left < right),
        "<=" => Some(left <= right),
        ">" => Some(left > right),
        ">=" => Some(left >= right),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_evaluated_as_pip_does() {
        let values =
            MarkerValues::of_linux("3.12.4", "x86_64").with_dependency_groups([&"Web_App".to_owned()]);
        let extras = BTreeSet::from(["speed-up".to_owned()]);
        for (marker, expected) in [
            ("'web-app' in dependency_groups", Some(true)),
            ("'dev' in dependency_groups or os_name == 'nt'", Some(false)),
            ("'dev' not in dependency_groups", Some(true)),
            ("dependency_groups == 'dev'", None),
            ("python_version >= '3.8'", Some(true)),
            ("python_version<'3.10'", Some(false)),
            ("'3.8' <= python_version", Some(true)),
            ("python_version == '3.*'", Some(true)),
            ("python_full_version == \"3.12.4\"", Some(true)),
            ("python_full_version ~= '3.12.0'", Some(true)),
            ("sys_platform == 'win32' or os_name == 'posix'", Some(true)),
            ("sys.platform == 'win32' and os_name == 'posix'", Some(false)),
            ("(sys_platform == 'win32' or extra == 'Speed_Up') and python_version > '3'", Some(true)),
            ("extra != 'speed-up'", Some(false)),
            ("'test' in extras", Some(false)),
            ("platform_machine in 'x86_64 aarch64'", Some(true)),
            ("platform_machine not in 'x86_64 aarch64'", Some(false)),
            ("platform_python_implementation != 'PyPy'", Some(true)),
            ("implementation_name == 'cpython'", Some(true)),
            ("", None),
            ("python_version", None),
            ("nonsense == '1'", None),
            ("python_version >= '3.8' or", None),
            ("(python_version >= '3.8'", None),
            ("python_version >= 'é", None),
            ("extra < 'a'", None),
        ] {
            assert_eq!(evaluate(marker, &values, &extras), expected, "{marker}");
        }
        let deep = format!("{}os_name == 'posix'{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(evaluate(&deep, &values, &extras), None);
    }
}
