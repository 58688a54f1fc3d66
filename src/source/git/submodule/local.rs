//! Where a checkout keeps the repositories of its submodules.

use std::path::{Component, Path};

use super::super::Repository;
use super::super::error::GitError;

/// The repositories on this machine that may hold a submodule of `parent`, the likeliest first:
/// in the checkout, through its `.git` file or an older `.git` folder, and in the `modules` folder
/// of the parent's repository.
pub(super) fn repositories(
    parent: &Repository,
    path: &str,
    name: &str,
) -> Result<Vec<Repository>, GitError> {
    require_plain(name)?;
    let mut places = Vec::new();
    if !parent.is_bare() {
        let place = parent.root.join(path).canonicalize().ok();
        // A link in the checkout may lead anywhere.
        places.extend(place.filter(|place| place.starts_with(&parent.root)));
    }
    for folder in [&parent.git_dir, &parent.common_dir] {
        places.extend(folder.join("modules").join(name).canonicalize().ok());
    }
    let mut found: Vec<Repository> = Vec::new();
    for place in places {
        // A pointer to a folder that is gone is as good as none: the next place may do.
        let Ok(Some(repository)) = Repository::at(&place) else {
            continue;
        };
        if !found
            .iter()
            .any(|known| known.git_dir == repository.git_dir)
        {
            found.push(repository);
        }
    }
    Ok(found)
}

/// A name becomes a path below `modules`; git refuses the same ones, since they once led out.
fn require_plain(name: &str) -> Result<(), GitError> {
    let path = Path::new(name);
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let leads_out = name.split(['/', '\\']).any(|part| part == "..");
    if plain && !leads_out && !name.is_empty() && !name.contains('\0') {
        return Ok(());
    }
    Err(GitError::SubmoduleName {
        name: name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_out_are_refused() {
        for name in ["", "..", "../../x", "a/../../x", "/etc", "a\\..\\..\\x"] {
            assert!(require_plain(name).is_err(), "{name:?}");
        }
        for name in ["lib", "vendor/lib", "..lib", "a.b", "-x", "größe 2"] {
            assert!(require_plain(name).is_ok(), "{name:?}");
        }
    }
}
