//! Differences: one field on which the sides of a record disagree, or the absence of a side.

macro_rules! names {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// All of them, in the order of their codes.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The name that tables, rules and the summary use.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The number that compact storage keeps. Released numbers never change.
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The one with this number.
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }

            pub fn from_name(name: &str) -> Option<Self> {
                match name { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }
    };
}
pub(crate) use names;

names! {
    DiffType {
        /// Side A has no row of this key.
        MissingInSourceA = "MISSING_IN_SOURCE_A" = 1,
        /// Side B has no row of this key.
        MissingInSourceB = "MISSING_IN_SOURCE_B" = 2,
        /// A surplus row of side A.
        DuplicateInSourceA = "DUPLICATE_IN_SOURCE_A" = 3,
        /// A surplus row of side B.
        DuplicateInSourceB = "DUPLICATE_IN_SOURCE_B" = 4,
        /// One side is null, the other is not.
        NullMismatch = "NULL_MISMATCH" = 5,
        /// Two numbers further apart than the tolerance.
        NumericMismatch = "NUMERIC_MISMATCH" = 6,
        /// Two dates or instants further apart than the tolerance.
        DateMismatch = "DATE_MISMATCH" = 7,
        /// Two texts less alike than the tolerance asks.
        StringMismatch = "STRING_MISMATCH" = 8,
        /// True against false.
        BooleanMismatch = "BOOLEAN_MISMATCH" = 9,
        /// A side whose text its type can't parse.
        TypeMismatch = "TYPE_MISMATCH" = 10,
    }
}

impl DiffType {
    /// True for the whole record (field name `ENTIRE_RECORD`).
    pub const fn is_entire_record(self) -> bool {
        matches!(
            self,
            Self::MissingInSourceA
                | Self::MissingInSourceB
                | Self::DuplicateInSourceA
                | Self::DuplicateInSourceB
        )
    }

    /// The severity of a field that sets none.
    pub const fn default_severity(self) -> Severity {
        if self.is_entire_record() { Severity::High } else { Severity::Medium }
    }
}

names! {
    Severity {
        /// Cosmetic.
        Low = "LOW" = 1,
        /// The default for fields.
        Medium = "MEDIUM" = 2,
        /// The default for missing and duplicate records.
        High = "HIGH" = 3,
        /// Must not wait.
        Critical = "CRITICAL" = 4,
    }
}

/// The field that a difference is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FieldRef {
    /// The whole record: a side is missing, or the row is a duplicate.
    EntireRecord,
    /// The field at this position of the layout.
    Field(u16),
}

impl FieldRef {
    /// The field name of differences that concern the whole record.
    pub const ENTIRE_RECORD: &'static str = "ENTIRE_RECORD";
    /// The value on the side that has the record.
    pub const EXISTS: &'static str = "EXISTS";
}
