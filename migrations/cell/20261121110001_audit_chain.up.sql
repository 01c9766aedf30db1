-- The audit log as a chain: see docs/audit.md for what is hashed.

-- `json` keeps the text as it was written, and it is the text that is hashed; `jsonb` would order
-- keys and rewrite numbers. Entries from before this migration stay outside the chain (no seq): a
-- hash that is computed afterwards would vouch for what nothing has guarded.
ALTER TABLE cell.audit_entry
    ALTER COLUMN detail DROP DEFAULT,
    ALTER COLUMN detail TYPE json USING detail::json,
    ALTER COLUMN detail SET DEFAULT '{}',
    ADD COLUMN ip text,
    ADD COLUMN user_agent text,
    ADD COLUMN seq bigint CHECK (seq > 0),
    ADD COLUMN hash bytea CHECK (length(hash) = 32),
    ADD CONSTRAINT audit_entry_chained CHECK ((seq IS NULL) = (hash IS NULL)),
    ADD CONSTRAINT audit_entry_seq UNIQUE (tenant_id, seq);
CREATE INDEX audit_entry_actor ON cell.audit_entry (tenant_id, actor, id);
CREATE INDEX audit_entry_target ON cell.audit_entry (tenant_id, target, id);
CREATE INDEX audit_entry_correlation ON cell.audit_entry (tenant_id, correlation_id);

-- The end of each tenant's chain. Appending moves it on, and so appends one at a time.
CREATE TABLE cell.audit_head (
    tenant_id uuid PRIMARY KEY DEFAULT current_setting('freehold.tenant_id')::uuid,
    seq bigint NOT NULL CHECK (seq > 0),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
ALTER TABLE cell.audit_head ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.audit_head FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.audit_head TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.audit_head FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.audit_head TO freehold_app;
GRANT SELECT ON cell.audit_head TO freehold_operator;
-- Rewritten in place by every entry.
ALTER TABLE cell.audit_head SET (fillfactor = 50);

-- Signed statements of how long the chain was and what it ended in (c2sp.org/tlog-checkpoint).
CREATE TABLE cell.audit_checkpoint (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    size bigint NOT NULL CHECK (size > 0),
    at timestamptz NOT NULL DEFAULT now(),
    note text NOT NULL,
    PRIMARY KEY (tenant_id, size)
);
ALTER TABLE cell.audit_checkpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.audit_checkpoint FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.audit_checkpoint TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.audit_checkpoint FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT ON cell.audit_checkpoint TO freehold_app;
GRANT SELECT ON cell.audit_checkpoint TO freehold_operator;

-- How far the chain has been carried: signed, the checkpoint handed to its sink, entries streamed.
-- Apart from the head, so that appending and carrying do not wait for each other.
CREATE TABLE cell.audit_progress (
    tenant_id uuid PRIMARY KEY DEFAULT current_setting('freehold.tenant_id')::uuid,
    signed_seq bigint NOT NULL DEFAULT 0,
    signed_at timestamptz,
    sunk_seq bigint NOT NULL DEFAULT 0,
    delivered_seq bigint NOT NULL DEFAULT 0
);
ALTER TABLE cell.audit_progress ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.audit_progress FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.audit_progress TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.audit_progress FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.audit_progress TO freehold_app;
GRANT SELECT ON cell.audit_progress TO freehold_operator;
ALTER TABLE cell.audit_progress SET (fillfactor = 50);
