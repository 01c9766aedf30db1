-- The orders in which staff page through tenants and acts, each with the id that makes it total.
CREATE INDEX tenant_by_name ON control.tenant (lower(name), id);
CREATE INDEX tenant_by_status ON control.tenant (status, id);
CREATE INDEX tenant_by_plan ON control.tenant (plan, id);
CREATE INDEX operator_audit_actor ON control.operator_audit (actor, id);
