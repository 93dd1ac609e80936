//! What a run, a check or a verification has to tell, as a report.

use serde_json::json;

use super::backfill::{Outcome, TableOutcome};
use super::job::Job;
use super::resolve::Resolved;
use super::verify::Verified;
use crate::batch::{Counts, hex};
use crate::config::plan::{From, Plan};
use crate::observe::progress::{Summary, peak_rss_bytes};
use crate::observe::report::{Plot, Report, Table};
use crate::schema::Comparison;
use crate::sink::debt::Debt;
use crate::sink::fingerprint::NO_TIME;
use crate::transform::clock;

/// The report of a run. `rejected`: target table, reason, column, rows.
pub fn of_run(
    plan: &Plan,
    outcome: &Outcome,
    rejected: &[(String, String, String, i64)],
    figures: &Summary,
) -> Report {
    let mut report = Report::new(format!("backfill {}", plan.name));
    let mut rows = Table::new(
        "Source tables",
        &[
            "source",
            "read",
            "used",
            "duplicate",
            "filtered",
            "rejected",
            "held",
            "target",
            "landed",
        ],
    );
    let mut total = Counts::default();
    for TableOutcome { job, counts, .. } in &outcome.tables {
        total += *counts;
        rows.push(count_row(&job.source.label, counts, &job.target.name.to_string()));
    }
    if outcome.tables.len() > 1 {
        rows.push(count_row("(all)", &total, ""));
    }
    report.tables.push(rows);
    let mut reasons = Table::new("Rejected rows", &["target", "reason", "column", "rows"]);
    for (table, reason, column, count) in rejected {
        reasons.push(vec![json!(table), json!(reason), json!(column), json!(count)]);
    }
    report.tables.push(reasons);
    let mut dangling = Table::new("Dangling references", &["table", "foreign key", "rows"]);
    for table in &outcome.tables {
        for (key, count) in &table.dangling {
            dangling.push(vec![json!(table.job.target.name.to_string()), json!(key), json!(count)]);
        }
    }
    report.tables.push(dangling);
    let mut findings = Table::new("Findings", &["what", "rows", "for example"]);
    for (name, rows, example) in &outcome.findings {
        match rows {
            Ok(0) => {}
            Ok(rows) => findings.push(vec![json!(name), json!(rows), json!(example)]),
            Err(why) => report.note(format!("finding `{name}` could not be looked for: {why}")),
        }
    }
    report.tables.push(findings);
    let rate = figures.counts.read as f64 / figures.seconds.max(0.001);
    report.fact("rows_this_run", figures.counts.read);
    report.fact("seconds", rounded(figures.seconds));
    report.fact("rows_per_s", rate.round());
    if figures.counts.read > 0 {
        for (stage, ns) in ["read", "transform", "write"].iter().zip(figures.ns_per_row) {
            report.fact(&format!("ns_per_row_{stage}"), ns.round());
        }
    }
    report.fact("commit_ms_p50", rounded(figures.commit_ms.0));
    report.fact("commit_ms_p99", rounded(figures.commit_ms.1));
    report.fact("restarts", figures.restarts);
    report.fact("peak_rss_bytes", peak_rss_bytes());
    report.fact("tzdb", clock::tzdb_version());
    report.plots.push(Plot {
        title: "Rows read".to_owned(),
        x: "s".to_owned(),
        y: "rows".to_owned(),
        points: figures.curve.iter().map(|(at, rows)| (*at, *rows as f64)).collect(),
    });
    let open = rejected.iter().map(|(_, _, _, rows)| u64::try_from(*rows).unwrap_or(0)).sum();
    tell(&mut report, plan, outcome, (open, total.read));
    report
}

fn count_row(source: &str, counts: &Counts, target: &str) -> Vec<serde_json::Value> {
    vec![
        json!(source),
        json!(counts.read),
        json!(counts.used),
        json!(counts.duplicate),
        json!(counts.filtered),
        json!(counts.rejected),
        json!(counts.held),
        json!(target),
        json!(counts.made),
    ]
}

fn tell(report: &mut Report, plan: &Plan, outcome: &Outcome, (open, read): (u64, u64)) {
    let balance = super::backfill::imbalance(outcome);
    if balance.is_empty() {
        report.note("balance: every row read is accounted for, and every row made has landed");
    } else {
        worsen(report, "unbalanced");
        balance.iter().for_each(|line| report.note(format!("BALANCE: {line}")));
    }
    outcome.told.iter().for_each(|line| report.note(line.clone()));
    for line in &outcome.unpaid {
        worsen(report, "unpaid");
        report.note(format!("owed: {line}; the next command tries again"));
    }
    if open > 0 && plan.limits.rejected.accepts(open, read) {
        let file = plan.file.display();
        report.note(format!("{open} rows are set aside: `millstream dead-letter list {file}`"));
    }
    if !plan.limits.rejected.accepts(open, read) {
        worsen(report, "rejected");
        report.note(format!(
            "{open} rows are set aside, more than [limits] rejected allows; `millstream dead-letter list {}` \
             shows them, `dead-letter replay` loads them after a fix",
            plan.file.display()
        ));
    }
    if outcome.stopped {
        worsen(report, "stopped");
        report.note("stopped on request; the same command goes on from here");
    }
}

/// The worst thing that happened names the outcome.
fn worsen(report: &mut Report, outcome: &str) {
    const BAD_TO_WORSE: [&str; 5] = ["done", "unpaid", "rejected", "stopped", "unbalanced"];
    let rank = |name: &str| BAD_TO_WORSE.iter().position(|known| *known == name);
    if rank(outcome) > rank(&report.outcome) {
        report.outcome = outcome.to_owned();
    }
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The number of a source's rows, marked where it is an estimate.
fn rows_of(job: &Job) -> serde_json::Value {
    match job.source.estimated {
        true => json!(format!("about {}", job.row_count)),
        false => json!(job.row_count),
    }
}

/// The report of a check: what will run, and how; with what earlier loads still owe.
pub fn of_check(plan: &Plan, resolved: &Resolved, (edition, owed): (&str, &[Debt])) -> Report {
    let mut report = Report::new(format!("{}: {edition}", plan.name));
    let mut tables =
        Table::new("Tables", &["source", "rows", "key", "target", "written by", "because"]);
    let mut columns = Table::new("Columns", &["target", "column", "type", "from", "compared"]);
    for job in &resolved.jobs {
        tables.push(vec![
            json!(job.source.label),
            rows_of(job),
            json!(job.source.key.join(", ")),
            json!(job.target.name.to_string()),
            json!(job.strategy.name()),
            json!(job.reason),
        ]);
        for field in &job.mapping().fields {
            let compared = match field.ty.comparison() {
                Comparison::Bit => "bit for bit",
                Comparison::Value => "by value",
                Comparison::None => "not",
            };
            columns.push(vec![
                json!(job.target.name.to_string()),
                json!(field.column),
                json!(field.ty.sql()),
                json!(field.from.as_deref().unwrap_or("(constant)")),
                json!(compared),
            ]);
        }
    }
    report.tables.push(tables);
    report.tables.push(columns);
    let mut sampled =
        Table::new("Would be set aside (in a sample)", &["target", "column", "reason", "rows"]);
    for (table, column, reason, rows) in &resolved.sampled {
        sampled.push(vec![json!(table), json!(column), json!(reason.code()), json!(rows)]);
    }
    report.tables.push(sampled);
    for job in &resolved.jobs {
        if !job.create.is_empty() {
            report.note(format!("will be made:\n{};", job.create.join(";\n")));
        }
        if !job.left_behind.is_empty() {
            let columns = job.left_behind.join(", ");
            report.note(format!("left behind in {}: {columns}", job.source.label));
        }
        let suspended: Vec<&str> = job
            .target
            .foreign_keys
            .iter()
            .filter(|key| !key.validated)
            .map(|key| key.name.as_str())
            .collect();
        if !suspended.is_empty() {
            report.note(format!(
                "{}: not valid foreign keys are put back after the load: {}",
                job.target.name,
                suspended.join(", ")
            ));
        }
    }
    for debt in owed {
        report.note(format!("owed by `{}`: {debt}; the next backfill pays it", debt.pipeline));
    }
    if !resolved.left_behind.is_empty() {
        report.note(unnamed(resolved));
    }
    if !resolved.problems.list.is_empty() {
        report.note(resolved.problems.to_string());
    }
    report
}

/// Tables that may have been forgotten.
fn unnamed(resolved: &Resolved) -> String {
    let queries = resolved.jobs.iter().any(|job| matches!(job.plan.from, From::Query { .. }));
    let but = if queries { " (a query may read them)" } else { "" };
    format!("source tables that no [[table]] names{but}: {}", resolved.left_behind.join(", "))
}

/// The report of a verification.
pub fn of_verification(plan: &Plan, verified: &[Verified]) -> Report {
    let mut report = Report::new(format!("verify {}", plan.name));
    let mut tables = Table::new(
        "Tables",
        &["table", "by", "rows sent", "rows found", "buckets", "fingerprint", "result"],
    );
    let mut differences =
        Table::new("Differences", &["table", "bucket", "rows sent", "rows found"]);
    for table in verified {
        let fingerprint = hex(&table.fingerprint.to_be_bytes());
        tables.push(vec![
            json!(table.table),
            json!(table.method),
            json!(table.expected),
            json!(table.found),
            json!(table.buckets),
            json!(if table.method == "key" { "" } else { fingerprint.as_str() }),
            json!(if table.holds() { "verified" } else { "DIFFERS" }),
        ]);
        for difference in &table.differences {
            let bucket = match difference.bucket {
                NO_TIME => "(all)".to_owned(),
                start => clock::format_utc(start),
            };
            differences.push(vec![
                json!(table.table),
                json!(bucket),
                json!(difference.expected.n),
                json!(difference.found.n),
            ]);
        }
    }
    report.tables.push(tables);
    report.tables.push(differences);
    let source_alone = verified.iter().all(|table| table.holds() || table.method == "source");
    if verified.iter().all(Verified::holds) {
        report.note("verified: the tables hold what was sent, every row and every compared column");
    } else if source_alone {
        report.outcome = "differs".to_owned();
        report.note(
            "the tables hold what was sent, but the SOURCE is no longer what it was: rows that were loaded \
             have changed there",
        );
    } else {
        report.outcome = "differs".to_owned();
        report.note(
            "NOT verified: rows were changed, deleted or added behind the ledger's back; the buckets above \
             say when",
        );
    }
    report
}
