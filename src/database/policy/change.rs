//! Wanted against found, and the statements that make the one out of the other. Touches nothing.

use serde_json::json;

use crate::config::policy::{
    Compress, Order, Refresh, Retain, Rollup as WantedRollup, Span, TablePolicy,
};
use crate::database::edition::Kind;
use crate::schema::{TableName, quote};

use super::found::{Job, Rollup, Table};
use super::{Drift, Setting, has_jobs, literal, regclass};

const NEEDS_TIMESCALE: &str = "needs TimescaleDB";
const NEEDS_COMMUNITY: &str = "needs Community";

/// A setting that is as wanted, to be changed where it is not.
fn setting(object: &TableName, name: &str, wanted: String, found: String) -> Setting {
    Setting {
        object: object.clone(),
        name: name.to_owned(),
        wanted,
        found,
        drift: Drift::No,
        sql: Vec::new(),
        note: String::new(),
        drops: false,
    }
}

/// The settings of a table, but for its indexes.
pub fn of_table(wanted: &TablePolicy, found: &Table, kind: Kind) -> Vec<Setting> {
    if !found.exists {
        let mut missing =
            setting(&wanted.name, "table", "a table".to_owned(), "no such table".to_owned());
        missing.drift = Drift::Yes;
        missing.note = "apply the migration set: `millstream migrate up --set …`".to_owned();
        return vec![missing];
    }
    let mut settings = Vec::new();
    if let Some(chunk) = wanted.chunk {
        settings.push(chunk_interval(&wanted.name, chunk, found, kind));
    }
    if let Some(compress) = &wanted.compress {
        settings.push(compression(&wanted.name, compress, found, kind));
        settings.push(compression_job(&wanted.name, compress, found, kind));
    }
    if let Some(retain) = wanted.retain {
        settings.push(retention(&wanted.name, retain, found, kind));
    }
    leave_alone(&mut settings, found.loading.as_ref());
    settings
}

/// While a table is loaded nothing of it moves.
pub(super) fn leave_alone(settings: &mut [Setting], loading: Option<&String>) {
    let Some(who) = loading else { return };
    for setting in settings.iter_mut().filter(|setting| setting.drift == Drift::Yes) {
        setting.drift = Drift::Busy(format!("left alone: {who}"));
        setting.sql.clear();
    }
}

fn chunk_interval(name: &TableName, wanted: Span, found: &Table, kind: Kind) -> Setting {
    let text = found.chunk.as_deref();
    let shown = text.map_or("no hypertable".to_owned(), printed);
    let mut item = setting(name, "chunk", wanted.to_string(), shown);
    if kind == Kind::Plain {
        item.drift = Drift::NotHere(NEEDS_TIMESCALE);
    } else if text.is_none() {
        item.drift = Drift::Yes;
        item.note =
            "it is no hypertable: `millstream migrate adopt --set …` makes it one".to_owned();
    } else if !same(wanted, text) {
        item.drift = Drift::Yes;
        let name = regclass(name);
        item.sql = vec![format!("select set_chunk_time_interval({name}, interval '{wanted}')")];
        item.note = format!("holds for new chunks; {} keep their width", found.chunks);
    }
    item
}

fn compression(name: &TableName, wanted: &Compress, found: &Table, kind: Kind) -> Setting {
    let mut item = setting(
        name,
        "compress",
        described(&wanted.segment_by, &wanted.order_by),
        match &found.compression {
            Some((segment, order)) => described(segment, order),
            None => "off".to_owned(),
        },
    );
    if not_here(&mut item, found, kind) || item.wanted == item.found {
        return item;
    }
    item.drift = Drift::Yes;
    let columns =
        |names: &mut dyn Iterator<Item = String>| literal(&names.collect::<Vec<_>>().join(", "));
    let segment = columns(&mut wanted.segment_by.iter().map(|name| quote(name)));
    let order = columns(&mut wanted.order_by.iter().map(|order| {
        let text = order.to_string();
        text.replacen(&order.column, &quote(&order.column), 1)
    }));
    item.sql = vec![format!(
        "alter table {} set (timescaledb.compress, timescaledb.compress_segmentby = {segment}, \
         timescaledb.compress_orderby = {order})",
        name.quoted()
    )];
    if found.compressed > 0 {
        let count = found.compressed;
        item.note = format!("holds for chunks compressed from now on; {count} stay as they are");
    }
    item
}

fn compression_job(name: &TableName, wanted: &Compress, found: &Table, kind: Kind) -> Setting {
    let every = wanted.every;
    let text = format!("after {}{}", wanted.after, every_text(every));
    let shown = found.compress.as_ref().map(|job| {
        let shown = every.map_or(String::new(), |_| format!(", every {}", printed(&job.every)));
        format!("after {}{shown}{}", age(job), paused(job))
    });
    let mut item = setting(name, "compress after", text, shown.unwrap_or("no job".to_owned()));
    if not_here(&mut item, found, kind) {
        return item;
    }
    let schedule =
        every.map_or(String::new(), |e| format!(", schedule_interval => interval '{e}'"));
    match &found.compress {
        Some(job) if same(wanted.after, job.age.as_deref()) && runs(job, every) => {}
        Some(job) => {
            item.drift = Drift::Yes;
            let config = json!({ "compress_after": wanted.after.to_string() });
            item.sql = vec![alter_job(job, &config.to_string(), &schedule)];
        }
        None => {
            item.drift = Drift::Yes;
            item.sql = vec![format!(
                "select add_compression_policy({}, compress_after => interval '{}'{schedule})",
                regclass(name),
                wanted.after
            )];
        }
    }
    item
}

fn retention(name: &TableName, wanted: Retain, found: &Table, kind: Kind) -> Setting {
    let text = match wanted {
        Retain::Forever => "forever".to_owned(),
        Retain::For(span) => span.to_string(),
    };
    let job = found.retain.as_ref();
    let shown = job.map_or("forever".to_owned(), |job| format!("{}{}", age(job), paused(job)));
    let mut item = setting(name, "retain", text, shown);
    if !has_jobs(kind) {
        item.found = "no jobs".to_owned();
        item.drift = Drift::NotHere("`maintain` does it");
        return item;
    }
    if not_here(&mut item, found, kind) {
        return item;
    }
    match (wanted, job) {
        (Retain::Forever, None) => {}
        (Retain::Forever, Some(_)) => {
            item.drift = Drift::Yes;
            item.sql = vec![format!("select remove_retention_policy({})", regclass(name))];
        }
        (Retain::For(span), Some(job)) if same(span, job.age.as_deref()) && job.scheduled => {}
        (Retain::For(span), Some(job)) => {
            item.drift = Drift::Yes;
            let before = job.age.as_deref().and_then(|text| text.parse::<Span>().ok());
            // Longer than what already runs drops nothing that would not go anyway.
            let longer = before.is_some_and(|before| span.about_us() >= before.about_us());
            item.drops = !(longer && job.scheduled);
            let config = json!({ "drop_after": span.to_string() });
            item.sql = vec![alter_job(job, &config.to_string(), "")];
        }
        (Retain::For(span), None) => {
            item.drift = Drift::Yes;
            item.drops = true;
            let name = regclass(name);
            item.sql = vec![format!(
                "select add_retention_policy({name}, drop_after => interval '{span}')"
            )];
        }
    }
    item
}

/// The settings of a rollup. `source` is what the file wants of the table it sums up.
pub fn of_rollup(
    wanted: &WantedRollup,
    found: &Rollup,
    (source, kind): (Option<&TablePolicy>, Kind),
) -> Vec<Setting> {
    let view = &wanted.view;
    if found.kind.is_none() {
        let mut missing = setting(view, "view", "a view".to_owned(), "no such view".to_owned());
        missing.drift = Drift::Yes;
        missing.note = "apply the migration set: `millstream migrate up --set …`".to_owned();
        return vec![missing];
    }
    let Some(refresh) = wanted.refresh else { return Vec::new() };
    let shown = found.refresh.as_ref().map_or("no job".to_owned(), |job| {
        let (from, to) = (job.age.as_deref().map(printed), job.end.as_deref().map(printed));
        let window = window(from, to);
        format!("{window}, every {}{}", printed(&job.every), paused(job))
    });
    let text = window(refresh.from.map(|s| s.to_string()), refresh.to.map(|s| s.to_string()));
    let text = format!("{text}{}", every_text(Some(refresh.every)));
    let mut item = setting(view, "refresh", text, shown);
    if !has_jobs(kind) || found.source.is_none() {
        item.found = "a materialized view".to_owned();
        item.drift = Drift::NotHere("`maintain` does it");
        return vec![item];
    }
    let as_wanted = found.refresh.as_ref().is_some_and(|job| {
        let (from, to) = (job.age.as_deref(), job.end.as_deref());
        refresh.from.map_or(from.is_none(), |span| same(span, from))
            && refresh.to.map_or(to.is_none(), |span| same(span, to))
            && runs(job, Some(refresh.every))
    });
    if !as_wanted {
        item.drift = Drift::Yes;
        match emptied(&refresh, source) {
            Some(why) => item.note = why,
            None => item.sql = vec![refresh_sql(view, &refresh, found.refresh.as_ref())],
        }
    }
    let mut settings = vec![item];
    leave_alone(&mut settings, found.loading.as_ref());
    settings
}

/// A refresh over a time whose rows retention has dropped empties the rollup there.
fn emptied(refresh: &Refresh, source: Option<&TablePolicy>) -> Option<String> {
    let Some(Retain::For(kept)) = source.and_then(|table| table.retain) else { return None };
    let beyond = refresh.from.is_none_or(|from| from.about_us() > kept.about_us());
    beyond.then(|| {
        format!(
            "not done: the window reaches behind the rows, which are kept for {kept}; a refresh \
             would empty the rollup there. Make refresh.from no longer than that"
        )
    })
}

fn refresh_sql(view: &TableName, refresh: &Refresh, job: Option<&Job>) -> String {
    let every = refresh.every;
    match job {
        Some(job) => {
            let mut config = serde_json::Map::new();
            let ends =
                [("start_offset", refresh.from, &job.age), ("end_offset", refresh.to, &job.end)];
            for (key, wanted, found) in ends {
                if wanted.map_or(found.is_some(), |span| !same(span, found.as_deref())) {
                    config.insert(key.to_owned(), json!(wanted.map(|span| span.to_string())));
                }
            }
            let schedule = format!(", schedule_interval => interval '{every}'");
            alter_job(job, &serde_json::Value::Object(config).to_string(), &schedule)
        }
        None => {
            let offset = |span: Option<Span>| {
                span.map_or("null".to_owned(), |span| format!("interval '{span}'"))
            };
            format!(
                "select add_continuous_aggregate_policy({}, start_offset => {}, \
                 end_offset => {}, schedule_interval => interval '{every}')",
                regclass(view),
                offset(refresh.from),
                offset(refresh.to)
            )
        }
    }
}

/// Keeps the job, its history and the rest of its configuration.
fn alter_job(job: &Job, config: &str, schedule: &str) -> String {
    let Job { id, .. } = job;
    let config = literal(config);
    format!(
        "select alter_job({id}{schedule}, scheduled => true, config => (select config || {config} \
         from timescaledb_information.jobs where job_id = {id}))"
    )
}

/// Compression and jobs need the edition and a hypertable.
fn not_here(item: &mut Setting, found: &Table, kind: Kind) -> bool {
    item.drift = match (has_jobs(kind), &found.chunk) {
        (false, _) => Drift::NotHere(NEEDS_COMMUNITY),
        (true, None) => Drift::NotHere("needs a hypertable"),
        (true, Some(_)) => return false,
    };
    true
}

fn described(segment_by: &[String], order_by: &[Order]) -> String {
    let order: Vec<String> = order_by.iter().map(Order::to_string).collect();
    let segment = if segment_by.is_empty() { "nothing".to_owned() } else { segment_by.join(", ") };
    format!("by {segment}; order {}", order.join(", "))
}

fn window(from: Option<String>, to: Option<String>) -> String {
    format!("{} to {} ago", from.unwrap_or("all".to_owned()), to.unwrap_or("nothing".to_owned()))
}

fn every_text(every: Option<Span>) -> String {
    every.map_or(String::new(), |every| format!(", every {every}"))
}

fn age(job: &Job) -> String {
    job.age.as_deref().map_or("?".to_owned(), printed)
}

fn paused(job: &Job) -> &'static str {
    if job.scheduled { "" } else { ", paused" }
}

fn same(wanted: Span, found: Option<&str>) -> bool {
    found.is_some_and(|text| text.parse() == Ok(wanted))
}

fn runs(job: &Job, every: Option<Span>) -> bool {
    job.scheduled && every.is_none_or(|every| same(every, Some(&job.every)))
}

/// The server's interval in our words, or as it is.
fn printed(text: &str) -> String {
    text.parse::<Span>().map_or_else(|()| text.to_owned(), |span| span.to_string())
}
