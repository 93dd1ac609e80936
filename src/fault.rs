//! What a failure asks for. Every error of a sink has one of four answers, and this table alone knows which.
//!
//! The automatic list is narrow: a code that is not named here stops the run. SQLSTATEs decide, never
//! message texts, which are localised.

/// What to do about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The far side is away or busy: start the lane again from its cursor.
    Restart,
    /// One row is at fault: find it, set it aside, start again from the cursor.
    Reject,
    /// The transaction asked too much of the server: the same again in smaller pieces.
    /// Such an error never condemns a row.
    Shrink,
    /// A person has to look: schema, permission, configuration, damage.
    Stop,
}

/// The answer to an error of the server, by its SQLSTATE.
///
/// `in_copy` matters for 08P01: outside COPY the connection is confused, inside it a field is malformed.
/// No SQLSTATE at all is what a client sees when the server dies: restart.
pub fn classify(sqlstate: Option<&str>, in_copy: bool) -> Fault {
    let Some(code) = sqlstate else { return Fault::Restart };
    match code {
        "08P01" if in_copy => Fault::Reject,
        "53200" | "53400" | "54000" | "57014" => Fault::Shrink,
        "53100" | "53300" | "58030" | "25006" | "25P03" | "57P05" => Fault::Restart,
        "40001" | "40P01" | "40003" | "55P03" | "55006" => Fault::Restart,
        "57P01" | "57P02" | "57P03" => Fault::Restart,
        "23502" | "23503" | "23505" | "23514" | "23P01" => Fault::Reject,
        _ if code.starts_with("22") => Fault::Reject,
        _ if code.starts_with("08") => Fault::Restart,
        _ => Fault::Stop,
    }
}

/// What a person can do about a server error, by SQLSTATE; empty where the message says it all.
pub fn remedy(sqlstate: &str) -> &'static str {
    match sqlstate {
        "28P01" | "28000" => "check the user and the password in DATABASE_URL",
        "3D000" => "create the database first, or correct its name in DATABASE_URL",
        "3F000" | "42P01" => {
            "apply the migration set (`millstream migrate up --set …`) or set `create = true`"
        }
        "42703" => "compare the table with the pipeline file: `millstream check` shows both",
        "42501" => "grant it to the role that millstream connects as, or connect as the owner",
        "53100" => "free disk space on the database server; the run goes on by itself",
        "53200" => "raise max_locks_per_transaction, or set a longer chunk interval",
        "53300" => "raise max_connections or close idle sessions; the run goes on by itself",
        "25006" => "this server is read-only (a standby?): connect to the primary",
        "0A000" => {
            "this edition of the server does not offer it: `millstream check` shows the edition"
        }
        "23503" => "load the table it refers to first, or declare the foreign key `not valid`",
        _ => "",
    }
}

/// An error and all its causes in one line; tokio-postgres prints only `db error` by itself.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text.push_str(": ");
            text.push_str(&inner_text);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_error_never_condemns_a_row() {
        for code in ["53200", "53400", "54000", "57014", "53100", "55P03", "40P01", "58030"] {
            assert_ne!(classify(Some(code), true), Fault::Reject, "{code}");
        }
    }

    #[test]
    fn only_row_data_is_rejected() {
        for code in ["22021", "22003", "22P02", "23502", "23503", "23505", "23514", "23P01"] {
            assert_eq!(classify(Some(code), true), Fault::Reject, "{code}");
        }
        assert_eq!(classify(Some("08P01"), true), Fault::Reject);
        assert_eq!(classify(Some("08P01"), false), Fault::Restart);
    }

    #[test]
    fn the_unknown_stops_and_the_dead_line_restarts() {
        assert_eq!(classify(None, true), Fault::Restart);
        assert_eq!(classify(Some("57P01"), true), Fault::Restart);
        for code in ["42P01", "42703", "42501", "XX000", "XX001", "28P01", "TS103"] {
            assert_eq!(classify(Some(code), true), Fault::Stop, "{code}");
        }
    }
}
