DROP TABLE control.impersonation;
