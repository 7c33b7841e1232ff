//! Where it listens, and how it stops.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod support;

use std::time::Duration;

use davmux_server::{Anonymous, Drained, Error, Listen, Options, Server};
use support::{App, Client, Running, open_options, start, status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};

/// A client whose request is being answered.
async fn in_flight(running: &Running) -> Client {
    let mut client = Client::connect(running.address).await;
    client.send("GET /hold HTTP/1.1\r\nhost: a\r\n\r\n").await;
    running.app.held.acquire().await.unwrap().forget();
    client
}

#[tokio::test]
async fn requests_in_flight_are_finished_and_idle_connections_closed() {
    let running = start(open_options()).await;
    let mut busy = in_flight(&running).await;
    let mut fresh = Client::connect(running.address).await;
    let mut idle = Client::connect(running.address).await;
    idle.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    idle.response().await;

    running.stop.send(()).unwrap();
    assert_eq!(idle.rest().await.0, "");
    assert_eq!(fresh.rest().await.0, "");
    assert!(TcpStream::connect(running.address).await.is_err());
    assert!(!running.ended.is_finished());
    running.app.release.add_permits(1);
    let (head, body) = busy.response().await;
    assert_eq!((status(&head), body.as_str()), (200, "released"));
    assert_eq!(running.ended.await.unwrap(), Drained { cut: 0 });
    assert_eq!(busy.rest().await.0, "");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let running = start(Options { drain: Duration::ZERO, ..open_options() }).await;
    let (mut one, mut two) = (in_flight(&running).await, in_flight(&running).await);
    running.stop.send(()).unwrap();
    assert_eq!(running.ended.await.unwrap(), Drained { cut: 2 });
    assert_eq!((one.rest().await.0, two.rest().await.0), (String::new(), String::new()));
}

#[tokio::test]
async fn a_client_that_has_not_said_which_protocol_does_not_hold_up_a_shutdown() {
    let running = start(Options { http2: true, ..open_options() }).await;
    let mut silent = Client::connect(running.address).await;
    silent.send("PRI").await;
    // Answered on another connection, so the silent one was accepted.
    let mut other = Client::connect(running.address).await;
    other.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n").await;
    other.response().await;
    running.stop.send(()).unwrap();
    assert_eq!(running.ended.await.unwrap(), Drained { cut: 0 });
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let running = start(open_options()).await;
    let options = Options { listen: vec![Listen::Tcp(running.address)], ..open_options() };
    let error = Server::bind(options, App::default()).await.unwrap_err();
    assert!(matches!(error, Error::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&running.address.to_string()), "{error}");
}

#[tokio::test]
async fn anonymous_writing_for_everybody_is_not_even_bound() {
    let listen = vec!["0.0.0.0:0".parse().unwrap()];
    let options = Options { listen, anonymous: Anonymous::ReadWrite, ..Options::default() };
    let error = Server::bind(options, App::default()).await.unwrap_err();
    assert!(matches!(error, Error::OpenToAll { .. }), "{error:?}");
}

#[tokio::test]
async fn a_unix_socket_serves_replaces_a_stale_one_and_goes_with_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "a stale socket to begin with");
    let options = || Options { listen: vec![Listen::Unix(path.clone())], ..open_options() };
    let bound = Server::bind(options(), App::default()).await.unwrap();
    assert_eq!(bound.addresses(), [Listen::Unix(path.clone())]);
    let second = Server::bind(options(), App::default()).await.unwrap_err();
    assert!(matches!(second, Error::InUse { .. }), "{second:?}");

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let ended = tokio::spawn(bound.serve(async move { stopped.await.unwrap() }));
    let mut client = UnixStream::connect(&path).await.unwrap();
    client.write_all(b"GET /who HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut said = String::new();
    client.read_to_string(&mut said).await.unwrap();
    assert!(said.ends_with(r#"Anonymous None Http Some("a") false false"#), "{said}");
    stop.send(()).unwrap();
    ended.await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_file_in_the_place_of_a_unix_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, b"precious").unwrap();
    let options = Options { listen: vec![Listen::Unix(path.clone())], ..open_options() };
    assert!(Server::bind(options, App::default()).await.is_err());
    assert_eq!(std::fs::read(&path).unwrap(), b"precious");
}
