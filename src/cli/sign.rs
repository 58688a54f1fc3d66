//! `dhfpack sign`.

use std::path::PathBuf;

use dhfpack::authorise::{self, AuthoriseError};
use dhfpack::config::Meaning;
use dhfpack::monitor::Monitor;

use crate::cli::error::{CliError, Kind};
use crate::cli::jobs::VerifyJobs;
use crate::cli::signer::SignerArgs;
use crate::cli::{meaning, output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack sign pump-2.4.0 --role \"Quality Systems SME\" \\
    --key jo.key.pem --certificate jo.pem
      authorise the release
  dhfpack sign pump-2.4.0 --role \"Engineering SME\" --meaning review
      with the key that DHFPACK_KEY and DHFPACK_CERTIFICATE name
  dhfpack sign s3://dhf-archives/pump/pump-2.4.0 --role \"Quality Systems SME\"
      where it is published: nothing that is there is touched";

/// Sign an archive, in a role and with a meaning
///
/// Adds one signed statement to the archive and changes nothing in it. The archive is verified
/// first: nobody signs what is not what was sealed. Signing the same again changes nothing.
///
/// An archive in a store is read as a whole to be verified; only the statement is written there.
/// One that lies on a mounted share is signed like any folder.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: its folder, or its URL in a store
    archive: PathBuf,
    /// The role in which to sign, as the layout names it
    #[arg(long, value_name = "ROLE")]
    role: String,
    /// What the signature means
    #[arg(
        long,
        value_name = "MEANING",
        value_parser = meaning::parser(),
        default_value = "release"
    )]
    meaning: Meaning,
    #[command(flatten)]
    jobs: VerifyJobs,
    #[command(flatten)]
    signer: SignerArgs,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let signer = args.signer.require()?.load()?;
    let (archive, role, meaning) = (&args.archive, &args.role, args.meaning);
    let added = if let Some(store) = stores::named(archive, monitor)? {
        let jobs = args.jobs.for_store(&*store);
        authorise::authorise_published(&*store, &signer, role, meaning, jobs, monitor)
    } else {
        let jobs = args.jobs.for_files();
        authorise::authorise(archive, &signer, role, meaning, jobs, monitor)
    }?;
    output::text(&match added {
        Some(name) => format!("signed    {name}\n"),
        None => "signed already; nothing was changed\n".to_owned(),
    })
}

impl From<AuthoriseError> for CliError {
    fn from(error: AuthoriseError) -> Self {
        let kind = match error {
            AuthoriseError::Damaged { .. } => Kind::Integrity,
            AuthoriseError::Sign(_) | AuthoriseError::NotAFolder { .. } => Kind::Usage,
            _ => Kind::Failed,
        };
        Self::new(kind, error)
    }
}
