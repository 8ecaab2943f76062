//! What a request is about, as RBAC names it.

use super::status::PROVIDER;
use std::fmt;

/// Verb and resource of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) provider: &'static str,
    verb: &'static str,
    /// `pods`, `nodeclaims.karpenter.sh`, `pods/eviction`, or a path.
    what: String,
    namespace: Option<String>,
    name: Option<String>,
}

impl Target {
    pub(super) fn of(method: &http::Method, path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => return Self::plain(method, path),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let (resource, name, sub) = match rest {
            [resource] => (*resource, None, None),
            [resource, name] => (*resource, Some(*name), None),
            [resource, name, sub @ ..] => (*resource, Some(*name), Some(sub.join("/"))),
            [] => return Self::plain(method, path),
        };
        let mut what = match group {
            "" => resource.to_owned(),
            group => format!("{resource}.{group}"),
        };
        if let Some(sub) = &sub {
            what = format!("{what}/{sub}");
        }
        Self {
            provider: PROVIDER,
            verb: verb(method, name.is_some()),
            what,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        }
    }

    fn plain(method: &http::Method, path: &str) -> Self {
        Self {
            verb: verb(method, true),
            ..Self::other(PROVIDER, path)
        }
    }

    /// Something that another provider has.
    pub(super) fn other(provider: &'static str, path: &str) -> Self {
        Self {
            provider,
            verb: "get",
            what: path.to_owned(),
            namespace: None,
            name: None,
        }
    }

    /// `list pods`.
    pub(super) fn operation(&self) -> String {
        format!("{} {}", self.verb, self.what)
    }

    /// `shop/web-0`, `shop`, or nothing.
    pub(super) fn resource(&self) -> Option<String> {
        match (&self.namespace, &self.name) {
            (Some(namespace), Some(name)) => Some(format!("{namespace}/{name}")),
            (one, None) | (None, one) => one.clone(),
        }
    }

    /// `list pods in shop`: what a role would have to grant.
    pub(super) fn permission(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{} {} in {namespace}", self.verb, self.what),
            None => self.operation(),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.permission())
    }
}

fn verb(method: &http::Method, named: bool) -> &'static str {
    match method.as_str() {
        "GET" if named => "get",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "update",
        "PATCH" => "patch",
        "DELETE" if named => "delete",
        "DELETE" => "deletecollection",
        _ => "use",
    }
}

/// Whether a path is one that this crate could have made: no escapes, no
/// query, nothing that leads elsewhere.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && path
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"/._:-~".contains(&b))
        && !path.split('/').any(|part| part == "." || part == "..")
        && !path.contains("//")
}

/// `?a=b&c=d`, escaped; empty for no parameters.
pub(super) fn query(parameters: &[(&str, &str)]) -> String {
    let mut out = String::new();
    for (index, (name, value)) in parameters.iter().enumerate() {
        out.push(if index == 0 { '?' } else { '&' });
        escape(name, &mut out);
        out.push('=');
        escape(value, &mut out);
    }
    out
}

fn escape(text: &str, out: &mut String) {
    use std::fmt::Write;
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_tells_the_permission() {
        let of = |method: &str, path: &str| {
            let method: http::Method = method.parse().expect("a method");
            Target::of(&method, path).permission()
        };
        assert_eq!(of("GET", "/api/v1/nodes"), "list nodes");
        assert_eq!(of("GET", "/api/v1/namespaces"), "list namespaces");
        assert_eq!(
            of("GET", "/api/v1/namespaces/kube-system"),
            "get namespaces"
        );
        assert_eq!(
            of("GET", "/api/v1/namespaces/shop/pods"),
            "list pods in shop"
        );
        assert_eq!(
            of("POST", "/api/v1/namespaces/shop/pods/web-0/eviction"),
            "create pods/eviction in shop"
        );
        assert_eq!(
            of(
                "PATCH",
                "/apis/apps/v1/namespaces/shop/deployments/web/scale"
            ),
            "patch deployments.apps/scale in shop"
        );
        assert_eq!(
            of("GET", "/apis/karpenter.sh/v1/nodeclaims"),
            "list nodeclaims.karpenter.sh"
        );
        assert_eq!(of("GET", "/readyz"), "get /readyz");
        assert_eq!(of("GET", "/apis"), "get /apis");
        assert_eq!(of("GET", "/apis/apps/v1"), "get /apis/apps/v1");
    }

    #[test]
    fn a_path_cannot_lead_elsewhere() {
        for path in [
            "api",
            "/api/../x",
            "/a?b",
            "/a%2e",
            "/a//b",
            "/a b",
            "/a#b",
            "/é",
        ] {
            assert!(!is_plain_path(path), "{path}");
        }
        assert!(is_plain_path("/api/v1/namespaces/kube-system"));
        assert_eq!(
            query(&[("a", "x y&z"), ("c", "é")]),
            "?a=x%20y%26z&c=%C3%A9"
        );
    }
}
