-- The control database: who exists and where they live. No tenant data, no row-level security;
-- what each login role may do here is said by grants alone.

CREATE TABLE control.cell (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
    region text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control.tenant (
    id uuid PRIMARY KEY,
    slug text NOT NULL CONSTRAINT tenant_slug_key UNIQUE
        CONSTRAINT tenant_slug_shape CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    plan text NOT NULL,
    region text NOT NULL,
    status text NOT NULL CHECK (status IN ('provisioning', 'active', 'suspended', 'closed')),
    cell_id uuid NOT NULL REFERENCES control.cell,
    -- Raised by every move between cells; a cell refuses work under an older epoch.
    epoch bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Which tenant an id of a provider belongs to: the route of webhooks whose URL names no tenant.
CREATE TABLE control.provider_route (
    provider text NOT NULL,
    kind text NOT NULL,
    external_id text NOT NULL,
    tenant_id uuid NOT NULL REFERENCES control.tenant,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_route_key PRIMARY KEY (provider, kind, external_id)
);
CREATE INDEX provider_route_tenant ON control.provider_route (tenant_id);

-- Signed payloads that named somebody else's accounts. They stand outside every tenant, because
-- the tenant on whose URL they arrived must not read what belongs to another.
CREATE TABLE control.quarantined_event (
    id uuid PRIMARY KEY,
    received_at timestamptz NOT NULL,
    provider text NOT NULL,
    url_tenant_id uuid REFERENCES control.tenant,
    identifiers jsonb NOT NULL,
    reason text NOT NULL,
    headers jsonb NOT NULL,
    body bytea NOT NULL,
    body_sha256 bytea NOT NULL,
    correlation_id uuid NOT NULL,
    -- A provider that retries, or an attacker that repeats, adds no second row.
    CONSTRAINT quarantined_event_once UNIQUE NULLS NOT DISTINCT (provider, url_tenant_id, body_sha256)
);

-- What staff did across tenants. Written in the same transaction as the act.
CREATE TABLE control.operator_audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor text NOT NULL,
    action text NOT NULL,
    tenant_id uuid,
    detail jsonb NOT NULL DEFAULT '{}',
    correlation_id uuid NOT NULL
);
CREATE INDEX operator_audit_at ON control.operator_audit (at);

GRANT USAGE ON SCHEMA control TO freehold_app, freehold_operator, freehold_ingest, freehold_worker;
GRANT SELECT ON control.cell, control.tenant TO freehold_app;
GRANT SELECT, INSERT, DELETE ON control.provider_route TO freehold_app;
GRANT INSERT ON control.quarantined_event TO freehold_ingest;
GRANT SELECT (provider, url_tenant_id, body_sha256) ON control.quarantined_event TO freehold_ingest;
GRANT SELECT, INSERT, UPDATE ON control.cell, control.tenant TO freehold_operator;
GRANT SELECT, DELETE ON control.provider_route TO freehold_operator;
GRANT SELECT ON control.quarantined_event TO freehold_operator;
GRANT SELECT, INSERT ON control.operator_audit TO freehold_operator;
