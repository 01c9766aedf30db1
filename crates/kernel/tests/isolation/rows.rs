//! A valid row for every table of the cell. A table that is missing here fails the tests, so that
//! a new one cannot escape them.

/// Whose values a row carries: a letter for the tenant and the number of the row. The tenant that
/// the row is put under is said elsewhere, which is how one tenant's values get tried by another.
#[derive(Clone, Copy, Debug)]
pub struct Of {
    pub letter: char,
    pub number: u32,
}

impl Of {
    /// The id of this one's row in a table, as an SQL expression.
    fn id(self, table: &str) -> String {
        format!("md5('{}/{table}/{}')::uuid", self.letter, self.number)
    }

    /// A text that nobody else's row has.
    fn text(self, what: &str) -> String {
        format!("'{}-{what}-{}'", self.letter, self.number)
    }

    fn number(self) -> String {
        self.number.to_string()
    }
}

/// Rows made at different moments must not differ by it.
pub const TIME: &str = "timestamptz '2026-01-01 00:00:00+00'";

type Row = Vec<(&'static str, String)>;

/// The columns of a row and their values as SQL expressions, without `tenant_id`. Foreign keys
/// point to rows of `parent`.
pub fn row(table: &str, own: Of, parent: Of) -> Option<Row> {
    let id = own.id(table);
    let correlation = own.id("correlation");
    let row = match table {
        "tenancy" => vec![("epoch", own.number())],
        "audit_entry" => vec![
            ("id", id),
            ("actor", own.text("actor")),
            ("action", own.text("action")),
            ("target", own.text("target")),
            ("correlation_id", correlation),
            ("seq", own.number()),
            ("hash", "decode(repeat('00', 32), 'hex')".into()),
        ],
        "audit_head" => vec![
            ("seq", own.number()),
            ("hash", "decode(repeat('00', 32), 'hex')".into()),
        ],
        "audit_checkpoint" => vec![("size", own.number()), ("note", own.text("note"))],
        "audit_progress" => vec![("signed_seq", own.number())],
        "api_key" => vec![
            ("id", id),
            ("public_id", own.text("public")),
            ("secret_sha256", "'\\x00'".into()),
            ("name", own.text("name")),
            ("mode", "'test'".into()),
            ("display", own.text("display")),
            ("permissions", "ARRAY['agents:read']".into()),
            ("created_by", own.text("creator")),
        ],
        "api_key_prefix" => vec![
            ("prefix", format!("'{}p{}'", own.letter, own.number)),
            ("set_by", own.text("setter")),
        ],
        "api_key_usage" => vec![
            ("key_id", parent.id("api_key")),
            ("day", "date '2026-01-01'".into()),
            ("requests", format!("{} + 1", own.number)),
            ("last_at", TIME.into()),
            ("last_ip", own.text("address")),
        ],
        "usage" => vec![
            ("meter", own.text("meter")),
            ("subject", own.text("subject")),
            ("day", "date '2026-01-01'".into()),
            ("amount", format!("{} + 1", own.number)),
        ],
        "credential_use" => vec![
            ("credential_id", parent.id("credential")),
            ("actor", own.text("actor")),
            ("purpose", own.text("purpose")),
            ("used_at", TIME.into()),
        ],
        "job_lane" => vec![("weight", own.number())],
        "job" => vec![
            ("id", id),
            ("kind", "'kind'".into()),
            (
                "payload",
                format!("to_jsonb({}::text)", own.text("payload")),
            ),
            ("state", "'ready'".into()),
            ("max_attempts", "3".into()),
            ("dedup_key", own.text("dedup")),
            ("ordering_key", own.text("order")),
            ("actor", own.text("actor")),
            ("correlation_id", correlation),
        ],
        "job_schedule" => vec![
            ("name", own.text("schedule")),
            ("kind", "'kind'".into()),
            ("payload", "'{}'".into()),
            ("cron", "'0 * * * *'".into()),
            ("next_at", TIME.into()),
        ],
        "data_key" => vec![
            ("generation", own.number()),
            ("kek", own.text("kek")),
            ("wrapped", "'\\x00'".into()),
        ],
        "tenant_key" => vec![
            ("id", id),
            ("provider", "'transit'".into()),
            (
                "settings",
                format!("to_jsonb({}::text)", own.text("settings")),
            ),
            ("kek", own.text("kek")),
            ("wrapped", "'\\x00'".into()),
            ("sealed", "'\\x00'".into()),
            ("created_by", own.text("creator")),
        ],
        "erased_key" => vec![("generation", own.number()), ("kek", own.text("kek"))],
        "change" => vec![("what", own.text("what")), ("changed_at", TIME.into())],
        "credential" => vec![
            ("id", id),
            ("provider", own.text("provider")),
            ("name", own.text("name")),
            ("fields", "'{}'".into()),
        ],
        "credential_secret" => vec![
            ("credential_id", parent.id("credential")),
            ("field", own.text("field")),
            ("slot", "'current'".into()),
            ("sealed", "'\\x00'".into()),
        ],
        "credential_version" => vec![
            ("credential_id", parent.id("credential")),
            ("version", format!("{} + 1", own.number)),
            ("fields", "'{}'".into()),
            ("reason", "'created'".into()),
            ("created_by", own.text("actor")),
        ],
        "credential_verification" => vec![
            ("id", id),
            ("credential_id", parent.id("credential")),
            ("version", own.number()),
            ("outcome", "'good'".into()),
            ("detail", own.text("detail")),
            ("checked_at", TIME.into()),
            ("correlation_id", correlation),
        ],
        "oauth_grant" => vec![
            ("credential_id", parent.id("credential")),
            ("provider", own.text("provider")),
            ("account_id", own.text("account")),
            ("account_name", own.text("name")),
            ("way", "'code'".into()),
            ("own_app", "false".into()),
            ("client_id", own.text("client")),
            ("scopes", "'{}'".into()),
            ("connected_by", own.text("actor")),
        ],
        "connect_session" => vec![
            ("id", id),
            ("token_sha256", format!("{}::bytea", own.text("token"))),
            ("providers", "ARRAY['slack']".into()),
            ("credential_id", parent.id("credential")),
            ("created_by", own.text("creator")),
            ("expires_at", TIME.into()),
        ],
        "oauth_flow" => vec![
            ("state_sha256", format!("{}::bytea", own.text("state"))),
            ("browser_sha256", format!("{}::bytea", own.text("browser"))),
            ("provider", own.text("provider")),
            ("way", "'code'".into()),
            ("redirect_uri", own.text("redirect")),
            ("client_id", own.text("client")),
            ("connect_session_id", parent.id("connect_session")),
            ("scopes", "'{}'".into()),
            ("expires_at", TIME.into()),
        ],
        "identifier" => vec![
            ("provider", own.text("provider")),
            ("kind", "'kind'".into()),
            ("external_id", own.text("external")),
            ("credential_id", parent.id("credential")),
        ],
        "webhook_endpoint" => vec![("id", id), ("provider", own.text("provider"))],
        "inbound_event" => vec![
            ("id", id),
            ("provider", own.text("provider")),
            ("dedup_key", own.text("dedup")),
            ("event_kind", "'kind'".into()),
            ("received_at", TIME.into()),
            ("url", own.text("url")),
            ("headers", "'{}'".into()),
            ("body", "'\\x00'".into()),
            ("verdict", "'verified'".into()),
            ("correlation_id", correlation),
        ],
        "provider_call" => vec![
            ("id", id),
            ("provider", own.text("provider")),
            ("operation", "'send'".into()),
            ("started_at", TIME.into()),
            ("duration_us", own.number()),
            ("correlation_id", correlation),
        ],
        "contact" => vec![
            ("id", id),
            ("channel", "'sms'".into()),
            ("address", own.text("address")),
        ],
        "conversation" => vec![
            ("id", id),
            ("channel", "'sms'".into()),
            ("account", own.text("account")),
            ("contact_id", parent.id("contact")),
            ("credential_id", parent.id("credential")),
        ],
        "message" => vec![
            ("id", id),
            ("conversation_id", parent.id("conversation")),
            ("seq", own.number()),
            ("direction", "'inbound'".into()),
            ("author", "'contact'".into()),
            ("kind", "'text'".into()),
            ("text", own.text("text")),
            ("external_id", own.text("external")),
            ("status", "'received'".into()),
            ("idempotency_key", own.text("idempotency")),
            ("correlation_id", correlation),
        ],
        "agent" => vec![
            ("id", id),
            ("name", own.text("name")),
            ("provider", own.text("provider")),
            ("model", "'model'".into()),
            ("instructions", own.text("instructions")),
        ],
        "tenant_config" => vec![
            ("version", own.number()),
            (
                "document",
                format!("to_jsonb({}::text)", own.text("document")),
            ),
            ("author", own.text("author")),
        ],
        "tenant_logo" => vec![
            (
                "digest",
                format!("encode(sha256({}::text::bytea), 'hex')", own.text("logo")),
            ),
            ("content_type", "'image/png'".into()),
            ("image", "'\\x00'".into()),
        ],
        _ => return None,
    };
    Some(row)
}
