//! The commands of the README, typed in their order on the sample product.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{Block, blocks, project_file};
use crate::sample;
use crate::support::dropbox::{self, Dropbox};
use crate::support::engine::{self, Loaded};
use crate::support::release::{NAME, told};
use crate::support::s3::{Kind, Server};

/// Commands that build or test the project itself, and how `.ci/run` runs them.
const ELSEWHERE: [(&str, &str); 3] = [
    (
        "cargo run --release --example quickstart",
        "cargo run --locked --release --example quickstart",
    ),
    ("tests/run.sh", "tests/run.sh --locked"),
    (
        "cargo install --locked --path .",
        "cargo install --locked --path .",
    ),
];

/// What differs between the README's machine and this one: the store's place, and that the image
/// was built into the machine's own engine. `{stage}` is the folder of this test.
const SUBSTITUTIONS: [(&str, &str); 5] = [
    ("/mnt/releases", "{stage}/store"),
    (
        "dhfpack build --tag v2.4.0",
        "dhfpack build --tag v2.4.0 --image install=oci:{stage}/image",
    ),
    (
        "dhfpack rebuild archives/infusion-monitor-2.4.0",
        "dhfpack rebuild archives/infusion-monitor-2.4.0 --image install=oci:{stage}/image",
    ),
    (
        "dropbox://Releases/monitor\n",
        "'dropbox://Releases/monitor?endpoint={dropbox}'\n",
    ),
    (
        "dropbox://Releases/monitor/infusion-monitor-2.4.0",
        "'dropbox://Releases/monitor/infusion-monitor-2.4.0?endpoint={dropbox}'",
    ),
];

/// Needs the services that stand for Amazon's and Dropbox's, and is left out where there are none.
const NEEDS_SERVICES: [&str; 2] = ["s3://", "dropbox://"];
/// The bucket of the README.
const BUCKET: &str = "example-releases";

/// Needs an engine, and is left out where there is none.
const NEEDS_ENGINE: &str = "docker load -i image.tar";

/// Where a block is typed, and what shows that it worked.
struct Scene {
    /// How the block begins.
    begins: &'static str,
    /// Where it is typed, from the stage.
    folder: &'static str,
    /// What people do before it that the README tells in words.
    before: fn(&Stage),
    /// What it prints.
    prints: &'static [&'static str],
    /// What it makes, from the stage.
    makes: &'static [&'static str],
}

const SCENES: [Scene; 11] = [
    Scene {
        begins: "dhfpack init",
        folder: "product",
        before: |_| {},
        prints: &["fda-classic", "Design Outputs"],
        makes: &["product/dhfpack.toml"],
    },
    Scene {
        begins: "dhfpack build --dry-run",
        folder: "product",
        before: |_| {},
        prints: &["infusion-monitor-2.4.0", "repository.bundle"],
        makes: &[],
    },
    Scene {
        begins: "dhfpack key new",
        folder: "product",
        before: |_| {},
        prints: &["ci.key.pem", "dana.cert.pem"],
        makes: &["product/ci.cert.pem", "product/dana.cert.pem"],
    },
    Scene {
        begins: "export DHFPACK_KEY",
        folder: "product",
        before: |_| {},
        prints: &["pending", "published"],
        makes: &[
            "product/archives/infusion-monitor-2.4.0/Manifest/manifest.json",
            "store/infusion-monitor-2.4.0/Manifest/manifest.json",
        ],
    },
    Scene {
        begins: "dhfpack sign",
        folder: "product",
        before: |_| {},
        prints: &["quality-systems-sme-release"],
        makes: &[],
    },
    Scene {
        begins: "export AWS_REGION",
        folder: "product",
        before: |_| {},
        prints: &["would publish", "governance", "infusion-monitor-2.4.0"],
        makes: &[],
    },
    Scene {
        begins: "export DHFPACK_DROPBOX_APP_KEY",
        folder: "product",
        before: |stage| fs::write(stage.path("dropbox.token"), dropbox::REFRESH_TOKEN).unwrap(),
        prints: &["published", "dropbox://"],
        makes: &["product/fetched/infusion-monitor-2.4.0/Manifest/manifest.json"],
    },
    Scene {
        begins: "dhfpack rebuild",
        folder: "product",
        before: |_| {},
        prints: &["verdict   identical"],
        makes: &[],
    },
    Scene {
        begins: "git clone",
        folder: "product/archives",
        before: |_| {},
        prints: &[],
        makes: &[
            "product/archives/source/dhfpack.toml",
            "product/archives/image.tar",
        ],
    },
    Scene {
        begins: "dhfpack show",
        folder: "product/archives",
        before: everyone_else_signs,
        prints: &["Infusion Monitor", "verdict   passed"],
        makes: &[],
    },
    Scene {
        begins: "dhfpack pack",
        folder: "product/archives",
        before: |_| {},
        prints: &["infusion-monitor-2.4.0.zip"],
        makes: &["product/archives/infusion-monitor-2.4.0.zip"],
    },
];

/// The other two approvers sign, and the auditor is given everyone's certificate.
fn everyone_else_signs(stage: &Stage) {
    for (who, name, role) in [
        ("lee", "Lee Okafor", "Engineering SME"),
        ("kim", "Kim Larsen", "Product Management SME"),
    ] {
        let files = format!("--key {who}.key.pem --certificate {who}.cert.pem");
        stage.type_in(
            "product",
            &format!(
                "dhfpack key new --name '{name}' --role '{role}' {files}\n\
                 dhfpack sign archives/{NAME} --role '{role}' {files}\n"
            ),
        );
    }
    stage.type_in("product", "cp *.cert.pem archives/\n");
}

/// A folder with the sample product, its image, a store, and `dhfpack` on the path.
struct Stage {
    folder: TempDir,
    image: String,
    services: Option<(Server, Dropbox)>,
}

impl Stage {
    fn set() -> Self {
        let folder = TempDir::new().unwrap();
        let product = sample::make_repository(&folder.path().join("product")).unwrap();
        let image = sample::make_image(&folder.path().join("image"), &product.commit).unwrap();
        for name in ["store", "bin"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_dhfpack"),
            folder.path().join("bin/dhfpack"),
        )
        .unwrap();
        let services = Server::start(Kind::Ministack).zip(Dropbox::start());
        if let Some((s3, _)) = &services {
            let with_locks = "x-amz-bucket-object-lock-enabled: true\r\n";
            let made = s3.ask("PUT", &format!("/{BUCKET}"), with_locks, b"");
            assert!(made.contains(" 200 "), "{made}");
        }
        Self {
            folder,
            image,
            services,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs the lines in one shell that stops at the first that fails.
    fn type_in(&self, folder: &str, lines: &str) -> Output {
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command
            .args(["-e", "-c", lines])
            .current_dir(self.path(folder))
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.folder.path());
        if let Some(engine) = std::env::var_os("DOCKER_HOST") {
            command.env("DOCKER_HOST", engine);
        }
        if let Some((s3, _)) = &self.services {
            let endpoint = format!("http://127.0.0.1:{}", s3.port);
            command.env("AWS_ENDPOINT_URL", endpoint).envs(s3.login());
            // The stand-in's app has a secret, which the README keeps among CI's variables.
            command.env("DHFPACK_DROPBOX_APP_SECRET", dropbox::APP_SECRET);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{lines}\n{}", told(&output));
        output
    }

    /// The block's lines as they are typed on this machine. Counts the substitutions it needs.
    fn adapt(&self, block: &Block, used: &mut [usize; SUBSTITUTIONS.len()]) -> String {
        let mut text = block.text();
        for ((from, to), used) in SUBSTITUTIONS.iter().zip(used) {
            *used += text.matches(from).count();
            let stage = self.folder.path().to_str().unwrap();
            let port = self
                .services
                .as_ref()
                .map_or(0, |(_, dropbox)| dropbox.port);
            let dropbox = format!("http://127.0.0.1:{port}");
            let to = to.replace("{stage}", stage).replace("{dropbox}", &dropbox);
            text = text.replace(from, &to);
        }
        text
    }

    fn play(&self, scene: &Scene, lines: &str) {
        (scene.before)(self);
        let output = self.type_in(scene.folder, lines);
        for part in scene.prints {
            assert!(
                told(&output).contains(part),
                "{part:?} is not printed by:\n{lines}\n{}",
                told(&output)
            );
        }
        for made in scene.makes {
            assert!(
                self.path(made).exists(),
                "{made} is not made by:\n{lines}\n{}",
                told(&output)
            );
        }
    }
}

fn shell_blocks() -> Vec<Block> {
    let mut blocks = blocks(&project_file("README.md"));
    blocks.retain(|block| block.language == "sh");
    blocks
}

#[test]
fn every_command_of_the_readme_runs_in_its_order() {
    let _turn = engine::turn();
    let with_engine = engine::answers();
    let stage = Stage::set();
    let _loaded = (with_engine && engine::image(&stage.image).is_none())
        .then(|| Loaded::removed_in_the_end(&stage.image));
    let mut scenes = SCENES.iter();
    let mut used = [0; SUBSTITUTIONS.len()];
    for mut block in shell_blocks() {
        block
            .lines
            .retain(|line| !ELSEWHERE.iter().any(|(command, _)| command == line));
        if stage.services.is_none() {
            let needs = |line: &str| NEEDS_SERVICES.iter().any(|needs| line.contains(needs));
            block.lines.retain(|line| !needs(line));
        }
        if !with_engine {
            block.lines.retain(|line| line != NEEDS_ENGINE);
        }
        if block.lines.is_empty() {
            continue;
        }
        let text = block.text();
        let scene = scenes.next();
        let scene = scene.filter(|scene| text.starts_with(scene.begins));
        let scene = scene.unwrap_or_else(|| panic!("no scene is known for the block\n{text}"));
        stage.play(scene, &stage.adapt(&block, &mut used));
    }
    let left: Vec<&str> = scenes.map(|scene| scene.begins).collect();
    assert!(left.is_empty(), "the README lacks {left:?}");
    for ((from, _), used) in SUBSTITUTIONS.iter().zip(used) {
        assert_eq!(used, 1, "{from} stands {used} times in the README");
    }
    if with_engine {
        let image = engine::image(&stage.image);
        assert_eq!(image.as_ref(), Some(&stage.image), "it was not loaded");
    }
}

#[test]
fn the_readme_s_commands_about_the_project_itself_run_in_ci() {
    let ci = project_file(".ci/run");
    let lines: Vec<String> = shell_blocks()
        .into_iter()
        .flat_map(|block| block.lines)
        .collect();
    for (command, in_ci) in ELSEWHERE {
        assert!(
            lines.iter().any(|line| line == command),
            "the README lacks `{command}`"
        );
        assert!(
            ci.lines().any(|line| line.starts_with(in_ci)),
            "`{in_ci}` is not in .ci/run"
        );
        let first = command.split(' ').next().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert!(!first.contains('/') || root.join(first).is_file());
    }
}
