//! What the register shall say of an archive.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::RegistryError;
use crate::archive::Records;
use crate::config::{Market, ResolvedConfig};
use crate::digest::Sha256;
use crate::manifest::Manifest;
use crate::plan::own;
use crate::publish::receipt::RowReceipt;
use crate::register::{Entry, FILE, Register, Status, is_neutral, neutral, releases};
use crate::sign;
use crate::store::Address;
use crate::verify::{self, Verdict};

/// A row to be: everything in it comes from the archive, but for where that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    entry: Entry,
    /// A row that the register has to hold.
    known: Option<RowReceipt>,
}

/// What a register needs.
pub(super) enum Next {
    /// Nothing: it has this row.
    There { head: Sha256, row: u64 },
    /// This entry.
    Append(Box<Entry>),
}

impl Registration {
    /// What the manifest and the archived configuration say. `location` is the archive's, see
    /// [`archive_location`].
    ///
    /// Fails for a draft, and for a location that a row cannot hold unchanged.
    pub fn of(
        manifest: &Manifest,
        digest: Sha256,
        config: &ResolvedConfig,
        released_at: Option<Timestamp>,
        location: &str,
    ) -> Result<Self, RegistryError> {
        if manifest.draft {
            return Err(RegistryError::Draft {
                name: manifest.name.clone(),
            });
        }
        if !is_neutral(location) || location.is_empty() {
            return Err(RegistryError::Location {
                location: location.to_owned(),
            });
        }
        let registry = config.config.registry.as_ref();
        let (status, release_date) = match released_at {
            None => (Status::Pending, None),
            Some(time) => {
                let date = time.to_zoned(TimeZone::UTC).date();
                (Status::Released, Some(date))
            }
        };
        let phase = registry.map_or("Production", |registry| &registry.phase);
        Ok(Self {
            entry: Entry {
                phase: neutral(phase),
                quantity_installed: registry.map_or(0, |registry| registry.quantity_installed),
                archive_location: location.to_owned(),
                status,
                release_date,
                ..identity(manifest, digest)
            },
            known: None,
        })
    }

    /// The same after a receipt of the archive named this row. A register at that place that does
    /// not hold it has lost it, and gets no other; one elsewhere may never have had it.
    #[must_use]
    pub fn after(mut self, row: Option<&RowReceipt>, register: &Address) -> Self {
        let is_same = |row: &&RowReceipt| match register {
            Address::Remote(_) => row.location == register.place(FILE),
            Address::Folder(folder) => {
                let whole = |path: PathBuf| absolute(&Address::Folder(path));
                whole(row.location.clone().into()) == whole(folder.join(FILE))
            }
        };
        self.known = row.filter(is_same).cloned();
        self
    }

    /// The release for a person.
    pub fn title(&self) -> String {
        self.entry.title()
    }

    /// How far it has come.
    pub fn status(&self) -> Status {
        self.entry.status
    }

    /// What the register needs so that it says this.
    pub(super) fn next(&self, register: &Register) -> Result<Next, RegistryError> {
        self.require_known(register)?;
        let own = &self.entry;
        for release in releases(register) {
            let there = &release.entry;
            if (&there.product_name, &there.version) != (&own.product_name, &own.version) {
                continue;
            }
            if there.commit != own.commit {
                return Err(RegistryError::TagMoved {
                    release: own.title(),
                    line: release.line,
                    registered: there.commit.clone(),
                    commit: own.commit.clone(),
                });
            }
            if there.is_of_same_archive(own) {
                let Some((_, line, row)) = register.rows().find(|row| row.0 == release.line) else {
                    continue;
                };
                let becomes_released =
                    row.entry.status == Status::Pending && own.status == Status::Released;
                return Ok(if becomes_released {
                    // What was corrected meanwhile stays.
                    Next::Append(Box::new(Entry {
                        status: own.status,
                        release_date: own.release_date,
                        supersedes_row: Some(line.sha256),
                        ..row.entry.clone()
                    }))
                } else {
                    Next::There {
                        head: line.sha256,
                        row: release.line,
                    }
                });
            }
            let is_main = there.amends.is_none() && own.amends.is_none();
            if is_main && there.revision == own.revision {
                return Err(RegistryError::OtherArchive {
                    release: own.title(),
                    line: release.line,
                    registered: there.manifest_sha256,
                    manifest: own.manifest_sha256,
                });
            }
        }
        self.require_ancestors(register)?;
        Ok(Next::Append(Box::new(own.clone())))
    }

    /// A register that knows the product has the releases before this one, or could never be
    /// verified again.
    fn require_ancestors(&self, register: &Register) -> Result<(), RegistryError> {
        let own = &self.entry;
        let is_known = |digest: Sha256| {
            let mut rows = register.rows();
            rows.any(|(_, _, row)| row.entry.manifest_sha256 == digest)
        };
        let mut rows = register.rows();
        if !rows.any(|(_, _, row)| row.entry.product_name == own.product_name) {
            return Ok(());
        }
        for (what, named) in [("predecessor", own.predecessor), ("amended", own.amends)] {
            if let Some(manifest) = named.filter(|named| !is_known(*named)) {
                return Err(RegistryError::AncestorMissing {
                    release: own.title(),
                    what,
                    manifest,
                });
            }
        }
        Ok(())
    }

    fn require_known(&self, register: &Register) -> Result<(), RegistryError> {
        let Some(known) = &self.known else {
            return Ok(());
        };
        let mut lines = register.lines().iter();
        if lines.any(|line| line.sha256 == known.sha256) {
            return Ok(());
        }
        Err(RegistryError::RowLost {
            place: known.location.clone(),
            line: known.line,
            row: known.sha256,
        })
    }
}

/// When an archive was released, by a verdict on it: once all roles that its layout names,
/// and all that the caller asks for, have signed and are trusted.
pub fn released_at(verdict: &Verdict) -> Option<Timestamp> {
    let manifest = verdict.unverified_manifest();
    let roles = manifest.map(|manifest| manifest.layout.roles.iter());
    let roles: Vec<String> = roles
        .into_iter()
        .flatten()
        .map(|role| role.name.clone())
        .collect();
    let signed_at = sign::released_at(verdict.signers(), &roles);
    signed_at.filter(|_| verdict.status() == verify::Status::Released)
}

/// The configuration with which an archive was built, as the archive holds it.
pub fn archived_config(
    records: &Records<'_>,
    manifest: &Manifest,
) -> Result<ResolvedConfig, RegistryError> {
    let bytes = records.read_listed(manifest, own::RESOLVED)?;
    serde_json::from_slice(&bytes).map_err(|source| RegistryError::Configuration {
        path: own::RESOLVED,
        source,
    })
}

/// What a row says of the archive with this manifest, whatever else is known.
pub(super) fn identity(manifest: &Manifest, digest: Sha256) -> Entry {
    let release = &manifest.release;
    let di = release.udi_di.as_deref().unwrap_or_default();
    let pi = release.udi_pi.as_deref().unwrap_or_default();
    let mut images: Vec<String> = Vec::new();
    for image in &manifest.images {
        let id = format!("sha256:{}", image.id);
        if !images.contains(&id) {
            images.push(id);
        }
    }
    let replaced = manifest.supersedes.as_ref();
    let note = replaced.map(|old| format!("replaces {}: {}", old.manifest, old.reason));
    Entry {
        product_name: neutral(&manifest.product.name),
        phase: String::new(),
        release_date: None,
        quantity_installed: 0,
        udi: neutral(&udi(di, pi)),
        version: neutral(&release.version),
        revision: release.revision,
        udi_di: neutral(di),
        udi_pi: neutral(pi),
        commit: neutral(&manifest.source.commit),
        image_id: images.join("; "),
        archive_location: String::new(),
        manifest_sha256: digest,
        markets: neutral(&markets(&manifest.markets)),
        clearance: neutral(&clearances(&manifest.markets)),
        predecessor: manifest.predecessor,
        amends: manifest.amends,
        status: Status::Pending,
        supersedes_row: None,
        note: neutral(&note.unwrap_or_default()),
    }
}

/// Both identifiers as one. Those that carry the data delimiters of their issuing agency, as GS1's
/// `(01)`, follow each other directly; a space parts others.
fn udi(di: &str, pi: &str) -> String {
    if di.is_empty() || pi.is_empty() || pi.starts_with(['(', '/', '+', '=', '&']) {
        return format!("{di}{pi}");
    }
    format!("{di} {pi}")
}

fn markets(markets: &[Market]) -> String {
    let markets = markets
        .iter()
        .map(|market| format!("{} class {}", market.regime, market.device_class));
    markets.collect::<Vec<_>>().join("; ")
}

fn clearances(markets: &[Market]) -> String {
    let cleared = markets.iter().filter_map(|market| {
        let clearance = market.clearance.as_deref()?;
        Some(format!("{} {clearance}", market.regime))
    });
    cleared.collect::<Vec<_>>().join("; ")
}

/// How a row names the place of an archive: by its name if it lies beside the register, so that
/// both can be moved together; else by its address.
pub fn archive_location(archive: &Address, register: &Address) -> String {
    let (archive, register) = (absolute(archive), absolute(register));
    match archive.above() {
        Some((above, name)) if above == register => name,
        _ => archive.to_string(),
    }
}

/// Where the archive of a row is, see [`archive_location`].
pub(super) fn archive_address(
    location: &str,
    register: &Address,
) -> Result<Address, crate::store::AddressError> {
    if Address::is_url(location) || Path::new(location).is_absolute() {
        return location.parse();
    }
    Ok(register.below(location))
}

/// The same address, written in the one way in which two can be compared.
pub(super) fn absolute(address: &Address) -> Address {
    match address {
        Address::Folder(path) => {
            let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            // Without a slash at its end, or a dot in it.
            Address::Folder(path.components().collect())
        }
        Address::Remote(_) => address.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_joined_as_their_agency_writes_them() {
        for (di, pi, expected) in [
            ("00614141000241", "2.4.0", "00614141000241 2.4.0"),
            (
                "(01)00614141000241",
                "(8012)2.4.0",
                "(01)00614141000241(8012)2.4.0",
            ),
            ("+A123BJC5D6E71", "/$$2.4.0", "+A123BJC5D6E71/$$2.4.0"),
            ("00614141000241", "", "00614141000241"),
            ("", "", ""),
        ] {
            assert_eq!(udi(di, pi), expected);
        }
    }

    #[test]
    fn an_archive_beside_the_register_is_named_without_its_place() {
        let address = |text: &str| text.parse::<Address>().unwrap();
        for (archive, register, location) in [
            ("/mnt/dhf/pump-1", "/mnt/dhf", "pump-1"),
            ("/mnt/dhf/pump-1/", "/mnt/./dhf/", "pump-1"),
            ("/mnt/other/pump-1", "/mnt/dhf", "/mnt/other/pump-1"),
            ("s3://b/dhf/pump-1", "s3://b/dhf", "pump-1"),
            ("s3://b/dhf/pump-1", "s3://b", "s3://b/dhf/pump-1"),
            ("s3://b/pump-1", "/mnt/dhf", "s3://b/pump-1"),
        ] {
            let (archive, register) = (address(archive), address(register));
            assert_eq!(archive_location(&archive, &register), location);
            let found = archive_address(location, &register).unwrap();
            assert_eq!(absolute(&found), absolute(&archive));
        }
    }
}
