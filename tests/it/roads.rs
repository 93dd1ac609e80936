//! The whole road of each legacy system: generated, carried over, computed, and held against what
//! the generator knows to be true. Three systems record one plant; where they record the same, they
//! must lead to the same OEE.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::support::tool::Run;
use crate::support::{Database, Scene, random};

/// One system, carried over and computed.
struct Road {
    scene: Scene,
    truth: Value,
    source: String,
    /// Dropped last: the legacy database.
    _legacy: Option<Database>,
}

fn example(name: &str) -> String {
    let path = format!("{}/pipelines/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

impl Road {
    /// From a legacy PostgreSQL.
    fn of_database(system: &str, options: &[&str]) -> Self {
        let scene = Scene::new(&example(system));
        let legacy = Database::plain();
        let words = ["generate", system, "--out", &legacy.url, "--truth", "truth.json"];
        scene.millstream(&[&words[..], options].concat()).ends(0);
        let source = legacy.url.clone();
        Self::travelled(scene, source, Some(legacy))
    }

    /// From the book of orders.
    fn of_orders(options: &[&str]) -> Self {
        let scene = Scene::new(&example("orders-iso22400"));
        let words = ["generate", "orders", "--out", "orders.db", "--handover-counts"];
        let words = [&words[..], &["--truth", "truth.json"], options].concat();
        scene.millstream(&words).ends(0);
        Self::travelled(scene, "orders.db".to_owned(), None)
    }

    fn travelled(scene: Scene, source: String, legacy: Option<Database>) -> Self {
        let text = std::fs::read_to_string(scene.path("truth.json")).unwrap();
        let truth = serde_json::from_str(&text).unwrap();
        scene.millstream(&["migrate", "up", "--set", "iso22400"]).ends(0);
        let road = Self { scene, truth, source, _legacy: legacy };
        road.run(&["check", "pipeline.toml"]);
        road.run(&["backfill", "pipeline.toml"]);
        road.run(&["verify", "pipeline.toml"]);
        road.run(&["oee", "compute"]);
        road
    }

    fn run(&self, words: &[&str]) -> Run {
        self.scene.millstream(words).env("SOURCE", &self.source).ends(0)
    }

    /// What was computed, by unit and start of the shift.
    fn computed(&self) -> BTreeMap<(String, i64), Computed> {
        let sql = r#"
            select e.code, extract(epoch from i."actualStartTime")::bigint, s."shiftCode", i."shiftDate",
                o."potSeconds", o."plannedSeconds", o."pbtSeconds", o."aptSeconds", o."austSeconds",
                o."adetSeconds", o."adotSeconds", o."unknownSeconds", o."totalProduced",
                o."goodProduced", o."defectCount", o."reworkCount", coalesce(o.oee::text, '')
            from public.oee_calculations o
            join public."Equipment" e on e.id = o."equipmentId"
            join public."ShiftInstance" i on i.id = o."shiftInstanceId"
            join public."Shift" s on s.id = i."shiftId""#;
        let rows = self.scene.database.rows(sql);
        let number = |text: &String| -> i64 {
            let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
            assert!(
                rest.chars().all(|c| c == '0'),
                "{text} is no whole number of seconds or pieces"
            );
            whole.parse().unwrap()
        };
        let one = |row: Vec<String>| {
            let amounts = row[4..16].iter().map(number).collect();
            let named = (row[0].clone(), number(&row[1]));
            let shift = (row[2].clone(), row[3].clone());
            (named, Computed { shift, amounts, oee: row[16].parse().ok() })
        };
        let count = rows.len();
        let found: BTreeMap<_, _> = rows.into_iter().map(one).collect();
        assert_eq!(found.len(), count, "a shift of a unit was computed twice");
        found
    }

    /// Every shift about which the record has nothing against it, with its unit.
    fn shifts(&self, may_be_corrected: bool) -> Vec<(String, &Value)> {
        let mut found = Vec::new();
        for machine in self.truth["machines"].as_array().unwrap() {
            let code = machine["code"].as_str().unwrap();
            for shift in machine["shifts"].as_array().unwrap() {
                let flawed = shift["flawed"].as_array().unwrap();
                let fit = flawed.iter().all(|flaw| may_be_corrected && flaw == "corrected");
                found.extend(fit.then(|| (code.to_owned(), shift)));
            }
        }
        found
    }

    /// Holds what was computed against the truth; says how many shifts that were.
    fn is_true(&self) -> usize {
        let computed = self.computed();
        let shifts = self.shifts(true);
        let mut wrong = Vec::new();
        for (code, truth) in &shifts {
            let start = truth["start"].as_i64().unwrap();
            let Some(found) = computed.get(&(code.clone(), start)) else {
                wrong.push(format!("{code} {truth}: was not computed"));
                continue;
            };
            let expected = Computed::of(truth);
            if !found.equals(&expected) {
                wrong.push(format!(
                    "{code} {start}:\n  computed {found:?}\n  truth    {expected:?}"
                ));
            }
        }
        let shown: Vec<&String> = wrong.iter().take(5).collect();
        assert!(wrong.is_empty(), "{} of {} shifts: {shown:#?}", wrong.len(), shifts.len());
        shifts.len()
    }
}

/// Elements and pieces of a shift, in the order of the query, and its OEE.
#[derive(Debug, Clone, PartialEq)]
struct Computed {
    shift: (String, String),
    amounts: Vec<i64>,
    oee: Option<f64>,
}

const AMOUNTS: [&str; 12] = [
    "pot", "planned", "pbt", "apt", "aust", "adet", "adot", "unknown", "produced", "good", "scrap",
    "rework",
];

impl Computed {
    fn of(truth: &Value) -> Self {
        let text = |key: &str| truth[key].as_str().unwrap().to_owned();
        let amounts: Vec<i64> = AMOUNTS.iter().map(|key| truth[key].as_i64().unwrap()).collect();
        let mut ideal = Some(0.0);
        for part in truth["ideal"].as_array().unwrap() {
            let pri = part["pri"]
                .as_array()
                .map(|pri| pri[0].as_f64().unwrap() / pri[1].as_f64().unwrap());
            let seconds = pri.map(|pri| pri * part["good"].as_f64().unwrap());
            ideal = ideal.zip(seconds).map(|(sum, seconds)| sum + seconds);
        }
        let (pbt, apt, unknown) = (amounts[2], amounts[3], amounts[7]);
        // Nothing at all is known, or there was nothing to be busy with: no rate.
        let has_rate = pbt > 0 && unknown < pbt && (apt > 0 || amounts[8] == 0);
        let oee = ideal.filter(|_| has_rate).map(|ideal| ideal / pbt as f64);
        Self { shift: (text("shift"), text("date")), amounts, oee }
    }

    fn equals(&self, other: &Self) -> bool {
        let oee = match (self.oee, other.oee) {
            (Some(one), Some(other)) => (one - other).abs() < 1e-9,
            (one, other) => one.is_none() && other.is_none(),
        };
        oee && self.shift == other.shift && self.amounts == other.amounts
    }
}

#[test]
fn seventeen_tables_lead_to_the_true_oee() {
    let road = Road::of_database("legacy17", &["--seed", "1"]);
    assert!(road.is_true() > 300);
    // The pilot unit has states and counts, and no shift to compute.
    let sql = r#"select count(*) from public.oee_calculations o
        join public."Equipment" e on e.id = o."equipmentId" where e.code like 'BP03%'"#;
    assert_eq!(road.scene.database.number(sql), 0);
    let sql = r#"select count(*) from public.equipment_states o
        join public."Equipment" e on e.id = o."equipmentId" where e.code like 'BP03%'"#;
    assert!(road.scene.database.number(sql) > 10);
}

#[test]
fn seven_tables_lead_to_the_true_oee() {
    let road = Road::of_database("simple7", &["--seed", "1"]);
    assert!(road.is_true() > 300);
}

#[test]
fn the_book_of_orders_leads_to_the_true_oee() {
    let road = Road::of_orders(&["--seed", "1", "--years", "1"]);
    assert!(road.is_true() > 5_000);
}

#[test]
fn nights_of_seven_and_nine_hours_are_true() {
    for (from, to, length) in [("2025-03-25", "2025-04-02", 7), ("2025-10-22", "2025-10-30", 9)] {
        for system in ["legacy17", "simple7"] {
            let road = Road::of_database(system, &["--from", from, "--to", to]);
            road.is_true();
            let nights = road.shifts(true);
            let mut nights = nights.iter().filter(|(_, shift)| shift["pot"] == length * 3600);
            assert!(nights.next().is_some(), "no night of {length} hours from {from}");
        }
    }
}

#[test]
fn three_systems_of_one_plant_lead_to_the_same_oee() {
    let roads = [
        Road::of_database("legacy17", &["--seed", "2"]),
        Road::of_database("simple7", &["--seed", "2"]),
        Road::of_orders(&["--seed", "2", "--years", "2"]),
    ];
    let computed = [&roads[0], &roads[1], &roads[2]].map(Road::computed);
    let fit = [&roads[0], &roads[1], &roads[2]].map(|road| {
        let shifts = road.shifts(false).into_iter();
        shifts
            .map(|(code, shift)| ((code, shift["start"].as_i64().unwrap()), shift["ideal"].clone()))
            .collect::<BTreeMap<_, _>>()
    });
    let (mut compared, mut of_oee) = (0, 0);
    for (key, ideal) in &fit[0] {
        if !fit[1].contains_key(key) || !fit[2].contains_key(key) {
            continue;
        }
        let [one, two, three] = [0, 1, 2].map(|nth| &computed[nth][key]);
        // How finely a system sees a stop moves time between the elements, never into or out of the
        // planned busy time.
        for nth in [0, 1, 2, 8, 9, 10, 11] {
            let amounts = [one, two, three].map(|it| it.amounts[nth]);
            assert_eq!(amounts, [amounts[0]; 3], "{key:?} {}", AMOUNTS[nth]);
        }
        compared += 1;
        if fit[1][key] == *ideal && fit[2][key] == *ideal {
            let oee = [one, two, three].map(|it| it.oee.unwrap_or(-1.0));
            assert!(oee.iter().all(|it| (it - oee[0]).abs() < 1e-9), "{key:?} {oee:?}");
            of_oee += 1;
        }
    }
    assert!(compared > 200 && of_oee > 100, "{compared} compared, {of_oee} of them with an OEE");
}

/// Rows and their hashes, by table.
fn digest(road: &Road) -> [String; 3] {
    ["equipment_states", "production_counts", "quality_events"].map(|table| {
        road.scene.database.text(&format!(
            "select count(*) || ' ' || coalesce(sum(hashtext(t::text)::bigint), 0)
             from public.{table} t"
        ))
    })
}

#[test]
fn killed_at_random_moments_each_road_ends_the_same() {
    let mut random = random();
    for (system, options) in [("legacy17", ["--days", "5"]), ("simple7", ["--days", "5"])] {
        let whole = Road::of_database(system, &options);
        let (rows, computed) = (digest(&whole), whole.computed());
        whole.scene.database.run(
            "drop schema millstream cascade; truncate public.equipment_states, public.production_counts,
             public.quality_events, public.oee_calculations, public.\"ShiftInstance\", public.\"Site\",
             public.\"Product\" cascade",
        );
        let mut kills = 0;
        for words in [["backfill", "pipeline.toml"], ["oee", "compute"]] {
            for _ in 0..6 {
                let tool = whole.scene.millstream(&words).env("SOURCE", &whole.source);
                let mut running = tool.start();
                std::thread::sleep(Duration::from_millis(random.u64(20..700)));
                kills += usize::from(running.kill());
            }
            whole.run(&words);
        }
        println!("{system}: {kills} kills");
        assert!(kills > 2, "{system}: only {kills} of 12 met a run under way");
        assert_eq!(digest(&whole), rows, "{system}");
        assert_eq!(whole.computed(), computed, "{system}");
        whole.run(&["verify", "pipeline.toml", "--deep"]);
    }
}

#[test]
fn a_road_that_is_travelled_twice_doubles_nothing() {
    let roads = [
        Road::of_database("legacy17", &["--days", "4"]),
        Road::of_database("simple7", &["--days", "4"]),
        Road::of_orders(&["--years", "1"]),
    ];
    for road in roads {
        let (rows, computed) = (digest(&road), road.computed());
        let again = road.scene.millstream(&["backfill", "pipeline.toml"]);
        let again = again.env("SOURCE", &road.source).json(0);
        assert_eq!(again["rows_this_run"], 0);
        road.run(&["oee", "compute"]);
        assert_eq!(digest(&road), rows);
        assert_eq!(road.computed(), computed);
    }
}
