-- What the machine said of an item when a proposal took it: a rule that speaks later does not change what people saw.
--
-- The causes that it had weighed and the evidence for the first, as JSON; null in proposals from before.
ALTER TABLE proposal_items ADD COLUMN prior_explanation TEXT;
