//! Annotations and services.

use super::object::path_of;
use super::{ClusterActuator, check, is_for};
use async_trait::async_trait;
use cloudoptim_core::decision::{Action, ObjectRef};
use cloudoptim_core::guard::Permit;
use cloudoptim_core::model::NamespacedName;
use cloudoptim_core::providers::{ObjectActuator, ProviderError};

#[async_trait]
impl ObjectActuator for ClusterActuator {
    async fn annotate(
        &self,
        permit: &Permit,
        which: &ObjectRef,
        name: &str,
        value: Option<String>,
    ) -> Result<(), ProviderError> {
        let op = "annotate";
        let allowed = matches!(permit.action(), Action::Annotate { object, key, to, .. }
            if object == which && key == name && *to == value);
        is_for(op, permit, allowed)?;
        let path = path_of(
            &which.api_version,
            &which.kind,
            &which.namespace,
            &which.name,
        )?;
        let before = self.object(&path).await?;
        check::still_so(op, permit, &before)?;
        if before.annotation(name) == value.as_deref() {
            return Ok(());
        }
        let mut after = before.clone();
        after.annotate(name, value.as_deref());
        self.patch(permit, &path, &before, &after).await
    }

    async fn route_service(
        &self,
        permit: &Permit,
        which: &NamespacedName,
        value: Option<String>,
    ) -> Result<(), ProviderError> {
        let op = "route_service";
        let allowed = matches!(permit.action(), Action::RouteService { service, to, .. }
            if service == which && *to == value);
        is_for(op, permit, allowed)?;
        let path = path_of("v1", "Service", &which.namespace, &which.name)?;
        let before = self.object(&path).await?;
        check::still_so(op, permit, &before)?;
        let mut after = before.clone();
        let spec = after.map(&["spec"]);
        match value {
            Some(value) => spec.insert("trafficDistribution".to_owned(), value.into()),
            None => spec.remove("trafficDistribution"),
        };
        self.patch(permit, &path, &before, &after).await
    }
}
