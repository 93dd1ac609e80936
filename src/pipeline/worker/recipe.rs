//! What a worker makes rows by.

use crate::schema::PgType;
use crate::transform::mapping::Mapping;
use crate::transform::stage::Stage;

/// What makes rows of the target out of rows of the source: a mapping, and for tables that say so a stage
/// that takes what the mapping made as records.
#[derive(Debug)]
pub struct Recipe {
    /// From the source's columns to the target's, or to those of a record.
    pub mapping: Mapping,
    /// From records to rows.
    pub stage: Option<Stage>,
    /// The columns that are written.
    pub columns: Vec<(String, PgType)>,
}

impl From<Mapping> for Recipe {
    fn from(mapping: Mapping) -> Self {
        let fields = mapping.fields.iter();
        let columns = fields.map(|field| (field.column.clone(), field.ty.clone())).collect();
        Self { mapping, stage: None, columns }
    }
}
