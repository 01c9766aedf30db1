ALTER TABLE control.tenant DROP CONSTRAINT tenant_suspension, DROP COLUMN suspended_at, DROP COLUMN suspension;
