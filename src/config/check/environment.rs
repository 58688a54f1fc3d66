//! What a configuration's build environment must satisfy.

use super::require_text;
use super::slots::check_place;
use crate::config::{BuildEnvironmentConfig, Config, SbomConfig};
use crate::toml_file::Step::{self, Index, Key};
use crate::toml_file::{TomlError, TomlText, closest};

const TABLE: Step<'_> = Key("build_environment");

/// Fails on the first entry that cannot be meant as it is written.
pub(super) fn check(config: &Config, text: &TomlText) -> Result<(), Box<TomlError>> {
    let Some(environment) = &config.build_environment else {
        return Ok(());
    };
    check_filled(environment, text)?;
    for (index, image) in environment.images.iter().enumerate() {
        if image.name.contains('@') {
            return Err(text.error(
                &[TABLE, Key("image"), Index(index), Key("name")],
                format!("the name `{}` has a digest in it", image.name),
                Some("write what stands before the `@` here, and the rest as `digest`".to_owned()),
            ));
        }
    }
    for (number, glob) in environment.lock_files.iter().enumerate() {
        if glob.contains(':') {
            return Err(text.error(
                &[TABLE, Key("lock_files"), Index(number)],
                format!("`{glob}` names another place, but lock files belong to the source"),
                Some(
                    "write a glob of the repository that the release tag is in; a slot takes files from elsewhere"
                        .to_owned(),
                ),
            ));
        }
    }
    for (index, sbom) in environment.sboms.iter().enumerate() {
        let at = |key| [TABLE, Key("sbom"), Index(index), Key(key)];
        check_place(config, text, &sbom.file, &at("file"))?;
        check_image(config, text, sbom, &at("image"), &at("platform"))?;
        if environment
            .sboms
            .iter()
            .take(index)
            .any(|other| other == sbom)
        {
            return Err(text.error(
                &at("file"),
                format!("the SBOM `{}` is named twice", sbom.file),
                Some("take one of the two out".to_owned()),
            ));
        }
    }
    Ok(())
}

fn check_filled(
    environment: &BuildEnvironmentConfig,
    text: &TomlText,
) -> Result<(), Box<TomlError>> {
    let mut texts = Vec::new();
    for (index, image) in environment.images.iter().enumerate() {
        texts.push((
            vec![TABLE, Key("image"), Index(index), Key("name")],
            &image.name,
        ));
    }
    for (index, tool) in environment.tools.iter().enumerate() {
        let at = |key| vec![TABLE, Key("tool"), Index(index), Key(key)];
        texts.push((at("name"), &tool.name));
        texts.push((at("version"), &tool.version));
    }
    require_text(text, &texts)
}

/// The image that an SBOM describes, by its name in the configuration.
fn check_image(
    config: &Config,
    text: &TomlText,
    sbom: &SbomConfig,
    image_at: &[Step<'_>],
    platform_at: &[Step<'_>],
) -> Result<(), Box<TomlError>> {
    let Some(name) = &sbom.image else {
        if sbom.platform.is_some() {
            return Err(text.error(
                platform_at,
                "a platform is one of an image, and no image is named".to_owned(),
                Some("add `image = \"NAME\"`".to_owned()),
            ));
        }
        return Ok(());
    };
    let known = config.images.iter().map(|image| image.name.as_str());
    let Some(image) = config.images.iter().find(|image| image.name == *name) else {
        let help = match closest(name, known) {
            Some(known) => format!("did you mean `{known}`?"),
            None => {
                "name one of the [[image]] entries, whose archived image it describes".to_owned()
            }
        };
        return Err(text.error(image_at, format!("no image is named `{name}`"), Some(help)));
    };
    match &sbom.platform {
        Some(platform) if !image.platforms.is_empty() && !image.platforms.contains(platform) => {
            let message = format!("the platform `{platform}` of image `{name}` is not archived");
            let help = format!("it has the platforms {}", image.platforms.join(", "));
            Err(text.error(platform_at, message, Some(help)))
        }
        _ => Ok(()),
    }
}
