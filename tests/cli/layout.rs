//! `dhfpack layout`.

use super::Program;

const PUMP: &str = r#"name = "pump"
title = "Pump releases"
description = "Follows the firm's SOP for software releases."

[[role]]
name = "Quality Systems SME"

[[slot]]
id = "design-outputs.source"
folder = "Design Outputs/Source Code"
title = "Source code"
help = "The git repository at the tag, as a bundle and as a plain tree that any auditor can open."
clauses = { "21cfr820-before-2026-02-02" = ["820.30(d)"], iso13485 = ["7.3.4"], iec62304 = ["5.8.7"] }
required = true
fill = ["git"]

[[slot]]
id = "mdf.software-specifications"
folder = "Device Master Record/Specifications/Software"
title = "Software specifications"
required = true
fill = ["files", "reference"]

[[slot]]
id = "mdf.build-process"
folder = "Device Master Record/Build Process"
title = "Build process"
required = true
fill = ["files"]

[[slot]]
id = "mdf.acceptance-criteria"
folder = "Device Master Record/Acceptance Criteria"
title = "Acceptance criteria"
clauses = { other = ["Release SOP 5.1"] }
required = true
fill = ["files"]

[[slot]]
id = "design-outputs.image"
folder = "Design Outputs/Installation Image"
title = "Installation image"
required = false
fill = ["images", "not-applicable"]
"#;

fn with_layout(text: &str) -> Program {
    let program = Program::new();
    program.write("pump.toml", text);
    program
}

#[test]
fn show_draws_the_folders_with_what_each_asks_for() {
    let shown = with_layout(PUMP)
        .run("layout show pump.toml")
        .exits(0)
        .silently();
    insta::assert_snapshot!(shown.stdout, @r"
    pump: Pump releases

    Follows the firm's SOP for software releases.

    A release is signed by:
      Quality Systems SME

    Design Outputs/
    ├── Source Code/
    │     Source code (design-outputs.source)
    │     The git repository at the tag, as a bundle and as a plain tree that any
    │     auditor can open.
    │     required: the git snapshot
    │     21 CFR 820 (before 2026-02-02) 820.30(d); ISO 13485:2016 7.3.4; IEC 62304
    │     5.8.7
    └── Installation Image/
          Installation image (design-outputs.image)
          optional: the container images or a reason why it does not apply

    Device Master Record/
    ├── Specifications/
    │   └── Software/
    │         Software specifications (mdf.software-specifications)
    │         required: files or a reference with its digest
    ├── Build Process/
    │     Build process (mdf.build-process)
    │     required: files
    └── Acceptance Criteria/
          Acceptance criteria (mdf.acceptance-criteria)
          required: files
          Release SOP 5.1
    ");
    assert!(shown.stdout.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn list_names_the_built_in_layouts_and_each_can_be_shown() {
    let program = Program::new();
    let list = program.run("layout list").exits(0).silently().stdout;
    let names: Vec<&str> = list
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(names, ["fda-classic", "qmsr", "eu-mdr"]);
    for name in names {
        let shown = program
            .run(&format!("layout show {name}"))
            .exits(0)
            .silently()
            .stdout;
        assert!(shown.starts_with(&format!("{name}: ")), "{shown}");
        assert!(
            shown.lines().all(|line| line.chars().count() <= 100),
            "{shown}"
        );
    }
}

#[test]
fn an_unknown_layout_is_answered_with_the_one_meant() {
    let program = Program::new();
    program.run("layout show fda-clasic").exits(2).tells(&[
        "no layout is named `fda-clasic`",
        "did you mean `fda-classic`?",
    ]);
    program
        .run("layout show zzz")
        .exits(2)
        .tells(&["fda-classic, qmsr, eu-mdr"]);
}

#[test]
fn check_accepts_a_sound_layout() {
    let checked = with_layout(PUMP)
        .run("layout check pump.toml")
        .exits(0)
        .silently();
    assert_eq!(
        checked.stdout,
        "pump.toml: layout pump with 5 slots, no problems\n"
    );
}

#[test]
fn check_shows_the_place_of_a_misspelt_key_and_the_right_one() {
    with_layout(&PUMP.replacen("required", "requierd", 1))
        .run("layout check pump.toml")
        .exits(2)
        .tells(&[
            "pump.toml:14:1",
            "unknown field `requierd`",
            "did you mean `required`?",
        ]);
}

#[test]
fn check_lists_every_problem() {
    let broken = PUMP
        .replace("mdf.build-process", "mdf.building")
        .replace(
            "Design Outputs/Installation Image",
            "design outputs/Source Code",
        )
        .replace("[\"git\"]", "[]");
    with_layout(&broken)
        .run("layout check pump.toml")
        .exits(2)
        .tells(&[
            "pump.toml has 3 problems",
            "slot `design-outputs.source` can be filled by nothing",
            "slot `design-outputs.image`",
            "`mdf.build-process` is missing",
        ]);
}

#[test]
fn a_layout_that_cannot_be_read_is_a_failure_with_its_name() {
    Program::new()
        .run("layout check nowhere.toml")
        .exits(1)
        .tells(&["cannot open nowhere.toml"]);
}

#[cfg(unix)]
#[test]
fn an_endless_file_is_refused() {
    Program::new()
        .run("layout check /dev/zero")
        .exits(1)
        .tells(&["/dev/zero is larger than"]);
}

#[test]
fn no_text_of_a_layout_can_control_the_terminal() {
    let hostile = PUMP
        .replace("Pump releases", "Pump\\u001b[2J\\u202e\\nname: x")
        .replace("Build process", "Build\\u001b]0;x\\u0007");
    let shown = with_layout(&hostile).run("layout show pump.toml").exits(0);
    assert!(
        shown.stdout.contains("Build\\u{1b}]0;x\\u{7}"),
        "{}",
        shown.stdout
    );
    assert!(!shown.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']));
    assert!(!shown.stdout.contains("\nname: x"), "{}", shown.stdout);
}
