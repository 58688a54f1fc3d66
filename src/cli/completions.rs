//! `dhfpack completions`.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::error::CliError;
use crate::cli::{Cli, output};

const EXAMPLES: &str = "\
Examples:
  dhfpack completions bash > ~/.local/share/bash-completion/completions/dhfpack
  dhfpack completions zsh > ~/.zfunc/_dhfpack
  dhfpack completions fish > ~/.config/fish/completions/dhfpack.fish";

/// Print a script that completes dhfpack's commands and options in a shell
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "dhfpack", &mut script);
    Ok(output::write(&script)?)
}
