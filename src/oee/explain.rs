//! `oee show --explain`

use crate::observe::report::Report;
use crate::sink::session::Server;

use super::OeeError;

/// Stub to be replaced.
pub async fn run(
    server: &Server,
    (unit, shift): (&str, &str),
    as_of: Option<i64>,
) -> Result<Report, OeeError> {
    drop((server, unit, shift, as_of));
    Ok(Report::default())
}
