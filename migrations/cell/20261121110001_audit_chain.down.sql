DROP TABLE cell.audit_progress;
DROP TABLE cell.audit_checkpoint;
DROP TABLE cell.audit_head;
DROP INDEX cell.audit_entry_correlation;
DROP INDEX cell.audit_entry_target;
DROP INDEX cell.audit_entry_actor;
ALTER TABLE cell.audit_entry
    DROP CONSTRAINT audit_entry_seq,
    DROP CONSTRAINT audit_entry_chained,
    DROP COLUMN hash,
    DROP COLUMN seq,
    DROP COLUMN user_agent,
    DROP COLUMN ip,
    ALTER COLUMN detail DROP DEFAULT,
    ALTER COLUMN detail TYPE jsonb USING detail::jsonb,
    ALTER COLUMN detail SET DEFAULT '{}';
