//! The build environment on the page.

use maud::{Markup, html};

use super::href;
use crate::manifest::{BuildEnvironment, LockFile, SbomRecord};

/// What the release was built with, and its bills of materials.
pub(super) fn section(environment: &BuildEnvironment) -> Markup {
    html! {
        h2 #environment { "Build environment" }
        p.muted { "IEC 62304 5.8.5, 8.1.2" }
        table {
            @for image in &environment.images {
                tr { th { "Builder image" } td { (image.name) br; span.digest { "sha256:" (image.digest) } } }
            }
            @for tool in &environment.tools {
                tr { th { "Tool" } td { (tool.name) " " (tool.version) } }
            }
            @for file in &environment.lock_files { (lock_file(file)) }
            @for sbom in &environment.sboms { (sbom_row(sbom)) }
        }
    }
}

fn lock_file(file: &LockFile) -> Markup {
    html! {
        tr { th { "Lock file" } td {
            a href=(href(file.path.as_str())) { (file.source) } br;
            span.digest.muted { "SHA-256 " (file.sha256) }
        } }
    }
}

fn sbom_row(sbom: &SbomRecord) -> Markup {
    let name = sbom.path.file_name();
    html! {
        tr { th { "SBOM" } td {
            a href=(href(sbom.path.as_str())) { (name) }
            ", " (sbom.format.as_str()) " " (sbom.format_version) ", components: " (sbom.components)
            @if let Some(subject) = &sbom.subject { br; "About: " (subject) }
            @if let Some(image) = &sbom.image {
                br; "Image " (image.name)
                @if let Some(platform) = &image.platform { " (" (platform) ")" }
                ": the SBOM " (image.link.describe())
            }
            br;
            @if sbom.missing.is_empty() {
                "NTIA minimum elements: evidence present"
            } @else {
                "NTIA minimum elements missing:"
                ul { @for missing in &sbom.missing { li { (missing) } } }
            }
        } }
    }
}
