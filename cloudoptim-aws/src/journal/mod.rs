//! Journals that outlive the process.
//!
//! [`FileJournal`] keeps one entry a line in a file. An entry is durable, name
//! of the file included, before [`append`](Journal::append) returns: the calling
//! thread waits for the disk, some milliseconds an entry, and a future that is
//! dropped never leaves half an entry behind.
//!
//! What opening finds:
//!
//! | at the end of the file | elsewhere | then |
//! | --- | --- | --- |
//! | a whole entry | whole entries | they are read |
//! | a part of an entry, or zeros | whole entries | it is cut, see [`Opening::cut`]: the power failed before `append` returned, so nothing was done because of it |
//! | | anything else | an error that names the offset: an act may have been forgotten |
//!
//! Each line carries a checksum over itself and the one before, so that a line
//! which is missing, changed, or in another place shows.
//!
//! One process at a time: a second one gets [`JournalError::InUse`]. The lock
//! ends with the process, also with one that is killed.

mod line;
mod storage;

pub use storage::{FileStorage, Storage};

use async_trait::async_trait;
use cloudoptim_core::journal::{Entry, Journal, JournalError};
use cloudoptim_core::plan::Scope;
use line::{Header, Sum, scan};
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A journal in a file of the local disk.
pub type FileJournal = LineJournal<FileStorage>;

/// What was found when a journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Opening {
    /// Name of the journal, given when it was made: 32 hexadecimal digits.
    pub id: String,
    /// Entries that it holds.
    pub entries: u64,
    /// The torn entry that was cut off.
    pub cut: Option<Cut>,
}

/// A torn entry at the end of a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// Where it began, in bytes.
    pub at: u64,
    /// How many bytes were cut.
    pub bytes: u64,
}

/// A journal of one entry a line.
#[derive(Debug)]
pub struct LineJournal<S> {
    inner: Mutex<Inner<S>>,
    opening: Opening,
}

#[derive(Debug)]
struct Inner<S> {
    storage: S,
    /// Up to here it is whole.
    end: u64,
    last: Sum,
    /// Why nothing may be added any more.
    broken: Option<String>,
}

impl FileJournal {
    /// Opens the journal at `path`, or makes it, for acts in `scope`.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process has it open, and
    /// [`JournalError::Read`] when it is damaged, of a newer version, of another
    /// scope, or cannot be read.
    pub fn open(path: &Path, scope: &Scope) -> Result<Self, JournalError> {
        Self::on(FileStorage::open(path)?, scope)
    }
}

impl<S: Storage> LineJournal<S> {
    /// Opens the journal that `storage` holds, or begins one.
    ///
    /// # Errors
    /// As those of [`FileJournal::open`].
    pub fn on(mut storage: S, scope: &Scope) -> Result<Self, JournalError> {
        let scope = sorted(scope);
        let bytes = storage.read().map_err(|error| unreadable(&error))?;
        let found = scan(&bytes)?;
        let cut = (found.end < found.length).then_some(Cut {
            at: found.end,
            bytes: found.length - found.end,
        });
        if cut.is_some() {
            storage
                .truncate(found.end)
                .map_err(|error| unwritable(&error))?;
        }
        // What the last process wrote may be in memory only.
        storage.sync().map_err(|error| unwritable(&error))?;
        let mut inner = Inner {
            storage,
            end: found.end,
            last: found.last,
            broken: None,
        };
        let header = match found.header {
            Some(header) => {
                header.is_for(&scope)?;
                header
            }
            None => {
                let header = Header::new(scope);
                inner.add(&header)?;
                header
            }
        };
        Ok(Self {
            inner: Mutex::new(inner),
            opening: Opening {
                id: header.id,
                entries: u64::try_from(found.entries.len()).unwrap_or(u64::MAX),
                cut,
            },
        })
    }

    /// What was found when it was opened.
    pub const fn opening(&self) -> &Opening {
        &self.opening
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Storage> Inner<S> {
    fn add(&mut self, record: &impl serde::Serialize) -> Result<(), JournalError> {
        if let Some(why) = &self.broken {
            return Err(JournalError::Write(why.clone()));
        }
        let json = serde_json::to_string(record).map_err(|e| JournalError::Write(e.to_string()))?;
        let (line, sum) = line::write(&json, &self.last);
        if let Err(error) = self.storage.append(line.as_bytes()) {
            // A part of it may be there. The next entry must not come after it.
            let taken_back = self
                .storage
                .truncate(self.end)
                .and_then(|()| self.storage.sync());
            if let Err(second) = taken_back {
                self.broken = Some(format!(
                    "an entry was written in part ({error}) and cannot be cut off ({second}): open it again"
                ));
            }
            return Err(unwritable(&error));
        }
        if let Err(error) = self.storage.sync() {
            // Nobody knows what is on the disk now; asking again proves nothing.
            self.broken = Some(format!("the disk failed ({error}): open it again"));
            return Err(unwritable(&error));
        }
        self.end += u64::try_from(line.len()).unwrap_or(u64::MAX);
        self.last = sum;
        Ok(())
    }
}

#[async_trait]
impl<S: Storage> Journal for LineJournal<S> {
    async fn id(&self) -> Result<String, JournalError> {
        Ok(self.opening.id.clone())
    }

    async fn append(&self, entry: &Entry) -> Result<(), JournalError> {
        self.lock().add(entry)
    }

    async fn entries(&self) -> Result<Vec<Entry>, JournalError> {
        let mut inner = self.lock();
        let bytes = inner.storage.read().map_err(|error| unreadable(&error))?;
        let found = scan(&bytes)?;
        if found.end != inner.end || found.last != inner.last {
            return Err(JournalError::Read(format!(
                "it was whole up to byte {}, and now up to byte {}: somebody else has written to it",
                inner.end, found.end
            )));
        }
        Ok(found.entries)
    }
}

fn sorted(scope: &Scope) -> Scope {
    let mut scope = scope.clone();
    scope.clouds.sort();
    scope.clusters.sort();
    scope
}

fn unreadable(error: &io::Error) -> JournalError {
    JournalError::Read(error.to_string())
}

fn unwritable(error: &io::Error) -> JournalError {
    JournalError::Write(error.to_string())
}
