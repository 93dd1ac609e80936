use serde_json::Value;

use super::super::server::Span;
use super::{id, record, row_id, truth_of};

fn truth(seed: u64) -> Value {
    let span = Span::before(seed, 14, None).unwrap();
    let (_, histories) = span.histories().unwrap();
    let records: Vec<_> = histories.iter().map(|(it, _)| record(seed, it)).collect();
    truth_of(&span, &histories, &records)
}

#[test]
fn ids_are_a_letter_and_24_more_and_rows_sort_as_they_were_made() {
    assert_eq!(id("Plant", "BP01").len(), 25);
    assert_ne!(id("Plant", "BP01"), id("Line", "BP01"));
    assert_eq!(row_id('o', 12).len(), 25);
    assert!(row_id('o', 12) > row_id('o', 9));
}

#[test]
fn the_truth_is_of_a_seed_adds_up_and_knows_corrections() {
    let found = truth(1);
    assert_eq!(found, truth(1));
    assert_ne!(found["machines"], truth(2)["machines"]);
    let (mut corrected, mut without, mut shifts) = (0, 0, 0);
    let machines = found["machines"].as_array().unwrap();
    assert_eq!(machines.len(), 11);
    for machine in machines {
        without += i32::from(machine["shifts"].as_array().unwrap().is_empty());
        for shift in machine["shifts"].as_array().unwrap() {
            let of = |key: &str| shift[key].as_i64().unwrap();
            let parts = ["planned", "apt", "aust", "adet", "adot", "unknown"];
            assert_eq!(of("pot"), parts.map(of).into_iter().sum::<i64>());
            assert_eq!(of("pbt"), of("pot") - of("planned"));
            assert_eq!(of("produced"), of("good") + of("scrap") + of("rework"));
            let ideal = shift["ideal"].as_array().unwrap();
            let made: i64 = ideal.iter().map(|it| it["produced"].as_i64().unwrap()).sum();
            assert_eq!(made, of("produced"));
            corrected += i32::from(!shift["flawed"].as_array().unwrap().is_empty());
            shifts += 1;
        }
    }
    assert!(corrected > 10 && shifts > 300, "{corrected} of {shifts}");
    assert_eq!(without, 1, "the pilot unit has no shifts");
}
