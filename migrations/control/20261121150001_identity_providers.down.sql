-- Confined sessions would become good everywhere.
UPDATE control.session SET revoked_at = COALESCE(revoked_at, now()) WHERE confined_to IS NOT NULL;
DROP INDEX control.session_provider;
ALTER TABLE control.session
    DROP CONSTRAINT session_confined,
    DROP COLUMN provider_id,
    DROP COLUMN confined_to;
DROP TABLE control.sign_in_flow;
DROP TABLE control.user_identity;
DROP TABLE control.member_identity;
DROP TABLE control.identity_provider;
