//! What the AWS CLI prints: instances, volumes, snapshots, groups, clusters.

use super::node::{RawTaint, taints};
use super::raw::{Map, N, One, Text, Time, Word, at, strings};
use super::redact::redact;
use crate::model::{
    AccountId, Attachment, AutoScalingGroup, BlockDevice, Bytes, CapacityType, ClusterRecord,
    EbsSnapshot, GroupInstance, Instance, InstanceId, InstanceState, InstanceType, Labels,
    NodeGroup, SnapshotId, SpotRequest, Subnet, SubnetId, Volume, VolumeId, VolumeState, Zone,
    ZoneId, ZoneName,
};
use serde::Deserialize;

/// Something from an AWS document, with what it says about where it is.
#[derive(Debug, Clone)]
pub(super) struct Placed<T> {
    pub(super) item: T,
    pub(super) account: Option<String>,
    pub(super) region: Option<String>,
}

/// The region of a zone name: `us-east-1a`, `us-east-1-bos-1a`.
pub(super) fn region_of_zone(zone: &str) -> Option<String> {
    let mut parts = zone.split('-');
    let (area, side, number) = (parts.next()?, parts.next()?, parts.next()?);
    // `us-gov-west-1a` has one part more.
    let (head, number) = if number.bytes().next()?.is_ascii_digit() {
        (format!("{area}-{side}"), number)
    } else {
        (format!("{area}-{side}-{number}"), parts.next()?)
    };
    let digits = number
        .bytes()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(number.len());
    let region = format!("{head}-{}", number.get(..digits)?);
    let plausible = digits > 0 && area.len() == 2 && area.bytes().all(|b| b.is_ascii_lowercase());
    plausible.then_some(region)
}

/// Account and region of an ARN.
pub(super) fn of_arn(arn: &str) -> (Option<String>, Option<String>) {
    let mut parts = arn.split(':');
    if parts.next() != Some("arn") {
        return (None, None);
    }
    let mut rest = parts.skip(2);
    let take = |part: Option<&str>| part.filter(|p| !p.is_empty()).map(str::to_owned);
    let region = take(rest.next());
    let account = take(rest.next()).filter(|a| is_account(a));
    (account, region)
}

/// Whether it is an account id: twelve digits.
pub(super) fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawTag {
    key: Text,
    value: Text,
}

fn tags(raw: N<Vec<RawTag>>) -> Labels {
    raw.0.into_iter().map(|t| (t.key.0, t.value.0)).collect()
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawOperator {
    managed: N<bool>,
    principal: Text,
}

impl RawOperator {
    fn managed_by(self) -> Option<String> {
        self.managed
            .0
            .then(|| self.principal.some().unwrap_or_else(|| "aws".to_owned()))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawInstance {
    instance_id: Text,
    instance_type: Text,
    state: N<RawStateName>,
    placement: N<RawPlacement>,
    launch_time: Option<Time>,
    instance_lifecycle: Text,
    spot_instance_request_id: Text,
    tags: N<Vec<RawTag>>,
    subnet_id: Text,
    vpc_id: Text,
    iam_instance_profile: N<RawProfile>,
    private_dns_name: Text,
    private_ip_address: Text,
    public_ip_address: Text,
    network_interfaces: N<Vec<RawInterface>>,
    block_device_mappings: N<Vec<RawMapping>>,
    platform: Text,
    platform_details: Text,
    capacity_reservation_id: Text,
    capacity_block_id: Text,
    operator: N<RawOperator>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawStateName {
    name: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawPlacement {
    availability_zone: Text,
    availability_zone_id: Text,
    tenancy: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawProfile {
    arn: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawInterface {
    network_interface_id: Text,
    attachment: N<RawInterfaceAttachment>,
    private_ip_addresses: N<Vec<RawAddress>>,
    association: Option<RawAssociation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawInterfaceAttachment {
    delete_on_termination: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawAddress {
    private_ip_address: Text,
    association: Option<RawAssociation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawAssociation {
    public_ip: Text,
    ip_owner_id: Text,
}

impl RawAssociation {
    /// The address where it is an elastic one: Amazon owns the others.
    fn elastic(self) -> Option<String> {
        let owned = is_account(&self.ip_owner_id.0);
        self.public_ip.some().filter(|_| owned)
    }
}

/// What an instance is billed as, where it is not plain Linux.
fn platform(platform: Text, details: Text) -> Option<String> {
    let details = details.some().map(|d| d.to_ascii_lowercase());
    match details {
        // `Windows`, `Windows BYOL`, `Windows with SQL Server ...`.
        Some(details) if details.starts_with("windows") => Some("windows".to_owned()),
        Some(details) if details == "linux/unix" => None,
        Some(details) => Some(details),
        None => platform.some().map(|p| p.to_ascii_lowercase()),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawMapping {
    device_name: Text,
    ebs: Option<RawEbs>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawEbs {
    volume_id: Text,
    delete_on_termination: Option<bool>,
}

/// Instances of one reservation; the owner stands beside them.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawReservationHead {
    pub(super) owner_id: Text,
}

pub(super) fn instance(raw: RawInstance, owner: &str) -> Placed<Instance> {
    let placement = raw.placement.0;
    let mut private_ips = Vec::new();
    private_ips.extend(raw.private_ip_address.some());
    let mut has_public_ip = !raw.public_ip_address.0.is_empty();
    let mut elastic_ips = Vec::new();
    let mut lasting_interfaces = Vec::new();
    for interface in raw.network_interfaces.0 {
        let public =
            |a: &Option<RawAssociation>| a.as_ref().is_some_and(|a| !a.public_ip.0.is_empty());
        has_public_ip |= public(&interface.association);
        elastic_ips.extend(interface.association.and_then(RawAssociation::elastic));
        for address in interface.private_ip_addresses.0 {
            has_public_ip |= public(&address.association);
            elastic_ips.extend(address.association.and_then(RawAssociation::elastic));
            private_ips.extend(address.private_ip_address.some());
        }
        if interface.attachment.0.delete_on_termination == Some(false) {
            lasting_interfaces.extend(interface.network_interface_id.some());
        }
    }
    for list in [&mut private_ips, &mut elastic_ips, &mut lasting_interfaces] {
        list.sort();
        list.dedup();
    }
    let zone = placement.availability_zone.some();
    let account = Some(owner.to_owned()).filter(|o| !o.is_empty());
    Placed {
        region: zone.as_deref().and_then(region_of_zone),
        account: account.clone().filter(|a| is_account(a)),
        item: Instance {
            id: InstanceId::new(raw.instance_id.0),
            instance_type: InstanceType::new(raw.instance_type.0),
            state: match raw.state.0.name.0.as_str() {
                "pending" => InstanceState::Pending,
                "running" => InstanceState::Running,
                "shutting-down" => InstanceState::ShuttingDown,
                "stopping" => InstanceState::Stopping,
                "stopped" => InstanceState::Stopped,
                "terminated" => InstanceState::Terminated,
                _ => InstanceState::Unknown,
            },
            zone: zone.map(ZoneName::new),
            zone_id: placement.availability_zone_id.some().map(ZoneId::new),
            launched_at: at(raw.launch_time),
            capacity_type: match raw.instance_lifecycle.0.as_str() {
                "spot" => CapacityType::Spot,
                "capacity-block" => CapacityType::Reserved,
                _ if !raw.capacity_block_id.0.is_empty() => CapacityType::Reserved,
                _ => CapacityType::OnDemand,
            },
            spot_request: raw.spot_instance_request_id.some(),
            tags: tags(raw.tags),
            subnet: raw.subnet_id.some().map(SubnetId::new),
            vpc: raw.vpc_id.some(),
            instance_profile: raw.iam_instance_profile.0.arn.some(),
            private_dns: raw.private_dns_name.some(),
            private_ips,
            has_public_ip,
            elastic_ips,
            lasting_interfaces,
            block_devices: raw
                .block_device_mappings
                .0
                .into_iter()
                .filter_map(|m| {
                    m.ebs.map(|ebs| BlockDevice {
                        device: m.device_name.0,
                        volume: VolumeId::new(ebs.volume_id.0),
                        delete_on_termination: ebs.delete_on_termination,
                    })
                })
                .collect(),
            platform: platform(raw.platform, raw.platform_details),
            tenancy: placement.tenancy.some(),
            capacity_reservation: raw.capacity_reservation_id.some(),
            termination_protected: None,
            stop_protected: None,
            managed_by: raw.operator.0.managed_by(),
            owner: account.map(AccountId::new),
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawVolume {
    volume_id: Text,
    state: Text,
    volume_type: Text,
    size: N<u32>,
    iops: Option<u32>,
    throughput: Option<u32>,
    availability_zone: Text,
    availability_zone_id: Text,
    create_time: Option<Time>,
    attachments: N<Vec<RawAttachment>>,
    snapshot_id: Text,
    encrypted: Option<bool>,
    kms_key_id: Text,
    multi_attach_enabled: N<bool>,
    operator: N<RawOperator>,
    outpost_arn: Text,
    tags: N<Vec<RawTag>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawAttachment {
    instance_id: Text,
    state: Text,
    attach_time: Option<Time>,
    delete_on_termination: Option<bool>,
}

pub(super) fn volume(raw: RawVolume) -> Placed<Volume> {
    let zone = raw.availability_zone.some();
    Placed {
        region: zone.as_deref().and_then(region_of_zone),
        account: None,
        item: Volume {
            id: VolumeId::new(raw.volume_id.0),
            state: match raw.state.0.as_str() {
                "creating" => VolumeState::Creating,
                "available" => VolumeState::Available,
                "in-use" => VolumeState::InUse,
                "deleting" => VolumeState::Deleting,
                "deleted" => VolumeState::Deleted,
                "error" => VolumeState::Error,
                _ => VolumeState::Unknown,
            },
            volume_type: raw.volume_type.0,
            size: Bytes::from_gib(u64::from(raw.size.0)),
            iops: raw.iops,
            throughput_mibps: raw.throughput,
            zone: zone.map(ZoneName::new),
            zone_id: raw.availability_zone_id.some().map(ZoneId::new),
            created_at: at(raw.create_time),
            attachments: raw
                .attachments
                .0
                .into_iter()
                .map(|a| Attachment {
                    instance: InstanceId::new(a.instance_id.0),
                    state: a.state.0,
                    attached_at: at(a.attach_time),
                    delete_on_termination: a.delete_on_termination,
                })
                .collect(),
            from_snapshot: raw.snapshot_id.some().map(SnapshotId::new),
            encrypted: raw.encrypted,
            kms_key: raw.kms_key_id.some(),
            kms_key_state: None,
            multi_attach: raw.multi_attach_enabled.0,
            managed_by: raw.operator.0.managed_by(),
            modification: None,
            outpost: raw.outpost_arn.some(),
            tags: tags(raw.tags),
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawKey {
    arn: Text,
    key_id: Text,
    key_state: Text,
}

/// A key, as `aws kms describe-key` tells it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) arn: String,
    pub(super) id: String,
    pub(super) state: String,
}

pub(super) fn key(raw: RawKey) -> Key {
    Key {
        arn: raw.arn.0,
        id: raw.key_id.0,
        state: raw.key_state.0,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawSnapshot {
    snapshot_id: Text,
    volume_id: Text,
    state: Text,
    volume_size: N<u32>,
    start_time: Option<Time>,
    owner_id: Text,
    storage_tier: Text,
    description: Text,
    tags: N<Vec<RawTag>>,
}

pub(super) fn snapshot(raw: RawSnapshot) -> Placed<EbsSnapshot> {
    Placed {
        region: None,
        // A shared snapshot belongs to somebody else, so it does not say
        // whose listing this is.
        account: None,
        item: EbsSnapshot {
            id: SnapshotId::new(raw.snapshot_id.0),
            // What AWS writes for a snapshot that was copied.
            volume: raw
                .volume_id
                .some()
                .filter(|id| id != "vol-ffffffff")
                .map(VolumeId::new),
            state: raw.state.0,
            volume_size: Bytes::from_gib(u64::from(raw.volume_size.0)),
            started_at: at(raw.start_time),
            owner: raw.owner_id.some().map(AccountId::new),
            storage_tier: raw.storage_tier.some(),
            description: redact(&raw.description.0),
            tags: tags(raw.tags),
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawZone {
    zone_name: Text,
    zone_id: Text,
    zone_type: Text,
    region_name: Text,
}

pub(super) fn zone(raw: RawZone) -> Placed<Zone> {
    Placed {
        region: raw
            .region_name
            .some()
            .or_else(|| region_of_zone(&raw.zone_name.0)),
        account: None,
        item: Zone {
            name: ZoneName::new(raw.zone_name.0),
            id: ZoneId::new(raw.zone_id.0),
            kind: raw.zone_type.0,
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawGroup {
    auto_scaling_group_name: Text,
    #[serde(rename = "AutoScalingGroupARN")]
    arn: Text,
    min_size: N<u32>,
    max_size: N<u32>,
    desired_capacity: N<u32>,
    instances: N<Vec<RawGroupInstance>>,
    mixed_instances_policy: N<RawMixed>,
    availability_zones: N<Vec<Text>>,
    #[serde(rename = "VPCZoneIdentifier")]
    vpc_zone_identifier: Text,
    suspended_processes: N<Vec<RawProcess>>,
    warm_pool_configuration: Option<super::meta::Nothing>,
    warm_pool_size: N<u32>,
    #[serde(rename = "TargetGroupARNs")]
    target_groups: N<Vec<Text>>,
    tags: N<Vec<RawTag>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawGroupInstance {
    instance_id: Text,
    instance_type: Text,
    lifecycle_state: Text,
    protected_from_scale_in: N<bool>,
    availability_zone: Text,
}

pub(super) fn group_instance(raw: RawGroupInstance) -> GroupInstance {
    GroupInstance {
        instance: InstanceId::new(raw.instance_id.0),
        lifecycle: raw.lifecycle_state.0,
        protected_from_scale_in: raw.protected_from_scale_in.0,
        zone: raw.availability_zone.some().map(ZoneName::new),
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawMixed {
    launch_template: N<RawLaunchTemplate>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawLaunchTemplate {
    overrides: N<Vec<RawOverride>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawOverride {
    instance_type: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawProcess {
    process_name: Text,
}

pub(super) fn group(raw: RawGroup) -> Placed<AutoScalingGroup> {
    let (account, region) = of_arn(&raw.arn.0);
    let mut instance_types: Vec<String> = raw
        .mixed_instances_policy
        .0
        .launch_template
        .0
        .overrides
        .0
        .into_iter()
        .filter_map(|o| o.instance_type.some())
        .collect();
    if instance_types.is_empty() {
        // The type stands in the launch template, which is another document;
        // what runs shows it.
        instance_types = raw
            .instances
            .0
            .iter()
            .filter_map(|i| i.instance_type.clone().some())
            .collect();
    }
    instance_types.sort();
    instance_types.dedup();
    let zones = strings(raw.availability_zones);
    Placed {
        region: region.or_else(|| zones.first().and_then(|z| region_of_zone(z))),
        account,
        item: AutoScalingGroup {
            name: raw.auto_scaling_group_name.0,
            min_size: raw.min_size.0,
            max_size: raw.max_size.0,
            desired: raw.desired_capacity.0,
            instances: raw.instances.0.into_iter().map(group_instance).collect(),
            instance_types: instance_types.into_iter().map(InstanceType::new).collect(),
            zones: zones.into_iter().map(ZoneName::new).collect(),
            subnets: raw
                .vpc_zone_identifier
                .0
                .split(',')
                .map(str::trim)
                .filter(|s| !s.is_empty())
                .map(SubnetId::from)
                .collect(),
            suspended: raw
                .suspended_processes
                .0
                .into_iter()
                .map(|p| p.process_name.0)
                .collect(),
            has_warm_pool: raw.warm_pool_configuration.is_some() || raw.warm_pool_size.0 > 0,
            target_groups: strings(raw.target_groups),
            tags: tags(raw.tags),
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawCluster {
    name: Text,
    arn: Text,
    status: Text,
    version: Text,
    #[serde(rename = "createdAt")]
    created_at: Option<Time>,
    tags: Map,
}

pub(super) fn cluster(raw: RawCluster) -> Placed<ClusterRecord> {
    let (account, region) = of_arn(&raw.arn.0);
    Placed {
        region,
        account,
        item: ClusterRecord {
            name: raw.name.0,
            arn: raw.arn.0,
            status: raw.status.0,
            version: raw.version.some(),
            created_at: at(raw.created_at),
            tags: raw.tags.0,
        },
    }
}

impl Word for CapacityType {
    const WORDS: &'static str = "ON_DEMAND, SPOT, CAPACITY_BLOCK";

    fn of(word: &str) -> Option<Self> {
        Some(match word {
            "ON_DEMAND" => Self::OnDemand,
            "SPOT" => Self::Spot,
            "CAPACITY_BLOCK" => Self::Reserved,
            _ => return None,
        })
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct RawNodeGroup {
    nodegroup_name: Text,
    nodegroup_arn: Text,
    cluster_name: Text,
    capacity_type: Option<One<CapacityType>>,
    scaling_config: N<RawScaling>,
    instance_types: N<Vec<Text>>,
    subnets: N<Vec<Text>>,
    resources: N<RawGroupResources>,
    status: Text,
    labels: Map,
    taints: N<Vec<RawTaint>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawScaling {
    min_size: N<u32>,
    max_size: N<u32>,
    desired_size: N<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawGroupResources {
    auto_scaling_groups: N<Vec<RawName>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RawName {
    name: Text,
}

pub(super) fn node_group(raw: RawNodeGroup) -> Placed<NodeGroup> {
    let (account, region) = of_arn(&raw.nodegroup_arn.0);
    let scaling = raw.scaling_config.0;
    Placed {
        region,
        account,
        item: NodeGroup {
            name: raw.nodegroup_name.0,
            cluster: raw.cluster_name.0,
            capacity_type: raw.capacity_type.map_or_else(Default::default, |c| c.0),
            min_size: scaling.min_size.0,
            max_size: scaling.max_size.0,
            desired: scaling.desired_size.0,
            instance_types: strings(raw.instance_types)
                .into_iter()
                .map(InstanceType::new)
                .collect(),
            subnets: strings(raw.subnets)
                .into_iter()
                .map(SubnetId::new)
                .collect(),
            auto_scaling_groups: raw
                .resources
                .0
                .auto_scaling_groups
                .0
                .into_iter()
                .map(|g| g.name.0)
                .collect(),
            status: raw.status.0,
            labels: raw.labels.0,
            taints: taints(raw.taints),
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawSubnet {
    subnet_id: Text,
    availability_zone: Text,
    availability_zone_id: Text,
    available_ip_address_count: N<u32>,
    owner_id: Text,
}

pub(super) fn subnet(raw: RawSubnet) -> Placed<Subnet> {
    Placed {
        region: region_of_zone(&raw.availability_zone.0),
        account: raw.owner_id.some().filter(|a| is_account(a)),
        item: Subnet {
            id: SubnetId::new(raw.subnet_id.0),
            zone_id: raw.availability_zone_id.some().map(ZoneId::new),
            free_addresses: raw.available_ip_address_count.0,
        },
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct RawSpotRequest {
    spot_instance_request_id: Text,
    instance_id: Text,
    #[serde(rename = "Type")]
    kind: Text,
    state: Text,
    status: N<RawSpotStatus>,
    instance_interruption_behavior: Text,
    launched_availability_zone: Text,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct RawSpotStatus {
    code: Text,
}

pub(super) fn spot_request(raw: RawSpotRequest) -> Placed<SpotRequest> {
    Placed {
        region: region_of_zone(&raw.launched_availability_zone.0),
        account: None,
        item: SpotRequest {
            id: raw.spot_instance_request_id.0,
            instance: raw.instance_id.some().map(InstanceId::new),
            persistent: raw.kind.0 == "persistent",
            state: raw.state.0,
            status: raw.status.0.code.0,
            interruption_behaviour: raw.instance_interruption_behavior.0,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_name_tells_its_region() {
        for (zone, region) in [
            ("us-east-1a", Some("us-east-1")),
            ("us-east-1-bos-1a", Some("us-east-1")),
            ("us-gov-west-1b", Some("us-gov-west-1")),
            ("eu-west-1", Some("eu-west-1")),
            ("europe-west1-b", None),
            ("", None),
        ] {
            assert_eq!(region_of_zone(zone).as_deref(), region, "{zone}");
        }
    }

    #[test]
    fn an_arn_tells_account_and_region() {
        let (account, region) = of_arn("arn:aws:eks:us-east-1:111122223333:cluster/shop");
        assert_eq!(account.as_deref(), Some("111122223333"));
        assert_eq!(region.as_deref(), Some("us-east-1"));
        assert_eq!(of_arn("nothing"), (None, None));
    }
}
