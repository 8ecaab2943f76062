//! Small charts as inline SVG. Words stay outside of them, in HTML: an SVG
//! that shrinks to a phone's width would shrink its letters too.

use super::format::per_mille;
use super::page::Page;

/// Width of a chart in its own units.
const WIDTH: u64 = 1000;

/// What a part of a bar stands for; each has its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Now,
    Part,
    Save,
    Cost,
    Stake,
    Free,
}

impl Ink {
    const fn rect(self) -> &'static str {
        match self {
            Self::Now => "<rect class=\"now\" height=\"10\" x=\"",
            Self::Part => "<rect class=\"part\" height=\"10\" x=\"",
            Self::Save => "<rect class=\"save\" height=\"10\" x=\"",
            Self::Cost => "<rect class=\"cost\" height=\"10\" x=\"",
            Self::Stake => "<rect class=\"stake\" height=\"10\" x=\"",
            Self::Free => "<rect class=\"free\" height=\"10\" x=\"",
        }
    }
}

/// A part of a bar, from and to in the unit of the whole.
pub(super) type Part = (Ink, i64, i64);

fn place(value: i64, whole: i64) -> u64 {
    per_mille(value, whole).map_or(0, |share| share.clamp(0, 1000).unsigned_abs())
}

/// A bar of a whole; parts that reach beyond it are cut. A part that is not
/// nothing is at least a hair wide.
pub(super) fn bar(page: &mut Page, whole: i64, parts: &[Part]) {
    draw(page, "<svg class=\"bar\" ", whole, parts);
}

/// A higher [`bar`].
pub(super) fn tall_bar(page: &mut Page, whole: i64, parts: &[Part]) {
    draw(page, "<svg class=\"bar tall\" ", whole, parts);
}

/// A thinner [`bar`].
pub(super) fn thin_bar(page: &mut Page, whole: i64, parts: &[Part]) {
    draw(page, "<svg class=\"bar thin\" ", whole, parts);
}

fn draw(page: &mut Page, open: &'static str, whole: i64, parts: &[Part]) {
    page.markup(open)
        .markup("viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\">");
    for &(ink, from, to) in parts.iter().filter(|(_, from, to)| from != to) {
        let (low, high) = (from.min(to), from.max(to));
        let left = place(low, whole).min(WIDTH - 3);
        let width = place(high, whole).saturating_sub(left).max(3);
        page.markup(ink.rect()).number(left);
        page.markup("\" width=\"").number(width).markup("\"/>");
    }
    page.markup("</svg>");
}

/// A falling line: `points` are costs after each step, the first before any.
/// `floor` is drawn as a dashed line.
pub(super) fn curve(page: &mut Page, points: &[i64], floor: Option<i64>) {
    const HEIGHT: u64 = 100;
    let top = points.iter().copied().max().unwrap_or(0).max(1);
    let last = u64::try_from(points.len().saturating_sub(1))
        .unwrap_or(1)
        .max(1);
    let y = |value: i64| HEIGHT - place(value, top) * HEIGHT / WIDTH;
    page.markup(
        "<svg class=\"curve\" viewBox=\"0 0 1000 100\" preserveAspectRatio=\"none\" \
         aria-hidden=\"true\">",
    );
    let path = |page: &mut Page| {
        let mut before = None;
        for (i, &value) in points.iter().enumerate() {
            let x = u64::try_from(i).unwrap_or(0) * WIDTH / last;
            // A cost holds until the step that changes it: a staircase.
            match before.replace(value) {
                None => page.markup("M0 ").number(y(value)),
                Some(_) => page.markup("H").number(x).markup("V").number(y(value)),
            };
        }
    };
    page.markup("<path class=\"area\" d=\"");
    path(page);
    page.markup("V100H0Z\"/><path class=\"line\" d=\"");
    path(page);
    page.markup("\"/><path class=\"base\" d=\"M0 100H1000\"/>");
    if let Some(floor) = floor {
        page.markup("<path class=\"bound\" d=\"M0 ")
            .number(y(floor))
            .markup("H1000\"/>");
    }
    page.markup("</svg>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(whole: i64, parts: &[Part]) -> String {
        let mut page = Page::default();
        bar(&mut page, whole, parts);
        page.finish()
    }

    #[test]
    fn a_bar_stays_within_its_whole_and_shows_what_is_small() {
        let svg = drawn(
            200,
            &[
                (Ink::Save, 50, 100),
                (Ink::Cost, 300, 400),
                (Ink::Part, 0, 1),
            ],
        );
        assert!(svg.contains("class=\"save\" height=\"10\" x=\"250\" width=\"250\""));
        assert!(svg.contains("class=\"cost\" height=\"10\" x=\"997\" width=\"3\""));
        assert!(svg.contains("class=\"part\" height=\"10\" x=\"0\" width=\"5\""));
    }

    #[test]
    fn nothing_of_nothing_is_an_empty_bar() {
        assert!(!drawn(0, &[(Ink::Save, 0, 0)]).contains("rect"));
    }

    #[test]
    fn a_curve_falls_where_a_step_saves() {
        let mut page = Page::default();
        curve(&mut page, &[100, 100, 50], Some(25));
        let svg = page.finish();
        assert!(svg.contains("d=\"M0 0H500V0H1000V50\""), "{svg}");
        assert!(svg.contains("M0 75H1000"), "{svg}");
    }
}
