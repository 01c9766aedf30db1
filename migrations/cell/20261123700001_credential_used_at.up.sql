-- The time of the use itself instead of the beginning of its hour, which for a new credential lay
-- before it was made.
ALTER TABLE cell.credential_use RENAME COLUMN hour TO used_at;
