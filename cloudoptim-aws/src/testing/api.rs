//! A plain client of an API server: one request per call, no retry.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use hyper::{HeaderMap, Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// Why a request has no answer, or not one that could be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiError {
    /// The certificate authority cannot be read or used.
    #[error("certificate authority: {0}")]
    Authority(String),
    /// The request could not be made or sent, or the answer broke off.
    #[error("{method} {path}: {message}")]
    Transport {
        /// The method.
        method: String,
        /// The path with its query.
        path: String,
        /// What went wrong, outermost first.
        message: String,
    },
    /// The server refused, or the answer was not what was asked for.
    #[error("{method} {path}: status {status}: {message}")]
    Status {
        /// The method.
        method: String,
        /// The path with its query.
        path: String,
        /// The HTTP status.
        status: u16,
        /// The start of the body.
        message: String,
    },
}

/// How a patch is to be read by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PatchKind {
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/json-patch+json`.
    Json,
    /// `application/apply-patch+yaml`.
    Apply,
}

impl PatchKind {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Json => "application/json-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// An answer, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The method that was asked with.
    pub method: Method,
    /// The path that was asked for.
    pub path: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`ApiError::Status`] when it is none.
    pub fn json(&self) -> Result<Value, ApiError> {
        serde_json::from_slice(&self.body).map_err(|_| self.unexpected())
    }

    /// The body as JSON of an answer with a status in the two hundreds.
    ///
    /// # Errors
    /// [`ApiError::Status`] with the start of the body otherwise.
    pub fn ok(&self) -> Result<Value, ApiError> {
        if (200..300).contains(&self.status) {
            self.json()
        } else {
            Err(self.unexpected())
        }
    }

    fn unexpected(&self) -> ApiError {
        let message = String::from_utf8_lossy(&self.body)
            .chars()
            .take(300)
            .collect();
        ApiError::Status {
            method: self.method.to_string(),
            path: self.path.clone(),
            status: self.status,
            message,
        }
    }
}

/// Talks to one API server as one user. Clones share their connections, which
/// belong to the runtime that first used them.
#[derive(Clone)]
pub struct Api {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    token: String,
    user_agent: String,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the token.
        f.debug_struct("Api")
            .field("url", &self.url)
            .field("user_agent", &self.user_agent)
            .finish_non_exhaustive()
    }
}

impl Api {
    /// A client of the server at `url` (`http` or `https`, no path) that trusts
    /// `authority_pem` alone.
    ///
    /// # Errors
    /// [`ApiError::Authority`] if there is no certificate in `authority_pem`.
    pub fn new(url: &str, authority_pem: &str, token: &str) -> Result<Self, ApiError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(client_config(authority_pem)?)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .build(connector);
        Ok(Self {
            client,
            url: url.trim_end_matches('/').to_owned(),
            token: token.to_owned(),
            user_agent: concat!("cloudoptim-testing/", env!("CARGO_PKG_VERSION")).to_owned(),
        })
    }

    /// The same with another user agent.
    #[must_use]
    pub fn with_user_agent(mut self, user_agent: &str) -> Self {
        user_agent.clone_into(&mut self.user_agent);
        self
    }

    /// `GET path`.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without a whole answer.
    pub async fn get(&self, path: &str) -> Result<Answer, ApiError> {
        self.send(Method::GET, path, "application/json", Bytes::new())
            .await
    }

    /// `GET path` of a watch, such as `/api/v1/pods?watch=1`.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without an answer, [`ApiError::Status`] when the
    /// server refuses.
    pub async fn watch(&self, path: &str) -> Result<Watch, ApiError> {
        let failed = |error: &dyn std::error::Error| ApiError::Transport {
            method: "WATCH".to_owned(),
            path: path.to_owned(),
            message: chain(error),
        };
        let request = Request::builder()
            .uri(format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(USER_AGENT, &self.user_agent)
            .body(Full::new(Bytes::new()))
            .map_err(|error| failed(&error))?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| failed(&error))?;
        if !answer.status().is_success() {
            return Err(ApiError::Status {
                method: "WATCH".to_owned(),
                path: path.to_owned(),
                status: answer.status().as_u16(),
                message: "no watch".to_owned(),
            });
        }
        Ok(Watch {
            path: path.to_owned(),
            body: answer.into_body(),
            pending: Vec::new(),
            looked_at: 0,
        })
    }

    /// `POST path` with a JSON body.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without a whole answer.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Answer, ApiError> {
        self.send(
            Method::POST,
            path,
            "application/json",
            body.to_string().into(),
        )
        .await
    }

    /// `PUT path` with a JSON body.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without a whole answer.
    pub async fn put(&self, path: &str, body: &Value) -> Result<Answer, ApiError> {
        self.send(
            Method::PUT,
            path,
            "application/json",
            body.to_string().into(),
        )
        .await
    }

    /// `PATCH path`.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without a whole answer.
    pub async fn patch(
        &self,
        path: &str,
        kind: PatchKind,
        body: &Value,
    ) -> Result<Answer, ApiError> {
        self.send(
            Method::PATCH,
            path,
            kind.content_type(),
            body.to_string().into(),
        )
        .await
    }

    /// `DELETE path`.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without a whole answer.
    pub async fn delete(&self, path: &str) -> Result<Answer, ApiError> {
        self.send(Method::DELETE, path, "application/json", Bytes::new())
            .await
    }

    /// One request, one answer.
    ///
    /// # Errors
    /// [`ApiError::Transport`] without a whole answer.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Bytes,
    ) -> Result<Answer, ApiError> {
        let failed = |error: &dyn std::error::Error| ApiError::Transport {
            method: method.to_string(),
            path: path.to_owned(),
            message: chain(error),
        };
        let request = Request::builder()
            .method(&method)
            .uri(format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(USER_AGENT, &self.user_agent)
            .header(CONTENT_TYPE, content_type)
            .body(Full::new(body))
            .map_err(|error| failed(&error))?;
        let answer = self
            .client
            .request(request)
            .await
            .map_err(|error| failed(&error))?;
        let (head, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|error| failed(&error))?
            .to_bytes();
        Ok(Answer {
            method,
            path: path.to_owned(),
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}

/// The events of a watch, as they come.
#[derive(Debug)]
pub struct Watch {
    path: String,
    body: Incoming,
    /// What came and is no whole line yet.
    pending: Vec<u8>,
    /// How much of it is known to have no end of line.
    looked_at: usize,
}

impl Watch {
    /// The next event: `{"type": …, "object": …}`. `None` when the server has
    /// ended the watch.
    ///
    /// # Errors
    /// [`ApiError::Transport`] when it breaks off, or says what is no JSON.
    pub async fn next(&mut self) -> Result<Option<Value>, ApiError> {
        let failed = |path: &str, error: &dyn std::error::Error| ApiError::Transport {
            method: "WATCH".to_owned(),
            path: path.to_owned(),
            message: chain(error),
        };
        loop {
            let rest = self.pending.get(self.looked_at..).unwrap_or_default();
            if let Some(at) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=self.looked_at + at).collect();
                self.looked_at = 0;
                let event = serde_json::from_slice(&line);
                return event.map(Some).map_err(|error| failed(&self.path, &error));
            }
            self.looked_at = self.pending.len();
            match self.body.frame().await {
                None => return Ok(None),
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        self.pending.extend_from_slice(data);
                    }
                }
                Some(Err(error)) => return Err(failed(&self.path, &error)),
            }
        }
    }
}

/// TLS that trusts `authority_pem` alone.
pub(super) fn client_config(authority_pem: &str) -> Result<ClientConfig, ApiError> {
    let refused = |error: &dyn std::error::Error| ApiError::Authority(chain(error));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
        let certificate = certificate.map_err(|error| refused(&error))?;
        roots.add(certificate).map_err(|error| refused(&error))?;
    }
    if roots.is_empty() {
        return Err(ApiError::Authority("no certificate in it".to_owned()));
    }
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| refused(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth(),
    )
}

/// An error with its sources.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}
