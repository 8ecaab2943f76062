//! A packing, written down as an answer.

use super::bin::On;
use super::bound::Bound;
use super::limited;
use super::model::Model;
use super::pack::{Pack, Stock, extra, price};
use super::problem::Problem;
use super::solution::{
    NewNode, Note, Placed, Proof, Reused, Solution, Stopped, Unplaced, UnplacedReason, Work,
};
use crate::model::MicroUsdPerHour;
use std::collections::BTreeSet;

/// Writes a packing down as a solution, in canonical order.
pub(super) fn assemble(
    problem: &Problem,
    model: &Model,
    bound: &Bound,
    pack: Pack,
    strategy: String,
    work: Work,
    stopped: Stopped,
) -> Solution {
    // Kinds stand for classes: hand their items out in order.
    let mut classes: Vec<Vec<(usize, u32)>> = model
        .kinds
        .iter()
        .map(|k| {
            let mut list: Vec<(usize, u32)> =
                k.classes.iter().copied().filter(|(_, n)| *n > 0).collect();
            list.reverse();
            list
        })
        .collect();
    let cost: i64 = pack.bins.iter().map(|b| price(model, b)).sum();
    let preferences: i64 = pack.bins.iter().map(|b| extra(model, b)).sum();
    let mut bins = pack.bins;
    bins.retain(|b| !b.is_empty());
    bins.sort_by_cached_key(|b| {
        let mut items = b.items.clone();
        items.sort_unstable();
        (b.on, items)
    });
    let mut nodes = Vec::new();
    let mut reused = Vec::new();
    for bin in &bins {
        let mut items = bin.items.clone();
        items.sort_unstable();
        let mut placed: Vec<Placed> = Vec::new();
        for item in items {
            let mut count = item.count;
            let list = &mut classes[item.kind as usize];
            while count > 0 {
                let Some(last) = list.last_mut() else { break };
                let n = count.min(last.1);
                placed.push(Placed {
                    class: last.0,
                    count: n,
                    devices: (0..64).filter(|i| (item.devices >> i) & 1 == 1).collect(),
                });
                last.1 -= n;
                count -= n;
                if last.1 == 0 {
                    list.pop();
                }
            }
        }
        placed.sort_unstable();
        match bin.on {
            On::Node(node) => reused.push(Reused {
                node: node as usize,
                items: placed,
            }),
            On::New { ty, offer } => {
                let t = &model.types[ty as usize];
                let offer = t.offers[offer as usize];
                nodes.push(NewNode {
                    node_type: t.source,
                    offering: offer.offering,
                    zone: offer.zone,
                    price: offer.price,
                    items: placed,
                });
            }
        }
    }
    let mut stock = Stock::new(model);
    for bin in &bins {
        if let On::New { ty, offer } = bin.on {
            stock.take(model, ty as usize, offer as usize, 1);
        }
    }
    let mut unplaced = Vec::new();
    let mut reached: BTreeSet<usize> = BTreeSet::new();
    let mut fits_nothing = 0;
    for (kind, list) in classes.iter().enumerate() {
        for (class, count) in list.iter().rev() {
            let reason = reason(problem, model, kind, &stock, &mut reached);
            if reason == UnplacedReason::FitsNothing {
                fits_nothing += count;
            }
            unplaced.push(Unplaced {
                class: *class,
                count: *count,
                reason,
            });
        }
    }
    unplaced.sort_unstable();
    let mut notes = bound.notes.clone();
    if fits_nothing > 0 {
        notes.push(Note::ItemsFitNothing {
            items: fits_nothing,
        });
    }
    notes.extend(
        reached
            .into_iter()
            .map(|limit| Note::LimitReached { limit }),
    );
    let cost = MicroUsdPerHour(cost);
    let preferences = MicroUsdPerHour(preferences);
    let fits_all = unplaced
        .iter()
        .all(|u| u.reason == UnplacedReason::FitsNothing);
    Solution {
        purchase_limits: limited::uses(problem, &nodes, bound.certificate.as_ref()),
        nodes,
        reused,
        unplaced,
        cost,
        preferences,
        lower_bound: bound.lower,
        proof: Proof {
            method: bound.method,
            certificate: bound.certificate.clone(),
            stopped: if fits_all && cost + preferences == bound.lower {
                Stopped::Optimal
            } else {
                stopped
            },
            strategy,
            notes,
        },
        work,
    }
}

/// Whether some type or open node takes items of a kind.
pub(super) fn placeable(problem: &Problem, model: &Model, kind: usize) -> bool {
    let k = &model.kinds[kind];
    let on_type = model.types.iter().any(|t| t.fits[k.shape] > 0);
    let shape = &model.shapes[k.shape];
    let on_node = problem.nodes.iter().enumerate().any(|(i, n)| {
        !n.closed
            && shape.nodes.contains(i)
            && n.zone.is_none_or(|z| shape.zones.contains(z))
            && shape.demand.iter().zip(&n.free).all(|(d, f)| d <= f)
    });
    on_type || on_node
}

/// Why items of a kind were left over, with what is left in stock; `reached` gains
/// the purchase limits that leave no room.
fn reason(
    problem: &Problem,
    model: &Model,
    kind: usize,
    stock: &Stock,
    reached: &mut BTreeSet<usize>,
) -> UnplacedReason {
    let k = &model.kinds[kind];
    let source = |limit: usize| model.limited.limits[limit].source;
    if !placeable(problem, model, kind) {
        if model.barred[k.shape] {
            reached.extend(limited::bars(problem, &model.shapes[k.shape]));
            return UnplacedReason::PurchaseLimit;
        }
        return UnplacedReason::FitsNothing;
    }
    // Offers that would take it, by the limits that stand against one more node.
    let zones = &model.shapes[k.shape].zones;
    let mut short: BTreeSet<usize> = BTreeSet::new();
    let mut free = false;
    for (ty, t) in model.types.iter().enumerate() {
        for (at, offer) in t.offers.iter().enumerate() {
            let here = offer.zone.is_none_or(|z| zones.contains(z));
            if t.fits[k.shape] > 0 && here && stock.stocked(ty, at) {
                let limits = stock.short(model, ty, at);
                free |= limits.is_empty();
                short.extend(limits);
            }
        }
    }
    if !free && !short.is_empty() {
        reached.extend(short.into_iter().map(source));
        UnplacedReason::PurchaseLimit
    } else if !k.touches.is_empty() || k.zoned {
        UnplacedReason::Rules
    } else if !short.is_empty() {
        // Another zone may have room, or room that was found too late.
        reached.extend(short.into_iter().map(source));
        UnplacedReason::PurchaseLimit
    } else {
        UnplacedReason::NoneLeft
    }
}
