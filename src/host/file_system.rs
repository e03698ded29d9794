//! What kind of file system a directory is on, and what this machine calls itself and its last start.

use std::io;
use std::path::Path;

use crate::error::MachineFault;

/// Whether other machines may use a file system at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// A disk or the memory of this machine: locks hold for everybody who can reach it.
    Local,
    /// NFS, SMB, 9p, FUSE and whatever isn't known: locks may hold on this machine only, or not be there.
    Shared,
}

/// What `statfs` calls the file systems that only one kernel writes to (linux/magic.h and their sources).
const LOCAL: &[u32] = &[
    0xEF53,      // ext2, ext3, ext4
    0x5846_5342, // XFS
    0x9123_683E, // Btrfs
    0x0102_1994, // tmpfs
    0x8584_58F6, // ramfs
    0x794C_7630, // overlayfs
    0x2FC1_2FC1, // ZFS
    0xF2F5_2010, // F2FS
    0xCA45_1A4E, // bcachefs
    0x3153_464A, // JFS
    0x3434,      // NILFS
    0xF15F,      // eCryptfs
    0x4D44,      // FAT
    0x2011_BAB0, // exFAT
    0x5346_544E, // NTFS
    0x7366_746E, // NTFS, the newer driver
    0x7371_7368, // SquashFS
    0xE0F5_E1E2, // EROFS
];

/// Asks the kernel for the kind of the file system that a directory is on.
pub(crate) fn file_system(path: &Path) -> io::Result<FileSystem> {
    Ok(of_type(rustix::fs::statfs(path)?.f_type as u32))
}

/// Says why a program can't be started, where the system's own words don't.
pub(crate) fn explain_start(program: &Path, error: io::Error) -> io::Error {
    let runs_no_programs = || {
        let flags = rustix::fs::statvfs(program).map(|state| state.f_flag);
        flags.is_ok_and(|flags| flags.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
    };
    let is_noexec = error.kind() == io::ErrorKind::PermissionDenied && runs_no_programs();
    if is_noexec { io::Error::other(MachineFault::NoExec) } else { error }
}

/// Returns whether the kernel can be asked about processes.
pub(crate) fn has_proc() -> bool {
    Path::new("/proc/self/exe").symlink_metadata().is_ok()
}

fn of_type(number: u32) -> FileSystem {
    if LOCAL.contains(&number) { FileSystem::Local } else { FileSystem::Shared }
}

/// Returns what tells this start of the machine from all others; none where the kernel doesn't say.
pub(crate) fn boot_id() -> Option<String> {
    one_line("/proc/sys/kernel/random/boot_id")
}

/// Returns the name of this machine, fit for a file's name.
pub(crate) fn machine_name() -> String {
    let name = one_line("/proc/sys/kernel/hostname").unwrap_or_default();
    name.replace(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-', "-")
}

fn one_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_to_be_this_machines_own_is_taken_for_shared() {
        for (number, name, expected) in [
            (0xEF53, "ext4", FileSystem::Local),
            (0x794C_7630, "overlayfs", FileSystem::Local),
            (0x6969, "NFS", FileSystem::Shared),
            (0xFE53_4D42, "SMB", FileSystem::Shared),
            (0xFF53_4D42, "CIFS", FileSystem::Shared),
            (0x0102_1997, "9p", FileSystem::Shared),
            (0x6573_5546, "FUSE", FileSystem::Shared),
            (0x00C3_6400, "Ceph", FileSystem::Shared),
            (1, "unknown", FileSystem::Shared),
        ] {
            assert_eq!(of_type(number), expected, "{name}");
        }
    }
}
