//! The kernel's lock on a file beside the database: one owner at a time, told by pid, and a dead one never in the way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::StoreError;
use crate::location::Paths;

/// The right to write a database, held until it is dropped. The kernel takes it back when the process dies.
#[derive(Debug)]
pub(crate) struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock of the database.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] with the owner's pid; [`StoreError::NoPermission`] where the lock file cannot be made.
    pub(crate) fn acquire(paths: &Paths) -> Result<Self, StoreError> {
        // Somebody who only asks who owns it holds it for a moment: so one refusal is not the last word.
        const TRIES: u32 = 10;
        const BETWEEN_TRIES: Duration = Duration::from_millis(10);
        let path = lock_path(paths);
        let mut tries = 0;
        loop {
            let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(
                |error| StoreError::NoPermission { path: paths.folder().to_owned(), reason: error.to_string() },
            )?;
            match file.try_lock() {
                Ok(()) if is_still_at(&file, &path) => {
                    write_pid(&mut file).map_err(StoreError::io("write", &path))?;
                    return Ok(Self { file, path });
                }
                // The owner before removed the file between our opening and locking it.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    tries += 1;
                    if tries >= TRIES {
                        return Err(StoreError::InUse { path: paths.database.clone(), pid: read_pid(&mut file) });
                    }
                    std::thread::sleep(BETWEEN_TRIES);
                }
                Err(TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error)),
            }
        }
    }

    /// The pid of the process that owns the database, where one does.
    pub(crate) fn owner(paths: &Paths) -> Option<u32> {
        let mut file = File::open(lock_path(paths)).ok()?;
        match file.try_lock_shared() {
            Err(TryLockError::WouldBlock) => read_pid(&mut file),
            _ => None,
        }
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Removed while still locked: whoever opened it before finds that it is no longer the file of that name.
        if is_still_at(&self.file, &self.path) {
            let _ = std::fs::remove_file(&self.path);
        }
        let _ = self.file.unlock();
    }
}

fn lock_path(paths: &Paths) -> PathBuf {
    paths.beside(".lock")
}

fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.metadata()) {
        (Ok(ours), Ok(there)) => ours.dev() == there.dev() && ours.ino() == there.ino(),
        _ => false,
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
