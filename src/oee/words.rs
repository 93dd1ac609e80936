//! Flags and elements in words.

use crate::kpi::elements::Element;

/// What a flag of `oee_calculations` says to a person.
pub(super) fn flag(name: &str) -> &'static str {
    match name {
        "BREAK_MINUTES_ONLY" => "of the breaks only the length is known, not when they were",
        "COUNTER_RESET" => "a counter fell: pieces before the fall are lost",
        "COUNTER_ROLLOVER" => "a counter ran over its end and went on",
        "COUNTS_WITHOUT_APT" => "pieces, and no production time in which they could be made",
        "COUNT_MISMATCH" => "a total is not good + scrap + rework; the parts were believed",
        "EFFECTIVENESS_GT_1" => {
            "more pieces than the ideal cycle time allows: the cycle time is too long"
        }
        "INCOMPLETE_COVERAGE" => "of some of the planned busy time nothing is known",
        "MISSING_PRI" => "pieces without an ideal cycle time: no effectiveness and no OEE",
        "NEGATIVE_QUANTITY" => "corrections took away more pieces than were made",
        "NON_POSITIVE_STATE" => "a row ends where or before it starts; it was left out",
        "NO_STATE_DATA" => "of all the planned busy time nothing is known: no OEE",
        "OPEN_SHIFT" => "the shift was not over when knowledge ended; it is computed up to there",
        "OPEN_STATE_CLIPPED" => {
            "a state without an end was ended where the shift or knowledge ends"
        }
        "OVERLAP" => "rows cover one instant; the one that started last holds",
        "STATE_CATEGORY_CONFLICT" => {
            "a row's category says something else than its state; it was believed"
        }
        "UNMAPPED_STATE" => "a state that is in no list; its time is unknown",
        "ZERO_PBT" => "no planned busy time: rates over it are unknown",
        "ZERO_PQ" => "no piece was made",
        _ => "",
    }
}

/// The symbol of the time model.
pub(super) fn element(element: Element) -> &'static str {
    match element {
        Element::Planned => "PLANNED",
        Element::Apt => "APT",
        Element::Aust => "AUST",
        Element::Adet => "ADET",
        Element::Adot => "ADOT",
        Element::Unknown => "UNKNOWN",
        Element::Outside => "-",
    }
}

#[cfg(test)]
mod tests {
    use crate::kpi::flag::Flag;

    #[test]
    fn every_flag_has_its_words() {
        for name in Flag::all().map(Flag::name) {
            assert!(!super::flag(name).is_empty(), "{name}");
        }
    }
}
