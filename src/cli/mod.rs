//! One thin file a subcommand: arguments → plan → call → print. No logic lives here.

mod audit;
mod backfill;
mod bench;
mod check;
mod dead_letter;
mod generate;
mod maintain;
mod migrate;
mod oee;
mod policy;
mod postcheck;
mod preflight;
mod time;
mod verify;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, CommandFactory as _, Parser, Subcommand};

use millstream::config::plan::Plan;
use millstream::config::{self, Problems};
use millstream::database::address::{self, AddressError, Environment};
use millstream::database::adopt::AdoptError;
use millstream::database::maintain::MaintainError;
use millstream::database::migrate::journal::Journal;
use millstream::database::migrate::{self as migrate_files, MigrateError};
use millstream::database::policy::PolicyError;
use millstream::database::postcheck::PostcheckError;
use millstream::fault;
use millstream::observe::progress::Style;
use millstream::observe::report::{Format, Report};
use millstream::observe::trace;
use millstream::oee::OeeError;
use millstream::pipeline::failure::RunError;
use millstream::pipeline::lane::LaneError;
use millstream::pipeline::resolve::ResolveError;
use millstream::sink::session::{Server, SessionError};
use millstream::sink::{SinkError, ledger};
use millstream::source::SourceError;

/// Brings a factory's data into TimescaleDB, exactly once, and proves it.
#[derive(Parser)]
#[command(version, about, max_term_width = 100, subcommand_required = true)]
#[command(help_template = "{about}\n\nUsage: {usage}\n\n\
Move data\n  \
  audit        Profile a source and write its pipeline file\n  \
  check        Hold a pipeline file against both sides and print the plan\n  \
  backfill     Load a source, or what was added to it since\n  \
  verify       Prove that what landed is what was sent\n  \
  dead-letter  List, show, export and replay rows that were set aside\n\n\
Read the plant\n  \
  oee          Compute ISO 22400 KPIs: oee_calculations, tables and pages of it, one shift as JSON\n\n\
Look after the database\n  \
  preflight    Check machine, server and files before a migration\n  \
  migrate      Apply a migration set, or show how it stands\n  \
  postcheck    Check a database after a migration, and measure it\n  \
  policy       Show or apply chunk intervals, compression, retention, rollups, indexes\n  \
  maintain     Pay what loads owe, drop what is old, refresh rollups\n\n\
Try it\n  \
  time         Try a time policy on values\n  \
  generate     Make realistic source files\n  \
  bench        Measure against other ways to load the same file\n  \
  completions  Print shell completions\n\n\
Options:\n{options}\n\n\
Start with `millstream audit my.db --out my.toml`. Exit codes: 0 done, 1 failed, 2 wrong usage or plan \
(nothing was touched), 3 more rejected than allowed, 4 verification or balance failed, 5 stopped (the \
same command goes on), 6 done with debt unpaid.")]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Args, Clone, Copy)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Common {
    /// More words; twice for all of them.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// How progress is shown.
    #[arg(long, global = true, value_enum, default_value = "auto")]
    progress: Style,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Subcommand)]
enum Command {
    Audit(audit::Arguments),
    Check(check::Arguments),
    Backfill(backfill::Arguments),
    Verify(verify::Arguments),
    DeadLetter(dead_letter::Arguments),
    Preflight(preflight::Arguments),
    Postcheck(postcheck::Arguments),
    Migrate(migrate::Arguments),
    Oee(oee::Arguments),
    Policy(policy::Arguments),
    Maintain(maintain::Arguments),
    Time(time::Arguments),
    Generate(generate::Arguments),
    Bench(bench::Arguments),
    /// Print shell completions: `millstream completions bash > …/completions/millstream`.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// What a command ends with.
pub(crate) struct Ended {
    code: u8,
}

impl Ended {
    pub(crate) const DONE: Self = Self { code: 0 };

    pub(crate) fn with(code: u8) -> Self {
        Self { code }
    }
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let common = arguments.common;
    trace::start(common.verbose);
    let ended = match arguments.command {
        Command::Audit(arguments) => audit::run(&arguments, common),
        Command::Check(arguments) => block_on(check::run(&arguments, common)),
        Command::Backfill(arguments) => block_on(backfill::run(&arguments, common)),
        Command::Verify(arguments) => block_on(verify::run(&arguments, common)),
        Command::DeadLetter(arguments) => block_on(dead_letter::run(&arguments, common)),
        Command::Preflight(arguments) => block_on(preflight::run(&arguments, common)),
        Command::Migrate(arguments) => block_on(migrate::run(&arguments, common)),
        Command::Policy(arguments) => block_on(policy::run(&arguments, common)),
        Command::Maintain(arguments) => block_on(maintain::run(&arguments, common)),
        Command::Oee(arguments) => oee::run(&arguments, common),
        Command::Postcheck(arguments) => block_on(postcheck::run(&arguments, common)),
        Command::Time(arguments) => time::run(&arguments),
        Command::Generate(arguments) => generate::run(&arguments, common),
        Command::Bench(arguments) => block_on(bench::run(&arguments, common)),
        Command::Completions { shell } => {
            let mut command = Arguments::command();
            clap_complete::generate(shell, &mut command, "millstream", &mut std::io::stdout());
            Ok(Ended::DONE)
        }
    };
    match ended {
        Ok(ended) => ExitCode::from(ended.code),
        Err(error) => {
            eprintln!("{}", describe(&error));
            ExitCode::from(code(&error))
        }
    }
}

fn block_on<F: Future<Output = anyhow::Result<Ended>>>(command: F) -> anyhow::Result<Ended> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?
        .block_on(command)
}

/// The error for a person; problems of a file speak for themselves.
fn describe(error: &anyhow::Error) -> String {
    let found = error.downcast_ref::<Problems>();
    let resolve = match error.downcast_ref::<RunError>() {
        Some(RunError::Resolve(resolve)) => Some(resolve),
        _ => error.downcast_ref::<ResolveError>(),
    };
    let problems = match (resolve, error.downcast_ref::<PolicyError>()) {
        (Some(ResolveError::Problems(problems)), _) => Some(problems),
        (_, Some(PolicyError::Problems(problems))) => Some(problems),
        _ => found,
    };
    match problems {
        Some(problems) => problems.to_string(),
        None => format!("millstream: {}", fault::chain(error.as_ref())),
    }
}

/// 2 when nothing was touched, 5 when the same command goes on, else 1.
fn code(error: &anyhow::Error) -> u8 {
    if error.is::<Problems>() || error.is::<Usage>() {
        return 2;
    }
    if let Some(error) = error.downcast_ref::<ResolveError>() {
        return of_resolving(error);
    }
    if let Some(SinkError::Session(SessionError::Url(_))) = error.downcast_ref() {
        return 2;
    }
    if let Some(error) = error.downcast_ref::<PolicyError>() {
        return if matches!(error, PolicyError::Sink(_)) { 1 } else { 2 };
    }
    if let Some(MaintainError::Busy { .. }) = error.downcast_ref() {
        return 5;
    }
    if let Some(OeeError::Busy { .. }) = error.downcast_ref() {
        return 5;
    }
    let migrate = match error.downcast_ref::<AdoptError>() {
        Some(AdoptError::Migrate(error)) => Some(error),
        Some(AdoptError::Fingerprint { .. }) => return 4,
        Some(_) => return 2,
        None => match error.downcast_ref::<PostcheckError>() {
            Some(PostcheckError::Migrate(error)) => Some(error),
            Some(PostcheckError::NoSet { .. }) => return 2,
            _ => error.downcast_ref::<MigrateError>(),
        },
    };
    match (error.downcast_ref::<RunError>(), migrate) {
        (Some(RunError::Resolve(error)), _) => of_resolving(error),
        (Some(RunError::NotEmpty(_)), _) => 2,
        (Some(RunError::Register(error)), _)
            if !matches!(error, millstream::pipeline::register::RegisterError::Sink(_)) =>
        {
            2
        }
        (Some(RunError::Source(error)), _) => of_source(error),
        (Some(RunError::Busy { .. } | RunError::Sink(SinkError::Fenced)), _) => 5,
        (Some(RunError::Lane(LaneError::Sink { error: SinkError::Fenced, .. })), _) => 5,
        (_, Some(MigrateError::Locked { .. })) => 5,
        (_, Some(MigrateError::Failed { .. } | MigrateError::Sink(_))) => 1,
        (_, Some(_)) => 2,
        _ => 1,
    }
}

/// A plan that does not fit is wrong; a server that is away is not.
fn of_resolving(error: &ResolveError) -> u8 {
    match error {
        ResolveError::Problems(_) => 2,
        ResolveError::Source(error) => of_source(error),
        ResolveError::Sink(SinkError::Session(SessionError::Url(_))) => 2,
        ResolveError::Sink(_) => 1,
    }
}

/// A file that cannot be read, or a login or a name that is wrong, is for a person; the rest may pass.
fn of_source(error: &SourceError) -> u8 {
    let SourceError::Server { sqlstate, .. } = error else { return 2 };
    let wrong =
        |code: &String| ["28", "3D", "3F", "42"].iter().any(|class| code.starts_with(class));
    if sqlstate.as_ref().is_some_and(wrong) { 2 } else { 1 }
}

/// Wrong usage that clap cannot see.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Usage(pub(crate) String);

/// The environment, as configuration reads it.
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

pub(crate) fn load(path: &Path) -> anyhow::Result<Plan> {
    Ok(config::load(path, &environment)?)
}

/// Which database, for commands that have no pipeline file.
#[derive(Args, Clone, Copy)]
pub(crate) struct Where {
    /// Whose DB_* defaults and password variable count where DATABASE_URL is not set.
    #[arg(long, value_enum, global = true)]
    pub(crate) environment: Option<Environment>,
}

impl Where {
    pub(crate) fn server(self) -> anyhow::Result<Server> {
        address::server(self.environment, &environment).map_err(|error| match error {
            AddressError::Session(error) => SinkError::from(error).into(),
            AddressError::Missing => Usage(error.to_string()).into(),
        })
    }
}

pub(crate) fn server(plan: &Plan) -> anyhow::Result<Server> {
    Ok(Server::parse(&plan.target.url.0).map_err(SinkError::from)?)
}

/// Puts the ledger in place.
pub(crate) async fn ensure_ledger(server: &Server) -> anyhow::Result<()> {
    let mut session = server.connect("millstream").await.map_err(SinkError::from)?;
    if !ledger::exists(&session.client).await? {
        migrate_files::log::forget(&session.client, "millstream").await?;
    }
    let migrations = migrate_files::load("millstream", None)?;
    let (set, options) = (("millstream", migrations.as_slice()), migrate_files::Options::default());
    migrate_files::up(&mut session.client, set, options, &mut Journal::silent()).await?;
    Ok(())
}

/// For commands that only make sense where something was loaded.
pub(crate) async fn need_ledger(server: &Server) -> anyhow::Result<()> {
    let session = server.connect("millstream").await.map_err(SinkError::from)?;
    if ledger::exists(&session.client).await? {
        return Ok(());
    }
    let message = format!("nothing was loaded into {} yet: run backfill first", server.describe());
    Err(Usage(message).into())
}

/// Results go to stdout; everything else to stderr.
pub(crate) fn print(report: &Report, common: Common) -> anyhow::Result<()> {
    write_out(&report.render(common.format))
}

pub(crate) fn write_out(text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        // `| head` closed the pipe: it has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

pub(crate) fn write_page(report: &Report, path: Option<&PathBuf>) -> anyhow::Result<()> {
    if let Some(path) = path {
        std::fs::write(path, report.html())
            .map_err(|error| anyhow::anyhow!("the report {}: {error}", path.display()))?;
    }
    Ok(())
}
