//! Backups that no longer hold what they held when they were proved.

use std::path::Path;

use super::{DoctorOptions, Finding, FindingCode};
use crate::backup::{Proof, examine, files_and_proofs};
use crate::content::digest;
use crate::error::StoreError;
use crate::location::{Paths, with_suffix};
use crate::open::{DatabaseKind, is_filled, look_untouched};

/// Reads every backup through and compares it with what was written down of it.
pub(super) fn check(paths: &Paths, options: &DoctorOptions, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    for (path, proof) in files_and_proofs(paths)? {
        options.interrupt.check()?;
        let defect = match defect_of(&path, proof.as_ref(), options) {
            Err(error) if error.is_interrupt() => return Err(error),
            Err(error) => Some(error.to_string()),
            Ok(defect) => defect,
        };
        let Some(explanation) = defect else { continue };
        findings.push(Finding {
            code: FindingCode::BackupUnverified,
            place: path.display().to_string(),
            explanation,
            mend: "make another with `riskd db backup`, and do not restore this one".into(),
            mendable: false,
            count: None,
        });
    }
    Ok(())
}

/// What is wrong with a backup.
fn defect_of(path: &Path, proof: Option<&Proof>, options: &DoctorOptions) -> Result<Option<String>, StoreError> {
    if ["-wal", "-journal"].iter().any(|suffix| is_filled(&with_suffix(path, suffix))) {
        return Ok(Some(
            "a log or journal lies beside it: opened with that, it is no longer what was backed up".into(),
        ));
    }
    let size = path.metadata().map_err(StoreError::io("look at", path))?.len();
    if let Some(proof) = proof.filter(|proof| proof.size_bytes != size) {
        return Ok(Some(format!("it has {size} bytes and had {} when it was verified", proof.size_bytes)));
    }
    match look_untouched(path)?.kind {
        DatabaseKind::Damaged { reason } | DatabaseKind::Foreign { reason } => return Ok(Some(reason)),
        DatabaseKind::Fresh => return Ok(Some("it is empty".into())),
        DatabaseKind::NeedsRecovery => return Ok(Some("a transaction was left half done in it".into())),
        DatabaseKind::Missing
        | DatabaseKind::Newer { .. }
        | DatabaseKind::Current { .. }
        | DatabaseKind::Behind { .. } => {}
    }
    let found = examine(path, &options.interrupt, &|_| ())?;
    if !found.integrity.is_empty() {
        return Ok(Some(found.integrity.join("; ")));
    }
    // One that nobody wrote down may be the user's own copy: whole is all that it can be asked to be.
    let changed = proof.is_some_and(|proof| proof.digest != digest(&found.contents, &found.inventory));
    Ok(changed.then(|| "it does not hold what it held when it was verified".to_owned()))
}
