//! The SQL that reads a table, in the order of its key and between two positions.

use super::catalog::CTID;
use super::value::Form;
use crate::batch::{OwnedValue, Position};
use crate::schema::Selection;
use crate::source::tables::SourceTable;
use crate::source::{Range, SourceError};

/// The form of a column.
pub(super) fn form(table: &SourceTable, name: &str) -> Form {
    let column = table.columns.iter().find(|column| column.name == name);
    match column {
        Some(column) => Form::of(&column.declared),
        None if name == CTID => Form::Ctid,
        None => Form::AsText { known: true },
    }
}

/// Forms of all cells of a row, in order.
pub(super) fn forms(table: &SourceTable, selection: &Selection) -> Vec<Form> {
    let named = selection.key.iter().chain(&selection.columns).map(|name| form(table, name));
    named.chain(selection.conditions.iter().map(|_| Form::Bool)).collect()
}

/// What a row is ordered by.
fn order(table: &SourceTable) -> String {
    let words: Vec<String> =
        table.key.iter().filter_map(|name| form(table, name).order(name)).collect();
    words.join(", ")
}

/// ` where …` for the rows of a range; the empty text for all of them.
pub(super) fn bounds(table: &SourceTable, range: &Range) -> Result<String, SourceError> {
    let key = order(table);
    let mut bounds = Vec::new();
    for (position, sign) in [(&range.after, ">"), (&range.through, "<=")] {
        if !position.is_start() {
            bounds.push(format!("({key}) {sign} ({})", literals(table, position)?));
        }
    }
    Ok(match bounds.is_empty() {
        true => String::new(),
        false => format!(" where {}", bounds.join(" and ")),
    })
}

fn literals(table: &SourceTable, position: &Position) -> Result<String, SourceError> {
    let wrong = || SourceError::Position { table: table.label.clone() };
    let key: Vec<OwnedValue> =
        position.key().filter(|key| key.len() == table.key.len()).ok_or_else(wrong)?;
    let words: Option<Vec<String>> =
        table.key.iter().zip(&key).map(|(name, value)| form(table, name).literal(value)).collect();
    Ok(words.ok_or_else(wrong)?.join(", "))
}

/// `copy (select …) to stdout (format binary)`
pub(super) fn copy(
    table: &SourceTable,
    selection: &Selection,
    range: &Range,
) -> Result<String, SourceError> {
    let named = selection.key.iter().chain(&selection.columns);
    let mut list: Vec<String> = named.map(|name| form(table, name).select(name)).collect();
    list.extend(selection.conditions.iter().map(|sql| format!("(({sql}) is true)")));
    let bounds = bounds(table, range)?;
    // Places come in their own order: sorting them would only fill the server's disk.
    let order = match table.key == [CTID] {
        true => String::new(),
        false => format!(" order by {}", order(table)),
    };
    Ok(format!(
        "copy (select {} from {}{bounds}{order}) to stdout (format binary)",
        list.join(", "),
        table.sql
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ValueRef;
    use crate::schema::SourceColumn;
    use crate::source::Origin;

    #[test]
    fn a_range_is_read_in_the_order_of_its_key() {
        let column = |name: &str, declared: &str| SourceColumn {
            name: name.to_owned(),
            declared: declared.to_owned(),
        };
        let table = SourceTable {
            label: "s.t".to_owned(),
            sql: "\"s\".\"t\"".to_owned(),
            key: vec!["code".to_owned(), "n".to_owned()],
            by_rowid: false,
            columns: vec![column("code", "text"), column("n", "integer"), column("net", "macaddr")],
            identity: String::new(),
            origin: Origin::Postgres,
            estimated: false,
        };
        let selection = Selection {
            key: table.key.clone(),
            columns: vec!["net".to_owned()],
            conditions: vec!["n > 1".to_owned()],
        };
        let after = Position::after([ValueRef::Text(b"a'b"), ValueRef::Integer(7)].into_iter());
        let range = Range { after, through: Position::default() };
        assert_eq!(
            copy(&table, &selection, &range).unwrap(),
            "copy (select \"code\", \"n\", \"net\"::text, ((n > 1) is true) from \"s\".\"t\" \
             where (\"code\"::text collate \"C\", \"n\") > ('a''b'::text, '7'::bigint) \
             order by \"code\"::text collate \"C\", \"n\") to stdout (format binary)"
        );
        let other = Range { after: Position(b"zz".to_vec()), through: Position::default() };
        assert!(matches!(bounds(&table, &other), Err(SourceError::Position { .. })));
    }
}
