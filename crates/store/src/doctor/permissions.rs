//! Who may read and write the files: the history of an account and its backups are their owner's alone.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::{DoctorOptions, Finding, FindingCode};
use crate::files::check_writable;
use crate::location::Paths;

/// What a private file's mode must not have.
const OTHERS: u32 = 0o077;

/// Files that others may read or write, and what this user may not write.
pub(super) fn check(paths: &Paths, options: &DoctorOptions, findings: &mut Vec<Finding>) {
    for path in private_files(paths, options) {
        let Ok(metadata) = path.metadata() else { continue };
        let mode = metadata.mode() & 0o777;
        if mode & OTHERS != 0 {
            findings.push(Finding {
                code: FindingCode::FileOpenToOthers,
                place: path.display().to_string(),
                explanation: format!("its mode is {mode:04o}: others than its owner may read or write it"),
                mend: format!("chmod 600 {}", path.display()),
                mendable: true,
                count: None,
            });
        }
    }
    for path in [paths.database.as_path(), paths.folder(), &paths.backups].into_iter().filter(|path| path.exists()) {
        if let Err(error) = check_writable(path) {
            findings.push(Finding {
                code: FindingCode::NotWritable,
                place: path.display().to_string(),
                explanation: error.to_string(),
                mend: "give the user who runs the daemon the right to write there".into(),
                mendable: false,
                count: None,
            });
        }
    }
}

/// Files that are their owner's alone: database, log, journal, lock, backups, what is kept beside them, and keys.
pub(super) fn private_files(paths: &Paths, options: &DoctorOptions) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = ["", "-wal", "-shm", "-journal"].iter().map(|suffix| paths.beside(suffix)).collect();
    let moved_aside = format!("{}.failed_", file_name(&paths.database));
    files.extend(names_in(paths.folder()).into_iter().filter(|path| file_name(path).starts_with(&moved_aside)));
    let stem = format!("{}_", paths.stem());
    files.extend(names_in(&paths.backups).into_iter().filter(|path| {
        let name = file_name(path);
        (name.starts_with(&stem) && name.ends_with(".db")) || matches!(&*name, "backups.jsonl" | "migrations.jsonl")
    }));
    files.extend(options.private_files.iter().cloned());
    files.retain(|path| path.is_file());
    files
}

/// The paths in a folder, in order; none of a folder that cannot be read.
pub(super) fn names_in(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
        .unwrap_or_default();
    paths.sort();
    paths
}

pub(super) fn file_name(path: &Path) -> std::borrow::Cow<'_, str> {
    path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default()
}
