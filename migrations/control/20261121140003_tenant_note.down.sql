DROP TABLE control.tenant_note;
