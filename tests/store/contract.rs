//! What every store promises, tried on each of them.
//!
//! A service's login comes from the environment, which tests share. So each backend's test runs
//! [`the_contract`] in a process of its own.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use dhfpack::digest::Sha256;
use dhfpack::error::Cancelled;
use dhfpack::monitor::{Monitor, Recording, Silent};
use dhfpack::store::{
    self, Access, Address, Created, DropboxLogin, Edition, Store, StoreError, Swapped,
};

use self::tools::{Failing, MIB, Stopping, bytes, content, paths, put};
use crate::support::dropbox::{self, Dropbox};
use crate::support::release::told;
use crate::support::s3::{Kind, SECRET, Server};

pub(crate) mod tools;

/// Where a child finds the store, and what cannot be expected of it.
pub(crate) const STORE: &str = "DHFPACK_TEST_STORE";
const RACES: &str = "DHFPACK_TEST_RACES";

/// Tries a store; `races` where its conditional writes are not atomic.
pub(crate) fn holds(address: &str, login: &[(&str, String)], races: bool) {
    let mut variables = login.to_vec();
    if races {
        variables.push((RACES, "true".to_owned()));
    }
    in_child("store::contract::the_contract", address, &variables);
}

/// Runs a test of this program by itself, with a store and its login; returns what it prints.
pub(crate) fn in_child(test: &str, address: &str, variables: &[(&str, String)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(STORE, address)
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .output()
        .unwrap();
    let all = told(&output);
    assert!(output.status.success(), "{address}: {all}");
    assert!(all.contains("1 passed"), "{address}: {all}");
    assert!(!all.contains(SECRET), "{address}: {all}");
    all
}

fn on(kind: Kind) {
    if let Some(server) = Server::start(kind) {
        holds(
            &server.url("contract"),
            &server.login(),
            kind == Kind::S3sFs,
        );
    }
}

#[test]
fn a_folder_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    holds(folder.path().to_str().unwrap(), &[], false);
}

#[test]
fn s3s_fs_keeps_the_contract() {
    on(Kind::S3sFs);
}

#[test]
fn ministack_keeps_the_contract() {
    on(Kind::Ministack);
}

#[test]
fn azure_keeps_the_contract() {
    on(Kind::Azure);
}

#[test]
fn google_keeps_the_contract() {
    on(Kind::Gcs);
}

#[test]
fn dropbox_keeps_the_contract() {
    if let Some(dropbox) = Dropbox::start() {
        let login = ("DHFPACK_DROPBOX_TOKEN", dropbox::TOKEN.to_owned());
        holds(&dropbox.address("contract"), &[login], false);
    }
}

/// Run by the others, for one store each.
#[test]
#[ignore = "needs a store; the other tests here run it"]
fn the_contract() {
    let Ok(address) = std::env::var(STORE) else {
        return;
    };
    let contract = Contract {
        address: address.parse().unwrap(),
        races: std::env::var_os(RACES).is_some(),
    };
    contract.objects_of_every_size_come_back();
    contract.names_come_back_as_they_were();
    contract.many_objects_are_listed_in_order();
    contract.what_is_not_there_is_told();
    contract.content_that_fails_creates_nothing();
    contract.a_stop_creates_nothing();
    contract.one_of_two_creates();
    contract.a_document_is_exchanged();
    contract.no_exchange_is_lost();
    contract.strange_paths_are_refused();
}

/// What the child is given to log in with.
fn access() -> Access {
    let token = std::env::var("DHFPACK_DROPBOX_TOKEN").ok();
    Access {
        dropbox: token.map(DropboxLogin::with_access_token),
        ..Access::default()
    }
}

struct Contract {
    address: Address,
    races: bool,
}

impl Contract {
    /// A store of its own for a test.
    fn store<'m>(&self, name: &str, monitor: &'m dyn Monitor) -> Box<dyn Store + 'm> {
        let address = self.address.below(name);
        if let Address::Folder(folder) = &address {
            fs::create_dir_all(folder).unwrap();
        }
        store::open(&address, &access(), monitor).unwrap()
    }

    fn objects_of_every_size_come_back(&self) {
        let store = self.store("sizes", &Silent);
        for size in [0, 1, 1000, 8 * MIB, 8 * MIB + 1, 20 * MIB] {
            let path = format!("folder/{size}");
            let expected = bytes(size, 7);
            let Created::New(object) = put(&*store, &path, &expected) else {
                panic!("{path} is there already");
            };
            assert_eq!(
                (object.path.as_str(), object.size),
                (path.as_str(), size as u64)
            );
            assert!(content(&*store, &path) == expected, "{path} differs");
            let found = store.stat(&path).unwrap().unwrap();
            assert_eq!(
                (found.path.as_str(), found.size),
                (path.as_str(), size as u64)
            );
            assert_eq!(found.version, object.version, "{path}");
            // Also with other bytes, which only the caller can tell from the same.
            let other = bytes(size.min(8 * MIB) + 1, 9);
            assert_eq!(put(&*store, &path, &other), Created::Exists, "{path}");
            assert!(content(&*store, &path) == expected, "{path} was replaced");
        }
    }

    fn names_come_back_as_they_were(&self) {
        let store = self.store("names", &Silent);
        let long = format!("Design Outputs/{}", "n".repeat(165));
        let mut names = vec![
            "Bedienungsanleitung für Ärzte.pdf",
            "a+b",
            "a b",
            "100 %25 %",
            "#1 & 'more' (of); [it], {too} = $5 @home!~^`",
            "what?",
            "日本語/取扱説明書",
            "Manifest/manifest.json",
        ];
        if !self.races {
            // s3s-fs keeps notes beside an object, in a file whose name is longer still.
            names.push(&long);
        }
        for name in &names {
            assert!(matches!(
                put(&*store, name, name.as_bytes()),
                Created::New(_)
            ));
        }
        names.sort_unstable();
        assert_eq!(paths(&store.list("").unwrap()), names);
        for name in &names {
            assert_eq!(content(&*store, name), name.as_bytes());
            let found = store.stat(name).unwrap().unwrap();
            assert_eq!(
                (found.path.as_str(), found.size),
                (*name, name.len() as u64)
            );
        }
        let below = store.list("Manifest").unwrap();
        assert_eq!(paths(&below), ["Manifest/manifest.json"]);
        assert_eq!(below[0].size, 22);
        // No name is a folder because another one begins like it.
        assert_eq!(store.list("Mani").unwrap(), []);
    }

    fn many_objects_are_listed_in_order(&self) {
        let store = self.store("many", &Silent);
        let mut expected: Vec<String> = (0..1_100).map(|i| format!("pump/{}/{i}", i % 3)).collect();
        let next = Mutex::new(expected.clone().into_iter());
        thread::scope(|scope| {
            for _ in 0..store.promises().transfers {
                scope.spawn(|| {
                    while let Some(path) = { next.lock().unwrap().next() } {
                        assert!(matches!(put(&*store, &path, b"1"), Created::New(_)));
                    }
                });
            }
        });
        put(&*store, "pump/z", b"");
        put(&*store, "register.csv", b"");
        expected.push("pump/z".to_owned());
        expected.sort_unstable();
        let listed = store.list("pump").unwrap();
        assert!(paths(&listed) == expected, "{} objects", listed.len());
        let children = store.children("pump").unwrap();
        assert_eq!(children.folders, ["0", "1", "2"]);
        assert_eq!(paths(&children.objects), ["pump/z"]);
        let top = store.children("").unwrap();
        assert_eq!(top.folders, ["pump"]);
        assert_eq!(paths(&top.objects), ["register.csv"]);
        let deep = store.children("pump/1").unwrap();
        assert_eq!((deep.folders.len(), deep.objects.len()), (0, 367));
    }

    fn what_is_not_there_is_told(&self) {
        let store = self.store("nothing", &Silent);
        assert_eq!(store.list("").unwrap(), []);
        assert_eq!(store.list("pump").unwrap(), []);
        assert_eq!(store.children("pump").unwrap(), store::Children::default());
        assert_eq!(store.stat("pump").unwrap(), None);
        assert_eq!(store.load("register.csv", 10).unwrap(), None);
        let error = store.read("pump/page").err().unwrap().to_string();
        assert!(error.contains("nothing/pump/page"), "{error}");
    }

    fn content_that_fails_creates_nothing(&self) {
        let store = self.store("failing", &Silent);
        for size in [0, 1000, 20 * MIB] {
            let good = bytes(size, 3);
            let mut content = Failing {
                good: &good,
                error: Some(io::Error::other(Cancelled)),
            };
            let sha256 = Sha256::of(&good);
            let failed = store.create("a/b", size as u64, sha256, &mut content);
            let error = failed.unwrap_err();
            assert!(matches!(error, StoreError::Cancelled(_)), "{error}");
            for wrong in [size as u64 + 1, (size as u64).saturating_sub(1)] {
                if wrong != size as u64 {
                    let mut content = good.as_slice();
                    store
                        .create("a/b", wrong, sha256, &mut content)
                        .unwrap_err();
                }
            }
            assert_eq!(store.list("").unwrap(), [], "{size}");
        }
    }

    fn a_stop_creates_nothing(&self) {
        for size in [1000, 20 * MIB] {
            let good = bytes(size, 3);
            let monitor = Recording::default();
            let store = self.store("stopped", &monitor);
            let mut content = Stopping {
                good: &good,
                monitor: &monitor,
            };
            let stopped = store.create("a/b", size as u64, Sha256::of(&good), &mut content);
            // A folder's own copy is through before anybody looks; it is whole then.
            let others = self.store("stopped", &Silent);
            let there = others.stat("a/b").unwrap();
            match stopped {
                Err(StoreError::Cancelled(_)) => assert_eq!(there, None, "{size}"),
                Ok(Created::New(_)) if matches!(self.address, Address::Folder(_)) => {
                    fs::remove_file(others.address().place("a/b")).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    fn one_of_two_creates(&self) {
        if self.races {
            return;
        }
        for size in [1000, 9 * MIB] {
            let store = self.store(&format!("two-{size}"), &Silent);
            let results: Vec<(Created, Vec<u8>)> = thread::scope(|scope| {
                let both = [1, 2].map(|seed| {
                    let store = &*store;
                    scope.spawn(move || {
                        let bytes = bytes(size, seed * 100);
                        (put(store, "same", &bytes), bytes)
                    })
                });
                both.map(|thread| thread.join().unwrap()).into()
            });
            let mut winners = results
                .iter()
                .filter(|(created, _)| matches!(created, Created::New(_)));
            let winner = &winners.next().unwrap().1;
            assert!(winners.next().is_none(), "{size}: both created it");
            assert!(content(&*store, "same") == *winner, "{size}");
        }
    }

    fn a_document_is_exchanged(&self) {
        let store = self.store("documents", &Silent);
        let path = "register.csv";
        assert_eq!(store.swap(path, b"one", None).unwrap(), Swapped::Done);
        assert_eq!(store.swap(path, b"other", None).unwrap(), Swapped::Changed);
        let first = store.load(path, 3).unwrap().unwrap();
        assert_eq!(first.bytes, b"one");
        let swap = |edition: &Edition, bytes: &[u8]| store.swap(path, bytes, Some(edition));
        assert_eq!(swap(&first.edition, b"two!").unwrap(), Swapped::Done);
        assert_eq!(swap(&first.edition, b"three").unwrap(), Swapped::Changed);
        let second = store.load(path, 4).unwrap().unwrap();
        assert_eq!(second.bytes, b"two!");
        assert_ne!(second.edition, first.edition);
        let error = store.load(path, 3).unwrap_err();
        assert!(
            matches!(error, StoreError::TooLarge { limit: 3, .. }),
            "{error}"
        );
        let swapped = store.swap("nowhere.csv", b"", Some(&second.edition));
        assert_eq!(swapped.unwrap(), Swapped::Changed);
        assert_eq!(store.stat("nowhere.csv").unwrap(), None);
    }

    fn no_exchange_is_lost(&self) {
        if self.races {
            return;
        }
        let store = self.store("races", &Silent);
        let append = |line: usize| {
            loop {
                let there = store.load("lines", 10_000).unwrap();
                let (mut bytes, edition) = match there {
                    Some(document) => (document.bytes, Some(document.edition)),
                    None => (Vec::new(), None),
                };
                bytes.extend(format!("{line}\n").bytes());
                if store.swap("lines", &bytes, edition.as_ref()).unwrap() == Swapped::Done {
                    break;
                }
            }
        };
        thread::scope(|scope| {
            for line in 0..20 {
                scope.spawn(move || append(line));
            }
        });
        let lines = String::from_utf8(content(&*store, "lines")).unwrap();
        let found: BTreeSet<usize> = lines.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!((lines.lines().count(), found.len()), (20, 20), "{lines}");
    }

    fn strange_paths_are_refused(&self) {
        let store = self.store("strange", &Silent);
        for path in ["", "..", "../a", "a/../../b", "a//b", "/a", "a/", "./a"] {
            let error = store.create_from(path, b"").unwrap_err();
            assert!(
                matches!(error, StoreError::BadPath { .. }),
                "{path}: {error}"
            );
            assert!(store.read(path).is_err(), "{path}");
        }
        assert_eq!(store.list("").unwrap(), []);
    }
}
