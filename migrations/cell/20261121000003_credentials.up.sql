-- The vault's rows: wrapped data keys, credentials, their sealed secrets, inbound endpoints.

CREATE TABLE cell.data_key (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    generation integer NOT NULL CHECK (generation > 0),
    -- Which key-encryption key wrapped it, as in `local:v1`.
    kek text NOT NULL,
    wrapped bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, generation)
);
ALTER TABLE cell.data_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.data_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.data_key TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.data_key FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.data_key TO freehold_app;
GRANT SELECT ON cell.data_key TO freehold_operator;

CREATE TABLE cell.credential (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    provider text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    -- The fields that are not secret, as in {"phone_number_id": "…"}.
    fields jsonb NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT credential_name_key UNIQUE (tenant_id, provider, name)
);
ALTER TABLE cell.credential ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.credential FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.credential TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.credential FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.credential TO freehold_app;
GRANT SELECT ON cell.credential TO freehold_operator;

-- One sealed value of a credential. `previous` stays valid for inbound signatures until its end.
CREATE TABLE cell.credential_secret (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    credential_id uuid NOT NULL,
    field text NOT NULL,
    slot text NOT NULL CHECK (slot IN ('current', 'previous')),
    sealed bytea NOT NULL,
    last4 text,
    valid_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, credential_id, field, slot),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE
);
ALTER TABLE cell.credential_secret ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.credential_secret FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.credential_secret TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.credential_secret FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.credential_secret TO freehold_app;
GRANT SELECT ON cell.credential_secret TO freehold_operator;

-- The provider's ids that a credential stands for; signed payloads must name one of these.
CREATE TABLE cell.identifier (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    provider text NOT NULL,
    kind text NOT NULL,
    external_id text NOT NULL,
    credential_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, provider, kind, external_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE
);
CREATE INDEX identifier_credential ON cell.identifier (tenant_id, credential_id);
ALTER TABLE cell.identifier ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.identifier FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.identifier TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.identifier FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.identifier TO freehold_app;
GRANT SELECT ON cell.identifier TO freehold_operator;

CREATE TABLE cell.webhook_endpoint (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    provider text NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT webhook_endpoint_provider_key UNIQUE (tenant_id, provider)
);
ALTER TABLE cell.webhook_endpoint ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.webhook_endpoint FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.webhook_endpoint TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.webhook_endpoint FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.webhook_endpoint TO freehold_app;
GRANT SELECT ON cell.webhook_endpoint TO freehold_operator;
