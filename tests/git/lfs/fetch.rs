//! Fetching objects that are not at hand, while the repository sets traps.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;

use dhfpack::digest::Sha256;
use serde_json::{Value, json};

use super::{LfsProduct, NEW, OLD};
use crate::support::git::{git, git_command, is_missing};
use crate::support::release::told;

impl LfsProduct {
    /// Clones the product into a bare repository beside it, brings the objects there, and takes
    /// them from the checkout.
    fn move_objects_to_a_remote(&self) -> String {
        let remote = self.place.path().join("a remote.git");
        let remote = remote.to_str().unwrap();
        let repository = self.repository();
        git(&repository, ["clone", "--quiet", "--bare", ".", remote]);
        git(&repository, ["remote", "add", "origin", remote]);
        git(&repository, ["lfs", "push", "--all", "origin"]);
        fs::remove_dir_all(repository.join(".git/lfs")).unwrap();
        remote.to_owned()
    }
}

#[test]
fn missing_objects_are_fetched_from_where_the_checkout_came() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    made.move_objects_to_a_remote();
    made.source("fetch_lfs = true");
    let built = made.build();
    assert!(built.status.success(), "{}", told(&built));
    made.assert_complete();
    // What was fetched is ours: the checkout is left as it was.
    assert!(!made.stored(OLD).exists());
}

#[cfg(unix)]
#[test]
fn no_program_or_address_that_the_repository_names_takes_part_in_a_fetch() {
    use std::os::unix::fs::PermissionsExt;
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let remote = made.move_objects_to_a_remote();
    let marker = made.place.path().join("executed");
    let trap = made.place.path().join("trap");
    let script = format!("#!/bin/sh\necho \"$0 $*\" >> '{}'\n", marker.display());
    fs::write(&trap, script).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    let (decoy, asked) = Decoy::start();
    let program = trap.to_str().unwrap();
    let alias = format!("!{program}");
    let repository = made.repository();
    // The address in the repository itself, and the way there that it names.
    let lfsconfig = format!(
        "[lfs]\n\turl = {decoy}\n\tstandalonetransferagent = trap\n\tfetchexclude = *\n[remote \"origin\"]\n\tlfsurl = {decoy}\n[lfs \"customtransfer.trap\"]\n\tpath = {program}\n"
    );
    fs::write(repository.join(".lfsconfig"), lfsconfig).unwrap();
    made.source("fetch_lfs = true");
    let url = git(&repository, ["config", "remote.origin.url"]);
    for (key, value) in [
        ("lfs.url", decoy.as_str()),
        ("remote.origin.lfsurl", &decoy),
        ("remote.lfsdefault", "nowhere"),
        (&format!("url.{decoy}.insteadOf"), &url),
        ("lfs.customtransfer.trap.path", program),
        ("lfs.standalonetransferagent", "trap"),
        (&format!("lfs.{url}.standalonetransferagent"), "trap"),
        ("lfs.extension.trap.clean", program),
        ("lfs.extension.trap.smudge", program),
        ("lfs.extension.trap.priority", "0"),
        ("lfs.fetchexclude", "*"),
        ("credential.helper", &alias),
        ("core.askPass", program),
        ("core.sshCommand", program),
        ("core.fsmonitor", program),
        ("alias.lfs", &alias),
        ("filter.lfs.process", program),
        ("filter.lfs.smudge", program),
    ] {
        git(&repository, ["config", key, value]);
    }
    // Git-lfs looks into a remote that is a folder.
    for (key, value) in [
        ("lfs.customtransfer.trap.path", program),
        ("lfs.standalonetransferagent", "trap"),
        ("core.fsmonitor", program),
        ("core.pager", program),
        ("core.sshCommand", program),
        ("uploadpack.packObjectsHook", program),
        ("alias.rev-parse", &alias),
    ] {
        git(Path::new(&remote), ["config", key, value]);
    }
    for hook in fs::read_dir(repository.join(".git/hooks")).unwrap() {
        fs::copy(&trap, hook.unwrap().path()).unwrap();
    }
    // The traps do work: git-lfs in the checkout falls into them.
    let mut careless = git_command(&repository);
    let _ = careless
        .args(["-c", "alias.lfs=", "lfs", "fetch", "--all"])
        .output();
    assert!(marker.exists());
    fs::remove_file(&marker).unwrap();
    asked.lock().unwrap().clear();
    let built = made.build();
    assert!(built.status.success(), "{}", told(&built));
    made.assert_complete();
    assert!(!marker.exists(), "{}", fs::read_to_string(&marker).unwrap());
    assert_eq!(*asked.lock().unwrap(), [""; 0]);
}

#[test]
fn missing_objects_are_fetched_over_http_from_the_configured_remote() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let store = made.repository().join(".git/lfs");
    let server = Server::start(store.join("objects"));
    made.source(&format!(
        "fetch_lfs = true\nremote = \"{server}/product.git\""
    ));
    let moved = made.place.path().join("moved");
    fs::rename(&store, &moved).unwrap();
    // Nothing there: the server says so, and so does the build.
    let message = made.refused(1);
    assert!(message.contains("does not exist"), "{message}");

    fs::rename(&moved, &store).unwrap();
    let kept = made.place.path().join("kept");
    fs::create_dir(&kept).unwrap();
    git(
        &made.repository(),
        ["config", "lfs.storage", kept.to_str().unwrap()],
    );
    let built = made.build();
    assert!(built.status.success(), "{}", told(&built));
    made.assert_complete();
}

#[test]
fn a_password_in_the_remote_is_not_shown_when_a_fetch_fails() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    let (decoy, asked) = Decoy::start();
    let url = decoy.replace("http://", "http://ci:s3cretToken@") + "/product.git";
    git(&made.repository(), ["remote", "add", "origin", &url]);
    fs::remove_dir_all(made.repository().join(".git/lfs")).unwrap();
    made.source("fetch_lfs = true");
    let message = made.refused(1);
    assert!(message.contains("fetching Git LFS objects"), "{message}");
    assert!(!message.contains("s3cretToken"), "{message}");
    assert!(!asked.lock().unwrap().is_empty());
}

#[test]
fn a_fetch_from_nowhere_or_by_a_program_is_refused() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    fs::remove_dir_all(made.repository().join(".git/lfs")).unwrap();
    made.source("fetch_lfs = true");
    let message = made.refused(1);
    assert!(message.contains("no remote to fetch"), "{message}");
    for url in [
        "ext::sh -c true",
        "ssh://-oProxyCommand=true/x",
        "-x",
        "ssh://a@-x/b",
    ] {
        git(&made.repository(), ["config", "remote.origin.url", url]);
        let message = made.refused(1);
        assert!(message.contains("is not a URL that Git LFS"), "{message}");
    }
}

#[cfg(unix)]
#[test]
fn a_fetch_without_git_lfs_says_what_to_install() {
    if is_missing("git-lfs") {
        return;
    }
    let made = LfsProduct::new();
    made.move_objects_to_a_remote();
    made.source("fetch_lfs = true");
    let programs = made.place.path().join("bin");
    fs::create_dir(&programs).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    let mut folders = std::env::split_paths(&path).map(|folder| folder.join("git"));
    let real = folders.find(|path| path.exists()).unwrap();
    std::os::unix::fs::symlink(real, programs.join("git")).unwrap();
    let output = made.build_command("out").env("PATH", programs).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    assert!(
        told(&output).contains("install git-lfs"),
        "{}",
        told(&output)
    );
}

/// A server that answers nothing but errors, and keeps what it was asked.
struct Decoy;

impl Decoy {
    fn start() -> (String, Arc<Mutex<Vec<String>>>) {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&asked);
        let url = serve(move |request| {
            kept.lock().unwrap().push(request.target.clone());
            (500, b"{}".to_vec())
        });
        (url, asked)
    }
}

/// The batch interface of Git LFS, and the objects of a folder.
struct Server;

impl Server {
    fn start(objects: std::path::PathBuf) -> String {
        serve(move |request| {
            if request.target.ends_with("/info/lfs/objects/batch") {
                return (200, batch(&objects, request));
            }
            let oid = request.target.rsplit('/').next().unwrap();
            let known = [OLD, NEW].map(|content| Sha256::of(content).to_string());
            assert!(known.contains(&oid.to_owned()), "{}", request.target);
            (200, fs::read(object(&objects, oid)).unwrap())
        })
    }
}

fn object(objects: &Path, oid: &str) -> std::path::PathBuf {
    objects.join(&oid[..2]).join(&oid[2..4]).join(oid)
}

fn batch(objects: &Path, request: &Request) -> Vec<u8> {
    let asked: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(asked["operation"], "download");
    let answer = |wanted: &Value| {
        let oid = wanted["oid"].as_str().unwrap();
        let mut answer = wanted.clone();
        if object(objects, oid).exists() {
            let href = format!("http://{}/objects/{oid}", request.host);
            answer["actions"] = json!({ "download": { "href": href } });
        } else {
            answer["error"] = json!({ "code": 404, "message": "Object does not exist" });
        }
        answer
    };
    let wanted = asked["objects"].as_array().unwrap().iter();
    let objects: Vec<Value> = wanted.map(answer).collect();
    serde_json::to_vec(&json!({ "transfer": "basic", "objects": objects })).unwrap()
}

struct Request {
    target: String,
    host: String,
    body: Vec<u8>,
}

/// Answers requests on a free port until the tests end; returns the URL.
fn serve(answer: impl Fn(&Request) -> (u16, Vec<u8>) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answer = Arc::clone(&answer);
            thread::spawn(move || answer_one(&stream.unwrap(), &*answer));
        }
    });
    url
}

fn answer_one(mut stream: &TcpStream, answer: &dyn Fn(&Request) -> (u16, Vec<u8>)) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let (mut host, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "host" => value.clone_into(&mut host),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let (status, body) = answer(&Request { target, host, body });
    let head = format!(
        "HTTP/1.1 {status} x\r\nContent-Type: application/vnd.git-lfs+json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    // The other side may have gone.
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(&body);
}
