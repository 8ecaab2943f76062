//! Money as integers: micro-dollars, with per hour and per month kept apart.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Hours in a month, by convention: 365 × 24 / 12.
pub const HOURS_PER_MONTH: i64 = 730;

macro_rules! money {
    ($(#[$meta:meta])* $name:ident, $suffix:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Nothing to pay. Never a stand-in for an unknown price.
            pub const ZERO: Self = Self(0);

            /// Whether it is nothing.
            #[must_use]
            pub const fn is_zero(&self) -> bool {
                self.0 == 0
            }

            /// Rounds dollars to the nearest micro-dollar; `None` unless finite and in range.
            pub fn from_usd(usd: f64) -> Option<Self> {
                let micro = (usd * 1e6).round();
                (micro.is_finite() && micro.abs() < 9.0e18).then_some(Self(micro as i64))
            }

            /// Dollars, for display and for algorithms.
            pub fn usd(self) -> f64 {
                self.0 as f64 / 1e6
            }

            /// `self × count`, held at the ends of the range.
            #[must_use]
            pub const fn times(self, count: i64) -> Self {
                Self(self.0.saturating_mul(count))
            }

            /// `self × numerator / denominator`, rounded down; a zero denominator gives zero.
            #[must_use]
            pub fn ratio(self, numerator: u64, denominator: u64) -> Self {
                if denominator == 0 {
                    return Self(0);
                }
                let wide = i128::from(self.0) * i128::from(numerator);
                let value = wide.div_euclid(i128::from(denominator));
                Self(value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64)
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.saturating_neg())
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
                iter.fold(Self::ZERO, Add::add)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write_usd(f, self.0)?;
                f.write_str($suffix)
            }
        }
    };
}

money!(
    /// An amount in millionths of a US dollar.
    MicroUsd,
    ""
);
money!(
    /// A rate in millionths of a US dollar per hour.
    MicroUsdPerHour,
    "/h"
);
money!(
    /// A rate in millionths of a US dollar per month of 730 hours.
    MicroUsdPerMonth,
    "/mo"
);

impl MicroUsdPerHour {
    /// The rate over a month of [`HOURS_PER_MONTH`] hours.
    ///
    /// ```
    /// use cloudoptim_core::model::MicroUsdPerHour;
    ///
    /// let m6i_large = MicroUsdPerHour(96_000);
    /// assert_eq!(m6i_large.per_month().to_string(), "$70.08/mo");
    /// ```
    #[must_use]
    pub const fn per_month(self) -> MicroUsdPerMonth {
        MicroUsdPerMonth(self.0.saturating_mul(HOURS_PER_MONTH))
    }
}

impl MicroUsdPerMonth {
    /// The rate per hour, rounded down.
    #[must_use]
    pub const fn per_hour(self) -> MicroUsdPerHour {
        MicroUsdPerHour(self.0.div_euclid(HOURS_PER_MONTH))
    }
}

/// Writes cents, or as many digits as a rate below a dime needs.
fn write_usd(f: &mut fmt::Formatter<'_>, micro: i64) -> fmt::Result {
    let sign = if micro < 0 { "-" } else { "" };
    let abs = micro.unsigned_abs();
    if abs > 0 && abs < 100_000 {
        let digits = format!("{:06}", abs);
        let kept = digits.trim_end_matches('0');
        let kept = if kept.len() < 2 { &digits[..2] } else { kept };
        return write!(f, "{sign}$0.{kept}");
    }
    let cents = (abs + 5_000) / 10_000;
    write!(f, "{sign}${}.{:02}", cents / 100, cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_prints_cents_or_the_digits_of_a_small_rate() {
        assert_eq!(MicroUsd(1_234_560_000).to_string(), "$1234.56");
        assert_eq!(MicroUsd(995_000).to_string(), "$1.00");
        assert_eq!(MicroUsdPerHour(96_000).to_string(), "$0.096/h");
        assert_eq!(MicroUsdPerMonth(-10_000).to_string(), "-$0.01/mo");
        assert_eq!(MicroUsd(0).to_string(), "$0.00");
        assert_eq!(MicroUsd(7).to_string(), "$0.000007");
    }

    #[test]
    fn sums_hold_at_the_end_of_the_range_instead_of_wrapping() {
        assert_eq!(MicroUsd(i64::MAX) + MicroUsd(1), MicroUsd(i64::MAX));
        assert_eq!(
            MicroUsdPerHour(i64::MAX).per_month(),
            MicroUsdPerMonth(i64::MAX)
        );
        assert_eq!(MicroUsd::from_usd(f64::NAN), None);
    }
}
