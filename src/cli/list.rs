//! `dhfpack list`.

use std::collections::BTreeMap;
use std::fmt::Write;

use dhfpack::catalogue::{self, Content, Listed, Release};
use dhfpack::digest::Sha256;
use dhfpack::lineage;
use dhfpack::monitor::Monitor;
use dhfpack::store;
use dhfpack::verify::Status;
use jiff::Timestamp;
use miette::Diagnostic;
use serde_json::{Value, json};
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::shard::ShardArg;
use crate::cli::trust::Certificates;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack list s3://dhf-archives/pump
      the releases there, and how far each has come
  dhfpack list /mnt/dhf/pump --trust qms-ca.pem --json
      signatures count only if these certificates lead to their signers
  dhfpack list s3://dhf-archives/pump --shard 2/8
      the second of eight equal parts, for as many jobs";

/// List the releases of a store
///
/// Reads each archive's manifest and signatures, and nothing else: that the files are what was
/// sealed, `dhfpack verify` says. An archive counts as released once every role that its own
/// layout names has signed with the meaning release; without `--trust`, the signers are not judged.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The store: a folder or a URL
    #[arg(value_name = "STORE")]
    store: String,
    #[command(flatten)]
    trust: Certificates,
    /// Only the I-th of N equal parts; an archive stays in its part whatever else is published.
    /// `auto` and `auto/N` read the variables of GitLab and of Kubernetes indexed Jobs
    #[arg(long, value_name = "I/N")]
    shard: Option<ShardArg>,
    /// Also folders without a manifest: archives whose publishing broke off, and others
    #[arg(long)]
    all: bool,
    /// Print the list as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let trust = args.trust.is_given().then(|| args.trust.read());
    let trust = trust.transpose()?;
    let address = stores::address(&args.store)?;
    let store = store::open(&address, &stores::access()?, monitor)?;
    let mut listed = catalogue::list(
        &*store,
        args.shard.map(|shard| shard.0),
        trust.as_ref(),
        Timestamp::now(),
        monitor,
    )?;
    if !args.all {
        listed.retain(|entry| !matches!(entry.content, Content::Incomplete));
    }
    if args.json {
        let releases: Vec<Value> = listed.iter().map(to_json).collect();
        output::json(&json!({
            "store": address.to_string(),
            "signers_judged": trust.is_some(),
            "releases": releases,
        }))?;
    } else {
        output::text(&to_text(&listed))?;
        let is_signed = |entry: &Listed| matches!(&entry.content, Content::Release(release) if release.status == Status::Released);
        if trust.is_none() && listed.iter().any(is_signed) {
            monitor.notice("`released` says that every required role has signed; the signers were not judged: see --trust");
        }
    }
    verdict(&listed)
}

/// Fails if anything listed is broken, and before that if anything could not be read.
fn verdict(listed: &[Listed]) -> Result<(), CliError> {
    let count = |is: fn(&Content) -> bool| listed.iter().filter(|entry| is(&entry.content)).count();
    let unreadable = count(|content| matches!(content, Content::Unreadable(_)));
    let broken = count(|content| match content {
        Content::Release(release) => !release.problems.is_empty(),
        Content::Broken(_) => true,
        _ => false,
    });
    let kind = match (unreadable, broken) {
        (0, 0) => return Ok(()),
        (0, _) => Kind::Integrity,
        _ => Kind::Failed,
    };
    Err(CliError::new(kind, Problems { unreadable, broken }))
}

/// The problems are on standard output; this is the exit code's message.
#[derive(Debug, Error, Diagnostic)]
#[error("{broken} of the archives are not what was sealed, and {unreadable} cannot be read")]
#[diagnostic(help(
    "the list shows each problem; `dhfpack verify` with an archive's address says more"
))]
struct Problems {
    unreadable: usize,
    broken: usize,
}

fn to_json(entry: &Listed) -> Value {
    let release = match &entry.content {
        Content::Release(release) => release,
        Content::Incomplete => return json!({ "name": entry.name, "status": "incomplete" }),
        Content::Broken(problem) => return json!({ "name": entry.name, "problems": [problem] }),
        Content::Unreadable(error) => {
            return json!({ "name": entry.name, "problems": [error.to_string()] });
        }
    };
    let manifest = &release.manifest;
    json!({
        "name": entry.name,
        "product": manifest.product.name,
        "version": manifest.release.version,
        "revision": manifest.release.revision,
        "tag": manifest.release.tag,
        "commit": manifest.source.commit,
        "manifest_sha256": release.manifest_sha256,
        "status": release.status,
        "released_at": release.released_at,
        "amends": manifest.amends,
        "addendum": manifest.addendum,
        "supersedes": manifest.supersedes,
        "predecessor": manifest.predecessor,
        "files": release.files,
        "bytes": release.bytes,
        "signers": release.signers,
        "problems": release.problems,
    })
}

fn to_text(listed: &[Listed]) -> String {
    let releases = || {
        listed.iter().filter_map(|entry| match &entry.content {
            Content::Release(release) => Some((&entry.name, release)),
            _ => None,
        })
    };
    let names: BTreeMap<Sha256, &String> = releases()
        .map(|(name, release)| (release.manifest_sha256, name))
        .collect();
    let mut superseded: BTreeMap<Sha256, &String> = BTreeMap::new();
    for (name, release) in releases() {
        if let Some(earlier) = &release.manifest.supersedes {
            superseded.insert(earlier.manifest, name);
        }
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    for Listed { name, content } in listed {
        // Names are the store's, and must not fake a line.
        let name = name.replace(char::is_control, "?");
        let _ = match content {
            Content::Incomplete => writeln!(text, "{name}\n  incomplete: it has no manifest"),
            Content::Broken(problem) => writeln!(text, "{name}\n  problem   {problem}"),
            Content::Unreadable(error) => writeln!(text, "{name}\n  problem   {error}"),
            Content::Release(release) => {
                text.push_str(&paragraph(&name, release, &names));
                match superseded.get(&release.manifest_sha256) {
                    Some(by) => writeln!(text, "  note      superseded by {by}"),
                    None => Ok(()),
                }
            }
        };
    }
    if listed.is_empty() {
        text.push_str("no releases\n");
    }
    text
}

fn paragraph(name: &str, release: &Release, names: &BTreeMap<Sha256, &String>) -> String {
    let manifest = &release.manifest;
    let status = match (release.status, release.released_at) {
        (Status::Draft, _) => "draft".to_owned(),
        (Status::Released, Some(time)) => format!("released {time}"),
        _ => "pending".to_owned(),
    };
    let (product, version) = (&manifest.product.name, &manifest.release.version);
    let release_of = format!("{product} {version}").replace(char::is_control, "?");
    let (digest, files, bytes) = (release.manifest_sha256, release.files, release.bytes);
    let mut text = format!(
        "{name}\n  release   {release_of}\n  status    {status}\n  manifest  {digest}\n  holds     {files} files, {bytes} bytes\n"
    );
    let known = |digest: &Sha256| names.get(digest).map(|name| (*name).clone());
    for line in lineage::describe(manifest, known) {
        let _ = writeln!(text, "  note      {line}");
    }
    for problem in &release.problems {
        let _ = writeln!(text, "  problem   {problem}");
    }
    text
}
