//! Tuples of the binary COPY format into a Parquet file, and back.
//!
//! Every type of [`PgType`] has a stored form that gives the same bytes back: [`read_back`] makes the tuples
//! again from the file, and their fingerprint is the one of the tuples that went in. A value that no such
//! form has is refused, never bent. Memory is a row group: 65,536 rows or 32 MiB, whichever comes first.

mod text;
mod value;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::basic::{Compression, Encoding, Repetition, ZstdLevel};
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray,
    FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::types::{ColumnPath, Type};
use sha2::{Digest as _, Sha256};

use super::copy;
use super::fingerprint::{Fingerprinter, Sum};
use crate::columnar::file::{Cell, ParquetFile};
use crate::columnar::{FileError, manifest};
use crate::schema::PgType;
use value::{Made, Store};

/// Rows of a row group at most.
const GROUP_ROWS: usize = 65_536;
/// Bytes of a row group at most, as COPY counts them.
const GROUP_BYTES: usize = 32 << 20;
/// Small files for little time: level 3 is zstd's own default.
const ZSTD_LEVEL: i32 = 3;

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Rows.
    pub rows: u64,
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of what was written, hex.
    pub sha256: String,
}

/// Writes one file.
pub struct ParquetWriter {
    path: PathBuf,
    aside: PathBuf,
    writer: SerializedFileWriter<Hashing>,
    columns: Vec<Column>,
    rows: usize,
    bytes: usize,
    total: u64,
}

/// A column of the row group at hand.
struct Column {
    name: String,
    ty: PgType,
    levels: Vec<i16>,
    values: Values,
}

enum Values {
    Bool(Vec<bool>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Float(Vec<f32>),
    Double(Vec<f64>),
    Bytes(Vec<ByteArray>),
    Fixed(Vec<FixedLenByteArray>),
}

impl ParquetWriter {
    /// Begins `path` with these columns; until [`ParquetWriter::finish`] it has another name.
    pub fn create(path: &Path, columns: &[(String, PgType)]) -> Result<Self, FileError> {
        let mut aside = path.as_os_str().to_owned();
        aside.push(".tmp");
        let aside = PathBuf::from(aside);
        let failed = |error: &dyn std::fmt::Display| FileError::new(&aside, error);
        let made: Vec<Column> = columns.iter().map(Column::new).collect();
        let writer = schema(&made).and_then(|schema| {
            let file = Hashing { file: File::create(&aside)?, hash: Sha256::new(), bytes: 0 };
            SerializedFileWriter::new(file, schema, Arc::new(properties(&made)))
        });
        let writer = writer.map_err(|error| failed(&error))?;
        let path = path.to_owned();
        Ok(Self { path, aside, writer, columns: made, rows: 0, bytes: 0, total: 0 })
    }

    /// Adds a row: a tuple without its field count.
    pub fn push(&mut self, tuple: &[u8]) -> Result<(), FileError> {
        let failed = |message: String| FileError::new(&self.path, message);
        let fields = copy::fields(tuple).filter(|fields| fields.len() == self.columns.len());
        let fields = fields.ok_or_else(|| failed("the server sent a malformed row".to_owned()))?;
        for (column, field) in self.columns.iter_mut().zip(fields) {
            if !column.push(field) {
                let message = format!(
                    "column {} ({}) holds a value that Parquet has no exact form for (docs/archive.md \
                     lists them): nothing was dropped; change that value, or keep this table out",
                    column.name,
                    column.ty.sql()
                );
                return Err(failed(message));
            }
        }
        self.rows += 1;
        self.total += 1;
        self.bytes += tuple.len();
        if self.rows >= GROUP_ROWS || self.bytes >= GROUP_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), FileError> {
        let Self { writer, columns, .. } = self;
        let written = (|| {
            let mut group = writer.next_row_group()?;
            for column in columns.iter_mut() {
                if let Some(writer) = group.next_column()? {
                    column.write(writer)?;
                }
            }
            group.close().map(drop)
        })();
        (self.rows, self.bytes) = (0, 0);
        written.map_err(|error: ParquetError| FileError::new(&self.aside, full_disk(&error)))
    }

    /// Gives up; the file begun, to be removed.
    pub fn abandon(self) -> PathBuf {
        self.aside
    }

    /// Ends the file, brings it to the disk and gives it its name.
    pub fn finish(mut self) -> Result<Written, FileError> {
        if self.rows > 0 {
            self.flush()?;
        }
        let failed = |error: &dyn std::fmt::Display| FileError::new(&self.aside, error);
        let ended = self.writer.finish().and_then(|_| {
            let file = self.writer.inner_mut();
            file.file.sync_all()?;
            Ok((crate::batch::hex(&std::mem::take(&mut file.hash).finalize()), file.bytes))
        });
        let (sha256, bytes) = ended.map_err(|error| failed(&full_disk(&error)))?;
        manifest::rename(&self.aside, &self.path)?;
        Ok(Written { rows: self.total, bytes, sha256 })
    }
}

fn full_disk(error: &ParquetError) -> String {
    format!("{error}; is the disk full?")
}

impl Column {
    fn new((name, ty): &(String, PgType)) -> Self {
        let values = match value::store(ty) {
            Store::Bool => Values::Bool(Vec::new()),
            Store::Int16 | Store::Int32 | Store::Date => Values::Int32(Vec::new()),
            Store::Int64 | Store::Time | Store::Timestamp { .. } => Values::Int64(Vec::new()),
            Store::Float => Values::Float(Vec::new()),
            Store::Double => Values::Double(Vec::new()),
            Store::Text | Store::Json | Store::Bytes => Values::Bytes(Vec::new()),
            Store::Uuid => Values::Fixed(Vec::new()),
        };
        Self { name: name.clone(), ty: ty.clone(), levels: Vec::new(), values }
    }

    /// `false` when the value has no exact form.
    fn push(&mut self, field: Option<&[u8]>) -> bool {
        self.levels.push(i16::from(field.is_some()));
        let Some(field) = field else { return true };
        let Some(made) = value::of_field(&self.ty, field) else { return false };
        match (&mut self.values, made) {
            (Values::Bool(values), Made::Bool(value)) => values.push(value),
            (Values::Int32(values), Made::Int32(value)) => values.push(value),
            (Values::Int64(values), Made::Int64(value)) => values.push(value),
            (Values::Float(values), Made::Float(value)) => values.push(value),
            (Values::Double(values), Made::Double(value)) => values.push(value),
            (Values::Bytes(values), Made::Bytes(value)) => {
                values.push(value.into_owned().into());
            }
            (Values::Fixed(values), Made::Bytes(value)) => {
                values.push(ByteArray::from(value.into_owned()).into());
            }
            _ => return false,
        }
        true
    }

    fn write(&mut self, writer: SerializedColumnWriter<'_>) -> Result<(), ParquetError> {
        let levels = std::mem::take(&mut self.levels);
        match &mut self.values {
            Values::Bool(values) => write::<BoolType>(writer, values, &levels),
            Values::Int32(values) => write::<Int32Type>(writer, values, &levels),
            Values::Int64(values) => write::<Int64Type>(writer, values, &levels),
            Values::Float(values) => write::<FloatType>(writer, values, &levels),
            Values::Double(values) => write::<DoubleType>(writer, values, &levels),
            Values::Bytes(values) => write::<ByteArrayType>(writer, values, &levels),
            Values::Fixed(values) => write::<FixedLenByteArrayType>(writer, values, &levels),
        }
    }
}

fn write<T: DataType>(
    mut writer: SerializedColumnWriter<'_>,
    values: &mut Vec<T::T>,
    levels: &[i16],
) -> Result<(), ParquetError> {
    writer.typed::<T>().write_batch(values, Some(levels), None)?;
    values.clear();
    writer.close()
}

fn schema(columns: &[Column]) -> Result<Arc<Type>, ParquetError> {
    let fields = columns.iter().map(|column| {
        let (physical, logical, length) = value::store(&column.ty).parquet();
        Type::primitive_type_builder(&column.name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .with_length(length)
            .build()
            .map(Arc::new)
    });
    let fields = fields.collect::<Result<Vec<_>, _>>()?;
    Type::group_type_builder("rows").with_fields(fields).build().map(Arc::new)
}

fn properties(columns: &[Column]) -> WriterProperties {
    let zstd = ZstdLevel::try_new(ZSTD_LEVEL).unwrap_or_default();
    let mut properties = WriterProperties::builder()
        .set_created_by(concat!("millstream ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(zstd));
    for column in columns {
        // Times climb by small steps: the differences are what compresses.
        if matches!(value::store(&column.ty), Store::Timestamp { .. }) {
            let path = ColumnPath::new(vec![column.name.clone()]);
            properties = properties
                .set_column_dictionary_enabled(path.clone(), false)
                .set_column_encoding(path, Encoding::DELTA_BINARY_PACKED);
        }
    }
    properties.build()
}

/// A file that knows the hash of what went in.
struct Hashing {
    file: File,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, part: &[u8]) -> std::io::Result<usize> {
        let count = self.file.write(part)?;
        self.hash.update(part.get(..count).unwrap_or_default());
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// Count and fingerprint of the tuples that a file gives back.
pub fn read_back(
    path: &Path,
    columns: &[(String, PgType)],
    printer: &Fingerprinter,
) -> Result<Sum, FileError> {
    let file = ParquetFile::open(path)?;
    let names = || file.columns.iter().map(|column| &column.name);
    if !names().eq(columns.iter().map(|(name, _)| name)) {
        return Err(FileError::new(path, "it has other columns than the manifest says"));
    }
    let indexes: Vec<Option<usize>> = (0..columns.len()).map(Some).collect();
    let (mut sum, mut tuple, mut broken) = (Sum::default(), Vec::new(), false);
    file.rows(0, &indexes, &mut |row| {
        tuple.clear();
        let whole = row.iter().zip(columns).all(|(cell, (_, ty))| append(ty, *cell, &mut tuple));
        match printer.row(&tuple).filter(|_| whole) {
            Some((_, hash)) => {
                sum.add(hash);
                std::ops::ControlFlow::Continue(())
            }
            None => {
                broken = true;
                std::ops::ControlFlow::Break(())
            }
        }
    })?;
    match broken {
        true => Err(FileError::new(path, "it holds a value that was never written")),
        false => Ok(sum),
    }
}

/// Appends a field with its length; `false` when the cell does not hold such a value.
fn append(ty: &PgType, cell: Cell<'_>, tuple: &mut Vec<u8>) -> bool {
    if cell == Cell::Null {
        tuple.extend_from_slice(&(-1_i32).to_be_bytes());
        return true;
    }
    let at = tuple.len();
    tuple.extend_from_slice(&[0; 4]);
    let made = value::to_field(ty, cell, tuple).is_some();
    let length = i32::try_from(tuple.len() - at - 4).unwrap_or(i32::MAX);
    if let Some(place) = tuple.get_mut(at..at + 4) {
        place.copy_from_slice(&length.to_be_bytes());
    }
    made
}
