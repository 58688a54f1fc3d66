//! The signature on the release's tag or commit, as the manifest tells it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The signature on a git tag or commit, judged by the trust files that the archive holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitSignature {
    /// What could be found out.
    pub status: GitSignatureStatus,
    /// The kind of signature: "ssh", "openpgp" or "x509".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The signing key's fingerprint, in the notation usual for its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Who holds that key: the principals of the allowed signers file, the key's user id, or the
    /// name in the certificate. Only of a good signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// Why it is not good, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl GitSignature {
    /// That there is no signature.
    pub const NONE: Self = Self {
        status: GitSignatureStatus::None,
        kind: None,
        key: None,
        signer: None,
        reason: None,
    };
}

impl fmt::Display for GitSignature {
    /// As in "the tag … has a good signature by ada@example.com (ssh key SHA256:…)".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        if let Some(signer) = &self.signer {
            write!(f, " by {signer}")?;
        }
        if let (Some(kind), Some(key)) = (&self.kind, &self.key) {
            write!(f, " ({kind} key {key})")?;
        }
        match &self.reason {
            Some(reason) => write!(f, ": {reason}"),
            None => Ok(()),
        }
    }
}

/// What is known of the signature on a tag or commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GitSignatureStatus {
    /// There is none.
    None,
    /// It does not match what it is on, or is malformed.
    Bad,
    /// It matches, and a trust file names its key as one that could sign at that time.
    Good,
    /// No trust file names its key as one that could sign at that time. An SSH or X.509 signature
    /// holds its key and matches it; an `OpenPGP` signature only names its key.
    UnknownSigner,
    /// It cannot be judged: its algorithms are not supported or prove nothing.
    NotChecked,
}

impl fmt::Display for GitSignatureStatus {
    /// As in "the tag … has a good signature".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no signature",
            Self::Bad => "a signature that does not match it",
            Self::Good => "a good signature",
            Self::UnknownSigner => "a signature by nobody whom a trust file lets sign",
            Self::NotChecked => "a signature that cannot be judged",
        })
    }
}
