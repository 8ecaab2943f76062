//! What an instance costs, and what goes or stays when it goes.

use super::Reason;
use super::instances::Case;
use crate::catalog::service;
use crate::decision::MissingEvidence;
use crate::model::{Bytes, HOURS_PER_MONTH, InstanceState, MicroUsdPerMonth, VolumeId};

/// Disks of the host, whose data a stop loses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LocalDisks {
    /// The type has none.
    None,
    /// The type has so much.
    Some(Bytes),
    /// The catalogue does not list the type.
    Unknown,
}

impl Case<'_> {
    pub(super) fn local_disks(&self) -> LocalDisks {
        let catalog = self.ground.inputs.catalog;
        match catalog.instance_type(self.instance.instance_type.as_str()) {
            None => LocalDisks::Unknown,
            Some(info) => info
                .local_storage
                .map_or(LocalDisks::None, |local| LocalDisks::Some(local.total)),
        }
    }

    /// Why a stop is no way back.
    pub(super) fn stop_loses(&self, disks: LocalDisks) -> Reason {
        let instance_type = self.instance.instance_type.clone();
        match disks {
            LocalDisks::Some(size) => Reason::StopLosesLocalDisks {
                instance_type,
                size,
            },
            _ => Reason::LocalDisksUnknown { instance_type },
        }
    }

    /// What it takes before local disks may be lost.
    pub(super) fn disks_unsettled(&self, disks: LocalDisks) -> MissingEvidence {
        match disks {
            LocalDisks::Some(_) => MissingEvidence::Confirmation {
                of: format!("that the local disks of {} may go", self.instance.id),
            },
            _ => MissingEvidence::Part {
                part: format!("local disks of {}", self.instance.instance_type),
                state: "the catalogue does not list the type".to_owned(),
            },
        }
    }

    /// What it costs while it runs: the machine and a public address. Its
    /// volumes go on costing when it is stopped.
    pub(super) fn running_cost(&self, evidence: &mut Vec<Reason>) -> Option<MicroUsdPerMonth> {
        let instance = self.instance;
        if instance.state == InstanceState::Stopped {
            return self.disks_that_go();
        }
        let inputs = self.ground.inputs;
        let zone = instance.zone_id.clone().or_else(|| {
            let name = instance.zone.as_ref()?;
            self.cloud.zone_id(name).cloned()
        });
        // The catalogue lists Linux; a licence comes on top of it.
        let licence = instance.licence();
        let machine = inputs
            .price(
                Some(self.cloud),
                instance.instance_type.as_str(),
                zone.as_ref(),
                instance.capacity_type,
            )
            .filter(|_| licence.is_none());
        let Some(machine) = machine else {
            evidence.push(Reason::PriceUnknown {
                of: match licence {
                    None => format!("{} {}", instance.capacity_type, instance.instance_type),
                    Some(licence) => format!(
                        "{} {} with {licence}",
                        instance.capacity_type, instance.instance_type
                    ),
                },
            });
            return None;
        };
        let mut cost = machine.per_month();
        // An elastic address stays, and is paid for, when the instance goes.
        if instance.has_public_ip && instance.elastic_ips.is_empty() {
            cost += self.address_price()?;
        }
        Some(cost)
    }

    fn disk_price(&self, volume: &VolumeId) -> Option<MicroUsdPerMonth> {
        let volumes = self.cloud.volumes.items();
        let volume = volumes.iter().find(|v| v.id == *volume)?;
        let price = self
            .ground
            .inputs
            .catalog
            .ebs_price(self.cloud.region.as_str(), &volume.volume_type)?;
        let gib = volume.size.0 / Bytes::GIB.0;
        Some(
            price
                .per_month(gib, volume.iops, volume.throughput_mibps)
                .value,
        )
    }

    /// What the volumes cost that go with it.
    pub(super) fn disks_that_go(&self) -> Option<MicroUsdPerMonth> {
        let devices = self.instance.block_devices.iter();
        devices
            .filter(|d| d.delete_on_termination == Some(true))
            .map(|d| self.disk_price(&d.volume))
            .sum()
    }

    fn address_price(&self) -> Option<MicroUsdPerMonth> {
        let region = self.cloud.region.as_str();
        let catalog = self.ground.inputs.catalog;
        let address = catalog.service_price(region, service::PUBLIC_IPV4)?;
        let per_hour = address.value.price.0;
        Some(MicroUsdPerMonth(per_hour.saturating_mul(HOURS_PER_MONTH)))
    }

    /// Names what stays when it goes, and what loses a member.
    pub(super) fn leftovers(&self, evidence: &mut Vec<Reason>) {
        for device in &self.instance.block_devices {
            if device.delete_on_termination != Some(true) {
                evidence.push(Reason::LeavesVolume {
                    volume: device.volume.clone(),
                    per_month: self.disk_price(&device.volume),
                });
            }
        }
        for address in &self.instance.elastic_ips {
            evidence.push(Reason::LeavesAddress {
                address: address.clone(),
                per_month: self.address_price(),
            });
        }
        for interface in &self.instance.lasting_interfaces {
            evidence.push(Reason::LeavesInterface {
                interface: interface.clone(),
            });
        }
        if let Some(group) = self.group.filter(|g| !g.target_groups.is_empty()) {
            evidence.push(Reason::LeavesTargetGroups {
                group: group.name.clone(),
                target_groups: group.target_groups.clone(),
            });
        }
    }
}
