//! What left nodes that stay comes home where there is room again.

use super::{Base, Trial, Undo};

impl Trial {
    /// Lets items that left nodes that stay come home, as long as there is room.
    pub(in super::super) fn return_home(&mut self, base: &Base<'_>) {
        for node in 0..base.price.len() {
            if self.gone[node] {
                continue;
            }
            for (kind, n) in self.departed[node].clone() {
                for _ in 0..n {
                    if !self.come_home(base, node, kind) {
                        break;
                    }
                }
            }
        }
        self.full.fill(false);
        self.moved = self.moved_now(base);
    }

    /// One item of a kind comes home, if there is room and no rule is in the way.
    fn come_home(&mut self, base: &Base<'_>, node: usize, kind: usize) -> bool {
        let model = base.model;
        let mut undo = Undo::default();
        let excess = self.zones.total();
        undo.bins.push((node, self.bins.share(node)));
        let home = base.dealt(kind)
            && self
                .bins
                .change(node, |bin| bin.return_present(model, kind, 1))
            && self.withdraw(base, kind, node, &mut undo)
            && self.zones.total() <= excess;
        if !home {
            self.undo(undo);
            return false;
        }
        for (k, n) in &mut self.departed[node] {
            *n -= u32::from(*k == kind);
        }
        self.departed[node].retain(|(_, n)| *n > 0);
        true
    }

    /// Takes an item of a kind off a node to which it came, for it to stand on
    /// `home`: first off nodes that others left and could return to.
    fn withdraw(&mut self, base: &Base<'_>, kind: usize, home: usize, undo: &mut Undo) -> bool {
        let model = base.model;
        self.work += self.bins.len() as u64 / 4;
        let holds = |n: &usize| {
            let came = self.arrived[*n].iter().any(|(k, _)| *k == kind);
            let stands = |i: &super::super::super::bin::Item| i.kind as usize == kind;
            let bin = &self.bins[*n];
            came && *n != home
                && !self.gone[*n]
                && !bin.bound_together(model)
                && bin.items.iter().any(stands)
        };
        let from = (0..self.bins.len())
            .filter(holds)
            .min_by_key(|n| (self.departed[*n].is_empty(), *n));
        let Some(from) = from else { return false };
        undo.keep(self, from);
        let mut items = self.bins[from].items.iter();
        let Some(entry) = items.position(|i| i.kind as usize == kind) else {
            return false;
        };
        self.bins.change(from, |bin| bin.remove(model, entry, 1));
        self.leave(from, kind);
        for (zone, n) in [(self.bins[from].zone, -1), (self.bins[home].zone, 1)] {
            if let Some(zone) = zone {
                self.zones.shift(kind, zone, n);
                undo.shifted(kind, zone, n);
            }
        }
        true
    }
}
