//! Where a server listens and how to prove who one is: what a connection needs that no driver of ours makes.

use std::path::PathBuf;
use std::sync::Arc;

/// A server and a role on it. The password shows nowhere.
#[derive(Clone)]
pub struct Endpoint {
    /// Where to connect; tried in turn.
    pub hosts: Vec<(Host, u16)>,
    /// The role.
    pub user: String,
    /// Its password, if one is known.
    pub password: Option<Vec<u8>>,
    /// The database.
    pub database: String,
    /// Set where the connection is to be encrypted: server name and authority are always verified.
    pub tls: Option<Arc<rustls::ClientConfig>>,
}

/// A place that takes connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// A name or an address.
    Tcp(String),
    /// The folder of a socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// Database, host, port and role: all that may be shown.
    pub fn describe(&self) -> String {
        let place = match self.hosts.first() {
            Some((Host::Tcp(name), port)) => format!("{name}:{port}"),
            Some((Host::Unix(path), port)) => format!("{}:{port}", path.display()),
            None => "nowhere".to_owned(),
        };
        format!("{} at {place} as {}", self.database, self.user)
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}
