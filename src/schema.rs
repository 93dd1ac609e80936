//! The columns of sources and targets: names, types, and the values that go into COPY.
//!
//! [`PgType`] is the list of types millstream writes; whatever the server has beyond it is [`PgType::Other`]
//! and is refused by `check` with its name. A [`Datum`] is one value that already fits its type.

mod datum;
mod network;

pub use datum::{Datum, Numeric};
pub use network::Network;

/// A table by schema and name, both as the catalog spells them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// Schema; `public` when the file names none.
    pub schema: String,
    /// Name.
    pub name: String,
}

impl TableName {
    /// Reads `name` or `schema.name`; parts may be quoted as in SQL (`public."Site"`).
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        loop {
            let (part, tail) = match rest.strip_prefix('"') {
                Some(quoted) => {
                    let end = quoted.find('"')?;
                    (quoted.get(..end)?, quoted.get(end + 1..)?)
                }
                None => rest.split_at(rest.find('.').unwrap_or(rest.len())),
            };
            if part.is_empty() || part.len() > 63 || part.contains('\0') {
                return None;
            }
            parts.push(part.to_owned());
            match tail.strip_prefix('.') {
                Some(next) => rest = next,
                None if tail.is_empty() => break,
                None => return None,
            }
        }
        let mut parts = parts.into_iter();
        match (parts.next(), parts.next(), parts.next()) {
            (Some(name), None, None) => Some(Self { schema: "public".to_owned(), name }),
            (Some(schema), Some(name), None) => Some(Self { schema, name }),
            _ => None,
        }
    }

    /// The name for use in SQL.
    pub fn quoted(&self) -> String {
        format!("{}.{}", quote(&self.schema), quote(&self.name))
    }
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.schema, self.name)
    }
}

/// An identifier for use in SQL, always quoted: the one place where names enter SQL text.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

/// Element types of the arrays that are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// `text[]`
    Text,
    /// `smallint[]`
    Int2,
    /// `integer[]`
    Int4,
    /// `bigint[]`
    Int8,
}

/// A Postgres type that millstream writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PgType {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, with precision and scale where declared
    Numeric(Option<(u16, u16)>),
    /// `text`
    Text,
    /// `varchar(n)`, n in characters
    Varchar(u32),
    /// `uuid`
    Uuid,
    /// `inet`: a host, or a host in a network
    Inet,
    /// `cidr`: a network
    Cidr,
    /// `timestamptz`, with its fractional digits 0–6
    Timestamptz(u8),
    /// `timestamp` (a wall clock), with its fractional digits 0–6
    Timestamp(u8),
    /// `date`
    Date,
    /// `time`, microseconds of the day
    Time,
    /// `interval`
    Interval,
    /// `jsonb`
    Jsonb,
    /// `json`
    Json,
    /// `bytea`
    Bytea,
    /// An enum type, with its labels
    Enum(Vec<String>),
    /// An array
    Array(Element),
    /// Anything else, by name: not written
    Other(String),
}

impl PgType {
    /// The type by the name a person writes in a pipeline file.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "boolean" | "bool" => Self::Bool,
            "smallint" | "int2" => Self::Int2,
            "integer" | "int" | "int4" => Self::Int4,
            "bigint" | "int8" => Self::Int8,
            "real" | "float4" => Self::Float4,
            "double precision" | "float8" => Self::Float8,
            "numeric" => Self::Numeric(None),
            "text" => Self::Text,
            "uuid" => Self::Uuid,
            "inet" => Self::Inet,
            "cidr" => Self::Cidr,
            "timestamptz" | "timestamp with time zone" => Self::Timestamptz(6),
            "timestamp" | "timestamp without time zone" => Self::Timestamp(6),
            "date" => Self::Date,
            "time" => Self::Time,
            "interval" => Self::Interval,
            "jsonb" => Self::Jsonb,
            "json" => Self::Json,
            "bytea" => Self::Bytea,
            "text[]" => Self::Array(Element::Text),
            "smallint[]" | "int2[]" => Self::Array(Element::Int2),
            "integer[]" | "int4[]" => Self::Array(Element::Int4),
            "bigint[]" | "int8[]" => Self::Array(Element::Int8),
            _ => return None,
        })
    }

    /// The type as SQL spells it.
    pub fn sql(&self) -> String {
        match self {
            Self::Bool => "boolean".to_owned(),
            Self::Int2 => "smallint".to_owned(),
            Self::Int4 => "integer".to_owned(),
            Self::Int8 => "bigint".to_owned(),
            Self::Float4 => "real".to_owned(),
            Self::Float8 => "double precision".to_owned(),
            Self::Numeric(None) => "numeric".to_owned(),
            Self::Numeric(Some((precision, scale))) => format!("numeric({precision},{scale})"),
            Self::Text => "text".to_owned(),
            Self::Varchar(length) => format!("varchar({length})"),
            Self::Uuid => "uuid".to_owned(),
            Self::Inet => "inet".to_owned(),
            Self::Cidr => "cidr".to_owned(),
            Self::Timestamptz(6) => "timestamptz".to_owned(),
            Self::Timestamptz(digits) => format!("timestamptz({digits})"),
            Self::Timestamp(6) => "timestamp".to_owned(),
            Self::Timestamp(digits) => format!("timestamp({digits})"),
            Self::Date => "date".to_owned(),
            Self::Time => "time".to_owned(),
            Self::Interval => "interval".to_owned(),
            Self::Jsonb => "jsonb".to_owned(),
            Self::Json => "json".to_owned(),
            Self::Bytea => "bytea".to_owned(),
            Self::Enum(_) => "enum".to_owned(),
            Self::Array(Element::Text) => "text[]".to_owned(),
            Self::Array(Element::Int2) => "smallint[]".to_owned(),
            Self::Array(Element::Int4) => "integer[]".to_owned(),
            Self::Array(Element::Int8) => "bigint[]".to_owned(),
            Self::Other(name) => name.clone(),
        }
    }

    /// How `verify` compares a column of this type.
    pub fn comparison(&self) -> Comparison {
        match self {
            Self::Jsonb | Self::Interval => Comparison::Value,
            Self::Other(_) => Comparison::None,
            _ => Comparison::Bit,
        }
    }
}

/// The three classes of `verify`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The bytes sent are the bytes read back.
    Bit,
    /// The server keeps an equal value in another form: both sides are brought to one form first.
    Value,
    /// Not compared: the server makes the value itself.
    None,
}

/// A column of a target table, as its catalog has it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetColumn {
    /// Name.
    pub name: String,
    /// Type, domains resolved.
    pub ty: PgType,
    /// NULL is refused.
    pub not_null: bool,
    /// The server fills it when it is left out (default, identity).
    pub has_default: bool,
    /// The server alone writes it (generated, identity always).
    pub generated: bool,
}

/// What makes a table a hypertable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hypertable {
    /// The time column.
    pub time: String,
    /// Chunk interval, microseconds.
    pub chunk_us: i64,
}

/// A foreign key out of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Constraint name.
    pub name: String,
    /// The table referred to.
    pub references: TableName,
    /// Whether existing rows are known to satisfy it; `not valid` keys are suspended while a load runs.
    pub validated: bool,
    /// `pg_get_constraintdef`.
    pub definition: String,
    /// Referring columns.
    pub columns: Vec<String>,
    /// Referred columns, in the same order.
    pub referred: Vec<String>,
}

/// A secondary index: what may be built after a load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Name, without schema.
    pub name: String,
    /// `pg_get_indexdef`.
    pub definition: String,
    /// Unique and primary indexes stay during a load.
    pub unique: bool,
}

/// A target table as found in the catalog, or as `create = true` is about to make it.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetTable {
    /// Its name.
    pub name: TableName,
    /// Columns in table order.
    pub columns: Vec<TargetColumn>,
    /// Set for a hypertable.
    pub hypertable: Option<Hypertable>,
    /// Columns of the primary key; empty if there is none.
    pub primary_key: Vec<String>,
    /// All indexes but those of constraints that are not keys.
    pub indexes: Vec<Index>,
    /// Foreign keys out of it.
    pub foreign_keys: Vec<ForeignKey>,
    /// Names of row triggers, rules and row security that could change or drop what is sent.
    pub interferes: Vec<String>,
    /// It holds no row.
    pub empty: bool,
    /// What this role may not do with it: `insert`, `select`.
    pub denied: Vec<String>,
    /// This role owns it, and so may drop and build its indexes.
    pub owned: bool,
}

impl TargetTable {
    /// A table that is not there yet, and is about to be made.
    pub fn planned(name: TableName, columns: Vec<TargetColumn>) -> Self {
        Self {
            name,
            columns,
            hypertable: None,
            primary_key: Vec::new(),
            indexes: Vec::new(),
            foreign_keys: Vec::new(),
            interferes: Vec::new(),
            empty: true,
            denied: Vec::new(),
            owned: true,
        }
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&TargetColumn> {
        self.columns.iter().find(|column| column.name == name)
    }
}

impl TargetColumn {
    /// A column that somebody has to fill.
    pub fn planned(name: &str, ty: PgType, not_null: bool) -> Self {
        Self { name: name.to_owned(), ty, not_null, has_default: false, generated: false }
    }
}

/// A column of a source table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceColumn {
    /// Name.
    pub name: String,
    /// The type its `create table` declares; may be empty and need not be true.
    pub declared: String,
}

/// What is read of a source table. A row holds the key, then the columns, then the conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Columns of the key, in its order.
    pub key: Vec<String>,
    /// Columns needed.
    pub columns: Vec<String>,
    /// SQL conditions; each becomes 1, 0 or NULL.
    pub conditions: Vec<String>,
}

impl Selection {
    /// Cells of a row.
    pub fn width(&self) -> usize {
        self.key.len() + self.columns.len() + self.conditions.len()
    }
}

/// Microseconds from the Unix epoch to the Postgres epoch (2000-01-01).
pub const PG_EPOCH_US: i64 = 946_684_800_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_sql_writes_them() {
        let name = TableName::parse("public.\"Site\"").unwrap();
        assert_eq!((name.schema.as_str(), name.name.as_str()), ("public", "Site"));
        assert_eq!(TableName::parse("metric").unwrap().schema, "public");
        assert_eq!(TableName::parse("a.b.c"), None);
        assert_eq!(TableName::parse(""), None);
        assert_eq!(TableName::parse(&"x".repeat(64)), None);
    }

    #[test]
    fn quoting_leaves_nothing_to_break_out_with() {
        assert_eq!(quote("a\"b"), "\"a\"\"b\"");
        assert_eq!(quote("x\"; drop table y; --"), "\"x\"\"; drop table y; --\"");
    }

    #[test]
    fn every_type_that_can_be_written_can_be_named() {
        for name in [
            "boolean",
            "smallint",
            "bigint",
            "jsonb",
            "text[]",
            "bigint[]",
            "timestamptz",
            "inet",
            "cidr",
        ] {
            assert_eq!(PgType::parse(name).unwrap().sql(), name);
        }
    }
}
