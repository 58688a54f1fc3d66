//! Many who append at once lose no row.
//!
//! A service's login comes from the environment, which tests share. So the appends to a server are
//! made by a process of their own, [`appends_to_a_server`].

use std::collections::BTreeSet;
use std::fs;
use std::sync::Mutex;
use std::thread;

use dhfpack::monitor::Silent;
use dhfpack::publish::registry::{load_existing, record};
use dhfpack::register::Register;
use dhfpack::sign::Signer;
use dhfpack::store::{self, Access, Address, Store};

use super::workshop::{Office, open, registration, released, version};
use crate::store::contract::{STORE, in_child};
use crate::support::release::{dhfpack, told};
use crate::support::s3::{Kind, Server};

const APPENDS: u64 = 200;

/// Appends releases, so many at once, each as another process would: with a store of its own.
fn append_all(signer: &Signer, threads: usize, open: &(dyn Fn() -> Box<dyn Store> + Sync)) {
    let releases = (0..APPENDS).map(|number| version(&format!("1.{number}.0")));
    let releases: Vec<_> = releases
        .map(|release| registration(&release, released()))
        .collect();
    let next = Mutex::new(releases.iter());
    let lines = Mutex::new(BTreeSet::new());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(release) = { next.lock().unwrap().next() } {
                    let recorded = record(&*open(), release, signer, &Silent).unwrap();
                    assert!(recorded.added);
                    lines.lock().unwrap().insert(recorded.row);
                }
            });
        }
    });
    assert_eq!(lines.into_inner().unwrap(), (2..=APPENDS + 1).collect());
}

fn versions(register: &Register) -> BTreeSet<String> {
    let rows = register.rows();
    rows.map(|(_, _, row)| row.entry.version.clone()).collect()
}

#[test]
fn two_hundred_parallel_appends_to_a_folder_lose_no_row() {
    let office = Office::new();
    append_all(&office.signer, 200, &|| open(office.folder.path()));
    assert_eq!(office.findings(), []);
    assert_eq!(versions(&office.register()).len() as u64, APPENDS);
}

#[test]
fn two_hundred_parallel_appends_to_a_server_lose_no_row() {
    let Some(server) = Server::start(Kind::Ministack) else {
        return;
    };
    let test = "register::parallel::appends_to_a_server";
    in_child(test, &server.url("dhf"), &server.login());
}

/// Run by the test before it.
#[test]
#[ignore = "needs a server; another test here runs it"]
fn appends_to_a_server() {
    let Ok(url) = std::env::var(STORE) else {
        return;
    };
    let office = Office::new();
    let address: Address = url.parse().unwrap();
    let open = || -> Box<dyn Store> { store::open(&address, &Access::default(), &Silent).unwrap() };
    append_all(&office.signer, 32, &open);
    let bytes = load_existing(&*open()).unwrap();
    assert_eq!(versions(&Register::parse(&bytes)).len() as u64, APPENDS);

    let certificate = office.folder.path().join("ci.pem");
    fs::write(&certificate, &office.certificate).unwrap();
    let mut command = dhfpack();
    command.args(["registry", "verify", &url, "--trust"]);
    command.arg(certificate);
    command.envs(std::env::vars().filter(|(name, _)| name.starts_with("AWS_")));
    let verified = command.output().unwrap();
    assert_eq!(verified.status.code(), Some(0), "{}", told(&verified));
}

#[test]
fn many_who_register_one_release_write_one_row() {
    let office = Office::new();
    let release = registration(&version("1.0.0"), released());
    let heads: BTreeSet<_> = thread::scope(|scope| {
        let jobs: Vec<_> = (0..20)
            .map(|_| {
                scope.spawn(|| {
                    let store = open(office.folder.path());
                    record(&*store, &release, &office.signer, &Silent).unwrap()
                })
            })
            .collect();
        let recorded = jobs.into_iter().map(|job| job.join().unwrap());
        recorded.map(|recorded| recorded.head).collect()
    });
    assert_eq!((heads.len(), office.lines().len()), (1, 2));
}
