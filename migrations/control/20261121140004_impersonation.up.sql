-- Staff who look at a tenant from within, on a session of their own and for a bounded time. The
-- tenant reads it too: who, when, why, and whether they could change things.
CREATE TABLE control.impersonation (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid REFERENCES control.tenant,
    id uuid NOT NULL,
    -- The member of staff, the name they had, and the session without which it means nothing.
    user_id uuid NOT NULL REFERENCES control.user,
    staff_name text NOT NULL,
    session_id uuid NOT NULL REFERENCES control.session,
    reason text NOT NULL CHECK (length(reason) BETWEEN 1 AND 1000),
    may_write boolean NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL CHECK (expires_at <= started_at + interval '60 minutes'),
    ended_at timestamptz,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX impersonation_session ON control.impersonation (session_id) WHERE ended_at IS NULL;
CREATE INDEX impersonation_staff ON control.impersonation (user_id);
ALTER TABLE control.impersonation ENABLE ROW LEVEL SECURITY;
ALTER TABLE control.impersonation FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON control.impersonation TO freehold_identity
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
-- The frame around every page says that it goes on, wherever it does.
CREATE POLICY person ON control.impersonation FOR SELECT TO freehold_identity
    USING (user_id = current_setting('freehold.user_id')::uuid);
GRANT SELECT, INSERT ON control.impersonation TO freehold_identity;
GRANT UPDATE (ended_at) ON control.impersonation TO freehold_identity;
