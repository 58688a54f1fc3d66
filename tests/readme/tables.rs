//! The tables and names of the documentation are those of the program.

use std::collections::BTreeSet;

use dhfpack::finding::Code;

use super::project_file;
use crate::support::release::succeed;

/// The rows of the table with this header, cell by cell.
fn table(markdown: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = markdown.lines().skip_while(|line| *line != header);
    assert!(lines.next().is_some(), "there is no table {header}");
    lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().to_owned()).collect()
        })
        .collect()
}

/// The lines of the help below a heading, up to an empty one.
fn section<'a>(help: &'a str, heading: &str) -> Vec<&'a str> {
    let mut lines = help.lines().skip_while(|line| *line != heading);
    assert!(lines.next().is_some(), "there is no {heading} in {help}");
    lines.take_while(|line| !line.is_empty()).collect()
}

/// The commands that the help lists.
fn commands(help: &str) -> Vec<&str> {
    section(help, "Commands:")
        .into_iter()
        // A command stands two spaces in; what is further in continues a description.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

#[test]
fn the_format_names_every_finding_with_its_class_and_meaning() {
    let documented = table(
        &project_file("docs/format.md"),
        "| code | class | meaning |",
    );
    let known: Vec<Vec<String>> = Code::ALL
        .iter()
        .map(|code| {
            let class = serde_json::to_value(code.class()).unwrap();
            vec![
                format!("`{code}`"),
                class.as_str().unwrap().to_owned(),
                code.meaning().to_owned(),
            ]
        })
        .collect();
    assert_eq!(documented, known);
}

#[test]
fn the_readme_s_exit_codes_are_those_of_the_help() {
    let help = succeed(["--help"]);
    let told: Vec<Vec<String>> = section(&help, "Exit codes:")
        .into_iter()
        .map(|line| {
            let (code, meaning) = line.trim().split_once("  ").unwrap();
            vec![code.to_owned(), meaning.to_owned()]
        })
        .collect();
    let documented = table(&project_file("README.md"), "| code | meaning |");
    assert_eq!(documented, told);
}

#[test]
fn the_readme_mentions_every_command() {
    let readme = project_file("README.md");
    let help = succeed(["--help"]);
    let commands = commands(&help);
    assert!(commands.len() >= 13, "only {commands:?}");
    for command in commands {
        assert!(
            readme.contains(&format!("dhfpack {command}")),
            "the README does not mention `dhfpack {command}`"
        );
    }
}

/// Every name that begins with `DHFPACK_`.
fn variables(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_uppercase() && c != '_')
        .filter(|word| word.starts_with("DHFPACK_"))
        .collect()
}

#[test]
fn the_readme_s_environment_is_that_of_the_help() {
    let help: String = commands(&succeed(["--help"]))
        .into_iter()
        .map(|command| succeed([command, "--help"]))
        .collect();
    let rows = table(&project_file("README.md"), "| environment | meaning |");
    let names: Vec<&str> = rows.iter().map(|row| row[0].as_str()).collect();
    let documented = names.join(" ");
    assert_eq!(variables(&documented), variables(&help));
}
