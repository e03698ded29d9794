//! From bytes to text, as pip does: a byte order mark decides, else a `coding:` comment, else it is UTF-8.

use std::sync::LazyLock;

use regex::bytes::Regex;

static CODING: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"coding[:=]\s*([-\w.]+)").expect("the pattern is constant, and tested"));

/// Decodes a requirements file, or says why it can't be.
pub(super) fn decode(bytes: &[u8]) -> Result<String, String> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0xff, 0xfe, 0, 0, rest @ ..] => utf32(rest, u32::from_le_bytes),
        [0, 0, 0xfe, 0xff, rest @ ..] => utf32(rest, u32::from_be_bytes),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ if is_latin1(bytes) => Ok(bytes.iter().copied().map(char::from).collect()),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| {
        let before = &bytes[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        format!("line {line} isn't UTF-8 text")
    })
}

fn utf16(bytes: &[u8], from: fn([u8; 2]) -> u16) -> Result<String, String> {
    let units = bytes.chunks_exact(2).map(|pair| from([pair[0], pair[1]]));
    let text = char::decode_utf16(units).collect::<Result<String, _>>().ok();
    text.filter(|_| bytes.len().is_multiple_of(2))
        .ok_or_else(|| "the file starts as UTF-16 text does, but isn't".to_owned())
}

fn utf32(bytes: &[u8], from: fn([u8; 4]) -> u32) -> Result<String, String> {
    let units = bytes.chunks_exact(4).map(|unit| char::from_u32(from([unit[0], unit[1], unit[2], unit[3]])));
    units
        .collect::<Option<String>>()
        .filter(|_| bytes.len().is_multiple_of(4))
        .ok_or_else(|| "the file starts as UTF-32 text does, but isn't".to_owned())
}

/// Python knows many encodings; of those that a comment can name, this is the one that is met.
fn is_latin1(bytes: &[u8]) -> bool {
    let comments = bytes.split(|byte| *byte == b'\n').take(2).filter(|line| line.starts_with(b"#"));
    comments.filter_map(|line| CODING.captures(line)).next().is_some_and(|captures| {
        let name = String::from_utf8_lossy(&captures[1]).to_ascii_lowercase().replace('_', "-");
        ["latin-1", "latin1", "iso-8859-1", "iso8859-1", "l1"].contains(&name.as_str())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_order_mark_or_a_comment_names_the_encoding() {
        let utf16 = |to_bytes: fn(u16) -> [u8; 2]| {
            "\u{feff}fé\n".encode_utf16().flat_map(to_bytes).collect::<Vec<u8>>()
        };
        for (bytes, expected) in [
            ("fé\n".as_bytes(), Ok("fé\n")),
            ("\u{feff}fé\n".as_bytes(), Ok("fé\n")),
            (&utf16(u16::to_le_bytes), Ok("fé\n")),
            (&utf16(u16::to_be_bytes), Ok("fé\n")),
            (b"\xff\xfe\0\0f\0\0\0", Ok("f")),
            (b"\0\0\xfe\xff\0\0\0f", Ok("f")),
            (b"# -*- coding: latin-1 -*-\n# caf\xe9", Ok("# -*- coding: latin-1 -*-\n# café")),
            (b"# coding=utf-8\nf", Ok("# coding=utf-8\nf")),
            (b"flask\n# caf\xe9", Err("line 2 isn't UTF-8 text")),
            (b"flask\nx\n# coding: latin-1\n\xe9", Err("line 4 isn't UTF-8 text")),
            (b"\xff\xfef", Err("the file starts as UTF-16 text does, but isn't")),
            (b"\xff\xfe\0\0f", Err("the file starts as UTF-32 text does, but isn't")),
            (b"", Ok("")),
        ] {
            assert_eq!(decode(bytes), expected.map(str::to_owned).map_err(str::to_owned), "{bytes:?}");
        }
    }
}
