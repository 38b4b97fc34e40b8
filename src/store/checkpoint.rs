//! Checkpoints: an auditor's record of the audit trail, outside the store.
//!
//! A file of checkpoints has one JSON object a line. Each names the SHA-256 of the line before, so that no line of it
//! can be changed or removed unnoticed, and may be signed (Ed25519). Nothing here reads or writes files.

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use sha2::{Digest, Sha256};

use super::audit::Checkpoint;
use crate::coding::{hex, unhex};
use crate::diagnostic::{Code, Problem};

/// The DER prefix of an Ed25519 public key, before its 32 bytes.
const ED25519_SPKI: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Reads a private key as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// Anything else.
    pub fn read(pem: &[u8]) -> Result<Self, Problem> {
        let wrong = || {
            Problem::new(Code::KeyUnreadable, "this is no private key of Ed25519 in PEM")
                .help("`openssl genpkey -algorithm ed25519 -out audit.key` makes one")
        };
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| wrong())?;
        Ed25519KeyPair::from_pkcs8_maybe_unchecked(key.secret_pkcs8_der())
            .map(Self)
            .map_err(|_| wrong())
    }
}

/// A key that tells who signed.
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Reads a public key as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// Anything else.
    pub fn read(pem: &[u8]) -> Result<Self, Problem> {
        let wrong = || {
            Problem::new(Code::KeyUnreadable, "this is no public key of Ed25519 in PEM")
                .help("`openssl pkey -in audit.key -pubout -out audit.pub` writes it")
        };
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| wrong())?;
        let bytes = key.as_ref().strip_prefix(&ED25519_SPKI).ok_or_else(wrong)?;
        bytes.try_into().map(Self).map_err(|_| wrong())
    }
}

/// The signed text: the lines that a person would write down.
fn signed_text(checkpoint: &Checkpoint) -> String {
    format!(
        "recon checkpoint\n{}\n{}\n{}\n{}\n",
        checkpoint.n,
        checkpoint.head_hash,
        checkpoint.time,
        checkpoint.previous.as_deref().unwrap_or_default()
    )
}

pub fn sign(checkpoint: &mut Checkpoint, key: &SigningKey) {
    let signature = key.0.sign(signed_text(checkpoint).as_bytes());
    checkpoint.signature = Some(hex(signature.as_ref()));
    checkpoint.signed_by = Some(hex(key.0.public_key().as_ref()));
}

fn is_signed(checkpoint: &Checkpoint, key: &[u8]) -> bool {
    checkpoint.signature.as_deref().and_then(unhex).is_some_and(|signature| {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(signed_text(checkpoint).as_bytes(), &signature)
            .is_ok()
    })
}

/// The line of a checkpoint in its file.
pub fn line(checkpoint: &Checkpoint) -> String {
    serde_json::to_string(checkpoint).unwrap_or_default()
}

/// The previous checkpoint that the next one of a file names; `None` for an empty file.
pub fn link(text: &str) -> Option<String> {
    let last = text.lines().rfind(|line| !line.trim().is_empty())?;
    Some(hex(Sha256::digest(last.trim().as_bytes())))
}

/// Reads the checkpoints of a file, which must hold together; with `key`, each must be signed by it. A line that
/// names none before it was written by hand, and starts anew.
///
/// # Errors
/// A line that is no checkpoint, does not follow from the one before, or has a wrong signature; each by its number.
pub fn read(text: &str, key: Option<&PublicKey>) -> Result<Vec<Checkpoint>, Problem> {
    let mut checkpoints: Vec<Checkpoint> = Vec::new();
    let mut before: Option<String> = None;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (at, text) in lines {
        let text = text.trim();
        let changed = |what: &str| {
            Problem::new(Code::CheckpointDamaged, format!("line {}: {what}", at + 1))
                .help("compare with another copy: who changes a checkpoint has something to hide")
        };
        let checkpoint: Checkpoint = serde_json::from_str(text)
            .map_err(|error| changed(&format!("this is no checkpoint: {error}")))?;
        if checkpoint.n == 0 {
            let what = "this checkpoint is of an empty trail: it proves nothing, and any trail agrees with it";
            return Err(changed(what));
        }
        if checkpoint.n < 0 || unhex(&checkpoint.head_hash).is_none_or(|hash| hash.len() != 32) {
            return Err(changed("this is no checkpoint: `n` and `head_hash` tell of no trail"));
        }
        if checkpoint.previous.is_some() && checkpoint.previous != before {
            return Err(changed("the checkpoint does not follow the one before"));
        }
        if checkpoints.last().is_some_and(|last| last.n > checkpoint.n) {
            return Err(changed("the trail had more rows at the checkpoint before"));
        }
        if let Some(signer) = &checkpoint.signed_by {
            let signer = unhex(signer).unwrap_or_default();
            if !is_signed(&checkpoint, &signer) {
                return Err(changed("the signature is not that of this checkpoint"));
            }
        }
        if let Some(PublicKey(key)) = key
            && !is_signed(&checkpoint, key)
        {
            return Err(changed("the checkpoint is not signed with this key"));
        }
        before = Some(hex(Sha256::digest(text.as_bytes())));
        checkpoints.push(checkpoint);
    }
    Ok(checkpoints)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checkpoint(n: i64, previous: Option<String>) -> Checkpoint {
        Checkpoint {
            n,
            head_hash: "ab".repeat(32),
            time: "2026-01-15T10:00:00.000000Z".to_owned(),
            previous,
            ..Checkpoint::default()
        }
    }

    #[test]
    fn a_file_of_checkpoints_holds_together() {
        let mut text = String::new();
        for n in [1, 3, 3, 7] {
            let next = checkpoint(n, link(&text));
            text.push_str(&format!("{}\n", line(&next)));
        }
        assert_eq!(read(&text, None).unwrap().len(), 4);
        let lines: Vec<&str> = text.lines().collect();
        for (spoiled, line) in [
            (text.replacen("\"n\":3", "\"n\":4", 1), "line 3"),
            ([lines[0], lines[2], lines[3]].join("\n"), "line 2"),
            ([lines[1], lines[0]].join("\n"), "line 1"),
            (text.replacen("\"n\":1", "\"n\":-1", 1), "line 1"),
            (text.replacen("\"n\":1", "\"n\":0", 1), "line 1: this checkpoint is of an empty"),
            (format!("{text}garbage"), "line 5"),
        ] {
            let problem = read(&spoiled, None).unwrap_err();
            assert_eq!(problem.code, Code::CheckpointDamaged);
            assert!(problem.message.starts_with(line), "{}", problem.message);
        }
        // A checkpoint written by hand names no earlier line.
        let noted = format!("{}\n\n{}\n", line(&checkpoint(1, None)), line(&checkpoint(2, None)));
        assert_eq!(read(&noted, None).unwrap().len(), 2);
        let fewer = format!("{}\n{}\n", line(&checkpoint(2, None)), line(&checkpoint(1, None)));
        assert!(read(&fewer, None).is_err());
    }

    #[test]
    fn invalid_keys_are_refused() {
        assert!(SigningKey::read(b"-----BEGIN PRIVATE KEY-----\n").is_err());
        assert!(PublicKey::read(b"ssh-ed25519 AAAA").is_err());
    }
}
