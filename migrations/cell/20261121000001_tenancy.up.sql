-- The cell database: everything here belongs to a tenant, and the policies say so.
--
-- Every table: tenant_id from the transaction's setting, forced row-level security, keys and
-- indexes led by tenant_id. The catalogue test holds each later table to the same.

GRANT USAGE ON SCHEMA cell TO freehold_app, freehold_operator, freehold_ingest, freehold_worker;

-- This cell's own word on a tenant: a transaction under another epoch is refused here.
CREATE TABLE cell.tenancy (
    tenant_id uuid PRIMARY KEY,
    epoch bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE cell.tenancy ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.tenancy FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.tenancy TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.tenancy FOR SELECT TO freehold_operator USING (true);
-- Provisioning puts a tenant into a cell before any transaction of the tenant's can run there.
CREATE POLICY staff_write ON cell.tenancy FOR INSERT TO freehold_operator WITH CHECK (true);
CREATE POLICY staff_move ON cell.tenancy FOR UPDATE TO freehold_operator USING (true);
-- A batch of webhooks is checked against the set of tenants that were established for it.
CREATE POLICY ingest ON cell.tenancy FOR SELECT TO freehold_ingest
    USING (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
GRANT SELECT ON cell.tenancy TO freehold_app, freehold_operator, freehold_ingest;
GRANT INSERT, UPDATE ON cell.tenancy TO freehold_operator;

CREATE TABLE cell.audit_entry (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    target text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    correlation_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
ALTER TABLE cell.audit_entry ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.audit_entry FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.audit_entry TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.audit_entry FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT ON cell.audit_entry TO freehold_app;
GRANT SELECT ON cell.audit_entry TO freehold_operator;

CREATE TABLE cell.api_key (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    -- The part of the key that finds this row; the secret part is stored as its SHA-256 alone.
    public_id text NOT NULL,
    secret_sha256 bytea NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    mode text NOT NULL CHECK (mode IN ('live', 'test')),
    display text NOT NULL,
    permissions text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_key_public_id UNIQUE (tenant_id, public_id)
);
ALTER TABLE cell.api_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.api_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.api_key TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.api_key FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.api_key TO freehold_app;
GRANT SELECT ON cell.api_key TO freehold_operator;
