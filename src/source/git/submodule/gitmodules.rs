//! The `.gitmodules` file of a commit, gitmodules(5), read by git itself.

use std::collections::HashMap;

use super::super::Mirror;
use super::super::command::Process;
use super::super::error::GitError;

/// The longest `.gitmodules` file that is read: some thousand entries.
const LIMIT: u64 = 1024 * 1024;
/// Git repeats the section's name on every line.
const ANSWER_LIMIT: u64 = 16 * LIMIT;

/// What a `.gitmodules` file says of each submodule.
#[derive(Debug, Default)]
pub(super) struct Gitmodules {
    by_path: HashMap<String, Entry>,
}

/// What it says of one.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) url: String,
}

impl Gitmodules {
    /// Reads the file at a commit; empty if there is none, or if it is not a regular file.
    pub(super) fn read(mirror: &Mirror, commit: &str) -> Result<Self, GitError> {
        let Some(file) = mirror.file(commit, ".gitmodules")? else {
            return Ok(Self::default());
        };
        if file.size > LIMIT {
            return Err(GitError::TooLarge {
                path: ".gitmodules".to_owned(),
                size: file.size,
                limit: LIMIT,
            });
        }
        let mut command = mirror.command();
        command.args(["config", "--no-includes", "--list", "-z", "--blob"]);
        command.arg(&file.object);
        let answer = Process::start(command, "reading .gitmodules")?.capture(ANSWER_LIMIT)?;
        Ok(Self::parse(&answer))
    }

    /// The submodule at this path, if it has a URL.
    pub(super) fn entry(&self, path: &str) -> Option<&Entry> {
        self.by_path.get(path).filter(|entry| !entry.url.is_empty())
    }

    /// `submodule.NAME.KEY<newline>VALUE<nul>`; of what is said twice, the last counts.
    fn parse(answer: &[u8]) -> Self {
        let mut by_name: Vec<(Entry, String)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for setting in answer.split(|byte| *byte == 0) {
            let Some((name, key, value)) = split(setting) else {
                continue;
            };
            let place = *places.entry(name).or_insert_with(|| {
                let name = name.to_owned();
                by_name.push((
                    Entry {
                        name,
                        ..Entry::default()
                    },
                    String::new(),
                ));
                by_name.len() - 1
            });
            if let Some((entry, path)) = by_name.get_mut(place) {
                match key {
                    "path" => value.clone_into(path),
                    "url" => value.clone_into(&mut entry.url),
                    _ => {}
                }
            }
        }
        let by_path = by_name.into_iter().map(|(entry, path)| (path, entry));
        Self {
            by_path: by_path.collect(),
        }
    }
}

fn split(setting: &[u8]) -> Option<(&str, &str, &str)> {
    let (key, value) = std::str::from_utf8(setting).ok()?.split_once('\n')?;
    let (name, key) = key.strip_prefix("submodule.")?.rsplit_once('.')?;
    Some((name, key, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_found_by_its_path_and_needs_a_url() {
        let read = Gitmodules::parse(
            b"core.x\ny\0submodule.a.b/c.path\nlib\0submodule.a.b/c.url\n../one\0\
              submodule.a.b/c.url\n../two\0submodule.bare.path\nno-url\0submodule.flag.path\0\
              submodule.\xff.path\nx\0",
        );
        let entry = read.entry("lib").unwrap();
        assert_eq!(
            (entry.name.as_str(), entry.url.as_str()),
            ("a.b/c", "../two")
        );
        assert_eq!(read.entry("no-url"), None);
        assert_eq!(read.entry("x"), None);
    }
}
