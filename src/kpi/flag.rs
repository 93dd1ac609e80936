//! What is implausible about a result, or was mended on the way to it. Nothing is ever clamped instead.

/// One thing that a reader of the result has to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flag {
    /// Only the length of the breaks is known, not when they were.
    BreakMinutesOnly,
    /// A counter fell, and it was no rollover: pieces between the last reading and the fall are lost.
    CounterReset,
    /// A counter ran over its end and went on.
    CounterRollover,
    /// Pieces, and no production time in which they could be made.
    CountsWithoutApt,
    /// A total is not the sum of good, scrap and rework; the parts were believed.
    CountMismatch,
    /// More pieces than the ideal cycle time allows: it is too long, or the production time too short.
    EffectivenessAboveOne,
    /// Of some of the planned busy time nothing is known.
    IncompleteCoverage,
    /// Pieces without an ideal cycle time: no effectiveness, no OEE, no NEE.
    MissingPri,
    /// Corrections took away more pieces than were made.
    NegativeQuantity,
    /// A row that ends where or before it starts; it was left out.
    NonPositiveState,
    /// Of all the planned busy time nothing is known: no availability, no OEE.
    NoStateData,
    /// The shift has no end yet; it was ended where knowledge ends.
    OpenShift,
    /// A row without an end and without a later row; it was ended where the window or knowledge ends.
    OpenStateClipped,
    /// Rows that cover one instant; the policy says which of them holds.
    Overlap,
    /// A row's category says something else than its state.
    StateCategoryConflict,
    /// A row whose state is in no list; its time is unknown.
    UnmappedState,
    /// No planned busy time: rates over it are unknown.
    ZeroPbt,
    /// No piece was made.
    ZeroPq,
}

impl Flag {
    /// Every flag with its name, by name.
    const NAMES: [(Self, &'static str); 18] = [
        (Self::BreakMinutesOnly, "BREAK_MINUTES_ONLY"),
        (Self::CounterReset, "COUNTER_RESET"),
        (Self::CounterRollover, "COUNTER_ROLLOVER"),
        (Self::CountsWithoutApt, "COUNTS_WITHOUT_APT"),
        (Self::CountMismatch, "COUNT_MISMATCH"),
        (Self::EffectivenessAboveOne, "EFFECTIVENESS_GT_1"),
        (Self::IncompleteCoverage, "INCOMPLETE_COVERAGE"),
        (Self::MissingPri, "MISSING_PRI"),
        (Self::NegativeQuantity, "NEGATIVE_QUANTITY"),
        (Self::NonPositiveState, "NON_POSITIVE_STATE"),
        (Self::NoStateData, "NO_STATE_DATA"),
        (Self::OpenShift, "OPEN_SHIFT"),
        (Self::OpenStateClipped, "OPEN_STATE_CLIPPED"),
        (Self::Overlap, "OVERLAP"),
        (Self::StateCategoryConflict, "STATE_CATEGORY_CONFLICT"),
        (Self::UnmappedState, "UNMAPPED_STATE"),
        (Self::ZeroPbt, "ZERO_PBT"),
        (Self::ZeroPq, "ZERO_PQ"),
    ];

    /// All of them, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().map(|(flag, _)| flag)
    }

    /// Its name, as `oee_calculations` has it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }
}

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    /// Adds `flag` when `raised`.
    pub fn raise(&mut self, flag: Flag, raised: bool) {
        self.0 |= u32::from(raised) << flag as u32;
    }

    /// Both together.
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flag is raised.
    pub fn has(self, flag: Flag) -> bool {
        self.0 >> flag as u32 & 1 == 1
    }

    /// Those that are raised, by name.
    pub fn iter(self) -> impl Iterator<Item = Flag> {
        Flag::all().filter(move |flag| self.has(*flag))
    }

    /// Names of those that are raised, in order.
    pub fn names(self) -> Vec<&'static str> {
        self.iter().map(Flag::name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_listed_by_name() {
        let mut flags = Flags::default();
        for (index, (flag, name)) in Flag::NAMES.iter().enumerate() {
            assert_eq!(*flag as usize, index);
            assert_eq!(flag.name(), *name);
            flags.raise(*flag, true);
        }
        assert_eq!(flags.names().len(), Flag::NAMES.len());
        assert!(flags.names().is_sorted());
    }
}
