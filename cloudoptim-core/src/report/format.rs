//! Figures as people read them.

use crate::model::{MicroUsdPerHour, MicroUsdPerMonth};
use chrono::{DateTime, Utc};

fn grouped(whole: u64) -> String {
    let digits = whole.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// A count with thousands set apart: `1,234`.
pub(super) fn count(n: u64) -> String {
    grouped(n)
}

/// `1 pod`, `1,234 pods`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { many })
}

/// Whole dollars: `$12,520`, `−$3`. What is below half a dollar and not zero
/// is `<$1`, so that it does not read as nothing.
pub(super) fn dollars(amount: MicroUsdPerMonth) -> String {
    let sign = if amount.0 < 0 { "\u{2212}" } else { "" };
    let whole = amount.0.unsigned_abs().saturating_add(500_000) / 1_000_000;
    if whole == 0 && amount.0 != 0 {
        return format!("{sign}<$1");
    }
    format!("{sign}${}", grouped(whole))
}

/// Dollars and cents: `$1,234.56`.
pub(super) fn cents(amount: MicroUsdPerMonth) -> String {
    let sign = if amount.0 < 0 { "\u{2212}" } else { "" };
    let all = amount.0.unsigned_abs().saturating_add(5_000) / 10_000;
    if all == 0 && amount.0 != 0 {
        return format!("{sign}<$0.01");
    }
    format!("{sign}${}.{:02}", grouped(all / 100), all % 100)
}

/// Cents of an amount that may be unknown.
pub(super) fn cents_or(amount: Option<MicroUsdPerMonth>, absent: &str) -> String {
    amount.map_or_else(|| absent.to_owned(), cents)
}

/// A rate per hour with three digits: `$17.153`.
pub(super) fn per_hour(amount: MicroUsdPerHour) -> String {
    let sign = if amount.0 < 0 { "\u{2212}" } else { "" };
    let milli = amount.0.unsigned_abs().saturating_add(500) / 1_000;
    format!("{sign}${}.{:03}", grouped(milli / 1_000), milli % 1_000)
}

/// A share of a whole in tenths of a percent; `None` of nothing.
pub(super) fn per_mille(part: i64, whole: i64) -> Option<i64> {
    (whole > 0).then(|| {
        let wide = (i128::from(part) * 1000 + i128::from(whole) / 2).div_euclid(i128::from(whole));
        i64::try_from(wide).unwrap_or(i64::MAX)
    })
}

/// `12.3 %`, or a dash of nothing.
pub(super) fn percent(part: i64, whole: i64) -> String {
    match per_mille(part, whole) {
        Some(share) => {
            let sign = if share < 0 { "\u{2212}" } else { "" };
            let share = share.unsigned_abs();
            format!("{sign}{}.{} %", grouped(share / 10), share % 10)
        }
        None => "\u{2013}".to_owned(),
    }
}

/// `22 November 2026, 02:30 UTC`.
pub(super) fn moment(at: DateTime<Utc>) -> String {
    at.format("%-d %B %Y, %H:%M UTC").to_string()
}

/// `45 s`, `12 min`, `3 h 05 min`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        _ => format!(
            "{} h {:02} min",
            grouped(seconds / 3600),
            seconds % 3600 / 60
        ),
    }
}

/// A sentence as it begins: with a capital letter.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_uppercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_keep_their_sign_and_do_not_round_to_nothing() {
        assert_eq!(dollars(MicroUsdPerMonth(12_520_499_999)), "$12,520");
        assert_eq!(dollars(MicroUsdPerMonth(-1_000_000_000)), "\u{2212}$1,000");
        assert_eq!(dollars(MicroUsdPerMonth(400_000)), "<$1");
        assert_eq!(dollars(MicroUsdPerMonth(0)), "$0");
        assert_eq!(cents(MicroUsdPerMonth(1_234_567_000)), "$1,234.57");
        assert_eq!(cents(MicroUsdPerMonth(-4_000)), "\u{2212}<$0.01");
        assert_eq!(cents_or(None, "unknown"), "unknown");
        assert_eq!(per_hour(MicroUsdPerHour(17_152_600)), "$17.153");
        assert_eq!(
            dollars(MicroUsdPerMonth(i64::MIN)),
            "\u{2212}$9,223,372,036,855"
        );
    }

    #[test]
    fn shares_of_nothing_are_not_zero() {
        assert_eq!(percent(1, 8), "12.5 %");
        assert_eq!(percent(-1, 8), "\u{2212}12.5 %");
        assert_eq!(percent(1, 0), "\u{2013}");
        assert_eq!(per_mille(i64::MAX, 1), Some(i64::MAX));
    }

    #[test]
    fn spans_use_the_unit_that_fits() {
        assert_eq!(span(59), "59 s");
        assert_eq!(span(3_599), "59 min");
        assert_eq!(span(3_900), "1 h 05 min");
    }
}
