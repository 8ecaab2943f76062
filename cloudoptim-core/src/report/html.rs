//! The page: its frame, the headline, and where the money goes.

use super::chart::{Ink, Part, bar, curve, thin_bar};
use super::format::{cents, count, counted, dollars, moment, per_hour, percent, span};
use super::page::Page;
use super::spend::{Line, PoolSpend, Spend};
use super::summary::{Summary, engine_name};
use super::{Report, boxes, frontier, lists, optimum, provenance, waves};
use crate::model::{MicroUsdPerHour, MicroUsdPerMonth, TakenAtBasis};

const STYLE: &str = include_str!("style.css");

pub(super) fn render(report: &Report<'_>) -> String {
    let summary = Summary::of(report);
    let mut page = Page::default();
    let heading = report.heading();
    page.markup("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
        .markup("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n")
        .markup("<meta name=\"color-scheme\" content=\"light dark\">\n")
        .put("<title>", &heading, "</title>\n<style>\n")
        .markup(STYLE)
        .markup("</style>\n</head>\n<body>\n<main>\n");
    let fleet = boxes::Fleet::of(report);
    header(
        &mut page,
        report,
        &heading,
        &sections(report, &summary, &fleet),
    );
    tiles(&mut page, &summary);
    optimum::optimum(&mut page, &summary);
    boxes::boxes(&mut page, &fleet);
    frontier::frontiers(&mut page, report);
    optimum::constraints(&mut page, report);
    fall(&mut page, &summary);
    engines(&mut page, &summary);
    if let Some(spend) = &summary.spend {
        money(&mut page, spend);
    }
    lists::findings(&mut page, &summary);
    lists::stakes(&mut page, &summary);
    waves::section(&mut page, &summary);
    lists::steps(&mut page, &summary);
    steps_curve(&mut page, &summary);
    lists::declined(&mut page, &summary);
    lists::not_judged(&mut page, &summary);
    lists::alternatives(&mut page, &summary);
    lists::provenance(&mut page, report);
    page.put(
        "<footer>Made by cloudoptim ",
        env!("CARGO_PKG_VERSION"),
        ". A month is 730 hours. Amounts are list prices in US dollars, without discounts or tax.",
    );
    page.put(
        " Plan <code>",
        &summary.plan.fingerprint,
        "</code></footer>\n",
    );
    page.markup("</main>\n</body>\n</html>\n");
    page.finish()
}

/// Links to the sections that are there.
fn sections(report: &Report<'_>, summary: &Summary<'_>, fleet: &boxes::Fleet) -> Vec<&'static str> {
    let some = [
        (
            !summary.standings.is_empty(),
            "<a href=\"#optimum\">Optimum</a>",
        ),
        (!fleet.is_empty(), "<a href=\"#nodes\">Nodes</a>"),
        (
            !report.repackings.is_empty(),
            "<a href=\"#frontier\">Frontier</a>",
        ),
        (
            !report.constraints.is_empty(),
            "<a href=\"#constraints\">Constraints</a>",
        ),
        (
            summary.plan.steps.iter().any(|s| s.wave.is_some()),
            "<a href=\"#waves\">Waves</a>",
        ),
    ];
    let some = some.into_iter().filter(|(there, _)| *there);
    some.map(|(_, link)| link).collect()
}

fn header(page: &mut Page, report: &Report<'_>, heading: &str, sections: &[&'static str]) {
    page.put("<header>\n<h1>", heading, "</h1>\n<p class=\"soft\">");
    if let Some(inputs) = report.inputs {
        let clusters: Vec<&str> = inputs
            .snapshot
            .clusters
            .iter()
            .map(provenance::cluster_name)
            .collect();
        if !clusters.is_empty() {
            let word = if clusters.len() == 1 {
                "Cluster "
            } else {
                "Clusters "
            };
            page.put(word, clusters.join(", "), " \u{b7} ");
        }
    }
    let clouds: Vec<String> = report
        .plan
        .scope
        .clouds
        .iter()
        .map(|(account, region)| format!("account {account}, {region}"))
        .collect();
    if !clouds.is_empty() {
        page.text(clouds.join("; ")).markup(" \u{b7} ");
    }
    page.put("as of ", moment(report.plan.made_at), "");
    let basis = report.inputs.map(|i| i.snapshot.taken_at_basis);
    if basis == Some(TakenAtBasis::LatestTimestamp) {
        page.markup(" (the latest time in the input)");
    }
    page.put(
        " \u{b7} plan valid until ",
        moment(report.plan.expires_at),
        "</p>\n",
    );
    page.markup("<nav aria-label=\"Sections\">");
    for &section in sections {
        page.markup(section);
    }
    page.markup(
        "<a href=\"#engines\">By engine</a>\
         <a href=\"#findings\">Findings</a><a href=\"#stake\">At stake</a>\
         <a href=\"#steps\">Steps</a><a href=\"#declined\">Left as it is</a>\
         <a href=\"#unjudged\">Not judged</a><a href=\"#sources\">Sources</a></nav>\n</header>\n",
    );
}

fn tile(page: &mut Page, class: &'static str, name: &str, value: &str, note: &str) {
    page.put("<div><dt>", name, "</dt><dd class=\"");
    page.markup(class)
        .put("\">", value, "</dd><dd class=\"note\">");
    page.text(note).markup("</dd></div>\n");
}

fn tiles(page: &mut Page, summary: &Summary<'_>) {
    let totals = &summary.plan.totals;
    let saves = totals.saves_per_month;
    page.markup("<dl class=\"tiles\">\n");
    let class = match saves.0 {
        ..0 => "big costs",
        0 => "big",
        1.. => "big saves",
    };
    let of_now = format!(
        "a month, {} of the cost now",
        percent(saves.0, summary.now().0)
    );
    tile(page, class, "The plan saves", &dollars(saves), &of_now);
    let mut seen = counted(totals.nodes, "node", "nodes");
    if summary.spend.is_some() {
        seen.push_str(", other instances, volumes, traffic between zones");
    }
    if totals.unpriced_nodes > 0 {
        let unpriced = counted(totals.unpriced_nodes, "node", "nodes");
        seen = format!("{seen}; {unpriced} without a price left out");
    }
    tile(
        page,
        "big",
        "Cost now, a month",
        &dollars(summary.now()),
        &seen,
    );
    let after = format!(
        "nodes {} to {} an hour",
        per_hour(totals.nodes_per_hour),
        per_hour(totals.nodes_per_hour_after)
    );
    tile(
        page,
        "big",
        "After the plan",
        &dollars(summary.after()),
        &after,
    );
    let (bound, note) = match summary.bound() {
        Some(bound) => (
            dollars(bound.per_month()),
            match gap(summary) {
                Some(gap) => format!("no nodes can cost less; the plan is {gap} above"),
                None => "no nodes can cost less".to_owned(),
            },
        ),
        None => ("\u{2013}".to_owned(), "none was proven".to_owned()),
    };
    tile(page, "big", "Lower bound, nodes", &bound, &note);
    let mut work = format!(
        "{}, about {}",
        counted(summary.plan.steps.len() as u64, "step", "steps"),
        span(summary.seconds)
    );
    if summary.deletions > 0 {
        let deletions = count(summary.deletions);
        work = format!("{work}; {deletions} can be undone only by hand");
    }
    tile(page, "big", "Pods that move", &count(totals.moves), &work);
    page.markup("</dl>\n");
}

/// The gap as a percentage.
pub(super) fn gap(summary: &Summary<'_>) -> Option<String> {
    let totals = &summary.plan.totals;
    let bound = summary.bound()?;
    let above = totals.nodes_per_hour_after - bound;
    Some(percent(above.0, bound.0))
}

fn row(page: &mut Page, name: &str, amount: &str, whole: i64, parts: &[Part]) {
    page.put("<tr><th scope=\"row\">", name, "</th><td class=\"b\">");
    bar(page, whole, parts);
    page.put("</td><td class=\"n\">", amount, "</td></tr>\n");
}

/// From the cost now to the cost after, engine by engine.
fn fall(page: &mut Page, summary: &Summary<'_>) {
    let (now, after) = (summary.now(), summary.after());
    let whole = now.max(after).0;
    if whole <= 0 {
        return;
    }
    page.markup(
        "<h2 id=\"fall\">What the plan changes</h2>\n<table class=\"bars fall\">\n\
         <caption>Dollars a month. Each saving is counted once, by the engine whose step brings \
         it.</caption>\n<thead><tr><th scope=\"col\">Step</th><th scope=\"col\"></th>\
         <th scope=\"col\" class=\"n\">A month</th></tr></thead>\n<tbody>\n",
    );
    row(
        page,
        "Cost now",
        &dollars(now),
        whole,
        &[(Ink::Now, 0, now.0)],
    );
    let mut level = now;
    for (engine, saves) in summary.savings() {
        let next = level - saves;
        let ink = if saves.0 < 0 { Ink::Cost } else { Ink::Save };
        let parts = [(ink, next.0, level.0)];
        row(page, engine_name(engine), &dollars(-saves), whole, &parts);
        level = next;
    }
    row(
        page,
        "After the plan",
        &dollars(after),
        whole,
        &[(Ink::Now, 0, after.0)],
    );
    let totals = &summary.plan.totals;
    let nodes = totals.nodes_per_hour_after.per_month();
    if summary.spend.is_some() {
        row(
            page,
            "of which nodes",
            &dollars(nodes),
            whole,
            &[(Ink::Part, 0, nodes.0)],
        );
    }
    if let Some(bound) = summary.bound().map(MicroUsdPerHour::per_month) {
        let parts = [(Ink::Part, 0, bound.0)];
        row(page, "Lower bound, nodes", &dollars(bound), whole, &parts);
    }
    page.markup("</tbody>\n</table>\n");
}

fn engines(page: &mut Page, summary: &Summary<'_>) {
    let engines = &summary.plan.engines;
    let top = engines
        .iter()
        .flat_map(|e| [e.saves_per_month.0, e.at_stake_per_month.0])
        .max()
        .unwrap_or(0);
    page.markup(
        "<h2 id=\"engines\">By engine</h2>\n<table class=\"bars\">\n<caption>Saved is counted. At \
         stake is what could be saved once evidence is there: it may overlap and is in no \
         sum.</caption>\n<thead><tr><th scope=\"col\">Engine</th>\
         <th scope=\"col\" class=\"n wide\">Acts</th><th scope=\"col\" class=\"n wide\">Leaves</th>\
         <th scope=\"col\"></th><th scope=\"col\" class=\"n\">Saved</th>\
         <th scope=\"col\" class=\"n\">At stake</th></tr></thead>\n<tbody>\n",
    );
    for engine in engines {
        page.put(
            "<tr><th scope=\"row\">",
            engine_name(engine.engine),
            "</th>",
        );
        page.put("<td class=\"n wide\">", count(engine.acts), "</td>");
        page.put(
            "<td class=\"n wide\">",
            count(engine.keeps),
            "</td><td class=\"b\">",
        );
        let saves = engine.saves_per_month.0;
        let ink = if saves < 0 { Ink::Cost } else { Ink::Save };
        thin_bar(page, top, &[(ink, 0, saves.saturating_abs())]);
        thin_bar(page, top, &[(Ink::Stake, 0, engine.at_stake_per_month.0)]);
        page.put(
            "</td><td class=\"n\">",
            dash(engine.saves_per_month),
            "</td>",
        );
        let stake = engine.at_stake_per_month;
        page.markup(if stake.0 == 0 {
            "<td class=\"n soft\">"
        } else {
            "<td class=\"n stake\">"
        });
        page.text(dash(stake)).markup("</td></tr>\n");
    }
    let saves = summary.plan.totals.saves_per_month;
    page.markup("</tbody>\n<tfoot><tr><th scope=\"row\">Saved in all</th>")
        .markup("<td class=\"wide\"></td><td class=\"wide\"></td><td></td>")
        .put("<td class=\"n\">", dollars(saves), "</td>")
        .markup("<td class=\"n\"></td></tr></tfoot>\n</table>\n");
}

pub(super) fn dash(amount: MicroUsdPerMonth) -> String {
    if amount.0 == 0 {
        "\u{2013}".to_owned()
    } else {
        dollars(amount)
    }
}

fn money(page: &mut Page, spend: &Spend) {
    let whole = spend.per_month();
    page.markup(
        "<h2 id=\"money\">Where the money goes</h2>\n<table>\n<caption>Priced as it runs. The \
         bars show what pods ask for, of what their nodes have.</caption>\n<thead><tr>\
         <th scope=\"col\">What</th><th scope=\"col\" class=\"n\">Count</th>\
         <th scope=\"col\" class=\"n\">A month</th><th scope=\"col\" class=\"n wide\">Share</th>\
         <th scope=\"col\" class=\"share\">Asked for</th></tr></thead>\n<tbody>\n",
    );
    let many = spend
        .pools
        .iter()
        .any(|p| Some(&p.cluster) != spend.pools.first().map(|f| &f.cluster));
    for pool in &spend.pools {
        page.markup("<tr><th scope=\"row\">");
        pool_name(page, pool, many);
        page.markup("</th>");
        amounts(page, pool.nodes, whole);
        let shares = [
            ("CPU ", pool.requested.cpu.0, pool.allocatable.cpu.0),
            (
                "memory ",
                pool.requested.memory.0,
                pool.allocatable.memory.0,
            ),
        ];
        page.markup("<td class=\"share\"><div class=\"pair\">");
        for (name, asked, have) in shares {
            let (asked, have) = (clamp(asked), clamp(have));
            page.put("<div><div class=\"of\"><span>", name, "</span><span>");
            page.text(percent(asked, have)).markup("</span></div>");
            let free = (Ink::Free, asked.min(have), have);
            thin_bar(page, have, &[(Ink::Part, 0, asked), free]);
            page.markup("</div>");
        }
        page.markup("</div></td>");
        page.markup("</tr>\n");
    }
    let rest = [
        ("Instances that are no node here", spend.other_instances),
        ("Volumes, attached", spend.attached_volumes),
        ("Volumes, attached to nothing", spend.unattached_volumes),
        ("Traffic between zones, by pair", spend.cross_zone_traffic),
    ];
    for (name, line) in rest.iter().filter(|(_, line)| line.count > 0) {
        page.put("<tr><th scope=\"row\">", name, "</th>");
        amounts(page, *line, whole);
        page.markup("<td></td></tr>\n");
    }
    page.markup("</tbody>\n<tfoot><tr><th scope=\"row\">All</th><td></td>")
        .put("<td class=\"n\">", dollars(whole), "</td>")
        .markup("<td class=\"wide\"></td><td></td></tr></tfoot>\n</table>\n");
}

fn clamp(amount: u64) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}

fn pool_name(page: &mut Page, pool: &PoolSpend, with_cluster: bool) {
    if with_cluster {
        page.text(&pool.cluster).markup(" / ");
    }
    page.text(pool.pool.as_deref().unwrap_or("nodes without a pool"));
    page.markup(" <span class=\"tag\">");
    match pool.capacity_type {
        Some(capacity_type) => page.text(capacity_type),
        None => page.markup("how it is paid for is not known"),
    };
    page.markup("</span>");
}

fn amounts(page: &mut Page, line: Line, whole: MicroUsdPerMonth) {
    page.put(
        "<td class=\"n\">",
        count(line.count),
        "</td><td class=\"n\">",
    );
    if line.unpriced == line.count && line.count > 0 {
        page.markup("no price");
    } else {
        page.text(dollars(line.per_month));
        if line.unpriced > 0 {
            page.put(
                " <span class=\"tag\">",
                count(line.unpriced),
                " unpriced</span>",
            );
        }
    }
    page.put(
        "</td><td class=\"n wide\">",
        percent(line.per_month.0, whole.0),
        "</td>",
    );
}

/// What everything costs after each step.
fn steps_curve(page: &mut Page, summary: &Summary<'_>) {
    let mut points = vec![summary.now().0];
    for step in &summary.plan.steps {
        let before = points.last().copied().unwrap_or(0);
        points.push(before.saturating_sub(step.saves_per_month.map_or(0, |s| s.0)));
    }
    if points.len() < 4 || points.iter().all(|p| Some(p) == points.first()) {
        return;
    }
    page.markup("<figure>\n<figcaption>Cost a month after each step</figcaption>\n");
    curve(page, &points, None);
    page.put(
        "<div class=\"ends\"><span>now ",
        dollars(summary.now()),
        "</span>",
    );
    let last = count(summary.plan.steps.len() as u64);
    page.put("<span>after step ", last, ": ");
    page.text(dollars(summary.after()))
        .markup("</span></div>\n</figure>\n");
}

/// An amount with its colour: a cost is not shown as a saving.
pub(super) fn amount(page: &mut Page, saves: Option<MicroUsdPerMonth>) {
    match saves {
        Some(saves) if saves.0 < 0 => {
            page.put("<span class=\"costs\">", cents(saves), "</span>");
        }
        Some(saves) => {
            page.text(cents(saves));
        }
        None => {
            page.markup("\u{2013}");
        }
    }
}
