//! MS5's `factory_telemetry` in a plain PostgreSQL, as the original migrations leave it: 49 tables
//! and what somebody added by hand, no hypertable.
//!
//! Two machines of the plant are carried over as they were: spells, orders, pieces. Everything
//! else is made of them on the server, by statements that draw nothing at random.

use postgres::Client;
use serde_json::{Value, json};

use super::plant::HOUR;
use super::plant::calendar::Calendar;
use super::plant::history::{Doing, History, Pieces};
use super::plant::truth::{self, Record, View};
use super::server::{Line, Pen, Span};
use super::{GenerateError, Written};

/// The tables as the originals make them; the same as the tests adopt.
const SCHEMA: &str = include_str!("../../fixtures/ms5-legacy.sql");

/// Rows of `metric_hist` that a second has: fourteen metrics of two machines.
const ROWS_A_SECOND: u64 = 28;

/// Machines of the plant that MS5 watches, the first ones.
const WATCHED: usize = 2;

const STAGE: &str = "
    create temp table g_span (first timestamptz, last timestamptz, watched timestamptz) on commit drop;
    create temp table g_unit (code text, name text, rate integer, pos integer) on commit drop;
    create temp table g_spell (code text, starts timestamptz, ends timestamptz, doing text, reason text,
        planned boolean, runs boolean, faulty boolean, operator text, product integer, seconds integer)
        on commit drop;
    create temp table g_order (code text, number text, product integer, quantity integer,
        created timestamptz, starts timestamptz, ends timestamptz, operator text) on commit drop;
    create temp table g_hour (code text, at timestamptz, good integer, scrap integer, rework integer)
        on commit drop;
    create temp table g_minute (code text, at timestamptz, made bigint, next bigint) on commit drop;
    create temp table g_person (nth integer, name text, family text, employee text, hired timestamptz,
        present boolean) on commit drop";

/// Writes the database, and says what is true of it.
pub fn write_ms5(
    client: &mut Client,
    span: &Span,
    rows: u64,
    progress: &mut dyn FnMut(u64),
) -> Result<(Written, Value), GenerateError> {
    let (plant, mut histories) = span.histories()?;
    histories.truncate(WATCHED);
    let seconds = i64::try_from(rows / ROWS_A_SECOND).unwrap_or(i64::MAX);
    let seconds = seconds.clamp(1, span.to - span.from);
    let tables = tables();
    let names: Vec<&str> = tables.iter().map(String::as_str).collect();
    let mut pen = Pen::new(client, &names, progress)?;
    pen.run("the schema", SCHEMA)?;
    pen.run("what is carried over", STAGE)?;
    let watched = span.to - seconds;
    stage(&mut pen, span, watched, &histories)?;
    let there = plant.people.iter().enumerate().filter(|(_, person)| person.hired <= span.to);
    let people = there.map(|(nth, person)| {
        let line = Line::new().int(i64::try_from(nth).unwrap_or(0)).text(person.first);
        let line = line.text(person.last).text(&person.employee_code).time(person.hired);
        line.bool(person.left.is_none_or(|left| left > span.to))
    });
    pen.copy("g_person", "nth, name, family, employee, hired, present", people)?;
    pen.run(
        "what is carried over",
        "create index on g_minute (code, at); analyze g_span, g_unit, g_spell, g_minute",
    )?;
    pen.run("the masters", include_str!("ms5/masters.sql"))?;
    pen.run("the history", include_str!("ms5/history.sql"))?;
    pen.run("the office", include_str!("ms5/office.sql"))?;
    let notes = vec![format!("metric_hist seconds {seconds}")];
    let written = pen.finish(&names, notes)?;
    let machines = histories.iter().map(|(history, calendar)| {
        let record = Record { unit_pri: true, ..Record::default() };
        truth::machine(history, calendar, View::Telemetry { hold: 1 }, &record)
    });
    let truth = json!({
        "system": "ms5", "seed": span.seed, "from": span.from, "to": span.to,
        "machines": machines.collect::<Vec<_>>(),
    });
    Ok((written, truth))
}

/// Names of the tables, in the order of the schema.
fn tables() -> Vec<String> {
    let names = SCHEMA.lines().filter_map(|line| line.strip_prefix("create table "));
    let names = names.filter_map(|rest| rest.split(' ').next());
    names.map(|name| format!("factory_telemetry.{name}")).collect()
}

fn stage(
    pen: &mut Pen<'_>,
    span: &Span,
    watched: i64,
    histories: &[(History, Calendar)],
) -> Result<(), GenerateError> {
    let line = Line::new().time(span.from).time(span.to).time(watched);
    pen.copy("g_span", "first, last, watched", [line])?;
    let units = histories.iter().zip(0..).map(|((history, _), pos)| {
        let unit = &history.unit;
        Line::new().text(unit.code).text(unit.name).int(unit.rate).int(pos)
    });
    pen.copy("g_unit", "code, name, rate, pos", units)?;
    let columns =
        "code, starts, ends, doing, reason, planned, runs, faulty, operator, product, seconds";
    pen.copy("g_spell", columns, histories.iter().flat_map(|(history, _)| spells(history)))?;
    let orders = histories.iter().flat_map(|(history, _)| {
        history.works.iter().map(|work| {
            let life = &work.life;
            let line = Line::new().text(history.unit.code).text(&work.number);
            let line = line.int(product(life.product)).int(life.quantity);
            line.time(life.created).time(life.start).time(life.complete).text(&operator(work))
        })
    });
    let columns = "code, number, product, quantity, created, starts, ends, operator";
    pen.copy("g_order", columns, orders)?;
    let hours = histories.iter().flat_map(|(history, _)| {
        counts(history, history.from, HOUR).map(|(at, before, after)| {
            let made = after.since(before);
            let line = Line::new().text(history.unit.code).time(at);
            line.int(made.good).int(made.scrap).int(made.rework)
        })
    });
    pen.copy("g_hour", "code, at, good, scrap, rework", hours)?;
    let minutes = histories.iter().flat_map(|(history, _)| {
        counts(history, watched - watched.rem_euclid(60), 60).map(|(at, before, after)| {
            Line::new().text(history.unit.code).time(at).int(before.made()).int(after.made())
        })
    });
    pen.copy("g_minute", "code, at, made, next", minutes)
}

/// Each period of a history with the pieces before and after it.
fn counts(
    history: &History,
    from: i64,
    step: i64,
) -> impl Iterator<Item = (i64, Pieces, Pieces)> + '_ {
    let periods = (history.to - from) / step;
    (0..periods).map(move |nth| {
        let at = from + nth * step;
        (at, history.pieces(at), history.pieces(at + step))
    })
}

fn product(index: usize) -> i64 {
    i64::try_from(index).unwrap_or(0)
}

fn operator(work: &super::plant::history::Work) -> String {
    format!("Operator {}", work.life.operator)
}

fn spells(history: &History) -> Vec<Line> {
    let line = |spell: &super::plant::history::Spell| {
        let (doing, reason, planned) = match spell.doing {
            Doing::Idle => ("IDLE", None, false),
            Doing::Setup => ("SETUP", None, false),
            Doing::Producing | Doing::Unseen => ("RUNNING", None, false),
            Doing::Starved => ("STARVED", Some("material_shortage"), false),
            Doing::MicroStop => ("MICROSTOP", None, false),
            Doing::Stopped(reason) => ("STOPPED", Some(reason.code), reason.planned),
        };
        let work = spell.work.and_then(|place| history.works.get(place));
        let line = Line::new().text(history.unit.code).time(spell.start).time(spell.end);
        let line = line.text(doing).maybe(reason).bool(planned).bool(doing == "RUNNING");
        let line = line.bool(doing == "STOPPED" && !planned);
        let line = line.maybe(work.map(operator).as_deref());
        let line = match work {
            Some(work) => line.int(product(work.life.product)),
            None => line.null(),
        };
        line.int(spell.end - spell.start)
    };
    history.spells.iter().map(line).collect()
}
