//! Everything that publishing does, on S3 servers.

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::killed::killed_and_resumed;
use super::shop::{Files, NAME, Places, ROLE, Shop, fails, step, succeed};
use crate::support::release::{dhfpack, told};
use crate::support::s3::{Kind, SECRET, Server};

/// A command about the shop's archive, with the server's login.
fn command(shop: &Shop, server: &Server, words: &[&str]) -> Command {
    let mut command = dhfpack();
    command.args(words).args(["--require-role", ROLE]);
    for certificate in ["cert.pem", "dana.cert.pem"] {
        command.arg("--trust").arg(shop.path(certificate));
    }
    command.envs(server.login());
    command.env("DHFPACK_KEY", shop.path("key.pem"));
    command.env("DHFPACK_CERTIFICATE", shop.path("cert.pem"));
    command
}

fn publish(shop: &Shop, server: &Server) -> Command {
    let archive = shop.archive();
    let to = server.url("a");
    command(
        shop,
        server,
        &["publish", archive.to_str().unwrap(), "--to", &to, "--json"],
    )
}

fn as_json(output: &Output) -> Value {
    assert!(!told(output).contains(SECRET), "{}", told(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_release_is_published_to_a_server_and_followed_there() {
    for kind in [Kind::S3sFs, Kind::Ministack] {
        let Some(server) = Server::start(kind) else {
            continue;
        };
        let shop = Shop::pending_with_everything();
        let run = as_json(&succeed(&mut publish(&shop, &server)));
        assert_eq!(run["status"], "pending");
        let url = server.url(&format!("a/{NAME}"));
        let mut sign = dhfpack();
        sign.args(["sign", &url, "--role", ROLE])
            .envs(server.login());
        sign.arg("--key").arg(shop.path("dana.key.pem"));
        succeed(sign.arg("--certificate").arg(shop.path("dana.cert.pem")));
        let run = as_json(&succeed(&mut publish(&shop, &server)));
        assert_eq!(run["status"], "released");
        assert_eq!(run["copied"], 0);
        for name in ["manual", "registry", "receipt"] {
            assert_eq!(step(&run, name), "done", "{name}");
        }
        let again = as_json(&succeed(&mut publish(&shop, &server)));
        for name in ["files", "dhf", "manual", "registry", "receipt"] {
            assert_eq!(step(&again, name), "unchanged", "{name}");
        }
        succeed(&mut command(&shop, &server, &["status", &url]));
        let verified = succeed(&mut command(&shop, &server, &["verify", &url]));
        let receipt = "receipt small-1.0.0.receipt-2.json was compared";
        assert!(told(&verified).contains(receipt), "{}", told(&verified));

        // Other bytes of the same size, which somebody puts over them.
        let page = fs::read(shop.archive().join("index.html")).unwrap();
        let path = format!("/releases/a/{NAME}/index.html");
        if kind == Kind::Ministack {
            server.ask("PUT", &path, "", &page.to_ascii_uppercase());
            let named = ["receipt differs", "index.html"];
            fails(&mut command(&shop, &server, &["status", &url]), 3, &named);
            fails(
                &mut publish(&shop, &server),
                1,
                &["index.html", "other bytes"],
            );
        }
    }
}

const RETENTION: &str = "[retention]\nrule = \"MDR Art. 10(8)\"\n\
    trigger = \"last device placed on the market\"\nminimum_years = 10\nmode = \"governance\"\n\n";

#[test]
fn locks_and_versions_are_in_the_receipt_and_are_compared_with_it() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let lock = "x-amz-bucket-object-lock-enabled: true\r\n";
    assert!(server.ask("PUT", "/locked", lock, b"").contains(" 200 "));
    let at = |path: &str| {
        format!(
            "s3://locked/{path}?endpoint=http://127.0.0.1:{}",
            server.port
        )
    };
    let shop = Shop::pending_with(RETENTION);
    shop.sign(&shop.archive());
    let archive = shop.archive();
    let publish = || {
        let words = [
            "publish",
            archive.to_str().unwrap(),
            "--to",
            &at("a"),
            "--json",
        ];
        as_json(&succeed(&mut command(&shop, &server, &words)))
    };
    let receipt = |number: u32| {
        let path = format!("/locked/a/{NAME}.receipt-{number}.json");
        let answer = server.ask("GET", &path, "", b"");
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str::<Value>(body).unwrap()
    };
    let run = publish();
    assert_eq!(step(&run, "retention"), "done");
    let first = receipt(1);
    let objects = first["objects"].as_array().unwrap();
    let until = objects[0]["retention"]["until"]
        .as_str()
        .unwrap()
        .to_owned();
    for object in objects {
        assert_eq!(object["retention"]["mode"], "governance");
        assert_eq!(object["retention"]["until"], until.as_str());
        assert!(object["version"].is_string() && object["checksum"].is_string());
    }
    let again = publish();
    for name in ["files", "retention", "receipt"] {
        assert_eq!(step(&again, name), "unchanged", "{name}");
    }
    let url = at(&format!("a/{NAME}"));
    succeed(&mut command(&shop, &server, &["status", &url]));

    let mut extend = dhfpack();
    extend.args(["retention", "extend", &url, "--until", "2050-01-01"]);
    succeed(extend.envs(server.login()));
    assert_eq!(publish()["receipt"], format!("{NAME}.receipt-2.json"));
    assert_ne!(
        receipt(2)["objects"][0]["retention"]["until"],
        until.as_str()
    );
    succeed(&mut command(&shop, &server, &["verify", &url]));

    // Another version on top has no lock.
    let page = fs::read(shop.archive().join("index.html")).unwrap();
    server.ask("PUT", &format!("/locked/a/{NAME}/index.html"), "", &page);
    let named = ["receipt-differs", "lock-weakened", "index.html"];
    fails(&mut command(&shop, &server, &["verify", &url]), 3, &named);
}

#[test]
fn a_run_killed_while_it_writes_to_a_server_is_resumed_to_the_same_end() {
    let Some(server) = Server::start(Kind::S3sFs) else {
        return;
    };
    let shop = Shop::with_everything();
    let places = Places {
        store: server.files(),
        dhf: shop.path("dhf"),
    };
    // What was sent may still arrive.
    let settle = |_: &Files, _: &Files| std::thread::sleep(Duration::from_millis(200));
    killed_and_resumed(10, &places, &|| publish(&shop, &server), &settle);
}
