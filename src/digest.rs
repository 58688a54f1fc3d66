//! SHA-256: the one digest of the archive format, and writers that hash what they write.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// How much is read or written at a time: large enough that a system call costs
/// nothing beside hashing, small enough to stay in a core's second-level cache.
pub const BUFFER: usize = 256 * 1024;

/// A SHA-256 digest; written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest with these 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The digest of `data`.
    pub fn of(data: &[u8]) -> Self {
        let mut hasher = Hasher::new();
        hasher.update(data);
        hasher.finish()
    }

    /// The digest and length of everything `reader` yields.
    pub fn of_reader(reader: &mut dyn Read) -> io::Result<(Self, u64)> {
        let mut writer = HashingWriter::new(io::sink());
        copy(reader, &mut writer)?;
        let (_, size, digest) = writer.finish();
        Ok((digest, size))
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error("`{0}` is not a SHA-256 digest: 64 lower-case hexadecimal digits expected")]
pub struct NotADigest(String);

impl FromStr for Sha256 {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let bad = || NotADigest(text.chars().take(80).collect());
        let digits = text.as_bytes();
        if digits.len() != 64 {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let high = hex_value(pair[0]).ok_or_else(bad)?;
            let low = hex_value(pair[1]).ok_or_else(bad)?;
            *byte = high << 4 | low;
        }
        Ok(Self(bytes))
    }
}

fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

impl TryFrom<String> for Sha256 {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

impl From<Sha256> for String {
    fn from(digest: Sha256) -> Self {
        digest.to_string()
    }
}

impl schemars::JsonSchema for Sha256 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Sha256".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A SHA-256 digest in lower-case hexadecimal",
            "pattern": "^[0-9a-f]{64}$"
        })
    }
}

/// A running SHA-256.
#[derive(Clone)]
pub struct Hasher(Backend);

// aws-lc's assembly is about 1.9 times as fast as the sha2 crate on processors without SHA
// extensions; where only pure Rust can go, sha2 gives the same answer.
#[cfg(feature = "native")]
type Backend = aws_lc_rs::digest::Context;
#[cfg(not(feature = "native"))]
type Backend = sha2::Sha256;

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "native")]
impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new() -> Self {
        Self(Backend::new(&aws_lc_rs::digest::SHA256))
    }

    /// Takes in `data`.
    pub fn update(&mut self, data: &[u8]) {
        self.0.update(data);
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Sha256 {
        let digest = self.0.finish();
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        Sha256(bytes)
    }
}

#[cfg(not(feature = "native"))]
impl Hasher {
    /// A hasher that has seen nothing yet.
    pub fn new() -> Self {
        Self(<Backend as sha2::Digest>::new())
    }

    /// Takes in `data`.
    pub fn update(&mut self, data: &[u8]) {
        sha2::Digest::update(&mut self.0, data);
    }

    /// The digest of all that was taken in.
    pub fn finish(self) -> Sha256 {
        Sha256(sha2::Digest::finalize(self.0).into())
    }
}

/// Hashes exactly the bytes that the inner reader gave.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashingReader<R> {
    /// Wraps `inner`.
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
        }
    }

    /// The digest of what was read.
    pub fn finish(self) -> Sha256 {
        self.hasher.finish()
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}

/// Hashes exactly the bytes that the inner writer accepted.
pub struct HashingWriter<W> {
    inner: W,
    hasher: Hasher,
    size: u64,
}

impl<W: Write> HashingWriter<W> {
    /// Wraps `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            hasher: Hasher::new(),
            size: 0,
        }
    }

    /// The inner writer, the bytes written and their digest. Does not flush.
    pub fn finish(self) -> (W, u64, Sha256) {
        (self.inner, self.size, self.hasher.finish())
    }
}

impl<W: Write> Write for HashingWriter<W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(data)?;
        self.hasher.update(&data[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

thread_local! {
    /// The buffer of the thread's last copy: for many small files, making one each time would
    /// cost more than copying.
    static LAST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Copies with [`BUFFER`] bytes at a time; returns how many were copied.
pub fn copy(reader: &mut dyn Read, writer: &mut dyn Write) -> io::Result<u64> {
    let mut buffer = LAST.take();
    buffer.resize(BUFFER, 0);
    let copied = copy_through(&mut buffer, reader, writer);
    LAST.set(buffer);
    copied
}

fn copy_through(
    buffer: &mut [u8],
    reader: &mut dyn Read,
    writer: &mut dyn Write,
) -> io::Result<u64> {
    let mut total = 0;
    loop {
        match reader.read(buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                writer.write_all(&buffer[..count])?;
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_digest_reads_back_what_it_prints() {
        let digest = Sha256::of(b"");
        assert_eq!(digest.to_string(), EMPTY);
        assert_eq!(EMPTY.parse(), Ok(digest));
    }

    #[test]
    fn anything_but_64_lower_case_hex_digits_is_refused() {
        for text in ["", "e3b0", &EMPTY.to_uppercase(), &EMPTY.replace('e', "é")] {
            assert!(text.parse::<Sha256>().is_err(), "{text} was accepted");
        }
    }

    #[test]
    fn the_writer_hashes_what_passed() {
        let mut writer = HashingWriter::new(Vec::new());
        writer.write_all(b"abc").unwrap();
        let (bytes, size, digest) = writer.finish();
        assert_eq!((bytes.as_slice(), size), (b"abc".as_slice(), 3));
        assert_eq!(digest, Sha256::of(b"abc"));
    }
}
