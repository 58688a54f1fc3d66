//! What a build reads before it plans: repository, tag, configuration, layout, places of documents.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checks::report_checkout;
use super::configuration::{self, Configuration, read_text};
use super::environment;
use super::links::report_links;
use super::overrides;
use super::service_manual::{self, ServiceManual};
use super::signatures::{self, Signatures};
use super::whole;
use super::{BuildError, ConfigSource, Request};
use crate::config::{Config, ResolvedConfig, SOURCE};
use crate::layout::{self, Fill, Layout};
use crate::lineage::{self, Identity, LineageError, Relation};
use crate::manifest::Records;
use crate::monitor::Monitor;
use crate::plan::{Pinned, Place, Plan};
use crate::source::documents::Library;
use crate::source::git::{self, Mirror, Submodule, Tag};
use crate::toml_file::{Step, TomlText, closest};

pub(super) struct Inputs {
    /// Where configuration and documents are.
    records_mirror: Mirror,
    /// Where the tag is, unless it is there too.
    source_mirror: Option<Mirror>,
    /// The submodules at the tag, at any depth, by byte order of path.
    pub(super) submodules: Vec<Submodule>,
    /// The checkout to compare with the tag; none where nothing is taken from one.
    checkout: Option<PathBuf>,
    pub(super) tag: Tag,
    pub(super) signatures: Signatures,
    pub(super) records: Records,
    pub(super) resolved: ResolvedConfig,
    pub(super) config_text: TomlText,
    pub(super) layout: Layout,
    pub(super) layout_text: String,
    pub(super) service_manual: Option<ServiceManual>,
    /// The configuration's folder in the checkout, from which relative locations count.
    pub(super) folder: PathBuf,
    others: BTreeMap<String, (Mirror, String)>,
    folders: BTreeMap<String, PathBuf>,
}

impl Inputs {
    pub(super) fn read(
        request: &Request,
        work: &Path,
        monitor: &dyn Monitor,
    ) -> Result<Self, BuildError> {
        let repository = git::find_repository(&request.repository)?;
        let root = &repository.root;
        let mirror = whole::product(request, &repository, work, monitor)?;
        let mut read = configuration::read(request, &repository, &mirror, monitor)?;
        overrides::apply(request, &mut read.config)?;
        let folder = join_base(root, &read.base);
        let source = match &read.config.source.repository {
            Some(written) => {
                let remote = read.config.source.remote.as_deref();
                let cloned = clone_source(request, written, remote, &folder, work, monitor)?;
                Some(cloned)
            }
            None => None,
        };
        let (source_mirror, checkout) = match source {
            Some((mirror, checkout)) => (Some(mirror), checkout),
            None => (None, Some(root.clone())),
        };
        let tagged = source_mirror.as_ref().unwrap_or(&mirror);
        let tag = tagged.tag(&read.tag)?;
        tagged.require_same_tag(&tag)?;
        require_same_release(request, &read.config, &tag)?;
        let (layout, layout_text) = read_layout(request, &mirror, &read)?;
        let service_manual = service_manual::read(&mirror, &read)?;
        let signatures = signatures::judge(tagged, &mirror, &tag, &read, monitor)?;
        let submodules = if layout
            .slots
            .iter()
            .any(|slot| slot.fill.contains(&Fill::Git))
        {
            let remote = read.config.source.remote.as_deref();
            tagged.submodules(&tag.commit, remote, &work.join("submodules"), monitor)?
        } else {
            Vec::new()
        };
        let others = clone_others(request, &read.config, &folder, work, monitor)?;
        let folders = find_folders(request, &read.config, &folder);
        Ok(Self {
            records_mirror: mirror,
            source_mirror,
            submodules,
            // What is built again takes nothing from a checkout.
            checkout: checkout.filter(|_| !matches!(request.config, ConfigSource::Archive(_))),
            tag,
            signatures,
            records: read.records,
            config_text: read.text,
            layout,
            layout_text,
            service_manual,
            resolved: ResolvedConfig {
                base: read.base,
                config: read.config,
            },
            folder,
            others,
            folders,
        })
    }

    /// The repository that the tag is in.
    pub(super) fn source(&self) -> &Mirror {
        self.source_mirror.as_ref().unwrap_or(&self.records_mirror)
    }

    /// The repositories that the release's tree is made of, with the commit of each: that of the
    /// tag first.
    pub(super) fn trees(&self) -> Vec<(&Mirror, &str)> {
        let own = (self.source(), self.tag.commit.as_str());
        let submodules = self.submodules.iter();
        let submodules = submodules.map(|one| (&one.mirror, one.commit.id.as_str()));
        std::iter::once(own).chain(submodules).collect()
    }

    /// Says which links lead out of the tree, and where the checkout has something else than the tag.
    pub(super) fn report_checkout(&self, monitor: &dyn Monitor) -> Result<(), BuildError> {
        report_links(self, monitor)?;
        match &self.checkout {
            Some(root) => report_checkout(self.source(), root, monitor),
            None => Ok(()),
        }
    }

    /// Every place that documents come from.
    pub(super) fn library(&self) -> Result<Library<'_>, BuildError> {
        let mut library = Library::default();
        library.add_git(Place::Product, &self.records_mirror, &self.records.commit)?;
        for (name, (mirror, commit)) in &self.others {
            library.add_git(Place::Named(name.clone()), mirror, commit)?;
        }
        for entry in &self.config().folders {
            if let Some(path) = self.folders.get(&entry.name) {
                library.add_folder(&entry.name, path, entry.index.as_deref())?;
            }
        }
        Ok(library)
    }

    pub(super) fn plan(&self, library: &Library<'_>, draft: bool) -> Result<Plan, BuildError> {
        let places = library.listing();
        let mut plan = Plan::resolve(
            self.config(),
            &self.config_text,
            &self.layout,
            &self.resolved.base,
            &places,
            &self.pinned(),
        )?;
        plan.gaps
            .extend(self.service_manual.as_ref().and_then(ServiceManual::gap));
        if !draft {
            plan.refuse_gaps()?;
        }
        environment::plan(self, &mut plan)?;
        Ok(plan)
    }

    fn pinned(&self) -> Vec<Pinned> {
        let pinned = |one: &Submodule| Pinned {
            path: one.path.clone(),
            commit: one.commit.id.clone(),
        };
        self.submodules.iter().map(pinned).collect()
    }

    pub(super) fn config(&self) -> &Config {
        &self.resolved.config
    }
}

/// Fails unless the earlier archive, where one is given, is what this one names, and of the same
/// tag.
fn require_same_release(
    request: &Request,
    config: &Config,
    tag: &Tag,
) -> Result<(), Box<LineageError>> {
    let Some((earlier, digest)) = request.earlier.as_deref() else {
        return Ok(());
    };
    let release = &config.release;
    let superseded = release.supersedes.as_ref().map(|named| named.manifest);
    let (relation, named) = match (&release.amends, superseded) {
        (Some(amends), _) => (Relation::Amends, amends.manifest),
        (None, Some(superseded)) => (Relation::Supersedes, superseded),
        (None, None) => return Err(Box::new(LineageError::NoneNamed)),
    };
    if named != *digest {
        return Err(Box::new(LineageError::Other {
            name: earlier.name.clone(),
            found: *digest,
            relation,
            expected: named,
        }));
    }
    let identity = Identity {
        product: &config.product.id,
        version: &release.version,
        tag: &tag.name,
        tag_object: &tag.object,
        commit: &tag.commit,
    };
    lineage::check(&identity, relation, earlier)
}

fn read_layout(
    request: &Request,
    mirror: &Mirror,
    read: &Configuration,
) -> Result<(Layout, String), BuildError> {
    let name = &read.config.layout;
    let (shown, text) = if let ConfigSource::Archive(archived) = &request.config {
        (name.clone(), archived.layout.clone())
    } else if name.starts_with("./") {
        let path = read.path_of(name);
        let Records { rev, commit } = &read.records;
        let text = read_text(mirror, rev, commit, &path)?;
        (format!("{path} at {rev}"), text)
    } else if let Some(text) = layout::built_in(name) {
        (name.clone(), text.to_owned())
    } else {
        return Err(no_layout(read).into());
    };
    let file = TomlText {
        name: shown,
        text: text.clone(),
    };
    let layout: Layout = file.parse()?;
    let problems = layout.problems();
    if problems.is_empty() {
        Ok((layout, text))
    } else {
        Err(BuildError::BadLayout {
            name: file.name,
            problems,
        })
    }
}

fn no_layout(read: &Configuration) -> Box<crate::toml_file::TomlError> {
    let name = &read.config.layout;
    let known: Vec<&str> = layout::BUILT_IN.iter().map(|(known, _)| *known).collect();
    let help = match closest(name, known.iter().copied()) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!(
            "use one of {}, or the path of a file in the repository, as in \"./layouts/own.toml\"",
            known.join(", ")
        ),
    };
    let message = format!("there is no layout `{name}`");
    read.text.error(&[Step::Key("layout")], message, Some(help))
}

fn find_folders(request: &Request, config: &Config, base: &Path) -> BTreeMap<String, PathBuf> {
    let find = |entry: &crate::config::FolderConfig| {
        let given = request.locations.folders.get(&entry.name);
        let path = given
            .cloned()
            .unwrap_or_else(|| base.join(config.with_version(&entry.path)));
        (entry.name.clone(), path)
    };
    config.folders.iter().map(find).collect()
}

fn clone_others(
    request: &Request,
    config: &Config,
    folder: &Path,
    work: &Path,
    monitor: &dyn Monitor,
) -> Result<BTreeMap<String, (Mirror, String)>, BuildError> {
    let mut others = BTreeMap::new();
    for entry in &config.repositories {
        let location = location(request, &entry.name, &entry.location, folder);
        let fail = |source| BuildError::Repository {
            name: entry.name.clone(),
            source,
        };
        let into = work.join("repositories").join(&entry.name);
        let mirror = Mirror::clone_with(&location, &request.locations.remotes, &into, monitor);
        let mirror = mirror.map_err(fail)?;
        let tag = mirror.tag(&config.with_version(&entry.tag)).map_err(fail)?;
        others.insert(entry.name.clone(), (mirror, tag.commit));
    }
    Ok(others)
}

/// The mirror of `source.repository`, and its checkout where it is one on this machine.
fn clone_source(
    request: &Request,
    written: &str,
    remote: Option<&str>,
    folder: &Path,
    work: &Path,
    monitor: &dyn Monitor,
) -> Result<(Mirror, Option<PathBuf>), BuildError> {
    let location = location(request, SOURCE, written, folder);
    let access = &request.locations.remotes;
    let mirror = whole::other(&location, remote, access, &work.join(SOURCE), monitor);
    let mirror = mirror.map_err(|source| BuildError::Repository {
        name: SOURCE.to_owned(),
        source,
    })?;
    let checkout = PathBuf::from(location);
    Ok((mirror, checkout.is_dir().then_some(checkout)))
}

/// Where a repository is: as the command line says, or as written, from the configuration's
/// folder unless it is a URL.
fn location(request: &Request, name: &str, written: &str, folder: &Path) -> String {
    match request.locations.repositories.get(name) {
        Some(given) => given.clone(),
        None if written.contains(':') => written.to_owned(),
        None => folder.join(written).to_string_lossy().into_owned(),
    }
}

fn join_base(root: &Path, base: &str) -> PathBuf {
    base.split('/')
        .filter(|part| !part.is_empty())
        .fold(root.to_path_buf(), |path, part| path.join(part))
}
