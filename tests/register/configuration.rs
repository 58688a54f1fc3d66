//! What `[registry]` may say.

use dhfpack::config::Config;
use dhfpack::toml_file::TomlText;

use crate::support::small;

fn parse(registry: &str) -> Result<Config, String> {
    let rest = format!("[registry]\n{registry}\n");
    let text = TomlText {
        name: "dhfpack.toml".to_owned(),
        text: small::config("pump", "1.0.0", "v{version}", &rest),
    };
    Config::parse(&text).map_err(|error| error.to_string())
}

fn markdown(repository: &str, branch: &str, file: &str) -> String {
    format!(
        "markdown = {{ repository = \"{repository}\", branch = \"{branch}\", file = \"{file}\" }}"
    )
}

#[test]
fn a_registry_and_the_repository_that_shows_it_can_be_configured() {
    let config = parse("phase = \"Pilot\"\nquantity_installed = 3\nto = \"s3://b/dhf\"").unwrap();
    assert_eq!(config.registry.unwrap().quantity_installed, 3);
    for repository in [
        "git@git.example.com:qms/records.git",
        "https://git.example.com/qms/records.git",
        "ssh://git@git.example.com/records.git",
        "../records.git",
        "/srv/git/records.git",
    ] {
        let read = parse(&markdown(repository, "main", "products/registry.md"));
        assert!(read.is_ok(), "{repository}: {read:?}");
    }
}

#[test]
fn what_says_nothing_or_could_start_a_program_is_refused() {
    for (registry, problem) in [
        ("phase = \" \"".to_owned(), "the text is empty"),
        ("to = \"\"".to_owned(), "the text is empty"),
        (
            markdown("https://ci:secret@host/a.git", "main", "a.md"),
            "holds a password",
        ),
        (
            markdown("ext::sh -c x", "main", "a.md"),
            "no repository that is pushed to",
        ),
        (
            markdown("--exec=x", "main", "a.md"),
            "no repository that is pushed to",
        ),
        (
            markdown("", "main", "a.md"),
            "no repository that is pushed to",
        ),
        (markdown("../a", "-f", "a.md"), "no branch's name"),
        (markdown("../a", "a b", "a.md"), "no branch's name"),
        (
            markdown("../a", "main", "../a.md"),
            "no path in a repository",
        ),
        (markdown("../a", "main", ""), "no path in a repository"),
    ] {
        let error = parse(&registry).unwrap_err();
        assert!(error.contains(problem), "{registry}: {error}");
        assert!(!error.contains("secret"), "{error}");
    }
}
