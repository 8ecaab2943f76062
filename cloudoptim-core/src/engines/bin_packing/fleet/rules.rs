//! The world's rules over classes of pods.

use super::Classes;
use crate::engines::bin_packing::solver::{Affinity, CountLimit, Mask, Per, Rule, ZoneSpread};
use crate::scheduling::World;
use crate::scheduling::traits::{Domain, Traits};
use std::collections::BTreeSet;

/// The world's rules over classes, and which of them are stricter than it:
/// hostname spreads count as if an empty node were always there, and host ports
/// as if all were of one address.
pub(super) fn rules(
    world: &World<'_>,
    classes: &Classes,
    zones: &[String],
) -> (Vec<Rule>, Vec<usize>) {
    let with = |f: &dyn Fn(&Traits) -> bool| -> Vec<usize> {
        (0..classes.list.len())
            .filter(|c| f(&classes.list[*c].traits))
            .collect()
    };
    let per = |d: Domain| match d {
        Domain::Node => Some(Per::Node),
        Domain::Zone => Some(Per::Zone),
        Domain::Other => None,
    };
    let mut out = Vec::new();
    let mut narrow = Vec::new();
    let antis: BTreeSet<(usize, bool)> = traits(classes).flat_map(|t| t.antis.clone()).collect();
    for (anti, itself) in antis {
        let Some(per) = per(world.anti_domain(anti)) else {
            continue;
        };
        out.push(Rule::CountLimit(CountLimit {
            per,
            with: with(&|t| t.antis.contains(&(anti, itself))),
            of: with(&|t| t.in_antis.contains(&anti)),
            max: u32::from(itself),
        }));
    }
    let affinities: BTreeSet<usize> = traits(classes)
        .filter_map(|t| Some(t.affinity?.0))
        .collect();
    for affinity in affinities {
        let Some(per) = per(world.affinity_domain(affinity)) else {
            continue;
        };
        out.push(Rule::Affinity(Affinity {
            per,
            with: with(&|t| t.affinity.is_some_and(|a| a.0 == affinity)),
            of: with(&|t| t.in_affinities.contains(&affinity)),
        }));
    }
    let spreads: BTreeSet<(usize, u32, u32)> =
        traits(classes).flat_map(|t| t.spreads.clone()).collect();
    for spread in spreads {
        let (group, max_skew, min_zones) = spread;
        let carriers = with(&|t| t.spreads.contains(&spread));
        let of = with(&|t| t.in_spreads.contains(&group));
        match world.spread_domain(group) {
            Domain::Node => {
                narrow.push(out.len());
                out.push(Rule::CountLimit(CountLimit {
                    per: Per::Node,
                    with: carriers,
                    of,
                    max: max_skew,
                }));
            }
            Domain::Zone => {
                let domains = world.spread_domains(group);
                out.push(Rule::ZoneSpread(ZoneSpread {
                    with: carriers,
                    of,
                    max_skew: max_skew.max(1),
                    zones: Mask::only((0..zones.len()).filter(|z| domains.contains(&zones[*z]))),
                    min_zones,
                }));
            }
            Domain::Other => {}
        }
    }
    let limits: BTreeSet<usize> = traits(classes).flat_map(|t| t.brings.clone()).collect();
    for limit in limits {
        out.push(Rule::CountLimit(CountLimit {
            per: Per::Node,
            with: with(&|t| t.brings.contains(&limit)),
            of: with(&|t| t.counted.contains(&limit)),
            max: world.limit_max(limit),
        }));
    }
    let ports: BTreeSet<(u16, String)> = traits(classes)
        .flat_map(|t| t.ports.iter().map(|p| (p.0, p.1.clone())))
        .collect();
    for (port, protocol) in ports {
        // Addresses are not told apart: one user of a port on a node.
        let users = with(&|t| t.ports.iter().any(|p| p.0 == port && p.1 == protocol));
        narrow.push(out.len());
        out.push(Rule::CountLimit(CountLimit {
            per: Per::Node,
            with: users.clone(),
            of: users,
            max: 1,
        }));
    }
    (out, narrow)
}

fn traits(classes: &Classes) -> impl Iterator<Item = &Traits> {
    classes.list.iter().map(|c| &c.traits)
}
