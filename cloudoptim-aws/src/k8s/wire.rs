//! One request, one answer: no retry, no log of headers or bodies.

use super::connection::{ConnectOptions, Timeouts};
use bytes::{Bytes, BytesMut};
use chrono::TimeDelta;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use kube::client::{Body, ConfigExt};
use std::fmt;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout, timeout_at};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceBuilder, ServiceExt};

type Answer = Response<UnsyncBoxBody<Bytes, BoxError>>;
type Http = BoxCloneSyncService<Request<Body>, Answer, BoxError>;

/// A way to send requests to one server as one user.
pub(super) struct Wire {
    http: Http,
    agent: HeaderValue,
    server: String,
    timeouts: Timeouts,
    max_bytes: usize,
    /// Requests that may still be started.
    permits: Semaphore,
}

/// An answer of any status.
#[derive(Debug, Clone)]
pub(super) struct Raw {
    pub(super) status: u16,
    pub(super) retry_after: Option<TimeDelta>,
    pub(super) body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    /// Whether the request may have reached the server.
    pub(super) sent: bool,
    pub(super) why: Why,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Why {
    /// Credentials could not be made.
    Credentials(String),
    /// The answer is larger than allowed.
    TooLarge(usize),
    /// Anything on the way.
    Transport(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(why) | Self::Transport(why) => f.write_str(why),
            Self::TooLarge(most) => write!(f, "the answer is larger than {most} bytes"),
        }
    }
}

impl std::error::Error for Why {}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("server", &self.server)
            .field("agent", &self.agent)
            .finish_non_exhaustive()
    }
}

impl Wire {
    pub(super) fn new(
        config: &kube::Config,
        proxy: Option<http::Uri>,
        agent: HeaderValue,
        options: &ConnectOptions,
        keep_idle: Duration,
    ) -> Result<Self, String> {
        // With two TLS providers in one program rustls cannot choose, and kube
        // panics. One that the program chose stays.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            // An error means that another thread was faster.
            let _ = rustls::crypto::ring::default_provider().install_default();
        }
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(options.timeouts.connect));
        let http = match proxy {
            None => layered(config, connector, keep_idle)?,
            Some(proxy) => layered(config, tunnel(proxy, connector), keep_idle)?,
        };
        Ok(Self {
            http,
            agent,
            server: config.cluster_url.host().unwrap_or_default().to_owned(),
            timeouts: options.timeouts,
            max_bytes: options.max_answer_bytes,
            permits: Semaphore::new(options.max_in_flight.min(Semaphore::MAX_PERMITS)),
        })
    }

    /// Sends one request, once.
    pub(super) async fn call(
        &self,
        method: Method,
        path_and_query: &str,
        content: Option<(&str, Vec<u8>)>,
    ) -> Result<Raw, Lost> {
        let unsent = |why: String| Lost {
            sent: false,
            why: Why::Transport(why),
        };
        let mut request = Request::builder()
            .method(method)
            .uri(path_and_query)
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, self.agent.clone());
        let body = match content {
            None => Body::empty(),
            Some((kind, bytes)) => {
                request = request.header(CONTENT_TYPE, kind);
                Body::from(bytes)
            }
        };
        let request = request
            .body(body)
            .map_err(|error| unsent(format!("not a request: {error}")))?;
        let Ok(_permit) = self.permits.acquire().await else {
            return Err(unsent("the client is closed".to_owned()));
        };
        let end = Instant::now() + self.timeouts.total;
        let head = (Instant::now() + self.timeouts.head).min(end);
        let mut http = self.http.clone();
        let answer = timeout_at(head, async {
            let ready = http.ready().await?;
            ready.call(request).await
        })
        .await
        .map_err(|_| Lost {
            sent: true,
            why: Why::Transport("no answer in time".to_owned()),
        })?
        .map_err(|error| lost(&error))?;
        let (head, body) = answer.into_parts();
        let retry_after = head
            .headers
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok()?.trim().parse::<i64>().ok())
            .filter(|seconds| *seconds >= 0)
            .and_then(TimeDelta::try_seconds);
        let body = timeout_at(end, self.read(body))
            .await
            .unwrap_or_else(|_| Err(Why::Transport("the answer did not end in time".to_owned())))
            .map_err(|why| Lost { sent: true, why })?;
        Ok(Raw {
            status: head.status.as_u16(),
            retry_after,
            body,
        })
    }

    async fn read(&self, mut body: UnsyncBoxBody<Bytes, BoxError>) -> Result<Bytes, Why> {
        let mut out = BytesMut::new();
        loop {
            let frame = timeout(self.timeouts.idle, body.frame())
                .await
                .map_err(|_| Why::Transport("the answer stopped in the middle".to_owned()))?;
            let Some(frame) = frame else {
                return Ok(out.freeze());
            };
            let frame = frame.map_err(|error| Why::Transport(chain(error.as_ref())))?;
            if let Ok(data) = frame.into_data() {
                if out.len().saturating_add(data.len()) > self.max_bytes {
                    return Err(Why::TooLarge(self.max_bytes));
                }
                out.extend_from_slice(&data);
            }
        }
    }
}

fn tunnel(proxy: http::Uri, connector: HttpConnector) -> Tunnel<HttpConnector> {
    use base64::Engine;
    let user = proxy
        .authority()
        .and_then(|authority| authority.as_str().split_once('@'))
        .map(|(user, _)| base64::engine::general_purpose::STANDARD.encode(user));
    let tunnel = Tunnel::new(proxy, connector);
    match user.map(|user| HeaderValue::from_str(&format!("Basic {user}"))) {
        Some(Ok(mut value)) => {
            value.set_sensitive(true);
            tunnel.with_auth(value)
        }
        _ => tunnel,
    }
}

fn layered<C>(config: &kube::Config, connector: C, keep_idle: Duration) -> Result<Http, String>
where
    C: Service<http::Uri> + Clone + Send + Sync + 'static,
    C::Response: hyper_util::client::legacy::connect::Connection
        + hyper::rt::Read
        + hyper::rt::Write
        + Send
        + Unpin
        + 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError> + std::error::Error + Send + Sync + 'static,
{
    let https = config
        .rustls_https_connector_with_connector(connector)
        .map_err(|error| setup_error(&error))?;
    let client: Client<_, Body> = Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(keep_idle)
        // Else a request on an idle connection that turns out closed is sent
        // again, behind our back.
        .retry_canceled_requests(false)
        .build(https);
    let auth = config.auth_layer().map_err(|error| setup_error(&error))?;
    let extra = config
        .extra_headers_layer()
        .map_err(|error| setup_error(&error))?;
    // kube's own stack has two layers more: one that repeats, one that logs.
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(auth)
        .layer(extra)
        .map_err(BoxError::from)
        .service(client)
        .map_response(|answer: Response<Incoming>| {
            answer.map(|body| body.map_err(BoxError::from).boxed_unsync())
        });
    Ok(BoxCloneSyncService::new(service))
}

/// Why a client cannot be made. kube's message may quote what a program printed.
fn setup_error(error: &kube::Error) -> String {
    match error {
        kube::Error::Auth(error) => auth_error(error),
        kube::Error::RustlsTls(error) => format!("TLS: {error}"),
        kube::Error::HttpError(_) => "a credential is no part of a header".to_owned(),
        _ => "the connection cannot be set up".to_owned(),
    }
}

fn auth_error(error: &kube::client::AuthError) -> String {
    use kube::client::AuthError as E;
    match error {
        E::InvalidBasicAuth(_) | E::InvalidBearerToken(_) => {
            "a credential is no part of a header".to_owned()
        }
        E::AuthExecStart(error) => format!("exec: the program does not start: {}", error.kind()),
        E::AuthExecRun { out, .. } => format!("exec: the program ended with {}", out.status),
        E::AuthExecParse(_) | E::ExecPluginFailed => {
            "exec: the program printed no credential".to_owned()
        }
        E::MissingCommand => "exec: command: missing".to_owned(),
        E::ReadTokenFile(error, path) => {
            format!("token file {}: {}", path.display(), error.kind())
        }
        _ => "no credential can be had".to_owned(),
    }
}

/// What became of a request that has no answer.
fn lost(error: &BoxError) -> Lost {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error.as_ref());
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<kube::client::AuthError>() {
            return Lost {
                sent: false,
                why: Why::Credentials(auth_error(error)),
            };
        }
        if let Some(error) = error.downcast_ref::<hyper_util::client::legacy::Error>() {
            return Lost {
                sent: !error.is_connect(),
                why: Why::Transport(chain(error)),
            };
        }
        next = error.source();
    }
    Lost {
        sent: true,
        why: Why::Transport(chain(error.as_ref())),
    }
}

/// An error with its causes, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut out = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        let text = error.to_string();
        if !out.contains(&text) {
            out = format!("{out}: {text}");
        }
        next = error.source();
    }
    cloudoptim_core::input::redact_message(&out)
}
