//! The beginning of a file of unknown kind, for guessing its form.

use std::path::Path;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{
    BIG5, EUC_JP, EUC_KR, Encoding, GB18030, GBK, SHIFT_JIS, UTF_8, WINDOWS_1250, WINDOWS_1251,
    WINDOWS_1252, WINDOWS_1253, WINDOWS_1254, WINDOWS_1257,
};

use super::file::SourceFile;
use super::input::{Input, Inputs};
use crate::diagnostic::Problem;

/// The beginning of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    pub text: String,
    /// The label of the encoding it was read as: the one of the byte order mark, UTF-8 if the bytes
    /// are that, else the likeliest one for them.
    pub encoding: String,
    /// Other encodings in which the bytes make sense too, but mean something else; each with the
    /// first text that differs, as the chosen one reads it and as it does.
    pub rivals: Vec<Rival>,
    /// The sample is the whole file.
    pub whole: bool,
}

/// Another encoding that a file may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Its label.
    pub encoding: String,
    /// A text of the file in the chosen encoding.
    pub chosen: String,
    /// The same in this one.
    pub other: String,
}

/// The format of a file by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Head {
    Parquet,
    /// A workbook of Excel or OpenDocument.
    Workbook,
    Sqlite,
    /// Text, an archive of files, or an unknown form.
    Other,
}

/// The format of the file at `path` by its first bytes.
///
/// # Errors
/// The file can't be read.
pub fn head_of(path: &Path) -> Result<Head, Problem> {
    let mut file = SourceFile::open(&first_input(path)?)?;
    Ok(match file.peek(16)? {
        b"SQLite format 3\0" => Head::Sqlite,
        [b'P', b'A', b'R', b'1', ..] => Head::Parquet,
        // An archive that is no workbook has been taken apart.
        [b'P', b'K', 3, 4, ..] | [0xd0, 0xcf, 0x11, 0xe0, ..] => Head::Workbook,
        _ => Head::Other,
    })
}

/// The file, or the first member of an archive.
fn first_input(path: &Path) -> Result<Input, Problem> {
    let inputs = Inputs::Files(vec![path.to_owned()]).list()?;
    Ok(inputs.into_iter().next().unwrap_or_else(|| Input::file(path)))
}

/// Reads at most `limit` bytes of the content of the file at `path`, decompressed.
///
/// # Errors
/// The file can't be read.
pub fn read_sample(path: &Path, limit: usize) -> Result<Sample, Problem> {
    let mut file = SourceFile::open_text(&first_input(path)?)?;
    let bytes = file.peek(limit.saturating_add(1))?;
    let whole = bytes.len() <= limit;
    let bytes = &bytes[..bytes.len().min(limit)];
    let (text, encoding) = decode_sample(bytes, whole);
    let is_certain = encoding == UTF_8 || Encoding::for_bom(bytes).is_some();
    let rivals = if is_certain { Vec::new() } else { rivals_of(bytes, encoding, &text) };
    Ok(Sample { text, encoding: encoding.name().to_lowercase(), rivals, whole })
}

/// The text of the beginning of a file and the encoding it seems to have. Unless the bytes are the
/// `whole` file, they may end within a character.
pub fn decode_sample(bytes: &[u8], whole: bool) -> (String, &'static Encoding) {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or_else(|| {
        let encoding = match std::str::from_utf8(bytes) {
            Ok(_) => UTF_8,
            Err(error) if error.error_len().is_none() && !whole => UTF_8,
            Err(_) => likeliest(bytes, whole),
        };
        (encoding, 0)
    });
    let bytes = &bytes[mark..];
    let mut text = String::with_capacity(bytes.len() * 3 + 16);
    let mut decoder = encoding.new_decoder_without_bom_handling();
    // There is room for every byte to be replaced; so this ends at the end of the input.
    let _ = decoder.decode_to_string(bytes, &mut text, whole);
    (text, encoding)
}

/// The encodings that exports have, apart from UTF-8 and UTF-16; the likelier ones first.
const EXPORTS: [&Encoding; 11] = [
    WINDOWS_1252,
    WINDOWS_1250,
    WINDOWS_1251,
    SHIFT_JIS,
    GB18030,
    WINDOWS_1254,
    WINDOWS_1257,
    WINDOWS_1253,
    BIG5,
    EUC_KR,
    EUC_JP,
];

/// The encoding that these bytes, which are not UTF-8, have most likely.
fn likeliest(bytes: &[u8], whole: bool) -> &'static Encoding {
    // UTF-16 without a mark: one byte of two is zero.
    let zeros = bytes.iter().filter(|byte| **byte == 0).count();
    if zeros * 5 > bytes.len() {
        return WINDOWS_1252;
    }
    let guess = detector(bytes, whole).guess(None, Utf8Detection::Deny);
    // Every text in GBK is the same in GB18030, which has more.
    let guess = if guess == GBK { GB18030 } else { guess };
    let is_it = |text: String| !guess.is_single_byte() || is_plausible(&text);
    if makes_sense(bytes, guess).is_some_and(is_it) { guess } else { WINDOWS_1252 }
}

fn detector(bytes: &[u8], whole: bool) -> EncodingDetector {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, whole);
    detector
}

/// The text in this encoding, if it has no malformed sequences and no control characters.
fn makes_sense(bytes: &[u8], encoding: &'static Encoding) -> Option<String> {
    // A long sample ends anywhere, also within a character.
    let end = bytes.iter().rposition(|byte| *byte == b'\n').filter(|_| bytes.len() > 4_096);
    let bytes = &bytes[..end.unwrap_or(bytes.len())];
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes)?;
    let is_odd =
        |c: char| ('\u{80}'..='\u{9f}').contains(&c) || ('\u{e000}'..='\u{f8ff}').contains(&c);
    (!text.contains(is_odd)).then(|| text.into_owned())
}

fn rivals_of(bytes: &[u8], chosen: &'static Encoding, text: &str) -> Vec<Rival> {
    let words = |text: &str| -> Vec<String> {
        text.split([',', ';', '\t', '|', '\n', '\r', '"']).map(str::to_owned).collect()
    };
    let mine = words(text);
    let mut rivals = Vec::new();
    // Encodings of several bytes are recognized by their form; of one byte, any bytes are valid.
    let others = EXPORTS.into_iter().filter(|other| *other != chosen && other.is_single_byte());
    for encoding in others.filter(|_| chosen.is_single_byte()) {
        let Some(other) = makes_sense(bytes, encoding).filter(|text| is_plausible(text)) else {
            continue;
        };
        let its = words(&other);
        if let Some((mine, its)) = mine.iter().zip(&its).find(|(mine, its)| mine != its) {
            rivals.push(Rival {
                encoding: encoding.name().to_lowercase(),
                chosen: mine.trim().chars().take(24).collect(),
                other: its.trim().chars().take(24).collect(),
            });
        }
    }
    rivals
}

/// Whether a text that was decoded from single bytes looks like words: one alphabet in a word, no
/// capital after a small letter, not mostly accented letters, no signs within words.
pub fn is_plausible(text: &str) -> bool {
    const SIGNS: &str = "€£¥§°ªº«»“”‘’„‚–—…•·´№®©™¿¡½¼¾²³µ×\u{a0}";
    let is_latin = |c: char| c.is_alphabetic() && (c as u32) < 0x250;
    let mut words = text.split(|c: char| c.is_ascii() && !c.is_ascii_alphabetic());
    words.all(|word| {
        if word.is_ascii() {
            return true;
        }
        let letters: Vec<char> = word.chars().filter(|c| c.is_alphabetic()).collect();
        let latin = letters.iter().filter(|c| is_latin(**c)).count();
        let accented = letters.iter().filter(|c| is_latin(**c) && !c.is_ascii()).count();
        let is_mixed = latin > 0 && latin < letters.len();
        let is_humped =
            letters.windows(2).any(|two| two[0].is_lowercase() && two[1].is_uppercase());
        let signs: Vec<char> =
            word.chars().filter(|c| !c.is_alphabetic() && !c.is_ascii()).collect();
        let mut pairs = word.chars().zip(word.chars().skip(1));
        let is_joined = pairs.any(|(one, two)| {
            one.is_alphabetic() && "²³¹¼½¾".contains(two) && letters.len() > 2
                || !one.is_alphabetic()
                    && !one.is_ascii()
                    && "£¥§°½¼¾²³¹×®©¿".contains(one)
                    && two.is_alphabetic()
        });
        !is_mixed
            && !is_humped
            && !is_joined
            && (accented < letters.len() || letters.len() < 3)
            && signs.iter().all(|sign| SIGNS.contains(*sign))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guess(text: &str, encoding: &'static Encoding) -> String {
        let (bytes, _, _) = encoding.encode(text);
        likeliest(&bytes, true).name().to_lowercase()
    }

    #[test]
    fn encodings_are_recognized_by_plausible_text() {
        for (text, encoding) in [
            ("id;name\n1;Łódź\n2;Kraków\n3;Świętochłowice\n4;Żory\n", WINDOWS_1250),
            ("id;název\n1;Příbram\n2;Žďár nad Sázavou\n3;Děčín\n", WINDOWS_1250),
            ("Дата;Сумма;Назначение платежа\n01.02.2026;5,00;Оплата по счету\n", WINDOWS_1251),
            ("日付,摘要,金額\n2026/01/05,振込　ヤマダ商事,1000\n", SHIFT_JIS),
            ("日期,摘要,金额\n2026-01-05,转账给张三,1000\n", GB18030),
            ("Buchungstag;Empfänger;Betrag\n1;Müller & Söhne;5,00 €\n", WINDOWS_1252),
            ("date;libellé;montant\n1;Société Générale prélèvement;5,00\n", WINDOWS_1252),
        ] {
            assert_eq!(guess(text, encoding), encoding.name().to_lowercase(), "{text}");
        }
    }

    #[test]
    fn another_encoding_that_makes_sense_too_is_named() {
        let rivals = |text: &str| -> Vec<String> {
            let (bytes, _, _) = WINDOWS_1252.encode(text);
            rivals_of(&bytes, WINDOWS_1252, text).into_iter().map(|it| it.encoding).collect()
        };
        assert!(rivals("name\nZürich\nKöln\n").is_empty());
        assert!(rivals("name\nla première\n").contains(&"windows-1250".to_owned()));
    }

    #[test]
    fn texts_in_the_wrong_encoding_do_not_look_like_words() {
        for text in ["Zürich", "Łódź", "Дата", "5,00 €", "Müller & Söhne", "№ 5", "ÖBB", "N°5"]
        {
            assert!(is_plausible(text), "{text}");
        }
        for text in ["£ódŸ", "Äàòà", "Zьrich", "œwiêto³", "Kraków³", "\u{95}x¤"] {
            assert!(!is_plausible(text), "{text}");
        }
    }
}
