//! The chart of saving against moves.
//!
//! It has no view box: places are shares of its width and height, so that it
//! fills its room while points stay round and lines stay thin. Words are HTML.

use super::format::{count, dollars};
use super::page::Page;
use crate::model::MicroUsdPerMonth;

/// Most steps of an axis.
const STEPS: u64 = 5;

/// An axis from zero in even steps of 1, 2 or 5 times a power of ten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    step: u64,
    steps: u64,
}

impl Axis {
    /// The axis with the fewest steps that reaches `most`.
    pub(super) fn of(most: u64) -> Self {
        let most = most.max(1);
        let mut scale: u64 = 1;
        loop {
            for factor in [1, 2, 5] {
                let step = scale.saturating_mul(factor);
                let steps = most.div_ceil(step);
                if steps <= STEPS {
                    return Self { step, steps };
                }
            }
            scale = scale.saturating_mul(10);
        }
    }

    const fn end(self) -> u64 {
        self.step.saturating_mul(self.steps)
    }

    fn ticks(self) -> impl DoubleEndedIterator<Item = u64> {
        (0..=self.steps).map(move |i| i.saturating_mul(self.step))
    }

    /// Per mille of the axis, at its ends at most; `parts` of a unit are counted.
    fn place(self, value: u64, parts: u64) -> u64 {
        let end = u128::from(self.end()) * u128::from(parts);
        let share = (u128::from(value) * 1000 + end / 2) / end.max(1);
        u64::try_from(share).map_or(1000, |s| s.min(1000))
    }
}

/// Something at a place, with words that are shown when one points at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) moved: u64,
    pub(super) saves: MicroUsdPerMonth,
    pub(super) title: String,
}

/// What is drawn.
#[derive(Debug)]
pub(super) struct Plot<'a> {
    /// Pods.
    pub(super) x: Axis,
    /// Dollars a month.
    pub(super) y: Axis,
    /// From fewest moves to most: the point, the most that so few moves can
    /// save, and whether it is the chosen one.
    pub(super) points: &'a [(Mark, MicroUsdPerMonth, bool)],
    /// The most that any number of moves can save.
    pub(super) most: MicroUsdPerMonth,
    pub(super) prefix: Option<&'a Mark>,
}

impl Plot<'_> {
    fn x(&self, moved: u64) -> u64 {
        self.x.place(moved, 1)
    }

    /// From the top down. What would cost more is at the bottom.
    fn y(&self, saves: MicroUsdPerMonth) -> u64 {
        let micro = u64::try_from(saves.0).unwrap_or(0);
        1000 - self.y.place(micro, 1_000_000)
    }
}

/// A line between two places, in per mille from the left and from the top.
fn line(page: &mut Page, open: &'static str, from: (u64, u64), to: (u64, u64)) {
    page.markup(open).markup(" x1=\"").share(from.0);
    page.markup("\" y1=\"").share(from.1);
    page.markup("\" x2=\"").share(to.0);
    page.markup("\" y2=\"").share(to.1).markup("\"/>");
}

pub(super) fn plot(page: &mut Page, plot: &Plot<'_>) {
    page.markup(
        "<figure class=\"plot\">\n<figcaption>Saved, USD a month</figcaption>\n\
         <div class=\"ys\" aria-hidden=\"true\">",
    );
    for tick in plot.y.ticks().rev() {
        let micro = i64::try_from(tick.saturating_mul(1_000_000)).unwrap_or(i64::MAX);
        page.put("<span>", dollars(MicroUsdPerMonth(micro)), "</span>");
    }
    page.markup("</div>\n<svg aria-hidden=\"true\">");
    for tick in plot.y.ticks() {
        let y = 1000 - plot.y.place(tick, 1);
        line(page, "<line class=\"grid\"", (0, y), (1000, y));
    }
    for tick in plot.x.ticks() {
        let x = plot.x(tick);
        line(page, "<line class=\"grid\"", (x, 1000), (x, 1000 - 12));
    }
    areas(page, plot);
    bounds(page, plot);
    marks(page, plot);
    page.markup("</svg>\n<div class=\"xs\" aria-hidden=\"true\">");
    for tick in plot.x.ticks() {
        page.put("<span>", count(tick), "</span>");
    }
    page.markup("</div>\n<div class=\"xt\">Pods moved</div>\n</figure>\n");
}

/// What is reached from each number of moves on.
fn areas(page: &mut Page, plot: &Plot<'_>) {
    let next = plot.points.iter().skip(1).map(|(mark, ..)| mark.moved);
    let ends = next.map(|moved| plot.x(moved)).chain([1000]);
    let mut before = None;
    for ((mark, ..), end) in plot.points.iter().zip(ends) {
        let (x, y) = (plot.x(mark.moved), plot.y(mark.saves));
        page.markup("<rect class=\"reach\" x=\"").share(x);
        page.markup("\" y=\"").share(y);
        page.markup("\" width=\"").share(end.saturating_sub(x));
        page.markup("\" height=\"").share(1000 - y).markup("\"/>");
        if let Some(before) = before.replace(y) {
            line(page, "<line class=\"reach\"", (x, before), (x, y));
        }
        line(page, "<line class=\"reach\"", (x, y), (end, y));
    }
}

/// The bound of a point holds for fewer moves too: steps that end at the points.
fn bounds(page: &mut Page, plot: &Plot<'_>) {
    let mut at = 0;
    let mut before: Option<u64> = None;
    let last = (1000, plot.y(plot.most));
    let all = plot.points.iter();
    let all = all.map(|(mark, most, _)| (plot.x(mark.moved), plot.y(*most)));
    for (x, y) in all.chain([last]) {
        if let Some(before) = before.filter(|b| *b != y) {
            line(page, "<line class=\"bound\"", (at, before), (at, y));
        }
        if x > at {
            line(page, "<line class=\"bound\"", (at, y), (x, y));
        }
        at = x;
        before = Some(y);
    }
    for (mark, most, _) in plot.points {
        let (x, low, high) = (plot.x(mark.moved), plot.y(mark.saves), plot.y(*most));
        if high < low {
            line(page, "<line class=\"gap\"", (x, low), (x, high));
        }
    }
}

fn marks(page: &mut Page, plot: &Plot<'_>) {
    let circle = |page: &mut Page, open: &'static str, mark: &Mark| {
        page.markup(open).markup("cx=\"").share(plot.x(mark.moved));
        page.markup("\" cy=\"").share(plot.y(mark.saves));
        page.put("\"><title>", &mark.title, "</title></circle>");
    };
    for (mark, ..) in plot.points.iter().filter(|p| !p.2) {
        circle(page, "<circle class=\"reach\" r=\"3.5\" ", mark);
    }
    if let Some(mark) = plot.prefix {
        page.markup("<svg class=\"prefix\" x=\"")
            .share(plot.x(mark.moved));
        page.markup("\" y=\"").share(plot.y(mark.saves));
        page.put("\"><title>", &mark.title, "</title>");
        page.markup("<path d=\"M0-7 7 0 0 7-7 0Z\"/></svg>");
    }
    for (mark, ..) in plot.points.iter().filter(|p| p.2) {
        circle(page, "<circle class=\"chosen\" r=\"6\" ", mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(most: u64) -> (u64, u64) {
        let axis = Axis::of(most);
        (axis.step, axis.end())
    }

    #[test]
    fn an_axis_reaches_what_it_shows_in_few_round_steps() {
        assert_eq!(ends(0), (1, 1));
        assert_eq!(ends(5), (1, 5));
        assert_eq!(ends(6), (2, 6));
        assert_eq!(ends(913), (200, 1_000));
        assert_eq!(ends(1_001), (500, 1_500));
        let (_, end) = ends(u64::MAX);
        assert!(end >= 1 << 63);
    }

    #[test]
    fn a_place_is_a_share_of_the_axis_and_never_outside() {
        let axis = Axis::of(200);
        assert_eq!(axis.place(50, 1), 250);
        assert_eq!(axis.place(50_000_000, 1_000_000), 250);
        assert_eq!(axis.place(u64::MAX, 1), 1000);
    }

    #[test]
    fn the_bound_of_a_point_is_drawn_down_to_fewer_moves() {
        let mark = |moved, usd: i64| Mark {
            moved,
            saves: MicroUsdPerMonth(usd * 1_000_000),
            title: String::new(),
        };
        let usd = |n: i64| MicroUsdPerMonth(n * 1_000_000);
        let points = [
            (mark(0, 0), usd(0), false),
            (mark(50, 40), usd(60), true),
            (mark(100, 80), usd(90), false),
        ];
        let mut page = Page::default();
        bounds(
            &mut page,
            &Plot {
                x: Axis::of(100),
                y: Axis::of(100),
                points: &points,
                most: usd(100),
                prefix: None,
            },
        );
        let svg = page.finish();
        // From no move to 50 at 60 dollars: 40 % from the top.
        assert!(
            svg.contains("x1=\"0.0%\" y1=\"40.0%\" x2=\"50.0%\" y2=\"40.0%\""),
            "{svg}"
        );
        // From 40 dollars reached up to 60 proven.
        assert!(
            svg.contains("x1=\"50.0%\" y1=\"60.0%\" x2=\"50.0%\" y2=\"40.0%\""),
            "{svg}"
        );
        assert_eq!(svg.matches("class=\"gap\"").count(), 2);
    }
}
