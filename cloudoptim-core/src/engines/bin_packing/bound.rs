//! The proven lower bound, and the cheapest set of new nodes.

use super::commitments::Prices;
use super::shop::Shop;
use super::solver::{
    Class, Effort, Mask, NodeType, Offering, Problem, ProblemError, Solution, Stopped, solve_until,
};
use crate::catalog::NodeOverheads;
use crate::engines::{Alternative, Inputs};
use crate::model::{
    CapacityType, Cluster, HOSTNAME_LABEL, MicroUsdPerHour, Node, Pod, PodSpec, Resources,
    ZONE_LABEL,
};
use crate::scheduling::capacity::{daemon_overhead, hypothetical_node, selects, untolerated};
use crate::scheduling::movability::Movers;
use crate::scheduling::{InfeasibleResize, Movability, effective_request};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

/// A bound, and what else could be bought.
#[derive(Debug, Default)]
pub(super) struct Bound {
    pub(super) lower_bound: Option<MicroUsdPerHour>,
    pub(super) proof: String,
    pub(super) alternatives: Vec<Alternative>,
    /// Whether the deadline, or a share of the time until then, ended a search.
    pub(super) late: bool,
}

/// Resources of the problem; extended ones follow by name.
const DIMS: [&str; 3] = ["cpu_milli", "memory_mib", "pods"];

/// Which nodes may hold the pods of the bound's question.
#[derive(Clone, Copy)]
enum Kinds<'k> {
    /// Copies of the nodes that the cluster has, and what can be launched.
    AsNow(&'k Shop, &'k Prices),
    /// On-demand types of the catalogue.
    OnDemand,
}

/// What the search for a green field may do: every strategy, as far as a
/// fortieth of the solver's default work goes. First fit alone buys one type;
/// the mix is what the alternative is about.
fn green_field() -> Effort {
    Effort::default()
        .with_placements(5_000_000)
        .with_bound_pivots(2_000)
        .with_bound_labels(500_000)
        .with_improvement_rounds(2)
}

/// The bound over copies of the nodes that the cluster has, any number of each,
/// and a green field of on-demand types.
///
/// Pods keep their node selectors, affinities and tolerations; spreads,
/// affinities to pods, volumes and budgets are left out, which can only lower
/// the bound, so it stays one. With `unpriced` nodes there is none: pods on
/// them would be paid for in the bound and not in the cost.
pub(super) fn bound(
    inputs: &Inputs<'_>,
    cluster: &Cluster,
    unpriced: usize,
    shop: &Shop,
    prices: &Prices,
) -> Bound {
    let mut bound = Bound::default();
    let as_now = (unpriced == 0)
        .then(|| problem(inputs, cluster, Kinds::AsNow(shop, prices)))
        .flatten();
    match as_now {
        Some(problem) => match in_time(&problem, &Effort::quick(), inputs) {
            Ok(solution) => {
                bound.late |= solution.proof.stopped == Stopped::Deadline;
                let left_out: u64 = solution.unplaced.iter().map(|u| u64::from(u.count)).sum();
                bound.lower_bound = Some(solution.lower_bound);
                let launched = match shop.wares.is_empty() {
                    true => "",
                    false => " and of those that can be launched, their limits left out",
                };
                bound.proof = format!(
                    "{:?} bound over copies of the nodes that the cluster runs{launched}, pod rules left out; {left_out} pods fit none",
                    solution.proof.method
                );
            }
            Err(error) => bound.proof = format!("no bound: {error}"),
        },
        None if unpriced > 0 => {
            bound.proof = format!("no bound: {unpriced} nodes have no known price");
        }
        None => bound.proof = "no bound: there is no node".to_owned(),
    }
    if let Some(problem) = problem(inputs, cluster, Kinds::OnDemand)
        && let Ok(solution) = in_time(&problem, &green_field(), inputs)
    {
        bound.late |= solution.proof.stopped == Stopped::Deadline;
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
            // Without every pod and every price these are two questions.
            saves_per_month: (left_out == 0 && unpriced == 0)
                .then(|| (now - solution.cost).per_month()),
            moves: u64::try_from(cluster.pods.items().len()).unwrap_or(u64::MAX),
        });
    }
    bound
}

fn in_time(
    problem: &Problem,
    effort: &Effort,
    inputs: &Inputs<'_>,
) -> Result<Solution, ProblemError> {
    solve_until(problem, effort, inputs.deadline, &mut |_| {
        ControlFlow::Continue(())
    })
}

struct Kind<'a> {
    id: String,
    /// What all of them look like.
    node: Node,
    /// Those of them that are there, with their own names.
    members: Vec<&'a Node>,
    capacity: Resources,
    price: MicroUsdPerHour,
}

impl Kind<'_> {
    fn takes(&self, spec: &PodSpec) -> bool {
        let takes = |node: &Node| {
            selects(spec, node) && untolerated(&spec.tolerations, node).next().is_none()
        };
        // Only rules about names tell copies apart.
        if asks_by_name(spec) {
            self.members.iter().any(|node| takes(node))
        } else {
            takes(&self.node)
        }
    }
}

/// Whether the pod asks for a node by its name.
fn asks_by_name(spec: &PodSpec) -> bool {
    let terms = spec.required_node_affinity.iter().flatten();
    spec.node_selector.contains_key(HOSTNAME_LABEL)
        || terms.into_iter().any(|term| {
            let mut expressions = term.match_expressions.iter();
            !term.match_fields.is_empty() || expressions.any(|r| r.key == HOSTNAME_LABEL)
        })
}

fn problem(inputs: &Inputs<'_>, cluster: &Cluster, kinds: Kinds<'_>) -> Option<Problem> {
    let names: BTreeSet<&str> = cluster
        .nodes
        .items()
        .iter()
        .map(|n| n.meta.name.as_str())
        .collect();
    let kinds = match kinds {
        Kinds::AsNow(shop, prices) => {
            let mut kinds = kinds_now(inputs, cluster, prices);
            kinds.extend(kinds_of(shop));
            kinds
        }
        Kinds::OnDemand => kinds_on_demand(inputs, cluster),
    };
    if kinds.is_empty() {
        return None;
    }
    let movers = Movers::new(cluster, inputs.now(), Default::default());
    let mut groups: BTreeMap<String, (&Pod, Resources, u32)> = BTreeMap::new();
    let mut extended: BTreeSet<String> = BTreeSet::new();
    for pod in cluster.pods.items() {
        let there = pod.node().is_some_and(|n| names.contains(n.as_str()));
        if !there || ends(&movers.judge(pod)) {
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
            types: Mask::only(
                kinds
                    .iter()
                    .enumerate()
                    .filter_map(|(i, kind)| kind.takes(&pod.spec).then_some(i)),
            ),
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

/// Pods that need no node once theirs is gone.
const fn ends(movability: &Movability) -> bool {
    matches!(
        movability,
        Movability::NotCounted
            | Movability::Stays { .. }
            | Movability::Leaving {
                placed_again: false
            }
    )
}

/// One kind for each set of nodes that look alike to pods; its capacity is the
/// largest of them, after the smallest share of pods that end with the node. A
/// node that holds more than it has, as after requests were raised, has that.
fn kinds_now<'a>(inputs: &Inputs<'_>, cluster: &'a Cluster, prices: &Prices) -> Vec<Kind<'a>> {
    let movers = Movers::new(cluster, inputs.now(), Default::default());
    let mut node_pods: BTreeMap<&str, Resources> = BTreeMap::new();
    let mut held: BTreeMap<&str, Resources> = BTreeMap::new();
    for pod in cluster.pods.items() {
        let Some(node) = pod.node() else { continue };
        let movability = movers.judge(pod);
        let of = match movability {
            Movability::Stays { .. } => &mut node_pods,
            _ if ends(&movability) => continue,
            _ => &mut held,
        };
        let request = effective_request(pod, InfeasibleResize::default());
        of.entry(node.as_str()).or_default().add(&request);
    }
    let mut kinds: BTreeMap<String, Kind<'_>> = BTreeMap::new();
    for node in cluster.nodes.items() {
        let Some(price) = prices.of(node) else {
            continue;
        };
        let mut capacity = node.allocatable.clone();
        if let Some(taken) = node_pods.get(node.meta.name.as_str()) {
            capacity.subtract(taken);
        }
        if let Some(held) = held.get(node.meta.name.as_str()) {
            capacity.raise_to(held);
        }
        // The host's name is not part of the kind: a copy has another.
        let mut copy = node.clone();
        copy.meta.labels.remove(HOSTNAME_LABEL);
        copy.unschedulable = false;
        let key =
            serde_json::to_string(&(&copy.meta.labels, &copy.taints, price)).unwrap_or_default();
        match kinds.get_mut(&key) {
            Some(kind) => {
                kind.capacity.raise_to(&capacity);
                kind.members.push(node);
            }
            None => {
                let id = format!("{} {}", node.instance_type().unwrap_or("?"), node.meta.name);
                kinds.insert(
                    key,
                    Kind {
                        id,
                        node: copy,
                        members: vec![node],
                        capacity,
                        price,
                    },
                );
            }
        }
    }
    kinds.into_values().collect()
}

/// What can be launched, by kind and zone. How many of each, pools' limits,
/// quotas and addresses are left out, which can only lower the bound.
fn kinds_of<'a>(shop: &Shop) -> Vec<Kind<'a>> {
    let kinds = shop.wares.iter().flat_map(|ware| {
        let kind = &ware.launchable;
        kind.zones.iter().map(move |(zone, (node, price))| {
            let mut capacity = node.allocatable.clone();
            capacity.subtract(&kind.daemons);
            Kind {
                id: format!("launched {} {zone}", kind.id),
                node: node.clone(),
                members: Vec::new(),
                capacity,
                price: *price,
            }
        })
    });
    kinds.collect()
}

/// On-demand types of the catalogue, of the families that the cluster runs now,
/// in one of its zones, with the labels that every node of the type has and no
/// taint: pods that ask for more fit none of them, and are counted as left out.
fn kinds_on_demand<'a>(inputs: &Inputs<'_>, cluster: &Cluster) -> Vec<Kind<'a>> {
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
        let price = price + inputs.policy.bin_packing.extra_per_node;
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
            members: Vec::new(),
            capacity,
            price,
        });
    }
    kinds
}
