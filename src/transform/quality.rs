//! Defects, rework and scrap: what `quality_events` holds, one row a record.

use super::stage::{Column, Record, Step, Taken, place, text_or_null};
use super::{Reason, Refusal};
use crate::schema::{Datum, PgType};

/// Kinds of events, and how grave one may be, as the target's checks have them.
const EVENTS: [&str; 3] = ["DEFECT", "REWORK", "SCRAP"];
const SEVERITIES: [&str; 3] = ["CRITICAL", "MAJOR", "MINOR"];

/// Turns records into quality events.
#[derive(Debug)]
pub struct Quality {
    /// In the order of [`record`].
    fields: [Option<usize>; 10],
}

/// The columns of a record.
pub(super) fn record() -> Vec<Column> {
    vec![
        ("equipment", PgType::Varchar(36), true),
        ("at", PgType::Timestamptz(6), true),
        ("event", PgType::Text, true),
        ("code", PgType::Varchar(50), false),
        ("category", PgType::Varchar(50), false),
        ("quantity", PgType::Int8, true),
        ("severity", PgType::Text, false),
        ("product", PgType::Varchar(36), false),
        ("order", PgType::Varchar(36), false),
        ("operator", PgType::Varchar(36), false),
    ]
}

/// The columns it writes. The id is made of the source row's key, so that it is the same at each reading.
pub(super) fn output() -> Vec<(&'static str, PgType)> {
    vec![
        ("timestamp", PgType::Timestamptz(6)),
        ("id", PgType::Varchar(36)),
        ("equipmentId", PgType::Varchar(36)),
        ("eventType", PgType::Varchar(20)),
        ("defectCode", PgType::Varchar(50)),
        ("defectCategory", PgType::Varchar(50)),
        ("quantity", PgType::Int8),
        ("severity", PgType::Varchar(20)),
        ("productId", PgType::Varchar(36)),
        ("productionOrderId", PgType::Varchar(36)),
        ("operatorId", PgType::Varchar(36)),
    ]
}

impl Quality {
    pub(super) fn new(fields: &[&str]) -> Self {
        let names = record();
        let mut places = [None; 10];
        for (to, (name, ..)) in places.iter_mut().zip(names) {
            *to = place(fields, name);
        }
        Self { fields: places }
    }
}

impl Step for Quality {
    fn step(
        &mut self,
        record: &Record,
        out: &mut dyn FnMut(&[Datum<'_>]),
    ) -> Result<Taken, Refusal> {
        let [equipment, at, event, code, category, quantity, severity, product, order, operator] =
            self.fields;
        let kind =
            known(&EVENTS, record.text(event)).ok_or(Refusal::at(event, Reason::Unmapped))?;
        let grave = match record.text(severity) {
            None | Some("") => None,
            word => Some(known(&SEVERITIES, word).ok_or(Refusal::at(severity, Reason::Unmapped))?),
        };
        let instant = record.instant(at)?;
        let pieces = record.whole(quantity).ok_or(Refusal::at(quantity, Reason::NotNull))?;
        out(&[
            Datum::Timestamp(instant),
            Datum::Text(format!("{:032x}", record.key).into()),
            text_or_null(record.text(equipment)),
            Datum::Text(kind.into()),
            text_or_null(record.text(code)),
            text_or_null(record.text(category)),
            Datum::Int8(pieces),
            text_or_null(grave),
            text_or_null(record.text(product)),
            text_or_null(record.text(order)),
            text_or_null(record.text(operator)),
        ]);
        Ok(Taken::Used)
    }

    fn changed(&mut self) -> Vec<(String, Vec<u8>)> {
        Vec::new()
    }

    fn restore(&mut self, _: &[(String, Vec<u8>)]) -> bool {
        true
    }
}

fn known(words: &[&'static str], word: Option<&str>) -> Option<&'static str> {
    let word = word?;
    words.iter().find(|known| known.eq_ignore_ascii_case(word)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_known_in_any_case_and_no_others() {
        assert_eq!(known(&EVENTS, Some("scrap")), Some("SCRAP"));
        assert_eq!(known(&EVENTS, Some("waste")), None);
    }
}
