//! One connection to a server: the URL, TLS, and the settings a loader needs. Never pooled.
//!
//! No plaintext to a host that is not this machine unless the URL says `sslmode=disable`; no fall-back
//! from TLS to plaintext. The password comes with the URL or from a variable, PGPASSWORD for the target,
//! and shows nowhere.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls};

use crate::endpoint::{self, Endpoint};
use crate::fault;

/// The server ends a session whose client is gone after some 25 s, and with it the locks it holds.
const OPTIONS: &str = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 \
                       -c tcp_keepalives_count=3 -c client_encoding=UTF8 -c TimeZone=UTC \
                       -c search_path=pg_catalog,public -c client_min_messages=warning";

/// Why a connection was not made.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The URL cannot be read.
    #[error("DATABASE_URL is no connection string: {0}")]
    Url(String),
    /// TLS cannot be set up.
    #[error("TLS: {0}")]
    Tls(String),
    /// The server cannot be reached or says no.
    #[error("cannot connect to {server}: {cause}{}", advice(.sqlstate.as_deref()))]
    Connect {
        /// Host, port, database and user.
        server: String,
        /// The whole cause chain, without secrets.
        cause: String,
        /// SQLSTATE, if the server answered.
        sqlstate: Option<String>,
    },
}

/// The code and what a person can do about it.
fn advice(sqlstate: Option<&str>) -> String {
    let Some(code) = sqlstate else { return String::new() };
    let remedy = fault::remedy(code);
    let dash = if remedy.is_empty() { "" } else { "; " };
    format!(" ({code}){dash}{remedy}")
}

/// Warnings of the server, each once.
pub type Warnings = Arc<Mutex<BTreeSet<String>>>;

/// A trigger may warn at every row.
const WARNINGS_MAX: usize = 20;

/// A connection; closing is dropping it.
pub struct Session {
    /// Statements go here.
    pub client: Client,
    /// What the server warned of so far.
    pub warnings: Warnings,
    driver: tokio::task::JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Where and how to connect; made once, used by every connection of a run.
#[derive(Clone)]
pub struct Server {
    config: Config,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Server {
    /// Reads a `postgres://` URL or a `key=value` string. A password that it has not comes from PGPASSWORD.
    pub fn parse(url: &str) -> Result<Self, SessionError> {
        Self::parse_with(url, "PGPASSWORD")
    }

    /// The same with the password of another variable, and never PGPASSWORD's: a server that rows are read
    /// from is not told the password of the one they go to.
    pub fn parse_with(url: &str, password_variable: &str) -> Result<Self, SessionError> {
        let (url, root_certificate) = take_parameter(url, "sslrootcert");
        // verify-ca and verify-full are libpq's words; here TLS always verifies.
        let url = ["verify-full", "verify-ca"]
            .iter()
            .fold(url, |url, word| url.replace(&format!("sslmode={word}"), "sslmode=require"));
        let mut config = Config::from_str(&url)
            .map_err(|error| SessionError::Url(hide_password(&fault::chain(&error), &url)))?;
        if config.get_password().is_none()
            && let Ok(password) = std::env::var(password_variable)
        {
            config.password(password);
        }
        config.options(OPTIONS);
        config.connect_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(10));
        config.tcp_user_timeout(Duration::from_secs(30));
        let explicit = url.contains("sslmode=");
        let wants_tls = match config.get_ssl_mode() {
            SslMode::Disable => false,
            SslMode::Prefer => explicit || !is_local(&config),
            _ => true,
        };
        config.ssl_mode(if wants_tls { SslMode::Require } else { SslMode::Disable });
        let tls = match wants_tls {
            true => Some(Arc::new(tls(root_certificate.as_deref())?)),
            false => None,
        };
        Ok(Self { config, tls })
    }

    /// Host, port, database and user: all of the URL that may be shown.
    pub fn describe(&self) -> String {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(host)) => host.clone(),
            Some(Host::Unix(path)) => path.display().to_string(),
            None => "localhost".to_owned(),
        };
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        let user = self.config.get_user().unwrap_or("?");
        let database = self.config.get_dbname().unwrap_or(user);
        format!("{database} at {host}:{port} as {user}")
    }

    /// What another driver needs to connect to the same server.
    pub fn endpoint(&self) -> Endpoint {
        let hosts = self.config.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => endpoint::Host::Tcp(name.clone()),
            Host::Unix(path) => endpoint::Host::Unix(path.clone()),
        });
        let ports = self.config.get_ports();
        let port = |at: usize| ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let mut hosts: Vec<_> = hosts.enumerate().map(|(at, host)| (host, port(at))).collect();
        if hosts.is_empty() {
            hosts.push((endpoint::Host::Tcp("localhost".to_owned()), port(0)));
        }
        Endpoint {
            hosts,
            user: self.config.get_user().unwrap_or("postgres").to_owned(),
            password: self.config.get_password().map(<[u8]>::to_vec),
            database: self.database().to_owned(),
            tls: self.tls.clone(),
        }
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        self.config.get_dbname().or(self.config.get_user()).unwrap_or("postgres")
    }

    /// The port, where the host is this machine.
    pub fn local_port(&self) -> Option<u16> {
        let port = self.config.get_ports().first().copied().unwrap_or(5432);
        is_local(&self.config).then_some(port)
    }

    /// The same server, another database.
    #[must_use]
    pub fn on_database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.config.dbname(name);
        other
    }

    /// The same database as another role; without a password none is sent.
    #[must_use]
    pub fn as_role(&self, role: &str, password: Option<&str>) -> Self {
        let mut config = Config::new();
        for host in self.config.get_hosts() {
            match host {
                Host::Tcp(name) => config.host(name),
                Host::Unix(path) => config.host_path(path),
            };
        }
        for port in self.config.get_ports() {
            config.port(*port);
        }
        config.user(role).dbname(self.database()).options(OPTIONS);
        config.ssl_mode(self.config.get_ssl_mode()).connect_timeout(Duration::from_secs(10));
        if let Some(password) = password {
            config.password(password);
        }
        Self { config, tls: self.tls.clone() }
    }

    /// Opens a connection. `application` names it in `pg_stat_activity`.
    pub async fn connect(&self, application: &str) -> Result<Session, SessionError> {
        let mut config = self.config.clone();
        config.application_name(application);
        let failed = |error: tokio_postgres::Error| SessionError::Connect {
            server: self.describe(),
            cause: fault::chain(&error),
            sqlstate: error.code().map(|code| code.code().to_owned()),
        };
        let warnings = Warnings::default();
        let heard = Arc::clone(&warnings);
        let (client, driver) = match &self.tls {
            None => {
                let (client, connection) = config.connect(NoTls).await.map_err(failed)?;
                (client, tokio::spawn(drive(connection, heard)))
            }
            Some(tls) => {
                let tls = tokio_postgres_rustls::MakeRustlsConnect::new((**tls).clone());
                let (client, connection) = config.connect(tls).await.map_err(failed)?;
                (client, tokio::spawn(drive(connection, heard)))
            }
        };
        Ok(Session { client, warnings, driver })
    }
}

async fn drive<S, T>(mut connection: Connection<S, T>, heard: Warnings)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        match message {
            Ok(AsyncMessage::Notice(notice)) => {
                if let Ok(mut heard) = heard.lock()
                    && heard.len() < WARNINGS_MAX
                {
                    heard.insert(notice.message().to_owned());
                }
            }
            Ok(_) => {}
            // The statement that was running gets the same error and reports it.
            Err(error) => {
                tracing::debug!(error = fault::chain(&error), "connection ended");
                return;
            }
        }
    }
}

fn is_local(config: &Config) -> bool {
    let addresses_are_local = config.get_hostaddrs().iter().all(std::net::IpAddr::is_loopback);
    addresses_are_local
        && config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => {
                name == "localhost"
                    || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
            }
        })
}

fn tls(root_certificate: Option<&str>) -> Result<rustls::ClientConfig, SessionError> {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    match root_certificate {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let bad = |error| SessionError::Tls(format!("sslrootcert {path}: {error}"));
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|error| bad(error.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| SessionError::Tls(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Takes a parameter that tokio-postgres does not know out of a URL.
fn take_parameter(url: &str, name: &str) -> (String, Option<String>) {
    let Some((base, query)) = url.split_once('?') else { return (url.to_owned(), None) };
    let mut found = None;
    let kept: Vec<&str> = query
        .split('&')
        .filter(|pair| match pair.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')) {
            Some(value) => {
                found = Some(value.to_owned());
                false
            }
            None => true,
        })
        .collect();
    let query = kept.join("&");
    (if query.is_empty() { base.to_owned() } else { format!("{base}?{query}") }, found)
}

/// A parser's message may quote what it could not read.
fn hide_password(message: &str, url: &str) -> String {
    let secret = url.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@'));
    let secret = secret.and_then(|(user, _)| user.split_once(':')).map(|(_, password)| password);
    match secret {
        Some(password) if !password.is_empty() => message.replace(password, "***"),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_only_to_this_machine_or_when_told() {
        let tls = |url: &str| Server::parse(url).unwrap().tls.is_some();
        assert!(!tls("postgres://u@localhost/d"));
        assert!(!tls("postgres://u@127.0.0.1:5432/d"));
        assert!(tls("postgres://u@db.example.com/d"));
        assert!(tls("postgres://u@localhost/d?sslmode=verify-full"));
        assert!(!tls("postgres://u@db.example.com/d?sslmode=disable"));
    }

    #[test]
    fn a_password_shows_nowhere() {
        let server = Server::parse("postgres://u:hunter2@localhost/d").unwrap();
        assert!(!server.describe().contains("hunter2"));
        let error = Server::parse("postgres://u:hunter2@localhost:port/d").err().unwrap();
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[test]
    fn a_parameter_is_taken_out_of_the_url() {
        let (url, path) = take_parameter("postgres://h/d?sslrootcert=/ca.pem&a=b", "sslrootcert");
        assert_eq!((url.as_str(), path.as_deref()), ("postgres://h/d?a=b", Some("/ca.pem")));
    }
}
