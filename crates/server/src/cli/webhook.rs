//! `freehold webhook`: checking and making webhook signatures by hand. Only arguments, files and
//! output live here; the work is in `connect::webhook::cli`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};
use connect::catalogue::Catalogue;
use connect::webhook::cli::{self, Input};
use kernel::secret::Secret;
use time::OffsetDateTime;

/// The command did what was asked; for `verify`: the request is genuine.
const DONE: u8 = 0;
const REFUSED: u8 = 1;
const UNUSABLE: u8 = 2;

const SECRET_VARIABLE: &str = "FREEHOLD_WEBHOOK_SECRET";

/// Check a received webhook or sign one, as the provider would.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Say whether a request is genuine, and if not, why.
    ///
    /// The body is read from standard input, byte for byte. Exit status: 0 verified, 1 refused,
    /// 2 unusable input.
    #[command(
        after_help = "Example:\n  freehold webhook verify --provider github --secret-file hook.secret \\\n    --header 'X-Hub-Signature-256: sha256=…' < body.json"
    )]
    Verify(VerifyArgs),
    /// Sign a request and print it as a configuration for curl.
    ///
    /// The body is read from standard input. For Discord and SendGrid the secret is the private
    /// key: an Ed25519 seed in hex, or a P-256 key in PKCS#8 as base64.
    #[command(
        after_help = "Example:\n  freehold webhook sign --provider stripe --secret-file hook.secret \\\n    --url https://hooks.example.com/hooks/acme/stripe < body.json > request.curl\n  curl --config request.curl --data-binary @body.json\n\nWhere signing changes the body (Mailgun's signature, Linear's time), the output holds the body as\nwell; then leave --data-binary out."
    )]
    Sign(SignArgs),
}

#[derive(Debug, Args)]
struct VerifyArgs {
    #[command(flatten)]
    request: RequestArgs,
    /// The secret before the last rotation, in a file.
    #[arg(long, value_name = "FILE")]
    previous_secret_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct SignArgs {
    #[command(flatten)]
    request: RequestArgs,
}

#[derive(Debug, Args)]
struct RequestArgs {
    /// The provider's id in the catalogue, such as `whatsapp`.
    #[arg(long, value_name = "ID")]
    provider: String,
    /// The secret. It stays in the shell's history: --secret-file or the environment variable
    /// FREEHOLD_WEBHOOK_SECRET are better.
    #[arg(long, value_name = "TEXT", value_parser = secret, conflicts_with = "secret_file")]
    secret: Option<Secret>,
    /// A file that holds the secret; one line break at its end is left out.
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// The public URL as configured at the provider, with its query. Twilio signs it.
    #[arg(long, value_name = "URL", default_value = "")]
    url: String,
    #[arg(long, value_name = "METHOD", default_value = "POST")]
    method: String,
    /// A header as 'Name: value'; may be repeated. Forms need their Content-Type.
    #[arg(long = "header", short = 'H', value_name = "HEADER")]
    headers: Vec<String>,
    /// The time of receipt or of signing in Unix seconds; now, if left out.
    #[arg(long, value_name = "UNIX_TIME", allow_negative_numbers = true)]
    at: Option<i64>,
    /// A folder of provider files that add to the built-in catalogue or replace entries of it.
    #[arg(long, value_name = "FOLDER")]
    catalogue: Option<PathBuf>,
}

fn secret(text: &str) -> Result<Secret, std::convert::Infallible> {
    Ok(Secret::new(text))
}

/// Runs the command over a body and returns the exit status. What a person reads goes to `out`,
/// including what is wrong with the input.
pub fn run(args: WebhookArgs, body: Vec<u8>, out: &mut dyn Write) -> io::Result<u8> {
    let environment = std::env::var(SECRET_VARIABLE).ok().map(Secret::new);
    match outcome(args, environment, body) {
        Ok((text, status)) => {
            write!(out, "{text}")?;
            Ok(status)
        }
        Err(unusable) => {
            writeln!(out, "unusable input: {unusable:#}")?;
            Ok(UNUSABLE)
        }
    }
}

fn outcome(
    args: WebhookArgs,
    environment: Option<Secret>,
    body: Vec<u8>,
) -> anyhow::Result<(String, u8)> {
    match args.command {
        Command::Verify(args) => {
            let previous = args.previous_secret_file.map(read_secret).transpose()?;
            let (catalogue, input) = args.request.read(environment, previous, body)?;
            let verified = cli::verify(&catalogue, input)?;
            let status = if verified.verdict.is_verified() {
                DONE
            } else {
                REFUSED
            };
            Ok((verified.to_string(), status))
        }
        Command::Sign(args) => {
            let (catalogue, input) = args.request.read(environment, None, body)?;
            Ok((cli::sign(&catalogue, input)?.to_string(), DONE))
        }
    }
}

impl RequestArgs {
    fn read(
        self,
        environment: Option<Secret>,
        previous: Option<Secret>,
        body: Vec<u8>,
    ) -> anyhow::Result<(Catalogue, Input)> {
        let given = match self.secret_file {
            Some(file) => Some(read_secret(file)?),
            None => self.secret.or(environment),
        };
        let mut catalogue = Catalogue::builtin();
        if let Some(folder) = self.catalogue {
            catalogue = catalogue.with_folder(folder)?;
        }
        let input = Input {
            provider: self.provider,
            secret: given.with_context(|| {
                format!("no secret: give --secret-file, {SECRET_VARIABLE} or --secret")
            })?,
            previous,
            method: self.method,
            url: self.url,
            headers: self.headers,
            body,
            at: self
                .at
                .unwrap_or_else(|| OffsetDateTime::now_utc().unix_timestamp()),
        };
        Ok((catalogue, input))
    }
}

fn read_secret(file: PathBuf) -> anyhow::Result<Secret> {
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Program {
        #[command(flatten)]
        webhook: WebhookArgs,
    }

    fn call(line: &[&str], environment: Option<&str>, body: &str) -> (String, u8) {
        let program = Program::try_parse_from([&["freehold"], line].concat()).expect("parses");
        let environment = environment.map(Secret::new);
        outcome(program.webhook, environment, body.as_bytes().to_vec())
            .unwrap_or_else(|unusable| (unusable.to_string(), UNUSABLE))
    }

    const SIGNED: &str = "X-Hub-Signature-256: sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    const SECRET: &str = "It's a Secret to Everybody";

    #[test]
    fn a_genuine_request_is_verified_and_its_event_shown() {
        let body = r#"{"id":"evt_1","type":"invoice.paid"}"#;
        let sign = ["sign", "--provider", "stripe", "--at", "1700000000"];
        let (printed, status) = call(&sign, Some("whsec_x"), body);
        assert_eq!(status, DONE);
        let header = printed
            .lines()
            .filter_map(|line| line.strip_prefix("header = \"")?.strip_suffix('"'))
            .find(|header| header.starts_with("stripe-signature"))
            .expect("a signature for curl");
        let mut verify = vec!["verify", "--provider", "stripe", "-H", header];
        verify.extend(["--at", "1700000010"]);
        let (printed, status) = call(&verify, Some("whsec_x"), body);
        assert_eq!(status, DONE, "{printed}");
        assert!(printed.contains("verified with the current secret"));
        assert!(printed.contains("invoice.paid dedup=event:evt_1"));
    }

    #[test]
    fn a_refusal_says_why_and_never_shows_the_secret() {
        let line = ["verify", "--provider", "github", "--header", SIGNED];
        let (printed, status) = call(&line, Some(SECRET), "Hello, World?");
        assert_eq!(status, REFUSED);
        assert!(printed.starts_with("refused: signature_mismatch\n"));
        assert!(!printed.contains(SECRET));
    }

    #[test]
    fn the_secret_comes_from_a_file_the_environment_or_the_line() {
        let path = std::env::temp_dir().join(format!("freehold-secret-{}", std::process::id()));
        std::fs::write(&path, format!("{SECRET}\n")).expect("writes");
        let file = path.to_str().expect("text");
        let base = ["verify", "--provider", "github", "--header", SIGNED];
        let with = |more: &[&str], environment: Option<&str>| {
            call(&[&base, more].concat(), environment, "Hello, World!").1
        };
        assert_eq!(with(&["--secret-file", file], None), DONE);
        assert_eq!(with(&["--secret-file", file], Some("other")), DONE);
        assert_eq!(with(&["--secret", SECRET], None), DONE);
        assert_eq!(with(&[], Some(SECRET)), DONE);
        let rotated = ["--secret", "new", "--previous-secret-file", file];
        assert_eq!(with(&rotated, None), DONE);
        assert_eq!(with(&[], None), UNUSABLE);
        std::fs::remove_file(&path).expect("removes");
        assert_eq!(with(&["--secret-file", file], None), UNUSABLE);
    }

    #[test]
    fn unusable_input_is_told_from_a_refusal() {
        let line = ["verify", "--provider", "nobody"];
        let (printed, status) = call(&line, Some("s"), "");
        assert_eq!(status, UNUSABLE);
        assert!(printed.contains("whatsapp"), "{printed}");
        for line in [
            &["verify", "--provider", "openai"][..],
            &["verify", "--provider", "github", "--header", "no colon"],
            &["verify", "--provider", "github", "--method", "P ST"],
            &["sign", "--provider", "linear"],
            &["sign", "--provider", "github", "--secret", ""],
        ] {
            assert_eq!(call(line, Some("s"), "not json").1, UNUSABLE, "{line:?}");
        }
    }
}
