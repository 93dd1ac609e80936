//! The pipeline file as written: sections with typed getters that note what is wrong and go on.
//!
//! Every text value may hold `${NAME}` or `${NAME:-default}`. A key that is not known is an error, with
//! the known key it was most likely meant to be.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Environment, Place, Problems, nearest};

/// What a walk through the file carries along.
pub struct Reader<'a> {
    /// The whole text, for places.
    pub text: &'a str,
    /// Variables.
    pub environment: Environment<'a>,
    /// What was found wrong so far.
    pub problems: Problems,
}

impl Reader<'_> {
    /// Parses a file; `None` when it is no TOML, which is noted.
    pub fn parse<'t>(&mut self, text: &'t str) -> Option<Spanned<DeTable<'t>>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        // What a broken line does to the rest is noise.
        let whole = errors.is_empty();
        for error in errors {
            let place = self.place(error.span().map_or(0, |span| span.start));
            let hint = "this is not TOML: quotes, brackets and `=` are the usual suspects";
            self.problems.error(place, "", error.message().to_owned(), hint);
        }
        whole.then_some(table)
    }

    /// Line and column of a byte offset.
    pub fn place(&self, offset: usize) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or("").chars().count() + 1,
        }
    }

    /// Replaces `${NAME}` and `${NAME:-default}`.
    pub fn expand(&mut self, text: &str, place: Place, key: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            out.push_str(before);
            let Some((inside, tail)) = after.split_once('}') else {
                let hint = "write ${NAME} or ${NAME:-default}";
                self.problems.error(place, key, "`${` is never closed".to_owned(), hint);
                return out;
            };
            let (name, default) = match inside.split_once(":-") {
                Some((name, default)) => (name, Some(default)),
                None => (inside, None),
            };
            let found = (self.environment)(name).filter(|value| !value.is_empty());
            match found.or(default.map(str::to_owned)) {
                Some(value) => out.push_str(&value),
                None => {
                    let message = format!("the environment variable {name} is not set");
                    let hint = format!("set it, or give a default: ${{{name}:-…}}");
                    self.problems.error(place, key, message, hint);
                }
            }
            rest = tail;
        }
        out.push_str(rest);
        out
    }
}

/// One table of the file.
#[derive(Clone)]
pub struct Section<'a> {
    table: &'a DeTable<'a>,
    /// Its path, such as `table[0].columns`.
    pub path: String,
    /// Where it begins.
    pub place: Place,
}

/// A text value and where it stands.
pub struct Text {
    /// The value, variables replaced.
    pub value: String,
    /// Where it stands.
    pub place: Place,
}

impl<'a> Section<'a> {
    /// The file itself.
    pub fn root(table: &'a DeTable<'a>) -> Self {
        Self { table, path: String::new(), place: Place { line: 1, column: 1 } }
    }

    /// The path of one of its keys.
    pub fn key(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Names of its keys with their places, in the order of the file.
    pub fn names(&self, reader: &Reader<'_>) -> Vec<(String, Place)> {
        let mut keys: Vec<_> =
            self.table.keys().map(|key| (key.span().start, key.get_ref().to_string())).collect();
        keys.sort();
        keys.into_iter().map(|(offset, name)| (name, reader.place(offset))).collect()
    }

    /// Notes every key that is not in `known`.
    pub fn only(&self, reader: &mut Reader<'_>, known: &[&str]) {
        for (name, place) in self.names(reader) {
            if known.contains(&name.as_str()) {
                continue;
            }
            let hint = match nearest(&name, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let message = format!("unknown key `{name}`");
            reader.problems.error(place, &self.path, message, hint);
        }
    }

    fn value(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(name)
    }

    fn wrong(&self, reader: &mut Reader<'_>, name: &str, expected: &str, hint: &str) {
        let Some(value) = self.value(name) else { return };
        let place = reader.place(value.span().start);
        let message = format!("expected {expected}, found {}", value.get_ref().type_str());
        reader.problems.error(place, &self.key(name), message, hint);
    }

    /// A text value.
    pub fn text(&self, reader: &mut Reader<'_>, name: &str) -> Option<Text> {
        let value = self.value(name)?;
        let place = reader.place(value.span().start);
        match value.get_ref() {
            DeValue::String(text) => {
                let value = reader.expand(text, place, &self.key(name));
                Some(Text { value, place })
            }
            _ => {
                self.wrong(reader, name, "text in quotes", "");
                None
            }
        }
    }

    /// A text, number or boolean value, as text.
    pub fn scalar(&self, reader: &mut Reader<'_>, name: &str) -> Option<Text> {
        let value = self.value(name)?;
        let place = reader.place(value.span().start);
        let text = match value.get_ref() {
            DeValue::String(text) => reader.expand(text, place, &self.key(name)),
            DeValue::Integer(number) => number.to_string(),
            DeValue::Float(number) => number.as_str().to_owned(),
            DeValue::Boolean(flag) => flag.to_string(),
            _ => {
                self.wrong(reader, name, "text, a number or true/false", "");
                return None;
            }
        };
        Some(Text { value: text, place })
    }

    /// `true` or `false`.
    pub fn flag(&self, reader: &mut Reader<'_>, name: &str) -> Option<bool> {
        let value = self.value(name)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong(reader, name, "true or false", "");
        }
        flag
    }

    /// A whole number from `low` to `high`.
    pub fn count(
        &self,
        reader: &mut Reader<'_>,
        name: &str,
        range: std::ops::RangeInclusive<usize>,
    ) -> Option<usize> {
        let value = self.value(name)?;
        let number = value.get_ref().as_integer().and_then(|number| number.as_str().parse().ok());
        let fits = number.filter(|number| range.contains(number));
        if fits.is_none() {
            let expected = format!("a whole number from {} to {}", range.start(), range.end());
            self.wrong(reader, name, &expected, "");
        }
        fits
    }

    /// A list of texts.
    pub fn texts(&self, reader: &mut Reader<'_>, name: &str) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let items = value.get_ref().as_array().map(|array| {
            array.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        });
        match items {
            Some(Some(items)) => Some(items),
            _ => {
                self.wrong(reader, name, "a list of texts", "for example key = [\"id\"]");
                None
            }
        }
    }

    /// A section inside this one.
    pub fn section(&self, reader: &mut Reader<'_>, name: &str) -> Option<Self> {
        let value = self.value(name)?;
        match value.get_ref() {
            DeValue::Table(table) => {
                let place = reader.place(value.span().start);
                Some(Self { table, path: self.key(name), place })
            }
            _ => {
                self.wrong(reader, name, "a section", "");
                None
            }
        }
    }

    /// A list of sections, `[[name]]`.
    pub fn sections(&self, reader: &mut Reader<'_>, name: &str) -> Vec<Self> {
        let Some(value) = self.value(name) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let hint = format!("write [[{}]]", self.key(name));
            self.wrong(reader, name, "a list of sections", &hint);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in array.iter().enumerate() {
            let place = reader.place(item.span().start);
            let path = format!("{}[{index}]", self.key(name));
            match item.get_ref() {
                DeValue::Table(table) => sections.push(Self { table, path, place }),
                other => {
                    let message = format!("expected a section, found {}", other.type_str());
                    reader.problems.error(place, &path, message, "");
                }
            }
        }
        sections
    }

    /// Whether a key is there.
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether a key holds text rather than a section.
    pub fn is_text(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value.get_ref().is_str())
    }
}
