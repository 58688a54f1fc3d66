//! Logins, certificates and proxies; no secret is ever told.

use std::fs;
use std::path::Path;

use dhfpack::source::image::registry::{Access, Login, Secret};
use serde_json::json;
use tempfile::TempDir;

use super::super::fails;
use super::fetch_as;
use crate::support::git::succeed;
use crate::support::image::{TestImage, gzip};
use crate::support::registry::{Door, PASSWORD, Registry, Storage, USER, has};
use crate::support::stand_in::{Reply, StandIn};

fn password(password: &str) -> Access {
    Access {
        login: Some(Login::Password {
            user: USER.to_owned(),
            password: Secret::new(password.to_owned()),
        }),
        ..Access::default()
    }
}

/// A registry with a password and the image `m:1`.
fn with_image(storage: &Storage, door: Door) -> Registry {
    let open = storage.open(Door::Open);
    open.push("m", "1", &TestImage::usual().layout(gzip));
    storage.open(door)
}

fn docker_config(text: &str) -> (TempDir, Access) {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("config.json"), text).unwrap();
    let access = Access {
        docker_config: Some(folder.path().to_path_buf()),
        ..Access::default()
    };
    (folder, access)
}

/// Fetches with these logins, which must do.
fn succeeds(reference: &str, access: &Access) {
    let folder = TempDir::new().unwrap();
    fetch_as(reference, &[], access, folder.path()).unwrap();
}

fn told(reference: &str, access: &Access) -> String {
    let told = fails(|into| fetch_as(reference, &[], access, into));
    assert!(
        !told.contains(PASSWORD) && !told.contains("c3dvcmRm"),
        "{told}"
    );
    told
}

#[test]
fn a_password_opens_the_registry_from_each_place_where_it_may_stand() {
    if !has(&["docker-registry"]) {
        return;
    }
    let storage = Storage::new();
    let registry = with_image(&storage, Door::Password);
    let reference = registry.name("m:1");
    let host = registry.name("");
    let host = host.trim_end_matches('/');
    succeeds(&reference, &password(PASSWORD));
    let auth = "YnVpbGRlcjpzd29yZGZpc2gtNDcxMQ==";
    for config in [
        json!({ "auths": { host: { "auth": auth } } }),
        json!({ "auths": { format!("https://{host}/v2/"): { "auth": auth } } }),
        json!({ "auths": { host: { "username": USER, "password": PASSWORD } } }),
    ] {
        let (_folder, access) = docker_config(&config.to_string());
        succeeds(&reference, &access);
    }
    let nobody = told(&reference, &Access::default());
    assert!(
        nobody.contains("does not let this login read `m`"),
        "{nobody}"
    );
    let wrong = told(&reference, &password("swordfish-4712"));
    assert!(wrong.contains("does not let this login read"), "{wrong}");
    assert!(!wrong.contains("4712"), "{wrong}");
    let (_folder, others) =
        docker_config(&json!({ "auths": { "other.example": { "auth": auth } } }).to_string());
    told(&reference, &others);
    let (_folder, absent) = docker_config("{}");
    told(&reference, &absent);
}

#[test]
fn docker_s_configuration_is_refused_without_its_content() {
    let server = StandIn::start(|_| Reply::ok(""));
    let host = server.name("");
    let host = host.trim_end_matches('/');
    let large = format!("{{}}{}", " ".repeat(2 << 20));
    for text in [
        format!("{{\"auths\": \"{PASSWORD}\"}}"),
        json!({ "auths": { host: { "auth": PASSWORD } } }).to_string(),
        json!({ "credHelpers": { host: format!("../{PASSWORD}") } })
            .to_string()
            .replace(PASSWORD, "x"),
        json!({ "credsStore": "dhfpack-test-absent" }).to_string(),
        large,
    ] {
        let (_folder, access) = docker_config(&text);
        told(&server.name("m:1"), &access);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_in_place_of_docker_s_configuration_is_refused_at_once() {
    let (folder, access) = docker_config("");
    let path = folder.path().join("config.json");
    fs::remove_file(&path).unwrap();
    succeed(std::process::Command::new("mkfifo").arg(&path));
    let server = StandIn::start(|_| Reply::ok(""));
    let told = told(&server.name("m:1"), &access);
    assert!(told.contains("no regular file"), "{told}");
}

/// Fetches by a token server that answers as `realm` says.
fn by_token(realm: &'static str, access: &Access, into: &Path) -> Result<(), String> {
    let server = StandIn::start(move |request| {
        if request.path.starts_with("/token") {
            return Reply::ok("{\"token\":\"bad\\nheader\"}");
        }
        let realm = realm.replace("HERE", &request.fields["host"]);
        Reply::status(401).with(
            "WWW-Authenticate",
            format!("Bearer realm=\"{realm}\",service=\"s\""),
        )
    });
    let result = fetch_as(&server.name("m:1"), &[], access, into);
    result.map(drop).map_err(|error| error.to_string())
}

#[test]
fn a_token_server_that_would_give_the_password_away_is_not_asked() {
    for (realm, expected) in [
        ("http://attacker.example/token", "not over TLS"),
        ("ftp://HERE/token", "not over TLS"),
        ("http://user:x@HERE/token", "not over TLS"),
        ("no address", "has no address"),
        ("http://HERE/token", "gives no token"),
    ] {
        let folder = TempDir::new().unwrap();
        let told = by_token(realm, &password(PASSWORD), folder.path()).unwrap_err();
        assert!(
            told.contains(expected) && !told.contains(PASSWORD),
            "{told}"
        );
    }
}

#[test]
fn a_registry_that_repeats_the_login_in_its_answers_is_not_quoted() {
    let server = StandIn::start(|request| {
        let said = request
            .fields
            .get("authorization")
            .cloned()
            .unwrap_or_default();
        let mut reply = Reply::status(401).with("WWW-Authenticate", "Basic realm=\"x\"");
        reply.body = json!({ "errors": [{ "code": said, "message": said }] })
            .to_string()
            .into();
        reply
    });
    let told = told(&server.name("m:1"), &password(PASSWORD));
    assert!(told.contains("does not let this login read"), "{told}");
}

#[test]
fn an_identity_token_is_changed_for_one_that_pulls() {
    let image = TestImage::usual();
    let entries = image.layout(gzip);
    let manifest = crate::support::registry::manifest_of(&entries);
    let server = StandIn::start(move |request| {
        if request.path == "/token" {
            return Reply::ok("{\"access_token\":\"abc\"}");
        }
        if request.fields.get("authorization").map(String::as_str) != Some("Bearer abc") {
            let realm = format!("Bearer realm=\"http://{}/token\"", request.fields["host"]);
            return Reply::status(401).with("WWW-Authenticate", realm);
        }
        if request.path.ends_with("/manifests/1") {
            return Reply::ok(manifest.clone());
        }
        let hex = request.path.rsplit(':').next().unwrap();
        let blob = entries.iter().find(|entry| entry.name().ends_with(hex));
        match blob {
            Some(crate::support::image::TarEntry::File(_, bytes)) => Reply::ok(bytes.clone()),
            _ => Reply::status(404),
        }
    });
    let host = server.name("");
    let host = host.trim_end_matches('/');
    let (_folder, access) =
        docker_config(&json!({ "auths": { host: { "identitytoken": "refresh" } } }).to_string());
    succeeds(&server.name("m:1"), &access);
}

#[test]
fn a_private_authority_is_trusted_where_it_is_named_and_only_there() {
    if !has(&["docker-registry", "openssl"]) {
        return;
    }
    let storage = Storage::new();
    let registry = with_image(&storage, Door::Tls);
    let reference = registry.name("m:1");
    let unknown = told(&reference, &password(PASSWORD));
    assert!(
        unknown.contains("cannot be reached") && unknown.contains("UnknownIssuer"),
        "{unknown}"
    );
    let named = Access {
        authorities: Some(storage.authority()),
        ..password(PASSWORD)
    };
    succeeds(&reference, &named);
    let folder = TempDir::new().unwrap();
    let own = folder.path().join(registry.name("").trim_end_matches('/'));
    fs::create_dir(&own).unwrap();
    fs::copy(storage.authority(), own.join("ca.crt")).unwrap();
    let as_docker = Access {
        certificates: Some(folder.path().to_path_buf()),
        ..password(PASSWORD)
    };
    succeeds(&reference, &as_docker);
    fs::write(own.join("ca.crt"), "no certificate").unwrap();
    assert!(told(&reference, &as_docker).contains("holds no certificates"));
    let mut large = fs::read(storage.authority()).unwrap();
    large.resize(5 << 20, b'\n');
    fs::write(own.join("ca.crt"), large).unwrap();
    assert!(told(&reference, &as_docker).contains("more than 4 MiB"));
}
