//! The rules for people and for what tenants own in the control database, beside those of the cell:
//! the same row-level security, and one login role that reaches any of it. And what that role sees
//! when it tries.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::worlds::{execute, outcome};

/// A table of the control database belongs to tenants when each of its rows names one. Provider
/// routes do as well, but are looked up before any tenant is known; grants guard them.
pub const RULES: &[(&str, &str)] = &[
    (
        "a control table of tenants' rows has row-level security, enabled and forced",
        "SELECT o.name FROM owned o WHERE NOT relrowsecurity OR NOT relforcerowsecurity",
    ),
    (
        "a control table of tenants' rows has the policy `tenant` for freehold_identity",
        "SELECT o.name FROM owned o LEFT JOIN pg_policy p ON p.polrelid = o.oid AND p.polname = 'tenant'
         WHERE p.oid IS NULL OR p.polcmd <> '*' OR NOT p.polpermissive
             OR p.polroles <> ARRAY['freehold_identity'::regrole::oid]
             OR pg_get_expr(p.polqual, p.polrelid) IS DISTINCT FROM
                 '(tenant_id = (current_setting(''freehold.tenant_id''::text))::uuid)'
             OR p.polwithcheck IS NOT NULL",
    ),
    (
        "any other policy there lets people read what is about themselves",
        "SELECT c.oid::regclass || '.' || p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
         WHERE c.relnamespace = 'control'::regnamespace AND p.polname <> 'tenant' AND NOT (
             p.polcmd = 'r' AND p.polpermissive
             AND p.polroles = ARRAY['freehold_identity'::regrole::oid]
             AND pg_get_expr(p.polqual, p.polrelid) =
                 '(user_id = (current_setting(''freehold.user_id''::text))::uuid)')",
    ),
    (
        "a unique key of tenants' rows in control begins with tenant_id",
        "SELECT o.name || ': ' || i.indexrelid::regclass FROM owned o
         JOIN pg_index i ON i.indrelid = o.oid AND i.indisunique
         JOIN pg_attribute a ON a.attrelid = o.oid AND a.attname = 'tenant_id'
         WHERE i.indkey[0] <> a.attnum",
    ),
    (
        "freehold_identity alone reaches people's tables",
        "SELECT DISTINCT format('%s to %s', c.oid::regclass, acl.grantee::regrole)
         FROM pg_class c, LATERAL (SELECT c.relacl UNION ALL
             SELECT attacl FROM pg_attribute WHERE attrelid = c.oid) AS lists (list),
             LATERAL aclexplode(list) AS acl
         WHERE c.relnamespace = 'control'::regnamespace AND acl.grantee <> c.relowner
             AND acl.grantee <> 'freehold_identity'::regrole
             AND (c.oid IN (SELECT oid FROM owned) OR c.relname IN ('user', 'session', 'email_token',
                 'attempt', 'account_audit', 'mail', 'pending_sign_in', 'totp', 'recovery_code',
                 'passkey', 'passkey_challenge', 'user_identity', 'sign_in_flow')
                 OR EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
                     AND a.attname IN ('password_hash', 'token_sha256')))",
    ),
    (
        "freehold_identity reaches nothing of the cell",
        "SELECT c.oid::regclass::text FROM pg_class c, LATERAL aclexplode(c.relacl) AS acl
         WHERE c.relnamespace = 'cell'::regnamespace
             AND acl.grantee = 'freehold_identity'::regrole",
    ),
];

/// What somebody might write in a migration, and what the rules must say to it.
pub const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "ALTER TABLE control.membership NO FORCE ROW LEVEL SECURITY",
        "a control table of tenants' rows has row-level security, enabled and forced",
        "membership",
    ),
    (
        "CREATE TABLE control.stray (tenant_id uuid PRIMARY KEY)",
        "a control table of tenants' rows has row-level security, enabled and forced",
        "stray",
    ),
    (
        "ALTER POLICY tenant ON control.invitation USING (true)",
        "a control table of tenants' rows has the policy `tenant` for freehold_identity",
        "invitation",
    ),
    (
        "CREATE POLICY all_of_them ON control.membership FOR SELECT TO freehold_identity USING (true)",
        "any other policy there lets people read what is about themselves",
        "control.membership.all_of_them",
    ),
    (
        "CREATE UNIQUE INDEX by_token ON control.invitation (token_sha256)",
        "a unique key of tenants' rows in control begins with tenant_id",
        "invitation: control.by_token",
    ),
    (
        "GRANT SELECT (password_hash) ON control.user TO freehold_operator",
        "freehold_identity alone reaches people's tables",
        "control.\"user\" to freehold_operator",
    ),
    (
        "CREATE TABLE control.other (id uuid PRIMARY KEY, token_sha256 bytea);
         GRANT SELECT ON control.other TO freehold_app",
        "freehold_identity alone reaches people's tables",
        "control.other to freehold_app",
    ),
    (
        "GRANT SELECT ON cell.contact TO freehold_identity",
        "freehold_identity reaches nothing of the cell",
        "cell.contact",
    ),
];

const A: &str = "aaaaaaaa-aaaa-7aaa-8aaa-aaaaaaaaaaaa";
const B: &str = "bbbbbbbb-bbbb-7bbb-8bbb-bbbbbbbbbbbb";
const NIL: &str = "00000000-0000-0000-0000-000000000000";

/// Two tenants, each with a member, an invitation and a role; `a`'s member belongs to both.
async fn fill(superuser: &mut PgConnection) {
    let cell = "(SELECT id FROM control.cell)";
    for tenant in [A, B] {
        let letter = &tenant[..1];
        execute(
            superuser,
            &format!(
                "INSERT INTO control.tenant (id, slug, name, plan, region, status, cell_id)
                 VALUES ('{tenant}', '{letter}', '{letter}', 'p', 'r', 'active', {cell});
                 INSERT INTO control.user (id, email, email_as_typed, name)
                 VALUES ('{tenant}', '{letter}@x', '{letter}@x', '{letter}');
                 INSERT INTO control.membership (tenant_id, user_id, role, created_by)
                 VALUES ('{tenant}', '{tenant}', 'owner', 'test');
                 INSERT INTO control.tenant_role (tenant_id, name, permissions, created_by)
                 VALUES ('{tenant}', 'special', '{{}}', 'test');
                 INSERT INTO control.invitation (tenant_id, id, email, role, token_sha256, invited_by, expires_at)
                 VALUES ('{tenant}', '{tenant}', 'i@x', 'agent', '\\x00', 'test', now());
                 INSERT INTO control.identity_provider (tenant_id, id, name, label, issuer, client_id,
                     kek, wrapped, sealed, domains, role, enabled, vouches_for, vouches_for_owners, created_by)
                 VALUES ('{tenant}', '{tenant}', 'p', 'p', 'i', 'c', 'k', '\\x00', '\\x00', '{{}}', 'agent',
                     true, '{{}}', false, 'test');
                 INSERT INTO control.member_identity (tenant_id, provider_id, issuer, subject, user_id)
                 VALUES ('{tenant}', '{tenant}', 'i', 's', '{tenant}');
                 INSERT INTO control.session (id, token_sha256, user_id, idle_limit, expires_at)
                 VALUES ('{tenant}', '{letter}', '{tenant}', '1 day', now());
                 INSERT INTO control.impersonation (tenant_id, id, user_id, staff_name, session_id, reason,
                     may_write, expires_at)
                 VALUES ('{tenant}', '{tenant}', '{tenant}', 's', '{tenant}', 'r', false, now())"
            ),
        )
        .await;
    }
    execute(
        superuser,
        &format!(
            "INSERT INTO control.membership (tenant_id, user_id, role, created_by)
             VALUES ('{B}', '{A}', 'agent', 'test')"
        ),
    )
    .await;
}

fn begin(tenant: &str, user: &str) -> String {
    format!(
        "BEGIN; SET LOCAL freehold.tenant_id = '{tenant}'; SET LOCAL freehold.user_id = '{user}'"
    )
}

const OWNED: [&str; 6] = [
    "membership",
    "tenant_role",
    "invitation",
    "impersonation",
    "identity_provider",
    "member_identity",
];

#[tokio::test]
async fn identity_sees_one_tenant_or_one_person() {
    let test = kernel::testing::database().await;
    fill(&mut test.superuser().await).await;
    let mut conn = test.login("freehold_identity").await;
    let tenants = "string_agg(DISTINCT left(tenant_id::text, 1), '')";
    for (tenant, user, table, seen) in [
        (A, NIL, "membership", "a"),
        (A, NIL, "tenant_role", "a"),
        (A, NIL, "invitation", "a"),
        (A, NIL, "identity_provider", "a"),
        (A, NIL, "member_identity", "a"),
        (NIL, A, "identity_provider", ""),
        (NIL, A, "member_identity", ""),
        (A, NIL, "impersonation", "a"),
        (NIL, B, "impersonation", "b"),
        (NIL, A, "membership", "ab"),
        (NIL, B, "membership", "b"),
        (NIL, A, "tenant_role", ""),
        (NIL, NIL, "membership", ""),
    ] {
        execute(&mut conn, &begin(tenant, user)).await;
        let sql = format!("SELECT COALESCE({tenants}, '') FROM control.{table}");
        let found: String = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&mut conn)
            .await
            .unwrap();
        execute(&mut conn, "ROLLBACK").await;
        assert_eq!(found, seen, "{table} of {tenant} and {user}");
    }
    // Reading one's own memberships elsewhere is not changing them.
    for change in [
        "UPDATE control.membership SET role = 'owner'",
        "DELETE FROM control.membership",
    ] {
        execute(&mut conn, &begin(NIL, A)).await;
        assert_eq!(outcome(&mut conn, change).await, "0 rows", "{change}");
        execute(&mut conn, "ROLLBACK").await;
    }
    for table in OWNED {
        execute(&mut conn, &begin(A, NIL)).await;
        let moved = format!("UPDATE control.{table} SET tenant_id = '{B}'");
        let refused = outcome(&mut conn, &moved).await;
        execute(&mut conn, "ROLLBACK").await;
        assert!(refused.starts_with("error 42501"), "{moved}: {refused}");
    }
}

#[tokio::test]
async fn a_forgotten_tenant_raises() {
    let test = kernel::testing::database().await;
    for table in OWNED {
        let mut fresh = test.login("freehold_identity").await;
        let refused = outcome(&mut fresh, &format!("SELECT * FROM control.{table}")).await;
        assert!(refused.starts_with("error 42704"), "{table}: {refused}");
    }
}

#[tokio::test]
async fn no_other_role_reads_accounts() {
    let test = kernel::testing::database().await;
    for role in [
        "freehold_app",
        "freehold_operator",
        "freehold_ingest",
        "freehold_worker",
    ] {
        let mut conn = test.login(role).await;
        for table in [
            "user",
            "session",
            "email_token",
            "mail",
            "membership",
            "account_audit",
            "identity_provider",
            "member_identity",
            "user_identity",
            "sign_in_flow",
            "pending_sign_in",
            "totp",
            "recovery_code",
            "passkey",
            "passkey_challenge",
        ] {
            let refused = outcome(&mut conn, &format!("SELECT * FROM control.{table}")).await;
            assert!(
                refused.starts_with("error 42501"),
                "{role}: {table}: {refused}"
            );
        }
    }
}
