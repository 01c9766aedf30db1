-- Accounts that were connected by consent: what was granted, browsers that are on their way, and
-- links by which somebody connects an account without one here.

CREATE TABLE cell.oauth_grant (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    credential_id uuid NOT NULL,
    provider text NOT NULL,
    -- The provider's own id of the workspace, organisation or user, and its name there.
    account_id text NOT NULL,
    account_name text NOT NULL,
    -- How it was granted: by a code, or as an installation of a GitHub App.
    way text NOT NULL CHECK (way IN ('code', 'installation')),
    -- Whose app it was granted to: the operator's or the tenant's own.
    own_app boolean NOT NULL,
    client_id text NOT NULL,
    scopes text[] NOT NULL,
    connected_by text NOT NULL,
    connected_at timestamptz NOT NULL DEFAULT now(),
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'reconnect_required')),
    -- Of the access token; absent where it lasts until it is revoked.
    expires_at timestamptz,
    refreshed_at timestamptz,
    -- Rises with every set of tokens: whoever has refreshed stores them for the version that it read.
    version bigint NOT NULL DEFAULT 1,
    -- Which attempt to refresh is under way, and until when it is believed to be.
    owner uuid,
    owner_until timestamptz,
    attempts integer NOT NULL DEFAULT 0,
    next_attempt_at timestamptz,
    -- For people; no secret is in it.
    last_error text,
    PRIMARY KEY (tenant_id, credential_id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE,
    CONSTRAINT oauth_grant_account_key UNIQUE (tenant_id, provider, way, account_id),
    CHECK ((owner IS NULL) = (owner_until IS NULL))
);
ALTER TABLE cell.oauth_grant ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.oauth_grant FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.oauth_grant TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.oauth_grant FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.oauth_grant TO freehold_app;
GRANT SELECT ON cell.oauth_grant TO freehold_operator;

-- A link that lets whoever has it connect accounts, for a while.
CREATE TABLE cell.connect_session (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    token_sha256 bytea NOT NULL,
    providers text[] NOT NULL CHECK (cardinality(providers) > 0),
    -- What the credential is to be called; the account's own name when absent.
    name text CHECK (length(name) BETWEEN 1 AND 100),
    -- Instead of the provider's usual ones.
    scopes text[],
    -- Which connection is to be renewed.
    credential_id uuid,
    return_to text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT connect_session_token_key UNIQUE (tenant_id, token_sha256),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE
);
CREATE INDEX connect_session_expiry ON cell.connect_session (tenant_id, expires_at);
ALTER TABLE cell.connect_session ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.connect_session FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.connect_session TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.connect_session FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON cell.connect_session TO freehold_app;
GRANT SELECT ON cell.connect_session TO freehold_operator;

-- A browser that is at a provider. Gone once it has come back.
CREATE TABLE cell.oauth_flow (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    state_sha256 bytea NOT NULL,
    -- Of the handle in the browser's cookie.
    browser_sha256 bytea NOT NULL,
    provider text NOT NULL,
    way text NOT NULL CHECK (way IN ('code', 'installation')),
    redirect_uri text NOT NULL,
    -- To which the code is issued: an app that was replaced meanwhile can't redeem it.
    client_id text NOT NULL,
    -- Who began: a person, or whoever has a link.
    user_id uuid,
    connect_session_id uuid,
    -- Which connection is to be renewed.
    credential_id uuid,
    name text CHECK (length(name) BETWEEN 1 AND 100),
    scopes text[] NOT NULL,
    return_to text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, state_sha256),
    FOREIGN KEY (tenant_id, connect_session_id) REFERENCES cell.connect_session ON DELETE CASCADE,
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE,
    CHECK ((user_id IS NULL) <> (connect_session_id IS NULL))
);
CREATE INDEX oauth_flow_expiry ON cell.oauth_flow (tenant_id, expires_at);
ALTER TABLE cell.oauth_flow ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.oauth_flow FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.oauth_flow TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.oauth_flow FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, DELETE ON cell.oauth_flow TO freehold_app;
GRANT SELECT ON cell.oauth_flow TO freehold_operator;
