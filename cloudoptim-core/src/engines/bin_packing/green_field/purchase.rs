//! What a green field may be made of.

use crate::decision::LaunchThrough;
use crate::engines::EngineError;
use crate::engines::bin_packing::on_spot::{MAX_SPOT_PRICE_AGE_HOURS, Spot, SpotPercent};
use crate::model::{InstanceType, OfferingPrice, WorkloadRef};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a green field may be made of.
///
/// ```
/// use cloudoptim_core::engines::bin_packing::Purchase;
///
/// let on_demand = Purchase::default();
/// assert_eq!(on_demand.spot_percent, 0);
/// let half_on_spot = Purchase::default().with_spot_percent(50);
/// # assert_eq!(half_on_spot.spot_percent, 50);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Purchase {
    /// Types to choose from. Empty: all with a price, of the architectures that
    /// the cluster's nodes have, burstable ones only where it has some, none
    /// larger than [`max_node_vcpus`](crate::engines::bin_packing::Config::max_node_vcpus).
    pub instance_types: BTreeSet<InstanceType>,
    /// Who is asked for nodes. Empty, the default: Karpenter's pools where there are
    /// some, else nobody, and any node can be had. Groups give copies of one type in
    /// one zone, at most as many as their maximum, and at least as many as their
    /// [minimum](super::GreenField::minima) whether pods need them or not; those that
    /// choose a type or a zone themselves are named as
    /// [missing](super::GreenField::missing). Launch templates are not asked.
    pub through: BTreeSet<LaunchThrough>,
    /// How much of a workload may stand on spot, in percent of its pods, rounded
    /// down. Default 0: all on demand. With 100 each pod takes what is cheaper.
    pub spot_percent: u32,
    /// The same for single workloads.
    pub spot_percent_of: Vec<SpotPercent>,
    /// What an hour on spot costs with the risk of each pool in it. Nothing else
    /// is bought on spot: a price alone says nothing of interruptions.
    pub spot_prices: Vec<OfferingPrice>,
    /// When `spot_prices` held. Prices of unknown age are not used.
    pub spot_prices_as_of: Option<DateTime<Utc>>,
    /// Hours that they may be old, at least 1; older ones are not used, and asked
    /// for anew. Default 24, what the spot engine asks of a price.
    pub max_spot_price_age_hours: u32,
}

impl Default for Purchase {
    fn default() -> Self {
        Self {
            instance_types: BTreeSet::new(),
            through: BTreeSet::new(),
            spot_percent: 0,
            spot_percent_of: Vec::new(),
            spot_prices: Vec::new(),
            spot_prices_as_of: None,
            max_spot_price_age_hours: MAX_SPOT_PRICE_AGE_HOURS,
        }
    }
}

impl Purchase {
    /// Sets [`Self::instance_types`].
    #[must_use]
    pub fn with_instance_types(mut self, types: impl IntoIterator<Item = InstanceType>) -> Self {
        self.instance_types = types.into_iter().collect();
        self
    }

    /// Sets [`Self::through`].
    #[must_use]
    pub fn with_through(mut self, through: impl IntoIterator<Item = LaunchThrough>) -> Self {
        self.through = through.into_iter().collect();
        self
    }

    /// Sets [`Self::spot_percent`].
    #[must_use]
    pub const fn with_spot_percent(mut self, percent: u32) -> Self {
        self.spot_percent = percent;
        self
    }

    /// Sets [`Self::spot_percent_of`] one workload.
    #[must_use]
    pub fn with_spot_percent_of(mut self, workload: WorkloadRef, percent: u32) -> Self {
        self.spot_percent_of.push(SpotPercent { workload, percent });
        self
    }

    /// Sets [`Self::spot_prices`], and when they held.
    #[must_use]
    pub fn with_spot_prices(mut self, prices: Vec<OfferingPrice>, as_of: DateTime<Utc>) -> Self {
        self.spot_prices = prices;
        self.spot_prices_as_of = Some(as_of);
        self
    }

    /// Sets [`Self::max_spot_price_age_hours`].
    #[must_use]
    pub const fn with_max_spot_price_age_hours(mut self, hours: u32) -> Self {
        self.max_spot_price_age_hours = hours;
        self
    }

    pub(super) fn validate(&self) -> Result<(), EngineError> {
        self.spot().validate()
    }

    pub(super) fn spot(&self) -> Spot<'_> {
        Spot {
            percent: self.spot_percent,
            percent_of: &self.spot_percent_of,
            prices: &self.spot_prices,
            as_of: self.spot_prices_as_of,
            max_age_hours: self.max_spot_price_age_hours,
        }
    }
}
