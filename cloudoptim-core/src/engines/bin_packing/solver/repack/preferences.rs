//! Repackings that keep more of what items would rather have.
//!
//! The search takes nodes away and looks for room by amounts; what items dislike of
//! where they come to is counted for each point, and guides it where points are
//! compared. Here the same is done with fleets whose items may come only to places
//! that cost them no more beside than the one where they stand, or than a part of
//! what they are worth, and with the fleet as if nobody disliked anything, of which
//! more can be proven; the frontier keeps the best of all.

use super::super::grid::gcd;
use super::super::preferences::{Places, in_parts};
use super::super::problem::{Class, Mask};
use super::super::solution::{Certificate, Placed};
use super::super::stop::Stop;
use super::sweep;
use super::{Fleet, Frontier, Place, Point, Relocation, RepackEffort};
use crate::model::MicroUsdPerHour;
use std::collections::{BTreeMap, BTreeSet};

/// A place that costs an item more beside than this part of what it is worth is
/// hardly ever worth it.
const DEAR: u64 = 2;

pub(super) fn run(fleet: &Fleet, effort: &RepackEffort, stop: &Stop) -> Frontier {
    let classes = &fleet.problem.classes;
    let costs = |class: &Class| class.dislikes.iter().any(|d| d.cost.0 > 0);
    let mut movable = fleet.holdings.iter().flat_map(|h| &h.movable);
    if !movable.any(|(class, n)| *n > 0 && classes.get(*class).is_some_and(costs)) {
        return sweep::run(fleet, effort, stop);
    }
    let mut frontier = sweep::run(fleet, effort, &stop.share(3));
    let worth = |class: usize| -> i64 {
        let values = frontier
            .proofs
            .iter()
            .filter_map(|p| p.class_values.get(class));
        let most = values.max().copied().unwrap_or(0) >> Certificate::SCALE_BITS;
        i64::try_from(most / DEAR).unwrap_or(i64::MAX)
    };
    let worth: Vec<i64> = (0..classes.len()).map(worth).collect();
    let kept = Cut::new(fleet, |_, home| home);
    let dear = Cut::new(fleet, |class, home| worth[class].max(home));
    let again = dear.fleet != kept.fleet;
    let free = Cut::without(fleet);
    for (at, (cut, share)) in [(&free, 3), (&kept, 2), (&dear, 1)].into_iter().enumerate() {
        if stop.is_due() || (at == 2 && !again) {
            continue;
        }
        let found = sweep::run(&cut.fleet, effort, &stop.share(share));
        frontier.work_limit |= found.work_limit;
        frontier.late |= found.late;
        if at == 0 {
            // What costs no less without what items dislike costs no less with it.
            frontier.lower_bound = frontier.lower_bound.max(found.lower_bound);
            frontier.proofs.extend(found.proofs);
            frontier.proofs.sort_by_key(|proof| proof.per_move);
        }
        for point in found.points {
            let point = cut.back(fleet, point);
            let beats = |a: &Point, b: &Point| a.total() <= b.total() && a.moved <= b.moved;
            if !frontier.points.iter().any(|p| beats(p, &point)) {
                frontier.points.retain(|p| !beats(&point, p));
                frontier.points.push(point);
            }
        }
    }
    frontier.points.sort_by_key(|p| (p.moved, p.total()));
    let step = step(fleet);
    for point in &mut frontier.points {
        let levels = frontier.proofs.iter().map(|proof| {
            let moves = i128::from(point.moved) * i128::from(proof.per_move.0);
            i128::from(proof.lower_bound.0) - moves
        });
        let lower = i64::try_from(levels.max().unwrap_or(0).max(0)).unwrap_or(i64::MAX);
        let over = lower.checked_rem(step).unwrap_or(0);
        let up = if over > 0 { step - over } else { 0 };
        point.lower_bound = MicroUsdPerHour(lower.saturating_add(up));
    }
    if frontier.late {
        frontier.prefix = None;
    }
    frontier
}

/// Of what all prices, and costs of dislikes, are multiples.
fn step(fleet: &Fleet) -> i64 {
    let problem = &fleet.problem;
    let mut step = 0;
    let offers = problem.types.iter().flat_map(|t| &t.offerings);
    let prices = fleet.holdings.iter().map(|h| h.price);
    for price in prices.chain(offers.map(|o| o.price)).flatten() {
        step = gcd(step, price.0.unsigned_abs());
    }
    for (class, n) in fleet.holdings.iter().flat_map(|h| &h.movable) {
        let dislikes = problem.classes.get(*class).map_or(&[][..], |c| &c.dislikes);
        for dislike in dislikes.iter().filter(|_| *n > 0) {
            step = gcd(step, dislike.cost.0.unsigned_abs());
        }
    }
    i64::try_from(step).unwrap_or(1)
}

/// A fleet whose classes are cut into parts, by what they dislike of their home.
struct Cut {
    fleet: Fleet,
    /// Class of each part.
    of: Vec<usize>,
    /// What is told of its points.
    name: &'static str,
}

impl Cut {
    /// `most` says what a place may cost an item of a class beside, by what its home
    /// costs it.
    fn new(fleet: &Fleet, most: impl Fn(usize, i64) -> i64) -> Self {
        let problem = &fleet.problem;
        // Parts by class and home.
        let mut parts: Vec<BTreeMap<i64, usize>> = vec![BTreeMap::new(); problem.classes.len()];
        for (node, holding) in fleet.holdings.iter().enumerate() {
            for (class, n) in &holding.movable {
                let of = &problem.classes[*class];
                if *n > 0 && !of.dislikes.is_empty() {
                    parts[*class].insert(of.extra_on(node), *class);
                }
            }
        }
        let ids: BTreeSet<&str> = problem.classes.iter().map(|c| c.id.as_str()).collect();
        let mut classes = problem.classes.clone();
        let mut of: Vec<usize> = (0..classes.len()).collect();
        for (index, class) in problem.classes.iter().enumerate() {
            for (at, (home, part)) in parts[index].iter_mut().enumerate() {
                let cut = within(fleet, class, most(index, *home));
                if at == 0 {
                    classes[index] = cut;
                    continue;
                }
                let mut id = format!("{}/{at}", class.id);
                while ids.contains(id.as_str()) {
                    id.push('\'');
                }
                *part = classes.len();
                of.push(index);
                classes.push(Class { id, ..cut });
            }
        }
        let part = |class: usize, node: usize| {
            let home = problem.classes[class].extra_on(node);
            parts[class].get(&home).copied().unwrap_or(class)
        };
        let mut cut = Fleet {
            problem: in_parts(problem, classes, &of),
            ..fleet.clone()
        };
        let both = cut.problem.nodes.iter_mut().zip(&mut cut.holdings);
        for (at, (node, holding)) in both.enumerate() {
            let mut present: BTreeMap<usize, u32> = BTreeMap::new();
            for (class, n) in &node.present {
                *present.entry(*class).or_default() += n;
            }
            for (class, n) in &mut holding.movable {
                let new = part(*class, at);
                if let Some(here) = present.get_mut(class) {
                    *here = here.saturating_sub(*n);
                }
                *present.entry(new).or_default() += *n;
                *class = new;
            }
            present.retain(|_, n| *n > 0);
            node.present = present.into_iter().collect();
        }
        Self {
            fleet: cut,
            of,
            name: "preferences kept",
        }
    }

    /// The fleet as if nobody disliked anything.
    fn without(fleet: &Fleet) -> Self {
        let mut free = fleet.clone();
        for class in &mut free.problem.classes {
            class.dislikes.clear();
        }
        Self {
            of: (0..free.problem.classes.len()).collect(),
            fleet: free,
            name: "preferences ignored",
        }
    }

    /// A point in the classes of the whole, with what items dislike there.
    fn back(&self, whole: &Fleet, mut point: Point) -> Point {
        let mut moves: BTreeMap<(usize, usize, Place), u32> = BTreeMap::new();
        for m in &point.moves {
            *moves.entry((m.from, self.of[m.class], m.to)).or_default() += m.count;
        }
        let moves = moves.into_iter();
        point.moves = moves
            .map(|((from, class, to), count)| Relocation {
                class,
                count,
                from,
                to,
            })
            .collect();
        for node in &mut point.bought {
            let mut items: BTreeMap<(usize, Vec<usize>), u32> = BTreeMap::new();
            for item in node.items.drain(..) {
                let key = (self.of[item.class], item.devices);
                *items.entry(key).or_default() += item.count;
            }
            let items = items.into_iter();
            node.items = items
                .map(|((class, devices), count)| Placed {
                    class,
                    count,
                    devices,
                })
                .collect();
        }
        point.found_by = format!("{}: {}", self.name, point.found_by);
        point.preferences = MicroUsdPerHour(beside(whole, &point));
        point
    }
}

/// What items that may move dislike of where a point puts them.
fn beside(fleet: &Fleet, point: &Point) -> i64 {
    let classes = &fleet.problem.classes;
    let mut sum: i64 = 0;
    for (node, holding) in fleet.holdings.iter().enumerate() {
        for (class, n) in &holding.movable {
            sum += classes[*class].extra_on(node) * i64::from(*n);
        }
    }
    for moved in &point.moves {
        let class = &classes[moved.class];
        let there = match moved.to {
            Place::Node(node) => class.extra_on(node),
            Place::Bought(at) => point
                .bought
                .get(at)
                .map_or(0, |new| class.extra(new.node_type, new.zone)),
        };
        sum += (there - class.extra_on(moved.from)) * i64::from(moved.count);
    }
    sum
}

/// The class, only where a place costs it no more beside.
fn within(fleet: &Fleet, class: &Class, most: i64) -> Class {
    let problem = &fleet.problem;
    let types = Places::on_sale(problem, class);
    let types = types.filter(|(.., extra)| *extra <= most);
    let nodes = (0..problem.nodes.len())
        .filter(|node| class.nodes.contains(*node) && class.extra_on(*node) <= most);
    Class {
        types: Mask::only(types.map(|(at, ..)| at)),
        nodes: Mask::only(nodes),
        ..class.clone()
    }
}
