//! The pod mix of Karpenter's scheduling benchmark, in CSV.

use super::csv::{Row, Table};
use super::openb::{dims, machine};
use super::{LoadError, TypeRow};
use crate::instance::{Instance, Pod, PodRule, Topology};
use std::collections::BTreeMap;
use std::path::Path;

/// How many zones a cluster spans when its types are offered in more.
const ZONES: usize = 3;

fn rule(row: Row<'_>) -> Result<PodRule, LoadError> {
    let over = match row.text("topology_key") {
        "kubernetes.io/hostname" => Topology::Node,
        "topology.kubernetes.io/zone" => Topology::Zone,
        "" => return Ok(PodRule::None),
        other => return Err(row.wrong(format!("unknown topology_key {other:?}"))),
    };
    let selector = row.text("selector").to_owned();
    Ok(match row.text("constraint") {
        "none" => PodRule::None,
        "topology_spread_skew1_hard" => PodRule::Spread {
            over,
            selector,
            skew: 1,
        },
        "pod_affinity_self" => PodRule::Affinity { over, selector },
        "pod_anti_affinity_self" => PodRule::AntiAffinity { over, selector },
        other => return Err(row.wrong(format!("unknown constraint {other:?}"))),
    })
}

pub(super) fn load(
    file: &Path,
    text: &str,
    name: String,
    types: &[TypeRow],
) -> Result<Instance, LoadError> {
    let table = Table::parse(file, text)?;
    let mut pods = Vec::new();
    for row in table.rows() {
        pods.push(Pod {
            name: row.text("name").to_owned(),
            amounts: vec![row.need("cpu_milli")?, row.need("memory_mib")?, 1],
            label: row.text("label").to_owned(),
            rule: rule(row)?,
            ..Pod::default()
        });
    }
    // The zones that offer the most types; ties by name.
    let mut offered: BTreeMap<&str, usize> = BTreeMap::new();
    for zone in types.iter().flat_map(|t| &t.zones) {
        *offered.entry(zone).or_default() += 1;
    }
    let mut zones: Vec<(&str, usize)> = offered.into_iter().collect();
    zones.sort_by_key(|(name, n)| (std::cmp::Reverse(*n), *name));
    zones.truncate(ZONES);
    zones.sort_unstable();
    Ok(Instance {
        name,
        dims: dims(),
        pods,
        machines: types.iter().map(machine).collect(),
        zones: zones.into_iter().map(|(z, _)| z.to_owned()).collect(),
        ..Instance::default()
    })
}
