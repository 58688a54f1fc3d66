//! An archive in a zip.
//!
//! Zip programs differ in where they look for the central directory, in which of two entries of
//! one name they take, and in whether they believe the local or the central header. So that an
//! auditor's program sees what was verified, this reader takes the one strict reading: the end
//! record ends the file, the directory ends at the end record, its entries fill the space before
//! it without a gap or an overlap, and both headers of an entry agree. All else is a finding.
//! (The zip crate, which writes our zips, drops one of two equal names and searches backwards
//! for a directory that suits.)

use std::io::{self, BufReader, Read};

use super::checked::Checked;
use super::container::{self, Container, Part, Stop, inconsistent};
use super::zip_fields::{Central, Common, DESCRIPTOR, End, Fields, Local, widen};
use super::{ArchiveError, Entry, EntryKind, Listing, Place, Tree};
use crate::finding::{Code, Finding};

/// A zip file.
pub(super) struct ZipTree(pub(super) Container);

/// Where an entry's bytes are, and how they are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ZipPlace {
    offset: u64,
    compressed: u64,
    crc: u32,
    is_deflated: bool,
}

impl Tree for ZipTree {
    fn describe(&self) -> String {
        format!("the zip file {}", self.0.path().display())
    }

    fn list(&self) -> Result<Listing, ArchiveError> {
        let mut scan = Scan {
            container: &self.0,
            spans: Vec::new(),
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
        let place = match (entry.refusal(self), entry.place) {
            (None, Place::Zip(place)) => place,
            (refusal, _) => return Err(refusal.unwrap_or_else(|| entry.foreign(self))),
        };
        let part = self.0.part(place.offset, place.compressed);
        let (size, crc) = (entry.size, place.crc);
        Ok(Box::new(if place.is_deflated {
            Checked::deflated(part, place.compressed, size, crc)
        } else {
            Checked::stored(part, size, crc)
        }))
    }
}

/// The bytes of the file that belong to one entry: header and data, without a descriptor.
struct Span {
    start: u64,
    end: u64,
    entry: usize,
    central: Common,
}

struct Scan<'a> {
    container: &'a Container,
    spans: Vec<Span>,
    entries: Vec<Entry>,
    findings: Vec<Finding>,
}

/// True if an end of central directory record ends the file.
pub(super) fn has_end(container: &Container) -> Result<bool, ArchiveError> {
    Ok(find_end(container)?.is_some())
}

/// The last end record whose comment ends with the file, and where it is.
fn find_end(container: &Container) -> Result<Option<(u64, End)>, ArchiveError> {
    const MOST: u64 = End::SIZE as u64 + u16::MAX as u64;
    let from = container.length().saturating_sub(MOST);
    let mut tail = Vec::new();
    let size = container.length() - from;
    tail.resize(usize::try_from(size).unwrap_or_default(), 0);
    container.fill(from, &mut tail)?;
    for place in (0..tail.len()).rev() {
        let record = tail.get(place..).unwrap_or_default();
        if let Some((end, comment)) = End::read(record)
            && record.len() == End::SIZE + usize::from(comment)
        {
            return Ok(Some((from + place as u64, end)));
        }
    }
    Ok(None)
}

impl Scan<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let Some((end_at, end)) = find_end(self.container)? else {
            return Err(broken(
                "is cut off: expected an end of central directory record",
            ));
        };
        if end_at + End::SIZE as u64 != self.container.length() {
            self.findings.push(inconsistent(
                "a comment follows the end record: expected none",
            ));
        }
        let (directory_end, end) = self.widen_end(end_at, end)?;
        if end.start.checked_add(end.size) != Some(directory_end) {
            return Err(broken(
                "the central directory is not where the end record says",
            ));
        }
        self.directory(&end)?;
        self.cover(end.start)
    }

    /// Takes the zip64 record into account, if there is one; it lies just before the locator.
    fn widen_end(&self, end_at: u64, end: End) -> Result<(u64, End), Stop> {
        let mut locator = [0; End::LOCATOR];
        let Some(locator_at) = end_at.checked_sub(End::LOCATOR as u64) else {
            return Ok((end_at, end));
        };
        self.container.fill(locator_at, &mut locator)?;
        let Some(place) = End::read_locator(&locator) else {
            return Ok((end_at, end));
        };
        let mut record = [0; End::SIZE64];
        let is_there = place.checked_add(End::SIZE64 as u64) == Some(locator_at)
            && self.container.fill(place, &mut record)?;
        match End::read64(&record, &end) {
            Some(wide) if is_there => Ok((place, wide)),
            _ => Err(broken(
                "the zip64 end record is missing or contradicts the end record",
            )),
        }
    }

    fn directory(&mut self, end: &End) -> Result<(), Stop> {
        let mut reader = BufReader::new(self.container.part(end.start, end.size));
        for _ in 0..end.entries {
            let central = self.central(&mut reader)?;
            let Some((central, name)) = central else {
                return Err(broken(
                    "the central directory holds fewer entries than declared",
                ));
            };
            self.entry(&central, &name)?;
        }
        let mut more = [0];
        if reader.read(&mut more).is_ok_and(|count| count > 0) {
            self.findings.push(inconsistent(
                "bytes after the last entry of the central directory",
            ));
        }
        Ok(())
    }

    /// The next central header and its name; none if there is no whole one.
    fn central(&self, reader: &mut BufReader<Part>) -> Result<Option<(Central, Vec<u8>)>, Stop> {
        let Some(fixed) = self.take(reader, Central::SIZE)? else {
            return Ok(None);
        };
        let Some(mut central) = Central::read(&fixed) else {
            return Err(broken(
                "expected a central directory header, found other bytes",
            ));
        };
        let name = self.take(reader, central.name.into())?;
        let extra = self.take(reader, central.extra.into())?;
        let comment = self.take(reader, central.comment.into())?;
        let (Some(name), Some(extra), Some(_)) = (name, extra, comment) else {
            return Ok(None);
        };
        if widen(&mut central.common, Some(&mut central.offset), &extra).is_none() {
            return Err(broken(
                "the extra field of a central header is malformed or renames its entry",
            ));
        }
        Ok(Some((central, name)))
    }

    fn take(&self, reader: &mut dyn Read, count: usize) -> Result<Option<Vec<u8>>, Stop> {
        let mut bytes = vec![0; count];
        match reader.read_exact(&mut bytes) {
            Ok(()) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(source) => Err(Stop::Error(self.container.unreadable(source))),
        }
    }

    fn entry(&mut self, central: &Central, name: &[u8]) -> Result<(), Stop> {
        let common = &central.common;
        let offset = self.local(central, name)?;
        let compressed = common.compressed;
        let place = Place::Zip(ZipPlace {
            offset,
            compressed,
            crc: common.crc,
            is_deflated: common.method == 8,
        });
        let stripped = name.strip_suffix(b"/");
        let kind = kind(central, stripped.is_some());
        if kind == EntryKind::Directory && common.size > 0 {
            self.contradiction(name, "a folder with data");
        }
        if common.method == 0 && common.compressed != common.size {
            self.contradiction(name, "it is stored, and its two sizes differ");
        }
        if !common.is_utf8() && !name.is_ascii() {
            let path = String::from_utf8_lossy(name);
            let detail = "its name is in no stated encoding: expected the UTF-8 flag";
            self.findings
                .push(Finding::at(Code::PathNotPortable, path, detail));
        }
        let path = if kind == EntryKind::Directory {
            stripped.unwrap_or(name)
        } else {
            name
        };
        self.spans.push(Span {
            start: central.offset,
            end: offset.saturating_add(compressed),
            entry: self.entries.len(),
            central: common.clone(),
        });
        self.entries.push(container::entry(
            path,
            kind,
            common.size,
            place,
            &mut self.findings,
        ));
        Ok(())
    }

    /// Compares the local header with the central one; returns where the data begin.
    fn local(&mut self, central: &Central, name: &[u8]) -> Result<u64, Stop> {
        let mut fixed = [0; Local::SIZE];
        self.container.fill(central.offset, &mut fixed)?;
        let Some(local) = Local::read(&fixed) else {
            self.contradiction(name, "expected a local header where the directory says");
            return Ok(central.offset);
        };
        let mut rest = vec![0; usize::from(local.name) + usize::from(local.extra)];
        let rest_at = central.offset.saturating_add(Local::SIZE as u64);
        self.container.fill(rest_at, &mut rest)?;
        let mut fields = Fields(&rest);
        let local_name = fields.bytes(local.name.into()).unwrap_or_default();
        if local_name != name {
            let other = String::from_utf8_lossy(local_name).into_owned();
            self.contradiction(name, &format!("its local header names it {other:?}"));
        }
        let mut common = local.common;
        if widen(&mut common, None, fields.0).is_none() {
            self.contradiction(
                name,
                "the extra field of its local header is malformed or renames it",
            );
        }
        if common.has_descriptor() && common.crc == 0 {
            let Common {
                crc,
                compressed,
                size,
                ..
            } = central.common;
            common = Common {
                crc,
                compressed,
                size,
                ..common
            };
        }
        if common != central.common {
            self.contradiction(
                name,
                "its local header gives another size, CRC-32, method or flags",
            );
        }
        Ok(rest_at.saturating_add(rest.len() as u64))
    }

    fn contradiction(&mut self, name: &[u8], detail: &str) {
        self.findings.push(Finding::at(
            Code::ContainerInconsistent,
            String::from_utf8_lossy(name),
            detail,
        ));
    }

    /// Checks that the entries fill the file up to the directory at `end`, without an overlap.
    /// An entry that shares bytes with another, as in a zip bomb, is never opened.
    fn cover(&mut self, end: u64) -> Result<(), Stop> {
        self.spans.sort_by_key(|span| (span.start, span.end));
        let mut at = 0;
        let mut last: Option<Common> = None;
        for span in std::mem::take(&mut self.spans) {
            if span.start < at || span.end > end {
                let Some(entry) = self.entries.get_mut(span.entry) else {
                    continue;
                };
                entry.kind = EntryKind::Other("an entry that shares its bytes with another");
                let path = entry.path.clone();
                self.contradiction(
                    path.as_bytes(),
                    "its data overlap another entry or the directory",
                );
            } else {
                self.gap(at, span.start, last.as_ref())?;
            }
            at = at.max(span.end);
            last = Some(span.central);
        }
        self.gap(at, end, last.as_ref())
    }

    /// Between two entries there may be the data descriptor of the first, and nothing else.
    fn gap(&mut self, from: u64, to: u64, before: Option<&Common>) -> Result<(), Stop> {
        let size = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        let before = before.filter(|common| common.has_descriptor());
        if size == 0 && before.is_none() {
            return Ok(());
        }
        if let Some(common) = before
            && size <= 24
        {
            let mut bytes = vec![0; size];
            self.container.fill(from, &mut bytes)?;
            if is_descriptor(&bytes, common) {
                return Ok(());
            }
        }
        self.findings.push(inconsistent(format!(
            "bytes {from} to {to} belong to no entry of the central directory"
        )));
        Ok(())
    }
}

fn kind(central: &Central, is_folder: bool) -> EntryKind {
    const REGULAR: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    const LINK: u32 = 0o120_000;
    match (central.unix_type, is_folder) {
        (LINK, _) => EntryKind::Symlink,
        (0 | FOLDER, true) => EntryKind::Directory,
        (0 | REGULAR, false) if central.common.is_encrypted() => {
            EntryKind::Other("an encrypted entry")
        }
        (0 | REGULAR, false) if !matches!(central.common.method, 0 | 8) => {
            EntryKind::Other("an entry compressed by a method other than deflate")
        }
        (0 | REGULAR, false) => EntryKind::File,
        (FOLDER | REGULAR, _) => EntryKind::Other("an entry that is a folder by mode or name only"),
        _ => EntryKind::Other("a device, a socket or a pipe"),
    }
}

/// APPNOTE 4.3.9: with or without a signature, with sizes of 4 or 8 bytes.
fn is_descriptor(bytes: &[u8], common: &Common) -> bool {
    let mut fields = Fields(bytes);
    if matches!(bytes.len(), 16 | 24) && fields.u32() != Some(DESCRIPTOR) {
        return false;
    }
    let crc = fields.u32();
    let sizes = match bytes.len() {
        12 | 16 => (fields.u32().map(u64::from), fields.u32().map(u64::from)),
        20 | 24 => (fields.u64(), fields.u64()),
        _ => return false,
    };
    crc == Some(common.crc) && sizes == (Some(common.compressed), Some(common.size))
}

fn broken(detail: &str) -> Stop {
    Stop::Finding(inconsistent(detail))
}
