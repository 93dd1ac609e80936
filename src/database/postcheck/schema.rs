//! Every object that a set makes, expected and found, by name.
//!
//! What it makes is found by making it in a database aside ([`inventory::of_set`]). Where the role may not
//! create databases, the names in the files are all there is to compare.

use serde_json::json;

use super::{Check, PostcheckError, Set, bounded, count, counted, few, heads};
use crate::database::inventory::{self, Inventory, Object};
use crate::fault;
use crate::observe::report::Table;
use crate::schema::{TableName, quote};
use crate::sink::debt;

/// Names told of one kind; the rest is counted.
const NAMES_MAX: usize = 10;

/// In the order in which they are told; hypertables are looked at by themselves.
const KINDS: [&str; 9] = [
    "schema",
    "table",
    "column",
    "constraint",
    "index",
    "view",
    "materialized view",
    "function",
    "trigger",
];

/// Fills in what the set makes, and holds the database against it.
pub(super) async fn check(check: &mut Check<'_>, set: &mut Set) -> Result<(), PostcheckError> {
    let files = (set.name.as_str(), set.migrations.as_slice());
    let there = match inventory::of_set(check.server, check.client, files).await {
        Ok(expected) => {
            set.expected = expected;
            inventory::read(check.client, &set.expected.schemas()).await?
        }
        Err(error) => {
            let found = format!("compared by names alone: {}", fault::chain(&error));
            let to_do = "for columns and definitions run it as a role that may create databases";
            check.found.warn("schema", &set.name, found, to_do);
            by_name(check, set).await?
        }
    };
    let owed = owed(check).await?;
    let (missing, different) = differences(&set.expected, &there);
    let (suspended, missing): (Vec<Object>, Vec<Object>) =
        missing.into_iter().partition(|object| owed.contains(object));
    if !suspended.is_empty() {
        let found = format!("set aside by a load: {}", few(&names(&suspended), NAMES_MAX));
        let to_do = "the same backfill again builds what is owed";
        check.found.warn("schema", &set.name, found, to_do);
    }
    for kind in KINDS {
        let of_kind: Vec<Object> = missing.iter().filter(|(k, _)| k == kind).cloned().collect();
        if !of_kind.is_empty() {
            let found = format!("missing: {}", few(&names(&of_kind), NAMES_MAX));
            let to_do =
                "restore it from the set's files or a backup; migrate status shows the rest";
            check.found.fail("schema", &format!("{}: {kind}", set.name), found, to_do);
        }
    }
    for object in &different {
        differs(check, set, object, &there).await?;
    }
    let mut table = Table::new("Objects", &["set", "kind", "expected", "found"]);
    if let Some(at) = check.tables.iter().position(|table| table.title == "Objects") {
        table = check.tables.remove(at);
    }
    let mut counts = Vec::new();
    for kind in KINDS {
        let expected = set.expected.of_kind(kind).count();
        let lost = missing.iter().chain(&suspended).chain(&different);
        let lost = lost.filter(|(found, _)| found == kind).count();
        if expected > 0 {
            let found = expected.saturating_sub(lost);
            table.push(vec![json!(set.name), json!(kind), json!(expected), json!(found)]);
            if matches!(kind, "table" | "column" | "constraint" | "index") {
                counts.push(counted(expected, kind));
            }
        }
    }
    check.tables.push(table);
    if missing.is_empty() && different.is_empty() {
        let found = format!("{} and the rest: as in the set", counts.join(", "));
        check.found.pass("schema", &set.name, found);
    }
    Ok(())
}

fn names(objects: &[Object]) -> Vec<String> {
    objects.iter().map(|(_, name)| name.clone()).collect()
}

/// What is missing, and what is another thing under its name. What belongs to a missing table goes with it.
fn differences(expected: &Inventory, there: &Inventory) -> (Vec<Object>, Vec<Object>) {
    let gone: Vec<&str> = expected
        .of_kind("table")
        .filter(|(name, _)| !has(there, "table", name))
        .map(|(name, _)| name)
        .collect();
    let belongs = |name: &str| {
        gone.iter()
            .any(|table| name.strip_prefix(table).is_some_and(|rest| rest.starts_with(['.', ' '])))
    };
    let (mut missing, mut different) = (Vec::new(), Vec::new());
    for ((kind, name), definition) in &expected.objects {
        if kind == "hypertable" || belongs(name) {
            continue;
        }
        match there.objects.get(&(kind.clone(), name.clone())) {
            Some(found) if found == definition => {}
            Some(_) => different.push((kind.clone(), name.clone())),
            // A key that somebody has validated since is as good as it gets.
            None if has(there, kind, name.trim_end_matches(" NOT VALID")) => {}
            None => missing.push((kind.clone(), name.clone())),
        }
    }
    (missing, different)
}

fn has(inventory: &Inventory, kind: &str, name: &str) -> bool {
    inventory.objects.contains_key(&(kind.to_owned(), name.to_owned()))
}

async fn differs(
    check: &mut Check<'_>,
    set: &Set,
    object: &Object,
    there: &Inventory,
) -> Result<(), PostcheckError> {
    let (kind, name) = object;
    let text = |of: &Inventory| of.objects.get(object).cloned().unwrap_or_default();
    let (should, is) = (text(&set.expected), text(there));
    let area = format!("{}: {kind}", set.name);
    if kind != "column" {
        let to_do = "if the change is meant, write a migration for it";
        check.found.warn("schema", &area, format!("{name} is not what the set makes"), to_do);
        return Ok(());
    }
    let mut found = format!("{name} is `{is}`, expected `{should}`");
    let parts = name.rsplit_once('.');
    let table = parts.and_then(|(table, column)| Some((TableName::parse(table)?, column)));
    if should.contains(" not null")
        && !is.contains(" not null")
        && let Some((table, column)) = table
    {
        let (table, column) = (table.quoted(), quote(column));
        let sql = format!("select count(*) from {table} where {column} is null");
        if let Ok(nulls) = bounded(check.client, &sql).await? {
            found.push_str(&format!("; null in {} rows", count(nulls)));
        }
    }
    let to_do = "alter it to what is expected, or write a migration for what is new";
    check.found.fail("schema", &area, found, to_do);
    Ok(())
}

/// Names from the files' statements, and the same of what is there.
async fn by_name(check: &Check<'_>, set: &mut Set) -> Result<Inventory, PostcheckError> {
    let made = set.scripts.iter().flat_map(|script| heads::objects(script, check.edition.kind));
    set.expected.objects = made.map(|object| (object, String::new())).collect();
    let of_functions = |name: &str| name.split('(').next().unwrap_or_default().to_owned();
    let mut there = inventory::read(check.client, &set.expected.schemas()).await?;
    let bare: Vec<Object> = there
        .objects
        .keys()
        .filter_map(|(kind, name)| match kind.as_str() {
            "function" => Some((kind.clone(), of_functions(name))),
            // A continuous aggregate is a view to the catalog.
            "view" => Some(("materialized view".to_owned(), name.clone())),
            _ => None,
        })
        .collect();
    there.objects.extend(bare.into_iter().map(|object| (object, String::new())));
    let sql = "select 'index', schemaname || '.' || indexname from pg_indexes \
               union all select 'schema', nspname::text from pg_namespace";
    for row in check.client.query(sql, &[]).await? {
        there.objects.insert((row.get(0), row.get(1)), String::new());
    }
    there.objects.values_mut().for_each(String::clear);
    Ok(there)
}

/// Indexes and keys that a load has set aside, as the inventory names them.
async fn owed(check: &Check<'_>) -> Result<Vec<Object>, PostcheckError> {
    let debts = debt::known(check.client).await?;
    let named = debts.into_iter().filter_map(|debt| match debt.kind.as_str() {
        "index" => {
            let (_, rest) = debt.definition.split_once(" USING ")?;
            Some(("index".to_owned(), format!("{} USING {rest}", debt.table)))
        }
        "foreign_key" => {
            Some(("constraint".to_owned(), format!("{} {}", debt.table, debt.definition)))
        }
        _ => None,
    });
    Ok(named.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(objects: &[(&str, &str, &str)]) -> Inventory {
        let owned = |(kind, name, text): &(&str, &str, &str)| {
            (((*kind).to_owned(), (*name).to_owned()), (*text).to_owned())
        };
        Inventory { objects: objects.iter().map(owned).collect() }
    }

    #[test]
    fn what_belongs_to_a_missing_table_is_not_told_besides() {
        let expected = inventory(&[
            ("table", "a.t", ""),
            ("column", "a.t.x", "integer"),
            ("index", "a.t USING btree (x)", ""),
            ("table", "a.tt", ""),
            ("column", "a.tt.x", "integer"),
            ("column", "a.tt.y", "integer"),
            ("constraint", "a.tt FOREIGN KEY (x) REFERENCES a.u(x) NOT VALID", ""),
        ]);
        let there = inventory(&[
            ("table", "a.tt", ""),
            ("column", "a.tt.x", "bigint"),
            ("constraint", "a.tt FOREIGN KEY (x) REFERENCES a.u(x)", ""),
        ]);
        let (missing, different) = differences(&expected, &there);
        assert_eq!(names(&missing), ["a.tt.y", "a.t"]);
        assert_eq!(names(&different), ["a.tt.x"]);
    }
}
