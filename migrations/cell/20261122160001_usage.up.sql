-- What a tenant uses, per meter, subject and UTC day. Nodes add what they have counted every few
-- seconds.
CREATE TABLE cell.usage (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    meter text NOT NULL,
    subject text NOT NULL,
    day date NOT NULL,
    amount bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (tenant_id, meter, subject, day)
);
ALTER TABLE cell.usage ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.usage FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.usage TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.usage FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.usage TO freehold_app;
GRANT SELECT ON cell.usage TO freehold_operator;

-- Who called a provider with a credential, and the last hour in which they did. The first call of
-- each hour has an entry in the audit log.
CREATE TABLE cell.credential_use (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    credential_id uuid NOT NULL,
    actor text NOT NULL,
    hour timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, credential_id, actor),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE
);
ALTER TABLE cell.credential_use ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.credential_use FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.credential_use TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.credential_use FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.credential_use TO freehold_app;
GRANT SELECT ON cell.credential_use TO freehold_operator;
