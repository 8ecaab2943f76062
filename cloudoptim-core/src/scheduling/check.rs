//! The rules, one after the other.

use super::capacity::{terms_match, untolerated};
use super::refusal::{Refusal, Refusals};
use super::terms::{SpreadGroup, Topology};
use super::world::{Feasibility, NodeEntry, NodeId, PodEntry, PodId, World};
use crate::model::{Device, DeviceRequest, NodeSelectorTerm};

/// Takes refusals; says when it has heard enough.
trait Sink {
    fn refuse(&mut self, refusal: impl FnOnce() -> Refusal) -> bool;
}

/// Stops at the first.
struct First(bool);

impl Sink for First {
    fn refuse(&mut self, _: impl FnOnce() -> Refusal) -> bool {
        self.0 = true;
        true
    }
}

/// Hears all.
struct All(Vec<Refusal>);

impl Sink for All {
    fn refuse(&mut self, refusal: impl FnOnce() -> Refusal) -> bool {
        self.0.push(refusal());
        false
    }
}

impl Feasibility<'_, '_> {
    /// As [`World::check`].
    ///
    /// # Errors
    /// Every rule that fails.
    pub fn check(&self, pod: PodId, node: NodeId) -> Result<(), Refusals> {
        self.world.check(pod, node)
    }

    /// As [`World::fits`].
    pub fn fits(&self, pod: PodId, node: NodeId) -> bool {
        self.world.fits(pod, node)
    }
}

impl World<'_> {
    /// Whether the kube-scheduler could place the pod on the node, with every
    /// other pod where it is. A pod that stands somewhere is judged as if it
    /// had just been taken away: on its own node this says whether it would
    /// come back there.
    ///
    /// # Errors
    /// Every rule that fails, sorted, with its facts.
    pub fn check(&self, pod: PodId, node: NodeId) -> Result<(), Refusals> {
        let mut sink = All(Vec::new());
        self.walk(pod, node, &mut sink);
        sink.0.sort();
        sink.0.dedup();
        if sink.0.is_empty() {
            Ok(())
        } else {
            Err(Refusals(sink.0))
        }
    }

    /// Whether [`World::check`] has nothing to say, without the facts: this is
    /// what simulations ask.
    pub fn fits(&self, pod: PodId, node: NodeId) -> bool {
        let mut sink = First(false);
        self.walk(pod, node, &mut sink);
        !sink.0
    }

    /// Whether its affinity or spread would not let a pod come back to where it
    /// stands.
    pub(super) fn would_leave(&self, p: &PodEntry<'_>) -> bool {
        let mut sink = First(false);
        if let Some(node) = p.place {
            let _ =
                self.affinity_rules(p, node, &mut sink) || self.spread_rules(p, node, &mut sink);
        }
        sink.0
    }

    fn walk(&self, pod: PodId, node: NodeId, sink: &mut impl Sink) {
        let (Some(p), Some(n)) = (self.pods.get(pod.0), self.nodes.get(node.0)) else {
            // An id of another world; say no rather than yes.
            sink.refuse(|| Refusal::NotTarget {
                because: super::NotTarget::Deleting,
            });
            return;
        };
        let _ = self.node_rules(p, n, node.0, sink)
            || self.volume_rules(p, pod.0, n, node.0, sink)
            || self.topology_rules(p, node.0, sink)
            || self.limit_rules(p, n, node.0, sink);
    }

    fn node_rules(
        &self,
        p: &PodEntry<'_>,
        n: &NodeEntry<'_>,
        node: usize,
        sink: &mut impl Sink,
    ) -> bool {
        let here = p.place == Some(node);
        if n.gone || (n.closed && n.not_target.is_empty()) {
            let because = if n.gone {
                super::NotTarget::Deleting
            } else {
                super::NotTarget::Cordoned
            };
            if sink.refuse(|| Refusal::NotTarget { because }) {
                return true;
            }
        }
        for because in &n.not_target {
            if sink.refuse(|| Refusal::NotTarget {
                because: because.clone(),
            }) {
                return true;
            }
        }
        if resources(p, n, here, sink) {
            return true;
        }
        let spec = &p.pod.spec;
        for (key, want) in &spec.node_selector {
            let have = n.node.meta.label(key);
            if have != Some(want)
                && sink.refuse(|| Refusal::NodeSelector {
                    key: key.clone(),
                    want: want.clone(),
                    have: have.map(str::to_owned),
                })
            {
                return true;
            }
        }
        if let Some(terms) = &spec.required_node_affinity
            && !terms_match(terms, &n.node)
            && sink.refuse(|| Refusal::NodeAffinity {
                terms: terms.iter().map(text).collect(),
            })
        {
            return true;
        }
        for taint in untolerated(&spec.tolerations, &n.node) {
            if sink.refuse(|| Refusal::Taint {
                taint: taint.clone(),
            }) {
                return true;
            }
        }
        if let Some(want) = &spec.os {
            let have = n.node.os.as_deref();
            let have = have.or_else(|| n.node.meta.label("kubernetes.io/os"));
            if have.is_some_and(|have| have != want)
                && sink.refuse(|| Refusal::OperatingSystem {
                    want: want.clone(),
                    have: have.unwrap_or_default().to_owned(),
                })
            {
                return true;
            }
        }
        for gate in &spec.scheduling_gates {
            if sink.refuse(|| Refusal::Gated { gate: gate.clone() }) {
                return true;
            }
        }
        !spec.resource_claims.is_empty()
            && sink.refuse(|| Refusal::ResourceClaims {
                claims: spec.resource_claims.clone(),
            })
    }

    fn volume_rules(
        &self,
        p: &PodEntry<'_>,
        pod: usize,
        n: &NodeEntry<'_>,
        node: usize,
        sink: &mut impl Sink,
    ) -> bool {
        for (claim, problem) in &p.needs.problems {
            if sink.refuse(|| Refusal::Claim {
                claim: claim.clone(),
                problem: *problem,
            }) {
                return true;
            }
        }
        for (claim, volume, terms) in &p.needs.reach {
            if !terms_match(terms, &n.node)
                && sink.refuse(|| Refusal::VolumeAffinity {
                    claim: claim.clone(),
                    volume: volume.clone(),
                })
            {
                return true;
            }
        }
        for (claim, class, terms) in &p.needs.topologies {
            if !terms_match(terms, &n.node)
                && sink.refuse(|| Refusal::VolumeTopology {
                    claim: claim.clone(),
                    class: class.clone(),
                })
            {
                return true;
            }
        }
        for (claim, mode) in &p.needs.exclusive {
            let key = (p.pod.meta.namespace.clone(), claim.clone());
            let users = self.users.get(&key);
            let mut others = users.into_iter().flatten().filter(|user| **user != pod);
            let in_use = others.any(|user| {
                let place = self.pods.get(*user).and_then(|u| u.place);
                match *mode {
                    "ReadWriteOncePod" => place.is_some(),
                    _ => place.is_some_and(|place| place != node),
                }
            });
            if in_use
                && sink.refuse(|| Refusal::ClaimInUse {
                    claim: claim.clone(),
                    mode: (*mode).to_owned(),
                })
            {
                return true;
            }
        }
        self.attach_rules(p, n, sink)
    }

    fn attach_rules(&self, p: &PodEntry<'_>, n: &NodeEntry<'_>, sink: &mut impl Sink) -> bool {
        let attached = &p.needs.attached;
        for (index, (driver, _)) in attached.iter().enumerate() {
            if attached.iter().take(index).any(|(d, _)| d == driver) {
                continue;
            }
            let there = n.attached.get(driver);
            let mut new: Vec<&String> = attached
                .iter()
                .filter(|(d, handle)| d == driver && !there.is_some_and(|t| t.contains_key(handle)))
                .map(|(_, handle)| handle)
                .collect();
            new.sort();
            new.dedup();
            if new.is_empty() {
                continue;
            }
            let stop = match n.attach_limits.get(driver) {
                Some(Some(limit)) if self.attachments_known => {
                    let would_be = there.map_or(0, std::collections::BTreeMap::len) + new.len();
                    let would_be = u32::try_from(would_be).unwrap_or(u32::MAX);
                    would_be > *limit
                        && sink.refuse(|| Refusal::AttachLimit {
                            driver: driver.clone(),
                            would_be,
                            limit: *limit,
                        })
                }
                limit => {
                    // Without a limit there is none, if all limits were read.
                    !(self.attach_known && limit.is_none())
                        && sink.refuse(|| Refusal::AttachLimitUnknown {
                            driver: driver.clone(),
                        })
                }
            };
            if stop {
                return true;
            }
        }
        false
    }

    fn topology_rules(&self, p: &PodEntry<'_>, node: usize, sink: &mut impl Sink) -> bool {
        self.affinity_rules(p, node, sink)
            || self.anti_rules(p, node, sink)
            || self.spread_rules(p, node, sink)
    }

    fn affinity_rules(&self, p: &PodEntry<'_>, node: usize, sink: &mut impl Sink) -> bool {
        let Some((index, own)) = p.affinity else {
            return false;
        };
        let Some(group) = self.affinities.get(index) else {
            return false;
        };
        // The pod itself, where it stands, does not count.
        let counted = p.place.filter(|_| own);
        let elsewhere = |topology: usize, domain: usize| {
            counted
                .and_then(|place| self.topologies.get(topology)?.domain(place))
                .is_some_and(|d| d == domain)
        };
        let mine_counts = counted.is_some_and(|place| {
            let mut topologies = group.topologies.iter();
            topologies.any(|t| {
                self.topologies
                    .get(*t)
                    .and_then(|t| t.domain(place))
                    .is_some()
            })
        });
        let total = group.total - u32::from(mine_counts);
        let mut missing = Vec::new();
        for (topology, counts) in group.topologies.iter().zip(&group.counts) {
            let Some(t) = self.topologies.get(*topology) else {
                continue;
            };
            let Some(domain) = t.domain(node) else {
                if sink.refuse(|| Refusal::TopologyKeyMissing { key: t.key.clone() }) {
                    return true;
                }
                continue;
            };
            let count = counts.get(domain) - u32::from(elsewhere(*topology, domain));
            if count == 0 {
                missing.push((t, domain));
            }
        }
        // The first of a group that wants to be near itself may start anywhere.
        if total == 0 && own {
            return false;
        }
        for (t, domain) in missing {
            if sink.refuse(|| Refusal::PodAffinity {
                key: t.key.clone(),
                domain: t.name(domain),
            }) {
                return true;
            }
        }
        false
    }

    fn anti_rules(&self, p: &PodEntry<'_>, node: usize, sink: &mut impl Sink) -> bool {
        for (index, own) in &p.antis {
            let Some(term) = self.antis.get(*index) else {
                continue;
            };
            // Without the label there is no domain to share.
            let Some(t) = self.topologies.get(term.topology) else {
                continue;
            };
            let Some(domain) = t.domain(node) else {
                continue;
            };
            let mine = u32::from(*own && self.stands_in(p, term.topology, domain));
            let pods = term.selected.get(domain).saturating_sub(mine);
            if pods > 0
                && sink.refuse(|| Refusal::PodAntiAffinity {
                    key: t.key.clone(),
                    domain: t.name(domain),
                    pods,
                })
            {
                return true;
            }
        }
        for index in &p.selected_by.antis {
            let Some(term) = self.antis.get(*index) else {
                continue;
            };
            let Some(t) = self.topologies.get(term.topology) else {
                continue;
            };
            let Some(domain) = t.domain(node) else {
                continue;
            };
            let carries = p.antis.iter().any(|(i, _)| i == index);
            let mine = u32::from(carries && self.stands_in(p, term.topology, domain));
            let pods = term.carriers.get(domain).saturating_sub(mine);
            if pods > 0
                && sink.refuse(|| Refusal::AvoidedByOthers {
                    key: t.key.clone(),
                    domain: t.name(domain),
                    pods,
                })
            {
                return true;
            }
        }
        false
    }

    /// Whether a pod stands in a domain.
    pub(super) fn stands_in(&self, p: &PodEntry<'_>, topology: usize, domain: usize) -> bool {
        p.place
            .and_then(|place| self.topologies.get(topology)?.domain(place))
            .is_some_and(|d| d == domain)
    }

    fn spread_rules(&self, p: &PodEntry<'_>, node: usize, sink: &mut impl Sink) -> bool {
        for spread in &p.spreads {
            let Some(group) = self.spreads.get(spread.group) else {
                continue;
            };
            let Some(t) = self.topologies.get(group.key.topology) else {
                continue;
            };
            let Some(domain) = t.domain(node) else {
                if sink.refuse(|| Refusal::TopologyKeyMissing { key: t.key.clone() }) {
                    return true;
                }
                continue;
            };
            let (count, mut least) = spread_over(p, group, t, domain, spread.selects_itself);
            if group.domains < spread.min_domains {
                least = 0;
            }
            if count.saturating_sub(least) > spread.max_skew
                && sink.refuse(|| Refusal::TopologySpread {
                    key: t.key.clone(),
                    domain: t.name(domain),
                    count,
                    least,
                    max_skew: spread.max_skew,
                })
            {
                return true;
            }
        }
        false
    }

    fn limit_rules(
        &self,
        p: &PodEntry<'_>,
        n: &NodeEntry<'_>,
        node: usize,
        sink: &mut impl Sink,
    ) -> bool {
        let here = p.place == Some(node);
        for (index, limit) in self.limits.iter().enumerate() {
            let (in_with, in_of) = (p.in_with.contains(&index), p.in_of.contains(&index));
            if !in_with && !in_of {
                continue;
            }
            let (mut with, mut of) = n.limits.get(index).copied().unwrap_or_default();
            if !here {
                with += u32::from(in_with);
                of += u32::from(in_of);
            }
            if (limit.with.is_none() || with > 0)
                && of > limit.max
                && sink.refuse(|| Refusal::CountLimit {
                    with: limit.with.clone(),
                    of: limit.of.clone(),
                    would_be: of,
                    max: limit.max,
                })
            {
                return true;
            }
        }
        false
    }
}

/// Pods that a spread counts in a domain if a pod stood there, and in the
/// emptiest domain without that pod.
pub(super) fn spread_over(
    p: &PodEntry<'_>,
    group: &SpreadGroup,
    topology: &Topology,
    domain: usize,
    selects_itself: bool,
) -> (u32, u32) {
    // Where the pod itself is counted now.
    let counted = p
        .place
        .filter(|place| selects_itself && !p.pod.is_terminating() && group.is_eligible(*place));
    let mine = counted.and_then(|place| topology.domain(place));
    let mut count = group.counts.get(domain);
    let mut least = group.least();
    if let Some(mine) = mine {
        least = least.min(group.counts.get(mine).saturating_sub(1));
        if mine == domain {
            count = count.saturating_sub(1);
        }
    }
    (count.saturating_add(u32::from(selects_itself)), least)
}

fn resources(p: &PodEntry<'_>, n: &NodeEntry<'_>, here: bool, sink: &mut impl Sink) -> bool {
    let mut room = |name: &str, need: u64, allocatable: u64, used: u64| {
        // The scheduler asks about a resource only of pods that want some of it.
        let mine = if here { need } else { 0 };
        let free = allocatable.saturating_sub(used.saturating_sub(mine));
        need > free
            && need > 0
            && sink.refuse(|| Refusal::Resource {
                resource: name.to_owned(),
                need,
                free,
            })
    };
    let (need, have, used) = (&p.request, &n.node.allocatable, &n.used);
    if room("cpu", need.cpu.0, have.cpu.0, used.cpu.0)
        || room("memory", need.memory.0, have.memory.0, used.memory.0)
        || room(
            "ephemeral-storage",
            need.ephemeral_storage.0,
            have.ephemeral_storage.0,
            used.ephemeral_storage.0,
        )
        || room("pods", need.pods, have.pods, used.pods)
    {
        return true;
    }
    for (name, amount) in &need.extended {
        let of = |r: &crate::model::Resources| r.extended.get(name).copied().unwrap_or(0);
        if room(name, *amount, of(have), of(used)) {
            return true;
        }
    }
    for (port, protocol, ip) in &p.ports {
        let Some(taken) = n.ports.get(&(*port, protocol.clone())) else {
            continue;
        };
        const ALL: &str = "0.0.0.0";
        let conflict = taken.iter().any(|(other, pods)| {
            let mine =
                u32::from(here && p.ports.contains(&(*port, protocol.clone(), other.clone())));
            *pods > mine && (ip == other || ip == ALL || other == ALL)
        });
        if conflict
            && sink.refuse(|| Refusal::HostPort {
                port: *port,
                protocol: protocol.clone(),
            })
        {
            return true;
        }
    }
    if let Some(request) = &p.pod.spec.devices {
        let mut free = n.devices.clone();
        if here {
            for device in &p.devices {
                if let Some(free) = free.get_mut(*device) {
                    *free = free.saturating_add(request.milli_share);
                }
            }
        }
        let fitting = choose_devices(request, &n.node.devices, &free).len();
        let fitting = u32::try_from(fitting).unwrap_or(u32::MAX);
        if fitting < request.count
            && sink.refuse(|| Refusal::Devices {
                count: request.count,
                milli: request.milli_share,
                fitting,
            })
        {
            return true;
        }
    }
    false
}

/// The devices that a request would get: the fullest that still have room, so
/// that whole ones stay whole. Fewer than asked for when there are not enough.
pub(super) fn choose_devices(
    request: &DeviceRequest,
    devices: &[Device],
    free: &[u32],
) -> Vec<usize> {
    let mut fitting: Vec<(u32, usize)> = devices
        .iter()
        .zip(free)
        .enumerate()
        .filter(|(_, (device, free))| {
            **free >= request.milli_share
                && (request.models.is_empty() || request.models.contains(&device.model))
        })
        .map(|(index, (_, free))| (*free, index))
        .collect();
    fitting.sort_unstable();
    let count = usize::try_from(request.count).unwrap_or(usize::MAX);
    fitting
        .into_iter()
        .take(count)
        .map(|(_, index)| index)
        .collect()
}

fn text(term: &NodeSelectorTerm) -> String {
    let all = term.match_expressions.iter().chain(&term.match_fields);
    let parts: Vec<String> = all.map(ToString::to_string).collect();
    if parts.is_empty() {
        "nothing".to_owned()
    } else {
        parts.join(" and ")
    }
}
