//! The programme of a fleet over the prices of what its rooms have: few
//! variables, and planes that cut them down to the optimum.

use super::super::lp::{Column, Master};
use super::super::room::Taker;
use super::super::solution::ShareOf;
use super::relax::{Level, Relaxation, shape_count};

/// A plane that is nowhere below what prices prove.
#[derive(Debug, Clone)]
struct Cut {
    constant: f64,
    /// By room and resource.
    slopes: Vec<f64>,
    /// The room that asks least of each group.
    room_of: Vec<Option<usize>>,
    /// Value of an item of each group.
    values: Vec<f64>,
    /// Nodes of each room that pay for themselves.
    kept: Vec<f64>,
}

/// Planes after which the search for prices ends.
const MAX_CUTS: u32 = 3_000;

impl Relaxation<'_> {
    /// The same optimum as a search for prices of what each room has: an item is
    /// worth the least that any room asks for it, a room that holds more than it
    /// costs is kept. That is concave in few variables, and cutting planes find
    /// its top (Kelley 1960).
    pub(super) fn over_prices(&mut self, per_move: i64, pivot_limit: u64) -> (Level, bool) {
        let model = self.model;
        let (l, t, dims) = (self.looks.len(), self.types.len(), model.dims);
        // Money in units of the dearest node, so that all numbers are moderate.
        let dearest = self.nodes.iter().flatten().map(|n| n.0).max().unwrap_or(0);
        let unit = dearest.max(1) as f64;
        let rooms = l + t + usize::from(self.pool.is_some());
        let total: f64 = self.groups.iter().map(|g| g.count).sum();
        // Supply of each room: cost and number, cheapest first.
        let mut supply: Vec<Vec<(f64, f64)>> = Vec::with_capacity(rooms);
        for look in &self.looks {
            let nodes = look.nodes.iter();
            let mut costs: Vec<i64> = nodes.map(|n| self.keeping(*n, per_move)).collect();
            costs.sort_unstable();
            supply.push(costs.into_iter().map(|c| (c as f64 / unit, 1.0)).collect());
        }
        for pricer in &self.types {
            supply.push(vec![(pricer.room.price() as f64 / unit, total.max(1.0))]);
        }
        supply.resize(rooms, vec![(f64::NEG_INFINITY, 1.0)]);
        // What an item of a group takes of each resource of a room.
        let mut parts: Vec<Vec<Option<Vec<f64>>>> = Vec::with_capacity(rooms);
        for room in 0..rooms {
            let groups: Vec<usize> = self.groups.iter().map(|g| g.shapes[0]).collect();
            let Some(pricer) = self.pricer(room) else {
                continue;
            };
            parts.push(
                groups
                    .iter()
                    .map(|s| {
                        let taker = Taker::of(&model.shapes[*s]);
                        pricer.room.accepts(*s).then(|| {
                            (0..dims)
                                .map(|r| {
                                    let (num, den) =
                                        pricer.room.part(model, &taker, ShareOf::Dim(r), 0);
                                    num as f64 / den as f64
                                })
                                .collect()
                        })
                    })
                    .collect(),
            );
        }
        // The weights of the cuts would grow without end if one cost less than
        // nothing.
        let lift: f64 = supply
            .iter()
            .flatten()
            .filter(|(cost, _)| cost.is_finite())
            .map(|(cost, n)| n * (-cost).max(0.0))
            .sum();
        let width = rooms * dims;
        let most = 20.0;
        // Rows: the cuts' weights add up to one; each price is at most `most`.
        let mut right = vec![1.0];
        right.extend(std::iter::repeat_n(0.0, width));
        let mut start = vec![Some(Column {
            cost: most * total.max(1.0) * dims as f64 + lift,
            entries: vec![(0, 1.0)],
        })];
        start.extend(std::iter::repeat_n(None, width));
        let mut master = Master::new(right, start).careful().until(&model.stop);
        let mut cuts: Vec<Option<Cut>> = vec![None];
        for row in 0..width {
            master.add(Column {
                cost: most,
                entries: vec![(row as u32 + 1, 1.0)],
            });
            cuts.push(None);
        }
        let mut best = (f64::NEG_INFINITY, vec![0.0; width]);
        let mut prices = vec![0.0; width];
        let mut closed = false;
        for round in 0.. {
            let (value, cut) = self.cut(&prices, &parts, &supply, dims);
            if value > best.0 {
                best = (value, prices.clone());
            }
            let mut entries = vec![(0, 1.0)];
            let slopes = cut.slopes.iter().enumerate();
            entries.extend(slopes.map(|(row, g)| (row as u32 + 1, -g)));
            master.add(Column {
                cost: cut.constant + lift,
                entries,
            });
            cuts.push(Some(cut));
            let left = pivot_limit.saturating_sub(master.pivots);
            let over = left == 0 || round > MAX_CUTS || model.stop.is_due();
            if over || master.solve(left).is_err() {
                break;
            }
            let hoped = master.objective() - lift;
            if hoped - best.0 <= 1e-6 * hoped.abs().max(1.0) {
                closed = true;
                break;
            }
            // Half-way to the best prices known, but every fourth time.
            let keep = if round % 4 == 3 { 0.0 } else { 0.5 };
            let duals = master.duals();
            prices = duals[1..]
                .iter()
                .zip(&best.1)
                .map(|(d, b)| ((1.0 - keep) * d + keep * b).max(0.0))
                .collect();
        }
        self.pivots += master.pivots;
        let (mut kept, mut bought) = (0.0, 0.0);
        let mut flow = vec![vec![0.0; model.shapes.len()]; l + 1];
        for (index, weight) in master.solution() {
            let Some(Some(cut)) = cuts.get(index) else {
                continue;
            };
            for (room, n) in cut.kept.iter().enumerate() {
                if room < l {
                    kept += weight * n;
                } else if room < l + t {
                    bought += weight * n;
                }
            }
            for (group, room) in self.groups.iter().zip(&cut.room_of) {
                let place = match *room {
                    Some(room) if room < l => room,
                    Some(room) if room >= l + t => l,
                    _ => continue,
                };
                for s in &group.shapes {
                    flow[place][*s] += weight * shape_count(model, *s);
                }
            }
        }
        let (_, cut) = self.cut(&best.1, &parts, &supply, dims);
        let values: Vec<f64> = cut.values.iter().map(|v| v * unit).collect();
        let mut level = self.certify(per_move, &values);
        (level.kept, level.bought, level.flow) = (kept, bought, flow);
        (level, closed)
    }

    /// What prices prove, and the plane that touches there.
    fn cut(
        &self,
        prices: &[f64],
        parts: &[Vec<Option<Vec<f64>>>],
        supply: &[Vec<(f64, f64)>],
        dims: usize,
    ) -> (f64, Cut) {
        let mut cut = Cut {
            constant: 0.0,
            slopes: vec![0.0; prices.len()],
            room_of: Vec::with_capacity(self.groups.len()),
            values: Vec::with_capacity(self.groups.len()),
            kept: vec![0.0; supply.len()],
        };
        let mut value = 0.0;
        for (g, group) in self.groups.iter().enumerate() {
            let mut least: Option<(f64, usize)> = None;
            for (room, parts) in parts.iter().enumerate() {
                let Some(parts) = &parts[g] else { continue };
                let own = &prices[room * dims..(room + 1) * dims];
                let asks: f64 = parts.iter().zip(own).map(|(a, p)| a * p).sum();
                if least.is_none_or(|(have, _)| asks < have) {
                    least = Some((asks, room));
                }
            }
            cut.room_of.push(least.map(|(_, room)| room));
            cut.values.push(least.map_or(0.0, |(asks, _)| asks));
            let Some((asks, room)) = least else { continue };
            value += group.count * asks;
            if let Some(parts) = &parts[room][g] {
                let slopes = &mut cut.slopes[room * dims..(room + 1) * dims];
                for (slope, part) in slopes.iter_mut().zip(parts) {
                    *slope += group.count * part;
                }
            }
        }
        for (room, supply) in supply.iter().enumerate() {
            let holds: f64 = prices[room * dims..(room + 1) * dims].iter().sum();
            for (cost, n) in supply {
                let cost = if cost.is_finite() { *cost } else { 0.0 };
                let always = supply.len() == 1 && supply[0].0 == f64::NEG_INFINITY;
                if holds <= cost && !always {
                    break;
                }
                value -= n * (holds - cost);
                cut.kept[room] += n;
                cut.constant += n * cost;
                for slope in &mut cut.slopes[room * dims..(room + 1) * dims] {
                    *slope -= n;
                }
            }
        }
        (value, cut)
    }
}
