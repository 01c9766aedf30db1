-- A sign-in by a tenant's provider that waits for a second factor ends in a session that is good in
-- that tenant alone, as one does that did not have to wait.
ALTER TABLE control.pending_sign_in
    ADD COLUMN confined_to uuid REFERENCES control.tenant,
    ADD COLUMN provider_id uuid,
    ADD CONSTRAINT pending_sign_in_confined CHECK ((confined_to IS NULL) = (provider_id IS NULL));
CREATE INDEX pending_sign_in_provider ON control.pending_sign_in (provider_id) WHERE provider_id IS NOT NULL;
