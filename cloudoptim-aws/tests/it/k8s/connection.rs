//! Kubeconfigs: what is let in, what is refused, and what is said about it.

use base64::Engine;
use cloudoptim_aws::k8s::{ConnectError, ConnectOptions, Connection, Reading};
use std::path::Path;

const CANARY: &str = "hunter2-canary";

fn base64(text: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// PEM that has the form of a certificate; only a client would look inside.
fn certificate() -> String {
    format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        base64("der")
    )
}

fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: here
contexts:
- name: here
  context: {{cluster: c, user: u, namespace: shop}}
- name: there
  context: {{cluster: missing, user: u}}
clusters:
- name: c
  cluster: {{{cluster}}}
users:
- name: u
  user: {{{user}}}
"
    )
}

const SERVER: &str = "server: \"https://one.example:6443\"";

type Result = std::result::Result<Connection<Reading>, ConnectError>;

fn connect(cluster: &str, user: &str, options: ConnectOptions) -> Result {
    Connection::from_bytes("the file", kubeconfig(cluster, user).as_bytes(), options)
}

#[test]
fn a_plain_kubeconfig_is_taken() {
    let ca = format!(
        "{SERVER}, certificate-authority-data: {}",
        base64(&certificate())
    );
    let connection = connect(&ca, "token: abc", ConnectOptions::default()).unwrap();
    assert_eq!(connection.server(), "https://one.example:6443");
    assert_eq!(connection.namespace(), "shop");
    assert_eq!(connection.authorities().len(), 1);
}

#[test]
fn what_a_stranger_could_use_is_refused_and_named() {
    let allow = |set: fn(&mut ConnectOptions)| {
        let mut options = ConnectOptions::default();
        set(&mut options);
        options
    };
    let insecure = format!("{SERVER}, insecure-skip-tls-verify: true");
    let proxied = format!("{SERVER}, proxy-url: \"http://proxy.example\"");
    let elsewhere = format!("{SERVER}, certificate-authority: /etc/ssl/ca.pem");
    let http = "server: \"http://one.example\"";
    let cases: &[(&str, &str, &str, &str, ConnectOptions)] = &[
        (
            SERVER,
            "exec: {command: aws, apiVersion: client.authentication.k8s.io/v1}",
            "users[u].user.exec: runs a program",
            "allow_exec",
            allow(|o| o.allow_exec = true),
        ),
        (
            SERVER,
            "auth-provider: {name: gcp, config: {cmd-path: /bin/sh}}",
            "users[u].user.auth-provider: uses a legacy plug-in",
            "allow_auth_provider",
            allow(|o| o.allow_auth_provider = true),
        ),
        (
            &insecure,
            "token: abc",
            "clusters[c].cluster.insecure-skip-tls-verify: trusts any server",
            "allow_insecure_tls",
            allow(|o| o.allow_insecure_tls = true),
        ),
        (
            &proxied,
            "token: abc",
            "clusters[c].cluster.proxy-url: sends every request",
            "allow_proxy_url",
            allow(|o| o.allow_proxy_url = true),
        ),
        (
            http,
            "token: abc",
            "clusters[c].cluster.server: is not encrypted",
            "allow_plain_http",
            allow(|o| o.allow_plain_http = true),
        ),
        (
            &elsewhere,
            "token: abc",
            "clusters[c].cluster.certificate-authority: names a file",
            "allow_files_outside",
            ConnectOptions::default(),
        ),
        (
            SERVER,
            "tokenFile: token",
            "users[u].user.tokenFile: names a file",
            "allow_files_outside",
            ConnectOptions::default(),
        ),
        (
            SERVER,
            "client-certificate: c.pem, client-key: k.pem",
            "users[u].user.client-certificate: names a file",
            "allow_files_outside",
            ConnectOptions::default(),
        ),
    ];
    for (cluster, user, field, option, allowed) in cases {
        let error = connect(cluster, user, ConnectOptions::default()).unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
        let text = error.to_string();
        assert!(text.starts_with(&format!("the file: {field}")), "{text}");
        assert!(
            text.ends_with(&format!("set {option} to allow it")),
            "{text}"
        );
        if *allowed != ConnectOptions::default() {
            connect(cluster, user, allowed.clone()).unwrap();
        }
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let broken_ca = format!("{SERVER}, certificate-authority-data: {}", base64("no pem"));
    let no_base64 = format!("{SERVER}, certificate-authority-data: \"{CANARY}!\"");
    let half = format!("client-certificate-data: {}", base64(&certificate()));
    for (cluster, user, says) in [
        ("", "token: a", "clusters[c].cluster.server: missing"),
        (
            "server: \"one two\"",
            "token: a",
            "clusters[c].cluster.server: is not a URL",
        ),
        (
            "server: \"ftp://x\"",
            "token: a",
            "clusters[c].cluster.server: must begin with https://",
        ),
        (
            "server: \"https://u:hunter2-canary@x\"",
            "token: a",
            "clusters[c].cluster.server: holds a user: credentials belong under users",
        ),
        (
            &broken_ca,
            "token: a",
            "clusters[c].cluster.certificate-authority-data: holds no certificate",
        ),
        (
            &no_base64,
            "token: a",
            "clusters[c].cluster.certificate-authority-data: is not base64",
        ),
        (SERVER, &half, "users[u].user.client-key: missing"),
        (
            SERVER,
            "client-key-data: aGk=",
            "users[u].user.client-certificate: missing",
        ),
    ] {
        let error = connect(cluster, user, ConnectOptions::default()).unwrap_err();
        assert_eq!(error.to_string(), format!("the file: {says}"));
    }
    let context = |name: &str| {
        let mut options = ConnectOptions::default();
        options.context = Some(name.to_owned());
        connect(SERVER, "token: a", options)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        context("nowhere"),
        "the file: contexts[nowhere]: there is no such context, only here, there"
    );
    assert_eq!(
        context("there"),
        "the file: contexts[there].context.cluster: there is no cluster missing"
    );
}

#[test]
fn nothing_secret_is_ever_printed() {
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----",
        base64(CANARY)
    );
    let user = format!(
        "token: {CANARY}, username: x, password: {CANARY}, client-certificate-data: {}, client-key-data: {}",
        base64(&certificate()),
        base64(&key)
    );
    let connection = connect(SERVER, &user, ConnectOptions::default()).unwrap();
    let shown = format!("{connection:?}");
    for secret in [CANARY, &base64(CANARY), &base64(&key)] {
        assert!(!shown.contains(secret), "{shown}");
    }
    assert!(connection.client().is_err(), "the key is none");
    for text in [
        format!("users: [{{name: u, user: {{token: {CANARY}"),
        format!("token: {CANARY}\n\t- broken"),
        CANARY.to_owned(),
        format!("users:\n- name: u\n  user:\n    token: [{CANARY}]"),
        format!("{}extra: &a [{CANARY}]\nmore: *b", kubeconfig(SERVER, "")),
    ] {
        let result: Result =
            Connection::from_bytes("the file", text.as_bytes(), ConnectOptions::default());
        let error = result.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(CANARY), "{shown}");
        assert!(shown.starts_with("the file: not a kubeconfig"), "{shown}");
    }
}

#[test]
fn an_alias_bomb_is_refused() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let refs = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{refs}]\n"));
    }
    text.push_str(&kubeconfig(SERVER, "token: a"));
    let result: Result = Connection::from_bytes("bomb", text.as_bytes(), ConnectOptions::default());
    assert!(result.is_err());
}

#[test]
fn only_the_pinned_authority_is_trusted() {
    let ca = format!(
        "{SERVER}, certificate-authority-data: {}",
        base64(&certificate())
    );
    let found = connect(&ca, "token: a", ConnectOptions::default()).unwrap();
    let pin = found.authorities()[0].clone();
    assert_eq!(pin.len(), 64);
    let pinned = |pins: &[&str], cluster: &str| {
        let mut options = ConnectOptions::default();
        options.ca_sha256 = pins.iter().map(|pin| (*pin).to_owned()).collect();
        connect(cluster, "token: a", options)
    };
    let other = "0".repeat(64);
    pinned(&[&other, &pin], &ca).unwrap();
    // As `openssl x509 -fingerprint -sha256` prints it.
    let bytes: Vec<String> = pin
        .as_bytes()
        .chunks(2)
        .map(|two| String::from_utf8(two.to_ascii_uppercase()).unwrap())
        .collect();
    pinned(&[&bytes.join(":")], &ca).unwrap();
    let error = pinned(&[&other], &ca).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "the file: clusters[c].cluster.certificate-authority: the certificate authority {pin} is not among ca_sha256"
        )
    );
    let error = pinned(&[&pin], SERVER).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("missing, and ca_sha256 pins one"),
        "{error}"
    );
    let error = pinned(&["abc"], &ca).unwrap_err();
    assert_eq!(
        error.to_string(),
        "ca_sha256: must be 64 hex digits, got abc"
    );
    // One authority more than pinned is one too many.
    let two = format!(
        "{}{}",
        certificate(),
        certificate().replace(&base64("der"), &base64("bad"))
    );
    let two = format!("{SERVER}, certificate-authority-data: {}", base64(&two));
    assert!(matches!(
        pinned(&[&pin], &two),
        Err(ConnectError::OtherAuthority { .. })
    ));
}

fn from_path(dir: &Path, text: &str) -> Result {
    let path = dir.join("config");
    std::fs::write(&path, text).unwrap();
    Connection::from_path(&path, ConnectOptions::default())
}

#[test]
fn files_are_read_only_from_beside_the_kubeconfig() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    std::fs::create_dir(&home).unwrap();
    std::fs::write(home.join("ca.pem"), certificate()).unwrap();
    std::fs::write(home.join("token"), CANARY).unwrap();
    std::fs::write(dir.path().join("outside.pem"), certificate()).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../outside.pem", home.join("link.pem")).unwrap();
    let with = |ca: &str, user: &str| {
        from_path(
            &home,
            &kubeconfig(&format!("{SERVER}, certificate-authority: {ca}"), user),
        )
    };
    let connection = with("ca.pem", "tokenFile: ./token").unwrap();
    assert_eq!(connection.authorities().len(), 1);
    for outside in [
        "../outside.pem",
        "/etc/passwd",
        "sub/../../outside.pem",
        "link.pem",
    ] {
        let error = with(outside, "token: a").unwrap_err();
        // A folder that does not exist leads nowhere either.
        let known = matches!(
            error,
            ConnectError::Refused { .. } | ConnectError::Field { .. }
        );
        assert!(
            known && error.to_string().contains("certificate-authority: "),
            "{error}"
        );
    }
    let error = with("none.pem", "token: a").unwrap_err();
    assert!(
        error.to_string().ends_with("none.pem: entity not found"),
        "{error}"
    );
    let error = Connection::<Reading>::from_path(&home.join("nothing"), ConnectOptions::default());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .ends_with("nothing: entity not found")
    );
}

#[test]
fn a_client_of_no_request_in_flight_cannot_be_had() {
    let mut options = ConnectOptions::default();
    options.max_in_flight = 0;
    let error = connect(SERVER, "token: a", options).unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_in_flight: must be at least 1, got 0"
    );
}
