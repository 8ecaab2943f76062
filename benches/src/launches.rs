//! A naive judge of nodes that come and go: what there is only so much of.
//!
//! It shares no code with the engine. It keeps a list of the nodes that are
//! there, and after every launch counts anew, over all of them, what each limit
//! is about: CPU, memory and nodes of pools, sizes and types of groups, vCPUs of
//! quotas, addresses of subnets, capacity reservations, the surge. What is not
//! known leaves no room.

use cloudoptim_core::catalog::{Catalog, InstanceTypeInfo};
use cloudoptim_core::decision::{Action, Decision, Launch, Owner, Subject};
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::{Config, Launchable, Migration, RepackingPoint};
use cloudoptim_core::model::{
    CapacityType, Cloud, Cluster, CommitmentKind, Instance, InstanceState, Node, NodeName, Operator,
};
use std::collections::BTreeSet;
use std::fmt;

/// Something of which a plan takes more than there is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Excess {
    /// After which step, counted from 1.
    pub step: usize,
    /// Of what.
    pub limit: String,
    /// What would be taken.
    pub taken: u64,
    /// What there is; nothing when that is not known.
    pub has: Option<u64>,
}

impl fmt::Display for Excess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            step, limit, taken, ..
        } = self;
        match self.has {
            Some(has) => write!(f, "step {step}: {taken} of {has} {limit}"),
            None => write!(f, "step {step}: {taken} of an unknown number of {limit}"),
        }
    }
}

/// What happens to a cluster's nodes at once.
#[derive(Debug, Clone, Default)]
pub struct Step<'s> {
    /// Nodes that come, before others go.
    pub launch: Vec<&'s Launch>,
    /// Nodes that go, and who removes them.
    pub remove: Vec<(&'s NodeName, Option<&'s Owner>)>,
}

/// The waves of a migration; `decisions` say who removes.
#[must_use]
pub fn waves<'s>(way: &'s Migration, decisions: &'s [Decision]) -> Vec<Step<'s>> {
    let steps = way.waves.iter().map(|wave| Step {
        launch: wave.launch.iter().collect(),
        remove: wave
            .removed
            .iter()
            .map(|node| (node, remover(decisions, node)))
            .collect(),
    });
    steps.collect()
}

fn remover<'s>(decisions: &'s [Decision], node: &NodeName) -> Option<&'s Owner> {
    let actions = decisions.iter().flat_map(|d| &d.actions);
    let mut removals = actions.filter_map(|a| match a {
        Action::RemoveNode { node: of, via, .. } if of == node => Some(via),
        _ => None,
    });
    removals.next()
}

/// All that the engine decided for a cluster, as one step in which nodes go
/// before others come: what there can be at the end.
#[must_use]
pub fn whole<'s>(cluster: &Cluster, decisions: &'s [Decision]) -> Vec<Step<'s>> {
    let (mut first, mut second) = (Step::default(), Step::default());
    for decision in decisions {
        let Subject::Node { cluster: of, .. } = &decision.subject else {
            continue;
        };
        if *of != cluster.uid {
            continue;
        }
        for action in &decision.actions {
            match action {
                Action::RemoveNode { node, via, .. } => first.remove.push((node, Some(via))),
                Action::LaunchNodes { launch, .. } => second.launch.push(launch),
                _ => {}
            }
        }
    }
    vec![first, second]
}

/// A node that was launched.
struct New<'s> {
    launch: &'s Launch,
    info: Option<&'s InstanceTypeInfo>,
}

/// A cluster whose nodes come and go.
struct Yard<'s> {
    config: &'s Config,
    catalog: &'s Catalog,
    cluster: &'s Cluster,
    cloud: Option<&'s Cloud>,
    there: Vec<&'s Node>,
    gone: Vec<(&'s Node, Option<&'s Owner>)>,
    new: Vec<New<'s>>,
    step: usize,
    found: Vec<Excess>,
}

/// Everything of which the steps take more than there is, in their order. With
/// `at_once`, the surge counts too: else only what is there at the end does.
#[must_use]
pub fn excesses(
    inputs: &Inputs<'_>,
    config: &Config,
    cluster: &Cluster,
    steps: &[Step<'_>],
    at_once: bool,
) -> Vec<Excess> {
    let mut yard = Yard {
        config,
        catalog: inputs.catalog,
        cluster,
        cloud: inputs.snapshot.cloud_of(cluster),
        there: cluster.nodes.items().iter().collect(),
        gone: Vec::new(),
        new: Vec::new(),
        step: 0,
        found: Vec::new(),
    };
    for step in steps {
        yard.step += 1;
        for launch in &step.launch {
            let info = yard
                .catalog
                .instance_type(launch.offering.instance_type.as_str());
            yard.new
                .extend((0..launch.count).map(|_| New { launch, info }));
        }
        if !step.launch.is_empty() {
            yard.count(step, at_once);
        }
        for (name, via) in &step.remove {
            let Some(at) = yard.there.iter().position(|n| n.name() == **name) else {
                yard.says("such nodes", 1, Some(0));
                continue;
            };
            let node = yard.there.remove(at);
            yard.gone.push((node, *via));
            if at_once {
                yard.floor(*via);
            }
        }
    }
    // At the end it does not matter who was first.
    for (_, via) in yard.gone.clone() {
        yard.floor(via);
    }
    yard.fewest_nodes();
    yard.found.sort();
    yard.found.dedup();
    yard.found
}

/// Groups of which a repacking leaves fewer nodes than they have to have, of those
/// that are listed, told by the labels of nodes and the instances of groups. New nodes
/// with a group's label are its own.
#[must_use]
pub fn below_minima(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    launchables: &[Launchable],
    point: &RepackingPoint,
) -> Vec<String> {
    let Some(cloud) = inputs.snapshot.cloud_of(cluster) else {
        return Vec::new();
    };
    let gone = |n: &&Node| point.removed.contains(&n.name());
    let gone: Vec<&Node> = cluster.nodes.items().iter().filter(gone).collect();
    let new = point.launched.iter().filter_map(|new| {
        let kind = launchables.iter().find(|l| l.id == new.kind)?;
        Some(&kind.zones.get(&new.zone)?.0)
    });
    let new: Vec<&Node> = new.collect();
    let mut out = Vec::new();
    let mut says = |name: &str, desired: u32, least: u32, went: usize, came: usize| {
        let (has, least) = (desired as usize + came, least as usize);
        if went > 0 && has < least + went {
            out.push(format!("group {name} loses {went} of {has}, keeps {least}"));
        }
    };
    let group = |node: &Node| node.meta.label(GROUP).map(str::to_owned);
    let own = cloud.node_groups.items().iter();
    for g in own.filter(|g| g.cluster == cluster.name) {
        let count = |nodes: &[&Node]| {
            let own = nodes.iter().filter(|n| group(n).as_ref() == Some(&g.name));
            own.count()
        };
        says(&g.name, g.desired, g.min_size, count(&gone), count(&new));
    }
    for g in cloud.auto_scaling_groups.items() {
        let member = |node: &Node| {
            let id = node.instance_id();
            g.instances.iter().any(|i| Some(&i.instance) == id.as_ref())
        };
        let nodes = cluster.nodes.items().iter();
        let managed: BTreeSet<String> = nodes.filter(|n| member(n)).filter_map(group).collect();
        let came = new.iter().filter_map(|n| group(n));
        let came = came.filter(|name| managed.contains(name)).count();
        let went = gone.iter().filter(|n| member(n)).count();
        says(&g.name, g.desired, g.min_size, went, came);
    }
    out
}

const GROUP: &str = "eks.amazonaws.com/nodegroup";
const POOL: &str = "karpenter.sh/nodepool";
const ZONE: &str = "topology.kubernetes.io/zone";
const KIND: &str = "node.kubernetes.io/instance-type";

impl<'s> Yard<'s> {
    fn says(&mut self, limit: &str, taken: u64, has: Option<u64>) {
        if has.is_none_or(|has| taken > has) {
            self.found.push(Excess {
                step: self.step,
                limit: limit.to_owned(),
                taken,
                has,
            });
        }
    }

    /// Counts what the launches of this step are about.
    fn count(&mut self, step: &Step<'_>, at_once: bool) {
        if at_once {
            let before = self.cluster.nodes.items().len() as u64;
            let percent = u64::from(self.config.max_surge_percent);
            let most = before + (before * percent).div_ceil(100);
            let there = (self.there.len() + self.new.len()) as u64;
            self.says("nodes at once", there, Some(most));
        }
        let mut classes = BTreeSet::new();
        let mut zones = BTreeSet::new();
        for launch in &step.launch {
            let kind = launch.offering.instance_type.as_str();
            match self.catalog.instance_type(kind) {
                Some(info) => {
                    let most = u64::from(self.config.max_node_vcpus);
                    self.says("vCPUs of one node", u64::from(info.vcpu), Some(most));
                    classes.insert((
                        class(info.category()).map(str::to_owned),
                        launch.offering.capacity_type,
                    ));
                }
                None => self.says(&format!("vCPUs of a {kind}"), 1, None),
            }
            zones.insert(zone_of(launch));
            match &launch.via {
                Owner::NodePool { name } => self.pool(name, launch),
                Owner::NodeGroup { name, .. } => self.node_group(name, launch),
                Owner::AutoScalingGroup { name } => self.scaling_group(name, launch),
                other => self.says(&format!("nodes that {other} launches"), 1, Some(0)),
            }
            if launch.offering.capacity_type == CapacityType::Reserved {
                self.reserved(launch);
            }
        }
        for (class, capacity) in classes {
            self.quota(class.as_deref(), capacity);
        }
        for zone in zones {
            self.addresses(&zone);
        }
    }

    fn pool(&mut self, name: &str, launch: &Launch) {
        let pools = self.cluster.node_pools.items();
        let Some(pool) = pools.iter().find(|p| p.meta.name == name) else {
            return self.says(&format!("nodes of pool {name}"), 1, None);
        };
        for wanted in &pool.requirements {
            let value = match wanted.key.as_str() {
                KIND => Some(launch.offering.instance_type.as_str()),
                ZONE => launch
                    .shape
                    .as_ref()
                    .and_then(|s| s.labels.get(ZONE).map(String::as_str)),
                "karpenter.sh/capacity-type" => Some(match launch.offering.capacity_type {
                    CapacityType::Spot => "spot",
                    CapacityType::Reserved => "reserved",
                    CapacityType::OnDemand => "on-demand",
                }),
                _ => continue,
            };
            let listed = value.is_some_and(|v| wanted.values.iter().any(|w| w == v));
            let met = match wanted.operator {
                Operator::In => listed,
                Operator::NotIn => !listed,
                _ => true,
            };
            if !met {
                let what = format!("nodes of pool {name} with that {}", wanted.key);
                self.says(&what, 1, Some(0));
            }
        }
        let spot = launch.offering.capacity_type == CapacityType::Spot;
        let names = |key: &str| pool.requirements.iter().any(|r| r.key == key);
        if spot && !names("karpenter.sh/capacity-type") {
            self.says(&format!("nodes of pool {name} on spot"), 1, Some(0));
        }
        let Some(limits) = &pool.limits else { return };
        let claims = &self.cluster.node_claims;
        let known = claims.is_complete()
            && !claims.items().iter().any(|c| {
                c.node_name.is_none() && c.meta.labels.get(POOL).is_some_and(|p| p == name)
            });
        let own = |n: &&&Node| n.meta.labels.get(POOL).is_some_and(|p| p == name);
        let (mut cpu, mut memory, mut nodes) = (0, 0, 0);
        for node in self.there.iter().filter(own) {
            cpu += node.capacity.cpu.0;
            memory += node.capacity.memory.0;
            nodes += 1;
        }
        for new in &self.new {
            if matches!(&new.launch.via, Owner::NodePool { name: of } if of == name) {
                cpu += new
                    .info
                    .map_or(u64::MAX >> 8, |i| u64::from(i.vcpu) * 1_000);
                memory += new.info.map_or(u64::MAX >> 8, |i| i.memory.0);
                nodes += 1;
            }
        }
        let most = |limit: u64| known.then_some(limit);
        if let Some(limit) = limits.cpu {
            self.says(&format!("CPU of pool {name}"), cpu, most(limit.0));
        }
        if let Some(limit) = limits.memory {
            self.says(&format!("memory of pool {name}"), memory, most(limit.0));
        }
        if let Some(limit) = limits.extended.get("nodes") {
            self.says(&format!("nodes of pool {name}"), nodes, most(*limit));
        }
    }

    fn node_group(&mut self, name: &str, launch: &Launch) {
        let of = self.cluster.name.as_str();
        let groups = self.cloud.map(|c| c.node_groups.items());
        let mut groups = groups.unwrap_or_default().iter();
        let what = format!("nodes of node group {name}");
        let Some(group) = groups.find(|g| g.name == name && g.cluster == of) else {
            return self.says(&what, 1, None);
        };
        let kinds: Vec<&str> = group.instance_types.iter().map(|t| t.as_str()).collect();
        let (max, desired) = (group.max_size, group.desired);
        self.only_type(&what, &kinds, launch);
        let size = self.size(
            desired,
            |o| matches!(o, Owner::NodeGroup { name: n, .. } if n == name),
        );
        self.says(&what, size, Some(u64::from(max)));
    }

    fn scaling_group(&mut self, name: &str, launch: &Launch) {
        let groups = self.cloud.map(|c| c.auto_scaling_groups.items());
        let mut groups = groups.unwrap_or_default().iter();
        let what = format!("nodes of auto scaling group {name}");
        let Some(group) = groups.find(|g| g.name == name) else {
            return self.says(&what, 1, None);
        };
        let kinds: Vec<&str> = group.instance_types.iter().map(|t| t.as_str()).collect();
        let zones: Vec<&str> = group.zones.iter().map(|z| z.as_str()).collect();
        let (max, desired) = (group.max_size, group.desired);
        if zones != [zone_of(launch).as_str()] {
            self.says(&format!("{what} in that zone"), 1, Some(0));
        }
        self.only_type(&what, &kinds, launch);
        let own = |o: &Owner| matches!(o, Owner::AutoScalingGroup { name: n } if n == name);
        let size = self.size(desired, own);
        self.says(&what, size, Some(u64::from(max)));
    }

    /// A group makes what its template says; one with several types chooses.
    fn only_type(&mut self, what: &str, kinds: &[&str], launch: &Launch) {
        let kind = launch.offering.instance_type.as_str();
        if kinds != [kind] {
            self.says(&format!("{what} of type {kind}"), 1, Some(0));
        }
    }

    /// What a group wants now, with what came and what went.
    fn size(&self, desired: u32, own: impl Fn(&Owner) -> bool) -> u64 {
        let came = self.new.iter().filter(|n| own(&n.launch.via)).count();
        let went = self.gone.iter().filter(|(_, via)| via.is_some_and(&own));
        (u64::from(desired) + came as u64).saturating_sub(went.count() as u64)
    }

    /// Nodes that a group must keep are not taken from it; those that it launched
    /// before make up for them.
    fn floor(&mut self, via: Option<&Owner>) {
        let Some(cloud) = self.cloud else { return };
        let (group, behind) = match via {
            Some(Owner::NodeGroup {
                name,
                auto_scaling_group,
            }) => (Some(name.as_str()), auto_scaling_group.as_deref()),
            Some(Owner::AutoScalingGroup { name }) => (None, Some(name.as_str())),
            _ => return,
        };
        let went = |group: Option<&str>, behind: Option<&str>| {
            let gone = self.gone.iter();
            let of = gone.filter(|(_, via)| match via {
                Some(Owner::NodeGroup {
                    name,
                    auto_scaling_group,
                }) => {
                    (group.is_some() && group == Some(name.as_str()))
                        || (behind.is_some() && behind == auto_scaling_group.as_deref())
                }
                Some(Owner::AutoScalingGroup { name }) => behind == Some(name.as_str()),
                _ => false,
            });
            of.count() as u64
        };
        let came = |group: Option<&str>, behind: Option<&str>| {
            let of = self.new.iter().filter(|new| match &new.launch.via {
                Owner::NodeGroup {
                    name,
                    auto_scaling_group,
                } => {
                    (group.is_some() && group == Some(name.as_str()))
                        || (behind.is_some() && behind == auto_scaling_group.as_deref())
                }
                Owner::AutoScalingGroup { name } => behind == Some(name.as_str()),
                _ => false,
            });
            of.count() as u64
        };
        let may = |desired: u32, least: u32, came: u64| {
            (u64::from(desired) + came).saturating_sub(u64::from(least))
        };
        let mut below = Vec::new();
        let own = cloud.node_groups.items().iter();
        for g in own.filter(|g| Some(g.name.as_str()) == group && g.cluster == self.cluster.name) {
            below.push((
                format!("nodes that {} may lose", g.name),
                went(group, None),
                may(g.desired, g.min_size, came(group, None)),
            ));
        }
        let all = cloud.auto_scaling_groups.items().iter();
        for g in all.filter(|g| Some(g.name.as_str()) == behind) {
            below.push((
                format!("nodes that {} may lose", g.name),
                went(None, behind),
                may(g.desired, g.min_size, came(None, behind)),
            ));
        }
        for (what, taken, has) in below {
            self.says(&what, taken, Some(has));
        }
    }

    fn reserved(&mut self, launch: &Launch) {
        let kind = launch.offering.instance_type.as_str();
        let zone = launch.offering.zone.as_ref();
        let commitments = self.cloud.map(|c| c.commitments.items());
        let own: Vec<_> = commitments
            .unwrap_or_default()
            .iter()
            .filter(|c| c.kind == CommitmentKind::CapacityReservation)
            .filter(|c| c.instance_type.as_deref() == Some(kind) && c.zone_id.as_ref() == zone)
            .collect();
        let count: u64 = own.iter().filter_map(|c| c.count).map(u64::from).sum();
        let fills = |i: &&&Instance| {
            let of = i.capacity_reservation.as_deref();
            runs(i) && own.iter().any(|c| Some(c.id.as_str()) == of)
        };
        let instances: Vec<&Instance> = self.instances().iter().collect();
        let filled = instances.iter().filter(fills).count() as u64;
        let freed = self.gone.iter().filter(|(node, _)| {
            node.instance_type() == Some(kind)
                && node.capacity_type() == Some(CapacityType::Reserved)
        });
        let freed = freed.count() as u64;
        let came = self.new.iter().filter(|n| {
            n.launch.offering.capacity_type == CapacityType::Reserved
                && n.launch.offering.instance_type.as_str() == kind
                && n.launch.offering.zone.as_ref() == zone
        });
        let taken = (filled + came.count() as u64).saturating_sub(freed);
        let known = self.cloud.is_some_and(|c| c.instances.is_complete());
        self.says(
            &format!("reservations of {kind}"),
            taken,
            (known || own.is_empty()).then_some(count),
        );
    }

    fn instances(&self) -> &'s [Instance] {
        self.cloud.map(|c| c.instances.items()).unwrap_or_default()
    }

    fn quota(&mut self, class: Option<&str>, capacity: CapacityType) {
        let spot = capacity == CapacityType::Spot;
        let Some(code) = class.and_then(|class| code(class, spot)) else {
            return self.says("vCPUs of a class without a known quota", 1, None);
        };
        let what = format!("vCPUs of quota {code}");
        let counts = |category: &str, capacity: CapacityType| {
            self::class(category) == class && (capacity == CapacityType::Spot) == spot
        };
        let came: u64 = self
            .new
            .iter()
            .filter_map(|n| Some((n.info?, n.launch.offering.capacity_type)))
            .filter(|(info, capacity)| counts(info.category(), *capacity))
            .map(|(info, _)| u64::from(info.vcpu))
            .sum();
        let went: u64 = self
            .gone
            .iter()
            .filter_map(|(node, _)| {
                let info = self.catalog.instance_type(node.instance_type()?)?;
                Some((info, node.capacity_type()?))
            })
            .filter(|(info, capacity)| counts(info.category(), *capacity))
            .map(|(info, _)| u64::from(info.vcpu))
            .sum();
        let quotas = self.cloud.map(|c| c.quotas.items()).unwrap_or_default();
        if let Some(quota) = quotas.iter().rfind(|q| q.code == code) {
            let running = || {
                self.cloud
                    .filter(|c| c.instances.is_complete())?
                    .instances
                    .items()
                    .iter()
                    .filter(|i| runs(i))
                    .map(|i| {
                        let info = self.catalog.instance_type(i.instance_type.as_str())?;
                        let own = counts(info.category(), i.capacity_type);
                        Some(if own { u64::from(info.vcpu) } else { 0 })
                    })
                    .sum::<Option<u64>>()
            };
            let used = quota.used.or_else(running);
            let taken = (used.unwrap_or(0) + came).saturating_sub(went);
            let has = used.map(|_| quota.value);
            return self.says(&what, taken, has);
        }
        let stated = self.config.stated_room.free_vcpus.get(code).copied();
        self.says(&what, came.saturating_sub(went), stated);
    }

    fn addresses(&mut self, zone: &str) {
        let each = self.config.stated_room.addresses_per_node.map(u64::from);
        let came: u64 = self
            .new
            .iter()
            .filter(|n| zone_of(n.launch) == zone)
            .map(|n| {
                let pods = n.launch.shape.as_ref().map_or(0, |s| s.allocatable.pods);
                each.unwrap_or(pods + 1)
            })
            .sum();
        let own: Vec<&Instance> = self
            .instances()
            .iter()
            .filter(|i| {
                let mut nodes = self.cluster.nodes.items().iter();
                nodes.any(|n| n.instance_id().is_some_and(|id| id == i.id))
            })
            .filter(|i| i.zone.as_ref().is_some_and(|z| z.as_str() == zone))
            .collect();
        let subnets: BTreeSet<&str> = own
            .iter()
            .filter_map(|i| i.subnet.as_ref().map(|s| s.as_str()))
            .collect();
        let listed = self.cloud.map(|c| c.subnets.items()).unwrap_or_default();
        let counted: Vec<_> = listed
            .iter()
            .filter(|s| subnets.contains(s.id.as_str()))
            .collect();
        let free: u64 = counted.iter().map(|s| u64::from(s.free_addresses)).sum();
        // A node that went gives back its own address, where that is listed.
        let back = self.gone.iter().filter(|(node, _)| {
            own.iter().any(|i| {
                node.instance_id().is_some_and(|id| id == i.id)
                    && i.lasting_interfaces.is_empty()
                    && counted.iter().any(|s| Some(&s.id) == i.subnet.as_ref())
            })
        });
        let back = if each == Some(0) {
            0
        } else {
            back.count() as u64
        };
        let stated = self.config.stated_room.free_addresses.get(zone).copied();
        let has = if counted.is_empty() {
            stated
        } else {
            Some(free + back)
        };
        self.says(&format!("addresses in {zone}"), came, has);
    }

    /// A plan that launches leaves nodes enough.
    fn fewest_nodes(&mut self) {
        if self.new.is_empty() {
            return;
        }
        let serves = |n: &&&Node| {
            let ready = n.conditions.iter().find(|c| c.name == "Ready");
            let ready =
                ready.is_some_and(|c| c.status == cloudoptim_core::model::ConditionStatus::True);
            ready && !n.unschedulable && n.meta.deleted_at.is_none()
        };
        let before = self.cluster.nodes.items().iter().collect::<Vec<_>>();
        let before = before.iter().filter(serves).count();
        let after = self.there.iter().filter(serves).count() + self.new.len();
        let least = before.min(self.config.min_nodes as usize);
        if after < least {
            self.says(
                "nodes fewer than there must be",
                (least - after) as u64,
                Some(0),
            );
        }
    }
}

fn runs(instance: &Instance) -> bool {
    matches!(
        instance.state,
        InstanceState::Running | InstanceState::Pending
    )
}

/// The name of a launch's zone, by the labels that its nodes will have.
fn zone_of(launch: &Launch) -> String {
    let shape = launch.shape.as_ref();
    let zone = shape.and_then(|s| s.labels.get(ZONE).cloned());
    zone.unwrap_or_default()
}

/// Families that share a quota, by the first letters of a type's name.
fn class(category: &str) -> Option<&'static str> {
    match category {
        "a" | "c" | "d" | "h" | "i" | "im" | "is" | "m" | "r" | "t" | "z" => Some("standard"),
        "g" | "gr" | "vt" => Some("graphics"),
        "p" => Some("accelerated"),
        _ => None,
    }
}

/// Codes of `aws service-quotas list-service-quotas --service-code ec2`.
fn code(class: &str, spot: bool) -> Option<&'static str> {
    match (class, spot) {
        ("standard", false) => Some("L-1216C47A"),
        ("standard", true) => Some("L-34B43A08"),
        ("graphics", false) => Some("L-DB2E81BA"),
        ("graphics", true) => Some("L-3819A6DF"),
        ("accelerated", false) => Some("L-417A185B"),
        ("accelerated", true) => Some("L-7212CCBC"),
        _ => None,
    }
}
