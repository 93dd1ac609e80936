//! What a plant decides for itself: the readings of the time model that the standard leaves open.

/// One plant's readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Which of several rows holds.
    pub overlap: Overlap,
    /// What production in a break is.
    pub breaks: Breaks,
    /// The length, in microseconds, up to which a stop stays in the production time (the classic
    /// reading); none for the standard's, in which every stop is a delay.
    pub microstop_us: Option<i64>,
    /// To which window the pieces between two readings of a counter belong.
    pub boundary: Boundary,
}

/// Which of the rows that cover one instant holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// The one that started last; of several the more severe. An earlier one resumes after it.
    #[default]
    LatestStartWins,
    /// The most severe; of several the one that started last.
    Severity,
}

/// What production in a break is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Breaks {
    /// Production: the break was worked.
    #[default]
    ActualWins,
    /// Planned downtime all the same.
    CalendarWins,
}

/// To which window the pieces between two readings of a counter belong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Boundary {
    /// All of them to that of the later reading.
    #[default]
    AttributeToEnd,
    /// To each by its share of the time between the readings.
    Interpolate,
}
