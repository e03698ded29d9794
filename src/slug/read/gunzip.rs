//! The compressed file of a slug, as a stream of the tar's bytes that remembers exactly what went wrong.

use std::cell::{Cell, RefCell};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::rc::Rc;

use flate2::bufread::GzDecoder;
use sha2::{Digest, Sha256};

use super::problem::SlugProblem;
use crate::env::Interrupt;

/// The uncompressed bytes of a gzip file. Clones read from the same place, so that one can be lent to the
/// tar reader while the other looks at how far it got, and why it stopped.
#[derive(Clone)]
pub(super) struct Gunzip(Rc<RefCell<Inner>>);

struct Inner {
    decoder: Option<GzDecoder<BufReader<Counted>>>,
    compressed: Rc<Cell<u64>>,
    file_failed: Rc<Cell<bool>>,
    file_hash: Option<Rc<RefCell<Sha256>>>,
    tar_hash: Option<Sha256>,
    tar_size: u64,
    interrupt: Interrupt,
    fault: Option<Fault>,
    at_end: bool,
}

/// What a slug is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksums {
    /// The SHA-256 of the file, in hexadecimal.
    pub file: String,
    /// The SHA-256 of the tar file inside, in hexadecimal.
    pub tar: String,
    /// The length of the tar file in bytes.
    pub tar_size: u64,
}

/// Why no more bytes come.
pub(super) enum Fault {
    /// The file is at fault.
    Problem(SlugProblem),
    /// The file couldn't be read.
    Io(io::Error),
    /// The user asked for the end.
    Interrupted,
}

struct Counted {
    file: File,
    bytes: Rc<Cell<u64>>,
    failed: Rc<Cell<bool>>,
    hash: Option<Rc<RefCell<Sha256>>>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer);
        match &read {
            Ok(read) => {
                self.bytes.set(self.bytes.get() + *read as u64);
                if let Some(hash) = &self.hash {
                    hash.borrow_mut().update(&buffer[..*read]);
                }
            }
            Err(error) => self.failed.set(error.kind() != io::ErrorKind::Interrupted),
        }
        read
    }
}

impl Gunzip {
    /// Opens the file; `hashed` if its checksums are wanted in the end.
    pub(super) fn open(path: &Path, hashed: bool, interrupt: &Interrupt) -> Result<Self, Fault> {
        let file = File::open(path).map_err(Fault::Io)?;
        let compressed = Rc::new(Cell::new(0));
        let file_failed = Rc::new(Cell::new(false));
        let file_hash = hashed.then(Rc::default);
        let counted = Counted {
            file,
            bytes: Rc::clone(&compressed),
            failed: Rc::clone(&file_failed),
            hash: file_hash.clone(),
        };
        let mut reader = BufReader::with_capacity(64 * 1024, counted);
        let start = reader.fill_buf().map_err(Fault::Io)?;
        if start.is_empty() {
            return Err(Fault::Problem(SlugProblem::Empty));
        }
        if !start.starts_with(&[0x1f, 0x8b]) {
            return Err(Fault::Problem(SlugProblem::NotGzip { looks_like: looks_like(start) }));
        }
        Ok(Self(Rc::new(RefCell::new(Inner {
            decoder: Some(GzDecoder::new(reader)),
            compressed,
            file_failed,
            file_hash,
            tar_hash: hashed.then(Sha256::new),
            tar_size: 0,
            interrupt: interrupt.clone(),
            fault: None,
            at_end: false,
        }))))
    }

    /// Returns how much of the file was needed for the bytes that have come out, to within a few bytes.
    pub(super) fn compressed_bytes(&self) -> u64 {
        let inner = self.0.borrow();
        let ahead = inner.decoder.as_ref().map_or(0, |decoder| decoder.get_ref().buffer().len());
        inner.compressed.get().saturating_sub(ahead as u64)
    }

    /// Returns the checksums, if they were wanted and all the bytes were read, and were right.
    pub(super) fn checksums(&self) -> Option<Checksums> {
        let inner = self.0.borrow();
        let (file, tar) = (inner.file_hash.as_ref()?, inner.tar_hash.as_ref()?);
        inner.at_end.then(|| Checksums {
            file: hex::encode(file.borrow().clone().finalize()),
            tar: hex::encode(tar.clone().finalize()),
            tar_size: inner.tar_size,
        })
    }

    /// Returns whether all the bytes were read, and were right.
    pub(super) fn is_at_end(&self) -> bool {
        self.0.borrow().at_end
    }

    /// Takes the reason why reading failed, if it was the compressed file's and not the tar's.
    pub(super) fn take_fault(&self) -> Option<Fault> {
        self.0.borrow_mut().fault.take()
    }

    /// Reads to the end: only there is the checksum.
    pub(super) fn drain(&self) -> io::Result<()> {
        io::copy(&mut self.clone(), &mut io::sink()).map(drop)
    }
}

impl Read for Gunzip {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl Inner {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at_end || buffer.is_empty() {
            return Ok(0);
        }
        if self.interrupt.signal().is_some() {
            return Err(self.fail(Fault::Interrupted));
        }
        loop {
            let Some(decoder) = &mut self.decoder else { return Err(io::ErrorKind::Other.into()) };
            match decoder.read(buffer) {
                Ok(0) => {}
                Ok(read) => {
                    self.tar_size += read as u64;
                    if let Some(hash) = &mut self.tar_hash {
                        hash.update(&buffer[..read]);
                    }
                    return Ok(read);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.diagnose(error)),
            }
            if !self.next_member()? {
                self.at_end = true;
                return Ok(0);
            }
        }
    }

    /// Goes on to a further gzip member, as `cat a.gz b.gz` makes them. Zeros at the end are padding.
    fn next_member(&mut self) -> io::Result<bool> {
        let Some(decoder) = self.decoder.take() else { return Ok(false) };
        let mut reader = decoder.into_inner();
        loop {
            let bytes = match reader.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) => return Err(self.fail(Fault::Io(error))),
            };
            match bytes {
                [] => return Ok(false),
                [0x1f, ..] => break,
                [0, ..] => {
                    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
                    reader.consume(zeros);
                }
                _ => return Err(self.fail(Fault::Problem(SlugProblem::TrailingBytes))),
            }
        }
        self.decoder = Some(GzDecoder::new(reader));
        Ok(true)
    }

    fn diagnose(&mut self, error: io::Error) -> io::Error {
        let fault = if self.file_failed.get() {
            Fault::Io(error)
        } else if error.kind() == io::ErrorKind::UnexpectedEof {
            Fault::Problem(SlugProblem::CutOff { size: self.compressed.get() })
        } else {
            Fault::Problem(SlugProblem::Damaged { before: self.compressed.get(), source: error })
        };
        self.fail(fault)
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        self.decoder = None;
        self.fault = Some(fault);
        io::Error::other("the compressed file can't be read")
    }
}

/// Names what people take for a slug: the wrong format, or the error page of a failed download.
fn looks_like(start: &[u8]) -> Option<&'static str> {
    const SIGNS: &[(&[u8], &str)] = &[
        (b"PK\x03\x04", "a zip file"),
        (b"\x28\xb5\x2f\xfd", "a zstd file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"BZh", "a bzip2 file"),
        (b"hsqs", "a squashfs image"),
        (b"<", "an HTML or XML page"),
        (b"{", "JSON"),
    ];
    let sign = SIGNS.iter().find(|(sign, _)| start.starts_with(sign)).map(|(_, name)| *name);
    sign.or_else(|| (start.get(257..262) == Some(b"ustar")).then_some("a tar file that isn't compressed"))
}
