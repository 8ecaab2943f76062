//! The most valuable filling of one node type, by labels, with an upper bound
//! that holds even when not all labels could be kept.
//!
//! Shapes are decided one after the other, the large ones first. A label is
//! what a partial filling leaves free, and what it is worth. Of labels that
//! leave the same only the best is kept; a label that leaves no more of
//! anything and is worth no more goes; so does one that even a fractional
//! filling of its rest cannot lift above the target. When there are still too
//! many, those that promise the least go, and what they promised stays in the
//! upper bound (Irnich and Desaulniers 2005 call the method label setting).

use super::knapsack::{Filling, Knapsack};
use super::pricing::Search;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// What a type can hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Priced {
    /// No filling is worth more than this and the target.
    pub(super) upper: f64,
    /// Worth of the best filling found.
    pub(super) value: f64,
    /// That filling: shapes and counts, sorted.
    pub(super) counts: Vec<(usize, u32)>,
    /// Others worth more than the target, the best first.
    pub(super) others: Vec<Vec<(usize, u32)>>,
    /// Labels made, and other steps that take as long.
    pub(super) work: u64,
}

/// Floating point may be wrong by less than this, relative.
const SLACK: f64 = 1e-9;

/// Labels that one is compared with before it counts as undominated.
const COMPARED: usize = 48;

/// Comparisons of labels, and parts of a fractional filling, that take as long
/// as a label.
const STEPS_PER_LABEL: u64 = 16;

/// How many good fillings are told beside the best.
const OTHERS: usize = 40;

/// No parent: the empty filling.
const ROOT: u32 = u32::MAX;

/// Hashes words by multiplication: keys are numbers that nobody chose to collide,
/// and maps are only looked into, never walked.
#[derive(Debug, Default, Clone, Copy)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0u8; 8];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        let mixed = (self.0.rotate_left(26) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

type Map<K, V> = HashMap<K, V, BuildHasherDefault<Mix>>;

/// Labels of one stage, field by field.
#[derive(Debug, Default)]
struct Stage {
    value: Vec<f64>,
    /// Where the way to it starts in the arena.
    way: Vec<u32>,
    /// What is free: amounts, devices, room under limits.
    words: Vec<u64>,
    /// The same as parts of the rows of the fractional knapsack.
    rows: Vec<f64>,
}

impl Stage {
    fn len(&self) -> usize {
        self.value.len()
    }

    fn push(&mut self, value: f64, way: u32, words: &[u64], rows: &[f64]) {
        self.value.push(value);
        self.way.push(way);
        self.words.extend_from_slice(words);
        self.rows.extend_from_slice(rows);
    }
}

struct Run<'a> {
    search: &'a Search,
    values: &'a [f64],
    left: &'a [u32],
    words: usize,
    rows: usize,
    /// Decided shape and the way before it.
    arena: Vec<(u32, u32)>,
    best: (f64, u32),
    /// By shape, the best filling that ends with it and is worth more than the
    /// target.
    good: Vec<(f64, u32)>,
    /// Least worth that matters.
    target: f64,
    /// The most that a dropped label promised.
    dropped: f64,
    most: usize,
    work: u64,
    steps: u64,
}

impl Search {
    /// The best filling at `values`, with at most `left` items of each shape
    /// (both by [`Search::shapes`]), as far as it is worth more than `target`;
    /// at most `most` labels are kept, and it stops looking after `budget` units
    /// of work. `knapsack` is that of the type.
    pub(super) fn labelled(
        &self,
        knapsack: &Knapsack,
        values: &[f64],
        left: &[u32],
        target: f64,
        most: usize,
        budget: u64,
    ) -> Priced {
        let mut full = knapsack.clone();
        let mut rest: Vec<f64> = values
            .iter()
            .zip(left)
            .map(|(value, left)| if *left > 0 { *value } else { 0.0 })
            .collect();
        let root = full.solve(&rest);
        self.keep_possible(&mut rest, &root, target);
        let order = self.order(&rest);
        let mut words: Vec<u64> = self.capacity.clone();
        words.extend(self.devices.iter().map(|(_, milli)| u64::from(*milli)));
        let limits = words.len();
        words.extend(self.room.iter().map(|room| u64::from(*room)));
        let rows = vec![1.0; self.parts.first().map_or(0, Vec::len)];
        let mut run = Run {
            search: self,
            values,
            left,
            words: words.len(),
            rows: rows.len(),
            arena: Vec::new(),
            best: (0.0, ROOT),
            good: vec![(target, ROOT); self.shapes.len()],
            target,
            dropped: 0.0,
            most: most.max(1),
            work: 0,
            steps: 0,
        };
        let solve_steps = (self.shapes.len() * rows.len()) as u64;
        let mut stage = Stage::default();
        stage.push(0.0, ROOT, &words, &rows);
        // The last shape that each limit binds: later its room tells nothing.
        let mut last: Vec<usize> = vec![0; self.room.len()];
        for (at, i) in order.iter().enumerate() {
            for limit in &self.limits[*i] {
                last[*limit] = at;
            }
        }
        let mut typical: Option<Vec<f64>> = None;
        for (at, i) in order.iter().enumerate() {
            // Duals hold for every part of what they were made for.
            if stage.len() > 128 && (typical.is_none() || at % 4 == 0) {
                typical = Some(self.typical(knapsack, &stage, run.rows, &rest));
                run.steps += 4 * solve_steps;
            }
            let mut duals = vec![full.solve(&rest).duals];
            duals.extend(typical.clone());
            run.steps += 2 * solve_steps;
            stage = run.filter(stage, &duals);
            if stage.len() == 0 {
                break;
            }
            if run.spent() > budget || self.stop.is_due() {
                run.give_up(&stage, &duals);
                break;
            }
            stage = run.extend(stage, *i, &duals);
            rest[*i] = 0.0;
            for limit in &self.limits[*i] {
                if last[*limit] == at {
                    let mut word = limits + limit;
                    while let Some(room) = stage.words.get_mut(word) {
                        *room = 0;
                        word += run.words;
                    }
                }
            }
            stage = run.undominated(stage);
        }
        let mut good: Vec<(f64, u32)> = std::mem::take(&mut run.good);
        good.retain(|(_, way)| *way != ROOT && *way != run.best.1);
        good.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        good.truncate(OTHERS);
        Priced {
            upper: run.best.0.max(run.dropped).max(target) * (1.0 + SLACK),
            value: run.best.0,
            counts: run.filling(run.best.1),
            others: good.iter().map(|(_, way)| run.filling(*way)).collect(),
            work: run.spent(),
        }
    }

    /// Sets the values of shapes to zero that are in no filling worth more than
    /// `target`: what the fractional filling is worth more is all that another
    /// may lose against it, and a single item of these loses more.
    pub(super) fn keep_possible(&self, values: &mut [f64], root: &Filling, target: f64) {
        let slack = root.value - target;
        for (value, parts) in values.iter_mut().zip(&self.parts) {
            let carried: f64 = parts.iter().zip(&root.duals).map(|(p, y)| p * y).sum();
            if carried - *value > slack + SLACK * root.value {
                *value = 0.0;
            }
        }
    }

    /// Large shapes first, those under one limit together.
    fn order(&self, values: &[f64]) -> Vec<usize> {
        let size = |i: usize| self.parts[i].iter().fold(0.0_f64, |a, b| a.max(*b));
        let wanted: Vec<usize> = (0..self.shapes.len())
            .filter(|i| values[*i] > 0.0)
            .collect();
        let mut of_limit: HashMap<usize, f64> = HashMap::new();
        for i in &wanted {
            if let Some(limit) = self.limits[*i].first() {
                let largest = of_limit.entry(*limit).or_default();
                *largest = largest.max(size(*i));
            }
        }
        let mut keyed: Vec<(f64, usize, f64, usize)> = wanted
            .into_iter()
            .map(|i| match self.limits[i].first() {
                Some(limit) => (of_limit[limit], *limit, size(i), i),
                None => (size(i), usize::MAX, size(i), i),
            })
            .collect();
        keyed.sort_by(|a, b| {
            b.0.total_cmp(&a.0)
                .then(a.1.cmp(&b.1))
                .then(b.2.total_cmp(&a.2))
                .then(a.3.cmp(&b.3))
        });
        keyed.into_iter().map(|k| k.3).collect()
    }

    /// Duals of the fractional knapsack with what a typical label leaves free:
    /// as valid as those of an empty node, and often sharper.
    fn typical(&self, knapsack: &Knapsack, stage: &Stage, rows: usize, rest: &[f64]) -> Vec<f64> {
        let mut mean = vec![0.0; rows];
        for line in stage.rows.chunks_exact(rows.max(1)) {
            for (mean, free) in mean.iter_mut().zip(line) {
                *mean += free / stage.len() as f64;
            }
        }
        for free in &mut mean {
            *free = free.clamp(1e-3, 1.0);
        }
        let columns = knapsack.columns().into_iter().map(|column| {
            let scaled = column.iter().zip(&mean).map(|(part, free)| part / free);
            scaled.collect()
        });
        let mut duals = Knapsack::new(rows, columns.collect()).solve(rest).duals;
        for (dual, free) in duals.iter_mut().zip(&mean) {
            *dual /= free;
        }
        duals
    }
}

impl Run<'_> {
    /// Shapes and counts of a label, sorted.
    fn filling(&self, way: u32) -> Vec<(usize, u32)> {
        let mut counts: HashMap<u32, u32> = HashMap::new();
        let mut way = way;
        while let Some((shape, before)) = self.arena.get(way as usize) {
            *counts.entry(*shape).or_default() += 1;
            way = *before;
        }
        let shapes = &self.search.shapes;
        let counts = counts.into_iter().map(|(i, n)| (shapes[i as usize], n));
        let mut counts: Vec<(usize, u32)> = counts.collect();
        counts.sort_unstable();
        counts
    }

    fn promise(&self, value: f64, rows: &[f64], duals: &[Vec<f64>]) -> f64 {
        let rest = duals.iter().map(|duals| {
            let carried = duals.iter().zip(rows).map(|(y, free)| y * free.max(0.0));
            carried.sum::<f64>()
        });
        value + rest.fold(f64::INFINITY, f64::min)
    }

    fn spent(&self) -> u64 {
        self.work + self.steps / STEPS_PER_LABEL
    }

    /// Leaves labels undecided: what they promise stays in the bound.
    fn give_up(&mut self, stage: &Stage, duals: &[Vec<f64>]) {
        for i in 0..stage.len() {
            let rows = &stage.rows[i * self.rows..(i + 1) * self.rows];
            let promise = self.promise(stage.value[i], rows, duals);
            self.dropped = self.dropped.max(promise);
        }
    }

    fn floor(&self) -> f64 {
        self.best.0.max(self.target) * (1.0 + SLACK)
    }

    /// Drops labels that cannot reach the target, and the least promising of
    /// too many.
    fn filter(&mut self, stage: Stage, duals: &[Vec<f64>]) -> Stage {
        let floor = self.floor();
        let mut kept: Vec<(f64, usize)> = Vec::with_capacity(stage.len());
        self.steps += (stage.len() * self.rows * duals.len()) as u64;
        for i in 0..stage.len() {
            let rows = &stage.rows[i * self.rows..(i + 1) * self.rows];
            let promise = self.promise(stage.value[i], rows, duals);
            if promise > floor {
                kept.push((promise, i));
            }
        }
        if kept.len() > self.most {
            let by = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            kept.select_nth_unstable_by(self.most, by);
            for (promise, _) in &kept[self.most..] {
                self.dropped = self.dropped.max(*promise);
            }
            kept.truncate(self.most);
        }
        kept.sort_unstable_by_key(|(_, i)| *i);
        let mut out = Stage::default();
        for (_, i) in kept {
            out.push(
                stage.value[i],
                stage.way[i],
                &stage.words[i * self.words..(i + 1) * self.words],
                &stage.rows[i * self.rows..(i + 1) * self.rows],
            );
        }
        out
    }

    /// The labels, and those with one or more items of the shape added.
    fn extend(&mut self, mut stage: Stage, shape: usize, duals: &[Vec<f64>]) -> Stage {
        let mut seen: Map<Vec<u64>, usize> = Map::default();
        // Without devices every label has one way only to so many items.
        let several = self.search.requests[shape].is_some();
        let mut from = 0;
        let mut words: Vec<u64> = Vec::with_capacity(self.words);
        let mut rows: Vec<f64> = Vec::with_capacity(self.rows);
        for _ in 0..self.left[shape] {
            let to = stage.len();
            if from == to || to > 16 * self.most {
                // Too many already: what the last ones promise stays.
                for i in from..to {
                    let rows = &stage.rows[i * self.rows..(i + 1) * self.rows];
                    let promise = self.promise(stage.value[i], rows, duals);
                    self.dropped = self.dropped.max(promise);
                }
                break;
            }
            for i in from..to {
                words.clear();
                words.extend_from_slice(&stage.words[i * self.words..(i + 1) * self.words]);
                self.steps += self.words as u64;
                if !self.search.take_amounts(shape, &mut words) {
                    continue;
                }
                rows.clear();
                let before = &stage.rows[i * self.rows..(i + 1) * self.rows];
                let parts = &self.search.parts[shape];
                rows.extend(before.iter().zip(parts).map(|(free, part)| free - part));
                let value = stage.value[i] + self.values[shape];
                if self.promise(value, &rows, duals) <= self.floor() {
                    continue;
                }
                let way = stage.way[i];
                for choice in self.search.device_choices(shape, &words) {
                    self.work += 1;
                    if several
                        && let Some(at) = seen.get(&choice)
                        && stage.value[*at] >= value
                    {
                        continue;
                    }
                    self.arena.push((shape as u32, way));
                    let way = self.arena.len() as u32 - 1;
                    if value > self.best.0 {
                        self.best = (value, way);
                    }
                    if let Some(good) = self.good.get_mut(shape)
                        && value > good.0
                    {
                        *good = (value, way);
                    }
                    stage.push(value, way, &choice, &rows);
                    if several {
                        seen.insert(choice, stage.len() - 1);
                    }
                }
            }
            from = to;
        }
        stage
    }

    /// Drops labels that another one beats in everything.
    fn undominated(&mut self, stage: Stage) -> Stage {
        let dims = self.search.capacity.len();
        let mut order: Vec<usize> = (0..stage.len()).collect();
        order.sort_by(|a, b| stage.value[*b].total_cmp(&stage.value[*a]).then(a.cmp(b)));
        let mut groups: Map<&[u64], Vec<usize>> = Map::default();
        let mut keep = vec![false; stage.len()];
        for i in order {
            let words = &stage.words[i * self.words..(i + 1) * self.words];
            let group = groups.entry(&words[dims..]).or_default();
            self.steps += group.len().min(COMPARED) as u64;
            let beaten = group.iter().rev().take(COMPARED).any(|other| {
                let theirs = &stage.words[other * self.words..][..dims];
                theirs.iter().zip(words).all(|(theirs, own)| theirs >= own)
            });
            if !beaten {
                group.push(i);
                keep[i] = true;
            }
        }
        let mut out = Stage::default();
        for (i, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
            out.push(
                stage.value[i],
                stage.way[i],
                &stage.words[i * self.words..(i + 1) * self.words],
                &stage.rows[i * self.rows..(i + 1) * self.rows],
            );
        }
        out
    }
}

impl Search {
    /// Takes the amounts and the room under limits of one item; whether they
    /// suffice.
    fn take_amounts(&self, shape: usize, words: &mut [u64]) -> bool {
        let demand = &self.demand[shape * self.dims..(shape + 1) * self.dims];
        for (free, demand) in words.iter_mut().zip(demand) {
            match free.checked_sub(*demand) {
                Some(rest) => *free = rest,
                None => return false,
            }
        }
        let limits = self.dims + self.devices.len();
        for limit in &self.limits[shape] {
            match words[limits + limit].checked_sub(1) {
                Some(rest) => words[limits + limit] = rest,
                None => return false,
            }
        }
        true
    }

    /// Every way, up to the names of equal devices, to serve one item.
    fn device_choices(&self, shape: usize, words: &[u64]) -> Vec<Vec<u64>> {
        let Some(request) = &self.requests[shape] else {
            return vec![words.to_vec()];
        };
        // Equal devices: model, what is free of each, and where they are.
        let mut classes: Vec<(usize, u64, Vec<usize>)> = Vec::new();
        for (i, (model, _)) in self.devices.iter().enumerate() {
            let free = words[self.dims + i];
            if free < u64::from(request.milli) || !request.models.contains(*model) {
                continue;
            }
            match classes
                .iter_mut()
                .find(|(m, f, _)| m == model && *f == free)
            {
                Some((_, _, at)) => at.push(i),
                None => classes.push((*model, free, vec![i])),
            }
        }
        let mut out = Vec::new();
        let mut chosen = Vec::new();
        self.choose(
            request.count,
            request.milli,
            &classes,
            &mut chosen,
            words,
            &mut out,
        );
        out
    }

    fn choose(
        &self,
        count: u32,
        milli: u32,
        classes: &[(usize, u64, Vec<usize>)],
        chosen: &mut Vec<usize>,
        words: &[u64],
        out: &mut Vec<Vec<u64>>,
    ) {
        if count == 0 {
            let mut words = words.to_vec();
            for i in chosen.iter() {
                words[self.dims + i] -= u64::from(milli);
            }
            // Which of two equal devices has less free tells nothing.
            let mut start = 0;
            while start < self.devices.len() {
                let model = self.devices[start].0;
                let same = self.devices[start..].iter().take_while(|d| d.0 == model);
                let end = start + same.count();
                words[self.dims + start..self.dims + end].sort_unstable();
                start = end;
            }
            out.push(words);
            return;
        }
        let Some(((_, _, at), rest)) = classes.split_first() else {
            return;
        };
        for take in (0..=at.len().min(count as usize)).rev() {
            chosen.extend(&at[..take]);
            self.choose(count - take as u32, milli, rest, chosen, words, out);
            chosen.truncate(chosen.len() - take);
        }
    }
}
