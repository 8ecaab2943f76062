//! Items on so many nodes of one type that hardly any room may stay free.
//!
//! Then few sets of items fill a node well enough. The items are halved, the sets
//! of each half that fit a node are listed, and pairs that leave no more free than
//! all nodes together may are the fillings there are (Horowitz and Sahni 1974).
//! Choosing fillings so that each item is in one is an exact cover: the item that
//! is in the fewest goes first (Knuth 2000).

use super::stop::Stop;

/// Sets of a half, pairs looked at, fillings, and steps of the cover, at most.
const SETS: usize = 4_000_000;
const PAIRS: u64 = 30_000_000;
const FILLINGS: usize = 50_000;
const STEPS: u64 = 100_000;

/// Nothing before it.
const ROOT: u32 = u32::MAX;

/// Items that take amounts only, and the node that they are to go on.
#[derive(Debug, Clone)]
pub(super) struct Items {
    pub(super) capacity: Vec<u64>,
    /// One after the other.
    demand: Vec<u64>,
}

impl Items {
    pub(super) fn new(capacity: Vec<u64>) -> Self {
        Self {
            capacity,
            demand: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, demand: &[u64]) {
        self.demand.extend_from_slice(demand);
    }

    pub(super) fn len(&self) -> usize {
        self.demand.len() / self.capacity.len().max(1)
    }

    pub(super) fn demand(&self, item: usize) -> &[u64] {
        let dims = self.capacity.len();
        &self.demand[item * dims..(item + 1) * dims]
    }

    /// What an item takes over all amounts, of `whole` for each.
    pub(super) fn weight(&self, item: usize, whole: u64) -> u64 {
        let parts = self.demand(item).iter().zip(&self.capacity);
        parts.map(|(d, has)| part(*d, *has, whole)).sum()
    }

    /// What an empty node has over all amounts; no less than what fits weighs.
    pub(super) fn room(&self, whole: u64) -> u64 {
        self.capacity.len() as u64 * whole
    }

    pub(super) fn fits(&self, item: usize, free: &[u64]) -> bool {
        self.demand(item).iter().zip(free).all(|(d, f)| d <= f)
    }

    pub(super) fn take(&self, item: usize, free: &mut [u64]) {
        for (f, d) in free.iter_mut().zip(self.demand(item)) {
            *f -= d;
        }
    }

    pub(super) fn give(&self, item: usize, free: &mut [u64]) {
        for (f, d) in free.iter_mut().zip(self.demand(item)) {
            *f += d;
        }
    }

    /// What some of them leave free of a node that they fit on.
    fn left_by(&self, some: &[usize]) -> Vec<u64> {
        let mut free = self.capacity.clone();
        some.iter().for_each(|item| self.take(*item, &mut free));
        free
    }

    /// What stays free of each amount on so many nodes; `None` when they are too
    /// few.
    pub(super) fn spare(&self, nodes: usize) -> Option<Vec<u64>> {
        let mut spare: Vec<u64> = Vec::with_capacity(self.capacity.len());
        for (dim, has) in self.capacity.iter().enumerate() {
            let lines = self.demand.iter().skip(dim);
            let mut sum = 0u64;
            for d in lines.step_by(self.capacity.len()) {
                sum = sum.checked_add(*d)?;
            }
            spare.push(has.checked_mul(nodes as u64)?.checked_sub(sum)?);
        }
        Some(spare)
    }
}

fn part(demand: u64, has: u64, whole: u64) -> u64 {
    if has == 0 {
        return 0;
    }
    (u128::from(demand) * u128::from(whole) / u128::from(has)) as u64
}

/// What a search for fillings and their cover came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cover {
    /// The items of each node.
    Found(Vec<Vec<usize>>),
    /// There is none.
    Impossible,
    /// It would take too long to tell.
    TooMany,
}

/// All items on so many nodes. `work` counts sets, pairs and steps.
pub(super) fn cover(items: &Items, nodes: usize, work: &mut u64, stop: &Stop) -> Cover {
    let Some(spare) = items.spare(nodes) else {
        return Cover::Impossible;
    };
    let fillings = match fillings(items, &spare, work, stop) {
        Some(fillings) => fillings,
        None => return Cover::TooMany,
    };
    let mut of_item: Vec<Vec<u32>> = vec![Vec::new(); items.len()];
    for (f, filling) in fillings.iter().enumerate() {
        for item in filling {
            of_item[*item].push(f as u32);
        }
    }
    let lists = fillings.iter().map(|f| f.iter().map(|item| *item as u32));
    let mut covering = Covering {
        items_of: Lists::new(lists),
        alive: of_item.iter().map(|f| f.len() as u32).collect(),
        of_item: Lists::new(of_item.into_iter().map(Vec::into_iter)),
        blocked: vec![false; fillings.len()],
        covered: vec![false; items.len()],
        chosen: Vec::new(),
        trail: Vec::new(),
        marks: Vec::new(),
        waste: Items {
            demand: fillings.iter().flat_map(|f| items.left_by(f)).collect(),
            capacity: items.capacity.clone(),
        },
        spare,
        nodes,
        steps: STEPS,
        stop,
    };
    let found = covering.go_on();
    *work += STEPS - covering.steps;
    if found {
        let chosen = covering.chosen.iter().map(|f| fillings[*f].clone());
        Cover::Found(chosen.collect())
    } else if covering.steps == 0 || stop.was_due() {
        Cover::TooMany
    } else {
        Cover::Impossible
    }
}

/// Sets of some items that fit one node together.
struct Sets {
    dims: usize,
    /// What each takes, one after the other.
    sums: Vec<u64>,
    /// Its last item, and the set before it.
    ways: Vec<(u32, u32)>,
}

impl Sets {
    /// `None` when they are too many.
    fn new(items: &Items, some: &[usize]) -> Option<Self> {
        let dims = items.capacity.len();
        let mut sets = Self {
            dims,
            sums: vec![0; dims],
            ways: vec![(ROOT, ROOT)],
        };
        for item in some {
            for before in 0..sets.ways.len() {
                let from = before * dims;
                let fits = (0..dims)
                    .all(|d| sets.sums[from + d] + items.demand(*item)[d] <= items.capacity[d]);
                if !fits {
                    continue;
                }
                if sets.ways.len() >= SETS {
                    return None;
                }
                for (d, demand) in items.demand(*item).iter().enumerate() {
                    sets.sums.push(sets.sums[from + d] + demand);
                }
                sets.ways.push((*item as u32, before as u32));
            }
        }
        Some(sets)
    }

    fn sum(&self, set: usize) -> &[u64] {
        &self.sums[set * self.dims..(set + 1) * self.dims]
    }

    /// What each takes of the first amount, the least first, and which it is.
    fn by_sum(&self) -> Vec<(u64, u32)> {
        let sums = self.sums.iter().step_by(self.dims.max(1));
        let mut sets: Vec<(u64, u32)> = sums.copied().zip(0..).collect();
        sets.sort_unstable();
        sets
    }

    fn items(&self, set: usize) -> Vec<usize> {
        let mut items = Vec::new();
        let mut at = set;
        while let Some((item, before)) = self.ways.get(at).filter(|(item, _)| *item != ROOT) {
            items.push(*item as usize);
            at = *before as usize;
        }
        items
    }
}

/// All sets of items that leave no more than `spare` free on a node. `None` when
/// they are too many, or it is too late.
fn fillings(items: &Items, spare: &[u64], work: &mut u64, stop: &Stop) -> Option<Vec<Vec<usize>>> {
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_key(|i| (std::cmp::Reverse(items.weight(*i, 1 << 32)), *i));
    let half =
        |from: usize| -> Vec<usize> { order.iter().copied().skip(from).step_by(2).collect() };
    let (first, second) = (Sets::new(items, &half(0))?, Sets::new(items, &half(1))?);
    *work += (first.ways.len() + second.ways.len()) as u64;
    let (ones, others) = (first.by_sum(), second.by_sum());
    let mut found: Vec<(u32, usize)> = Vec::new();
    let mut pairs = 0;
    // The more one set takes, the less those that go with it.
    let (mut from, mut to) = (others.len(), others.len());
    for (sum, a) in &ones {
        let most = items.capacity[0] - sum;
        let least = most.saturating_sub(spare[0]);
        while from > 0 && others[from - 1].0 >= least {
            from -= 1;
        }
        while to > 0 && others[to - 1].0 > most {
            to -= 1;
        }
        let taken = first.sum(*a as usize);
        for (at, (_, b)) in others[from..to].iter().enumerate() {
            pairs += 1;
            let with = second.sum(*b as usize);
            let full = with.iter().zip(taken).enumerate().all(|(d, (b, a))| {
                let left = items.capacity[d].checked_sub(a + b);
                left.is_some_and(|left| left <= spare[d])
            });
            if full && (*a, *b) != (0, 0) {
                found.push((*a, from + at));
            }
        }
        if pairs > PAIRS || found.len() > FILLINGS || stop.is_due() {
            return None;
        }
    }
    *work += pairs;
    found.sort_unstable();
    let filling = |(a, at): (u32, usize)| {
        let mut filling = first.items(a as usize);
        filling.extend(second.items(others[at].1 as usize));
        filling.sort_unstable();
        filling
    };
    Some(found.into_iter().map(filling).collect())
}

/// Lists of numbers, one after the other.
struct Lists {
    starts: Vec<usize>,
    all: Vec<u32>,
}

impl Lists {
    fn new(lists: impl Iterator<Item = impl Iterator<Item = u32>>) -> Self {
        let (mut starts, mut all) = (vec![0], Vec::new());
        for list in lists {
            all.extend(list);
            starts.push(all.len());
        }
        Self { starts, all }
    }

    fn of(&self, at: usize) -> &[u32] {
        &self.all[self.starts[at]..self.starts[at + 1]]
    }
}

/// A choice of fillings, no two with the same item.
struct Covering<'a> {
    items_of: Lists,
    of_item: Lists,
    /// Fillings of each item that may still be chosen.
    alive: Vec<u32>,
    /// Whether a chosen filling shares an item with each.
    blocked: Vec<bool>,
    covered: Vec<bool>,
    chosen: Vec<usize>,
    /// Fillings in the order in which they were blocked, and how many were before
    /// each choice.
    trail: Vec<u32>,
    marks: Vec<usize>,
    /// What each filling leaves free, and what those not chosen yet may.
    waste: Items,
    spare: Vec<u64>,
    nodes: usize,
    steps: u64,
    stop: &'a Stop,
}

impl Covering<'_> {
    /// Covers what is not yet; whether it could.
    fn go_on(&mut self) -> bool {
        let open = (0..self.covered.len()).filter(|i| !self.covered[*i]);
        let Some(item) = open.min_by_key(|i| (self.alive[*i], *i)) else {
            return true;
        };
        if self.chosen.len() == self.nodes {
            return false;
        }
        for at in 0..self.of_item.of(item).len() {
            let f = self.of_item.of(item)[at] as usize;
            if self.blocked[f] || !self.waste.fits(f, &self.spare) {
                continue;
            }
            if self.steps == 0 || self.stop.is_due() {
                return false;
            }
            self.steps -= 1;
            if self.choose(f) && self.go_on() {
                return true;
            }
            self.undo(f);
        }
        false
    }

    /// Chooses a filling; whether every other item still has one. Where one has
    /// none, the rest is not looked at.
    fn choose(&mut self, f: usize) -> bool {
        self.chosen.push(f);
        self.waste.take(f, &mut self.spare);
        self.marks.push(self.trail.len());
        for item in self.items_of.of(f) {
            self.covered[*item as usize] = true;
        }
        for item in self.items_of.of(f) {
            for other in self.of_item.of(*item as usize) {
                let blocked = &mut self.blocked[*other as usize];
                if *blocked {
                    continue;
                }
                *blocked = true;
                self.trail.push(*other);
                let mut all_alive = true;
                for i in self.items_of.of(*other as usize) {
                    let alive = &mut self.alive[*i as usize];
                    *alive -= 1;
                    all_alive &= *alive > 0 || self.covered[*i as usize];
                }
                if !all_alive {
                    return false;
                }
            }
        }
        true
    }

    fn undo(&mut self, f: usize) {
        self.chosen.pop();
        self.waste.give(f, &mut self.spare);
        for item in self.items_of.of(f) {
            self.covered[*item as usize] = false;
        }
        let before = self.marks.pop().unwrap_or(0);
        for other in self.trail.drain(before..) {
            self.blocked[other as usize] = false;
            for i in self.items_of.of(other as usize) {
                self.alive[*i as usize] += 1;
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::proportional::Draws;
    use super::*;

    /// Items that fill so many nodes of two amounts to the brim.
    pub(in super::super) fn planted(nodes: usize, seed: u64) -> Items {
        let mut draws = Draws::new(seed);
        let mut items = Items::new(vec![1_000, 3_000]);
        for _ in 0..nodes {
            let mut free = [1_000, 3_000];
            for _ in 0..3 {
                let taken = free.map(|f| 1 + draws.below(f * 2 / 3));
                free = [free[0] - taken[0], free[1] - taken[1]];
                items.push(&taken);
            }
            items.push(&free);
        }
        items
    }

    /// Whether each item is on one node, and none is too full.
    pub(in super::super) fn holds(items: &Items, nodes: &[Vec<usize>]) -> bool {
        let mut all: Vec<usize> = nodes.iter().flatten().copied().collect();
        all.sort_unstable();
        let fits = nodes.iter().all(|node| {
            (0..items.capacity.len()).all(|dim| {
                let taken: u64 = node.iter().map(|i| items.demand(*i)[dim]).sum();
                taken <= items.capacity[dim]
            })
        });
        fits && all.into_iter().eq(0..items.len())
    }

    #[test]
    fn nodes_that_were_full_are_found_again() {
        for seed in 1..=20 {
            let items = planted(7, seed);
            let mut work = 0;
            let Cover::Found(nodes) = cover(&items, 7, &mut work, &Stop::default()) else {
                panic!("seed {seed}");
            };
            assert!(nodes.len() == 7 && holds(&items, &nodes), "seed {seed}");
            assert_eq!(
                cover(&items, 6, &mut work, &Stop::default()),
                Cover::Impossible
            );
        }
    }

    #[test]
    fn fillings_are_all_sets_that_leave_little_free() {
        for seed in 1..=40 {
            let items = planted(3, seed);
            let mut draws = Draws::new(seed + 100);
            let spare = [draws.below(250), draws.below(900)];
            let mut all: Vec<Vec<usize>> = (1u32..1 << items.len())
                .map(|set| {
                    let inside = |item: &usize| (set >> item) & 1 == 1;
                    (0..items.len()).filter(inside).collect::<Vec<_>>()
                })
                .filter(|set| {
                    items.capacity.iter().enumerate().all(|(dim, has)| {
                        let taken: u64 = set.iter().map(|item| items.demand(*item)[dim]).sum();
                        taken <= *has && has - taken <= spare[dim]
                    })
                })
                .collect();
            let mut found = fillings(&items, &spare, &mut 0, &Stop::default()).unwrap();
            all.sort_unstable();
            found.sort_unstable();
            assert!(!all.is_empty());
            assert_eq!(found, all, "seed {seed}");
        }
    }

    #[test]
    fn items_that_only_add_up_have_no_cover() {
        let mut items = Items::new(vec![10]);
        for _ in 0..5 {
            items.push(&[6]);
        }
        // Three nodes have room for thirty, but each takes one of the five.
        assert_eq!(items.spare(3), Some(vec![0]));
        assert_eq!(
            cover(&items, 3, &mut 0, &Stop::default()),
            Cover::Impossible
        );
    }
}
