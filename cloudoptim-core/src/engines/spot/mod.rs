//! Spot: which workloads can run on spare capacity, where, and at what
//! risk-adjusted price.
//!
//! It looks at workloads with their pods and disruption budgets, at who may
//! launch spot (node pools of Karpenter, managed node groups), at prices, the
//! Spot Advisor's bands, and the ledger of pool events; an interruption notice
//! in it rules its pool out for [`Config::quarantine_hours`]. It may set how
//! many replicas run on spot, in which pools, with a named on-demand fallback
//! and the condition of return. It never uses a pool without a price, never
//! takes an absent band for a small one, and never puts more replicas into one
//! instance type, over all its zones, than the workload can lose at once.
//!
//! The risk-adjusted price of a pool an hour is
//! `price + hazard × (drain·price + boot·on-demand + churn) + hazard × boot × on-demand`;
//! every term is in [`Reason::PoolPriced`]. A replica pays its largest part of
//! a node: CPU, memory or pod slots; what daemon sets take is not in it. It is
//! compared with the cheapest on-demand type that would take it, not with the
//! node that it runs on: what packing could save is not spot's saving.
//!
//! Moving pods is no money: it saves when on-demand nodes go because of it. So
//! `saves_per_month` stays empty, `at_stake_per_month` says what it would be,
//! and the joint run counts the nodes. Where a commitment pays for on-demand
//! use, what leaves it saves nothing, and nothing is moved; where commitments
//! or pool events are not known, the change is shown and not made.
//! A quota that is not known does not stop it: a launch that is refused goes
//! on demand. Commitments and quotas are given out in the order of the names.
//!
//! Prices and bands carry their dates. A spot price older than
//! [`Config::max_price_age_hours`] is used and shown as such: the change asks
//! for a newer price, and the guards permit no step on it.
//!
//! Replicas on dedicated hosts, on instances with a licence (Windows, RHEL,
//! SUSE), or on spot instances that a request brings back or an interruption
//! only stops, stay as they are: prices and notices of spot do not fit them.
//!
//! Not judged here: leader election, images of more than one architecture that
//! were seen on one only (they stay on it), and batch work. Defaults and their
//! sources are in [`Config`], those of the risk in [`AdvisorPrior`].

mod commitments;
mod config;
mod launch;
mod mix;
mod place;
mod pools;
mod quota;
mod reason;
mod requests;
mod risk;
mod suitability;

pub use config::Config;
pub(crate) use launch::names_spot;
pub(crate) use pools::rules_out;
pub use reason::Reason;
pub use risk::{AdvisorPrior, BandMeans, Estimate, PoolFacts, RiskBasis, RiskFactors, RiskModel};
pub(crate) use suitability::most_on_spot;

use super::{Engine, EngineError, EngineId, EngineOutput, Inputs, NotJudged};
use crate::decision::{Action, Decision, MissingEvidence, Offering, SpotPoolShare, Subject};
use crate::knowledge::Knowledge;
use crate::ledger::PoolEvent;
use crate::model::{
    CapacityType, Cloud, Cluster, InstanceType, MicroUsdPerHour, PodDisruptionBudget, Snapshot,
    WorkloadRef,
};
use chrono::TimeDelta;
use commitments::Commitments;
use mix::{Caps, Choice};
use place::{Allowed, Ground, Now};
use pools::Market;
use std::collections::BTreeMap;
use std::sync::Arc;
use suitability::{Candidate, Fit};

const ME: EngineId = EngineId::Spot;

/// The engine with its settings and its risk model.
#[derive(Debug, Clone)]
pub struct Spot {
    config: Config,
    model: Arc<dyn RiskModel>,
}

impl Default for Spot {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl Spot {
    /// The engine with these settings and [`AdvisorPrior`].
    pub fn new(config: Config) -> Self {
        Self {
            config,
            model: Arc::new(AdvisorPrior),
        }
    }

    /// The same with another risk model.
    #[must_use]
    pub fn with_model(mut self, model: Arc<dyn RiskModel>) -> Self {
        self.model = model;
        self
    }
}

impl Engine for Spot {
    fn id(&self) -> EngineId {
        ME
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs, self.model.as_ref())
    }
}

/// Decides about every workload, and about every pool that could be used.
///
/// # Errors
/// [`EngineError::BadSetting`] for settings out of range.
pub fn decide(
    config: &Config,
    inputs: &Inputs<'_>,
    model: &dyn RiskModel,
) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let snapshot = inputs.laid();
    let inputs = Inputs {
        snapshot: &snapshot,
        ..*inputs
    };
    let mut decisions = Vec::new();
    let mut pools = BTreeMap::new();
    let mut not_judged = Vec::new();
    for cluster in &snapshot.clusters {
        let run = Run::new(config, &inputs, &snapshot, cluster, model);
        for pool in &run.market.pools {
            let region = run
                .cloud
                .map(|c| c.region.clone())
                .or_else(|| cluster.region.clone());
            let subject = Subject::Offering {
                region: region.unwrap_or_default(),
                offering: pool.offering.clone(),
            };
            let reasons = pool.reasons.iter().cloned().map(Into::into).collect();
            pools
                .entry(subject.clone())
                .or_insert_with(|| Decision::keep(ME, subject, reasons));
        }
        not_judged.extend(run.not_judged());
        decisions.extend(run.decide());
    }
    decisions.extend(pools.into_values());
    let mut output = EngineOutput::new(ME, decisions);
    not_judged.sort();
    output.not_judged = not_judged;
    Ok(output)
}

/// One cluster.
struct Run<'r, 'a> {
    config: &'r Config,
    inputs: &'r Inputs<'a>,
    cluster: &'a Cluster,
    cloud: Option<&'a Cloud>,
    /// Parts that are not complete, with their state.
    holes: Vec<(&'static str, String)>,
    market: Market<'a>,
    ground: Ground<'a>,
    budgets: Vec<&'a PodDisruptionBudget>,
    recent: Vec<&'a PoolEvent>,
}

/// What is given out to one workload after another.
struct Shared {
    commitments: Commitments,
    free_milli_vcpu: Option<u64>,
    allowed: Allowed,
}

/// The mix for one workload before commitments and quotas.
struct Mix {
    placed: Vec<(usize, u32)>,
    total: u32,
    /// Mean price of a replica.
    replica: MicroUsdPerHour,
    /// Mean thousandths of a vCPU.
    milli_vcpu: u64,
}

impl<'r, 'a> Run<'r, 'a> {
    fn new(
        config: &'r Config,
        inputs: &'r Inputs<'a>,
        snapshot: &'a Snapshot,
        cluster: &'a Cluster,
        model: &dyn RiskModel,
    ) -> Self {
        let cloud = snapshot.cloud_of(cluster);
        let mut holes = Vec::new();
        hole(&mut holes, "nodes", &cluster.nodes);
        hole(&mut holes, "pods", &cluster.pods);
        hole(&mut holes, "workloads", &cluster.workloads);
        hole(
            &mut holes,
            "disruption_budgets",
            &cluster.disruption_budgets,
        );
        hole(&mut holes, "node_pools", &cluster.node_pools);
        match cloud {
            None => holes.push(("cloud", "not known".to_owned())),
            Some(cloud) => {
                hole(&mut holes, "node_groups", &cloud.node_groups);
                hole(&mut holes, "instances", &cloud.instances);
                // Only then may a request bring an instance back.
                let any = |i: &crate::model::Instance| i.capacity_type == CapacityType::Spot;
                if cloud.instances.items().iter().any(any) {
                    hole(&mut holes, "spot_requests", &cloud.spot_requests);
                }
                let stated = config.assume_no_commitments && cloud.commitments.items().is_empty();
                if !stated {
                    hole(&mut holes, "commitments", &cloud.commitments);
                }
            }
        }
        let quarantine = TimeDelta::hours(i64::from(config.quarantine_hours));
        let events = inputs.ledgers.pool_events.as_deref().unwrap_or_default();
        Self {
            config,
            inputs,
            cluster,
            cloud,
            holes,
            market: pools::market(config, inputs, cluster, cloud, model),
            ground: Ground::new(inputs, cluster, cloud),
            budgets: cluster.disruption_budgets.items().iter().collect(),
            recent: events
                .iter()
                .filter(|e| inputs.now() - e.at < quarantine)
                .collect(),
        }
    }

    fn decide(&self) -> Vec<Decision> {
        let mut shared = Shared {
            commitments: self
                .cloud
                .map_or_else(Commitments::default, |c| Commitments::new(self.inputs, c)),
            free_milli_vcpu: quota::free_milli_vcpu(self.inputs.catalog, self.cloud),
            allowed: Allowed::default(),
        };
        suitability::candidates(self.cluster)
            .iter()
            .map(|(reference, candidate)| self.decide_one(&mut shared, reference, candidate))
            .collect()
    }

    fn decide_one(
        &self,
        shared: &mut Shared,
        reference: &WorkloadRef,
        candidate: &Candidate<'_>,
    ) -> Decision {
        let judged = suitability::judge(
            self.config,
            self.inputs.policy,
            reference,
            candidate,
            &self.budgets,
        );
        match judged {
            Err(reasons) => self.keep(reference, reasons),
            Ok(fit) => match self.place(shared, reference, candidate, &fit) {
                Ok(decision) => decision,
                Err(reasons) => self.keep(reference, reasons),
            },
        }
    }

    fn subject(&self, reference: &WorkloadRef) -> Subject {
        Subject::Workload {
            cluster: self.cluster.uid.clone(),
            workload: reference.clone(),
        }
    }

    fn keep(&self, reference: &WorkloadRef, reasons: Vec<Reason>) -> Decision {
        let mut all = self.missing();
        all.extend(reasons);
        let reasons = all.into_iter().map(Into::into).collect();
        Decision::keep(ME, self.subject(reference), reasons)
    }

    /// Reasons for every part that is missing.
    fn missing(&self) -> Vec<Reason> {
        let mut reasons: Vec<Reason> = self
            .holes
            .iter()
            .map(|(part, state)| Reason::PartMissing {
                part: (*part).to_owned(),
                state: state.clone(),
            })
            .collect();
        if self.inputs.ledgers.pool_events.is_none() {
            reasons.push(Reason::PoolEventsUnknown);
        }
        reasons
    }

    fn evidence(&self) -> Vec<MissingEvidence> {
        let parts = self
            .holes
            .iter()
            .map(|(part, state)| MissingEvidence::Part {
                part: (*part).to_owned(),
                state: state.clone(),
            });
        let mut all: Vec<_> = parts.collect();
        if self.inputs.ledgers.pool_events.is_none() {
            let hours = TimeDelta::hours(i64::from(self.config.quarantine_hours));
            let now = self.inputs.now();
            all.push(MissingEvidence::Ledger {
                ledger: "pool_events".to_owned(),
                // From then on an event would have been seen, or is too old to matter.
                possible_from: now.checked_add_signed(hours).unwrap_or(now),
            });
        }
        all
    }

    fn not_judged(&self) -> Vec<NotJudged> {
        let subject = Some(Subject::Cluster {
            cluster: self.cluster.uid.clone(),
        });
        let count = u64::try_from(suitability::candidates(self.cluster).len()).unwrap_or(u64::MAX);
        let mut all: Vec<_> = self
            .evidence()
            .into_iter()
            .map(|missing| NotJudged {
                subject: subject.clone(),
                count,
                missing,
            })
            .collect();
        if self.market.left_out > 0 {
            all.push(NotJudged {
                subject,
                count: self.market.left_out,
                missing: MissingEvidence::Part {
                    part: "pools".to_owned(),
                    state: format!("cut at the {} cheapest", self.config.max_pools),
                },
            });
        }
        all
    }

    /// The decision about a suitable workload, or the reasons to keep it.
    fn place(
        &self,
        shared: &mut Shared,
        reference: &WorkloadRef,
        candidate: &Candidate<'_>,
        fit: &Fit,
    ) -> Result<Decision, Vec<Reason>> {
        let spec = candidate.spec().ok_or_else(|| vec![Reason::NoTemplate])?;
        let now = self.ground.now(candidate, &fit.requests);
        let mut notes: Vec<Reason> = place::under_notice(&now, &self.recent)
            .into_iter()
            .map(|(pool, replicas)| Reason::UnderNotice { pool, replicas })
            .collect();
        let with = |mut notes: Vec<Reason>, reason: Reason| {
            notes.push(reason);
            notes
        };
        if now.unknown > 0 {
            let pods = now.unknown;
            return Err(with(notes, Reason::CapacityTypeUnknown { pods }));
        }
        let obstacles = now.obstacles();
        if !obstacles.is_empty() {
            notes.extend(obstacles);
            return Err(notes);
        }
        let base = self.config.on_demand_base_of(fit.replicas);
        let can_lose = fit.replicas.saturating_sub(fit.minimum);
        if can_lose == 0 || base >= fit.replicas {
            let reason = Reason::NoRoom {
                replicas: fit.replicas,
                minimum: fit.minimum,
                on_demand_base: base,
            };
            return Err(with(notes, reason));
        }
        if !self.market.launchers.iter().any(|l| l.spot) {
            return Err(with(notes, Reason::NobodyLaunchesSpot));
        }
        let masks = shared.allowed.masks(&self.market, spec, &now.architectures);
        let Some((offer, on_demand)) = place::fallback(&self.market, &masks, &fit.requests) else {
            return Err(with(notes, Reason::NoFallback));
        };
        let fallback = Offering {
            instance_type: offer.info.name.clone(),
            zone: None,
            capacity_type: CapacityType::OnDemand,
        };
        let percent = u64::from(100_u32.saturating_sub(self.config.min_saving_percent));
        let at_most = on_demand.ratio(percent, 100);
        let caps = Caps {
            total: fit.replicas - base,
            pool: mix::cap(fit.replicas, self.config.max_pool_percent).min(can_lose),
            kind: mix::cap(fit.replicas, self.config.max_group_percent).min(can_lose),
            group: mix::cap(fit.replicas, self.config.max_group_percent),
            cost: at_most.0,
        };
        let facts = vec![
            Reason::Suitable {
                replicas: fit.replicas,
                minimum: fit.minimum,
                on_demand_base: base,
                per_type: caps.kind,
            },
            Reason::Fallback {
                offering: fallback.clone(),
                price: offer.price,
            },
        ];
        let mix = self.mix(&masks.pools, fit, caps);
        let back = self.dear(&now);
        match mix {
            Ok(mix) if mix.total > now.on_spot => self.more(
                shared,
                reference,
                fit,
                &now,
                mix,
                caps,
                &masks.pools,
                Offer {
                    fallback,
                    on_demand,
                    at_most,
                    notes,
                    facts,
                },
            ),
            Ok(mix) if mix.total == now.on_spot => {
                let on_spot = now.on_spot;
                Err(with(notes, Reason::AlreadyPlaced { on_spot }))
            }
            _ if back > 0 => {
                notes.extend(facts);
                notes.push(Reason::ReturnToOnDemand { replicas: back });
                notes.push(self.return_when(at_most));
                let to = now.on_spot - back;
                let action = self.share(reference, now.on_spot, to, Vec::new(), fallback);
                Ok(self.act(reference, action, notes, None, Vec::new()))
            }
            Ok(mix) => {
                let reason = Reason::AboveShare {
                    on_spot: now.on_spot,
                    allowed: mix.total,
                };
                Err(with(notes, reason))
            }
            Err(reason) => {
                if now.on_spot == 0 && place::requires_on_demand(&self.market, spec) {
                    notes.push(Reason::RequiresOnDemand);
                }
                Err(with(notes, *reason))
            }
        }
    }

    /// Replicas in pools whose spot price is known to be no lower than on demand.
    fn dear(&self, now: &Now) -> u32 {
        let dear = now.pools.iter().filter(|(pool, _)| {
            let kind = pool.instance_type.as_str();
            let price = |zone, capacity| self.inputs.price(self.cloud, kind, zone, capacity);
            let spot = price(pool.zone.as_ref(), CapacityType::Spot);
            let on_demand = price(None, CapacityType::OnDemand);
            matches!((spot, on_demand), (Some(spot), Some(on_demand)) if spot >= on_demand)
        });
        dear.map(|(_, replicas)| *replicas).sum()
    }

    /// The cheapest allowed mix, or why there is none.
    fn mix(&self, allowed: &[bool], fit: &Fit, caps: Caps) -> Result<Mix, Box<Reason>> {
        let mut names: [BTreeMap<&str, usize>; 3] = Default::default();
        let mut id = |group: usize, name: &'a str| {
            names.get_mut(group).map_or(0, |map| {
                let next = map.len();
                *map.entry(name).or_insert(next)
            })
        };
        let (mut forbidden, mut rejected, mut too_dear) = (0_u32, 0_u32, 0_u32);
        let mut choices = Vec::new();
        let mut index_of = Vec::new();
        let mut vcpus = Vec::new();
        for (index, pool) in self.market.pools.iter().enumerate() {
            if !allowed.get(index).copied().unwrap_or(false) {
                forbidden += 1;
            } else if !pool.rejected.is_empty() {
                rejected += 1;
            } else if let Some((cost, interruptions, vcpu)) =
                place::share_price(pool, &fit.requests)
            {
                if cost.0 > caps.cost {
                    too_dear += 1;
                    continue;
                }
                choices.push(Choice {
                    cost: cost.0,
                    interruptions: interruptions.0,
                    kind: id(0, pool.info.name.as_str()),
                    family: id(1, pool.info.family()),
                    zone: 0,
                });
                index_of.push((index, pool.offering.zone.as_ref()));
                vcpus.push(vcpu);
            } else {
                forbidden += 1;
            }
        }
        let mut zones = BTreeMap::new();
        for (choice, (_, zone)) in choices.iter_mut().zip(&index_of) {
            let next = zones.len();
            choice.zone = *zones.entry(*zone).or_insert(next);
        }
        let placed = mix::choose(&choices, caps);
        let total: u32 = placed.iter().sum();
        if total == 0 {
            return Err(Box::new(Reason::NoPool {
                considered: u32::try_from(self.market.pools.len()).unwrap_or(u32::MAX),
                forbidden,
                rejected,
                too_dear,
            }));
        }
        let mut cost = 0_i64;
        let mut vcpu = 0_u64;
        let mut pools = Vec::new();
        for (((count, choice), (index, _)), milli) in
            placed.iter().zip(&choices).zip(&index_of).zip(&vcpus)
        {
            if *count > 0 {
                cost = cost.saturating_add(choice.cost.saturating_mul(i64::from(*count)));
                vcpu = vcpu.saturating_add(milli.saturating_mul(u64::from(*count)));
                pools.push((*index, *count));
            }
        }
        Ok(Mix {
            placed: pools,
            total,
            replica: MicroUsdPerHour(cost.div_euclid(i64::from(total))),
            milli_vcpu: vcpu.div_ceil(u64::from(total)),
        })
    }

    /// More replicas on spot, as far as commitments and the quota go.
    #[allow(clippy::too_many_arguments)] // one step of `place`, cut off for its length
    fn more(
        &self,
        shared: &mut Shared,
        reference: &WorkloadRef,
        fit: &Fit,
        now: &Now,
        mut mix: Mix,
        caps: Caps,
        allowed: &[bool],
        offer: Offer,
    ) -> Result<Decision, Vec<Reason>> {
        let Offer {
            fallback,
            on_demand,
            at_most,
            mut notes,
            facts,
        } = offer;
        let mut moved = mix.total - now.on_spot;
        let worth = now
            .dearest
            .map_or(on_demand, |dearest| dearest.max(on_demand));
        let mut blocked = None;
        while moved > 0 {
            let all = worth.times(i64::from(moved));
            blocked = now
                .families
                .iter()
                .find_map(|family| shared.commitments.blocks(family, all));
            if blocked.is_none() {
                break;
            }
            moved -= 1;
        }
        if moved == 0 {
            if let Some((commitment, headroom)) = blocked {
                notes.push(Reason::CoveredByCommitment {
                    commitment,
                    headroom,
                });
            }
            return Err(notes);
        }
        match shared.free_milli_vcpu {
            None => notes.push(Reason::QuotaUnknown),
            Some(free) => {
                let room = free.checked_div(mix.milli_vcpu).unwrap_or(u64::MAX);
                moved = moved.min(u32::try_from(room).unwrap_or(u32::MAX));
                if moved == 0 {
                    notes.push(Reason::QuotaFull {
                        quota: quota::STANDARD_SPOT.to_owned(),
                        free_milli_vcpu: free,
                    });
                    return Err(notes);
                }
            }
        }
        let to = now.on_spot + moved;
        if to < mix.total {
            let fewer = Caps { total: to, ..caps };
            mix = self
                .mix(allowed, fit, fewer)
                .map_err(|reason| vec![*reason])?;
        }
        let gain = (on_demand - mix.replica)
            .times(i64::from(moved))
            .per_month();
        notes.extend(facts);
        notes.push(Reason::ReplicaPrice {
            spot: mix.replica,
            on_demand,
        });
        if gain < self.config.min_saves_per_month {
            notes.push(Reason::BelowMinimum {
                could_save: gain,
                min_per_month: self.config.min_saves_per_month,
            });
            return Err(notes);
        }
        for family in &now.families {
            shared
                .commitments
                .take(family, worth.times(i64::from(moved)));
        }
        let need = mix.milli_vcpu.saturating_mul(u64::from(moved));
        shared.free_milli_vcpu = shared.free_milli_vcpu.map(|free| free.saturating_sub(need));
        notes.extend(self.concentration(&mix, fit.replicas));
        notes.push(self.return_when(at_most));
        notes.push(Reason::RoomIsNoMoney);
        let mut doubts = Vec::new();
        if let Some(oldest) = self.oldest_stale(&mix) {
            notes.push(oldest);
            doubts.push(MissingEvidence::Price {
                of: format!(
                    "spot in the chosen pools, at most {} h old",
                    self.config.max_price_age_hours
                ),
            });
        }
        let pools = mix
            .placed
            .iter()
            .filter_map(|(index, replicas)| {
                let pool = self.market.pools.get(*index)?;
                Some(SpotPoolShare {
                    offering: pool.offering.clone(),
                    replicas: *replicas,
                    risk_adjusted_price: pool.risk_adjusted?,
                    price_as_of: pool.price_as_of,
                    band_as_of: pool.band_as_of,
                })
            })
            .collect();
        let action = self.share(reference, now.on_spot, to, pools, fallback);
        Ok(self.act(reference, action, notes, Some(gain), doubts))
    }

    /// The type that takes the most replicas with it.
    fn concentration(&self, mix: &Mix, replicas: u32) -> Option<Reason> {
        let mut by_type: BTreeMap<&InstanceType, u32> = BTreeMap::new();
        for (index, count) in &mix.placed {
            let pool = self.market.pools.get(*index)?;
            *by_type.entry(&pool.info.name).or_default() += count;
        }
        // The first by name of those with the most.
        let most = by_type.values().copied().max()?;
        let (name, _) = by_type.into_iter().find(|(_, n)| *n == most)?;
        let share = u64::from(most).saturating_mul(1000) / u64::from(replicas.max(1));
        Some(Reason::Concentration {
            instance_type: name.clone(),
            replicas: most,
            share_milli: u32::try_from(share).unwrap_or(u32::MAX),
        })
    }

    /// The oldest of the stale prices of a mix; one of unknown age before all.
    fn oldest_stale(&self, mix: &Mix) -> Option<Reason> {
        let pools = mix.placed.iter();
        let pools = pools.filter_map(|(index, _)| self.market.pools.get(*index));
        let oldest = pools.filter(|p| p.stale).map(|p| p.price_as_of).min()?;
        Some(Reason::PriceStale {
            as_of: oldest,
            max_age_hours: self.config.max_price_age_hours,
        })
    }

    const fn return_when(&self, at_most: MicroUsdPerHour) -> Reason {
        Reason::ReturnWhen {
            quiet_hours: self.config.quarantine_hours,
            replica_price_at_most: at_most,
        }
    }

    fn share(
        &self,
        reference: &WorkloadRef,
        from: u32,
        to: u32,
        mut pools: Vec<SpotPoolShare>,
        fallback: Offering,
    ) -> Action {
        pools.sort();
        Action::SetSpotShare {
            cluster: self.cluster.uid.clone(),
            workload: reference.clone(),
            from,
            to,
            pools,
            fallback,
        }
    }

    /// The act, or what it would be while something is missing.
    fn act(
        &self,
        reference: &WorkloadRef,
        action: Action,
        reasons: Vec<Reason>,
        at_stake: Option<crate::model::MicroUsdPerMonth>,
        doubts: Vec<MissingEvidence>,
    ) -> Decision {
        let mut all = self.missing();
        let mut evidence = self.evidence();
        all.extend(reasons);
        let reasons = all.into_iter().map(Into::into).collect();
        let subject = self.subject(reference);
        let decision = if evidence.is_empty() {
            Decision::act(ME, subject, vec![action], None, reasons)
        } else {
            Decision::keep(ME, subject, reasons)
        };
        evidence.extend(doubts);
        decision.with_stake(at_stake, evidence)
    }
}

/// What the change offers, handed from one step to the next.
struct Offer {
    fallback: Offering,
    on_demand: MicroUsdPerHour,
    at_most: MicroUsdPerHour,
    notes: Vec<Reason>,
    facts: Vec<Reason>,
}

fn hole<T>(holes: &mut Vec<(&'static str, String)>, name: &'static str, part: &Knowledge<T>) {
    if !part.is_complete() {
        holes.push((name, part.to_string()));
    }
}
