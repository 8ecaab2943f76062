//! What a green field would save with more of a limit.

use super::{Change, GreenField, GroupMinimum, LimitUse, Purchase, changed, green_field};
use crate::decision::Owner;
use crate::engines::bin_packing::limits::LaunchLimit;
use crate::engines::bin_packing::solver::Effort;
use crate::engines::bin_packing::{Config, Price};
use crate::engines::{EngineError, Inputs};
use crate::model::{ClusterUid, MicroUsdPerHour, MicroUsdPerMonth};
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
    /// left without a node, or groups have fewer nodes than they have to: the two are
    /// not about the same.
    pub price: Price,
}

/// What the minimum of a group costs a green field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MinimumPrice {
    /// The group.
    pub group: Owner,
    /// Its minimum.
    pub min_size: u32,
    /// What is saved where it keeps nothing that pods do not need. Without a figure
    /// and with nothing missing where pods are left without a node or a group has
    /// fewer nodes than it has to.
    pub price: Price,
}

/// A green field, and what its limits cost it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LimitPrices {
    /// The green field within its limits.
    pub field: GreenField,
    /// Dearest first, then by their [worth](LimitUse::worth). Each is priced alone:
    /// two that hold back the same node cost nothing alone.
    pub prices: Vec<LimitPrice>,
    /// What the minima of groups cost, dearest first. Each is priced alone: where the
    /// pods need one of two groups, none of both costs anything alone.
    pub minima: Vec<MinimumPrice>,
}

impl fmt::Display for LimitPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (more, limit) = (self.more, &self.limit);
        write!(f, "{more} more of {limit}")?;
        tell(&self.price, f)?;
        match self.housed {
            0 => Ok(()),
            housed => write!(f, "; {housed} pods more have a node"),
        }
    }
}

impl fmt::Display for MinimumPrice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (group, min_size) = (&self.group, self.min_size);
        write!(f, "{group} without its minimum of {min_size}")?;
        tell(&self.price, f)
    }
}

fn tell(price: &Price, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match price {
        Price::Known {
            per_month,
            at_least,
            at_most,
        } => write!(
            f,
            " saves {per_month} (proven: from {at_least} to {at_most})"
        ),
        Price::NotTried => f.write_str(" was not tried"),
        Price::Unknown { missing } => {
            f.write_str(": what that saves is not known")?;
            for missing in missing {
                write!(f, "; missing: {missing}")?;
            }
            Ok(())
        }
    }
}

/// The [`green_field`] of a cluster, and what it would save with more of each limit
/// that may hold something back: one that [binds](LimitUse::binds) by the bound, or of
/// which less is left than the largest node takes, whatever the bound says.
///
/// Each of at most `most` limits is asked about by a search of its own, with as much
/// more of it as that node takes; the others are named. So are the
/// [minima](GreenField::minima) of groups, at most `most` of them, those whose nodes
/// without pods cost most first.
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
        let more = Change::More(&of.limit, of.node_takes);
        let (housed, price) = if tried < most && !inputs.is_late() {
            let then = changed(config, inputs, cluster, purchase, effort, more)?;
            let housed = then.placed().saturating_sub(field.placed());
            match price(&field, &then, field.total()) {
                Price::NotTried => (0, Price::NotTried),
                price => (housed, price),
            }
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
    // Stable: those that cost the same stay in the order of trying.
    prices.sort_by_key(|of| dearest(&of.price));
    let mut kept: Vec<&GroupMinimum> = field.minima.iter().collect();
    kept.sort_by_key(|of| (Reverse(of.empty_cost), &of.group));
    let mut minima = Vec::new();
    for (tried, of) in (0_u32..).zip(kept) {
        let lifted = Change::NoMinimum(&of.group);
        let price = if tried < most && !inputs.is_late() {
            let then = changed(config, inputs, cluster, purchase, effort, lifted)?;
            // Those without pods need not be bought then.
            price(&field, &then, field.total() - of.empty_cost)
        } else {
            Price::NotTried
        };
        minima.push(MinimumPrice {
            group: of.group.clone(),
            min_size: of.min_size,
            price,
        });
    }
    minima.sort_by_key(|of| dearest(&of.price));
    Ok(LimitPrices {
        field,
        prices,
        minima,
    })
}

/// Known ones by what they are, dearest first; then those that are not known, and
/// those that were not tried.
fn dearest(price: &Price) -> (u8, Reverse<MicroUsdPerMonth>) {
    match price {
        Price::Known { per_month, .. } => (0, Reverse(*per_month)),
        Price::Unknown { .. } => (1, Reverse(MicroUsdPerMonth::ZERO)),
        Price::NotTried => (2, Reverse(MicroUsdPerMonth::ZERO)),
    }
}

/// What is saved between two that hold the same pods. What is possible within a
/// limit is so with more of it, and what keeps a minimum is possible without it: some
/// nodes cost no more than `possible` then.
fn price(now: &GreenField, then: &GreenField, possible: MicroUsdPerHour) -> Price {
    if now.late || then.late {
        return Price::NotTried;
    }
    let more = then.placed() > now.placed();
    if !now.missing.is_empty() || more || !now.is_whole() {
        return Price::Unknown {
            missing: now.missing.iter().cloned().collect(),
        };
    }
    let (cost, lower) = (now.total(), now.lower_bound.max(then.lower_bound));
    // A search that leaves pods out of which all had a node found nothing better.
    let then_cost = match now.left == then.left {
        true => then.total().min(possible),
        false => possible,
    };
    let saves = |from: MicroUsdPerHour, to: MicroUsdPerHour| {
        (from - to).max(MicroUsdPerHour::ZERO).per_month()
    };
    Price::Known {
        per_month: saves(cost, then_cost),
        at_least: saves(lower, then_cost),
        at_most: saves(cost, then.lower_bound),
    }
}
