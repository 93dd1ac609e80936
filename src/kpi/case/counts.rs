//! Counts as they are written: pieces by event, or readings of a counter.

use super::CaseError;
use super::json::{Field, Fields};
use crate::kpi::counter::{Delta, delta};
use crate::kpi::flag::{Flag, Flags};
use crate::kpi::policy::Boundary;
use crate::kpi::quantities::CountRow;
use crate::kpi::rational::{NumberError, Rational};
use crate::kpi::window::Window;

/// Planned run time of a piece.
#[derive(Clone, Debug, Default)]
pub(super) enum Pri {
    /// It is not known.
    #[default]
    Missing,
    /// One for all.
    Each(Rational),
    /// One for each product.
    ByProduct(Vec<(String, Rational)>),
}

impl Pri {
    pub(super) fn read(field: &Field<'_>) -> Result<Self, CaseError> {
        let Some(products) = field.named() else {
            return field.amount().map(Self::Each);
        };
        let read = |(name, field): (String, Field<'_>)| Ok((name, field.amount()?));
        products.into_iter().map(read).collect::<Result<_, CaseError>>().map(Self::ByProduct)
    }

    fn of(&self, product: Option<&str>) -> Option<Rational> {
        match self {
            Self::Missing => None,
            Self::Each(pri) => Some(*pri),
            Self::ByProduct(all) => {
                all.iter().find(|(name, _)| Some(name.as_str()) == product).map(|(_, pri)| *pri)
            }
        }
    }
}

/// One row, as written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Row {
    at: i64,
    good: Option<Rational>,
    scrap: Option<Rational>,
    rework: Option<Rational>,
    total: Option<Rational>,
    pri: Option<Rational>,
}

/// Counts of a case.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    rows: Vec<Row>,
    /// Rows are readings of a counter.
    cumulative: bool,
    modulus: Option<i64>,
    max_delta: Option<i64>,
}

impl Counts {
    pub(super) fn read(field: Option<Field<'_>>, pri: Pri) -> Result<Self, CaseError> {
        let mut counts =
            Self { rows: Vec::new(), cumulative: false, modulus: None, max_delta: None };
        let Some(field) = field else { return Ok(counts) };
        let fields = field.object(&["mode", "modulus", "max_delta", "rows"])?;
        let modes = [("event", false), ("cumulative", true)];
        counts.cumulative = fields.read("mode", |mode| mode.one_of(&modes))?.unwrap_or(false);
        counts.modulus = fields.read("modulus", Field::whole)?;
        counts.max_delta = fields.read("max_delta", Field::whole)?;
        let cumulative = counts.cumulative;
        counts.rows =
            fields.list("rows", |row| self::row(row, cumulative, &pri))?.unwrap_or_default();
        // A reading that comes twice, or late, is no fall of the counter.
        counts.rows.sort();
        Ok(counts)
    }

    /// The pieces of `window`, and what was mended.
    pub(super) fn rows(
        &self,
        window: Window,
        boundary: Boundary,
    ) -> Result<(Vec<CountRow>, Flags), NumberError> {
        let mut flags = Flags::default();
        if !self.cumulative {
            let rows = self.rows.iter().map(|row| row.pieces(row.at));
            return Ok((rows.collect::<Result<_, _>>()?, flags));
        }
        let mut counters: [Counter; 4] = Default::default();
        let mut found = Vec::with_capacity(self.rows.len());
        for row in &self.rows {
            let mut grown = row.clone();
            let columns = [&mut grown.good, &mut grown.scrap, &mut grown.rework, &mut grown.total];
            for (counter, column) in counters.iter_mut().zip(columns) {
                let Some(reading) = *column else { continue };
                let (delta, share) = counter.read(self, row.at, reading, (window, boundary))?;
                flags.raise(
                    Flag::CounterReset,
                    share.is_positive() && matches!(delta, Delta::Reset(_)),
                );
                let over = matches!(delta, Delta::Rollover(_));
                flags.raise(Flag::CounterRollover, share.is_positive() && over);
                *column = Some(share.times(Rational::from(delta.pieces()))?);
            }
            found.push(grown.pieces(window.start)?);
        }
        Ok((found, flags))
    }
}

impl Row {
    /// Without good pieces of its own, the total without the others.
    fn pieces(&self, at: i64) -> Result<CountRow, NumberError> {
        let (scrap, rework) = (self.scrap.unwrap_or_default(), self.rework.unwrap_or_default());
        let good = match (self.good, self.total) {
            (Some(good), _) => good,
            (None, Some(total)) => total.minus(scrap)?.minus(rework)?,
            (None, None) => Rational::ZERO,
        };
        Ok(CountRow { at, good, scrap, rework, total: self.total, pri: self.pri })
    }
}

/// One column of a counter: its last reading.
#[derive(Clone, Copy, Default)]
struct Counter {
    last: Option<(i64, i64)>,
}

impl Counter {
    /// What it grew by, and the share of that which belongs to the window. The first reading counts for
    /// nothing: it is not known since when.
    fn read(
        &mut self,
        counts: &Counts,
        at: i64,
        reading: Rational,
        (window, boundary): (Window, Boundary),
    ) -> Result<(Delta, Rational), NumberError> {
        let now = i64::try_from(reading.num()).map_err(|_| NumberError::Overflow)?;
        let Some((before, since)) = self.last.replace((now, at)) else {
            return Ok((Delta::Counted(0), Rational::ZERO));
        };
        let delta = delta(before, now, counts.modulus, counts.max_delta);
        let between = Window::new(since, at);
        let share = match boundary {
            Boundary::Interpolate if !between.is_empty() => {
                let inside = Rational::from(between.overlap(window).length());
                inside.over(Rational::from(between.length()))?.unwrap_or_default()
            }
            // A reading at the end counts what was made before it.
            _ if window.start < at && at <= window.end => Rational::ONE,
            _ => Rational::ZERO,
        };
        Ok((delta, share))
    }
}

fn row(field: &Field<'_>, cumulative: bool, pri: &Pri) -> Result<Row, CaseError> {
    let row: Fields<'_> = field.object(&["ts", "good", "scrap", "rework", "total", "product"])?;
    let number = |key: &str| {
        row.read(key, |field| match cumulative {
            true => field.whole().map(Rational::from),
            false => field.number(),
        })
    };
    Ok(Row {
        at: row.need("ts")?.instant()?,
        good: number("good")?,
        scrap: number("scrap")?,
        rework: number("rework")?,
        total: number("total")?,
        pri: pri.of(row.read("product", Field::text)?),
    })
}
