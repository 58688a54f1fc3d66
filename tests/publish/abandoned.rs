//! What killed runs left in a folder, and who removes it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::shop::{Shop, succeed};
use crate::support::release::dhfpack;

/// A folder of a run's unfinished files, and the lock that is held on it while the run lives.
fn unfinished(store: &Path, name: &str) -> (PathBuf, File) {
    let folder = store.join(name);
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("half"), "ha").unwrap();
    let lock = File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    (folder, lock)
}

#[test]
fn what_killed_runs_left_is_removed_by_the_next_though_it_has_nothing_to_write() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let dhf = shop.path("dhf/1.0.0");
    let again: [(&str, &dyn Fn() -> Command); 3] = [
        ("publish", &|| shop.publish(&shop.archive())),
        ("upload", &|| {
            let mut command = dhfpack();
            command.arg("upload").arg(shop.archive());
            command.arg("--to").arg(shop.store());
            command
        }),
        ("dhf copy", &|| {
            let mut command = dhfpack();
            command.args(["dhf", "copy"]).arg(shop.published());
            command.arg("--to").arg(&dhf);
            command
        }),
    ];
    let before = shop.everything();
    for (name, again) in again {
        let stores: &[PathBuf] = match name {
            "publish" => &[shop.store(), dhf.clone()],
            "upload" => &[shop.store()],
            _ => std::slice::from_ref(&dhf),
        };
        for store in stores {
            let (dead, lock) = unfinished(store, ".dhfpack-parts-dead");
            drop(lock);
            let (alive, _lock) = unfinished(store, ".dhfpack-parts-alive");
            succeed(&mut again());
            assert!(!dead.exists(), "{name}: {}", dead.display());
            assert!(alive.join("half").exists(), "{name}: {}", alive.display());
            fs::remove_dir_all(&alive).unwrap();
        }
        assert!(shop.everything() == before, "{name}");
    }
}

#[test]
fn what_killed_runs_left_beside_a_register_elsewhere_is_removed_too() {
    let shop = Shop::with_everything();
    let register = shop.path("register");
    fs::create_dir(&register).unwrap();
    let config = fs::read_to_string(shop.small.repository.path().join("dhfpack.toml")).unwrap();
    let to = format!("[registry]\nto = \"{}\"\n", register.display());
    let config = config.replace("[registry]\n", &to);
    let folder = shop.path("elsewhere");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("dhfpack.toml"), config).unwrap();
    let publish = || succeed(shop.publish(&shop.archive()).current_dir(&folder));
    publish();
    assert!(register.join("registry.csv").is_file());
    let (dead, lock) = unfinished(&register, ".dhfpack-parts-dead");
    drop(lock);
    publish();
    assert!(!dead.exists());
}

#[test]
fn looking_at_a_store_removes_nothing() {
    let shop = Shop::with_everything();
    shop.publish_json();
    let (dead, lock) = unfinished(&shop.store(), ".dhfpack-parts-dead");
    drop(lock);
    succeed(&mut shop.trusting("status", &shop.published()));
    succeed(&mut shop.trusting("verify", &shop.published()));
    succeed(shop.publish(&shop.archive()).arg("--dry-run"));
    assert!(dead.join("half").exists());
}
