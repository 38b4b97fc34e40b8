-- Open items that the next date did not take over, which are few: the page of breaks lists them with those of the newest date.
CREATE INDEX cleared_breaks_not_taken ON cleared_breaks (job, since) WHERE cleared_how = 6;
