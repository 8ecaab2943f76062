//! Workloads.

use super::object::{Object, path_of, workload_path};
use super::{
    ClusterActuator, MERGE_PATCH, ProviderError, call, can_do, check, is_for, unsupported,
};
use async_trait::async_trait;
use cloudoptim_core::decision::{Action, Offering, SpotPoolShare};
use cloudoptim_core::guard::Permit;
use cloudoptim_core::model::{
    ContainerResources, NamespacedName, Quantity, ResourceList, Uid, WorkloadKind, WorkloadRef,
    ZONE_ID_LABEL, ZoneId,
};
use cloudoptim_core::providers::{SPOT_REPLICAS_KEY, WorkloadActuator};
use http::Method;
use serde_json::{Map, Value, json};

/// Where Karpenter says what a node is bought as.
const CAPACITY_TYPE: &str = "karpenter.sh/capacity-type";

impl ClusterActuator {
    async fn workload(
        &self,
        op: &str,
        permit: &Permit,
        which: &WorkloadRef,
    ) -> Result<(String, Object), ProviderError> {
        let path = workload_path(which)?;
        let object = self.object(&path).await?;
        check::still_so(op, permit, &object)?;
        can_do(op, permit, true)?;
        Ok((path, object))
    }
}

/// Where a workload keeps the template of its pods.
fn template(kind: &WorkloadKind) -> &'static [&'static str] {
    match kind {
        WorkloadKind::CronJob => &["spec", "jobTemplate", "spec", "template", "spec"],
        _ => &["spec", "template", "spec"],
    }
}

#[async_trait]
impl WorkloadActuator for ClusterActuator {
    async fn resize_container(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        name: &str,
        is_init: bool,
        resources: &ContainerResources,
    ) -> Result<(), ProviderError> {
        let op = "resize_container";
        let allowed = matches!(permit.action(),
            Action::ResizeContainer { workload, container, init, to, .. }
            if workload == which && container == name && *init == is_init && **to == *resources);
        is_for(op, permit, allowed)?;
        let (path, before) = self.workload(op, permit, which).await?;
        let mut after = before.clone();
        let key = if is_init {
            "initContainers"
        } else {
            "containers"
        };
        let container =
            container_of(after.map(template(&which.kind)), key, name).ok_or_else(|| {
                ProviderError::NotFound {
                    call: call(op, &which.to_string(), format!("no container {name}")),
                }
            })?;
        set_resources(container, resources);
        self.patch(permit, &path, &before, &after).await
    }

    async fn resize_pod(
        &self,
        permit: &Permit,
        name: &NamespacedName,
        of: &Uid,
        of_container: &str,
        resources: &ContainerResources,
    ) -> Result<(), ProviderError> {
        let op = "resize_pod";
        let allowed = matches!(permit.action(), Action::ResizePod { pod, uid, container, to, .. }
            if pod == name && uid == of && container == of_container && **to == *resources);
        is_for(op, permit, allowed)?;
        let path = path_of("v1", "Pod", &name.namespace, &name.name)?;
        let before = self.object(&path).await?;
        let gone = |why: String| ProviderError::NotFound {
            call: call(op, &name.to_string(), why),
        };
        if before.uid() != of.as_str() {
            return Err(gone(format!("it is another pod, {}", before.uid())));
        }
        check::still_so(op, permit, &before)?;
        let mut after = before.clone();
        let container = ["containers", "initContainers"]
            .into_iter()
            .find(|key| has_container(&before, key, of_container))
            .and_then(|key| container_of(after.map(&["spec"]), key, of_container))
            .ok_or_else(|| gone(format!("no container {of_container}")))?;
        set_resources(container, resources);
        let path = format!("{path}/resize");
        self.patch(permit, &path, &before, &after).await
    }

    async fn scale_workload(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        replicas: u32,
    ) -> Result<(), ProviderError> {
        let op = "scale_workload";
        let allowed = matches!(permit.action(), Action::ScaleWorkload { workload, to, .. }
            if workload == which && *to == replicas);
        is_for(op, permit, allowed)?;
        let (path, before) = self.workload(op, permit, which).await?;
        let have = before.0.pointer("/spec/replicas").and_then(Value::as_u64);
        if have == Some(u64::from(replicas)) {
            return Ok(());
        }
        // Through its own resource, so that no right to change the rest is needed.
        let scale = json!({
            "metadata": {"uid": before.uid(), "resourceVersion": before.resource_version()},
            "spec": {"replicas": replicas},
        });
        let body = scale.to_string().into_bytes();
        self.act
            .change(Method::PATCH, &format!("{path}/scale"), MERGE_PATCH, body)
            .await?;
        self.tell(permit, &before).await;
        Ok(())
    }

    async fn suspend_workload(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        suspended: bool,
    ) -> Result<(), ProviderError> {
        let op = "suspend_workload";
        let allowed = matches!(permit.action(), Action::SuspendWorkload { workload, suspend, .. }
            if workload == which && *suspend == suspended);
        is_for(op, permit, allowed)?;
        let (path, before) = self.workload(op, permit, which).await?;
        if before.is_true("/spec/suspend") == suspended {
            return Ok(());
        }
        let mut after = before.clone();
        after
            .map(&["spec"])
            .insert("suspend".to_owned(), suspended.into());
        self.patch(permit, &path, &before, &after).await
    }

    async fn prefer_zone(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        zone: Option<ZoneId>,
    ) -> Result<(), ProviderError> {
        let op = "prefer_zone";
        let allowed = matches!(permit.action(), Action::PreferZone { workload, to, .. }
            if workload == which && *to == zone);
        is_for(op, permit, allowed)?;
        let (path, before) = self.workload(op, permit, which).await?;
        let mut after = before.clone();
        let spec = after.map(template(&which.kind));
        prefer(spec, ZONE_ID_LABEL, zone.as_ref().map(ZoneId::as_str));
        self.patch(permit, &path, &before, &after).await
    }

    async fn set_spot_share(
        &self,
        permit: &Permit,
        which: &WorkloadRef,
        replicas: u32,
        shares: &[SpotPoolShare],
        otherwise: &Offering,
    ) -> Result<(), ProviderError> {
        let op = "set_spot_share";
        let allowed = matches!(permit.action(),
            Action::SetSpotShare { workload, to, pools, fallback, .. }
            if workload == which && *to == replicas && pools == shares && fallback == otherwise);
        is_for(op, permit, allowed)?;
        let (path, before) = self.workload(op, permit, which).await?;
        let have = before.0.pointer("/spec/replicas").and_then(Value::as_u64);
        let all = have.is_some_and(|have| have <= u64::from(replicas));
        if replicas > 0 && !all {
            return Err(unsupported(
                op,
                &which.to_string(),
                "a template is the same for all replicas: Kubernetes has no field that puts a part of them on spot",
            ));
        }
        let mut after = before.clone();
        let spot = (replicas > 0).then_some("spot");
        prefer(after.map(template(&which.kind)), CAPACITY_TYPE, spot);
        after.annotate(SPOT_REPLICAS_KEY, Some(&replicas.to_string()));
        self.patch(permit, &path, &before, &after).await
    }
}

/// The container of a specification of pods, under `containers` or
/// `initContainers`.
fn container_of<'a>(
    spec: &'a mut Map<String, Value>,
    key: &str,
    name: &str,
) -> Option<&'a mut Map<String, Value>> {
    let all = spec.get_mut(key)?.as_array_mut()?;
    all.iter_mut()
        .find(|c| c.get("name").and_then(Value::as_str) == Some(name))?
        .as_object_mut()
}

fn has_container(pod: &Object, key: &str, name: &str) -> bool {
    let all = pod.0.pointer(&format!("/spec/{key}"));
    let mut all = all.and_then(Value::as_array).into_iter().flatten();
    all.any(|c| c.get("name").and_then(Value::as_str) == Some(name))
}

/// Takes the preferred terms on `label` away, and adds one of weight 100 for
/// `value`. Others stay, and so does their order.
fn prefer(spec: &mut Map<String, Value>, label: &str, value: Option<&str>) {
    const TERMS: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let mut affinity = taken(spec, "affinity");
    let mut nodes = taken(&mut affinity, "nodeAffinity");
    let mut terms = match nodes.remove(TERMS) {
        Some(Value::Array(terms)) => terms,
        _ => Vec::new(),
    };
    terms.retain(|term| {
        let rules = term.pointer("/preference/matchExpressions");
        let mut rules = rules.and_then(Value::as_array).into_iter().flatten();
        !rules.any(|rule| rule.get("key").and_then(Value::as_str) == Some(label))
    });
    if let Some(value) = value {
        terms.push(json!({
            "weight": 100,
            "preference": {"matchExpressions": [
                {"key": label, "operator": "In", "values": [value]},
            ]},
        }));
    }
    if !terms.is_empty() {
        nodes.insert(TERMS.to_owned(), terms.into());
    }
    put(&mut affinity, "nodeAffinity", nodes);
    put(spec, "affinity", affinity);
}

fn taken(map: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match map.remove(key) {
        Some(Value::Object(inner)) => inner,
        _ => Map::new(),
    }
}

/// Nothing stays where there is nothing in it, so that the way back ends where
/// the way there began.
fn put(map: &mut Map<String, Value>, key: &str, inner: Map<String, Value>) {
    if !inner.is_empty() {
        map.insert(key.to_owned(), inner.into());
    }
}

fn set_resources(container: &mut Map<String, Value>, to: &ContainerResources) {
    let mut resources = taken(container, "resources");
    for (key, list) in [("requests", &to.requests), ("limits", &to.limits)] {
        let mut before = taken(&mut resources, key);
        let mut amounts = Map::new();
        for (name, text) in amounts_of(list) {
            // "0.5" and "500m" are one amount: what was written stays.
            let written = before.remove(&name).filter(|old| is_same(old, &text));
            amounts.insert(name, written.unwrap_or_else(|| text.into()));
        }
        put(&mut resources, key, amounts);
    }
    put(container, "resources", resources);
}

fn amounts_of(list: &ResourceList) -> Vec<(String, String)> {
    let named = [
        ("cpu", list.cpu.map(|cpu| cpu.to_string())),
        ("memory", list.memory.map(|memory| memory.to_string())),
        (
            "ephemeral-storage",
            list.ephemeral_storage.map(|storage| storage.to_string()),
        ),
    ];
    let named = named
        .into_iter()
        .filter_map(|(name, text)| Some((name.to_owned(), text?)));
    let extended = list
        .extended
        .iter()
        .map(|(name, amount)| (name.clone(), amount.to_string()));
    named.chain(extended).collect()
}

fn is_same(written: &Value, text: &str) -> bool {
    let parsed = |text: &str| Quantity::parse(text).ok();
    let written = match written {
        Value::String(text) => parsed(text),
        Value::Number(number) => parsed(&number.to_string()),
        _ => None,
    };
    written.is_some() && written == parsed(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use cloudoptim_core::model::{Bytes, MilliCpu};

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn a_preference_comes_and_goes_and_leaves_the_others() {
        let other = json!({"weight": 1, "preference": {"matchExpressions": [
            {"key": "disk", "operator": "In", "values": ["ssd"]}]}});
        let terms = "preferredDuringSchedulingIgnoredDuringExecution";
        for before in [
            map(json!({"containers": []})),
            map(json!({"affinity": {"nodeAffinity": {terms: [other]}}})),
            map(json!({"affinity": {"podAntiAffinity": {"x": []}}})),
        ] {
            let mut spec = before.clone();
            prefer(&mut spec, ZONE_ID_LABEL, Some("use1-az1"));
            let text = Value::Object(spec.clone()).to_string();
            assert!(text.contains("use1-az1"), "{text}");
            prefer(&mut spec, ZONE_ID_LABEL, Some("use1-az2"));
            let text = Value::Object(spec.clone()).to_string();
            assert!(
                !text.contains("use1-az1") && text.contains("use1-az2"),
                "{text}"
            );
            prefer(&mut spec, ZONE_ID_LABEL, None);
            assert_eq!(spec, before);
        }
    }

    #[test]
    fn amounts_that_stay_are_written_as_they_were() {
        let mut container = map(json!({"name": "main", "resources": {
            "requests": {"cpu": "0.5", "memory": "1Gi", "nvidia.com/gpu": 1},
            "limits": {"memory": "2Gi"}, "claims": [{"name": "c"}]}}));
        let mut to = ContainerResources::default();
        to.requests.cpu = Some(MilliCpu(500));
        to.requests.memory = Some(Bytes(512 << 20));
        to.requests.extended.insert("nvidia.com/gpu".to_owned(), 1);
        set_resources(&mut container, &to);
        assert_eq!(
            container.get("resources"),
            Some(&json!({
                "requests": {"cpu": "0.5", "memory": "512Mi", "nvidia.com/gpu": 1},
                "claims": [{"name": "c"}],
            }))
        );
    }
}
