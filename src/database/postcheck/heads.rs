//! What a migration file says that it makes: the heads of its statements, and its calls of the extension.
//!
//! Only names are read. What a `do` block makes is not seen.

use crate::database::edition::Kind;
use crate::database::inventory::Object;
use crate::database::migrate::script::{Script, Statement};

/// A call such as `create_hypertable('a.b', 'ts', chunk_time_interval => interval '1 day')`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The function.
    pub function: String,
    /// Its string arguments; those after the word `interval` apart.
    pub texts: Vec<String>,
    /// Its intervals.
    pub intervals: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// Lower-cased.
    Word(String),
    Quoted(String),
    Text(String),
    Sign(char),
}

/// What a script leaves behind on a server of this kind, in the order of its statements.
pub fn objects(script: &Script, edition: Kind) -> Vec<Object> {
    let mut made: Vec<Object> = Vec::new();
    for statement in script.statements.iter().filter(|s| s.condition.holds(edition)) {
        match head(&tokens(&statement.sql)) {
            Some((true, object)) if !made.contains(&object) => made.push(object),
            Some((false, dropped)) => made.retain(|object| *object != dropped),
            _ => {}
        }
    }
    made
}

/// Whether a statement makes a continuous aggregate, and its name.
pub fn continuous_aggregate(statement: &Statement) -> Option<String> {
    let tokens = tokens(&statement.sql);
    let continuous = tokens.windows(3).any(|three| {
        matches!(three, [Token::Word(a), Token::Sign('.'), Token::Word(b)]
            if a == "timescaledb" && b == "continuous")
    });
    head(&tokens).filter(|_| continuous).map(|(_, (_, name))| name)
}

/// The calls of these functions in a statement.
pub fn calls(statement: &Statement, functions: &[&str]) -> Vec<Call> {
    let mut found: Vec<Call> = Vec::new();
    let mut open: Option<(Call, usize)> = None;
    let (mut after_interval, mut last) = (false, String::new());
    for token in tokens(&statement.sql) {
        match (&token, &mut open) {
            (Token::Sign('('), Some((_, depth))) => *depth += 1,
            (Token::Sign('('), None) if functions.contains(&last.as_str()) => {
                let (function, texts, intervals) = (last.clone(), Vec::new(), Vec::new());
                open = Some((Call { function, texts, intervals }, 1));
            }
            (Token::Sign(')'), Some((_, 1))) => found.extend(open.take().map(|(call, _)| call)),
            (Token::Sign(')'), Some((_, depth))) => *depth -= 1,
            (Token::Text(text), Some((call, _))) => match after_interval {
                true => call.intervals.push(text.clone()),
                false => call.texts.push(text.clone()),
            },
            _ => {}
        }
        after_interval = token == Token::Word("interval".to_owned());
        last = if let Token::Word(word) = token { word } else { String::new() };
    }
    found
}

/// `create …` (true) or `drop …` (false), and of what.
fn head(tokens: &[Token]) -> Option<(bool, Object)> {
    let mut words = Words { tokens };
    let made = match words.next()?.as_str() {
        "create" => true,
        "drop" => false,
        _ => return None,
    };
    while words.take(&["or", "replace", "unique", "temp", "temporary", "unlogged", "recursive"]) {}
    let kind = match words.next()?.as_str() {
        "materialized" if words.take(&["view"]) => "materialized view",
        "schema" => "schema",
        "table" => "table",
        "index" => "index",
        "view" => "view",
        "trigger" => "trigger",
        "function" | "procedure" => "function",
        _ => return None,
    };
    while words.take(&["concurrently", "if", "not", "exists"]) {}
    let (schema, name) = words.name()?;
    let schema_or = |schema: Option<String>| schema.unwrap_or_else(|| "public".to_owned());
    let name = match kind {
        "schema" => name,
        "index" | "trigger" if made => {
            while words.next()? != "on" {}
            words.take(&["only"]);
            let (schema, table) = words.name()?;
            let schema = schema_or(schema);
            match kind {
                "index" => format!("{schema}.{name}"),
                _ => format!("{schema}.{table}.{name}"),
            }
        }
        _ => format!("{}.{name}", schema_or(schema)),
    };
    Some((made, (kind.to_owned(), name)))
}

struct Words<'a> {
    tokens: &'a [Token],
}

impl Words<'_> {
    /// The next word; an empty one for anything else.
    fn next(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(if let Token::Word(word) = first { word.clone() } else { String::new() })
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found =
            matches!(self.tokens.first(), Some(Token::Word(w)) if words.contains(&w.as_str()));
        if found {
            self.tokens = self.tokens.get(1..).unwrap_or_default();
        }
        found
    }

    fn name(&mut self) -> Option<(Option<String>, String)> {
        let first = self.part()?;
        if self.tokens.first() == Some(&Token::Sign('.')) {
            self.tokens = self.tokens.get(1..)?;
            return Some((Some(first), self.part()?));
        }
        Some((None, first))
    }

    fn part(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        match first {
            Token::Word(name) | Token::Quoted(name) => Some(name.clone()),
            Token::Text(_) | Token::Sign(_) => None,
        }
    }
}

/// A statement as tokens, up to its first `$…$`: what comes then is a body.
fn tokens(sql: &str) -> Vec<Token> {
    let mut found = Vec::new();
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = match first {
            '$' => break,
            _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '\'' | '"' => {
                let body = rest.get(1..).unwrap_or_default();
                let end = closing(body, first);
                let text = body.get(..end).unwrap_or_default();
                let text = text.replace(&format!("{first}{first}"), &first.to_string());
                found.push(if first == '"' { Token::Quoted(text) } else { Token::Text(text) });
                (end + 2).min(rest.len())
            }
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                found.push(Token::Word(rest.get(..end).unwrap_or_default().to_lowercase()));
                end
            }
            _ => {
                found.extend((!first.is_whitespace()).then_some(Token::Sign(first)));
                first.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// Where a quoted text ends; a doubled quote stands for itself.
fn closing(body: &str, quote: char) -> usize {
    let mut letters = body.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return at;
        }
    }
    body.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, edition: Kind) -> Vec<String> {
        let script = Script::parse(text).unwrap();
        let named = |(kind, name): Object| format!("{kind} {name}");
        objects(&script, edition).into_iter().map(named).collect()
    }

    #[test]
    fn heads_name_what_is_made_and_dropped() {
        let text = "create schema if not exists plant;\n\
            create table if not exists public.\"Site\" (id int, \"create table x\" int);\n\
            create unique index concurrently if not exists \"Site_key\" on only public.\"Site\" (id);\n\
            create or replace function Plant.F(a int) returns int language sql as $$ select 1 $$;\n\
            create or replace trigger t before update on plant.a for each row execute function f();\n\
            -- a comment with create table z ()\n\
            create materialized view if not exists mv as select 'create view v';\n\
            create type plant.mood as enum ('a');\n\
            create table gone (); drop table if exists gone;\n\
            do $$ begin create table unseen (); end $$;";
        assert_eq!(
            found(text, Kind::Plain),
            [
                "schema plant",
                "table public.Site",
                "index public.Site_key",
                "function plant.f",
                "trigger plant.a.t",
                "materialized view public.mv"
            ]
        );
    }

    #[test]
    fn an_edition_gets_what_is_for_it() {
        let text = "-- needs compression\ncreate materialized view a with (timescaledb.continuous) as \
                    select 1;\n-- without compression\ncreate materialized view b as select 1;";
        assert_eq!(found(text, Kind::Apache), ["materialized view public.b"]);
        assert_eq!(found(text, Kind::Community), ["materialized view public.a"]);
        let script = Script::parse(text).unwrap();
        let names: Vec<_> = script.statements.iter().map(continuous_aggregate).collect();
        assert_eq!(names, [Some("public.a".to_owned()), None]);
    }

    #[test]
    fn calls_give_their_strings_and_intervals() {
        let text = "select create_hypertable('public.\"A\"', by_range('ts', interval '1 day')), \
                    add_retention_policy('b', interval '2 years', if_not_exists => true), other('x')";
        let script = Script::parse(text).unwrap();
        let found = calls(&script.statements[0], &["create_hypertable", "add_retention_policy"]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].texts, ["public.\"A\"", "ts"]);
        assert_eq!(found[0].intervals, ["1 day"]);
        assert_eq!((found[1].function.as_str(), found[1].texts.len()), ("add_retention_policy", 1));
    }
}
