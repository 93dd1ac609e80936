//! What the README tells a newcomer to type, typed.

use std::process::Command;

use crate::support::Scene;

/// A small file of somebody's own: readings with a bad value among them.
const OWN_FILE: &str = "
    create table readings (id integer primary key, sensor text not null, ts text not null, value real);
    with recursive n(i) as (values (0) union all select i + 1 from n where i < 11999)
    insert into readings (sensor, ts, value)
    select 'press-' || (i % 3), strftime('%Y-%m-%dT%H:%M:%SZ', 1717200000 + i * 60, 'unixepoch'),
        20 + i % 17 / 10.0 from n;
    update readings set value = 'n/a' where id = 77;
";

/// Blocks of the README that are marked to be run: kind and text.
fn blocks() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let parts: Vec<&str> = page.split("```").collect();
    let fenced = parts.iter().skip(1).step_by(2).filter_map(|block| {
        let (kind, text) = block.split_once('\n')?;
        let kind = kind.strip_suffix(" run")?;
        Some((kind.to_owned(), text.to_owned()))
    });
    fenced.collect()
}

#[test]
fn the_readme_takes_a_newcomer_from_a_file_to_a_replayed_row() {
    let scene = Scene::new("");
    rusqlite::Connection::open(scene.path("my.db")).unwrap().execute_batch(OWN_FILE).unwrap();
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_millstream")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let client = std::env::var("MILLSTREAM_TEST_BIN").expect("./dev up sets MILLSTREAM_TEST_BIN");
    let path = format!("{path}:{client}");
    let blocks = blocks();
    assert!(blocks.len() >= 8, "the README runs {} blocks only", blocks.len());
    let mut said = String::new();
    for (kind, text) in blocks {
        let mut command = match kind.as_str() {
            "sh" => {
                let mut shell = Command::new("bash");
                shell.args(["-euo", "pipefail", "-c", &text]);
                shell
            }
            "sql" => {
                let mut psql = Command::new("psql");
                psql.args(["-X", "-v", "ON_ERROR_STOP=1", &scene.database.url, "-c", &text]);
                psql
            }
            other => panic!("the README marks a block of `{other}` to be run"),
        };
        let output = command
            .current_dir(scene.path(""))
            .env("PATH", &path)
            .env("DATABASE_URL", &scene.database.url)
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(output.status.success(), "{text}\nended with {}:\n{words}", output.status);
        said.push_str(&words);
    }
    assert!(said.contains("1 rows loaded, 0 stay"), "the bad row was replayed: {said}");
}
