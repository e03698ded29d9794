//! Single files out of zip archives: wheels.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zip::ZipArchive;
use zip::result::ZipError;

/// Opens an archive and finds in it the one file whose name passes the test.
fn open_member<T>(
    archive: &Path,
    is_wanted: impl Fn(&str) -> bool,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> io::Result<T> {
    let mut archive = ZipArchive::new(File::open(archive)?).map_err(to_io)?;
    let name = archive.file_names().flatten().find(|name| is_wanted(name)).map(Cow::into_owned);
    let name = name.ok_or(io::ErrorKind::NotFound)?;
    let mut member = archive.by_name(&name).map_err(to_io)?;
    read(&mut member)
}

/// Reads a file of at most `limit` bytes out of an archive.
pub(crate) fn read_member(archive: &Path, name: &str, limit: u64) -> io::Result<Vec<u8>> {
    open_member(
        archive,
        |found| found == name,
        |member| {
            let mut bytes = Vec::new();
            member.take(limit + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > limit { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
        },
    )
}

/// Writes a file of at most `limit` bytes out of an archive into a new program: the one whose name ends so.
pub(crate) fn extract_program(archive: &Path, suffix: &str, into: &Path, limit: u64) -> io::Result<()> {
    open_member(
        archive,
        |found| found.ends_with(suffix),
        |member| {
            let mut program = File::options().write(true).create_new(true).mode(0o755).open(into)?;
            if io::copy(&mut member.take(limit + 1), &mut program)? > limit {
                return Err(io::ErrorKind::FileTooLarge.into());
            }
            Ok(())
        },
    )
}

fn to_io(error: ZipError) -> io::Error {
    match error {
        ZipError::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn archive(path: &Path, members: &[(&str, &[u8])]) {
        let mut writer = ZipWriter::new(File::create(path).unwrap());
        for (name, contents) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(contents).unwrap();
        }
        writer.finish().unwrap();
    }

    #[test]
    fn one_file_comes_out_and_no_more_than_is_allowed() {
        let dir = tempfile::tempdir().unwrap();
        let (wheel, program) = (dir.path().join("a.whl"), dir.path().join("program"));
        archive(&wheel, &[("a/b.py", b"x = 1"), ("a.data/scripts/tool", &[7; 1000])]);
        assert_eq!(read_member(&wheel, "a/b.py", 5).unwrap(), b"x = 1");
        assert_eq!(read_member(&wheel, "a/b.py", 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_member(&wheel, "b.py", 5).unwrap_err().kind(), io::ErrorKind::NotFound);
        extract_program(&wheel, "/scripts/tool", &program, 1000).unwrap();
        assert_eq!(fs::read(&program).unwrap(), [7; 1000]);
        assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o111, 0o111);
        // It is there already.
        assert!(extract_program(&wheel, "/scripts/tool", &program, 1000).is_err());
        fs::remove_file(&program).unwrap();
        assert!(extract_program(&wheel, "/scripts/tool", &program, 999).is_err());
    }

    #[test]
    fn what_is_damaged_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let wheel = dir.path().join("a.whl");
        archive(&wheel, &[("a", &(0..=255).cycle().take(5000).collect::<Vec<u8>>())]);
        let whole = fs::read(&wheel).unwrap();
        for end in 0..whole.len() {
            fs::write(&wheel, &whole[..end]).unwrap();
            assert!(read_member(&wheel, "a", 5000).is_err(), "{end}");
        }
        let mut flipped = whole.clone();
        flipped[60] ^= 1;
        fs::write(&wheel, flipped).unwrap();
        assert!(read_member(&wheel, "a", 5000).is_err());
    }
}
