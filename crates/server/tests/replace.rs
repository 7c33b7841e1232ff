//! What is served is replaced while it is served.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use davmux_server::{Anonymous, Error, Limits, Listen, Options, Password, Refusal, Secret, User};
use support::{ALICE, App, Client, open_options, options, start, status};
use tokio::net::TcpStream;

async fn asked(client: &mut Client, path: &str, headers: &str) -> u16 {
    client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n{headers}\r\n")).await;
    status(&client.response().await.0)
}

fn tcp(listen: &Listen) -> SocketAddr {
    let Listen::Tcp(address) = listen else { panic!("TCP is what the options say") };
    *address
}

#[tokio::test]
async fn a_request_in_flight_keeps_what_it_began_with_and_the_next_on_its_connection_gets_the_new() {
    let running = start(open_options()).await;
    let mut client = Client::connect(running.address).await;
    client.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    running.app.held.acquire().await.unwrap().forget();
    let new = App::default();
    running.handle.prepare(open_options(), new.clone()).await.unwrap().commit().await;
    running.app.release.add_permits(1);
    assert_eq!(client.response().await.1, "released");
    client.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    new.0.held.acquire().await.unwrap().forget();
    new.0.release.add_permits(1);
    assert_eq!(client.response().await.1, "released");
}

#[tokio::test]
async fn users_and_anonymous_access_are_those_of_the_new_options() {
    let running = start(options()).await;
    let mut client = Client::connect(running.address).await;
    assert_eq!(asked(&mut client, "/", ALICE).await, 200);
    let other =
        User { name: "alice".into(), password: Some(Password::Plain(Secret::new("another"))), tokens: Vec::new() };
    let changed = Options { users: vec![other], ..options() };
    running.handle.prepare(changed, App::default()).await.unwrap().commit().await;
    assert_eq!(asked(&mut client, "/", ALICE).await, 401, "also where the former password was right a moment ago");
    running.handle.prepare(open_options(), App::default()).await.unwrap().commit().await;
    assert_eq!((asked(&mut client, "/", ALICE).await, asked(&mut client, "/", "").await), (200, 200));
}

#[tokio::test]
async fn what_is_prepared_and_not_committed_changes_nothing() {
    let running = start(options()).await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = |more: SocketAddr| vec!["127.0.0.1:0".parse().unwrap(), Listen::Tcp(port), Listen::Tcp(more)];
    let in_use = Options { listen: listen(taken.local_addr().unwrap()), anonymous: Anonymous::ReadOnly, ..options() };
    let refused = running.handle.prepare(in_use, App::default()).await.unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused:?}");
    let wrong = User { name: "bob".into(), password: Some(Password::Hash("nonsense".into())), tokens: Vec::new() };
    let wrong = Options { users: vec![wrong], anonymous: Anonymous::ReadOnly, ..options() };
    let refused = running.handle.prepare(wrong, App::default()).await.unwrap_err();
    assert!(matches!(refused, Error::PasswordHash { .. }), "{refused:?}");
    assert!(running.handle.prepare(Options { listen: Vec::new(), ..options() }, App::default()).await.is_err());

    let mut client = Client::connect(running.address).await;
    assert_eq!((asked(&mut client, "/", "").await, asked(&mut client, "/", ALICE).await), (401, 200));
    assert!(TcpStream::connect(port).await.is_err(), "what was bound for nothing is closed");
}

#[tokio::test]
async fn an_address_that_stays_is_never_closed_a_new_one_is_served_and_one_that_goes_ends_with_its_requests() {
    let running = start(open_options()).await;
    let listen = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
    let both = Options { listen: listen(&["127.0.0.1:0", "[::1]:0"]), ..open_options() };
    // In the queue of the socket that stays.
    let mut stays = Client::connect(running.address).await;
    let prepared = running.handle.prepare(both, App::default()).await.unwrap();
    let added = tcp(&prepared.added()[0]);
    assert!(added.is_ipv6() && prepared.removed().is_empty());
    let mut early = Client::connect(added).await;
    prepared.commit().await;
    assert_eq!((asked(&mut stays, "/", "").await, asked(&mut early, "/", "").await), (200, 200));

    let app = App::default();
    running
        .handle
        .prepare(Options { listen: listen(&["127.0.0.1:0", "[::1]:0"]), ..open_options() }, app.clone())
        .await
        .unwrap()
        .commit()
        .await;
    assert_eq!(asked(&mut Client::connect(added).await, "/", "").await, 200, "it stayed");
    let mut busy = Client::connect(added).await;
    busy.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    app.0.held.acquire().await.unwrap().forget();
    let prepared = running.handle.prepare(open_options(), App::default()).await.unwrap();
    assert_eq!((prepared.added(), prepared.removed()), (vec![], &listen(&["[::1]:0"])[..]));
    prepared.commit().await;
    assert!(TcpStream::connect(added).await.is_err());
    assert_eq!(early.rest().await.0, "", "an idle connection is closed");
    app.0.release.add_permits(1);
    assert_eq!(busy.response().await.1, "released");
    assert_eq!(busy.rest().await.0, "");
    assert_eq!(asked(&mut stays, "/", "").await, 200);
    running.stop.send(()).unwrap();
    assert_eq!(running.ended.await.unwrap().cut, 0);
}

#[tokio::test]
async fn on_an_address_that_goes_a_client_is_waited_for_no_longer_than_on_one_that_stays() {
    let listen = |addresses: &[&str]| addresses.iter().map(|address| address.parse().unwrap()).collect();
    let limits = Limits { send_timeout: Duration::from_millis(500), ..Limits::default() };
    let running = start(open_options()).await;
    let both = Options { listen: listen(&["127.0.0.1:0", "[::1]:0"]), limits, ..open_options() };
    let prepared = running.handle.prepare(both, App::default()).await.unwrap();
    let added = tcp(&prepared.added()[0]);
    prepared.commit().await;
    let mut client = Client::connect(added).await;
    // Of more than all buffers hold nothing is taken.
    client.send("GET /flood HTTP/1.1\r\nhost: a\r\n\r\n").await;
    client.more().await.unwrap();
    running.handle.prepare(open_options(), App::default()).await.unwrap().commit().await;
    let gone = async {
        while running.handle.load().connections() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), gone).await.expect("its connection ends");
    assert_eq!(running.handle.load().refused(Refusal::SendTimeout), 1);
}

#[tokio::test]
async fn a_server_that_has_stopped_is_not_waited_for() {
    let running = start(open_options()).await;
    running.stop.send(()).unwrap();
    running.ended.await.unwrap();
    running.handle.prepare(open_options(), App::default()).await.unwrap().commit().await;
}
