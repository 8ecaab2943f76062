//! What a green field would save with more of a limit.

use super::{GreenField, LimitUse, Purchase, green_field, with_more};
use crate::engines::bin_packing::limits::LaunchLimit;
use crate::engines::bin_packing::solver::Effort;
use crate::engines::bin_packing::{Config, Price};
use crate::engines::{EngineError, Inputs};
use crate::model::{ClusterUid, MicroUsdPerHour};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::fmt;

/// What a limit costs a green field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LimitPrice {
    /// The limit.
    pub limit: LaunchLimit,
    /// How much more of it there is supposed to be: what the largest node takes.
    pub more: u64,
    /// Pods that have a node then and have none now.
    pub housed: u64,
    /// What is saved then. Without a figure and with nothing missing where pods are
    /// left without a node, now or then: the two are not about the same pods.
    pub price: Price,
}

/// A green field, and what its limits cost it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LimitPrices {
    /// The green field within its limits.
    pub field: GreenField,
    /// Dearest by its [worth](LimitUse::worth) first. Each is priced alone: two that
    /// hold back the same node cost nothing alone.
    pub prices: Vec<LimitPrice>,
}

impl fmt::Display for LimitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (more, limit) = (self.more, &self.limit);
        write!(f, "{more} more of {limit}")?;
        match &self.price {
            Price::Known {
                per_month,
                at_least,
                at_most,
            } => write!(
                f,
                " saves {per_month} (proven: from {at_least} to {at_most})"
            )?,
            Price::NotTried => f.write_str(" was not tried")?,
            Price::Unknown { missing } => {
                f.write_str(": what that saves is not known")?;
                for missing in missing {
                    write!(f, "; missing: {missing}")?;
                }
            }
        }
        match self.housed {
            0 => Ok(()),
            housed => write!(f, "; {housed} pods more have a node"),
        }
    }
}

/// The [`green_field`] of a cluster, and what it would save with more of each limit
/// that may hold something back: one that [binds](LimitUse::binds) by the bound, or of
/// which less is left than the largest node takes, whatever the bound says.
///
/// Each of at most `most` limits is asked about by a search of its own, with as much
/// more of it as that node takes; the others are named.
///
/// # Errors
/// As [`green_field`].
pub fn limit_prices(
    config: &Config,
    inputs: &Inputs<'_>,
    cluster: &ClusterUid,
    purchase: &Purchase,
    effort: &Effort,
    most: u32,
) -> Result<LimitPrices, EngineError> {
    let field = green_field(config, inputs, cluster, purchase, effort)?;
    let holds = |of: &&LimitUse| of.binds || of.room.saturating_sub(of.used) < of.node_takes;
    let mut tight: Vec<&LimitUse> = field.limits.iter().filter(holds).collect();
    tight.sort_by_key(|of| (Reverse(of.worth), Reverse(of.binds), &of.limit));
    let mut prices = Vec::new();
    for (tried, of) in (0_u32..).zip(tight) {
        let more = (&of.limit, of.node_takes);
        let (housed, price) = if tried < most {
            let then = with_more(config, inputs, cluster, purchase, effort, Some(more))?;
            (
                then.placed().saturating_sub(field.placed()),
                price(&field, &then),
            )
        } else {
            (0, Price::NotTried)
        };
        prices.push(LimitPrice {
            limit: of.limit.clone(),
            more: of.node_takes,
            housed,
            price,
        });
    }
    Ok(LimitPrices { field, prices })
}

/// What is saved between two that hold the same pods. What is possible within a
/// limit is so with more of it.
fn price(now: &GreenField, then: &GreenField) -> Price {
    if !now.missing.is_empty() || now.left != then.left || !now.is_whole() {
        return Price::Unknown {
            missing: now.missing.iter().cloned().collect(),
        };
    }
    let (cost, lower) = (now.cost, now.lower_bound.max(then.lower_bound));
    let then_cost = then.cost.min(cost);
    let saves = |from: MicroUsdPerHour, to: MicroUsdPerHour| {
        (from - to).max(MicroUsdPerHour::ZERO).per_month()
    };
    Price::Known {
        per_month: saves(cost, then_cost),
        at_least: saves(lower, then_cost),
        at_most: saves(cost, then.lower_bound),
    }
}
