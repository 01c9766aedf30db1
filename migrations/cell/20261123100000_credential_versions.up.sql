-- Several credentials per provider: live and test, one default of each; who answers for one and
-- until when it is good; what it was before; who used it for what.

ALTER TABLE cell.credential
    ADD COLUMN environment text NOT NULL DEFAULT 'live' CHECK (environment IN ('live', 'test')),
    -- The one that is taken where nobody names another.
    ADD COLUMN is_default boolean NOT NULL DEFAULT false,
    -- A member of the tenant, in the control database.
    ADD COLUMN owner_id uuid,
    -- After which the provider refuses it, as somebody entered it.
    ADD COLUMN expires_at timestamptz,
    -- The end that was announced last, and how many days ahead.
    ADD COLUMN told_expiry timestamptz,
    ADD COLUMN told_days smallint,
    DROP CONSTRAINT credential_name_key,
    ADD CONSTRAINT credential_name_key UNIQUE (tenant_id, provider, environment, name);

-- The owner of the tables is under the policies as everybody is, so it needs one for this.
CREATE POLICY migration ON cell.credential TO freehold_owner USING (true);
UPDATE cell.credential c SET is_default = true
WHERE id = (
    SELECT o.id FROM cell.credential o
    WHERE o.tenant_id = c.tenant_id AND o.provider = c.provider ORDER BY o.id LIMIT 1
);

CREATE UNIQUE INDEX credential_default_key
    ON cell.credential (tenant_id, provider, environment) WHERE is_default;

-- Each version of a credential: its fields that are not secret, and how it came to be. Secrets of
-- versions before the present one are in cell.credential_secret, in slots `v1`, `v2`, ….
CREATE TABLE cell.credential_version (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    credential_id uuid NOT NULL,
    version bigint NOT NULL CHECK (version > 0),
    fields jsonb NOT NULL,
    -- Which fields differ from the version before.
    changed text[] NOT NULL DEFAULT '{}',
    reason text NOT NULL CHECK (reason IN ('created', 'rotated', 'restored', 'imported')),
    -- The version whose values a restored one has.
    restored_from bigint CHECK ((restored_from IS NOT NULL) = (reason = 'restored')),
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, credential_id, version),
    FOREIGN KEY (tenant_id, credential_id) REFERENCES cell.credential ON DELETE CASCADE
);
-- What there is has no history: its present version is the first one that is known.
INSERT INTO cell.credential_version
    (tenant_id, credential_id, version, fields, reason, created_by, created_at)
SELECT tenant_id, id, version, fields, CASE version WHEN 1 THEN 'created' ELSE 'rotated' END,
    'unknown', updated_at
FROM cell.credential;
DROP POLICY migration ON cell.credential;
ALTER TABLE cell.credential_version ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.credential_version FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.credential_version TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.credential_version FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT, DELETE ON cell.credential_version TO freehold_app;
GRANT SELECT ON cell.credential_version TO freehold_operator;

ALTER TABLE cell.credential_secret
    DROP CONSTRAINT credential_secret_slot_check,
    ADD CONSTRAINT credential_secret_slot_check
        CHECK (slot IN ('current', 'previous') OR slot ~ '^v[1-9][0-9]*$');

-- What so far was recorded are calls through the proxy.
ALTER TABLE cell.credential_use
    ADD COLUMN purpose text NOT NULL DEFAULT 'proxy',
    DROP CONSTRAINT credential_use_pkey,
    ADD PRIMARY KEY (tenant_id, credential_id, actor, purpose);
ALTER TABLE cell.credential_use ALTER COLUMN purpose DROP DEFAULT;
