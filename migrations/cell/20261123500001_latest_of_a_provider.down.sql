DROP INDEX cell.provider_call_provider;
DROP INDEX cell.inbound_event_provider;
