//! Preconditions, on the object as the server has it.

use super::object::Object;
use super::taint::taint_of;
use super::{FENCE_KEY, ProviderError, changed};
use cloudoptim_core::guard::Permit;
use cloudoptim_core::input::{Listed, page};
use cloudoptim_core::model::{ContainerResources, Node, Pod, Workload};
use cloudoptim_core::plan::Precondition;
use serde_json::{Value, json};

/// Refuses the act when the object is not what the plan saw. What is about
/// other objects, the guards have checked.
pub(super) fn still_so(
    operation: &str,
    permit: &Permit,
    object: &Object,
) -> Result<(), ProviderError> {
    no_later_holder(operation, permit, object)?;
    for precondition in permit.preconditions() {
        holds(precondition, object).map_err(|found| {
            let resource = permit.action().resource();
            changed(operation, &resource, format!("{precondition}: {found}"))
        })?;
    }
    Ok(())
}

/// What carries the mark of a later holder of the lease is theirs.
fn no_later_holder(operation: &str, permit: &Permit, object: &Object) -> Result<(), ProviderError> {
    let (Some(ours), Some(mark)) = (permit.fence(), object.annotation(FENCE_KEY)) else {
        return Ok(());
    };
    match mark.parse::<u64>() {
        Ok(theirs) if theirs <= ours => Ok(()),
        _ => {
            let why = format!("it carries the fence {mark} of a later holder, and ours is {ours}");
            Err(changed(operation, &permit.action().resource(), why))
        }
    }
}

fn same<T: PartialEq>(want: &T, have: &T, show: impl Fn(&T) -> String) -> Result<(), String> {
    if want == have {
        Ok(())
    } else {
        Err(format!("found {}", show(have)))
    }
}

fn is_uid(want: &str, object: &Object) -> Result<(), String> {
    if want.is_empty() {
        return Err("the plan does not know its uid".to_owned());
    }
    same(&want, &object.uid(), |uid| format!("uid {uid}"))
}

fn shown(value: &Option<&str>) -> String {
    value.unwrap_or("nothing").to_owned()
}

fn holds(precondition: &Precondition, object: &Object) -> Result<(), String> {
    match precondition {
        Precondition::NodeIs { uid, instance, .. } => {
            is_uid(uid.as_str(), object)?;
            let Some(instance) = instance else {
                return Ok(());
            };
            let node = Node {
                provider_id: Some(object.text("/spec/providerID").to_owned()),
                ..Node::default()
            };
            same(
                &Some(instance),
                &node.instance_id().as_ref(),
                |id| match id {
                    Some(id) => format!("instance {id}"),
                    None => "no instance".to_owned(),
                },
            )
        }
        Precondition::WorkloadIs {
            uid, generation, ..
        } => {
            is_uid(uid.as_str(), object)?;
            if generation.is_none() {
                return Ok(());
            }
            let found = object
                .0
                .pointer("/metadata/generation")
                .and_then(Value::as_i64);
            same(generation, &found, |g| match g {
                Some(g) => format!("generation {g}"),
                None => "no generation".to_owned(),
            })
        }
        Precondition::ContainerAsks {
            container,
            resources,
            ..
        } => {
            let found = resources_of(object, container)
                .ok_or_else(|| format!("found no container {container}"))?;
            same(&**resources, &found, |r| {
                serde_json::to_string(r).unwrap_or_default()
            })
        }
        Precondition::PodAsks {
            uid,
            container,
            resources,
            ..
        } => {
            is_uid(uid.as_str(), object)?;
            let found = resources_of_pod(object, container)
                .ok_or_else(|| format!("found no container {container}"))?;
            same(&**resources, &found, |r| {
                serde_json::to_string(r).unwrap_or_default()
            })
        }
        Precondition::TaintIs {
            key, effect, value, ..
        } => same(&value.as_deref(), &taint_of(object, key, *effect), shown),
        Precondition::ReplicasAre { replicas, .. } => {
            // The server fills in a 1 where nothing is said.
            let found = object.0.pointer("/spec/replicas").and_then(Value::as_u64);
            same(&Some(u64::from(*replicas)), &found, |r| match r {
                Some(r) => format!("{r} replicas"),
                None => "no replicas".to_owned(),
            })
        }
        Precondition::AnnotationIs { key, value, .. } => {
            same(&value.as_deref(), &object.annotation(key), shown)
        }
        Precondition::RoutingIs { value, .. } => {
            let found = object
                .0
                .pointer("/spec/trafficDistribution")
                .and_then(Value::as_str);
            same(&value.as_deref(), &found, shown)
        }
        _ => Ok(()),
    }
}

/// Requests and limits of a container, read as a snapshot has them.
pub(super) fn resources_of(object: &Object, container: &str) -> Option<ContainerResources> {
    let workload = workload(object)?;
    let spec = workload.template?.spec;
    spec.containers
        .into_iter()
        .chain(spec.init_containers)
        .find(|c| c.name == container)
        .map(|c| c.resources)
}

/// The same of a pod.
fn resources_of_pod(object: &Object, container: &str) -> Option<ContainerResources> {
    let spec = only::<Pod>(object)?.spec;
    let mut all = spec.containers.into_iter().chain(spec.init_containers);
    all.find(|c| c.name == container).map(|c| c.resources)
}

fn workload(object: &Object) -> Option<Workload> {
    only(object)
}

/// The object, read as a snapshot has it.
fn only<T: Listed>(object: &Object) -> Option<T> {
    let kind = object.text("/kind");
    let list = json!({
        "kind": format!("{kind}List"),
        "apiVersion": object.text("/apiVersion"),
        "metadata": {},
        "items": [object.0],
    });
    let page = page::<T>(kind, list.to_string().as_bytes()).ok()?;
    page.items.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudoptim_core::model::MilliCpu;

    #[test]
    fn what_a_container_asks_for_is_found() {
        let containers = json!([{"name": "main", "resources": {"requests": {"cpu": "500m"}}}]);
        let pod = json!({"spec": {"containers": containers}});
        for (kind, version, spec) in [
            ("Deployment", "apps/v1", json!({"template": pod})),
            ("StatefulSet", "apps/v1", json!({"template": pod})),
            ("DaemonSet", "apps/v1", json!({"template": pod})),
            (
                "CronJob",
                "batch/v1",
                json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": pod}}}),
            ),
        ] {
            let object = Object(json!({"kind": kind, "apiVersion": version, "spec": spec,
                "metadata": {"name": "web", "namespace": "shop", "uid": "u"}}));
            let found = resources_of(&object, "main").unwrap();
            assert_eq!(found.requests.cpu, Some(MilliCpu(500)), "{kind}");
            assert_eq!(resources_of(&object, "side"), None);
        }
    }
}
