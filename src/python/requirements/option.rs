//! Options in a line of a requirements file, read as pip reads them: `shlex`, then `optparse`.

use std::ops::Range;

use super::GlobalOption;
use super::error::Fault;

/// A line, taken apart.
#[derive(Debug)]
pub(super) struct ParsedLine<'a> {
    /// What stands before the first option.
    arguments: &'a str,
    /// The options with their values, which are empty if the option takes none.
    pub(super) options: Vec<(LineOption, Word)>,
}

/// A word of a line, without quotes, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) value: String,
    pub(super) span: Range<usize>,
}

/// The options that a line may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineOption {
    Requirement,
    Constraint,
    Editable,
    Hash,
    /// Of one requirement, without influence on decisions.
    Build,
    IndexUrl,
    ExtraIndexUrl,
    FindLinks,
    NoIndex,
    NoBinary,
    OnlyBinary,
    Pre,
    PreferBinary,
    RequireHashes,
    NoRequireHashes,
    AllReleases,
    OnlyFinal,
    TrustedHost,
    UseFeature,
}

use LineOption as Opt;

const LONG: &[(&str, LineOption)] = &[
    ("--requirement", Opt::Requirement),
    ("--constraint", Opt::Constraint),
    ("--editable", Opt::Editable),
    ("--hash", Opt::Hash),
    ("--config-settings", Opt::Build),
    ("--index-url", Opt::IndexUrl),
    ("--pypi-url", Opt::IndexUrl),
    ("--extra-index-url", Opt::ExtraIndexUrl),
    ("--find-links", Opt::FindLinks),
    ("--no-index", Opt::NoIndex),
    ("--no-binary", Opt::NoBinary),
    ("--only-binary", Opt::OnlyBinary),
    ("--pre", Opt::Pre),
    ("--prefer-binary", Opt::PreferBinary),
    ("--require-hashes", Opt::RequireHashes),
    ("--no-require-hashes", Opt::NoRequireHashes),
    ("--all-releases", Opt::AllReleases),
    ("--only-final", Opt::OnlyFinal),
    ("--trusted-host", Opt::TrustedHost),
    ("--use-feature", Opt::UseFeature),
];

/// Older pips had these: requirements files still do. Whoever installs says so if they don't count any more.
const OLDER: &[&str] = &["--global-option", "--install-option"];

const SHORT: &[(char, LineOption)] = &[
    ('r', Opt::Requirement),
    ('c', Opt::Constraint),
    ('e', Opt::Editable),
    ('i', Opt::IndexUrl),
    ('f', Opt::FindLinks),
    ('C', Opt::Build),
];

const HASHES: [&str; 3] = ["sha256", "sha384", "sha512"];

/// What git leaves in a file when it can't merge.
const CONFLICT_MARKERS: [&str; 4] = ["<<<<<<<", "|||||||", "=======", ">>>>>>>"];

/// Takes a logical line apart.
pub(super) fn parse_line(text: &str) -> Result<ParsedLine<'_>, Fault> {
    if CONFLICT_MARKERS.iter().any(|marker| text.starts_with(marker)) {
        let message = "git marked a merge conflict here, which has to be resolved".to_owned();
        return Err(Fault { span: 0..text.len(), message });
    }
    let (arguments, options) = text.split_at(options_start(text));
    let options = parse_options(split_words(options, arguments.len())?)?;
    Ok(ParsedLine { arguments: arguments.trim_end_matches(' '), options })
}

impl ParsedLine<'_> {
    /// Returns the file that the line includes, and whether as constraints. As in pip, the first one counts.
    pub(super) fn include(&self) -> Option<(&Word, bool)> {
        let first =
            |searched| self.options.iter().find(|(option, _)| *option == searched).map(|(_, value)| value);
        if self.requirement().is_some() {
            return None;
        }
        first(Opt::Requirement)
            .map(|word| (word, false))
            .or_else(|| first(Opt::Constraint).map(|word| (word, true)))
    }

    /// Returns what the line requires, and whether it is editable.
    pub(super) fn requirement(&self) -> Option<(Word, bool)> {
        let editable =
            self.options.iter().find(|(option, _)| *option == Opt::Editable).map(|(_, value)| value);
        if self.arguments.is_empty() {
            return editable.map(|word| (word.clone(), true));
        }
        let word = Word { value: self.arguments.to_owned(), span: 0..self.arguments.len() };
        Some((word, editable.is_some()))
    }
}

impl LineOption {
    fn takes_value(self) -> bool {
        !matches!(
            self,
            Self::NoIndex | Self::Pre | Self::PreferBinary | Self::RequireHashes | Self::NoRequireHashes
        )
    }

    /// Returns the option if it is one for the whole installation.
    pub(super) fn global(self, value: String) -> Option<GlobalOption> {
        Some(match self {
            Self::Requirement | Self::Constraint | Self::Editable | Self::Hash | Self::Build => return None,
            Self::IndexUrl => GlobalOption::IndexUrl(value),
            Self::ExtraIndexUrl => GlobalOption::ExtraIndexUrl(value),
            Self::FindLinks => GlobalOption::FindLinks(value),
            Self::NoIndex => GlobalOption::NoIndex,
            Self::NoBinary => GlobalOption::NoBinary(value),
            Self::OnlyBinary => GlobalOption::OnlyBinary(value),
            Self::Pre => GlobalOption::Pre,
            Self::PreferBinary => GlobalOption::PreferBinary,
            Self::RequireHashes => GlobalOption::RequireHashes,
            Self::NoRequireHashes => GlobalOption::NoRequireHashes,
            Self::AllReleases => GlobalOption::AllReleases(value),
            Self::OnlyFinal => GlobalOption::OnlyFinal(value),
            Self::TrustedHost => GlobalOption::TrustedHost(value),
            Self::UseFeature => GlobalOption::UseFeature(value),
        })
    }
}

/// Finds the first word that starts with a hyphen. Only spaces count: a tab belongs to the requirement.
fn options_start(text: &str) -> usize {
    if text.starts_with('-') { 0 } else { text.find(" -").map_or(text.len(), |space| space + 1) }
}

fn parse_options(words: Vec<Word>) -> Result<Vec<(LineOption, Word)>, Fault> {
    let mut options = Vec::new();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        if word.value == "--" {
            break;
        }
        if word.value == "-" || !word.value.starts_with('-') {
            // pip ignores it.
            continue;
        }
        let (option, attached) = find_option(&word)?;
        let value = match (option.takes_value(), attached) {
            (false, None) => Word { value: String::new(), span: word.span },
            (false, Some(_)) => return Err(fault(&word, "this option takes no value")),
            (true, Some(value)) => Word { value: value.to_owned(), span: word.span },
            (true, None) => words.next().ok_or_else(|| fault(&word, "this option needs a value"))?,
        };
        if option == Opt::Hash {
            check_hash(&value)?;
        }
        options.push((option, value));
    }
    Ok(options)
}

/// Looks up an option, and the value that is attached to it.
fn find_option(word: &Word) -> Result<(LineOption, Option<&str>), Fault> {
    let unknown = || fault(word, "pip has no such option in a requirements file");
    if !word.value.starts_with("--") {
        let mut letters = word.value[1..].chars();
        let letter = letters.next().ok_or_else(unknown)?;
        let (_, option) = SHORT.iter().find(|(known, _)| *known == letter).ok_or_else(unknown)?;
        return Ok((*option, Some(letters.as_str()).filter(|value| !value.is_empty())));
    }
    let (name, value) =
        word.value.split_once('=').map_or((word.value.as_str(), None), |(name, value)| (name, Some(value)));
    if OLDER.contains(&name) {
        return Ok((Opt::Build, value));
    }
    // A long option may be shortened as long as it is clear which one is meant.
    let mut candidates: Vec<LineOption> =
        LONG.iter().filter(|(known, _)| *known == name).map(|(_, option)| *option).collect();
    if candidates.is_empty() {
        candidates =
            LONG.iter().filter(|(known, _)| known.starts_with(name)).map(|(_, option)| *option).collect();
    }
    match candidates.as_slice() {
        [option] => Ok((*option, value)),
        [] => Err(unknown()),
        _ => Err(fault(word, "more than one option starts like this")),
    }
}

fn check_hash(word: &Word) -> Result<(), Fault> {
    match word.value.split_once(':') {
        Some((algorithm, _)) if HASHES.contains(&algorithm) => Ok(()),
        Some(_) => Err(fault(word, "a hash is one of sha256, sha384 and sha512")),
        None => Err(fault(word, "a hash is written as sha256:abcde...")),
    }
}

fn fault(word: &Word, message: &str) -> Fault {
    Fault { span: word.span.clone(), message: message.to_owned() }
}

/// Splits words as a POSIX shell does. `shlex` can't be used: it doesn't tell where a word stands.
fn split_words(text: &str, offset: usize) -> Result<Vec<Word>, Fault> {
    let mut words = Vec::new();
    let mut letters = text.char_indices().peekable();
    while let Some((start, letter)) = letters.next() {
        if is_separator(letter) {
            continue;
        }
        let mut value = String::new();
        let mut quote = None;
        let mut next = Some((start, letter));
        let mut end = start;
        while let Some((position, letter)) = next {
            end = position + letter.len_utf8();
            match (quote, letter) {
                (None, '\'' | '"') => quote = Some(letter),
                (Some(open), letter) if open == letter => quote = None,
                (None | Some('"'), '\\') => match letters.next() {
                    Some((position, escaped)) => {
                        end = position + escaped.len_utf8();
                        if quote.is_some() && !['"', '\\'].contains(&escaped) {
                            value.push('\\');
                        }
                        value.push(escaped);
                    }
                    None => return Err(unfinished(offset, start..text.len(), "a backslash at the end")),
                },
                (_, letter) => value.push(letter),
            }
            next = letters.next_if(|(_, letter)| quote.is_some() || !is_separator(*letter));
        }
        if quote.is_some() {
            return Err(unfinished(offset, start..text.len(), "a quotation mark is missing"));
        }
        words.push(Word { value, span: offset + start..offset + end });
    }
    Ok(words)
}

fn is_separator(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n')
}

fn unfinished(offset: usize, span: Range<usize>, message: &str) -> Fault {
    Fault { span: offset + span.start..offset + span.end, message: message.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_in_a_shell() {
        for (text, expected) in [
            ("-r a.txt", Ok(vec![("-r", 0..2), ("a.txt", 3..8)])),
            ("  -e 'a b'\t\"c \\\" d\"", Ok(vec![("-e", 2..4), ("a b", 5..10), ("c \" d", 11..19)])),
            ("a\\ b 'c'd\"\\e\"", Ok(vec![("a b", 0..4), ("cd\\e", 5..13)])),
            ("''", Ok(vec![("", 0..2)])),
            ("é'é'", Ok(vec![("éé", 0..6)])),
            ("a 'b", Err(2..4)),
            ("a b\\", Err(2..4)),
            ("", Ok(vec![])),
        ] {
            let result = split_words(text, 0);
            let result =
                result.map(|words| words.into_iter().map(|word| (word.value, word.span)).collect::<Vec<_>>());
            let expected = expected
                .map(|words| words.into_iter().map(|(value, span)| (value.to_owned(), span)).collect());
            assert_eq!(result.map_err(|fault| fault.span), expected, "{text:?}");
        }
    }

    #[test]
    fn options_are_read_as_optparse_does() {
        for (text, expected) in [
            ("-rfile", vec![(Opt::Requirement, "file")]),
            ("-r file", vec![(Opt::Requirement, "file")]),
            ("--requirement=file", vec![(Opt::Requirement, "file")]),
            ("--requirement file", vec![(Opt::Requirement, "file")]),
            ("--requirem file", vec![(Opt::Requirement, "file")]),
            ("-cfile", vec![(Opt::Constraint, "file")]),
            ("-e .", vec![(Opt::Editable, ".")]),
            ("--pre --prefer-binary", vec![(Opt::Pre, ""), (Opt::PreferBinary, "")]),
            ("--pypi-url=x ignored -f y", vec![(Opt::IndexUrl, "x"), (Opt::FindLinks, "y")]),
            ("--trusted-host --pre", vec![(Opt::TrustedHost, "--pre")]),
            ("--pre -- --oops", vec![(Opt::Pre, "")]),
            (
                "a==1 --hash=sha256:a --config-settings x=y",
                vec![(Opt::Hash, "sha256:a"), (Opt::Build, "x=y")],
            ),
        ] {
            let parsed = parse_line(text).unwrap();
            let options: Vec<_> =
                parsed.options.iter().map(|(option, word)| (*option, word.value.as_str())).collect();
            assert_eq!(options, expected, "{text:?}");
        }
    }

    #[test]
    fn a_wrong_option_is_pointed_at() {
        for (text, span, message) in [
            ("a --oops", 2..8, "pip has no such option in a requirements file"),
            ("-x", 0..2, "pip has no such option in a requirements file"),
            ("-é", 0..3, "pip has no such option in a requirements file"),
            ("--no", 0..4, "more than one option starts like this"),
            ("-r", 0..2, "this option needs a value"),
            ("--hash", 0..6, "this option needs a value"),
            ("--no-index=1", 0..12, "this option takes no value"),
            ("a --hash md5:1", 9..14, "a hash is one of sha256, sha384 and sha512"),
            ("a --hash=x", 2..10, "a hash is written as sha256:abcde..."),
            ("-r 'a", 3..5, "a quotation mark is missing"),
            ("<<<<<<< HEAD", 0..12, "git marked a merge conflict here, which has to be resolved"),
            ("=======", 0..7, "git marked a merge conflict here, which has to be resolved"),
        ] {
            let fault = parse_line(text).unwrap_err();
            assert_eq!((fault.span, fault.message.as_str()), (span, message), "{text:?}");
        }
    }
}
