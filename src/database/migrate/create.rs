//! Makes the database itself where it is missing, with the extension where the server has it.

use super::MigrateError;
use crate::schema::quote;
use crate::sink::SinkError;
use crate::sink::session::Server;

/// Makes the database; gives back what was done, in words. Connects to `postgres` on the same server.
///
/// Errors: the role may not create databases, or the server cannot be reached.
pub async fn database(server: &Server) -> Result<Vec<String>, MigrateError> {
    let mut done = Vec::new();
    let name = server.database();
    let maintenance = server.on_database("postgres");
    let session = maintenance.connect("millstream migrate").await.map_err(SinkError::from)?;
    let sql = "select exists (select from pg_database where datname = $1)";
    if !session.client.query_one(sql, &[&name]).await?.get::<_, bool>(0) {
        session.client.batch_execute(&format!("create database {}", quote(name))).await?;
        done.push(format!("Database {name} created"));
    }
    let session = server.connect("millstream migrate").await.map_err(SinkError::from)?;
    let sql = "select exists (select from pg_available_extensions where name = 'timescaledb' \
               and installed_version is null) \
               and current_setting('shared_preload_libraries') like '%timescaledb%'";
    // Loading it without the library would end the session.
    if session.client.query_one(sql, &[]).await?.get(0) {
        session.client.batch_execute("create extension timescaledb").await?;
        done.push("Extension timescaledb created".to_owned());
    }
    Ok(done)
}
