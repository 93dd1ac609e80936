//! Bars and trends of a report: block letters on a terminal, plain HTML and SVG on a page.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::report::{escape, grouped};

/// A picture of figures.
#[derive(Clone, Debug, PartialEq)]
pub enum Chart {
    /// Lengths side by side.
    Bars(Bars),
    /// Values in the order of time.
    Trend(Trend),
}

/// Horizontal bars. A waterfall is bars of which each begins where the one before it ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// What it shows.
    pub title: String,
    /// Unit of all values.
    pub unit: String,
    /// From top to bottom.
    pub bars: Vec<Bar>,
}

/// One bar, from 0 or from where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar {
    /// What it stands for.
    pub label: String,
    /// Where it begins, in the chart's unit.
    pub from: f64,
    /// Its length.
    pub length: f64,
    /// It takes something away.
    pub loss: bool,
}

/// Lines over one row of labels; a value that is not known is a gap.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    /// What it shows.
    pub title: String,
    /// Unit of all values.
    pub unit: String,
    /// One a moment.
    pub labels: Vec<String>,
    /// Name, and as many values as there are labels.
    pub lines: Vec<(String, Vec<Option<f64>>)>,
}

/// Colours of lines, told apart on white and on black.
const COLOURS: [&str; 4] = ["#2f81d6", "#d9822b", "#3fa45b", "#a561c9"];
/// Letters of a bar of full length.
const BAR_WIDTH: f64 = 40.0;
/// Letters of a trend.
const TREND_WIDTH: usize = 60;
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// What a page needs beside the style of tables.
pub(super) const STYLE: &str = "h1,.bars{overflow-wrap:anywhere}.bars{display:grid;grid-template-columns:minmax(6rem,38%) 1fr \
    max-content;gap:.35rem .6rem;align-items:center;max-width:48rem;font-size:.9rem}.bars b{display:block;\
    position:relative;height:1.1rem;background:#8883}.bars i{position:absolute;top:0;bottom:0;\
    background:#2f81d6;min-width:1px}.bars i.loss{background:#d9822b}.bars span:nth-child(3n){\
    text-align:right;font-variant-numeric:tabular-nums}.legend{font-size:.85rem}.legend span{\
    margin-right:1rem;white-space:nowrap}.trend svg{height:12rem}.ends{display:flex;\
    justify-content:space-between;max-width:48rem;font-size:.85rem}\
    @media(prefers-color-scheme:dark){:root{color-scheme:dark}body{background:#14191f;color:#dde3ea}\
    td,th{border-color:#38424d}dt,svg text{color:#9fb0c0;fill:#9fb0c0}}";

fn number(value: f64) -> String {
    let digits = if value.abs() >= 100.0 { 0 } else { 1 };
    grouped(&format!("{value:.digits$}"))
}

impl Chart {
    /// What it shows.
    pub fn title(&self) -> &str {
        match self {
            Self::Bars(bars) => &bars.title,
            Self::Trend(trend) => &trend.title,
        }
    }

    /// For a terminal, without a line break at its end.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Bars(bars) => bars.text(),
            Self::Trend(trend) => trend.text(),
        }
    }

    pub(super) fn html(&self) -> String {
        match self {
            Self::Bars(bars) => bars.html(),
            Self::Trend(trend) => trend.html(),
        }
    }

    pub(super) fn json(&self) -> Value {
        match self {
            Self::Bars(bars) => {
                let bar = |bar: &Bar| json!({ "label": bar.label, "value": bar.length });
                json!({ "title": bars.title, "unit": bars.unit,
                    "bars": bars.bars.iter().map(bar).collect::<Vec<_>>() })
            }
            Self::Trend(trend) => {
                let line = |(name, values): &(String, Vec<Option<f64>>)| json!({ "name": name, "values": values });
                json!({ "title": trend.title, "unit": trend.unit, "labels": trend.labels,
                    "lines": trend.lines.iter().map(line).collect::<Vec<_>>() })
            }
        }
    }
}

impl Bars {
    /// Where the longest one ends; above zero.
    fn scale(&self) -> f64 {
        let ends = self.bars.iter().map(|bar| bar.from + bar.length);
        ends.fold(f64::MIN_POSITIVE, f64::max)
    }

    fn text(&self) -> String {
        let scale = self.scale();
        let width = self.bars.iter().map(|bar| bar.label.chars().count()).max().unwrap_or(0);
        let letters = |value: f64| letters(value / scale * BAR_WIDTH);
        let mut out = format!("{} ({})", self.title, self.unit);
        for bar in &self.bars {
            let (gap, ink) = (" ".repeat(letters(bar.from)), if bar.loss { "░" } else { "█" });
            let ink = ink.repeat(letters(bar.from + bar.length).saturating_sub(letters(bar.from)));
            // Writing to a String cannot fail.
            let _infallible =
                write!(out, "\n{:width$}  {gap}{ink} {}", bar.label, number(bar.length));
        }
        out
    }

    fn html(&self) -> String {
        let scale = self.scale();
        let mut out = format!("<h2>{}</h2>\n<div class=\"bars\">", escape(&self.title));
        for bar in &self.bars {
            let _infallible = writeln!(
                out,
                "<span>{}</span><b><i{} style=\"left:{:.3}%;width:{:.3}%\"></i></b><span>{} {}</span>",
                escape(&bar.label),
                if bar.loss { " class=\"loss\"" } else { "" },
                bar.from / scale * 100.0,
                bar.length.max(0.0) / scale * 100.0,
                number(bar.length),
                escape(&self.unit),
            );
        }
        out.push_str("</div>\n");
        out
    }
}

/// Letters for a length that is at most some dozens.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits a line; not a number is 0"
)]
fn letters(length: f64) -> usize {
    length.round().clamp(0.0, 200.0) as usize
}

impl Trend {
    /// Lowest and highest value, with 0 in it.
    fn range(&self) -> (f64, f64) {
        let values = || self.lines.iter().flat_map(|(_, values)| values.iter().flatten().copied());
        (values().fold(0.0, f64::min), values().fold(f64::MIN_POSITIVE, f64::max))
    }

    fn text(&self) -> String {
        let (low, high) = self.range();
        let mut out =
            format!("{} ({}, {} to {})", self.title, self.unit, number(low), number(high));
        let width = self.lines.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, values) in &self.lines {
            let step = values.len().div_ceil(TREND_WIDTH).max(1);
            let marks = values.chunks(step).map(|chunk| {
                let known: Vec<f64> = chunk.iter().flatten().copied().collect();
                if known.is_empty() {
                    return ' ';
                }
                let mean = known.iter().sum::<f64>() / known.len() as f64;
                let at = letters((mean - low) / (high - low) * 7.0);
                HEIGHTS.get(at).copied().unwrap_or('█')
            });
            let marks: String = marks.collect();
            let _infallible = write!(out, "\n{name:width$}  {marks}");
        }
        if let (Some(first), Some(last)) = (self.labels.first(), self.labels.last()) {
            let _infallible = write!(out, "\n{:width$}  {first} … {last}", "");
        }
        out
    }

    fn html(&self) -> String {
        let (low, high) = self.range();
        let mut out =
            format!("<h2>{}</h2>\n<div class=\"trend\"><p class=\"legend\">", escape(&self.title));
        for ((name, _), colour) in self.lines.iter().zip(COLOURS) {
            let _infallible =
                write!(out, "<span><b style=\"color:{colour}\">━</b> {}</span>", escape(name));
        }
        let _infallible = write!(
            out,
            "<span>{} to {} {}</span></p><svg viewBox=\"0 0 1000 200\" preserveAspectRatio=\"none\" \
             role=\"img\" aria-label=\"{}\"><path d=\"M0 0H1000M0 100H1000M0 200H1000\" stroke=\"#8886\" \
             vector-effect=\"non-scaling-stroke\"/>",
            number(low),
            number(high),
            escape(&self.unit),
            escape(&self.title)
        );
        let last = self.labels.len().saturating_sub(1).max(1) as f64;
        for ((_, values), colour) in self.lines.iter().zip(COLOURS) {
            let mut path = String::new();
            let mut pen_down = false;
            for (at, value) in values.iter().enumerate() {
                let Some(value) = value else {
                    pen_down = false;
                    continue;
                };
                let (x, y) =
                    (at as f64 / last * 1000.0, 200.0 - (value - low) / (high - low) * 200.0);
                let word = if pen_down { 'L' } else { 'M' };
                // A single point is a line of no length with round ends.
                let _infallible = write!(path, "{word}{x:.1} {y:.1}h0");
                pen_down = true;
            }
            let _infallible = write!(
                out,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
                 stroke-linecap=\"round\" vector-effect=\"non-scaling-stroke\"/>"
            );
        }
        out.push_str("</svg>");
        if let (Some(first), Some(last)) = (self.labels.first(), self.labels.last()) {
            let _infallible = write!(
                out,
                "<p class=\"ends\"><span>{}</span><span>{}</span></p>",
                escape(first),
                escape(last)
            );
        }
        out.push_str("</div>\n");
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(label: &str, from: f64, length: f64, loss: bool) -> Bar {
        Bar { label: label.to_owned(), from, length, loss }
    }

    fn waterfall() -> Chart {
        Chart::Bars(Bars {
            title: "Time <model>".to_owned(),
            unit: "h".to_owned(),
            bars: vec![
                bar("POT", 0.0, 8.0, false),
                bar("breaks", 7.0, 1.0, true),
                bar("PBT", 0.0, 7.0, false),
                // An ideal time that is too long.
                bar("speed", 7.0, -0.5, true),
            ],
        })
    }

    #[test]
    fn a_loss_hangs_where_the_bar_above_it_ends() {
        let text = waterfall().text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], format!("POT     {} 8", "█".repeat(40)));
        assert_eq!(lines[2], format!("breaks  {}{} 1", " ".repeat(35), "░".repeat(5)));
        assert_eq!(lines[4], format!("speed   {} -0.5", " ".repeat(35)));
        assert!(waterfall().html().contains("left:87.500%;width:12.500%"));
    }

    #[test]
    fn a_page_holds_no_markup_of_the_labels() {
        assert!(waterfall().html().contains("Time &lt;model&gt;"));
    }

    #[test]
    fn a_gap_is_no_line() {
        let trend = Trend {
            title: "OEE".to_owned(),
            unit: "%".to_owned(),
            labels: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            lines: vec![("OEE".to_owned(), vec![Some(0.0), None, Some(50.0), Some(100.0)])],
        };
        let chart = Chart::Trend(trend);
        assert!(chart.text().contains("OEE  ▁ ▅█"), "{}", chart.text());
        let page = chart.html();
        assert_eq!(page.matches('M').count() - page.matches("M0").count(), 1, "{page}");
    }
}
