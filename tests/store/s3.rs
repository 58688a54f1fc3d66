//! The program and an S3 server: logins, trust, secrets, and servers that are not honest.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use dhfpack::monitor::Silent;
use dhfpack::store::{self, Access};

use super::contract::{STORE, in_child};
use crate::support::registry::{DOMAIN, Storage};
use crate::support::release::{NAME, Release, dhfpack, released, told};
use crate::support::s3::{BUCKET, Kind, SECRET, Server};
use crate::support::stand_in::{Reply, StandIn, proxy_to};

const TOKEN: &str = "FwoGZXIvYXdzEXAMPLE-session-token-4711";

/// `dhfpack publish` of the sample's archive, with a server's login.
fn publish(release: &Release, server: &Server, to: &str) -> Command {
    let mut command = dhfpack();
    command.arg("publish").arg(&release.archive);
    command.arg("--to").arg(to).envs(server.login());
    command
}

fn fails(output: &Output, parts: &[&str]) {
    let text = told(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    // Long lines are wrapped.
    let words: Vec<&str> = text
        .split(['│', ' ', '\n'])
        .filter(|word| !word.is_empty())
        .collect();
    let line = words.join(" ");
    for part in parts {
        assert!(line.contains(part), "{part} is not in {text}");
    }
    assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
}

#[test]
fn an_archive_is_published_to_s3_verified_there_and_a_second_time_skipped() {
    let release = released();
    for kind in [Kind::S3sFs, Kind::Ministack, Kind::Azure, Kind::Gcs] {
        let Some(server) = Server::start(kind) else {
            continue;
        };
        let to = server.url("products");
        let output = publish(release, &server, &to)
            .arg("--json")
            .output()
            .unwrap();
        assert!(output.status.success(), "{kind:?}: {}", told(&output));
        let first: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(first["skipped"], 0, "{first}");
        let location = first["location"].as_str().unwrap();
        assert!(location.contains(NAME), "{location}");

        let verified = release
            .product
            .verify(Path::new(location))
            .envs(server.login())
            .output()
            .unwrap();
        assert!(verified.status.success(), "{kind:?}: {}", told(&verified));

        let output = publish(release, &server, &to)
            .arg("--json")
            .output()
            .unwrap();
        let second: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(
            (&second["copied"], &second["skipped"]),
            (&0.into(), &first["copied"])
        );
    }
}

#[test]
fn no_secret_is_written_anywhere() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let to = server.url("secrets");
    let publish = || {
        let mut command = publish(released(), &server, &to);
        command
            .env("AWS_SESSION_TOKEN", TOKEN)
            .env("RUST_LOG", "trace");
        command.args(["--progress", "plain"]).output().unwrap()
    };
    let mut written = told(&publish());
    // And again when something goes wrong.
    fs::write(
        server.files().join(format!("secrets/{NAME}/index.html")),
        "other",
    )
    .unwrap();
    let refused = publish();
    assert!(!refused.status.success());
    written += &told(&refused);
    let wrong_region = to.replace("releases/", "elsewhere/");
    written += &told(&publish_to(&server, &wrong_region));
    for secret in [SECRET, TOKEN] {
        assert!(!written.contains(secret), "{written}");
    }
    for entry in walkdir::WalkDir::new(server.files()) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let bytes = fs::read(entry.path()).unwrap();
            let text = String::from_utf8_lossy(&bytes);
            assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{entry:?}");
        }
    }
}

fn publish_to(server: &Server, to: &str) -> Output {
    publish(released(), server, to).output().unwrap()
}

#[test]
fn what_is_wrong_with_a_login_or_a_bucket_is_said_with_what_to_do() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let to = server.url("products");
    let none = publish(released(), &server, &to)
        .env_remove("AWS_ACCESS_KEY_ID")
        .output()
        .unwrap();
    fails(&none, &["no login was found", "AWS_ACCESS_KEY_ID"]);
    let wrong = publish(released(), &server, &to)
        .env("AWS_SECRET_ACCESS_KEY", TOKEN)
        .output()
        .unwrap();
    fails(
        &wrong,
        &["403", "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"],
    );
    let nowhere = publish_to(&server, &to.replace("releases/", "elsewhere/"));
    fails(
        &nowhere,
        &["NoSuchBucket", "s3://elsewhere/products", "check its name"],
    );
    let port = server.port;
    drop(server);
    let server = Server::start(Kind::S3sFs).unwrap();
    let gone = publish_to(&server, &server.url_at(port, "products"));
    fails(&gone, &["cannot be reached", "check the address"]);
}

#[test]
fn a_login_comes_from_a_profile_as_well() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let home = tempfile::tempdir().unwrap();
    fs::create_dir(home.path().join(".aws")).unwrap();
    let [key, secret] = [0, 1].map(|index| server.login()[index].1.clone());
    let text = format!("[maker]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
    fs::write(home.path().join(".aws/credentials"), text).unwrap();
    let output = dhfpack()
        .arg("publish")
        .arg(&released().archive)
        .args(["--to", &server.url("products")])
        .env("HOME", home.path())
        .env("AWS_PROFILE", "maker")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn a_login_comes_from_the_role_of_a_machine_as_well() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let [key, secret] = [0, 1].map(|index| server.login()[index].1.clone());
    let role = serde_json::json!({
        "AccessKeyId": key, "SecretAccessKey": secret, "Token": TOKEN,
        "Expiration": "2099-01-01T00:00:00Z",
    });
    let machine = StandIn::start(move |_| Reply::ok(role.to_string()));
    let output = dhfpack()
        .arg("publish")
        .arg(&released().archive)
        .args(["--to", &server.url("products")])
        .env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("http://{}", machine.name("role")),
        )
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(!told(&output).contains(TOKEN));
}

#[test]
fn an_authority_of_ones_own_has_to_be_named() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let storage = Storage::new();
    let authority = storage.authority();
    let folder = authority.parent().unwrap();
    let front = TlsFront::start(server.port, folder);
    let to = server
        .url_at(front.port, "products")
        .replace("http://", "https://");
    let untrusted = publish_to(&server, &to);
    fails(&untrusted, &["vouches", "DHFPACK_CA_FILE"]);
    let trusted = publish(released(), &server, &to)
        .env("DHFPACK_CA_FILE", &authority)
        .output()
        .unwrap();
    assert!(trusted.status.success(), "{}", told(&trusted));
    let broken = publish(released(), &server, &to)
        .env("DHFPACK_CA_FILE", file!())
        .output()
        .unwrap();
    fails(&broken, &["holds no certificate", "BEGIN CERTIFICATE"]);
}

#[test]
fn a_proxy_of_the_environment_is_asked_for_servers_elsewhere_alone() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let storage = Storage::new();
    let authority = storage.authority();
    let front = TlsFront::start(server.port, authority.parent().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    let proxy = proxy_to(front.port, move |line| record.lock().unwrap().push(line));
    let publish = |to: &str| {
        let mut command = publish(released(), &server, to);
        command.env("HTTPS_PROXY", format!("http://127.0.0.1:{proxy}"));
        command.env("HTTP_PROXY", format!("http://127.0.0.1:{proxy}"));
        let output = command.env("DHFPACK_CA_FILE", &authority).output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    };
    publish(&server.url("here"));
    assert!(asked.lock().unwrap().is_empty());
    publish(&format!(
        "s3://{BUCKET}/elsewhere?endpoint=https://{DOMAIN}"
    ));
    let asked = asked.lock().unwrap();
    let tunnel = format!("CONNECT {DOMAIN}:443 ");
    assert!(
        !asked.is_empty() && asked.iter().all(|line| line.starts_with(&tunnel)),
        "{asked:?}"
    );
}

/// A program that takes TLS for a server, stopped when dropped.
struct TlsFront {
    process: Child,
    port: u16,
}

impl TlsFront {
    fn start(port: u16, folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/tls.py");
        let mut process = Command::new("python3")
            .arg(script)
            .arg(port.to_string())
            .arg(folder.join("tls.crt"))
            .arg(folder.join("tls.key"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let port = line.trim().parse().unwrap();
        Self { process, port }
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A server that lists these names, a thousand at a time.
fn listing(names: Vec<String>) -> StandIn {
    StandIn::start(move |asked| {
        let from = asked.path.split("continuation-token=").nth(1);
        let from: usize = from.map_or(0, |from| from.split('&').next().unwrap().parse().unwrap());
        let page = &names[from..(from + 1000).min(names.len())];
        let next = from + page.len();
        let mut text = "<ListBucketResult>".to_owned();
        for name in page {
            let name = name.replace('&', "&amp;").replace('<', "&lt;");
            write!(
                text,
                "<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z\
                 </LastModified><ETag>\"1\"</ETag><Size>1</Size></Contents>"
            )
            .unwrap();
        }
        let is_truncated = next < names.len();
        write!(
            text,
            "<IsTruncated>{is_truncated}</IsTruncated>{}</ListBucketResult>",
            if is_truncated {
                format!("<NextContinuationToken>{next}</NextContinuationToken>")
            } else {
                String::new()
            }
        )
        .unwrap();
        Reply::ok(text)
    })
}

fn list(server: &StandIn) -> String {
    let address = format!(
        "s3://releases/pump?endpoint=http://127.0.0.1:{}",
        server.port
    );
    let login = [
        ("AWS_ACCESS_KEY_ID", "key".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
    ];
    in_child("store::s3::a_list", &address, &login)
}

/// Run by the others, with a server that lists what they like.
#[test]
#[ignore = "needs a store; the other tests here run it"]
#[expect(clippy::print_stdout, reason = "its parent reads what it prints")]
fn a_list() {
    let Ok(address) = std::env::var(STORE) else {
        return;
    };
    let address = address.parse().unwrap();
    let store = store::open(&address, &Access::default(), &Silent).unwrap();
    match store.list("") {
        Ok(objects) if objects.len() > 100 => println!("{} objects", objects.len()),
        Ok(objects) => {
            for object in objects {
                println!("{:?} {}", object.path, store.read(&object.path).is_ok());
            }
        }
        Err(error) => println!("{error}"),
    }
}

#[test]
fn names_that_no_archive_has_are_listed_as_they_are() {
    let names = [
        "",
        "../x",
        "a//b",
        "a/",
        "a\\b",
        "/etc/passwd",
        " a ",
        "NUL",
        "a\u{301}",
    ];
    let names = names.iter().map(|name| format!("pump/{name}")).collect();
    let listed = list(&listing(names));
    for name in ["../x", "a//b", "a/", "/etc/passwd"] {
        assert!(
            listed.contains(&format!("{name:?} false")),
            "{name}: {listed}"
        );
    }
    assert!(listed.contains("\"NUL\" true"), "{listed}");
    assert!(!listed.contains("\"\""), "{listed}");
}

#[test]
fn names_that_are_not_below_the_folder_are_an_error() {
    for name in ["other/x", "pum", "pumpkin", "p"] {
        let listed = list(&listing(vec!["pump/a".to_owned(), name.to_owned()]));
        assert!(listed.contains("not below it"), "{name}: {listed}");
    }
}

#[test]
fn a_hundred_thousand_objects_are_listed() {
    let names = (0..100_000).map(|i| format!("pump/Design Outputs/{i:07}"));
    let listed = list(&listing(names.collect()));
    assert!(listed.contains("100000 objects"), "{listed}");
}
