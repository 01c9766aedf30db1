DROP TABLE cell.tenant_logo;
DROP TABLE cell.tenant_config;
