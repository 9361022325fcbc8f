//! One commit: many batches, each atomic by itself.

use rusqlite::Connection;

use super::apply::apply;
use super::merge;
use super::{Batch, WriterOptions};
use crate::audit::{Trail, Upkeep};
use crate::error::{EngineError, EngineErrorKind, StoreError};
use crate::retention::{CleanUpReport, Sweep};

/// Why a whole transaction came to nothing.
struct Lost {
    failure: EngineError,
    /// Whether another attempt right away has a chance: not while somebody holds the file or the disk fails.
    worth_another_try: bool,
}

/// Writes a group and tells each submitter.
///
/// A batch that is refused fails alone. When the whole transaction is lost (SQLite rolls all of it back when the disk is full,
/// and a commit may fail), each batch gets one more try in a transaction of its own, so that one that is too large does
/// not sink the small ones.
pub(super) fn write(
    connection: &mut Connection,
    group: Vec<Batch>,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) {
    match write_together(connection, &group, trail, options) {
        Ok(outcomes) => {
            for (batch, outcome) in group.into_iter().zip(outcomes) {
                batch.settle(outcome.map_err(not_written));
            }
        }
        Err(lost) if group.len() == 1 || !lost.worth_another_try => fail_all(group, &lost.failure),
        Err(_) => write_one_by_one(connection, group, trail, options),
    }
}

/// One step of a clean-up in a transaction of its own; the report once it is at its end.
pub(super) fn step_clean_up(
    connection: &mut Connection,
    sweep: &mut Sweep,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) -> Result<Option<CleanUpReport>, StoreError> {
    let now = options.clock.now();
    in_one_transaction(connection, trail, options, |connection, trail| sweep.step(connection, trail.as_mut(), now))
}

/// One step of what the audit trail needs after a start; what is left after it.
pub(super) fn step_upkeep(
    connection: &mut Connection,
    upkeep: Upkeep,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) -> Result<Option<Upkeep>, StoreError> {
    let now = options.clock.now();
    in_one_transaction(connection, trail, options, |connection, trail| match trail {
        Some(trail) => upkeep.step(connection, trail, now),
        None => Ok(None),
    })
}

fn in_one_transaction<T>(
    connection: &mut Connection,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
    work: impl FnOnce(&Connection, &mut Option<Trail>) -> rusqlite::Result<T>,
) -> Result<T, StoreError> {
    let before = *trail;
    let run = |connection: &mut Connection| -> Result<T, EngineError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let done = work(connection, trail)?;
        commit(connection, options)?;
        Ok(done)
    };
    run(connection).map_err(|failure| {
        roll_back(connection);
        *trail = before;
        not_written(failure)
    })
}

fn write_one_by_one(
    connection: &mut Connection,
    group: Vec<Batch>,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) {
    let mut batches = group.into_iter();
    while let Some(batch) = batches.next() {
        match write_together(connection, std::slice::from_ref(&batch), trail, options) {
            Ok(outcomes) => {
                let outcome = outcomes.into_iter().next().unwrap_or(Ok(()));
                batch.settle(outcome.map_err(not_written));
            }
            Err(lost) => {
                let give_up = !lost.worth_another_try;
                batch.settle(Err(not_written(lost.failure.clone())));
                if give_up {
                    fail_all(batches.collect(), &lost.failure);
                    return;
                }
            }
        }
    }
}

fn fail_all(group: Vec<Batch>, failure: &EngineError) {
    for batch in group {
        batch.settle(Err(not_written(failure.clone())));
    }
}

/// One transaction. The outcome of each batch, once the others are durable; or why nothing of it is in the file.
fn write_together(
    connection: &mut Connection,
    group: &[Batch],
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) -> Result<Vec<Result<(), EngineError>>, Lost> {
    let before = *trail;
    let mut write = |connection: &mut Connection| -> Result<Vec<Result<(), EngineError>>, EngineError> {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        let needed = merge::needed(group);
        let mut outcomes = write_batches(connection, group, Some(&needed), trail, options)?;
        if needed.contains(&false) && outcomes.iter().any(Result::is_err) {
            // What a refused batch would have replaced is needed after all: once more, with nothing left out.
            connection.execute_batch("ROLLBACK; BEGIN IMMEDIATE")?;
            *trail = before;
            outcomes = write_batches(connection, group, None, trail, options)?;
        }
        commit(connection, options)?;
        Ok(outcomes)
    };
    write(connection).map_err(|failure| {
        roll_back(connection);
        *trail = before;
        let worth_another_try = !matches!(failure.kind, EngineErrorKind::Busy | EngineErrorKind::DiskFailure);
        Lost { failure, worth_another_try }
    })
}

/// Every batch, each in its savepoint. `needed` says of each write of the group whether it must be carried out; without it
/// every one is.
fn write_batches(
    connection: &Connection,
    group: &[Batch],
    needed: Option<&[bool]>,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) -> Result<Vec<Result<(), EngineError>>, EngineError> {
    let mut outcomes = Vec::with_capacity(group.len());
    let mut from = 0;
    for batch in group {
        let needed = needed.map(|needed| &needed[from..from + batch.writes.len()]);
        outcomes.push(write_batch(connection, batch, needed, trail, options)?);
        from += batch.writes.len();
    }
    Ok(outcomes)
}

/// One batch in its savepoint. The outer error means that the whole transaction is lost.
fn write_batch(
    connection: &Connection,
    batch: &Batch,
    needed: Option<&[bool]>,
    trail: &mut Option<Trail>,
    options: &WriterOptions,
) -> Result<Result<(), EngineError>, EngineError> {
    let before = *trail;
    connection.prepare_cached("SAVEPOINT batch")?.execute([])?;
    let now = options.clock.now();
    let mut places = batch.writes.iter().enumerate().filter(|(place, _)| needed.is_none_or(|needed| needed[*place]));
    let outcome =
        places.try_for_each(|(_, write)| apply(connection, write, now, trail.as_mut()).map_err(EngineError::from));
    if let Err(failure) = &outcome {
        if connection.is_autocommit() {
            return Err(failure.clone());
        }
        connection.prepare_cached("ROLLBACK TO batch")?.execute([])?;
        *trail = before;
    }
    connection.prepare_cached("RELEASE batch")?.execute([])?;
    Ok(outcome)
}

fn commit(connection: &Connection, options: &WriterOptions) -> Result<(), EngineError> {
    if let Some(gate) = &options.commit_gate {
        gate().map_err(|message| EngineError { kind: EngineErrorKind::Other, message })?;
    }
    connection.execute_batch("COMMIT").map_err(EngineError::from)
}

fn roll_back(connection: &Connection) {
    // Where SQLite rolled back by itself there is nothing left to do.
    if !connection.is_autocommit()
        && let Err(error) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(%error, "a failed transaction could not be rolled back");
    }
}

fn not_written(source: EngineError) -> StoreError {
    StoreError::NotWritten { source }
}
