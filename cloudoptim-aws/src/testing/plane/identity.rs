//! Who may ask: tokens, and the webhook that knows them.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use super::super::server::Server;
use super::PlaneError;

/// The group of the plane's own programs and of those who make its worlds.
pub(super) const OWN_GROUP: &str = "cloudoptim:testing";

#[derive(Debug, Clone)]
struct User {
    name: String,
    groups: Vec<String>,
}

/// The tokens that were given out, by token.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<BTreeMap<String, User>>>);

/// Answers the API server's questions about tokens.
pub(super) struct Identities {
    tokens: Tokens,
    server: Server,
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the tokens.
        f.debug_struct("Identities").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Identities {
    pub(super) fn start() -> Result<Self, PlaneError> {
        let tokens = Tokens::default();
        let known = tokens.clone();
        let server = Server::start("identities", move |stream| {
            let known = known.clone();
            async move {
                let service = service_fn(move |request| {
                    let known = known.clone();
                    async move { Ok::<_, Infallible>(review(&known, request).await) }
                });
                // A connection that breaks is the asker's to repeat.
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }
        })?;
        Ok(Self { tokens, server })
    }

    /// What the API server reads to find this.
    pub(super) fn webhook_config(&self) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config",
            "clusters": [{"name": "webhook", "cluster": {"server": format!("http://{}/", self.server.address())}}],
            "users": [{"name": "none", "user": {}}],
            "contexts": [{"name": "webhook", "context": {"cluster": "webhook", "user": "none"}}],
            "current-context": "webhook",
        })
    }

    pub(super) fn token_for(&self, name: &str, groups: &[&str]) -> Result<String, PlaneError> {
        let token = new_token()?;
        let user = User { name: name.to_owned(), groups: groups.iter().map(|&group| group.to_owned()).collect() };
        self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner).insert(token.clone(), user);
        Ok(token)
    }

    pub(super) fn revoke(&self, token: &str) {
        self.tokens.0.lock().unwrap_or_else(PoisonError::into_inner).remove(token);
    }
}

async fn review(known: &Tokens, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = asked.pointer("/spec/token").and_then(Value::as_str).unwrap_or_default();
    let user = known.0.lock().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
    let status = match user {
        None => json!({"authenticated": false}),
        Some(user) => json!({
            "authenticated": true,
            "user": {"username": user.name, "uid": user.name, "groups": user.groups},
        }),
    };
    let answer = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status});
    Response::new(Full::new(answer.to_string().into()))
}

pub(super) fn new_token() -> Result<String, PlaneError> {
    let mut bytes = [0; 24];
    SystemRandom::new().fill(&mut bytes).map_err(|_| PlaneError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// A key for service account tokens: private and public, as PEM.
pub(super) fn new_signing_key() -> Result<(String, String), PlaneError> {
    // SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point.
    const PUBLIC_KEY_HEADER: [u8; 26] = [
        0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
        0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
    ];
    let random = SystemRandom::new();
    let private = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)
        .map_err(|_| PlaneError::Random)?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, private.as_ref(), &random)
        .map_err(|_| PlaneError::Random)?;
    let public = [&PUBLIC_KEY_HEADER, pair.public_key().as_ref()].concat();
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public)))
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        lines.push(line.to_owned());
        rest = more;
    }
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}

/// A kubeconfig with one cluster, one user, one context.
pub(super) fn kubeconfig(url: &str, authority_pem: &str, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config",
        "clusters": [{"name": "plane", "cluster": {
            "server": url, "certificate-authority-data": STANDARD.encode(authority_pem),
        }}],
        "users": [{"name": "user", "user": {"token": token}}],
        "contexts": [{"name": "plane", "context": {"cluster": "plane", "user": "user"}}],
        "current-context": "plane",
    })
    .to_string()
}
