//! One fault in one run, and the judgement of what it left.

use std::fmt;
use std::path::{Path, PathBuf};

use riskd_store::{Interrupt, Location, OpenOutcome, StoreError};

use crate::database::{Contents, copy_with_side_files};
use crate::disk::{Disk, Fault, Operation, Place, Random, Watched};
use crate::scenario::{Action, Ended, Ready, SCENARIOS, Scenario};
use crate::support::{assert_same, query};

/// A fault at one operation of a scenario.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) scenario: &'static Scenario,
    pub(crate) fault: Fault,
    pub(crate) place: Place,
    /// For what is left to chance.
    pub(crate) seed: u64,
}

impl fmt::Display for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scenario, fault, place, seed } = self;
        write!(formatter, "{}/{}/{}:{}", scenario.name, fault.name(), place.lane, place.number)?;
        if *fault == Fault::Reorder { write!(formatter, "@{seed}") } else { Ok(()) }
    }
}

impl std::str::FromStr for Case {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} is no case: SCENARIO/FAULT/THREAD:OPERATION[@SEED], as they are printed");
        let (text_before, seed) = text.split_once('@').unwrap_or((text, "1"));
        let mut parts = text_before.split('/');
        let (Some(name), Some(fault), Some(place), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(wrong());
        };
        let (lane, number) = place.split_once(':').ok_or_else(wrong)?;
        let (lane, number) = (lane.parse().map_err(|_| wrong())?, number.parse().map_err(|_| wrong())?);
        Ok(Self {
            scenario: SCENARIOS.iter().find(|scenario| scenario.name == name).ok_or_else(wrong)?,
            fault: Fault::ALL.into_iter().find(|known| known.name() == fault).ok_or_else(wrong)?,
            place: Place { lane, number },
            seed: seed.parse().map_err(|_| wrong())?,
        })
    }
}

/// What a case left.
pub(crate) struct Outcome {
    /// The name of the contents found after the fault.
    pub(crate) left: &'static str,
    /// What the fault hit; none when the run never came to it.
    pub(crate) hit: Option<Operation>,
    /// What is not allowed.
    pub(crate) wrong: Vec<String>,
    /// What the caller was told.
    pub(crate) said: String,
}

/// Runs a case in `folder`, which is empty. `witnesses`: whether Python and the shell look too.
pub(crate) fn run(case: Case, folder: &Path, witnesses: bool) -> Outcome {
    let ready = case.scenario.ready();
    let root = ready.lay_out(folder);
    let scratch = folder.join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    let action = case.scenario.action;
    let interrupt = Interrupt::new();
    let watched = Watched::new(&root, Some((case.place, case.fault)), interrupt.clone());
    let ended = action.run(&root, &interrupt, Some(&watched));
    let disk = watched.0.clone();
    drop(watched);

    let mut judge = Judge { ready, action, root: &root, scratch: &scratch, wrong: Vec::new() };
    if case.fault.is_death() {
        judge.bury(case, &disk);
    } else {
        judge.check_word(&ended, &disk);
    }
    let left = judge.look();
    judge.check_left(left, &ended, case);
    if witnesses {
        judge.ask_witnesses();
    }
    judge.check_next_run();
    if witnesses {
        judge.ask_witnesses();
    }
    let said = match &ended.result {
        Ok(()) => format!("done; warnings: {:?}", ended.warnings),
        Err(error) => error.to_string(),
    };
    Outcome { left, hit: disk.hit(), wrong: judge.wrong, said }
}

const NOTHING: &str = "no file";
const EMPTY: &str = "empty";
const OTHER: &str = "something else";
/// A process of this number does not exist anywhere.
const DEAD_PROCESS: &str = "999999999";

struct Judge<'a> {
    ready: &'a Ready,
    action: Action,
    root: &'a Path,
    scratch: &'a Path,
    wrong: Vec<String>,
}

impl Judge<'_> {
    /// Leaves of the files what the death leaves of them.
    fn bury(&mut self, case: Case, disk: &Disk) {
        if case.fault.loses_unsynced() {
            let seed = (case.fault == Fault::Reorder).then(|| seed_of(case));
            disk.after_power_cut(seed).write(self.root, self.root);
        }
        if case.fault == Fault::Reorder && self.root.join("state.db-wal").exists() {
            // The index of the log is never synced: after a power cut anything may be in it.
            let mut random = Random(seed_of(case));
            let noise: Vec<u8> = (0..4096).flat_map(|_| random.next().to_le_bytes()).collect();
            std::fs::write(self.root.join("state.db-shm"), noise).unwrap();
        }
    }

    /// Who was told that all went well must find it so, also after a power cut the moment after.
    fn check_word(&mut self, ended: &Ended, disk: &Disk) {
        if ended.result.is_err() || !ended.warnings.is_empty() {
            return;
        }
        let after = self.scratch.join("after");
        std::fs::create_dir(&after).unwrap();
        disk.after_power_cut(None).write(self.root, &after);
        let judge = Judge { root: &after, wrong: Vec::new(), ..*self };
        let left = judge.look();
        let expected = self.action.goal();
        if left != expected {
            self.wrong.push(format!("it said done; after a power cut right then the disk holds {left}"));
        }
        if self.action.makes_backup() && judge.good_backups().is_empty() {
            self.wrong.push("it said done; after a power cut right then there is no verified backup".into());
        }
    }

    /// The name of what the database holds.
    fn look(&self) -> &'static str {
        match Contents::of_copy(&self.root.join("state.db"), self.scratch) {
            None => NOTHING,
            Some(Ok(found)) => {
                let known = self.ready.known.iter().find(|(_, contents)| *contents == found);
                known.map_or_else(|| if found.is_empty() { EMPTY } else { OTHER }, |(name, _)| name)
            }
            Some(Err(_)) => OTHER,
        }
    }

    /// Whether what is left is allowed, and agrees with what the caller was told.
    fn check_left(&mut self, left: &'static str, ended: &Ended, case: Case) {
        let allowed = self.ready.known.iter().any(|(name, _)| *name == left)
            || self.action == Action::Create && [NOTHING, EMPTY].contains(&left)
            || self.ready.orphan.is_some() && left == NOTHING;
        if !allowed {
            self.wrong.push(format!("it left {left}: {}", self.describe()));
        }
        let lived = !case.fault.is_death();
        if lived && ended.result.is_ok() && left != self.action.goal() {
            self.wrong.push(format!("it said done and left {left}"));
        }
        if lived
            && let Err(StoreError::MigrationFailed(failed)) = &ended.result
            && left == "v2"
        {
            self.wrong.push(format!("it said \"unchanged, still v{}\" and left v2", failed.version));
        }
        if left == "v2" && self.action == Action::Migrate && self.good_backups().is_empty() {
            self.wrong.push("it left v2 without a verified backup of v1".into());
        }
        let is_restore = matches!(self.action, Action::Restore | Action::Rollback);
        if is_restore && (left == "v1" || left == NOTHING) && !self.is_kept() {
            self.wrong.push("the file that was there is not kept".into());
        }
    }

    fn check_next_run(&mut self) {
        self.leave_the_dead_their_number();
        let outcome = match self.action.run_again(self.root) {
            Ok(outcome) => outcome,
            Err(error) => {
                self.wrong.push(format!("the next run failed: {error}"));
                return;
            }
        };
        let left = self.look();
        let goal = if self.action == Action::RecordFailure { "v2" } else { self.action.goal() };
        if left != goal {
            self.wrong.push(format!("the next run left {left}: {}", self.describe()));
        }
        let (good, all) = (self.good_backups().len(), self.backups().len());
        let makes_backup = self.action != Action::Create;
        if makes_backup && (good == 0 || all > 2) {
            self.wrong.push(format!("after the next run there are {all} backups, {good} of them verified"));
        }
        if matches!(self.action, Action::Restore | Action::Rollback) && !self.is_kept() {
            self.wrong.push("after the next run the file that was there is not kept".into());
        }
        if matches!(outcome, Some(OpenOutcome::Migrated(_))) && !self.success_is_logged() {
            self.wrong.push("after the next run migrations.jsonl does not end with its success".into());
        }
        let left_over: Vec<String> = self.names().into_iter().filter(|name| self.is_left_over(name)).collect();
        // A database at head is not written to, and nothing beside it is in anybody's way.
        if !left_over.is_empty() && !matches!(outcome, Some(OpenOutcome::Current { .. })) {
            self.wrong.push(format!("after the next run these are left over: {left_over:?}"));
        }
    }

    /// Python and the shell, which share no code with the program under test, on a copy.
    fn ask_witnesses(&self) {
        let folder = self.scratch.join("witness");
        std::fs::create_dir_all(&folder).unwrap();
        let Some(copy) = copy_with_side_files(&self.root.join("state.db"), &folder) else { return };
        if self.look() == EMPTY {
            return;
        }
        assert_eq!(query(&copy, "PRAGMA integrity_check"), ["ok"]);
        let has_row_77 = self.ready.orphan.is_none()
            && matches!(self.action, Action::Restore | Action::Rollback)
            && self.look() != "v1";
        if let Some(held) = &self.ready.held
            && !has_row_77
        {
            std::fs::write(self.scratch.join("held.json"), held).unwrap();
            let copy = copy_with_side_files(&self.root.join("state.db"), &folder).unwrap();
            assert_same(&self.scratch.join("held.json"), &copy);
        }
    }

    fn describe(&self) -> String {
        match Contents::of_copy(&self.root.join("state.db"), self.scratch) {
            None => "there is no file".into(),
            Some(Err(error)) => error,
            Some(Ok(found)) => {
                let against = |(name, known): &(&str, Contents)| format!("unlike {name}: {}", found.difference(known));
                self.ready.known.iter().map(against).collect::<Vec<_>>().join(" / ")
            }
        }
    }

    /// The next run is another process's: what this one left half written has the number of one that is gone.
    fn leave_the_dead_their_number(&self) {
        let ours = format!(".{}.partial", std::process::id());
        for name in self.names().into_iter().filter(|name| name.contains(&ours)) {
            let dead = name.replace(&ours, &format!(".{DEAD_PROCESS}.partial"));
            std::fs::rename(self.root.join(name), self.root.join(dead)).unwrap();
        }
    }

    fn backups(&self) -> Vec<riskd_store::BackupInfo> {
        riskd_store::list_backups(&Location::new(self.root.join("state.db"))).unwrap()
    }

    /// Backups that count as verified and hold every row of v1.
    fn good_backups(&self) -> Vec<PathBuf> {
        let verified = self.backups().into_iter().filter(|backup| backup.verified).map(|backup| backup.path);
        verified.filter(|path| self.is_v1(path)).collect()
    }

    fn is_v1(&self, path: &Path) -> bool {
        let is_known =
            |found: &Contents| self.ready.known.iter().any(|(name, known)| name.starts_with("v1") && known == found);
        matches!(Contents::of_copy(path, self.scratch), Some(Ok(found)) if is_known(&found))
    }

    /// Whether a file moved away holds what the database held before the restore.
    fn is_kept(&self) -> bool {
        if let Some(orphan) = &self.ready.orphan {
            let logs = self.names().into_iter().filter(|name| name.starts_with("state.db") && name.ends_with("-wal"));
            return logs.into_iter().any(|name| std::fs::read(self.root.join(name)).unwrap() == *orphan);
        }
        let before = self.ready.contents("v2 as it was");
        self.names()
            .into_iter()
            .filter(|name| name.starts_with("state.db.failed_"))
            .filter(|name| !["-wal", "-shm", "-journal"].iter().any(|suffix| name.ends_with(suffix)))
            .any(|name| {
                matches!(Contents::of_copy(&self.root.join(name), self.scratch), Some(Ok(found)) if found == *before)
            })
    }

    fn success_is_logged(&self) -> bool {
        let log = std::fs::read_to_string(self.root.join("backups/migrations.jsonl")).unwrap_or_default();
        let last = log.lines().last().and_then(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        last.is_some_and(|line| line["ending"] == "succeeded")
    }

    /// Every file, relative to the root.
    fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for (folder, prefix) in [(self.root.to_owned(), ""), (self.root.join("backups"), "backups/")] {
            let Ok(entries) = std::fs::read_dir(folder) else { continue };
            let files = entries.map(|entry| entry.unwrap()).filter(|entry| entry.path().is_file());
            names.extend(files.map(|entry| format!("{prefix}{}", entry.file_name().to_str().unwrap())));
        }
        names
    }

    fn is_left_over(&self, name: &str) -> bool {
        let beside = ["state.db-wal", "state.db-journal", "state.db-shm", "state.db.lock"];
        // A backup writes nothing to the database's folder: what lies beside the file stays.
        name.contains(".partial") || self.action != Action::Backup && beside.contains(&name)
    }
}

impl Action {
    /// What the database holds when the action has succeeded.
    fn goal(self) -> &'static str {
        match self {
            Self::Migrate | Self::Create => "v2",
            Self::RecordFailure => "v1, failure recorded",
            Self::Backup | Self::Restore | Self::Rollback => "v1",
        }
    }

    fn makes_backup(self) -> bool {
        matches!(self, Self::Migrate | Self::Backup)
    }
}

fn seed_of(case: Case) -> u64 {
    let Place { lane, number } = case.place;
    let name = case.scenario.name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    Random(case.seed ^ name ^ ((lane as u64) << 32 | number as u64)).next()
}
