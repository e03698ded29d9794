//! Constraints of versions, as PEP 440 and Poetry write them: `>=1,<2`, `^1.2`, `~1.2`, `1.*`, `>=1,<2 || >3`.

use std::sync::LazyLock;

use pep440_rs::{Version, VersionSpecifier};
use regex::Regex;

use super::{and_markers, or_markers};

/// What versions are allowed: those for which all clauses of one alternative hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::python) struct Constraint {
    alternatives: Vec<Vec<Clause>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Clause {
    operator: &'static str,
    version: String,
}

const OPERATORS: [&str; 8] = ["===", "==", "~=", "!=", "<=", ">=", "<", ">"];

impl Constraint {
    /// Parses a constraint. What can't be read allows every version: rather too much than too little.
    pub(in crate::python) fn parse(text: &str) -> Self {
        let alternatives: Option<Vec<_>> =
            text.split("||").flat_map(|part| part.split('|')).map(parse_clauses).collect();
        let alternatives = alternatives.unwrap_or_default();
        // An alternative without clauses allows everything.
        let free = alternatives.iter().any(Vec::is_empty);
        Self { alternatives: if free { Vec::new() } else { alternatives } }
    }

    /// Tells whether a version is allowed.
    pub(in crate::python) fn allows(&self, version: &str) -> bool {
        let Ok(version) = version.parse::<Version>() else { return true };
        self.alternatives.is_empty()
            || self.alternatives.iter().any(|clauses| clauses.iter().all(|clause| clause.allows(&version)))
    }

    /// Renders the constraint as a marker, for versions of Python.
    pub(in crate::python) fn python_marker(&self) -> Option<String> {
        let all =
            |clauses: &Vec<Clause>| clauses.iter().map(Clause::python_marker).map(Some).reduce(and_markers);
        self.alternatives.iter().map(|clauses| all(clauses).flatten()).reduce(or_markers).flatten()
    }
}

impl Clause {
    fn allows(&self, version: &Version) -> bool {
        let specifier = format!("{}{}", self.operator, self.version).parse::<VersionSpecifier>();
        specifier.map_or(true, |specifier| specifier.contains(version))
    }

    fn python_marker(&self) -> String {
        let Self { operator, version } = self;
        let whole = version.split('.').filter(|part| *part != "*").count() > 2;
        format!("{} {operator} '{version}'", if whole { "python_full_version" } else { "python_version" })
    }
}

fn parse_clauses(text: &str) -> Option<Vec<Clause>> {
    static CLAUSE: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[\s,]*(===|==|~=|!=|<=|>=|<|>|\^|~|=)?\s*([A-Za-z0-9.!+*_-]+)")
            .expect("the pattern is constant, and tested")
    });
    let mut clauses = Vec::new();
    let mut rest = text;
    while let Some(captures) = CLAUSE.captures(rest) {
        let (operator, version) = (captures.get(1).map_or("", |found| found.as_str()), &captures[2]);
        rest = &rest[captures[0].len()..];
        match operator {
            "^" | "~" => clauses.extend(parse_range(operator, version)?),
            "" | "=" if version == "*" => {}
            "" | "=" => clauses.push(Clause { operator: "==", version: version.to_owned() }),
            operator => {
                let operator = OPERATORS.into_iter().find(|known| *known == operator)?;
                clauses.push(Clause { operator, version: version.to_owned() });
            }
        }
    }
    rest.trim_matches([' ', '\t', '\n', ',']).is_empty().then_some(clauses)
}

/// `^1.2` leaves the first number that isn't zero alone, `~1.2` the second number.
fn parse_range(operator: &str, text: &str) -> Option<Vec<Clause>> {
    let version: Version = text.parse().ok()?;
    let release = version.release();
    let kept = match operator {
        "^" => release.iter().position(|number| *number > 0).unwrap_or(release.len() - 1) + 1,
        _ => release.len().min(2),
    };
    let mut upper: Vec<u64> = release.iter().take(kept).copied().collect();
    let last = upper.last_mut()?;
    *last = last.checked_add(1)?;
    if upper.len() == 1 {
        upper.push(0);
    }
    let upper = upper.iter().map(u64::to_string).collect::<Vec<_>>().join(".");
    Some(vec![Clause { operator: ">=", version: text.to_owned() }, Clause { operator: "<", version: upper }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constraints_allow_what_poetry_allows() {
        for (constraint, allowed, refused) in [
            ("", &["1", "2.5"][..], &[][..]),
            ("*", &["1"], &[]),
            ("nonsense!", &["1"], &[]),
            ("^1.2.3", &["1.2.3", "1.9"], &["1.2.2", "2.0"]),
            ("^0.2.3", &["0.2.3", "0.2.9"], &["0.3", "0.2"]),
            ("^0.0.3", &["0.0.3"], &["0.0.4"]),
            ("^0", &["0.5"], &["1.0"]),
            ("~1.2", &["1.2", "1.2.9"], &["1.3"]),
            ("~1", &["1.0", "1.9"], &["2.0"]),
            ("~=1.2", &["1.2", "1.9"], &["2.0"]),
            ("1.2", &["1.2", "1.2.0"], &["1.3"]),
            ("1.*", &["1.2"], &["2.0"]),
            (">= 1.0, < 2", &["1.5"], &["2", "0.9"]),
            (">=1 <2", &["1.5"], &["2"]),
            (">=1.5.6,<1.5.7 || >1.5.7", &["1.5.6", "1.5.8"], &["1.5.7", "1.5.5"]),
            ("==1.0 | ==3.0", &["1.0", "3.0"], &["2.0"]),
            (">=1,!=1.5", &["1.4"], &["1.5"]),
        ] {
            let parsed = Constraint::parse(constraint);
            for version in allowed {
                assert!(parsed.allows(version), "{constraint} {version}");
            }
            for version in refused {
                assert!(!parsed.allows(version), "{constraint} {version}");
            }
        }
    }

    #[test]
    fn a_constraint_of_python_is_a_marker() {
        for (constraint, expected) in [
            ("*", None),
            ("^3.11", Some("python_version >= '3.11' and python_version < '4.0'")),
            (">=3.9.1", Some("python_full_version >= '3.9.1'")),
            ("3.9.*", Some("python_version == '3.9.*'")),
            ("<3.9 || >=3.11", Some("python_version < '3.9' or python_version >= '3.11'")),
        ] {
            assert_eq!(Constraint::parse(constraint).python_marker().as_deref(), expected, "{constraint}");
        }
    }
}
