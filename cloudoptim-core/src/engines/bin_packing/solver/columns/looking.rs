//! Fillings of one type that are worth more than its price: by simple rules, then by
//! a bounded search.

use super::super::bin::Bin;
use super::super::knapsack::Filling;
use super::super::pack::{Key, Left, Pick, fill};
use super::{Config, Programme, TypePricer};

/// Simple fillings to try before a search: whether to start from the
/// fractional one, and how to go on.
const GUESSES: [(bool, Pick); 4] = [
    (true, Pick::Scarce),
    (false, Pick::Scarce),
    (false, Pick::Balance(0.3)),
    (true, Pick::Order(Key::Value)),
];

impl Programme<'_> {
    /// Fillings of one type that are worth more than its price at the second of
    /// `values` (by shape) and duals, and the work it took.
    pub(super) fn look(
        &self,
        index: usize,
        filling: &Filling,
        left: &[u32],
        (values, duals): (&[f64], &[f64]),
    ) -> (Vec<Config>, u64) {
        let own;
        let mut values = values;
        if self.scope.model.prefers {
            own = self.own(index, values);
            values = &own;
        }
        let (mut found, mut work) = self.guess(index, filling, left, values, duals);
        if found.is_empty() {
            let (config, cost) = self.search(index, filling, left, values, duals);
            found.extend(config);
            work += cost;
        }
        (found, work)
    }

    /// Values by shape without what items cost beside on a type.
    fn own(&self, index: usize, values: &[f64]) -> Vec<f64> {
        let room = &self.pricers[index].pricer.room;
        let own = values.iter().enumerate();
        own.map(|(s, value)| (value - room.extra(s) as f64).max(0.0))
            .collect()
    }

    /// What a filling of a type is worth at `duals`, without what items cost beside.
    fn worth(&self, index: usize, counts: &[(usize, u32)], duals: &[f64]) -> f64 {
        let beside = self.pricers[index].pricer.beside_of(counts);
        let rows = counts
            .iter()
            .filter_map(|(s, n)| Some((self.row_of[*s]?, *n)));
        rows.map(|(row, n)| duals[row] * f64::from(n)).sum::<f64>() - beside
    }

    /// Fillings by simple rules that are worth more than the price at `duals`,
    /// and the work it took.
    fn guess(
        &self,
        index: usize,
        filling: &Filling,
        left: &[u32],
        values: &[f64],
        duals: &[f64],
    ) -> (Vec<Config>, u64) {
        let (scope, model) = (self.scope, self.scope.model);
        let p = &self.pricers[index];
        let mut out: Vec<Config> = Vec::new();
        let mut work = 0;
        for (rounded, pick) in GUESSES {
            let mut stock = Left::new(model, left.to_vec());
            let mut bin = Bin::new(model, p.ty, 0);
            // The fractional filling, rounded down, then what still fits.
            for (column, amount) in filling.amounts.iter().filter(|_| rounded) {
                let s = self.shapes[p.pricer.groups[*column]];
                let want = (amount + 1e-9).floor() as u32;
                let n = bin.room(model, s, want.min(stock.kinds[s]));
                if n > 0 {
                    bin.add(model, s, n);
                    stock.take(model, s, n);
                }
            }
            fill(
                scope, &p.lens, pick, values, &mut bin, &mut stock, &mut work,
            );
            let config = Config {
                ty: p.ty,
                counts: bin.contents(),
            };
            let good = self.worth(index, &config.counts, duals) > p.raised * (1.0 + 1e-7);
            if good && !self.known.contains(&config) && !out.contains(&config) {
                out.push(config);
            }
        }
        (out, work)
    }

    /// The best filling of a type that a bounded search finds, if it is worth
    /// more than the price at `duals`, and the work it took.
    fn search(
        &self,
        index: usize,
        filling: &Filling,
        left: &[u32],
        values: &[f64],
        duals: &[f64],
    ) -> (Option<Config>, u64) {
        let TypePricer {
            ty,
            raised: price,
            search,
            ..
        } = &self.pricers[index];
        let own: Vec<f64> = search.shapes.iter().map(|s| values[*s]).collect();
        let own_left: Vec<u32> = search.shapes.iter().map(|s| left[*s]).collect();
        // Less than the price is of no use.
        let found = search.best(&own, &own_left, &filling.duals, *price, self.nodes);
        // A node of the search costs about as much as ten attempts to place.
        let work = 10 * found.nodes;
        let mut counts = found.counts;
        counts.sort_unstable();
        let good = self.worth(index, &counts, duals) > price * (1.0 + 1e-7);
        (good.then_some(Config { ty: *ty, counts }), work)
    }
}
