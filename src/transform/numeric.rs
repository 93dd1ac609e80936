//! Decimal text to the wire form of `numeric`, without passing through a float.

use super::Reason;
use crate::schema::Numeric;

/// Postgres takes 131,072 digits before the point and 16,383 after it; far less is plausible here.
const DIGITS_MAX: i64 = 16_000;

/// Reads `-12.50`, `1e-3`, `NaN`. The scale is the number of digits written after the point.
pub fn parse(text: &str) -> Result<Numeric, Reason> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("nan") {
        let groups = Vec::new();
        return Ok(Numeric { groups, weight: 0, negative: false, scale: 0, nan: true });
    }
    let (negative, unsigned) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or_default()),
        Some(b'+') => (false, text.get(1..).unwrap_or_default()),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let exponent: i64 = exponent.parse().map_err(|_| Reason::Syntax)?;
            (mantissa, exponent)
        }
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Reason::Syntax);
    }
    if exponent.abs() > DIGITS_MAX || digits.len() > 2 * 16_000 {
        return Err(Reason::OutOfRange);
    }
    let fraction_len = i64::try_from(fraction.len()).map_err(|_| Reason::OutOfRange)?;
    // The value is digits · 10^-scale.
    from_digits(negative, &digits, fraction_len - exponent)
}

fn from_digits(negative: bool, digits: &[u8], scale: i64) -> Result<Numeric, Reason> {
    let mut digits: Vec<u8> = digits.iter().map(|digit| digit - b'0').collect();
    let mut scale = scale;
    while scale < 0 {
        digits.push(0);
        scale += 1;
    }
    let shown = u16::try_from(scale).map_err(|_| Reason::OutOfRange)?;
    // Line the decimal point up with a border between groups of four.
    let padding = (4 - scale % 4) % 4;
    let zeros = usize::try_from(padding).map_err(|_| Reason::OutOfRange)?;
    digits.extend(std::iter::repeat_n(0, zeros));
    let groups_after_point = (scale + padding) / 4;
    let lead = (4 - digits.len() % 4) % 4;
    digits.splice(0..0, std::iter::repeat_n(0, lead));
    let mut groups: Vec<i16> = digits
        .chunks_exact(4)
        .map(|four| four.iter().fold(0_i16, |group, digit| group * 10 + i16::from(*digit)))
        .collect();
    let count = i64::try_from(groups.len()).map_err(|_| Reason::OutOfRange)?;
    let mut weight = count - groups_after_point - 1;
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= i64::try_from(leading).map_err(|_| Reason::OutOfRange)?;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        return Ok(Numeric { groups, weight: 0, negative: false, scale: shown, nan: false });
    }
    let weight = i16::try_from(weight).map_err(|_| Reason::OutOfRange)?;
    Ok(Numeric { groups, weight, negative, scale: shown, nan: false })
}

/// Makes the value fit `numeric(precision, scale)`: the scale is filled up with zeros; digits that
/// would be rounded away, or do not fit before the point, are refused.
pub fn fit(mut value: Numeric, precision: u16, scale: u16) -> Result<Numeric, Reason> {
    if value.nan {
        return Ok(value);
    }
    if significant_scale(&value) > i64::from(scale) {
        return Err(Reason::Precision);
    }
    if let Some(first) = value.groups.first() {
        let digits_first = first.checked_ilog10().map_or(0, i64::from) + 1;
        let before_point = i64::from(value.weight) * 4 + digits_first;
        if before_point > i64::from(precision) - i64::from(scale) {
            return Err(Reason::OutOfRange);
        }
    }
    value.scale = scale;
    Ok(value)
}

/// Digits after the point that are not trailing zeros.
fn significant_scale(value: &Numeric) -> i64 {
    let Some(last) = value.groups.last() else { return 0 };
    let count = i64::try_from(value.groups.len()).unwrap_or(i64::MAX);
    let groups_after_point = count - 1 - i64::from(value.weight);
    let mut zeros = 0;
    let mut group = *last;
    while group % 10 == 0 && zeros < 3 {
        group /= 10;
        zeros += 1;
    }
    (groups_after_point * 4 - zeros).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(text: &str) -> (Vec<i16>, i16, bool, u16) {
        let value = parse(text).unwrap();
        (value.groups, value.weight, value.negative, value.scale)
    }

    #[test]
    fn groups_are_cut_at_the_point() {
        assert_eq!(groups("1.00000001"), (vec![1, 0, 1], 0, false, 8));
        assert_eq!(groups("-12345.5"), (vec![1, 2345, 5000], 1, true, 1));
        assert_eq!(groups("10000"), (vec![1], 1, false, 0));
        assert_eq!(groups("0.0001"), (vec![1], -1, false, 4));
        assert_eq!(groups("1e3"), (vec![1000], 0, false, 0));
        assert_eq!(groups("1.5e-5"), (vec![1500], -2, false, 6));
        assert_eq!(groups("-0.00"), (vec![], 0, false, 2));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", "-", "1.2.3", "abc", "1e", "0x10", "1,5", "٣"] {
            assert_eq!(parse(text), Err(Reason::Syntax), "{text}");
        }
        assert_eq!(parse("1e99999"), Err(Reason::OutOfRange));
    }

    #[test]
    fn a_declared_scale_is_filled_never_rounded() {
        assert_eq!(fit(parse("1.5").unwrap(), 6, 2).unwrap().scale, 2);
        assert_eq!(fit(parse("1.500").unwrap(), 6, 2).unwrap().scale, 2);
        assert_eq!(fit(parse("1.505").unwrap(), 6, 2), Err(Reason::Precision));
        assert_eq!(fit(parse("12345").unwrap(), 6, 2), Err(Reason::OutOfRange));
        assert_eq!(fit(parse("9999.99").unwrap(), 6, 2).unwrap().weight, 0);
    }
}
