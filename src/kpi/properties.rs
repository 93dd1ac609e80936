//! What holds for every shift, whatever its rows are.

use proptest::prelude::*;

use super::elements::{Case, Element, Elements, StateRow, Timeline, timeline};
use super::indicators::{Indicators, indicators, seconds};
use super::losses::losses;
use super::policy::{Breaks, Overlap, Policy};
use super::quantities::{CountRow, Quantities, quantities};
use super::rational::{Rational, sum};
use super::reliability::Reliability;
use super::state::{Category, State};
use super::window::Window;

/// A shift and everything that is known of it.
#[derive(Clone, Debug)]
struct Shift {
    window: Window,
    as_of: i64,
    breaks: Vec<Window>,
    states: Vec<StateRow>,
    orders: Option<Vec<Window>>,
    policy: Policy,
}

impl Shift {
    fn case(&self) -> Case<'_> {
        Case {
            window: self.window,
            as_of: self.as_of,
            breaks: &self.breaks,
            break_minutes: 0,
            states: &self.states,
            orders: self.orders.as_deref(),
            policy: &self.policy,
        }
    }

    fn line(&self) -> Timeline {
        timeline(&self.case())
    }

    fn rates(&self, made: &Quantities) -> Indicators {
        indicators(&self.line().elements, made).unwrap()
    }
}

const WINDOW: Window = Window { start: 0, end: 100 };

fn window() -> impl Strategy<Value = Window> {
    (-20_i64..120, -2_i64..30).prop_map(|(start, length)| Window::new(start, start + length))
}

fn row() -> impl Strategy<Value = StateRow> {
    let states: Vec<Option<State>> = State::all().map(Some).chain([None]).collect();
    let categories: Vec<Option<Category>> = Category::all().map(Some).collect();
    let category = prop_oneof![6 => Just(None), 1 => prop::sample::select(categories)];
    let end = prop_oneof![3 => (-3_i64..40).prop_map(Some), 1 => Just(None)];
    (-20_i64..120, end, prop::sample::select(states), category).prop_map(
        |(start, length, state, category)| {
            let end = length.map(|length| start + length);
            StateRow { start, end, state, category }
        },
    )
}

fn policy() -> impl Strategy<Value = Policy> {
    let overlap = prop_oneof![Just(Overlap::LatestStartWins), Just(Overlap::Severity)];
    let breaks = prop_oneof![Just(Breaks::ActualWins), Just(Breaks::CalendarWins)];
    (overlap, breaks, prop::option::of(0_i64..30)).prop_map(|(overlap, breaks, microstop_us)| {
        Policy { overlap, breaks, microstop_us, ..Policy::default() }
    })
}

fn shift() -> impl Strategy<Value = Shift> {
    let windows = || prop::collection::vec(window(), 0..4);
    let as_of = prop_oneof![-30_i64..150, Just(i64::MAX)];
    let states = prop::collection::vec(row(), 0..12);
    (as_of, windows(), states, prop::option::of(windows()), policy()).prop_map(
        |(as_of, breaks, states, orders, policy)| Shift {
            window: WINDOW,
            as_of,
            breaks,
            states,
            orders,
            policy,
        },
    )
}

fn counts() -> impl Strategy<Value = Vec<CountRow>> {
    let row = (-10_i64..110, 0_i64..50, 0_i64..9, 0_i64..9, 1_i64..5, 1_i64..5).prop_map(
        |(at, good, scrap, rework, num, den)| CountRow {
            at,
            good: good.into(),
            scrap: scrap.into(),
            rework: rework.into(),
            total: None,
            pri: Some(Rational::new(i128::from(num), i128::from(den) * 1_000_000).unwrap()),
        },
    );
    prop::collection::vec(row, 0..8)
}

/// The rules once more, instant by instant and without a clever thought.
fn slowly(shift: &Shift, at: i64) -> Element {
    let makes_sense = |row: &&StateRow| row.end.is_none_or(|end| end > row.start);
    let rows: Vec<&StateRow> = shift.states.iter().filter(makes_sense).collect();
    let end = |row: &StateRow| {
        let later = rows.iter().map(|row| row.start).filter(|start| *start > row.start);
        row.end.or_else(|| later.min()).unwrap_or(shift.as_of)
    };
    let covers = |row: &&&StateRow| row.start <= at && at < end(row);
    let severity = |row: &StateRow| row.state.map_or(-1, |state| i64::from(state.severity()));
    let row = rows.iter().filter(covers).max_by_key(|row| {
        let (first, second) = match shift.policy.overlap {
            Overlap::LatestStartWins => (row.start, severity(row)),
            Overlap::Severity => (severity(row), row.start),
        };
        (first, second, row.state, row.category)
    });
    let inside = |windows: &[Window]| windows.iter().any(|window| window.contains(at));
    let in_break = inside(&shift.breaks);
    let (state, category) = row.map_or((None, None), |row| (row.state, row.category));
    let natural = State::element(state, shift.orders.as_deref().map(inside));
    let producing = matches!(category, Some(Category::Production | Category::PerformanceLoss));
    if category == Some(Category::Planned) || natural == Element::Planned {
        return Element::Planned;
    }
    if producing || natural == Element::Apt {
        let planned = in_break && shift.policy.breaks == Breaks::CalendarWins;
        return if planned { Element::Planned } else { Element::Apt };
    }
    if in_break && natural != Element::Outside { Element::Planned } else { natural }
}

fn total(elements: &Elements) -> i64 {
    elements.planned
        + elements.apt
        + elements.aust
        + elements.adet
        + elements.adot
        + elements.unknown
}

proptest! {
    #[test]
    fn every_instant_counts_as_the_rules_say(mut shift in shift()) {
        shift.policy.microstop_us = None;
        let line = shift.line();
        let mut at = WINDOW.start;
        for piece in &line.pieces {
            prop_assert_eq!(piece.start, at, "the pieces have a hole or an overlap");
            prop_assert!(piece.end > piece.start);
            for instant in piece.start..piece.end {
                prop_assert_eq!(piece.element, slowly(&shift, instant), "at {}", instant);
            }
            at = piece.end;
        }
        prop_assert_eq!(at, WINDOW.end);
    }

    #[test]
    fn the_elements_add_up_to_pot(shift in shift()) {
        let line = shift.line();
        let outside: i64 = line.pieces.iter().filter(|piece| piece.element == Element::Outside)
            .map(|piece| piece.end - piece.start).sum();
        prop_assert_eq!(line.elements.pot, total(&line.elements));
        prop_assert_eq!(line.elements.pot + outside, WINDOW.length());
        prop_assert_eq!(line.elements.pbt, line.elements.pot - line.elements.planned);
    }

    #[test]
    fn the_parts_of_a_window_add_up(shift in shift(), rows in counts(), at in 0_i64..=100) {
        let (mut left, mut right) = (shift.clone(), shift.clone());
        (left.window.end, right.window.start) = (at, at);
        let both = left.line().elements.plus(&right.line().elements);
        prop_assert_eq!(shift.line().elements, both);
        let made = |shift: &Shift| quantities(shift.window, &rows).unwrap();
        let (whole, left, right) = (made(&shift), made(&left), made(&right));
        prop_assert_eq!(whole.pq, left.pq.plus(right.pq).unwrap());
        let ideal = sum(left.ideal_good.into_iter().chain(right.ideal_good)).unwrap();
        prop_assert_eq!(whole.ideal_good, Some(ideal));
    }

    #[test]
    fn rows_in_another_order_or_twice_change_nothing(
        shift in shift(), order in prop::collection::vec(any::<prop::sample::Index>(), 0..24),
    ) {
        let mut other = shift.clone();
        for index in &order {
            if !other.states.is_empty() {
                let from = index.index(other.states.len());
                other.states.swap(0, from);
                if from % 3 == 0 {
                    other.states.push(shift.states[index.index(shift.states.len())]);
                }
            }
        }
        let (one, two) = (shift.line(), other.line());
        prop_assert_eq!(one.elements, two.elements);
        prop_assert_eq!(one.flags, two.flags);
        prop_assert_eq!(&one.failures, &two.failures);
        prop_assert_eq!(
            Reliability::of(&shift.case(), &one), Reliability::of(&other.case(), &two)
        );
    }

    #[test]
    fn another_day_changes_nothing(shift in shift(), by in -1_000_000_i64..1_000_000) {
        let mut other = shift.clone();
        let moved = |window: &mut Window| {
            window.start += by;
            window.end += by;
        };
        moved(&mut other.window);
        other.breaks.iter_mut().chain(other.orders.iter_mut().flatten()).for_each(moved);
        other.as_of = other.as_of.saturating_add(by);
        if shift.as_of == i64::MAX {
            other.as_of = i64::MAX;
        }
        for row in &mut other.states {
            row.start += by;
            row.end = row.end.map(|end| end + by);
        }
        prop_assert_eq!(shift.line().elements, other.line().elements);
        prop_assert_eq!(shift.line().flags, other.line().flags);
    }

    #[test]
    fn the_reading_of_short_stops_leaves_the_oee(shift in shift(), rows in counts(), limit in 0_i64..60) {
        let made = quantities(WINDOW, &rows).unwrap();
        let (mut standard, mut classic) = (shift.clone(), shift);
        (standard.policy.microstop_us, classic.policy.microstop_us) = (None, Some(limit));
        let (standard, classic) = ((standard.line(), standard.rates(&made)), (classic.line(), classic.rates(&made)));
        prop_assert!(classic.0.elements.apt >= standard.0.elements.apt);
        prop_assert_eq!(classic.0.elements.pbt, standard.0.elements.pbt);
        // Without any production time there is no OEE to compare.
        if standard.0.elements.apt > 0 {
            prop_assert_eq!(classic.1.oee, standard.1.oee);
        }
    }

    #[test]
    fn the_oee_is_good_ideal_time_over_pbt(shift in shift(), rows in counts()) {
        let made = quantities(WINDOW, &rows).unwrap();
        let (elements, rates) = (shift.line().elements, shift.rates(&made));
        let product = rates.availability.zip(rates.effectiveness).zip(rates.quality_time_weighted)
            .map(|((a, e), q)| a.times(e).unwrap().times(q).unwrap());
        if product.is_some() {
            prop_assert_eq!(product, rates.oee);
        }
        if let Some(oee) = rates.oee {
            let pbt = seconds(elements.pbt).unwrap();
            prop_assert_eq!(oee.times(pbt).unwrap(), made.ideal_good.unwrap());
        }
    }

    #[test]
    fn the_oee_is_at_most_one_when_no_piece_is_faster_than_ideal(
        shift in shift(), rows in counts(),
    ) {
        // The fastest piece took all production time divided by all pieces: that is the true minimum.
        let apt = shift.line().elements.apt;
        let made = quantities(WINDOW, &rows).unwrap();
        let pri = seconds(apt).unwrap().over(made.pq).unwrap();
        let rows: Vec<CountRow> = rows.iter().map(|row| CountRow { pri, ..*row }).collect();
        let made = quantities(WINDOW, &rows).unwrap();
        if let Some(oee) = shift.rates(&made).oee {
            prop_assert!(oee <= Rational::ONE, "{}", oee);
        }
    }

    #[test]
    fn planned_busy_time_is_productive_time_and_losses(
        shift in shift(), rows in counts(), minutes in 0_u32..2,
    ) {
        let (mut shift, made) = (shift, quantities(WINDOW, &rows).unwrap());
        if minutes > 0 {
            shift.breaks.clear();
        }
        let case = Case { break_minutes: minutes, ..shift.case() };
        let line = timeline(&case);
        prop_assert_eq!(line.elements.pot, total(&line.elements));
        let found = losses(&case, &line, &made, None).unwrap();
        let parts = [
            found.productive_time.unwrap(), found.breakdown_loss, found.setup_loss, found.minor_stop_loss,
            found.speed_loss.unwrap(), found.defect_loss.unwrap(), found.rework_loss.unwrap(), found.unknown,
        ];
        prop_assert_eq!(sum(parts), Ok(found.available_time));
        prop_assert!(found.breakdown_loss >= Rational::ZERO && found.minor_stop_loss >= Rational::ZERO);
    }

    #[test]
    fn the_order_of_counts_changes_nothing(rows in counts()) {
        let mut turned = rows.clone();
        turned.reverse();
        prop_assert_eq!(quantities(WINDOW, &rows), quantities(WINDOW, &turned));
    }
}
