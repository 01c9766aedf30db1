DROP TABLE cell.webhook_endpoint;
DROP TABLE cell.identifier;
DROP TABLE cell.credential_secret;
DROP TABLE cell.credential;
DROP TABLE cell.data_key;
