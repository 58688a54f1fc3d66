//! Programs that the caller's environment names, and folders that it leads to.

use std::fs;
use std::process::Command;

use super::{Ground, Made, Outcome, Refused};

/// Builds with these variables; `TRAP` in a value is the program, `BESIDE` the folder it is in.
fn with(name: &str, variables: &[(&str, &str)], prepare: fn(&Ground), outcome: &Outcome) {
    let ground = Ground::new();
    prepare(&ground);
    ground.sprung();
    let beside = ground.small.path("");
    let command = || -> Command {
        let mut command = ground.small.command();
        for (key, value) in variables {
            let value = ground.filled(value);
            command.env(key, value.replace("BESIDE/", beside.to_str().unwrap()));
        }
        command
    };
    ground.judge(name, &command, outcome);
}

#[test]
fn no_variable_of_git_starts_a_program_or_leads_elsewhere() {
    for variable in [
        "GIT_ASKPASS",
        "SSH_ASKPASS",
        "GIT_EDITOR",
        "GIT_SEQUENCE_EDITOR",
        "GIT_EXTERNAL_DIFF",
        "GIT_PAGER",
        "PAGER",
        "EDITOR",
        "VISUAL",
        "GIT_PROXY_COMMAND",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
        "GIT_TRACE",
        "GIT_TRACE2",
        "GIT_TRACE2_EVENT",
        "GIT_TRACE_SETUP",
        "GIT_REDIRECT_STDERR",
    ] {
        let trace = variable.contains("TRACE") || variable.contains("REDIRECT");
        let value = if trace { "BESIDE/executed" } else { "TRAP" };
        with(variable, &[(variable, value)], |_| (), &Made);
    }
    for (variable, value) in [
        ("GIT_DIR", "/nowhere"),
        ("GIT_WORK_TREE", "/"),
        ("GIT_COMMON_DIR", "/nowhere"),
        ("GIT_INDEX_FILE", "BESIDE/executed"),
        ("GIT_OBJECT_DIRECTORY", "/nowhere"),
        ("GIT_ALTERNATE_OBJECT_DIRECTORIES", "/nowhere"),
        ("GIT_NAMESPACE", "other"),
        ("GIT_SHALLOW_FILE", "/etc/passwd"),
        ("GIT_GRAFT_FILE", "/etc/passwd"),
        ("GIT_DEFAULT_HASH", "sha256"),
        ("GIT_CEILING_DIRECTORIES", "/"),
        ("GIT_LITERAL_PATHSPECS", "0"),
        ("GIT_REPLACE_REF_BASE", "refs/heads/"),
        ("GIT_PROTOCOL", "version=0"),
        ("GIT_ALLOW_PROTOCOL", "ext"),
        ("GIT_QUARANTINE_PATH", "/nowhere"),
        ("GIT_TEST_DEFAULT_REF_FORMAT", "reftable"),
    ] {
        with(variable, &[(variable, value)], |_| (), &Made);
    }
}

#[test]
fn no_configuration_outside_the_repository_takes_part() {
    fn home(ground: &Ground) {
        let home = ground.small.path("home");
        let config = "[core]\n\tfsmonitor = TRAP\n\thooksPath = HOOKS\n\talternateRefsCommand = TRAP\n\
            [uploadpack]\n\tpackObjectsHook = TRAP\n[init]\n\ttemplateDir = TEMPLATE\n";
        let text = ground.filled(config);
        let text = text.replace("HOOKS", home.join("hooks").to_str().unwrap());
        let text = text.replace("TEMPLATE", home.join("template").to_str().unwrap());
        fs::create_dir_all(home.join("git")).unwrap();
        fs::write(home.join(".gitconfig"), &text).unwrap();
        fs::write(home.join("git/config"), &text).unwrap();
        fs::write(home.join("git/attributes"), "* filter=trap\n").unwrap();
        for hook in ["reference-transaction", "post-checkout"] {
            ground.plant(&home.join("hooks").join(hook));
            ground.plant(&home.join("template/hooks").join(hook));
        }
        ground.plant(&home.join("git-upload-pack"));
    }
    let file = "BESIDE/home/.gitconfig";
    for (name, variables) in [
        ("HOME", &[("HOME", "BESIDE/home")][..]),
        ("XDG_CONFIG_HOME", &[("XDG_CONFIG_HOME", "BESIDE/home")]),
        ("GIT_CONFIG", &[("GIT_CONFIG", file)]),
        ("GIT_CONFIG_GLOBAL", &[("GIT_CONFIG_GLOBAL", file)]),
        (
            "GIT_CONFIG_SYSTEM",
            &[("GIT_CONFIG_SYSTEM", file), ("GIT_CONFIG_NOSYSTEM", "0")],
        ),
        (
            "GIT_CONFIG_COUNT",
            &[
                ("GIT_CONFIG_COUNT", "1"),
                ("GIT_CONFIG_KEY_0", "uploadpack.packObjectsHook"),
                ("GIT_CONFIG_VALUE_0", "TRAP"),
            ],
        ),
        (
            "GIT_CONFIG_PARAMETERS",
            &[("GIT_CONFIG_PARAMETERS", "'core.fsmonitor=TRAP'")],
        ),
        ("GIT_EXEC_PATH", &[("GIT_EXEC_PATH", "BESIDE/home")]),
        (
            "GIT_TEMPLATE_DIR",
            &[("GIT_TEMPLATE_DIR", "BESIDE/home/template")],
        ),
    ] {
        with(name, variables, home, &Made);
    }
}

#[test]
fn a_program_named_git_in_the_repository_is_not_the_git_that_is_run() {
    let plant: fn(&Ground) = |ground| {
        for name in ["git", "git-upload-pack", "sh", "ssh", "git.exe"] {
            ground.plant(&ground.small.repository.path().join(name));
        }
        ground.retag();
    };
    with("no entry of the search path", &[], plant, &Made);
    let path = std::env::var("PATH").unwrap();
    for relative in [".:", ":", "./:../work:"] {
        let path = format!("{relative}{path}");
        with(relative, &[("PATH", &path)], plant, &Made);
    }
    let only = [("PATH", ".")];
    with(
        "nothing but `.`",
        &only,
        plant,
        &Refused("cannot start git"),
    );
}
