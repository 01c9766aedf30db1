-- A tenant's own key-encryption key: where it is, how it is used there, how it does. Without a row
-- the installation's key providers wrap the tenant's data keys; with one, each of them is wrapped by
-- the key named here, and its `kek` is `own:<id>:<the provider's own name of the key>`.

CREATE TABLE cell.tenant_key (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    -- Another one with each key that is set, so that no wrap is taken for one of a later key.
    id uuid NOT NULL,
    provider text NOT NULL CHECK (provider IN ('transit', 'aws')),
    -- Address, key and login, without its secret.
    settings jsonb NOT NULL,
    -- The login's secret, sealed under a data key of its own, and that key's wrap by the
    -- installation's key provider, as in `local:v1`.
    kek text NOT NULL,
    wrapped bytea NOT NULL,
    sealed bytea NOT NULL,
    -- When somebody last saw it work.
    verified_at timestamptz NOT NULL DEFAULT now(),
    -- Since when it can't be used, and why, as in `denied`.
    failing_since timestamptz,
    last_failure text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    version bigint NOT NULL DEFAULT 1,
    PRIMARY KEY (tenant_id),
    CHECK ((failing_since IS NULL) = (last_failure IS NULL))
);
ALTER TABLE cell.tenant_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.tenant_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.tenant_key TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.tenant_key FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.tenant_key TO freehold_app;
GRANT SELECT ON cell.tenant_key TO freehold_operator;
