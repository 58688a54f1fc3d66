//! The files that `dhfpack init` writes: a configuration that explains itself, and record
//! templates for a team that has none of its own.

/// Path, relative to the product's folder, and text of each file.
///
/// What a user has to replace in a record is marked `[edit…]`.
pub const TEMPLATES: &[(&str, &str)] = &[
    ("dhfpack.toml", include_str!("templates/dhfpack.toml")),
    (
        "service-manual-entry.toml",
        include_str!("templates/service-manual-entry.toml"),
    ),
    (
        "docs/acceptance-criteria.md",
        include_str!("templates/acceptance-criteria.md"),
    ),
    (
        "docs/build-process.md",
        include_str!("templates/build-process.md"),
    ),
    (
        "records/regulatory-decision.md",
        include_str!("templates/regulatory-decision.md"),
    ),
    (
        "records/release-notes.md",
        include_str!("templates/release-notes.md"),
    ),
];

#[cfg(test)]
mod tests {
    use super::TEMPLATES;
    use crate::config::{Config, FILE_NAME};
    use crate::layout::{Fill, Layout, built_in};
    use crate::path::{ArchivePath, PathSet};
    use crate::toml_file::TomlText;

    /// Whether a template is a controlled document, not a file that dhfpack reads.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "filters pass it so")]
    fn is_document((path, _): &&(&str, &str)) -> bool {
        path.split('.').next_back() == Some("md")
    }

    /// Divides what explains the configuration from the layout's slots.
    const DIVIDER: &str = "# ---- ";

    fn text() -> &'static str {
        let found = TEMPLATES.iter().find(|(path, _)| *path == FILE_NAME);
        found.unwrap().1
    }

    fn parse(text: String) -> Config {
        let name = FILE_NAME.to_owned();
        Config::parse(&TomlText { name, text }).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The text with its optional lines taken in.
    fn with_options(text: &str) -> String {
        text.lines()
            .map(|line| match line.strip_prefix('#') {
                Some(rest) if !rest.starts_with(' ') => rest,
                _ => line,
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn the_configuration_is_valid_as_it_stands() {
        let config = parse(text().to_owned());
        assert_eq!(config.archive_name(), "my-product-1.0.0");
        assert_eq!(config.tag(), "v1.0.0");
    }

    #[test]
    fn the_configuration_is_valid_with_every_option_taken() {
        let (explanation, slots) = text().split_once(DIVIDER).unwrap();
        let config = parse(with_options(explanation));
        assert!(config.release.supersedes.is_some());
        let record = config.service_manual.unwrap().record;
        assert!(TEMPLATES.iter().any(|(path, _)| *path == record));
        assert!(config.slots.iter().any(|slot| slot.reference.is_some()));
        assert!(
            config
                .slots
                .iter()
                .any(|slot| slot.not_applicable.is_some())
        );
        let (required, _) = explanation.split_once("# A slot is filled").unwrap();
        parse(with_options(&format!("{required}{DIVIDER}{slots}")));
    }

    #[test]
    fn the_configuration_shows_every_setting_there_is() {
        let schema = schemars::schema_for!(Config);
        let mut settings = Vec::new();
        collect_properties(schema.as_value(), &mut settings);
        assert!(settings.len() > 40, "{settings:?}");
        let (explanation, _) = text().split_once(DIVIDER).unwrap();
        let shown = with_options(explanation);
        for setting in settings {
            let as_key = shown.lines().any(|line| {
                line.starts_with(&format!("{setting} = "))
                    || line.trim_matches(['[', ']']).rsplit('.').next() == Some(&setting)
                    || line.contains(&format!("{{ {setting} = "))
                    || line.contains(&format!(", {setting} = "))
            });
            assert!(as_key, "{setting} is not shown");
        }
    }

    fn collect_properties(schema: &serde_json::Value, into: &mut Vec<String>) {
        match schema {
            serde_json::Value::Object(object) => {
                for (key, value) in object {
                    if let ("properties", Some(properties)) = (key.as_str(), value.as_object()) {
                        into.extend(properties.keys().cloned());
                    }
                    collect_properties(value, into);
                }
            }
            serde_json::Value::Array(array) => {
                for value in array {
                    collect_properties(value, into);
                }
            }
            _ => {}
        }
    }

    #[test]
    fn the_configuration_has_a_place_for_every_slot_of_its_layout() {
        let config = parse(text().to_owned());
        let layout: Layout = TomlText {
            name: config.layout.clone(),
            text: built_in(&config.layout).unwrap().to_owned(),
        }
        .parse()
        .unwrap();
        for slot in &config.slots {
            assert!(layout.slot(&slot.id).is_some(), "{}", slot.id);
        }
        for slot in &layout.slots {
            let made = slot.fill.contains(&Fill::Git) || slot.fill.contains(&Fill::Images);
            let optional = !slot.required && text().contains(&format!("#id = \"{}\"", slot.id));
            assert!(
                made || optional || config.slot(&slot.id).is_some(),
                "{}",
                slot.id
            );
        }
    }

    #[test]
    fn every_record_lies_where_the_configuration_looks_for_it() {
        let config = parse(text().to_owned());
        let starts: Vec<&str> = config
            .slots
            .iter()
            .flat_map(|slot| &slot.files)
            .filter_map(|glob| glob.strip_suffix('*'))
            .collect();
        for (path, _) in TEMPLATES.iter().filter(is_document) {
            let found = starts.iter().filter(|start| path.starts_with(*start));
            assert_eq!(found.count(), 1, "{path}");
        }
    }

    #[test]
    fn every_record_marks_what_is_to_be_edited_and_has_the_fields_of_a_controlled_document() {
        for (path, text) in TEMPLATES.iter().filter(is_document) {
            for field in [
                "Document",
                "Revision",
                "Product",
                "Approved by",
                "Approval date",
            ] {
                assert!(
                    text.contains(&format!("| {field} | [edit")),
                    "{path}: {field}"
                );
            }
        }
    }

    #[test]
    fn the_paths_are_portable_and_distinct() {
        let mut paths = PathSet::default();
        for (path, _) in TEMPLATES {
            path.parse::<ArchivePath>().unwrap();
            paths.insert(path).unwrap();
        }
    }
}
