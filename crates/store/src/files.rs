//! Files and folders: room, permission, and making changes last.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::context::Interrupt;
use crate::error::StoreError;
use crate::location::folder_of;
use crate::migrate::Faults;

/// Makes a folder and those above it, for this user only, and makes their names last: what is synced in a folder whose
/// own name is not is lost with it.
pub(crate) fn make_folder(folder: &Path) -> Result<(), StoreError> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    make_folder(parent)?;
    let made = std::fs::DirBuilder::new().mode(0o700).create(folder);
    match made {
        // Somebody else may make it at the same moment.
        Err(error) if !folder.is_dir() => Err(StoreError::io("make the folder", folder)(error)),
        Ok(()) | Err(_) => sync_folder(parent),
    }
}

/// Makes an empty file that only this user may read; it must not exist.
pub(crate) fn make_private_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(StoreError::io("make", path))
}

/// Makes what was written to a file last. The file must not be open in SQLite here.
pub(crate) fn sync_file(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", path))
}

/// Makes a file last while it is still being written, on a thread of its own. The file must not be one whose locks matter:
/// closing it here drops them.
#[derive(Debug)]
pub(crate) struct Syncing {
    path: PathBuf,
    go_on: SyncSender<()>,
    done: Receiver<std::io::Result<()>>,
}

impl Syncing {
    /// Begins to watch over the file.
    pub(crate) fn start(path: &Path) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(StoreError::io("open", path))?;
        let ((go_on, going), (told, done)) = (sync_channel(1), sync_channel(1));
        let work = move || {
            // A failure is told once by the kernel, so the first one is kept.
            let so_far = going.iter().try_for_each(|()| file.sync_data());
            let _nobody_waits = told.send(so_far.and_then(|()| file.sync_all()));
        };
        let thread = std::thread::Builder::new().name("sync".into()).spawn(work);
        thread.map_err(StoreError::io("start a thread for", path))?;
        Ok(Self { path: path.to_owned(), go_on, done })
    }

    /// Makes what was written so far last, unless that is being done anyway.
    pub(crate) fn go_on(&self) {
        let _busy_or_failed = self.go_on.try_send(());
    }

    /// Waits until all that was written will last. An interrupt ends the waiting, not the syncing.
    pub(crate) fn finish(self, interrupt: &Interrupt) -> Result<(), StoreError> {
        const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
        let Self { path, go_on, done } = self;
        drop(go_on);
        loop {
            interrupt.check()?;
            match done.recv_timeout(BETWEEN_LOOKS) {
                Ok(synced) => return synced.map_err(StoreError::io("sync", &path)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let stopped = std::io::Error::other("the thread that syncs ended early");
                    return Err(StoreError::io("sync", &path)(stopped));
                }
            }
        }
    }
}

/// Makes the names in a folder last.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(StoreError::io("sync", folder))
}

/// Puts a line behind the file's last, in one write, and makes it last.
pub(crate) fn append_line(path: &Path, line: &str) -> Result<(), StoreError> {
    let append = || {
        let mut file = OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(path)?;
        // Behind a line that a crash cut off a new one must not be lost with it.
        let start = if ends_with_a_line(&mut file)? { "" } else { "\n" };
        file.write_all(format!("{start}{line}\n").as_bytes())?;
        file.sync_all()
    };
    append().map_err(StoreError::io("append to", path))?;
    sync_folder(folder_of(path))
}

/// Whether the file is empty or its last line is whole.
fn ends_with_a_line(file: &mut File) -> std::io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

/// An error unless `path`, a file or folder that exists, may be written.
///
/// One that nobody may write by its mode is left alone by root too: somebody marked it so.
pub(crate) fn check_writable(path: &Path) -> Result<(), StoreError> {
    let forbidden = |reason: String| Err(StoreError::NoPermission { path: path.to_owned(), reason });
    let metadata = path.metadata().map_err(StoreError::io("look at", path))?;
    let kind = if metadata.is_dir() { "folder" } else { "file" };
    if metadata.mode() & 0o222 == 0 {
        return forbidden(format!("the {kind} is read-only"));
    }
    match rustix::fs::access(path, rustix::fs::Access::WRITE_OK) {
        Ok(()) => Ok(()),
        Err(error) => forbidden(format!("the {kind} is not writable by this user: {error}")),
    }
}

/// A need for room: a path on the file system, and how much.
pub(crate) type Need<'a> = (&'a Path, u64);

/// An error unless each file system has room for all the needs on it together.
pub(crate) fn check_space(needs: &[Need<'_>], faults: &Faults) -> Result<(), StoreError> {
    let mut per_device: Vec<(u64, &Path, u64)> = Vec::new();
    for &(path, bytes) in needs {
        let device = path.metadata().map_err(StoreError::io("look at", path))?.dev();
        match per_device.iter_mut().find(|(known, ..)| *known == device) {
            Some((_, _, sum)) => *sum += bytes,
            None => per_device.push((device, path, bytes)),
        }
    }
    for (_, path, needed_bytes) in per_device {
        let free_bytes = match &faults.free_bytes {
            Some(answer) => answer(path),
            None => free_bytes(path)?,
        };
        if free_bytes < needed_bytes {
            return Err(StoreError::NoSpace { path: path.to_owned(), needed_bytes, free_bytes });
        }
    }
    Ok(())
}

/// What is free to this user on the file system of `path`.
pub(crate) fn free_bytes(path: &Path) -> Result<u64, StoreError> {
    let found =
        rustix::fs::statvfs(path).map_err(|error| StoreError::io("ask for the free space of", path)(error.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// The nearest folder at or above `path` that exists.
pub(crate) fn existing_folder(path: &Path) -> &Path {
    let mut folder = path;
    while !folder.is_dir() {
        match folder.parent() {
            Some(above) => folder = above,
            None => break,
        }
    }
    folder
}
