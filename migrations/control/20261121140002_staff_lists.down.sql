DROP INDEX control.tenant_by_name, control.tenant_by_status, control.tenant_by_plan,
    control.operator_audit_actor;
