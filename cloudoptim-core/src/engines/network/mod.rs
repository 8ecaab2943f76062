//! Network: what traffic between zones costs, and which routing saves it.
//!
//! It looks at bytes a day between workloads by zone, services with their
//! ready endpoints, and nodes. It may set a service's `trafficDistribution`,
//! or its topology mode where that would overload an endpoint, or let a
//! workload that runs in one zone prefer another. A byte between
//! zones is paid on both sides; both directions of a connection are edges, and
//! an edge given twice counts once.
//!
//! A service is routed when the simulated load of its busiest endpoint stays
//! within the bound (see [`Config`]); preferring the same zone everywhere
//! would save a little more and is shown as an alternative with the overload
//! that it brings. Load is measured in bytes: a service whose requests cost
//! very different work for the same bytes is not well described.
//!
//! It never routes a service whose traffic it cannot see (from outside the
//! cluster, past kube-proxy), or whose clients care which replica they get;
//! never sets `internalTrafficPolicy: Local`, which drops traffic where a node
//! has no endpoint; never empties a zone; and counts nothing for a pair of which it does not
//! know who calls whom. Nor does it act where Cilium runs, which may route in
//! place of kube-proxy; where a side has the addresses of its nodes, or while every node
//! of a zone is cordoned or not ready (a zonal shift is seen by that only).
//!
//! Not judged: traffic through network load balancers, PrivateLink, NAT
//! gateways and public addresses. It is no pair of workloads, and has prices
//! of its own; a service that takes it is kept. Nor traffic of storage, of
//! DNS, or of the control plane. Observed bytes are taken as billed.
//!
//! Defaults are from KEP-2433 and the horizontal autoscaler; see [`Config`].

mod config;
mod facts;
mod moves;
mod reason;
mod services;
mod simulate;
mod traffic;

pub use config::Config;
pub use reason::{ClientBasis, Reason};
pub use simulate::RoutingMode;

use super::{Alternative, Engine, EngineError, EngineId, EngineOutput, Inputs, NotJudged};
use crate::decision::{Action, Decision, MissingEvidence, ObjectRef, Subject};
use crate::model::{Cluster, MicroUsdPerMonth, NamespacedName};
use facts::{Facts, is_entry, is_routed, traffic_name};
use moves::{Freedom, Move};
use services::{Route, Scene, TOPOLOGY_MODE, Verdict};
use std::collections::{BTreeMap, BTreeSet};
use traffic::{Direction, Pair, PairKey, cost};

const ME: EngineId = EngineId::Network;

/// The engine with its settings.
#[derive(Debug, Clone, Default)]
pub struct Network {
    config: Config,
}

impl Network {
    /// The engine with these settings.
    pub const fn new(config: Config) -> Self {
        Self { config }
    }
}

impl Engine for Network {
    fn id(&self) -> EngineId {
        ME
    }

    fn decide(&self, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
        decide(&self.config, inputs)
    }
}

/// Decides about every service, and about every pair of workloads with traffic.
///
/// # Errors
/// [`EngineError::BadSetting`] for settings out of range.
pub fn decide(config: &Config, inputs: &Inputs<'_>) -> Result<EngineOutput, EngineError> {
    config.validate()?;
    let snapshot = inputs.laid();
    let mut decisions = Vec::new();
    let mut not_judged = Vec::new();
    let mut alternatives = Vec::new();
    for cluster in &snapshot.clusters {
        let mut answer = of_cluster(config, inputs, &snapshot, cluster);
        decisions.append(&mut answer.decisions);
        not_judged.append(&mut answer.not_judged);
        alternatives.append(&mut answer.alternatives);
    }
    let mut output = EngineOutput::new(ME, decisions);
    not_judged.sort();
    output.not_judged = not_judged;
    output.alternatives = alternatives;
    Ok(output)
}

fn of_cluster(
    config: &Config,
    inputs: &Inputs<'_>,
    snapshot: &crate::model::Snapshot,
    cluster: &Cluster,
) -> EngineOutput {
    let cloud = snapshot.cloud_of(cluster);
    let facts = Facts::new(cluster, cloud);
    let pairs = traffic::pairs(cluster.traffic.items());
    let mut services_of: BTreeMap<NamespacedName, Vec<&NamespacedName>> = BTreeMap::new();
    let mut entries = BTreeSet::new();
    for (name, service) in facts.services.iter().filter(|(_, s)| is_routed(s.service)) {
        for workload in &service.backends {
            let workload = traffic_name(workload);
            if is_entry(service.service) {
                entries.insert(workload.clone());
            }
            services_of.entry(workload).or_default().push(name);
        }
    }
    let behind = services_of.keys().cloned().collect();
    let directions = traffic::directions(&pairs, &behind, &entries);
    let mut pairs_of: BTreeMap<&NamespacedName, Vec<&PairKey>> = BTreeMap::new();
    for key in pairs.keys() {
        pairs_of.entry(&key.0).or_default().push(key);
        if key.0 != key.1 {
            pairs_of.entry(&key.1).or_default().push(key);
        }
    }
    let region = cluster.region.as_ref().or_else(|| cloud.map(|c| &c.region));
    let region = region.map(crate::model::Region::as_str);
    let scene = Scene {
        config,
        policy: inputs.policy,
        facts: &facts,
        pairs: &pairs,
        directions: &directions,
        services_of: &services_of,
        pairs_of: &pairs_of,
        price: region.and_then(|r| inputs.catalog.transfer(r)),
        region,
    };
    let verdicts: BTreeMap<&NamespacedName, Verdict> = facts
        .services
        .iter()
        .map(|(name, service)| (name, scene.judge(name, service)))
        .collect();

    let mut output = EngineOutput::new(ME, Vec::new());
    output.alternatives.extend(unbounded(cluster, &verdicts));
    let routed_by = routed_pairs(&scene, &verdicts);
    for (name, verdict) in verdicts {
        output
            .decisions
            .push(service_decision(cluster, &facts, name, verdict));
    }
    output
        .decisions
        .extend(pair_decisions(&scene, cluster, &routed_by));
    let count = u64::try_from(output.decisions.len()).unwrap_or(u64::MAX);
    for (part, state) in &facts.holes {
        output.not_judged.push(NotJudged {
            subject: Some(Subject::Cluster {
                cluster: cluster.uid.clone(),
            }),
            count,
            missing: MissingEvidence::Part {
                part: part.clone(),
                state: state.clone(),
            },
        });
    }
    output
}

/// Pairs whose traffic a service steers by zone, with that service: routed by
/// this run, or before it. A pair of unknown direction is among them when
/// either side's service is.
fn routed_pairs<'a>(
    scene: &Scene<'a>,
    verdicts: &BTreeMap<&NamespacedName, Verdict>,
) -> BTreeMap<PairKey, &'a NamespacedName> {
    let steered = |workload: &NamespacedName| {
        let services = scene.services_of.get(workload)?;
        services.iter().copied().find(|name| {
            verdicts.get(*name).is_some_and(|v| {
                v.route.is_some()
                    || v.reasons.iter().any(|r| {
                        matches!(
                            r,
                            Reason::AlreadyRouted { .. }
                                | Reason::TopologyModeSet { .. }
                                | Reason::InternalLocal
                        )
                    })
            })
        })
    };
    let mut routed = BTreeMap::new();
    for (key, direction) in scene.directions {
        let by = match direction {
            Direction::FirstCalls(_) => steered(&key.1),
            Direction::SecondCalls(_) => steered(&key.0),
            Direction::Unknown => steered(&key.0).or_else(|| steered(&key.1)),
            Direction::NoService => None,
        };
        if let Some(by) = by {
            routed.insert(key.clone(), by);
        }
    }
    routed
}

fn unbounded(
    cluster: &Cluster,
    verdicts: &BTreeMap<&NamespacedName, Verdict>,
) -> Option<Alternative> {
    let all: Vec<_> = verdicts.values().filter_map(|v| v.unbounded).collect();
    let worst = all.iter().map(|(_, overload)| *overload).max()?;
    Some(Alternative {
        what: format!(
            "cluster {}: prefer the same zone for every service, bound or not; the busiest endpoint would get {}.{} % more than the mean of its service",
            cluster.uid,
            worst / 10,
            worst % 10
        ),
        saves_per_month: Some(all.iter().map(|(saves, _)| *saves).sum()),
        moves: 0,
    })
}

/// An act becomes a keep with what is at stake while a part is missing.
fn unless_holes(facts: &Facts<'_>, mut decision: Decision) -> Decision {
    if facts.holes.is_empty() {
        return decision;
    }
    let holes = facts.holes.iter();
    let mut reasons: Vec<crate::decision::Reason> = holes
        .clone()
        .map(|(part, state)| {
            Reason::PartMissing {
                part: part.clone(),
                state: state.clone(),
            }
            .into()
        })
        .collect();
    reasons.append(&mut decision.reasons);
    decision.reasons = reasons;
    decision
        .missing_evidence
        .extend(holes.map(|(part, state)| MissingEvidence::Part {
            part: part.clone(),
            state: state.clone(),
        }));
    if !decision.actions.is_empty() {
        decision.actions.clear();
        decision.at_stake_per_month = decision.saves_per_month.take();
    }
    decision
}

fn service_decision(
    cluster: &Cluster,
    facts: &Facts<'_>,
    name: &NamespacedName,
    verdict: Verdict,
) -> Decision {
    let subject = Subject::Service {
        cluster: cluster.uid.clone(),
        service: name.clone(),
    };
    let reasons = verdict.reasons.into_iter().map(Into::into).collect();
    let decision = match verdict.route {
        Some(route) => {
            let action = match route {
                Route::Distribution(value) => Action::RouteService {
                    cluster: cluster.uid.clone(),
                    service: name.clone(),
                    from: None,
                    to: Some(value.to_owned()),
                },
                Route::TopologyAuto => auto_annotation(cluster, facts, name),
            };
            Decision::act(ME, subject, vec![action], verdict.saves, reasons)
        }
        None => Decision::keep(ME, subject, reasons),
    };
    let asked = verdict
        .unknown_pairs
        .iter()
        .map(|(one, other)| MissingEvidence::Confirmation {
            of: format!("which of {one} and {other} opens the connections"),
        });
    let decision = if verdict.at_stake.is_some() {
        decision.with_stake(verdict.at_stake, asked.collect())
    } else {
        decision
    };
    unless_holes(facts, decision)
}

fn auto_annotation(cluster: &Cluster, facts: &Facts<'_>, name: &NamespacedName) -> Action {
    let now = facts
        .services
        .get(name)
        .and_then(|s| s.service.meta.annotation(TOPOLOGY_MODE));
    Action::Annotate {
        cluster: cluster.uid.clone(),
        object: ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Service".to_owned(),
            namespace: name.namespace.clone(),
            name: name.name.clone(),
        },
        key: TOPOLOGY_MODE.to_owned(),
        from: now.map(str::to_owned),
        to: Some("Auto".to_owned()),
    }
}

fn pair_decisions(
    scene: &Scene<'_>,
    cluster: &Cluster,
    routed_by: &BTreeMap<PairKey, &NamespacedName>,
) -> Vec<Decision> {
    let freedom: BTreeMap<&NamespacedName, Freedom<'_>> = scene
        .pairs_of
        .keys()
        .map(|name| (*name, moves::freedom(scene, scene.facts, name)))
        .collect();
    let routed: BTreeSet<PairKey> = routed_by.keys().cloned().collect();
    let per_gb = scene.price.map(|p| p.value.cross_zone_per_gb());
    let moved = per_gb.map_or_else(BTreeMap::new, |per_gb| {
        moves::find(scene, &routed, &freedom, per_gb)
    });
    let one = |(key, pair): (&PairKey, &Pair)| {
        let (reasons, from, to) = pair_facts(scene, key, pair);
        let mut reasons = reasons;
        let subject = Subject::TrafficPair {
            cluster: cluster.uid.clone(),
            from: from.clone(),
            to: to.clone(),
        };
        if pair.cross_zone() == 0 {
            reasons.push(Reason::NoCrossZone);
        } else if per_gb.is_none() {
            reasons.push(Reason::PriceUnknown {
                region: scene.region.map(str::to_owned),
            });
        } else if let Some(service) = routed_by.get(key) {
            reasons.push(Reason::RoutedBy {
                service: (*service).clone(),
            });
        }
        let sides = [&key.0, &key.1];
        let mine: Vec<(&NamespacedName, &Move)> = sides
            .iter()
            .filter_map(|side| moved.get(*side).map(|m| (*side, m)))
            .collect();
        let carried: Vec<_> = mine.iter().filter(|(_, m)| m.carried_by == *key).collect();
        for (name, m) in mine.iter().filter(|(_, m)| m.carried_by != *key) {
            reasons.push(Reason::MovesWith {
                workload: (*name).clone(),
                to: m.to.clone(),
            });
        }
        for (name, m) in &carried {
            reasons.push(Reason::ZoneMove {
                workload: (*name).clone(),
                from: m.from.clone(),
                to: m.to.clone(),
                cross_zone_before: m.before,
                cross_zone_after: m.after,
                restarts: m.restarts,
            });
        }
        let undecided = per_gb.is_some() && pair.cross_zone() > 0 && !routed_by.contains_key(key);
        if mine.is_empty() && undecided {
            let mut free = false;
            for side in sides {
                match freedom.get(side) {
                    Some(Freedom::Bound(reason)) => reasons.push(reason.clone()),
                    _ => free = true,
                }
            }
            if free {
                reasons.push(Reason::NoBetterZone);
            }
        }
        let reasons: Vec<_> = reasons.into_iter().map(Into::into).collect();
        let decision = if carried.is_empty() {
            Decision::keep(ME, subject, reasons)
        } else {
            let saves: MicroUsdPerMonth = carried.iter().map(|(_, m)| m.saves).sum();
            let actions = carried.iter().map(|(_, m)| Action::PreferZone {
                cluster: cluster.uid.clone(),
                workload: m.workload.clone(),
                from: None,
                to: Some(m.to.clone()),
            });
            Decision::act(ME, subject, actions.collect(), Some(saves), reasons)
        };
        unless_holes(scene.facts, decision)
    };
    scene.pairs.iter().map(one).collect()
}

/// What is said of every pair, with the client first.
fn pair_facts<'a>(
    scene: &Scene<'_>,
    key: &'a PairKey,
    pair: &Pair,
) -> (Vec<Reason>, &'a NamespacedName, &'a NamespacedName) {
    let cross = pair.cross_zone();
    let per_gb = scene.price.map(|p| p.value.cross_zone_per_gb());
    let mut reasons = vec![Reason::PairTraffic {
        bytes_per_day: pair.bytes(),
        cross_zone_bytes: cross,
        cost_per_month: per_gb.map(|per_gb| cost(cross, per_gb)),
    }];
    if pair.repeated > 0 {
        reasons.push(Reason::ReportedTwice {
            edges: pair.repeated,
        });
    }
    if pair.without_zone > 0 {
        reasons.push(Reason::TrafficZoneUnknown {
            bytes_per_day: pair.without_zone,
        });
    }
    let (from, to) = match scene.directions.get(key) {
        Some(Direction::SecondCalls(_)) => (&key.1, &key.0),
        _ => (&key.0, &key.1),
    };
    match scene.directions.get(key) {
        Some(Direction::FirstCalls(basis) | Direction::SecondCalls(basis)) => {
            reasons.push(Reason::Client {
                client: from.clone(),
                basis: *basis,
            });
        }
        Some(Direction::NoService) => reasons.push(Reason::NotThroughService),
        Some(Direction::Unknown) | None => reasons.push(Reason::DirectionUnknown {
            one: key.0.clone(),
            other: key.1.clone(),
            cross_zone_bytes: cross,
        }),
    }
    (reasons, from, to)
}
