//! A real control plane on the loopback: etcd, the API server and, as asked
//! for, the controller manager, the scheduler and kwok's pretended kubelets.

mod audit;
mod backup;
mod identity;

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::api::{Api, ApiError};
use super::assets::{Assets, AssetsError, KUBERNETES_VERSION};
use super::process::{Folder, Signal, Supervised};
use identity::{Identities, OWN_GROUP};

pub use audit::{AuditEvent, AuditUser, ObjectRef};
pub use backup::Backup;

/// How long a program has to start on a busy machine.
const START: Duration = Duration::from_secs(180);
/// How long it has to end before it is killed.
const STOP: Duration = Duration::from_secs(10);
/// How often a start is tried again when a port was taken meanwhile.
const TRIES: u32 = 4;

/// Why a plane does not run, or does not do what it was told.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaneError {
    /// The programs are not there.
    #[error(transparent)]
    Assets(#[from] AssetsError),
    /// A file, a port or a process could not be had.
    #[error("control plane: {0}")]
    Io(#[from] io::Error),
    /// The API server does not answer as it should.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// A program ended by itself.
    #[error("{program} ended ({status}):\n{log}")]
    Ended {
        /// The program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        log: String,
    },
    /// A program does not become ready.
    #[error("{program} was not ready after {seconds} s:\n{log}")]
    NotReady {
        /// The program.
        program: &'static str,
        /// How long it was waited for, in seconds.
        seconds: u64,
        /// The end of what it printed.
        log: String,
    },
    /// The program is not running.
    #[error("{0} is not running")]
    NotRunning(&'static str),
    /// The system gave no random bytes.
    #[error("no random bytes from the system")]
    Random,
}

/// What a plane is made of.
///
/// ```
/// use cloudoptim_aws::testing::plane::PlaneConfig;
///
/// // The API server alone, whose objects change only as the test says.
/// let bare = PlaneConfig::bare();
/// // With controllers, scheduler and nodes that pretend to run pods.
/// let full = PlaneConfig::full();
/// assert!(bare.stages.is_empty() && full.controllers);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlaneConfig {
    /// Whether the controller manager runs.
    pub controllers: bool,
    /// Whether the scheduler runs.
    pub scheduler: bool,
    /// The kwok stages, such as `pod/fast/pod-ready`; kwok runs if there is one.
    /// The module [`stages`] has sets that work.
    pub stages: Vec<String>,
    /// More flags of the API server, such as `--max-requests-inflight=5`.
    pub api_server_flags: Vec<String>,
    /// More flags of the controller manager, such as
    /// `--node-monitor-grace-period=20s`. It waits ten minutes by default: a
    /// node that this machine is too busy to keep alive would else take the
    /// readiness of its pods along, which nobody gives back as a kubelet does.
    pub controllers_flags: Vec<String>,
}

impl PlaneConfig {
    /// etcd and the API server.
    #[must_use]
    pub const fn bare() -> Self {
        Self {
            controllers: false,
            scheduler: false,
            stages: Vec::new(),
            api_server_flags: Vec::new(),
            controllers_flags: Vec::new(),
        }
    }

    /// The controller manager, the scheduler and kwok with [`stages::fast`] too.
    #[must_use]
    pub fn full() -> Self {
        Self::bare()
            .with_controllers()
            .with_scheduler()
            .with_stages(stages::fast())
    }

    /// With the controller manager.
    #[must_use]
    pub const fn with_controllers(mut self) -> Self {
        self.controllers = true;
        self
    }

    /// With the scheduler.
    #[must_use]
    pub const fn with_scheduler(mut self) -> Self {
        self.scheduler = true;
        self
    }

    /// With kwok and these stages instead of others.
    #[must_use]
    pub fn with_stages<S: Into<String>>(mut self, stages: impl IntoIterator<Item = S>) -> Self {
        self.stages = stages.into_iter().map(Into::into).collect();
        self
    }

    /// With one more flag of the API server.
    #[must_use]
    pub fn with_api_server_flag(mut self, flag: impl Into<String>) -> Self {
        self.api_server_flags.push(flag.into());
        self
    }

    /// With one more flag of the controller manager.
    #[must_use]
    pub fn with_controllers_flag(mut self, flag: impl Into<String>) -> Self {
        self.controllers_flags.push(flag.into());
        self
    }
}

/// Sets of kwok's stages, by the names under `kustomize/stage` of its module.
pub mod stages {
    /// Nodes become ready and keep their lease.
    pub const NODES: [&str; 2] = [
        "node/fast/node-initialize",
        "node/heartbeat-with-lease/node-heartbeat-with-lease",
    ];

    /// Pods run at once, jobs complete at once, and a deleted pod goes at once,
    /// whatever its grace.
    #[must_use]
    pub fn fast() -> Vec<&'static str> {
        let pods = [
            "pod/fast/pod-ready",
            "pod/fast/pod-complete",
            "pod/fast/pod-delete",
        ];
        [&NODES[..], &pods[..]].concat()
    }

    /// As [`fast`], but a deleted pod stays for its grace, as under a kubelet
    /// whose containers do not mind SIGTERM.
    #[must_use]
    pub fn graceful() -> Vec<&'static str> {
        let pods = [
            "pod/fast/pod-ready",
            "pod/fast/pod-complete",
            "pod/general/pod-delete",
        ];
        [&NODES[..], &pods[..]].concat()
    }

    /// As [`graceful`], and what is labelled for it fails a second or two after
    /// it ran: pods with `pod-container-running-failed.stage.kwok.x-k8s.io` and
    /// nodes with `node-not-ready.stage.kwok.x-k8s.io`, both `"true"`.
    #[must_use]
    pub fn chaos() -> Vec<&'static str> {
        [
            graceful(),
            vec![
                "pod/chaos/pod-container-running-failed",
                "node/chaos/node-not-ready",
            ],
        ]
        .concat()
    }

    /// Claims of the storage class `kwok-volume` are bound to volumes of their
    /// own; beside one of the others.
    #[must_use]
    pub fn volumes() -> Vec<&'static str> {
        vec![
            "volume/fast/pv-bind",
            "volume/fast/pv-delete",
            "volume/fast/pvc-delete",
            "volume/fast/pvc-provision",
        ]
    }
}

/// A running control plane. Dropping it ends every program and removes its
/// folder; so does the end of this process, however it ends.
///
/// Several may run at once. One that is kept in a `static` serves many tests.
pub struct Plane {
    // Dropped in this order: an API server whose etcd is gone does not end.
    kwok: Option<Supervised>,
    scheduler: Option<Supervised>,
    controllers: Option<Supervised>,
    api_server: Mutex<Option<Supervised>>,
    etcd: Mutex<Supervised>,
    identities: Identities,
    launch: Launch,
    launch_etcd: Launch,
    url: String,
    authority_pem: String,
    admin_token: String,
    world_token: String,
    folder: Folder,
}

impl fmt::Debug for Plane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the tokens.
        f.debug_struct("Plane")
            .field("url", &self.url)
            .field("folder", &self.folder.path())
            .finish_non_exhaustive()
    }
}

/// How a program is started, and started again.
#[derive(Debug, Clone)]
struct Launch {
    program: PathBuf,
    flags: Vec<OsString>,
    log: PathBuf,
}

impl Launch {
    fn start(&self) -> io::Result<Supervised> {
        Supervised::start(&self.program, &self.flags, &self.log)
    }
}

impl Plane {
    /// Finds or builds the programs, starts those that `config` names and
    /// returns when the API server is ready, some three seconds later.
    ///
    /// # Errors
    /// [`PlaneError::Assets`] without the programs; others when one of them
    /// does not start.
    pub async fn start(config: PlaneConfig) -> Result<Self, PlaneError> {
        let assets = tokio::task::spawn_blocking(Assets::find)
            .await
            .map_err(io::Error::other)??;
        Self::start_with(&assets, &config).await
    }

    /// The same with programs that have been found.
    ///
    /// # Errors
    /// As [`Plane::start`].
    pub async fn start_with(assets: &Assets, config: &PlaneConfig) -> Result<Self, PlaneError> {
        let mut tries = 1;
        loop {
            match Self::try_start(assets, config).await {
                Err(PlaneError::Ended { log, .. })
                    if tries < TRIES && log.contains("address already in use") =>
                {
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    async fn try_start(assets: &Assets, config: &PlaneConfig) -> Result<Self, PlaneError> {
        let folder = Folder::new("cloudoptim-plane-")?;
        let path = folder.path();
        let identities = Identities::start()?;
        let mut tokens = Vec::new();
        let mut rows = String::new();
        for (user, groups) in [
            ("admin", "system:masters"),
            ("world", "system:masters,cloudoptim:testing"),
            (
                "system:kube-controller-manager",
                "system:masters,cloudoptim:testing",
            ),
            ("system:kube-scheduler", "system:masters,cloudoptim:testing"),
            ("kwok", "system:masters,cloudoptim:testing"),
        ] {
            let token = identity::new_token()?;
            rows.push_str(&format!("{token},{user},{user},\"{groups}\"\n"));
            tokens.push(token);
        }
        debug_assert!(rows.contains(OWN_GROUP));
        let [
            admin_token,
            world_token,
            controllers_token,
            scheduler_token,
            kwok_token,
        ] = <[String; 5]>::try_from(tokens).map_err(|_| PlaneError::Random)?;
        let (signing_key, public_key) = identity::new_signing_key()?;
        for (name, text) in [
            ("tokens.csv", rows.as_str()),
            ("service-accounts.key", &signing_key),
            ("service-accounts.pub", &public_key),
            ("webhook.json", &identities.webhook_config().to_string()),
            ("audit-policy.json", audit::POLICY),
        ] {
            fs::write(path.join(name), text)?;
        }

        let etcd_url = format!("http://127.0.0.1:{}", free_port()?);
        let launch = |name: &str, flags: Vec<OsString>| Launch {
            program: assets.program(name),
            flags,
            log: path.join(format!("{name}.log")),
        };
        let launch_etcd = launch(
            "etcd",
            vec![
                flag("data-dir", path.join("etcd")),
                flag("listen-client-urls", &etcd_url),
                flag("advertise-client-urls", &etcd_url),
                flag(
                    "listen-peer-urls",
                    format!("http://127.0.0.1:{}", free_port()?),
                ),
                "--unsafe-no-fsync".into(),
                flag("log-level", "warn"),
            ],
        );
        let etcd = launch_etcd.start()?;

        let port = free_port()?;
        let certificates = path.join("certificates");
        let mut flags = vec![
            flag("etcd-servers", &etcd_url),
            flag("bind-address", "127.0.0.1"),
            flag("secure-port", port.to_string()),
            flag("cert-dir", &certificates),
            flag("service-account-issuer", "https://cloudoptim.test"),
            flag(
                "service-account-key-file",
                path.join("service-accounts.pub"),
            ),
            flag(
                "service-account-signing-key-file",
                path.join("service-accounts.key"),
            ),
            flag("token-auth-file", path.join("tokens.csv")),
            flag(
                "authentication-token-webhook-config-file",
                path.join("webhook.json"),
            ),
            flag("authentication-token-webhook-version", "v1"),
            flag("authentication-token-webhook-cache-ttl", "1s"),
            flag("authorization-mode", "RBAC"),
            // Pods need no token of their service account here.
            flag("disable-admission-plugins", "ServiceAccount"),
            flag("service-cluster-ip-range", "10.0.0.0/16"),
            flag("audit-policy-file", path.join("audit-policy.json")),
            flag("audit-log-path", path.join("audit.log")),
            // In mebibytes: never turned over, which would hide the earlier part.
            flag("audit-log-maxsize", "100000"),
        ];
        flags.extend(config.api_server_flags.iter().map(OsString::from));
        let launch_api_server = launch("kube-apiserver", flags);
        let api_server = launch_api_server.start()?;

        let mut plane = Self {
            kwok: None,
            scheduler: None,
            controllers: None,
            api_server: Mutex::new(Some(api_server)),
            etcd: Mutex::new(etcd),
            identities,
            launch: launch_api_server,
            launch_etcd,
            url: format!("https://127.0.0.1:{port}"),
            authority_pem: String::new(),
            admin_token,
            world_token,
            folder,
        };
        plane.authority_pem = plane
            .wait_for_authority(&certificates.join("apiserver.crt"))
            .await?;
        plane.wait_until_ready().await?;
        plane.write_kubeconfig("admin", &plane.admin_token)?;

        if config.controllers {
            let mut flags = vec![
                flag(
                    "kubeconfig",
                    plane.write_kubeconfig("controllers", &controllers_token)?,
                ),
                flag(
                    "service-account-private-key-file",
                    plane.folder.path().join("service-accounts.key"),
                ),
                flag("leader-elect", "false"),
                flag("secure-port", "0"),
                flag("cluster-cidr", "10.1.0.0/16"),
                flag("kube-api-qps", "1000"),
                flag("kube-api-burst", "2000"),
                flag("concurrent-replicaset-syncs", "20"),
                flag("node-monitor-grace-period", "10m"),
            ];
            flags.extend(config.controllers_flags.iter().map(OsString::from));
            plane.controllers = Some(plane.beside(assets, "kube-controller-manager", flags)?);
        }
        if config.scheduler {
            let flags = vec![
                flag(
                    "kubeconfig",
                    plane.write_kubeconfig("scheduler", &scheduler_token)?,
                ),
                flag("leader-elect", "false"),
                flag("secure-port", "0"),
                flag("kube-api-qps", "1000"),
                flag("kube-api-burst", "2000"),
            ];
            plane.scheduler = Some(plane.beside(assets, "kube-scheduler", flags)?);
        }
        if !config.stages.is_empty() {
            let mut flags = vec![
                flag("kubeconfig", plane.write_kubeconfig("kwok", &kwok_token)?),
                flag("manage-all-nodes", "true"),
                flag("node-lease-duration-seconds", "40"),
                flag("server-address", format!("127.0.0.1:{}", free_port()?)),
            ];
            flags.extend(
                config
                    .stages
                    .iter()
                    .map(|stage| flag("config", assets.stage(stage))),
            );
            plane.kwok = Some(plane.beside(assets, "kwok", flags)?);
        }
        Ok(plane)
    }

    fn beside(&self, assets: &Assets, name: &str, flags: Vec<OsString>) -> io::Result<Supervised> {
        let log = self.folder.path().join(format!("{name}.log"));
        Launch {
            program: assets.program(name),
            flags,
            log,
        }
        .start()
    }

    /// The API server's address, `https://127.0.0.1:port`; it outlives restarts.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority of the API server, as PEM.
    #[must_use]
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// The version that the API server reports.
    #[must_use]
    pub const fn version(&self) -> &'static str {
        KUBERNETES_VERSION
    }

    /// A kubeconfig of the user `admin`, who may do everything.
    #[must_use]
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.folder.path().join("admin.kubeconfig")
    }

    /// The token of the user `admin`, who may do everything.
    #[must_use]
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// A new token for a user of this name in these groups, who may do what
    /// RBAC grants them: nothing, as long as no binding does.
    ///
    /// # Errors
    /// [`PlaneError::Random`] if the system gives no random bytes.
    pub fn token_for(&self, user: &str, groups: &[&str]) -> Result<String, PlaneError> {
        self.identities.token_for(user, groups)
    }

    /// Makes a token unknown. The API server remembers it for a second more.
    pub fn revoke(&self, token: &str) {
        self.identities.revoke(token);
    }

    /// A kubeconfig with this token, to be written to a file.
    #[must_use]
    pub fn kubeconfig_for(&self, token: &str) -> String {
        self.kubeconfig_through(&self.url, token)
    }

    /// The same through another address, such as a proxy's.
    #[must_use]
    pub fn kubeconfig_through(&self, url: &str, token: &str) -> String {
        identity::kubeconfig(url, &self.authority_pem, token)
    }

    /// A client with the rights of `admin`.
    ///
    /// # Errors
    /// [`PlaneError::Api`] if the certificate authority cannot be used.
    pub fn admin(&self) -> Result<Api, PlaneError> {
        self.api(&self.admin_token)
    }

    /// A client with this token.
    ///
    /// # Errors
    /// [`PlaneError::Api`] if the certificate authority cannot be used.
    pub fn api(&self, token: &str) -> Result<Api, PlaneError> {
        Ok(Api::new(&self.url, &self.authority_pem, token)?)
    }

    /// A client with all rights whose reads are not in the audit log.
    pub(super) fn world_api(&self) -> Result<Api, PlaneError> {
        self.api(&self.world_token)
    }

    /// The certificate and the key that the API server shows, as PEM.
    pub(super) fn server_identity(&self) -> io::Result<(String, String)> {
        let certificates = self.folder.path().join("certificates");
        let read = |name: &str| fs::read_to_string(certificates.join(name));
        Ok((read("apiserver.crt")?, read("apiserver.key")?))
    }

    /// Every request that was answered so far and is worth a line, oldest
    /// first: not those that the plane's own programs read with, nor their
    /// events, leases and node heartbeats.
    ///
    /// # Errors
    /// [`PlaneError::Io`] if the log cannot be read.
    pub fn audit(&self) -> Result<Vec<AuditEvent>, PlaneError> {
        Ok(audit::read(&self.folder.path().join("audit.log"))?)
    }

    /// The audited requests of one user.
    ///
    /// # Errors
    /// [`PlaneError::Io`] if the log cannot be read.
    pub fn audit_of(&self, user: &str) -> Result<Vec<AuditEvent>, PlaneError> {
        let mut events = self.audit()?;
        events.retain(|event| event.user.username == user);
        Ok(events)
    }

    /// What a program has printed so far, such as `kube-scheduler`.
    ///
    /// # Errors
    /// [`PlaneError::Io`] if it never ran.
    pub fn log(&self, program: &str) -> Result<String, PlaneError> {
        Ok(fs::read_to_string(
            self.folder.path().join(format!("{program}.log")),
        )?)
    }

    /// The process ids of the running programs, by name.
    #[must_use]
    pub fn pids(&self) -> Vec<(&'static str, u32)> {
        let (etcd, api_server) = (self.etcd(), self.lock());
        [
            ("etcd", Some(&*etcd)),
            ("kube-apiserver", api_server.as_ref()),
            ("kube-controller-manager", self.controllers.as_ref()),
            ("kube-scheduler", self.scheduler.as_ref()),
            ("kwok", self.kwok.as_ref()),
        ]
        .into_iter()
        .filter_map(|(name, program)| Some((name, program?.pid())))
        .collect()
    }

    /// Freezes the API server: connections are taken and never answered.
    ///
    /// # Errors
    /// [`PlaneError::NotRunning`] if it is not running.
    pub fn pause(&self) -> Result<(), PlaneError> {
        self.signal(Signal::Stop)
    }

    /// Lets a frozen API server go on.
    ///
    /// # Errors
    /// [`PlaneError::NotRunning`] if it is not running.
    pub fn resume(&self) -> Result<(), PlaneError> {
        self.signal(Signal::Continue)
    }

    /// Kills the API server. Connections are reset, then refused.
    ///
    /// # Errors
    /// [`PlaneError::NotRunning`] if it is not running.
    pub fn kill(&self) -> Result<(), PlaneError> {
        let mut killed = self
            .lock()
            .take()
            .ok_or(PlaneError::NotRunning("kube-apiserver"))?;
        Ok(killed.kill()?)
    }

    /// Stops the API server as an upgrade does, unless it is dead already,
    /// starts it at the same address and returns when it is ready again.
    ///
    /// # Errors
    /// [`PlaneError::Ended`] or [`PlaneError::NotReady`] if it does not start.
    pub async fn restart(&self) -> Result<(), PlaneError> {
        self.stop_api_server().await?;
        *self.lock() = Some(self.launch.start()?);
        self.wait_until_ready().await
    }

    async fn stop_api_server(&self) -> Result<(), PlaneError> {
        let running = self.lock().take();
        if let Some(mut running) = running {
            tokio::task::spawn_blocking(move || running.stop(STOP))
                .await
                .map_err(io::Error::other)??;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Supervised>> {
        self.api_server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn etcd(&self) -> MutexGuard<'_, Supervised> {
        self.etcd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn signal(&self, signal: Signal) -> Result<(), PlaneError> {
        let not_running = PlaneError::NotRunning("kube-apiserver");
        self.lock()
            .as_mut()
            .ok_or(not_running)?
            .send(signal)
            .map_err(PlaneError::Io)
    }

    fn write_kubeconfig(&self, name: &str, token: &str) -> io::Result<PathBuf> {
        let path = self.folder.path().join(format!("{name}.kubeconfig"));
        fs::write(&path, self.kubeconfig_for(token))?;
        Ok(path)
    }

    /// The API server writes its certificate and then that of its authority.
    async fn wait_for_authority(&self, path: &Path) -> Result<String, PlaneError> {
        const END: &str = "-----END CERTIFICATE-----\n";
        self.wait(async || {
            let text = fs::read_to_string(path).unwrap_or_default();
            match text.split_inclusive(END).collect::<Vec<_>>()[..] {
                [_, authority, ..] if authority.ends_with(END) => Some(authority.to_owned()),
                _ => None,
            }
        })
        .await
    }

    async fn wait_until_ready(&self) -> Result<(), PlaneError> {
        let api = self.world_api()?;
        self.wait(async || {
            let ready = tokio::time::timeout(Duration::from_secs(5), api.get("/readyz")).await;
            matches!(ready, Ok(Ok(answer)) if answer.status == 200).then_some(())
        })
        .await
    }

    /// Asks until there is an answer, while etcd and the API server run.
    async fn wait<T>(&self, mut ask: impl AsyncFnMut() -> Option<T>) -> Result<T, PlaneError> {
        const STEP: Duration = Duration::from_millis(50);
        let seconds = START.as_secs();
        let asking = async {
            loop {
                if let Some(found) = ask().await {
                    return Ok(found);
                }
                // Its death is the reason why the other does not get ready.
                ended("etcd", &mut self.etcd())?;
                match self.lock().as_mut() {
                    Some(api_server) => ended("kube-apiserver", api_server)?,
                    None => return Err(PlaneError::NotRunning("kube-apiserver")),
                }
                tokio::time::sleep(STEP).await;
            }
        };
        match tokio::time::timeout(START, asking).await {
            Ok(done) => done,
            Err(_) => Err(PlaneError::NotReady {
                program: "kube-apiserver",
                seconds,
                log: tail(&self.launch.log),
            }),
        }
    }
}

fn ended(program: &'static str, process: &mut Supervised) -> Result<(), PlaneError> {
    match process.exited()? {
        None => Ok(()),
        Some(status) => Err(PlaneError::Ended {
            program,
            status: status.to_string(),
            log: tail(process.log()),
        }),
    }
}

/// The end of a log, at most 4,000 characters.
fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&text[text.len().saturating_sub(4000)..]).into_owned()
}

fn flag(name: &str, value: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value);
    flag
}

/// A port that nobody listens on, below those that the system gives to
/// outgoing connections: a client that reconnects would else take it, or meet
/// itself on it, while the API server restarts.
fn free_port() -> io::Result<u16> {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 15_000;
    for _ in 0..100 {
        let drawn = RandomState::new().build_hasher().finish() % u64::from(COUNT);
        let port = FIRST + u16::try_from(drawn).unwrap_or_default();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err(io::Error::new(
        io::ErrorKind::AddrInUse,
        "no free port in a hundred tries",
    ))
}
