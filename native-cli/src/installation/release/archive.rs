//! The archive of a release: a gzipped tar file with the program and its licence, and nothing else.
//!
//! No file is written to a path from an archive. Its entries are read one by one, and each must
//! have one of the two names. They are read `raw`: an extension of the format, which can give an
//! entry another name or size, is then an entry like any other, and is refused.

use std::io::{self, Read};

use flate2::read::GzDecoder;
use tar::{Archive, EntryType};

/// The name of the program in an archive.
pub(crate) const PROGRAM: &str = if cfg!(windows) { "twg.exe" } else { "twg" };

/// The names that an archive may contain.
const NAMES: [&str; 2] = [PROGRAM, "LICENSE"];

/// A larger file cannot be one of ours.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

/// A file of a release.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unpacked {
    pub(crate) name: &'static str,
    pub(crate) bytes: Vec<u8>,
}

/// The files in an archive, or why the archive is refused.
pub(crate) fn unpack(archive: &[u8]) -> Result<Vec<Unpacked>, String> {
    let unreadable = |error: io::Error| format!("it cannot be read: {}", error.kind());
    // The limit for all files together, however much a small archive claims to hold.
    let tar = GzDecoder::new(archive).take(2 * MAX_FILE_BYTES);
    let mut archive = Archive::new(tar);
    let mut files: Vec<Unpacked> = Vec::new();
    for entry in archive.entries().map_err(unreadable)?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path_bytes();
        let shown = twg_core::text::displayable(&String::from_utf8_lossy(&path));
        let kind = entry.header().entry_type();
        if kind != EntryType::Regular {
            return Err(format!("'{shown}' in it is not a regular file"));
        }
        let Some(name) = NAMES.into_iter().find(|name| name.as_bytes() == &*path) else {
            return Err(format!("'{shown}' does not belong in it"));
        };
        drop(path);
        if files.iter().any(|file| file.name == name) {
            return Err(format!("'{name}' is in it twice"));
        }
        let size = entry.size();
        if size > MAX_FILE_BYTES {
            return Err(format!("'{name}' in it is too large"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 != size {
            return Err(format!("'{name}' in it is cut off"));
        }
        files.push(Unpacked { name, bytes });
    }
    if !files.iter().any(|file| file.name == PROGRAM) {
        return Err(format!("'{PROGRAM}' is not in it"));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, Header};

    use super::*;

    /// The name is written as it is, because the builder would refuse some of them.
    fn header(name: &[u8], kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(size);
        header.set_cksum();
        header
    }

    fn packed(entries: &[(Header, &[u8])]) -> Vec<u8> {
        let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (header, bytes) in entries {
            builder.append(header, *bytes).unwrap();
        }
        builder.into_inner().unwrap().finish().unwrap()
    }

    fn file<'a>(name: &str, bytes: &'a [u8]) -> (Header, &'a [u8]) {
        (header(name.as_bytes(), EntryType::Regular, bytes.len() as u64), bytes)
    }

    fn refusal(entries: &[(Header, &[u8])]) -> String {
        unpack(&packed(entries)).unwrap_err()
    }

    #[test]
    fn the_program_and_its_licence() {
        let files = unpack(&packed(&[file(PROGRAM, b"new"), file("LICENSE", b"MIT")])).unwrap();
        assert_eq!(files[0], Unpacked { name: PROGRAM, bytes: b"new".to_vec() });
        assert_eq!(files[1], Unpacked { name: "LICENSE", bytes: b"MIT".to_vec() });
        assert_eq!(unpack(&packed(&[file(PROGRAM, b"")])).unwrap().len(), 1);
    }

    /// Incident tar RUSTSEC-2026-0067 and similar ones: paths, links, devices, extensions.
    #[test]
    fn anything_else_is_refused() {
        for name in [
            "../twg",
            "/twg",
            "./twg",
            "bin/twg",
            "twg/",
            "TWG",
            "LICENSE.txt",
            "",
            "twg\\x",
            "\u{1b}[2J",
        ] {
            let refusal = refusal(&[file(PROGRAM, b"x"), file(name, b"x")]);
            assert!(
                refusal.contains("does not belong") && !refusal.contains('\u{1b}'),
                "{name:?}: {refusal}"
            );
        }
        for kind in [
            EntryType::Symlink,
            EntryType::Link,
            EntryType::Char,
            EntryType::Block,
            EntryType::Fifo,
            EntryType::Directory,
            EntryType::Continuous,
            EntryType::GNULongName,
            EntryType::GNULongLink,
            EntryType::GNUSparse,
            EntryType::XHeader,
            EntryType::XGlobalHeader,
            EntryType::new(b'Z'),
        ] {
            let mut special = header(PROGRAM.as_bytes(), kind, 0);
            special.set_link_name("/etc/passwd").unwrap();
            special.set_cksum();
            assert!(refusal(&[(special, b"")]).contains("not a regular file"), "{kind:?}");
        }
        assert!(refusal(&[file(PROGRAM, b"a"), file(PROGRAM, b"b")]).contains("twice"));
        assert!(refusal(&[file("LICENSE", b"MIT")]).contains("is not in it"));
        assert!(refusal(&[]).contains("is not in it"));
        let huge = header(PROGRAM.as_bytes(), EntryType::Regular, MAX_FILE_BYTES + 1);
        assert!(refusal(&[(huge, b"")]).contains("too large"));
    }

    #[test]
    fn a_truncated_archive_and_other_data_are_refused() {
        let whole = packed(&[file(PROGRAM, &[7; 2000])]);
        for length in [0, 5, 20, whole.len() / 2] {
            let refusal = unpack(&whole[..length]).unwrap_err();
            assert!(
                refusal.contains("cannot be read") || refusal.contains("cut off"),
                "{length}: {refusal}"
            );
        }
        assert!(unpack(b"<html>").is_err());
        let longer = header(PROGRAM.as_bytes(), EntryType::Regular, 5000);
        assert!(unpack(&packed(&[(longer, b"short")])).is_err());
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&[1; 2048]).unwrap();
        assert!(unpack(&gzip.finish().unwrap()).is_err());
    }
}
