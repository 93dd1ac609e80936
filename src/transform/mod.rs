//! From values as a source holds them to values that fit a Postgres column.
//!
//! Pure: no I/O, no wall clock, nothing random. The output is a function of the state and the row, never
//! of the batch, so that a run cut anywhere and resumed makes the same bytes. Knows neither sources nor
//! sinks: rows come in as [`crate::batch::Row`], values leave as [`crate::schema::Datum`].

pub mod cast;
pub mod clock;
pub mod counts;
pub mod mapping;
pub mod numeric;
pub mod quality;
pub mod stage;
pub mod states;
pub mod units;

use clock::TimeError;

/// Why a row was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A time that cannot be placed.
    Time(TimeError),
    /// The value's storage class does not go into the column's type.
    WrongClass,
    /// The text is no value of the column's type.
    Syntax,
    /// Outside the range of the type.
    OutOfRange,
    /// More digits than the type keeps.
    Precision,
    /// Longer than the column allows.
    TooLong,
    /// Bytes that are no UTF-8.
    BadUtf8,
    /// Text with a zero byte, which Postgres refuses.
    NulInText,
    /// Malformed JSON, or JSON that `jsonb` cannot hold.
    BadJson,
    /// A value that the enumeration in the file does not list.
    Unmapped,
    /// NULL for a column that refuses it.
    NotNull,
    /// An event that ends before it begins.
    EndsBeforeStart,
    /// Older than what is decided already.
    Late,
    /// Too many events of one unit at one instant.
    TooManyOverlaps,
}

impl Reason {
    /// The name it has in the ledger, in reports and in JSON.
    pub fn code(self) -> &'static str {
        match self {
            Self::Time(error) => error.code(),
            Self::WrongClass => "wrong_class",
            Self::Syntax => "syntax",
            Self::OutOfRange => "out_of_range",
            Self::Precision => "precision",
            Self::TooLong => "too_long",
            Self::BadUtf8 => "bad_utf8",
            Self::NulInText => "nul_in_text",
            Self::BadJson => "bad_json",
            Self::Unmapped => "unmapped",
            Self::NotNull => "not_null",
            Self::EndsBeforeStart => "ends_before_start",
            Self::Late => "late",
            Self::TooManyOverlaps => "too_many_overlaps",
        }
    }

    /// What it means and what can be done, for a person.
    pub fn explain(self) -> &'static str {
        match self {
            Self::Time(error) => error.explain(),
            Self::WrongClass => "the stored class (text, integer …) does not fit the column's type",
            Self::Syntax => "the text is no value of the column's type",
            Self::OutOfRange => "outside the range of the column's type",
            Self::Precision => "more digits than the column keeps; nothing is rounded silently",
            Self::TooLong => "longer than the column allows",
            Self::BadUtf8 => "the bytes are no UTF-8 text",
            Self::NulInText => "the text holds a zero byte, which Postgres refuses",
            Self::BadJson => "malformed JSON, or JSON that jsonb cannot hold",
            Self::Unmapped => "not listed in `map`; add it, or \"*\" for all others",
            Self::NotNull => "NULL for a column that refuses it; `default` gives a value",
            Self::EndsBeforeStart => "it ends before it begins; correct it in the source",
            Self::Late => {
                "older than a record before it, and what was made of that one is certain: order the query by time"
            }
            Self::TooManyOverlaps => {
                "more events of one unit at one instant than can be told apart"
            }
        }
    }
}

/// A row that cannot be used: which target column, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Index of the field in the mapping.
    pub field: usize,
    /// Why.
    pub reason: Reason,
}

impl Refusal {
    /// About a column of a record, which is a field of the mapping where it is there.
    fn at(field: Option<usize>, reason: Reason) -> Self {
        Self { field: field.unwrap_or_default(), reason }
    }
}
