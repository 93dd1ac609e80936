//! The tables, with Prisma's habits: quoted names, text ids, instants without a zone that are UTC.
//!
//! A reconstruction. The guide names these tables and the columns it uses; the rest of them, and
//! which make up the seventeen, is an assumption.

/// In the order in which they are filled.
pub(super) const TABLES: [&str; 17] = [
    "\"Plant\"",
    "\"Area\"",
    "\"Line\"",
    "\"Cell\"",
    "\"WorkUnit\"",
    "\"DowntimeType\"",
    "\"DefectType\"",
    "\"Product\"",
    "\"ProductionOrder\"",
    "\"User\"",
    "\"OperationalMetric\"",
    "\"ProductionMetric\"",
    "\"QualityMetric\"",
    "\"EnergyMetric\"",
    "\"MaintenanceMetric\"",
    "\"DowntimeEvent\"",
    "\"Alert\"",
];

/// Statements that make them.
pub(super) const SQL: &str = include_str!("schema.sql");

/// Downtime types that are no reasons of the plant's stops: code and name.
pub(super) const OTHER_TYPES: [(&str, &str); 2] =
    [("SETUP", "Set-up"), ("STARVED", "Waiting for material")];

/// Code, name, category, severity.
pub(super) const DEFECTS: [[&str; 4]; 6] = [
    ["DIM-001", "Too short", "dimensional", "major"],
    ["DIM-002", "Too heavy", "dimensional", "minor"],
    ["VIS-001", "Scratched", "visual", "minor"],
    ["VIS-002", "Smeared print", "visual", "minor"],
    ["FUN-001", "Seal leaks", "functional", "critical"],
    ["PAC-001", "Wrong label", "packaging", "major"],
];
