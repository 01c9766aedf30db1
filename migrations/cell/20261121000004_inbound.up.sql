-- What arrived from providers, stored before it is acknowledged, and what was sent to them.

CREATE TABLE cell.inbound_event (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    provider text NOT NULL,
    -- Kept as long as the row: a provider without timestamps can be replayed for ever.
    dedup_key text NOT NULL,
    event_kind text NOT NULL,
    received_at timestamptz NOT NULL,
    url text NOT NULL,
    headers jsonb NOT NULL,
    -- The bytes as they came, on the first event of a delivery that is wholly this tenant's.
    body bytea,
    -- This event's own part of a batch; null when the body is the event.
    payload bytea,
    verdict text NOT NULL,
    correlation_id uuid NOT NULL,
    normalised_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT inbound_event_once UNIQUE (tenant_id, provider, dedup_key),
    CHECK (body IS NOT NULL OR payload IS NOT NULL)
);
CREATE INDEX inbound_event_correlation ON cell.inbound_event (tenant_id, correlation_id);
ALTER TABLE cell.inbound_event ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.inbound_event FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.inbound_event TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.inbound_event FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, UPDATE, DELETE ON cell.inbound_event TO freehold_app;
GRANT SELECT ON cell.inbound_event TO freehold_operator;
CREATE POLICY ingest_insert ON cell.inbound_event FOR INSERT TO freehold_ingest
    WITH CHECK (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
CREATE POLICY ingest_dedup ON cell.inbound_event FOR SELECT TO freehold_ingest
    USING (tenant_id = ANY (current_setting('freehold.tenant_ids')::uuid[]));
GRANT INSERT ON cell.inbound_event TO freehold_ingest;
GRANT SELECT (tenant_id, id, provider, dedup_key) ON cell.inbound_event TO freehold_ingest;

CREATE TABLE cell.provider_call (
    tenant_id uuid NOT NULL DEFAULT current_setting('freehold.tenant_id')::uuid,
    id uuid NOT NULL,
    provider text NOT NULL,
    operation text NOT NULL,
    status integer,
    error text,
    started_at timestamptz NOT NULL,
    duration_us bigint NOT NULL,
    correlation_id uuid NOT NULL,
    PRIMARY KEY (tenant_id, id)
);
CREATE INDEX provider_call_correlation ON cell.provider_call (tenant_id, correlation_id);
ALTER TABLE cell.provider_call ENABLE ROW LEVEL SECURITY;
ALTER TABLE cell.provider_call FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON cell.provider_call TO freehold_app
    USING (tenant_id = current_setting('freehold.tenant_id')::uuid);
CREATE POLICY staff_read ON cell.provider_call FOR SELECT TO freehold_operator USING (true);
GRANT SELECT, INSERT ON cell.provider_call TO freehold_app;
GRANT SELECT ON cell.provider_call TO freehold_operator;
