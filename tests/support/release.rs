//! A released archive of the sample product, built once per test run with the built program.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::sample;

/// The roles that the built-in layouts ask to sign.
pub(crate) const ROLES: [&str; 3] = [
    "Engineering SME",
    "Product Management SME",
    "Quality Systems SME",
];
/// The archive's name.
pub(crate) const NAME: &str = "infusion-monitor-2.4.0";

/// The program, with nothing of the caller's environment but the path.
pub(crate) fn dhfpack() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dhfpack"));
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.args(["--progress", "none"]);
    command
}

/// Runs the program with these arguments.
pub(crate) fn run<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Output {
    dhfpack().args(arguments).output().unwrap()
}

/// Runs the program and expects it to succeed; returns its standard output.
pub(crate) fn succeed<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Everything a run printed.
pub(crate) fn told(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The sample product, its image, and the keys of everyone who signs.
pub(crate) struct Product {
    folder: TempDir,
    pub(crate) commit: String,
}

impl Product {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let repository = sample::make_repository(&folder.path().join("product")).unwrap();
        sample::make_image(&folder.path().join("image"), &repository.commit).unwrap();
        let product = Self {
            folder,
            commit: repository.commit,
        };
        product.make_key("builder", "Release CI", "Release Builder");
        for role in ROLES {
            product.make_key(role, &format!("Signer of {role}"), role);
        }
        let certificates = ROLES.into_iter().chain(["builder"]);
        let text: Vec<String> = certificates
            .map(|who| fs::read_to_string(product.certificate(who)).unwrap())
            .collect();
        fs::write(product.trust_file(), text.concat()).unwrap();
        product
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn repository(&self) -> PathBuf {
        self.path("product")
    }

    pub(crate) fn key(&self, who: &str) -> PathBuf {
        self.path(&format!("{who}.key.pem"))
    }

    pub(crate) fn certificate(&self, who: &str) -> PathBuf {
        self.path(&format!("{who}.cert.pem"))
    }

    pub(crate) fn make_key(&self, who: &str, name: &str, role: &str) {
        let (key, certificate) = (self.key(who), self.certificate(who));
        let mut command = dhfpack();
        command
            .args(["key", "new", "--name", name, "--role", role, "--key"])
            .arg(key);
        let output = command
            .arg("--certificate")
            .arg(certificate)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", told(&output));
    }

    /// `build` with the sample's image and the builder's key.
    pub(crate) fn build(&self, output: &Path) -> Command {
        let mut command = dhfpack();
        command.arg("build").arg("--repo").arg(self.repository());
        command.arg("--output").arg(output);
        command.arg("--image").arg(self.image_option());
        command.arg("--key").arg(self.key("builder"));
        command
            .arg("--certificate")
            .arg(self.certificate("builder"));
        command
    }

    pub(crate) fn image_option(&self) -> String {
        format!("install=oci:{}", self.path("image").display())
    }

    pub(crate) fn sign(&self, archive: &Path, role: &str) -> Output {
        let mut command = dhfpack();
        command.arg("sign").arg(archive).args(["--role", role]);
        command.arg("--key").arg(self.key(role));
        command.arg("--certificate").arg(self.certificate(role));
        command.output().unwrap()
    }

    /// `verify` that trusts everyone of the sample.
    pub(crate) fn verify(&self, archive: &Path) -> Command {
        let mut command = dhfpack();
        command.arg("verify").arg(archive);
        for who in ROLES.into_iter().chain(["builder"]) {
            command.arg("--trust").arg(self.certificate(who));
        }
        command
    }

    /// A PEM file with everyone's certificate, for stock tools.
    pub(crate) fn trust_file(&self) -> PathBuf {
        self.path("trust.pem")
    }
}

/// The sample product with a released archive of it.
pub(crate) struct Release {
    pub(crate) product: Product,
    pub(crate) archive: PathBuf,
}

/// Built on first use; tests that change it work on a copy.
pub(crate) fn released() -> &'static Release {
    static RELEASE: OnceLock<Release> = OnceLock::new();
    RELEASE.get_or_init(|| {
        let product = Product::new();
        let output = product.path("archives");
        fs::create_dir(&output).unwrap();
        let built = product.build(&output).output().unwrap();
        assert!(built.status.success(), "{}", told(&built));
        let archive = output.join(NAME);
        for role in ROLES {
            let signed = product.sign(&archive, role);
            assert!(signed.status.success(), "{}", told(&signed));
        }
        Release { product, archive }
    })
}

/// The sample's configuration for a release with another image, or with none: its SBOM names the
/// sample's.
pub(crate) fn without_sbom_image(text: &str) -> String {
    let sbom = "file = \"records/*.cdx.json\"\n";
    let image = format!("{sbom}image = \"install\"\n");
    assert!(text.contains(&image));
    text.replace(&image, sbom)
}

/// The sample's configuration without its image.
pub(crate) fn without_image(text: &str) -> String {
    let text = without_sbom_image(text);
    let start = text.find("[[image]]").unwrap();
    let end = start + text[start..].find("\n\n").unwrap();
    let reason =
        "[[slot]]\nid = \"design-outputs.image\"\nnot_applicable = \"No image in this test.\"";
    format!("{}{reason}{}", &text[..start], &text[end..])
}

/// A copy of a folder, in a folder of its own.
pub(crate) fn copy_of(folder: &Path) -> (TempDir, PathBuf) {
    let place = TempDir::new().unwrap();
    let copy = place.path().join(folder.file_name().unwrap());
    for entry in walkdir::WalkDir::new(folder) {
        let entry = entry.unwrap();
        let target = copy.join(entry.path().strip_prefix(folder).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir(&target).unwrap();
        } else {
            fs::copy(entry.path(), &target).unwrap();
        }
    }
    (place, copy)
}

/// Commits everything and puts an unsigned annotated tag on it, moving one that is there.
/// Returns the commit's id.
pub(crate) fn commit_and_tag(repository: &Path, tag: &str) -> String {
    let mut answer = String::new();
    for arguments in [
        vec!["add", "-A"],
        vec!["commit", "-q", "-m", "Change"],
        vec!["tag", "-f", "-a", "-m", "Release", tag],
        vec!["rev-parse", "HEAD"],
    ] {
        let output = Command::new("git")
            .arg("-C")
            .arg(repository)
            .args([
                "-c",
                "user.name=Test",
                "-c",
                "user.email=test@example.org",
                "-c",
                "tag.gpgSign=false",
            ])
            .args(&arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        answer = String::from_utf8(output.stdout).unwrap();
    }
    answer.trim().to_owned()
}

/// Names and sizes in a folder, sorted.
pub(crate) fn listing(folder: &Path) -> Vec<(String, u64)> {
    let mut entries: Vec<(String, u64)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (
                entry.file_name().into_string().unwrap(),
                entry.metadata().unwrap().len(),
            )
        })
        .collect();
    entries.sort();
    entries
}
