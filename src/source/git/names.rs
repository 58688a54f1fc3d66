//! Names in a tree that some system takes for something else: `.git`, a way out, an option of git.

/// Whether every component of a path of a tree means the same on every system: none leads out,
/// and none is the repository's own folder under a name that NTFS or HFS+ takes for it.
///
/// git refuses the like on checkout (`core.protectNTFS`, `core.protectHFS`), on some systems only.
pub(super) fn is_safe(path: &[u8]) -> bool {
    let components = path.split(|byte| *byte == b'/');
    components.clone().all(|name| !name.is_empty())
        && path
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .all(|name| !matches!(name, b"." | b"..") && !is_dot_git(name))
}

/// Whether the path ends in the file from which git reads submodules.
pub(super) fn is_gitmodules(path: &[u8]) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    plain(name) == b".gitmodules"
}

fn is_dot_git(name: &[u8]) -> bool {
    matches!(&plain(name)[..], b".git" | b"git~1")
}

/// A name as a system may read it: in lower case, without the characters that HFS+ ignores, and
/// without the spaces, dots and stream that NTFS drops from its end.
fn plain(name: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(name);
    let seen: String = text.chars().filter(|c| !is_ignored(*c)).collect();
    let before_stream = seen.split(':').next().unwrap_or(&seen);
    let end = before_stream.trim_end_matches([' ', '.']);
    end.to_ascii_lowercase().into_bytes()
}

/// Characters that HFS+ leaves out when it compares names (Apple's Technical Note TN1150).
fn is_ignored(character: char) -> bool {
    matches!(
        character,
        '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_compared_as_every_system_reads_it() {
        for path in [
            "",
            "a//b",
            "a/..",
            "./a",
            "a/.GIT/config",
            ".git.",
            ".git ::$DATA",
            "GIT~1",
            ".g\u{200c}It",
            "a\\..\\b",
            "..\\a",
            "x\\.git",
            "\u{feff}.git/hooks",
        ] {
            assert!(!is_safe(path.as_bytes()), "{path:?}");
        }
        for path in [
            ".gitignore",
            ".github/x",
            "git~2",
            "..a/b..",
            "a\\b",
            "...",
            "a:b",
            " .git",
        ] {
            assert!(is_safe(path.as_bytes()), "{path:?}");
        }
        assert!(is_gitmodules(b"a/.GitModules "));
        assert!(!is_gitmodules(b"x.gitmodules"));
    }
}
