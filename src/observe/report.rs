//! One model for everything that is told at the end: titled tables, plots and notes, shown on a terminal,
//! as JSON, or as one HTML page without outside assets.

use std::fmt::Write as _;

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table as Grid, presets};
use serde_json::{Map, Value, json};

use super::chart::{self, Chart};

/// Everything that a command has to tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Its headline.
    pub title: String,
    /// One word on how it went: `done`, `rejected`, `failed` …
    pub outcome: String,
    /// Single facts: a name and a value.
    pub facts: Vec<(String, Value)>,
    /// Tables.
    pub tables: Vec<Table>,
    /// Curves.
    pub plots: Vec<Plot>,
    /// Bars and trends.
    pub charts: Vec<Chart>,
    /// Sentences.
    pub notes: Vec<String>,
}

/// A titled table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it shows; its key in JSON is the title in snake case.
    pub title: String,
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Rows of as many values.
    pub rows: Vec<Vec<Value>>,
    /// On a terminal the last column stands below the one before it, wrapped: for sentences that most
    /// rows have not.
    pub folded: bool,
}

impl Table {
    /// An empty table.
    pub fn new(title: &str, columns: &[&str]) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { title: title.to_owned(), columns, ..Self::default() }
    }

    /// As CSV with a line of names, quoted as RFC 4180 has it; numbers as they are, nothing for null.
    pub fn csv(&self) -> String {
        let field = |text: &str| match text.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", text.replace('"', "\"\"")),
            false => text.to_owned(),
        };
        let line = |cells: Vec<String>| format!("{}\r\n", cells.join(","));
        let mut out = line(self.columns.iter().map(|column| field(column)).collect());
        for row in &self.rows {
            let cells = row.iter().map(|value| match value {
                Value::Null => String::new(),
                Value::String(text) => field(text),
                other => field(&other.to_string()),
            });
            out.push_str(&line(cells.collect()));
        }
        out
    }

    /// Adds a row.
    pub fn push(&mut self, row: Vec<Value>) {
        self.rows.push(row);
    }
}

/// A curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Plot {
    /// What it shows.
    pub title: String,
    /// Name and unit of the horizontal axis.
    pub x: String,
    /// Name and unit of the vertical axis.
    pub y: String,
    /// Points in order of x.
    pub points: Vec<(f64, f64)>,
}

/// How a report is written to stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a person.
    #[default]
    Text,
    /// For a machine.
    Json,
}

impl Report {
    /// A report with a headline.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), outcome: "done".to_owned(), ..Self::default() }
    }

    /// Adds a single fact.
    pub fn fact(&mut self, name: &str, value: impl Into<Value>) {
        self.facts.push((name.to_owned(), value.into()));
    }

    /// Adds a sentence.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    /// In the format asked for.
    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => format!("{:#}\n", self.json()),
        }
    }

    fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        if !self.title.is_empty() {
            line(&self.title);
        }
        for table in self.tables.iter().filter(|table| !table.rows.is_empty()) {
            line("");
            if !table.title.is_empty() {
                line(&table.title);
            }
            line(&grid(table).to_string());
        }
        for chart in &self.charts {
            line("");
            line(&chart.text());
        }
        if !self.facts.is_empty() {
            line("");
        }
        let width = self.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            line(&format!("{:width$}  {}", name.replace('_', " "), shown(value)));
        }
        if !self.notes.is_empty() {
            line("");
        }
        for note in &self.notes {
            line(note);
        }
        out
    }

    /// As JSON: facts by name, tables as lists of objects.
    pub fn json(&self) -> Value {
        let mut root = Map::new();
        root.insert("title".to_owned(), json!(self.title));
        root.insert("outcome".to_owned(), json!(self.outcome));
        root.extend(self.facts.iter().cloned());
        for table in &self.tables {
            let rows = table.rows.iter().map(|row| {
                let cells = table.columns.iter().map(|column| key(column)).zip(row.iter().cloned());
                Value::Object(cells.collect())
            });
            root.insert(key(&table.title), Value::Array(rows.collect()));
        }
        for chart in &self.charts {
            root.insert(key(chart.title()), chart.json());
        }
        root.insert("notes".to_owned(), json!(self.notes));
        Value::Object(root)
    }

    /// As a page.
    pub fn html(&self) -> String {
        let mut body = format!("<h1>{}</h1>\n", escape(&self.title));
        if !self.facts.is_empty() {
            body.push_str("<dl>");
            for (name, value) in &self.facts {
                // Writing to a String cannot fail.
                let _infallible = write!(
                    body,
                    "<div><dt>{}</dt><dd>{}</dd></div>",
                    escape(&name.replace('_', " ")),
                    escape(&shown(value))
                );
            }
            body.push_str("</dl>\n");
        }
        for note in &self.notes {
            let _infallible = writeln!(body, "<p>{}</p>", escape(note));
        }
        self.charts.iter().for_each(|chart| body.push_str(&chart.html()));
        self.tables
            .iter()
            .filter(|table| !table.rows.is_empty())
            .for_each(|t| body.push_str(&html_table(t)));
        self.plots.iter().for_each(|plot| body.push_str(&svg(plot)));
        format!(
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title>\
             <style>{STYLE}{}</style></head>\n<body>\n{body}</body></html>\n",
            escape(&self.title),
            chart::STYLE
        )
    }
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;\
    padding:0 1rem;color:#1c2733}h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}\
    table{border-collapse:collapse;display:block;overflow-x:auto}td,th{padding:.25rem .75rem;\
    border-bottom:1px solid #dde3ea;text-align:left;white-space:nowrap}td.n,th.n{text-align:right;\
    font-variant-numeric:tabular-nums}dl{display:flex;flex-wrap:wrap;gap:.5rem 2rem}dt{color:#5c6b7a;\
    font-size:.85rem}dd{margin:0;font-weight:600}svg{width:100%;height:auto;max-width:48rem}\
    svg text{font:11px system-ui;fill:#5c6b7a}";

fn key(title: &str) -> String {
    title.to_lowercase().replace([' ', '-', '/'], "_")
}

/// Numbers with thin groups of three, so that a person can read them.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => grouped(&number.to_string()),
        Value::Bool(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        other => other.to_string(),
    }
}

/// A decimal number with commas between groups of three.
pub fn grouped(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(w, f)| (w, Some(f)));
    if !whole.bytes().all(|byte| byte.is_ascii_digit()) {
        return number.to_owned();
    }
    let mut out = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = fraction.filter(|digits| *digits != "0").map(|digits| format!(".{digits}"));
    format!("{sign}{out}{}", fraction.unwrap_or_default())
}

/// Terminal columns of a folded table.
const FOLDED_WIDTH: u16 = 100;

fn grid(table: &Table) -> Grid {
    let mut grid = Grid::new();
    let style = presets::UTF8_NO_BORDERS.row_separator(LineStyle::none());
    grid.load_style(style);
    if table.folded {
        grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(FOLDED_WIDTH);
        grid.set_header(table.columns.iter().rev().skip(1).rev());
        for row in &table.rows {
            let mut cells: Vec<String> = row.iter().map(shown).collect();
            let below = cells.pop().filter(|text| !text.is_empty());
            if let (Some(cell), Some(below)) = (cells.last_mut(), below) {
                cell.push_str(&format!("\n→ {below}"));
            }
            grid.add_row(cells);
        }
        return grid;
    }
    grid.set_header(table.columns.clone());
    for row in &table.rows {
        grid.add_row(row.iter().map(|value| {
            let cell = Cell::new(shown(value));
            if value.is_number() { cell.set_alignment(CellAlignment::Right) } else { cell }
        }));
    }
    grid
}

fn html_table(table: &Table) -> String {
    let numeric: Vec<bool> = (0..table.columns.len())
        .map(|at| {
            table.rows.iter().all(|row| row.get(at).is_none_or(|v| v.is_number() || v.is_null()))
        })
        .collect();
    let class = |at: usize| if numeric.get(at) == Some(&true) { " class=\"n\"" } else { "" };
    let mut out = format!("<h2>{}</h2>\n<table><tr>", escape(&table.title));
    for (at, column) in table.columns.iter().enumerate() {
        let _infallible = write!(out, "<th{}>{}</th>", class(at), escape(column));
    }
    for row in &table.rows {
        out.push_str("</tr>\n<tr>");
        for (at, value) in row.iter().enumerate() {
            let _infallible = write!(out, "<td{}>{}</td>", class(at), escape(&shown(value)));
        }
    }
    out.push_str("</tr></table>\n");
    out
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A polyline with its axes' ends written on.
fn svg(plot: &Plot) -> String {
    let (width, height, margin) = (640.0, 220.0, 48.0);
    let max = |values: &mut dyn Iterator<Item = f64>| values.fold(f64::MIN_POSITIVE, f64::max);
    let x_max = max(&mut plot.points.iter().map(|point| point.0));
    let y_max = max(&mut plot.points.iter().map(|point| point.1));
    let points: Vec<String> = plot
        .points
        .iter()
        .map(|(x, y)| {
            let left = margin + x / x_max * (width - 2.0 * margin);
            let top = height - margin / 2.0 - y / y_max * (height - margin);
            format!("{left:.1},{top:.1}")
        })
        .collect();
    let bottom = height - margin / 2.0;
    format!(
        "<h2>{}</h2>\n<svg viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\
         <line x1=\"{margin}\" y1=\"{bottom}\" x2=\"{}\" y2=\"{bottom}\" stroke=\"#9aa7b4\"/>\
         <line x1=\"{margin}\" y1=\"{}\" x2=\"{margin}\" y2=\"{bottom}\" stroke=\"#9aa7b4\"/>\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#1668b5\" stroke-width=\"2\"/>\
         <text x=\"{}\" y=\"{}\" text-anchor=\"end\">{} {}</text>\
         <text x=\"{margin}\" y=\"14\">{} {}</text></svg>\n",
        escape(&plot.title),
        escape(&plot.title),
        width - margin,
        margin / 2.0,
        points.join(" "),
        width - margin,
        height - 6.0,
        grouped(&format!("{x_max:.1}")),
        escape(&plot.x),
        grouped(&format!("{y_max:.0}")),
        escape(&plot.y),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::new("backfill telemetry");
        let mut table = Table::new("Source tables", &["table", "rows read"]);
        table.push(vec![json!("metric <hist>"), json!(1_234_567)]);
        report.tables.push(table);
        report.fact("rows_per_s", 985_123.0);
        report.note("a note");
        report.plots.push(Plot {
            title: "Rows".to_owned(),
            x: "s".to_owned(),
            y: "rows".to_owned(),
            points: vec![(0.0, 0.0), (1.0, 10.0)],
        });
        report
    }

    #[test]
    fn text_lines_up_and_numbers_are_grouped() {
        insta::assert_snapshot!(report().render(Format::Text));
    }

    #[test]
    fn a_folded_column_stands_below_the_one_before_it() {
        let mut table = Table::new("Checks", &["check", "found", "what to do"]);
        table.folded = true;
        table.push(vec![json!("disk"), json!("1GB"), json!("free some")]);
        table.push(vec![json!("memory"), json!("word ".repeat(40)), json!("")]);
        let text = grid(&table).to_string();
        assert!(!text.contains("what to do"), "{text}");
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines.iter().any(|line| line.contains("→ free some")), "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn json_names_things_in_snake_case() {
        let json = report().json();
        assert_eq!(json["source_tables"][0]["rows_read"], json!(1_234_567));
    }

    #[test]
    fn a_page_holds_no_markup_of_the_data() {
        let page = report().html();
        assert!(page.contains("metric &lt;hist&gt;") && page.contains("<polyline"));
        assert!(!page.contains("http"), "no outside assets");
    }
}
