//! Reads a Parquet file row by row, some columns of it, from any row on, in memory of a few pages.

use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader as _, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::ColumnDescriptor;

use super::FileError;

/// Rows decoded at once.
const STEP: usize = 1_024;

/// One stored value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// NULL, or a column that the file lacks.
    Null,
    /// BOOLEAN
    Bool(bool),
    /// INT32
    Int32(i32),
    /// INT64
    Int64(i64),
    /// FLOAT
    Float(f32),
    /// DOUBLE
    Double(f64),
    /// BYTE_ARRAY or FIXED_LEN_BYTE_ARRAY
    Bytes(&'a [u8]),
}

/// What the stored values of a column stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// A boolean.
    Bool,
    /// A whole number; `unsigned` ones are stored as the signed number of the same bits.
    Integer {
        /// No sign.
        unsigned: bool,
    },
    /// A 32-bit float.
    Float,
    /// A 64-bit float.
    Double,
    /// UTF-8.
    Text,
    /// Bytes.
    Bytes,
    /// Sixteen bytes.
    Uuid,
    /// A whole number, this many decimal digits of it after the point.
    Decimal(u32),
    /// A count since 1970; with `utc` an instant, without it a wall clock.
    Timestamp {
        /// Counts in a second.
        per_second: i64,
        /// An instant.
        utc: bool,
    },
    /// Days since 1970.
    Date,
    /// A count since midnight, so many a second.
    Time(i64),
    /// Not read, and why.
    Unsupported(&'static str),
}

/// A column of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileColumn {
    /// Its name.
    pub name: String,
    /// What its values stand for.
    pub form: Form,
    leaf: usize,
}

/// An open file.
pub struct ParquetFile {
    path: PathBuf,
    reader: SerializedFileReader<File>,
    /// Top-level columns, in order.
    pub columns: Vec<FileColumn>,
}

impl ParquetFile {
    /// Opens a file and reads its footer.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        let failed = |error: &dyn std::fmt::Display| FileError::new(path, error);
        let file = File::open(path).map_err(|error| failed(&error))?;
        let reader = SerializedFileReader::new(file).map_err(|error| {
            FileError::new(path, format!("no Parquet file, or a damaged one: {error}"))
        })?;
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let mut columns: Vec<FileColumn> = Vec::new();
        for (leaf, column) in schema.columns().iter().enumerate() {
            let name = column.path().parts().first().cloned().unwrap_or_default();
            // The leaves of a nested column stand side by side.
            if columns.last().is_none_or(|last| last.name != name) {
                columns.push(FileColumn { name, form: form(column), leaf });
            }
        }
        Ok(Self { path: path.to_owned(), reader, columns })
    }

    /// Rows that the footer promises.
    pub fn row_count(&self) -> u64 {
        u64::try_from(self.reader.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Hands the rows from number `first` (from 0) on to `each`, one after the other, with the columns
    /// named by their index in [`ParquetFile::columns`]; `None` stands for a column of NULLs.
    pub fn rows(
        &self,
        first: u64,
        columns: &[Option<usize>],
        each: &mut dyn FnMut(&[Cell<'_>]) -> ControlFlow<()>,
    ) -> Result<(), FileError> {
        let failed = |error: ParquetError| {
            FileError::new(&self.path, format!("damaged, or written in a way not known: {error}"))
        };
        let mut start = 0;
        for index in 0..self.reader.num_row_groups() {
            let group = self.reader.get_row_group(index).map_err(failed)?;
            let rows = u64::try_from(group.metadata().num_rows()).unwrap_or(0);
            let skip = first.saturating_sub(start);
            start += rows;
            if skip >= rows {
                continue;
            }
            let leaves = self.leaves(group.as_ref(), columns, skip).map_err(failed)?;
            if walk(leaves, rows - skip, each).map_err(failed)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn leaves(
        &self,
        group: &dyn RowGroupReader,
        columns: &[Option<usize>],
        skip: u64,
    ) -> Result<Vec<Option<Leaf>>, ParquetError> {
        let mut leaves = Vec::with_capacity(columns.len());
        for column in columns {
            let column = column.and_then(|index| self.columns.get(index));
            leaves.push(match column {
                None => None,
                Some(column) => Some(Leaf::new(group.get_column_reader(column.leaf)?, skip)?),
            });
        }
        Ok(leaves)
    }
}

fn walk(
    mut leaves: Vec<Option<Leaf>>,
    rows: u64,
    each: &mut dyn FnMut(&[Cell<'_>]) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, ParquetError> {
    let mut left = usize::try_from(rows).unwrap_or(usize::MAX);
    while left > 0 {
        let step = left.min(STEP);
        left -= step;
        for leaf in leaves.iter_mut().flatten() {
            leaf.fill(step)?;
        }
        let mut row = Vec::with_capacity(leaves.len());
        for index in 0..step {
            row.clear();
            row.extend(
                leaves.iter().map(|leaf| leaf.as_ref().map_or(Cell::Null, |leaf| leaf.cell(index))),
            );
            if each(&row).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// One column of a row group, a step of it decoded.
enum Leaf {
    Bool(Typed<BoolType>),
    Int32(Typed<Int32Type>),
    Int64(Typed<Int64Type>),
    Float(Typed<FloatType>),
    Double(Typed<DoubleType>),
    Bytes(Typed<ByteArrayType>),
    Fixed(Typed<FixedLenByteArrayType>),
}

impl Leaf {
    fn new(reader: ColumnReader, skip: u64) -> Result<Self, ParquetError> {
        Ok(match reader {
            ColumnReader::BoolColumnReader(reader) => Self::Bool(Typed::new(reader, skip)?),
            ColumnReader::Int32ColumnReader(reader) => Self::Int32(Typed::new(reader, skip)?),
            ColumnReader::Int64ColumnReader(reader) => Self::Int64(Typed::new(reader, skip)?),
            ColumnReader::FloatColumnReader(reader) => Self::Float(Typed::new(reader, skip)?),
            ColumnReader::DoubleColumnReader(reader) => Self::Double(Typed::new(reader, skip)?),
            ColumnReader::ByteArrayColumnReader(reader) => Self::Bytes(Typed::new(reader, skip)?),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => {
                Self::Fixed(Typed::new(reader, skip)?)
            }
            ColumnReader::Int96ColumnReader(_) => {
                return Err(ParquetError::NYI("INT96".to_owned()));
            }
        })
    }

    fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
        match self {
            Self::Bool(column) => column.fill(rows),
            Self::Int32(column) => column.fill(rows),
            Self::Int64(column) => column.fill(rows),
            Self::Float(column) => column.fill(rows),
            Self::Double(column) => column.fill(rows),
            Self::Bytes(column) => column.fill(rows),
            Self::Fixed(column) => column.fill(rows),
        }
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        let cell = match self {
            Self::Bool(column) => column.get(row).map(|value| Cell::Bool(*value)),
            Self::Int32(column) => column.get(row).map(|value| Cell::Int32(*value)),
            Self::Int64(column) => column.get(row).map(|value| Cell::Int64(*value)),
            Self::Float(column) => column.get(row).map(|value| Cell::Float(*value)),
            Self::Double(column) => column.get(row).map(|value| Cell::Double(*value)),
            Self::Bytes(column) => column.get(row).map(|value| Cell::Bytes(value.data())),
            Self::Fixed(column) => column.get(row).map(|value| Cell::Bytes(value.data())),
        };
        cell.unwrap_or(Cell::Null)
    }
}

struct Typed<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
    levels: Vec<i16>,
    /// For each row of the step: where its value stands; NULLs have none.
    places: Vec<Option<usize>>,
}

impl<T: DataType> Typed<T> {
    fn new(mut reader: ColumnReaderImpl<T>, skip: u64) -> Result<Self, ParquetError> {
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        if reader.skip_records(skip)? != skip {
            return Err(ParquetError::EOF("a column ends before its row group".to_owned()));
        }
        Ok(Self { reader, values: Vec::new(), levels: Vec::new(), places: Vec::new() })
    }

    fn fill(&mut self, rows: usize) -> Result<(), ParquetError> {
        self.values.clear();
        self.levels.clear();
        self.places.clear();
        let (read, _, _) =
            self.reader.read_records(rows, Some(&mut self.levels), None, &mut self.values)?;
        if read != rows {
            return Err(ParquetError::EOF("a column ends before its row group".to_owned()));
        }
        let mut next = 0;
        // A required column has no levels: every row has its value.
        let present = (0..rows).map(|row| self.levels.get(row).is_none_or(|level| *level > 0));
        self.places.extend(present.map(|present| {
            let place = present.then_some(next);
            next += usize::from(present);
            place
        }));
        Ok(())
    }

    fn get(&self, row: usize) -> Option<&T::T> {
        self.values.get((*self.places.get(row)?)?)
    }
}

/// What a column holds, by its annotation, in the old spelling where a file has no other.
fn form(column: &ColumnDescriptor) -> Form {
    if column.path().parts().len() > 1 || column.max_rep_level() > 0 {
        return Form::Unsupported("a nested column");
    }
    let scale = u32::try_from(column.type_scale()).unwrap_or(0);
    if let Some(logical) = column.logical_type_ref() {
        return match logical {
            LogicalType::String | LogicalType::Enum | LogicalType::Json => Form::Text,
            LogicalType::Uuid => Form::Uuid,
            LogicalType::Decimal(_) => decimal(column, scale),
            LogicalType::Date => Form::Date,
            LogicalType::Time(time) => Form::Time(per_second(&time.unit)),
            LogicalType::Timestamp(time) => Form::Timestamp {
                per_second: per_second(&time.unit),
                utc: time.is_adjusted_to_u_t_c,
            },
            LogicalType::Integer(integer) => Form::Integer { unsigned: !integer.is_signed },
            LogicalType::Bson => Form::Bytes,
            LogicalType::Float16 => Form::Unsupported("16-bit floats"),
            LogicalType::Unknown => physical(column),
            _ => Form::Unsupported("a kind of value not known here"),
        };
    }
    let timestamp = |per_second| Form::Timestamp { per_second, utc: true };
    match column.converted_type() {
        ConvertedType::NONE => physical(column),
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => Form::Text,
        ConvertedType::BSON => Form::Bytes,
        ConvertedType::DECIMAL => decimal(column, scale),
        ConvertedType::DATE => Form::Date,
        ConvertedType::TIME_MILLIS => Form::Time(1_000),
        ConvertedType::TIME_MICROS => Form::Time(1_000_000),
        ConvertedType::TIMESTAMP_MILLIS => timestamp(1_000),
        ConvertedType::TIMESTAMP_MICROS => timestamp(1_000_000),
        ConvertedType::INT_8
        | ConvertedType::INT_16
        | ConvertedType::INT_32
        | ConvertedType::INT_64 => Form::Integer { unsigned: false },
        ConvertedType::UINT_8
        | ConvertedType::UINT_16
        | ConvertedType::UINT_32
        | ConvertedType::UINT_64 => Form::Integer { unsigned: true },
        ConvertedType::INTERVAL => Form::Unsupported("INTERVAL, which has whole milliseconds"),
        ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE | ConvertedType::LIST => {
            Form::Unsupported("a nested column")
        }
    }
}

fn decimal(column: &ColumnDescriptor, scale: u32) -> Form {
    let fits = match column.physical_type() {
        Physical::FIXED_LEN_BYTE_ARRAY => column.type_length() <= 16,
        // A length a value: those that do not fit are found when they are read.
        Physical::BYTE_ARRAY | Physical::INT32 | Physical::INT64 => true,
        _ => false,
    };
    if fits { Form::Decimal(scale) } else { Form::Unsupported("decimals of more than 38 digits") }
}

fn physical(column: &ColumnDescriptor) -> Form {
    match column.physical_type() {
        Physical::BOOLEAN => Form::Bool,
        Physical::INT32 | Physical::INT64 => Form::Integer { unsigned: false },
        Physical::FLOAT => Form::Float,
        Physical::DOUBLE => Form::Double,
        Physical::BYTE_ARRAY | Physical::FIXED_LEN_BYTE_ARRAY => Form::Bytes,
        Physical::INT96 => Form::Unsupported("INT96, a form long given up"),
    }
}

fn per_second(unit: &TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1_000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}
