//! Which kind of server this is: found out at connect time, never assumed.

use tokio_postgres::Client;

use crate::sink::SinkError;

/// Kinds of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PostgreSQL without the extension.
    Plain,
    /// TimescaleDB under the Apache licence: hypertables, no compression, policies or aggregates.
    Apache,
    /// TimescaleDB with everything.
    Community,
}

/// What a statement may ask of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Hypertables.
    Timescale,
    /// Compression, policies, continuous aggregates.
    Compression,
}

impl Capability {
    /// By the word in a migration file.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "timescale" => Some(Self::Timescale),
            "compression" => Some(Self::Compression),
            _ => None,
        }
    }

    /// What a server must be to have it.
    pub fn asks_for(self) -> &'static str {
        match self {
            Self::Timescale => "needs TimescaleDB",
            Self::Compression => "needs TimescaleDB's Community edition",
        }
    }
}

impl Kind {
    /// Whether such a server has it.
    pub fn has(self, capability: Capability) -> bool {
        match capability {
            Capability::Timescale => self != Self::Plain,
            Capability::Compression => self == Self::Community,
        }
    }
}

/// A server and what it offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edition {
    /// Kind.
    pub kind: Kind,
    /// `server_version`.
    pub postgres: String,
    /// Version of the extension.
    pub timescale: Option<String>,
}

impl std::fmt::Display for Edition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PostgreSQL {}", self.postgres)?;
        let version = self.timescale.as_deref().unwrap_or_default();
        match self.kind {
            Kind::Plain => write!(f, ", without TimescaleDB"),
            Kind::Apache => write!(f, ", TimescaleDB {version} (Apache edition)"),
            Kind::Community => write!(f, ", TimescaleDB {version} (Community edition)"),
        }
    }
}

/// Asks the server.
pub async fn detect(client: &Client) -> Result<Edition, SinkError> {
    let sql = "select current_setting('server_version'), \
               (select extversion from pg_extension where extname = 'timescaledb'), \
               current_setting('timescaledb.license', true)";
    let row = client.query_one(sql, &[]).await?;
    let (timescale, license): (Option<String>, Option<String>) = (row.get(1), row.get(2));
    let kind = match (&timescale, license.as_deref()) {
        (None, _) => Kind::Plain,
        (Some(_), Some("timescale")) => Kind::Community,
        (Some(_), _) => Kind::Apache,
    };
    let postgres: String = row.get(0);
    let postgres = postgres.split(' ').next().unwrap_or_default().to_owned();
    Ok(Edition { kind, postgres, timescale })
}
