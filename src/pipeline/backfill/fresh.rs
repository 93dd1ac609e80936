//! `--fresh`: forget what the ledger knows of a pipeline. Refused unless its targets are empty.

use tokio_postgres::Client;

use crate::config::plan::Plan;
use crate::pipeline::failure::RunError;
use crate::pipeline::job::Job;
use crate::schema::TableName;
use crate::sink::{SinkError, current};

pub(super) async fn forget(client: &mut Client, plan: &Plan, jobs: &[Job]) -> Result<(), RunError> {
    let transaction = client.transaction().await.map_err(SinkError::from)?;
    for job in jobs.iter().filter(|job| job.create.is_empty()) {
        let table = job.target.name.quoted();
        let lock = format!("lock table {table} in share row exclusive mode");
        transaction.batch_execute(&lock).await.map_err(SinkError::from)?;
        let sql = format!("select exists (select from {table})");
        let filled: bool = transaction.query_one(&sql, &[]).await.map_err(SinkError::from)?.get(0);
        if filled {
            return Err(RunError::NotEmpty(job.target.name.to_string()));
        }
    }
    // A table that the file no longer names may still be full.
    let sql = "select distinct target_table from millstream.stream where pipeline = $1";
    for row in transaction.query(sql, &[&plan.name]).await.map_err(SinkError::from)? {
        let Some(name) = TableName::parse(row.get(0)) else { continue };
        let sql = "select to_regclass($1) is not null";
        let there = transaction.query_one(sql, &[&name.quoted()]).await.map_err(SinkError::from)?;
        if there.get(0) {
            let sql = format!("select exists (select from {})", name.quoted());
            let filled = transaction.query_one(&sql, &[]).await.map_err(SinkError::from)?;
            if filled.get(0) {
                return Err(RunError::NotEmpty(name.to_string()));
            }
        }
    }
    // What units do now was known from rows that are gone.
    for job in jobs {
        if let Some(units) = &job.destination.units {
            current::forget(&transaction, &plan.name, units).await?;
        }
    }
    // A zombie of an earlier run finds its partition gone and cannot commit.
    let sql = "delete from millstream.stream where pipeline = $1";
    transaction.execute(sql, &[&plan.name]).await.map_err(SinkError::from)?;
    transaction.commit().await.map_err(SinkError::from)?;
    Ok(())
}
