//! Splitting a file into documents and lists, and the cloud's parts together.

use super::aws::{Item, Placed};
use super::{InputError, Loader};
use crate::knowledge::{Gap, Knowledge};
use crate::model::{AccountId, AutoScalingGroup, Cloud, Region};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A JSON object, split at the top.
#[derive(Debug)]
pub(super) struct Document<'a> {
    pub(super) text: &'a str,
    pub(super) kind: String,
    pub(super) continues: bool,
    pub(super) items: Option<Vec<&'a str>>,
    fields: Vec<(String, &'a str)>,
}

impl<'a> Document<'a> {
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.iter().any(|(name, _)| name == key)
    }

    /// The text under `key`: the last one, where it stands twice.
    pub(super) fn get(&self, key: &str) -> Option<&'a str> {
        self.fields
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, text)| *text)
    }
}

/// Splits a file that holds one JSON document or several, one after the other.
pub(super) fn split(text: &str) -> Result<Vec<Document<'_>>, String> {
    let mut documents = Vec::new();
    for raw in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let text = raw.map_err(|e| format!("not JSON: {e}"))?.get();
        if text.starts_with('[') {
            // A bare array of objects.
            for item in items(text)? {
                documents.push(document(item)?);
            }
        } else {
            documents.push(document(text)?);
        }
    }
    Ok(documents)
}

/// The items of an array; none for `null`.
pub(super) fn items(text: &str) -> Result<Vec<&str>, String> {
    let raw: Option<Vec<&RawValue>> = serde_json::from_str(text).map_err(|e| e.to_string())?;
    Ok(raw.into_iter().flatten().map(RawValue::get).collect())
}

struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All;
        impl<'de> Visitor<'de> for All {
            type Value = Fields<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry::<String, &RawValue>()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(All)
    }
}

fn document(text: &str) -> Result<Document<'_>, String> {
    let Fields(raw) = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let fields: Vec<(String, &str)> = raw.into_iter().map(|(k, v)| (k, v.get())).collect();
    let mut document = Document {
        text,
        kind: String::new(),
        continues: false,
        items: None,
        fields,
    };
    if let Some(kind) = document.get("kind") {
        document.kind = serde_json::from_str(kind).unwrap_or_default();
    }
    if let Some(list) = document.get("items") {
        document.items = Some(items(list).map_err(|e| format!("items: {e}"))?);
        #[derive(serde::Deserialize, Default)]
        struct ListMeta {
            #[serde(rename = "continue")]
            more: Option<String>,
        }
        let meta: ListMeta = document
            .get("metadata")
            .and_then(|m| serde_json::from_str(m).ok())
            .unwrap_or_default();
        document.continues = meta.more.is_some_and(|m| !m.is_empty());
    }
    Ok(document)
}

/// Puts the items of the cloud into one part per region.
pub(super) fn assemble(loader: &mut Loader, items: Vec<Item>) -> Result<Vec<Cloud>, InputError> {
    let mut accounts: BTreeSet<AccountId> = BTreeSet::new();
    let mut regions: BTreeSet<String> = BTreeSet::new();
    for item in &items {
        let mut note = |account: &Option<AccountId>, region: &Option<String>| {
            accounts.extend(account.clone());
            regions.extend(region.clone());
        };
        match item {
            Item::Instances(all) => all.iter().for_each(|i| note(&i.account, &i.region)),
            Item::Volume(v) => note(&v.account, &v.region),
            Item::Zone(z) => note(&z.account, &z.region),
            Item::Group(g, _) => note(&g.account, &g.region),
            Item::Cluster(c) => note(&c.account, &c.region),
            Item::NodeGroup(g) => note(&g.account, &g.region),
            // A snapshot may be of another owner, shared with this account.
            Item::Snapshot(_) | Item::WarmPool(_) | Item::Subnet(_) | Item::Spot(_) => {}
        }
    }
    let account = match (&loader.options.account, accounts.len()) {
        (Some(stated), _) => stated.clone(),
        (None, 0) => AccountId::default(),
        (None, 1) => accounts.first().cloned().unwrap_or_default(),
        (None, _) => {
            let names: Vec<String> = accounts.iter().map(ToString::to_string).collect();
            return Err(InputError::SeveralAccounts(names.join(", ")));
        }
    };
    let home = loader
        .options
        .region
        .as_ref()
        .map(ToString::to_string)
        .or_else(|| {
            if regions.len() == 1 {
                regions.first().cloned()
            } else {
                None
            }
        })
        .unwrap_or_default();
    let mut parts: BTreeMap<String, Parts> = BTreeMap::new();
    let mut pools = Vec::new();
    for item in items {
        match item {
            Item::Instances(all) => {
                for Placed {
                    account: owner,
                    region,
                    item,
                } in all
                {
                    if owner.is_some_and(|owner| owner != account) {
                        *loader
                            .report
                            .skipped
                            .entry("Instance of another account".to_owned())
                            .or_default() += 1;
                        continue;
                    }
                    let part = parts
                        .entry(region.unwrap_or_else(|| home.clone()))
                        .or_default();
                    part.instances.push(item);
                }
            }
            Item::Volume(v) => part(&mut parts, &home, v.region).volumes.push(v.item),
            Item::Snapshot(s) => part(&mut parts, &home, s.region).snapshots.push(s.item),
            Item::Zone(z) => part(&mut parts, &home, z.region).zones.push(z.item),
            Item::Group(g, template) => part(&mut parts, &home, g.region)
                .groups
                .push((g.item, template)),
            Item::NodeGroup(g) => part(&mut parts, &home, g.region).node_groups.push(g.item),
            Item::Cluster(c) => part(&mut parts, &home, c.region).clusters.push(c.item),
            Item::Subnet(s) => part(&mut parts, &home, None).subnets.push(s),
            Item::Spot(s) => part(&mut parts, &home, None).spot.push(s),
            Item::WarmPool(pool) => pools.push(pool),
        }
    }
    for pool in pools {
        // The document does not name its group; the launch template tells.
        let group = parts
            .values_mut()
            .flat_map(|p| &mut p.groups)
            .find(|(group, template)| {
                group.has_warm_pool && (template.is_some() && *template == pool.template)
            });
        if let Some((group, _)) = group {
            group.instances.extend(pool.instances);
        }
    }
    if parts.is_empty() {
        parts.insert(home.clone(), Parts::default());
    }
    let several = parts.len() > 1;
    let mut clouds = Vec::new();
    for (region, parts) in parts {
        let mut cloud = Cloud {
            account: account.clone(),
            region: Region::new(region),
            ..Cloud::default()
        };
        let provenance = loader.provenance("aws-cli", cloud.scope());
        let state = |part: &'static str| -> Option<Option<Gap>> {
            let broken = loader
                .cloud_broken
                .get(part)
                .map(|(count, first)| Gap::Broken {
                    count: *count,
                    first: first.clone(),
                });
            let paged = loader.cloud_paged.contains(part).then(|| Gap::OutOfScope {
                what: "further pages".to_owned(),
            });
            let seen = loader.cloud_lists.contains(part);
            if !seen && broken.is_none() {
                return None;
            }
            // Items of several regions in one file: which regions were asked is not said.
            let several = several.then(|| Gap::OutOfScope {
                what: "several regions".to_owned(),
            });
            Some(loader.state(broken.or(paged).or(several), true))
        };
        macro_rules! put {
            ($field:ident, $items:expr, $part:literal) => {
                if let Some(gap) = state($part) {
                    cloud.$field = match gap {
                        None => Knowledge::complete($items, provenance.clone()),
                        Some(gap) => Knowledge::partial($items, gap, provenance.clone()),
                    };
                }
            };
        }
        let groups: Vec<AutoScalingGroup> = parts.groups.into_iter().map(|(g, _)| g).collect();
        put!(instances, parts.instances, "instances");
        put!(volumes, parts.volumes, "volumes");
        put!(ebs_snapshots, parts.snapshots, "ebs_snapshots");
        put!(zones, parts.zones, "zones");
        put!(auto_scaling_groups, groups, "auto_scaling_groups");
        put!(node_groups, parts.node_groups, "node_groups");
        put!(cluster_records, parts.clusters, "cluster_records");
        put!(subnets, parts.subnets, "subnets");
        put!(spot_requests, parts.spot, "spot_requests");
        clouds.push(cloud);
    }
    Ok(clouds)
}

fn part<'a>(
    parts: &'a mut BTreeMap<String, Parts>,
    home: &str,
    region: Option<String>,
) -> &'a mut Parts {
    parts
        .entry(region.unwrap_or_else(|| home.to_owned()))
        .or_default()
}

#[derive(Default)]
struct Parts {
    instances: Vec<crate::model::Instance>,
    volumes: Vec<crate::model::Volume>,
    snapshots: Vec<crate::model::EbsSnapshot>,
    zones: Vec<crate::model::Zone>,
    groups: Vec<(AutoScalingGroup, Option<String>)>,
    node_groups: Vec<crate::model::NodeGroup>,
    clusters: Vec<crate::model::ClusterRecord>,
    subnets: Vec<crate::model::Subnet>,
    spot: Vec<crate::model::SpotRequest>,
}
