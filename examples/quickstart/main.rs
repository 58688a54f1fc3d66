//! The whole life of a release, on a sample product: build, sign in three roles, verify, publish,
//! register.
//!
//! `cargo run --release --example quickstart` works in `target/quickstart`; a folder given as
//! argument takes its place. Every step is one call of the library, as the commands make it.

mod engine;
mod place;
mod print;
mod sample;

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dhfpack::archive::{self, Form, Tree};
use dhfpack::assemble::{self, Built, ConfigSource, Locations, Request};
use dhfpack::authorise::authorise;
use dhfpack::config::Meaning;
use dhfpack::error::IoContext;
use dhfpack::layout::RELEASE_BUILDER;
use dhfpack::monitor::Silent;
use dhfpack::publish::registry::{self, Registration};
use dhfpack::publish::{self, Confirmation, Destinations, InStore, Order, ReadBack, Source};
use dhfpack::seal::Signing;
use dhfpack::sign::{self, Signer, Trust};
use dhfpack::store::{self, Access, Address};
use dhfpack::verify::{self, Policy, Verdict};
use jiff::Timestamp;

use engine::EngineImage;
use place::Place;
use sample::SampleRepository;

/// Who signs: printed name, role, and the name of the files with key and certificate.
const BUILDER: (&str, &str, &str) = ("Release CI", RELEASE_BUILDER, "ci");
const APPROVERS: [(&str, &str, &str); 3] = [
    ("Lee Okafor", "Engineering SME", "lee"),
    ("Kim Larsen", "Product Management SME", "kim"),
    ("Dana Smith", "Quality Systems SME", "dana"),
];

fn main() -> ExitCode {
    let folder = std::env::args_os().nth(1).map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| Path::new("target").join("quickstart"));
    match run(&folder, &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print::failure(&*error);
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, out: &mut dyn Write) -> Result<(), Box<dyn Error>> {
    let place = Place::prepare(folder)?;

    // The sample product: a repository with a signed tag, documents, an install image, keys.
    let product = sample::make_repository(&place.product())?;
    let id = sample::make_image(&place.image(), &product.commit)?;
    writeln!(
        out,
        "product   {}, signed tag {}",
        product.root.display(),
        product.tag
    )?;
    let builder = make_key(&place, BUILDER)?;

    // Build: the tag, the image and the documents become one sealed archive.
    let engine = engine::load(&place, &product.commit, &id)?;
    let built = build(&place, &product, engine.as_ref(), builder)?;
    match &engine {
        Some(_) => writeln!(out, "image     {id} from the Docker Engine")?,
        None => writeln!(out, "image     {id} from an OCI layout")?,
    }
    drop(engine);
    writeln!(out, "built     {}", built.path.display())?;

    // Sign: three people authorise the release, each with a key of their own.
    for approver in APPROVERS {
        let (name, role, _) = approver;
        let signer = make_key(&place, approver)?;
        let monitor = &Silent;
        let jobs = jobs();
        authorise(&built.path, &signer, role, Meaning::Release, jobs, monitor)?;
        writeln!(out, "signed    by {name} as {role}")?;
    }

    // Verify, as an auditor does who was given the four certificates.
    let tree = archive::open(&built.path)?;
    let policy = policy(&place)?;
    let verdict = verify::verify(&*tree, &policy, jobs(), &Silent)?;
    require_pass(&verdict)?;

    // Publish: a copy in a store, with its entry in the service manual, and a row in the register.
    let published = publish(&place, &*tree, &policy, out)?;

    print::tree(out, &built.path)?;
    print::verdict(out, &verdict)?;
    print::commands(out, &place, &built.path, &published)
}

/// Publishes into a folder, registers the release there, and shows what became of each step.
fn publish(
    place: &Place,
    tree: &dyn Tree,
    policy: &Policy,
    out: &mut dyn Write,
) -> Result<PathBuf, Box<dyn Error>> {
    let store = store::open(&Address::Folder(place.store()), &Access::default(), &Silent)?;
    let manual = InStore {
        store: &*store,
        path: "service-manual.md",
    };
    let order = Order {
        store: &*store,
        policy,
        read_back: ReadBack::default(),
        confirmation: Confirmation::Missing,
        others: Some(Destinations {
            manual: Some(&manual),
            ..Destinations::default()
        }),
    };
    let source = Source::verify(tree, jobs(), &Silent)?;
    let published = publish::publish(&source, order, &Silent)?;
    writeln!(out, "published {}", published.location)?;
    print::steps(out, &published.steps)?;

    // The sample's dhfpack.toml asks for no row: this is `dhfpack registry add`.
    let released_at = published.standing.released_at;
    let (manifest, digest, config) = (source.manifest(), source.digest(), source.config()?);
    let location = &manifest.name;
    let row = Registration::of(manifest, digest, &config, released_at, location)?;
    let recorded = registry::record(&*store, &row, &load_key(place, BUILDER.2)?, &Silent)?;
    writeln!(
        out,
        "register  {} {} in line {}",
        row.title(),
        row.status().as_str(),
        recorded.row
    )?;
    Ok(place.store().join(location))
}

/// Makes a key and a certificate, keeps them for later, and loads them.
fn make_key(
    place: &Place,
    (name, role, file): (&str, &str, &str),
) -> Result<Signer, Box<dyn Error>> {
    let made = sign::generate(name, &[role.to_owned()], None, Timestamp::now(), 3)?;
    place::write_secret(&place.key(file), made.key_pem.as_bytes())?;
    let certificate = place.certificate(file);
    fs::write(&certificate, &made.certificate_pem).at("write", certificate)?;
    load_key(place, file)
}

fn load_key(place: &Place, file: &str) -> Result<Signer, Box<dyn Error>> {
    let (key, certificate) = (place.key(file), place.certificate(file));
    let key = fs::read(&key).at("read", &key)?;
    let certificate = fs::read(&certificate).at("read", &certificate)?;
    Ok(Signer::load(&key, &certificate, None)?)
}

/// Builds the archive; the image comes from the engine, as the sample's `dhfpack.toml` says, or
/// without an engine from the OCI layout.
fn build(
    place: &Place,
    product: &SampleRepository,
    engine: Option<&EngineImage>,
    builder: Signer,
) -> Result<Built, Box<dyn Error>> {
    let mut images = BTreeMap::new();
    if engine.is_none() {
        images.insert("install".to_owned(), place.image_source());
    }
    let request = Request {
        amends: None,
        earlier: None,
        repository: product.root.clone(),
        config: ConfigSource::Repository,
        tag: Some(product.tag.clone()),
        records: None,
        locations: Locations {
            images,
            ..Locations::default()
        },
        draft: false,
        jobs: jobs(),
    };
    let signing = Signing {
        signer: builder,
        role: None,
        meaning: None,
    };
    Ok(assemble::build(
        &request,
        &place.archives(),
        Form::Folder,
        Some(&signing),
        &Silent,
    )?)
}

/// Each certificate is trusted in one role, and the usual roles must have signed.
fn policy(place: &Place) -> Result<Policy, Box<dyn Error>> {
    let mut trust = Trust::default();
    for (_, role, file) in APPROVERS.into_iter().chain([BUILDER]) {
        let certificate = place.certificate(file);
        let bytes = fs::read(&certificate).at("read", &certificate)?;
        trust.add(&bytes, Some(role))?;
    }
    Ok(Policy {
        trust,
        required_roles: verify::default_roles(),
        now: Timestamp::now(),
    })
}

fn require_pass(verdict: &Verdict) -> Result<(), Box<dyn Error>> {
    if verdict.passed() {
        return Ok(());
    }
    let findings: Vec<String> = verdict.findings().iter().map(ToString::to_string).collect();
    Err(format!("the archive does not pass:\n  {}", findings.join("\n  ")).into())
}

fn jobs() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
