//! Database privileges on the audit trail.
//!
//! On PostgreSQL a role that owns the tables can drop their triggers. So where two roles are set up, one
//! owns the tables and migrates them, and the other, with which people decide, may only read the
//! trail and add to it. SQLite has no roles: there, checkpoints alone tell.

use super::transact::{self, Dialect, Transaction};
use super::{SqlValue, Store};
use crate::diagnostic::{Code, Problem};

/// Tables with the rights that the serving role lacks on them.
const KEPT: [(&str, &str); 5] = [
    ("audit_trail", "UPDATE, DELETE"),
    ("approvals", "DELETE"),
    ("contributors", "UPDATE, DELETE"),
    ("proposals", "DELETE"),
    ("schema_migrations", "INSERT, UPDATE, DELETE"),
];

/// The warning that this role could change the trail, if it could.
///
/// # Errors
/// Errors of the store.
pub fn warning(tx: &mut dyn Transaction) -> Result<Option<Problem>, Problem> {
    if tx.dialect() == Dialect::Sqlite {
        return Ok(None);
    }
    let rows = tx.query(
        "SELECT current_user::text, \
           pg_has_role(current_user, c.relowner, 'USAGE') \
             OR has_table_privilege(c.oid, 'UPDATE') OR has_table_privilege(c.oid, 'DELETE') \
             OR has_table_privilege(c.oid, 'TRUNCATE') \
         FROM pg_catalog.pg_class c WHERE c.oid = 'recon.audit_trail'::regclass",
        &[],
    )?;
    let Some(row) = rows.first() else { return Ok(None) };
    if !row.boolean(1)? {
        return Ok(None);
    }
    let role = row.required(0)?;
    Ok(Some(
        Problem::new(
            Code::AuditOneRole,
            format!(
                "the role `{role}` may change the audit trail, so the database can't keep it \
                 append-only: only checkpoints tell"
            ),
        )
        .help("let another role own the tables: `recon migrate --owner-url` (docs/audit.md)"),
    ))
}

/// Lets a role of PostgreSQL serve: it reads everything, writes what people do, and adds to the
/// audit trail. To be called with a store that was opened as the owner of the tables.
///
/// # Errors
/// A store that has no roles, or a role that there isn't.
pub fn let_serve(owner: &dyn Store, role: &str) -> Result<(), Problem> {
    let role = format!("\"{}\"", role.replace('"', "\"\""));
    transact::write(owner, |tx| {
        if tx.dialect() == Dialect::Sqlite {
            return Err(Problem::new(
                Code::NoRoles,
                "SQLite has no roles: every user who may write to the file owns it",
            ));
        }
        let mut run = |sql: String| tx.execute(&sql, &[] as &[SqlValue]).map(drop);
        run(format!("GRANT USAGE ON SCHEMA recon TO {role}"))?;
        run(format!(
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA recon TO {role}"
        ))?;
        run(format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA recon TO {role}"))?;
        for (table, actions) in KEPT {
            run(format!("REVOKE {actions} ON recon.{table} FROM {role}"))?;
        }
        Ok(())
    })
}
