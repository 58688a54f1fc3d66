//! Runs that break off at every point, and end as a clean one when they are resumed.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use dhfpack::archive;
use dhfpack::digest::Sha256;
use dhfpack::monitor::Silent;
use dhfpack::publish::{
    self, Confirmation, Destinations, InStore, Order, Outcome, PublishError, ReadBack, RegisterAt,
    Source, dhf,
};
use dhfpack::sign::{Signer, Trust};
use dhfpack::store::{
    self, Access, Address, Children, Created, Document, Edition, Object, Promises, Store,
    StoreError, Swapped,
};
use dhfpack::verify::Policy;

use super::killed::killed_and_resumed;
use super::shop::{Files, NAME, ROLE, Shop, succeed};
use crate::support::mount::{can_mount, inside};
use crate::support::release::{dhfpack, told};

/// A store whose user dies at a write, before it or after it.
struct Deadly<'s> {
    inner: &'s dyn Store,
    /// How many writes are left, in all stores together.
    left: &'s AtomicI64,
    /// Whether the last write is carried out before nobody is left to hear of it.
    written: bool,
}

impl Deadly<'_> {
    fn alive(&self) -> Result<(), StoreError> {
        if self.left.load(Ordering::SeqCst) > 0 {
            return Ok(());
        }
        Err(dead())
    }

    fn write<T>(&self, work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, StoreError> {
        match self.left.fetch_sub(1, Ordering::SeqCst) {
            2.. => work(),
            1 if self.written => work().and_then(|_| Err(dead())),
            _ => Err(dead()),
        }
    }
}

fn dead() -> StoreError {
    StoreError::Refused {
        url: "dead".to_owned(),
        reason: "the process was killed",
    }
}

impl Store for Deadly<'_> {
    fn address(&self) -> &Address {
        self.inner.address()
    }
    fn promises(&self) -> Promises {
        self.inner.promises()
    }
    fn list(&self, folder: &str) -> Result<Vec<Object>, StoreError> {
        self.alive()?;
        self.inner.list(folder)
    }
    fn children(&self, folder: &str) -> Result<Children, StoreError> {
        self.alive()?;
        self.inner.children(folder)
    }
    fn stat(&self, path: &str) -> Result<Option<Object>, StoreError> {
        self.alive()?;
        self.inner.stat(path)
    }
    fn read<'a>(&'a self, path: &str) -> Result<Box<dyn Read + Send + 'a>, StoreError> {
        self.alive()?;
        self.inner.read(path)
    }
    fn create(
        &self,
        path: &str,
        size: u64,
        sha256: Sha256,
        content: &mut (dyn Read + Send),
    ) -> Result<Created, StoreError> {
        self.write(|| self.inner.create(path, size, sha256, content))
    }
    fn load(&self, path: &str, limit: u64) -> Result<Option<Document>, StoreError> {
        self.alive()?;
        self.inner.load(path, limit)
    }
    fn swap(
        &self,
        path: &str,
        bytes: &[u8],
        current: Option<&Edition>,
    ) -> Result<Swapped, StoreError> {
        self.write(|| self.inner.swap(path, bytes, current))
    }
}

fn policy(shop: &Shop) -> Policy {
    let mut trust = Trust::default();
    for name in ["cert.pem", "dana.cert.pem"] {
        let certificate = fs::read(shop.path(name)).unwrap();
        trust.add(&certificate, None).unwrap();
    }
    Policy {
        trust,
        required_roles: vec![ROLE.to_owned()],
        now: jiff::Timestamp::now(),
    }
}

/// What a clean run leaves in the store and the design history file, which are emptied again.
fn clean(shop: &Shop) -> Files {
    shop.publish_json();
    let content = shop.everything();
    shop.empty();
    content
}

/// That an interrupted archive is not listed as a release.
fn is_whole_or_invisible(shop: &Shop, clean: &Files) {
    let listed = succeed(dhfpack().args(["list", "--json"]).arg(shop.store()));
    let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
    let here = shop.content();
    if listed["releases"].as_array().unwrap().is_empty() {
        assert!(!here.contains_key(&format!("{NAME}/Manifest/manifest.json")));
        return;
    }
    for (path, bytes) in clean {
        if path.starts_with(&format!("{NAME}/")) {
            assert_eq!(here.get(path), Some(bytes), "listed without {path}");
        }
    }
}

/// The release of a shop, and who publishes it.
struct Publisher<'s> {
    shop: &'s Shop,
    source: Source<'s>,
    policy: Policy,
    signer: Signer,
}

impl Publisher<'_> {
    fn dhf(&self) -> Box<dyn Store> {
        let written = format!("{}/{{version}}", self.shop.path("dhf").display());
        let address = dhf::address(&written, self.source.manifest()).unwrap();
        store::open(&address, &Access::default(), &Silent).unwrap()
    }

    fn store(&self) -> Box<dyn Store> {
        let address = Address::Folder(self.shop.store());
        store::open(&address, &Access::default(), &Silent).unwrap()
    }

    fn publish(&self, store: &dyn Store, dhf: &dyn Store) -> Result<Outcome, PublishError> {
        let path = "service-manual.md";
        let signer = Some(&self.signer);
        let order = Order {
            store,
            policy: &self.policy,
            read_back: ReadBack::default(),
            confirmation: Confirmation::Missing,
            others: Some(Destinations {
                dhf: Some(dhf),
                manual: Some(&InStore { store, path }),
                registry: Some(RegisterAt { store, signer }),
            }),
        };
        publish::publish(&self.source, order, &Silent)
    }

    /// A run that dies at this write, before or after it is carried out.
    fn die(&self, write: i64, written: bool) -> Result<Outcome, PublishError> {
        let (store, dhf) = (self.store(), self.dhf());
        let left = AtomicI64::new(write);
        let deadly = |inner| Deadly {
            inner,
            left: &left,
            written,
        };
        self.publish(&deadly(&*store), &deadly(&*dhf))
    }
}

#[test]
fn a_run_that_dies_before_or_after_any_write_is_resumed_to_the_same_end() {
    let shop = Shop::with_everything();
    let clean = clean(&shop);
    let tree = archive::open(&shop.archive()).unwrap();
    let read = |name: &str| fs::read(shop.path(name)).unwrap();
    let publisher = Publisher {
        source: Source::verify(&*tree, 2, &Silent).unwrap(),
        policy: policy(&shop),
        signer: Signer::load(&read("key.pem"), &read("cert.pem"), None).unwrap(),
        shop: &shop,
    };
    let writes = i64::try_from(clean.len()).unwrap();
    for (died, written) in (1..=writes).flat_map(|died| [(died, false), (died, true)]) {
        assert!(
            publisher.die(died, written).is_err(),
            "it outlived write {died}"
        );
        let interrupted = shop.everything();
        for (path, bytes) in &interrupted {
            assert_eq!(clean.get(path), Some(bytes), "{path} after write {died}");
        }
        let manifest = format!("{NAME}/Manifest/manifest.json");
        let is_complete = clean
            .keys()
            .filter(|path| path.starts_with(&format!("{NAME}/")))
            .all(|path| interrupted.contains_key(path));
        assert_eq!(interrupted.contains_key(&manifest), is_complete);
        publisher
            .publish(&*publisher.store(), &*publisher.dhf())
            .unwrap();
        assert!(shop.everything() == clean, "resumed after write {died}");
        shop.empty();
    }
    // No write was left out.
    assert!(publisher.die(writes + 1, false).is_ok());
}

#[test]
fn a_run_killed_at_fifty_random_points_is_resumed_to_the_same_end() {
    let shop = Shop::with_everything();
    killed_and_resumed(
        50,
        &shop.places(),
        &|| shop.publish(&shop.archive()),
        &|_, clean| is_whole_or_invisible(&shop, clean),
    );
}

#[test]
fn a_run_that_is_stopped_while_it_writes_says_so_and_is_resumed() {
    let shop = Shop::with_everything();
    let clean = clean(&shop);
    let run = shop
        .publish(&shop.archive())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let until = Instant::now() + Duration::from_secs(30);
    while shop.content().is_empty() && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    let id = run.id().to_string();
    Command::new("kill")
        .args(["-s", "TERM", &id])
        .status()
        .unwrap();
    let output = run.wait_with_output().unwrap();
    // It may have been at its end already.
    assert!(
        [Some(0), Some(130)].contains(&output.status.code()),
        "{}",
        told(&output)
    );
    succeed(&mut shop.publish(&shop.archive()));
    assert!(shop.everything() == clean);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_a_run_with_a_reason_and_more_room_lets_it_be_resumed() {
    let shop = Shop::with_everything();
    let clean = clean(&shop);
    if !can_mount("tmpfs", &shop.store()) {
        return;
    }
    let publish = shop.publish(&shop.archive());
    let kept = shop.path("kept");
    let script = format!(
        "mount -t tmpfs -o size=48k none \"$1\"; store=$1; shift; code=0; \"$@\" || code=$?; \
         [ $code = 1 ]; mount -o remount,size=64m \"$store\"; \"$@\" > /dev/null; \
         cp -R \"$store\" '{}'",
        kept.display()
    );
    let output = inside(&script, &shop.store(), &publish).output().unwrap();
    assert!(output.status.success(), "{}", told(&output));
    assert!(told(&output).contains("No space left"), "{}", told(&output));
    let clean: Files = clean
        .into_iter()
        .filter(|(path, _)| !path.starts_with("dhf:"))
        .collect();
    assert!(super::shop::content(&kept) == clean);
}
