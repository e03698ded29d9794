//! From bytes to text, as pip does: a byte order mark decides, else a `coding:` comment, else it is UTF-8.

use std::sync::LazyLock;

use encoding_rs::Encoding;
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
        _ => match named_encoding(bytes) {
            Some(name) => in_encoding(bytes, &name),
            None => utf8(bytes),
        },
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

/// Returns the encoding that a comment in the first two lines names, in lower case and with hyphens.
fn named_encoding(bytes: &[u8]) -> Option<String> {
    let comments = bytes.split(|byte| *byte == b'\n').take(2).filter(|line| line.starts_with(b"#"));
    let name = comments.filter_map(|line| CODING.captures(line)).next()?;
    Some(String::from_utf8_lossy(&name[1]).to_ascii_lowercase().replace('_', "-"))
}

/// Decodes as Python does. The web's names mean other encodings in two cases: it reads Latin-1 and ASCII as Windows does.
fn in_encoding(bytes: &[u8], name: &str) -> Result<String, String> {
    const LATIN1: &[&str] = &["latin-1", "latin1", "iso-8859-1", "iso8859-1", "8859", "cp819", "l1", "latin"];
    let stated = |found: &str| Err(format!("its comment says that it is {name} text, {found}"));
    if LATIN1.contains(&name) {
        return Ok(bytes.iter().copied().map(char::from).collect());
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && text.is_ascii()
    {
        return Ok(text.to_owned());
    }
    if ["ascii", "us-ascii", "646"].contains(&name) {
        return stated("and it isn't");
    }
    if ["utf-8", "utf8", "u8", "utf", "utf-8-sig"].contains(&name) {
        return utf8(bytes);
    }
    // `cp1252` has a name of its own there, `iso8859-15` is spelt with one more hyphen.
    let label = name.strip_prefix("iso8859").map_or(name.to_owned(), |rest| format!("iso-8859{rest}"));
    let Some(encoding) = Encoding::for_label(label.as_bytes()) else {
        return stated("which isn't supported: save it as UTF-8");
    };
    match encoding.decode_without_bom_handling_and_without_replacement(bytes) {
        Some(text) => Ok(text.into_owned()),
        None => stated("and it isn't"),
    }
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
            // D05
            (b"# coding=latin1\n# caf\xe9\nbeta-lib==1.0", Ok("# coding=latin1\n# caf\u{e9}\nbeta-lib==1.0")),
            (b"# -*- coding: cp1252 -*-\n# \x93x\x94", Ok("# -*- coding: cp1252 -*-\n# \u{201c}x\u{201d}")),
            (
                b"# x\n# vim: set fileencoding=iso-8859-15 :\n# \xa4",
                Ok("# x\n# vim: set fileencoding=iso-8859-15 :\n# \u{20ac}"),
            ),
            (b"# coding: iso8859_15\n# \xa4", Ok("# coding: iso8859_15\n# \u{20ac}")),
            (b"# coding: koi8-r\n# \xc1", Ok("# coding: koi8-r\n# \u{430}")),
            (b"# coding: shift_jis\n# \x82\xa0", Ok("# coding: shift_jis\n# \u{3042}")),
            (b"# coding: latin-1\n\x93", Ok("# coding: latin-1\n\u{93}")),
            (b"# coding: no-such\nf", Ok("# coding: no-such\nf")),
            (b"# coding: ascii\n# \xe9", Err("its comment says that it is ascii text, and it isn't")),
            (
                b"# coding: cp437\n# \x82",
                Err("its comment says that it is cp437 text, which isn't supported: save it as UTF-8"),
            ),
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
