//! The page's lists: findings, steps, what was left, and where it comes from.

use super::format::{capitalised, cents, count, counted, moment, span};
use super::html::amount;
use super::page::Page;
use super::summary::{Group, Summary, doing, engine_name, missing, sentences};
use super::{Report, provenance};
use crate::decision::{Action, MissingEvidence, Reason, Subject, Undo};
use crate::engines::NotJudged;
use crate::input::LoadReport;
use crate::plan::Step;

/// Findings shown before the rest is folded away.
const SHOWN: usize = 12;

pub(super) fn findings(page: &mut Page, summary: &Summary<'_>) {
    page.markup("<h2 id=\"findings\">Largest findings</h2>\n");
    let largest = summary.largest();
    let (saving, rest): (Vec<&Group<'_>>, Vec<&Group<'_>>) = largest
        .into_iter()
        .partition(|g| g.saves.is_some_and(|s| s.0 > 0));
    if saving.is_empty() && rest.is_empty() {
        page.markup("<p>The plan changes nothing.</p>\n");
        return;
    }
    let (first, more) = saving.split_at(saving.len().min(SHOWN));
    if first.is_empty() {
        page.markup("<p>No step has a saving of its own.</p>\n");
    } else {
        group_table(page, "What the plan does, by what it saves a month", first);
    }
    if !more.is_empty() {
        page.put(
            "<details><summary>",
            counted(more.len() as u64, "smaller finding", "smaller findings"),
            "</summary>\n",
        );
        group_table(page, "Smaller findings", more);
        page.markup("</details>\n");
    }
    if !rest.is_empty() {
        let n = counted(rest.len() as u64, "change", "changes");
        page.put(
            "<details><summary>",
            n,
            " that cost, or whose saving is counted where a node goes</summary>\n",
        );
        group_table(page, "Changes without a saving of their own", &rest);
        page.markup("</details>\n");
    }
}

fn group_table(page: &mut Page, caption: &str, groups: &[&Group<'_>]) {
    page.put("<table>\n<caption>", caption, "</caption>\n<thead><tr>");
    page.markup(
        "<th scope=\"col\">Finding and reason</th><th scope=\"col\" class=\"wide\">Engine</th>\
         <th scope=\"col\" class=\"n\">Saves</th></tr></thead>\n<tbody>\n",
    );
    for group in groups {
        page.put("<tr><td>", capitalised(&doing(group)), "");
        why(page, group.reasons, &[]);
        page.markup("</td>");
        page.put(
            "<td class=\"wide tag\">",
            engine_name(group.engine),
            "</td><td class=\"n\">",
        );
        amount(page, group.saves);
        page.markup("</td></tr>\n");
    }
    page.markup("</tbody>\n</table>\n");
}

/// Reasons shown before the rest is folded away.
const REASONS: usize = 3;

/// Why, and what is missing; from the fourth reason on folded away.
fn why(page: &mut Page, reasons: &[Reason], evidence: &[MissingEvidence]) {
    let shown = if reasons.len() > REASONS + 1 {
        REASONS
    } else {
        reasons.len()
    };
    let (first, more) = reasons.split_at(shown);
    page.put("<div class=\"why\">", capitalised(&sentences(first)), "");
    if !evidence.is_empty() {
        page.put(". Missing: ", missing(evidence), "");
    }
    page.markup("</div>");
    if !more.is_empty() {
        let n = counted(more.len() as u64, "more reason", "more reasons");
        page.put("<details class=\"more\"><summary>", n, "</summary>");
        page.put("<div>", capitalised(&sentences(more)), "</div></details>");
    }
}

pub(super) fn stakes(page: &mut Page, summary: &Summary<'_>) {
    page.markup("<h2 id=\"stake\">At stake</h2>\n");
    if summary.stakes.is_empty() {
        page.markup("<p>Nothing waits for evidence.</p>\n");
        return;
    }
    page.markup(
        "<p class=\"soft\">What could be saved once evidence is there. Amounts may overlap and \
         are in no sum.</p>\n",
    );
    let (first, more) = summary.stakes.split_at(summary.stakes.len().min(SHOWN));
    stake_table(page, first);
    if !more.is_empty() {
        page.put(
            "<details><summary>",
            count(more.len() as u64),
            " more</summary>\n",
        );
        stake_table(page, more);
        page.markup("</details>\n");
    }
}

fn stake_table(page: &mut Page, stakes: &[super::summary::Stake<'_>]) {
    page.markup(
        "<table>\n<caption>What is at stake, and what is missing before an act</caption>\n\
         <thead><tr><th scope=\"col\">Subject, reason, what is missing</th>\
         <th scope=\"col\" class=\"wide\">Engine</th>\
         <th scope=\"col\" class=\"n\">At stake</th></tr></thead>\n<tbody>\n",
    );
    for stake in stakes {
        let decision = stake.decision;
        page.put("<tr><td>", &decision.subject, "");
        why(page, &decision.reasons, &decision.missing_evidence);
        page.markup("</td>");
        page.put(
            "<td class=\"wide tag\">",
            engine_name(decision.engine),
            "</td>",
        );
        page.put(
            "<td class=\"n stake\">",
            cents(stake.amount),
            "</td></tr>\n",
        );
    }
    page.markup("</tbody>\n</table>\n");
}

pub(super) fn steps(page: &mut Page, summary: &Summary<'_>) {
    page.markup("<h2 id=\"steps\">Steps, in order</h2>\n");
    let steps = &summary.plan.steps;
    if steps.is_empty() {
        page.markup("<p>There is nothing to do.</p>\n");
        return;
    }
    page.put(
        "<p class=\"soft\">Before each step its conditions are checked again. ",
        format_args!(
            "Together they take about {}; none is done after {}.",
            span(summary.seconds),
            moment(summary.plan.expires_at)
        ),
        "</p>\n",
    );
    for group in &summary.groups {
        page.markup("<details><summary>");
        page.text(capitalised(&doing(group)));
        page.put(" <span class=\"tag\">", engine_name(group.engine), "");
        if let Some(saves) = group.saves {
            let word = if saves.0 < 0 { "costs" } else { "saves" };
            let amount = if saves.0 < 0 { -saves } else { saves };
            page.put(", ", word, " ")
                .text(cents(amount))
                .markup(" a month");
        }
        page.markup("</span></summary>\n");
        page.put(
            "<p class=\"why\">",
            capitalised(&sentences(group.reasons)),
            "</p>\n<ol class=\"steps\">\n",
        );
        for (number, step) in &group.steps {
            one_step(page, *number, step);
        }
        page.markup("</ol>\n</details>\n");
    }
}

fn one_step(page: &mut Page, number: usize, step: &Step) {
    page.put("<li><span class=\"no\">", number, "</span><div>");
    page.text(capitalised(&step.action.to_string()));
    if let Action::DrainNode { moves, .. } = &step.action {
        page.markup("<div class=\"why\">");
        for (i, moved) in moves.iter().enumerate() {
            let to = moved.to.as_ref().map_or("a new node", |node| node.as_str());
            page.markup(if i == 0 { "" } else { ", " });
            page.text(&moved.pod).markup(" \u{2192} ").text(to);
        }
        page.markup("</div>");
    }
    page.markup("<div class=\"why\">Undo: ");
    match &step.undo {
        Undo::Action { action } => page.text(action),
        Undo::ReplacedByOwner => page.markup("none needed, its owner makes a new one on demand"),
        Undo::Manual { how } => page.text(how),
    };
    if !step.preconditions.is_empty() {
        let all: Vec<String> = step.preconditions.iter().map(ToString::to_string).collect();
        page.put(". Only if ", all.join(", and "), "");
    }
    page.put(
        "</div></div><span class=\"tag\">",
        span(step.estimated_seconds),
        "</span></li>\n",
    );
}

pub(super) fn declined(page: &mut Page, summary: &Summary<'_>) {
    page.markup("<h2 id=\"declined\">Left as it is, and why</h2>\n");
    if !summary.left_out.is_empty() {
        let n = counted(summary.left_out.len() as u64, "decision", "decisions");
        page.put(
            "<details><summary>",
            n,
            " to act that are not in this plan</summary>\n",
        );
        page.markup(
            "<table>\n<caption>Decisions that the plan leaves out</caption>\n<thead><tr>\
             <th scope=\"col\">Subject and why it is left out</th>\
             <th scope=\"col\" class=\"wide\">Engine</th></tr></thead>\n<tbody>\n",
        );
        for declined in &summary.left_out {
            let decision = &declined.decision;
            page.put("<tr><td>", &decision.subject, "");
            page.put(
                "<div class=\"why\">",
                capitalised(&declined.because.to_string()),
                "",
            );
            page.put(
                ". Proposed because ",
                sentences(&decision.reasons),
                "</div></td>",
            );
            page.put(
                "<td class=\"wide tag\">",
                engine_name(decision.engine),
                "</td></tr>\n",
            );
        }
        page.markup("</tbody>\n</table>\n</details>\n");
    }
    for engine in &summary.plan.engines {
        let keeps: Vec<_> = summary
            .keeps
            .iter()
            .filter(|k| k.engine == engine.engine)
            .collect();
        if keeps.is_empty() {
            continue;
        }
        let n: u64 = keeps.iter().map(|k| k.count).sum();
        page.put(
            "<details><summary>",
            engine_name(engine.engine),
            " <span class=\"tag\">",
        );
        page.text(counted(n, "subject", "subjects"));
        page.markup(
            "</span></summary>\n<table>\n<caption>By kind of reason; every one is in the \
             plan&#39;s JSON</caption>\n<thead><tr><th scope=\"col\">Reason</th>\
             <th scope=\"col\" class=\"n\">Subjects</th></tr></thead>\n<tbody>\n",
        );
        for keeps in keeps {
            page.markup("<tr><td>");
            match &keeps.shared {
                Some(sentence) => page.text(capitalised(sentence)),
                None => page
                    .text(capitalised(&sentences(&keeps.example.reasons)))
                    .put(
                        " <span class=\"tag\">such as ",
                        &keeps.example.subject,
                        "</span>",
                    ),
            };
            page.put("</td><td class=\"n\">", count(keeps.count), "</td></tr>\n");
        }
        page.markup("</tbody>\n</table>\n</details>\n");
    }
    if summary.left_out.is_empty() && summary.keeps.is_empty() {
        page.markup("<p>Nothing was left out.</p>\n");
    }
}

/// What an engine could not judge, with the same missing evidence put together.
pub(super) fn unjudged(all: &[NotJudged]) -> Vec<(u64, String, Option<String>)> {
    let mut kinds: std::collections::BTreeMap<String, (u64, Option<String>)> = Default::default();
    for one in all {
        let entry = kinds.entry(one.missing.to_string()).or_default();
        entry.0 = entry.0.saturating_add(one.count);
        // That a whole cluster is meant says the count.
        let named = |subject: &&Subject| !matches!(subject, Subject::Cluster { .. });
        if entry.1.is_none() {
            entry.1 = one.subject.as_ref().filter(named).map(ToString::to_string);
        }
    }
    let mut kinds: Vec<_> = kinds
        .into_iter()
        .map(|(missing, (n, example))| (n, missing, example))
        .collect();
    kinds.sort_by_key(|(n, _, _)| std::cmp::Reverse(*n));
    kinds
}

pub(super) fn not_judged(page: &mut Page, summary: &Summary<'_>) {
    page.markup("<h2 id=\"unjudged\">What could not be judged</h2>\n");
    if summary.plan.engines.iter().all(|e| e.not_judged.is_empty()) {
        page.markup("<p>Every engine could judge everything in its scope.</p>\n");
        return;
    }
    page.markup(
        "<table>\n<caption>What is missing, per engine</caption>\n<thead><tr>\
         <th scope=\"col\">Engine</th><th scope=\"col\">Missing</th>\
         <th scope=\"col\" class=\"n\">Objects</th></tr></thead>\n<tbody>\n",
    );
    for engine in &summary.plan.engines {
        for (i, (n, missing, example)) in unjudged(&engine.not_judged).into_iter().enumerate() {
            let name = if i == 0 {
                engine_name(engine.engine)
            } else {
                ""
            };
            page.put("<tr><th scope=\"row\">", name, "</th><td>");
            page.text(&missing);
            if let Some(example) = example {
                let word = if n > 1 { "such as " } else { "" };
                page.put(" <span class=\"tag\">", word, "")
                    .text(example)
                    .markup("</span>");
            }
            page.put("</td><td class=\"n\">", count(n), "</td></tr>\n");
        }
    }
    page.markup("</tbody>\n</table>\n");
}

pub(super) fn alternatives(page: &mut Page, summary: &Summary<'_>) {
    let engines = &summary.plan.engines;
    if engines
        .iter()
        .all(|e| e.alternatives.is_empty() && e.figures.is_empty())
    {
        return;
    }
    page.markup("<h2 id=\"alternatives\">Other plans, and proofs</h2>\n");
    if engines.iter().any(|e| !e.alternatives.is_empty()) {
        page.markup(
            "<table>\n<caption>Plans that were considered and not taken</caption>\n<thead><tr>\
             <th scope=\"col\">Plan</th><th scope=\"col\" class=\"wide\">Engine</th>\
             <th scope=\"col\" class=\"n\">Moves</th><th scope=\"col\" class=\"n\">Would save</th>\
             </tr></thead>\n<tbody>\n",
        );
        for engine in engines {
            for other in &engine.alternatives {
                page.put("<tr><td>", capitalised(&other.what), "</td>");
                page.put(
                    "<td class=\"wide tag\">",
                    engine_name(engine.engine),
                    "</td>",
                );
                page.put(
                    "<td class=\"n\">",
                    count(other.moves),
                    "</td><td class=\"n\">",
                );
                amount(page, other.saves_per_month);
                page.markup("</td></tr>\n");
            }
        }
        page.markup("</tbody>\n</table>\n");
    }
    if engines.iter().any(|e| !e.figures.is_empty()) {
        page.markup(
            "<details><summary>How the figures were obtained</summary>\n<ul class=\"plain\">\n",
        );
        for engine in engines {
            for figures in &engine.figures {
                page.put("<li>", capitalised(&figures.of), "");
                page.put(
                    " <span class=\"tag\">",
                    engine_name(engine.engine),
                    "</span><div class=\"why\">",
                );
                let rates = [
                    ("now ", figures.cost_now),
                    ("after ", figures.cost_after),
                    ("lower bound ", figures.lower_bound),
                ];
                for (name, rate) in rates {
                    page.markup(name);
                    match rate {
                        Some(rate) => page.text(rate),
                        None => page.markup("unknown"),
                    };
                    page.markup("; ");
                }
                page.text(counted(figures.moves, "move", "moves"));
                if !figures.proof.is_empty() {
                    page.put(". ", capitalised(&figures.proof), "");
                }
                page.markup("</div></li>\n");
            }
        }
        page.markup("</ul>\n</details>\n");
    }
}

pub(super) fn provenance(page: &mut Page, report: &Report<'_>) {
    page.markup("<h2 id=\"sources\">Sources</h2>\n");
    if let Some(load) = report.load {
        documents(page, load);
    }
    let Some(inputs) = report.inputs else {
        page.markup("<p>The plan was given without the snapshot it was made from.</p>\n");
        return;
    };
    let prices = provenance::prices(inputs);
    if !prices.is_empty() {
        page.markup(
            "<table>\n<caption>Prices of the catalogue that are used here</caption>\n<thead><tr>\
             <th scope=\"col\">What</th><th scope=\"col\">As of</th><th scope=\"col\">Basis</th>\
             <th scope=\"col\" class=\"n\">Prices</th></tr></thead>\n<tbody>\n",
        );
        for price in prices {
            page.put("<tr><th scope=\"row\">", capitalised(price.what), "</th>");
            page.put("<td>", price.as_of, "</td>")
                .put("<td>", price.basis, "</td>");
            page.put("<td class=\"n\">", count(price.prices), "</td></tr>\n");
        }
        page.markup("</tbody>\n</table>\n");
    }
    let unpriced = provenance::unpriced_types(inputs);
    if !unpriced.is_empty() {
        let all: Vec<String> = unpriced
            .iter()
            .map(|(name, n)| format!("{name} ({n})"))
            .collect();
        page.put(
            "<p>Nodes without a price, in no sum: ",
            all.join(", "),
            "</p>\n",
        );
    }
    let parts = provenance::parts(inputs);
    let (whole, holes): (Vec<_>, Vec<_>) = parts.iter().partition(|p| p.gap.is_none());
    page.markup("<details><summary>");
    page.text(format_args!(
        "{} complete, {} with holes or absent",
        counted(
            whole.len() as u64,
            "part of the snapshot is",
            "parts of the snapshot are"
        ),
        count(holes.len() as u64)
    ));
    page.markup(
        "</summary>\n<table>\n<caption>What is known of the snapshot. A part with holes can stop \
         an act and never justifies one.</caption>\n<thead><tr><th scope=\"col\">Part</th>\
         <th scope=\"col\" class=\"wide\">Of</th><th scope=\"col\">Known</th>\
         <th scope=\"col\" class=\"n\">Items</th></tr></thead>\n<tbody>\n",
    );
    for part in holes.iter().chain(&whole) {
        page.put("<tr><th scope=\"row\">", capitalised(part.part), "</th>");
        page.put("<td class=\"wide tag\">", &part.of, "</td><td>");
        match &part.gap {
            Some(gap) if part.unknown => page.put("unknown: ", gap, ""),
            Some(gap) => page.put("partial: ", gap, ""),
            None => page.markup("complete"),
        };
        if !part.source.is_empty() {
            page.put(" <span class=\"tag\">", &part.source, "</span>");
        }
        page.markup("</td><td class=\"n\">");
        if part.unknown {
            page.markup("\u{2013}");
        } else {
            page.text(count(part.items));
        }
        page.markup("</td></tr>\n");
    }
    page.markup("</tbody>\n</table>\n</details>\n");
}

/// What was read from which documents, and what was not.
fn documents(page: &mut Page, load: &LoadReport) {
    let problems = provenance::problems(load);
    if !problems.is_empty() {
        page.markup("<details open><summary>What could not be read</summary>\n")
            .markup("<ul class=\"plain\">\n");
        for problem in &problems {
            page.put("<li>", capitalised(problem), "</li>\n");
        }
        page.markup("</ul>\n</details>\n");
    }
    let read: u64 = load.kinds.values().sum();
    page.markup("<details><summary>").text(format_args!(
        "{} read from {}",
        counted(read, "object", "objects"),
        counted(load.files.len() as u64, "document", "documents")
    ));
    page.markup(
        "</summary>\n<table>\n<caption>Documents, as they were given</caption>\n<thead><tr>\
         <th scope=\"col\">Document</th><th scope=\"col\">Holds</th>\
         <th scope=\"col\" class=\"n\">Bytes</th></tr></thead>\n<tbody>\n",
    );
    for file in &load.files {
        page.put("<tr><td><code>", &file.name, "</code></td><td>");
        match &file.refused {
            Some(_) => page.markup("not read"),
            None => page.text(&file.holds),
        };
        page.put("</td><td class=\"n\">", count(file.bytes), "</td></tr>\n");
    }
    page.markup("</tbody>\n</table>\n</details>\n");
}
