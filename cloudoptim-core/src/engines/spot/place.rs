//! Where a workload's replicas run now, and where they could.

use super::launch::selects;
use super::pools::{Market, OnDemand, Pool, is_of};
use super::reason::Reason;
use super::requests::share_ppm;
use super::suitability::Candidate;
use crate::decision::Offering;
use crate::engines::Inputs;
use crate::ledger::{PoolEvent, PoolEventKind};
use crate::model::{
    ARCH_LABEL, CapacityType, Cloud, Cluster, Instance, InstanceId, Labels, MicroUsdPerHour, Node,
    NodeSelectorTerm, PodSpec, Resources, SpotRequest, Toleration, ZONE_ID_LABEL, ZoneId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Nodes by name, with what is known of how they are paid for.
#[derive(Debug)]
pub(super) struct Ground<'a> {
    nodes: BTreeMap<&'a str, Spot<'a>>,
}

#[derive(Debug)]
struct Spot<'a> {
    node: &'a Node,
    capacity: Option<CapacityType>,
    offering: Option<Offering>,
    price: Option<MicroUsdPerHour>,
    /// What of the instance speaks against a change of its pods.
    obstacles: Vec<Reason>,
}

/// Where the replicas of one workload run.
#[derive(Debug, Default)]
pub(super) struct Now {
    pub(super) on_spot: u32,
    pub(super) unknown: u32,
    /// Replicas by spot pool.
    pub(super) pools: BTreeMap<Offering, u32>,
    /// Families of the on-demand nodes.
    pub(super) families: BTreeSet<String>,
    /// The dearest share of an on-demand node.
    pub(super) dearest: Option<MicroUsdPerHour>,
    /// Architectures that its images are seen to run on.
    pub(super) architectures: BTreeSet<String>,
    /// What the instances under its replicas say against a change.
    obstacles: BTreeSet<Reason>,
}

impl Now {
    /// What the instances under its replicas say against a change: of each
    /// kind the first, by the name of the node.
    pub(super) fn obstacles(&self) -> Vec<Reason> {
        let mut first: Vec<Reason> = self.obstacles.iter().cloned().collect();
        first.dedup_by_key(|reason| std::mem::discriminant(reason));
        first
    }
}

/// All that a node's instance says against a change of its pods.
fn obstacles(node: &Node, instance: Option<&Instance>, cloud: &Cloud) -> Vec<Reason> {
    let node = node.name();
    let Some(instance) = instance else {
        // Where not all instances were read, that alone forbids an act.
        let read = cloud.instances.is_complete();
        return Vec::from_iter(read.then_some(Reason::TenancyUnknown { node }));
    };
    let mut found = Vec::new();
    match instance.tenancy.as_deref() {
        None | Some("") => found.push(Reason::TenancyUnknown { node: node.clone() }),
        Some("default") => {}
        Some(tenancy) => found.push(Reason::DedicatedTenancy {
            node: node.clone(),
            tenancy: tenancy.to_owned(),
        }),
    }
    if let Some(platform) = instance.licence() {
        found.push(Reason::LicensedPlatform {
            node: node.clone(),
            platform: platform.to_owned(),
        });
    }
    let stays = |r: &SpotRequest| matches!(r.interruption_behaviour.as_str(), "stop" | "hibernate");
    let lasting = cloud
        .live_spot_requests(instance)
        .find(|r| r.persistent || stays(r));
    found.extend(lasting.map(|request| Reason::LastingSpotRequest {
        node,
        request: request.id.clone(),
        persistent: request.persistent,
        behaviour: request.interruption_behaviour.clone(),
    }));
    found
}

impl<'a> Ground<'a> {
    /// Reads the nodes of a cluster.
    pub(super) fn new(inputs: &Inputs<'_>, cluster: &'a Cluster, cloud: Option<&'a Cloud>) -> Self {
        let instances: BTreeMap<&InstanceId, &Instance> = cloud
            .iter()
            .flat_map(|c| c.instances.items())
            .map(|i| (&i.id, i))
            .collect();
        let nodes = cluster.nodes.items().iter().map(|node| {
            let instance = node
                .instance_id()
                .and_then(|id| instances.get(&id).copied());
            let capacity = node
                .capacity_type()
                .or_else(|| instance.map(|i| i.capacity_type));
            let kind = node
                .instance_type()
                .or_else(|| instance.map(|i| i.instance_type.as_str()));
            let zone = node
                .meta
                .label(ZONE_ID_LABEL)
                .map(ZoneId::from)
                .or_else(|| instance.and_then(|i| i.zone_id.clone()))
                .or_else(|| cloud.and_then(|c| c.zone_id(&node.zone_name()?).cloned()));
            let offering = kind.zip(capacity).map(|(kind, capacity_type)| Offering {
                instance_type: kind.into(),
                zone,
                capacity_type,
            });
            let price = offering.as_ref().and_then(|o| {
                let kind = o.instance_type.as_str();
                inputs.price(cloud, kind, o.zone.as_ref(), o.capacity_type)
            });
            let spot = Spot {
                node,
                capacity,
                offering,
                price,
                obstacles: cloud.map_or_else(Vec::new, |c| obstacles(node, instance, c)),
            };
            (node.meta.name.as_str(), spot)
        });
        Self {
            nodes: nodes.collect(),
        }
    }

    /// Where a workload's bound pods run.
    pub(super) fn now(&self, candidate: &Candidate<'_>, requests: &Resources) -> Now {
        let mut now = Now::default();
        for pod in &candidate.pods {
            let Some(name) = pod.node() else { continue };
            let Some(spot) = self.nodes.get(name.as_str()) else {
                now.unknown += 1;
                continue;
            };
            now.obstacles.extend(spot.obstacles.iter().cloned());
            if let Some(arch) = spot.node.meta.label(ARCH_LABEL) {
                now.architectures.insert(arch.to_owned());
            }
            match (spot.capacity, &spot.offering) {
                (None, _) => now.unknown += 1,
                (Some(CapacityType::Spot), offering) => {
                    now.on_spot += 1;
                    if let Some(offering) = offering {
                        *now.pools.entry(offering.clone()).or_default() += 1;
                    }
                }
                (Some(_), offering) => {
                    let family = offering.as_ref().and_then(|o| {
                        let kind = o.instance_type.as_str();
                        kind.split('.').next().map(str::to_owned)
                    });
                    // A node of unknown type could be any commitment's.
                    now.families.insert(family.unwrap_or_default());
                    let share = share_ppm(requests, &spot.node.allocatable);
                    let worth = spot
                        .price
                        .zip(share)
                        .map(|(price, share)| price.ratio(share, 1_000_000));
                    now.dearest = now.dearest.max(worth);
                }
            }
        }
        now
    }
}

/// Pools of the workload that are under notice, with its replicas there.
pub(super) fn under_notice(now: &Now, events: &[&PoolEvent]) -> Vec<(Offering, u32)> {
    now.pools
        .iter()
        .filter(|(pool, _)| {
            events
                .iter()
                .any(|e| e.kind == PoolEventKind::InterruptionNotice && is_of(e, pool))
        })
        .map(|(pool, replicas)| (pool.clone(), *replicas))
        .collect()
}

type Signature = (
    Labels,
    Option<Vec<NodeSelectorTerm>>,
    Vec<Toleration>,
    BTreeSet<String>,
);

/// Which pools and on-demand types a pod's rules allow, remembered by rules.
#[derive(Debug, Default)]
pub(super) struct Allowed {
    known: BTreeMap<Signature, Rc<Masks>>,
}

/// One flag per pool and per on-demand type.
#[derive(Debug)]
pub(super) struct Masks {
    pub(super) pools: Vec<bool>,
    pub(super) on_demand: Vec<bool>,
}

impl Allowed {
    /// The masks of a pod that runs on these architectures.
    pub(super) fn masks(
        &mut self,
        market: &Market<'_>,
        spec: &PodSpec,
        architectures: &BTreeSet<String>,
    ) -> Rc<Masks> {
        let key = (
            spec.node_selector.clone(),
            spec.required_node_affinity.clone(),
            spec.tolerations.clone(),
            architectures.clone(),
        );
        let found = self.known.entry(key).or_insert_with(|| {
            let tolerated: Vec<bool> = market
                .launchers
                .iter()
                .map(|l| l.tolerated_by(spec))
                .collect();
            let fits = |launched_by: &[(usize, Labels)]| {
                launched_by.iter().any(|(index, labels)| {
                    tolerated.get(*index).copied().unwrap_or(false)
                        && labels
                            .get(ARCH_LABEL)
                            .is_some_and(|arch| architectures.contains(arch))
                        && selects(spec, labels)
                })
            };
            Rc::new(Masks {
                pools: market.pools.iter().map(|p| fits(&p.launched_by)).collect(),
                on_demand: market
                    .on_demand
                    .iter()
                    .map(|o| fits(&o.launched_by))
                    .collect(),
            })
        });
        Rc::clone(found)
    }
}

/// Whether the pod would be allowed on spot if that were called on demand.
pub(super) fn requires_on_demand(market: &Market<'_>, spec: &PodSpec) -> bool {
    let renamed = |labels: &Labels| {
        let mut labels = labels.clone();
        for (key, value) in [
            ("karpenter.sh/capacity-type", "on-demand"),
            ("eks.amazonaws.com/capacityType", "ON_DEMAND"),
        ] {
            if let Some(slot) = labels.get_mut(key) {
                value.clone_into(slot);
            }
        }
        labels
    };
    market
        .pools
        .iter()
        .flat_map(|p| &p.launched_by)
        .any(|(_, labels)| !selects(spec, labels) && selects(spec, &renamed(labels)))
}

/// The cheapest on-demand type that takes the pod, with the pod's share of it.
pub(super) fn fallback<'m, 'a>(
    market: &'m Market<'a>,
    masks: &Masks,
    requests: &Resources,
) -> Option<(&'m OnDemand<'a>, MicroUsdPerHour)> {
    market
        .on_demand
        .iter()
        .zip(&masks.on_demand)
        .filter(|(_, allowed)| **allowed)
        .filter_map(|(offer, _)| {
            let share = share_ppm(requests, &offer.info.allocatable)?;
            Some((offer, ceil_share(offer.price, share)))
        })
        .min_by(|(a, left), (b, right)| {
            (left, a.price, &a.info.name).cmp(&(right, b.price, &b.info.name))
        })
}

/// What a share of a node costs in a pool; `None` when it does not fit.
pub(super) fn share_price(
    pool: &Pool<'_>,
    requests: &Resources,
) -> Option<(MicroUsdPerHour, MicroUsdPerHour, u64)> {
    let share = share_ppm(requests, &pool.info.allocatable)?;
    let price = ceil_share(pool.risk_adjusted?, share);
    let interruptions = ceil_share(pool.interruptions, share);
    let milli_vcpu = u128::from(pool.info.vcpu) * u128::from(share) / 1000;
    let milli_vcpu = u64::try_from(milli_vcpu).unwrap_or(u64::MAX);
    Some((price, interruptions, milli_vcpu))
}

/// A share in millionths, rounded up: a price is never taken for nothing.
fn ceil_share(price: MicroUsdPerHour, share: u64) -> MicroUsdPerHour {
    let wide = i128::from(price.0) * i128::from(share);
    let value = wide.div_euclid(1_000_000) + i128::from(wide.rem_euclid(1_000_000) > 0);
    MicroUsdPerHour(i64::try_from(value).unwrap_or(i64::MAX))
}
