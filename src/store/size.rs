//! Sizes and times as people write them.

/// Reads a size: bytes, or with K, M or G (powers of 1024).
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KIB" => 1 << 10,
        "M" | "MIB" => 1 << 20,
        "G" | "GIB" => 1 << 30,
        _ => return Err(format!("`{unit}` isn't a unit: use K, M or G")),
    };
    number.checked_mul(factor).ok_or_else(|| "that is too much".to_owned())
}

/// Reads a length of time and returns it in seconds: with `s`, `m`, `h` or `d`, else in seconds.
pub(crate) fn parse_duration(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text)?;
    let factor: u64 = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return Err(format!("`{unit}` isn't a unit: use s, m, h or d")),
    };
    number.checked_mul(factor).ok_or_else(|| "that is too much".to_owned())
}

fn split(text: &str) -> Result<(u64, &str), String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let number = digits.parse().map_err(|_| format!("`{digits}` isn't a whole number"))?;
    Ok((number, &text[digits.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, expected) in [
            ("500M", Some(500 << 20)),
            ("10", Some(10)),
            ("2g", Some(2 << 30)),
            ("1KiB", Some(1024)),
            ("M", None),
            ("5X", None),
            ("-1", None),
            ("99999999999G", None),
        ] {
            assert_eq!(parse_size(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_have_units_of_a_clock() {
        for (text, expected) in [
            ("90", Some(90)),
            ("15m", Some(900)),
            ("2h", Some(7200)),
            ("30d", Some(2_592_000)),
            ("1w", None),
            ("", None),
            ("-1s", None),
            ("999999999999999999d", None),
        ] {
            assert_eq!(parse_duration(text).ok(), expected, "{text}");
        }
    }
}
