//! Symbolic links of a tree that lead out of it. They are content like any other and archived as
//! committed, but whoever unpacks the tree should know of them.

use std::collections::HashSet;

use super::checkout::MOST_PATHS;
use super::error::{GitError, printable};
use super::source_tree::link_target;
use super::{FileKind, Listing, Mirror};
use crate::path::folded;

impl Mirror {
    /// The symbolic links of a commit whose targets lead out of its tree, or may: an absolute
    /// target, one that climbs too far, or one that climbs after a name, which can be a link
    /// itself. `above` is where the tree lies in another one: a submodule's path, or nothing.
    ///
    /// Fails with [`GitError::UnsafePath`] if a file lies below such a link on a system that
    /// ignores case: to unpack it there would write outside.
    pub fn leaving_links(&self, commit: &str, above: &str) -> Result<Listing, GitError> {
        let files = self.files(commit)?;
        let above = above.split('/').filter(|name| !name.is_empty()).count();
        let mut objects = self.objects()?;
        let mut leaving = Listing::default();
        let mut places = HashSet::new();
        for file in files.iter().filter(|file| file.kind == FileKind::Symlink) {
            let target = link_target(file, &mut objects)?;
            let depth = above + file.path.split(|byte| *byte == b'/').skip(1).count();
            if leads_out(&target, depth) {
                if leaving.total < MOST_PATHS {
                    leaving.paths.push(printable(&file.path));
                }
                leaving.total += 1;
                places.insert(folded(&String::from_utf8_lossy(&file.path)));
            }
        }
        if places.is_empty() {
            return Ok(leaving);
        }
        for file in &files {
            let path = folded(&String::from_utf8_lossy(&file.path));
            let mut folders = path.match_indices('/').map(|(slash, _)| &path[..slash]);
            if folders.any(|folder| places.contains(folder)) {
                return Err(GitError::UnsafePath {
                    path: printable(&file.path),
                });
            }
        }
        Ok(leaving)
    }
}

/// Whether a target may lead out of a tree, from a folder this far below its top.
fn leads_out(target: &[u8], depth: usize) -> bool {
    // A drive letter, and what Windows takes for a slash.
    if target.starts_with(b"/") || target.contains(&b'\\') || target.get(1) == Some(&b':') {
        return true;
    }
    let names = target.split(|byte| *byte == b'/');
    let mut names = names.filter(|name| !matches!(*name, b"" | b"."));
    let climbs = names.by_ref().take_while(|name| *name == b"..").count();
    climbs > depth || names.any(|name| name == b"..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_leads_out_if_it_may_anywhere() {
        for (target, depth) in [
            ("/x", 5),
            ("..", 0),
            ("../../x", 1),
            ("./..//../x", 1),
            ("a/../b", 3),
            ("C:x", 3),
            ("..\\x", 3),
        ] {
            assert!(leads_out(target.as_bytes(), depth), "{target} at {depth}");
        }
        for (target, depth) in [("x", 0), ("..", 1), ("../../x/..y", 2), ("./x/", 0)] {
            assert!(!leads_out(target.as_bytes(), depth), "{target} at {depth}");
        }
    }
}
