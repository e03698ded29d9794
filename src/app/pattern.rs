//! One pattern of `.slugignore`: Ruby's globs, put into the language of the `glob` crate.

use std::borrow::Cow;

use glob::MatchOptions;

/// A line with more braces than this is a mistake or an attack.
const MAX_ALTERNATIVES: usize = 1_000;
const TOO_MANY: &str = "stands for more than 1,000 names";

/// The longest path that Linux knows.
const MAX_LENGTH: usize = 4_096;

/// `*` stays within a directory, and only a dot matches the dot that a name starts with.
const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// The pattern of one line.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// Counts from the app's top level directory; otherwise it is about the name alone, at any depth.
    anchored: bool,
    alternatives: Vec<Alternative>,
}

/// One of the patterns that a line with braces stands for.
#[derive(Debug, Clone)]
struct Alternative {
    directories_only: bool,
    matcher: Matcher,
}

#[derive(Debug, Clone)]
enum Matcher {
    Literal(String),
    /// What every match starts and ends with is compared first: that settles nearly all paths.
    Glob {
        prefix: String,
        suffix: String,
        pattern: glob::Pattern,
    },
}

/// A path that patterns are tried on.
pub(super) struct Candidate<'a> {
    path: Cow<'a, str>,
    name_start: usize,
    in_dot_directory: bool,
    is_directory: bool,
}

impl<'a> Candidate<'a> {
    pub(super) fn new(path: &'a [u8], is_directory: bool) -> Self {
        let path = to_text(path);
        let name_start = path.rfind('/').map_or(0, |slash| slash + 1);
        let parents = &path.as_bytes()[..name_start];
        let in_dot_directory = parents.first() == Some(&b'.') || parents.windows(2).any(|two| two == b"/.");
        Self { path, name_start, in_dot_directory, is_directory }
    }
}

/// Turns bytes into text one to one: what isn't UTF-8 becomes characters that no pattern holds, so that
/// `*.psd` matches such names too.
fn to_text(path: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(path) {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(path.len());
    for chunk in path.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().filter_map(|byte| char::from_u32(0x0010_fe00 + u32::from(*byte))));
    }
    Cow::Owned(text)
}

impl Pattern {
    /// Parses the text of a line. There is no pattern if all that it stands for is the root or outside of it;
    /// the second value is whether a part of it is.
    pub(super) fn parse(text: &str) -> Result<(Option<Self>, bool), &'static str> {
        if text.len() > MAX_LENGTH {
            return Err("is longer than a path can be");
        }
        let mut alternatives = Vec::new();
        let mut leaves_root = false;
        for alternative in expand_braces(text)? {
            match Alternative::parse(&alternative)? {
                Some(parsed) => alternatives.extend(parsed),
                None => leaves_root = true,
            }
        }
        // A slash counts wherever it is, as on Heroku: `spec/` and `./spec` are about the top level only.
        let anchored = text.contains('/');
        Ok(((!alternatives.is_empty()).then_some(Self { anchored, alternatives }), leaves_root))
    }

    pub(super) fn asks_for_directories(&self) -> bool {
        self.alternatives.iter().any(|one| one.directories_only)
    }

    pub(super) fn matches(&self, candidate: &Candidate<'_>) -> bool {
        let Candidate { path, name_start, in_dot_directory, is_directory } = candidate;
        // The root itself is never removed. Ruby's `**/` doesn't enter directories whose name starts with a dot.
        if path.is_empty() || (!self.anchored && *in_dot_directory) {
            return false;
        }
        let text = if self.anchored { path } else { &path[*name_start..] };
        self.alternatives
            .iter()
            .any(|one| (*is_directory || !one.directories_only) && one.matcher.matches(text))
    }
}

impl Matcher {
    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => literal == text,
            Self::Glob { prefix, suffix, pattern } => {
                // Comparing nothing isn't free: the pointer of an empty string makes `memcmp` take a slow path.
                (prefix.is_empty() || text.starts_with(prefix.as_str()))
                    && (suffix.is_empty() || text.ends_with(suffix.as_str()))
                    && pattern.matches_with(text, OPTIONS)
            }
        }
    }
}

impl Alternative {
    /// Parses a pattern without braces; there is none if it stands for the root or leaves it. It can take two
    /// to say what `docs/**/` says: the directory and all below it.
    fn parse(text: &str) -> Result<Option<Vec<Self>>, &'static str> {
        let directories_only = text.ends_with('/');
        let mut components: Vec<&str> = Vec::new();
        for component in text.split('/') {
            match component {
                "" | "." => {}
                ".." => match components.pop() {
                    None | Some("**") => return Ok(None),
                    Some(_) => {}
                },
                name => components.push(name),
            }
        }
        if components.is_empty() {
            return Ok(None);
        }
        let mut parsed = Vec::new();
        if directories_only && components.last() == Some(&"**") {
            let parent = &components[..components.len() - 1];
            if parent.last().is_some_and(|name| *name != "**") {
                parsed.push(Self { directories_only, matcher: compile(parent)? });
            }
            components.push("*");
        }
        parsed.push(Self { directories_only, matcher: compile(&components)? });
        Ok(Some(parsed))
    }
}

/// A piece of a pattern: a character that stands for itself, or a piece of `glob`'s language.
enum Token {
    Literal(char),
    Special(String),
}

fn compile(components: &[&str]) -> Result<Matcher, &'static str> {
    let mut tokens = Vec::new();
    for (index, component) in components.iter().enumerate() {
        let is_last = index + 1 == components.len();
        if *component == "**" && !is_last {
            // Its slash is part of it: it stands for no directory at all, too.
            tokens.push(Token::Special("**/".to_owned()));
            continue;
        }
        tokenize(component, &mut tokens)?;
        if !is_last {
            tokens.push(Token::Literal('/'));
        }
    }
    let literal = |tokens: &mut dyn Iterator<Item = &Token>| -> Vec<char> {
        tokens
            .map_while(|token| match token {
                Token::Literal(letter) => Some(*letter),
                Token::Special(_) => None,
            })
            .collect()
    };
    let prefix: String = literal(&mut tokens.iter()).into_iter().collect();
    if tokens.iter().all(|token| matches!(token, Token::Literal(_))) {
        return Ok(Matcher::Literal(prefix));
    }
    let suffix: String = literal(&mut tokens.iter().rev()).into_iter().rev().collect();
    let source: String = tokens
        .iter()
        .map(|token| match token {
            Token::Literal(letter) => glob::Pattern::escape(&letter.to_string()),
            Token::Special(text) => text.clone(),
        })
        .collect();
    let pattern = glob::Pattern::new(&source).map_err(|error| error.msg)?;
    Ok(Matcher::Glob { prefix, suffix, pattern })
}

/// Translates a name's pattern into `glob`'s language, which has no backslash and no `[^`.
fn tokenize(component: &str, tokens: &mut Vec<Token>) -> Result<(), &'static str> {
    let mut letters = component.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some(escaped) => tokens.push(Token::Literal(escaped)),
                // `a\/b`: the slash needs no escape, and has been taken away.
                None if !tokens.is_empty() => {}
                None => tokens.push(Token::Literal('\\')),
            },
            '?' => tokens.push(Token::Special("?".to_owned())),
            '*' => {
                while letters.next_if_eq(&'*').is_some() {}
                tokens.push(Token::Special("*".to_owned()));
            }
            '[' => tokens.push(Token::Special(translate_class(&mut letters)?)),
            other => tokens.push(Token::Literal(other)),
        }
    }
    Ok(())
}

/// Translates `[…]` from behind its bracket.
fn translate_class(letters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<String, &'static str> {
    let negated = letters.next_if(|letter| matches!(letter, '!' | '^')).is_some();
    // Characters with whether they were escaped: an escaped hyphen makes no range.
    let mut items: Vec<(char, bool)> = Vec::new();
    loop {
        match letters.next() {
            None => return Err("has a `[` without its `]`"),
            Some(']') if !items.is_empty() => break,
            Some('\\') => items.push((letters.next().ok_or("has a `[` without its `]`")?, true)),
            Some(letter) => items.push((letter, false)),
        }
    }
    let (mut ranges, mut singles) = (String::new(), Vec::new());
    let mut rest = items.as_slice();
    while let Some(((first, _), tail)) = rest.split_first() {
        if let [('-', false), (last, _), after @ ..] = tail {
            ranges.extend([*first, '-', *last]);
            rest = after;
        } else {
            singles.push(*first);
            rest = tail;
        }
    }
    // `glob` takes `]` at the beginning, `!` not at the beginning, and `-` at either end.
    let take = |singles: &mut Vec<char>, wanted: char| {
        let before = singles.len();
        singles.retain(|letter| *letter != wanted);
        singles.len() < before
    };
    let bracket = take(&mut singles, ']');
    let exclamation = take(&mut singles, '!');
    let hyphen = take(&mut singles, '-');
    let mut class = String::new();
    class.extend(bracket.then_some(']'));
    class.push_str(&ranges);
    class.extend(singles);
    let hyphen_first = exclamation && hyphen && class.is_empty();
    class.extend(hyphen_first.then_some('-'));
    class.extend(exclamation.then_some('!'));
    class.extend((hyphen && !hyphen_first).then_some('-'));
    match class.as_str() {
        "!" if !negated => Ok("!".to_owned()),
        _ => Ok(format!("[{}{class}]", if negated { "!" } else { "" })),
    }
}

/// Expands `{a,b}`, nested too. As in Ruby, a brace without its counterpart stands for itself.
fn expand_braces(text: &str) -> Result<Vec<String>, &'static str> {
    let mut done = Vec::new();
    let mut open = vec![text.to_owned()];
    while let Some(text) = open.pop() {
        match find_braces(&text) {
            None => done.push(text),
            Some((_, commas, _)) if commas.len() >= MAX_ALTERNATIVES => return Err(TOO_MANY),
            Some((start, commas, end)) => {
                let mut from = start + 1;
                let mut choices = Vec::new();
                for to in commas.into_iter().chain([end]) {
                    choices.push(format!("{}{}{}", &text[..start], &text[from..to], &text[end + 1..]));
                    from = to + 1;
                }
                open.extend(choices.into_iter().rev());
            }
        }
        if done.len() + open.len() > MAX_ALTERNATIVES {
            return Err(TOO_MANY);
        }
    }
    Ok(done)
}

/// Finds the first pair of braces: where it opens, the commas of that level, where it closes.
fn find_braces(text: &str) -> Option<(usize, Vec<usize>, usize)> {
    let (mut start, mut depth, mut commas, mut escaped) = (0, 0, Vec::new(), false);
    for (at, letter) in text.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match letter {
            '\\' => escaped = true,
            '{' => {
                if depth == 0 {
                    start = at;
                }
                depth += 1;
            }
            ',' if depth == 1 => commas.push(at),
            '}' if depth == 1 => return Some((start, commas, at)),
            '}' if depth > 1 => depth -= 1,
            _ => {}
        }
    }
    None
}
