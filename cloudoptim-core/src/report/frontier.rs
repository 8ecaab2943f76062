//! Saving against moves: what repacking could reach, point by point, each with
//! its proven bound.

use super::Report;
use super::format::{count, counted, dollars, percent};
use super::page::Page;
use super::plot::{Axis, Mark, Plot, plot};
use super::provenance::cluster_name;
use crate::engines::bin_packing::{Config, Repacking, RepackingPoint};
use crate::model::{ClusterUid, MicroUsdPerHour, MicroUsdPerMonth};

/// A point of a [`Repacking`] as people read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reached<'a> {
    pub(super) point: &'a RepackingPoint,
    pub(super) saves: MicroUsdPerMonth,
    /// No repacking with at most as many moves saves more.
    pub(super) at_most: MicroUsdPerMonth,
    pub(super) chosen: bool,
}

impl Reached<'_> {
    fn gap(&self) -> String {
        let bound = self.point.lower_bound;
        percent((self.point.cost - bound).0, bound.0)
    }
}

/// What one moved pod costs in the eyes of whoever asks.
fn per_move(report: &Report<'_>) -> MicroUsdPerHour {
    report.inputs.map_or_else(
        || Config::default().price_per_move,
        |inputs| inputs.policy.bin_packing.price_per_move,
    )
}

fn saves(repacking: &Repacking, cost: MicroUsdPerHour) -> MicroUsdPerMonth {
    (repacking.cost_before - cost).per_month()
}

/// The points, from fewest moves to most.
pub(super) fn reached<'a>(report: &Report<'_>, repacking: &'a Repacking) -> Vec<Reached<'a>> {
    let chosen = repacking.chosen(per_move(report));
    let points = repacking.points.iter().map(|point| Reached {
        point,
        saves: saves(repacking, point.cost),
        at_most: saves(repacking, point.lower_bound),
        chosen: chosen == Some(point),
    });
    points.collect()
}

/// Name of a cluster where the inputs tell it, else its uid.
pub(super) fn name_of<'a>(report: &Report<'a>, uid: &'a ClusterUid) -> &'a str {
    let clusters = report.inputs.map(|inputs| &inputs.snapshot.clusters);
    let found = clusters.and_then(|all| all.iter().find(|c| c.uid == *uid));
    found.map_or(uid.as_str(), cluster_name)
}

pub(super) fn frontiers(page: &mut Page, report: &Report<'_>) {
    if report.repackings.is_empty() {
        return;
    }
    page.markup(
        "<h2 id=\"frontier\">Saving against moves</h2>\n<p class=\"soft\">What repacking alone \
         could reach, with the pods as they ask now: fewer moves save less. Each point holds all \
         pods by every rule; the line above it is the most that any repacking with so few moves \
         can save, proven. The plan itself also heeds ages, headroom and groups&#39; minima, and \
         changes requests; its figures are not these.</p>\n",
    );
    for (uid, repacking) in report.repackings {
        if report.repackings.len() > 1 {
            page.put("<h3>", name_of(report, uid), "</h3>\n");
        }
        one(page, report, repacking);
    }
}

/// What is to be said where there is nothing to draw.
pub(super) fn nothing(repacking: &Repacking) -> String {
    if let Some(missing) = &repacking.missing {
        return format!("Every node stays: {missing} is missing.");
    }
    let most = saves(repacking, repacking.lower_bound);
    if most.0 <= 0 {
        "The nodes cost the least that repacking can reach, proven.".to_owned()
    } else {
        let most = dollars(most);
        format!("No cheaper repacking was found; none saves more than {most} a month, proven.")
    }
}

fn one(page: &mut Page, report: &Report<'_>, repacking: &Repacking) {
    let points = reached(report, repacking);
    if !points.iter().any(|p| p.saves.0 > 0) {
        page.put("<p>", nothing(repacking), "</p>\n");
        return;
    }
    let prefix = repacking.prefix.map(|end| Mark {
        moved: end.evictions,
        saves: saves(repacking, end.cost),
        title: prefix_words(repacking).unwrap_or_default(),
    });
    let marks: Vec<(Mark, MicroUsdPerMonth, bool)> = points
        .iter()
        .map(|p| {
            let mark = Mark {
                moved: p.point.moved,
                saves: p.saves,
                title: point_words(p),
            };
            (mark, p.at_most, p.chosen)
        })
        .collect();
    let most = saves(repacking, repacking.lower_bound);
    let right = marks.iter().map(|(m, ..)| m.moved);
    let right = right.chain(prefix.as_ref().map(|p| p.moved)).max();
    let top = marks.iter().map(|(_, at_most, _)| *at_most);
    let top = top.chain([most]).max().unwrap_or_default();
    plot(
        page,
        &Plot {
            x: Axis::of(right.unwrap_or(0)),
            y: Axis::of(top.0.unsigned_abs().div_ceil(1_000_000)),
            points: &marks,
            most,
            prefix: prefix.as_ref(),
        },
    );
    page.markup("<ul class=\"key\">\n");
    if let Some(chosen) = points.iter().find(|p| p.chosen) {
        let price = per_move(report).per_month();
        page.put(
            "<li><i class=\"sw chosen\"></i>Chosen, at ",
            super::format::cents(price),
            " a month for a move: ",
        );
        page.text(point_words(chosen)).markup("</li>\n");
    }
    if let Some(words) = prefix_words(repacking) {
        page.put("<li><i class=\"sw prefix\"></i>", words, "</li>\n");
    }
    page.markup("<li><i class=\"sw reach\"></i>Other repackings that were found</li>\n");
    page.put(
        "<li><i class=\"sw bound\"></i>The most that so few moves can save, proven; however many \
         move, ",
        dollars(most),
        " a month</li>\n</ul>\n",
    );
    table(page, &points, repacking);
    if repacking.work_limit {
        page.markup("<p class=\"soft\">The work limit ended the search.</p>\n");
    }
    if repacking.late {
        page.markup("<p class=\"soft\">The deadline ended the search.</p>\n");
    }
}

fn point_words(reached: &Reached<'_>) -> String {
    let moved = counted(reached.point.moved, "pod moves", "pods move");
    let saved = dollars(reached.saves);
    let most = dollars(reached.at_most);
    format!(
        "{moved}, saves {saved} a month; at most {most} for so few moves (cost within {} of its \
         bound)",
        reached.gap()
    )
}

/// Where the search over prefixes came to rest.
pub(super) fn prefix_words(repacking: &Repacking) -> Option<String> {
    let end = repacking.prefix?;
    let moved = counted(end.evictions, "eviction", "evictions");
    let saved = dollars(saves(repacking, end.cost));
    Some(format!(
        "A search over prefixes and single nodes, as Karpenter\u{2019}s: {moved}, saves {saved} a \
         month"
    ))
}

fn table(page: &mut Page, points: &[Reached<'_>], repacking: &Repacking) {
    page.markup(
        "<details><summary>The points as a table</summary>\n<table>\n<caption>Dollars a month; the \
         gap is that of the nodes&#39; cost to its proven bound</caption>\n<thead><tr>\
         <th scope=\"col\">Repacking</th><th scope=\"col\" class=\"n\">Pods moved</th>\
         <th scope=\"col\" class=\"n\">Saves</th><th scope=\"col\" class=\"n\">At most</th>\
         <th scope=\"col\" class=\"n\">Gap</th><th scope=\"col\" class=\"n wide\">Nodes go</th>\
         <th scope=\"col\" class=\"n wide\">Nodes come</th></tr></thead>\n<tbody>\n",
    );
    for (i, reached) in points.iter().enumerate() {
        let point = reached.point;
        page.put("<tr><th scope=\"row\">", i + 1, "");
        if reached.chosen {
            page.markup(" <span class=\"tag\">chosen</span>");
        }
        page.put("</th><td class=\"n\">", count(point.moved), "</td>");
        page.put("<td class=\"n\">", dollars(reached.saves), "</td>");
        page.put("<td class=\"n\">", dollars(reached.at_most), "</td>");
        page.put("<td class=\"n\">", reached.gap(), "</td>");
        let (go, come) = (point.removed.len(), point.launched.len());
        page.put("<td class=\"n wide\">", count(go as u64), "</td>");
        page.put("<td class=\"n wide\">", count(come as u64), "</td></tr>\n");
    }
    if let Some(end) = repacking.prefix {
        page.markup("<tr><th scope=\"row\">Prefix search</th>");
        page.put("<td class=\"n\">", count(end.evictions), "</td>");
        let saved = dollars(saves(repacking, end.cost));
        page.put("<td class=\"n\">", saved, "</td>");
        page.markup("<td class=\"n\">\u{2013}</td><td class=\"n\">\u{2013}</td>")
            .markup("<td class=\"n wide\">\u{2013}</td><td class=\"n wide\">\u{2013}</td></tr>\n");
    }
    page.markup("</tbody>\n</table>\n</details>\n");
}
