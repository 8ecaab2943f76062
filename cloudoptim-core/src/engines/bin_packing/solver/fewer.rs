//! A packing on nodes of one type, brought to fewer of them.
//!
//! Where nodes hold few items each, whether one node less is enough is a question
//! of which items share one, not of amounts. Little room to spare means that few
//! fillings come into question, and all can be listed ([`tight`]); with more of
//! it, swaps find the way ([`swaps`]).

use super::bin::{Bin, On};
use super::model::Model;
use super::pack::Pack;
use super::stop::Stop;
use super::swaps;
use super::tight::{self, Cover, Items};

/// Packings with more items than this, or with more on a node on average, are
/// left alone.
const ITEMS: usize = 4_000;
const ITEMS_PER_NODE: usize = 12;

/// Up to this part of every amount, in thousandths, room to spare is little.
const LITTLE: u64 = 5;

/// Steps of swaps for each item and in all, and how many take as long as a
/// placement.
const STEPS_PER_ITEM: u64 = 60_000;
const STEPS: u64 = 30_000_000;
const STEPS_PER_PLACEMENT: u64 = 4;

/// Brings `pack` to as few nodes as it can, as long as its work stays below
/// `budget` and it is not too late. `None` when it found none to give up.
pub(super) fn fewer(model: &Model, pack: &Pack, budget: u64, stop: &Stop) -> (Option<Pack>, u64) {
    let mut work = 0;
    let Some((items, kinds, mut nodes)) = plain(model, pack) else {
        return (None, work);
    };
    let before = nodes.len();
    let allowed = STEPS
        .min(STEPS_PER_ITEM * items.len() as u64)
        .min(budget.saturating_mul(STEPS_PER_PLACEMENT));
    let mut steps = allowed;
    while let Some(spare) = items.spare(nodes.len() - 1) {
        let all = |has: &u64| has.saturating_mul(nodes.len() as u64) / 1000 * LITTLE;
        let mut amounts = spare.iter().zip(&items.capacity);
        let mut found = Cover::TooMany;
        if amounts.all(|(spare, has)| *spare <= all(has)) {
            found = tight::cover(&items, nodes.len() - 1, &mut work, stop);
        }
        let less = match found {
            Cover::Found(less) => Some(less),
            Cover::Impossible => None,
            Cover::TooMany => swaps::one_less(&items, &nodes, &mut steps, stop),
        };
        let Some(less) = less else { break };
        nodes = less;
    }
    work = (work + allowed - steps) / STEPS_PER_PLACEMENT;
    let found = (nodes.len() < before).then(|| packed(model, pack, &kinds, &nodes));
    (found.flatten(), work)
}

/// Items, their kinds, and what is on which node, if all nodes are new, of one
/// type, and nothing but amounts matters on them.
fn plain(model: &Model, pack: &Pack) -> Option<(Items, Vec<usize>, Vec<Vec<usize>>)> {
    let ty = |bin: &Bin| match bin.on {
        On::New { ty, .. } => Some(ty as usize),
        On::Node(_) => None,
    };
    let first = ty(pack.bins.first()?)?;
    let mut items = Items::new(model.types[first].capacity.clone());
    let mut kinds = Vec::new();
    let mut nodes = Vec::new();
    for bin in &pack.bins {
        let mut node = Vec::new();
        for (kind, count) in bin.contents() {
            let k = &model.kinds[kind];
            let shape = &model.shapes[k.shape];
            if !k.touches.is_empty() || !k.company.is_empty() || shape.devices.is_some() {
                return None;
            }
            for _ in 0..count {
                node.push(kinds.len());
                kinds.push(kind);
                items.push(&shape.demand);
            }
        }
        if ty(bin) != Some(first) || kinds.len() > ITEMS {
            return None;
        }
        nodes.push(node);
    }
    let few = pack.left.total == 0 && kinds.len() <= ITEMS_PER_NODE * nodes.len();
    (few && model.dims > 0).then_some((items, kinds, nodes))
}

/// The packing with these nodes; the dearest go.
fn packed(model: &Model, pack: &Pack, kinds: &[usize], nodes: &[Vec<usize>]) -> Option<Pack> {
    let mut bought: Vec<(i64, u32, u32)> = Vec::new();
    for bin in &pack.bins {
        if let On::New { ty, offer } = bin.on {
            bought.push((super::pack::price(model, bin), ty, offer));
        }
    }
    bought.sort_unstable();
    let mut out = pack.clone();
    for (_, ty, offer) in bought.iter().skip(nodes.len()) {
        out.stock.give(model, *ty as usize, *offer as usize, 1);
    }
    out.bins.clear();
    for ((_, ty, offer), node) in bought.iter().zip(nodes) {
        let mut bin = Bin::new(model, *ty as usize, *offer as usize);
        for item in node {
            if bin.room(model, kinds[*item], 1) == 0 {
                return None;
            }
            bin.add(model, kinds[*item], 1);
        }
        out.bins.push(bin);
    }
    Some(out)
}
