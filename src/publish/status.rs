//! How far the publication of an archive has come, as its store shows it. Nothing is written, and
//! only what is small is read: `verify` reads everything.

use std::collections::BTreeMap;

use miette::Diagnostic;

use super::keeping::Keeping;
use super::outputs::{self, Destinations};
use super::receipt::{self, Found, Present};
use super::signatures::{self, Files, Standing};
use super::{PublishError, Report, State, Step, upload};
use crate::archive::{self, ArchiveError, Records};
use crate::config::ResolvedConfig;
use crate::digest::Sha256;
use crate::error::Cancelled;
use crate::manifest::{self, Manifest};
use crate::monitor::Monitor;
use crate::plan::own;
use crate::store::{Object, Store, StoreError};
use crate::verify::Policy;

/// How far a publication has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// Digest of the manifest; none as long as the archive is not complete.
    pub manifest_sha256: Option<Sha256>,
    /// How far the archive has come; none as long as it is not complete.
    pub standing: Option<Standing>,
    /// Every step, in order.
    pub steps: Vec<Report>,
}

impl Progress {
    /// Whether a step has come to this.
    pub fn has(&self, state: State) -> bool {
        self.steps.iter().any(|step| step.state == state)
    }

    /// Shows a step as [`State::Differs`], for the reason that its place cannot be opened.
    pub fn break_step(&mut self, step: Step, error: &dyn Diagnostic) {
        let report = self.steps.iter_mut().find(|report| report.step == step);
        if let Some(report) = report {
            *report = Report::broken(step, error);
        }
    }
}

/// What there is of an archive in a store.
pub enum Inspected<'s> {
    /// Objects, and no manifest that can be understood.
    NoManifest(Progress),
    /// A manifest.
    Whole(Box<InStore<'s>>),
}

/// Looks at the archive `name` in `store`. Fails with [`PublishError::NoArchive`] if there is
/// nothing of it.
pub fn inspect<'s>(store: &'s dyn Store, name: &'s str) -> Result<Inspected<'s>, PublishError> {
    let objects = upload::list(store, name)?;
    let place = store.address().place(name);
    if objects.is_empty() {
        return Err(PublishError::NoArchive { place });
    }
    let manifest = format!("{name}/{}", manifest::MANIFEST);
    if !objects.iter().any(|object| object.path == manifest) {
        let progress = match receipt::latest(store, name)? {
            Some((path, _)) => manifest_gone(&store.address().place(&path)),
            None => broken_off(objects.len()),
        };
        return Ok(Inspected::NoManifest(progress));
    }
    match InStore::open(store, name, objects) {
        Ok(whole) => Ok(Inspected::Whole(Box::new(whole))),
        Err(error @ (ArchiveError::Manifest { .. } | ArchiveError::Record { .. })) => {
            let steps = Step::ALL.map(|step| Report::broken(step, &error));
            Ok(Inspected::NoManifest(without_manifest(steps)))
        }
        Err(error) => Err(error.into()),
    }
}

/// How far a publication has come whose receipt is there, and whose manifest is not.
fn manifest_gone(receipt: &str) -> Progress {
    let files = format!(
        "{} is gone, though {receipt} says that the archive was published: put it back from the \
         store's versions or a backup; where it was locked, remove the delete marker",
        manifest::MANIFEST
    );
    without_manifest(Step::ALL.map(|step| match step {
        Step::Files => Report::new(step, State::Differs, files.as_str()),
        _ => Report::new(step, State::Differs, "cannot be told without the manifest"),
    }))
}

/// How far a publication has come that left so many objects and no manifest.
fn broken_off(objects: usize) -> Progress {
    let files = format!(
        "{objects} objects and no manifest: publishing broke off, and nothing of it is released; \
         publish the archive again"
    );
    without_manifest(Step::ALL.map(|step| match step {
        Step::Files => Report::new(step, State::Missing, files.as_str()),
        _ => Report::new(step, State::Missing, "not before the manifest is there"),
    }))
}

fn without_manifest(steps: [Report; 7]) -> Progress {
    Progress {
        manifest_sha256: None,
        standing: None,
        steps: steps.into(),
    }
}

/// A published archive, of which only what is small was read.
pub struct InStore<'s> {
    store: &'s dyn Store,
    name: &'s str,
    objects: Vec<Object>,
    manifest: Manifest,
    digest: Sha256,
    signatures: Result<Files, PublishError>,
    config: Result<ResolvedConfig, PublishError>,
}

impl<'s> InStore<'s> {
    fn open(
        store: &'s dyn Store,
        name: &'s str,
        objects: Vec<Object>,
    ) -> Result<Self, ArchiveError> {
        let tree = archive::in_folder(store, name, &objects);
        let records = Records::of(&tree)?;
        let (manifest, digest) = records.manifest()?;
        let resolved = records.read_listed(&manifest, own::RESOLVED);
        let config = resolved.map_err(PublishError::from);
        drop(records);
        Ok(Self {
            store,
            name,
            signatures: signatures::in_store(store, name, &objects),
            config: config.and_then(|resolved| {
                serde_json::from_slice(&resolved).map_err(PublishError::Config)
            }),
            objects,
            manifest,
            digest,
        })
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The configuration it was built by, as archived; none if that cannot be understood.
    pub fn config(&self) -> Option<&ResolvedConfig> {
        self.config.as_ref().ok()
    }

    /// How far it has come, for somebody with this policy, if its other outputs go `to` there.
    ///
    /// Every step is told of: one that fails has come to [`State::Differs`], with the reason.
    /// Fails only on a stop.
    pub fn progress(
        &self,
        policy: &Policy,
        to: Destinations<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Progress, PublishError> {
        // What could not be read when it was opened may be so because of the stop.
        if monitor.is_cancelled() {
            return Err(StoreError::from(Cancelled).into());
        }
        let whole = (&self.manifest, self.digest);
        let signatures = self.signatures.as_ref();
        let standing = signatures.map(|files| Standing::of(files, whole, policy));
        let signed = match &standing {
            Ok(standing) => standing.step(),
            Err(error) => Report::broken(Step::Signatures, *error),
        };
        let mut steps = vec![self.files(), signed];
        let latest = receipt::latest(self.store, self.name);
        match (&self.config, standing.as_ref().map_err(|error| *error)) {
            (Ok(config), Ok(standing)) => {
                // What is wrong with the receipt, its own step says.
                let found = latest.as_ref().ok().and_then(Option::as_ref);
                let said = found.and_then(|(_, said)| said.as_ref().ok());
                let said = said.and_then(|receipt| receipt.outputs_of(&self.digest));
                steps.extend(self.configured(config, standing, said, to, monitor)?);
            }
            (Err(error), _) | (_, Err(error)) => {
                let configured = [
                    Step::Retention,
                    Step::Dhf,
                    Step::ServiceManual,
                    Step::Registry,
                ];
                steps.extend(configured.map(|step| Report::broken(step, error)));
            }
        }
        let receipt = match signatures {
            Ok(signatures) => self.receipt(latest, signatures, monitor),
            Err(error) => Ok(Report::broken(Step::Receipt, error)),
        };
        steps.push(told(Step::Receipt, receipt, monitor)?);
        Ok(Progress {
            manifest_sha256: Some(self.digest),
            standing: standing.ok(),
            steps,
        })
    }

    /// The steps that its configuration may ask for, after a receipt of it named these outputs.
    fn configured(
        &self,
        config: &ResolvedConfig,
        standing: &Standing,
        said: Option<&receipt::Outputs>,
        to: Destinations<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Vec<Report>, PublishError> {
        let keeping = Keeping::of(config.config.retention.as_ref(), standing);
        let kept = keeping.and_then(|keeping| keeping.progress(self.store, self.name, monitor));
        let tree = archive::in_folder(self.store, self.name, &self.objects);
        let records = Records::of(&tree)?;
        let whole = (&self.manifest, self.digest);
        let location = self.store.address().below(self.name);
        let at = (&location, standing, to);
        let others = outputs::progress(said, &records, whole, config, at, monitor);
        std::iter::once((Step::Retention, kept))
            .chain(others)
            .map(|(step, report)| told(step, report, monitor))
            .collect()
    }

    /// Compares what is listed with what is there, by name and size.
    fn files(&self) -> Report {
        let mut there: BTreeMap<&str, u64> = self
            .objects
            .iter()
            .filter_map(|object| Some((object.path.strip_prefix(self.name)?, object.size)))
            .filter_map(|(path, size)| Some((path.strip_prefix('/')?, size)))
            .collect();
        let sums = self.manifest.sums(&self.digest).len() as u64;
        let listed = self.manifest.files.iter();
        let listed = listed.map(|file| (file.path.as_str(), file.size));
        let (mut found, mut all, mut wrong) = (0, 0, Vec::new());
        for (path, size) in listed.chain([(manifest::SUMS, sums)]) {
            all += 1;
            match there.remove(path) {
                Some(has) if has == size => found += 1,
                Some(has) => wrong.push(format!("{path:?} has {has} bytes: expected {size}")),
                None => wrong.push(format!("{path:?} is not there")),
            }
        }
        let own = |path: &&str| {
            *path == manifest::MANIFEST || path.starts_with(&format!("{}/", manifest::SIGNATURES))
        };
        let strays = there.into_keys().filter(|path| !own(path));
        wrong.extend(strays.map(|path| format!("{path:?} is not listed")));
        if wrong.is_empty() {
            let detail = format!("{found} of {all} there, and the manifest");
            return Report::new(Step::Files, State::Done, detail);
        }
        let detail = format!("{found} of {all} there: {}", wrong.join("; "));
        Report::new(Step::Files, State::Differs, detail)
    }

    /// Compares with the latest receipt, without reading the objects.
    fn receipt(
        &self,
        latest: Result<Option<Found>, StoreError>,
        signatures: &Files,
        monitor: &dyn Monitor,
    ) -> Result<Report, PublishError> {
        let report = |state, detail| Ok(Report::new(Step::Receipt, state, detail));
        let Some((path, receipt)) = latest? else {
            return report(State::Missing, "there is none".to_owned());
        };
        let receipt = match receipt {
            Ok(receipt) => receipt,
            Err(problem) => return report(State::Differs, format!("{path}: {problem}")),
        };
        let present = Present::of(&receipt, self.store, self.name, &self.objects, monitor)?;
        let whole = (&self.manifest, self.digest);
        let findings = receipt::check(&receipt, whole, signatures, Some(&present));
        if !findings.is_empty() {
            let lines: Vec<String> = findings.iter().map(ToString::to_string).collect();
            return report(State::Differs, format!("{path}: {}", lines.join("; ")));
        }
        let later = signatures.len() + self.manifest.files.len() + 2;
        let count = later.saturating_sub(receipt.objects.len());
        if count == 0 {
            return report(State::Done, self.store.address().place(&path));
        }
        let detail =
            format!("{path} was made before {count} files among the signatures: publish again");
        report(State::Missing, detail)
    }
}

/// A step that fails is shown like the others, unless it failed because a stop was asked for.
fn told(
    step: Step,
    report: Result<Report, PublishError>,
    monitor: &dyn Monitor,
) -> Result<Report, PublishError> {
    match report {
        Err(error) if !monitor.is_cancelled() => Ok(Report::broken(step, &error)),
        report => report,
    }
}
