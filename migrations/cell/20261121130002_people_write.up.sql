-- People answer from the console; what they write is told apart from what programs send by the API.
ALTER TABLE cell.message DROP CONSTRAINT message_author_check;
ALTER TABLE cell.message ADD CONSTRAINT message_author_check
    CHECK (author IN ('contact', 'agent', 'api', 'person'));
-- A credential's state is that of the latest call to its provider.
CREATE INDEX provider_call_latest ON cell.provider_call (tenant_id, provider, started_at DESC);
