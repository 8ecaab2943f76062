//! Raised requests, and the nodes that have to hold them.

use super::reason::Reason;
use crate::engines::room::{Class, roomiest};
use crate::engines::sizing::{SizedResource, pod_request};
use crate::model::{PodSpec, WorkloadRef};

/// Holds a raised request to what a node has room for, beside what runs on it
/// anyway and the rest of the pod; `pod` has the sizes that are decided already.
pub(super) fn in_node(
    reference: &WorkloadRef,
    pod: &PodSpec,
    classes: &[Class],
    resource: SizedResource,
    now: Option<u64>,
    to: &mut u64,
    why: &mut Vec<Reason>,
) -> Result<(), Vec<Reason>> {
    let now = now.unwrap_or(0);
    if *to <= now {
        return Ok(());
    }
    let whole = pod_request(pod);
    let (whole, needs) = match resource {
        SizedResource::Cpu => (whole.cpu.0, whole.memory.0),
        SizedResource::Memory => (whole.memory.0, whole.cpu.0),
    };
    let others = whole.saturating_sub(now);
    let Some(class) = roomiest(classes, &reference.kind, resource, needs) else {
        return Err(vec![Reason::NoNodeTakesIt]);
    };
    let room = class.room(resource).saturating_sub(others);
    if *to <= room {
        return Ok(());
    }
    let daemons = class.daemons(resource);
    let reason = if daemons == 0 {
        Reason::AboveLargestNode {
            resource,
            largest: class.room(resource),
        }
    } else {
        Reason::BesideDaemonSets {
            resource,
            node: class.node.clone(),
            daemons,
            leaves: class.room(resource),
        }
    };
    if room <= now {
        return Err(vec![reason]);
    }
    *to = room;
    why.push(reason);
    Ok(())
}
