//! Kubeconfig files, read as what they are: input that somebody else wrote.

use super::connection::{ConnectError, ConnectOptions};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig};
use std::path::{Path, PathBuf};

/// Kubeconfigs and the files that they name are small.
const MOST_BYTES: u64 = 4 << 20;

/// A kubeconfig with the directory that its paths are relative to.
pub(super) struct File {
    name: String,
    dir: Option<PathBuf>,
    config: Kubeconfig,
}

/// What a connection is made of.
pub(super) struct Found {
    pub(super) config: kube::Config,
    pub(super) file: String,
    /// Where the certificate authority is named.
    pub(super) ca_field: String,
    pub(super) proxy: Option<http::Uri>,
}

impl File {
    pub(super) fn read(path: &Path) -> Result<Self, ConnectError> {
        let name = path.display().to_string();
        let bytes = read_small(path).map_err(|why| ConnectError::Unreadable {
            file: name.clone(),
            why,
        })?;
        let dir = match path.parent() {
            Some(dir) if dir.as_os_str().is_empty() => Path::new("."),
            Some(dir) => dir,
            None => Path::new("."),
        };
        Self::parse(&name, &bytes, Some(dir))
    }

    pub(super) fn parse(
        name: &str,
        bytes: &[u8],
        dir: Option<&Path>,
    ) -> Result<Self, ConnectError> {
        let unreadable = |why: String| ConnectError::Unreadable {
            file: name.to_owned(),
            why,
        };
        if u64::try_from(bytes.len()).map_or(true, |length| length > MOST_BYTES) {
            return Err(unreadable(format!("larger than {MOST_BYTES} bytes")));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| unreadable("not UTF-8".to_owned()))?;
        let config =
            Kubeconfig::from_yaml(text).map_err(|error| unreadable(parse_error(&error)))?;
        let named = !config.clusters.is_empty() || !config.contexts.is_empty();
        if !named && config.current_context.is_none() && config.kind.as_deref() != Some("Config") {
            return Err(unreadable("not a kubeconfig".to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            dir: dir.map(Path::to_path_buf),
            config,
        })
    }

    fn field(&self, field: &str, why: impl Into<String>) -> ConnectError {
        ConnectError::Field {
            file: self.name.clone(),
            field: field.to_owned(),
            why: why.into(),
        }
    }

    fn refused(&self, field: &str, asks: &str, option: &'static str) -> ConnectError {
        ConnectError::Refused {
            file: self.name.clone(),
            field: field.to_owned(),
            asks: asks.to_owned(),
            option,
        }
    }

    /// The path of a file that a field names, if the field may name it.
    fn path(
        &self,
        field: &str,
        path: &str,
        options: &ConnectOptions,
    ) -> Result<PathBuf, ConnectError> {
        let outside = |asks: &str| self.refused(field, asks, "allow_files_outside");
        let Some(dir) = &self.dir else {
            if options.allow_files_outside && Path::new(path).is_absolute() {
                return Ok(PathBuf::from(path));
            }
            return Err(outside(
                "names a file, but this kubeconfig has no directory",
            ));
        };
        let joined = dir.join(path);
        if options.allow_files_outside {
            return Ok(joined);
        }
        // Resolved, so that neither `..` nor a link leads out.
        let real = joined.canonicalize().map_err(|error| {
            self.field(field, format!("{}: {}", joined.display(), error.kind()))
        })?;
        let dir = dir
            .canonicalize()
            .map_err(|error| self.field(field, format!("{}: {}", dir.display(), error.kind())))?;
        if real.starts_with(&dir) {
            Ok(real)
        } else {
            Err(outside("names a file outside the kubeconfig's directory"))
        }
    }

    /// What stands in a field, or in the file that another field names.
    fn data(
        &self,
        inline: (&str, Option<&str>),
        file: (&str, Option<&str>),
        options: &ConnectOptions,
    ) -> Result<Option<Vec<u8>>, ConnectError> {
        if let (field, Some(text)) = inline {
            // The decoder's own message would show the value.
            let bytes = STANDARD
                .decode(text.trim())
                .map_err(|_| self.field(field, "is not base64"))?;
            return Ok(Some(bytes));
        }
        let (field, Some(path)) = file else {
            return Ok(None);
        };
        let path = self.path(field, path, options)?;
        let bytes = read_small(&path)
            .map_err(|why| self.field(field, format!("{}: {why}", path.display())))?;
        Ok(Some(bytes))
    }
}

fn read_small(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read;
    let file = std::fs::File::open(path).map_err(|error| error.kind().to_string())?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| error.kind().to_string())?;
    if u64::try_from(bytes.len()).map_or(true, |length| length > MOST_BYTES) {
        return Err(format!("larger than {MOST_BYTES} bytes"));
    }
    Ok(bytes)
}

/// Where a text is no kubeconfig. The parser's own message quotes the text.
fn parse_error(error: &kube::config::KubeconfigError) -> String {
    use kube::config::KubeconfigError as E;
    match error {
        E::Parse(error) => match error.location() {
            Some(at) => format!(
                "not a kubeconfig: line {}, column {}",
                at.line(),
                at.column()
            ),
            None => "not a kubeconfig".to_owned(),
        },
        E::KindMismatch | E::ApiVersionMismatch => "documents of several kinds".to_owned(),
        _ => "not a kubeconfig".to_owned(),
    }
}

/// The first file that has an entry of that name; the first wins, as in kubectl.
fn find<'f, T>(
    files: &'f [File],
    get: impl Fn(&'f Kubeconfig) -> Option<&'f T>,
) -> Option<(&'f File, &'f T)> {
    files
        .iter()
        .find_map(|file| get(&file.config).map(|found| (file, found)))
}

/// Finds context, cluster and user, and checks what they ask for.
pub(super) fn resolve(files: &[File], options: &ConnectOptions) -> Result<Found, ConnectError> {
    let names: Vec<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let everywhere = names.join(", ");
    let missing = |field: String, why: String| ConnectError::Field {
        file: everywhere.clone(),
        field,
        why,
    };
    let context_name = match &options.context {
        Some(name) => name.clone(),
        None => files
            .iter()
            .find_map(|file| file.config.current_context.clone())
            .filter(|name| !name.is_empty())
            .ok_or_else(|| missing("current-context".to_owned(), not_set(files)))?,
    };
    let (context_file, context): (&File, &Context) = find(files, |config| {
        let named = config.contexts.iter().find(|c| c.name == context_name)?;
        named.context.as_ref()
    })
    .ok_or_else(|| missing(format!("contexts[{context_name}]"), not_there(files)))?;
    let cluster_name = &context.cluster;
    let (cluster_file, cluster): (&File, &Cluster) = find(files, |config| {
        let named = config.clusters.iter().find(|c| &c.name == cluster_name)?;
        named.cluster.as_ref()
    })
    .ok_or_else(|| {
        context_file.field(
            &format!("contexts[{context_name}].context.cluster"),
            format!("there is no cluster {cluster_name}"),
        )
    })?;
    let user_name = context.user.clone().unwrap_or_default();
    let found_user = find(files, |config| {
        let named = config.auth_infos.iter().find(|u| u.name == user_name)?;
        named.auth_info.as_ref()
    });
    let nobody = AuthInfo::default();
    let (user_file, user): (&File, &AuthInfo) = match found_user {
        Some(found) => found,
        None if user_name.is_empty() => (context_file, &nobody),
        None => {
            return Err(context_file.field(
                &format!("contexts[{context_name}].context.user"),
                format!("there is no user {user_name}"),
            ));
        }
    };

    let at = format!("clusters[{cluster_name}].cluster");
    let mut config = server(cluster_file, &at, cluster, options)?;
    let ca_field = format!("{at}.certificate-authority");
    config.root_cert = authorities(cluster_file, &at, cluster, options)?;
    config.tls_server_name.clone_from(&cluster.tls_server_name);
    if let Some(namespace) = &context.namespace {
        config.default_namespace.clone_from(namespace);
    }
    if cluster.insecure_skip_tls_verify == Some(true) {
        if !options.allow_insecure_tls {
            return Err(cluster_file.refused(
                &format!("{at}.insecure-skip-tls-verify"),
                "trusts any server",
                "allow_insecure_tls",
            ));
        }
        config.accept_invalid_certs = true;
    }
    let proxy = proxy(cluster_file, &at, cluster, options)?;
    config.auth_info = credentials(user_file, &user_name, user, cluster, options)?;
    Ok(Found {
        config,
        file: cluster_file.name.clone(),
        ca_field,
        proxy,
    })
}

fn contexts(files: &[File]) -> Vec<&str> {
    let all = files.iter().flat_map(|file| &file.config.contexts);
    all.map(|named| named.name.as_str()).collect()
}

fn not_set(files: &[File]) -> String {
    match contexts(files).as_slice() {
        [] => "missing, and there are no contexts".to_owned(),
        some => format!("missing: choose one of {}", some.join(", ")),
    }
}

fn not_there(files: &[File]) -> String {
    match contexts(files).as_slice() {
        [] => "there are no contexts".to_owned(),
        some => format!("there is no such context, only {}", some.join(", ")),
    }
}

/// A configuration with nothing but the server.
fn server(
    file: &File,
    at: &str,
    cluster: &Cluster,
    options: &ConnectOptions,
) -> Result<kube::Config, ConnectError> {
    let field = format!("{at}.server");
    let text = cluster.server.as_deref().unwrap_or_default();
    if text.is_empty() {
        return Err(file.field(&field, "missing"));
    }
    let url: http::Uri = text
        .parse()
        .map_err(|_| file.field(&field, "is not a URL"))?;
    if url
        .authority()
        .is_some_and(|authority| authority.as_str().contains('@'))
    {
        return Err(file.field(&field, "holds a user: credentials belong under users"));
    }
    match (url.scheme_str(), url.host()) {
        (_, None | Some("")) => return Err(file.field(&field, "has no host")),
        (Some("https"), _) => {}
        (Some("http"), _) if options.allow_plain_http => {}
        (Some("http"), _) => {
            return Err(file.refused(&field, "is not encrypted", "allow_plain_http"));
        }
        _ => return Err(file.field(&field, "must begin with https://")),
    }
    Ok(kube::Config::new(url))
}

fn authorities(
    file: &File,
    at: &str,
    cluster: &Cluster,
    options: &ConnectOptions,
) -> Result<Option<Vec<Vec<u8>>>, ConnectError> {
    let inline = format!("{at}.certificate-authority-data");
    let path = format!("{at}.certificate-authority");
    let data = file.data(
        (&inline, cluster.certificate_authority_data.as_deref()),
        (&path, cluster.certificate_authority.as_deref()),
        options,
    )?;
    let Some(pem) = data else {
        return Ok(None);
    };
    let field = match cluster.certificate_authority_data {
        Some(_) => &inline,
        None => &path,
    };
    let found = certificates(&pem);
    if found.is_empty() {
        // Without one, kube would trust the system's instead.
        return Err(file.field(field, "holds no certificate"));
    }
    Ok(Some(found))
}

/// DER of every certificate of a PEM text.
pub(super) fn certificates(pem: &[u8]) -> Vec<Vec<u8>> {
    pem::parse_many(pem)
        .unwrap_or_default()
        .into_iter()
        .filter(|part| part.tag() == "CERTIFICATE")
        .map(pem::Pem::into_contents)
        .collect()
}

fn proxy(
    file: &File,
    at: &str,
    cluster: &Cluster,
    options: &ConnectOptions,
) -> Result<Option<http::Uri>, ConnectError> {
    let stated = cluster.proxy_url.as_deref().filter(|url| !url.is_empty());
    if let Some(url) = stated {
        let field = format!("{at}.proxy-url");
        if !options.allow_proxy_url {
            return Err(file.refused(
                &field,
                "sends every request through a proxy",
                "allow_proxy_url",
            ));
        }
        return match url.parse::<http::Uri>() {
            Ok(url) if url.scheme_str() == Some("http") => Ok(Some(url)),
            _ => Err(file.field(&field, "must begin with http://")),
        };
    }
    proxy_of_environment(options)
}

pub(super) fn proxy_of_environment(
    options: &ConnectOptions,
) -> Result<Option<http::Uri>, ConnectError> {
    if !options.proxy_from_env {
        return Ok(None);
    }
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let Some(value) = std::env::var(name).ok().filter(|v| !v.is_empty()) else {
            continue;
        };
        return match value.parse::<http::Uri>() {
            Ok(url) if url.scheme_str() == Some("http") => Ok(Some(url)),
            _ => Err(ConnectError::Option {
                option: "proxy_from_env",
                why: format!("{name} must begin with http://"),
            }),
        };
    }
    Ok(None)
}

/// Only what was checked; every file but a token's is read here, so that
/// nothing else opens one.
fn credentials(
    file: &File,
    name: &str,
    user: &AuthInfo,
    cluster: &Cluster,
    options: &ConnectOptions,
) -> Result<AuthInfo, ConnectError> {
    let at = |field: &str| format!("users[{name}].user.{field}");
    let mut out = AuthInfo {
        username: user.username.clone(),
        password: user.password.clone(),
        token: user.token.clone(),
        impersonate: user.impersonate.clone(),
        impersonate_uid: user.impersonate_uid.clone(),
        impersonate_groups: user.impersonate_groups.clone(),
        impersonate_user_extra: user.impersonate_user_extra.clone(),
        ..AuthInfo::default()
    };
    if let Some(exec) = &user.exec {
        if !options.allow_exec {
            return Err(file.refused(&at("exec"), "runs a program", "allow_exec"));
        }
        let mut exec = exec.clone();
        if exec.provide_cluster_info {
            // kube reads the authority's file to hand it over.
            let mut cluster = cluster.clone();
            if let Some(path) = &cluster.certificate_authority {
                let path = file.path("certificate-authority", path, options)?;
                cluster.certificate_authority = path.to_str().map(str::to_owned);
            }
            exec.cluster = (&cluster).try_into().ok();
        }
        if let (Some(command), Some(dir)) = (&exec.command, &file.dir)
            && command.contains(std::path::MAIN_SEPARATOR)
        {
            exec.command = dir.join(command).to_str().map(str::to_owned);
        }
        out.exec = Some(exec);
    }
    if let Some(provider) = &user.auth_provider {
        if !options.allow_auth_provider {
            return Err(file.refused(
                &at("auth-provider"),
                "uses a legacy plug-in, which may run a program",
                "allow_auth_provider",
            ));
        }
        out.auth_provider = Some(provider.clone());
    }
    if let (None, Some(path)) = (&user.token, &user.token_file) {
        let field = at("tokenFile");
        let path = file.path(&field, path, options)?;
        read_small(&path)
            .map_err(|why| file.field(&field, format!("{}: {why}", path.display())))?;
        let Some(path) = path.to_str() else {
            return Err(file.field(&field, "is a path that is not UTF-8"));
        };
        out.token_file = Some(path.to_owned());
    }
    let certificate = file.data(
        (
            &at("client-certificate-data"),
            user.client_certificate_data.as_deref(),
        ),
        (
            &at("client-certificate"),
            user.client_certificate.as_deref(),
        ),
        options,
    )?;
    let key = {
        use secrecy::ExposeSecret;
        let inline = user.client_key_data.as_ref().map(|key| key.expose_secret());
        file.data(
            (&at("client-key-data"), inline),
            (&at("client-key"), user.client_key.as_deref()),
            options,
        )?
    };
    match (certificate, key) {
        (None, None) => {}
        (Some(_), None) => return Err(file.field(&at("client-key"), "missing")),
        (None, Some(_)) => return Err(file.field(&at("client-certificate"), "missing")),
        (Some(certificate), Some(key)) => {
            if certificates(&certificate).is_empty() {
                return Err(file.field(&at("client-certificate"), "holds no certificate"));
            }
            out.client_certificate_data = Some(STANDARD.encode(certificate));
            out.client_key_data = Some(STANDARD.encode(key).into());
        }
    }
    Ok(out)
}

/// The connection of a pod's service account.
pub(super) fn in_cluster(options: &ConnectOptions) -> Result<Found, ConnectError> {
    let config = kube::Config::incluster_env().map_err(|error| ConnectError::Unreadable {
        file: "the pod's service account".to_owned(),
        why: error.to_string(),
    })?;
    Ok(Found {
        config,
        file: "the pod's service account".to_owned(),
        ca_field: "ca.crt".to_owned(),
        proxy: proxy_of_environment(options)?,
    })
}
