//! Ways to tamper with an archive.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use dhfpack::config::Meaning;
use dhfpack::digest::Sha256;
use dhfpack::sign::{Generated, Predicate, Signer, Statement, Tool, cms, generate};
use jiff::{SignedDuration, Timestamp};

use super::MANUAL;
use crate::support::release::listing;

pub(crate) fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// A CMS ends with the signature itself.
pub(crate) fn flip_last(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(path, bytes).unwrap();
}

pub(crate) fn flip_text(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{} holds no {from}", path.display());
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

pub(crate) fn truncate(path: &Path) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let size = file.metadata().unwrap().len();
    file.set_len(size / 2).unwrap();
}

pub(crate) fn append(path: &Path, bytes: &[u8]) {
    OpenOptions::new()
        .append(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

pub(crate) fn rename(archive: &Path, from: &str, to: &str) {
    fs::rename(archive.join(from), archive.join(to)).unwrap();
}

pub(crate) fn largest_blob(archive: &Path) -> PathBuf {
    let blobs = archive.join("Design Outputs/Installation Image/install/blobs/sha256");
    fs::read_dir(blobs)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .max_by_key(|path| fs::metadata(path).unwrap().len())
        .unwrap()
}

pub(crate) fn change_manifest(archive: &Path) {
    in_manifest(archive, "Infusion Monitor", "Infusion Mongler");
}

pub(crate) fn in_manifest(archive: &Path, from: &str, to: &str) {
    flip_text(&archive.join("Manifest/manifest.json"), from, to);
}

/// What a careful forger does: manifest and checksums agree with the changed file.
pub(crate) fn forge(archive: &Path) {
    let manual = archive.join(MANUAL);
    let before = digest(&manual);
    flip(&manual);
    let after = digest(&manual);
    reseal_lists(archive, |archive| in_manifest(archive, &before, &after));
    flip_text(&archive.join("Manifest/SHA256SUMS"), &before, &after);
}

/// Changes the manifest, and its line in the checksums with it.
pub(crate) fn reseal_lists(archive: &Path, change: impl Fn(&Path)) {
    let manifest = archive.join("Manifest/manifest.json");
    let before = digest(&manifest);
    change(archive);
    let sums = archive.join("Manifest/SHA256SUMS");
    flip_text(&sums, &before, &digest(&manifest));
}

fn digest(path: &Path) -> String {
    Sha256::of(&fs::read(path).unwrap()).to_string()
}

pub(crate) fn list_twice(archive: &Path) {
    let path = archive.join("Manifest/manifest.json");
    let text = fs::read_to_string(&path).unwrap();
    let line = text.lines().find(|line| line.contains(MANUAL)).unwrap();
    fs::write(&path, text.replacen(line, &format!("{line}\n{line}"), 1)).unwrap();
}

pub(crate) fn statements(archive: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(archive.join("Manifest/signatures"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    found.sort();
    found
}

pub(crate) fn statement(archive: &Path, index: usize) -> PathBuf {
    statements(archive).swap_remove(index)
}

pub(crate) fn signature(archive: &Path, index: usize) -> PathBuf {
    let mut name = statement(archive, index).into_os_string();
    name.push(".p7s");
    name.into()
}

/// The builder's statement is the first; everyone after it names it.
pub(crate) fn remove_first(archive: &Path) {
    for path in statements(archive) {
        if fs::read_to_string(&path)
            .unwrap()
            .contains("\"Release Builder\"")
        {
            let mut signature = path.clone().into_os_string();
            signature.push(".p7s");
            fs::remove_file(path).unwrap();
            fs::remove_file(signature).unwrap();
        }
    }
}

/// Where the certificate of a signer lies whom the tampering put in: beside the archive, which
/// is each test's own.
pub(crate) fn certificate(archive: &Path, who: &str) -> PathBuf {
    archive.parent().unwrap().join(format!("{who}.cert.pem"))
}

/// Takes a required role's statement out and puts one in its place by somebody else's key.
pub(crate) fn sign_instead(archive: &Path, who: &str) {
    const ROLE: &str = "Quality Systems SME";
    let folder = archive.join("Manifest/signatures");
    for (name, _) in listing(&folder) {
        if name.starts_with("quality-systems-sme") {
            fs::remove_file(folder.join(name)).unwrap();
        }
    }
    let now = Timestamp::now();
    let (role, begun) = match who {
        "expired" => (ROLE, now - SignedDuration::from_hours(24 * 800)),
        "machine" => ("Release Builder", now),
        _ => (ROLE, now),
    };
    let made = generate(who, &[role.to_owned()], None, begun, 1).unwrap();
    fs::write(certificate(archive, who), &made.certificate_pem).unwrap();
    let digest = |path: &str| Sha256::of(&fs::read(archive.join(path)).unwrap());
    let predicate = Predicate {
        earlier: Vec::new(),
        name: who.to_owned(),
        role: ROLE.to_owned(),
        meaning: Meaning::Release,
        signed_at: now.round(jiff::Unit::Second).unwrap(),
        tool: Tool::this(),
        observations: BTreeMap::new(),
    };
    put_statement(
        archive,
        &digest("Manifest/manifest.json"),
        &digest("Manifest/SHA256SUMS"),
        predicate,
        &made,
    );
}

/// Adds what a signer signed about another archive.
pub(crate) fn add_foreign(archive: &Path) {
    let made = generate(
        "foreign",
        &["Engineering SME".to_owned()],
        None,
        Timestamp::now(),
        1,
    )
    .unwrap();
    let predicate = Predicate {
        earlier: Vec::new(),
        name: "foreign".to_owned(),
        role: "Engineering SME".to_owned(),
        meaning: Meaning::Release,
        signed_at: Timestamp::now().round(jiff::Unit::Second).unwrap(),
        tool: Tool::this(),
        observations: BTreeMap::new(),
    };
    put_statement(
        archive,
        &Sha256::of(b"other"),
        &Sha256::of(b"another"),
        predicate,
        &made,
    );
}

pub(crate) fn put_statement(
    archive: &Path,
    manifest: &Sha256,
    sums: &Sha256,
    predicate: Predicate,
    made: &Generated,
) {
    let signer = Signer::load(
        made.key_pem.as_bytes(),
        made.certificate_pem.as_bytes(),
        None,
    )
    .unwrap();
    let time = predicate.signed_at;
    let statement = Statement::new(*manifest, *sums, predicate)
        .to_bytes()
        .unwrap();
    let signature = cms::sign(&statement, &signer, time).unwrap();
    let folder = archive.join("Manifest/signatures");
    fs::write(folder.join("put-instead.json"), statement).unwrap();
    fs::write(folder.join("put-instead.json.p7s"), signature).unwrap();
}

/// Packs with Python, and adds to the container what no folder can hold.
pub(crate) fn pack_with(archive: &Path, container: &str, fault: &str) -> PathBuf {
    const SCRIPT: &str = r#"
import io, os, stat, sys, tarfile, zipfile, warnings
warnings.simplefilter("ignore")
folder, container, fault, out = sys.argv[1:]
name = os.path.basename(folder)
manual = name + "/Design Outputs/User Manual/user-manual.md"
extra = {"duplicate": manual, "escape": name + "/../../escaped", "link": name + "/link"}.get(fault)
if container == "tar":
    with tarfile.open(out, "w") as t:
        t.add(folder, name)
        if extra:
            info = tarfile.TarInfo(extra)
            if fault == "link":
                info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
                t.addfile(info)
            else:
                info.size = 1
                t.addfile(info, io.BytesIO(b"x"))
else:
    with zipfile.ZipFile(out, "w") as z:
        for root, _, files in os.walk(folder):
            for f in files:
                path = os.path.join(root, f)
                z.write(path, os.path.join(name, os.path.relpath(path, folder)))
        if extra:
            info = zipfile.ZipInfo(extra)
            mode = stat.S_IFLNK | 0o777 if fault == "link" else stat.S_IFREG | 0o644
            info.create_system, info.external_attr = 3, mode << 16
            z.writestr(info, "/etc/passwd")
size = os.path.getsize(out)
if fault == "cut":
    os.truncate(out, size * 2 // 3)
if fault == "trailing":
    open(out, "ab").write(b"behind" * 1000)
"#;
    let out = archive.with_extension(container);
    let status = std::process::Command::new("python3")
        .args(["-c", SCRIPT])
        .arg(archive)
        .args([container, fault])
        .arg(&out)
        .status()
        .unwrap();
    assert!(status.success());
    out
}

pub(crate) fn swap_statements(archive: &Path) {
    swap(&statement(archive, 0), &statement(archive, 1));
}

pub(crate) fn swap_signatures(archive: &Path) {
    swap(&signature(archive, 0), &signature(archive, 1));
}

pub(crate) fn swap(first: &Path, second: &Path) {
    let bytes = (fs::read(first).unwrap(), fs::read(second).unwrap());
    fs::write(first, bytes.1).unwrap();
    fs::write(second, bytes.0).unwrap();
}

#[cfg(unix)]
pub(crate) fn symlink_file(archive: &Path) {
    let manual = archive.join(MANUAL);
    let moved = archive.parent().unwrap().join("moved.md");
    fs::rename(&manual, &moved).unwrap();
    std::os::unix::fs::symlink(moved, manual).unwrap();
}

#[cfg(unix)]
pub(crate) fn symlink_folder(archive: &Path) {
    let folder = archive.join("Design Outputs/User Manual");
    let moved = archive.parent().unwrap().join("moved");
    fs::rename(&folder, &moved).unwrap();
    std::os::unix::fs::symlink(moved, folder).unwrap();
}

#[cfg(unix)]
pub(crate) fn pipe(archive: &Path) {
    let status = std::process::Command::new("mkfifo")
        .arg(archive.join("Design Outputs/pipe"))
        .status()
        .unwrap();
    assert!(status.success());
}
