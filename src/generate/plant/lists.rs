//! The lists that plants are put together from. All of it is invented.

use super::{Machine, Product, Reason};

const fn reason(
    names: [&'static str; 4],
    planned: bool,
    share: i64,
    minutes: (i64, i64),
) -> Reason {
    let [code, category, first, second] = names;
    Reason { code, category, words: [first, second], planned, share, minutes }
}

/// Shares add up to 100.
pub static REASONS: [Reason; 9] = [
    reason(
        ["machine_breakdown", "Equipment", "Broken belt", "motor tripped again"],
        false,
        22,
        (15, 240),
    ),
    reason(
        ["material_shortage", "Material", "No film on site", "waiting for powder"],
        false,
        15,
        (10, 150),
    ),
    reason(["quality_issue", "Quality", "seal leaking", "Wrong date code"], false, 10, (10, 90)),
    reason(["operator_break", "Planned", "Tea", "lunch"], true, 18, (10, 45)),
    reason(["shift_change", "Planned", "shift change", "Handover"], true, 12, (5, 25)),
    reason(["maintenance", "Maintenance", "greasing", "Service by fitter"], true, 10, (30, 300)),
    reason(["safety_incident", "Safety", "guard open", "Forklift in the way"], false, 2, (20, 180)),
    reason(["power_outage", "Utilities", "Load shedding", "no air"], false, 6, (120, 270)),
    reason(["other", "Other", "?", "cleaning up"], false, 5, (5, 60)),
];

const fn machine(names: [&'static str; 4], rate: i64, site: usize) -> Machine {
    let [code, name, kind, environment] = names;
    Machine { code, name, kind, environment, rate, site, commissioned: 0 }
}

pub(super) const MACHINES: [Machine; 10] = [
    machine(["BP01.PACK.BAG1", "Bagger 1", "Bagger", "packaging"], 100, 0),
    machine(["BP01.PACK.BAG1.BL", "Basket Loader 1", "Loader", "packaging"], 96, 0),
    machine(["BP01.BLEND.MIX1", "Blender 1", "Blender", "blending"], 12, 0),
    machine(["BP01.PACK.CAN1", "Canline 1", "Canning Line", "production"], 60, 0),
    machine(["BP01.BEV.FILL1", "Filler 1", "Filler", "beverage"], 140, 0),
    machine(["BP02.PACK.BAG2", "Bagger 2", "Bagger", "packaging"], 90, 1),
    machine(["BP02.BLEND.MIX2", "Blender 2", "Blender", "blending"], 15, 1),
    machine(["BP02.PACK.CASE1", "Case Packer 1", "Case Packer", "packaging"], 30, 1),
    machine(["BP02.SEAS.TUM1", "Tumbler 1", "Tumbler", "seasoning"], 8, 1),
    machine(["BP02.PACK.PAL1", "Palletiser 1", "Palletiser", "packaging"], 6, 1),
];

pub(super) const PRODUCTS: [Product; 8] = [
    Product { code: "PROD-001", name: "Loaf bags 500 g" },
    Product { code: "PROD-002", name: "Loaf bags 750 g" },
    Product { code: "PROD-003", name: "Speciality bags" },
    Product { code: "PROD-004", name: "Milk powder 1 kg" },
    Product { code: "PROD-005", name: "Instant cocoa 400 g" },
    Product { code: "PROD-006", name: "Ginger drink 330 ml" },
    Product { code: "PROD-007", name: "Braai seasoning 100 g" },
    Product { code: "PROD-008", name: "Custard mix, \"old recipe\"" },
];

pub(super) const FIRST_NAMES: [&str; 16] = [
    "Amara", "Brin", "Célia", "Dumo", "Elke", "Fenna", "Goran", "Hanneke", "Imani", "Jory", "Kaya",
    "Lindo", "Mirko", "Nomsa", "Orla", "Pieter",
];
pub(super) const LAST_NAMES: [&str; 14] = [
    "Aalwyn",
    "Brandvlei",
    "Cloete-Test",
    "Dolerite",
    "Estcourt",
    "Fynbos",
    "Grünwald",
    "Hartbees",
    "Ixopo",
    "Jakaranda",
    "Karee",
    "Lowveld",
    "Marula",
    "O'Reed",
];
