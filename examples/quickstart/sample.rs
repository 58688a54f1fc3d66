//! Makes the sample product's repository and container image, the same bytes each time.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use dhfpack::digest::Sha256;
use serde_json::{Value, json};
use ssh_key::private::{Ed25519Keypair, PrivateKey};
use ssh_key::{HashAlg, LineEnding};

/// The sample's version.
pub(crate) const VERSION: &str = "2.4.0";
/// The name under which an engine knows the sample's image, as its `dhfpack.toml` expects.
pub(crate) const IMAGE: &str = "infusion-monitor:2.4.0";

/// Not a secret: the sample is public, and a fixed key makes its tag the same bytes each time.
const SAMPLE_SEED: [u8; 32] = *b"dhfpack sample key, not a secret";
const SIGNER_NAME: &str = "Mara Lindqvist";
const SIGNER_EMAIL: &str = "mara.lindqvist@example.com";
const ALLOWED_SIGNERS: &str = "release/allowed_signers";
/// 2026-03-09T09:00:00Z.
const TAG_TIME: u64 = 1_773_046_800;

/// A commit of the sample's history.
struct Step {
    message: &'static str,
    time: &'static str,
    files: &'static [(&'static str, &'static str)],
}

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[$(($path, include_str!(concat!("../infusion-monitor/", $path)))),+]
    };
}

const HISTORY: [Step; 3] = [
    Step {
        message: "Raise an alarm when a pump deviates from its set rate (CR-118)",
        time: "2026-02-24T10:00:00+00:00",
        files: files![
            ".gitignore",
            "Dockerfile",
            "README.md",
            "requirements.lock",
            "src/alarm.py",
            "src/dashboard.py",
            "src/monitor.py",
            "tests/test_monitor.py",
        ],
    },
    Step {
        message: "Bring the documents to version 2.4.0",
        time: "2026-03-04T15:30:00+00:00",
        files: files![
            "docs/design/design-inputs.md",
            "docs/design/device-description.md",
            "docs/design/software-specifications.md",
            "docs/design/verification-plan.md",
            "docs/manuals/installation-manual.md",
            "docs/manuals/maintenance.md",
            "docs/manuals/servicing.md",
            "docs/manuals/user-manual.md",
            "docs/production/acceptance-criteria.md",
            "docs/production/build-process.md",
            "docs/production/labelling.md",
        ],
    },
    Step {
        message: "Add the records of release 2.4.0",
        time: "2026-03-06T16:45:00+00:00",
        files: files![
            "dhfpack.toml",
            "records/regulatory-decision.md",
            "records/release-notes.md",
            "records/sbom.cdx.json",
            "records/service-manual-entry.toml",
            "records/test-records/junit.xml",
            "records/test-records/summary.md",
        ],
    },
];

/// Every file of the sample with its text, but for the allowed signers.
pub(crate) fn files() -> impl Iterator<Item = (&'static str, &'static str)> {
    HISTORY.iter().flat_map(|step| step.files.iter().copied())
}

/// The sample's git repository.
pub(crate) struct SampleRepository {
    /// The checkout.
    pub(crate) root: PathBuf,
    /// The signed tag to release.
    pub(crate) tag: String,
    /// The commit that the tag names.
    pub(crate) commit: String,
}

/// Makes the repository in the folder `into`, which may exist if it is empty.
///
/// Its tag is signed with a fixed SSH key that its own `release/allowed_signers` names.
pub(crate) fn make_repository(into: &Path) -> Result<SampleRepository, Box<dyn Error>> {
    fs::create_dir_all(into)?;
    git(
        into,
        &["init", "--quiet", "--template=", "--initial-branch=main"],
        "",
        b"",
    )?;
    let key = PrivateKey::from(Ed25519Keypair::from_seed(&SAMPLE_SEED));
    let public = key.public_key().to_openssh()?;
    write_file(
        &into.join(ALLOWED_SIGNERS),
        format!("{SIGNER_EMAIL} namespaces=\"git\" {public}\n").as_bytes(),
    )?;
    for step in &HISTORY {
        for (path, text) in step.files {
            write_file(&into.join(path), text.as_bytes())?;
        }
        git(into, &["add", "--all"], "", b"")?;
        let commit = ["commit", "--quiet", "--message", step.message];
        git(into, &commit, step.time, b"")?;
    }
    let commit = git(into, &["rev-parse", "HEAD"], "", b"")?;
    let tag = format!("v{VERSION}");
    let object = signed_tag(&key, &tag, &commit)?;
    let hash = ["hash-object", "-t", "tag", "-w", "--stdin"];
    let id = git(into, &hash, "", object.as_bytes())?;
    git(
        into,
        &["update-ref", &format!("refs/tags/{tag}"), &id],
        "",
        b"",
    )?;
    Ok(SampleRepository {
        root: into.to_path_buf(),
        tag,
        commit,
    })
}

/// The bytes of an annotated tag with its signature, as `git tag --sign` writes them.
fn signed_tag(key: &PrivateKey, tag: &str, commit: &str) -> Result<String, Box<dyn Error>> {
    let payload = format!(
        "object {commit}\ntype commit\ntag {tag}\n\
         tagger {SIGNER_NAME} <{SIGNER_EMAIL}> {TAG_TIME} +0000\n\n\
         Infusion Monitor {VERSION}\n"
    );
    let signature = key.sign("git", HashAlg::Sha512, payload.as_bytes())?;
    let mut object = payload;
    object.push_str(&signature.to_pem(LineEnding::LF)?);
    if !object.ends_with('\n') {
        object.push('\n');
    }
    Ok(object)
}

/// Runs git without the configuration and the environment of whoever runs the sample.
fn git(root: &Path, args: &[&str], time: &str, input: &[u8]) -> Result<String, Box<dyn Error>> {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os() {
        if name.as_encoded_bytes().starts_with(b"GIT_") {
            command.env_remove(name);
        }
    }
    for role in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{role}_NAME"), SIGNER_NAME);
        command.env(format!("GIT_{role}_EMAIL"), SIGNER_EMAIL);
        command.env(format!("GIT_{role}_DATE"), time);
    }
    let mut child = command
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .args(["-c", "core.autocrlf=false", "-C"])
        .arg(root)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("git, which has to be installed, cannot be run: {error}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(input)?;
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr);
        return Err(format!("git {}: {message}", args.join(" ")).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}

/// A file of an OCI image layout: its path, and its bytes.
type LayoutFile = (String, Vec<u8>);

/// Writes the sample's image as an OCI image layout into the new folder `into`; returns its id.
pub(crate) fn make_image(into: &Path, commit: &str) -> Result<String, Box<dyn Error>> {
    let (id, files) = image_files(commit, IMAGE)?;
    fs::create_dir(into)?;
    for (path, bytes) in files {
        write_file(&into.join(path), &bytes)?;
    }
    Ok(id)
}

/// Writes the same image as a tar file for `docker load`, to be known there as `reference`.
/// Returns its id.
pub(crate) fn make_image_tar_for_engine(
    file: &Path,
    commit: &str,
    reference: &str,
) -> Result<String, Box<dyn Error>> {
    let (id, files) = image_files(commit, reference)?;
    File::create_new(file)?.write_all(&tar_of(&files)?)?;
    Ok(id)
}

/// The image's id and the files of its layout, by byte order of path.
fn image_files(commit: &str, reference: &str) -> Result<(String, Vec<LayoutFile>), Box<dyn Error>> {
    let layers = [
        tar_of(&below("src/", "opt/infusion-monitor/"))?,
        tar_of(&below("docs/manuals/", "usr/share/doc/infusion-monitor/"))?,
    ];
    let config = serde_json::to_vec(&image_config(commit, &layers))?;
    let manifest = serde_json::to_vec(&json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": descriptor("application/vnd.oci.image.config.v1+json", &config),
        "layers": layers.each_ref().map(|layer| {
            descriptor("application/vnd.oci.image.layer.v1.tar", layer)
        }),
    }))?;
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
    // Engines with the containerd store take the name from the first, other tools from the second.
    entry["annotations"] = json!({
        "io.containerd.image.name": format!("docker.io/library/{reference}"),
        "org.opencontainers.image.ref.name": VERSION,
    });
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry],
    });
    let for_engines = json!([{
        "Config": blob_path(&config),
        "RepoTags": [reference],
        "Layers": layers.each_ref().map(|layer| blob_path(layer)),
    }]);
    let id = format!("sha256:{}", Sha256::of(&config));
    let mut files = vec![
        (
            "oci-layout".to_owned(),
            serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?,
        ),
        ("index.json".to_owned(), serde_json::to_vec(&index)?),
        (
            "manifest.json".to_owned(),
            serde_json::to_vec(&for_engines)?,
        ),
    ];
    for blob in [config, manifest].into_iter().chain(layers) {
        files.push((blob_path(&blob), blob));
    }
    files.sort_unstable();
    Ok((id, files))
}

fn image_config(commit: &str, layers: &[Vec<u8>]) -> Value {
    let created = "2026-03-09T09:30:00Z";
    let history = |step: &str| json!({ "created": created, "created_by": step });
    let diff_ids: Vec<String> = layers
        .iter()
        .map(|layer| format!("sha256:{}", Sha256::of(layer)))
        .collect();
    json!({
        "architecture": "amd64",
        "os": "linux",
        "created": created,
        "config": {
            "Entrypoint": ["/usr/bin/python3", "/opt/infusion-monitor/monitor.py"],
            "Labels": {
                "org.opencontainers.image.title": "infusion-monitor",
                "org.opencontainers.image.version": VERSION,
                "org.opencontainers.image.revision": commit,
            },
        },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
        "history": [
            history("COPY src/ /opt/infusion-monitor/"),
            history("COPY docs/manuals/ /usr/share/doc/infusion-monitor/"),
        ],
    })
}

fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({
        "mediaType": media_type,
        "digest": format!("sha256:{}", Sha256::of(blob)),
        "size": blob.len(),
    })
}

fn blob_path(blob: &[u8]) -> String {
    format!("blobs/sha256/{}", Sha256::of(blob))
}

/// The sample's files below `folder`, with `target` in its place.
fn below(folder: &str, target: &str) -> Vec<LayoutFile> {
    files()
        .filter_map(|(path, text)| {
            let rest = path.strip_prefix(folder)?;
            Some((format!("{target}{rest}"), text.as_bytes().to_vec()))
        })
        .collect()
}

/// A tar of the files, with nothing in it that depends on the machine.
fn tar_of(files: &[LayoutFile]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, bytes) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(u64::try_from(bytes.len())?);
        header.set_mode(0o644);
        header.set_mtime(TAG_TIME);
        builder.append_data(&mut header, path, bytes.as_slice())?;
    }
    Ok(builder.into_inner()?)
}

fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Box<dyn Error>> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, bytes)?;
    Ok(())
}
