//! One look at one type: its most valuable filling, or a bound on it.

use super::bundles::{Bundler, Bundling, FEW_BUNDLES, MANY_BUNDLES};
use super::joined::Bundled;
use super::knapsack::Filling;
use super::labels::Priced;
use super::pricing::Search;
use super::room::Pricer;

/// Labels kept per type while there is something to find, and at the end, when
/// it is to be proven that there is nothing.
const FEW_LABELS: usize = 60;
const LABELS: usize = 300;
const LABELS_TO_PROVE: usize = 20_000;

/// Entries of a table that tells the same, and how many take as long as a label.
const CELLS: usize = 600_000;
const ENTRIES_PER_LABEL: u64 = 128;

/// Labels kept for a type with equal devices where tables find nothing.
const LABELS_OF_BUNDLES: usize = 250;

/// How often tables for devices price the other amounts anew.
const PRICINGS: usize = 6;

/// How much of what a node may lose against the fractional filling is looked at,
/// one after the other until something is found.
const QUICK: [f64; 2] = [0.0625, 0.125];
const CLOSE: [f64; 3] = [0.125, 0.25, 0.5];
const HARD: [f64; 3] = [0.25, 0.5, 1.0];

/// Work on lists to be joined, in labels.
const LISTS: u64 = 4_000;
const CLOSE_LISTS: u64 = 40_000;
const HARD_LISTS: u64 = 800_000;

/// A type whose most valuable filling stays this uncertain becomes fluid.
pub(super) const UNCERTAIN: f64 = 5e-4;

/// How hard to look for a filling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Until some types have one, with few labels.
    Quick,
    /// The same with more labels, and tables.
    Close,
    /// At all types, with many labels where there is no table.
    Hard,
}

/// A node type, ready for pricing.
pub(super) struct Type {
    pub(super) ty: usize,
    pub(super) price: f64,
    pub(super) pricer: Pricer,
    pub(super) search: Search,
    /// Where devices are equal: they need not be told apart.
    pub(super) bundler: Option<Bundler>,
    pub(super) fluid: bool,
    /// What was last known of its best filling, by the fractional one.
    pub(super) ratio: f64,
    /// Whether a table can tell its best filling.
    pub(super) tables: bool,
    /// The last look that found nothing, the values that it was at, and its bound.
    pub(super) vain: Option<(Look, Vec<f64>, f64)>,
    /// What the last hard look cost.
    pub(super) hard: u64,
}

impl Type {
    /// What the fractional filling at `values` is worth by the price, and what it
    /// is; where that is more than the price, what equal devices say of it.
    pub(super) fn relaxed(&mut self, values: &[f64]) -> (f64, Filling, Option<Bundled>) {
        let own = self.pricer.own(values);
        let filling = self.pricer.knapsack.solve(&own);
        let mut worth = filling.value / self.price;
        let mut bundled = None;
        if worth > 1.0 + 1e-9
            && let Some(bundler) = &mut self.bundler
        {
            let tighter = Bundled::new(bundler, &self.search, &own, self.price);
            worth = worth.min(tighter.upper / self.price);
            bundled = Some(tighter);
        }
        (worth, filling, bundled)
    }

    /// Looks for the best filling.
    pub(super) fn look(
        &self,
        root: &Filling,
        bundled: Option<&Bundled>,
        at: LookAt<'_>,
        look: Look,
        spare: u64,
    ) -> Priced {
        match (bundled, &self.bundler) {
            (Some(bundled), Some(bundler)) => {
                bundled_price(self, bundler, bundled, at, look, spare)
            }
            _ => labelled_price(self, root, at, look, spare),
        }
    }

    /// What a look at these values would say, if it is known to find nothing.
    pub(super) fn known(&self, look: Look, own: &[f64]) -> Option<Priced> {
        let (before, values, upper) = self.vain.as_ref()?;
        (*before == look && values == own).then(|| Priced {
            upper: *upper,
            ..Priced::default()
        })
    }

    /// Remembers what a look cost, and that it found nothing if so.
    pub(super) fn learn(&mut self, look: Look, own: Vec<f64>, priced: &Priced) {
        if look == Look::Hard {
            self.hard = priced.work;
        }
        let nothing = priced.counts.is_empty() && priced.others.is_empty();
        self.vain = nothing.then_some((look, own, priced.upper));
    }
}

/// Values and what is left, by shapes of a type's search, and the least worth
/// that matters.
pub(super) type LookAt<'a> = (&'a [f64], &'a [u32], f64);

/// Looks for the best filling of a type with equal devices.
fn bundled_price(
    t: &Type,
    bundler: &Bundler,
    bundled: &Bundled,
    (own, left, target): LookAt<'_>,
    look: Look,
    spare: u64,
) -> Priced {
    let (bundles, labels) = match look {
        Look::Quick => (FEW_BUNDLES, 0),
        Look::Close => (FEW_BUNDLES, LABELS_OF_BUNDLES),
        Look::Hard => (MANY_BUNDLES, LABELS_TO_PROVE),
    };
    if let Some(priced) = joined_price(t, bundler, bundled, (own, target), look, spare) {
        return priced;
    }
    let relaxed = &bundled.all;
    let tabled = match look {
        Look::Hard => bundler.tabled(&t.search, relaxed, own, target, PRICINGS),
        _ => None,
    };
    let sure = |p: &Priced| p.upper <= t.price * (1.0 + UNCERTAIN) || p.value > target;
    let tabled = match tabled {
        Some(priced) if sure(&priced) => return priced,
        tabled => tabled,
    };
    let effort = Bundling {
        bundles,
        labels,
        budget: spare,
    };
    let mut priced = bundler.priced(&t.search, relaxed, own, left, target, effort);
    if let Some(tabled) = tabled {
        priced.work += tabled.work;
        priced.upper = priced.upper.min(tabled.upper).max(priced.value);
    }
    priced
}

/// Looks for the best filling by lists that are joined, first among those that
/// lose least against the fractional one. `None` where the lists get too long.
fn joined_price(
    t: &Type,
    bundler: &Bundler,
    bundled: &Bundled,
    (own, target): (&[f64], f64),
    look: Look,
    spare: u64,
) -> Option<Priced> {
    let (parts, most) = match look {
        Look::Quick => (&QUICK[..], LISTS),
        Look::Close => (&CLOSE[..], CLOSE_LISTS),
        Look::Hard => (&HARD[..], HARD_LISTS),
    };
    let most = spare.min(most);
    let mut found: Option<Priced> = None;
    let mut work = 0;
    for part in parts {
        let priced = bundler.joined(&t.search, bundled, own, *part, target, most);
        let Some(mut priced) = priced else {
            work += most;
            break;
        };
        work += priced.work;
        priced.work = work;
        let done = priced.value > target;
        found = Some(priced);
        if done {
            return found;
        }
    }
    match (found, look) {
        (found, Look::Hard) => found.filter(|p| p.upper <= target),
        (Some(found), _) => Some(Priced { work, ..found }),
        (None, _) => Some(Priced {
            upper: bundled.upper,
            work,
            ..Priced::default()
        }),
    }
}

/// Looks for the best filling of any other type.
fn labelled_price(
    t: &Type,
    root: &Filling,
    (own, left, target): LookAt<'_>,
    look: Look,
    spare: u64,
) -> Priced {
    let knapsack = &t.pricer.knapsack;
    let few = if t.tables || look == Look::Quick {
        FEW_LABELS
    } else {
        LABELS
    };
    let mut priced = t.search.labelled(knapsack, own, left, target, few, spare);
    if look == Look::Quick || priced.upper <= target * (1.0 + 1e-7) {
        return priced;
    }
    let mut possible = own.to_vec();
    t.search.keep_possible(&mut possible, root, target);
    if t.tables
        && spare > 0
        && let Some(tabled) = t.search.tabled(&possible, CELLS)
    {
        priced.work += tabled.work / ENTRIES_PER_LABEL;
        let upper = tabled.upper.max(target) * (1.0 + 1e-9);
        priced.upper = priced.upper.min(upper);
        if tabled.upper > priced.value && t.search.holds(&tabled.counts) {
            priced.value = tabled.upper;
            priced.counts = tabled.counts;
        }
    } else if look == Look::Hard {
        let before = priced.work;
        let more = LABELS_TO_PROVE;
        priced = t.search.labelled(knapsack, own, left, target, more, spare);
        priced.work += before;
    }
    priced
}
