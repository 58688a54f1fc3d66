//! The source code: bundles of the repository and of its submodules, proved as written, and the
//! source tree.

use std::collections::{BTreeMap, HashMap};

use super::{BuildError, Inputs, Writer, entry};
use crate::archive::{FileWriter, Written};
use crate::manifest::{FileEntry, Origin, SubmoduleIdentity};
use crate::monitor::{Task, Unit};
use crate::plan::{Content, Item, Plan};
use crate::source::git::GitError;

/// Every submodule of the release's tree, with the bundle that holds it.
pub(in crate::assemble) fn submodules(inputs: &Inputs, plan: &Plan) -> Vec<SubmoduleIdentity> {
    let bundles = plan.items.iter().filter_map(|item| match &item.content {
        Content::Submodule(pinned) => Some((pinned.commit.as_str(), &item.path)),
        _ => None,
    });
    let bundles: HashMap<&str, _> = bundles.collect();
    let identity = |one: &crate::source::git::Submodule| {
        Some(SubmoduleIdentity {
            path: one.path.clone(),
            url: one.url.clone(),
            commit: one.commit.id.clone(),
            tree: one.commit.tree.clone(),
            bundle: (*bundles.get(one.commit.id.as_str())?).clone(),
        })
    };
    // A layout without a slot for the source code has no bundles at all.
    inputs.submodules.iter().filter_map(identity).collect()
}

impl Writer<'_> {
    pub(super) fn bundle(&self, item: &Item) -> Result<FileEntry, BuildError> {
        let (source, tag) = (self.inputs.source(), &self.inputs.tag);
        let mut writer = self.staging.create(&item.path)?;
        let task = Task::begin(self.monitor, "git history", None, Unit::Bytes);
        source.bundle(tag, &mut writer, &task)?;
        let written = writer.finish()?;
        let place = self.staging.tree().join(item.path.as_str());
        source.prove_bundle(&place, tag, &self.proof())?;
        Ok(packed(item, written, self.tag_identity()))
    }

    /// The bundle of a submodule's commit.
    pub(super) fn submodule(&self, item: &Item, commit: &str) -> Result<FileEntry, BuildError> {
        let mut submodules = self.inputs.submodules.iter();
        let submodule = submodules
            .find(|one| one.commit.id == commit)
            .ok_or_else(|| GitError::MissingObject {
                object: commit.to_owned(),
            })?;
        let (mirror, commit) = (&submodule.mirror, &submodule.commit);
        let mut writer = self.staging.create(&item.path)?;
        let task = Task::begin(self.monitor, "submodule's history", None, Unit::Bytes);
        mirror.bundle_commit(commit, &mut writer, &task)?;
        let written = writer.finish()?;
        let place = self.staging.tree().join(item.path.as_str());
        mirror.prove_commit_bundle(&place, commit, &self.proof())?;
        let identity = BTreeMap::from([
            ("git_commit".to_owned(), commit.id.clone()),
            ("git_tree".to_owned(), commit.tree.clone()),
        ]);
        Ok(packed(item, written, identity))
    }

    pub(super) fn source_tree(&self, item: &Item) -> Result<FileEntry, BuildError> {
        let mut writer: FileWriter = self.staging.create(&item.path)?;
        let task = Task::begin(self.monitor, "source tree", None, Unit::Bytes);
        let tree = self.inputs.source().source_tree(
            &self.inputs.tag,
            &self.inputs.submodules,
            &self.plan.name,
            self.request.jobs,
            &mut writer,
            &task,
        )?;
        let mut identity = self.tag_identity();
        identity.insert(
            "uncompressed_sha256".to_owned(),
            tree.uncompressed.to_string(),
        );
        Ok(packed(item, writer.finish()?, identity))
    }

    fn tag_identity(&self) -> BTreeMap<String, String> {
        let tag = &self.inputs.tag;
        BTreeMap::from([
            ("git_tag".to_owned(), tag.object.clone()),
            ("git_commit".to_owned(), tag.commit.clone()),
            ("git_tree".to_owned(), tag.tree.clone()),
        ])
    }

    fn proof(&self) -> Task<'_> {
        Task::begin(self.monitor, "proof of the bundle", None, Unit::Bytes)
    }
}

fn packed(item: &Item, written: Written, identity: BTreeMap<String, String>) -> FileEntry {
    let Written { path, size, sha256 } = written;
    let mut entry = entry(path, size, sha256, &item.slot, Origin::Packed);
    entry.identity = identity;
    entry
}
