//! `dhfpack schema` and `dhfpack completions`.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::Program;

#[test]
fn the_shipped_schemas_are_current() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema");
    for (of, file) in [
        ("config", "dhfpack.schema.json"),
        ("layout", "layout.schema.json"),
        ("service-manual", "service-manual-entry.schema.json"),
    ] {
        let printed = Program::new()
            .run(&format!("schema {of}"))
            .exits(0)
            .silently()
            .stdout;
        let file = folder.join(file);
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&file, &printed).unwrap();
        }
        let shipped = fs::read_to_string(&file).unwrap();
        assert_eq!(
            shipped,
            printed,
            "run the tests with UPDATE=1 to write {}",
            file.display()
        );
    }
}

#[test]
fn a_schema_is_of_draft_2020_12_and_explains_every_property() {
    for of in ["config", "layout", "service-manual"] {
        let printed = Program::new().run(&format!("schema {of}")).exits(0).stdout;
        let schema: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
        for (name, property) in schema["properties"].as_object().unwrap() {
            assert!(
                property["description"].is_string(),
                "{name} is not explained"
            );
        }
    }
}

#[test]
fn completions_know_the_commands_of_every_shell() {
    let program = Program::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = program
            .run(&format!("completions {shell}"))
            .exits(0)
            .silently()
            .stdout;
        assert!(
            script.contains("completions") && script.contains("layout"),
            "{shell}"
        );
    }
    program
        .run("completions tcsh")
        .exits(2)
        .tells(&["possible values"]);
}
