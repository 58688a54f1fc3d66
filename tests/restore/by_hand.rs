//! A release with everything in it, of which nothing is left but the archive: `verify --restore`
//! proves it, and the commands of `docs/restore.md`, typed as they stand, bring all of it back.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use dhfpack::digest::Sha256;
use serde_json::Value;

use super::whole::{QUOTED, START, Whole, logo};
use super::{CODE, codes, parts};
use crate::readme::{blocks, project_file};
use crate::sample;
use crate::support::engine::{self, Loaded};
use crate::support::git::git;
use crate::support::image::{TestImage, gzip};
use crate::support::registry::{Door, Registry, Storage, has};
use crate::support::release::{ROLES, copy_of, released, told};

const SECOND: &str = "[[image]]\nname = \"simulator\"\nsource = \"registry:registry.example.com/simulator:{version}\"\n\n";

#[test]
fn a_release_comes_back_from_its_archive_alone() {
    if !has(&["git-lfs", "docker-registry", "skopeo"]) {
        return;
    }
    let _turn = engine::turn();
    let with_engine = engine::answers();
    let whole = Whole::with_images(1000, SECOND);
    whole.add_unusual();
    let tree = whole.repository.git(["rev-parse", "v2.4.0^{tree}"]);
    assert_eq!(
        whole
            .repository
            .git(["rev-list", "--count", "v2.4.0"])
            .len(),
        4
    );

    let (storage, simulator) = (Storage::new(), TestImage::usual());
    let registry = storage.open(Door::Open);
    let pushed = registry.push("team/simulator", "2.4.0", &simulator.layout(gzip));
    let second = format!(
        "simulator=registry:{}",
        registry.name("team/simulator:2.4.0")
    );
    let tar = whole.repository.beside("image.tar");
    let name = format!("dhfpack-test-whole-{}:2.4.0", std::process::id());
    let id = sample::make_image_tar_for_engine(&tar, &whole.commit(), &name).unwrap();
    let (loaded, first) = if with_engine {
        (
            Some(engine::load(&tar, &name)),
            format!("install=docker:{name}"),
        )
    } else {
        (None, format!("install=docker-archive:{}", tar.display()))
    };
    let (place, archive) = whole.archive_with(&[&first, &second]);
    for role in ROLES {
        let signed = released().product.sign(&archive, role);
        assert!(signed.status.success(), "{}", told(&signed));
    }

    whole.delete();
    drop((loaded, registry, storage));
    assert!(!with_engine || engine::image(&id).is_none());

    let ids = [id, format!("sha256:{}", simulator.id())];
    let verdict = verified(&archive);
    assert_eq!(codes(&verdict), [""; 0]);
    let quoted = format!("submodule {QUOTED}");
    let mut expected = vec![
        "repository",
        "submodule libs/pump",
        "submodule libs/pump/vendor/units",
        &quoted,
        "source tree",
        "Git LFS",
    ];
    let images = [
        "image install (linux/amd64)",
        "image simulator (linux/amd64)",
    ];
    expected.extend(images);
    if with_engine {
        expected.extend(images);
    }
    assert_eq!(parts(&verdict), expected);
    if with_engine {
        for (id, proof) in ids
            .iter()
            .zip(&verdict["restored"].as_array().unwrap()[8..])
        {
            let loaded = format!("loaded: the engine calls it {id}");
            assert_eq!(proof["proved"], loaded);
            assert_eq!(engine::image(id), None, "it was left behind");
        }
    }

    let _loaded = with_engine.then(|| ids.each_ref().map(|id| Loaded::removed_in_the_end(id)));
    let storage = Storage::new();
    let registry = storage.open(Door::Open);
    let (source, images) = documented(&registry, with_engine);
    let output = run("sh", &(source.clone() + &images), place.path());
    assert!(
        output.status.success(),
        "{source}{images}\n{}",
        told(&output)
    );
    require_files(place.path(), &tree);
    restores_where_git_is_set_up(&archive, &source, &tree);
    fails_on_a_pointer_left_behind(&archive, &source);
    if with_engine {
        for id in ids {
            assert_eq!(engine::image(&id), Some(id));
        }
    }
    assert_eq!(served(&registry, "simulator"), Sha256::of(&pushed));
    assert!(archive.join(CODE).is_dir());
}

/// What `verify --restore` says of a trusted archive, in the engine if there is one.
fn verified(archive: &Path) -> Value {
    let mut command = released().product.verify(archive);
    command.args(["--restore", "--json"]);
    command.envs(std::env::var_os("DOCKER_HOST").map(|engine| ("DOCKER_HOST", engine)));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Also in another shell, for a user who has set up Git LFS and line ends of another system.
fn restores_where_git_is_set_up(archive: &Path, source: &str, tree: &str) {
    let (place, _archive) = copy_of(archive);
    let set_up = "git lfs install\ngit config --global core.autocrlf true\n";
    let output = run("bash", &(set_up.to_owned() + source), place.path());
    assert!(output.status.success(), "{source}\n{}", told(&output));
    require_files(place.path(), tree);
}

/// The commands end with a failure, before any comparison, if Git LFS put nothing back.
fn fails_on_a_pointer_left_behind(archive: &Path, source: &str) {
    let (place, _archive) = copy_of(archive);
    let checkout = "    git -C \"$repository/..\" lfs checkout\n";
    let (with_git, without_git) = source.split_once("mkdir tree\n").unwrap();
    assert!(with_git.contains(checkout) && without_git.contains("diff"));
    let output = run("sh", &with_git.replace(checkout, ""), place.path());
    assert_eq!(output.status.code(), Some(1), "{}", told(&output));
    let logo = fs::read_to_string(place.path().join("source/assets/logo.dat")).unwrap();
    assert!(logo.starts_with("version https://git-lfs"));
}

/// That all files are there as committed, restored with git and without it.
fn require_files(place: &Path, tree: &str) {
    let source = place.join("source");
    assert_eq!(git(&source, ["rev-parse", "HEAD^{tree}"]), tree);
    for folder in [source, place.join("tree/infusion-monitor-2.4.0")] {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        assert!(read("assets/logo.dat") == logo());
        assert_eq!(read("libs/pump/pump.dat"), b"curves of the pump");
        assert_eq!(read("libs/pump/vendor/units/units.txt"), b"ml/h\n");
        assert_eq!(read("start.bat"), START);
        assert_eq!(read(&format!("{QUOTED}/start.bat")), START);
    }
}

/// The blocks of the document: those of the source code, and those of the images for each image.
fn documented(registry: &Registry, with_engine: bool) -> (String, String) {
    let mut source = String::new();
    let mut of_images = String::new();
    for block in blocks(&project_file("docs/restore.md")) {
        assert_eq!(block.language, "sh");
        let text = block.text();
        if text.contains("Installation Image/install") {
            of_images.push_str(&text);
        } else {
            source.push_str(&text);
        }
    }
    for (from, to) in [
        ("registry.example.org/", registry.name("")),
        (
            "skopeo copy",
            "skopeo copy --quiet --dest-tls-verify=false".to_owned(),
        ),
    ] {
        assert_eq!(of_images.matches(from).count(), 1, "{from}");
        of_images = of_images.replace(from, &to);
    }
    if !with_engine {
        of_images = of_images.replace("docker load -i image.tar\n", "");
    }
    let second = of_images
        .replace("Installation Image/install", "Installation Image/simulator")
        .replace("/infusion-monitor:2.4.0", "/simulator:2.4.0");
    (source, of_images + &second)
}

/// Runs commands where the archive is, which is home to no configuration but what they make.
fn run(shell: &str, script: &str, place: &Path) -> Output {
    Command::new(shell)
        .args(["-e", "-c", script])
        .current_dir(place)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", place)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .envs(std::env::var_os("DOCKER_HOST").map(|engine| ("DOCKER_HOST", engine)))
        .output()
        .unwrap()
}

/// The digest of the manifest that a registry has for an image.
fn served(registry: &Registry, name: &str) -> Sha256 {
    let image = format!("docker://{}", registry.name(&format!("{name}:2.4.0")));
    let output = Command::new("skopeo")
        .args(["inspect", "--raw", "--tls-verify=false", &image])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", told(&output));
    Sha256::of(&output.stdout)
}
