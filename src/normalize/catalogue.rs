//! The one table of the built-in steps. Resolving, suggestions, the JSON Schema and the
//! documentation are made from it.

use std::sync::Arc;

use super::amount::{self, NumberStep};
use super::step::{Arguments, Plain, Transform};
use super::{affix, case, characters, identifier, lookup, replace, spaces, unicode};

#[derive(Debug)]
pub struct StepDoc {
    /// The name in `recon.yaml`.
    pub name: &'static str,
    pub argument: Argument,
    pub description: &'static str,
    /// The argument as YAML (empty for none), a text, and the result.
    pub example: [&'static str; 3],
    pub(super) build: Build,
}

impl StepDoc {
    /// Whether the step may also be written as its name alone.
    pub(super) const fn argument_is_optional(&self) -> bool {
        matches!(self.build, Build::Either(..))
    }
}

/// The shape of a step's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// The step is just its name.
    None,
    Text,
    /// A number, with decimals or without.
    Number,
    /// A whole number from 1.
    Count,
    Texts,
    Map(&'static [ArgumentKey]),
}

/// One key of a step's argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgumentKey {
    pub name: &'static str,
    pub required: bool,
    /// The values it may have; empty for any text.
    pub choices: &'static [&'static str],
    pub description: &'static str,
}

/// Constructor of a step from its argument.
#[derive(Clone, Copy)]
pub(super) enum Build {
    Plain(Plain),
    /// From its argument; `None` when that had problems.
    With(fn(&mut Arguments<'_>) -> Option<Arc<dyn Transform>>),
    /// The same, and its results are worth remembering.
    Costly(fn(&mut Arguments<'_>) -> Option<Arc<dyn Transform>>),
    /// Without an argument, or with one.
    Either(Plain, fn(&mut Arguments<'_>) -> Option<Arc<dyn Transform>>),
    /// A step on the number that was read, without an argument.
    Number(NumberStep),
    /// A step on the number that was read, from its argument.
    NumberWith(fn(&mut Arguments<'_>) -> Option<NumberStep>),
}

impl std::fmt::Debug for Build {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "Plain",
            Self::With(_) => "With",
            Self::Costly(_) => "Costly",
            Self::Either(..) => "Either",
            Self::Number(_) => "Number",
            Self::NumberWith(_) => "NumberWith",
        })
    }
}

const fn key(name: &'static str, description: &'static str) -> ArgumentKey {
    ArgumentKey { name, required: true, choices: &[], description }
}

const fn optional(name: &'static str, description: &'static str) -> ArgumentKey {
    ArgumentKey { name, required: false, choices: &[], description }
}

const fn plain(
    name: &'static str,
    plain: Plain,
    description: &'static str,
    [text, result]: [&'static str; 2],
) -> StepDoc {
    StepDoc {
        name,
        argument: Argument::None,
        description,
        example: ["", text, result],
        build: Build::Plain(plain),
    }
}

/// Every built-in step, in the order of the documentation.
pub fn catalogue() -> &'static [StepDoc] {
    &STEPS
}

static STEPS: [StepDoc; 30] = [
    plain("trim", spaces::trim, "Removes spaces at both ends.", [" a b ", "a b"]),
    plain(
        "collapse_spaces",
        spaces::collapse_spaces,
        "Makes every run of spaces one plain space.",
        ["a \u{a0}  b", "a b"],
    ),
    plain(
        "remove_spaces",
        spaces::remove_spaces,
        "Removes every space.",
        ["DE12 3456", "DE123456"],
    ),
    plain("upper", case::upper, "Changes letters to upper case.", ["Straße", "STRASSE"]),
    plain("lower", case::lower, "Changes letters to lower case.", ["ÉCU", "écu"]),
    plain(
        "strip_punctuation",
        characters::strip_punctuation,
        "Removes every punctuation mark.",
        ["J.P. Morgan (UK)", "JP Morgan UK"],
    ),
    plain(
        "strip_leading_zeros",
        affix::strip_leading_zeros,
        "Removes zeros at the start, but not the only digit of a number.",
        ["000120", "120"],
    ),
    plain("digits_only", characters::digits_only, "Keeps digits only.", ["INV-0042", "0042"]),
    plain("letters_only", characters::letters_only, "Keeps letters only.", ["INV-0042", "INV"]),
    plain(
        "alphanumeric_only",
        characters::alphanumeric_only,
        "Keeps letters and digits only.",
        ["INV-0042", "INV0042"],
    ),
    plain(
        "strip_accents",
        unicode::strip_accents,
        "Removes accents and other marks from letters, after compatibility decomposition.",
        ["Crédit Générale", "Credit Generale"],
    ),
    plain(
        "nfc",
        unicode::nfc,
        "Composes letters and marks (Unicode NFC): the same text, however it was typed.",
        ["e\u{301}", "é"],
    ),
    plain(
        "nfkc",
        unicode::nfkc,
        "Like nfc, and replaces compatibility characters (full-width letters, ligatures).",
        ["ＡＢ ﬁ", "AB fi"],
    ),
    plain(
        "strip_invisible",
        characters::strip_invisible,
        "Removes characters that cannot be seen: zero-width characters, soft hyphens, byte order \
         marks, marks of direction. Spaces stay.",
        ["ACME\u{200b} Ltd\u{200e}", "ACME Ltd"],
    ),
    StepDoc {
        name: "strip_prefix",
        argument: Argument::Text,
        description: "Removes this text from the start, if it is there.",
        example: ["TXN-", "TXN-77", "77"],
        build: Build::With(affix::strip_prefix),
    },
    StepDoc {
        name: "strip_suffix",
        argument: Argument::Text,
        description: "Removes this text from the end, if it is there.",
        example: ["'.0'", "77.0", "77"],
        build: Build::With(affix::strip_suffix),
    },
    StepDoc {
        name: "truncate",
        argument: Argument::Count,
        description: "Truncates the text to this many characters.",
        example: ["3", "abcdef", "abc"],
        build: Build::With(affix::first),
    },
    StepDoc {
        name: "first",
        argument: Argument::Count,
        description: "Keeps the first characters: another name for truncate.",
        example: ["3", "abcdef", "abc"],
        build: Build::With(affix::first),
    },
    StepDoc {
        name: "last",
        argument: Argument::Count,
        description: "Keeps the last characters.",
        example: ["4", "DE123456", "3456"],
        build: Build::With(affix::last),
    },
    StepDoc {
        name: "pad_left",
        argument: Argument::Map(&[
            key("width", "The minimum number of characters."),
            optional("with", "The character put in front as often as needed. Default `0`."),
        ]),
        description: "Puts a character in front until the text is wide enough.",
        example: ["{width: 6, with: 0}", "1234", "001234"],
        build: Build::With(affix::pad_left),
    },
    StepDoc {
        name: "replace",
        argument: Argument::Map(&[
            key("from", "The text to look for."),
            key("to", "The text to put in its place."),
        ]),
        description: "Replaces all occurrences of a text.",
        example: ["{from: '&', to: and}", "A & B", "A and B"],
        build: Build::With(replace::replace),
    },
    StepDoc {
        name: "regex_replace",
        argument: Argument::Map(&[
            key("pattern", "The regular expression to look for."),
            key("with", "The replacement; `$1` and `${name}` are groups."),
        ]),
        description: "Replaces what a regular expression matches, wherever it matches.",
        example: [r"{pattern: '^(\w+)/(\w+)$', with: '$2/$1'}", "USD/EUR", "EUR/USD"],
        build: Build::Costly(replace::regex_replace),
    },
    StepDoc {
        name: "null_if",
        argument: Argument::Texts,
        description: "Makes these texts null.",
        example: ["[N/A, '-']", "N/A", "null"],
        build: Build::With(replace::null_if),
    },
    StepDoc {
        name: "lookup",
        argument: Argument::Map(&[
            key("file", "A CSV file; relative to recon.yaml."),
            ArgumentKey {
                name: "header",
                required: false,
                choices: &["true", "false"],
                description: "Whether its first line names the columns (the default) or is data; then \
                              the columns are called `#1`, `#2` and so on.",
            },
            optional("from", "The column of the texts to look up. Default the first."),
            optional("to", "The column of what they become. Default the second."),
            ArgumentKey {
                name: "otherwise",
                required: false,
                choices: &["keep", "null", "error"],
                description: "What becomes of a text that is not in the file: it is kept (the \
                              default), becomes null, or counts as unparsable.",
            },
        ]),
        description: "Replaces a text by what a CSV file says.",
        example: ["{file: aliases.csv}", "JPM", "JP MORGAN"],
        build: Build::With(lookup::lookup),
    },
    plain(
        "account_number",
        identifier::account_number,
        "Removes spaces and punctuation and changes letters to upper case: IBANs and the like.",
        ["de12 3456-78", "DE12345678"],
    ),
    plain(
        "company_name",
        identifier::company_name,
        "Upper case, single spaces, no punctuation and no legal form at the end (LTD, INC, GMBH …).",
        ["Acme  Trading, Ltd.", "ACME TRADING"],
    ),
    plain(
        "reference",
        identifier::reference,
        "Letters in upper case and digits only; zeros stay.",
        ["inv-0042/a", "INV0042A"],
    ),
    StepDoc {
        name: "debit_credit",
        argument: Argument::Map(&[
            key("debit", "The mark of debits, before or after the amount, in any case."),
            key("credit", "The mark of credits."),
        ]),
        description: "Removes a mark of debit or credit beside an amount and puts a minus before \
                      debits. Without an argument it knows DR, D, S, Soll and CR, C, H, Haben.",
        example: ["{debit: S, credit: H}", "1.234,50 S", "-1.234,50"],
        build: Build::Either(amount::debit_credit, amount::debit_credit_marks),
    },
    StepDoc {
        name: "negate",
        argument: Argument::None,
        description: "Turns the sign of a number. It comes after all steps on the text, wherever \
                      it stands.",
        example: ["", "12.50", "-12.50"],
        build: Build::Number(NumberStep::Negate),
    },
    StepDoc {
        name: "scale",
        argument: Argument::Number,
        description: "Multiplies a number by a factor, exactly: 0.01 for amounts in cents. It comes \
                      after all steps on the text, wherever it stands.",
        example: ["0.01", "12345", "123.45"],
        build: Build::NumberWith(amount::scale),
    },
];

#[cfg(test)]
mod tests {
    use super::super::step::{apply_all, resolve_steps};
    use super::super::{ArgumentSpec, StepSpec};
    use super::*;

    /// The documented examples are true.
    #[test]
    fn every_example_is_true() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("aliases.csv"), "alias,name\nJPM,JP MORGAN\n").unwrap();
        for step in catalogue() {
            let [argument, text, expected] = step.example;
            let spec = if argument.is_empty() {
                StepSpec::Function(step.name.to_owned())
            } else {
                // recon.yaml gives numbers as their text, which this parser does not.
                let argument = serde_yaml::from_str(argument)
                    .unwrap_or_else(|_| ArgumentSpec::Text(argument.to_owned()));
                StepSpec::With(step.name.to_owned(), argument)
            };
            let steps = resolve_steps(&[spec], folder.path(), &|_| false).unwrap();
            let result = apply_all(&steps, text);
            assert_eq!(result.as_deref().unwrap_or("null"), expected, "{}", step.name);
        }
    }

    #[test]
    fn names_are_unique_and_descriptions_are_sentences() {
        for (at, step) in catalogue().iter().enumerate() {
            assert!(step.description.ends_with('.'), "{}", step.name);
            assert!(catalogue().iter().skip(at + 1).all(|other| other.name != step.name));
        }
    }
}
