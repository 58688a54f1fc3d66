//! `release.json`: the manifest without its files.

use serde::Serialize;

use crate::config::{Market, Product};
use crate::digest::Sha256;
use crate::manifest::{
    Addendum, BuildEnvironment, ImageIdentity, LayoutIdentity, Manifest, Records, Release,
    RetentionRule, SlotRecord, SourceIdentity, Superseded,
};

/// What `release.json` says, and what generated files tell of.
#[derive(Serialize)]
pub(super) struct Header<'a> {
    name: &'a str,
    draft: bool,
    product: &'a Product,
    markets: &'a [Market],
    release: &'a Release,
    records: &'a Records,
    layout: &'a LayoutIdentity,
    source: &'a SourceIdentity,
    images: &'a [ImageIdentity],
    #[serde(skip_serializing_if = "Option::is_none")]
    build_environment: Option<&'a BuildEnvironment>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retention: Option<&'a RetentionRule>,
    slots: &'a [SlotRecord],
    #[serde(skip_serializing_if = "Option::is_none")]
    amends: Option<Sha256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    addendum: Option<&'a Addendum>,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersedes: Option<&'a Superseded>,
}

impl<'a> Header<'a> {
    pub(super) fn of(manifest: &'a Manifest) -> Self {
        Self {
            name: &manifest.name,
            draft: manifest.draft,
            product: &manifest.product,
            markets: &manifest.markets,
            release: &manifest.release,
            records: &manifest.records,
            layout: &manifest.layout,
            source: &manifest.source,
            images: &manifest.images,
            build_environment: manifest.build_environment.as_ref(),
            retention: manifest.retention.as_ref(),
            slots: &manifest.slots,
            amends: manifest.amends,
            addendum: manifest.addendum.as_ref(),
            supersedes: manifest.supersedes.as_ref(),
        }
    }
}
