//! The bundles of submodules: one for each commit.

use std::collections::HashSet;

/// How many characters of a submodule's name its bundle's has.
const MOST_NAME: usize = 40;
/// How many digits of the commit follow.
const DIGITS: usize = 12;

/// A submodule of the release's tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// Its path from the top of the tree.
    pub path: String,
    /// The commit that is pinned.
    pub commit: String,
}

impl Pinned {
    /// Its bundle's path in the folder of the source code: a name that every system takes, told
    /// apart by the commit.
    pub(super) fn bundle(&self) -> String {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        let portable = |c: char| match c {
            c if c.is_ascii_alphanumeric() || "._-".contains(c) => c,
            _ => '-',
        };
        let name: String = name.chars().take(MOST_NAME).map(portable).collect();
        let commit = self.commit.get(..DIGITS).unwrap_or(&self.commit);
        format!("submodules/{name}-{commit}.bundle")
    }
}

/// The first submodule of each commit.
pub(super) fn distinct(submodules: &[Pinned]) -> impl Iterator<Item = &Pinned> {
    let mut seen = HashSet::new();
    submodules
        .iter()
        .filter(move |pinned| seen.insert(pinned.commit.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_has_a_portable_name_whatever_the_submodules_is() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for (path, name) in [
            ("vendor/lib", "lib"),
            ("aux", "aux"),
            ("a/größe: 2*", "gr--e--2-"),
            ("..x", "..x"),
        ] {
            let path = path.to_owned();
            let commit = commit.to_owned();
            let bundle = Pinned { path, commit }.bundle();
            assert_eq!(bundle, format!("submodules/{name}-0123456789ab.bundle"));
            bundle.parse::<crate::path::ArchivePath>().unwrap();
        }
    }
}
