//! Per service: may it be routed, and what would that do?

use super::config::Config;
use super::facts::{Facts, ServiceFacts, is_entry, traffic_name};
use super::reason::Reason;
use super::simulate::{ByZone, Outcome, RoutingMode, prefer_same_zone, topology_auto};
use super::traffic::{Direction, Pair, PairKey, cost};
use crate::catalog::{Figure, TransferPrice};
use crate::model::{Labels, MicroUsdPerMonth, NamespacedName, Service, WorkloadKind, WorkloadRef};
use crate::policy::Policy;
use std::collections::{BTreeMap, BTreeSet};

/// The annotation of topology-aware routing.
pub(super) const TOPOLOGY_MODE: &str = "service.kubernetes.io/topology-mode";
/// Annotations that ask for it; each wins over the field.
const TOPOLOGY_ANNOTATIONS: [&str; 2] =
    [TOPOLOGY_MODE, "service.kubernetes.io/topology-aware-hints"];

/// What is common to all services of a cluster.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) config: &'a Config,
    pub(super) policy: &'a Policy,
    pub(super) facts: &'a Facts<'a>,
    pub(super) pairs: &'a BTreeMap<PairKey, Pair>,
    pub(super) directions: &'a BTreeMap<PairKey, Direction>,
    /// Services with an address of their own, by the name of a workload.
    pub(super) services_of: &'a BTreeMap<NamespacedName, Vec<&'a NamespacedName>>,
    /// Pairs of a workload.
    pub(super) pairs_of: &'a BTreeMap<&'a NamespacedName, Vec<&'a PairKey>>,
    pub(super) price: Option<Figure<TransferPrice>>,
    pub(super) region: Option<&'a str>,
}

/// A change of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `trafficDistribution` with this value.
    Distribution(&'static str),
    /// The annotation of topology mode Auto.
    TopologyAuto,
}

/// What is found about one service.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// How to route it; `None` keeps the service as it is.
    pub(super) route: Option<Route>,
    pub(super) saves: Option<MicroUsdPerMonth>,
    pub(super) at_stake: Option<MicroUsdPerMonth>,
    pub(super) unknown_pairs: Vec<PairKey>,
    pub(super) reasons: Vec<Reason>,
    /// Saving and overload if it were routed whatever the bounds say.
    pub(super) unbounded: Option<(MicroUsdPerMonth, u64)>,
}

/// Whether an annotation keeps this engine off.
pub(super) fn opted_out(config: &Config, annotations: &Labels) -> Option<Reason> {
    let value = annotations.get(&config.opt_out_annotation)?;
    let off = value
        .split(',')
        .any(|word| matches!(word.trim(), "true" | "network"));
    off.then(|| Reason::OptedOut {
        annotation: config.opt_out_annotation.clone(),
        value: value.clone(),
    })
}

impl Scene<'_> {
    /// Judges a service.
    pub(super) fn judge(&self, name: &NamespacedName, facts: &ServiceFacts<'_>) -> Verdict {
        let mut verdict = Verdict::default();
        let clients = self.clients(facts);
        verdict.reasons = self.own_obstacles(facts.service);
        verdict
            .reasons
            .extend(self.backend_obstacles(name, facts, &clients));
        let eligible = verdict.reasons.is_empty();

        let certain = sum(clients.certain.iter().map(|(_, _, zones)| zones));
        let all = sum(clients
            .certain
            .iter()
            .map(|(_, _, zones)| zones)
            .chain(clients.unknown.iter().map(|(_, _, zones)| zones)));
        if all.is_empty() {
            if eligible {
                verdict.reasons.push(Reason::NoTraffic);
            }
            return verdict;
        }
        let Some(price) = self.price else {
            verdict.reasons.push(Reason::PriceUnknown {
                region: self.region.map(str::to_owned),
            });
            return verdict;
        };
        let per_gb = price.value.cross_zone_per_gb();
        let same_zone = |zones: &ByZone| Some(prefer_same_zone(zones, &facts.endpoints));
        let auto = |zones: &ByZone| topology_auto(zones, &facts.endpoints, &self.facts.cpu);
        let before = clients.certain.iter().fold(0_u64, |sum, (_, pair, _)| {
            sum.saturating_add(pair.cross_zone())
        });
        let gain = |after: u64| cost(before, per_gb) - cost(after, per_gb);
        let Some(simple) = predict(&certain, &clients, same_zone) else {
            return verdict;
        };
        if !facts.endpoints.is_empty() {
            verdict.unbounded = Some((gain(simple.cross_zone), simple.overload_milli));
        }
        if !eligible {
            return verdict;
        }

        let mut blocked = false;
        let without_zone = clients
            .certain
            .iter()
            .chain(&clients.unknown)
            .fold(0_u64, |sum, (_, pair, _)| {
                sum.saturating_add(pair.without_zone)
            });
        if without_zone > 0 {
            blocked = true;
            verdict.reasons.push(Reason::TrafficZoneUnknown {
                bytes_per_day: without_zone,
            });
        }
        let bound = self.bound(facts, &mut verdict.reasons);
        let over = |mode, outcome: &Outcome| Reason::Overload {
            mode,
            zone: outcome.zone.clone().unwrap_or_default(),
            overload_milli: outcome.overload_milli,
            max_percent: bound,
        };
        let fits = |outcome: &Outcome| outcome.overload_milli <= u64::from(bound) * 10;
        let mut mode = RoutingMode::PreferSameZone;
        let mut chosen = simple;
        if !fits(&chosen) {
            verdict.reasons.push(over(mode, &chosen));
            match predict(&certain, &clients, auto) {
                _ if !self.config.topology_auto => blocked = true,
                Some(other) if fits(&other) => {
                    mode = RoutingMode::TopologyAuto;
                    chosen = other;
                }
                Some(other) => {
                    blocked = true;
                    verdict
                        .reasons
                        .push(over(RoutingMode::TopologyAuto, &other));
                }
                None => {
                    blocked = true;
                    verdict.reasons.push(Reason::HintsWithheld {
                        endpoints: facts.endpoints.values().sum(),
                        zones: count(self.facts.cpu.len()),
                    });
                }
            }
        }
        let saved = gain(chosen.cross_zone);
        let minimum = self.config.min_saves_per_month;
        if saved < minimum {
            blocked = true;
            verdict.reasons.push(Reason::BelowMinimum {
                saves_per_month: saved,
                min_per_month: minimum,
            });
        }
        verdict.reasons.push(Reason::Predicted {
            mode,
            bytes_per_day: certain.values().fold(0, |sum, b| sum.saturating_add(*b)),
            cross_zone_before: before,
            cross_zone_after: chosen.cross_zone,
            cost_before: cost(before, per_gb),
            cost_after: cost(chosen.cross_zone, per_gb),
            worst_overload_milli: chosen.overload_milli,
            endpoints: facts.endpoints.clone(),
        });
        verdict.reasons.push(Reason::Priced {
            per_gb,
            as_of: price.as_of,
            basis: price.basis,
        });
        let mut uncertain = MicroUsdPerMonth::ZERO;
        for (key, pair, zones) in &clients.unknown {
            let spill = prefer_same_zone(zones, &facts.endpoints).cross_zone;
            uncertain += cost(pair.cross_zone(), per_gb) - cost(spill, per_gb);
            verdict.unknown_pairs.push((*key).clone());
            verdict.reasons.push(Reason::DirectionUnknown {
                one: key.0.clone(),
                other: key.1.clone(),
                cross_zone_bytes: pair.cross_zone(),
            });
        }
        if uncertain > MicroUsdPerMonth::ZERO {
            verdict.at_stake = Some(uncertain);
        }
        if !blocked {
            verdict.saves = Some(saved);
            verdict.route = self
                .facts
                .oldest_minor
                .as_ref()
                .ok()
                .map(|minor| match mode {
                    RoutingMode::TopologyAuto => Route::TopologyAuto,
                    // The clearer name of the same thing, from 1.34 on.
                    RoutingMode::PreferSameZone if *minor >= 34 => {
                        Route::Distribution("PreferSameZone")
                    }
                    RoutingMode::PreferSameZone => Route::Distribution("PreferClose"),
                });
        }
        verdict
    }

    /// The bound that holds for a service, with what tightens it.
    fn bound(&self, facts: &ServiceFacts<'_>, reasons: &mut Vec<Reason>) -> u32 {
        let scaled = facts
            .backends
            .iter()
            .find_map(|w| self.facts.autoscalers.get(w));
        let Some(scaled) = scaled else {
            return self.config.max_overload_percent;
        };
        let percent = self
            .config
            .max_overload_percent_autoscaled
            .min(self.config.max_overload_percent);
        reasons.push(Reason::Autoscaled {
            autoscaler: scaled.name.clone(),
            max_overload_percent: percent,
        });
        percent
    }

    /// What the service itself says against it.
    fn own_obstacles(&self, service: &Service) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if self.policy.protects(&service.meta.namespace) {
            reasons.push(Reason::ProtectedNamespace {
                namespace: service.meta.namespace.clone(),
            });
        }
        reasons.extend(opted_out(self.config, &service.meta.annotations));
        if service.kind == "ExternalName" {
            reasons.push(Reason::ExternalName);
            return reasons;
        }
        if service.headless {
            reasons.push(Reason::Headless);
        }
        if service.selector.as_ref().is_none_or(Labels::is_empty) {
            reasons.push(Reason::NoSelector);
        }
        if let Some(affinity) = service.session_affinity.as_deref().filter(|a| *a != "None") {
            reasons.push(Reason::SessionAffinity {
                affinity: affinity.to_owned(),
            });
        }
        if service.internal_traffic_policy.as_deref() == Some("Local") {
            reasons.push(Reason::InternalLocal);
        }
        if let Some(value) = service
            .traffic_distribution
            .as_ref()
            .filter(|v| !v.is_empty())
        {
            reasons.push(Reason::AlreadyRouted {
                value: value.clone(),
            });
        }
        for key in TOPOLOGY_ANNOTATIONS {
            let value = service.meta.annotation(key);
            if let Some(value) = value.filter(|v| !v.eq_ignore_ascii_case("disabled")) {
                reasons.push(Reason::TopologyModeSet {
                    annotation: key.to_owned(),
                    value: value.to_owned(),
                });
            }
        }
        if is_entry(service) {
            reasons.push(Reason::TakesExternalTraffic {
                kind: service.kind.clone(),
                class: service.load_balancer_class.clone(),
            });
        }
        if let Some(agent) = &self.facts.cilium {
            reasons.push(Reason::CiliumRoutes {
                agent: agent.clone(),
            });
        }
        for zone in &self.facts.zones_out {
            reasons.push(Reason::ZoneOutOfService { zone: zone.clone() });
        }
        match &self.facts.oldest_minor {
            Ok(minor) if *minor < 31 => reasons.push(Reason::VersionTooOld { minor: *minor }),
            Ok(_) => {}
            Err(node) => reasons.push(Reason::VersionUnknown { node: node.clone() }),
        }
        if let Some(node) = self.facts.nodes_without_zone.first() {
            reasons.push(Reason::NodeWithoutZone {
                node: node.clone(),
                nodes: count(self.facts.nodes_without_zone.len()),
            });
        }
        reasons
    }

    /// What stands behind the service and in front of it says against it.
    fn backend_obstacles(
        &self,
        name: &NamespacedName,
        facts: &ServiceFacts<'_>,
        clients: &Clients<'_>,
    ) -> Vec<Reason> {
        let mut reasons = Vec::new();
        if facts.service.kind == "ExternalName" {
            return reasons;
        }
        let mut others: BTreeSet<String> = BTreeSet::new();
        for workload in &facts.backends {
            reasons.extend(self.backend_obstacle(workload));
            let named = self.services_of.get(&traffic_name(workload));
            for other in named.into_iter().flatten().filter(|other| **other != name) {
                others.insert(other.to_string());
            }
        }
        if facts.strangers > 0 && facts.service.selector.is_some() {
            reasons.push(Reason::UnknownBackend {
                workload: WorkloadRef::new(
                    name.namespace.clone(),
                    WorkloadKind::Other("Endpoint".to_owned()),
                    name.name.clone(),
                ),
            });
        }
        if !others.is_empty() && !facts.service.headless {
            reasons.push(Reason::SeveralServices {
                services: others.into_iter().collect(),
            });
        }
        reasons.extend(self.mesh(facts, clients));
        reasons.extend(self.host_network(facts, clients));
        reasons.extend(self.endpoint_obstacles(facts));
        reasons
    }

    fn backend_obstacle(&self, workload: &WorkloadRef) -> Vec<Reason> {
        let mut reasons = Vec::new();
        match workload.kind {
            WorkloadKind::Deployment | WorkloadKind::ReplicaSet | WorkloadKind::DaemonSet => {}
            WorkloadKind::StatefulSet => reasons.push(Reason::StatefulBackend {
                workload: workload.clone(),
            }),
            _ => reasons.push(Reason::UnknownBackend {
                workload: workload.clone(),
            }),
        }
        let Some(backend) = self.facts.workloads.get(workload) else {
            return reasons;
        };
        let spec = backend
            .workload
            .and_then(|w| w.template.as_ref())
            .map(|t| &t.spec)
            .or_else(|| backend.pods.first().map(|p| &p.spec));
        let image = spec.and_then(|spec| {
            let mut images = spec.containers.iter().map(|c| c.image.as_str());
            images.find(|image| routes_itself(self.config, image))
        });
        if let Some(image) = image {
            reasons.push(Reason::OwnRouting {
                workload: workload.clone(),
                image: image.to_owned(),
            });
        }
        if backend.workload.and_then(|w| w.rollout_finished()) == Some(false) {
            reasons.push(Reason::RolloutInProgress {
                workload: workload.clone(),
            });
        }
        reasons
    }

    fn mesh(&self, facts: &ServiceFacts<'_>, clients: &Clients<'_>) -> Option<Reason> {
        let mut names: BTreeSet<NamespacedName> = facts.backends.iter().map(traffic_name).collect();
        for (key, _, _) in clients.certain.iter().chain(&clients.unknown) {
            names.extend([key.0.clone(), key.1.clone()]);
        }
        for name in names {
            for reference in self.facts.named(&name) {
                let pods = self
                    .facts
                    .workloads
                    .get(reference)
                    .map(|b| b.pods.as_slice());
                for pod in pods.into_iter().flatten() {
                    let all = pod.spec.containers.iter().chain(&pod.spec.init_containers);
                    let mut all = all.map(|c| &c.name);
                    if let Some(container) = all.find(|c| self.config.mesh_containers.contains(*c))
                    {
                        return Some(Reason::MeshSidecar {
                            workload: name,
                            container: container.clone(),
                        });
                    }
                }
            }
        }
        None
    }

    /// The first workload, behind the service or calling it, that has the
    /// addresses of its nodes.
    fn host_network(&self, facts: &ServiceFacts<'_>, clients: &Clients<'_>) -> Option<Reason> {
        let mut names: BTreeSet<NamespacedName> = facts.backends.iter().map(traffic_name).collect();
        for (key, _, _) in clients.certain.iter().chain(&clients.unknown) {
            names.extend([key.0.clone(), key.1.clone()]);
        }
        let mut names = names.into_iter();
        let workload = names.find(|name| self.facts.on_host_network(name))?;
        Some(Reason::HostNetwork { workload })
    }

    fn endpoint_obstacles(&self, facts: &ServiceFacts<'_>) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let (without_zone, name) = &facts.without_zone;
        if *without_zone > 0 {
            reasons.push(Reason::EndpointZoneUnknown {
                endpoints: *without_zone,
                zone: name.clone(),
            });
        } else if facts.endpoints.is_empty() {
            reasons.push(Reason::NoReadyEndpoints);
            return reasons;
        }
        let zones = count(facts.endpoints.len());
        if zones < self.config.min_zones {
            reasons.push(Reason::TooFewZones {
                zones,
                min: self.config.min_zones,
            });
        }
        let min = self.config.min_endpoints_per_zone;
        for (zone, endpoints) in facts.endpoints.iter().filter(|(_, n)| **n < min) {
            reasons.push(Reason::TooFewEndpoints {
                zone: zone.clone(),
                endpoints: *endpoints,
                min,
            });
        }
        let scaled = facts
            .backends
            .iter()
            .filter_map(|w| self.facts.autoscalers.get(w));
        for scaled in scaled {
            let needed = zones.saturating_mul(min);
            if scaled.min < needed {
                reasons.push(Reason::AutoscaledTooLow {
                    min_replicas: scaled.min,
                    needed,
                });
            }
        }
        reasons
    }

    fn clients(&self, facts: &ServiceFacts<'_>) -> Clients<'_> {
        let names: BTreeSet<NamespacedName> = facts.backends.iter().map(traffic_name).collect();
        let mut keys: BTreeSet<&PairKey> = BTreeSet::new();
        for name in &names {
            keys.extend(self.pairs_of.get(name).into_iter().flatten().copied());
        }
        let mut clients = Clients::default();
        for key in keys {
            let Some(pair) = self.pairs.get(key) else {
                continue;
            };
            match self.directions.get(key) {
                Some(Direction::FirstCalls(_)) if names.contains(&key.1) => {
                    clients.certain.push((key, pair, pair.by_zone_of(true)));
                }
                Some(Direction::SecondCalls(_)) if names.contains(&key.0) => {
                    clients.certain.push((key, pair, pair.by_zone_of(false)));
                }
                Some(Direction::Unknown) => {
                    let first_calls = names.contains(&key.1);
                    let zones = pair.by_zone_of(first_calls);
                    clients.unknown.push((key, pair, zones));
                }
                _ => {}
            }
        }
        clients
    }
}

/// What a mode does: the bytes across zones of the certain clients, and the
/// worst overload of these alone, with all whose direction is not known, and
/// with each of these alone. `None` when the mode has no effect.
fn predict(
    certain: &ByZone,
    clients: &Clients<'_>,
    mode: impl Fn(&ByZone) -> Option<Outcome>,
) -> Option<Outcome> {
    let unknown = clients.unknown.iter().map(|(_, _, zones)| zones);
    let mut worst = mode(certain)?;
    let mut scenarios: Vec<Vec<&ByZone>> = vec![unknown.clone().collect()];
    scenarios.extend(unknown.map(|zones| vec![zones]));
    for more in scenarios {
        let zones = sum(std::iter::once(certain).chain(more));
        let outcome = mode(&zones)?;
        if outcome.overload_milli > worst.overload_milli {
            worst.overload_milli = outcome.overload_milli;
            worst.zone = outcome.zone;
        }
    }
    Some(worst)
}

/// Pairs that lead to a service, with the client's bytes by zone.
#[derive(Debug, Default)]
struct Clients<'a> {
    certain: Vec<(&'a PairKey, &'a Pair, ByZone)>,
    unknown: Vec<(&'a PairKey, &'a Pair, ByZone)>,
}

fn sum<'a>(parts: impl Iterator<Item = &'a ByZone>) -> ByZone {
    let mut all = ByZone::new();
    for part in parts {
        for (zone, bytes) in part {
            let sum = all.entry(zone.clone()).or_default();
            *sum = sum.saturating_add(*bytes);
        }
    }
    all
}

/// Whether a word of the image's name is on the list: `kafka` of
/// `registry/confluent/cp-kafka:7.5`.
fn routes_itself(config: &Config, image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    let name = last.split([':', '@']).next().unwrap_or(last);
    name.split(['-', '_', '.'])
        .any(|word| config.own_routing_images.contains(word))
}

/// A length as a count.
pub(super) fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
