-- What tests of credentials at their providers found: the latest, and some before it.

CREATE TABLE cell.credential_verification (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    credential_id uuid NOT NULL,
    -- The version of the credential that was tested: a later one is untested.
    version bigint NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('good', 'refused', 'unknown')),
    reason text CHECK ((reason IS NULL) = (outcome = 'good')),
    -- For people; no secret is in it.
    detail text NOT NULL,
    advice text,
    scopes text[] NOT NULL DEFAULT '{}',
    expires_at timestamptz,
    checked_at timestamptz NOT NULL,
    correlation_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, id),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE
);
CREATE INDEX credential_verification_latest
    ON cell.credential_verification (tenant_id, credential_id, checked_at DESC, id DESC);
CREATE INDEX credential_verification_recent ON cell.credential_verification (tenant_id, checked_at);
ALTER TABLE cell.credential_verification ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.credential_verification FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.credential_verification TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.credential_verification FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, DELETE ON cell.credential_verification TO freehold_app;
GRANT SELECT ON cell.credential_verification TO freehold_operator;
