//! Linear unit conversions: `degF -> degC`. A unit is its dimension, its size in the base unit, its zero.

/// One unit of measurement.
struct Unit {
    name: &'static str,
    dimension: &'static str,
    /// base = value · scale + offset
    scale: f64,
    offset: f64,
}

const fn unit(name: &'static str, dimension: &'static str, scale: f64, offset: f64) -> Unit {
    Unit { name, dimension, scale, offset }
}

/// Exact by definition (inch, pound, calorie-free), so that a round trip stays within one rounding.
const UNITS: [Unit; 37] = [
    unit("K", "temperature", 1.0, 0.0),
    unit("degC", "temperature", 1.0, 273.15),
    unit("degF", "temperature", 5.0 / 9.0, 273.15 - 32.0 * 5.0 / 9.0),
    unit("um", "length", 1e-6, 0.0),
    unit("mm", "length", 1e-3, 0.0),
    unit("cm", "length", 1e-2, 0.0),
    unit("m", "length", 1.0, 0.0),
    unit("km", "length", 1e3, 0.0),
    unit("in", "length", 0.0254, 0.0),
    unit("ft", "length", 0.3048, 0.0),
    unit("g", "mass", 1e-3, 0.0),
    unit("kg", "mass", 1.0, 0.0),
    unit("t", "mass", 1e3, 0.0),
    unit("lb", "mass", 0.453_592_37, 0.0),
    unit("ms", "time", 1e-3, 0.0),
    unit("s", "time", 1.0, 0.0),
    unit("min", "time", 60.0, 0.0),
    unit("h", "time", 3_600.0, 0.0),
    unit("Pa", "pressure", 1.0, 0.0),
    unit("kPa", "pressure", 1e3, 0.0),
    unit("MPa", "pressure", 1e6, 0.0),
    unit("bar", "pressure", 1e5, 0.0),
    unit("mbar", "pressure", 1e2, 0.0),
    unit("psi", "pressure", 6_894.757_293_168, 0.0),
    unit("ml", "volume", 1e-6, 0.0),
    unit("l", "volume", 1e-3, 0.0),
    unit("m3", "volume", 1.0, 0.0),
    unit("gal", "volume", 3.785_411_784e-3, 0.0),
    unit("Wh", "energy", 3_600.0, 0.0),
    unit("kWh", "energy", 3.6e6, 0.0),
    unit("MWh", "energy", 3.6e9, 0.0),
    unit("J", "energy", 1.0, 0.0),
    unit("MJ", "energy", 1e6, 0.0),
    unit("m/s", "speed", 1.0, 0.0),
    unit("m/min", "speed", 1.0 / 60.0, 0.0),
    unit("%", "ratio", 0.01, 0.0),
    unit("1", "ratio", 1.0, 0.0),
];

/// target = source · factor + offset
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conversion {
    factor: f64,
    offset: f64,
}

impl Conversion {
    /// The conversion between two units, or what is wrong with asking for it.
    pub fn between(from: &str, to: &str) -> Result<Self, String> {
        let find = |name: &str| {
            let found = UNITS.iter().find(|unit| unit.name == name);
            found.ok_or_else(|| format!("unknown unit `{name}`"))
        };
        let (from, to) = (find(from)?, find(to)?);
        if from.dimension != to.dimension {
            let (left, right) = (from.dimension, to.dimension);
            return Err(format!("{} is a {left}, {} is a {right}", from.name, to.name));
        }
        Ok(Self { factor: from.scale / to.scale, offset: (from.offset - to.offset) / to.scale })
    }

    /// Converts one value.
    pub fn apply(self, value: f64) -> f64 {
        value * self.factor + self.offset
    }
}

/// Names of all units.
pub fn names() -> Vec<&'static str> {
    UNITS.iter().map(|unit| unit.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        let cases = [
            ("degF", "degC", 212.0, 100.0),
            ("degC", "degF", -40.0, -40.0),
            ("in", "mm", 1.0, 25.4),
            ("m/min", "m/s", 60.0, 1.0),
            ("%", "1", 85.0, 0.85),
            ("kWh", "MJ", 1.0, 3.6),
        ];
        for (from, to, value, expected) in cases {
            let converted = Conversion::between(from, to).unwrap().apply(value);
            assert!((converted - expected).abs() < 1e-9, "{value} {from} = {converted} {to}");
        }
    }

    #[test]
    fn apples_are_no_pears() {
        assert!(Conversion::between("kg", "m").is_err());
        assert!(Conversion::between("furlong", "m").is_err());
    }
}
