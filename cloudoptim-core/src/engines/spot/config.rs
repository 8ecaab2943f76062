//! Settings.

use crate::engines::{EngineError, EngineId};
use crate::model::{MicroUsd, MicroUsdPerMonth};
use serde::{Deserialize, Serialize};

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// Fewest replicas of a workload that may use spot, at least 2. Default 2.
    pub min_replicas: u32,
    /// Replicas of each workload that stay on demand. Default 1.
    pub on_demand_base: u32,
    /// The same as a share, in percent, rounded up; the larger of both holds.
    /// Default 0.
    pub on_demand_base_percent: u32,
    /// Share of a workload's replicas that one pool (type and zone) may hold,
    /// in percent, 1 to 100. Default 34.
    pub max_pool_percent: u32,
    /// The same for a group: an instance type over all zones, an instance
    /// family, or a zone. Default 50.
    pub max_group_percent: u32,
    /// Seconds from the notice to the end of an instance. Default 120.
    pub notice_seconds: u32,
    /// Seconds of these that are kept back: for the notice to arrive, and to
    /// start the drain. Default 30.
    pub notice_margin_seconds: u32,
    /// Whether a workload needs a disruption budget. Default true.
    pub require_budget: bool,
    /// Whether workloads with GPUs or other devices may use spot. Default false.
    pub accelerators: bool,
    /// Whether burstable types (T families) may be used. Default false.
    pub burstable: bool,
    /// Whether types that AWS no longer calls current may be used. Default true.
    pub old_generations: bool,
    /// Most vCPUs of a node: what one interruption may take. By default the
    /// most that a node of the cluster has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_node_vcpu: Option<u32>,
    /// Spot above this share of the on-demand price of its type is not used,
    /// in percent, 1 to 100. Default 90.
    pub max_price_percent: u32,
    /// What a replica on spot must save against on demand, in percent, 0 to
    /// 99: less is not worth the change. Default 10.
    pub min_saving_percent: u32,
    /// A change that could save less is not made. Default $1 a month.
    pub min_saves_per_month: MicroUsdPerMonth,
    /// Hours for which a pool is not used after an interruption, a refused
    /// launch or a rebalance recommendation. Default 6.
    pub quarantine_hours: u32,
    /// Minutes that a replica's end takes on the old node. Default 2.
    pub drain_minutes: u32,
    /// Minutes until a new node runs pods. Default 3.
    pub boot_minutes: u32,
    /// What an interruption costs beyond the instances. Default $0.01.
    pub churn_cost: MicroUsd,
    /// Hours that a spot price may be old, at least 1. An older one, or one of
    /// unknown age, is shown as such and asks for a newer. Default 24.
    pub max_price_age_hours: u32,
    /// Most pools to consider, cheapest first, at least 1. Default 1,000.
    pub max_pools: u32,
    /// Take it as stated that no Savings Plan, reserved instance or capacity
    /// reservation covers the nodes where commitments were not collected.
    /// Default false.
    pub assume_no_commitments: bool,
    /// Annotation of a workload that keeps the engine off it, with the value
    /// `true` or a comma-separated list that names `spot`. Default
    /// `cloudoptim/opt-out`.
    pub opt_out_annotation: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            // One replica on spot alone is an outage by design.
            min_replicas: 2,
            // Someone is left when all spot of a region goes at once.
            on_demand_base: 1,
            on_demand_base_percent: 0,
            // The caps with which replayed availability traces lost the least
            // at once (9 pools, February 2023). Pool caps alone left the worst
            // loss at 100 %: zones of one type go down together.
            max_pool_percent: 34,
            max_group_percent: 50,
            // AWS gives two minutes. The margin is a proposal: NTH polls every
            // 2 s, a queue every 20 s, and eviction takes its part.
            notice_seconds: 120,
            notice_margin_seconds: 30,
            // An eviction without a budget may take all replicas at once.
            require_budget: true,
            // GPU pools of the traces were lost hundreds of times as often.
            accelerators: false,
            // Credits make a burst at start-up slow or dear.
            burstable: false,
            // AWS calls m6i and r6i earlier ones by now; who may launch them
            // has said so in the node pool.
            old_generations: true,
            // A share of a large node looks cheap, but one replica pays for
            // all of it until others come.
            max_node_vcpu: None,
            // Spot near the on-demand price has the risk without the saving.
            max_price_percent: 90,
            // Proposals, against flapping.
            min_saving_percent: 10,
            min_saves_per_month: MicroUsdPerMonth(1_000_000),
            // On the traces a pool that came back an hour ago was lost again
            // within the hour in over a third of cases, after 6 h in 14 %.
            quarantine_hours: 6,
            // The notice; and a node's usual start. Measure your own.
            drain_minutes: 2,
            boot_minutes: 3,
            // A proposal: log lines, retries, a person's glance.
            churn_cost: MicroUsd(10_000),
            // What the guards ask of a price when they permit a step.
            max_price_age_hours: 24,
            max_pools: 1_000,
            assume_no_commitments: false,
            opt_out_annotation: "cloudoptim/opt-out".to_owned(),
        }
    }
}

macro_rules! setters {
    ($($with:ident $field:ident: $type:ty),* $(,)?) => {
        impl Config {
            $(
                #[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
                #[must_use]
                pub const fn $with(mut self, value: $type) -> Self {
                    self.$field = value;
                    self
                }
            )*
        }
    };
}

setters!(
    with_min_replicas min_replicas: u32,
    with_on_demand_base on_demand_base: u32,
    with_on_demand_base_percent on_demand_base_percent: u32,
    with_max_pool_percent max_pool_percent: u32,
    with_max_group_percent max_group_percent: u32,
    with_require_budget require_budget: bool,
    with_accelerators accelerators: bool,
    with_old_generations old_generations: bool,
    with_max_node_vcpu max_node_vcpu: Option<u32>,
    with_min_saving_percent min_saving_percent: u32,
    with_min_saves_per_month min_saves_per_month: MicroUsdPerMonth,
    with_quarantine_hours quarantine_hours: u32,
    with_churn_cost churn_cost: MicroUsd,
    with_max_price_age_hours max_price_age_hours: u32,
    with_max_pools max_pools: u32,
    with_assume_no_commitments assume_no_commitments: bool,
);

impl Config {
    /// Replicas of a workload of that size that stay on demand.
    pub(super) fn on_demand_base_of(&self, replicas: u32) -> u32 {
        let share = (u64::from(replicas) * u64::from(self.on_demand_base_percent)).div_ceil(100);
        u32::try_from(share)
            .unwrap_or(u32::MAX)
            .max(self.on_demand_base)
    }

    /// The longest grace period that fits into a notice.
    pub const fn longest_grace_seconds(&self) -> u32 {
        self.notice_seconds
            .saturating_sub(self.notice_margin_seconds)
    }

    /// Checks the ranges.
    ///
    /// # Errors
    /// [`EngineError::BadSetting`] for the first value out of range.
    pub fn validate(&self) -> Result<(), EngineError> {
        let bad = |message: String| {
            Err(EngineError::BadSetting {
                engine: EngineId::Spot,
                message,
            })
        };
        if self.min_replicas < 2 {
            return bad(format!(
                "min_replicas must be at least 2, got {}",
                self.min_replicas
            ));
        }
        for (name, value, least, most) in [
            (
                "on_demand_base_percent",
                self.on_demand_base_percent,
                0,
                100,
            ),
            ("max_pool_percent", self.max_pool_percent, 1, 100),
            ("max_group_percent", self.max_group_percent, 1, 100),
            ("max_price_percent", self.max_price_percent, 1, 100),
            ("min_saving_percent", self.min_saving_percent, 0, 99),
        ] {
            if value < least || value > most {
                return bad(format!("{name} must be {least} to {most}, got {value}"));
            }
        }
        if self.notice_margin_seconds >= self.notice_seconds {
            return bad(format!(
                "notice_margin_seconds must be below notice_seconds ({}), got {}",
                self.notice_seconds, self.notice_margin_seconds
            ));
        }
        if self.max_price_age_hours == 0 {
            return bad("max_price_age_hours must be at least 1, got 0".to_owned());
        }
        if self.max_pools == 0 {
            return bad("max_pools must be at least 1, got 0".to_owned());
        }
        if self.min_saves_per_month.0 < 0 || self.churn_cost.0 < 0 {
            return bad("min_saves_per_month and churn_cost must not be negative".to_owned());
        }
        // Readers keep only annotations on a list; another one would be
        // dropped on the way, and nobody would be left out.
        if !self.opt_out_annotation.starts_with("cloudoptim/") {
            return bad(format!(
                "opt_out_annotation must start with cloudoptim/, got {:?}",
                self.opt_out_annotation
            ));
        }
        Ok(())
    }
}
