//! `millstream migrate adopt`

use std::time::Duration;

use millstream::database::adopt::{self, Adopted, Kept};
use millstream::database::inventory::Difference;
use millstream::database::migrate;
use millstream::database::migrate::journal::{Journal, Level};
use millstream::observe::report::{Report, Table};
use millstream::sink::session::{Server, Session};
use serde_json::json;

use super::super::{Common, Ended, print, write_page};
use super::Arguments;

/// What may be asked.
#[derive(clap::Args)]
pub(crate) struct Adopt {
    /// The set, whose files can be run on tables that are there: ms5.
    #[arg(long)]
    set: String,
    /// Only compare, and name what differs.
    #[arg(long)]
    dry_run: bool,
    /// A table with more rows is not made a hypertable in one transaction.
    #[arg(long, default_value_t = 50_000_000, value_parser = clap::value_parser!(i64).range(1..))]
    rows_max: i64,
    /// Seconds to wait for another runner; 0 leaves at once.
    #[arg(long, default_value_t = 30)]
    wait: u64,
    /// Write the report as a page.
    #[arg(long)]
    html: Option<std::path::PathBuf>,
}

pub(super) async fn run(
    arguments: &Arguments,
    asked: &Adopt,
    (server, session): (&Server, &mut Session),
    common: Common,
) -> anyhow::Result<Ended> {
    let migrations = migrate::load(&asked.set, arguments.dir.as_deref())?;
    let environment = arguments.place.environment.map(|environment| environment.name());
    let folder = arguments.state_dir.join("logs/migrations");
    let name = format!("adopt_{}", environment.unwrap_or("default"));
    let mut journal = match asked.dry_run {
        true => Journal::silent(),
        false => Journal::open(&folder, &name, common.verbose > 0),
    };
    let options = adopt::Options {
        environment,
        dry_run: asked.dry_run,
        wait: Duration::from_secs(asked.wait),
        rows_max: asked.rows_max,
    };
    let set = (asked.set.as_str(), migrations.as_slice());
    let adopted = adopt::adopt((server, &mut session.client), set, options, &mut journal).await;
    let adopted = adopted.inspect_err(|error| journal.keep(Level::Error, &error.to_string()))?;
    let mut report = describe(&adopted, asked.dry_run);
    report.title = format!("{} by set {}", server.describe(), asked.set);
    print(&report, common)?;
    write_page(&report, asked.html.as_ref())?;
    Ok(if report.outcome == "done" { Ended::DONE } else { Ended::with(4) })
}

fn describe(adopted: &Adopted, dry_run: bool) -> Report {
    let mut report = Report::new("");
    report.tables.push(differences(adopted, dry_run));
    // Its rows were compared in the transaction that made it one.
    let converted = |table: &str| adopted.converted.iter().any(|made| made.table == table);
    let mut rows = Table::new("Rows", &["table", "before", "now", "of before"]);
    for Kept { table, before, after, gone } in &adopted.kept {
        let verdict = match gone {
            Some(0) if before == after => "the same".to_owned(),
            Some(0) => "all there, others added".to_owned(),
            Some(n) => format!("{n} changed or gone"),
            None if after.count > before.count && converted(table) => {
                "the same when it was made a hypertable; others came since".to_owned()
            }
            None => "the sum differs".to_owned(),
        };
        rows.push(vec![json!(table), json!(before.count), json!(after.count), json!(verdict)]);
    }
    report.tables.push(rows);
    report.fact("differences_before", adopted.before.len());
    if dry_run {
        report.note("nothing was changed: the same command without --dry-run adopts");
        return report;
    }
    let left: Vec<_> = adopted.after.iter().filter(|left| left.word() != "extra").collect();
    report.fact("hypertables_made", adopted.converted.len());
    report.fact("differences_now", left.len());
    let lost = adopted.kept.iter().any(|kept| {
        kept.gone.is_none() && !(kept.after.count > kept.before.count && converted(&kept.table))
    });
    let changed: i64 = adopted.kept.iter().filter_map(|kept| kept.gone).sum();
    report.fact("rows_changed", changed);
    if !left.is_empty() || lost {
        report.outcome = "failed".to_owned();
    }
    for (table, age) in &adopted.paused {
        report.note(format!(
            "retention of {table} is off: it would drop rows older than {age} that were there. \
             `millstream policy apply --accept-loss` puts it on"
        ));
    }
    for difference in left {
        let (kind, object) = &difference.object;
        let there = difference.there.as_deref().unwrap_or("not there");
        let set = difference.set.as_deref().unwrap_or_default();
        report.note(format!("{kind} {object}: {there}; the set has: {set}"));
    }
    if lost {
        report
            .note("a table changed while it was adopted: stop what writes to it, and adopt again");
    }
    if changed > 0 {
        report.note(
            "rows that changed are those the set fills in (docs/ms5.md), or somebody is at work",
        );
    }
    report
}

/// Each object that differed, and how it stands now.
fn differences(adopted: &Adopted, dry_run: bool) -> Table {
    let mut table = Table::new("Differences", &["kind", "object", "found", "now"]);
    let now = |difference: &Difference| {
        let left = adopted.after.iter().find(|left| left.object == difference.object);
        match (dry_run, left.map(Difference::word), difference.word()) {
            (true, ..) => "",
            (_, _, "extra") if left.is_some() => "kept",
            (_, None, "extra") => "replaced",
            (_, None, _) => "as in the set",
            (_, Some(word), _) => word,
        }
    };
    for difference in &adopted.before {
        let (kind, object) = &difference.object;
        table.push(vec![
            json!(kind),
            json!(object),
            json!(difference.word()),
            json!(now(difference)),
        ]);
    }
    table
}
