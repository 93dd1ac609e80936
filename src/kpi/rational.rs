//! Exact fractions over 128 bits. A result that does not fit is an error and never a wrong number.

use std::cmp::Ordering;
use std::fmt;

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// A result does not fit.
    #[error("a number does not fit 128 bits; ideal cycle times with fewer digits help")]
    Overflow,
    /// A text is no number.
    #[error("no number: write 12, 1.5 or 60000/1041")]
    Malformed,
}

/// A fraction in lowest terms with a positive denominator, so that equal values are equal fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rational {
    num: i128,
    den: i128,
}

/// What arithmetic gives.
pub type Exact = Result<Rational, NumberError>;

/// Powers of ten beyond this do not fit anyway.
const EXPONENT_MAX: i32 = 38;

impl Rational {
    /// Nothing.
    pub const ZERO: Self = Self { num: 0, den: 1 };
    /// One.
    pub const ONE: Self = Self { num: 1, den: 1 };

    /// `num / den` in lowest terms. Malformed when `den` is 0.
    pub fn new(num: i128, den: i128) -> Exact {
        if den == 0 {
            return Err(NumberError::Malformed);
        }
        if den == 1 {
            return Ok(Self { num, den });
        }
        let divisor = gcd(num.unsigned_abs(), den.unsigned_abs());
        let fit = |part: u128| i128::try_from(part / divisor).map_err(|_| NumberError::Overflow);
        let (size, den_size) = (fit(num.unsigned_abs())?, fit(den.unsigned_abs())?);
        let negative = (num < 0) != (den < 0);
        Ok(Self { num: if negative { -size } else { size }, den: den_size })
    }

    /// The number that a text writes: `12`, `-1.5`, `2e3`, `60000/1041`.
    pub fn parse(text: &str) -> Exact {
        match text.split_once('/') {
            Some((num, den)) => {
                let quotient = decimal(num.trim())?.over(decimal(den.trim())?)?;
                quotient.ok_or(NumberError::Malformed)
            }
            None => decimal(text.trim()),
        }
    }

    /// Exactly the binary fraction that a double is: 0.1 is 3602879701896397/36028797018963968.
    pub fn from_f64_exact(value: f64) -> Exact {
        if !value.is_finite() {
            return Err(NumberError::Malformed);
        }
        let bits = value.to_bits();
        let fraction = i128::from(bits & ((1 << 52) - 1));
        let biased = i32::try_from(bits >> 52 & 0x7ff).map_err(|_| NumberError::Overflow)?;
        let (mantissa, exponent) = match biased {
            0 => (fraction, -1074),
            _ => (fraction | 1 << 52, biased - 1075),
        };
        let zeros = mantissa.trailing_zeros();
        if mantissa == 0 {
            return Ok(Self::ZERO);
        }
        let shift = i32::try_from(zeros).map_err(|_| NumberError::Overflow)?;
        let (odd, exponent) = (mantissa >> zeros, exponent + shift);
        let signed = if value < 0.0 { -odd } else { odd };
        let power = 1_i128.checked_shl(exponent.unsigned_abs()).filter(|power| *power > 0);
        let power = power.ok_or(NumberError::Overflow)?;
        match exponent {
            0.. => {
                Ok(Self { num: signed.checked_mul(power).ok_or(NumberError::Overflow)?, den: 1 })
            }
            _ => Ok(Self { num: signed, den: power }),
        }
    }

    /// The decimal number that a double is printed as: 0.1 is 1/10. What a person meant who wrote it.
    pub fn from_f64(value: f64) -> Exact {
        decimal(&format!("{value:e}"))
    }

    /// Numerator; its sign is the number's.
    pub fn num(self) -> i128 {
        self.num
    }

    /// Denominator, at least 1.
    pub fn den(self) -> i128 {
        self.den
    }

    /// It is nothing.
    pub fn is_zero(self) -> bool {
        self.num == 0
    }

    /// It is more than nothing.
    pub fn is_positive(self) -> bool {
        self.num > 0
    }

    /// The nearest double, off by at most one last place.
    pub fn to_f64(self) -> f64 {
        self.num as f64 / self.den as f64
    }

    /// The nearest double of the value rounded to `places` decimals, halves away from zero.
    pub fn rounded(self, places: u32) -> f64 {
        let scaled = 10_i128.checked_pow(places).and_then(|scale| {
            let doubled = self.num.unsigned_abs().checked_mul(scale.unsigned_abs())?;
            let doubled = doubled.checked_mul(2)?.checked_add(self.den.unsigned_abs())?;
            let whole = doubled / self.den.unsigned_abs().checked_mul(2)?;
            Some(whole as f64 / scale as f64)
        });
        let sign = if self.num < 0 { -1.0 } else { 1.0 };
        scaled.map_or_else(|| self.to_f64(), |size| sign * size)
    }

    /// The sum.
    pub fn plus(self, other: Self) -> Exact {
        if self.den == other.den {
            let num = self.num.checked_add(other.num).ok_or(NumberError::Overflow)?;
            return Self::new(num, self.den);
        }
        let divisor = gcd(self.den.unsigned_abs(), other.den.unsigned_abs());
        let divisor = i128::try_from(divisor).map_err(|_| NumberError::Overflow)?;
        let left = self.num.checked_mul(other.den / divisor);
        let right = other.num.checked_mul(self.den / divisor);
        let den = (self.den / divisor).checked_mul(other.den);
        let num = left.zip(right).and_then(|(left, right)| left.checked_add(right));
        let (num, den) = num.zip(den).ok_or(NumberError::Overflow)?;
        Self::new(num, den)
    }

    /// The difference.
    pub fn minus(self, other: Self) -> Exact {
        let num = other.num.checked_neg().ok_or(NumberError::Overflow)?;
        self.plus(Self { num, den: other.den })
    }

    /// The product.
    pub fn times(self, other: Self) -> Exact {
        // Crosswise first: what cancels needs no room.
        let (left, right) = (Self::new(self.num, other.den)?, Self::new(other.num, self.den)?);
        let num = left.num.checked_mul(right.num).ok_or(NumberError::Overflow)?;
        let den = left.den.checked_mul(right.den).ok_or(NumberError::Overflow)?;
        Ok(Self { num, den })
    }

    /// The quotient; none by nothing.
    pub fn over(self, other: Self) -> Result<Option<Self>, NumberError> {
        if other.num == 0 {
            return Ok(None);
        }
        self.times(Self::new(other.den, other.num)?).map(Some)
    }
}

/// The sum of many.
pub fn sum(terms: impl IntoIterator<Item = Rational>) -> Exact {
    terms.into_iter().try_fold(Rational::ZERO, Rational::plus)
}

impl Default for Rational {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<i64> for Rational {
    fn from(value: i64) -> Self {
        Self { num: i128::from(value), den: 1 }
    }
}

impl fmt::Display for Rational {
    /// `num/den`, also for whole numbers: `1/1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.num, self.den)
    }
}

impl Ord for Rational {
    fn cmp(&self, other: &Self) -> Ordering {
        // Whole parts, then the reciprocals of what is left: nothing is multiplied, so nothing overflows.
        let (mut left, mut right) = ((self.num, self.den), (other.num, other.den));
        let mut turned = false;
        loop {
            let wholes = (left.0.div_euclid(left.1), right.0.div_euclid(right.1));
            let rests = (left.0.rem_euclid(left.1), right.0.rem_euclid(right.1));
            let found = match (wholes.0.cmp(&wholes.1), rests) {
                (Ordering::Equal, (0, 0)) => Some(Ordering::Equal),
                (Ordering::Equal, (0, _)) => Some(Ordering::Less),
                (Ordering::Equal, (_, 0)) => Some(Ordering::Greater),
                (Ordering::Equal, _) => None,
                (unequal, _) => Some(unequal),
            };
            if let Some(found) = found {
                return if turned { found.reverse() } else { found };
            }
            (left, right) = ((left.1, rests.0), (right.1, rests.1));
            turned = !turned;
        }
    }
}

impl PartialOrd for Rational {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

fn gcd(mut left: u128, mut right: u128) -> u128 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left.max(1)
}

/// A decimal number, with or without fraction and exponent.
fn decimal(text: &str) -> Exact {
    let (digits, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => {
            (digits, exponent.parse::<i32>().map_err(|_| NumberError::Malformed)?)
        }
        None => (text, 0),
    };
    let (negative, digits) = match digits.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, digits.strip_prefix('+').unwrap_or(digits)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() + fraction.len() == 0 || digits.ends_with('.') {
        return Err(NumberError::Malformed);
    }
    let mut num = 0_i128;
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return Err(NumberError::Malformed);
        }
        let digit = i128::from(byte - b'0');
        num = num
            .checked_mul(10)
            .and_then(|num| num.checked_add(digit))
            .ok_or(NumberError::Overflow)?;
    }
    let places = i32::try_from(fraction.len()).map_err(|_| NumberError::Overflow)?;
    let scale = exponent.checked_sub(places).ok_or(NumberError::Overflow)?;
    if num == 0 {
        return Ok(Rational::ZERO);
    }
    if scale.abs() > EXPONENT_MAX {
        return Err(NumberError::Overflow);
    }
    let power = 10_i128.checked_pow(scale.unsigned_abs()).ok_or(NumberError::Overflow)?;
    let num = if negative { -num } else { num };
    match scale {
        0.. => {
            num.checked_mul(power).map(|num| Rational { num, den: 1 }).ok_or(NumberError::Overflow)
        }
        _ => Rational::new(num, power),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Rational {
        Rational::parse(text).unwrap()
    }

    #[test]
    fn texts_are_read_exactly() {
        let cases = [
            ("12", (12, 1)),
            ("-1.50", (-3, 2)),
            ("60000/1041", (20000, 347)),
            ("2e3", (2000, 1)),
            ("1.25E-1", (1, 8)),
            ("0.0", (0, 1)),
            ("1/-2", (-1, 2)),
        ];
        for (text, (num, den)) in cases {
            assert_eq!((parsed(text).num(), parsed(text).den()), (num, den), "{text}");
        }
        for text in ["", "x", "1/0", "1.", "1e", "--1", "1/2/3", "٣"] {
            assert_eq!(Rational::parse(text), Err(NumberError::Malformed), "{text}");
        }
        for text in ["1e39", "170141183460469231731687303715884105728", "1e-400"] {
            assert_eq!(Rational::parse(text), Err(NumberError::Overflow), "{text}");
        }
    }

    #[test]
    fn a_double_is_taken_as_it_is_or_as_it_is_printed() {
        assert_eq!(Rational::from_f64(0.1), Rational::new(1, 10));
        assert_eq!(
            Rational::from_f64_exact(0.1),
            Rational::new(3_602_879_701_896_397, 36_028_797_018_963_968)
        );
        assert_eq!(Rational::from_f64_exact(-2.5), Rational::new(-5, 2));
        assert_eq!(Rational::from_f64_exact(0.0), Ok(Rational::ZERO));
        for value in [f64::NAN, f64::INFINITY] {
            assert_eq!(Rational::from_f64_exact(value), Err(NumberError::Malformed));
            assert_eq!(Rational::from_f64(value), Err(NumberError::Malformed));
        }
        assert_eq!(Rational::from_f64_exact(1e300), Err(NumberError::Overflow));
        assert_eq!(Rational::from_f64_exact(1e-300), Err(NumberError::Overflow));
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let huge = Rational::new(i128::MAX, 1).unwrap();
        let fine = Rational::new(1, i128::MAX).unwrap();
        assert_eq!(huge.plus(Rational::ONE), Err(NumberError::Overflow));
        assert_eq!(huge.times(parsed("2")), Err(NumberError::Overflow));
        assert_eq!(fine.plus(parsed("1/2")), Err(NumberError::Overflow));
        assert_eq!(huge.times(fine), Ok(Rational::ONE));
        assert_eq!(Rational::new(i128::MIN, 3), Err(NumberError::Overflow));
        assert_eq!(Rational::ONE.over(Rational::ZERO), Ok(None));
        assert!(huge > fine && fine > Rational::ZERO);
    }

    #[test]
    fn rounding_is_of_the_exact_value() {
        assert_eq!(parsed("20/23").rounded(9), 0.869_565_217);
        assert_eq!(parsed("-1/3").rounded(3), -0.333);
        assert_eq!(parsed("1/8").rounded(2), 0.13);
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_fractions(
            a in -10_000_i64..10_000, b in 1_i64..10_000, c in -10_000_i64..10_000, d in 1_i64..10_000,
        ) {
            let [a, b, c, d] = [a, b, c, d].map(i128::from);
            let (left, right) = (Rational::new(a, b).unwrap(), Rational::new(c, d).unwrap());
            prop_assert_eq!(left.plus(right), Rational::new(a * d + c * b, b * d));
            prop_assert_eq!(left.minus(right).unwrap().plus(right), Ok(left));
            prop_assert_eq!(left.times(right), Rational::new(a * c, b * d));
            prop_assert_eq!(left.cmp(&right), (a * d).cmp(&(c * b)));
            if c != 0 {
                prop_assert_eq!(left.over(right).unwrap().unwrap().times(right), Ok(left));
            }
        }

        #[test]
        fn a_double_comes_back(value in -1e9_f64..1e9) {
            prop_assert_eq!(Rational::from_f64_exact(value).unwrap().to_f64(), value);
        }
    }
}
