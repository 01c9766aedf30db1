DROP TABLE control.lease;
DROP TABLE control.operator_chain;
DROP INDEX control.operator_audit_correlation;
DROP INDEX control.operator_audit_tenant;
ALTER TABLE control.operator_audit
    DROP CONSTRAINT operator_audit_seq,
    DROP CONSTRAINT operator_audit_chained,
    DROP COLUMN hash,
    DROP COLUMN seq,
    DROP COLUMN user_agent,
    DROP COLUMN ip,
    ALTER COLUMN detail DROP DEFAULT,
    ALTER COLUMN detail TYPE jsonb USING detail::jsonb,
    ALTER COLUMN detail SET DEFAULT '{}';
