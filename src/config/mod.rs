//! The pipeline file: as written ([`raw`]), as it will run ([`plan`]), and the way between ([`check`]).
//!
//! Reading collects every problem at once, each with its line and column. What needs a source or a
//! server to be known is checked later, by `pipeline::resolve`, with the places kept here.

pub mod check;
pub mod plan;
pub mod policy;
pub mod raw;
pub mod shift;
pub mod stage;

use std::path::{Path, PathBuf};

use plan::Plan;

/// A place in the pipeline file; line and column start at 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column, in characters.
    pub column: usize,
}

/// One thing that is wrong, or worth knowing, in a pipeline file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// The key it is about, such as `table[0].columns.ts.zone`.
    pub key: String,
    /// What.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// Only worth knowing: it stops nothing.
    pub warning: bool,
}

/// Everything found wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems {
    /// The file.
    pub file: PathBuf,
    /// What was found, in the order of the file.
    pub list: Vec<Problem>,
}

impl Problems {
    /// An empty list for a file.
    pub fn new(file: &Path) -> Self {
        Self { file: file.to_owned(), list: Vec::new() }
    }

    /// Adds an error.
    pub fn error(&mut self, place: Place, key: &str, message: String, hint: impl Into<String>) {
        let (key, hint) = (key.to_owned(), hint.into());
        self.list.push(Problem { place, key, message, hint, warning: false });
    }

    /// Adds a warning.
    pub fn warn(&mut self, place: Place, key: &str, message: String, hint: impl Into<String>) {
        let (key, hint) = (key.to_owned(), hint.into());
        self.list.push(Problem { place, key, message, hint, warning: true });
    }

    /// Number of errors.
    pub fn error_count(&self) -> usize {
        self.list.iter().filter(|problem| !problem.warning).count()
    }
}

impl std::fmt::Display for Problems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut list: Vec<&Problem> = self.list.iter().collect();
        list.sort_by_key(|problem| (problem.warning, problem.place));
        for (index, problem) in list.iter().enumerate() {
            let Place { line, column } = problem.place;
            let kind = if problem.warning { "warning: " } else { "" };
            let newline = if index == 0 { "" } else { "\n" };
            write!(f, "{newline}{}:{line}:{column}: {kind}", self.file.display())?;
            if !problem.key.is_empty() {
                write!(f, "{}: ", problem.key)?;
            }
            write!(f, "{}", problem.message)?;
            if !problem.hint.is_empty() {
                write!(f, "\n    hint: {}", problem.hint)?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Looks a name up in the environment.
pub type Environment<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Reads a pipeline file. Fails with every problem that shows without a source or a server.
pub fn load(path: &Path, environment: Environment<'_>) -> Result<Plan, Problems> {
    let mut problems = Problems::new(path);
    match std::fs::read_to_string(path) {
        Ok(text) => check::plan(&text, path, environment, problems),
        Err(error) => {
            let hint = "`millstream audit <source> --out my.toml` writes a first one";
            problems.error(Place::default(), "", format!("cannot be read: {error}"), hint);
            Err(problems)
        }
    }
}

/// The candidate that `word` was most likely meant to be.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let scored = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    let best = scored.min_by_key(|(distance, _)| *distance)?;
    (best.0 <= 1 + word.chars().count() / 4).then_some(best.1)
}

/// Edit distance, case ignored.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut previous: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.to_lowercase().chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, to) in right.iter().enumerate() {
            let replaced = previous[column] + usize::from(from != *to);
            current.push(replaced.min(previous[column + 1] + 1).min(current[column] + 1));
        }
        previous = current;
    }
    previous.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_word() {
        assert_eq!(nearest("hypertabel", ["hypertable", "columns"]), Some("hypertable"));
        assert_eq!(nearest("metric_hst", ["metric_hist", "metric_def"]), Some("metric_hist"));
        assert_eq!(nearest("xyz", ["hypertable", "columns"]), None);
    }
}
