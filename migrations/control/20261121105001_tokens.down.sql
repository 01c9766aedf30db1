DROP TABLE control.refresh_token;
-- Sessions of clients cannot be said in the older form; they end.
DELETE FROM control.session WHERE token_sha256 IS NULL;
ALTER TABLE control.session DROP COLUMN tenant_id, ALTER COLUMN token_sha256 SET NOT NULL;
DROP TABLE control.signing_key;
