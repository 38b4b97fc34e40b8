//! The bank's description of a movement in MT940's `:86:`.
//!
//! Three families of dialects are known by how the text is built, not by the bank: numbered parts
//! (`166?00…?20…`, of Germany, Austria and Central Europe, with another sign for `?` at some banks),
//! words between slashes (`/EREF/…/REMI/…`, of the Netherlands and SWIFT's own), and plain text.

/// The words between slashes that banks use.
const WORDS: [&str; 34] = [
    "ACCW", "ADDR", "BENM", "BIC", "BUSP", "CHGS", "CNTP", "CREF", "CSID", "EREF", "EXCH", "IBAN",
    "ID", "IREF", "ISDT", "KREF", "MARF", "NAME", "NRTX", "OCMT", "ORDP", "PREF", "PURP", "REMI",
    "RTRN", "RTYP", "SVCL", "SWOC", "TRCD", "TRTP", "UCRD", "UDTR", "ULTC", "ULTD",
];

/// The words of SEPA in numbered parts, each followed by `+`.
const SEPA: [&str; 14] = [
    "EREF", "KREF", "MREF", "CRED", "DEBT", "SVWZ", "ABWA", "ABWE", "COAM", "OAMT", "IBAN", "BIC",
    "PURP", "ANAM",
];

/// A numbered part holds this many characters; a shorter one ended where a space was.
const PART: usize = 27;

/// A line of a field holds this many characters.
const LINE: usize = 65;

/// The parts of a description.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Narrative {
    pub end_to_end_id: Option<String>,
    pub name: Option<String>,
    pub account: Option<String>,
    pub remittance: Option<String>,
    /// References by their words.
    references: Vec<(String, String)>,
}

impl Narrative {
    /// Reads the text of a `:86:`, with its line breaks.
    pub fn read(text: &str) -> Self {
        if let Some(parts) = numbered(text) {
            return Self::of_parts(&parts);
        }
        let flat: String = text.lines().collect();
        // A bank's code of three digits may stand in front.
        let slashed = flat.trim_start().trim_start_matches(|one: char| one.is_ascii_digit());
        match words(slashed) {
            Some(words) => Self::of_words(&words),
            None => Self {
                remittance: Some(unwrapped(text.lines(), |length| length == LINE)),
                ..Self::default()
            },
        }
    }

    /// The reference that another reference names: `EREF`, `KREF+`.
    pub fn reference(&self, name: &str) -> Option<String> {
        let name = name.trim_end_matches('+');
        self.references.iter().find(|(word, _)| word == name).map(|(_, text)| text.clone())
    }

    fn of_parts(parts: &[(u8, String)]) -> Self {
        let of = |numbers: &[u8]| {
            let parts = parts.iter().filter(|(number, _)| numbers.contains(number));
            parts.map(|(_, text)| text.as_str()).collect::<Vec<_>>()
        };
        let purpose = of(&[20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 60, 61, 62, 63]);
        let (free, sepa) = sepa(&purpose);
        let value =
            |word: &str| sepa.iter().find(|(own, _)| own == word).map(|(_, text)| text.clone());
        let name = of(&[32, 33]);
        Self {
            end_to_end_id: value("EREF"),
            name: Some(unwrapped(name.into_iter(), |length| length >= PART)),
            account: of(&[31, 38]).first().map(|text| (*text).to_owned()).or_else(|| value("IBAN")),
            remittance: value("SVWZ").or(Some(free)),
            references: sepa,
        }
    }

    fn of_words(words: &[(&str, &str)]) -> Self {
        let value = |name: &str| {
            let found = words.iter().find(|(word, text)| *word == name && !text.is_empty());
            found.map(|(_, text)| (*text).to_owned())
        };
        // `/CNTP/account/BIC/name/town`.
        let counterparty = value("CNTP").unwrap_or_default();
        let mut pieces = counterparty.split('/').map(|piece| Some(piece.trim().to_owned()));
        let account = pieces.next().flatten().filter(|account| !account.is_empty());
        let name = pieces.nth(1).flatten();
        // `/REMI/USTD//text` and `/REMI/STRD/CUR/reference`.
        // `/ORDP/name/town`, where no `/NAME/` follows.
        let party = || value("ORDP").or_else(|| value("BENM"));
        let party = || party()?.split('/').next().map(|name| name.trim().to_owned());
        let remittance = value("REMI").map(|text| {
            let text = text.strip_prefix("USTD//").unwrap_or(&text);
            let text = text.strip_prefix("STRD/").map_or(text, |structured| {
                structured.split_once('/').map_or(structured, |(_, reference)| reference)
            });
            text.to_owned()
        });
        Self {
            end_to_end_id: value("EREF"),
            name: value("NAME").or(name).or_else(party),
            account: value("IBAN").or(value("ACCW")).or(account),
            remittance,
            references: ["EREF", "PREF", "KREF", "CREF", "MARF", "IREF"]
                .into_iter()
                .filter_map(|word| Some((word.to_owned(), value(word)?)))
                .collect(),
        }
    }
}

/// A text that was cut into pieces, put together again.
#[derive(Default)]
struct Text {
    joined: String,
    /// A space stood where the last piece was cut.
    is_open: bool,
}

impl Text {
    /// Adds a piece. One that fills its room was cut within a word, perhaps; a shorter one at a space.
    fn push(&mut self, piece: &str, is_full: bool) {
        if piece.trim().is_empty() {
            self.is_open = !self.joined.is_empty();
            return;
        }
        if self.is_open && !self.joined.ends_with(' ') && !piece.starts_with(' ') {
            self.joined.push(' ');
        }
        self.joined.push_str(piece);
        self.is_open = !is_full && !self.joined.is_empty();
    }
}

/// Pieces of a text that was cut where `is_full` says that a piece fills its room, one text again.
fn unwrapped<'t>(pieces: impl Iterator<Item = &'t str>, is_full: impl Fn(usize) -> bool) -> String {
    let mut text = Text::default();
    for piece in pieces {
        text.push(piece, is_full(piece.chars().count()));
    }
    text.joined
}

/// The parts of `166?00…?20…`; none if the text is built in another way.
fn numbered(text: &str) -> Option<Vec<(u8, String)>> {
    let flat: String = text.lines().collect();
    let start = flat.bytes().take_while(u8::is_ascii_digit).count();
    let sign = flat.as_bytes().get(start).copied()?;
    let is_sign = b"?<>~^+|!#@*".contains(&sign);
    // A text may well begin with `+49`; a bank's code of three digits makes it sure.
    let is_sure = start == 3 || (start == 0 && sign != b'+');
    if !is_sign || !is_sure || two_digits(flat.get(start + 1..)?).is_none() {
        return None;
    }
    let mut parts: Vec<(u8, String)> = Vec::new();
    for piece in flat[start + 1..].split(char::from(sign)) {
        match (two_digits(piece), parts.last_mut()) {
            (Some(number), _) => parts.push((number, piece[2..].to_owned())),
            (None, Some((_, text))) => {
                text.push(char::from(sign));
                text.push_str(piece);
            }
            (None, None) => return None,
        }
    }
    Some(parts)
}

fn two_digits(text: &str) -> Option<u8> {
    let digits = text.get(..2)?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The text before the first of SEPA's words, and the words with theirs.
fn sepa(parts: &[&str]) -> (String, Vec<(String, String)>) {
    let mut texts = vec![(String::new(), Text::default())];
    for part in parts {
        let mut rest = *part;
        // A word begins a part, or stands after a space in it.
        while let Some((at, word)) = next_sepa(rest) {
            if at > 0
                && let Some((_, text)) = texts.last_mut()
            {
                text.push(&rest[..at], false);
            }
            texts.push((word.to_owned(), Text::default()));
            rest = &rest[at + word.len() + 1..];
        }
        if let Some((_, text)) = texts.last_mut() {
            text.push(rest, part.chars().count() >= PART);
        }
    }
    let mut texts = texts.into_iter().map(|(word, text)| (word, text.joined.trim().to_owned()));
    let free = texts.next().map(|(_, free)| free).unwrap_or_default();
    (free, texts.collect())
}

/// The first of SEPA's words with its `+`, and where it is.
fn next_sepa(text: &str) -> Option<(usize, &'static str)> {
    let starts = text.match_indices(' ').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).find_map(|at| {
        let rest = &text[at..];
        let is_here =
            |word: &&str| rest.strip_prefix(word).is_some_and(|rest| rest.starts_with('+'));
        SEPA.into_iter().find(is_here).map(|word| (at, word))
    })
}

/// The words of `/EREF/…/REMI/…` with their texts; none if the text does not begin with one.
fn words(text: &str) -> Option<Vec<(&str, &str)>> {
    let starts: Vec<(usize, &str)> = text
        .match_indices('/')
        .filter_map(|(at, _)| {
            let (word, _) = text[at + 1..].split_once('/')?;
            WORDS.contains(&word).then_some((at, word))
        })
        .collect();
    if starts.first()?.0 != 0 {
        return None;
    }
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let words = starts.iter().zip(ends).map(|((at, word), end)| {
        let start = (at + word.len() + 2).min(end);
        (*word, text[start..end].trim().trim_end_matches('/').trim())
    });
    Some(words.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbered_parts_go_on_where_they_were_cut() {
        let text = "177?00ONLINE-UEBERWEISUNG?109310?20EREF+RE-2024-000017-A?21SVWZ+Rechnung 4711234 vom 0\n\
                    ?221.02.2024?30NTSBDEB1XXX?31DE12345678901234567890?32Max Mustermann?33 GmbH?34997";
        let read = Narrative::read(text);
        assert_eq!(read.end_to_end_id.as_deref(), Some("RE-2024-000017-A"));
        assert_eq!(read.remittance.as_deref(), Some("Rechnung 4711234 vom 01.02.2024"));
        assert_eq!(read.name.as_deref(), Some("Max Mustermann GmbH"));
        assert_eq!(read.account.as_deref(), Some("DE12345678901234567890"));
    }

    #[test]
    fn several_words_of_sepa_share_a_part() {
        let read =
            Narrative::read("166?00GUTSCHRIFT?20EREF+A-1 KREF+K2 SVWZ+Rent?21Mai 2024?32ERIKA");
        assert_eq!(read.end_to_end_id.as_deref(), Some("A-1"));
        assert_eq!(read.reference("KREF+").as_deref(), Some("K2"));
        assert_eq!(read.remittance.as_deref(), Some("Rent Mai 2024"));
    }

    #[test]
    fn other_signs_than_the_question_mark() {
        for sign in ['>', '~', '^', '<', '+'] {
            let text =
                format!("020{sign}00PRZELEW{sign}20FAKTURA 12{sign}21Z MAJA{sign}32JAN KOWALSKI");
            let read = Narrative::read(&text);
            assert_eq!(read.remittance.as_deref(), Some("FAKTURA 12 Z MAJA"), "{sign}");
            assert_eq!(read.name.as_deref(), Some("JAN KOWALSKI"), "{sign}");
        }
    }

    #[test]
    fn words_between_slashes() {
        let ing = Narrative::read(
            "/EREF/SCT-1-R1//CNTP/NL68RABO0106200000/RABONL2U/Lambert\n Elektro///REMI/USTD//110130590/",
        );
        assert_eq!(ing.end_to_end_id.as_deref(), Some("SCT-1-R1"));
        assert_eq!(ing.account.as_deref(), Some("NL68RABO0106200000"));
        assert_eq!(ing.name.as_deref(), Some("Lambert Elektro"));
        assert_eq!(ing.remittance.as_deref(), Some("110130590"));
        let structured =
            Narrative::read("/CNTP/NL68RABO0106200000/RABONL2U/Bol///REMI/STRD/CUR/987654321/");
        assert_eq!(structured.remittance.as_deref(), Some("987654321"));
        let abn = Narrative::read(
            "/TRTP/SEPA OVERBOEKING/IBAN/FR1234567890/BIC/GEFRADAM\n/NAME/Q. JANSEN/REMI/Dit is de omschrijving/EREF/NOTPRO\nVIDED",
        );
        assert_eq!(abn.name.as_deref(), Some("Q. JANSEN"));
        assert_eq!(abn.remittance.as_deref(), Some("Dit is de omschrijving"));
        assert_eq!(abn.end_to_end_id.as_deref(), Some("NOTPROVIDED"));
    }

    #[test]
    fn a_party_may_stand_without_a_word_for_its_name() {
        let read = Narrative::read("/ORDP/ACME TRADING LTD/LONDON/REMI/INV-7 PAYMENT");
        assert_eq!(read.name.as_deref(), Some("ACME TRADING LTD"));
        assert_eq!(read.remittance.as_deref(), Some("INV-7 PAYMENT"));
        let read = Narrative::read("/ORDP//NAME/ACME/REMI/x");
        assert_eq!(read.name.as_deref(), Some("ACME"));
    }

    #[test]
    fn plain_text_goes_on_where_a_full_line_ends() {
        let line = "x".repeat(LINE);
        let read = Narrative::read(&format!("{line}y z\nnext"));
        assert_eq!(read.remittance, Some(format!("{line}y z next")));
        let read = Narrative::read(&format!("{line}\nnext"));
        assert_eq!(read.remittance, Some(format!("{line}next")));
        let read = Narrative::read(&format!("a\n{}\nb  c\n \n", " ".repeat(LINE)));
        assert_eq!(read.remittance.as_deref(), Some("a b  c"));
        assert_eq!(Narrative::read("01/02 paid").remittance.as_deref(), Some("01/02 paid"));
    }
}
