//! Green fields of generated clusters, judged by the naive rules.

use super::generated::{Case, any_case, open, scenario};
use super::naive::Board;
use super::settings::spot_prices;
use super::{NOW, Scenario, TYPES, catalog};
use crate::fixtures::at;
use cloudoptim_core::decision::{LaunchThrough, Owner};
use cloudoptim_core::engines::bin_packing::solver::Effort;
use cloudoptim_core::engines::bin_packing::{
    BoughtFor, Config, GreenField, LaunchLimit, NewNode, Price, Purchase, StatedRoom, green_field,
    limit_prices,
};
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn asked(scenario: &Scenario, purchase: &Purchase) -> GreenField {
    asked_with(&open(), scenario, purchase)
}

fn asked_with(config: &Config, scenario: &Scenario, purchase: &Purchase) -> GreenField {
    let effort = Effort::quick();
    scenario.ask(|inputs, uid| green_field(config, inputs, uid, purchase, &effort).unwrap())
}

fn purchase(spot_percent: u32) -> Purchase {
    Purchase::default()
        .with_spot_percent(spot_percent)
        .with_spot_prices(spot_prices(33), at(NOW))
}

/// The cluster as it would be: the new nodes only, with their pods.
fn built(scenario: &Scenario, answer: &GreenField) -> Cluster {
    let mut cluster = scenario.snapshot.clusters[0].clone();
    let catalog = catalog();
    let cloud = &scenario.snapshot.clouds[0];
    let pools = cluster.node_pools.items().to_vec();
    let mut places: BTreeMap<&NamespacedName, &NodeName> = BTreeMap::new();
    let mut nodes = Vec::new();
    for new in &answer.nodes {
        let info = catalog.instance_type(new.offering.instance_type.as_str());
        let mut node = Node {
            allocatable: info.unwrap().allocatable.clone(),
            ..Node::default()
        };
        if let Some(like) = like(&cluster, cloud, new) {
            node = like.clone();
            node.meta.labels.remove(HOSTNAME_LABEL);
        }
        node.meta.name = new.name.to_string();
        node.conditions = vec![NodeCondition {
            name: "Ready".to_owned(),
            status: ConditionStatus::True,
            ..NodeCondition::default()
        }];
        let zones = cloud.zones.items().iter();
        let mut own = zones.filter(|zone| Some(&zone.id) == new.offering.zone.as_ref());
        let zone = own.next().unwrap().name.to_string();
        let labels = &mut node.meta.labels;
        labels.insert("topology.kubernetes.io/zone".to_owned(), zone);
        if let Some(pool) = pools
            .iter()
            .find(|p| Some(&p.meta.name) == new.pool.as_ref())
        {
            labels.extend(pool.labels.clone());
            node.taints = pool.taints.clone();
        }
        places.extend(new.pods.iter().map(|pod| (pod, &new.name)));
        nodes.push(node);
    }
    let mut pods = cluster.pods.items().to_vec();
    for pod in &mut pods {
        let name = NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone());
        pod.spec.node_name = places.get(&name).map(|node| (*node).clone());
    }
    cluster.nodes = Knowledge::complete(nodes, cluster.nodes.provenance().unwrap().clone());
    cluster.pods = Knowledge::complete(pods, cluster.pods.provenance().unwrap().clone());
    cluster.csi_nodes =
        Knowledge::complete(Vec::new(), cluster.csi_nodes.provenance().unwrap().clone());
    cluster
}

/// The node whose copies a group gives: its first in service, if the next is like it.
fn like<'c>(cluster: &'c Cluster, cloud: &Cloud, new: &NewNode) -> Option<&'c Node> {
    let group = new.group.as_ref()?;
    let mut nodes: Vec<&Node> = cluster.nodes.items().iter().collect();
    nodes.sort_by_key(|node| &node.meta.name);
    let managed = |node: &Node| node.meta.labels.get(NODE_GROUP_LABEL).cloned();
    let scaled = |node: &Node, name: &str| {
        let mut groups = cloud.auto_scaling_groups.items().iter();
        let of = groups.find(|g| g.name == name).unwrap();
        let own = node.instance_id().unwrap();
        of.instances.iter().any(|i| i.instance == own)
    };
    let mut own = nodes.into_iter().filter(|node| {
        let here = match group {
            Owner::NodeGroup { name, .. } => managed(node).as_ref() == Some(name),
            Owner::AutoScalingGroup { name } => managed(node).is_none() && scaled(node, name),
            other => panic!("{other}"),
        };
        here && !node.unschedulable && node.is_ready()
    });
    let same = |node: &&Node| {
        node.instance_type() == Some(new.offering.instance_type.as_str())
            && node.zone_name().as_ref() == Some(&new.zone)
    };
    own.next().filter(same)
}

fn judged(case: &Case, spot_percent: u32) -> Result<GreenField, TestCaseError> {
    judged_with(&open(), case, spot_percent)
}

fn judged_with(
    config: &Config,
    case: &Case,
    spot_percent: u32,
) -> Result<GreenField, TestCaseError> {
    judged_through(config, case, &purchase(spot_percent), spot_percent)
}

fn judged_through(
    config: &Config,
    case: &Case,
    purchase: &Purchase,
    spot_percent: u32,
) -> Result<GreenField, TestCaseError> {
    let scenario = scenario(case);
    let answer = asked_with(config, &scenario, purchase);
    let cluster = built(&scenario, &answer);
    let board = Board::new(&cluster);
    for (uid, node) in &board.places {
        // A spread is a rule for those that arrive, one after the other.
        let mut broken = board.broken(uid, node);
        broken.retain(|b| !b.ends_with("zone spread"));
        prop_assert!(broken.is_empty(), "{broken:?} {answer:#?}");
    }
    // Everybody is somewhere, and once.
    let housed = answer.nodes.iter().flat_map(|node| &node.pods);
    let left = answer.left.values().flatten();
    let all: Vec<&NamespacedName> = housed.chain(left).collect();
    prop_assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
    let needs_node = |pod: &&Pod| {
        let daemon = pod.meta.owners.iter().any(|o| o.kind == "DaemonSet");
        let ends = matches!(pod.status.phase, PodPhase::Succeeded | PodPhase::Failed);
        !daemon && !ends && pod.meta.deleted_at.is_none()
    };
    let pods = scenario.snapshot.clusters[0].pods.items().iter();
    for pod in pods.filter(needs_node) {
        let name = NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone());
        prop_assert!(all.contains(&&name), "{name} is nowhere: {answer:#?}");
    }
    // No more of a workload on spot than its share.
    let mut of: BTreeMap<(&str, &str), (usize, usize)> = BTreeMap::new();
    for pod in cluster.pods.items() {
        let name = NamespacedName::new(pod.meta.namespace.clone(), pod.meta.name.clone());
        if !all.contains(&&name) {
            continue;
        }
        let owner = pod.meta.owners.first();
        let owner = owner.map_or(("", pod.meta.name.as_str()), |o| (&o.kind, &o.name));
        let new = answer.nodes.iter().find(|node| node.pods.contains(&name));
        let spot = new.is_some_and(|n| n.offering.capacity_type == CapacityType::Spot);
        let (count, on_spot) = of.entry(owner).or_default();
        *count += 1;
        *on_spot += usize::from(spot);
    }
    for (owner, (count, on_spot)) in of {
        let most = count * usize::try_from(spot_percent).unwrap() / 100;
        prop_assert!(on_spot <= most, "{owner:?}: {on_spot} of {count} on spot");
    }
    let sum: MicroUsdPerHour = answer.nodes.iter().map(|node| node.price).sum();
    prop_assert_eq!(answer.cost, sum);
    if answer.is_whole() {
        prop_assert!(answer.lower_bound <= answer.cost, "{answer:#?}");
    }
    Ok(answer)
}

/// What there is for new nodes: cores, nodes and GiB of pool `main`, vCPUs beside
/// those of the cluster's nodes on demand and on spot, addresses of each zone.
pub(super) type Rooms = (u64, u64, u64, u64, u64, u64);

pub(super) fn rooms() -> impl Strategy<Value = Rooms> {
    let pool = (0_u64..60, 0_u64..10, 0_u64..200);
    (pool, 0_u64..40, 0_u64..40, 0_u64..300).prop_map(
        |((cores, nodes, gib), vcpus, spot, addresses)| (cores, nodes, gib, vcpus, spot, addresses),
    )
}

pub(super) fn within(case: &Case, rooms: Rooms) -> (Config, Case) {
    let (cores, nodes, gib, vcpus, spot, addresses) = rooms;
    let mut case = case.clone();
    for line in &mut case.0 {
        if line == "pool main" {
            *line = format!("pool main cpu={cores} nodes={nodes} memory={gib}Gi");
        }
    }
    let mut room = StatedRoom::default();
    room.free_vcpus.insert("L-1216C47A".to_owned(), vcpus);
    room.free_vcpus.insert("L-34B43A08".to_owned(), spot);
    for zone in ["us-east-1a", "us-east-1b"] {
        room.free_addresses.insert(zone.to_owned(), addresses);
    }
    (open().with_stated_room(room), case)
}

/// What the new nodes take, counted node by node.
fn over(case: &Case, rooms: Rooms, answer: &GreenField) -> Vec<String> {
    let (cores, nodes, gib, vcpus, spot, addresses) = rooms;
    let scenario = scenario(case);
    let size = |instance_type: &str| {
        let of = TYPES.iter().find(|(name, ..)| *name == instance_type);
        let (_, vcpu, gib, _) = of.unwrap();
        (u64::from(*vcpu), *gib)
    };
    let now = scenario.snapshot.clusters[0].nodes.items().iter();
    let now = now.filter_map(|n| Some(size(n.instance_type()?).0));
    let mut free: BTreeMap<String, u64> = BTreeMap::from([
        ("pool cores".to_owned(), cores),
        ("pool nodes".to_owned(), nodes),
        ("pool GiB".to_owned(), gib),
        ("vcpus".to_owned(), vcpus + now.sum::<u64>()),
        ("spot vcpus".to_owned(), spot),
        ("us-east-1a".to_owned(), addresses),
        ("us-east-1b".to_owned(), addresses),
    ]);
    let mut over = Vec::new();
    let catalog = catalog();
    for new in &answer.nodes {
        let name = new.offering.instance_type.as_str();
        let (vcpu, gib) = size(name);
        let mut pods = catalog.instance_type(name).unwrap().allocatable.pods;
        let (cluster, cloud) = (&scenario.snapshot.clusters[0], &scenario.snapshot.clouds[0]);
        if let Some(like) = like(cluster, cloud, new) {
            pods = like.allocatable.pods;
        }
        let quota = match new.offering.capacity_type {
            CapacityType::Spot => "spot vcpus",
            _ => "vcpus",
        };
        let mut takes = vec![(quota.to_owned(), vcpu), (new.zone.to_string(), pods + 1)];
        if new.pool.as_deref() == Some("main") {
            let parts = [("cores", vcpu), ("nodes", 1), ("GiB", gib)];
            takes.extend(parts.map(|(what, n)| (format!("pool {what}"), n)));
        }
        for (what, amount) in takes {
            match free.get_mut(&what).unwrap() {
                left if *left >= amount => *left -= amount,
                _ => over.push(format!("{what}: {name} does not fit in any more")),
            }
        }
    }
    over
}

/// Minima and maxima of the groups `own`, of large nodes in zone a, and `workers`, of
/// xlarge ones in zone b; instances of a reservation of each of the two, and who is
/// asked.
type Bought = ([u32; 2], [u32; 2], [u32; 2], Vec<LaunchThrough>);

fn bought() -> impl Strategy<Value = Bought> {
    let through = vec![
        LaunchThrough::NodePools,
        LaunchThrough::NodeGroups,
        LaunchThrough::AutoScalingGroups,
    ];
    let through = prop::sample::subsequence(through, 0..=3);
    (
        prop::array::uniform2(0_u32..4),
        prop::array::uniform2(0_u32..5),
        prop::array::uniform2(0_u32..4),
        through,
    )
}

fn with_groups(case: &Case, (least, most, reserved, _): &Bought) -> Case {
    let mut case = case.clone();
    let [own, workers] = most;
    for line in &mut case.0 {
        if line.starts_with("asg own") {
            *line = line.replace("zones=a,b", "zones=a");
            *line = line.replace("min=1", &format!("min={}", least[0]));
            line.push_str(&format!(" max={own} type=m6i.large"));
        } else if line.starts_with("group workers") {
            *line = line.replace("min=1", &format!("min={}", least[1]));
            line.push_str(&format!(" max={workers} type=m6i.xlarge zone=b"));
        } else if line == "pool main" {
            line.push_str(" reserved");
        }
    }
    let [large, xlarge] = reserved;
    case.0.push(format!("reserved m6i.large {large}"));
    case.0.push(format!("reserved m6i.xlarge {xlarge} zone=b"));
    case
}

/// Whether groups that are asked have the nodes that they have to, where limits leave
/// room for them.
fn keeps_minima(
    case: &Case,
    (least, most, _, through): &Bought,
    answer: &GreenField,
) -> Result<(), TestCaseError> {
    let has = |word: &str| {
        case.0
            .iter()
            .any(|l| l.starts_with("node ") && l.contains(word))
    };
    // A group of one's own is known by its nodes. Behind the managed one stands a
    // scaling group, as far as nodes say so, with a minimum of 1.
    let behind = u32::from(has("group=workers"));
    let groups = [
        (
            "own",
            has("asg=own"),
            least[0],
            LaunchThrough::AutoScalingGroups,
        ),
        (
            "workers",
            true,
            least[1].max(behind),
            LaunchThrough::NodeGroups,
        ),
    ];
    let named = |group: &Owner, name: &str| group.to_string().ends_with(name);
    for ((name, is_known, min_size, asked), most) in groups.into_iter().zip(most) {
        let mut minima = answer.minima.iter();
        let found = minima.find(|minimum| named(&minimum.group, name));
        let Some(found) = found else {
            let is_missing = answer.missing.iter().any(|m| m.to_string().contains(name));
            let is_asked = is_known && min_size > 0 && through.contains(&asked);
            prop_assert!(!is_asked || is_missing, "{name}: {answer:#?}");
            continue;
        };
        prop_assert_eq!(found.min_size, min_size);
        let own = answer.nodes.iter();
        let own = own.filter(|new| new.group.as_ref() == Some(&found.group));
        let kept: Vec<&NewNode> = own
            .filter(|new| new.bought_for == BoughtFor::GroupMinimum { min_size })
            .collect();
        prop_assert_eq!(kept.len(), found.nodes as usize, "{:#?}", answer);
        let empty: Vec<_> = kept.iter().filter(|new| new.pods.is_empty()).collect();
        prop_assert_eq!(empty.len(), found.empty as usize);
        let cost: MicroUsdPerHour = empty.iter().map(|new| new.price).sum();
        prop_assert_eq!(cost, found.empty_cost);
        // Without limits that are known, only the maximum leaves less room.
        if !answer.limits_not_known.is_empty() {
            prop_assert_eq!(found.nodes, min_size.min(*most), "{:#?}", answer);
        }
        prop_assert_eq!(found.nodes < min_size, !found.short.is_empty());
        for short in &found.short {
            let of = answer.limits.iter().find(|of| of.limit == *short).unwrap();
            prop_assert!(of.room - of.used < of.node_takes, "{of:?} {answer:#?}");
        }
    }
    for new in &answer.nodes {
        let empty = new.pods.is_empty();
        prop_assert!(!empty || new.bought_for != BoughtFor::Pods, "{new:?}");
    }
    Ok(())
}

/// Cores and GiB of a group's node, in thousandths and MiB, its price, and the least
/// and the most of them.
type Sizes = ((u64, u64), i64, u32, u32);

/// Whether pods of these cores and MiB fit into what is free, by trying everything.
fn packs(free: &mut [(u64, u64)], pods: &[(u64, u64)]) -> bool {
    let Some(((cpu, memory), rest)) = pods.split_first() else {
        return true;
    };
    for at in 0..free.len() {
        let (here_cpu, here_memory) = free[at];
        if *cpu <= here_cpu && *memory <= here_memory {
            free[at] = (here_cpu - cpu, here_memory - memory);
            let fits = packs(free, rest);
            free[at] = (here_cpu, here_memory);
            if fits {
                return true;
            }
        }
    }
    false
}

/// What the cheapest nodes of two groups cost that hold all pods, by trying all.
fn cheapest(groups: [Sizes; 2], pods: &[(u64, u64)]) -> Option<MicroUsdPerHour> {
    let [
        (size, price, min, max),
        (other_size, other_price, other_min, other_max),
    ] = groups;
    let mut best: Option<i64> = None;
    for count in min..=max {
        for other in other_min..=other_max {
            let cost = i64::from(count) * price + i64::from(other) * other_price;
            let mut free = vec![size; count as usize];
            free.resize((count + other) as usize, other_size);
            if best.is_none_or(|best| cost < best) && packs(&mut free, pods) {
                best = Some(cost);
            }
        }
    }
    best.map(MicroUsdPerHour)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn minima_are_in_the_cost_and_in_its_bound(
        pods in prop::collection::vec((1_u64..40, 1_u64..60), 0..6),
        own in (0_u32..4, 0_u32..3),
        workers in (0_u32..3, 0_u32..3),
    ) {
        let pods: Vec<(u64, u64)> = pods.iter().map(|p| (p.0 * 100, p.1 * 256)).collect();
        let ((own, own_most), (workers, workers_most)) =
            ((own.0, own.0 + own.1), (workers.0, workers.0 + workers.1));
        let mut lines = vec![
            format!("asg own min={own} desired=1 max={own_most} type=m6i.large zones=a"),
            format!("group workers min={workers} desired=1 max={workers_most} type=m6i.xlarge zone=b"),
            "node n1 2 8Gi type=m6i.large zone=a asg=own".to_owned(),
            "node n2 4 16Gi type=m6i.xlarge zone=b group=workers".to_owned(),
        ];
        let of = |(i, (cpu, memory)): (usize, &(u64, u64))| {
            format!("pod app{i}-1 - {cpu}m {memory}Mi")
        };
        lines.extend(pods.iter().enumerate().map(of));
        let through = [LaunchThrough::NodeGroups, LaunchThrough::AutoScalingGroups];
        let purchase = purchase(0).with_through(through);
        let answer = judged_through(&open(), &Case(lines), &purchase, 0)?;
        let groups = [
            ((2_000, 8_192), 96_000, own, own_most),
            ((4_000, 16_384), 192_000, workers, workers_most),
        ];
        let count = |name: &str| {
            let own = answer.nodes.iter();
            let own = own.filter(|new| new.group.as_ref().unwrap().to_string().ends_with(name));
            own.count() as u32
        };
        prop_assert!((own..=own_most).contains(&count("own")), "{answer:#?}");
        prop_assert!((workers..=workers_most).contains(&count("workers")), "{answer:#?}");
        match cheapest(groups, &pods) {
            Some(best) => {
                prop_assert!(answer.lower_bound <= best, "{best}: {answer:#?}");
                prop_assert!(best <= answer.cost || !answer.left.is_empty(), "{best}: {answer:#?}");
            }
            None => prop_assert!(!answer.left.is_empty(), "{answer:#?}"),
        }
    }

    #[test]
    fn minima_keep_to_limits(case in any_case(), bought in bought(), rooms in rooms()) {
        let (config, case) = within(&case, rooms);
        let case = with_groups(&case, &bought);
        let purchase = purchase(0).with_through(bought.3.iter().copied());
        let answer = judged_through(&config, &case, &purchase, 0)?;
        let over = over(&case, rooms, &answer);
        prop_assert!(over.is_empty(), "{over:?} {answer:#?}");
        for of in &answer.limits {
            prop_assert!(of.used <= of.room, "{of:?} {answer:#?}");
        }
        keeps_minima(&case, &bought, &answer)?;
    }

    #[test]
    fn groups_and_reservations_give_no_more_than_they_have(
        case in any_case(),
        bought in bought(),
    ) {
        let case = with_groups(&case, &bought);
        let purchase = purchase(0).with_through(bought.3.iter().copied());
        let answer = judged_through(&open(), &case, &purchase, 0)?;
        keeps_minima(&case, &bought, &answer)?;
        let (_, most, reserved, through) = bought;
        let (mut by_group, mut by_reservation) = ([0; 2], [0; 2]);
        for new in &answer.nodes {
            let name = new.offering.instance_type.as_str();
            let zone = new.zone.as_str();
            let list = TYPES.iter().find(|t| t.0 == name).unwrap().3;
            let asked = match &new.group {
                None => LaunchThrough::NodePools,
                Some(group) => group.launches_as().unwrap(),
            };
            prop_assert!(through.is_empty() || through.contains(&asked), "{new:?}");
            match &new.group {
                None => {}
                Some(Owner::AutoScalingGroup { name: group }) => {
                    prop_assert_eq!((group.as_str(), name, zone), ("own", "m6i.large", "us-east-1a"));
                    by_group[0] += 1;
                }
                Some(Owner::NodeGroup { name: group, .. }) => {
                    let as_said = ("workers", "m6i.xlarge", "us-east-1b");
                    prop_assert_eq!((group.as_str(), name, zone), as_said);
                    by_group[1] += 1;
                }
                Some(other) => prop_assert!(false, "{other}"),
            }
            if new.offering.capacity_type != CapacityType::Reserved {
                prop_assert_eq!(new.price.0, list);
                continue;
            }
            prop_assert_eq!(new.price, MicroUsdPerHour::ZERO);
            // Of the pools only one names reserved capacity.
            prop_assert_eq!(new.pool.as_deref(), Some("main"));
            match (name, zone) {
                ("m6i.large", "us-east-1a") => by_reservation[0] += 1,
                ("m6i.xlarge", "us-east-1b") => by_reservation[1] += 1,
                other => prop_assert!(false, "{other:?}"),
            }
        }
        let within = |taken: [u32; 2], most: [u32; 2]| taken.iter().zip(most).all(|(t, m)| *t <= m);
        prop_assert!(within(by_group, most), "{by_group:?} of {most:?}: {answer:#?}");
        prop_assert!(within(by_reservation, reserved), "{by_reservation:?} of {reserved:?}");
        for of in &answer.limits {
            prop_assert!(of.used <= of.room, "{of:?}");
        }
        let json = serde_json::to_string(&answer).unwrap();
        prop_assert_eq!(serde_json::from_str::<GreenField>(&json).unwrap(), answer);
    }

    #[test]
    fn more_of_a_limit_never_costs(
        case in any_case(),
        rooms in rooms(),
        bought in bought(),
    ) {
        let (config, case) = within(&case, rooms);
        let scenario = scenario(&with_groups(&case, &bought));
        let (purchase, effort) = (purchase(0).with_through(bought.3), Effort::quick());
        let answer = scenario.ask(|inputs, uid| {
            limit_prices(&config, inputs, uid, &purchase, &effort, 2).unwrap()
        });
        let field = &answer.field;
        for of in &answer.prices {
            let found = field.limits.iter().find(|l| l.limit == of.limit).unwrap();
            prop_assert!(found.binds || found.room - found.used < of.more, "{found:?}");
        }
        let mut groups: Vec<(&Owner, u32)> =
            answer.minima.iter().map(|of| (&of.group, of.min_size)).collect();
        groups.sort();
        let kept: Vec<_> = field.minima.iter().map(|of| (&of.group, of.min_size)).collect();
        prop_assert_eq!(groups, kept);
        let limits: Vec<&Price> = answer.prices.iter().map(|of| &of.price).collect();
        let minima: Vec<&Price> = answer.minima.iter().map(|of| &of.price).collect();
        for prices in [limits, minima] {
            let mut last = MicroUsdPerMonth(i64::MAX);
            let mut tried = 0;
            for price in &prices {
                match price {
                    Price::Known { per_month, at_least, at_most } => {
                        prop_assert!(field.is_whole() && *per_month <= last, "{prices:?}");
                        prop_assert!(at_least >= &MicroUsdPerMonth::ZERO);
                        prop_assert!(at_least <= per_month && per_month <= at_most, "{price:?}");
                        (last, tried) = (*per_month, tried + 1);
                    }
                    Price::NotTried => prop_assert!(tried == 2),
                    Price::Unknown { missing } => {
                        let known = missing.is_empty() && field.left.is_empty();
                        prop_assert!(!known || !field.keeps_minima(), "{price:?}");
                        (last, tried) = (MicroUsdPerMonth(-1), tried + 1);
                    }
                    other => prop_assert!(false, "{other:?}"),
                }
            }
        }
        for of in &answer.minima {
            let kept = field.minima.iter().find(|m| m.group == of.group).unwrap();
            if let Price::Known { per_month, .. } = of.price {
                prop_assert!(per_month >= kept.empty_cost.per_month(), "{of:?} {field:#?}");
            }
        }
    }

    #[test]
    fn a_green_field_keeps_to_limits(
        case in any_case(),
        rooms in rooms(),
        spot_percent in 0_u32..=100,
    ) {
        let (config, case) = within(&case, rooms);
        let answer = judged_with(&config, &case, spot_percent)?;
        let over = over(&case, rooms, &answer);
        prop_assert!(over.is_empty(), "{over:?} {answer:#?}");
        prop_assert!(answer.limits_not_known.is_empty());
        for of in &answer.limits {
            prop_assert!(of.used <= of.room, "{of:?}");
            if let LaunchLimit::PoolNodes { pool } = &of.limit {
                let own = answer.nodes.iter().filter(|n| n.pool.as_ref() == Some(pool));
                prop_assert_eq!(of.used, own.count() as u64);
            }
        }
        let json = serde_json::to_string(&answer).unwrap();
        prop_assert_eq!(serde_json::from_str::<GreenField>(&json).unwrap(), answer);
    }

    #[test]
    fn a_green_field_keeps_every_rule(case in any_case(), spot_percent in 0_u32..=100) {
        judged(&case, spot_percent)?;
    }

    #[test]
    fn the_order_of_objects_changes_no_green_field(case in any_case()) {
        let straight = scenario(&case);
        let mut turned = straight.clone();
        let cluster = &mut turned.snapshot.clusters[0];
        cluster.nodes.value_mut().unwrap().reverse();
        cluster.pods.value_mut().unwrap().reverse();
        let asked = |scenario| asked(scenario, &purchase(50));
        prop_assert_eq!(asked(&turned), asked(&straight));
    }
}

/// Room near and beyond what can be counted holds nothing back.
#[test]
fn room_beyond_what_can_be_counted_is_no_lack_of_room() {
    let lines = [
        "pool main",
        "node n1 8 32Gi type=m6i.2xlarge",
        "node n2 8 32Gi type=m6i.2xlarge",
        "subnet a 1000",
        "pods a n1 3 1500m 2Gi",
        "pods b n2 3 1500m 2Gi",
    ];
    let lines = lines.into_iter().map(str::to_owned);
    let wide = scenario(&Case(lines.collect()));
    let asked = |amount: u64| {
        let mut scenario = wide.clone();
        let pools = &mut scenario.snapshot.clusters[0].node_pools;
        let limits = pools.value_mut().unwrap()[0]
            .limits
            .insert(Default::default());
        limits.cpu = Some(MilliCpu(amount));
        limits.memory = Some(Bytes(amount));
        limits.extended.insert("nodes".to_owned(), amount);
        let subnets = &mut scenario.snapshot.clouds[0].subnets;
        subnets.value_mut().unwrap()[0].free_addresses = u32::MAX;
        let mut room = StatedRoom::default();
        room.free_vcpus.insert("L-1216C47A".to_owned(), amount);
        let config = open().with_stated_room(room);
        asked_with(&config, &scenario, &purchase(0))
    };
    let enough = asked(1 << 40);
    assert!(enough.left.is_empty() && enough.is_whole(), "{enough}");
    for bits in [50, 51, 62, 63, 64] {
        for less in [0, 1, 4, 8_000, 1 << 33] {
            let amount = (1_u128 << bits) - less;
            let Ok(amount) = u64::try_from(amount) else {
                continue;
            };
            let answer = asked(amount);
            assert_eq!(answer.nodes, enough.nodes, "{amount}: {answer}");
            assert!(
                answer.limits.iter().all(|l| !l.binds),
                "{amount}: {answer:#?}"
            );
        }
    }
}
