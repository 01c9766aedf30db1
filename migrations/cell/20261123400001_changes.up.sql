-- What changed last in which tenant, for the caches of other nodes. Announcements (NOTIFY, Redis) are
-- heard at once and can be lost; these rows are committed with the change, and every node looks for
-- new ones every other second. A tenant has a row for each kind of change and never more, so that
-- looking is a scan of a small table, and an update touches no index.

CREATE TABLE cell.change (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    what text NOT NULL CHECK (length(what) BETWEEN 1 AND 30),
    -- How often it changed.
    version bigint NOT NULL DEFAULT 1,
    changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, what)
);
ALTER TABLE cell.change ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.change FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.change TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
-- Which tenants changed says nothing of them.
CREATE POLICY every_tenant ON cell.change FOR SELECT TO freehold_worker USING (true);
CREATE POLICY staff_read ON cell.change FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, UPDATE ON cell.change TO freehold_app;
GRANT SELECT ON cell.change TO freehold_worker, freehold_operator;
