//! Scaling down by utilisation: the cluster autoscaler's rule and descheduler's
//! `HighNodeUtilization`, told anew (kubernetes/autoscaler and
//! kubernetes-sigs/descheduler of August 2026).
//!
//! Neither buys anything nor looks at a price, and neither chooses where pods
//! go: the kube-scheduler does, by its score.

use super::consolidate::Lift;
use super::yard::Yard;

/// How the kube-scheduler prefers nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Score {
    /// `LeastAllocated`, the default.
    LeastAllocated,
    /// `MostAllocated`.
    MostAllocated,
}

/// The node that the scheduler would choose among `nodes`: mean of CPU and
/// memory after the pod came; the first of equal ones.
fn chosen(yard: &impl Yard, pod: usize, nodes: &[usize], score: Score) -> Option<usize> {
    let fits = nodes.iter().filter(|n| yard.fits(pod, **n));
    let scored = fits.map(|n| {
        let [cpu, memory, _] = yard.utilisation_with(*n, pod);
        let full = (cpu + memory) / 2.0;
        let worth = if score == Score::MostAllocated {
            full
        } else {
            -full
        };
        (worth, *n)
    });
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
    best.map(|b| b.1)
}

/// Utilisation below which the cluster autoscaler holds a node for unneeded.
pub const UNNEEDED: f64 = 0.5;

/// The cluster autoscaler: empty nodes at once, then one node at a time whose
/// CPU and memory are both asked for by less than `below`, when its simulation
/// finds a place for each of its pods. Times to wait are left out. Pods go where
/// the scheduler's default score sends them.
pub fn autoscaler(yard: &mut impl Yard, below: f64) {
    loop {
        let mut went = false;
        for node in yard.nodes() {
            let [cpu, memory, _] = yard.utilisation(node);
            if !yard.removable(node) || cpu.max(memory) >= below {
                continue;
            }
            let (lift, pods) = Lift::off(yard, &[node]);
            let targets: Vec<usize> = yard.nodes().into_iter().filter(|n| *n != node).collect();
            let all = pods.into_iter().all(|pod| {
                let to = chosen(yard, pod, &targets, Score::LeastAllocated);
                to.is_some_and(|to| {
                    yard.place(pod, to);
                    true
                })
            });
            if all {
                lift.done(yard);
                went = true;
            } else {
                lift.undo(yard);
            }
        }
        if !went {
            return;
        }
    }
}

/// Rounds after which evicting is given up: descheduler itself never would.
const ROUNDS: usize = 10;

/// descheduler's `HighNodeUtilization` with a `MostAllocated` scheduler: pods
/// of nodes that are below `below` in CPU, memory and pods are evicted, the
/// emptiest node first, as long as the other nodes have room; what is empty then
/// goes. Nothing happens when all nodes are below, or none. Pods may come back,
/// for nothing is cordoned; an eviction is one all the same.
pub fn high_node_utilization(yard: &mut impl Yard, below: f64) {
    for _ in 0..ROUNDS {
        let nodes = yard.nodes();
        let low = |n: &usize| yard.utilisation(*n).into_iter().all(|part| part < below);
        let (under, over): (Vec<usize>, Vec<usize>) = nodes.iter().partition(|n| low(n));
        if under.is_empty() || over.is_empty() {
            return;
        }
        let mut order: Vec<(f64, usize)> = under
            .into_iter()
            .map(|n| (yard.utilisation(n).into_iter().sum(), n))
            .collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut went = false;
        for (_, node) in order {
            if !yard.removable(node) {
                continue;
            }
            for pod in yard.movers(node) {
                // Its node fit check: some other node that is not below.
                if !over.iter().any(|n| yard.fits(pod, *n)) {
                    continue;
                }
                yard.lift(pod);
                let to = chosen(yard, pod, &nodes, Score::MostAllocated);
                yard.place(pod, to.unwrap_or(node));
            }
        }
        for node in nodes {
            if yard.removable(node) && yard.movers(node).is_empty() {
                yard.close(node);
                yard.remove(node);
                went = true;
            }
        }
        if !went {
            return;
        }
    }
}
