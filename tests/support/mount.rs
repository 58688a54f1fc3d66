//! Other file systems, where the system lets whoever runs the tests mount one.

use std::path::Path;
use std::process::Command;

/// The shell script `script`, run where it may mount; its arguments are `place`, and the command
/// to run somewhere in it.
pub(crate) fn inside(script: &str, place: &Path, command: &Command) -> Command {
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--map-root-user", "sh", "-e", "-c", script, "sh"]);
    inside
        .arg(place)
        .arg(command.get_program())
        .args(command.get_args());
    inside.env_clear();
    for (name, value) in command.get_envs() {
        inside.env(name, value.unwrap_or_default());
    }
    inside.current_dir(command.get_current_dir().unwrap_or(Path::new(".")));
    inside
}

/// Whether file systems of this kind can be mounted at `place`; says so if not. Containers may not
/// mount, in CI neither, so that this is no failure there.
#[expect(
    clippy::print_stdout,
    reason = "whoever runs the tests must see what was left out"
)]
pub(crate) fn can_mount(kind: &str, place: &Path) -> bool {
    let mut nothing = Command::new("true");
    nothing.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let mount = format!("mount -t {kind} none \"$1\"; shift; \"$@\"");
    let tried = inside(&mount, place, &nothing).output();
    let can = tried.is_ok_and(|output| output.status.success());
    if !can {
        println!(
            "skipped: no {kind} at {}: the system lets nobody mount one",
            place.display()
        );
    }
    can
}
