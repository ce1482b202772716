//! Exact decimals of up to 38 digits, and the parsing and printing of all numbers.

use std::cmp::Ordering;
use std::io::Write;

/// The largest number of digits of a decimal, as in DuckDB and PostgreSQL's common range.
pub(crate) const DIGITS_MAX: u32 = 38;

/// `unscaled / 10^scale`, exact.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Decimal {
    pub(crate) unscaled: i128,
    pub(crate) scale: u8,
}

fn power_of_ten(exponent: u8) -> Option<i128> {
    10_i128.checked_pow(u32::from(exponent))
}

/// Returns true if `unscaled` has at most `precision` digits.
fn fits(unscaled: i128, precision: u8) -> bool {
    power_of_ten(precision).is_some_and(|bound| unscaled.unsigned_abs() < bound.unsigned_abs())
}

impl Decimal {
    pub(crate) fn from_int(int: i64) -> Self {
        Self { unscaled: i128::from(int), scale: 0 }
    }

    /// Returns the number with `scale` digits after the point, rounding half away from zero; `None` beyond 38 digits.
    pub(crate) fn rescale(self, scale: u8) -> Option<Self> {
        let unscaled = if scale >= self.scale {
            self.unscaled.checked_mul(power_of_ten(scale - self.scale)?)?
        } else {
            let by = power_of_ten(self.scale - scale)?;
            let (quotient, rest) = (self.unscaled / by, self.unscaled % by);
            if rest.unsigned_abs() * 2 >= by.unsigned_abs() { quotient + rest.signum() } else { quotient }
        };
        Self { unscaled, scale }.within(DIGITS_MAX as u8)
    }

    pub(crate) fn within(self, precision: u8) -> Option<Self> {
        fits(self.unscaled, precision).then_some(self)
    }

    /// Returns the nearest integer, rounding half away from zero.
    pub(crate) fn round(self) -> Option<i64> {
        i64::try_from(self.rescale(0)?.unscaled).ok()
    }

    pub(crate) fn to_f64(self) -> f64 {
        // Through text, so that 0.1 becomes the double nearest to 0.1 and not one that was rounded twice.
        let mut text = Vec::with_capacity(42);
        self.print(&mut text);
        std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
    }

    fn aligned(self, other: Self) -> Option<(i128, i128, u8)> {
        let scale = self.scale.max(other.scale);
        Some((
            self.unscaled.checked_mul(power_of_ten(scale - self.scale)?)?,
            other.unscaled.checked_mul(power_of_ten(scale - other.scale)?)?,
            scale,
        ))
    }

    pub(crate) fn add(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Self { unscaled: a.checked_add(b)?, scale }.within(DIGITS_MAX as u8)
    }

    pub(crate) fn negate(self) -> Self {
        Self { unscaled: -self.unscaled, scale: self.scale }
    }

    pub(crate) fn multiply(self, other: Self) -> Option<Self> {
        let scale = self.scale + other.scale;
        let unscaled = self.unscaled.checked_mul(other.unscaled)?;
        if u32::from(scale) > DIGITS_MAX { None } else { Self { unscaled, scale }.within(DIGITS_MAX as u8) }
    }

    /// Returns the remainder; `None` also if `other` is zero.
    pub(crate) fn remainder(self, other: Self) -> Option<Self> {
        let (a, b, scale) = self.aligned(other)?;
        Some(Self { unscaled: a.checked_rem(b)?, scale })
    }

    pub(crate) fn compare(self, other: Self) -> Ordering {
        match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            None => self.to_f64().total_cmp(&other.to_f64()),
        }
    }

    pub(crate) fn print(self, out: &mut Vec<u8>) {
        let mut digits = [b'0'; 40];
        let mut at = digits.len();
        let mut rest = self.unscaled.unsigned_abs();
        let least = usize::from(self.scale) + 1;
        while rest > 0 || digits.len() - at < least {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        if self.unscaled < 0 {
            out.push(b'-');
        }
        let point = digits.len() - usize::from(self.scale);
        out.extend_from_slice(&digits[at..point]);
        if self.scale > 0 {
            out.push(b'.');
            out.extend_from_slice(&digits[point..]);
        }
    }
}

/// A number parsed from text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Int(i64),
    Decimal(Decimal),
    Double(f64),
}

/// Parses `[+-]digits[.digits][e[+-]digits]` with spaces around it. Exact if it has no exponent and at most 38 digits;
/// else the nearest double. `None` for everything else: no thousands separators, `inf`, `nan` or hexadecimal.
pub(crate) fn read_number(text: &[u8]) -> Option<Number> {
    let text = text.trim_ascii();
    let (negative, body) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mut unscaled, mut scale, mut digits, mut point, mut exact) = (0_i128, 0_u32, 0_u32, false, true);
    let mut significant = 0_u32;
    for &byte in body {
        match byte {
            b'0'..=b'9' => {
                digits += 1;
                scale += u32::from(point);
                significant += u32::from(significant > 0 || byte != b'0');
                if significant > DIGITS_MAX || scale > DIGITS_MAX {
                    exact = false;
                } else {
                    unscaled = unscaled * 10 + i128::from(byte - b'0');
                }
            }
            b'.' if !point => point = true,
            b'e' | b'E' if digits > 0 => {
                exact = false;
                break;
            }
            _ => return None,
        }
    }
    if digits == 0 {
        return None;
    }
    if !exact {
        return read_double(text).map(Number::Double);
    }
    let unscaled = if negative { -unscaled } else { unscaled };
    match i64::try_from(unscaled) {
        Ok(int) if scale == 0 => Some(Number::Int(int)),
        _ => Some(Number::Decimal(Decimal { unscaled, scale: scale as u8 })),
    }
}

/// Parses a finite double; spaces around it are allowed.
pub(crate) fn read_double(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    // `parse` would also read "inf" and "nan".
    if !text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E')) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().filter(|double: &f64| double.is_finite())
}

pub(crate) fn print_int(int: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(int).as_bytes());
}

/// Appends the shortest text that parses to the same double: `1.0`, `0.0001`, `1e-05`, `1e+16` (as Python and DuckDB).
pub(crate) fn print_double(double: f64, out: &mut Vec<u8>) {
    let text = format!("{double:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let plain = format!("{double}");
        out.extend_from_slice(plain.as_bytes());
        if !plain.contains('.') {
            out.extend_from_slice(b".0");
        }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "{mantissa}e{sign}{:02}", exponent.abs());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Decimal {
        match read_number(text.as_bytes()) {
            Some(Number::Decimal(decimal)) => decimal,
            Some(Number::Int(int)) => Decimal::from_int(int),
            other => panic!("{text} reads as {other:?}"),
        }
    }

    fn print(decimal: Decimal) -> String {
        let mut out = Vec::new();
        decimal.print(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_read_and_print() {
        for (text, shown) in [
            ("5", "5"),
            (" -5.50 ", "-5.50"),
            ("+.5", "0.5"),
            ("0.001", "0.001"),
            ("-0.001", "-0.001"),
            ("12345678901234567890", "12345678901234567890"),
            ("99999999999999999999999999999999999999", "99999999999999999999999999999999999999"),
        ] {
            assert_eq!(print(decimal(text)), shown, "{text}");
        }
        for text in ["", " ", "-", ".", "1,5", "1_000", "0x10", "inf", "nan", "--5", "1e", "5a", "1e400", "१"] {
            assert_eq!(read_number(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(read_number(b"1e3"), Some(Number::Double(1000.0)));
        // The 39th digit makes the number inexact.
        assert_eq!(read_number(&[b'9'; 39]), Some(Number::Double(1e39)));
    }

    #[test]
    fn rounding_is_half_away_from_zero_and_overflow_is_none() {
        for (text, scale, shown) in
            [("1.235", 2, "1.24"), ("-1.235", 2, "-1.24"), ("1.2349", 2, "1.23"), ("2", 2, "2.00")]
        {
            assert_eq!(print(decimal(text).rescale(scale).unwrap()), shown);
        }
        let most = decimal(&"9".repeat(38));
        assert!(most.add(Decimal::from_int(1)).is_none());
        assert!(most.rescale(1).is_none());
        assert!(most.multiply(Decimal::from_int(2)).is_none());
        assert!(most.remainder(Decimal::from_int(0)).is_none());
    }

    #[test]
    fn doubles_print_as_duckdb_prints_them() {
        for (double, shown) in [
            (1.0, "1.0"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1e-5, "1e-05"),
            (1e-4, "0.0001"),
            (0.1, "0.1"),
        ] {
            let mut out = Vec::new();
            print_double(double, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), shown);
        }
    }
}
