-- Why a tenant is suspended, which decides what of it still works: catalogue/suspension.toml.
ALTER TABLE control.tenant
    ADD COLUMN suspension text CHECK (suspension IN ('unpaid', 'abuse', 'requested', 'investigation')),
    ADD COLUMN suspended_at timestamptz;
-- Suspensions without a kind kept callers out and let webhooks wait, as an investigation does.
UPDATE control.tenant SET suspension = 'investigation', suspended_at = updated_at WHERE status = 'suspended';
ALTER TABLE control.tenant ADD CONSTRAINT tenant_suspension CHECK (
    (status = 'suspended') = (suspension IS NOT NULL)
    AND (suspension IS NULL) = (suspended_at IS NULL));
