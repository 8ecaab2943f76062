//! The way there: the waves of a plan, and what each leaves behind.

use super::format::{counted, dollars, span};
use super::page::Page;
use super::summary::Summary;
use crate::decision::{Action, Subject};
use crate::model::{CapacityType, ClusterUid, MicroUsdPerMonth, NodeName};
use crate::plan::{Plan, Step};
use std::collections::{BTreeMap, BTreeSet};

/// One wave of one cluster.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wave<'a> {
    pub(super) number: u32,
    /// Cordoned until they go.
    pub(super) cordoned: Vec<&'a NodeName>,
    /// Cordoned while the wave lasts.
    pub(super) closed: u64,
    /// Pods that leave, by node.
    pub(super) leave: BTreeMap<&'a NodeName, u64>,
    /// Of these nodes, those that stay: pods leave them to make room.
    pub(super) stay: BTreeSet<&'a NodeName>,
    pub(super) launched: BTreeMap<CapacityType, u64>,
    pub(super) gone: Vec<&'a NodeName>,
    pub(super) seconds: u64,
    /// Saved by this wave and those before.
    pub(super) saved: MicroUsdPerMonth,
}

/// The waves of each cluster, in order.
pub(super) fn waves(plan: &Plan) -> BTreeMap<&ClusterUid, Vec<Wave<'_>>> {
    let mut all: BTreeMap<&ClusterUid, Vec<Wave<'_>>> = BTreeMap::new();
    for step in &plan.steps {
        let (Some(number), Some(cluster)) = (step.wave, cluster(&step.action)) else {
            continue;
        };
        let waves = all.entry(cluster).or_default();
        if waves.last().is_none_or(|w| w.number != number) {
            let saved = waves.last().map(|w| w.saved).unwrap_or_default();
            waves.push(Wave {
                number,
                saved,
                ..Wave::default()
            });
        }
        if let Some(wave) = waves.last_mut() {
            wave.add(step);
        }
    }
    all
}

const fn cluster(action: &Action) -> Option<&ClusterUid> {
    match action {
        Action::LaunchNodes { cluster, .. }
        | Action::CordonNode { cluster, .. }
        | Action::UncordonNode { cluster, .. }
        | Action::DrainNode { cluster, .. }
        | Action::RemoveNode { cluster, .. } => Some(cluster),
        _ => None,
    }
}

impl<'a> Wave<'a> {
    fn add(&mut self, step: &'a Step) {
        self.seconds = self.seconds.saturating_add(step.estimated_seconds);
        self.saved += step.saves_per_month.unwrap_or_default();
        match &step.action {
            Action::LaunchNodes { launch, .. } => {
                let capacity = launch.offering.capacity_type;
                *self.launched.entry(capacity).or_default() += u64::from(launch.count);
            }
            Action::CordonNode { node, .. } => self.cordoned.push(node),
            Action::UncordonNode { node, .. } => {
                self.cordoned.retain(|n| *n != node);
                self.closed += 1;
            }
            Action::DrainNode { node, moves, .. } => {
                *self.leave.entry(node).or_default() += moves.len() as u64;
                if !matches!(&step.subject, Subject::Node { node: goes, .. } if goes == node) {
                    self.stay.insert(node);
                }
            }
            Action::RemoveNode { node, .. } => self.gone.push(node),
            _ => {}
        }
    }

    fn pods(&self) -> u64 {
        self.leave.values().sum()
    }
}

/// The section; nothing when no pods move.
pub(super) fn section(page: &mut Page, summary: &Summary<'_>) {
    let clusters = waves(summary.plan);
    if clusters.is_empty() {
        return;
    }
    page.markup("<h2 id=\"waves\">The way there, wave by wave</h2>\n");
    page.markup(
        "<p class=\"soft\">All nodes that go are cordoned first. A wave begins when the pods of \
         the one before are ready again; whatever the scheduler chooses, every pod of it finds \
         a place, which is asked again right before. Where pods leave a node that stays, to \
         make room, it is closed until they are ready again. One may stop after any wave: what is \
         cordoned is opened again, and the pods stay where they are.</p>\n",
    );
    let several = clusters.len() > 1;
    for (cluster, waves) in clusters {
        if several {
            page.put("<h3>", cluster, "</h3>\n");
        }
        let pods = waves.iter().map(Wave::pods).sum();
        let seconds = waves.iter().map(|w| w.seconds).sum();
        page.put("<p>", counted(waves.len() as u64, "wave", "waves"), ", ")
            .put("", counted(pods, "pod moves", "pods move"), ", about ")
            .put("", span(seconds), ".</p>\n");
        let long = waves.len() > 12;
        if long {
            page.markup("<details><summary>All waves</summary>\n");
        }
        table(page, &waves);
        if long {
            page.markup("</details>\n");
        }
    }
}

fn table(page: &mut Page, waves: &[Wave<'_>]) {
    page.markup(
        "<table>\n<caption>Dollars a month, saved by this wave and those before</caption>\n\
         <thead><tr><th scope=\"col\" class=\"n\">Wave</th><th scope=\"col\" class=\"wide\">First\
         </th><th scope=\"col\">Pods leave</th>\
         <th scope=\"col\">Nodes go</th><th scope=\"col\" class=\"n\">About</th>\
         <th scope=\"col\" class=\"n\">Saved</th></tr></thead>\n<tbody>\n",
    );
    for wave in waves {
        page.put(
            "<tr><td class=\"n\">",
            wave.number,
            "</td><td class=\"wide\">",
        );
        let mut first = Vec::new();
        for (capacity, count) in &wave.launched {
            let (one, more) = (format!("{capacity} node"), format!("{capacity} nodes"));
            first.push(format!("launch {}", counted(*count, &one, &more)));
        }
        if !wave.cordoned.is_empty() {
            let nodes = wave.cordoned.len() as u64;
            first.push(format!("cordon {}", counted(nodes, "node", "nodes")));
        }
        if wave.closed > 0 {
            let nodes = counted(wave.closed, "node", "nodes");
            first.push(format!("close {nodes} for the time of the wave"));
        }
        page.text(first.join(", ")).markup("</td><td>");
        for (i, (node, pods)) in wave.leave.iter().enumerate() {
            page.markup(if i == 0 { "" } else { ", " });
            page.put("", pods, " from ").text(node);
            if wave.stay.contains(node) {
                page.markup(", which stays");
            }
        }
        page.markup("</td><td>");
        for (i, node) in wave.gone.iter().enumerate() {
            page.markup(if i == 0 { "" } else { ", " }).text(node);
        }
        page.put("</td><td class=\"n\">", span(wave.seconds), "</td>");
        page.put("<td class=\"n\">", dollars(wave.saved), "</td></tr>\n");
    }
    page.markup("</tbody>\n</table>\n");
}
