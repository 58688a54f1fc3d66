//! Packing a tree as one tar or zip, whose bytes depend on the tree's content and time alone.

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tar::{EntryType, Header};
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, System};

use super::container::BLOCK;
use super::listing::below as rest_below;
use super::{ArchiveError, Entry, Tree};
use crate::digest::{BUFFER, HashingReader, Sha256};
use crate::manifest::{FOLDER, Manifest};
use crate::monitor::{Monitor, Task, Unit};
use crate::path::ArchivePath;

/// Sizes from here on do not fit the header's octal field, and go into a pax header.
const OCTAL_LIMIT: u64 = 1 << 33;

/// What an archive is delivered as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A folder.
    Folder,
    /// One zip.
    Zip,
    /// One tar.
    Tar,
}

impl Form {
    /// The name of the folder or file that holds the archive `name`.
    pub fn file_name(self, name: &str) -> String {
        match self {
            Self::Folder => name.to_owned(),
            Self::Zip => format!("{name}.zip"),
            Self::Tar => format!("{name}.tar"),
        }
    }
}

/// Packs `tree` whole, under one folder `name`, in a form that is one file.
pub fn pack<W: Write + Seek>(
    tree: &dyn Tree,
    name: &str,
    form: Form,
    time: Timestamp,
    mut out: W,
    monitor: &dyn Monitor,
) -> Result<(), ArchiveError> {
    match form {
        Form::Zip => pack_zip(tree, Some(name), time, out, monitor),
        Form::Folder | Form::Tar => pack_tar(tree, Some(name), None, time, &mut out, monitor),
    }
}

/// Packs `tree` as a tar: ustar, with pax headers for names and sizes that need them.
///
/// `Manifest/` comes first, then all else by byte order. Every entry has mode 0644, owner 0 and
/// the given time. With `root_name`, all lies in one folder of that name, so that unpacking
/// makes one folder; with `listed`, only what that manifest lists below that folder is packed,
/// without the folder, and only as it is listed. Fails if the tree holds anything but files with
/// portable paths.
pub fn pack_tar(
    tree: &dyn Tree,
    root_name: Option<&str>,
    listed: Option<(&Manifest, &str)>,
    time: Timestamp,
    out: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<(), ArchiveError> {
    let write = |source| ArchiveError::Write {
        tree: tree.describe(),
        source,
    };
    let files = files(tree, root_name, listed.map(|(_, below)| below))?;
    let digests = listed.map(|listed| digests(tree, &files, listed));
    let digests = digests.transpose()?;
    let task = begin(&files, monitor);
    for (path, entry) in &files {
        let mut reader = tree.open(entry)?;
        out.write_all(&tar_headers(path, entry.size, time))
            .map_err(write)?;
        match digests.as_ref().and_then(|all| all.get(&*entry.path)) {
            None => copy_exactly(tree, entry, &mut *reader, out, &task)?,
            Some(expected) => {
                let mut reader = HashingReader::new(reader);
                copy_exactly(tree, entry, &mut reader, out, &task)?;
                if reader.finish() != *expected {
                    return Err(not_as_listed(tree, &entry.path, "it has other bytes"));
                }
            }
        }
        out.write_all(padding(entry.size)).map_err(write)?;
    }
    out.write_all(&[0; 2 * BLOCK]).map_err(write)?;
    out.flush().map_err(write)
}

/// Packs `tree` as a zip of stored entries; zip64 where an entry or the whole needs it.
///
/// Order, `root_name` and failures are those of [`pack_tar`]. A zip knows neither time
/// zones nor years before 1980 or after 2107: the time is UTC, and the nearest there is.
pub fn pack_zip<W: Write + Seek>(
    tree: &dyn Tree,
    root_name: Option<&str>,
    time: Timestamp,
    out: W,
    monitor: &dyn Monitor,
) -> Result<(), ArchiveError> {
    let files = files(tree, root_name, None)?;
    let task = begin(&files, monitor);
    let mut zip = ZipWriter::new(out);
    let packed = add_to_zip(tree, &files, time, &mut zip, &task);
    if packed.is_err() {
        // Dropped, it would complete the zip: half an archive that looks whole.
        std::mem::forget(zip);
        return packed;
    }
    let write = |source| ArchiveError::Write {
        tree: tree.describe(),
        source,
    };
    let mut out = zip.finish().map_err(|error| write(error.into()))?;
    out.flush().map_err(write)
}

fn add_to_zip<W: Write + Seek>(
    tree: &dyn Tree,
    files: &[(String, Entry)],
    time: Timestamp,
    zip: &mut ZipWriter<W>,
    task: &Task,
) -> Result<(), ArchiveError> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .last_modified_time(zip_time(time))
        .unix_permissions(0o644)
        .system(System::Unix);
    for (path, entry) in files {
        let mut reader = tree.open(entry)?;
        let options = options.large_file(entry.size >= u64::from(u32::MAX));
        zip.start_file(path.as_str(), options)
            .map_err(|error| ArchiveError::Write {
                tree: tree.describe(),
                source: error.into(),
            })?;
        copy_exactly(tree, entry, &mut *reader, zip, task)?;
    }
    Ok(())
}

fn begin<'m>(files: &[(String, Entry)], monitor: &'m dyn Monitor) -> Task<'m> {
    let total = files
        .iter()
        .fold(0_u64, |sum, (_, entry)| sum.saturating_add(entry.size));
    Task::begin(monitor, "packing", Some(total), Unit::Bytes)
}

/// What is packed, under which path, in order.
fn files(
    tree: &dyn Tree,
    root_name: Option<&str>,
    below: Option<&str>,
) -> Result<Vec<(String, Entry)>, ArchiveError> {
    let listing = tree.list()?;
    if let Some(finding) = listing.findings.into_iter().next() {
        return Err(ArchiveError::Damaged {
            tree: tree.describe(),
            finding,
        });
    }
    let mut files = Vec::new();
    for entry in listing.entries {
        let rest = match below {
            Some(folder) => rest_below(&entry.path, folder),
            None => Some(entry.path.as_str()),
        };
        let Some(rest) = rest else { continue };
        if let Some(error) = entry.refusal(tree) {
            return Err(error);
        }
        let unportable = |source| ArchiveError::Path {
            tree: tree.describe(),
            source,
        };
        let mut path: String = ArchivePath::from_str(rest).map_err(unportable)?.into();
        if let Some(root) = root_name {
            // The root's name may make a path longer than an archive's own paths can be.
            ArchivePath::from_str(root).map_err(unportable)?;
            path = format!("{root}/{path}");
        }
        let is_late = rest_below(rest, FOLDER).is_none();
        files.push((is_late, path, entry));
    }
    if files.is_empty() {
        return Err(ArchiveError::NothingBelow {
            tree: tree.describe(),
            folder: below.unwrap_or_default().to_owned(),
        });
    }
    files.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(files
        .into_iter()
        .map(|(_, path, entry)| (path, entry))
        .collect())
}

/// The digests of these files, if they are all that the manifest lists below the folder, and of the
/// sizes that it lists.
fn digests<'m>(
    tree: &dyn Tree,
    files: &[(String, Entry)],
    (manifest, below): (&'m Manifest, &str),
) -> Result<BTreeMap<&'m str, Sha256>, ArchiveError> {
    let mut sizes: BTreeMap<&str, u64> = files
        .iter()
        .map(|(_, entry)| (&*entry.path, entry.size))
        .collect();
    let mut digests = BTreeMap::new();
    for file in &manifest.files {
        let path = file.path.as_str();
        if rest_below(path, below).is_none() {
            continue;
        }
        match sizes.remove(path) {
            None => return Err(not_as_listed(tree, path, "it is not there")),
            Some(size) if size != file.size => {
                return Err(not_as_listed(tree, path, "it has another size"));
            }
            Some(_) => digests.insert(path, file.sha256),
        };
    }
    match sizes.into_keys().next() {
        Some(path) => Err(not_as_listed(tree, path, "it is not listed")),
        None => Ok(digests),
    }
}

fn not_as_listed(tree: &dyn Tree, entry: &str, problem: &'static str) -> ArchiveError {
    ArchiveError::NotAsListed {
        tree: tree.describe(),
        entry: entry.to_owned(),
        problem,
    }
}

fn copy_exactly(
    tree: &dyn Tree,
    entry: &Entry,
    reader: &mut dyn Read,
    out: &mut dyn Write,
    task: &Task,
) -> Result<(), ArchiveError> {
    let changed = |found| ArchiveError::SizeChanged {
        tree: tree.describe(),
        entry: entry.path.clone(),
        expected: entry.size,
        found,
    };
    let mut buffer = vec![0; BUFFER];
    let mut left = entry.size;
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) if left == 0 => return Ok(()),
            Ok(0) => return Err(changed(Some(entry.size - left))),
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(source) => {
                return Err(ArchiveError::Read {
                    tree: tree.describe(),
                    entry: entry.path.clone(),
                    source,
                });
            }
        };
        left = left
            .checked_sub(count as u64)
            .ok_or_else(|| changed(None))?;
        out.write_all(buffer.get(..count).unwrap_or_default())
            .map_err(|source| ArchiveError::Write {
                tree: tree.describe(),
                source,
            })?;
        task.advance(count as u64)?;
    }
}

fn zip_time(time: Timestamp) -> DateTime {
    let utc = time.to_zoned(TimeZone::UTC);
    let part = |value: i8| u8::try_from(value).unwrap_or_default();
    let exact = u16::try_from(utc.year()).ok().and_then(|year| {
        let (month, day) = (part(utc.month()), part(utc.day()));
        let (hour, minute, second) = (part(utc.hour()), part(utc.minute()), part(utc.second()));
        DateTime::from_date_and_time(year, month, day, hour, minute, second).ok()
    });
    let nearest = if utc.year() < 1980 {
        DateTime::from_date_and_time(1980, 1, 1, 0, 0, 0)
    } else {
        DateTime::from_date_and_time(2107, 12, 31, 23, 59, 58)
    };
    exact.or(nearest.ok()).unwrap_or_default()
}

/// The header of a file, after its pax header if it needs one.
fn tar_headers(path: &str, size: u64, time: Timestamp) -> Vec<u8> {
    let mut header = header(EntryType::Regular, size, time);
    let mut records = Vec::new();
    // Names that are not ASCII are safe in a pax header only, which is UTF-8 by definition.
    if !path.is_ascii() || header.set_path(path).is_err() {
        let _ = header.set_path("PaxHeader/see-the-header-before");
        pax_record(&mut records, "path", path);
    }
    if size >= OCTAL_LIMIT {
        pax_record(&mut records, "size", &size.to_string());
    }
    let mut bytes = Vec::new();
    if !records.is_empty() {
        let mut extension = self::header(EntryType::XHeader, records.len() as u64, time);
        let _ = extension.set_path("PaxHeader/extension");
        extension.set_cksum();
        bytes.extend_from_slice(extension.as_bytes());
        bytes.extend_from_slice(&records);
        bytes.extend_from_slice(padding(records.len() as u64));
    }
    header.set_cksum();
    bytes.extend_from_slice(header.as_bytes());
    bytes
}

fn header(entry_type: EntryType, size: u64, time: Timestamp) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(entry_type);
    header.set_size(size);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(time.as_second()).unwrap_or_default());
    header
}

/// Adds "LENGTH KEY=VALUE\n", where the length counts itself (POSIX pax, extended header).
fn pax_record(records: &mut Vec<u8>, key: &str, value: &str) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    records.extend_from_slice(format!("{length} {key}={value}\n").as_bytes());
}

/// The zeros that fill `size` bytes up to whole blocks.
fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let left = size.next_multiple_of(BLOCK as u64).saturating_sub(size);
    ZEROS
        .get(..usize::try_from(left).unwrap_or_default())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_record_counts_its_own_length() {
        for length in [1, 88, 89, 90, 91, 92, 988, 990, 995] {
            let mut record = Vec::new();
            pax_record(&mut record, "path", &"x".repeat(length));
            let text = String::from_utf8(record).unwrap();
            let (count, _) = text.split_once(' ').unwrap();
            assert_eq!(count.parse(), Ok(text.len()));
        }
    }

    #[test]
    fn a_size_beyond_8_gib_stands_in_a_pax_header_and_both_agree() {
        let size = 9 << 30;
        let bytes = tar_headers("image", size, Timestamp::UNIX_EPOCH);
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.contains("19 size=9663676416\n"), "{text:?}");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.size(), entry.header().size().unwrap()), (size, size));
        assert_eq!(tar_headers("image", 5, Timestamp::UNIX_EPOCH).len(), BLOCK);
    }

    #[test]
    fn a_zip_takes_the_nearest_time_it_can_hold() {
        for (time, year, second) in [
            ("2026-03-02T10:20:31Z", 2026, 30),
            ("1970-01-01T00:00:00Z", 1980, 0),
            ("2200-01-01T00:00:00Z", 2107, 58),
        ] {
            let packed = zip_time(time.parse().unwrap());
            assert_eq!((packed.year(), packed.second()), (year, second));
        }
    }
}
