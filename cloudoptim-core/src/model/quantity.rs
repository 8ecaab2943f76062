//! Kubernetes quantities: `100m`, `1.5Gi`, `2e3`.
//!
//! The grammar is the one that the API documents for `resource.Quantity`: an
//! optional sign, digits with an optional point, and one suffix out of
//! `n u m k M G T P E`, `Ki Mi Gi Ti Pi Ei`, or an exponent such as `e3` or
//! `E-9`. At least one digit is required: a lone `+`, `.` or `m` is refused
//! here, while the API server's own parser reads it as zero.

use super::resources::{Bytes, MilliCpu};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// Billionths in one unit.
const NANO: u128 = 1_000_000_000;

/// What a binary quantity is held at, in units: Kubernetes caps those at the
/// largest `int64`.
const BINARY_CAP: u128 = i64::MAX as u128;

/// An exact amount, in billionths of a unit.
///
/// A finer amount is rounded away from zero, as Kubernetes does, so that
/// whoever asks for some of a resource never gets none. An amount beyond the
/// range is held at its end: binary suffixes at 2^63 − 1 units (as Kubernetes
/// does), the others at about 1.7 × 10^29 units.
///
/// ```
/// use cloudoptim_core::model::{Bytes, MilliCpu, Quantity};
///
/// let memory = Quantity::parse("1.5Gi")?;
/// assert_eq!(memory.as_bytes()?, Bytes(1_610_612_736));
/// assert_eq!(Quantity::parse("0.1")?.as_milli_cpu()?, MilliCpu(100));
///
/// let refused = Quantity::parse("1gi").unwrap_err();
/// assert_eq!(refused.to_string(), "unknown suffix \"gi\" in quantity \"1gi\"");
/// # Ok::<(), cloudoptim_core::model::QuantityError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(with = "String"))]
pub struct Quantity {
    nano: i128,
}

/// Why a quantity was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// The text has no number where one must be, or something after it.
    #[error("not a quantity: {text:?}")]
    Malformed {
        /// The text as given.
        text: String,
    },
    /// A number is followed by a suffix that Kubernetes does not have.
    #[error("unknown suffix {suffix:?} in quantity {text:?}")]
    UnknownSuffix {
        /// The text as given.
        text: String,
        /// What follows the number.
        suffix: String,
    },
    /// An amount below zero where only zero and above make sense.
    #[error("quantity must not be negative, got {quantity}")]
    Negative {
        /// The amount.
        quantity: Quantity,
    },
}

/// What a suffix multiplies by: a power of ten or of two.
enum Scale {
    Ten(i64),
    Two(u32),
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self { nano: 0 };

    /// An amount given in billionths of a unit.
    pub const fn from_nano(nano: i128) -> Self {
        Self { nano }
    }

    /// The amount in billionths of a unit.
    pub const fn nano(self) -> i128 {
        self.nano
    }

    /// Reads a quantity as Kubernetes writes it.
    ///
    /// | text | units |
    /// | --- | --- |
    /// | `100m` | 0.1 |
    /// | `1.5Gi` | 1610612736 |
    /// | `12e6`, `12M` | 12000000 |
    /// | `3.001n` | 0.000000004, rounded away from zero |
    /// | `9Ei` | 9223372036854775807, the cap |
    ///
    /// # Errors
    /// [`QuantityError::Malformed`] or [`QuantityError::UnknownSuffix`], both
    /// with the text.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let malformed = || QuantityError::Malformed {
            text: text.to_owned(),
        };
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, rest) = split_digits(unsigned);
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => split_digits(rest),
            None => ("", rest),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(malformed());
        }
        let magnitude = match scale_of(suffix) {
            Some(Scale::Ten(power)) => decimal(whole, fraction, power),
            Some(Scale::Two(power)) => {
                multiply(whole, fraction, 0, NANO << power).min(BINARY_CAP * NANO)
            }
            None if suffix.bytes().all(|b| b.is_ascii_alphanumeric()) => {
                return Err(QuantityError::UnknownSuffix {
                    text: text.to_owned(),
                    suffix: suffix.to_owned(),
                });
            }
            None => return Err(malformed()),
        };
        let magnitude = i128::try_from(magnitude).unwrap_or(i128::MAX);
        Ok(Self {
            nano: if negative { -magnitude } else { magnitude },
        })
    }

    /// The amount as CPU, rounded up to a thousandth of a core and held at
    /// 2^63 − 1 of them.
    ///
    /// # Errors
    /// [`QuantityError::Negative`].
    pub fn as_milli_cpu(self) -> Result<MilliCpu, QuantityError> {
        Ok(MilliCpu(self.in_units_of(1_000_000)?))
    }

    /// The amount as bytes, rounded up to a whole byte and held at 2^63 − 1.
    ///
    /// # Errors
    /// [`QuantityError::Negative`].
    pub fn as_bytes(self) -> Result<Bytes, QuantityError> {
        Ok(Bytes(self.in_units_of(NANO)?))
    }

    /// The amount as a count (pods, devices, an extended resource), rounded
    /// up and held at 2^63 − 1.
    ///
    /// # Errors
    /// [`QuantityError::Negative`].
    pub fn as_integer(self) -> Result<u64, QuantityError> {
        self.in_units_of(NANO)
    }

    fn in_units_of(self, nano: u128) -> Result<u64, QuantityError> {
        let amount =
            u128::try_from(self.nano).map_err(|_| QuantityError::Negative { quantity: self })?;
        let held = amount.div_ceil(nano).min(BINARY_CAP);
        Ok(u64::try_from(held).unwrap_or(u64::MAX))
    }
}

/// The leading ASCII digits, and what follows them.
fn split_digits(text: &str) -> (&str, &str) {
    let end = text
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn scale_of(suffix: &str) -> Option<Scale> {
    Some(match suffix {
        "n" => Scale::Ten(-9),
        "u" => Scale::Ten(-6),
        "m" => Scale::Ten(-3),
        "" => Scale::Ten(0),
        "k" => Scale::Ten(3),
        "M" => Scale::Ten(6),
        "G" => Scale::Ten(9),
        "T" => Scale::Ten(12),
        "P" => Scale::Ten(15),
        "E" => Scale::Ten(18),
        "Ki" => Scale::Two(10),
        "Mi" => Scale::Two(20),
        "Gi" => Scale::Two(30),
        "Ti" => Scale::Two(40),
        "Pi" => Scale::Two(50),
        "Ei" => Scale::Two(60),
        _ => {
            // An exponent beyond 64 bits is refused by Kubernetes too.
            let exponent = suffix.strip_prefix(['e', 'E'])?;
            Scale::Ten(exponent.parse().ok()?)
        }
    })
}

/// `whole.fraction × 10^power` in billionths, rounded up.
fn decimal(whole: &str, fraction: &str, power: i64) -> u128 {
    // Beyond 64 places the result is zero, one billionth or the end of the
    // range, wherever the point stands among the digits given.
    let digits = whole.len().saturating_add(fraction.len());
    let limit = i64::try_from(digits).unwrap_or(i64::MAX).saturating_add(64);
    multiply(whole, fraction, power.clamp(-limit, limit), NANO)
}

/// `whole.fraction × 10^shift × factor`, rounded up, held at the end of the
/// range. `factor` is at most 10^9 × 2^60, so one digit times it fits.
fn multiply(whole: &str, fraction: &str, shift: i64, factor: u128) -> u128 {
    let digits = whole.len().saturating_add(fraction.len());
    let point = i64::try_from(whole.len())
        .unwrap_or(i64::MAX)
        .saturating_add(shift);
    let digit = |byte: u8| u128::from(byte - b'0');
    let all = || whole.bytes().chain(fraction.bytes()).map(digit);
    let before = usize::try_from(point).unwrap_or(0);

    let mut units: u128 = all()
        .take(before)
        .fold(0, |acc, d| acc.saturating_mul(10).saturating_add(d));
    for _ in digits..before {
        units = units.saturating_mul(10);
    }

    // From the last digit to the first: what is cut off by each division only
    // matters for whether the result is rounded up.
    let mut part: u128 = 0;
    let mut cut = false;
    let after = digits.saturating_sub(before);
    let mut push = |part: &mut u128, d: u128| {
        let sum = d * factor + *part;
        cut |= !sum.is_multiple_of(10);
        *part = sum / 10;
    };
    for d in all().rev().take(after) {
        push(&mut part, d);
    }
    for _ in point..0 {
        push(&mut part, 0);
    }
    units
        .saturating_mul(factor)
        .saturating_add(part)
        .saturating_add(u128::from(cut))
}

impl FromStr for Quantity {
    type Err = QuantityError;

    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl fmt::Display for Quantity {
    /// Writes a quantity of the same value: `2`, `1500m`, `3u`, `4n`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nano, suffix) in [(1_000_000_000, ""), (1_000_000, "m"), (1_000, "u")] {
            if self.nano % nano == 0 {
                return write!(f, "{}{suffix}", self.nano / nano);
            }
        }
        write!(f, "{}n", self.nano)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    /// Reads a string, or a bare number as hand-written YAML has them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as \"100m\" or \"1.5Gi\"")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, units: u64) -> Result<Quantity, E> {
                Ok(Quantity::from_nano(i128::from(units) * 1_000_000_000))
            }

            fn visit_i64<E: de::Error>(self, units: i64) -> Result<Quantity, E> {
                Ok(Quantity::from_nano(i128::from(units) * 1_000_000_000))
            }

            fn visit_f64<E: de::Error>(self, units: f64) -> Result<Quantity, E> {
                Quantity::parse(&units.to_string()).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nano(text: &str) -> i128 {
        Quantity::parse(text).unwrap().nano()
    }

    #[test]
    fn what_is_finer_than_a_billionth_is_rounded_away_from_zero() {
        assert_eq!(
            nano("0.1000000000000000000000000000000000000001"),
            100_000_001
        );
        assert_eq!(nano("-3.001n"), -4);
        assert_eq!(nano("1e-400"), 1);
        assert_eq!(nano("1e-9223372036854775808"), 1);
        assert_eq!(nano("0.0000000001Ki"), 103);
    }

    #[test]
    fn huge_amounts_are_held_at_the_end_of_the_range() {
        let cap = i128::from(i64::MAX) * 1_000_000_000;
        assert_eq!(nano("9Ei"), cap);
        assert_eq!(nano("-9Ei"), -cap);
        assert_eq!(nano("1e9223372036854775807"), i128::MAX);
        assert_eq!(nano(&"9".repeat(5000)), i128::MAX);
        assert_eq!(nano("0e9223372036854775807"), 0);
        let huge = Quantity::parse("1e40").unwrap();
        assert_eq!(huge.as_bytes().unwrap(), Bytes(i64::MAX as u64));
        assert_eq!(huge.as_milli_cpu().unwrap(), MilliCpu(i64::MAX as u64));
    }

    #[test]
    fn conversions_round_up_and_refuse_what_is_below_zero() {
        let q = Quantity::parse("0.0001").unwrap();
        assert_eq!(q.as_milli_cpu().unwrap(), MilliCpu(1));
        assert_eq!(q.as_bytes().unwrap(), Bytes(1));
        assert_eq!(Quantity::parse("110").unwrap().as_integer().unwrap(), 110);
        let below = Quantity::parse("-500m").unwrap();
        assert_eq!(
            below.as_integer().unwrap_err().to_string(),
            "quantity must not be negative, got -500m"
        );
    }

    #[test]
    fn exponents_and_suffixes_read_as_the_api_documents_them() {
        assert_eq!(nano("1e+3"), nano("1k"));
        assert_eq!(nano("1E"), nano("1e18"));
        assert_eq!(nano("1.G"), nano("1e9"));
        assert_eq!(nano("00.10Mi"), nano("104857600m"));
        for text in [
            "+",
            "-",
            ".",
            "m",
            "Ki",
            "1e3Ki",
            "1ee3",
            "1k3",
            "1e-",
            "1-3",
            "1e99999999999999999999",
            "١",
        ] {
            let error = Quantity::parse(text).unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn json_takes_strings_and_bare_numbers() {
        let read = |json: &str| serde_json::from_str::<Quantity>(json).unwrap();
        assert_eq!(read("\"250m\""), read("0.25"));
        assert_eq!(read("2"), read("\"2\""));
        assert_eq!(read("-2"), read("\"-2\""));
        assert_eq!(serde_json::to_string(&read("0.25")).unwrap(), "\"250m\"");
        assert!(serde_json::from_str::<Quantity>("\"1gi\"").is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = Quantity::parse(&text);
        }

        #[test]
        fn no_near_quantity_panics(text in "[+-]?[0-9]{0,60}\\.?[0-9]{0,60}([eE][+-]?[0-9]{0,21}|[numkMGTPE]?i?)") {
            if let Ok(q) = Quantity::parse(&text) {
                let _ = (q.as_bytes(), q.as_milli_cpu(), q.as_integer());
                prop_assert_eq!(Quantity::parse(&q.to_string()), Ok(q));
            }
        }

        #[test]
        fn what_is_printed_reads_back_the_same(nano in any::<i128>()) {
            let q = Quantity::from_nano(nano.max(-i128::MAX));
            prop_assert_eq!(Quantity::parse(&q.to_string()), Ok(q));
        }

        #[test]
        fn whole_and_milli_amounts_are_exact(units in any::<u32>(), milli in 0u32..1000) {
            let expected = i128::from(units) * 1_000_000_000 + i128::from(milli) * 1_000_000;
            let fixed_point = format!("{units}.{milli:03}");
            prop_assert_eq!(nano(&fixed_point), expected);
            let milli_cpu = Quantity::parse(&fixed_point).unwrap().as_milli_cpu().unwrap();
            prop_assert_eq!(milli_cpu.0, u64::from(units) * 1000 + u64::from(milli));
        }
    }
}
