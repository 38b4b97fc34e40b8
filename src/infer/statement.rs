//! Bank statements by their content, whatever their names say.

use std::path::Path;

use serde::Serialize;

use super::file::Guess;
use crate::source::ReadSpec;
use crate::source::statement::{Bai2Spec, Camt053Spec, Mt940Spec, StatementSpec};

/// How far into a file its kind is looked for.
const LOOKED_AT: usize = 4_096;

/// A kind of bank statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StatementKind {
    /// ISO 20022.
    Camt053,
    /// SWIFT.
    Mt940,
    /// BAI2.
    Bai2,
}

impl StatementKind {
    /// The kind of statement that a text is, if it is one.
    pub fn of(text: &str) -> Option<Guess<Self>> {
        let text = text.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        let head: String = text.chars().take(LOOKED_AT).collect();
        let has_line = |start: &str| head.lines().any(|line| line.starts_with(start));
        if head.starts_with('<') && head.contains("BkToCstmr") {
            return Some(Guess::new(
                Self::Camt053,
                0.99,
                "an XML message of a bank to its customer",
            ));
        }
        let is_swift = (head.starts_with(":20:") || head.starts_with("{1:") || has_line(":20:"))
            && (has_line(":60F:") || has_line(":60M:") || has_line(":61:") || has_line(":25:"));
        if is_swift {
            return Some(Guess::new(
                Self::Mt940,
                0.99,
                "its lines are fields of SWIFT, such as `:25:`",
            ));
        }
        let is_bai2 = head.starts_with("01,")
            && head.contains("02,")
            && head.lines().any(|line| line.trim_end().ends_with('/'));
        is_bai2
            .then(|| Guess::new(Self::Bai2, 0.95, "its lines are records of BAI2: 01, 02, 03, 16"))
    }

    /// The key under `read`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Camt053 => "camt053",
            Self::Mt940 => "mt940",
            Self::Bai2 => "bai2",
        }
    }

    /// Whether the file itself says what its encoding is.
    pub const fn declares_encoding(self) -> bool {
        matches!(self, Self::Camt053)
    }

    /// As the configuration says it.
    pub fn spec(self, path: &Path, encoding: &str, null_values: &[String]) -> ReadSpec {
        let path = path.to_string_lossy().into_owned().into();
        let null_values = Some(null_values.to_vec());
        let encoding = (!self.declares_encoding()).then(|| encoding.to_owned());
        let spec = StatementSpec { path, prove: None, encoding, null_values };
        match self {
            Self::Camt053 => {
                let StatementSpec { path, prove, encoding, null_values } = spec;
                ReadSpec::Camt053(Camt053Spec { path, level: None, prove, encoding, null_values })
            }
            Self::Mt940 => ReadSpec::Mt940(Mt940Spec(spec)),
            Self::Bai2 => ReadSpec::Bai2(Bai2Spec(spec)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_by_their_content() {
        let kind = |text| StatementKind::of(text).map(|guess| guess.value.key());
        for (text, expected) in [
            (":20:STARTUMS\n:25:1/2\n:60F:C240101EUR1,00", "mt940"),
            ("{1:F01BANK}{2:I940}{4:\n:20:X\n:25:1\n", "mt940"),
            ("0000 01INGBNL2AXXXX00001\n940 00\n:20:ING\n:25:1\n", "mt940"),
            ("<?xml version=\"1.0\"?><Document><BkToCstmrStmt>", "camt053"),
            ("\u{feff}<n:Document><n:BkToCstmrDbtCdtNtfctn>", "camt053"),
            ("01,A,B,260101,1,1,,,2/\n02,C,D,1,260101,,,2/\n", "bai2"),
        ] {
            assert_eq!(kind(text), Some(expected), "{text}");
        }
        for text in ["id,amount\n1,2\n", "01,5\n02,6\n", "<Records/>", ":x:\n", ""] {
            assert_eq!(kind(text), None, "{text}");
        }
    }
}
