-- The rest of an API key's life: rotation with a grace period, a prefix of the tenant's own, and
-- what each key was used for.

-- The secret that a rotation replaced, for as long as it is still taken.
ALTER TABLE cell.api_key
    ADD COLUMN previous_sha256 bytea,
    ADD COLUMN previous_until timestamptz,
    ADD CONSTRAINT api_key_previous CHECK ((previous_sha256 IS NULL) = (previous_until IS NULL));

-- What the tenant's keys begin with; without a row, what everybody's do.
CREATE TABLE cell.api_key_prefix (
    tenant_id uuid PRIMARY KEY DEFAULT current_setting('freehold.tenant_id')::uuid,
    prefix text NOT NULL CHECK (prefix ~ '^[a-z][a-z0-9]{1,9}$'),
    set_by text NOT NULL,
    set_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE cell.api_key_prefix ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.api_key_prefix FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.api_key_prefix TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.api_key_prefix FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.api_key_prefix TO freehold_app;
GRANT SELECT ON cell.api_key_prefix TO freehold_operator;

-- Requests per key and UTC day. Nodes add what they have counted every few seconds.
CREATE TABLE cell.api_key_usage (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    key_id uuid NOT NULL,
    day date NOT NULL,
    requests bigint NOT NULL CHECK (requests > 0),
    last_at timestamptz NOT NULL,
    last_ip text,
    PRIMARY KEY (tenant_id, key_id, day),
    FOREIGN KEY (tenant_id, key_id) REFERENCES cell.api_key (tenant_id, id)
);
ALTER TABLE cell.api_key_usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.api_key_usage FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.api_key_usage TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.api_key_usage FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.api_key_usage TO freehold_app;
GRANT SELECT ON cell.api_key_usage TO freehold_operator;
