//! Pods on nodes that are there, to which none can be added: as many GPUs as go on.
//!
//! For the solver a node that is there costs as much as its GPUs count for, there are as
//! many of its shape as there are, and who is left out stands alone on a machine of its
//! own that costs some more than its GPUs count for. All nodes together cost no more than
//! they do, so what is proven of the cost says how many GPUs anybody leaves out at the
//! least. Who is left out then is put wherever there is room, and takes the places of
//! others as long as that places more GPUs ([`fill`]).

use crate::certificate::certify;
use crate::check::{Violation, violations as violations_of};
use crate::instance::{Assignment, Instance, Machine, Pod};
use crate::machine_limits::MachineLimit;
use crate::process::Watch;
use cloudoptim_core::engines::bin_packing::solver::{Effort, solve};
use cloudoptim_core::model::MicroUsdPerHour;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub mod fill;

/// An instance on nodes that are there.
#[derive(Debug, Clone)]
pub struct Stocked {
    /// The nodes by their shapes, as many of each as there are, and machines for those
    /// who are left out.
    pub instance: Instance,
    /// How many nodes there are of each of the first machines.
    counts: Vec<usize>,
    /// What a thousandth of a GPU costs that is left out, in tenths of what it costs on
    /// a node.
    dear: i64,
}

/// What a thousandth of a GPU costs on a node.
const MILLI: i64 = 1_000;

/// What a node without GPUs costs, and a pod without that is left out: next to GPUs,
/// nothing.
const LITTLE: i64 = 100;

/// What a GPU costs that is left out, in tenths of one on a node: what is tried. The
/// less, the more is proven; the more, the more nodes are used.
const DEAR: [i64; 3] = [11, 13, 20];

/// Steps of the linear programme: limits on many shapes take many.
const BOUND_PIVOTS: u64 = 200_000;

/// The most GPUs of a node, or of a pod: each is counted by itself.
pub const MOST_GPUS: u32 = 1_000;

/// An answer, judged.
#[derive(Debug)]
pub struct Placement {
    /// The nodes and the pods.
    pub stocked: Stocked,
    /// Who stands where, on nodes that are there, and who is left out.
    pub assignment: Assignment,
    /// No placement has more thousandths of GPUs placed.
    pub most_milli: u64,
    /// What each proof says of that, and how it was confirmed.
    pub certified: Vec<String>,
    /// How the packing came about that was gone on with.
    pub strategy: String,
    /// What it breaks, and what packings broke on the way.
    pub violations: Vec<Violation>,
    /// Without judging and confirming.
    pub seconds: f64,
}

/// As many GPUs as go on the nodes.
///
/// # Errors
/// When a pod asks for more than [`MOST_GPUS`], or the solver refuses the problem, in
/// words.
pub fn place(instance: &Instance, nodes: &[Machine], effort: &Effort) -> Result<Placement, String> {
    if let Some(pod) = instance.pods.iter().find(|p| p.gpus > MOST_GPUS) {
        let (name, gpus) = (&pod.name, pod.gpus);
        return Err(format!(
            "{name}: gpu must be at most {MOST_GPUS}, got {gpus}"
        ));
    }
    let watch = Watch::start();
    let effort = effort.clone().with_bound_pivots(BOUND_PIVOTS);
    let mut best: Option<(u64, Stocked, Assignment, String)> = None;
    let mut solved = Vec::new();
    for dear in DEAR {
        let stocked = Stocked::new(instance.clone(), nodes, dear);
        let (problem, groups) = stocked.instance.problem();
        let solution = solve(&problem, &effort).map_err(|err| err.to_string())?;
        let packed = stocked.instance.assignment(&solution, &groups);
        let placed = fill::improved(&stocked, stocked.placed(packed.clone()));
        let has = stocked.placed_milli(&placed);
        if best.as_ref().is_none_or(|(most, ..)| has > *most) {
            let strategy = solution.proof.strategy.clone();
            best = Some((has, stocked.clone(), placed, strategy));
        }
        solved.push((stocked, problem, solution, packed));
    }
    let seconds = watch.seconds();
    let (_, stocked, assignment, strategy) = best.ok_or("nothing was tried")?;
    let mut violations = Vec::new();
    let mut certified = Vec::new();
    let mut most_milli = stocked.asked_milli().min(stocked.gpu_milli());
    for (stocked, problem, solution, packed) in &solved {
        violations.extend(violations_of(&stocked.instance, packed, solution.cost.0));
        let proven = certify(problem, solution);
        let most = stocked.most_milli(proven.bound);
        most_milli = most_milli.min(most);
        certified.push(format!("{:.3} ({proven})", most as f64 / 1e3));
    }
    let used = assignment.nodes.iter();
    let cost = used.map(|n| stocked.instance.machines[n.machine].price.0);
    violations.extend(violations_of(&stocked.instance, &assignment, cost.sum()));
    Ok(Placement {
        stocked,
        assignment,
        most_milli,
        certified,
        strategy,
        violations,
        seconds,
    })
}

/// Pods that are left out for one reason.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeftOut {
    /// What keeps them out.
    pub reason: Reason,
    /// Thousandths of GPUs they ask for together.
    pub gpu_milli: u64,
    /// Their names, sorted.
    pub pods: Vec<String>,
}

/// What keeps a pod out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Reason {
    /// No node would hold it were it empty.
    FitsNoNode,
    /// No node has enough free GPUs.
    Gpus {
        /// How many it asks for.
        asked: u32,
        /// Thousandths of each.
        milli: u32,
        /// The most GPUs with so much free on one node.
        most_free: u32,
    },
    /// On nodes with enough free GPUs there is not enough of these.
    Resources {
        /// Those that are short on some of the nodes.
        short: BTreeSet<String>,
        /// How many nodes have enough free GPUs.
        nodes: usize,
    },
    /// A node has room for it: the answer is not whole.
    RoomLeft,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FitsNoNode => write!(f, "no node is large enough"),
            Self::Gpus {
                asked,
                milli,
                most_free,
            } => write!(
                f,
                "asks for {asked} GPUs with {milli} thousandths free: no node has more than {most_free}"
            ),
            Self::Resources { short, nodes } => {
                let short: Vec<&str> = short.iter().map(String::as_str).collect();
                let short = short.join(", ");
                write!(f, "{nodes} nodes have the GPUs, and too little of {short}")
            }
            Self::RoomLeft => write!(f, "a node has room for it"),
        }
    }
}

impl Stocked {
    /// The pods of an instance on these nodes alone, where a GPU that is left out costs
    /// `dear` tenths of one on a node.
    pub fn new(mut instance: Instance, nodes: &[Machine], dear: i64) -> Self {
        let mut shapes: BTreeMap<_, usize> = BTreeMap::new();
        for node in nodes {
            let shape = (&node.amounts, &node.gpus);
            *shapes.entry(shape).or_default() += 1;
        }
        let mut machines = Vec::new();
        let mut counts = Vec::new();
        instance.machine_limits.clear();
        for (number, ((amounts, gpus), count)) in shapes.into_iter().enumerate() {
            // No name begins with another one.
            let name = format!("shape-{number:020}");
            instance.machine_limits.push(MachineLimit {
                of: "nodes".to_owned(),
                prefix: name.clone(),
                max: count as u64,
            });
            counts.push(count);
            let whole: i64 = gpus.iter().map(|(_, milli)| i64::from(*milli)).sum();
            machines.push(Machine {
                name,
                amounts: amounts.clone(),
                gpus: gpus.clone(),
                price: MicroUsdPerHour((whole * MILLI).max(LITTLE)),
                ..Machine::default()
            });
        }
        let models: BTreeSet<String> = nodes
            .iter()
            .flat_map(|n| n.gpus.iter().map(|(model, _)| model.clone()))
            .collect();
        machines.extend(alone(&instance.pods, &models, dear));
        instance.machines = machines;
        instance.zones.clear();
        Self {
            instance,
            counts,
            dear,
        }
    }

    /// How many nodes there are.
    pub fn nodes(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Thousandths of GPUs that the nodes have.
    pub fn gpu_milli(&self) -> u64 {
        let machines = self.instance.machines.iter().zip(&self.counts);
        let each = machines.map(|(machine, count)| {
            let milli = machine.gpus.iter().map(|(_, milli)| u64::from(*milli));
            milli.sum::<u64>() * *count as u64
        });
        each.sum()
    }

    /// Thousandths of GPUs that the pods ask for.
    pub fn asked_milli(&self) -> u64 {
        self.instance.pods.iter().map(gpu_milli).sum()
    }

    /// No placement has more thousandths of GPUs placed, where no packing costs less
    /// than that.
    pub fn most_milli(&self, cost_at_least: MicroUsdPerHour) -> u64 {
        let machines = self.instance.machines.iter().zip(&self.counts);
        let nodes: i64 = machines.map(|(m, n)| m.price.0 * *n as i64).sum();
        let without = self.instance.pods.iter().filter(|p| gpu_milli(p) == 0);
        let out = cost_at_least.0 - nodes - LITTLE * without.count() as i64;
        let each = MILLI * self.dear / 10;
        let out = out.max(0) / each + i64::from(out.max(0) % each > 0);
        self.asked_milli().saturating_sub(out.unsigned_abs())
    }

    /// The answer with those left out who stand on no node that is there.
    pub fn placed(&self, mut assignment: Assignment) -> Assignment {
        let there = self.counts.len();
        let (nodes, alone): (Vec<_>, Vec<_>) = assignment
            .nodes
            .into_iter()
            .partition(|n| n.machine < there);
        let alone = alone.into_iter().flat_map(|n| n.pods);
        assignment.unplaced.extend(alone.map(|(pod, _)| pod));
        assignment.unplaced.sort_unstable();
        assignment.nodes = nodes;
        assignment
    }

    /// Thousandths of GPUs that are placed.
    pub fn placed_milli(&self, placed: &Assignment) -> u64 {
        let pods = placed.nodes.iter().flat_map(|n| &n.pods);
        pods.map(|(pod, _)| gpu_milli(&self.instance.pods[*pod]))
            .sum()
    }

    /// Who is left out and why, as a look at every node tells.
    pub fn left_out(&self, placed: &Assignment) -> Vec<LeftOut> {
        let frees = self.frees(placed);
        let mut by_reason: BTreeMap<Reason, (u64, Vec<String>)> = BTreeMap::new();
        let mut known: BTreeMap<Pod, Reason> = BTreeMap::new();
        for pod in placed.unplaced.iter().map(|p| &self.instance.pods[*p]) {
            let size = Pod {
                name: String::new(),
                ..pod.clone()
            };
            let reason = known
                .entry(size)
                .or_insert_with(|| self.reason(pod, &frees))
                .clone();
            let (milli, pods) = by_reason.entry(reason).or_default();
            *milli += gpu_milli(pod);
            pods.push(pod.name.clone());
        }
        let all = by_reason.into_iter();
        let all = all.map(|(reason, (gpu_milli, mut pods))| {
            pods.sort();
            LeftOut {
                reason,
                gpu_milli,
                pods,
            }
        });
        all.collect()
    }

    /// What is free on each node, used or not: those that are used come first, in their
    /// order.
    fn frees(&self, placed: &Assignment) -> Vec<(usize, Machine)> {
        let mut frees = Vec::new();
        let mut used = vec![0; self.counts.len()];
        for node in &placed.nodes {
            let mut free = self.instance.machines[node.machine].clone();
            used[node.machine] += 1;
            for (pod, devices) in &node.pods {
                let pod = &self.instance.pods[*pod];
                for (free, takes) in free.amounts.iter_mut().zip(&pod.amounts) {
                    *free = free.saturating_sub(*takes);
                }
                for device in devices {
                    let left = free.gpus[*device].1.saturating_sub(pod.gpu_milli);
                    free.gpus[*device].1 = left;
                }
            }
            frees.push((node.machine, free));
        }
        for (machine, (count, used)) in self.counts.iter().zip(used).enumerate() {
            let free = (machine, self.instance.machines[machine].clone());
            frees.extend(std::iter::repeat_n(free, count.saturating_sub(used)));
        }
        frees
    }

    fn reason(&self, pod: &Pod, frees: &[(usize, Machine)]) -> Reason {
        let there = &self.instance.machines[..self.counts.len()];
        if !there.iter().any(|m| lacks(m, pod).is_empty()) {
            return Reason::FitsNoNode;
        }
        let enough = |free: &Machine| free_gpus(free, pod) >= pod.gpus;
        let frees = || frees.iter().map(|(_, free)| free);
        let with_gpus: Vec<&Machine> = frees().filter(|free| enough(free)).collect();
        if with_gpus.is_empty() {
            return Reason::Gpus {
                asked: pod.gpus,
                milli: pod.gpu_milli,
                most_free: frees().map(|f| free_gpus(f, pod)).max().unwrap_or(0),
            };
        }
        let lacking: Vec<Vec<usize>> = with_gpus.iter().map(|free| lacks(free, pod)).collect();
        if lacking.iter().any(Vec::is_empty) {
            return Reason::RoomLeft;
        }
        let short = lacking.iter().flatten();
        let short = short.filter_map(|dim| self.instance.dims.get(*dim).cloned());
        Reason::Resources {
            short: short.collect(),
            nodes: with_gpus.len(),
        }
    }
}

/// Numbers of what there is too little of for a pod; one past the last for GPUs.
fn lacks(free: &Machine, pod: &Pod) -> Vec<usize> {
    let amounts = free.amounts.iter().zip(&pod.amounts).enumerate();
    let short = amounts.filter(|(_, (free, takes))| free < takes);
    let mut short: Vec<usize> = short.map(|(dim, _)| dim).collect();
    if free_gpus(free, pod) < pod.gpus {
        short.push(free.amounts.len());
    }
    short
}

/// GPUs that have as much free as the pod asks for of each.
fn free_gpus(free: &Machine, pod: &Pod) -> u32 {
    let fit = free.gpus.iter().filter(|(model, milli)| {
        let accepted = pod.gpu_models.is_empty() || pod.gpu_models.contains(model);
        accepted && *milli >= pod.gpu_milli
    });
    fit.count() as u32
}

fn gpu_milli(pod: &Pod) -> u64 {
    u64::from(pod.gpus) * u64::from(pod.gpu_milli)
}

/// Machines for one pod each that is left out, of which each takes one place: one for
/// each number and share of GPUs.
fn alone(pods: &[Pod], models: &BTreeSet<String>, dear: i64) -> Vec<Machine> {
    let mut asked: BTreeMap<(u32, u32, Vec<String>), Vec<u64>> = BTreeMap::new();
    for pod in pods {
        let key = (pod.gpus, pod.gpu_milli, pod.gpu_models.clone());
        let most = asked.entry(key).or_insert_with(|| pod.amounts.clone());
        for (most, takes) in most.iter_mut().zip(&pod.amounts) {
            *most = (*most).max(*takes);
        }
    }
    let machines = asked.into_iter().enumerate();
    let machines = machines.map(|(number, ((gpus, milli, accepted), amounts))| {
        let model = accepted.first().or_else(|| models.first()).cloned();
        let cost = i64::from(gpus) * i64::from(milli) * MILLI * dear / 10;
        Machine {
            name: format!("left-out-{number:04}"),
            amounts,
            gpus: vec![(model.unwrap_or_default(), milli); gpus as usize],
            price: MicroUsdPerHour(cost.max(LITTLE)),
            zones: Vec::new(),
        }
    });
    machines.collect()
}
