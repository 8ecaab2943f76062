//! What nodes have and pods ask for, in numbers.

use super::{Accepted, Classes, Launchable};
use crate::engines::bin_packing::solver::{Class, NodeType, Offering};
use crate::model::{Node, Resources};
use crate::scheduling::traits::Traits;
use crate::scheduling::{NodeId, World};
use std::collections::BTreeSet;

/// The resources of the problem.
pub(super) struct Dims {
    pub(super) names: Vec<String>,
    extended: Vec<String>,
    drivers: Vec<String>,
}

impl Dims {
    pub(super) fn new(classes: &Classes) -> Self {
        let mut extended: BTreeSet<String> = BTreeSet::new();
        let mut drivers: BTreeSet<String> = BTreeSet::new();
        for class in &classes.list {
            extended.extend(class.traits.request.extended.keys().cloned());
            drivers.extend(class.traits.attached.keys().cloned());
        }
        let names = ["cpu_milli", "memory_bytes", "ephemeral_bytes", "pods"]
            .into_iter()
            .map(str::to_owned)
            .chain(extended.iter().map(|e| format!("extended {e}")))
            .chain(drivers.iter().map(|d| format!("volumes {d}")))
            .collect();
        Self {
            names,
            extended: extended.into_iter().collect(),
            drivers: drivers.into_iter().collect(),
        }
    }

    fn of(&self, r: &Resources) -> Vec<u64> {
        let extended = self.extended.iter();
        [r.cpu.0, r.memory.0, r.ephemeral_storage.0, r.pods]
            .into_iter()
            .chain(extended.map(|e| r.extended.get(e).copied().unwrap_or(0)))
            .map(|amount| amount.min(MOST))
            .collect()
    }

    pub(super) fn demand(&self, traits: &Traits) -> Vec<u64> {
        let mut out = self.of(&traits.request);
        let attached = self.drivers.iter();
        out.extend(attached.map(|d| u64::from(traits.attached.get(d).copied().unwrap_or(0))));
        out
    }

    /// Shared volumes take no place here: they are counted when pods really move.
    pub(super) fn free(
        &self,
        world: &World<'_>,
        node: NodeId,
        shared: &BTreeSet<(String, String)>,
    ) -> Vec<u64> {
        let mut out = self.of(&world.free(node));
        // A driver without a limit takes any number.
        let drivers = self.drivers.iter();
        out.extend(drivers.map(|d| world.attachable(node, d, shared).map_or(MOST, u64::from)));
        out
    }

    pub(super) fn capacity(
        &self,
        node: &Node,
        daemons: &Resources,
        ebs_limit: Option<u32>,
    ) -> Vec<u64> {
        let mut free = node.allocatable.clone();
        free.subtract(daemons);
        let mut out = self.of(&free);
        let ebs = |d: &String| d == crate::scheduling::capacity::EBS_DRIVER;
        out.extend(self.drivers.iter().map(|d| match ebs_limit {
            Some(limit) if ebs(d) => u64::from(limit),
            None if ebs(d) => 0,
            _ => MOST,
        }));
        out
    }
}

impl Dims {
    pub(super) fn types(&self, launchables: &[Launchable], zones: &[String]) -> Vec<NodeType> {
        let types = launchables.iter().map(|l| NodeType {
            id: l.id.clone(),
            // The most of any zone; who does not fit in the others goes elsewhere.
            capacity: l.zones.values().fold(
                vec![0; self.names.len()],
                |most: Vec<u64>, (node, _)| {
                    let here = self.capacity(node, &l.daemons, l.ebs_limit);
                    most.into_iter().zip(here).map(|(a, b)| a.max(b)).collect()
                },
            ),
            devices: Vec::new(),
            offerings: l
                .zones
                .iter()
                .map(|(zone, (_, price))| Offering {
                    zone: zones.iter().position(|z| z == zone),
                    price: Some(*price),
                    available: l.available.get(zone).copied(),
                })
                .collect(),
        });
        types.collect()
    }

    /// The classes, with nothing to place yet.
    pub(super) fn classes(&self, classes: &Classes, accepted: Vec<Accepted>) -> Vec<Class> {
        let all = classes.list.iter().zip(accepted).enumerate();
        all.map(|(i, (class, mask))| Class {
            id: format!("{i:06}"),
            count: 0,
            demand: self.demand(&class.traits),
            devices: None,
            types: mask.types,
            nodes: mask.nodes,
            zones: mask.zones,
            dislikes: mask.dislikes,
        })
        .collect()
    }
}

/// More than any node has, and little enough to add up.
const MOST: u64 = 1 << 50;
