use std::fs;
use std::process::Command;

use dhfpack::monitor::{Silent, Task, Unit};
use dhfpack::source::git::GitError;

use crate::support::git::{git, succeed};

mod hostile;
mod server;

use server::{Found, Server, find, paths, refusal};

fn source_tree(found: &Found) -> Vec<u8> {
    let task = Task::begin(&Silent, "source", None, Unit::Bytes);
    let tag = found.mirror.tag("v1.0.0").unwrap();
    let mut bytes = Vec::new();
    let (mirror, submodules) = (&found.mirror, &found.submodules);
    mirror
        .source_tree(&tag, submodules, "p", 1, &mut bytes, &task)
        .unwrap();
    bytes
}

/// The names in a `.tar.gz`, as stock tar lists them.
fn listed(bytes: &[u8]) -> Vec<String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    let output = succeed(Command::new("tar").arg("-tzf").arg(file.path()));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn submodules_at_two_levels_are_found_in_the_checkout_without_their_remotes() {
    let server = Server::nested();
    let checkout = server.checkout();
    for name in ["inner", "lib", "product"] {
        fs::rename(server.path(name), server.path(&format!("{name}-gone"))).unwrap();
    }
    let found = find(&checkout, None).unwrap();
    assert_eq!(paths(&found), ["vendor/lib", "vendor/lib/deps/inner"]);
    let inner = &found.submodules[1];
    let head = git(
        &checkout.join(&inner.path),
        ["rev-parse", "HEAD", "HEAD^{tree}"],
    );
    assert_eq!(head, format!("{}\n{}", inner.commit.id, inner.commit.tree));
    assert_eq!(inner.url, "../inner");
    let modules = checkout.join(".git/modules/lib/modules/inner");
    assert_eq!(
        inner.mirror.local(),
        Some(&*modules.canonicalize().unwrap())
    );
}

#[test]
fn the_source_tree_holds_the_files_of_submodules_in_their_place() {
    let server = Server::nested();
    let bytes = source_tree(&find(&server.checkout(), None).unwrap());
    assert_eq!(
        listed(&bytes),
        [
            "p/.gitmodules",
            "p/product.txt",
            "p/vendor/lib/.gitmodules",
            "p/vendor/lib/deps/inner/inner.txt",
            "p/vendor/lib/lib.txt",
        ]
    );
    let remote = server.url("product");
    let bare = server.clone("bare", &["--bare"]);
    let fetched = source_tree(&find(&bare, Some(&remote)).unwrap());
    assert!(fetched == bytes, "from the remote");
}

#[test]
fn each_pinned_commit_has_a_bundle_with_its_history_and_nothing_else() {
    let server = Server::nested();
    let checkout = server.checkout();
    let found = find(&checkout, None).unwrap();
    let lib = &found.submodules[0];
    // Commits after the pinned one, tags and branches are not in it.
    server.commit("lib", "later.txt", "later");
    git(&checkout.join("vendor/lib"), ["fetch", "--quiet", "--tags"]);
    let again = find(&checkout, None).unwrap();
    let bundle = |found: &Found, index: usize| {
        let task = Task::begin(&Silent, "bundle", None, Unit::Bytes);
        let one = &found.submodules[index];
        let mut bytes = Vec::new();
        one.mirror
            .bundle_commit(&one.commit, &mut bytes, &task)
            .unwrap();
        bytes
    };
    let bytes = bundle(&found, 0);
    assert!(bundle(&again, 0) == bytes, "after a fetch");
    let file = server.path("lib.bundle");
    fs::write(&file, bytes).unwrap();
    let heads = git(server.folder.path(), ["bundle", "list-heads", "lib.bundle"]);
    let id = &lib.commit.id;
    assert_eq!(heads, format!("{id} HEAD\n{id} refs/heads/pinned"));
    git(
        server.folder.path(),
        ["clone", "--quiet", "lib.bundle", "lib-clone"],
    );
    let clone = server.path("lib-clone");
    let objects = ["cat-file", "--batch-all-objects", "--batch-check"];
    // Two commits; their trees, one with a folder; two files.
    assert_eq!(git(&clone, objects).lines().count(), 7);
    let task = Task::begin(&Silent, "proof", None, Unit::Bytes);
    lib.mirror
        .prove_commit_bundle(&file, &lib.commit, &task)
        .unwrap();
    let inner = &found.submodules[1].commit;
    let other = lib.mirror.prove_commit_bundle(&file, inner, &task);
    assert!(
        matches!(other, Err(GitError::NotRestored { .. })),
        "{other:?}"
    );
}

#[test]
fn a_submodule_whose_path_was_renamed_is_found_by_its_name() {
    let server = Server::nested();
    server.git("product", &["mv", "vendor/lib", "third-party"]);
    server.git("product", &["commit", "--quiet", "--message", "rename"]);
    server.tag();
    let checkout = server.checkout();
    let expected = ["third-party", "third-party/deps/inner"];
    assert_eq!(paths(&find(&checkout, None).unwrap()), expected);
    // Nothing of it is checked out: only the folder of modules is left.
    git(
        &checkout,
        ["submodule", "--quiet", "deinit", "--force", "--all"],
    );
    assert_eq!(paths(&find(&checkout, None).unwrap()), expected);
}

#[test]
fn a_submodule_in_an_older_or_a_linked_checkout_is_found() {
    let server = Server::nested();
    let checkout = server.checkout();
    // Older git kept the repository in the folder of the submodule itself.
    let lib = checkout.join("vendor/lib");
    fs::remove_file(lib.join(".git")).unwrap();
    fs::rename(checkout.join(".git/modules/lib"), lib.join(".git")).unwrap();
    let found = find(&checkout, None).unwrap();
    assert_eq!(paths(&found).len(), 2);

    let first = server.clone("first", &[]);
    let linked = server.path("linked");
    git(
        &first,
        ["worktree", "add", "--quiet", linked.to_str().unwrap()],
    );
    let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
    server.git("linked", &update);
    assert_eq!(paths(&find(&linked, None).unwrap()).len(), 2);
}

#[test]
fn a_repository_at_two_paths_is_there_twice_with_the_commit_of_each() {
    let server = Server::nested();
    let old = server.git("lib", &["rev-parse", "HEAD"]);
    server.add("product", "../lib", "same", "same");
    let new = server.commit("lib", "new.txt", "new");
    server.add("product", "../lib", "newer", "newer");
    server.tag();
    let remote = server.url("product");
    let bare = server.clone("bare", &["--bare"]);
    for found in [
        find(&server.checkout(), None).unwrap(),
        find(&bare, Some(&remote)).unwrap(),
    ] {
        let submodules = found.submodules.iter();
        let pinned: Vec<_> = submodules
            .map(|one| (one.path.as_str(), one.commit.id.as_str()))
            .filter(|(path, _)| !path.ends_with("inner"))
            .collect();
        let (old, new) = (old.as_str(), new.as_str());
        assert_eq!(pinned, [("newer", new), ("same", old), ("vendor/lib", old)]);
        assert_eq!(found.submodules.len(), 6);
        source_tree(&found);
    }
}

#[test]
fn a_commit_that_no_branch_leads_to_any_more_is_found_all_the_same() {
    let server = Server::nested();
    let checkout = server.checkout();
    server.git(
        "lib",
        &["commit", "--quiet", "--amend", "--message", "other"],
    );
    let lib = checkout.join("vendor/lib");
    git(&lib, ["fetch", "--quiet", "--force"]);
    git(&lib, ["checkout", "--quiet", "--detach", "origin/main"]);
    let found = find(&checkout, None).unwrap();
    assert_ne!(
        git(&lib, ["rev-parse", "HEAD"]),
        found.submodules[0].commit.id
    );
}

#[test]
fn a_submodule_that_is_not_at_hand_is_named_with_the_command_that_gets_it() {
    let server = Server::nested();
    let plain = server.clone("plain", &[]);
    let (path, error, help) = refusal(find(&plain, None));
    assert_eq!(path, "vendor/lib");
    assert!(matches!(error, GitError::SubmoduleMissing { url } if url == "../lib"));
    assert!(help.contains("git submodule update --init --recursive"));

    let checkout = server.checkout();
    let pinned = server.commit("inner", "new.txt", "new");
    let lib = server.path("lib");
    git(&lib.join("deps/inner"), ["pull", "--quiet"]);
    server.git("lib", &["commit", "--quiet", "--all", "--message", "newer"]);
    git(
        &checkout.join("vendor/lib"),
        ["fetch", "--quiet", "--no-recurse-submodules"],
    );
    let product = server.path("product");
    git(
        &product.join("vendor/lib"),
        ["pull", "--quiet", "--no-recurse-submodules"],
    );
    server.git(
        "product",
        &["commit", "--quiet", "--all", "--message", "newer"],
    );
    server.tag();
    git(
        &checkout,
        [
            "fetch",
            "--quiet",
            "--force",
            "--tags",
            "--no-recurse-submodules",
        ],
    );
    let error = find(&checkout, None)
        .map(|found| found.submodules)
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("vendor/lib/deps/inner") && text.contains(&pinned),
        "{text}"
    );
    // With a remote it is fetched, and the checkout stays as it is.
    let remote = server.url("product");
    assert_eq!(paths(&find(&checkout, Some(&remote)).unwrap()).len(), 2);
    assert!(find(&checkout, None).is_err());
}

#[test]
fn a_submodule_cloned_in_part_is_refused_or_fetched() {
    let server = Server::nested();
    server.commit("inner", "second.txt", "2");
    git(&server.path("lib/deps/inner"), ["pull", "--quiet"]);
    server.git("lib", &["commit", "--quiet", "--all", "--message", "newer"]);
    git(&server.path("product/vendor/lib"), ["pull", "--quiet"]);
    server.git(
        "product",
        &["commit", "--quiet", "--all", "--message", "newer"],
    );
    server.tag();
    server.git("inner", &["config", "uploadpack.allowFilter", "true"]);
    for (name, option) in [("shallow", "--depth=1"), ("partial", "--filter=blob:none")] {
        let checkout = server.clone(name, &["--recurse-submodules"]);
        let inner = checkout.join("vendor/lib/deps/inner");
        for folder in [&inner, &checkout.join(".git/modules/lib/modules/inner")] {
            fs::remove_dir_all(folder).unwrap();
        }
        let target = inner.to_str().unwrap();
        let url = server.url("inner");
        server.git("product", &["clone", "--quiet", option, &url, target]);
        let (path, error, help) = refusal(find(&checkout, None));
        assert_eq!(path, "vendor/lib/deps/inner");
        let expected = match name {
            "shallow" => matches!(error, GitError::Shallow { .. }),
            _ => matches!(error, GitError::Partial { .. }),
        };
        assert!(expected, "{error}");
        assert!(
            help.contains("clone") || help.contains("--unshallow"),
            "{help}"
        );
        let remote = server.url("product");
        assert_eq!(paths(&find(&checkout, Some(&remote)).unwrap()).len(), 2);
    }
}
