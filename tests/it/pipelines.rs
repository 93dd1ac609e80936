//! Every example runs on generated data, and within the memory it promises.

use std::time::Duration;

use crate::support::source::{READINGS, readings};
use crate::support::{Scene, long};

fn example(name: &str) -> String {
    let path = format!("{}/pipelines/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn every_example_has_a_test_here() {
    let folder = format!("{}/pipelines", env!("CARGO_MANIFEST_DIR"));
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    // The three into iso22400 have theirs in `roads`.
    let roads = ["legacy17.toml", "orders-iso22400.toml", "simple7.toml"];
    names.retain(|name| !roads.contains(&name.as_str()));
    assert_eq!(names, ["orders.toml", "telemetry.toml"]);
}

fn generate(scene: &Scene, words: &[&str]) {
    let words = [&["generate"], words, &["--out", "source.db"]].concat();
    scene.millstream(&words).ends(0);
}

fn check_load_and_verify(scene: &Scene) -> serde_json::Value {
    let with_source = |words: &[&str]| scene.millstream(words).env("SOURCE", "source.db");
    with_source(&["check", "pipeline.toml"]).ends(0);
    let report = with_source(&["backfill", "pipeline.toml"]).json(0);
    with_source(&["verify", "pipeline.toml", "--deep"]).ends(0);
    // The same command again has nothing to do.
    let again = with_source(&["backfill", "pipeline.toml"]).json(0);
    assert_eq!(again["rows_this_run"], 0);
    report
}

#[test]
fn the_telemetry_example_runs() {
    let scene = Scene::new(&example("telemetry"));
    generate(&scene, &["telemetry", "--rows", "20000"]);
    check_load_and_verify(&scene);
    let landed = scene.database.number("select count(*) from historian.metric_hist");
    let aside = scene.database.number("select count(*) from millstream.dead_letter");
    assert_eq!((landed + aside, aside), (20_000, 9));
}

#[test]
fn the_orders_example_runs() {
    let scene = Scene::new(&example("orders"));
    generate(&scene, &["orders", "--seed", "3"]);
    scene.millstream(&["migrate", "up", "--set", "orders"]).ends(0);
    let report = check_load_and_verify(&scene);
    assert_eq!(report["source_tables"].as_array().unwrap().len(), 17);
}

#[test]
fn memory_stays_below_256_mb() {
    let scene = Scene::new(READINGS);
    let rows = if long() { 20_000_000 } else { 5_000_000 };
    readings(&scene.path("source.db"), rows);
    let mut run = scene.backfill().start();
    let mut peak = 0;
    let ended = crate::support::wait_for("the load", Duration::from_secs(250), || {
        peak = run.peak_memory().unwrap_or(0).max(peak);
        run.ended()
    });
    println!("{rows} rows: at most {} MB resident", peak / 1_000_000);
    assert!(ended.success(), "{}", run.log());
    assert!(peak > 0 && peak < 256_000_000, "{peak} bytes");
    super::exactly_once::nothing_lost_nothing_double(&scene, i64::try_from(rows).unwrap());
}
