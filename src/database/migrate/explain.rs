//! What a person is told of a statement that failed.

use crate::fault;

/// The server's message with the line of the file that it is about, and what to do.
pub(super) fn explain(
    error: &tokio_postgres::Error,
    line: usize,
    statement: Option<&str>,
) -> String {
    use tokio_postgres::error::ErrorPosition;
    let Some(server) = error.as_db_error() else {
        return format!(
            "line {line}: {}; what was committed stands in migration_log: the same command goes on",
            fault::chain(error)
        );
    };
    let line = match (server.position(), statement) {
        (Some(ErrorPosition::Original(at)), Some(sql)) => {
            let at = usize::try_from(*at).unwrap_or(usize::MAX);
            line + sql.chars().take(at).filter(|letter| *letter == '\n').count()
        }
        _ => line,
    };
    let (message, code) = (server.message(), server.code().code());
    let detail = server.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let remedy = match code {
        // The remedies of a load would mislead here.
        "42P01" | "3F000" | "42703" | "0A000" => "",
        "25001" => "put `-- no transaction` before the file's first statement",
        code => fault::remedy(code),
    };
    let hint = match (remedy, server.hint()) {
        ("", None) => String::new(),
        ("", Some(hint)) => format!("; {hint}"),
        (remedy, _) => format!("; {remedy}"),
    };
    format!("line {line}: {message} ({code}){detail}{hint}")
}
