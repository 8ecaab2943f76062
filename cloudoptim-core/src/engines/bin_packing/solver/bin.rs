//! One node being filled.

use super::model::{Kind, Model, Touch};
use super::problem::{DeviceRequest, ExistingNode, Mask};
use super::roofs::Roofs;
use super::sums;

/// What a bin is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    /// An existing node, by index in the problem.
    Node(u32),
    /// A new node: type in the model, offer in the type.
    New { ty: u32, offer: u32 },
}

/// Items of one kind on the same devices of a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    pub(super) kind: u32,
    /// Devices that each of the items uses.
    pub(super) devices: u64,
    pub(super) count: u32,
}

/// How many items of each side of a rule stand on a bin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counter {
    rule: u32,
    with: u32,
    of: u32,
}

#[derive(Debug, Clone)]
pub(super) struct Bin {
    pub(super) on: On,
    pub(super) zone: Option<usize>,
    pub(super) free: Vec<u64>,
    /// Model and free thousandths of each device.
    devices: Vec<(u16, u16)>,
    pub(super) items: Vec<Item>,
    counters: Vec<Counter>,
    closed: bool,
}

impl Bin {
    /// An empty new node.
    pub(super) fn new(model: &Model, ty: usize, offer: usize) -> Self {
        let t = &model.types[ty];
        Self {
            on: On::New {
                ty: ty as u32,
                offer: offer as u32,
            },
            zone: t.offers[offer].zone,
            free: t.capacity.clone(),
            devices: t
                .devices
                .iter()
                .map(|(model, milli)| (*model as u16, *milli as u16))
                .collect(),
            items: Vec::new(),
            counters: Vec::new(),
            closed: false,
        }
    }

    /// A bin in the place of `other` that takes nothing.
    pub(super) fn closed(other: &Self) -> Self {
        Self {
            on: other.on,
            zone: other.zone,
            free: Vec::new(),
            devices: Vec::new(),
            items: Vec::new(),
            counters: Vec::new(),
            closed: true,
        }
    }

    /// An existing node with what stands on it.
    pub(super) fn existing(model: &Model, index: usize, node: &ExistingNode) -> Self {
        let mut bin = Self {
            on: On::Node(index as u32),
            zone: node.zone,
            free: node.free.clone(),
            devices: node
                .devices
                .iter()
                .map(|d| (d.model as u16, d.milli as u16))
                .collect(),
            items: Vec::new(),
            counters: Vec::new(),
            closed: false,
        };
        for (class, count) in &node.present {
            bin.count_in(&model.kinds[model.kind_of_class[*class]].touches, *count);
        }
        bin
    }

    /// Whether its place and its type accept `kind` at all.
    pub(super) fn accepts(&self, model: &Model, kind: usize) -> bool {
        let shape = &model.shapes[model.kinds[kind].shape];
        let zone_ok = match self.zone {
            Some(zone) => shape.zones.contains(zone),
            None => true,
        };
        zone_ok
            && !self.closed
            && match self.on {
                On::Node(node) => shape.nodes.contains(node as usize),
                On::New { ty, .. } => model.types[ty as usize].fits[model.kinds[kind].shape] > 0,
            }
    }

    /// How many more items of `kind` it takes, up to `want`; [`Bin::accepts`]
    /// is assumed.
    pub(super) fn room(&self, model: &Model, kind: usize, want: u32) -> u32 {
        let company = &model.kinds[kind].company;
        if company.iter().any(|a| self.company(model, *a) == 0) {
            return 0;
        }
        self.room_alone(model, kind, want)
    }

    /// [`Bin::room`] for the first of a group that asks for its own company.
    pub(super) fn room_alone(&self, model: &Model, kind: usize, want: u32) -> u32 {
        let k = &model.kinds[kind];
        let shape = &model.shapes[k.shape];
        let mut room = sums::room(&shape.demand, &self.free, u64::from(want)) as u32;
        if room == 0 {
            return 0;
        }
        if !k.touches.is_empty() {
            room = room.min(self.rule_room(model, k));
        }
        if let Some(request) = &shape.devices
            && room > 0
        {
            room = room.min(self.device_room(request, room));
        }
        room
    }

    fn rule_room(&self, model: &Model, kind: &Kind) -> u32 {
        let mut room = u32::MAX;
        for touch in &kind.touches {
            let Some(max) = model.limits.get(touch.rule as usize).copied() else {
                continue;
            };
            let (with, of) = self.counts(touch.rule);
            if with == 0 && !touch.with {
                continue;
            }
            if touch.of {
                room = room.min(max.saturating_sub(of));
            } else if of > max {
                return 0;
            }
        }
        room
    }

    fn counts(&self, rule: u32) -> (u32, u32) {
        self.counters
            .iter()
            .find(|c| c.rule == rule)
            .map_or((0, 0), |c| (c.with, c.of))
    }

    /// Items of the `of` side of an affinity rule on this bin.
    pub(super) fn company(&self, model: &Model, affinity: usize) -> u32 {
        self.counts((model.limits.len() + affinity) as u32).1
    }

    /// Whether items here keep each other company, so that none may leave.
    pub(super) fn bound_together(&self, model: &Model) -> bool {
        let first = model.limits.len() as u32;
        self.counters.iter().any(|c| c.rule >= first && c.with > 0)
    }

    fn device_room(&self, request: &DeviceRequest, want: u32) -> u32 {
        if request.count == 1 {
            let slots: u64 = self
                .devices
                .iter()
                .filter(|(model, _)| request.models.contains(usize::from(*model)))
                .map(|(_, free)| u64::from(u32::from(*free) / request.milli))
                .sum();
            return u32::try_from(slots.min(u64::from(want))).unwrap_or(want);
        }
        // Whole devices, or several shares: take them one item at a time.
        let mut devices = self.devices.clone();
        let mut room = 0;
        while room < want && take(&mut devices, request).is_some() {
            room += 1;
        }
        room
    }

    fn count_in(&mut self, touches: &[Touch], count: u32) {
        for touch in touches {
            let at = match self.counters.iter().position(|c| c.rule == touch.rule) {
                Some(at) => at,
                None => {
                    self.counters.push(Counter {
                        rule: touch.rule,
                        with: 0,
                        of: 0,
                    });
                    self.counters.len() - 1
                }
            };
            let counter = &mut self.counters[at];
            if touch.with {
                counter.with += count;
            }
            if touch.of {
                counter.of += count;
            }
        }
    }

    fn count_out(&mut self, touches: &[Touch], count: u32) {
        for touch in touches {
            if let Some(counter) = self.counters.iter_mut().find(|c| c.rule == touch.rule) {
                if touch.with {
                    counter.with = counter.with.saturating_sub(count);
                }
                if touch.of {
                    counter.of = counter.of.saturating_sub(count);
                }
            }
        }
        self.counters.retain(|c| c.with > 0 || c.of > 0);
    }

    /// Puts `count` items on it, which must fit ([`Bin::room`]).
    pub(super) fn add(&mut self, model: &Model, kind: usize, count: u32) {
        let k = &model.kinds[kind];
        let shape = &model.shapes[k.shape];
        sums::take(&mut self.free, &shape.demand, u64::from(count));
        self.count_in(&k.touches, count);
        match &shape.devices {
            None => self.note(kind, 0, count),
            Some(request) => {
                for _ in 0..count {
                    if let Some(devices) = take(&mut self.devices, request) {
                        self.note(kind, devices, 1);
                    }
                }
            }
        }
    }

    fn note(&mut self, kind: usize, devices: u64, count: u32) {
        let kind = kind as u32;
        match self
            .items
            .iter_mut()
            .find(|i| i.kind == kind && i.devices == devices)
        {
            Some(item) => item.count += count,
            None => self.items.push(Item {
                kind,
                devices,
                count,
            }),
        }
    }

    /// Takes `count` items of the entry at `index` off it.
    pub(super) fn remove(&mut self, model: &Model, index: usize, count: u32) {
        let item = self.items[index];
        let k = &model.kinds[item.kind as usize];
        let shape = &model.shapes[k.shape];
        sums::give(&mut self.free, &shape.demand, u64::from(count));
        if let Some(request) = &shape.devices {
            for (bit, device) in self.devices.iter_mut().enumerate() {
                if (item.devices >> bit) & 1 == 1 {
                    device.1 += (request.milli * count) as u16;
                }
            }
        }
        self.count_out(&k.touches, count);
        if item.count == count {
            self.items.swap_remove(index);
        } else {
            self.items[index].count -= count;
        }
    }

    /// Frees what items that stood there before took; they leave for good.
    pub(super) fn release_present(&mut self, model: &Model, kind: usize, count: u32) {
        self.count_out(&model.kinds[kind].touches, count);
    }

    /// [`Bin::release_present`] for items without devices, giving back what they
    /// took.
    pub(super) fn lift_present(&mut self, model: &Model, kind: usize, count: u32) {
        self.release_present(model, kind, count);
        let shape = &model.shapes[model.kinds[kind].shape];
        for (demand, free) in shape.demand.iter().zip(&mut self.free) {
            *free = free.saturating_add(demand.saturating_mul(u64::from(count)));
        }
    }

    /// Takes items back that [`Bin::lift_present`] let go; whether there is room.
    pub(super) fn return_present(&mut self, model: &Model, kind: usize, count: u32) -> bool {
        let shape = &model.shapes[model.kinds[kind].shape];
        let takes = |demand: &u64| demand.saturating_mul(u64::from(count));
        let mut both = shape.demand.iter().zip(&self.free);
        if both.any(|(demand, free)| takes(demand) > *free) {
            return false;
        }
        for (demand, free) in shape.demand.iter().zip(&mut self.free) {
            *free -= takes(demand);
        }
        self.count_in(&model.kinds[kind].touches, count);
        true
    }

    /// Number of items put on it.
    pub(super) fn len(&self) -> u32 {
        self.items.iter().map(|i| i.count).sum()
    }

    /// Kinds and counts put on it, in kind order.
    pub(super) fn contents(&self) -> Vec<(usize, u32)> {
        let mut out: Vec<(usize, u32)> = Vec::with_capacity(self.items.len());
        for item in &self.items {
            match out.iter_mut().find(|(k, _)| *k == item.kind as usize) {
                Some((_, n)) => *n += item.count,
                None => out.push((item.kind as usize, item.count)),
            }
        }
        out.sort_unstable();
        out
    }

    /// Whether it holds nothing that this solver put there.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Tells how much is free on it.
    pub(super) fn raise(&self, roofs: &mut Roofs, at: usize) {
        let devices = self.devices.iter().map(|(_, free)| u64::from(*free));
        roofs.raise(at, &self.free, devices.max().unwrap_or(0));
    }

    /// Free thousandths over all devices.
    pub(super) fn free_devices(&self) -> u64 {
        self.devices.iter().map(|(_, free)| u64::from(*free)).sum()
    }
}

/// Takes one item's devices, the fullest that still serve it first, so that
/// whole devices stay whole. Nothing is taken when they do not suffice.
fn take(devices: &mut [(u16, u16)], request: &DeviceRequest) -> Option<u64> {
    let suits = |(model, free): &(u16, u16), models: &Mask| {
        u32::from(*free) >= request.milli && models.contains(usize::from(*model))
    };
    let mut chosen = 0u64;
    for _ in 0..request.count {
        let best = devices
            .iter()
            .enumerate()
            .filter(|(i, d)| (chosen >> i) & 1 == 0 && suits(d, &request.models))
            .min_by_key(|(i, (_, free))| (*free, *i))?
            .0;
        chosen |= 1 << best;
    }
    for (i, device) in devices.iter_mut().enumerate() {
        if (chosen >> i) & 1 == 1 {
            device.1 -= request.milli as u16;
        }
    }
    Some(chosen)
}
