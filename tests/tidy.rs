//! The rules that no linter has: who may know whom, how long a file may be, what stays out of the tree.

#![allow(clippy::unwrap_used, reason = "a test may fail by it")]

use std::path::{Path, PathBuf};

/// Lines of a file before its tests.
const FILE_LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "no {extension} file below {folder}: the rule checks nothing");
    found.sort();
    found
}

/// A source file: its name below the root, and its code, without tests and comments.
fn sources() -> Vec<(String, String)> {
    let named = files("src", "rs").into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        (name, code(&text))
    });
    // A file of tests alone is as long as its tests are.
    named.filter(|(name, _)| !is_test_file(name)).collect()
}

fn is_test_file(name: &str) -> bool {
    ["tests.rs", "properties.rs", "cases.rs"].iter().any(|end| name.ends_with(end))
}

fn code(text: &str) -> String {
    let before_tests = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines = before_tests.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

fn offenders(rule: impl Fn(&str, &str) -> Option<String>) -> Vec<String> {
    sources().iter().filter_map(|(name, code)| rule(name, code)).collect()
}

/// Names of `folder` that a file of another room uses.
fn imports(code: &str, room: &str) -> bool {
    code.contains(&format!("crate::{room}::"))
        || code.contains(&format!("use crate::{{{room}::"))
        || code.contains(&format!("use super::super::{room}"))
}

#[test]
fn rooms_know_only_whom_they_may() {
    // A room, and the rooms it must not know.
    let walls: [(&str, &[&str]); 11] = [
        ("src/source", &["transform", "sink", "pipeline", "database", "audit", "bench"]),
        ("src/transform", &["source", "sink", "pipeline", "database", "audit", "bench"]),
        ("src/sink", &["source", "transform", "pipeline", "database", "audit", "bench"]),
        ("src/pipeline", &["database", "audit", "bench"]),
        ("src/observe", &["source", "transform", "sink", "pipeline", "database", "config"]),
        ("src/config", &["source", "sink", "pipeline", "database", "observe"]),
        ("src/generate", &["source", "transform", "sink", "pipeline", "database", "config"]),
        ("src/database", &["source", "transform", "pipeline", "audit", "bench"]),
        ("src/oee", &["source", "transform", "pipeline", "config", "audit", "bench"]),
        (
            "src/kpi",
            &["source", "transform", "sink", "pipeline", "database", "config", "observe", "schema"],
        ),
        (
            "src/batch.rs",
            &["source", "transform", "sink", "pipeline", "database", "config", "schema"],
        ),
    ];
    let wrong = offenders(|name, code| {
        let (_, forbidden) = walls.iter().find(|(room, _)| name.starts_with(room))?;
        let known = forbidden.iter().find(|room| imports(code, room))?;
        Some(format!("{name} knows {known}"))
    });
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn words_that_every_room_shares_import_nothing_of_ours() {
    for name in ["src/batch.rs", "src/schema.rs", "src/fault.rs", "src/backoff.rs"] {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        assert!(!code(&text).contains("crate::"), "{name} imports something of ours");
    }
}

#[test]
fn async_stays_where_it_belongs() {
    let rooms = [
        "src/sink",
        "src/pipeline",
        "src/database",
        "src/observe",
        "src/oee",
        "src/cli",
        "src/bench",
    ];
    let wrong = offenders(|name, code| {
        let allowed = rooms.iter().any(|room| name.starts_with(room));
        (!allowed && code.contains("tokio")).then(|| name.to_owned())
    });
    assert!(wrong.is_empty(), "tokio in {wrong:?}");
    let wrong = offenders(|name, code| {
        let allowed = name.starts_with("src/source") || name.starts_with("src/pipeline");
        (!allowed && code.contains("crossbeam_channel")).then(|| name.to_owned())
    });
    assert!(wrong.is_empty(), "crossbeam_channel in {wrong:?}");
}

#[test]
fn files_stay_short() {
    let wrong = offenders(|name, _| {
        let text = std::fs::read_to_string(root().join(name)).unwrap();
        let lines = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or("").lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{name}: {lines} lines"))
    });
    assert!(wrong.is_empty(), "longer than {FILE_LINES_MAX} lines: {wrong:#?}");
}

#[test]
fn nothing_is_left_open() {
    let marks = ["todo!(", "unimplemented!(", "#[ignore", "TODO", "FIXME", "XXX"];
    let wrong: Vec<String> = files("src", "rs")
        .into_iter()
        .chain(files("migrations", "sql"))
        .chain(files("pipelines", "toml"))
        .filter_map(|path| {
            let text = std::fs::read_to_string(&path).unwrap();
            let mark = marks.iter().find(|mark| text.contains(**mark))?;
            Some(format!("{}: {mark}", path.display()))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn no_vague_names() {
    let vague = ["utils", "util", "common", "helpers", "helper", "misc", "types", "manager"];
    let wrong = offenders(|name, _| {
        let stem = Path::new(name).file_stem()?.to_str()?;
        vague.contains(&stem).then(|| name.to_owned())
    });
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn every_invariant_names_a_test_that_exists() {
    let map = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let tests: String = files("tests", "rs")
        .into_iter()
        .chain(files("src", "rs"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect();
    let named: Vec<&str> = map.split('`').filter_map(|word| word.strip_prefix("test:")).collect();
    assert!(named.len() >= 10, "ARCHITECTURE.md names {} tests", named.len());
    for name in named {
        assert!(tests.contains(&format!("fn {name}(")), "there is no test `{name}`");
    }
}

#[test]
fn every_key_of_the_pipeline_file_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/pipeline-file.md")).unwrap();
    for (section, keys) in millstream::config::check::KEYS {
        for key in keys {
            assert!(
                page.contains(&format!("`{key}`")),
                "docs/pipeline-file.md lacks {section}.{key}"
            );
        }
    }
}

#[test]
fn every_key_of_the_policy_file_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/policies.md")).unwrap();
    for (section, keys) in millstream::config::policy::KEYS {
        for key in keys {
            assert!(page.contains(&format!("`{key}`")), "docs/policies.md lacks {section}.{key}");
        }
    }
}
