-- What staff write down about a tenant, for each other. It is the staff's and not the tenant's, so no
-- role that serves a tenant reaches it.
CREATE TABLE control.tenant_note (
    id uuid PRIMARY KEY,
    about_tenant_id uuid NOT NULL REFERENCES control.tenant,
    -- As in the audit log, and the name by which people know them.
    author text NOT NULL,
    author_name text NOT NULL,
    body text NOT NULL CHECK (length(body) BETWEEN 1 AND 4000),
    created_at timestamptz NOT NULL DEFAULT now(),
    edited_at timestamptz
);
CREATE INDEX tenant_note_about ON control.tenant_note (about_tenant_id, id);
GRANT SELECT, INSERT, DELETE ON control.tenant_note TO freehold_operator;
GRANT UPDATE (body, edited_at) ON control.tenant_note TO freehold_operator;
