//! Every possible assignment of a small fleet, and what a point must keep to.

use cloudoptim_core::engines::bin_packing::solver::{Fleet, Frontier, Place, Point};
use std::collections::BTreeMap;

/// Whether a node may end with so many items of class 0, `own` of which stood
/// there and `came` came.
fn alone_holds(fleet: &Fleet, own: i64, came: i64) -> bool {
    let heeded = !fleet.problem.rules.is_empty();
    !heeded || own + came <= 1 || came == 0
}

/// A limit that nodes that are kept and bought, by type and offering, take more of
/// than there is. What only the kept take is there whatever the limit says.
pub(super) fn beyond(
    fleet: &Fleet,
    kept: impl Iterator<Item = usize>,
    bought: &[(usize, usize)],
) -> Option<String> {
    let limits = &fleet.problem.purchase_limits;
    let mut taken = vec![0; limits.len()];
    for (limit, amount) in kept.flat_map(|node| &fleet.holdings[node].takes) {
        taken[*limit] += amount;
    }
    for (limit, kept) in limits.iter().zip(taken) {
        let new = bought
            .iter()
            .map(|(ty, offering)| limit.taken_by(*ty, *offering));
        let new: u64 = new.sum();
        if new > 0 && new + kept > limit.max {
            let (id, max) = (&limit.id, limit.max);
            return Some(format!("{new} and {kept} of {max} {id}"));
        }
    }
    None
}

/// A minimum that nodes that are kept and bought take less of than they have to,
/// though one is gone that took of it.
pub(super) fn short(fleet: &Fleet, kept: &[usize], bought: &[(usize, usize)]) -> Option<String> {
    let nodes = 0..fleet.problem.nodes.len();
    for (number, limit) in fleet.problem.purchase_limits.iter().enumerate() {
        let of = |node: usize| -> u64 {
            let takes = fleet.holdings[node].takes.iter();
            takes.filter(|(l, _)| *l == number).map(|(_, n)| n).sum()
        };
        let touched = nodes.clone().any(|n| !kept.contains(&n) && of(n) > 0);
        let old: u64 = kept.iter().map(|n| of(*n)).sum();
        let new: u64 = bought.iter().map(|(t, o)| limit.taken_by(*t, *o)).sum();
        if touched && old + new < limit.min {
            let (id, min) = (&limit.id, limit.min);
            return Some(format!("{old} and {new} of at least {min} {id}"));
        }
    }
    None
}

/// What an item costs beside on a node; those after the last one there is are new,
/// of the only type.
fn beside(fleet: &Fleet, class: usize, node: usize) -> i64 {
    let mut sum = 0;
    for dislike in &fleet.problem.classes[class].dislikes {
        let there = if node < fleet.problem.nodes.len() {
            dislike.nodes.contains(node)
        } else {
            dislike.types.contains(0)
        };
        sum += if there { dislike.cost.0 } else { 0 };
    }
    sum
}

/// What holds items: room, content, price.
struct Bin {
    free: Vec<i64>,
    content: BTreeMap<usize, u32>,
    /// Items of class 0 that came from elsewhere.
    came: i64,
    price: i64,
    stays: bool,
    closed: bool,
}

/// The cheapest fleet for each number of moves, over every assignment of every
/// item to every node and to as many new nodes as could be of use.
pub(super) fn cheapest(fleet: &Fleet) -> BTreeMap<u64, i64> {
    let problem = &fleet.problem;
    let mut items: Vec<(usize, usize)> = Vec::new();
    for (node, holding) in fleet.holdings.iter().enumerate() {
        for (class, n) in &holding.movable {
            items.extend((0..*n).map(|_| (*class, node)));
        }
    }
    let mut bins: Vec<Bin> = problem
        .nodes
        .iter()
        .zip(&fleet.holdings)
        .map(|(node, holding)| {
            let mut free: Vec<i64> = node.free.iter().map(|f| *f as i64).collect();
            for (class, n) in &holding.movable {
                for (f, d) in free.iter_mut().zip(&problem.classes[*class].demand) {
                    *f += (*d as i64) * i64::from(*n);
                }
            }
            Bin {
                free,
                content: BTreeMap::new(),
                came: 0,
                price: holding.price.unwrap().0,
                stays: !holding.removable,
                closed: node.closed,
            }
        })
        .collect();
    for new in &problem.types {
        for _ in 0..items.len().min(3) {
            bins.push(Bin {
                free: new.capacity.iter().map(|c| *c as i64).collect(),
                content: BTreeMap::new(),
                came: 0,
                price: new.offerings[0].price.unwrap().0,
                stays: false,
                closed: false,
            });
        }
    }
    let mut best = BTreeMap::new();
    assign(fleet, &items, 0, &mut bins, &mut best);
    best
}

fn assign(
    fleet: &Fleet,
    items: &[(usize, usize)],
    moved: u64,
    bins: &mut [Bin],
    best: &mut BTreeMap<u64, i64>,
) {
    let problem = &fleet.problem;
    let Some(((class, from), rest)) = items.split_first() else {
        // A rule that is stricter than what holds does not hold here.
        let holds = |b: &Bin| {
            let all = i64::from(b.content.get(&0).copied().unwrap_or(0));
            alone_holds(fleet, all - b.came, b.came)
        };
        let nodes = problem.nodes.len();
        let used = bins.iter().enumerate();
        let used = used.filter(|(_, b)| b.stays || !b.content.is_empty());
        let used: Vec<usize> = used.map(|(i, _)| i).collect();
        let bought = vec![(0, 0); used.iter().filter(|i| **i >= nodes).count()];
        let empty: Vec<usize> = (0..nodes).filter(|i| !used.contains(i)).collect();
        // A minimum may keep nodes on which nothing is.
        for set in 0..1u32 << empty.len() {
            let left = empty.iter().enumerate();
            let left = left.filter(|(at, _)| (set >> at) & 1 == 1).map(|(_, i)| *i);
            let all: Vec<usize> = used.iter().copied().chain(left).collect();
            let kept: Vec<usize> = all.iter().copied().filter(|i| *i < nodes).collect();
            let within = beyond(fleet, kept.iter().copied(), &bought).is_none();
            let enough = short(fleet, &kept, &bought).is_none();
            let rules = !fleet.narrow_rules.is_empty() || bins.iter().all(holds);
            if within && enough && rules {
                let cost: i64 = all.iter().map(|i| bins[*i].price).sum();
                let content = bins.iter().enumerate().map(|(i, bin)| {
                    let items = bin.content.iter();
                    items
                        .map(|(class, n)| beside(fleet, *class, i) * i64::from(*n))
                        .sum::<i64>()
                });
                let entry = best.entry(moved).or_insert(i64::MAX);
                *entry = (*entry).min(cost + content.sum::<i64>());
            }
        }
        return;
    };
    let of = &problem.classes[*class];
    for i in 0..bins.len() {
        let bin = &mut bins[i];
        let fits = bin
            .free
            .iter()
            .zip(&of.demand)
            .all(|(f, d)| *f >= *d as i64);
        let new = i >= problem.nodes.len();
        let enters = i == *from || (!bin.closed && (new || of.nodes.contains(i)));
        if !fits || !enters {
            continue;
        }
        let comes = i64::from(*class == 0 && i != *from);
        bin.came += comes;
        for (f, d) in bin.free.iter_mut().zip(&of.demand) {
            *f -= *d as i64;
        }
        *bin.content.entry(*class).or_default() += 1;
        assign(fleet, rest, moved + u64::from(i != *from), bins, best);
        let bin = &mut bins[i];
        bin.came -= comes;
        for (f, d) in bin.free.iter_mut().zip(&problem.classes[*class].demand) {
            *f += *d as i64;
        }
        let n = bin.content.get_mut(class).unwrap();
        *n -= 1;
        if *n == 0 {
            bin.content.remove(class);
        }
    }
}

/// What is wrong with a point, read off its moves.
pub(in super::super) fn faults(fleet: &Fleet, point: &Point) -> Vec<String> {
    let problem = &fleet.problem;
    let mut wrong = Vec::new();
    let mut free: Vec<Vec<i64>> = problem
        .nodes
        .iter()
        .map(|n| n.free.iter().map(|f| *f as i64).collect())
        .collect();
    let mut held: Vec<BTreeMap<usize, i64>> = problem
        .nodes
        .iter()
        .map(|n| n.present.iter().map(|(c, k)| (*c, i64::from(*k))).collect())
        .collect();
    for new in &point.bought {
        let capacity = &problem.types[new.node_type].capacity;
        free.push(capacity.iter().map(|c| *c as i64).collect());
        held.push(BTreeMap::new());
    }
    let mut may_move: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for (node, holding) in fleet.holdings.iter().enumerate() {
        for (class, n) in &holding.movable {
            *may_move.entry((node, *class)).or_default() += i64::from(*n);
        }
    }
    let mut moved = 0;
    let mut came: BTreeMap<usize, i64> = BTreeMap::new();
    for relocation in &point.moves {
        let n = i64::from(relocation.count);
        moved += u64::from(relocation.count);
        let to = match relocation.to {
            Place::Node(node) => node,
            Place::Bought(index) => problem.nodes.len() + index,
        };
        if point.removed.contains(&to) {
            wrong.push(format!("{relocation:?} goes where nothing stays"));
        }
        let enters = |node: usize| {
            let closed = problem.nodes[node].closed;
            !closed && problem.classes[relocation.class].nodes.contains(node)
        };
        if matches!(relocation.to, Place::Node(node) if !enters(node)) {
            wrong.push(format!("{relocation:?} goes where it is not let in"));
        }
        let here = may_move
            .entry((relocation.from, relocation.class))
            .or_default();
        *here -= n;
        if *here < 0 {
            wrong.push(format!("{relocation:?} takes more than may move"));
        }
        if relocation.class == 0 {
            *came.entry(to).or_default() += n;
        }
        for (node, sign) in [(relocation.from, 1), (to, -1)] {
            let demand = &problem.classes[relocation.class].demand;
            for (f, d) in free[node].iter_mut().zip(demand) {
                *f += sign * n * (*d as i64);
            }
            *held[node].entry(relocation.class).or_default() -= sign * n;
        }
    }
    for (node, free) in free.iter().enumerate() {
        let gone = point.removed.contains(&node);
        if !gone && free.iter().any(|f| *f < 0) {
            wrong.push(format!("node {node} is overfull: {free:?}"));
        }
        if gone && held[node].values().any(|n| *n != 0) {
            wrong.push(format!("node {node} went with {:?}", held[node]));
        }
        let came = came.get(&node).copied().unwrap_or(0);
        let own = held[node].get(&0).copied().unwrap_or(0) - came;
        if !gone && !alone_holds(fleet, own, came) {
            wrong.push(format!("node {node} holds {:?}", held[node]));
        }
    }
    for node in &point.removed {
        if !fleet.holdings[*node].removable {
            wrong.push(format!("node {node} may not go"));
        }
    }
    let disliked = disliked_by(fleet, point);
    if disliked != point.preferences.0 {
        let stated = point.preferences;
        wrong.push(format!("dislikes of {disliked} are stated as {stated}"));
    }
    let kept = (0..problem.nodes.len()).filter(|n| !point.removed.contains(n));
    let prices = kept.map(|n| fleet.holdings[n].price.unwrap().0);
    let bought = point.bought.iter().map(|n| n.price.0);
    let cost: i64 = prices.chain(bought).sum();
    if cost != point.cost.0 || moved != point.moved {
        wrong.push(format!(
            "states {} and {}, is {cost} and {moved}",
            point.cost, point.moved
        ));
    }
    wrong
}

/// What all items that may move dislike of where a point puts them.
pub(super) fn disliked_by(fleet: &Fleet, point: &Point) -> i64 {
    let mut there: BTreeMap<(usize, usize), i64> = BTreeMap::new();
    for (node, holding) in fleet.holdings.iter().enumerate() {
        for (class, n) in &holding.movable {
            *there.entry((node, *class)).or_default() += i64::from(*n);
        }
    }
    for relocation in &point.moves {
        let n = i64::from(relocation.count);
        let to = match relocation.to {
            Place::Node(node) => node,
            Place::Bought(index) => fleet.problem.nodes.len() + index,
        };
        *there
            .entry((relocation.from, relocation.class))
            .or_default() -= n;
        *there.entry((to, relocation.class)).or_default() += n;
    }
    let all = there.iter();
    all.map(|((node, class), n)| beside(fleet, *class, *node) * n)
        .sum()
}

/// What the proofs say, up to the next whole step of all prices.
pub(in super::super) fn bound(fleet: &Fleet, frontier: &Frontier, moved: u64) -> i64 {
    let bounds = frontier.proofs.iter().map(|p| {
        let moves = i64::try_from(moved).unwrap().saturating_mul(p.per_move.0);
        p.lower_bound.0 - moves
    });
    let bound = bounds.max().unwrap().max(0);
    let nodes = fleet.holdings.iter().filter_map(|h| h.price);
    let offered = fleet.problem.types.iter().flat_map(|t| &t.offerings);
    let prices: Vec<i64> = nodes
        .chain(offered.filter_map(|o| o.price))
        .map(|p| p.0)
        .collect();
    let movable = fleet.holdings.iter().flat_map(|h| &h.movable);
    let disliked = movable.flat_map(|(class, _)| &fleet.problem.classes[*class].dislikes);
    let costs = disliked.map(|d| d.cost.0).filter(|cost| *cost > 0);
    let prices: Vec<i64> = prices.into_iter().chain(costs).collect();
    let dearest = prices.iter().copied().max().unwrap_or(0);
    let divides = |step: &i64| prices.iter().all(|p| p % step == 0);
    let step = (1..=dearest).rev().find(divides).unwrap_or(1);
    bound.div_euclid(step) * step + if bound % step > 0 { step } else { 0 }
}
