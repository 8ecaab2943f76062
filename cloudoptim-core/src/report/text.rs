//! The table for a terminal.

use super::format::{
    capitalised, cents, cents_or, count, counted, dollars, moment, per_hour, percent, span,
};
use super::frontier::{name_of, nothing, prefix_words, reached};
use super::html::{dash, gap};
use super::lists::unjudged;
use super::optimum::dearest;
use super::page::plain;
use super::summary::{Summary, doing, engine_name, missing, sentences};
use super::{Report, provenance};
use crate::model::{MicroUsdPerHour, TakenAtBasis};

/// Lines of each list; the page and the JSON have the rest.
const SHOWN: usize = 8;
/// Lines of reasons below an entry.
const BELOW: usize = 3;
/// Columns of an amount.
const AMOUNT: usize = 11;

struct Text {
    out: String,
    width: usize,
}

impl Text {
    fn line(&mut self, line: &str) {
        self.out.push_str(line.trim_end());
        self.out.push('\n');
    }

    /// A blank line and a heading.
    fn heading(&mut self, heading: &str) {
        self.line("");
        self.line(heading);
    }

    /// `words` wrapped into lines that start with `indent` spaces, the first
    /// with `lead` in their place.
    fn wrapped(&mut self, lead: &str, indent: usize, words: &str) {
        let mut line = format!("{lead:<indent$}");
        let mut used = line.chars().count();
        let mut empty = true;
        for word in words.split_whitespace() {
            // What has no place to break, as long names have none, is cut where the line ends.
            let mut word = word;
            while let Some((cut, _)) = word.char_indices().nth(self.width.saturating_sub(indent)) {
                if !empty {
                    self.line(&line);
                    line = " ".repeat(indent);
                }
                let (now, later) = word.split_at(cut);
                line.push_str(now);
                self.line(&line);
                line = " ".repeat(indent);
                (used, empty, word) = (indent, true, later);
            }
            let length = word.chars().count();
            if !empty && used + 1 + length > self.width {
                self.line(&line);
                line = " ".repeat(indent);
                used = indent;
                empty = true;
            }
            if !empty {
                line.push(' ');
                used += 1;
            }
            line.push_str(word);
            used += length;
            empty = false;
        }
        self.line(&line);
    }

    /// An amount to the right, then words, then softer words below.
    fn entry(&mut self, amount: &str, words: &str, below: &str) {
        let lead = format!("{amount:>AMOUNT$}  ");
        self.wrapped(&lead, AMOUNT + 2, &plain(words));
        if !below.is_empty() {
            let start = self.out.len();
            self.wrapped("", AMOUNT + 4, &plain(below));
            self.cut(start);
        }
    }

    /// Cuts what was written since `start` after [`BELOW`] lines.
    fn cut(&mut self, start: usize) {
        let written = self.out.split_off(start);
        let lines: Vec<&str> = written.lines().collect();
        for (i, line) in lines.iter().take(BELOW).enumerate() {
            if i + 1 == BELOW && lines.len() > BELOW {
                let room = self.width.saturating_sub(2);
                let short: String = line.chars().take(room).collect();
                self.line(&format!("{short} \u{2026}"));
            } else {
                self.line(line);
            }
        }
    }

    fn more(&mut self, all: usize) {
        if all > SHOWN {
            let rest = count((all - SHOWN) as u64);
            self.wrapped("", AMOUNT + 2, &format!("and {rest} more"));
        }
    }
}

pub(super) fn render(report: &Report<'_>, width: usize) -> String {
    let summary = Summary::of(report);
    let mut text = Text {
        out: String::new(),
        width,
    };
    text.line(&plain(report.heading()));
    head(&mut text, report, &summary);
    frontiers(&mut text, report);
    constraints(&mut text, report);
    engines(&mut text, &summary);
    findings(&mut text, &summary);
    stakes(&mut text, &summary);
    left_out(&mut text, &summary);
    not_judged(&mut text, &summary);
    sources(&mut text, report);
    text.out
}

fn head(text: &mut Text, report: &Report<'_>, summary: &Summary<'_>) {
    let plan = summary.plan;
    let totals = &plan.totals;
    let guessed =
        report.inputs.map(|i| i.snapshot.taken_at_basis) == Some(TakenAtBasis::LatestTimestamp);
    let basis = if guessed {
        ", the latest time in the input"
    } else {
        ""
    };
    let moments = format!(
        "as of {}{basis}; plan valid until {}",
        moment(plan.made_at),
        moment(plan.expires_at)
    );
    text.wrapped("", 0, &moments);
    text.line("");
    let mut row = |name: &str, amount: &str, note: &str| {
        let lead = format!("{name:<20}{amount:>AMOUNT$}  ");
        text.wrapped(&lead, 20 + AMOUNT + 2, note);
    };
    let nodes = format!("a month, {}", counted(totals.nodes, "node", "nodes"));
    let others = if summary.spend.is_some() {
        " and what else is in view"
    } else {
        ""
    };
    row(
        "Cost now",
        &dollars(summary.now()),
        &format!("{nodes}{others}"),
    );
    row("After the plan", &dollars(summary.after()), "a month");
    let share = format!(
        "a month, {} of the cost now",
        percent(totals.saves_per_month.0, summary.now().0)
    );
    row("The plan saves", &dollars(totals.saves_per_month), &share);
    let hourly = |rate: MicroUsdPerHour| format!("{} an hour", per_hour(rate));
    row(
        "Nodes now",
        &dollars(totals.nodes_per_hour.per_month()),
        &hourly(totals.nodes_per_hour),
    );
    row(
        "Nodes after",
        &dollars(totals.nodes_per_hour_after.per_month()),
        &hourly(totals.nodes_per_hour_after),
    );
    match summary.bound() {
        Some(bound) => {
            let gap = gap(summary).unwrap_or_else(|| "\u{2013}".to_owned());
            let note = format!("{}; the plan is {gap} above", hourly(bound));
            row("Lower bound, nodes", &dollars(bound.per_month()), &note);
        }
        None => row("Lower bound, nodes", "\u{2013}", "none was proven"),
    }
    let steps = counted(plan.steps.len() as u64, "step", "steps");
    let work = format!("pods, in {steps}, about {}", span(summary.seconds));
    row("Moves", &count(totals.moves), &work);
    if totals.unpriced_nodes > 0 {
        row(
            "Without a price",
            &count(totals.unpriced_nodes),
            "nodes, in no sum",
        );
    }
}

/// Of each cluster's frontier the chosen point, the ends and the baseline.
fn frontiers(text: &mut Text, report: &Report<'_>) {
    if !report.repackings.is_empty() {
        text.heading("Repacking alone, dollars a month and pods moved");
    }
    for (uid, repacking) in report.repackings {
        let name = plain(name_of(report, uid));
        let points = reached(report, repacking);
        if !points.iter().any(|p| p.saves.0 > 0) {
            text.wrapped("  ", 2, &plain(format!("{name}: {}", nothing(repacking))));
            continue;
        }
        let last = points.len() - 1;
        for (i, p) in points.iter().enumerate() {
            if p.saves.0 <= 0 || !(p.chosen || i == last) {
                continue;
            }
            let which = if p.chosen { "chosen" } else { "most moves" };
            let moved = counted(p.point.moved, "pod moves", "pods move");
            let most = dollars(p.at_most);
            let words = format!("{name}, {which}: {moved}; at most {most} for so few, proven");
            text.entry(&dollars(p.saves), &words, "");
        }
        if let Some(words) = prefix_words(repacking) {
            text.entry("", &words, "");
        }
    }
}

fn constraints(text: &mut Text, report: &Report<'_>) {
    let all = dearest(report);
    if all.is_empty() {
        return;
    }
    text.heading("The most expensive constraints, each taken alone, in no sum");
    for (words, price) in all.iter().take(SHOWN) {
        text.entry(&cents(*price), words, "");
    }
    text.more(all.len());
}

fn engines(text: &mut Text, summary: &Summary<'_>) {
    text.heading(&format!(
        "{:<22}{:>8}{:>8}{:>AMOUNT$}{:>AMOUNT$}",
        "By engine", "acts", "leaves", "saved", "at stake"
    ));
    for engine in &summary.plan.engines {
        text.line(&format!(
            "  {:<20}{:>8}{:>8}{:>AMOUNT$}{:>AMOUNT$}",
            engine_name(engine.engine),
            count(engine.acts),
            count(engine.keeps),
            dash(engine.saves_per_month),
            dash(engine.at_stake_per_month),
        ));
    }
    let saves = dollars(summary.plan.totals.saves_per_month);
    text.line(&format!(
        "  {:<36}{saves:>AMOUNT$}",
        "saved in all; what is at stake is in no sum"
    ));
}

fn findings(text: &mut Text, summary: &Summary<'_>) {
    let largest = summary.largest();
    if largest.is_empty() {
        text.heading("The plan changes nothing.");
        return;
    }
    text.heading("Largest findings, dollars a month");
    for group in largest.iter().take(SHOWN) {
        let amount = cents_or(group.saves, "\u{2013}");
        text.entry(
            &amount,
            &capitalised(&doing(group)),
            &sentences(group.reasons),
        );
    }
    text.more(largest.len());
}

fn stakes(text: &mut Text, summary: &Summary<'_>) {
    if summary.stakes.is_empty() {
        return;
    }
    text.heading("At stake, in no sum");
    for stake in summary.stakes.iter().take(SHOWN) {
        let decision = stake.decision;
        let mut why = sentences(&decision.reasons);
        if !decision.missing_evidence.is_empty() {
            why = format!("{why}. Missing: {}", missing(&decision.missing_evidence));
        }
        text.entry(&cents(stake.amount), &decision.subject.to_string(), &why);
    }
    text.more(summary.stakes.len());
}

fn left_out(text: &mut Text, summary: &Summary<'_>) {
    if summary.left_out.is_empty() {
        return;
    }
    text.heading("Decisions to act that are not in this plan");
    for declined in summary.left_out.iter().take(SHOWN) {
        let decision = &declined.decision;
        let amount = cents_or(decision.saves_per_month, "\u{2013}");
        let because = capitalised(&declined.because.to_string());
        text.entry(&amount, &decision.subject.to_string(), &because);
    }
    text.more(summary.left_out.len());
}

fn not_judged(text: &mut Text, summary: &Summary<'_>) {
    if summary.plan.engines.iter().all(|e| e.not_judged.is_empty()) {
        return;
    }
    text.heading("Not judged, and what is missing");
    for engine in summary
        .plan
        .engines
        .iter()
        .filter(|e| !e.not_judged.is_empty())
    {
        for (n, missing, example) in unjudged(&engine.not_judged).into_iter().take(SHOWN) {
            let example = example
                .map(|e| format!(", such as {e}"))
                .unwrap_or_default();
            let words = format!("{}: {missing}{example}", engine_name(engine.engine));
            text.entry(&count(n), &words, "");
        }
    }
}

fn sources(text: &mut Text, report: &Report<'_>) {
    text.heading("Sources");
    if let Some(load) = report.load {
        let read: u64 = load.kinds.values().sum();
        let documents = counted(load.files.len() as u64, "document", "documents");
        let line = format!(
            "{} read from {documents}",
            counted(read, "object", "objects")
        );
        text.wrapped("  ", 2, &line);
        for problem in provenance::problems(load) {
            text.wrapped("  ", 4, &plain(capitalised(&problem)));
        }
    }
    let Some(inputs) = report.inputs else { return };
    for price in provenance::prices(inputs) {
        let line = format!(
            "Prices {}: {}, {} ({})",
            price.what,
            price.as_of,
            price.basis,
            count(price.prices)
        );
        text.wrapped("  ", 2, &line);
    }
    let parts = provenance::parts(inputs);
    let holes: Vec<&str> = parts
        .iter()
        .filter(|p| p.gap.is_some())
        .map(|p| p.part)
        .collect();
    if !holes.is_empty() {
        let line = format!(
            "Parts with holes or absent ({} of {}): {}",
            holes.len(),
            parts.len(),
            holes.join(", ")
        );
        text.wrapped("  ", 2, &line);
    }
}
