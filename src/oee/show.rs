//! `oee show`: stored results, summed at the level that is asked for, each rate divided from the sums.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio_postgres::{Client, Row};

use super::{OeeError, Scope, Trouble, compute, losses, need_codes, need_tables, tally, words};
use crate::observe::chart::{Bar, Bars, Chart, Trend};
use crate::observe::progress::Progress;
use crate::observe::report::{Report, Table};
use crate::sink::SinkError;
use crate::sink::session::Server;

/// What one row of the table is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Level {
    /// One unit in one shift.
    Shift,
    /// One shift date.
    Day,
    /// Monday to Sunday.
    Week,
    /// One month.
    Month,
    /// One unit over all dates.
    #[default]
    Equipment,
    /// One work center over all dates.
    Workcenter,
}

impl Level {
    /// Names of the columns that say which one, and the SQL of each.
    fn keys(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Shift => &[
                ("equipment", "coalesce(e.code, o.\"equipmentId\")"),
                ("date", "o.\"shiftDate\"::text"),
                ("shift", "coalesce(s.\"shiftCode\", o.\"shiftInstanceId\")"),
            ],
            Self::Day => &[("date", "o.\"shiftDate\"::text")],
            Self::Week => &[("week", "to_char(o.\"shiftDate\", 'IYYY-\"W\"IW')")],
            Self::Month => &[("month", "to_char(o.\"shiftDate\", 'YYYY-MM')")],
            Self::Equipment => &[("equipment", "coalesce(e.code, o.\"equipmentId\")")],
            Self::Workcenter => &[("workcenter", "coalesce(c.code, o.\"workCenterId\")")],
        }
    }
}

/// Sums of the group, and rates by the rules of a single shift.
const SUMS: &str = "count(*), \
    (case when sum(\"unknownSeconds\") < sum(\"pbtSeconds\") \
        then sum(\"aptSeconds\") / sum(\"pbtSeconds\") end)::float8, \
    (case when count(\"idealProducedSeconds\") = count(*) \
        then sum(\"idealProducedSeconds\") / nullif(sum(\"aptSeconds\"), 0) end)::float8, \
    (sum(\"goodProduced\") / nullif(sum(\"totalProduced\"), 0))::float8, \
    (case when count(\"idealGoodSeconds\") = count(*) and sum(\"unknownSeconds\") < sum(\"pbtSeconds\") \
        and (sum(\"aptSeconds\") > 0 or sum(\"totalProduced\") = 0) \
        then sum(\"idealGoodSeconds\") / sum(\"pbtSeconds\") end)::float8, \
    ((sum(\"aptSeconds\") + sum(\"unknownSeconds\")) / nullif(sum(\"pbtSeconds\"), 0))::float8, \
    min(oee), max(oee), array[sum(\"potSeconds\"), sum(\"plannedSeconds\"), sum(\"pbtSeconds\"), sum(\"aptSeconds\"), \
        sum(\"austSeconds\"), sum(\"adetSeconds\"), sum(\"adotSeconds\"), sum(\"unknownSeconds\"), \
        sum(\"idealProducedSeconds\"), sum(\"idealGoodSeconds\"), sum(\"totalProduced\"), \
        sum(\"goodProduced\")]::float8[], count(\"idealGoodSeconds\") = count(*)";

const FROM: &str = "from public.oee_calculations o \
    left join public.\"Equipment\" e on e.id = o.\"equipmentId\" \
    left join public.\"WorkCenter\" c on c.id = o.\"workCenterId\" \
    left join public.\"ShiftInstance\" i on i.id = o.\"shiftInstanceId\" \
    left join public.\"Shift\" s on s.id = i.\"shiftId\" \
    where ($1::text[] = '{}' or e.code = any($1)) and ($2::text[] = '{}' or s.\"shiftCode\" = any($2)) \
    and o.\"shiftDate\" between $3::text::date and $4::text::date";

/// Sums of one group; times in hours.
pub(super) struct Group {
    keys: Vec<String>,
    shifts: i64,
    availability: Option<f64>,
    performance: Option<f64>,
    quality: Option<f64>,
    oee: Option<f64>,
    upper: Option<f64>,
    /// Lowest and highest OEE of a shift.
    range: [Option<f64>; 2],
    /// POT, planned, PBT, APT, AUST, ADET, ADOT, unknown, ideal produced, ideal good; hours.
    hours: [Option<f64>; 10],
    produced: f64,
    good: f64,
    has_ideal: bool,
}

impl Group {
    /// OEE, availability, effectiveness, quality ratio, in percent.
    pub(super) fn rates(&self) -> [Value; 4] {
        [self.oee, self.availability, self.performance, self.quality].map(percent)
    }
}

/// Asks for the groups of a level, in the order of their names.
pub(super) async fn groups(
    client: &Client,
    scope: &Scope,
    level: &[(&str, &str)],
) -> Result<Vec<Group>, SinkError> {
    let keys: Vec<&str> = level.iter().map(|(_, sql)| *sql).collect();
    let list = keys.join(", ");
    let (select, tail) = match keys.is_empty() {
        true => (SUMS.to_owned(), "having count(*) > 0".to_owned()),
        false => {
            let order: Vec<String> = (1..=keys.len()).map(|at| at.to_string()).collect();
            let by = order.join(", ");
            (format!("{list}, {SUMS}"), format!("group by {by} order by {by}"))
        }
    };
    let (from, to) = scope.dates();
    let sql = format!("select {select} {FROM} {tail}");
    let rows = client.query(&sql, &[&scope.equipment, &scope.shifts, &from, &to]).await?;
    Ok(rows.iter().map(|row| group(row, keys.len())).collect())
}

fn group(row: &Row, keys: usize) -> Group {
    let sums: Vec<Option<f64>> = row.get(keys + 8);
    let sum = |at: usize| sums.get(at).copied().flatten();
    Group {
        keys: (0..keys).map(|at| row.get(at)).collect(),
        shifts: row.get(keys),
        availability: row.get(keys + 1),
        performance: row.get(keys + 2),
        quality: row.get(keys + 3),
        oee: row.get(keys + 4),
        upper: row.get(keys + 5),
        range: [row.get(keys + 6), row.get(keys + 7)],
        hours: std::array::from_fn(|at| sum(at).map(|seconds| seconds / 3_600.0)),
        produced: sum(10).unwrap_or(0.0),
        good: sum(11).unwrap_or(0.0),
        has_ideal: row.get(keys + 9),
    }
}

/// A rate in percent with one decimal; nothing where there is none.
fn percent(rate: Option<f64>) -> Value {
    rate.map_or(Value::Null, |rate| json!((rate * 1_000.0).round() / 10.0))
}

fn hours(value: Option<f64>) -> Value {
    value.map_or(Value::Null, |hours| json!((hours * 100.0).round() / 100.0))
}

/// A table of groups.
pub(super) fn table(title: &str, level: &[(&str, &str)], groups: &[Group]) -> Table {
    let mut columns: Vec<&str> = level.iter().map(|(name, _)| *name).collect();
    columns.extend([
        "shifts",
        "OEE %",
        "availability %",
        "effectiveness %",
        "quality %",
        "PBT h",
        "APT h",
        "unknown h",
        "produced",
        "good",
        "lowest shift %",
        "highest shift %",
    ]);
    let mut table = Table::new(title, &columns);
    for group in groups {
        let mut row: Vec<Value> = group.keys.iter().map(|key| json!(key)).collect();
        let hour = |at: usize| hours(group.hours.get(at).copied().flatten());
        row.push(json!(group.shifts));
        row.extend(group.rates());
        row.extend([hour(2), hour(3), hour(7), json!(group.produced), json!(group.good)]);
        row.extend(group.range.map(percent));
        table.push(row);
    }
    table
}

/// Where the planned operation time went; each loss hangs where what is left ends.
fn waterfall(all: &Group) -> Option<Chart> {
    let hour = |at: usize| all.hours.get(at).copied().flatten().unwrap_or(0.0);
    let mut bars = vec![
        ("POT, planned operation time".to_owned(), hour(0), false),
        ("− planned downtime".to_owned(), hour(1), true),
        ("PBT, planned busy time".to_owned(), hour(2), false),
    ];
    for (name, at) in
        [("− no order (ADOT)", 6), ("− delay (ADET)", 5), ("− setup (AUST)", 4), ("− unknown", 7)]
    {
        bars.push((name.to_owned(), hour(at), true));
    }
    bars.push(("APT, production time".to_owned(), hour(3), false));
    if all.has_ideal {
        bars.push(("− speed".to_owned(), hour(3) - hour(8), true));
        bars.push(("Σ PRI×PQ, ideal time of all".to_owned(), hour(8), false));
        bars.push(("− scrap and rework".to_owned(), hour(8) - hour(9), true));
        bars.push(("Σ PRI×GQ, productive time".to_owned(), hour(9), false));
    }
    // A loss begins where what is left after it ends.
    let mut left = 0.0;
    let placed = bars.into_iter().map(|(label, length, loss)| {
        left = if loss { left - length } else { length };
        Bar { label, from: if loss { left.max(0.0) } else { 0.0 }, length, loss }
    });
    let bars: Vec<Bar> = placed.collect();
    (hour(0) > 0.0).then(|| {
        Chart::Bars(Bars {
            title: "From planned to productive time".to_owned(),
            unit: "h".to_owned(),
            bars,
        })
    })
}

/// OEE and its factors, by the day.
fn trend(days: &[Group]) -> Option<Chart> {
    let values = |of: fn(&Group) -> Option<f64>| -> Vec<Option<f64>> {
        days.iter().map(|day| of(day).map(|rate| rate * 100.0)).collect()
    };
    (days.len() > 1).then(|| {
        Chart::Trend(Trend {
            title: "Trend by day".to_owned(),
            unit: "%".to_owned(),
            labels: days.iter().filter_map(|day| day.keys.first().cloned()).collect(),
            lines: vec![
                ("OEE".to_owned(), values(|day| day.oee)),
                ("availability".to_owned(), values(|day| day.availability)),
                ("effectiveness".to_owned(), values(|day| day.performance)),
                ("quality".to_owned(), values(|day| day.quality)),
            ],
        })
    })
}

const FLAGS: &str = "select flag, count(*), count(distinct o.\"equipmentId\")";

async fn flags(client: &Client, scope: &Scope) -> Result<Table, SinkError> {
    let mut table = Table::new("Flags", &["flag", "shifts", "units", "meaning"]);
    let (from, to) = scope.dates();
    let joined = FROM.replacen(
        "public.oee_calculations o",
        "public.oee_calculations o \
        cross join lateral unnest(array_remove(o.flags, null)) flag",
        1,
    );
    let sql = format!("{FLAGS} {joined} group by 1 order by 2 desc, 1");
    for row in client.query(&sql, &[&scope.equipment, &scope.shifts, &from, &to]).await? {
        let name: String = row.get(0);
        let (shifts, units): (i64, i64) = (row.get(1), row.get(2));
        let meaning = words::flag(&name);
        table.push(vec![json!(name), json!(shifts), json!(units), json!(meaning)]);
    }
    Ok(table)
}

/// What `oee show` has to tell. `losses`: also where the time went, read from the history itself.
///
/// Errors: the server; the set is not there; a code that no row has.
pub async fn run(
    server: &Server,
    scope: &Scope,
    (level, with_losses): (Level, bool),
) -> Result<Report, OeeError> {
    let session = server.connect("millstream oee show").await?;
    let client = &session.client;
    need_tables(client).await?;
    need_codes(client, scope).await?;
    let mut report = Report::new(format!("OEE in {}", server.describe()));
    let groups = groups(client, scope, level.keys()).await?;
    report.tables.push(table("Results", level.keys(), &groups));
    let all = self::groups(client, scope, &[]).await?;
    let Some(all) = all.first() else {
        report.note("No results: run `millstream oee compute` first, or ask for other dates.");
        return Ok(report);
    };
    report.tables.push(table("Total", &[], std::slice::from_ref(all)));
    if all.upper > all.availability {
        let upper = all.upper.map_or(String::new(), |upper| format!("{:.1}", upper * 100.0));
        report.note(format!(
            "Of some planned time nothing is known: the availability is at least what the table says, and \
             at most {upper} %."
        ));
    }
    report.tables.push(flags(client, scope).await?);
    report.charts.extend(waterfall(all));
    report.charts.extend(trend(&self::groups(client, scope, Level::Day.keys()).await?));
    if with_losses {
        let (table, chart, troubles) = losses::pareto(client, scope).await?;
        for Trouble { place, why } in troubles {
            report.note(format!("The losses are without {place}: {why}"));
        }
        report.tables.push(table);
        report.charts.extend(chart);
    }
    Ok(report)
}

/// Runs `oee compute` and tells what came of it. 1 as outcome `failed` when a shift could not be computed.
///
/// Errors: the server; the set is not there; a code that no row has; another run.
pub async fn compute(
    server: &Server,
    request: &compute::Request,
    progress: &Arc<Progress>,
) -> Result<Report, OeeError> {
    let done = compute::run(server, request, progress).await;
    progress.finish();
    let done = done?;
    let session = server.connect("millstream oee").await?;
    let level = Level::Equipment.keys();
    let groups = groups(&session.client, &request.scope, level).await?;
    let rates = groups.iter().filter_map(|group| Some((group.keys.first()?.as_str(), group)));
    Ok(tally::report(server, request, &done, &rates.collect()))
}
