//! Answers on file: for tests of conversion, and for bug reports.

use super::client::Reader;
use super::status::{ApiFailure, PROVIDER};
use super::target::Target;
use async_trait::async_trait;
use bytes::Bytes;
use cloudoptim_core::input::redacted;
use cloudoptim_core::model::ClusterUid;
use cloudoptim_core::providers::{Call, ProviderError};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Version of the file's form; another one is refused.
const VERSION: u32 = 1;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    exchanges: Vec<Exchange>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Exchange {
    path: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    query: Vec<(String, String)>,
    answer: Answer,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// A document, redacted.
    Json(Box<RawValue>),
    /// An answer that is no JSON: only that there was one.
    Text(String),
    /// A refusal.
    Status {
        code: u16,
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// No answer.
    Lost,
}

/// A reader that keeps what it reads, redacted: only fields that the core's
/// readers know, environments and arguments only as far as they set the memory
/// of a runtime, and annotations by the allow-list of snapshots.
#[derive(Debug)]
pub struct Recording<R> {
    inner: R,
    kept: Mutex<Vec<Exchange>>,
}

impl<R> Recording<R> {
    /// Around that reader.
    pub const fn new(inner: R) -> Self {
        Self {
            inner,
            kept: Mutex::new(Vec::new()),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Vec<Exchange>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file with all that was read so far.
    ///
    /// # Errors
    /// [`RecordingError`] when it cannot be written as JSON.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecordingError> {
        #[derive(Serialize)]
        struct Out<'a> {
            version: u32,
            exchanges: &'a [Exchange],
        }
        let kept = self.kept();
        let out = Out {
            version: VERSION,
            exchanges: &kept,
        };
        serde_json::to_vec(&out).map_err(|error| RecordingError(error.to_string()))
    }
}

/// Why a recording cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("recording: {0}")]
pub struct RecordingError(String);

fn answer_of(result: &Result<Bytes, ProviderError>) -> Answer {
    let body = match result {
        Ok(body) => body,
        Err(error) => {
            return match ApiFailure::of(error) {
                Some(failure) => Answer::Status {
                    code: failure.code,
                    reason: failure.reason.clone(),
                },
                None => Answer::Lost,
            };
        }
    };
    // What cannot be redacted is not kept.
    let kept = redacted(body).and_then(|text| RawValue::from_string(text).ok());
    match kept {
        Some(json) => Answer::Json(json),
        None => Answer::Text("ok".to_owned()),
    }
}

#[async_trait]
impl<R: Reader> Reader for Recording<R> {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let result = self.inner.get(path, query).await;
        let exchange = Exchange {
            path: path.to_owned(),
            query: owned(query),
            answer: answer_of(&result),
        };
        self.kept().push(exchange);
        result
    }

    fn pinned_cluster(&self) -> Option<&ClusterUid> {
        self.inner.pinned_cluster()
    }
}

fn owned(query: &[(&str, &str)]) -> Vec<(String, String)> {
    let pairs = query.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

type Question = (String, Vec<(String, String)>);

/// A reader that answers from a recording. A question that was asked several
/// times gets the answers in their order, and the last one from then on; one
/// that was never asked has no answer.
#[derive(Debug)]
pub struct Replaying {
    answers: Mutex<BTreeMap<Question, VecDeque<Answer>>>,
}

impl Replaying {
    /// From a recording.
    ///
    /// # Errors
    /// [`RecordingError`] when the bytes are none, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordingError> {
        let file: File =
            serde_json::from_slice(bytes).map_err(|error| RecordingError(error.to_string()))?;
        if file.version != VERSION {
            return Err(RecordingError(format!(
                "version {}, not {VERSION}",
                file.version
            )));
        }
        let mut answers: BTreeMap<Question, VecDeque<Answer>> = BTreeMap::new();
        for exchange in file.exchanges {
            let question = (exchange.path, exchange.query);
            answers
                .entry(question)
                .or_default()
                .push_back(exchange.answer);
        }
        Ok(Self {
            answers: Mutex::new(answers),
        })
    }

    fn answer(&self, question: &Question) -> Option<Answer> {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let left = answers.get_mut(question)?;
        if left.len() > 1 {
            return left.pop_front();
        }
        left.front().cloned()
    }
}

#[async_trait]
impl Reader for Replaying {
    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Bytes, ProviderError> {
        let target = Target::of(&http::Method::GET, path);
        let lost = |why: &str| ProviderError::Unavailable {
            call: Box::new(Call::new(PROVIDER, target.operation()).because(why)),
        };
        match self.answer(&(path.to_owned(), owned(query))) {
            None => Err(lost("the recording has no answer")),
            Some(Answer::Lost) => Err(lost("no answer was recorded")),
            Some(Answer::Json(json)) => Ok(Bytes::from(json.get().to_owned())),
            Some(Answer::Text(text)) => Ok(Bytes::from(text)),
            Some(Answer::Status { code, reason }) => {
                let mut failure = ApiFailure::read(code, None, &[]);
                failure.reason = reason;
                Err(failure.into_error(&target))
            }
        }
    }
}
