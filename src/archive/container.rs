//! The one file that holds a zip or a tar, read at any place by several threads at once.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{ArchiveError, Entry, EntryKind, Place};
use crate::error::{IoContext, IoError};
use crate::finding::{Code, Finding};
use crate::platform;

/// A tar's unit: headers have this size, and data are padded to a multiple of it.
pub(super) const BLOCK: usize = 512;

/// Which container a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Zip,
    Tar,
}

/// An open file and its length.
pub(super) struct Container {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Container {
    pub(super) fn new(file: File, path: &Path) -> Result<Self, ArchiveError> {
        let length = file.metadata().at("read", path)?.len();
        Ok(Self {
            file,
            path: path.to_path_buf(),
            length,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Which container this is, by its first bytes or, behind foreign bytes, a zip's last.
    pub(super) fn format(&self) -> Result<Option<Format>, ArchiveError> {
        let mut start = [0; BLOCK];
        let whole_block = self.fill(0, &mut start)?;
        if start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06") {
            return Ok(Some(Format::Zip));
        }
        if whole_block && (has_checksum(&start) || start == [0; BLOCK]) {
            return Ok(Some(Format::Tar));
        }
        Ok(super::read_zip::has_end(self)?.then_some(Format::Zip))
    }

    /// Fills `buffer` from `offset`; false if the file ends before it is full.
    pub(super) fn fill(&self, offset: u64, buffer: &mut [u8]) -> Result<bool, ArchiveError> {
        let size = buffer.len() as u64;
        match self.part(offset, size).read_exact(buffer) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// The error for a read that failed.
    pub(super) fn unreadable(&self, source: io::Error) -> ArchiveError {
        let path = self.path.clone();
        IoError {
            action: "read",
            path,
            source,
        }
        .into()
    }

    /// A reader of `size` bytes from `offset`, which fails if the file ends before.
    pub(super) fn part(&self, offset: u64, size: u64) -> Part<'_> {
        Part {
            file: &self.file,
            offset,
            left: size,
        }
    }
}

/// Part of a container.
pub(super) struct Part<'a> {
    file: &'a File,
    offset: u64,
    left: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let Some(wanted) = buffer.get_mut(..most).filter(|wanted| !wanted.is_empty()) else {
            return Ok(0);
        };
        let count = platform::read_at(self.file, wanted, self.offset)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += count as u64;
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}

/// True if a tar header's checksum is that of its bytes.
pub(super) fn has_checksum(block: &[u8; BLOCK]) -> bool {
    let blank = u32::from(b' ') * 8;
    let sum = block.iter().enumerate().fold(blank, |sum, (place, byte)| {
        sum + if (148..156).contains(&place) {
            0
        } else {
            u32::from(*byte)
        }
    });
    ::tar::Header::from_byte_slice(block)
        .cksum()
        .is_ok_and(|stored| stored == sum)
}

/// Why a scan ended early.
pub(super) enum Stop {
    /// The container cannot be read.
    Error(ArchiveError),
    /// It can, but makes no sense from here on.
    Finding(Finding),
}

impl From<ArchiveError> for Stop {
    fn from(error: ArchiveError) -> Self {
        Self::Error(error)
    }
}

/// The container as a whole, or what lies at no known path, is wrong.
pub(super) fn inconsistent(detail: impl Into<String>) -> Finding {
    Finding::whole(Code::ContainerInconsistent, detail)
}

/// An entry of a container. A name that is not UTF-8 is a finding, and its entry is never opened.
pub(super) fn entry(
    name: &[u8],
    kind: EntryKind,
    size: u64,
    place: Place,
    findings: &mut Vec<Finding>,
) -> Entry {
    let (path, kind) = if let Ok(path) = std::str::from_utf8(name) {
        (path.to_owned(), kind)
    } else {
        let path = String::from_utf8_lossy(name).into_owned();
        findings.push(Finding::at(
            Code::PathNotPortable,
            &path,
            "its name is not valid UTF-8",
        ));
        (path, NOT_UTF8)
    };
    Entry {
        path,
        kind,
        size: if kind == EntryKind::File { size } else { 0 },
        place,
    }
}

/// The kind of an entry whose name cannot be written down.
pub(super) const NOT_UTF8: EntryKind = EntryKind::Other("a name that is not valid UTF-8");
