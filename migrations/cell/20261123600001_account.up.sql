-- All that the caches hold of a tenant's account at one provider, as one value: so that who misses them
-- waits for one round trip. Row-level security is the caller's. Its plans are kept per connection,
-- which is what plpgsql does and SQL functions do not.

CREATE FUNCTION cell.account(of text) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object(
        'endpoint_enabled', (SELECT enabled FROM cell.webhook_endpoint WHERE provider = of),
        'credentials', COALESCE((
            SELECT jsonb_agg(jsonb_build_object(
                'id', c.id,
                'environment', c.environment,
                'is_default', c.is_default,
                'fields', c.fields,
                'grant', (
                    SELECT jsonb_build_object(
                        'installation', g.way = 'installation',
                        'own_app', g.own_app,
                        'reconnect', g.status <> 'active',
                        'expires_at', g.expires_at,
                        'since', COALESCE(g.refreshed_at, g.connected_at),
                        'version', g.version)
                    FROM cell.oauth_grant g WHERE g.credential_id = c.id),
                'secrets', COALESCE((
                    SELECT jsonb_agg(jsonb_build_object(
                        'field', s.field,
                        'previous', s.slot = 'previous',
                        'sealed', encode(s.sealed, 'hex'),
                        'valid_until', s.valid_until) ORDER BY s.field, s.slot)
                    FROM cell.credential_secret s
                    WHERE s.credential_id = c.id AND s.slot IN ('current', 'previous')), '[]')
                ) ORDER BY c.id)
            FROM cell.credential c WHERE c.provider = of), '[]'),
        'identifiers', COALESCE((
            SELECT jsonb_agg(jsonb_build_array(i.kind, i.external_id) ORDER BY i.kind, i.external_id)
            FROM cell.identifier i WHERE i.provider = of), '[]'),
        'wrapped', COALESCE((
            SELECT jsonb_object_agg(d.generation, jsonb_build_object(
                'kek', d.kek, 'bytes', encode(d.wrapped, 'hex')))
            FROM cell.data_key d), '{}')
    );
END
$$;
