//! What a check found: the lines of `preflight` and `postcheck`.

use serde_json::json;

use crate::observe::report::Table;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Pass,
    /// Works, and somebody should look at it.
    Warn,
    /// Has to be mended first.
    Fail,
    /// Was not looked at, and why stands beside it.
    Skip,
}

impl Verdict {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skip => "skipped",
        }
    }
}

/// One check and what it found.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it belongs to: `server`, `schema`, `policies` …
    pub area: &'static str,
    /// What was looked at.
    pub check: String,
    /// How it went.
    pub verdict: Verdict,
    /// What was seen, with unit.
    pub found: String,
    /// What to do; empty for what passed.
    pub remedy: String,
}

/// All findings of a run, in the order they were made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Findings {
    /// They.
    pub all: Vec<Finding>,
}

impl Findings {
    /// As it should be.
    pub fn pass(&mut self, area: &'static str, check: &str, found: impl Into<String>) {
        self.push((area, check), Verdict::Pass, found.into(), "");
    }

    /// To be looked at.
    pub fn warn(&mut self, area: &'static str, check: &str, found: impl Into<String>, to_do: &str) {
        self.push((area, check), Verdict::Warn, found.into(), to_do);
    }

    /// To be mended.
    pub fn fail(&mut self, area: &'static str, check: &str, found: impl Into<String>, to_do: &str) {
        self.push((area, check), Verdict::Fail, found.into(), to_do);
    }

    /// Not looked at.
    pub fn skip(&mut self, area: &'static str, check: &str, why: impl Into<String>) {
        self.push((area, check), Verdict::Skip, why.into(), "");
    }

    fn push(
        &mut self,
        (area, check): (&'static str, &str),
        verdict: Verdict,
        found: String,
        remedy: &str,
    ) {
        let (check, remedy) = (check.to_owned(), remedy.to_owned());
        self.all.push(Finding { area, check, verdict, found, remedy });
    }

    /// How many went this way.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.all.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// As a table of a report.
    pub fn table(&self, title: &str) -> Table {
        let mut table = Table::new(title, &["area", "check", "verdict", "found", "what to do"]);
        table.folded = true;
        for Finding { area, check, verdict, found, remedy } in &self.all {
            table.push(vec![
                json!(area),
                json!(check),
                json!(verdict.name()),
                json!(found),
                json!(remedy),
            ]);
        }
        table
    }
}
