//! `dhfpack retention extend`.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::ValueEnum;
use dhfpack::config::LockMode;
use dhfpack::monitor::Monitor;
use dhfpack::publish::retention::{self, Changes, Confirmation, Extension, RetentionError};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::summary;
use crate::cli::error::CliError;
use crate::cli::{output, stores};

const EXAMPLES: &str = "\
Examples:
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --until 2041-12-31
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --years 10 --from 2031-06-30
      ten years from the day the last device was placed on the market
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --mode compliance --dry-run
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --mode compliance --yes
      from now on nobody can lift the lock before its end
  dhfpack retention extend s3://dhf/pump/pump-2.4.0 --legal-hold on";

/// Extend the locks on a published archive, or make them stricter
///
/// A lock that would end earlier or be weaker than it is, on any file, is refused before anything
/// is changed. Every lock is read back. A legal hold is lifted with the service's own tools, by
/// those who may.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true)
    .args(["until", "years", "mode", "legal_hold"]))]
pub(super) struct Args {
    /// The published archive, as in `s3://BUCKET/PREFIX/PRODUCT-VERSION`
    archive: PathBuf,
    /// The last day of the lock, to its end in UTC
    #[arg(long, value_name = "DATE")]
    until: Option<Date>,
    /// Lock for this many years, counted from --from
    #[arg(long, value_name = "N", conflicts_with = "until",
        value_parser = clap::value_parser!(u16).range(1..=100))]
    years: Option<u16>,
    /// The day of the event that --years count from [default: today]
    #[arg(long, value_name = "DATE", requires = "years")]
    from: Option<Date>,
    /// Who may lift the lock: with `governance` those with a special permission, with `compliance`
    /// nobody [default: as it is]
    #[arg(long, value_enum, hide_possible_values = true)]
    mode: Option<Mode>,
    /// Hold the archive until a person lifts the hold
    #[arg(long, value_name = "on", value_parser = ["on"])]
    legal_hold: Option<String>,
    /// Confirm a lock in compliance mode, which can never be undone
    #[arg(long)]
    yes: bool,
    /// Show what would be locked and until when, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    Governance,
    Compliance,
}

impl From<Mode> for LockMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Governance => Self::Governance,
            Mode::Compliance => Self::Compliance,
        }
    }
}

pub(super) fn run(args: &Args, monitor: &dyn Monitor) -> Result<(), CliError> {
    let asked = Extension {
        until: until(args)?,
        mode: args.mode.map(LockMode::from),
        legal_hold: args.legal_hold.is_some(),
    };
    let (store, name) = stores::published(&args.archive, monitor)?;
    let changes = retention::extension(&*store, &name, &asked, monitor)?;
    let location = store.address().below(&name).to_string();
    if args.dry_run {
        return show(&location, &changes, args.json);
    }
    let confirmation = if args.yes {
        Confirmation::Given
    } else {
        Confirmation::Missing
    };
    let applied = changes.apply(&*store, confirmation, monitor)?;
    if args.json {
        let files: Vec<Value> = applied.objects.iter().map(summary::json_object).collect();
        return output::json(&json!({
            "location": location,
            "changed": applied.changed,
            "files": files,
        }));
    }
    let locks = applied.objects.iter().map(|locked| &locked.locks);
    output::text(&format!(
        "archive   {location}\n{}changed   {}, each read back\n",
        summary::lines("locks", locks),
        applied.changed,
    ))
}

/// What would be done.
fn show(location: &str, changes: &Changes, as_json: bool) -> Result<(), CliError> {
    if as_json {
        let list: Vec<Value> = changes.changes().iter().map(summary::json_change).collect();
        return output::json(&json!({
            "location": location,
            "changes": list,
            "kept": changes.kept().len(),
            "irrevocable_until": changes.irrevocable_until(),
        }));
    }
    let mut text = format!("archive   {location}\n");
    let all = changes.changes();
    text += &summary::lines("now", all.iter().map(|change| &change.from.locks));
    text += &summary::lines("then", all.iter().map(|change| &change.to));
    text += &summary::lines("kept", changes.kept().iter().map(|locked| &locked.locks));
    if let Some(until) = changes.irrevocable_until() {
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "nobody can undo the locks until {until}: they need --yes"
        );
    }
    output::text(&text)
}

/// The end that is asked for, if one is.
fn until(args: &Args) -> Result<Option<Timestamp>, RetentionError> {
    let at = |day: Date, hour, minute, second| {
        let time = day.at(hour, minute, second, 0);
        let time = time.to_zoned(TimeZone::UTC).map(|time| time.timestamp());
        // Of the calendar's last day in UTC.
        time.unwrap_or(Timestamp::MAX)
    };
    match (args.until, args.years) {
        (Some(day), _) => Ok(Some(at(day, 23, 59, 59))),
        (None, Some(years)) => {
            let today = || Timestamp::now().to_zoned(TimeZone::UTC).date();
            let day = args.from.unwrap_or_else(today);
            // A day counts to its end.
            Ok(Some(retention::years_after(at(day, 23, 59, 59), years)?))
        }
        (None, None) => Ok(None),
    }
}
