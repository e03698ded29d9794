//! Compressed segments, and the gzip member that they make together.
//!
//! A segment is raw deflate that begins without a dictionary and ends at a byte, so that segments can be
//! put behind each other in any company.

use flate2::{Compress, Compression, Crc, Decompress, FlushCompress, FlushDecompress, Status};

/// Names everything that decides the bytes of a compressed segment: to be changed by hand with the
/// version of the compressor, its level, the form of a blob or of the tar headers. A test compares the versions.
pub(crate) const COMPRESSOR: &str = "slugc 1, flate2 1.1.11, zlib-rs 0.6.8, level 5";

/// The level of the compressor, chosen by `cargo bench --bench compression` on two cores, beside `tar czf`:
///
/// | level | standard library, 306 MB | site-packages, 387 MB   |
/// |-------|--------------------------|-------------------------|
/// | 3     | 6.0 times as fast, 0.984 | 4.7 times as fast, 1.051 |
/// | 4     | 5.2 times as fast, 0.965 | 4.1 times as fast, 1.026 |
/// | 5     | 5.1 times as fast, 0.945 | 4.1 times as fast, 1.006 |
/// | 6     | 4.5 times as fast, 0.941 | 3.4 times as fast, 1.002 |
///
/// Five is the first that is as small, and the last that is four times as fast.
const LEVEL: u32 = 5;

/// The bytes of a blob before the deflate stream: the uncompressed length and its CRC-32.
const BLOB_HEADER: usize = 12;

/// Deflate, no name, no time, no flags, made on Unix: the same for every slug.
pub(super) const GZIP_HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];

/// The two blocks of zeros that end a tar file.
pub(super) const END_OF_TAR: [u8; 1024] = [0; 1024];

/// A compressed segment, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blob(Vec<u8>);

impl Blob {
    /// Takes a blob from the store; none if it isn't one of a segment of this length.
    pub(super) fn parse(bytes: Vec<u8>, length: u64) -> Option<Self> {
        Some(Self(bytes)).filter(|blob| blob.0.len() > BLOB_HEADER && blob.length() == length)
    }

    /// Returns the bytes that the store is to keep.
    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the deflate stream.
    pub(super) fn deflated(&self) -> &[u8] {
        &self.0[BLOB_HEADER..]
    }

    /// Returns the length of the content.
    pub(super) fn length(&self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|index| self.0[index]))
    }

    /// Returns the CRC-32 of the content.
    pub(super) fn crc(&self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|index| self.0[8 + index]))
    }
}

/// Returns how many bytes a blob has at most, with what the store puts before it and room to notice that it needs no more.
pub(super) fn room(length: usize) -> usize {
    BLOB_HEADER + length + length / 64 + 512
}

/// Compresses a segment into an empty buffer, best one with enough [`room`].
pub(super) fn compress(content: &[u8], mut bytes: Vec<u8>) -> Blob {
    let mut crc = Crc::new();
    crc.update(content);
    bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&crc.sum().to_le_bytes());
    deflate(content, FlushCompress::Sync, &mut bytes);
    Blob(bytes)
}

/// Returns what comes after the last segment: the end of the tar file as the final block, and the trailer of
/// the gzip member. `crc` and `length` are those of all segments.
pub(super) fn finish(crc: u32, length: u64) -> Vec<u8> {
    let mut end_crc = Crc::new();
    end_crc.update(&END_OF_TAR);
    let crc = combine(crc, end_crc.sum(), END_OF_TAR.len() as u64);
    let mut bytes = Vec::new();
    deflate(&END_OF_TAR, FlushCompress::Finish, &mut bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    // Modulo 2^32, as the format has it.
    bytes.extend_from_slice(&((length + END_OF_TAR.len() as u64) as u32).to_le_bytes());
    bytes
}

fn deflate(content: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let mut compressor = Compress::new(Compression::new(LEVEL), false);
    loop {
        let consumed = usize::try_from(compressor.total_in()).unwrap_or(content.len());
        let rest = &content[consumed..];
        // Room for content that can't be compressed, so that one call is mostly enough.
        out.reserve(rest.len() + rest.len() / 64 + 256);
        // It fails only for a stream in disorder, and this one is new.
        let status = compressor.compress_vec(rest, out, flush);
        let all_consumed = compressor.total_in() == content.len() as u64;
        let done = match status {
            Ok(Status::StreamEnd) | Err(_) => true,
            // Room that is left means that everything is flushed.
            Ok(Status::Ok | Status::BufError) => all_consumed && out.len() < out.capacity(),
        };
        if done {
            return;
        }
    }
}

/// Decompresses a segment into an empty buffer; none if it isn't what its header says.
pub(super) fn inflate(blob: &Blob, mut content: Vec<u8>) -> Option<Vec<u8>> {
    let length = usize::try_from(blob.length()).ok()?;
    content.reserve(length);
    Decompress::new(false).decompress_vec(blob.deflated(), &mut content, FlushDecompress::Sync).ok()?;
    let mut crc = Crc::new();
    crc.update(&content);
    (content.len() == length && crc.sum() == blob.crc()).then_some(content)
}

/// The polynomial of CRC-32, the lowest power in the highest bit.
const POLYNOMIAL: u32 = 0xedb8_8320;

/// Returns the CRC-32 of two pieces put together, from those of the pieces and the length of the second.
///
/// The first is multiplied by x to the power of the bits that follow it. `flate2` can do so only with the
/// running state of both, which the store doesn't keep.
pub(super) fn combine(first: u32, second: u32, second_length: u64) -> u32 {
    let mut power = multiply_by_powers(first, second_length);
    power ^= second;
    power
}

fn multiply_by_powers(mut value: u32, mut bytes: u64) -> u32 {
    // x^8, in the reversed order of bits.
    let mut square = 1_u32 << (31 - 8);
    while bytes > 0 {
        if bytes & 1 == 1 {
            value = multiply(value, square);
        }
        square = multiply(square, square);
        bytes >>= 1;
    }
    value
}

/// Multiplies two polynomials modulo CRC-32's.
fn multiply(a: u32, mut b: u32) -> u32 {
    let mut product = 0;
    for bit in (0..32).rev() {
        if a >> bit & 1 == 1 {
            product ^= b;
        }
        b = if b & 1 == 1 { b >> 1 ^ POLYNOMIAL } else { b >> 1 };
    }
    product
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    /// Bytes that look random, the same every time.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(length)
        .collect()
    }

    fn gzip(segments: &[Vec<u8>]) -> Vec<u8> {
        let mut out = GZIP_HEADER.to_vec();
        let (mut crc, mut length) = (0, 0);
        for segment in segments {
            let blob = compress(segment, Vec::new());
            out.extend_from_slice(blob.deflated());
            crc = combine(crc, blob.crc(), blob.length());
            length += blob.length();
        }
        out.extend(finish(crc, length));
        out
    }

    #[test]
    fn segments_make_one_gzip_member() {
        for segments in [
            vec![],
            vec![vec![0; 512]],
            vec![noise(512), vec![7; 100_000], noise(3 << 20)],
            vec![b"abc".repeat(100_000), vec![], noise(1)],
        ] {
            let mut expected = segments.concat();
            expected.extend_from_slice(&END_OF_TAR);
            let mut content = Vec::new();
            // Reads a single member and checks its CRC and length.
            flate2::bufread::GzDecoder::new(gzip(&segments).as_slice()).read_to_end(&mut content).unwrap();
            assert!(content == expected, "{} segments", segments.len());
        }
    }

    #[test]
    fn a_blob_comes_back_and_a_damaged_one_does_not() {
        for content in [noise(100_000), vec![0; 4 << 20], vec![]] {
            let blob = compress(&content, Vec::new());
            let length = content.len() as u64;
            assert_eq!(inflate(&blob, Vec::new()).unwrap(), content);
            assert_eq!(Blob::parse(blob.as_bytes().to_vec(), length), Some(blob.clone()));
            assert_eq!(Blob::parse(blob.as_bytes().to_vec(), length + 1), None);
            for place in [8, BLOB_HEADER + 2, blob.0.len() / 2] {
                let mut damaged = blob.clone();
                damaged.0[place] ^= 0x55;
                assert_eq!(inflate(&damaged, Vec::new()), None, "{length} {place}");
            }
        }
        assert_eq!(Blob::parse(vec![0; BLOB_HEADER], 0), None);
        assert_eq!(Blob::parse(vec![], 0), None);
    }

    #[test]
    fn the_compressors_name_has_the_versions_that_are_used() {
        let lock: toml::Table = include_str!("../../Cargo.lock").parse().unwrap();
        for name in ["flate2", "zlib-rs"] {
            let package = lock["package"]
                .as_array()
                .unwrap()
                .iter()
                .find(|package| package["name"].as_str() == Some(name));
            let version = package.unwrap()["version"].as_str().unwrap();
            assert!(COMPRESSOR.contains(&format!("{name} {version},")), "{name} {version}: {COMPRESSOR}");
        }
        assert!(COMPRESSOR.ends_with(&format!("level {LEVEL}")));
    }

    proptest! {
        #[test]
        fn checksums_combine(first: Vec<u8>, second: Vec<u8>) {
            let sum = |bytes: &[u8]| {
                let mut crc = Crc::new();
                crc.update(bytes);
                crc.sum()
            };
            let both = [first.as_slice(), &second].concat();
            prop_assert_eq!(combine(sum(&first), sum(&second), second.len() as u64), sum(&both));
        }
    }
}
