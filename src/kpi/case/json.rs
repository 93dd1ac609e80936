//! A JSON value together with its place, so that every complaint names the field.

use serde_json::{Map, Value};

use super::CaseError;
use crate::kpi::rational::{NumberError, Rational};
use crate::kpi::window::{EPOCH_US, Window};

/// A value, and where it stands.
#[derive(Clone)]
pub(super) struct Field<'a> {
    value: &'a Value,
    path: String,
}

/// An object of which every key is known.
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Field<'a> {
    pub(super) fn root(value: &'a Value) -> Self {
        Self { value, path: String::new() }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    pub(super) fn error(&self, message: impl Into<String>) -> CaseError {
        let path = if self.path.is_empty() { "input".to_owned() } else { self.path.clone() };
        CaseError::Field { path, message: message.into() }
    }

    fn expected(&self, what: &str) -> CaseError {
        let kind = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        self.error(format!("{kind}; {what} is expected"))
    }

    /// An object with no other keys than `known`.
    pub(super) fn object(&self, known: &[&str]) -> Result<Fields<'a>, CaseError> {
        let map = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        let fields = Fields { map, path: self.path.clone() };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                let field = Self { value: self.value, path: fields.place(key) };
                Err(field.error(format!("not known; known are {}", known.join(", "))))
            }
            None => Ok(fields),
        }
    }

    /// An object whose keys are names, such as those of products.
    pub(super) fn named(&self) -> Option<Vec<(String, Self)>> {
        let map = self.value.as_object()?;
        let fields = Fields { map, path: self.path.clone() };
        let found =
            map.iter().map(|(key, value)| (key.clone(), Self { value, path: fields.place(key) }));
        Some(found.collect())
    }

    pub(super) fn list(&self) -> Result<Vec<Self>, CaseError> {
        let items = self.value.as_array().ok_or_else(|| self.expected("a list"))?;
        let place = |(index, value)| Self { value, path: format!("{}[{index}]", self.path) };
        Ok(items.iter().enumerate().map(place).collect())
    }

    pub(super) fn text(&self) -> Result<&'a str, CaseError> {
        self.value.as_str().ok_or_else(|| self.expected("text"))
    }

    pub(super) fn flag(&self) -> Result<bool, CaseError> {
        self.value.as_bool().ok_or_else(|| self.expected("true or false"))
    }

    /// One of a few words.
    pub(super) fn one_of<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, CaseError> {
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        found.ok_or_else(|| {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.error(format!("{text:?} is not known; known are {}", known.join(", ")))
        })
    }

    /// A number, or one written as text: `"60000/1041"`.
    pub(super) fn number(&self) -> Result<Rational, CaseError> {
        let parsed = match self.value {
            Value::Number(number) => Rational::parse(&number.to_string()),
            Value::String(text) => Rational::parse(text),
            _ => return Err(self.expected("a number")),
        };
        parsed.map_err(|error| match error {
            NumberError::Malformed => self.error("no number; write 12, 1.5 or \"60000/1041\""),
            NumberError::Overflow => self.error("does not fit; write it with fewer digits"),
        })
    }

    /// A number that is not below 0.
    pub(super) fn amount(&self) -> Result<Rational, CaseError> {
        let number = self.number()?;
        if number < Rational::ZERO { Err(self.error("below 0")) } else { Ok(number) }
    }

    pub(super) fn whole(&self) -> Result<i64, CaseError> {
        let number = self.number()?;
        let whole = i64::try_from(number.num()).ok().filter(|_| number.den() == 1);
        whole.ok_or_else(|| self.error("not a whole number of 64 bits"))
    }

    /// An instant, in microseconds since 2000-01-01 UTC.
    pub(super) fn instant(&self) -> Result<i64, CaseError> {
        let text = self.text()?;
        let instant: jiff::Timestamp = text.parse().map_err(|_| {
            self.error(format!(
                "{text:?} is no instant; write 2024-08-01T06:00:00Z, with Z or an offset"
            ))
        })?;
        if instant.subsec_nanosecond() % 1_000 != 0 {
            return Err(self.error(format!("{text:?} is finer than a microsecond")));
        }
        Ok(instant.as_microsecond() - EPOCH_US)
    }

    /// `{start, end}`.
    pub(super) fn window(&self) -> Result<Window, CaseError> {
        self.object(&["start", "end"])?.window()
    }
}

impl<'a> Fields<'a> {
    fn place(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The field, unless it is absent or null.
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        let value = self.map.get(key).filter(|value| !value.is_null())?;
        Some(Field { value, path: self.place(key) })
    }

    pub(super) fn need(&self, key: &str) -> Result<Field<'a>, CaseError> {
        self.get(key).ok_or_else(|| CaseError::Field {
            path: self.place(key),
            message: "missing".to_owned(),
        })
    }

    /// The field as `read` reads it, if it is there.
    pub(super) fn read<T>(
        &self,
        key: &str,
        read: impl Fn(&Field<'a>) -> Result<T, CaseError>,
    ) -> Result<Option<T>, CaseError> {
        self.get(key).map(|field| read(&field)).transpose()
    }

    /// A list, each item as `read` reads it; none when it is not there.
    pub(super) fn list<T>(
        &self,
        key: &str,
        read: impl Fn(&Field<'a>) -> Result<T, CaseError>,
    ) -> Result<Option<Vec<T>>, CaseError> {
        self.read(key, |field| field.list()?.iter().map(&read).collect())
    }

    /// The fields `start` and `end`.
    pub(super) fn window(&self) -> Result<Window, CaseError> {
        let end = self.need("end")?;
        let window = Window::new(self.need("start")?.instant()?, end.instant()?);
        if window.end < window.start {
            return Err(end.error("before the start"));
        }
        Ok(window)
    }
}
