-- What staff changed is a small part of what they did, and what they are shown first.
CREATE INDEX operator_audit_changes ON control.operator_audit (id) WHERE action !~ '(viewed|listed)$';
