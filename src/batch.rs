//! Rows on their way from a source to a sink, and the words every room shares.
//!
//! A [`Batch`] holds rows as the source holds them: one small tagged value a cell, row by row, and one
//! arena for all text and blobs. Row by row, because COPY is; tagged, because SQLite stores a class a
//! value, not a column. Nothing here knows a source, a target or a file.

/// One value as its source holds it, borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueRef<'a> {
    /// SQL NULL.
    Null,
    /// A signed 64-bit integer.
    Integer(i64),
    /// A 64-bit float.
    Real(f64),
    /// Text as bytes: a source may hold invalid UTF-8.
    Text(&'a [u8]),
    /// Raw bytes.
    Blob(&'a [u8]),
}

impl ValueRef<'_> {
    /// Appends a self-describing form: a tag, then the value, then nothing a neighbour could be taken for.
    pub fn write_tagged(&self, out: &mut Vec<u8>) {
        let sized = |tag: u8, bytes: &[u8], out: &mut Vec<u8>| {
            out.push(tag);
            out.extend_from_slice(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
            out.extend_from_slice(bytes);
        };
        match *self {
            Self::Null => out.push(b'n'),
            Self::Integer(value) => {
                out.push(b'i');
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::Real(value) => {
                out.push(b'r');
                out.extend_from_slice(&value.to_bits().to_be_bytes());
            }
            Self::Text(bytes) => sized(b't', bytes, out),
            Self::Blob(bytes) => sized(b'b', bytes, out),
        }
    }
}

/// An owned value: keys of a position, original values of a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub enum OwnedValue {
    /// SQL NULL.
    Null,
    /// A signed 64-bit integer.
    Integer(i64),
    /// A 64-bit float.
    Real(f64),
    /// Text as bytes.
    Text(Vec<u8>),
    /// Raw bytes.
    Blob(Vec<u8>),
}

impl OwnedValue {
    /// Borrows the value.
    pub fn borrow(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(value) => ValueRef::Integer(*value),
            Self::Real(value) => ValueRef::Real(*value),
            Self::Text(bytes) => ValueRef::Text(bytes),
            Self::Blob(bytes) => ValueRef::Blob(bytes),
        }
    }
}

impl OwnedValue {
    /// Bytes of text or blob.
    pub fn byte_count(&self) -> usize {
        match self {
            Self::Text(bytes) | Self::Blob(bytes) => bytes.len(),
            Self::Null | Self::Integer(_) | Self::Real(_) => 8,
        }
    }
}

impl From<ValueRef<'_>> for OwnedValue {
    fn from(value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(value) => Self::Integer(value),
            ValueRef::Real(value) => Self::Real(value),
            ValueRef::Text(bytes) => Self::Text(bytes.to_vec()),
            ValueRef::Blob(bytes) => Self::Blob(bytes.to_vec()),
        }
    }
}

/// Where a partition has been read to: the key of the last row, in a form that is stored as `bytea`.
///
/// Empty means "before the first row". Positions are only ever compared for equality: order is the
/// source's business, and the ledger's guard is epoch and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Position(pub Vec<u8>);

impl Position {
    /// The position after the row with this key.
    pub fn after<'a>(key: impl Iterator<Item = ValueRef<'a>>) -> Self {
        let mut bytes = Vec::new();
        key.for_each(|value| value.write_tagged(&mut bytes));
        Self(bytes)
    }

    /// Whether nothing was read yet.
    pub fn is_start(&self) -> bool {
        self.0.is_empty()
    }

    /// The key again; `None` when the bytes are not a position of ours.
    pub fn key(&self) -> Option<Vec<OwnedValue>> {
        let mut rest = self.0.as_slice();
        let mut key = Vec::new();
        while let Some((&tag, tail)) = rest.split_first() {
            let (value, tail) = read_tagged(tag, tail)?;
            key.push(value);
            rest = tail;
        }
        Some(key)
    }

    /// The key for a person: `1042`, or `'A7', 3`.
    pub fn display(&self) -> String {
        let Some(key) = self.key() else { return "(unreadable)".to_owned() };
        let words: Vec<String> = key.iter().map(|value| display_value(value.borrow())).collect();
        words.join(", ")
    }
}

fn read_tagged(tag: u8, bytes: &[u8]) -> Option<(OwnedValue, &[u8])> {
    let eight = |bytes: &[u8]| bytes.first_chunk::<8>().copied();
    match tag {
        b'n' => Some((OwnedValue::Null, bytes)),
        b'i' => Some((OwnedValue::Integer(i64::from_be_bytes(eight(bytes)?)), bytes.get(8..)?)),
        b'r' => {
            let bits = u64::from_be_bytes(eight(bytes)?);
            Some((OwnedValue::Real(f64::from_bits(bits)), bytes.get(8..)?))
        }
        b't' | b'b' => {
            let len = usize::try_from(u64::from_be_bytes(eight(bytes)?)).ok()?;
            let body = bytes.get(8..)?;
            let (value, rest) = body.split_at_checked(len)?;
            let value = value.to_vec();
            let value = if tag == b't' { OwnedValue::Text(value) } else { OwnedValue::Blob(value) };
            Some((value, rest))
        }
        _ => None,
    }
}

/// A value for a person, quoted like SQL; bytes that are no text are shown as hex.
pub fn display_value(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => format!("{value:?}"),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("'{}'", text.replace('\'', "''").replace('\0', "\\0")),
            Err(_) => format!("text x'{}'", hex(bytes)),
        },
        ValueRef::Blob(bytes) => format!("x'{}'", hex(bytes)),
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes that [`hex`] wrote; `None` for anything else.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[derive(Clone, Copy, Debug)]
enum Cell {
    Null,
    Integer(i64),
    Real(f64),
    Text(Span),
    Blob(Span),
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    len: u32,
}

/// Some rows of one partition, in the order of its key. The first `key_width` columns are the key.
#[derive(Debug)]
pub struct Batch {
    width: usize,
    key_width: usize,
    cells: Vec<Cell>,
    arena: Vec<u8>,
}

/// The arena of one batch would pass 4 GiB: the row is larger than anything Postgres takes.
#[derive(Debug, thiserror::Error)]
#[error("a row holds more than 4 GiB")]
pub struct RowTooLarge;

impl Batch {
    /// An empty batch of rows `width` columns wide.
    pub fn new(width: usize, key_width: usize, row_capacity: usize) -> Self {
        let cells = Vec::with_capacity(width * row_capacity);
        Self { width, key_width, cells, arena: Vec::with_capacity(row_capacity * 32) }
    }

    /// Appends the next cell of the row being written. A row is whole after `width` cells.
    pub fn push(&mut self, value: ValueRef<'_>) -> Result<(), RowTooLarge> {
        let cell = match value {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Integer(value),
            ValueRef::Real(value) => Cell::Real(value),
            ValueRef::Text(bytes) => Cell::Text(self.store(bytes)?),
            ValueRef::Blob(bytes) => Cell::Blob(self.store(bytes)?),
        };
        self.cells.push(cell);
        Ok(())
    }

    fn store(&mut self, bytes: &[u8]) -> Result<Span, RowTooLarge> {
        let start = u32::try_from(self.arena.len()).map_err(|_| RowTooLarge)?;
        let len = u32::try_from(bytes.len()).map_err(|_| RowTooLarge)?;
        self.arena.extend_from_slice(bytes);
        Ok(Span { start, len })
    }

    /// Number of whole rows.
    pub fn row_count(&self) -> usize {
        self.cells.len() / self.width.max(1)
    }

    /// Bytes of text and blobs held.
    pub fn byte_count(&self) -> usize {
        self.arena.len() + self.cells.len() * size_of::<Cell>()
    }

    /// The rows, in key order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.cells.chunks_exact(self.width.max(1)).map(|cells| Row {
            cells,
            arena: &self.arena,
            key_width: self.key_width,
        })
    }
}

/// One row of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    cells: &'a [Cell],
    arena: &'a [u8],
    key_width: usize,
}

impl<'a> Row<'a> {
    /// The value of a column; NULL for a column that is not there.
    pub fn get(&self, column: usize) -> ValueRef<'a> {
        self.cells.get(column).map_or(ValueRef::Null, |cell| self.resolve(*cell))
    }

    fn resolve(&self, cell: Cell) -> ValueRef<'a> {
        let bytes = |span: Span| {
            let start = span.start as usize;
            self.arena.get(start..start + span.len as usize).unwrap_or_default()
        };
        match cell {
            Cell::Null => ValueRef::Null,
            Cell::Integer(value) => ValueRef::Integer(value),
            Cell::Real(value) => ValueRef::Real(value),
            Cell::Text(span) => ValueRef::Text(bytes(span)),
            Cell::Blob(span) => ValueRef::Blob(bytes(span)),
        }
    }

    /// Number of columns, key included.
    pub fn width(&self) -> usize {
        self.cells.len()
    }

    /// Hash of the key and the next columns up to `columns` in all, as the source holds them.
    /// `scratch` is only there to be reused.
    pub fn digest(&self, columns: usize, scratch: &mut Vec<u8>) -> u128 {
        scratch.clear();
        (0..columns).for_each(|column| self.get(column).write_tagged(scratch));
        xxhash_rust::xxh3::xxh3_128(scratch)
    }

    /// Where the partition has been read to once this row is done.
    pub fn position(&self) -> Position {
        Position::after((0..self.key_width).map(|column| self.get(column)))
    }
}

/// What became of the rows read. The balance `read = used + duplicate + filtered + rejected + held`
/// holds for every commit and for every run; the ledger has it as a constraint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Rows the source handed over.
    pub read: u64,
    /// Rows that went into the target.
    pub used: u64,
    /// Rows that another row of the same key replaced.
    pub duplicate: u64,
    /// Rows the pipeline file leaves out.
    pub filtered: u64,
    /// Rows set aside as dead letters.
    pub rejected: u64,
    /// Rows kept in the state of a transform.
    pub held: u64,
    /// Rows made for the target (out of `used`): what `finish()` of COPY must add up to.
    pub made: u64,
}

impl Counts {
    /// Whether every row read is accounted for.
    pub fn balanced(&self) -> bool {
        self.read == self.used + self.duplicate + self.filtered + self.rejected + self.held
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.used += other.used;
        self.duplicate += other.duplicate;
        self.filtered += other.filtered;
        self.rejected += other.rejected;
        self.held += other.held;
        self.made += other.made;
    }
}

/// What a unit does now, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Current {
    /// Id of the equipment.
    pub equipment: String,
    /// Canonical name of the state that is still open.
    pub state: &'static str,
    /// When it began, µs since 2000.
    pub since: i64,
    /// Up to when it is known, µs since 2000.
    pub seen: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_gives_its_key_back() {
        let key = [ValueRef::Integer(-7), ValueRef::Text(b"a'b"), ValueRef::Real(0.5)];
        let position = Position::after(key.into_iter());
        let read: Vec<OwnedValue> = position.key().unwrap();
        assert_eq!(read.iter().map(OwnedValue::borrow).collect::<Vec<_>>(), key);
        assert_eq!(position.display(), "-7, 'a''b', 0.5");
        assert_eq!(Position(b"zzz".to_vec()).key(), None);
        assert_eq!(Position(b"t\0\0\0\0\0\0\0\x09ab".to_vec()).key(), None, "cut short");
    }

    #[test]
    fn rows_come_back_as_they_were_pushed() {
        let mut batch = Batch::new(2, 1, 4);
        for value in
            [ValueRef::Integer(1), ValueRef::Text(b"x"), ValueRef::Integer(2), ValueRef::Null]
        {
            batch.push(value).unwrap();
        }
        let rows: Vec<Row<'_>> = batch.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].get(1), ValueRef::Text(b"x"));
        assert_eq!(rows[1].get(1), ValueRef::Null);
        assert_eq!(rows[1].position(), Position::after([ValueRef::Integer(2)].into_iter()));
    }

    #[test]
    fn hex_is_undone_by_unhex() {
        assert_eq!(unhex(&hex(b"\x00\xffz")).unwrap(), b"\x00\xffz");
        assert_eq!(unhex("0"), None);
        assert_eq!(unhex("zz"), None);
    }
}
