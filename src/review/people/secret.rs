//! Secrets that the program makes itself: random, long, and kept as SHA-256 only.

use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::coding::hex;
use crate::diagnostic::{Code, Problem};

/// Fills a buffer with unpredictable random bytes.
pub type Random<'a> = &'a dyn Fn(&mut [u8]) -> Result<(), Problem>;

/// The randomness of the operating system.
///
/// # Errors
/// A system that has none to give.
pub fn system_random(bytes: &mut [u8]) -> Result<(), Problem> {
    getrandom::fill(bytes)
        .map_err(|error| Problem::new(Code::NoRandomness, format!("no random numbers: {error}")))
}

/// SHA-256 of a secret, as it is kept. A secret here has 128 random bits or more, so that a slow
/// hash would protect nothing and cost every request.
pub fn digest(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

/// Compares a secret with a digest, in a time that does not depend on the answer.
pub fn is_secret(secret: &str, kept: &[u8]) -> bool {
    digest(secret).ct_eq(kept).into()
}

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes as a number in base 62, with as many digits as the largest number of that length needs.
pub fn base62(bytes: &[u8]) -> String {
    // log 256 / log 62 = 1.3435…
    let width = (bytes.len() * 13_436).div_ceil(10_000);
    let mut number = bytes.to_vec();
    let mut digits = Vec::with_capacity(width);
    for _ in 0..width {
        let mut rest = 0u32;
        for byte in &mut number {
            let value = rest << 8 | u32::from(*byte);
            // A remainder is below 62, so the quotient is a byte.
            *byte = u8::try_from(value / 62).unwrap_or(u8::MAX);
            rest = value % 62;
        }
        digits.push(DIGITS.get(rest as usize).copied().unwrap_or(b'0'));
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

/// A public half by which a secret is found, and the secret half: `<id>.<secret>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
}

impl Pair {
    /// A new pair of twice 128 bits.
    ///
    /// # Errors
    /// No randomness.
    pub fn new(random: Random<'_>) -> Result<Self, Problem> {
        let mut bytes = [0; 32];
        random(&mut bytes)?;
        let (id, secret) = bytes.split_at(16);
        Ok(Self { id: hex(id), secret: hex(secret) })
    }

    /// Reads the output of [`Pair::text`]; anything else is `None`.
    pub fn parse(text: &str) -> Option<Self> {
        let half = |half: &str| {
            half.len() == 32 && half.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let (id, secret) = text.split_once('.')?;
        (half(id) && half(secret)).then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// The text for its holder.
    pub fn text(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base62_has_one_width_and_keeps_the_order() {
        assert_eq!(base62(&[0; 32]).len(), 43);
        assert_eq!(base62(&[0xff; 32]).len(), 43);
        assert_eq!(base62(&[0, 0, 0, 0, 0, 0, 0, 62]), "00000000010");
        assert!(base62(&[1, 0]) < base62(&[1, 1]));
        assert_eq!(base62(&u64::MAX.to_be_bytes()), "LygHa16AHYF");
    }

    #[test]
    fn a_pair_reads_back_and_nothing_else_does() {
        let pair = Pair::new(&system_random).unwrap();
        assert_eq!(Pair::parse(&pair.text()), Some(pair.clone()));
        assert_ne!(Pair::new(&system_random).unwrap(), pair);
        let mut upper = pair.text();
        upper.make_ascii_uppercase();
        for wrong in ["", ".", &pair.id, &upper, &format!("{}.", pair.text()), "a.b"] {
            if wrong != pair.text() {
                assert_eq!(Pair::parse(wrong), None, "{wrong}");
            }
        }
        assert!(is_secret(&pair.secret, &digest(&pair.secret)));
        assert!(!is_secret(&pair.id, &digest(&pair.secret)));
        assert!(!is_secret(&pair.secret, &[]));
    }
}
