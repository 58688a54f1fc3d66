//! Small images in every form in which they come, and an engine that can misbehave.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use dhfpack::digest::Sha256;
use serde_json::{Value, json};
use tempfile::TempDir;

/// An image: its config and its layers, lowest first.
#[derive(Clone)]
pub(crate) struct TestImage {
    pub(crate) config: Vec<u8>,
    pub(crate) layers: Vec<Vec<u8>>,
}

impl TestImage {
    pub(crate) fn new(layers: Vec<Vec<u8>>) -> Self {
        Self::with_platform(layers, &json!({ "architecture": "amd64", "os": "linux" }))
    }

    pub(crate) fn with_platform(layers: Vec<Vec<u8>>, platform: &Value) -> Self {
        let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
        let mut config = platform.clone();
        config["config"] = json!({ "Labels": { "purpose": "test" } });
        config["rootfs"] = json!({ "type": "layers", "diff_ids": diff_ids });
        let config = serde_json::to_vec(&config).unwrap();
        Self { config, layers }
    }

    /// Two layers of some hundred KiB, so that more than one buffer is needed.
    pub(crate) fn usual() -> Self {
        let large: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        Self::new(vec![layer("a", &large), layer("b", b"small")])
    }

    pub(crate) fn id(&self) -> Sha256 {
        Sha256::of(&self.config)
    }

    pub(crate) fn config_name(&self) -> String {
        format!("{}.json", self.id())
    }

    /// `manifest.json` as engines write it.
    pub(crate) fn listing(&self, layers: &[String]) -> Vec<u8> {
        let listed =
            json!([{ "Config": self.config_name(), "RepoTags": ["t:1"], "Layers": layers }]);
        serde_json::to_vec(&listed).unwrap()
    }

    /// The entries that engines up to 24 export: an equal layer is a link to the first.
    pub(crate) fn legacy(&self) -> Vec<TarEntry> {
        let mut entries = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let folder = Sha256::of(format!("folder {number}").as_bytes()).to_string();
            let name = format!("{folder}/layer.tar");
            entries.push(TarEntry::Folder(format!("{folder}/")));
            entries.push(TarEntry::file(format!("{folder}/VERSION"), b"1.0"));
            entries.push(TarEntry::file(format!("{folder}/json"), b"{\"id\":\"x\"}"));
            let first = self.layers.iter().position(|one| one == layer).unwrap();
            entries.push(match names.get(first) {
                Some(first) => TarEntry::Symlink(name.clone(), format!("../{first}")),
                None => TarEntry::file(&name, layer),
            });
            names.push(name);
        }
        entries.push(TarEntry::file(self.config_name(), &self.config));
        entries.push(TarEntry::file("manifest.json", &self.listing(&names)));
        entries.push(TarEntry::file("repositories", b"{}"));
        entries
    }

    /// The blobs of an OCI layout, and `index.json`; with `pack` for how layers are stored.
    pub(crate) fn layout(&self, pack: fn(&[u8]) -> Vec<u8>) -> Vec<TarEntry> {
        let kind = "application/vnd.oci.image.layer.v1.tar";
        let layers: Vec<Vec<u8>> = self.layers.iter().map(|layer| pack(layer)).collect();
        let listed: Vec<Value> = layers.iter().map(|one| descriptor(kind, one)).collect();
        let manifest = serde_json::to_vec(&json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config),
            "layers": listed,
        }))
        .unwrap();
        let mut entries = index(&[descriptor(MANIFEST, &manifest)]);
        entries.push(TarEntry::blob(&self.config));
        entries.push(TarEntry::blob(&manifest));
        for (number, layer) in layers.iter().enumerate() {
            if !layers[..number].contains(layer) {
                entries.push(TarEntry::blob(layer));
            }
        }
        entries
    }

    /// What engines from 25 on export: the layout with a `manifest.json` beside it.
    pub(crate) fn hybrid(&self, pack: fn(&[u8]) -> Vec<u8>) -> Vec<TarEntry> {
        let mut entries = self.layout(pack);
        let layers: Vec<String> = self.layers.iter().map(|one| blob(&pack(one))).collect();
        let listed = json!([{ "Config": blob(&self.config), "RepoTags": null, "Layers": layers }]);
        let listed = serde_json::to_vec(&listed).unwrap();
        entries.push(TarEntry::file("manifest.json", &listed));
        entries
    }
}

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// `oci-layout` and the `index.json` that names these manifests.
pub(crate) fn index(manifests: &[Value]) -> Vec<TarEntry> {
    let index = json!({ "schemaVersion": 2, "manifests": manifests });
    vec![
        TarEntry::file("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}"),
        TarEntry::file("index.json", &serde_json::to_vec(&index).unwrap()),
    ]
}

pub(crate) fn descriptor(media_type: &str, blob: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(blob), "size": blob.len() })
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", Sha256::of(bytes))
}

pub(crate) fn blob(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Sha256::of(bytes))
}

/// A layer that holds one file.
pub(crate) fn layer(name: &str, content: &[u8]) -> Vec<u8> {
    tar_of(&[TarEntry::file(name, content)])
}

pub(crate) fn plain(layer: &[u8]) -> Vec<u8> {
    layer.to_vec()
}

pub(crate) fn gzip(layer: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(layer).unwrap();
    packer.finish().unwrap()
}

pub(crate) fn zstd(layer: &[u8]) -> Vec<u8> {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    compress_to_vec(layer, CompressionLevel::Fastest)
}

/// An entry of a tar.
#[derive(Clone)]
pub(crate) enum TarEntry {
    File(String, Vec<u8>),
    Folder(String),
    Symlink(String, String),
    Hardlink(String, String),
    Device(String),
}

impl TarEntry {
    pub(crate) fn file(name: impl Into<String>, content: &[u8]) -> Self {
        Self::File(name.into(), content.to_vec())
    }

    pub(crate) fn blob(content: &[u8]) -> Self {
        Self::file(blob(content), content)
    }

    pub(crate) fn name(&self) -> &str {
        match self {
            Self::File(name, _)
            | Self::Folder(name)
            | Self::Symlink(name, _)
            | Self::Hardlink(name, _)
            | Self::Device(name) => name,
        }
    }
}

/// A tar of these entries, whatever their names.
pub(crate) fn tar_of(entries: &[TarEntry]) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        let (kind, target, content): (_, &str, &[u8]) = match entry {
            TarEntry::File(_, content) => (tar::EntryType::Regular, "", content),
            TarEntry::Folder(_) => (tar::EntryType::Directory, "", b""),
            TarEntry::Symlink(_, target) => (tar::EntryType::Symlink, target, b""),
            TarEntry::Hardlink(_, target) => (tar::EntryType::Link, target, b""),
            TarEntry::Device(_) => (tar::EntryType::Block, "", b""),
        };
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        let fields = header.as_old_mut();
        fields.name[..entry.name().len()].copy_from_slice(entry.name().as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// Writes these entries as files below `folder`.
pub(crate) fn unpack(entries: &[TarEntry], folder: &Path) {
    for entry in entries {
        if let TarEntry::File(name, content) = entry {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
    }
}

/// What a fake engine does when it is asked for an image.
pub(crate) enum Answer {
    /// Sends these bytes and ends the answer as it should be.
    Whole(Vec<u8>),
    /// Sends these bytes and closes the connection.
    Cut(Vec<u8>),
    /// Sends these bytes, and then nothing.
    Silence(Vec<u8>),
    /// Says nothing when asked what the path ends in.
    Deaf(&'static str),
    /// Sends what is given for the path and its query, and 404 for any other.
    Pages(Vec<(String, Vec<u8>)>),
}

/// An engine on a socket of its own.
pub(crate) struct FakeEngine {
    folder: TempDir,
}

impl FakeEngine {
    /// An engine that knows one image, by any name, as `id`.
    pub(crate) fn start(id: Sha256, answer: Answer) -> Self {
        let folder = TempDir::new().unwrap();
        let engine = Self { folder };
        let listener = UnixListener::bind(engine.folder.path().join("engine")).unwrap();
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let answer = Arc::clone(&answer);
                // A client that goes away is not the engine's failure.
                thread::spawn(move || serve(&connection.unwrap(), id, &answer).unwrap_or(()));
            }
        });
        engine
    }

    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("engine")
    }
}

fn serve(connection: &UnixStream, id: Sha256, answer: &Answer) -> std::io::Result<()> {
    let mut requests = BufReader::new(connection.try_clone()?).lines();
    while let Some(request) = requests.next().transpose()? {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        while requests
            .next()
            .transpose()?
            .is_some_and(|line| !line.is_empty())
        {}
        match answer {
            Answer::Deaf(end) if path.ends_with(end) => return wait_for_end(connection),
            Answer::Pages(pages) => match pages.iter().find(|(of, _)| *of == path) {
                Some((_, body)) => {
                    chunks(connection, body)?;
                    (&*connection).write_all(b"0\r\n\r\n")?;
                }
                None => (&*connection).write_all(
                    b"HTTP/1.1 404 Not Found\r\nContent-Length: 20\r\n\r\n{\"message\":\"absent\"}",
                )?,
            },
            _ if path.ends_with("/version") => small(connection, &json!({ "ApiVersion": "1.41" }))?,
            _ if path.ends_with("/json") => small(
                connection,
                &json!({ "Id": format!("sha256:{id}"), "RepoDigests": ["b@sha256:1", "a@sha256:1"] }),
            )?,
            Answer::Whole(body) => {
                chunks(connection, body)?;
                (&*connection).write_all(b"0\r\n\r\n")?;
            }
            Answer::Cut(body) => return chunks(connection, body),
            Answer::Silence(body) => {
                chunks(connection, body)?;
                return wait_for_end(connection);
            }
            Answer::Deaf(_) => return Ok(()),
        }
    }
    Ok(())
}

fn wait_for_end(mut connection: &UnixStream) -> std::io::Result<()> {
    connection.read(&mut [0]).map(drop)
}

fn small(mut connection: &UnixStream, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let length = body.len();
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// The head of an answer and its body in chunks of the size that engines send.
fn chunks(mut connection: &UnixStream, body: &[u8]) -> std::io::Result<()> {
    write!(
        connection,
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\nTransfer-Encoding: chunked\r\n\r\n"
    )?;
    for chunk in body.chunks(32 * 1024) {
        write!(connection, "{:x}\r\n", chunk.len())?;
        connection.write_all(chunk)?;
        connection.write_all(b"\r\n")?;
    }
    Ok(())
}
