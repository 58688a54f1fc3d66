//! Help teaches: every command has an example that can be typed.

use super::Program;

/// The names below "Commands:" in a help text.
fn commands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        // A command stands two spaces in; what is further in continues a description.
        .filter(|line| !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Visits the command named by `path` and all below it; returns how many there are.
fn visit(program: &Program, path: &str) -> usize {
    let by_name = program.run(&format!("help {path}")).exits(0).silently();
    let by_flag = program.run(&format!("{path} --help")).exits(0).silently();
    for help in [&by_name.stdout, &by_flag.stdout] {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with("dhfpack ")),
            "`dhfpack {path}` has no example:\n{help}"
        );
        for line in help.lines().skip_while(|line| !line.starts_with("Example")) {
            assert!(line.chars().count() <= 80, "too wide to copy:\n{line}");
        }
    }
    let below = commands(&by_name.stdout);
    1 + below
        .iter()
        .map(|name| visit(program, format!("{path} {name}").trim()))
        .sum::<usize>()
}

#[test]
fn the_help_of_every_command_holds_an_example() {
    let visited = visit(&Program::new(), "");
    assert!(visited >= 8, "only {visited} commands were found");
}

#[test]
fn the_help_lists_every_exit_code() {
    let help = Program::new().run("--help").exits(0).stdout;
    for code in [0, 1, 2, 3, 4, 5, 6, 70, 130] {
        assert!(
            help.contains(&format!("\n  {code:>3}  ")),
            "{code} is not in {help}"
        );
    }
}

#[test]
fn the_help_says_what_jobs_rule() {
    let program = Program::new();
    let help = |command: &str| {
        let help = program.run(&format!("help {command}")).exits(0).stdout;
        help.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for command in ["build", "rebuild"] {
        let help = help(command);
        assert!(help.contains("to work on at once [default: one per processor]"));
    }
    for command in ["publish", "upload", "sign", "verify", "registry add"] {
        let help = help(command);
        assert!(
            help.contains("to verify at once [default: one per processor; more for an archive"),
            "{help}"
        );
    }
}

#[test]
fn a_wrong_command_line_exits_2_and_says_what_was_meant() {
    let program = Program::new();
    program.run("layout lst").exits(2).tells(&["list"]);
    program.run("init --dirr x").exits(2).tells(&["--dir"]);
    program
        .run("schema config --progress loud")
        .exits(2)
        .tells(&["plain"]);
    program.run("").exits(2).tells(&["Usage: dhfpack"]);
}

#[test]
fn the_version_is_printed_as_a_result() {
    let outcome = Program::new().run("--version").exits(0).silently();
    assert_eq!(
        outcome.stdout,
        format!("dhfpack {}\n", env!("CARGO_PKG_VERSION"))
    );
}
