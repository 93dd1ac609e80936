//! Which database is meant, for commands that have no pipeline file.
//!
//! `DATABASE_URL` wins. Without it `DB_HOST`, `DB_PORT`, `DB_NAME` and `DB_USER`, with the defaults of an
//! environment, and the password in that environment's own variable.

use crate::sink::session::{Server, SessionError};

/// Where a plant's databases stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Environment {
    /// Port 5432, `factory_telemetry`, `ms5_user_production`.
    Production,
    /// Port 5433, `factory_telemetry_staging`, `ms5_user_staging`.
    Staging,
    /// Port 5434, `factory_telemetry_dev`, `ms5_user_dev`.
    Development,
    /// Port 5435, `factory_telemetry_test`, `ms5_user_test`.
    Test,
}

impl Environment {
    /// Its name in logs and in `migration_log`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Staging => "staging",
            Self::Development => "development",
            Self::Test => "test",
        }
    }

    /// Port, database, user.
    fn defaults(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Production => ("5432", "factory_telemetry", "ms5_user_production"),
            Self::Staging => ("5433", "factory_telemetry_staging", "ms5_user_staging"),
            Self::Development => ("5434", "factory_telemetry_dev", "ms5_user_dev"),
            Self::Test => ("5435", "factory_telemetry_test", "ms5_user_test"),
        }
    }

    /// Variables that may hold the password; the first one set counts.
    fn password_variables(self) -> &'static [&'static str] {
        match self {
            Self::Production => &["POSTGRES_PASSWORD_PRODUCTION"],
            Self::Staging => &["POSTGRES_PASSWORD_STAGING"],
            Self::Development => &["POSTGRES_PASSWORD_DEVELOPMENT", "POSTGRES_PASSWORD_DEV"],
            Self::Test => &["POSTGRES_PASSWORD_TEST"],
        }
    }
}

/// Why no database could be named.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    /// Nothing says where.
    #[error(
        "which database? export DATABASE_URL=postgres://user@host/database, or DB_HOST, DB_PORT, \
         DB_NAME, DB_USER and POSTGRES_PASSWORD_PRODUCTION, or say --environment \
         production|staging|development|test"
    )]
    Missing,
    /// What is said cannot be read.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The server that the environment's variables name.
pub fn server(
    environment: Option<Environment>,
    read: &dyn Fn(&str) -> Option<String>,
) -> Result<Server, AddressError> {
    let read = |name: &str| read(name).filter(|value| !value.is_empty());
    if let Some(url) = read("DATABASE_URL") {
        return Ok(Server::parse(&url)?);
    }
    let named =
        ["DB_HOST", "DB_PORT", "DB_NAME", "DB_USER"].iter().any(|name| read(name).is_some());
    if environment.is_none() && !named {
        return Err(AddressError::Missing);
    }
    let environment = environment.unwrap_or(Environment::Production);
    let (port, database, user) = environment.defaults();
    let or = |name: &str, default: &str| read(name).unwrap_or_else(|| default.to_owned());
    let mut words = vec![
        ("host", or("DB_HOST", "localhost")),
        ("port", or("DB_PORT", port)),
        ("dbname", or("DB_NAME", database)),
        ("user", or("DB_USER", user)),
    ];
    words.extend(
        environment
            .password_variables()
            .iter()
            .find_map(|name| read(name))
            .map(|p| ("password", p)),
    );
    let escaped = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
    let text: Vec<String> =
        words.iter().map(|(key, value)| format!("{key}='{}'", escaped(value))).collect();
    Ok(Server::parse(&text.join(" "))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(environment: Option<Environment>, set: &[(&str, &str)]) -> String {
        let read = |name: &str| {
            set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        server(environment, &read).map_or_else(|error| error.to_string(), |s| s.describe())
    }

    #[test]
    fn the_url_wins_then_the_parts_then_the_defaults() {
        let url = ("DATABASE_URL", "postgres://me@db:6000/plant");
        let staging = Some(Environment::Staging);
        assert_eq!(named(staging, &[url, ("DB_HOST", "other")]), "plant at db:6000 as me");
        assert_eq!(
            named(staging, &[("DB_HOST", "o'brien")]),
            "factory_telemetry_staging at o'brien:5433 as ms5_user_staging"
        );
        assert_eq!(
            named(None, &[("DB_NAME", "plant"), ("POSTGRES_PASSWORD_PRODUCTION", "s'e\\cret")]),
            "plant at localhost:5432 as ms5_user_production"
        );
        assert!(named(None, &[("POSTGRES_PASSWORD_PRODUCTION", "x")]).contains("DATABASE_URL"));
    }
}
