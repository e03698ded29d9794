//! Environment markers: whether pip would understand one. Its value is never asked for.
//!
//! pep508_rs isn't used for this: it refuses some that pip accepts, and it builds a decision diagram.

use regex::Regex;

use super::error::Fault;

pattern!(
    OPERAND,
    r#"(?x)^(?:
        '[^']*' | "[^"]*" | (?:
            python_version | python_full_version | python_implementation | os[._]name | sys[._]platform
            | platform_(?:release|system) | platform[._](?:version|machine|python_implementation)
            | implementation_(?:name|version) | extras? | dependency_groups
        )\b
    )"#
);
pattern!(OPERATOR, r"^(?:===|==|~=|!=|<=|>=|<|>|in\b|not[ \t]+in\b)");
pattern!(CONNECTIVE, r"^(?:and|or)\b");

/// Tells whether pip would understand a marker.
pub(in crate::python) fn is_marker(text: &str) -> bool {
    check_marker(text).is_ok()
}

/// Checks a marker. Spans count from the start of `text`.
pub(super) fn check_marker(text: &str) -> Result<(), Fault> {
    let mut cursor = Cursor { text, position: 0 };
    let mut open = Vec::new();
    loop {
        while cursor.eat("(") {
            open.push(cursor.position - 1);
        }
        cursor
            .expect(&OPERAND, "a marker starts with a variable such as python_version, or a quoted text")?;
        cursor.expect(&OPERATOR, "a marker needs an operator here, such as == or in")?;
        cursor.expect(&OPERAND, "a marker needs a variable or a quoted text here")?;
        while cursor.eat(")") {
            if open.pop().is_none() {
                return Err(Fault {
                    span: cursor.position - 1..cursor.position,
                    message: "no ( belongs to this".into(),
                });
            }
        }
        if cursor.rest().is_empty() {
            return match open.last() {
                Some(position) => {
                    Err(Fault { span: *position..position + 1, message: "a ) is missing".into() })
                }
                None => Ok(()),
            };
        }
        cursor.expect(&CONNECTIVE, "here can only be the marker's end, or and, or or")?;
    }
}

struct Cursor<'a> {
    text: &'a str,
    position: usize,
}

impl<'a> Cursor<'a> {
    /// Skips blanks, and returns what is left.
    fn rest(&mut self) -> &'a str {
        let rest = self.text[self.position..].trim_start_matches([' ', '\t']);
        self.position = self.text.len() - rest.len();
        rest
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        self.position += if found { token.len() } else { 0 };
        found
    }

    fn expect(&mut self, pattern: &Regex, message: &str) -> Result<(), Fault> {
        match pattern.find(self.rest()) {
            Some(found) => self.position += found.end(),
            None => return Err(Fault { span: self.position..self.text.len(), message: message.to_owned() }),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_is_checked_as_pip_does() {
        for (text, expected) in [
            ("python_version < '3.8'", None),
            ("python_version<'3.8'and os_name=='posix'", None),
            (" ( os.name == \"nt\" or (sys_platform=='linux') ) and extra == 'a' ", None),
            ("'linux' in sys_platform", None),
            ("sys_platform not  in 'win32 cygwin'", None),
            ("python_implementation == 'CPython'", None),
            ("platform_python_implementation != \"PyPy\" and platform.machine == 'x86_64'", None),
            ("python_full_version ~= '3.8.1'", None),
            ("'a' == 'b'", None),
            ("python_version", Some(14..14)),
            ("python_versions < '3'", Some(0..21)),
            ("python_version < 3.8", Some(17..20)),
            ("python_version < '3.8", Some(17..21)),
            ("(python_version < '3'", Some(0..1)),
            ("python_version < '3')", Some(20..21)),
            ("python_version < '3' os_name == 'x'", Some(21..35)),
            ("python_version = '3'", Some(15..20)),
            ("python_version < '3' and", Some(24..24)),
            ("", Some(0..0)),
            ("é", Some(0..2)),
        ] {
            assert_eq!(check_marker(text).err().map(|fault| fault.span), expected, "{text:?}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        assert!(check_marker(&"(".repeat(1_000_000)).is_err());
        let deep = format!("{}os_name == 'x'{}", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(check_marker(&deep), Ok(()));
    }
}
