//! How far the nodes are from the least that they can cost, and which rules
//! keep them there.

use super::Report;
use super::chart::{Ink, tall_bar, thin_bar};
use super::format::{cents, counted, dollars, percent};
use super::page::Page;
use super::provenance::cluster_name;
use super::summary::Summary;
use crate::decision::Subject;
use crate::engines::{EngineId, Figures};
use crate::model::{ClusterUid, HOURS_PER_MONTH, MicroUsdPerHour, MicroUsdPerMonth};
use crate::plan::Plan;
use std::cmp::Reverse;

/// The nodes of one cluster: now, after the plan, and at the least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) cluster: String,
    pub(super) now: MicroUsdPerHour,
    pub(super) after: MicroUsdPerHour,
    /// `None` when nothing was proven.
    pub(super) bound: Option<MicroUsdPerHour>,
    /// Nodes without a price: they are in none of the figures.
    unpriced: u64,
}

/// Every cluster whose nodes have a price, as the plan's totals count them.
pub(super) fn standings(report: &Report<'_>) -> Vec<Standing> {
    let plan = report.plan;
    if let Some(inputs) = report.inputs {
        let clusters = inputs.snapshot.clusters.iter().map(|cluster| {
            let nodes = cluster.nodes.items();
            let prices = nodes.iter().map(|n| inputs.node_price(cluster, n));
            let (mut now, mut unpriced) = (MicroUsdPerHour::ZERO, 0);
            for price in prices {
                match price {
                    Some(price) => now += price,
                    None => unpriced += 1,
                }
            }
            Standing {
                cluster: cluster_name(cluster).to_owned(),
                now,
                after: now - saved(plan, &cluster.uid),
                bound: bound(plan, &cluster.uid),
                unpriced,
            }
        });
        return clusters.filter(|s| s.now.0 > 0).collect();
    }
    let clusters = plan.scope.clusters.iter().filter_map(|uid| {
        let now = figures(plan, uid).find_map(|f| f.cost_now)?;
        Some(Standing {
            cluster: uid.to_string(),
            now,
            after: now - saved(plan, uid),
            bound: bound(plan, uid),
            unpriced: 0,
        })
    });
    clusters.filter(|s| s.now.0 > 0).collect()
}

fn figures<'a>(plan: &'a Plan, cluster: &'a ClusterUid) -> impl Iterator<Item = &'a Figures> {
    let packers = plan.engines.iter();
    let figures = packers
        .filter(|e| e.engine == EngineId::BinPacking)
        .flat_map(|e| &e.figures);
    figures.filter(move |f| f.cluster.as_ref() == Some(cluster))
}

/// The least bound of those that were proven for the cluster's pods; of several
/// questions about them, each must have one.
fn bound(plan: &Plan, cluster: &ClusterUid) -> Option<MicroUsdPerHour> {
    let all: Option<Vec<MicroUsdPerHour>> = figures(plan, cluster).map(|f| f.lower_bound).collect();
    all?.into_iter().min().filter(|bound| bound.0 > 0)
}

/// What the packer's steps save in the cluster.
fn saved(plan: &Plan, cluster: &ClusterUid) -> MicroUsdPerHour {
    let packing = plan.steps.iter().filter(|step| {
        let of = match &step.subject {
            Subject::Node { cluster, .. } | Subject::Cluster { cluster } => Some(cluster),
            _ => None,
        };
        step.engine == EngineId::BinPacking && of == Some(cluster)
    });
    let saved: MicroUsdPerMonth = packing.filter_map(|step| step.saves_per_month).sum();
    MicroUsdPerHour(saved.0 / HOURS_PER_MONTH)
}

pub(super) fn optimum(page: &mut Page, summary: &Summary<'_>) {
    let standings = &summary.standings;
    if standings.is_empty() {
        return;
    }
    page.markup(
        "<h2 id=\"optimum\">Nodes now, after the plan, and at the least</h2>\n<p class=\"soft\">The \
         proven part is what nodes of the kinds that run here cannot cost less than with these \
         pods on them, whoever places them. What lies between it and the cost after the plan is \
         the most that is still to be found.</p>\n",
    );
    for standing in standings {
        if standings.len() > 1 {
            page.put("<h3>", &standing.cluster, "</h3>\n");
        }
        one(page, standing);
    }
}

fn one(page: &mut Page, standing: &Standing) {
    let (now, after) = (standing.now.per_month(), standing.after.per_month());
    // A bound above the cost would be a mistake; the bar then shows none.
    let bound = standing.bound.map(MicroUsdPerHour::per_month);
    let proven = bound.map_or(0, |b| b.0.min(after.0)).max(0);
    let whole = now.max(after).0;
    let change = if after > now { Ink::Cost } else { Ink::Save };
    let rest = if bound.is_some() {
        Ink::Stake
    } else {
        Ink::Part
    };
    let solid = after.min(now).0.max(proven);
    tall_bar(
        page,
        whole,
        &[
            (Ink::Part, 0, proven),
            (rest, proven, solid),
            (change, solid, whole),
        ],
    );
    page.markup("<dl class=\"key\">");
    let mut item = |swatch: &'static str, name: &str, value: &str, note: &str| {
        page.markup(swatch).text(name).markup("</dt><dd>");
        page.put("<b>", value, "</b> ")
            .text(note)
            .markup("</dd></div>");
    };
    let hourly = |rate: MicroUsdPerHour| format!("a month, {rate}");
    item("<div><dt>", "Now", &dollars(now), &hourly(standing.now));
    let change = now - after;
    let (swatch, name) = if change.0 < 0 {
        ("<div><dt><i class=\"sw cost\"></i>", "The plan costs")
    } else {
        ("<div><dt><i class=\"sw save\"></i>", "The plan saves")
    };
    let of_now = format!("{} of now", percent(change.0, now.0));
    let amount = if change.0 < 0 { -change } else { change };
    item(swatch, name, &dollars(amount), &of_now);
    item(
        "<div><dt>",
        "After the plan",
        &dollars(after),
        &hourly(standing.after),
    );
    match standing.bound.zip(bound) {
        Some((rate, bound)) => {
            let gap = after - bound;
            let above = format!("{} above the bound", percent(gap.0, bound.0));
            item(
                "<div><dt><i class=\"sw stake\"></i>",
                "Gap, at most",
                &dollars(gap),
                &above,
            );
            let least = "<div><dt><i class=\"sw part\"></i>";
            item(least, "Proven lower bound", &dollars(bound), &hourly(rate));
        }
        None => item(
            "<div><dt>",
            "Proven lower bound",
            "\u{2013}",
            "none was proven",
        ),
    }
    page.markup("</dl>\n");
    if standing.unpriced > 0 {
        let nodes = counted(
            standing.unpriced,
            "node without a price is",
            "nodes without a price are",
        );
        page.put(
            "<p class=\"soft\">",
            nodes,
            " in none of these figures.</p>\n",
        );
    }
}

/// The constraints by what they cost, dearest first.
pub(super) fn dearest<'a>(report: &Report<'a>) -> Vec<&'a (String, MicroUsdPerMonth)> {
    let mut all: Vec<_> = report.constraints.iter().collect();
    all.sort_by_key(|(text, price)| (Reverse(*price), text));
    all
}

pub(super) fn constraints(page: &mut Page, report: &Report<'_>) {
    let all = dearest(report);
    let Some((_, top)) = all.first() else { return };
    page.markup(
        "<h2 id=\"constraints\">The most expensive constraints</h2>\n<table class=\"bars\">\n\
         <caption>What the nodes would cost less without each rule, taken alone. Amounts may \
         overlap and are in no sum.</caption>\n<thead><tr><th scope=\"col\">Constraint</th>\
         <th scope=\"col\"></th><th scope=\"col\" class=\"n\">A month</th></tr></thead>\n<tbody>\n",
    );
    for (text, price) in &all {
        page.put("<tr><td>", text, "</td><td class=\"b\">");
        thin_bar(page, top.0, &[(Ink::Stake, 0, price.0)]);
        page.put("</td><td class=\"n stake\">", cents(*price), "</td></tr>\n");
    }
    page.markup("</tbody>\n</table>\n");
}
