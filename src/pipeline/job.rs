//! One table of a run, with everything that was found out about both sides.

use std::borrow::Cow;

use super::worker::Recipe;
use crate::batch::Position;
use crate::config::Problems;
use crate::config::plan::TablePlan;
use crate::schema::{PgType, TargetTable};
use crate::sink::ledger::StreamKey;
use crate::sink::strategy::Strategy;
use crate::sink::timescale::Destination;
use crate::source::postgres::CTID;
use crate::source::tables::SourceTable;
use crate::source::{self, At, Source, SourceError};
use crate::transform::mapping::Mapping;
use crate::transform::stage::Stage;

/// Rows outside `[from, to)` of a table's time column are left out; µs since 2000.
pub type Window = Option<(i64, i64)>;

/// A table that moves.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its number in the run, for progress.
    pub index: usize,
    /// What the file says.
    pub plan: TablePlan,
    /// The source table.
    pub source: SourceTable,
    /// Where it is read.
    pub at: At,
    /// The target table.
    pub target: TargetTable,
    /// Statements that make the target; empty when it is there.
    pub create: Vec<String>,
    /// Columns that are written.
    pub destination: Destination,
    /// How rows are written.
    pub strategy: Strategy,
    /// Why so.
    pub reason: String,
    /// Earliest time in a sample of the source, µs since 2000.
    pub oldest: Option<i64>,
    /// Time column of the target and width of a bucket, µs; empty and 0 without one.
    pub bucket: (String, i64),
    /// Rows of the source.
    pub row_count: u64,
    /// Its stream in the ledger, once it is registered.
    pub stream_id: i64,
    /// What the columns mean, one a line.
    pub canonical: Vec<String>,
    /// Rows must be read in order by one lane.
    pub stateful: bool,
    /// Columns of the source that the file leaves behind.
    pub left_behind: Vec<String>,
    /// Rows outside are left out.
    pub window: Window,
}

impl Job {
    /// What its stream is known by.
    pub fn key(&self, pipeline: &str) -> StreamKey {
        StreamKey {
            pipeline: pipeline.to_owned(),
            source_table: self.plan.from.identity(),
            target_table: self.target.name.to_string(),
            kind: "pipeline",
        }
    }

    /// The columns that its sums are over: streams that share a table must agree on them.
    pub fn column_list(&self) -> String {
        let columns = self.destination.columns.iter();
        let words: Vec<String> = columns.map(|(name, ty)| format!("{name} {}", ty.sql())).collect();
        words.join(", ")
    }

    /// A fresh mapping; it was resolved without a problem before.
    pub fn mapping(&self) -> Mapping {
        let mut problems = Problems::new(std::path::Path::new(""));
        let Self { plan, source, .. } = self;
        let shape = shape(plan, &self.target);
        let mut mapping =
            Mapping::resolve(plan, &source.key, &source.columns, &shape, &mut problems);
        if let Some((from, to)) = self.window {
            mapping.limit(time_of_shape(plan, &self.bucket.0), from, to);
        }
        mapping
    }

    /// A fresh mapping, and what makes rows of its records where the file says so.
    pub fn recipe(&self) -> Recipe {
        recipe(&self.plan, self.mapping())
    }

    /// A source of its own, for one thread.
    pub fn open_source(&self) -> Result<Box<dyn Source>, SourceError> {
        let selection = self.mapping().selection;
        source::open(&self.at, &self.source, &selection)
    }

    /// The same for rows that will land. A table without a key has to be read to its end in the moment in
    /// which its first row is; a sample of it, or rows that never landed, bind nothing.
    pub fn open_source_to_load(&self, from: &Position) -> Result<Box<dyn Source>, SourceError> {
        let At::Postgres(legacy) = &self.at else { return self.open_source() };
        if self.source.key != [CTID] {
            return self.open_source();
        }
        if from.is_start() {
            legacy.begin(&self.source.label, None);
        }
        let source = self.open_source()?;
        legacy.begin(&self.source.label, source.snapshot());
        Ok(source)
    }

    /// Time column and bucket width.
    pub fn time(&self) -> Option<(&str, i64)> {
        (self.bucket.1 > 0).then_some((self.bucket.0.as_str(), self.bucket.1))
    }

    /// Types of the columns that are written.
    pub fn types(&self) -> Vec<PgType> {
        self.destination.columns.iter().map(|(_, ty)| ty.clone()).collect()
    }
}

/// What a mapping goes into: the target, or the records of a stage.
pub fn shape<'a>(plan: &TablePlan, target: &'a TargetTable) -> Cow<'a, TargetTable> {
    match &plan.stage {
        Some(stage) => Cow::Owned(Stage::record(stage)),
        None => Cow::Borrowed(target),
    }
}

/// The column of [`shape`] that becomes the target's time column.
pub fn time_of_shape<'a>(plan: &TablePlan, time: &'a str) -> &'a str {
    if plan.stage.is_some() { "at" } else { time }
}

/// A mapping with the stage that its records go into.
pub fn recipe(plan: &TablePlan, mapping: Mapping) -> Recipe {
    let Some(stage) = &plan.stage else { return Recipe::from(mapping) };
    let fields: Vec<&str> = mapping.fields.iter().map(|field| field.column.as_str()).collect();
    let made = Stage::new(stage, &fields);
    Recipe { stage: Some(made), columns: Stage::output(stage), mapping }
}
