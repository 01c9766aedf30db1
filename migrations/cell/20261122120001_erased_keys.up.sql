-- Data keys that were destroyed on purpose. Their generations are never used again, and what was
-- sealed under them is told apart from what is merely broken.

CREATE TABLE cell.erased_key (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    generation integer NOT NULL CHECK (generation > 0),
    -- Which key-encryption key had wrapped it.
    kek text NOT NULL,
    erased_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, generation)
);
ALTER TABLE cell.erased_key ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.erased_key FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.erased_key TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.erased_key FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT ON cell.erased_key TO freehold_app;
GRANT SELECT ON cell.erased_key TO freehold_operator;
