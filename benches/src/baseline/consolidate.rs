//! Karpenter's consolidation, told anew (kubernetes-sigs/karpenter of August
//! 2026): empty nodes, then the longest prefix of the candidates that can go
//! with at most one new node, cheaper than what goes, then single nodes, until
//! nothing more goes. And its `Balanced` policy, which approves a move only when
//! its part of the pool's cost is at least half its part of the pool's
//! disruption.
//!
//! Idealised: no timeout, budget, validation or pause; one pool. It shares no
//! code with the core's own search over prefixes.

use super::yard::Yard;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Candidates that a search over prefixes looks at.
const CANDIDATES: usize = 100;

/// `Balanced` approves from one in so many.
const K: f64 = 2.0;

/// When a move is worth its disruption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Whenever it saves.
    Cheaper,
    /// Savings by the pool's cost at least half of disruption by the pool's.
    Balanced,
}

/// Runs to rest.
pub fn consolidate(yard: &mut impl Yard, approval: Approval) {
    loop {
        let empty: Vec<usize> = yard
            .nodes()
            .into_iter()
            .filter(|n| yard.removable(*n) && yard.movers(*n).is_empty())
            .collect();
        for node in empty {
            yard.close(node);
            yard.remove(node);
        }
        let bar = Bar::of(yard, approval);
        let order = candidates(yard);
        if !several(yard, &order, &bar) && !order.iter().any(|n| attempt(yard, &[*n], &bar, true)) {
            return;
        }
    }
}

/// What a node's going disturbs: one, and the cost of each eviction.
fn disruption(yard: &impl Yard, node: usize) -> f64 {
    let movers = yard.movers(node);
    let costs = movers.iter().map(|p| yard.eviction_cost(*p).max(0.0));
    1.0 + costs.sum::<f64>()
}

/// Nodes that may go, what they cost by what they disturb, descending.
fn candidates(yard: &impl Yard) -> Vec<usize> {
    let nodes = yard.nodes().into_iter().filter(|n| yard.removable(*n));
    let mut order: Vec<(f64, usize)> = nodes
        .map(|n| {
            let price = yard.price(n).unwrap_or(0) as f64;
            (price / disruption(yard, n), n)
        })
        .collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, n)| n).collect()
}

/// Bisects for the longest prefix of at least two that can go.
fn several(yard: &mut impl Yard, order: &[usize], bar: &Bar) -> bool {
    let first = &order[..order.len().min(CANDIDATES)];
    let (mut low, mut high) = (2, first.len());
    let mut best = None;
    while low <= high {
        let middle = usize::midpoint(low, high);
        if attempt(yard, &first[..middle], bar, false) {
            best = Some(middle);
            low = middle + 1;
        } else {
            high = middle - 1;
        }
    }
    best.is_some_and(|n| attempt(yard, &first[..n], bar, true))
}

/// What a move has to reach.
#[derive(Debug, Clone, Copy)]
struct Bar {
    approval: Approval,
    cost: f64,
    disruption: f64,
}

impl Bar {
    fn of(yard: &impl Yard, approval: Approval) -> Self {
        // As there, a node without a price is in neither sum.
        let nodes = yard.nodes().into_iter();
        let nodes: Vec<usize> = nodes.filter(|n| yard.price(*n).is_some()).collect();
        Self {
            approval,
            cost: yard.cost() as f64,
            disruption: nodes.iter().map(|n| disruption(yard, *n)).sum(),
        }
    }

    fn approves(&self, saved: i64, disruption: f64) -> bool {
        let worth = saved as f64 / self.cost.max(1.0);
        let price = disruption / self.disruption.max(1.0);
        saved > 0 && (self.approval == Approval::Cheaper || worth * K >= price)
    }
}

/// Pods that were lifted and where they stood, so that it can be undone.
pub(super) struct Lift {
    mark: usize,
    nodes: Vec<usize>,
    origin: BTreeMap<usize, usize>,
}

impl Lift {
    /// Closes nodes and takes their pods off. The pods in Karpenter's order:
    /// CPU, then memory, descending.
    pub(super) fn off(yard: &mut impl Yard, nodes: &[usize]) -> (Self, Vec<usize>) {
        let mark = yard.steps().len();
        let mut origin = BTreeMap::new();
        for node in nodes {
            yard.close(*node);
            origin.extend(yard.movers(*node).into_iter().map(|pod| (pod, *node)));
        }
        let mut pods: Vec<usize> = origin.keys().copied().collect();
        pods.sort_by_key(|p| (Reverse(yard.size(*p)), *p));
        for pod in &pods {
            yard.lift(*pod);
        }
        let nodes = nodes.to_vec();
        (
            Self {
                mark,
                nodes,
                origin,
            },
            pods,
        )
    }

    /// Everything back to where it was.
    pub(super) fn undo(self, yard: &mut impl Yard) {
        for pod in self.origin.keys() {
            yard.lift(*pod);
        }
        for (pod, node) in &self.origin {
            yard.place(*pod, *node);
        }
        for node in &self.nodes {
            yard.open(*node);
        }
        yard.forget(self.mark);
    }

    /// The emptied nodes go.
    pub(super) fn done(self, yard: &mut impl Yard) {
        for node in self.nodes {
            yard.remove(node);
        }
    }
}

/// Whether `nodes` can go with at most one new node that is cheaper than they,
/// and whether that is approved. Stays as it was unless `commit`.
fn attempt(yard: &mut impl Yard, nodes: &[usize], bar: &Bar, commit: bool) -> bool {
    let price: i64 = nodes.iter().filter_map(|n| yard.price(*n)).sum();
    let disturbed: f64 = nodes.iter().map(|n| disruption(yard, *n)).sum();
    let types: BTreeSet<String> = nodes.iter().map(|n| yard.type_of(*n).to_owned()).collect();
    let (lift, pods) = Lift::off(yard, nodes);
    let targets: Vec<usize> = yard
        .nodes()
        .into_iter()
        .filter(|n| !nodes.contains(n))
        .collect();
    let cheapest = yard.kinds().first().map(|k| k.price);
    let mut left = Vec::new();
    for pod in pods {
        if let Some(to) = targets.iter().find(|n| yard.fits(pod, **n)) {
            yard.place(pod, *to);
        } else if cheapest.is_some_and(|c| c < price) {
            left.push(pod);
        } else {
            lift.undo(yard);
            return false;
        }
    }
    let new = if left.is_empty() {
        Some(None)
    } else {
        replacement(yard, &left, price, &types).map(Some)
    };
    let saved = match new {
        None => 0,
        Some(None) => price,
        Some(Some(node)) => price - yard.price(node).unwrap_or(price),
    };
    let good = new.is_some() && bar.approves(saved, disturbed);
    if good && commit {
        lift.done(yard);
    } else {
        lift.undo(yard);
        if let Some(Some(node)) = new {
            yard.give_back(node);
        }
    }
    good
}

/// Buys the cheapest node that takes all pods and costs less than `price`. One
/// of a type that goes is refused: the others should have gone to it.
fn replacement(
    yard: &mut impl Yard,
    pods: &[usize],
    price: i64,
    types: &BTreeSet<String>,
) -> Option<usize> {
    for kind in 0..yard.kinds().len() {
        if yard.kinds()[kind].price >= price {
            return None;
        }
        if !yard.could_hold(kind, pods) {
            continue;
        }
        let mark = yard.steps().len();
        let node = yard.buy(kind)?;
        let mut placed = 0;
        while let Some(pod) = pods.get(placed)
            && yard.fits(*pod, node)
        {
            yard.place(*pod, node);
            placed += 1;
        }
        if placed == pods.len() && !types.contains(yard.type_of(node)) {
            return Some(node);
        }
        for pod in &pods[..placed] {
            yard.lift(*pod);
        }
        yard.give_back(node);
        yard.forget(mark);
        if placed == pods.len() {
            return None;
        }
    }
    None
}
