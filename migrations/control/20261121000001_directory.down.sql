DROP TABLE control.operator_audit;
DROP TABLE control.quarantined_event;
DROP TABLE control.provider_route;
DROP TABLE control.tenant;
DROP TABLE control.cell;
REVOKE USAGE ON SCHEMA control FROM freehold_app, freehold_operator, freehold_ingest, freehold_worker;
