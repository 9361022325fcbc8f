//! Rows that the types refuse, through the readers of the tables.

use std::sync::Arc;

use riskd_core::model::Invalid;

use super::{Finding, FindingCode, Patient, schema};
use crate::error::StoreError;
use crate::tables::{
    Cells, RowChecks, Table, Unreadable, contract_cache, daily_pnl, daily_unrealized_pnl, drawdown_marks,
    enforcement_log, lockouts, orders, positions, reset_schedule, rule_commitments, session_state, trade_history,
};

/// Beyond so many of one table, rows are counted and no longer listed.
const MOST_LISTED: u64 = 100;

type Reads<'a> = Box<dyn Fn(&Cells<'_>) -> Result<(), Invalid> + 'a>;

/// Every row of ours that cannot be read.
pub(super) fn check(patient: &Patient<'_>, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let checks = RowChecks {
        now: patient.options.clock.now(),
        negative_price_roots: Arc::from(patient.options.negative_price_roots.as_slice()),
    };
    let tables: [(&Table, Reads<'_>); 11] = [
        (&daily_pnl::TABLE, Box::new(|cells| daily_pnl::from_cells(cells).map(drop))),
        (&contract_cache::TABLE, Box::new(|cells| contract_cache::from_cells(cells, &checks).map(drop))),
        (&trade_history::TABLE, Box::new(|cells| trade_history::from_cells(cells).map(drop))),
        (&session_state::TABLE, Box::new(|cells| session_state::from_cells(cells).map(drop))),
        (&positions::TABLE, Box::new(|cells| positions::from_cells(cells, &checks).map(drop))),
        (&orders::TABLE, Box::new(|cells| orders::from_cells(cells, &checks).map(drop))),
        (&enforcement_log::TABLE, Box::new(|cells| enforcement_log::from_cells(cells).map(drop))),
        (&reset_schedule::TABLE, Box::new(|cells| reset_schedule::from_cells(cells).map(drop))),
        (&daily_unrealized_pnl::TABLE, Box::new(|cells| daily_unrealized_pnl::from_cells(cells).map(drop))),
        (&drawdown_marks::TABLE, Box::new(|cells| drawdown_marks::from_cells(cells).map(drop))),
        (&rule_commitments::TABLE, Box::new(|cells| rule_commitments::from_cells(cells).map(drop))),
    ];
    if schema::is_readable(patient, lockouts::TABLE.name)? {
        // A row that is not locked says nothing, and so nothing in it can be wrong.
        let found = lockouts::in_force(&patient.seen.database, checks.now)?;
        let mut listed = Listed::default();
        found.unreadable.iter().for_each(|row| listed.add(row, findings));
        listed.close(lockouts::TABLE.name, findings);
    }
    for (table, read) in &tables {
        if schema::is_readable(patient, table.name)? {
            check_table(patient, table, read, findings)?;
        }
    }
    Ok(())
}

fn check_table(
    patient: &Patient<'_>,
    table: &Table,
    read: &Reads<'_>,
    findings: &mut Vec<Finding>,
) -> Result<(), StoreError> {
    let mut listed = Listed::default();
    let has_time =
        patient.seen.inventory.tables.get(table.name).is_some_and(|it| it.column("execution_time_ms").is_some());
    // Files older than the documented v1 have no such column: it reads as null.
    let sql = match table.select("NOT INDEXED") {
        sql if table.name == enforcement_log::TABLE.name && !has_time => sql.replace("execution_time_ms", "NULL"),
        sql => sql,
    };
    let mut run = || -> rusqlite::Result<()> {
        let mut statement = patient.seen.database.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            if let Err(unreadable) = table.read_row(row, |cells| read(cells)) {
                listed.add(&unreadable, findings);
            }
        }
        Ok(())
    };
    run().map_err(StoreError::sqlite(format!("read the table {}", table.name)))?;
    listed.close(table.name, findings);
    Ok(())
}

#[derive(Default)]
struct Listed {
    count: u64,
}

impl Listed {
    fn add(&mut self, row: &Unreadable, findings: &mut Vec<Finding>) {
        self.count += 1;
        if self.count > MOST_LISTED {
            return;
        }
        let Unreadable { table, rowid, invalid, .. } = row;
        findings.push(Finding {
            code: FindingCode::RowUnreadable,
            place: format!("{table} row {rowid}"),
            explanation: invalid.to_string(),
            mend: format!(
                "look at it (SELECT rowid, * FROM {table} WHERE rowid = {rowid}) and correct it; nobody else knows what \
                 it should say"
            ),
            mendable: false,
            count: Some(1),
        });
    }

    fn close(self, table: &str, findings: &mut Vec<Finding>) {
        if let more @ 1.. = self.count.saturating_sub(MOST_LISTED) {
            findings.push(Finding {
                code: FindingCode::RowUnreadable,
                place: table.to_owned(),
                explanation: format!("{more} more rows cannot be read"),
                mend: "correct those listed; the next run lists more".into(),
                mendable: false,
                count: Some(more),
            });
        }
    }
}
