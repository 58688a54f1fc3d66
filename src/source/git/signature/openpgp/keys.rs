//! A file of `OpenPGP` public keys: who they belong to, and what each may do (RFC 9580 §10.1.1).
//!
//! What a key's newest own signature says of it counts. A revocation counts whenever it was made
//! and wherever in the file it stands: as in `gpg`, a revoked key signs nothing.

use pgp::packet::{
    KeyFlags, Packet, PacketParser, PublicKey, PublicSubkey, Signature, SignatureType, UserId,
};
use pgp::types::{Duration, Fingerprint, KeyDetails, KeyVersion, Tag, Timestamp};
use thiserror::Error;

use super::{Status, decode, is_accepted, is_strong, names};

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";
/// The most packets that are read: keys, names and signatures of a hundred people.
const MAX_PACKETS: usize = 10_000;

/// The keys that may sign.
#[derive(Debug, Default)]
pub struct OpenPgpKeys {
    keys: Vec<Key>,
    revocations: Vec<Signature>,
}

/// Why a file is no list of `OpenPGP` public keys.
#[derive(Debug, Clone, Copy, Error, PartialEq, Eq)]
pub enum KeysError {
    /// There is no block of public keys, or one has no end.
    #[error("it holds no whole block `{BEGIN}`")]
    NoBlock,
    /// A block that is damaged, or holds what is not understood.
    #[error("block {number} of public keys cannot be understood")]
    Malformed {
        /// Its place in the file, from 1.
        number: usize,
    },
    /// A private key among them.
    #[error("it holds a private key, which must not be in a repository")]
    Secret,
    /// More than is read.
    #[error("it holds more than {MAX_PACKETS} packets; give the signers' keys only")]
    TooMany,
}

/// A key with everything that was certified of it.
#[derive(Debug)]
struct Key {
    fingerprint: Fingerprint,
    primary: PublicKey,
    direct: Vec<Signature>,
    users: Vec<(UserId, Vec<Signature>)>,
    subkeys: Vec<(PublicSubkey, Vec<Signature>)>,
}

/// What the next signature in the file is on.
enum Target {
    Nothing,
    Key,
    User(usize),
    Subkey(usize),
}

impl OpenPgpKeys {
    /// Reads every armoured block of public keys in `text`, which may hold other text too.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys = Self::default();
        let mut packets = 0;
        let mut rest = text;
        let mut number = 0;
        while let Some(start) = rest.find(BEGIN) {
            number += 1;
            let block = &rest[start..];
            let length = block.find(END).ok_or(KeysError::NoBlock)? + END.len();
            let malformed = KeysError::Malformed { number };
            let bytes = decode(&block[..length]).ok_or(malformed)?;
            let (mut key, mut target) = (None, Target::Nothing);
            for packet in PacketParser::new(&bytes[..]) {
                packets += 1;
                if packets > MAX_PACKETS {
                    return Err(KeysError::TooMany);
                }
                let packet = packet.map_err(|_| malformed)?;
                if matches!(packet, Packet::SecretKey(_) | Packet::SecretSubkey(_)) {
                    return Err(KeysError::Secret);
                }
                keys.add(packet, &mut key, &mut target);
            }
            rest = &block[length..];
        }
        if number == 0 {
            return Err(KeysError::NoBlock);
        }
        Ok(keys)
    }

    fn add(&mut self, packet: Packet, current: &mut Option<usize>, target: &mut Target) {
        let key = current.and_then(|index| self.keys.get_mut(index));
        *target = match (packet, key) {
            (Packet::PublicKey(primary), _) if is_current(&primary) => {
                *current = Some(self.key(primary));
                Target::Key
            }
            (Packet::PublicKey(_), _) => {
                *current = None;
                Target::Nothing
            }
            (Packet::UserId(user), Some(key)) => Target::User(place(&mut key.users, user)),
            (Packet::PublicSubkey(subkey), Some(key)) if is_current(&subkey) => {
                Target::Subkey(place(&mut key.subkeys, subkey))
            }
            (Packet::Signature(signature), key) => {
                if signature.typ() == Some(SignatureType::KeyRevocation) {
                    self.revocations.push(signature.clone());
                }
                match (&*target, key) {
                    (Target::Key, Some(key)) => key.direct.push(signature),
                    (Target::User(user), Some(key)) => key.users[*user].1.push(signature),
                    (Target::Subkey(subkey), Some(key)) => key.subkeys[*subkey].1.push(signature),
                    _ => {}
                }
                return;
            }
            // What programs note for themselves.
            (Packet::Trust(_) | Packet::Marker(_) | Packet::Padding(_), _) => return,
            // A photograph, say, whose signatures are not looked at.
            _ => Target::Nothing,
        };
    }

    /// The place of a key; one that is there already, as in an older copy, is the same.
    fn key(&mut self, primary: PublicKey) -> usize {
        let fingerprint = primary.fingerprint();
        if let Some(index) = self
            .keys
            .iter()
            .position(|key| key.fingerprint == fingerprint)
        {
            return index;
        }
        self.keys.push(Key {
            fingerprint,
            primary,
            direct: Vec::new(),
            users: Vec::new(),
            subkeys: Vec::new(),
        });
        self.keys.len() - 1
    }

    /// The keys that the signature names as its maker.
    pub(super) fn candidates(&self, signature: &Signature) -> Vec<Candidate<'_>> {
        let mut found = Vec::new();
        for key in &self.keys {
            if names(signature, &key.primary) {
                found.push(Candidate {
                    keys: self,
                    key,
                    subkey: None,
                });
            }
            let subkeys = key
                .subkeys
                .iter()
                .filter(|(subkey, _)| names(signature, subkey));
            found.extend(subkeys.map(|subkey| Candidate {
                keys: self,
                key,
                subkey: Some(subkey),
            }));
        }
        found
    }
}

/// Older versions prove nothing, and later ones are not understood.
fn is_current(key: &impl KeyDetails) -> bool {
    matches!(key.version(), KeyVersion::V4 | KeyVersion::V6)
}

/// Where `item` stands in the list, to which it is added if it is not there.
fn place<T: PartialEq>(list: &mut Vec<(T, Vec<Signature>)>, item: T) -> usize {
    list.iter()
        .position(|(there, _)| *there == item)
        .unwrap_or_else(|| {
            list.push((item, Vec::new()));
            list.len() - 1
        })
}

/// A key that may have made a signature.
pub(super) struct Candidate<'a> {
    keys: &'a OpenPgpKeys,
    key: &'a Key,
    /// The subkey, if it is not the primary key.
    subkey: Option<&'a (PublicSubkey, Vec<Signature>)>,
}

impl Candidate<'_> {
    pub(super) fn fingerprint(&self) -> Fingerprint {
        match self.subkey {
            Some((subkey, _)) => subkey.fingerprint(),
            None => self.key.fingerprint.clone(),
        }
    }

    /// Whether this key made the signature over `payload` and might: then whose it is.
    pub(super) fn check(
        &self,
        signature: &Signature,
        payload: &[u8],
    ) -> Result<String, (Status, Option<String>)> {
        let (accepted, matches) = if let Some((subkey, _)) = self.subkey {
            let matches = signature.verify(subkey, payload).is_ok();
            (is_accepted(subkey), matches)
        } else {
            let primary = &self.key.primary;
            let matches = signature.verify(primary, payload).is_ok();
            (is_accepted(primary), matches)
        };
        if !accepted {
            let reason = "its key is of a kind or size that proves nothing or is not supported";
            return Err((Status::NotChecked, Some(reason.to_owned())));
        }
        if !matches {
            return Err((Status::Bad, None));
        }
        let time = signature.created().unwrap_or_default();
        self.entitlement(time)
            .map_err(|reason| (Status::UnknownSigner, Some(reason.to_owned())))
    }

    /// Whose the key is, if it could sign at `time`.
    fn entitlement(&self, time: Timestamp) -> Result<String, &'static str> {
        let primary = &self.key.primary;
        if !is_accepted(primary) {
            return Err("its primary key is of a kind or size that proves nothing");
        }
        let mut revocations = self.keys.revocations.iter();
        let is_on_it = |direct: &Signature| direct.typ() == Some(SignatureType::KeyRevocation);
        if revocations.any(|revocation| names(revocation, primary))
            || self.key.direct.iter().any(is_on_it)
        {
            return Err("its key was revoked");
        }
        let (user, about) = self.key.identity().ok_or("its key has no valid user id")?;
        let about = self.key.newest_direct(about);
        require_valid(primary, about, time)?;
        let flags = match self.subkey {
            None => about.key_flags(),
            Some((subkey, signatures)) => bound(primary, subkey, signatures, time)?,
        };
        if flags.sign() {
            Ok(user)
        } else {
            Err("its key is not one for signing")
        }
    }
}

impl Key {
    /// The user id that stands for the key, and the newest own signature on it: the one marked as
    /// primary, or else the one certified last.
    fn identity(&self) -> Option<(String, &Signature)> {
        let users = self.users.iter().filter_map(|(user, signatures)| {
            let own = |found: &&Signature| {
                names(found, &self.primary)
                    && is_strong(found)
                    && found
                        .verify_certification(&self.primary, Tag::UserId, user)
                        .is_ok()
            };
            let revoked = |found: &Signature| found.typ() == Some(SignatureType::CertRevocation);
            if signatures
                .iter()
                .any(|found| revoked(found) && names(found, &self.primary))
            {
                return None;
            }
            let newest = newest(
                signatures
                    .iter()
                    .filter(|found| found.is_certification())
                    .filter(own),
            )?;
            let user = user
                .as_str()
                .filter(|user| !user.contains(char::is_control))?;
            Some((user.to_owned(), newest))
        });
        users.max_by_key(|(_, signature)| (signature.is_primary(), signature.created()))
    }

    /// The newest signature on the key itself that says what it is for, if it is newer than `about`.
    fn newest_direct<'a>(&'a self, about: &'a Signature) -> &'a Signature {
        let own = |found: &&Signature| {
            found.typ() == Some(SignatureType::Key)
                && names(found, &self.primary)
                && found.key_flags() != KeyFlags::default()
                && is_strong(found)
                && found.verify_key(&self.primary).is_ok()
        };
        let direct = newest(self.direct.iter().filter(own));
        direct
            .filter(|direct| direct.created() > about.created())
            .unwrap_or(about)
    }
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| signature.created())
}

/// What a subkey is for, if its primary key vouches for it and it for the primary key (RFC 9580
/// §10.1.5): else somebody could claim another's signatures with their subkey.
fn bound(
    primary: &PublicKey,
    subkey: &PublicSubkey,
    signatures: &[Signature],
    time: Timestamp,
) -> Result<KeyFlags, &'static str> {
    let is = |signature: &Signature, kind| signature.typ() == Some(kind);
    if signatures
        .iter()
        .any(|found| is(found, SignatureType::SubkeyRevocation))
    {
        return Err("its subkey was revoked");
    }
    let valid = signatures.iter().filter(|found| {
        is(found, SignatureType::SubkeyBinding)
            && is_strong(found)
            && found.verify_subkey_binding(primary, subkey).is_ok()
    });
    let binding = newest(valid).ok_or("its subkey does not belong to its primary key")?;
    let back = binding.embedded_signature();
    let vouches = |back: &Signature| {
        is_strong(back) && back.verify_primary_key_binding(subkey, primary).is_ok()
    };
    if !back.is_some_and(vouches) {
        return Err("its subkey does not vouch for its primary key");
    }
    require_valid(subkey, binding, time)?;
    Ok(binding.key_flags())
}

/// Fails unless the key, of which `about` tells, existed and had not expired at `time`.
fn require_valid(
    key: &impl KeyDetails,
    about: &Signature,
    time: Timestamp,
) -> Result<(), &'static str> {
    let seconds = |time: Timestamp| u64::from(time.as_secs());
    let created = seconds(key.created_at());
    if seconds(time) < created {
        return Err("its key was made after it");
    }
    let ends = |start: u64, after: Option<Duration>| {
        let after = after.map_or(0, |after| u64::from(after.as_secs()));
        after > 0 && seconds(time) >= start + after
    };
    let about_made = about.created().map_or(0, seconds);
    if ends(created, about.key_expiration_time())
        || ends(about_made, about.signature_expiration_time())
    {
        return Err("its key had expired");
    }
    Ok(())
}
