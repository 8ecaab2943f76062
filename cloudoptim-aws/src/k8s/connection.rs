//! How to reach a cluster: who is asked, as whom, and what is refused.

use super::client::{ActClient, ActMode, ReadClient};
use super::kubeconfig::{self, Found};
use super::wire::Wire;
use cloudoptim_core::model::ClusterUid;
use cloudoptim_core::providers::ProviderError;
use sha2::{Digest, Sha256};
use std::fmt;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// What a connection may do, and which parts of a kubeconfig are let in.
///
/// The default trusts nothing: whoever can write a kubeconfig could otherwise
/// run programs, read files or redirect requests.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Context of the kubeconfig. Without it, its current one.
    pub context: Option<String>,
    /// Lets a kubeconfig run a program for its credentials (`exec`).
    pub allow_exec: bool,
    /// Lets a kubeconfig use a legacy `auth-provider`, which may run a program.
    pub allow_auth_provider: bool,
    /// Lets a kubeconfig skip the check of the server's certificate.
    pub allow_insecure_tls: bool,
    /// Lets a kubeconfig name an `http://` server. Credentials then travel open.
    pub allow_plain_http: bool,
    /// Lets a kubeconfig name files outside its own directory.
    pub allow_files_outside: bool,
    /// Lets a kubeconfig name a proxy (`proxy-url`, `http://` only).
    pub allow_proxy_url: bool,
    /// Uses the proxy of `HTTPS_PROXY` where the kubeconfig names none. Without
    /// it the environment is not looked at.
    pub proxy_from_env: bool,
    /// SHA-256 of the certificate authorities, in hex over each one's DER form.
    /// When any is given, every authority of the connection must be among them.
    pub ca_sha256: Vec<String>,
    /// Uid of the cluster's `kube-system` namespace. Another one is refused.
    pub cluster_uid: Option<ClusterUid>,
    /// How long to wait.
    pub timeouts: Timeouts,
    /// Most requests in flight at once. Default 8, at least 1.
    pub max_in_flight: usize,
    /// Most bytes of one answer. Default 64 MiB.
    pub max_answer_bytes: usize,
    /// Name and version of the program that embeds this one, for the user agent.
    pub host_agent: Option<String>,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            context: None,
            allow_exec: false,
            allow_auth_provider: false,
            allow_insecure_tls: false,
            allow_plain_http: false,
            allow_files_outside: false,
            allow_proxy_url: false,
            proxy_from_env: false,
            ca_sha256: Vec::new(),
            cluster_uid: None,
            timeouts: Timeouts::default(),
            // Enough to hide a round trip, and far below the fair share of one
            // client in the API server's default priority level.
            max_in_flight: 8,
            max_answer_bytes: 64 << 20,
            host_agent: None,
        }
    }
}

/// How long one request may take. Every wait has an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Until a TCP connection stands. Default 10 s.
    pub connect: Duration,
    /// Until the head of the answer is there, TLS included. Default 60 s: the
    /// API server itself gives up after that.
    pub head: Duration,
    /// Between two parts of the answer. Default 20 s.
    pub idle: Duration,
    /// For all of it. Default 120 s.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            head: Duration::from_secs(60),
            idle: Duration::from_secs(20),
            total: Duration::from_secs(120),
        }
    }
}

/// Why there is no connection. Names the file and the field, never a value
/// that may be secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// There is no kubeconfig, and this is no pod either.
    #[error("no kubeconfig: {tried}")]
    Missing {
        /// What was looked for.
        tried: String,
    },
    /// A file cannot be read.
    #[error("{file}: {why}")]
    Unreadable {
        /// File.
        file: String,
        /// Why.
        why: String,
    },
    /// A field is missing, wrong, or names something that is missing.
    #[error("{file}: {field}: {why}")]
    Field {
        /// File.
        file: String,
        /// Field, such as `users[admin].user.tokenFile`.
        field: String,
        /// What is wrong.
        why: String,
    },
    /// A field asks for something that the options do not allow.
    #[error("{file}: {field}: {asks}; set {option} to allow it")]
    Refused {
        /// File.
        file: String,
        /// Field.
        field: String,
        /// What it asks for.
        asks: String,
        /// The option that allows it.
        option: &'static str,
    },
    /// The certificate authority is not the pinned one.
    #[error("{file}: {field}: the certificate authority {found} is not among ca_sha256")]
    OtherAuthority {
        /// File.
        file: String,
        /// Field.
        field: String,
        /// SHA-256 of the one that was found.
        found: String,
    },
    /// An option is wrong.
    #[error("{option}: {why}")]
    Option {
        /// Option.
        option: &'static str,
        /// What is wrong.
        why: String,
    },
}

mod sealed {
    pub trait Sealed {}
}

/// What a connection is for.
pub trait Role: sealed::Sealed + fmt::Debug + Send + Sync + 'static {}

/// For reading only.
#[derive(Debug, Clone, Copy)]
pub enum Reading {}

/// For acting only.
#[derive(Debug, Clone, Copy)]
pub enum Acting {}

impl sealed::Sealed for Reading {}
impl sealed::Sealed for Acting {}
impl Role for Reading {}
impl Role for Acting {}

/// A way to one cluster as one user.
///
/// Nothing is sent before a client makes a request, except by a program that
/// [`ConnectOptions::allow_exec`] lets run when a client is made.
pub struct Connection<R: Role> {
    config: kube::Config,
    authorities: Vec<String>,
    proxy: Option<http::Uri>,
    options: ConnectOptions,
    file: String,
    role: PhantomData<fn() -> R>,
}

impl<R: Role> Clone for Connection<R> {
    fn clone(&self) -> Self {
        Self {
            config: self.config.clone(),
            authorities: self.authorities.clone(),
            proxy: self.proxy.clone(),
            options: self.options.clone(),
            file: self.file.clone(),
            role: PhantomData,
        }
    }
}

// By hand: kube's configuration holds credentials.
impl<R: Role> fmt::Debug for Connection<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("role", &std::any::type_name::<R>())
            .field("file", &self.file)
            .field("server", &self.server())
            .field("authorities", &self.authorities)
            .finish_non_exhaustive()
    }
}

impl<R: Role> Connection<R> {
    /// From a kubeconfig file.
    ///
    /// # Errors
    /// [`ConnectError`] that names the file and the field.
    pub fn from_path(path: &Path, options: ConnectOptions) -> Result<Self, ConnectError> {
        let file = kubeconfig::File::read(path)?;
        Self::found(kubeconfig::resolve(&[file], &options)?, options)
    }

    /// From the bytes of a kubeconfig; `name` stands in errors. It can name no
    /// files, as there is no directory that they could be in.
    ///
    /// # Errors
    /// [`ConnectError`] that names the field.
    pub fn from_bytes(
        name: &str,
        bytes: &[u8],
        options: ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let file = kubeconfig::File::parse(name, bytes, None)?;
        Self::found(kubeconfig::resolve(&[file], &options)?, options)
    }

    /// As `kubectl` would: the files of `KUBECONFIG`, else `.kube/config` in the
    /// home directory, else from inside a cluster.
    ///
    /// # Errors
    /// [`ConnectError::Missing`] says what was looked for.
    pub fn from_environment(options: ConnectOptions) -> Result<Self, ConnectError> {
        let named = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
        let (paths, all_must_exist): (Vec<PathBuf>, bool) = match &named {
            Some(value) => (
                std::env::split_paths(value)
                    .filter(|path| !path.as_os_str().is_empty())
                    .collect(),
                true,
            ),
            None => (
                std::env::home_dir()
                    .map(|home| home.join(".kube").join("config"))
                    .into_iter()
                    .collect(),
                false,
            ),
        };
        let mut files = Vec::new();
        for path in &paths {
            if all_must_exist || path.exists() {
                files.push(kubeconfig::File::read(path)?);
            }
        }
        if !files.is_empty() {
            return Self::found(kubeconfig::resolve(&files, &options)?, options);
        }
        if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() {
            return Self::in_cluster(options);
        }
        let tried: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        Err(ConnectError::Missing {
            tried: format!(
                "KUBECONFIG is {}, {} does not exist, and this does not run in a pod",
                if named.is_some() { "empty" } else { "not set" },
                if tried.is_empty() {
                    "a home directory".to_owned()
                } else {
                    tried.join(", ")
                },
            ),
        })
    }

    /// From inside a pod, as its service account.
    ///
    /// # Errors
    /// [`ConnectError::Unreadable`] when this is no pod.
    pub fn in_cluster(options: ConnectOptions) -> Result<Self, ConnectError> {
        Self::found(kubeconfig::in_cluster(&options)?, options)
    }

    fn found(found: Found, options: ConnectOptions) -> Result<Self, ConnectError> {
        let Found {
            mut config,
            file,
            ca_field,
            proxy,
        } = found;
        if options.max_in_flight == 0 {
            return Err(ConnectError::Option {
                option: "max_in_flight",
                why: "must be at least 1, got 0".to_owned(),
            });
        }
        let authorities: Vec<String> = config
            .root_cert
            .iter()
            .flatten()
            .map(|der| hex(&Sha256::digest(der)))
            .collect();
        check_pins(&options.ca_sha256, &authorities, &file, &ca_field)?;
        if !options.ca_sha256.is_empty() {
            // A bundle that is read again later would not be checked again.
            config.root_cert_file = None;
        }
        Ok(Self {
            config,
            authorities,
            proxy,
            options,
            file,
            role: PhantomData,
        })
    }

    /// Scheme, host and port of the server.
    pub fn server(&self) -> String {
        let url = &self.config.cluster_url;
        format!(
            "{}://{}",
            url.scheme_str().unwrap_or("https"),
            url.authority().map_or("", http::uri::Authority::as_str)
        )
    }

    /// SHA-256 in hex of every certificate authority that is trusted, to be
    /// pinned with [`ConnectOptions::ca_sha256`]. Empty when the system's are.
    pub fn authorities(&self) -> &[String] {
        &self.authorities
    }

    /// The namespace of the context, `default` where it has none.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }

    fn wire(&self, suffix: Option<&str>, keep_idle: Duration) -> Result<Wire, ConnectError> {
        let mut agent = format!("cloudoptim/{}", env!("CARGO_PKG_VERSION"));
        if let Some(plan) = suffix {
            agent = format!("{agent} (plan {plan})");
        }
        if let Some(host) = &self.options.host_agent {
            agent = format!("{agent} {host}");
        }
        let agent = http::HeaderValue::from_str(&agent).map_err(|_| ConnectError::Option {
            option: "host_agent",
            why: "is no part of a header: only visible ASCII".to_owned(),
        })?;
        Wire::new(
            &self.config,
            self.proxy.clone(),
            agent,
            &self.options,
            keep_idle,
        )
        .map_err(|why| ConnectError::Unreadable {
            file: self.file.clone(),
            why,
        })
    }
}

impl Connection<Reading> {
    /// A client that can only read.
    ///
    /// # Errors
    /// [`ConnectError`] when credentials cannot be used.
    pub fn client(&self) -> Result<ReadClient, ConnectError> {
        let wire = self.wire(None, Duration::from_secs(30))?;
        Ok(ReadClient::new(
            Arc::new(wire),
            self.options.cluster_uid.clone(),
        ))
    }
}

impl Connection<Acting> {
    /// A client that can only change things, for one plan, whose id stands in
    /// the user agent of every request and so in the server's audit log.
    ///
    /// With [`ConnectOptions::cluster_uid`] it first reads the uid of
    /// `kube-system`, for which the acting user needs `get` on that namespace.
    ///
    /// # Errors
    /// [`ProviderError::Conflict`] when the cluster is another one than pinned,
    /// and any other when that cannot be found out.
    pub async fn client(&self, plan: &str, mode: ActMode) -> Result<ActClient, ProviderError> {
        // A connection that nobody used for longer is opened anew: the server
        // or a balancer may have dropped it, and a change that is sent into a
        // dead connection leaves nobody knowing whether it was made.
        let wire = self
            .wire(Some(plan), Duration::from_secs(5))
            .map_err(super::client::not_connected)?;
        let client = ActClient::new(Arc::new(wire), mode);
        if let Some(pinned) = &self.options.cluster_uid {
            client.check_cluster(pinned).await?;
        }
        Ok(client)
    }
}

fn check_pins(
    pins: &[String],
    found: &[String],
    file: &str,
    field: &str,
) -> Result<(), ConnectError> {
    if pins.is_empty() {
        return Ok(());
    }
    let pins: Vec<String> = pins.iter().map(|pin| normal_pin(pin)).collect();
    if let Some(bad) = pins
        .iter()
        .find(|pin| pin.len() != 64 || !pin.bytes().all(|b| b.is_ascii_hexdigit()))
    {
        return Err(ConnectError::Option {
            option: "ca_sha256",
            why: format!("must be 64 hex digits, got {bad}"),
        });
    }
    if found.is_empty() {
        return Err(ConnectError::Field {
            file: file.to_owned(),
            field: field.to_owned(),
            why: "missing, and ca_sha256 pins one".to_owned(),
        });
    }
    match found.iter().find(|one| !pins.contains(one)) {
        None => Ok(()),
        Some(other) => Err(ConnectError::OtherAuthority {
            file: file.to_owned(),
            field: field.to_owned(),
            found: other.clone(),
        }),
    }
}

/// Also takes the form that `openssl x509 -fingerprint` prints.
fn normal_pin(pin: &str) -> String {
    let pin = pin.trim().to_ascii_lowercase();
    pin.strip_prefix("sha256:").unwrap_or(&pin).replace(':', "")
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
