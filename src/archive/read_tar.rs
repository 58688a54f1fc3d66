//! An archive in an uncompressed tar: ustar, pax and GNU long names.
//!
//! The headers are read by this module, not by the tar crate's iterator, so that a name or
//! extension of any claimed size costs no memory, and whatever tar programs read differently
//! becomes a finding instead of one of the readings.

use std::io::Read;

use tar::{EntryType, Header};

use super::container::{self, BLOCK, Container, Stop, inconsistent};
use super::{ArchiveError, Entry, EntryKind, Listing, Place, Tree};
use crate::digest::BUFFER;
use crate::finding::Finding;

/// The most that is read of an extension; paths of an archive are far shorter.
const MAX_EXTENSION: u64 = 64 * 1024;

/// From this size on, the size field of a header in octal is too small.
const OCTAL_LIMIT: u64 = 1 << 33;

/// A tar file.
pub(super) struct TarTree(pub(super) Container);

impl Tree for TarTree {
    fn describe(&self) -> String {
        format!("the tar file {}", self.0.path().display())
    }

    fn list(&self) -> Result<Listing, ArchiveError> {
        let mut scan = Scan {
            container: &self.0,
            at: 0,
            pending: Pending::default(),
            entries: Vec::new(),
            findings: Vec::new(),
        };
        match scan.run() {
            Ok(()) => {}
            Err(Stop::Error(error)) => return Err(error),
            Err(Stop::Finding(finding)) => scan.findings.push(finding),
        }
        Ok(Listing::of_container(scan.entries, scan.findings))
    }

    fn open<'a>(&'a self, entry: &Entry) -> Result<Box<dyn Read + Send + 'a>, ArchiveError> {
        match (entry.refusal(self), entry.place) {
            (None, Place::Stored { offset }) => Ok(Box::new(self.0.part(offset, entry.size))),
            (refusal, _) => Err(refusal.unwrap_or_else(|| entry.foreign(self))),
        }
    }
}

/// Key and value.
type PaxRecord<'a> = (&'a [u8], &'a [u8]);

/// What extension headers say of the next entry.
#[derive(Default)]
struct Pending {
    pax: bool,
    path: Option<Vec<u8>>,
    long_name: Option<Vec<u8>>,
    long_link: bool,
    size: Option<u64>,
    is_sparse: bool,
}

struct Scan<'a> {
    container: &'a Container,
    at: u64,
    pending: Pending,
    entries: Vec<Entry>,
    findings: Vec<Finding>,
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        loop {
            let mut block = [0; BLOCK];
            if !self.container.fill(self.at, &mut block)? {
                return Err(
                    self.broken("is cut off: expected a header or the end-of-archive blocks")
                );
            }
            if block == [0; BLOCK] {
                return self.end();
            }
            if !container::has_checksum(&block) {
                return Err(self.broken("expected a header, found other bytes"));
            }
            self.header(Header::from_byte_slice(&block))?;
        }
    }

    fn broken(&self, what: &str) -> Stop {
        Stop::Finding(inconsistent(format!("at byte {}: {what}", self.at)))
    }

    fn header(&mut self, header: &Header) -> Result<(), Stop> {
        let size = header
            .entry_size()
            .map_err(|_| self.broken("the header's size is no number"))?;
        match header.entry_type() {
            EntryType::XHeader => {
                if std::mem::replace(&mut self.pending.pax, true) {
                    return Err(self.broken("two pax headers for one entry"));
                }
                let records = self.extension(size)?;
                self.local_records(&records)
            }
            EntryType::XGlobalHeader => {
                let records = self.extension(size)?;
                self.global_records(&records)
            }
            EntryType::GNULongName => {
                let mut name = self.extension(size)?;
                name.truncate(
                    name.iter()
                        .position(|byte| *byte == 0)
                        .unwrap_or(name.len()),
                );
                match self.pending.long_name.replace(name) {
                    Some(_) => Err(self.broken("two long names for one entry")),
                    None => Ok(()),
                }
            }
            EntryType::GNULongLink => {
                self.extension(size)?;
                if std::mem::replace(&mut self.pending.long_link, true) {
                    return Err(self.broken("two long link names for one entry"));
                }
                Ok(())
            }
            entry_type => self.entry(header, entry_type, size),
        }
    }

    fn entry(&mut self, header: &Header, entry_type: EntryType, size: u64) -> Result<(), Stop> {
        let pending = std::mem::take(&mut self.pending);
        let mut name = match (pending.path, pending.long_name) {
            (Some(_), Some(_)) => return Err(self.broken("both a pax path and a GNU long name")),
            (Some(name), None) | (None, Some(name)) => name,
            (None, None) => header.path_bytes().into_owned(),
        };
        let mut kind = kind(entry_type);
        if entry_type == EntryType::Regular && name.ends_with(b"/") {
            kind = EntryKind::Directory;
        }
        if kind == EntryKind::Directory && name.ends_with(b"/") {
            name.pop();
        }
        let size = match pending.size {
            Some(pax) if pax != size && pax < OCTAL_LIMIT => {
                return Err(self.broken("the pax header gives another size than the header"));
            }
            Some(pax) => pax,
            None => size,
        };
        if size > 0 && (kind == EntryKind::Directory || has_no_data(entry_type)) {
            return Err(self.broken("a link, folder or device with data"));
        }
        if entry_type.is_gnu_sparse() {
            self.skip_sparse_map(header)?;
        }
        if pending.is_sparse {
            kind = SPARSE;
        }
        let offset = self.at.saturating_add(BLOCK as u64);
        self.at = self.after(size)?;
        let place = Place::Stored { offset };
        self.entries.push(container::entry(
            &name,
            kind,
            size,
            place,
            &mut self.findings,
        ));
        Ok(())
    }

    /// Where the header after the one at `self.at`, and its `size` bytes of data, begins.
    fn after(&self, size: u64) -> Result<u64, Stop> {
        size.checked_next_multiple_of(BLOCK as u64)
            .and_then(|padded| padded.checked_add(self.at)?.checked_add(BLOCK as u64))
            .filter(|end| *end <= self.container.length())
            .ok_or_else(|| self.broken("is cut off: an entry's data reach behind the end"))
    }

    /// The data of an extension header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Stop> {
        let next = self.after(size)?;
        if size > MAX_EXTENSION {
            return Err(self.broken("an extension header of more than 64 KiB"));
        }
        let mut data = vec![0; usize::try_from(size).unwrap_or_default()];
        self.container.fill(self.at + BLOCK as u64, &mut data)?;
        self.at = next;
        Ok(data)
    }

    fn local_records(&mut self, records: &[u8]) -> Result<(), Stop> {
        for (key, value) in self.records(records)? {
            let is_new = match key {
                b"path" => self.pending.path.replace(value.to_vec()).is_none(),
                b"size" => {
                    let text = std::str::from_utf8(value).ok();
                    let Some(size) = text.and_then(|text| text.parse().ok()) else {
                        return Err(self.broken("the size in a pax header is no number"));
                    };
                    self.pending.size.replace(size).is_none()
                }
                _ => {
                    self.pending.is_sparse |= key.starts_with(b"GNU.sparse.");
                    true
                }
            };
            if !is_new {
                return Err(self.broken("a pax header says the same thing twice"));
            }
        }
        Ok(())
    }

    /// A global header may carry a comment, as `git archive` writes it, or times, but must not
    /// change what the entries after it are.
    fn global_records(&mut self, records: &[u8]) -> Result<(), Stop> {
        for (key, _) in self.records(records)? {
            if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse.") {
                return Err(self.broken("a global pax header that renames or resizes entries"));
            }
        }
        Ok(())
    }

    /// The records of a pax header: length in decimal, space, key, `=`, value, newline.
    fn records<'r>(&self, mut rest: &'r [u8]) -> Result<Vec<PaxRecord<'r>>, Stop> {
        let mut records = Vec::new();
        while !rest.is_empty() {
            let record = pax_record(rest);
            let (key, value, after) =
                record.ok_or_else(|| self.broken("a malformed pax header"))?;
            records.push((key, value));
            rest = after;
        }
        Ok(records)
    }

    /// The map of an old GNU sparse file may go on in blocks of its own, before the data.
    fn skip_sparse_map(&mut self, header: &Header) -> Result<(), Stop> {
        let mut goes_on = header.as_gnu().is_some_and(tar::GnuHeader::is_extended);
        while goes_on {
            self.at = self.after(0)?;
            let mut block = tar::GnuExtSparseHeader::new();
            self.container.fill(self.at, block.as_mut_bytes())?;
            goes_on = block.is_extended();
        }
        Ok(())
    }

    /// Two blocks of zeros end a tar; all that follows is padding.
    fn end(&mut self) -> Result<(), Stop> {
        if self.pending.pax || self.pending.long_name.is_some() || self.pending.long_link {
            return Err(self.broken("an extension header without its entry"));
        }
        let length = self.container.length();
        if length.saturating_sub(self.at) < 2 * BLOCK as u64 {
            return Err(self.broken("is cut off: expected two end-of-archive blocks"));
        }
        let mut buffer = vec![0; BUFFER];
        while self.at < length {
            let count = usize::try_from(length - self.at).map_or(BUFFER, |left| left.min(BUFFER));
            let Some(part) = buffer.get_mut(..count) else {
                break;
            };
            self.container.fill(self.at, part)?;
            if let Some(place) = part.iter().position(|byte| *byte != 0) {
                self.at += place as u64;
                return Err(self.broken("data after the end-of-archive blocks"));
            }
            self.at += count as u64;
        }
        Ok(())
    }
}

const SPARSE: EntryKind = EntryKind::Other("a sparse file");

fn kind(entry_type: EntryType) -> EntryKind {
    match entry_type {
        EntryType::Regular | EntryType::Continuous => EntryKind::File,
        EntryType::Directory => EntryKind::Directory,
        EntryType::Symlink => EntryKind::Symlink,
        EntryType::Link => EntryKind::Other("a hard link"),
        EntryType::Char | EntryType::Block => EntryKind::Other("a device"),
        EntryType::Fifo => EntryKind::Other("a pipe"),
        EntryType::GNUSparse => SPARSE,
        _ => EntryKind::Other("an entry of a kind unknown to POSIX"),
    }
}

/// Kinds whose size some programs obey and others ignore.
fn has_no_data(entry_type: EntryType) -> bool {
    entry_type.is_hard_link()
        || entry_type.is_symlink()
        || entry_type.is_character_special()
        || entry_type.is_block_special()
        || entry_type.is_fifo()
}

fn pax_record(data: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = data.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(data.get(..space)?).ok()?.parse().ok()?;
    let (record, after) = data.split_at_checked(length)?;
    let text = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = text.iter().position(|byte| *byte == b'=')?;
    Some((text.get(..equals)?, text.get(equals + 1..)?, after))
}
