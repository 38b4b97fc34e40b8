-- On SQLite the records of this view come first in a join; here the settings of `recon sql` do it.
COMMENT ON VIEW recon_records IS
    'Before a join with other views: SET jit = off; SET enable_nestloop = off';
