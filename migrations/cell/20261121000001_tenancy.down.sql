DROP TABLE cell.api_key;
DROP TABLE cell.audit_entry;
DROP TABLE cell.tenancy;
REVOKE USAGE ON SCHEMA cell FROM freehold_app, freehold_operator, freehold_ingest, freehold_worker;
