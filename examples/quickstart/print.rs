//! What the quickstart tells.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use dhfpack::publish::Report;
use dhfpack::verify::{Status, Verdict};

use crate::place::Place;
use crate::{APPROVERS, BUILDER};

/// Prints a folder and all below it, by name.
pub(crate) fn tree(out: &mut dyn Write, folder: &Path) -> io::Result<()> {
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    writeln!(out, "\n{}/", name.display())?;
    below(out, folder, 1)
}

fn below(out: &mut dyn Write, folder: &Path, depth: usize) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_unstable_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let is_folder = entry.file_type()?.is_dir();
        let slash = if is_folder { "/" } else { "" };
        let indent = "  ".repeat(depth);
        writeln!(out, "{indent}{}{slash}", entry.file_name().display())?;
        if is_folder {
            below(out, &entry.path(), depth + 1)?;
        }
    }
    Ok(())
}

/// Prints what became of each step of publishing, as `dhfpack status` does later.
pub(crate) fn steps(out: &mut dyn Write, steps: &[Report]) -> io::Result<()> {
    for step in steps {
        let (name, state) = (step.step.name(), step.state.name());
        writeln!(out, "  {name:<10} {state}: {}", step.detail)?;
    }
    Ok(())
}

/// Prints who signed, and the verdict.
pub(crate) fn verdict(out: &mut dyn Write, verdict: &Verdict) -> io::Result<()> {
    writeln!(out)?;
    if let Some(digest) = verdict.manifest_sha256() {
        writeln!(out, "manifest  {digest}")?;
    }
    writeln!(
        out,
        "read      {} files, {} bytes",
        verdict.files(),
        verdict.bytes()
    )?;
    for signer in verdict.signers() {
        writeln!(
            out,
            "signed    {} as {}, {}, {}",
            signer.name,
            signer.role,
            signer.meaning.as_str(),
            signer.signed_at
        )?;
    }
    let status = match verdict.status() {
        Status::Draft => "draft",
        Status::Pending => "pending",
        Status::Released => "released",
    };
    let passed = if verdict.passed() {
        "passed"
    } else {
        "NOT passed"
    };
    writeln!(out, "status    {status}\nverdict   {passed}")
}

/// Prints commands that go on from here, to be pasted.
pub(crate) fn commands(
    out: &mut dyn Write,
    place: &Place,
    archive: &Path,
    published: &Path,
) -> Result<(), Box<dyn Error>> {
    let archive = quoted(&shown(archive));
    let (published, store) = (quoted(&shown(published)), quoted(&shown(&place.store())));
    let trust: Vec<String> = APPROVERS
        .into_iter()
        .chain([BUILDER])
        .map(|(_, _, file)| format!("--trust {}", quoted(&shown(&place.certificate(file)))))
        .collect();
    let trust = trust.join(" ");
    let writer = quoted(&shown(&place.certificate(BUILDER.2)));
    let product = quoted(&shown(&place.product()));
    let image = quoted(&format!("install={}", place.image_source()));
    let run = "cargo run --release --";
    writeln!(out, "\nTry next:")?;
    writeln!(out, "  {run} show {archive}")?;
    writeln!(out, "  {run} verify {archive} {trust}")?;
    writeln!(
        out,
        "  {run} rebuild {archive} --repo {product} --image {image}"
    )?;
    writeln!(out, "  {run} status {published} {trust}")?;
    writeln!(
        out,
        "  {run} registry verify {store} --trust {writer} --archives"
    )?;
    Ok(())
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// In double quotes where a shell would split it; every common shell takes those.
fn quoted(text: &str) -> String {
    if text.contains(|c: char| c.is_whitespace() || "&;()'".contains(c)) {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

/// Prints an error and what was behind it. Nobody is left to tell if even this fails.
pub(crate) fn failure(error: &dyn Error) {
    let mut stderr = io::stderr().lock();
    let _ = writeln!(stderr, "quickstart: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = writeln!(stderr, "  because: {error}");
        cause = error.source();
    }
}
