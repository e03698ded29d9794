//! Zstandard, read as a stream: all frames of a file, with the long windows that `zstd --long` makes.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The longest window that `zstd --ultra --long=31` makes. It is held in memory, as far as it is filled.
const LONGEST_WINDOW: u64 = 1 << 31;

/// Decompresses what it reads.
pub(super) struct ZstdReader<R> {
    source: R,
    /// The frame being read.
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> ZstdReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, frame: None }
    }

    /// Starts the next frame; returns false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            // A new decoder each time: a used one would set its whole window aside at once.
            let mut frame = FrameDecoder::new();
            frame.set_max_window_size(LONGEST_WINDOW);
            match frame.init(&mut self.source) {
                Ok(()) => {
                    self.frame = Some(frame);
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(frame) = &mut self.frame else {
                if self.next_frame()? {
                    continue;
                }
                return Ok(0);
            };
            if frame.can_collect() > 0 {
                return frame.read(bytes);
            }
            if frame.is_finished() {
                self.frame = None;
                continue;
            }
            frame
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn compressed(bytes: &[u8]) -> Vec<u8> {
        compress_to_vec(bytes, CompressionLevel::Fastest)
    }

    fn decompressed(bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut result = Vec::new();
        ZstdReader::new(bytes).read_to_end(&mut result).map(|_| result)
    }

    #[test]
    fn all_frames_are_read_and_comments_skipped() {
        let long = vec![7; 500_000];
        let comment = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
        let file =
            [comment.clone(), compressed(&long), comment, compressed(b"end"), compressed(b"")].concat();
        assert_eq!(decompressed(&file).unwrap(), [&long[..], b"end"].concat());
    }

    #[test]
    fn a_file_that_is_cut_off_is_an_error_wherever_it_is_cut() {
        let bytes: Vec<u8> = (0..3000_u32).flat_map(|number| (number * number).to_le_bytes()).collect();
        let file = compressed(&bytes);
        assert_eq!(decompressed(&file).unwrap(), bytes);
        for length in (1..file.len()).step_by(97).chain([file.len() - 1]) {
            assert!(decompressed(&file[..length]).is_err(), "{length} of {}", file.len());
        }
    }

    #[test]
    fn windows_are_accepted_up_to_what_zstd_can_make() {
        // Magic number, no content size, a window of 2^log bytes, one last raw block of two bytes.
        let frame = |log: u8| {
            [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, (log - 10) << 3][..], &[0x11, 0x00, 0x00], b"ok"].concat()
        };
        for log in [10, 27, 31] {
            assert_eq!(decompressed(&frame(log)).unwrap(), b"ok", "{log}");
        }
        assert!(decompressed(&frame(32)).is_err());
    }
}
