//! Forms with the fields that Twilio's guides list.

use kernel::id::MessageId;

use super::*;

fn form(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    let usual = [
        ("ToCountry", "US"),
        ("AccountSid", "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ("ApiVersion", "2010-04-01"),
    ];
    usual
        .iter()
        .chain(fields)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn sms(fields: &[(&str, &str)]) -> Received {
    let mut all = vec![
        ("SmsMessageSid", "SM1"),
        ("MessageSid", "SM1"),
        ("SmsSid", "SM1"),
        ("SmsStatus", "received"),
        ("To", "+15550001111"),
        ("From", "+15552223333"),
    ];
    all.extend(fields);
    let incoming = incoming(&form(&all)).expect("reads").expect("a message");
    assert_eq!(incoming.account.as_deref(), Some("+15550001111"));
    assert_eq!(
        incoming.identifiers,
        ["+15550001111", "ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
    );
    assert_eq!(incoming.address, "+15552223333");
    match incoming.what {
        What::Message(received) => received,
        other => panic!("{other:?}"),
    }
}

#[test]
fn text() {
    let received = sms(&[("Body", "Hello"), ("NumMedia", "0"), ("NumSegments", "1")]);
    assert_eq!(received.kind, Kind::Text);
    assert_eq!(received.text.as_deref(), Some("Hello"));
    assert_eq!(received.external_id, "SM1");
    assert!(received.is_answerable());
}

#[test]
fn files() {
    let base = "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media";
    let received = sms(&[
        ("Body", "Look"),
        ("NumMedia", "2"),
        ("MediaUrl0", &format!("{base}/ME1")),
        ("MediaContentType0", "image/png"),
        ("MediaUrl1", &format!("{base}/ME2")),
        ("MediaContentType1", "text/vcard"),
    ]);
    assert_eq!(received.kind, Kind::Image);
    assert_eq!(received.text.as_deref(), Some("Look"));
    assert!(!received.is_answerable());
    let ids: Vec<_> = received
        .media
        .iter()
        .map(|media| media.id.as_deref())
        .collect();
    assert_eq!(ids, [Some("ME1"), Some("ME2")]);
    assert_eq!(received.media[1].mime_type.as_deref(), Some("text/vcard"));
    assert_eq!(received.media[0].url, Some(format!("{base}/ME1")));
}

#[test]
fn a_false_count_of_files_is_harmless() {
    assert!(sms(&[("NumMedia", "4000000000")]).media.is_empty());
    assert!(sms(&[("NumMedia", "-1")]).media.is_empty());
}

#[test]
fn places_and_buttons() {
    let place = sms(&[
        ("Latitude", "37.78"),
        ("Longitude", "-122.39"),
        ("Label", "Twilio"),
    ]);
    assert_eq!(place.kind, Kind::Location);
    assert_eq!(place.text.as_deref(), Some("Twilio\n37.78, -122.39"));
    let button = sms(&[
        ("ButtonText", "Yes"),
        ("ButtonPayload", "y"),
        ("Body", "Yes"),
    ]);
    assert_eq!(
        (button.kind, button.text.as_deref()),
        (Kind::Button, Some("Yes"))
    );
    assert_eq!(sms(&[("Body", "")]).kind, Kind::Unsupported);
}

#[test]
fn status_callbacks_are_about_what_we_sent() {
    for (word, status) in [
        ("sent", Some(Status::Sent)),
        ("delivered", Some(Status::Delivered)),
        ("read", Some(Status::Read)),
        ("undelivered", Some(Status::Failed)),
        ("failed", Some(Status::Failed)),
        ("queued", None),
        ("sending", None),
    ] {
        let fields = form(&[
            ("SmsSid", "SM2"),
            ("SmsStatus", word),
            ("MessageStatus", word),
            ("MessageSid", "SM2"),
            ("To", "+15552223333"),
            ("From", "+15550001111"),
            (
                "ErrorCode",
                if status == Some(Status::Failed) {
                    "30003"
                } else {
                    ""
                },
            ),
        ]);
        let read = incoming(&fields).expect("reads");
        let Some(status) = status else {
            assert_eq!(read, None);
            continue;
        };
        let read = read.expect("a report");
        assert_eq!(read.account.as_deref(), Some("+15550001111"));
        assert_eq!(read.address, "+15552223333");
        let error = (status == Status::Failed)
            .then(|| "the message was not delivered (Twilio error 30003)".to_owned());
        assert_eq!(
            read.what,
            What::Delivery(Delivery {
                external_id: "SM2".to_owned(),
                status,
                error,
                message: None,
            })
        );
    }
}

#[test]
fn calls_are_no_messages() {
    let fields = form(&[
        ("CallSid", "CA1"),
        ("CallStatus", "ringing"),
        ("From", "+1"),
        ("To", "+2"),
    ]);
    assert_eq!(incoming(&fields).expect("reads"), None);
}

#[test]
fn a_message_without_its_sender_is_refused_for_good() {
    let error = incoming(&form(&[("MessageSid", "SM1"), ("To", "+1")])).expect_err("refused");
    assert!(!error.is_transient());
}

#[test]
fn texts_leave_in_the_documented_shape() {
    let outgoing = Outgoing {
        message: MessageId::new(),
        channel: Channel::Sms,
        account: "+15550001111".to_owned(),
        address: "+15552223333".to_owned(),
        credential: None,
        text: "Hi".to_owned(),
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let usual = [
        pair("From", "+15550001111"),
        pair("To", "+15552223333"),
        pair("Body", "Hi"),
    ];
    assert_eq!(body(&outgoing, None), usual);
    let callback = callback("https://freehold.example/", "acme");
    assert_eq!(
        body(&outgoing, callback)[3],
        pair(
            "StatusCallback",
            "https://freehold.example/hooks/acme/twilio"
        )
    );
}

#[test]
fn servers_that_twilio_cannot_reach_name_no_callback() {
    for url in [
        "http://localhost:8080",
        "http://127.0.0.1:8080",
        "http://192.168.1.7",
        "http://[::1]:80",
        "nonsense",
    ] {
        assert_eq!(callback(url, "acme"), None, "{url}");
    }
}
