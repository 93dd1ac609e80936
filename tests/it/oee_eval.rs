//! `oee eval` from the command line: stdin and file, both formats, and what it says of wrong input.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn eval(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_millstream"))
        .args(["oee", "eval"])
        .args(arguments)
        .env("NO_COLOR", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn vector() -> Value {
    let all: Value = serde_json::from_str(include_str!("../../fixtures/kpi.json")).unwrap();
    all["cases"][0].clone()
}

#[test]
fn a_case_goes_in_and_kpis_come_out_in_both_formats() {
    let case = vector();
    let run = eval(&["-", "--format", "json"], &case["input"].to_string());
    assert_eq!(run.status.code(), Some(0));
    let found: Value = serde_json::from_slice(&run.stdout).unwrap();
    assert_eq!(found, case["expected"]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shift.json");
    std::fs::write(&path, case["input"].to_string()).unwrap();
    let run = eval(&[path.to_str().unwrap()], "");
    let text = String::from_utf8(run.stdout).unwrap();
    assert_eq!(run.status.code(), Some(0));
    for part in ["2024-08-01T06:00:00Z to 2024-08-01T14:00:00Z", "49/115", "0.426087", "27,600"] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
}

#[test]
fn wrong_input_ends_with_two_and_its_place() {
    let cases = [
        ("{\n \"shift\": ]", "stdin:2:11: no JSON: expected value"),
        ("{\"shift\": {}}", "stdin: shift.start: missing"),
        ("{\"shit\": 1}", "stdin: shit: not known; known are shift, shift_local,"),
        ("", "stdin:1:0: no JSON: EOF while parsing a value"),
    ];
    for (input, expected) in cases {
        let run = eval(&["-"], input);
        let said = String::from_utf8(run.stderr).unwrap();
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.starts_with(&format!("millstream: {expected}")), "{said}\nis not\n{expected}");
        assert!(run.stdout.is_empty());
    }
    let run = eval(&["nowhere.json"], "");
    assert_eq!(run.status.code(), Some(2));
    assert!(String::from_utf8(run.stderr).unwrap().contains("nowhere.json"));
}
