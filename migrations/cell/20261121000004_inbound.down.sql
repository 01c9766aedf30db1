DROP TABLE cell.provider_call;
DROP TABLE cell.inbound_event;
