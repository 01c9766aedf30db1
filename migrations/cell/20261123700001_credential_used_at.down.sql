ALTER TABLE cell.credential_use RENAME COLUMN used_at TO hour;
