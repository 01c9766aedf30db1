//! Addresses that nobody may make the server call, in every way of writing and reaching them; and
//! that an allow-list opens exactly what it names.

mod common;

use std::net::{IpAddr, Ipv4Addr};

use common::{FakeNames, Server, egress, send};
use egress::{AllowList, Egress, FORBIDDEN, PRIVATE, Refusal, Standing, standing};
use http::Method;
use url::Url;

fn refused(egress: &Egress, url: &str) -> Refusal {
    let parsed = Url::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    match egress.request(Method::GET, parsed) {
        Ok(_) => panic!("{url} would be called"),
        Err(refusal) => refusal,
    }
}

fn admitted(egress: &Egress, url: &str) {
    let parsed = Url::parse(url).expect("a URL");
    if let Err(refusal) = egress.request(Method::GET, parsed) {
        panic!("{url}: {refusal}");
    }
}

/// Ways of writing an IPv4 address into a URL that lead to it.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let number = address.to_bits();
    let wide: String = address
        .to_string()
        .chars()
        .map(|sign| match sign.to_digit(10) {
            // The full-width forms, which host names are normalised from.
            Some(digit) => char::from_u32(0xff10 + digit).expect("a digit"),
            None => '。',
        })
        .collect();
    let [high, low] = [number >> 16, number & 0xffff];
    vec![
        address.to_string(),
        format!("{address}."),
        number.to_string(),
        format!("0x{number:x}"),
        format!("0X{number:08X}"),
        format!("0{number:o}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}"),
        format!("{a}.0x{b:x}.0{c:o}.{d}"),
        format!("{a}.{b}.{low}"),
        format!("{a}.{}", number & 0xff_ffff),
        format!(
            "%{:02x}{}",
            b'0' + a.to_string().as_bytes()[0] - b'0',
            &address.to_string()[1..]
        ),
        wide,
        format!("[::ffff:{address}]"),
        format!("[::ffff:{high:x}:{low:x}]"),
        format!("[0:0:0:0:0:ffff:{high:04x}:{low:04x}]"),
        format!("[::{high:x}:{low:x}]"),
        format!("[::ffff:0:{high:x}:{low:x}]"),
        format!("[64:ff9b::{address}]"),
        format!("[64:ff9b:1::{high:x}:{low:x}]"),
        format!("[2002:{high:x}:{low:x}::1]"),
        format!("[2001:0:{high:x}:{low:x}::1]"),
    ]
}

#[test]
fn addresses_inside_are_refused_however_they_are_written() {
    let egress = egress(&[]);
    for address in [
        [127, 0, 0, 1],
        [127, 1, 2, 3],
        [10, 0, 0, 1],
        [172, 16, 0, 1],
        [192, 168, 1, 1],
        [100, 64, 0, 1],
        [169, 254, 169, 254],
        [169, 254, 170, 2],
        [100, 100, 100, 200],
        [168, 63, 129, 16],
        [192, 0, 0, 192],
        [0, 0, 0, 0],
        [224, 0, 0, 1],
        [255, 255, 255, 255],
        [198, 18, 0, 1],
        [203, 0, 113, 7],
    ] {
        for spelling in spellings(address.into()) {
            let refusal = refused(&egress, &format!("https://{spelling}/latest/meta-data/"));
            assert!(
                matches!(refusal, Refusal::Private { .. } | Refusal::Forbidden { .. }),
                "{spelling}: {refusal:?}"
            );
        }
    }
    for host in [
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fec0::1]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fd20:ce::254]",
        "[ff02::1]",
        "[100::1]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[5f00::1]",
    ] {
        refused(&egress, &format!("https://{host}/"));
    }
    for host in [
        "1.1.1.1",
        "[2606:4700::1111]",
        "16843009",
        "api.example.com",
    ] {
        admitted(&egress, &format!("https://{host}/"));
        admitted(&egress, &format!("https://{host}:8443/"));
    }
}

#[test]
fn schemes_ports_and_users_are_limited() {
    let egress = egress(&[]);
    for (url, refusal) in [
        ("ftp://example.com/", Refusal::Scheme),
        ("file:///etc/passwd", Refusal::Scheme),
        ("gopher://example.com/", Refusal::Scheme),
        ("data:text/plain,x", Refusal::Scheme),
        ("https://user@example.com/", Refusal::UserInfo),
        ("https://:password@example.com/", Refusal::UserInfo),
        ("https://example.com:22/", Refusal::Port(22)),
        ("https://example.com:25/", Refusal::Port(25)),
        ("https://example.com:6667/", Refusal::Port(6667)),
        (
            "http://example.com/",
            Refusal::Plain {
                host: "example.com".into(),
            },
        ),
        (
            "http://example.com:8080/",
            Refusal::Plain {
                host: "example.com".into(),
            },
        ),
    ] {
        assert_eq!(refused(&egress, url), refusal, "{url}");
    }
}

#[test]
fn an_allow_list_opens_exactly_what_it_names() {
    let list = [
        "10.1.2.0/24:8443",
        "internal.example:443",
        "plain.example:80",
        "mail.example:25",
        "[fd12::/64]:443",
    ];
    let egress = egress(&list);
    for url in [
        "https://10.1.2.3:8443/",
        "http://10.1.2.3:8443/",
        "https://167838211:8443/",
        "https://[::ffff:10.1.2.3]:8443/",
        "https://internal.example/",
        "https://INTERNAL.example./",
        "http://plain.example/",
        "https://mail.example:25/",
        "https://[fd12::7]/",
        "https://other.example/",
    ] {
        admitted(&egress, url);
    }
    for url in [
        "https://10.1.2.3/",
        "https://10.1.3.3:8443/",
        "https://10.1.2.3:8444/",
        "https://[64:ff9b::10.1.2.3]:8443/",
        "https://[2002:a01:203::]:8443/",
        "https://[fd12:0:0:1::7]/",
        "https://[fd12::7]:8443/",
        "http://internal.example/",
        "http://other.example:443/",
        "http://plain.example:8080/",
        "https://mail.example:26/",
        "https://169.254.169.254:8443/",
        "https://127.0.0.1:8443/",
    ] {
        refused(&egress, url);
    }
}

#[tokio::test]
async fn a_name_is_refused_by_any_of_its_addresses() {
    let server = Server::start().await;
    let port = server.port();
    for answers in [
        &["127.0.0.1"][..],
        &["169.254.169.254"],
        &["::1"],
        &["::ffff:169.254.169.254"],
        &["64:ff9b::a9fe:a9fe"],
        &["fd00:ec2::254"],
        &["1.1.1.1", "127.0.0.1"],
        &["127.0.0.1", "1.1.1.1"],
        &["2606:4700::1111", "::1"],
    ] {
        let names = FakeNames::of(&[answers]);
        let egress = Egress::with_names(AllowList::default(), names.clone()).expect("a client");
        let error = send(&egress, &format!("https://rebound.example:{port}/")).await;
        let error = error.expect_err("is refused");
        let refusal = Refusal::behind(&error).unwrap_or_else(|| panic!("{answers:?}: {error:?}"));
        assert!(
            matches!(refusal, Refusal::Private { .. } | Refusal::Forbidden { .. }),
            "{refusal:?}"
        );
        assert_eq!(names.asked(), 1);
    }
    assert_eq!(server.calls(), 0);
}

#[tokio::test]
async fn what_was_checked_is_what_is_connected_to() {
    let server = Server::start().await;
    let port = server.port();
    // The first answer is allowed, every later one is not.
    let names = FakeNames::of(&[&["127.0.0.1"], &["127.0.0.2"]]);
    let place = format!("127.0.0.1/32:{port}").parse().expect("a place");
    let named = "rebound.example";
    let list: AllowList = [place].into_iter().collect();
    // http:// is for places that the list itself names.
    let by_name = Egress::with_names(list.clone(), names.clone()).expect("a client");
    assert_eq!(
        refused(&by_name, &format!("http://{named}:{port}/")),
        Refusal::Plain { host: named.into() }
    );
    // The handshake fails, as the server speaks no TLS; that it began proves the connection.
    let url = format!("https://{named}:{port}/");
    let error = send(&by_name, &url).await.expect_err("no TLS there");
    assert_eq!(Refusal::behind(&error), None, "{error:?}");
    assert_eq!(names.asked(), 1, "one look-up for one connection");
    server.connected(1).await;
    let error = send(&by_name, &url).await.expect_err("is refused");
    let refusal = Refusal::behind(&error).expect("a refusal");
    assert!(matches!(refusal, Refusal::Private { .. }), "{refusal:?}");
    assert_eq!(names.asked(), 2);
    server.connected(1).await;
}

#[tokio::test]
async fn a_public_name_at_a_port_that_is_open_for_another_stays_closed() {
    let names = FakeNames::of(&[&["1.1.1.1"]]);
    let place = "10.0.0.5/32:25".parse().expect("a place");
    let egress = Egress::with_names([place].into_iter().collect(), names).expect("a client");
    let error = send(&egress, "https://elsewhere.example:25/").await;
    let error = error.expect_err("is refused");
    assert_eq!(Refusal::behind(&error), Some(&Refusal::Port(25)));
}

#[tokio::test]
async fn redirects_are_handed_back_and_never_followed() {
    let server = Server::start().await;
    let other = Server::start().await;
    let egress = egress(&[&server.place(), &other.place()]);
    for location in [
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://[::1]/".to_owned(),
        // Not even to where a call of its own would be allowed.
        other.url("/"),
        "/elsewhere".to_owned(),
    ] {
        let answer = send(&egress, &server.url(&format!("/redirect?{location}"))).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 302);
        assert_eq!(answer.headers()["location"], location.as_str());
    }
    assert_eq!(server.calls(), 4);
    assert_eq!(other.calls(), 0);
}

#[tokio::test]
async fn answers_are_read_to_a_limit() {
    let server = Server::start().await;
    let egress = egress(&[&server.place()]);
    let url = server.url("/bytes?1000");
    let answer = send(&egress, &url).await.expect("an answer");
    let body = egress::read(answer, 1000).await.expect("fits");
    assert_eq!(body.len(), 1000);
    let answer = send(&egress, &url).await.expect("an answer");
    let error = egress::read(answer, 999).await.expect_err("is too large");
    assert!(matches!(error, egress::ReadError::TooLarge(999)), "{error}");
}

/// Runs itself once more in an environment that names proxies.
#[tokio::test]
async fn proxies_of_the_environment_are_not_used() {
    const MARK: &str = "EGRESS_TEST_BEHIND_PROXY";
    if std::env::var_os(MARK).is_none() {
        let proxy = Server::start().await;
        let mut again = tokio::process::Command::new(std::env::current_exe().expect("a program"));
        again.args(["--exact", "proxies_of_the_environment_are_not_used"]);
        for name in [
            "http_proxy",
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            again.env(name, proxy.url("/"));
        }
        let output = again.env(MARK, "1").kill_on_drop(true).output().await;
        let output = output.expect("runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
        assert_eq!(proxy.calls(), 0);
        return;
    }
    let server = Server::start().await;
    let answer = send(&egress(&[&server.place()]), &server.url("/")).await;
    assert_eq!(answer.expect("an answer").status(), 200);
    assert_eq!(server.calls(), 1);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn inside(block: &egress::Block, seed: u128) -> IpAddr {
        let (network, _) = block;
        match network.address() {
            IpAddr::V4(base) => {
                let host = u32::MAX.checked_shr(network.bits().into()).unwrap_or(0);
                let seed = u32::try_from(seed & u128::from(u32::MAX)).expect("is masked");
                Ipv4Addr::from_bits(base.to_bits() | (seed & host)).into()
            }
            IpAddr::V6(base) => {
                let host = u128::MAX.checked_shr(network.bits().into()).unwrap_or(0);
                std::net::Ipv6Addr::from_bits(base.to_bits() | (seed & host)).into()
            }
        }
    }

    proptest! {
        #[test]
        fn every_address_of_every_block_is_refused_in_each_spelling(seed: u128) {
            let egress = common::shared();
            for block in FORBIDDEN.iter().chain(PRIVATE) {
                let address = inside(block, seed);
                prop_assert_ne!(standing(address), Standing::Public, "{}", address);
                let written = match address {
                    IpAddr::V4(address) => spellings(address),
                    IpAddr::V6(address) => {
                        let parts = address.segments().map(|part| format!("{part:04X}"));
                        vec![format!("[{address}]"), format!("[{}]", parts.join(":"))]
                    }
                };
                for spelling in written {
                    for url in [
                        format!("https://{spelling}/"),
                        format!("https://{spelling}:8443/"),
                    ] {
                        refused(egress, &url);
                    }
                }
            }
        }

        /// A public address stays public in the spellings that mean it, so that refusing is not
        /// all that the guard does.
        #[test]
        fn public_addresses_are_called_in_each_spelling(number: u32) {
            let address = Ipv4Addr::from_bits(number);
            if standing(address.into()) == Standing::Public {
                for spelling in &spellings(address)[..17] {
                    if !spelling.starts_with("[::") || spelling.starts_with("[::ffff:") {
                        admitted(common::shared(), &format!("https://{spelling}/"));
                    }
                }
                admitted(common::shared(), &format!("https://[64:ff9b::{address}]/"));
            }
        }
    }
}
