//! Trees that name submodules that nobody meant to name.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use dhfpack::source::git::GitError;

use super::server::{Server, find, paths, refusal};
use crate::support::git::{git, git_command, succeed};

#[test]
fn a_commit_without_an_entry_in_gitmodules_is_refused() {
    let server = Server::nested();
    let head = server.git("product", &["rev-parse", "HEAD"]);
    let entry = format!("160000,{head},stray");
    server.git("product", &["update-index", "--add", "--cacheinfo", &entry]);
    server.git("product", &["commit", "--quiet", "--message", "stray"]);
    server.tag();
    let (path, error, help) = refusal(find(&server.path("product"), None));
    assert_eq!(path, "stray");
    assert!(matches!(error, GitError::SubmoduleUnlisted), "{error}");
    assert!(help.contains("git submodule add"), "{help}");
}

/// Rewrites what `.gitmodules` says of the product's submodule, and tags that.
fn rewrite(server: &Server, name: &str, url: &str) {
    let text = format!("[submodule \"{name}\"]\n\tpath = vendor/lib\n\turl = {url}\n");
    fs::write(server.path("product/.gitmodules"), text).unwrap();
    server.git("product", &["add", ".gitmodules"]);
    server.git(
        "product",
        &["commit", "--quiet", "--allow-empty", "--message", "rewrite"],
    );
    server.tag();
}

#[test]
fn a_name_that_leads_out_of_the_folder_of_modules_is_refused() {
    for name in ["../../secret", "a/../../x", "/etc", ".."] {
        let server = Server::nested();
        let checkout = server.checkout();
        // Where the name would lead, there is a repository with the commit.
        git(server.folder.path(), ["clone", "--quiet", "lib", "secret"]);
        rewrite(&server, name, "../lib");
        git(&checkout, ["fetch", "--quiet", "--force", "--tags"]);
        let (_, error, _) = refusal(find(&checkout, Some(&server.url("product"))));
        assert!(matches!(error, GitError::SubmoduleName { .. }), "{error}");
    }
}

#[test]
fn nothing_is_run_or_read_that_a_submodules_url_names() {
    let server = Server::nested();
    let canary = server.path("executed");
    let touch = format!("touch {}", canary.display());
    for url in [
        format!("ext::sh -c '{touch}'"),
        format!("--upload-pack={touch}"),
        format!("-oProxyCommand={touch}:x"),
        format!("ssh://-oProxyCommand={touch}/x"),
        "/etc".to_owned(),
        "fd::17".to_owned(),
        server.path("lib").display().to_string(),
    ] {
        rewrite(&server, "lib", &format!("\"{url}\""));
        let bare = server.clone("bare", &["--bare"]);
        let (_, error, _) = refusal(find(&bare, Some(&server.url("product"))));
        assert!(
            matches!(error, GitError::SubmoduleUrl { .. }),
            "{url}: {error}"
        );
        fs::remove_dir_all(bare).unwrap();
    }
    // A product that comes from elsewhere may not name files of this machine.
    rewrite(&server, "lib", &server.url("lib"));
    let bare = server.clone("bare", &["--bare"]);
    let (_, error, _) = refusal(find(&bare, Some("https://git.example.org/product")));
    assert!(matches!(error, GitError::SubmoduleUrl { .. }), "{error}");
    assert!(!canary.exists());
}

#[test]
fn a_link_in_the_checkout_does_not_lead_to_a_submodule() {
    let server = Server::nested();
    let plain = server.clone("plain", &[]);
    fs::remove_dir_all(plain.join("vendor")).unwrap();
    git(
        server.folder.path(),
        ["clone", "--quiet", "lib", "elsewhere/lib"],
    );
    std::os::unix::fs::symlink(server.path("elsewhere"), plain.join("vendor")).unwrap();
    let (_, error, _) = refusal(find(&plain, None));
    assert!(
        matches!(error, GitError::SubmoduleMissing { .. }),
        "{error}"
    );
}

#[test]
fn a_submodule_below_a_link_of_the_tree_is_refused() {
    let server = Server::nested();
    let lib = server.git("lib", &["rev-parse", "HEAD"]);
    let blob = server.git("product", &["rev-parse", "HEAD:product.txt"]);
    let make = |lines: &str| {
        let file = server.path("lines");
        fs::write(&file, lines).unwrap();
        let mut command = git_command(&server.path("product"));
        command.args(["mktree", "--missing"]);
        let output = succeed(command.stdin(fs::File::open(file).unwrap()));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let folder = make(&format!("160000 commit {lib}\tlib\n"));
    let tree = make(&format!(
        "120000 blob {blob}\tvendor\n040000 tree {folder}\tvendor\n"
    ));
    let commit = server.git("product", &["commit-tree", "-m", "x", &tree]);
    server.git(
        "product",
        &["tag", "--force", "--message", "x", "v1.0.0", &commit],
    );
    let error = find(&server.path("product"), None).map(|found| found.submodules);
    assert!(
        matches!(error, Err(GitError::UnsafePath { .. })),
        "{error:?}"
    );
}

#[test]
fn a_path_that_is_not_text_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let server = Server::nested();
    let lib = server.git("lib", &["rev-parse", "HEAD"]);
    server.git("product", &["rm", "--quiet", "--cached", "vendor/lib"]);
    let mut entry = format!("160000,{lib},").into_bytes();
    entry.extend_from_slice(b"\xff");
    let mut command = git_command(&server.path("product"));
    command.args(["update-index", "--add", "--cacheinfo"]);
    succeed(command.arg(OsStr::from_bytes(&entry)));
    server.git("product", &["commit", "--quiet", "--message", "x"]);
    server.tag();
    let error = find(&server.path("product"), None).map(|found| found.submodules);
    assert!(
        matches!(error, Err(GitError::SubmodulePath { .. })),
        "{error:?}"
    );
}

#[test]
fn submodules_inside_one_another_have_a_limit() {
    let server = Server::nested();
    // A repository that has an earlier commit of itself, again and again.
    let name = "product";
    for _ in 0..17 {
        let head = server.git(name, &["rev-parse", "HEAD"]);
        rewrite(&server, "self", "../product");
        let entry = format!("160000,{head},vendor/lib");
        server.git(name, &["update-index", "--add", "--cacheinfo", &entry]);
        server.git(name, &["commit", "--quiet", "--message", "deeper"]);
    }
    server.tag();
    let bare = server.clone("bare", &["--bare"]);
    let error = find(&bare, Some(&server.url(name))).map(|found| found.submodules);
    assert!(
        matches!(error, Err(GitError::SubmoduleCount { .. })),
        "{error:?}"
    );
}

#[test]
fn no_program_that_a_submodule_names_is_run() {
    let server = Server::nested();
    let text = fs::read_to_string(server.path("product/.gitmodules")).unwrap();
    let canary = server.path("executed");
    let trap = server.path("trap");
    fs::write(&trap, format!("#!/bin/sh\ntouch '{}'\n", canary.display())).unwrap();
    fs::set_permissions(&trap, fs::Permissions::from_mode(0o755)).unwrap();
    let program = trap.to_str().unwrap();
    let checkout = server.checkout();
    let include = server.path("include");
    fs::write(&include, "[submodule \"lib\"]\n\turl = ext::false\n").unwrap();
    let trapped = format!(
        "{text}\tupdate = !{program}\n[include]\n\tpath = {}\n[alias]\n\tls-tree = !{program}\n",
        include.display()
    );
    fs::write(server.path("product/.gitmodules"), trapped).unwrap();
    server.git(
        "product",
        &["commit", "--quiet", "--all", "--message", "trap"],
    );
    server.tag();
    git(&checkout, ["fetch", "--quiet", "--force", "--tags"]);
    for folder in ["", "vendor/lib", "vendor/lib/deps/inner"] {
        let alias = format!("!{program}");
        for (key, value) in [
            ("core.fsmonitor", program),
            ("core.alternateRefsCommand", program),
            ("core.sshCommand", program),
            ("uploadpack.packObjectsHook", program),
            ("alias.upload-pack", &alias),
            ("alias.cat-file", &alias),
        ] {
            git(&checkout.join(folder), ["config", key, value]);
        }
    }
    let found = find(&checkout, None).unwrap();
    assert_eq!(paths(&found).len(), 2);
    assert_eq!(found.submodules[0].url, "../lib");
    assert!(!canary.exists());
}
