//! Where a plan's source is.

use std::sync::Arc;

use super::ResolveError;
use crate::config::Problems;
use crate::config::plan::{Plan, SourcePlan};
use crate::sink::session::{Server, SessionError};
use crate::source::At;
use crate::source::postgres::{Legacy, PASSWORD};

/// The source as the plan names it; nothing is opened yet.
pub fn source(plan: &Plan) -> Result<At, ResolveError> {
    match &plan.source {
        SourcePlan::Sqlite { path, .. } => Ok(At::Sqlite(path.clone())),
        SourcePlan::Parquet { path, .. } => Ok(At::Parquet(path.clone())),
        SourcePlan::Postgres { url, hold, place } => match Server::parse_with(&url.0, PASSWORD) {
            Ok(server) => Ok(At::Postgres(Arc::new(Legacy::new(server.endpoint(), *hold)))),
            Err(error) => {
                let message = match error {
                    SessionError::Url(message) => format!("no connection string: {message}"),
                    other => other.to_string(),
                };
                let mut problems = Problems::new(&plan.file);
                let hint = "postgres://user@host:5432/database";
                problems.error(*place, "source.postgres", message, hint);
                Err(problems.into())
            }
        },
    }
}
