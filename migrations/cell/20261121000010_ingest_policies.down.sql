ALTER POLICY ingest ON cell.job
    WITH CHECK (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
ALTER POLICY ingest_insert ON cell.inbound_event
    WITH CHECK (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
ALTER POLICY ingest_dedup ON cell.inbound_event
    USING (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
ALTER POLICY ingest ON cell.tenancy
    USING (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
