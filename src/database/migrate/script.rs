//! A migration file as statements, each with the line it begins on and the edition it needs.
//!
//! Only what is needed to find the end of a statement is understood: quotes, dollar quotes, comments and the
//! bodies of `begin atomic`. Everything else is the server's business.

use crate::database::edition::{Capability, Kind};

/// A file cut into statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// All of it in one transaction; false where the file says `-- no transaction`.
    pub in_transaction: bool,
    /// In the order of the file.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Line of its first word, from 1.
    pub line: usize,
    /// Its text without the semicolon.
    pub sql: String,
    /// Servers it is for.
    pub condition: Condition,
}

/// Which servers a statement is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// All.
    #[default]
    Always,
    /// Those that have it; elsewhere it waits for the day when the server does.
    Needs(Capability),
    /// Those that have it not: the other way to the same end.
    Without(Capability),
}

impl Condition {
    /// Whether the statement is run on a server of this kind.
    pub fn holds(self, kind: Kind) -> bool {
        match self {
            Self::Always => true,
            Self::Needs(capability) => kind.has(capability),
            Self::Without(capability) => !kind.has(capability),
        }
    }
}

/// What is wrong with a file, and on which line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct ScriptError {
    /// From 1.
    pub line: usize,
    /// What, and what to do.
    pub problem: String,
}

impl Script {
    /// Cuts a file.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let mut cutter = Cutter { rest: text, line: 1 };
        let mut script = Self { in_transaction: true, statements: Vec::new() };
        let mut condition = Condition::Always;
        let mut open: Option<Statement> = None;
        let mut atomic = 0_usize;
        let mut last_word = String::new();
        while let Some((piece, line)) = cutter.next()? {
            match piece {
                Piece::Comment(comment) if open.is_none() => match directive(comment, line)? {
                    Some(Directive::NoTransaction) if script.statements.is_empty() => {
                        script.in_transaction = false;
                    }
                    Some(Directive::NoTransaction) => {
                        let problem = "`-- no transaction` stands before the first statement";
                        return Err(ScriptError { line, problem: problem.to_owned() });
                    }
                    Some(Directive::If(found)) => condition = found,
                    None => {}
                },
                Piece::Blank(_) | Piece::Comment(_) if open.is_none() => {}
                Piece::Semicolon if atomic == 0 => script.statements.extend(open.take()),
                piece => {
                    let statement = open.get_or_insert_with(|| Statement {
                        line,
                        sql: String::new(),
                        condition: std::mem::take(&mut condition),
                    });
                    if let Piece::Word(word) = piece {
                        atomic = depth(atomic, &last_word, &word.to_lowercase());
                        last_word = word.to_lowercase();
                    }
                    statement.sql.push_str(piece.text());
                }
            }
        }
        script.statements.extend(open);
        for statement in &mut script.statements {
            statement.sql.truncate(statement.sql.trim_end().len());
            refuse(statement, script.in_transaction)?;
        }
        Ok(script)
    }

    /// What a server of this kind has to leave out until it can do more.
    pub fn waiting(&self, kind: Kind) -> impl Iterator<Item = (&Statement, Capability)> {
        self.statements.iter().filter_map(move |statement| match statement.condition {
            Condition::Needs(capability) if !kind.has(capability) => Some((statement, capability)),
            _ => None,
        })
    }
}

/// Statements that would end the file's transaction under it, and data that no file can send.
fn refuse(statement: &Statement, in_transaction: bool) -> Result<(), ScriptError> {
    let words: Vec<String> =
        statement.sql.split_whitespace().take(2).map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let problem = match words.as_slice() {
        [
            "begin" | "start" | "commit" | "rollback" | "abort" | "end" | "savepoint" | "release",
            ..,
        ]
        | ["prepare", "transaction"]
            if in_transaction =>
        {
            format!(
                "a file is one transaction: leave `{}` out, or say `-- no transaction`",
                words[0]
            )
        }
        ["copy", ..] if statement.sql.to_lowercase().contains("from stdin") => {
            "rows cannot be sent from a file of statements: use insert, or a pipeline".to_owned()
        }
        _ => return Ok(()),
    };
    Err(ScriptError { line: statement.line, problem })
}

/// How deep inside `begin atomic … end` the next word stands.
fn depth(now: usize, last: &str, word: &str) -> usize {
    match (now, last, word) {
        (0, "begin", "atomic") => 1,
        (1.., _, "case") => now + 1,
        (1.., _, "end") => now - 1,
        _ => now,
    }
}

enum Directive {
    NoTransaction,
    If(Condition),
}

/// Reads `-- needs …`, `-- without …`, `-- no transaction`; any other comment is one.
fn directive(comment: &str, line: usize) -> Result<Option<Directive>, ScriptError> {
    let words: Vec<&str> = comment.trim_start_matches('-').split_whitespace().collect();
    let capability = |name: &str| {
        Capability::named(name).ok_or_else(|| ScriptError {
            line,
            problem: format!("no server is asked for `{name}`: write timescale or compression"),
        })
    };
    Ok(match words.as_slice() {
        ["no", "transaction"] => Some(Directive::NoTransaction),
        ["needs", name] => Some(Directive::If(Condition::Needs(capability(name)?))),
        ["without", name] => Some(Directive::If(Condition::Without(capability(name)?))),
        words if looks_like_one(words) => {
            let problem = "almost a directive: write `-- needs timescale`, `-- needs compression`, \
                           `-- without …` or `-- no transaction`, and nothing else on the line";
            return Err(ScriptError { line, problem: problem.to_owned() });
        }
        _ => None,
    })
}

/// A slip of the pen must not run a guarded statement unguarded.
fn looks_like_one(words: &[&str]) -> bool {
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    match words.first().map(String::as_str) {
        Some("need" | "needs" | "without") => {
            words.len() <= 4
                && words.iter().skip(1).any(|w| w.starts_with("timesc") || w.starts_with("compres"))
        }
        Some("no") => words.len() == 2 && words.iter().any(|w| w.starts_with("transaction")),
        _ => false,
    }
}

/// A run of characters that belong together.
#[derive(Clone, Copy)]
enum Piece<'a> {
    Blank(&'a str),
    Comment(&'a str),
    Word(&'a str),
    Other(&'a str),
    Semicolon,
}

impl<'a> Piece<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Blank(text) | Self::Comment(text) | Self::Word(text) | Self::Other(text) => text,
            Self::Semicolon => ";",
        }
    }
}

struct Cutter<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Cutter<'a> {
    fn next(&mut self) -> Result<Option<(Piece<'a>, usize)>, ScriptError> {
        let (rest, line) = (self.rest, self.line);
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let unended = |what: &str| ScriptError { line, problem: format!("{what} does not end") };
        let while_ = |f: fn(char) -> bool| rest.find(|c| !f(c)).unwrap_or(rest.len());
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
        let length = match first {
            ';' => 1,
            _ if first.is_whitespace() => while_(char::is_whitespace),
            _ if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            _ if rest.starts_with("/*") => comment_end(rest).ok_or_else(|| unended("a comment"))?,
            'e' | 'E' if rest.get(1..2) == Some("'") => {
                1 + quoted_end(rest.get(1..).unwrap_or_default(), '\'', true)
                    .ok_or_else(|| unended("a string"))?
            }
            '\'' => quoted_end(rest, '\'', false).ok_or_else(|| unended("a string"))?,
            '"' => quoted_end(rest, '"', false).ok_or_else(|| unended("a quoted name"))?,
            '$' => match dollar_tag(rest) {
                Some(tag) => {
                    let body = rest.get(tag.len()..).unwrap_or_default();
                    let end = body.find(tag).ok_or_else(|| unended(&format!("{tag} … {tag}")))?;
                    end + 2 * tag.len()
                }
                None => 1,
            },
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (text, rest) = rest.split_at(length);
        self.rest = rest;
        self.line += text.matches('\n').count();
        let piece = match first {
            ';' => Piece::Semicolon,
            _ if first.is_whitespace() => Piece::Blank(text),
            _ if text.starts_with("--") || text.starts_with("/*") => Piece::Comment(text),
            _ if is_word(first) && !text.ends_with(['\'', '$']) => Piece::Word(text),
            _ => Piece::Other(text),
        };
        Ok(Some((piece, line)))
    }
}

/// Where a quoted text ends, both quotes included; a doubled quote stands for itself.
fn quoted_end(text: &str, quote: char, backslash: bool) -> Option<usize> {
    let mut letters = text.char_indices().skip(1).peekable();
    while let Some((at, letter)) = letters.next() {
        if backslash && letter == '\\' {
            letters.next();
        } else if letter == quote && letters.next_if(|(_, next)| *next == quote).is_none() {
            return Some(at + quote.len_utf8());
        }
    }
    None
}

/// Where a `/* … */` ends; they nest.
fn comment_end(text: &str) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(found) = text.get(at..)?.find(['/', '*']).map(|next| at + next) {
        match text.get(found..found + 2) {
            Some("/*") => (depth, at) = (depth + 1, found + 2),
            Some("*/") if depth == 1 => return Some(found + 2),
            Some("*/") => (depth, at) = (depth - 1, found + 2),
            _ => at = found + 1,
        }
    }
    None
}

/// `$$` or `$tag$` at the start of the text. `$1` is a parameter.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text.get(1..)?.find('$')? + 1;
    let tag = text.get(1..end)?;
    let letters = tag.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    let fits = letters && !tag.starts_with(|first: char| first.is_ascii_digit());
    fits.then(|| text.get(..=end)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(text: &str) -> Vec<(usize, String)> {
        let script = Script::parse(text).unwrap();
        script.statements.into_iter().map(|s| (s.line, s.sql)).collect()
    }

    #[test]
    fn a_statement_ends_at_its_own_semicolon() {
        let text = "-- 001 - Words; more\nselect ';', E'\\';', \"a;\"\"b\", 'it''s;' /* ; /* ; */ ; */;\n\
                    \ncreate function f() as $body$ begin; $$;$$; end $body$ ;\nselect $1;";
        let found = cut(text);
        assert_eq!(found.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 5]);
        assert!(found[0].1.ends_with("; */"), "{found:?}");
        assert!(found[1].1.ends_with("$body$"), "{found:?}");
        assert_eq!(found[2].1, "select $1");
        assert_eq!(cut("select 1"), [(1, "select 1".to_owned())]);
        assert_eq!(cut(" ;; \n-- nothing\n"), []);
        assert_eq!(cut("select 'ä;ö'; select e").len(), 2);
    }

    #[test]
    fn an_atomic_body_is_one_statement() {
        let text = "create function f(x int) returns int begin atomic \
                    select case when x > 0 then 1 else 2 end; select x; end; select 2";
        assert_eq!(cut(text).len(), 2);
    }

    #[test]
    fn a_directive_holds_for_the_next_statement_alone() {
        let text = "-- needs timescale\n-- why\nselect 1;\nselect 2; -- needs compression\nselect 3;\n\
                    -- without compression\n\nselect 4;";
        let script = Script::parse(text).unwrap();
        let conditions: Vec<_> = script.statements.iter().map(|s| s.condition).collect();
        assert_eq!(
            conditions,
            [
                Condition::Needs(Capability::Timescale),
                Condition::Always,
                Condition::Needs(Capability::Compression),
                Condition::Without(Capability::Compression),
            ]
        );
        assert!(script.in_transaction);
        let waiting: Vec<_> = script.waiting(Kind::Apache).map(|(s, _)| s.line).collect();
        assert_eq!(waiting, [5]);
        assert!(!Script::parse("-- no transaction\nvacuum").unwrap().in_transaction);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        let problem = |text: &str| Script::parse(text).unwrap_err().to_string();
        assert!(problem("\n-- needs compresion\nselect 1").starts_with("line 2: no server"));
        assert!(problem("select 1;\n-- no transaction\n").starts_with("line 2: "));
        assert_eq!(problem("select 1;\nselect 'abc;\n"), "line 2: a string does not end");
        assert_eq!(problem("select $a$ ; $b$"), "line 1: $a$ … $a$ does not end");
        for text in ["-- need timescale", "-- Needs compression please", "-- no transactions"] {
            assert!(problem(text).starts_with("line 1: almost a directive"), "{text}");
        }
        assert!(problem("select 1;\ncommit;").starts_with("line 2: a file is one transaction"));
        assert!(problem("copy t from stdin;").starts_with("line 1: rows cannot be sent"));
        assert!(Script::parse("-- no transaction\nbegin; commit").is_ok());
        assert_eq!(problem("/* /* */"), "line 1: a comment does not end");
        assert_eq!(problem("select \"a"), "line 1: a quoted name does not end");
    }
}
