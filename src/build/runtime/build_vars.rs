//! `_sysconfigdata_*.py`: a Python dictionary of what the interpreter was built with, read and written
//! without Python. Only what the file really consists of is understood: string literals, some of them in
//! several pieces, and numbers.

/// The file: what stands before the dictionary, its entries, and what stands behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuildVars {
    head: String,
    /// The entries, in the file's order.
    pub entries: Vec<(String, Value)>,
    tail: String,
}

/// A value of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A number or a name such as `None`, as it was written.
    Other(String),
}

impl BuildVars {
    /// Parses the text of the file. The error says what was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        const START: &str = "build_time_vars = {";
        let start = text.find(START).ok_or(format!("`{START}` isn't in it."))? + START.len();
        let mut parser = Parser { text, at: start };
        let mut entries = Vec::new();
        loop {
            parser.skip_space();
            if parser.eat('}') {
                break;
            }
            let key = parser.string()?.ok_or_else(|| parser.expected("a name"))?;
            parser.skip_space();
            if !parser.eat(':') {
                return Err(parser.expected("`:`"));
            }
            parser.skip_space();
            entries.push((key, parser.value()?));
            parser.skip_space();
            if !parser.eat(',') && !parser.rest().starts_with('}') {
                return Err(parser.expected("`,`"));
            }
        }
        let (head, tail) = (text[..start].to_owned(), text[parser.at..].to_owned());
        Ok(Self { head, entries, tail })
    }

    /// Renders the file, one entry a line.
    pub fn render(&self) -> String {
        let mut text = self.head.clone();
        for (index, (key, value)) in self.entries.iter().enumerate() {
            text.push_str(if index == 0 { "" } else { ",\n " });
            text.push_str(&quote(key));
            text.push_str(": ");
            match value {
                Value::Text(value) => text.push_str(&quote(value)),
                Value::Other(value) => text.push_str(value),
            }
        }
        text.push('}');
        text.push_str(&self.tail);
        text
    }

    /// Returns a variable that is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.entries.iter().find_map(|(key, value)| match value {
            Value::Text(text) if key == name => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Writes a string literal of Python.
fn quote(text: &str) -> String {
    let mut quoted = String::from("'");
    for character in text.chars() {
        match character {
            '\\' => quoted.push_str("\\\\"),
            '\'' => quoted.push_str("\\'"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            other if other.is_control() => quoted.push_str(&format!("\\U{:08x}", u32::from(other))),
            other => quoted.push(other),
        }
    }
    quoted.push('\'');
    quoted
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn expected(&self, what: &str) -> String {
        let line = self.text[..self.at].lines().count().max(1);
        format!("In line {line}, {what} is expected.")
    }

    fn next(&mut self) -> Option<char> {
        let character = self.rest().chars().next()?;
        self.at += character.len_utf8();
        Some(character)
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    fn skip_space(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    fn value(&mut self) -> Result<Value, String> {
        if let Some(mut text) = self.string()? {
            // Adjacent literals are one string.
            loop {
                self.skip_space();
                match self.string()? {
                    Some(more) => text.push_str(&more),
                    None => return Ok(Value::Text(text)),
                }
            }
        }
        let len = self.rest().find([',', '}', '\n']).unwrap_or(0);
        let other = self.rest()[..len].trim();
        if other.is_empty() || !other.chars().all(|c| c.is_ascii_alphanumeric() || "-._".contains(c)) {
            return Err(self.expected("a value"));
        }
        self.at += len;
        Ok(Value::Other(other.to_owned()))
    }

    /// Parses one literal, if there is one here.
    fn string(&mut self) -> Result<Option<String>, String> {
        let Some(quote @ ('\'' | '"')) = self.rest().chars().next() else { return Ok(None) };
        self.at += 1;
        let mut text = String::new();
        while let Some(character) = self.next() {
            match character {
                '\\' => text.push(self.escape()?),
                '\n' => break,
                character if character == quote => return Ok(Some(text)),
                character => text.push(character),
            }
        }
        Err(self.expected("the end of a string"))
    }

    fn escape(&mut self) -> Result<char, String> {
        let digits = match self.next() {
            Some('n') => return Ok('\n'),
            Some('r') => return Ok('\r'),
            Some('t') => return Ok('\t'),
            Some(character @ ('\\' | '\'' | '"')) => return Ok(character),
            Some('x') => 2,
            Some('u') => 4,
            Some('U') => 8,
            _ => return Err(self.expected("a known escape")),
        };
        let code = self.rest().get(..digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let character = code.and_then(char::from_u32).ok_or_else(|| self.expected("a character's code"))?;
        self.at += digits;
        Ok(character)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"# system configuration generated and used by the sysconfig module
build_time_vars = {'A': '',
 'ALT_SOABI': 0,
 "MINUS": -1,
 'CONFIG_ARGS': "'--prefix=/p' "
                "'LDFLAGS=-L/p/lib' it's",
 'NEWLINE': 'a\n\tb\\ \'c\' \xe9',
 'NONE': None}
"#;

    #[test]
    fn what_python_writes_is_read() {
        let vars = BuildVars::parse(FILE).unwrap();
        assert_eq!(vars.text("CONFIG_ARGS"), Some("'--prefix=/p' 'LDFLAGS=-L/p/lib' it's"));
        assert_eq!(vars.text("NEWLINE"), Some("a\n\tb\\ 'c' é"));
        assert_eq!(vars.entries[2], ("MINUS".to_owned(), Value::Other("-1".to_owned())));
        assert_eq!(vars.entries.len(), 6);
        assert_eq!(BuildVars::parse(&vars.render()).unwrap(), vars, "{}", vars.render());
        assert!(vars.render().ends_with("'NONE': None}\n"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, expected) in [
            ("", "`build_time_vars = {` isn't in it."),
            ("build_time_vars = {", "In line 1, a name is expected."),
            ("build_time_vars = {'a'", "In line 1, `:` is expected."),
            ("build_time_vars = {'a': [1]}", "In line 1, a value is expected."),
            ("build_time_vars = {'a': 1 'b': 2}", "In line 1, a value is expected."),
            ("build_time_vars = {\n'a': 'b", "In line 2, the end of a string is expected."),
            ("build_time_vars = {'a': '\\N{DASH}'}", "In line 1, a known escape is expected."),
            ("build_time_vars = {'a': '\\udc80'}", "In line 1, a character's code is expected."),
        ] {
            assert_eq!(BuildVars::parse(text), Err(expected.to_owned()), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_string_comes_back(value in ".*") {
            let vars = BuildVars {
                head: "build_time_vars = {".to_owned(),
                entries: vec![(value.clone(), Value::Text(value))],
                tail: "\n".to_owned(),
            };
            proptest::prop_assert_eq!(BuildVars::parse(&vars.render()).unwrap(), vars);
        }
    }
}
