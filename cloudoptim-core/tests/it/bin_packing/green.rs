//! Green fields of generated clusters, judged by the naive rules.

use super::naive::Board;
use super::properties::{Case, any_case, open, scenario};
use super::{NOW, Scenario, TYPES, catalog};
use crate::fixtures::at;
use cloudoptim_core::engines::Inputs;
use cloudoptim_core::engines::bin_packing::solver::Effort;
use cloudoptim_core::engines::bin_packing::{GreenField, Purchase, green_field};
use cloudoptim_core::knowledge::Knowledge;
use cloudoptim_core::model::*;
use cloudoptim_core::policy::Policy;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

fn asked(scenario: &Scenario, purchase: &Purchase) -> GreenField {
    let (catalog, policy) = (catalog(), Policy::default());
    let inputs = Inputs {
        snapshot: &scenario.snapshot,
        overlay: &scenario.overlay,
        catalog: &catalog,
        policy: &policy,
        ledgers: &scenario.ledgers,
    };
    let uid = &scenario.snapshot.clusters[0].uid;
    green_field(&open(), &inputs, uid, purchase, &Effort::quick()).unwrap()
}

fn purchase(spot_percent: u32) -> Purchase {
    let prices = TYPES.iter().map(|(name, _, _, price)| OfferingPrice {
        instance_type: (*name).into(),
        zone_id: None,
        capacity_type: CapacityType::Spot,
        per_hour: MicroUsdPerHour(price / 3),
    });
    Purchase::default()
        .with_spot_percent(spot_percent)
        .with_spot_prices(prices.collect(), at(NOW))
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

fn judged(case: &Case, spot_percent: u32) -> Result<GreenField, TestCaseError> {
    let scenario = scenario(case);
    let answer = asked(&scenario, &purchase(spot_percent));
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

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
