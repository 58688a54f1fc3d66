//! The service manual: its record in the archive, its entry, and the manual it is added to.

mod adding;
// Commands of a Unix shell.
#[cfg(unix)]
mod documentation;
mod entry;
mod in_git;
mod record;

/// A record with nothing missing.
pub(crate) const RECORD: &str = r#"
audience = "Hospital IT"
update = "forced"
author = "A, Engineering SME"
approver = "B, Quality Systems SME"
prerequisites = ["A server."]
supported_upgrade_paths = ["From 0.9."]
install = ["Load it.", "Start it."]
upgrade = ["Stop 0.9.", "Start it."]
rollback = ["Start 0.9."]
post_install_check = ["Read the about line."]
compatibility = { none = "It has no interfaces." }
configuration_changes = { none = "It has no settings." }
usability_impact = { none = "Nothing looks different." }
known_anomalies = [{ id = "PR-1", description = "It blinks.", workaround = "Look away." }]
security_notes = { none = "It has no network." }
user_notification = ["By letter."]
training = { none = "Nothing looks different." }
"#;
