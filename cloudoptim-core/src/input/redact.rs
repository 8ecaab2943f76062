//! Messages without what looks like a secret.

/// Longest message that is kept, in characters.
const LONGEST: usize = 1000;

/// Beginnings of well-known credentials.
const TOKENS: &[&str] = &[
    "AKIA",
    "ASIA",
    "eyJ",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "sk-",
    "sk_live_",
    "hf_",
    "AIza",
    "npm_",
];

/// Words after which, and a separator, a secret follows.
const KEYS: &[&str] = &[
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access_key",
    "accesskey",
    "credential",
    "authorization",
    "signature",
    "x-amz-security-token",
];

/// A message of somebody else as it may stand in a log or an error: without
/// control characters, cut at 1000 characters, and with what looks like a
/// credential replaced by `***`.
///
/// ```
/// use cloudoptim_core::input::redact_message;
///
/// assert_eq!(redact_message("password=hunter2 was wrong"), "password=*** was wrong");
/// ```
pub fn redact_message(message: &str) -> String {
    redact(&super::raw::clean(message))
}

/// The message, cut at 1000 characters, with credentials replaced by `***`.
///
/// It works word by word: `key=value` and `key: value` where the key names a
/// secret, user info in addresses, `Bearer …`, and words that begin like a
/// well-known credential.
pub(super) fn redact(message: &str) -> String {
    let mut out = String::with_capacity(message.len().min(LONGEST));
    let mut hide_next = false;
    for (index, word) in message.split(' ').enumerate() {
        if index > 0 {
            out.push(' ');
        }
        if word.is_empty() {
            continue;
        }
        let lower = word.to_ascii_lowercase();
        let bare = lower.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_key = |text: &str| KEYS.iter().any(|k| text.ends_with(k));
        if hide_next && bare != "bearer" && bare != "basic" {
            out.push_str("***");
            hide_next = false;
            continue;
        }
        hide_next =
            bare == "bearer" || bare == "basic" || (lower.ends_with([':', '=']) && is_key(bare));
        out.push_str(&redact_word(word));
    }
    match out.char_indices().nth(LONGEST) {
        Some((end, _)) => {
            out.truncate(end);
            out.push('…');
            out
        }
        None => out,
    }
}

fn redact_word(word: &str) -> String {
    let start = word
        .find(|c: char| c.is_ascii_alphanumeric())
        .unwrap_or(word.len());
    let (lead, body) = word.split_at(start);
    if TOKENS.iter().any(|t| body.starts_with(t)) && body.len() >= 16 {
        return format!("{lead}***");
    }
    if let Some(scheme) = word.find("://") {
        let (head, rest) = word.split_at(scheme.saturating_add(3));
        let authority = rest.find('/').unwrap_or(rest.len());
        let mut rest = rest.to_owned();
        if let Some(at) = rest.get(..authority).and_then(|a| a.rfind('@')) {
            rest = format!("***{}", rest.get(at..).unwrap_or_default());
        }
        if let Some(query) = rest.find('?') {
            rest.truncate(query);
            rest.push_str("?***");
        }
        return format!("{head}{rest}");
    }
    let lower = word.to_ascii_lowercase();
    for key in KEYS {
        if let Some(found) = lower.find(key) {
            let after = found.saturating_add(key.len());
            let tail = word.get(after..).unwrap_or_default();
            let value = tail.trim_start_matches(['"', '\'']);
            if value.len() > 1 && value.starts_with(['=', ':']) {
                return format!("{}=***", word.get(..after).unwrap_or_default());
            }
        }
    }
    if let Some((key, value)) = word.split_once('=')
        && TOKENS
            .iter()
            .any(|t| value.trim_start_matches('"').starts_with(t))
        && value.len() >= 16
    {
        return format!("{key}=***");
    }
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_is_replaced() {
        for (message, kept) in [
            ("password=hunter2 was wrong", "password=*** was wrong"),
            ("db_password: hunter2", "db_password: ***"),
            (
                "get https://u:p@host/x?sig=1 failed",
                "get https://***@host/x?*** failed",
            ),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("key AKIAIOSFODNN7EXAMPLE is old", "key *** is old"),
            ("{\"token\":\"abc\"}", "{\"token=***"),
        ] {
            assert_eq!(redact(message), kept);
        }
    }

    #[test]
    fn what_the_kubelet_says_stays() {
        let message =
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi.";
        assert_eq!(redact(message), message);
        assert_eq!(redact(&"é".repeat(2000)).chars().count(), 1001);
    }
}
