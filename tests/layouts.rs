//! The built-in layouts, and the page that explains them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use dhfpack::layout::{BUILT_IN, Fill, Layout, Scheme, Slot, built_in};
use dhfpack::toml_file::TomlText;

const SOP_FOLDERS: [&str; 8] = [
    "Design Outputs/Source Code",
    "Design Outputs/Installation Image",
    "Design Outputs/User Manual",
    "Device Master Record/Design Inputs",
    "Device Master Record/Installation Manual",
    "Device Master Record/Maintenance Procedures",
    "Device Master Record/Servicing Procedures",
    "Device Master Record/Verification Plan",
];

/// The longest path that dhfpack adds below a slot's folder: a blob of an image with a long name.
const LONGEST_BELOW: usize = "/a-rather-long-image-name/blobs/sha256/".len() + 64;

fn layout(name: &str) -> Layout {
    let text = built_in(name).unwrap_or_else(|| panic!("no layout is named {name}"));
    TomlText {
        name: format!("{name}.toml"),
        text: text.to_owned(),
    }
    .parse()
    .unwrap_or_else(|error| panic!("{error}"))
}

fn layouts() -> Vec<Layout> {
    BUILT_IN.iter().map(|(name, _)| layout(name)).collect()
}

/// Every clause of `scheme` that a required slot of the layout answers to.
fn required_clauses(layout: &Layout, scheme: Scheme) -> BTreeSet<String> {
    layout
        .slots
        .iter()
        .filter(|slot| slot.required)
        .filter_map(|slot| slot.clauses.get(&scheme))
        .flatten()
        .cloned()
        .collect()
}

#[test]
fn every_built_in_layout_is_sound() {
    for layout in layouts() {
        assert_eq!(
            layout.problems(),
            Vec::<String>::new(),
            "in {}",
            layout.name
        );
    }
}

#[test]
fn a_layout_is_found_under_the_name_it_gives_itself() {
    for (name, _) in BUILT_IN {
        assert_eq!(layout(name).name, name);
    }
}

#[test]
fn every_layout_names_the_three_roles_of_the_release_procedure() {
    for layout in layouts() {
        let roles: Vec<_> = layout.roles.iter().map(|role| role.name.as_str()).collect();
        assert_eq!(
            roles,
            [
                "Engineering SME",
                "Product Management SME",
                "Quality Systems SME"
            ]
        );
    }
}

#[test]
fn the_classic_layout_begins_with_exactly_the_folders_of_the_release_procedure() {
    let classic = layout("fda-classic");
    let first: Vec<_> = classic
        .slots
        .iter()
        .take(SOP_FOLDERS.len())
        .map(|slot| slot.folder.as_str())
        .collect();
    assert_eq!(first, SOP_FOLDERS);
    assert!(
        classic
            .slots
            .iter()
            .take(SOP_FOLDERS.len())
            .all(|slot| slot.required)
    );
    let in_design_outputs = classic
        .slots
        .iter()
        .filter(|slot| slot.folder.below("Design Outputs").is_some());
    assert_eq!(in_design_outputs.count(), 3);
}

#[test]
fn every_slot_says_what_belongs_there_in_one_sentence_and_why() {
    for layout in layouts() {
        for slot in &layout.slots {
            assert!(slot.help.ends_with('.'), "help of {}", slot.id);
            assert_eq!(slot.help.matches(". ").count(), 0, "help of {}", slot.id);
            assert!(slot.help.len() <= 140, "help of {}", slot.id);
            assert!(!slot.clauses.is_empty(), "clauses of {}", slot.id);
            assert!(
                slot.clauses.values().all(|clauses| !clauses.is_empty()),
                "clauses of {}",
                slot.id
            );
        }
    }
}

#[test]
fn an_id_means_the_same_in_every_layout() {
    let mut known: BTreeMap<String, Slot> = BTreeMap::new();
    for layout in layouts() {
        for slot in layout.slots {
            let id = slot.id.clone();
            if let Some(first) = known.get(&id) {
                assert_eq!(
                    (&first.title, &first.help, &first.clauses, &first.fill),
                    (&slot.title, &slot.help, &slot.clauses, &slot.fill),
                    "{id} means something else in {}",
                    layout.name
                );
            } else {
                known.insert(id, slot);
            }
        }
    }
}

#[test]
fn every_layout_has_the_slots_of_the_release_procedure_and_of_the_release_record() {
    let classic = layout("fda-classic");
    for layout in layouts() {
        for slot in &classic.slots {
            let here = layout
                .slot(&slot.id)
                .unwrap_or_else(|| panic!("{} has no {}", layout.name, slot.id));
            assert_eq!(here.required, slot.required, "{}", slot.id);
        }
    }
}

#[test]
fn a_required_slot_of_the_classic_layout_answers_to_each_letter_of_the_former_820_181() {
    let cited = required_clauses(&layout("fda-classic"), Scheme::Cfr820);
    for letter in 'a'..='e' {
        let clause = format!("820.181({letter})");
        assert!(cited.contains(&clause), "nothing answers to {clause}");
    }
}

#[test]
fn a_required_slot_answers_to_each_letter_of_iso_13485_4_2_3() {
    for name in ["fda-classic", "qmsr", "eu-mdr"] {
        let cited = required_clauses(&layout(name), Scheme::Iso13485);
        for letter in 'a'..='f' {
            let clause = format!("4.2.3 {letter})");
            assert!(cited.contains(&clause), "nothing answers to {clause}");
        }
    }
}

#[test]
fn the_qmsr_layout_answers_to_each_clause_of_design_and_development() {
    let cited = required_clauses(&layout("qmsr"), Scheme::Iso13485);
    for number in 2..=10 {
        let clause = format!("7.3.{number}");
        assert!(cited.contains(&clause), "nothing answers to {clause}");
    }
}

#[test]
fn a_required_slot_answers_to_each_clause_of_software_release() {
    for name in ["qmsr", "eu-mdr"] {
        let cited = required_clauses(&layout(name), Scheme::Iec62304);
        for number in 1..=8 {
            let clause = format!("5.8.{number}");
            assert!(cited.contains(&clause), "nothing answers to {clause}");
        }
    }
}

#[test]
fn the_mdr_layout_answers_to_each_section_of_annexes_ii_and_iii() {
    let cited = required_clauses(&layout("eu-mdr"), Scheme::EuMdr);
    let sections = [
        "Annex II 1.1(a)",
        "Annex II 1.1(b)",
        "Annex II 1.1(c)",
        "Annex II 1.1(d)",
        "Annex II 1.1(e)",
        "Annex II 1.1(f)",
        "Annex II 1.1(g)",
        "Annex II 1.1(h)",
        "Annex II 1.1(i)",
        "Annex II 1.1(j)",
        // (k) asks for raw materials, which software has none of.
        "Annex II 1.1(l)",
        "Annex II 1.2",
        "Annex II 2",
        "Annex II 3(a)",
        "Annex II 3(b)",
        "Annex II 3(c)",
        "Annex II 4",
        "Annex II 5",
        "Annex II 6.1(a)",
        "Annex II 6.1(b)",
        "Annex II 6.1(c)",
        "Annex II 6.1(d)",
        "Annex III 1.1",
        "Annex III 1.2",
    ];
    for section in sections {
        assert!(cited.contains(section), "nothing answers to {section}");
    }
}

#[test]
fn the_device_description_does_not_pass_for_the_former_820_181() {
    let classic = layout("fda-classic");
    let slot = classic.slot("mdf.device-description").unwrap();
    assert!(!slot.clauses.contains_key(&Scheme::Cfr820));
}

#[test]
fn source_and_image_are_made_by_dhfpack_and_nothing_else_is() {
    for layout in layouts() {
        for slot in &layout.slots {
            assert_eq!(
                slot.fill.contains(&Fill::Git),
                slot.id == "design-outputs.source"
            );
            assert_eq!(
                slot.fill.contains(&Fill::Images),
                slot.id == "design-outputs.image"
            );
        }
    }
}

#[test]
fn no_slot_lies_where_dhfpack_writes_its_own_records() {
    for layout in layouts() {
        for slot in &layout.slots {
            let folder = slot.folder.as_str();
            for own in [
                "Release Record",
                "Release Record/Configuration",
                "Release Record/crosswalk.csv",
                "Release Record/release.json",
                "index.html",
            ] {
                assert_ne!(folder.to_lowercase(), own.to_lowercase());
                assert!(
                    own == "Release Record" || slot.folder.below(own).is_none(),
                    "{folder} lies in {own}"
                );
            }
        }
    }
}

#[test]
fn an_image_in_its_slot_stays_within_the_longest_path() {
    for layout in layouts() {
        for slot in &layout.slots {
            let longest = slot.folder.as_str().chars().count() + LONGEST_BELOW;
            assert!(longest <= dhfpack::path::MAX_PATH, "{}", slot.folder);
        }
    }
}

#[test]
fn the_crosswalk_page_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/crosswalk.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let layouts = layouts();
    let current = replace_part(&page, "folders", &folder_table(&layouts));
    let current = replace_part(&current, "clauses", &clause_table(&layouts));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &current).unwrap();
    }
    assert!(
        page == current || std::env::var_os("UPDATE").is_some(),
        "docs/crosswalk.md is out of date: run the tests once with UPDATE=1"
    );
}

/// The page with `table` between the comments that mark the part `name`.
fn replace_part(page: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- begin {name} -->\n");
    let end = format!("<!-- end {name} -->");
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    format!("{before}{begin}{table}{end}{after}")
}

/// Each slot once, in the order in which the layouts first name it.
fn all_slots(layouts: &[Layout]) -> Vec<&Slot> {
    let mut seen = BTreeSet::new();
    layouts
        .iter()
        .flat_map(|layout| &layout.slots)
        .filter(|slot| seen.insert(&slot.id))
        .collect()
}

fn folder_table(layouts: &[Layout]) -> String {
    let mut table = String::from("| slot |");
    for layout in layouts {
        write!(table, " {} |", layout.name).unwrap();
    }
    table.push_str("\n|---|");
    table.push_str(&"---|".repeat(layouts.len()));
    for slot in all_slots(layouts) {
        write!(table, "\n| `{}` |", slot.id).unwrap();
        for layout in layouts {
            match layout.slot(&slot.id) {
                Some(here) => {
                    let star = if here.required { "" } else { " \\*" };
                    write!(table, " {}{star} |", here.folder).unwrap();
                }
                None => table.push_str(" |"),
            }
        }
    }
    table.push('\n');
    table
}

fn clause_table(layouts: &[Layout]) -> String {
    let mut table = String::from("| slot | title |");
    for scheme in Scheme::ALL {
        write!(table, " {} |", scheme.title()).unwrap();
    }
    table.push_str("\n|---|---|");
    table.push_str(&"---|".repeat(Scheme::ALL.len()));
    for slot in all_slots(layouts) {
        write!(table, "\n| `{}` | {} |", slot.id, slot.title).unwrap();
        for scheme in Scheme::ALL {
            match slot.clauses.get(&scheme) {
                Some(clauses) => write!(table, " {} |", clauses.join(", ")).unwrap(),
                None => table.push_str(" |"),
            }
        }
    }
    table.push('\n');
    table
}
