-- What people show beside their password, and what is half done while they show it. All of it is
-- about one person, so freehold_identity alone reaches it, as it does accounts and sessions.

-- Somebody who has shown the right password and not yet their second factor, or a browser that is
-- about to sign in with a passkey and has named nobody. No session: nothing but the end of this
-- sign-in looks here.
CREATE TABLE control.pending_sign_in (
    id uuid PRIMARY KEY,
    token_sha256 bytea NOT NULL CONSTRAINT pending_sign_in_token UNIQUE,
    user_id uuid REFERENCES control.user,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX pending_sign_in_end ON control.pending_sign_in (expires_at);

-- An authenticator that shows codes (RFC 6238). The secret is sealed under a data key of its own,
-- which a key-encryption key wraps.
CREATE TABLE control.totp (
    user_id uuid PRIMARY KEY REFERENCES control.user,
    secret bytea NOT NULL,
    kek text NOT NULL,
    wrapped_key bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Null until a code has shown that the authenticator has the secret.
    confirmed_at timestamptz,
    -- The time step of the last code that was taken: a code works once.
    last_step bigint NOT NULL DEFAULT 0
);

CREATE TABLE control.recovery_code (
    user_id uuid NOT NULL REFERENCES control.user,
    code_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    used_at timestamptz,
    PRIMARY KEY (user_id, code_sha256)
);

CREATE TABLE control.passkey (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES control.user,
    credential_id bytea NOT NULL CONSTRAINT passkey_credential UNIQUE,
    -- The public key and what its authenticator said of itself.
    credential jsonb NOT NULL,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz
);
CREATE INDEX passkey_person ON control.passkey (user_id);

-- What a browser was asked to sign, for one session or one sign-in, until it answers once.
CREATE TABLE control.passkey_challenge (
    id uuid PRIMARY KEY,
    purpose text NOT NULL CHECK (purpose IN ('register', 'second_factor', 'sign_in')),
    session_id uuid REFERENCES control.session,
    pending_id uuid REFERENCES control.pending_sign_in ON DELETE CASCADE,
    state jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK ((session_id IS NULL) <> (pending_id IS NULL))
);
CREATE INDEX passkey_challenge_end ON control.passkey_challenge (expires_at);
CREATE INDEX passkey_challenge_session ON control.passkey_challenge (session_id);
CREATE INDEX passkey_challenge_pending ON control.passkey_challenge (pending_id);

GRANT SELECT, INSERT, DELETE ON control.pending_sign_in, control.passkey_challenge TO freehold_identity;
GRANT SELECT, INSERT, UPDATE, DELETE ON control.totp, control.recovery_code, control.passkey
    TO freehold_identity;
