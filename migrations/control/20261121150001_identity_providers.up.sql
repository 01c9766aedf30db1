-- Signing in through identity providers (OpenID Connect Core 1.0): those of the platform stand in the
-- settings, those that tenants set up for their own people stand here.

-- The client secret is sealed under a data key of its own, which the key-encryption key named by
-- `kek` wraps.
CREATE TABLE control.identity_provider (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid REFERENCES control.tenant,
    id uuid NOT NULL,
    -- Stands in the address that signs people in.
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    -- What people read on the button.
    label text NOT NULL CHECK (length(label) BETWEEN 1 AND 200),
    issuer text NOT NULL CHECK (length(issuer) <= 500),
    client_id text NOT NULL CHECK (length(client_id) BETWEEN 1 AND 500),
    kek text NOT NULL,
    wrapped bytea NOT NULL,
    sealed bytea NOT NULL,
    -- Whose addresses may become members by themselves; lower case.
    domains text[] NOT NULL,
    -- What newcomers become.
    role text NOT NULL CHECK (role ~ '^[a-z][a-z0-9_-]{0,62}$' AND role <> 'owner'),
    enabled boolean NOT NULL,
    -- Whoever controls the provider can be anybody whom it signs in. So it signs in nobody who may do
    -- more than whoever saved it last: these are their permissions, and whether they were an owner.
    vouches_for text[] NOT NULL,
    vouches_for_owners boolean NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT identity_provider_name UNIQUE (tenant_id, name)
);

-- Who somebody is to a tenant's provider. It opens that tenant and nothing else.
CREATE TABLE control.member_identity (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid REFERENCES control.tenant,
    provider_id uuid NOT NULL,
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES control.user,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT member_identity_key PRIMARY KEY (tenant_id, provider_id, issuer, subject),
    FOREIGN KEY (tenant_id, provider_id) REFERENCES control.identity_provider ON DELETE CASCADE
);
CREATE INDEX member_identity_person ON control.member_identity (user_id);

-- Who somebody is to one of the platform's providers.
CREATE TABLE control.user_identity (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES control.user,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT user_identity_key PRIMARY KEY (issuer, subject)
);
CREATE INDEX user_identity_person ON control.user_identity (user_id);

-- Browsers that were sent to a provider and are to come back once, within minutes. Neither the state
-- nor the browser's cookie is here, nor what is derived from the two: nonce and code verifier.
CREATE TABLE control.sign_in_flow (
    state_sha256 bytea PRIMARY KEY,
    browser_sha256 bytea NOT NULL,
    -- A provider of the settings, or one of a tenant's.
    platform_provider text,
    for_tenant uuid REFERENCES control.tenant,
    provider_id uuid,
    issuer text NOT NULL,
    -- A path of this host.
    next text,
    expires_at timestamptz NOT NULL,
    CHECK ((platform_provider IS NULL) = (provider_id IS NOT NULL)),
    CHECK ((for_tenant IS NULL) = (provider_id IS NULL))
);
CREATE INDEX sign_in_flow_end ON control.sign_in_flow (expires_at);

-- A session that a tenant's provider opened is good in that tenant alone.
ALTER TABLE control.session
    ADD COLUMN confined_to uuid REFERENCES control.tenant,
    ADD COLUMN provider_id uuid,
    ADD CONSTRAINT session_confined CHECK ((confined_to IS NULL) = (provider_id IS NULL));
CREATE INDEX session_provider ON control.session (provider_id) WHERE provider_id IS NOT NULL;

ALTER TABLE control.identity_provider ENABLE ROW LEVEL SECURITY;
ALTER TABLE control.identity_provider FORCE ROW LEVEL SECURITY;
ALTER TABLE control.member_identity ENABLE ROW LEVEL SECURITY;
ALTER TABLE control.member_identity FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON control.identity_provider TO freehold_identity
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY tenant ON control.member_identity TO freehold_identity
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);

GRANT SELECT, INSERT, UPDATE, DELETE ON control.identity_provider TO freehold_identity;
GRANT SELECT, INSERT, UPDATE ON control.member_identity, control.user_identity TO freehold_identity;
GRANT SELECT, INSERT, DELETE ON control.sign_in_flow TO freehold_identity;
