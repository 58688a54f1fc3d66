//! What is secret is written nowhere: not where a release is published to, and not for whoever
//! looks on, in a run that succeeds or in one that fails.

use std::fs;
use std::path::Path;
use std::process::Command;

use walkdir::WalkDir;

use super::shop::{NAME, ROLE, Shop, fails};
use crate::support::dropbox::{self, Dropbox};
use crate::support::release::{dhfpack, told};
use crate::support::s3::{Kind, SECRET, Server};
use crate::support::stand_in::{Reply, StandIn};

const SESSION: &str = "c2Vzc2lvbi10b2tlbi1vZi1hLXRlc3Q=";

type Login = Vec<(&'static str, String)>;

/// A release, where it goes, and the secrets for that.
struct Story {
    shop: Shop,
    store: String,
    dhf: String,
    login: Login,
    /// Another login.
    wrong: Login,
    /// How runs with the wrong login and without any end.
    ends: [i32; 2],
}

impl Story {
    /// A command, which must end with this code; returns what was told.
    fn tell(&self, login: &Login, words: &[&str], code: i32) -> Vec<u8> {
        let mut command = self.command(login, words);
        let output = command.output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(code),
            "{words:?}: {}",
            told(&output)
        );
        assert!(!output.stderr.is_empty() || code == 0, "{words:?}");
        [output.stdout, output.stderr].concat()
    }

    fn command(&self, login: &Login, words: &[&str]) -> Command {
        let mut command = dhfpack();
        command.args(words).args(["--progress", "json"]);
        let signer = if words[0] == "sign" { "dana." } else { "" };
        for (variable, file) in [
            ("DHFPACK_KEY", "key.pem"),
            ("DHFPACK_CERTIFICATE", "cert.pem"),
        ] {
            command.env(variable, self.shop.path(&format!("{signer}{file}")));
        }
        command.envs(login.iter().map(|(name, value)| (*name, value)));
        command
    }

    /// Publishes, signs, looks, and fails in several ways; returns all that was told.
    fn run(&self) -> Vec<u8> {
        let archive = self.shop.archive();
        let archive = archive.to_str().unwrap();
        let url = match self.store.split_once('?') {
            Some((store, query)) => format!("{store}/{NAME}?{query}"),
            None => format!("{}/{NAME}", self.store),
        };
        let trusted = ["cert.pem", "dana.cert.pem"].map(|name| self.shop.path(name));
        let trust = trusted.iter().map(|path| path.to_str().unwrap());
        let trust: Vec<&str> = trust.flat_map(|path| ["--trust", path]).collect();
        let policy = [&trust[..], &["--require-role", ROLE]].concat();
        let dhf = ["--dhf", &self.dhf];
        let publish = [
            &["publish", archive, "--to", &self.store],
            &dhf[..],
            &policy,
        ]
        .concat();
        let into = self.shop.path("fetched");
        fs::create_dir(&into).unwrap();

        let mut written = Vec::new();
        let mut tell = |words: &[&str], code| written.extend(self.tell(&self.login, words, code));
        tell(&publish, 0);
        tell(&["sign", &url, "--role", ROLE], 0);
        tell(&publish, 0);
        tell(&[&publish[..], &["--dry-run", "--json"]].concat(), 0);
        tell(&[&["status", &url], &dhf[..], &policy].concat(), 0);
        tell(&[&["verify", &url], &policy[..]].concat(), 0);
        tell(
            &[&["fetch", &url, into.to_str().unwrap()], &policy[..]].concat(),
            0,
        );
        tell(&["list", &self.store], 0);
        tell(&["registry", "show", &self.store], 0);
        tell(
            &[
                &["registry", "verify", &self.store, "--archives"],
                &trust[..],
            ]
            .concat(),
            0,
        );
        // Runs that fail: nobody trusted, nothing there, nobody who is let in.
        tell(&[&["status", &url], &dhf[..]].concat(), 4);
        tell(&["verify", &url.replace(NAME, "other")], 1);
        written.extend(self.tell(&self.wrong, &publish, self.ends[0]));
        written.extend(self.tell(&Login::new(), &["list", &self.store], self.ends[1]));
        written
    }

    /// The lines of the private keys, and every login's secrets.
    fn secrets(&self) -> Vec<String> {
        let mut secrets = Vec::new();
        for key in ["key.pem", "dana.key.pem"] {
            let text = fs::read_to_string(self.shop.path(key)).unwrap();
            let lines = text.lines().filter(|line| !line.contains("-----"));
            secrets.extend(lines.map(str::to_owned));
        }
        let logins = self.login.iter().chain(&self.wrong);
        let names = ["AWS_ACCESS_KEY_ID", "DHFPACK_DROPBOX_APP_KEY"];
        let hidden = logins.filter(|(name, _)| !names.contains(name));
        secrets.extend(hidden.map(|(_, value)| value.clone()));
        secrets
    }

    /// That none of the secrets is in what was told, or in any of these files.
    fn hides(&self, told: Vec<u8>, files: Vec<(String, Vec<u8>)>) {
        for name in [
            "manifest.json",
            "registry.csv",
            "service-manual.md",
            ".receipt-2.json",
            "Design Outputs.archive.json",
        ] {
            let is_there = files.iter().any(|(path, _)| path.ends_with(name));
            assert!(is_there, "no {name} was looked into");
        }
        let secrets = self.secrets();
        assert!(secrets.len() > 4);
        let all = files
            .into_iter()
            .chain([("what was told".to_owned(), told)]);
        for (name, bytes) in all {
            let text = String::from_utf8_lossy(&bytes);
            for secret in &secrets {
                // Not to be shown by this test either.
                assert!(
                    !text.contains(secret) && !name.contains(secret),
                    "a secret is in {name}"
                );
            }
        }
    }
}

/// Every file below a folder, whoever made it.
fn files_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = WalkDir::new(folder).into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .map(|file| {
            (
                file.path().display().to_string(),
                fs::read(file.path()).unwrap(),
            )
        })
        .collect()
}

fn aws(secret: &str, session: &str) -> Login {
    vec![
        ("AWS_ACCESS_KEY_ID", crate::support::s3::KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secret.to_owned()),
        ("AWS_SESSION_TOKEN", session.to_owned()),
    ]
}

#[test]
fn no_secret_is_written_to_a_folder() {
    let shop = Shop::pending_with_everything();
    let story = Story {
        store: shop.store().display().to_string(),
        dhf: format!("{}/{{version}}", shop.path("dhf").display()),
        login: aws("hidden-secret-key", SESSION),
        wrong: aws("wrong-secret-key", "wrong-session-token"),
        ends: [0, 0],
        shop,
    };
    let told = story.run();
    let places = story.shop.places();
    let files = [files_of(&places.store), files_of(&places.dhf)].concat();
    story.hides(told, files);
}

#[test]
fn no_secret_is_written_to_a_server() {
    for kind in [Kind::S3sFs, Kind::Ministack] {
        let Some(server) = Server::start(kind) else {
            continue;
        };
        let story = Story {
            shop: Shop::pending_with_everything(),
            store: server.url("a"),
            dhf: server.url("dhf/{version}"),
            login: aws(SECRET, SESSION),
            wrong: aws("d3Jvbmctc2VjcmV0LWtleQ==", "d3Jvbmctc2Vzc2lvbg=="),
            // ministack takes every login.
            ends: [i32::from(kind == Kind::S3sFs), 1],
        };
        let told = story.run();
        let files = match kind {
            Kind::S3sFs => files_of(server.files().parent().unwrap()),
            _ => server.objects(),
        };
        story.hides(told, files);
    }
}

#[test]
fn a_session_token_that_a_server_repeats_is_not_shown() {
    // As Amazon does.
    let server = StandIn::start(|request| {
        let token = &request.fields["x-amz-security-token"];
        let text = format!(
            "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message>\
             <Token-0>{token}</Token-0></Error>"
        );
        Reply {
            body: text.into_bytes(),
            ..Reply::status(400)
        }
    });
    let url = format!("s3://releases/a?endpoint=http://{}", server.name(""));
    let mut command = dhfpack();
    command.args(["list", &url]).envs(aws(SECRET, SESSION));
    let told = fails(
        &mut command,
        1,
        &["ExpiredToken, The provided token has expired."],
    );
    assert!(!told.contains(SESSION) && !told.contains(SECRET));
}

#[test]
fn no_secret_is_written_to_dropbox() {
    let Some(dropbox) = Dropbox::start() else {
        return;
    };
    let login = dropbox::LOGIN.map(|(name, value)| (name, value.to_owned()));
    let mut wrong = login.clone();
    for (_, value) in &mut wrong {
        *value = format!("wrong-{value}");
    }
    let story = Story {
        shop: Shop::pending_with_everything(),
        store: dropbox.address("Releases"),
        dhf: dropbox.address("DHF/{version}"),
        login: login.to_vec(),
        wrong: wrong.to_vec(),
        ends: [1, 1],
    };
    let told = story.run();
    // Access tokens that the service gave, in exchange.
    let text = String::from_utf8_lossy(&told);
    assert!(dropbox::SECRETS.iter().all(|secret| !text.contains(secret)));
    let files: Vec<_> = dropbox.files().into_iter().collect();
    for (path, bytes) in &files {
        assert!(
            !String::from_utf8_lossy(bytes).contains("sl.fresh-"),
            "{path}"
        );
    }
    story.hides(told, files);
}
