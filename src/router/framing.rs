//! Where the body of a request ends. The HTTP library finds the same places; where it would refuse a body, no end is known.

/// What is still to come of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks, with their sizes between them.
    Chunks(Chunks),
    /// All that comes: it isn't a body that can be read.
    Unknown,
}

impl Framing {
    /// Begins a body in chunks.
    pub(super) fn chunks() -> Self {
        Self::Chunks(Chunks { place: Place::Start, left: 0 })
    }

    /// Returns whether nothing is to come.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunks(Chunks { place: Place::End, .. }))
    }

    /// Takes the next bytes of the connection, and returns how many of them belong to the body.
    pub(super) fn advance(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Length(left) => {
                let taken = most(*left, bytes.len());
                *left -= taken as u64;
                taken
            }
            Self::Chunks(chunks) => chunks.advance(bytes).unwrap_or_else(|| {
                *self = Self::Unknown;
                bytes.len()
            }),
            Self::Unknown => bytes.len(),
        }
    }
}

fn most(left: u64, available: usize) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(available)
}

/// A body in chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chunks {
    place: Place,
    /// The bytes of the present chunk that are still to come; its size while that is read.
    left: u64,
}

/// What the next byte belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Size,
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataReturn,
    DataEnd,
    TrailersOrEnd,
    Trailer,
    TrailerEnd,
    LastEnd,
    End,
}

impl Chunks {
    /// Returns none if they make no sense.
    fn advance(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < bytes.len() && self.place != Place::End {
            if self.place == Place::Data {
                let taken = most(self.left, bytes.len() - at);
                at += taken;
                self.left -= taken as u64;
                if self.left == 0 {
                    self.place = Place::DataReturn;
                }
                continue;
            }
            self.place = self.step(bytes[at])?;
            at += 1;
        }
        Some(at)
    }

    fn step(&mut self, byte: u8) -> Option<Place> {
        Some(match (self.place, byte) {
            (Place::Start | Place::Size, digit) if digit.is_ascii_hexdigit() => {
                let digit = char::from(digit).to_digit(16)?;
                self.left = self.left.checked_mul(16)?.checked_add(u64::from(digit))?;
                Place::Size
            }
            (Place::Size | Place::Blank, b'\t' | b' ') => Place::Blank,
            (Place::Size | Place::Blank, b';') => Place::Extension,
            (Place::Size | Place::Blank | Place::Extension, b'\r') => Place::SizeEnd,
            (Place::Extension, b'\n') => return None,
            (Place::Extension, _) => Place::Extension,
            (Place::SizeEnd, b'\n') if self.left == 0 => Place::TrailersOrEnd,
            (Place::SizeEnd, b'\n') => Place::Data,
            (Place::DataReturn, b'\r') => Place::DataEnd,
            (Place::DataEnd, b'\n') => Place::Start,
            (Place::TrailersOrEnd, b'\r') => Place::LastEnd,
            (Place::Trailer, b'\r') => Place::TrailerEnd,
            (Place::TrailersOrEnd | Place::Trailer, _) => Place::Trailer,
            (Place::TrailerEnd, b'\n') => Place::TrailersOrEnd,
            (Place::LastEnd, b'\n') => Place::End,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_ends_where_it_says() {
        for (framing, bytes, expected) in [
            (Framing::Length(0), "GET", Some(0)),
            (Framing::Length(3), "abcGET", Some(3)),
            (Framing::chunks(), "0\r\n\r\nGET", Some(5)),
            (Framing::chunks(), "3\r\nabc\r\n0\r\n\r\nGET", Some(13)),
            (Framing::chunks(), "A \t\r\n0\r\n\r\n56789\r\n00;a=\"b\"\r\nX: y\r\nZ:\r\n\r\nGET", Some(39)),
            // Nobody knows.
            (Framing::chunks(), "x\r\nGET", None),
            (Framing::chunks(), "\r\nGET", None),
            (Framing::chunks(), "3\nabc", None),
            (Framing::chunks(), "3\r\nabcd\r\n", None),
            (Framing::chunks(), "3;\n\r\nabc", None),
            (Framing::chunks(), "fffffffffffffffff\r\n", None),
            (Framing::chunks(), "-1\r\n", None),
        ] {
            for piece in [1, 2, 7, bytes.len()] {
                let (mut framing, mut taken) = (framing, 0);
                for piece in bytes.as_bytes().chunks(piece) {
                    let advanced = framing.advance(piece);
                    taken += advanced;
                    if advanced < piece.len() {
                        break;
                    }
                }
                let ended = framing.is_over().then_some(taken);
                assert_eq!(ended, expected, "{bytes:?} by {piece}");
                if expected.is_none() {
                    assert_eq!((framing, taken), (Framing::Unknown, bytes.len()), "{bytes:?}");
                }
            }
        }
    }
}
