//! The greedy strategies.

use super::bin::Bin;
use super::model::Model;
use super::pack::{
    Lens, Pack, Pick, Scope, add_shape, admitted, extra, fill, fill_in, insert, roofs as roofs_of,
};
use std::cmp::Reverse;

/// Opens the node that gives the most value for its price, again and again, until
/// nothing is left or it is too late.
///
/// Values come from the bound, so no node can be worth more than its price and
/// what is missing is waste.
pub(super) fn by_ratio(scope: Scope<'_>, pack: &mut Pack, pick: Pick, values: &[f64]) {
    let model = scope.model;
    let lenses: Vec<Lens> = scope.types.iter().map(|t| Lens::new(scope, *t)).collect();
    let orders: Vec<Vec<usize>> = match pick {
        Pick::Order(key) => lenses.iter().map(|lens| lens.order(key, values)).collect(),
        _ => Vec::new(),
    };
    // The last ratio of a type bounds its next one closely enough, since what
    // is left only shrinks: types are looked at again only while they lead.
    let mut ratios: Vec<(f64, usize)> = Vec::new();
    for (at, (t, lens)) in scope.types.iter().zip(&lenses).enumerate() {
        if pack.stock.cheapest(scope, *t).is_some()
            && lens.shapes.iter().any(|s| pack.left.shapes[*s] > 0)
        {
            ratios.push((f64::INFINITY, at));
        }
    }
    while pack.left.total > 0 && !model.stop.is_due() {
        let mut best: Option<(f64, usize, Bin)> = None;
        ratios.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        for entry in &mut ratios {
            if best.as_ref().is_some_and(|b| b.0 >= entry.0) || model.stop.is_due() {
                break;
            }
            let t = scope.types[entry.1];
            let Some((offer, _)) = pack.stock.cheapest(scope, t) else {
                entry.0 = 0.0;
                continue;
            };
            let mut bin = Bin::new(model, t, offer);
            let lens = &lenses[entry.1];
            let (left, work) = (&mut pack.left, &mut pack.work);
            match orders.get(entry.1) {
                Some(order) => fill_in(model, lens, order, &mut bin, left, work),
                None => fill(scope, lens, pick, values, &mut bin, left, work),
            }
            let contents = bin.contents();
            for (kind, count) in &contents {
                pack.left.give(model, *kind, *count);
            }
            let value: f64 = contents
                .iter()
                .map(|(k, n)| values[model.kinds[*k].shape] * f64::from(*n))
                .sum();
            let value = value - extra(model, &bin) as f64;
            let price = model.types[t].offers[offer].raised as f64;
            // An item without value still wants a place: count it a little.
            let items = f64::from(bin.len());
            entry.0 = (value + 1e-9 * items) / price.max(1e-3);
            let better = match &best {
                None => entry.0 > 0.0,
                Some(b) => entry.0 > b.0 + 1e-12,
            };
            if better {
                best = Some((entry.0, t, bin));
            }
        }
        ratios.retain(|r| r.0 > 0.0);
        let Some((_, t, bin)) = best else { break };
        let Some((offer, stock)) = pack.stock.cheapest(scope, t) else {
            break;
        };
        let contents = bin.contents();
        let copies = contents
            .iter()
            .map(|(k, n)| pack.left.kinds[*k] / n)
            .min()
            .unwrap_or(0)
            .min(stock);
        if copies == 0 {
            break;
        }
        for (kind, count) in &contents {
            pack.left.take(model, *kind, count * copies);
        }
        pack.stock.take(model, t, offer, copies);
        for _ in 0..copies {
            pack.bins.push(bin.clone());
        }
    }
}

/// What a first-fit strategy opens for an item that fits nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// The cheapest type that takes the item.
    Cheapest,
    /// This type, or the cheapest when it does not take the item.
    Type(usize),
}

/// First-fit decreasing: kinds by size, bins in the order they were opened. The one
/// that opens the cheapest comes first of all, and is made however late it is.
pub(super) fn first_fit(scope: Scope<'_>, pack: &mut Pack, opens: Opens) {
    let model = scope.model;
    let order = by_size(scope, pack);
    let mut roofs = roofs_of(model, &pack.bins);
    for kind in order {
        if opens != Opens::Cheapest && model.stop.is_due() {
            break;
        }
        for (block, nodes) in roofs.blocks() {
            if pack.left.kinds[kind] == 0 {
                break;
            }
            if !admitted(model, &roofs, block, kind) {
                pack.work += nodes.len() as u64;
                continue;
            }
            for i in nodes.clone() {
                let want = pack.left.kinds[kind];
                if want == 0 {
                    break;
                }
                pack.work += 1;
                if pack.bins[i].accepts(model, kind) {
                    let room = pack.bins[i].room(model, kind, want);
                    if room > 0 {
                        pack.bins[i].add(model, kind, room);
                        pack.left.take(model, kind, room);
                    }
                }
            }
            roofs.lower(block);
            for i in nodes {
                pack.bins[i].raise(&mut roofs, i);
            }
        }
        let known = pack.bins.len();
        open_for(scope, pack, kind, opens, u32::MAX);
        for (at, bin) in pack.bins.iter().enumerate().skip(known) {
            bin.raise(&mut roofs, at);
        }
    }
}

/// Opens nodes for what is left of `kind`, at most `most` items on each.
fn open_for(scope: Scope<'_>, pack: &mut Pack, kind: usize, opens: Opens, most: u32) {
    let model = scope.model;
    let shape = model.kinds[kind].shape;
    let mut last: Option<(usize, usize)> = None;
    while pack.left.kinds[kind] > 0 {
        let cheapest = || {
            (0..model.types.len())
                .filter(|t| model.types[*t].fits[shape] > 0)
                .filter_map(|t| pack.stock.cheapest(scope, t).map(|(offer, _)| (t, offer)))
                .min_by_key(|(t, offer)| (model.types[*t].offers[*offer].raised, *t))
        };
        // What was chosen last is chosen again while there is some of it.
        let again = last.filter(|(t, offer)| {
            let now = pack.stock.cheapest(scope, *t);
            now.is_some_and(|(now, _)| now == *offer)
        });
        let chosen = match opens {
            _ if again.is_some() => again,
            Opens::Type(t) if model.types[t].fits[shape] > 0 => pack
                .stock
                .cheapest(scope, t)
                .map(|(offer, _)| (t, offer))
                .or_else(cheapest),
            _ => cheapest(),
        };
        last = chosen;
        let Some((t, offer)) = chosen else { return };
        let mut bin = Bin::new(model, t, offer);
        pack.work += 1;
        let room = bin.room(model, kind, pack.left.kinds[kind].min(most));
        if room == 0 {
            return;
        }
        bin.add(model, kind, room);
        pack.left.take(model, kind, room);
        pack.stock.take(model, t, offer, 1);
        pack.bins.push(bin);
    }
}

/// One node for each item: the plainest packing there is.
pub(super) fn one_each(scope: Scope<'_>, pack: &mut Pack) {
    for kind in by_size(scope, pack) {
        open_for(scope, pack, kind, Opens::Cheapest, 1);
    }
}

/// Kinds with something left, largest first: by the sum over resources of
/// demand as a part of the largest capacity on offer.
pub(super) fn by_size(scope: Scope<'_>, pack: &Pack) -> Vec<usize> {
    let model = scope.model;
    let size = |kind: usize| -> f64 {
        let shape = &model.shapes[model.kinds[kind].shape];
        let devices = shape
            .devices
            .as_ref()
            .map_or(0, |d| u64::from(d.count) * u64::from(d.milli));
        let amounts = shape.demand.iter().chain([&devices]);
        let parts = amounts.zip(&model.largest);
        parts.map(|(d, l)| *d as f64 / *l as f64).sum()
    };
    let mut order: Vec<usize> = (0..model.kinds.len())
        .filter(|k| pack.left.kinds[*k] > 0)
        .collect();
    order.sort_by(|a, b| {
        size(*b)
            .total_cmp(&size(*a))
            .then_with(|| {
                let touches = |k: usize| Reverse(model.kinds[k].touches.len());
                touches(*a).cmp(&touches(*b))
            })
            .then(a.cmp(b))
    });
    order
}

/// Puts on the open bins what fits there, largest and most restricted first.
pub(super) fn fill_open(scope: Scope<'_>, pack: &mut Pack) {
    if pack.bins.is_empty() {
        return;
    }
    let roofs = roofs_of(scope.model, &pack.bins);
    for kind in by_size(scope, pack) {
        let count = pack.left.kinds[kind];
        insert(scope, pack, kind, count, &roofs, None);
    }
}

/// Items that need company on their node go where it is; a group that only
/// needs itself starts on one node of its own.
pub(super) fn follow(scope: Scope<'_>, pack: &mut Pack) {
    let model = scope.model;
    let order: Vec<usize> = by_size(scope, pack)
        .into_iter()
        .filter(|k| !model.kinds[*k].company.is_empty())
        .collect();
    let mut roofs = roofs_of(model, &pack.bins);
    for kind in order {
        let count = pack.left.kinds[kind];
        insert(scope, pack, kind, count, &roofs, None);
        let count = pack.left.kinds[kind];
        if count == 0 {
            continue;
        }
        let starts = starts_group(model, kind, &pack.bins);
        if !starts {
            continue;
        }
        let shape = model.kinds[kind].shape;
        // The type that holds the most of the group, then the cheapest.
        let chosen = (0..model.types.len())
            .filter(|t| model.types[*t].fits[shape] > 0)
            .filter_map(|t| pack.stock.cheapest(scope, t).map(|(offer, _)| (t, offer)))
            .min_by_key(|(t, offer)| {
                let held = model.types[*t].fits[shape].min(count);
                (Reverse(held), model.types[*t].offers[*offer].raised, *t)
            });
        let Some((t, offer)) = chosen else { continue };
        let mut bin = Bin::new(model, t, offer);
        if bin.room_alone(model, kind, 1) == 0 {
            continue;
        }
        bin.add(model, kind, 1);
        pack.left.take(model, kind, 1);
        add_shape(
            model,
            &mut bin,
            &mut pack.left,
            shape,
            count - 1,
            &mut pack.work,
        );
        pack.stock.take(model, t, offer, 1);
        bin.raise(&mut roofs, pack.bins.len());
        pack.bins.push(bin);
    }
}

/// Whether an item may stand where no company is yet: it is company itself,
/// and there is none anywhere.
pub(super) fn starts_group(model: &Model, kind: usize, bins: &[Bin]) -> bool {
    let k = &model.kinds[kind];
    k.company.iter().all(|a| {
        let rule = (model.limits.len() + a) as u32;
        let own = k.touches.iter().any(|t| t.rule == rule && t.of);
        own && !model.affinity_present[*a] && bins.iter().all(|b| b.company(model, *a) == 0)
    })
}

/// What items are worth by size alone: demand over total demand.
pub(super) fn area_values(model: &Model) -> Vec<f64> {
    let mut total = vec![0.0; model.dims + 1];
    let demand = |s: usize| -> Vec<f64> {
        let shape = &model.shapes[s];
        let devices = shape
            .devices
            .as_ref()
            .map_or(0.0, |d| f64::from(d.count) * f64::from(d.milli));
        shape
            .demand
            .iter()
            .map(|d| *d as f64)
            .chain([devices])
            .collect()
    };
    for kind in &model.kinds {
        for (sum, d) in total.iter_mut().zip(demand(kind.shape)) {
            *sum += d * f64::from(kind.count);
        }
    }
    (0..model.shapes.len())
        .map(|s| {
            demand(s)
                .iter()
                .zip(&total)
                .map(|(d, t)| if *t > 0.0 { d / t } else { 0.0 })
                .sum()
        })
        .collect()
}
