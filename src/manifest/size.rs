//! How large a manifest may be.

/// The most bytes that a manifest has, beside those that it has for each file: images' labels,
/// slots, submodules.
const LARGEST_HEAD: u64 = 4 * 1024 * 1024;
/// The most bytes that it has for one file, whose path has 540 at most: what an index says of it.
const LARGEST_ENTRY: u64 = 8 * 1024;
/// The most bytes that it has at all.
const LARGEST: u64 = 512 * 1024 * 1024;

/// The most bytes that the manifest of an archive of so many files has. One that has more is none,
/// and is not read: whoever holds an archive may have put anything there.
pub const fn largest(files: u64) -> u64 {
    let size = LARGEST_HEAD.saturating_add(LARGEST_ENTRY.saturating_mul(files));
    if size < LARGEST { size } else { LARGEST }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_grows_with_its_files_and_not_without_end() {
        assert_eq!(largest(0), 4 << 20);
        assert_eq!(largest(1000) - largest(999), 8 << 10);
        assert_eq!(largest(1_000_000), 512 << 20);
        assert_eq!(largest(u64::MAX), 512 << 20);
    }
}
