//! Where a bucket of S3 is, for everything that asks it something.

use super::failure::unusable;
use super::service::variable;
use crate::store::address::check_endpoint;
use crate::store::{Remote, StoreError};

/// Where a bucket of S3 is, and how it is addressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bucket {
    /// The server's address, without the bucket.
    pub(super) endpoint: String,
    /// The region that requests are signed for.
    pub(super) region: String,
    /// The bucket's name stands in the host's name, not in the path.
    pub(super) in_host: bool,
    name: String,
}

impl Bucket {
    pub(super) fn of(remote: &Remote) -> Result<Self, StoreError> {
        let endpoint = remote.option("endpoint").map(ToOwned::to_owned);
        let endpoint = match endpoint {
            Some(checked) => Some(checked),
            None => endpoint_of_environment(remote)?,
        };
        let region = remote.option("region").map(ToOwned::to_owned);
        let region = region.or_else(|| variable(&["AWS_REGION", "AWS_DEFAULT_REGION"]));
        let region = match (region, &endpoint) {
            (Some(region), _) => region,
            // Servers of one's own seldom have regions; this is the name they sign with.
            (None, Some(_)) => "us-east-1".to_owned(),
            (None, None) => {
                return Err(unusable(
                    remote,
                    "its region is not known".to_owned(),
                    "add `?region=` to the address, or set AWS_REGION",
                ));
            }
        };
        let in_host = match remote.option("style") {
            Some("virtual") => true,
            Some("path") => false,
            None => endpoint.is_none() && !remote.bucket.contains('.'),
            Some(other) => {
                let problem = format!("`{other}` is no style of addresses");
                return Err(unusable(remote, problem, "expected `path` or `virtual`"));
            }
        };
        let endpoint = endpoint.map_or_else(
            || of_region(&region),
            |url| url.trim_end_matches('/').to_owned(),
        );
        Ok(Self {
            endpoint,
            region,
            in_host,
            name: remote.bucket.clone(),
        })
    }

    /// The bucket's address, without `/` at its end.
    pub(super) fn url(&self) -> String {
        match self.endpoint.split_once("://") {
            Some((scheme, host)) if self.in_host => format!("{scheme}://{}.{host}", self.name),
            _ => format!("{}/{}", self.endpoint, self.name),
        }
    }
}

/// The endpoint that the environment names, held to the rules of one in an address.
fn endpoint_of_environment(remote: &Remote) -> Result<Option<String>, StoreError> {
    let endpoint = variable(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]);
    if let Some(endpoint) = &endpoint {
        let help = "check AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL in the environment";
        check_endpoint(endpoint).map_err(|problem| unusable(remote, problem, help))?;
    }
    Ok(endpoint)
}

/// Amazon's address for a region; those in China have names of their own.
fn of_region(region: &str) -> String {
    let end = if region.starts_with("cn-") { ".cn" } else { "" };
    format!("https://s3.{region}.amazonaws.com{end}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Address;

    #[test]
    fn a_bucket_is_found_by_its_address() {
        for (address, url) in [
            (
                "s3://releases/a?region=eu-central-1",
                "https://releases.s3.eu-central-1.amazonaws.com",
            ),
            (
                "s3://releases.example.com?region=cn-north-1",
                "https://s3.cn-north-1.amazonaws.com.cn/releases.example.com",
            ),
            (
                "s3://releases/a?region=x&endpoint=https://s3.example.com/",
                "https://s3.example.com/releases",
            ),
            (
                "s3://releases?region=x&endpoint=https://s3.example.com&style=virtual",
                "https://releases.s3.example.com",
            ),
        ] {
            let Ok(Address::Remote(remote)) = address.parse() else {
                panic!("{address}");
            };
            assert_eq!(Bucket::of(&remote).unwrap().url(), url);
        }
    }
}
