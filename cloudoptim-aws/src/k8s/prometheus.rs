//! Usage from Prometheus, through its query API.

use super::client::{Reader, answered};
use super::connection::{ConnectError, ConnectOptions};
use super::listing::is_namespace;
use super::target::{Target, is_plain_path, query};
use super::wire::Wire;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use cloudoptim_core::providers::{Call, ProviderError};
use http::Method;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

const PROVIDER: &str = "prometheus";

/// Most samples of one series in one answer, below the server's own 11,000;
/// a whole answer has to fit into memory, too.
const SAMPLES_PER_ANSWER: i64 = 96;

/// A Prometheus, or what speaks like one, with what is asked of it.
#[derive(Clone)]
pub struct Prometheus {
    pub(super) reader: Arc<dyn Reader>,
    root: String,
    window: TimeDelta,
    step: TimeDelta,
    selector: Option<String>,
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus")
            .field("reader", &self.reader)
            .field("root", &self.root)
            .field("window", &self.window)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

impl Prometheus {
    /// At an address such as `https://prometheus.example`, with a bearer token
    /// and a certificate authority in PEM where it needs them. Of the options,
    /// those about TLS, proxies and waiting count.
    ///
    /// # Errors
    /// [`ConnectError`] when the address cannot be used, or is `http://` and
    /// [`ConnectOptions::allow_plain_http`] is not set.
    pub fn connect(
        url: &str,
        token: Option<String>,
        ca_pem: Option<&[u8]>,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let wrong = |field: &str, why: &str| ConnectError::Field {
            file: PROVIDER.to_owned(),
            field: field.to_owned(),
            why: why.to_owned(),
        };
        let address: http::Uri = url.parse().map_err(|_| wrong("url", "is not a URL"))?;
        match address.scheme_str() {
            Some("https") => {}
            Some("http") if options.allow_plain_http => {}
            Some("http") => {
                return Err(ConnectError::Refused {
                    file: PROVIDER.to_owned(),
                    field: "url".to_owned(),
                    asks: "is not encrypted".to_owned(),
                    option: "allow_plain_http",
                });
            }
            _ => return Err(wrong("url", "must begin with https://")),
        }
        if address
            .authority()
            .is_some_and(|a| a.as_str().contains('@'))
        {
            return Err(wrong("url", "holds a user"));
        }
        let mut config = kube::Config::new(address);
        if let Some(pem) = ca_pem {
            let found = super::kubeconfig::certificates(pem);
            if found.is_empty() {
                return Err(wrong("ca_pem", "holds no certificate"));
            }
            config.root_cert = Some(found);
        }
        config.auth_info.token = token.map(Into::into);
        let agent = format!("cloudoptim/{}", env!("CARGO_PKG_VERSION"));
        let agent = http::HeaderValue::from_str(&agent).map_err(|_| wrong("agent", "wrong"))?;
        let proxy = super::kubeconfig::proxy_of_environment(options)?;
        let wire = Wire::new(&config, proxy, agent, options, Duration::from_secs(30))
            .map_err(|why| wrong("url", &why))?;
        Ok(Self::through(Arc::new(Direct { wire }), ""))
    }

    /// Through a reader, with the path of the API in front: a replayed one, or
    /// the API server's proxy of a service, for which the caller needs `get` on
    /// `services/proxy` (`/api/v1/namespaces/monitoring/services/prometheus:9090/proxy`).
    pub fn through(reader: Arc<dyn Reader>, root: &str) -> Self {
        Self {
            reader,
            root: root.trim_end_matches('/').to_owned(),
            window: TimeDelta::days(7),
            step: TimeDelta::minutes(15),
            selector: None,
        }
    }

    /// How far back to look, and at what distance. Default seven days, a sample
    /// every 15 minutes; the distance is at least 15 seconds.
    #[must_use]
    pub fn over(mut self, window: TimeDelta, step: TimeDelta) -> Self {
        self.window = window.max(TimeDelta::zero());
        self.step = step.max(TimeDelta::seconds(15));
        self
    }

    /// More matchers, such as `cluster="prod"`, for a server of several clusters.
    #[must_use]
    pub fn with_selector(mut self, matchers: impl Into<String>) -> Self {
        self.selector = Some(matchers.into());
        self
    }

    /// Every answer, with the name of the series that it holds.
    pub(super) async fn answers(
        &self,
        now: DateTime<Utc>,
        namespaces: &[String],
    ) -> Result<Vec<(String, Bytes)>, ProviderError> {
        let mut matchers = vec![r#"container!="",container!="POD""#.to_owned()];
        if !namespaces.is_empty() {
            let names: Vec<&str> = namespaces
                .iter()
                .map(String::as_str)
                .filter(|name| is_namespace(name))
                .collect();
            // A name of a namespace holds no quotes; its dots are escaped.
            let names = names.join("|").replace('.', r"\\.");
            matchers.push(format!(r#"namespace=~"{names}""#));
        }
        matchers.extend(self.selector.clone());
        let on = matchers.join(",");
        let by = "by (namespace, pod, container, node)";
        let queries = [
            (
                "cpu",
                format!("sum {by} (rate(container_cpu_usage_seconds_total{{{on}}}[5m]))"),
            ),
            (
                "memory",
                format!("sum {by} (container_memory_working_set_bytes{{{on}}})"),
            ),
            (
                "container_cpu_cfs_periods_total",
                format!("container_cpu_cfs_periods_total{{{on}}}"),
            ),
            (
                "container_cpu_cfs_throttled_periods_total",
                format!("container_cpu_cfs_throttled_periods_total{{{on}}}"),
            ),
        ];
        let path = format!("{}/api/v1/query_range", self.root);
        let step = self.step.num_seconds().max(1);
        // On the grid of the step, so that answers of neighbouring spans join.
        let end = now.timestamp().div_euclid(step).saturating_mul(step);
        let first = end.saturating_sub(self.window.num_seconds());
        let span = step.saturating_mul(SAMPLES_PER_ANSWER);
        let mut out = Vec::new();
        for (name, query) in &queries {
            let mut last = end;
            while last > first {
                let from = last.saturating_sub(span).max(first);
                let (start, stop) = (from.saturating_add(step).to_string(), last.to_string());
                let step = step.to_string();
                let parameters = [
                    ("query", query.as_str()),
                    ("start", start.as_str()),
                    ("end", stop.as_str()),
                    ("step", step.as_str()),
                ];
                out.push((
                    (*name).to_owned(),
                    self.reader.get(&path, &parameters).await?,
                ));
                last = from;
            }
        }
        Ok(out)
    }
}

/// Asks a Prometheus directly.
#[derive(Debug)]
struct Direct {
    wire: Wire,
}

#[async_trait]
impl Reader for Direct {
    async fn get(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let target = Target::other(PROVIDER, path);
        if !is_plain_path(path) {
            return Err(ProviderError::NotSupported {
                call: Box::new(Call::new(PROVIDER, "get").because("is not a path of the API")),
            });
        }
        let full = format!("{path}{}", query(parameters));
        answered(self.wire.call(Method::GET, &full, None).await, &target)
    }
}
