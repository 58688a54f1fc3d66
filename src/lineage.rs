//! How archives of one version follow each other: addenda and revisions.

use std::fmt;

use miette::Diagnostic;
use thiserror::Error;

use crate::digest::Sha256;
use crate::manifest::Manifest;

/// What an archive is to the one that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// An addendum to it.
    Amends,
    /// A revision in its place.
    Supersedes,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Amends => "amends",
            Self::Supersedes => "supersedes",
        })
    }
}

/// What archives of one version have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The product's id.
    pub product: &'a str,
    /// The version.
    pub version: &'a str,
    /// The tag.
    pub tag: &'a str,
    /// The tag's object id.
    pub tag_object: &'a str,
    /// The commit that it names.
    pub commit: &'a str,
}

impl<'a> Identity<'a> {
    /// That of an archive.
    pub fn of(manifest: &'a Manifest) -> Self {
        Self {
            product: &manifest.product.id,
            version: &manifest.release.version,
            tag: &manifest.release.tag,
            tag_object: &manifest.source.tag_object,
            commit: &manifest.source.commit,
        }
    }
}

/// Why an archive cannot be what it says it is to another one.
#[derive(Debug, Clone, PartialEq, Eq, Error, Diagnostic)]
pub enum LineageError {
    /// The other archive is not there.
    #[error("the archive with manifest {manifest}, which this one {relation}, is not in {store}")]
    #[diagnostic(help(
        "publish that one first; `dhfpack list` shows the manifest digests of what a store holds"
    ))]
    NotThere {
        /// What this archive is to it.
        relation: Relation,
        /// The digest looked for.
        manifest: Sha256,
        /// Where.
        store: String,
    },
    /// Another archive than the one that is named.
    #[error("{name} has manifest {found}: expected {expected}, which this archive {relation}")]
    #[diagnostic(help(
        "name the archive itself with --of, or its digest, which `dhfpack show` prints"
    ))]
    Other {
        /// The archive at hand.
        name: String,
        /// Its digest.
        found: Sha256,
        /// What this archive is to the one that is named.
        relation: Relation,
        /// The digest named.
        expected: Sha256,
    },
    /// Nothing is named that could be at hand.
    #[error("an earlier archive is given, and this one neither amends nor supersedes any")]
    #[diagnostic(help(
        "add --amends MANIFEST_SHA256, or `revision` and `supersedes` in dhfpack.toml"
    ))]
    NoneNamed,
    /// An archive of another product or version.
    #[error("{earlier} is no archive of {product} {version}, and nothing of that can name it")]
    #[diagnostic(help(
        "addenda and revisions are of the same product and version; a new version names its predecessor"
    ))]
    OtherRelease {
        /// The other archive.
        earlier: String,
        /// The product's id.
        product: String,
        /// The version.
        version: String,
    },
    /// An addendum to an addendum.
    #[error("{earlier} is itself an addendum")]
    #[diagnostic(help("amend the archive that it amends, {amends}, with the next number"))]
    OfAddendum {
        /// The addendum.
        earlier: String,
        /// What it amends.
        amends: Sha256,
    },
    /// The tag names something else by now.
    #[error(
        "the tag {tag} has moved: it is {tag_object} at commit {commit}, and was {was_object} at \
         commit {was_commit} in {earlier}"
    )]
    #[diagnostic(help(
        "a released tag never moves: put it back, and release other code under another version"
    ))]
    TagMoved {
        /// The tag.
        tag: String,
        /// Its object now.
        tag_object: String,
        /// Its commit now.
        commit: String,
        /// Its object in the earlier archive.
        was_object: String,
        /// Its commit there.
        was_commit: String,
        /// The earlier archive.
        earlier: String,
    },
}

/// Fails unless `this` may be an addendum to `earlier`, or a revision of it: of the same version,
/// with the same tag at the same commit.
pub fn check(
    this: &Identity<'_>,
    relation: Relation,
    earlier: &Manifest,
) -> Result<(), Box<LineageError>> {
    let was = Identity::of(earlier);
    if (this.product, this.version) != (was.product, was.version) {
        return Err(Box::new(LineageError::OtherRelease {
            earlier: earlier.name.clone(),
            product: this.product.to_owned(),
            version: this.version.to_owned(),
        }));
    }
    if let Some(amends) = earlier.amends
        && relation == Relation::Amends
    {
        return Err(Box::new(LineageError::OfAddendum {
            earlier: earlier.name.clone(),
            amends,
        }));
    }
    if *this == was {
        return Ok(());
    }
    Err(Box::new(LineageError::TagMoved {
        tag: this.tag.to_owned(),
        tag_object: this.tag_object.to_owned(),
        commit: this.commit.to_owned(),
        was_object: was.tag_object.to_owned(),
        was_commit: was.commit.to_owned(),
        earlier: earlier.name.clone(),
    }))
}

/// The archives that `manifest` names as amended or superseded.
pub fn named(manifest: &Manifest) -> Vec<(Relation, Sha256)> {
    let superseded = manifest.supersedes.as_ref().map(|earlier| earlier.manifest);
    [
        (Relation::Amends, manifest.amends),
        (Relation::Supersedes, superseded),
    ]
    .into_iter()
    .filter_map(|(relation, digest)| Some((relation, digest?)))
    .collect()
}

/// What an archive is to others, in words of one line each, as in "addendum 1 to DIGEST: reason".
/// `name` gives an archive's name by its manifest's digest, where it is known.
pub fn describe(manifest: &Manifest, name: impl Fn(&Sha256) -> Option<String>) -> Vec<String> {
    let shown = |digest: &Sha256| name(digest).unwrap_or_else(|| digest.to_string());
    let mut lines = Vec::new();
    if let Some(amended) = &manifest.amends {
        let amended = shown(amended);
        lines.push(match &manifest.addendum {
            Some(addendum) => {
                let (number, reason) = (addendum.number, &addendum.reason);
                format!("addendum {number} to {amended}: {reason}")
            }
            None => format!("addendum to {amended}"),
        });
    }
    if let Some(superseded) = &manifest.supersedes {
        let (number, earlier) = (manifest.release.revision, shown(&superseded.manifest));
        let reason = &superseded.reason;
        lines.push(format!("revision {number}, supersedes {earlier}: {reason}"));
    }
    // Reasons are the archive's own words, and must not fake a line.
    for line in &mut lines {
        *line = line.replace(char::is_control, "?");
    }
    lines
}
