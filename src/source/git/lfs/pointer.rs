//! What a Git LFS pointer looks like (Git LFS specification, version 1).

use crate::digest::Sha256;

/// The URLs that have named the specification: today's, and those from before its release, which
/// `git lfs` reads still.
const VERSIONS: [&str; 3] = [
    "https://git-lfs.github.com/spec/v1",
    "https://hawser.github.com/spec/v1",
    "http://git-media.io/v/2",
];

/// What stands in a repository for a file that is kept by Git LFS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LfsPointer {
    /// The digest of the file's bytes.
    pub oid: Sha256,
    /// Their number.
    pub size: u64,
}

impl LfsPointer {
    /// A pointer has fewer bytes than this.
    pub const LIMIT: u64 = 1024;

    /// An empty file needs no object.
    pub fn is_empty(&self) -> bool {
        self.size == 0 && self.oid == Sha256::of(b"")
    }

    /// Reads a file's content; none if it is no pointer.
    ///
    /// What `git lfs` replaces on a checkout has to count: besides the canonical form, it takes
    /// white space around, lines that end in a carriage return, and empty lines.
    pub fn parse(content: &[u8]) -> Option<Self> {
        if content.len() as u64 >= Self::LIMIT {
            return None;
        }
        let text = std::str::from_utf8(content).ok()?.trim();
        let mut lines = text.lines().filter(|line| !line.is_empty());
        let version = lines.next()?.strip_prefix("version ")?;
        if !VERSIONS.contains(&version) {
            return None;
        }
        let mut line = lines.next()?;
        // Programs that changed the file before it was stored: `ext-N-NAME sha256:…`.
        while is_extension(line) {
            line = lines.next()?;
        }
        let oid = line.strip_prefix("oid sha256:")?.parse().ok()?;
        let size: i64 = lines.next()?.strip_prefix("size ")?.parse().ok()?;
        if lines.next().is_some() {
            return None;
        }
        Some(Self {
            oid,
            size: u64::try_from(size).ok()?,
        })
    }
}

impl std::fmt::Display for LfsPointer {
    /// The canonical form.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (version, oid, size) = (VERSIONS[0], self.oid, self.size);
        write!(f, "version {version}\noid sha256:{oid}\nsize {size}\n")
    }
}

fn is_extension(line: &str) -> bool {
    let Some((key, value)) = line.split_once(' ') else {
        return false;
    };
    let mut parts = key.splitn(3, '-');
    let number = (parts.next(), parts.next());
    matches!(number, (Some("ext"), Some(digit)) if digit.len() == 1 && digit.bytes().all(|b| b.is_ascii_digit()))
        && parts.next().is_some_and(|name| !name.is_empty())
        && value.starts_with("sha256:")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OID: &str = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393";

    fn pointer(version: &str) -> String {
        format!("version {version}\noid sha256:{OID}\nsize 12345\n")
    }

    #[test]
    fn a_pointer_of_every_version_is_read() {
        let expected = LfsPointer {
            oid: OID.parse().unwrap(),
            size: 12345,
        };
        for version in VERSIONS {
            let text = pointer(version);
            assert_eq!(LfsPointer::parse(text.as_bytes()), Some(expected));
        }
        assert_eq!(expected.to_string(), pointer(VERSIONS[0]));
    }

    #[test]
    fn what_is_almost_a_pointer_is_a_plain_file() {
        let good = pointer(VERSIONS[0]);
        for text in [
            String::new(),
            good.replace("spec/v1", "spec/v2"),
            good.replace("sha256:", "sha512:"),
            good.replace("4d7a", "4D7A"),
            good.replace("4d7a", ""),
            good.replace("size 12345", "size -1"),
            good.replace("size 12345", "size "),
            good.replace("size 12345", "size 99999999999999999999"),
            good.replace("size 12345\n", ""),
            good.replace("oid ", "oid  "),
            good.replace("oid ", "ext-0- sha256:00\noid "),
            good.clone() + "zzz 1\n",
            format!("{good}{}", "\n".repeat(1024)),
            format!("version {}\nsize 12345\noid sha256:{OID}\n", VERSIONS[0]),
        ] {
            assert_eq!(LfsPointer::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(LfsPointer::parse(b"version \xff"), None);
    }
}
