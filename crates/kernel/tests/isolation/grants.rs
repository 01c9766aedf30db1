//! What each login role may do to each relation, and under which policies, as texts for review: a
//! migration that widens a role's reach changes a committed snapshot.

use sqlx::PgConnection;

/// `relation  role  privileges`, one line each; privileges on single columns name the columns.
async fn privileges(superuser: &mut PgConnection) -> String {
    let lines: Vec<String> = sqlx::query_scalar(
        "WITH held AS (
             SELECT c.oid AS relation, acl.grantee, acl.privilege_type AS privilege
             FROM pg_class c, LATERAL aclexplode(c.relacl) AS acl
             WHERE acl.grantee <> c.relowner
             UNION ALL
             SELECT c.oid, acl.grantee, format('%s (%s)', acl.privilege_type,
                 string_agg(a.attname, ', ' ORDER BY a.attnum))
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid,
                 LATERAL aclexplode(a.attacl) AS acl
             WHERE acl.grantee <> c.relowner
             GROUP BY c.oid, acl.grantee, acl.privilege_type)
         SELECT rpad(relation::regclass::text, 26) || rpad(grantee::regrole::text, 19)
             || string_agg(privilege, ', ' ORDER BY privilege)
         FROM held JOIN pg_class c ON c.oid = relation
         WHERE c.relnamespace IN ('control'::regnamespace, 'cell'::regnamespace)
         GROUP BY relation, grantee ORDER BY relation::regclass::text, grantee::regrole::text",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    lines.join("\n")
}

/// `relation  policy  role  command  condition` of every policy but `tenant`, which the catalogue's
/// rules hold to one text.
async fn policies(superuser: &mut PgConnection) -> String {
    let lines: Vec<String> = sqlx::query_scalar(
        "SELECT rpad(tablename, 20) || rpad(policyname, 15) || rpad(array_to_string(roles, ','), 19)
             || rpad(cmd, 8) || COALESCE(qual, with_check)
         FROM pg_policies WHERE policyname <> 'tenant' ORDER BY tablename, policyname",
    )
    .fetch_all(superuser)
    .await
    .unwrap();
    lines.join("\n")
}

#[tokio::test]
async fn privileges_are_the_reviewed_ones() {
    let test = kernel::testing::database().await;
    insta::assert_snapshot!(privileges(&mut test.superuser().await).await);
}

#[tokio::test]
async fn policies_are_the_reviewed_ones() {
    let test = kernel::testing::database().await;
    insta::assert_snapshot!(policies(&mut test.superuser().await).await);
}

#[tokio::test]
async fn a_wider_grant_or_policy_shows() {
    let test = kernel::testing::database().await;
    let mut superuser = test.superuser().await;
    let (privileges_before, policies_before) = (
        privileges(&mut superuser).await,
        policies(&mut superuser).await,
    );
    sqlx::raw_sql(
        "GRANT SELECT (body) ON cell.inbound_event TO freehold_ingest;
         CREATE POLICY staff_delete ON cell.contact FOR DELETE TO freehold_operator USING (true)",
    )
    .execute(&mut superuser)
    .await
    .unwrap();
    assert_ne!(privileges(&mut superuser).await, privileges_before);
    assert_ne!(policies(&mut superuser).await, policies_before);
}
