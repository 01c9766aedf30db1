-- Rows of a batch are checked by looking for the tenant's text in the list. Parsing the list to an array
-- for every row cost most of what storing a webhook did. The list is made of whole uuids with commas
-- between, so that none is found across two of them. Dividing by its length raises where no list was
-- set, because a forgotten batch is to fail and not to look empty.
ALTER POLICY ingest ON cell.job
    WITH CHECK (strpos(current_setting('freehold.tenant_ids'), tenant_id::text)
        > 0 / length(current_setting('freehold.tenant_ids')));
ALTER POLICY ingest_insert ON cell.inbound_event
    WITH CHECK (strpos(current_setting('freehold.tenant_ids'), tenant_id::text)
        > 0 / length(current_setting('freehold.tenant_ids')));
ALTER POLICY ingest_dedup ON cell.inbound_event
    USING (strpos(current_setting('freehold.tenant_ids'), tenant_id::text)
        > 0 / length(current_setting('freehold.tenant_ids')));
ALTER POLICY ingest ON cell.tenancy
    USING (strpos(current_setting('freehold.tenant_ids'), tenant_id::text)
        > 0 / length(current_setting('freehold.tenant_ids')));
