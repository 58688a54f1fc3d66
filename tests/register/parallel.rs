//! Many who append at once lose no row.

use std::collections::BTreeSet;
use std::thread;

use dhfpack::monitor::Silent;
use dhfpack::publish::registry::record;

use super::workshop::{Office, open, registration, released, version};

#[test]
fn two_hundred_parallel_appends_to_a_folder_lose_no_row() {
    let office = Office::new();
    let releases: Vec<_> = (0..200)
        .map(|number| registration(&version(&format!("1.{number}.0")), released()))
        .collect();
    let lines: BTreeSet<u64> = thread::scope(|scope| {
        let jobs: Vec<_> = releases
            .iter()
            .map(|release| {
                scope.spawn(|| {
                    // As another process would: with a store of its own.
                    let store = open(office.folder.path());
                    record(&*store, release, &office.signer, &Silent).unwrap()
                })
            })
            .collect();
        let recorded = jobs.into_iter().map(|job| job.join().unwrap());
        recorded
            .map(|recorded| {
                assert!(recorded.added);
                recorded.row
            })
            .collect()
    });
    assert_eq!(lines, (2..=201).collect());
    assert_eq!(office.findings(), []);
    let versions: BTreeSet<String> = office
        .register()
        .rows()
        .map(|(_, _, row)| row.entry.version.clone())
        .collect();
    assert_eq!(versions.len(), 200);
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
