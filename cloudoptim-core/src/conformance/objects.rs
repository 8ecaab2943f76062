//! Checks of annotations and services.

use super::act::{Act, cluster_of, shown};
use crate::decision::{Action, ObjectRef};
use crate::model::NamespacedName;
use crate::plan::Precondition;
use crate::providers::{ClusterIdentity, NodeSource, ObjectActuator, ServiceSource};

/// An annotation of a node that does not have it is set, and taken away.
///
/// # Panics
/// When that is not so.
pub async fn annotates_and_removes<P: ClusterIdentity + NodeSource + ObjectActuator>(
    provider: &P,
    node: &str,
) {
    let cluster = cluster_of(provider).await;
    let key = "cloudoptim/conformance";
    let of = |name: &str| ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Node".to_owned(),
        namespace: String::new(),
        name: name.to_owned(),
    };
    let annotate = |name: &str, from: Option<&str>, to: Option<&str>| Action::Annotate {
        cluster: cluster.clone(),
        object: of(name),
        key: key.to_owned(),
        from: from.map(str::to_owned),
        to: to.map(str::to_owned),
    };
    let see = async || {
        let found = shown(provider.list_nodes().await, |n| {
            (n.meta.name == node).then(|| n.meta.annotations.get(key).cloned())
        });
        match found {
            Some(value) => value,
            None => panic!("{node} must be prepared"),
        }
    };
    assert_eq!(see().await, None, "{node} must not have the annotation");
    let unmet = Some(Precondition::AnnotationIs {
        cluster: cluster.clone(),
        object: of(node),
        key: key.to_owned(),
        value: Some("another value".to_owned()),
    });
    let object = of(node);
    for (name, from, to) in [
        ("annotate", None, Some("on")),
        ("remove it", Some("on"), None),
    ] {
        Act {
            name,
            action: annotate(node, from, to),
            other: annotate(node, from, Some("something else")),
            unmet: unmet.clone(),
        }
        .happens_once(
            async |p| {
                provider
                    .annotate(p, &object, key, to.map(str::to_owned))
                    .await
            },
            see,
        )
        .await;
        assert_eq!(see().await.as_deref(), to, "{name}");
    }
    let nowhere = of("no-such-node");
    Act {
        name: "annotate nothing",
        action: annotate("no-such-node", None, Some("on")),
        other: annotate(node, None, None),
        unmet: None,
    }
    .finds_nothing(async |p| {
        provider
            .annotate(p, &nowhere, key, Some("on".to_owned()))
            .await
    })
    .await;
}

/// A service without `trafficDistribution` gets one, and loses it.
///
/// # Panics
/// When that is not so.
pub async fn routes_and_forgets<P: ClusterIdentity + ServiceSource + ObjectActuator>(
    provider: &P,
    service: &NamespacedName,
) {
    let cluster = cluster_of(provider).await;
    let near = "PreferClose";
    let route =
        |service: &NamespacedName, from: Option<&str>, to: Option<&str>| Action::RouteService {
            cluster: cluster.clone(),
            service: service.clone(),
            from: from.map(str::to_owned),
            to: to.map(str::to_owned),
        };
    let see = async || {
        let found = shown(provider.list_services().await, |s| {
            (s.meta.namespace == service.namespace && s.meta.name == service.name)
                .then(|| s.traffic_distribution.clone())
        });
        match found {
            Some(value) => value,
            None => panic!("{service} must be prepared"),
        }
    };
    assert_eq!(see().await, None, "{service} must have no distribution");
    let unmet = Some(Precondition::RoutingIs {
        cluster: cluster.clone(),
        service: service.clone(),
        value: Some("another value".to_owned()),
    });
    for (name, from, to) in [("route", None, Some(near)), ("forget it", Some(near), None)] {
        Act {
            name,
            action: route(service, from, to),
            other: route(service, from, Some("something else")),
            unmet: unmet.clone(),
        }
        .happens_once(
            async |p| {
                provider
                    .route_service(p, service, to.map(str::to_owned))
                    .await
            },
            see,
        )
        .await;
        assert_eq!(see().await.as_deref(), to, "{name}");
    }
    let nowhere = NamespacedName::new("default", "no-such-service");
    Act {
        name: "route nothing",
        action: route(&nowhere, None, Some(near)),
        other: route(service, None, None),
        unmet: None,
    }
    .finds_nothing(async |p| {
        provider
            .route_service(p, &nowhere, Some(near.to_owned()))
            .await
    })
    .await;
}
