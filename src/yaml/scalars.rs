//! Numbers, durations and sizes as people write them → values within limits.

use std::time::Duration;

use schemars::json_schema;

use super::problem::Problem;
use super::read::{FromNode, scalar};
use super::tree::{Node, Style};

/// A whole number between `MIN` and `MAX`, inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whole<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> FromNode for Whole<MIN, MAX> {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, style) = scalar(node, "a whole number", problems)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse::<u64>() {
            Ok(number) if digits && style == Style::Plain && (MIN..=MAX).contains(&number) => Some(Self(number)),
            Ok(_) if digits && style != Style::Plain => {
                problems.push(node.error("a whole number is expected here, not a text").hint("remove the quotes"));
                None
            }
            Err(_) if !digits => {
                problems.push(node.error(format!("a whole number is expected here, not {text:?}")));
                None
            }
            _ if MAX == u64::MAX => {
                problems.push(node.error(format!("{text} is out of range: at least {MIN} is allowed")));
                None
            }
            _ => {
                problems.push(node.error(format!("{text} is out of range: {MIN} to {MAX} is allowed")));
                None
            }
        }
    }
}

/// A duration: `500ms`, `10s`, `5m`, `2h`, `90d`; at most ten years.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Length(pub Duration);

const LENGTH_MAX: Duration = Duration::from_secs(3650 * 86_400);

impl FromNode for Length {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a length of time", problems)?;
        match parse_length(text) {
            Ok(length) => Some(Self(length)),
            Err(what) => {
                problems.push(
                    node.error(what).hint("write a whole number and its unit: `500ms`, `10s`, `5m`, `2h`, `90d`"),
                );
                None
            }
        }
    }
}

/// Parses a duration such as `500ms`, `10s`, `5m`, `2h`, `90d`; the error describes the problem.
///
/// ```
/// use std::time::Duration;
/// use reportferry::yaml::scalars::parse_length;
///
/// assert_eq!(parse_length("90m"), Ok(Duration::from_secs(5400)));
/// assert_eq!(parse_length("10"), Err("\"10\" has no unit".to_owned()));
/// ```
pub fn parse_length(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "" if digits > 0 => return Err(format!("{text:?} has no unit")),
        _ => return Err(format!("{text:?} is not a length of time")),
    };
    let length = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_ms)).map(Duration::from_millis);
    match (digits, length) {
        (0, _) => Err(format!("{text:?} is not a length of time")),
        (_, Some(length)) if length <= LENGTH_MAX => Ok(length),
        _ => Err(format!("{text:?} is longer than ten years")),
    }
}

/// A size in bytes: `4096`, `512KiB`, `64MiB`, `20GiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromNode for Size {
    fn from_node(node: &Node, problems: &mut Vec<Problem>) -> Option<Self> {
        let (text, _) = scalar(node, "a size", problems)?;
        let (number, unit) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let shift = match unit {
            "" => Some(0),
            "KiB" => Some(10),
            "MiB" => Some(20),
            "GiB" => Some(30),
            _ => None,
        };
        let size = shift.and_then(|shift| number.parse::<u64>().ok()?.checked_mul(1 << shift)).filter(|size| *size > 0);
        if size.is_none() {
            problems.push(
                node.error(format!("{text:?} is not a size"))
                    .hint("write a whole number of bytes, or with its unit: `512KiB`, `64MiB`, `20GiB`"),
            );
        }
        size.map(Self)
    }
}

crate::schema_as!([const MIN: u64, const MAX: u64] Whole<MIN, MAX>, |_generator| if MAX == u64::MAX {
    json_schema!({"type": "integer", "minimum": MIN})
} else {
    json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
});
crate::schema_as!(Length, {"type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$"});
crate::schema_as!(Size, {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^[0-9]+([KMG]iB)?$"}]
});

/// Converts a number within its limits to the type that stores it.
macro_rules! fits {
    ($($Number:ty),*) => {
        $(impl<const MIN: u64, const MAX: u64> From<Whole<MIN, MAX>> for $Number {
            fn from(whole: Whole<MIN, MAX>) -> Self {
                Self::try_from(whole.0).unwrap_or(Self::MAX)
            }
        })*
    };
}

fits!(u16, u32, usize);

impl<const MIN: u64, const MAX: u64> From<Whole<MIN, MAX>> for u64 {
    fn from(whole: Whole<MIN, MAX>) -> Self {
        whole.0
    }
}

impl From<Length> for Duration {
    fn from(length: Length) -> Self {
        length.0
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> Self {
        size.0
    }
}

impl From<Size> for usize {
    fn from(size: Size) -> Self {
        Self::try_from(size.0).unwrap_or(Self::MAX)
    }
}
