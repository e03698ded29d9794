//! What uv doesn't read as pip does: decided from the parsed lines, so that pip itself installs what a file says and
//! nothing of it is passed over.

use super::line::LogicalLine;
use super::option::{LineOption, ParsedLine};

/// Something that only pip itself understands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeyondUv {
    /// The file's path relative to the app.
    pub file: String,
    /// The number of the line, from 1.
    pub line: usize,
    /// What it is, to go after "uv doesn't read".
    pub what: String,
}

/// The options that uv reads, as it wants them written.
const KNOWN: &[&str] = &[
    "-i",
    "-f",
    "-r",
    "-c",
    "-e",
    "--index-url",
    "--extra-index-url",
    "--find-links",
    "--no-index",
    "--no-binary",
    "--only-binary",
    "--requirement",
    "--constraint",
    "--editable",
    // It is given to uv in another way.
    "--trusted-host",
    // pip installs for its own reason.
    "--use-feature",
];

/// Looks at what a file as such has.
pub(super) fn of_file(contents: &[u8], text: &str) -> Option<&'static str> {
    let unmarked = contents.strip_prefix(b"\xef\xbb\xbf").unwrap_or(contents);
    if unmarked != text.as_bytes() {
        return Some("another encoding than UTF-8");
    }
    let is_odd_end = |letter: char| {
        matches!(letter, '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
    };
    if text.contains(is_odd_end) {
        Some("a line end that only Python knows")
    } else if text.contains("\\\r") || text.trim_end_matches(['\r', '\n']).ends_with('\\') {
        Some("a continued line of this form")
    } else if has_upper_case_hash(text) {
        Some("a hash in upper case")
    } else {
        None
    }
}

fn has_upper_case_hash(text: &str) -> bool {
    text.split("--hash").skip(1).any(|rest| {
        let digits = rest.split_once(':').map_or("", |(_, digits)| digits);
        digits.chars().take_while(char::is_ascii_hexdigit).any(|digit| digit.is_ascii_uppercase())
    })
}

/// Looks at a line.
pub(super) fn of_line(line: &LogicalLine, parsed: &ParsedLine<'_>) -> Option<String> {
    let text = line.text.as_str();
    if line.is_continued_within_a_word() {
        return Some("a word that goes on in the next line".to_owned());
    }
    match parsed.requirement() {
        Some((requirement, false)) => of_requirement(&requirement.value, parsed),
        _ => of_options(text, parsed),
    }
}

fn of_requirement(text: &str, parsed: &ParsedLine<'_>) -> Option<String> {
    let only_hashes = parsed.options.iter().all(|(option, _)| *option == LineOption::Hash);
    let is_address = text.contains("://") || text.contains(" @ ");
    if !only_hashes {
        Some("an option of a single requirement".to_owned())
    } else if text.contains("${") && !is_address {
        Some("a variable outside of an address".to_owned())
    } else if text.contains("#egg=") && !text.contains("git+") {
        Some("an archive that only #egg= names".to_owned())
    } else {
        None
    }
}

fn of_options(text: &str, parsed: &ParsedLine<'_>) -> Option<String> {
    let name = text.split([' ', '=']).next().unwrap_or_default();
    let [(option, word)] = parsed.options.as_slice() else {
        return Some("several options in one line".to_owned());
    };
    let beyond = match option {
        LineOption::Pre
        | LineOption::PreferBinary
        | LineOption::RequireHashes
        | LineOption::NoRequireHashes
        | LineOption::AllReleases
        | LineOption::OnlyFinal => true,
        LineOption::NoBinary | LineOption::OnlyBinary => word.value.contains(','),
        // What follows the name would be a part of it.
        LineOption::Requirement | LineOption::Constraint => {
            text[name.len()..].trim_start_matches(['=', ' ']) != word.value
        }
        _ => false,
    };
    (beyond || !KNOWN.contains(&name) || text.contains(['"', '\'', '\\']))
        .then(|| format!("`{}`", shown(text, name)))
}

/// Shows an option without its value, which may hold credentials.
fn shown(text: &str, name: &str) -> String {
    let has_address = text.contains("://");
    if has_address { name.to_owned() } else { text.chars().take(60).collect() }
}

#[cfg(test)]
mod tests {
    use super::super::read_requirements;

    fn beyond(text: &str) -> Vec<String> {
        let mut read = |path: &str| match path {
            "requirements.txt" => Ok(text.as_bytes().to_vec()),
            _ => Ok(b"six==1.0\n".to_vec()),
        };
        let read = read_requirements("requirements.txt", &mut read).unwrap();
        read.beyond_uv.into_iter().map(|found| found.what).collect()
    }

    // D02, D03, D04
    #[test]
    fn what_uv_reads_otherwise_is_left_to_pip_and_the_rest_is_not() {
        let upper = format!("a==1 --hash=sha256:{}", "AB".repeat(32));
        let lower = format!("a==1 --hash=sha256:{}", "ab".repeat(32));
        for (text, is_beyond) in [
            ("--pre\nalpha-lib\n", true),
            ("--prefer-binary\nalpha-lib\n", true),
            ("--all-releases alpha-lib\n", true),
            ("--only-final alpha-lib\n", true),
            ("--require-hashes\n", true),
            ("conf-lib==1.0 -C mode=\"on\"\n", true),
            ("beta-lib==${BETA_VERSION}\n", true),
            ("alpha-lib==1.0 \\\r\n   ; python_version>=\"3\"\r\n", true),
            ("-e \"./my lib\"\n", true),
            ("file:///dir/conf_lib-1.0.tar.gz#egg=conf-lib\n", true),
            (&upper, true),
            ("alpha-lib==1.0\x0cbeta-lib==1.0", true),
            ("-r base.txt ; python_version>\"3\"\n", true),
            ("-r my base.txt\n", true),
            ("-rbase.txt\n", true),
            ("--no-binary delta-lib,epsilon-lib\n", true),
            ("-i https://a.test -f x\n", true),
            ("al\\\npha-lib==1.0\n", true),
            ("alpha-lib==1.0 \\", true),
            ("--pypi-url https://a.test\n", true),
            // What both read alike.
            ("alpha-lib==1.0\nbeta-lib>=1 ; python_version>'3'\n", false),
            (&lower, false),
            (
                "alpha-lib==1.0 \\\n    --hash=sha256:abababababababababababababababababababababababababababababababab\n",
                false,
            ),
            ("-r base.txt\n-c constraints.txt\n--requirement=base.txt\n", false),
            ("--index-url https://${TOKEN}@a.test/simple\n--extra-index-url https://b.test\n", false),
            ("-e .\n-e ./lib[x]\n./other\n", false),
            ("git+https://a.test/x.git#egg=x\nx @ https://a.test/x-1.tar.gz\n", false),
            ("--no-binary :all:\n--only-binary alpha\n--find-links ./wheels\n--no-index\n", false),
            ("# café\nalpha-lib\r\nbeta-lib\r\n", false),
        ] {
            assert_eq!(!beyond(text).is_empty(), is_beyond, "{text:?}: {:?}", beyond(text));
        }
    }

    #[test]
    fn an_address_is_not_shown() {
        assert_eq!(beyond("--pypi-url https://me:hush@a.test\n"), ["`--pypi-url`"]);
        assert_eq!(beyond("--pre\n"), ["`--pre`"]);
    }
}
