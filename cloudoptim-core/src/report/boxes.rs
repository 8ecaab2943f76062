//! Nodes as filled boxes, as they are and as the plan leaves them.

use super::Report;
use super::format::{count, counted, per_mille, percent};
use super::page::Page;
use super::provenance::cluster_name;
use super::spend::{pool_of, requested};
use crate::decision::{Action, Owner};
use crate::engines::Inputs;
use crate::model::{ClusterUid, Node, NodeName, Resources, Snapshot};
use crate::optimize::scaled;
use crate::overlay::{MovedPod, NodeRef, Overlay, ReplicaChange, RequestChange};
use crate::plan::{Plan, Step};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Most boxes of one picture; of more nodes several share a box.
const MOST: usize = 1_500;

/// What the plan does with a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Stays,
    Goes,
    Comes,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cell {
    fate: Fate,
    name: String,
    /// With the capacity type where it is launched.
    instance_type: String,
    /// CPU and memory that are asked for, in per mille of what the node has;
    /// `None` where it is not known.
    filled: Option<(i64, i64)>,
}

/// Nodes at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Side {
    cells: Vec<Cell>,
    requested: Resources,
    allocatable: Resources,
}

/// Nodes of one pool, or of one type where they name no pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Pool {
    before: Side,
    after: Side,
}

/// The nodes of all clusters, as they are and as the plan leaves them.
#[derive(Debug, Default)]
pub(super) struct Fleet {
    /// By cluster and pool.
    pools: BTreeMap<(String, String), Pool>,
    /// Clusters of which some pods are not known.
    dim: Vec<String>,
    many: bool,
}

impl Fleet {
    /// Nothing without the inputs: a plan does not hold its nodes.
    pub(super) fn of(report: &Report<'_>) -> Self {
        let Some(inputs) = report.inputs else {
            return Self::default();
        };
        let plan = report.plan;
        let laid = inputs.laid();
        let later = after(plan).apply(&laid);
        let goes = gone(plan);
        let mut fleet = Self {
            many: laid.clusters.len() > 1,
            ..Self::default()
        };
        let dim = laid.clusters.iter().filter(|c| !c.pods.is_complete());
        fleet.dim = dim.map(|c| cluster_name(c).to_owned()).collect();
        fleet.take(&laid, &goes, |pool| &mut pool.before);
        fleet.take(&later, &BTreeSet::new(), |pool| &mut pool.after);
        fleet.launch(inputs, plan);
        for pool in fleet.pools.values_mut() {
            for side in [&mut pool.before, &mut pool.after] {
                side.cells.sort_by(|a, b| {
                    let key = |c: &Cell| (c.fate, Reverse(c.filled.map(|(cpu, mem)| cpu.max(mem))));
                    (key(a), &a.name).cmp(&(key(b), &b.name))
                });
            }
        }
        fleet
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    fn take(
        &mut self,
        snapshot: &Snapshot,
        goes: &BTreeSet<(&ClusterUid, &NodeName)>,
        side: fn(&mut Pool) -> &mut Side,
    ) {
        for cluster in &snapshot.clusters {
            let asked = requested(cluster);
            let pods_known = cluster.pods.value().is_some();
            for node in cluster.nodes.items() {
                let name = node.name();
                let asked = asked.get(&name).cloned().unwrap_or_default();
                let fate = if goes.contains(&(&cluster.uid, &name)) {
                    Fate::Goes
                } else {
                    Fate::Stays
                };
                let key = (cluster_name(cluster).to_owned(), group(node));
                let side = side(self.pools.entry(key).or_default());
                side.cells.push(Cell {
                    fate,
                    name: name.to_string(),
                    instance_type: node.instance_type().unwrap_or_default().to_owned(),
                    filled: filled(&asked, &node.allocatable).filter(|_| pods_known),
                });
                if pods_known {
                    side.requested.add(&asked);
                    side.allocatable.add(&node.allocatable);
                }
            }
        }
    }

    /// Nodes that the plan launches. What will be on them is not known before.
    fn launch(&mut self, inputs: &Inputs<'_>, plan: &Plan) {
        for step in &plan.steps {
            let Action::LaunchNodes { cluster, launch } = &step.action else {
                continue;
            };
            let (offering, count) = (&launch.offering, launch.count);
            let mut clusters = inputs.snapshot.clusters.iter();
            let of = clusters.find(|c| c.uid == *cluster);
            let cluster = of.map_or(cluster.as_str(), cluster_name).to_owned();
            let pool = match &launch.via {
                Owner::NodePool { name } | Owner::NodeGroup { name, .. } => name.clone(),
                _ => offering.instance_type.to_string(),
            };
            let side = &mut self.pools.entry((cluster, pool)).or_default().after;
            for _ in 0..count {
                side.cells.push(Cell {
                    fate: Fate::Comes,
                    name: String::new(),
                    instance_type: format!(
                        "{}, {}",
                        offering.instance_type, offering.capacity_type
                    ),
                    filled: None,
                });
            }
        }
    }
}

fn group(node: &Node) -> String {
    let named = pool_of(node).or_else(|| node.instance_type());
    named.unwrap_or("nodes without a pool").to_owned()
}

fn filled(asked: &Resources, have: &Resources) -> Option<(i64, i64)> {
    let share = |asked: u64, have: u64| per_mille(clamp(asked), clamp(have));
    share(asked.cpu.0, have.cpu.0).zip(share(asked.memory.0, have.memory.0))
}

fn clamp(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

/// Nodes that the plan takes away.
fn gone(plan: &Plan) -> BTreeSet<(&ClusterUid, &NodeName)> {
    let gone = plan.steps.iter().filter_map(|step| match &step.action {
        Action::RemoveNode { cluster, node, .. }
        | Action::DeleteNodeObject { cluster, node, .. } => Some((cluster, node)),
        _ => None,
    });
    gone.collect()
}

/// What all steps of a plan change about the nodes and what is on them.
fn after(plan: &Plan) -> Overlay {
    let mut overlay = Overlay::default();
    let mut groups: BTreeMap<u32, Vec<&Step>> = BTreeMap::new();
    for step in &plan.steps {
        groups.entry(step.group).or_default().push(step);
        match &step.action {
            Action::ResizeContainer {
                cluster,
                workload,
                container,
                to,
                ..
            } => overlay.requests.push(RequestChange {
                cluster: cluster.clone(),
                workload: workload.clone(),
                container: container.clone(),
                resources: (**to).clone(),
            }),
            Action::DrainNode { cluster, moves, .. } => {
                for moved in moves {
                    if let Some(node) = &moved.to {
                        overlay.moved_pods.push(MovedPod {
                            cluster: cluster.clone(),
                            pod: moved.uid.clone(),
                            node: node.clone(),
                        });
                    }
                }
            }
            _ => {}
        }
    }
    // What wakes is not in it: where its pods will go is not known.
    for steps in groups.values() {
        let Some(first) = steps.first() else { continue };
        let scaled = scaled(&first.subject, steps.iter().map(|s| &s.action));
        if let Some(scaled) = scaled.filter(|s| s.to < s.from) {
            overlay.replicas.push(ReplicaChange {
                cluster: scaled.cluster,
                workload: scaled.workload,
                replicas: scaled.to,
            });
        }
    }
    let removed = gone(plan).into_iter().map(|(cluster, node)| NodeRef {
        cluster: cluster.clone(),
        node: node.clone(),
    });
    overlay.removed_nodes.extend(removed);
    overlay
}

pub(super) fn boxes(page: &mut Page, fleet: &Fleet) {
    if fleet.is_empty() {
        return;
    }
    let sum = |side: fn(&Pool) -> &Side| -> usize {
        let pools = fleet.pools.values();
        pools.map(|pool| side(pool).cells.len()).sum()
    };
    let (before, after) = (sum(|p| &p.before), sum(|p| &p.after));
    let each = before.max(after).div_ceil(MOST).max(1);
    let drawn = before.max(after) / each;
    page.put(
        "<h2 id=\"nodes\">Nodes before the plan and after it</h2>\n<p class=\"soft\">",
        format_args!(
            "{}, then {}. ",
            counted(before as u64, "node", "nodes"),
            count(after as u64)
        ),
        "Each box is a node; its left half fills with the CPU, its right half with the memory that \
         pods ask for, of what the node has. The fullest come first.",
    );
    if each > 1 {
        page.put(
            " Here a box stands for up to ",
            count(each as u64),
            " nodes.",
        );
    }
    page.markup(" Point at a box for its name and figures.</p>\n<ul class=\"key\">");
    page.markup("<li><i class=\"sw part\"></i>stays</li>");
    let any = |fate: Fate| {
        let pools = fleet.pools.values();
        let mut cells = pools.flat_map(|p| p.before.cells.iter().chain(&p.after.cells));
        cells.any(|c| c.fate == fate)
    };
    if any(Fate::Goes) {
        page.markup("<li><i class=\"sw goes\"></i>goes</li>");
    }
    if any(Fate::Comes) {
        page.markup("<li><i class=\"sw comes\"></i>comes; what will be on it is not known</li>");
    }
    page.markup("<li><i class=\"sw free\"></i>free</li></ul>\n");
    for cluster in &fleet.dim {
        page.put(
            "<p class=\"soft\">Not all pods of ",
            cluster,
            " are known: its nodes may be fuller than is shown.</p>\n",
        );
    }
    page.markup(match drawn {
        0..=60 => "<div class=\"fleet large\">\n",
        61..=300 => "<div class=\"fleet\">\n",
        _ => "<div class=\"fleet small\">\n",
    });
    for ((cluster, name), pool) in &fleet.pools {
        page.markup("<section><div class=\"head\"><h3>");
        if fleet.many {
            page.text(cluster).markup(" / ");
        }
        page.text(name).markup("</h3>");
        figures(page, pool);
        page.markup("</div>\n");
        side(page, "<div><p>Before</p>", &pool.before, each);
        side(page, "<div><p>After</p>", &pool.after, each);
        page.markup("</section>\n");
    }
    page.markup("</div>\n");
}

/// Counts and shares of a pool, then and later.
fn figures(page: &mut Page, pool: &Pool) {
    let (was, is) = (&pool.before, &pool.after);
    let mut line = |name: &'static str, was: String, is: String| {
        page.put("<p>", name, " ").text(&was);
        if is != was {
            page.put(" \u{2192} ", is, "");
        }
        page.markup("</p>");
    };
    let nodes = |side: &Side| count(side.cells.len() as u64);
    line("nodes", nodes(was), nodes(is));
    let cpu = |s: &Side| percent(clamp(s.requested.cpu.0), clamp(s.allocatable.cpu.0));
    line("CPU", cpu(was), cpu(is));
    let memory = |s: &Side| percent(clamp(s.requested.memory.0), clamp(s.allocatable.memory.0));
    line("memory", memory(was), memory(is));
}

fn side(page: &mut Page, open: &'static str, side: &Side, each: usize) {
    page.markup(open).markup("<div class=\"boxes\">");
    for same in side.cells.chunk_by(|a, b| a.fate == b.fate) {
        for cells in same.chunks(each) {
            one(page, cells);
        }
    }
    if side.cells.is_empty() {
        page.markup("none");
    }
    page.markup("</div></div>\n");
}

fn one(page: &mut Page, cells: &[Cell]) {
    let Some(first) = cells.first() else { return };
    page.markup(match first.fate {
        Fate::Stays => "<svg><title>",
        Fate::Goes => "<svg class=\"goes\"><title>",
        Fate::Comes => "<svg class=\"comes\"><title>",
    });
    page.text(match (first.name.is_empty(), first.fate) {
        (true, Fate::Comes) => "a new node",
        _ => first.name.as_str(),
    });
    if cells.len() > 1 {
        let others = counted(cells.len() as u64 - 1, "other", "others");
        page.put(" and ", others, "");
    }
    if !first.instance_type.is_empty() {
        page.put(" \u{b7} ", &first.instance_type, "");
    }
    let filled = mean(cells);
    match filled {
        Some((cpu, memory)) => {
            page.put(" \u{b7} CPU ", percent(cpu, 1000), "");
            page.put(", memory ", percent(memory, 1000), "");
        }
        None if first.fate != Fate::Comes => {
            page.markup(" \u{b7} fill not known");
        }
        None => {}
    }
    page.markup(match first.fate {
        Fate::Goes => " \u{b7} goes</title>",
        _ => "</title>",
    });
    for share in filled.into_iter().flat_map(|(cpu, memory)| [cpu, memory]) {
        let share = share.clamp(0, 1000).unsigned_abs() / 10;
        page.markup("<rect y=\"").number(100 - share);
        page.markup("%\" height=\"").number(share).markup("%\"/>");
    }
    page.markup("</svg>");
}

/// The mean of those whose fill is known.
fn mean(cells: &[Cell]) -> Option<(i64, i64)> {
    let known: Vec<(i64, i64)> = cells.iter().filter_map(|c| c.filled).collect();
    let n = i64::try_from(known.len()).ok().filter(|n| *n > 0)?;
    let sum = |part: fn(&(i64, i64)) -> i64| known.iter().map(part).fold(0, i64::saturating_add);
    Some((sum(|f| f.0) / n, sum(|f| f.1) / n))
}
