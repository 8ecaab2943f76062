//! The proven lower bound, and the cheapest set of new nodes.

use super::consolidate::Answer;
use super::solver::{Class, Effort, Mask, NodeType, Offering, Problem, solve};
use crate::catalog::NodeOverheads;
use crate::engines::{Alternative, Inputs};
use crate::model::{CapacityType, Cluster, MicroUsdPerHour, Node, Pod, Resources, ZONE_LABEL};
use crate::scheduling::capacity::{daemon_overhead, hypothetical_node, selects, untolerated};
use crate::scheduling::movability::Movers;
use crate::scheduling::{InfeasibleResize, Movability, effective_request};
use std::collections::{BTreeMap, BTreeSet};

/// A bound, and what else could be bought.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) lower_bound: Option<MicroUsdPerHour>,
    pub(super) proof: String,
    pub(super) alternatives: Vec<Alternative>,
}

/// Resources of the problem; extended ones follow by name.
const DIMS: [&str; 3] = ["cpu_milli", "memory_mib", "pods"];

/// Which nodes may hold the pods of the bound's question.
#[derive(Clone, Copy)]
enum Kinds {
    /// Copies of the nodes that the cluster has.
    AsNow,
    /// On-demand types of the catalogue.
    OnDemand,
}

/// The bound over copies of the nodes that the cluster has, any number of each,
/// and a green field of on-demand types.
///
/// Pods keep their node selectors, affinities and tolerations; spreads,
/// affinities to pods, volumes and budgets are left out, which can only lower
/// the bound, so it stays one.
pub(super) fn bound(inputs: &Inputs<'_>, cluster: &Cluster, answer: &Answer) -> Bound {
    let mut bound = Bound::default();
    match problem(inputs, cluster, Kinds::AsNow) {
        Some(problem) => match solve(&problem, &Effort::quick()) {
            Ok(solution) => {
                let left_out: u64 = solution.unplaced.iter().map(|u| u64::from(u.count)).sum();
                bound.lower_bound = Some(solution.lower_bound);
                bound.proof = format!(
                    "{:?} bound over copies of the nodes that the cluster runs, pod rules left out; {left_out} pods fit none",
                    solution.proof.method
                );
            }
            Err(error) => bound.proof = format!("no bound: {error}"),
        },
        None => bound.proof = "no bound: no node has a known price".to_owned(),
    }
    if let Some(problem) = problem(inputs, cluster, Kinds::OnDemand)
        && let Ok(solution) = solve(&problem, &Effort::quick())
    {
        let now: MicroUsdPerHour = cluster
            .nodes
            .items()
            .iter()
            .filter_map(|n| inputs.node_price(cluster, n))
            .sum();
        let mut mix: BTreeMap<&str, u64> = BTreeMap::new();
        for node in &solution.nodes {
            if let Some(kind) = problem.types.get(node.node_type) {
                *mix.entry(kind.id.as_str()).or_default() += 1;
            }
        }
        let mix: Vec<String> = mix
            .into_iter()
            .map(|(id, n)| format!("{n} × {id}"))
            .collect();
        let left_out: u64 = solution.unplaced.iter().map(|u| u64::from(u.count)).sum();
        bound.alternatives.push(Alternative {
            what: format!(
                "green field, on demand, pod rules left out: {} for {} ({left_out} pods fit none; no such mix is below {})",
                mix.join(", "),
                solution.cost,
                solution.lower_bound
            ),
            saves_per_month: Some((now - solution.cost).per_month()),
            moves: u64::try_from(cluster.pods.items().len()).unwrap_or(u64::MAX),
        });
    }
    let _ = answer;
    bound
}

struct Kind {
    id: String,
    node: Node,
    capacity: Resources,
    price: MicroUsdPerHour,
}

fn problem(inputs: &Inputs<'_>, cluster: &Cluster, kinds: Kinds) -> Option<Problem> {
    let kinds = match kinds {
        Kinds::AsNow => kinds_now(inputs, cluster),
        Kinds::OnDemand => kinds_on_demand(inputs, cluster),
    };
    if kinds.is_empty() {
        return None;
    }
    let movers = Movers::new(cluster, inputs.now(), Default::default());
    let mut groups: BTreeMap<String, (&Pod, Resources, u32)> = BTreeMap::new();
    let mut extended: BTreeSet<String> = BTreeSet::new();
    for pod in cluster.pods.items() {
        if matches!(
            movers.judge(pod),
            Movability::NotCounted | Movability::Stays { .. }
        ) || pod.node().is_none()
        {
            continue;
        }
        let request = effective_request(pod, InfeasibleResize::default());
        extended.extend(request.extended.keys().cloned());
        let spec = &pod.spec;
        let rules = (
            &spec.node_selector,
            &spec.required_node_affinity,
            &spec.tolerations,
        );
        let key = serde_json::to_string(&(&request, rules)).unwrap_or_default();
        groups.entry(key).or_insert((pod, request, 0)).2 += 1;
    }
    let dims: Vec<String> = DIMS
        .iter()
        .map(|d| (*d).to_owned())
        .chain(extended.iter().cloned())
        .collect();
    let vector = |r: &Resources, up: bool| -> Vec<u64> {
        let mib = if up {
            r.memory.0.div_ceil(1 << 20)
        } else {
            r.memory.0 >> 20
        };
        [r.cpu.0, mib, r.pods]
            .into_iter()
            .chain(
                extended
                    .iter()
                    .map(|name| r.extended.get(name).copied().unwrap_or(0)),
            )
            .collect()
    };
    let classes = groups
        .values()
        .enumerate()
        .map(|(index, (pod, request, count))| Class {
            id: format!("class {index:05}"),
            count: *count,
            // Rounded down: a bound may ask for less than a pod does.
            demand: vector(request, false),
            types: Mask::only(kinds.iter().enumerate().filter_map(|(i, kind)| {
                let allowed = selects(&pod.spec, &kind.node)
                    && untolerated(&pod.spec.tolerations, &kind.node)
                        .next()
                        .is_none();
                allowed.then_some(i)
            })),
            ..Class::default()
        })
        .collect();
    let types = kinds
        .iter()
        .map(|kind| NodeType {
            id: kind.id.clone(),
            capacity: vector(&kind.capacity, true),
            offerings: vec![Offering {
                zone: None,
                price: Some(kind.price),
                available: None,
            }],
            ..NodeType::default()
        })
        .collect();
    Some(Problem {
        dims,
        types,
        classes,
        ..Problem::default()
    })
}

/// One kind for each set of nodes that look alike to pods; its capacity is the
/// largest of them, after the smallest share of pods that end with the node.
fn kinds_now(inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<Kind> {
    let movers = Movers::new(cluster, inputs.now(), Default::default());
    let mut node_pods: BTreeMap<&str, Resources> = BTreeMap::new();
    for pod in cluster.pods.items() {
        if let (Some(node), Movability::Stays { .. }) = (pod.node(), movers.judge(pod)) {
            let request = effective_request(pod, InfeasibleResize::default());
            node_pods.entry(node.as_str()).or_default().add(&request);
        }
    }
    let mut kinds: BTreeMap<String, Kind> = BTreeMap::new();
    for node in cluster.nodes.items() {
        let Some(price) = inputs.node_price(cluster, node) else {
            continue;
        };
        let mut capacity = node.allocatable.clone();
        if let Some(taken) = node_pods.get(node.meta.name.as_str()) {
            capacity.subtract(taken);
        }
        // The host's name is not part of the kind: a copy has another.
        let mut copy = node.clone();
        copy.meta.labels.remove(crate::model::HOSTNAME_LABEL);
        copy.unschedulable = false;
        let key =
            serde_json::to_string(&(&copy.meta.labels, &copy.taints, price)).unwrap_or_default();
        match kinds.get_mut(&key) {
            Some(kind) => kind.capacity.raise_to(&capacity),
            None => {
                let id = format!("{} {}", node.instance_type().unwrap_or("?"), node.meta.name);
                copy.meta.labels.insert(
                    crate::model::HOSTNAME_LABEL.to_owned(),
                    node.meta.name.clone(),
                );
                kinds.insert(
                    key,
                    Kind {
                        id,
                        node: copy,
                        capacity,
                        price,
                    },
                );
            }
        }
    }
    kinds.into_values().collect()
}

/// On-demand types of the catalogue, in each zone that the cluster uses, as
/// members of each set of labels and taints that its nodes have.
fn kinds_on_demand(inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<Kind> {
    let Some(cloud) = inputs.snapshot.cloud_of(cluster) else {
        return Vec::new();
    };
    let families: BTreeSet<String> = cluster
        .nodes
        .items()
        .iter()
        .filter_map(|n| inputs.catalog.instance_type(n.instance_type()?))
        .map(|info| info.family().to_owned())
        .collect();
    let mut kinds = Vec::new();
    for info in inputs.catalog.instance_types() {
        if !families.contains(info.family()) {
            continue;
        }
        let name = info.name.as_str();
        let Some(price) = inputs.price(Some(cloud), name, None, CapacityType::OnDemand) else {
            continue;
        };
        let mut node = hypothetical_node(
            name,
            info,
            None,
            CapacityType::OnDemand,
            None,
            &NodeOverheads::default(),
        );
        if let Some(zone) = cluster.nodes.items().iter().find_map(Node::zone_name) {
            node.meta
                .labels
                .insert(ZONE_LABEL.to_owned(), zone.to_string());
        }
        let mut capacity = node.allocatable.clone();
        capacity.subtract(&daemon_overhead(
            &node,
            cluster.workloads.items(),
            cluster.limit_ranges.items(),
            cluster.runtime_classes.items(),
        ));
        kinds.push(Kind {
            id: name.to_owned(),
            node,
            capacity,
            price,
        });
    }
    kinds
}
