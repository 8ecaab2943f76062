//! What an account has bought ahead: Savings Plans, reserved instances and
//! capacity reservations.
//!
//! The documents say what was bought, not how much of it is in use nor at which
//! rates it pays: those stay unknown, and a commitment of which they are unknown
//! is taken to pay for all use in its scope.

use super::aws::{Placed, is_account, of_arn, region_of_zone};
use super::raw::{N, Text, Time, strings};
use crate::model::{Commitment, CommitmentKind, MicroUsdPerHour, ZoneId};
use serde::Deserialize;

/// A commitment as read, and why it does not count if so.
#[derive(Debug, Clone)]
pub(super) struct Bought {
    pub(super) placed: Placed<Commitment>,
    pub(super) left_out: Option<LeftOut>,
    /// A field that has to be there and is not, or means nothing.
    pub(super) lacks: Option<&'static str>,
}

/// Why a commitment does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeftOut {
    /// It has not begun, or has ended, or was never paid; its state.
    State(String),
    /// It is not for EC2; its type.
    NotForInstances(String),
}

/// Whether nothing is paid for in a state. One that is not known counts.
fn over(state: Text) -> Option<LeftOut> {
    let over = matches!(
        state.0.as_str(),
        "retired" | "returned" | "queued" | "queued-deleted" | "payment-failed"
    );
    over.then_some(LeftOut::State(state.0))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawSavingsPlan {
    savings_plan_id: Text,
    savings_plan_arn: Text,
    savings_plan_type: Text,
    product_types: N<Vec<Text>>,
    ec2_instance_family: Text,
    region: Text,
    state: Text,
    currency: Text,
    commitment: Text,
    end: Option<Time>,
}

/// A plan of `aws savingsplans describe-savings-plans`. Those for other products
/// than EC2 do not count; one of a type that is not known is for any instance.
pub(super) fn savings_plan(raw: RawSavingsPlan) -> Bought {
    let products = strings(raw.product_types);
    let for_instances = products.is_empty() || products.iter().any(|p| p == "EC2");
    let kind = match raw.savings_plan_type.0.as_str() {
        "EC2Instance" => CommitmentKind::InstanceSavingsPlan,
        _ => CommitmentKind::ComputeSavingsPlan,
    };
    let (account, _) = of_arn(&raw.savings_plan_arn.0);
    let per_hour = micro_usd(&raw.commitment.0);
    let in_usd = matches!(raw.currency.0.as_str(), "" | "USD");
    let left_out = if !for_instances {
        Some(LeftOut::NotForInstances(raw.savings_plan_type.0))
    } else {
        over(raw.state)
    };
    let lacks = if raw.savings_plan_id.0.is_empty() {
        Some("savingsPlanId")
    } else if per_hour.is_none() {
        Some("commitment")
    } else {
        None
    };
    Bought {
        placed: Placed {
            // A compute plan pays in every region: it stands where we are.
            region: (kind == CommitmentKind::InstanceSavingsPlan)
                .then(|| raw.region.some())
                .flatten(),
            account,
            item: Commitment {
                id: raw.savings_plan_id.0,
                kind,
                per_hour: per_hour.filter(|_| in_usd),
                instance_type: raw.ec2_instance_family.some(),
                ends_at: raw.end.map(|end| end.0),
                ..Commitment::default()
            },
        },
        left_out,
        lacks,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawReserved {
    reserved_instances_id: Text,
    instance_type: Text,
    instance_count: Option<u32>,
    scope: Text,
    availability_zone: Text,
    availability_zone_id: Text,
    state: Text,
    end: Option<Time>,
}

/// Reserved instances of `aws ec2 describe-reserved-instances`. Those of a zone
/// whose id the document lacks are taken for all zones.
pub(super) fn reserved(raw: RawReserved) -> Bought {
    let zonal = raw.scope.0 != "Region";
    Bought {
        left_out: over(raw.state),
        lacks: raw
            .reserved_instances_id
            .0
            .is_empty()
            .then_some("ReservedInstancesId"),
        placed: Placed {
            region: region_of_zone(&raw.availability_zone.0),
            account: None,
            item: Commitment {
                id: raw.reserved_instances_id.0,
                kind: CommitmentKind::ReservedInstance,
                count: raw.instance_count,
                instance_type: raw.instance_type.some(),
                zone_id: raw
                    .availability_zone_id
                    .some()
                    .filter(|_| zonal)
                    .map(ZoneId::new),
                ends_at: raw.end.map(|end| end.0),
                ..Commitment::default()
            },
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawCapacity {
    capacity_reservation_id: Text,
    owner_id: Text,
    instance_type: Text,
    total_instance_count: Option<u32>,
    instance_platform: Text,
    instance_match_criteria: Text,
    availability_zone: Text,
    availability_zone_id: Text,
    state: Text,
    end_date: Option<Time>,
}

/// A reservation of `aws ec2 describe-capacity-reservations`.
pub(super) fn capacity(raw: RawCapacity) -> Bought {
    let over = matches!(
        raw.state.0.as_str(),
        "expired" | "cancelled" | "failed" | "payment-failed" | "unsupported" | "scheduled"
    );
    Bought {
        left_out: over.then_some(LeftOut::State(raw.state.0)),
        lacks: raw
            .capacity_reservation_id
            .0
            .is_empty()
            .then_some("CapacityReservationId"),
        placed: Placed {
            region: region_of_zone(&raw.availability_zone.0),
            account: raw.owner_id.some().filter(|a| is_account(a)),
            item: Commitment {
                id: raw.capacity_reservation_id.0,
                kind: CommitmentKind::CapacityReservation,
                count: raw.total_instance_count,
                instance_type: raw.instance_type.some(),
                zone_id: raw.availability_zone_id.some().map(ZoneId::new),
                platform: raw.instance_platform.some(),
                targeted: match raw.instance_match_criteria.0.as_str() {
                    "targeted" => Some(true),
                    "open" => Some(false),
                    _ => None,
                },
                ends_at: raw.end_date.map(|end| end.0),
                ..Commitment::default()
            },
        },
    }
}

/// Dollars as decimals, in millionths, rounded up.
fn micro_usd(text: &str) -> Option<MicroUsdPerHour> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let mut micro: i64 = whole.parse().ok()?;
    for at in 0..6 {
        let digit = fraction
            .as_bytes()
            .get(at)
            .map_or(0, |b| i64::from(b - b'0'));
        micro = micro.checked_mul(10)?.checked_add(digit)?;
    }
    let more = fraction.bytes().skip(6).any(|b| b != b'0');
    Some(MicroUsdPerHour(micro.checked_add(i64::from(more))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_in_decimals_is_read_exactly_and_rounded_up() {
        let micro = |text| micro_usd(text).map(|m| m.0);
        assert_eq!(micro("0.5"), Some(500_000));
        assert_eq!(micro("12"), Some(12_000_000));
        assert_eq!(micro("1.00500000"), Some(1_005_000));
        assert_eq!(micro("0.00000001"), Some(1));
        for bad in [
            "",
            ".5",
            "-1",
            "1e3",
            "NaN",
            "1.2.3",
            "99999999999999999999",
        ] {
            assert_eq!(micro(bad), None, "{bad}");
        }
    }
}
