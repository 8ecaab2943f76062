//! What goes wrong, and when.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use serde_json::json;

/// An answer that the server never gave.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Canned {
    /// The HTTP status.
    pub status: u16,
    /// The headers, beside the content type and length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
}

impl Canned {
    /// A `Status` object, as the API server answers with.
    #[must_use]
    pub fn status(code: u16, reason: &str, message: &str) -> Self {
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": reason, "code": code,
        });
        Self { status: code, headers: Vec::new(), body: body.to_string().into() }
    }

    /// 410 for a page or a watch whose start has been forgotten.
    #[must_use]
    pub fn gone() -> Self {
        Self::status(410, "Expired", "The provided continue parameter is too old")
    }

    /// 429 by a disruption budget, which the cause names, without `Retry-After`.
    #[must_use]
    pub fn budget_exhausted() -> Self {
        let message = "Cannot evict pod as it would violate the pod's disruption budget.";
        let body = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": message, "reason": "TooManyRequests", "code": 429,
            "details": {"causes": [{"reason": "DisruptionBudget", "message": "The disruption budget is exhausted"}]},
        });
        Self { status: 429, headers: Vec::new(), body: body.to_string().into() }
    }

    /// 429 by priority and fairness: no cause, and whole seconds to wait.
    #[must_use]
    pub fn too_many_requests(retry_after_seconds: u32) -> Self {
        let text = "Too many requests, please try again later.\n";
        Self { status: 429, headers: Vec::new(), body: text.into() }
            .with_header("retry-after", &retry_after_seconds.to_string())
    }

    /// A body that no server of Kubernetes wrote, as a load balancer's page.
    #[must_use]
    pub fn page(status: u16, html: &str) -> Self {
        Self { status, headers: Vec::new(), body: html.to_owned().into() }.with_header("content-type", "text/html")
    }

    /// The same with a header.
    #[must_use]
    pub fn with_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It reaches the server this much later.
    DelayRequest(Duration),
    /// Its answer comes this much later.
    DelayAnswer(Duration),
    /// It never reaches the server; the connection closes without an answer.
    DropRequest,
    /// It reaches the server, which does what it says; the connection closes
    /// without an answer.
    DropAnswer,
    /// It never reaches the server; the connection is reset.
    ResetBefore,
    /// It reaches the server, which does what it says; the connection is reset.
    ResetAfter,
    /// It never reaches the server, and this is the answer.
    AnswerInstead(Canned),
    /// It reaches the server, which does what it says, and this is the answer.
    AnswerOver(Canned),
    /// After so many bytes of the answer's body the connection closes, though
    /// more were announced.
    CutBody(usize),
    /// The answer's body is only so many bytes long, and says so.
    ShortBody(usize),
    /// The answer's body comes in pieces of so many bytes, with a pause after each.
    Dribble {
        /// Bytes of a piece; at least one.
        bytes: usize,
        /// The pause.
        pause: Duration,
    },
    /// It reaches the server twice; the second answer is the answer.
    Duplicate,
    /// It never reaches the server: the answer is the one that the first
    /// request which this rule met had got. Must not be the rule's first.
    Stale,
    /// A list's page says that it is the last, though it is not.
    LoseContinue,
    /// A list's page has only its first so many items.
    KeepItems(usize),
}

/// Which requests of those that a rule meets have its fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Only(usize),
    From(usize),
}

/// A fault, and the requests that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    method: Option<Method>,
    path: String,
    query: Option<String>,
    turn: Turn,
    pub(super) fault: Fault,
}

impl Rule {
    /// Every request with this method (`*` for any) and a path of this shape,
    /// in which `*` stands for anything within a segment and `**` for anything.
    #[must_use]
    pub fn on(method: &str, path: &str, fault: Fault) -> Self {
        let method = (method != "*").then(|| Method::from_bytes(method.as_bytes()).unwrap_or_default());
        Self { method, path: path.to_owned(), query: None, turn: Turn::From(1), fault }
    }

    /// Only those with this text in their query, such as `continue=`.
    #[must_use]
    pub fn with_query(mut self, part: &str) -> Self {
        self.query = Some(part.to_owned());
        self
    }

    /// Only the n-th of them, from 1.
    #[must_use]
    pub const fn nth(mut self, n: usize) -> Self {
        self.turn = Turn::Only(n);
        self
    }

    /// The n-th of them, from 1, and all after it.
    #[must_use]
    pub const fn from_nth(mut self, n: usize) -> Self {
        self.turn = Turn::From(n);
        self
    }

    pub(super) fn meets(&self, method: &Method, path: &str, query: &str) -> bool {
        self.method.as_ref().is_none_or(|wanted| wanted == method)
            && fits(self.path.as_bytes(), path.as_bytes())
            && self.query.as_ref().is_none_or(|part| query.contains(part.as_str()))
    }

    pub(super) const fn has_turn(&self, count: usize) -> bool {
        match self.turn {
            Turn::Only(n) => count == n,
            Turn::From(n) => count >= n,
        }
    }
}

fn fits(shape: &[u8], text: &[u8]) -> bool {
    match shape {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|at| fits(rest, &text[at..])),
        [b'*', rest @ ..] => {
            let segment = text.iter().position(|&byte| byte == b'/').unwrap_or(text.len());
            (0..=segment).any(|at| fits(rest, &text[at..]))
        }
        [first, rest @ ..] => text.first() == Some(first) && fits(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Rule};
    use hyper::Method;

    #[test]
    fn a_star_stays_within_its_segment_and_two_do_not() {
        let meets = |shape: &str, path: &str| Rule::on("*", shape, Fault::DropRequest).meets(&Method::GET, path, "");
        let eviction = "/api/v1/namespaces/shop/pods/web-1/eviction";
        assert!(meets("/api/v1/namespaces/*/pods/*/eviction", eviction));
        assert!(meets("**/eviction", eviction));
        assert!(meets("**", eviction));
        assert!(!meets("/api/v1/namespaces/*/eviction", eviction));
        assert!(!meets("/api/v1/namespaces/*/pods/*", eviction));
    }

    #[test]
    fn a_rule_is_of_its_method_its_query_and_its_turn() {
        let rule = Rule::on("GET", "/api/v1/pods", Fault::DropRequest).with_query("continue=").nth(2);
        assert!(rule.meets(&Method::GET, "/api/v1/pods", "limit=5&continue=abc"));
        assert!(!rule.meets(&Method::GET, "/api/v1/pods", "limit=5"));
        assert!(!rule.meets(&Method::POST, "/api/v1/pods", "continue=abc"));
        assert_eq!([1, 2, 3].map(|count| rule.has_turn(count)), [false, true, false]);
        assert_eq!([1, 2, 3].map(|count| rule.clone().from_nth(2).has_turn(count)), [false, true, true]);
    }
}
