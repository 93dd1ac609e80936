//! Why one value is no instant. The codes are those of the test vectors.

/// Why a value was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{}", self.code())]
pub enum TimeError {
    /// The text has no known shape.
    Parse,
    /// The shape is right, a field is not.
    Field,
    /// The wall clock skipped this reading.
    Gap,
    /// The wall clock showed this reading twice.
    Fold,
    /// A number without a unit.
    Unit,
    /// A date where an instant is wanted.
    DateOnly,
    /// Second 60.
    Leap,
    /// An offset no place on earth has.
    Offset,
    /// An offset the zone did not have at that reading.
    OffsetMismatch,
    /// A `Z` on a column whose `Z` is not trusted.
    ZUntrusted,
    /// A reading without a zone.
    Naive,
    /// Digits that would be lost.
    Precision,
    /// No such zone.
    Zone,
    /// Outside what the target can hold.
    Range,
    /// Outside the years the policy calls plausible.
    Implausible,
    /// A storage class that is never a time.
    Type,
}

impl TimeError {
    /// The code as dead letters and test vectors spell it.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Parse => "ERR_PARSE",
            Self::Field => "ERR_FIELD",
            Self::Gap => "ERR_GAP",
            Self::Fold => "ERR_FOLD",
            Self::Unit => "ERR_UNIT",
            Self::DateOnly => "ERR_DATE_ONLY",
            Self::Leap => "ERR_LEAP",
            Self::Offset => "ERR_OFFSET",
            Self::OffsetMismatch => "ERR_OFFSET_MISMATCH",
            Self::ZUntrusted => "ERR_Z_UNTRUSTED",
            Self::Naive => "ERR_NAIVE",
            Self::Precision => "ERR_PRECISION",
            Self::Zone => "ERR_ZONE",
            Self::Range => "ERR_RANGE",
            Self::Implausible => "ERR_IMPLAUSIBLE",
            Self::Type => "ERR_TYPE",
        }
    }

    /// One line for a person: what it means and which policy key decides it.
    #[must_use]
    pub fn explain(self) -> &'static str {
        match self {
            Self::Parse => {
                "not a date and time of the declared layout (layout=…; digits alone need unit=…)"
            }
            Self::Field => {
                "a field is out of its range, such as month 13 or February 30 (24:00: h24=roll; \
                 placeholder dates: sentinel=…)"
            }
            Self::Gap => {
                "the zone's clock skipped this reading when it went forward \
                 (gap=forward, backward or snap)"
            }
            Self::Fold => {
                "the zone's clock showed this reading twice when it went back \
                 (fold=earlier, later or infer)"
            }
            Self::Unit => {
                "a number whose unit is not declared, or that unit=auto cannot tell (unit=…)"
            }
            Self::DateOnly => "a date without a time of day (date=midnight or start_of_day)",
            Self::Leap => "second 60, a leap second (leap=clamp or roll)",
            Self::Offset => "an offset from UTC of 16 hours or more, or with minutes above 59",
            Self::OffsetMismatch => {
                "the zone did not have the offset that is written at that reading (offset=match)"
            }
            Self::ZUntrusted => "it ends in Z, which this column may not mean (z=utc or zone)",
            Self::Naive => {
                "neither a zone nor an offset says where this clock hung (zone, naive=…)"
            }
            Self::Precision => {
                "it is finer than the target can hold: microseconds for an instant, whole days for \
                 a date (frac=trunc or round)"
            }
            Self::Zone => "no zone of that name in the bundled database (zone)",
            Self::Range => {
                "before 4714-11-24 BC or after 294276-12-31, the ends of timestamptz (range=…)"
            }
            Self::Implausible => "outside the plausible years (range=plausible:…, sentinel=…)",
            Self::Type => "a blob is never a time",
        }
    }
}
