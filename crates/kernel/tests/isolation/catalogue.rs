//! The rules that every table, policy, key, grant and role keeps, read from Postgres' own
//! catalogue: a table that a later migration adds is held to them without anybody thinking of it.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::people;

/// The tables of the cell. The migrations' own ledger belongs to no tenant.
const TABLES: &str = "WITH t AS (
    SELECT oid, relname::text AS name, relrowsecurity, relforcerowsecurity
    FROM pg_class
    WHERE relnamespace = 'cell'::regnamespace AND relkind IN ('r', 'p')
        AND relname <> '_sqlx_migrations'),
schemas AS (SELECT unnest(ARRAY['control', 'cell']::regnamespace[]) AS oid),
serving AS (SELECT unnest(ARRAY['freehold_app', 'freehold_operator', 'freehold_ingest',
    'freehold_worker', 'freehold_identity']::regrole[]) AS oid),
owned AS (
    SELECT c.oid, c.relname::text AS name, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND a.attnotnull
    WHERE c.relnamespace = 'control'::regnamespace AND c.relkind IN ('r', 'p')
        AND c.relname <> 'provider_route')";

/// Each rule's name and the query for what breaks it, one text per breach.
pub const RULES: &[(&str, &str)] = &[
    (
        "a table's tenant_id is a uuid and NOT NULL",
        "SELECT t.name FROM t
         LEFT JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id'
         WHERE a.attnum IS NULL OR a.atttypid <> 'uuid'::regtype OR NOT a.attnotnull
             OR a.attgenerated <> ''",
    ),
    (
        // Staff admit a tenant to a cell before any transaction of the tenant's can run there, so
        // cell.tenancy alone is always told which tenant it is about.
        "tenant_id is filled from the transaction's setting",
        "SELECT t.name FROM t
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id'
         LEFT JOIN pg_attrdef d ON d.adrelid = t.oid AND d.adnum = a.attnum
         WHERE t.name <> 'tenancy' AND pg_get_expr(d.adbin, d.adrelid) IS DISTINCT FROM
             '(current_setting(''freehold.tenant_id''::text))::uuid'",
    ),
    (
        "row-level security is enabled and forced",
        "SELECT name FROM t WHERE NOT relrowsecurity OR NOT relforcerowsecurity",
    ),
    (
        // Bare: a sub-select is refused by distributed Postgres, and missing_ok would turn a
        // forgotten tenant into an empty list.
        "the policy `tenant` compares tenant_id with the setting and nothing else",
        "SELECT t.name FROM t LEFT JOIN pg_policy p ON p.polrelid = t.oid AND p.polname = 'tenant'
         WHERE p.oid IS NULL OR p.polcmd <> '*' OR NOT p.polpermissive
             OR p.polroles <> ARRAY['freehold_app'::regrole::oid]
             OR pg_get_expr(p.polqual, p.polrelid) IS DISTINCT FROM
                 '(tenant_id = (current_setting(''freehold.tenant_id''::text))::uuid)'
             OR p.polwithcheck IS NOT NULL",
    ),
    (
        "any other policy is for one login role, with that role's own condition",
        "SELECT t.name || '.' || p.polname FROM t JOIN pg_policy p ON p.polrelid = t.oid
         WHERE p.polname <> 'tenant' AND NOT (
             cardinality(p.polroles) = 1 AND p.polpermissive
             AND COALESCE(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) =
                 COALESCE(pg_get_expr(p.polwithcheck, p.polrelid), pg_get_expr(p.polqual, p.polrelid))
             AND COALESCE(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)) =
                 CASE p.polroles[1]
                     WHEN 'freehold_operator'::regrole THEN 'true'
                     WHEN 'freehold_worker'::regrole THEN 'true'
                     WHEN 'freehold_ingest'::regrole THEN
                         '(strpos(current_setting(''freehold.tenant_ids''::text), (tenant_id)::text) > (0 / length(current_setting(''freehold.tenant_ids''::text))))'
                     ELSE '' END)",
    ),
    (
        "a table has a primary key",
        "SELECT t.name FROM t WHERE NOT EXISTS
             (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary)",
    ),
    (
        // Uniques are checked past row-level security and would tell one tenant of another's rows.
        "a key or index begins with tenant_id",
        "SELECT t.name || ': ' || i.indexrelid::regclass FROM t
         JOIN pg_index i ON i.indrelid = t.oid
         JOIN pg_attribute a ON a.attrelid = t.oid AND a.attname = 'tenant_id'
         WHERE i.indkey[0] <> a.attnum",
    ),
    (
        "a foreign key begins with tenant_id on both sides and never clears it",
        "SELECT t.name || ': ' || k.conname FROM t
         JOIN pg_constraint k ON k.conrelid = t.oid AND k.contype = 'f'
         JOIN pg_attribute own ON own.attrelid = t.oid AND own.attname = 'tenant_id'
         LEFT JOIN pg_attribute theirs
             ON theirs.attrelid = k.confrelid AND theirs.attname = 'tenant_id'
         WHERE k.conkey[1] <> own.attnum OR k.confkey[1] IS DISTINCT FROM theirs.attnum
             OR (k.confdeltype IN ('n', 'd') AND COALESCE(own.attnum = ANY (k.confdelsetcols), true))",
    ),
    (
        // Control and cell can be two databases.
        "no foreign key leaves its schema",
        "SELECT k.conrelid::regclass || ': ' || k.conname FROM pg_constraint k
         JOIN pg_class own ON own.oid = k.conrelid JOIN pg_class theirs ON theirs.oid = k.confrelid
         WHERE k.contype = 'f' AND own.relnamespace <> theirs.relnamespace",
    ),
    (
        "there is no trigger",
        "SELECT tgrelid::regclass || ': ' || tgname FROM pg_trigger WHERE NOT tgisinternal
         UNION ALL SELECT evtname::text FROM pg_event_trigger",
    ),
    (
        "there is no rewrite rule",
        "SELECT ev_class::regclass || ': ' || rulename FROM pg_rewrite
         JOIN pg_class c ON c.oid = ev_class JOIN schemas s ON s.oid = c.relnamespace
         WHERE rulename <> '_RETURN'",
    ),
    (
        // Sequences are no good on distributed Postgres; materialised views and foreign tables
        // have no row-level security.
        "relations are durable tables, indexes and views",
        "SELECT c.oid::regclass::text FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
         WHERE c.relkind NOT IN ('r', 'p', 'i', 'I', 'v', 'c') OR c.relpersistence <> 'p'",
    ),
    (
        // One with its owner's rights would read past its caller's policies, and one with settings of
        // its own could bring a tenant along.
        "a function reads, with its caller's rights and settings",
        "SELECT p.oid::regprocedure::text FROM pg_proc p
         WHERE p.pronamespace IN (SELECT oid FROM schemas UNION SELECT 'public'::regnamespace)
             AND (p.prosecdef OR p.provolatile = 'v' OR p.proconfig IS NOT NULL)",
    ),
    (
        "there is no domain",
        "SELECT y.oid::regtype::text FROM pg_type y
         WHERE y.typtype = 'd' AND y.typnamespace IN (SELECT oid FROM schemas)",
    ),
    (
        "a view asks with its caller's rights",
        "SELECT c.oid::regclass::text FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
         WHERE c.relkind = 'v' AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions)
             WHERE option_name = 'security_invoker' AND option_value::boolean)",
    ),
    (
        "freehold_owner owns the schemas and all that is in them",
        "SELECT c.oid::regclass::text FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace
         WHERE c.relowner <> 'freehold_owner'::regrole
         UNION ALL SELECT n.nspname::text FROM pg_namespace n JOIN schemas s ON s.oid = n.oid
         WHERE n.nspowner <> 'freehold_owner'::regrole",
    ),
    (
        "a serving role owns nothing",
        "SELECT r.rolname || ' owns ' || pg_describe_object(d.classid, d.objid, d.objsubid)
         FROM pg_shdepend d JOIN serving s ON s.oid = d.refobjid JOIN pg_roles r ON r.oid = s.oid
         WHERE d.deptype = 'o' AND d.refclassid = 'pg_authid'::regclass
             AND d.dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))",
    ),
    (
        // Role 10 is the superuser that made the cluster; the program never signs in as it to serve.
        "no role bypasses row-level security or can make itself one that does",
        "SELECT rolname::text FROM pg_roles WHERE oid <> 10
             AND (rolname LIKE 'freehold\\_%' OR rolcanlogin)
             AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)",
    ),
    (
        "our roles are members of no other",
        "SELECT member::regrole || ' in ' || roleid::regrole FROM pg_auth_members
         WHERE member IN (SELECT oid FROM serving UNION SELECT 'freehold_owner'::regrole)",
    ),
    (
        // A value that stands outside a transaction would be a default tenant.
        "no role and no database comes with a tenant, or with row-level security off",
        "SELECT setting FROM pg_db_role_setting, unnest(setconfig) AS setting
         WHERE setting LIKE 'freehold.%' OR setting LIKE 'row\\_security%'",
    ),
    (
        "serving roles hold plain privileges on relations, and nobody else any",
        "SELECT format('%s on %s to %s', acl.privilege_type, c.oid::regclass, acl.grantee::regrole)
         FROM pg_class c JOIN schemas s ON s.oid = c.relnamespace,
             LATERAL (SELECT c.relacl UNION ALL
                 SELECT attacl FROM pg_attribute WHERE attrelid = c.oid) AS lists (list),
             LATERAL aclexplode(list) AS acl
         WHERE acl.grantee <> c.relowner
             AND (acl.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')
                 OR acl.is_grantable OR acl.grantee NOT IN (SELECT oid FROM serving))",
    ),
    (
        "serving roles may use the schemas and make nothing there",
        "SELECT format('%s on %s to %s', acl.privilege_type, n.nspname, acl.grantee::regrole)
         FROM pg_namespace n, LATERAL aclexplode(n.nspacl) AS acl
         WHERE n.nspname IN ('control', 'cell', 'public') AND acl.grantee <> n.nspowner
             AND (acl.privilege_type <> 'USAGE' OR acl.is_grantable
                 OR (n.nspname <> 'public' AND acl.grantee NOT IN (SELECT oid FROM serving)))",
    ),
    (
        "later tables get no privileges by default",
        "SELECT format('default privileges of %s', defaclrole::regrole) FROM pg_default_acl",
    ),
];

/// One breach of one rule.
#[derive(Debug, PartialEq)]
pub struct Breach {
    pub rule: &'static str,
    pub object: String,
}

/// Everything in this database that breaks a rule.
pub async fn breaches(superuser: &mut PgConnection) -> Vec<Breach> {
    let mut found = Vec::new();
    for (rule, query) in RULES.iter().chain(people::RULES) {
        let objects: Vec<String> =
            sqlx::query_scalar(AssertSqlSafe(format!("{TABLES} {query} ORDER BY 1")))
                .fetch_all(&mut *superuser)
                .await
                .unwrap_or_else(|error| panic!("{rule}: {error}"));
        found.extend(objects.into_iter().map(|object| Breach { rule, object }));
    }
    found
}

#[tokio::test]
async fn every_table_keeps_the_rules() {
    let test = kernel::testing::database().await;
    assert_eq!(breaches(&mut test.superuser().await).await, []);
}
