//! The plant as a system of records sees it: units with their place and pace, and what they make.

use super::{DAY, Machine, Plant};

/// A machine in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Unique, as everywhere.
    pub code: &'static str,
    /// For people.
    pub name: &'static str,
    /// What it does.
    pub kind: &'static str,
    /// Code of the site.
    pub site: &'static str,
    /// Units a minute when it runs well.
    pub rate: i64,
    /// Whether anybody wrote its cycle time down.
    pub has_pri: bool,
    /// Whose life it leads: the index of a machine.
    pub machine: usize,
    /// Since when.
    pub commissioned: i64,
}

/// A site with its name and zone.
pub const SITES: [(&str, &str, &str, &str); 3] = [
    ("BP01", "Boulder Pass", "Africa/Johannesburg", "ZA"),
    ("BP02", "Birch Point", "Europe/Berlin", "DE"),
    // Nobody works here by a plan: no shift covers it.
    ("BP03", "Birch Point Pilot Hall", "Europe/Berlin", "DE"),
];

/// The fast machines fill retail packs, whose cycle times are known.
const FAST: i64 = 90;

/// The machine whose cycle time nobody wrote down.
const WITHOUT_PRI: &str = "BP01.BEV.FILL1";

/// The machine whose life the pilot unit leads.
const PILOT_OF: usize = 8;

/// A product as one class of machines makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Article {
    /// Unique.
    pub code: &'static str,
    /// For people.
    pub name: &'static str,
    /// Milliseconds a piece, where the product has its own.
    pub pri_ms: Option<i64>,
}

const fn article(code: &'static str, name: &'static str, pri_ms: Option<i64>) -> Article {
    Article { code, name, pri_ms }
}

/// The products of the plant, in its order: first as packs, then in bulk.
pub const ARTICLES: [Article; 16] = [
    article("PROD-001", "Loaf bags 500 g", Some(420)),
    article("PROD-002", "Loaf bags 750 g", Some(450)),
    article("PROD-003", "Speciality bags", None),
    article("PROD-004", "Milk powder 1 kg", Some(500)),
    article("PROD-005", "Instant cocoa 400 g", Some(425)),
    article("PROD-006", "Ginger drink 330 ml", Some(400)),
    article("PROD-007", "Braai seasoning 100 g", Some(440)),
    article("PROD-008", "Custard mix, \"old recipe\"", Some(480)),
    article("PROD-001-B", "Loaf bags 500 g, bulk", None),
    article("PROD-002-B", "Loaf bags 750 g, bulk", None),
    article("PROD-003-B", "Speciality bags, bulk", None),
    article("PROD-004-B", "Milk powder 1 kg, bulk", None),
    article("PROD-005-B", "Instant cocoa 400 g, bulk", None),
    article("PROD-006-B", "Ginger drink 330 ml, bulk", None),
    article("PROD-007-B", "Braai seasoning 100 g, bulk", None),
    article("PROD-008-B", "Custard mix, \"old recipe\", bulk", None),
];

impl Plant {
    /// Every machine, and the pilot unit, in the order of the machines.
    pub fn units(&self) -> Vec<Unit> {
        let mut units: Vec<Unit> = self.machines.iter().enumerate().map(unit).collect();
        if let Some(twin) = units.get(PILOT_OF).cloned() {
            units.push(Unit {
                code: "BP03.PILOT.EXT1",
                name: "Pilot Extruder",
                kind: "Extruder",
                site: "BP03",
                commissioned: twin.commissioned + 30 * DAY,
                ..twin
            });
        }
        units
    }
}

fn unit((machine, it): (usize, &Machine)) -> Unit {
    Unit {
        code: it.code,
        name: it.name,
        kind: it.kind,
        site: SITES[it.site].0,
        rate: it.rate,
        has_pri: it.code != WITHOUT_PRI,
        machine,
        commissioned: it.commissioned,
    }
}

impl Unit {
    /// The area it stands in: the first two parts of its code.
    pub fn area(&self) -> &'static str {
        let end = self.code.match_indices('.').nth(1).map_or(self.code.len(), |(at, _)| at);
        self.code.get(..end).unwrap_or(self.code)
    }

    /// The article that it makes of a product: its place among `ARTICLES`.
    pub fn article(&self, product: usize) -> usize {
        product % 8 + if self.rate >= FAST { 0 } else { 8 }
    }

    /// The ideal time of a piece in seconds, as a fraction: the article's, else the unit's.
    pub fn pri(&self, article: usize) -> Option<(i64, i64)> {
        let own = self.has_pri.then_some((60, self.rate));
        ARTICLES[article].pri_ms.map(|ms| (ms, 1000)).or(own)
    }
}
