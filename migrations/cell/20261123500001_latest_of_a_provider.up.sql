-- The newest webhook of a provider, and the newest call to it, are found in an index however much
-- the tenant exchanges with its other providers. Ids hold the time at which they were made, so
-- entries are added at one end.
CREATE INDEX inbound_event_provider ON cell.inbound_event (tenant_id, provider, id);
CREATE INDEX provider_call_provider ON cell.provider_call (tenant_id, provider, id);
