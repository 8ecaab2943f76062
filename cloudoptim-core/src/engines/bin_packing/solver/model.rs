//! A canonical problem, compiled: equal classes merged, node types that can
//! never pay off removed, rules as tables.

use super::limited::{Limited, Tables};
use super::problem::{Affinity, DeviceRequest, Dislike, Mask, Per, Problem, Rule, extra, extra_on};
use super::stop::Stop;
use crate::model::MicroUsdPerHour;
use std::collections::BTreeMap;

/// Classes that take the same and may go to the same places. Rules aside,
/// their items are interchangeable.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) demand: Vec<u64>,
    pub(super) devices: Option<DeviceRequest>,
    pub(super) types: Mask,
    pub(super) nodes: Mask,
    pub(super) zones: Mask,
    pub(super) dislikes: Vec<Dislike>,
    /// Self-limits (index into [`Model::self_limits`]) that the bound knows.
    pub(super) limits: Vec<usize>,
    /// Kinds of this shape, those under most rules first.
    pub(super) kinds: Vec<usize>,
}

/// Classes of one shape that stand in the same rules.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub(super) shape: usize,
    pub(super) count: u32,
    /// Per-node limits that it takes part in.
    pub(super) touches: Vec<Touch>,
    /// Per-node affinity rules in which it asks for company.
    pub(super) company: Vec<usize>,
    /// Whether some rule about zones names it.
    pub(super) zoned: bool,
    /// The classes it stands for, with their counts, in id order.
    pub(super) classes: Vec<(usize, u32)>,
}

/// The part of a kind in a per-node rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Touch {
    pub(super) rule: u32,
    pub(super) with: bool,
    pub(super) of: bool,
}

/// A node type worth buying.
#[derive(Debug, Clone)]
pub(super) struct Type {
    /// Index in the problem.
    pub(super) source: usize,
    pub(super) capacity: Vec<u64>,
    /// Model and thousandths of each device.
    pub(super) devices: Vec<(usize, u32)>,
    /// Priced offerings, cheapest first, at raised prices.
    pub(super) offers: Vec<Offer>,
    /// How many items of each shape an empty node holds; 0 = not accepted.
    pub(super) fits: Vec<u32>,
    /// What one item of each shape costs beside, in the zone where that is least;
    /// empty where no shape of the model dislikes anything.
    pub(super) extra: Vec<i64>,
}

impl Shape {
    /// What one item costs beside on a new node of a type of the problem.
    pub(super) fn extra(&self, source: usize, zone: Option<usize>) -> i64 {
        extra(&self.dislikes, source, zone)
    }

    /// The same on a node that exists.
    pub(super) fn extra_on(&self, node: usize) -> i64 {
        extra_on(&self.dislikes, node)
    }
}

impl Type {
    /// What one item of a shape costs beside, at the least.
    pub(super) fn extra(&self, shape: usize) -> i64 {
        self.extra.get(shape).copied().unwrap_or(0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Offer {
    pub(super) offering: usize,
    pub(super) zone: Option<usize>,
    pub(super) price: MicroUsdPerHour,
    /// The price with what the node takes of limited things, in micro-dollars.
    pub(super) raised: i64,
    pub(super) available: Option<u32>,
    /// What it takes of them, see [`Limited::takes`].
    pub(super) takes: u32,
}

/// A limit that binds items among themselves: at most `max` of `kinds` on a
/// node.
#[derive(Debug, Clone)]
pub(super) struct SelfLimit {
    /// Index of the rule in the problem.
    pub(super) rule: usize,
    pub(super) max: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Model {
    pub(super) dims: usize,
    pub(super) shapes: Vec<Shape>,
    pub(super) kinds: Vec<Kind>,
    pub(super) kind_of_class: Vec<usize>,
    /// The largest amount of each resource on any type of the problem, the
    /// thousandths of all devices last; at least 1.
    pub(super) largest: Vec<u64>,
    /// Undominated priced types, in id order.
    pub(super) types: Vec<Type>,
    /// Priced types that another one replaces; only proofs look at them.
    pub(super) dominated: Vec<Type>,
    /// Whether some item of the shape is to be placed.
    pub(super) wanted: Vec<bool>,
    /// Maximum of each per-node limit. Touches of affinity rules about nodes
    /// have the numbers after these.
    pub(super) limits: Vec<u32>,
    /// Whether the company that an affinity asks for stands on some existing
    /// node already.
    pub(super) affinity_present: Vec<bool>,
    pub(super) self_limits: Vec<SelfLimit>,
    /// Whether zones matter to any item.
    pub(super) zoned: bool,
    /// Types that fit some item and have no price anywhere.
    pub(super) unpriced: u32,
    /// Whether some item dislikes some place.
    pub(super) prefers: bool,
    /// What all new nodes together may take.
    pub(super) limited: Limited,
    /// Whether a shape fits some offering of which not one node may be bought, by
    /// purchase limits.
    pub(super) barred: Vec<bool>,
    /// When those that search it have to end.
    pub(super) stop: Stop,
}

/// How many self-limits the bound looks at: those that force the most nodes.
const MAX_SELF_LIMITS: usize = 64;

impl Model {
    /// `problem` must be canonical.
    pub(super) fn new(problem: &Problem) -> Self {
        let tables = RuleTables::new(problem);
        let self_limits = self_limits(problem);
        let mut class_limits: Vec<Vec<usize>> = vec![Vec::new(); problem.classes.len()];
        for (i, limit) in self_limits.iter().enumerate() {
            for class in self_limited(&problem.rules[limit.rule]) {
                class_limits[class].push(i);
            }
        }

        let mut shapes: Vec<Shape> = Vec::new();
        let mut kinds: Vec<Kind> = Vec::new();
        let mut shape_index = BTreeMap::new();
        let mut kind_index = BTreeMap::new();
        let mut kind_of_class = Vec::with_capacity(problem.classes.len());
        for (i, class) in problem.classes.iter().enumerate() {
            let shape_key = (
                class.demand.clone(),
                class.devices.clone(),
                class.types.clone(),
                class.nodes.clone(),
                class.zones.clone(),
                class.dislikes.clone(),
                class_limits[i].clone(),
            );
            let shape = *shape_index.entry(shape_key).or_insert_with(|| {
                shapes.push(Shape {
                    demand: class.demand.clone(),
                    devices: class.devices.clone(),
                    types: class.types.clone(),
                    nodes: class.nodes.clone(),
                    zones: class.zones.clone(),
                    dislikes: class.dislikes.clone(),
                    limits: class_limits[i].clone(),
                    kinds: Vec::new(),
                });
                shapes.len() - 1
            });
            let kind = *kind_index
                .entry((
                    shape,
                    tables.touches[i].clone(),
                    tables.company[i].clone(),
                    tables.zone_rules[i].clone(),
                ))
                .or_insert_with(|| {
                    kinds.push(Kind {
                        shape,
                        count: 0,
                        touches: tables.touches[i].clone(),
                        company: tables.company[i].clone(),
                        zoned: !tables.zone_rules[i].is_empty(),
                        classes: Vec::new(),
                    });
                    kinds.len() - 1
                });
            kinds[kind].count += class.count;
            kinds[kind].classes.push((i, class.count));
            kind_of_class.push(kind);
        }
        for (i, kind) in kinds.iter().enumerate() {
            shapes[kind.shape].kinds.push(i);
        }
        for shape in &mut shapes {
            shape
                .kinds
                .sort_by_key(|k| (std::cmp::Reverse(kinds[*k].touches.len()), *k));
        }

        let wanted: Vec<bool> = shapes
            .iter()
            .map(|s| s.kinds.iter().any(|k| kinds[*k].count > 0))
            .collect();
        let prefers = shapes.iter().any(|s| !s.dislikes.is_empty());
        let mut unpriced = 0;
        let mut taken = Tables::new(problem);
        let mut barred = vec![false; shapes.len()];
        let mut types: Vec<Type> = Vec::new();
        for (source, t) in problem.types.iter().enumerate() {
            let devices: Vec<(usize, u32)> = t.devices.iter().map(|d| (d.model, d.milli)).collect();
            let mut offers: Vec<Offer> = t
                .offerings
                .iter()
                .enumerate()
                .filter(|(offering, o)| o.available != Some(0) && taken.admits(source, *offering))
                .filter_map(|(offering, o)| {
                    Some(Offer {
                        offering,
                        zone: o.zone,
                        price: o.price?,
                        raised: o.price?.0,
                        available: o.available,
                        takes: 0,
                    })
                })
                .collect();
            for offer in &mut offers {
                offer.takes = taken.takes(source, offer.offering);
            }
            let mut fits: Vec<u32> = shapes
                .iter()
                .map(|s| {
                    // Somewhere where it is sold.
                    let mut sold = t.offerings.iter();
                    if sold.any(|o| o.zone.is_none_or(|z| s.zones.contains(z))) {
                        empty_fit(s, source, &t.capacity, &devices, &self_limits)
                    } else {
                        0
                    }
                })
                .collect();
            for (offering, o) in t.offerings.iter().enumerate() {
                let on_sale = o.available != Some(0) && o.price.is_some();
                if !on_sale || taken.admits(source, offering) {
                    continue;
                }
                for ((barred, fit), shape) in barred.iter_mut().zip(&fits).zip(&shapes) {
                    *barred |= *fit > 0 && o.zone.is_none_or(|z| shape.zones.contains(z));
                }
            }
            if !fits.iter().zip(&wanted).any(|(f, w)| *f > 0 && *w) {
                continue;
            }
            if offers.is_empty() {
                if t.offerings.iter().any(|o| o.price.is_none()) {
                    unpriced += 1;
                }
                continue;
            }
            for (fit, shape) in fits.iter_mut().zip(&shapes) {
                let mut bought = offers.iter();
                if !bought.any(|o| o.zone.is_none_or(|z| shape.zones.contains(z))) {
                    *fit = 0;
                }
            }
            offers.sort_by_key(|o| (o.price, o.zone, o.offering));
            let dislikes = shapes.iter().filter(|_| prefers);
            let extra = dislikes.map(|s| least_extra(s, source, &offers));
            types.push(Type {
                source,
                capacity: t.capacity.clone(),
                devices,
                extra: extra.collect(),
                offers,
                fits,
            });
        }
        let limited = taken.compiled();
        let disliked = |a: &Type, b: &Type, zone: Option<usize>| {
            let mut some = shapes.iter().zip(&wanted).filter(|(_, wanted)| **wanted);
            some.any(|(s, _)| s.extra(a.source, zone) > s.extra(b.source, zone))
        };
        let disliked: Option<&Disliked<'_>> = if prefers { Some(&disliked) } else { None };
        let dominated = prune_dominated(&mut types, &wanted, &limited, disliked);

        let zoned = !tables.zone_rules.iter().all(Vec::is_empty)
            || problem
                .classes
                .iter()
                .any(|c| c.count > 0 && (c.zones != Mask::All || tells_zones_apart(&c.dislikes)));
        let affinity_present = tables
            .affinities
            .iter()
            .map(|a| {
                let mut present = problem.nodes.iter().flat_map(|n| &n.present);
                present.any(|(c, n)| *n > 0 && a.of.binary_search(c).is_ok())
            })
            .collect();
        Self {
            dims: problem.dims.len(),
            shapes,
            kinds,
            kind_of_class,
            largest: largest(problem),
            types,
            dominated,
            wanted,
            limits: tables.limits,
            affinity_present,
            self_limits,
            zoned,
            unpriced,
            prefers,
            limited,
            barred,
            stop: Stop::default(),
        }
    }

    /// The same, searched until then.
    pub(super) fn until(self, stop: &Stop) -> Self {
        Self {
            stop: stop.clone(),
            ..self
        }
    }
}

fn largest(problem: &Problem) -> Vec<u64> {
    let mut out = vec![1; problem.dims.len() + 1];
    for t in &problem.types {
        let devices = t.devices.iter().map(|d| u64::from(d.milli)).sum();
        for (largest, c) in out.iter_mut().zip(t.capacity.iter().chain([&devices])) {
            *largest = (*largest).max(*c);
        }
    }
    out
}

/// Per-node rules and rules about zones, by class.
struct RuleTables {
    limits: Vec<u32>,
    affinities: Vec<Affinity>,
    touches: Vec<Vec<Touch>>,
    company: Vec<Vec<usize>>,
    /// Rules about zones with the part the class has in them: 1 = `with`,
    /// 2 = `of`, 3 = both.
    zone_rules: Vec<Vec<(usize, u8)>>,
}

impl RuleTables {
    fn new(problem: &Problem) -> Self {
        let n = problem.classes.len();
        let mut out = Self {
            limits: Vec::new(),
            affinities: Vec::new(),
            touches: vec![Vec::new(); n],
            company: vec![Vec::new(); n],
            zone_rules: vec![Vec::new(); n],
        };
        let parts = |with: &[usize], of: &[usize]| {
            let mut parts: BTreeMap<usize, (bool, bool)> = BTreeMap::new();
            for class in with {
                parts.entry(*class).or_default().0 = true;
            }
            for class in of {
                parts.entry(*class).or_default().1 = true;
            }
            parts
        };
        for rule in &problem.rules {
            if let Rule::CountLimit(r) = rule
                && r.per == Per::Node
            {
                let index = out.limits.len() as u32;
                out.limits.push(r.max);
                for (class, (with, of)) in parts(&r.with, &r.of) {
                    out.touches[class].push(Touch {
                        rule: index,
                        with,
                        of,
                    });
                }
            }
        }
        for (i, rule) in problem.rules.iter().enumerate() {
            let (with, of) = match rule {
                Rule::CountLimit(r) if r.per == Per::Node => continue,
                Rule::Affinity(r) if r.per == Per::Node => {
                    let index = out.affinities.len();
                    let tracked = (out.limits.len() + index) as u32;
                    out.affinities.push(r.clone());
                    for (class, (with, of)) in parts(&r.with, &r.of) {
                        out.touches[class].push(Touch {
                            rule: tracked,
                            with,
                            of,
                        });
                        if with {
                            out.company[class].push(index);
                        }
                    }
                    continue;
                }
                Rule::CountLimit(r) => (&r.with, &r.of),
                Rule::ZoneSpread(r) => (&r.with, &r.of),
                Rule::Affinity(r) => (&r.with, &r.of),
            };
            for (class, (with, of)) in parts(with, of) {
                let part = u8::from(with) + 2 * u8::from(of);
                out.zone_rules[class].push((i, part));
            }
        }
        out
    }
}

/// Classes that a per-node limit binds among themselves.
pub(super) fn self_limited(rule: &Rule) -> Vec<usize> {
    match rule {
        Rule::CountLimit(r) if r.per == Per::Node => {
            r.of.iter()
                .copied()
                .filter(|c| r.with.binary_search(c).is_ok())
                .collect()
        }
        _ => Vec::new(),
    }
}

fn self_limits(problem: &Problem) -> Vec<SelfLimit> {
    let mut found: Vec<(u64, usize, u32)> = Vec::new();
    for (i, rule) in problem.rules.iter().enumerate() {
        let Rule::CountLimit(r) = rule else { continue };
        if r.max == 0 {
            continue;
        }
        let items: u64 = self_limited(rule)
            .iter()
            .map(|c| u64::from(problem.classes[*c].count))
            .sum();
        if items > u64::from(r.max) {
            found.push((items.div_ceil(u64::from(r.max)), i, r.max));
        }
    }
    found.sort_by_key(|(nodes, i, _)| (std::cmp::Reverse(*nodes), *i));
    found.truncate(MAX_SELF_LIMITS);
    found.sort_by_key(|(_, i, _)| *i);
    found
        .into_iter()
        .map(|(_, rule, max)| SelfLimit { rule, max })
        .collect()
}

/// How many items of `shape` an empty node of a type holds.
pub(super) fn empty_fit(
    shape: &Shape,
    source: usize,
    capacity: &[u64],
    devices: &[(usize, u32)],
    self_limits: &[SelfLimit],
) -> u32 {
    if !shape.types.contains(source) {
        return 0;
    }
    let mut fit = u64::from(u32::MAX);
    for (d, c) in shape.demand.iter().zip(capacity) {
        if *d > 0 {
            fit = fit.min(c / d);
        }
    }
    if let Some(request) = &shape.devices {
        let per_device: Vec<u64> = devices
            .iter()
            .filter(|(model, _)| request.models.contains(*model))
            .map(|(_, milli)| u64::from(milli / request.milli))
            .collect();
        fit = fit.min(spread_over(&per_device, u64::from(request.count)));
    }
    for limit in &shape.limits {
        fit = fit.min(u64::from(self_limits[*limit].max));
    }
    u32::try_from(fit).unwrap_or(u32::MAX)
}

/// The most items that each take one slot on `count` different devices.
fn spread_over(slots: &[u64], count: u64) -> u64 {
    // `n` items are possible when min(slot, n) over the devices adds up to
    // n × count: a device serves an item at most once.
    let enough = |n: u64| slots.iter().map(|s| (*s).min(n)).sum::<u64>() >= n * count;
    let (mut low, mut high) = (0, slots.iter().sum::<u64>() / count.max(1));
    while low < high {
        let middle = (low + high).div_ceil(2);
        if enough(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Whether some place is disliked in one zone and not in another.
fn tells_zones_apart(dislikes: &[Dislike]) -> bool {
    dislikes.iter().any(|d| d.zones != Mask::All)
}

/// What one item of a shape costs beside on a type, in the zone where it may be and
/// that is least.
fn least_extra(shape: &Shape, source: usize, offers: &[Offer]) -> i64 {
    let here = offers
        .iter()
        .filter(|o| o.zone.is_none_or(|z| shape.zones.contains(z)));
    let extra = here.map(|o| shape.extra(source, o.zone));
    extra.min().unwrap_or(0)
}

/// Whether some item dislikes the first of two types more in a zone.
type Disliked<'d> = dyn Fn(&Type, &Type, Option<usize>) -> bool + 'd;

/// Removes, and returns, types that another one replaces everywhere at no
/// higher price, taking no more of what is limited.
fn prune_dominated(
    types: &mut Vec<Type>,
    wanted: &[bool],
    limited: &Limited,
    disliked: Option<&Disliked<'_>>,
) -> Vec<Type> {
    let covers = |a: &Type, b: &Type| {
        // Cheap tests first: most pairs fail on the price of the first zone.
        b.offers.iter().all(|theirs| {
            a.offers.iter().any(|ours| {
                ours.zone == theirs.zone
                    && ours.available.is_none()
                    && ours.price <= theirs.price
                    && limited.no_more(ours.takes, theirs.takes)
                    && disliked.is_none_or(|more| !more(a, b, ours.zone))
            })
        }) && a.capacity.iter().zip(&b.capacity).all(|(x, y)| x >= y)
            && covers_devices(&a.devices, &b.devices)
            && a.fits
                .iter()
                .zip(&b.fits)
                .zip(wanted)
                .all(|((x, y), w)| !w || x >= y)
    };
    let n = types.len();
    let mut gone = vec![false; n];
    for b in 0..n {
        // Equal types dominate each other: the first in id order stays.
        gone[b] = (0..n).any(|a| {
            a != b
                && !gone[a]
                && covers(&types[a], &types[b])
                && (a < b || !covers(&types[b], &types[a]))
        });
    }
    let (mut kept, mut removed) = (Vec::new(), Vec::new());
    for (t, gone) in types.drain(..).zip(gone) {
        if gone { &mut removed } else { &mut kept }.push(t);
    }
    *types = kept;
    removed
}

/// Whether each device of `b` has its own counterpart in `a`.
fn covers_devices(a: &[(usize, u32)], b: &[(usize, u32)]) -> bool {
    // Both are sorted by model and thousandths; match from the largest down.
    let mut i = a.len();
    for (model, milli) in b.iter().rev() {
        loop {
            if i == 0 {
                return false;
            }
            i -= 1;
            if a[i].0 == *model && a[i].1 >= *milli {
                break;
            }
            if a[i].0 <= *model {
                return false;
            }
        }
    }
    true
}
