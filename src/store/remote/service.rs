//! The services that `OpenDAL` speaks to, and what each of them promises.

use std::env;

use opendal::{Metadata, Operator, services};

use super::failure::unusable;
use super::s3::Bucket;
use crate::store::{Remote, Service, StoreError};

/// How it is known that a service has stored the bytes that were sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It compared them with the CRC32C sent along.
    Compared,
    /// It may answer with their MD5; where it does not, they are read back.
    Md5,
}

/// What tells a state of an object from all others.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    ETag,
    /// Google's number of a version.
    Generation,
}

impl Mark {
    pub(super) fn of(self, metadata: &Metadata) -> Option<&str> {
        match self {
            Self::ETag => metadata.etag(),
            Self::Generation => metadata.version(),
        }
    }
}

pub(super) const fn proof(service: Service) -> Proof {
    match service {
        Service::S3 => Proof::Compared,
        _ => Proof::Md5,
    }
}

pub(super) const fn mark(service: Service) -> Mark {
    match service {
        Service::Gs => Mark::Generation,
        _ => Mark::ETag,
    }
}

/// The client for the bucket. Its root is the bucket's: a server may list what is not below the
/// folder asked for, and `OpenDAL` takes for granted that it does not.
pub(super) fn operator(remote: &Remote) -> Result<Operator, StoreError> {
    let operator = match remote.service {
        Service::S3 => Operator::new(s3(remote)?),
        Service::Azblob => Operator::new(azblob(remote)?),
        Service::Gs => Operator::new(gcs(remote)),
        Service::Dropbox => {
            return Err(StoreError::Refused {
                url: remote.to_string(),
                reason: "this service is not enabled",
            });
        }
    };
    operator.map_err(|error| {
        unusable(
            remote,
            super::trace::plain(error.message()),
            "check the address and its options",
        )
    })
}

fn s3(remote: &Remote) -> Result<services::S3, StoreError> {
    let bucket = Bucket::of(remote)?;
    let builder = services::S3::default()
        .bucket(&remote.bucket)
        .checksum_algorithm("crc32c")
        .endpoint(&bucket.endpoint)
        .region(&bucket.region);
    Ok(if bucket.in_host {
        builder.enable_virtual_host_style()
    } else {
        builder
    })
}

fn azblob(remote: &Remote) -> Result<services::Azblob, StoreError> {
    let account = remote.option("account").map(ToOwned::to_owned);
    let account = account.or_else(|| {
        variable(&[
            "AZURE_STORAGE_ACCOUNT",
            "AZURE_STORAGE_ACCOUNT_NAME",
            "AZBLOB_ACCOUNT_NAME",
        ])
    });
    let endpoint = match (remote.option("endpoint"), &account) {
        (Some(endpoint), _) => endpoint.trim_end_matches('/').to_owned(),
        (None, Some(account)) => format!("https://{account}.blob.core.windows.net"),
        (None, None) => {
            return Err(unusable(
                remote,
                "its storage account is not known".to_owned(),
                "add `?account=` to the address, or set AZURE_STORAGE_ACCOUNT",
            ));
        }
    };
    let mut builder = services::Azblob::default()
        .container(&remote.bucket)
        .endpoint(&endpoint);
    if let Some(account) = &account {
        builder = builder.account_name(account);
    }
    if let Some(key) = variable(&["AZURE_STORAGE_KEY", "AZURE_STORAGE_ACCOUNT_KEY"]) {
        builder = builder.account_key(&key);
    }
    Ok(builder)
}

fn gcs(remote: &Remote) -> services::Gcs {
    let builder = services::Gcs::default().bucket(&remote.bucket);
    match remote.option("endpoint") {
        Some(endpoint) => builder.endpoint(endpoint.trim_end_matches('/')),
        None => builder,
    }
}

/// The first of these variables that is set.
pub(super) fn variable(names: &[&str]) -> Option<String> {
    let values = names.iter().filter_map(|name| env::var(name).ok());
    values.into_iter().find(|value| !value.is_empty())
}
