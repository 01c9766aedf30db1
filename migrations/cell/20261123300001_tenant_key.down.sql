-- Data keys that tenants' own keys wrap open by what this drops alone: have those keys removed first
-- (`freehold vault status` shows them as `own:…`).
DROP TABLE cell.tenant_key;
