//! Making a packing cheaper without starting over: smaller types, emptied
//! nodes, merged nodes.

use super::bin::{Bin, On};
use super::model::Model;
use super::pack::{Pack, Scope, insert, price, roofs as roofs_of, spent};
use super::roofs::Roofs;
use std::cmp::Reverse;

/// Of the nodes that give the least for their price, how many are looked at
/// for merging in pairs.
const MERGE_CANDIDATES: usize = 64;

/// After so many nodes in a row that could not be emptied, the fuller ones are
/// not tried.
const MISSES: usize = 100;

/// Improves `pack` until nothing changes, at most `rounds` times and as long as
/// its work is below `budget`. Returns the number of accepted steps.
pub(super) fn improve(scope: Scope<'_>, pack: &mut Pack, rounds: u32, budget: u64) -> u64 {
    let mut steps = 0;
    for _ in 0..rounds {
        let mut changed = right_size(scope, pack);
        changed += empty_nodes(scope, pack, budget);
        changed += merge(scope, pack);
        steps += changed;
        if changed == 0 || pack.work >= budget || scope.model.stop.is_due() {
            break;
        }
    }
    steps
}

/// The same items on another type, if it takes them.
pub(super) fn moved(model: &Model, bin: &Bin, ty: usize, offer: usize) -> Option<Bin> {
    let t = &model.types[ty];
    let mut sums = vec![0u64; model.dims];
    for item in &bin.items {
        let kind = &model.kinds[item.kind as usize];
        if t.fits[kind.shape] == 0 {
            return None;
        }
        let demand = &model.shapes[kind.shape].demand;
        for ((sum, d), c) in sums.iter_mut().zip(demand).zip(&t.capacity) {
            *sum += d * u64::from(item.count);
            if *sum > *c {
                return None;
            }
        }
    }
    fill_new(model, ty, offer, &bin.contents())
}

/// An empty node of a type with exactly these items, if they fit.
pub(super) fn fill_new(
    model: &Model,
    ty: usize,
    offer: usize,
    items: &[(usize, u32)],
) -> Option<Bin> {
    let mut order: Vec<(usize, u32)> = items.to_vec();
    // Company first, then those that need many or large devices.
    order.sort_by_key(|(k, _)| {
        let request = &model.shapes[model.kinds[*k].shape].devices;
        let devices = request.as_ref().map_or((0, 0), |d| (d.count, d.milli));
        (!model.kinds[*k].company.is_empty(), Reverse(devices), *k)
    });
    let mut bin = Bin::new(model, ty, offer);
    for (kind, count) in order {
        if !bin.accepts(model, kind) || bin.room(model, kind, count) < count {
            return None;
        }
        bin.add(model, kind, count);
    }
    Some(bin)
}

/// Types from cheap to dear with the offer that can be had now; all offers where
/// the cheapest is not the one whose price counts.
fn on_offer(scope: Scope<'_>, pack: &Pack) -> Vec<(i64, usize, usize)> {
    let mut out: Vec<(i64, usize, usize)> = Vec::new();
    if !scope.model.limited.is_empty() {
        for (t, of) in scope.model.types.iter().enumerate() {
            let offers = pack.stock.on_sale(scope, t);
            out.extend(offers.map(|(offer, _)| (of.offers[offer].price.0, t, offer)));
        }
        out.sort_unstable();
        return out;
    }
    out.extend((0..scope.model.types.len()).filter_map(|t| {
        let (offer, _) = pack.stock.cheapest(scope, t)?;
        Some((scope.model.types[t].offers[offer].price.0, t, offer))
    }));
    out.sort_unstable();
    out
}

/// Moves each node's items to the cheapest type that takes them.
fn right_size(scope: Scope<'_>, pack: &mut Pack) -> u64 {
    let model = scope.model;
    let mut changed = 0;
    let mut offers = on_offer(scope, pack);
    for i in 0..pack.bins.len() {
        if model.stop.is_due() {
            break;
        }
        let now = spent(model, &pack.bins[i]);
        let On::New { ty, offer } = pack.bins[i].on else {
            continue;
        };
        for (cost, t, new_offer) in &offers {
            if *cost >= now {
                break;
            }
            pack.work += 1;
            let bin = moved(model, &pack.bins[i], *t, *new_offer);
            if let Some(bin) = bin.filter(|bin| spent(model, bin) < now) {
                pack.bins[i] = bin;
                pack.stock.take(model, *t, *new_offer, 1);
                pack.stock.give(model, ty as usize, offer as usize, 1);
                let ends = pack.stock.ends(model, *t, *new_offer);
                if ends || pack.stock.ends(model, ty as usize, offer as usize) {
                    offers = on_offer(scope, pack);
                }
                changed += 1;
                break;
            }
        }
    }
    changed
}

/// What a node gives for its price.
fn efficiency(scope: Scope<'_>, bin: &Bin) -> f64 {
    let value: f64 = bin
        .items
        .iter()
        .map(|i| {
            let shape = scope.model.kinds[i.kind as usize].shape;
            scope.bound.values[shape] * f64::from(i.count)
        })
        .sum();
    value / (price(scope.model, bin) as f64).max(1e-3)
}

/// Indices of the new nodes, those that give the least for their price first.
fn worst_first(scope: Scope<'_>, pack: &Pack) -> Vec<usize> {
    let mut order: Vec<(f64, usize)> = pack
        .bins
        .iter()
        .enumerate()
        .filter(|(_, b)| matches!(b.on, On::New { .. }) && !b.bound_together(scope.model))
        .map(|(i, b)| (efficiency(scope, b), i))
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    order.into_iter().map(|(_, i)| i).collect()
}

/// Spreads a node's items over the free room of the others, and drops it, or
/// keeps what is left on a cheaper type.
fn empty_nodes(scope: Scope<'_>, pack: &mut Pack, budget: u64) -> u64 {
    let model = scope.model;
    let mut changed = 0;
    let mut misses = 0;
    // Nodes only get fuller, but for those that are put back as they were.
    let mut roofs = roofs_of(model, &pack.bins);
    for i in worst_first(scope, pack) {
        if pack.work >= budget || misses == MISSES || model.stop.is_due() {
            break;
        }
        if pack.bins[i].is_empty() {
            continue;
        }
        let On::New { ty, offer } = pack.bins[i].on else {
            continue;
        };
        let before = pack.bins[i].clone();
        let all = model.prefers.then(|| pack.cost(model));
        let cost = price(model, &before);
        let contents = before.contents();
        // An empty bin takes nothing back while its items look for a place.
        let hidden = std::mem::replace(&mut pack.bins[i], Bin::closed(&before));
        debug_assert_eq!(hidden.len(), before.len());
        let mut journal: Vec<(usize, Bin)> = Vec::new();
        let mut stay: Vec<(usize, u32)> = Vec::new();
        let size = |k: usize| scope.bound.values[model.kinds[k].shape];
        let mut order = contents.clone();
        order.sort_by(|a, b| size(b.0).total_cmp(&size(a.0)).then(a.0.cmp(&b.0)));
        for (kind, count) in &order {
            let placed = insert_logged(scope, pack, *kind, *count, &roofs, &mut journal);
            if placed < *count {
                stay.push((*kind, count - placed));
            }
        }
        let replaced = if stay.is_empty() {
            Some(None)
        } else if stay == order {
            None
        } else {
            on_offer(scope, pack)
                .into_iter()
                .take_while(|(c, ..)| *c < cost)
                .find_map(|(_, t, o)| {
                    pack.work += 1;
                    fill_new(model, t, o, &stay).map(|bin| Some((t, o, bin)))
                })
        };
        // Where items dislike some places, a node less may cost more.
        let spent_then = |new: &Option<(usize, usize, Bin)>| {
            let new = new.as_ref().map_or(0, |(_, _, bin)| spent(model, bin));
            pack.cost(model).saturating_add(new) - price(model, &pack.bins[i])
        };
        let replaced = replaced.filter(|new| all.is_none_or(|all| spent_then(new) < all));
        match replaced {
            Some(new) => {
                pack.stock.give(model, ty as usize, offer as usize, 1);
                if let Some((t, o, bin)) = new {
                    pack.stock.take(model, t, o, 1);
                    pack.bins[i] = bin;
                    pack.bins[i].raise(&mut roofs, i);
                }
                changed += 1;
                misses = 0;
            }
            None => {
                misses += 1;
                for (j, bin) in journal.into_iter().rev() {
                    pack.bins[j] = bin;
                }
                pack.bins[i] = before;
            }
        }
    }
    pack.bins
        .retain(|b| !b.is_empty() || matches!(b.on, On::Node(_)));
    changed
}

/// [`insert`] for items that are not counted as left, noting what changed.
fn insert_logged(
    scope: Scope<'_>,
    pack: &mut Pack,
    kind: usize,
    count: u32,
    roofs: &Roofs,
    journal: &mut Vec<(usize, Bin)>,
) -> u32 {
    pack.left.give(scope.model, kind, count);
    let placed = insert(scope, pack, kind, count, roofs, Some(journal));
    pack.left.take(scope.model, kind, count - placed);
    placed
}

/// Puts the items of two nodes on one that is cheaper than both.
fn merge(scope: Scope<'_>, pack: &mut Pack) -> u64 {
    let model = scope.model;
    let mut changed = 0;
    let mut candidates = worst_first(scope, pack);
    candidates.truncate(MERGE_CANDIDATES);
    let mut gone = vec![false; pack.bins.len()];
    let mut offers = on_offer(scope, pack);
    for a in 0..candidates.len() {
        if model.stop.is_due() {
            break;
        }
        for b in a + 1..candidates.len() {
            let (i, j) = (candidates[a], candidates[b]);
            if gone[i] {
                break;
            }
            if gone[j] {
                continue;
            }
            let both = spent(model, &pack.bins[i]) + spent(model, &pack.bins[j]);
            let mut items = pack.bins[i].contents();
            for (kind, count) in pack.bins[j].contents() {
                match items.iter_mut().find(|(k, _)| *k == kind) {
                    Some((_, n)) => *n += count,
                    None => items.push((kind, count)),
                }
            }
            let mut sums = vec![0u64; model.dims];
            for (kind, count) in &items {
                let demand = &model.shapes[model.kinds[*kind].shape].demand;
                for (sum, d) in sums.iter_mut().zip(demand) {
                    *sum += d * u64::from(*count);
                }
            }
            let found = offers
                .iter()
                .take_while(|(cost, ..)| *cost < both)
                .filter(|(_, t, _)| {
                    let capacity = &model.types[*t].capacity;
                    sums.iter().zip(capacity).all(|(s, c)| s <= c)
                })
                .find_map(|(_, t, o)| {
                    pack.work += 1;
                    let bin = fill_new(model, *t, *o, &items);
                    let bin = bin.filter(|bin| spent(model, bin) < both);
                    bin.map(|bin| (*t, *o, bin))
                });
            let Some((t, o, bin)) = found else { continue };
            let mut ends = pack.stock.ends(model, t, o);
            for index in [i, j] {
                if let On::New { ty, offer } = pack.bins[index].on {
                    pack.stock.give(model, ty as usize, offer as usize, 1);
                    ends |= pack.stock.ends(model, ty as usize, offer as usize);
                }
            }
            pack.stock.take(model, t, o, 1);
            pack.bins[i] = bin;
            gone[j] = true;
            changed += 1;
            if ends {
                offers = on_offer(scope, pack);
            }
        }
    }
    let mut keep = gone.into_iter().map(|g| !g);
    pack.bins.retain(|_| keep.next().unwrap_or(true));
    changed
}
