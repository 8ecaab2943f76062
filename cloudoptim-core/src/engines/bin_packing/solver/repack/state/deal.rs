//! Items dealt out over a few nodes until none holds too much.
//!
//! Nodes may hold too much on the way: what they are over is brought down by
//! moving an item or by exchanging two, the best exchange first, and what left a
//! node does not come back for a while (min-conflicts, Minton et al. 1992, with
//! the memory of Glover 1989). When nothing is over, items go home where that
//! needs no more room.

/// A node that takes part.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    /// What it offers to the items dealt out.
    pub(super) capacity: Vec<u64>,
    pub(super) zone: Option<usize>,
    /// By item: how many are here, how many are at home here, and whether more
    /// may come.
    pub(super) count: Vec<u32>,
    pub(super) home: Vec<u32>,
    pub(super) takes: Vec<bool>,
}

/// Equal items.
#[derive(Debug, Clone)]
pub(super) struct Item {
    pub(super) demand: Vec<u64>,
    /// Whether they may not leave their zone.
    pub(super) zoned: bool,
}

/// How much an uneven rest counts against what a node is over.
const UNEVEN: f64 = 0.01;

/// Exchanges in which what left a node may not come back.
const MEMORY: u32 = 8;

/// Seats with which exchanges are looked at.
const LOOKED_AT: usize = 20;

/// Exchanges without any progress after which it is given up.
const PATIENCE: u32 = 60;

#[derive(Debug)]
pub(super) struct Deal {
    items: Vec<Item>,
    seats: Vec<Seat>,
    dims: usize,
    /// Amounts by item, and what is spare by seat; whole numbers.
    demand: Vec<f64>,
    spare: Vec<f64>,
    /// One over the capacity, by seat.
    unit: Vec<f64>,
    /// The exchange from which on an item may come back to a seat.
    barred: Vec<u32>,
    /// Exchanges that were looked at.
    pub(super) work: u64,
}

/// An exchange: an item from a seat to another, for one of the other or none.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Exchange {
    gain: f64,
    from: usize,
    to: usize,
    item: usize,
    back: Option<usize>,
}

impl Deal {
    pub(super) fn new(items: Vec<Item>, seats: Vec<Seat>) -> Self {
        let dims = items.first().map_or(0, |i| i.demand.len());
        let demand = items.iter().flat_map(|i| &i.demand);
        let demand: Vec<f64> = demand.map(|d| *d as f64).collect();
        let capacity = seats.iter().flat_map(|s| &s.capacity);
        let unit = capacity.clone().map(|c| 1.0 / (*c as f64).max(1.0));
        let mut deal = Self {
            dims,
            demand,
            unit: unit.collect(),
            spare: capacity.map(|c| *c as f64).collect(),
            barred: vec![0; items.len() * seats.len()],
            items,
            seats,
            work: 0,
        };
        for seat in 0..deal.seats.len() {
            for item in 0..deal.items.len() {
                let n = f64::from(deal.seats[seat].count[item]);
                for r in 0..dims {
                    deal.spare[seat * dims + r] -= n * deal.demand[item * dims + r];
                }
            }
        }
        deal
    }

    pub(super) fn seats(&self) -> &[Seat] {
        &self.seats
    }

    /// What a seat is over, and how uneven its rest is, with an item less and
    /// another more.
    fn penalty(&self, seat: usize, less: Option<usize>, more: Option<usize>) -> f64 {
        let (mut over, mut sum, mut squares) = (0.0, 0.0, 0.0);
        for r in 0..self.dims {
            let mut spare = self.spare[seat * self.dims + r];
            if let Some(less) = less {
                spare += self.demand[less * self.dims + r];
            }
            if let Some(more) = more {
                spare -= self.demand[more * self.dims + r];
            }
            let part = spare * self.unit[seat * self.dims + r];
            over += (-part).max(0.0);
            sum += part;
            squares += part * part;
        }
        over + UNEVEN * (squares - sum * sum / (self.dims as f64).max(1.0)).max(0.0)
    }

    fn over(&self, seat: usize) -> f64 {
        let spare = &self.spare[seat * self.dims..(seat + 1) * self.dims];
        let unit = &self.unit[seat * self.dims..(seat + 1) * self.dims];
        let parts = spare.iter().zip(unit).map(|(s, u)| (-s * u).max(0.0));
        parts.sum()
    }

    /// Whether an item of one seat may go to another.
    fn may(&self, item: usize, from: usize, to: usize) -> bool {
        let (a, b) = (&self.seats[from], &self.seats[to]);
        b.takes[item] && (!self.items[item].zoned || a.zone == b.zone)
    }

    /// Whether an item here can be let go: one that would not be let in again
    /// stays.
    fn loose(&self, seat: usize, item: usize) -> bool {
        let seat = &self.seats[seat];
        seat.count[item] > 0 && seat.takes[item]
    }

    fn shift(&mut self, seat: usize, item: usize, sign: f64) {
        for r in 0..self.dims {
            self.spare[seat * self.dims + r] -= sign * self.demand[item * self.dims + r];
        }
        let count = &mut self.seats[seat].count[item];
        *count = if sign > 0.0 {
            *count + 1
        } else {
            count.saturating_sub(1)
        };
    }

    /// Puts an item where it does least harm; whether some seat takes it. One
    /// that comes from a zone which it may not leave stays there.
    pub(super) fn put(&mut self, item: usize, zone: Option<usize>) -> bool {
        let mut best: Option<(f64, usize)> = None;
        for (at, seat) in self.seats.iter().enumerate() {
            self.work += 1;
            if !seat.takes[item] || (self.items[item].zoned && seat.zone != zone) {
                continue;
            }
            let harm = self.penalty(at, None, Some(item)) - self.penalty(at, None, None);
            if best.is_none_or(|b| harm < b.0) {
                best = Some((harm, at));
            }
        }
        let Some((_, seat)) = best else { return false };
        self.shift(seat, item, 1.0);
        true
    }

    /// Whether at most `most` exchanges bring it about that no seat holds too
    /// much.
    pub(super) fn settle(&mut self, most: u32) -> bool {
        self.barred.fill(0);
        let (mut least, mut since) = (f64::INFINITY, 0);
        for round in 1..=most {
            let all: f64 = (0..self.seats.len()).map(|seat| self.over(seat)).sum();
            if all < least * (1.0 - 1e-9) {
                (least, since) = (all, round);
            } else if round > since + PATIENCE {
                return false;
            }
            let worst = (0..self.seats.len())
                .map(|seat| (self.over(seat), seat))
                .max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
            let Some((over, seat)) = worst else {
                return true;
            };
            if over <= 0.0 {
                return true;
            }
            let Some(exchange) = self.best(seat, round) else {
                return false;
            };
            self.carry_out(exchange);
            let (items, until) = (self.items.len(), round + MEMORY);
            self.barred[exchange.from * items + exchange.item] = until;
            if let Some(back) = exchange.back {
                self.barred[exchange.to * items + back] = until;
            }
        }
        (0..self.seats.len()).all(|seat| self.over(seat) <= 0.0)
    }

    fn carry_out(&mut self, exchange: Exchange) {
        let Exchange { from, to, item, .. } = exchange;
        self.shift(from, item, -1.0);
        self.shift(to, item, 1.0);
        if let Some(back) = exchange.back {
            self.shift(to, back, -1.0);
            self.shift(from, back, 1.0);
        }
    }

    /// The best exchange that takes an item off a seat.
    fn best(&mut self, from: usize, round: u32) -> Option<Exchange> {
        let items = self.items.len();
        let barred = |seat: usize, item: usize| self.barred[seat * items + item] > round;
        let out: Vec<usize> = (0..items).filter(|i| self.loose(from, *i)).collect();
        // What the seat is over without an item and with one that comes back, or
        // none: the same wherever the item goes.
        let none = items;
        let mut kept = vec![f64::NAN; out.len() * (items + 1)];
        let own = self.penalty(from, None, None);
        let mut best: Option<Exchange> = None;
        let mut work = 0;
        for to in self.roomiest(from) {
            let theirs = self.penalty(to, None, None);
            let backs: Vec<usize> = (0..items)
                .filter(|back| self.loose(to, *back))
                .filter(|back| self.may(*back, to, from) && !barred(from, *back))
                .collect();
            for (at, item) in out.iter().copied().enumerate() {
                if !self.may(item, from, to) || barred(to, item) {
                    continue;
                }
                for back in std::iter::once(none).chain(backs.iter().copied()) {
                    if back == item {
                        continue;
                    }
                    work += 1;
                    let back = Some(back).filter(|back| *back < items);
                    let kept = &mut kept[at * (items + 1) + back.unwrap_or(none)];
                    if kept.is_nan() {
                        *kept = own - self.penalty(from, Some(item), back);
                    }
                    let gain = *kept + theirs - self.penalty(to, back, Some(item));
                    if best.is_none_or(|b| gain > b.gain) {
                        best = Some(Exchange {
                            gain,
                            from,
                            to,
                            item,
                            back,
                        });
                    }
                }
            }
        }
        self.work += work;
        best
    }

    /// Other seats: those that have most of what one is over.
    fn roomiest(&self, from: usize) -> Vec<usize> {
        let over = |r: usize| self.spare[from * self.dims + r] < 0.0;
        let spare = |seat: usize| -> f64 {
            let dims = (0..self.dims).filter(|r| over(*r));
            dims.map(|r| self.spare[seat * self.dims + r] * self.unit[seat * self.dims + r])
                .sum()
        };
        let others = (0..self.seats.len()).filter(|seat| *seat != from);
        let mut others: Vec<(f64, usize)> = others.map(|seat| (spare(seat), seat)).collect();
        let by = |a: &(f64, usize), b: &(f64, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if others.len() > LOOKED_AT {
            others.select_nth_unstable_by(LOOKED_AT, by);
            others.truncate(LOOKED_AT);
        }
        others.sort_by(by);
        others.into_iter().map(|(_, seat)| seat).collect()
    }

    /// Brings items home as long as that leaves no seat with too much.
    pub(super) fn homeward(&mut self) {
        let (seats, items) = (self.seats.len(), self.items.len());
        for home in 0..seats {
            for item in 0..items {
                while self.seats[home].count[item] < self.seats[home].home[item] {
                    let Some(exchange) = self.homecoming(home, item) else {
                        break;
                    };
                    self.carry_out(exchange);
                }
            }
        }
    }

    /// An item that is away comes home, alone or for one that is not at home here.
    fn homecoming(&mut self, home: usize, item: usize) -> Option<Exchange> {
        let away = |seat: &Seat, item: usize| seat.count[item] > seat.home[item];
        for from in (0..self.seats.len()).filter(|from| *from != home) {
            if !away(&self.seats[from], item) || !self.may(item, from, home) {
                continue;
            }
            let backs = (0..self.items.len()).filter(|back| {
                away(&self.seats[home], *back) && self.may(*back, home, from) && *back != item
            });
            let backs: Vec<Option<usize>> = std::iter::once(None).chain(backs.map(Some)).collect();
            for back in backs {
                self.work += 1;
                let fits = |seat: usize, less: Option<usize>, more: Option<usize>| {
                    (0..self.dims).all(|r| {
                        let less = less.map_or(0.0, |i| self.demand[i * self.dims + r]);
                        let more = more.map_or(0.0, |i| self.demand[i * self.dims + r]);
                        self.spare[seat * self.dims + r] + less - more >= 0.0
                    })
                };
                if fits(home, back, Some(item)) && fits(from, Some(item), back) {
                    return Some(Exchange {
                        gain: 0.0,
                        from,
                        to: home,
                        item,
                        back,
                    });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(capacity: [u64; 2], count: &[u32]) -> Seat {
        Seat {
            capacity: capacity.to_vec(),
            zone: None,
            count: count.to_vec(),
            home: count.to_vec(),
            takes: vec![true; count.len()],
        }
    }

    fn items(demands: &[[u64; 2]]) -> Vec<Item> {
        let item = |d: &[u64; 2]| Item {
            demand: d.to_vec(),
            zoned: false,
        };
        demands.iter().map(item).collect()
    }

    #[test]
    fn nodes_with_unlike_rests_exchange_items_to_take_one_more() {
        // One is short of the first amount, the other of the second: neither
        // takes the third kind before they exchange.
        let seats = vec![seat([10, 10], &[2, 0, 0]), seat([10, 10], &[0, 2, 0])];
        let mut deal = Deal::new(items(&[[4, 1], [1, 4], [4, 4]]), seats);
        assert!(deal.put(2, None) && deal.settle(50));
        let held: u32 = deal.seats().iter().flat_map(|s| &s.count).sum();
        assert_eq!(held, 5);
        let mut uneven = 0;
        for seat in deal.seats() {
            let count = &seat.count;
            assert!(4 * count[0] + count[1] + 4 * count[2] <= 10, "{seat:?}");
            assert!(count[0] + 4 * count[1] + 4 * count[2] <= 10, "{seat:?}");
            uneven += u32::from(count[0] != seat.home[0]);
        }
        assert_eq!(uneven, 2);
    }

    #[test]
    fn what_cannot_fit_is_not_said_to() {
        let seats = vec![seat([10, 10], &[2]), seat([10, 10], &[2])];
        let mut deal = Deal::new(items(&[[5, 5]]), seats);
        assert!(deal.put(0, None));
        assert!(!deal.settle(50));
    }

    #[test]
    fn items_go_home_where_there_is_room() {
        let mut seats = vec![seat([10, 10], &[1, 2]), seat([10, 10], &[1, 0])];
        // One of the second kind is at home on the other node, and of the first
        // kind both are where the other should be or at home.
        seats[0].home = vec![2, 1];
        seats[1].home = vec![0, 1];
        let mut deal = Deal::new(items(&[[4, 4], [2, 2]]), seats);
        deal.homeward();
        assert_eq!(deal.seats()[0].count, [2, 1]);
        assert_eq!(deal.seats()[1].count, [0, 1]);
    }

    #[test]
    fn items_stay_in_a_zone_they_may_not_leave() {
        let mut seats = vec![seat([10, 10], &[0]), seat([10, 10], &[0])];
        seats[0].zone = Some(0);
        seats[1].zone = Some(1);
        let mut zoned = items(&[[5, 5]]);
        zoned[0].zoned = true;
        let mut deal = Deal::new(zoned, seats);
        assert!(deal.put(0, Some(1)) && deal.put(0, Some(1)) && deal.put(0, Some(1)));
        assert!(!deal.settle(50));
        assert_eq!(deal.seats()[0].count, [0]);
        assert!(!deal.put(0, Some(2)));
    }
}
