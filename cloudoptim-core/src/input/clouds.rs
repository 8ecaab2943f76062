//! AWS documents: told apart by the list they hold.

use super::aws::{self, Key, Placed};
use super::broken::Failure;
use super::commitments::{self, Bought, LeftOut};
use super::document::Document;
use super::log::Log;
use super::slot::{Place, Seen, Slot};
use crate::model::{
    AutoScalingGroup, ClusterRecord, Commitment, EbsSnapshot, GroupInstance, Instance, NodeGroup,
    SpotRequest, Subnet, Volume, Zone,
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
    pub(super) commitments: Slot<Placed<Commitment>>,
    /// Which of the lists that commitments come in were seen.
    pub(super) bought: BoughtLists,
    /// Keys; each is a document of its own.
    pub(super) keys: Slot<Key>,
    /// Instances of warm pools; their document does not name the group.
    pub(super) warm: Vec<GroupInstance>,
    pub(super) any: bool,
}

/// Lists of commitments: plans, reserved instances, capacity reservations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct BoughtLists {
    plans: bool,
    reserved: bool,
    capacity: bool,
}

impl BoughtLists {
    /// The commands whose lists are not there.
    pub(super) fn missing(self) -> Vec<&'static str> {
        let lists = [
            (self.plans, "savingsplans describe-savings-plans"),
            (self.reserved, "ec2 describe-reserved-instances"),
            (self.capacity, "ec2 describe-capacity-reservations"),
        ];
        let missing = lists.into_iter().filter(|(seen, _)| !seen);
        missing.map(|(_, command)| command).collect()
    }
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
        macro_rules! bought {
            ($list:literal, $seen:ident, $kind:literal, $id:literal, $convert:path) => {
                if let Some(items) = top.list($list) {
                    known = true;
                    self.bought.$seen = true;
                    seen(&mut self.commitments.seen, paged);
                    let mut read = Slot::<Bought>::default();
                    for item in items {
                        let place = place($kind, $id);
                        read.read(place, item.get(), report, $convert, |b| b.lacks);
                    }
                    self.bought($kind, read, report);
                }
            };
        }
        bought!(
            "savingsPlans",
            plans,
            "SavingsPlan",
            "savingsPlanId",
            commitments::savings_plan
        );
        bought!(
            "ReservedInstances",
            reserved,
            "ReservedInstances",
            "ReservedInstancesId",
            commitments::reserved
        );
        bought!(
            "CapacityReservations",
            capacity,
            "CapacityReservation",
            "CapacityReservationId",
            commitments::capacity
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

    /// Keeps commitments that count, and names the others.
    fn bought(&mut self, kind: &str, read: Slot<Bought>, report: &mut Log) {
        let seen = &mut self.commitments.seen;
        seen.broken = seen.broken.saturating_add(read.seen.broken);
        if seen.first.is_none() {
            seen.first = read.seen.first;
        }
        for bought in read.items {
            match bought.left_out {
                None => self.commitments.items.push(bought.placed),
                Some(LeftOut::State(state)) => report.skip(&format!("{kind} {state}")),
                Some(LeftOut::NotForInstances(of)) => report.skip(&format!("{kind} of type {of}")),
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
