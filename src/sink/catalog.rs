//! What the server's catalog says about a table.

use tokio_postgres::Client;

use super::SinkError;
use crate::schema::{
    Element, ForeignKey, Hypertable, Index, PgType, TableName, TargetColumn, TargetTable,
};

const COLUMNS: &str = "select a.attname, \
    case when t.typtype = 'd' then bt.typname else t.typname end, \
    case when t.typtype = 'd' then t.typtypmod else a.atttypmod end, \
    a.attnotnull or t.typnotnull, a.atthasdef or a.attidentity <> '', \
    a.attgenerated <> '' or a.attidentity = 'a', \
    case when coalesce(bt.typtype, t.typtype) = 'e' then array(select enumlabel::text \
        from pg_enum where enumtypid = coalesce(bt.oid, t.oid) order by enumsortorder) end, \
    format_type(a.atttypid, a.atttypmod) \
    from pg_attribute a join pg_type t on t.oid = a.atttypid \
    left join pg_type bt on t.typtype = 'd' and bt.oid = t.typbasetype \
    where a.attrelid = $1 and a.attnum > 0 and not a.attisdropped order by a.attnum";

const INDEXES: &str = "select c.relname::text, pg_get_indexdef(i.indexrelid), i.indisunique, \
    i.indisprimary, array(select a.attname::text from unnest(i.indkey) with ordinality k(num, at) \
        join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num order by k.at) \
    from pg_index i join pg_class c on c.oid = i.indexrelid where i.indrelid = $1 and not exists \
        (select from pg_constraint x where x.conindid = i.indexrelid and x.contype = 'x') order by 1";

const FOREIGN_KEYS: &str = "select c.conname::text, n.nspname::text, r.relname::text, \
    c.convalidated, pg_get_constraintdef(c.oid), \
    array(select a.attname::text from unnest(c.conkey) with ordinality k(num, at) \
        join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num order by k.at), \
    array(select a.attname::text from unnest(c.confkey) with ordinality k(num, at) \
        join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num order by k.at) \
    from pg_constraint c join pg_class r on r.oid = c.confrelid \
    join pg_namespace n on n.oid = r.relnamespace \
    where c.conrelid = $1 and c.contype = 'f' order by 1";

/// Row triggers fire inside COPY and may change or drop rows; so may rules and row security.
const INTERFERES: &str = "select 'trigger ' || tgname from pg_trigger where tgrelid = $1 \
    and not tgisinternal and tgtype & 1 = 1 and tgtype & 4 = 4 and tgenabled in ('O', 'A') \
    and tgname <> 'ts_insert_blocker' \
    union all select 'rule ' || rulename from pg_rewrite where ev_class = $1 and rulename <> '_RETURN' \
    union all select 'row security' from pg_class where oid = $1 and relrowsecurity \
    and not pg_has_role(current_user, relowner, 'usage') order by 1";

const RIGHTS: &str = "select pg_has_role(current_user, relowner, 'usage'), \
    array(select wanted from unnest(array['insert', 'select']) wanted \
        where not has_schema_privilege(relnamespace, 'usage') \
        or not has_table_privilege(oid, wanted)) from pg_class where oid = $1";

/// Reads a table; `None` when there is none of that name.
pub async fn table(client: &Client, name: &TableName) -> Result<Option<TargetTable>, SinkError> {
    let sql = "select c.oid, c.relkind::text from pg_class c join pg_namespace n \
               on n.oid = c.relnamespace where n.nspname = $1 and c.relname = $2 \
               and c.relkind in ('r', 'p')";
    let Some(row) = client.query_opt(sql, &[&name.schema, &name.name]).await? else {
        return Ok(None);
    };
    let oid: u32 = row.get(0);
    let columns = client.query(COLUMNS, &[&oid]).await?;
    let indexes = client.query(INDEXES, &[&oid]).await?;
    let foreign_keys = client.query(FOREIGN_KEYS, &[&oid]).await?;
    let interferes = client.query(INTERFERES, &[&oid]).await?;
    let rights = client.query_one(RIGHTS, &[&oid]).await?;
    let denied: Vec<String> = rights.get(1);
    let filled = match denied.iter().any(|right| right == "select") {
        true => true,
        false => {
            let sql = format!("select exists (select from {})", name.quoted());
            client.query_one(&sql, &[]).await?.get(0)
        }
    };
    let primary = indexes.iter().find(|row| row.get::<_, bool>(3));
    Ok(Some(TargetTable {
        name: name.clone(),
        columns: columns.iter().map(column).collect(),
        hypertable: hypertable(client, name).await?,
        primary_key: primary.map(|row| row.get(4)).unwrap_or_default(),
        indexes: indexes
            .iter()
            .map(|row| Index { name: row.get(0), definition: row.get(1), unique: row.get(2) })
            .collect(),
        foreign_keys: foreign_keys.iter().map(foreign_key).collect(),
        interferes: interferes.iter().map(|row| row.get(0)).collect(),
        empty: !filled,
        denied,
        owned: rights.get(0),
    }))
}

fn column(row: &tokio_postgres::Row) -> TargetColumn {
    let labels: Option<Vec<String>> = row.get(6);
    let full_name: String = row.get(7);
    TargetColumn {
        name: row.get(0),
        ty: match labels {
            Some(labels) => PgType::Enum(labels),
            None => pg_type(row.get(1), row.get(2), full_name),
        },
        not_null: row.get(3),
        has_default: row.get(4),
        generated: row.get(5),
    }
}

fn foreign_key(row: &tokio_postgres::Row) -> ForeignKey {
    ForeignKey {
        name: row.get(0),
        references: TableName { schema: row.get(1), name: row.get(2) },
        validated: row.get(3),
        definition: row.get(4),
        columns: row.get(5),
        referred: row.get(6),
    }
}

/// The type by its catalog name and modifier.
fn pg_type(name: &str, modifier: i32, full_name: String) -> PgType {
    let digits = u8::try_from(modifier).ok().filter(|digits| *digits < 6).unwrap_or(6);
    match name {
        "bool" => PgType::Bool,
        "int2" => PgType::Int2,
        "int4" => PgType::Int4,
        "int8" => PgType::Int8,
        "float4" => PgType::Float4,
        "float8" => PgType::Float8,
        "numeric" => match u32::try_from(modifier - 4) {
            // precision in the high half, scale in the low 11 bits
            Ok(packed) => match (u16::try_from(packed >> 16), u16::try_from(packed & 0x7ff)) {
                (Ok(precision), Ok(scale)) if scale <= 1000 => {
                    PgType::Numeric(Some((precision, scale)))
                }
                _ => PgType::Other(full_name),
            },
            Err(_) => PgType::Numeric(None),
        },
        "text" => PgType::Text,
        "varchar" => match u32::try_from(modifier - 4) {
            Ok(length) => PgType::Varchar(length),
            Err(_) => PgType::Text,
        },
        "uuid" => PgType::Uuid,
        "inet" => PgType::Inet,
        "cidr" => PgType::Cidr,
        "timestamptz" => PgType::Timestamptz(digits),
        "timestamp" => PgType::Timestamp(digits),
        "date" => PgType::Date,
        "time" if modifier < 0 => PgType::Time,
        "interval" if modifier < 0 => PgType::Interval,
        "jsonb" => PgType::Jsonb,
        "json" => PgType::Json,
        "bytea" => PgType::Bytea,
        "_text" => PgType::Array(Element::Text),
        "_int2" => PgType::Array(Element::Int2),
        "_int4" => PgType::Array(Element::Int4),
        "_int8" => PgType::Array(Element::Int8),
        _ => PgType::Other(full_name),
    }
}

async fn hypertable(client: &Client, name: &TableName) -> Result<Option<Hypertable>, SinkError> {
    if !has_timescale(client).await? {
        return Ok(None);
    }
    let sql = "select column_name::text, (extract(epoch from time_interval) * 1000000)::bigint \
               from timescaledb_information.dimensions where hypertable_schema = $1 \
               and hypertable_name = $2 and dimension_number = 1";
    let row = client.query_opt(sql, &[&name.schema, &name.name]).await?;
    Ok(row.map(|row| Hypertable {
        time: row.get(0),
        chunk_us: row.get::<_, Option<i64>>(1).unwrap_or(0),
    }))
}

/// Whether the extension is installed in this database.
pub async fn has_timescale(client: &Client) -> Result<bool, SinkError> {
    let sql = "select exists (select from pg_extension where extname = 'timescaledb')";
    Ok(client.query_one(sql, &[]).await?.get(0))
}

/// Fresh statistics for a table that was just filled.
pub async fn analyze(client: &Client, table: &TableName) -> Result<(), SinkError> {
    client.batch_execute(&format!("analyze {}", table.quoted())).await?;
    Ok(())
}

/// Sets each sequence that a column of the table owns past the largest value there.
pub async fn advance_sequences(client: &Client, table: &TargetTable) -> Result<(), SinkError> {
    let sql = "select a.attname::text, \
               coalesce(pg_get_serial_sequence($1, a.attname), '') from pg_attribute a \
               where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped";
    let quoted = table.name.quoted();
    for row in client.query(sql, &[&quoted]).await? {
        let (column, sequence): (String, String) = (row.get(0), row.get(1));
        if sequence.is_empty() {
            continue;
        }
        // greatest(): a sequence that is already further on is left where it is.
        let advance = format!(
            "select setval($1::text::regclass, greatest(max_id, last_value)) from \
             (select max({}) as max_id from {quoted}) m, {sequence} where max_id is not null",
            crate::schema::quote(&column)
        );
        client.query(&advance, &[&sequence]).await?;
    }
    Ok(())
}

/// Dangling references by foreign key: constraint name and number of rows that refer to nothing.
pub async fn dangling(
    client: &Client,
    table: &TargetTable,
) -> Result<Vec<(String, i64)>, SinkError> {
    let mut found = Vec::new();
    for key in &table.foreign_keys {
        let pairs = key.columns.iter().zip(&key.referred);
        let quote = crate::schema::quote;
        let joined: Vec<String> =
            pairs.map(|(own, other)| format!("r.{} = t.{}", quote(other), quote(own))).collect();
        let present: Vec<String> =
            key.columns.iter().map(|own| format!("t.{} is not null", quote(own))).collect();
        let sql = format!(
            "select count(*) from {} t where {} and not exists (select from {} r where {})",
            table.name.quoted(),
            present.join(" and "),
            key.references.quoted(),
            joined.join(" and ")
        );
        let count: i64 = client.query_one(&sql, &[]).await?.get(0);
        if count > 0 {
            found.push((key.name.clone(), count));
        }
    }
    Ok(found)
}
