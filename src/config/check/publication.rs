//! What `[storage]` and `[service_manual]` must satisfy.

use super::{git_file, holds_password, require_text};
use crate::config::Config;
use crate::path::ArchivePath;
use crate::toml_file::Step::{self, Key};
use crate::toml_file::{TomlError, TomlText};

const STORAGE: Step<'_> = Key("storage");
const SERVICE_MANUAL: Step<'_> = Key("service_manual");

/// Fails on the first entry that cannot be meant as it is written.
pub(super) fn check(config: &Config, text: &TomlText) -> Result<(), Box<TomlError>> {
    let storage = &config.storage;
    for (key, location) in [("to", &storage.to), ("dhf", &storage.dhf)] {
        if let Some(location) = location {
            check_location(text, &[STORAGE, Key(key)], location)?;
        }
    }
    if let Some(dhf) = &storage.dhf
        && !dhf.contains("{version}")
    {
        return Err(text.error(
            &[STORAGE, Key("dhf")],
            format!("the folder `{dhf}` is the same for every version"),
            Some(
                "put `{version}` where the version stands, as in \"/mnt/dhf/pump/{version}\""
                    .to_owned(),
            ),
        ));
    }
    let Some(manual) = &config.service_manual else {
        return Ok(());
    };
    require_text(
        text,
        &[(vec![SERVICE_MANUAL, Key("record")], &manual.record)],
    )?;
    check_file(text, &[SERVICE_MANUAL, Key("file")], &manual.file)?;
    match &manual.git {
        Some(git) => git_file::check(git, text, &[SERVICE_MANUAL, Key("git")]),
        None => Ok(()),
    }
}

fn check_location(text: &TomlText, at: &[Step<'_>], location: &str) -> Result<(), Box<TomlError>> {
    require_text(text, &[(at.to_vec(), &location.to_owned())])?;
    if holds_password(location) {
        return Err(text.error(
            at,
            "the location holds a password, and this file is archived".to_owned(),
            Some("take it out, and change it; logins come from the environment".to_owned()),
        ));
    }
    Ok(())
}

fn check_file(text: &TomlText, at: &[Step<'_>], file: &str) -> Result<(), Box<TomlError>> {
    match file.parse::<ArchivePath>() {
        Ok(_) => Ok(()),
        Err(error) => Err(text.error(
            at,
            error.to_string(),
            Some(
                "give a path with `/` between its names, as in \"manuals/service-manual.md\""
                    .to_owned(),
            ),
        )),
    }
}
