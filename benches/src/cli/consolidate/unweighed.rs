//! Searches that weigh no preferences, beside ours.

use super::gap;
use crate::load::TypeRow;
use crate::scene::Scene;
use crate::wishes::Wish;
use cloudoptim_core::engines::bin_packing::solver::{
    Fleet, Place, Point, RepackEffort, repack_until,
};
use cloudoptim_core::model::MicroUsdPerHour;
use serde::Serialize;

/// What a search finds that weighs no preferences, at the price of a move that is
/// chosen by.
#[derive(Debug, Serialize)]
pub(super) struct Unweighed {
    search: &'static str,
    cost: f64,
    preferences: f64,
    moves: u64,
    /// Of both over the certified bound.
    gap: Option<f64>,
}

/// What pods cost beside as they are, or where a point puts them.
pub(super) fn beside(fleet: &Fleet, point: Option<&Point>) -> MicroUsdPerHour {
    let problem = &fleet.problem;
    let extra_on = |class: usize, node: usize| problem.classes[class].extra_on(node);
    let mut sum = 0;
    for (node, holding) in fleet.holdings.iter().enumerate() {
        for (class, n) in &holding.movable {
            sum += extra_on(*class, node) * i64::from(*n);
        }
    }
    let Some(point) = point else {
        return MicroUsdPerHour(sum);
    };
    for moved in &point.moves {
        let to = match moved.to {
            Place::Node(node) => extra_on(moved.class, node),
            Place::Bought(at) => {
                let new = &point.bought[at];
                problem.classes[moved.class].extra(new.node_type, new.zone)
            }
        };
        sum += (to - extra_on(moved.class, moved.from)) * i64::from(moved.count);
    }
    MicroUsdPerHour(sum)
}

/// The same search with the wish as a rule, and without it.
pub(super) fn unweighed(
    scene: &Scene,
    buy: &[TypeRow],
    wish: &Wish,
    (weighed, price, bound): (&Fleet, MicroUsdPerHour, MicroUsdPerHour),
) -> Result<Vec<Unweighed>, String> {
    let both = [
        ("preferences as rules", true),
        ("preferences ignored", false),
    ];
    let lines = both.into_iter().map(|(search, rule)| {
        let mut fleet = scene.fleet(buy);
        if rule {
            wish.as_rule_of_fleet(scene, buy, &mut fleet);
        }
        let answer = repack_until(&fleet, &RepackEffort::default(), None);
        let answer = answer.map_err(|err| err.to_string())?;
        // The best for who weighs them, of what was found without.
        let total = |p: &&Point| {
            let moves = i128::from(p.moved) * i128::from(price.0);
            let more = beside(weighed, Some(p));
            (i128::from((p.cost + more).0) + moves, p.moved)
        };
        let point = answer.points.iter().min_by_key(total);
        let point = point.ok_or("no point on the frontier")?;
        let more = beside(weighed, Some(point));
        Ok(Unweighed {
            search,
            cost: point.cost.usd(),
            preferences: more.usd(),
            moves: point.moved,
            gap: gap(point.cost + more, bound),
        })
    });
    lines.collect()
}
