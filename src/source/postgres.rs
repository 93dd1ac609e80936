//! Postgres: reads a plain server, or one with TimescaleDB, from 9.6 on, by a role that may only select.
//!
//! All connections of a run read one exported snapshot; a range of keys comes out of one `COPY (select …)
//! TO STDOUT (FORMAT binary)`, tuple by tuple, in constant memory on both sides. A table without a key is
//! read by the place of its rows, which holds within one snapshot alone.

mod catalog;
mod fields;
mod login;
mod snapshot;
mod statement;
mod value;
mod wire;

pub use catalog::{CTID, Tables, bounds, count, read_as_text};
pub use snapshot::Legacy;

use std::ops::ControlFlow;
use std::sync::Arc;

use super::tables::SourceTable;
use super::{Range, Source, SourceError};
use crate::batch::{Batch, Position};
use crate::schema::Selection;
use fields::Fields;
use value::{Form, NoCell};
use wire::{Wire, WireError};

/// The variable that a password comes from which the URL does not have. PGPASSWORD is the target's.
pub const PASSWORD: &str = "SOURCE_PGPASSWORD";
/// Small enough that a batch stays in the processor's cache between the reader and the worker.
const BATCH_ROWS: usize = 4_096;
/// Text and blobs of a batch; one row may be larger.
const BATCH_BYTES: usize = 1 << 20;

/// Reads one table of a server.
pub struct PostgresSource {
    legacy: Arc<Legacy>,
    table: SourceTable,
    selection: Selection,
    forms: Vec<Form>,
    /// A session in a snapshot, and the name of that.
    session: Option<Wire>,
    moment: String,
}

impl PostgresSource {
    /// Takes part in the snapshot that is held.
    pub fn open(
        legacy: &Arc<Legacy>,
        table: &SourceTable,
        selection: &Selection,
    ) -> Result<Self, SourceError> {
        let only = legacy.moment_of(&table.label);
        let (session, moment) =
            legacy.join(only.as_deref()).map_err(|error| error.of(&table.label))?;
        Ok(Self {
            legacy: Arc::clone(legacy),
            forms: statement::forms(table, selection),
            table: table.clone(),
            selection: selection.clone(),
            session: Some(session),
            moment,
        })
    }

    fn broken(&self, error: WireError) -> SourceError {
        self.legacy.failed(&self.table.label, error)
    }
}

/// Rows on their way into batches.
struct Filling<'a> {
    forms: &'a [Form],
    key_width: usize,
    batch: Batch,
    scratch: String,
    emit: &'a mut dyn FnMut(Batch) -> ControlFlow<()>,
    too_large: Option<crate::batch::RowTooLarge>,
}

impl Filling<'_> {
    fn empty(&self) -> Batch {
        Batch::new(self.forms.len(), self.key_width, BATCH_ROWS)
    }

    fn add(&mut self, tuple: &[u8]) -> Result<ControlFlow<()>, WireError> {
        let garbled = || WireError::lost("a tuple of the server cannot be read");
        let mut fields = Fields::of(tuple).ok_or_else(garbled)?;
        for form in self.forms {
            let field = fields.next().flatten().ok_or_else(garbled)?;
            match value::push(&mut self.batch, *form, field, &mut self.scratch) {
                Ok(()) => {}
                Err(NoCell::Garbled) => return Err(garbled()),
                Err(NoCell::Large(error)) => {
                    self.too_large = Some(error);
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        if self.batch.row_count() >= BATCH_ROWS || self.batch.byte_count() >= BATCH_BYTES {
            let next = self.empty();
            return Ok((self.emit)(std::mem::replace(&mut self.batch, next)));
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Source for PostgresSource {
    fn read(
        &mut self,
        range: &Range,
        position: &Position,
        emit: &mut dyn FnMut(Batch) -> ControlFlow<()>,
    ) -> Result<(), SourceError> {
        let after = if position.is_start() { &range.after } else { position };
        let range = Range { after: after.clone(), through: range.through.clone() };
        let sql = statement::copy(&self.table, &self.selection, &range)?;
        let mut session = match self.session.take() {
            Some(session) => session,
            // The last reading was left in the middle, and its line with it.
            None => self.legacy.join(Some(&self.moment))?.0,
        };
        let key_width = self.selection.key.len();
        let mut filling = Filling {
            forms: &self.forms,
            key_width,
            batch: Batch::new(self.forms.len(), key_width, BATCH_ROWS),
            scratch: String::new(),
            emit,
            too_large: None,
        };
        let mut read = 0_u64;
        let sent = session.copy_out(&sql, &mut |tuple| {
            read += 1;
            filling.add(tuple)
        });
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => return Err(self.broken(error)),
        };
        if let Some(source) = filling.too_large {
            return Err(SourceError::Row { table: self.table.label.clone(), source });
        }
        let Some(sent) = sent else { return Ok(()) };
        if sent != read {
            let message = format!("the server sent {sent} rows, {read} arrived");
            return Err(self.broken(WireError::lost(message)));
        }
        self.session = Some(session);
        self.legacy.has_read(&self.table.label, &self.moment);
        if filling.batch.row_count() > 0 && (filling.emit)(filling.batch).is_break() {
            return Ok(());
        }
        Ok(())
    }

    fn snapshot(&self) -> Option<&str> {
        Some(&self.moment)
    }
}
