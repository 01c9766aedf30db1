//! One client's session. Refuses what RFC 5321 lets a server refuse and real ones do.

use std::{sync::Arc, time::Duration};

use base64::prelude::{BASE64_STANDARD, Engine};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::mailbox::Mailbox;

/// RFC 5321 §4.5.3.1.4: a command with its line end; §4.5.3.1.6: a line of text.
const COMMAND: usize = 512;
const TEXT_LINE: usize = 1000;
const MESSAGE: usize = 1024 * 1024;
const RECIPIENTS: usize = 100;
/// A client that says nothing for this long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

struct Session {
    stream: BufReader<TcpStream>,
    mailbox: Arc<Mailbox>,
    greeted: bool,
    from: Option<String>,
    to: Vec<String>,
}

pub(super) async fn run(stream: TcpStream, mailbox: Arc<Mailbox>) {
    let mut session = Session {
        stream: BufReader::new(stream),
        mailbox,
        greeted: false,
        from: None,
        to: Vec::new(),
    };
    if let Err(error) = session.converse().await {
        tracing::debug!(%error, "a mail client went away");
    }
}

impl Session {
    async fn converse(&mut self) -> std::io::Result<()> {
        self.say("220 sandbox ESMTP").await?;
        loop {
            let line = match self.line(COMMAND).await? {
                Line::Whole(line) => line,
                Line::TooLong => {
                    self.say("500 the line is too long").await?;
                    continue;
                }
                Line::BareFeed => {
                    self.say("500 lines end with CRLF").await?;
                    return Ok(());
                }
                Line::End => return Ok(()),
            };
            let Ok(line) = String::from_utf8(line) else {
                self.say("500 commands are text").await?;
                continue;
            };
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "QUIT" => return self.say("221 bye").await,
                "DATA" => self.data(rest).await?,
                verb => {
                    let reply = self.answer(verb, rest);
                    self.say(&reply).await?;
                }
            }
        }
    }

    fn answer(&mut self, verb: &str, rest: &str) -> String {
        match verb {
            "EHLO" | "HELO" if rest.trim().is_empty() => "501 say who you are".into(),
            "EHLO" => {
                self.reset(true);
                let auth = match self.mailbox.has_users() {
                    true => "250-AUTH PLAIN\r\n",
                    false => "",
                };
                format!("250-sandbox\r\n250-SIZE {MESSAGE}\r\n{auth}250 8BITMIME")
            }
            "HELO" => {
                self.reset(true);
                "250 sandbox".into()
            }
            "NOOP" => "250 ok".into(),
            "AUTH" if !self.greeted => "503 say EHLO first".into(),
            "AUTH" => self.sign_in(rest),
            "RSET" => {
                self.reset(self.greeted);
                "250 ok".into()
            }
            "MAIL" if !self.greeted => "503 say EHLO first".into(),
            "MAIL" if self.from.is_some() => "503 a message is under way".into(),
            "MAIL" => match path(rest, "FROM:") {
                Some(from) => {
                    self.from = Some(from);
                    "250 ok".into()
                }
                None => "501 as in MAIL FROM:<a@example.com>".into(),
            },
            "RCPT" if self.from.is_none() => "503 say MAIL first".into(),
            "RCPT" if self.to.len() == RECIPIENTS => "452 too many recipients".into(),
            "RCPT" => match path(rest, "TO:").filter(|to| to.contains('@')) {
                Some(to) => {
                    self.to.push(to);
                    "250 ok".into()
                }
                None => "501 as in RCPT TO:<a@example.com>".into(),
            },
            _ => "502 that is not offered here".into(),
        }
    }

    /// RFC 4616 with an initial response: authorization identity, user and password, each ended by a
    /// zero byte but the last.
    fn sign_in(&self, rest: &str) -> String {
        let Some(("PLAIN", response)) = rest.split_once(' ') else {
            return "504 only AUTH PLAIN with its response".into();
        };
        let decoded = BASE64_STANDARD.decode(response).ok();
        let text = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
        let parts: Vec<&str> = text.as_deref().unwrap_or_default().split('\0').collect();
        match parts[..] {
            [_, user, password] if self.mailbox.admits(user, password) => {
                "235 2.7.0 signed in".into()
            }
            [_, _, _] => "535 5.7.8 authentication credentials invalid".into(),
            _ => "501 5.5.2 that is no response".into(),
        }
    }

    async fn data(&mut self, rest: &str) -> std::io::Result<()> {
        if !rest.is_empty() {
            return self.say("501 DATA takes nothing").await;
        }
        let (Some(from), false) = (self.from.clone(), self.to.is_empty()) else {
            return self.say("503 say MAIL and RCPT first").await;
        };
        self.say("354 end with a dot on a line of its own").await?;
        let mut message = Vec::new();
        let mut fault = None;
        loop {
            match self.line(TEXT_LINE).await? {
                Line::Whole(line) if line == b"." => break,
                Line::Whole(line) => {
                    let line = line.strip_prefix(b".").unwrap_or(&line);
                    message.extend_from_slice(line);
                    message.extend_from_slice(b"\r\n");
                }
                Line::TooLong => fault = Some("554 a line is too long"),
                // A bare line feed may hide a second message from one server and show it to another.
                Line::BareFeed => {
                    self.say("554 lines end with CRLF").await?;
                    return Err(std::io::ErrorKind::InvalidData.into());
                }
                Line::End => return Ok(()),
            }
            if message.len() > MESSAGE {
                message.clear();
                fault = Some("552 the message is too large");
            }
        }
        let reply = match (fault, self.mailbox.refusal()) {
            (Some(fault), _) => fault.to_owned(),
            (None, Some(refusal)) => refusal,
            (None, None) => match self.mailbox.keep(&from, &self.to, &message) {
                Ok(()) => "250 kept".to_owned(),
                Err(fault) => fault.to_owned(),
            },
        };
        self.reset(true);
        self.say(&reply).await
    }

    fn reset(&mut self, greeted: bool) {
        self.greeted = greeted;
        self.from = None;
        self.to.clear();
    }

    async fn say(&mut self, reply: &str) -> std::io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        stream.flush().await
    }

    /// A line without its end. Of one that is too long, the rest is read and thrown away.
    async fn line(&mut self, longest: usize) -> std::io::Result<Line> {
        let mut line = Vec::new();
        let limit = u64::try_from(longest).unwrap_or(u64::MAX);
        tokio::time::timeout(
            PATIENCE,
            (&mut self.stream).take(limit).read_until(b'\n', &mut line),
        )
        .await??;
        if line.is_empty() {
            return Ok(Line::End);
        }
        if line.last() != Some(&b'\n') {
            let mut rest = Vec::new();
            let more = u64::try_from(MESSAGE).unwrap_or(u64::MAX);
            tokio::time::timeout(
                PATIENCE,
                (&mut self.stream).take(more).read_until(b'\n', &mut rest),
            )
            .await??;
            return Ok(Line::TooLong);
        }
        line.pop();
        match line.pop() {
            Some(b'\r') => Ok(Line::Whole(line)),
            _ => Ok(Line::BareFeed),
        }
    }
}

enum Line {
    Whole(Vec<u8>),
    TooLong,
    BareFeed,
    End,
}

/// The address of `FROM:<…>` or `TO:<…>`; what follows it are parameters.
fn path(text: &str, keyword: &str) -> Option<String> {
    let head = text.get(..keyword.len())?;
    let rest = text.get(keyword.len()..)?;
    let (address, _) = rest.strip_prefix('<')?.split_once('>')?;
    let fits = head.eq_ignore_ascii_case(keyword) && !address.contains([' ', '<', '\t']);
    fits.then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use crate::SmtpSink;

    /// Sends the text and gives the codes of all replies.
    async fn codes(sink: &SmtpSink, text: &str) -> Vec<String> {
        let address = sink.url().replace("smtp://", "");
        let mut stream = tokio::net::TcpStream::connect(address)
            .await
            .expect("connects");
        stream.write_all(text.as_bytes()).await.expect("writes");
        stream.shutdown().await.expect("ends");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("reads");
        answer
            .lines()
            .filter(|line| line.as_bytes().get(3) == Some(&b' '))
            .map(|line| line[..3].to_owned())
            .collect()
    }

    async fn sink() -> SmtpSink {
        SmtpSink::start(([127, 0, 0, 1], 0).into())
            .await
            .expect("starts")
    }

    const BEGIN: &str = "EHLO me\r\nMAIL FROM:<a@x.y>\r\nRCPT TO:<b@x.y>\r\nDATA\r\n";
    const MESSAGE: &str = "From: a@x.y\r\nDate: Sat, 21 Nov 2026 06:00:00 +0000\r\n\
        Message-ID: <1@x.y>\r\nSubject: hello\r\n\r\n..dotted\r\nline\r\n.\r\nQUIT\r\n";

    #[tokio::test]
    async fn a_message_is_kept_with_its_dots() {
        let sink = sink().await;
        let answered = codes(&sink, &format!("{BEGIN}{MESSAGE}")).await;
        assert_eq!(answered, ["220", "250", "250", "250", "354", "250", "221"]);
        let letter = &sink.letters()[0];
        assert_eq!(
            (letter.from.as_str(), letter.to.as_slice()),
            ("a@x.y", ["b@x.y".to_owned()].as_slice())
        );
        assert_eq!(letter.subject, "hello");
        assert!(letter.text.starts_with(".dotted"), "{:?}", letter.text);
    }

    #[tokio::test]
    async fn what_is_out_of_order_or_shape_is_refused() {
        let sink = sink().await;
        let long = format!("EHLO me\r\nNOOP {}\r\nNOOP\r\nQUIT\r\n", "x".repeat(600));
        for (text, expected) in [
            ("MAIL FROM:<a@x.y>\r\nQUIT\r\n", vec!["220", "503", "221"]),
            (
                "EHLO me\r\nRCPT TO:<b@x.y>\r\nDATA\r\nQUIT\r\n",
                vec!["220", "250", "503", "503", "221"],
            ),
            (
                "EHLO me\r\nMAIL FROM: a@x.y\r\nQUIT\r\n",
                vec!["220", "250", "501", "221"],
            ),
            ("EHLO me\nQUIT\r\n", vec!["220", "500"]),
            (
                "EHLO\r\nVRFY x\r\nQUIT\r\n",
                vec!["220", "501", "502", "221"],
            ),
            (&long, vec!["220", "250", "500", "250", "221"]),
        ] {
            assert_eq!(codes(&sink, text).await, expected, "{text}");
        }
        let bare = format!("{BEGIN}{}", MESSAGE.replace("line\r\n", "line\n.\n"));
        assert_eq!(
            codes(&sink, &bare).await.last().map(String::as_str),
            Some("554")
        );
        assert!(sink.letters().is_empty());
    }

    #[tokio::test]
    async fn it_can_be_told_to_refuse() {
        let sink = sink().await;
        sink.refuse("451 later", 1);
        let text = format!("{BEGIN}{MESSAGE}");
        assert!(codes(&sink, &text).await.contains(&"451".to_owned()));
        assert!(sink.letters().is_empty());
        codes(&sink, &text).await;
        assert_eq!(sink.letters().len(), 1);
    }
}
