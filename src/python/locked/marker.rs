//! Markers of packages that are locked with extras: nobody asks for the app's extras, so `extra == 'x'` is known.

use std::collections::BTreeSet;

use crate::python::requirements::normalised_name;

/// How deep brackets may be. Deeper markers stay as they are.
const MAXIMAL_DEPTH: usize = 50;

/// What is left of a marker once it is known which extras are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::python) enum Condition {
    Always,
    Never,
    When(String),
}

/// Takes the extras out of a marker. One that can't be read stays: it is checked later.
pub(in crate::python) fn without_extras(marker: Option<&str>, extras: &BTreeSet<String>) -> Condition {
    let Some(text) = marker else { return Condition::Always };
    if text.trim().is_empty() || text.trim() == "*" {
        return Condition::Always;
    }
    // Not rewritten without need: it stays as the lock has it.
    if !text.contains("extra") {
        return Condition::When(text.to_owned());
    }
    let mut parser = Parser { tokens: tokens(text), position: 0, extras };
    match parser.any(0).filter(|_| parser.position == parser.tokens.len()) {
        Some(condition) => condition,
        None => Condition::When(text.to_owned()),
    }
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    position: usize,
    extras: &'a BTreeSet<String>,
}

impl<'a> Parser<'a> {
    fn any(&mut self, depth: usize) -> Option<Condition> {
        let mut conditions = vec![self.all(depth)?];
        while self.eat("or") {
            conditions.push(self.all(depth)?);
        }
        if conditions.contains(&Condition::Always) {
            return Some(Condition::Always);
        }
        Some(join(conditions, " or ").unwrap_or(Condition::Never))
    }

    fn all(&mut self, depth: usize) -> Option<Condition> {
        let mut conditions = vec![self.one(depth)?];
        while self.eat("and") {
            conditions.push(self.one(depth)?);
        }
        if conditions.contains(&Condition::Never) {
            return Some(Condition::Never);
        }
        Some(join(conditions, " and ").unwrap_or(Condition::Always))
    }

    fn one(&mut self, depth: usize) -> Option<Condition> {
        if self.eat("(") {
            let inner = if depth < MAXIMAL_DEPTH { self.any(depth + 1)? } else { return None };
            return self.eat(")").then_some(inner);
        }
        let left = self.next()?;
        let mut operator = self.next()?.to_owned();
        if operator == "not" {
            operator = format!("not {}", self.next()?);
        }
        let right = self.next()?;
        let (("extra", name) | (name, "extra")) = (left, right) else {
            return Some(Condition::When(format!("{left} {operator} {right}")));
        };
        let asked = self.extras.contains(&normalised_name(name.trim_matches(['"', '\''])));
        match operator.as_str() {
            "==" => Some(if asked { Condition::Always } else { Condition::Never }),
            "!=" => Some(if asked { Condition::Never } else { Condition::Always }),
            _ => None,
        }
    }

    fn next(&mut self) -> Option<&'a str> {
        let token = self.tokens.get(self.position).copied();
        self.position += 1;
        token
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.tokens.get(self.position) == Some(&token);
        self.position += usize::from(found);
        found
    }
}

/// Joins what is neither always nor never the case. The brackets are for `or` in `and`.
fn join(conditions: Vec<Condition>, connective: &str) -> Option<Condition> {
    let texts: Vec<String> = conditions
        .into_iter()
        .filter_map(|condition| match condition {
            Condition::When(text) => Some(text),
            Condition::Always | Condition::Never => None,
        })
        .collect();
    match texts.as_slice() {
        [] => None,
        [single] => Some(Condition::When(single.clone())),
        several => Some(Condition::When(
            several
                .iter()
                .map(|text| {
                    let bare = connective == " or " || !text.contains(" or ");
                    if bare { text.clone() } else { format!("({text})") }
                })
                .collect::<Vec<_>>()
                .join(connective),
        )),
    }
}

/// Cuts a marker into brackets, quoted texts, operators and words.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |letter: char| letter.is_ascii_alphanumeric() || "_.".contains(letter);
        let operator = |letter: char| "<>=!~".contains(letter);
        let length = match first {
            '"' | '\'' => rest[1..].find(first).map_or(rest.len(), |end| end + 2),
            _ if word(first) => rest.find(|letter| !word(letter)).unwrap_or(rest.len()),
            _ if operator(first) => rest.find(|letter| !operator(letter)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extras_are_taken_out() {
        use Condition::{Always, Never, When};
        let when = |text: &str| When(text.to_owned());
        for (marker, expected) in [
            ("", Always),
            ("*", Always),
            ("python_version<'3.9'", when("python_version<'3.9'")),
            ("extra == 'a'", Never),
            ("extra == \"On_e\"", Always),
            ("'one' == extra", Always),
            ("extra != 'a'", Always),
            ("extra == 'a' or extra == 'one'", Always),
            ("python_version < '3.9' and extra == 'a'", Never),
            ("python_version < '3.9' and extra == 'one'", when("python_version < '3.9'")),
            ("python_version<'3.9' or extra == 'a'", when("python_version < '3.9'")),
            (
                "(os_name == 'x' or os_name not in 'y z') and (extra == 'a' or sys_platform == 'w')",
                when("(os_name == 'x' or os_name not in 'y z') and sys_platform == 'w'"),
            ),
            (
                "os_name == 'x' and sys_platform == 'w' or os_name == 'y' and extra != 'a'",
                when("os_name == 'x' and sys_platform == 'w' or os_name == 'y'"),
            ),
            ("os_name == 'an extra'", when("os_name == 'an extra'")),
            ("extra ==", when("extra ==")),
            ("(extra == 'a'", when("(extra == 'a'")),
            ("extra in 'a'", when("extra in 'a'")),
            ("extra == 'a' os_name", when("extra == 'a' os_name")),
        ] {
            let extras = BTreeSet::from(["on-e".to_owned(), "one".to_owned()]);
            assert_eq!(without_extras(Some(marker), &extras), expected, "{marker}");
        }
        let deep = format!("{}extra == 'a'{}", "(".repeat(10_000), ")".repeat(10_000));
        assert_eq!(without_extras(Some(&deep), &BTreeSet::new()), When(deep.clone()));
    }
}
