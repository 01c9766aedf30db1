-- Confined ones would end in sessions that are good everywhere.
DELETE FROM control.pending_sign_in WHERE confined_to IS NOT NULL;
DROP INDEX control.pending_sign_in_provider;
ALTER TABLE control.pending_sign_in
    DROP CONSTRAINT pending_sign_in_confined,
    DROP COLUMN provider_id,
    DROP COLUMN confined_to;
