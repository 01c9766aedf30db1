DROP TABLE cell.credential_verification;
