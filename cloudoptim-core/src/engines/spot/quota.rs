//! Room in the quota of spot vCPUs.

use crate::catalog::Catalog;
use crate::model::{CapacityType, Cloud, InstanceState};

/// "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", in vCPUs.
pub(super) const STANDARD_SPOT: &str = "L-34B43A08";

/// Free thousandths of a vCPU; `None` when the quota is not known. Use that
/// is not stated is counted from the running spot instances.
pub(super) fn free_milli_vcpu(catalog: &Catalog, cloud: Option<&Cloud>) -> Option<u64> {
    let cloud = cloud?;
    let quota = cloud
        .quotas
        .items()
        .iter()
        .find(|q| q.code == STANDARD_SPOT)?;
    let used = quota.used.unwrap_or_else(|| {
        let running = cloud.instances.items().iter().filter(|i| {
            i.capacity_type == CapacityType::Spot
                && matches!(i.state, InstanceState::Running | InstanceState::Pending)
        });
        running
            .filter_map(|i| catalog.instance_type(i.instance_type.as_str()))
            .map(|info| u64::from(info.vcpu))
            .sum()
    });
    Some(quota.value.saturating_sub(used).saturating_mul(1000))
}
