//! Packs a medical-device software release into an archive that can be opened, understood and
//! verified in fifteen years.

// ── workflows ──
#[cfg(feature = "native")]
pub mod assemble;
#[cfg(feature = "native")]
pub mod authorise;
#[cfg(feature = "native")]
pub mod catalogue;
pub mod diff;
#[cfg(feature = "native")]
pub mod fetch;
#[cfg(feature = "native")]
pub mod lineage;
#[cfg(feature = "native")]
pub mod publish;
#[cfg(feature = "native")]
pub mod rebuild;
pub mod register;
#[cfg(feature = "native")]
pub mod restore;
#[cfg(feature = "native")]
pub mod seal;
pub mod verify;
// ── adapters ──
#[cfg(feature = "native")]
pub mod archive;
pub mod sign;
#[cfg(feature = "native")]
pub mod source;
#[cfg(feature = "native")]
pub mod store;
// ── model ──
pub mod config;
pub mod finding;
pub mod layout;
pub mod manifest;
#[cfg(feature = "native")]
pub mod plan;
pub mod sbom;
pub mod service_manual;
pub mod templates;
// ── base ──
#[cfg(feature = "native")]
mod attempts;
#[cfg(feature = "native")]
mod background;
pub mod digest;
pub mod error;
pub mod monitor;
pub mod path;
#[cfg(feature = "native")]
pub mod platform;
pub mod shard;
#[cfg(feature = "native")]
mod threads;
pub mod toml_file;
