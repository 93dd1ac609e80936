//! What a machine may be doing, by one list: canonical names, the names other systems have for them, and
//! what each counts as.
//!
//! The list is data. A pipeline file maps words that are not in it; nothing is guessed from a word.

use super::elements::Element;

/// A canonical state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// It makes parts.
    Producing,
    /// It makes parts, below its speed: the loss shows in the effectiveness.
    RunningSlow,
    /// It is set up.
    Setup,
    /// It is changed over to another product.
    Changeover,
    /// It waits for material.
    Starved,
    /// It cannot pass its parts on.
    Blocked,
    /// A stop so short that some readings count it as production.
    Microstop,
    /// It could run, and nothing is asked of it.
    Idle,
    /// It is out of order.
    Down,
    /// It stands as planned.
    PlannedStop,
    /// It stands for a break of the crew.
    Break,
    /// It is looked after as planned.
    PlannedMaintenance,
    /// No shift is planned: outside the planned operation time.
    NotScheduled,
    /// Nothing is known.
    Unknown,
}

/// What a state is filed under in `equipment_states`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Category {
    /// It runs.
    Production,
    /// A stop that production suffers from.
    AvailabilityLoss,
    /// A stop that is read as slow running.
    PerformanceLoss,
    /// Planned downtime.
    Planned,
    /// Outside of any shift.
    NotScheduled,
    /// Nothing is known.
    Unknown,
}

/// One line of the list.
struct Entry {
    state: State,
    name: &'static str,
    category: Category,
    /// Which of two states that begin at one instant holds: the greater one.
    severity: u8,
    /// PackML (ISA-TR88) by name, and words of common systems; compared without case.
    aliases: &'static [&'static str],
}

const fn entry(
    state: State,
    name: &'static str,
    category: Category,
    severity: u8,
    aliases: &'static [&'static str],
) -> Entry {
    Entry { state, name, category, severity, aliases }
}

use Category::{AvailabilityLoss, Planned, Production};

/// In the order of [`State`], which is its index.
static STATES: [Entry; 14] = [
    entry(State::Producing, "PRODUCING", Production, 0, &["Execute", "RUN", "RUNNING", "ACTIVE"]),
    entry(State::RunningSlow, "RUNNING_SLOW", Production, 0, &[]),
    entry(
        State::Setup,
        "SETUP",
        AvailabilityLoss,
        3,
        &["Resetting", "Starting", "Completing", "SETTING_UP"],
    ),
    entry(State::Changeover, "CHANGEOVER", AvailabilityLoss, 3, &[]),
    entry(State::Starved, "STARVED", AvailabilityLoss, 2, &["WAITING"]),
    // PackML's Suspended is a cause outside of the machine; which side of it, the name does not say.
    entry(
        State::Blocked,
        "BLOCKED",
        AvailabilityLoss,
        2,
        &["Suspending", "Suspended", "Unsuspending", "JAM"],
    ),
    entry(State::Microstop, "MICROSTOP", AvailabilityLoss, 2, &[]),
    entry(State::Idle, "IDLE", AvailabilityLoss, 1, &["Complete", "STANDBY", "NO_ORDER"]),
    entry(
        State::Down,
        "DOWN",
        AvailabilityLoss,
        5,
        &[
            "Holding",
            "Held",
            "Unholding",
            "Stopping",
            "Stopped",
            "Aborting",
            "Aborted",
            "Clearing",
            "FAULT",
            "ALARM",
            "BREAKDOWN",
            "OutOfService",
        ],
    ),
    entry(State::PlannedStop, "PLANNED_STOP", Planned, 4, &[]),
    entry(State::Break, "BREAK", Planned, 4, &[]),
    entry(State::PlannedMaintenance, "PLANNED_MAINTENANCE", Planned, 4, &["MAINTENANCE"]),
    entry(State::NotScheduled, "NOT_SCHEDULED", Category::NotScheduled, 0, &["NO_SHIFT"]),
    entry(State::Unknown, "UNKNOWN", Category::Unknown, 0, &["Undefined"]),
];

/// Numeric states of the United Manufacturing Hub: first code of a range, and what it is.
static HUB_CODES: [(i64, State); 19] = [
    (10_000, State::Producing),
    (20_000, State::RunningSlow),
    (30_000, State::Unknown),
    (40_000, State::Idle),
    (50_000, State::Microstop),
    (60_000, State::Starved),
    (70_000, State::Blocked),
    (90_000, State::Starved),
    (100_000, State::Changeover),
    (110_000, State::PlannedStop),
    (130_000, State::Setup),
    (150_000, State::PlannedStop),
    (160_000, State::NotScheduled),
    (170_000, State::Idle),
    (180_000, State::Down),
    (210_000, State::PlannedMaintenance),
    (220_000, State::Down),
    (230_000, State::Unknown),
    (i64::MAX, State::Unknown),
];

impl State {
    /// The state by its canonical name, a name of PackML, a common word, or a code of the hub.
    pub fn named(word: &str) -> Option<Self> {
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        let by_name =
            STATES.iter().find(|entry| is(entry.name) || entry.aliases.iter().any(|a| is(a)));
        by_name.map(|entry| entry.state).or_else(|| Self::of_hub_code(word.parse().ok()?))
    }

    fn of_hub_code(code: i64) -> Option<Self> {
        let at = HUB_CODES.partition_point(|(first, _)| *first <= code);
        HUB_CODES.get(at.checked_sub(1)?).map(|(_, state)| *state)
    }

    /// The state by its canonical name alone.
    pub fn canonical(name: &str) -> Option<Self> {
        STATES.iter().find(|entry| entry.name == name).map(|entry| entry.state)
    }

    /// Every state, in the order of the list.
    pub fn all() -> impl Iterator<Item = Self> {
        STATES.iter().map(|entry| entry.state)
    }

    fn entry(self) -> &'static Entry {
        &STATES[self as usize]
    }

    /// The canonical name, as the target's checks have it.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// What it is filed under.
    pub fn category(self) -> Category {
        self.entry().category
    }

    /// Of two that begin at one instant the greater one holds.
    pub fn severity(self) -> u8 {
        self.entry().severity
    }

    /// What time in a state counts for, before breaks; none is a word that is in no list, or a hole.
    /// `in_order`: whether an order runs, none where orders are not recorded. Without orders a machine
    /// that is down is delayed, and one that idles is not.
    pub fn element(state: Option<Self>, in_order: Option<bool>) -> Element {
        let delayed = |delayed: bool| if delayed { Element::Adet } else { Element::Adot };
        match state {
            Some(Self::Producing | Self::RunningSlow) => Element::Apt,
            Some(Self::Setup | Self::Changeover) => Element::Aust,
            Some(Self::Starved | Self::Blocked | Self::Microstop) => Element::Adet,
            Some(Self::Down) => delayed(in_order.unwrap_or(true)),
            Some(Self::Idle) => delayed(in_order.unwrap_or(false)),
            Some(Self::PlannedStop | Self::Break | Self::PlannedMaintenance) => Element::Planned,
            Some(Self::NotScheduled) => Element::Outside,
            Some(Self::Unknown) | None => Element::Unknown,
        }
    }

    /// It makes parts.
    pub fn produces(self) -> bool {
        self.category() == Category::Production
    }
}

impl Category {
    /// Every category with its name in the target.
    const NAMES: [(Self, &'static str); 6] = [
        (Self::Production, "PRODUCTION"),
        (Self::AvailabilityLoss, "AVAILABILITY_LOSS"),
        (Self::PerformanceLoss, "PERFORMANCE_LOSS"),
        (Self::Planned, "PLANNED"),
        (Self::NotScheduled, "NOT_SCHEDULED"),
        (Self::Unknown, "UNKNOWN"),
    ];

    /// The name the target has for it.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize].1
    }

    /// Every category, in the order of the list.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::NAMES.into_iter().map(|(category, _)| category)
    }

    /// The category by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| *known == name).map(|(category, _)| *category)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_in_the_order_of_the_states() {
        for state in State::all() {
            assert_eq!(state.entry().state, state);
            assert_eq!(State::canonical(state.name()), Some(state));
            assert_eq!(Category::named(state.category().name()), Some(state.category()));
        }
    }

    #[test]
    fn other_systems_names_are_known() {
        let cases = [
            ("execute", State::Producing),
            ("Held", State::Down),
            ("Suspended", State::Blocked),
            ("10000", State::Producing),
            ("65535", State::Starved),
            ("160000", State::NotScheduled),
            ("185000", State::Down),
        ];
        for (word, state) in cases {
            assert_eq!(State::named(word), Some(state), "{word}");
        }
        assert_eq!(State::named("42"), None);
        assert_eq!(State::named("RUNNNING"), None);
    }
}
