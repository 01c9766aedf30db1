-- The people of the installation: who they are, which tenants they belong to, how they sign in.
--
-- freehold_identity alone reaches these tables, so that password hashes and session tokens are out
-- of reach of the roles that serve tenants. What a tenant owns here (memberships, roles,
-- invitations) carries row-level security as its rows in the cell do. Both settings that the
-- policies read are made by every transaction; the nil UUID says that there is no tenant, or no
-- person, in it.

CREATE TABLE control.user (
    id uuid PRIMARY KEY,
    -- Lower case; what mail is compared by. `email_as_typed` is what people see.
    email text NOT NULL CONSTRAINT user_email_key UNIQUE CHECK (email = lower(email) AND length(email) BETWEEN 3 AND 254),
    email_as_typed text NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    -- A PHC string; null for people who sign in by other means alone.
    password_hash text,
    email_verified_at timestamptz,
    status text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    platform_role text CHECK (platform_role IN ('administrator', 'support')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE control.membership (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid REFERENCES control.tenant,
    user_id uuid NOT NULL REFERENCES control.user,
    -- A role of the program's catalogue, or one of control.tenant_role.
    role text NOT NULL CHECK (role ~ '^[a-z][a-z0-9_-]{0,62}$'),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id)
);
-- A person's own memberships, across tenants.
CREATE INDEX membership_user ON control.membership (user_id, tenant_id);

CREATE TABLE control.tenant_role (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid REFERENCES control.tenant,
    name text NOT NULL CHECK (name ~ '^[a-z][a-z0-9_-]{0,62}$'),
    description text NOT NULL DEFAULT '' CHECK (length(description) <= 1000),
    permissions text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_role_key PRIMARY KEY (tenant_id, name)
);

CREATE TABLE control.invitation (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid REFERENCES control.tenant,
    id uuid NOT NULL,
    email text NOT NULL CHECK (email = lower(email)),
    role text NOT NULL CHECK (role ~ '^[a-z][a-z0-9_-]{0,62}$'),
    token_sha256 bytea NOT NULL,
    invited_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    accepted_at timestamptz,
    accepted_by uuid REFERENCES control.user,
    revoked_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invitation_token UNIQUE (tenant_id, token_sha256)
);
CREATE UNIQUE INDEX invitation_open ON control.invitation (tenant_id, email)
    WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE control.session (
    id uuid PRIMARY KEY,
    token_sha256 bytea NOT NULL CONSTRAINT session_token UNIQUE,
    user_id uuid NOT NULL REFERENCES control.user,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- When the password was last shown, and the second factor.
    authenticated_at timestamptz NOT NULL DEFAULT now(),
    second_factor_at timestamptz,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    -- It ends this long after it was last seen, and at `expires_at` whatever happens.
    idle_limit interval NOT NULL,
    expires_at timestamptz NOT NULL,
    ip text,
    user_agent text,
    revoked_at timestamptz
);
CREATE INDEX session_person ON control.session (user_id);

-- What proves that somebody reads a mailbox. The token itself is in the mail alone.
CREATE TABLE control.email_token (
    id uuid PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('sign_up', 'verify', 'change', 'reset')),
    token_sha256 bytea NOT NULL CONSTRAINT email_token_token UNIQUE,
    -- Nobody yet when signing up.
    user_id uuid REFERENCES control.user,
    email text NOT NULL CHECK (email = lower(email)),
    email_as_typed text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    CHECK ((user_id IS NULL) = (purpose = 'sign_up'))
);
CREATE INDEX email_token_user ON control.email_token (user_id);

-- How often somebody tried lately, per account and per address: a hash or an address, never an
-- e-mail in the clear, because anybody may try anybody's.
CREATE TABLE control.attempt (
    subject text PRIMARY KEY,
    tries integer NOT NULL,
    last_at timestamptz NOT NULL,
    blocked_until timestamptz
);

-- What people did to their own accounts, and what was tried on them.
CREATE TABLE control.account_audit (
    id uuid PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    user_id uuid,
    actor text NOT NULL,
    action text NOT NULL,
    detail jsonb NOT NULL DEFAULT '{}',
    ip text,
    user_agent text,
    correlation_id uuid NOT NULL
);
CREATE INDEX account_audit_user ON control.account_audit (user_id, id);

-- Mail that waits to be sent. Texts are emptied once they are, because of the links in them.
CREATE TABLE control.mail (
    id uuid PRIMARY KEY,
    recipient text NOT NULL,
    subject text NOT NULL,
    text_body text NOT NULL,
    html_body text NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead')),
    attempts integer NOT NULL DEFAULT 0,
    next_at timestamptz NOT NULL DEFAULT now(),
    last_error text,
    correlation_id uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    sent_at timestamptz
);
CREATE INDEX mail_waiting ON control.mail (next_at) WHERE state = 'waiting';

ALTER TABLE control.membership ENABLE ROW LEVEL SECURITY;
ALTER TABLE control.membership FORCE ROW LEVEL SECURITY;
ALTER TABLE control.tenant_role ENABLE ROW LEVEL SECURITY;
ALTER TABLE control.tenant_role FORCE ROW LEVEL SECURITY;
ALTER TABLE control.invitation ENABLE ROW LEVEL SECURITY;
ALTER TABLE control.invitation FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON control.membership TO freehold_identity
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY tenant ON control.tenant_role TO freehold_identity
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY tenant ON control.invitation TO freehold_identity
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
-- Whoever signs in has to be shown where they may go.
CREATE POLICY person ON control.membership FOR SELECT TO freehold_identity
    USING (user_id = current_setting('freehold.user_id')::uuid);

GRANT USAGE ON SCHEMA control TO freehold_identity;
GRANT SELECT (id, slug, name, status) ON control.tenant TO freehold_identity;
GRANT SELECT, INSERT, UPDATE ON control.user, control.session, control.email_token, control.invitation,
    control.mail TO freehold_identity;
GRANT SELECT, INSERT, UPDATE, DELETE ON control.membership, control.tenant_role, control.attempt
    TO freehold_identity;
GRANT SELECT, INSERT ON control.account_audit TO freehold_identity;
