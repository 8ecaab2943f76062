//! The same items on fewer nodes of one type, by swaps.
//!
//! One node is given up and its items wait. Then a node, or two, and what waits
//! are packed again, so that as much as possible is on them; what each item
//! counts for is a little off, each time anew, so that the search does not stand
//! still (noising, Charon and Hudry 1993). It is a consistent neighbourhood: what
//! is on nodes always fits, and only what waits is to vanish (Buljubašić and
//! Vasquez 2016).

use super::proportional::Draws;
use super::stop::Stop;
use super::tight::Items;

/// By how much counts may be off, in 1024ths, one round after the other.
const NOISES: [u64; 8] = [160, 96, 64, 40, 24, 12, 6, 2];

/// Items that are packed again at once, at most.
const POOL: usize = 40;

/// Of these, those that wait.
const WAITING: usize = 12;

/// Steps of one such packing.
const STEPS: u64 = 3_000;

/// What an item counts for is a part of a node in these.
const WHOLE: u64 = 1 << 32;

struct Swaps<'a> {
    items: &'a Items,
    /// What each item takes of a node, over all amounts.
    weight: Vec<u64>,
    nodes: Vec<Vec<usize>>,
    waiting: Vec<usize>,
    draws: Draws,
    steps: u64,
    stop: &'a Stop,
}

/// The items of `nodes` on one node fewer; `steps` are what is left to do.
pub(super) fn one_less(
    items: &Items,
    nodes: &[Vec<usize>],
    steps: &mut u64,
    stop: &Stop,
) -> Option<Vec<Vec<usize>>> {
    let weight: Vec<u64> = (0..items.len()).map(|i| items.weight(i, WHOLE)).collect();
    let held = |node: &Vec<usize>| node.iter().map(|i| weight[*i]).sum::<u64>();
    let lightest = (0..nodes.len()).min_by_key(|n| (held(&nodes[*n]), *n))?;
    let mut rest = nodes.to_vec();
    let waiting = rest.remove(lightest);
    let mut swaps = Swaps {
        items,
        weight,
        nodes: rest,
        waiting,
        draws: Draws::new(nodes.len() as u64),
        steps: *steps,
        stop,
    };
    let done = swaps.run();
    *steps = swaps.steps;
    done.then_some(swaps.nodes)
}

impl Swaps<'_> {
    /// Until nothing waits any more, or the steps are used up.
    fn run(&mut self) -> bool {
        let n = self.nodes.len();
        if n < 2 {
            return false;
        }
        for round in 0.. {
            let noise = NOISES[round % NOISES.len()];
            for at in 0..n {
                if self.waiting.is_empty() {
                    return true;
                }
                if self.steps == 0 || self.stop.is_due() {
                    return false;
                }
                let other = (at + 1 + self.draws.below(n as u64 - 1) as usize) % n;
                if round % 2 == 0 {
                    self.again(&[at], noise);
                } else {
                    self.again(&[at, other], noise);
                }
            }
        }
        false
    }

    /// Packs these nodes and what waits again.
    fn again(&mut self, nodes: &[usize], noise: u64) {
        let mut pool: Vec<usize> = Vec::with_capacity(POOL);
        for node in nodes {
            pool.extend_from_slice(&self.nodes[*node]);
        }
        let own = pool.len();
        self.steps = self.steps.saturating_sub(1 + own as u64);
        if own > POOL {
            return;
        }
        let most = WAITING.min(POOL.saturating_sub(own));
        // Others wait on if they are too many, and not always the same.
        let waiting = self.waiting.len();
        for at in 0..waiting.min(most) {
            let other = at + self.draws.below((waiting - at) as u64) as usize;
            self.waiting.swap(at, other);
        }
        let taken = waiting.min(most);
        pool.extend(self.waiting.drain(..taken));
        let mut counts: Vec<(u64, usize)> = pool
            .iter()
            .map(|i| {
                let off = 1024 + self.draws.below(noise + 1);
                (self.weight[*i] / 1024 * off + 1, *i)
            })
            .collect();
        let before: u64 = counts.iter().take(own).map(|(count, _)| count).sum();
        counts.sort_unstable_by(|a, b| b.cmp(a));
        let mut filled: Vec<Vec<usize>> = Vec::new();
        let mut after = 0;
        let most_off = 1024 + noise;
        for _ in nodes {
            let (count, chosen) = self.fill(&counts, most_off);
            after += count;
            let node = (0..counts.len()).filter(|at| chosen >> at & 1 == 1);
            filled.push(node.map(|at| counts[at].1).collect());
            let mut at = 0;
            counts.retain(|_| {
                at += 1;
                chosen >> (at - 1) & 1 == 0
            });
        }
        if after < before {
            // Too many steps, or too greedy with the first of two.
            self.waiting.extend(pool.drain(own..));
            return;
        }
        for (node, items) in nodes.iter().zip(filled) {
            self.nodes[*node] = items;
        }
        self.waiting.extend(counts.into_iter().map(|(_, i)| i));
    }

    /// The items of a pool, sorted by what they count for, that count most
    /// together on one node, as bits.
    fn fill(&mut self, pool: &[(u64, usize)], most_off: u64) -> (u64, u64) {
        let mut after: Vec<u64> = vec![0; pool.len() + 1];
        for (at, (count, _)) in pool.iter().enumerate().rev() {
            after[at] = after[at + 1] + count;
        }
        let mut filling = Filling {
            items: self.items,
            weight: &self.weight,
            pool,
            after,
            most_off,
            free: self.items.capacity.clone(),
            best: (0, 0),
            steps: STEPS.min(self.steps),
        };
        let allowed = filling.steps;
        filling.choose(0, (0, 0), self.items.room(WHOLE));
        self.steps -= allowed - filling.steps;
        filling.best
    }
}

/// Depth first over which items of a pool one node takes.
struct Filling<'a> {
    items: &'a Items,
    weight: &'a [u64],
    pool: &'a [(u64, usize)],
    /// What an item and all after it count for.
    after: Vec<u64>,
    most_off: u64,
    free: Vec<u64>,
    best: (u64, u64),
    steps: u64,
}

impl Filling<'_> {
    /// `room` is what is free over all amounts.
    fn choose(&mut self, from: usize, (count, chosen): (u64, u64), room: u64) {
        if count > self.best.0 {
            self.best = (count, chosen);
        }
        for at in from..self.pool.len() {
            let possible = self.after[at].min(room / 1024 * self.most_off + self.most_off);
            if self.steps == 0 || count + possible <= self.best.0 {
                return;
            }
            self.steps -= 1;
            let (worth, item) = self.pool[at];
            if !self.items.fits(item, &self.free) {
                continue;
            }
            self.items.take(item, &mut self.free);
            let rest = room.saturating_sub(self.weight[item]);
            self.choose(at + 1, (count + worth, chosen | 1 << at), rest);
            self.items.give(item, &mut self.free);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tight::tests::{holds, planted};
    use super::*;

    #[test]
    fn a_node_goes_where_there_is_room_for_its_items() {
        for seed in 1..=5 {
            // As many nodes as were filled, and one more to spare.
            let items = planted(20, seed);
            let mut nodes: Vec<Vec<usize>> = Vec::new();
            for i in 0..items.len() {
                nodes.push(vec![i]);
            }
            let mut steps = 20_000_000;
            while nodes.len() > 21 {
                nodes = one_less(&items, &nodes, &mut steps, &Stop::default()).unwrap();
                assert!(holds(&items, &nodes), "seed {seed}");
            }
        }
    }

    #[test]
    fn what_cannot_be_done_ends_when_the_steps_do() {
        let items = planted(3, 1);
        let nodes: Vec<Vec<usize>> = (0..3).map(|n| (4 * n..4 * n + 4).collect()).collect();
        let mut steps = 10_000;
        assert_eq!(one_less(&items, &nodes, &mut steps, &Stop::default()), None);
        assert_eq!(steps, 0);
    }
}
