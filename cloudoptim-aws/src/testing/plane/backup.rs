//! Copies of what a control plane has stored, and going back to one.

use super::{Plane, PlaneError};
use crate::testing::process::Folder;
use std::fs;
use std::io;
use std::path::Path;

/// What a control plane had stored at one time; gone when dropped.
#[derive(Debug)]
pub struct Backup {
    folder: Folder,
}

impl Plane {
    /// Copies what is stored. The API server is away for some seconds.
    ///
    /// # Errors
    /// As [`Plane::restart`], and [`PlaneError::Io`] if it cannot be copied.
    pub async fn backup(&self) -> Result<Backup, PlaneError> {
        let folder = Folder::new("cloudoptim-backup-")?;
        self.with_etcd_stopped(|data| copy(data, &folder.path().join("etcd")))
            .await?;
        Ok(Backup { folder })
    }

    /// Goes back to what was stored then, as after a disaster: with the same
    /// identity and the same address, and without all that was done since. The
    /// API server is away for some seconds.
    ///
    /// # Errors
    /// As [`Plane::backup`].
    pub async fn restore(&self, backup: &Backup) -> Result<(), PlaneError> {
        self.with_etcd_stopped(|data| {
            fs::remove_dir_all(data)?;
            copy(&backup.folder.path().join("etcd"), data)
        })
        .await
    }

    async fn with_etcd_stopped(
        &self,
        work: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), PlaneError> {
        self.stop_api_server().await?;
        self.etcd().stop(super::STOP)?;
        work(&self.folder.path().join("etcd"))?;
        *self.etcd() = self.launch_etcd.start()?;
        *self.lock() = Some(self.launch.start()?);
        self.wait_until_ready().await
    }
}

/// A folder of folders and files.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
