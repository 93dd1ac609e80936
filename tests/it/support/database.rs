//! A database that a test has for itself; it goes when the test ends.

use std::sync::OnceLock;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::environment;

/// Runs something async to its end.
pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let start = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    RUNTIME.get_or_init(start).block_on(work)
}

/// A connection, for as long as the client lives.
pub(crate) async fn connect(url: &str) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(async move { connection.await.ok() });
    Ok(client)
}

/// A database, by its URL.
pub(crate) struct Database {
    /// As the tool gets it.
    pub(crate) url: String,
    name: String,
    admin: String,
}

impl Database {
    /// One with the extension, on the server of `./dev up`.
    pub(crate) fn timescale() -> Self {
        let made = Self::on(&environment("MILLSTREAM_TEST_DATABASE_URL"));
        made.run("create extension timescaledb");
        made
    }

    /// One on the plain Postgres of `./dev up`.
    pub(crate) fn plain() -> Self {
        Self::on(&environment("MILLSTREAM_TEST_LEGACY_URL"))
    }

    /// One on the server that a superuser's URL names.
    pub(crate) fn on(admin: &str) -> Self {
        let name = format!("it_{}_{:08x}", std::process::id(), fastrand::u32(..));
        let (server, _) = admin.rsplit_once('/').unwrap();
        let made = Self { url: format!("{server}/{name}"), name, admin: admin.to_owned() };
        block_on(async {
            let reached = connect(admin).await;
            let client = reached.unwrap_or_else(|error| panic!("{admin}: {error}: run `./dev up`"));
            client.batch_execute(&format!("create database {}", made.name)).await.unwrap();
        });
        made
    }

    /// Whether its server has the Community edition of the extension.
    pub(crate) fn is_community(&self) -> bool {
        self.text("select coalesce(current_setting('timescaledb.license', true), '')")
            == "timescale"
    }

    /// The same database for another user, by a URL.
    pub(crate) fn url_for(&self, user: &str) -> String {
        let (_, place) = self.url.split_once('@').unwrap();
        format!("postgres://{user}@{place}")
    }

    /// The same database behind another port of this machine.
    pub(crate) fn url_through(&self, port: u16) -> String {
        let (user, place) = self.url.split_once('@').unwrap();
        let (_, name) = place.split_once('/').unwrap();
        format!("{user}@127.0.0.1:{port}/{name}")
    }

    /// Runs statements.
    pub(crate) fn run(&self, sql: &str) {
        self.try_run(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Runs statements that may fail.
    pub(crate) fn try_run(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        block_on(async { connect(&self.url).await?.batch_execute(sql).await })
    }

    /// Rows of a query as the server writes their values; NULL is empty.
    pub(crate) fn try_rows(&self, sql: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
        block_on(async {
            let messages = connect(&self.url).await?.simple_query(sql).await?;
            let rows = messages.iter().filter_map(|message| match message {
                SimpleQueryMessage::Row(row) => {
                    let cell = |at| row.get(at).unwrap_or_default().to_owned();
                    Some((0..row.len()).map(cell).collect())
                }
                _ => None,
            });
            Ok(rows.collect())
        })
    }

    /// Rows of a query.
    pub(crate) fn rows(&self, sql: &str) -> Vec<Vec<String>> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// The one value of a query.
    pub(crate) fn text(&self, sql: &str) -> String {
        self.rows(sql)[0][0].clone()
    }

    /// The one number of a query.
    pub(crate) fn number(&self, sql: &str) -> i64 {
        self.text(sql).parse().unwrap()
    }

    /// Everything there is: columns, indexes, constraints, grants' owners and every row.
    pub(crate) fn digest(&self) -> String {
        let ours = "not in ('pg_catalog', 'information_schema') and {} !~ '^_?timescaledb'";
        let ours = |column: &str| format!("{column} {}", ours.replace("{}", column));
        self.text(&format!(
            "select coalesce(string_agg(line, e'\\n' order by line), '') from ( \
             select 'schema ' || nspname from pg_namespace where nspname !~ '^pg_' and {} \
             union all select format('column %I.%I.%I %s %s', table_schema, table_name, column_name, \
                 data_type, is_nullable) from information_schema.columns where {} \
             union all select indexdef from pg_indexes where {} \
             union all select format('rows %I.%I %s', schemaname, tablename, md5(query_to_xml( \
                 format('select t::text from %I.%I t order by 1', schemaname, tablename), \
                 true, false, '')::text)) from pg_tables where {}) x(line)",
            ours("nspname"),
            ours("table_schema"),
            ours("schemaname"),
            ours("schemaname"),
        ))
    }

    /// Nothing was touched since the digest was taken.
    pub(crate) fn is_still(&self, before: &str, by: &str) {
        let now = self.digest();
        let only = |these: &str, those: &str| -> Vec<String> {
            let others: Vec<&str> = those.lines().collect();
            these.lines().filter(|line| !others.contains(line)).map(str::to_owned).collect()
        };
        let (gone, come) = (only(before, &now), only(&now, before));
        assert!(gone.is_empty() && come.is_empty(), "{by} touched something: {gone:#?} {come:#?}");
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let sql = format!("drop database if exists {} with (force)", self.name);
        // A server of the test's own may be gone by now, and the database with it.
        block_on(async {
            match connect(&self.admin).await {
                Ok(client) => client.batch_execute(&sql).await.ok(),
                Err(_) => None,
            }
        });
    }
}
