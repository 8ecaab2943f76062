//! The parts of each account and region.

use super::aws::{Key, Placed};
use super::clouds::CloudObjects;
use super::log::Log;
use super::slot::{Slot, Standing};
use crate::knowledge::{Gap, Knowledge, Provenance};
use crate::model::{
    AccountId, Cloud, ClusterUid, ExpectedCluster, GroupInstance, Instance, Region, ZoneId,
    ZoneName,
};
use chrono::{DateTime, Utc};
use std::collections::{BTreeMap, BTreeSet};

/// What holds for the parts of every account and region.
pub(super) struct CloudStanding {
    pub(super) complete: bool,
    pub(super) unreadable: Option<(u64, String)>,
    pub(super) observed_at: Option<DateTime<Utc>>,
    pub(super) account: AccountId,
    pub(super) region: Region,
}

impl CloudStanding {
    fn standing(&self, account: &AccountId, region: &Region, obstacle: Option<Gap>) -> Standing {
        let mut provenance = Provenance::new("aws-cli", format!("{account}/{region}"));
        provenance.observed_at = self.observed_at;
        let unplaced = account.as_str().is_empty() || region.as_str().is_empty();
        Standing {
            complete: self.complete,
            unreadable: self.unreadable.clone(),
            obstacle: obstacle.or_else(|| {
                unplaced.then(|| Gap::OutOfScope {
                    what: "account or region: neither stated nor in the files".to_owned(),
                })
            }),
            provenance,
        }
    }
}

pub(super) fn expected_clusters(
    clouds: &CloudObjects,
    standing: &CloudStanding,
    name: &str,
    uid: &ClusterUid,
) -> Knowledge<Vec<ExpectedCluster>> {
    let mut expected: Vec<ExpectedCluster> = clouds
        .cluster_records
        .items
        .iter()
        .map(|p| ExpectedCluster {
            name: p.item.name.clone(),
            uid: (p.item.name == name).then(|| uid.clone()),
        })
        .collect();
    expected.sort();
    expected.dedup();
    let standing = standing.standing(&standing.account, &standing.region, None);
    clouds.cluster_records.seen.knowledge(expected, &standing)
}

type Home = (AccountId, Region);

/// Sorts the items of one kind into accounts and regions.
fn by_home<T, K: Ord>(
    slot: &mut Slot<Placed<T>>,
    standing: &CloudStanding,
    report: &mut Log,
    id: impl Fn(&T) -> K,
) -> BTreeMap<Home, Vec<T>> {
    let mut homes: BTreeMap<Home, BTreeMap<K, T>> = BTreeMap::new();
    let mut duplicates: u64 = 0;
    for placed in std::mem::take(&mut slot.items) {
        let account = placed
            .account
            .map_or_else(|| standing.account.clone(), AccountId::new);
        let region = placed
            .region
            .map_or_else(|| standing.region.clone(), Region::new);
        let home = homes.entry((account, region)).or_default();
        if home.insert(id(&placed.item), placed.item).is_some() {
            duplicates = duplicates.saturating_add(1);
        }
    }
    report.duplicates(duplicates);
    homes
        .into_iter()
        .map(|(home, items)| (home, items.into_values().collect()))
        .collect()
}

pub(super) fn make_clouds(
    mut objects: CloudObjects,
    standing: &CloudStanding,
    report: &mut Log,
) -> Vec<Cloud> {
    let mut clouds: BTreeMap<Home, Cloud> = BTreeMap::new();
    macro_rules! part {
        ($slot:ident, $id:expr) => {
            part!($slot, $id, None)
        };
        ($slot:ident, $id:expr, $other:expr) => {
            let other: Option<Gap> = $other;
            let seen = objects.$slot.seen.clone();
            let mut homes = by_home(&mut objects.$slot, standing, report, $id);
            if seen.listed && homes.is_empty() {
                homes.insert(
                    (standing.account.clone(), standing.region.clone()),
                    Vec::new(),
                );
            }
            let regions: BTreeSet<String> = homes.keys().map(|(_, r)| r.to_string()).collect();
            let obstacle = (homes.len() > 1).then(|| Gap::OutOfScope {
                what: format!(
                    "which of the regions each belongs to: {}",
                    regions
                        .into_iter()
                        .filter(|r| !r.is_empty())
                        .collect::<Vec<_>>()
                        .join(", ")
                ),
            });
            let obstacle = obstacle.or(other);
            for ((account, region), items) in homes {
                let standing = standing.standing(&account, &region, obstacle.clone());
                let cloud = clouds
                    .entry((account.clone(), region.clone()))
                    .or_insert_with(|| Cloud {
                        account,
                        region,
                        ..Cloud::default()
                    });
                cloud.$slot = seen.knowledge(items, &standing);
            }
        };
    }
    part!(instances, |i| i.id.clone());
    part!(volumes, |v| v.id.clone());
    part!(ebs_snapshots, |s| s.id.clone());
    part!(auto_scaling_groups, |g| g.name.clone());
    part!(node_groups, |g| (g.cluster.clone(), g.name.clone()));
    part!(cluster_records, |c| c.name.clone());
    part!(zones, |z| z.name.clone());
    part!(subnets, |s| s.id.clone());
    part!(spot_requests, |r| r.id.clone());
    let lists = objects.bought.missing();
    let not_listed = (!lists.is_empty()).then(|| Gap::OutOfScope {
        what: format!("what these list: aws {}", lists.join(", aws ")),
    });
    part!(commitments, |c| c.id.clone(), not_listed);
    let mut clouds: Vec<Cloud> = clouds.into_values().collect();
    for cloud in &mut clouds {
        fill_zone_ids(cloud);
        fill_key_states(cloud, &objects.keys.items);
    }
    clouds
}

/// Gives volumes the state of their key. Two documents about one key that
/// differ tell nothing.
fn fill_key_states(cloud: &mut Cloud, keys: &[Key]) {
    for volume in cloud.volumes.value_mut().into_iter().flatten() {
        let Some(key) = &volume.kms_key else { continue };
        let is = |k: &&Key| k.arn == *key || k.id == *key;
        let states: BTreeSet<&str> = keys.iter().filter(is).map(|k| k.state.as_str()).collect();
        let mut states = states.into_iter();
        volume.kms_key_state = match (states.next(), states.next()) {
            (Some(only), None) => Some(only.to_owned()),
            _ => None,
        };
    }
}

/// Gives instances and volumes the zone id that the account's zones tell.
fn fill_zone_ids(cloud: &mut Cloud) {
    let ids: BTreeMap<ZoneName, ZoneId> = cloud
        .zones
        .items()
        .iter()
        .map(|z| (z.name.clone(), z.id.clone()))
        .collect();
    let fill = |zone: &Option<ZoneName>, id: &mut Option<ZoneId>| {
        if id.is_none() {
            *id = zone.as_ref().and_then(|z| ids.get(z)).cloned();
        }
    };
    for i in cloud.instances.value_mut().into_iter().flatten() {
        fill(&i.zone, &mut i.zone_id);
    }
    for v in cloud.volumes.value_mut().into_iter().flatten() {
        fill(&v.zone, &mut v.zone_id);
    }
}

/// Adds the cloud that the cluster runs in, of which nothing was collected.
pub(super) fn ensure_home(clouds: &mut Vec<Cloud>, account: &AccountId, region: &Region) {
    if clouds
        .iter()
        .any(|c| c.account == *account && c.region == *region)
        || (region.as_str().is_empty() && !clouds.is_empty())
    {
        return;
    }
    clouds.push(Cloud {
        account: account.clone(),
        region: region.clone(),
        ..Cloud::default()
    });
}

impl CloudObjects {
    /// Puts the instances of warm pools into their groups. The document does
    /// not name the group; the instance's tag does.
    pub(super) fn settle_warm_pools(&mut self) {
        let tag = |instance: &Instance| instance.tags.get("aws:autoscaling:groupName").cloned();
        for warm in std::mem::take(&mut self.warm) {
            let group = self
                .instances
                .items
                .iter()
                .find(|p| p.item.id == warm.instance)
                .and_then(|p| tag(&p.item));
            let group = group.and_then(|name| {
                self.auto_scaling_groups
                    .items
                    .iter_mut()
                    .find(|g| g.item.name == name)
            });
            match group {
                Some(group) => {
                    group.item.has_warm_pool = true;
                    add_instance(&mut group.item.instances, warm);
                }
                None => {
                    let seen = &mut self.auto_scaling_groups.seen;
                    seen.broken = seen.broken.saturating_add(1);
                    seen.first.get_or_insert_with(|| {
                        format!("the group of warm instance {} is not known", warm.instance)
                    });
                }
            }
        }
    }
}

fn add_instance(instances: &mut Vec<GroupInstance>, warm: GroupInstance) {
    if !instances.iter().any(|i| i.instance == warm.instance) {
        instances.push(warm);
    }
}
