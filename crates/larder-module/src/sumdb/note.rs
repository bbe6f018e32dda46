//! Signed notes: a text, a blank line, and signature lines.
//!
//! Accepts exactly what golang.org/x/mod's reader accepts, because a note that the `go` command
//! takes and Larder refuses would look like an attack, and the other way round would be one.
//! Ed25519 follows Go as well: keys of small order are allowed, a scalar that isn't reduced is
//! not.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature as Ed25519Signature, Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use super::lenient;

/// The only algorithm that notes are signed with: Ed25519.
const ALGORITHM_ED25519: u8 = 1;

/// The most signatures that a note may carry.
const MAX_SIGNATURES: usize = 100;

/// An em dash and a space start each signature line.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// A public key with the name of its owner, written `name+hash+key`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verifier {
    name: String,
    key_hash: u32,
    key: [u8; 32],
}

/// Why a text is no verifier key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum VerifierError {
    /// The text isn't `name+hash+key`.
    #[error("malformed verifier key, want name+hash+key")]
    Malformed,
    /// The hash in the text doesn't belong to the name and key.
    #[error("the verifier key's hash does not match its name and key")]
    Hash,
    /// The key is for another algorithm than Ed25519.
    #[error("unknown algorithm {0} in the verifier key")]
    Algorithm(u8),
}

impl Verifier {
    /// Reads `name+hash+key`; the key's base64 may contain further plus signs.
    ///
    /// # Errors
    ///
    /// Fails where Go's reader fails.
    pub fn parse(text: &str) -> Result<Self, VerifierError> {
        let mut parts = text.splitn(3, '+');
        let mut part = || parts.next().unwrap_or_default();
        let (name, hash, key) = (part(), part(), part());
        let key = lenient::decode(key.as_bytes()).ok_or(VerifierError::Malformed)?;
        let is_hash = hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_hash || !is_valid_name(name) || key.is_empty() {
            return Err(VerifierError::Malformed);
        }
        let key_hash = u32::from_str_radix(hash, 16).map_err(|_| VerifierError::Malformed)?;
        if key_hash != hash_of_key(name, &key) {
            return Err(VerifierError::Hash);
        }
        if key[0] != ALGORITHM_ED25519 {
            return Err(VerifierError::Algorithm(key[0]));
        }
        let key = key[1..].try_into().map_err(|_| VerifierError::Malformed)?;
        Ok(Self { name: name.to_owned(), key_hash, key })
    }

    /// Returns the name of the key's owner.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the first four bytes of the hash over name and key.
    pub fn key_hash(&self) -> u32 {
        self.key_hash
    }

    /// Reports whether the signature over the message is this key's.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = Ed25519Signature::from_slice(signature) else {
            return false;
        };
        // The plain check, not the strict one: Go lets keys of small order pass.
        VerifyingKey::from_bytes(&self.key)
            .is_ok_and(|key| ed25519_dalek::Verifier::verify(&key, message, &signature).is_ok())
    }
}

impl fmt::Display for Verifier {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = lenient::encode(&tagged(&self.key));
        write!(formatter, "{}+{:08x}+{key}", self.name, self.key_hash)
    }
}

impl FromStr for Verifier {
    type Err = VerifierError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

/// A private key that signs notes; it can't be printed.
pub struct Signer {
    verifier: Verifier,
    key: SigningKey,
}

impl Signer {
    /// Makes a key from 32 secret bytes.
    ///
    /// # Errors
    ///
    /// Fails when the name is empty or contains white space or a plus sign.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, VerifierError> {
        if !is_valid_name(name) {
            return Err(VerifierError::Malformed);
        }
        let key = SigningKey::from_bytes(seed);
        let public = key.verifying_key().to_bytes();
        let verifier =
            Verifier { name: name.to_owned(), key_hash: hash_of_key(name, &tagged(&public)), key: public };
        Ok(Self { verifier, key })
    }

    /// Returns the public half.
    pub fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    /// Returns the signature line for a text, newline included.
    pub fn signature_line(&self, text: &str) -> String {
        let mut bytes = self.verifier.key_hash.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.key.sign(text.as_bytes()).to_bytes());
        let signature = lenient::encode(&bytes);
        format!("{SIGNATURE_PREFIX}{} {signature}\n", self.verifier.name)
    }

    /// Returns the whole note: text, blank line, signature. The text has to end in a newline.
    pub fn sign(&self, text: &str) -> String {
        format!("{text}\n{}", self.signature_line(text))
    }
}

fn tagged(key: &[u8; 32]) -> Vec<u8> {
    let mut bytes = vec![ALGORITHM_ED25519];
    bytes.extend_from_slice(key);
    bytes
}

fn hash_of_key(name: &str, key: &[u8]) -> u32 {
    let digest = Sha256::new().chain_update(name).chain_update(b"\n").chain_update(key).finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|letter: char| letter.is_whitespace() || letter == '+')
}

/// One signature line of a note.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Signature {
    /// The name in the line.
    pub name: String,
    /// The key hash that the signature starts with.
    pub key_hash: u32,
    /// The signature as it stands in the line.
    pub base64: String,
}

/// A note with at least one good signature by a known key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
    unverified: Vec<Signature>,
}

impl Note {
    /// Returns the signed text, which ends in a newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the signatures that were checked.
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Returns the signatures by keys that weren't given.
    pub fn unverified(&self) -> &[Signature] {
        &self.unverified
    }
}

/// Why a note was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoteError {
    /// The bytes aren't a note.
    #[error("malformed note")]
    Malformed,
    /// A known key's signature doesn't fit the text.
    #[error("invalid signature for key {name}+{key_hash:08x}")]
    InvalidSignature {
        /// The name of the key.
        name: String,
        /// The hash of the key.
        key_hash: u32,
    },
    /// Two of the given keys share a name and hash.
    #[error("ambiguous key {name}+{key_hash:08x}")]
    AmbiguousKey {
        /// The name of the keys.
        name: String,
        /// The hash of the keys.
        key_hash: u32,
    },
    /// No signature is by a known key.
    #[error("note has no verifiable signatures")]
    Unverified,
}

/// Checks a note's signatures by the known keys.
///
/// A bad signature by a known key refuses the note whatever else it carries; signatures by
/// other keys are kept as unverified.
///
/// # Errors
///
/// Fails when the note is malformed, a known key's signature is bad, or there is none.
pub fn open(message: &[u8], known: &[Verifier]) -> Result<Note, NoteError> {
    let message = std::str::from_utf8(message).map_err(|_| NoteError::Malformed)?;
    if message.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed);
    }
    let split = message.rfind("\n\n").ok_or(NoteError::Malformed)?;
    let (text, lines) = (&message[..=split], &message[split + 2..]);
    let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed)?;

    let mut note = Note { text: text.to_owned(), signatures: Vec::new(), unverified: Vec::new() };
    let mut seen = HashSet::new();
    let mut seen_unverified = HashSet::new();
    for (number, line) in lines.split('\n').enumerate() {
        let (signature, bytes) = parse_signature(line).ok_or(NoteError::Malformed)?;
        if number >= MAX_SIGNATURES {
            return Err(NoteError::Malformed);
        }
        let Some(verifier) = find(known, &signature)? else {
            if seen_unverified.insert(line) {
                note.unverified.push(signature);
            }
            continue;
        };
        if !seen.insert((verifier.name.as_str(), verifier.key_hash)) {
            continue;
        }
        if !verifier.verify(text.as_bytes(), &bytes) {
            return Err(NoteError::InvalidSignature { name: signature.name, key_hash: signature.key_hash });
        }
        note.signatures.push(signature);
    }
    if note.signatures.is_empty() {
        return Err(NoteError::Unverified);
    }
    Ok(note)
}

fn parse_signature(line: &str) -> Option<(Signature, Vec<u8>)> {
    let line = line.strip_prefix(SIGNATURE_PREFIX)?;
    let (name, base64) = line.split_once(' ')?;
    let mut bytes = lenient::decode(base64.as_bytes())?;
    if !is_valid_name(name) || bytes.len() < 5 {
        return None;
    }
    let signature = bytes.split_off(4);
    let key_hash = u32::from_be_bytes(bytes.try_into().ok()?);
    let parsed = Signature { name: name.to_owned(), key_hash, base64: base64.to_owned() };
    Some((parsed, signature))
}

fn find<'a>(known: &'a [Verifier], line: &Signature) -> Result<Option<&'a Verifier>, NoteError> {
    let mut matching = known.iter().filter(|key| key.name == line.name && key.key_hash == line.key_hash);
    let found = matching.next();
    if matching.next().is_some() {
        return Err(NoteError::AmbiguousKey { name: line.name.clone(), key_hash: line.key_hash });
    }
    Ok(found)
}
