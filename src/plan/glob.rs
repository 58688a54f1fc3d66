//! Globs of a slot's `files`, and what to say of one that finds nothing.

use globset::{GlobBuilder, GlobMatcher};

use super::{Found, Place};
use crate::toml_file::closest;

/// What no literal part of a glob holds.
const WILDCARDS: [char; 5] = ['*', '?', '[', '{', '\\'];

/// A glob from the root of its place.
pub(super) struct Glob {
    text: String,
    shared: String,
    matcher: GlobMatcher,
}

impl Glob {
    /// A glob as written in a configuration: from the folder `base`, or from the root if it begins
    /// with a slash. Fails with what is wrong with it.
    pub(super) fn parse(base: &str, written: &str) -> Result<Self, String> {
        let (base, below) = match written.strip_prefix('/') {
            Some(rooted) => (String::new(), rooted),
            None if base.is_empty() => (String::new(), written.trim_start_matches("./")),
            None => (format!("{base}/"), written.trim_start_matches("./")),
        };
        // The names of folders are no patterns.
        let text = globset::escape(&base) + below;
        if text.split('/').any(|part| part == "..") {
            return Err(
                "`..` leads nowhere: begin with `/` to write it from the root, as in \"/docs/*.md\""
                    .to_owned(),
            );
        }
        let matcher = compile(&text, false).map_err(|error| {
            let kind = error.kind();
            format!("it is no valid glob: {kind}")
        })?;
        let shared = base + literal_folder(below);
        Ok(Self {
            text,
            shared,
            matcher,
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        self.matcher.is_match(path)
    }

    /// The folder that all matches share, slash included: what is cut off their paths.
    pub(super) fn shared_folder(&self) -> &str {
        &self.shared
    }
}

fn literal_folder(glob: &str) -> &str {
    let literal = glob.find(WILDCARDS).unwrap_or(glob.len());
    let (literal, _) = glob.split_at(literal);
    let end = literal.rfind('/').map_or(0, |slash| slash + 1);
    literal.split_at(end).0
}

fn compile(glob: &str, any_case: bool) -> Result<GlobMatcher, globset::Error> {
    let glob = GlobBuilder::new(glob)
        .literal_separator(true)
        .backslash_escape(true)
        .case_insensitive(any_case)
        .build()?;
    Ok(glob.compile_matcher())
}

/// What was probably meant by a glob, `written` so, that matches none of the paths; may be empty.
pub(super) fn hint<'a>(
    glob: &Glob,
    written: &str,
    mut paths: impl Iterator<Item = &'a str> + Clone,
) -> String {
    let other_case = compile(&glob.text, true).ok();
    let is_like = |path: &&str| other_case.as_ref().is_some_and(|glob| glob.is_match(path));
    let like = paths.clone().find(is_like).or_else(|| {
        // A pattern is like no path in particular.
        let exact = !glob.text.contains(WILDCARDS);
        exact.then(|| closest(&glob.text, &mut paths)).flatten()
    });
    match like {
        Some(path) => format!("; did you mean {path:?}?"),
        None if written.contains('\\') => "; folders are separated by `/`".to_owned(),
        None => String::new(),
    }
}

/// What to say of a glob, `written` so, that matches none of the files found.
pub(super) fn suggest(glob: &Glob, written: &str, place: &Place, found: &[Found]) -> String {
    let folder = glob.text.trim_end_matches('/');
    let is_below = |file: &Found| {
        file.path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    if !folder.is_empty() && found.iter().any(is_below) {
        let written = written.trim_end_matches('/');
        return format!("it matches no file, but a folder: write \"{written}/**\"");
    }
    let hint = hint(glob, written, found.iter().map(|file| file.path.as_str()));
    let count = found.len();
    match place {
        Place::Product => {
            format!("it matches none of the {count} files at the records' revision{hint}")
        }
        Place::Named(name) => format!("it matches none of the {count} files of `{name}`{hint}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(glob: &str) -> String {
        Glob::parse("", glob).unwrap().shared_folder().to_owned()
    }

    #[test]
    fn a_match_keeps_its_folders_from_the_first_wildcard_on() {
        assert_eq!(shared("docs/a/manual.md"), "docs/a/");
        assert_eq!(shared("docs/**/*.md"), "docs/");
        assert_eq!(shared("docs/man*/x.md"), "docs/");
        assert_eq!(shared("*.md"), "");
    }

    #[test]
    fn a_glob_counts_from_its_base_or_from_the_root() {
        let below = Glob::parse("mono/pump [a]", "./docs/*.md").unwrap();
        assert!(below.matches("mono/pump [a]/docs/x.md"));
        assert!(!below.matches("mono/pump a/docs/x.md"));
        assert_eq!(below.shared_folder(), "mono/pump [a]/docs/");
        assert!(Glob::parse("mono", "/docs/*").unwrap().matches("docs/x"));
        assert!(Glob::parse("mono", "../docs/*").is_err());
    }

    #[test]
    fn a_wildcard_stays_within_a_folder_unless_doubled() {
        assert!(!Glob::parse("", "*.md").unwrap().matches("a/x.md"));
        assert!(Glob::parse("", "**/*.md").unwrap().matches("a/b/x.md"));
    }
}
