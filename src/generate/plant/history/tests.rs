use std::collections::BTreeSet;

use super::super::super::server::Span;
use super::super::truth::{View, elements};
use super::super::{DAY, Plant};
use super::{Doing, History, Noted};
use crate::generate::plant::calendar::Calendar;

fn two_weeks(seed: u64) -> Vec<(History, Calendar)> {
    Span::before(seed, 14, None).unwrap().histories().unwrap().1
}

#[test]
fn spells_cover_the_span_without_a_hole_and_pieces_never_become_fewer() {
    for seed in 0..6 {
        for (history, _) in two_weeks(seed) {
            let mut at = history.from;
            for spell in &history.spells {
                assert_eq!(spell.start, at, "{}", history.unit.code);
                assert!(spell.end > spell.start);
                at = spell.end;
            }
            assert_eq!(at, history.to);
            let mut last = history.pieces(history.from);
            for at in (history.from..=history.to).step_by(300) {
                let now = history.pieces(at);
                let made = now.since(last);
                assert!(made.good >= 0 && made.scrap >= 0 && made.rework >= 0);
                let over = history.unit.rate * 6;
                assert!(made.made() <= over, "{made:?} of {}", history.unit.code);
                last = now;
            }
        }
    }
}

#[test]
fn a_long_and_a_short_history_tell_the_same_of_a_day() {
    let of = |days| Span::before(4, days, None).unwrap().histories().unwrap().1;
    for ((long, calendar), (short, _)) in of(40).iter().zip(&of(5)) {
        for turn in calendar.turns.iter().filter(|it| short.from <= it.start && it.end <= short.to)
        {
            let view = View::Telemetry { hold: 120 };
            assert_eq!(elements(long, turn, view), elements(short, turn, view));
            let made = |it: &History| it.pieces(turn.end).since(it.pieces(turn.start));
            assert_eq!(made(long), made(short));
        }
    }
}

#[test]
fn every_awkward_case_is_there() {
    for seed in 1..6 {
        let mut seen = BTreeSet::new();
        for (history, _) in two_weeks(seed) {
            for spell in &history.spells {
                seen.insert(match spell.doing {
                    Doing::Idle => "idle",
                    Doing::Setup => "setup",
                    Doing::Producing => "producing",
                    Doing::Unseen => "unseen",
                    Doing::Starved => "starved",
                    Doing::MicroStop => "microstop",
                    Doing::Stopped(reason) if reason.planned => "planned",
                    Doing::Stopped(_) => "unplanned",
                });
                match spell.noted {
                    Noted::Never => seen.insert("never ended"),
                    Noted::Late(_) => seen.insert("ended late"),
                    Noted::Right => false,
                };
            }
        }
        assert_eq!(seen.len(), 10, "seed {seed}: {seen:?}");
    }
}

#[test]
fn elements_add_up_and_a_book_of_orders_agrees_on_the_planned_busy_time() {
    let mut count = 0;
    for (history, calendar) in two_weeks(2) {
        for turn in &calendar.turns {
            if turn.start < history.from || history.to < turn.end {
                continue;
            }
            let fine = elements(&history, turn, View::Telemetry { hold: 120 });
            let coarse = elements(&history, turn, View::Orders);
            assert_eq!(fine.pot(), turn.end - turn.start);
            assert_eq!(coarse.pot(), turn.end - turn.start);
            assert_eq!((fine.planned, fine.pbt()), (coarse.planned, coarse.pbt()));
            assert_eq!((coarse.aust, coarse.unknown), (0, 0));
            count += 1;
        }
    }
    assert!(count > 300);
}

#[test]
fn nights_are_as_long_as_the_clock_makes_them() {
    // Germany: 2025-03-30 and 2025-10-26.
    let around = |date: i64| Calendar::new("BP02", date - 2 * DAY, date + 2 * DAY).unwrap();
    let lengths = |calendar: &Calendar| -> BTreeSet<i64> {
        let nights = calendar.turns.iter().filter(|turn| turn.code == "NIGHT");
        nights.map(|turn| (turn.end - turn.start) / 3600).collect()
    };
    assert_eq!(lengths(&around(1_743_292_800)), BTreeSet::from([7, 8]));
    assert_eq!(lengths(&around(1_761_436_800)), BTreeSet::from([8, 9]));
    assert!(Calendar::new("BP03", 0, DAY).unwrap().turns.is_empty());
    let turn = &Calendar::new("BP01", 0, DAY).unwrap().turns[1];
    assert_eq!((turn.code, turn.date.as_str()), ("NIGHT", "1969-12-30"));
    assert_eq!(turn.pause, Some((turn.start + 6 * 3600, turn.start + 6 * 3600 + 1800)));
}

#[test]
fn a_second_more_of_a_stop_shows_in_the_truth() {
    let (history, calendar) = two_weeks(1).swap_remove(0);
    let turn = calendar.turns.iter().find(|turn| turn.start >= history.from).unwrap();
    let before = elements(&history, turn, View::Orders);
    let mut moved = history.clone();
    let at = moved.spells.iter().position(|spell| {
        spell.start > turn.start && spell.doing == Doing::Producing && spell.end < turn.end
    });
    let at = at.unwrap();
    moved.spells[at].doing = Doing::Idle;
    let after = elements(&moved, turn, View::Orders);
    assert_eq!(before.apt - after.apt, after.adot - before.adot + after.planned - before.planned);
    assert!(after.apt < before.apt);
}

#[test]
fn places_are_as_every_system_names_them() {
    let plant = Plant::new(1, 2);
    let units = plant.units();
    assert_eq!(units.len(), 11);
    assert_eq!((units[1].area(), units[10].area()), ("BP01.PACK", "BP03.PILOT"));
    assert_eq!(units.iter().filter(|unit| !unit.has_pri).count(), 1);
    assert_eq!(units[4].pri(2), None);
    assert_eq!(units[0].pri(2), Some((60, 100)));
}
