//! Whether all roles that a release needs have signed.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::folder::SignerReport;
use crate::config::Meaning;
use crate::digest::Sha256;
use crate::finding::{Code, Finding};
use crate::layout::RELEASE_BUILDER;

/// A finding for each required role that nobody fills.
///
/// A role is filled by a signature that is valid, trusted and means *release*. One key fills one
/// role: who holds several roles signs in each with a key of its own, or others must sign.
#[must_use]
pub fn missing_roles(signers: &[SignerReport], required: &[String]) -> Vec<Finding> {
    let mut candidates: BTreeMap<&str, BTreeSet<Sha256>> = BTreeMap::new();
    for signer in signers {
        if signer.valid && signer.trusted && signer.meaning == Meaning::Release {
            candidates
                .entry(&signer.role)
                .or_default()
                .insert(signer.key_sha256);
        }
    }
    let mut filled = Filled::default();
    let mut findings = Vec::new();
    let mut asked = BTreeSet::new();
    for role in required.iter().filter(|role| asked.insert(*role)) {
        let none = BTreeSet::new();
        let has_signed = !candidates.get(&**role).unwrap_or(&none).is_empty();
        if filled.fill(role, &candidates, &mut BTreeSet::new()) {
            continue;
        }
        let detail = if has_signed {
            format!(
                "{role:?} was signed for only with keys that are needed for another required role; one key fills one role"
            )
        } else {
            format!(
                "nobody whom you trust has signed in the role {role:?} with the meaning release"
            )
        };
        findings.push(Finding::whole(Code::RoleMissing, detail));
    }
    findings
}

/// When the last of the required roles was filled: the release date; none while one is missing,
/// or where none is required.
#[must_use]
pub fn released_at(signers: &[SignerReport], required: &[String]) -> Option<Timestamp> {
    if required.is_empty() {
        return None;
    }
    let mut by_time = signers.to_vec();
    by_time.sort_by_key(|signer| signer.signed_at);
    // Whoever signs later takes no role away: what was filled stays filled.
    let counts: Vec<usize> = (1..=by_time.len()).collect();
    let missing = |count: &usize| !missing_roles(&by_time[..*count], required).is_empty();
    let last = by_time.get(counts.partition_point(missing))?;
    Some(last.signed_at)
}

/// Which key fills which role.
#[derive(Default)]
struct Filled<'a> {
    role_of: BTreeMap<Sha256, &'a str>,
}

impl<'a> Filled<'a> {
    /// Finds a key for `role`, moving other roles to other keys if need be (augmenting paths of
    /// a bipartite matching), so that the order of signing does not matter.
    fn fill(
        &mut self,
        role: &'a str,
        candidates: &BTreeMap<&'a str, BTreeSet<Sha256>>,
        tried: &mut BTreeSet<Sha256>,
    ) -> bool {
        for key in candidates.get(role).into_iter().flatten() {
            if !tried.insert(*key) {
                continue;
            }
            let free = match self.role_of.get(key).copied() {
                None => true,
                Some(other) => self.fill(other, candidates, tried),
            };
            if free {
                self.role_of.insert(*key, role);
                return true;
            }
        }
        false
    }
}

/// True for what no machine may do.
pub(super) fn is_machine_release(role: &str, meaning: Meaning) -> bool {
    role == RELEASE_BUILDER && meaning == Meaning::Release
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(role: &str, key: &str) -> SignerReport {
        SignerReport {
            file: format!("{key}.json"),
            name: key.to_owned(),
            role: role.to_owned(),
            meaning: Meaning::Release,
            signed_at: "2026-03-04T09:15:00Z".parse().unwrap(),
            certificate_sha256: Sha256::of(format!("{key} certificate").as_bytes()),
            key_sha256: Sha256::of(key.as_bytes()),
            valid: true,
            trusted: true,
        }
    }

    fn required() -> Vec<String> {
        ["Engineering", "Quality"].map(str::to_owned).to_vec()
    }

    #[test]
    fn a_role_counts_only_where_a_valid_trusted_signature_means_release() {
        let good = [signer("Engineering", "a"), signer("Quality", "b")];
        assert_eq!(missing_roles(&good, &required()), []);
        let spoil: [fn(&mut SignerReport); 4] = [
            |signer| signer.valid = false,
            |signer| signer.trusted = false,
            |signer| signer.meaning = Meaning::Approve,
            |signer| signer.role = "quality".to_owned(),
        ];
        for spoil in spoil {
            let mut signers = good.clone();
            spoil(&mut signers[1]);
            let findings = missing_roles(&signers, &required());
            assert_eq!(findings.len(), 1);
            assert_eq!(findings[0].code, Code::RoleMissing);
            assert!(findings[0].detail.contains("\"Quality\""));
        }
    }

    #[test]
    fn one_key_fills_one_role() {
        let signers = [signer("Engineering", "a"), signer("Quality", "a")];
        let findings = missing_roles(&signers, &required());
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains("one key fills one role"));
    }

    #[test]
    fn keys_are_assigned_so_that_as_many_roles_as_possible_are_filled() {
        // "b" alone can fill Quality, so Engineering must be left to "a", whichever sorts first.
        for (first, second) in [("a", "b"), ("b", "a")] {
            let signers = [
                signer("Engineering", first),
                signer("Engineering", second),
                signer("Quality", first),
            ];
            assert_eq!(missing_roles(&signers, &required()), []);
        }
    }

    #[test]
    fn the_release_date_is_when_the_last_required_role_signed() {
        let at = |mut signer: SignerReport, time: &str| {
            signer.signed_at = time.parse().unwrap();
            signer
        };
        let (first, last) = ("2026-03-04T09:00:00Z", "2026-03-05T09:00:00Z");
        let later = "2026-03-06T09:00:00Z";
        let signers = [
            at(signer("Quality", "b"), last),
            at(signer("Engineering", "a"), first),
            at(signer("Engineering", "c"), later),
            at(signer("Other", "d"), later),
        ];
        assert_eq!(
            released_at(&signers, &required()),
            Some(last.parse().unwrap())
        );
        assert_eq!(released_at(&signers[1..], &required()), None);
        assert_eq!(released_at(&signers, &[]), None);
    }

    #[test]
    fn a_role_that_is_required_twice_is_asked_for_once() {
        let twice = vec!["Quality".to_owned(); 2];
        assert_eq!(missing_roles(&[signer("Quality", "a")], &twice), []);
        assert_eq!(missing_roles(&[], &twice).len(), 1);
    }
}
