use serde_json::Value;

use super::*;
use crate::kpi::indicators::Rate;

const VECTORS: &str = include_str!("../../../fixtures/kpi.json");

/// A field in seconds, as microseconds; parts need not say everything.
fn us(part: &Value, name: &str) -> i64 {
    part[name].as_i64().unwrap_or(0) * 1_000_000
}

#[test]
fn sums_are_divided_last() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let cases = vectors["aggregations"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    for case in cases {
        let mut sums = Sums::default();
        for part in case["parts"].as_array().unwrap() {
            let (apt, pbt) = (us(part, "APT"), us(part, "PBT"));
            let time = Elements { pot: pbt, pbt, apt, adet: pbt - apt, ..Elements::default() };
            let ideal = part["IDEAL_GQ"].as_str().map(|text| Rational::parse(text).unwrap());
            let made = Quantities { ideal_good: ideal, ..Sums::default().quantities };
            sums.add(&time, &made).unwrap();
        }
        let rates = sums.indicators().unwrap();
        let found = |name: &str| -> Rate {
            match name {
                "availability" => rates.availability,
                "oee" => rates.oee,
                other => panic!("{other}"),
            }
        };
        for (name, expected) in case["expected"].as_object().unwrap() {
            let rate = found(name).unwrap();
            assert_eq!(rate.to_string(), expected["fraction"], "{}: {name}", case["id"]);
            assert_eq!(Some(rate.rounded(9)), expected["value"].as_f64(), "{}: {name}", case["id"]);
        }
        for (name, wrong) in case["wrong_answers"].as_object().unwrap() {
            let rate = rates.availability.unwrap();
            assert_ne!(Some(rate.rounded(9)), wrong.as_f64(), "{}: {name}", case["id"]);
        }
    }
}

#[test]
fn a_part_without_an_ideal_time_leaves_the_sum_without() {
    let mut sums = Sums::default();
    sums.add(&Elements::default(), &Sums::default().quantities).unwrap();
    assert_eq!(sums.quantities.ideal_good, Some(Rational::ZERO));
    sums.add(&Elements::default(), &Quantities::default()).unwrap();
    sums.add(&Elements::default(), &Sums::default().quantities).unwrap();
    assert_eq!(sums.quantities.ideal_good, None);
}
