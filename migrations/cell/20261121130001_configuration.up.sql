-- A tenant's own settings, every version of them, and the logos that versions name. Versions are
-- only ever added, so the history is what it was; the defaults are version 0 and stand in no row.

CREATE TABLE cell.tenant_config (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    version bigint NOT NULL CHECK (version > 0),
    -- The whole document, as in {"limits": {"messages_per_minute": 600}, …}.
    document jsonb NOT NULL,
    -- As in the audit log.
    author text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_config_version PRIMARY KEY (tenant_id, version)
);
ALTER TABLE cell.tenant_config ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.tenant_config FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.tenant_config TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.tenant_config FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT ON cell.tenant_config TO freehold_app;
GRANT SELECT ON cell.tenant_config TO freehold_operator;

CREATE TABLE cell.tenant_logo (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    -- The SHA-256 of the image in hexadecimal: its name in the document and in its address.
    digest text NOT NULL CHECK (digest ~ '^[0-9a-f]{64}$'),
    content_type text NOT NULL CHECK (content_type IN ('image/png', 'image/jpeg', 'image/webp')),
    image bytea NOT NULL CHECK (octet_length(image) <= 262144),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, digest)
);
ALTER TABLE cell.tenant_logo ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.tenant_logo FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.tenant_logo TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.tenant_logo FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, DELETE ON cell.tenant_logo TO freehold_app;
GRANT SELECT ON cell.tenant_logo TO freehold_operator;
