//! Where the figures come from: parts of the snapshot and dates of the prices.

use crate::catalog::Basis;
use crate::engines::Inputs;
use crate::input::LoadReport;
use crate::knowledge::Knowledge;
use crate::model::{CapacityType, Cloud, Cluster, Node};
use chrono::NaiveDate;
use std::collections::{BTreeMap, BTreeSet};

/// A part of the snapshot and what is known of it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PartState {
    /// Whose: `cluster shop-prod` or `account/region`.
    pub(super) of: String,
    pub(super) part: &'static str,
    pub(super) items: u64,
    /// The gap in words; `None` when the part is complete.
    pub(super) gap: Option<String>,
    pub(super) unknown: bool,
    pub(super) source: String,
}

/// Prices with one date, one basis and one source.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PriceState {
    pub(super) what: &'static str,
    pub(super) as_of: NaiveDate,
    pub(super) basis: Basis,
    pub(super) prices: u64,
}

fn state<T>(
    of: &str,
    part: &'static str,
    knowledge: &Knowledge<T>,
    items: impl Fn(&T) -> usize,
) -> PartState {
    PartState {
        of: of.to_owned(),
        part,
        items: knowledge.value().map_or(0, |v| items(v) as u64),
        gap: knowledge.gap().map(ToString::to_string),
        unknown: matches!(knowledge, Knowledge::Unknown { .. }),
        source: knowledge
            .provenance()
            .map(|p| p.source.clone())
            .unwrap_or_default(),
    }
}

macro_rules! lists {
    ($of:expr, $from:expr, $($part:ident $name:literal),* $(,)?) => {
        [$(state($of, $name, &$from.$part, Vec::len)),*]
    };
}

fn of_cloud(cloud: &Cloud) -> Vec<PartState> {
    lists!(
        &cloud.scope(), cloud,
        instances "instances",
        volumes "volumes",
        ebs_snapshots "volume snapshots (EBS)",
        auto_scaling_groups "auto scaling groups",
        node_groups "node groups",
        cluster_records "cluster records",
        zones "zones",
        subnets "subnets",
        quotas "quotas",
        spot_requests "spot requests",
        commitments "commitments",
        prices "prices of the account",
    )
    .into()
}

fn of_cluster(cluster: &Cluster) -> Vec<PartState> {
    let of = cluster_name(cluster);
    let of = format!("cluster {of}");
    let mut parts: Vec<PartState> = lists!(
        &of, cluster,
        nodes "nodes",
        pods "pods",
        workloads "workloads",
        disruption_budgets "disruption budgets",
        persistent_volumes "persistent volumes",
        claims "volume claims",
        storage_classes "storage classes",
        csi_nodes "CSI nodes",
        volume_attachments "volume attachments",
        volume_snapshots "volume snapshots",
        services "services",
        endpoint_slices "endpoint slices",
        horizontal_autoscalers "horizontal autoscalers",
        vertical_autoscalers "vertical autoscalers",
        scaled_objects "scaled objects",
        limit_ranges "limit ranges",
        resource_quotas "resource quotas",
        priority_classes "priority classes",
        runtime_classes "runtime classes",
        node_pools "node pools",
        node_claims "node claims",
        leases "leases",
        events "events",
        namespaces "namespaces",
        traffic "traffic",
    )
    .into();
    parts.push(state(&of, "usage", &cluster.usage, |u| u.containers.len()));
    parts
}

/// A cluster's name, else its uid.
pub(super) fn cluster_name(cluster: &Cluster) -> &str {
    if cluster.name.is_empty() {
        cluster.uid.as_str()
    } else {
        &cluster.name
    }
}

/// Every part of the snapshot, clouds before clusters.
pub(super) fn parts(inputs: &Inputs<'_>) -> Vec<PartState> {
    let snapshot = inputs.snapshot;
    let mut parts: Vec<PartState> = snapshot.clouds.iter().flat_map(of_cloud).collect();
    parts.extend(snapshot.clusters.iter().flat_map(of_cluster));
    parts.push(state(
        "all",
        "expected clusters",
        &snapshot.expected_clusters,
        Vec::len,
    ));
    parts
}

/// Dates of the catalogue's prices for what the snapshot holds.
pub(super) fn prices(inputs: &Inputs<'_>) -> Vec<PriceState> {
    let mut found: BTreeMap<(&'static str, NaiveDate, Basis), u64> = BTreeMap::new();
    let mut see = |what, as_of, basis| *found.entry((what, as_of, basis)).or_default() += 1;
    for cloud in &inputs.snapshot.clouds {
        let region = cloud.region.as_str();
        let types: BTreeSet<(&str, CapacityType)> = cloud
            .instances
            .items()
            .iter()
            .map(|i| (i.instance_type.as_str(), i.capacity_type))
            .collect();
        for (name, capacity_type) in types {
            match inputs.catalog.price(region, name, capacity_type, None) {
                Some(f) if capacity_type == CapacityType::Spot => see("spot", f.as_of, f.basis),
                Some(f) => see("on demand", f.as_of, f.basis),
                None => {}
            }
        }
        let kinds: BTreeSet<&str> = cloud
            .volumes
            .items()
            .iter()
            .map(|v| v.volume_type.as_str())
            .collect();
        for price in kinds
            .iter()
            .filter_map(|kind| inputs.catalog.ebs_price(region, kind))
        {
            see(
                "volumes",
                price.per_gib_month.as_of,
                price.per_gib_month.basis,
            );
        }
        if let Some(figure) = inputs.catalog.transfer(region) {
            see("transfer", figure.as_of, figure.basis);
        }
    }
    let state = |((what, as_of, basis), prices)| PriceState {
        what,
        as_of,
        basis,
        prices,
    };
    found.into_iter().map(state).collect()
}

/// How many nodes have no price, by type, so that somebody can supply one.
pub(super) fn unpriced_types(inputs: &Inputs<'_>) -> BTreeMap<String, u64> {
    let mut types = BTreeMap::new();
    for cluster in &inputs.snapshot.clusters {
        let unpriced = |node: &&Node| inputs.node_price(cluster, node).is_none();
        for node in cluster.nodes.items().iter().filter(unpriced) {
            let name = node.instance_type().unwrap_or("unknown type").to_owned();
            *types.entry(name).or_default() += 1;
        }
    }
    types
}

/// Broken objects named one by one; the rest is counted.
const NAMED: usize = 20;

/// What could not be read, in sentences.
pub(super) fn problems(load: &LoadReport) -> Vec<String> {
    let mut problems = Vec::new();
    for file in &load.files {
        if let Some(why) = &file.refused {
            problems.push(format!("{}: {why}; not read", file.name));
        }
    }
    problems.extend(load.broken.iter().take(NAMED).map(ToString::to_string));
    let rest = load
        .broken_count
        .saturating_sub(load.broken.len().min(NAMED) as u64);
    if rest > 0 {
        problems.push(format!("{rest} more objects could not be read"));
    }
    if !load.skipped.is_empty() {
        let kinds: Vec<String> = load
            .skipped
            .iter()
            .map(|(kind, n)| format!("{kind} ({n})"))
            .collect();
        problems.push(format!(
            "of kinds that no engine reads: {}",
            kinds.join(", ")
        ));
    }
    if load.duplicate_keys > 0 {
        let n = load.duplicate_keys;
        problems.push(format!(
            "keys that stand twice in one object: {n}; the later one counts"
        ));
    }
    if load.duplicate_objects > 0 {
        let n = load.duplicate_objects;
        problems.push(format!(
            "objects that two documents hold: {n}; the newer one counts"
        ));
    }
    problems
}
