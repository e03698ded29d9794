//! The classic buildpack as platforms fetch it: scripts, one program and `buildpack.toml` in an archive.
//!
//! What goes in beside the program is part of the program, so a package can be made without a checkout.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use flate2::{Compression, GzBuilder};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

use crate::env::{Env, Interrupted};
use crate::error::{ErrorCode, UserError};
use crate::host::elf;
use crate::host::files::{self, FileError};

/// The files that are the same in every package, with their modes. `bin/slugc` starts the program.
const FILES: &[(&str, u32, &str)] = &[
    ("./bin/compile", 0o755, include_str!("../../bin/compile")),
    ("./bin/detect", 0o755, include_str!("../../bin/detect")),
    ("./bin/release", 0o755, include_str!("../../bin/release")),
    ("./bin/report", 0o755, include_str!("../../bin/report")),
    ("./bin/slugc", 0o755, include_str!("../../bin/slugc")),
    ("./bin/test", 0o755, include_str!("../../bin/test")),
    ("./bin/test-compile", 0o755, include_str!("../../bin/test-compile")),
    ("./buildpack.toml", 0o644, include_str!("../../buildpack.toml")),
];

/// 1980-01-01, as in slugs: the first day that every archive format can express.
const MTIME: u64 = 315_532_800;

/// Far more than the program has; a larger file is a mistake.
const MAX_PROGRAM: u64 = 1 << 30;

/// Only slugc itself looks for this variable, which the scripts of the package set.
const SIGN_OF_SLUGC: &[u8] = b"SLUGC_BUILDPACK_DIR";

/// An architecture that platforms have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    /// 64-bit x86
    X86_64,
    /// 64-bit ARM
    Aarch64,
}

impl Architecture {
    /// Returns the architecture that this program was built for.
    pub(crate) fn of_this_program() -> Option<Self> {
        std::env::consts::ARCH.parse().ok()
    }

    /// Returns the name that `uname -m` prints, which is how the launcher finds its program.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// Returns the number of the machine in an ELF header.
    fn elf_machine(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        }
    }
}

impl FromStr for Architecture {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "x86_64" | "amd64" => Ok(Self::X86_64),
            "aarch64" | "arm64" => Ok(Self::Aarch64),
            _ => Err(format!("`{text}` isn't an architecture of the platforms: x86_64 or aarch64")),
        }
    }
}

/// The program that goes into a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// The one that is running.
    Running,
    /// A file, said to be for this architecture.
    File(PathBuf, Architecture),
}

/// A package that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Package {
    /// What the program in it runs on.
    pub architecture: Architecture,
    /// The size of the archive.
    pub size: u64,
    /// The SHA-256 of the archive, in hexadecimal.
    pub sha256: String,
    /// The version of the C library that the program needs, if it needs one at all.
    pub needs_glibc: Option<String>,
}

/// A package that can't be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackageError {
    /// The program can't be read.
    #[error("The program {} can't be read.", .path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is something else.
    #[error("{} is {what}.", .path.display())]
    NotTheProgram {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        what: String,
    },
    /// This program runs on an architecture that no platform has.
    #[error("This program runs on {}; the launcher knows x86_64 and aarch64.", std::env::consts::ARCH)]
    OtherArchitecture,
    /// The archive can't be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// The user asked slugc to stop.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

impl UserError for PackageError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Unreadable { .. } | Self::NotTheProgram { .. } | Self::OtherArchitecture => {
                ErrorCode::PackageProgram
            }
            Self::Write(error) => error.code(),
            Self::Interrupted(interrupted) => interrupted.code(),
        }
    }

    fn detail(&self) -> Option<String> {
        match self {
            Self::Write(error) => error.detail(),
            Self::Unreadable { source, .. } => Some(source.kind().to_string()),
            _ => None,
        }
    }
}

/// Writes the classic buildpack, whole or not at all. The same program gives the same bytes.
pub(crate) fn package_classic(program: &Program, output: &Path, env: &Env) -> Result<Package, PackageError> {
    let (bytes, architecture) = read_program(program)?;
    env.interrupt.check()?;
    let archive = gzip(&render_tar(&bytes, architecture));
    env.interrupt.check()?;
    files::write_for_user(output, &archive, env.file_mode())?;
    Ok(Package {
        architecture,
        size: archive.len() as u64,
        sha256: hex::encode(Sha256::digest(&archive)),
        needs_glibc: needed_glibc(&bytes),
    })
}

fn read_program(program: &Program) -> Result<(Vec<u8>, Architecture), PackageError> {
    match program {
        // Not by the path it was started by: there may be another file by now.
        Program::Running => {
            let architecture = Architecture::of_this_program().ok_or(PackageError::OtherArchitecture)?;
            let path = Path::new("/proc/self/exe");
            let unreadable = |source| PackageError::Unreadable { path: path.to_owned(), source };
            Ok((fs::read(path).map_err(unreadable)?, architecture))
        }
        Program::File(path, architecture) => Ok((read_file(path, *architecture)?, *architecture)),
    }
}

fn read_file(path: &Path, architecture: Architecture) -> Result<Vec<u8>, PackageError> {
    let unreadable = |source| PackageError::Unreadable { path: path.to_owned(), source };
    let wrong = |what: String| PackageError::NotTheProgram { path: path.to_owned(), what };
    // Neither wait for a writer to a FIFO nor read a device without end.
    let metadata = fs::metadata(path).map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(wrong("not a file".to_owned()));
    }
    if metadata.len() > MAX_PROGRAM {
        return Err(wrong(format!("a file of {} bytes", metadata.len())));
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    check_program(&bytes, architecture).map_err(wrong)?;
    Ok(bytes)
}

/// Says what a file is that can't be the program of a package for this architecture.
fn check_program(bytes: &[u8], architecture: Architecture) -> Result<(), String> {
    if elf::needed(bytes).is_err() {
        return Err("not a 64-bit Linux program".to_owned());
    }
    let machine = u16::from_le_bytes([bytes[18], bytes[19]]);
    if machine != architecture.elf_machine() {
        let other = [Architecture::X86_64, Architecture::Aarch64];
        let found = other.into_iter().find(|other| other.elf_machine() == machine);
        let found = found.map_or("another architecture", Architecture::name);
        return Err(format!("a program for {found}, not for {}", architecture.name()));
    }
    let is_slugc = bytes.windows(SIGN_OF_SLUGC.len()).any(|window| window == SIGN_OF_SLUGC);
    if is_slugc { Ok(()) } else { Err("a program, but not slugc".to_owned()) }
}

/// Returns the newest version of glibc that a program names, as it stands in the program's strings.
fn needed_glibc(bytes: &[u8]) -> Option<String> {
    if elf::needed(bytes).ok()?.is_empty() {
        return None;
    }
    let pattern = regex::bytes::Regex::new(r"GLIBC_2\.([0-9]{1,3})(?:\.[0-9]+)?\x00").ok()?;
    let newest = pattern.captures_iter(bytes).filter_map(|found| {
        let minor: u16 = std::str::from_utf8(found.get(1)?.as_bytes()).ok()?.parse().ok()?;
        Some(minor)
    });
    newest.max().map(|minor| format!("2.{minor}"))
}

/// Renders the archive: sorted, `./` before each name, everything root's and of one time.
fn render_tar(program: &[u8], architecture: Architecture) -> Vec<u8> {
    let mut entries: BTreeMap<String, (u32, &[u8])> =
        FILES.iter().map(|(name, mode, text)| ((*name).to_owned(), (*mode, text.as_bytes()))).collect();
    entries.insert(format!("./bin/slugc-{}", architecture.name()), (0o755, program));
    let mut tar = Vec::with_capacity(program.len() + (1 << 16));
    append(&mut tar, "./bin/", EntryType::Directory, 0o755, b"");
    for (name, (mode, content)) in entries {
        append(&mut tar, &name, EntryType::Regular, mode, content);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

fn append(tar: &mut Vec<u8>, name: &str, entry_type: EntryType, mode: u32, content: &[u8]) {
    let mut header = Header::new_gnu();
    header.set_entry_type(entry_type);
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    header.set_mtime(MTIME);
    header.set_uid(0);
    header.set_gid(0);
    // The crate's own setter would take the leading `./` off.
    for (to, from) in header.as_old_mut().name.iter_mut().zip(name.as_bytes()) {
        *to = *from;
    }
    if let Some(gnu) = header.as_gnu_mut() {
        gnu.uname[..4].copy_from_slice(b"root");
        gnu.gname[..4].copy_from_slice(b"root");
    }
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.extend_from_slice(content);
    tar.resize(tar.len().next_multiple_of(512), 0);
}

/// Compresses, without a name or a time in the header.
fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
    // Writing to memory doesn't fail.
    let _ = writer.write_all(bytes);
    writer.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn this_program() -> Vec<u8> {
        fs::read("/proc/self/exe").unwrap()
    }

    #[test]
    fn only_slugc_for_the_right_architecture_is_packaged() {
        let Some(here) = Architecture::of_this_program() else { return };
        let other = if here == Architecture::X86_64 { Architecture::Aarch64 } else { Architecture::X86_64 };
        let program = this_program();
        assert_eq!(check_program(&program, here), Ok(()));
        let message = check_program(&program, other).unwrap_err();
        assert_eq!(message, format!("a program for {}, not for {}", here.name(), other.name()));
        let mut strange = program.clone();
        strange[18..20].copy_from_slice(&[8, 0]);
        let message = check_program(&strange, here).unwrap_err();
        assert!(message.starts_with("a program for another architecture"), "{message}");
        let shell = fs::read(fs::canonicalize("/bin/sh").unwrap()).unwrap();
        assert_eq!(check_program(&shell, here), Err("a program, but not slugc".to_owned()));
        for bytes in [&b""[..], b"#!/bin/sh\n", b"\x7fELF", &program[..70]] {
            assert!(check_program(bytes, here).is_err(), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn every_script_of_the_checkout_is_in_the_package() {
        let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("bin");
        let packaged: Vec<_> = FILES.iter().filter_map(|(name, ..)| name.strip_prefix("./bin/")).collect();
        let mut there: Vec<_> = fs::read_dir(bin)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        there.sort();
        assert_eq!(packaged, there, "add the script to FILES");
    }

    #[test]
    fn the_archive_is_a_table_of_fixed_facts() {
        let tar = render_tar(b"program", Architecture::Aarch64);
        let mut archive = tar::Archive::new(tar.as_slice());
        let facts: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let header = entry.unwrap().header().clone();
                let name = String::from_utf8_lossy(&header.as_old().name).trim_end_matches('\0').to_owned();
                assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0), "{name}");
                assert_eq!(header.mtime().unwrap(), MTIME, "{name}");
                (name, header.mode().unwrap())
            })
            .collect();
        let mut sorted = facts.clone();
        sorted.sort();
        assert_eq!(facts, sorted);
        assert!(facts.contains(&("./bin/slugc-aarch64".to_owned(), 0o755)), "{facts:?}");
        assert!(facts.contains(&("./buildpack.toml".to_owned(), 0o644)), "{facts:?}");
        assert_eq!(facts.len(), FILES.len() + 2);
    }

    #[test]
    fn the_newest_glibc_is_told_by_number() {
        let mut program = this_program();
        let found = needed_glibc(&program);
        program.extend_from_slice(b"GLIBC_2.99\0GLIBC_2.100\0GLIBC_2.101x");
        if found.is_some() {
            assert_eq!(needed_glibc(&program).as_deref(), Some("2.100"));
        }
        assert_eq!(needed_glibc(b"no program"), None);
    }
}
