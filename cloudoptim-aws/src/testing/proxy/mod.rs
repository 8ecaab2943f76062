//! A proxy before an API server that does to chosen requests what networks,
//! load balancers and tired servers do, and counts all of them.
//!
//! It shows the server's own certificate, so that a client needs nothing but
//! another address. Connections are HTTP/1.1; an upgrade (`exec`, `attach`) is
//! not carried through.
//!
//! ```no_run
//! use cloudoptim_aws::testing::plane::{Plane, PlaneConfig};
//! use cloudoptim_aws::testing::proxy::{Canned, Fault, Proxy, Rule};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let plane = Plane::start(PlaneConfig::bare()).await?;
//! let proxy = Proxy::before(&plane)?;
//! // The second page of any list is too old; the eviction is done, unheard.
//! proxy.add(Rule::on("GET", "**", Fault::AnswerInstead(Canned::gone())).with_query("continue=").nth(1));
//! proxy.add(Rule::on("POST", "**/eviction", Fault::DropAnswer));
//! let kubeconfig = plane.kubeconfig_through(proxy.url(), plane.admin_token());
//! // … let the code under test loose with it, then:
//! assert_eq!(proxy.requests().iter().filter(|seen| seen.path.ends_with("/eviction")).count(), 1);
//! # Ok(())
//! # }
//! ```

mod script;

use std::fmt;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::header::{ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, USER_AGENT};
use hyper::service::service_fn;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::api::{ApiError, chain, client_config};
use super::plane::{Plane, PlaneError};
use super::server::Server;

pub use script::{Canned, Fault, Rule};

type Upstream = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;
type AnyError = Box<dyn std::error::Error + Send + Sync>;
type AnyBody = UnsyncBoxBody<Bytes, AnyError>;

/// A request that came to the proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// The method.
    pub method: Method,
    /// The path, without the query.
    pub path: String,
    /// The query, empty without one.
    pub query: String,
    /// The user agent, empty without one.
    pub user_agent: String,
    /// The body.
    pub body: Bytes,
    /// How often it was sent on to the server.
    pub forwarded: usize,
    /// What the server answered last.
    pub server_status: Option<u16>,
    /// What the client was told.
    pub status: Option<u16>,
    /// What went wrong with it.
    pub fault: Option<Fault>,
}

impl Seen {
    /// Whether the method may change something.
    #[must_use]
    pub fn is_change(&self) -> bool {
        !matches!(self.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }
}

/// A proxy that does as its rules say. It ends when it is dropped.
pub struct Proxy {
    state: Arc<State>,
    url: String,
    _server: Server,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("url", &self.url).finish_non_exhaustive()
    }
}

impl Proxy {
    /// A proxy before the API server of `plane`, behind the same certificate.
    ///
    /// # Errors
    /// [`PlaneError`] if the certificate cannot be used or no port be had.
    pub fn before(plane: &Plane) -> Result<Self, PlaneError> {
        let (certificates, key) = plane.server_identity()?;
        let tls = server_config(&certificates, &key)?;
        Self::start(plane.url(), plane.authority_pem(), Some(TlsAcceptor::from(Arc::new(tls))))
    }

    /// The same, but its clients speak plain HTTP.
    ///
    /// # Errors
    /// As [`Proxy::before`].
    pub fn plain_before(plane: &Plane) -> Result<Self, PlaneError> {
        Self::start(plane.url(), plane.authority_pem(), None)
    }

    fn start(upstream: &str, authority_pem: &str, tls: Option<TlsAcceptor>) -> Result<Self, PlaneError> {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(authority_pem)?)
            .https_or_http()
            .enable_http1()
            .build();
        let state = Arc::new(State {
            upstream: upstream.to_owned(),
            client: Client::builder(TokioExecutor::new())
                .retry_canceled_requests(false)
                .pool_idle_timeout(Duration::from_secs(5))
                .build(connector),
            log: Mutex::default(),
        });
        let served = Arc::clone(&state);
        let server = Server::start("proxy", move |stream| serve(Arc::clone(&served), tls.clone(), stream))?;
        Ok(Self { state, url: format!("{scheme}://{}", server.address()), _server: server })
    }

    /// The address for clients, without a path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Adds a rule. Of the rules that meet a request and whose turn it is the
    /// first added counts; each counts all requests that it meets.
    pub fn add(&self, rule: Rule) {
        self.state.log().rules.push(Known { rule, met: 0, first: None });
    }

    /// Forgets the rules.
    pub fn calm(&self) {
        self.state.log().rules.clear();
    }

    /// Every request so far, in the order of coming.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.state.log().seen.clone()
    }

    /// The requests so far that may change something, in the order of coming.
    #[must_use]
    pub fn changes(&self) -> Vec<Seen> {
        self.state.log().seen.iter().filter(|seen| seen.is_change()).cloned().collect()
    }

    /// Forgets the requests, not the rules nor what they have counted.
    pub fn forget(&self) {
        let mut log = self.state.log();
        log.forgotten += log.seen.len();
        log.seen.clear();
    }
}

fn server_config(certificates: &str, key: &str) -> Result<ServerConfig, ApiError> {
    let refused = |error: &dyn std::error::Error| ApiError::Authority(chain(error));
    let certificates = CertificateDer::pem_slice_iter(certificates.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| refused(&error))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| refused(&error))?;
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(&error))?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| refused(&error))
}

/// An answer that was read to its end.
#[derive(Debug, Clone)]
struct Whole {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

struct Known {
    rule: Rule,
    met: usize,
    /// The answer to the first request that the rule met, for [`Fault::Stale`].
    first: Option<Whole>,
}

#[derive(Default)]
struct Log {
    rules: Vec<Known>,
    seen: Vec<Seen>,
    forgotten: usize,
}

struct State {
    upstream: String,
    client: Upstream,
    log: Mutex<Log>,
}

/// What the rules say about one request.
struct Verdict {
    fault: Option<Fault>,
    /// The answer to give for [`Fault::Stale`].
    stale: Option<Whole>,
    /// The rules whose first request this is and that need its answer.
    keep_for: Vec<usize>,
}

impl State {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request; its number and what is to happen to it.
    fn note(&self, seen: Seen) -> (usize, Verdict) {
        let mut log = self.log();
        let mut verdict = Verdict { fault: None, stale: None, keep_for: Vec::new() };
        for (index, known) in log.rules.iter_mut().enumerate() {
            if !known.rule.meets(&seen.method, &seen.path, &seen.query) {
                continue;
            }
            known.met += 1;
            if known.met == 1 && known.rule.fault == Fault::Stale {
                verdict.keep_for.push(index);
            }
            if verdict.fault.is_none() && known.rule.has_turn(known.met) {
                verdict.fault = Some(known.rule.fault.clone());
                verdict.stale.clone_from(&known.first);
            }
        }
        let number = log.forgotten + log.seen.len();
        log.seen.push(Seen { fault: verdict.fault.clone(), ..seen });
        (number, verdict)
    }

    fn update(&self, number: usize, change: impl FnOnce(&mut Seen)) {
        let mut log = self.log();
        let index = number.checked_sub(log.forgotten);
        if let Some(seen) = index.and_then(|index| log.seen.get_mut(index)) {
            change(seen);
        }
    }

    /// Sends a request on to the server.
    async fn forward(&self, number: usize, asked: &Asked) -> Result<Response<Incoming>, AnyError> {
        self.update(number, |seen| seen.forwarded += 1);
        let mut request = Request::builder()
            .method(&asked.method)
            .uri(format!("{}{}", self.upstream, asked.target))
            .body(Full::new(asked.body.clone()))?;
        *request.headers_mut() = asked.headers.clone();
        let answer = self.client.request(request).await?;
        self.update(number, |seen| seen.server_status = Some(answer.status().as_u16()));
        Ok(answer)
    }
}

/// A request, read to its end, with the headers to send on.
struct Asked {
    method: Method,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// One connection, and the means to end it without an answer.
struct Connection {
    twin: Option<std::net::TcpStream>,
    end: Notify,
}

impl Connection {
    async fn close(&self) -> ! {
        self.end.notify_one();
        pending().await
    }

    async fn reset(&self) -> ! {
        if let Some(twin) = self.twin.as_ref().and_then(|twin| twin.try_clone().ok())
            && let Ok(twin) = TcpStream::from_std(twin)
        {
            let _ = twin.set_zero_linger();
        }
        self.close().await
    }
}

async fn serve(state: Arc<State>, tls: Option<TlsAcceptor>, stream: TcpStream) {
    let Ok((stream, twin)) = twinned(stream) else { return };
    let connection = Arc::new(Connection { twin: Some(twin), end: Notify::new() });
    let service = {
        let connection = Arc::clone(&connection);
        service_fn(move |request| answer(Arc::clone(&state), Arc::clone(&connection), request))
    };
    let http = hyper::server::conn::http1::Builder::new();
    // An error is the client's to see: it has lost its connection.
    match tls {
        None => tokio::select! {
            _ = http.serve_connection(TokioIo::new(stream), service) => {}
            () = connection.end.notified() => {}
        },
        Some(tls) => {
            let Ok(stream) = tls.accept(stream).await else { return };
            tokio::select! {
                _ = http.serve_connection(TokioIo::new(stream), service) => {}
                () = connection.end.notified() => {}
            }
        }
    }
}

fn twinned(stream: TcpStream) -> io::Result<(TcpStream, std::net::TcpStream)> {
    stream.set_nodelay(true)?;
    let stream = stream.into_std()?;
    let twin = stream.try_clone()?;
    Ok((TcpStream::from_std(stream)?, twin))
}

async fn answer(
    state: Arc<State>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<AnyBody>, AnyError> {
    let (head, body) = request.into_parts();
    let mut headers = head.headers;
    // Those of this hop; the client writes its own.
    for name in [HOST, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let seen = Seen {
        method: head.method.clone(),
        path: head.uri.path().to_owned(),
        query: head.uri.query().unwrap_or_default().to_owned(),
        user_agent: text(USER_AGENT).to_owned(),
        body: body.collect().await?.to_bytes(),
        forwarded: 0,
        server_status: None,
        status: None,
        fault: None,
    };
    let mut asked = Asked {
        method: head.method,
        target: head.uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
        headers,
        body: seen.body.clone(),
    };
    let (number, verdict) = state.note(seen);
    if matches!(verdict.fault, Some(Fault::LoseContinue | Fault::KeepItems(_))) {
        // It is to be read here.
        asked.headers.remove(ACCEPT_ENCODING);
    }
    let answer = act(&state, &connection, number, &asked, verdict).await?;
    state.update(number, |seen| seen.status = Some(answer.status().as_u16()));
    Ok(answer)
}

async fn act(
    state: &State,
    connection: &Connection,
    number: usize,
    asked: &Asked,
    verdict: Verdict,
) -> Result<Response<AnyBody>, AnyError> {
    match verdict.fault {
        None if verdict.keep_for.is_empty() => Ok(passed_on(state.forward(number, asked).await?)),
        None => {
            let whole = read(state.forward(number, asked).await?).await?;
            let mut log = state.log();
            for index in verdict.keep_for {
                if let Some(known) = log.rules.get_mut(index) {
                    known.first = Some(whole.clone());
                }
            }
            drop(log);
            Ok(given(whole))
        }
        Some(Fault::DelayRequest(pause)) => {
            tokio::time::sleep(pause).await;
            Ok(passed_on(state.forward(number, asked).await?))
        }
        Some(Fault::DelayAnswer(pause)) => {
            let answer = state.forward(number, asked).await?;
            tokio::time::sleep(pause).await;
            Ok(passed_on(answer))
        }
        Some(Fault::DropRequest) => connection.close().await,
        Some(Fault::ResetBefore) => connection.reset().await,
        Some(Fault::DropAnswer) => {
            read(state.forward(number, asked).await?).await?;
            connection.close().await
        }
        Some(Fault::ResetAfter) => {
            read(state.forward(number, asked).await?).await?;
            connection.reset().await
        }
        Some(Fault::AnswerInstead(canned)) => said(&canned),
        Some(Fault::AnswerOver(canned)) => {
            read(state.forward(number, asked).await?).await?;
            said(&canned)
        }
        Some(Fault::CutBody(bytes)) => {
            let (head, body) = state.forward(number, asked).await?.into_parts();
            let body = Cut { body, left: bytes, flushed: false };
            Ok(Response::from_parts(head, body.boxed_unsync()))
        }
        Some(Fault::ShortBody(bytes)) => {
            let mut whole = read(state.forward(number, asked).await?).await?;
            whole.body.truncate(bytes);
            Ok(given(whole))
        }
        Some(Fault::Dribble { bytes, pause }) => {
            let whole = read(state.forward(number, asked).await?).await?;
            let body = Drops { rest: whole.body, bytes: bytes.max(1), pause, sleep: None };
            let mut answer = Response::new(body.boxed_unsync());
            (*answer.status_mut(), *answer.headers_mut()) = (whole.status, whole.headers);
            Ok(answer)
        }
        Some(Fault::Duplicate) => {
            read(state.forward(number, asked).await?).await?;
            Ok(passed_on(state.forward(number, asked).await?))
        }
        Some(Fault::Stale) => match verdict.stale {
            Some(whole) => Ok(given(whole)),
            None => Err("a stale answer was asked for before there was one".into()),
        },
        Some(Fault::LoseContinue) => edited(read(state.forward(number, asked).await?).await?, |list| {
            if let Some(metadata) = list.get_mut("metadata").and_then(Value::as_object_mut) {
                metadata.remove("continue");
                metadata.remove("remainingItemCount");
            }
        }),
        Some(Fault::KeepItems(count)) => edited(read(state.forward(number, asked).await?).await?, |list| {
            if let Some(items) = list.get_mut("items").and_then(Value::as_array_mut) {
                items.truncate(count);
            }
        }),
    }
}

fn passed_on(answer: Response<Incoming>) -> Response<AnyBody> {
    let mut answer = answer.map(|body| body.map_err(AnyError::from).boxed_unsync());
    answer.headers_mut().remove(TRANSFER_ENCODING);
    answer
}

async fn read(answer: Response<Incoming>) -> Result<Whole, AnyError> {
    let (head, body) = answer.into_parts();
    Ok(Whole { status: head.status, headers: head.headers, body: body.collect().await?.to_bytes() })
}

fn given(whole: Whole) -> Response<AnyBody> {
    let mut answer = Response::new(Full::new(whole.body).map_err(|never| match never {}).boxed_unsync());
    *answer.status_mut() = whole.status;
    *answer.headers_mut() = whole.headers;
    // Of this body, which may be another than the one that was read.
    for name in [CONTENT_LENGTH, TRANSFER_ENCODING] {
        answer.headers_mut().remove(name);
    }
    answer
}

fn said(canned: &Canned) -> Result<Response<AnyBody>, AnyError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &canned.headers {
        headers.insert(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_str(value)?);
    }
    Ok(given(Whole { status: StatusCode::from_u16(canned.status)?, headers, body: canned.body.clone() }))
}

fn edited(whole: Whole, edit: impl FnOnce(&mut Value)) -> Result<Response<AnyBody>, AnyError> {
    let mut list: Value = serde_json::from_slice(&whole.body)?;
    edit(&mut list);
    Ok(given(Whole { body: list.to_string().into(), ..whole }))
}

/// A body that breaks off after so many bytes.
struct Cut {
    body: Incoming,
    left: usize,
    flushed: bool,
}

impl Body for Cut {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        if self.left == 0 {
            if self.flushed {
                return Poll::Ready(Some(Err("cut".into())));
            }
            // What came before is sent when the body has to wait, and lost when it fails.
            self.flushed = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(mut data) => {
                    data.truncate(self.left);
                    self.left -= data.len();
                    Poll::Ready(Some(Ok(Frame::data(data))))
                }
                Err(_) => Poll::Ready(Some(Err("cut".into()))),
            },
            // Shorter than the cut, which is a mistake of the test: break all the same.
            Poll::Ready(Some(Err(_)) | None) => Poll::Ready(Some(Err("cut".into()))),
        }
    }
}

/// A body that comes in small pieces.
struct Drops {
    rest: Bytes,
    bytes: usize,
    pause: Duration,
    sleep: Option<Pin<Box<tokio::time::Sleep>>>,
}

impl Body for Drops {
    type Data = Bytes;
    type Error = AnyError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, AnyError>>> {
        if let Some(sleep) = &mut self.sleep
            && sleep.as_mut().poll(context).is_pending()
        {
            return Poll::Pending;
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        self.sleep = Some(Box::pin(tokio::time::sleep(self.pause)));
        let bytes = self.bytes.min(self.rest.len());
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(bytes)))))
    }
}
