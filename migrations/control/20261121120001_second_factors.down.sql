DROP TABLE control.passkey_challenge;
DROP TABLE control.passkey;
DROP TABLE control.recovery_code;
DROP TABLE control.totp;
DROP TABLE control.pending_sign_in;
