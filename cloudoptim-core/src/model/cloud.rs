//! What an account holds in a region.

use super::{
    AccountId, Bytes, CapacityType, InstanceId, InstanceType, Labels, MicroUsdPerHour, SnapshotId,
    SubnetId, VolumeId, ZoneId, ZoneName,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// State of an instance.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InstanceState {
    /// Starting.
    Pending,
    /// Running: it is paid for.
    Running,
    /// On its way to stopped or terminated.
    ShuttingDown,
    /// Stopping.
    Stopping,
    /// Stopped: only its volumes are paid for.
    Stopped,
    /// Gone.
    Terminated,
    /// Not stated.
    #[default]
    Unknown,
}

/// A volume as an instance lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct BlockDevice {
    /// Device name.
    pub device: String,
    /// Volume.
    pub volume: VolumeId,
    /// Goes with the instance; `None` when not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
}

/// An EC2 instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Instance {
    /// Id.
    pub id: InstanceId,
    /// Type.
    pub instance_type: InstanceType,
    /// State.
    pub state: InstanceState,
    /// Zone name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneName>,
    /// Zone id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// Launch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launched_at: Option<DateTime<Utc>>,
    /// Spot or on demand, as the instance's lifecycle says.
    pub capacity_type: CapacityType,
    /// Spot request behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spot_request: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub tags: Labels,
    /// Subnet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subnet: Option<SubnetId>,
    /// Virtual network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vpc: Option<String>,
    /// Instance profile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_profile: Option<String>,
    /// Private DNS name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_dns: Option<String>,
    /// Private addresses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub private_ips: Vec<String>,
    /// It has a public IPv4 address, which is paid for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_public_ip: bool,
    /// Public addresses of the account's own (elastic ones), which stay when
    /// the instance stops or goes, and are paid for all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub elastic_ips: Vec<String>,
    /// Network interfaces that stay when the instance goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lasting_interfaces: Vec<String>,
    /// Volumes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub block_devices: Vec<BlockDevice>,
    /// What it is billed as where that is more than plain Linux, in lower
    /// case: `windows`, `red hat enterprise linux`, `suse linux`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// `default`, `dedicated` or `host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenancy: Option<String>,
    /// Capacity reservation that it fills.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capacity_reservation: Option<String>,
    /// Termination is refused by the API; `None` when not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_protected: Option<bool>,
    /// Stopping is refused by the API; `None` when not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_protected: Option<bool>,
    /// Managed by the provider (EKS Auto Mode and the like), by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// Owning account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
}

impl Instance {
    /// What it is billed as beyond plain Linux, whose prices the catalogue lists.
    pub fn licence(&self) -> Option<&str> {
        let platform = self.platform.as_deref()?.trim();
        let plain = ["", "linux", "linux/unix"];
        let is_plain = plain.iter().any(|p| platform.eq_ignore_ascii_case(p));
        (!is_plain).then_some(platform)
    }

    /// The launch template that it was launched from, as AWS tags it.
    pub fn launch_template(&self) -> Option<&str> {
        self.tags
            .get("aws:ec2launchtemplate:id")
            .map(String::as_str)
            .filter(|id| !id.is_empty())
    }
}

/// State of a volume.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VolumeState {
    /// Being made.
    Creating,
    /// Attached to nothing.
    Available,
    /// Attached.
    InUse,
    /// Being deleted.
    Deleting,
    /// Gone.
    Deleted,
    /// Broken.
    Error,
    /// Not stated.
    #[default]
    Unknown,
}

/// An attachment of a volume.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Attachment {
    /// Instance.
    pub instance: InstanceId,
    /// `attaching`, `attached`, `detaching`, `busy`.
    pub state: String,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_at: Option<DateTime<Utc>>,
    /// Goes with the instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
}

/// An EBS volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Volume {
    /// Id.
    pub id: VolumeId,
    /// State.
    pub state: VolumeState,
    /// Type, such as `gp3`.
    pub volume_type: String,
    /// Size.
    pub size: Bytes,
    /// Provisioned operations per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iops: Option<u32>,
    /// Provisioned throughput in MiB per second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throughput_mibps: Option<u32>,
    /// Zone name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneName>,
    /// Zone id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// Attachments.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Snapshot that it was made from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_snapshot: Option<SnapshotId>,
    /// Encrypted; `None` when not stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted: Option<bool>,
    /// Key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key: Option<String>,
    /// State of the key, such as `Enabled`, `Disabled` or `PendingDeletion`;
    /// `None` when not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_state: Option<String>,
    /// May be attached to several instances.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub multi_attach: bool,
    /// Managed by the provider, by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_by: Option<String>,
    /// State of a modification in progress.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modification: Option<String>,
    /// Fast restore or outpost, where it is there: not an ordinary volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outpost: Option<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub tags: Labels,
}

/// A snapshot of a volume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct EbsSnapshot {
    /// Id.
    pub id: SnapshotId,
    /// Volume that it was taken of; it may be gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeId>,
    /// `completed`, `pending` or `error`.
    pub state: String,
    /// Size of the volume.
    pub volume_size: Bytes,
    /// Start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started_at: Option<DateTime<Utc>>,
    /// Owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<AccountId>,
    /// `standard` or `archive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_tier: Option<String>,
    /// Description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Tags.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub tags: Labels,
}

/// An instance as its group lists it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct GroupInstance {
    /// Instance.
    pub instance: InstanceId,
    /// Such as `InService`, `Pending:Wait`, `Warmed:Stopped`, `Standby`.
    pub lifecycle: String,
    /// The group may not scale it in.
    pub protected_from_scale_in: bool,
    /// Zone name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<ZoneName>,
}

/// An auto scaling group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct AutoScalingGroup {
    /// Name.
    pub name: String,
    /// Fewest instances.
    pub min_size: u32,
    /// Most instances.
    pub max_size: u32,
    /// Wanted instances.
    pub desired: u32,
    /// Instances, those of the warm pool too.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<GroupInstance>,
    /// Instance types of its template or its overrides.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<InstanceType>,
    /// Zones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub zones: Vec<ZoneName>,
    /// Subnets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<SubnetId>,
    /// Suspended processes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub suspended: Vec<String>,
    /// It has a warm pool.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub has_warm_pool: bool,
    /// Target groups of load balancers that it registers its instances in, by
    /// name or ARN.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target_groups: Vec<String>,
    /// Tags.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub tags: Labels,
}

/// An EKS managed node group.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct NodeGroup {
    /// Name.
    pub name: String,
    /// Cluster.
    pub cluster: String,
    /// Spot or on demand.
    pub capacity_type: CapacityType,
    /// Fewest nodes.
    pub min_size: u32,
    /// Most nodes.
    pub max_size: u32,
    /// Wanted nodes.
    pub desired: u32,
    /// Instance types.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<InstanceType>,
    /// Subnets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subnets: Vec<SubnetId>,
    /// Auto scaling groups behind it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub auto_scaling_groups: Vec<String>,
    /// Status.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// Labels of its nodes.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Taints of its nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<super::Taint>,
}

/// A Kubernetes cluster as the account lists it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ClusterRecord {
    /// Name.
    pub name: String,
    /// ARN.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub arn: String,
    /// Status, such as `ACTIVE`.
    pub status: String,
    /// Kubernetes version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<DateTime<Utc>>,
    /// Tags.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub tags: Labels,
}

/// A zone as an account sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Zone {
    /// Name, of this account.
    pub name: ZoneName,
    /// Id, of every account.
    pub id: ZoneId,
    /// `availability-zone`, `local-zone` or `wavelength-zone`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
}

/// A subnet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Subnet {
    /// Id.
    pub id: SubnetId,
    /// Zone id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// Free addresses.
    pub free_addresses: u32,
}

/// A service quota.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct ServiceQuota {
    /// Code, such as `L-1216C47A`.
    pub code: String,
    /// Name.
    pub name: String,
    /// Value in whole units.
    pub value: u64,
    /// In use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
}

/// A spot request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct SpotRequest {
    /// Id.
    pub id: String,
    /// Instance that fills it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// It launches again when its instance is terminated.
    pub persistent: bool,
    /// State, such as `active`.
    pub state: String,
    /// Status code, such as `marked-for-stop`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// What an interruption does: `terminate`, `stop` or `hibernate`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub interruption_behaviour: String,
}

impl SpotRequest {
    /// Whether it still asks for its instance: neither closed, cancelled nor
    /// failed. A state that is not known is live.
    pub fn is_live(&self) -> bool {
        !matches!(self.state.as_str(), "closed" | "cancelled" | "failed")
    }
}

/// What a commitment covers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CommitmentKind {
    /// Any compute.
    #[default]
    ComputeSavingsPlan,
    /// One instance family.
    InstanceSavingsPlan,
    /// Reserved instances.
    ReservedInstance,
    /// A capacity reservation: capacity without a discount.
    CapacityReservation,
}

/// A commitment to pay, used or not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Commitment {
    /// Id.
    pub id: String,
    /// Kind.
    pub kind: CommitmentKind,
    /// Committed money, for plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<MicroUsdPerHour>,
    /// Committed instances, for reservations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Type it is for, or the family for plans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Zone it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// Platform it is for, such as `Linux/UNIX`, for capacity reservations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// Whether only instances that name it fill it, for capacity reservations;
    /// else all that match do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub targeted: Option<bool>,
    /// End.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<DateTime<Utc>>,
    /// Discounted rate as a share of the on-demand price, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_milli: Option<u32>,
    /// Share in use over the last days, in thousandths.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub used_milli: Option<u32>,
}

/// The price of an offering in this account, which wins over the catalogue's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct OfferingPrice {
    /// Instance type.
    pub instance_type: InstanceType,
    /// Zone; the whole region when `None`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone_id: Option<ZoneId>,
    /// Capacity type.
    pub capacity_type: CapacityType,
    /// Price.
    pub per_hour: MicroUsdPerHour,
}
