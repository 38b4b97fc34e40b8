//! Filters of the queue that people gave a name.

use crate::diagnostic::Problem;
use crate::store::rows::parameters;

use super::ReviewTables;

impl ReviewTables<'_> {
    /// A person's named filters, by name: name and query.
    pub fn saved_views(&mut self, person_id: &str) -> Result<Vec<(String, String)>, Problem> {
        let sql = "SELECT name, query FROM recon.saved_views WHERE person_id = $1 ORDER BY name";
        self.tx.list(sql, &parameters![person_id], |row| Ok((row.required(0)?, row.required(1)?)))
    }

    /// Saves a named filter; one of the same name is replaced.
    pub fn save_view(
        &mut self,
        person_id: &str,
        name: &str,
        query: &str,
        at: &str,
    ) -> Result<(), Problem> {
        let sql = "INSERT INTO recon.saved_views (person_id, name, query, saved_at) \
                   VALUES ($1, $2, $3, $4) ON CONFLICT (person_id, name) \
                   DO UPDATE SET query = excluded.query, saved_at = excluded.saved_at";
        self.tx.execute(sql, &parameters![person_id, name, query, at]).map(drop)
    }

    pub fn delete_view(&mut self, person_id: &str, name: &str) -> Result<(), Problem> {
        let sql = "DELETE FROM recon.saved_views WHERE person_id = $1 AND name = $2";
        self.tx.execute(sql, &parameters![person_id, name]).map(drop)
    }
}
