DROP TABLE cell.api_key_usage;
DROP TABLE cell.api_key_prefix;
ALTER TABLE cell.api_key DROP COLUMN previous_until, DROP COLUMN previous_sha256;
