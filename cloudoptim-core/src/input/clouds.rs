//! AWS documents: told apart by the list they hold.

use super::aws::{self, Key, Placed};
use super::broken::Failure;
use super::document::Document;
use super::log::Log;
use super::slot::{Place, Seen, Slot};
use crate::model::{
    AutoScalingGroup, ClusterRecord, EbsSnapshot, GroupInstance, Instance, NodeGroup, SpotRequest,
    Subnet, Volume, Zone,
};
use serde::Deserialize;
use serde_json::value::RawValue;

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct CloudObjects {
    pub(super) instances: Slot<Placed<Instance>>,
    pub(super) volumes: Slot<Placed<Volume>>,
    pub(super) ebs_snapshots: Slot<Placed<EbsSnapshot>>,
    pub(super) auto_scaling_groups: Slot<Placed<AutoScalingGroup>>,
    pub(super) node_groups: Slot<Placed<NodeGroup>>,
    pub(super) cluster_records: Slot<Placed<ClusterRecord>>,
    pub(super) zones: Slot<Placed<Zone>>,
    pub(super) subnets: Slot<Placed<Subnet>>,
    pub(super) spot_requests: Slot<Placed<SpotRequest>>,
    /// Keys; each is a document of its own.
    pub(super) keys: Slot<Key>,
    /// Instances of warm pools; their document does not name the group.
    pub(super) warm: Vec<GroupInstance>,
    pub(super) any: bool,
}

/// A reservation: its instances are read one by one.
#[derive(Debug, Deserialize)]
struct Reservation<'a> {
    #[serde(borrow, default, rename = "Instances")]
    instances: Option<Vec<&'a RawValue>>,
}

fn missing(id: &str, field: &'static str) -> Option<&'static str> {
    id.is_empty().then_some(field)
}

impl CloudObjects {
    /// Reads a document if it is one of the AWS CLI.
    pub(super) fn read(&mut self, file: &str, document: &Document<'_>, report: &mut Log) -> bool {
        let top = &document.top;
        let paged = top.string("NextToken").is_some() || top.string("nextToken").is_some();
        let place = |kind: &'static str, id: &'static str| Place {
            file,
            kind,
            id_field: Some(id),
        };
        let mut known = false;
        if let Some(items) = top.list("Reservations") {
            known = true;
            seen(&mut self.instances.seen, paged);
            for item in items {
                self.reservation(place("Instance", "InstanceId"), item.get(), report);
            }
        } else if top.member("WarmPoolConfiguration").is_some() {
            known = true;
            self.warm_pool(place("WarmPool", "InstanceId"), document, report);
        }
        macro_rules! list {
            ($list:literal, $slot:ident, $kind:literal, $id:literal, $convert:path, |$item:ident| $get:expr) => {
                if let Some(items) = top.list($list) {
                    known = true;
                    seen(&mut self.$slot.seen, paged);
                    for item in items {
                        self.$slot
                            .read(place($kind, $id), item.get(), report, $convert, |$item| {
                                missing($get, $id)
                            });
                    }
                }
            };
        }
        list!("Volumes", volumes, "Volume", "VolumeId", aws::volume, |v| v
            .item
            .id
            .as_str());
        list!(
            "Snapshots",
            ebs_snapshots,
            "Snapshot",
            "SnapshotId",
            aws::snapshot,
            |s| s.item.id.as_str()
        );
        list!(
            "AvailabilityZones",
            zones,
            "AvailabilityZone",
            "ZoneName",
            aws::zone,
            |z| z.item.name.as_str()
        );
        list!(
            "AutoScalingGroups",
            auto_scaling_groups,
            "AutoScalingGroup",
            "AutoScalingGroupName",
            aws::group,
            |g| &g.item.name
        );
        list!("Subnets", subnets, "Subnet", "SubnetId", aws::subnet, |s| s
            .item
            .id
            .as_str());
        list!(
            "SpotInstanceRequests",
            spot_requests,
            "SpotInstanceRequest",
            "SpotInstanceRequestId",
            aws::spot_request,
            |r| &r.item.id
        );
        if !known && let Some(cluster) = top.member("cluster") {
            known = true;
            seen(&mut self.cluster_records.seen, false);
            let place = place("Cluster", "name");
            self.cluster_records
                .read(place, cluster.get(), report, aws::cluster, |c| {
                    missing(&c.item.name, "name")
                });
        }
        if !known && let Some(group) = top.member("nodegroup") {
            known = true;
            seen(&mut self.node_groups.seen, false);
            let place = place("NodeGroup", "nodegroupName");
            self.node_groups
                .read(place, group.get(), report, aws::node_group, |g| {
                    missing(&g.item.name, "nodegroupName")
                });
        }
        if !known && let Some(key) = top.member("KeyMetadata") {
            known = true;
            self.keys
                .read(place("Key", "KeyId"), key.get(), report, aws::key, |k| {
                    missing(&k.id, "KeyId").or_else(|| missing(&k.state, "KeyState"))
                });
        }
        self.any |= known;
        known
    }

    fn reservation(&mut self, place: Place<'_>, text: &str, report: &mut Log) {
        // What is wrong with the owner is no reason to lose the instances.
        let owner = serde_json::from_str::<aws::RawReservationHead>(text)
            .map(|head| head.owner_id.0)
            .unwrap_or_default();
        match serde_json::from_str::<Reservation<'_>>(text) {
            Ok(reservation) => {
                for item in reservation.instances.unwrap_or_default() {
                    self.instances.read(
                        place,
                        item.get(),
                        report,
                        |raw| aws::instance(raw, &owner),
                        |i| missing(i.item.id.as_str(), "InstanceId"),
                    );
                }
            }
            Err(error) => {
                let failure = Failure {
                    field: "Instances".to_owned(),
                    message: super::broken::message(&error.to_string()),
                };
                let place = Place {
                    id_field: Some("ReservationId"),
                    ..place
                };
                self.instances.fail(place, text, report, failure);
            }
        }
    }

    fn warm_pool(&mut self, place: Place<'_>, document: &Document<'_>, report: &mut Log) {
        let mut warm = Slot::<GroupInstance>::default();
        for item in document.top.list("Instances").unwrap_or_default() {
            warm.read(place, item.get(), report, aws::group_instance, |i| {
                missing(i.instance.as_str(), "InstanceId")
            });
        }
        // A hole in a warm pool is a hole in its group.
        let seen = &mut self.auto_scaling_groups.seen;
        seen.broken = seen.broken.saturating_add(warm.seen.broken);
        if seen.first.is_none() {
            seen.first = warm.seen.first;
        }
        self.warm.append(&mut warm.items);
    }
}

fn seen(seen: &mut Seen, paged: bool) {
    seen.listed = true;
    seen.paged |= paged;
}
