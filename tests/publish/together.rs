//! Several runs at once.

use std::process::{Child, Stdio};

use super::shop::Shop;
use crate::support::release::told;

fn finish(runs: Vec<Child>) {
    for run in runs {
        let output = run.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }
}

#[test]
fn runs_at_the_same_time_write_nothing_twice_and_one_receipt() {
    let shop = Shop::signed("");
    let mut clean = None;
    for _ in 0..3 {
        let runs: Vec<Child> = (0..4)
            .map(|_| {
                let mut command = shop.publish(&shop.archive());
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        finish(runs);
        let content = shop.content();
        let receipts = content.keys().filter(|path| path.contains(".receipt-"));
        assert_eq!(receipts.count(), 1);
        assert!(clean.is_none_or(|clean| clean == content));
        clean = Some(content);
        std::fs::remove_dir_all(shop.store()).unwrap();
        std::fs::create_dir(shop.store()).unwrap();
    }
}

#[test]
fn two_machines_that_signed_the_same_manifest_publish_one_statement() {
    let shop = Shop::new("");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let fresh = shop.built_again();
    for _ in 0..3 {
        let runs: Vec<Child> = [shop.archive(), fresh.clone()]
            .iter()
            .map(|archive| {
                let mut command = shop.publish(archive);
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        finish(runs);
        let content = shop.content();
        let statements = content.keys().filter(|path| path.contains("signatures/"));
        assert_eq!(statements.count(), 2, "{:?}", content.keys());
        let verified = shop.trusting("verify", &shop.published()).output().unwrap();
        assert_eq!(verified.status.code(), Some(4), "{}", told(&verified));
        std::fs::remove_dir_all(shop.store()).unwrap();
        std::fs::create_dir(shop.store()).unwrap();
    }
}
