DROP TABLE cell.credential_use;
DROP TABLE cell.usage;
