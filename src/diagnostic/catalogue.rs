//! The table of error codes: every code that a problem, a refusal of the review or a rejected row can have.
//! docs/errors.md is produced from it.
//!
//! To add a code, add one row: the variant, the code's name (the same words), its class, its meaning, its remedy.
//! Then raise it: `Problem::new(Code::UnknownKey, "…")`. Exit code and HTTP status follow from the row; a code
//! without a row does not compile. Names never change their meaning.

use std::fmt;

use super::Class;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// As a problem of the command line; its class decides on the exit code.
    Exit(Class),
    /// As an HTTP status of the review server.
    Http(u16),
    /// In `recon.rejected_rows`.
    Row,
    /// In `recon.security_log`.
    SecurityLog,
}

struct Entry {
    name: &'static str,
    shows: &'static [Shows],
    meaning: &'static str,
    remedy: &'static str,
}

macro_rules! codes {
    ($($title:literal { $(
        $code:ident $name:literal [$($shows:expr),+] $meaning:literal => $remedy:literal;
    )+ })+) => {
        /// Error codes. A name never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $meaning] $code,)+)+
        }

        impl Code {
            /// All codes by the part of recon they belong to.
            pub const SECTIONS: &[(&str, &[Self])] = &[$(($title, &[$(Self::$code),+])),+];

            const fn entry(self) -> &'static Entry {
                use Shows::{Exit, Http, Row, SecurityLog};
                match self {
                    $($(Self::$code => &Entry {
                        name: $name,
                        shows: &[$($shows),+],
                        meaning: $meaning,
                        remedy: $remedy,
                    },)+)+
                }
            }
        }
    };
}

impl Code {
    /// The code as users see it, such as `unknown-key`.
    pub const fn name(self) -> &'static str {
        self.entry().name
    }

    /// The code's class: at most one class and one HTTP status.
    pub const fn shows(self) -> &'static [Shows] {
        self.entry().shows
    }

    pub const fn meaning(self) -> &'static str {
        self.entry().meaning
    }

    pub const fn remedy(self) -> &'static str {
        self.entry().remedy
    }

    pub fn of_name(name: &str) -> Option<Self> {
        let mut all = Self::SECTIONS.iter().flat_map(|(_, codes)| codes.iter());
        all.find(|code| code.name() == name).copied()
    }

    /// The class of a problem with this code. Refusals of the review are wrong usage on the command line.
    pub fn class(self) -> Class {
        let class = |shows: &Shows| match shows {
            Shows::Exit(class) => Some(*class),
            Shows::Row => Some(Class::Source),
            Shows::Http(_) | Shows::SecurityLog => None,
        };
        self.shows().iter().find_map(class).unwrap_or(Class::Usage)
    }

    /// The HTTP status; a problem that the review does not expect is a failure of the server.
    pub fn status(self) -> u16 {
        let status = |shows: &Shows| match shows {
            Shows::Http(status) => Some(*status),
            _ => None,
        };
        self.shows().iter().find_map(status).unwrap_or(500)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

codes! {
    "Configuration" {
        ProxyHeader "proxy-header" [Exit(Class::Usage)]
            "The header of `server.trusted_proxy` cannot identify users."
            => "Use a header of its own, such as `X-Forwarded-User`.";
        Threads "threads" [Exit(Class::Usage)]
            "`options.threads` is more than a run may have."
            => "Write a smaller number, or `auto`.";
        AcceptTwice "accept-twice" [Exit(Class::Usage)]
            "`attribution` gives both `accept_at` and `accept_risk`."
            => "Keep one of them.";
        EmptyPrefix "empty-prefix" [Exit(Class::Usage)]
            "`starts_with` of a trailer is empty."
            => "Write the beginning of the trailer.";
        EncodingUnused "encoding-unused" [Exit(Class::Usage)]
            "`encoding` is given for a kind that has none."
            => "Remove it.";
        NotOneSelect "not-one-select" [Exit(Class::Usage)]
            "The query of a source is not one SELECT."
            => "Write one SELECT, or WITH … SELECT.";
        StdinTwice "stdin-twice" [Exit(Class::Usage)]
            "Both sources are standard input."
            => "Write one of them to a file.";
        BadExtent "bad-extent" [Exit(Class::Usage)]
            "`start` or `width` of a fixed-width column is not a number of characters."
            => "Count characters from 1.";
        BadPointer "bad-pointer" [Exit(Class::Usage)]
            "`records` is no JSON pointer."
            => "Begin it with `/`, as in `/data/orders`.";
        NeverMet "never-met" [Exit(Class::Usage)]
            "A condition of a fixed-width file can be met by no line."
            => "Give `width` as many characters as `equals` has.";
        NoWidth "no-width" [Exit(Class::Usage)]
            "A column other than the last has no `width`."
            => "Give its width in characters.";
        StdinInList "stdin-in-list" [Exit(Class::Usage)]
            "Standard input stands in a list of paths."
            => "Make it the only path of the source.";
        AmbiguousColumn "ambiguous-column" [Exit(Class::Usage)]
            "A mapped column occurs more than once in the source's header."
            => "Rename one of the columns, or drop one with `columns`.";
        AmbiguousFormat "ambiguous-format" [Exit(Class::Warning)]
            "Two formats of one field read the same text as different dates."
            => "Keep only the format that the source really uses.";
        AtLeastOne "at-least-one" [Exit(Class::Usage)]
            "A number of `review` is below 1."
            => "Write a whole number from 1 on.";
        BadName "bad-name" [Exit(Class::Usage)]
            "A name is empty, too long, reserved, or has spaces around it or control characters in it."
            => "Choose another name.";
        BadReasonCode "bad-reason-code" [Exit(Class::Usage)]
            "A reason code is malformed, or `UNKNOWN` is declared functional."
            => "Write capital letters, digits and `_`, a letter first; leave `UNKNOWN` non-functional.";
        BadValue "bad-value" [Exit(Class::Usage)]
            "A setting is not of the form that its key needs."
            => "Write it as the message says; docs/configuration.md lists every key.";
        BadVariable "bad-variable" [Exit(Class::Usage)]
            "A `${…}` is not closed, or its name is not one."
            => "Close it, write a name of letters, digits and `_`, or `$$` for a dollar.";
        ConfigUnreadable "config-unreadable" [Exit(Class::Usage)]
            "The configuration file cannot be read, or is not UTF-8 text."
            => "Check path and permissions; save it with the encoding UTF-8.";
        AgeUnused "age-unused" [Exit(Class::Warning)]
            "`open_items.max_age_days` has no effect: both sources are snapshots."
            => "Write `movements` for a source that delivers only new rows, or remove it.";
        Bind "bind" [Exit(Class::Usage)]
            "`server.bind` is not an address and a port."
            => "Write it like `127.0.0.1:8765`.";
        Calendar "calendar" [Exit(Class::Usage)]
            "A day of a business calendar is not a date, or its file cannot be read."
            => "Write days as `YYYY-MM-DD`, one a line in the file.";
        ColumnsWithHeader "columns-with-header" [Exit(Class::Usage)]
            "`columns` is given for a source that has a header row."
            => "Add `header: false`, or remove `columns`.";
        ConditionPattern "condition-pattern" [Exit(Class::Usage)]
            "A pattern of `where` is not a regular expression."
            => "Mend it at the place shown.";
        EmptyCondition "empty-condition" [Exit(Class::Usage)]
            "A condition of `where` says nothing about its column."
            => "Write one of the tests that the help names.";
        FooterTooLong "footer-too-long" [Exit(Class::Usage)]
            "`skip_footer` leaves out more lines than a footer may have."
            => "Write the number of lines at the end of the file, or use `where`.";
        LocalTimeNever "local-time-never" [Exit(Class::Warning)]
            "A local time falls into the hour that is skipped when clocks go forward."
            => "Check `timezone`; the time was read as if clocks had not changed.";
        LocalTimeTwice "local-time-twice" [Exit(Class::Warning)]
            "A local time falls into the hour that is repeated when clocks go back."
            => "Deliver times with their offset; the earlier one was taken.";
        LookupHeader "lookup-header" [Exit(Class::Warning)]
            "The first line of a lookup file may be data that is taken for a header."
            => "Say what it is, as the help shows.";
        UnusedTimezone "unused-timezone" [Exit(Class::Warning)]
            "A time zone has no effect on the source's fields."
            => "Remove it, or make the field a datetime.";
        ConfigurationChanged "configuration-changed" [Exit(Class::Usage)]
            "`key`, `map`, `fields` or `normalize` differ from what the stored run was ingested with."
            => "Ingest again: `recon ingest`, or `recon run`.";
        DuplicateColumn "duplicate-column" [Exit(Class::Usage)]
            "A column has the same name as another one."
            => "Rename one of them, or name all with `header: false` and `columns`.";
        DuplicateKey "duplicate-key" [Exit(Class::Usage)]
            "A key occurs twice in one map of `recon.yaml`."
            => "Keep one of the two.";
        DuplicateKeyField "duplicate-key-field" [Exit(Class::Usage)]
            "A field occurs twice in `key`."
            => "Remove one of the two.";
        DuplicateScript "duplicate-script" [Exit(Class::Usage)]
            "A script occurs twice in `rules.attribute`."
            => "Remove one of the two.";
        EmptyColumn "empty-column" [Exit(Class::Usage)]
            "`map` names a column without a name."
            => "Write the column's name from the header.";
        EmptyFile "empty-file" [Exit(Class::Usage)]
            "The configuration file is empty."
            => "Write a configuration: `recon init` makes one.";
        EmptyPath "empty-path" [Exit(Class::Usage)]
            "`path` is empty."
            => "Name the file.";
        EmptyValue "empty-value" [Exit(Class::Warning)]
            "A key has no value."
            => "Write the value, in quotes if it begins with `#`, or remove the key.";
        FilterColumn "filter-column" [Exit(Class::Usage)]
            "A filter uses no column of its source, or one that the source lacks."
            => "Write `raw.NAME` or `raw[\"NAME\"]` with a name from the header.";
        KeyNotCompared "key-not-compared" [Exit(Class::Usage)]
            "A field of the key has `compare: false`."
            => "Remove it, or take the field out of the key.";
        KeyNull "key-null" [Exit(Class::Usage)]
            "A field of the key has `null_equals`; a row whose key is null is rejected."
            => "Remove `null_equals`; to accept empty key values, set them in `fn row(raw, r)` (docs/rules.md) or read them as empty text with `null_values: []`.";
        KeySeverity "key-severity" [Exit(Class::Warning)]
            "A field of the key has a severity, but the key never differs."
            => "Remove `severity`.";
        KeyTolerance "key-tolerance" [Exit(Class::Usage)]
            "A field of the key has a tolerance; keys are compared exactly."
            => "Remove the tolerance, or take the field out of the key.";
        LookupFile "lookup-file" [Exit(Class::Usage)]
            "A lookup file cannot be read, lacks a column, or says two things of one text."
            => "Mend the file, or name the right columns with `from` and `to`.";
        MemoryLimit "memory-limit" [Exit(Class::Usage)]
            "`options.memory_limit` is below 1 MiB or is no size."
            => "Write a size such as `4GiB`.";
        MissingColumn "missing-column" [Exit(Class::Usage)]
            "A mapped column is not in the source's header."
            => "Use a name from the header; if no column is found, check `delimiter`.";
        MissingKey "missing-key" [Exit(Class::Usage)]
            "A required key is missing."
            => "Add it; docs/configuration.md marks required keys with `*`.";
        NoColumns "no-columns" [Exit(Class::Usage)]
            "`columns` is empty."
            => "Name the columns, or remove the key.";
        NoDescription "no-description" [Exit(Class::Warning)]
            "A reason code has no description."
            => "Say in a sentence what it means.";
        NoFields "no-fields" [Exit(Class::Usage)]
            "`fields` is empty."
            => "Declare the canonical fields with their types.";
        NoFormats "no-formats" [Exit(Class::Usage)]
            "A list of formats is empty."
            => "Write at least one format, or remove the key for ISO 8601.";
        NoKey "no-key" [Exit(Class::Usage)]
            "`key` is empty."
            => "Name the fields by which a row of A and a row of B belong together.";
        NoPasses "no-passes" [Exit(Class::Usage)]
            "`match` has no pass."
            => "Add a pass, or remove `match` and give the job a `key`.";
        NoRules "no-rules" [Exit(Class::Warning)]
            "A script of `rules.attribute` has no rule."
            => "Name a function `attribute…(d)` in it.";
        NoiseSum "noise-sum" [Exit(Class::Usage)]
            "The rates of `recon generate --noise` sum to more than all trades."
            => "Lower some rates, or set others to `0%`.";
        NotAShare "not-a-share" [Exit(Class::Usage)]
            "A share or a confidence is outside 0 to 1."
            => "Write it like `0.90` or `90%`.";
        NotComparedSetting "not-compared-setting" [Exit(Class::Warning)]
            "A tolerance, severity or `null_equals` of a field with `compare: false` has no effect."
            => "Remove the setting, or `compare: false`.";
        NotOneCharacter "not-one-character" [Exit(Class::Usage)]
            "A delimiter, quote or comment is not one ASCII character."
            => "Write one such as `\";\"`.";
        NothingMonetary "nothing-monetary" [Exit(Class::Usage)]
            "`review.thresholds` is given, but no field is an amount."
            => "Mark the amount's field: `monetary: true`.";
        NotifyEvent "notify-event" [Exit(Class::Usage)]
            "Webhooks have no event of this name."
            => "Write `run_finished`, `item_overdue` or `proposal_waiting`.";
        NotifySecret "notify-secret" [Exit(Class::Usage)]
            "Webhooks have no secret to sign with."
            => "Give `secret` as a variable.";
        NotifyUrl "notify-url" [Exit(Class::Usage)]
            "The URL of webhooks is not an address of http or https, or holds a password."
            => "Write it like `https://hooks.example.com/recon`.";
        NumberFormat "number-format" [Exit(Class::Usage)]
            "A separator could be a part of a number, or two separators are the same."
            => "Give `decimal` and `thousands` different characters.";
        Origin "origin" [Exit(Class::Usage)]
            "A URL of `server` is not a scheme and a host."
            => "Write it like `https://recon.example.com`.";
        PassBound "pass-bound" [Exit(Class::Usage)]
            "A bound of a pass, `max_rows` or `effort` is out of range, or does not go with another."
            => "Write it as the message says.";
        PassField "pass-field" [Exit(Class::Usage)]
            "A field does not fit its place in a pass: a source lacks it, or its type can't be summed or near."
            => "Map it in both sources, or take it out of the pass.";
        PassName "pass-name" [Exit(Class::Usage)]
            "Two passes have one name, or a pass is called `key`."
            => "Give each pass a name of its own.";
        PassShape "pass-shape" [Exit(Class::Usage)]
            "`sum` and the shape of a pass do not go together."
            => "Give a shape with a many side `sum`, and `sum` such a shape or `group`.";
        PassWithoutEqual "pass-without-equal" [Exit(Class::Warning)]
            "A pass has no `equal`, so every row competes with every other."
            => "Name fields that both sides agree on.";
        RateNegative "rate-negative" [Exit(Class::Usage)]
            "`server.requests_per_second` is negative."
            => "Write 0 for no limit, or a positive number.";
        RefUnused "ref-unused" [Exit(Class::Warning)]
            "`ref` has no effect without `match`."
            => "Remove it: rows are named by the key.";
        ReviewCurrency "review-currency" [Exit(Class::Usage)]
            "`review.thresholds` is given without `currency_field`."
            => "Name the field that holds the currency.";
        RiskBudget "risk-budget" [Exit(Class::Usage)]
            "`max_false` or `assurance` is 0 %, 100 % or outside."
            => "Write for example `max_false: 0.5%`, `assurance: 95%`.";
        SameCharacter "same-character" [Exit(Class::Usage)]
            "Delimiter, quote and comment are not all different."
            => "Give each its own character.";
        StepArgument "step-argument" [Exit(Class::Usage)]
            "A built-in step has a wrong argument."
            => "Write it as in the table of steps in docs/configuration.md.";
        StoreUrl "store-url" [Exit(Class::Usage)]
            "The store's URL is not one."
            => "Write `sqlite:PATH` or `postgres://user@host/database`.";
        Threshold "threshold" [Exit(Class::Usage)]
            "A threshold of `review` is negative."
            => "Write the amount from which six eyes are needed.";
        TimeFormat "time-format" [Exit(Class::Usage)]
            "A format of dates is malformed, or reads less or more than its type needs."
            => "Write it in strftime notation, such as `%d/%m/%Y`.";
        Tolerance "tolerance" [Exit(Class::Usage)]
            "A bound of a tolerance is negative, or does not go with another."
            => "Write it as the message says.";
        ToleranceCombine "tolerance-combine" [Exit(Class::Usage)]
            "A tolerance has `absolute` and `percent`, but not how they join."
            => "Add `combine: either` or `combine: both`.";
        ToleranceType "tolerance-type" [Exit(Class::Usage)]
            "A field's type does not have this tolerance."
            => "Use one that the help names.";
        TooManyFields "too-many-fields" [Exit(Class::Usage)]
            "There are more fields than a run may have."
            => "Map the fields that matter.";
        TrustedProxy "trusted-proxy" [Exit(Class::Usage)]
            "`server.trusted_proxy` names no network, or an invalid header."
            => "Give addresses or networks, and the name of a header.";
        TwoCurrencyFields "two-currency-fields" [Exit(Class::Usage)]
            "`currency_field` and `review.currency_field` name different fields."
            => "Keep `currency_field` and remove `review.currency_field`.";
        UndeclaredReason "undeclared-reason" [Exit(Class::Usage)]
            "A rule or a label uses a reason code that `reason_codes` lacks."
            => "Declare it, or use a declared one.";
        UndefinedVariable "undefined-variable" [Exit(Class::Usage)]
            "An environment variable of `recon.yaml` is not set."
            => "Set it, or give a default: `${NAME:-default}`.";
        UnknownDiffType "unknown-diff-type" [Exit(Class::Usage)]
            "`review.regulatory.diff_types` names no type of differences."
            => "Use one of those in the message.";
        UnknownEncoding "unknown-encoding" [Exit(Class::Usage)]
            "`encoding` is not a known label."
            => "Use a WHATWG label such as `windows-1252`.";
        UnknownField "unknown-field" [Exit(Class::Usage)]
            "A name is not in `fields`."
            => "Correct it, or add the field.";
        UnknownFunction "unknown-function" [Exit(Class::Usage)]
            "A filter, step or call names a function that no script has."
            => "Correct the name, or add the function.";
        UnknownKey "unknown-key" [Exit(Class::Usage)]
            "`recon.yaml` has a key that does not exist."
            => "Correct it; docs/configuration.md lists every key.";
        UnknownProperty "unknown-property" [Exit(Class::Usage)]
            "A rule reads a property that a difference does not have."
            => "Use one of those in docs/rules.md.";
        UnknownStep "unknown-step" [Exit(Class::Usage)]
            "A step is neither built in nor a function of the script."
            => "Correct the name, or add `fn NAME(v)` to the script.";
        UnknownTimezone "unknown-timezone" [Exit(Class::Usage)]
            "There is no time zone of this name."
            => "Use an IANA name such as `Europe/London`.";
        UnknownValue "unknown-value" [Exit(Class::Usage)]
            "A setting has a value that is not one of its choices."
            => "Use one of those that the help names.";
        UnknownVersion "unknown-version" [Exit(Class::Usage)]
            "`version` is not 1."
            => "Write `version: 1`.";
        UnmappedField "unmapped-field" [Exit(Class::Usage)]
            "A field has no column in a source."
            => "Map it, set it in `fn row`, or give it `compare: false` if only one source has it.";
        WrongFieldType "wrong-field-type" [Exit(Class::Usage)]
            "A setting does not fit the field's type."
            => "Change the type or remove the setting.";
        WrongType "wrong-type" [Exit(Class::Usage)]
            "A setting is a list, a map or a text where another is needed."
            => "Write it in the form that the help shows.";
        YamlSyntax "yaml-syntax" [Exit(Class::Usage)]
            "`recon.yaml` is not valid YAML."
            => "Mend it at the place shown; texts with `:`, `#`, `%` or `{` go in quotes.";
    }
    "Scripts" {
        ConfidenceRange "confidence-range" [Exit(Class::Usage)]
            "A rule claims a confidence outside 0 to 1."
            => "Write it between 0 and 1: `0.9`, not `90`.";
        NoFixtures "no-fixtures" [Exit(Class::Usage)]
            "There are no fixtures beside the rules."
            => "Write `rules/NAME.tests.yaml` beside `rules/NAME.rhai`.";
        RuleArity "rule-arity" [Exit(Class::Usage)]
            "A function named `attribute…` does not take one argument."
            => "Let it take the difference, or make it `private fn`.";
        RuleNameTwice "rule-name-twice" [Exit(Class::Warning)]
            "Two rules have one name."
            => "Rename one, so that reports can distinguish them.";
        ScriptError "script-error" [Exit(Class::Usage)]
            "A script failed while it ran."
            => "Mend it at the place shown; `recon explain` shows the record.";
        ScriptLimit "script-limit" [Exit(Class::Usage)]
            "A call of a script used up its operations, work or processor time; the run has ended."
            => "End the loop at the place shown, or let the function do less.";
        NoScript "no-script" [Exit(Class::Usage)]
            "A file named as a script declares no function."
            => "Name the script, or write one.";
        ScriptStatement "script-statement" [Exit(Class::Usage)]
            "A statement is outside of a function."
            => "Put it into a function; a constant is a function that returns it.";
        ScriptSyntax "script-syntax" [Exit(Class::Usage)]
            "A script cannot be parsed."
            => "Mend it at the place shown.";
        ScriptTooLong "script-too-long" [Exit(Class::Usage)]
            "A script is longer than scripts may be."
            => "Split it, or move tables into a lookup file.";
        ScriptUnreadable "script-unreadable" [Exit(Class::Usage)]
            "A script cannot be read."
            => "Check the path, which is relative to `recon.yaml`.";
    }
    "Sources" {
        AllRowsRejected "all-rows-rejected" [Exit(Class::Source)]
            "Every row of a source was rejected."
            => "The help names the cause; `recon check` and the first rejected rows show more.";
        BadArchive "bad-archive" [Exit(Class::Source)]
            "A zip archive cannot be taken apart: it is cut off, damaged, empty or encrypted."
            => "Fetch it again, or unpack it.";
        BadGlob "bad-glob" [Exit(Class::Source)]
            "A glob in `path` is not one."
            => "Write `*`, `?`, `[a-z]` or `**`.";
        BadJson "bad-json" [Exit(Class::Source)]
            "JSON is cut off or damaged, or an array has an element that is no object."
            => "Ask for the file again, or for an object on each line: then only bad lines are rejected.";
        FileGone "file-gone" [Exit(Class::Source)]
            "A file that a row was read from is not there any more."
            => "Put it back to see the row as it was read.";
        SourceTooLarge "source-too-large" [Exit(Class::Source)]
            "A file is larger than its kind can be read at once."
            => "Ask for it in parts, or as CSV or Parquet.";
        BadParquet "bad-parquet" [Exit(Class::Source)]
            "A Parquet file is cut off, damaged or uses what recon does not read."
            => "Fetch it again, or write it with the codec that the help names.";
        BadQuery "bad-query" [Exit(Class::Source)]
            "The database refused the query or failed while it was read."
            => "Mend the query or the database as the message says, then run again.";
        BadWorkbook "bad-workbook" [Exit(Class::Source)]
            "A workbook cannot be opened: it is cut off, damaged or has a password."
            => "Save it anew without a password.";
        NoSheet "no-sheet" [Exit(Class::Usage)]
            "The workbook has no sheet of this name or number."
            => "Name one of the sheets that the help lists.";
        NoFiles "no-files" [Exit(Class::Source)]
            "A glob in `path` matches no file."
            => "Check the folder and the pattern.";
        TooManyFiles "too-many-files" [Exit(Class::Source)]
            "A source has more than 20,000 files."
            => "Put several into one, or name fewer.";
        TrailerMissing "trailer-missing" [Exit(Class::Source)]
            "A file has no trailer, several, or lines after it."
            => "The file is incomplete or not the expected one; fetch it again, or mend `trailer`.";
        TrailerMismatch "trailer-mismatch" [Exit(Class::Source)]
            "The count or a sum in the trailer is not that of the file."
            => "The file is incomplete or damaged; fetch it again.";
        NoRecords "no-records" [Exit(Class::Usage)]
            "`records` does not lead to an array in the JSON."
            => "Name one of the pointers that the help lists.";
        BadHeader "bad-header" [Exit(Class::Source)]
            "The header row cannot be read."
            => "Check `quote`, `delimiter`, `encoding` and `skip_rows`.";
        NoHeader "no-header" [Exit(Class::Source)]
            "The file has no header row, or no rows at all."
            => "Set `header: false` with `columns`, or name the right file.";
        RecordTooLong "record-too-long" [Exit(Class::Source)]
            "A record is too long."
            => "A quote is probably opened and never closed; check `quote` and `delimiter`.";
        SourceNotDelimited "source-not-delimited" [Exit(Class::Source)]
            "`recon init` was given a file that is not delimited text."
            => "Export it as CSV, or name the right file.";
        SourceChanged "source-changed" [Exit(Class::Source)]
            "A file changed while it was read."
            => "Run again when it is complete; writers should write beside it and rename.";
        SourceNotText "source-not-text" [Exit(Class::Source)]
            "A file is not text: a workbook, an archive, an image."
            => "Name the right file, or export it as CSV.";
        SourceUnreadable "source-unreadable" [Exit(Class::Source)]
            "A file cannot be opened or read."
            => "Check the path and its permissions.";
        TooManyRejected "too-many-rejected" [Exit(Class::Source)]
            "More rows were rejected than `options.max_rejected` allows."
            => "Mend the source, or raise the limit.";
        WrongDelimiter "wrong-delimiter" [Exit(Class::Usage)]
            "The header lacks columns of the map, most of which are there with another delimiter."
            => "Set the delimiter that the help names.";
        StatementGap "statement-gap" [Exit(Class::Warning)]
            "The figures of a bank statement do not agree; `prove: warn` read it anyway."
            => "Ask the bank for the whole file, or drop `prove: warn`, so that such a file stops the run.";
        StatementMalformed "statement-malformed" [Exit(Class::Source)]
            "A bank statement file does not follow its format, or is cut off."
            => "Look at the line that the message names; fetch the file again, or name its kind under `read`.";
        StatementUnproven "statement-unproven" [Exit(Class::Source)]
            "A bank statement does not prove itself: opening balance and booked movements do not give the \
             closing balance, or totals and counts of a BAI2 file are wrong."
            => "Ask the bank for the whole file; `prove: warn` reads it anyway, `prove: off` checks nothing.";
        StatementWithoutBalances "statement-without-balances" [Exit(Class::Warning)]
            "Bank statements lack an opening or closing balance, or pages, so nothing proves that they are whole."
            => "Nothing, if the bank sends none, as in notifications; `prove: off` silences the warning.";
        XmlDoctype "xml-doctype" [Exit(Class::Source)]
            "An XML file declares a document type, by which files attack their readers."
            => "Bank statements never have one: find out who wrote the file. Entities are never expanded.";
        WrongEncoding "wrong-encoding" [Exit(Class::Source)]
            "A file is not in the encoding that it is read with."
            => "Set the `encoding` that the help names.";
    }
    "Runs" {
        BooksDoNotClose "books-do-not-close" [Exit(Class::Inconsistent)]
            "The counts of a run contradict each other: a row was lost or counted twice."
            => "Do not use the result; report it with the configuration.";
        BooksUnreadable "books-unreadable" [Exit(Class::Inconsistent)]
            "The counts of a stored run cannot be read."
            => "Run again; something else has changed the store.";
        Evidence "evidence" [Exit(Class::Inconsistent)]
            "A stored record cannot be read."
            => "Ingest again; something else has changed the store.";
        EvidenceUnreadable "evidence-unreadable" [Exit(Class::Inconsistent)]
            "A stored record cannot be read."
            => "Run again; something else has changed the store.";
        GreedyPairing "greedy-pairing" [Exit(Class::Warning)]
            "A key repeats so often that its rows were paired in order of cost instead of optimally."
            => "Add a field to the key that distinguishes the rows.";
        Interrupted "interrupted" [Exit(Class::Interrupted)]
            "The command was interrupted; nothing of it shows."
            => "Run it again.";
        NoPairs "no-pairs" [Exit(Class::Warning)]
            "No row of A has a partner in B."
            => "Check `key` and `map`, and the steps of the key.";
        NoRows "no-rows" [Exit(Class::Warning)]
            "A source has no rows."
            => "Check that the file is the right one and complete.";
        NothingCompared "nothing-compared" [Exit(Class::Warning)]
            "Only the key is compared."
            => "Add the fields to compare, if there are any.";
        SameDifference "same-difference" [Exit(Class::Warning)]
            "All or nearly all records of a field differ in the same way: a setting is wrong, not the data."
            => "Add the line that the help shows.";
        NoRun "no-run" [Exit(Class::Usage), Http(404)]
            "The store does not have this run, or has no run yet."
            => "`recon runs list` shows the runs; `recon run` makes one.";
        RunAmbiguous "run-ambiguous" [Exit(Class::Usage), Http(409)]
            "Several runs have ids that begin so."
            => "Give more of the id, as the help shows.";
        FailOnStage "fail-on-stage" [Exit(Class::Usage)]
            "`--fail-on` needs results that this command does not produce."
            => "Use it with `recon run`, or with the command that produces them.";
        NoJob "no-job" [Exit(Class::Usage)]
            "A command needs a job, and no configuration names one."
            => "Name one with `--job`, or use `--all-jobs`.";
        ConfigurationBroken "configuration-broken" [Exit(Class::Warning)]
            "The present configuration has mistakes; the one stored with the run is used."
            => "`recon check` shows them.";
        ConfigurationGone "configuration-gone" [Exit(Class::Warning)]
            "The configuration that a run was made with can no longer be read; the present one is used."
            => "Put back the scripts and lookup files that it names.";
        CarriedFields "carried-fields" [Exit(Class::Warning)]
            "Rows taken over from the previous business date were stored under another configuration."
            => "Nothing, if their values still fit; otherwise run that date again.";
        ExpiredItems "expired-items" [Exit(Class::Warning)]
            "Open rows are older than `open_items.max_age_days`: they do not take part any more."
            => "Follow them up outside of recon, or raise the limit and run the date again.";
        LaterRuns "later-runs" [Exit(Class::Warning)]
            "Runs of later business dates took over open items from an older run of this date."
            => "Run those dates again, the oldest first.";
        OpenItemsPruned "open-items-pruned" [Exit(Class::Store)]
            "The run whose open items this date takes over was pruned."
            => "Run the dates from there on again, or keep the run as it is.";
        NoSuchBreak "no-such-break" [Exit(Class::Usage)]
            "No break has this id or reference."
            => "Take an id or reference from `recon breaks list`.";
        NoSuchRecord "no-such-record" [Exit(Class::Usage)]
            "The run has no record of this reference."
            => "References are the key parts joined by a bar; `recon report` shows some.";
        NoSuchRun "no-such-run" [Exit(Class::Store), Http(404)]
            "There is no run of this id."
            => "`recon runs list` shows the runs.";
        NotAttributed "not-attributed" [Exit(Class::Usage)]
            "The run has not been attributed yet."
            => "Attribute it: `recon attribute`.";
        NotCompared "not-compared" [Exit(Class::Usage)]
            "The run has not been compared yet."
            => "Compare it: `recon diff`.";
        NotIngested "not-ingested" [Exit(Class::Usage)]
            "The run was not ingested to its end."
            => "Ingest again: `recon ingest`.";
        NotRepaired "not-repaired" [Exit(Class::Warning)]
            "What a run that died has left could not be removed."
            => "Run any command again when the store can be written.";
        OtherJob "other-job" [Exit(Class::Usage)]
            "A model belongs to another job."
            => "Name a model of this job: `recon model list`.";
        RulesChanged "rules-changed" [Exit(Class::Warning)]
            "The rules have changed since the run was attributed."
            => "Attribute the differences again that no user has touched: `recon attribute --again`.";
        RunGone "run-gone" [Exit(Class::Store)]
            "A run vanished while it was worked on."
            => "Run again; another process deleted it.";
        RunLeftOut "run-left-out" [Exit(Class::Warning)]
            "A run was left out of training because its fields differ."
            => "Nothing, or run it again with the present configuration.";
        RunLost "run-lost" [Exit(Class::Store)]
            "Another process took the run while it was written."
            => "Run again.";
        RunWithoutResult "run-without-result" [Exit(Class::Usage)]
            "The run has no result: it failed or is still running."
            => "`recon runs list` shows the runs that have one.";
        TempDiskFull "temp-disk-full" [Exit(Class::Store)]
            "There is no room left for temporary files."
            => "Free some, or set `options.temp_dir` to another folder.";
        TempFiles "temp-files" [Exit(Class::Store)]
            "Temporary files cannot be written or read."
            => "Check `options.temp_dir`.";
    }
    "Output and queries" {
        Clock "clock" [Exit(Class::Usage)]
            "This computer's clock is wrong."
            => "Set the clock.";
        CannotWrite "cannot-write" [Exit(Class::Usage)]
            "A file cannot be written."
            => "Check the path, its permissions and the free space.";
        FileExists "file-exists" [Exit(Class::Usage)]
            "A file that would be written exists."
            => "Choose another name, or overwrite it with `--force`.";
        Guess "guess" [Exit(Class::Inconsistent)]
            "`recon init` made a configuration that recon itself does not accept."
            => "Report it with the two files' headers.";
        NoOutputFile "no-output-file" [Exit(Class::Usage)]
            "A terminal cannot show a workbook."
            => "Name a file with `--output`.";
        NotCsv "not-csv" [Exit(Class::Usage)]
            "`--bom` was given for a format that is not CSV."
            => "Use it with `--format csv`.";
        NothingInCommon "nothing-in-common" [Exit(Class::Usage)]
            "`recon init` found no columns in which the two files agree."
            => "Check that the files belong together; `recon init` alone writes a configuration to fill in.";
        ShardStream "shard-stream" [Exit(Class::Usage)]
            "A stream given to a step of `recon shard` is damaged, cut off, or of another job or version" =>
            "Use one version of recon and one job file on all machines; give each step the output of the step before";
        ShardJob "shard-job" [Exit(Class::Usage)]
            "A job file or a state of `recon shard` can't be read, or is of another version or job" =>
            "Write them anew with `recon shard plan` and `recon shard decide`";
        ShardUnsupported "shard-unsupported" [Exit(Class::Usage)]
            "The job needs something that can't be spread over several machines" =>
            "Use `recon run`, or change what the message names";
        ResultUnreadable "result-unreadable" [Exit(Class::Source)]
            "A result given to `recon import` can't be read" =>
            "Give it the whole result: `run.json` and its tables";
        ResultIncomplete "result-incomplete" [Exit(Class::Inconsistent)]
            "A result given to `recon import` does not have the rows that its run counted" =>
            "Nothing was stored. Write the result again; check that no file is missing or there twice";
        RunExists "run-exists" [Exit(Class::Usage)]
            "The store has a run with the id of the result that is imported" =>
            "It has been imported before; `recon runs show ID` shows it";
        OutputFailed "output-failed" [Exit(Class::Usage)]
            "The result could not be written."
            => "Check the file and the free space.";
        PageNotMade "page-not-made" [Exit(Class::Inconsistent)]
            "A page could not be made."
            => "Report it: this is a mistake in recon.";
        SignalsUnavailable "signals-unavailable" [Exit(Class::Usage)]
            "The program cannot listen to signals."
            => "Check the limits of the process.";
        Sql "sql" [Exit(Class::Usage)]
            "The statement is wrong."
            => "Mend it as the message says; docs/tables.md and `recon sql --tables` list the tables.";
        SqlRefused "sql-refused" [Exit(Class::Usage)]
            "The statement is not one that only reads."
            => "Use SELECT, WITH, VALUES or EXPLAIN.";
        SqlFunctionRefused "sql-function-refused" [Exit(Class::Usage)]
            "A statement calls a function that may do more than read."
            => "Use functions that compute from their arguments; docs/tables.md says which.";
        SqlUnexamined "sql-unexamined" [Exit(Class::Inconsistent)]
            "A statement could not be examined before it runs."
            => "Report it: this is a mistake in recon.";
        SqlSecret "sql-secret" [Exit(Class::Usage)]
            "A statement reads a digest of a password or token, or a catalogue that shows such."
            => "Name the columns that you need; `recon sql --tables` lists them.";
        SqlTimeout "sql-timeout" [Exit(Class::Usage)]
            "A statement ran for longer than `--timeout`."
            => "Narrow it down, or give it more time.";
        SqlTooLong "sql-too-long" [Exit(Class::Usage)]
            "A row of an answer of PostgreSQL is longer than 4 MiB."
            => "Select a part of long values, as in `left(column, 1000)`.";
        SqlTooManyRows "sql-too-many-rows" [Exit(Class::Usage)]
            "An answer has more rows than `--limit`."
            => "Add a LIMIT, or raise `--limit`.";
        StatementFormat "statement-format" [Exit(Class::Usage)]
            "`--statement` was given for a format that it does not have."
            => "Use it with `--format text`, `md` or `json`; `html` and `xlsx` contain the statement.";
        UnknownFormat "unknown-format" [Exit(Class::Usage)]
            "There is no report format of this name."
            => "Use text, md, json, csv, html or xlsx.";
        Unreadable "unreadable" [Exit(Class::Usage)]
            "A file given on the command line cannot be read."
            => "Check the path and its permissions.";
        Unwritable "unwritable" [Exit(Class::Usage)]
            "A file cannot be written."
            => "Check the path and its permissions.";
    }
    "Stores" {
        NoMemory "no-memory" [Exit(Class::Store)]
            "There is too little memory for the threads or for the store."
            => "Lower `options.threads` or `options.memory_limit`.";
        NoThread "no-thread" [Exit(Class::Store)]
            "A thread cannot be started."
            => "Raise the limits of the process, or lower `options.threads`.";
        DiskFull "disk-full" [Exit(Class::Store)]
            "The disk of the store is full; earlier runs are unharmed."
            => "Free some room and run again.";
        LockFailed "lock-failed" [Exit(Class::Store)]
            "The lock of a run cannot be taken."
            => "Check the folder's permissions, and that it is on a local disk.";
        Locked "locked" [Exit(Class::Store)]
            "Another process works on the same job and date."
            => "Wait for it, or wait longer with `--lock-timeout`.";
        NoRandomness "no-randomness" [Exit(Class::Store)]
            "The system gives no random numbers."
            => "Check the system's random device.";
        NoStore "no-store" [Exit(Class::Usage)]
            "There is neither a configuration nor a store."
            => "Name a store with `--store` or `RECON_STORE`, or a configuration with `--config`.";
        NotAStore "not-a-store" [Exit(Class::Store)]
            "The database belongs to another program."
            => "Name another file with `--store`.";
        OwnerUrl "owner-url" [Exit(Class::Usage)]
            "`--owner-url` does not go with the store."
            => "Give two PostgreSQL URLs of one database.";
        PasswordFile "password-file" [Exit(Class::Usage)]
            "The password file can be read by others, or cannot be read."
            => "`chmod 600` it.";
        RolledBack "rolled-back" [Exit(Class::Store)]
            "A transaction was given up."
            => "Try again.";
        Sslrootcert "sslrootcert" [Exit(Class::Usage)]
            "The file of `sslrootcert` is not one of certificates."
            => "Name a PEM file of the certificates to trust.";
        StoreBusy "store-busy" [Exit(Class::Store)]
            "The store had no connection in time."
            => "Try again; fewer programs should use it at once.";
        StoreConstraint "store-constraint" [Exit(Class::Store)]
            "The store refused a value that contradicts its contents."
            => "Try again; else report it.";
        StoreCorrupt "store-corrupt" [Exit(Class::Store)]
            "The store's file is damaged."
            => "Restore it from a backup; nothing was written.";
        StoreDamaged "store-damaged" [Exit(Class::Store)]
            "The store holds something that recon never writes."
            => "Something else has changed it; restore it from a backup.";
        StoreExposed "store-exposed" [Exit(Class::Warning)]
            "Others can read or write the store."
            => "`chmod 600` it.";
        StoreReplaced "store-replaced" [Exit(Class::Store)]
            "The store was deleted or replaced while it was in use; nothing more is written to it."
            => "Restore it and start again.";
        StoreFailed "store-failed" [Exit(Class::Store)]
            "The store failed."
            => "The message has the store's error; try again.";
        StoreFull "store-full" [Exit(Class::Store)]
            "The store has no number left for another row of this kind."
            => "Prune old runs: `recon runs prune`.";
        StoreLogin "store-login" [Exit(Class::Store)]
            "The database refused the login."
            => "Check user and password: `PGPASSWORD`, `.pgpass`, or the URL.";
        StoreMigrationsDiffer "store-migrations-differ" [Exit(Class::Store)]
            "The store's migrations are not this program's."
            => "Use the build of recon that made the store.";
        StoreMissing "store-missing" [Exit(Class::Store)]
            "There is no store yet."
            => "`recon run` makes it; or name another with `--store`.";
        StoreNewer "store-newer" [Exit(Class::Store)]
            "The store was made by a newer recon."
            => "Update recon.";
        StoreOutdated "store-outdated" [Exit(Class::Store)]
            "The store lacks migrations of this recon."
            => "Run `recon migrate`.";
        StorePermission "store-permission" [Exit(Class::Store)]
            "The database role may not do this."
            => "Grant it the right, or use another role (docs/serving.md).";
        StoreReadOnly "store-read-only" [Exit(Class::Store)]
            "The store cannot be written: a read-only file, folder or replica."
            => "Make it writable, or name another store.";
        StoreTls "store-tls" [Exit(Class::Store)]
            "The database's certificate was not accepted."
            => "Check `sslmode` and `sslrootcert` in the store's URL, and the host's name.";
        StoreUnconfirmed "store-unconfirmed" [Exit(Class::Store)]
            "The connection to the database ended while a change was being stored: it may be stored or not."
            => "Look whether it was made before you repeat it. A decision is never made twice.";
        StoreUnreachable "store-unreachable" [Exit(Class::Store)]
            "The database cannot be reached."
            => "Check that the server is up and has connections left.";
        Tls "tls" [Exit(Class::Store)]
            "TLS cannot be set up."
            => "Install root certificates, or give `sslrootcert=FILE` in the store's URL.";
    }
    "Learning" {
        CalibrationTooFew "calibration-too-few" [Exit(Class::Usage)]
            "There are too few labelled differences to calibrate on."
            => "Decide more differences, or give `--labels`.";
        EvaluateEmpty "evaluate-empty" [Exit(Class::Usage)]
            "There is nothing to evaluate on."
            => "Decide differences, or give `--labels`.";
        EvaluateTrainedOn "evaluate-trained-on" [Exit(Class::Warning)]
            "The model was trained on all of these differences."
            => "Evaluate on a run that it has not seen.";
        LabelsColumns "labels-columns" [Exit(Class::Usage)]
            "The labels lack a column."
            => "Give the key's fields, `field` and `reason`.";
        LabelsUnreadable "labels-unreadable" [Exit(Class::Usage)]
            "The labels cannot be read."
            => "Give a CSV as `recon generate` writes it.";
        ModelChanged "model-changed" [Exit(Class::Warning)]
            "The run was attributed with another model than the champion."
            => "Ask the champion: `recon attribute --again`.";
        ModelDamaged "model-damaged" [Exit(Class::Usage)]
            "A stored model cannot be used."
            => "Retrain: `recon train`.";
        ModelFormat "model-format" [Exit(Class::Usage)]
            "A stored model is not one, or of another version."
            => "Retrain: `recon train`.";
        ModelLeftAside "model-left-aside" [Exit(Class::Warning)]
            "The champion could not be used; rules decide alone."
            => "The message says why; usually `recon train`.";
        ModelNotWritten "model-not-written" [Exit(Class::Inconsistent)]
            "A model could not be written."
            => "Report it: this is a mistake in recon.";
        ModelShape "model-shape" [Exit(Class::Usage)]
            "A model was trained for other fields."
            => "Retrain: `recon train`.";
        NoEarlierChampion "no-earlier-champion" [Exit(Class::Usage)]
            "There is no earlier champion to go back to."
            => "Promote a model: `recon model promote`.";
        NoModel "no-model" [Exit(Class::Usage)]
            "The job has no champion."
            => "Train one: `recon train`.";
        NoSuchModel "no-such-model" [Exit(Class::Usage)]
            "There is no model of this version."
            => "`recon model list` shows the models.";
        NothingAccepted "nothing-accepted" [Exit(Class::Warning)]
            "Nothing is accepted automatically: the risk is not measured, or blind checks exceeded it."
            => "Measure it with `recon evaluate`, or improve rules and model.";
        TrainingConstant "training-constant" [Exit(Class::Usage)]
            "No feature distinguishes the labelled differences."
            => "Label differences of several kinds.";
        TrainingEmpty "training-empty" [Exit(Class::Usage)]
            "There are no labelled differences to train on."
            => "Decide differences, or give `--labels`.";
        TrainingFailed "training-failed" [Exit(Class::Inconsistent)]
            "The forest could not be grown."
            => "Report it: this is a mistake in recon.";
        TrainingFewLabels "training-few-labels" [Exit(Class::Warning)]
            "A reason has too few labelled differences and is left out."
            => "Decide more of its kind.";
        TrainingNotANumber "training-not-a-number" [Exit(Class::Usage)]
            "A feature of a labelled difference is not a finite number."
            => "Report it: this is a mistake in recon.";
        TrainingOneClass "training-one-class" [Exit(Class::Usage)]
            "All labelled differences have one reason."
            => "Label differences of at least two reasons.";
        TrainingParameters "training-parameters" [Exit(Class::Usage)]
            "A parameter of training is 0, or a feature to leave out does not exist."
            => "Give it a positive value, or a name that `recon train --features` lists.";
        TrainingTooFew "training-too-few" [Exit(Class::Usage)]
            "Fewer than two reasons have enough labelled differences."
            => "Decide more differences, or give `--labels`.";
    }
    "Audit trail" {
        AuditOneRole "audit-one-role" [Exit(Class::Warning)]
            "The role that serves may change the audit trail."
            => "Let another role own the tables: `recon migrate --owner-url` (docs/audit.md).";
        EmptyTrail "empty-trail" [Exit(Class::Usage)]
            "The audit trail has no rows, so there is nothing to check against."
            => "Take a checkpoint once something was decided.";
        CheckpointDamaged "checkpoint-damaged" [Exit(Class::Usage)]
            "A checkpoint file was changed."
            => "Compare it with another copy.";
        ExportUnreadable "export-unreadable" [Exit(Class::Usage)]
            "An export of the audit trail cannot be read."
            => "Export it again: `recon audit export`.";
        KeyUnreadable "key-unreadable" [Exit(Class::Usage)]
            "A file is no Ed25519 key in PEM."
            => "`openssl genpkey -algorithm ed25519 -out audit.key` makes one.";
        NoCheckpoint "no-checkpoint" [Exit(Class::Usage)]
            "The file holds no checkpoint."
            => "`recon audit checkpoint --out FILE` adds one.";
        NoExport "no-export" [Exit(Class::Usage)]
            "The file is no export of an audit trail."
            => "`recon audit export` makes one.";
        NoRoles "no-roles" [Exit(Class::Usage)]
            "SQLite has no roles."
            => "Use PostgreSQL, or protect the file (docs/audit.md).";
    }
    "Serving" {
        BindFailed "bind-failed" [Exit(Class::Usage)]
            "The server cannot listen at its address."
            => "Another program may be there; `--bind 127.0.0.1:0` takes any free port.";
        NoPassword "no-password" [Exit(Class::Usage)]
            "No password was given."
            => "Give it with `--password-file`, or at the terminal.";
        RequestsCut "requests-cut" [Exit(Class::Warning)]
            "Some requests were still being answered when the server stopped."
            => "Nothing; clients try again.";
        TooFewFiles "too-few-files" [Exit(Class::Usage)]
            "The process may open too few files to serve."
            => "Raise the limit: `ulimit -n`.";
        ServerExposed "server-exposed" [Exit(Class::Usage)]
            "The server can be reached from elsewhere without protection."
            => "Let a proxy with TLS speak to it (docs/serving.md).";
        ServerFailed "server-failed" [Exit(Class::Usage)]
            "The server cannot start."
            => "Set `TMPDIR` to a folder that can be written; the message says more.";
        ServerStuck "server-stuck" [Exit(Class::Inconsistent)]
            "The server stopped answering and gave up."
            => "Start it again; its supervisor should.";
        TooFewPeople "too-few-people" [Exit(Class::Warning)]
            "There are not enough active users for any decision."
            => "Add users: `recon user add`.";
    }
    "Mistakes in recon" {
        AnswerUnwritable "answer-unwritable" [Exit(Class::Inconsistent)]
            "An answer could not be written as JSON."
            => "Report it: this is a mistake in recon.";
        BlockLost "block-lost" [Exit(Class::Inconsistent)]
            "A part of a generated pair was lost."
            => "Report it: this is a mistake in recon.";
        ItemLost "item-lost" [Exit(Class::Inconsistent)]
            "An item vanished while it was decided."
            => "Look again; report it if it repeats.";
        ItemsChanged "items-changed" [Exit(Class::Inconsistent)]
            "Items changed while they were decided; nothing was decided."
            => "Look again; report it if it repeats.";
        NoAssigner "no-assigner" [Exit(Class::Inconsistent)]
            "The store lacks who gave an attribution."
            => "Report it: this is a mistake in recon.";
        NothingDone "nothing-done" [Exit(Class::Inconsistent)]
            "A transaction ended without a result."
            => "Report it: this is a mistake in recon.";
        PasswordHash "password-hash" [Exit(Class::Inconsistent)]
            "A password could not be hashed."
            => "Report it: this is a mistake in recon.";
        PolicyUnwritable "policy-unwritable" [Exit(Class::Inconsistent)]
            "A policy could not be written as JSON."
            => "Report it: this is a mistake in recon.";
        ProposalLost "proposal-lost" [Exit(Class::Inconsistent)]
            "A proposal was closed while it was decided."
            => "Look again.";
        UnknownReason "unknown-reason" [Exit(Class::Inconsistent)]
            "A reason is not in the store's catalogue."
            => "Run again with it in `reason_codes`.";
    }
    "Review and API" {
        ActionRequired "action-required" [Http(422)]
            "A decision names no action."
            => "Send APPROVE, OVERRIDE or REJECT.";
        ActorMismatch "actor-mismatch" [Http(403)]
            "A request names another user than the logged-in one."
            => "Leave the user out.";
        AlreadyPending "already-pending" [Http(409)]
            "The item is held by an open proposal."
            => "Decide about that proposal first.";
        AlreadyVerifying "already-verifying" [Http(503)]
            "The audit trail is being verified."
            => "Try again in some seconds.";
        AmbiguousIdentity "ambiguous-identity" [Http(400)]
            "The proxy's header occurs twice."
            => "Mend the proxy.";
        ApproveTakesNoCode "approve-takes-no-code" [Http(422)]
            "An approval names a reason code."
            => "Use OVERRIDE to give another reason.";
        AwaitsConsent "awaits-consent" [Http(409)]
            "A second login waits for the user's consent."
            => "Let the user consent first.";
        BadExpiry "bad-expiry" [Http(422)]
            "A token's lifetime is out of range."
            => "Give a number of days as the message says.";
        BadFieldName "bad-field-name" [Http(422)]
            "A field of a grant is not named properly."
            => "Name a canonical field.";
        BadLogin "bad-login" [Http(422)]
            "A login has characters that logins may not have, or is too long."
            => "Use letters, digits and `.`, `_`, `-`, `@`, `+` between them.";
        BadPersonName "bad-person-name" [Http(422)]
            "A user's name is empty or too long."
            => "Give 1 to 100 visible characters.";
        BadScope "bad-scope" [Http(422)]
            "A token's scope does not exist, or is missing."
            => "Choose permissions of the user.";
        BadTokenName "bad-token-name" [Http(422)]
            "A token's name is empty or too long."
            => "Give it a short name.";
        Closed "closed" [Http(409)]
            "The proposal is closed."
            => "Look at what became of it.";
        CommentRequired "comment-required" [Http(422)]
            "The decision needs a comment."
            => "Say why.";
        CommentTooLong "comment-too-long" [Http(422)]
            "A comment is too long."
            => "Shorten it.";
        ContentDiffers "content-differs" [Http(409)]
            "The proposal is not the one that was looked at."
            => "Look again and decide anew.";
        ContentHashRequired "content-hash-required" [Http(422)]
            "An approval does not name the content that it approves."
            => "Send the proposal's `content_hash`.";
        CrossOrigin "cross-origin" [Http(403)]
            "The request comes from another site's page."
            => "Allow the origin in `server.cors_origins`, and use a token.";
        DecidingToken "deciding-token" [Http(403)]
            "The token may not decide."
            => "Log in, or use a token that `review.deciding_tokens` names.";
        Exists "exists" [Http(409)]
            "A reason of this code exists or is proposed."
            => "Use it, or choose another code.";
        IdempotencyKeyReused "idempotency-key-reused" [Http(422)]
            "An Idempotency-Key was used for another request."
            => "Use a new key for a new request.";
        IfMatchRequired "if-match-required" [Http(428)]
            "A decision does not say which version it is about."
            => "Send `If-Match` with the version that was seen.";
        Internal "internal" [Http(500)]
            "Something went wrong in the server."
            => "The server's log says what.";
        Invalid "invalid" [Http(422)]
            "A part of the request makes no sense."
            => "The details name it.";
        InvalidCode "invalid-code" [Http(422)]
            "A proposed reason code is malformed."
            => "2 to 50 of A to Z, 0 to 9 and `_`, a letter first.";
        InvalidComment "invalid-comment" [Http(422)]
            "A comment is empty or too long."
            => "Write 1 to 2,000 characters.";
        InvalidCursor "invalid-cursor" [Http(400)]
            "A cursor is not one of this list."
            => "Begin at the first page.";
        InvalidDescription "invalid-description" [Http(422)]
            "A description is too short or too long."
            => "Write 5 to 500 characters.";
        InvalidFilter "invalid-filter" [Http(422)]
            "A filter makes no sense."
            => "The details name it.";
        InvalidIdempotencyKey "invalid-idempotency-key" [Http(422)]
            "An Idempotency-Key is empty, too long, or has other characters."
            => "Send 1 to 100 letters of A to Z, digits, `_`, `.`, `:` and `-`; a UUID will do.";
        InvalidLimit "invalid-limit" [Http(422)]
            "`limit` is out of range."
            => "Send 1 to 200.";
        InvalidReasonCode "invalid-reason-code" [Http(400)]
            "There is no active reason of this code."
            => "`GET /reason-codes` lists them.";
        InvalidTransition "invalid-transition" [Http(409)]
            "The item's state does not allow the decision."
            => "The message says what is possible.";
        InvitationGone "invitation-gone" [Http(410)]
            "A link was used or is too old."
            => "Ask for another one.";
        LastAdmin "last-admin" [Http(409)]
            "The change would leave no administrator."
            => "Give another user the role first.";
        LoginTaken "login-taken" [Http(409)]
            "The login is taken, or looks like one that is."
            => "Choose another.";
        MalformedForm "malformed-form" [Http(400)]
            "A form cannot be read."
            => "Send it as the page does.";
        MalformedJson "malformed-json" [Http(400)]
            "The body is not JSON that this API reads."
            => "The message says where.";
        MaskedFields "masked-fields" [Http(403)]
            "The export contains values that are masked for the user."
            => "Ask for the grants of the masked fields.";
        MaskedField "masked-field" [Http(403)]
            "A filter or an order uses a field that is masked for the user."
            => "Ask for the grant of the field.";
        MatchedByHand "matched-by-hand" [Http(409)]
            "The item is a row of a match that people made."
            => "Take the match apart first.";
        MembershipChanged "membership-changed" [Http(409)]
            "Items of a bulk changed since its preview."
            => "Preview again.";
        MethodNotAllowed "method-not-allowed" [Http(405)]
            "The path has other methods."
            => "The `Allow` header names them.";
        Misdirected "misdirected" [Http(421)]
            "The request names a host that is not the server's."
            => "Set `server.public_url`.";
        MissingPermission "missing-permission" [Http(403)]
            "The user lacks a permission."
            => "Ask an administrator for the role.";
        NoReasonToApprove "no-reason-to-approve" [Http(409)]
            "There is no suggested reason to approve."
            => "Use OVERRIDE or REJECT.";
        NoSuchItem "no-such-item" [Http(404)]
            "There is no such item."
            => "Look it up in the queue.";
        NoSuchLogin "no-such-login" [Http(404)]
            "There is no such login."
            => "`recon user list` shows them.";
        NoSuchProposal "no-such-proposal" [Http(404)]
            "There is no such proposal."
            => "Look it up in the list.";
        NoSuchToken "no-such-token" [Http(404)]
            "There is no such token."
            => "`recon token list` shows them.";
        NotASample "not-a-sample" [Http(409)]
            "The item is not waiting for a blind check."
            => "Take the next one of the list.";
        Malformed "malformed" [Http(400)]
            "The request is not valid HTTP."
            => "Mend the client.";
        NotAcceptable "not-acceptable" [Http(406)]
            "The client accepts none of the route's media types."
            => "Accept the one in the message.";
        NotContributor "not-contributor" [Http(403)]
            "Only a maker of a proposal can withdraw it."
            => "Send it back instead.";
        NotFound "not-found" [Http(404)]
            "There is nothing at this path."
            => "`/docs` lists the API.";
        NotYourPassword "not-your-password" [Http(409)]
            "Only its owner changes this password."
            => "Send an invitation.";
        NothingLeft "nothing-left" [Http(409)]
            "Nothing of the bulk can be decided."
            => "Filter again.";
        NothingToUndo "nothing-to-undo" [Http(409)]
            "The user has no open decision."
            => "Nothing.";
        OneAdministrator "one-administrator" [Http(403)]
            "One administrator made or reset the logins of both deciders."
            => "Let another user decide.";
        OwnRoles "own-roles" [Http(409)]
            "People do not change their own roles or grants."
            => "Ask another administrator.";
        PasswordCommon "password-common" [Http(422)]
            "The password is too common."
            => "Use four unrelated words.";
        PasswordLong "password-long" [Http(422)]
            "The password is too long."
            => "Shorten it.";
        PasswordSame "password-same" [Http(422)]
            "The new password is the old one."
            => "Choose another.";
        PasswordShort "password-short" [Http(422)]
            "The password is too short."
            => "Use four words.";
        PasswordChangeRequired "password-change-required" [Http(403)]
            "Another user set this password."
            => "Change it first.";
        PasswordWrong "password-wrong" [Http(403)]
            "The present password is wrong."
            => "Try again.";
        PolicyUnreadable "policy-unreadable" [Http(409)]
            "A stored policy cannot be read."
            => "Propose it anew.";
        PreviewExpired "preview-expired" [Http(410)]
            "A preview is too old or was used."
            => "Preview again.";
        ReasonCodeRequired "reason-code-required" [Http(400)]
            "An override names no reason."
            => "Send `new_reason_code`.";
        ReasonInactive "reason-inactive" [Http(409)]
            "The reason is no longer active."
            => "Choose another.";
        RefusedAttempt "refused-attempt" [SecurityLog]
            "An attempt was refused; a row of the security log."
            => "Nothing.";
        RejectTakesNoCode "reject-takes-no-code" [Http(422)]
            "A rejection names a reason code."
            => "Use OVERRIDE to give a reason.";
        RoleConflict "role-conflict" [SecurityLog]
            "Roles that exclude each other; a row of the security log."
            => "Nothing.";
        SameApprover "same-approver" [Http(403)]
            "Checker and authorizer are the same user."
            => "Let another user authorize.";
        SamePolicy "same-policy" [Http(409)]
            "The proposed policy is the one in force."
            => "Nothing.";
        SameReasonCode "same-reason-code" [Http(422)]
            "An override names the suggested reason."
            => "Use APPROVE.";
        SelfApproval "self-approval" [Http(403)]
            "Makers cannot approve their own proposal."
            => "Let another user check.";
        SeparationOfDuties "separation-of-duties" [Http(409)]
            "The roles exclude each other."
            => "Give one of them to another user.";
        ServiceRoles "service-roles" [Http(409)]
            "A service account may not have the role, or a password."
            => "Use a user's account.";
        SessionRequired "session-required" [Http(403)]
            "This needs a session; a token does not suffice."
            => "Log in.";
        Solo "solo" [Http(409)]
            "With `--solo`, decisions of several users cannot be changed."
            => "Serve without `--solo`.";
        Stale "stale" [Http(412)]
            "The item or proposal changed since it was looked at."
            => "Look again and decide anew.";
        SearchNotReady "search-not-ready" [Http(503)]
            "The search index of a new run is still being built."
            => "Search again in a moment.";
        SuggestionHidden "suggestion-hidden" [Http(409)]
            "The suggested reason is hidden until a choice is made."
            => "Use OVERRIDE or REJECT.";
        SuggestionsHidden "suggestions-hidden" [Http(403)]
            "A filter would reveal a hidden suggestion."
            => "Leave the filter out.";
        TokenByToken "token-by-token" [Http(403)]
            "Tokens neither make nor revoke tokens, and make no administrator."
            => "Log in.";
        Superseded "superseded" [Http(409)]
            "A newer run has taken the place of the item's run, or its break goes on at a later date."
            => "Decide about the newer run's item.";
        Timeout "timeout" [Http(408)]
            "The request did not arrive in time."
            => "Send it again, faster.";
        TooLarge "too-large" [Http(413)]
            "The body is too large."
            => "Send less.";
        TooManyAttempts "too-many-attempts" [Http(429)]
            "Too many failed logins."
            => "Wait a little.";
        TooManyExamples "too-many-examples" [Http(422)]
            "A proposed reason has too many examples."
            => "Send at most 20.";
        TooManyExports "too-many-exports" [Http(503)]
            "Too many exports at once."
            => "Try again in some seconds.";
        TooManyItems "too-many-items" [Http(422)]
            "A bulk has too many items."
            => "Narrow the filter.";
        TooManyLogins "too-many-logins" [Http(503)]
            "Too many people are logging in at this moment."
            => "Try again.";
        TooManyRequests "too-many-requests" [Http(429)]
            "A client sends too many requests."
            => "Slow down; `Retry-After` says how long.";
        Unauthorized "unauthorized" [Http(401)]
            "Not logged in, or the token is invalid."
            => "Log in, or send a valid token.";
        Unavailable "unavailable" [Http(503)]
            "The server or the store is busy."
            => "Try again; `Retry-After` says when.";
        UnmatchableRows "unmatchable-rows" [Http(422)]
            "These rows can't be matched by hand."
            => "Choose rows without a partner, of one job, at least one of each side.";
        UnknownPerson "unknown-person" [Http(409)]
            "There is no active user of this name."
            => "Choose another user.";
        UnsupportedMediaType "unsupported-media-type" [Http(415)]
            "The body is not of a type that the route takes."
            => "The `Accept` header names it.";
        WrongCredentials "wrong-credentials" [Http(401)]
            "Login or password is wrong."
            => "Try again.";
    }
    "Rejected rows" {
        BadJsonRow "BAD_JSON" [Row]
            "A line is no JSON object, has a name twice, or a text with half of a surrogate pair."
            => "Mend the source.";
        NoResult "NO_RESULT" [Row]
            "A formula in a cell has no stored result."
            => "Open the workbook, let it calculate, and save it.";
        ShortLine "SHORT_LINE" [Row]
            "A line ends within a column of fixed width."
            => "Check `columns`; ask the source to pad its lines.";
        RaggedRow "RAGGED_ROW" [Row]
            "The row has more or fewer fields than the header."
            => "Check `delimiter` and `quote`; leave footers out.";
        BadEncoding "BAD_ENCODING" [Row]
            "A cell is not text in the source's encoding."
            => "Set `encoding`. Where there is none to set, mend the source; in a database, convert the column in `query`.";
        NulByte "NUL_BYTE" [Row]
            "A cell contains U+0000, which no store keeps as text."
            => "Mend the source; a file of UTF-16 needs `encoding: utf-16le`.";
        StrayQuote "STRAY_QUOTE" [Row]
            "There is text after a closing quote, or a quote makes a cell span lines of another width."
            => "Mend the source, or set another `quote`.";
        UnclosedQuote "UNCLOSED_QUOTE" [Row]
            "A quote is opened in this row and never closed."
            => "Mend the source, or set another `quote`.";
        NullKey "NULL_KEY" [Row]
            "A part of the key is null."
            => "Mend the source, or give the key a value in `fn row`.";
        UnparsableKey "UNPARSABLE_KEY" [Row]
            "A part of the key is not of its type."
            => "Set `formats`, `numbers` or a step for the field.";
        ScriptErrorRow "SCRIPT_ERROR" [Row]
            "A function of the normalize script failed."
            => "Mend the script at the place that the message names.";
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Code> {
        Code::SECTIONS.iter().flat_map(|(_, codes)| *codes).copied()
    }

    #[test]
    fn variants_are_called_like_their_codes() {
        for code in all() {
            let variant: String =
                code.name().split(['-', '_']).collect::<String>().to_ascii_lowercase();
            let shown = format!("{code:?}").to_ascii_lowercase();
            // `SCRIPT_ERROR` of a row and `script-error` would be one variant.
            let plain = shown.strip_suffix("row").filter(|_| code.shows() == [Shows::Row]);
            assert!(shown == variant || plain == Some(variant.as_str()), "{code:?} is `{code}`");
        }
    }

    #[test]
    fn a_name_stands_once_and_has_one_class_and_one_status() {
        let mut names = std::collections::HashSet::new();
        for code in all() {
            assert!(names.insert(code.name()), "`{code}` stands twice");
            for is in [
                |shows: &&Shows| matches!(shows, Shows::Exit(_) | Shows::Row),
                |shows: &&Shows| matches!(shows, Shows::Http(_)),
            ] {
                assert!(
                    code.shows().iter().filter(is).count() <= 1,
                    "`{code}`: {:?}",
                    code.shows()
                );
            }
        }
    }
}
