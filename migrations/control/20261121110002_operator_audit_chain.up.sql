-- The operators' log as a chain of its own, by the same rules as the tenants': docs/audit.md.

ALTER TABLE control.operator_audit
    ALTER COLUMN detail DROP DEFAULT,
    ALTER COLUMN detail TYPE json USING detail::json,
    ALTER COLUMN detail SET DEFAULT '{}',
    ADD COLUMN ip text,
    ADD COLUMN user_agent text,
    ADD COLUMN seq bigint CHECK (seq > 0),
    ADD COLUMN hash bytea CHECK (length(hash) = 32),
    ADD CONSTRAINT operator_audit_chained CHECK ((seq IS NULL) = (hash IS NULL)),
    ADD CONSTRAINT operator_audit_seq UNIQUE (seq);
CREATE INDEX operator_audit_tenant ON control.operator_audit (tenant_id, id);
CREATE INDEX operator_audit_correlation ON control.operator_audit (correlation_id);

-- One row: the end of the chain.
CREATE TABLE control.operator_chain (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq bigint NOT NULL CHECK (seq > 0),
    hash bytea NOT NULL CHECK (length(hash) = 32)
);
GRANT SELECT, INSERT, UPDATE ON control.operator_chain TO freehold_operator;
ALTER TABLE control.operator_chain SET (fillfactor = 50);

-- Work that one node at a time may do, and until when it is that node's.
CREATE TABLE control.lease (
    name text PRIMARY KEY,
    holder uuid NOT NULL,
    until timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE ON control.lease TO freehold_operator;
