-- Signed tokens: the keys that sign them, and the refresh tokens that ask for more.

-- Keys by generation, of which two nodes that make the same one at once make it once. The private
-- half is sealed under a data key of its own, which the keyring wraps; the public half is what
-- anybody may fetch.
CREATE TABLE control.signing_key (
    generation integer PRIMARY KEY CHECK (generation > 0),
    -- The thumbprint (RFC 7638) of the public half.
    kid text NOT NULL CONSTRAINT signing_key_kid UNIQUE,
    -- An uncompressed point of P-256: 0x04, x, y.
    public_key bytea NOT NULL CHECK (length(public_key) = 65),
    kek text NOT NULL,
    wrapped bytea NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- A key is published before it signs, because others remember the set for a while.
    signs_from timestamptz NOT NULL,
    -- Published until then; unset while it signs.
    published_until timestamptz
);

-- A session of an API client's is for one tenant and has no cookie; a browser's is for any.
ALTER TABLE control.session ALTER COLUMN token_sha256 DROP NOT NULL;
ALTER TABLE control.session
    ADD COLUMN tenant_id uuid REFERENCES control.tenant,
    ADD CONSTRAINT session_of_browser_or_client CHECK ((token_sha256 IS NULL) = (tenant_id IS NOT NULL));

-- The chain of a client's session: each is used once, for the next. They end with the session.
CREATE TABLE control.refresh_token (
    id uuid PRIMARY KEY,
    session_id uuid NOT NULL REFERENCES control.session,
    token_sha256 bytea NOT NULL CONSTRAINT refresh_token_token UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz
);
CREATE INDEX refresh_token_session ON control.refresh_token (session_id);

GRANT SELECT, INSERT, UPDATE ON control.signing_key, control.refresh_token TO freehold_identity;
