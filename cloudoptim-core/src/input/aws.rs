//! Documents of the AWS CLI.

use super::wire::Problem;
use crate::model::{
    AccountId, Attachment, AutoScalingGroup, BlockDevice, Bytes, CapacityType, ClusterRecord,
    EbsSnapshot, GroupInstance, Instance, InstanceState, InstanceType, Labels, NodeGroup,
    SpotRequest, Subnet, SubnetId, Taint, TaintEffect, Volume, VolumeState, Zone,
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::DeserializeOwned;

macro_rules! wire {
    ($case:literal $($name:ident { $($(#[$meta:meta])* $field:ident: $type:ty),* $(,)? })*) => {
        $(
            #[derive(Debug, Clone, Default, Deserialize)]
            #[serde(default, rename_all = $case)]
            struct $name { $($(#[$meta])* $field: Option<$type>),* }
        )*
    };
}

wire! { "PascalCase"
    TagWire { key: String, value: String }
    Reservation { owner_id: String, instances: Vec<InstanceWire> }
    InstanceWire {
        instance_id: String, instance_type: String, launch_time: DateTime<Utc>,
        placement: Placement, state: StateWire, instance_lifecycle: String,
        spot_instance_request_id: String, tags: Vec<TagWire>, subnet_id: String, vpc_id: String,
        iam_instance_profile: Profile, private_dns_name: String, private_ip_address: String,
        public_ip_address: String, block_device_mappings: Vec<Mapping>, platform: String,
        capacity_reservation_id: String, operator: OperatorWire,
    }
    Placement { availability_zone: String, availability_zone_id: String, tenancy: String }
    StateWire { name: String }
    Profile { arn: String }
    Mapping { device_name: String, ebs: Ebs }
    Ebs { volume_id: String, delete_on_termination: bool }
    OperatorWire { managed: bool, principal: String }
    VolumeWire {
        volume_id: String, state: String, volume_type: String, size: u64, iops: u32,
        throughput: u32, availability_zone: String, availability_zone_id: String,
        create_time: DateTime<Utc>, attachments: Vec<AttachmentWire>, snapshot_id: String,
        encrypted: bool, kms_key_id: String, multi_attach_enabled: bool, operator: OperatorWire,
        outpost_arn: String, tags: Vec<TagWire>,
    }
    AttachmentWire { instance_id: String, state: String, attach_time: DateTime<Utc>,
        delete_on_termination: bool }
    SnapshotWire {
        snapshot_id: String, volume_id: String, state: String, volume_size: u64,
        start_time: DateTime<Utc>, owner_id: String, storage_tier: String, description: String,
        tags: Vec<TagWire>,
    }
    ZoneWire { zone_name: String, zone_id: String, zone_type: String, region_name: String }
    GroupWire {
        auto_scaling_group_name: String, #[serde(rename = "AutoScalingGroupARN")] arn: String,
        min_size: u32, max_size: u32, desired_capacity: u32, instances: Vec<GroupInstanceWire>,
        availability_zones: Vec<String>, #[serde(rename = "VPCZoneIdentifier")] subnets: String,
        suspended_processes: Vec<Suspended>, tags: Vec<TagWire>,
        warm_pool_configuration: serde_json::Value, launch_template: LaunchTemplate,
        mixed_instances_policy: Mixed,
    }
    GroupInstanceWire { instance_id: String, instance_type: String, lifecycle_state: String,
        protected_from_scale_in: bool, availability_zone: String, launch_template: LaunchTemplate }
    LaunchTemplate { launch_template_id: String }
    Mixed { launch_template: MixedTemplate }
    MixedTemplate { launch_template_specification: LaunchTemplate, overrides: Vec<OverrideWire> }
    OverrideWire { instance_type: String }
    Suspended { process_name: String }
    SubnetWire { subnet_id: String, availability_zone_id: String, available_ip_address_count: u32 }
    SpotWire { spot_instance_request_id: String, instance_id: String,
        #[serde(rename = "Type")] kind: String, state: String, status: SpotStatus,
        instance_interruption_behavior: String }
    SpotStatus { code: String }
}

wire! { "camelCase"
    ClusterWire { name: String, arn: String, status: String, version: String,
        created_at: DateTime<Utc>, tags: Labels }
    NodeGroupWire {
        nodegroup_name: String, nodegroup_arn: String, cluster_name: String,
        capacity_type: String, scaling_config: Scaling, instance_types: Vec<String>,
        subnets: Vec<String>, resources: GroupResources, status: String, labels: Labels,
        taints: Vec<TaintWire>,
    }
    Scaling { min_size: u32, max_size: u32, desired_size: u32 }
    GroupResources { auto_scaling_groups: Vec<NamedWire> }
    NamedWire { name: String }
    TaintWire { key: String, value: String, effect: String }
}

/// An object with the account and region that its document names.
#[derive(Debug)]
pub(super) struct Placed<T> {
    pub(super) account: Option<AccountId>,
    pub(super) region: Option<String>,
    pub(super) item: T,
}

/// A warm pool's instances, with the launch template that tells the group.
#[derive(Debug)]
pub(super) struct WarmPool {
    pub(super) template: Option<String>,
    pub(super) instances: Vec<GroupInstance>,
}

/// What documents hold.
#[derive(Debug)]
pub(super) enum Item {
    Instances(Vec<Placed<Instance>>),
    Volume(Placed<Volume>),
    Snapshot(Placed<EbsSnapshot>),
    Zone(Placed<Zone>),
    Group(Placed<AutoScalingGroup>, Option<String>),
    WarmPool(WarmPool),
    Subnet(Subnet),
    Spot(SpotRequest),
    Cluster(Placed<ClusterRecord>),
    NodeGroup(Placed<NodeGroup>),
}

/// Key of the list at the top of each document, its part, and the kind of its items.
pub(super) const LISTS: [(&str, &str, &str); 7] = [
    ("Reservations", "instances", "Instance"),
    ("Volumes", "volumes", "Volume"),
    ("Snapshots", "ebs_snapshots", "Snapshot"),
    ("AvailabilityZones", "zones", "AvailabilityZone"),
    (
        "AutoScalingGroups",
        "auto_scaling_groups",
        "AutoScalingGroup",
    ),
    ("Subnets", "subnets", "Subnet"),
    (
        "SpotInstanceRequests",
        "spot_requests",
        "SpotInstanceRequest",
    ),
];

/// Reads one item of the list under `key`, or the object under `cluster` and `nodegroup`.
pub(super) fn item(key: &str, text: &str) -> Result<Item, Problem> {
    Ok(match key {
        "Reservations" => Item::Instances(reservation(parse(text)?)?),
        "Volumes" => Item::Volume(volume(parse(text)?)?),
        "Snapshots" => Item::Snapshot(snapshot(parse(text)?)?),
        "AvailabilityZones" => Item::Zone(zone(parse(text)?)?),
        "AutoScalingGroups" => {
            let (group, template) = group(parse(text)?)?;
            Item::Group(group, template)
        }
        "Subnets" => Item::Subnet(subnet(parse(text)?)?),
        "SpotInstanceRequests" => Item::Spot(spot(parse(text)?)?),
        "WarmPool" => Item::WarmPool(warm_pool(parse(text)?)?),
        "cluster" => Item::Cluster(cluster(parse(text)?)?),
        _ => Item::NodeGroup(node_group(parse(text)?)?),
    })
}

fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|e| {
        let field = e.path().to_string();
        Problem::new(field, e.into_inner().to_string())
    })
}

fn required(text: Option<String>, field: &str) -> Result<String, Problem> {
    text.filter(|t| !t.is_empty())
        .ok_or_else(|| Problem::new(field, "is missing"))
}

fn some(text: Option<String>) -> Option<String> {
    text.filter(|t| !t.is_empty())
}

fn tags(list: Option<Vec<TagWire>>) -> Labels {
    list.into_iter()
        .flatten()
        .filter_map(|t| Some((t.key?, t.value.unwrap_or_default())))
        .collect()
}

/// The region of a zone's name: `us-east-1` of `us-east-1a` and of
/// `us-east-1-atl-1a`.
pub(super) fn region_of_zone(zone: &str) -> Option<String> {
    let mut parts = zone.split('-');
    let (area, side, rest) = (parts.next()?, parts.next()?, parts.next()?);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("{area}-{side}-{digits}"))
}

/// Region and account of an ARN.
fn of_arn(arn: &str) -> (Option<String>, Option<AccountId>) {
    let mut parts = arn.split(':').skip(3);
    let region = parts.next().filter(|r| !r.is_empty()).map(str::to_owned);
    let account = parts.next().filter(|a| !a.is_empty()).map(AccountId::from);
    (region, account)
}

fn gib(size: Option<u64>) -> Bytes {
    Bytes::from_gib(size.unwrap_or_default())
}

fn managed(operator: Option<OperatorWire>) -> Option<String> {
    let operator = operator.filter(|o| o.managed == Some(true))?;
    Some(
        operator
            .principal
            .unwrap_or_else(|| "the provider".to_owned()),
    )
}

fn reservation(wire: Reservation) -> Result<Vec<Placed<Instance>>, Problem> {
    let owner = some(wire.owner_id).map(AccountId::from);
    let mut all = Vec::new();
    for (index, i) in wire.instances.into_iter().flatten().enumerate() {
        let within = |p: Problem| p.within(&format!("Instances[{index}]"));
        let placement = i.placement.unwrap_or_default();
        let zone = some(placement.availability_zone);
        let instance = Instance {
            id: required(i.instance_id, "InstanceId")
                .map_err(within)?
                .into(),
            instance_type: required(i.instance_type, "InstanceType")
                .map_err(within)?
                .into(),
            state: match i.state.and_then(|s| s.name).as_deref() {
                Some("pending") => InstanceState::Pending,
                Some("running") => InstanceState::Running,
                Some("shutting-down") => InstanceState::ShuttingDown,
                Some("stopping") => InstanceState::Stopping,
                Some("stopped") => InstanceState::Stopped,
                Some("terminated") => InstanceState::Terminated,
                _ => InstanceState::Unknown,
            },
            zone: zone.clone().map(Into::into),
            zone_id: some(placement.availability_zone_id).map(Into::into),
            launched_at: i.launch_time,
            capacity_type: match i.instance_lifecycle.as_deref() {
                Some("spot") => CapacityType::Spot,
                Some("capacity-block") => CapacityType::Reserved,
                _ => CapacityType::OnDemand,
            },
            spot_request: some(i.spot_instance_request_id),
            tags: tags(i.tags),
            subnet: some(i.subnet_id).map(Into::into),
            vpc: some(i.vpc_id),
            instance_profile: i.iam_instance_profile.and_then(|p| some(p.arn)),
            private_dns: some(i.private_dns_name),
            private_ips: some(i.private_ip_address).into_iter().collect(),
            has_public_ip: some(i.public_ip_address).is_some(),
            block_devices: i
                .block_device_mappings
                .into_iter()
                .flatten()
                .filter_map(|m| {
                    let ebs = m.ebs?;
                    Some(BlockDevice {
                        device: m.device_name.unwrap_or_default(),
                        volume: some(ebs.volume_id)?.into(),
                        delete_on_termination: ebs.delete_on_termination,
                    })
                })
                .collect(),
            platform: some(i.platform),
            tenancy: some(placement.tenancy),
            capacity_reservation: some(i.capacity_reservation_id),
            termination_protected: None,
            stop_protected: None,
            managed_by: managed(i.operator),
            owner: owner.clone(),
        };
        all.push(Placed {
            account: owner.clone(),
            region: zone.as_deref().and_then(region_of_zone),
            item: instance,
        });
    }
    Ok(all)
}

fn volume(v: VolumeWire) -> Result<Placed<Volume>, Problem> {
    let zone = some(v.availability_zone);
    Ok(Placed {
        account: None,
        region: zone.as_deref().and_then(region_of_zone),
        item: Volume {
            id: required(v.volume_id, "VolumeId")?.into(),
            state: match v.state.as_deref() {
                Some("creating") => VolumeState::Creating,
                Some("available") => VolumeState::Available,
                Some("in-use") => VolumeState::InUse,
                Some("deleting") => VolumeState::Deleting,
                Some("deleted") => VolumeState::Deleted,
                Some("error") => VolumeState::Error,
                _ => VolumeState::Unknown,
            },
            volume_type: v.volume_type.unwrap_or_default(),
            size: gib(v.size),
            iops: v.iops,
            throughput_mibps: v.throughput,
            zone: zone.map(Into::into),
            zone_id: some(v.availability_zone_id).map(Into::into),
            created_at: v.create_time,
            attachments: v
                .attachments
                .into_iter()
                .flatten()
                .map(|a| Attachment {
                    instance: a.instance_id.unwrap_or_default().into(),
                    state: a.state.unwrap_or_default(),
                    attached_at: a.attach_time,
                    delete_on_termination: a.delete_on_termination,
                })
                .collect(),
            from_snapshot: some(v.snapshot_id).map(Into::into),
            encrypted: v.encrypted.unwrap_or_default(),
            kms_key: some(v.kms_key_id),
            multi_attach: v.multi_attach_enabled.unwrap_or_default(),
            managed_by: managed(v.operator),
            modification: None,
            outpost: some(v.outpost_arn),
            tags: tags(v.tags),
        },
    })
}

fn snapshot(s: SnapshotWire) -> Result<Placed<EbsSnapshot>, Problem> {
    let owner = some(s.owner_id).map(AccountId::from);
    Ok(Placed {
        account: owner.clone(),
        region: None,
        item: EbsSnapshot {
            id: required(s.snapshot_id, "SnapshotId")?.into(),
            volume: some(s.volume_id).map(Into::into),
            state: s.state.unwrap_or_default(),
            volume_size: gib(s.volume_size),
            started_at: s.start_time,
            owner,
            storage_tier: some(s.storage_tier),
            description: super::wire::clean(&s.description.unwrap_or_default()),
            tags: tags(s.tags),
        },
    })
}

fn zone(z: ZoneWire) -> Result<Placed<Zone>, Problem> {
    Ok(Placed {
        account: None,
        region: some(z.region_name),
        item: Zone {
            name: required(z.zone_name, "ZoneName")?.into(),
            id: required(z.zone_id, "ZoneId")?.into(),
            kind: z.zone_type.unwrap_or_default(),
        },
    })
}

fn group_instance(i: GroupInstanceWire) -> GroupInstance {
    GroupInstance {
        instance: i.instance_id.unwrap_or_default().into(),
        lifecycle: i.lifecycle_state.unwrap_or_default(),
        protected_from_scale_in: i.protected_from_scale_in.unwrap_or_default(),
        zone: some(i.availability_zone).map(Into::into),
    }
}

fn group(g: GroupWire) -> Result<(Placed<AutoScalingGroup>, Option<String>), Problem> {
    let (region, account) = of_arn(&g.arn.unwrap_or_default());
    let mixed = g
        .mixed_instances_policy
        .and_then(|m| m.launch_template)
        .unwrap_or_default();
    let template = g
        .launch_template
        .or(mixed.launch_template_specification)
        .and_then(|t| some(t.launch_template_id));
    let mut instance_types: Vec<InstanceType> = mixed
        .overrides
        .into_iter()
        .flatten()
        .filter_map(|o| some(o.instance_type))
        .map(Into::into)
        .collect();
    let mut instances = Vec::new();
    for instance in g.instances.into_iter().flatten() {
        instance_types.extend(instance.instance_type.clone().map(InstanceType::from));
        instances.push(group_instance(instance));
    }
    instance_types.sort();
    instance_types.dedup();
    let group = AutoScalingGroup {
        name: required(g.auto_scaling_group_name, "AutoScalingGroupName")?,
        min_size: g.min_size.unwrap_or_default(),
        max_size: g.max_size.unwrap_or_default(),
        desired: g.desired_capacity.unwrap_or_default(),
        instances,
        instance_types,
        zones: g
            .availability_zones
            .into_iter()
            .flatten()
            .map(Into::into)
            .collect(),
        subnets: g
            .subnets
            .unwrap_or_default()
            .split(',')
            .filter(|s| !s.is_empty())
            .map(SubnetId::from)
            .collect(),
        suspended: g
            .suspended_processes
            .into_iter()
            .flatten()
            .filter_map(|s| s.process_name)
            .collect(),
        has_warm_pool: g.warm_pool_configuration.is_some_and(|w| !w.is_null()),
        tags: tags(g.tags),
    };
    Ok((
        Placed {
            account,
            region,
            item: group,
        },
        template,
    ))
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct WarmPoolWire {
    instances: Vec<GroupInstanceWire>,
}

fn warm_pool(wire: WarmPoolWire) -> Result<WarmPool, Problem> {
    let template = wire.instances.iter().find_map(|i| {
        i.launch_template
            .as_ref()
            .and_then(|t| some(t.launch_template_id.clone()))
    });
    for instance in &wire.instances {
        required(instance.instance_id.clone(), "Instances.InstanceId")?;
    }
    Ok(WarmPool {
        template,
        instances: wire.instances.into_iter().map(group_instance).collect(),
    })
}

fn subnet(s: SubnetWire) -> Result<Subnet, Problem> {
    Ok(Subnet {
        id: required(s.subnet_id, "SubnetId")?.into(),
        zone_id: some(s.availability_zone_id).map(Into::into),
        free_addresses: s
            .available_ip_address_count
            .ok_or_else(|| Problem::new("AvailableIpAddressCount", "is missing"))?,
    })
}

fn spot(s: SpotWire) -> Result<SpotRequest, Problem> {
    Ok(SpotRequest {
        id: required(s.spot_instance_request_id, "SpotInstanceRequestId")?,
        instance: some(s.instance_id).map(Into::into),
        persistent: s.kind.as_deref() == Some("persistent"),
        state: s.state.unwrap_or_default(),
        status: s.status.and_then(|s| s.code).unwrap_or_default(),
        interruption_behaviour: s.instance_interruption_behavior.unwrap_or_default(),
    })
}

fn cluster(c: ClusterWire) -> Result<Placed<ClusterRecord>, Problem> {
    let arn = c.arn.unwrap_or_default();
    let (region, account) = of_arn(&arn);
    Ok(Placed {
        account,
        region,
        item: ClusterRecord {
            name: required(c.name, "cluster.name")?,
            arn,
            status: c.status.unwrap_or_default(),
            version: some(c.version),
            created_at: c.created_at,
            tags: c.tags.unwrap_or_default(),
        },
    })
}

fn node_group(g: NodeGroupWire) -> Result<Placed<NodeGroup>, Problem> {
    let (region, account) = of_arn(&g.nodegroup_arn.unwrap_or_default());
    let scaling = g.scaling_config.unwrap_or_default();
    let taints = g.taints.into_iter().flatten().map(|t| {
        Ok(Taint {
            key: t.key.unwrap_or_default(),
            value: t.value.unwrap_or_default(),
            effect: match t.effect.as_deref() {
                Some("NO_SCHEDULE") => TaintEffect::NoSchedule,
                Some("PREFER_NO_SCHEDULE") => TaintEffect::PreferNoSchedule,
                Some("NO_EXECUTE") => TaintEffect::NoExecute,
                other => {
                    let message = format!("unknown effect {other:?}");
                    return Err(Problem::new("nodegroup.taints.effect", message));
                }
            },
        })
    });
    Ok(Placed {
        account,
        region,
        item: NodeGroup {
            name: required(g.nodegroup_name, "nodegroup.nodegroupName")?,
            cluster: required(g.cluster_name, "nodegroup.clusterName")?,
            capacity_type: match g.capacity_type.as_deref() {
                Some("SPOT") => CapacityType::Spot,
                Some("CAPACITY_BLOCK") => CapacityType::Reserved,
                _ => CapacityType::OnDemand,
            },
            min_size: scaling.min_size.unwrap_or_default(),
            max_size: scaling.max_size.unwrap_or_default(),
            desired: scaling.desired_size.unwrap_or_default(),
            instance_types: g
                .instance_types
                .into_iter()
                .flatten()
                .map(Into::into)
                .collect(),
            subnets: g.subnets.into_iter().flatten().map(Into::into).collect(),
            auto_scaling_groups: g
                .resources
                .and_then(|r| r.auto_scaling_groups)
                .into_iter()
                .flatten()
                .filter_map(|n| n.name)
                .collect(),
            status: g.status.unwrap_or_default(),
            labels: g.labels.unwrap_or_default(),
            taints: taints.collect::<Result<_, Problem>>()?,
        },
    })
}
