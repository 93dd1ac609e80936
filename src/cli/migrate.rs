//! `millstream migrate`

use std::path::PathBuf;
use std::time::Duration;

use millstream::database::edition;
use millstream::database::migrate::journal::{Journal, Level};
use millstream::database::migrate::log::{Author, State, Status};
use millstream::database::migrate::{self, MigrateError, Migration, Options, log, run};
use millstream::observe::report::{Report, Table};
use millstream::sink::SinkError;
use millstream::sink::session::{Server, Session};
use serde_json::json;

use super::{Common, Ended, Usage};

mod adopt;

/// Apply a migration set, or show how it stands.
///
/// The target is DATABASE_URL, or DB_HOST, DB_PORT, DB_NAME, DB_USER and the password variable of
/// --environment.
///
/// Example: `millstream migrate up --set orders`
#[derive(clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    place: super::Where,
    /// Take the files of the set from DIR/SET or DIR instead of those in the binary.
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
    /// Log files go to DIR/logs/migrations.
    #[arg(long, global = true, default_value = "millstream-state")]
    state_dir: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Apply what is pending, in order; stop at the first failure.
    Up {
        /// The set: ms5, iso22400, orders, millstream.
        #[arg(long, required = true)]
        set: Vec<String>,
        /// Print the plan and the SQL, and try it in a transaction that is rolled back.
        #[arg(long)]
        dry_run: bool,
        /// Run what is applied once more, also where the file has changed since.
        #[arg(long)]
        force: bool,
        /// Seconds to wait for another runner; 0 leaves at once.
        #[arg(long, default_value_t = 30)]
        wait: u64,
        /// Make the database first where it is missing, with the extension where the server has it.
        #[arg(long)]
        create_database: bool,
    },
    /// Show each migration and how it stands.
    Status {
        /// The set; all of them when left out.
        #[arg(long)]
        set: Vec<String>,
    },
    /// Hold what was applied against the files; exit code 4 where they differ.
    Verify {
        /// The set; all that are applied when left out.
        #[arg(long)]
        set: Vec<String>,
    },
    /// Take over a database that another tool made: compare it with the set, name what differs, and bring
    /// it to the same end, its data kept.
    Adopt(adopt::Adopt),
    /// Say what became of a file that stopped half-way outside a transaction.
    Resolve {
        /// The set.
        #[arg(long)]
        set: String,
        /// The file.
        #[arg(long)]
        file: String,
        /// `applied`: finished by hand. `pending`: undone by hand, to be run again.
        #[arg(long = "as", value_parser = ["applied", "pending"])]
        outcome: String,
    },
}

pub(crate) async fn run(arguments: &Arguments, common: Common) -> anyhow::Result<Ended> {
    let server = arguments.place.server()?;
    if let Action::Up { create_database: true, .. } = arguments.action {
        for line in migrate::create::database(&server).await? {
            eprintln!("{line}");
        }
    }
    let mut session = server.connect("millstream migrate").await.map_err(SinkError::from)?;
    match &arguments.action {
        Action::Up { set, dry_run: true, force, .. } => {
            for set in set {
                dry_run(arguments, &mut session, (set, *force)).await?;
            }
            Ok(Ended::DONE)
        }
        Action::Up { set, force, wait, .. } => {
            let environment = arguments.place.environment.map(|environment| environment.name());
            let wait = Duration::from_secs(*wait);
            let options = Options { environment, force: *force, wait };
            up(arguments, (&server, &mut session), (set, options), common).await
        }
        Action::Status { set } => status(arguments, (&server, &session), set, common).await,
        Action::Verify { set } => verify(arguments, (&server, &session), set, common).await,
        Action::Adopt(asked) => adopt::run(arguments, asked, (&server, &mut session), common).await,
        Action::Resolve { set, file, outcome } => {
            resolve(arguments, &session, (set, file), outcome == "applied").await
        }
    }
}

async fn up(
    arguments: &Arguments,
    (server, session): (&Server, &mut Session),
    (sets, options): (&[String], Options<'_>),
    common: Common,
) -> anyhow::Result<Ended> {
    // Everything that can be known to be wrong is, before the first file runs.
    let mut loaded = Vec::new();
    for set in sets {
        loaded.push((set.as_str(), migrate::load(set, arguments.dir.as_deref())?));
    }
    let environment = options.environment.unwrap_or("default");
    let folder = arguments.state_dir.join("logs/migrations");
    let mut journal =
        Journal::open(&folder, &format!("migration_{environment}"), common.verbose > 0);
    let edition = edition::detect(&session.client).await?;
    let id = journal.id().to_owned();
    journal.write(Level::Info, &format!("Migration {id}: {}", server.describe()));
    journal.write(Level::Info, &format!("Environment: {environment}, dry run: false, {edition}"));
    for (set, migrations) in &loaded {
        let client = &mut session.client;
        let applied = migrate::up(client, (set, migrations), options, &mut journal).await;
        let applied =
            applied.inspect_err(|error| journal.keep(Level::Error, &error.to_string()))?;
        match applied.len() {
            0 => {
                journal.write(Level::Info, &format!("{set}: nothing to do, everything is applied"));
            }
            _ => journal.write(Level::Success, &format!("{set}: all migrations are applied")),
        }
    }
    journal.write(Level::Success, "All migrations completed successfully!");
    if let Some(path) = journal.path() {
        let path = path.display().to_string();
        journal.write(Level::Info, &format!("Log: {path}"));
    }
    Ok(Ended::DONE)
}

async fn dry_run(
    arguments: &Arguments,
    session: &mut Session,
    (set, force): (&str, bool),
) -> anyhow::Result<()> {
    use std::fmt::Write as _;
    let migrations = migrate::load(set, arguments.dir.as_deref())?;
    let edition = edition::detect(&session.client).await?;
    let statuses = log::status(&session.client, set, &migrations).await?;
    run::check(&session.client, set, &statuses, force).await?;
    let due = |status: &&Status| force || status.state != State::Applied;
    let due: Vec<Migration> =
        statuses.iter().filter(due).map(|status| status.migration.clone()).collect();
    let mut out =
        format!("-- {set}: {} of {} files to run on {edition}\n", due.len(), statuses.len());
    for migration in &due {
        writeln!(out, "\n-- ==== {} ({})\n{}", migration.name(), migration.file, migration.sql)?;
        for (statement, capability) in migrate::Script::parse(&migration.sql)?.waiting(edition.kind)
        {
            writeln!(out, "-- line {} is skipped: it {}", statement.line, capability.asks_for())?;
        }
    }
    super::write_out(&out)?;
    let untried = migrate::rehearse(&mut session.client, set, &due).await?;
    match untried.as_slice() {
        [] => eprintln!("{set}: all of it went through and was rolled back (files: {})", due.len()),
        files => eprintln!(
            "{set}: the others went through and were rolled back; not tried, as they run outside a \
             transaction: {}",
            files.join(", ")
        ),
    }
    Ok(())
}

/// The sets that were named, or all.
fn named(arguments: &Arguments, sets: &[String]) -> anyhow::Result<Vec<(String, Vec<Migration>)>> {
    let names: Vec<String> = match sets {
        [] => migrate::sets().map(str::to_owned).collect(),
        named => named.to_vec(),
    };
    let load = |set: String| {
        let migrations = migrate::load(&set, arguments.dir.as_deref())?;
        Ok((set, migrations))
    };
    names.into_iter().map(load).collect()
}

async fn status(
    arguments: &Arguments,
    (server, session): (&Server, &Session),
    sets: &[String],
    common: Common,
) -> anyhow::Result<Ended> {
    let columns = ["set", "migration", "state", "applied at", "ms", "left out"];
    let mut table = Table::new("Migrations", &columns);
    let mut notes = Vec::new();
    for (set, migrations) in named(arguments, sets)? {
        for status in log::status(&session.client, &set, &migrations).await? {
            let left_out = status.skipped.len();
            table.push(vec![
                json!(set),
                json!(status.migration.name()),
                json!(status.state.name()),
                json!(status.at),
                json!(status.execution_time_ms),
                if left_out == 0 { json!(null) } else { json!(left_out) },
            ]);
            let file = &status.migration.file;
            if let (State::Failed | State::Dirty, Some(message)) = (status.state, status.message) {
                notes.push(format!("{set}/{file}: {message}"));
            }
            if let Some((_, asks)) = status.skipped.first() {
                notes.push(format!("{set}/{file}: {left_out} statements left out: {asks}"));
            }
        }
    }
    let mut report = Report::new(server.describe());
    report.tables.push(table);
    report.notes = notes;
    super::print(&report, common)?;
    Ok(Ended::DONE)
}

async fn verify(
    arguments: &Arguments,
    (server, session): (&Server, &Session),
    sets: &[String],
    common: Common,
) -> anyhow::Result<Ended> {
    let columns = ["set", "migration", "state", "checksum applied", "checksum now"];
    let mut table = Table::new("Checksums", &columns);
    let mut wrong = Vec::new();
    if sets.is_empty() {
        let mut logged = log::sets(&session.client).await?;
        logged.retain(|set| migrate::load(set, arguments.dir.as_deref()).is_err());
        let lost = |set| format!("set {set} was applied: --dir says where its files are");
        wrong.extend(logged.iter().map(lost));
    }
    for (set, migrations) in named(arguments, sets)? {
        let statuses = log::status(&session.client, &set, &migrations).await?;
        if sets.is_empty() && statuses.iter().all(|status| status.state == State::Pending) {
            continue;
        }
        for status in &statuses {
            let short = |text: &str| text.get(..12).unwrap_or(text).to_owned();
            table.push(vec![
                json!(set),
                json!(status.migration.name()),
                json!(status.state.name()),
                json!(status.checksum.as_deref().map(short)),
                json!(short(&status.migration.checksum())),
            ]);
            if status.state == State::Pending {
                wrong.push(format!("{set}/{} is not applied", status.migration.file));
            }
        }
        match run::check(&session.client, &set, &statuses, false).await {
            Err(MigrateError::Sink(error)) => return Err(error.into()),
            Err(error) => wrong.push(error.to_string()),
            Ok(()) => {}
        }
    }
    let mut report = Report::new(server.describe());
    report.outcome = if wrong.is_empty() { "done" } else { "failed" }.to_owned();
    report.tables.push(table);
    let any = report.tables.iter().any(|table| !table.rows.is_empty());
    match (wrong.is_empty(), any) {
        (true, true) => report.note("every applied file is what it was"),
        (true, false) => report.note("nothing is applied here"),
        (false, _) => {}
    }
    let code = if wrong.is_empty() { Ended::DONE } else { Ended::with(4) };
    report.notes.extend(wrong);
    super::print(&report, common)?;
    Ok(code)
}

async fn resolve(
    arguments: &Arguments,
    session: &Session,
    (set, file): (&str, &str),
    applied: bool,
) -> anyhow::Result<Ended> {
    let migrations = migrate::load(set, arguments.dir.as_deref())?;
    run::lock(&session.client, Duration::ZERO).await?;
    let statuses = log::status(&session.client, set, &migrations).await?;
    let found = statuses.iter().find(|status| status.migration.file == file);
    let Some(status) = found.filter(|status| status.state == State::Dirty) else {
        let stands = found.map_or("no file of the set", |status| status.state.name());
        let message = format!("{set}/{file} is {stands}; only a dirty file needs to be resolved");
        return Err(Usage(message).into());
    };
    let environment = arguments.place.environment.map(|environment| environment.name());
    let author = Author { set, environment };
    log::resolve(&session.client, author, &status.migration, applied).await?;
    eprintln!("{set}/{file} counts as {} now", if applied { "applied" } else { "pending" });
    Ok(Ended::DONE)
}
