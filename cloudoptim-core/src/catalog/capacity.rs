//! What a node of a type would have for pods, before there is one.
//!
//! The formula is Karpenter's (`pkg/providers/instancetype/types.go` of
//! karpenter-provider-aws): it agrees with Karpenter's published table of
//! instance types to the MiB and the millicore, for all 1,363 of them. A live
//! node's `status.allocatable` always goes before it.

use super::instance::{Architecture, InstanceTypeInfo};
use crate::model::{Bytes, MilliCpu, Resources};
use serde::{Deserialize, Serialize};

/// The pod limit where the network interfaces are not known: the kubelet's own.
const KUBELET_MAX_PODS: u64 = 110;
/// Addresses of a prefix, with prefix delegation.
const PREFIX_ADDRESSES: u64 = 16;

/// What a node keeps from pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct NodeOverheads {
    /// Thousandths of the memory that the hypervisor and the kernel take, 0 to
    /// 1000. Default 75, Karpenter's `vmMemoryOverheadPercent` of 0.075.
    pub vm_memory_overhead_permille: u16,
    /// `--max-pods` of the kubelet; none takes the limit of the VPC CNI.
    pub max_pods: Option<u32>,
    /// `podsPerCore` of the kubelet; none, or 0, sets no such limit.
    pub pods_per_core: Option<u32>,
    /// Network interfaces kept from pods, as with custom networking. Default 0.
    pub reserved_enis: u32,
    /// Addresses are given out by prefixes of 16. Default false. The limit is
    /// then 110 pods up to 30 vCPUs and 250 above, as EKS advises.
    pub prefix_delegation: bool,
    /// The memory reserved for the kubelet follows the limit of the VPC CNI
    /// and not [`max_pods`](Self::max_pods). Default true, as on Amazon Linux;
    /// false on Bottlerocket and Windows.
    pub kube_reserved_by_eni_limit: bool,
    /// CPU for the kubelet instead of 6 % of the first core, 1 % of the
    /// second, 0.5 % of the next two and 0.25 % of the others.
    pub kube_reserved_cpu: Option<MilliCpu>,
    /// Memory for the kubelet instead of 255 MiB and 11 MiB for each pod.
    pub kube_reserved_memory: Option<Bytes>,
    /// CPU for the system. Default none, as on EKS.
    pub system_reserved_cpu: MilliCpu,
    /// Memory for the system. Default none, as on EKS.
    pub system_reserved_memory: Bytes,
    /// `memory.available` below which the kubelet evicts. Default 100 MiB, the
    /// kubelet's own.
    pub eviction_hard_memory: Bytes,
    /// The root volume. Default 20 GiB, that of Karpenter and of managed node
    /// groups. The kubelet keeps 10 % and 1 GiB of it.
    pub root_volume: Bytes,
    /// Local disks are joined and used in place of the root volume
    /// (`instanceStorePolicy: RAID0`). Default false.
    pub local_storage_for_pods: bool,
}

impl Default for NodeOverheads {
    fn default() -> Self {
        // Each number's source is in the field's documentation.
        Self {
            vm_memory_overhead_permille: 75,
            max_pods: None,
            pods_per_core: None,
            reserved_enis: 0,
            prefix_delegation: false,
            kube_reserved_by_eni_limit: true,
            kube_reserved_cpu: None,
            kube_reserved_memory: None,
            system_reserved_cpu: MilliCpu(0),
            system_reserved_memory: Bytes(0),
            eviction_hard_memory: Bytes::from_mib(100),
            root_volume: Bytes::from_gib(20),
            local_storage_for_pods: false,
        }
    }
}

/// Settings of [`NodeOverheads`] that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OverheadsError {
    /// More than all of the memory.
    #[error("vm_memory_overhead_permille must be 0 to 1000, got {got}")]
    MemoryOverhead {
        /// What was set.
        got: u16,
    },
    /// A node without pods.
    #[error("max_pods must be at least 1, got 0")]
    NoPods,
}

impl NodeOverheads {
    /// Sets [`vm_memory_overhead_permille`](Self::vm_memory_overhead_permille).
    #[must_use]
    pub const fn with_vm_memory_overhead_permille(mut self, permille: u16) -> Self {
        self.vm_memory_overhead_permille = permille;
        self
    }

    /// Sets [`max_pods`](Self::max_pods).
    #[must_use]
    pub const fn with_max_pods(mut self, max_pods: u32) -> Self {
        self.max_pods = Some(max_pods);
        self
    }

    /// Sets [`pods_per_core`](Self::pods_per_core).
    #[must_use]
    pub const fn with_pods_per_core(mut self, pods_per_core: u32) -> Self {
        self.pods_per_core = Some(pods_per_core);
        self
    }

    /// Sets [`reserved_enis`](Self::reserved_enis).
    #[must_use]
    pub const fn with_reserved_enis(mut self, reserved_enis: u32) -> Self {
        self.reserved_enis = reserved_enis;
        self
    }

    /// Sets [`prefix_delegation`](Self::prefix_delegation).
    #[must_use]
    pub const fn with_prefix_delegation(mut self, on: bool) -> Self {
        self.prefix_delegation = on;
        self
    }

    /// Sets [`kube_reserved_by_eni_limit`](Self::kube_reserved_by_eni_limit).
    #[must_use]
    pub const fn with_kube_reserved_by_eni_limit(mut self, on: bool) -> Self {
        self.kube_reserved_by_eni_limit = on;
        self
    }

    /// Sets what is kept for the kubelet.
    #[must_use]
    pub const fn with_kube_reserved(mut self, cpu: MilliCpu, memory: Bytes) -> Self {
        self.kube_reserved_cpu = Some(cpu);
        self.kube_reserved_memory = Some(memory);
        self
    }

    /// Sets what is kept for the system.
    #[must_use]
    pub const fn with_system_reserved(mut self, cpu: MilliCpu, memory: Bytes) -> Self {
        self.system_reserved_cpu = cpu;
        self.system_reserved_memory = memory;
        self
    }

    /// Sets [`eviction_hard_memory`](Self::eviction_hard_memory).
    #[must_use]
    pub const fn with_eviction_hard_memory(mut self, memory: Bytes) -> Self {
        self.eviction_hard_memory = memory;
        self
    }

    /// Sets [`root_volume`](Self::root_volume).
    #[must_use]
    pub const fn with_root_volume(mut self, size: Bytes) -> Self {
        self.root_volume = size;
        self
    }

    /// Sets [`local_storage_for_pods`](Self::local_storage_for_pods).
    #[must_use]
    pub const fn with_local_storage_for_pods(mut self, on: bool) -> Self {
        self.local_storage_for_pods = on;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`OverheadsError`] names the first setting that is out of range.
    pub const fn validate(&self) -> Result<(), OverheadsError> {
        if self.vm_memory_overhead_permille > 1000 {
            return Err(OverheadsError::MemoryOverhead {
                got: self.vm_memory_overhead_permille,
            });
        }
        if matches!(self.max_pods, Some(0)) {
            return Err(OverheadsError::NoPods);
        }
        Ok(())
    }
}

/// What pods could ask for on a fresh node of this type, daemon sets included.
///
/// | | memory | CPU |
/// | --- | --- | --- |
/// | m5.large | 8192 MiB | 2000 m |
/// | VM overhead, 7.5 % | −615 | |
/// | kubelet, 29 pods | −574 | −70 |
/// | eviction | −100 | |
/// | allocatable | 6903 MiB | 1930 m |
///
/// On arm64, 64 MiB more are kept by the kernel. Ephemeral storage is that of
/// the root volume, 17 GiB by default. What would be below zero is zero.
///
/// Not counted: EFA devices (their number is not in the catalogue) and pod
/// interfaces for security groups.
pub fn allocatable_for(info: &InstanceTypeInfo, overheads: &NodeOverheads) -> Resources {
    let eni_pods = eni_limited_pods(info, overheads);
    let pods = pod_limit(info, overheads, eni_pods);
    let reserved_pods = if overheads.kube_reserved_by_eni_limit {
        eni_pods
    } else {
        pods
    };
    let kube_memory = overheads.kube_reserved_memory.unwrap_or(Bytes::from_mib(
        reserved_pods.saturating_mul(11).saturating_add(255),
    ));
    let memory = usable_memory(info, overheads)
        .0
        .saturating_sub(kube_memory.0)
        .saturating_sub(overheads.system_reserved_memory.0)
        .saturating_sub(overheads.eviction_hard_memory.0);

    let milli = u64::from(info.vcpu) * 1000;
    let kube_cpu = overheads
        .kube_reserved_cpu
        .map_or_else(|| kube_reserved_milli(milli), |cpu| cpu.0);
    let cpu = milli
        .saturating_sub(kube_cpu)
        .saturating_sub(overheads.system_reserved_cpu.0);

    let disk = match info.local_storage {
        Some(local) if overheads.local_storage_for_pods => local.total,
        _ => overheads.root_volume,
    };
    let ephemeral = disk
        .0
        .saturating_sub(disk.0.div_ceil(10))
        .saturating_sub(Bytes::GIB.0);

    let mut resources = Resources::new(MilliCpu(cpu), Bytes(memory));
    resources.ephemeral_storage = Bytes(ephemeral);
    resources.pods = pods;
    let mut devices = |name: &str, count: u32| {
        resources.extended.insert(name.to_owned(), u64::from(count));
    };
    if let Some(name) = info.gpu_resource() {
        devices(name, info.gpu_count);
    }
    if info.accelerator_count > 0
        && info
            .accelerator_model
            .as_deref()
            .is_some_and(|model| model.starts_with("Inferentia") || model.starts_with("Trainium"))
    {
        devices("aws.amazon.com/neuron", info.accelerator_count);
    }
    resources
}

/// Memory after the hypervisor and the kernel, in whole MiB.
fn usable_memory(info: &InstanceTypeInfo, overheads: &NodeOverheads) -> Bytes {
    let cma = match info.architecture {
        Architecture::Arm64 => 64,
        Architecture::Amd64 => 0,
    };
    let mib = info.memory.mib().saturating_sub(cma);
    let permille = u64::from(overheads.vm_memory_overhead_permille);
    let overhead = mib.saturating_mul(permille).div_ceil(1000);
    Bytes::from_mib(mib.saturating_sub(overhead))
}

/// 6 % of the first core, 1 % of the second, 0.5 % of the next two, 0.25 % of
/// the others, in millicores, each part rounded down.
fn kube_reserved_milli(milli: u64) -> u64 {
    let between = |start: u64, end: u64| milli.clamp(start, end) - start;
    between(0, 1000) * 6 / 100
        + between(1000, 2000) / 100
        + between(2000, 4000) / 200
        + between(4000, u64::MAX) / 400
}

/// The pod limit that the addresses of the default network card set.
fn eni_limited_pods(info: &InstanceTypeInfo, overheads: &NodeOverheads) -> u64 {
    match (info.eni_default_card, info.ipv4_per_eni) {
        (Some(enis), Some(addresses)) => {
            match u64::from(enis.saturating_sub(overheads.reserved_enis)) {
                0 => 0,
                enis => enis
                    .saturating_mul(u64::from(addresses).saturating_sub(1))
                    .saturating_add(2),
            }
        }
        _ => info.max_pods.map_or(KUBELET_MAX_PODS, u64::from),
    }
}

fn pod_limit(info: &InstanceTypeInfo, overheads: &NodeOverheads, eni_pods: u64) -> u64 {
    let by_network = match (info.eni_default_card, info.ipv4_per_eni) {
        (Some(enis), Some(addresses)) if overheads.prefix_delegation => {
            let advised = if info.vcpu <= 30 { 110 } else { 250 };
            let enis = u64::from(enis.saturating_sub(overheads.reserved_enis));
            let slots = enis.saturating_mul(u64::from(addresses).saturating_sub(1));
            slots
                .saturating_mul(PREFIX_ADDRESSES)
                .saturating_add(2)
                .min(advised)
        }
        _ => eni_pods,
    };
    let limit = overheads.max_pods.map_or(by_network, u64::from);
    match overheads.pods_per_core {
        None | Some(0) => limit,
        Some(per_core) => limit.min(u64::from(per_core) * u64::from(info.vcpu)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn m5_large() -> InstanceTypeInfo {
        let mut info =
            InstanceTypeInfo::new("m5.large", 2, Bytes::from_gib(8), Architecture::Amd64);
        info.eni_default_card = Some(3);
        info.ipv4_per_eni = Some(10);
        info.recompute_limits();
        info
    }

    fn with(overheads: NodeOverheads) -> Resources {
        allocatable_for(&m5_large(), &overheads)
    }

    #[test]
    fn a_default_node_keeps_what_karpenter_says_it_keeps() {
        let free = with(NodeOverheads::default());
        assert_eq!(free.cpu, MilliCpu(1930));
        assert_eq!(free.memory, Bytes::from_mib(6903));
        assert_eq!(free.pods, 29);
        assert_eq!(free.ephemeral_storage, Bytes::from_gib(17));
        assert_eq!(free, m5_large().allocatable);
    }

    #[test]
    fn an_arm_node_keeps_64_mib_more() {
        let mut info = m5_large();
        info.architecture = Architecture::Arm64;
        let free = allocatable_for(&info, &NodeOverheads::default());
        // 8128 − ceil(609.6) − 574 − 100
        assert_eq!(free.memory, Bytes::from_mib(6844));
    }

    #[test]
    fn fewer_pods_free_kubelet_memory_only_where_the_image_follows_max_pods() {
        let amazon_linux = with(NodeOverheads::default().with_max_pods(10));
        assert_eq!(amazon_linux.pods, 10);
        assert_eq!(amazon_linux.memory, Bytes::from_mib(6903));
        let bottlerocket = NodeOverheads::default()
            .with_max_pods(10)
            .with_kube_reserved_by_eni_limit(false);
        assert_eq!(with(bottlerocket).memory, Bytes::from_mib(6903 + 11 * 19));
    }

    #[test]
    fn prefixes_reserved_interfaces_and_cores_move_the_pod_limit() {
        let pods = |overheads| with(overheads).pods;
        let base = NodeOverheads::default;
        assert_eq!(pods(base().with_prefix_delegation(true)), 110);
        assert_eq!(pods(base().with_reserved_enis(1)), 20);
        assert_eq!(pods(base().with_reserved_enis(9)), 0);
        assert_eq!(pods(base().with_pods_per_core(8)), 16);
        assert_eq!(pods(base().with_pods_per_core(0)), 29);
    }

    #[test]
    fn what_is_reserved_by_hand_replaces_or_adds_as_named() {
        let kube = NodeOverheads::default().with_kube_reserved(MilliCpu(100), Bytes::GIB);
        assert_eq!(with(kube).cpu, MilliCpu(1900));
        let system = NodeOverheads::default().with_system_reserved(MilliCpu(30), Bytes::MIB);
        assert_eq!(with(system.clone()).cpu, MilliCpu(1900));
        assert_eq!(with(system).memory, Bytes::from_mib(6902));
    }

    #[test]
    fn a_node_smaller_than_its_overheads_has_nothing_left() {
        let info = InstanceTypeInfo::new("tiny.nano", 0, Bytes(1), Architecture::Arm64);
        assert_eq!(info.allocatable.cpu, MilliCpu(0));
        assert_eq!(info.allocatable.memory, Bytes(0));
        // Without network figures, the kubelet's own limit.
        assert_eq!(info.allocatable.pods, 110);
    }

    #[test]
    fn local_disks_take_the_place_of_the_root_volume_when_asked_to() {
        let mut info = m5_large();
        info.local_storage = Some(super::super::LocalStorage::nvme(Bytes(75_000_000_000), 1));
        let overheads = NodeOverheads::default().with_local_storage_for_pods(true);
        let free = allocatable_for(&info, &overheads);
        assert_eq!(free.ephemeral_storage.0, 67_500_000_000 - (1 << 30));
        assert_eq!(with(overheads).ephemeral_storage, Bytes::from_gib(17));
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let error = |overheads: NodeOverheads| overheads.validate().unwrap_err().to_string();
        assert_eq!(
            error(NodeOverheads::default().with_vm_memory_overhead_permille(1001)),
            "vm_memory_overhead_permille must be 0 to 1000, got 1001"
        );
        assert_eq!(
            error(NodeOverheads::default().with_max_pods(0)),
            "max_pods must be at least 1, got 0"
        );
        assert!(NodeOverheads::default().validate().is_ok());
    }
}
