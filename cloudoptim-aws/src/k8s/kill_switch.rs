//! An emergency brake that anybody with `kubectl` can pull.
//!
//! It is a ConfigMap of the cluster. Voluntary work goes on only while its key
//! `stop` says `false`: a ConfigMap that is missing, cannot be read or says
//! anything else stops it, too.
//!
//! ```text
//! kubectl -n <namespace> create configmap cloudoptim --from-literal=stop=false
//! kubectl -n <namespace> patch configmap cloudoptim -p '{"data":{"stop":"true"}}'
//! ```

use super::client::Reader;
use super::listing::is_namespace;
use super::status::PROVIDER;
use super::target::is_plain_path;
use async_trait::async_trait;
use cloudoptim_core::model::NamespacedName;
use cloudoptim_core::providers::{Call, KillSwitch, ProviderError};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Key of the ConfigMap that says whether to stop.
pub const STOP_KEY: &str = "stop";

/// The brake in a cluster. The reader must be able to get the ConfigMap, and
/// must not keep answers: [`ActRole::with_kill_switch`](super::act::ActRole::with_kill_switch)
/// grants it.
#[derive(Debug, Clone)]
pub struct ConfigMapSwitch {
    read: Arc<dyn Reader>,
    object: NamespacedName,
}

/// Of a ConfigMap, what the brake reads.
#[derive(Deserialize)]
struct ConfigMap {
    kind: String,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

impl ConfigMapSwitch {
    /// The ConfigMap of that name in that namespace.
    ///
    /// # Errors
    /// [`ProviderError::NotSupported`] for a name that none can have.
    pub fn new(read: Arc<dyn Reader>, namespace: &str, name: &str) -> Result<Self, ProviderError> {
        let object = NamespacedName::new(namespace, name);
        let one_part = !name.is_empty() && !name.contains('/');
        if !is_namespace(namespace) || !one_part || !is_plain_path(&path(&object)) {
            let why = format!("{namespace:?} and {name:?} do not name a ConfigMap");
            return Err(ProviderError::NotSupported {
                call: Box::new(call(&object).because(why)),
            });
        }
        Ok(Self { read, object })
    }
}

fn path(NamespacedName { namespace, name }: &NamespacedName) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

fn call(object: &NamespacedName) -> Call {
    Call::new(PROVIDER, "get configmaps").on(object.to_string())
}

/// Whether the answer says to stop.
fn says_stop(body: &[u8]) -> Result<bool, String> {
    // The text of an answer is in no message: it is not known to be ours.
    let map: ConfigMap =
        serde_json::from_slice(body).map_err(|_| "the answer is no ConfigMap".to_owned())?;
    if map.kind != "ConfigMap" {
        return Err("the answer is no ConfigMap".to_owned());
    }
    match map.data.get(STOP_KEY).map(String::as_str) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(_) => Err(format!("its key {STOP_KEY} says neither true nor false")),
        None => Err(format!("it has no key {STOP_KEY}")),
    }
}

#[async_trait]
impl KillSwitch for ConfigMapSwitch {
    async fn is_on(&self) -> Result<bool, ProviderError> {
        let body = self.read.get(&path(&self.object), &[]).await?;
        says_stop(&body).map_err(|why| ProviderError::Unavailable {
            call: Box::new(call(&self.object).because(why)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_false_lets_anybody_go_on() {
        let of = |data: &str| says_stop(format!(r#"{{"kind":"ConfigMap",{data}}}"#).as_bytes());
        assert_eq!(of(r#""data":{"stop":"false"}"#), Ok(false));
        assert_eq!(of(r#""data":{"stop":"true","why":"incident"}"#), Ok(true));
        for data in [
            r#""data":{}"#,
            r#""data":null"#,
            r#""metadata":{}"#,
            r#""data":{"stop":""}"#,
            r#""data":{"stop":"False"}"#,
            r#""data":{"stop":"false "}"#,
            r#""data":{"stop":false}"#,
            r#""data":{"STOP":"false"}"#,
            r#""binaryData":{"stop":"ZmFsc2U="}"#,
        ] {
            assert!(of(data).is_err(), "{data}");
        }
        for body in [
            "",
            "{}",
            "[]",
            r#"{"kind":"Status","data":{"stop":"false"}}"#,
        ] {
            assert!(says_stop(body.as_bytes()).is_err(), "{body}");
        }
    }
}
