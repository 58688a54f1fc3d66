//! Who signed the tag and its commit, judged by the trust files that the configuration names.

use super::BuildError;
use super::configuration::{Configuration, read_text};
use crate::manifest::{GitSignature, GitSignatureStatus as Status, Records};
use crate::monitor::Monitor;
use crate::plan::own;
use crate::sign::cms::{self, Invalid};
use crate::sign::{Certificate, Trust};
use crate::source::git::{GitError, Mirror, OpenPgpKeys, SignatureKind, Signed, Tag};

const X509_END: &str = "-----END SIGNED MESSAGE-----";

/// What was found of the tag and its commit, and by which files.
pub(super) struct Signatures {
    pub(super) tag: GitSignature,
    pub(super) commit: GitSignature,
    /// Each trust file's path in the archive, with its text.
    pub(super) trust_files: Vec<(&'static str, String)>,
}

/// Judges both signatures. A bad one is an error; for the tag, so is anything but a good one where
/// the configuration requires that.
pub(super) fn judge(
    tagged: &Mirror,
    records: &Mirror,
    tag: &Tag,
    read: &Configuration,
    monitor: &dyn Monitor,
) -> Result<Signatures, BuildError> {
    let trusted = Trusted::read(records, read)?;
    let found = |signed: Option<Signed>| match signed {
        Some(signed) => trusted.judge(&signed),
        None => GitSignature::NONE,
    };
    let on_tag = found(tagged.tag_signature(tag)?);
    let on_commit = found(tagged.commit_signature(&tag.commit)?);
    let required = read.config.source.require_signed_tag;
    if !tag.annotated {
        report_lightweight(&tag.name, required, monitor)?;
    }
    let of_tag = format!("the tag `{}`", tag.name);
    let of_commit = format!("the commit {}", tag.commit);
    for (what, signature, required, is_told) in [
        (of_tag, &on_tag, required, tag.annotated),
        (
            of_commit,
            &on_commit,
            false,
            on_commit.status != Status::None,
        ),
    ] {
        let good = signature.status == Status::Good;
        if signature.status == Status::Bad || (required && !good) {
            return Err(BuildError::Signature {
                what,
                signature: Box::new(signature.clone()),
                required,
            });
        }
        if !good && is_told {
            monitor.notice(&format!("{what} has {signature}"));
        }
    }
    Ok(Signatures {
        tag: on_tag,
        commit: on_commit,
        trust_files: trusted.files,
    })
}

/// What to do about a signature for which nothing is archived.
pub(super) const fn help_for(status: Status) -> &'static str {
    match status {
        Status::Bad => {
            "make it anew and sign it again: what a bad signature is on is never archived"
        }
        Status::NotChecked => {
            "sign with a key that can be judged and that source.allowed_signers, source.openpgp_keys or source.x509_certificates names: with ssh a plain one without a certificate, Ed25519, ECDSA of 256 or 384 bits, or RSA of 2048 to 4096 bits"
        }
        _ => {
            "sign with a key that source.allowed_signers, source.openpgp_keys or source.x509_certificates names, or mend that file at the records' revision"
        }
    }
}

/// Says that the tag is the bare commit, or refuses it where a signature is required.
fn report_lightweight(name: &str, required: bool, monitor: &dyn Monitor) -> Result<(), GitError> {
    let lightweight = GitError::Lightweight {
        name: name.to_owned(),
    };
    if required {
        return Err(lightweight);
    }
    monitor.notice(&format!(
        "{lightweight}; if CI fetched it so, `git fetch --force origin refs/tags/{name}:refs/tags/{name}` brings the annotated one"
    ));
    Ok(())
}

/// The trust files, understood.
#[derive(Default)]
struct Trusted {
    files: Vec<(&'static str, String)>,
    allowed_signers: Option<String>,
    openpgp: Option<OpenPgpKeys>,
    x509: Trust,
}

impl Trusted {
    fn read(records: &Mirror, read: &Configuration) -> Result<Self, BuildError> {
        let source = &read.config.source;
        let mut trusted = Self::default();
        for (key, written, archived) in [
            (
                "allowed_signers",
                &source.allowed_signers,
                own::ALLOWED_SIGNERS,
            ),
            ("openpgp_keys", &source.openpgp_keys, own::OPENPGP_KEYS),
            (
                "x509_certificates",
                &source.x509_certificates,
                own::X509_CERTIFICATES,
            ),
        ] {
            let Some(written) = written else { continue };
            let path = read.path_of(written);
            let Records { rev, commit } = &read.records;
            let text = read_text(records, rev, commit, &path)?;
            trusted
                .add(archived, &text)
                .map_err(|reason| BuildError::TrustFile {
                    key,
                    path,
                    rev: rev.clone(),
                    reason,
                })?;
            trusted.files.push((archived, text));
        }
        Ok(trusted)
    }

    /// Takes a file in, or says why it cannot be one.
    fn add(&mut self, archived: &'static str, text: &str) -> Result<(), String> {
        // It would be published with the archive.
        if text.contains("PRIVATE KEY") {
            return Err("it holds a private key, which must not be in a repository".to_owned());
        }
        match archived {
            own::OPENPGP_KEYS => {
                let keys = OpenPgpKeys::parse(text).map_err(|error| error.to_string())?;
                self.openpgp = Some(keys);
            }
            own::X509_CERTIFICATES => {
                let added = self.x509.add(text.as_bytes(), None);
                added.map_err(|error| error.to_string())?;
            }
            _ => self.allowed_signers = Some(text.to_owned()),
        }
        Ok(())
    }

    fn judge(&self, signed: &Signed) -> GitSignature {
        match signed.kind {
            SignatureKind::Ssh => signed.judge_ssh(self.allowed_signers.as_deref()),
            SignatureKind::OpenPgp => signed.judge_openpgp(self.openpgp.as_ref()),
            SignatureKind::X509 => judge_x509(signed, &self.x509),
        }
    }
}

/// Judges an X.509 signature as of the time that it states.
fn judge_x509(signed: &Signed, trust: &Trust) -> GitSignature {
    let malformed = || signed.found(Status::Bad, Some("it is malformed".to_owned()));
    let Some(armour) = signed.armour(X509_END) else {
        return malformed();
    };
    match cms::verify_foreign(&signed.payload, armour, &trust.certificates()) {
        Ok(verified) => known(signed, &verified, trust),
        Err(invalid) => signed.found(status_of(&invalid), Some(invalid.to_string())),
    }
}

fn known(signed: &Signed, verified: &cms::Verified, trust: &Trust) -> GitSignature {
    let certificate = verified.certificate();
    let judged = trust.knows(certificate, verified.chain(), verified.signing_time());
    let (status, signer, reason) = match judged {
        Ok(()) => (Status::Good, Some(holder(certificate)), None),
        Err(distrust) => (Status::UnknownSigner, None, Some(distrust.to_string())),
    };
    GitSignature {
        key: Some(certificate.sha256().to_string()),
        signer,
        ..signed.found(status, reason)
    }
}

/// The name in a certificate; some have none, and then the fingerprint beside it has to do.
fn holder(certificate: &Certificate) -> String {
    let name = certificate.name();
    name.unwrap_or_else(|| "the holder of a certificate without a name".to_owned())
}

const fn status_of(invalid: &Invalid) -> Status {
    match invalid {
        // Nothing was compared: the certificate is not at hand.
        Invalid::Certificate => Status::UnknownSigner,
        Invalid::TooLarge { .. }
        | Invalid::DigestAlgorithm
        | Invalid::SignatureAlgorithm
        | Invalid::Key => Status::NotChecked,
        _ => Status::Bad,
    }
}
