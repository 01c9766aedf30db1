DROP INDEX control.operator_audit_changes;
