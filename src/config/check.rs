//! What a configuration must satisfy beyond its syntax.

use super::remote::is_remote_url;
use super::{Config, Meaning, SOURCE};
use crate::layout::RELEASE_BUILDER;
use crate::path::ArchivePath;
use crate::toml_file::Step::{self, Index, Key};
use crate::toml_file::{TomlError, TomlText};

mod environment;
mod git_file;
mod publication;
mod registry;
mod retention;
mod slots;

const FILE_ID: &str =
    "use lower-case letters, digits and single hyphens, as in \"infusion-monitor\"";

/// Fails on the first of these values, each with its place, that says nothing.
fn require_text(
    text: &TomlText,
    values: &[(Vec<Step<'_>>, &String)],
) -> Result<(), Box<TomlError>> {
    match values.iter().find(|(_, value)| value.trim().is_empty()) {
        None => Ok(()),
        Some((at, _)) => Err(text.error(
            at,
            "the text is empty".to_owned(),
            Some("write what the archive shall show here".to_owned()),
        )),
    }
}

impl Config {
    /// Reads and checks a configuration.
    pub fn parse(text: &TomlText) -> Result<Self, Box<TomlError>> {
        let config: Self = text.parse()?;
        config.check(text)?;
        Ok(config)
    }

    fn check(&self, text: &TomlText) -> Result<(), Box<TomlError>> {
        self.check_filled(text)?;
        self.check_release(text)?;
        let machine_releases =
            self.signing.role == RELEASE_BUILDER && self.signing.meaning == Meaning::Release;
        if machine_releases {
            return Err(text.error(
                &[Key("signing"), Key("meaning")],
                "a machine cannot release: the role Release Builder signs as author".to_owned(),
                Some("people release, with `dhfpack sign`".to_owned()),
            ));
        }
        self.check_names(text)?;
        self.check_sources(text)?;
        environment::check(self, text)?;
        retention::check(self, text)?;
        publication::check(self, text)?;
        registry::check(self, text)?;
        slots::check(self, text)
    }

    /// Texts that say nothing where something must be said.
    fn check_filled(&self, text: &TomlText) -> Result<(), Box<TomlError>> {
        let product = &self.product;
        let mut texts = vec![
            (vec![Key("product"), Key("name")], &product.name),
            (
                vec![Key("product"), Key("manufacturer")],
                &product.manufacturer,
            ),
            (vec![Key("signing"), Key("role")], &self.signing.role),
        ];
        for (index, item) in product.software_items.iter().enumerate() {
            let at = [Key("product"), Key("software_item"), Index(index)];
            texts.push(([&at[..], &[Key("name")]].concat(), &item.name));
        }
        for (index, market) in self.markets.iter().enumerate() {
            let at = |key| vec![Key("market"), Index(index), Key(key)];
            texts.push((at("regime"), &market.regime));
            texts.push((at("device_class"), &market.device_class));
        }
        if let Some(superseded) = &self.release.supersedes {
            let at = vec![Key("release"), Key("supersedes"), Key("reason")];
            texts.push((at, &superseded.reason));
        }
        if let Some(amends) = &self.release.amends {
            let at = vec![Key("release"), Key("amends"), Key("reason")];
            texts.push((at, &amends.reason));
        }
        require_text(text, &texts)
    }

    fn check_release(&self, text: &TomlText) -> Result<(), Box<TomlError>> {
        let release = &self.release;
        let fail = |key, message: String, help: &str| {
            let at = [Key("release"), Key(key)];
            Err(text.error(&at, message, Some(help.to_owned())))
        };
        if !is_file_id(&self.product.id) {
            return Err(text.error(
                &[Key("product"), Key("id")],
                format!("`{}` cannot be part of a file name", self.product.id),
                Some(FILE_ID.to_owned()),
            ));
        }
        if !is_version(&release.version) {
            return fail(
                "version",
                format!("`{}` cannot be part of a file name", release.version),
                "use letters, digits, `.`, `-`, `_` and `+`, as in \"2.4.0\"; a prefix belongs into `tag`",
            );
        }
        if !release.tag.contains("{version}") {
            return fail(
                "tag",
                format!(
                    "the tag pattern `{}` does not contain the version",
                    release.tag
                ),
                "put `{version}` where the version stands, as in \"monitor/v{version}\"",
            );
        }
        if release
            .amends
            .as_ref()
            .is_some_and(|amends| amends.number == 0)
        {
            return fail(
                "amends",
                "addenda are counted from 1".to_owned(),
                "leave `number` out for the first addendum to an archive",
            );
        }
        match (release.revision, &release.supersedes) {
            (0, Some(_)) => fail(
                "supersedes",
                "a first archive replaces none".to_owned(),
                "add `revision = 1` under [release], or the next number after the replaced one's",
            ),
            (1.., None) => fail(
                "revision",
                format!(
                    "revision {} does not say what it replaces",
                    release.revision
                ),
                "add `supersedes = { manifest = \"<sha256>\", reason = \"…\" }` under [release]",
            ),
            _ => Ok(()),
        }
    }

    /// Where images and repositories come from.
    fn check_sources(&self, text: &TomlText) -> Result<(), Box<TomlError>> {
        for (index, image) in self.images.iter().enumerate() {
            let kinds = ["docker:", "registry:", "docker-archive:", "oci:"];
            if !kinds.iter().any(|kind| image.source.starts_with(kind)) {
                let at = [Key("image"), Index(index), Key("source")];
                // What stands before an `@` may be a login, in a form that nobody foresaw: then
                // neither the value nor its line is shown.
                let (at, what) = if image.source.contains('@') && !image.source.contains("://") {
                    (&at[..0], format!("the source of image `{}`", image.name))
                } else {
                    (&at[..], format!("`{}`", image.source))
                };
                return Err(text.error(
                    at,
                    format!("{what} is no source of an image"),
                    Some(
                        "begin with `docker:` for an image in the Docker Engine, `registry:` for one in a registry, `docker-archive:` for a tar of `docker save`, or `oci:` for an OCI layout, as folder or tar"
                            .to_owned(),
                    ),
                ));
            }
        }
        let others = self.repositories.iter().enumerate().map(|(index, other)| {
            let at = vec![Key("repository"), Index(index), Key("location")];
            (at, &other.location)
        });
        let source = self.source.repository.iter();
        let source = source.map(|location| (vec![Key("source"), Key("repository")], location));
        let remote = || vec![Key("source"), Key("remote")];
        let source = source.chain(self.source.remote.iter().map(|url| (remote(), url)));
        for (at, location) in others.chain(source) {
            if holds_password(location) {
                return Err(text.error(
                    &at,
                    "the location holds a password, and this file is archived".to_owned(),
                    Some(
                        "take it out, and change it; logins come from the ssh agent, ~/.netrc, GIT_SSH_COMMAND or GIT_ASKPASS"
                            .to_owned(),
                    ),
                ));
            }
        }
        match &self.source.remote {
            Some(url) if !is_remote_url(url) => Err(text.error(
                &remote(),
                format!("`{url}` is no URL that is fetched from"),
                Some("give one that begins with https://, ssh://, git:// or file://, or git@host:path".to_owned()),
            )),
            _ => Ok(()),
        }
    }

    /// Names of images, folders and repositories: usable as file names, and used once.
    fn check_names(&self, text: &TomlText) -> Result<(), Box<TomlError>> {
        let named = [
            (
                "image",
                self.images
                    .iter()
                    .map(|image| &image.name)
                    .collect::<Vec<_>>(),
            ),
            (
                "folder",
                self.folders.iter().map(|folder| &folder.name).collect(),
            ),
            (
                "repository",
                self.repositories
                    .iter()
                    .map(|repository| &repository.name)
                    .collect(),
            ),
        ];
        let mut sources = Vec::new();
        for (kind, names) in named {
            for (index, name) in names.iter().enumerate() {
                let steps = [Step::Key(kind), Step::Index(index), Step::Key("name")];
                if !is_file_id(name) {
                    return Err(text.error(
                        &steps,
                        format!("`{name}` cannot be the name of a {kind}"),
                        Some(FILE_ID.to_owned()),
                    ));
                }
                if kind == "repository" && *name == SOURCE {
                    return Err(text.error(
                        &steps,
                        format!(
                            "the name `{SOURCE}` stands for source.repository on the command line"
                        ),
                        Some("give this repository another name".to_owned()),
                    ));
                }
                // An image may share its name with a folder; folders and repositories are
                // both named before the colon in `files`.
                let group = if kind == "image" { "image" } else { "source" };
                if sources.contains(&(group, *name)) {
                    return Err(text.error(
                        &steps,
                        format!("the name `{name}` is used twice"),
                        Some(
                            "give each image, and each folder or repository, a name of its own"
                                .to_owned(),
                        ),
                    ));
                }
                sources.push((group, *name));
            }
        }
        Ok(())
    }
}

/// Whether a URL has a password, or a token in its place, before the host.
fn holds_password(location: &str) -> bool {
    let Some((_, rest)) = location.split_once("://") else {
        return false;
    };
    let authority = rest.split('/').next().unwrap_or(rest);
    authority
        .rsplit_once('@')
        .is_some_and(|(user, _)| user.contains(':'))
}

/// Windows keeps some names, such as `con`, for devices.
fn is_file_id(text: &str) -> bool {
    text.len() <= 60
        && text.parse::<ArchivePath>().is_ok()
        && text.split('-').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
}

fn is_version(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte);
    text.len() <= 60
        && !text.contains("..")
        && text
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text
            .bytes()
            .last()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(allowed)
}
