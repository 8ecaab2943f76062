//! How much on-demand use may end before a commitment goes idle.

use crate::engines::Inputs;
use crate::model::{
    CapacityType, Cloud, Commitment, CommitmentKind, InstanceState, MicroUsdPerHour,
};

/// What may leave a commitment's scope.
#[derive(Debug, Clone)]
struct Headroom {
    id: String,
    /// Family that it is for; all when `None`.
    family: Option<String>,
    /// List price an hour that runs on demand in its scope beyond what it pays
    /// for. Nothing when it is not fully used or cannot be told: what leaves
    /// was paid for.
    left: i64,
}

/// The commitments of an account.
///
/// A fully used commitment moves over to other use when some of it ends, so
/// the use beyond it is what a change really saves; below that, the marginal
/// price of on-demand is nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Commitments {
    rooms: Vec<Headroom>,
}

fn family(instance_type: &str) -> &str {
    instance_type.split('.').next().unwrap_or(instance_type)
}

impl Commitments {
    /// Reads the commitments that have not ended.
    pub(super) fn new(inputs: &Inputs<'_>, cloud: &Cloud) -> Self {
        let running: Vec<(&str, Option<MicroUsdPerHour>)> = cloud
            .instances
            .items()
            .iter()
            .filter(|i| {
                i.capacity_type == CapacityType::OnDemand
                    && matches!(i.state, InstanceState::Running | InstanceState::Pending)
            })
            .map(|i| {
                let kind = i.instance_type.as_str();
                let price = inputs.price(
                    Some(cloud),
                    kind,
                    i.zone_id.as_ref(),
                    CapacityType::OnDemand,
                );
                (kind, price)
            })
            .collect();
        let rooms = cloud
            .commitments
            .items()
            .iter()
            .filter(|c| c.ends_at.is_none_or(|end| end > inputs.now()))
            .map(|c| Headroom {
                id: c.id.clone(),
                family: scope(c),
                left: left(inputs, cloud, c, &running).unwrap_or(0),
            })
            .collect();
        Self { rooms }
    }

    /// The first commitment that would go idle if on-demand use of this worth
    /// ended in the family, with what may still leave.
    pub(super) fn blocks(
        &self,
        family: &str,
        worth: MicroUsdPerHour,
    ) -> Option<(String, MicroUsdPerHour)> {
        self.rooms
            .iter()
            .filter(|room| room.covers(family))
            .find(|room| room.left < worth.0)
            .map(|room| (room.id.clone(), MicroUsdPerHour(room.left.max(0))))
    }

    /// Takes note that use of this worth ends.
    pub(super) fn take(&mut self, family: &str, worth: MicroUsdPerHour) {
        for room in self.rooms.iter_mut().filter(|r| r.covers(family)) {
            room.left = room.left.saturating_sub(worth.0);
        }
    }
}

impl Headroom {
    fn covers(&self, family: &str) -> bool {
        self.family.as_deref().is_none_or(|own| own == family)
    }
}

fn scope(commitment: &Commitment) -> Option<String> {
    match commitment.kind {
        CommitmentKind::ComputeSavingsPlan => None,
        // One whose scope is not stated could be for any family.
        _ => commitment
            .instance_type
            .as_deref()
            .map(|t| family(t).to_owned()),
    }
}

/// List price beyond the commitment; `None` when it cannot be told.
fn left(
    inputs: &Inputs<'_>,
    cloud: &Cloud,
    commitment: &Commitment,
    running: &[(&str, Option<MicroUsdPerHour>)],
) -> Option<i64> {
    if commitment.used_milli? < 1000 {
        return Some(0);
    }
    let own = scope(commitment);
    let mut spend = 0_i64;
    for (kind, price) in running {
        if own.as_deref().is_none_or(|f| f == family(kind)) {
            spend = spend.saturating_add((*price)?.0);
        }
    }
    let covered = match commitment.kind {
        CommitmentKind::ComputeSavingsPlan | CommitmentKind::InstanceSavingsPlan => {
            let rate = commitment.rate_milli.filter(|rate| *rate > 0)?;
            commitment.per_hour?.ratio(1000, u64::from(rate)).0
        }
        CommitmentKind::ReservedInstance | CommitmentKind::CapacityReservation => {
            let kind = commitment.instance_type.as_deref()?;
            let price = inputs.price(
                Some(cloud),
                kind,
                commitment.zone_id.as_ref(),
                CapacityType::OnDemand,
            )?;
            price.times(i64::from(commitment.count?)).0
        }
    };
    Some(spend.saturating_sub(covered).max(0))
}
