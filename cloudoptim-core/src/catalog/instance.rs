//! What is known of an instance type, whoever offers it where.

use super::capacity::{NodeOverheads, allocatable_for};
use crate::model::{Bytes, InstanceType, Resources};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The instruction set, in the words of the `kubernetes.io/arch` label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Architecture {
    /// 64-bit x86.
    Amd64,
    /// 64-bit Arm.
    Arm64,
}

impl Architecture {
    /// The value of the `kubernetes.io/arch` label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Reads the label, or AWS's word for it (`x86_64`).
    pub fn from_label(text: &str) -> Option<Self> {
        match text {
            "amd64" | "x86_64" => Some(Self::Amd64),
            "arm64" => Some(Self::Arm64),
            _ => None,
        }
    }
}

impl fmt::Display for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What separates the instances of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Hypervisor {
    /// AWS Nitro: volumes, network interfaces and local disks share slots.
    Nitro,
    /// Xen, the older one.
    Xen,
}

/// Disks that belong to the host and lose their data when the instance stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct LocalStorage {
    /// All disks together.
    pub total: Bytes,
    /// Number of disks.
    pub disks: u32,
    /// Solid state, not spinning.
    pub ssd: bool,
    /// Presented as NVMe.
    pub nvme: bool,
}

impl LocalStorage {
    /// NVMe solid-state disks.
    pub const fn nvme(total: Bytes, disks: u32) -> Self {
        Self {
            total,
            disks,
            ssd: true,
            nvme: true,
        }
    }
}

/// An instance type: what it has, and what of it pods can use.
///
/// `None` means that the figure is not known or does not apply. Start from
/// [`new`](Self::new) and set the fields that are known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub struct InstanceTypeInfo {
    /// The name, such as `m6i.2xlarge`.
    pub name: InstanceType,
    /// Virtual CPUs by default.
    pub vcpu: u32,
    /// Physical cores by default.
    pub cores: Option<u32>,
    /// Threads of a core by default.
    pub threads_per_core: Option<u32>,
    /// Nominal memory. The kernel and the kubelet take their part of it: see
    /// [`allocatable`](Self::allocatable).
    pub memory: Bytes,
    /// The instruction set.
    pub architecture: Architecture,
    /// A Mac: it cannot be a Linux node.
    pub mac: bool,
    /// Who made the processor: `Intel`, `AMD`, `AWS`.
    pub cpu_vendor: Option<String>,
    /// Sustained clock rate in MHz.
    pub clock_mhz: Option<u32>,
    /// What pods can ask for on a fresh node, daemon sets included: computed by
    /// [`allocatable_for`] with the default [`NodeOverheads`], unless the
    /// source of the type gave its own. `pods` is the pod limit. GPUs and Neuron and
    /// Gaudi devices are under their resource names, such as `nvidia.com/gpu`.
    pub allocatable: Resources,
    /// The pod limit of the VPC CNI without prefix delegation:
    /// `eni_default_card × (ipv4_per_eni − 1) + 2`.
    pub max_pods: Option<u32>,
    /// GPUs, as a device plugin counts them: a slice of one counts as one.
    pub gpu_count: u32,
    /// GPUs in thousandths: 125 where the type has an eighth of one.
    pub gpu_milli: u32,
    /// `NVIDIA`, `AMD` or `Habana`.
    pub gpu_vendor: Option<String>,
    /// The GPU's model, such as `A10G`.
    pub gpu_model: Option<String>,
    /// Memory of one GPU.
    pub gpu_memory: Option<Bytes>,
    /// Memory of all GPUs.
    pub gpu_memory_total: Option<Bytes>,
    /// Inferentia, Trainium, media and other accelerators.
    pub accelerator_count: u32,
    /// Their model.
    pub accelerator_model: Option<String>,
    /// FPGAs.
    pub fpga_count: u32,
    /// Disks of the host.
    pub local_storage: Option<LocalStorage>,
    /// Sustained network bandwidth of the instance, in Mbit/s.
    pub network_baseline_mbps: Option<u32>,
    /// Network bandwidth for a limited time, in Mbit/s.
    pub network_peak_mbps: Option<u32>,
    /// Network cards.
    pub network_cards: Option<u32>,
    /// Network interfaces over all cards.
    pub eni_max: Option<u32>,
    /// Network interfaces of the default card, the only one used for pods.
    pub eni_default_card: Option<u32>,
    /// IPv4 addresses of each interface.
    pub ipv4_per_eni: Option<u32>,
    /// Branch interfaces for pods with security groups of their own.
    pub branch_eni: Option<u32>,
    /// Has an Elastic Fabric Adapter.
    pub efa: bool,
    /// Sustained EBS bandwidth in Mbit/s.
    pub ebs_baseline_mbps: Option<u32>,
    /// EBS bandwidth for at least 30 minutes a day, in Mbit/s.
    pub ebs_max_mbps: Option<u32>,
    /// Sustained EBS operations per second.
    pub ebs_baseline_iops: Option<u32>,
    /// EBS operations per second for at least 30 minutes a day.
    pub ebs_max_iops: Option<u32>,
    /// EBS volumes, the root included, that an instance with one network
    /// interface can have, as AWS lists it.
    pub ebs_max_attach: Option<u32>,
    /// Each further network interface takes one of these places.
    pub ebs_attach_shared: Option<bool>,
    /// EBS volumes left for pods on a fresh node:
    /// [`attachable_volumes`](Self::attachable_volumes) with two interfaces,
    /// the second being the one that the VPC CNI keeps warm.
    pub ebs_attach_limit: Option<u32>,
    /// AWS sells it as a current generation.
    pub current_generation: bool,
    /// Earns CPU credits while idle (the T families).
    pub burstable: bool,
    /// The whole host, without a hypervisor.
    pub bare_metal: bool,
    /// The hypervisor; none on bare metal.
    pub hypervisor: Option<Hypervisor>,
    /// Can be had as spot.
    pub spot: bool,
}

impl InstanceTypeInfo {
    /// A type of which only this much is known: of the current generation, to
    /// be had as spot, with [`allocatable`](Self::allocatable) computed.
    ///
    /// After setting fields that change it, call
    /// [`recompute_limits`](Self::recompute_limits).
    pub fn new(
        name: impl Into<InstanceType>,
        vcpu: u32,
        memory: Bytes,
        architecture: Architecture,
    ) -> Self {
        let mut info = Self {
            name: name.into(),
            vcpu,
            cores: None,
            threads_per_core: None,
            memory,
            architecture,
            mac: false,
            cpu_vendor: None,
            clock_mhz: None,
            allocatable: Resources::default(),
            max_pods: None,
            gpu_count: 0,
            gpu_milli: 0,
            gpu_vendor: None,
            gpu_model: None,
            gpu_memory: None,
            gpu_memory_total: None,
            accelerator_count: 0,
            accelerator_model: None,
            fpga_count: 0,
            local_storage: None,
            network_baseline_mbps: None,
            network_peak_mbps: None,
            network_cards: None,
            eni_max: None,
            eni_default_card: None,
            ipv4_per_eni: None,
            branch_eni: None,
            efa: false,
            ebs_baseline_mbps: None,
            ebs_max_mbps: None,
            ebs_baseline_iops: None,
            ebs_max_iops: None,
            ebs_max_attach: None,
            ebs_attach_shared: None,
            ebs_attach_limit: None,
            current_generation: true,
            burstable: false,
            bare_metal: false,
            hypervisor: None,
            spot: true,
        };
        info.recompute_limits();
        info
    }

    /// Computes [`allocatable`](Self::allocatable) and
    /// [`ebs_attach_limit`](Self::ebs_attach_limit) from the other fields.
    pub fn recompute_limits(&mut self) {
        self.allocatable = allocatable_for(self, &NodeOverheads::default());
        self.ebs_attach_limit = self.attachable_volumes(2);
    }

    /// What stands before the point: `m6i` of `m6i.2xlarge`.
    pub fn family(&self) -> &str {
        split(self.name.as_str()).0
    }

    /// What stands after the point: `2xlarge` of `m6i.2xlarge`.
    pub fn size(&self) -> &str {
        split(self.name.as_str()).1
    }

    /// The letters before the generation: `m` of `m6i`, `inf` of `inf1`.
    pub fn category(&self) -> &str {
        let family = self.family();
        let end = family
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(family.len());
        family.get(..end).unwrap_or(family)
    }

    /// The digit in the family's name: 6 of `m6i`; the last number where it
    /// has two (`u-6tb1`).
    pub fn generation(&self) -> Option<u32> {
        self.family()
            .split(|c: char| !c.is_ascii_digit())
            .rfind(|digits| !digits.is_empty())
            .and_then(|digits| digits.parse().ok())
    }

    /// The name under which Kubernetes counts its GPUs; `None` without GPUs or
    /// for a vendor that is not known.
    pub fn gpu_resource(&self) -> Option<&'static str> {
        match (self.gpu_count, self.gpu_vendor.as_deref()) {
            (0, _) => None,
            (_, Some("NVIDIA")) => Some("nvidia.com/gpu"),
            (_, Some("AMD")) => Some("amd.com/gpu"),
            (_, Some("Habana")) => Some("habana.ai/gaudi"),
            _ => None,
        }
    }

    /// EBS volumes that pods can have on a node with this many network
    /// interfaces, at least one: what AWS lists, without the root volume, and
    /// where the places are shared without the interfaces after the first.
    ///
    /// A live node's `CSINode` knows better: other root devices count too.
    ///
    /// | type | listed | 1 interface | 2 interfaces |
    /// | --- | --- | --- | --- |
    /// | m5.large (shared) | 27 | 26 | 25 |
    /// | m7i.large (dedicated) | 32 | 31 | 31 |
    pub fn attachable_volumes(&self, interfaces: u32) -> Option<u32> {
        let taken = match self.ebs_attach_shared {
            Some(false) => 1,
            _ => interfaces.max(1),
        };
        self.ebs_max_attach
            .map(|listed| listed.saturating_sub(taken))
    }
}

fn split(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((name, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> InstanceTypeInfo {
        InstanceTypeInfo::new(name, 2, Bytes::from_gib(8), Architecture::Amd64)
    }

    #[test]
    fn names_fall_into_family_size_category_and_generation() {
        let parts = |name: &str| {
            let info = named(name);
            let (family, size) = (info.family().to_owned(), info.size().to_owned());
            (family, size, info.category().to_owned(), info.generation())
        };
        let owned = |f: &str, s: &str, c: &str, g| (f.into(), s.into(), c.into(), g);
        assert_eq!(parts("m6i.2xlarge"), owned("m6i", "2xlarge", "m", Some(6)));
        assert_eq!(
            parts("inf2.24xlarge"),
            owned("inf2", "24xlarge", "inf", Some(2))
        );
        assert_eq!(
            parts("u-6tb1.metal"),
            owned("u-6tb1", "metal", "u", Some(1))
        );
        assert_eq!(parts("custom"), owned("custom", "", "custom", None));
    }

    #[test]
    fn shared_places_shrink_with_interfaces_and_dedicated_ones_do_not() {
        let mut m5 = named("m5.large");
        assert_eq!(m5.attachable_volumes(2), None);
        m5.ebs_max_attach = Some(27);
        m5.ebs_attach_shared = Some(true);
        assert_eq!(m5.attachable_volumes(0), Some(26));
        assert_eq!(m5.attachable_volumes(1), Some(26));
        assert_eq!(m5.attachable_volumes(3), Some(24));
        assert_eq!(m5.attachable_volumes(99), Some(0));
        m5.ebs_attach_shared = Some(false);
        assert_eq!(m5.attachable_volumes(3), Some(26));
    }

    #[test]
    fn gpus_are_counted_under_the_name_of_their_vendor() {
        let mut g5 = named("g5.xlarge");
        g5.gpu_count = 1;
        assert_eq!(g5.gpu_resource(), None);
        g5.gpu_vendor = Some("NVIDIA".into());
        assert_eq!(g5.gpu_resource(), Some("nvidia.com/gpu"));
        g5.recompute_limits();
        assert_eq!(g5.allocatable.extended.get("nvidia.com/gpu"), Some(&1));
    }
}
