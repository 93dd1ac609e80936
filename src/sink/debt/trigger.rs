//! Triggers that would do their work a second time for rows that a load brings: off while it runs, and then
//! in the state that they had.

use tokio_postgres::{Client, Transaction};

use super::{Debt, Load, owe};
use crate::schema::quote;
use crate::sink::SinkError;

/// A user's triggers that are on, each with the words that turn it on again as it is.
const ON: &str = "select tgname::text, case tgenabled when 'A' then 'enable always trigger' \
    when 'R' then 'enable replica trigger' else 'enable trigger' end from pg_trigger \
    where tgrelid = $1::text::regclass and not tgisinternal and tgenabled <> 'D' order by 1";

/// Writes down what is on, and turns it off. What is off already stays out of it: it is owed, or was never on.
pub(super) async fn suspend(
    transaction: &Transaction<'_>,
    load: &Load<'_>,
) -> Result<(), SinkError> {
    let name = load.table.name.quoted();
    // Nobody turns one on between the look and the change.
    transaction.batch_execute(&format!("lock table {name} in share row exclusive mode")).await?;
    for row in transaction.query(ON, &[&name]).await? {
        let (trigger, enable): (&str, &str) = (row.get(0), row.get(1));
        owe(transaction, load, ("trigger", trigger, enable)).await?;
        let disable = format!("alter table {name} disable trigger {}", quote(trigger));
        transaction.batch_execute(&disable).await?;
    }
    Ok(())
}

/// Turns one on. One that was dropped meanwhile stays dropped; what a person did with it stays as it is.
pub(super) async fn resume(client: &Client, debt: &Debt) -> Result<(), SinkError> {
    let name = debt.table.quoted();
    let sql = "select exists (select from pg_trigger where tgrelid = to_regclass($1) \
               and tgname = $2::text and not tgisinternal and tgenabled = 'D')";
    if client.query_one(sql, &[&name, &debt.object]).await?.get(0) {
        let enable = format!("alter table {name} {} {}", debt.definition, quote(&debt.object));
        client.batch_execute(&enable).await?;
    }
    Ok(())
}
