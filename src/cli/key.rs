//! `dhfpack key`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dhfpack::error::{IoContext, IoError};
use dhfpack::monitor::Monitor;
use dhfpack::sign::generate;
use jiff::Timestamp;
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::new_file::{self, NewFile};
use crate::cli::output;
use crate::cli::signer::PassphraseArgs;

const EXAMPLES: &str = "\
Examples:
  dhfpack key new --name \"Jo Doe\" --role \"Quality Systems SME\" \\
    --passphrase-file passphrase.txt
      key.pem and certificate.pem in the current folder
  dhfpack key new --name \"CI of pump\" --role \"Release Builder\" --out ci
      a machine's key: it seals archives and stands for no person
  dhfpack key new --name \"Jo Doe\" --role \"Engineering SME\" \\
    --key jo.key.pem --certificate jo.pem
      files of other names";

/// Make keys to sign with
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(New),
}

/// Make a private key and a certificate for it, signed by itself
///
/// The key is of the kind ECDSA P-256. Whoever verifies trusts the certificate by naming it, so
/// hand it over by a way that shows whose it is. Where a firm has a certificate authority, use
/// the keys it issues instead. Without a passphrase the key is stored in the clear.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
struct New {
    /// The printed name of the signer, as signatures will show it (21 CFR 11.50)
    #[arg(long)]
    name: String,
    /// A role in which the key may sign; may be given several times
    #[arg(long = "role", value_name = "ROLE", required = true)]
    roles: Vec<String>,
    /// The folder for key.pem and certificate.pem
    #[arg(long, value_name = "DIR", default_value = ".", conflicts_with_all = ["key", "certificate"])]
    out: PathBuf,
    /// The file for the private key, instead of DIR/key.pem
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The file for the certificate, instead of DIR/certificate.pem
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// For how many years the certificate is valid
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=30))]
    years: u16,
    #[command(flatten)]
    passphrase: PassphraseArgs,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    match &args.command {
        Command::New(new) => new.run(monitor),
    }
}

impl New {
    fn run(&self, monitor: &dyn Monitor) -> Result<(), CliError> {
        let passphrase = self.passphrase.read()?;
        let (key, certificate) = self.files();
        let made = generate(
            &self.name,
            &self.roles,
            passphrase.as_deref(),
            Timestamp::now(),
            self.years,
        )
        .map_err(|error| CliError::new(Kind::Usage, error))?;
        store(
            (&key, made.key_pem.as_bytes()),
            (&certificate, made.certificate_pem.as_bytes()),
        )?;
        if passphrase.is_none() {
            monitor.notice("the key has no passphrase: whoever can read the file can sign with it");
        }
        output::text(&format!(
            "wrote {}\nwrote {}\n",
            key.display(),
            certificate.display()
        ))
    }

    /// Where the private key and the certificate go.
    fn files(&self) -> (PathBuf, PathBuf) {
        let named = |file: &Option<PathBuf>, usual: &str| match file {
            Some(file) => file.clone(),
            None => self.out.join(usual),
        };
        (
            named(&self.key, "key.pem"),
            named(&self.certificate, "certificate.pem"),
        )
    }
}

/// Why a new key cannot be stored.
#[derive(Debug, Error, Diagnostic)]
enum KeyError {
    /// A key is never replaced: what it signed may have to be signed again some day.
    #[error("{} is already there", path.display())]
    #[diagnostic(help(
        "nothing was changed: name other files with --key and --certificate, or another folder with --out"
    ))]
    Exists { path: PathBuf },
    /// The file system failed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Io(#[from] IoError),
}

impl From<KeyError> for CliError {
    fn from(error: KeyError) -> Self {
        Self::new(Kind::Failed, error)
    }
}

/// Stores a new key for its owner alone, and its certificate for everybody. Either both files
/// are new and there afterwards, or neither is.
fn store(key: (&Path, &[u8]), certificate: (&Path, &[u8])) -> Result<(), KeyError> {
    for (path, _) in [key, certificate] {
        if path.symlink_metadata().is_ok() {
            return Err(exists(path));
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).at("create", folder)?;
        }
    }
    store_one(key, 0o600)?;
    store_one(certificate, 0o644).inspect_err(|_| {
        // The key was made a moment ago and is of no use without its certificate.
        let _ = fs::remove_file(key.0);
    })
}

fn store_one((path, bytes): (&Path, &[u8]), mode: u32) -> Result<(), KeyError> {
    match new_file::write(path, bytes, mode)? {
        NewFile::Written => Ok(()),
        NewFile::Exists => Err(exists(path)),
    }
}

fn exists(path: &Path) -> KeyError {
    KeyError::Exists {
        path: path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_key_is_for_its_owner_alone_and_its_certificate_for_everybody() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("a/key.pem"), folder.path().join("b.pem"));
        store((&key, b"key"), (&certificate, b"certificate")).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&key), mode(&certificate)), (0o600, 0o644));
    }

    #[test]
    fn a_key_is_never_replaced_nor_left_without_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("key.pem"), folder.path().join("b.pem"));
        fs::write(&certificate, "there").unwrap();
        assert!(matches!(
            store((&key, b"key"), (&certificate, b"new")),
            Err(KeyError::Exists { path }) if path == certificate
        ));
        assert!(!key.exists());
        assert_eq!(fs::read(&certificate).unwrap(), b"there");
        let same = store((&key, b"key"), (&key, b"certificate"));
        assert!(same.is_err() && !key.exists());
    }
}
