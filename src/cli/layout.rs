//! `dhfpack layout`.

use std::io;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use dhfpack::layout::{BUILT_IN, Layout, built_in};
use dhfpack::toml_file::{TomlError, TomlText, closest};
use miette::Diagnostic;
use thiserror::Error;

use crate::cli::error::{CliError, Kind};
use crate::cli::output;
use crate::cli::small_file::{self, SmallFileError};

mod tree;

const EXAMPLES: &str = "\
Examples:
  dhfpack layout list
  dhfpack layout show fda-classic
  dhfpack layout check ./release/our-layout.toml";

/// List, show and check layouts: what an archive holds, and who must sign it
///
/// A layout names the folders of an archive, what each must hold, the clauses that ask for it,
/// and the roles that must sign a release. Some are built in; your own is a TOML file.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the built-in layouts
    #[command(after_help = "Example:\n  dhfpack layout list")]
    List,
    /// Show a layout as a tree: slots, what may fill them, and the clauses they answer to
    #[command(
        after_help = "Examples:\n  dhfpack layout show qmsr\n  dhfpack layout show ./release/our-layout.toml"
    )]
    Show {
        /// A built-in layout's name, or a layout file
        #[arg(value_name = "NAME_OR_FILE")]
        layout: String,
    },
    /// Check a layout file; every problem is listed
    #[command(after_help = "Example:\n  dhfpack layout check ./release/our-layout.toml")]
    Check {
        /// The layout file
        file: PathBuf,
    },
}

/// Why a layout cannot be used.
#[derive(Debug, Error, Diagnostic)]
enum LayoutError {
    /// Neither a built-in layout nor a file.
    #[error("no layout is named `{name}`, and no file either")]
    Unknown {
        name: String,
        #[help]
        help: String,
    },
    /// Not text.
    #[error("{} is no layout: it is not text in UTF-8", path.display())]
    #[diagnostic(help("name a layout file in TOML, which is always UTF-8"))]
    NotText { path: PathBuf },
    /// It reads, but contradicts itself or leaves something out.
    #[error("{} {}:{}", path.display(), count(problems), list(problems))]
    #[diagnostic(help("`dhfpack layout show fda-classic` shows a layout without problems"))]
    Problems {
        path: PathBuf,
        problems: Vec<String>,
    },
    /// Not a layout in TOML.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Toml(Box<TomlError>),
    /// It cannot be read.
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] SmallFileError),
}

impl From<LayoutError> for CliError {
    fn from(error: LayoutError) -> Self {
        let kind = match error {
            LayoutError::File(_) => Kind::Failed,
            _ => Kind::Usage,
        };
        Self::new(kind, error)
    }
}

fn count(problems: &[String]) -> String {
    match problems.len() {
        1 => "has a problem".to_owned(),
        count => format!("has {count} problems"),
    }
}

fn list(problems: &[String]) -> String {
    problems
        .iter()
        .flat_map(|problem| ["\n- ", problem])
        .collect()
}

pub(crate) fn run(args: &Args) -> Result<(), CliError> {
    match &args.command {
        Command::List => show_list(),
        Command::Show { layout } => output::text(&tree::render(&find(layout)?)),
        Command::Check { file } => check(file),
    }
}

fn show_list() -> Result<(), CliError> {
    let width = BUILT_IN
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0);
    let mut lines = String::new();
    for (name, text) in BUILT_IN {
        let layout = parse(name, text.to_owned())?;
        lines.extend([&format!("{name:width$}  "), layout.title.trim_end(), "\n"]);
    }
    output::text(&lines)
}

fn check(path: &Path) -> Result<(), CliError> {
    let layout = parse(&path.display().to_string(), read(path)?)?;
    let problems = layout.problems();
    if problems.is_empty() {
        return output::text(&format!(
            "{}: layout {} with {} slots, no problems\n",
            path.display(),
            layout.name,
            layout.slots.len(),
        ));
    }
    let path = path.to_path_buf();
    Err(LayoutError::Problems { path, problems }.into())
}

/// A built-in layout by its name, or a file.
fn find(name: &str) -> Result<Layout, LayoutError> {
    if let Some(text) = built_in(name) {
        return parse(name, text.to_owned());
    }
    match read(Path::new(name)) {
        Err(LayoutError::File(SmallFileError::Io(error)))
            if error.source.kind() == io::ErrorKind::NotFound =>
        {
            Err(unknown(name))
        }
        text => parse(name, text?),
    }
}

fn unknown(name: &str) -> LayoutError {
    let names = BUILT_IN.map(|(name, _)| name);
    let help = match closest(name, names) {
        Some(known) => format!("did you mean `{known}`?"),
        None => format!(
            "the built-in layouts are {}; `./FILE` names a file of your own",
            names.join(", ")
        ),
    };
    LayoutError::Unknown {
        name: name.to_owned(),
        help,
    }
}

fn parse(name: &str, text: String) -> Result<Layout, LayoutError> {
    let file = TomlText {
        name: name.to_owned(),
        text,
    };
    file.parse().map_err(LayoutError::Toml)
}

fn read(path: &Path) -> Result<String, LayoutError> {
    String::from_utf8(small_file::read(path)?).map_err(|_| LayoutError::NotText {
        path: path.to_path_buf(),
    })
}
