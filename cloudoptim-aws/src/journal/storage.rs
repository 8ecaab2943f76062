//! Bytes that outlive the process.

use cloudoptim_core::journal::JournalError;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// A row of bytes that grows at its end.
pub trait Storage: fmt::Debug + Send {
    /// All of them, those that are not durable yet too.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn read(&mut self) -> io::Result<Vec<u8>>;

    /// Adds bytes. After an error a part of them may be there.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Keeps the first `length` bytes.
    ///
    /// # Errors
    /// Whatever the storage says.
    fn truncate(&mut self, length: u64) -> io::Result<()>;

    /// Makes durable what was added or cut, and that it is there at all.
    ///
    /// # Errors
    /// Whatever the storage says. Then nobody knows what is durable.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that no other process has open.
#[derive(Debug)]
pub struct FileStorage {
    file: File,
}

impl FileStorage {
    /// Opens the file or makes it, readable for its owner only, and locks it.
    ///
    /// # Errors
    /// [`JournalError::InUse`] when another process has it open, and
    /// [`JournalError::Read`] when it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |error: &io::Error| JournalError::Read(format!("{}: {error}", path.display()));
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| failed(&error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::InUse(path.display().to_string()));
            }
            Err(TryLockError::Error(error)) => return Err(failed(&error)),
        }
        if !file.metadata().map_err(|error| failed(&error))?.is_file() {
            return Err(JournalError::Read(format!("{} is no file", path.display())));
        }
        sync_folder(path).map_err(|error| failed(&error))?;
        Ok(Self { file })
    }
}

/// Makes the name of a file durable. Elsewhere than on Unix a folder cannot be
/// opened, and the file system sees to it.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        let folder = path.parent().filter(|p| !p.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
    }
    Ok(())
}

impl Storage for FileStorage {
    fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0))?;
        self.file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    fn truncate(&mut self, length: u64) -> io::Result<()> {
        self.file.set_len(length)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}
