//! A source in memory, for tests and benches: rows with an integer key in the first column.

use std::ops::ControlFlow;

use super::{Range, Source, SourceError};
use crate::batch::{Batch, OwnedValue, Position};

/// Rows of equal width, in ascending order of their first column.
#[derive(Clone, Debug)]
pub struct VecSource {
    /// The rows.
    pub rows: Vec<Vec<OwnedValue>>,
    /// Rows a batch holds at most.
    pub batch_rows: usize,
}

impl Source for VecSource {
    fn read(
        &mut self,
        range: &Range,
        position: &Position,
        emit: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let bound = |position: &Position| match position.key().as_deref() {
            Some([OwnedValue::Integer(key)]) => Some(*key),
            _ => None,
        };
        let low = bound(position).max(bound(&range.after));
        let high = bound(&range.through);
        let inside: Vec<&Vec<OwnedValue>> = self
            .rows
            .iter()
            .filter(|row| match row.first() {
                Some(OwnedValue::Integer(key)) => {
                    low.is_none_or(|low| *key > low) && high.is_none_or(|high| *key <= high)
                }
                _ => false,
            })
            .collect();
        for rows in inside.chunks(self.batch_rows.max(1)) {
            let mut batch = Batch::new(rows.first().map_or(1, |row| row.len()), 1, rows.len());
            for value in rows.iter().flat_map(|row| row.iter()) {
                batch
                    .push(value.borrow())
                    .map_err(|source| SourceError::Row { table: "memory".to_owned(), source })?;
            }
            if emit(batch).is_break() {
                break;
            }
        }
        Ok(())
    }
}
