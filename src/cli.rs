//! The command line: arguments in, one library call per command, an exit code out.

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use dhfpack::monitor::Monitor;

use crate::cli::error::{CliError, Kind};
use crate::cli::monitor::{Progress, Stop, TerminalMonitor};

mod build;
mod completions;
mod dhf;
mod dropbox;
mod environment;
mod error;
mod escape;
mod fetch;
mod git_access;
mod image;
mod image_registry;
mod init;
mod jobs;
mod key;
mod layout;
mod list;
mod manual;
mod meaning;
mod monitor;
mod named;
mod nearest;
mod new_file;
mod output;
mod pack;
mod panic;
mod places;
mod publish;
mod rebuild;
mod receipt;
mod registry;
mod retention;
mod schema;
mod shard;
mod show;
mod shown;
mod sign;
mod signer;
mod small_file;
mod status;
mod stores;
mod target;
mod trust;
mod upload;
mod verify;

const EXAMPLES: &str = "\
Examples:
  dhfpack layout list               which layouts there are
  dhfpack layout show fda-classic   what a release has to hold
  dhfpack init                      write a commented dhfpack.toml
  dhfpack build --dry-run           what the archive would hold
  dhfpack build                     pack and seal the release
  dhfpack verify ARCHIVE            is it unchanged, and who signed it?
  dhfpack help build                more about one command";

/// Packs a medical-device software release into an archive that can be opened, understood and
/// verified in fifteen years
///
/// Results go to standard output; progress, notes and errors go to standard error.
#[derive(Debug, Parser)]
#[command(name = "dhfpack", version, after_help = after_help(), arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Progress as `bar`, `plain` lines, `json` events, or `none`; `auto` takes bars on a terminal
    /// and lines elsewhere
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "HOW",
        default_value = "auto",
        hide_possible_values = true
    )]
    progress: Progress,
    /// Print results and errors only: no progress, no notes
    #[arg(long, short, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(Box<build::Args>),
    Verify(verify::Args),
    Sign(sign::Args),
    Show(show::Args),
    Rebuild(rebuild::Args),
    Pack(pack::Args),
    Publish(publish::Args),
    Registry(registry::Args),
    Manual(manual::Args),
    Dhf(dhf::Args),
    Status(status::Args),
    Upload(upload::Args),
    List(list::Args),
    Fetch(fetch::Args),
    Retention(retention::Args),
    Image(image::Args),
    Key(key::Args),
    Layout(layout::Args),
    Init(init::Args),
    Schema(schema::Args),
    Completions(completions::Args),
}

impl Command {
    fn run(&self, monitor: &dyn Monitor) -> Result<(), CliError> {
        match self {
            Self::Build(args) => build::run(args, monitor),
            Self::Verify(args) => verify::run(args, monitor),
            Self::Sign(args) => sign::run(args, monitor),
            Self::Show(args) => show::run(args, monitor),
            Self::Rebuild(args) => rebuild::run(args, monitor),
            Self::Pack(args) => pack::run(args, monitor),
            Self::Publish(args) => publish::run(args, monitor),
            Self::Registry(args) => registry::run(args, monitor),
            Self::Manual(args) => manual::run(args, monitor),
            Self::Dhf(args) => dhf::run(args, monitor),
            Self::Status(args) => status::run(args, monitor),
            Self::Upload(args) => upload::run(args, monitor),
            Self::List(args) => list::run(args, monitor),
            Self::Fetch(args) => fetch::run(args, monitor),
            Self::Retention(args) => retention::run(args, monitor),
            Self::Image(args) => image::run(args, monitor),
            Self::Key(args) => key::run(args, monitor),
            Self::Layout(args) => layout::run(args),
            Self::Init(args) => init::run(args, monitor),
            Self::Schema(args) => schema::run(args),
            Self::Completions(args) => completions::run(args),
        }
    }
}

fn after_help() -> String {
    let codes: Vec<String> = Kind::ALL
        .iter()
        .map(|kind| format!("  {:>3}  {}", kind.exit_code(), kind.meaning()))
        .collect();
    format!(
        "{EXAMPLES}\n\nExit codes:\n    0  done; for `verify`: passed\n{}",
        codes.join("\n")
    )
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let stop = Stop::default();
    let monitor = Arc::new(TerminalMonitor::new(
        cli.global.progress,
        cli.global.quiet,
        stop.clone(),
    ));
    let result = panic::guarded(|| {
        stop.listen(Arc::clone(&monitor) as Arc<dyn Monitor>)?;
        cli.command.run(monitor.as_ref())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let error = error.unless_stopped(&stop);
            error.print(cli.global.progress);
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_examples_of_every_help_can_be_typed() {
        let examples = examples_of(&Cli::command());
        assert!(examples.len() >= 30, "only {examples:#?}");
        for example in examples {
            let parsed = Cli::try_parse_from(words(&example));
            let error = parsed.err().filter(clap::Error::use_stderr);
            assert!(error.is_none(), "{example}\n{}", error.unwrap());
        }
    }

    /// The lines of commands in the help of this command and all below it.
    fn examples_of(command: &Command) -> Vec<String> {
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.unwrap_or_default().replace("\\\n", "");
        let own = help.lines().map(str::trim);
        let own = own.filter(|line| line.starts_with("dhfpack "));
        let below = command.get_subcommands().flat_map(examples_of);
        own.map(str::to_owned).chain(below).collect()
    }

    /// The words that a shell makes of a line, up to a redirection or a remark beside it.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for (index, c) in line.char_indices() {
            match c {
                '"' => quoted = !quoted,
                ' ' if !quoted => {
                    // A line goes on four spaces in; remarks stand apart in a column.
                    let rest = &line[index..];
                    let remark = rest.starts_with("  ") && !rest.trim_start().starts_with('-');
                    if remark || rest.starts_with(" > ") {
                        break;
                    }
                    words.push(String::new());
                }
                _ => words.last_mut().expect("there is one").push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn words_end_where_a_shell_ends_them() {
        for (line, expected) in [
            ("a b  remark here", vec!["a", "b"]),
            ("a \"b c\" --d", vec!["a", "b c", "--d"]),
            ("a b     --c", vec!["a", "b", "--c"]),
            ("a b=\"c d\" > file", vec!["a", "b=c d"]),
        ] {
            assert_eq!(words(line), expected);
        }
    }
}
