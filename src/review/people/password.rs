//! Passwords: which are good enough, and how they are hashed and checked.
//!
//! A hash costs 19 MiB and a few dozen milliseconds on purpose, so that there are never more than
//! two at once: else logging in would be the cheapest way to bring the server down.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use argon2::password_hash::{PasswordHasher as _, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;

use super::secret::Random;
use crate::diagnostic::{Code, Problem};
use crate::review::Refusal;

/// The shortest password, in characters.
const SHORTEST: usize = 12;

/// The longest, in bytes: hashing more only costs time.
const LONGEST: usize = 1_024;

/// The words that people begin with when a long password is asked for.
const COMMON: &str = include_str!("common_passwords.txt");

/// How many hashes are computed at once.
const AT_ONCE: usize = 2;

/// How long a log-in waits for its turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// A hash with our parameters of an unusable password, for unknown logins: they take as long as a wrong password
/// does.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5IGhhcyB0aGlzIQ$\
     0000000000000000000000000000000000000000000";

/// No slot for hashing became free in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// The turnstile before the hashes; one for each process.
#[derive(Debug, Default)]
pub struct Hashing {
    running: Mutex<usize>,
    done: Condvar,
}

impl Hashing {
    /// The hash of a new password as a PHC string.
    ///
    /// # Errors
    /// No randomness, or no turn.
    pub fn hash(&self, password: &str, random: Random<'_>) -> Result<String, Refusal> {
        let _turn = self.turn().map_err(|Busy| busy())?;
        let mut salt = [0; 16];
        random(&mut salt)?;
        argon2()?
            .hash_password_with_salt(normal(password).as_bytes(), &salt)
            .map(|hash| hash.to_string())
            .map_err(|error| unusable(&error).into())
    }

    /// Checks a password against its hash. Without a hash the answer is no, after the same time.
    ///
    /// # Errors
    /// Too many checks are waiting.
    pub fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool, Busy> {
        let _turn = self.turn()?;
        let password = normal(password);
        let same = argon2().is_ok_and(|argon2| {
            let hash = hash.unwrap_or(NOBODYS);
            PasswordVerifier::<str>::verify_password(&argon2, password.as_bytes(), hash).is_ok()
        });
        Ok(same && hash.is_some())
    }

    fn turn(&self) -> Result<Turn<'_>, Busy> {
        let until = Clock::now() + PATIENCE;
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        while *running >= AT_ONCE {
            let left = until.saturating_duration_since(Clock::now());
            if left.is_zero() {
                return Err(Busy);
            }
            let waited = self.done.wait_timeout(running, left);
            running = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        *running += 1;
        Ok(Turn { hashing: self })
    }
}

/// The right to compute a hash, given back when dropped.
struct Turn<'h> {
    hashing: &'h Hashing,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.hashing.running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.hashing.done.notify_one();
    }
}

fn argon2() -> Result<Argon2<'static>, Problem> {
    let parameters = Params::new(19_456, 2, 1, None).map_err(|error| unusable(&error))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters))
}

fn unusable(error: &dyn std::fmt::Display) -> Problem {
    Problem::new(Code::PasswordHash, format!("a password could not be hashed: {error}"))
}

/// Too many log-ins at once.
pub(super) fn busy() -> Refusal {
    Refusal::new(Code::TooManyLogins, "too many people log in at this moment; try again")
}

/// One password typed on two keyboards is one password.
fn normal(password: &str) -> Zeroizing<String> {
    // Room for all of it at once: growing would leave copies behind.
    let mut normal = Zeroizing::new(String::with_capacity(password.len().saturating_mul(4)));
    normal.extend(password.nfkc());
    normal
}

/// Refuses a password that is short, or easy to guess from common ones and from `names`, which belong to the user.
/// There is no rule about digits and signs: such rules make `Password123!`.
///
/// # Errors
/// The fault of the password.
pub fn check(password: &str, names: &[&str]) -> Result<(), Refusal> {
    let password = normal(password);
    if password.chars().count() < SHORTEST {
        return Err(Refusal::new(
            Code::PasswordShort,
            format!("a password has {SHORTEST} characters or more; four words make a good one"),
        ));
    }
    if password.len() > LONGEST {
        return Err(Refusal::new(
            Code::PasswordLong,
            format!("a password has at most {LONGEST} bytes"),
        ));
    }
    if is_common(&password, names) {
        return Err(Refusal::new(
            Code::PasswordCommon,
            "this password is among the first that somebody would try; four words that have \
             nothing to do with each other make a good one",
        ));
    }
    Ok(())
}

fn is_common(password: &str, names: &[&str]) -> bool {
    let lower = Zeroizing::new(password.to_lowercase());
    if repeats(&lower) || runs(&lower) {
        return true;
    }
    // The rest after removing known words and everything but letters. A digit in a word stands for a letter,
    // `P@ssw0rd2026!!`; digits after it count for nothing, `admin1234567`.
    let word = lower.trim_end_matches(|c: char| !c.is_alphabetic());
    let mut letters = Zeroizing::new(String::with_capacity(word.len()));
    letters.extend(word.chars().filter_map(letter));
    let own = names.iter().flat_map(|name| name.split(|c: char| !c.is_alphanumeric()));
    let own = own.map(str::to_lowercase).filter(|word| word.chars().count() >= 3);
    let common = COMMON.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut words: Vec<String> = common.map(str::to_owned).chain(own).collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.len()));
    let rest =
        words.iter().fold(letters, |rest, word| Zeroizing::new(rest.replace(word.as_str(), "")));
    rest.chars().count() < 4
}

/// The letter that a character stands for, if any.
fn letter(c: char) -> Option<char> {
    Some(match c {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        c if c.is_alphabetic() => c,
        _ => return None,
    })
}

/// `abcabcabcabc`: nothing but a short piece again and again.
fn repeats(password: &str) -> bool {
    let characters: Zeroizing<Vec<char>> = Zeroizing::new(password.chars().collect());
    (1..=4).any(|length| characters.iter().zip(characters.iter().skip(length)).all(|(a, b)| a == b))
}

/// `123456789012`, `qwertyuiopas`: neighbors of the alphabet, of the digits or of the keyboard.
fn runs(password: &str) -> bool {
    const ROWS: [&str; 6] = [
        "abcdefghijklmnopqrstuvwxyz",
        "01234567890123456789",
        "qwertyuiopasdfghjklzxcvbnm",
        "qwertzuiopasdfghjklyxcvbnm",
        "azertyuiopqsdfghjklmwxcvbn",
        "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    ];
    let neighbors = |a: char, b: char| {
        let (there, back) = (format!("{a}{b}"), format!("{b}{a}"));
        ROWS.iter().any(|row| row.contains(&there) || row.contains(&back))
    };
    let pairs = password.chars().zip(password.chars().skip(1));
    pairs.filter(|(a, b)| !neighbors(*a, *b)).count() < 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::review::people::system_random;

    #[test]
    fn a_hash_has_its_parameters_and_verifies_its_password() {
        let hashing = Hashing::default();
        let hash = hashing.hash("correct horse battery", &system_random).unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert_eq!(hashing.verify("correct horse battery", Some(&hash)), Ok(true));
        assert_eq!(hashing.verify("correct horse batterz", Some(&hash)), Ok(false));
        // Full-width letters of another keyboard.
        assert_eq!(hashing.verify("ｃorrect horse battery", Some(&hash)), Ok(true));
        assert_ne!(hash, hashing.hash("correct horse battery", &system_random).unwrap());
        for wrong in [None, Some(""), Some("$argon2id$nonsense"), Some("plain")] {
            assert_eq!(hashing.verify("plain", wrong), Ok(false));
        }
    }

    #[test]
    fn an_unknown_login_takes_as_long_as_a_known_one() {
        use argon2::password_hash::phc::PasswordHash;
        let nobody = PasswordHash::new(NOBODYS).unwrap();
        let hash = Hashing::default().hash("x", &system_random).unwrap();
        let somebody = PasswordHash::new(&hash).unwrap();
        assert_eq!(nobody.params, somebody.params);
        assert_eq!(nobody.algorithm, somebody.algorithm);
        assert_eq!(nobody.hash.unwrap().len(), somebody.hash.unwrap().len());
    }

    #[test]
    fn no_more_than_two_at_once() {
        let hashing = Hashing::default();
        let first = hashing.turn().unwrap();
        let _second = hashing.turn().unwrap();
        std::thread::scope(|scope| {
            let third = scope.spawn(|| hashing.turn().map(drop));
            std::thread::sleep(Duration::from_millis(50));
            assert!(!third.is_finished());
            drop(first);
            assert_eq!(third.join().unwrap(), Ok(()));
        });
    }

    #[test]
    fn common_passwords_are_refused() {
        let code = |password: &str| check(password, &["ann.smith"]).map_err(|refusal| refusal.code);
        assert_eq!(code("short"), Err(Code::PasswordShort));
        assert_eq!(code("ééééééééééé"), Err(Code::PasswordShort));
        assert_eq!(code(&"long words ".repeat(100)), Err(Code::PasswordLong));
        for common in [
            "password1234",
            "P@ssw0rd2026!!",
            "passwordpassword",
            "123456789012",
            "111111111111",
            "abcabcabcabc",
            "qwertyuiop12",
            "1qaz2wsx3edc",
            "zyxwvutsrqpo",
            "Welcome2recon!",
            "letmein-letmein",
            "ann.smith2026",
            "SmithSmith123",
            "admin1234567",
            "changeme1234",
            "Summer2026!!",
        ] {
            assert_eq!(code(common), Err(Code::PasswordCommon), "{common}");
        }
        for good in
            ["correct horse battery", "Vq7#kd02,msPx", "дом река солнце", "ledger-tulip-9-fog"]
        {
            assert_eq!(code(good), Ok(()), "{good}");
        }
    }
}
