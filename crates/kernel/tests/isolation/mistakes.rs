//! Mistakes for the catalogue's rules to find: the proof that each of them can fail.

use crate::{
    catalogue::{RULES, breaches},
    people,
};

/// What somebody might write in a migration, and what the catalogue must say to it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "CREATE TABLE cell.stray (id uuid PRIMARY KEY)",
        "a table's tenant_id is a uuid and NOT NULL",
        "stray",
    ),
    (
        "CREATE TABLE cell.stray (tenant_id text PRIMARY KEY)",
        "a table's tenant_id is a uuid and NOT NULL",
        "stray",
    ),
    (
        "ALTER TABLE cell.contact ALTER tenant_id DROP DEFAULT",
        "tenant_id is filled from the transaction's setting",
        "contact",
    ),
    (
        "ALTER TABLE cell.contact ALTER tenant_id SET DEFAULT
             current_setting('freehold.tenant_id', true)::uuid",
        "tenant_id is filled from the transaction's setting",
        "contact",
    ),
    (
        "ALTER TABLE cell.message NO FORCE ROW LEVEL SECURITY",
        "row-level security is enabled and forced",
        "message",
    ),
    (
        "ALTER TABLE cell.message DISABLE ROW LEVEL SECURITY",
        "row-level security is enabled and forced",
        "message",
    ),
    (
        "DROP POLICY tenant ON cell.agent",
        "the policy `tenant` compares tenant_id with the setting and nothing else",
        "agent",
    ),
    (
        "ALTER POLICY tenant ON cell.agent
             USING (tenant_id = current_setting('freehold.tenant_id', true)::uuid)",
        "the policy `tenant` compares tenant_id with the setting and nothing else",
        "agent",
    ),
    (
        "ALTER POLICY tenant ON cell.agent
             USING (tenant_id = (SELECT current_setting('freehold.tenant_id')::uuid))",
        "the policy `tenant` compares tenant_id with the setting and nothing else",
        "agent",
    ),
    (
        "ALTER POLICY tenant ON cell.agent WITH CHECK (true)",
        "the policy `tenant` compares tenant_id with the setting and nothing else",
        "agent",
    ),
    (
        "ALTER POLICY tenant ON cell.agent TO PUBLIC",
        "the policy `tenant` compares tenant_id with the setting and nothing else",
        "agent",
    ),
    (
        "CREATE POLICY shortcut ON cell.agent TO freehold_app USING (true)",
        "any other policy is for one login role, with that role's own condition",
        "agent.shortcut",
    ),
    (
        "CREATE POLICY shortcut ON cell.agent FOR SELECT USING (true)",
        "any other policy is for one login role, with that role's own condition",
        "agent.shortcut",
    ),
    (
        "ALTER POLICY ingest_insert ON cell.inbound_event WITH CHECK (true)",
        "any other policy is for one login role, with that role's own condition",
        "inbound_event.ingest_insert",
    ),
    (
        "ALTER TABLE cell.provider_call DROP CONSTRAINT provider_call_pkey",
        "a table has a primary key",
        "provider_call",
    ),
    (
        "CREATE UNIQUE INDEX by_address ON cell.contact (address)",
        "a key or index begins with tenant_id",
        "contact: cell.by_address",
    ),
    (
        "CREATE INDEX by_hash ON cell.contact (md5(address), tenant_id)",
        "a key or index begins with tenant_id",
        "contact: cell.by_hash",
    ),
    (
        "ALTER TABLE cell.contact ADD UNIQUE (id);
         ALTER TABLE cell.conversation ADD CONSTRAINT loose FOREIGN KEY (contact_id)
             REFERENCES cell.contact (id)",
        "a foreign key begins with tenant_id on both sides and never clears it",
        "conversation: loose",
    ),
    (
        "ALTER TABLE cell.conversation ADD CONSTRAINT clearing
             FOREIGN KEY (tenant_id, contact_id) REFERENCES cell.contact ON DELETE SET NULL",
        "a foreign key begins with tenant_id on both sides and never clears it",
        "conversation: clearing",
    ),
    (
        "ALTER TABLE cell.contact ADD CONSTRAINT spanning
             FOREIGN KEY (tenant_id) REFERENCES control.tenant",
        "no foreign key leaves its schema",
        "cell.contact: spanning",
    ),
    (
        "CREATE TRIGGER suppressed BEFORE UPDATE ON cell.contact FOR EACH ROW
             EXECUTE FUNCTION suppress_redundant_updates_trigger()",
        "there is no trigger",
        "cell.contact: suppressed",
    ),
    (
        "CREATE RULE quiet AS ON DELETE TO cell.contact DO INSTEAD NOTHING",
        "there is no rewrite rule",
        "cell.contact: quiet",
    ),
    (
        "CREATE SEQUENCE cell.numbers",
        "relations are durable tables, indexes and views",
        "cell.numbers",
    ),
    (
        "CREATE MATERIALIZED VIEW cell.everyone AS SELECT * FROM cell.contact",
        "relations are durable tables, indexes and views",
        "cell.everyone",
    ),
    (
        "ALTER TABLE cell.audit_entry SET UNLOGGED",
        "relations are durable tables, indexes and views",
        "cell.audit_entry",
    ),
    (
        "CREATE FUNCTION public.peek() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
             AS 'SELECT count(*) FROM cell.contact'",
        "a function reads, with its caller's rights and settings",
        "peek()",
    ),
    (
        "CREATE FUNCTION cell.tidy() RETURNS void LANGUAGE sql AS 'DELETE FROM cell.contact'",
        "a function reads, with its caller's rights and settings",
        "cell.tidy()",
    ),
    (
        "CREATE FUNCTION cell.peek() RETURNS bigint LANGUAGE sql STABLE
             SET freehold.tenant_id = '00000000-0000-0000-0000-000000000000'
             AS 'SELECT count(*) FROM cell.contact'",
        "a function reads, with its caller's rights and settings",
        "cell.peek()",
    ),
    (
        "CREATE DOMAIN cell.address AS text",
        "there is no domain",
        "cell.address",
    ),
    (
        "CREATE VIEW cell.recent AS SELECT * FROM cell.message",
        "a view asks with its caller's rights",
        "cell.recent",
    ),
    (
        "ALTER TABLE cell.data_key OWNER TO CURRENT_USER",
        "freehold_owner owns the schemas and all that is in them",
        "cell.data_key",
    ),
    (
        "CREATE TABLE public.mine (); ALTER TABLE public.mine OWNER TO freehold_app",
        "a serving role owns nothing",
        "freehold_app owns table mine",
    ),
    (
        "ALTER ROLE freehold_worker BYPASSRLS",
        "no role bypasses row-level security or can make itself one that does",
        "freehold_worker",
    ),
    (
        "CREATE ROLE reporting LOGIN BYPASSRLS",
        "no role bypasses row-level security or can make itself one that does",
        "reporting",
    ),
    (
        "GRANT freehold_operator TO freehold_app",
        "our roles are members of no other",
        "freehold_app in freehold_operator",
    ),
    (
        "ALTER ROLE freehold_app SET freehold.tenant_id = '00000000-0000-0000-0000-000000000001'",
        "no role and no database comes with a tenant, or with row-level security off",
        "freehold.tenant_id=00000000-0000-0000-0000-000000000001",
    ),
    (
        "GRANT TRUNCATE ON cell.job TO freehold_app",
        "serving roles hold plain privileges on relations, and nobody else any",
        "TRUNCATE on cell.job to freehold_app",
    ),
    (
        "GRANT SELECT (body) ON cell.inbound_event TO PUBLIC",
        "serving roles hold plain privileges on relations, and nobody else any",
        "SELECT on cell.inbound_event to -",
    ),
    (
        "GRANT CREATE ON SCHEMA cell TO freehold_app",
        "serving roles may use the schemas and make nothing there",
        "CREATE on cell to freehold_app",
    ),
    (
        "ALTER DEFAULT PRIVILEGES FOR ROLE freehold_owner GRANT SELECT ON TABLES TO freehold_app",
        "later tables get no privileges by default",
        "default privileges of freehold_owner",
    ),
];

#[tokio::test]
async fn every_rule_notices_its_breach() {
    let test = kernel::testing::database().await;
    let mut superuser = test.superuser().await;
    for (mistake, rule, object) in MISTAKES.iter().chain(people::MISTAKES) {
        // Roles belong to the whole cluster; taking the mistake back keeps it from other tests.
        for part in ["BEGIN", *mistake] {
            sqlx::raw_sql(part)
                .execute(&mut superuser)
                .await
                .unwrap_or_else(|error| panic!("{mistake}: {error}"));
        }
        let found = breaches(&mut superuser).await;
        sqlx::raw_sql("ROLLBACK")
            .execute(&mut superuser)
            .await
            .unwrap();
        assert!(
            found
                .iter()
                .any(|breach| breach.rule == *rule && breach.object == *object),
            "{mistake}\nshould break the rule that {rule}, at {object}; found {found:#?}"
        );
    }
    for (rule, _) in RULES.iter().chain(people::RULES) {
        assert!(
            MISTAKES
                .iter()
                .chain(people::MISTAKES)
                .any(|(_, tried, _)| tried == rule),
            "no mistake shows that it is noticed when it is not so that {rule}"
        );
    }
    assert_eq!(breaches(&mut superuser).await, []);
}
