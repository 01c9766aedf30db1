CREATE POLICY migration ON cell.credential_use TO freehold_owner USING (true);
DELETE FROM cell.credential_use u WHERE EXISTS (
    SELECT FROM cell.credential_use o
    WHERE o.tenant_id = u.tenant_id AND o.credential_id = u.credential_id AND o.actor = u.actor
        AND (o.hour, o.purpose) > (u.hour, u.purpose)
);
DROP POLICY migration ON cell.credential_use;
ALTER TABLE cell.credential_use
    DROP CONSTRAINT credential_use_pkey,
    DROP COLUMN purpose,
    ADD PRIMARY KEY (tenant_id, credential_id, actor);

CREATE POLICY migration ON cell.credential_secret TO freehold_owner USING (true);
DELETE FROM cell.credential_secret WHERE slot NOT IN ('current', 'previous');
DROP POLICY migration ON cell.credential_secret;
ALTER TABLE cell.credential_secret
    DROP CONSTRAINT credential_secret_slot_check,
    ADD CONSTRAINT credential_secret_slot_check CHECK (slot IN ('current', 'previous'));

DROP TABLE cell.credential_version;
DROP INDEX cell.credential_default_key;

-- Names are unique without the environment again.
CREATE POLICY migration ON cell.credential TO freehold_owner USING (true);
UPDATE cell.credential c SET name = left(name, 60) || ' ' || id
WHERE environment = 'test' AND EXISTS (
    SELECT FROM cell.credential o
    WHERE o.tenant_id = c.tenant_id AND o.provider = c.provider AND o.name = c.name
        AND o.environment = 'live'
);
DROP POLICY migration ON cell.credential;
ALTER TABLE cell.credential
    DROP CONSTRAINT credential_name_key,
    ADD CONSTRAINT credential_name_key UNIQUE (tenant_id, provider, name),
    DROP COLUMN environment,
    DROP COLUMN is_default,
    DROP COLUMN owner_id,
    DROP COLUMN expires_at,
    DROP COLUMN told_expiry,
    DROP COLUMN told_days;
