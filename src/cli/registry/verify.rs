//! `dhfpack registry verify`.

use std::fmt::Write;
use std::path::PathBuf;

use dhfpack::digest::Sha256;
use dhfpack::error::IoContext;
use dhfpack::finding::Class;
use dhfpack::monitor::Monitor;
use dhfpack::publish::registry;
use dhfpack::register::{self, Code, Examination, Expected, Finding, Register, Writers};
use dhfpack::store;
use jiff::Timestamp;
use miette::Diagnostic;
use serde_json::json;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::shard::ShardArg;
use crate::cli::trust::Certificates;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack registry verify /mnt/dhf --trust ci.pem
  dhfpack registry verify s3://dhf --trust qms-ca.pem \\
  --expect-head b5bb9d8014a0f9b1d61e21e796d78dccdf1352f23cd32812f4850b878ae4944c
      is everything there that the last receipt knew?
  dhfpack registry verify /mnt/dhf --trust ci.pem --archives --shard 2/8
      is each archive where its row says, and has each a row? this job looks
      at an eighth of them
  dhfpack registry verify /mnt/dhf --trust ci.pem --markdown registry.md --json";

/// Verify that a register is what its writers wrote: no row edited, deleted, inserted or moved
///
/// Every row's signature and its link to the row before it are checked, who wrote it, and whether
/// rows contradict each other. Without `--trust` the writers stay unknown, and the verdict is not
/// a pass. That rows are missing at the very end shows only with `--expect-head`, or with
/// `--archives` if no other row names the archive.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The store that holds the register, as a folder or a URL
    store: String,
    #[command(flatten)]
    certificates: Certificates,
    /// The SHA-256 of a row that must be there, as the last receipt names it
    #[arg(long, value_name = "SHA256")]
    expect_head: Option<Sha256>,
    /// Open every release's archive and compare its manifest with the row, and look for archives
    /// beside the register that no row names
    #[arg(long)]
    archives: bool,
    /// Open only part I of N of the archives; `auto` reads GitLab's `CI_NODE_INDEX` and
    /// `CI_NODE_TOTAL`, `auto/N` the index of a Kubernetes indexed Job
    #[arg(long, value_name = "I/N", requires = "archives")]
    shard: Option<ShardArg>,
    /// A copy of the Markdown file that shows the register, to compare
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let trust = args.certificates.read()?;
    let address = stores::address(&args.store)?;
    let store = store::open(&address, &stores::access()?, monitor)?;
    let register = Register::parse(&registry::load_existing(&*store)?);
    let mut writers = Writers::default();
    for certificate in trust.certificates() {
        writers.add(vec![certificate]);
    }
    registry::load_writers(&*store, &register, &mut writers)?;
    let expected = Expected {
        trust: &trust,
        head: args.expect_head,
        now: Timestamp::now(),
    };
    let mut examination = register::examine(&register, &mut writers, expected);
    if args.archives {
        let shard = args.shard.map(|shard| shard.0);
        let access = stores::access()?;
        let found = registry::examine_archives(&*store, &register, &access, shard, monitor)?;
        examination.extend(found);
    }
    examination.extend(args.compare_markdown(&register)?);
    if args.json {
        output::json(&to_json(&register, &examination))?;
    } else {
        let place = address.place(register::FILE);
        output::text(&to_text(&register, &examination, &place))?;
    }
    let kind = match (
        examination.findings.is_empty(),
        examination.has(Class::Integrity),
    ) {
        (true, _) => return Ok(()),
        (false, true) => Kind::Integrity,
        (false, false) => Kind::Trust,
    };
    let findings = examination.findings.len();
    Err(CliError::new(kind, NotPassed { findings }))
}

/// The verdict is on standard output; this is its exit code's message.
#[derive(Debug, Error, Diagnostic)]
#[error("the register does not pass: {findings} finding(s)")]
#[diagnostic(help(
    "docs/registry.md explains each code; without trusted certificates, see --trust"
))]
struct NotPassed {
    findings: usize,
}

impl Args {
    fn compare_markdown(&self, register: &Register) -> Result<Option<Finding>, CliError> {
        let Some(path) = &self.markdown else {
            return Ok(None);
        };
        let text = std::fs::read_to_string(path).at("read", path)?;
        let table = register::render_table(&register::releases(register));
        let detail = match register::insert_table(Some(&text), &table) {
            Ok(shown) if shown == text => return Ok(None),
            Ok(_) => format!("{} shows another state of the register", path.display()),
            Err(error) => format!("{}: {error}", path.display()),
        };
        Ok(Some(Finding::whole(Code::MarkdownDiffers, detail)))
    }
}

fn to_json(register: &Register, examination: &Examination) -> serde_json::Value {
    json!({
        "passed": examination.findings.is_empty(),
        "rows": register.lines().len() - 1,
        "head": register.head(),
        "rows_behind_expected_head": examination.behind_head,
        "findings": examination.findings,
    })
}

fn to_text(register: &Register, examination: &Examination, place: &str) -> String {
    let rows = register.lines().len() - 1;
    let mut text = format!(
        "register  {place}\nrows      {rows}\nlast row  {}\n",
        register.head()
    );
    // Writing to a string cannot fail.
    if let Some(count) = examination.behind_head {
        let _ = writeln!(text, "expected  there, with {count} rows behind it");
    }
    for finding in &examination.findings {
        let _ = writeln!(text, "finding   {finding}");
    }
    let verdict = if examination.findings.is_empty() {
        "passed: every row is what its writer wrote, in its place"
    } else {
        "NOT passed"
    };
    let _ = writeln!(text, "verdict   {verdict}");
    text
}
