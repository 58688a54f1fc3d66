//! `dhfpack upload`.

use std::path::PathBuf;

use dhfpack::monitor::Monitor;
use dhfpack::publish::{self, Confirmation, Order, Source};
use dhfpack::sign::Trust;
use dhfpack::verify::{self, Policy};
use jiff::Timestamp;

use crate::cli::error::CliError;
use crate::cli::publish::{Copying, print_outcome};
use crate::cli::stores;
use crate::cli::target::Target;

const EXAMPLES: &str = "\
Examples:
  dhfpack upload pump-2.4.0 --to s3://dhf-archives/pump
  dhfpack upload pump-2.4.0.zip --to /mnt/dhf/pump --read-back --json";

/// Copy an archive into a store, with a receipt, and do nothing else
///
/// This is the first step of `publish`: files, then signatures, then the manifest. It locks
/// nothing and tells no registry.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The archive: a folder, a zip or a tar
    archive: PathBuf,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    copying: Copying,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let store = args.target.open(monitor)?;
    let tree = stores::archive(&args.archive, monitor)?;
    let source = Source::verify(&*tree, args.copying.jobs.for_tree(&*tree), monitor)?;
    // Whether it is released is for `publish` to say.
    let policy = Policy {
        trust: Trust::default(),
        required_roles: verify::default_roles(),
        now: Timestamp::now(),
    };
    let order = Order {
        store: &*store,
        policy: &policy,
        read_back: args.copying.read_back(),
        confirmation: Confirmation::Missing,
        others: None,
    };
    let outcome = publish::publish(&source, order, monitor)?;
    print_outcome(&outcome, &source, args.copying.json)
}
