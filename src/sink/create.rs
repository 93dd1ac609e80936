//! Makes missing tables: exactly the statements that `check` prints.

use crate::config::plan::HypertablePlan;
use crate::schema::{TargetColumn, TargetTable, quote};

/// The statements that make a table, in order. `hypertable` is left out where the extension is missing.
pub fn statements(table: &TargetTable, hypertable: Option<&HypertablePlan>) -> Vec<String> {
    let name = table.name.quoted();
    let mut columns: Vec<String> = table.columns.iter().map(column).collect();
    if !table.primary_key.is_empty() {
        let key: Vec<String> = table.primary_key.iter().map(|name| quote(name)).collect();
        columns.push(format!("primary key ({})", key.join(", ")));
    }
    let mut statements = Vec::new();
    if table.name.schema != "public" {
        statements.push(format!("create schema if not exists {}", quote(&table.name.schema)));
    }
    statements.push(format!("create table {name} (\n    {}\n)", columns.join(",\n    ")));
    if let Some(hypertable) = hypertable {
        statements.push(format!(
            "select public.create_hypertable('{}', public.by_range('{}', interval '{}'), \
             create_default_indexes => false)",
            name.replace('\'', "''"),
            hypertable.time.replace('\'', "''"),
            interval(hypertable.chunk_us)
        ));
        statements.push(format!("create index on {name} ({} desc)", quote(&hypertable.time)));
    }
    statements
}

/// `1 day` rather than microseconds: a person reads it in `check`.
fn interval(us: i64) -> String {
    for (unit, unit_us) in
        [("day", 86_400_000_000), ("hour", 3_600_000_000), ("minute", 60_000_000)]
    {
        if us % unit_us == 0 {
            let count = us / unit_us;
            return format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
        }
    }
    format!("{us} microseconds")
}

fn column(column: &TargetColumn) -> String {
    let null = if column.not_null { " not null" } else { "" };
    format!("{} {}{null}", quote(&column.name), column.ty.sql())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{PgType, TableName};

    #[test]
    fn a_hypertable_is_a_table_and_a_call() {
        let columns = vec![
            TargetColumn::planned("ts", PgType::Timestamptz(6), true),
            TargetColumn::planned("v", PgType::Float8, false),
        ];
        let table = TargetTable::planned(TableName::parse("historian.hist").unwrap(), columns);
        let plan = HypertablePlan { time: "ts".to_owned(), chunk_us: 86_400_000_000 };
        insta::assert_snapshot!(statements(&table, Some(&plan)).join(";\n"));
    }
}
